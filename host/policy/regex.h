/* Regular expressions (PCRE2) with bounded time and memory, compiled once and kept. */
#ifndef MG_POLICY_REGEX_H
#define MG_POLICY_REGEX_H

#include "base/str.h"

enum { MG_REGEX_PATTERN_MAX = 16 << 10 }; /* bytes */

typedef struct mg_regexes mg_regexes; /* a bounded number of compiled patterns; one thread */
typedef struct mg_regex mg_regex; /* lives until other patterns are compiled */

mg_regexes *mg_regexes_create(void);
void mg_regexes_destroy(mg_regexes *r); /* NULL is fine */
/* The compiled pattern, or NULL if it is not kept. */
mg_regex *mg_regexes_find(mg_regexes *r, mg_str pattern);
/* Compiles it and keeps it instead of the one that was not used for the longest time. NULL: the error says what is
 * wrong. */
mg_regex *mg_regexes_compile(mg_regexes *r, mg_str pattern, mg_error *error);

/* One text being searched, perhaps several times: the time is bounded over all of them. */
typedef struct mg_search {
    mg_regexes *regexes;
    mg_regex *regex;
    mg_str text;
    uint64_t since_us, cpu_us, spent_us; /* clocks at the last look at both, 0 before it; time up to then */
    uint64_t shown_us;
    bool checked; /* the text is valid UTF-8, or that does not matter */
} mg_search;

void mg_search_init(mg_search *s, mg_regexes *r, mg_regex *regex, mg_str text);
/* The first match that begins at byte `at` or later; `here`: at that byte only, and not empty. MG_DECLINED: there is
 * none. MG_ERROR: not known, since it takes too long or the text is not UTF-8 where the pattern wants that. */
mg_status mg_search_next(mg_search *s, size_t at, bool here, mg_error *error);
uint64_t mg_search_us(mg_search *s); /* CPU time since mg_search_init, never less than it was */
/* Where group i of the last match stands; false if it took no part. Group 0 is the match. */
bool mg_search_group(const mg_search *s, size_t i, size_t *start, size_t *end);
/* The number of bytes of the character at `at`, at least 1. */
size_t mg_search_char(const mg_search *s, size_t at);

size_t mg_regex_groups(const mg_regex *e);
size_t mg_regex_names(const mg_regex *e);
/* Name i, 0-terminated, and its group. */
const char *mg_regex_name(const mg_regex *e, size_t i, size_t *group);
bool mg_regex_named(const mg_regex *e, mg_str name, size_t *group);

#endif
