/* NDJSON: one JSON text a line, LF or CRLF, split at any byte. What stands in a line is not looked at, so a line that
 * is not JSON is the business of whoever reads it, and the next line is whole again. */
#ifndef MG_NET_NDJSON_H
#define MG_NET_NDJSON_H

#include "net/pieces.h"

typedef struct mg_ndjson {
    mg_pieces line;
    bool begun;  /* a line has been delivered: no byte order mark any more */
    bool broken; /* a line was too large: nothing more is taken */
} mg_ndjson;

typedef struct mg_ndjson_frame {
    mg_str raw;  /* the line as it came, its end included; borrowed during the call */
    mg_str data; /* without white space around it; MG_JSON_PADDING readable bytes follow */
    bool has_data; /* false: a blank line: pass on, nothing to decode */
} mg_ndjson_frame;

/* max_line: bytes of one line as it comes, its end included. */
void mg_ndjson_init(mg_ndjson *n, size_t max_line);
void mg_ndjson_finish(mg_ndjson *n); /* not from within `frame` */
/* Calls `frame` for each line that is complete now; it returns false to stop (the rest of `bytes` is dropped).
 * MG_ERROR: a line is larger than the maximum, now or in an earlier call. */
mg_status mg_ndjson_feed(mg_ndjson *n, mg_str bytes, bool (*frame)(void *arg, const mg_ndjson_frame *f), void *arg,
                         mg_error *error);
/* The stream has ended as its transport says: what waits is a last line without an end. */
void mg_ndjson_end(mg_ndjson *n, bool (*frame)(void *arg, const mg_ndjson_frame *f), void *arg);
/* Bytes that wait for the end of their line. */
size_t mg_ndjson_waiting(const mg_ndjson *n);

#endif
