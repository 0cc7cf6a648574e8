/* Feeds a text to a framing decoder, cut at given offsets, and notes what came as text: the same for every cut. */
#ifndef TEST_FRAMES_H
#define TEST_FRAMES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include <stdio.h>
#include <stdlib.h>

typedef struct seen {
    mg_buf events, raw;
    int padding; /* sum of the bytes behind the data: reading them is what ASan checks */
    size_t n, stop_after;
} seen;

static inline bool note(seen *s, mg_str raw, mg_str data, bool has_data) {
    mg_buf_printf(&s->events, "%s [", has_data ? "data" : "none");
    mg_buf_str(&s->events, data);
    mg_buf_str(&s->events, MG_STR("]\n"));
    mg_buf_str(&s->raw, raw);
    for (int i = 0; has_data && i < MG_JSON_PADDING; i++) s->padding += data.p[data.n + (size_t)i];
    return ++s->n != s->stop_after;
}

static inline void seen_finish(seen *s) {
    mg_buf_finish(&s->events);
    mg_buf_finish(&s->raw);
}

static inline void assert_events(seen *s, const char *text) {
    mg_buf_add(&s->events, "", 1);
    assert_string_equal(s->events.p, text);
    s->events.n--;
}

static inline void assert_same(const seen *a, const seen *b) {
    assert_int_equal(a->events.n, b->events.n);
    if (a->events.n) assert_memory_equal(a->events.p, b->events.p, a->events.n);
    assert_int_equal(a->raw.n, b->raw.n);
    if (a->raw.n) assert_memory_equal(a->raw.p, b->raw.p, a->raw.n);
}

/* Feeds pieces that end at the n offsets of `cuts`, each a copy whose end is the end of its memory, so that ASan sees
 * a read beyond it. Adds how it ended to the events. */
typedef mg_status (*feeder)(void *decoder, mg_str bytes, seen *out, mg_error *error);
static inline mg_status feed_cut(feeder feed, void *decoder, mg_str text, const size_t *cuts, size_t n, seen *out) {
    mg_error error = {0};
    mg_status status = MG_OK;
    size_t from = 0;
    for (size_t i = 0; i <= n && status == MG_OK; i++) {
        size_t to = i < n ? cuts[i] : text.n;
        char *copy = mg_malloc(to > from ? to - from : 1);
        memcpy(copy, text.p + from, to - from);
        status = feed(decoder, (mg_str){copy, to - from}, out, &error);
        free(copy);
        from = to;
    }
    if (status == MG_ERROR) {
        assert_int_equal(error.http, 502);
        mg_buf_printf(&out->events, "error %s\n", error.text);
    }
    return status;
}

/* run(text, cuts, n, out) must come to the same for every cut in two and for single bytes. */
static inline void assert_cuts(void (*run)(mg_str text, const size_t *cuts, size_t n, seen *out), mg_str text,
                               bool pairs) {
    seen whole = {0}, single = {0};
    run(text, NULL, 0, &whole);
    for (size_t a = 0; a <= text.n; a++) {
        for (size_t b = a; b <= (pairs ? text.n : a); b++) {
            seen split = {0};
            run(text, (size_t[]){a, b}, 2, &split);
            assert_same(&whole, &split);
            seen_finish(&split);
        }
    }
    size_t *cuts = mg_malloc((text.n + 1) * sizeof *cuts);
    for (size_t k = 0; k < text.n; k++) cuts[k] = k + 1;
    run(text, cuts, text.n, &single);
    assert_same(&whole, &single);
    free(cuts);
    seen_finish(&single);
    seen_finish(&whole);
}

#endif
