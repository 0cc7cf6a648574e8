/* A worker: one thread with its event loop and everything that it does not share. */
#ifndef MG_GATEWAY_WORKER_H
#define MG_GATEWAY_WORKER_H

#include "base/json.h"
#include "base/metrics.h"
#include "gateway/phase.h"
#include "gateway/snapshot.h"
#include "gateway/spool.h"
#include "net/loop.h"
#include "net/server.h"
#include "net/upstream.h"

typedef struct mg_worker mg_worker;

/* What all workers share; owned by the application, outlives them. */
typedef struct mg_gateway {
    mg_metrics *metrics;
    mg_spool *spool;
    size_t n_workers;
    mg_snapshot *snapshot; /* the newest; swap with mg_gateway_publish, take with mg_gateway_snapshot */
    uint8_t secret[32];    /* for keyed hashes of what must not be readable */
    void *lock;            /* guards `snapshot` */
    struct mg_counts *counts; /* process-wide counters that /metrics shows; gateway/gateway.c */
} mg_gateway;

struct mg_worker {
    mg_gateway *gateway;
    size_t index;
    mg_evloop *loop;
    mg_server *server;
    mg_upstream *upstream;
    mg_json_parser *json;
    mg_spool_writer *spool;
    mg_policy_runner policy; /* .ctx NULL: no policies */
    mg_snapshot *snapshot;   /* reference held; refreshed between requests */
    uint64_t requests_open;
};

mg_snapshot *mg_gateway_snapshot(mg_gateway *g);                    /* with a reference; any thread */
void mg_gateway_publish(mg_gateway *g, mg_snapshot *s);             /* takes the reference; any thread */

#endif
