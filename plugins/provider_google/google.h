/* What the parts of the google provider share. */
#ifndef MG_PLUGINS_GOOGLE_H
#define MG_PLUGINS_GOOGLE_H

#include <moongate/plugin.h>
#include <string.h>

#define STR(literal) ((mg_str){(literal), sizeof(literal) - 1})
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline mg_str str_of(const char *z) { return (mg_str){z, z ? strlen(z) : 0}; }
static inline bool str_eq(mg_str a, mg_str b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }
static inline bool str_is(mg_str a, const char *b) { return str_eq(a, str_of(b)); }
static inline bool str_starts(mg_str s, const char *prefix) {
    size_t n = strlen(prefix);
    return s.n >= n && memcmp(s.p, prefix, n) == 0;
}
static inline mg_str str_skip(mg_str s, size_t n) { return n < s.n ? (mg_str){s.p + n, s.n - n} : (mg_str){s.p, 0}; }
/* Whether `part` stands in s, ASCII letters in either case. */
bool str_says(mg_str s, const char *part);

/* Fills an error and returns MG_ERROR. */
mg_status google_fail(mg_error *error, int http, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
#define BAD(error, ...) google_fail(error, 400, "invalid_request_error", __VA_ARGS__)

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* A member that is there and not null, by a literal name. */
static inline const mg_json *google_get(const mg_host *h, const mg_json *object, const char *key) {
    const mg_json *v = h->json_get(object, str_of(key));
    return v && h->json_type(v) != MG_JSON_NULL ? v : NULL;
}
static inline mg_str google_text(const mg_host *h, const mg_json *object, const char *key) {
    return h->json_str(google_get(h, object, key));
}
static inline bool google_is(const mg_host *h, const mg_json *v, mg_json_type type) {
    return v && h->json_type(v) == type;
}

/* ---- text (text.c) ----------------------------------------------------------------------------------------------- */

/* Bytes that grow, 64 MB at most. Zeroed it is ready; `failed` is sticky: memory or the maximum ran out. */
typedef struct google_buf {
    char *p;
    size_t n, cap;
    bool failed;
} google_buf;

void google_buf_add(google_buf *b, mg_str s);
void google_buf_json(google_buf *b, mg_str s); /* quoted and escaped */
void google_buf_number(google_buf *b, const char *before, int64_t n);
void google_buf_finish(google_buf *b); /* overwrites what it held, since that may be a secret, and frees */
static inline mg_str google_buf_view(const google_buf *b) { return (mg_str){b->p, b->n}; }

/* Whether the text is one JSON object, of a depth that the vendor takes: the host parses bodies, but not the JSON
 * texts that strings in them hold. */
bool google_json_object(mg_str text);
/* The string that member `key` of the object in `text` holds, decoded and appended to out; false if there is none. */
bool google_json_string(mg_str text, const char *key, google_buf *out);

/* ---- the target -------------------------------------------------------------------------------------------------- */

typedef struct google_pair {
    mg_str name;
    mg_str value;
} google_pair;

/* What the settings say about where requests go. */
typedef struct google_target {
    bool vertex; /* Vertex AI and not the Gemini API */
    bool call_ids; /* functionCall and functionResponse have an id there: all but Vertex AI's v1 */
    const google_pair *safety; /* category and threshold, for requests that say none */
    size_t n_safety;
} google_target;

enum { GOOGLE_MODEL_MAX = 512 }; /* bytes */

/* How a model is told how much to think. */
typedef enum google_thinking {
    GOOGLE_THINKS_NOT, /* Gemini 2.0 and before, Gemma, models of speech */
    GOOGLE_THINKS_BUDGET, /* Gemini 2.5: a number of tokens */
    GOOGLE_THINKS_LEVEL /* Gemini 3 and later: a level */
} google_thinking;

/* For calls that another vendor made: Gemini 3 refuses a turn whose first call has no signature, unless it has this one
 * (https://ai.google.dev/gemini-api/docs/thought-signatures). */
#define GOOGLE_NO_SIGNATURE "skip_thought_signature_validator"

/* (model.c) */
google_thinking google_model_thinking(mg_str model);
bool google_model_is_pro(mg_str model);
/* The name without the prefixes that paths put before it themselves: "models/" or "publishers/google/models/". */
mg_str google_model_bare(const google_target *t, mg_str model);
/* "models/NAME" or "tunedModels/NAME", as bodies name a model; out takes GOOGLE_MODEL_MAX + 8 bytes. */
mg_str google_model_resource(const google_target *t, mg_str model, char *out);
/* Reports the path of a model's method, such as ":generateContent". MG_ERROR: the name is empty or too long. */
mg_status google_model_path(const google_target *t, mg_str model, const char *method, const mg_provider_out *out,
                            mg_error *error);

/* ---- requests ---------------------------------------------------------------------------------------------------- */

typedef struct google_encoder {
    const mg_host *h;
    const google_target *target;
    const mg_provider_request *r;
    const mg_provider_out *out;
    mg_error *error;
    google_thinking thinking;
} google_encoder;

static inline void put(const google_encoder *e, mg_str bytes) { e->out->write(e->out->ctx, bytes); }
static inline void put_text(const google_encoder *e, mg_str text) { e->out->text(e->out->ctx, text); }
#define PUT(e, literal) put(e, STR(literal))
/* The value as it stands in the request. */
void put_raw(const google_encoder *e, const mg_json *v);
/* Reports what is left out: a name as printf makes it. */
void google_drop(const google_encoder *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Reports each member of the object, null ones aside, that `known` (ends with NULL) does not name. */
void google_drop_others(const google_encoder *e, const mg_json *object, const char *const *known, const char *where);

mg_status google_encode(const google_encoder *e); /* (encode.c) from the canonical form */
mg_status google_native(const google_encoder *e); /* (native.c) from Gemini's own */
mg_status google_contents(const google_encoder *e); /* (contents.c) "contents" and "systemInstruction" */
mg_status google_tools(const google_encoder *e); /* (tools.c) ,"tools" and ,"toolConfig" */
mg_status google_generation(const google_encoder *e); /* (generation.c) ,"generationConfig" */
mg_status google_embeddings(const google_encoder *e); /* (embeddings.c) path and body */
/* (encode.c) "safetySettings" as the settings say it; nothing without any. */
void google_safety(const google_target *t, google_buf *out);

/* (media.c) A part of a message that is no text, as `{"inlineData":…}` or `{"fileData":…}`. `where` names it for
 * errors. */
mg_status google_media(const google_encoder *e, const mg_json *part, const char *where);

/* ---- answers ----------------------------------------------------------------------------------------------------- */

enum { GOOGLE_MAP_BYTES = 3072 };

/* A call whose arguments come in pieces. */
typedef struct google_partial {
    bool open;
    bool in_string; /* the value is a text that goes on */
    uint16_t path_n; /* of path; 0: no value came yet */
    int64_t index, choice;
    char path[512]; /* where the last value stands, without the `$` */
} google_partial;

/* What is remembered from frame to frame of an answer. */
typedef struct google_state {
    bool met; /* seed is set, and the answer's id reported */
    bool content; /* something of an answer was reported */
    uint8_t last; /* mg_event_type of the last block */
    uint64_t seed; /* makes call ids of this answer unlike those of others */
    int64_t calls; /* reported so far, over all choices */
    uint64_t with_calls; /* a bit for each choice that made some */
    google_partial partial;
    uint64_t text; /* bytes of choice 0's text so far */
    uint8_t map[GOOGLE_MAP_BYTES]; /* a bit for each of these bytes, 1: inside a character */
} google_state;
_Static_assert(sizeof(google_state) <= 4096, "the host keeps no more of an answer");

typedef struct google_decoder {
    const mg_host *h;
    const mg_frame *frame;
    const mg_sink *sink;
    google_state *state;
    bool failed; /* memory ran out */
} google_decoder;

static inline void google_emit(const google_decoder *d, mg_event event) {
    event.size = sizeof event;
    d->sink->emit(d->sink->ctx, &event);
}
/* The value's source text. */
mg_str google_source(const google_decoder *d, const mg_json *v);
/* (decode.c) mg_provider.decode. */
mg_status google_decode(const mg_host *h, const mg_frame *frame, const mg_sink *sink, mg_error *error);
/* (usage.c) Takes up what usageMetadata says and reports it. */
void google_usage(const google_decoder *d, const mg_json *usage, bool alone);
/* (citation.c) Reports a candidate's sources. */
void google_citations(google_decoder *d, const mg_json *candidate, int64_t choice);
/* (partial.c) A call that `functionCall` begins, goes on with, or that ends, whether the vendor said so or not. */
void google_partial_begin(google_decoder *d, const mg_json *call, int64_t index, int64_t choice);
void google_partial_add(google_decoder *d, const mg_json *call);
void google_partial_end(google_decoder *d);
/* (logprobs.c) */
void google_logprobs(google_decoder *d, const mg_json *result, int64_t choice);
void google_embeddings_decode(const google_decoder *d, const mg_json *root);
/* (classify.c) mg_provider.classify. */
void google_classify(const mg_host *h, const mg_frame *frame, const mg_header *headers, size_t n_headers,
                     mg_classification *out);

/* ---- credentials (credentials.c) --------------------------------------------------------------------------------- */

typedef struct google_credentials google_credentials; /* a service account; opaque, shared by threads */

/* From the account's JSON text. NULL and an error without any secret. */
google_credentials *google_credentials_create(mg_str json, mg_error *error);
void google_credentials_destroy(google_credentials *c); /* NULL is fine */
mg_status google_credentials_ask(const google_credentials *c, int64_t now_s, const mg_provider_out *out,
                                 mg_error *error);
mg_status google_credentials_read(const mg_host *h, const mg_frame *frame, mg_str *token, int64_t *lifetime_s,
                                  mg_error *error);

#endif
