/* Lua values to the tree of a configuration, each with its place. */
#include "app/config_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What is known of the source behind a table: an expression in one of the files. */
typedef struct place {
    size_t chunk;
    int line; /* of the key */
    const mg_outline_value *value; /* NULL: not known */
} place;

typedef struct builder {
    mg_config_run *run;
    lua_State *L;
} builder;

static mg_config_node *build(builder *b, int index, mg_str path, place at, int depth);

/* ---- places ------------------------------------------------------------------------------------------------------ */

/* Follows variables and includes to the table that they stand for. */
static place resolve(const mg_config_run *run, place p) {
    for (int step = 0; p.value && step < 8; step++) {
        const mg_outline_entry *e = NULL;
        const mg_outline_value *v = p.value;
        if (v->kind == MG_OUTLINE_NAME) e = mg_outline_statement(run->chunks[p.chunk].outline, v->text, v->line);
        if (v->kind == MG_OUTLINE_INCLUDE)
            for (size_t i = 1; i < run->n_chunks && !e; i++)
                if (run->chunks[i].outline && run->chunks[i].from == p.chunk &&
                    mg_str_eq(run->chunks[i].literal, v->text)) {
                    e = mg_outline_statement(run->chunks[i].outline, MG_STR("return"), INT32_MAX);
                    if (e) p.chunk = i;
                }
        if (!e) return p;
        p.value = &e->value;
        p.line = e->line;
    }
    return p;
}

/* `a.b = …` after `a = {}`. */
static const mg_outline_entry *find_statement(const mg_config_run *run, mg_str path, size_t *chunk) {
    for (size_t i = run->n_chunks; i-- > 0;) {
        const mg_outline_entry *e =
            run->chunks[i].outline ? mg_outline_statement(run->chunks[i].outline, path, INT32_MAX) : NULL;
        if (e) {
            *chunk = i;
            return e;
        }
    }
    return NULL;
}

static place child_place(const mg_config_run *run, place table, mg_str path, mg_str key, size_t position) {
    place p = {table.chunk, table.line, NULL};
    const mg_outline_entry *e = table.value ? mg_outline_find(table.value, key, position) : NULL;
    if (!e && !position) e = find_statement(run, path, &p.chunk);
    if (e) {
        p.line = e->line;
        p.value = &e->value;
    }
    return p;
}

static place assignment_place(const mg_config_run *run, const mg_config_assignment *a) {
    place p = {a->chunk, a->line, NULL};
    const mg_outline *o = run->chunks[a->chunk].outline;
    const mg_outline_entry *e = o ? mg_outline_statement(o, a->key, a->line) : NULL;
    if (e) {
        p.line = e->line;
        p.value = &e->value;
    }
    return p;
}

/* ---- scalars ----------------------------------------------------------------------------------------------------- */

static mg_config_node *new_node(builder *b, mg_json_type type, place at) {
    mg_config_node *n = mg_config_node_new(b->run->arena, type, NULL);
    n->file = b->run->chunks[at.chunk].path;
    n->line = at.line;
    return n;
}

static mg_str number_text(mg_arena *arena, double d) {
    if (d == floor(d) && fabs(d) < 9007199254740992.0) return mg_arena_printf(arena, "%.0f", d == 0 ? 0.0 : d);
    mg_str text = mg_arena_printf(arena, "%.15g", d);
    double back;
    return sscanf(text.p, "%lf", &back) == 1 && back == d ? text : mg_arena_printf(arena, "%.17g", d);
}

static mg_config_node *refuse(builder *b, mg_str path, place at, const char *what) {
    mg_config_fault_line(b->run->report, b->run->chunks[at.chunk].path, at.line, "'" MG_STR_FMT "' must not %s",
                         MG_STR_ARG(path), what);
    return NULL;
}

static mg_config_node *build_number(builder *b, int index, mg_str path, place at) {
    double d = lua_tonumber(b->L, index);
    if (!isfinite(d)) return refuse(b, path, at, "be infinite or not a number");
    mg_config_node *n = new_node(b, MG_JSON_NUMBER, at);
    n->json.str = number_text(b->run->arena, d);
    return n;
}

static mg_config_node *build_string(builder *b, int index, place at) {
    size_t n;
    const char *p = lua_tolstring(b->L, index, &n);
    mg_config_node *node = new_node(b, MG_JSON_STRING, at);
    node->json.str = mg_arena_dup(b->run->arena, mg_str_from(p, n));
    return node;
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

typedef struct members {
    mg_config_node **v;
    size_t n, cap, elements;
} members;

static void add_member(builder *b, members *m, mg_config_node *node) {
    if (m->n == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 8;
        mg_config_node **v = mg_arena_alloc(b->run->arena, cap * sizeof *v);
        if (m->n) memcpy(v, m->v, m->n * sizeof *v);
        m->v = v;
        m->cap = cap;
    }
    m->v[m->n++] = node;
    m->elements += node->positional;
}

/* The key at the stack's index -2 as a name, or as a position from 1; false (and a fault) for any other key. */
static bool read_key(builder *b, mg_str path, place at, mg_str *name, size_t *position) {
    size_t n;
    *position = 0;
    if (lua_type(b->L, -2) == LUA_TSTRING) {
        const char *p = lua_tolstring(b->L, -2, &n);
        *name = mg_arena_dup(b->run->arena, mg_str_from(p, n));
        return true;
    }
    double d = lua_type(b->L, -2) == LUA_TNUMBER ? lua_tonumber(b->L, -2) : 0;
    if (d < 1 || d > 1e6 || d != floor(d)) {
        refuse(b, path, at, "have keys that are neither names nor positions");
        return false;
    }
    *position = (size_t)d;
    *name = mg_arena_printf(b->run->arena, "%zu", *position);
    return true;
}

static void add_children(builder *b, int index, mg_str path, place at, int depth, members *m) {
    lua_pushnil(b->L);
    while (lua_next(b->L, index)) {
        mg_str key;
        size_t position;
        if (read_key(b, path, at, &key, &position)) {
            mg_str inner =
                mg_arena_printf(b->run->arena, position ? MG_STR_FMT "[" MG_STR_FMT "]" : MG_STR_FMT "." MG_STR_FMT,
                                MG_STR_ARG(path), MG_STR_ARG(key));
            place p = child_place(b->run, at, inner, key, position);
            mg_config_node *child = build(b, lua_gettop(b->L), inner, p, depth + 1);
            if (child) {
                child->json.key = key;
                child->positional = position > 0;
                add_member(b, m, child);
            }
        }
        lua_pop(b->L, 1);
    }
}

static bool has_member(const members *m, mg_str key, bool positional) {
    for (size_t i = 0; i < m->n; i++)
        if (m->v[i]->positional == positional && mg_str_eq(m->v[i]->json.key, key)) return true;
    return false;
}

/* Keys that are written out but have no value, since their environment variable is not set. */
static void add_unset(builder *b, place at, members *m) {
    const mg_outline_entry *e = at.value && at.value->kind == MG_OUTLINE_TABLE ? at.value->entries : NULL;
    for (; e; e = e->next) {
        if (e->value.kind != MG_OUTLINE_ENV || !e->value.text.n) continue;
        mg_str key = e->position ? mg_arena_printf(b->run->arena, "%zu", e->position) : e->key;
        if (has_member(m, key, e->position > 0)) continue;
        mg_config_node *n = new_node(b, MG_JSON_NULL, (place){at.chunk, e->line, NULL});
        n->json.key = mg_arena_dup(b->run->arena, key);
        n->positional = e->position > 0;
        n->unset_env = mg_arena_dup(b->run->arena, e->value.text);
        add_member(b, m, n);
    }
}

static int compare_names(mg_str a, mg_str b) {
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    return order ? order : a.n < b.n ? -1 : a.n > b.n;
}

/* Elements first, in order; then names as they stand in the file. */
static int compare_members(const void *x, const void *y) {
    const mg_config_node *a = *(mg_config_node *const *)x, *b = *(mg_config_node *const *)y;
    if (a->positional != b->positional) return a->positional ? -1 : 1;
    if (a->positional) {
        int64_t i = 0, k = 0;
        mg_str_int(a->json.key, &i);
        mg_str_int(b->json.key, &k);
        return i < k ? -1 : i > k;
    }
    int order = compare_names(a->file, b->file);
    if (!order) order = a->line < b->line ? -1 : a->line > b->line;
    return order ? order : compare_names(a->json.key, b->json.key);
}

static void link_members(mg_config_node *table, members *m) {
    const mg_json **tail = &table->json.child;
    if (m->n) qsort(m->v, m->n, sizeof *m->v, compare_members);
    for (size_t i = 0; i < m->n; i++) {
        *tail = &m->v[i]->json;
        tail = &m->v[i]->json.next;
    }
    table->json.count = (uint32_t)m->n;
}

static mg_config_node *build_table(builder *b, int index, mg_str path, place at, int depth) {
    members m = {0};
    if (depth > MG_CONFIG_DEPTH_MAX) return refuse(b, path, at, "be nested so deep: does a table hold itself?");
    place inside = resolve(b->run, at);
    add_children(b, index, path, inside, depth, &m);
    add_unset(b, inside, &m);
    mg_config_node *table = new_node(b, m.n && m.elements == m.n ? MG_JSON_ARRAY : MG_JSON_OBJECT, at);
    link_members(table, &m);
    return table;
}

/* NULL after a fault. */
static mg_config_node *build(builder *b, int index, mg_str path, place at, int depth) {
    /* A few tables that hold one another several times can stand for any number of values. */
    if (mg_arena_size(b->run->arena) > MG_CONFIG_TREE_MAX) b->run->too_large = true;
    if (b->run->too_large || !lua_checkstack(b->L, 8)) return NULL;
    switch (lua_type(b->L, index)) {
    case LUA_TSTRING: return build_string(b, index, at);
    case LUA_TNUMBER: return build_number(b, index, path, at);
    case LUA_TTABLE: return build_table(b, index, path, at, depth);
    case LUA_TBOOLEAN: {
        mg_config_node *n = new_node(b, MG_JSON_BOOL, at);
        n->json.truth = lua_toboolean(b->L, index);
        return n;
    }
    default: return refuse(b, path, at, "be a function");
    }
}

const mg_json *mg_config_value_root(mg_config_run *run, int index) {
    builder b = {run, run->L};
    members m = {0};
    for (const mg_config_assignment *a = run->assignments; a; a = a->next) { /* the last assignment comes first */
        if (has_member(&m, a->key, false)) continue;
        lua_pushlstring(b.L, a->key.p, a->key.n);
        lua_rawget(b.L, index);
        place at = assignment_place(run, a);
        mg_config_node *n =
            lua_isnil(b.L, -1) ? new_node(&b, MG_JSON_NULL, at) : build(&b, lua_gettop(b.L), a->key, at, 0);
        lua_pop(b.L, 1);
        if (!n) continue;
        n->json.key = a->key;
        add_member(&b, &m, n);
    }
    if (run->too_large) {
        mg_config_fault_line(run->report, run->chunks[0].path, 0, "the configuration's values take more than %d MB",
                             MG_CONFIG_TREE_MAX >> 20);
        return NULL;
    }
    mg_config_node *root = new_node(&b, MG_JSON_OBJECT, (place){0, 0, NULL});
    link_members(root, &m);
    return &root->json;
}
