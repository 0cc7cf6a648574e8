/* Requests for responses in the canonical form: their parameters and tools. The items are in responses_messages.c.
 *
 * Left out and reported: what asks OpenAI's servers for something that changes no answer's meaning (truncation,
 * moderation, context_management, max_tool_calls, stream_options, what `include` asks of OpenAI's own tools, …).
 * Refused: what refers to state that OpenAI keeps, and a choice of a tool that only OpenAI runs. Members that this
 * format does not know go on as they are: they are the canonical form's own (top_k, stop, …), unless something else
 * here is written under that name. */
#include "format/responses.h"

#include <stdarg.h>
#include <stdio.h>

void mg_responses_drop(const mg_canon *c, const char *format, ...) {
    char member[160];
    va_list args;
    if (!c->drop) return;
    va_start(args, format);
    vsnprintf(member, sizeof member, format, args);
    va_end(args);
    c->drop(c->arg, mg_str_of(member));
}

static void put(const mg_canon *c, const char *text) { mg_buf_str(c->out, mg_str_of(text)); }
static void put_raw(const mg_canon *c, const mg_json *v) { mg_buf_str(c->out, mg_responses_raw(c->source, v)); }

/* ,"name": and the value as it stands; nothing for null. */
static void put_member(const mg_canon *c, const char *name, const mg_json *v) {
    if (mg_json_kind(v) == MG_JSON_NULL) return;
    mg_buf_printf(c->out, ",\"%s\":", name);
    put_raw(c, v);
}

static const mg_json *get(const mg_json *object, const char *name) { return mg_json_get(object, mg_str_of(name)); }
static mg_str text_of(const mg_json *object, const char *name) { return mg_json_text(get(object, name)); }

/* ---- tools ------------------------------------------------------------------------------------------------------- */

static void drop_tool_extras(const mg_canon *c, const mg_json *tool, size_t i) {
    static const char *const extras[] = {"defer_loading", "allowed_callers", "output_schema"};
    for (size_t k = 0; k < sizeof extras / sizeof extras[0]; k++)
        if (mg_json_kind(get(tool, extras[k])) != MG_JSON_NULL && mg_json_bool(get(tool, extras[k]), true))
            mg_responses_drop(c, "tools[%zu].%s", i, extras[k]);
}

static void write_function_tool(const mg_canon *c, const mg_json *tool) {
    put(c, "{\"type\":\"function\",\"function\":{\"name\":");
    put_raw(c, get(tool, "name"));
    put_member(c, "description", get(tool, "description"));
    put_member(c, "parameters", get(tool, "parameters"));
    put_member(c, "strict", get(tool, "strict"));
    put(c, "}");
    put_member(c, "cache_control", get(tool, "cache_control"));
    put(c, "}");
}

static void write_custom_tool(const mg_canon *c, const mg_json *tool) {
    const mg_json *format = get(tool, "format");
    put(c, "{\"type\":\"custom\",\"custom\":{\"name\":");
    put_raw(c, get(tool, "name"));
    put_member(c, "description", get(tool, "description"));
    if (mg_str_is(text_of(format, "type"), "grammar") && get(format, "syntax") && get(format, "definition")) {
        put(c, ",\"format\":{\"type\":\"grammar\",\"grammar\":{\"syntax\":");
        put_raw(c, get(format, "syntax"));
        put_member(c, "definition", get(format, "definition"));
        put(c, "}}");
    } else {
        put_member(c, "format", format);
    }
    put(c, "}}");
}

static void write_tools(const mg_canon *c, const mg_json *tools) {
    size_t i = 0;
    put(c, ",\"tools\":[");
    for (const mg_json *t = tools->child; t; t = t->next, i++) {
        mg_str type = text_of(t, "type");
        bool function = mg_str_is(type, "function"), custom = mg_str_is(type, "custom");
        if (i) put(c, ",");
        if (function || custom) drop_tool_extras(c, t, i);
        if (function) {
            write_function_tool(c, t);
        } else if (custom) {
            write_custom_tool(c, t);
        } else {
            put(c, "{\"type\":\"vendor_tool\",\"vendor\":\"openai\",\"tool\":");
            put_raw(c, t);
            put(c, "}");
        }
    }
    put(c, "]");
}

/* {"type":T,"name":N} as chat has it; false if chat has no such choice. */
static bool write_named(const mg_canon *c, const mg_json *v) {
    mg_str type = text_of(v, "type");
    const mg_json *name = get(v, "name");
    if ((!mg_str_is(type, "function") && !mg_str_is(type, "custom")) || mg_json_kind(name) != MG_JSON_STRING)
        return false;
    mg_buf_printf(c->out, "{\"type\":\"%.*s\",\"%.*s\":{\"name\":", MG_STR_ARG(type), MG_STR_ARG(type));
    put_raw(c, name);
    put(c, "}}");
    return true;
}

static mg_status write_allowed(const mg_canon *c, const mg_json *choice) {
    const mg_json *mode = get(choice, "mode");
    put(c, ",\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":");
    if (mode)
        put_raw(c, mode);
    else
        put(c, "\"auto\"");
    put(c, ",\"tools\":[");
    for (const mg_json *t = mg_responses_first(get(choice, "tools")); t; t = t->next) {
        if (!write_named(c, t))
            return mg_fail(c->error, 400, "unsupported_value",
                           "'tool_choice.tools' allows a tool of type '%.*s', which only OpenAI runs: leave it out, or "
                           "use a model of OpenAI's.",
                           MG_STR_ARG(text_of(t, "type")));
        if (t->next) put(c, ",");
    }
    put(c, "]}}");
    return MG_OK;
}

static mg_status write_choice(const mg_canon *c, const mg_json *choice) {
    mg_str type = text_of(choice, "type");
    if (choice->type == MG_JSON_STRING) {
        put_member(c, "tool_choice", choice);
        return MG_OK;
    }
    if (mg_str_is(type, "allowed_tools")) return write_allowed(c, choice);
    put(c, ",\"tool_choice\":");
    if (write_named(c, choice)) return MG_OK;
    return mg_fail(
        c->error, 400, "unsupported_value",
        "'tool_choice' asks for '%.*s', which only OpenAI runs: choose a function, or use a model of OpenAI's.",
        MG_STR_ARG(type));
}

/* OpenAI's chat refuses what is said about tools where there are none; it means nothing then. */
static mg_status on_tools(const mg_canon *c, const mg_json *root) {
    const mg_json *tools = get(root, "tools"), *choice = get(root, "tool_choice");
    if (!mg_responses_first(tools)) return MG_OK;
    write_tools(c, tools);
    put_member(c, "parallel_tool_calls", get(root, "parallel_tool_calls"));
    return mg_json_kind(choice) == MG_JSON_NULL ? MG_OK : write_choice(c, choice);
}

/* ---- parameters -------------------------------------------------------------------------------------------------- */

static void on_text(const mg_canon *c, const mg_json *text) {
    const mg_json *format = get(text, "format");
    mg_str type = text_of(format, "type");
    if (mg_str_is(type, "json_object")) put(c, ",\"response_format\":{\"type\":\"json_object\"}");
    if (mg_str_is(type, "json_schema")) {
        put(c, ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":");
        put_raw(c, get(format, "name"));
        put_member(c, "description", get(format, "description"));
        put_member(c, "schema", get(format, "schema"));
        put_member(c, "strict", get(format, "strict"));
        put(c, "}}");
    }
    put_member(c, "verbosity", get(text, "verbosity"));
}

static void on_reasoning(const mg_canon *c, const mg_json *root) {
    const mg_json *reasoning = get(root, "reasoning"), *effort = get(reasoning, "effort");
    bool summary = text_of(reasoning, "summary").n || text_of(reasoning, "generate_summary").n;
    if (mg_str_is(mg_json_text(effort), "max")) { /* the canonical form's highest is below OpenAI's */
        put(c, ",\"reasoning_effort\":\"xhigh\"");
        mg_responses_drop(c, "reasoning.effort");
    } else {
        put_member(c, "reasoning_effort", effort);
    }
    if (summary && mg_json_kind(get(root, "thinking")) == MG_JSON_NULL) put(c, ",\"thinking\":{\"include\":true}");
    if (mg_json_kind(get(reasoning, "mode")) != MG_JSON_NULL) mg_responses_drop(c, "reasoning.mode");
    if (mg_json_kind(get(reasoning, "context")) != MG_JSON_NULL) mg_responses_drop(c, "reasoning.context");
}

/* Reasoning always comes with what is needed to give it back. */
static void on_include(const mg_canon *c, const mg_json *root) {
    bool logprobs = false;
    const mg_json *top = get(root, "top_logprobs");
    for (const mg_json *i = mg_responses_first(get(root, "include")); i; i = i->next) {
        mg_str what = mg_json_text(i);
        if (mg_str_is(what, "message.output_text.logprobs"))
            logprobs = true;
        else if (!mg_str_is(what, "reasoning.encrypted_content"))
            mg_responses_drop(c, "include.%.*s", (int)(what.n < 100 ? what.n : 100), what.p ? what.p : "");
    }
    if (logprobs) {
        put(c, ",\"logprobs\":true");
        put_member(c, "top_logprobs", top);
    } else if (mg_json_int(top, 0) > 0) {
        mg_responses_drop(c, "top_logprobs");
    }
}

typedef enum fate { PASS, DONE, RENAME, DROP } fate;

typedef struct rule {
    const char *name;
    fate fate;
    const char *to;
} rule;

static const rule rules[] = {{"model", DONE, NULL},
                             {"stream", DONE, NULL},
                             {"input", DONE, NULL},
                             {"instructions", DONE, NULL},
                             {"tools", DONE, NULL},
                             {"tool_choice", DONE, NULL},
                             {"parallel_tool_calls", DONE, NULL},
                             {"text", DONE, NULL},
                             {"reasoning", DONE, NULL},
                             {"include", DONE, NULL},
                             {"top_logprobs", DONE, NULL},
                             {"previous_response_id", DONE, NULL}, /* refused if it says something */
                             {"conversation", DONE, NULL},
                             {"background", DONE, NULL},
                             {"prompt", DONE, NULL},
                             {"max_output_tokens", RENAME, "max_completion_tokens"},
                             {"max_tool_calls", DROP, NULL},
                             {"stream_options", DROP, NULL},
                             {"moderation", DROP, NULL},
                             {"context_management", DROP, NULL},
                             {"prompt_cache_options", DROP, NULL},
                             /* Chat's names for what stands elsewhere here. */
                             {"messages", DROP, NULL},
                             {"n", DROP, NULL},
                             {"max_tokens", DROP, NULL},
                             {"max_completion_tokens", DROP, NULL},
                             {"response_format", DROP, NULL},
                             {"verbosity", DROP, NULL},
                             {"reasoning_effort", DROP, NULL},
                             {"functions", DROP, NULL},
                             {"function_call", DROP, NULL},
                             {"logprobs", DROP, NULL},
                             {"modalities", DROP, NULL},
                             {"audio", DROP, NULL}};

static const rule *rule_of(mg_str name) {
    static const rule pass = {NULL, PASS, NULL};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (mg_str_is(name, rules[i].name)) return &rules[i];
    return &pass;
}

static void on_member(const mg_canon *c, const mg_json *m) {
    const rule *r = rule_of(m->key);
    if (m->type == MG_JSON_NULL || r->fate == DONE) return;
    if (r->fate == DROP) {
        mg_responses_drop(c, "%s", r->name);
    } else if (mg_str_is(m->key, "truncation")) { /* "disabled" is what everybody does */
        if (!mg_str_is(m->str, "disabled")) mg_responses_drop(c, "truncation");
    } else if (r->fate == RENAME) {
        put_member(c, r->to, m);
    } else {
        put(c, ",");
        mg_buf_json(c->out, m->key);
        put(c, ":");
        put_raw(c, m);
    }
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static mg_status refuse_state(const mg_canon *c, const mg_json *root) {
    static const char *const members[] = {"previous_response_id", "conversation", "prompt"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (mg_json_kind(get(root, members[i])) != MG_JSON_NULL)
            return mg_fail(c->error, 400, "unsupported_parameter",
                           "'%s' refers to something that OpenAI keeps, and this model is not served by OpenAI's "
                           "responses: send the whole conversation in 'input' instead.",
                           members[i]);
    if (mg_json_bool(get(root, "background"), false))
        return mg_fail(c->error, 400, "unsupported_parameter",
                       "'background' needs a server that keeps the response, and this model is not served by OpenAI's "
                       "responses: leave it out.");
    return MG_OK;
}

mg_status mg_responses_canonical(mg_operation op, const mg_json *root, mg_str source, mg_str model, bool stream,
                                 mg_buf *out, void (*drop)(void *arg, mg_str member), void *arg, mg_error *error) {
    const mg_canon c = {source, out, drop, arg, error};
    if (op != MG_OP_CHAT && op != MG_OP_COUNT_TOKENS)
        return mg_fail(error, 400, "invalid_request",
                       "Only responses and counts of tokens are asked for in this format.");
    mg_status st = refuse_state(&c, root);
    if (st != MG_OK) return st;
    put(&c, "{\"model\":");
    mg_buf_json(out, model);
    put(&c, ",");
    st = mg_responses_messages(&c, root);
    if (st == MG_OK && stream) put(&c, ",\"stream\":true");
    if (st == MG_OK) st = on_tools(&c, root);
    if (st != MG_OK) return st;
    on_text(&c, get(root, "text"));
    on_reasoning(&c, root);
    on_include(&c, root);
    for (const mg_json *m = root->child; m; m = m->next) on_member(&c, m);
    put(&c, "}");
    return out->over ? mg_fail(error, 413, "request_too_large", "The request is too large to be translated.") : MG_OK;
}
