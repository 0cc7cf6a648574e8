/* HTTP requests that policies make: only to hosts that the configuration lists, bounded, without redirects. */
#ifndef MG_GATEWAY_FETCH_H
#define MG_GATEWAY_FETCH_H

#include "net/upstream.h"

#include "gateway/snapshot.h"

typedef struct mg_worker mg_worker;
typedef struct mg_fetch mg_fetch;

typedef struct mg_fetch_request {
    mg_str method, url;
    const mg_header *headers;
    size_t n_headers;
    mg_str body;
    uint64_t timeout_ms; /* 0 or more than 5,000: 5,000 */
} mg_fetch_request;

typedef struct mg_fetch_result {
    int status;
    const mg_header *headers;
    size_t n_headers;
    mg_str body; /* at most 1 MB */
} mg_fetch_result;

/* result and error are borrowed during the call; exactly one is not NULL. */
typedef void (*mg_fetch_done)(void *arg, const mg_fetch_result *result, const mg_error *error);
/* `s` NULL: the URL is the operator's own, and any host will do. Copies what it needs. NULL and an error when the URL is malformed or its host is not allowed; otherwise `done` is called
 * later, once. */
mg_fetch *mg_fetch_start(mg_worker *w, const mg_snapshot *s, const mg_fetch_request *r, mg_fetch_done done, void *arg,
                         mg_error *error);
void mg_fetch_cancel(mg_fetch *f);

#endif
