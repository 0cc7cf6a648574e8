/* Values of a configuration as JSON that knows where it stands, and the report of what is wrong with them. */
#ifndef MG_APP_CONFIG_TREE_H
#define MG_APP_CONFIG_TREE_H

#include "app/config.h"

/* A value of the tree in mg_config: every mg_json there is the first member of one of these. A table with elements only
 * is an ARRAY; one with names is an OBJECT, whose elements, if it has any as well, come first as members "1", "2", …
 * marked `positional`. A value that comes from an unset environment variable is a NULL with `unset_env`. */
typedef struct mg_config_node {
    mg_json json;
    mg_str file;
    int line; /* of the key, or of the value if it has none */
    bool positional;
    mg_str unset_env;
} mg_config_node;

static inline const mg_config_node *mg_config_node_of(const mg_json *v) { return (const mg_config_node *)v; }
/* Element i of a table, counted from 0, or NULL. */
const mg_json *mg_config_element(const mg_json *table, size_t i);
/* Member of a table by name; NULL if absent or unset. */
const mg_json *mg_config_member(const mg_json *table, const char *name);
/* The same by a dotted path. */
const mg_json *mg_config_at(const mg_json *root, const char *path);
static inline bool mg_config_is_table(const mg_json *v) {
    return mg_json_kind(v) == MG_JSON_OBJECT || mg_json_kind(v) == MG_JSON_ARRAY;
}
/* Has it anything but elements? Is it but elements (or empty)? */
bool mg_config_is_list(const mg_json *v);
/* Its Lua type with an article, for messages: "a string", "a table", … */
const char *mg_config_type(const mg_json *v);

/* A new node of this type at the same place as `at` (may be NULL). */
mg_config_node *mg_config_node_new(mg_arena *arena, mg_json_type type, const mg_json *at);
/* An OBJECT with the members of `table` that `keep` (may be NULL) accepts, elements left out. Shares their values. */
const mg_json *mg_config_select(mg_arena *arena, const mg_json *table, bool (*keep)(mg_str key));
/* A string member for a tree that is being made: goes in front. */
void mg_config_put(mg_arena *arena, mg_json *object, const char *key, mg_str text, const mg_json *at);
/* A deep copy without places, unset values left out: shares nothing with v. */
const mg_json *mg_config_copy(mg_arena *arena, const mg_json *v);
bool mg_config_equal(const mg_json *a, const mg_json *b);

/* Where faults go, and how many there were. */
typedef struct mg_config_report {
    mg_config_faults fault;
    mg_config_faults warn; /* NULL: not wanted */
    void *arg;
    mg_arena *arena; /* for messages */
    mg_str file; /* for those without a place */
    size_t n;
} mg_config_report;

void mg_config_fault_at(mg_config_report *r, const mg_json *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void mg_config_warn_at(mg_config_report *r, const mg_json *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void mg_config_fault_line(mg_config_report *r, mg_str file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The nearest of the words that are offered, for "did you mean"; begin with {.word = …}. */
typedef struct mg_config_nearest {
    mg_str word, found;
    size_t distance;
} mg_config_nearest;
void mg_config_nearest_offer(mg_config_nearest *n, mg_str candidate);
/* "; did you mean 'x'?", or "". */
mg_str mg_config_nearest_text(const mg_config_nearest *n, mg_arena *arena, const char *prefix);

#endif
