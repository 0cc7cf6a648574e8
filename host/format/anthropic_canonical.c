/* A Messages request in the canonical form: all but its messages (anthropic_messages.c).
 *
 * Refused, because leaving it out would change what the answer means or where it is computed: mcp_servers, container, thread
 * (state that is Anthropic's), an inference_geo, max_tokens of 0, and blocks that only Anthropic can read.
 * Left out and reported: hints (cache_control at the top, context_management, speed, …), and members that are not known. */
#include "format/anthropic.h"

#include <stdio.h>

static bool is_null(const mg_json *v) { return mg_json_kind(v) == MG_JSON_NULL; }

static mg_str text_of(const mg_json *object, const char *key) {
    return mg_json_text(mg_json_get(object, mg_str_of(key)));
}

void mg_anthropic_raw(const mg_anthropic_writer *w, const mg_json *v) {
    mg_buf_add(w->out, w->source.p + v->src, v->src_end - v->src);
}

static void add_key(const mg_anthropic_writer *w, const char *key) {
    mg_buf_str(w->out, MG_STR(",\""));
    mg_buf_str(w->out, mg_str_of(key));
    mg_buf_str(w->out, MG_STR("\":"));
}

void mg_anthropic_copy(const mg_anthropic_writer *w, const char *key, const mg_json *v) {
    if (is_null(v)) return;
    add_key(w, key);
    mg_anthropic_raw(w, v);
}

static void add_member(const mg_anthropic_writer *w, const char *key, const char *text) {
    add_key(w, key);
    mg_buf_json(w->out, mg_str_of(text));
}

void mg_anthropic_drop(const mg_anthropic_writer *w, const mg_anthropic_place *up, mg_str name) {
    char where[MG_ANTHROPIC_PLACE_MAX], text[2 * MG_ANTHROPIC_PLACE_MAX];
    if (!w->drop) return;
    mg_str cut = mg_str_cut(name, MG_ANTHROPIC_PLACE_MAX - 2);
    int n = snprintf(text, sizeof text, "%s%s" MG_STR_FMT, up ? mg_anthropic_place_text(up, where) : "", up ? "." : "",
                     MG_STR_ARG(cut));
    w->drop(w->arg, mg_str_from(text, (size_t)n));
}

/* ---- tools -------------------------------------------------------------------------------------------------------- */

/* Hints about a tool, and who may call it, which matters only beside tools that the vendor runs. */
static void drop_hints(const mg_anthropic_writer *w, const mg_anthropic_place *place, const mg_json *tool) {
    static const char *const hints[] = {"defer_loading", "eager_input_streaming", "input_examples", "allowed_callers"};
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++)
        if (!is_null(mg_json_get(tool, mg_str_of(hints[i])))) mg_anthropic_drop(w, place, mg_str_of(hints[i]));
}

static void add_function(const mg_anthropic_writer *w, const mg_anthropic_place *place, const mg_json *tool) {
    mg_buf_str(w->out, MG_STR("{\"type\":\"function\",\"function\":{\"name\":"));
    mg_anthropic_raw(w, mg_json_get(tool, MG_STR("name")));
    mg_anthropic_copy(w, "description", mg_json_get(tool, MG_STR("description")));
    mg_anthropic_copy(w, "parameters", mg_json_get(tool, MG_STR("input_schema")));
    mg_anthropic_copy(w, "strict", mg_json_get(tool, MG_STR("strict")));
    mg_buf_str(w->out, MG_STR("}"));
    mg_anthropic_copy(w, "cache_control", mg_json_get(tool, MG_STR("cache_control")));
    mg_buf_str(w->out, MG_STR("}"));
    drop_hints(w, place, tool);
}

static void add_vendor_tool(const mg_anthropic_writer *w, const mg_json *tool) {
    mg_buf_str(w->out, MG_STR("{\"type\":\"vendor_tool\",\"vendor\":\"anthropic\",\"tool\":"));
    mg_anthropic_raw(w, tool);
    mg_buf_str(w->out, MG_STR("}"));
}

/* Searching for tools saves context: since deferred tools are given in full, nothing is lost without it. */
static bool is_tool_search(mg_str type) { return mg_str_starts(type, MG_STR("tool_search_tool")); }

static size_t add_tool_list(const mg_anthropic_writer *w, const mg_json *tools) {
    const mg_anthropic_place list = {NULL, "tools", 0};
    size_t i = 0, written = 0;
    for (const mg_json *t = tools->child; t; t = t->next) {
        const mg_anthropic_place place = {&list, NULL, i++};
        mg_str type = text_of(t, "type");
        if (is_tool_search(type)) {
            mg_anthropic_drop(w, &place, type);
            continue;
        }
        mg_buf_str(w->out, written++ ? MG_STR(",") : MG_STR(",\"tools\":["));
        if (!type.n || mg_str_is(type, "custom"))
            add_function(w, &place, t);
        else
            add_vendor_tool(w, t);
    }
    if (written) mg_buf_str(w->out, MG_STR("]"));
    return written;
}

static void add_tool_choice(const mg_anthropic_writer *w, const mg_json *choice) {
    mg_str type = text_of(choice, "type");
    if (mg_str_is(type, "tool")) {
        mg_buf_str(w->out, MG_STR(",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":"));
        mg_anthropic_raw(w, mg_json_get(choice, MG_STR("name")));
        mg_buf_str(w->out, MG_STR("}}"));
    } else {
        add_member(w, "tool_choice", mg_str_is(type, "any") ? "required" : mg_str_is(type, "none") ? "none" : "auto");
    }
    if (mg_json_bool(mg_json_get(choice, MG_STR("disable_parallel_tool_use")), false))
        mg_buf_str(w->out, MG_STR(",\"parallel_tool_calls\":false"));
}

static void add_tools(const mg_anthropic_writer *w, const mg_json *root) {
    const mg_json *tools = mg_json_get(root, MG_STR("tools")), *choice = mg_json_get(root, MG_STR("tool_choice"));
    size_t n = mg_json_kind(tools) == MG_JSON_ARRAY ? add_tool_list(w, tools) : 0;
    if (mg_json_kind(choice) != MG_JSON_OBJECT) return;
    if (n)
        add_tool_choice(w, choice);
    else
        mg_anthropic_drop(w, NULL, MG_STR("tool_choice")); /* OpenAI refuses a choice among no tools */
}

/* ---- thinking and the form of the answer -------------------------------------------------------------------------- */

static void add_thinking(const mg_anthropic_writer *w, const mg_json *thinking) {
    const mg_anthropic_place place = {NULL, "thinking", 0};
    mg_str type = text_of(thinking, "type");
    if (mg_json_kind(thinking) != MG_JSON_OBJECT) return;
    if (!mg_str_is(type, "enabled") && !mg_str_is(type, "disabled") && !mg_str_is(type, "adaptive")) {
        mg_anthropic_drop(w, NULL, MG_STR("thinking"));
        return;
    }
    mg_buf_str(w->out, MG_STR(",\"thinking\":{\"type\":"));
    mg_anthropic_raw(w, mg_json_get(thinking, MG_STR("type")));
    mg_anthropic_copy(w, "budget_tokens", mg_json_get(thinking, MG_STR("budget_tokens")));
    if (!mg_str_is(type, "disabled"))
        mg_buf_str(w->out, mg_str_is(text_of(thinking, "display"), "omitted") ? MG_STR(",\"include\":false")
                                                                              : MG_STR(",\"include\":true"));
    mg_buf_str(w->out, MG_STR("}"));
    if (!is_null(mg_json_get(thinking, MG_STR("block_binding")))) mg_anthropic_drop(w, &place, MG_STR("block_binding"));
}

static bool has_name(const mg_json *list, mg_str name) {
    for (const mg_json *v = mg_json_kind(list) == MG_JSON_ARRAY ? list->child : NULL; v; v = v->next)
        if (mg_str_eq(mg_json_text(v), name)) return true;
    return false;
}

/* Whether OpenAI's strict mode takes the schema: every object in it closed, and all of its properties required. Anthropic holds
 * to any schema; where OpenAI would refuse it, it is passed without the promise. */
static bool is_closed(const mg_json *v) {
    const mg_json *properties = mg_json_get(v, MG_STR("properties"));
    if (mg_json_kind(properties) == MG_JSON_OBJECT) {
        if (mg_json_bool(mg_json_get(v, MG_STR("additionalProperties")), true)) return false;
        for (const mg_json *p = properties->child; p; p = p->next)
            if (!has_name(mg_json_get(v, MG_STR("required")), p->key)) return false;
    }
    if (mg_json_kind(v) != MG_JSON_OBJECT && mg_json_kind(v) != MG_JSON_ARRAY) return true;
    for (const mg_json *c = v->child; c; c = c->next)
        if (!is_closed(c)) return false;
    return true;
}

static mg_status add_format(const mg_anthropic_writer *w, const char *where, const mg_json *format) {
    const mg_json *schema = mg_json_get(format, MG_STR("schema"));
    if (is_null(format)) return MG_OK;
    if (!mg_str_is(text_of(format, "type"), "json_schema") || mg_json_kind(schema) != MG_JSON_OBJECT)
        return mg_fail(w->error, 400, "unsupported_parameter",
                       "'%s' must be {\"type\":\"json_schema\",\"schema\":{…}} for models that are not Anthropic's.",
                       where);
    mg_buf_str(w->out, MG_STR(",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"output\""));
    mg_anthropic_copy(w, "schema", schema);
    if (is_closed(schema)) mg_buf_str(w->out, MG_STR(",\"strict\":true"));
    mg_buf_str(w->out, MG_STR("}}"));
    return MG_OK;
}

static mg_status add_output_config(const mg_anthropic_writer *w, const mg_json *root) {
    const mg_anthropic_place place = {NULL, "output_config", 0};
    const mg_json *config = mg_json_get(root, MG_STR("output_config")), *format = mg_json_get(config, MG_STR("format"));
    mg_str effort = text_of(config, "effort");
    if (mg_str_is(effort, "max"))
        add_member(w, "reasoning_effort", "xhigh"); /* the highest that there is */
    else
        mg_anthropic_copy(w, "reasoning_effort", mg_json_get(config, MG_STR("effort")));
    for (const mg_json *m = mg_json_kind(config) == MG_JSON_OBJECT ? config->child : NULL; m; m = m->next)
        if (!is_null(m) && !mg_str_is(m->key, "effort") && !mg_str_is(m->key, "format"))
            mg_anthropic_drop(w, &place, m->key);
    if (!is_null(format)) return add_format(w, "output_config.format", format);
    return add_format(w, "output_format", mg_json_get(root, MG_STR("output_format")));
}

/* ---- the top ------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *from, *to;
} copies[] = {
    {"max_tokens", "max_completion_tokens"},
    {"stop_sequences", "stop"},
    {"temperature", "temperature"},
    {"top_p", "top_p"},
    {"top_k", "top_k"},
    /* OpenAI's own, which a policy may have set */
    {"seed", "seed"},
    {"frequency_penalty", "frequency_penalty"},
    {"presence_penalty", "presence_penalty"},
    {"logit_bias", "logit_bias"},
    {"verbosity", "verbosity"},
    {"prompt_cache_key", "prompt_cache_key"},
    {"safety_settings", "safety_settings"},
};

/* Members that are written elsewhere. */
static const char *const handled[] = {"model",         "messages",    "system",      "stream",
                                      "tools",         "tool_choice", "thinking",    "output_config",
                                      "output_format", "metadata",    "service_tier"};

static bool is_handled(mg_str key) {
    for (size_t i = 0; i < sizeof handled / sizeof handled[0]; i++)
        if (mg_str_is(key, handled[i])) return true;
    for (size_t i = 0; i < sizeof copies / sizeof copies[0]; i++)
        if (mg_str_is(key, copies[i].from)) return true;
    return false;
}

static bool is_empty(const mg_json *v) { return is_null(v) || (v->type == MG_JSON_ARRAY && v->count == 0); }

static mg_status refuse_state(const mg_anthropic_writer *w, const mg_json *root) {
    static const char *const state[] = {"mcp_servers", "container", "thread"};
    for (size_t i = 0; i < sizeof state / sizeof state[0]; i++)
        if (!is_empty(mg_json_get(root, mg_str_of(state[i]))))
            return mg_fail(w->error, 400, "unsupported_parameter",
                           "'%s' works with Anthropic's own models only: leave it out, or ask one of them.", state[i]);
    mg_str geo = text_of(root, "inference_geo");
    if (geo.n && !mg_str_is(geo, "global"))
        return mg_fail(
            w->error, 400, "unsupported_parameter",
            "'inference_geo' can't be kept by models that are not Anthropic's: leave it out, or ask one of theirs.");
    if (mg_json_int(mg_json_get(root, MG_STR("max_tokens")), 1) == 0)
        return mg_fail(w->error, 400, "unsupported_parameter",
                       "'max_tokens' of 0 works with Anthropic's own models only: it must be 1 or more.");
    return MG_OK;
}

static void drop_others(const mg_anthropic_writer *w, const mg_json *root) {
    const mg_anthropic_place place = {NULL, "metadata", 0};
    const mg_json *metadata = mg_json_get(root, MG_STR("metadata"));
    for (const mg_json *m = root->child; m; m = m->next)
        if (!is_handled(m->key) && !is_empty(m)) mg_anthropic_drop(w, NULL, m->key);
    for (const mg_json *m = mg_json_kind(metadata) == MG_JSON_OBJECT ? metadata->child : NULL; m; m = m->next)
        if (!mg_str_is(m->key, "user_id")) mg_anthropic_drop(w, &place, m->key);
}

static void add_settings(const mg_anthropic_writer *w, mg_operation op, const mg_json *root) {
    mg_str tier = text_of(root, "service_tier");
    for (size_t i = 0; i < sizeof copies / sizeof copies[0]; i++) {
        const mg_json *v = mg_json_get(root, mg_str_of(copies[i].from));
        if (!is_empty(v) && !(op == MG_OP_COUNT_TOKENS && i == 0)) mg_anthropic_copy(w, copies[i].to, v);
    }
    if (tier.n) add_member(w, "service_tier", mg_str_is(tier, "standard_only") ? "default" : "auto");
    mg_anthropic_copy(w, "user", mg_json_path(root, "metadata.user_id"));
}

mg_status mg_anthropic_canonical(mg_operation op, const mg_json *root, mg_str source, mg_str model, bool stream,
                                 mg_buf *out, void (*drop)(void *arg, mg_str member), void *arg, mg_error *error) {
    const mg_anthropic_writer w = {source, out, drop, arg, error};
    mg_status st = refuse_state(&w, root);
    if (st != MG_OK) return st;
    mg_buf_str(out, MG_STR("{\"model\":"));
    mg_buf_json(out, model);
    mg_buf_str(out, MG_STR(",\"messages\":["));
    st = mg_anthropic_messages(&w, root);
    if (st != MG_OK) return st;
    mg_buf_str(out, MG_STR("]"));
    if (stream) mg_buf_str(out, MG_STR(",\"stream\":true"));
    add_settings(&w, op, root);
    add_tools(&w, root);
    add_thinking(&w, mg_json_get(root, MG_STR("thinking")));
    st = add_output_config(&w, root);
    if (st != MG_OK) return st;
    drop_others(&w, root);
    mg_buf_str(out, MG_STR("}"));
    return out->over ? mg_fail(error, 413, "request_too_large", "The request is too large for another vendor's format.")
                     : MG_OK;
}
