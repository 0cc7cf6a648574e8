/* Rate limits and budgets of a request: what is taken at admit, what is reserved before dispatch, what is settled after. */
#ifndef MG_GATEWAY_LIMITS_H
#define MG_GATEWAY_LIMITS_H

#include "gateway/request.h"

/* ok: it fits. Otherwise wait_ms until it would if nobody else took anything (UINT64_MAX: never), or an error. */
typedef void (*mg_limits_done)(void *arg, bool ok, uint64_t wait_ms, const mg_error *error);

/* Declares limits for this request (policy primitive limits.take; the host's own for configured ones). Requests are taken
 * now, all of them or none; tokens and cost join the reservation before dispatch. A limit that the request has declared
 * already (same scope, measure, period, name) is not taken twice: the stricter amount holds. `done` is called exactly once,
 * perhaps before this returns, unless mg_limits_cancel comes first. */
void mg_limits_take(mg_request *r, const mg_limit *limits, size_t n, mg_limits_done done, void *arg);
void mg_limits_cancel(mg_request *r); /* forgets whatever is pending for the request */

/* Reserves tokens and cost in every scope that has a limit or budget, in one step. */
void mg_limits_reserve(mg_request *r, mg_limits_done done, void *arg);
/* Gives back, or adds, the difference between what was reserved and what was used. Does not wait. */
void mg_limits_settle(mg_request *r, int64_t tokens, int64_t cost_nano);

typedef struct mg_limit_status {
    int64_t limit, used; /* requests, tokens or nano-dollars */
    uint64_t reset_ms;
} mg_limit_status;
typedef void (*mg_limit_status_done)(void *arg, const mg_limit_status *status, const mg_error *error);
/* How full a limit is for this request's scope. */
void mg_limits_status(mg_request *r, const mg_limit *limit, mg_limit_status_done done, void *arg);

typedef struct mg_budget_status {
    int64_t limit, spent, reserved, left, used; /* nano-dollars; used = spent + reserved */
    bool hard;
    int64_t resets_at_ms; /* Unix */
} mg_budget_status;
/* status NULL and error NULL: no budget there. period "" means the configured one. */
typedef void (*mg_budget_status_done)(void *arg, const mg_budget_status *status, const mg_error *error);
void mg_budget_status_get(mg_request *r, mg_scope scope, mg_str period, mg_budget_status_done done, void *arg);

/* Counts what the ledger says was spent in the present period, before the first request: the memory store starts empty. On
 * the worker's thread. */
void mg_budget_prime(mg_worker *w, const mg_snapshot *s, const mg_org *org, int64_t period_start_ms,
                     int64_t spent_nano);

/* The tightest requests window and tokens window seen for this request, for x-ratelimit-* headers; false: no such limit. */
bool mg_limits_tightest(const mg_request *r, mg_measure measure, mg_limit_status *out);

#endif
