/* What is well formed, and what the gateway reads, in OpenAI's requests. */
#include "format/openai.h"

typedef struct field {
    mg_str name;
    unsigned types; /* 1 << mg_json_type that it may have; null is always fine */
} field;

enum {
    BOOL = 1 << MG_JSON_BOOL,
    NUMBER = 1 << MG_JSON_NUMBER,
    STRING = 1 << MG_JSON_STRING,
    ARRAY = 1 << MG_JSON_ARRAY,
    OBJECT = 1 << MG_JSON_OBJECT
};

/* What the gateway itself reads, and what every vendor agrees on. Everything else goes through untouched. */
static const field chat_fields[] = {{MG_STR_INIT("messages"), ARRAY},
                                    {MG_STR_INIT("stream"), BOOL},
                                    {MG_STR_INIT("stream_options"), OBJECT},
                                    {MG_STR_INIT("max_tokens"), NUMBER},
                                    {MG_STR_INIT("max_completion_tokens"), NUMBER},
                                    {MG_STR_INIT("n"), NUMBER},
                                    {MG_STR_INIT("temperature"), NUMBER},
                                    {MG_STR_INIT("top_p"), NUMBER},
                                    {MG_STR_INIT("presence_penalty"), NUMBER},
                                    {MG_STR_INIT("frequency_penalty"), NUMBER},
                                    {MG_STR_INIT("seed"), NUMBER},
                                    {MG_STR_INIT("stop"), STRING | ARRAY},
                                    {MG_STR_INIT("tools"), ARRAY},
                                    {MG_STR_INIT("tool_choice"), STRING | OBJECT},
                                    {MG_STR_INIT("response_format"), OBJECT},
                                    {MG_STR_INIT("logprobs"), BOOL},
                                    {MG_STR_INIT("user"), STRING},
                                    {MG_STR_INIT("metadata"), OBJECT},
                                    {{NULL, 0}, 0}};
static const field input_fields[] = {{MG_STR_INIT("input"), STRING | ARRAY},
                                     {MG_STR_INIT("dimensions"), NUMBER},
                                     {MG_STR_INIT("encoding_format"), STRING},
                                     {MG_STR_INIT("user"), STRING},
                                     {{NULL, 0}, 0}};

static mg_status check_fields(const mg_json *root, const field *fields, mg_error *error) {
    for (; fields->name.n; fields++) {
        const mg_json *v = mg_json_get(root, fields->name);
        if (!v || v->type == MG_JSON_NULL || fields->types & 1u << v->type) continue;
        return mg_fail(error, 400, "invalid_type", "'%s' has the wrong type: got %s.", fields->name.p,
                       mg_json_type_name((mg_json_type)v->type));
    }
    return MG_OK;
}

static mg_status check_positive(const mg_json *root, const char *name, mg_error *error) {
    const mg_json *v = mg_json_get(root, mg_str_of(name));
    int64_t n = mg_json_int(v, -1);
    if (!v || v->type == MG_JSON_NULL || (n >= 1 && n <= INT32_MAX)) return MG_OK;
    return mg_fail(error, 400, "invalid_value", "'%s' must be an integer from 1 to 2147483647.", name);
}

static bool role_known(mg_str role) {
    static const mg_str roles[] = {MG_STR_INIT("user"), MG_STR_INIT("assistant"), MG_STR_INIT("system"),
                                   MG_STR_INIT("tool"), MG_STR_INIT("developer"), MG_STR_INIT("function")};
    for (size_t k = 0; k < sizeof roles / sizeof roles[0]; k++)
        if (mg_str_eq(role, roles[k])) return true;
    return false;
}

static mg_status check_messages(const mg_json *messages, mg_error *error) {
    size_t i = 0;
    if (mg_json_kind(messages) != MG_JSON_ARRAY || !messages->count)
        return mg_fail(error, 400, "missing_required_parameter", "'messages' must be a list of at least one message.");
    for (const mg_json *m = messages->child; m; m = m->next, i++) {
        if (m->type != MG_JSON_OBJECT)
            return mg_fail(error, 400, "invalid_type", "'messages[%zu]' must be an object.", i);
        if (!role_known(mg_json_text(mg_json_get(m, MG_STR("role")))))
            return mg_fail(error, 400, "invalid_value",
                           "'messages[%zu].role' must be one of system, developer, user, assistant, tool.", i);
        mg_json_type content = mg_json_kind(mg_json_get(m, MG_STR("content")));
        if (content != MG_JSON_NULL && content != MG_JSON_STRING && content != MG_JSON_ARRAY)
            return mg_fail(error, 400, "invalid_type", "'messages[%zu].content' must be a string or a list of parts.",
                           i);
    }
    return MG_OK;
}

static mg_status check_chat(const mg_json *root, mg_error *error) {
    mg_status st = check_fields(root, chat_fields, error);
    if (st == MG_OK) st = check_messages(mg_json_get(root, MG_STR("messages")), error);
    if (st == MG_OK) st = check_positive(root, "max_tokens", error);
    if (st == MG_OK) st = check_positive(root, "max_completion_tokens", error);
    if (st == MG_OK) st = check_positive(root, "n", error);
    return st;
}

static mg_status check_input(const mg_json *root, mg_error *error) {
    const mg_json *input = mg_json_get(root, MG_STR("input"));
    mg_status st = check_fields(root, input_fields, error);
    if (st != MG_OK) return st;
    if (mg_json_kind(input) == MG_JSON_NULL || (input->type == MG_JSON_ARRAY && !input->count))
        return mg_fail(error, 400, "missing_required_parameter", "'input' must be a text, or a list of at least one.");
    return MG_OK;
}

mg_status mg_openai_check(mg_operation op, const mg_json *root, mg_error *error) {
    return op == MG_OP_CHAT ? check_chat(root, error) : check_input(root, error);
}

void mg_openai_read(mg_operation op, const mg_json *root, mg_facts *out) {
    bool chat = op == MG_OP_CHAT;
    const mg_json *max = NULL, *metadata = mg_json_get(root, MG_STR("metadata"));
    *out = (mg_facts){.max_output = -1, .choices = 1};
    out->model = mg_json_text(mg_json_get(root, MG_STR("model")));
    if (!out->model.n && op == MG_OP_MODERATIONS) out->model = MG_STR("omni-moderation-latest");
    out->user = mg_json_text(mg_json_get(root, MG_STR("safety_identifier")));
    if (!out->user.n) out->user = mg_json_text(mg_json_get(root, MG_STR("user")));
    if (mg_json_kind(metadata) == MG_JSON_OBJECT) out->tags = metadata;
    out->base64 = mg_str_is(mg_json_text(mg_json_get(root, MG_STR("encoding_format"))), "base64");
    if (!chat) return;
    out->stream = mg_json_bool(mg_json_get(root, MG_STR("stream")), false);
    out->usage_asked = mg_json_bool(mg_json_path(root, "stream_options.include_usage"), false);
    max = mg_json_get(root, MG_STR("max_completion_tokens"));
    if (mg_json_kind(max) == MG_JSON_NULL) max = mg_json_get(root, MG_STR("max_tokens"));
    out->max_output = mg_json_int(max, -1);
    out->choices = mg_json_int(mg_json_get(root, MG_STR("n")), 1);
    const mg_json *tools = mg_json_get(root, MG_STR("tools"));
    if (mg_json_kind(tools) == MG_JSON_ARRAY) out->tools = tools;
}
