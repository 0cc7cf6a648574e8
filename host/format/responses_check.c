/* What is well formed, and what the gateway reads, in requests for responses. */
#include "format/responses.h"

#include <stdio.h>

typedef struct field {
    const char *name;
    unsigned types; /* 1 << mg_json_type that it may have; null is always fine */
} field;

enum {
    BOOL = 1 << MG_JSON_BOOL,
    NUMBER = 1 << MG_JSON_NUMBER,
    STRING = 1 << MG_JSON_STRING,
    ARRAY = 1 << MG_JSON_ARRAY,
    OBJECT = 1 << MG_JSON_OBJECT
};

static const field fields[] = {{"input", STRING | ARRAY},
                               {"instructions", STRING},
                               {"stream", BOOL},
                               {"stream_options", OBJECT},
                               {"max_output_tokens", NUMBER},
                               {"max_tool_calls", NUMBER},
                               {"temperature", NUMBER},
                               {"top_p", NUMBER},
                               {"top_logprobs", NUMBER},
                               {"tools", ARRAY},
                               {"tool_choice", STRING | OBJECT},
                               {"parallel_tool_calls", BOOL},
                               {"text", OBJECT},
                               {"reasoning", OBJECT},
                               {"include", ARRAY},
                               {"metadata", OBJECT},
                               {"user", STRING},
                               {"safety_identifier", STRING},
                               {"service_tier", STRING},
                               {"store", BOOL},
                               {"background", BOOL},
                               {"truncation", STRING},
                               {"prompt_cache_key", STRING},
                               {"previous_response_id", STRING},
                               {"conversation", STRING | OBJECT},
                               {"prompt", OBJECT},
                               {NULL, 0}};
static const field text_fields[] = {{"format", OBJECT}, {"verbosity", STRING}, {NULL, 0}};
static const field reasoning_fields[] = {
    {"effort", STRING}, {"summary", STRING}, {"generate_summary", STRING}, {NULL, 0}};
static const field tool_fields[] = {{"description", STRING}, {"parameters", OBJECT}, {"strict", BOOL}, {NULL, 0}};
static const field item_fields[] = {{"type", STRING}, {"summary", ARRAY}, {"encrypted_content", STRING}, {NULL, 0}};

static mg_status check_fields(const mg_json *object, const char *where, const field *f, mg_error *error) {
    for (; f->name; f++) {
        const mg_json *v = mg_json_get(object, mg_str_of(f->name));
        if (!v || v->type == MG_JSON_NULL || f->types & 1u << v->type) continue;
        return mg_fail(error, 400, "invalid_type", "'%s%s' has the wrong type: got %s.", where, f->name,
                       mg_json_type_name((mg_json_type)v->type));
    }
    return MG_OK;
}

static mg_status need_string(const mg_json *object, const char *where, const char *name, mg_error *error) {
    if (mg_json_kind(mg_json_get(object, mg_str_of(name))) == MG_JSON_STRING) return MG_OK;
    return mg_fail(error, 400, "missing_required_parameter", "'%s%s' must be a string.", where, name);
}

/* ---- input ------------------------------------------------------------------------------------------------------- */

static mg_status check_content(const mg_json *item, const char *where, const char *name, mg_error *error) {
    const mg_json *content = mg_json_get(item, mg_str_of(name));
    size_t i = 0;
    if (mg_json_kind(content) == MG_JSON_STRING) return MG_OK;
    if (mg_json_kind(content) != MG_JSON_ARRAY)
        return mg_fail(error, 400, "invalid_type", "'%s%s' must be a string or a list of parts.", where, name);
    for (const mg_json *p = content->child; p; p = p->next, i++)
        if (mg_json_kind(mg_json_get(p, MG_STR("type"))) != MG_JSON_STRING)
            return mg_fail(error, 400, "invalid_type", "'%s%s[%zu]' must be an object with a 'type'.", where, name, i);
    return MG_OK;
}

static mg_status check_message(const mg_json *item, const char *where, mg_error *error) {
    static const char *const roles[] = {"user", "assistant", "system", "developer"};
    mg_str role = mg_json_text(mg_json_get(item, MG_STR("role")));
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (mg_str_is(role, roles[i])) return check_content(item, where, "content", error);
    return mg_fail(error, 400, "invalid_value", "'%srole' must be one of user, assistant, system, developer.", where);
}

static mg_status check_item(const mg_json *item, const char *where, mg_error *error) {
    mg_str type = mg_json_text(mg_json_get(item, MG_STR("type")));
    mg_status st = check_fields(item, where, item_fields, error);
    if (st != MG_OK) return st;
    if (!type.n && mg_json_get(item, MG_STR("role"))) return check_message(item, where, error);
    if (!type.n) return need_string(item, where, "id", error); /* a reference */
    if (mg_str_is(type, "message")) return check_message(item, where, error);
    if (mg_str_is(type, "function_call") || mg_str_is(type, "custom_tool_call")) {
        st = need_string(item, where, "call_id", error);
        if (st == MG_OK) st = need_string(item, where, "name", error);
        if (st == MG_OK) st = need_string(item, where, type.p[0] == 'f' ? "arguments" : "input", error);
    } else if (mg_str_is(type, "function_call_output") || mg_str_is(type, "custom_tool_call_output")) {
        st = check_content(item, where, "output", error);
    }
    return st;
}

static bool holds(const mg_json *root, const char *name) {
    return mg_json_kind(mg_json_get(root, mg_str_of(name))) != MG_JSON_NULL;
}

static mg_status check_input(const mg_json *root, mg_error *error) {
    const mg_json *input = mg_json_get(root, MG_STR("input"));
    size_t i = 0;
    if (mg_json_kind(input) == MG_JSON_NULL && !holds(root, "prompt") && !holds(root, "conversation") &&
        !holds(root, "previous_response_id"))
        return mg_fail(error, 400, "missing_required_parameter", "'input' must be a text or a list of items.");
    for (const mg_json *item = mg_responses_first(input); item; item = item->next, i++) {
        char where[40];
        snprintf(where, sizeof where, "input[%zu].", i);
        if (item->type != MG_JSON_OBJECT)
            return mg_fail(error, 400, "invalid_type", "'input[%zu]' must be an object.", i);
        mg_status st = check_item(item, where, error);
        if (st != MG_OK) return st;
    }
    return MG_OK;
}

/* ---- tools and parameters ---------------------------------------------------------------------------------------- */

static mg_status check_tools(const mg_json *root, mg_error *error) {
    size_t i = 0;
    for (const mg_json *t = mg_responses_first(mg_json_get(root, MG_STR("tools"))); t; t = t->next, i++) {
        char where[40];
        snprintf(where, sizeof where, "tools[%zu].", i);
        mg_str type = mg_json_text(mg_json_get(t, MG_STR("type")));
        mg_status st = need_string(t, where, "type", error);
        if (st == MG_OK && (mg_str_is(type, "function") || mg_str_is(type, "custom"))) {
            st = need_string(t, where, "name", error);
            if (st == MG_OK) st = check_fields(t, where, tool_fields, error);
        }
        if (st != MG_OK) return st;
    }
    return MG_OK;
}

static mg_status check_text(const mg_json *root, mg_error *error) {
    const mg_json *text = mg_json_get(root, MG_STR("text")), *format = mg_json_get(text, MG_STR("format"));
    mg_status st = check_fields(text, "text.", text_fields, error);
    if (st != MG_OK || mg_json_kind(format) != MG_JSON_OBJECT) return st;
    mg_str type = mg_json_text(mg_json_get(format, MG_STR("type")));
    if (mg_str_is(type, "text") || mg_str_is(type, "json_object")) return MG_OK;
    if (!mg_str_is(type, "json_schema"))
        return mg_fail(error, 400, "invalid_value",
                       "'text.format.type' must be one of text, json_schema, json_object.");
    if (mg_json_kind(mg_json_get(format, MG_STR("schema"))) != MG_JSON_OBJECT)
        return mg_fail(error, 400, "missing_required_parameter", "'text.format.schema' must be an object.");
    return need_string(format, "text.format.", "name", error);
}

static mg_status check_max(const mg_json *root, mg_error *error) {
    const mg_json *v = mg_json_get(root, MG_STR("max_output_tokens"));
    int64_t n = mg_json_int(v, -1);
    if (mg_json_kind(v) == MG_JSON_NULL || (n >= 1 && n <= INT32_MAX)) return MG_OK;
    return mg_fail(error, 400, "invalid_value", "'max_output_tokens' must be an integer from 1 to 2147483647.");
}

mg_status mg_responses_check(mg_operation op, const mg_json *root, mg_error *error) {
    (void)op;
    const mg_json *model = mg_json_get(root, MG_STR("model"));
    if (mg_json_kind(model) != MG_JSON_STRING || !model->str.n)
        return mg_fail(
            error, 400, "missing_required_parameter",
            "'model' must be the name of a model, also where a stored prompt has one: requests are routed by "
            "it.");
    mg_status st = check_fields(root, "", fields, error);
    if (st == MG_OK) st = check_input(root, error);
    if (st == MG_OK) st = check_tools(root, error);
    if (st == MG_OK) st = check_text(root, error);
    if (st == MG_OK) st = check_fields(mg_json_get(root, MG_STR("reasoning")), "reasoning.", reasoning_fields, error);
    if (st == MG_OK) st = check_max(root, error);
    return st;
}

void mg_responses_read(mg_operation op, const mg_json *root, mg_facts *out) {
    const mg_json *metadata = mg_json_get(root, MG_STR("metadata")), *tools = mg_json_get(root, MG_STR("tools"));
    *out = (mg_facts){.max_output = -1, .choices = 1, .usage_asked = true};
    out->model = mg_json_text(mg_json_get(root, MG_STR("model")));
    out->user = mg_json_text(mg_json_get(root, MG_STR("safety_identifier")));
    if (!out->user.n) out->user = mg_json_text(mg_json_get(root, MG_STR("user")));
    if (mg_json_kind(metadata) == MG_JSON_OBJECT) out->tags = metadata;
    if (mg_json_kind(tools) == MG_JSON_ARRAY) out->tools = tools;
    out->max_output = mg_json_int(mg_json_get(root, MG_STR("max_output_tokens")), -1);
    out->stream = op == MG_OP_CHAT && mg_json_bool(mg_json_get(root, MG_STR("stream")), false);
}
