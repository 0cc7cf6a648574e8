/* How a request is brought to an answer: which target first, how often, how long, and what may be done meanwhile. From the
 * configuration, changed by policies (targets{…}). */
#ifndef MG_GATEWAY_ROUTING_H
#define MG_GATEWAY_ROUTING_H

#include "gateway/backoff.h"
#include "gateway/circuit.h"
#include "gateway/hedge.h"
#include "gateway/snapshot.h"

typedef struct mg_routing {
    mg_strategy strategy; /* of the list; groups have their own */
    int max_retries; /* further attempts at the same target */
    uint32_t retry_on; /* 1 << mg_failure; bit 0: broken connections and timeouts; 0: the usual ones */
    uint64_t first_byte_ms; /* 0: the provider's */
    uint64_t total_ms; /* for all attempts and the waits between them; 0: no limit but each attempt's */
    mg_backoff_settings backoff;
    bool hedged;
    mg_hedge_settings hedge;
    /* Commit window: nothing goes to the client until so many tokens have come, or so long after the first frame; until then the
     * next target can take over. 0 tokens: the first frame is passed on at once. */
    int64_t hold_tokens;
    uint64_t hold_ms;
    /* A stream is given up when it brings fewer tokens a second than this over 10 s; 0: it may be as slow as it likes. Silence is
     * the provider's idle timeout. */
    double least_tokens_per_s;
    bool continues; /* a stream that breaks goes on with the next target that can take over an assistant's text */
    bool drain; /* the client has gone: the answer is read to its end for the exact usage, instead of being cancelled */
} mg_routing;

#define MG_ROUTING_DEFAULTS ((mg_routing){.backoff = MG_BACKOFF_DEFAULTS, .hedge = MG_HEDGE_DEFAULTS, .hold_ms = 1000})

#endif
