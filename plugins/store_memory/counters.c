#include "counters.h"

#include "hash.h"
#include "window.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum {
    STRIPES = 64,
    FIRST_CHAINS = 64,
    SWEEP_EVERY = 16, /* calls */
    SWEEP_CHAINS = 32, /* looked at each time */
    LONGEST_KEY = 1024
};
static const uint64_t fixed_idle_us = 400ull * 24 * 3600 * 1000000;

typedef struct counter {
    struct counter *next;
    uint64_t hash;
    uint64_t period_ms; /* 0: fixed */
    uint64_t idle_us; /* when nothing of it counts any more, if it is not touched again */
    int64_t sum; /* fixed counters */
    mg_window *window; /* sliding ones; behind the key, in the same block */
    size_t key_n;
    char key[];
} counter;

typedef struct stripe {
    pthread_mutex_t lock;
    counter **chain;
    size_t chains; /* a power of two */
    size_t count;
    size_t sweep_at; /* next chain to look at */
    unsigned calls;
} __attribute__((aligned(64))) stripe;

struct mg_counters {
    mg_hash_key key;
    size_t max_a_stripe;
    stripe stripes[STRIPES];
};

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static mg_status fail(mg_error *error, int http, const char *code, const char *text) {
    error->http = http;
    snprintf(error->code, sizeof error->code, "%s", code);
    snprintf(error->text, sizeof error->text, "%s", text);
    return MG_ERROR;
}

mg_counters *mg_counters_create(size_t max) {
    mg_counters *c = aligned_alloc(64, sizeof *c);
    if (!c) return NULL;
    memset(c, 0, sizeof *c);
    if (getrandom(&c->key, sizeof c->key, 0) != sizeof c->key) goto failed;
    c->max_a_stripe = (max + STRIPES - 1) / STRIPES;
    for (size_t i = 0; i < STRIPES; i++) {
        stripe *s = &c->stripes[i];
        pthread_mutex_init(&s->lock, NULL);
        s->chains = FIRST_CHAINS;
        s->chain = calloc(s->chains, sizeof *s->chain);
        if (!s->chain) goto failed;
    }
    return c;
failed:
    mg_counters_destroy(c);
    return NULL;
}

static void chain_free(counter *k) {
    while (k) {
        counter *next = k->next;
        free(k);
        k = next;
    }
}

void mg_counters_destroy(mg_counters *c) {
    if (!c) return;
    for (size_t i = 0; i < STRIPES; i++) {
        stripe *s = &c->stripes[i];
        for (size_t j = 0; s->chain && j < s->chains; j++) chain_free(s->chain[j]);
        free(s->chain);
        if (s->chains) pthread_mutex_destroy(&s->lock);
    }
    free(c);
}

static mg_str scope_of(mg_str key) {
    const char *colon = key.n ? memchr(key.p, ':', key.n) : NULL;
    return (mg_str){key.p, colon ? (size_t)(colon - key.p) : key.n};
}

/* The stripe that all of these belong to; NULL and an error if there is none. */
static stripe *stripe_of(mg_counters *c, const mg_counter *asked, size_t n, mg_error *error) {
    if (n == 0 || n > MG_COUNTERS_A_CALL) {
        fail(error, 500, "store_misuse", "a call to the counters must name between 1 and 64 of them");
        return NULL;
    }
    mg_str scope = scope_of(asked[0].key);
    for (size_t i = 0; i < n; i++) {
        mg_str other = scope_of(asked[i].key);
        if (other.n != scope.n || (scope.n && memcmp(other.p, scope.p, scope.n) != 0)) {
            fail(error, 500, "store_misuse", "the counters of one call must have the same text before their first ':'");
            return NULL;
        }
        if (asked[i].key.n > LONGEST_KEY) {
            fail(error, 400, "store_key_too_long", "the key of a counter is longer than 1,024 bytes");
            return NULL;
        }
    }
    return &c->stripes[mg_hash_bytes(c->key, 1, scope.p, scope.n) % STRIPES];
}

/* Of a window, its length belongs to its identity: a changed period begins a new one. A fixed counter has its period in
 * its key, whatever period_ms says. */
static uint64_t period_of(const mg_counter *asked) { return asked->fixed ? 0 : asked->period_ms; }

static uint64_t hash_of(const mg_counters *c, const mg_counter *asked) {
    return mg_hash_bytes(c->key, period_of(asked) * 2 + asked->fixed, asked->key.p, asked->key.n);
}

static counter *find(const stripe *s, uint64_t hash, const mg_counter *asked) {
    for (counter *k = s->chain[hash & (s->chains - 1)]; k; k = k->next) {
        if (k->hash == hash && k->key_n == asked->key.n && k->period_ms == period_of(asked) &&
            (k->window == NULL) == asked->fixed && (k->key_n == 0 || memcmp(k->key, asked->key.p, k->key_n) == 0))
            return k;
    }
    return NULL;
}

static void sweep(stripe *s, uint64_t now, size_t chains) {
    for (size_t i = 0; i < chains; i++) {
        counter **at = &s->chain[s->sweep_at++ & (s->chains - 1)];
        while (*at) {
            counter *k = *at;
            if (k->idle_us > now) {
                at = &k->next;
                continue;
            }
            *at = k->next;
            free(k);
            s->count--;
        }
    }
}

static void grow(stripe *s) {
    size_t chains = s->chains * 2;
    counter **chain = calloc(chains, sizeof *chain);
    if (!chain) return; /* longer chains are slower, not wrong */
    for (size_t i = 0; i < s->chains; i++) {
        for (counter *k = s->chain[i], *next; k; k = next) {
            next = k->next;
            k->next = chain[k->hash & (chains - 1)];
            chain[k->hash & (chains - 1)] = k;
        }
    }
    free(s->chain);
    s->chain = chain;
    s->chains = chains;
}

static counter *counter_create(uint64_t hash, const mg_counter *asked) {
    size_t head = (sizeof(counter) + asked->key.n + 7) & ~(size_t)7;
    counter *k = malloc(head + (asked->fixed ? 0 : sizeof(mg_window)));
    if (!k) return NULL;
    *k = (counter){.hash = hash, .period_ms = period_of(asked), .key_n = asked->key.n};
    if (asked->key.n) memcpy(k->key, asked->key.p, asked->key.n);
    if (!asked->fixed) {
        k->window = (mg_window *)(void *)((char *)k + head);
        mg_window_init(k->window, asked->period_ms);
    }
    return k;
}

static counter *find_or_create(mg_counters *c, stripe *s, uint64_t now, const mg_counter *asked, mg_error *error) {
    uint64_t hash = hash_of(c, asked);
    counter *k = find(s, hash, asked);
    if (k) return k;
    if (s->count >= c->max_a_stripe) sweep(s, now, s->chains);
    if (s->count >= c->max_a_stripe) {
        fail(error, 503, "store_full", "the memory store holds as many counters as its max_counters allows; raise it");
        return NULL;
    }
    k = counter_create(hash, asked);
    if (!k) {
        fail(error, 503, "store_full", "no memory for a counter");
        return NULL;
    }
    if (s->count >= s->chains) grow(s);
    k->idle_us = now + 1;
    k->next = s->chain[hash & (s->chains - 1)];
    s->chain[hash & (s->chains - 1)] = k;
    s->count++;
    return k;
}

static void touch(counter *k, uint64_t now) {
    k->idle_us = now + (k->window ? k->window->width_us * MG_WINDOW_BUCKETS : fixed_idle_us);
}

static int64_t used(const counter *k) { return k->window ? k->window->used : k->sum; }

static uint64_t wait_for(const counter *k, uint64_t now, const mg_counter *asked) {
    if (k->window) return mg_window_wait(k->window, now, asked->amount, asked->limit);
    return asked->amount <= asked->limit && k->sum <= asked->limit - asked->amount ? 0 : UINT64_MAX;
}

static uint64_t add(counter *k, uint64_t now, int64_t amount) {
    if (amount > 0) touch(k, now);
    if (k->window) return mg_window_add(k->window, amount);
    if (amount > INT64_MAX - k->sum) amount = INT64_MAX - k->sum;
    k->sum += amount;
    return 0;
}

static void take_back(counter *k, uint64_t bucket, int64_t amount) {
    if (k->window)
        mg_window_adjust(k->window, bucket, -amount);
    else
        k->sum -= amount;
}

static mg_counter_state state_of(const counter *k, uint64_t now, const mg_counter *asked, uint64_t bucket) {
    uint64_t reset = k->window ? mg_window_reset(k->window, now) : used(k) ? UINT64_MAX : 0;
    return (mg_counter_state){.used = used(k), .wait_ms = wait_for(k, now, asked), .reset_ms = reset, .bucket = bucket};
}

/* Adds to one after the other, since two of them may be the same counter; takes all back at the first that does not fit
 * and then says for each how long it would have to wait. */
static mg_status take_all(counter **k, const mg_counter *asked, size_t n, uint64_t now, mg_counter_state *states,
                          size_t *refused) {
    int64_t added[MG_COUNTERS_A_CALL];
    size_t taken = 0;
    while (taken < n && (asked[taken].soft || wait_for(k[taken], now, &asked[taken]) == 0)) {
        int64_t before = used(k[taken]);
        states[taken].bucket = add(k[taken], now, asked[taken].amount);
        added[taken] = used(k[taken]) - before;
        taken++;
    }
    bool fits = taken == n;
    while (!fits && taken > 0) {
        taken--;
        take_back(k[taken], states[taken].bucket, added[taken]);
    }
    uint64_t longest = 0;
    for (size_t i = 0; i < n; i++) {
        states[i] = state_of(k[i], now, &asked[i], fits ? states[i].bucket : 0);
        if (fits || asked[i].soft) states[i].wait_ms = 0;
        if (states[i].wait_ms > longest) {
            longest = states[i].wait_ms;
            *refused = i;
        }
    }
    return fits ? MG_OK : MG_DECLINED;
}

static mg_status take_locked(mg_counters *c, stripe *s, const mg_counter *asked, size_t n, mg_counter_state *states,
                             size_t *refused, mg_error *error) {
    counter *k[MG_COUNTERS_A_CALL];
    uint64_t now = now_us();
    if (++s->calls % SWEEP_EVERY == 0) sweep(s, now, SWEEP_CHAINS);
    for (size_t i = 0; i < n; i++) {
        k[i] = find_or_create(c, s, now, &asked[i], error);
        if (!k[i]) return MG_ERROR;
        if (k[i]->idle_us <= now + 1) k[i]->idle_us = now + 2; /* a full stripe must not sweep it during this call */
        if (k[i]->window) mg_window_advance(k[i]->window, now);
    }
    return take_all(k, asked, n, now, states, refused);
}

mg_status mg_counters_take(mg_counters *c, const mg_counter *asked, size_t n, mg_counter_state *states, size_t *refused,
                           mg_error *error) {
    stripe *s = stripe_of(c, asked, n, error);
    if (!s) return MG_ERROR;
    for (size_t i = 0; i < n; i++)
        if (asked[i].amount < 0)
            return fail(error, 500, "store_misuse", "a counter can't be taken from by less than 0");
    *refused = 0;
    pthread_mutex_lock(&s->lock);
    mg_status status = take_locked(c, s, asked, n, states, refused, error);
    pthread_mutex_unlock(&s->lock);
    return status;
}

static mg_status adjust_one(mg_counters *c, stripe *s, uint64_t now, const mg_counter *asked, uint64_t bucket,
                            mg_error *error) {
    counter *k = find(s, hash_of(c, asked), asked);
    /* One that was swept or never was counts as 0: it can only grow, and a window only in a bucket that it still
     * has. */
    if (!k && (asked->amount <= 0 ||
               (!asked->fixed && now / mg_window_width(asked->period_ms) >= bucket + MG_WINDOW_BUCKETS)))
        return MG_OK;
    if (!k) k = find_or_create(c, s, now, asked, error);
    if (!k) return MG_ERROR;
    if (k->window) {
        mg_window_advance(k->window, now);
        mg_window_adjust(k->window, bucket, asked->amount);
    } else if (asked->amount < -k->sum) {
        k->sum = 0;
    } else {
        k->sum = asked->amount > INT64_MAX - k->sum ? INT64_MAX : k->sum + asked->amount;
    }
    touch(k, now);
    return MG_OK;
}

mg_status mg_counters_adjust(mg_counters *c, const mg_counter *asked, const uint64_t *buckets, size_t n,
                             mg_error *error) {
    stripe *s = stripe_of(c, asked, n, error);
    if (!s) return MG_ERROR;
    mg_status status = MG_OK;
    pthread_mutex_lock(&s->lock);
    uint64_t now = now_us();
    for (size_t i = 0; i < n && status == MG_OK; i++) status = adjust_one(c, s, now, &asked[i], buckets[i], error);
    pthread_mutex_unlock(&s->lock);
    return status;
}

mg_status mg_counters_read(mg_counters *c, const mg_counter *asked, size_t n, mg_counter_state *states,
                           mg_error *error) {
    stripe *s = stripe_of(c, asked, n, error);
    if (!s) return MG_ERROR;
    pthread_mutex_lock(&s->lock);
    uint64_t now = now_us();
    for (size_t i = 0; i < n; i++) {
        counter *k = find(s, hash_of(c, &asked[i]), &asked[i]);
        states[i] = (mg_counter_state){.wait_ms = asked[i].amount > asked[i].limit ? UINT64_MAX : 0};
        if (!k) continue;
        if (k->window) mg_window_advance(k->window, now);
        states[i] = state_of(k, now, &asked[i], k->window ? k->window->head : 0);
    }
    pthread_mutex_unlock(&s->lock);
    return MG_OK;
}

size_t mg_counters_count(mg_counters *c) {
    size_t count = 0;
    for (size_t i = 0; i < STRIPES; i++) {
        pthread_mutex_lock(&c->stripes[i].lock);
        count += c->stripes[i].count;
        pthread_mutex_unlock(&c->stripes[i].lock);
    }
    return count;
}
