/* Which kind of failure an answer is (google.rpc.Status), and how long the vendor asks us to wait. */
#include <stdio.h>
#include <time.h>

#include "google.h"

static const int64_t WAIT_MAX_MS = 30 * 86400000LL; /* whoever asks for more has made a mistake */

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

/* "48.939935699" or "48.9s" in milliseconds, rounded up; -1 if it is neither. */
static int64_t seconds(mg_str s) {
    int64_t ms = 0, scale = 1000;
    size_t i = 0;
    if (s.n && s.p[s.n - 1] == 's') s.n--;
    for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++) ms = ms > WAIT_MAX_MS ? ms : ms * 10 + (s.p[i] - '0') * 1000;
    if (i == 0) return -1;
    if (i < s.n && s.p[i] == '.') {
        bool rest = false;
        for (i++; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++) {
            scale /= 10;
            ms += (s.p[i] - '0') * scale;
            rest |= scale == 0 && s.p[i] != '0';
        }
        ms += rest;
    }
    if (i != s.n) return -1;
    return ms > WAIT_MAX_MS ? WAIT_MAX_MS : ms;
}

static mg_str header(const mg_header *headers, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (str_is(headers[i].name, name)) return headers[i].value;
    return (mg_str){NULL, 0};
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7) to seconds; -1 if it is not of that form. */
static int64_t http_date(mg_str s) {
    char text[32];
    struct tm t = {0};
    if (s.n != 29) return -1;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    const char *end = strptime(text + 5, "%d %b %Y %H:%M:%S GMT", &t);
    return end && !*end ? timegm(&t) : -1;
}

/* A date counts from the vendor's own, so that neither clock's error matters. */
static int64_t retry_after(const mg_header *headers, size_t n) {
    mg_str after = header(headers, n, "retry-after");
    int64_t ms = seconds(after), then = http_date(after), now = http_date(header(headers, n, "date"));
    if (ms >= 0 || then < 0) return ms;
    if (now < 0) now = time(NULL);
    ms = then > now ? (then - now) * 1000 : 0;
    return ms > WAIT_MAX_MS ? WAIT_MAX_MS : ms;
}

/* ---- what the body says ------------------------------------------------------------------------------------------ */

/* The element of `details` that is a google.rpc message of this name. */
static const mg_json *detail(const mg_host *h, const mg_json *error, const char *name) {
    const mg_json *d = h->json_child(google_get(h, error, "details"));
    for (; d; d = h->json_next(d)) {
        mg_str type = google_text(h, d, "@type");
        size_t n = strlen(name);
        if (type.n > n && memcmp(type.p + type.n - n, name, n) == 0) return d;
    }
    return NULL;
}

/* A day's worth, or one of nothing, comes back too late for any wait to help: the account needs a larger one. */
static bool quota_is_out(const mg_host *h, const mg_json *error, mg_str message) {
    const mg_json *v = h->json_child(google_get(h, detail(h, error, ".QuotaFailure"), "violations"));
    for (; v; v = h->json_next(v))
        if (str_says(google_text(h, v, "quotaId"), "PerDay") || str_is(google_text(h, v, "quotaValue"), "0"))
            return true;
    return str_says(message, "prepayment credits") || str_says(message, "limit: 0,");
}

/* 400 and 403 are for many things; the reason or the sentence tells which. */
static mg_failure refused(const mg_host *h, const mg_json *error, mg_str message, mg_failure otherwise) {
    mg_str reason = google_text(h, detail(h, error, ".ErrorInfo"), "reason");
    if (str_is(reason, "BILLING_DISABLED") || str_says(message, "enable billing")) return MG_FAIL_QUOTA;
    if (str_starts(reason, "API_KEY_") || str_starts(reason, "CREDENTIALS_") || str_starts(reason, "ACCESS_TOKEN_") ||
        str_starts(reason, "SERVICE_DISABLED") || str_starts(reason, "CONSUMER_"))
        return MG_FAIL_AUTH;
    /* "User location is not supported for the API use": ours, and no matter of this request. */
    if (str_says(message, "API key") || str_says(message, "location is not supported")) return MG_FAIL_AUTH;
    if (str_says(message, "token count") || str_says(message, "maximum number of tokens") ||
        str_says(message, "input context is too long") || str_says(message, "payload size exceeds"))
        return MG_FAIL_CONTEXT_LENGTH;
    if (str_says(message, "responsible AI practices") || str_says(message, "usage guidelines")) return MG_FAIL_CONTENT;
    return otherwise;
}

static mg_failure by_status(int status) {
    switch (status) {
    case 401:
    case 403: return MG_FAIL_AUTH;
    case 404: return MG_FAIL_NOT_FOUND;
    case 408: return MG_FAIL_SERVER;
    case 413: return MG_FAIL_CONTEXT_LENGTH;
    case 429: return MG_FAIL_RATE;
    case 499: return MG_FAIL_SERVER;
    case 503:
    case 529: return MG_FAIL_OVERLOADED;
    default: return status >= 400 && status < 500 ? MG_FAIL_BAD_REQUEST : MG_FAIL_SERVER;
    }
}

/* google.rpc.Code by name; else the HTTP status tells. */
static mg_failure by_name(mg_str name, int status) {
    static const struct {
        const char *name;
        mg_failure failure;
    } names[] = {
        {"INVALID_ARGUMENT", MG_FAIL_BAD_REQUEST},
        {"FAILED_PRECONDITION", MG_FAIL_BAD_REQUEST},
        {"OUT_OF_RANGE", MG_FAIL_BAD_REQUEST},
        {"UNAUTHENTICATED", MG_FAIL_AUTH},
        {"PERMISSION_DENIED", MG_FAIL_AUTH},
        {"NOT_FOUND", MG_FAIL_NOT_FOUND},
        {"UNIMPLEMENTED", MG_FAIL_NOT_FOUND},
        {"RESOURCE_EXHAUSTED", MG_FAIL_RATE},
        {"UNAVAILABLE", MG_FAIL_OVERLOADED},
        {"DEADLINE_EXCEEDED", MG_FAIL_SERVER},
        {"INTERNAL", MG_FAIL_SERVER},
        {"UNKNOWN", MG_FAIL_SERVER},
        {"ABORTED", MG_FAIL_SERVER},
        {"CANCELLED", MG_FAIL_SERVER},
        {"DATA_LOSS", MG_FAIL_SERVER},
    };
    for (size_t i = 0; i < COUNT(names); i++)
        if (str_is(name, names[i].name)) return names[i].failure;
    return by_status(status);
}

/* {"error": {…}}, or that in a list, as streams that are no events have it. */
static const mg_json *error_find(const mg_host *h, const mg_json *root) {
    if (google_is(h, root, MG_JSON_ARRAY)) root = h->json_child(root);
    return google_get(h, root, "error");
}

void google_classify(const mg_host *h, const mg_frame *frame, const mg_header *headers, size_t n_headers,
                     mg_classification *out) {
    const mg_json *error = error_find(h, frame->json);
    int status = frame->status;
    /* An error inside an answer that began well brings its status along. */
    if (status < 300) status = (int)h->json_int(google_get(h, error, "code"), 500);
    out->message = h->json_str(error); /* token servers' errors are a word */
    if (!out->message.n) out->message = google_text(h, error, "message");
    out->code = google_text(h, error, "status");
    out->failure = by_name(out->code, status);
    if (out->failure == MG_FAIL_RATE && quota_is_out(h, error, out->message)) out->failure = MG_FAIL_QUOTA;
    if (out->failure == MG_FAIL_BAD_REQUEST || out->failure == MG_FAIL_AUTH)
        out->failure = refused(h, error, out->message, out->failure);
    out->retry_after_ms = seconds(google_text(h, detail(h, error, ".RetryInfo"), "retryDelay"));
    int64_t asked = retry_after(headers, n_headers);
    if (asked > out->retry_after_ms) out->retry_after_ms = asked;
}
