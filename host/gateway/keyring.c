#include "gateway/keyring.h"

#include "base/arena.h"
#include "base/hash.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { PRINT = 8 }; /* bytes of SHA-256: enough to tell a few keys apart, too few to find one */

typedef struct ring_key {
    uint8_t print[PRINT];
    _Atomic uint64_t rests_until_ms;
} ring_key;

struct mg_keyring {
    atomic_int users;
    _Atomic uint64_t next; /* round robin: counts picks; sticky: the place */
    size_t n;
    ring_key keys[];
};

typedef struct named_ring {
    struct named_ring *next;
    mg_keyring *ring; /* held */
    size_t n;
    char provider[];
} named_ring;

struct mg_keyrings {
    pthread_mutex_t lock;
    named_ring *first;
};

/* ---- the table --------------------------------------------------------------------------------------------------- */

mg_keyrings *mg_keyrings_create(void) {
    mg_keyrings *t = MG_NEW(mg_keyrings);
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

void mg_keyrings_destroy(mg_keyrings *t) {
    if (!t) return;
    for (named_ring *r = t->first, *next; r; r = next) {
        next = r->next;
        mg_keyring_release(r->ring);
        free(r);
    }
    pthread_mutex_destroy(&t->lock);
    free(t);
}

void mg_keyring_release(mg_keyring *k) {
    if (k && atomic_fetch_sub(&k->users, 1) == 1) free(k);
}

static mg_keyring *make_ring(const mg_str *keys, size_t n) {
    mg_keyring *k = mg_calloc(1, sizeof *k + n * sizeof *k->keys);
    atomic_init(&k->users, 1);
    k->n = n;
    for (size_t i = 0; i < n; i++) {
        uint8_t hash[32];
        mg_sha256(keys[i], hash);
        memcpy(k->keys[i].print, hash, PRINT);
    }
    return k;
}

static bool same_key(const ring_key *a, const ring_key *b) { return memcmp(a->print, b->print, PRINT) == 0; }

static bool same_keys(const mg_keyring *a, const mg_keyring *b) {
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++) same = same_key(&a->keys[i], &b->keys[i]);
    return same;
}

/* Keys that were there before keep resting. */
static void inherit(mg_keyring *k, mg_keyring *old) {
    for (size_t i = 0; i < k->n; i++) {
        for (size_t j = 0; j < old->n; j++) {
            if (same_key(&k->keys[i], &old->keys[j]))
                atomic_store(&k->keys[i].rests_until_ms, atomic_load(&old->keys[j].rests_until_ms));
        }
    }
}

static named_ring *find(mg_keyrings *t, mg_str provider) {
    named_ring *r = t->first;
    while (r && !mg_str_eq((mg_str){r->provider, r->n}, provider)) r = r->next;
    if (r) return r;
    r = mg_calloc(1, sizeof *r + provider.n);
    if (provider.n) memcpy(r->provider, provider.p, provider.n);
    r->n = provider.n;
    r->next = t->first;
    t->first = r;
    return r;
}

mg_keyring *mg_keyrings_hold(mg_keyrings *t, mg_str provider, const mg_str *keys, size_t n) {
    if (n == 0 || n > MG_KEYRING_MAX) return NULL;
    mg_keyring *fresh = make_ring(keys, n);
    pthread_mutex_lock(&t->lock);
    named_ring *r = find(t, provider);
    if (r->ring && same_keys(r->ring, fresh)) {
        mg_keyring_release(fresh);
    } else {
        if (r->ring) inherit(fresh, r->ring);
        mg_keyring_release(r->ring);
        r->ring = fresh;
    }
    mg_keyring *k = r->ring;
    atomic_fetch_add(&k->users, 1);
    pthread_mutex_unlock(&t->lock);
    return k;
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static uint64_t rest_of(const mg_keyring *k, size_t at, uint64_t now) {
    uint64_t until = atomic_load_explicit(&k->keys[at].rests_until_ms, memory_order_relaxed);
    return until > now ? until - now : 0;
}

/* The first key from `from` on that does not rest, or the one that wakes first. */
static mg_keyring_pick search(const mg_keyring *k, size_t from, uint64_t now) {
    mg_keyring_pick best = {from, UINT64_MAX};
    for (size_t i = 0; i < k->n && best.wait_ms; i++) {
        size_t at = (from + i) % k->n;
        uint64_t rest = rest_of(k, at, now);
        if (rest < best.wait_ms) best = (mg_keyring_pick){at, rest};
    }
    return best;
}

/* A turn that falls on a resting key is passed over, so that the next key does not get it on top of its own. */
static mg_keyring_pick take_turn(mg_keyring *k, uint64_t now) {
    size_t at = 0;
    for (size_t i = 0; i < k->n; i++) {
        at = (size_t)(atomic_fetch_add_explicit(&k->next, 1, memory_order_relaxed) % k->n);
        if (rest_of(k, at, now) == 0) return (mg_keyring_pick){at, 0};
    }
    return search(k, at, now);
}

static mg_keyring_pick stay(mg_keyring *k, uint64_t now) {
    uint64_t place = atomic_load_explicit(&k->next, memory_order_relaxed);
    mg_keyring_pick pick = search(k, (size_t)(place % k->n), now);
    if (pick.at != place % k->n && pick.wait_ms == 0)
        atomic_compare_exchange_strong_explicit(&k->next, &place, pick.at, memory_order_relaxed, memory_order_relaxed);
    return pick;
}

mg_keyring_pick mg_keyring_choose(mg_keyring *k, const mg_keyring_settings *s, uint64_t now_ms) {
    return s->order == MG_KEYRING_STICKY ? stay(k, now_ms) : take_turn(k, now_ms);
}

bool mg_keyring_report(mg_keyring *k, const mg_keyring_settings *s, size_t at, mg_failure failure,
                       int64_t retry_after_ms, uint64_t now_ms) {
    if (at >= k->n) return false;
    uint64_t asked = retry_after_ms > 0 ? (uint64_t)retry_after_ms : 0, rest;
    if (failure == MG_FAIL_AUTH || failure == MG_FAIL_QUOTA)
        rest = asked > s->refused_ms ? asked : s->refused_ms;
    else if (failure == MG_FAIL_RATE)
        rest = retry_after_ms >= 0 ? asked : s->limited_ms;
    else
        return false;
    if (rest > MG_KEYRING_REST_MAX_MS) rest = MG_KEYRING_REST_MAX_MS;
    _Atomic uint64_t *until = &k->keys[at].rests_until_ms;
    uint64_t was = atomic_load(until);
    while (was < now_ms + rest && !atomic_compare_exchange_weak(until, &was, now_ms + rest)) {}
    return rest_of(k, at, now_ms) > 0;
}

size_t mg_keyring_size(const mg_keyring *k) { return k->n; }

size_t mg_keyring_resting(const mg_keyring *k, uint64_t now_ms) {
    size_t n = 0;
    for (size_t i = 0; i < k->n; i++) n += rest_of(k, i, now_ms) > 0;
    return n;
}
