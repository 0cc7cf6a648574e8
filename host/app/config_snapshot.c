/* From a configuration to the snapshot that the gateway runs on. */
#include "app/config_models.h"
#include "app/config_organizations.h"
#include "app/config_rows.h"
#include "app/config_use.h"

#include <stdlib.h>

typedef struct building {
    const mg_config *c;
    const mg_registry *plugins;
    size_t workers;
    mg_keyrings *keyrings;
    const mg_snapshot *previous;
    mg_snapshot *s;
    mg_config_report r;
} building;

/* ---- uses of plugins --------------------------------------------------------------------------------------------- */

static mg_use *reusable(mg_use *u, const mg_plugin *plugin, const mg_setting_values *values) {
    return u && mg_use_plugin(u) == plugin && mg_setting_values_equal(mg_use_values(u), values) ? u : NULL;
}

/* The same plugin with the same settings in the snapshot before: it keeps its handles and what it has learned. */
static mg_use *find_previous(const mg_snapshot *before, const mg_plugin *plugin, const mg_setting_values *values) {
    mg_use *found = NULL;
    if (!before) return NULL;
    for (size_t i = 0; i < before->n_providers && !found; i++)
        found = reusable(before->providers[i].use, plugin, values);
    for (size_t i = 0; i < before->n_detectors && !found; i++) found = reusable(before->detectors[i], plugin, values);
    return found ? found : reusable(before->store, plugin, values);
}

static mg_use *open_values(const mg_config_use *u, const mg_plugin *plugin, mg_setting_values *values, building *b,
                           mg_config_report *r) {
    mg_error error = {0};
    mg_use *shared = find_previous(b->previous, plugin, values);
    if (shared) {
        mg_setting_values_destroy(values);
        return mg_use_ref(shared);
    }
    mg_use *opened = mg_use_open(mg_registry_host(b->plugins), plugin, values, b->workers, &error);
    if (!opened) {
        mg_str label = mg_config_use_label(r->arena, (mg_plugin_kind)plugin->kind, u);
        mg_config_fault_line(r, u->file, u->line, MG_STR_FMT ": %s", MG_STR_ARG(label), error.text);
    }
    return opened;
}

static mg_use *open_use(const mg_config_use *u, mg_plugin_kind kind, building *b) {
    const mg_plugin *plugin = mg_config_use_plugin(u, kind, b->c, b->plugins, &b->r);
    mg_setting_values *values = plugin ? mg_config_use_values(u, plugin, b->c->data_dir, &b->r) : NULL;
    return values ? open_values(u, plugin, values, b, &b->r) : NULL;
}

/* ---- providers --------------------------------------------------------------------------------------------------- */

static mg_str first_string(const mg_settings *view, const char *const *keys) {
    for (; *keys; keys++) {
        mg_str s = view->string(view->ctx, *keys);
        if (s.n) return s;
    }
    return (mg_str){0};
}

/* What the host itself needs of the plugin's settings; false after a fault. */
static bool read_view(const mg_config_use *u, const mg_settings *view, const mg_provider *ops, mg_arena *arena,
                      mg_config_report *r, mg_provider_use *p) {
    static const char *const urls[] = {"base_url", "endpoint", NULL}, *const keys[] = {"api_key", NULL};
    mg_str url = first_string(view, urls);
    bool answers = MG_COVERS(ops, mg_provider, answer) && ops->answer;
    if (!url.n) url = mg_str_of(ops->default_base_url);
    p->base_url = answers ? (mg_str){0} : mg_arena_dup(arena, url);
    p->api_key = mg_arena_dup(arena, first_string(view, keys));
    if (answers || url.n) return true;
    mg_config_fault_line(r, u->file, u->line, "provider '" MG_STR_FMT "' needs a base_url: its plugin has no default",
                         MG_STR_ARG(u->name));
    return false;
}

static void add_keys(const mg_config_use *u, building *b, mg_provider_use *p) {
    if (u->n_api_keys < 2) return; /* one is the plugin's setting */
    mg_str *keys = mg_arena_alloc(b->s->arena, u->n_api_keys * sizeof *keys);
    for (size_t i = 0; i < u->n_api_keys; i++) keys[i] = mg_arena_dup(b->s->arena, u->api_keys[i]);
    p->api_keys = keys;
    p->n_api_keys = u->n_api_keys;
    if (b->keyrings) p->keyring = mg_keyrings_hold(b->keyrings, p->name, keys, p->n_api_keys);
}

static void add_provider(const mg_config_use *u, mg_provider_use *all, building *b, mg_config_report *r) {
    mg_snapshot *s = b->s;
    mg_provider_use *p = &all[s->n_providers];
    const mg_plugin *plugin = mg_config_use_plugin(u, MG_KIND_PROVIDER, b->c, b->plugins, r);
    mg_setting_values *values = plugin ? mg_config_use_values(u, plugin, b->c->data_dir, r) : NULL;
    if (!values) return;
    *p = (mg_provider_use){.name = mg_arena_dup(s->arena, u->name),
                           .ops = plugin->ops,
                           .timeouts = u->timeouts,
                           .ca_file = mg_arena_dup(s->arena, u->ca_file),
                           .index = s->n_providers};
    if (!read_view(u, mg_setting_view(values), p->ops, s->arena, r, p)) {
        mg_setting_values_destroy(values);
        return;
    }
    p->use = open_values(u, plugin, values, b, r);
    if (!p->use) return;
    add_keys(u, b, p);
    s->n_providers++;
}

static void add_providers(building *b) {
    const mg_config *c = b->c;
    mg_provider_use *all = mg_arena_zalloc(b->s->arena, (c->n_providers + 1) * sizeof *all);
    b->s->providers = all;
    for (size_t i = 0; i < c->n_providers; i++) {
        mg_config_report r = b->r;
        if (c->providers[i].implicit) r.fault = r.warn; /* nobody asked for it by name */
        add_provider(&c->providers[i], all, b, &r);
        if (!c->providers[i].implicit) b->r.n = r.n;
    }
}

/* ---- detectors --------------------------------------------------------------------------------------------------- */

static bool configured(const mg_config *c, const char *plugin) {
    for (size_t i = 0; i < c->n_detectors; i++)
        if (mg_str_is(c->detectors[i].plugin, plugin)) return true;
    return false;
}

static void add_detector(const mg_config_use *u, building *b) {
    mg_use *use = open_use(u, MG_KIND_DETECTOR, b);
    if (use) b->s->detectors[b->s->n_detectors++] = use;
}

static void add_detectors(building *b) {
    size_t n;
    const mg_plugin_file *files = mg_registry_files(b->plugins, &n);
    b->s->detectors = mg_arena_zalloc(b->s->arena, (b->c->n_detectors + n + 1) * sizeof(mg_use *));
    for (size_t i = 0; i < b->c->n_detectors; i++) add_detector(&b->c->detectors[i], b);
    for (size_t i = 0; i < n; i++) {
        const mg_plugin *plugin = files[i].plugin;
        if (!plugin || plugin->kind != MG_KIND_DETECTOR || configured(b->c, plugin->name)) continue;
        add_detector(&(mg_config_use){.name = mg_str_of(plugin->name), .plugin = mg_str_of(plugin->name)}, b);
    }
}

/* ---- circuit breakers --------------------------------------------------------------------------------------------- */

static mg_circuit_settings circuit_of(const mg_config_circuit *c) {
    return (mg_circuit_settings){.window_ms = (uint64_t)c->window_ms,
                                 .min_calls = (uint32_t)c->min_calls,
                                 .error_percent = (uint32_t)c->error_percent,
                                 .slow_percent = (uint32_t)c->slow_percent,
                                 .slow_ms = (uint64_t)c->slow_ms,
                                 .open_ms = (uint64_t)c->open_ms,
                                 .open_max_ms = (uint64_t)c->open_max_ms,
                                 .probes = (uint32_t)c->probes,
                                 .count_limited = c->count_limited};
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static void add_organizations(building *b, const mg_config_rows *rows) {
    mg_config_orgs orgs;
    mg_snapshot *s = b->s;
    size_t more_orgs = (rows ? rows->n_orgs : 0) + 1, more_keys = rows ? rows->n_keys : 0;
    mg_config_report quiet = b->r;
    quiet.warn = NULL; /* the notes of the configuration say it */
    mg_config_orgs_read(b->c->organizations, more_orgs, more_keys, s->arena, &quiet, &orgs);
    b->r.n = quiet.n;
    if (rows) mg_config_rows_add(rows, s->arena, &b->r, &orgs);
    if (!orgs.n_orgs) {
        orgs.orgs[0] = (mg_org){.id = MG_STR("default"), .name = MG_STR("default")};
        orgs.n_orgs = 1;
    }
    s->orgs = orgs.orgs;
    s->n_orgs = orgs.n_orgs;
    s->keys = orgs.keys;
    s->n_keys = orgs.n_keys;
}

static void add_rest(building *b) {
    const mg_config *c = b->c;
    mg_snapshot *s = b->s;
    mg_str *allow = mg_arena_alloc(s->arena, (c->n_http_allow + 1) * sizeof *allow);
    for (size_t i = 0; i < c->n_http_allow; i++) allow[i] = mg_arena_dup(s->arena, c->http_allow[i]);
    s->http_allow = allow;
    s->n_http_allow = c->n_http_allow;
    s->http_private = c->http_private;
    s->circuit = circuit_of(&c->circuit);
    s->prices = mg_prices_builtin();
    s->unknown_model_nano_per_million = c->unpriced_nano_per_million;
    s->store = open_use(&c->store, MG_KIND_STORE, b);
}

mg_snapshot *mg_config_snapshot(const mg_config *c, const mg_registry *plugins, const mg_config_rows *rows,
                                size_t workers, mg_keyrings *keyrings, mg_snapshot *previous, mg_config_faults fault,
                                mg_config_faults warn, void *arg) {
    building b = {.c = c,
                  .plugins = plugins,
                  .workers = workers,
                  .keyrings = keyrings,
                  .previous = previous,
                  .s = mg_snapshot_create(),
                  .r = {fault, warn, arg, mg_arena_create(4096), c->file, 0}};
    for (size_t i = 0; warn && i < c->n_notes; i++) warn(arg, &c->notes[i]);
    add_providers(&b);
    add_detectors(&b);
    add_rest(&b);
    mg_config_report quiet = b.r;
    quiet.warn = NULL;
    mg_config_models_build(c, b.s, &quiet);
    b.r.n = quiet.n;
    add_organizations(&b, rows);
    mg_arena_destroy(b.r.arena);
    if (b.r.n) {
        mg_snapshot_unref(b.s);
        return NULL;
    }
    mg_snapshot_seal(b.s);
    return b.s;
}

mg_use *mg_config_ledger(const mg_config *c, const mg_registry *plugins, mg_config_faults fault, void *arg) {
    building b = {.c = c, .plugins = plugins, .workers = 1, .r = {fault, NULL, arg, mg_arena_create(1024), c->file, 0}};
    mg_use *use = open_use(&c->ledger, MG_KIND_LEDGER, &b);
    mg_arena_destroy(b.r.arena);
    return use;
}
