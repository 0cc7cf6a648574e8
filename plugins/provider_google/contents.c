/* The conversation: messages become contents, in which one side's consecutive messages are one. */
#include <stdio.h>

#include "google.h"

enum { LOOKUPS_MAX = 4000000 }; /* tool calls looked at to find the functions' names, in all of a request */

typedef enum group { NONE, USER, MODEL, TOOL } group;

typedef struct conversation {
    const google_encoder *e;
    group open; /* whose content is being written */
    bool any; /* contents were written */
    const mg_json *messages; /* the list's first */
    const mg_json *caller; /* the last message that called tools */
    const mg_json *cursor; /* where the next answer's call is looked for first: answers mostly keep the order */
    int64_t lookups;
    const mg_json *tools; /* first of the tool messages whose files wait for the group to end, or NULL */
    size_t tools_index;
} conversation;

static const mg_host *host(const conversation *c) { return c->e->h; }

/* ---- writing parts ------------------------------------------------------------------------------------------------ */

/* A content is opened by its first part, so that messages without any leave nothing behind. Results of tools stay apart from
 * what a user says: the API wants as many of them in one content as there were calls. */
static void part_begin(conversation *c, group who) {
    if (c->open == who) {
        PUT(c->e, ",");
        return;
    }
    if (c->open != NONE) PUT(c->e, "]}");
    if (c->any) PUT(c->e, ",");
    if (who == MODEL)
        PUT(c->e, "{\"role\":\"model\",\"parts\":[");
    else
        PUT(c->e, "{\"role\":\"user\",\"parts\":[");
    c->open = who;
    c->any = true;
}

/* The signature that Gemini gave this part or call, if it did. */
static mg_str signature_of(const conversation *c, const mg_json *v) {
    if (!str_is(google_text(host(c), v, "vendor"), "gemini")) return (mg_str){NULL, 0};
    return google_text(host(c), v, "signature");
}

static void signature_put(const conversation *c, mg_str signature) {
    if (!signature.n) return;
    PUT(c->e, ",\"thoughtSignature\":");
    put_text(c->e, signature);
}

/* Vertex AI refuses parts without text, so an empty one is only there for its signature. */
static void text_put(conversation *c, group who, mg_str text, bool thought, mg_str signature) {
    if (!text.n && !signature.n) return;
    part_begin(c, who);
    PUT(c->e, "{\"text\":");
    put_text(c->e, text);
    if (thought) PUT(c->e, ",\"thought\":true");
    signature_put(c, signature);
    PUT(c->e, "}");
}

/* ---- parts of a message -------------------------------------------------------------------------------------------- */

static const char *const part_members[] = {"type",   "text", "thinking",    "data",      "refusal", "signature",
                                           "vendor", "file", "input_audio", "image_url", NULL};

static bool is_type(const conversation *c, const mg_json *part, const char *type) {
    return str_is(google_text(host(c), part, "type"), type);
}

/* What a model thought, for Gemini to take up again if it was Gemini. */
static void thinking_put(conversation *c, const mg_json *part, const char *where) {
    bool ours = str_is(google_text(host(c), part, "vendor"), "gemini") && is_type(c, part, "thinking");
    if (ours)
        text_put(c, MODEL, google_text(host(c), part, "thinking"), true, signature_of(c, part));
    else
        google_drop(c->e, "%s", where);
}

static mg_status part_put(conversation *c, group who, const mg_json *part, const char *where) {
    if (!google_is(host(c), part, MG_JSON_OBJECT)) return BAD(c->e->error, "%s has to be an object", where);
    google_drop_others(c->e, part, part_members, where);
    if (is_type(c, part, "text")) {
        text_put(c, who, google_text(host(c), part, "text"), false, signature_of(c, part));
    } else if (is_type(c, part, "refusal")) {
        text_put(c, who, google_text(host(c), part, "refusal"), false, STR(""));
    } else if (is_type(c, part, "thinking") || is_type(c, part, "redacted_thinking")) {
        thinking_put(c, part, where);
    } else {
        part_begin(c, who);
        return google_media(c->e, part, where);
    }
    return MG_OK;
}

static mg_status content_put(conversation *c, group who, const mg_json *message, const char *key, size_t index) {
    char where[64];
    size_t i = 0;
    const mg_json *content = google_get(host(c), message, key);
    if (!content) return MG_OK;
    if (google_is(host(c), content, MG_JSON_STRING)) {
        text_put(c, who, host(c)->json_str(content), false, STR(""));
        return MG_OK;
    }
    if (!google_is(host(c), content, MG_JSON_ARRAY))
        return BAD(c->e->error, "messages[%zu].%s has to be a string or a list of parts", index, key);
    for (const mg_json *p = host(c)->json_child(content); p; p = host(c)->json_next(p), i++) {
        snprintf(where, sizeof where, "messages[%zu].%s[%zu]", index, key, i);
        mg_status status = part_put(c, who, p, where);
        if (status != MG_OK) return status;
    }
    return MG_OK;
}

/* ---- calls of tools ---------------------------------------------------------------------------------------------- */

/* For calls that another vendor made: Gemini 3 refuses a turn whose first call has no signature, unless it has this one
 * (https://ai.google.dev/gemini-api/docs/thought-signatures). */
static const char NO_SIGNATURE[] = "skip_thought_signature_validator";

static bool any_signature(const conversation *c, const mg_json *calls) {
    for (const mg_json *call = host(c)->json_child(calls); call; call = host(c)->json_next(call))
        if (signature_of(c, call).n) return true;
    return false;
}

static void id_put(const conversation *c, mg_str id) {
    if (!id.n || !c->e->target->call_ids) return;
    PUT(c->e, "\"id\":");
    put_text(c->e, id);
    PUT(c->e, ",");
}

/* A function's name and arguments, as `function` or `function_call` hold them. */
static mg_status call_put(conversation *c, const mg_json *function, mg_str id, mg_str signature, const char *where) {
    mg_str name = google_text(host(c), function, "name"), arguments = google_text(host(c), function, "arguments");
    if (!name.n) return BAD(c->e->error, "%s: a function's name is missing", where);
    if (arguments.n && !google_json_object(arguments))
        return BAD(c->e->error, "%s: the function's arguments have to be the text of a JSON object", where);
    part_begin(c, MODEL);
    PUT(c->e, "{\"functionCall\":{");
    id_put(c, id);
    PUT(c->e, "\"name\":");
    put_text(c->e, name);
    PUT(c->e, ",\"args\":");
    put(c->e, arguments.n ? arguments : STR("{}"));
    PUT(c->e, "}");
    signature_put(c, signature);
    PUT(c->e, "}");
    return MG_OK;
}

static mg_status calls_put(conversation *c, const mg_json *message, size_t index) {
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
        mg_str signature = signs && i == 0 ? STR(NO_SIGNATURE) : signature_of(c, call);
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
    return call_put(c, old, STR(""), signs && !i ? STR(NO_SIGNATURE) : STR(""), where);
}

static mg_status assistant_put(conversation *c, const mg_json *message, size_t index) {
    mg_status status = content_put(c, MODEL, message, "thinking_blocks", index);
    if (status == MG_OK) status = content_put(c, MODEL, message, "content", index);
    if (status != MG_OK) return status;
    text_put(c, MODEL, google_text(host(c), message, "refusal"), false, STR(""));
    return calls_put(c, message, index);
}

/* ---- results of tools -------------------------------------------------------------------------------------------- */

/* The call of that id among those from `call` on, up to `end`. */
static const mg_json *call_find(conversation *c, const mg_json *call, const mg_json *end, mg_str id) {
    for (; call && call != end; call = host(c)->json_next(call)) {
        if (++c->lookups > LOOKUPS_MAX) return NULL;
        if (str_eq(google_text(host(c), call, "id"), id)) return call;
    }
    return NULL;
}

/* The function whose result this is: the call stands in the last message that called, from the cursor on or before it, or in
 * an earlier message; else the message says the name. */
static mg_str function_of(conversation *c, const mg_json *message) {
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
static void texts_join(const conversation *c, const mg_json *content, google_buf *out) {
    google_buf_add(out, host(c)->json_str(content));
    if (!google_is(host(c), content, MG_JSON_ARRAY)) return;
    for (const mg_json *p = host(c)->json_child(content); p; p = host(c)->json_next(p))
        if (is_type(c, p, "text")) google_buf_add(out, google_text(host(c), p, "text"));
}

static mg_status response_put(const conversation *c, const mg_json *message, size_t index) {
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

/* The parts of a tool's result that are no text. Gemini 3 takes them with the result; earlier ones only get them as if the
 * user had sent them, behind the results. */
static mg_status files_put(conversation *c, const mg_json *message, size_t index, bool inside) {
    char where[64];
    size_t i = 0, n = 0;
    const mg_json *content = google_get(host(c), message, "content");
    if (!google_is(host(c), content, MG_JSON_ARRAY)) return MG_OK;
    for (const mg_json *p = host(c)->json_child(content); p; p = host(c)->json_next(p), i++) {
        snprintf(where, sizeof where, "messages[%zu].content[%zu]", index, i);
        google_drop_others(c->e, p, part_members, where);
        if (is_type(c, p, "text")) continue;
        if (!inside)
            part_begin(c, USER);
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

static mg_status tool_put(conversation *c, const mg_json *message, size_t index) {
    mg_str name = function_of(c, message);
    if (!name.n)
        return BAD(
            c->e->error,
            "messages[%zu]: Gemini wants the name of the function that this is the result of, and no call before it "
            "has its tool_call_id; give the message a 'name'",
            index);
    bool inside = c->e->thinking == GOOGLE_THINKS_LEVEL;
    part_begin(c, TOOL);
    PUT(c->e, "{\"functionResponse\":{");
    id_put(c, google_text(host(c), message, "tool_call_id"));
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
static mg_status tools_end(conversation *c, const mg_json *end) {
    mg_status status = MG_OK;
    size_t i = c->tools_index;
    for (const mg_json *m = c->tools; m && m != end && status == MG_OK; m = host(c)->json_next(m), i++)
        status = files_put(c, m, i, false);
    c->tools = NULL;
    return status;
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static bool is_system(mg_str role) { return str_is(role, "system") || str_is(role, "developer"); }
static bool is_tool(mg_str role) { return str_is(role, "tool") || str_is(role, "function"); }

static mg_status message_put(conversation *c, const mg_json *message, size_t index) {
    static const char *const known[] = {"role", "content", NULL};
    static const char *const known_assistant[] = {
        "role", "content", "thinking_blocks", "tool_calls", "refusal", "function_call", NULL};
    static const char *const known_tool[] = {"role", "content", "tool_call_id", "is_error", "name", NULL};
    mg_str role = google_text(host(c), message, "role");
    char where[48];
    snprintf(where, sizeof where, "messages[%zu]", index);
    bool assistant = str_is(role, "assistant");
    google_drop_others(c->e, message, is_tool(role) ? known_tool : assistant ? known_assistant : known, where);
    if (!is_tool(role) && c->tools) {
        mg_status status = tools_end(c, message);
        if (status != MG_OK) return status;
    }
    if (is_system(role)) return MG_OK;
    if (str_is(role, "user")) return content_put(c, USER, message, "content", index);
    if (assistant) return assistant_put(c, message, index);
    if (is_tool(role)) return tool_put(c, message, index);
    return BAD(c->e->error, "messages[%zu].role is '%.*s'; it has to be system, developer, user, assistant or tool",
               index, (int)(role.n > 40 ? 40 : role.n), role.p);
}

/* ---- what the system says ---------------------------------------------------------------------------------------- */

static void system_text(const google_encoder *e, mg_str text, bool *any) {
    if (!text.n) return;
    if (*any)
        PUT(e, ",{\"text\":");
    else
        PUT(e, ",\"systemInstruction\":{\"parts\":[{\"text\":");
    put_text(e, text);
    PUT(e, "}");
    *any = true;
}

/* All of it, wherever it stands: Gemini has one place for it, and takes nothing but text there. */
static mg_status system_put(const google_encoder *e, const mg_json *messages) {
    bool any = false;
    size_t index = 0;
    for (const mg_json *m = messages; m; m = e->h->json_next(m), index++) {
        if (!is_system(google_text(e->h, m, "role"))) continue;
        const mg_json *content = google_get(e->h, m, "content");
        system_text(e, e->h->json_str(content), &any);
        if (!google_is(e->h, content, MG_JSON_ARRAY)) continue;
        for (const mg_json *p = e->h->json_child(content); p; p = e->h->json_next(p)) {
            static const char *const known[] = {"type", "text", NULL};
            char where[64];
            snprintf(where, sizeof where, "messages[%zu].content[]", index);
            if (!str_is(google_text(e->h, p, "type"), "text"))
                return BAD(e->error, "messages[%zu]: Gemini takes nothing but text from the system", index);
            google_drop_others(e, p, known, where);
            system_text(e, google_text(e->h, p, "text"), &any);
        }
    }
    if (any) PUT(e, "]}");
    return MG_OK;
}

mg_status google_contents(const google_encoder *e) {
    const mg_json *list = google_get(e->h, e->r->root, "messages");
    conversation c = {.e = e, .messages = e->h->json_child(list)};
    size_t index = 0;
    if (!google_is(e->h, list, MG_JSON_ARRAY)) return BAD(e->error, "messages has to be a list of messages");
    PUT(e, "\"contents\":[");
    for (const mg_json *m = c.messages; m; m = e->h->json_next(m), index++) {
        mg_status status = google_is(e->h, m, MG_JSON_OBJECT)
                               ? message_put(&c, m, index)
                               : BAD(e->error, "messages[%zu] has to be an object", index);
        if (status != MG_OK) return status;
    }
    mg_status status = tools_end(&c, NULL);
    if (status != MG_OK) return status;
    if (!c.any) return BAD(e->error, "Gemini wants at least one message of a user or an assistant that says something");
    PUT(e, "]}]");
    return system_put(e, c.messages);
}
