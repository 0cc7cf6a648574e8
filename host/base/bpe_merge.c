/* Of all neighbors in a piece whose bytes together are a token, the pair of the lowest rank is merged, the first of
 * them if there are several, until none is left. A token's rank is its id. */
#include "base/bpe_merge.h"
#include "base/arena.h"
#include <stdlib.h>

/* The token that two tokens become, or MG_BPE_NONE. */
static inline uint32_t merged(const mg_bpe *b, uint32_t left, uint32_t right) {
    uint64_t h = mg_bpe_merge_hash(left, right), key = mg_bpe_merge_key(left, right), bits = mg_bpe_filter_bits(h);
    for (const mg_bpe_merges *m = b->merges; m < b->merges + 2; m++) {
        if ((m->filter[mg_bpe_filter_at(h, m->n_filter)] & bits) != bits) continue;
        for (uint32_t i = mg_bpe_merge_at(h, m->n); m->merges[i]; i = i + 1 < m->n ? i + 1 : 0)
            if ((m->merges[i] ^ key) <= MG_BPE_MERGE_ID) return (uint32_t)(m->merges[i] & MG_BPE_MERGE_ID);
    }
    return MG_BPE_NONE;
}

/* ---- short pieces ------------------------------------------------------------------------------------------------ */

enum {
    SHORT = 240, /* bytes up to which looking at all pairs beats a heap */
    LANES = 4,
    STEP = 4 * LANES
};

typedef int32_t lanes __attribute__((vector_size(LANES * sizeof(int32_t))));

static inline lanes lower(lanes a, lanes b) {
    lanes less = a < b;
    return (a & less) | (b & ~less);
}

static inline lanes load(const int32_t *p) {
    lanes x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* The lowest of so many steps of keys. */
static inline int32_t lowest(const int32_t *keys, size_t steps) {
    lanes a = load(keys), b = load(keys + LANES), c = load(keys + 2 * LANES), d = load(keys + 3 * LANES);
    for (const int32_t *p = keys + STEP, *end = keys + steps * STEP; p < end; p += STEP) {
        a = lower(a, load(p));
        b = lower(b, load(p + LANES));
        c = lower(c, load(p + 2 * LANES));
        d = lower(d, load(p + 3 * LANES));
    }
    a = lower(lower(a, b), lower(c, d));
    int32_t x = a[0] < a[1] ? a[0] : a[1], y = a[2] < a[3] ? a[2] : a[3];
    return x < y ? x : y;
}

/* Parts by the offset of their first byte. The key of a part is 256 × the rank of it with the next one, plus its
 * offset: the lowest key is the first pair of the lowest rank. */
enum { NO_PAIR = INT32_MAX };

static inline int32_t key_of(uint32_t rank, size_t at) {
    return rank == MG_BPE_NONE ? NO_PAIR : (int32_t)(rank << 8 | at);
}

static size_t merge_short(const mg_bpe *b, const uint8_t *p, size_t n, uint32_t *ids) {
    size_t steps = (n + STEP - 1) / STEP, tokens = n;
    int32_t keys[SHORT + STEP];
    uint32_t id[SHORT + 1];
    uint8_t next[SHORT + 1], previous[SHORT + 1];
    for (size_t i = 0; i < n; i++) {
        keys[i] = i + 1 < n ? key_of(b->pairs[p[i] << 8 | p[i + 1]], i) : NO_PAIR;
        next[i] = (uint8_t)(i + 1);
        previous[i] = (uint8_t)(i - 1); /* never read for the first */
        id[i] = b->singles[p[i]];
    }
    for (size_t i = n; i < steps * STEP; i++) keys[i] = NO_PAIR;
    for (int32_t key; (key = lowest(keys, steps)) != NO_PAIR; tokens--) {
        size_t at = key & 255, gone = next[at], behind = next[gone], before = previous[at];
        id[at] = (uint32_t)key >> 8;
        keys[gone] = NO_PAIR;
        next[at] = (uint8_t)behind;
        previous[behind] = (uint8_t)at;
        keys[at] = behind < n ? key_of(merged(b, id[at], id[behind]), at) : NO_PAIR;
        if (at) keys[before] = key_of(merged(b, id[before], id[at]), before);
    }
    for (size_t at = 0; ids && at < n; at = next[at]) *ids++ = id[at];
    return tokens;
}

/* ---- long pieces ------------------------------------------------------------------------------------------------- */

/* Parts as a list by the offset of their first byte; the ranks of pairs in a heap, as rank and offset in one number, so
 * that equal ranks come in order. An entry whose rank is no longer its part's is passed over. */
typedef struct parts {
    const mg_bpe *b;
    uint32_t n;
    uint32_t *next, *previous, *id, *rank; /* by offset; next of the last is n */
    uint64_t *heap;
    size_t heap_n;
} parts;

static void sift_down(parts *s, size_t i) {
    uint64_t x = s->heap[i];
    for (size_t child; (child = 2 * i + 1) < s->heap_n; i = child) {
        if (child + 1 < s->heap_n && s->heap[child + 1] < s->heap[child]) child++;
        if (x <= s->heap[child]) break;
        s->heap[i] = s->heap[child];
    }
    s->heap[i] = x;
}

static void push(parts *s, uint64_t x) {
    size_t i = s->heap_n++;
    for (size_t parent; i && s->heap[parent = (i - 1) / 2] > x; i = parent) s->heap[i] = s->heap[parent];
    s->heap[i] = x;
}

static uint64_t pop(parts *s) {
    uint64_t lowest = s->heap[0];
    s->heap[0] = s->heap[--s->heap_n];
    if (s->heap_n) sift_down(s, 0);
    return lowest;
}

/* Ranks the pair that begins at `at`. */
static void rank_pair(parts *s, uint32_t at) {
    uint32_t second = s->next[at];
    s->rank[at] = second < s->n ? merged(s->b, s->id[at], s->id[second]) : MG_BPE_NONE;
    if (s->rank[at] != MG_BPE_NONE) push(s, (uint64_t)s->rank[at] << 32 | at);
}

static void merge_pair(parts *s, uint32_t at) {
    uint32_t gone = s->next[at];
    s->id[at] = s->rank[at];
    s->rank[gone] = MG_BPE_NONE;
    s->next[at] = s->next[gone];
    if (s->next[at] < s->n) s->previous[s->next[at]] = at;
    rank_pair(s, at);
    if (at) rank_pair(s, s->previous[at]);
}

static void make_parts(parts *s, const uint8_t *p) {
    for (uint32_t i = 0; i < s->n; i++) {
        s->next[i] = i + 1;
        s->previous[i] = i - 1; /* never read for the first */
        s->id[i] = s->b->singles[p[i]];
        s->rank[i] = i + 1 < s->n ? s->b->pairs[p[i] << 8 | p[i + 1]] : MG_BPE_NONE;
        if (s->rank[i] != MG_BPE_NONE) s->heap[s->heap_n++] = (uint64_t)s->rank[i] << 32 | i;
    }
    for (size_t i = s->heap_n / 2; i-- > 0;) sift_down(s, i);
}

static size_t merge_long(const mg_bpe *b, const uint8_t *p, size_t n, uint32_t *ids) {
    parts s = {.b = b, .n = (uint32_t)n};
    size_t tokens = 0;
    s.next = mg_malloc(4 * n * sizeof *s.next);
    s.previous = s.next + n;
    s.id = s.previous + n;
    s.rank = s.id + n;
    s.heap = mg_malloc(3 * n * sizeof *s.heap); /* each merge adds two entries at most */
    make_parts(&s, p);
    while (s.heap_n) {
        uint64_t first = pop(&s);
        if (s.rank[(uint32_t)first] == first >> 32) merge_pair(&s, (uint32_t)first);
    }
    for (uint32_t at = 0; at < s.n; at = s.next[at], tokens++)
        if (ids) ids[tokens] = s.id[at];
    free(s.next);
    free(s.heap);
    return tokens;
}

size_t mg_bpe_merge(const mg_bpe *b, const uint8_t *p, size_t n, uint32_t *ids) {
    return n <= SHORT ? merge_short(b, p, n, ids) : merge_long(b, p, n, ids);
}
