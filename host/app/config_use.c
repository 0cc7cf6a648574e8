#include "app/config_use.h"

#include "app/config_limits.h"
#include "app/config_run.h"
#include "app/keep.h"
#include "app/settings.h"

#include <stdlib.h>

typedef struct implicit_provider {
    const char *name, *plugin, *env, *endpoint; /* endpoint: environment of the address, where there is no default */
} implicit_provider;

static const implicit_provider implicit_providers[] = {
    {"demo", "demo", NULL, NULL},
    {"openai", "openai", "OPENAI_API_KEY", NULL},
    {"anthropic", "anthropic", "ANTHROPIC_API_KEY", NULL},
    {"gemini", "google", "GEMINI_API_KEY", NULL},
    {"azure", "azure", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"},
};
enum { IMPLICIT = sizeof implicit_providers / sizeof implicit_providers[0] };

const char *mg_config_implicit_env(mg_str provider) {
    for (size_t i = 0; i < IMPLICIT; i++)
        if (mg_str_is(provider, implicit_providers[i].name)) return implicit_providers[i].env;
    return NULL;
}

/* ---- one use ----------------------------------------------------------------------------------------------------- */

static void set_place(mg_config_use *u, const mg_json *v) {
    u->file = mg_config_node_of(v)->file;
    u->line = mg_config_node_of(v)->line;
}

/* Reads the plugin's name; `otherwise` is used where there is none, if it is not empty. */
static void read_plugin(const mg_json *v, mg_str shown, mg_str otherwise, const char *example, mg_config_report *r,
                        mg_config_use *u) {
    const mg_json *first = mg_json_kind(v) == MG_JSON_STRING ? v : mg_config_element(v, 0);
    const mg_json *more = first != v ? mg_config_element(v, 1) : NULL;
    set_place(u, v);
    u->plugin = mg_json_kind(first) == MG_JSON_STRING ? first->str : otherwise;
    if (more)
        mg_config_fault_at(r, more, "'" MG_STR_FMT "' holds more than one element without a name", MG_STR_ARG(shown));
    if ((first && mg_json_kind(first) != MG_JSON_STRING) || !u->plugin.n)
        mg_config_fault_at(r, v, "'" MG_STR_FMT "' must begin with its plugin's name, as in { \"%s\", … }",
                           MG_STR_ARG(shown), example);
}

static void read_use(const mg_json *v, const char *key, const char *otherwise, mg_config *c, mg_config_report *r,
                     mg_config_use *u) {
    *u = (mg_config_use){.name = mg_str_of(otherwise), .plugin = mg_str_of(otherwise)};
    if (v && v->type != MG_JSON_STRING && !mg_config_is_table(v)) return; /* the table of settings says so */
    if (v) read_plugin(v, mg_str_of(key), (mg_str){0}, otherwise, r, u);
    u->name = u->plugin;
    u->settings = mg_config_select(c->arena, v, NULL);
}

/* { counters = …, cache = … }: two uses in the file, one store so far. */
static void read_split_store(const mg_json *v, mg_config *c, mg_config_report *r) {
    static const char *const names[] = {"counters", "cache", NULL};
    const mg_json *counters = mg_config_member(v, "counters"), *cache = mg_config_member(v, "cache");
    mg_config_use other;
    mg_host_members_check(v, names, false, MG_STR("store"), r);
    if (!counters || !cache) {
        mg_config_fault_at(r, v, "'store' with counters or cache needs both: give each its plugin");
        return;
    }
    size_t before = r->n;
    read_use(counters, "store.counters", "memory", c, r, &c->store);
    read_use(cache, "store.cache", "memory", c, r, &other);
    if (r->n == before && !mg_config_use_equal(&c->store, &other))
        mg_config_fault_at(r, v,
                           "separate stores for counters and cache are not offered yet: give both the same plugin "
                           "and settings");
}

static void read_store(const mg_json *v, mg_config *c, mg_config_report *r) {
    if (mg_config_member(v, "counters") || mg_config_member(v, "cache"))
        read_split_store(v, c, r);
    else
        read_use(v, "store", "memory", c, r, &c->store);
}

bool mg_config_use_equal(const mg_config_use *a, const mg_config_use *b) {
    return mg_str_eq(a->name, b->name) && mg_str_eq(a->plugin, b->plugin) && mg_config_equal(a->settings, b->settings);
}

/* ---- providers --------------------------------------------------------------------------------------------------- */

static bool is_plugins(mg_str key) {
    static const char *const ours[] = {"timeouts", "limits", "ca_file", "api_keys"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (mg_str_is(key, ours[i])) return false;
    return true;
}

static void read_timeouts(const mg_json *v, mg_upstream_timeouts *t) {
    const mg_json *table = mg_config_member(v, "timeouts");
    t->connect_ms = mg_host_setting_ms(mg_config_member(table, "connect"), "providers.*.timeouts.connect");
    t->first_byte_ms = mg_host_setting_ms(mg_config_member(table, "first_byte"), "providers.*.timeouts.first_byte");
    t->idle_ms = mg_host_setting_ms(mg_config_member(table, "idle"), "providers.*.timeouts.idle");
    t->total_ms = mg_host_setting_ms(mg_config_member(table, "total"), "providers.*.timeouts.total");
}

/* The member, also if it is a NULL for want of an environment variable. */
static const mg_config_node *written(const mg_json *table, const char *name) {
    return mg_config_node_of(mg_json_get(table, mg_str_of(name)));
}

/* Twice the same key: when it is refused, the other one would be tried for nothing. */
static bool holds(const mg_config_use *u, mg_str key) {
    for (size_t i = 0; i < u->n_api_keys; i++)
        if (mg_str_eq(u->api_keys[i], key)) return true;
    return false;
}

static void read_keys(const mg_json *keys, mg_str shown, mg_config *c, mg_config_report *r, mg_config_use *u) {
    if (!mg_config_is_list(keys)) return; /* the table of settings says so */
    mg_str *all = mg_arena_alloc(c->arena, (keys->count + 1) * sizeof *all);
    u->api_keys = all;
    for (const mg_json *e = keys->child; e; e = e->next) {
        if (e->type != MG_JSON_STRING) continue;
        if (holds(u, e->str))
            mg_config_warn_at(r, e, "'" MG_STR_FMT ".api_keys[" MG_STR_FMT "]' is one of those before it",
                              MG_STR_ARG(shown), MG_STR_ARG(e->key));
        else
            all[u->n_api_keys++] = e->str;
    }
    if (u->n_api_keys > MG_KEYRING_MAX)
        mg_config_fault_at(r, keys, "'" MG_STR_FMT ".api_keys' holds %zu keys, and may hold %d", MG_STR_ARG(shown),
                           u->n_api_keys, MG_KEYRING_MAX);
}

static void read_key(const mg_json *v, mg_str shown, mg_json *settings, mg_config *c, mg_config_report *r,
                     mg_config_use *u) {
    const mg_config_node *key = written(v, "api_key");
    const mg_json *keys = mg_config_member(v, "api_keys");
    if (key && key->unset_env.n)
        mg_config_warn_at(r, &key->json, "'" MG_STR_FMT "' has no api_key: environment " MG_STR_FMT " is not set",
                          MG_STR_ARG(shown), MG_STR_ARG(key->unset_env));
    if (key && key->json.type == MG_JSON_STRING && !key->json.str.n)
        mg_config_fault_at(r, &key->json, "'" MG_STR_FMT ".api_key' is empty: give it a value, or leave it out",
                           MG_STR_ARG(shown));
    if (keys) read_keys(keys, shown, c, r, u);
    if (keys && mg_config_member(v, "api_key"))
        mg_config_fault_at(r, keys, "'" MG_STR_FMT "' has both api_key and api_keys: keep one", MG_STR_ARG(shown));
    else if (u->n_api_keys)
        mg_config_put(c->arena, settings, "api_key", u->api_keys[0], keys->child);
}

static void read_provider(const mg_json *v, mg_config *c, mg_config_report *r, mg_config_use *u) {
    mg_str shown = mg_arena_printf(r->arena, "providers." MG_STR_FMT, MG_STR_ARG(mg_str_cut(v->key, 64)));
    u->name = v->key;
    if (!mg_keep_org_id_ok(u->name))
        mg_config_fault_at(r, v, "a provider's name has 1 to 64 letters, digits, '.', '_' or '-', not '" MG_STR_FMT "'",
                           MG_STR_ARG(mg_str_cut(v->key, 64)));
    read_plugin(v, shown, (mg_str){0}, "openai", r, u);
    mg_json *settings = (mg_json *)mg_config_select(c->arena, v, is_plugins); /* made here, nobody else's yet */
    read_key(v, shown, settings, c, r, u);
    read_timeouts(v, &u->timeouts);
    const mg_json *ca = mg_config_member(v, "ca_file"), *limits = mg_config_member(v, "limits");
    if (mg_json_kind(ca) == MG_JSON_STRING) u->ca_file = mg_config_beside(c->arena, u->file, ca->str);
    if (limits) {
        mg_config_limits none;
        mg_config_limits_read(limits, mg_arena_printf(r->arena, MG_STR_FMT ".limits", MG_STR_ARG(shown)), r->arena, r,
                              &none);
        mg_config_warn_at(r, limits, "'" MG_STR_FMT ".limits' is not enforced yet", MG_STR_ARG(shown));
    }
    u->settings = settings;
}

static void add_implicit(const implicit_provider *p, mg_config *c) {
    const char *key = p->env ? getenv(p->env) : NULL, *endpoint = p->endpoint ? getenv(p->endpoint) : NULL;
    if (p->env && (!key || !*key)) return;
    mg_config_node *settings = mg_config_node_new(c->arena, MG_JSON_OBJECT, NULL);
    if (key) mg_config_put(c->arena, &settings->json, "api_key", mg_arena_dup(c->arena, mg_str_of(key)), NULL);
    if (endpoint && *endpoint)
        mg_config_put(c->arena, &settings->json, "endpoint", mg_arena_dup(c->arena, mg_str_of(endpoint)), NULL);
    mg_config_use *u = &c->providers[c->n_providers++];
    *u = (mg_config_use){
        .name = mg_str_of(p->name), .plugin = mg_str_of(p->plugin), .implicit = true, .settings = &settings->json};
    read_timeouts(NULL, &u->timeouts);
}

static void read_providers(const mg_json *v, mg_config *c, mg_config_report *r) {
    size_t room = v ? v->count : IMPLICIT;
    c->providers = mg_arena_zalloc(c->arena, (room + 1) * sizeof *c->providers);
    for (size_t i = 0; !v && i < IMPLICIT; i++) add_implicit(&implicit_providers[i], c);
    for (const mg_json *e = mg_json_kind(v) == MG_JSON_OBJECT ? v->child : NULL; e; e = e->next)
        if (e->type == MG_JSON_STRING || mg_config_is_table(e)) read_provider(e, c, r, &c->providers[c->n_providers++]);
}

static void read_detectors(const mg_json *v, mg_config *c, mg_config_report *r) {
    if (mg_json_kind(v) != MG_JSON_OBJECT) return;
    c->detectors = mg_arena_zalloc(c->arena, (v->count + 1) * sizeof *c->detectors);
    for (const mg_json *e = v->child; e; e = e->next) {
        if (!mg_config_is_table(e)) continue;
        mg_config_use *u = &c->detectors[c->n_detectors++];
        mg_str shown = mg_arena_printf(r->arena, "detectors." MG_STR_FMT, MG_STR_ARG(mg_str_cut(e->key, 64)));
        read_plugin(e, shown, e->key, "pii", r, u);
        u->name = e->key;
        u->settings = mg_config_select(c->arena, e, NULL);
    }
}

void mg_config_uses_read(const mg_json *root, mg_config *c, mg_config_report *r) {
    read_use(mg_config_member(root, "ledger"), "ledger", "sqlite", c, r, &c->ledger);
    read_store(mg_config_member(root, "store"), c, r);
    read_providers(mg_config_member(root, "providers"), c, r);
    read_detectors(mg_config_member(root, "detectors"), c, r);
}
