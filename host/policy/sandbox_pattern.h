/* Lua 5.1 patterns (reference manual, 5.4.1) with a bound: every step is charged to the policy's leash, and nesting is limited.
 * The library's matcher can't be interrupted, and some patterns take it longer than the universe is old. */
#ifndef MG_POLICY_SANDBOX_PATTERN_H
#define MG_POLICY_SANDBOX_PATTERN_H

#include "base/str.h"

#include <lua.h>

enum { MG_PATTERN_CAPTURES = 32 };

typedef struct mg_capture {
    const char *start;
    ptrdiff_t n; /* or one of the two below */
} mg_capture;
enum { MG_CAPTURE_OPEN = -1, MG_CAPTURE_POSITION = -2 };

typedef struct mg_pattern {
    lua_State *L; /* for errors and for the leash */
    const char *text, *text_end;
    const char *pattern, *pattern_end; /* without a leading '^' */
    bool anchored;
    int n_captures;
    unsigned depth, steps;
    mg_capture captures[MG_PATTERN_CAPTURES];
} mg_pattern;

/* `anchor`: a leading '^' is an anchor (not so for gmatch). Text and pattern are borrowed. */
void mg_pattern_init(mg_pattern *m, lua_State *L, mg_str text, mg_str pattern, bool anchor);
/* Matches at exactly `at`: the end of the match, or NULL. Raises on a malformed pattern, and when the leash is used up. */
const char *mg_pattern_at(mg_pattern *m, const char *at);
/* Matches at `at` or later (only there, if anchored): where the match begins, its end in *end; or NULL. */
const char *mg_pattern_from(mg_pattern *m, const char *at, const char **end);
/* Pushes the captures; the whole match, if it is not NULL and there are none. Returns their number. */
int mg_pattern_push(mg_pattern *m, const char *start, const char *end);
/* Pushes capture i (from 0); i 0 without captures is the whole match. Raises if there is none. */
void mg_pattern_push_one(mg_pattern *m, int i, const char *start, const char *end);
/* True if no character of the pattern is magic. */
bool mg_pattern_plain(mg_str pattern);

#endif
