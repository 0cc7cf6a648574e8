/* The conversation in requests for responses: its parts, and the changes that policies make to it. */
#include "format/responses.h"

/* ---- parts ------------------------------------------------------------------------------------------------------- */

typedef struct part_list {
    mg_part_sink *take;
    void *arg;
} part_list;

static void add_part(const part_list *l, mg_part p) { l->take(l->arg, &p); }

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
    size_t bytes = part->src_end - part->src;
    if (mg_str_is(type, "input_text") || mg_str_is(type, "output_text")) {
        add_text(l, MG_PART_TEXT, role, (mg_str){0}, mg_json_get(part, MG_STR("text")));
    } else if (mg_str_is(type, "refusal")) {
        add_text(l, MG_PART_TEXT, role, (mg_str){0}, mg_json_get(part, MG_STR("refusal")));
    } else if (mg_str_is(type, "input_image")) {
        mg_str url = mg_json_text(mg_json_get(part, MG_STR("image_url")));
        add_part(l, (mg_part){MG_PART_IMAGE, role, {0}, mime_of_url(url), NULL, bytes});
    } else if (mg_str_is(type, "input_audio")) {
        mg_str format = mg_json_text(mg_json_path(part, "input_audio.format"));
        add_part(l, (mg_part){MG_PART_AUDIO, role, {0}, format, NULL, bytes});
    } else if (mg_str_is(type, "input_file")) {
        mg_str data = mg_json_text(mg_json_get(part, MG_STR("file_data")));
        mg_str name = mg_json_text(mg_json_get(part, MG_STR("filename")));
        add_part(l, (mg_part){MG_PART_FILE, role, name, mime_of_url(data), NULL, bytes});
    } else {
        add_part(l, (mg_part){MG_PART_OTHER, role, type, {0}, NULL, bytes});
    }
}

static void add_content(const part_list *l, mg_str role, const mg_json *content) {
    add_text(l, MG_PART_TEXT, role, (mg_str){0}, content);
    for (const mg_json *p = mg_responses_first(content); p; p = p->next) add_content_part(l, role, p);
}

static void add_item(const part_list *l, const mg_json *item) {
    mg_str type = mg_json_text(mg_json_get(item, MG_STR("type"))), assistant = MG_STR("assistant");
    mg_str role = mg_json_text(mg_json_get(item, MG_STR("role"))),
           name = mg_json_text(mg_json_get(item, MG_STR("name")));
    if (mg_str_is(type, "message") || (!type.n && role.n)) {
        add_content(l, role, mg_json_get(item, MG_STR("content")));
    } else if (mg_str_is(type, "function_call")) {
        add_text(l, MG_PART_TOOL_ARGUMENTS, assistant, name, mg_json_get(item, MG_STR("arguments")));
    } else if (mg_str_is(type, "custom_tool_call")) {
        add_text(l, MG_PART_TOOL_ARGUMENTS, assistant, name, mg_json_get(item, MG_STR("input")));
    } else if (mg_str_is(type, "function_call_output") || mg_str_is(type, "custom_tool_call_output")) {
        add_content(l, MG_STR("tool"), mg_json_get(item, MG_STR("output")));
    } else if (mg_str_is(type, "reasoning")) {
        for (const mg_json *p = mg_responses_first(mg_json_get(item, MG_STR("summary"))); p; p = p->next)
            add_text(l, MG_PART_OTHER, assistant, type, mg_json_get(p, MG_STR("text")));
        const mg_json *sealed = mg_json_get(item, MG_STR("encrypted_content"));
        if (mg_json_kind(sealed) == MG_JSON_STRING)
            add_part(l, (mg_part){MG_PART_OTHER, assistant, type, {0}, NULL, sealed->src_end - sealed->src});
    } else {
        add_part(l, (mg_part){MG_PART_OTHER, assistant, type, {0}, NULL, item->src_end - item->src});
    }
}

void mg_responses_parts(mg_operation op, const mg_json *root, mg_part_sink *take, void *arg) {
    (void)op;
    const part_list l = {take, arg};
    const mg_json *input = mg_json_get(root, MG_STR("input"));
    add_text(&l, MG_PART_TEXT, MG_STR("system"), (mg_str){0}, mg_json_get(root, MG_STR("instructions")));
    add_text(&l, MG_PART_TEXT, MG_STR("user"), (mg_str){0}, input);
    for (const mg_json *i = mg_responses_first(input); i; i = i->next) add_item(&l, i);
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static bool is_system_message(const mg_json *item) {
    mg_str type = mg_json_text(mg_json_get(item, MG_STR("type")));
    mg_str role = mg_json_text(mg_json_get(item, MG_STR("role")));
    return (!type.n || mg_str_is(type, "message")) && (mg_str_is(role, "system") || mg_str_is(role, "developer"));
}

/* The text becomes the instructions; what other system and developer messages the input holds, it replaces too. */
mg_status mg_responses_set_system(const mg_draft *d, mg_str text, mg_error *error) {
    (void)error;
    const mg_json *input = mg_json_get(d->root, MG_STR("input"));
    mg_edits_set(d->edits, d->root, MG_STR("instructions"), mg_format_quoted(d->edits->arena, text));
    for (const mg_json *i = mg_responses_first(input); i; i = i->next)
        if (is_system_message(i)) mg_edits_remove(d->edits, input, i, d->source);
    return MG_OK;
}

static mg_str message_json(mg_arena *arena, mg_str role, mg_str quoted) {
    const mg_str parts[] = {MG_STR("{\"type\":\"message\",\"role\":"), mg_format_quoted(arena, role),
                            MG_STR(",\"content\":"), quoted, MG_STR("}")};
    return mg_arena_join(arena, parts, sizeof parts / sizeof parts[0]);
}

mg_status mg_responses_add_message(const mg_draft *d, mg_str role, mg_str text, mg_error *error) {
    (void)error;
    mg_arena *arena = d->edits->arena;
    const mg_json *input = mg_json_get(d->root, MG_STR("input"));
    mg_str added = message_json(arena, role, mg_format_quoted(arena, text));
    if (mg_json_kind(input) == MG_JSON_ARRAY) {
        mg_edits_append(d->edits, input, added, false);
        return MG_OK;
    }
    bool text_input = mg_json_kind(input) == MG_JSON_STRING;
    mg_str first = text_input ? message_json(arena, MG_STR("user"), mg_responses_raw(d->source, input)) : MG_STR("");
    const mg_str list[] = {MG_STR("["), first, text_input ? MG_STR(",") : MG_STR(""), added, MG_STR("]")};
    mg_edits_set(d->edits, d->root, MG_STR("input"), mg_arena_join(arena, list, sizeof list / sizeof list[0]));
    return MG_OK;
}

/* ---- parameters -------------------------------------------------------------------------------------------------- */

mg_status mg_responses_set_max_output(const mg_draft *d, int64_t tokens, mg_error *error) {
    (void)error;
    mg_edits_set(d->edits, d->root, MG_STR("max_output_tokens"), mg_arena_int(d->edits->arena, tokens));
    return MG_OK;
}

/* Where chat's parameters stand here. */
typedef struct place {
    const char *chat, *parent, *name;
} place;

static const place places[] = {{"max_completion_tokens", NULL, "max_output_tokens"},
                               {"max_tokens", NULL, "max_output_tokens"},
                               {"response_format", "text", "format"},
                               {"verbosity", "text", "verbosity"},
                               {"reasoning_effort", "reasoning", "effort"}};

static const place *place_of(mg_str key) {
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (mg_str_is(key, places[i].chat)) return &places[i];
    return NULL;
}

/* Chat's {"type":T,T:{…}} without the inner object, in tools, tool_choice and response_format. */
static void write_flat(mg_str text, const mg_json *v, mg_buf *o) {
    mg_str type = mg_json_text(mg_json_get(v, MG_STR("type")));
    const mg_json *inner = type.n ? mg_json_get(v, type) : NULL;
    if (mg_json_kind(v) == MG_JSON_ARRAY) {
        mg_buf_str(o, MG_STR("["));
        for (const mg_json *c = v->child; c; c = c->next) {
            write_flat(text, c, o);
            if (c->next) mg_buf_str(o, MG_STR(","));
        }
        mg_buf_str(o, MG_STR("]"));
        return;
    }
    if (mg_json_kind(inner) != MG_JSON_OBJECT) {
        mg_buf_str(o, mg_responses_raw(text, v));
        return;
    }
    mg_buf_str(o, MG_STR("{\"type\":"));
    mg_buf_json(o, type);
    for (const mg_json *m = inner->child; m; m = m->next) {
        mg_buf_str(o, MG_STR(","));
        mg_buf_json(o, m->key);
        mg_buf_str(o, MG_STR(":"));
        if (mg_str_is(m->key, "tools") || mg_str_is(m->key, "format"))
            write_flat(text, m, o);
        else
            mg_buf_str(o, mg_responses_raw(text, m));
    }
    mg_buf_str(o, MG_STR("}"));
}

static mg_status flatten(mg_arena *arena, mg_str key, mg_str *json, mg_error *error) {
    if (!mg_str_is(key, "response_format") && !mg_str_is(key, "tools") && !mg_str_is(key, "tool_choice")) return MG_OK;
    const mg_json *v;
    mg_json_parser *parser = mg_json_parser_create();
    mg_status st = mg_json_parse_copy(parser, arena, *json, &v, error);
    mg_json_parser_destroy(parser);
    if (st != MG_OK) return st;
    mg_buf b = {0};
    write_flat(*json, v, &b);
    *json = mg_arena_dup(arena, mg_buf_view(&b));
    mg_buf_finish(&b);
    return MG_OK;
}

static mg_status check_settable(mg_str key, mg_error *error) {
    static const char *const own[] = {"model", "messages", "input", "instructions", "stream"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (mg_str_is(key, own[i]))
            return mg_fail(error, 500, "policy_failed",
                           "set_param can't change '%s': there is a method of its own for that", own[i]);
    if (mg_str_is(key, "n") || mg_str_is(key, "logprobs"))
        return mg_fail(error, 500, "policy_failed",
                       "set_param can't set '%.*s': requests for responses have no such "
                       "parameter",
                       MG_STR_ARG(key));
    return MG_OK;
}

mg_status mg_responses_set_param(const mg_draft *d, mg_str key, mg_str json, mg_error *error) {
    mg_arena *arena = d->edits->arena;
    if (check_settable(key, error) != MG_OK) return MG_ERROR;
    if (json.p && flatten(arena, key, &json, error) != MG_OK) return MG_ERROR;
    const place *p = place_of(key);
    mg_str name = p ? mg_str_of(p->name) : mg_arena_dup(arena, key);
    mg_str parent_name = mg_str_of(p ? p->parent : NULL);
    const mg_json *parent = parent_name.n ? mg_json_get(d->root, parent_name) : d->root;
    const mg_json *member = mg_json_get(parent, name);
    if (!json.p) {
        if (member) mg_edits_remove(d->edits, parent, member, d->source);
    } else if (mg_json_kind(parent) == MG_JSON_OBJECT) {
        mg_edits_set(d->edits, parent, name, json);
    } else {
        const mg_str object[] = {MG_STR("{\""), name, MG_STR("\":"), json, MG_STR("}")};
        mg_edits_set(d->edits, d->root, parent_name, mg_arena_join(arena, object, sizeof object / sizeof object[0]));
    }
    return MG_OK;
}

const mg_json *mg_responses_param(const mg_json *root, mg_str key) {
    const place *p = place_of(key);
    if (!p) return mg_json_get(root, key);
    return mg_json_get(p->parent ? mg_json_get(root, mg_str_of(p->parent)) : root, mg_str_of(p->name));
}

/* ---- tools ------------------------------------------------------------------------------------------------------- */

/* Tools that OpenAI runs have a type or a server_label instead of a name. */
static bool is_named(const mg_json *tool, mg_str name) {
    mg_str own = mg_json_text(mg_json_get(tool, MG_STR("name")));
    if (!own.n) own = mg_json_text(mg_json_get(tool, MG_STR("server_label")));
    if (!own.n) own = mg_json_text(mg_json_get(tool, MG_STR("type")));
    return own.n && mg_str_eq(own, name);
}

static size_t remove_named(const mg_draft *d, const mg_json *list, mg_str name) {
    size_t removed = 0;
    for (const mg_json *t = mg_responses_first(list); t; t = t->next)
        if (is_named(t, name)) {
            mg_edits_remove(d->edits, list, t, d->source);
            removed++;
        }
    return removed;
}

/* A choice must not name a tool that is gone. */
static void unchoose(const mg_draft *d, const mg_json *choice, mg_str name) {
    const mg_json *allowed = mg_json_get(choice, MG_STR("tools"));
    bool gone = mg_json_kind(choice) == MG_JSON_OBJECT && is_named(choice, name);
    if (!gone && mg_responses_first(allowed)) gone = remove_named(d, allowed, name) == allowed->count;
    if (gone) mg_edits_remove(d->edits, d->root, choice, d->source);
}

mg_status mg_responses_remove_tool(const mg_draft *d, mg_str name, mg_error *error) {
    (void)error;
    const mg_json *tools = mg_json_get(d->root, MG_STR("tools")), *choice = mg_json_get(d->root, MG_STR("tool_choice"));
    size_t removed = remove_named(d, tools, name);
    if (!removed) return MG_DECLINED;
    if (removed == tools->count) {
        mg_edits_remove(d->edits, d->root, tools, d->source);
        if (choice) mg_edits_remove(d->edits, d->root, choice, d->source);
    } else {
        unchoose(d, choice, name);
    }
    return MG_OK;
}
