/* What the parts of the bedrock provider share. */
#ifndef MG_PLUGINS_BEDROCK_H
#define MG_PLUGINS_BEDROCK_H

#include <moongate/plugin.h>

/* What Claude takes is the same wherever it runs: anthropic_model_of, and the reading of texts inside texts. */
#include "../provider_anthropic/anthropic.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A member that is there and not null. */
static inline const mg_json *bedrock_get(const mg_host *h, const mg_json *object, const char *key) {
    const mg_json *v = h->json_get(object, str_of(key));
    return v && h->json_type(v) != MG_JSON_NULL ? v : NULL;
}
static inline mg_str bedrock_text(const mg_host *h, const mg_json *object, const char *key) {
    return h->json_str(bedrock_get(h, object, key));
}
static inline bool bedrock_is(const mg_host *h, const mg_json *v, mg_json_type type) {
    return v && h->json_type(v) == type;
}
/* ASCII letters in either case. */
bool bedrock_says(mg_str text, const char *part);

/* Fills an error and returns MG_ERROR. */
mg_status bedrock_fail(mg_error *error, int http, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- models (model.c) -------------------------------------------------------------------------------------------- */

typedef enum bedrock_maker {
    MAKER_OTHER, /* or not to be seen in the name: an application inference profile, an imported model */
    MAKER_CLAUDE,
    MAKER_NOVA,
    MAKER_NOVA_2,
    MAKER_OPENAI,
    MAKER_MISTRAL,
    MAKER_COHERE
} bedrock_maker;

typedef struct bedrock_model {
    bedrock_maker maker;
    anthropic_model claude; /* MAKER_CLAUDE */
    bool cache_points; /* in messages and the system prompt */
    bool cache_tools, cache_ttl;
} bedrock_model;

/* Read out of the model's id, its inference profile's ("us.anthropic.claude-…") or its ARN. */
bedrock_model bedrock_model_of(mg_str id);

/* ---- requests ---------------------------------------------------------------------------------------------------- */

/* What the settings say of them; strings are borrowed. */
typedef struct bedrock_quirks {
    const mg_str *drop; /* members to leave out: "serviceTier", "inferenceConfig.topP" */
    size_t n_drop;
} bedrock_quirks;

/* Writes path and body of MG_OP_CHAT or MG_OP_COUNT_TOKENS. MG_ERROR: 400 and a sentence. */
mg_status bedrock_encode(const mg_host *h, const bedrock_quirks *quirks, const mg_provider_request *request,
                         const mg_provider_out *out, mg_error *error);

/* ---- answers ----------------------------------------------------------------------------------------------------- */

enum { BEDROCK_BLOCKS = 32 };

/* A call of a stream whose block has begun and not ended. */
typedef struct bedrock_call {
    int64_t block;
    int64_t index; /* among the calls */
    bool open, said;
} bedrock_call;

/* Of a stream, from frame to frame. */
typedef struct bedrock_state {
    int64_t n_calls;
    bedrock_call calls[BEDROCK_BLOCKS];
    size_t next; /* whose place is taken when all are open */
} bedrock_state;

/* mg_provider.decode and mg_provider.classify, with the host in place of `self`. */
mg_status bedrock_decode(const mg_host *h, const mg_frame *frame, const mg_sink *sink, mg_error *error);
void bedrock_classify(const mg_host *h, const mg_frame *frame, const mg_header *headers, size_t n_headers,
                      mg_classification *out);

#endif
