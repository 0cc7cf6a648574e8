#include "base/edits.h"
#include "base/buf.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

typedef struct doc {
    mg_arena *arena;
    mg_json_parser *parser;
    mg_str source;
    const mg_json *root;
    mg_edits edits;
} doc;

static const mg_json *parse(doc *d, mg_str text) {
    const mg_json *root;
    mg_error e;
    if (mg_json_parse_copy(d->parser, d->arena, text, &root, &e) != MG_OK)
        fail_msg("%s: " MG_STR_FMT, e.text, MG_STR_ARG(text));
    return root;
}

static doc open_doc(mg_str source) {
    doc d = {.arena = mg_arena_create(4096), .parser = mg_json_parser_create(), .source = source};
    d.root = parse(&d, source);
    mg_edits_init(&d.edits, d.arena);
    return d;
}

static void close_doc(doc *d) {
    mg_json_parser_destroy(d->parser);
    mg_arena_destroy(d->arena);
}

static void renders(doc *d, const char *want) {
    mg_str got = mg_edits_render(&d->edits, d->source);
    assert_true(mg_str_is(mg_arena_dup(d->arena, got), want) ||
                (print_error("got " MG_STR_FMT "\n", MG_STR_ARG(got)), 0));
    for (int i = 0; i < MG_JSON_PADDING; i++) assert_int_equal(got.p[got.n + (size_t)i], 0);
    close_doc(d);
}

static void drop(doc *d, const char *path_of_parent, const char *child) {
    const mg_json *parent = *path_of_parent ? mg_json_path(d->root, path_of_parent) : d->root;
    const mg_json *c = mg_json_path(parent, child);
    assert_non_null(c);
    mg_edits_remove(&d->edits, parent, c, d->source);
}

#define SPACED "{ \"a\" : 1 ,\n \"b\" : [ 2 ] , \"c\" : \"x\" }"

static void members_go_with_their_comma(void **state) {
    (void)state;
    doc d = open_doc(MG_STR(SPACED));
    renders(&d, SPACED);
    d = open_doc(MG_STR(SPACED));
    drop(&d, "", "a");
    renders(&d, "{ \"b\" : [ 2 ] , \"c\" : \"x\" }");
    d = open_doc(MG_STR(SPACED));
    drop(&d, "", "b");
    renders(&d, "{ \"a\" : 1 , \"c\" : \"x\" }");
    d = open_doc(MG_STR(SPACED));
    drop(&d, "", "c");
    renders(&d, "{ \"a\" : 1 ,\n \"b\" : [ 2 ] }");
    d = open_doc(MG_STR(SPACED));
    drop(&d, "b", "0");
    renders(&d, "{ \"a\" : 1 ,\n \"b\" : [  ] , \"c\" : \"x\" }");
}

static void adjacent_removals_compose(void **state) {
    (void)state;
    static const char *const ORDERS[] = {"ab", "ba"}, *const REST[] = {"bc", "cb"},
                             *const ALL[] = {"abc", "bca", "cba"};
    for (size_t i = 0; i < 2; i++) {
        doc d = open_doc(MG_STR(SPACED));
        for (const char *k = ORDERS[i]; *k; k++) drop(&d, "", (char[]){*k, 0});
        renders(&d, "{ \"c\" : \"x\" }");
        d = open_doc(MG_STR(SPACED));
        for (const char *k = REST[i]; *k; k++) drop(&d, "", (char[]){*k, 0});
        renders(&d, "{ \"a\" : 1 }");
    }
    for (size_t i = 0; i < 3; i++) {
        doc d = open_doc(MG_STR(SPACED));
        for (const char *k = ALL[i]; *k; k++) drop(&d, "", (char[]){*k, 0});
        mg_edits_set(&d.edits, d.root, MG_STR("n"), MG_STR("0"));
        mg_edits_set(&d.edits, d.root, MG_STR("m\""), MG_STR("1"));
        renders(&d, "{ \"n\":0,\"m\\\"\":1 }");
    }
}

static void members_are_set(void **state) {
    (void)state;
    doc d = open_doc(MG_STR(SPACED));
    mg_edits_set(&d.edits, d.root, MG_STR("a"), MG_STR("true"));
    mg_edits_set(&d.edits, d.root, MG_STR("z"), MG_STR("[]"));
    mg_edits_set(&d.edits, d.root, MG_STR("a"), MG_STR("null"));
    mg_edits_set(&d.edits, d.root, MG_STR("z"), MG_STR("{}"));
    drop(&d, "", "c");
    mg_edits_set(&d.edits, d.root, MG_STR("c"), MG_STR("7"));
    renders(&d, "{ \"a\" : null ,\n \"b\" : [ 2 ] , \"c\" : 7,\"z\":{} }");
    d = open_doc(MG_STR("{}"));
    mg_edits_set(&d.edits, d.root, MG_STR("z"), MG_STR("1"));
    renders(&d, "{\"z\":1}");
}

static void elements_are_added(void **state) {
    (void)state;
    doc d = open_doc(MG_STR("[ 1 , 2 ]"));
    mg_edits_append(&d.edits, d.root, MG_STR("3"), false);
    mg_edits_append(&d.edits, d.root, MG_STR("0"), true);
    mg_edits_append(&d.edits, d.root, MG_STR("-1"), true);
    mg_edits_append(&d.edits, d.root, MG_STR("4"), false);
    drop(&d, "", "1");
    renders(&d, "[ -1,0,1,3,4 ]");
    d = open_doc(MG_STR("[ ]"));
    mg_edits_append(&d.edits, d.root, MG_STR("1"), true);
    renders(&d, "[1 ]");
    d = open_doc(MG_STR("[ 9 ]"));
    drop(&d, "", "0");
    mg_edits_append(&d.edits, d.root, MG_STR("1"), true);
    mg_edits_append(&d.edits, d.root, MG_STR("2"), false);
    renders(&d, "[ 1,2 ]");
}

static void what_covers_wins(void **state) {
    (void)state;
    doc d = open_doc(MG_STR("[10, 20, 30]"));
    mg_edits_replace(&d.edits, 1, 3, MG_STR("11"));
    mg_edits_replace(&d.edits, 5, 7, MG_STR("22"));
    mg_edits_replace(&d.edits, 1, 7, MG_STR("33"));
    mg_edits_replace(&d.edits, 5, 7, MG_STR("44")); /* inside */
    mg_edits_replace(&d.edits, 6, 11, MG_STR("55")); /* overlaps */
    mg_edits_replace(&d.edits, 9, 11, MG_STR("66"));
    assert_int_equal(d.edits.n, 2);
    renders(&d, "[33, 66]");
    d = open_doc(MG_STR("[10, 20]"));
    mg_edits_replace(&d.edits, 1, 3, MG_STR("5"));
    mg_edits_replace(&d.edits, 1, 1, MG_STR("1,"));
    mg_edits_replace(&d.edits, 1, 1, MG_STR("2,"));
    mg_edits_replace(&d.edits, 3, 3, MG_STR("0"));
    renders(&d, "[1,2,50, 20]");
}

/* ---- random edits against a model -------------------------------------------------------------------------------- */

enum { MOST_NODES = 400, MOST_TEXT = 8 };

/* A value of the document and what was done to it. */
typedef struct node {
    const mg_json *v;
    struct node *parent;
    bool removed;
    char replaced[MOST_TEXT]; /* "": not */
    char back[16][MOST_TEXT], front[16][MOST_TEXT]; /* added to an array */
    char set[8][MOST_TEXT]; /* value of the absent member k0 … k7 */
    size_t n_back, n_front;
} node;

typedef struct model {
    node nodes[MOST_NODES];
    size_t n;
} model;

static node *collect(model *m, const mg_json *v, node *parent) {
    assert_true(m->n < MOST_NODES);
    node *x = &m->nodes[m->n++];
    memset(x, 0, sizeof *x);
    x->v = v;
    x->parent = parent;
    for (const mg_json *c = v->child; c; c = c->next) collect(m, c, x);
    return x;
}

static const node *find(const model *m, const mg_json *v) {
    for (size_t i = 0; i < m->n; i++)
        if (m->nodes[i].v == v) return &m->nodes[i];
    return NULL;
}

static void comma(mg_buf *b) {
    char last = b->p[b->n - 1];
    if (last != '[' && last != '{') mg_buf_str(b, MG_STR(","));
}

/* Compact text of a tree; with a model, of what it says the tree should be. Members that were set come sorted last. */
static void write_tree(const model *m, const mg_json *v, mg_buf *b) {
    const node *x = m ? find(m, v) : NULL;
    if (x && x->replaced[0]) {
        mg_buf_printf(b, "%s", x->replaced);
    } else if (v->type == MG_JSON_STRING) {
        mg_buf_json(b, v->str);
    } else if (v->type == MG_JSON_NUMBER) {
        mg_buf_str(b, v->str);
    } else if (v->type == MG_JSON_ARRAY) {
        mg_buf_str(b, MG_STR("["));
        for (size_t i = x ? x->n_front : 0; i > 0; i--) comma(b), mg_buf_printf(b, "%s", x->front[i - 1]);
        for (const mg_json *c = v->child; c; c = c->next)
            if (!m || !find(m, c)->removed) comma(b), write_tree(m, c, b);
        for (size_t i = 0; x && i < x->n_back; i++) comma(b), mg_buf_printf(b, "%s", x->back[i]);
        mg_buf_str(b, MG_STR("]"));
    } else {
        mg_buf_str(b, MG_STR("{"));
        for (const mg_json *c = v->child; c; c = c->next) {
            if ((m && find(m, c)->removed) || c->key.p[0] == 'k') continue;
            comma(b);
            mg_buf_json(b, c->key);
            mg_buf_str(b, MG_STR(":"));
            write_tree(m, c, b);
        }
        for (char k = '0'; k < '8'; k++) {
            const mg_json *c = mg_json_get(v, mg_str_from((char[]){'k', k}, 2));
            if (x && x->set[k - '0'][0]) comma(b), mg_buf_printf(b, "\"k%c\":%s", k, x->set[k - '0']);
            if (c) comma(b), mg_buf_printf(b, "\"k%c\":", k), write_tree(m, c, b);
        }
        mg_buf_str(b, MG_STR("}"));
    }
}

static uint32_t seed;
static uint32_t dice(uint32_t n) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static void space(mg_buf *b) {
    static const char *const KINDS[] = {"", "", " ", "\n\t", "  "};
    mg_buf_printf(b, "%s", KINDS[dice(5)]);
}

static void random_text(mg_buf *b, int depth) {
    uint32_t kind = depth > 3 ? dice(2) : dice(5), n = dice(6);
    if (kind == 0) mg_buf_printf(b, "%u", dice(1000));
    if (kind == 1) mg_buf_printf(b, "\"s%u,]}\\\"\"", dice(100));
    if (kind < 2) return;
    bool object = kind > 2 || depth == 0;
    mg_buf_printf(b, object ? "{" : "[");
    space(b);
    for (uint32_t i = 0; i < n; i++) {
        if (i) mg_buf_printf(b, ","), space(b);
        if (object) mg_buf_printf(b, "\"m%u\"", i), space(b), mg_buf_printf(b, ":"), space(b);
        random_text(b, depth + 1);
        space(b);
    }
    mg_buf_printf(b, object ? "}" : "]");
}

/* One random edit of a random value, in the edits and in the model. */
static void random_edit(doc *d, model *m, uint32_t serial) {
    node *x = &m->nodes[dice((uint32_t)m->n)];
    mg_str text = mg_arena_printf(d->arena, "%u", 100000 + serial);
    bool in_object = x->parent && x->parent->v->type == MG_JSON_OBJECT;
    switch (dice(5)) {
    case 0: /* a replacement of what was removed with its key comes to nothing */
        mg_edits_replace(&d->edits, x->v->src, x->v->src_end, text);
        if (x->removed && in_object) return;
        x->removed = false;
        snprintf(x->replaced, MOST_TEXT, "%s", text.p);
        return;
    case 1:
        if (!x->parent) return;
        mg_edits_remove(&d->edits, x->parent->v, x->v, d->source);
        x->removed = true;
        return;
    case 2:
        if (!in_object) return;
        mg_edits_set(&d->edits, x->parent->v, x->v->key, text);
        x->removed = false;
        snprintf(x->replaced, MOST_TEXT, "%s", text.p);
        return;
    case 3:
        if (x->v->type != MG_JSON_ARRAY || x->n_front == 16 || x->n_back == 16) return;
        bool front = dice(2);
        mg_edits_append(&d->edits, x->v, text, front);
        snprintf(front ? x->front[x->n_front++] : x->back[x->n_back++], MOST_TEXT, "%s", text.p);
        return;
    default:
        if (x->v->type != MG_JSON_OBJECT) return;
        uint32_t k = dice(8);
        mg_edits_set(&d->edits, x->v, mg_str_from((char[]){'k', (char)('0' + k)}, 2), text);
        snprintf(x->set[k], MOST_TEXT, "%s", text.p);
    }
}

static void random_edits_match_the_model(void **state) {
    (void)state;
    model *m = calloc(1, sizeof *m);
    for (uint32_t round = 0; round < 3000; round++) {
        seed = round * 2654435761u + 1;
        mg_buf source = {0}, want = {0}, got = {0};
        random_text(&source, 0);
        doc d = open_doc(mg_buf_view(&source));
        m->n = 0;
        if (source.n < 3000) {
            collect(m, d.root, NULL);
            uint32_t n = dice(25);
            for (uint32_t i = 0; i < n; i++) random_edit(&d, m, i);
            write_tree(m, d.root, &want);
            mg_str result = mg_edits_render(&d.edits, d.source);
            write_tree(NULL, parse(&d, result), &got);
            if (!mg_str_eq(mg_buf_view(&want), mg_buf_view(&got)))
                fail_msg("round %u\nsource " MG_STR_FMT "\nresult " MG_STR_FMT "\nwant " MG_STR_FMT "\ngot " MG_STR_FMT,
                         round, MG_STR_ARG(d.source), MG_STR_ARG(result), MG_STR_ARG(mg_buf_view(&want)),
                         MG_STR_ARG(mg_buf_view(&got)));
        }
        mg_buf_finish(&source);
        mg_buf_finish(&want);
        mg_buf_finish(&got);
        close_doc(&d);
    }
    free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_go_with_their_comma),
        cmocka_unit_test(adjacent_removals_compose),
        cmocka_unit_test(members_are_set),
        cmocka_unit_test(elements_are_added),
        cmocka_unit_test(what_covers_wins),
        cmocka_unit_test(random_edits_match_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
