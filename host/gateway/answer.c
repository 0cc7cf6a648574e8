#include "gateway/answer.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/money.h"
#include "gateway/limits.h"
#include "gateway/tokens.h"
#include "gateway/usage.h"

/* ---- events of a frame ------------------------------------------------------------------------------------------- */

static void set_usage(mg_attempt *a, const mg_event *e) {
    if (!e->usage) return;
    a->usage = *e->usage;
    a->usage.size = sizeof a->usage;
    a->usage_known = true;
    if (e->alone && !a->r->client_usage) a->hide_frame = true;
}

static void on_text(mg_attempt *a, const mg_event *e) {
    if (!a->first_token_us && e->text.n) a->first_token_us = mg_clock_mono_us();
    if (a->event_stream || a->counting) a->counted += mg_tokens_estimate(e->text, a->target->model);
}

static void on_event(void *ctx, const mg_event *e) {
    mg_attempt *a = ctx;
    switch (e->type) {
    case MG_EVENT_META:
        if (!a->upstream_id.n) a->upstream_id = mg_arena_dup(a->r->arena, e->text);
        if (!a->model.n) a->model = mg_arena_dup(a->r->arena, e->name);
        break;
    case MG_EVENT_TEXT:
        on_text(a, e);
        if (a->event_stream && a->watch_text) mg_buf_str(&a->window, e->text);
        break;
    case MG_EVENT_REASONING:
    case MG_EVENT_REFUSAL:
    case MG_EVENT_TOOL: on_text(a, e); break;
    case MG_EVENT_USAGE: set_usage(a, e); break;
    case MG_EVENT_ERROR:
        a->bad_frame = true;
        mg_attempt_fault(a, "upstream_error", e->text);
        break;
    case MG_EVENT_DONE: a->done_seen = true; break;
    default: break;
    }
}

static mg_status decode(mg_attempt *a, mg_str event, mg_str data, const mg_json *json, mg_error *error) {
    const mg_frame frame = {.size = sizeof frame,
                            .operation = a->r->operation,
                            .stream = a->event_stream,
                            .status = a->status,
                            .event = event,
                            .data = data,
                            .json = json,
                            .state = a->state};
    const mg_sink sink = {sizeof sink, a, on_event};
    return a->ops->decode(a->self, &frame, &sink, error);
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

static bool looks_like_json(mg_str data) { return data.n && (data.p[0] == '{' || data.p[0] == '['); }

bool mg_answer_frame(mg_attempt *a, mg_str raw, mg_str event, mg_str data) {
    mg_request *r = a->r;
    mg_error error = {0};
    const mg_json *json = NULL;
    a->hide_frame = false;
    if (data.n) {
        mg_arena_reset(r->worker->scratch);
        mg_status st = MG_OK;
        /* "[DONE]" begins like an array and is none: what does not parse is the provider's to judge, as bytes. */
        if (looks_like_json(data) &&
            mg_json_parse(r->worker->json, r->worker->scratch, data.p, data.n, &json, &error) != MG_OK)
            json = NULL;
        st = decode(a, event, data, json, &error);
        if (st != MG_OK) {
            /* One event that can't be read is left out; the client's SDK could not read it either. */
            mg_request_decide(r, "upstream", MG_STR("frame"), "skip", "\"bytes\":%zu", data.n);
            return true;
        }
    }
    if (a->bad_frame) return false;
    if (a->hide_frame) return true;
    if (a->done_seen) {
        a->last = mg_arena_dup(r->arena, raw); /* sent after usage is durable */
        return false;
    }
    if (a->hold) {
        mg_buf_str(&a->held, raw);
        return true;
    }
    mg_answer_commit(r);
    if (!mg_exchange_write(r->x, raw) && a->call) mg_upstream_pause(a->call, true);
    return true;
}

void mg_answer_commit(mg_request *r) {
    mg_header h[MG_ANSWER_HEADERS];
    if (r->committed) return;
    r->committed = true;
    r->status = 200;
    mg_exchange_start(r->x, 200, h, mg_answer_headers(r, MG_STR("text/event-stream; charset=utf-8"), false, h));
}

void mg_answer_release(mg_attempt *a, size_t n) {
    if (!n) return;
    mg_answer_commit(a->r);
    if (!mg_exchange_write(a->r->x, mg_str_from(a->held.p, n)) && a->call) mg_upstream_pause(a->call, true);
    mg_buf_drain(&a->held, n);
}

/* ---- plain answers ----------------------------------------------------------------------------------------------- */

mg_status mg_answer_decode(mg_attempt *a, mg_error *error) {
    if (!mg_buf_reserve(&a->in, MG_JSON_PADDING)) return mg_fail(error, 502, "bad_answer", "the answer is too large");
    mg_status st = mg_json_parse(a->r->worker->json, a->r->arena, a->in.p, a->in.n, &a->root, error);
    if (st != MG_OK) return st;
    mg_edits_init(&a->edits, a->r->arena);
    st = decode(a, (mg_str){0}, mg_buf_view(&a->in), a->root, error);
    if (st == MG_OK && a->bad_frame) return mg_fail(error, 502, "bad_answer", "%s", a->message);
    if (st != MG_OK || a->usage_known || a->r->operation != MG_OP_CHAT) return st;
    a->counting = true; /* no figures of the vendor's: a second look counts the text, which is rarely needed */
    return decode(a, (mg_str){0}, mg_buf_view(&a->in), a->root, error);
}

static const mg_json *choice_text(const mg_attempt *a, size_t i) {
    const mg_json *c = mg_json_get(a->root, MG_STR("choices"));
    c = c && c->type == MG_JSON_ARRAY ? c->child : NULL;
    while (c && i--) c = c->next;
    const mg_json *text = mg_json_path(c, "message.content");
    return mg_json_kind(text) == MG_JSON_STRING ? text : NULL;
}

size_t mg_answer_choices(const mg_attempt *a) {
    const mg_json *c = mg_json_get(a->root, MG_STR("choices"));
    return c && c->type == MG_JSON_ARRAY ? c->count : 0;
}

mg_str mg_answer_text(const mg_attempt *a, size_t i) {
    const mg_json *t = choice_text(a, i);
    return t ? t->str : MG_STR("");
}

void mg_answer_replace_text(mg_attempt *a, size_t i, mg_str text) {
    const mg_json *t = choice_text(a, i);
    mg_buf b = {0};
    if (!t) return;
    mg_buf_json(&b, text);
    mg_edits_replace(&a->edits, t->src, t->src_end, mg_arena_dup(a->r->arena, mg_buf_view(&b)));
    mg_buf_finish(&b);
}

mg_str mg_answer_body(mg_attempt *a) {
    return a->edits.n ? mg_edits_render(&a->edits, mg_buf_view(&a->in)) : mg_buf_view(&a->in);
}

/* ---- an answer of our own ---------------------------------------------------------------------------------------- */

mg_str mg_answer_synthesize(mg_request *r, mg_str text, mg_str finish_reason) {
    mg_buf b = {0};
    const char *object = r->stream ? "chat.completion.chunk" : "chat.completion";
    long long now = (long long)(mg_clock_unix_ms() / 1000);
    if (r->stream) mg_buf_str(&b, MG_STR("data: "));
    mg_buf_printf(&b, "{\"id\":\"chatcmpl-%s\",\"object\":\"%s\",\"created\":%lld,\"model\":", r->id, object, now);
    mg_buf_json(&b, r->model);
    mg_buf_printf(
        &b, ",\"choices\":[{\"index\":0,\"%s\":{\"role\":\"assistant\",\"content\":", r->stream ? "delta" : "message");
    mg_buf_json(&b, text);
    mg_buf_str(&b, r->stream ? MG_STR("},\"logprobs\":null,\"finish_reason\":")
                             : MG_STR(",\"refusal\":null},\"logprobs\":null,\"finish_reason\":"));
    mg_buf_json(&b, finish_reason);
    mg_buf_str(&b, MG_STR("}]"));
    if (!r->stream)
        mg_buf_str(&b, MG_STR(",\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0,\"total_tokens\":0}}"));
    else
        mg_buf_str(&b, MG_STR("}\n\ndata: [DONE]\n\n"));
    mg_str out = mg_arena_dup(r->arena, mg_buf_view(&b));
    mg_buf_finish(&b);
    return out;
}

/* ---- headers ----------------------------------------------------------------------------------------------------- */

static mg_str number(mg_request *r, int64_t n) { return mg_arena_int(r->arena, n); }

/* OpenAI writes resets as "6m0s", "1.2s", "20ms". */
static mg_str reset_text(mg_request *r, uint64_t ms) {
    uint64_t s = (ms + 999) / 1000;
    if (ms < 1000) return mg_arena_join(r->arena, (const mg_str[]){number(r, (int64_t)ms), MG_STR("ms")}, 2);
    const mg_str parts[] = {number(r, (int64_t)(s / 3600)), MG_STR("h"), number(r, (int64_t)(s / 60 % 60)), MG_STR("m"),
                            number(r, (int64_t)(s % 60)),   MG_STR("s")};
    size_t skip = s < 60 ? 4 : s < 3600 ? 2 : 0;
    return mg_arena_join(r->arena, parts + skip, 6 - skip);
}

static size_t limit_headers(mg_request *r, mg_measure measure, mg_header *out) {
    static const mg_str names[2][3] = {
        {MG_STR_INIT("x-ratelimit-limit-requests"), MG_STR_INIT("x-ratelimit-remaining-requests"),
         MG_STR_INIT("x-ratelimit-reset-requests")},
        {MG_STR_INIT("x-ratelimit-limit-tokens"), MG_STR_INIT("x-ratelimit-remaining-tokens"),
         MG_STR_INIT("x-ratelimit-reset-tokens")}};
    const mg_str *name = names[measure == MG_MEASURE_TOKENS];
    mg_limit_status st;
    if (!mg_limits_tightest(r, measure, &st)) return 0;
    out[0] = (mg_header){name[0], number(r, st.limit)};
    out[1] = (mg_header){name[1], number(r, st.limit > st.used ? st.limit - st.used : 0)};
    out[2] = (mg_header){name[2], reset_text(r, st.reset_ms)};
    return 3;
}

/* The decision record for x-moongate-decision: JSON is printable ASCII but for strings that policies gave; those bytes go. */
static mg_str decision_header(mg_request *r) {
    mg_str json = mg_decisions_json(r);
    char *p = mg_arena_alloc(r->arena, json.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < json.n && n < 4000; i++)
        if (json.p[i] >= ' ' && json.p[i] < 127) p[n++] = json.p[i];
    return mg_str_from(p, n);
}

/* Names and ids that come from clients and vendors may hold anything: what a header can't carry becomes '?'. */
static mg_str header_value(mg_request *r, mg_str s) {
    size_t n = s.n < 200 ? s.n : 200;
    for (size_t i = 0; i < n; i++)
        if (s.p[i] < ' ' || s.p[i] > '~') {
            char *p = mg_arena_alloc(r->arena, n);
            for (i = 0; i < n; i++) p[i] = s.p[i] < ' ' || s.p[i] > '~' ? '?' : s.p[i];
            return mg_str_from(p, n);
        }
    return mg_str_from(s.p, n);
}

static size_t target_headers(mg_request *r, mg_header *out) {
    const mg_attempt *a = r->attempt;
    size_t n = 0;
    out[n++] = (mg_header){MG_STR("x-moongate-provider"), a->target->provider->name};
    out[n++] = (mg_header){MG_STR("x-moongate-model"), header_value(r, a->target->model)};
    mg_str id = a->request_id.n ? a->request_id : a->upstream_id;
    if (id.n) out[n++] = (mg_header){MG_STR("x-moongate-upstream-request-id"), header_value(r, id)};
    return n;
}

size_t mg_answer_headers(mg_request *r, mg_str content_type, bool with_cost, mg_header *out) {
    size_t n = 0;
    out[n++] = (mg_header){MG_STR("content-type"), content_type};
    out[n++] = (mg_header){MG_STR("x-request-id"), mg_str_from(r->id, 36)};
    if (r->attempt) n += target_headers(r, out + n);
    out[n++] = (mg_header){MG_STR("x-moongate-attempts"), number(r, r->attempt_no)};
    out[n++] = (mg_header){MG_STR("x-moongate-cache"), MG_STR("off")};
    if (with_cost) {
        char usd[32];
        mg_money_format(r->cost_nano, usd);
        out[n++] = (mg_header){MG_STR("x-moongate-cost-usd"), mg_arena_dup(r->arena, mg_str_of(usd))};
    }
    if (r->stream) out[n++] = (mg_header){MG_STR("cache-control"), MG_STR("no-cache")};
    if (r->redacted.n) out[n++] = (mg_header){MG_STR("x-moongate-redacted"), r->redacted};
    n += limit_headers(r, MG_MEASURE_REQUESTS, out + n);
    n += limit_headers(r, MG_MEASURE_TOKENS, out + n);
    if (r->explain) out[n++] = (mg_header){MG_STR("x-moongate-decision"), decision_header(r)};
    return n;
}
