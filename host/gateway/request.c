#include "gateway/request.h"

#include "base/clock.h"
#include "base/hash.h"
#include "gateway/attempt.h"
#include "gateway/counts.h"
#include "gateway/credential.h"
#include "gateway/dispatch.h"
#include "gateway/limits.h"
#include "gateway/usage.h"

#include <stdio.h>

static const char *const phase_names[] = {"admit", "prompt", "screen", "route", "spend", "reply", "settle"};
static const char *const outcome_names[] = {"none", "ok", "denied", "error", "cancelled", "timeout"};
static const char *const operation_names[] = {"chat", "embeddings", "moderations", "models", "count_tokens"};

const char *mg_phase_name(mg_phase p) { return phase_names[p]; }
const char *mg_outcome_name(mg_outcome o) { return outcome_names[o]; }
mg_str mg_operation_name(mg_operation o) { return mg_str_of(operation_names[o]); }

mg_request *mg_request_create(mg_worker *w, mg_exchange *x) {
    mg_request *r = MG_ARENA_NEW(x->arena, mg_request);
    r->x = x;
    r->worker = w;
    r->arena = x->arena;
    r->snapshot = mg_snapshot_ref(mg_worker_snapshot(w));
    r->format = &mg_format_openai;
    r->routing = MG_ROUTING_DEFAULTS;
    r->started_us = x->started_us;
    r->decisions_tail = &r->decisions;
    r->tokens_max_output = -1;
    mg_edits_init(&r->edits, r->arena);
    mg_uuid7(r->id);
    if (w->policy.ctx) r->policies = w->policy.acquire(w->policy.ctx, &r->generation);
    w->requests_open++;
    mg_counts_open(w->counts, 1);
    x->user = r;
    return r;
}

static void release_exchange(void *x) { mg_exchange_release(x); }

/* Who ends a request may still read its memory: it goes after this turn of the loop. */
static void let_go(mg_request *r) {
    mg_request **at = &r->worker->drained;
    while (*at != r) at = &(*at)->next_drained;
    *at = r->next_drained;
    mg_evloop_reap(r->worker->loop, release_exchange, r->x);
}

void mg_request_end(mg_request *r) {
    mg_worker *w = r->worker;
    mg_dispatch_stop(r);
    mg_usage_settle(r);
    mg_pipeline_settle(r);
    mg_limits_cancel(r);
    mg_evloop_timer_cancel(w->loop, r->timer);
    mg_credential_forget(r);
    mg_dispatch_end(r);
    if (r->policies) w->policy.release(w->policy.ctx, r->policies);
    mg_snapshot_unref(r->snapshot);
    w->requests_open--;
    mg_counts_open(w->counts, -1);
    r->x->user = NULL;
    if (r->drained) let_go(r);
}

void mg_request_decide(mg_request *r, const char *phase, mg_str rule, const char *action, const char *format, ...) {
    char detail[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    mg_decision *d = MG_ARENA_NEW(r->arena, mg_decision);
    d->phase = mg_str_of(phase);
    d->rule = mg_arena_dup(r->arena, rule);
    d->action = mg_str_of(action);
    /* Half of a JSON member would spoil the whole record. */
    if (n > 0 && (size_t)n < sizeof detail) d->detail = mg_arena_dup(r->arena, mg_str_from(detail, (size_t)n));
    *r->decisions_tail = d;
    r->decisions_tail = &d->next;
}

/* ---- headers and tags -------------------------------------------------------------------------------------------- */

static const char *const credentials[] = {"authorization", "proxy-authorization", "x-moongate-key", "x-api-key",
                                          "api-key",       "x-goog-api-key",      "cookie"};

mg_str mg_request_header(const mg_request *r, mg_str name) {
    for (size_t i = 0; i < sizeof credentials / sizeof credentials[0]; i++)
        if (mg_str_ieq(name, mg_str_of(credentials[i]))) return (mg_str){0};
    return mg_exchange_header(r->x, name);
}

static bool token_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* Headers that frame the message, that the connection owns, or that carry credentials are not a policy's to set. */
static bool header_reserved(mg_str name) {
    static const char *const reserved[] = {
        "host",    "content-length", "transfer-encoding", "connection",       "keep-alive",     "upgrade", "te",
        "trailer", "expect",         "content-type",      "content-encoding", "accept-encoding"};
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (mg_str_ieq(name, mg_str_of(reserved[i]))) return true;
    for (size_t i = 0; i < sizeof credentials / sizeof credentials[0]; i++)
        if (mg_str_ieq(name, mg_str_of(credentials[i]))) return true;
    return false;
}

static bool header_grammar(mg_str name, mg_str value) {
    if (!name.n || name.n > 64 || value.n > 1024) return false;
    for (size_t i = 0; i < name.n; i++)
        if (!token_char(name.p[i])) return false;
    for (size_t i = 0; i < value.n; i++)
        if ((unsigned char)value.p[i] < ' ' || value.p[i] == 127) return false;
    return true;
}

static mg_header *append_header(mg_request *r, const mg_header *old, size_t n) {
    mg_header *v = mg_arena_alloc(r->arena, (n + 1) * sizeof *v);
    if (n) memcpy(v, old, n * sizeof *v);
    return v;
}

mg_status mg_request_set_header(mg_request *r, mg_str name, mg_str value, mg_error *error) {
    if (!header_grammar(name, value))
        return mg_fail(error, 500, "policy_failed", "set_header: not a header name and value");
    if (header_reserved(name))
        return mg_fail(error, 500, "policy_failed", "set_header can't set '%.*s'", MG_STR_ARG(name));
    if (r->n_extra_headers == 16) return mg_fail(error, 500, "policy_failed", "set_header: more than 16 headers");
    mg_str lower = mg_arena_dup(r->arena, name);
    for (size_t i = 0; i < lower.n; i++)
        if (lower.p[i] >= 'A' && lower.p[i] <= 'Z') ((char *)(uintptr_t)lower.p)[i] = (char)(lower.p[i] + 32);
    r->extra_headers = append_header(r, r->extra_headers, r->n_extra_headers);
    r->extra_headers[r->n_extra_headers++] = (mg_header){lower, mg_arena_dup(r->arena, value)};
    return MG_OK;
}

mg_status mg_request_tag(mg_request *r, mg_str key, mg_str value, mg_error *error) {
    if (!key.n || key.n > 64 || value.n > 256)
        return mg_fail(error, 500, "policy_failed", "tag: a key of 1 to 64 bytes, a value of at most 256");
    for (size_t i = 0; i < r->n_tags; i++)
        if (mg_str_eq(r->tags[i].name, key)) {
            r->tags[i].value = mg_arena_dup(r->arena, value);
            return MG_OK;
        }
    if (r->n_tags == 32) return mg_fail(error, 500, "policy_failed", "tag: more than 32 tags");
    r->tags = append_header(r, r->tags, r->n_tags);
    r->tags[r->n_tags++] = (mg_header){mg_arena_dup(r->arena, key), mg_arena_dup(r->arena, value)};
    return MG_OK;
}

mg_status mg_request_replace_reply(mg_request *r, mg_str text, mg_error *error) {
    if (r->stream)
        return mg_fail(error, 500, "policy_failed",
                       "the text of a stream can't be replaced: part of it has been sent; deny{…} ends it");
    r->reply_replaced = true;
    r->reply_replacement = mg_arena_dup(r->arena, text);
    return MG_OK;
}
