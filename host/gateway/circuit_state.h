/* What a circuit holds. Only circuit.c (one circuit's life) and circuits.c (the table of them) include this. */
#ifndef MG_GATEWAY_CIRCUIT_STATE_H
#define MG_GATEWAY_CIRCUIT_STATE_H

#include "gateway/circuit.h"
#include "gateway/latency.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    CIRCUIT_SECONDS = MG_CIRCUIT_WINDOW_MAX_MS / 1000 + 2,
    CIRCUIT_BUCKETS = 4096 /* of the hash table */
};

/* What was recorded in one second. */
typedef struct circuit_second {
    uint32_t calls, failures, slow; /* for the breaker; begin at 0 when the circuit closes */
    uint32_t judged, errors;        /* for the statistics */
} circuit_second;

/* A forced state and its end in one word, so that it is read whole without a lock; 0: not forced. */
typedef _Atomic uint64_t circuit_force;

typedef struct circuit_provider {
    struct circuit_provider *next;
    char *name;
    size_t n;
    circuit_force force;
} circuit_provider;

typedef struct circuit_probe {
    uint64_t until_ms; /* 0: free; past: its call is taken for lost */
    uint32_t ticket;
} circuit_probe;

struct mg_circuit {
    _Atomic(mg_circuit *) in_bucket, in_order; /* the next one; set once */
    mg_circuits *table;
    circuit_provider *provider;
    char *model;
    size_t n_model;
    uint64_t hash;
    bool shared; /* stands for many targets: only counts */

    circuit_force force;
    atomic_bool gated; /* not simply closed: an admission has to take the lock */
    _Atomic uint32_t episode; /* changes with the state: a result counts only in the one its call began in */
    _Atomic uint32_t in_flight;

    pthread_mutex_t lock; /* guards what follows */
    mg_circuit_state state;
    uint64_t open_ms, open_until_ms, hold_until_ms;
    uint32_t probes, succeeded; /* of the half-open episode */
    uint32_t tickets;
    circuit_probe probe[MG_CIRCUIT_PROBES_MAX];

    uint64_t second, last_bad; /* newest second of the ring; the last one with a failure or a slow call */
    circuit_second *ring;      /* made with the first result */
    uint64_t calls_total, errors_total, opened_total;
    mg_latency ttft;
    uint64_t known_ms; /* when the percentiles below were worked out */
    bool fresh;        /* nothing was added since */
    int64_t p50_us, p95_us;
    uint64_t rate_period; /* tokens and their time are halved as latencies are */
    double tokens, tokens_us;
};

struct mg_circuits {
    void (*changed)(void *arg, const mg_circuit_change *change);
    void *arg;
    _Atomic uint64_t changes;
    _Atomic(mg_circuit *) buckets[CIRCUIT_BUCKETS]; /* read without a lock: circuits are only ever added */
    _Atomic(mg_circuit *) first;
    mg_circuit other;
    pthread_mutex_t lock; /* guards what follows, and adding */
    mg_circuit *last;
    size_t n, n_providers;
    circuit_provider *providers;
};

/* What to tell once no lock is held. */
typedef struct circuit_news {
    unsigned n;
    mg_circuit_change at[3];
} circuit_news;

void circuit_tell(mg_circuits *t, circuit_news *news);

/* A state and an end to a circuit_force's word, and back. Read: whether it is in force; *state and *until_ms are left
 * alone if not. */
uint64_t circuit_force_word(mg_circuit_state state, uint64_t until_ms);
bool circuit_force_read(uint64_t word, uint64_t now_ms, mg_circuit_state *state, uint64_t *until_ms);
bool circuit_force_set(mg_circuit *c, mg_circuit_state state, uint64_t until_ms, uint64_t now_ms);

#endif
