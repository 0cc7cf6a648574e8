/* What OpenAI's formats have in common, for the plugins that speak them. */
#ifndef MG_PLUGINS_OPENAI_H
#define MG_PLUGINS_OPENAI_H

#include <moongate/plugin.h>
#include <string.h>

#define STR(literal) ((mg_str){(literal), sizeof(literal) - 1})

static inline mg_str str_of(const char *z) { return (mg_str){z, z ? strlen(z) : 0}; }
static inline bool str_eq(mg_str a, mg_str b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }

/* A member of an object, by a literal name. */
static inline const mg_json *openai_get(const mg_host *h, const mg_json *object, const char *key) {
    return h->json_get(object, str_of(key));
}
/* A string member's text; {NULL, 0} if there is none. */
static inline mg_str openai_text(const mg_host *h, const mg_json *object, const char *key) {
    return h->json_str(openai_get(h, object, key));
}
static inline bool openai_is_object(const mg_host *h, const mg_json *v) {
    return v && h->json_type(v) == MG_JSON_OBJECT;
}

/* Fills an error and returns MG_ERROR. */
mg_status openai_fail(mg_error *error, int http, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* How one server differs from the published API; strings are borrowed from the settings. */
typedef struct openai_pair {
    mg_str name;
    mg_str value;
} openai_pair;

typedef struct openai_quirks {
    const mg_str *drop; /* top-level members to leave out */
    size_t n_drop;
    const openai_pair *rename; /* top-level members: old and new name */
    size_t n_rename;
} openai_quirks;

/* Reports as splices what has to change in the canonical body: model, stream, stream_options, and the quirks. */
mg_status openai_encode_body(const mg_host *h, const openai_quirks *quirks, const mg_provider_request *request,
                             const mg_provider_out *out, mg_error *error);
/* mg_provider.decode and mg_provider.classify, with the host in place of `self`. */
mg_status openai_decode(const mg_host *h, const mg_frame *frame, const mg_sink *sink, mg_error *error);
void openai_classify(const mg_host *h, const mg_frame *frame, const mg_header *headers, size_t n_headers,
                     mg_classification *out);

#endif
