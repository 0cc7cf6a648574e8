/* Byte slices (mg_str, from the plugin header) and errors. */
#ifndef MG_BASE_STR_H
#define MG_BASE_STR_H

#include <moongate/plugin.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#define MG_STR(literal) ((mg_str){(literal), sizeof(literal) - 1})
#define MG_STR_INIT(literal) {(literal), sizeof(literal) - 1} /* in static tables */
#define MG_STR_FMT "%.*s"
#define MG_STR_ARG(s) (int)(s).n, (s).p ? (s).p : ""

static inline mg_str mg_str_of(const char *z) { return (mg_str){z, z ? strlen(z) : 0}; }
static inline mg_str mg_str_from(const char *p, size_t n) { return (mg_str){p, n}; }
static inline bool mg_str_eq(mg_str a, mg_str b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }
static inline bool mg_str_is(mg_str a, const char *z) { return mg_str_eq(a, mg_str_of(z)); }
static inline bool mg_str_ieq(mg_str a, mg_str b) {
    return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}
static inline bool mg_str_starts(mg_str a, mg_str prefix) {
    return a.n >= prefix.n && (prefix.n == 0 || memcmp(a.p, prefix.p, prefix.n) == 0);
}
/* Offset of the first `c`, or s.n if there is none. */
static inline size_t mg_str_find(mg_str s, char c) {
    const char *q = s.n ? (const char *)memchr(s.p, c, s.n) : NULL;
    return q ? (size_t)(q - s.p) : s.n;
}
static inline mg_str mg_str_skip(mg_str s, size_t n) {
    if (s.n == 0) return s;
    return n >= s.n ? (mg_str){s.p + s.n, 0} : (mg_str){s.p + n, s.n - n};
}
mg_str mg_str_trim(mg_str s); /* without spaces and tabs at both ends */

/* Glob with `*` (any run, slashes included) and nothing else. */
bool mg_str_glob(mg_str pattern, mg_str s);

/* A whole decimal integer, sign allowed; false on anything else or overflow. */
bool mg_str_int(mg_str s, int64_t *out);

/* Equal in time that depends on the lengths only. */
bool mg_str_eq_secret(mg_str a, mg_str b);

/* Bytes of the well-formed UTF-8 sequence (RFC 3629) at the start of s: 1 to 4; 0 if there is none. */
size_t mg_str_utf8(mg_str s);
/* True if all of s is valid UTF-8; about 20 GB/s (base/json.cc, by simdjson). */
bool mg_str_utf8_valid(mg_str s);
/* The longest start of s that has at most `max` bytes and does not end inside a UTF-8 sequence. */
mg_str mg_str_cut(mg_str s, size_t max);

/* Optimal-string-alignment distance of two short words (compares at most 64 bytes of each): for "did you mean". */
size_t mg_str_distance(mg_str a, mg_str b);

/* Fills an error; returns MG_ERROR, so that `return mg_fail(…)` reads well. error may be NULL. */
mg_status mg_fail(mg_error *error, int http, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
