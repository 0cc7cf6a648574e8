/* Values for a table of settings (mg_setting): parsing by type, defaults, required keys, the nearest known key. Used
 * for plugins' settings and for the host's own.
 *
 * As text: BOOL "true" or "false"; INTEGER a decimal integer; SECONDS what mg_duration_parse takes; BYTES an integer
 * with or without KB, MB, GB, TB (powers of 1,024); URL http or https with a host, without credentials, query and
 * fragment (closing slashes are taken off).
 * A default of STRINGS is written "a, b", one of a MAP "key=value, key=value". */
#ifndef MG_PLUGIN_SETTINGS_H
#define MG_PLUGIN_SETTINGS_H

#include "base/arena.h"

typedef struct mg_setting_values mg_setting_values;

/* Values that start as the table's defaults. The table (may be NULL) is borrowed; ends with a NULL key. It has to pass
 * mg_setting_table_check: a default that does not parse is left out. */
mg_setting_values *mg_setting_values_create(const mg_setting *table, mg_str data_dir);
void mg_setting_values_destroy(mg_setting_values *v); /* NULL is fine; secrets are overwritten */
const mg_setting *mg_setting_find(const mg_setting *table, mg_str key);
/* Checks a table itself: keys [a-z][a-z0-9_]*, no key twice, known types, defaults that parse. */
mg_status mg_setting_table_check(const mg_setting *table, mg_error *error);
/* "unknown setting 'x'; did you mean 'y'?" for messages, into error->text. */
mg_status mg_setting_unknown(const mg_setting *table, mg_str key, mg_error *error);
/* Sets a scalar from text, by the setting's type ("true", "30", "1.5", "256MB", a URL …). MG_ERROR says what is wrong;
 * a SECRET's value is never part of the message. */
mg_status mg_setting_set(mg_setting_values *v, mg_str key, mg_str text, mg_error *error);
/* Adds an element to a STRINGS (name {NULL,0}) or MAP. The first one drops the default. A MAP is kept in order of its
 * names, and a name that it holds already is an error. */
mg_status mg_setting_add(mg_setting_values *v, mg_str key, mg_str name, mg_str value, mg_error *error);
/* After all are set: fails if a required one is missing (an empty string counts as missing). */
mg_status mg_setting_check(const mg_setting_values *v, mg_error *error);
/* As plugins see it; lives as long as v. */
const mg_settings *mg_setting_view(const mg_setting_values *v);
const char *mg_setting_type_name(mg_setting_type t); /* "seconds", … for the manual */
/* Equal values for the same table: a reload keeps the use of a plugin whose settings did not change. */
bool mg_setting_values_equal(const mg_setting_values *a, const mg_setting_values *b);

#endif
