/* Changes to a JSON text as splices over the bytes that came in: what nobody touched stays as it was, byte for byte. */
#ifndef MG_BASE_EDITS_H
#define MG_BASE_EDITS_H

#include "base/json.h"

typedef enum mg_edit_kind { MG_EDIT_REPLACE, MG_EDIT_REMOVE, MG_EDIT_APPEND, MG_EDIT_PREPEND } mg_edit_kind;

typedef struct mg_edit {
    struct mg_edit *next;
    size_t start, end; /* [start, end) of the source is replaced; a removal's comma is found when rendering */
    mg_str text;
    mg_edit_kind kind;
    const mg_json *parent; /* all but REPLACE: whose commas change */
    const mg_json *child; /* REMOVE */
    mg_str key; /* APPEND to an object: its name, decoded */
} mg_edit;

typedef struct mg_edits {
    mg_arena *arena;
    mg_edit *first; /* by start; equal starts in the order of adding, insertions before a replacement */
    mg_edit *last;
    size_t n;
} mg_edits;

static inline void mg_edits_init(mg_edits *e, mg_arena *arena) { *e = (mg_edits){arena, NULL, NULL, 0}; }
/* The edits of another, over the same text and in the same arena. Later ones do not reach the other. */
void mg_edits_copy(mg_edits *e, const mg_edits *other);
/* An edit that covers earlier ones replaces them; one inside an earlier one is dropped (the earlier one already
 * decided), and so is one that overlaps an earlier one in part. `text` is borrowed until rendering. */
void mg_edits_replace(mg_edits *e, size_t start, size_t end, mg_str text);
/* Sets member `key` of the object to a JSON value; appends it if absent. The last call for a key wins, also over a
 * removal of that member. */
void mg_edits_set(mg_edits *e, const mg_json *object, mg_str key, mg_str json);
/* Removes a member or array element with the comma that belongs to it. Adjacent removals compose, also with what is
 * appended to the same parent. */
void mg_edits_remove(mg_edits *e, const mg_json *parent, const mg_json *child, mg_str source);
/* Appends (or, with `front`, prepends: the last one comes first) an element to an array. `json` is borrowed until
 * rendering. */
void mg_edits_append(mg_edits *e, const mg_json *array, mg_str json, bool front);
/* The changed text, in the arena, with MG_JSON_PADDING readable bytes behind it. */
mg_str mg_edits_render(const mg_edits *e, mg_str source);

#endif
