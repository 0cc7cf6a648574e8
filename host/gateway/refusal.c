#include "gateway/refusal.h"

#include "base/buf.h"
#include "gateway/answer.h"

#include <stdio.h>

const char *mg_refusal_type(int status, mg_str code) {
    if (mg_str_is(code, "insufficient_quota")) return "insufficient_quota";
    switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 429: return "rate_limit_error";
    case 500:
    case 502:
    case 503:
    case 504: return "server_error";
    default: return "invalid_request_error";
    }
}

void mg_refusal_body(int status, mg_str code, mg_str message, mg_buf *out) {
    mg_buf_str(out, MG_STR("{\"error\":{\"message\":"));
    mg_buf_json(out, message);
    mg_buf_printf(out, ",\"type\":\"%s\",\"param\":null,\"code\":", mg_refusal_type(status, code));
    if (code.n)
        mg_buf_json(out, code);
    else
        mg_buf_str(out, MG_STR("null"));
    mg_buf_str(out, MG_STR("}}"));
}

/* SDKs retry 429 and 5xx by themselves: not where it can't help. */
static bool no_retry(int status, mg_str code, int64_t retry_after_ms, mg_outcome outcome) {
    if (mg_str_is(code, "insufficient_quota") || retry_after_ms > 30000) return true;
    return outcome == MG_OUTCOME_DENIED && status != 429 && status < 500;
}

static size_t retry_headers(mg_request *r, int64_t ms, mg_header *out) {
    if (ms < 0) return 0;
    out[0] = (mg_header){MG_STR("retry-after"), mg_arena_printf(r->arena, "%lld", (long long)((ms + 999) / 1000))};
    out[1] = (mg_header){MG_STR("retry-after-ms"), mg_arena_printf(r->arena, "%lld", (long long)ms)};
    return 2;
}

/* After the first byte: the error goes into the stream as an event, and no terminator follows it. */
static void end_stream(mg_request *r, mg_str body) {
    mg_exchange *x = r->x;
    mg_str event = mg_arena_printf(r->arena, "data: %.*s\n\n", MG_STR_ARG(body));
    mg_request_end(r);
    mg_exchange_write(x, event);
    mg_exchange_end(x);
}

void mg_refuse(mg_request *r, int status, mg_str code, mg_str message, int64_t retry_after_ms, mg_outcome outcome) {
    mg_buf b = {0};
    mg_refusal_body(status, code, message, &b);
    mg_str body = mg_arena_dup(r->arena, mg_buf_view(&b));
    mg_buf_finish(&b);
    if (r->outcome == MG_OUTCOME_NONE) r->outcome = outcome;
    if (!r->error_kind[0])
        snprintf(r->error_kind, sizeof r->error_kind, "%.*s", (int)(code.n < 23 ? code.n : 23), code.p ? code.p : "");
    if (r->committed) {
        end_stream(r, body);
        return;
    }
    r->status = status;
    mg_exchange *x = r->x;
    mg_header h[MG_ANSWER_HEADERS + 4];
    size_t n = mg_answer_headers(r, MG_STR("application/json"), false, h);
    n += retry_headers(r, retry_after_ms, h + n);
    if (no_retry(status, code, retry_after_ms, outcome))
        h[n++] = (mg_header){MG_STR("x-should-retry"), MG_STR("false")};
    mg_request_end(r);
    mg_exchange_reply(x, status, h, n, body);
}

void mg_refuse_error(mg_request *r, const mg_error *error, mg_outcome outcome) {
    mg_refuse(r, error->http ? error->http : 500, mg_str_of(error->code), mg_str_of(error->text), -1, outcome);
}
