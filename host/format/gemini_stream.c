/* Streams of Gemini's: each chunk is an answer of its own, an event or an element of one array. Text goes out at once; other
 * blocks wait until something else follows, since a part is never sent in pieces. */
#include "format/gemini.h"

/* What is remembered of one candidate. */
typedef struct choice {
    mg_event_type last; /* the kind of block that came last */
    bool begun; /* there was a block */
    mg_block *waiting, **tail, *newest;
    mg_note *logprobs, **logprobs_tail; /* lists that the next chunk takes along */
    mg_note *citations, **citations_tail; /* for the last chunk: they may stand before the text that they are about */
    mg_gemini_logprobs sum;
    mg_gemini_grounding sources;
    mg_gemini_ending ending;
} choice;

typedef struct stream {
    bool begun; /* a chunk has gone out */
    size_t n;
    choice *choices[MG_REPLY_CHOICES];
} stream;

_Static_assert(sizeof(stream) <= MG_GEMINI_STREAM_STATE, "the state is announced too small");

static choice *choice_of(mg_stream *s, int64_t index) {
    stream *st = s->state;
    if (index < 0 || index >= MG_REPLY_CHOICES) return NULL;
    if (!st->choices[index]) {
        choice *c = MG_ARENA_NEW(s->arena, choice);
        c->tail = &c->waiting;
        c->logprobs_tail = &c->logprobs;
        c->citations_tail = &c->citations;
        c->sources.arena = s->arena;
        st->choices[index] = c;
        if ((size_t)index >= st->n) st->n = (size_t)index + 1;
    }
    return st->choices[index];
}

/* ---- chunks ------------------------------------------------------------------------------------------------------------ */

static void begin_chunk(mg_stream *s) {
    stream *st = s->state;
    if (!s->array)
        mg_buf_str(s->out, MG_STR("data: "));
    else
        mg_buf_str(s->out, st->begun ? MG_STR(",\r\n") : MG_STR("["));
    st->begun = true;
}

static void end_chunk(mg_stream *s) {
    if (!s->array) mg_buf_str(s->out, MG_STR("\r\n\r\n"));
}

static void write_logprobs(mg_buf *b, choice *c) {
    mg_buf list = {0};
    for (const mg_note *n = c->logprobs; n; n = n->next) {
        if (list.n) mg_buf_str(&list, MG_STR(","));
        mg_buf_str(&list, n->json);
    }
    if (list.n) mg_gemini_logprobs_write(b, mg_buf_view(&list), &c->sum);
    mg_buf_finish(&list);
    c->logprobs = NULL;
    c->logprobs_tail = &c->logprobs;
}

static void begin_parts(mg_stream *s) {
    begin_chunk(s);
    mg_buf_str(s->out, MG_STR("{\"candidates\":[{\"content\":{\"parts\":["));
}

static void end_parts(mg_buf *b) { mg_buf_str(b, MG_STR("],\"role\":\"model\"}")); }

static void end_part_chunk(mg_stream *s, choice *c, int64_t index) {
    end_parts(s->out);
    mg_gemini_pair_int(s->out, "index", index);
    write_logprobs(s->out, c);
    mg_buf_str(s->out, MG_STR("}]"));
    mg_gemini_origin(s->out, s->reply);
    mg_buf_str(s->out, MG_STR("}"));
    end_chunk(s);
}

static void send_text(mg_stream *s, choice *c, int64_t index, mg_str text, const mg_gemini_signature *signature) {
    begin_parts(s);
    mg_gemini_text_part(s->out, text, c->last == MG_EVENT_REASONING, signature);
    end_part_chunk(s, c, index);
}

/* ---- blocks that wait ---------------------------------------------------------------------------------------------------- */

/* Adds the parts of the blocks that wait. */
static void write_waiting(mg_buf *b, choice *c) {
    for (mg_block *block = c->waiting; block; block = block->next)
        if (!mg_gemini_block(b, block) && !c->ending.malformed) c->ending.malformed = block;
    c->waiting = NULL;
    c->tail = &c->waiting;
}

static void send_waiting(mg_stream *s, choice *c, int64_t index) {
    if (!c->waiting) return;
    mg_buf parts = {0};
    write_waiting(&parts, c);
    if (parts.n) {
        begin_parts(s);
        mg_buf_str(s->out, mg_buf_view(&parts));
        end_part_chunk(s, c, index);
    }
    mg_buf_finish(&parts);
}

static void free_text(void *arg) { mg_buf_finish(arg); }

static mg_block *add_waiting(mg_stream *s, choice *c, const mg_event *e) {
    mg_block *b = MG_ARENA_NEW(s->arena, mg_block);
    b->type = e->type;
    b->choice = e->choice;
    b->index = e->index;
    b->name = mg_arena_dup(s->arena, e->name);
    b->id = mg_arena_dup(s->arena, e->id);
    mg_buf_str(&b->text, e->text);
    mg_arena_cleanup(s->arena, free_text, &b->text);
    *c->tail = c->newest = b;
    c->tail = &b->next;
    c->last = e->type;
    c->begun = true;
    return b;
}

/* Calls may come interleaved: each waits until something else follows. */
static void on_tool(mg_stream *s, choice *c, const mg_event *e) {
    for (mg_block *b = c->waiting; b; b = b->next) {
        if (b->type != MG_EVENT_TOOL || b->index != e->index) continue;
        if (e->name.n && !b->name.n) b->name = mg_arena_dup(s->arena, e->name);
        if (e->id.n && !b->id.n) b->id = mg_arena_dup(s->arena, e->id);
        mg_buf_str(&b->text, e->text);
        return;
    }
    add_waiting(s, c, e);
}

/* ---- events -------------------------------------------------------------------------------------------------------------- */

static bool is_text(mg_event_type type) {
    return type == MG_EVENT_TEXT || type == MG_EVENT_REASONING || type == MG_EVENT_REFUSAL;
}

static void on_text(mg_stream *s, choice *c, const mg_event *e) {
    const mg_gemini_signature none = {0};
    send_waiting(s, c, e->choice);
    c->last = e->type;
    c->begun = true;
    if (e->type == MG_EVENT_TEXT) mg_gemini_grounding_text(&c->sources, e->text);
    if (e->text.n) send_text(s, c, e->choice, e->text, &none);
}

/* The text that it belongs to has gone out: it follows in a part without text, as Gemini's own do. */
static void on_signature(mg_stream *s, choice *c, const mg_event *e) {
    const mg_gemini_signature signature = {e->name, e->text, false};
    if (c->begun && !is_text(c->last)) {
        c->newest->signature = mg_arena_dup(s->arena, e->text);
        c->newest->vendor = mg_arena_dup(s->arena, e->name);
        return;
    }
    if (!c->begun) c->last = MG_EVENT_REASONING;
    c->begun = true;
    if (e->text.n) send_text(s, c, e->choice, MG_STR(""), &signature);
}

static void add_note(mg_stream *s, mg_note ***tail, mg_str text) {
    mg_note *n = MG_ARENA_NEW(s->arena, mg_note);
    n->json = mg_arena_dup(s->arena, text);
    **tail = n;
    *tail = &n->next;
}

static void on_citation(mg_stream *s, choice *c, const mg_event *e) {
    if (!c->begun || c->last != MG_EVENT_TEXT) {
        const mg_event empty = {.type = MG_EVENT_TEXT, .choice = e->choice};
        on_text(s, c, &empty);
    }
    add_note(s, &c->citations_tail, e->text);
}

static void on_logprobs(mg_stream *s, choice *c, mg_str list) {
    list = mg_str_trim(list);
    if (list.n < 2) return;
    mg_str inner = mg_str_trim(mg_str_from(list.p + 1, list.n - 2));
    if (inner.n) add_note(s, &c->logprobs_tail, inner);
}

void mg_gemini_event(mg_stream *s, const mg_event *e) {
    choice *c = choice_of(s, e->choice);
    if (!c) return;
    switch (e->type) {
    case MG_EVENT_TEXT:
    case MG_EVENT_REASONING:
    case MG_EVENT_REFUSAL: on_text(s, c, e); break;
    case MG_EVENT_TOOL: on_tool(s, c, e); break;
    case MG_EVENT_SIGNATURE: on_signature(s, c, e); break;
    case MG_EVENT_CITATION: on_citation(s, c, e); break;
    case MG_EVENT_LOGPROBS: on_logprobs(s, c, e->text); break;
    case MG_EVENT_FINISH:
        c->ending.reason = mg_arena_dup(s->arena, e->text);
        c->ending.vendor_reason = mg_arena_dup(s->arena, e->name);
        break;
    default: add_waiting(s, c, e); break;
    }
}

/* ---- the end ------------------------------------------------------------------------------------------------------------- */

/* The last chunk of a candidate has a part even if none is left: clients take a chunk without parts for a broken answer. */
static void write_last(mg_buf *b, choice *c, int64_t index) {
    mg_buf parts = {0};
    write_waiting(&parts, c);
    bool blocked = mg_str_is(c->ending.reason, "content_filter");
    if (!parts.n && !blocked) mg_buf_str(&parts, MG_STR("{\"text\":\"\"}"));
    mg_gemini_comma(b);
    mg_buf_str(b, MG_STR("{"));
    if (parts.n) {
        mg_gemini_key(b, "content");
        mg_buf_str(b, MG_STR("{\"parts\":["));
        mg_buf_str(b, mg_buf_view(&parts));
        end_parts(b);
    }
    mg_buf_finish(&parts);
    mg_gemini_finish(b, &c->ending);
    mg_gemini_pair_int(b, "index", index);
    for (const mg_note *n = c->citations; n; n = n->next) mg_gemini_grounding_add(&c->sources, n->json);
    mg_gemini_grounding_write(&c->sources, b);
    write_logprobs(b, c);
    mg_gemini_average(b, &c->sum);
    mg_buf_str(b, MG_STR("}"));
}

/* Nothing was said, and the reason is a filter's. */
static const choice *blocked_whole(const stream *st) {
    const choice *first = NULL;
    for (size_t i = 0; i < st->n; i++) {
        const choice *c = st->choices[i];
        if (!c || c->begun || !mg_str_is(c->ending.reason, "content_filter")) return NULL;
        if (!first) first = c;
    }
    return first;
}

static bool said_anything(const choice *c) { return c && (c->begun || c->ending.reason.n || c->logprobs || c->sum.n); }

void mg_gemini_close(mg_stream *s) {
    stream *st = s->state;
    const choice *blocked = blocked_whole(st);
    begin_chunk(s);
    mg_buf_str(s->out, MG_STR("{"));
    if (blocked) {
        mg_gemini_blocked(s->out, blocked->ending.vendor_reason, MG_STR(""));
    } else {
        choice_of(s, 0);
        mg_buf_str(s->out, MG_STR("\"candidates\":["));
        for (size_t i = 0; i < st->n; i++)
            if (i == 0 || said_anything(st->choices[i])) write_last(s->out, st->choices[i], (int64_t)i);
        mg_buf_str(s->out, MG_STR("]"));
    }
    mg_gemini_usage(s->out, s->reply);
    mg_gemini_origin(s->out, s->reply);
    mg_buf_str(s->out, MG_STR("}"));
    end_chunk(s);
    if (s->array) mg_buf_str(s->out, MG_STR("]"));
}

static void refused_candidate(mg_stream *s, const mg_fault *f) {
    mg_buf_str(s->out, MG_STR("{\"candidates\":[{"));
    mg_gemini_pair(s->out, "finishReason", MG_STR("SAFETY"));
    mg_gemini_pair(s->out, "finishMessage", f->message);
    mg_gemini_pair_int(s->out, "index", 0);
    mg_buf_str(s->out, MG_STR("}]"));
    mg_gemini_origin(s->out, s->reply);
    mg_buf_str(s->out, MG_STR("}"));
}

/* SDKs throw on an event whose object has the member `error` with a code from 400 to 599. In an array the closing bracket
 * stays away: who reads element by element sees the error, and who reads the whole sees that it is none. Refused content
 * ends an answer properly: promptFeedback before the first part, a finish reason after it. Older SDKs (@google/generative-ai,
 * and LangChain with it) pass over the error, but not over an event that never ends; to others that is a comment. */
void mg_gemini_error_frames(mg_stream *s, const mg_fault *f) {
    stream *st = s->state;
    bool refused = mg_str_is(f->code, "content_filter"), partial = refused && st->begun;
    mg_fault shown = *f;
    if (!refused && shown.status < 400) shown.status = 500;
    begin_chunk(s);
    if (partial)
        refused_candidate(s, f);
    else
        mg_gemini_error(&shown, s->out);
    end_chunk(s);
    if (s->array && refused) mg_buf_str(s->out, MG_STR("]"));
    if (!s->array && !refused) mg_buf_str(s->out, MG_STR(": the answer breaks off"));
}
