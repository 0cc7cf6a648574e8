#include "gateway/attempt.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "gateway/dispatch.h"
#include "gateway/usage.h"

#include <stdio.h>

static const char *const failure_names[] = {"none", "bad_request", "context_length", "auth",    "not_found",
                                            "rate", "quota",       "overloaded",     "content", "server"};

const char *mg_failure_name(mg_failure f) { return failure_names[f]; }

/* ---- what is sent ------------------------------------------------------------------------------------------------ */

static void out_method(void *ctx, mg_str method) {
    mg_attempt *a = ctx;
    a->method = mg_arena_dup(a->r->arena, method);
}

static void out_path(void *ctx, mg_str path) {
    mg_attempt *a = ctx;
    a->path = mg_arena_dup(a->r->arena, path);
}

/* What the client said of a vendor's versions holds; of lists of betas both do. */
static void out_header(void *ctx, mg_str name, mg_str value) {
    mg_attempt *a = ctx;
    mg_arena *arena = a->r->arena;
    for (size_t i = 0; i < a->n_headers; i++) {
        if (!mg_str_eq(a->headers[i].name, name)) continue;
        if (mg_str_is(name, "anthropic-beta") || mg_str_is(name, "openai-beta"))
            a->headers[i].value = mg_arena_join(arena, (const mg_str[]){a->headers[i].value, MG_STR(","), value}, 3);
        return;
    }
    if (a->n_headers == MG_ATTEMPT_HEADERS) return;
    a->headers[a->n_headers++] = (mg_header){mg_arena_dup(arena, name), mg_arena_dup(arena, value)};
}

static void out_splice(void *ctx, size_t start, size_t end, mg_str replacement) {
    mg_attempt *a = ctx;
    mg_edits_replace(&a->edits, start, end, mg_arena_dup(a->r->arena, replacement));
}

static void out_write(void *ctx, mg_str bytes) {
    mg_attempt *a = ctx;
    mg_buf_str(&a->written, bytes);
}

static void out_text(void *ctx, mg_str text) {
    mg_attempt *a = ctx;
    mg_buf_json(&a->written, text);
}

static void out_drop(void *ctx, mg_str member) {
    mg_attempt *a = ctx;
    mg_request_decide(a->r, "route", a->target->name, "drop", "\"member\":\"%.*s\"", MG_STR_ARG(member));
}

/* What of the client's headers travels on, to vendors that speak its format; everything else stays here. */
static const struct {
    mg_str name;
    unsigned formats; /* 1 << mg_format_id */
} passed_on[] = {
    {MG_STR_INIT("traceparent"), ~0u},
    {MG_STR_INIT("tracestate"), ~0u},
    {MG_STR_INIT("openai-beta"), 1u << MG_FORMAT_OPENAI | 1u << MG_FORMAT_RESPONSES},
    {MG_STR_INIT("anthropic-version"), 1u << MG_FORMAT_ANTHROPIC},
    {MG_STR_INIT("anthropic-beta"), 1u << MG_FORMAT_ANTHROPIC},
};

static void add_own_headers(mg_attempt *a) {
    mg_request *r = a->r;
    static const mg_str agent = {"moongate/" MOONGATE_VERSION, sizeof("moongate/" MOONGATE_VERSION) - 1};
    a->headers[a->n_headers++] = (mg_header){MG_STR("user-agent"), agent};
    for (size_t i = 0; i < sizeof passed_on / sizeof passed_on[0]; i++) {
        bool any = passed_on[i].formats == ~0u;
        if (!any && !(a->native && passed_on[i].formats & 1u << r->format->id)) continue;
        mg_str v = mg_exchange_header(r->x, passed_on[i].name);
        if (v.p && a->n_headers < MG_ATTEMPT_HEADERS) a->headers[a->n_headers++] = (mg_header){passed_on[i].name, v};
    }
    for (size_t i = 0; i < r->n_extra_headers && a->n_headers < MG_ATTEMPT_HEADERS; i++)
        a->headers[a->n_headers++] = r->extra_headers[i];
}

static void note_dropped(void *arg, mg_str member) {
    mg_request *r = arg;
    mg_request_decide(r, "route", mg_str_of(r->format->name), "drop", "\"member\":\"%.*s\"",
                      (int)(member.n < 200 ? member.n : 200), member.p);
}

/* The body in the canonical form, made once for all attempts. */
static mg_status make_canonical(mg_request *r, mg_error *error) {
    if (r->canonical.p) return MG_OK;
    if (!r->format->canonical) {
        r->canonical = r->body;
        r->canonical_root = r->root;
        return MG_OK;
    }
    mg_buf b = {.max = MG_EMBEDDINGS_MAX};
    mg_status st =
        r->format->canonical(r->operation, r->root, r->body, r->model, r->stream, &b, note_dropped, r, error);
    if (st == MG_OK && b.over) st = mg_fail(error, 413, "too_large", "the translated request does not fit into memory");
    if (st == MG_OK) {
        mg_str text = mg_arena_dup(r->arena, mg_buf_view(&b));
        st = mg_json_parse_copy(r->worker->json, r->arena, text, &r->canonical_root, error);
        if (st == MG_OK) r->canonical = text;
    }
    mg_buf_finish(&b);
    return st;
}

static bool speaks(const mg_attempt *a, mg_format_id format) {
    return a->ops->native && a->ops->native(a->self, a->r->operation, format);
}

static mg_provider_request provider_request(const mg_attempt *a) {
    const mg_request *r = a->r;
    return (mg_provider_request){.size = sizeof(mg_provider_request),
                                 .operation = r->operation,
                                 .format = a->native ? r->format->id : MG_FORMAT_OPENAI,
                                 .model = a->target->model,
                                 .stream = r->stream,
                                 .want_usage = r->stream,
                                 .api_key = a->choice.api_key,
                                 .body = a->native ? r->body : r->canonical,
                                 .root = a->native ? r->root : r->canonical_root,
                                 .translated = !a->native && r->format->canonical};
}

/* Opaque bytes of one vendor that a client of another vendor's format holds for it (format/responses.h, format/gemini.h): the
 * vendor of that format must not see them, so the body goes by way of the canonical form, which takes them apart. Anthropic's
 * provider knows them itself. */
static bool marked(const mg_request *r) {
    const mg_str mark = r->format->id == MG_FORMAT_RESPONSES ? MG_STR("\"moongate:")
                        : r->format->id == MG_FORMAT_GEMINI  ? MG_STR("\"bW9vbmdhdG")
                                                             : (mg_str){0};
    return mark.n && memmem(r->body.p, r->body.n, mark.p, mark.n);
}

/* Renders what policies changed, and finds out in which form the provider takes it. */
static mg_status prepare(mg_attempt *a, mg_error *error) {
    a->native = speaks(a, a->r->format->id) && !marked(a->r);
    bool splices = a->native && !a->ops->answer; /* one that answers by itself reads the whole */
    if (splices) return mg_request_sync_members(a->r, error);
    mg_status st = mg_request_sync(a->r, error);
    return st == MG_OK && !a->native ? make_canonical(a->r, error) : st;
}

static mg_str base_url(const mg_attempt *a) {
    mg_str own = a->ops->base_url ? a->ops->base_url(a->self) : (mg_str){0};
    return own.n ? own : a->target->provider->base_url;
}

static mg_status sign(mg_attempt *a, const mg_provider_out *out, mg_error *error) {
    mg_str url = base_url(a);
    const char *p = url.n ? memmem(url.p, url.n, "://", 3) : NULL;
    if (!a->ops->sign || !p) return MG_OK;
    mg_str rest = mg_str_skip(url, (size_t)(p - url.p) + 3);
    size_t slash = mg_str_find(rest, '/');
    mg_str path = mg_str_skip(rest, slash), host = mg_str_from(rest.p, slash);
    mg_str usual = mg_str_starts(url, MG_STR("https")) ? MG_STR(":443") : MG_STR(":80");
    if (host.n > usual.n && mg_str_eq(mg_str_skip(host, host.n - usual.n), usual))
        host.n -= usual.n; /* as it is sent */
    if (path.n && path.p[path.n - 1] == '/') path.n--;
    const mg_signing signing = {.size = sizeof signing,
                                .method = a->method,
                                .host = host,
                                .path = mg_arena_join(a->r->arena, (const mg_str[]){path, a->path}, 2),
                                .headers = a->headers,
                                .n_headers = a->n_headers,
                                .body = a->body,
                                .now_s = mg_clock_unix_ms() / 1000};
    return a->ops->sign(a->self, &signing, out, error);
}

static mg_status encode(mg_attempt *a, mg_error *error) {
    const mg_provider_out out = {sizeof out, a,         out_method, out_path, out_header,
                                 out_splice, out_write, out_text,   out_drop};
    const mg_provider_request pr = provider_request(a);
    a->method = MG_STR("POST");
    if (a->native)
        mg_edits_copy(&a->edits, &a->r->edits);
    else
        mg_edits_init(&a->edits, a->r->arena);
    a->written.max = MG_EMBEDDINGS_MAX;
    add_own_headers(a);
    mg_status st = a->ops->encode(a->self, &pr, &out, error);
    if (st != MG_OK)
        return st == MG_DECLINED ? mg_fail(error, 400, "unsupported", "this provider does not offer the operation")
                                 : st;
    if (a->written.over) return mg_fail(error, 413, "too_large", "the translated request does not fit into memory");
    a->body = a->written.n ? mg_buf_view(&a->written) : a->edits.n ? mg_edits_render(&a->edits, pr.body) : pr.body;
    return sign(a, &out, error);
}

/* ---- what comes back --------------------------------------------------------------------------------------------- */

static mg_str find_header(const mg_header *h, size_t n, mg_str name) {
    for (size_t i = 0; i < n; i++)
        if (mg_str_eq(h[i].name, name)) return h[i].value;
    return (mg_str){0};
}

static mg_str find_request_id(const mg_header *h, size_t n) {
    static const char *const names[] = {"x-request-id", "request-id", "apim-request-id", "x-amzn-requestid"};
    mg_str id = {0};
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !id.n; i++) id = find_header(h, n, mg_str_of(names[i]));
    return id;
}

static void keep_headers(mg_attempt *a, const mg_header *h, size_t n) {
    a->answer_headers = mg_arena_alloc(a->r->arena, (n ? n : 1) * sizeof *h);
    a->n_answer_headers = n;
    for (size_t i = 0; i < n; i++)
        a->answer_headers[i] = (mg_header){mg_arena_dup(a->r->arena, h[i].name), mg_arena_dup(a->r->arena, h[i].value)};
}

static void on_head(void *arg, int status, const mg_header *h, size_t n) {
    mg_attempt *a = arg;
    bool ok = status >= 200 && status < 300;
    a->status = status;
    a->request_id = mg_arena_dup(a->r->arena, find_request_id(h, n));
    if (!ok) keep_headers(a, h, n);
    mg_str type = find_header(h, n, MG_STR("content-type"));
    a->event_stream = ok && a->r->stream && mg_framer_fits(a->ops->framing, type);
    if (a->event_stream) {
        a->framer = MG_ARENA_NEW(a->r->arena, mg_framer);
        mg_framer_init(a->framer, a->ops->framing, MG_EVENT_MAX);
        return;
    }
    int64_t length = 0;
    a->in.max = a->r->operation == MG_OP_EMBEDDINGS ? MG_EMBEDDINGS_MAX : MG_ANSWER_MAX;
    if (mg_str_int(find_header(h, n, MG_STR("content-length")), &length) && length > 0 && length < (1 << 20))
        mg_buf_reserve(&a->in, (size_t)length + MG_JSON_PADDING); /* the hot path: one allocation, no growing */
}

static bool on_frame(void *arg, const mg_framer_frame *f) {
    return mg_answer_frame(arg, f->raw, f->event, f->has_data ? f->data : (mg_str){0});
}

static void stop_call(mg_attempt *a) {
    if (a->call) mg_upstream_cancel(a->call);
    a->call = NULL;
    a->over = true;
}

void mg_attempt_fault(mg_attempt *a, const char *kind, mg_str message) {
    size_t n = message.n < sizeof a->message - 1 ? message.n : sizeof a->message - 1;
    snprintf(a->kind, sizeof a->kind, "%s", kind);
    if (n) memcpy(a->message, message.p, n);
    a->message[n] = 0;
}

static void fail(mg_attempt *a, const char *kind, const char *message) {
    stop_call(a);
    a->health = MG_CIRCUIT_FAILURE;
    mg_attempt_fault(a, kind, mg_str_of(message));
    mg_pipeline_failed(a);
}

static void on_linger(void *arg) {
    mg_attempt *a = arg;
    a->linger = NULL;
    stop_call(a); /* the terminator has come, the end of the body has not: the answer is whole all the same */
    mg_pipeline_answered(a);
}

enum { PACE_MS = 10000 };

/* A stream that crawls is given up, once its tokens have begun to come. */
static void on_pace(void *arg) {
    mg_attempt *a = arg;
    double per_s = (double)(a->counted - a->stall_mark) * 1000 / PACE_MS;
    bool excused = a->slow_client;
    a->stall_timer = NULL;
    a->stall_mark = a->counted;
    a->slow_client = mg_exchange_backlog(a->r->x) > 0;
    if (per_s < a->r->routing.least_tokens_per_s && a->call && !excused)
        fail(a, "stalled", "the stream comes more slowly than the policy allows");
    else
        a->stall_timer = mg_evloop_timer(a->r->worker->loop, PACE_MS, on_pace, a);
}

static void watch_pace(mg_attempt *a) {
    if (a->r->routing.least_tokens_per_s <= 0 || a->stall_timer || !a->first_token_us) return;
    a->stall_mark = a->counted;
    a->stall_timer = mg_evloop_timer(a->r->worker->loop, PACE_MS, on_pace, a);
}

/* What was found in the frames is acted upon only after the framer has returned: ending the request frees both. */
static void on_data(void *arg, mg_str bytes) {
    mg_attempt *a = arg;
    mg_error error = {0};
    if (!a->event_stream) {
        if (!mg_buf_str(&a->in, bytes)) fail(a, "too_large", "the answer is larger than the gateway holds");
        return;
    }
    if (a->done_seen || a->bad_frame) return;
    if (mg_framer_feed(a->framer, bytes, on_frame, a, &error) == MG_ERROR) {
        fail(a, "protocol", error.text);
    } else if (a->bad_frame) {
        stop_call(a);
        a->health = MG_CIRCUIT_FAILURE;
        mg_pipeline_failed(a);
    } else {
        watch_pace(a);
        if (a->done_seen && !a->linger) a->linger = mg_evloop_timer(a->r->worker->loop, 1000, on_linger, a);
        mg_pipeline_progress(a);
    }
}

static void on_done(void *arg, const mg_upstream_result *result) {
    mg_attempt *a = arg;
    a->call = NULL;
    a->over = true;
    mg_evloop_timer_cancel(a->r->worker->loop, a->linger);
    a->linger = NULL;
    bool framed = result->end == MG_UPSTREAM_COMPLETE && !result->close_delimited;
    mg_error ignored;
    if (a->event_stream && framed && !a->done_seen && !a->bad_frame)
        framed = mg_framer_end(a->framer, on_frame, a, &ignored) != MG_ERROR; /* else the body ended inside a frame */
    /* Only the format's own terminator ends a stream; only framing ends a plain answer. */
    if (a->event_stream && framed && a->finish_seen && a->ops->capabilities & MG_CAP_BODY_ENDS) mg_answer_ended(a);
    if (a->event_stream ? a->done_seen : framed) {
        mg_pipeline_answered(a);
    } else if (result->end == MG_UPSTREAM_COMPLETE) {
        fail(a, "truncated", "the answer ended before it was whole");
    } else {
        fail(a, mg_upstream_end_name(result->end), result->text);
    }
}

static const mg_upstream_events upstream_events = {on_head, on_data, on_done};

/* ---- starting ---------------------------------------------------------------------------------------------------- */

static void send(mg_attempt *a) {
    const mg_provider_use *p = a->target->provider;
    mg_upstream_request q = {.method = a->method,
                             .base_url = base_url(a),
                             .path = a->path,
                             .headers = a->headers,
                             .n_headers = a->n_headers,
                             .body = a->body,
                             .timeouts = p->timeouts,
                             .ca_file = p->ca_file,
                             .max_body = a->r->stream ? 0 : MG_EMBEDDINGS_MAX};
    if (a->target->total_ms) q.timeouts.total_ms = a->target->total_ms;
    if (a->r->routing.first_byte_ms) q.timeouts.first_byte_ms = a->r->routing.first_byte_ms;
    uint64_t left = mg_dispatch_left(a->r);
    if (left != UINT64_MAX && (!q.timeouts.total_ms || left < q.timeouts.total_ms))
        q.timeouts.total_ms = left ? left : 1;
    a->call = mg_upstream_start(a->r->worker->upstream, &q, &upstream_events, a);
}

/* A provider that answers by itself: each frame as if it had come from a vendor. */
static void local_frame(void *ctx, const mg_event *e) {
    mg_attempt *a = ctx;
    if (!a->event_stream) {
        mg_buf_str(&a->in, e->text);
        return;
    }
    mg_str raw = mg_arena_printf(a->r->arena, "data: %.*s\n\n", MG_STR_ARG(e->text));
    if (a->done_seen) return;
    char *data = mg_arena_zalloc(a->r->arena, e->text.n + MG_JSON_PADDING); /* the parser reads ahead */
    if (e->text.n) memcpy(data, e->text.p, e->text.n);
    mg_answer_frame(a, raw, (mg_str){0}, mg_str_from(data, e->text.n));
}

static mg_status answer_locally(mg_attempt *a, mg_error *error) {
    const mg_provider_request pr = provider_request(a);
    const mg_sink frames = {sizeof frames, a, local_frame};
    a->status = 200;
    a->event_stream = a->r->stream;
    a->in.max = MG_ANSWER_MAX;
    return a->ops->answer(a->self, &pr, &frames, error);
}

mg_status mg_attempt_start(mg_request *r, mg_choice *choice, mg_attempt **slot, mg_error *error) {
    mg_attempt *a = MG_ARENA_NEW(r->arena, mg_attempt);
    a->r = r;
    a->choice = *choice;
    *choice = (mg_choice){0};
    a->target = a->choice.target;
    a->ops = a->target->provider->ops;
    a->health = MG_CIRCUIT_NEUTRAL;
    a->retry_after_ms = -1;
    a->started_us = mg_clock_mono_us();
    if (!r->dispatched_us) r->dispatched_us = a->started_us;
    a->no = ++r->attempt_no;
    a->watch_text = r->reply_watched;
    a->after_space = mg_dispatch_said(r).n < r->said.n;
    a->hold = r->reply_watched && r->reply_window;
    a->held.max = a->window.max = a->early.max = a->said.max = MG_ANSWER_MAX;
    mg_uuid7(a->id);
    *slot = a;
    a->self = mg_use_self(a->target->provider->use, r->worker->index, r->worker->loop, error);
    if (!a->self) return MG_ERROR;
    a->state = mg_arena_zalloc(r->arena, a->ops->state_size + 1);
    bool local = a->ops->answer != NULL;
    mg_status st = prepare(a, error);
    if (st == MG_OK && !local) st = encode(a, error);
    if (st == MG_OK) st = mg_usage_start(a, error);
    if (st != MG_OK) return st;
    if (!local) {
        send(a);
        return MG_AGAIN;
    }
    st = answer_locally(a, error);
    if (st != MG_OK && (!error->http || error->http >= 500)) a->health = MG_CIRCUIT_FAILURE;
    a->over = true;
    return st;
}

/* What the call taught about its target. A plain answer counts with all of its time, one that was given up with what it had
 * waited. */
static void record(mg_attempt *a) {
    uint64_t now = mg_clock_mono_us();
    mg_circuit_call call = {.outcome = a->health, .ttft_us = -1};
    if (!a->choice.circuit) return;
    if (a->first_token_us) {
        call.ttft_us = (int64_t)(a->first_token_us - a->started_us);
        if (a->event_stream && a->usage_known && now > a->first_token_us) {
            call.output_tokens = a->usage.output;
            call.output_us = (int64_t)(now - a->first_token_us);
        }
    } else if (a->health == MG_CIRCUIT_SUCCESS || a->given_up) {
        call.ttft_us = (int64_t)(now - a->started_us);
    }
    mg_circuit_record(a->choice.circuit, &a->r->snapshot->circuit, &a->choice.pass, &call, now / 1000);
}

void mg_attempt_finish(mg_attempt *a) {
    mg_timer **timers[] = {&a->linger, &a->hold_timer, &a->stall_timer};
    record(a);
    mg_buf_finish(&a->written);
    mg_buf_finish(&a->in);
    mg_buf_finish(&a->early);
    mg_buf_finish(&a->held);
    mg_buf_finish(&a->window);
    mg_buf_finish(&a->said);
    mg_buf_finish(&a->out);
    if (a->reply) mg_reply_finish(a->reply);
    a->reply = NULL;
    if (a->framer) mg_framer_finish(a->framer);
    for (size_t i = 0; i < sizeof timers / sizeof timers[0]; i++) {
        mg_evloop_timer_cancel(a->r->worker->loop, *timers[i]);
        *timers[i] = NULL;
    }
}

void mg_attempt_cancel(mg_attempt *a) { stop_call(a); }
