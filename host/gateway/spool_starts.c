#include "gateway/spool_starts.h"
#include "base/arena.h"
#include "base/hash.h"
#include <stdio.h>
#include <stdlib.h>

enum { LEAST = 64 };

static size_t home_of(const mg_spool_starts *t, const char *id) {
    return (size_t)mg_hash64(mg_str_from(id, strnlen(id, 36))) & (t->cap - 1);
}

/* The slot that holds `id`, or the free one where it belongs. */
static size_t slot_of(const mg_spool_starts *t, const char *id) {
    size_t i = home_of(t, id);
    while (t->slots[i].id[0] && strncmp(t->slots[i].id, id, sizeof t->slots[i].id) != 0) i = (i + 1) & (t->cap - 1);
    return i;
}

static void grow(mg_spool_starts *t) {
    mg_spool_starts bigger = {.cap = t->cap ? t->cap * 2 : LEAST, .n = t->n};
    bigger.slots = mg_calloc(bigger.cap, sizeof *bigger.slots);
    for (size_t i = 0; i < t->cap; i++)
        if (t->slots[i].id[0]) bigger.slots[slot_of(&bigger, t->slots[i].id)] = t->slots[i];
    free(t->slots);
    *t = bigger;
}

void mg_spool_starts_put(mg_spool_starts *t, const char *id, mg_spool_segment *segment, uint64_t offset) {
    if (!id[0]) return;
    if ((t->n + 1) * 2 > t->cap) grow(t);
    mg_spool_start_at *s = &t->slots[slot_of(t, id)];
    if (!s->id[0]) t->n++;
    snprintf(s->id, sizeof s->id, "%.36s", id);
    s->segment = segment;
    s->offset = offset;
}

/* Closes the gap by moving back every later entry of the run that may stand there. */
void mg_spool_starts_remove(mg_spool_starts *t, const char *id) {
    if (!t->n || !id[0]) return;
    size_t gap = slot_of(t, id);
    if (!t->slots[gap].id[0]) return;
    t->n--;
    size_t mask = t->cap - 1;
    for (size_t i = (gap + 1) & mask; t->slots[i].id[0]; i = (i + 1) & mask) {
        size_t home = home_of(t, t->slots[i].id);
        if (((i - home) & mask) < ((i - gap) & mask)) continue; /* its home lies behind the gap */
        t->slots[gap] = t->slots[i];
        gap = i;
    }
    t->slots[gap].id[0] = 0;
}

void mg_spool_starts_finish(mg_spool_starts *t) {
    free(t->slots);
    *t = (mg_spool_starts){0};
}
