/* Of all neighbors in a piece whose bytes together are a token, the pair of the lowest rank is merged, the first of them
 * if there are several, until none is left. A token's rank is its id. */
#include "base/bpe_merge.h"
#include "base/arena.h"
#include <stdlib.h>

enum { SHORT = 64 }; /* bytes up to which looking at all pairs beats a heap */

uint32_t mg_bpe_lookup_long(const mg_bpe *b, const uint8_t *p, size_t n) {
    if (n > b->longest) return MG_BPE_NONE;
    uint64_t h = mg_bpe_hash_long(p, n);
    for (uint32_t i = (uint32_t)h & b->longer_mask; b->longer[i]; i = (i + 1) & b->longer_mask) {
        uint32_t id = (uint32_t)b->longer[i];
        if (b->longer[i] >> 32 == h >> 32 && b->starts[id + 1] - b->starts[id] == n &&
            memcmp(b->bytes + b->starts[id], p, n) == 0)
            return id;
    }
    return MG_BPE_NONE;
}

/* ---- short pieces ------------------------------------------------------------------------------------------------ */

/* Part i is p[at[i], at[i + 1]); rank[i] that of it with the next one. */
static size_t merge_short(const mg_bpe *b, const uint8_t *p, size_t n, const uint8_t *end, uint32_t *ids) {
    uint32_t rank[SHORT + 1];
    uint8_t at[SHORT + 2];
    for (size_t i = 0; i + 1 < n; i++) rank[i] = b->pairs[p[i] << 8 | p[i + 1]];
    for (size_t i = 0; i <= n; i++) at[i] = (uint8_t)i;
    rank[n - 1] = MG_BPE_NONE;
    for (;;) {
        uint32_t lowest = MG_BPE_NONE;
        size_t best = 0;
        for (size_t i = 0; i + 1 < n; i++)
            if (rank[i] < lowest) lowest = rank[i], best = i;
        if (lowest == MG_BPE_NONE) break;
        memmove(at + best + 1, at + best + 2, n - best - 1);
        memmove(rank + best + 1, rank + best + 2, (n - best - 2) * sizeof *rank);
        n--;
        rank[best] =
            best + 1 < n ? mg_bpe_lookup(b, p + at[best], (size_t)(at[best + 2] - at[best]), end) : MG_BPE_NONE;
        if (best) rank[best - 1] = mg_bpe_lookup(b, p + at[best - 1], (size_t)(at[best + 1] - at[best - 1]), end);
    }
    for (size_t i = 0; ids && i < n; i++) ids[i] = mg_bpe_lookup(b, p + at[i], (size_t)(at[i + 1] - at[i]), end);
    return n;
}

/* ---- long pieces ------------------------------------------------------------------------------------------------- */

/* Parts as a list by the offset of their first byte; the ranks of pairs in a heap, as rank and offset in one number, so
 * that equal ranks come in order. An entry whose rank is no longer its part's is passed over. */
typedef struct parts {
    const mg_bpe *b;
    const uint8_t *p, *end;
    uint32_t n;
    uint32_t *next, *previous, *rank; /* by offset; next of the last is n */
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
    uint32_t second = s->next[at], behind = second < s->n ? s->next[second] : 0;
    s->rank[at] =
        behind && behind - at <= s->b->longest ? mg_bpe_lookup(s->b, s->p + at, behind - at, s->end) : MG_BPE_NONE;
    if (s->rank[at] != MG_BPE_NONE) push(s, (uint64_t)s->rank[at] << 32 | at);
}

static void merge_pair(parts *s, uint32_t at) {
    uint32_t second = s->next[at];
    s->rank[second] = MG_BPE_NONE;
    s->next[at] = s->next[second];
    if (s->next[at] < s->n) s->previous[s->next[at]] = at;
    rank_pair(s, at);
    if (at) rank_pair(s, s->previous[at]);
}

static void make_parts(parts *s) {
    for (uint32_t i = 0; i < s->n; i++) {
        s->next[i] = i + 1;
        s->previous[i] = i - 1; /* never read for the first */
        s->rank[i] = i + 1 < s->n ? s->b->pairs[s->p[i] << 8 | s->p[i + 1]] : MG_BPE_NONE;
        if (s->rank[i] != MG_BPE_NONE) s->heap[s->heap_n++] = (uint64_t)s->rank[i] << 32 | i;
    }
    for (size_t i = s->heap_n / 2; i-- > 0;) sift_down(s, i);
}

static size_t merge_long(const mg_bpe *b, const uint8_t *p, size_t n, const uint8_t *end, uint32_t *ids) {
    parts s = {.b = b, .p = p, .end = end, .n = (uint32_t)n};
    size_t tokens = 0;
    s.next = mg_malloc(3 * n * sizeof *s.next);
    s.previous = s.next + n;
    s.rank = s.previous + n;
    s.heap = mg_malloc(3 * n * sizeof *s.heap); /* each merge adds two entries at most */
    make_parts(&s);
    while (s.heap_n) {
        uint64_t lowest = pop(&s);
        if (s.rank[(uint32_t)lowest] == lowest >> 32) merge_pair(&s, (uint32_t)lowest);
    }
    for (uint32_t at = 0; at < s.n; at = s.next[at], tokens++)
        if (ids) ids[tokens] = mg_bpe_lookup(b, p + at, s.next[at] - at, end);
    free(s.next);
    free(s.heap);
    return tokens;
}

size_t mg_bpe_merge(const mg_bpe *b, const uint8_t *p, size_t n, const uint8_t *end, uint32_t *ids) {
    return n <= SHORT ? merge_short(b, p, n, end, ids) : merge_long(b, p, n, end, ids);
}
