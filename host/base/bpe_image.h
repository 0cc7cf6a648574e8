/* The file that a vocabulary is mapped from: written by ranks/pack.c on the machine that it is for (native byte order),
 * read in place by bpe.c. After the head, without gaps:
 *
 *   slots    buckets × 4 × 16 bytes: tokens of 1 to 12 bytes, by hash; 64 bytes, one cache line, a bucket
 *   longer   n_longer × 8 bytes: tokens of more bytes: id, and 32 bits of the hash; a power of two, 0: free
 *   merges   twice, first for the tokens below MG_BPE_FREQUENT, then for the others, so that what is merged most stays
 *            in the cache: n_merges × 8 bytes: the two tokens that a token is merged from, by their hash, and it; 0: free
 *   filter   twice, too: n_filter × 8 bytes: for each of these merges two bits in a word by its hash. Most neighbors
 *            can't be merged, and this says so
 *   pairs    65,536 × 4: the token of each two bytes, or MG_BPE_NONE
 *   singles  256 × 4: the token of each byte
 *   starts   (n_tokens + 1) × 4: where each token's bytes begin
 *   bytes    n_bytes: all tokens one after another
 *
 * A token is only ever merged from one pair: inside of its bytes, merging goes as if nothing stood around them, as long
 * as nothing has been merged over their borders; so the last step is the same wherever they stand. A token that its own
 * bytes are not merged to has no pair: it is found where it is a whole piece. */
#ifndef MG_BASE_BPE_IMAGE_H
#define MG_BASE_BPE_IMAGE_H

#include "base/bpe.h"

#define MG_BPE_MAGIC "MGBPE 2\n"

enum {
    MG_BPE_INLINE = 12, /* bytes of a token that a slot holds itself */
    MG_BPE_BUCKET = 4, /* slots */
    MG_BPE_PAIRS = 65536,
    MG_BPE_TOKENS_MOST = 1 << 20, /* an id has 20 bits */
    MG_BPE_FREQUENT = 1 << 14, /* ids below it: most merges are of these */
    MG_BPE_LONGEST = 1024 /* no token may have more bytes */
};

typedef struct mg_bpe_head { /* 64 bytes */
    char magic[8];
    uint32_t encoding; /* mg_bpe_encoding */
    uint32_t n_tokens;
    uint32_t buckets;
    uint32_t n_longer;
    uint32_t n_bytes;
    uint32_t longest; /* bytes of the longest token */
    uint32_t n_merges[2]; /* room for them */
    uint32_t n_filter[2]; /* words; powers of two */
    uint32_t unused[4];
} mg_bpe_head;

/* low: bytes 0 to 7; high: bytes 8 to 11, the number of bytes in the next 4 bits, the id in the 28 above. Free: 0. */
typedef struct mg_bpe_slot {
    uint64_t low, high;
} mg_bpe_slot;

enum { MG_BPE_ID_SHIFT = 36 };
#define MG_BPE_KEY_MASK ((UINT64_C(1) << MG_BPE_ID_SHIFT) - 1)

static inline size_t mg_bpe_image_size(const mg_bpe_head *h) {
    return sizeof *h + (size_t)h->buckets * MG_BPE_BUCKET * sizeof(mg_bpe_slot) + (size_t)h->n_longer * 8 +
           ((size_t)h->n_merges[0] + h->n_merges[1] + h->n_filter[0] + h->n_filter[1]) * 8 + MG_BPE_PAIRS * 4 +
           256 * 4 + ((size_t)h->n_tokens + 1) * 4 + h->n_bytes;
}

static inline uint64_t mg_bpe_mix(uint64_t a, uint64_t b) {
    unsigned __int128 m = (unsigned __int128)(a ^ UINT64_C(0x9e3779b97f4a7c15)) * (b ^ UINT64_C(0xd1b54a32d192ed03));
    return (uint64_t)(m >> 64) ^ (uint64_t)m;
}

static inline uint64_t mg_bpe_load(const uint8_t *p) {
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* Of more than 12 bytes. */
static inline uint64_t mg_bpe_hash_long(const uint8_t *p, size_t n) {
    uint64_t h = n;
    for (size_t i = 0; i + 8 < n; i += 8) h = mg_bpe_mix(h, mg_bpe_load(p + i));
    return mg_bpe_mix(h, mg_bpe_load(p + n - 8));
}

/* The two words of a key of 1 to 12 bytes, from 16 readable ones; its hash is that of the two. */
static inline void mg_bpe_key(const uint8_t *p, size_t n, uint64_t *low, uint64_t *high) {
    uint64_t a = mg_bpe_load(p), b = mg_bpe_load(p + 8);
    *low = n >= 8 ? a : a & ((UINT64_C(1) << (8 * n)) - 1);
    *high = (n > 8 ? b & ((UINT64_C(1) << (8 * (n - 8))) - 1) : 0) | (uint64_t)n << 32;
}

/* A pair of tokens: where it is looked for first among so many, then in the next, the first behind the last; its
 * word in the filter, and its bits there; and its entry, of which the last 20 bits are the token that it becomes. */
static inline uint64_t mg_bpe_merge_hash(uint32_t left, uint32_t right) { return mg_bpe_mix(left, right); }
static inline uint32_t mg_bpe_merge_at(uint64_t hash, uint32_t n) { return (uint32_t)(((hash >> 32) * n) >> 32); }
static inline uint64_t mg_bpe_filter_at(uint64_t hash, uint32_t n) { return hash >> 12 & (n - 1); }
static inline uint64_t mg_bpe_filter_bits(uint64_t hash) {
    return UINT64_C(1) << (hash & 63) | UINT64_C(1) << (hash >> 6 & 63);
}
static inline uint64_t mg_bpe_merge_key(uint32_t left, uint32_t right) {
    return (uint64_t)left << 40 | (uint64_t)right << 20;
}
#define MG_BPE_MERGE_ID UINT64_C(0xfffff)

/* The bucket that a token of up to 12 bytes is looked for first; then come the next ones, the first behind the last. */
static inline uint32_t mg_bpe_bucket(uint64_t hash, uint32_t buckets) {
    return (uint32_t)(((hash >> 32) * buckets) >> 32);
}

#endif
