#include "gateway/detect.h"

#include "gateway/worker.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct collector {
    mg_arena *arena;
    mg_found *v;
    size_t n, cap;
    const mg_detector *ops;
} collector;

static mg_severity severity_of(const mg_detector *ops, const char *type) {
    for (size_t i = 0; i < ops->n_types; i++)
        if (strcmp(ops->types[i].name, type) == 0) return ops->types[i].severity;
    return MG_SEVERITY_MEDIUM;
}

static void collect(void *arg, const mg_span *s) {
    collector *c = arg;
    if (c->n == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 16;
        mg_found *v = mg_arena_alloc(c->arena, cap * sizeof *v);
        if (c->n) memcpy(v, c->v, c->n * sizeof *v);
        c->v = v;
        c->cap = cap;
    }
    c->v[c->n++] = (mg_found){s->type, severity_of(c->ops, s->type), s->start, s->end, s->confidence};
}

static int by_start(const void *a, const void *b) {
    const mg_found *x = a, *y = b;
    if (x->start != y->start) return x->start < y->start ? -1 : 1;
    return x->end > y->end ? -1 : x->end < y->end;
}

static bool better(const mg_found *a, const mg_found *b) {
    if (a->confidence != b->confidence) return a->confidence > b->confidence;
    return a->end - a->start > b->end - b->start;
}

/* Of two that overlap the better one stays. */
static size_t resolve(mg_found *v, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept && v[i].start < v[kept - 1].end) {
            if (better(&v[i], &v[kept - 1])) v[kept - 1] = v[i];
        } else {
            v[kept++] = v[i];
        }
    }
    return kept;
}

/* The detector's bits for the wanted types; *matched counts which of them it knows. */
static uint64_t wanted_bits(const mg_detector *ops, const mg_str *types, size_t n, bool *known) {
    if (!types) return ops->n_types >= 64 ? UINT64_MAX : (UINT64_C(1) << ops->n_types) - 1;
    uint64_t bits = 0;
    for (size_t t = 0; t < n; t++)
        for (size_t i = 0; i < ops->n_types && i < 64; i++)
            if (mg_str_is(types[t], ops->types[i].name)) {
                bits |= UINT64_C(1) << i;
                known[t] = true;
            }
    return bits;
}

static mg_status unknown_type(const mg_snapshot *s, mg_str type, mg_error *error) {
    char list[256] = "";
    size_t at = 0;
    for (size_t d = 0; d < s->n_detectors; d++) {
        const mg_detector *ops = mg_use_ops(s->detectors[d]);
        for (size_t i = 0; i < ops->n_types && at + 40 < sizeof list; i++)
            at += (size_t)snprintf(list + at, sizeof list - at, "%s%.32s", at ? ", " : "", ops->types[i].name);
    }
    return mg_fail(error, 500, "policy_failed", "no detector finds '%.*s'; there are: %s",
                   (int)(type.n < 40 ? type.n : 40), type.p, at ? list : "none");
}

mg_status mg_detect(mg_worker *w, const mg_snapshot *s, mg_arena *arena, mg_str text, const mg_str *types,
                    size_t n_types, const mg_found **found, size_t *n, mg_error *error) {
    collector c = {.arena = arena};
    bool known[64] = {false};
    if (n_types > 64) return mg_fail(error, 500, "policy_failed", "more than 64 types were asked for");
    for (size_t d = 0; d < s->n_detectors; d++) {
        c.ops = mg_use_ops(s->detectors[d]);
        uint64_t bits = wanted_bits(c.ops, types, n_types, known);
        void *self = bits ? mg_use_self(s->detectors[d], w->index, w->loop, error) : NULL;
        if (bits && !self) return MG_ERROR;
        if (bits && c.ops->scan(self, text, bits, collect, &c, error) != MG_OK) return MG_ERROR;
    }
    for (size_t t = 0; t < n_types; t++)
        if (!known[t]) return unknown_type(s, types[t], error);
    if (c.n > 1) {
        qsort(c.v, c.n, sizeof *c.v, by_start);
        c.n = resolve(c.v, c.n);
    }
    *found = c.v;
    *n = c.n;
    return MG_OK;
}
