/* The steps of the pipeline, for the files that hold them: pipeline.c asks and answers, pipeline_upstream.c sends. */
#ifndef MG_GATEWAY_PIPELINE_STEP_H
#define MG_GATEWAY_PIPELINE_STEP_H

#include "gateway/attempt.h"

typedef enum mg_step {
    STEP_LIMITS, /* configured request limits */
    STEP_ADMIT,
    STEP_PROMPT,
    STEP_SCREEN,
    STEP_ROUTE,
    STEP_ESTIMATE,
    STEP_SPEND,
    STEP_RESERVE,
    STEP_DISPATCH,
    STEP_UPSTREAM, /* an attempt is under way */
    STEP_WINDOW, /* a reply policy judges part of a stream */
    STEP_FAILED,
    STEP_ANSWERED,
    STEP_REPLY,
    STEP_DELIVER,
    STEP_SETTLE
} mg_step;

/* What a step says: go on with r->step, wait for an event, or the request is gone. */
typedef enum mg_next { GO, WAIT, OVER } mg_next;

static inline mg_next mg_pipeline_go(mg_request *r, mg_step s) {
    r->step = s;
    r->phase_begun = false;
    return GO;
}

/* pipeline_upstream.c */
mg_next mg_step_dispatch(mg_request *r);
mg_next mg_step_failed(mg_request *r);
/* Names the failure of an answer whose status is not 2xx. */
void mg_pipeline_classify(mg_attempt *a);

#endif
