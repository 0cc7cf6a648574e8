#include "gateway/dispatch.h"

#include "base/clock.h"
#include "base/hash.h"
#include "gateway/credential.h"
#include "gateway/usage.h"

enum {
    ATTEMPTS_MAX = 16, /* of one request */
    WAIT_MAX_MS = 60000 /* for a vendor's retry-after, where the policy gives no total time */
};

/* Failures that another target, or another try, may not have. Bit 0: broken connections and timeouts. */
enum {
    FAILOVER = 1u << MG_FAIL_NONE | 1u << MG_FAIL_CONTEXT_LENGTH | 1u << MG_FAIL_AUTH | 1u << MG_FAIL_NOT_FOUND |
               1u << MG_FAIL_RATE | 1u << MG_FAIL_QUOTA | 1u << MG_FAIL_OVERLOADED | 1u << MG_FAIL_SERVER,
    RETRY = 1u << MG_FAIL_NONE | 1u << MG_FAIL_RATE | 1u << MG_FAIL_OVERLOADED | 1u << MG_FAIL_SERVER
};

/* ---- choosing ---------------------------------------------------------------------------------------------------- */

static void skip(mg_request *r, const mg_target *t, const char *reason, uint64_t wait_ms) {
    mg_request_decide(r, "route", t->name, "skip", "\"reason\":\"%s\",\"wait_ms\":%lld", reason,
                      wait_ms > INT64_MAX ? -1LL : (long long)wait_ms);
    if (wait_ms < r->open_wait_ms) r->open_wait_ms = wait_ms;
}

void mg_dispatch_release(mg_request *r, mg_choice *c) {
    const mg_circuit_call none = {.outcome = MG_CIRCUIT_NEUTRAL, .ttft_us = -1};
    if (c->circuit) mg_circuit_record(c->circuit, &r->snapshot->circuit, &c->pass, &none, mg_clock_mono_ms());
    *c = (mg_choice){0};
}

static bool take_key(mg_request *r, const mg_target *t, uint64_t now, mg_choice *out) {
    const mg_keyring_settings settings = MG_KEYRING_DEFAULTS;
    const mg_provider_use *p = t->provider;
    out->api_key = p->api_key;
    if (!p->keyring) return true;
    mg_keyring_pick pick = mg_keyring_choose(p->keyring, &settings, now);
    if (pick.wait_ms) {
        skip(r, t, "all keys rest", pick.wait_ms);
        return false;
    }
    out->key = pick.at;
    out->api_key = p->api_keys[pick.at];
    return true;
}

/* False: *out holds nothing. */
static bool admit(mg_request *r, const mg_target *t, uint64_t now, mg_choice *out) {
    mg_circuits *circuits = r->worker->gateway->circuits;
    *out = (mg_choice){.target = t};
    if (!circuits) {
        if (take_key(r, t, now, out)) return true;
        *out = (mg_choice){0};
        return false;
    }
    out->circuit = mg_circuits_find(circuits, t->provider->name, t->model);
    out->pass = mg_circuit_admit(out->circuit, &r->snapshot->circuit, now);
    if (out->pass.admission == MG_CIRCUIT_OPEN) {
        mg_circuit_stats stats;
        mg_circuit_stats_get(out->circuit, now, &stats);
        bool limited = stats.held && stats.state == MG_CIRCUIT_CLOSED;
        if (!limited) r->limited = false;
        skip(r, t, limited ? "the vendor limits our rate" : "circuit open", out->pass.wait_ms);
        *out = (mg_choice){0};
        return false;
    }
    if (take_key(r, t, now, out)) return true;
    mg_dispatch_release(r, out);
    return false;
}

bool mg_dispatch_choose(mg_request *r, size_t from, uint32_t capabilities, mg_choice *out) {
    uint64_t now = mg_clock_mono_ms();
    r->open_wait_ms = UINT64_MAX;
    r->limited = true;
    for (size_t i = from; i < r->n_targets; i++) {
        const mg_target *t = &r->targets[i];
        if ((t->provider->ops->capabilities & capabilities) != capabilities || !admit(r, t, now, out)) continue;
        return true;
    }
    return false;
}

mg_str mg_dispatch_said(const mg_request *r) {
    mg_str said = mg_buf_view(&r->said);
    while (said.n && memchr(" \t\r\n", said.p[said.n - 1], 4)) said.n--;
    return said;
}

uint32_t mg_dispatch_needs(const mg_request *r) { return mg_dispatch_said(r).n ? MG_CAP_PREFIX : 0; }

/* ---- after a failure --------------------------------------------------------------------------------------------- */

uint64_t mg_dispatch_left(const mg_request *r) {
    if (!r->routing.total_ms) return UINT64_MAX;
    uint64_t spent = (mg_clock_mono_us() - r->dispatched_us) / 1000;
    return spent < r->routing.total_ms ? r->routing.total_ms - spent : 0;
}

/* The vendor has named a time until which it wants to be left alone. */
static bool told(const mg_attempt *a) {
    return (a->failure == MG_FAIL_RATE || a->failure == MG_FAIL_OVERLOADED) && a->retry_after_ms > 0;
}

/* Lets the key rest that was refused, or, where there is but one, the target. True: another key may have an answer. */
static bool learn(mg_request *r, const mg_attempt *a, uint64_t now) {
    const mg_keyring_settings settings = MG_KEYRING_DEFAULTS;
    mg_keyring *ring = a->target->provider->keyring;
    if (!ring) {
        if (told(a) && a->choice.circuit) mg_circuit_hold(a->choice.circuit, now + (uint64_t)a->retry_after_ms, now);
        return false;
    }
    if (!mg_keyring_report(ring, &settings, a->choice.key, a->failure, a->retry_after_ms, now)) return false;
    return ++r->key_changes < (int)mg_keyring_size(ring) && mg_keyring_choose(ring, &settings, now).wait_ms == 0;
}

static size_t place_of(const mg_request *r, const mg_target *t) { return (size_t)(t - r->targets); }

static bool retry_later(mg_request *r, const mg_attempt *a, uint64_t left, uint64_t *wait_ms) {
    uint32_t retry_on = r->routing.retry_on ? r->routing.retry_on : (uint32_t)RETRY;
    mg_prng prng;
    if (r->retries_here >= r->routing.max_retries || !(retry_on & 1u << a->failure)) return false;
    if (left == UINT64_MAX) left = WAIT_MAX_MS;
    mg_random(&prng.state, sizeof prng.state);
    if (!mg_backoff_next(&r->backoff, &r->routing.backoff, a->retry_after_ms, left, &prng, wait_ms)) return false;
    r->retries_here++;
    return true;
}

mg_recovery mg_dispatch_recover(mg_request *r, mg_attempt *a, uint64_t *wait_ms) {
    uint64_t now = mg_clock_mono_ms(), left = mg_dispatch_left(r);
    size_t here = place_of(r, a->target);
    bool other_key = learn(r, a, now);
    if (r->attempt_no >= ATTEMPTS_MAX || left == 0) return MG_RECOVERY_NONE;
    if (other_key) {
        r->target_at = here;
        if (mg_dispatch_choose(r, here, 0, &r->choice)) return MG_RECOVERY_NOW;
    }
    /* A vendor that names a time is left alone until then, if anybody else can do it. */
    if (!told(a) && retry_later(r, a, left, wait_ms)) {
        r->target_at = here;
        return MG_RECOVERY_LATER;
    }
    if (FAILOVER & 1u << a->failure && mg_dispatch_choose(r, here + 1, 0, &r->choice)) {
        r->retries_here = 0;
        r->key_changes = 0;
        r->backoff = (mg_backoff){0};
        return MG_RECOVERY_NOW;
    }
    if (!told(a) || !retry_later(r, a, left, wait_ms)) return MG_RECOVERY_NONE;
    r->target_at = here;
    return MG_RECOVERY_LATER;
}

bool mg_dispatch_patient(const mg_request *r, uint64_t *wait_ms) {
    const mg_target *t = &r->targets[r->target_at];
    mg_circuits *circuits = r->worker->gateway->circuits;
    mg_circuit *c = circuits ? mg_circuits_peek(circuits, t->provider->name, t->model) : NULL;
    mg_circuit_stats stats;
    uint64_t left = mg_dispatch_left(r), spent = (mg_clock_mono_us() - r->dispatched_us) / 1000;
    if (left == UINT64_MAX) left = spent < WAIT_MAX_MS ? WAIT_MAX_MS - spent : 0;
    if (!r->retries_here || r->committed || !c) return false;
    mg_circuit_stats_get(c, mg_clock_mono_ms(), &stats);
    *wait_ms = r->open_wait_ms;
    return stats.state == MG_CIRCUIT_CLOSED && *wait_ms < left;
}

/* ---- hedging ----------------------------------------------------------------------------------------------------- */

/* The next target, or the same once more; one that answers by itself is never slow, and a token is not waited for. */
static bool choose_rival(mg_request *r, size_t here, mg_choice *out) {
    mg_error ignored;
    mg_str token;
    if (!mg_dispatch_choose(r, here + 1, 0, out) && !mg_dispatch_choose(r, here, 0, out)) return false;
    const mg_provider_use *p = out->target->provider;
    if (!p->ops->answer && mg_credential_get(r, p, &token, &ignored) == MG_OK &&
        mg_hedge_start(&r->worker->gateway->hedge, &r->routing.hedge, mg_clock_mono_ms())) {
        if (token.n) out->api_key = token;
        return true;
    }
    mg_dispatch_release(r, out);
    return false;
}

static void on_hedge(void *arg) {
    mg_request *r = arg;
    mg_attempt *a = r->attempt;
    mg_choice choice;
    mg_error error = {0};
    r->hedge_timer = NULL;
    if (!a || !a->call || r->rival || r->committed || r->gone || a->first_token_us) return;
    if (!choose_rival(r, place_of(r, a->target), &choice)) return;
    mg_request_decide(r, "route", choice.target->name, "hedge", "\"attempt\":%d", r->attempt_no + 1);
    if (mg_attempt_start(r, &choice, &r->rival, &error) == MG_AGAIN) return;
    mg_attempt *failed = r->rival;
    r->rival = NULL;
    mg_attempt_fault(failed, error.code[0] ? error.code : "refused", mg_str_of(error.text));
    mg_usage_failed(failed);
    mg_attempt_finish(failed);
}

void mg_dispatch_hedge(mg_request *r) {
    const mg_choice *c = &r->attempt->choice;
    mg_circuit_stats stats;
    uint64_t now = mg_clock_mono_ms();
    if (!r->routing.hedged || r->hedge_timer || r->rival || r->committed) return;
    if (c->circuit) mg_circuit_stats_get(c->circuit, now, &stats);
    int64_t delay = mg_hedge_delay(&r->worker->gateway->hedge, &r->routing.hedge, c->circuit ? &stats : NULL,
                                   mg_dispatch_left(r), now);
    if (delay != MG_HEDGE_NO) r->hedge_timer = mg_evloop_timer(r->worker->loop, (uint64_t)delay, on_hedge, r);
}

static void give_up(mg_attempt *a) {
    mg_attempt_cancel(a);
    mg_usage_lost(a);
    mg_attempt_finish(a);
}

void mg_dispatch_lead(mg_attempt *a) {
    mg_request *r = a->r;
    mg_attempt *loser = a == r->attempt ? r->rival : r->attempt;
    mg_evloop_timer_cancel(r->worker->loop, r->hedge_timer);
    r->hedge_timer = NULL;
    if (!r->rival) return;
    r->attempt = a;
    r->rival = NULL;
    r->target_at = place_of(r, a->target);
    give_up(loser);
}

bool mg_dispatch_lost(mg_attempt *a) {
    mg_request *r = a->r;
    if (!r->rival) return false;
    learn(r, a, mg_clock_mono_ms());
    if (a == r->attempt) r->attempt = r->rival;
    r->rival = NULL;
    r->target_at = place_of(r, r->attempt->target);
    mg_usage_failed(a);
    mg_attempt_finish(a);
    return true;
}

void mg_dispatch_stop(mg_request *r) {
    mg_evloop_timer_cancel(r->worker->loop, r->hedge_timer);
    r->hedge_timer = NULL;
    if (r->rival) give_up(r->rival);
    r->rival = NULL;
}

void mg_dispatch_end(mg_request *r) {
    mg_dispatch_stop(r);
    mg_dispatch_release(r, &r->choice);
    if (r->attempt) {
        mg_attempt_cancel(r->attempt);
        mg_attempt_finish(r->attempt);
    }
    mg_buf_finish(&r->said);
}

/* ---- continuing -------------------------------------------------------------------------------------------------- */

mg_status mg_dispatch_continue(mg_request *r, mg_attempt *a, mg_error *error) {
    size_t next = place_of(r, a->target) + 1;
    if (!r->routing.continues || !r->stream || a->not_only_text || r->said.over || r->facts.choices > 1 ||
        r->format->id != MG_FORMAT_OPENAI || a->held.n || a->finish_seen || mg_dispatch_left(r) == 0)
        return MG_ERROR;
    mg_str said = mg_arena_dup(r->arena, mg_dispatch_said(r));
    if (!said.n) return mg_dispatch_choose(r, next, 0, &r->choice) ? MG_OK : MG_ERROR;
    if (!r->whole_root) { /* as it was before anything was said */
        if (mg_request_sync(r, error) != MG_OK) return MG_ERROR;
        r->whole_root = r->root;
        r->whole_body = r->body;
    }
    r->root = r->whole_root;
    r->body = r->whole_body;
    r->canonical = (mg_str){0};
    r->parts = NULL;
    mg_edits_init(&r->edits, r->arena);
    if (mg_request_add_message(r, MG_STR("assistant"), said, error) != MG_OK) return MG_ERROR;
    if (mg_request_sync(r, error) != MG_OK) return MG_ERROR;
    return mg_dispatch_choose(r, next, mg_dispatch_needs(r), &r->choice) ? MG_OK : MG_ERROR;
}
