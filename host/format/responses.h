/* OpenAI's responses: what the files of this format share. */
#ifndef MG_FORMAT_RESPONSES_H
#define MG_FORMAT_RESPONSES_H

#include "format/openai.h"

/* ---- requests ---------------------------------------------------------------------------------------------------- */

mg_status mg_responses_check(mg_operation op, const mg_json *root, mg_error *error);
void mg_responses_read(mg_operation op, const mg_json *root, mg_facts *out);
void mg_responses_parts(mg_operation op, const mg_json *root, mg_part_sink *take, void *arg);

mg_status mg_responses_set_system(const mg_draft *d, mg_str text, mg_error *error);
mg_status mg_responses_set_max_output(const mg_draft *d, int64_t tokens, mg_error *error);
mg_status mg_responses_set_param(const mg_draft *d, mg_str key, mg_str json, mg_error *error);
const mg_json *mg_responses_param(const mg_json *root, mg_str key);
mg_status mg_responses_add_message(const mg_draft *d, mg_str role, mg_str text, mg_error *error);
mg_status mg_responses_remove_tool(const mg_draft *d, mg_str name, mg_error *error);

/* A request on its way into the canonical form. */
typedef struct mg_canon {
    mg_str source;
    mg_buf *out;
    void (*drop)(void *arg, mg_str member);
    void *arg;
    mg_error *error;
} mg_canon;

mg_status mg_responses_canonical(mg_operation op, const mg_json *root, mg_str source, mg_str model, bool stream,
                                 mg_buf *out, void (*drop)(void *arg, mg_str member), void *arg, mg_error *error);
/* "messages":[…] out of instructions and input. */
mg_status mg_responses_messages(const mg_canon *c, const mg_json *root);
void mg_responses_drop(const mg_canon *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A value as it stands in the text that it was parsed from. */
static inline mg_str mg_responses_raw(mg_str source, const mg_json *v) {
    return mg_str_from(source.p + v->src, v->src_end - v->src);
}
static inline const mg_json *mg_responses_first(const mg_json *list) {
    return mg_json_kind(list) == MG_JSON_ARRAY ? list->child : NULL;
}

/* ---- marks: what a vendor wants back, carried through the client in encrypted_content ---------------------------- */

/* "moongate:VENDOR:KIND:DATA"; OpenAI's own reasoning stays as OpenAI wrote it. */
typedef enum mg_mark_kind {
    MG_MARK_SIGNATURE, /* of the reasoning item that bears it */
    MG_MARK_REDACTED, /* the reasoning itself, unreadable */
    MG_MARK_BEFORE /* of the item that stands before: text or a call */
} mg_mark_kind;

typedef struct mg_mark {
    mg_mark_kind kind;
    mg_str vendor, data;
} mg_mark;

void mg_responses_mark_write(const mg_mark *m, mg_buf *out); /* a JSON string */
/* False: it begins like a mark of ours, but is none. */
bool mg_responses_mark_read(mg_str text, mg_mark *out);

/* ---- answers ----------------------------------------------------------------------------------------------------- */

typedef enum mg_response_status {
    MG_RESPONSE_IN_PROGRESS, /* without output and usage */
    MG_RESPONSE_ENDED, /* completed or incomplete, as the reply says */
    MG_RESPONSE_FAILED
} mg_response_status;

/* The response object; `fault` where it failed. */
void mg_responses_write(const mg_reply *r, mg_response_status status, const mg_fault *fault, mg_buf *out);
void mg_responses_plain(const mg_reply *r, mg_buf *out);
/* Why the answer is cut short, as incomplete_details.reason says it; NULL: it is not. */
const char *mg_responses_cut(const mg_reply *r);

/* What stands for a block in `output`. */
typedef enum mg_item_kind {
    MG_ITEM_NONE,
    MG_ITEM_TEXT,
    MG_ITEM_REFUSAL,
    MG_ITEM_REASONING, /* redacted too */
    MG_ITEM_FUNCTION,
    MG_ITEM_CUSTOM,
    MG_ITEM_IMAGE,
    MG_ITEM_VENDOR /* an item of OpenAI's, as it came */
} mg_item_kind;

typedef enum mg_item_phase { MG_ITEM_ADDED, MG_ITEM_COMPLETED, MG_ITEM_INCOMPLETE } mg_item_phase;

/* What was being written when an answer was cut is its last block, unless a signature says that it is whole. */
mg_item_phase mg_responses_phase(const mg_block *b, bool cut);
mg_item_kind mg_responses_item_kind(const mg_reply *r, const mg_block *b);
void mg_responses_item(const mg_reply *r, const mg_block *b, int64_t index, mg_item_phase phase, mg_buf *out);
void mg_responses_item_id(const mg_reply *r, mg_item_kind kind, int64_t index, mg_buf *out); /* quoted */
/* The element of a message's content; ADDED: still empty. */
void mg_responses_content(const mg_reply *r, const mg_block *b, mg_item_phase phase, mg_buf *out);
mg_str mg_responses_text(const mg_block *b);
/* For a call of a vendor without ids: the client needs one to answer to. In the reply's arena. */
mg_str mg_responses_call_id(const mg_reply *r, int64_t index);
/* The call's arguments: "{}" where a function got none. */
mg_str mg_responses_arguments(const mg_block *b, mg_item_kind kind);
/* A block's signature that has no place in its item becomes an item of its own, which follows it. */
bool mg_responses_has_mark(const mg_block *b, mg_item_kind kind);
void mg_responses_mark_item(const mg_reply *r, const mg_block *b, int64_t index, mg_buf *out);

/* A reply does not say which text its log probabilities belong to: the first has them all. */
void mg_responses_text_logprobs(const mg_reply *r, const mg_block *text, mg_buf *out);
/* `list` is a JSON list as in chat's logprobs.content; what is no such list becomes []. */
void mg_responses_logprobs(const mg_reply *r, mg_str list, mg_buf *out);
/* An annotation in this format's shape; false: it has none, and nothing was written. */
bool mg_responses_annotation(const mg_reply *r, mg_str json, mg_buf *out);
/* Parses what a vendor said, for as long as the reply's arena; NULL if it is not JSON. */
const mg_json *mg_responses_parse(const mg_reply *r, mg_str json);
/* A value without the text that it was parsed from. */
void mg_responses_tree(const mg_json *v, mg_buf *out);
/* The members of the response that repeat the request, each with a comma before it. */
void mg_responses_echo(const mg_json *request, mg_buf *out);

enum { MG_RESPONSES_STREAM_STATE = 64 };
void mg_responses_open(mg_stream *s);
void mg_responses_event(mg_stream *s, const mg_event *e);
void mg_responses_close(mg_stream *s);
void mg_responses_error_frames(mg_stream *s, const mg_fault *f);

#endif
