/* The spans of one text, collected in any order, reported in theirs without overlaps. */
#ifndef DETECTOR_PII_SPANS_H
#define DETECTOR_PII_SPANS_H

#include <moongate/plugin.h>

typedef struct mg_pii_spans {
    struct mg_pii_found {
        size_t start, end, type;
        double confidence;
    } * v;
    size_t n, cap;
} mg_pii_spans;

/* False: no memory. */
bool mg_pii_spans_add(mg_pii_spans *l, size_t start, size_t end, size_t type, double confidence);
/* Reports them by start. One inside another is left out: what is around it is what it is a part of. Of two that only
 * overlap the better one stays whole and the other keeps the rest, so that no byte that was found goes uncovered. One
 * that is longer than its type's longest is reported in pieces. */
void mg_pii_spans_report(mg_pii_spans *l, void (*found)(void *arg, const mg_span *span), void *arg);
void mg_pii_spans_finish(mg_pii_spans *l);

#endif
