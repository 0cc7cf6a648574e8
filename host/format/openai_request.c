/* The conversation in OpenAI's requests: its parts, and the changes that policies make to it. */
#include "format/openai.h"

/* ---- parts ------------------------------------------------------------------------------------------------------- */

typedef struct part_list {
    mg_part_sink *take;
    void *arg;
} part_list;

static void add_part(const part_list *l, mg_part p) { l->take(l->arg, &p); }

static size_t span_of(const mg_json *v) { return v ? v->src_end - v->src : 0; }

static void add_text(const part_list *l, mg_part_kind kind, mg_str role, mg_str name, const mg_json *text) {
    if (mg_json_kind(text) == MG_JSON_STRING) add_part(l, (mg_part){kind, role, name, {0}, text, text->str.n});
}

/* "data:image/png;base64,…" says its type; a URL does not. */
static mg_str mime_of_url(mg_str url) {
    if (!mg_str_starts(url, MG_STR("data:"))) return (mg_str){0};
    mg_str rest = mg_str_skip(url, 5);
    size_t end = mg_str_find(rest, ';'), comma = mg_str_find(rest, ',');
    return mg_str_from(rest.p, end < comma ? end : comma);
}

static void add_content_part(const part_list *l, mg_str role, const mg_json *part) {
    mg_str type = mg_json_text(mg_json_get(part, MG_STR("type")));
    if (mg_str_is(type, "text")) {
        add_text(l, MG_PART_TEXT, role, (mg_str){0}, mg_json_get(part, MG_STR("text")));
    } else if (mg_str_is(type, "refusal")) {
        add_text(l, MG_PART_TEXT, role, (mg_str){0}, mg_json_get(part, MG_STR("refusal")));
    } else if (mg_str_is(type, "image_url")) {
        const mg_json *url = mg_json_path(part, "image_url.url");
        add_part(l, (mg_part){MG_PART_IMAGE, role, {0}, mime_of_url(mg_json_text(url)), NULL, span_of(url)});
    } else if (mg_str_is(type, "input_audio")) {
        const mg_json *audio = mg_json_get(part, MG_STR("input_audio"));
        add_part(
            l, (mg_part){
                   MG_PART_AUDIO, role, {0}, mg_json_text(mg_json_get(audio, MG_STR("format"))), NULL, span_of(audio)});
    } else if (mg_str_is(type, "file")) {
        const mg_json *file = mg_json_get(part, MG_STR("file"));
        add_part(
            l, (mg_part){
                   MG_PART_FILE, role, mg_json_text(mg_json_get(file, MG_STR("filename"))), {0}, NULL, span_of(file)});
    } else {
        add_part(l, (mg_part){MG_PART_OTHER, role, type, {0}, NULL, span_of(part)});
    }
}

static void add_message_parts(const part_list *l, const mg_json *message) {
    mg_str role = mg_json_text(mg_json_get(message, MG_STR("role")));
    const mg_json *content = mg_json_get(message, MG_STR("content"));
    if (mg_json_kind(content) == MG_JSON_STRING) add_text(l, MG_PART_TEXT, role, (mg_str){0}, content);
    if (mg_json_kind(content) == MG_JSON_ARRAY)
        for (const mg_json *p = content->child; p; p = p->next) add_content_part(l, role, p);
    add_text(l, MG_PART_TEXT, role, (mg_str){0}, mg_json_get(message, MG_STR("refusal")));
    const mg_json *calls = mg_json_get(message, MG_STR("tool_calls"));
    for (const mg_json *c = calls && calls->type == MG_JSON_ARRAY ? calls->child : NULL; c; c = c->next) {
        const mg_json *f = mg_json_get(c, MG_STR("function"));
        add_text(l, MG_PART_TOOL_ARGUMENTS, role, mg_json_text(mg_json_get(f, MG_STR("name"))),
                 mg_json_get(f, MG_STR("arguments")));
    }
}

static void add_input_parts(const part_list *l, const mg_json *input) {
    add_text(l, MG_PART_TEXT, MG_STR("input"), (mg_str){0}, input);
    if (mg_json_kind(input) == MG_JSON_ARRAY)
        for (const mg_json *i = input->child; i; i = i->next)
            add_text(l, MG_PART_TEXT, MG_STR("input"), (mg_str){0}, i);
}

void mg_openai_parts(mg_operation op, const mg_json *root, mg_part_sink *take, void *arg) {
    const part_list l = {take, arg};
    const mg_json *messages = mg_json_get(root, MG_STR("messages"));
    if (op != MG_OP_CHAT)
        add_input_parts(&l, mg_json_get(root, MG_STR("input")));
    else if (mg_json_kind(messages) == MG_JSON_ARRAY)
        for (const mg_json *m = messages->child; m; m = m->next) add_message_parts(&l, m);
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */

static bool is_system(mg_str role) { return mg_str_is(role, "system") || mg_str_is(role, "developer"); }

static mg_str message_json(mg_arena *arena, mg_str role, mg_str text) {
    mg_buf b = {0};
    mg_buf_str(&b, MG_STR("{\"role\":"));
    mg_buf_json(&b, role);
    mg_buf_str(&b, MG_STR(",\"content\":"));
    mg_buf_json(&b, text);
    mg_buf_str(&b, MG_STR("}"));
    mg_str out = mg_arena_dup(arena, mg_buf_view(&b));
    mg_buf_finish(&b);
    return out;
}

mg_status mg_openai_set_system(const mg_draft *d, mg_str text, mg_error *error) {
    (void)error;
    const mg_json *messages = mg_json_get(d->root, MG_STR("messages"));
    bool placed = false;
    for (const mg_json *m = messages->child; m; m = m->next) {
        if (!is_system(mg_json_text(mg_json_get(m, MG_STR("role"))))) continue;
        if (!placed)
            mg_edits_set(d->edits, m, MG_STR("content"), mg_format_quoted(d->edits->arena, text));
        else
            mg_edits_remove(d->edits, messages, m, d->source);
        placed = true;
    }
    if (!placed) mg_edits_append(d->edits, messages, message_json(d->edits->arena, MG_STR("system"), text), true);
    return MG_OK;
}

mg_status mg_openai_add_message(const mg_draft *d, mg_str role, mg_str text, mg_error *error) {
    (void)error;
    mg_edits_append(d->edits, mg_json_get(d->root, MG_STR("messages")), message_json(d->edits->arena, role, text),
                    false);
    return MG_OK;
}

mg_status mg_openai_set_max_output(const mg_draft *d, int64_t tokens, mg_error *error) {
    (void)error;
    bool old = mg_json_get(d->root, MG_STR("max_tokens")) && !mg_json_get(d->root, MG_STR("max_completion_tokens"));
    mg_edits_set(d->edits, d->root, old ? MG_STR("max_tokens") : MG_STR("max_completion_tokens"),
                 mg_arena_int(d->edits->arena, tokens));
    return MG_OK;
}

mg_status mg_openai_set_param(const mg_draft *d, mg_str key, mg_str json, mg_error *error) {
    static const char *const own[] = {"model", "messages", "input", "stream"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (mg_str_is(key, own[i]))
            return mg_fail(error, 500, "policy_failed",
                           "set_param can't change '%s': there is a method of its own for that", own[i]);
    const mg_json *member = mg_json_get(d->root, key);
    if (json.p)
        mg_edits_set(d->edits, d->root, mg_arena_dup(d->edits->arena, key), json);
    else if (member)
        mg_edits_remove(d->edits, d->root, member, d->source);
    return MG_OK;
}

const mg_json *mg_openai_param(const mg_json *root, mg_str key) { return mg_json_get(root, key); }

mg_status mg_openai_remove_tool(const mg_draft *d, mg_str name, mg_error *error) {
    (void)error;
    const mg_json *tools = mg_json_get(d->root, MG_STR("tools")), *found = NULL;
    size_t left = 0;
    for (const mg_json *t = mg_json_kind(tools) == MG_JSON_ARRAY ? tools->child : NULL; t; t = t->next) {
        if (mg_str_eq(mg_json_text(mg_json_path(t, "function.name")), name))
            found = t;
        else
            left++;
    }
    if (!found) return MG_DECLINED;
    if (left) {
        mg_edits_remove(d->edits, tools, found, d->source);
        return MG_OK;
    }
    /* Vendors refuse an empty list of tools, and a tool_choice without tools. */
    const mg_json *choice = mg_json_get(d->root, MG_STR("tool_choice"));
    mg_edits_remove(d->edits, d->root, tools, d->source);
    if (choice) mg_edits_remove(d->edits, d->root, choice, d->source);
    return MG_OK;
}
