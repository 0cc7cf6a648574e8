#include "fold.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64 };

static bool is_ascii(mg_str text) {
    size_t i = 0;
    for (; i + BLOCK <= text.n; i += BLOCK) {
        unsigned char any = 0;
        for (int k = 0; k < BLOCK; k++) any |= (unsigned char)text.p[i + (size_t)k];
        if (any & 0x80) return false;
    }
    for (; i < text.n; i++)
        if ((unsigned char)text.p[i] & 0x80) return false;
    return true;
}

/* The ASCII twin of the space or dash at i, *n bytes long; 0: there is none. */
static char twin(mg_str text, size_t i, size_t *n) {
    const unsigned char *p = (const unsigned char *)text.p + i;
    size_t left = text.n - i;
    *n = 2;
    if (p[0] == 0xc2) return left >= 2 && p[1] == 0xa0 ? ' ' : 0; /* no-break space */
    *n = 3;
    if (p[0] != 0xe2 || left < 3) return 0;
    if (p[1] == 0x88) return p[2] == 0x92 ? '-' : 0; /* minus */
    if (p[1] != 0x80) return 0;
    if (p[2] >= 0x90 && p[2] <= 0x95) return '-'; /* hyphens and dashes */
    return p[2] == 0xaf || (p[2] >= 0x87 && p[2] <= 0x8a) ? ' ' : 0; /* narrow spaces */
}

static bool touches_digit(mg_str text, size_t i, size_t n) {
    return mg_pii_is_digit(mg_pii_before(text, i, 1)) || mg_pii_is_digit(mg_pii_behind(text, i + n, 1));
}

/* The next place at or behind i that is folded; text.n: there is none. */
static size_t next_place(mg_str text, size_t i, char *with, size_t *n) {
    for (; i < text.n; i++) {
        if (!((unsigned char)text.p[i] & 0x80)) continue;
        *with = twin(text, i, n);
        if (*with && touches_digit(text, i, *n)) return i;
    }
    return text.n;
}

static bool add_cut(mg_pii_fold *f, size_t removed) {
    if (f->n_cuts == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 16;
        struct mg_pii_cut *cuts = realloc(f->cuts, cap * sizeof *cuts);
        if (!cuts) return false;
        f->cuts = cuts;
        f->cap = cap;
    }
    f->cuts[f->n_cuts++] = (struct mg_pii_cut){f->n, removed};
    return true;
}

mg_status mg_pii_fold_init(mg_pii_fold *f, mg_str text) {
    char with = 0;
    size_t n = 0, at = 0, place;
    *f = (mg_pii_fold){0};
    if (is_ascii(text) || (place = next_place(text, 0, &with, &n)) == text.n) return MG_DECLINED;
    f->p = malloc(text.n);
    while (f->p && place < text.n) {
        memcpy(f->p + f->n, text.p + at, place - at);
        f->n += place - at;
        f->p[f->n++] = with;
        at = place + n;
        if (!add_cut(f, at - f->n)) break;
        place = next_place(text, at, &with, &n);
    }
    if (!f->p || place < text.n) {
        mg_pii_fold_finish(f);
        return MG_ERROR;
    }
    memcpy(f->p + f->n, text.p + at, text.n - at);
    f->n += text.n - at;
    return MG_OK;
}

void mg_pii_fold_finish(mg_pii_fold *f) {
    free(f->p);
    free(f->cuts);
    *f = (mg_pii_fold){0};
}

size_t mg_pii_fold_origin(const mg_pii_fold *f, size_t at) {
    size_t low = 0, high = f->n_cuts;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (f->cuts[middle].at <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? at + f->cuts[low - 1].removed : at;
}
