/* Fields of a table that a policy made, read raw: no Lua runs and nothing raises. The first thing that is wrong ends up in
 * the error; what was read after it is of no use. */
#ifndef MG_POLICY_FIELDS_H
#define MG_POLICY_FIELDS_H

#include "gateway/request.h"

#include <lua.h>

typedef struct mg_fields {
    lua_State *L;
    int table; /* absolute index */
    const char *who; /* what messages begin with: "targets" */
    mg_error *error;
    bool failed;
} mg_fields;

/* "WHO: 'FIELD' must be EXPECTED", unless something failed before. */
void mg_fields_fail(mg_fields *f, const char *field, const char *expected);
/* Pushes the field if it is there. */
bool mg_fields_push(mg_fields *f, const char *field);

/* The value on top of the stack, which stays there. What is not of the type, or out of bounds, fails. */
mg_str mg_fields_text_here(mg_fields *f, const char *field, size_t max, const char *expected); /* Lua's */
double mg_fields_number_here(mg_fields *f, const char *field, double min, double max, const char *expected);
bool mg_fields_bool_here(mg_fields *f, const char *field);
/* Which of the words it is. */
int mg_fields_choice_here(mg_fields *f, const char *field, const char *const *words, int n, const char *expected);

/* The same for a field of the table. */
mg_str mg_fields_text(mg_fields *f, const char *field, size_t max, const char *expected); /* "" if absent */
mg_str mg_fields_word(mg_fields *f, const char *field, size_t max); /* letters, digits and "_-./:" */
double mg_fields_number(mg_fields *f, const char *field, double otherwise, double min, double max,
                        const char *expected);
void mg_fields_absent(mg_fields *f, const char *field, const char *why);

/* A name that a table may have, and what reads its value, which is on top of the stack and stays there. */
typedef struct mg_fields_option {
    const char *name;
    void (*read)(mg_fields *f, void *out);
} mg_fields_option;

/* Calls the readers of all names that the table has, in no particular order; elements are passed over. A name that no
 * option has fails, with the nearest. The options end with a NULL name. */
void mg_fields_each(mg_fields *f, const mg_fields_option *options, void *out);

#endif
