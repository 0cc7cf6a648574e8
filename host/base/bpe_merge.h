/* A mapped vocabulary from the inside, its look-up, and the merging of a piece's byte pairs. */
#ifndef MG_BASE_BPE_MERGE_H
#define MG_BASE_BPE_MERGE_H

#include "base/bpe_classes.h"
#include "base/bpe_image.h"

struct mg_bpe {
    const uint8_t *image;
    size_t image_size;
    mg_bpe_encoding encoding;
    uint32_t n, buckets, longer_mask, longest;
    const mg_bpe_slot *slots;
    const uint64_t *longer;
    const uint32_t *pairs, *singles, *starts;
    const uint8_t *bytes;
    const mg_bpe_classes *classes;
};

uint32_t mg_bpe_lookup_long(const mg_bpe *b, const uint8_t *p, size_t n);

/* The token of p[0, n), n > 0, or MG_BPE_NONE. What stands from p up to `end` may be read. */
static inline uint32_t mg_bpe_lookup(const mg_bpe *b, const uint8_t *p, size_t n, const uint8_t *end) {
    uint8_t copy[16];
    uint64_t low, key;
    if (n == 2) return b->pairs[p[0] << 8 | p[1]];
    if (n == 1) return b->singles[p[0]];
    if (n > MG_BPE_INLINE) return mg_bpe_lookup_long(b, p, n);
    if (end - p < 16) {
        memcpy(copy, p, n);
        p = copy;
    }
    mg_bpe_key(p, n, &low, &key);
    for (uint32_t i = mg_bpe_bucket(low, key, b->buckets);; i = i + 1 < b->buckets ? i + 1 : 0) {
        const mg_bpe_slot *s = b->slots + (size_t)i * MG_BPE_BUCKET;
        for (unsigned k = 0; k < MG_BPE_BUCKET; k++) {
            if (s[k].low == low && (s[k].high & MG_BPE_KEY_MASK) == key)
                return (uint32_t)(s[k].high >> MG_BPE_ID_SHIFT);
            if (s[k].high == 0) return MG_BPE_NONE;
        }
    }
}

/* The tokens of a piece that is none itself: 2 ≤ n ≤ MG_BPE_PIECE_MAX. `ids` takes n, or is NULL. */
size_t mg_bpe_merge(const mg_bpe *b, const uint8_t *p, size_t n, const uint8_t *end, uint32_t *ids);

#endif
