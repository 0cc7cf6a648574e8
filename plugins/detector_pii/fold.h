/* Word processors and models write "415‑555‑0132" with hyphens and spaces of Unicode. Where one of them touches a digit
 * it is taken for its ASCII twin, so that all rules see what they know; spans are put back afterwards. */
#ifndef DETECTOR_PII_FOLD_H
#define DETECTOR_PII_FOLD_H

#include <moongate/plugin.h>

typedef struct mg_pii_fold {
    char *p; /* the text, shorter */
    size_t n;
    struct mg_pii_cut {
        size_t at, removed; /* from this byte of it on so many bytes are missing */
    } * cuts;
    size_t n_cuts, cap;
} mg_pii_fold;

/* MG_DECLINED: nothing to fold, and nothing to finish. MG_ERROR: no memory. */
mg_status mg_pii_fold_init(mg_pii_fold *f, mg_str text);
void mg_pii_fold_finish(mg_pii_fold *f);
/* Where a byte of the folded text stands in the text. */
size_t mg_pii_fold_origin(const mg_pii_fold *f, size_t at);

#endif
