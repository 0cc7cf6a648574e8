/* JSON, read once: simdjson checks and splits the text, and what it found becomes a read-only tree whose every value
 * knows where it stands in the text. Duplicate keys, invalid UTF-8, excessive depth and trailing bytes are refused.
 * Numbers keep their source text. */
#ifndef MG_BASE_JSON_H
#define MG_BASE_JSON_H

#include "base/arena.h"

enum {
    MG_JSON_PADDING = 64,        /* readable (not meaningful) bytes that must follow a text handed to the parser */
    MG_JSON_MAX_DEPTH = 128,
    MG_JSON_MAX_VALUES = 1 << 20
};

struct mg_json {
    uint8_t type; /* mg_json_type */
    bool truth;   /* BOOL */
    uint32_t src, src_end; /* the value is text[src, src_end), quotes included */
    uint32_t key_src;      /* member: offset of its key's opening quote */
    uint32_t count;        /* members or elements */
    mg_str key;            /* member: its decoded name */
    mg_str str;            /* STRING: the decoded text; NUMBER: its source text. May hold NUL bytes */
    const mg_json *child;  /* first element or member */
    const mg_json *next;
};

typedef struct mg_json_parser mg_json_parser; /* reusable; one a thread */

mg_json_parser *mg_json_parser_create(void);
void mg_json_parser_destroy(mg_json_parser *p);

/* Parses text[0, n). The tree lives in `arena` and points into `text`: both must outlive it. MG_JSON_PADDING bytes
 * behind text[n) must be readable. On MG_ERROR the error (http 400, code "invalid_json" or "duplicate_key") says what is wrong
 * and at which byte, and *root is NULL. */
mg_status mg_json_parse(mg_json_parser *p, mg_arena *arena, const char *text, size_t n, const mg_json **root,
                        mg_error *error);
/* The same for text without padding: copies it into the arena first. */
mg_status mg_json_parse_copy(mg_json_parser *p, mg_arena *arena, mg_str text, const mg_json **root, mg_error *error);

/* Reading. All accept NULL and wrong types. */
const mg_json *mg_json_get(const mg_json *object, mg_str key);
const mg_json *mg_json_path(const mg_json *v, const char *dotted); /* "usage.prompt_tokens", "choices.0.delta" */
mg_str mg_json_text(const mg_json *v); /* a string's text, or {NULL, 0} */
int64_t mg_json_int(const mg_json *v, int64_t otherwise); /* integral value in range (1.0 and 1e3 count) */
double mg_json_number(const mg_json *v, double otherwise);
bool mg_json_bool(const mg_json *v, bool otherwise);
static inline mg_json_type mg_json_kind(const mg_json *v) { return v ? (mg_json_type)v->type : MG_JSON_NULL; }
const char *mg_json_type_name(mg_json_type t); /* "object", … for messages */

/* The functions of mg_host that read JSON; the rest of the struct is left alone. */
void mg_json_host(mg_host *host);

#endif
