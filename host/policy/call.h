/* A call: the policies of one phase being asked for one request, one after another. */
#ifndef MG_POLICY_CALL_H
#define MG_POLICY_CALL_H

#include "policy/plan.h"
#include "policy/state.h"

struct mg_engine;

typedef enum mg_wait {
    MG_WAIT_NONE, /* nothing is pending; a completion that comes now is late */
    MG_WAIT_PENDING, /* an operation is under way */
    MG_WAIT_READY /* it is done: `results` values are there */
} mg_wait;

struct mg_call {
    struct mg_engine *engine;
    mg_request *request;
    mg_policies *policies; /* reference held: steps and settings are its */
    const mg_plan *plan;
    mg_phase phase;
    size_t at; /* the step that is asked */
    /* of the step: */
    mg_state *state; /* NULL between steps */
    mg_thread thread;
    mg_spent spent;
    unsigned pcall_depth;
    /* of the primitive that it waits for: */
    mg_wait wait;
    bool yielded, timed_out, broken; /* broken: the results did not fit into memory */
    bool stray; /* an operation was cancelled: its completion may yet come */
    int results;
    void (*cancel)(void *arg);
    void *cancel_arg;
    mg_deferred resume;
    mg_timer *timer; /* wall clock, over all waits of a step */
    /* the engine's: */
    mg_call *next;
    uint64_t dead_ms;
};

/* The step that is asked. */
static inline const mg_step *mg_call_step(const mg_call *c) { return &c->plan->steps[c->phase][c->at]; }

#endif
