/* Server-sent events (WHATWG HTML, 9.2), split at any byte: frames bytes into events. */
#ifndef MG_NET_SSE_H
#define MG_NET_SSE_H

#include "base/buf.h"

typedef struct mg_sse {
    mg_buf pending; /* an event not yet complete; bounded by its max */
    mg_buf data;    /* joined data lines, when an event has several */
    bool bom_done;
} mg_sse;

typedef struct mg_sse_event {
    mg_str raw;   /* the event's bytes as they came, its blank line included; borrowed during the call */
    mg_str event; /* name or "" */
    mg_str data;  /* payload; MG_JSON_PADDING readable bytes follow */
    mg_str id;
    bool has_data; /* false: comments or fields only (a ping): pass on, nothing to decode */
} mg_sse_event;

void mg_sse_init(mg_sse *s, size_t max_event);
void mg_sse_finish(mg_sse *s);
/* Calls `event` for each event that is complete now; it returns false to stop (the rest of `bytes` is dropped). MG_ERROR:
 * an event is larger than the maximum. LF, CRLF and CR line ends; comments; data without space. */
mg_status mg_sse_feed(mg_sse *s, mg_str bytes, bool (*event)(void *arg, const mg_sse_event *e), void *arg,
                      mg_error *error);
/* Bytes that wait for the rest of their event: at the end of a stream, > 0 means a broken one. */
size_t mg_sse_waiting(const mg_sse *s);

#endif
