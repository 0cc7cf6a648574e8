/* How long to wait before a retry: exponential backoff with jitter, and what the vendor asked for.
 *
 * The formulas are those of M. Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015); attempts
 * count from 0:
 *   full:          random(0, min(cap, base × 2^attempt))
 *   equal:         t/2 + random(0, t/2), t = min(cap, base × 2^attempt)
 *   decorrelated:  min(cap, random(base, 3 × the wait before)), beginning with base
 * random(a, b) is uniform over a, …, b. Everything here is pure: the randomness is the caller's. */
#ifndef MG_GATEWAY_BACKOFF_H
#define MG_GATEWAY_BACKOFF_H

#include "base/str.h"

/* SplitMix64 (Steele, Lea, Flood 2014): the same seed gives the same numbers. For spreading, not for secrets. */
typedef struct mg_prng {
    uint64_t state; /* the seed */
} mg_prng;
uint64_t mg_prng_next(mg_prng *r);
/* Uniform over least, …, most, up to a bias below 2^-32 for ranges below 2^32; most ≥ least. */
uint64_t mg_prng_between(mg_prng *r, uint64_t least, uint64_t most);

typedef enum mg_jitter { MG_JITTER_FULL, MG_JITTER_EQUAL, MG_JITTER_DECORRELATED, MG_JITTER_NONE } mg_jitter;
/* "full", "equal", "decorrelated", "none"; false on anything else. */
bool mg_jitter_parse(mg_str name, mg_jitter *out);

typedef struct mg_backoff_settings {
    uint64_t base_ms, cap_ms; /* each counts as at most 1 h; cap_ms below base_ms counts as base_ms */
    mg_jitter jitter;
} mg_backoff_settings;
#define MG_BACKOFF_DEFAULTS ((mg_backoff_settings){.base_ms = 250, .cap_ms = 8000, .jitter = MG_JITTER_FULL})

/* Of one request's retries. Zeroed: none yet. */
typedef struct mg_backoff {
    uint32_t attempt;
    uint64_t last_ms; /* the wait before; for decorrelated */
} mg_backoff;

/* The next wait in ms, by the formulas alone. */
uint64_t mg_backoff_delay(mg_backoff *b, const mg_backoff_settings *s, mg_prng *r);
/* Together with the vendor's retry-after (ms; -1: none) and what is left of the request's total time (UINT64_MAX: no
 * limit). A retry-after is obeyed: the wait is that, and up to base_ms more as far as the time allows, so that those
 * who wait for the same moment do not come back at once. False: no retry, since no time would be left behind the
 * wait. */
bool mg_backoff_next(mg_backoff *b, const mg_backoff_settings *s, int64_t retry_after_ms, uint64_t left_ms, mg_prng *r,
                     uint64_t *delay_ms);

#endif
