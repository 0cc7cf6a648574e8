/* The conversation: "system" and "messages". System and developer messages all go to `system`, which is reported of those
 * that stood later; messages of one role in a row become one, since Converse wants the roles to take turns. */
#include <stdio.h>

#include "encoder.h"

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

enum { LIST_NONE, LIST_SYSTEM, LIST_USER, LIST_ASSISTANT };

static void list_close(bedrock_encoder *e) {
    if (e->list != LIST_NONE) put(e, e->list == LIST_SYSTEM ? "]" : "]}");
    e->list = LIST_NONE;
}

/* Begins a block in a message of that role: the open one if it fits. */
static void block_begin(bedrock_encoder *e, int list) {
    e->message_blocks++;
    if (e->list == list) {
        put(e, ",");
        return;
    }
    list_close(e);
    e->list = list;
    if (list == LIST_SYSTEM) {
        put_member(e, "system");
        put(e, "[");
        return;
    }
    put(e, e->any_message ? ",{\"role\":\"" : "{\"role\":\"");
    put(e, list == LIST_USER ? "user" : "assistant");
    put(e, "\",\"content\":[");
    e->any_message = true;
}

/* ---- content ----------------------------------------------------------------------------------------------------- */

typedef struct content {
    int list;
    bool text_only;
    bool prefix; /* the answer goes on behind it */
    const char *role;
    size_t inner; /* blocks written inside a result */
} content;

static void part_block(bedrock_encoder *e, const content *c, const bedrock_part *part) {
    if (part->kind == PART_SKIP) return;
    block_begin(e, c->list);
    part_put(e, part);
    cache_point_put(e, part->cache, e->model.cache_points);
}

/* Claude refuses a prefix of the answer that ends in white space. */
static void prefix_trim(const bedrock_encoder *e, bedrock_part *part) {
    size_t n = part->text.n;
    while (part->kind == PART_TEXT && n && part->text.p[n - 1] && strchr(" \t\r\n", part->text.p[n - 1])) n--;
    if (n == part->text.n) return;
    part->text.n = n;
    drop(e, "%s (white space at the end)", e->place);
}

static bool content_text(bedrock_encoder *e, const content *c, mg_str text) {
    bedrock_part part = {.kind = PART_TEXT, .text = text};
    if (anthropic_blank(text)) {
        if (text.n) drop(e, "%s.content (only white space)", e->place);
        return true;
    }
    if (c->prefix) prefix_trim(e, &part);
    part_block(e, c, &part);
    return true;
}

static bool is_thinking(mg_str type) { return str_is(type, "thinking") || str_is(type, "redacted_thinking"); }

/* Signatures of Claude's hold wherever it runs; what only its host could read stays with that host. */
bool thinking_usable(const bedrock_encoder *e, const mg_json *part) {
    mg_str type = get_text(e, part, "type"), vendor = get_text(e, part, "vendor");
    if (e->model.maker != MAKER_CLAUDE) return false;
    if (str_is(type, "thinking")) return str_is(vendor, "anthropic") && get_text(e, part, "signature").n > 0;
    return str_is(type, "redacted_thinking") && str_is(vendor, "bedrock") && get_text(e, part, "data").n > 0;
}

static void thinking_block(bedrock_encoder *e, const mg_json *part) {
    if (!thinking_usable(e, part)) {
        drop(e, "%s (thinking that this model did not sign)", e->place);
        return;
    }
    block_begin(e, LIST_ASSISTANT);
    if (str_is(get_text(e, part, "type"), "redacted_thinking")) {
        put(e, "{\"reasoningContent\":{\"redactedContent\":");
        put_text(e, get_text(e, part, "data"));
        put(e, "}}");
    } else {
        put(e, "{\"reasoningContent\":{\"reasoningText\":{\"text\":");
        put_text(e, get_text(e, part, "thinking"));
        put(e, ",\"signature\":");
        put_text(e, get_text(e, part, "signature"));
        put(e, "}}}");
    }
    drop_others(e, part, e->place, "type thinking signature data vendor");
}

static bool content_part(bedrock_encoder *e, content *c, const mg_json *p) {
    bedrock_part part;
    if (c->list == LIST_ASSISTANT && is_thinking(get_text(e, p, "type"))) {
        thinking_block(e, p);
        return true;
    }
    if (!is(e, p, MG_JSON_OBJECT)) return refuse(e, "%s: a content part has to be an object", e->place);
    if (!part_read(e, p, c->text_only, c->role, &part)) return false;
    if (c->prefix && !e->h->json_next(p)) prefix_trim(e, &part);
    part_block(e, c, &part);
    return true;
}

/* Calls `each` for the elements of a list that is member `name` of the message. */
static bool each_of(bedrock_encoder *e, const mg_json *list, const char *name, content *c,
                    bool (*each)(bedrock_encoder *e, content *c, const mg_json *v)) {
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

static bool content_put(bedrock_encoder *e, content *c, const mg_json *v) {
    if (!v) return true;
    if (is(e, v, MG_JSON_STRING)) return content_text(e, c, e->h->json_str(v));
    if (!is(e, v, MG_JSON_ARRAY)) return refuse(e, "%s.content has to be a string or a list", e->place);
    return each_of(e, v, "content", c, content_part);
}

static bool thought_put(bedrock_encoder *e, content *c, const mg_json *v) {
    (void)c;
    thinking_block(e, v);
    return true;
}

/* ---- tool calls and results -------------------------------------------------------------------------------------- */

/* Bedrock's ids have 64 of these; longer ones are told apart by a hash (FNV-1a), in calls and results alike. */
static void id_put(const bedrock_encoder *e, mg_str id) {
    char text[65];
    size_t n = 0;
    uint64_t hash = 14695981039346656037u;
    bool whole = id.n <= 64;
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        bool fits =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr("_.:-", c));
        if (n < 64) text[n++] = fits ? c : '_';
        whole = whole && fits;
        hash = (hash ^ (unsigned char)c) * 1099511628211u;
    }
    if (!whole) n = n < 47 ? n : 47;
    if (!whole) n += (size_t)snprintf(text + n, sizeof text - n, "_%016llx", (unsigned long long)hash);
    put_text(e, (mg_str){text, n});
}

static bool arguments_put(const bedrock_encoder *e, const mg_json *arguments) {
    mg_str text = e->h->json_str(arguments);
    if (is(e, arguments, MG_JSON_OBJECT))
        put_source(e, arguments);
    else if (anthropic_blank(text))
        put(e, "{}");
    else if (anthropic_json_object(text))
        put_str(e, text);
    else
        return refuse(e, "%s.function.arguments: Bedrock takes only the text of a JSON object", e->place);
    return true;
}

static bool call_block(bedrock_encoder *e, content *c, const mg_json *call) {
    char place[sizeof e->place + 16];
    const mg_json *function = get(e, call, "function");
    mg_str type = get_text(e, call, "type"), id = get_text(e, call, "id"), name = get_text(e, function, "name");
    if (type.n && !str_is(type, "function"))
        return refuse(e, "%s: Bedrock has only tool calls of type function, not '%.*s'", e->place, SHOWN(type));
    if (!id.n) return refuse(e, "%s needs an id", e->place);
    if (!is_name(name))
        return refuse(e, "%s.function.name has to be of letters, digits, _ and -, at most 64", e->place);
    block_begin(e, c->list);
    put(e, "{\"toolUse\":{\"toolUseId\":");
    id_put(e, id);
    put(e, ",\"name\":");
    put_text(e, name);
    put(e, ",\"input\":");
    if (!arguments_put(e, get(e, function, "arguments"))) return false;
    put(e, "}}");
    drop_others(e, call, e->place, "type id function index");
    snprintf(place, sizeof place, "%s.function", e->place);
    drop_others(e, function, place, "name arguments");
    return true;
}

static bool result_part(bedrock_encoder *e, content *c, const mg_json *p) {
    bedrock_part part;
    if (!is(e, p, MG_JSON_OBJECT)) return refuse(e, "%s has to be an object", e->place);
    if (!part_read(e, p, false, "tool", &part)) return false;
    if (part.kind == PART_SKIP) return true;
    if (part.kind == PART_MEDIA && strcmp(part.block, "audio") == 0)
        return refuse(e, "%s: Bedrock takes no sound in the result of a tool", e->place);
    if (c->inner++) put(e, ",");
    part_put(e, &part);
    if (part.cache) drop(e, "%s.cache_control", e->place);
    return true;
}

static bool result_block(bedrock_encoder *e, const mg_json *m) {
    const mg_json *v = get(e, m, "content");
    mg_str id = get_text(e, m, "tool_call_id");
    content c = {.inner = 0};
    if (!id.n) return refuse(e, "%s needs a tool_call_id", e->place);
    block_begin(e, LIST_USER);
    put(e, "{\"toolResult\":{\"toolUseId\":");
    id_put(e, id);
    put(e, ",\"content\":[");
    if (e->h->json_str(v).n) {
        put(e, "{\"text\":");
        put_text(e, e->h->json_str(v));
        put(e, "}");
    } else if (is(e, v, MG_JSON_ARRAY) && !each_of(e, v, "content", &c, result_part)) {
        return false;
    }
    put(e, e->h->json_bool(get(e, m, "is_error"), false) ? "],\"status\":\"error\"}}" : "]}}");
    return true;
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static bool is_system(const bedrock_encoder *e, const mg_json *m) {
    mg_str role = get_text(e, m, "role");
    return str_is(role, "system") || str_is(role, "developer");
}

/* The message's own cache_control comes behind its last block. */
static void message_end(const bedrock_encoder *e, const mg_json *m, const char *known) {
    cache_point_put(e, get(e, m, "cache_control"), e->model.cache_points && e->message_blocks > 0);
    drop_others(e, m, e->place, known);
}

static bool assistant_put(bedrock_encoder *e, const mg_json *m, bool last) {
    content c = {.list = LIST_ASSISTANT, .text_only = true, .role = "assistant"};
    mg_str refusal = get_text(e, m, "refusal");
    c.prefix = last && !e->h->json_child(get(e, m, "tool_calls"));
    if (get(e, m, "audio")) return refuse(e, "%s.audio: Bedrock takes no answers in sound", e->place);
    if (get(e, m, "function_call"))
        return refuse(e, "%s.function_call is OpenAI's old form: send it as tool_calls", e->place);
    if (!each_of(e, get(e, m, "thinking_blocks"), "thinking_blocks", &c, thought_put)) return false;
    if (!content_put(e, &c, get(e, m, "content"))) return false;
    if (refusal.n && !content_text(e, &c, refusal)) return false;
    if (!each_of(e, get(e, m, "tool_calls"), "tool_calls", &c, call_block)) return false;
    message_end(e, m, "role thinking_blocks content refusal tool_calls cache_control");
    return true;
}

static bool is_last(const bedrock_encoder *e, const mg_json *m) {
    for (m = e->h->json_next(m); m; m = e->h->json_next(m))
        if (!is_system(e, m)) return false;
    return true;
}

static bool message_put(bedrock_encoder *e, const mg_json *m) {
    content c = {.list = LIST_USER, .role = "user"};
    mg_str role = get_text(e, m, "role");
    e->message_blocks = 0;
    if (str_is(role, "assistant")) return assistant_put(e, m, is_last(e, m));
    if (str_is(role, "user")) {
        if (!content_put(e, &c, get(e, m, "content"))) return false;
        message_end(e, m, "role content cache_control");
        return true;
    }
    if (!str_is(role, "tool"))
        return refuse(e, "%s.role: '%.*s' can't be put into Bedrock's format", e->place, SHOWN(role));
    if (!result_block(e, m)) return false;
    message_end(e, m, "role content tool_call_id is_error cache_control");
    return true;
}

static bool system_put(bedrock_encoder *e, const mg_json *m, bool late) {
    content c = {.list = LIST_SYSTEM, .text_only = true, .role = "system"};
    e->message_blocks = 0;
    if (late) drop(e, "%s (its place: moved to the system prompt)", e->place);
    if (!content_put(e, &c, get(e, m, "content"))) return false;
    message_end(e, m, "role content cache_control");
    return true;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static bool all_put(bedrock_encoder *e, const mg_json *messages, bool systems) {
    size_t i = 0;
    bool late = false;
    for (const mg_json *m = e->h->json_child(messages); m; m = e->h->json_next(m), i++) {
        bool system = is_system(e, m);
        snprintf(e->place, sizeof e->place, "messages[%zu]", i);
        late = late || !system;
        if (system != systems) continue;
        if (systems ? !system_put(e, m, late) : !message_put(e, m)) return false;
    }
    return true;
}

bool messages_put(bedrock_encoder *e, mg_str note) {
    const mg_json *messages = top(e, "messages");
    const content system = {.list = LIST_SYSTEM};
    if (!is(e, messages, MG_JSON_ARRAY)) return refuse(e, "messages has to be a list");
    if (!all_put(e, messages, true)) return false;
    if (note.n) content_text(e, &system, note);
    list_close(e);
    put_member(e, "messages");
    put(e, "[");
    if (!all_put(e, messages, false)) return false;
    list_close(e);
    put(e, "]");
    e->place[0] = 0;
    return e->any_message || refuse(e, "messages: Bedrock needs a message that is not empty and not of role system");
}
