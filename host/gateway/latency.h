/* A histogram of durations on a logarithmic scale that forgets: percentiles of the last minutes in constant memory.
 *
 * Durations fall into 8 buckets an octave, so a percentile, told as the middle of its bucket, is off by at most 1/16
 * (6.25 %) of itself. All weights are halved every MG_LATENCY_HALF_LIFE_MS; a duration is gone after ten halvings.
 * Not for use by several threads at once. */
#ifndef MG_GATEWAY_LATENCY_H
#define MG_GATEWAY_LATENCY_H

#include <stdint.h>

enum {
    MG_LATENCY_HALF_LIFE_MS = 30000,
    MG_LATENCY_ONE = 1024,    /* weight of a duration that has just come */
    MG_LATENCY_BUCKETS = 224  /* up to 2^30 µs, 18 minutes; the last one also holds what took longer */
};

typedef struct mg_latency {
    uint64_t period; /* now_ms / half-life of the last look */
    uint64_t total;  /* sum of the weights */
    uint32_t weights[MG_LATENCY_BUCKETS];
} mg_latency; /* zeroed: empty */

void mg_latency_add(mg_latency *l, uint64_t us, uint64_t now_ms);
/* Nearest rank: the least duration that at least `percent` percent of the weight do not exceed, in µs; -1: nothing
 * known. */
int64_t mg_latency_percentile(mg_latency *l, unsigned percent, uint64_t now_ms);
/* How many durations the histogram stands for, old ones counted for less. */
double mg_latency_samples(mg_latency *l, uint64_t now_ms);

#endif
