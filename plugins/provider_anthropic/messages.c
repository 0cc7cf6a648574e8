/* The conversation: "system" and "messages".
 *
 * System and developer messages in front go to `system`. Later ones stay in their place on models that take the role
 * system among the messages, if they stand between a user's turn and the assistant's (or end the conversation); else
 * they go to `system` too, behind the others, which is reported. */
#include <stdio.h>

#include "encoder.h"

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

static void block_close(anthropic_encoder *e) {
    if (e->block_open) put(e, "}");
    e->block_open = false;
}

static void list_close(anthropic_encoder *e) {
    block_close(e);
    if (e->list != LIST_NONE) put(e, e->list == LIST_SYSTEM ? "]" : "]}");
    e->list = LIST_NONE;
}

static void list_open(anthropic_encoder *e, anthropic_list list) {
    static const char *const roles[] = {
        [LIST_USER] = "user", [LIST_ASSISTANT] = "assistant", [LIST_INLINE_SYSTEM] = "system"};
    e->list = list;
    if (list == LIST_SYSTEM) {
        put_member(e, "system");
        put(e, "[");
        return;
    }
    put(e, e->any_message ? ",{\"role\":\"" : "{\"role\":\"");
    put(e, roles[list]);
    put(e, "\",\"content\":[");
    e->any_message = true;
}

/* Begins a block in a message of that role: the open one if it fits, so that messages of one role become one. */
static void block_begin(anthropic_encoder *e, anthropic_list list, bool cacheable) {
    block_close(e);
    if (e->list == list) {
        put(e, ",");
    } else {
        list_close(e);
        list_open(e, list);
    }
    e->block_open = true;
    e->block_cacheable = cacheable;
    e->message_blocks++;
}

static bool part_block(anthropic_encoder *e, anthropic_list list, const anthropic_part *part) {
    if (part->kind == PART_SKIP) return true;
    block_begin(e, list, true);
    if (!part_put(e, part)) return false;
    if (cache_put(e, part->cache)) e->block_cacheable = false;
    return true;
}

/* ---- content ----------------------------------------------------------------------------------------------------- */

static bool is_thinking(mg_str type) { return str_is(type, "thinking") || str_is(type, "redacted_thinking"); }

bool thinking_usable(const anthropic_encoder *e, const mg_json *part) {
    mg_str type = anthropic_text(e->h, part, "type");
    if (!is_thinking(type) || !str_is(anthropic_text(e->h, part, "vendor"), "anthropic")) return false;
    return anthropic_text(e->h, part, str_is(type, "thinking") ? "signature" : "data").n > 0;
}

static void thinking_block(anthropic_encoder *e, const mg_json *part) {
    bool redacted = str_is(anthropic_text(e->h, part, "type"), "redacted_thinking");
    if (!thinking_usable(e, part)) {
        drop(e, "%s (%s)", e->place,
             str_is(anthropic_text(e->h, part, "vendor"), "anthropic") ? "thinking without its signature"
                                                                       : "thinking of another vendor");
        return;
    }
    block_begin(e, LIST_ASSISTANT, false);
    put(e, redacted ? "{\"type\":\"redacted_thinking\",\"data\":" : "{\"type\":\"thinking\",\"thinking\":");
    put_text(e, anthropic_text(e->h, part, redacted ? "data" : "thinking"));
    if (!redacted) {
        put(e, ",\"signature\":");
        put_text(e, anthropic_text(e->h, part, "signature"));
    }
    drop_others(e, part, e->place, "type thinking signature data vendor");
}

/* Anthropic refuses a prefix of the answer that ends in white space. */
static void prefix_trim(const anthropic_encoder *e, anthropic_part *part) {
    size_t n = part->text.n;
    while (part->kind == PART_TEXT && n && strchr(" \t\r\n", part->text.p[n - 1]) && part->text.p[n - 1]) n--;
    if (n == part->text.n) return;
    part->text.n = n;
    drop(e, "%s (white space at the end)", e->place);
}

typedef struct content {
    anthropic_list list;
    bool text_only;
    bool prefix; /* the answer goes on behind it */
    const char *role;
    size_t inner; /* blocks written inside a result */
} content;

static bool content_text(anthropic_encoder *e, content *c, mg_str text) {
    anthropic_part part = {.kind = PART_TEXT, .text = text};
    if (anthropic_blank(text)) {
        if (text.n) drop(e, "%s.content (only white space)", e->place);
        return true;
    }
    if (c->prefix) prefix_trim(e, &part);
    return part_block(e, c->list, &part);
}

static bool content_part(anthropic_encoder *e, content *c, const mg_json *p) {
    anthropic_part part;
    if (c->list == LIST_ASSISTANT && is_thinking(anthropic_text(e->h, p, "type"))) {
        thinking_block(e, p);
        return true;
    }
    if (!anthropic_is(e->h, p, MG_JSON_OBJECT)) return refuse(e, "%s: a content part has to be an object", e->place);
    if (!part_read(e, p, c->text_only, c->role, &part)) return false;
    if (c->prefix && !e->h->json_next(p)) prefix_trim(e, &part);
    return part_block(e, c->list, &part);
}

/* Calls `each` for the elements of a list that is member `name` of the message. */
static bool each_of(anthropic_encoder *e, const mg_json *list, const char *name, content *c,
                    bool (*each)(anthropic_encoder *e, content *c, const mg_json *v)) {
    char message[sizeof e->place];
    size_t i = 0;
    memcpy(message, e->place, sizeof message);
    for (const mg_json *v = e->h->json_child(list); v; v = e->h->json_next(v), i++) {
        snprintf(e->place, sizeof e->place, "%.40s.%.20s[%zu]", message, name, i);
        if (!each(e, c, v)) return false;
    }
    memcpy(e->place, message, sizeof message);
    return true;
}

static bool content_put(anthropic_encoder *e, content *c, const mg_json *v) {
    if (anthropic_void(e->h, v)) return true;
    if (anthropic_is(e->h, v, MG_JSON_STRING)) return content_text(e, c, e->h->json_str(v));
    if (!anthropic_is(e->h, v, MG_JSON_ARRAY)) return refuse(e, "%s.content has to be a string or a list", e->place);
    return each_of(e, v, "content", c, content_part);
}

static bool thought_put(anthropic_encoder *e, content *c, const mg_json *v) {
    (void)c;
    thinking_block(e, v);
    return true;
}

/* ---- tool calls and results -------------------------------------------------------------------------------------- */

/* Anthropic's ids have only letters, digits, _ and -; other bytes become _XX, in calls and results alike. */
static void id_put(const anthropic_encoder *e, mg_str id) {
    char text[4 * 256];
    size_t n = 0;
    for (size_t i = 0; i < id.n && n + 3 < sizeof text; i++) {
        unsigned char c = (unsigned char)id.p[i];
        bool fits = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
        n += (size_t)snprintf(text + n, sizeof text - n, fits ? "%c" : "_%02x", c);
    }
    put_text(e, (mg_str){text, n});
}

static bool arguments_put(const anthropic_encoder *e, const mg_json *arguments) {
    mg_str text = e->h->json_str(arguments);
    if (anthropic_is(e->h, arguments, MG_JSON_OBJECT)) {
        put_source(e, arguments);
    } else if (anthropic_blank(text)) {
        put(e, "{}");
    } else if (anthropic_json_object(text)) {
        put_str(e, text);
    } else {
        return refuse(e, "%s.function.arguments: Anthropic takes only the text of a JSON object", e->place);
    }
    return true;
}

static bool call_block(anthropic_encoder *e, content *c, const mg_json *call) {
    char place[sizeof e->place + 16];
    const mg_json *function = anthropic_get(e->h, call, "function");
    mg_str type = anthropic_text(e->h, call, "type"), id = anthropic_text(e->h, call, "id");
    mg_str name = anthropic_text(e->h, function, "name");
    (void)c;
    if (type.n && !str_is(type, "function"))
        return refuse(e, "%s: Anthropic has only tool calls of type function, not '%.*s'", e->place,
                      (int)(type.n > 40 ? 40 : type.n), type.p);
    if (!id.n || id.n > 256) return refuse(e, "%s needs an id of at most 256 bytes", e->place);
    if (!name.n) return refuse(e, "%s needs the name of its function", e->place);
    block_begin(e, LIST_ASSISTANT, true);
    put(e, "{\"type\":\"tool_use\",\"id\":");
    id_put(e, id);
    put(e, ",\"name\":");
    put_text(e, name);
    put(e, ",\"input\":");
    if (!arguments_put(e, anthropic_get(e->h, function, "arguments"))) return false;
    drop_others(e, call, e->place, "id type function index vendor");
    snprintf(place, sizeof place, "%s.function", e->place);
    drop_others(e, function, place, "name arguments");
    return true;
}

static bool result_part(anthropic_encoder *e, content *c, const mg_json *p) {
    anthropic_part part;
    if (!anthropic_is(e->h, p, MG_JSON_OBJECT)) return refuse(e, "%s has to be an object", e->place);
    if (!part_read(e, p, false, "tool", &part)) return false;
    if (part.kind == PART_SKIP) return true;
    put(e, c->inner++ ? "," : ",\"content\":[");
    if (!part_put(e, &part)) return false;
    cache_put(e, part.cache);
    put(e, "}");
    return true;
}

/* The content of a result: a list of text, images and documents inside one block. */
static bool result_parts(anthropic_encoder *e, const mg_json *list) {
    content c = {.inner = 0};
    if (!each_of(e, list, "content", &c, result_part)) return false;
    if (c.inner) put(e, "]");
    return true;
}

static bool result_block(anthropic_encoder *e, const mg_json *message) {
    const mg_json *v = anthropic_get(e->h, message, "content");
    mg_str id = anthropic_text(e->h, message, "tool_call_id");
    if (!id.n || id.n > 256) return refuse(e, "%s needs a tool_call_id of at most 256 bytes", e->place);
    block_begin(e, LIST_USER, true);
    put(e, "{\"type\":\"tool_result\",\"tool_use_id\":");
    id_put(e, id);
    if (anthropic_is(e->h, v, MG_JSON_STRING) && e->h->json_str(v).n) {
        put(e, ",\"content\":");
        put_text(e, e->h->json_str(v));
    } else if (anthropic_is(e->h, v, MG_JSON_ARRAY) && !result_parts(e, v)) {
        return false;
    }
    if (e->h->json_bool(anthropic_get(e->h, message, "is_error"), false)) put(e, ",\"is_error\":true");
    return true;
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static mg_str role_of(const anthropic_encoder *e, const mg_json *m) { return anthropic_text(e->h, m, "role"); }

bool message_is_system(const anthropic_encoder *e, const mg_json *m) {
    return str_is(role_of(e, m), "system") || str_is(role_of(e, m), "developer");
}

/* The message's own cache_control marks its last block. */
static void message_end(anthropic_encoder *e, const mg_json *m, const char *known) {
    const mg_json *cache = anthropic_get(e->h, m, "cache_control");
    if (!anthropic_void(e->h, cache)) {
        if (e->message_blocks && e->block_open && e->block_cacheable)
            e->block_cacheable = !cache_put(e, cache);
        else
            drop(e, "%s.cache_control", e->place);
    }
    drop_others(e, m, e->place, known);
}

static bool system_put(anthropic_encoder *e, const mg_json *m, anthropic_list list) {
    content c = {.list = list, .text_only = true, .role = "system"};
    e->message_blocks = 0;
    if (!content_put(e, &c, anthropic_get(e->h, m, "content"))) return false;
    message_end(e, m, "role content cache_control");
    return true;
}

static bool assistant_put(anthropic_encoder *e, const mg_json *m, bool last) {
    content c = {.list = LIST_ASSISTANT, .text_only = true, .role = "assistant"};
    mg_str refusal = anthropic_text(e->h, m, "refusal");
    c.prefix = last && !e->h->json_child(anthropic_get(e->h, m, "tool_calls"));
    if (!anthropic_void(e->h, anthropic_get(e->h, m, "audio")))
        return refuse(e, "%s.audio: Anthropic's models take no audio", e->place);
    if (!anthropic_void(e->h, anthropic_get(e->h, m, "function_call")))
        return refuse(e, "%s.function_call is OpenAI's old form: send it as tool_calls", e->place);
    if (!each_of(e, anthropic_get(e->h, m, "thinking_blocks"), "thinking_blocks", &c, thought_put)) return false;
    if (!content_put(e, &c, anthropic_get(e->h, m, "content"))) return false;
    if (refusal.n && !content_text(e, &c, refusal)) return false;
    if (!each_of(e, anthropic_get(e->h, m, "tool_calls"), "tool_calls", &c, call_block)) return false;
    message_end(e, m, "role thinking_blocks content refusal tool_calls cache_control audio function_call");
    return true;
}

/* True if only system messages come behind it. */
static bool is_last(const anthropic_encoder *e, const mg_json *m) {
    for (m = e->h->json_next(m); m; m = e->h->json_next(m))
        if (!message_is_system(e, m)) return false;
    return true;
}

static bool message_put(anthropic_encoder *e, const mg_json *m) {
    content c = {.list = LIST_USER, .role = "user"};
    mg_str role = role_of(e, m);
    e->message_blocks = 0;
    if (str_is(role, "assistant")) return assistant_put(e, m, is_last(e, m));
    if (str_is(role, "user")) {
        if (!content_put(e, &c, anthropic_get(e->h, m, "content"))) return false;
        message_end(e, m, "role content cache_control");
        return true;
    }
    if (str_is(role, "tool")) {
        if (!result_block(e, m)) return false;
        message_end(e, m, "role content tool_call_id is_error cache_control");
        return true;
    }
    return refuse(e, "%s.role: '%.*s' can't be put into Anthropic's format", e->place, (int)(role.n > 40 ? 40 : role.n),
                  role.n ? role.p : "");
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

/* A walk over the messages that knows, for each system message, whether it stays in its place. */
typedef struct walk {
    const mg_json *message;
    size_t index;
    const mg_json *before; /* the last that is not a system message, or NULL */
    bool in_system_run;
    bool stays; /* all of the run of system messages */
} walk;

static bool run_stays(const anthropic_encoder *e, const walk *w) {
    const mg_json *next = w->message;
    if (!e->model.inline_system || !w->before || str_is(role_of(e, w->before), "assistant")) return false;
    while (next && message_is_system(e, next)) next = e->h->json_next(next);
    return !next || str_is(role_of(e, next), "assistant");
}

static void walk_look(anthropic_encoder *e, walk *w) {
    bool is_system = message_is_system(e, w->message);
    snprintf(e->place, sizeof e->place, "messages[%zu]", w->index);
    if (is_system && !w->in_system_run) w->stays = run_stays(e, w);
    w->in_system_run = is_system;
}

static void walk_next(const anthropic_encoder *e, walk *w) {
    if (!w->in_system_run) w->before = w->message;
    w->message = e->h->json_next(w->message);
    w->index++;
}

static bool systems_put(anthropic_encoder *e, const mg_json *messages, mg_str note) {
    walk w = {.message = e->h->json_child(messages)};
    for (; w.message; walk_next(e, &w)) {
        walk_look(e, &w);
        if (!w.in_system_run || w.stays) continue;
        if (w.before) drop(e, "%s (its place: moved to the system prompt)", e->place);
        if (!system_put(e, w.message, LIST_SYSTEM)) return false;
    }
    if (note.n) {
        const anthropic_part part = {.kind = PART_TEXT, .text = note};
        if (!part_block(e, LIST_SYSTEM, &part)) return false;
    }
    list_close(e);
    return true;
}

bool messages_put(anthropic_encoder *e, mg_str note) {
    const mg_json *messages = anthropic_get(e->h, e->request->root, "messages");
    if (!anthropic_is(e->h, messages, MG_JSON_ARRAY)) return refuse(e, "messages has to be a list");
    if (!systems_put(e, messages, note)) return false;
    put_member(e, "messages");
    put(e, "[");
    walk w = {.message = e->h->json_child(messages)};
    for (; w.message; walk_next(e, &w)) {
        walk_look(e, &w);
        if (w.in_system_run && !w.stays) continue;
        bool ok = w.in_system_run ? system_put(e, w.message, LIST_INLINE_SYSTEM) : message_put(e, w.message);
        if (!ok) return false;
    }
    list_close(e);
    put(e, "]");
    e->place[0] = 0;
    return e->any_message || refuse(e, "messages: Anthropic needs a message that is not empty and not of role system");
}
