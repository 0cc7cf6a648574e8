/* A fast hash for the tables of this plugin, keyed per process: keys hold what clients send, and nobody outside may aim
 * at one chain. */
#ifndef STORE_MEMORY_HASH_H
#define STORE_MEMORY_HASH_H

#include <moongate/plugin.h>
#include <string.h>

typedef struct mg_hash_key {
    uint64_t a, b;
} mg_hash_key;

/* Folds the 128-bit product of two words into one. */
static inline uint64_t mg_hash_fold(uint64_t x, uint64_t y) {
    unsigned __int128 product = (unsigned __int128)x * y;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t mg_hash_bytes(mg_hash_key key, uint64_t seed, const char *p, size_t n) {
    uint64_t h = seed ^ key.a ^ n;
    uint64_t word;
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&word, p, 8);
        h = mg_hash_fold(h ^ word ^ 0x9e3779b97f4a7c15ull, key.b | 1);
    }
    word = 0;
    if (n) memcpy(&word, p, n);
    h = mg_hash_fold(h ^ word, key.b | 1);
    return mg_hash_fold(h ^ 0xd6e8feb86659fd93ull, key.a | 1);
}

#endif
