/* Requests in Anthropic's own format: the text as it came, changed only where it must be. */
#include <stdio.h>

#include "encoder.h"

enum { MODEL_MAX = 512 }; /* bytes */

static void splice(const anthropic_encoder *e, size_t start, size_t end, mg_str text) {
    e->out->splice(e->out->ctx, start, end, text);
}

/* ---- taking out -------------------------------------------------------------------------------------------------- */

typedef bool goes(anthropic_encoder *e, const mg_json *child, size_t index);

static bool child_span(const anthropic_encoder *e, const mg_json *parent, const mg_json *c, size_t *start,
                       size_t *end) {
    if (e->h->json_type(parent) == MG_JSON_OBJECT) return e->h->json_member_span(c, start, end);
    return e->h->json_span(c, start, end);
}

/* Takes members or elements out, each run of them with the commas that belong to it; returns how many stay. */
static size_t children_remove(anthropic_encoder *e, const mg_json *parent, goes *is_gone) {
    size_t kept = 0, index = 0, start, end, run_start = 0, last_end = 0;
    bool in_run = false;
    for (const mg_json *c = e->h->json_child(parent); c; c = e->h->json_next(c), index++) {
        if (!child_span(e, parent, c, &start, &end)) continue;
        if (is_gone(e, c, index)) {
            if (!in_run) run_start = kept ? last_end : start; /* the comma before it goes, if something stands there */
            in_run = true;
        } else {
            if (in_run) splice(e, run_start, kept ? last_end : start, STR(""));
            in_run = false;
            kept++;
        }
        last_end = end;
    }
    if (in_run) splice(e, run_start, last_end, STR(""));
    return kept;
}

static bool member_goes(anthropic_encoder *e, const mg_json *member, size_t index) {
    mg_str key = e->h->json_key(member);
    (void)index;
    if (!is_dropped(e, key)) return false;
    drop(e, "%.*s", (int)(key.n > 200 ? 200 : key.n), key.p);
    return true;
}

/* ---- marks ------------------------------------------------------------------------------------------------------- */
/* What other vendors want back travels through clients of this format as signatures and data that begin with "moongate"
 * (host/format/anthropic.h). Anthropic would refuse them. */

static bool is_mark(mg_str s) {
    static const char *const prefixes[] = {"moongate:", "moongate-text:", "moongate-tool:"};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        size_t n = strlen(prefixes[i]);
        if (s.n >= n && memcmp(s.p, prefixes[i], n) == 0) return true;
    }
    return false;
}

static bool is_marked(const anthropic_encoder *e, const mg_json *block) {
    mg_str type = anthropic_text(e->h, block, "type");
    if (str_is(type, "thinking")) return is_mark(anthropic_text(e->h, block, "signature"));
    return str_is(type, "redacted_thinking") && is_mark(anthropic_text(e->h, block, "data"));
}

static bool block_goes(anthropic_encoder *e, const mg_json *block, size_t index) {
    if (!is_marked(e, block)) return false;
    drop(e, "%s.content[%zu] (thinking of another vendor)", e->place, index);
    return true;
}

static bool citation_goes(anthropic_encoder *e, const mg_json *citation, size_t index) {
    if (!is_mark(anthropic_text(e->h, citation, "encrypted_index"))) return false;
    drop(e, "%s.citations[%zu] (of another vendor)", e->place, index);
    return true;
}

static bool only_marked(const anthropic_encoder *e, const mg_json *message) {
    const mg_json *first = e->h->json_child(anthropic_get(e->h, message, "content"));
    for (const mg_json *b = first; b; b = e->h->json_next(b))
        if (!is_marked(e, b)) return false;
    return first != NULL;
}

/* A message of nothing else goes as a whole: an empty one would be refused. */
static bool message_goes(anthropic_encoder *e, const mg_json *message, size_t index) {
    if (!only_marked(e, message)) return false;
    drop(e, "messages[%zu] (thinking of another vendor)", index);
    return true;
}

static void marks_remove(anthropic_encoder *e) {
    const mg_json *messages = anthropic_get(e->h, e->request->root, "messages");
    size_t i = 0, n;
    if (!e->request->body.n || !memmem(e->request->body.p, e->request->body.n, "moongate", 8)) return;
    children_remove(e, messages, message_goes);
    for (const mg_json *m = e->h->json_child(messages); m; m = e->h->json_next(m), i++) {
        const mg_json *content = anthropic_get(e->h, m, "content");
        if (only_marked(e, m)) continue;
        snprintf(e->place, sizeof e->place, "messages[%zu]", i);
        children_remove(e, content, block_goes);
        n = 0;
        for (const mg_json *b = e->h->json_child(content); b; b = e->h->json_next(b), n++) {
            snprintf(e->place, sizeof e->place, "messages[%zu].content[%zu]", i, n);
            children_remove(e, anthropic_get(e->h, b, "citations"), citation_goes);
        }
    }
}

/* ---- a turn that goes on ------------------------------------------------------------------------------------------- */

static bool holds(const anthropic_encoder *e, const mg_json *message, const char *type) {
    const mg_json *content = anthropic_get(e->h, message, "content");
    const mg_json *b = anthropic_is(e->h, content, MG_JSON_ARRAY) ? e->h->json_child(content) : NULL;
    for (; b; b = e->h->json_next(b))
        if (str_is(anthropic_text(e->h, b, "type"), type)) return true;
    return false;
}

/* The first message of the assistant's since the user's last one that did not only bring results. */
static const mg_json *open_turn(const anthropic_encoder *e) {
    const mg_json *turn = NULL, *m = e->h->json_child(anthropic_get(e->h, e->request->root, "messages"));
    for (; m; m = e->h->json_next(m)) {
        bool user = str_is(anthropic_text(e->h, m, "role"), "user");
        if (user && !holds(e, m, "tool_result")) turn = NULL;
        if (!user && !turn) turn = m;
    }
    return turn;
}

/* With a budget, a turn of calls that goes on must begin with a thought of Anthropic's own. It has none where another vendor
 * began it: then this one goes on without thinking. */
static void thinking_check(anthropic_encoder *e) {
    size_t start, end;
    const mg_json *thinking = anthropic_get(e->h, e->request->root, "thinking");
    if (!str_is(anthropic_text(e->h, thinking, "type"), "enabled")) return;
    const mg_json *turn = open_turn(e);
    if (!turn || !holds(e, turn, "tool_use")) return;
    const mg_json *b = e->h->json_child(anthropic_get(e->h, turn, "content"));
    while (b && is_marked(e, b)) b = e->h->json_next(b);
    mg_str type = anthropic_text(e->h, b, "type");
    if (str_is(type, "thinking") || str_is(type, "redacted_thinking")) return;
    if (is_dropped(e, STR("thinking")) || !e->h->json_span(thinking, &start, &end)) return;
    splice(e, start, end, STR("{\"type\":\"disabled\"}"));
    drop(e, "thinking (the turn that goes on lacks its own thinking)");
}

/* ---- members that the request decides ---------------------------------------------------------------------------- */

/* Text as a JSON string into out, which takes 6 bytes for each of text and 2 more. */
static mg_str quoted(mg_str text, char *out) {
    size_t n = 0;
    out[n++] = '"';
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c < 0x20) {
            n += (size_t)snprintf(out + n, 7, "\\u%04x", c);
        } else {
            if (c == '"' || c == '\\') out[n++] = '\\';
            out[n++] = (char)c;
        }
    }
    out[n++] = '"';
    return (mg_str){out, n};
}

typedef struct addition {
    char text[6 * MODEL_MAX + 64];
    size_t n, members;
} addition;

/* Sets a member to a JSON text: in its place, or behind the others. */
static void member_set(const anthropic_encoder *e, addition *a, const char *key, mg_str json) {
    size_t start, end;
    const mg_json *have = anthropic_get(e->h, e->request->root, key);
    if (is_dropped(e, str_of(key))) return;
    if (have && e->h->json_span(have, &start, &end))
        splice(e, start, end, json);
    else
        a->n += (size_t)snprintf(a->text + a->n, sizeof a->text - a->n, "%s\"%s\":%.*s", a->members++ ? "," : "", key,
                                 (int)json.n, json.p);
}

mg_status native_encode(anthropic_encoder *e) {
    char text[6 * MODEL_MAX + 2];
    addition a;
    size_t start, end;
    const mg_json *root = e->request->root;
    mg_str model = e->request->model;
    if (model.n > MODEL_MAX)
        return anthropic_fail(e->error, 400, "invalid_model", "the model's name is longer than %d bytes", MODEL_MAX);
    a.n = 0;
    a.members = children_remove(e, root, member_goes);
    if (model.n && !str_eq(anthropic_text(e->h, root, "model"), model)) member_set(e, &a, "model", quoted(model, text));
    bool streams = e->h->json_bool(anthropic_get(e->h, root, "stream"), false);
    if (e->request->operation == MG_OP_CHAT && streams != e->request->stream)
        member_set(e, &a, "stream", e->request->stream ? STR("true") : STR("false"));
    marks_remove(e);
    thinking_check(e);
    if (a.n && e->h->json_span(root, &start, &end)) splice(e, end - 1, end - 1, (mg_str){a.text, a.n});
    return MG_OK;
}
