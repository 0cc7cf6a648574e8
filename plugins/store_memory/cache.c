#include "cache.h"

#include "hash.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum {
    MOST_SHARDS = 16,
    SHARD_BYTES = 4 << 20, /* a shard is at least this large, or the only one */
    FIRST_CHAINS = 256,
    MALLOC_BYTES = 16
};

struct mg_cache_value {
    struct mg_cache_value *next; /* chain */
    struct mg_cache_value *newer, *older; /* by use */
    atomic_uint refs; /* the shard's own, and one for each reader */
    uint64_t hash;
    uint64_t ends_ms; /* monotonic; UINT64_MAX: never */
    size_t key_n, n;
    char text[]; /* the key, then the value */
};

typedef struct shard {
    pthread_mutex_t lock;
    mg_cache_value **chain;
    size_t chains; /* a power of two */
    size_t count, bytes;
    mg_cache_value *newest, *oldest;
} __attribute__((aligned(64))) shard;

struct mg_cache {
    mg_hash_key key;
    size_t shards; /* a power of two */
    size_t max_a_shard;
    shard shard[MOST_SHARDS];
};

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

mg_cache *mg_cache_create(size_t max_bytes) {
    mg_cache *c = aligned_alloc(64, sizeof *c);
    if (!c) return NULL;
    memset(c, 0, sizeof *c);
    if (getrandom(&c->key, sizeof c->key, 0) != sizeof c->key) goto failed;
    c->shards = 1;
    while (c->shards < MOST_SHARDS && max_bytes / (c->shards * 2) >= SHARD_BYTES) c->shards *= 2;
    c->max_a_shard = max_bytes / c->shards;
    for (size_t i = 0; i < c->shards; i++) {
        shard *s = &c->shard[i];
        pthread_mutex_init(&s->lock, NULL);
        s->chains = FIRST_CHAINS;
        s->chain = calloc(s->chains, sizeof *s->chain);
        if (!s->chain) goto failed;
    }
    return c;
failed:
    mg_cache_destroy(c);
    return NULL;
}

void mg_cache_release(mg_cache_value *v) {
    if (v && atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) == 1) free(v);
}

void mg_cache_destroy(mg_cache *c) {
    if (!c) return;
    for (size_t i = 0; i < c->shards; i++) {
        shard *s = &c->shard[i];
        for (mg_cache_value *v = s->newest, *older; v; v = older) {
            older = v->older;
            mg_cache_release(v);
        }
        free(s->chain);
        if (s->chains) pthread_mutex_destroy(&s->lock);
    }
    free(c);
}

static size_t cost(const mg_cache_value *v) {
    return sizeof *v + v->key_n + v->n + MALLOC_BYTES + sizeof(mg_cache_value *);
}

static bool is(const mg_cache_value *v, uint64_t hash, mg_str key) {
    return v->hash == hash && v->key_n == key.n && (key.n == 0 || memcmp(v->text, key.p, key.n) == 0);
}

/* Where the chain points to the key's entry, or to NULL. */
static mg_cache_value **find(const shard *s, uint64_t hash, mg_str key) {
    mg_cache_value **at = &s->chain[hash & (s->chains - 1)];
    while (*at && !is(*at, hash, key)) at = &(*at)->next;
    return at;
}

static void list_remove(shard *s, mg_cache_value *v) {
    *(v->newer ? &v->newer->older : &s->newest) = v->older;
    *(v->older ? &v->older->newer : &s->oldest) = v->newer;
}

static void list_push(shard *s, mg_cache_value *v) {
    v->newer = NULL;
    v->older = s->newest;
    *(s->newest ? &s->newest->newer : &s->oldest) = v;
    s->newest = v;
}

static void drop(shard *s, mg_cache_value **at) {
    mg_cache_value *v = *at;
    *at = v->next;
    list_remove(s, v);
    s->bytes -= cost(v);
    s->count--;
    mg_cache_release(v);
}

static void grow(shard *s) {
    size_t chains = s->chains * 2;
    mg_cache_value **chain = calloc(chains, sizeof *chain);
    if (!chain) return; /* longer chains are slower, not wrong */
    for (mg_cache_value *v = s->newest; v; v = v->older) {
        v->next = chain[v->hash & (chains - 1)];
        chain[v->hash & (chains - 1)] = v;
    }
    free(s->chain);
    s->chain = chain;
    s->chains = chains;
}

static shard *shard_of(mg_cache *c, mg_str key, uint64_t *hash) {
    *hash = mg_hash_bytes(c->key, 0, key.p, key.n);
    return &c->shard[(*hash >> 56) & (c->shards - 1)];
}

mg_cache_value *mg_cache_get(mg_cache *c, mg_str key, int64_t *ttl_ms) {
    uint64_t hash, now = now_ms();
    shard *s = shard_of(c, key, &hash);
    pthread_mutex_lock(&s->lock);
    mg_cache_value **at = find(s, hash, key);
    mg_cache_value *v = *at;
    if (v && v->ends_ms <= now) {
        drop(s, at);
        v = NULL;
    }
    if (v) {
        list_remove(s, v);
        list_push(s, v);
        atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
        *ttl_ms = v->ends_ms == UINT64_MAX ? -1 : (int64_t)(v->ends_ms - now);
    }
    pthread_mutex_unlock(&s->lock);
    return v;
}

mg_str mg_cache_text(const mg_cache_value *v) { return (mg_str){v->text + v->key_n, v->n}; }

static mg_cache_value *value_create(uint64_t hash, mg_str key, mg_str value, uint64_t ttl_ms) {
    mg_cache_value *v = malloc(sizeof *v + key.n + value.n);
    if (!v) return NULL;
    *v = (mg_cache_value){.hash = hash, .ends_ms = UINT64_MAX, .key_n = key.n, .n = value.n};
    atomic_init(&v->refs, 1);
    uint64_t now = now_ms();
    if (ttl_ms && ttl_ms <= INT64_MAX - now) v->ends_ms = now + ttl_ms;
    if (key.n) memcpy(v->text, key.p, key.n);
    if (value.n) memcpy(v->text + key.n, value.p, value.n);
    return v;
}

bool mg_cache_put(mg_cache *c, mg_str key, mg_str value, uint64_t ttl_ms) {
    uint64_t hash;
    shard *s = shard_of(c, key, &hash);
    bool fits = value.n <= c->max_a_shard && key.n <= c->max_a_shard;
    mg_cache_value *v = fits ? value_create(hash, key, value, ttl_ms) : NULL;
    if (v && cost(v) > c->max_a_shard) {
        mg_cache_release(v);
        v = NULL;
    }
    pthread_mutex_lock(&s->lock);
    mg_cache_value **at = find(s, hash, key);
    if (*at) drop(s, at);
    if (v) {
        while (s->bytes + cost(v) > c->max_a_shard) {
            mg_str oldest = {s->oldest->text, s->oldest->key_n};
            drop(s, find(s, s->oldest->hash, oldest));
        }
        if (s->count >= s->chains) grow(s);
        v->next = s->chain[hash & (s->chains - 1)];
        s->chain[hash & (s->chains - 1)] = v;
        list_push(s, v);
        s->bytes += cost(v);
        s->count++;
    }
    pthread_mutex_unlock(&s->lock);
    return v != NULL;
}

bool mg_cache_erase(mg_cache *c, mg_str key) {
    uint64_t hash;
    shard *s = shard_of(c, key, &hash);
    pthread_mutex_lock(&s->lock);
    mg_cache_value **at = find(s, hash, key);
    bool found = *at != NULL;
    if (found) drop(s, at);
    pthread_mutex_unlock(&s->lock);
    return found;
}

size_t mg_cache_bytes(mg_cache *c) {
    size_t bytes = 0;
    for (size_t i = 0; i < c->shards; i++) {
        pthread_mutex_lock(&c->shard[i].lock);
        bytes += c->shard[i].bytes;
        pthread_mutex_unlock(&c->shard[i].lock);
    }
    return bytes;
}
