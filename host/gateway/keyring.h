/* Several API keys of one provider: which one to use, and which rest because the vendor refused them.
 *
 * A ring knows keys by their place in the caller's list and by the first 8 bytes of their SHA-256, never by their
 * text, and hands out places. Rings are shared by all workers; a reload with the same keys finds the same ring, and
 * with other keys those that were there before keep resting. Times are milliseconds of a monotonic clock that the
 * caller reads. Picking takes no lock. */
#ifndef MG_GATEWAY_KEYRING_H
#define MG_GATEWAY_KEYRING_H

#include "base/str.h"

typedef struct mg_keyrings mg_keyrings; /* one a process */
typedef struct mg_keyring mg_keyring;

enum {
    MG_KEYRING_MAX = 64,             /* keys of one provider */
    MG_KEYRING_REST_MAX_MS = 3600000 /* a vendor that asks for more is tried again after this */
};

typedef enum mg_keyring_order {
    MG_KEYRING_ROUND_ROBIN,
    MG_KEYRING_STICKY /* one key until it rests: keeps a vendor's prompt cache warm */
} mg_keyring_order;

typedef struct mg_keyring_settings {
    mg_keyring_order order;
    uint64_t refused_ms; /* rest of a key that is wrong, forbidden or out of money */
    uint64_t limited_ms; /* rest after too many requests, if the vendor names no time */
} mg_keyring_settings;
#define MG_KEYRING_DEFAULTS ((mg_keyring_settings){.refused_ms = 300000, .limited_ms = 10000})

mg_keyrings *mg_keyrings_create(void);
void mg_keyrings_destroy(mg_keyrings *t); /* NULL is fine; rings still held live on */

/* The ring of a provider's keys, held for the caller. NULL: none, or more than MG_KEYRING_MAX. */
mg_keyring *mg_keyrings_hold(mg_keyrings *t, mg_str provider, const mg_str *keys, size_t n);
void mg_keyring_release(mg_keyring *k); /* NULL is fine */

typedef struct mg_keyring_pick {
    size_t at;        /* place in the list of keys */
    uint64_t wait_ms; /* 0: it may be used now; else all rest, and this is the one that wakes first, in so many ms */
} mg_keyring_pick;
mg_keyring_pick mg_keyring_choose(mg_keyring *k, const mg_keyring_settings *s, uint64_t now_ms);

/* What came of a call with the key at that place: MG_FAIL_AUTH (401, 403) and MG_FAIL_QUOTA make it rest for
 * refused_ms, or longer if the vendor says so; MG_FAIL_RATE for retry_after_ms (-1: limited_ms). Other failures, and
 * success, change nothing. True: the key rests, so the call may be made with another one at once if mg_keyring_choose
 * has it. */
bool mg_keyring_report(mg_keyring *k, const mg_keyring_settings *s, size_t at, mg_failure failure,
                       int64_t retry_after_ms, uint64_t now_ms);

size_t mg_keyring_size(const mg_keyring *k);
size_t mg_keyring_resting(const mg_keyring *k, uint64_t now_ms); /* how many rest, for metrics */

#endif
