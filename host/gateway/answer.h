/* The answer to the client: headers, plain bodies, streams. */
#ifndef MG_GATEWAY_ANSWER_H
#define MG_GATEWAY_ANSWER_H

#include "gateway/attempt.h"

/* Begins the stream to the client, once. */
void mg_answer_commit(mg_request *r);
/* Decodes a whole plain answer: usage, ids, texts. MG_ERROR: it is not what the format says. */
mg_status mg_answer_decode(mg_attempt *a, mg_error *error);
/* Whether any policy wants to see the answer. */
bool mg_reply_asked(const mg_request *r);
/* Number of choices whose text a reply policy may see; text of choice i. */
size_t mg_answer_choices(const mg_attempt *a);
mg_str mg_answer_text(const mg_attempt *a, size_t i);
void mg_answer_replace_text(mg_attempt *a, size_t i, mg_str text);
/* Sends the first n bytes of what is held for the client. */
void mg_answer_release(mg_attempt *a, size_t n);
/* The plain body as it now is. */
mg_str mg_answer_body(mg_attempt *a);
/* An ordinary answer that a policy gives instead of a model, in the client's format: plain or as frames. */
mg_str mg_answer_synthesize(mg_request *r, mg_str text, mg_str finish_reason);
/* What ends a stream with an error, in the client's format. */
mg_str mg_answer_error_frames(mg_request *r, const mg_fault *fault);
/* Content type of a stream. */
mg_str mg_answer_stream_type(const mg_request *r);
/* Headers of every answer: ids, provider, cost, limits. Room for MG_ANSWER_HEADERS. */
enum { MG_ANSWER_HEADERS = 24 };
size_t mg_answer_headers(mg_request *r, mg_str content_type, bool with_cost, mg_header *out);

#endif
