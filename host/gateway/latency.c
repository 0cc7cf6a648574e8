#include "gateway/latency.h"

#include <string.h>

enum {
    STEPS_BITS = 3, /* 8 buckets an octave */
    STEPS = 1 << STEPS_BITS,
    FORGOTTEN = 11 /* halvings after which nothing is left of MG_LATENCY_ONE */
};

static void halve(mg_latency *l, unsigned times) {
    l->total = 0;
    for (unsigned i = 0; i < MG_LATENCY_BUCKETS; i++) {
        l->weights[i] >>= times;
        l->total += l->weights[i];
    }
}

/* A clock that seems to go back (another thread's reading) changes nothing. */
static void forget(mg_latency *l, uint64_t now_ms) {
    uint64_t period = now_ms / MG_LATENCY_HALF_LIFE_MS;
    if (period <= l->period) return;
    uint64_t passed = period - l->period;
    l->period = period;
    if (l->total) halve(l, passed < FORGOTTEN ? (unsigned)passed : 31);
}

static unsigned bucket_of(uint64_t us) {
    if (us < STEPS) return (unsigned)us;
    unsigned octave = 63u - (unsigned)__builtin_clzll(us) - STEPS_BITS;
    unsigned at = octave * STEPS + (unsigned)(us >> octave);
    return at < MG_LATENCY_BUCKETS ? at : MG_LATENCY_BUCKETS - 1;
}

static int64_t middle_of(unsigned bucket) {
    if (bucket < 2 * STEPS) return bucket; /* exact: one value a bucket */
    unsigned octave = bucket / STEPS - 1;
    uint64_t low = (uint64_t)(bucket % STEPS + STEPS) << octave;
    return (int64_t)(low + ((1ull << octave) >> 1));
}

void mg_latency_add(mg_latency *l, uint64_t us, uint64_t now_ms) {
    forget(l, now_ms);
    if (l->total > UINT32_MAX - MG_LATENCY_ONE) halve(l, 1); /* so no weight overflows */
    l->weights[bucket_of(us)] += MG_LATENCY_ONE;
    l->total += MG_LATENCY_ONE;
}

int64_t mg_latency_percentile(mg_latency *l, unsigned percent, uint64_t now_ms) {
    forget(l, now_ms);
    if (l->total == 0) return -1;
    uint64_t wanted = (l->total * percent + 99) / 100, sum = 0;
    unsigned at = 0;
    if (wanted == 0) wanted = 1;
    while ((sum += l->weights[at]) < wanted) at++;
    return middle_of(at);
}

double mg_latency_samples(mg_latency *l, uint64_t now_ms) {
    forget(l, now_ms);
    return (double)l->total / MG_LATENCY_ONE;
}
