/* Streams of Anthropic's format: message_start; for each block content_block_start, deltas, content_block_stop; then
 * message_delta with the stop reason and the usage, and message_stop.
 *
 * One block is open at a time, and blocks come in the order that a plain answer has them in. So while the arguments of a tool
 * call are not a whole object yet, what does not belong to it waits (`later`, a reply of its own): calls that vendors send
 * interleaved come out one after another, each live as soon as it is the first. A call whose name is not known waits too.
 * A block ends when the next one begins: until then a signature may follow. */
#include "format/anthropic.h"

enum { LATER_MAX = 64 * 1024 * 1024 };

typedef mg_anthropic_stream stream;

static void put(mg_buf *out, const char *text) { mg_buf_str(out, mg_str_of(text)); }

static void begin_frame(mg_stream *s, const char *event) {
    mg_buf_printf(s->out, "event: %s\ndata: {\"type\":\"%s\"", event, event);
}

static void end_frame(mg_stream *s) { put(s->out, "}\n\n"); }

static void begin_indexed(mg_stream *s, const char *event, const char *then) {
    const stream *st = s->state;
    begin_frame(s, event);
    mg_buf_printf(s->out, ",\"index\":%lld%s", (long long)st->n, then);
}

/* ---- blocks ------------------------------------------------------------------------------------------------------- */

static void add_stop(mg_stream *s) {
    stream *st = s->state;
    begin_indexed(s, "content_block_stop", "");
    end_frame(s);
    st->n++;
}

static void add_delta(mg_stream *s, const char *type, const char *key, mg_str text) {
    begin_indexed(s, "content_block_delta", ",\"delta\":{\"type\":\"");
    mg_buf_printf(s->out, "%s\",\"%s\":", type, key);
    mg_buf_json(s->out, text);
    put(s->out, "}");
    end_frame(s);
}

/* A block that is written at once. */
static void add_mark(mg_stream *s, mg_anthropic_mark_kind kind) {
    stream *st = s->state;
    const mg_anthropic_mark m = {kind, st->vendor, st->tool_id, st->signature};
    if (!st->signature.n) return;
    begin_indexed(s, "content_block_start", ",\"content_block\":");
    mg_anthropic_redacted(s->out, &m);
    end_frame(s);
    add_stop(s);
}

static void open_block(mg_stream *s) {
    stream *st = s->state;
    if (st->open) return;
    st->open = true;
    begin_indexed(s, "content_block_start", ",\"content_block\":");
    put(s->out, st->type == MG_EVENT_REASONING ? "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}"
                                               : "{\"type\":\"text\",\"text\":\"\"}");
    end_frame(s);
}

static void add_signature(mg_stream *s) {
    stream *st = s->state;
    if (!st->signature.n && !st->open) return;
    open_block(s);
    begin_indexed(s, "content_block_delta", ",\"delta\":{\"type\":\"signature_delta\",\"signature\":");
    mg_anthropic_signature(s->out, st->vendor, st->signature);
    put(s->out, "}");
    end_frame(s);
}

static void remember_tool(mg_stream *s) {
    stream *st = s->state;
    mg_anthropic_done *t = MG_ARENA_NEW(s->arena, mg_anthropic_done);
    *t = (mg_anthropic_done){st->done, st->tool};
    st->done = t;
}

static void end_block(mg_stream *s) {
    stream *st = s->state;
    if (!st->begun) return;
    if (st->type == MG_EVENT_REASONING) add_signature(s);
    if (st->open) add_stop(s);
    if (st->type == MG_EVENT_TEXT || st->type == MG_EVENT_REFUSAL) add_mark(s, MG_ANTHROPIC_MARK_TEXT);
    if (st->type == MG_EVENT_TOOL) {
        add_mark(s, MG_ANTHROPIC_MARK_TOOL);
        remember_tool(s);
    }
    st->begun = false;
}

static void begin_block(mg_stream *s, mg_event_type type) {
    stream *st = s->state;
    end_block(s);
    st->begun = true;
    st->open = false;
    st->type = type;
    st->signature = st->vendor = st->tool_id = (mg_str){NULL, 0};
}

static bool is_current(const stream *st, mg_event_type type) { return st->begun && st->type == type; }

/* ---- events ------------------------------------------------------------------------------------------------------- */

static void take_text(mg_stream *s, const mg_event *e) {
    stream *st = s->state;
    if (!is_current(st, e->type) || st->signature.n) begin_block(s, e->type);
    if (!e->text.n) return;
    open_block(s);
    if (e->type == MG_EVENT_REASONING)
        add_delta(s, "thinking_delta", "thinking", e->text);
    else
        add_delta(s, "text_delta", "text", e->text);
    st->refused |= e->type == MG_EVENT_REFUSAL;
}

static void begin_tool(mg_stream *s, const mg_event *e) {
    stream *st = s->state;
    begin_block(s, MG_EVENT_TOOL);
    st->tool = e->index;
    st->tool_id = mg_anthropic_tool_id(s->reply, e->id, e->index, s->arena);
    st->arguments = (mg_anthropic_object){.state = MG_OBJECT_NONE};
    st->open = st->tools = true;
    begin_indexed(s, "content_block_start", ",\"content_block\":{\"type\":\"tool_use\",\"id\":");
    mg_buf_json(s->out, st->tool_id);
    put(s->out, ",\"name\":");
    mg_buf_json(s->out, e->name);
    put(s->out, ",\"input\":{}}");
    end_frame(s);
}

static void take_tool(mg_stream *s, const mg_event *e) {
    stream *st = s->state;
    if (!is_current(st, MG_EVENT_TOOL) || st->tool != e->index) begin_tool(s, e);
    mg_str piece = mg_anthropic_object_take(&st->arguments, e->text);
    if (piece.n) add_delta(s, "input_json_delta", "partial_json", piece);
}

static void take_signature(mg_stream *s, const mg_event *e) {
    stream *st = s->state;
    if (!st->begun) begin_block(s, MG_EVENT_REASONING);
    st->signature = mg_arena_dup(s->arena, e->text);
    st->vendor = mg_arena_dup(s->arena, e->name);
}

static void finish_reader(void *arg) { mg_anthropic_reader_finish(arg); }

static mg_anthropic_reader *reader(mg_stream *s) {
    stream *st = s->state;
    if (!st->reader_kept) mg_arena_cleanup(s->arena, finish_reader, &st->reader);
    st->reader_kept = true;
    return &st->reader;
}

static void take_citation(mg_stream *s, const mg_event *e) {
    stream *st = s->state;
    mg_buf b = {0};
    if (!is_current(st, MG_EVENT_TEXT)) begin_block(s, MG_EVENT_TEXT);
    if (mg_anthropic_citation(reader(s), e->text, &b)) {
        open_block(s);
        begin_indexed(s, "content_block_delta", ",\"delta\":{\"type\":\"citations_delta\",\"citation\":");
        mg_buf_str(s->out, mg_buf_view(&b));
        put(s->out, "}");
        end_frame(s);
    }
    mg_buf_finish(&b);
}

/* Blocks that come in one event. */
static void take_whole(mg_stream *s, const mg_event *e) {
    mg_buf b = {0};
    begin_block(s, e->type);
    if (e->type == MG_EVENT_MEDIA && e->id.n) {
        open_block(s);
        add_delta(s, "text_delta", "text", e->id);
        add_stop(s);
    } else if (mg_anthropic_whole(reader(s), e, &b)) {
        begin_indexed(s, "content_block_start", ",\"content_block\":");
        mg_buf_str(s->out, mg_buf_view(&b));
        end_frame(s);
        add_stop(s);
    }
    ((stream *)s->state)->open = false;
    mg_buf_finish(&b);
}

static void take(mg_stream *s, const mg_event *e) {
    switch (e->type) {
    case MG_EVENT_TEXT:
    case MG_EVENT_REFUSAL:
    case MG_EVENT_REASONING: take_text(s, e); break;
    case MG_EVENT_TOOL: take_tool(s, e); break;
    case MG_EVENT_SIGNATURE: take_signature(s, e); break;
    case MG_EVENT_CITATION: take_citation(s, e); break;
    default: take_whole(s, e); break;
    }
}

/* ---- what has to wait --------------------------------------------------------------------------------------------- */

static void finish_later(void *arg) { mg_reply_finish(arg); }

static void wait_with(mg_stream *s, const mg_event *e) {
    stream *st = s->state;
    if (!st->later) {
        st->later = MG_ARENA_NEW(s->arena, mg_reply);
        mg_reply_init(st->later, s->arena, MG_OP_CHAT, LATER_MAX);
        mg_arena_cleanup(s->arena, finish_later, st->later);
    }
    mg_reply_event(st->later, e);
}

static bool is_unfinished(const stream *st) {
    return is_current(st, MG_EVENT_TOOL) && st->arguments.state <= MG_OBJECT_INSIDE;
}

static bool is_done(const stream *st, int64_t index) {
    for (const mg_anthropic_done *t = st->done; t; t = t->next)
        if (t->index == index) return true;
    return false;
}

/* The events that made the block. */
static void take_block(mg_stream *s, mg_block *b) {
    mg_event e = {.size = sizeof e,
                  .type = b->type,
                  .index = b->index,
                  .text = mg_buf_view(&b->text),
                  .name = b->name,
                  .id = b->id};
    take(s, &e);
    for (const mg_note *c = b->citations; c; c = c->next) {
        e = (mg_event){.size = sizeof e, .type = MG_EVENT_CITATION, .text = c->json};
        take(s, &e);
    }
    e = (mg_event){.size = sizeof e, .type = MG_EVENT_SIGNATURE, .text = b->signature, .name = b->vendor};
    if (b->signature.n) take(s, &e);
}

static mg_block *pop(mg_reply *later) {
    mg_block *b = later->blocks;
    later->blocks = b->next;
    if (!later->blocks) {
        later->tail = &later->blocks;
        later->last = NULL;
    }
    later->bytes -= b->text.n;
    return b;
}

/* Writes what need not wait any longer; with `all`, everything. */
static void go_on(mg_stream *s, bool all) {
    stream *st = s->state;
    while (st->later && st->later->blocks) {
        const mg_block *first = st->later->blocks;
        if (!all && (is_unfinished(st) || (first->type == MG_EVENT_TOOL && !first->name.n))) return;
        mg_block *b = pop(st->later);
        take_block(s, b);
        mg_buf_finish(&b->text);
    }
}

/* A signature is for the block that came last, and kept until that ends. */
static bool has_to_wait(const stream *st, const mg_event *e) {
    if (st->later && st->later->blocks) return true;
    if (e->type == MG_EVENT_SIGNATURE) return false;
    return is_unfinished(st) || (e->type == MG_EVENT_TOOL && !e->name.n);
}

static void keep_finish(mg_stream *s, const mg_event *e) {
    stream *st = s->state;
    st->finish.reason = mg_arena_dup(s->arena, e->text);
    st->finish.vendor_reason = mg_arena_dup(s->arena, e->name);
    st->finish.stop_sequence = mg_arena_dup(s->arena, e->id);
}

void mg_anthropic_stream_event(mg_stream *s, const mg_event *e) {
    stream *st = s->state;
    if (e->choice != 0) return;
    switch (e->type) {
    case MG_EVENT_META:
    case MG_EVENT_USAGE:
    case MG_EVENT_ERROR:
    case MG_EVENT_DONE:
    case MG_EVENT_LOGPROBS: return;
    case MG_EVENT_FINISH: keep_finish(s, e); return;
    default: break;
    }
    bool more = e->type == MG_EVENT_TOOL && is_current(st, MG_EVENT_TOOL) && st->tool == e->index;
    if (e->type == MG_EVENT_TOOL && !more && is_done(st, e->index)) return; /* behind the end of its arguments */
    if (more || !has_to_wait(st, e))
        take(s, e);
    else
        wait_with(s, e);
    go_on(s, false);
}

/* ---- the message -------------------------------------------------------------------------------------------------- */

/* What is known; before the vendor has counted, the estimate of the input. */
static mg_usage usage_of(const mg_stream *s) {
    mg_usage u = s->reply->usage;
    if (!s->reply->usage_known && u.input <= 0) u.input = s->input_estimate;
    return u;
}

void mg_anthropic_stream_open(mg_stream *s) {
    mg_usage u = usage_of(s);
    begin_frame(s, "message_start");
    put(s->out, ",\"message\":");
    mg_anthropic_head(s->out, s->reply);
    put(s->out, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"stop_details\":null,\"usage\":{");
    mg_anthropic_usage(s->out, &u);
    put(s->out, ",\"cache_creation\":null,\"server_tool_use\":null,\"service_tier\":null,\"inference_geo\":null}}");
    end_frame(s);
}

void mg_anthropic_stream_close(mg_stream *s) {
    stream *st = s->state;
    mg_usage u = usage_of(s);
    go_on(s, true);
    end_block(s);
    begin_frame(s, "message_delta");
    put(s->out, ",\"delta\":{");
    mg_anthropic_stop(s->out, &st->finish, st->tools, st->refused);
    put(s->out, "},\"usage\":{");
    mg_anthropic_usage(s->out, &u);
    put(s->out, "}");
    end_frame(s);
    begin_frame(s, "message_stop");
    end_frame(s);
}
