/* Model prices: nano-dollars per million tokens, by class. */
#ifndef MG_GATEWAY_PRICES_H
#define MG_GATEWAY_PRICES_H

#include "base/money.h"
#include "base/str.h"

typedef struct mg_price {
    mg_str provider; /* vendor: openai, anthropic, google, azure */
    mg_str model;
    mg_str mode;     /* chat, embedding, moderation, … */
    int64_t input, output;      /* per million tokens; -1: not charged by token */
    int64_t cached;             /* input read from the vendor's cache; -1: as input */
    int64_t cache_write;        /* -1: as input */
    int64_t audio_input, audio_output; /* -1: as input / output */
    int64_t context, max_output; /* tokens; 0: not known */
    bool tools, vision;
} mg_price;

typedef struct mg_prices mg_prices; /* immutable */

/* The table that was built in; its date is mg_prices_date. Never NULL; freed by nobody. */
const mg_prices *mg_prices_builtin(void);
mg_str mg_prices_date(const mg_prices *p);
size_t mg_prices_count(const mg_prices *p);
const mg_price *mg_prices_at(const mg_prices *p, size_t i);
/* The price of a vendor's model. A dated name ("gpt-4o-2024-08-06") falls back to the undated one. `vendor` "" asks all. NULL:
 * not known, which never means free. */
const mg_price *mg_prices_find(const mg_prices *p, mg_str vendor, mg_str model);
/* What the usage costs, rounded up once, to the nano-dollar. Saturates. */
int64_t mg_price_cost(const mg_price *price, const mg_usage *usage);

#endif
