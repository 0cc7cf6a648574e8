/* Upstream HTTP client behind a narrow interface, so that the backend can differ: libcurl (proxies, everything), or the
 * keep-alive HTTP/1.1 pool on the loop (the hot path). One client a worker. */
#ifndef MG_NET_UPSTREAM_H
#define MG_NET_UPSTREAM_H

#include "base/arena.h"
#include "net/loop.h"

typedef struct mg_upstream mg_upstream;           /* a worker's client */
typedef struct mg_upstream_call mg_upstream_call; /* one request; gone after `done` or cancel */

/* 0: none. Looked at every 100 ms. */
typedef struct mg_upstream_timeouts {
    uint64_t connect_ms;    /* DNS, TCP and TLS together */
    uint64_t first_byte_ms; /* silence from the connection's being ready, or from the last progress in sending, to the head */
    uint64_t idle_ms;       /* silence inside the answer */
    uint64_t total_ms;      /* from start to end, pauses included */
} mg_upstream_timeouts;

typedef struct mg_upstream_request {
    mg_str method;
    mg_str base_url; /* "https://api.openai.com/v1": scheme, host, port, path prefix; no query, no credentials */
    mg_str path;     /* appended; may hold a query */
    const mg_header *headers; /* names lower case; host, content-length, connection are the client's own */
    size_t n_headers;
    mg_str body; /* all of these are borrowed until `done` or cancel */
    mg_upstream_timeouts timeouts;
    mg_str ca_file; /* PEM bundle that replaces the system's, or "" */
    size_t max_body; /* bytes of answer; beyond: MG_UPSTREAM_TOO_LARGE; 0: any */
    bool public_only; /* refuse addresses that are not on the public internet, as they are connected to: MG_UPSTREAM_CONNECT */
} mg_upstream_request;

typedef enum mg_upstream_end {
    MG_UPSTREAM_COMPLETE,      /* by content-length, last chunk, or a close that framing allows (see `close_delimited`) */
    MG_UPSTREAM_RESOLVE,       /* no such host */
    MG_UPSTREAM_CONNECT,       /* refused or unreachable, or the URL is not one */
    MG_UPSTREAM_TLS,           /* handshake or certificate */
    MG_UPSTREAM_RESET,         /* broke before or inside the answer */
    MG_UPSTREAM_TIMEOUT_CONNECT,
    MG_UPSTREAM_TIMEOUT_FIRST_BYTE,
    MG_UPSTREAM_TIMEOUT_IDLE,
    MG_UPSTREAM_TIMEOUT_TOTAL,
    MG_UPSTREAM_PROTOCOL,      /* the answer is not HTTP/1.1, or the request can't be put so */
    MG_UPSTREAM_TOO_LARGE
} mg_upstream_end;
const char *mg_upstream_end_name(mg_upstream_end e); /* "connect", "timeout_idle", … for rows and logs */

typedef struct mg_upstream_result {
    mg_upstream_end end;
    bool close_delimited; /* COMPLETE only because the peer closed: the format's own terminator must decide */
    bool reused;          /* the connection had served before */
    bool sent;            /* something of the request may have reached the peer */
    char text[160];       /* a sentence for the log; no URL, no header */
} mg_upstream_result;

typedef struct mg_upstream_events {
    /* Status and headers (1xx are swallowed); borrowed during the call. An answer that is compressed all the same comes decoded
     * (64 MB and 100:1 at most), without its content-encoding and content-length; one that can't be ends in MG_UPSTREAM_PROTOCOL
     * before this. */
    void (*head)(void *arg, int status, const mg_header *headers, size_t n);
    void (*data)(void *arg, mg_str bytes); /* body bytes without codings; borrowed during the call */
    void (*done)(void *arg, const mg_upstream_result *result); /* last call */
} mg_upstream_events;

typedef struct mg_upstream_backend {
    const char *name; /* "curl", "pool" */
    void *(*create)(mg_evloop *loop, mg_error *error);
    void (*destroy)(void *self);
    mg_upstream_call *(*start)(void *self, const mg_upstream_request *r, const mg_upstream_events *e, void *arg);
    void (*pause)(mg_upstream_call *c, bool paused);
    void (*cancel)(mg_upstream_call *c);
} mg_upstream_backend;
extern const mg_upstream_backend mg_upstream_curl, mg_upstream_pool;

mg_upstream *mg_upstream_create(mg_evloop *loop, const mg_upstream_backend *backend, mg_error *error);
/* Calls in flight end without a callback. On the loop's thread while it does not run, or from a posted function. */
void mg_upstream_destroy(mg_upstream *u);
/* Never calls back before it has returned. A request on a reused connection that broke before any byte of an answer came
 * is sent once more on a fresh one by the backend itself. */
mg_upstream_call *mg_upstream_start(mg_upstream *u, const mg_upstream_request *r, const mg_upstream_events *e, void *arg);
/* While paused no data is delivered and, beyond what is in flight, none is read: back-pressure. First-byte and idle time
 * stand still. `done` may come all the same: after a failure, or when nothing was left to deliver. */
void mg_upstream_pause(mg_upstream_call *c, bool paused);
/* No callback follows; the connection is closed unless the answer was whole. May be called from within a callback. */
void mg_upstream_cancel(mg_upstream_call *c);

#endif
