/* Server-sent events (WHATWG HTML, 9.2), split at any byte: frames bytes into events.
 *
 * A blank line ends an event at once, with one exception: its CR waits for the next byte when the line before ended in LF
 * or CRLF, since an LF will follow. So the split into events never depends on how the bytes came. */
#ifndef MG_NET_SSE_H
#define MG_NET_SSE_H

#include "base/buf.h"

typedef struct mg_sse {
    mg_buf pending; /* an event not yet complete; bounded by its max */
    mg_buf data;    /* joined data lines, when an event has several; padded copy of one line without padding */
    size_t max_event;
    uint8_t state;  /* of the line scanner */
    bool bare_cr;   /* the last line ended in CR alone */
    bool bom_done;
    bool broken;    /* an event was too large: nothing more is taken */
} mg_sse;

typedef struct mg_sse_event {
    mg_str raw;   /* the event's bytes as they came, its blank line included; borrowed during the call */
    mg_str event; /* name or "" */
    mg_str data;  /* payload; MG_JSON_PADDING readable bytes follow */
    mg_str id;
    bool has_data; /* false: comments or fields only (a ping): pass on, nothing to decode */
} mg_sse_event;

/* max_event: bytes of one event as it comes, its blank line included. */
void mg_sse_init(mg_sse *s, size_t max_event);
void mg_sse_finish(mg_sse *s); /* not from within `event` */
/* Calls `event` for each event that is complete now; it returns false to stop (the rest of `bytes` is dropped). MG_ERROR:
 * an event is larger than the maximum, now or in an earlier call. LF, CRLF and CR line ends; comments; data without
 * space. */
mg_status mg_sse_feed(mg_sse *s, mg_str bytes, bool (*event)(void *arg, const mg_sse_event *e), void *arg,
                      mg_error *error);
/* Bytes that wait for the rest of their event: at the end of a stream, > 0 means a broken one. */
size_t mg_sse_waiting(const mg_sse *s);

#endif
