/* The spans of one text, collected in any order, then put in theirs without overlaps. */
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
/* Puts them in order of their starts, without overlaps. One inside another is left out: what is around it is what it is a
 * part of. Of two that only overlap the better one stays whole and the other keeps the rest, so that no byte that was found
 * goes uncovered. */
void mg_pii_spans_resolve(mg_pii_spans *l);
void mg_pii_spans_finish(mg_pii_spans *l);

#endif
