/* Worker threads: each with its loop, server, upstream client, policy engine. */
#ifndef MG_APP_WORKER_THREAD_H
#define MG_APP_WORKER_THREAD_H

#include "app/config.h"
#include "gateway/worker.h"

typedef struct mg_workers mg_workers;

typedef struct mg_workers_options {
    mg_gateway *gateway;
    mg_reloader *reloader;
    const mg_server_limits *limits;
    mg_listener **listeners;
    void **tls; /* SSL_CTX of each listener, or NULL */
    size_t n_listeners;
    const mg_upstream_backend *upstream;
} mg_workers_options;

/* Starts gateway->n_workers threads and returns once all of them accept connections. MG_ERROR: none is left running. */
mg_workers *mg_workers_start(const mg_workers_options *o, mg_error *error);
/* Stops accepting, lets requests under way end for at most wait_ms, then ends the threads. Blocks. */
void mg_workers_drain(mg_workers *w, uint64_t wait_ms);
void mg_workers_destroy(mg_workers *w); /* after drain */
/* Runs work(worker, arg) on each worker's thread; does not wait. Returns on how many: those that have stopped run nothing. */
size_t mg_workers_post(mg_workers *w, void (*work)(mg_worker *worker, void *arg), void *arg);
/* Sums over all workers; figures may be a moment old. */
typedef struct mg_workers_stats {
    uint64_t requests_open;
    mg_engine_stats policy;
} mg_workers_stats;
void mg_workers_stats_get(mg_workers *w, mg_workers_stats *out);

#endif
