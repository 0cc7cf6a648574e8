/* Uses of plugins, as the configuration writes them: { "openai", api_key = …, … }. */
#ifndef MG_APP_CONFIG_USE_H
#define MG_APP_CONFIG_USE_H

#include "app/config_tree.h"
#include "plugin/settings.h"

/* Fills ledger, store, providers and detectors of c from the tree. Faults go to the report. */
void mg_config_uses_read(const mg_json *root, mg_config *c, mg_config_report *r);
bool mg_config_use_equal(const mg_config_use *a, const mg_config_use *b);

/* The environment variable that adds a provider of this name where none are declared, or NULL. */
const char *mg_config_implicit_env(mg_str provider);

/* What a use of a plugin is called in messages: "provider 'ollama'". */
mg_str mg_config_use_label(mg_arena *arena, mg_plugin_kind kind, const mg_config_use *u);
/* The plugin of the use, or NULL after a fault that names the nearest. */
const mg_plugin *mg_config_use_plugin(const mg_config_use *u, mg_plugin_kind kind, const mg_config *c,
                                      const mg_registry *plugins, mg_config_report *r);
/* The use's settings by the plugin's table; NULL after a fault. The caller's. */
mg_setting_values *mg_config_use_values(const mg_config_use *u, const mg_plugin *plugin, mg_str data_dir,
                                        mg_config_report *r);

#endif
