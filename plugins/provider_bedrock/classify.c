/* Which kind of failure an answer of Bedrock's is, and how long it asks us to wait. */
#include <strings.h>

#include "bedrock.h"

static const int64_t WAIT_MAX_MS = 30 * 86400000LL; /* whoever asks for more has made a mistake */

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static mg_str header_find(const mg_header *headers, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (str_is(headers[i].name, name)) return headers[i].value;
    return (mg_str){NULL, 0};
}

/* Seconds, the one form that Amazon's services use; -1 if it is none. */
static int64_t wait_read(mg_str s) {
    int64_t ms = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return -1;
        if (ms < WAIT_MAX_MS) ms = ms * 10 + (s.p[i] - '0') * 1000;
    }
    return s.n == 0 ? -1 : ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS;
}

/* "ThrottlingException:http://internal.amazon.com/…" and "com.amazon.bedrock#ThrottlingException" by their bare name. */
static mg_str bare(mg_str type) {
    for (size_t i = 0; i < type.n; i++)
        if (type.p[i] == '#') return bare((mg_str){type.p + i + 1, type.n - i - 1});
    for (size_t i = 0; i < type.n; i++)
        if (type.p[i] == ':') return (mg_str){type.p, i};
    return type;
}

/* The type stands in a header, in the body, or, inside a stream, is the event's name. */
static mg_str type_find(const mg_host *h, const mg_frame *frame, const mg_header *headers, size_t n) {
    mg_str type = header_find(headers, n, "x-amzn-errortype");
    if (!type.n) type = bedrock_text(h, frame->json, "__type");
    if (!type.n) type = bedrock_text(h, frame->json, "code");
    return bare(type.n ? type : frame->event);
}

/* ---- what the type says ------------------------------------------------------------------------------------------ */

static bool type_is(mg_str type, const char *name) {
    return type.n == strlen(name) && strncasecmp(type.p, name, type.n) == 0; /* exceptions in streams begin small */
}

static mg_failure by_type(mg_str type) {
    static const struct {
        const char *type;
        mg_failure failure;
    } types[] = {
        {"ValidationException", MG_FAIL_BAD_REQUEST},
        {"SerializationException", MG_FAIL_BAD_REQUEST},
        {"ConflictException", MG_FAIL_BAD_REQUEST},
        {"ThrottlingException", MG_FAIL_RATE},
        {"TooManyRequestsException", MG_FAIL_RATE},
        {"ServiceQuotaExceededException", MG_FAIL_QUOTA},
        {"AccessDeniedException", MG_FAIL_AUTH},
        {"UnrecognizedClientException", MG_FAIL_AUTH},
        {"InvalidSignatureException", MG_FAIL_AUTH},
        {"IncompleteSignatureException", MG_FAIL_AUTH},
        {"MissingAuthenticationTokenException", MG_FAIL_AUTH},
        {"InvalidClientTokenId", MG_FAIL_AUTH},
        {"ExpiredTokenException", MG_FAIL_AUTH},
        {"RequestExpired", MG_FAIL_AUTH},
        {"OptInRequired", MG_FAIL_AUTH},
        {"ResourceNotFoundException", MG_FAIL_NOT_FOUND},
        {"UnknownOperationException", MG_FAIL_NOT_FOUND},
        {"ModelNotReadyException", MG_FAIL_OVERLOADED},
        {"ServiceUnavailableException", MG_FAIL_OVERLOADED},
        {"ModelTimeoutException", MG_FAIL_SERVER},
        {"ModelErrorException", MG_FAIL_SERVER},
        {"ModelStreamErrorException", MG_FAIL_SERVER},
        {"InternalServerException", MG_FAIL_SERVER},
        {"InternalFailure", MG_FAIL_SERVER},
    };
    for (size_t i = 0; i < COUNT(types); i++)
        if (type_is(type, types[i].type)) return types[i].failure;
    return MG_FAIL_NONE;
}

static mg_failure by_status(int status) {
    switch (status) {
    case 401:
    case 403: return MG_FAIL_AUTH;
    case 402: return MG_FAIL_QUOTA;
    case 404: return MG_FAIL_NOT_FOUND;
    case 408:
    case 424: return MG_FAIL_SERVER; /* the model's time is over, the model has failed */
    case 413: return MG_FAIL_CONTEXT_LENGTH;
    case 429: return MG_FAIL_RATE;
    case 503:
    case 529: return MG_FAIL_OVERLOADED;
    default: return status >= 400 && status < 500 ? MG_FAIL_BAD_REQUEST : MG_FAIL_SERVER;
    }
}

/* ---- what the sentence says -------------------------------------------------------------------------------------- */

/* ValidationException is for many things. */
static mg_failure by_message(mg_str message) {
    static const struct {
        const char *part;
        mg_failure failure;
    } parts[] = {
        {"input is too long", MG_FAIL_CONTEXT_LENGTH},
        {"prompt is too long", MG_FAIL_CONTEXT_LENGTH},
        {"exceed context limit", MG_FAIL_CONTEXT_LENGTH},
        {"exceeds the context limit", MG_FAIL_CONTEXT_LENGTH},
        {"context window", MG_FAIL_CONTEXT_LENGTH},
        {"maximum context length", MG_FAIL_CONTEXT_LENGTH},
        {"too many input tokens", MG_FAIL_CONTEXT_LENGTH},
        {"input tokens exceed", MG_FAIL_CONTEXT_LENGTH},
        {"too many total text bytes", MG_FAIL_CONTEXT_LENGTH},
        {"model identifier is invalid", MG_FAIL_NOT_FOUND},
        {"support counting tokens", MG_FAIL_NOT_FOUND}, /* of this model, or by this id of it */
        {"on-demand throughput", MG_FAIL_NOT_FOUND}, /* such models are reached by an inference profile only */
        {"content filtering policy", MG_FAIL_CONTENT},
        {"operation not allowed", MG_FAIL_AUTH}, /* the account may not use Bedrock yet */
    };
    for (size_t i = 0; i < COUNT(parts); i++)
        if (bedrock_says(message, parts[i].part)) return parts[i].failure;
    return MG_FAIL_BAD_REQUEST;
}

void bedrock_classify(const mg_host *h, const mg_frame *frame, const mg_header *headers, size_t n_headers,
                      mg_classification *out) {
    const mg_json *body = frame->json;
    int original = (int)h->json_int(bedrock_get(h, body, "originalStatusCode"), 0);
    out->message = bedrock_text(h, body, "message");
    if (!out->message.n) out->message = bedrock_text(h, body, "Message");
    out->code = type_find(h, frame, headers, n_headers);
    out->retry_after_ms = wait_read(header_find(headers, n_headers, "retry-after"));
    out->failure = by_type(out->code);
    if (out->failure == MG_FAIL_NONE) out->failure = by_status(frame->status);
    if (out->failure == MG_FAIL_SERVER && original >= 400) out->failure = by_status(original); /* the model's own */
    if (out->failure == MG_FAIL_BAD_REQUEST) out->failure = by_message(out->message);
    /* Whoever has used up a day does not get further by waiting. */
    if (out->failure == MG_FAIL_RATE && bedrock_says(out->message, "per day")) out->failure = MG_FAIL_QUOTA;
}
