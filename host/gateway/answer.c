#include "gateway/answer.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/money.h"
#include "format/openai.h"
#include "gateway/dispatch.h"
#include "gateway/limits.h"
#include "gateway/tokens.h"
#include "gateway/usage.h"

#include <stdio.h>
#include <time.h>

/* ---- writing anew ------------------------------------------------------------------------------------------------ */

/* Ids in the client's format are made from ours. */
static void reply_head(mg_request *r, mg_reply *reply) {
    size_t n = 0;
    for (const char *p = r->id; *p && n < sizeof reply->id - 1; p++)
        if (*p != '-') reply->id[n++] = *p;
    reply->id[n] = 0;
    reply->created_s = mg_clock_unix_ms() / 1000;
    reply->base64 = r->facts.base64;
    reply->single = r->facts.single;
    reply->request = r->root;
}

static mg_reply *new_reply(mg_request *r) {
    mg_reply *reply = MG_ARENA_NEW(r->arena, mg_reply);
    mg_reply_init(reply, r->arena, r->operation, r->operation == MG_OP_EMBEDDINGS ? MG_EMBEDDINGS_MAX : MG_ANSWER_MAX);
    reply_head(r, reply);
    return reply;
}

static mg_stream *new_stream(mg_request *r, mg_reply *reply, mg_buf *out) {
    mg_stream *s = MG_ARENA_NEW(r->arena, mg_stream);
    *s = (mg_stream){.reply = reply,
                     .state = mg_arena_zalloc(r->arena, r->format->stream_state + 1),
                     .arena = r->arena,
                     .usage_asked = r->facts.usage_asked,
                     .array = r->array,
                     .input_estimate = r->tokens_input,
                     .out = out};
    return s;
}

/* The stream's writer, made when first needed. */
static mg_stream *stream_of(mg_attempt *a) {
    if (!a->reply) a->reply = new_reply(a->r);
    if (!a->stream) a->stream = new_stream(a->r, a->reply, &a->out);
    return a->stream;
}

static void write_event(mg_attempt *a, const mg_event *e) {
    mg_stream *s = stream_of(a);
    if (!a->reply->model.n) a->reply->model = a->target->model;
    if (!a->opened) a->r->format->open(s);
    a->opened = true;
    a->r->format->event(s, e);
}

/* ---- events of a frame ------------------------------------------------------------------------------------------- */

static void set_usage(mg_attempt *a, const mg_event *e) {
    if (!e->usage) return;
    a->usage = *e->usage;
    a->usage.size = sizeof a->usage;
    a->usage_known = true;
    if (e->alone && !a->r->facts.usage_asked) a->hide_frame = true;
}

/* A stream that a half open circuit let through has shown what it was to show. */
static void note_first_token(mg_attempt *a) {
    uint64_t now = mg_clock_mono_us();
    mg_choice *c = &a->choice;
    a->first_token_us = now;
    if (c->circuit && a->event_stream)
        mg_circuit_answered(c->circuit, &a->r->snapshot->circuit, &c->pass, (int64_t)(now - a->started_us), now / 1000);
}

static void on_text(mg_attempt *a, const mg_event *e) {
    if (!a->first_token_us && e->text.n) note_first_token(a);
    if (a->event_stream || a->counting) a->counted += mg_tokens_estimate(e->text, a->target->model);
}

static void note_event(mg_attempt *a, const mg_event *e) {
    switch (e->type) {
    case MG_EVENT_META:
        if (!a->upstream_id.n) a->upstream_id = mg_arena_dup(a->r->arena, e->text);
        if (!a->model.n) a->model = mg_arena_dup(a->r->arena, e->name);
        break;
    case MG_EVENT_TEXT:
        on_text(a, e);
        if (a->event_stream && a->r->routing.continues) mg_buf_str(&a->said, e->text);
        if (a->event_stream && a->watch_text) mg_buf_str(&a->window, e->text);
        break;
    case MG_EVENT_REASONING:
    case MG_EVENT_REFUSAL:
    case MG_EVENT_TOOL:
        on_text(a, e);
        a->not_only_text = true;
        break;
    case MG_EVENT_USAGE: set_usage(a, e); break;
    case MG_EVENT_FINISH: a->finish_seen = true; break;
    case MG_EVENT_ERROR:
        a->bad_frame = true;
        mg_attempt_fault(a, "upstream_error", e->text);
        break;
    case MG_EVENT_DONE: a->done_seen = true; break;
    default: break;
    }
}

/* Without the white space that the client has already got from the target before. */
static mg_event without_space(mg_attempt *a, const mg_event *e) {
    mg_event out = {0};
    memcpy(&out, e, e->size < sizeof out ? e->size : sizeof out);
    while (out.text.n && memchr(" \t\r\n", *out.text.p, 4)) out.text = mg_str_skip(out.text, 1);
    a->after_space = !out.text.n;
    return out;
}

static void on_event(void *ctx, const mg_event *e) {
    mg_attempt *a = ctx;
    mg_event trimmed;
    if (a->event_stream && a->done_seen) return;
    if (a->after_space && !a->native && e->type == MG_EVENT_TEXT) {
        trimmed = without_space(a, e);
        e = &trimmed;
    }
    note_event(a, e);
    if (a->bad_frame || (a->native && a->event_stream)) return;
    bool bookkeeping =
        e->type == MG_EVENT_META || e->type == MG_EVENT_USAGE || e->type == MG_EVENT_ERROR || e->type == MG_EVENT_DONE;
    if (!a->event_stream) {
        if (a->reply) mg_reply_event(a->reply, e);
        return;
    }
    stream_of(a);
    if (bookkeeping || e->type == MG_EVENT_FINISH) mg_reply_event(a->reply, e);
    if (!bookkeeping) write_event(a, e);
}

static mg_status decode(mg_attempt *a, mg_str event, mg_str data, const mg_json *json, mg_error *error) {
    const mg_frame frame = {.size = sizeof frame,
                            .operation = a->r->operation,
                            .stream = a->event_stream,
                            .status = a->status,
                            .event = event,
                            .data = data,
                            .json = json,
                            .format = a->native ? a->r->format->id : MG_FORMAT_OPENAI,
                            .state = a->state};
    const mg_sink sink = {sizeof sink, a, on_event};
    return a->ops->decode(a->self, &frame, &sink, error);
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

static void pass(mg_attempt *a, mg_str bytes);

/* The vendor broke its own stream off: what kind of failure that is decides about another try. */
static void classify_frame(mg_attempt *a, mg_str event, mg_str data, const mg_json *json) {
    const mg_frame frame = {.size = sizeof frame,
                            .operation = a->r->operation,
                            .stream = true,
                            .status = a->status,
                            .event = event,
                            .data = data,
                            .json = json,
                            .state = a->state};
    mg_classification c = {.size = sizeof c, .retry_after_ms = -1};
    a->ops->classify(a->self, &frame, NULL, 0, &c);
    if (c.failure != MG_FAIL_RATE && c.failure != MG_FAIL_OVERLOADED && c.failure != MG_FAIL_QUOTA) return;
    a->failure = c.failure;
    a->retry_after_ms = c.retry_after_ms;
    snprintf(a->kind, sizeof a->kind, "%s", mg_failure_name(c.failure));
}

static bool looks_like_json(mg_str data) { return data.n && (data.p[0] == '{' || data.p[0] == '['); }

static void on_hold_over(void *arg) {
    mg_attempt *a = arg;
    a->hold_timer = NULL;
    a->hold_over = true;
    pass(a, (mg_str){0});
}

/* Until the first byte goes out another target can take over: a hedged request waits for its first token, and the policy may want
 * more than that. */
static bool may_pass(mg_attempt *a, size_t bytes) {
    mg_request *r = a->r;
    const mg_routing *routing = &r->routing;
    bool fits = a->early.n + bytes <= MG_ANSWER_MAX;
    if (a->gate || r->committed) return true;
    if (r->rival && !a->first_token_us && fits) return false;
    if (routing->hold_tokens && a->counted < routing->hold_tokens && !a->hold_over && fits) {
        if (!a->hold_timer) a->hold_timer = mg_evloop_timer(r->worker->loop, routing->hold_ms, on_hold_over, a);
        return false;
    }
    a->gate = true;
    if (r->rival) mg_dispatch_lead(a);
    return true;
}

void mg_answer_open(mg_attempt *a) {
    a->gate = true;
    pass(a, (mg_str){0});
}

static void write_out(mg_attempt *a, mg_str bytes) {
    mg_answer_commit(a->r);
    if (mg_exchange_write(a->r->x, bytes) || !a->call) return;
    a->slow_client = true;
    mg_upstream_pause(a->call, true);
}

/* The client has the text of all frames so far. */
static void note_said(mg_attempt *a) {
    mg_buf *said = &a->r->said;
    if (!a->said.n) return;
    mg_buf_str(said, mg_buf_view(&a->said));
    said->over = said->over || a->said.over;
    mg_buf_clear(&a->said);
}

/* To the client, or to where a policy will judge it. What does not fit there may not be left out. */
static void deliver(mg_attempt *a, mg_str bytes) {
    if (!bytes.n || a->bad_frame) return;
    if (a->hold) {
        a->bad_frame = !mg_buf_str(&a->held, bytes);
        if (a->bad_frame)
            mg_attempt_fault(a, "too_large",
                             MG_STR("the stream is longer than the gateway holds for a policy's verdict"));
        return;
    }
    write_out(a, bytes);
    note_said(a);
}

/* Bytes for the client: at once, or held until the attempt has proved itself, or a policy has judged them. */
static void pass(mg_attempt *a, mg_str bytes) {
    if (!may_pass(a, bytes.n)) {
        mg_buf_str(&a->early, bytes);
        return;
    }
    deliver(a, mg_buf_view(&a->early));
    mg_buf_finish(&a->early);
    deliver(a, bytes);
}

/* A frame of the vendor's as the client gets it: as it came, or as an element of the array that it asked for. */
static mg_str native_frame(mg_attempt *a, mg_str raw, mg_str data) {
    if (!a->r->array) return raw;
    if (!data.n) return (mg_str){0};
    const mg_str parts[] = {a->array_begun ? MG_STR(",\r\n") : MG_STR("["), data};
    a->array_begun = true;
    return mg_arena_join(a->r->worker->scratch, parts, 2);
}

/* What ends the stream for the client waits in a->last until usage is durable. Where nothing but the end of the body says that
 * the answer is whole, that is all from the finish reason on. */
static void pass_native(mg_attempt *a, mg_str raw, mg_str data) {
    mg_str bytes = native_frame(a, raw, data);
    bool tail = a->finish_seen && a->ops->capabilities & MG_CAP_BODY_ENDS;
    if (a->done_seen || tail) {
        mg_str before = a->last;
        a->last = mg_arena_dup(a->r->arena, bytes);
        bytes = before;
    }
    pass(a, bytes);
}

static void end_written(mg_attempt *a) {
    mg_stream *s = stream_of(a);
    if (!a->reply->model.n) a->reply->model = a->target->model;
    if (!a->opened) a->r->format->open(s);
    a->opened = true;
    pass(a, mg_buf_view(&a->out));
    mg_buf_clear(&a->out);
    a->r->format->close(s);
    a->last = mg_arena_dup(a->r->arena, mg_buf_view(&a->out));
    mg_buf_clear(&a->out);
}

void mg_answer_ended(mg_attempt *a) {
    if (a->done_seen || a->bad_frame) return;
    a->done_seen = true;
    if (!a->native)
        end_written(a);
    else if (a->r->array)
        a->last = mg_arena_join(a->r->arena, (const mg_str[]){a->last, MG_STR("]")}, 2);
}

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
    if (a->bad_frame) {
        classify_frame(a, event, data, json);
        return false;
    }
    if (a->native) {
        if (!a->hide_frame) pass_native(a, raw, data);
    } else if (a->done_seen) {
        end_written(a);
    } else {
        pass(a, mg_buf_view(&a->out));
        mg_buf_clear(&a->out);
    }
    return !a->done_seen && !a->bad_frame;
}

mg_str mg_answer_stream_type(const mg_request *r) {
    return r->array ? MG_STR("application/json; charset=utf-8") : MG_STR("text/event-stream; charset=utf-8");
}

void mg_answer_commit(mg_request *r) {
    mg_header h[MG_ANSWER_HEADERS];
    if (r->committed) return;
    r->committed = true;
    r->status = 200;
    mg_exchange_start(r->x, 200, h, mg_answer_headers(r, mg_answer_stream_type(r), false, h));
}

void mg_answer_release(mg_attempt *a, size_t n) {
    if (!n) return;
    write_out(a, mg_str_from(a->held.p, n));
    mg_buf_drain(&a->held, n);
    if (!a->held.n) note_said(a);
}

mg_str mg_answer_error_frames(mg_request *r, const mg_fault *fault) {
    mg_buf b = {0};
    mg_stream *s = r->attempt && r->attempt->stream ? r->attempt->stream : new_stream(r, new_reply(r), &b);
    s->out = &b;
    if (r->array && r->attempt && r->attempt->array_begun) mg_buf_str(&b, MG_STR(",\r\n"));
    r->format->error_frames(s, fault);
    mg_str out = mg_arena_dup(r->arena, mg_buf_view(&b));
    mg_buf_finish(&b);
    return out;
}

/* ---- plain answers ----------------------------------------------------------------------------------------------- */

mg_status mg_answer_decode(mg_attempt *a, mg_error *error) {
    mg_request *r = a->r;
    if (!mg_buf_reserve(&a->in, MG_JSON_PADDING)) return mg_fail(error, 502, "bad_answer", "the answer is too large");
    mg_status st = mg_json_parse(r->worker->json, r->arena, a->in.p, a->in.n, &a->root, error);
    if (st != MG_OK) return st;
    mg_edits_init(&a->edits, r->arena);
    if (a->status < 200 || a->status >= 300) return MG_OK; /* a failure: for `classify` */
    if (!a->native || mg_reply_asked(r)) a->reply = new_reply(r);
    st = decode(a, (mg_str){0}, mg_buf_view(&a->in), a->root, error);
    if (st == MG_OK && a->bad_frame) return mg_fail(error, 502, "bad_answer", "%s", a->message);
    if (st == MG_OK && a->reply && a->reply->over)
        return mg_fail(error, 502, "bad_answer", "the answer is larger than the gateway holds");
    if (st != MG_OK || a->usage_known || r->operation != MG_OP_CHAT) return st;
    a->counting = true; /* no figures of the vendor's: a second look counts the text, which is rarely needed */
    mg_reply *reply = a->reply;
    a->reply = NULL;
    memset(a->state, 0, a->ops->state_size);
    st = decode(a, (mg_str){0}, mg_buf_view(&a->in), a->root, error);
    a->reply = reply;
    if (reply) reply->usage.output = a->counted;
    return st;
}

bool mg_reply_asked(const mg_request *r) {
    const mg_policy_runner *p = &r->worker->policy;
    return r->operation == MG_OP_CHAT && r->policies && p->has(p->ctx, r->policies, r->org->id, MG_PHASE_REPLY);
}

size_t mg_answer_choices(const mg_attempt *a) { return a->reply ? a->reply->n_choices : 0; }

static mg_block *next_text(mg_block *b, size_t choice) {
    while (b && (b->type != MG_EVENT_TEXT || b->choice != (int64_t)choice)) b = b->next;
    return b;
}

mg_str mg_answer_text(const mg_attempt *a, size_t choice) {
    mg_block *first = next_text(a->reply->blocks, choice);
    if (!first) return MG_STR("");
    if (!next_text(first->next, choice)) return mg_buf_view(&first->text);
    mg_buf all = {.max = MG_ANSWER_MAX};
    for (mg_block *b = first; b; b = next_text(b->next, choice)) mg_buf_str(&all, mg_buf_view(&b->text));
    mg_str out = mg_arena_dup(a->r->arena, mg_buf_view(&all));
    mg_buf_finish(&all);
    return out;
}

/* The first string at or after *from, in the order of the text, that reads so. */
static const mg_json *find_string(const mg_json *v, mg_str text, uint32_t from) {
    if (v->type == MG_JSON_STRING) return v->src >= from && mg_str_eq(v->str, text) ? v : NULL;
    if (v->src_end <= from) return NULL;
    for (const mg_json *c = v->child; c; c = c->next) {
        const mg_json *found = find_string(c, text, from);
        if (found) return found;
    }
    return NULL;
}

/* The new text takes the place of the first block; others of the choice become empty. In the vendor's own bytes, if its blocks
 * can be found there; else the answer is written anew. */
void mg_answer_replace_text(mg_attempt *a, size_t choice, mg_str text) {
    mg_reply *reply = a->reply;
    uint32_t from = 0;
    for (mg_block *b = next_text(reply->blocks, choice); b; b = next_text(b->next, choice)) {
        const mg_json *at = a->native && b->text.n ? find_string(a->root, mg_buf_view(&b->text), from) : NULL;
        if (at) {
            mg_edits_replace(&a->edits, at->src, at->src_end, mg_format_quoted(a->r->arena, text));
            from = at->src_end;
        } else {
            a->replaced = true;
        }
        mg_buf_clear(&b->text);
        mg_buf_str(&b->text, text);
        text = MG_STR("");
    }
}

mg_str mg_answer_body(mg_attempt *a) {
    mg_request *r = a->r;
    if (a->native && !a->replaced)
        return a->edits.n ? mg_edits_render(&a->edits, mg_buf_view(&a->in)) : mg_buf_view(&a->in);
    mg_buf b = {.max = MG_EMBEDDINGS_MAX};
    if (r->operation == MG_OP_COUNT_TOKENS && r->format->count) {
        r->format->count(a->usage.input, &b);
    } else {
        if (!a->reply->model.n) a->reply->model = a->target->model;
        r->format->plain(a->reply, &b);
    }
    mg_str out = mg_arena_dup(r->arena, mg_buf_view(&b));
    mg_buf_finish(&b);
    return out;
}

/* ---- an answer of our own ---------------------------------------------------------------------------------------- */

mg_str mg_answer_synthesize(mg_request *r, mg_str text, mg_str finish_reason) {
    mg_buf b = {.max = MG_ANSWER_MAX};
    mg_reply *reply = new_reply(r);
    const mg_event said = {.size = sizeof said, .type = MG_EVENT_TEXT, .text = text};
    const mg_event finish = {.size = sizeof finish, .type = MG_EVENT_FINISH, .text = finish_reason};
    reply->model = r->model;
    reply->usage_known = true;
    mg_reply_event(reply, &finish);
    if (r->stream) {
        mg_stream *s = new_stream(r, reply, &b);
        r->format->open(s);
        r->format->event(s, &said);
        r->format->event(s, &finish);
        r->format->close(s);
    } else {
        mg_reply_event(reply, &said);
        r->format->plain(reply, &b);
    }
    mg_str out = mg_arena_dup(r->arena, mg_buf_view(&b));
    mg_reply_finish(reply);
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

/* Anthropic writes them as a time (RFC 3339). */
static mg_str reset_time(mg_request *r, uint64_t ms) {
    time_t at = (time_t)((mg_clock_unix_ms() + (int64_t)ms + 999) / 1000);
    struct tm t;
    char text[32];
    gmtime_r(&at, &t);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &t);
    return mg_arena_dup(r->arena, mg_str_of(text));
}

static size_t limit_headers(mg_request *r, mg_measure measure, mg_header *out) {
    static const mg_str names[2][3] = {
        {MG_STR_INIT("x-ratelimit-limit-requests"), MG_STR_INIT("x-ratelimit-remaining-requests"),
         MG_STR_INIT("x-ratelimit-reset-requests")},
        {MG_STR_INIT("x-ratelimit-limit-tokens"), MG_STR_INIT("x-ratelimit-remaining-tokens"),
         MG_STR_INIT("x-ratelimit-reset-tokens")}};
    static const mg_str anthropic[2][3] = {
        {MG_STR_INIT("anthropic-ratelimit-requests-limit"), MG_STR_INIT("anthropic-ratelimit-requests-remaining"),
         MG_STR_INIT("anthropic-ratelimit-requests-reset")},
        {MG_STR_INIT("anthropic-ratelimit-tokens-limit"), MG_STR_INIT("anthropic-ratelimit-tokens-remaining"),
         MG_STR_INIT("anthropic-ratelimit-tokens-reset")}};
    bool is_anthropic = r->format->id == MG_FORMAT_ANTHROPIC;
    const mg_str *name = (is_anthropic ? anthropic : names)[measure == MG_MEASURE_TOKENS];
    mg_limit_status st;
    if (!mg_limits_tightest(r, measure, &st)) return 0;
    out[0] = (mg_header){name[0], number(r, st.limit)};
    out[1] = (mg_header){name[1], number(r, st.limit > st.used ? st.limit - st.used : 0)};
    out[2] = (mg_header){name[2], is_anthropic ? reset_time(r, st.reset_ms) : reset_text(r, st.reset_ms)};
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
    if (r->format->id == MG_FORMAT_ANTHROPIC) out[n++] = (mg_header){MG_STR("request-id"), mg_str_from(r->id, 36)};
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
