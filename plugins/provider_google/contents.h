/* A conversation that is being written: what its messages and the calls and results of tools in them share. */
#ifndef MG_PLUGINS_GOOGLE_CONTENTS_H
#define MG_PLUGINS_GOOGLE_CONTENTS_H

#include "google.h"

typedef enum google_group { NONE, USER, MODEL, TOOL } google_group;

typedef struct google_conversation {
    const google_encoder *e;
    google_group open; /* whose content is being written */
    bool any; /* contents were written */
    const mg_json *messages; /* the list's first */
    const mg_json *caller; /* the last message that called tools */
    const mg_json *cursor; /* where the next answer's call is looked for first: answers mostly keep the order */
    int64_t lookups;
    const mg_json *tools; /* first of the tool messages whose files wait for the group to end, or NULL */
    size_t tools_index;
} google_conversation;

static inline const mg_host *host(const google_conversation *c) { return c->e->h; }
static inline bool is_type(const google_conversation *c, const mg_json *part, const char *type) {
    return str_is(google_text(host(c), part, "type"), type);
}

/* (contents.c) Begins a part of that side's content. */
void google_part_begin(google_conversation *c, google_group who);
/* The signature that Gemini gave this part or call, if it did. */
mg_str google_signature(const google_conversation *c, const mg_json *v);
void google_signature_put(const google_conversation *c, mg_str signature);
/* The members of all parts, for google_drop_others. */
extern const char *const google_part_members[];

/* (calls.c) What an assistant's message calls. */
mg_status google_calls_put(google_conversation *c, const mg_json *message, size_t index);
/* "id" of a call where the target has them, and a comma behind it. */
void google_id_put(const google_conversation *c, mg_str id);
/* (results.c) A tool's message; and, when the next is none any more (`end`; NULL: none follows), the files in those
 * before. */
mg_status google_result_put(google_conversation *c, const mg_json *message, size_t index);
mg_status google_results_end(google_conversation *c, const mg_json *end);

#endif
