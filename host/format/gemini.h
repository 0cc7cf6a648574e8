/* Gemini's generateContent: what its parts in this folder share. */
#ifndef MG_FORMAT_GEMINI_H
#define MG_FORMAT_GEMINI_H

#include "format/format.h"

/* ---- reading ------------------------------------------------------------------------------------------------------- */
/* The API takes JSON as protocol buffers do: a field by its camelCase or its snake_case name, null for an absent one, an
 * enumeration by name or number, an integer as a string too, and one value where a list is due. */

/* True if the key names the field, given in camelCase. */
bool mg_gemini_named(mg_str key, const char *field);
const mg_json *mg_gemini_member(const mg_json *object, const char *field); /* null included; NULL: there is none */
const mg_json *mg_gemini_get(const mg_json *object, const char *field); /* null counts as absent */
mg_str mg_gemini_text(const mg_json *object, const char *field); /* a string's text, or {NULL, 0} */
bool mg_gemini_bool(const mg_json *object, const char *field);
int64_t mg_gemini_int(const mg_json *v, int64_t otherwise); /* a number, or one in a string */
/* The name of an enumeration's value: as it stands, or names[number]; "" if it is neither. */
mg_str mg_gemini_enum(const mg_json *v, const char *const *names, size_t n);

/* The values of a repeated field: for (v = mg_gemini_first(list); v; v = mg_gemini_next(list, v)). */
static inline const mg_json *mg_gemini_first(const mg_json *list) {
    if (mg_json_kind(list) == MG_JSON_NULL) return NULL;
    return list->type == MG_JSON_ARRAY ? list->child : list;
}
static inline const mg_json *mg_gemini_next(const mg_json *list, const mg_json *v) {
    return list->type == MG_JSON_ARRAY ? v->next : NULL;
}

/* The generateContent request inside a body: countTokens may wrap it. */
const mg_json *mg_gemini_request(mg_operation op, const mg_json *root);

/* ---- writing ------------------------------------------------------------------------------------------------------- */

void mg_gemini_comma(mg_buf *b); /* unless an object, a list or a member has just begun */
void mg_gemini_key(mg_buf *b, const char *name); /* a comma if needed, the name and the colon */
void mg_gemini_pair(mg_buf *b, const char *name, mg_str text);
void mg_gemini_pair_int(mg_buf *b, const char *name, int64_t n);
/* JSON as it came, on one line: line breaks in it would end an event of a stream. */
void mg_gemini_raw(mg_buf *b, mg_str json);
static inline mg_str mg_gemini_source(mg_str source, const mg_json *v) {
    return mg_str_from(source.p + v->src, v->src_end - v->src);
}

/* ---- signatures ---------------------------------------------------------------------------------------------------- */
/* Clients hand back a part's thoughtSignature unread, so what other vendors want back travels in it: base64 of
 * "moongate:VENDOR:SIGNATURE", or "moongate-redacted:VENDOR:DATA" for reasoning that only VENDOR can read. */

typedef struct mg_gemini_signature {
    mg_str vendor; /* "" if there was none */
    mg_str text;
    bool redacted;
} mg_gemini_signature;

/* Adds the member thoughtSignature; nothing if the signature is empty. */
void mg_gemini_signature_write(mg_buf *b, const mg_gemini_signature *s);
/* Takes it apart; what lives longer than `text` lives in the arena. */
mg_gemini_signature mg_gemini_signature_read(mg_arena *arena, mg_str text);

/* ---- sources of an answer ------------------------------------------------------------------------------------------- */

typedef struct mg_gemini_run {
    size_t character, byte; /* where it begins */
    unsigned width; /* bytes of each character */
} mg_gemini_run;

/* The sources of one candidate. Zeroed, with an arena, it is ready for use. */
typedef struct mg_gemini_grounding {
    mg_arena *arena;
    mg_note *chunks, **chunks_tail, *supports, **supports_tail, *sources, **sources_tail;
    mg_note *read, **read_tail; /* addresses that the model read */
    mg_str whole; /* a groundingMetadata of Gemini's own */
    mg_str urls[64]; /* of the first chunks */
    size_t n_chunks;
    mg_gemini_run *runs; /* where characters stand in the text: Gemini counts bytes, OpenAI characters */
    size_t n_runs, cap_runs, characters, bytes;
} mg_gemini_grounding;

void mg_gemini_grounding_text(mg_gemini_grounding *g, mg_str text); /* more of the candidate's text */
void mg_gemini_grounding_add(mg_gemini_grounding *g, mg_str citation); /* the text of an MG_EVENT_CITATION */
void mg_gemini_grounding_write(const mg_gemini_grounding *g, mg_buf *b); /* the candidate's members */

/* ---- answers --------------------------------------------------------------------------------------------------------- */

/* Adds a block's part to a list of parts. False: a call whose arguments are no JSON object, which the API never shows:
 * nothing was added. */
bool mg_gemini_block(mg_buf *b, const mg_block *block);
void mg_gemini_text_part(mg_buf *b, mg_str text, bool thought, const mg_gemini_signature *signature);

typedef struct mg_gemini_logprobs {
    double sum;
    int64_t n;
} mg_gemini_logprobs;

typedef struct mg_gemini_ending {
    mg_str reason, vendor_reason;
    const mg_block *malformed; /* the first call that was not written, or NULL */
} mg_gemini_ending;

void mg_gemini_finish(mg_buf *b, const mg_gemini_ending *e); /* finishReason and finishMessage */
void mg_gemini_logprobs_write(mg_buf *b, mg_str elements, mg_gemini_logprobs *sum); /* logprobsResult */
void mg_gemini_average(mg_buf *b, const mg_gemini_logprobs *sum);
void mg_gemini_blocked(mg_buf *b, mg_str vendor_reason, mg_str message); /* promptFeedback */
void mg_gemini_usage(mg_buf *b, const mg_reply *r); /* usageMetadata, if it is known */
void mg_gemini_origin(mg_buf *b, const mg_reply *r); /* modelVersion and responseId */
void mg_gemini_error(const mg_fault *f, mg_buf *out);

/* ---- the canonical form ------------------------------------------------------------------------------------------------ */

typedef struct mg_gemini_canon {
    mg_arena *arena; /* until the request is written */
    mg_str source;
    mg_buf *out;
    void (*drop)(void *arg, mg_str member);
    void *arg;
    mg_error *error;
} mg_gemini_canon;

void mg_gemini_drop(const mg_gemini_canon *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
mg_status mg_gemini_messages(const mg_gemini_canon *c, const mg_json *request);
/* An image, a recording or a file (inlineData, fileData) as a content part; nothing for other parts. */
bool mg_gemini_media(const mg_gemini_canon *c, mg_buf *b, const mg_json *part);
mg_status mg_gemini_tools(const mg_gemini_canon *c, const mg_json *request);
/* A Schema of the API's as a JSON Schema. */
void mg_gemini_schema(const mg_gemini_canon *c, mg_buf *b, const mg_json *schema);
mg_status mg_gemini_config(const mg_gemini_canon *c, const mg_json *config);

/* ---- the functions of the table ------------------------------------------------------------------------------------------ */

mg_status mg_gemini_check(mg_operation op, const mg_json *root, mg_error *error);
void mg_gemini_read(mg_operation op, const mg_json *root, mg_facts *out);
void mg_gemini_parts(mg_operation op, const mg_json *root, mg_part_sink *take, void *arg);
mg_status mg_gemini_set_system(const mg_draft *d, mg_str text, mg_error *error);
mg_status mg_gemini_set_max_output(const mg_draft *d, int64_t tokens, mg_error *error);
mg_status mg_gemini_set_param(const mg_draft *d, mg_str key, mg_str json, mg_error *error);
const mg_json *mg_gemini_param(const mg_json *root, mg_str key);
mg_status mg_gemini_add_message(const mg_draft *d, mg_str role, mg_str text, mg_error *error);
mg_status mg_gemini_remove_tool(const mg_draft *d, mg_str name, mg_error *error);
mg_status mg_gemini_canonical(mg_operation op, const mg_json *root, mg_str source, mg_str model, bool stream,
                              mg_buf *out, void (*drop)(void *arg, mg_str member), void *arg, mg_error *error);
void mg_gemini_plain(const mg_reply *r, mg_buf *out);
enum { MG_GEMINI_STREAM_STATE = (MG_REPLY_CHOICES + 2) * sizeof(void *) };
void mg_gemini_event(mg_stream *s, const mg_event *e);
void mg_gemini_close(mg_stream *s);
void mg_gemini_error_frames(mg_stream *s, const mg_fault *f);

#endif
