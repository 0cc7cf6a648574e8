/* Circuit breakers and statistics, one for each target (provider and vendor's model), shared by all workers.
 *
 * Closed, calls go out and their results are counted over a sliding window; too many failures, or too many slow ones,
 * open the circuit. Open, none go out until a time has passed; then, half open, a few probes do: if all succeed the
 * circuit closes, and one that fails opens it again for twice the time. docs/failover.md has the formulas.
 *
 * All functions are for any thread. Times are milliseconds of a monotonic clock that the caller reads; readings of
 * different threads may differ a little. A circuit is found once and then costs two atomic operations to admit a call
 * and one short lock to record it. Nothing is called back while a lock is held. */
#ifndef MG_GATEWAY_CIRCUIT_H
#define MG_GATEWAY_CIRCUIT_H

#include "net/upstream.h"

typedef struct mg_circuits mg_circuits; /* one a process: it outlives reloads */
typedef struct mg_circuit mg_circuit;   /* lives as long as its table */

enum {
    MG_CIRCUITS_MAX = 10000,          /* targets; beyond it they share one circuit, which counts and never opens */
    MG_CIRCUIT_NAME_MAX = 256,        /* bytes of provider and of model; longer ones share that circuit too */
    MG_CIRCUIT_WINDOW_MAX_MS = 300000,
    MG_CIRCUIT_PROBES_MAX = 16,
    MG_CIRCUIT_STATS_MS = 60000,      /* what calls, errors and error_rate of the statistics look back */
    MG_CIRCUIT_HOLD_MAX_MS = 3600000  /* a vendor that asks for more is tried again after this */
};

/* Passed with each call, so they may differ by caller and change at any time. Values out of range count as the
 * nearest one. */
typedef struct mg_circuit_settings {
    uint64_t window_ms;    /* sliding, in steps of 1 s; 1 s to MG_CIRCUIT_WINDOW_MAX_MS */
    uint32_t min_calls;    /* in the window, before which nothing opens */
    uint32_t error_percent; /* opens at so many failed calls; 0: never */
    uint32_t slow_percent;  /* opens at so many slow calls; 0: never */
    uint64_t slow_ms;       /* a call is slow if its first token took longer; 0: none is */
    uint64_t open_ms;       /* the first time; doubled each time a probe fails */
    uint64_t open_max_ms;
    uint32_t probes; /* that must succeed in half open; 1 to MG_CIRCUIT_PROBES_MAX */
    bool count_limited; /* MG_CIRCUIT_LIMITED is a failure for the breaker too; else only mg_circuit_hold keeps off */
} mg_circuit_settings;

#define MG_CIRCUIT_DEFAULTS                                                                                            \
    ((mg_circuit_settings){.window_ms = 30000,                                                                         \
                           .min_calls = 20,                                                                            \
                           .error_percent = 50,                                                                        \
                           .slow_percent = 80,                                                                         \
                           .open_ms = 30000,                                                                           \
                           .open_max_ms = 300000,                                                                      \
                           .probes = 3})

typedef enum mg_circuit_state { MG_CIRCUIT_CLOSED, MG_CIRCUIT_OPENED, MG_CIRCUIT_HALF_OPEN } mg_circuit_state;
const char *mg_circuit_state_name(mg_circuit_state s); /* "closed", "open", "half_open" */

typedef enum mg_circuit_admission {
    MG_CIRCUIT_NONE, /* no call: nothing to record */
    MG_CIRCUIT_GO,
    MG_CIRCUIT_PROBE,
    MG_CIRCUIT_OPEN /* not now */
} mg_circuit_admission;

/* One call's admission; the caller keeps it for mg_circuit_record. */
typedef struct mg_circuit_pass {
    mg_circuit_admission admission;
    uint8_t slot; /* this and the next three are the circuit's own */
    bool answered;
    uint32_t episode, ticket;
    uint64_t wait_ms; /* OPEN: until it may be tried again, at least 1; UINT64_MAX: not by itself */
} mg_circuit_pass;

typedef enum mg_circuit_outcome {
    MG_CIRCUIT_SUCCESS,
    MG_CIRCUIT_FAILURE,
    MG_CIRCUIT_LIMITED, /* 429, or out of quota: an error of the statistics; see count_limited */
    MG_CIRCUIT_NEUTRAL  /* says nothing about the target: the client has gone, or its request was at fault */
} mg_circuit_outcome;
/* The outcome of a call that ended so. Not for a call that the gateway cancelled, which is NEUTRAL. */
mg_circuit_outcome mg_circuit_outcome_of(mg_upstream_end end, mg_failure failure);

typedef struct mg_circuit_call {
    mg_circuit_outcome outcome;
    /* Microseconds from sending to the first token of a stream (or to a plain answer's end, where those are to be
     * compared), or -1. For a call given up while it waited, such as the loser of a hedge: how long it had waited. */
    int64_t ttft_us;
    int64_t output_tokens, output_us; /* both > 0: count for tokens per second; output_us from first token to last */
} mg_circuit_call;

typedef enum mg_circuit_reason {
    MG_CIRCUIT_BY_ERRORS,       /* closed → open */
    MG_CIRCUIT_BY_SLOWNESS,     /* closed → open */
    MG_CIRCUIT_BY_TIME,         /* open → half open */
    MG_CIRCUIT_BY_PROBES,       /* half open → closed */
    MG_CIRCUIT_BY_FAILED_PROBE, /* half open → open */
    MG_CIRCUIT_BY_FORCE,        /* somebody said so */
    MG_CIRCUIT_BY_RELEASE       /* what somebody said holds no longer */
} mg_circuit_reason;
const char *mg_circuit_reason_name(mg_circuit_reason r); /* "errors", "slow", "time", "probes", "probe_failed", … */

typedef struct mg_circuit_change {
    mg_circuit *circuit;    /* NULL: a whole provider was forced or released */
    mg_str provider, model; /* live as long as the table; model "" with a whole provider */
    mg_circuit_state from, to;
    mg_circuit_reason reason;
    uint64_t number; /* counts up: changes told by several threads may arrive out of order */
    uint32_t calls, errors, slow; /* of the window, when they opened it */
    uint64_t open_ms; /* to open: for how long; UINT64_MAX: until somebody ends it */
} mg_circuit_change;

/* `changed` (may be NULL) is told of each change on the thread that caused or noticed it. */
mg_circuits *mg_circuits_create(void (*changed)(void *arg, const mg_circuit_change *change), void *arg);
void mg_circuits_destroy(mg_circuits *t); /* NULL is fine */

/* Finds or makes the circuit of a target; never NULL. About 50 ns and no lock when it is there. Names from clients
 * should be checked first: each new one takes memory (7 KB once it has calls) until the process ends. */
mg_circuit *mg_circuits_find(mg_circuits *t, mg_str provider, mg_str model);
/* The same without making one: NULL if there is none. */
mg_circuit *mg_circuits_peek(mg_circuits *t, mg_str provider, mg_str model);

/* May a call go out? What says GO or PROBE must be recorded once. A probe that never is gives its place to another
 * after the time that the circuit had been open. */
mg_circuit_pass mg_circuit_admit(mg_circuit *c, const mg_circuit_settings *s, uint64_t now_ms);
/* The first token has come: a probe counts as succeeded (or failed, if that was slow) already now, so that a long
 * stream does not keep the circuit half open. Optional; mg_circuit_record must follow all the same. */
void mg_circuit_answered(mg_circuit *c, const mg_circuit_settings *s, mg_circuit_pass *pass, int64_t ttft_us,
                         uint64_t now_ms);
/* The call has ended. Empties the pass: a second time does nothing. */
void mg_circuit_record(mg_circuit *c, const mg_circuit_settings *s, mg_circuit_pass *pass, const mg_circuit_call *call,
                       uint64_t now_ms);
/* Keeps new calls away until then, since the vendor said when to come back; not a change of state. The longest hold
 * counts. */
void mg_circuit_hold(mg_circuit *c, uint64_t until_ms, uint64_t now_ms);

/* Kill switch: until then the circuit, or with model "" all of a provider's, also those found later, is open or closed
 * whatever the calls say. What was said of a model holds before what was said of its provider. until_ms: UINT64_MAX for
 * ever; CLOSED with 0 lifts what was forced before. HALF_OPEN can't be forced. False: refused, too many targets. */
bool mg_circuits_force(mg_circuits *t, mg_str provider, mg_str model, mg_circuit_state state, uint64_t until_ms,
                       uint64_t now_ms);
/* What was said of a whole provider and still holds; false: nothing. */
bool mg_circuits_forced(mg_circuits *t, mg_str provider, uint64_t now_ms, mg_circuit_state *state, uint64_t *until_ms);

typedef struct mg_circuit_stats {
    mg_str provider, model; /* live as long as the table */
    mg_circuit_state state; /* as forced, if it is; an open one turns half open with the next call that is admitted */
    bool forced, held;
    uint64_t wait_ms; /* until a call may be tried; 0: now; UINT64_MAX: not by itself */
    uint64_t calls, errors; /* of the last MG_CIRCUIT_STATS_MS, NEUTRAL ones left out */
    double error_rate;      /* of those, 0 to 1 */
    uint32_t in_flight;
    int64_t ttft_p50_us, ttft_p95_us; /* see latency.h; at most 100 ms old; -1: unknown */
    double ttft_samples;              /* behind them, old ones counted for less */
    double tokens_per_s;              /* of one stream; 0: unknown */
    uint64_t calls_total, errors_total, opened_total; /* since the start */
} mg_circuit_stats;
void mg_circuit_stats_get(mg_circuit *c, uint64_t now_ms, mg_circuit_stats *out);
/* All circuits in the order in which they were found first. */
void mg_circuits_each(mg_circuits *t, uint64_t now_ms, void (*each)(void *arg, const mg_circuit_stats *stats),
                      void *arg);

#endif
