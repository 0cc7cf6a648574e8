/* Takes out of messages and tools what the canonical form has and OpenAI's API has not. */
#include <stdarg.h>
#include <stdio.h>

#include "encode.h"

typedef struct cleaner {
    const encoder *e;
    mg_error *error;
    size_t message; /* which one is being cleaned */
    const mg_json *first; /* of a run of tool messages whose results hold more than text */
} cleaner;

__attribute__((format(printf, 2, 3))) static void drop(const encoder *e, const char *format, ...) {
    char name[160];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(name, sizeof name, format, args);
    va_end(args);
    e->out->drop(e->out->ctx, (mg_str){name, (size_t)n < sizeof name ? (size_t)n : sizeof name - 1});
}

static mg_str source(const encoder *e, const mg_json *v) {
    size_t start, end;
    if (!e->h->json_span(v, &start, &end) || end > e->request->body.n) return (mg_str){NULL, 0};
    return (mg_str){e->request->body.p + start, end - start};
}

static void replace(const encoder *e, const mg_json *v, mg_str text) {
    size_t start, end;
    if (e->h->json_span(v, &start, &end)) openai_splice(e, start, end, text);
}

/* Takes the members out that are in `names`, which ends with NULL; `where` is the object's own name. */
static void members_clean(const encoder *e, const mg_json *object, const char *const *names, const char *where) {
    remover r = {.e = e};
    size_t start, end;
    for (const mg_json *m = e->h->json_child(object); m; m = e->h->json_next(m)) {
        if (!e->h->json_member_span(m, &start, &end)) continue;
        const char *const *name = names;
        while (*name && !str_eq(e->h->json_key(m), str_of(*name))) name++;
        if (*name) drop(e, "%s.%s", where, *name);
        openai_remover_put(&r, start, end, *name != NULL);
    }
    openai_remover_end(&r);
}

/* ---- content ----------------------------------------------------------------------------------------------------- */

typedef enum part_fate { PART_KEPT, PART_DROPPED, PART_MOVED } part_fate;

static bool is_tool(const encoder *e, const mg_json *message) {
    return str_eq(openai_text(e->h, message, "role"), STR("tool"));
}

/* Results of tools are texts to OpenAI; what else they hold follows in a message of the user. */
static part_fate part_fate_of(const encoder *e, const mg_json *message, const mg_json *part) {
    mg_str type = openai_text(e->h, part, "type");
    if (str_eq(type, STR("thinking")) || str_eq(type, STR("redacted_thinking"))) return PART_DROPPED;
    return is_tool(e, message) && type.n && !str_eq(type, STR("text")) ? PART_MOVED : PART_KEPT;
}

/* The first part from there on with that fate, or NULL. */
static const mg_json *part_find(const encoder *e, const mg_json *message, const mg_json *part, part_fate f) {
    while (part && part_fate_of(e, message, part) != f) part = e->h->json_next(part);
    return part;
}

static const mg_json *parts_of(const encoder *e, const mg_json *message) {
    const mg_json *content = openai_get(e->h, message, "content");
    return content && e->h->json_type(content) == MG_JSON_ARRAY ? e->h->json_child(content) : NULL;
}

static mg_status part_check(const cleaner *c, const mg_json *part, size_t place) {
    const mg_json *file = openai_get(c->e->h, part, "file");
    if (!file || !openai_get(c->e->h, file, "file_url")) return MG_OK;
    return openai_fail(c->error, 400, "unsupported",
                       "messages[%zu].content[%zu]: this provider takes no addresses of files; send the file itself",
                       c->message, place);
}

static void part_clean(const cleaner *c, const mg_json *part, size_t place) {
    static const char *const names[] = {"cache_control", "signature", "vendor", NULL};
    char where[96];
    snprintf(where, sizeof where, "messages[%zu].content[%zu]", c->message, place);
    members_clean(c->e, part, names, where);
}

/* What stands in place of a list that loses all its parts. */
static mg_str nothing(const encoder *e, const mg_json *message) {
    if (is_tool(e, message)) return STR("\"The result follows in the next message of the user.\"");
    return e->h->json_child(openai_get(e->h, message, "tool_calls")) ? STR("null") : STR("\"\"");
}

static mg_status content_clean(const cleaner *c, const mg_json *message) {
    const encoder *e = c->e;
    const mg_json *parts = parts_of(e, message);
    bool any = part_find(e, message, parts, PART_KEPT) != NULL;
    remover r = {.e = e};
    size_t place = 0, start, end;
    if (parts && !any) replace(e, openai_get(e->h, message, "content"), nothing(e, message));
    for (const mg_json *part = parts; part; part = e->h->json_next(part), place++) {
        part_fate f = part_fate_of(e, message, part);
        if (part_check(c, part, place) != MG_OK) return MG_ERROR;
        if (f == PART_DROPPED) drop(e, "messages[%zu].content[%zu]", c->message, place);
        if (f == PART_KEPT) part_clean(c, part, place);
        if (any && e->h->json_span(part, &start, &end)) openai_remover_put(&r, start, end, f != PART_KEPT);
    }
    if (any) openai_remover_end(&r);
    return MG_OK;
}

/* ---- results of tools that are more than text -------------------------------------------------------------------- */

/* Parts of a kind hold what they are under that kind's name. */
static void part_move(const encoder *e, size_t at, const mg_json *part) {
    const mg_json *type = openai_get(e->h, part, "type");
    const mg_json *payload = e->h->json_get(part, e->h->json_str(type));
    if (!payload) return;
    openai_splice(e, at, at, STR(",{\"type\":"));
    openai_splice(e, at, at, source(e, type));
    openai_splice(e, at, at, STR(","));
    openai_splice(e, at, at, source(e, type));
    openai_splice(e, at, at, STR(":"));
    openai_splice(e, at, at, source(e, payload));
    openai_splice(e, at, at, STR("}"));
}

/* A JSON string without its quotes may stand inside another one. */
static void result_move(const encoder *e, size_t at, const mg_json *message, bool more) {
    mg_str id = source(e, openai_get(e->h, message, "tool_call_id"));
    if (id.n < 2 || id.p[0] != '"') id = STR("\"\"");
    openai_splice(e, at, at, more ? STR(",") : STR(",{\"role\":\"user\",\"content\":["));
    openai_splice(e, at, at, STR("{\"type\":\"text\",\"text\":\"Result of the tool call "));
    openai_splice(e, at, at, (mg_str){id.p + 1, id.n - 2});
    openai_splice(e, at, at, STR(":\"}"));
    const mg_json *part = part_find(e, message, parts_of(e, message), PART_MOVED);
    for (; part; part = part_find(e, message, e->h->json_next(part), PART_MOVED)) part_move(e, at, part);
}

/* The results have to follow the calls without anything between, so that what moves goes behind the last of them. */
static void run_move(cleaner *c, const mg_json *last) {
    size_t start, at;
    bool more = false;
    if (!c->first || !c->e->h->json_span(last, &start, &at)) return;
    for (const mg_json *m = c->first; m; m = m == last ? NULL : c->e->h->json_next(m))
        if (part_find(c->e, m, parts_of(c->e, m), PART_MOVED)) {
            result_move(c->e, at, m, more);
            more = true;
        }
    if (more) openai_splice(c->e, at, at, STR("]}"));
    c->first = NULL;
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static void calls_clean(const cleaner *c, const mg_json *message, const char *const *names) {
    char where[96];
    size_t place = 0;
    const mg_json *call = c->e->h->json_child(openai_get(c->e->h, message, "tool_calls"));
    for (; call; call = c->e->h->json_next(call), place++) {
        snprintf(where, sizeof where, "messages[%zu].tool_calls[%zu]", c->message, place);
        members_clean(c->e, call, names, where);
    }
}

static mg_status message_clean(cleaner *c, const mg_json *message) {
    static const char *const ours[] = {"thinking_blocks", "cache_control", "is_error", NULL};
    static const char *const theirs[] = {"thinking_blocks", "reasoning_content", NULL};
    static const char *const of_call[] = {"signature", "vendor", "cache_control", NULL};
    char where[64];
    snprintf(where, sizeof where, "messages[%zu]", c->message);
    members_clean(c->e, message, c->e->translated ? ours : theirs, where);
    calls_clean(c, message, of_call);
    return c->e->translated ? content_clean(c, message) : MG_OK;
}

mg_status openai_messages_clean(const encoder *e, mg_error *error) {
    cleaner c = {.e = e, .error = error};
    const mg_json *last = NULL, *m = e->h->json_child(openai_get(e->h, e->request->root, "messages"));
    for (; m; last = m, m = e->h->json_next(m), c.message++) {
        bool tool = e->translated && is_tool(e, m);
        if (!tool) run_move(&c, last);
        if (message_clean(&c, m) != MG_OK) return MG_ERROR;
        if (tool && !c.first && part_find(e, m, parts_of(e, m), PART_MOVED)) c.first = m;
    }
    run_move(&c, last);
    return MG_OK;
}

/* ---- tools ------------------------------------------------------------------------------------------------------- */

static mg_status tool_clean(const encoder *e, const mg_json *tool, size_t place, mg_error *error) {
    static const char *const names[] = {"cache_control", NULL};
    char where[64];
    mg_str vendor = openai_text(e->h, tool, "vendor");
    if (!str_eq(openai_text(e->h, tool, "type"), STR("vendor_tool"))) {
        snprintf(where, sizeof where, "tools[%zu]", place);
        members_clean(e, tool, names, where);
        return MG_OK;
    }
    const mg_json *own = openai_get(e->h, tool, "tool");
    if (!own || !str_eq(vendor, STR("openai")))
        return openai_fail(error, 400, "unsupported",
                           "tools[%zu]: only %.*s runs this tool itself; this provider can't", place,
                           (int)(vendor.n > 40 ? 40 : vendor.n), vendor.n ? vendor.p : "");
    replace(e, tool, source(e, own));
    return MG_OK;
}

mg_status openai_tools_clean(const encoder *e, mg_error *error) {
    size_t place = 0;
    const mg_json *tool = e->h->json_child(openai_get(e->h, e->request->root, "tools"));
    for (; tool; tool = e->h->json_next(tool), place++)
        if (tool_clean(e, tool, place, error) != MG_OK) return MG_ERROR;
    return MG_OK;
}
