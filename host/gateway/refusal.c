#include "gateway/refusal.h"

#include "base/buf.h"
#include "gateway/answer.h"

#include <stdio.h>

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
static void end_stream(mg_request *r, const mg_fault *fault) {
    mg_exchange *x = r->x;
    mg_str frames = mg_answer_error_frames(r, fault);
    mg_request_end(r);
    mg_exchange_write(x, frames);
    mg_exchange_end(x);
}

static void end_plain(mg_request *r, const mg_fault *fault, mg_outcome outcome) {
    mg_exchange *x = r->x;
    mg_header h[MG_ANSWER_HEADERS + 4];
    mg_buf b = {0};
    r->format->error(fault, &b);
    mg_str body = mg_arena_dup(r->arena, mg_buf_view(&b));
    mg_buf_finish(&b);
    int status = r->format->status ? r->format->status(fault->status, fault->code) : fault->status;
    r->status = status;
    size_t n = mg_answer_headers(r, MG_STR("application/json"), false, h);
    n += retry_headers(r, fault->retry_after_ms, h + n);
    if (no_retry(fault->status, fault->code, fault->retry_after_ms, outcome))
        h[n++] = (mg_header){MG_STR("x-should-retry"), MG_STR("false")};
    mg_request_end(r);
    mg_exchange_reply(x, status, h, n, body);
}

void mg_refuse(mg_request *r, int status, mg_str code, mg_str message, int64_t retry_after_ms, mg_outcome outcome) {
    const mg_fault fault = {.status = status,
                            .code = mg_arena_dup(r->arena, code),
                            .message = mg_arena_dup(r->arena, message),
                            .request_id = mg_arena_dup(r->arena, mg_str_from(r->id, 36)),
                            .retry_after_ms = retry_after_ms};
    if (r->outcome == MG_OUTCOME_NONE) r->outcome = outcome;
    if (!r->error_kind[0])
        snprintf(r->error_kind, sizeof r->error_kind, "%.*s", (int)(code.n < 23 ? code.n : 23), code.p ? code.p : "");
    if (r->committed)
        end_stream(r, &fault);
    else
        end_plain(r, &fault, outcome);
}

void mg_refuse_error(mg_request *r, const mg_error *error, mg_outcome outcome) {
    mg_refuse(r, error->http ? error->http : 500, mg_str_of(error->code), mg_str_of(error->text), -1, outcome);
}
