/* When a second request may be started beside one that is slow, so that the first answer wins.
 *
 * The delay is the p95 of the target's time to first token, or the policy's own number, so that about one request in
 * twenty reaches it; and of all requests of a sliding minute at most a share (5 %) is hedged, whatever the delay:
 * when everything is slow, hedging would only double the load. One struct for all workers; all functions from any
 * thread. */
#ifndef MG_GATEWAY_HEDGE_H
#define MG_GATEWAY_HEDGE_H

#include "gateway/circuit.h"
#include <pthread.h>

enum {
    MG_HEDGE_SECONDS = 60, /* the window of the share */
    MG_HEDGE_NO = -1
};

typedef struct mg_hedge_settings {
    int64_t delay_ms;     /* the policy's own; -1: the p95 */
    uint64_t least_ms;    /* never sooner than this by the p95 */
    uint32_t min_samples; /* times to first token that the p95 must rest on */
    uint32_t share_permille; /* of requests that may be hedged */
} mg_hedge_settings;
#define MG_HEDGE_DEFAULTS                                                                                              \
    ((mg_hedge_settings){.delay_ms = -1, .least_ms = 50, .min_samples = 20, .share_permille = 50})

typedef struct mg_hedge_second {
    uint32_t requests, hedges;
} mg_hedge_second;

typedef struct mg_hedge {
    pthread_mutex_t lock;
    uint64_t second; /* the newest */
    mg_hedge_second ring[MG_HEDGE_SECONDS];
    uint64_t requests, hedges; /* sums of the ring */
} mg_hedge;

void mg_hedge_init(mg_hedge *h);
void mg_hedge_finish(mg_hedge *h);

/* Counts a request that may be hedged, and says after how many ms a second one may be started: MG_HEDGE_NO if the p95
 * is not known well enough, or left_ms (of the request's total time; UINT64_MAX: no limit) ends before. `stats`: of
 * the target that the first request goes to; NULL: unknown. */
int64_t mg_hedge_delay(mg_hedge *h, const mg_hedge_settings *s, const mg_circuit_stats *stats, uint64_t left_ms,
                       uint64_t now_ms);
/* When the delay has passed without an answer: true if the share allows one more hedge, which is counted. */
bool mg_hedge_start(mg_hedge *h, const mg_hedge_settings *s, uint64_t now_ms);

#endif
