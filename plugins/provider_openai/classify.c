/* Which kind of failure an answer in OpenAI's format is. */
#include <strings.h>

#include "openai.h"

/* ---- what the body says ------------------------------------------------------------------------------------------ */

static mg_failure failure_by_name(mg_str name) {
    static const struct {
        const char *name;
        mg_failure failure;
    } names[] = {
        {"context_length_exceeded", MG_FAIL_CONTEXT_LENGTH},
        {"context_window_exceeded", MG_FAIL_CONTEXT_LENGTH},
        {"model_max_prompt_tokens_exceeded", MG_FAIL_CONTEXT_LENGTH},
        {"content_filter", MG_FAIL_CONTENT},
        {"content_policy_violation", MG_FAIL_CONTENT},
        {"ResponsibleAIPolicyViolation", MG_FAIL_CONTENT},
        {"moderation_blocked", MG_FAIL_CONTENT},
        {"invalid_prompt", MG_FAIL_CONTENT},
        {"insufficient_quota", MG_FAIL_QUOTA},
        {"billing_hard_limit_reached", MG_FAIL_QUOTA},
        {"billing_not_active", MG_FAIL_QUOTA},
        {"insufficient_balance", MG_FAIL_QUOTA},
        {"invalid_api_key", MG_FAIL_AUTH},
        {"authentication_error", MG_FAIL_AUTH},
        {"permission_denied", MG_FAIL_AUTH},
        {"account_deactivated", MG_FAIL_AUTH},
        {"model_not_found", MG_FAIL_NOT_FOUND},
        {"rate_limit_exceeded", MG_FAIL_RATE},
        {"rate_limit_error", MG_FAIL_RATE},
        {"overloaded_error", MG_FAIL_OVERLOADED},
        {"engine_overloaded", MG_FAIL_OVERLOADED},
        {"engine_overloaded_error", MG_FAIL_OVERLOADED},
        {"server_overloaded", MG_FAIL_OVERLOADED},
        {"service_unavailable", MG_FAIL_OVERLOADED},
        {"service_unavailable_error", MG_FAIL_OVERLOADED},
        /* Azure's own */
        {"DeploymentNotFound", MG_FAIL_NOT_FOUND},
        {"ResourceNotFound", MG_FAIL_NOT_FOUND},
        {"unknown_model", MG_FAIL_NOT_FOUND},
        {"unavailable_model", MG_FAIL_NOT_FOUND},
        {"PermissionDenied", MG_FAIL_AUTH},
        {"Unauthorized", MG_FAIL_AUTH},
        {"RateLimitReached", MG_FAIL_RATE},
        {"too_many_requests", MG_FAIL_RATE},
        {"InsufficientQuota", MG_FAIL_QUOTA},
        {"NoCapacity", MG_FAIL_OVERLOADED},
        {"ServiceUnavailable", MG_FAIL_OVERLOADED},
        {"EngineOverloaded", MG_FAIL_OVERLOADED},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (name.n == strlen(names[i].name) && strncasecmp(name.p, names[i].name, name.n) == 0) return names[i].failure;
    return MG_FAIL_NONE;
}

static bool says(mg_str text, const char *part) {
    size_t n = strlen(part);
    for (size_t i = 0; i + n <= text.n; i++)
        if (strncasecmp(text.p + i, part, n) == 0) return true;
    return false;
}

static mg_failure failure_by_status(int status, mg_str message) {
    switch (status) {
    case 401:
    case 403: return MG_FAIL_AUTH;
    case 402: return MG_FAIL_QUOTA;
    case 404: return MG_FAIL_NOT_FOUND;
    case 408:
    case 409: return MG_FAIL_SERVER; /* time-out and lock conflict: both pass, as the official clients know */
    case 413: return MG_FAIL_CONTEXT_LENGTH;
    case 429: return MG_FAIL_RATE;
    case 503:
    case 529: return MG_FAIL_OVERLOADED;
    default: break;
    }
    if (status < 400 || status >= 500) return MG_FAIL_SERVER;
    /* Servers that know no error codes, vLLM and llama.cpp among them. */
    if (says(message, "context length") || says(message, "context window") || says(message, "context size"))
        return MG_FAIL_CONTEXT_LENGTH;
    return MG_FAIL_BAD_REQUEST;
}

/* The object that holds message, type and code: `error`, or the body itself (vLLM), or the first of a list (Gemini). */
static const mg_json *error_find(const mg_host *h, const mg_json *root) {
    if (root && h->json_type(root) == MG_JSON_ARRAY) root = h->json_child(root);
    const mg_json *e = openai_get(h, root, "error");
    return e && h->json_type(e) != MG_JSON_NULL ? e : root;
}

static mg_str message_find(const mg_host *h, const mg_json *root, const mg_json *e) {
    mg_str text = h->json_str(e);
    if (!text.n) text = openai_text(h, e, "message");
    if (!text.n) text = openai_text(h, root, "message");
    return text.n ? text : openai_text(h, root, "detail");
}

/* The code, else the type; a number as its digits in the body. */
static mg_str code_find(const mg_host *h, const mg_frame *frame, const mg_json *e) {
    size_t start, end;
    const mg_json *code = openai_get(h, e, "code");
    if (h->json_str(code).n) return h->json_str(code);
    mg_str type = openai_text(h, e, "type");
    if (type.n || !code || h->json_type(code) != MG_JSON_NUMBER) return type;
    if (!h->json_span(code, &start, &end) || end > frame->data.n) return type;
    return (mg_str){frame->data.p + start, end - start};
}

/* An error inside an answer that began well may bring its status along. */
static int status_of(const mg_host *h, const mg_frame *frame, const mg_json *e) {
    if (frame->status >= 300) return frame->status;
    int64_t status = h->json_int(openai_get(h, e, "status"), 500);
    status = h->json_int(openai_get(h, e, "code"), status);
    return status >= 400 && status < 600 ? (int)status : 500;
}

void openai_classify(const mg_host *h, const mg_frame *frame, const mg_header *headers, size_t n_headers,
                     mg_classification *out) {
    const mg_json *e = error_find(h, frame->json);
    int status = status_of(h, frame, e);
    mg_failure inner = failure_by_name(openai_text(h, openai_get(h, e, "innererror"), "code"));
    out->message = message_find(h, frame->json, e);
    out->code = code_find(h, frame, e);
    out->failure = failure_by_name(openai_text(h, e, "code"));
    if (out->failure == MG_FAIL_NONE) out->failure = failure_by_name(openai_text(h, e, "type"));
    if (inner != MG_FAIL_NONE) out->failure = inner;
    /* Groq's name for a request that alone exceeds the tokens of a minute: waiting never helps. */
    if (out->failure == MG_FAIL_RATE && status == 413) out->failure = MG_FAIL_NONE;
    if (out->failure == MG_FAIL_NONE) out->failure = failure_by_status(status, out->message);
    bool waits = out->failure == MG_FAIL_RATE || out->failure == MG_FAIL_OVERLOADED;
    out->retry_after_ms = openai_wait(headers, n_headers, waits ? out->message : (mg_str){NULL, 0});
}
