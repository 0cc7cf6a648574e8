/* What plain answers and streams of Anthropic's format have in common, and plain answers.
 *
 * Only the first choice is shown. Refusals become text; audio its transcript; other media and blocks of other vendors have no
 * form here and are left out. Empty texts are left out too: sent back, Anthropic would refuse them. */
#include "format/anthropic.h"

static void put(mg_buf *out, const char *text) { mg_buf_str(out, mg_str_of(text)); }

/* ---- arguments and other JSON of vendors -------------------------------------------------------------------------- */

static void object_step(mg_anthropic_object *o, char c) {
    if (o->in_string) {
        if (o->escaped)
            o->escaped = false;
        else if (c == '\\')
            o->escaped = true;
        else if (c == '"')
            o->in_string = false;
        return;
    }
    if (c == '"') o->in_string = true;
    if (c == '{' || c == '[') o->depth++;
    if ((c == '}' || c == ']') && --o->depth == 0) o->state = MG_OBJECT_DONE;
}

mg_str mg_anthropic_object_take(mg_anthropic_object *o, mg_str piece) {
    size_t start = 0;
    if (o->state == MG_OBJECT_NONE) {
        while (start < piece.n && strchr(" \t\r\n", piece.p[start]) && piece.p[start]) start++;
        if (start < piece.n) o->state = piece.p[start] == '{' ? MG_OBJECT_INSIDE : MG_OBJECT_OTHER;
    }
    size_t end = start;
    while (o->state == MG_OBJECT_INSIDE && end < piece.n) object_step(o, piece.p[end++]);
    return mg_str_from(piece.p ? piece.p + start : NULL, end - start);
}

const mg_json *mg_anthropic_parse(mg_anthropic_reader *r, mg_str text) {
    const mg_json *root;
    mg_error ignored;
    if (!r->parser) {
        r->parser = mg_json_parser_create();
        r->arena = mg_arena_create(4096);
    }
    mg_arena_reset(r->arena);
    if (mg_json_parse_copy(r->parser, r->arena, text, &root, &ignored) != MG_OK) return NULL;
    return mg_json_kind(root) == MG_JSON_OBJECT ? root : NULL;
}

void mg_anthropic_reader_finish(mg_anthropic_reader *r) {
    if (!r->parser) return;
    mg_json_parser_destroy(r->parser);
    mg_arena_destroy(r->arena);
    *r = (mg_anthropic_reader){NULL, NULL};
}

/* JSON on one line: line ends stand between values only, and a stream's frames end at them. */
static void add_line(mg_buf *out, mg_str json) {
    if (!mg_buf_reserve(out, json.n)) {
        out->over = true;
        return;
    }
    for (size_t i = 0; i < json.n; i++) out->p[out->n++] = json.p[i] == '\n' || json.p[i] == '\r' ? ' ' : json.p[i];
}

/* ---- blocks ------------------------------------------------------------------------------------------------------- */

mg_str mg_anthropic_tool_id(const mg_reply *r, mg_str id, int64_t index, mg_arena *arena) {
    if (!id.n) return mg_arena_printf(arena, "toolu_%s_%lld", r->id, (long long)index);
    char *p = mg_arena_alloc(arena, id.n);
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        p[i] = ok ? c : '_';
    }
    return mg_str_from(p, id.n);
}

void mg_anthropic_redacted(mg_buf *out, const mg_anthropic_mark *mark) {
    put(out, "{\"type\":\"redacted_thinking\",\"data\":");
    mg_anthropic_mark_write(out, mark);
    put(out, "}");
}

static mg_anthropic_mark mark_of(mg_str vendor, mg_str bytes) {
    bool own = mg_str_is(vendor, "anthropic");
    return (mg_anthropic_mark){own ? MG_ANTHROPIC_MARK_NONE : MG_ANTHROPIC_MARK_BLOCK, vendor, {NULL, 0}, bytes};
}

void mg_anthropic_signature(mg_buf *out, mg_str vendor, mg_str signature) {
    mg_anthropic_mark m = mark_of(signature.n ? vendor : (mg_str){NULL, 0}, signature);
    mg_anthropic_mark_write(out, &m);
}

static void add_text_member(mg_buf *out, const char *key, mg_str text) {
    put(out, key);
    mg_buf_json(out, text);
}

/* An address that another vendor names becomes a search result, which clients know how to show. */
static bool add_url_citation(const mg_json *c, mg_buf *out) {
    mg_str url = mg_json_text(mg_json_get(c, MG_STR("url"))), title = mg_json_text(mg_json_get(c, MG_STR("title")));
    if (!url.n) return false;
    put(out, "{\"type\":\"web_search_result_location\",\"cited_text\":\"\",\"encrypted_index\":\"moongate:\"");
    add_text_member(out, ",\"title\":", title);
    add_text_member(out, ",\"url\":", url);
    put(out, "}");
    return true;
}

bool mg_anthropic_citation(mg_anthropic_reader *r, mg_str json, mg_buf *out) {
    const mg_json *root = mg_anthropic_parse(r, json);
    mg_str type = mg_json_text(mg_json_get(root, MG_STR("type")));
    const mg_json *own = mg_json_get(root, MG_STR("citation"));
    if (mg_str_is(type, "url_citation")) return add_url_citation(mg_json_get(root, MG_STR("url_citation")), out);
    if (!mg_str_is(type, "vendor_citation") || mg_json_kind(own) != MG_JSON_OBJECT) return false;
    if (!mg_str_is(mg_json_text(mg_json_get(root, MG_STR("vendor"))), "anthropic")) return false;
    add_line(out, mg_str_from(json.p + own->src, own->src_end - own->src));
    return true;
}

bool mg_anthropic_whole(mg_anthropic_reader *r, const mg_event *e, mg_buf *out) {
    if (e->type == MG_EVENT_REDACTED) {
        mg_anthropic_mark m = mark_of(e->name, e->text);
        mg_anthropic_redacted(out, &m);
        return true;
    }
    if (e->type != MG_EVENT_OTHER || !mg_str_is(e->name, "anthropic") || !mg_anthropic_parse(r, e->text)) return false;
    add_line(out, e->text);
    return true;
}

/* ---- the message around them -------------------------------------------------------------------------------------- */

void mg_anthropic_head(mg_buf *out, const mg_reply *r) {
    mg_buf_printf(out, "{\"id\":\"msg_%s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":", r->id);
    mg_buf_json(out, r->model);
}

static int64_t at_least_0(int64_t n) { return n > 0 ? n : 0; }

/* Anthropic counts what was read from the cache or written to it apart. */
void mg_anthropic_usage(mg_buf *out, const mg_usage *u) {
    int64_t cached = at_least_0(u->cached), written = at_least_0(u->cache_write);
    mg_buf_printf(out,
                  "\"input_tokens\":%lld,\"cache_creation_input_tokens\":%lld,\"cache_read_input_tokens\":%lld,"
                  "\"output_tokens\":%lld",
                  (long long)at_least_0(u->input - cached - written), (long long)written, (long long)cached,
                  (long long)at_least_0(u->output));
    if (u->reasoning > 0)
        mg_buf_printf(out, ",\"output_tokens_details\":{\"thinking_tokens\":%lld}", (long long)u->reasoning);
}

/* What a vendor that speaks as Anthropic does has said is said again; some of it has no canonical name. */
static const char *own_reason(mg_str reason) {
    static const char *const own[] = {"end_turn",   "max_tokens", "stop_sequence", "tool_use",
                                      "pause_turn", "refusal",    "compaction",    "model_context_window_exceeded"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (mg_str_is(reason, own[i])) return own[i];
    return NULL;
}

static const char *reason_of(const mg_finish *f, bool tools, bool refused) {
    const char *own = own_reason(f->vendor_reason);
    if (mg_str_is(f->reason, "content_filter")) return "refusal";
    if (mg_str_is(f->reason, "length")) return own && !mg_str_is(f->vendor_reason, "end_turn") ? own : "max_tokens";
    if (own) return own;
    if (tools || mg_str_is(f->reason, "tool_calls")) return "tool_use";
    if (refused) return "refusal";
    return f->stop_sequence.n ? "stop_sequence" : "end_turn";
}

void mg_anthropic_stop(mg_buf *out, const mg_finish *f, bool tools, bool refused) {
    const char *reason = reason_of(f, tools, refused);
    mg_buf_printf(out, "\"stop_reason\":\"%s\",\"stop_sequence\":", reason);
    if (strcmp(reason, "stop_sequence") == 0 && f->stop_sequence.n)
        mg_buf_json(out, f->stop_sequence);
    else
        put(out, "null");
    put(out, ",\"stop_details\":");
    put(out, strcmp(reason, "refusal") == 0 ? "{\"type\":\"refusal\",\"category\":null,\"explanation\":null}" : "null");
}

/* ---- plain answers ------------------------------------------------------------------------------------------------ */

typedef struct plain {
    const mg_reply *reply;
    mg_buf *out;
    mg_anthropic_reader reader;
    size_t n; /* blocks written */
    bool tools, refused;
} plain;

static void begin_block(plain *p) {
    if (p->n++) put(p->out, ",");
}

static void add_mark(plain *p, mg_anthropic_mark_kind kind, const mg_block *b, mg_str id) {
    const mg_anthropic_mark m = {kind, b->vendor, id, b->signature};
    if (!b->signature.n) return;
    begin_block(p);
    mg_anthropic_redacted(p->out, &m);
}

static void add_citations(plain *p, const mg_block *b) {
    size_t n = 0;
    for (const mg_note *c = b->citations; c; c = c->next) {
        size_t before = p->out->n;
        put(p->out, n ? "," : ",\"citations\":[");
        if (mg_anthropic_citation(&p->reader, c->json, p->out))
            n++;
        else
            p->out->n = before;
    }
    if (n) put(p->out, "]");
}

static void add_text(plain *p, const mg_block *b) {
    size_t before = p->out->n, blocks = p->n;
    begin_block(p);
    put(p->out, "{\"type\":\"text\",\"text\":");
    mg_buf_json(p->out, mg_buf_view(&b->text));
    size_t bare = p->out->n;
    add_citations(p, b);
    if (b->text.n || p->out->n > bare) {
        put(p->out, "}");
    } else {
        p->out->n = before;
        p->n = blocks;
    }
    add_mark(p, MG_ANTHROPIC_MARK_TEXT, b, (mg_str){NULL, 0});
    p->refused |= b->type == MG_EVENT_REFUSAL && b->text.n;
}

static void add_thinking(plain *p, const mg_block *b) {
    if (!b->text.n && !b->signature.n) return;
    begin_block(p);
    put(p->out, "{\"type\":\"thinking\",\"thinking\":");
    mg_buf_json(p->out, mg_buf_view(&b->text));
    put(p->out, ",\"signature\":");
    mg_anthropic_signature(p->out, b->vendor, b->signature);
    put(p->out, "}");
}

static void add_tool(plain *p, const mg_block *b) {
    mg_anthropic_object object = {.state = MG_OBJECT_NONE};
    mg_str arguments = mg_anthropic_object_take(&object, mg_buf_view(&b->text));
    mg_str id = mg_anthropic_tool_id(p->reply, b->id, b->index, p->reply->arena);
    begin_block(p);
    add_text_member(p->out, "{\"type\":\"tool_use\",\"id\":", id);
    add_text_member(p->out, ",\"name\":", b->name);
    put(p->out, ",\"input\":");
    if (mg_anthropic_parse(&p->reader, arguments))
        mg_buf_str(p->out, arguments);
    else
        put(p->out, "{}");
    put(p->out, "}");
    add_mark(p, MG_ANTHROPIC_MARK_TOOL, b, id);
    p->tools = true;
}

static void add_whole(plain *p, const mg_block *b) {
    const mg_event e = {.type = b->type, .text = mg_buf_view(&b->text), .name = b->name};
    size_t before = p->out->n, blocks = p->n;
    begin_block(p);
    if (mg_anthropic_whole(&p->reader, &e, p->out)) return;
    p->out->n = before;
    p->n = blocks;
}

static void add_transcript(plain *p, const mg_block *b) {
    if (!b->id.n) return;
    begin_block(p);
    add_text_member(p->out, "{\"type\":\"text\",\"text\":", b->id);
    put(p->out, "}");
}

static void add_block(plain *p, const mg_block *b) {
    switch (b->type) {
    case MG_EVENT_TEXT:
    case MG_EVENT_REFUSAL: add_text(p, b); break;
    case MG_EVENT_REASONING: add_thinking(p, b); break;
    case MG_EVENT_TOOL: add_tool(p, b); break;
    case MG_EVENT_MEDIA: add_transcript(p, b); break;
    default: add_whole(p, b); break;
    }
}

void mg_anthropic_plain(const mg_reply *r, mg_buf *out) {
    plain p = {.reply = r, .out = out};
    mg_anthropic_head(out, r);
    put(out, ",\"content\":[");
    for (const mg_block *b = r->blocks; b; b = b->next)
        if (b->choice == 0) add_block(&p, b);
    put(out, "],");
    mg_anthropic_stop(out, &r->finishes[0], p.tools, p.refused);
    put(out, ",\"usage\":{");
    mg_anthropic_usage(out, &r->usage);
    put(out, ",\"cache_creation\":null,\"server_tool_use\":null,\"service_tier\":null,\"inference_geo\":null}}");
    mg_anthropic_reader_finish(&p.reader);
}
