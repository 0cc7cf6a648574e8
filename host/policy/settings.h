/* A policy's own settings: defaults in its file, overridden per organization, checked by the defaults' types. */
#ifndef MG_POLICY_SETTINGS_H
#define MG_POLICY_SETTINGS_H

#include "base/buf.h"
#include "base/json.h"

#include <lua.h>

typedef enum mg_policy_setting_kind {
    MG_POLICY_SETTING_BOOL,
    MG_POLICY_SETTING_NUMBER,
    MG_POLICY_SETTING_STRING,
    MG_POLICY_SETTING_LIST,
    MG_POLICY_SETTING_MAP,
    MG_POLICY_SETTING_TABLE /* {}: a list or a map */
} mg_policy_setting_kind;

typedef struct mg_policy_setting {
    mg_str key;
    mg_policy_setting_kind kind;
} mg_policy_setting;

typedef struct mg_policy_settings {
    const mg_policy_setting *items;
    size_t n;
} mg_policy_settings;

const mg_policy_setting *mg_policy_settings_find(const mg_policy_settings *s, mg_str key);
bool mg_policy_setting_fits(const mg_policy_setting *s, const mg_json *value);
const char *mg_policy_setting_kind_name(mg_policy_setting_kind k); /* "a number", … */

/* Reads keys and kinds from the table of defaults at the index (0: there is none) into the arena. MG_ERROR names the key that
 * is not plain data. Raises only if Lua has no memory. */
mg_status mg_policy_settings_learn(lua_State *L, int defaults, mg_arena *arena, mg_policy_settings *out,
                                   mg_error *error);
/* Pushes a copy of the defaults at the index with the overrides (a JSON object or NULL) in it; those that do not fit are left
 * out, since they were refused when the generation was built. */
void mg_policy_settings_push(lua_State *L, int defaults, const mg_json *overrides);
/* Makes the policy's table `settings` (at the index; emptied, its content goes to a new table) read-only. Pushes the table
 * of defaults and the metatable whose __index says which settings are seen. */
void mg_policy_settings_protect(lua_State *L, int settings);

/* JSON text of the tree, the same for the same values in the same order. */
bool mg_policy_settings_text(const mg_json *v, mg_buf *out);

#endif
