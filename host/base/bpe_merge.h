/* A mapped vocabulary from the inside, and the merging of a piece's byte pairs. */
#ifndef MG_BASE_BPE_MERGE_H
#define MG_BASE_BPE_MERGE_H

#include "base/bpe_classes.h"
#include "base/bpe_image.h"

typedef struct mg_bpe_merges {
    const uint64_t *merges, *filter;
    uint32_t n, n_filter;
} mg_bpe_merges;

struct mg_bpe {
    const uint8_t *image;
    size_t image_size;
    mg_bpe_encoding encoding;
    uint32_t n, buckets, longer_mask, longest;
    const mg_bpe_slot *slots;
    const uint64_t *longer;
    mg_bpe_merges merges[2]; /* of frequent tokens, of the others */
    const uint32_t *pairs, *singles, *starts;
    const uint8_t *bytes;
    const mg_bpe_classes *classes;
};

/* The tokens of a piece that is none itself: 2 ≤ n ≤ MG_BPE_PIECE_MAX. `ids` takes n, or is NULL. */
size_t mg_bpe_merge(const mg_bpe *b, const uint8_t *p, size_t n, uint32_t *ids);

#endif
