/* Anthropic's Messages API: what its plugin's files share, and what plugins for other hosts of it may use. */
#ifndef MG_PLUGINS_ANTHROPIC_H
#define MG_PLUGINS_ANTHROPIC_H

#include <moongate/plugin.h>
#include <string.h>

#define STR(literal) ((mg_str){(literal), sizeof(literal) - 1})

static inline mg_str str_of(const char *z) { return (mg_str){z, z ? strlen(z) : 0}; }
static inline bool str_eq(mg_str a, mg_str b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }
static inline bool str_is(mg_str a, const char *z) { return str_eq(a, str_of(z)); }

/* A member of an object, by a literal name. */
static inline const mg_json *anthropic_get(const mg_host *h, const mg_json *object, const char *key) {
    return h->json_get(object, str_of(key));
}
/* A string member's text; {NULL, 0} if there is none. */
static inline mg_str anthropic_text(const mg_host *h, const mg_json *object, const char *key) {
    return h->json_str(anthropic_get(h, object, key));
}
static inline bool anthropic_is(const mg_host *h, const mg_json *v, mg_json_type type) {
    return v && h->json_type(v) == type;
}
/* Absent, or null. */
static inline bool anthropic_void(const mg_host *h, const mg_json *v) { return !v || h->json_type(v) == MG_JSON_NULL; }

/* Fills an error and returns MG_ERROR. */
mg_status anthropic_fail(mg_error *error, int http, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- text (text.c) ----------------------------------------------------------------------------------------------- */

/* True if all of the text is one JSON object (RFC 8259), at most 128 deep. */
bool anthropic_json_object(mg_str text);
/* Decodes base64 (RFC 4648, 4; padding may be missing) into out, which takes text.n / 4 * 3 + 3 bytes; -1 if it is
 * none. */
int64_t anthropic_base64(mg_str text, char *out);
/* True if nothing but white space is in it. */
bool anthropic_blank(mg_str text);

/* ---- models (model.c) -------------------------------------------------------------------------------------------- */

/* What a model takes, as documented. Read out of its name: a "claude-" name of a generation that is not known counts
 * as the newest; any other name as a server's own that speaks the API as it was before 4.1. */
typedef struct anthropic_model {
    bool thinks; /* has extended thinking */
    bool adaptive; /* thinking.type "adaptive", output_config.effort and thinking.display */
    bool adaptive_only; /* no thinking.budget_tokens; effort "xhigh" */
    bool thinks_unasked; /* thinks where the request does not say */
    bool thinks_always; /* thinking can't be turned off */
    bool between_tools; /* thinking is turned off by type "between_tools" */
    bool sampling; /* temperature, top_p, top_k */
    bool one_sampler; /* temperature or top_p, not both */
    bool structured; /* output_config.format, tools[].strict */
    bool inline_system; /* messages of role system */
} anthropic_model;

anthropic_model anthropic_model_of(mg_str name);

/* ---- requests ---------------------------------------------------------------------------------------------------- */

/* What the settings say; strings are borrowed from them. */
typedef struct anthropic_quirks {
    const mg_str *drop; /* top-level members to leave out of what is sent */
    size_t n_drop;
    int64_t max_tokens; /* for requests that state none */
} anthropic_quirks;

/* Writes the body of MG_OP_CHAT or MG_OP_COUNT_TOKENS: a body of MG_FORMAT_ANTHROPIC as splices (model, stream, and
 * what the settings drop), the canonical form as a body of its own. MG_ERROR: 400 and a sentence. */
mg_status anthropic_encode_body(const mg_host *h, const anthropic_quirks *quirks, const mg_provider_request *request,
                                const mg_provider_out *out, mg_error *error);

/* ---- answers ----------------------------------------------------------------------------------------------------- */

enum { ANTHROPIC_STATE_SIZE = 4096 };

/* mg_provider.decode (its state_size is ANTHROPIC_STATE_SIZE) and mg_provider.classify, with the host in place of
 * `self`. */
mg_status anthropic_decode(const mg_host *h, const mg_frame *frame, const mg_sink *sink, mg_error *error);
void anthropic_classify(const mg_host *h, const mg_frame *frame, const mg_header *headers, size_t n_headers,
                        mg_classification *out);

#endif
