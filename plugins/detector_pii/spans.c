#include "spans.h"
#include "scan.h"

#include <stdlib.h>

typedef struct mg_pii_found found_span;

bool mg_pii_spans_add(mg_pii_spans *l, size_t start, size_t end, size_t type, double confidence) {
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        found_span *v = realloc(l->v, cap * sizeof *v);
        if (!v) return false;
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = (found_span){start, end, type, confidence};
    return true;
}

void mg_pii_spans_finish(mg_pii_spans *l) { free(l->v); }

/* More than 0: a is the better one. */
static int compare_worth(const found_span *a, const found_span *b) {
    if (a->confidence != b->confidence) return a->confidence > b->confidence ? 1 : -1;
    int by_severity = (int)mg_pii_types[a->type].severity - (int)mg_pii_types[b->type].severity;
    return by_severity ? by_severity : a->type < b->type ? 1 : -1;
}

/* By start; of equal starts the longer first, of equal spans the better. */
static int compare(const void *pa, const void *pb) {
    const found_span *a = pa, *b = pb;
    if (a->start != b->start) return a->start < b->start ? -1 : 1;
    if (a->end != b->end) return a->end > b->end ? -1 : 1;
    return -compare_worth(a, b);
}

static size_t resolve(found_span *v, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        found_span *last = kept ? &v[kept - 1] : NULL, next = v[i];
        if (last && next.end <= last->end) continue;
        if (last && next.start < last->end) {
            if (compare_worth(&next, last) > 0)
                last->end = next.start;
            else
                next.start = last->end;
        }
        v[kept++] = next;
    }
    return kept;
}

void mg_pii_spans_resolve(mg_pii_spans *l) {
    if (l->n < 2) return;
    qsort(l->v, l->n, sizeof *l->v, compare);
    l->n = resolve(l->v, l->n);
}
