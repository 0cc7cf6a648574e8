/* Token counting. Now by estimate: bytes, letters, digits and non-Latin scripts weighted; docs say how far it is off. */
#ifndef MG_GATEWAY_TOKENS_H
#define MG_GATEWAY_TOKENS_H

#include "base/json.h"

/* Estimated tokens of a text for a model's family ("" = o200k_base). Measured error stands at the function. */
int64_t mg_tokens_estimate(mg_str text, mg_str model);
/* Estimated input tokens of a chat or embeddings request: texts, tool definitions, per-message overhead, images. */
int64_t mg_tokens_request(const mg_json *root, mg_str model);
/* What no tokenizer exceeds: a bound that is proven from bytes (a token is at least one byte), plus images and overhead. */
int64_t mg_tokens_bound(const mg_json *root, size_t body_bytes);

#endif
