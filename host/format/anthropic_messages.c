/* The conversation of a Messages request in the canonical form.
 *
 * Order within a message: the results of tools come first, each a message of role "tool", then the rest of the user's content;
 * an assistant's texts and thoughts keep their order, its calls follow them. */
#include "format/anthropic.h"

static mg_str text_of(const mg_json *object, const char *key) {
    return mg_json_text(mg_json_get(object, mg_str_of(key)));
}

static bool is_kind(const mg_json *block, const char *type) { return mg_str_is(text_of(block, "type"), type); }
static const mg_json *first_of(const mg_json *list) { return mg_json_kind(list) == MG_JSON_ARRAY ? list->child : NULL; }
static bool is_there(const mg_json *v) { return mg_json_kind(v) != MG_JSON_NULL; }

static void put(const mg_anthropic_writer *w, const char *text) { mg_buf_str(w->out, mg_str_of(text)); }

static mg_status refuse(const mg_anthropic_writer *w, const mg_anthropic_place *place, const mg_json *block,
                        const char *why) {
    char where[MG_ANTHROPIC_PLACE_MAX];
    mg_str type = mg_str_cut(text_of(block, "type"), 60);
    return mg_fail(w->error, 400, "unsupported_parameter", "'%s' is a block of type '" MG_STR_FMT "', %s.",
                   mg_anthropic_place_text(place, where), MG_STR_ARG(type), why);
}

static const char *const ONLY_ANTHROPIC =
    "which only Anthropic's own models can read: leave it out, or send the conversation to one of them";

/* ---- parts -------------------------------------------------------------------------------------------------------- */

/* A list of parts under way. */
typedef struct part_list {
    const mg_anthropic_writer *w;
    size_t n;
    bool calls; /* calls and results of tools may stand in it: they are written elsewhere */
} part_list;

static void begin_part(part_list *l, const char *type) {
    put(l->w, l->n++ ? ",{\"type\":\"" : "{\"type\":\"");
    put(l->w, type);
    put(l->w, "\"");
}

static void end_part(part_list *l, const mg_json *block) {
    mg_anthropic_copy(l->w, "cache_control", mg_json_get(block, MG_STR("cache_control")));
    put(l->w, "}");
}

static void add_bytes(part_list *l, mg_str vendor, mg_str signature) {
    if (!signature.n) return;
    put(l->w, ",\"signature\":");
    mg_buf_json(l->w->out, signature);
    if (!vendor.n) return;
    put(l->w, ",\"vendor\":");
    mg_buf_json(l->w->out, vendor);
}

static void add_plain_text(part_list *l, const mg_json *text, const mg_json *block) {
    if (!is_there(text)) return;
    begin_part(l, "text");
    mg_anthropic_copy(l->w, "text", text);
    end_part(l, block);
}

static void drop_citations(const mg_anthropic_writer *w, const mg_anthropic_place *place, const mg_json *block) {
    const mg_json *c = mg_json_get(block, MG_STR("citations"));
    bool off = mg_json_kind(c) == MG_JSON_OBJECT && !mg_json_bool(mg_json_get(c, MG_STR("enabled")), false);
    if (is_there(c) && !off && !(c->type == MG_JSON_ARRAY && !c->count))
        mg_anthropic_drop(w, place, MG_STR("citations"));
}

/* The signature of a text follows it in a block of its own. */
static mg_anthropic_mark text_mark(const mg_json *next) {
    const mg_anthropic_mark none = {.kind = MG_ANTHROPIC_MARK_NONE};
    if (!is_kind(next, "redacted_thinking")) return none;
    mg_anthropic_mark m = mg_anthropic_mark_read(text_of(next, "data"));
    return m.kind == MG_ANTHROPIC_MARK_TEXT ? m : none;
}

static mg_status add_text(part_list *l, const mg_anthropic_place *place, const mg_json *block) {
    mg_anthropic_mark m = text_mark(block->next);
    begin_part(l, "text");
    mg_anthropic_copy(l->w, "text", mg_json_get(block, MG_STR("text")));
    if (m.kind == MG_ANTHROPIC_MARK_TEXT) add_bytes(l, m.vendor, m.bytes);
    end_part(l, block);
    drop_citations(l->w, place, block);
    return MG_OK;
}

/* "data:TYPE;base64,DATA" of a base64 source. */
static void add_data_url(const mg_anthropic_writer *w, const mg_json *source) {
    put(w, "\"data:");
    mg_buf_json_raw(w->out, text_of(source, "media_type"));
    put(w, ";base64,");
    mg_buf_json_raw(w->out, text_of(source, "data"));
    put(w, "\"");
}

static void add_base64(mg_buf *out, mg_str text) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (!mg_buf_reserve(out, text.n / 3 * 4 + 4)) {
        out->over = true;
        return;
    }
    for (size_t i = 0; i < text.n; i += 3) {
        size_t n = text.n - i < 3 ? text.n - i : 3;
        uint32_t v = (uint32_t)(uint8_t)text.p[i] << 16;
        if (n > 1) v |= (uint32_t)(uint8_t)text.p[i + 1] << 8;
        if (n > 2) v |= (uint8_t)text.p[i + 2];
        const char four[] = {digits[v >> 18], digits[v >> 12 & 63], n > 1 ? digits[v >> 6 & 63] : '=',
                             n > 2 ? digits[v & 63] : '='};
        mg_buf_add(out, four, sizeof four);
    }
}

static void add_file_id(part_list *l, const mg_json *source, const mg_json *block) {
    begin_part(l, "file");
    put(l->w, ",\"file\":{\"file_id\":");
    mg_anthropic_raw(l->w, mg_json_get(source, MG_STR("file_id")));
    put(l->w, "}");
    end_part(l, block);
}

static mg_status add_image(part_list *l, const mg_anthropic_place *place, const mg_json *block) {
    const mg_json *source = mg_json_get(block, MG_STR("source"));
    if (is_kind(source, "file")) {
        add_file_id(l, source, block);
        return MG_OK;
    }
    if (!is_kind(source, "base64") && !is_kind(source, "url"))
        return refuse(l->w, place, block, "whose source is not of type base64, url or file");
    begin_part(l, "image_url");
    put(l->w, ",\"image_url\":{\"url\":");
    if (is_kind(source, "url"))
        mg_anthropic_raw(l->w, mg_json_get(source, MG_STR("url")));
    else
        add_data_url(l->w, source);
    put(l->w, "}");
    end_part(l, block);
    return MG_OK;
}

/* OpenAI wants a name beside a file's bytes. */
static void add_filename(const mg_anthropic_writer *w, const mg_json *title, const char *otherwise) {
    put(w, "\"filename\":");
    if (is_there(title))
        mg_anthropic_raw(w, title);
    else
        mg_buf_json(w->out, mg_str_of(otherwise));
}

static void add_file(part_list *l, const mg_json *source, const mg_json *block) {
    const mg_json *title = mg_json_get(block, MG_STR("title"));
    begin_part(l, "file");
    put(l->w, ",\"file\":{");
    if (is_kind(source, "text")) {
        add_filename(l->w, title, "document.txt");
        put(l->w, ",\"file_data\":\"data:text/plain;base64,");
        add_base64(l->w->out, text_of(source, "data"));
        put(l->w, "\"");
    } else if (is_kind(source, "base64")) {
        add_filename(l->w, title, "document.pdf");
        put(l->w, ",\"file_data\":");
        add_data_url(l->w, source);
    } else {
        if (is_there(title)) add_filename(l->w, title, "");
        put(l->w, is_there(title) ? ",\"file_url\":" : "\"file_url\":");
        mg_anthropic_raw(l->w, mg_json_get(source, MG_STR("url")));
    }
    put(l->w, "}");
    end_part(l, block);
}

static mg_status add_parts(part_list *l, const mg_anthropic_place *up, const mg_json *content);

/* The blocks of a block. */
static mg_status add_inner(part_list *l, const mg_anthropic_place *up, const mg_json *content) {
    bool calls = l->calls;
    l->calls = false;
    mg_status st = add_parts(l, up, content);
    l->calls = calls;
    return st;
}

/* A document made of blocks becomes its blocks, its title before them. */
static mg_status add_document(part_list *l, const mg_anthropic_place *place, const mg_json *block) {
    const mg_json *source = mg_json_get(block, MG_STR("source"));
    const mg_anthropic_place at = {place, "source", 0}, content = {&at, "content", 0};
    add_plain_text(l, mg_json_get(block, MG_STR("context")), NULL);
    drop_citations(l->w, place, block);
    if (is_kind(source, "content")) {
        add_plain_text(l, mg_json_get(block, MG_STR("title")), NULL);
        return add_inner(l, &content, mg_json_get(source, MG_STR("content")));
    }
    if (is_kind(source, "file")) {
        add_file_id(l, source, block);
        return MG_OK;
    }
    if (!is_kind(source, "base64") && !is_kind(source, "text") && !is_kind(source, "url"))
        return refuse(l->w, place, block, "whose source is not of type base64, text, url, content or file");
    add_file(l, source, block);
    return MG_OK;
}

/* Its title and address, then its texts. */
static mg_status add_search_result(part_list *l, const mg_anthropic_place *place, const mg_json *block) {
    const mg_anthropic_place content = {place, "content", 0};
    add_plain_text(l, mg_json_get(block, MG_STR("title")), NULL);
    add_plain_text(l, mg_json_get(block, MG_STR("source")), NULL);
    drop_citations(l->w, place, block);
    return add_inner(l, &content, mg_json_get(block, MG_STR("content")));
}

/* What a search for tools has found: here, as everywhere else, the tool is known already, so its name tells as much. */
static mg_status add_tool_reference(part_list *l, const mg_anthropic_place *place, const mg_json *block) {
    (void)place;
    add_plain_text(l, mg_json_get(block, MG_STR("tool_name")), block);
    return MG_OK;
}

static mg_status add_thinking(part_list *l, const mg_anthropic_place *place, const mg_json *block) {
    mg_anthropic_mark m = mg_anthropic_mark_read(text_of(block, "signature"));
    (void)place;
    begin_part(l, "thinking");
    mg_anthropic_copy(l->w, "thinking", mg_json_get(block, MG_STR("thinking")));
    add_bytes(l, m.vendor, m.bytes);
    put(l->w, "}");
    return MG_OK;
}

/* The mark of a text is written with the text before it, unless that has gone; that of a call with the call. */
static mg_status add_redacted(part_list *l, const mg_anthropic_place *place, const mg_json *block) {
    mg_anthropic_mark m = mg_anthropic_mark_read(text_of(block, "data"));
    (void)place;
    if (m.kind == MG_ANTHROPIC_MARK_TOOL) return MG_OK;
    if (m.kind == MG_ANTHROPIC_MARK_TEXT) {
        begin_part(l, "thinking");
        put(l->w, ",\"thinking\":\"\"");
        add_bytes(l, m.vendor, m.bytes);
    } else {
        begin_part(l, "redacted_thinking");
        put(l->w, ",\"data\":");
        mg_buf_json(l->w->out, m.bytes);
        if (m.vendor.n) put(l->w, ",\"vendor\":");
        if (m.vendor.n) mg_buf_json(l->w->out, m.vendor);
    }
    put(l->w, "}");
    return MG_OK;
}

/* A deferred tool becomes available: since all tools are given in full, it is already. */
static mg_status add_tool_addition(part_list *l, const mg_anthropic_place *place, const mg_json *block) {
    (void)block;
    mg_anthropic_drop(l->w, place, MG_STR("tool_addition"));
    return MG_OK;
}

typedef struct kind {
    const char *type;
    mg_status (*add)(part_list *l, const mg_anthropic_place *place, const mg_json *block);
} kind;

static const kind kinds[] = {
    {"text", add_text},
    {"image", add_image},
    {"document", add_document},
    {"search_result", add_search_result},
    {"tool_reference", add_tool_reference},
    {"thinking", add_thinking},
    {"redacted_thinking", add_redacted},
    {"tool_addition", add_tool_addition},
};

static mg_status add_part(part_list *l, const mg_anthropic_place *place, const mg_json *block) {
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (is_kind(block, kinds[i].type)) return kinds[i].add(l, place, block);
    return refuse(l->w, place, block, ONLY_ANTHROPIC);
}

/* Blocks that become messages or calls of their own. */
static bool is_call(const mg_json *block) { return is_kind(block, "tool_result") || is_kind(block, "tool_use"); }

static mg_status add_parts(part_list *l, const mg_anthropic_place *up, const mg_json *content) {
    mg_status st = MG_OK;
    size_t i = 0;
    if (mg_json_kind(content) == MG_JSON_STRING) add_plain_text(l, content, NULL);
    for (const mg_json *b = first_of(content); b && st == MG_OK; b = b->next) {
        const mg_anthropic_place place = {up, NULL, i++};
        if (l->calls && is_call(b)) continue;
        st = add_part(l, &place, b);
        if (is_kind(b, "text") && text_mark(b->next).kind == MG_ANTHROPIC_MARK_TEXT) {
            b = b->next;
            i++;
        }
    }
    return st;
}

/* ---- messages ----------------------------------------------------------------------------------------------------- */

typedef struct message_list {
    const mg_anthropic_writer *w;
    size_t n;
} message_list;

static void begin_message(message_list *l, const char *role) {
    put(l->w, l->n++ ? ",{\"role\":\"" : "{\"role\":\"");
    put(l->w, role);
    put(l->w, "\"");
}

static size_t count_parts(const mg_json *content, bool calls) {
    size_t n = 0;
    for (const mg_json *b = first_of(content); b; b = b->next) n += !(calls && is_call(b));
    return n;
}

/* The text of the only part, if nothing but the text has to be said: servers that only know strings take it too. */
static const mg_json *only_text(const mg_json *content, bool calls) {
    const mg_json *found = NULL;
    if (mg_json_kind(content) == MG_JSON_STRING) return content;
    if (count_parts(content, calls) != 1) return NULL;
    for (const mg_json *b = first_of(content); b; b = b->next)
        if (!(calls && is_call(b))) found = b;
    return is_kind(found, "text") && !is_there(mg_json_get(found, MG_STR("cache_control"))) &&
                   !is_there(mg_json_get(found, MG_STR("citations")))
               ? mg_json_get(found, MG_STR("text"))
               : NULL;
}

/* `calls`: the content of a message that may hold calls or results. */
static mg_status add_content(const mg_anthropic_writer *w, const mg_anthropic_place *place, const mg_json *content,
                             bool calls) {
    const mg_json *text = only_text(content, calls);
    part_list l = {w, 0, calls};
    put(w, ",\"content\":");
    if (text) {
        mg_anthropic_raw(w, text);
        return MG_OK;
    }
    if (!count_parts(content, calls)) {
        put(w, "\"\"");
        return MG_OK;
    }
    put(w, "[");
    mg_status st = add_parts(&l, place, content);
    put(w, "]");
    return st;
}

static mg_status add_result(message_list *l, const mg_anthropic_place *place, const mg_json *block) {
    const mg_anthropic_place list = {place, "content", 0};
    begin_message(l, "tool");
    mg_anthropic_copy(l->w, "tool_call_id", mg_json_get(block, MG_STR("tool_use_id")));
    mg_status st = add_content(l->w, &list, mg_json_get(block, MG_STR("content")), false);
    if (mg_json_bool(mg_json_get(block, MG_STR("is_error")), false)) put(l->w, ",\"is_error\":true");
    mg_anthropic_copy(l->w, "cache_control", mg_json_get(block, MG_STR("cache_control")));
    put(l->w, "}");
    return st;
}

/* What stands in a message of the wrong role is refused: it has no place to go. */
static mg_status refuse_misplaced(const mg_anthropic_writer *w, const mg_anthropic_place *up, const mg_json *content,
                                  bool (*misplaced)(const mg_json *block), const char *why) {
    size_t i = 0;
    for (const mg_json *b = first_of(content); b; b = b->next) {
        const mg_anthropic_place place = {up, NULL, i++};
        if (misplaced(b)) return refuse(w, &place, b, why);
    }
    return MG_OK;
}

static bool is_said(const mg_json *b) {
    return is_kind(b, "tool_use") || is_kind(b, "thinking") || is_kind(b, "redacted_thinking");
}

static bool is_result(const mg_json *b) { return is_kind(b, "tool_result"); }

static mg_status add_user(message_list *l, const mg_anthropic_place *place, const mg_json *content) {
    const mg_anthropic_place list = {place, "content", 0};
    mg_status st = refuse_misplaced(l->w, &list, content, is_said, "which belongs into a message of role 'assistant'");
    size_t i = 0, results = 0;
    for (const mg_json *b = first_of(content); b && st == MG_OK; b = b->next) {
        const mg_anthropic_place at = {&list, NULL, i++};
        if (!is_result(b)) continue;
        results++;
        st = add_result(l, &at, b);
    }
    if (st != MG_OK || (results && !count_parts(content, true))) return st;
    begin_message(l, "user");
    st = add_content(l->w, &list, content, true);
    put(l->w, "}");
    return st;
}

static void add_call_mark(const mg_anthropic_writer *w, const mg_json *content, mg_str id) {
    part_list l = {w, 0, false};
    for (const mg_json *b = first_of(content); b; b = b->next) {
        if (!is_kind(b, "redacted_thinking")) continue;
        mg_anthropic_mark m = mg_anthropic_mark_read(text_of(b, "data"));
        if (m.kind != MG_ANTHROPIC_MARK_TOOL || !mg_str_eq(m.id, id)) continue;
        add_bytes(&l, m.vendor, m.bytes);
        return;
    }
}

static void add_call(const mg_anthropic_writer *w, const mg_anthropic_place *place, const mg_json *block,
                     const mg_json *content) {
    const mg_json *input = mg_json_get(block, MG_STR("input"));
    put(w, "{\"id\":");
    mg_anthropic_raw(w, mg_json_get(block, MG_STR("id")));
    put(w, ",\"type\":\"function\",\"function\":{\"name\":");
    mg_anthropic_raw(w, mg_json_get(block, MG_STR("name")));
    put(w, ",\"arguments\":");
    mg_buf_json(w->out, mg_str_from(w->source.p + input->src, input->src_end - input->src));
    put(w, "}");
    add_call_mark(w, content, text_of(block, "id"));
    put(w, "}");
    if (is_there(mg_json_get(block, MG_STR("cache_control")))) mg_anthropic_drop(w, place, MG_STR("cache_control"));
}

static mg_status add_calls(const mg_anthropic_writer *w, const mg_anthropic_place *up, const mg_json *content) {
    size_t i = 0, calls = 0;
    for (const mg_json *b = first_of(content); b; b = b->next) {
        const mg_anthropic_place place = {up, NULL, i++};
        if (!is_kind(b, "tool_use")) continue;
        mg_str caller = text_of(mg_json_get(b, MG_STR("caller")), "type");
        if (caller.n && !mg_str_is(caller, "direct"))
            return refuse(w, &place, b,
                          "called by a program that ran at Anthropic: only its own models can go on with it");
        put(w, calls++ ? "," : ",\"tool_calls\":[");
        add_call(w, &place, b, content);
    }
    if (calls) put(w, "]");
    return MG_OK;
}

/* A message that consists of marks for its calls alone has no content. */
static bool has_content(const mg_json *content) {
    if (mg_json_kind(content) == MG_JSON_STRING) return true;
    for (const mg_json *b = first_of(content); b; b = b->next) {
        if (is_call(b)) continue;
        if (!is_kind(b, "redacted_thinking")) return true;
        if (mg_anthropic_mark_read(text_of(b, "data")).kind != MG_ANTHROPIC_MARK_TOOL) return true;
    }
    return false;
}

static mg_status add_assistant(message_list *l, const mg_anthropic_place *place, const mg_json *content) {
    const mg_anthropic_place list = {place, "content", 0};
    mg_status st = refuse_misplaced(l->w, &list, content, is_result, "which belongs into a message of role 'user'");
    if (st != MG_OK) return st;
    begin_message(l, "assistant");
    if (has_content(content))
        st = add_content(l->w, &list, content, true);
    else
        put(l->w, first_of(content) ? ",\"content\":null" : ",\"content\":\"\"");
    if (st == MG_OK) st = add_calls(l->w, &list, content);
    put(l->w, "}");
    return st;
}

/* Whether nothing but additions of tools stands in it. */
static bool is_silent(const mg_json *content) {
    for (const mg_json *b = first_of(content); b; b = b->next)
        if (!is_kind(b, "tool_addition")) return false;
    return first_of(content) != NULL;
}

static mg_status add_system(message_list *l, const mg_anthropic_place *place, const mg_json *content) {
    part_list nothing = {l->w, 0, false};
    if (is_silent(content)) return add_parts(&nothing, place, content);
    begin_message(l, "system");
    mg_status st = add_content(l->w, place, content, false);
    put(l->w, "}");
    return st;
}

/* The top-level system prompt, which has no `content` of its own in its place. */
static mg_status add_system_prompt(message_list *l, const mg_json *system) {
    if (!is_there(system) || (system->type == MG_JSON_ARRAY && !system->count)) return MG_OK;
    if (system->type == MG_JSON_STRING && !system->str.n) return MG_OK;
    const mg_anthropic_place place = {NULL, "system", 0};
    return add_system(l, &place, system);
}

mg_status mg_anthropic_messages(const mg_anthropic_writer *w, const mg_json *root) {
    const mg_anthropic_place list = {NULL, "messages", 0};
    message_list l = {w, 0};
    mg_status st = add_system_prompt(&l, mg_json_get(root, MG_STR("system")));
    size_t i = 0;
    for (const mg_json *m = first_of(mg_json_get(root, MG_STR("messages"))); m && st == MG_OK; m = m->next) {
        const mg_anthropic_place place = {&list, NULL, i++};
        const mg_anthropic_place inner = {&place, "content", 0};
        const mg_json *content = mg_json_get(m, MG_STR("content"));
        if (mg_str_is(text_of(m, "role"), "assistant"))
            st = add_assistant(&l, &place, content);
        else if (mg_str_is(text_of(m, "role"), "system"))
            st = add_system(&l, &inner, content);
        else
            st = add_user(&l, &place, content);
    }
    return st;
}
