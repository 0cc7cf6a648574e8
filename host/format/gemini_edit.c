/* Changes to Gemini's requests. What several of them change in one draft comes together in one text. */
#include "format/gemini.h"

/* ---- members that may not be there yet --------------------------------------------------------------------------------- */

/* What this draft has already put in the place of a member, or added as one; {NULL, 0} if nothing. */
static mg_str pending_value(const mg_draft *d, const mg_json *object, const char *field) {
    const mg_json *member = mg_gemini_member(object, field);
    for (const mg_edit *x = d->edits->first; x; x = x->next) {
        if (member && x->kind == MG_EDIT_REPLACE && x->start == member->src && x->end == member->src_end)
            return x->text;
        if (!member && x->kind == MG_EDIT_APPEND && x->parent == object && mg_gemini_named(x->key, field))
            return mg_str_skip(x->text, mg_str_find(x->text, ':') + 1);
    }
    return (mg_str){NULL, 0};
}

static void set_member(const mg_draft *d, const mg_json *object, const char *field, mg_str json) {
    const mg_json *member = mg_gemini_member(object, field);
    mg_edits_set(d->edits, object, member ? member->key : mg_str_of(field), json);
}

/* A member that this draft has added can only be made null, which is the same to the API. */
static void remove_member(const mg_draft *d, const mg_json *object, const char *field) {
    const mg_json *member = mg_gemini_member(object, field);
    if (member)
        mg_edits_remove(d->edits, object, member, d->source);
    else if (pending_value(d, object, field).p)
        set_member(d, object, field, MG_STR("null"));
}

static mg_str taken(mg_arena *arena, mg_buf *b) {
    mg_str text = mg_arena_dup(arena, mg_buf_view(b));
    mg_buf_finish(b);
    return text;
}

/* An object's text with a member set, or without it (json {NULL, 0}). */
static mg_str object_with(mg_arena *arena, mg_str object, const char *field, mg_str json) {
    mg_buf b = {0};
    const mg_json *root = NULL;
    mg_json_parser *parser = mg_json_parser_create();
    mg_buf_str(&b, MG_STR("{"));
    if (object.n) mg_json_parse_copy(parser, arena, object, &root, NULL);
    for (const mg_json *m = mg_json_kind(root) == MG_JSON_OBJECT ? root->child : NULL; m; m = m->next) {
        if (mg_gemini_named(m->key, field)) continue;
        mg_gemini_comma(&b);
        mg_buf_json(&b, m->key);
        mg_buf_str(&b, MG_STR(":"));
        mg_buf_str(&b, mg_gemini_source(object, m));
    }
    mg_json_parser_destroy(parser);
    if (json.p) {
        mg_gemini_key(&b, field);
        mg_buf_str(&b, json);
    }
    mg_buf_str(&b, MG_STR("}"));
    return taken(arena, &b);
}

/* ---- parameters -------------------------------------------------------------------------------------------------------- */

/* Sets a member of generationConfig, which is made if there is none; json {NULL, 0} removes it. */
static void set_config(const mg_draft *d, const char *field, mg_str json) {
    const mg_json *config = mg_gemini_member(d->root, "generationConfig");
    if (mg_json_kind(config) == MG_JSON_OBJECT) {
        if (json.p)
            set_member(d, config, field, json);
        else
            remove_member(d, config, field);
        return;
    }
    mg_str pending = pending_value(d, d->root, "generationConfig");
    if (!json.p && !pending.p) return;
    set_member(d, d->root, "generationConfig", object_with(d->edits->arena, pending, field, json));
}

typedef struct name_pair {
    const char *openai, *gemini;
} name_pair;

/* Members of generationConfig whose values are the same in both APIs. */
static const name_pair config_names[] = {{"temperature", "temperature"},
                                         {"top_p", "topP"},
                                         {"top_k", "topK"},
                                         {"seed", "seed"},
                                         {"presence_penalty", "presencePenalty"},
                                         {"frequency_penalty", "frequencyPenalty"},
                                         {"n", "candidateCount"},
                                         {"max_tokens", "maxOutputTokens"},
                                         {"max_completion_tokens", "maxOutputTokens"},
                                         {"logprobs", "responseLogprobs"},
                                         {"top_logprobs", "logprobs"}};

static const char *config_name(mg_str key) {
    for (size_t i = 0; i < sizeof config_names / sizeof config_names[0]; i++)
        if (mg_str_is(key, config_names[i].openai)) return config_names[i].gemini;
    return NULL;
}

static mg_status refuse_value(mg_str key, const char *wanted, mg_error *error) {
    return mg_fail(error, 500, "policy_failed", "set_param: '%.*s' takes %s in a request to Gemini", MG_STR_ARG(key),
                   wanted);
}

/* The API wants a list where OpenAI takes one string as well. */
static mg_status set_stop(const mg_draft *d, mg_str json) {
    mg_str one[] = {MG_STR("["), json, MG_STR("]")};
    bool string = json.n && json.p[0] == '"';
    set_config(d, "stopSequences", string ? mg_arena_join(d->edits->arena, one, 3) : json);
    return MG_OK;
}

/* Budgets as in the API's own table of OpenAI's efforts: every thinking model takes a budget, levels are newer. */
static mg_status set_effort(const mg_draft *d, mg_str key, mg_str json, mg_error *error) {
    static const struct {
        const char *effort, *config;
    } table[] = {{"\"none\"", "{\"thinkingBudget\":0}"},     {"\"minimal\"", "{\"thinkingBudget\":1024}"},
                 {"\"low\"", "{\"thinkingBudget\":1024}"},   {"\"medium\"", "{\"thinkingBudget\":8192}"},
                 {"\"high\"", "{\"thinkingBudget\":24576}"}, {"\"xhigh\"", "{\"thinkingBudget\":24576}"}};
    if (!json.p) {
        set_config(d, "thinkingConfig", json);
        return MG_OK;
    }
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (!mg_str_is(json, table[i].effort)) continue;
        set_config(d, "thinkingConfig", mg_str_of(table[i].config));
        return MG_OK;
    }
    return refuse_value(key, "none, minimal, low, medium, high or xhigh", error);
}

static mg_status set_response_format(const mg_draft *d, mg_str key, mg_str json, mg_error *error) {
    const mg_json *root = NULL;
    mg_str schema = {NULL, 0}, type = MG_STR("text");
    if (json.p) {
        mg_json_parser *parser = mg_json_parser_create();
        mg_json_parse_copy(parser, d->edits->arena, json, &root, NULL);
        mg_json_parser_destroy(parser);
        const mg_json *inner = mg_json_path(root, "json_schema.schema");
        type = mg_json_text(mg_json_get(root, MG_STR("type")));
        if (inner) schema = mg_gemini_source(json, inner);
    }
    bool structured = mg_str_is(type, "json_schema");
    if (!structured && !mg_str_is(type, "json_object") && !mg_str_is(type, "text"))
        return refuse_value(key, "an object whose type is text, json_object or json_schema", error);
    set_config(d, "responseMimeType", mg_str_is(type, "text") ? (mg_str){NULL, 0} : MG_STR("\"application/json\""));
    set_config(d, "responseJsonSchema", structured ? schema : (mg_str){NULL, 0});
    set_config(d, "responseSchema", (mg_str){NULL, 0});
    return MG_OK;
}

mg_status mg_gemini_set_param(const mg_draft *d, mg_str key, mg_str json, mg_error *error) {
    static const char *const own[] = {"model",    "messages", "contents",
                                      "input",    "stream",   "systemInstruction",
                                      "requests", "content",  "generateContentRequest"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (mg_gemini_named(key, own[i]))
            return mg_fail(error, 500, "policy_failed",
                           "set_param can't change '%s': there is a method of its own for that", own[i]);
    const char *name = config_name(key);
    if (name) {
        set_config(d, name, json);
        return MG_OK;
    }
    if (mg_str_is(key, "stop")) return set_stop(d, json);
    if (mg_str_is(key, "reasoning_effort")) return set_effort(d, key, json, error);
    if (mg_str_is(key, "response_format")) return set_response_format(d, key, json, error);
    const char *member = mg_arena_dup(d->edits->arena, mg_str_is(key, "metadata") ? MG_STR("labels") : key).p;
    if (json.p)
        set_member(d, d->root, member, json);
    else
        remove_member(d, d->root, member);
    return MG_OK;
}

const mg_json *mg_gemini_param(const mg_json *root, mg_str key) {
    const mg_json *config = mg_gemini_get(root, "generationConfig");
    const char *name = mg_str_is(key, "stop") ? "stopSequences" : config_name(key);
    if (name) return mg_gemini_get(config, name);
    if (mg_str_is(key, "metadata")) return mg_gemini_get(root, "labels");
    for (const mg_json *m = mg_json_kind(root) == MG_JSON_OBJECT ? root->child : NULL; m; m = m->next)
        if (mg_str_eq(m->key, key)) return m;
    return NULL;
}

mg_status mg_gemini_set_max_output(const mg_draft *d, int64_t tokens, mg_error *error) {
    (void)error;
    set_config(d, "maxOutputTokens", mg_arena_int(d->edits->arena, tokens));
    return MG_OK;
}

/* ---- the conversation ---------------------------------------------------------------------------------------------------- */

static mg_str part_json(mg_arena *arena, mg_str text) {
    mg_buf b = {0};
    mg_buf_str(&b, MG_STR("{"));
    mg_gemini_pair(&b, "text", text);
    mg_buf_str(&b, MG_STR("}"));
    return taken(arena, &b);
}

static mg_str joined(mg_arena *arena, mg_str a, mg_str b, mg_str c) {
    const mg_str parts[] = {a, b, c};
    return mg_arena_join(arena, parts, 3);
}

mg_status mg_gemini_set_system(const mg_draft *d, mg_str text, mg_error *error) {
    (void)error;
    mg_arena *arena = d->edits->arena;
    if (text.n) /* the API refuses an empty part */
        set_member(d, d->root, "systemInstruction",
                   joined(arena, MG_STR("{\"parts\":["), part_json(arena, text), MG_STR("]}")));
    else
        remove_member(d, d->root, "systemInstruction");
    return MG_OK;
}

/* `list` is a list, or the one object that stands for it: its braces are replaced, since other edits may stand inside and
 * right behind it. */
static void append(const mg_draft *d, const mg_json *list, mg_str json) {
    mg_arena *arena = d->edits->arena;
    mg_str more = joined(arena, MG_STR(","), json, MG_STR("]"));
    if (list->type == MG_JSON_ARRAY) {
        mg_edits_append(d->edits, list, json, false);
        return;
    }
    for (mg_edit *x = d->edits->first; x; x = x->next) {
        if (x->kind != MG_EDIT_REPLACE || x->start + 1 != list->src_end || x->end != list->src_end) continue;
        x->text = joined(arena, mg_str_from(x->text.p, x->text.n - 1), more, MG_STR(""));
        return;
    }
    mg_edits_replace(d->edits, list->src, list->src + 1, MG_STR("[{"));
    mg_edits_replace(d->edits, list->src_end - 1, list->src_end, joined(arena, MG_STR("}"), more, MG_STR("")));
}

static mg_status add_system(const mg_draft *d, mg_str text, mg_error *error) {
    mg_arena *arena = d->edits->arena;
    mg_str pending = pending_value(d, d->root, "systemInstruction"), part = part_json(arena, text);
    const mg_json *system = mg_gemini_get(d->root, "systemInstruction"), *parts = mg_gemini_get(system, "parts");
    if (pending.n > 4) { /* written above: it ends with ]} */
        mg_str head = mg_str_from(pending.p, pending.n - 2);
        set_member(d, d->root, "systemInstruction",
                   joined(arena, head, joined(arena, MG_STR(","), part, MG_STR("]}")), MG_STR("")));
    } else if (mg_json_kind(parts) == MG_JSON_ARRAY || mg_json_kind(parts) == MG_JSON_OBJECT) {
        append(d, parts, part);
    } else if (mg_json_kind(system) == MG_JSON_STRING) {
        mg_str first = joined(arena, MG_STR("{\"parts\":["), part_json(arena, system->str), MG_STR(","));
        set_member(d, d->root, "systemInstruction", joined(arena, first, part, MG_STR("]}")));
    } else {
        return mg_gemini_set_system(d, text, error);
    }
    return MG_OK;
}

mg_status mg_gemini_add_message(const mg_draft *d, mg_str role, mg_str text, mg_error *error) {
    mg_arena *arena = d->edits->arena;
    if (!mg_str_is(role, "user") && !mg_str_is(role, "assistant")) return add_system(d, text, error);
    mg_str head =
        mg_str_is(role, "user") ? MG_STR("{\"role\":\"user\",\"parts\":[") : MG_STR("{\"role\":\"model\",\"parts\":[");
    append(d, mg_gemini_get(d->root, "contents"), joined(arena, head, part_json(arena, text), MG_STR("]}")));
    return MG_OK;
}

/* ---- tools --------------------------------------------------------------------------------------------------------------- */

static bool removed(const mg_draft *d, const mg_json *v) {
    for (const mg_edit *x = d->edits->first; x; x = x->next)
        if (x->kind == MG_EDIT_REMOVE && x->start <= v->src && v->src_end <= x->end) return true;
    return false;
}

/* How many values of the list stay, `but` not counted. */
static size_t staying(const mg_draft *d, const mg_json *list, const mg_json *but) {
    size_t n = 0;
    for (const mg_json *v = mg_gemini_first(list); v; v = mg_gemini_next(list, v)) n += v != but && !removed(d, v);
    return n;
}

/* Removes a value of a list; false if the list has to go instead, since nothing else is in it. */
static bool remove_value(const mg_draft *d, const mg_json *list, const mg_json *v) {
    if (!staying(d, list, v)) return false;
    mg_edits_remove(d->edits, list, v, d->source);
    return true;
}

/* A choice must not name what is gone. */
static void forget_choice(const mg_draft *d, mg_str name) {
    const mg_json *config = mg_gemini_get(d->root, "toolConfig");
    const mg_json *calling = mg_gemini_get(config, "functionCallingConfig");
    const mg_json *allowed = mg_gemini_get(calling, "allowedFunctionNames");
    for (const mg_json *n = mg_gemini_first(allowed); n; n = mg_gemini_next(allowed, n))
        if (mg_str_eq(mg_json_text(n), name) && !removed(d, n) && !remove_value(d, allowed, n))
            remove_member(d, config, "functionCallingConfig");
}

static size_t members_besides(const mg_json *object, const mg_json *but) {
    size_t n = 0;
    for (const mg_json *m = object->child; m; m = m->next) n += m != but && m->type != MG_JSON_NULL;
    return n;
}

static void remove_declaration(const mg_draft *d, const mg_json *tools, const mg_json *tool, const mg_json *function) {
    const mg_json *list = mg_gemini_get(tool, "functionDeclarations");
    if (remove_value(d, list, function)) return;
    if (members_besides(tool, list)) {
        mg_edits_remove(d->edits, tool, list, d->source);
    } else if (!remove_value(d, tools, tool)) {
        remove_member(d, d->root, "tools");
        if (mg_gemini_get(d->root, "toolConfig")) remove_member(d, d->root, "toolConfig");
    }
}

mg_status mg_gemini_remove_tool(const mg_draft *d, mg_str name, mg_error *error) {
    (void)error;
    const mg_json *tools = mg_gemini_get(d->root, "tools");
    bool found = false;
    for (const mg_json *t = mg_gemini_first(tools); t; t = mg_gemini_next(tools, t)) {
        const mg_json *list = mg_gemini_get(t, "functionDeclarations");
        for (const mg_json *f = mg_gemini_first(list); f; f = mg_gemini_next(list, f)) {
            if (!mg_str_eq(mg_gemini_text(f, "name"), name) || removed(d, f)) continue;
            remove_declaration(d, tools, t, f);
            found = true;
        }
    }
    if (!found) return MG_DECLINED;
    forget_choice(d, name);
    return MG_OK;
}
