/* A worker: one thread with its event loop and everything that it does not share. */
#ifndef MG_GATEWAY_WORKER_H
#define MG_GATEWAY_WORKER_H

#include "base/json.h"
#include "base/metrics.h"
#include "gateway/hedge.h"
#include "gateway/keyring.h"
#include "gateway/phase.h"
#include "gateway/snapshot.h"
#include "gateway/spool.h"
#include "net/loop.h"
#include "net/server.h"
#include "net/upstream.h"

#include <pthread.h>

typedef struct mg_worker mg_worker;

/* What all workers share; owned by the application, outlives them. */
typedef struct mg_gateway {
    mg_metrics *metrics;
    mg_spool *spool;
    size_t n_workers;
    mg_snapshot *snapshot; /* the newest; swap with mg_gateway_publish, take with mg_gateway_snapshot */
    pthread_mutex_t lock; /* guards `snapshot` */
    mg_circuits *circuits;
    mg_keyrings *keyrings;
    mg_hedge hedge;
    uint8_t secret[32]; /* for keyed hashes of what must not be readable */
} mg_gateway;

struct mg_credentials; /* gateway/credential.c: tokens */
struct mg_counts; /* gateway/counts.c: this worker's metrics */

struct mg_worker {
    mg_gateway *gateway;
    size_t index;
    mg_evloop *loop;
    mg_server *server;
    mg_upstream *upstream;
    mg_json_parser *json;
    mg_arena *scratch; /* for one frame of a stream; reset after it */
    mg_spool_writer *spool;
    mg_policy_runner policy; /* .ctx NULL: no policies */
    mg_snapshot *snapshot; /* reference held; use mg_worker_snapshot */
    struct mg_counts *counts;
    struct mg_credentials *credentials; /* NULL: none needed yet */
    uint64_t requests_open;
    mg_request *drained; /* whose clients have gone, and whose answers are read for their usage; linked by next_drained */
};

mg_snapshot *mg_gateway_snapshot(mg_gateway *g); /* with a reference; any thread */
void mg_gateway_publish(mg_gateway *g, mg_snapshot *s); /* takes the reference; any thread */
mg_snapshot *mg_worker_snapshot(mg_worker *w); /* the newest, borrowed from the worker until it asks again */

/* Ends what is still read for clients that have gone. Before the server is destroyed. */
void mg_gateway_abandon(mg_worker *w);

/* The data plane's handler for a worker's server; ctx is the worker. */
mg_server_handler mg_gateway_handler(mg_worker *w);

#endif
