/* The conversation: messages become contents, in which one side's consecutive messages are one. */
#include <stdio.h>

#include "contents.h"

/* ---- writing parts ----------------------------------------------------------------------------------------------- */

/* A content is opened by its first part, so that messages without any leave nothing behind. Results of tools stay
 * apart from what a user says: the API wants as many of them in one content as there were calls. */
void google_part_begin(google_conversation *c, google_group who) {
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
mg_str google_signature(const google_conversation *c, const mg_json *v) {
    if (!str_is(google_text(host(c), v, "vendor"), "gemini")) return (mg_str){NULL, 0};
    return google_text(host(c), v, "signature");
}

void google_signature_put(const google_conversation *c, mg_str signature) {
    if (!signature.n) return;
    PUT(c->e, ",\"thoughtSignature\":");
    put_text(c->e, signature);
}

/* Vertex AI refuses parts without text, so an empty one is only there for its signature. */
static void text_put(google_conversation *c, google_group who, mg_str text, bool thought, mg_str signature) {
    if (!text.n && !signature.n) return;
    google_part_begin(c, who);
    PUT(c->e, "{\"text\":");
    put_text(c->e, text);
    if (thought) PUT(c->e, ",\"thought\":true");
    google_signature_put(c, signature);
    PUT(c->e, "}");
}

/* ---- parts of a message ------------------------------------------------------------------------------------------ */

const char *const google_part_members[] = {"type",   "text", "thinking",    "data",      "refusal", "signature",
                                           "vendor", "file", "input_audio", "image_url", NULL};

/* What a model thought, for Gemini to take up again if it was Gemini. */
static void thinking_put(google_conversation *c, const mg_json *part, const char *where) {
    bool ours = str_is(google_text(host(c), part, "vendor"), "gemini") && is_type(c, part, "thinking");
    if (ours)
        text_put(c, MODEL, google_text(host(c), part, "thinking"), true, google_signature(c, part));
    else
        google_drop(c->e, "%s", where);
}

static mg_status part_put(google_conversation *c, google_group who, const mg_json *part, const char *where) {
    if (!google_is(host(c), part, MG_JSON_OBJECT)) return BAD(c->e->error, "%s has to be an object", where);
    google_drop_others(c->e, part, google_part_members, where);
    if (is_type(c, part, "text")) {
        text_put(c, who, google_text(host(c), part, "text"), false, google_signature(c, part));
    } else if (is_type(c, part, "refusal")) {
        text_put(c, who, google_text(host(c), part, "refusal"), false, STR(""));
    } else if (is_type(c, part, "thinking") || is_type(c, part, "redacted_thinking")) {
        thinking_put(c, part, where);
    } else {
        google_part_begin(c, who);
        return google_media(c->e, part, where);
    }
    return MG_OK;
}

static mg_status content_put(google_conversation *c, google_group who, const mg_json *message, const char *key,
                             size_t index) {
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

static mg_status assistant_put(google_conversation *c, const mg_json *message, size_t index) {
    mg_status status = content_put(c, MODEL, message, "thinking_blocks", index);
    if (status == MG_OK) status = content_put(c, MODEL, message, "content", index);
    if (status != MG_OK) return status;
    text_put(c, MODEL, google_text(host(c), message, "refusal"), false, STR(""));
    return google_calls_put(c, message, index);
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static bool is_system(mg_str role) { return str_is(role, "system") || str_is(role, "developer"); }
static bool is_tool(mg_str role) { return str_is(role, "tool") || str_is(role, "function"); }

static mg_status message_put(google_conversation *c, const mg_json *message, size_t index) {
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
        mg_status status = google_results_end(c, message);
        if (status != MG_OK) return status;
    }
    if (is_system(role)) return MG_OK;
    if (str_is(role, "user")) return content_put(c, USER, message, "content", index);
    if (assistant) return assistant_put(c, message, index);
    if (is_tool(role)) return google_result_put(c, message, index);
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
    static const char *const known[] = {"type", "text", NULL};
    char where[64];
    bool any = false;
    size_t index = 0, i;
    for (const mg_json *m = messages; m; m = e->h->json_next(m), index++) {
        if (!is_system(google_text(e->h, m, "role"))) continue;
        const mg_json *content = google_get(e->h, m, "content");
        system_text(e, e->h->json_str(content), &any);
        if (!google_is(e->h, content, MG_JSON_ARRAY)) continue;
        i = 0;
        for (const mg_json *p = e->h->json_child(content); p; p = e->h->json_next(p)) {
            snprintf(where, sizeof where, "messages[%zu].content[%zu]", index, i++);
            if (!str_is(google_text(e->h, p, "type"), "text"))
                return BAD(e->error, "%s: Gemini takes nothing but text from the system", where);
            google_drop_others(e, p, known, where);
            system_text(e, google_text(e->h, p, "text"), &any);
        }
    }
    if (any) PUT(e, "]}");
    return MG_OK;
}

mg_status google_contents(const google_encoder *e) {
    const mg_json *list = google_get(e->h, e->r->root, "messages");
    google_conversation c = {.e = e, .messages = e->h->json_child(list)};
    size_t index = 0;
    if (!google_is(e->h, list, MG_JSON_ARRAY)) return BAD(e->error, "messages has to be a list of messages");
    PUT(e, "\"contents\":[");
    for (const mg_json *m = c.messages; m; m = e->h->json_next(m), index++) {
        mg_status status = google_is(e->h, m, MG_JSON_OBJECT)
                               ? message_put(&c, m, index)
                               : BAD(e->error, "messages[%zu] has to be an object", index);
        if (status != MG_OK) return status;
    }
    mg_status status = google_results_end(&c, NULL);
    if (status != MG_OK) return status;
    if (!c.any) return BAD(e->error, "Gemini wants at least one message of a user or an assistant that says something");
    PUT(e, "]}]");
    return system_put(e, c.messages);
}
