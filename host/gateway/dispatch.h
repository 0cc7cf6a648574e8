/* Which target next: circuits, keys, what is done after a failure, and hedged requests. */
#ifndef MG_GATEWAY_DISPATCH_H
#define MG_GATEWAY_DISPATCH_H

#include "gateway/attempt.h"

/* Chooses the first target from place `from` on that has all of `capabilities`, whose circuit lets a call through and which has a
 * key that does not rest. The choice holds a place in the circuit: it goes into an attempt, or to mg_dispatch_release. False: there
 * is none; r->open_wait_ms says when there may be one. */
bool mg_dispatch_choose(mg_request *r, size_t from, uint32_t capabilities, mg_choice *out);
void mg_dispatch_release(mg_request *r, mg_choice *choice);
/* What the client got of streams that broke, as a target can go on from it: vendors refuse white space at its end. */
mg_str mg_dispatch_said(const mg_request *r);
/* What a target of the request must have: once a part of another's answer is out, going on from it. */
uint32_t mg_dispatch_needs(const mg_request *r);

typedef enum mg_recovery {
    MG_RECOVERY_NONE, /* the failure is the client's to know */
    MG_RECOVERY_NOW, /* r->choice is the next attempt's */
    MG_RECOVERY_LATER /* the same target once more, in *wait_ms */
} mg_recovery;
/* What may follow the failed attempt, and notes what it taught about target and key. */
mg_recovery mg_dispatch_recover(mg_request *r, mg_attempt *a, uint64_t *wait_ms);

/* Milliseconds left of the time for all attempts; UINT64_MAX: no limit. */
uint64_t mg_dispatch_left(const mg_request *r);
/* An attempt is under way: arms the hedge, where the policy wants one. */
void mg_dispatch_hedge(mg_request *r);
/* The attempt has the answer: its rival, if there is one, is given up. */
void mg_dispatch_lead(mg_attempt *a);
/* One of two rivals failed: true, and the other goes on, once what it taught is noted; false: it had none. */
bool mg_dispatch_lost(mg_attempt *a);
/* Before a retry, where mg_dispatch_choose found nothing: true if it is only that a vendor has asked to be left alone, and there is
 * time to wait for that, *wait_ms. A retry would else end in the hold that another request's answer has prolonged. */
bool mg_dispatch_patient(const mg_request *r, uint64_t *wait_ms);
/* The request is to be settled: a hedge that is still under way is stopped and accounted. */
void mg_dispatch_stop(mg_request *r);
/* The request ends: whatever is still under way is stopped. */
void mg_dispatch_end(mg_request *r);

/* A stream broke after its first byte: puts what was said into the request, for a target that goes on from there (any, if nothing
 * was said yet). MG_ERROR: it can't be continued. */
mg_status mg_dispatch_continue(mg_request *r, mg_attempt *a, mg_error *error);

#endif
