/* The conversation in a request: its parts, its texts, and the changes that policies make to it. */
#include "gateway/request.h"

#include "base/buf.h"

/* ---- edits ------------------------------------------------------------------------------------------------------- */

mg_status mg_request_sync(mg_request *r, mg_error *error) {
    if (!r->edits.n) return MG_OK;
    mg_str text = mg_edits_render(&r->edits, r->body);
    const mg_json *root;
    mg_status st = mg_json_parse(r->worker->json, r->arena, text.p, text.n, &root, error);
    if (st != MG_OK) return st;
    r->body = text;
    r->root = root;
    r->parts = NULL;
    mg_edits_init(&r->edits, r->arena);
    return MG_OK;
}

/* For readers without an error of their own: edits are made from checked values, so rendering them can't fail but for a
 * body that has outgrown the parser's bounds; then the body before the edit is what they see. */
static void sync(mg_request *r) {
    mg_error ignored;
    mg_request_sync(r, &ignored);
}

static mg_str quoted(mg_request *r, mg_str text) {
    mg_buf b = {0};
    mg_buf_json(&b, text);
    mg_str out = mg_arena_dup(r->arena, mg_buf_view(&b));
    mg_buf_finish(&b);
    return out;
}

/* ---- parts ------------------------------------------------------------------------------------------------------- */

typedef struct part_list {
    mg_request *r;
    mg_part *v;
    size_t n, cap;
} part_list;

static void add_part(part_list *l, mg_part p) {
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 8;
        mg_part *v = mg_arena_alloc(l->r->arena, cap * sizeof *v);
        if (l->n) memcpy(v, l->v, l->n * sizeof *v);
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = p;
}

static size_t span_of(const mg_json *v) { return v ? v->src_end - v->src : 0; }

static void add_text(part_list *l, mg_part_kind kind, mg_str role, mg_str name, const mg_json *text) {
    if (mg_json_kind(text) == MG_JSON_STRING) add_part(l, (mg_part){kind, role, name, {0}, text, text->str.n});
}

/* "data:image/png;base64,…" says its type; a URL does not. */
static mg_str mime_of_url(mg_str url) {
    if (!mg_str_starts(url, MG_STR("data:"))) return (mg_str){0};
    mg_str rest = mg_str_skip(url, 5);
    size_t end = mg_str_find(rest, ';'), comma = mg_str_find(rest, ',');
    return mg_str_from(rest.p, end < comma ? end : comma);
}

static void add_content_part(part_list *l, mg_str role, const mg_json *part) {
    mg_str type = mg_json_text(mg_json_get(part, MG_STR("type")));
    if (mg_str_is(type, "text")) {
        add_text(l, MG_PART_TEXT, role, (mg_str){0}, mg_json_get(part, MG_STR("text")));
    } else if (mg_str_is(type, "refusal")) {
        add_text(l, MG_PART_TEXT, role, (mg_str){0}, mg_json_get(part, MG_STR("refusal")));
    } else if (mg_str_is(type, "image_url")) {
        const mg_json *url = mg_json_path(part, "image_url.url");
        add_part(l, (mg_part){MG_PART_IMAGE, role, {0}, mime_of_url(mg_json_text(url)), NULL, span_of(url)});
    } else if (mg_str_is(type, "input_audio")) {
        const mg_json *audio = mg_json_get(part, MG_STR("input_audio"));
        add_part(
            l, (mg_part){
                   MG_PART_AUDIO, role, {0}, mg_json_text(mg_json_get(audio, MG_STR("format"))), NULL, span_of(audio)});
    } else if (mg_str_is(type, "file")) {
        const mg_json *file = mg_json_get(part, MG_STR("file"));
        add_part(
            l, (mg_part){
                   MG_PART_FILE, role, mg_json_text(mg_json_get(file, MG_STR("filename"))), {0}, NULL, span_of(file)});
    } else {
        add_part(l, (mg_part){MG_PART_OTHER, role, type, {0}, NULL, span_of(part)});
    }
}

static void add_message_parts(part_list *l, const mg_json *message) {
    mg_str role = mg_json_text(mg_json_get(message, MG_STR("role")));
    const mg_json *content = mg_json_get(message, MG_STR("content"));
    if (mg_json_kind(content) == MG_JSON_STRING) add_text(l, MG_PART_TEXT, role, (mg_str){0}, content);
    if (mg_json_kind(content) == MG_JSON_ARRAY)
        for (const mg_json *p = content->child; p; p = p->next) add_content_part(l, role, p);
    add_text(l, MG_PART_TEXT, role, (mg_str){0}, mg_json_get(message, MG_STR("refusal")));
    const mg_json *calls = mg_json_get(message, MG_STR("tool_calls"));
    for (const mg_json *c = calls && calls->type == MG_JSON_ARRAY ? calls->child : NULL; c; c = c->next) {
        const mg_json *f = mg_json_get(c, MG_STR("function"));
        add_text(l, MG_PART_TOOL_ARGUMENTS, role, mg_json_text(mg_json_get(f, MG_STR("name"))),
                 mg_json_get(f, MG_STR("arguments")));
    }
}

static void add_input_parts(part_list *l, const mg_json *input) {
    add_text(l, MG_PART_TEXT, MG_STR("input"), (mg_str){0}, input);
    if (mg_json_kind(input) == MG_JSON_ARRAY)
        for (const mg_json *i = input->child; i; i = i->next)
            add_text(l, MG_PART_TEXT, MG_STR("input"), (mg_str){0}, i);
}

const mg_part *mg_request_parts(mg_request *r, size_t *n) {
    sync(r);
    if (!r->parts) {
        part_list l = {.r = r};
        const mg_json *messages = mg_json_get(r->root, MG_STR("messages"));
        if (mg_json_kind(messages) == MG_JSON_ARRAY)
            for (const mg_json *m = messages->child; m; m = m->next) add_message_parts(&l, m);
        else
            add_input_parts(&l, mg_json_get(r->root, MG_STR("input")));
        r->parts = l.v;
        r->n_parts = l.n;
    }
    *n = r->n_parts;
    return r->parts;
}

static bool is_system(mg_str role) { return mg_str_is(role, "system") || mg_str_is(role, "developer"); }
static bool is_user(mg_str role) { return mg_str_is(role, "user") || mg_str_is(role, "input"); }

static mg_str join_texts(mg_request *r, bool (*wanted)(mg_str role)) {
    size_t n, total = 0, count = 0;
    const mg_part *p = mg_request_parts(r, &n);
    mg_str only = {0};
    for (size_t i = 0; i < n; i++)
        if (p[i].text && p[i].kind == MG_PART_TEXT && wanted(p[i].role)) {
            only = p[i].text->str;
            total += only.n + 1;
            count++;
        }
    if (count < 2) return count ? only : MG_STR("");
    char *out = mg_arena_alloc(r->arena, total), *at = out;
    for (size_t i = 0; i < n; i++)
        if (p[i].text && p[i].kind == MG_PART_TEXT && wanted(p[i].role)) {
            if (at != out) *at++ = '\n';
            memcpy(at, p[i].text->str.p, p[i].text->str.n);
            at += p[i].text->str.n;
        }
    return mg_str_from(out, (size_t)(at - out));
}

mg_str mg_request_user_text(mg_request *r) { return join_texts(r, is_user); }
mg_str mg_request_system_text(mg_request *r) { return join_texts(r, is_system); }

/* ---- changes ----------------------------------------------------------------------------------------------------- */

static mg_status need_chat(const mg_request *r, const char *what, mg_error *error) {
    if (r->operation == MG_OP_CHAT && r->root) return MG_OK;
    return mg_fail(error, 500, "policy_failed", "%s works on chat requests only; this one is for %.*s", what,
                   MG_STR_ARG(mg_operation_name(r->operation)));
}

mg_status mg_request_replace_text(mg_request *r, const mg_part *part, mg_str text, mg_error *error) {
    if (!part->text) return mg_fail(error, 500, "policy_failed", "this part holds no text that can be replaced");
    mg_edits_replace(&r->edits, part->text->src, part->text->src_end, quoted(r, text));
    return MG_OK;
}

static mg_str message_json(mg_request *r, mg_str role, mg_str text) {
    mg_buf b = {0};
    mg_buf_str(&b, MG_STR("{\"role\":"));
    mg_buf_json(&b, role);
    mg_buf_str(&b, MG_STR(",\"content\":"));
    mg_buf_json(&b, text);
    mg_buf_str(&b, MG_STR("}"));
    mg_str out = mg_arena_dup(r->arena, mg_buf_view(&b));
    mg_buf_finish(&b);
    return out;
}

mg_status mg_request_set_system(mg_request *r, mg_str text, mg_error *error) {
    mg_status st = need_chat(r, "set_system", error);
    if (st == MG_OK) st = mg_request_sync(r, error);
    if (st != MG_OK) return st;
    const mg_json *messages = mg_json_get(r->root, MG_STR("messages"));
    bool placed = false;
    for (const mg_json *m = messages->child; m; m = m->next) {
        if (!is_system(mg_json_text(mg_json_get(m, MG_STR("role"))))) continue;
        if (!placed)
            mg_edits_set(&r->edits, m, MG_STR("content"), quoted(r, text));
        else
            mg_edits_remove(&r->edits, messages, m, r->body);
        placed = true;
    }
    if (!placed) mg_edits_append(&r->edits, messages, message_json(r, MG_STR("system"), text), true);
    return MG_OK;
}

mg_status mg_request_add_message(mg_request *r, mg_str role, mg_str text, mg_error *error) {
    mg_status st = need_chat(r, "add_message", error);
    if (st == MG_OK) st = mg_request_sync(r, error);
    if (st != MG_OK) return st;
    if (!is_system(role) && !mg_str_is(role, "user") && !mg_str_is(role, "assistant"))
        return mg_fail(error, 500, "policy_failed",
                       "a message's role is system, developer, user or assistant, not '%.*s'", MG_STR_ARG(role));
    mg_edits_append(&r->edits, mg_json_get(r->root, MG_STR("messages")), message_json(r, role, text), false);
    return MG_OK;
}

mg_status mg_request_set_max_tokens(mg_request *r, int64_t n, mg_error *error) {
    mg_status st = need_chat(r, "set_max_tokens", error);
    if (st == MG_OK) st = mg_request_sync(r, error);
    if (st != MG_OK) return st;
    if (n < 1) return mg_fail(error, 500, "policy_failed", "set_max_tokens takes a number of 1 or more");
    bool old = mg_json_get(r->root, MG_STR("max_tokens")) && !mg_json_get(r->root, MG_STR("max_completion_tokens"));
    mg_edits_set(&r->edits, r->root, old ? MG_STR("max_tokens") : MG_STR("max_completion_tokens"),
                 mg_arena_printf(r->arena, "%lld", (long long)n));
    r->tokens_max_output = n;
    return MG_OK;
}

mg_status mg_request_set_param(mg_request *r, mg_str key, mg_str json, mg_error *error) {
    static const char *const own[] = {"model", "messages", "input", "stream"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (mg_str_is(key, own[i]))
            return mg_fail(error, 500, "policy_failed",
                           "set_param can't change '%s': there is a method of its own for that", own[i]);
    if (!r->root) return mg_fail(error, 500, "policy_failed", "this request has no body");
    mg_status st = mg_request_sync(r, error);
    if (st != MG_OK) return st;
    const mg_json *member = mg_json_get(r->root, key);
    if (json.p)
        mg_edits_set(&r->edits, r->root, mg_arena_dup(r->arena, key), json);
    else if (member)
        mg_edits_remove(&r->edits, r->root, member, r->body);
    return MG_OK;
}

mg_status mg_request_remove_tool(mg_request *r, mg_str name, mg_error *error) {
    mg_status st = need_chat(r, "remove_tool", error);
    if (st == MG_OK) st = mg_request_sync(r, error);
    if (st != MG_OK) return st;
    const mg_json *tools = mg_json_get(r->root, MG_STR("tools"));
    size_t left = 0;
    const mg_json *found = NULL;
    for (const mg_json *t = mg_json_kind(tools) == MG_JSON_ARRAY ? tools->child : NULL; t; t = t->next) {
        if (mg_str_eq(mg_json_text(mg_json_path(t, "function.name")), name))
            found = t;
        else
            left++;
    }
    if (!found) return MG_DECLINED;
    if (left) {
        mg_edits_remove(&r->edits, tools, found, r->body);
        return MG_OK;
    }
    /* Vendors refuse an empty list of tools, and a tool_choice without tools. */
    const mg_json *choice = mg_json_get(r->root, MG_STR("tool_choice"));
    mg_edits_remove(&r->edits, r->root, tools, r->body);
    if (choice) {
        st = mg_request_sync(r, error);
        if (st != MG_OK) return st;
        mg_edits_remove(&r->edits, r->root, mg_json_get(r->root, MG_STR("tool_choice")), r->body);
    }
    return MG_OK;
}
