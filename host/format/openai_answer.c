/* Answers in OpenAI's format, written from events: chat completions plain and as chunks, embeddings, errors, models. */
#include "format/openai.h"

/* A vendor's signature is in the canonical form's own members, which OpenAI's clients pass on unread. */
static void write_signature(mg_buf *o, const mg_block *b) {
    if (!b->signature.n) return;
    mg_buf_str(o, MG_STR(",\"signature\":"));
    mg_buf_json(o, b->signature);
    mg_buf_str(o, MG_STR(",\"vendor\":"));
    mg_buf_json(o, b->vendor);
}

/* ---- plain ------------------------------------------------------------------------------------------------------- */

static size_t count_of(const mg_reply *r, int64_t choice, mg_event_type type) {
    size_t n = 0;
    for (const mg_block *b = r->blocks; b; b = b->next) n += b->choice == choice && b->type == type;
    return n;
}

/* All text of a kind as one string, or null. */
static void write_text(const mg_reply *r, int64_t choice, mg_event_type type, mg_buf *o) {
    if (!count_of(r, choice, type)) {
        mg_buf_str(o, MG_STR("null"));
        return;
    }
    mg_buf_str(o, MG_STR("\""));
    for (const mg_block *b = r->blocks; b; b = b->next)
        if (b->choice == choice && b->type == type) mg_buf_json_raw(o, mg_buf_view(&b->text));
    mg_buf_str(o, MG_STR("\""));
}

static void write_call(const mg_block *b, mg_buf *o) {
    mg_buf_str(o, MG_STR("{\"id\":"));
    mg_buf_json(o, b->id);
    mg_buf_str(o, MG_STR(",\"type\":\"function\",\"function\":{\"name\":"));
    mg_buf_json(o, b->name);
    mg_buf_str(o, MG_STR(",\"arguments\":"));
    mg_buf_json(o, b->text.n ? mg_buf_view(&b->text) : MG_STR("{}"));
    mg_buf_str(o, MG_STR("}"));
    write_signature(o, b);
    mg_buf_str(o, MG_STR("}"));
}

static void write_thinking(const mg_block *b, mg_buf *o) {
    bool redacted = b->type == MG_EVENT_REDACTED;
    mg_buf_str(o, redacted ? MG_STR("{\"type\":\"redacted_thinking\",\"data\":")
                           : MG_STR("{\"type\":\"thinking\",\"thinking\":"));
    mg_buf_json(o, mg_buf_view(&b->text));
    if (redacted) {
        mg_buf_str(o, MG_STR(",\"vendor\":"));
        mg_buf_json(o, b->name);
    }
    write_signature(o, b);
    mg_buf_str(o, MG_STR("}"));
}

static void write_image(const mg_block *b, mg_buf *o) {
    mg_buf_str(o, MG_STR("{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:"));
    mg_buf_json_raw(o, b->name);
    mg_buf_str(o, MG_STR(";base64,"));
    mg_buf_json_raw(o, mg_buf_view(&b->text));
    mg_buf_str(o, MG_STR("\"}}"));
}

static bool is_call(const mg_block *b) { return b->type == MG_EVENT_TOOL; }
static bool is_image(const mg_block *b) {
    return b->type == MG_EVENT_MEDIA && mg_str_starts(b->name, MG_STR("image/"));
}
/* Reasoning goes back to its vendor only if there is something that proves it. */
static bool is_thinking(const mg_block *b) {
    return b->type == MG_EVENT_REDACTED || (b->type == MG_EVENT_REASONING && b->signature.n);
}

/* ,"name":[…] of the blocks that fit; nothing if none does. */
static void write_list(const mg_reply *r, int64_t choice, const char *name, bool (*fits)(const mg_block *b),
                       void (*write)(const mg_block *b, mg_buf *o), mg_buf *o) {
    size_t n = 0;
    for (const mg_block *b = r->blocks; b; b = b->next) {
        if (b->choice != choice || !fits(b)) continue;
        if (n++)
            mg_buf_str(o, MG_STR(","));
        else
            mg_buf_printf(o, ",\"%s\":[", name);
        write(b, o);
    }
    if (n) mg_buf_str(o, MG_STR("]"));
}

static bool is_url_citation(const mg_note *n) { return !memmem(n->json.p, n->json.n, "vendor_citation", 15); }

static void write_annotations(const mg_reply *r, int64_t choice, mg_buf *o) {
    size_t n = 0;
    for (const mg_block *b = r->blocks; b; b = b->next)
        for (const mg_note *c = b->choice == choice ? b->citations : NULL; c; c = c->next) {
            if (!is_url_citation(c)) continue;
            mg_buf_str(o, n++ ? MG_STR(",") : MG_STR(",\"annotations\":["));
            mg_buf_str(o, c->json);
        }
    if (n) mg_buf_str(o, MG_STR("]"));
}

static void write_sound(const mg_reply *r, const mg_block *b, mg_buf *o) {
    mg_buf_printf(o, "\"audio\":{\"id\":\"audio_%s\",\"expires_at\":%lld,\"data\":", r->id, (long long)r->created_s);
    mg_buf_json(o, mg_buf_view(&b->text));
    mg_buf_str(o, MG_STR(",\"transcript\":"));
    mg_buf_json(o, b->id);
    mg_buf_str(o, MG_STR("}"));
}

static void write_audio(const mg_reply *r, int64_t choice, mg_buf *o) {
    for (const mg_block *b = r->blocks; b; b = b->next) {
        if (b->choice != choice || b->type != MG_EVENT_MEDIA || !mg_str_starts(b->name, MG_STR("audio/"))) continue;
        mg_buf_str(o, MG_STR(","));
        write_sound(r, b, o);
        return;
    }
}

static void write_logprobs(const mg_finish *f, mg_buf *o) {
    if (!f->logprobs.n) {
        mg_buf_str(o, MG_STR("\"logprobs\":null"));
        return;
    }
    mg_buf_str(o, MG_STR("\"logprobs\":{\"content\":["));
    mg_buf_str(o, mg_buf_view(&f->logprobs));
    mg_buf_str(o, MG_STR("],\"refusal\":null}"));
}

static void write_reason(const mg_finish *f, mg_buf *o) {
    mg_buf_str(o, MG_STR("\"finish_reason\":"));
    mg_buf_json(o, f->reason.n ? f->reason : MG_STR("stop"));
}

static void write_choice(const mg_reply *r, int64_t choice, mg_buf *o) {
    mg_buf_printf(o, "{\"index\":%lld,\"message\":{\"role\":\"assistant\",\"content\":", (long long)choice);
    write_text(r, choice, MG_EVENT_TEXT, o);
    mg_buf_str(o, MG_STR(",\"refusal\":"));
    write_text(r, choice, MG_EVENT_REFUSAL, o);
    if (count_of(r, choice, MG_EVENT_REASONING)) {
        mg_buf_str(o, MG_STR(",\"reasoning_content\":"));
        write_text(r, choice, MG_EVENT_REASONING, o);
    }
    write_list(r, choice, "thinking_blocks", is_thinking, write_thinking, o);
    write_list(r, choice, "tool_calls", is_call, write_call, o);
    write_list(r, choice, "images", is_image, write_image, o);
    write_annotations(r, choice, o);
    write_audio(r, choice, o);
    mg_buf_str(o, MG_STR("},"));
    write_logprobs(&r->finishes[choice], o);
    mg_buf_str(o, MG_STR(","));
    write_reason(&r->finishes[choice], o);
    mg_buf_str(o, MG_STR("}"));
}

static void write_usage(const mg_usage *u, mg_operation op, mg_buf *o) {
    mg_buf_printf(o, "{\"prompt_tokens\":%lld", (long long)u->input);
    if (op == MG_OP_CHAT)
        mg_buf_printf(
            o,
            ",\"completion_tokens\":%lld,\"total_tokens\":%lld,\"prompt_tokens_details\":{\"cached_tokens\":%lld,"
            "\"cache_write_tokens\":%lld,\"audio_tokens\":%lld},\"completion_tokens_details\":"
            "{\"reasoning_tokens\":%lld,\"audio_tokens\":%lld,\"accepted_prediction_tokens\":0,"
            "\"rejected_prediction_tokens\":0}}",
            (long long)u->output, (long long)(u->input + u->output), (long long)u->cached, (long long)u->cache_write,
            (long long)u->audio_input, (long long)u->reasoning, (long long)u->audio_output);
    else
        mg_buf_printf(o, ",\"total_tokens\":%lld}", (long long)u->input);
}

static void write_embeddings(const mg_reply *r, mg_buf *o) {
    size_t n = 0;
    mg_buf_str(o, MG_STR("{\"object\":\"list\",\"data\":["));
    for (const mg_block *b = r->blocks; b; b = b->next) {
        if (b->type != MG_EVENT_EMBEDDING) continue;
        mg_buf_printf(o, "%s{\"object\":\"embedding\",\"index\":%lld,\"embedding\":%s", n++ ? "," : "",
                      (long long)b->index, r->base64 ? "\"" : "");
        if (!mg_format_vector(mg_buf_view(&b->text), r->base64, o))
            mg_buf_str(o, r->base64 ? MG_STR("") : MG_STR("[]"));
        mg_buf_str(o, r->base64 ? MG_STR("\"}") : MG_STR("}"));
    }
    mg_buf_str(o, MG_STR("],\"model\":"));
    mg_buf_json(o, r->model);
    mg_buf_str(o, MG_STR(",\"usage\":"));
    write_usage(&r->usage, r->operation, o);
    mg_buf_str(o, MG_STR("}"));
}

void mg_openai_plain(const mg_reply *r, mg_buf *o) {
    if (r->operation == MG_OP_EMBEDDINGS) {
        write_embeddings(r, o);
        return;
    }
    mg_buf_printf(o, "{\"id\":\"chatcmpl-%s\",\"object\":\"chat.completion\",\"created\":%lld,\"model\":", r->id,
                  (long long)r->created_s);
    mg_buf_json(o, r->model);
    mg_buf_str(o, MG_STR(",\"choices\":["));
    size_t n = r->n_choices ? r->n_choices : 1;
    for (size_t i = 0; i < n; i++) {
        if (i) mg_buf_str(o, MG_STR(","));
        write_choice(r, (int64_t)i, o);
    }
    mg_buf_str(o, MG_STR("],\"usage\":"));
    write_usage(&r->usage, MG_OP_CHAT, o);
    mg_buf_str(o, MG_STR("}"));
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

typedef struct state {
    uint8_t begun[MG_REPLY_CHOICES / 8]; /* choices whose role has been said */
    uint8_t finished[MG_REPLY_CHOICES / 8];
    size_t n_choices;
    mg_event_type
        last; /* kind of the block that is open, META if none was; of which choice, and for tools which call */
    int64_t choice, call;
    char *thought; /* text of that block, if it is reasoning: its signature comes with all of it */
    size_t n_thought, room;
    uint8_t
        torn[MG_REPLY_CHOICES / 8]; /* choices whose reasoning others have come between: it is not known as a whole */
} state;
enum { THOUGHT_MOST = 1 << 20 }; /* bytes; longer ones are not handed back */
_Static_assert(sizeof(state) <= MG_OPENAI_STREAM_STATE, "the stream's state");

static bool bit(const uint8_t *bits, int64_t i) { return bits[i / 8] & 1u << i % 8; }
static void set_bit(uint8_t *bits, int64_t i) { bits[i / 8] = (uint8_t)(bits[i / 8] | 1u << i % 8); }
static void clear_bit(uint8_t *bits, int64_t i) { bits[i / 8] = (uint8_t)(bits[i / 8] & ~(1u << i % 8)); }

static void chunk_head(mg_stream *s) {
    mg_buf *o = s->out;
    mg_buf_printf(o, "data: {\"id\":\"chatcmpl-%s\",\"object\":\"chat.completion.chunk\",\"created\":%lld,\"model\":",
                  s->reply->id, (long long)s->reply->created_s);
    mg_buf_json(o, s->reply->model);
    mg_buf_str(o, MG_STR(",\"choices\":["));
}

static void chunk_tail(mg_stream *s) {
    mg_buf_str(s->out, s->usage_asked ? MG_STR("],\"usage\":null}\n\n") : MG_STR("]}\n\n"));
}

/* Up to the delta's members; the first chunk of a choice says the role. */
static void delta_head(mg_stream *s, int64_t choice) {
    state *st = s->state;
    chunk_head(s);
    mg_buf_printf(s->out, "{\"index\":%lld,\"delta\":{", (long long)choice);
    if (!bit(st->begun, choice)) mg_buf_str(s->out, MG_STR("\"role\":\"assistant\","));
    set_bit(st->begun, choice);
    if ((size_t)choice >= st->n_choices) st->n_choices = (size_t)choice + 1;
}

static void delta_tail(mg_stream *s) {
    mg_buf_str(s->out, MG_STR("},\"logprobs\":null,\"finish_reason\":null}"));
    chunk_tail(s);
}

static void delta_text(mg_stream *s, int64_t choice, const char *name, mg_str text) {
    delta_head(s, choice);
    mg_buf_printf(s->out, "\"%s\":", name);
    mg_buf_json(s->out, text);
    delta_tail(s);
}

static void delta_tool(mg_stream *s, const mg_event *e) {
    mg_buf *o = s->out;
    delta_head(s, e->choice);
    mg_buf_printf(o, "\"tool_calls\":[{\"index\":%lld", (long long)e->index);
    if (e->id.n) {
        mg_buf_str(o, MG_STR(",\"id\":"));
        mg_buf_json(o, e->id);
    }
    if (e->name.n) mg_buf_str(o, MG_STR(",\"type\":\"function\""));
    mg_buf_str(o, MG_STR(",\"function\":{"));
    if (e->name.n) {
        mg_buf_str(o, MG_STR("\"name\":"));
        mg_buf_json(o, e->name);
        mg_buf_str(o, MG_STR(","));
    }
    mg_buf_str(o, MG_STR("\"arguments\":"));
    mg_buf_json(o, e->text);
    mg_buf_str(o, MG_STR("}}]"));
    delta_tail(s);
}

/* A block that is whole: the same members as in a plain message. */
static void delta_block(mg_stream *s, int64_t choice, const mg_block *b, const char *name,
                        void (*write)(const mg_block *b, mg_buf *o)) {
    delta_head(s, choice);
    mg_buf_printf(s->out, "\"%s\":[", name);
    write(b, s->out);
    mg_buf_str(s->out, MG_STR("]"));
    delta_tail(s);
}

static mg_block block_of(const mg_event *e) {
    return (mg_block){
        .type = e->type, .name = e->name, .id = e->id, .text = {.p = (char *)(uintptr_t)e->text.p, .n = e->text.n}};
}

static void delta_media(mg_stream *s, int64_t choice, const mg_block *b) {
    if (mg_str_starts(b->name, MG_STR("image/"))) delta_block(s, choice, b, "images", write_image);
    if (!mg_str_starts(b->name, MG_STR("audio/"))) return;
    delta_head(s, choice);
    write_sound(s->reply, b, s->out);
    delta_tail(s);
}

/* ---- what is signed ---- */

static void thought_add(mg_stream *s, mg_str text) {
    state *st = s->state;
    size_t n = st->n_thought + text.n;
    if (n > THOUGHT_MOST) {
        st->n_thought = THOUGHT_MOST + 1; /* never whole */
        return;
    }
    if (n > st->room) {
        st->room = n < 512 ? 1024 : 2 * n;
        char *wider = mg_arena_alloc(s->arena, st->room);
        if (st->n_thought) memcpy(wider, st->thought, st->n_thought);
        st->thought = wider;
    }
    if (text.n) memcpy(st->thought + st->n_thought, text.p, text.n);
    st->n_thought = n;
}

/* Keeps track of the block that a signature would belong to. */
static void follow(mg_stream *s, const mg_event *e) {
    state *st = s->state;
    bool goes_on = e->type == MG_EVENT_REASONING && st->last == MG_EVENT_REASONING && st->choice == e->choice;
    switch (e->type) {
    case MG_EVENT_FINISH:
    case MG_EVENT_CITATION:
    case MG_EVENT_LOGPROBS: return;
    default: break;
    }
    if (e->type != MG_EVENT_REASONING) clear_bit(st->torn, e->choice);
    if (e->type == MG_EVENT_SIGNATURE && st->choice != e->choice) return;
    if (st->last == MG_EVENT_REASONING && st->choice != e->choice) set_bit(st->torn, st->choice);
    st->last = e->type;
    st->choice = e->choice;
    st->call = e->index;
    if (!goes_on) st->n_thought = 0;
    if (e->type == MG_EVENT_REASONING) thought_add(s, e->text);
}

static void delta_call_signature(mg_stream *s, const mg_event *e, int64_t call) {
    const mg_block b = {.signature = e->text, .vendor = e->name};
    delta_head(s, e->choice);
    mg_buf_printf(s->out, "\"tool_calls\":[{\"index\":%lld,\"function\":{\"arguments\":\"\"}", (long long)call);
    write_signature(s->out, &b);
    mg_buf_str(s->out, MG_STR("}]"));
    delta_tail(s);
}

/* As in plain answers: with the call that it belongs to, or with the whole thought, which the client hands back as it is. */
static void delta_signature(mg_stream *s, const mg_event *e) {
    const state *st = s->state;
    if (st->last != MG_EVENT_META && st->choice != e->choice) return;
    if (st->last == MG_EVENT_TOOL) delta_call_signature(s, e, st->call);
    if (st->last != MG_EVENT_REASONING && st->last != MG_EVENT_META) return;
    if (bit(st->torn, e->choice) || st->n_thought > THOUGHT_MOST) return;
    const mg_block b = {.type = MG_EVENT_REASONING,
                        .text = {.p = st->thought, .n = st->n_thought},
                        .signature = e->text,
                        .vendor = e->name};
    delta_block(s, e->choice, &b, "thinking_blocks", write_thinking);
}

/* JSON as a vendor wrote it: a frame has one line, and outside of strings a blank does as well. */
static void one_line(mg_buf *o, mg_str json) {
    size_t from = o->n;
    if (!mg_buf_str(o, json)) return;
    for (; from < o->n; from++)
        if (o->p[from] == '\n' || o->p[from] == '\r') o->p[from] = ' ';
}

static void delta_annotation(mg_stream *s, const mg_event *e) {
    const mg_note note = {NULL, e->text};
    if (!is_url_citation(&note)) return;
    delta_head(s, e->choice);
    mg_buf_str(s->out, MG_STR("\"annotations\":["));
    one_line(s->out, e->text);
    mg_buf_str(s->out, MG_STR("]"));
    delta_tail(s);
}

static void delta_logprobs(mg_stream *s, const mg_event *e) {
    delta_head(s, e->choice);
    mg_buf_str(s->out, MG_STR("\"content\":\"\"},\"logprobs\":{\"content\":"));
    one_line(s->out, e->text);
    mg_buf_str(s->out, MG_STR(",\"refusal\":null},\"finish_reason\":null}"));
    chunk_tail(s);
}

void mg_openai_open(mg_stream *s) { delta_text(s, 0, "content", MG_STR("")); }

void mg_openai_event(mg_stream *s, const mg_event *e) {
    if (e->choice < 0 || e->choice >= MG_REPLY_CHOICES) return;
    const mg_block whole = block_of(e);
    switch (e->type) {
    case MG_EVENT_TEXT: delta_text(s, e->choice, "content", e->text); break;
    case MG_EVENT_REASONING: delta_text(s, e->choice, "reasoning_content", e->text); break;
    case MG_EVENT_REFUSAL: delta_text(s, e->choice, "refusal", e->text); break;
    case MG_EVENT_TOOL: delta_tool(s, e); break;
    case MG_EVENT_SIGNATURE: delta_signature(s, e); break;
    case MG_EVENT_REDACTED: delta_block(s, e->choice, &whole, "thinking_blocks", write_thinking); break;
    case MG_EVENT_MEDIA: delta_media(s, e->choice, &whole); break;
    case MG_EVENT_CITATION: delta_annotation(s, e); break;
    case MG_EVENT_LOGPROBS: delta_logprobs(s, e); break;
    default: break; /* FINISH is in the reply, and said by close */
    }
    follow(s, e);
}

void mg_openai_close(mg_stream *s) {
    const state *st = s->state;
    const mg_finish none = {0};
    size_t n = s->reply->n_choices > st->n_choices ? s->reply->n_choices : st->n_choices;
    for (size_t i = 0; i < n; i++) {
        chunk_head(s);
        mg_buf_printf(s->out, "{\"index\":%zu,\"delta\":{},\"logprobs\":null,", i);
        write_reason(i < s->reply->n_choices ? &s->reply->finishes[i] : &none, s->out);
        mg_buf_str(s->out, MG_STR("}"));
        chunk_tail(s);
    }
    if (s->usage_asked) {
        chunk_head(s);
        mg_buf_str(s->out, MG_STR("],\"usage\":"));
        write_usage(&s->reply->usage, MG_OP_CHAT, s->out);
        mg_buf_str(s->out, MG_STR("}\n\n"));
    }
    mg_buf_str(s->out, MG_STR("data: [DONE]\n\n"));
}

/* ---- errors and models ------------------------------------------------------------------------------------------- */

static const char *error_type(int status, mg_str code) {
    if (mg_str_is(code, "insufficient_quota")) return "insufficient_quota";
    switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 429: return "rate_limit_error";
    default: return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

void mg_openai_error(const mg_fault *f, mg_buf *o) {
    mg_buf_str(o, MG_STR("{\"error\":{\"message\":"));
    mg_buf_json(o, f->message);
    mg_buf_printf(o, ",\"type\":\"%s\",\"param\":", error_type(f->status, f->code));
    if (f->param.n)
        mg_buf_json(o, f->param);
    else
        mg_buf_str(o, MG_STR("null"));
    mg_buf_str(o, MG_STR(",\"code\":"));
    if (f->code.n)
        mg_buf_json(o, f->code);
    else
        mg_buf_str(o, MG_STR("null"));
    mg_buf_str(o, MG_STR("}}"));
}

/* No terminator follows: an SDK that misses it knows that the answer is not whole. */
void mg_openai_error_frames(mg_stream *s, const mg_fault *f) {
    mg_buf_str(s->out, MG_STR("data: "));
    mg_openai_error(f, s->out);
    mg_buf_str(s->out, MG_STR("\n\n"));
}

void mg_openai_model(const mg_model_row *row, mg_buf *o) {
    mg_buf_str(o, MG_STR("{\"id\":"));
    mg_buf_json(o, row->id);
    mg_buf_str(o, MG_STR(",\"object\":\"model\",\"created\":1735689600,\"owned_by\":"));
    mg_buf_json(o, row->owner);
    mg_buf_str(o, MG_STR("}"));
}

void mg_openai_models(const mg_model_row *rows, size_t n, mg_buf *o) {
    mg_buf_str(o, MG_STR("{\"object\":\"list\",\"data\":["));
    for (size_t i = 0; i < n; i++) {
        if (i) mg_buf_str(o, MG_STR(","));
        mg_openai_model(&rows[i], o);
    }
    mg_buf_str(o, MG_STR("]}"));
}
