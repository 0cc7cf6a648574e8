/* What an answer says: whole messages, the events of a stream, and counts of tokens.
 *
 * Blocks that only Anthropic knows (server tools and their results, containers, …) are reported as they stand. In a
 * stream the input of a server tool comes in pieces: it is put together in the answer's state, so that the block is
 * reported whole. Where it does not fit or is no JSON, the block comes with the input it began with, and the pieces
 * follow as they came: {"type": "input_json_delta", "partial_json": TEXT}. */
#include <stdarg.h>
#include <stdio.h>

#include "anthropic.h"

typedef enum block_kind { BLOCK_FREE, BLOCK_TEXT, BLOCK_THINKING, BLOCK_TOOL, BLOCK_OTHER, BLOCK_GATHERED } block_kind;

/* A block of a stream that has begun and not ended. */
typedef struct block {
    int64_t index;
    int64_t tool; /* which call it is */
    block_kind kind;
    bool said; /* something of it came */
    bool whole; /* its start held all of its input */
} block;

enum { BLOCKS = 16, GATHER_MAX = 3072 };

typedef struct answer_state {
    int64_t fresh, cached, cache_write, output, reasoning; /* tokens; fresh: neither read from nor written to a cache */
    int64_t n_tools;
    block blocks[BLOCKS];
    size_t next_block; /* which to take when all are in use */
    /* The block whose input is being gathered: text before and behind the value of `input`, and the pieces of it. */
    int64_t gather_index;
    size_t head_n, tail_n, input_n;
    char gather[GATHER_MAX];
} answer_state;

_Static_assert(sizeof(answer_state) <= ANTHROPIC_STATE_SIZE, "the state of an answer has grown too large");

typedef struct decoder {
    const mg_host *h;
    const mg_frame *frame;
    const mg_sink *sink;
    answer_state *state;
} decoder;

mg_status anthropic_fail(mg_error *error, int http, const char *code, const char *format, ...) {
    va_list args;
    error->http = http;
    snprintf(error->code, sizeof error->code, "%s", code);
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return MG_ERROR;
}

static void emit(const decoder *d, mg_event event) {
    event.size = sizeof event;
    d->sink->emit(d->sink->ctx, &event);
}

static void emit_text(const decoder *d, mg_event_type type, mg_str text) {
    if (text.n) emit(d, (mg_event){.type = type, .text = text});
}

static void emit_named(const decoder *d, mg_event_type type, mg_str text) {
    if (text.n) emit(d, (mg_event){.type = type, .text = text, .name = STR("anthropic")});
}

static const mg_json *member(const decoder *d, const mg_json *object, const char *key) {
    return anthropic_get(d->h, object, key);
}
static mg_str member_text(const decoder *d, const mg_json *object, const char *key) {
    return anthropic_text(d->h, object, key);
}

static mg_str source(const decoder *d, const mg_json *v) {
    size_t start, end;
    if (!d->h->json_span(v, &start, &end) || end > d->frame->data.n) return (mg_str){NULL, 0};
    return (mg_str){d->frame->data.p + start, end - start};
}

/* ---- usage ------------------------------------------------------------------------------------------------------- */

/* Numbers are totals so far; one that is absent, null or 0 leaves what was known. */
static void count_read(const decoder *d, const mg_json *usage, const char *key, int64_t *value) {
    static const int64_t most = 1000000000000000; /* sums of three stay in range */
    int64_t n = d->h->json_int(member(d, usage, key), 0);
    if (n > 0) *value = n < most ? n : most;
}

static void usage_read(const decoder *d, const mg_json *usage) {
    if (!anthropic_is(d->h, usage, MG_JSON_OBJECT)) return;
    answer_state *s = d->state;
    count_read(d, usage, "input_tokens", &s->fresh);
    count_read(d, usage, "cache_read_input_tokens", &s->cached);
    count_read(d, usage, "cache_creation_input_tokens", &s->cache_write);
    count_read(d, usage, "output_tokens", &s->output);
    count_read(d, member(d, usage, "output_tokens_details"), "thinking_tokens", &s->reasoning);
    mg_usage u = {.size = sizeof u, .input = s->fresh + s->cached + s->cache_write, .output = s->output};
    u.cached = s->cached;
    u.cache_write = s->cache_write;
    u.reasoning = s->reasoning < s->output ? s->reasoning : s->output;
    emit(d, (mg_event){.type = MG_EVENT_USAGE, .usage = &u});
}

/* ---- how it ended ------------------------------------------------------------------------------------------------ */

static void finish_emit(const decoder *d, const mg_json *from) {
    static const struct {
        const char *theirs, *ours;
    } reasons[] = {{"max_tokens", "length"},
                   {"tool_use", "tool_calls"},
                   {"refusal", "content_filter"},
                   {"model_context_window_exceeded", "length"}};
    mg_str reason = member_text(d, from, "stop_reason"), canonical = STR("stop");
    if (!reason.n) return;
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (str_is(reason, reasons[i].theirs)) canonical = str_of(reasons[i].ours);
    emit_text(d, MG_EVENT_REFUSAL, member_text(d, member(d, from, "stop_details"), "explanation"));
    emit(d,
         (mg_event){
             .type = MG_EVENT_FINISH, .text = canonical, .name = reason, .id = member_text(d, from, "stop_sequence")});
}

/* True if the frame is an error, in a stream or as a whole body. */
static bool error_emit(const decoder *d, mg_str type) {
    const mg_json *error = member(d, d->frame->json, "error");
    if (!str_is(type, "error") && !anthropic_is(d->h, error, MG_JSON_OBJECT)) return false;
    mg_str text = member_text(d, error, "message");
    if (!text.n) text = STR("the provider reported an error without a message");
    emit(d, (mg_event){.type = MG_EVENT_ERROR, .text = text, .name = member_text(d, error, "type")});
    return true;
}

static void meta_emit(const decoder *d, const mg_json *message) {
    mg_str id = member_text(d, message, "id"), model = member_text(d, message, "model");
    if (id.n || model.n) emit(d, (mg_event){.type = MG_EVENT_META, .text = id, .name = model});
}

/* ---- pieces of blocks -------------------------------------------------------------------------------------------- */

static void citation_emit(const decoder *d, const mg_json *citation) {
    static const char head[] = "{\"type\":\"vendor_citation\",\"vendor\":\"anthropic\",\"citation\":";
    char text[16384];
    mg_str theirs = source(d, citation);
    if (!anthropic_is(d->h, citation, MG_JSON_OBJECT)) return;
    if (theirs.n + sizeof head + 1 > sizeof text) { /* not cut: a block of its own keeps it whole */
        emit_named(d, MG_EVENT_OTHER, theirs);
        return;
    }
    memcpy(text, head, sizeof head - 1);
    memcpy(text + sizeof head - 1, theirs.p, theirs.n);
    text[sizeof head - 1 + theirs.n] = '}';
    emit_text(d, MG_EVENT_CITATION, (mg_str){text, sizeof head + theirs.n});
}

static void text_emit(const decoder *d, const mg_json *b) {
    emit_text(d, MG_EVENT_TEXT, member_text(d, b, "text"));
    const mg_json *c = d->h->json_child(member(d, b, "citations"));
    for (; c; c = d->h->json_next(c)) citation_emit(d, c);
}

/* A signature belongs to the block before it: a thought that is not shown is said to be empty first. */
static void signature_emit(const decoder *d, mg_str signature, bool after_text) {
    if (signature.n && !after_text) emit(d, (mg_event){.type = MG_EVENT_REASONING});
    emit_named(d, MG_EVENT_SIGNATURE, signature);
}

static void tool_emit(const decoder *d, const mg_json *b, int64_t index, mg_str input) {
    emit(d, (mg_event){.type = MG_EVENT_TOOL,
                       .index = index,
                       .id = member_text(d, b, "id"),
                       .name = member_text(d, b, "name"),
                       .text = input});
}

/* ---- whole messages ---------------------------------------------------------------------------------------------- */

static void block_emit(const decoder *d, const mg_json *b) {
    mg_str type = member_text(d, b, "type");
    if (str_is(type, "text")) {
        text_emit(d, b);
    } else if (str_is(type, "thinking")) {
        mg_str thought = member_text(d, b, "thinking");
        emit_text(d, MG_EVENT_REASONING, thought);
        signature_emit(d, member_text(d, b, "signature"), thought.n > 0);
    } else if (str_is(type, "redacted_thinking")) {
        emit_named(d, MG_EVENT_REDACTED, member_text(d, b, "data"));
    } else if (str_is(type, "tool_use")) {
        mg_str input = source(d, member(d, b, "input"));
        tool_emit(d, b, d->state->n_tools++, input.n ? input : STR("{}"));
    } else {
        emit_named(d, MG_EVENT_OTHER, source(d, b));
    }
}

static void message_emit(const decoder *d) {
    const mg_json *root = d->frame->json;
    meta_emit(d, root);
    const mg_json *b = d->h->json_child(member(d, root, "content"));
    for (; b; b = d->h->json_next(b)) block_emit(d, b);
    finish_emit(d, root);
    usage_read(d, member(d, root, "usage"));
}

/* ---- streams: a server tool's input ------------------------------------------------------------------------------ */

static block *block_find(answer_state *s, int64_t index) {
    for (size_t i = 0; i < BLOCKS; i++)
        if (s->blocks[i].kind != BLOCK_FREE && s->blocks[i].index == index) return &s->blocks[i];
    return NULL;
}

/* A block begins: takes the place of one with the same index, a free one, or else one of those in use in turn. */
static block *block_take(answer_state *s, int64_t index, block_kind kind) {
    block *b = block_find(s, index);
    for (size_t i = 0; i < BLOCKS && !b; i++)
        if (s->blocks[i].kind == BLOCK_FREE) b = &s->blocks[i];
    if (!b) b = &s->blocks[s->next_block++ % BLOCKS];
    *b = (block){.index = index, .kind = kind};
    return b;
}

/* Begins to gather; false if the block has no input to wait for, or is too long. */
static bool gather_begin(const decoder *d, const mg_json *b, int64_t index) {
    answer_state *s = d->state;
    const mg_json *input = member(d, b, "input");
    mg_str all = source(d, b), empty = source(d, input);
    if (!anthropic_is(d->h, input, MG_JSON_OBJECT) || d->h->json_child(input)) return false;
    if (!empty.n || all.n - empty.n > GATHER_MAX / 2) return false;
    s->head_n = (size_t)(empty.p - all.p);
    s->tail_n = all.n - empty.n - s->head_n;
    s->input_n = 0;
    s->gather_index = index;
    memcpy(s->gather, all.p, s->head_n);
    memcpy(s->gather + s->head_n, empty.p + empty.n, s->tail_n);
    return true;
}

static void gathered_emit(const decoder *d, mg_str input) {
    const answer_state *s = d->state;
    char text[GATHER_MAX + 8];
    memcpy(text, s->gather, s->head_n);
    memcpy(text + s->head_n, input.p, input.n);
    memcpy(text + s->head_n + input.n, s->gather + s->head_n, s->tail_n);
    emit_named(d, MG_EVENT_OTHER, (mg_str){text, s->head_n + input.n + s->tail_n});
}

/* Bytes of `text` that make one piece: at most 256, and no character cut. */
static size_t piece_of(mg_str text) {
    size_t n = text.n < 256 ? text.n : 256;
    while (n < text.n && n > 200 && ((unsigned char)text.p[n] & 0xc0) == 0x80) n--;
    return n;
}

static void piece_emit(const decoder *d, mg_str piece) {
    char text[64 + 6 * 256];
    size_t n = (size_t)snprintf(text, sizeof text, "{\"type\":\"input_json_delta\",\"partial_json\":\"");
    for (size_t i = 0; i < piece.n; i++) {
        unsigned char c = (unsigned char)piece.p[i];
        if (c < 0x20) {
            n += (size_t)snprintf(text + n, sizeof text - n, "\\u%04x", c);
        } else {
            if (c == '"' || c == '\\') text[n++] = '\\';
            text[n++] = (char)c;
        }
    }
    memcpy(text + n, "\"}", 2);
    emit_named(d, MG_EVENT_OTHER, (mg_str){text, n + 2});
}

/* Gives up: the block as it began, then what came of its input. */
static void gather_spill(const decoder *d) {
    answer_state *s = d->state;
    mg_str rest = {s->gather + s->head_n + s->tail_n, s->input_n};
    gathered_emit(d, STR("{}"));
    while (rest.n) {
        size_t n = piece_of(rest);
        piece_emit(d, (mg_str){rest.p, n});
        rest = (mg_str){rest.p + n, rest.n - n};
    }
}

static void gather_end(const decoder *d) {
    answer_state *s = d->state;
    mg_str input = {s->gather + s->head_n + s->tail_n, s->input_n};
    if (input.n == 0)
        gathered_emit(d, STR("{}"));
    else if (anthropic_json_object(input))
        gathered_emit(d, input);
    else
        gather_spill(d);
}

static void gather_add(const decoder *d, block *b, const mg_json *delta) {
    answer_state *s = d->state;
    mg_str more = member_text(d, delta, "partial_json");
    size_t used = s->head_n + s->tail_n + s->input_n;
    if (more.n > GATHER_MAX - used) {
        gather_spill(d);
        b->kind = BLOCK_OTHER;
        emit_named(d, MG_EVENT_OTHER, source(d, delta));
        return;
    }
    if (more.n) memcpy(s->gather + used, more.p, more.n);
    s->input_n += more.n;
}

static void stream_block_end(const decoder *d, block *b) {
    if (b->kind == BLOCK_GATHERED) gather_end(d);
    /* A call without arguments: its callers want an object all the same. */
    if (b->kind == BLOCK_TOOL && !b->said)
        emit(d, (mg_event){.type = MG_EVENT_TOOL, .index = b->tool, .text = STR("{}")});
    b->kind = BLOCK_FREE;
}

/* There is room to gather one block: another that waits ends before the next begins. */
static void gathered_end(const decoder *d) {
    for (size_t i = 0; i < BLOCKS; i++)
        if (d->state->blocks[i].kind == BLOCK_GATHERED) stream_block_end(d, &d->state->blocks[i]);
}

/* ---- streams: blocks --------------------------------------------------------------------------------------------- */

static void tool_begin(const decoder *d, const mg_json *b, int64_t index) {
    block *open = block_take(d->state, index, BLOCK_TOOL);
    const mg_json *input = member(d, b, "input");
    open->tool = d->state->n_tools++;
    open->whole = open->said = d->h->json_child(input) != NULL;
    tool_emit(d, b, open->tool, open->whole ? source(d, input) : STR(""));
}

static void stream_block_begin(const decoder *d, const mg_json *b, int64_t index) {
    mg_str type = member_text(d, b, "type");
    gathered_end(d);
    if (str_is(type, "text")) {
        block_take(d->state, index, BLOCK_TEXT);
        text_emit(d, b);
    } else if (str_is(type, "thinking")) {
        block *open = block_take(d->state, index, BLOCK_THINKING);
        mg_str thought = member_text(d, b, "thinking");
        open->said = thought.n > 0;
        emit_text(d, MG_EVENT_REASONING, thought);
        signature_emit(d, member_text(d, b, "signature"), open->said);
    } else if (str_is(type, "tool_use")) {
        tool_begin(d, b, index);
    } else if (str_is(type, "redacted_thinking")) {
        block_take(d->state, index, BLOCK_OTHER);
        emit_named(d, MG_EVENT_REDACTED, member_text(d, b, "data"));
    } else if (gather_begin(d, b, index)) {
        block_take(d->state, index, BLOCK_GATHERED);
    } else {
        block_take(d->state, index, BLOCK_OTHER);
        emit_named(d, MG_EVENT_OTHER, source(d, b));
    }
}

static void input_add(const decoder *d, block *b, const mg_json *delta) {
    mg_str more = member_text(d, delta, "partial_json");
    if (b->kind == BLOCK_GATHERED) {
        gather_add(d, b, delta);
    } else if (b->kind == BLOCK_TOOL && more.n && !b->whole) {
        b->said = true;
        emit(d, (mg_event){.type = MG_EVENT_TOOL, .index = b->tool, .text = more});
    } else if (b->kind == BLOCK_OTHER && more.n) {
        emit_named(d, MG_EVENT_OTHER, source(d, delta));
    }
}

static void stream_block_add(const decoder *d, block *b, const mg_json *delta) {
    mg_str type = member_text(d, delta, "type");
    if (str_is(type, "text_delta") && (!b || b->kind != BLOCK_OTHER)) {
        emit_text(d, MG_EVENT_TEXT, member_text(d, delta, "text"));
    } else if (str_is(type, "thinking_delta")) {
        mg_str thought = member_text(d, delta, "thinking");
        if (b && thought.n) b->said = true;
        emit_text(d, MG_EVENT_REASONING, thought);
    } else if (str_is(type, "signature_delta")) {
        signature_emit(d, member_text(d, delta, "signature"), !b || b->said);
        if (b) b->said = true;
    } else if (str_is(type, "citations_delta")) {
        citation_emit(d, member(d, delta, "citation"));
    } else if (str_is(type, "input_json_delta")) {
        if (b) input_add(d, b, delta);
    } else if (b && b->kind == BLOCK_OTHER) {
        emit_named(d, MG_EVENT_OTHER, source(d, delta));
    }
}

static void event_emit(const decoder *d, mg_str type) {
    const mg_json *root = d->frame->json;
    int64_t index = d->h->json_int(member(d, root, "index"), -1);
    block *b = block_find(d->state, index);
    if (str_is(type, "message_start")) {
        meta_emit(d, member(d, root, "message"));
        usage_read(d, member(d, member(d, root, "message"), "usage"));
    } else if (str_is(type, "content_block_start")) {
        stream_block_begin(d, member(d, root, "content_block"), index);
    } else if (str_is(type, "content_block_delta")) {
        stream_block_add(d, b, member(d, root, "delta"));
    } else if (str_is(type, "content_block_stop")) {
        if (b) stream_block_end(d, b);
    } else if (str_is(type, "message_delta")) {
        gathered_end(d);
        finish_emit(d, member(d, root, "delta"));
        usage_read(d, member(d, root, "usage"));
    } else if (str_is(type, "message_stop")) {
        gathered_end(d);
        emit(d, (mg_event){.type = MG_EVENT_DONE});
    }
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

static void count_emit(const decoder *d) {
    mg_usage u = {.size = sizeof u};
    count_read(d, d->frame->json, "input_tokens", &u.input);
    emit(d, (mg_event){.type = MG_EVENT_USAGE, .usage = &u});
}

mg_status anthropic_decode(const mg_host *h, const mg_frame *frame, const mg_sink *sink, mg_error *error) {
    answer_state once = {0}; /* of a frame that is the whole answer */
    decoder d = {h, frame, sink, frame->stream && frame->state ? frame->state : &once};
    if (frame->stream && anthropic_blank(frame->data)) return MG_OK;
    if (!anthropic_is(h, frame->json, MG_JSON_OBJECT))
        return anthropic_fail(error, 502, "bad_answer", "the provider's answer is not a JSON object");
    mg_str type = anthropic_text(h, frame->json, "type");
    if (!type.n) type = frame->event;
    if (error_emit(&d, type)) return MG_OK;
    if (frame->operation == MG_OP_COUNT_TOKENS)
        count_emit(&d);
    else if (frame->operation == MG_OP_CHAT && frame->stream)
        event_emit(&d, type);
    else if (frame->operation == MG_OP_CHAT)
        message_emit(&d);
    return MG_OK;
}
