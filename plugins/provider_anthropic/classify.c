/* Which kind of failure an answer of Anthropic's is, and how long it asks us to wait. */
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "anthropic.h"

static const int64_t WAIT_MAX_MS = 30 * 86400000LL; /* whoever asks for more has made a mistake */

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

static mg_str header_find(const mg_header *headers, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (str_is(headers[i].name, name)) return headers[i].value;
    return (mg_str){NULL, 0};
}

/* A decimal number, in thousandths; -1 if it is none. Saturates far beyond WAIT_MAX_MS. */
static int64_t thousandths_read(mg_str s) {
    int64_t value = 0, scale = 1000;
    size_t i = 0;
    for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
        if (value < 1000000000000000) value = value * 10 + (s.p[i] - '0');
    if (i == 0) return -1;
    value = value > INT64_MAX / 1000 - 1 ? INT64_MAX - 1000 : value * 1000;
    if (i < s.n && s.p[i] == '.')
        for (i++; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++) {
            scale /= 10;
            value += scale * (s.p[i] - '0');
        }
    return i == s.n ? value : -1;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7) to seconds; -1 if it is not of that form. */
static int64_t date_read(mg_str s) {
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char text[32], month[4];
    struct tm t = {.tm_mon = -1};
    if (s.n != 29) return -1;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    if (sscanf(text, "%*3s, %2d %3s %4d %2d:%2d:%2d GMT", &t.tm_mday, month, &t.tm_year, &t.tm_hour, &t.tm_min,
               &t.tm_sec) != 6)
        return -1;
    for (int i = 0; i < 12; i++)
        if (strcmp(month, months[i]) == 0) t.tm_mon = i;
    t.tm_year -= 1900;
    return t.tm_mon < 0 ? -1 : timegm(&t);
}

/* retry-after-ms; retry-after as seconds; or as a date, counted from the vendor's own clock. */
static int64_t wait_read(const mg_header *headers, size_t n) {
    mg_str after = header_find(headers, n, "retry-after");
    int64_t exact = thousandths_read(header_find(headers, n, "retry-after-ms")), ms = thousandths_read(after);
    if (exact >= 0) {
        ms = (exact + 999) / 1000;
    } else if (ms < 0) {
        int64_t then = date_read(after), now = date_read(header_find(headers, n, "date"));
        if (then < 0) return -1;
        if (now < 0) now = time(NULL);
        ms = then > now ? (then - now) * 1000 : 0;
    }
    return ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS;
}

/* ---- what the body says ------------------------------------------------------------------------------------------ */

static bool mentions(mg_str text, const char *part) {
    size_t n = strlen(part);
    for (size_t i = 0; i + n <= text.n; i++)
        if (strncasecmp(text.p + i, part, n) == 0) return true;
    return false;
}

static mg_failure by_type(mg_str type) {
    static const struct {
        const char *type;
        mg_failure failure;
    } types[] = {
        {"invalid_request_error", MG_FAIL_BAD_REQUEST},
        {"authentication_error", MG_FAIL_AUTH},
        {"permission_error", MG_FAIL_AUTH},
        {"billing_error", MG_FAIL_QUOTA},
        {"not_found_error", MG_FAIL_NOT_FOUND},
        {"request_too_large", MG_FAIL_CONTEXT_LENGTH},
        {"rate_limit_error", MG_FAIL_RATE},
        {"timeout_error", MG_FAIL_SERVER},
        {"api_error", MG_FAIL_SERVER},
        {"overloaded_error", MG_FAIL_OVERLOADED},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (str_is(type, types[i].type)) return types[i].failure;
    return MG_FAIL_NONE;
}

static mg_failure by_status(int status) {
    switch (status) {
    case 401:
    case 403: return MG_FAIL_AUTH;
    case 402: return MG_FAIL_QUOTA;
    case 404: return MG_FAIL_NOT_FOUND;
    case 408:
    case 409: return MG_FAIL_SERVER; /* both pass by themselves */
    case 413: return MG_FAIL_CONTEXT_LENGTH;
    case 429: return MG_FAIL_RATE;
    case 503:
    case 529: return MG_FAIL_OVERLOADED;
    default: return status >= 400 && status < 500 ? MG_FAIL_BAD_REQUEST : MG_FAIL_SERVER;
    }
}

/* invalid_request_error is also how Anthropic says these. */
static mg_failure by_message(mg_str message) {
    static const struct {
        const char *part;
        mg_failure failure;
    } parts[] = {
        {"prompt is too long", MG_FAIL_CONTEXT_LENGTH},        {"exceed context limit", MG_FAIL_CONTEXT_LENGTH},
        {"exceeds the context limit", MG_FAIL_CONTEXT_LENGTH}, {"context window", MG_FAIL_CONTEXT_LENGTH},
        {"credit balance is too low", MG_FAIL_QUOTA},          {"specified API usage limits", MG_FAIL_QUOTA},
        {"content filtering policy", MG_FAIL_CONTENT},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (mentions(message, parts[i].part)) return parts[i].failure;
    return MG_FAIL_BAD_REQUEST;
}

void anthropic_classify(const mg_host *h, const mg_frame *frame, const mg_header *headers, size_t n_headers,
                        mg_classification *out) {
    const mg_json *error = anthropic_get(h, frame->json, "error");
    out->message = h->json_str(error).n ? h->json_str(error) : anthropic_text(h, error, "message");
    if (!out->message.n) out->message = anthropic_text(h, frame->json, "message");
    out->code = anthropic_text(h, error, "type");
    out->retry_after_ms = wait_read(headers, n_headers);
    out->failure = by_type(out->code);
    if (out->failure == MG_FAIL_NONE) out->failure = by_status(frame->status);
    if (out->failure == MG_FAIL_BAD_REQUEST) out->failure = by_message(out->message);
}
