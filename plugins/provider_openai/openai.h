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
    bool strict; /* refuses members that it does not know */
} openai_quirks;

/* The settings headers, drop and rename, as every use has them. Strings are the settings' own. */
typedef struct openai_extras {
    openai_pair *headers;
    size_t n_headers;
    openai_quirks quirks;
    mg_str *drop;
    openai_pair *rename;
} openai_extras;

/* False: with the error of the first setting that is wrong. To be finished in any case. */
bool openai_extras_read(openai_extras *x, const mg_settings *s, mg_error *error);
void openai_extras_finish(openai_extras *x);
/* The elements of a MAP, in their order; NULL without memory. The caller frees. */
openai_pair *openai_pairs_read(const mg_settings *s, const char *key, size_t *n);
/* Visible bytes only, with spaces and tabs if `spaces` (RFC 9110, 5.5). */
bool openai_visible(mg_str s, bool spaces);

/* A header of ours, unless it is empty or the setting `headers` has one of the same name. */
void openai_header_put(const openai_extras *x, const mg_provider_out *out, const char *name, mg_str value);
/* Header `name` with scheme ("Bearer ", or "") and key; nothing without a key. MG_ERROR: the key can't stand in a header. */
mg_status openai_key_put(const openai_extras *x, const mg_provider_out *out, const char *name, const char *scheme,
                         mg_str key, mg_error *error);
void openai_headers_put(const openai_extras *x, const mg_provider_out *out); /* those of the setting */

/* Reports as splices what has to change in the body: model, stream, stream_options, the quirks, and of a translated body
 * what OpenAI's API has not. `model` is for the body; "" leaves it as it is. */
mg_status openai_encode_body(const mg_host *h, const openai_quirks *quirks, const mg_provider_request *request,
                             mg_str model, const mg_provider_out *out, mg_error *error);

/* What a stream of the Responses format has said already, for its later events repeat it. One item of the output: */
typedef struct openai_item {
    uint32_t key; /* place in the output and 1; 0: free */
    uint32_t id; /* hash of the vendor's id; 0: not known */
    uint32_t content; /* a bit for each part of the content that was reported */
    uint32_t summary; /* the same for a reasoning's summary */
    uint16_t call; /* which call it is */
    uint16_t cited; /* how many citations were reported */
    uint16_t flags;
} openai_item;

enum { OPENAI_ITEMS = 32 };

/* mg_frame.state of plugins whose answers may be in the Responses format. Items come one after the other, so that of a long
 * output only the last ones matter. */
typedef struct openai_state {
    uint32_t highest; /* key */
    uint16_t calls;
    bool done;
    openai_item items[OPENAI_ITEMS];
} openai_state;

/* mg_provider.decode and mg_provider.classify, with the host in place of `self`. */
mg_status openai_decode(const mg_host *h, const mg_frame *frame, const mg_sink *sink, mg_error *error);
/* Milliseconds that the vendor asks for in its headers, else in its message; -1: it does not say. */
int64_t openai_wait(const mg_header *headers, size_t n, mg_str message);
void openai_classify(const mg_host *h, const mg_frame *frame, const mg_header *headers, size_t n_headers,
                     mg_classification *out);

#endif
