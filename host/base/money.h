/* Money is an integer number of nano-dollars (1e-9 USD). */
#ifndef MG_BASE_MONEY_H
#define MG_BASE_MONEY_H

#include "base/str.h"

#define MG_NANO_PER_USD 1000000000LL

/* "12.5" to nano-dollars; digits beyond the ninth are rounded up. False on anything that is not a plain decimal. */
bool mg_money_parse(mg_str text, int64_t *nano);
/* A Lua or C number of dollars, rounded up to the next nano-dollar; saturates; NaN is 0. */
int64_t mg_money_from_usd(double usd);
double mg_money_to_usd(int64_t nano);
/* Shortest exact decimal: "0.0000375", "12.5", "0"; out takes at least 32 bytes. */
void mg_money_format(int64_t nano, char out[32]);
/* a + b, a × b with saturation at INT64_MAX / INT64_MIN. */
int64_t mg_money_add(int64_t a, int64_t b);
int64_t mg_money_mul(int64_t a, int64_t b);

#endif
