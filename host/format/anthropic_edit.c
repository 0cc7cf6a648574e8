/* The changes that policies make to a Messages request. */
#include "format/anthropic.h"

static mg_str text_of(const mg_json *object, const char *key) {
    return mg_json_text(mg_json_get(object, mg_str_of(key)));
}

/* What was built in b, in the arena. */
static mg_str keep(const mg_draft *d, mg_buf *b) {
    mg_str out = mg_arena_dup(d->edits->arena, mg_buf_view(b));
    mg_buf_finish(b);
    return out;
}

static mg_str quoted(const mg_draft *d, mg_str text) {
    mg_buf b = {0};
    mg_buf_json(&b, text);
    return keep(d, &b);
}

static mg_str slice(const mg_draft *d, const mg_json *v) {
    return mg_str_from(d->source.p + v->src, v->src_end - v->src);
}

static void remove_member(const mg_draft *d, const mg_json *object, const char *key) {
    const mg_json *member = mg_json_get(object, mg_str_of(key));
    if (member) mg_edits_remove(d->edits, object, member, d->source);
}

/* ---- system prompt ------------------------------------------------------------------------------------------------ */

static mg_str text_block(const mg_draft *d, mg_str text, const mg_json *cache_control) {
    mg_buf b = {0};
    mg_buf_str(&b, MG_STR("{\"type\":\"text\",\"text\":"));
    mg_buf_json(&b, text);
    if (cache_control) {
        mg_buf_str(&b, MG_STR(",\"cache_control\":"));
        mg_buf_str(&b, slice(d, cache_control));
    }
    mg_buf_str(&b, MG_STR("}"));
    return keep(d, &b);
}

/* The last cache_control among the blocks: where the client wanted the cached part of its prompt to end. */
static const mg_json *cache_control_of(const mg_json *list) {
    const mg_json *found = NULL;
    for (const mg_json *b = mg_json_kind(list) == MG_JSON_ARRAY ? list->child : NULL; b; b = b->next) {
        const mg_json *c = mg_json_get(b, MG_STR("cache_control"));
        if (mg_json_kind(c) == MG_JSON_OBJECT) found = c;
    }
    return found;
}

/* System messages within the conversation go too: the new text is the whole of the instructions. */
static void remove_system_messages(const mg_draft *d) {
    const mg_json *messages = mg_json_get(d->root, MG_STR("messages"));
    for (const mg_json *m = mg_json_kind(messages) == MG_JSON_ARRAY ? messages->child : NULL; m; m = m->next)
        if (mg_str_is(text_of(m, "role"), "system")) mg_edits_remove(d->edits, messages, m, d->source);
}

mg_status mg_anthropic_set_system(const mg_draft *d, mg_str text, mg_error *error) {
    (void)error;
    const mg_json *cache = cache_control_of(mg_json_get(d->root, MG_STR("system")));
    mg_str value = quoted(d, text);
    if (cache) {
        const mg_str parts[] = {MG_STR("["), text_block(d, text, cache), MG_STR("]")};
        value = mg_arena_join(d->edits->arena, parts, 3);
    }
    mg_edits_set(d->edits, d->root, MG_STR("system"), value);
    remove_system_messages(d);
    return MG_OK;
}

static void add_system(const mg_draft *d, mg_str text) {
    const mg_json *system = mg_json_get(d->root, MG_STR("system"));
    if (mg_json_kind(system) == MG_JSON_ARRAY) {
        mg_edits_append(d->edits, system, text_block(d, text, NULL), false);
        return;
    }
    mg_str old = mg_json_text(system);
    const mg_str parts[] = {old, MG_STR("\n\n"), text};
    mg_edits_set(d->edits, d->root, MG_STR("system"),
                 quoted(d, old.n ? mg_arena_join(d->edits->arena, parts, 3) : text));
}

mg_status mg_anthropic_add_message(const mg_draft *d, mg_str role, mg_str text, mg_error *error) {
    if (mg_str_is(role, "system") || mg_str_is(role, "developer")) {
        add_system(d, text);
        return MG_OK;
    }
    if (!mg_str_is(role, "user") && !mg_str_is(role, "assistant"))
        return mg_fail(error, 500, "policy_failed",
                       "a message's role is system, developer, user or assistant, not '" MG_STR_FMT "'",
                       MG_STR_ARG(role));
    mg_buf b = {0};
    mg_buf_str(&b, MG_STR("{\"role\":"));
    mg_buf_json(&b, role);
    mg_buf_str(&b, MG_STR(",\"content\":"));
    mg_buf_json(&b, text);
    mg_buf_str(&b, MG_STR("}"));
    mg_edits_append(d->edits, mg_json_get(d->root, MG_STR("messages")), keep(d, &b), false);
    return MG_OK;
}

/* ---- output ------------------------------------------------------------------------------------------------------- */

/* The vendor wants thinking.budget_tokens, of at least 1,024, to be below max_tokens: it is lowered too, and thinking that no
 * longer fits is switched off. */
mg_status mg_anthropic_set_max_output(const mg_draft *d, int64_t tokens, mg_error *error) {
    (void)error;
    const mg_json *thinking = mg_json_get(d->root, MG_STR("thinking"));
    int64_t budget = mg_json_int(mg_json_get(thinking, MG_STR("budget_tokens")), 0);
    mg_edits_set(d->edits, d->root, MG_STR("max_tokens"), mg_arena_int(d->edits->arena, tokens));
    if (!mg_str_is(text_of(thinking, "type"), "enabled") || budget < tokens) return MG_OK;
    if (tokens > 1024)
        mg_edits_set(d->edits, thinking, MG_STR("budget_tokens"),
                     mg_arena_int(d->edits->arena, tokens > 2048 ? tokens / 2 : 1024));
    else
        mg_edits_set(d->edits, d->root, MG_STR("thinking"), MG_STR("{\"type\":\"disabled\"}"));
    return MG_OK;
}

/* ---- parameters, by their OpenAI names ---------------------------------------------------------------------------- */

/* Where a parameter stands here, and how its value is put. */
typedef struct param {
    const char *openai;
    const char *object; /* the member that it stands in; NULL: at the top */
    const char *key;
    mg_str (*convert)(const mg_draft *d, mg_str json); /* NULL: as it is. {NULL, 0}: it can't be said */
} param;

static mg_str convert_stop(const mg_draft *d, mg_str json) {
    const mg_str parts[] = {MG_STR("["), json, MG_STR("]")};
    return json.n && json.p[0] == '"' ? mg_arena_join(d->edits->arena, parts, 3) : json;
}

static mg_str convert_effort(const mg_draft *d, mg_str json) {
    static const char *const known[] = {"\"low\"", "\"medium\"", "\"high\"", "\"xhigh\"", "\"max\""};
    (void)d;
    if (mg_str_is(json, "\"minimal\"")) return MG_STR("\"low\"");
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (mg_str_is(json, known[i])) return json;
    return (mg_str){NULL, 0};
}

static mg_str convert_tier(const mg_draft *d, mg_str json) {
    (void)d;
    if (mg_str_is(json, "\"default\"") || mg_str_is(json, "\"standard_only\"")) return MG_STR("\"standard_only\"");
    return mg_str_is(json, "\"auto\"") || mg_str_is(json, "\"priority\"") ? MG_STR("\"auto\"") : (mg_str){NULL, 0};
}

/* disable_parallel_tool_use says the opposite. */
static mg_str convert_parallel(const mg_draft *d, mg_str json) {
    (void)d;
    if (mg_str_is(json, "true")) return MG_STR("false");
    return mg_str_is(json, "false") ? MG_STR("true") : (mg_str){NULL, 0};
}

static mg_str choice_of(const mg_draft *d, const mg_json *v, mg_str json) {
    mg_str word = mg_json_text(v), name = mg_json_text(mg_json_path(v, "function.name"));
    if (mg_str_is(word, "auto")) return MG_STR("{\"type\":\"auto\"}");
    if (mg_str_is(word, "required")) return MG_STR("{\"type\":\"any\"}");
    if (mg_str_is(word, "none")) return MG_STR("{\"type\":\"none\"}");
    if (mg_json_kind(v) != MG_JSON_OBJECT) return (mg_str){NULL, 0};
    if (!name.n) return json; /* Anthropic's own form */
    const mg_str parts[] = {MG_STR("{\"type\":\"tool\",\"name\":"), quoted(d, name), MG_STR("}")};
    return mg_arena_join(d->edits->arena, parts, 3);
}

static mg_str format_of(const mg_draft *d, const mg_json *v, mg_str json) {
    const mg_json *schema = mg_json_path(v, "json_schema.schema");
    if (mg_json_kind(mg_json_get(v, MG_STR("schema"))) == MG_JSON_OBJECT) return json; /* Anthropic's own form */
    if (mg_json_kind(schema) != MG_JSON_OBJECT) return (mg_str){NULL, 0};
    const mg_str parts[] = {MG_STR("{\"type\":\"json_schema\",\"schema\":"),
                            mg_str_from(json.p + schema->src, schema->src_end - schema->src), MG_STR("}")};
    return mg_arena_join(d->edits->arena, parts, 3);
}

static mg_str convert_object(const mg_draft *d, mg_str json,
                             mg_str (*convert)(const mg_draft *d, const mg_json *v, mg_str json)) {
    mg_json_parser *parser = mg_json_parser_create();
    const mg_json *v;
    mg_error ignored;
    mg_str out = {NULL, 0};
    if (mg_json_parse_copy(parser, d->edits->arena, json, &v, &ignored) == MG_OK) out = convert(d, v, json);
    mg_json_parser_destroy(parser);
    return out;
}

static mg_str convert_choice(const mg_draft *d, mg_str json) { return convert_object(d, json, choice_of); }
static mg_str convert_format(const mg_draft *d, mg_str json) { return convert_object(d, json, format_of); }

static const param params[] = {
    {"stop", NULL, "stop_sequences", convert_stop},
    {"max_completion_tokens", NULL, "max_tokens", NULL},
    {"max_output_tokens", NULL, "max_tokens", NULL},
    {"user", "metadata", "user_id", NULL},
    {"safety_identifier", "metadata", "user_id", NULL},
    {"reasoning_effort", "output_config", "effort", convert_effort},
    {"response_format", "output_config", "format", convert_format},
    {"parallel_tool_calls", "tool_choice", "disable_parallel_tool_use", convert_parallel},
    {"tool_choice", NULL, "tool_choice", convert_choice},
    {"service_tier", NULL, "service_tier", convert_tier},
};

static param param_of(mg_str key) {
    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++)
        if (mg_str_is(key, params[i].openai)) return params[i];
    return (param){NULL, NULL, NULL, NULL};
}

/* parallel_tool_calls has no value of its own here that could be pointed at. */
const mg_json *mg_anthropic_param(const mg_json *root, mg_str key) {
    param p = param_of(key);
    if (p.convert == convert_parallel) return NULL;
    if (!p.key) return mg_json_get(root, key);
    return mg_json_get(p.object ? mg_json_get(root, mg_str_of(p.object)) : root, mg_str_of(p.key));
}

static void set_in_object(const mg_draft *d, const param *p, mg_str json) {
    const mg_json *object = mg_json_get(d->root, mg_str_of(p->object));
    if (mg_json_kind(object) == MG_JSON_OBJECT) {
        mg_edits_set(d->edits, object, mg_str_of(p->key), json);
        return;
    }
    const mg_str begin = p->convert == convert_parallel ? MG_STR("{\"type\":\"auto\",\"") : MG_STR("{\"");
    const mg_str parts[] = {begin, mg_str_of(p->key), MG_STR("\":"), json, MG_STR("}")};
    mg_edits_set(d->edits, d->root, mg_str_of(p->object), mg_arena_join(d->edits->arena, parts, 5));
}

static void remove_param(const mg_draft *d, const param *p, mg_str key) {
    const mg_json *object = p->key && p->object ? mg_json_get(d->root, mg_str_of(p->object)) : d->root;
    const mg_json *member = mg_json_get(object, p->key ? mg_str_of(p->key) : key);
    if (member) mg_edits_remove(d->edits, object, member, d->source);
}

/* Two values that are the absence of something here. */
static bool set_absent(const mg_draft *d, mg_str key, mg_str json) {
    const mg_json *config = mg_json_get(d->root, MG_STR("output_config"));
    if (mg_str_is(key, "reasoning_effort") && mg_str_is(json, "\"none\"")) {
        mg_edits_set(d->edits, d->root, MG_STR("thinking"), MG_STR("{\"type\":\"disabled\"}"));
        remove_member(d, config, "effort");
        return true;
    }
    if (mg_str_is(key, "response_format") && mg_str_glob(MG_STR("*\"text\"*"), json) &&
        !mg_str_glob(MG_STR("*schema*"), json)) {
        remove_member(d, config, "format");
        return true;
    }
    return false;
}

mg_status mg_anthropic_set_param(const mg_draft *d, mg_str key, mg_str json, mg_error *error) {
    static const char *const own[] = {"model", "messages", "input", "stream", "system"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (mg_str_is(key, own[i]))
            return mg_fail(error, 500, "policy_failed",
                           "set_param can't change '%s': there is a method of its own for that", own[i]);
    param p = param_of(key);
    if (!json.p) {
        remove_param(d, &p, key);
        return MG_OK;
    }
    json = mg_str_trim(json);
    if (set_absent(d, key, json)) return MG_OK;
    mg_str value = p.convert ? p.convert(d, json) : json;
    if (!value.p)
        return mg_fail(error, 500, "policy_failed",
                       "set_param: Anthropic's format can't express this value of '" MG_STR_FMT "'", MG_STR_ARG(key));
    if (p.object)
        set_in_object(d, &p, value);
    else
        mg_edits_set(d->edits, d->root, p.key ? mg_str_of(p.key) : mg_arena_dup(d->edits->arena, key), value);
    return MG_OK;
}

/* ---- tools -------------------------------------------------------------------------------------------------------- */

mg_status mg_anthropic_remove_tool(const mg_draft *d, mg_str name, mg_error *error) {
    (void)error;
    const mg_json *tools = mg_json_get(d->root, MG_STR("tools"));
    const mg_json *choice = mg_json_get(d->root, MG_STR("tool_choice"));
    size_t found = 0;
    if (mg_json_kind(tools) != MG_JSON_ARRAY) return MG_DECLINED;
    for (const mg_json *t = tools->child; t; t = t->next) found += mg_str_eq(text_of(t, "name"), name);
    if (!found) return MG_DECLINED;
    /* Vendors refuse an empty list of tools, and a choice of a tool that is not there. */
    if (choice && (found == tools->count || mg_str_eq(text_of(choice, "name"), name)))
        mg_edits_remove(d->edits, d->root, choice, d->source);
    if (found == tools->count) {
        mg_edits_remove(d->edits, d->root, tools, d->source);
        return MG_OK;
    }
    for (const mg_json *t = tools->child; t; t = t->next)
        if (mg_str_eq(text_of(t, "name"), name)) mg_edits_remove(d->edits, tools, t, d->source);
    return MG_OK;
}
