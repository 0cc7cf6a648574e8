/* The stream of a response. Its last event holds the whole response, so the state collects a reply of its own; each
 * event is put into that first, and what it added there is what is written. The reply is freed with the stream's
 * arena.
 *
 * Calls stay open until the end, so that pieces of several calls may come mixed; everything else is closed by what
 * follows. */
#include "format/responses.h"

enum { COLLECT_MAX = 16 << 20 }; /* bytes, where the host sets no limit */

/* An item that has been announced. */
typedef struct item {
    struct item *next;
    mg_block *block;
    mg_item_kind kind;
    int64_t index;
    bool closed;
    bool summary; /* REASONING: its part has begun */
    int64_t annotations;
} item;

typedef struct state {
    mg_reply *got;
    item *first, **tail;
    item *running; /* the open one that is no call */
    item *last; /* written to last */
    int64_t next; /* output_index */
    int64_t sequence;
} state;
_Static_assert(sizeof(state) <= MG_RESPONSES_STREAM_STATE, "the stream's state");

static void put(mg_stream *s, const char *text) { mg_buf_str(s->out, mg_str_of(text)); }

/* ---- frames ------------------------------------------------------------------------------------------------------ */

static void frame_begin(mg_stream *s, const char *type) {
    state *st = s->state;
    mg_buf_printf(s->out, "event: %s\ndata: {\"type\":\"%s\",\"sequence_number\":%lld", type, type,
                  (long long)st->sequence++);
}

static void frame_end(mg_stream *s) { put(s, "}\n\n"); }

/* A frame about an item; `place` is what counts inside it: "content_index", "summary_index" or NULL. */
static void item_frame(mg_stream *s, const item *i, const char *type, const char *place) {
    state *st = s->state;
    frame_begin(s, type);
    put(s, ",\"item_id\":");
    mg_responses_item_id(st->got, i->kind, i->index, s->out);
    mg_buf_printf(s->out, ",\"output_index\":%lld", (long long)i->index);
    if (place) mg_buf_printf(s->out, ",\"%s\":0", place);
}

static void put_text(mg_stream *s, const char *name, mg_str text) {
    mg_buf_printf(s->out, ",\"%s\":", name);
    mg_buf_json(s->out, text);
}

static void output_frame(mg_stream *s, const char *type, const item *i, mg_item_phase phase) {
    state *st = s->state;
    frame_begin(s, type);
    mg_buf_printf(s->out, ",\"output_index\":%lld,\"item\":", (long long)i->index);
    mg_responses_item(st->got, i->block, i->index, phase, s->out);
    frame_end(s);
}

static void response_frame(mg_stream *s, const char *type, mg_response_status status, const mg_fault *fault) {
    state *st = s->state;
    mg_reply *r = st->got;
    memcpy(r->id, s->reply->id, sizeof r->id);
    r->created_s = s->reply->created_s;
    r->model = s->reply->model;
    r->request = s->reply->request;
    r->usage = s->reply->usage;
    r->usage_known = s->reply->usage_known;
    frame_begin(s, type);
    put(s, ",\"response\":");
    mg_responses_write(r, status, fault, s->out);
    frame_end(s);
}

/* ---- items ------------------------------------------------------------------------------------------------------- */

static void content_frame(mg_stream *s, const item *i, const char *type, mg_item_phase phase) {
    state *st = s->state;
    item_frame(s, i, type, "content_index");
    put(s, ",\"part\":");
    mg_responses_content(st->got, i->block, phase, s->out);
    frame_end(s);
}

static void close_text(mg_stream *s, const item *i) {
    state *st = s->state;
    if (i->kind == MG_ITEM_REFUSAL) {
        item_frame(s, i, "response.refusal.done", "content_index");
        put_text(s, "refusal", mg_responses_text(i->block));
    } else {
        item_frame(s, i, "response.output_text.done", "content_index");
        put_text(s, "text", mg_responses_text(i->block));
        put(s, ",\"logprobs\":");
        mg_responses_text_logprobs(st->got, i->block, s->out);
    }
    frame_end(s);
    content_frame(s, i, "response.content_part.done", MG_ITEM_COMPLETED);
}

static void summary_part(mg_stream *s, const item *i, const char *type, mg_str text) {
    item_frame(s, i, type, "summary_index");
    put(s, ",\"part\":{\"type\":\"summary_text\"");
    put_text(s, "text", text);
    put(s, "}");
    frame_end(s);
}

static void close_reasoning(mg_stream *s, const item *i) {
    if (!i->summary) return;
    item_frame(s, i, "response.reasoning_summary_text.done", "summary_index");
    put_text(s, "text", mg_buf_view(&i->block->text));
    frame_end(s);
    summary_part(s, i, "response.reasoning_summary_part.done", mg_buf_view(&i->block->text));
}

static void call_delta(mg_stream *s, const item *i, mg_str text) {
    item_frame(s, i,
               i->kind == MG_ITEM_CUSTOM ? "response.custom_tool_call_input.delta"
                                         : "response.function_call_arguments.delta",
               NULL);
    put_text(s, "delta", text);
    frame_end(s);
}

static void close_call(mg_stream *s, const item *i) {
    mg_str arguments = mg_responses_arguments(i->block, i->kind);
    bool custom = i->kind == MG_ITEM_CUSTOM;
    if (!i->block->text.n && arguments.n) call_delta(s, i, arguments);
    item_frame(s, i, custom ? "response.custom_tool_call_input.done" : "response.function_call_arguments.done", NULL);
    if (!custom) put_text(s, "name", i->block->name);
    put_text(s, custom ? "input" : "arguments", arguments);
    frame_end(s);
}

static void item_close(mg_stream *s, item *i, mg_item_phase phase) {
    state *st = s->state;
    if (i->closed) return;
    i->closed = true;
    if (st->running == i) st->running = NULL;
    switch (i->kind) {
    case MG_ITEM_TEXT:
    case MG_ITEM_REFUSAL: close_text(s, i); break;
    case MG_ITEM_REASONING: close_reasoning(s, i); break;
    case MG_ITEM_FUNCTION:
    case MG_ITEM_CUSTOM: close_call(s, i); break;
    default: break;
    }
    output_frame(s, "response.output_item.done", i, phase);
}

static bool is_call(mg_item_kind kind) { return kind == MG_ITEM_FUNCTION || kind == MG_ITEM_CUSTOM; }

static item *item_open(mg_stream *s, mg_block *b, mg_item_kind kind) {
    state *st = s->state;
    if (st->running) item_close(s, st->running, MG_ITEM_COMPLETED);
    item *i = MG_ARENA_NEW(s->arena, item);
    *i = (item){.block = b, .kind = kind, .index = st->next++};
    *st->tail = st->last = i;
    st->tail = &i->next;
    if (!is_call(kind)) st->running = i;
    if (is_call(kind) && !b->id.n) b->id = mg_responses_call_id(st->got, i->index); /* said once, it stays */
    output_frame(s, "response.output_item.added", i, MG_ITEM_ADDED);
    if (kind == MG_ITEM_TEXT || kind == MG_ITEM_REFUSAL)
        content_frame(s, i, "response.content_part.added", MG_ITEM_ADDED);
    return i;
}

/* The block's item, announced if it is new; NULL if it shows nothing (yet). */
static item *item_of(mg_stream *s, mg_block *b) {
    state *st = s->state;
    if (st->last && st->last->block == b) return st->last;
    for (item *i = st->first; i; i = i->next)
        if (i->block == b) return st->last = i;
    mg_item_kind kind = mg_responses_item_kind(st->got, b);
    return kind == MG_ITEM_NONE ? NULL : item_open(s, b, kind);
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

static void text_delta(mg_stream *s, const item *i, mg_str text, mg_str logprobs) {
    state *st = s->state;
    item_frame(s, i, "response.output_text.delta", "content_index");
    put_text(s, "delta", text);
    put(s, ",\"logprobs\":");
    mg_responses_logprobs(st->got, logprobs, s->out);
    frame_end(s);
}

static void reasoning_delta(mg_stream *s, item *i, mg_str text) {
    if (!i->summary) summary_part(s, i, "response.reasoning_summary_part.added", MG_STR(""));
    i->summary = true;
    item_frame(s, i, "response.reasoning_summary_text.delta", "summary_index");
    put_text(s, "delta", text);
    frame_end(s);
}

static void on_piece(mg_stream *s, item *i, mg_str text) {
    if (!text.n || i->closed) return;
    switch (i->kind) {
    case MG_ITEM_TEXT: text_delta(s, i, text, MG_STR("[]")); break;
    case MG_ITEM_REFUSAL:
        item_frame(s, i, "response.refusal.delta", "content_index");
        put_text(s, "delta", text);
        frame_end(s);
        break;
    case MG_ITEM_REASONING: reasoning_delta(s, i, text); break;
    case MG_ITEM_FUNCTION:
    case MG_ITEM_CUSTOM: call_delta(s, i, text); break;
    default: break;
    }
}

/* Reasoning is closed with its signature in it; text is closed, and the item that carries the signature follows. */
static void on_signature(mg_stream *s, item *i) {
    state *st = s->state;
    if (!is_call(i->kind)) item_close(s, i, MG_ITEM_COMPLETED);
    if (!mg_responses_has_mark(i->block, i->kind)) return;
    int64_t index = st->next++;
    static const char *const types[] = {"response.output_item.added", "response.output_item.done"};
    for (int k = 0; k < 2; k++) {
        frame_begin(s, types[k]);
        mg_buf_printf(s->out, ",\"output_index\":%lld,\"item\":", (long long)index);
        mg_responses_mark_item(st->got, i->block, index, s->out);
        frame_end(s);
    }
}

static void on_citation(mg_stream *s, item *i, mg_str json) {
    state *st = s->state;
    mg_buf b = {0};
    if (mg_responses_annotation(st->got, json, &b)) {
        item_frame(s, i, "response.output_text.annotation.added", "content_index");
        mg_buf_printf(s->out, ",\"annotation_index\":%lld,\"annotation\":", (long long)i->annotations++);
        mg_buf_str(s->out, mg_buf_view(&b));
        frame_end(s);
    }
    mg_buf_finish(&b);
}

/* The one that the event went to. */
static mg_block *block_of(const mg_reply *r, const mg_event *e) {
    if (e->type != MG_EVENT_TOOL) return r->last;
    for (mg_block *b = r->blocks; b; b = b->next)
        if (b->type == MG_EVENT_TOOL && b->index == e->index) return b;
    return NULL;
}

static void finish_reply(void *arg) { mg_reply_finish(arg); }

/* The state, made when first needed. */
static state *state_of(mg_stream *s) {
    state *st = s->state;
    if (st->got) return st;
    st->got = MG_ARENA_NEW(s->arena, mg_reply);
    mg_reply_init(st->got, s->arena, MG_OP_CHAT, s->reply->limit ? s->reply->limit : COLLECT_MAX);
    mg_arena_cleanup(s->arena, finish_reply, st->got);
    st->tail = &st->first;
    return st;
}

static state *begin(mg_stream *s) {
    state *st = state_of(s);
    if (!st->sequence) {
        response_frame(s, "response.created", MG_RESPONSE_IN_PROGRESS, NULL);
        response_frame(s, "response.in_progress", MG_RESPONSE_IN_PROGRESS, NULL);
    }
    return st;
}

void mg_responses_open(mg_stream *s) { begin(s); }

/* A block is whole once it has its signature: a second one has nothing to belong to. */
static bool is_late(const mg_reply *r, const mg_event *e) {
    return e->type == MG_EVENT_SIGNATURE && r->last && r->last->signature.n;
}

void mg_responses_event(mg_stream *s, const mg_event *e) {
    state *st = begin(s);
    mg_reply *r = st->got;
    if (e->choice != 0 || r->over || is_late(r, e) || e->type == MG_EVENT_EMBEDDING) return;
    mg_reply_event(r, e);
    if (e->type == MG_EVENT_LOGPROBS) {
        if (st->running && st->running->kind == MG_ITEM_TEXT && !r->over)
            text_delta(s, st->running, MG_STR(""), e->text);
        return;
    }
    if (e->type == MG_EVENT_FINISH) return;
    mg_block *b = block_of(r, e);
    item *i = b ? item_of(s, b) : NULL;
    if (!i) return;
    switch (e->type) {
    case MG_EVENT_SIGNATURE: on_signature(s, i); break;
    case MG_EVENT_CITATION: on_citation(s, i, e->text); break;
    case MG_EVENT_TEXT:
    case MG_EVENT_REASONING:
    case MG_EVENT_REFUSAL:
    case MG_EVENT_TOOL:
        if (!r->over) on_piece(s, i, e->text);
        break;
    default:
        if (i->kind == MG_ITEM_TEXT) text_delta(s, i, mg_responses_text(b), MG_STR("[]"));
        item_close(s, i, MG_ITEM_COMPLETED);
        break;
    }
}

void mg_responses_close(mg_stream *s) {
    state *st = begin(s);
    if (!st->got->finishes[0].reason.n) st->got->finishes[0].reason = s->reply->finishes[0].reason;
    bool cut = mg_responses_cut(st->got) != NULL;
    for (item *i = st->first; i; i = i->next) item_close(s, i, mg_responses_phase(i->block, cut));
    response_frame(s, cut ? "response.incomplete" : "response.completed", MG_RESPONSE_ENDED, NULL);
}

/* As the API ends a stream that fails: the error, then the response with what there was. SDKs raise what stands in
 * `error`. */
void mg_responses_error_frames(mg_stream *s, const mg_fault *f) {
    mg_buf body = {0};
    state_of(s); /* a stream that somebody else began has been opened already */
    mg_openai_error(f, &body); /* {"error":{…}} */
    frame_begin(s, "error");
    put_text(s, "message", f->message);
    put(s, ",\"code\":");
    if (f->code.n)
        mg_buf_json(s->out, f->code);
    else
        put(s, "null");
    put(s, ",\"param\":");
    if (f->param.n)
        mg_buf_json(s->out, f->param);
    else
        put(s, "null");
    put(s, ",");
    if (body.n > 2) mg_buf_str(s->out, mg_str_from(body.p + 1, body.n - 2));
    frame_end(s);
    mg_buf_finish(&body);
    response_frame(s, "response.failed", MG_RESPONSE_FAILED, f);
}
