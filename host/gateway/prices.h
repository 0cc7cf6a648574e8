/* Model prices: nano-dollars per million tokens, by class. The built-in table is prices.tsv, embedded when building. */
#ifndef MG_GATEWAY_PRICES_H
#define MG_GATEWAY_PRICES_H

#include "base/money.h"
#include "base/str.h"

typedef struct mg_price {
    mg_str provider; /* vendor: openai, anthropic, google, azure, demo */
    mg_str model;
    mg_str mode; /* chat, embedding, moderation, … */
    int64_t input, output; /* per million tokens; -1: not charged by token */
    int64_t cached; /* input read from the vendor's cache; -1: as input */
    int64_t cache_write; /* -1: as input */
    int64_t audio_input, audio_output; /* -1: as input / output */
    int64_t context, max_output; /* tokens; 0: not known */
    bool tools, vision;
    /* A request with more than long_above input tokens is charged at these as a whole; 0: there is no such step. The
     * same -1 as above, `long_input` standing for `input`. */
    int64_t long_above, long_input, long_output, long_cached, long_cache_write;
} mg_price;

typedef struct mg_prices mg_prices; /* immutable */

/* The table that was built in; its date is mg_prices_date. Never NULL; freed by nobody. */
const mg_prices *mg_prices_builtin(void);
mg_str mg_prices_date(const mg_prices *p);
size_t mg_prices_count(const mg_prices *p);
const mg_price *mg_prices_at(const mg_prices *p, size_t i);
/* The price of a vendor's model. A name that is not listed falls back: a dated or versioned one ("gpt-4o-2024-08-06",
 * "claude-3-7-sonnet-latest", "gemini-2.0-flash-001") to the bare one, a fine-tuned one
 * ("ft:gpt-4o-2024-08-06:acme::1") to its base's. "models/" in front is dropped; the vendor "gemini" is google.
 * `vendor` "" asks all. NULL: not known, which never means free. */
const mg_price *mg_prices_find(const mg_prices *p, mg_str vendor, mg_str model);
/* What the usage costs, rounded up once, to the nano-dollar. Saturates. Classes that exceed the input they are part of
 * are charged in full; negative counts are 0. */
int64_t mg_price_cost(const mg_price *price, const mg_usage *usage);

/* A table from text in the format of prices.tsv; the text is borrowed as long as the table lives. MG_ERROR names the
 * line. Destroyed with mg_prices_destroy (NULL is fine), the built-in one never. */
mg_prices *mg_prices_parse(mg_str text, mg_error *error);
void mg_prices_destroy(mg_prices *p);

#endif
