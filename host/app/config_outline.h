/* Where the keys of a configuration file stand. Lua forgets the lines of a table's keys once the table is made, so the
 * source is scanned for them: a tokenizer that knows strings, comments and brackets, and nothing else of the language.
 * It sees what is written out; what a program computes has no line here, and its surroundings' line is used. */
#ifndef MG_APP_CONFIG_OUTLINE_H
#define MG_APP_CONFIG_OUTLINE_H

#include "base/arena.h"

typedef enum mg_outline_kind {
    MG_OUTLINE_OTHER,
    MG_OUTLINE_TABLE, /* { … } */
    MG_OUTLINE_NAME, /* a variable */
    MG_OUTLINE_ENV, /* env "NAME" or env("NAME", …) */
    MG_OUTLINE_INCLUDE, /* include "PATH" */
    MG_OUTLINE_CALL /* another function's call */
} mg_outline_kind;

struct mg_outline_entry;

typedef struct mg_outline_value {
    mg_outline_kind kind;
    int line;
    mg_str text; /* NAME: the variable; ENV and INCLUDE: the argument, if it is a literal string */
    const struct mg_outline_entry *entries; /* TABLE */
} mg_outline_value;

typedef struct mg_outline_entry {
    mg_str key; /* of a statement: "a", "a.b"; "return" for what the file returns */
    size_t position; /* an element without a key: 1, 2, …; else 0 */
    int line;
    mg_outline_value value;
    struct mg_outline_entry *next;
} mg_outline_entry;

typedef struct mg_outline {
    const mg_outline_entry *statements; /* assignments, wherever they stand */
} mg_outline;

/* Scans a text that Lua has compiled (others give useless outlines, but no harm). Lives in the arena, and points into
 * the text. */
const mg_outline *mg_outline_scan(mg_arena *arena, mg_str text);
/* The last assignment to `path` that begins at or before `line`, or NULL. */
const mg_outline_entry *mg_outline_statement(const mg_outline *o, mg_str path, int line);
/* The entry of a TABLE with this key (position 0), or at this position. */
const mg_outline_entry *mg_outline_find(const mg_outline_value *table, mg_str key, size_t position);

#endif
