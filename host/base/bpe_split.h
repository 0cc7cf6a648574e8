/* Splits a text into the pieces that byte pairs are merged in. */
#ifndef MG_BASE_BPE_SPLIT_H
#define MG_BASE_BPE_SPLIT_H

#include "base/bpe_classes.h"

/* The end of the first piece of [p, end), which is not empty. */
const uint8_t *mg_bpe_split_o200k(const mg_bpe_classes *t, const uint8_t *p, const uint8_t *end);
const uint8_t *mg_bpe_split_cl100k(const mg_bpe_classes *t, const uint8_t *p, const uint8_t *end);

#endif
