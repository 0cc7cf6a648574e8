/* Errors in the form of google.rpc.Status. */
#include "format/gemini.h"

static const char *status_name(const mg_fault *f) {
    static const struct {
        int http;
        const char *name;
    } names[] = {{400, "INVALID_ARGUMENT"},    {401, "UNAUTHENTICATED"},   {403, "PERMISSION_DENIED"},
                 {404, "NOT_FOUND"},           {408, "DEADLINE_EXCEEDED"}, {409, "ABORTED"},
                 {412, "FAILED_PRECONDITION"}, {413, "INVALID_ARGUMENT"},  {429, "RESOURCE_EXHAUSTED"},
                 {499, "CANCELLED"},           {501, "UNIMPLEMENTED"},     {502, "UNAVAILABLE"},
                 {503, "UNAVAILABLE"},         {504, "DEADLINE_EXCEEDED"}, {529, "UNAVAILABLE"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].http == f->status) return names[i].name;
    return f->status >= 400 && f->status < 500 ? "INVALID_ARGUMENT" : "INTERNAL";
}

static void begin_detail(mg_buf *b, const char *type) {
    mg_gemini_comma(b);
    mg_buf_printf(b, "{\"@type\":\"type.googleapis.com/google.rpc.%s\"", type);
}

/* Reasons are written in capitals and underscores. */
static void reason(mg_buf *b, mg_str code) {
    mg_gemini_key(b, "reason");
    mg_buf_str(b, MG_STR("\""));
    for (size_t i = 0; i < code.n; i++) {
        char c = code.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        char out = letter ? (char)(c & ~0x20) : c >= '0' && c <= '9' ? c : '_';
        mg_buf_add(b, &out, 1);
    }
    mg_buf_str(b, MG_STR("\""));
}

static void details(mg_buf *b, const mg_fault *f) {
    if (f->code.n) {
        begin_detail(b, "ErrorInfo");
        reason(b, f->code);
        mg_buf_str(b, MG_STR(",\"domain\":\"moongate\"}"));
    }
    if (f->retry_after_ms >= 0) {
        begin_detail(b, "RetryInfo");
        mg_buf_printf(b, ",\"retryDelay\":\"%lld.%03llds\"}", (long long)(f->retry_after_ms / 1000),
                      (long long)(f->retry_after_ms % 1000));
    }
    if (f->param.n) {
        begin_detail(b, "BadRequest");
        mg_buf_str(b, MG_STR(",\"fieldViolations\":[{"));
        mg_gemini_pair(b, "field", f->param);
        mg_gemini_pair(b, "description", f->message);
        mg_buf_str(b, MG_STR("}]}"));
    }
    if (f->request_id.n) {
        begin_detail(b, "RequestInfo");
        mg_gemini_pair(b, "requestId", f->request_id);
        mg_buf_str(b, MG_STR("}"));
    }
}

void mg_gemini_blocked(mg_buf *b, mg_str vendor_reason, mg_str message) {
    static const char *const known[] = {"OTHER",        "BLOCKLIST",   "PROHIBITED_CONTENT",
                                        "IMAGE_SAFETY", "MODEL_ARMOR", "JAILBREAK"};
    const char *name = "SAFETY";
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (mg_str_is(vendor_reason, known[i])) name = known[i];
    mg_gemini_key(b, "promptFeedback");
    mg_buf_str(b, MG_STR("{"));
    mg_gemini_pair(b, "blockReason", mg_str_of(name));
    if (message.n) mg_gemini_pair(b, "blockReasonMessage", message);
    mg_buf_str(b, MG_STR("}"));
}

void mg_gemini_error(const mg_fault *f, mg_buf *out) {
    mg_buf_str(out, MG_STR("{"));
    if (mg_str_is(f->code, "content_filter")) {
        mg_gemini_blocked(out, MG_STR(""), f->message);
        if (f->request_id.n) mg_gemini_pair(out, "responseId", f->request_id);
        mg_buf_str(out, MG_STR("}"));
        return;
    }
    mg_gemini_key(out, "error");
    mg_buf_str(out, MG_STR("{"));
    mg_gemini_pair_int(out, "code", f->status);
    mg_gemini_pair(out, "message", f->message);
    mg_gemini_pair(out, "status", mg_str_of(status_name(f)));
    mg_gemini_key(out, "details");
    mg_buf_str(out, MG_STR("["));
    details(out, f);
    mg_buf_str(out, MG_STR("]}}"));
}
