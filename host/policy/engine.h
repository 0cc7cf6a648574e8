/* A worker's engine, inside. */
#ifndef MG_POLICY_ENGINE_H
#define MG_POLICY_ENGINE_H

#include "policy/call.h"
#include "policy/suspension.h"

enum { MG_ENGINE_BUCKETS = 256 };

struct mg_engine {
    mg_worker *worker;
    mg_reloader *reloader;
    mg_policies *current; /* the newest generation that this worker has seen; reference held */
    mg_state *states[MG_ENGINE_BUCKETS]; /* by the fingerprint of their bundle */
    mg_state *retired; /* in use by calls, to be destroyed after them */
    size_t n_states;
    mg_call *idle; /* calls for reuse */
    mg_call *dead,
        **dead_end; /* cancelled while a primitive was under way, oldest first: its completion may still come */
    mg_call *waiting; /* all that hold a coroutine between turns; for the engine's end */
    mg_suspensions suspensions;
    mg_timer *sweep;
    uint64_t built, killed, suspended;
    mg_series *failures[4]; /* by mg_failure_kind */
};

typedef enum mg_failure_kind {
    MG_FAILURE_ERROR,
    MG_FAILURE_KILLED,
    MG_FAILURE_TIMEOUT,
    MG_FAILURE_SUSPENDED
} mg_failure_kind;

/* The state for a bundle: a live one, or one that is built now. NULL and an error if its files don't load. */
mg_state *mg_engine_state(mg_engine *e, mg_bundle *b, mg_error *error);
/* A call has left the state: tidies it, and destroys it if it was only kept for that call. */
void mg_engine_state_left(mg_engine *e, mg_state *s);
/* Destroys what is idle, or belongs to no generation that is current; unless `all`, keeps what calls still use. */
void mg_engine_sweep(mg_engine *e);
void mg_engine_states_finish(mg_engine *e);

#endif
