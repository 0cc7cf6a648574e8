/* Anthropic's Messages API as clients of its SDKs speak it: the table, and what is short enough to stand beside it. */
#include "format/anthropic.h"

static void put(mg_buf *out, const char *text) { mg_buf_str(out, mg_str_of(text)); }

/* ---- reading ------------------------------------------------------------------------------------------------------ */

/* Client tags: Anthropic itself knows a user_id only, so metadata holds tags if there is anything beside it. */
static const mg_json *tags_of(const mg_json *metadata) {
    for (const mg_json *m = mg_json_kind(metadata) == MG_JSON_OBJECT ? metadata->child : NULL; m; m = m->next)
        if (!mg_str_is(m->key, "user_id")) return metadata;
    return NULL;
}

static void read_facts(mg_operation op, const mg_json *root, mg_facts *out) {
    const mg_json *tools = mg_json_get(root, MG_STR("tools")), *metadata = mg_json_get(root, MG_STR("metadata"));
    *out = (mg_facts){
        .model = mg_json_text(mg_json_get(root, MG_STR("model"))),
        .stream = op == MG_OP_CHAT && mg_json_bool(mg_json_get(root, MG_STR("stream")), false),
        .usage_asked = true,
        .user = mg_json_text(mg_json_get(metadata, MG_STR("user_id"))),
        .tags = tags_of(metadata),
        .max_output = mg_json_int(mg_json_get(root, MG_STR("max_tokens")), -1),
        .choices = 1,
        .tools = mg_json_kind(tools) == MG_JSON_ARRAY ? tools : NULL,
    };
}

/* ---- errors ------------------------------------------------------------------------------------------------------- */

static const char *error_type(int status, mg_str code) {
    if (mg_str_is(code, "insufficient_quota")) return "billing_error";
    switch (status) {
    case 401: return "authentication_error";
    case 402: return "billing_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 408:
    case 504: return "timeout_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 503:
    case 529: return "overloaded_error";
    default: return status >= 500 ? "api_error" : "invalid_request_error";
    }
}

void mg_anthropic_error(const mg_fault *f, mg_buf *out) {
    put(out, "{\"type\":\"error\",\"error\":{\"type\":");
    mg_buf_json(out, mg_str_of(error_type(f->status, f->code)));
    put(out, ",\"message\":");
    mg_buf_json(out, f->message);
    put(out, "},\"request_id\":");
    if (f->request_id.n)
        mg_buf_json(out, f->request_id);
    else
        put(out, "null");
    put(out, "}");
}

static void error_frames(mg_stream *s, const mg_fault *f) {
    put(s->out, "event: error\ndata: ");
    mg_anthropic_error(f, s->out);
    put(s->out, "\n\n");
}

/* Anthropic's own status for what its SDKs call overloaded. */
static int status_of(int status, mg_str code) {
    (void)code;
    return status == 503 ? 529 : status;
}

/* ---- lists -------------------------------------------------------------------------------------------------------- */

static void add_count(mg_buf *out, const char *key, int64_t n) {
    if (n > 0)
        mg_buf_printf(out, ",\"%s\":%lld", key, (long long)n);
    else
        mg_buf_printf(out, ",\"%s\":null", key);
}

/* When a model was released is not known: the API says the epoch then. */
static void add_model(const mg_model_row *row, mg_buf *out) {
    put(out, "{\"type\":\"model\",\"id\":");
    mg_buf_json(out, row->id);
    put(out, ",\"display_name\":");
    mg_buf_json(out, row->id);
    put(out, ",\"created_at\":\"1970-01-01T00:00:00Z\"");
    add_count(out, "max_input_tokens", row->context);
    add_count(out, "max_tokens", row->max_output);
    put(out, ",\"capabilities\":null}");
}

static void add_id(mg_buf *out, const char *key, const mg_model_row *row) {
    put(out, key);
    if (row)
        mg_buf_json(out, row->id);
    else
        put(out, "null");
}

static void add_models(const mg_model_row *rows, size_t n, mg_buf *out) {
    put(out, "{\"data\":[");
    for (size_t i = 0; i < n; i++) {
        if (i) put(out, ",");
        add_model(&rows[i], out);
    }
    put(out, "],\"has_more\":false");
    add_id(out, ",\"first_id\":", n ? rows : NULL);
    add_id(out, ",\"last_id\":", n ? &rows[n - 1] : NULL);
    put(out, "}");
}

static void add_token_count(int64_t input_tokens, mg_buf *out) {
    mg_buf_printf(out, "{\"input_tokens\":%lld}", (long long)input_tokens);
}

const mg_format mg_format_anthropic = {
    .id = MG_FORMAT_ANTHROPIC,
    .name = "anthropic",
    .check = mg_anthropic_check,
    .read = read_facts,
    .parts = mg_anthropic_parts,
    .set_system = mg_anthropic_set_system,
    .set_max_output = mg_anthropic_set_max_output,
    .set_param = mg_anthropic_set_param,
    .param = mg_anthropic_param,
    .add_message = mg_anthropic_add_message,
    .remove_tool = mg_anthropic_remove_tool,
    .canonical = mg_anthropic_canonical,
    .plain = mg_anthropic_plain,
    .stream_state = sizeof(mg_anthropic_stream),
    .open = mg_anthropic_stream_open,
    .event = mg_anthropic_stream_event,
    .close = mg_anthropic_stream_close,
    .error = mg_anthropic_error,
    .error_frames = error_frames,
    .status = status_of,
    .models = add_models,
    .model = add_model,
    .count = add_token_count,
};
