/* HTTP/1.1 server on a worker's loop: strict about framing, bounded in everything.
 *
 * An exchange is one request and its answer on a connection. Requests on a connection are handled one after the other;
 * pipelined ones wait in the connection's buffer, which is not read beyond its bound meanwhile. */
#ifndef MG_NET_SERVER_H
#define MG_NET_SERVER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/metrics.h"
#include "net/loop.h"

typedef struct mg_server mg_server; /* one a worker and handler */
typedef struct mg_conn mg_conn;

typedef struct mg_server_limits {
    size_t header_bytes; /* request line and headers together; beyond: 431 (414 for the line alone) */
    size_t headers; /* how many */
    size_t body_bytes; /* 413 */
    size_t bodies_bytes_total; /* of all bodies being held in the process; beyond: 503 */
    size_t connections; /* a worker's; beyond: the newcomer gets 503 and is closed */
    uint64_t header_ms; /* from the first byte of a request to the end of its head: 408 */
    uint64_t body_ms; /* silence while a body is read: 408 */
    uint64_t body_rate; /* bytes a second that a body must come at on average after 10 s; 0: any */
    uint64_t idle_ms; /* keep-alive without a request: closed */
    uint64_t write_ms; /* a client that takes nothing of a pending answer this long: closed */
    uint64_t requests; /* on one connection; 0: any */
} mg_server_limits;
mg_server_limits mg_server_limits_default(void);

/* One request. Everything is borrowed until mg_exchange_end has been called or `gone` was. */
typedef struct mg_exchange {
    mg_str method; /* upper case as sent */
    mg_str path; /* as sent, not decoded, without query; begins with '/' ("*" for OPTIONS *) */
    mg_str query; /* without '?'; "" if none */
    const mg_header *headers; /* names in lower case, values trimmed */
    size_t n_headers;
    const char *body; /* whole; MG_JSON_PADDING readable bytes follow. NULL in `head` */
    size_t n_body;
    mg_arena *arena; /* the request's; reset when the exchange is over */
    mg_str peer; /* "127.0.0.1:40312", "unix" */
    bool tls;
    bool has_body; /* a body is coming or came */
    uint64_t started_us; /* monotonic, first byte of the request */
    void *user; /* the handler's own */
} mg_exchange;

typedef struct mg_server_handler {
    void *ctx;
    /* The head is complete, the body is not read yet. May answer at once (refuse before the body); then `request` is not
     * called, and the connection is closed after the answer if a body was announced. May be NULL. */
    void (*head)(void *ctx, mg_exchange *x);
    /* Head and body are complete. The handler answers now or later. */
    void (*request)(void *ctx, mg_exchange *x);
    /* The client took all that was written: pull more. May be NULL. */
    void (*drained)(void *ctx, mg_exchange *x);
    /* The exchange is over before it ended: the client has gone, the write limit struck, its body broke a rule or limit
     * after `head` (the server answers that itself), or the server is destroyed. No more calls for it, the exchange is
     * freed after this returns. Called at once on a close while an answer is awaited; the end of what the client sends
     * counts as a close: a half-closed client gets no answer that was not made before. Only for exchanges that `head`
     * or `request` was called for. May be NULL. */
    void (*gone)(void *ctx, mg_exchange *x);
    /* An error that the server answers itself (400, 405, 408, 413, 414, 415, 417, 431, 501, 503, 505): writes the body,
     * JSON in the API's shape. May be NULL. */
    void (*refuse)(void *ctx, int status, mg_str message, mg_buf *body);
} mg_server_handler;

mg_str mg_exchange_header(const mg_exchange *x, mg_str name); /* first of that name, or {NULL,0} */
size_t mg_exchange_header_count(const mg_exchange *x, mg_str name);
/* Value of a query parameter as sent (not decoded), or {NULL,0}. */
mg_str mg_exchange_query(const mg_exchange *x, mg_str name);

/* None of the following calls the handler back before it returns, and all do nothing after the exchange has ended.
 * The server makes content-length, transfer-encoding, date and connection itself and drops them from `headers`, except
 * that `connection: close` closes. A header with a control character is dropped, and logged. */

/* Answers with a whole body (copied) and ends the exchange. */
void mg_exchange_reply(mg_exchange *x, int status, const mg_header *headers, size_t n, mg_str body);
/* Answers in pieces (chunked; for HTTP/1.0 closed at the end). */
void mg_exchange_start(mg_exchange *x, int status, const mg_header *headers, size_t n);
/* Queues bytes (copied; written with the next turn's writev or sooner). False: more than the high-water mark is waiting,
 * go on when `drained` is called; the bytes were taken all the same. */
bool mg_exchange_write(mg_exchange *x, mg_str bytes);
void mg_exchange_end(mg_exchange *x); /* after start: the answer is whole */
void mg_exchange_abort(
    mg_exchange *x); /* after start: closes without the last chunk, so that the client sees a break */
/* From within `gone` only: the exchange stays in memory, though nothing can be answered any more, until it is released; before
 * the server is destroyed, and not from within a call that still reads it. */
void mg_exchange_keep(mg_exchange *x);
void mg_exchange_release(mg_exchange *x);
size_t mg_exchange_backlog(const mg_exchange *x); /* bytes not yet taken by the client */

/* The server takes accepted sockets from listeners (net/listener.h) until it is drained. */
mg_server *mg_server_create(mg_evloop *loop, const mg_server_handler *handler, const mg_server_limits *limits,
                            mg_metrics *metrics, const char *name);
/* Closes what is open, with `gone` for each open exchange. Before the loop is destroyed; not from within the handler. */
void mg_server_destroy(mg_server *s);
/* Serves fd (non-blocking, owned from here on). tls is an SSL_CTX or NULL. Loop thread. */
void mg_server_accept(mg_server *s, int fd, mg_str peer, void *tls);
/* Keep-alive ends: idle connections close, others after their answer. Calls done(arg) when none is left. */
void mg_server_drain(mg_server *s, void (*done)(void *arg), void *arg);
size_t mg_server_connections(const mg_server *s);
/* What counts against bodies_bytes_total: bytes held for request bodies in the whole process. Any thread. */
size_t mg_server_bodies_bytes(void);

#endif
