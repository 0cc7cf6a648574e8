/* The pieces of a conversation: every string that the model reads is a part, so that policies can look at it and change it.
 * The system prompt comes first, wherever it stands in the body. */
#include "format/anthropic.h"

typedef struct walk {
    mg_part_sink *take;
    void *arg;
    mg_str role;
} walk;

static size_t span_of(const mg_json *v) { return v ? v->src_end - v->src : 0; }

static mg_str text_of(const mg_json *object, const char *key) {
    return mg_json_text(mg_json_get(object, mg_str_of(key)));
}

static void add_text(const walk *w, mg_part_kind kind, mg_str name, const mg_json *text) {
    if (mg_json_kind(text) != MG_JSON_STRING) return;
    const mg_part p = {kind, w->role, name, {NULL, 0}, text, text->str.n};
    w->take(w->arg, &p);
}

static void add_blob(const walk *w, mg_part_kind kind, mg_str name, mg_str mime, const mg_json *payload) {
    const mg_part p = {kind, w->role, name, mime, NULL, span_of(payload)};
    w->take(w->arg, &p);
}

static void walk_blocks(const walk *w, const mg_json *content);

/* The payload of a source, whichever kind it is. */
static const mg_json *payload_of(const mg_json *source) {
    static const char *const keys[] = {"data", "url", "file_id"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const mg_json *v = mg_json_get(source, mg_str_of(keys[i]));
        if (v) return v;
    }
    return source;
}

static void add_document(const walk *w, const mg_json *block) {
    static const mg_str none = {NULL, 0};
    const mg_json *source = mg_json_get(block, MG_STR("source")), *title = mg_json_get(block, MG_STR("title"));
    mg_str type = text_of(source, "type");
    add_text(w, MG_PART_TEXT, none, title);
    add_text(w, MG_PART_TEXT, none, mg_json_get(block, MG_STR("context")));
    if (mg_str_is(type, "text"))
        add_text(w, MG_PART_TEXT, mg_json_text(title), mg_json_get(source, MG_STR("data")));
    else if (mg_str_is(type, "content"))
        walk_blocks(w, mg_json_get(source, MG_STR("content")));
    else
        add_blob(w, MG_PART_FILE, mg_json_text(title), text_of(source, "media_type"), payload_of(source));
}

static void add_search_result(const walk *w, const mg_json *block) {
    static const mg_str none = {NULL, 0};
    add_text(w, MG_PART_TEXT, none, mg_json_get(block, MG_STR("title")));
    add_text(w, MG_PART_TEXT, none, mg_json_get(block, MG_STR("source")));
    walk_blocks(w, mg_json_get(block, MG_STR("content")));
}

/* One part for each string in a tool's input, however deep. The tree's depth is bounded by the parser. */
static void add_strings(const walk *w, mg_str name, const mg_json *v) {
    if (mg_json_kind(v) == MG_JSON_STRING) add_text(w, MG_PART_TOOL_ARGUMENTS, name, v);
    if (mg_json_kind(v) != MG_JSON_OBJECT && mg_json_kind(v) != MG_JSON_ARRAY) return;
    for (const mg_json *c = v->child; c; c = c->next) add_strings(w, name, c);
}

static void add_text_block(const walk *w, const mg_json *block) {
    static const mg_str none = {NULL, 0};
    const mg_json *citations = mg_json_get(block, MG_STR("citations"));
    add_text(w, MG_PART_TEXT, none, mg_json_get(block, MG_STR("text")));
    for (const mg_json *c = mg_json_kind(citations) == MG_JSON_ARRAY ? citations->child : NULL; c; c = c->next)
        add_text(w, MG_PART_TEXT, none, mg_json_get(c, MG_STR("cited_text")));
}

static void add_block(const walk *w, const mg_json *block) {
    mg_str type = text_of(block, "type");
    if (mg_str_is(type, "text")) {
        add_text_block(w, block);
    } else if (mg_str_is(type, "image")) {
        const mg_json *source = mg_json_get(block, MG_STR("source"));
        add_blob(w, MG_PART_IMAGE, (mg_str){NULL, 0}, text_of(source, "media_type"), payload_of(source));
    } else if (mg_str_is(type, "document")) {
        add_document(w, block);
    } else if (mg_str_is(type, "search_result")) {
        add_search_result(w, block);
    } else if (mg_str_is(type, "tool_use") || mg_str_is(type, "server_tool_use") || mg_str_is(type, "mcp_tool_use")) {
        add_strings(w, text_of(block, "name"), mg_json_get(block, MG_STR("input")));
    } else if (mg_str_is(type, "tool_result") || mg_str_is(type, "mcp_tool_result")) {
        const walk result = {w->take, w->arg, MG_STR("tool")};
        walk_blocks(&result, mg_json_get(block, MG_STR("content")));
    } else {
        add_blob(w, MG_PART_OTHER, type, (mg_str){NULL, 0}, block);
    }
}

static void walk_blocks(const walk *w, const mg_json *content) {
    add_text(w, MG_PART_TEXT, (mg_str){NULL, 0}, content);
    if (mg_json_kind(content) != MG_JSON_ARRAY) return;
    for (const mg_json *b = content->child; b; b = b->next) add_block(w, b);
}

void mg_anthropic_parts(mg_operation op, const mg_json *root, mg_part_sink *take, void *arg) {
    (void)op;
    const mg_json *messages = mg_json_get(root, MG_STR("messages"));
    const walk system = {take, arg, MG_STR("system")};
    walk_blocks(&system, mg_json_get(root, MG_STR("system")));
    for (const mg_json *m = mg_json_kind(messages) == MG_JSON_ARRAY ? messages->child : NULL; m; m = m->next) {
        const walk w = {take, arg, text_of(m, "role")};
        walk_blocks(&w, mg_json_get(m, MG_STR("content")));
    }
}
