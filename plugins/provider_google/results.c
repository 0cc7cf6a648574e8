/* What functions answered, in messages of tools. */
#include <stdio.h>

#include "contents.h"

enum { LOOKUPS_MAX = 4000000 }; /* tool calls looked at to find the functions' names, in all of a request */

/* The call of that id among those from `call` on, up to `end`. */
static const mg_json *call_find(google_conversation *c, const mg_json *call, const mg_json *end, mg_str id) {
    for (; call && call != end; call = host(c)->json_next(call)) {
        if (++c->lookups > LOOKUPS_MAX) return NULL;
        if (str_eq(google_text(host(c), call, "id"), id)) return call;
    }
    return NULL;
}

/* The function whose result this is: the call stands in the last message that called, from the cursor on or before
 * it, or in an earlier message; else the message says the name. */
static mg_str function_of(google_conversation *c, const mg_json *message) {
    mg_str id = google_text(host(c), message, "tool_call_id");
    const mg_json *first = host(c)->json_child(google_get(host(c), c->caller, "tool_calls")), *call = NULL;
    if (id.n) {
        call = call_find(c, c->cursor, NULL, id);
        if (!call) call = call_find(c, first, c->cursor, id);
        if (call) c->cursor = host(c)->json_next(call) ? host(c)->json_next(call) : first;
        for (const mg_json *m = c->messages; !call && m && m != c->caller; m = host(c)->json_next(m))
            call = call_find(c, host(c)->json_child(google_get(host(c), m, "tool_calls")), NULL, id);
    }
    mg_str name = google_text(host(c), google_get(host(c), call, "function"), "name");
    return name.n ? name : google_text(host(c), message, "name");
}

/* All text of a message's content. */
static void texts_join(const google_conversation *c, const mg_json *content, google_buf *out) {
    google_buf_add(out, host(c)->json_str(content));
    if (!google_is(host(c), content, MG_JSON_ARRAY)) return;
    for (const mg_json *p = host(c)->json_child(content); p; p = host(c)->json_next(p))
        if (is_type(c, p, "text")) google_buf_add(out, google_text(host(c), p, "text"));
}

static mg_status response_put(const google_conversation *c, const mg_json *message, size_t index) {
    google_buf text = {0};
    bool failed = host(c)->json_bool(google_get(host(c), message, "is_error"), false);
    texts_join(c, google_get(host(c), message, "content"), &text);
    mg_str s = google_buf_view(&text);
    bool object = google_json_object(s), over = text.failed;
    PUT(c->e, ",\"response\":");
    if (failed) PUT(c->e, "{\"error\":");
    if (!failed && !object) PUT(c->e, "{\"result\":");
    if (object)
        put(c->e, s);
    else
        put_text(c->e, s);
    if (failed || !object) PUT(c->e, "}");
    google_buf_finish(&text);
    return over ? BAD(c->e->error, "messages[%zu].content is too large", index) : MG_OK;
}

/* The parts of a tool's result that are no text. Gemini 3 takes them with the result; earlier ones only get them as
 * if the user had sent them, behind the results. */
static mg_status files_put(google_conversation *c, const mg_json *message, size_t index, bool inside) {
    char where[64];
    size_t i = 0, n = 0;
    const mg_json *content = google_get(host(c), message, "content");
    if (!google_is(host(c), content, MG_JSON_ARRAY)) return MG_OK;
    for (const mg_json *p = host(c)->json_child(content); p; p = host(c)->json_next(p), i++) {
        snprintf(where, sizeof where, "messages[%zu].content[%zu]", index, i);
        google_drop_others(c->e, p, google_part_members, where);
        if (is_type(c, p, "text")) continue;
        if (!inside)
            google_part_begin(c, USER);
        else if (n++)
            PUT(c->e, ",");
        else
            PUT(c->e, ",\"parts\":[");
        mg_status status = google_media(c->e, p, where);
        if (status != MG_OK) return status;
    }
    if (n) PUT(c->e, "]");
    return MG_OK;
}

mg_status google_result_put(google_conversation *c, const mg_json *message, size_t index) {
    mg_str name = function_of(c, message);
    if (!name.n)
        return BAD(
            c->e->error,
            "messages[%zu]: Gemini wants the name of the function that this is the result of, and no call before it "
            "has its tool_call_id; give the message a 'name'",
            index);
    bool inside = c->e->thinking == GOOGLE_THINKS_LEVEL;
    google_part_begin(c, TOOL);
    PUT(c->e, "{\"functionResponse\":{");
    google_id_put(c, google_text(host(c), message, "tool_call_id"));
    PUT(c->e, "\"name\":");
    put_text(c->e, name);
    mg_status status = response_put(c, message, index);
    if (status == MG_OK && inside) status = files_put(c, message, index, true);
    PUT(c->e, "}}");
    if (!inside && !c->tools) {
        c->tools = message;
        c->tools_index = index;
    }
    return status;
}

/* The files of the tool messages that ended here. */
mg_status google_results_end(google_conversation *c, const mg_json *end) {
    mg_status status = MG_OK;
    size_t i = c->tools_index;
    for (const mg_json *m = c->tools; m && m != end && status == MG_OK; m = host(c)->json_next(m), i++)
        status = files_put(c, m, i, false);
    c->tools = NULL;
    return status;
}
