/* "did you mean …?": the known word that is nearest to one that is not known. */
#ifndef MG_POLICY_NEAREST_H
#define MG_POLICY_NEAREST_H

#include "base/str.h"

typedef struct mg_nearest {
    mg_str key; /* what was written */
    mg_str word; /* the nearest so far; p NULL: none is near enough to be meant */
    size_t distance;
} mg_nearest;

static inline mg_nearest mg_nearest_of(mg_str key) {
    return (mg_nearest){key, {NULL, 0}, key.n / 2 < 3 ? key.n / 2 + 1 : 4};
}

static inline void mg_nearest_try(mg_nearest *n, mg_str word) {
    size_t d = mg_str_distance(n->key, word);
    if (d >= n->distance) return;
    n->distance = d;
    n->word = word;
}

/* For printf: "; did you mean 'WORD'?" or nothing. */
#define MG_NEAREST_FMT "%s%.*s%s"
#define MG_NEAREST_ARG(n) (n).word.p ? "; did you mean '" : "", MG_STR_ARG((n).word), (n).word.p ? "'?" : ""

#endif
