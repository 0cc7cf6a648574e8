/* The conversation in a request: its parts, its texts, and the changes that policies make to it. */
#include "gateway/request.h"

#include "format/openai.h"

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
    r->canonical = (mg_str){0};
    r->format->read(r->operation, root, &r->facts);
    mg_edits_init(&r->edits, r->arena);
    return MG_OK;
}

/* For readers without an error of their own: edits are made from checked values, so rendering them can't fail but for a
 * body that has outgrown the parser's bounds; then the body before the edit is what they see. */
static void sync(mg_request *r) {
    mg_error ignored;
    mg_request_sync(r, &ignored);
}

static const mg_json *list_of_messages(const mg_request *r) {
    const mg_json *list = r->format->id == MG_FORMAT_OPENAI ? mg_json_get(r->root, MG_STR("messages")) : NULL;
    return mg_json_kind(list) == MG_JSON_ARRAY ? list : NULL;
}

mg_status mg_request_sync_members(mg_request *r, mg_error *error) {
    const mg_json *list = r->edits.n ? list_of_messages(r) : NULL;
    for (const mg_edit *x = r->edits.first; x; x = x->next)
        if (!list || x->start <= list->src || x->end >= list->src_end) return mg_request_sync(r, error);
    return MG_OK;
}

size_t mg_request_bytes(const mg_request *r) {
    size_t n = r->body.n;
    for (const mg_edit *x = r->edits.first; x; x = x->next) n += x->text.n + 1;
    return n;
}

/* ---- parts ------------------------------------------------------------------------------------------------------- */

typedef struct part_list {
    mg_arena *arena;
    mg_part *v;
    mg_edit **edits;
    mg_edit *edit; /* that the parts being added stand in */
    size_t n, cap;
} part_list;

static void take_part(void *arg, const mg_part *p) {
    part_list *l = arg;
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 8;
        mg_part *v = mg_arena_alloc(l->arena, cap * sizeof *v);
        mg_edit **edits = mg_arena_alloc(l->arena, cap * sizeof *edits);
        if (l->n) memcpy(v, l->v, l->n * sizeof *v);
        if (l->n) memcpy(edits, l->edits, l->n * sizeof(mg_edit *));
        l->v = v;
        l->edits = edits;
        l->cap = cap;
    }
    l->edits[l->n] = l->edit;
    l->v[l->n++] = *p;
}

/* A message that is to be inserted, as the only one of a body of its own: its parts are known without rendering the whole. What
 * stands before it in that body is MINI_HEAD bytes long. */
static const char MINI[] = "{\"messages\":[";
enum { MINI_HEAD = sizeof MINI - 1 };

static bool add_inserted(mg_request *r, part_list *l, mg_edit *x) {
    const mg_str text = mg_arena_join(r->arena, (const mg_str[]){{MINI, MINI_HEAD}, x->text, MG_STR("]}")}, 3);
    const mg_json *root;
    mg_error ignored;
    if (mg_json_parse_copy(r->worker->json, r->arena, text, &root, &ignored) != MG_OK) return false;
    l->edit = x;
    r->format->parts(r->operation, root, take_part, l);
    l->edit = NULL;
    return true;
}

/* Where the part's text is replaced: a value with the new text at the old one's place, so that a later edit replaces this. */
static bool replace_parts(mg_request *r, part_list *l, const mg_edit *x) {
    const mg_json *value;
    mg_error ignored;
    for (size_t i = 0; i < l->n; i++) {
        const mg_json *t = l->v[i].text;
        if (!t || t->src != x->start || t->src_end != x->end) continue;
        if (mg_json_parse_copy(r->worker->json, r->arena, x->text, &value, &ignored) != MG_OK) return false;
        if (value->type != MG_JSON_STRING) return false;
        mg_json *text = MG_ARENA_NEW(r->arena, mg_json);
        *text = *t;
        text->str = value->str;
        l->v[i].text = text;
        l->v[i].bytes = text->str.n;
        return true;
    }
    return false;
}

/* The parts as they will be, where every pending edit replaces one text or inserts a message: without rendering the body and
 * parsing it a second time. */
static bool parts_with_edits(mg_request *r, part_list *l) {
    const mg_json *list = list_of_messages(r);
    mg_edit *x;
    if (!list) return false;
    for (x = r->edits.first; x; x = x->next)
        if (x->kind == MG_EDIT_PREPEND && x->parent == list && !add_inserted(r, l, x)) return false;
    size_t inserted = l->n;
    r->format->parts(r->operation, r->root, take_part, l);
    part_list own = {.v = l->v + inserted, .n = l->n - inserted};
    for (x = r->edits.first; x; x = x->next) {
        bool inside = x->start > list->src && x->end < list->src_end;
        bool inserts = x->kind == MG_EDIT_PREPEND || x->kind == MG_EDIT_APPEND;
        if (!inside || x->kind == MG_EDIT_REMOVE || (inserts && x->parent != list)) return false;
        if (x->kind == MG_EDIT_REPLACE && !replace_parts(r, &own, x)) return false;
        if (x->kind == MG_EDIT_APPEND && !add_inserted(r, l, x)) return false;
    }
    return true;
}

const mg_part *mg_request_parts(mg_request *r, size_t *n) {
    if (!r->parts || r->parts_stale) {
        part_list l = {.arena = r->arena};
        if (!r->edits.n || !parts_with_edits(r, &l)) {
            l = (part_list){.arena = r->arena};
            sync(r);
            r->format->parts(r->operation, r->root, take_part, &l);
        }
        r->parts = l.v;
        r->part_edits = l.edits;
        r->n_parts = l.n;
        r->parts_stale = false;
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

static mg_draft draft(mg_request *r) {
    r->parts_stale = true;
    return (mg_draft){r->operation, r->root, r->body, &r->edits};
}

/* Changes look at the tree: what earlier ones did has to be in it. */
static mg_status begin(mg_request *r, const char *what, mg_error *error) {
    if (r->operation == MG_OP_CHAT && r->root) return mg_request_sync(r, error);
    return mg_fail(error, 500, "policy_failed", "%s works on chat requests only; this one is for %.*s", what,
                   MG_STR_ARG(mg_operation_name(r->operation)));
}

mg_status mg_request_replace_text(mg_request *r, const mg_part *part, mg_str text, mg_error *error) {
    if (!part->text) return mg_fail(error, 500, "policy_failed", "this part holds no text that can be replaced");
    mg_edit *x = part >= r->parts && part < r->parts + r->n_parts ? r->part_edits[part - r->parts] : NULL;
    mg_str quoted = mg_format_quoted(r->arena, text);
    r->parts_stale = true;
    if (!x) {
        mg_edits_replace(&r->edits, part->text->src, part->text->src_end, quoted);
        return MG_OK;
    }
    mg_str rest = mg_str_skip(x->text, part->text->src_end - MINI_HEAD);
    mg_str head = mg_str_from(x->text.p, part->text->src - MINI_HEAD);
    x->text = mg_arena_join(r->arena, (const mg_str[]){head, quoted, rest}, 3);
    return MG_OK;
}

mg_status mg_request_set_system(mg_request *r, mg_str text, mg_error *error) {
    if (begin(r, "set_system", error) != MG_OK) return MG_ERROR;
    const mg_draft d = draft(r);
    return r->format->set_system(&d, text, error);
}

mg_status mg_request_add_message(mg_request *r, mg_str role, mg_str text, mg_error *error) {
    if (begin(r, "add_message", error) != MG_OK) return MG_ERROR;
    if (!is_system(role) && !mg_str_is(role, "user") && !mg_str_is(role, "assistant"))
        return mg_fail(error, 500, "policy_failed",
                       "a message's role is system, developer, user or assistant, not '%.*s'", MG_STR_ARG(role));
    const mg_draft d = draft(r);
    return r->format->add_message(&d, role, text, error);
}

mg_status mg_request_set_max_tokens(mg_request *r, int64_t n, mg_error *error) {
    if (begin(r, "set_max_tokens", error) != MG_OK) return MG_ERROR;
    if (n < 1) return mg_fail(error, 500, "policy_failed", "set_max_tokens takes a number of 1 or more");
    const mg_draft d = draft(r);
    mg_status st = r->format->set_max_output(&d, n, error);
    if (st == MG_OK) r->tokens_max_output = n;
    return st;
}

mg_status mg_request_set_param(mg_request *r, mg_str key, mg_str json, mg_error *error) {
    if (!r->root) return mg_fail(error, 500, "policy_failed", "this request has no body");
    if (mg_request_sync(r, error) != MG_OK) return MG_ERROR;
    const mg_draft d = draft(r);
    return r->format->set_param(&d, key, json, error);
}

mg_status mg_request_remove_tool(mg_request *r, mg_str name, mg_error *error) {
    if (begin(r, "remove_tool", error) != MG_OK) return MG_ERROR;
    const mg_draft d = draft(r);
    return r->format->remove_tool(&d, name, error);
}
