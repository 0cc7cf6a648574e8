#include "app/config_organizations.h"

#include "app/config_limits.h"
#include "app/keep.h"
#include "app/settings.h"
#include "base/clock.h"
#include "base/hash.h"

#include <stdio.h>

typedef struct reading {
    mg_arena *arena;
    mg_config_report *r;
    mg_config_orgs *out;
} reading;

/* ---- the set of keys --------------------------------------------------------------------------------------------- */

static size_t slot_of(const mg_config_orgs *o, const uint8_t sha256[32]) {
    uint64_t h;
    memcpy(&h, sha256, sizeof h);
    size_t at = (size_t)h & (o->set.n_slots - 1);
    while (o->set.slots[at] && memcmp(o->keys[o->set.slots[at] - 1].sha256, sha256, 32) != 0)
        at = (at + 1) & (o->set.n_slots - 1);
    return at;
}

const mg_virtual_key *mg_config_key_find(const mg_config_orgs *o, const uint8_t sha256[32]) {
    uint32_t found = o->set.slots[slot_of(o, sha256)];
    return found ? &o->keys[found - 1] : NULL;
}

void mg_config_key_add(mg_config_orgs *o) {
    o->set.slots[slot_of(o, o->keys[o->n_keys].sha256)] = (uint32_t)o->n_keys + 1;
    o->n_keys++;
}

/* ---- parts ------------------------------------------------------------------------------------------------------- */

static mg_str *copy_strings(const mg_json *v, mg_arena *arena, size_t *n) {
    mg_str *out = mg_arena_alloc(arena, ((v ? v->count : 0) + 1) * sizeof *out);
    *n = 0;
    for (const mg_json *e = v && mg_config_is_list(v) ? v->child : NULL; e; e = e->next)
        if (e->type == MG_JSON_STRING) out[(*n)++] = mg_arena_dup(arena, e->str);
    return out;
}

/* A list of globs of the right type. An empty one is refused: no list at all means the opposite of what it says. */
static mg_str *read_models(const mg_json *v, mg_str shown, reading *g, size_t *n) {
    mg_str *out = copy_strings(v, g->arena, n);
    if (!*n)
        mg_config_fault_at(g->r, v, "'" MG_STR_FMT "' is empty, and would allow all models: leave it out for that",
                           MG_STR_ARG(shown));
    return out;
}

static mg_str read_text(const mg_json *v, const char *name, mg_str shown, reading *g) {
    const mg_json *text = mg_config_member(v, name);
    static const mg_host_setting string = {.type = MG_HOST_STRING};
    if (!text) return (mg_str){0};
    if (!mg_host_value_check(&string, text, mg_arena_printf(g->r->arena, MG_STR_FMT ".%s", MG_STR_ARG(shown), name),
                             g->r))
        return (mg_str){0};
    return mg_arena_dup(g->arena, text->str);
}

static const mg_json *read_tags(const mg_json *v, mg_str shown, reading *g) {
    const mg_json *tags = mg_config_member(v, "tags");
    bool fine = mg_json_kind(tags) == MG_JSON_OBJECT;
    if (!tags) return NULL;
    for (const mg_json *e = fine ? tags->child : NULL; e; e = e->next)
        if (mg_config_node_of(e)->positional || (e->type != MG_JSON_STRING && e->type != MG_JSON_NULL)) fine = false;
    if (!fine)
        mg_config_fault_at(g->r, tags, "'" MG_STR_FMT ".tags' must be a table of names and strings", MG_STR_ARG(shown));
    return fine ? mg_config_copy(g->arena, tags) : NULL;
}

/* An object's elements come first. */
static bool check_named(const mg_json *v, mg_str shown, mg_config_report *r) {
    if (v->type != MG_JSON_OBJECT || !v->child || !mg_config_node_of(v->child)->positional) return true;
    mg_config_fault_at(r, v, "'" MG_STR_FMT "' takes names only: an element has none", MG_STR_ARG(shown));
    return false;
}

/* Policies and their settings have names. A setting itself may be a table with elements and names: it becomes an object
 * with members "1", "2", … among others, and policies get it as what it was. */
static void check_settings(const mg_json *v, mg_str shown, mg_config_report *r) {
    if (!check_named(v, shown, r)) return;
    for (const mg_json *e = v->child; e; e = e->next)
        check_named(
            e,
            mg_arena_printf(r->arena, MG_STR_FMT "." MG_STR_FMT, MG_STR_ARG(shown), MG_STR_ARG(mg_str_cut(e->key, 60))),
            r);
}

static const mg_json *read_settings(const mg_json *v, mg_str shown, reading *g) {
    if (!v) return NULL;
    if (v->type != MG_JSON_OBJECT) {
        mg_config_fault_at(g->r, v, "'" MG_STR_FMT "' must be a table by policies' names, got %s", MG_STR_ARG(shown),
                           mg_config_type(v));
        return NULL;
    }
    for (const mg_json *e = v->child; e; e = e->next)
        if (e->type != MG_JSON_OBJECT && e->type != MG_JSON_NULL)
            mg_config_fault_at(g->r, e,
                               "'" MG_STR_FMT "." MG_STR_FMT "' must be a table of that policy's settings, got %s",
                               MG_STR_ARG(shown), MG_STR_ARG(mg_str_cut(e->key, 60)), mg_config_type(e));
    check_settings(v, shown, g->r);
    return mg_config_copy(g->arena, v);
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static void add_key(const mg_json *at, mg_str secret, mg_virtual_key k, mg_str shown, reading *g) {
    char hex[65];
    mg_config_orgs *o = g->out;
    mg_sha256(secret, k.sha256);
    const mg_virtual_key *other = mg_config_key_find(o, k.sha256);
    if (other) {
        const mg_config_node *n = mg_config_node_of(o->places[other - o->keys]);
        mg_config_fault_at(
            g->r, at, "'" MG_STR_FMT "' is the same key as that of organization '" MG_STR_FMT "' in " MG_STR_FMT ":%d",
            MG_STR_ARG(shown), MG_STR_ARG(other->org->id), MG_STR_ARG(n->file), n->line);
        return;
    }
    mg_hex(k.sha256, 6, hex);
    k.id = mg_arena_printf(g->arena, "key_%s", hex);
    o->keys[o->n_keys] = k;
    o->places[o->n_keys] = at;
    mg_config_key_add(o);
}

static void read_expiry(const mg_json *v, mg_str shown, reading *g, mg_virtual_key *k) {
    const mg_json *expires = mg_config_member(v, "expires");
    if (expires && !mg_clock_parse(mg_json_text(expires), &k->expires_ms))
        mg_config_fault_at(g->r, expires,
                           "'" MG_STR_FMT ".expires' must be a date such as \"2027-01-31\" or \"2027-01-31T12:00:00Z\"",
                           MG_STR_ARG(shown));
}

static void read_key_table(const mg_json *v, mg_str shown, reading *g, mg_virtual_key *k) {
    static const char *const names[] = {"key", "name", "team", "user", "tags", "models", "expires", "acts_for", NULL};
    static const mg_host_setting strings = {.type = MG_HOST_STRINGS};
    const mg_json *acts_for = mg_config_member(v, "acts_for"), *models = mg_config_member(v, "models");
    mg_host_members_check(v, names, true, shown, g->r);
    k->name = read_text(v, "name", shown, g);
    k->team = read_text(v, "team", shown, g);
    k->user = read_text(v, "user", shown, g);
    k->tags = read_tags(v, shown, g);
    mg_str shown_models = mg_arena_printf(g->r->arena, MG_STR_FMT ".models", MG_STR_ARG(shown));
    if (models && mg_host_value_check(&strings, models, shown_models, g->r))
        k->models = read_models(models, shown_models, g, &k->n_models);
    read_expiry(v, shown, g, k);
    k->acts_for_all = mg_str_is(mg_json_text(acts_for), "*");
    if (acts_for && !k->acts_for_all)
        mg_config_fault_at(g->r, acts_for, "'" MG_STR_FMT ".acts_for' must be \"*\"", MG_STR_ARG(shown));
}

static void warn_unset(const mg_config_node *n, mg_str shown, reading *g) {
    mg_config_warn_at(g->r, &n->json, "'" MG_STR_FMT "' is left out: environment " MG_STR_FMT " is not set",
                      MG_STR_ARG(shown), MG_STR_ARG(n->unset_env));
}

static void read_key(const mg_json *v, const mg_org *org, mg_str shown, reading *g) {
    mg_virtual_key k = {.org = org};
    bool table = mg_config_is_table(v);
    const mg_json *secret = table ? mg_json_get(v, MG_STR("key")) : v;
    if (table && !secret) secret = mg_config_element(v, 0);
    if (table) read_key_table(v, shown, g, &k);
    if (secret && secret->type == MG_JSON_NULL)
        warn_unset(mg_config_node_of(secret), shown, g);
    else if (mg_json_kind(secret) != MG_JSON_STRING)
        mg_config_fault_at(g->r, v,
                           "'" MG_STR_FMT
                           "' must be a key or a table with one, as in { key = env \"ACME_KEY\", name = \"backend\" }",
                           MG_STR_ARG(shown));
    else if (!secret->str.n)
        mg_config_fault_at(g->r, v, "'" MG_STR_FMT "' is empty: give it a value, or leave it out", MG_STR_ARG(shown));
    else
        add_key(v, secret->str, k, shown, g);
}

static void read_keys(const mg_json *v, const mg_org *org, mg_str shown, reading *g) {
    if (!mg_config_is_list(v)) {
        if (mg_config_is_table(v))
            mg_config_fault_at(g->r, v, "'" MG_STR_FMT "' must be a list: its members have no names",
                               MG_STR_ARG(shown));
        return;
    }
    for (const mg_json *e = v->child; e; e = e->next)
        read_key(e, org,
                 mg_arena_printf(g->r->arena, MG_STR_FMT "[" MG_STR_FMT "]", MG_STR_ARG(shown), MG_STR_ARG(e->key)), g);
}

/* ---- organizations ----------------------------------------------------------------------------------------------- */

static mg_str below(reading *g, mg_str shown, const char *name) {
    return mg_arena_printf(g->r->arena, MG_STR_FMT ".%s", MG_STR_ARG(shown), name);
}

static void read_org(const mg_json *v, reading *g) {
    mg_org *o = &g->out->orgs[g->out->n_orgs];
    mg_config_limits limits = {0};
    mg_str shown = mg_arena_printf(g->r->arena, "organizations." MG_STR_FMT, MG_STR_ARG(mg_str_cut(v->key, 64)));
    if (!mg_keep_org_id_ok(v->key))
        mg_config_fault_at(g->r, v,
                           "an organization's id has 1 to 64 letters, digits, '.', '_' or '-', not '" MG_STR_FMT "'",
                           MG_STR_ARG(mg_str_cut(v->key, 64)));
    const mg_json *list = mg_config_member(v, "limits"), *budget = mg_config_member(v, "budget");
    *o = (mg_org){.id = mg_arena_dup(g->arena, v->key), .index = g->out->n_orgs++};
    o->name = mg_arena_dup(g->arena, mg_json_text(mg_config_member(v, "name")));
    if (!o->name.n) o->name = o->id;
    o->suspended = mg_json_bool(mg_config_member(v, "suspended"), false);
    const mg_json *models = mg_config_member(v, "models");
    if (models && mg_config_is_list(models))
        o->models = read_models(models, below(g, shown, "models"), g, &o->n_models);
    if (list) mg_config_limits_read(list, below(g, shown, "limits"), g->arena, g->r, &limits);
    o->limits = limits.v;
    o->n_limits = limits.n;
    if (budget) mg_config_budget_read(budget, below(g, shown, "budget"), g->r, &o->budget);
    o->settings = read_settings(mg_config_member(v, "settings"), below(g, shown, "settings"), g);
    const mg_json *keys = mg_config_member(v, "keys");
    if (keys) read_keys(keys, o, below(g, shown, "keys"), g);
}

static size_t count_keys(const mg_json *table) {
    size_t n = 0;
    for (const mg_json *e = table ? table->child : NULL; e; e = e->next) {
        const mg_json *keys = mg_config_member(e, "keys");
        n += keys ? keys->count : 0;
    }
    return n;
}

void mg_config_orgs_read(const mg_json *table, size_t more_orgs, size_t more_keys, mg_arena *arena, mg_config_report *r,
                         mg_config_orgs *out) {
    reading g = {arena, r, out};
    size_t keys = count_keys(table) + more_keys;
    *out = (mg_config_orgs){.set.n_slots = 16};
    while (out->set.n_slots < keys * 2) out->set.n_slots *= 2;
    out->orgs = mg_arena_zalloc(arena, ((table ? table->count : 0) + more_orgs + 1) * sizeof *out->orgs);
    out->keys = mg_arena_zalloc(arena, (keys + 1) * sizeof *out->keys);
    out->places = mg_arena_zalloc(arena, (keys + 1) * sizeof *out->places);
    out->set.slots = mg_arena_zalloc(arena, out->set.n_slots * sizeof *out->set.slots);
    for (const mg_json *e = table ? table->child : NULL; e; e = e->next)
        if (mg_json_kind(e) == MG_JSON_OBJECT && !mg_config_node_of(e)->positional) read_org(e, &g);
}
