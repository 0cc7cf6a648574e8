#include "app/config_tree.h"

#include <stdio.h>

/* ---- reading ----------------------------------------------------------------------------------------------------- */

const mg_json *mg_config_element(const mg_json *table, size_t i) {
    bool array = mg_json_kind(table) == MG_JSON_ARRAY;
    if (!mg_config_is_table(table)) return NULL;
    for (const mg_json *e = table->child; e; e = e->next) {
        if (!array && !mg_config_node_of(e)->positional) return NULL; /* elements come first */
        if (i-- == 0) return e;
    }
    return NULL;
}

const mg_json *mg_config_member(const mg_json *table, const char *name) {
    if (mg_json_kind(table) != MG_JSON_OBJECT) return NULL;
    for (const mg_json *e = table->child; e; e = e->next)
        if (mg_str_is(e->key, name) && !mg_config_node_of(e)->positional) return e->type == MG_JSON_NULL ? NULL : e;
    return NULL;
}

const mg_json *mg_config_at(const mg_json *root, const char *path) {
    char name[64];
    while (root && *path) {
        size_t n = strcspn(path, ".");
        if (n >= sizeof name) return NULL;
        memcpy(name, path, n);
        name[n] = 0;
        root = mg_config_member(root, name);
        path += n + (path[n] == '.');
    }
    return root;
}

bool mg_config_is_list(const mg_json *v) {
    return mg_json_kind(v) == MG_JSON_ARRAY || (mg_json_kind(v) == MG_JSON_OBJECT && !v->child);
}

const char *mg_config_type(const mg_json *v) {
    switch (mg_json_kind(v)) {
    case MG_JSON_NULL: return "nothing";
    case MG_JSON_BOOL: return "a boolean";
    case MG_JSON_NUMBER: return "a number";
    case MG_JSON_STRING: return "a string";
    case MG_JSON_ARRAY: return v->child ? "a list" : "a table";
    default: return "a table";
    }
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

mg_config_node *mg_config_node_new(mg_arena *arena, mg_json_type type, const mg_json *at) {
    mg_config_node *n = MG_ARENA_NEW(arena, mg_config_node);
    if (at) {
        n->file = mg_config_node_of(at)->file;
        n->line = mg_config_node_of(at)->line;
    }
    n->json.type = (uint8_t)type;
    return n;
}

const mg_json *mg_config_select(mg_arena *arena, const mg_json *table, bool (*keep)(mg_str key)) {
    mg_config_node *out = mg_config_node_new(arena, MG_JSON_OBJECT, table);
    const mg_json **tail = &out->json.child;
    const mg_json *e = mg_json_kind(table) == MG_JSON_OBJECT ? table->child : NULL;
    for (; e; e = e->next) {
        if (mg_config_node_of(e)->positional || (keep && !keep(e->key))) continue;
        mg_config_node *copy = MG_ARENA_NEW(arena, mg_config_node);
        *copy = *mg_config_node_of(e);
        copy->json.next = NULL;
        *tail = &copy->json;
        tail = &copy->json.next;
        out->json.count++;
    }
    return &out->json;
}

void mg_config_put(mg_arena *arena, mg_json *object, const char *key, mg_str text, const mg_json *at) {
    mg_config_node *n = mg_config_node_new(arena, MG_JSON_STRING, at);
    n->json.key = mg_str_of(key);
    n->json.str = text;
    n->json.next = object->child;
    object->child = &n->json;
    object->count++;
}

static mg_json *copy_value(mg_arena *arena, const mg_json *v) {
    mg_json *out = MG_ARENA_NEW(arena, mg_json);
    const mg_json **tail = &out->child;
    out->type = v->type;
    out->truth = v->truth;
    out->key = mg_arena_dup(arena, v->key);
    out->str = mg_arena_dup(arena, v->str);
    for (const mg_json *e = v->child; e; e = e->next) {
        if (e->type == MG_JSON_NULL) continue;
        mg_json *copy = copy_value(arena, e);
        *tail = copy;
        tail = &copy->next;
        out->count++;
    }
    return out;
}

const mg_json *mg_config_copy(mg_arena *arena, const mg_json *v) { return copy_value(arena, v); }

bool mg_config_equal(const mg_json *a, const mg_json *b) {
    if (!a || !b) return a == b;
    if (a->type != b->type || a->truth != b->truth || a->count != b->count || !mg_str_eq(a->str, b->str)) return false;
    const mg_json *x = a->child, *y = b->child;
    for (; x && y; x = x->next, y = y->next) {
        /* Members stand in the order of their lines, which may have changed without a change of meaning. */
        const mg_json *other = a->type == MG_JSON_OBJECT ? mg_json_get(b, x->key) : y;
        if (!mg_config_equal(x, other)) return false;
    }
    return !x && !y;
}

/* ---- reporting --------------------------------------------------------------------------------------------------- */

static mg_str format_text(mg_arena *arena, const char *format, va_list args) {
    char text[1024];
    int n = vsnprintf(text, sizeof text, format, args);
    if (n < 0) n = 0;
    return mg_arena_dup(arena, mg_str_cut(mg_str_from(text, strlen(text)), sizeof text - 1));
}

static void send(mg_config_report *r, mg_config_faults to, mg_str file, int line, mg_str message) {
    const mg_config_fault f = {file.n ? file : r->file, line, message};
    to(r->arg, &f);
}

void mg_config_fault_at(mg_config_report *r, const mg_json *where, const char *format, ...) {
    va_list args;
    r->n++;
    if (!r->fault) return;
    va_start(args, format);
    mg_str text = format_text(r->arena, format, args);
    va_end(args);
    const mg_config_node *at = mg_config_node_of(where);
    send(r, r->fault, at ? at->file : (mg_str){0}, at ? at->line : 0, text);
}

void mg_config_warn_at(mg_config_report *r, const mg_json *where, const char *format, ...) {
    va_list args;
    if (!r->warn) return;
    va_start(args, format);
    mg_str text = format_text(r->arena, format, args);
    va_end(args);
    const mg_config_node *at = mg_config_node_of(where);
    send(r, r->warn, at ? at->file : (mg_str){0}, at ? at->line : 0, text);
}

void mg_config_fault_line(mg_config_report *r, mg_str file, int line, const char *format, ...) {
    va_list args;
    r->n++;
    if (!r->fault) return;
    va_start(args, format);
    mg_str text = format_text(r->arena, format, args);
    va_end(args);
    send(r, r->fault, file, line, text);
}

/* ---- nearest words ----------------------------------------------------------------------------------------------- */

void mg_config_nearest_offer(mg_config_nearest *n, mg_str candidate) {
    /* Three changes away is still a slip of the fingers, in a word that is longer than that. */
    size_t d = mg_str_distance(n->word, candidate), best = n->found.n ? n->distance : 4;
    if (d >= best || d >= candidate.n || d >= n->word.n) return;
    n->distance = d;
    n->found = candidate;
}

mg_str mg_config_nearest_text(const mg_config_nearest *n, mg_arena *arena, const char *prefix) {
    if (!n->found.n) return MG_STR("");
    return mg_arena_printf(arena, "; did you mean '%s" MG_STR_FMT "'?", prefix, MG_STR_ARG(n->found));
}
