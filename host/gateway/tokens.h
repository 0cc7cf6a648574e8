/* Token counting by estimate: words, digits and signs by script, weighted. gateway/tokens.c says how far it is off. */
#ifndef MG_GATEWAY_TOKENS_H
#define MG_GATEWAY_TOKENS_H

#include "base/json.h"

/* Estimated tokens of a text for a model's family: cl100k_base for gpt-4, gpt-3.5 and OpenAI's embeddings, else
 * o200k_base (also for other vendors, whose vocabularies are not public). At least 1 for a text that is not empty. */
int64_t mg_tokens_estimate(mg_str text, mg_str model);
/* Estimated input tokens of a chat, responses, embeddings or moderations request: texts, tool definitions, per-message
 * overhead, images (85 with detail "low", else 1,105), audio and files by their size. Lists of token numbers are
 * exact. */
int64_t mg_tokens_request(const mg_json *root, mg_str model);
/* What no tokenizer exceeds: a bound that is proven from bytes (a token is at least one byte of its text, and JSON
 * never writes a text in fewer bytes), plus the most that any vendor counts for an image, and a whole context window
 * for each file, whose content need not be in the body. */
int64_t mg_tokens_bound(const mg_json *root, size_t body_bytes);

#endif
