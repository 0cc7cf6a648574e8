/* OpenAI's chat completions, embeddings and moderations: the format that is also the canonical form. */
#ifndef MG_FORMAT_OPENAI_H
#define MG_FORMAT_OPENAI_H

#include "format/format.h"

mg_status mg_openai_check(mg_operation op, const mg_json *root, mg_error *error);
void mg_openai_read(mg_operation op, const mg_json *root, mg_facts *out);
void mg_openai_parts(mg_operation op, const mg_json *root, mg_part_sink *take, void *arg);

mg_status mg_openai_set_system(const mg_draft *d, mg_str text, mg_error *error);
mg_status mg_openai_set_max_output(const mg_draft *d, int64_t tokens, mg_error *error);
mg_status mg_openai_set_param(const mg_draft *d, mg_str key, mg_str json, mg_error *error);
const mg_json *mg_openai_param(const mg_json *root, mg_str key);
mg_status mg_openai_add_message(const mg_draft *d, mg_str role, mg_str text, mg_error *error);
mg_status mg_openai_remove_tool(const mg_draft *d, mg_str name, mg_error *error);

void mg_openai_plain(const mg_reply *r, mg_buf *out);
enum { MG_OPENAI_STREAM_STATE = 256 };
void mg_openai_open(mg_stream *s);
void mg_openai_event(mg_stream *s, const mg_event *e);
void mg_openai_close(mg_stream *s);

/* Errors and lists of models are the same in OpenAI's responses. */
void mg_openai_error(const mg_fault *f, mg_buf *out);
void mg_openai_error_frames(mg_stream *s, const mg_fault *f);
void mg_openai_models(const mg_model_row *rows, size_t n, mg_buf *out);
void mg_openai_model(const mg_model_row *row, mg_buf *out);

/* A JSON value's text for an edit, in its arena. */
mg_str mg_format_quoted(mg_arena *arena, mg_str text);
/* A vector, given as a JSON list of numbers or as base64 of little-endian floats, in the form that is wanted: without quotes.
 * False: it is neither. */
bool mg_format_vector(mg_str vector, bool base64, mg_buf *out);

#endif
