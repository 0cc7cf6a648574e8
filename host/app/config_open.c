/* From what the configuration says of a plugin to the plugin and its settings. */
#include "app/config_use.h"

mg_str mg_config_use_label(mg_arena *arena, mg_plugin_kind kind, const mg_config_use *u) {
    return mg_arena_printf(arena, "%s '" MG_STR_FMT "'", mg_plugin_kind_name(kind), MG_STR_ARG(u->name));
}

static void fault(mg_config_report *r, const mg_config_use *u, const mg_json *at, const char *label, const char *text) {
    const mg_config_node *n = mg_config_node_of(at);
    mg_config_fault_line(r, n && n->line ? n->file : u->file, n && n->line ? n->line : u->line, "%s: %s", label, text);
}

/* "a, b" of the loaded plugins of a kind. */
static mg_str loaded_names(mg_plugin_kind kind, const mg_registry *plugins, mg_arena *arena) {
    size_t n;
    const mg_plugin_file *files = mg_registry_files(plugins, &n);
    mg_buf names = {.max = 512};
    for (size_t i = 0; i < n; i++)
        if (files[i].plugin && files[i].plugin->kind == kind)
            mg_buf_printf(&names, "%s%s", names.n ? ", " : "", files[i].plugin->name);
    mg_str out = mg_arena_dup(arena, mg_buf_view(&names));
    mg_buf_finish(&names);
    return out;
}

const mg_plugin *mg_config_use_plugin(const mg_config_use *u, mg_plugin_kind kind, const mg_config *c,
                                      const mg_registry *plugins, mg_config_report *r) {
    const mg_plugin *plugin = mg_registry_find(plugins, kind, u->plugin);
    if (plugin) return plugin;
    mg_str label = mg_config_use_label(r->arena, kind, u), asked = mg_str_cut(u->plugin, 60);
    mg_str nearest = mg_registry_nearest(plugins, kind, u->plugin), names = loaded_names(kind, plugins, r->arena);
    mg_str mend = nearest.n ? mg_arena_printf(r->arena, "; did you mean '" MG_STR_FMT "'?", MG_STR_ARG(nearest))
                  : names.n ? mg_arena_printf(r->arena, "; there are " MG_STR_FMT, MG_STR_ARG(names))
                            : mg_arena_printf(r->arena,
                                              ": the folder " MG_STR_FMT " has none of this kind; set 'plugins' "
                                              "to the folder that has",
                                              MG_STR_ARG(c->plugins));
    mg_config_fault_line(r, u->file, u->line, MG_STR_FMT ": there is no %s plugin '" MG_STR_FMT "'" MG_STR_FMT,
                         MG_STR_ARG(label), mg_plugin_kind_name(kind), MG_STR_ARG(asked), MG_STR_ARG(mend));
    return NULL;
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static bool type_fits(mg_setting_type t, const mg_json *v) {
    switch (t) {
    case MG_SETTING_STRING:
    case MG_SETTING_SECRET:
    case MG_SETTING_URL: return v->type == MG_JSON_STRING;
    case MG_SETTING_BOOL: return v->type == MG_JSON_BOOL;
    case MG_SETTING_INTEGER: return v->type == MG_JSON_NUMBER;
    case MG_SETTING_SECONDS:
    case MG_SETTING_BYTES: return v->type == MG_JSON_NUMBER || v->type == MG_JSON_STRING;
    case MG_SETTING_STRINGS: return mg_config_is_list(v);
    case MG_SETTING_MAP: return v->type == MG_JSON_OBJECT;
    }
    return false;
}

static const char *type_sentence(mg_setting_type t) {
    switch (t) {
    case MG_SETTING_STRING:
    case MG_SETTING_SECRET: return "a string";
    case MG_SETTING_URL: return "a URL";
    case MG_SETTING_BOOL: return "true or false";
    case MG_SETTING_INTEGER: return "an integer";
    case MG_SETTING_SECONDS: return "a number of seconds";
    case MG_SETTING_BYTES: return "a number of bytes, such as 65536 or \"256MB\"";
    case MG_SETTING_STRINGS: return "a list of strings";
    case MG_SETTING_MAP: return "a table of names and strings";
    }
    return "something else";
}

static mg_status set_elements(mg_setting_values *values, const mg_setting *s, const mg_json *v, mg_error *error) {
    for (const mg_json *e = v->child; e; e = e->next) {
        bool positional = mg_config_node_of(e)->positional;
        if (e->type == MG_JSON_NULL) continue;
        if (e->type != MG_JSON_STRING)
            return mg_fail(error, 0, "bad_setting", "setting '%s' has to hold strings only, not %s", s->key,
                           mg_config_type(e));
        mg_status st = mg_setting_add(values, mg_str_of(s->key), positional ? (mg_str){0} : e->key, e->str, error);
        if (st != MG_OK) return st;
    }
    return MG_OK;
}

static mg_status set_one(mg_setting_values *values, const mg_setting *s, const mg_json *v, mg_error *error) {
    mg_str key = mg_str_of(s->key);
    if (!type_fits(s->type, v))
        return mg_fail(error, 0, "bad_setting", "'%s' must be %s, got %s", s->key, type_sentence(s->type),
                       mg_config_type(v));
    if (s->type == MG_SETTING_STRINGS || s->type == MG_SETTING_MAP) return set_elements(values, s, v, error);
    if (v->type == MG_JSON_BOOL) return mg_setting_set(values, key, v->truth ? MG_STR("true") : MG_STR("false"), error);
    if (s->type == MG_SETTING_SECRET && !v->str.n)
        return mg_fail(error, 0, "bad_setting", "'%s' is empty: give it a value, or leave it out", s->key);
    return mg_setting_set(values, key, v->str, error);
}

/* The host's own settings of a provider are near misses as well. */
static void unknown(const mg_config_use *u, const mg_plugin *plugin, const mg_json *v, const char *label,
                    mg_config_report *r) {
    static const char *const ours[] = {"timeouts", "limits", "ca_file", "api_keys"};
    mg_config_nearest nearest = {.word = v->key};
    for (const mg_setting *s = plugin->settings; s && s->key; s++) mg_config_nearest_offer(&nearest, mg_str_of(s->key));
    for (size_t i = 0; plugin->kind == MG_KIND_PROVIDER && i < sizeof ours / sizeof ours[0]; i++)
        mg_config_nearest_offer(&nearest, mg_str_of(ours[i]));
    mg_str text =
        mg_arena_printf(r->arena, "unknown setting '" MG_STR_FMT "'" MG_STR_FMT, MG_STR_ARG(mg_str_cut(v->key, 60)),
                        MG_STR_ARG(mg_config_nearest_text(&nearest, r->arena, "")));
    fault(r, u, v, label, text.p);
}

mg_setting_values *mg_config_use_values(const mg_config_use *u, const mg_plugin *plugin, mg_str data_dir,
                                        mg_config_report *r) {
    mg_error error;
    size_t before = r->n;
    mg_setting_values *values = mg_setting_values_create(plugin->settings, data_dir);
    const char *label = mg_config_use_label(r->arena, (mg_plugin_kind)plugin->kind, u).p;
    for (const mg_json *e = u->settings ? u->settings->child : NULL; e; e = e->next) {
        const mg_setting *s = mg_setting_find(plugin->settings, e->key);
        if (!s)
            unknown(u, plugin, e, label, r);
        else if (e->type != MG_JSON_NULL && set_one(values, s, e, &error) != MG_OK)
            fault(r, u, e, label, error.text);
    }
    if (r->n == before && mg_setting_check(values, &error) != MG_OK) fault(r, u, NULL, label, error.text);
    if (r->n == before) return values;
    mg_setting_values_destroy(values);
    return NULL;
}
