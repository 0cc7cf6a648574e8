/* Token counts: exact by the model's vocabulary (base/bpe.h) where its vendor has published it, else estimates from
 * words, digits and signs by script, weighted; gateway/tokens.c says how far they are off. */
#ifndef MG_GATEWAY_TOKENS_H
#define MG_GATEWAY_TOKENS_H

#include "base/bpe.h"
#include "base/json.h"

/* The vocabulary of a model: OpenAI's, on Azure or elsewhere, fine-tuned or not ("azure/gpt-4o", "ft:gpt-4o:acme::1"),
 * as tiktoken maps them. False: its vendor has not published it, or it is not known. */
bool mg_tokens_encoding(mg_str model, mg_bpe_encoding *e);
/* What a model is called without its provider and tuning: "azure/gpt-4o" and "ft:gpt-4o:acme::1" are gpt-4o. */
mg_str mg_tokens_family(mg_str model);
/* The same, mapped at the first call; NULL also where the program comes without vocabularies. */
const mg_bpe *mg_tokens_vocabulary(mg_str model);
/* Tokens of a text: exact, at 10 to 30 ns per byte, if *exact, else estimated. On an event loop not for more than 64 KB
 * at once: mg_bpe_encode_some goes in steps. */
int64_t mg_tokens_count(mg_str text, mg_str model, bool *exact);

/* Estimated tokens of a text for a model's family: cl100k_base for gpt-4, gpt-3.5 and OpenAI's embeddings, else
 * o200k_base (also for other vendors, whose vocabularies are not public). At least 1 for a text that is not empty. */
int64_t mg_tokens_estimate(mg_str text, mg_str model);
/* Estimated input tokens of a chat, responses, embeddings or moderations request: texts, tool definitions, per-message
 * overhead, images (85 with detail "low", else 1,105), audio and files by their size. Lists of token numbers are
 * exact. */
int64_t mg_tokens_request(const mg_json *root, mg_str model);
/* The same with texts counted by the vocabulary if *exact: what an estimate of them is off by is gone, and what
 * encloses them is as before. */
int64_t mg_tokens_request_exact(const mg_json *root, mg_str model, bool *exact);
/* What no tokenizer exceeds: a bound that is proven from bytes (a token is at least one byte of its text, and JSON
 * never writes a text in fewer bytes), plus the most that any vendor counts for an image, and a whole context window
 * for each file, whose content need not be in the body. */
int64_t mg_tokens_bound(const mg_json *root, size_t body_bytes);

#endif
