#include "app/config_rows.h"

#include "base/hash.h"

typedef struct adding {
    mg_arena *arena;
    mg_config_report *r;
    mg_config_orgs *out;
    mg_json_parser *json;
    const mg_org *last; /* keys come sorted by organization */
} adding;

static void left_out(adding *a, const char *what, mg_str id, const char *why) {
    mg_config_warn_at(a->r, NULL, "the ledger's %s '" MG_STR_FMT "' %s", what, MG_STR_ARG(mg_str_cut(id, 64)), why);
}

/* A column of JSON; NULL if it is empty or (after a warning) not of the type. */
static const mg_json *read_json(adding *a, mg_str text, mg_json_type type, const char *what, mg_str id,
                                const char *why) {
    const mg_json *root;
    if (!text.n) return NULL;
    if (mg_json_parse_copy(a->json, a->arena, text, &root, NULL) == MG_OK && mg_json_kind(root) == type) return root;
    left_out(a, what, id, why);
    return NULL;
}

static const mg_org *find_org(adding *a, mg_str id) {
    if (a->last && mg_str_eq(a->last->id, id)) return a->last;
    a->last = NULL;
    for (size_t i = 0; i < a->out->n_orgs && !a->last; i++)
        if (mg_str_eq(a->out->orgs[i].id, id)) a->last = &a->out->orgs[i];
    return a->last;
}

static void add_org(adding *a, const struct mg_config_org_row *row) {
    mg_org *o = &a->out->orgs[a->out->n_orgs];
    if (find_org(a, row->id)) return; /* the file's wins */
    *o = (mg_org){.id = mg_arena_dup(a->arena, row->id), .index = a->out->n_orgs};
    o->name = row->name.n ? mg_arena_dup(a->arena, row->name) : o->id;
    o->settings = read_json(a, row->settings, MG_JSON_OBJECT, "organization", row->id,
                            "has settings that are not a JSON object: they are left out");
    a->out->n_orgs++;
}

/* False if the column is not a list of strings: a key must not gain rights by a broken row. */
static bool read_models(adding *a, const struct mg_config_key_row *row, mg_virtual_key *k) {
    if (!row->models.n) return true;
    const mg_json *list = read_json(a, row->models, MG_JSON_ARRAY, "key", row->id,
                                    "has models that are not a JSON array: it is left out");
    if (!list) return false;
    mg_str *models = mg_arena_alloc(a->arena, (list->count + 1) * sizeof *models);
    for (const mg_json *e = list->child; e; e = e->next)
        if (e->type == MG_JSON_STRING) models[k->n_models++] = e->str;
    k->models = models;
    if (k->n_models == list->count) return true;
    left_out(a, "key", row->id, "has models that are not strings: it is left out");
    return false;
}

static void add_key(adding *a, const struct mg_config_key_row *row) {
    mg_virtual_key k = {.org = find_org(a, row->org), .expires_ms = row->expires_ms};
    if (row->revoked_ms) return;
    if (!k.org) {
        left_out(a, "key", row->id, "belongs to no organization that there is: it is left out");
        return;
    }
    if (!mg_unhex(row->sha256_hex, k.sha256, sizeof k.sha256)) {
        left_out(a, "key", row->id, "has no valid SHA-256: it is left out");
        return;
    }
    if (mg_config_key_find(a->out, k.sha256) || !read_models(a, row, &k)) return;
    k.id = mg_arena_dup(a->arena, row->id);
    k.name = mg_arena_dup(a->arena, row->name);
    k.team = mg_arena_dup(a->arena, row->team);
    k.user = mg_arena_dup(a->arena, row->user);
    k.tags = read_json(a, row->tags, MG_JSON_OBJECT, "key", row->id,
                       "has tags that are not a JSON object: they are left out");
    k.acts_for_all = mg_str_is(row->acts_for, "*");
    a->out->keys[a->out->n_keys] = k;
    mg_config_key_add(a->out);
}

void mg_config_rows_add(const mg_config_rows *rows, mg_arena *arena, mg_config_report *r, mg_config_orgs *out) {
    adding a = {arena, r, out, mg_json_parser_create(), NULL};
    for (size_t i = 0; i < rows->n_orgs; i++) add_org(&a, &rows->orgs[i]);
    for (size_t i = 0; i < rows->n_keys; i++) add_key(&a, &rows->keys[i]);
    mg_json_parser_destroy(a.json);
}
