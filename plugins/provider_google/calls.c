/* Calls of functions, in messages of an assistant. */
#include <stdio.h>

#include "contents.h"

static bool any_signature(const google_conversation *c, const mg_json *calls) {
    for (const mg_json *call = host(c)->json_child(calls); call; call = host(c)->json_next(call))
        if (google_signature(c, call).n) return true;
    return false;
}

void google_id_put(const google_conversation *c, mg_str id) {
    if (!id.n || !c->e->target->call_ids) return;
    PUT(c->e, "\"id\":");
    put_text(c->e, id);
    PUT(c->e, ",");
}

/* A function's name and arguments, as `function` or `function_call` hold them. */
static mg_status call_put(google_conversation *c, const mg_json *function, mg_str id, mg_str signature,
                          const char *where) {
    mg_str name = google_text(host(c), function, "name"), arguments = google_text(host(c), function, "arguments");
    if (!name.n) return BAD(c->e->error, "%s: a function's name is missing", where);
    if (arguments.n && !google_json_object(arguments))
        return BAD(c->e->error, "%s: the function's arguments have to be the text of a JSON object", where);
    google_part_begin(c, MODEL);
    PUT(c->e, "{\"functionCall\":{");
    google_id_put(c, id);
    PUT(c->e, "\"name\":");
    put_text(c->e, name);
    PUT(c->e, ",\"args\":");
    put(c->e, arguments.n ? arguments : STR("{}"));
    PUT(c->e, "}");
    google_signature_put(c, signature);
    PUT(c->e, "}");
    return MG_OK;
}

mg_status google_calls_put(google_conversation *c, const mg_json *message, size_t index) {
    static const char *const known[] = {"id", "type", "function", "signature", "vendor", "index", NULL};
    char where[64];
    size_t i = 0;
    const mg_json *calls = google_get(host(c), message, "tool_calls");
    bool signs = c->e->thinking == GOOGLE_THINKS_LEVEL && !any_signature(c, calls);
    for (const mg_json *call = host(c)->json_child(calls); call; call = host(c)->json_next(call), i++) {
        snprintf(where, sizeof where, "messages[%zu].tool_calls[%zu]", index, i);
        const mg_json *function = google_get(host(c), call, "function");
        if (!function) return BAD(c->e->error, "%s: Gemini has no calls but those of functions", where);
        google_drop_others(c->e, call, known, where);
        mg_str signature = signs && i == 0 ? STR(GOOGLE_NO_SIGNATURE) : google_signature(c, call);
        mg_status status = call_put(c, function, google_text(host(c), call, "id"), signature, where);
        if (status != MG_OK) return status;
    }
    if (i) {
        c->caller = message;
        c->cursor = host(c)->json_child(calls);
    }
    const mg_json *old = google_get(host(c), message, "function_call");
    if (!old) return MG_OK;
    snprintf(where, sizeof where, "messages[%zu].function_call", index);
    return call_put(c, old, STR(""), signs && !i ? STR(GOOGLE_NO_SIGNATURE) : STR(""), where);
}
