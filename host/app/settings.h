/* The host's settings: one table that drives reading, checking, reload and the manual. */
#ifndef MG_APP_SETTINGS_H
#define MG_APP_SETTINGS_H

#include "app/config_tree.h"

typedef enum mg_host_type {
    MG_HOST_STRING,
    MG_HOST_SECRET, /* a string that is never shown, and never empty */
    MG_HOST_BOOL,
    MG_HOST_INTEGER,
    MG_HOST_NUMBER,
    MG_HOST_SECONDS, /* kept as milliseconds */
    MG_HOST_BYTES,
    MG_HOST_SHARE, /* 0 to 1; kept as percent */
    MG_HOST_STRINGS,
    MG_HOST_CHOICE, /* a string among `choices` */
    MG_HOST_LISTEN, /* the following are read by who owns them */
    MG_HOST_PLUGIN,
    MG_HOST_MODEL,
    MG_HOST_KEYS,
    MG_HOST_LIMITS,
    MG_HOST_MONEY,
    MG_HOST_ANY
} mg_host_type;

typedef struct mg_host_setting {
    const char *key; /* dotted; "*" stands for a name that the file chooses */
    mg_host_type type;
    const char *fallback; /* as text; NULL: none, or computed (then `doc` says it) */
    bool fixed; /* a change needs a restart */
    bool open; /* PLUGIN: members without a row belong to the plugin */
    int64_t min, max; /* INTEGER, SECONDS (in ms) and BYTES, if max is not 0 */
    const char *choices; /* "a|b" */
    size_t offset; /* in mg_config, if `size` is not 0 */
    size_t size;
    size_t count; /* STRINGS: offset of their number */
    const char *doc;
} mg_host_setting;

/* The table; ends with a NULL key. */
const mg_host_setting *mg_host_settings(void);
const char *mg_host_type_name(mg_host_type t);
/* Is there a setting, or a table of settings, of this name at the top? */
bool mg_host_setting_known(mg_str key);

/* Reports every unknown key and every value of a wrong type. */
void mg_host_settings_check(const mg_json *root, mg_config_report *r);
/* Sets the fields of c that rows name, from the tree or the row's default. Values of wrong types count as absent. */
void mg_host_settings_read(const mg_json *root, mg_config *c);
/* The first fixed row whose field differs, or NULL. Rows without a field are the caller's. */
const char *mg_host_settings_fixed_change(const mg_config *before, const mg_config *after);

/* Number of milliseconds of a SECONDS value, or of the row's default if v is absent. */
uint64_t mg_host_setting_ms(const mg_json *v, const char *key);
/* Reports members of a table whose names are not among `names` (ends with NULL), and elements unless they are allowed.
 * `shown` is the table's path. */
void mg_host_members_check(const mg_json *table, const char *const *names, bool elements, mg_str shown,
                           mg_config_report *r);
/* Reports a value that is not of the type; true if it is. */
bool mg_host_value_check(const mg_host_setting *row, const mg_json *v, mg_str shown, mg_config_report *r);

#endif
