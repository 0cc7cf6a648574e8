/* The policy phases, what they may answer, and how the gateway calls the policy runtime, which is a layer above it. */
#ifndef MG_GATEWAY_PHASE_H
#define MG_GATEWAY_PHASE_H

#include "base/str.h"

typedef struct mg_request mg_request;

typedef enum mg_phase {
    MG_PHASE_ADMIT,
    MG_PHASE_PROMPT,
    MG_PHASE_SCREEN,
    MG_PHASE_ROUTE,
    MG_PHASE_SPEND,
    MG_PHASE_REPLY,
    MG_PHASE_SETTLE,
    MG_PHASES
} mg_phase;
const char *mg_phase_name(mg_phase p);

typedef enum mg_verdict_kind {
    MG_VERDICT_NONE, /* go on */
    MG_VERDICT_DENY,
    MG_VERDICT_ANSWER,
    MG_VERDICT_QUEUE
} mg_verdict_kind;

/* What a phase returned; strings live in the request's arena. `targets` go straight into the request. */
typedef struct mg_verdict {
    mg_verdict_kind kind;
    int status; /* deny; default 403 */
    mg_str code, message; /* deny */
    int64_t retry_after_ms; /* deny; -1: none */
    mg_str severity; /* deny */
    mg_str rule; /* which rule decided: "acme/rate.admit" unless the policy named one */
    mg_str text, finish_reason; /* answer */
    int64_t max_wait_ms; /* queue */
    int priority; /* queue */
} mg_verdict;

typedef enum mg_run {
    MG_RUN_DONE, /* request->verdict holds the answer */
    MG_RUN_WAIT /* a policy waits for a primitive: mg_request_resume(request) will be called on this loop */
} mg_run;

/* The policy runtime as the gateway sees it; one a worker. */
typedef struct mg_policy_runner {
    void *ctx;
    /* The newest generation, with a reference; NULL if there are no policies. Also its number. */
    void *(*acquire)(void *ctx, uint64_t *generation);
    void (*release)(void *ctx, void *generation);
    /* True if some policy that applies to this organization has the phase: lets the gateway skip work for it. */
    bool (*has)(void *ctx, void *generation, mg_str org, mg_phase phase);
    /* Characters of answer that a `reply` phase wants at a time on streams; 0: it wants the whole only at the end. */
    size_t (*window)(void *ctx, void *generation, mg_str org);
    /* Asks the policies of the phase in order. After MG_RUN_WAIT call it again, with the same phase, from mg_request_resume:
     * it goes on where it stopped. */
    mg_run (*run)(void *ctx, mg_request *request, mg_phase phase);
    /* The client has gone while a policy waited: forgets the coroutine. */
    void (*cancel)(void *ctx, mg_request *request);
} mg_policy_runner;

#endif
