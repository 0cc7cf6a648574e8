/* Which kind of failure an answer in OpenAI's format is, and how long the vendor asks us to wait. */
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "openai.h"

static const int64_t WAIT_MAX_MS = 30 * 86400000LL; /* whoever asks for more has made a mistake */

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

static mg_str header(const mg_header *headers, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (str_eq(headers[i].name, str_of(name))) return headers[i].value;
    return (mg_str){NULL, 0};
}

/* A decimal number, at most three of its fraction's digits used, times 1,000; -1 if it is none. */
static int64_t thousandths(mg_str s) {
    int64_t value = 0;
    size_t i = 0, fraction = 0;
    bool point = false;
    if (s.n == 0 || s.p[0] < '0' || s.p[0] > '9') return -1;
    for (; i < s.n; i++) {
        if (s.p[i] == '.' && !point) {
            point = true;
        } else if (s.p[i] < '0' || s.p[i] > '9') {
            return -1;
        } else if (fraction < 3) {
            if (value > WAIT_MAX_MS * 1000) return WAIT_MAX_MS * 1000;
            value = value * 10 + (s.p[i] - '0');
            fraction += point;
        }
    }
    for (; fraction < 3; fraction++) value *= 10;
    return value;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7) to seconds; -1 if it is not of that form. */
static int64_t http_date(mg_str s) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[32], month[4];
    struct tm t = {0};
    if (s.n != 29) return -1;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    if (sscanf(text, "%*3s, %2d %3s %4d %2d:%2d:%2d GMT", &t.tm_mday, month, &t.tm_year, &t.tm_hour, &t.tm_min,
               &t.tm_sec) != 6)
        return -1;
    const char *at = strstr(months, month);
    if (!at || strlen(month) != 3 || (at - months) % 3) return -1;
    t.tm_mon = (int)(at - months) / 3;
    t.tm_year -= 1900;
    return timegm(&t);
}

/* A date counts from the vendor's own, so that neither clock's error matters. */
static int64_t wait_until(const mg_header *headers, size_t n, mg_str date) {
    int64_t then = http_date(date), now = http_date(header(headers, n, "date"));
    if (then < 0) return -1;
    if (now < 0) now = time(NULL);
    return then > now ? (then - now) * 1000 : 0;
}

static int64_t retry_after(const mg_header *headers, size_t n) {
    mg_str after = header(headers, n, "retry-after");
    int64_t ms = thousandths(header(headers, n, "retry-after-ms"));
    if (ms >= 0)
        ms = (ms + 999) / 1000;
    else
        ms = thousandths(after);
    if (ms < 0) ms = wait_until(headers, n, after);
    return ms > WAIT_MAX_MS ? WAIT_MAX_MS : ms;
}

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
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_eq(name, str_of(names[i].name))) return names[i].failure;
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

void openai_classify(const mg_host *h, const mg_frame *frame, const mg_header *headers, size_t n_headers,
                     mg_classification *out) {
    const mg_json *e = error_find(h, frame->json);
    int status = frame->status;
    mg_failure inner = failure_by_name(openai_text(h, openai_get(h, e, "innererror"), "code"));
    out->message = message_find(h, frame->json, e);
    out->code = code_find(h, frame, e);
    out->retry_after_ms = retry_after(headers, n_headers);
    /* An error inside an answer that began well may bring its status along. */
    if (status < 300) status = (int)h->json_int(openai_get(h, e, "code"), 500);
    out->failure = failure_by_name(openai_text(h, e, "code"));
    if (out->failure == MG_FAIL_NONE) out->failure = failure_by_name(openai_text(h, e, "type"));
    if (inner != MG_FAIL_NONE) out->failure = inner;
    /* Groq's name for a request that alone exceeds the tokens of a minute: waiting never helps. */
    if (out->failure == MG_FAIL_RATE && status == 413) out->failure = MG_FAIL_NONE;
    if (out->failure == MG_FAIL_NONE) out->failure = failure_by_status(status, out->message);
}
