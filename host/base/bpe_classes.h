/* Classes of characters for the split patterns of bpe_split.c. */
#ifndef MG_BASE_BPE_CLASSES_H
#define MG_BASE_BPE_CLASSES_H

#include <stddef.h>
#include <stdint.h>

/* In the order that ranks/classes.py writes. */
typedef enum mg_bpe_class {
    MG_BPE_UPPER, /* Lu, Lt */
    MG_BPE_LOWER, /* Ll */
    MG_BPE_LETTER, /* Lm, Lo */
    MG_BPE_MARK, /* M */
    MG_BPE_NUMBER, /* N */
    MG_BPE_SPACE, /* White_Space, without the next */
    MG_BPE_NEWLINE, /* CR and LF */
    MG_BPE_OTHER,
    MG_BPE_CASED /* of a run only: its characters are UPPER and LOWER by turns */
} mg_bpe_class;

/* Runs of one class in ascending order, each up to the next: 16 × first code point + class. */
extern const uint32_t mg_bpe_runs[];
extern const size_t mg_bpe_n_runs;

/* Classes by code point in two steps: pages[page_of[code / 256]][code % 256]. */
enum { MG_BPE_PAGE = 256, MG_BPE_CODES = 0x110000 };
typedef struct mg_bpe_classes {
    uint8_t page_of[MG_BPE_CODES / MG_BPE_PAGE];
    uint8_t pages[][MG_BPE_PAGE];
} mg_bpe_classes;

/* Made of the runs at the first call, by one thread, never freed. About 40 KB. */
const mg_bpe_classes *mg_bpe_classes_get(void);

#endif
