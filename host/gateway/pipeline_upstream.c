/* The pipeline's steps about attempts: which target is called, and what follows when it fails. */
#include "gateway/answer.h"
#include "gateway/credential.h"
#include "gateway/dispatch.h"
#include "gateway/limits.h"
#include "gateway/refusal.h"
#include "gateway/route.h"
#include "gateway/tokens.h"
#include "gateway/usage.h"
#include "gateway/pipeline_step.h"

#include <stdio.h>

static void watch_reply(mg_request *r) {
    const mg_policy_runner *p = &r->worker->policy;
    r->reply_watched = r->stream && r->policies && p->has(p->ctx, r->policies, r->org->id, MG_PHASE_REPLY);
    if (r->reply_watched) r->reply_window = p->window(p->ctx, r->policies, r->org->id);
}

static void on_retry_timer(void *arg) {
    mg_request *r = arg;
    r->timer = NULL;
    mg_pipeline_run(r);
}

static mg_next no_target(mg_request *r) {
    bool never = r->open_wait_ms == UINT64_MAX;
    if (r->limited && !never) {
        mg_refuse(r, 429, MG_STR("rate_limit_exceeded"),
                  mg_arena_printf(r->arena, "The provider limits our rate. Try again in %.3f s.",
                                  (double)r->open_wait_ms / 1000),
                  (int64_t)r->open_wait_ms, MG_OUTCOME_ERROR);
        return OVER;
    }
    uint64_t wait_ms;
    if (mg_dispatch_patient(r, &wait_ms)) {
        r->timer = mg_evloop_timer(r->worker->loop, wait_ms, on_retry_timer, r);
        return WAIT;
    }
    mg_refuse(r, 503, MG_STR("no_provider_available"),
              never ? MG_STR("No provider can take this request now.")
                    : mg_arena_printf(r->arena, "No provider can take this request now. Try again in %.3f s.",
                                      (double)r->open_wait_ms / 1000),
              never ? -1 : (int64_t)r->open_wait_ms, MG_OUTCOME_ERROR);
    return OVER;
}

/* The token that the chosen target is called with, where it takes one. */
static mg_status take_credential(mg_request *r, mg_error *error) {
    mg_str token;
    mg_status st = mg_credential_get(r, r->choice.target->provider, &token, error);
    if (st == MG_OK && token.n) r->choice.api_key = token;
    if (st == MG_ERROR) mg_dispatch_release(r, &r->choice);
    return st;
}

/* No target counts tokens: ours is an estimate, which is what such a count is asked for. */
static mg_next count_here(mg_request *r) {
    mg_exchange *x = r->x;
    mg_header h[MG_ANSWER_HEADERS];
    mg_error ignored;
    mg_buf b = {0};
    mg_request_sync(r, &ignored);
    mg_request_decide(r, "route", MG_STR("count_tokens"), "answer", "\"method\":\"estimate\"");
    r->format->count(mg_tokens_request(r->root, r->targets[0].model), &b);
    mg_str body = mg_arena_dup(r->arena, mg_buf_view(&b));
    mg_buf_finish(&b);
    r->outcome = MG_OUTCOME_OK;
    r->status = 200;
    size_t n = mg_answer_headers(r, MG_STR("application/json"), false, h);
    mg_request_end(r);
    mg_exchange_reply(x, 200, h, n, body);
    return OVER;
}

mg_next mg_step_dispatch(mg_request *r) {
    mg_error error = {0};
    if (r->timer) return WAIT; /* for a retry */
    watch_reply(r);
    if (!r->choice.target && !mg_dispatch_choose(r, r->target_at, mg_dispatch_needs(r), &r->choice))
        return no_target(r);
    r->target_at = (size_t)(r->choice.target - r->targets);
    mg_status st = take_credential(r, &error);
    if (st == MG_AGAIN) return WAIT;
    r->step = STEP_UPSTREAM;
    switch (st == MG_ERROR ? st : mg_attempt_start(r, &r->choice, &r->attempt, &error)) {
    case MG_AGAIN: mg_dispatch_hedge(r); return WAIT;
    case MG_OK: return mg_pipeline_go(r, STEP_ANSWERED); /* answered on the spot */
    default: break;
    }
    mg_request_decide(r, "route", r->targets[r->target_at].name, "skip", "\"status\":%d", error.http);
    if (error.http != 503 && mg_dispatch_choose(r, r->target_at + 1, mg_dispatch_needs(r), &r->choice)) {
        if (r->attempt) {
            mg_attempt_fault(r->attempt, error.code[0] ? error.code : "refused", mg_str_of(error.text));
            mg_usage_failed(r->attempt);
            mg_attempt_finish(r->attempt);
            r->attempt = NULL;
        }
        return mg_pipeline_go(r, STEP_DISPATCH);
    }
    if (r->operation == MG_OP_COUNT_TOKENS && r->format->count && mg_str_is(MG_STR("unsupported"), error.code))
        return count_here(r);
    mg_refuse_error(r, &error, MG_OUTCOME_ERROR);
    return OVER;
}

void mg_pipeline_classify(mg_attempt *a) {
    const mg_frame frame = {.size = sizeof frame,
                            .operation = a->r->operation,
                            .status = a->status,
                            .data = mg_buf_view(&a->in),
                            .json = a->root};
    mg_classification c = {.size = sizeof c, .retry_after_ms = -1};
    a->ops->classify(a->self, &frame, a->answer_headers, a->n_answer_headers, &c);
    a->failure = c.failure == MG_FAIL_NONE ? MG_FAIL_SERVER : c.failure;
    a->retry_after_ms = c.retry_after_ms;
    a->health = mg_circuit_outcome_of(MG_UPSTREAM_COMPLETE, a->failure);
    mg_attempt_fault(a, mg_failure_name(a->failure), mg_str_cut(c.message, sizeof a->message - 1));
}

/* The vendor's own error body goes to the client where it is about the client's request and in its format; what concerns our
 * account with the vendor, or its troubles, is ours to say. */
static mg_next relay_failure(mg_request *r, mg_attempt *a) {
    static const struct {
        mg_failure failure;
        const char *code;
    } codes[] = {{MG_FAIL_CONTEXT_LENGTH, "context_length_exceeded"},
                 {MG_FAIL_CONTENT, "content_filter"},
                 {MG_FAIL_NOT_FOUND, "model_not_found"}};
    mg_exchange *x = r->x;
    mg_header h[MG_ANSWER_HEADERS + 2];
    int status = a->status;
    r->outcome = MG_OUTCOME_ERROR;
    if (!a->native) {
        const char *code = "";
        for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
            if (codes[i].failure == a->failure) code = codes[i].code;
        bool client = a->failure != MG_FAIL_NOT_FOUND;
        mg_refuse(r, client ? 400 : 404, mg_str_of(code),
                  a->message[0] ? mg_arena_dup(r->arena, mg_str_of(a->message))
                                : MG_STR("The provider refuses the request without saying why."),
                  -1, MG_OUTCOME_ERROR);
        return OVER;
    }
    r->status = status;
    size_t n = mg_answer_headers(r, MG_STR("application/json"), false, h);
    mg_str body = mg_arena_dup(r->arena, mg_buf_view(&a->in));
    mg_request_end(r);
    mg_exchange_reply(x, status, h, n, body);
    return OVER;
}

static mg_next refuse_failure(mg_request *r, mg_attempt *a) {
    const mg_str provider = a->target->provider->name;
    mg_outcome outcome = strncmp(a->kind, "timeout", 7) == 0 ? MG_OUTCOME_TIMEOUT : MG_OUTCOME_ERROR;
    if (outcome == MG_OUTCOME_TIMEOUT)
        mg_refuse(r, 504, MG_STR("upstream_timeout"),
                  mg_arena_printf(r->arena, "The provider '%.*s' took too long to answer.", MG_STR_ARG(provider)), -1,
                  outcome);
    else if (a->failure == MG_FAIL_RATE)
        mg_refuse(r, 429, MG_STR("rate_limit_exceeded"),
                  mg_arena_printf(r->arena, "The provider '%.*s' limits our rate.", MG_STR_ARG(provider)),
                  a->retry_after_ms >= 0 ? a->retry_after_ms : 1000, outcome);
    else if (a->failure == MG_FAIL_OVERLOADED)
        mg_refuse(r, 503, MG_STR("overloaded"),
                  mg_arena_printf(r->arena, "The provider '%.*s' is overloaded.", MG_STR_ARG(provider)),
                  a->retry_after_ms >= 0 ? a->retry_after_ms : 1000, outcome);
    else if (a->failure == MG_FAIL_AUTH || a->failure == MG_FAIL_QUOTA)
        mg_refuse(r, 502, MG_STR("upstream_refused"),
                  mg_arena_printf(
                      r->arena, "The provider '%.*s' refuses the gateway's account (%s): the operator has to mend it.",
                      MG_STR_ARG(provider), a->failure == MG_FAIL_AUTH ? "credentials" : "out of quota"),
                  -1, outcome);
    else
        mg_refuse(r, 502, MG_STR("upstream_error"),
                  mg_arena_printf(r->arena, "The provider '%.*s' failed (%s).", MG_STR_ARG(provider), a->kind), -1,
                  outcome);
    return OVER;
}

static bool about_the_request(const mg_attempt *a) {
    return a->root && (a->failure == MG_FAIL_BAD_REQUEST || a->failure == MG_FAIL_CONTEXT_LENGTH ||
                       a->failure == MG_FAIL_CONTENT || a->failure == MG_FAIL_NOT_FOUND);
}

/* The failed attempt makes room for the next one. */
static mg_next leave(mg_request *r, mg_attempt *a, const char *action, uint64_t wait_ms) {
    mg_request_decide(r, "route", MG_STR("failover"), action,
                      "\"kind\":\"%s\",\"status\":%d,\"attempt\":%d,\"wait_ms\":%llu", a->kind, a->status, a->no,
                      (unsigned long long)wait_ms);
    mg_usage_failed(a);
    mg_attempt_finish(a);
    r->attempt = NULL;
    mg_pipeline_go(r, STEP_DISPATCH);
    if (!wait_ms) return GO;
    r->timer = mg_evloop_timer(r->worker->loop, wait_ms, on_retry_timer, r);
    return WAIT;
}

mg_next mg_step_failed(mg_request *r) {
    mg_attempt *a = r->attempt;
    mg_error ignored;
    uint64_t wait_ms = 0;
    if (r->asking) { /* a reply policy waits for something: its verdict is of no use any more */
        r->worker->policy.cancel(r->worker->policy.ctx, r);
        r->asking = false;
    }
    if (r->gone) {
        /* nobody waits for another try */
    } else if (r->committed) {
        if (!r->timer && mg_dispatch_continue(r, a, &ignored) == MG_OK) return leave(r, a, "continue", 0);
    } else {
        switch (mg_dispatch_recover(r, a, &wait_ms)) {
        case MG_RECOVERY_NOW: return leave(r, a, "route", 0);
        case MG_RECOVERY_LATER: return leave(r, a, "retry", wait_ms);
        case MG_RECOVERY_NONE: break;
        }
    }
    snprintf(r->error_kind, sizeof r->error_kind, "%s", a->kind);
    if (!r->committed && about_the_request(a)) return relay_failure(r, a);
    return refuse_failure(r, a);
}

bool mg_pipeline_drain(mg_request *r) {
    mg_attempt *a = r->attempt;
    if (r->step != STEP_UPSTREAM || !a || !a->call || r->rival) return false;
    a->hold = false; /* nobody is left to judge it for */
    r->reply_watched = false;
    mg_upstream_pause(a->call, false);
    return true;
}

void mg_pipeline_failed(mg_attempt *a) {
    if (mg_dispatch_lost(a)) return; /* its rival goes on */
    a->r->step = STEP_FAILED;
    mg_pipeline_run(a->r);
}
