/* Any bytes: the pieces cover the text, the tokens are the text, and each piece's tokens are those of the plainest
 * merging. Needs the vocabularies in ranks/ beside the fuzzer or one folder above. */
#include "base/bpe.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MOST = 1024 };

/* The tokens of a piece, as the rule says. */
static size_t naive(const mg_bpe *b, const uint8_t *p, size_t n, uint32_t *ids) {
    size_t at[MOST + 1];
    const char *text = (const char *)p;
    for (size_t i = 0; i <= n; i++) at[i] = i;
    for (;;) {
        uint32_t lowest = MG_BPE_NONE;
        size_t best = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            uint32_t id = mg_bpe_find(b, mg_str_from(text + at[i], at[i + 2] - at[i]));
            if (id < lowest) lowest = id, best = i;
        }
        if (lowest == MG_BPE_NONE) break;
        memmove(at + best + 1, at + best + 2, (n - best - 1) * sizeof *at);
        n--;
    }
    for (size_t i = 0; i < n; i++) ids[i] = mg_bpe_find(b, mg_str_from(text + at[i], at[i + 1] - at[i]));
    return n;
}

static void check(const mg_bpe *b, const uint8_t *p, size_t n) {
    uint32_t ids[MOST], want[MOST];
    size_t tokens = mg_bpe_encode(b, mg_str_from((const char *)p, n), ids), at = 0, i = 0;
    while (at < n) {
        size_t piece = mg_bpe_piece(b, mg_str_from((const char *)p + at, n - at));
        if (piece == 0 || piece > n - at) abort();
        uint32_t whole = mg_bpe_find(b, mg_str_from((const char *)p + at, piece));
        size_t m = 1;
        want[0] = whole;
        if (whole == MG_BPE_NONE) m = naive(b, p + at, piece, want);
        if (i + m > tokens || memcmp(ids + i, want, m * sizeof *ids) != 0) abort();
        for (size_t left = piece; left; i++) {
            mg_str token = mg_bpe_token(b, ids[i]);
            if (token.n == 0 || token.n > left || memcmp(token.p, p + at, token.n) != 0) abort();
            at += token.n;
            left -= token.n;
        }
    }
    if (i != tokens) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    for (mg_bpe_encoding e = 0; e < MG_BPE_ENCODINGS; e++) {
        const mg_bpe *b = mg_bpe_get(e, NULL);
        if (!b) exit(1);
        check(b, data, n < MOST ? n : MOST);
    }
    return 0;
}
