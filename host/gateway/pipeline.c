/* The pipeline: the order in which a request is asked about, sent, answered. Each step either goes on, waits for an event
 * (a policy's primitive, the store, upstream), or ends the request. */
#include "gateway/answer.h"
#include "gateway/credential.h"
#include "gateway/dispatch.h"
#include "gateway/limits.h"
#include "gateway/pipeline_step.h"
#include "gateway/refusal.h"
#include "gateway/route.h"
#include "gateway/tokens.h"
#include "gateway/usage.h"

#include <stdio.h>

/* ---- policies ---------------------------------------------------------------------------------------------------- */

static mg_next refuse_verdict(mg_request *r) {
    const mg_verdict v = r->verdict;
    mg_request_decide(r, mg_phase_name(r->phase), v.rule, "deny", "\"status\":%d", v.status ? v.status : 403);
    mg_refuse(r, v.status ? v.status : 403, v.code.n ? v.code : MG_STR("policy_denied"),
              v.message.n ? v.message : MG_STR("The request was refused by policy."), v.retry_after_ms,
              MG_OUTCOME_DENIED);
    return OVER;
}

static mg_next answer_verdict(mg_request *r) {
    const mg_verdict v = r->verdict;
    mg_exchange *x = r->x;
    mg_header h[MG_ANSWER_HEADERS];
    mg_request_decide(r, mg_phase_name(r->phase), v.rule, "answer", "\"bytes\":%zu", v.text.n);
    mg_str body = mg_answer_synthesize(r, v.text, v.finish_reason.n ? v.finish_reason : MG_STR("stop"));
    r->outcome = MG_OUTCOME_OK;
    r->status = 200;
    mg_str type = r->stream ? mg_answer_stream_type(r) : MG_STR("application/json");
    size_t n = mg_answer_headers(r, type, true, h);
    mg_request_end(r);
    mg_exchange_reply(x, 200, h, n, body);
    return OVER;
}

static void on_queue_timer(void *arg) {
    mg_request *r = arg;
    r->timer = NULL;
    mg_pipeline_run(r);
}

/* The phase is asked again now and then until it lets the request through or the wait is over. */
static mg_next queue_verdict(mg_request *r) {
    uint64_t now = mg_evloop_now(r->worker->loop);
    int64_t wait = r->verdict.max_wait_ms > 0 ? r->verdict.max_wait_ms : 0;
    if (!r->queue_until) {
        r->queue_until = now + (uint64_t)(wait < 600000 ? wait : 600000);
        mg_request_decide(r, mg_phase_name(r->phase), r->verdict.rule, "queue", "\"max_wait_ms\":%lld",
                          (long long)wait);
    }
    if (now >= r->queue_until) {
        mg_refuse(r, 429, MG_STR("rate_limit_exceeded"),
                  MG_STR("The request waited in the queue as long as it may and was not admitted."), 1000,
                  MG_OUTCOME_DENIED);
        return OVER;
    }
    uint64_t left = r->queue_until - now;
    r->phase_begun = false;
    r->timer = mg_evloop_timer(r->worker->loop, left < 100 ? left : 100, on_queue_timer, r);
    return WAIT;
}

/* Asks the policies of a phase. GO: nobody objects. */
static mg_next ask(mg_request *r, mg_phase phase) {
    const mg_policy_runner *p = &r->worker->policy;
    if (!r->phase_begun) {
        if (!r->policies || !p->has(p->ctx, r->policies, r->org->id, phase)) return GO;
        r->phase = phase;
        r->verdict = (mg_verdict){.retry_after_ms = -1};
        r->phase_begun = true;
    }
    r->asking = true;
    mg_run run = p->run(p->ctx, r, phase);
    if (run == MG_RUN_WAIT) return WAIT;
    r->asking = false;
    return GO;
}

static mg_next ask_phase(mg_request *r, mg_phase phase, mg_step after) {
    if (r->timer) return WAIT; /* queued */
    if (ask(r, phase) == WAIT) return WAIT;
    if (!r->phase_begun) return mg_pipeline_go(r, after);
    switch (r->verdict.kind) {
    case MG_VERDICT_DENY: return refuse_verdict(r);
    case MG_VERDICT_ANSWER: return answer_verdict(r);
    case MG_VERDICT_QUEUE: return queue_verdict(r);
    case MG_VERDICT_NONE: break;
    }
    r->queue_until = 0;
    return mg_pipeline_go(r, after);
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

static void on_taken(void *arg, bool ok, uint64_t wait_ms, const mg_error *error) {
    mg_request *r = arg;
    r->take_done = true;
    r->take_ok = ok;
    r->take_wait_ms = wait_ms;
    if (error) r->take_error = *error;
    if (!r->taking) mg_pipeline_run(r); /* else the step that asked is on the stack and looks by itself */
}

static mg_next refuse_limit(mg_request *r) {
    if (r->take_error.text[0]) {
        mg_refuse_error(r, &r->take_error, MG_OUTCOME_DENIED);
    } else if (r->budget_refused) {
        mg_refuse(r, 429, MG_STR("insufficient_quota"),
                  MG_STR("The budget of the organization is used up, or what is left of it does not cover the most "
                         "that this request can cost. Ask for fewer tokens (max_tokens), or ask the operator."),
                  -1, MG_OUTCOME_DENIED);
    } else {
        bool never = r->take_wait_ms == UINT64_MAX;
        mg_refuse(r, 429, MG_STR("rate_limit_exceeded"),
                  never ? MG_STR("The request alone is larger than a rate limit allows.")
                        : mg_arena_printf(r->arena, "Rate limit reached. Try again in %.3f s.",
                                          (double)r->take_wait_ms / 1000),
                  never ? -1 : (int64_t)r->take_wait_ms, MG_OUTCOME_DENIED);
    }
    return OVER;
}

static mg_next step_limits(mg_request *r) {
    if (!r->phase_begun) {
        r->phase_begun = true;
        r->take_done = false;
        if (!r->org->n_limits) return mg_pipeline_go(r, STEP_ADMIT);
        r->taking = true;
        mg_limits_take(r, r->org->limits, r->org->n_limits, on_taken, r);
        r->taking = false;
    }
    if (!r->take_done) return WAIT;
    return r->take_ok ? mg_pipeline_go(r, STEP_ADMIT) : refuse_limit(r);
}

/* Vendors bill neither. */
static bool is_free(mg_operation o) { return o == MG_OP_COUNT_TOKENS || o == MG_OP_MODERATIONS; }

/* Models that nobody has priced are not for free: unless there is a ceiling price they are left out. */
static bool keep_priced(mg_request *r) {
    size_t n = 0;
    if (is_free(r->operation) || r->snapshot->unknown_model_nano_per_million >= 0) return true;
    mg_target *kept = mg_arena_alloc(r->arena, r->n_targets * sizeof *kept);
    for (size_t i = 0; i < r->n_targets; i++) {
        if (mg_target_price(r->snapshot, &r->targets[i]))
            kept[n++] = r->targets[i];
        else
            mg_request_decide(r, "route", r->targets[i].name, "skip", "\"reason\":\"no price\"");
    }
    r->targets = kept;
    r->n_targets = n;
    return n > 0;
}

/* The most that the request can cost. A token is at least one byte, so the body's bound is the input's. */
static mg_next step_estimate(mg_request *r) {
    mg_error error;
    if (mg_request_sync_members(r, &error) != MG_OK) {
        mg_refuse_error(r, &error, MG_OUTCOME_DENIED);
        return OVER;
    }
    mg_route_order(r);
    if (!keep_priced(r)) {
        mg_refuse(r, 403, MG_STR("model_not_priced"),
                  MG_STR("The price of this model is not known here, and the gateway refuses what it can't price."), -1,
                  MG_OUTCOME_DENIED);
        return OVER;
    }
    int64_t n = r->facts.choices, output = r->facts.max_output;
    mg_usage most = {.size = sizeof most, .input = mg_tokens_bound(r->root, mg_request_bytes(r))};
    r->cost_max_nano = 0;
    for (size_t i = 0; i < r->n_targets && !is_free(r->operation); i++) {
        const mg_price *price = mg_target_price(r->snapshot, &r->targets[i]);
        bool known;
        int64_t ceiling = output >= 0 ? output : price && price->max_output ? price->max_output : 4096;
        most.output = r->operation == MG_OP_CHAT ? ceiling * (n > 0 ? n : 1) : 0;
        int64_t cost = mg_usage_cost(r->snapshot, &r->targets[i], &most, &known);
        if (cost > r->cost_max_nano) r->cost_max_nano = cost;
        if (i == 0) r->tokens_max_output = most.output;
    }
    r->tokens_input = (int64_t)(mg_request_bytes(r) / 4 + 1);
    return mg_pipeline_go(r, STEP_SPEND);
}

static mg_next step_reserve(mg_request *r) {
    if (!r->phase_begun) {
        r->phase_begun = true;
        r->take_done = false;
        r->taking = true;
        mg_limits_reserve(r, on_taken, r);
        r->taking = false;
    }
    if (!r->take_done) return WAIT;
    return r->take_ok ? mg_pipeline_go(r, STEP_DISPATCH) : refuse_limit(r);
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

/* Reads a plain answer; if it is none that the client could be given, notes why. */
static bool is_usable(mg_attempt *a) {
    mg_error error = {0};
    mg_status st = mg_answer_decode(a, &error);
    if (a->status < 200 || a->status >= 300) {
        mg_pipeline_classify(a);
        return false;
    }
    if (st == MG_OK && !a->r->stream) return true;
    mg_attempt_fault(a, "protocol", mg_str_of(error.text));
    a->health = MG_CIRCUIT_FAILURE;
    return false;
}

void mg_pipeline_answered(mg_attempt *a) {
    mg_request *r = a->r;
    if (r->rival && !a->event_stream && !is_usable(a)) {
        mg_dispatch_lost(a);
        return;
    }
    mg_dispatch_lead(a);
    if (r->step == STEP_WINDOW) return; /* it goes on from there when the policy has spoken */
    r->step = STEP_ANSWERED;
    mg_pipeline_run(r);
}

static mg_next step_answered(mg_request *r) {
    mg_attempt *a = r->attempt;
    if (a->event_stream) return a->bad_frame ? mg_pipeline_go(r, STEP_FAILED) : mg_pipeline_go(r, STEP_REPLY);
    bool read = a->root != NULL; /* already, beside a rival */
    return mg_pipeline_go(r, read || is_usable(a) ? STEP_REPLY : STEP_FAILED);
}

/* Frames came in: is there enough text for a reply policy to judge? */
void mg_pipeline_progress(mg_attempt *a) {
    mg_request *r = a->r;
    if (r->step != STEP_UPSTREAM || a != r->attempt || !a->hold || a->window.n < r->reply_window) return;
    mg_pipeline_go(r, STEP_WINDOW);
    mg_pipeline_run(r);
}

static mg_next step_window(mg_request *r) {
    mg_attempt *a = r->attempt;
    if (!r->phase_begun) {
        r->text = mg_arena_dup(r->arena, mg_buf_view(&a->window));
        r->final = false;
        r->window_held = a->held.n;
        mg_buf_clear(&a->window);
    }
    if (ask(r, MG_PHASE_REPLY) == WAIT) return WAIT;
    if (r->phase_begun && r->verdict.kind != MG_VERDICT_NONE) return refuse_verdict(r);
    mg_answer_release(a, r->window_held);
    if (a->over) return mg_pipeline_go(r, a->done_seen ? STEP_ANSWERED : STEP_FAILED);
    mg_pipeline_go(r, STEP_UPSTREAM);
    return WAIT;
}

static mg_next step_reply(mg_request *r) {
    mg_attempt *a = r->attempt;
    size_t choices = !mg_reply_asked(r) ? 0 : r->stream ? 1 : mg_answer_choices(a);
    while (r->reply_choice < choices) {
        if (!r->phase_begun) {
            r->text = r->stream ? mg_buf_view(&a->window) : mg_answer_text(a, r->reply_choice);
            r->final = true;
            r->reply_replaced = false;
        }
        if (ask(r, MG_PHASE_REPLY) == WAIT) return WAIT;
        if (r->verdict.kind != MG_VERDICT_NONE) return refuse_verdict(r);
        if (r->reply_replaced) mg_answer_replace_text(a, r->reply_choice, r->reply_replacement);
        r->reply_choice++;
        r->phase_begun = false;
    }
    return mg_pipeline_go(r, STEP_DELIVER);
}

/* Usage is settled and durable here, before the last byte goes out in STEP_SETTLE. */
static mg_next step_deliver(mg_request *r) {
    if (!r->gone) r->outcome = MG_OUTCOME_OK;
    r->attempt->health = MG_CIRCUIT_SUCCESS;
    if (!r->status) r->status = 200;
    if (r->stream) {
        mg_answer_open(r->attempt);
        mg_answer_commit(r);
        mg_answer_release(r->attempt, r->attempt->held.n);
    }
    mg_usage_settle(r);
    return mg_pipeline_go(r, STEP_SETTLE);
}

static mg_next step_settle(mg_request *r) {
    mg_exchange *x = r->x;
    mg_header h[MG_ANSWER_HEADERS];
    if (ask(r, MG_PHASE_SETTLE) == WAIT) return WAIT;
    r->settle_asked = true;
    if (r->stream) {
        mg_str last = r->attempt->last;
        mg_request_end(r);
        mg_exchange_write(x, last);
        mg_exchange_end(x);
        return OVER;
    }
    size_t n = mg_answer_headers(r, MG_STR("application/json"), true, h);
    mg_str body = mg_answer_body(r->attempt);
    mg_buf in = r->attempt->in; /* outlives the request for one call: it may be what is sent */
    r->attempt->in = (mg_buf){0};
    mg_request_end(r);
    mg_exchange_reply(x, 200, h, n, body);
    mg_buf_finish(&in);
    return OVER;
}

/* For requests that end before an answer: what waits in a settle policy then is cut short, since the client is not. */
void mg_pipeline_settle(mg_request *r) {
    const mg_policy_runner *p = &r->worker->policy;
    if (r->asking) p->cancel(p->ctx, r);
    r->asking = r->phase_begun = false;
    if (r->settle_asked || !r->org || !r->root) return;
    r->settle_asked = true;
    if (ask(r, MG_PHASE_SETTLE) == WAIT) p->cancel(p->ctx, r);
    r->asking = false;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static mg_next run_step(mg_request *r) {
    switch ((mg_step)r->step) {
    case STEP_LIMITS: return step_limits(r);
    case STEP_ADMIT: return ask_phase(r, MG_PHASE_ADMIT, STEP_PROMPT);
    case STEP_PROMPT: return ask_phase(r, MG_PHASE_PROMPT, STEP_SCREEN);
    case STEP_SCREEN: return ask_phase(r, MG_PHASE_SCREEN, STEP_ROUTE);
    case STEP_ROUTE: return ask_phase(r, MG_PHASE_ROUTE, STEP_ESTIMATE);
    case STEP_ESTIMATE: return step_estimate(r);
    case STEP_SPEND: return ask_phase(r, MG_PHASE_SPEND, STEP_RESERVE);
    case STEP_RESERVE: return step_reserve(r);
    case STEP_DISPATCH: return mg_step_dispatch(r);
    case STEP_UPSTREAM: return WAIT;
    case STEP_WINDOW: return step_window(r);
    case STEP_FAILED: return mg_step_failed(r);
    case STEP_ANSWERED: return step_answered(r);
    case STEP_REPLY: return step_reply(r);
    case STEP_DELIVER: return step_deliver(r);
    case STEP_SETTLE: return step_settle(r);
    }
    return WAIT;
}

void mg_pipeline_run(mg_request *r) {
    if (r->running) { /* something completed at once, below on this stack */
        r->resumed = true;
        return;
    }
    r->running = true;
    mg_next n;
    do {
        r->resumed = false;
        do n = run_step(r);
        while (n == GO);
        if (n == OVER) return; /* the request is gone */
    } while (r->resumed);
    r->running = false;
}

void mg_request_resume(mg_request *r) { mg_pipeline_run(r); }
