#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/json.h"
#include "net/sse.h"
#include <stdio.h>
#include <stdlib.h>

/* What a stream gave, as text: one line an event, and the raw bytes one after the other. */
typedef struct seen {
    mg_buf events, raw;
    int padding; /* sum of the bytes behind the data: reading them is what ASan checks */
    size_t n, stop_after;
} seen;

static bool on_event(void *arg, const mg_sse_event *e) {
    seen *s = arg;
    mg_buf_printf(&s->events, "%s event=[", e->has_data ? "data" : "none");
    mg_buf_json(&s->events, e->event);
    mg_buf_str(&s->events, MG_STR("] id=["));
    mg_buf_json(&s->events, e->id);
    mg_buf_str(&s->events, MG_STR("] data="));
    mg_buf_str(&s->events, e->data);
    mg_buf_str(&s->events, MG_STR(" raw="));
    mg_buf_json(&s->events, e->raw);
    mg_buf_str(&s->events, MG_STR("\n"));
    mg_buf_str(&s->raw, e->raw);
    for (int i = 0; e->has_data && i < MG_JSON_PADDING; i++) s->padding += e->data.p[e->data.n + (size_t)i];
    return ++s->n != s->stop_after;
}

static void seen_finish(seen *s) {
    mg_buf_finish(&s->events);
    mg_buf_finish(&s->raw);
}

/* Feeds a copy whose end is the end of its memory, so that ASan sees a read beyond it. */
static mg_status feed(mg_sse *s, const char *p, size_t n, seen *out, mg_error *error) {
    char *copy = mg_malloc(n ? n : 1);
    if (n) memcpy(copy, p, n);
    mg_status status = mg_sse_feed(s, (mg_str){copy, n}, on_event, out, error);
    free(copy);
    return status;
}

/* Feeds `text` in pieces that end at the n offsets of `cuts`. */
static size_t run(mg_str text, const size_t *cuts, size_t n, seen *out) {
    mg_sse s;
    mg_sse_init(&s, 1 << 21);
    size_t from = 0;
    for (size_t i = 0; i <= n; i++) {
        size_t to = i < n ? cuts[i] : text.n;
        assert_int_equal(feed(&s, text.p + from, to - from, out, NULL), MG_OK);
        from = to;
    }
    size_t waiting = mg_sse_waiting(&s);
    mg_sse_finish(&s);
    return waiting;
}

typedef struct sample {
    mg_str text;
    size_t events, waiting;
} sample;

static const sample corpus[] = {
    {MG_STR("data: hello\n\n"), 1, 0},
    {MG_STR("data:{\"a\":1}\n\ndata: {\"b\":2}\n\ndata: [DONE]\n\n"), 3, 0},
    {MG_STR("event: message_start\r\ndata: {\"type\":\"message_start\"}\r\n\r\nevent: ping\r\ndata: {}\r\n\r\n"), 2, 0},
    {MG_STR("data: one\r\rdata: two\r\r"), 2, 0},
    {MG_STR("data: one\r\r\ndata: two\r\r\n"), 2, 0},
    {MG_STR("data: one\n\rdata: two\n\r\n\n"), 3, 0},
    {MG_STR("data: mixed\r\n\rdata: x\r\n\n"), 2, 0},
    {MG_STR("\xEF\xBB\xBF"
            "data: after a mark\n\n\xEF\xBB\xBF"
            "data: not a field\n\n"),
     2, 0},
    {MG_STR(": OPENROUTER PROCESSING\n\n: x\n\ndata: 1\n\n"), 3, 0},
    {MG_STR("data: a\ndata: b\ndata\ndata:\ndata:  d\nid: 7\nevent: e\n\n"), 1, 0},
    {MG_STR("data: a\r\ndata: b\r\n: between\r\ndata: c\r\n\r\n"), 1, 0},
    {MG_STR("id: 1\nretry: 100\n\nid\nevent: x\n\ndata\n\n"), 3, 0},
    {MG_STR("\n\n\r\n\r\ndata: x\n\n"), 5, 0},
    {MG_STR("\r\r\rdata: x\r\r"), 4, 0},
    {MG_STR("data: broken"), 0, 12},
    {MG_STR("data: broken\n"), 0, 13},
    {MG_STR("data: x\n\ndata: cut\r\n\r"), 1, 12},
    {MG_STR("data: caf\xC3\xA9 \xF0\x9F\x98\x80\n\n"), 1, 0},
    {MG_STR("datas: no\ndat: no\n data: no\nDATA: no\n\n"), 1, 0},
    {MG_STR("id: with\0nul\ndata: x\n\n"), 1, 0},
    {MG_STR(""), 0, 0},
};

static void assert_same(const seen *a, const seen *b) {
    assert_int_equal(a->events.n, b->events.n);
    if (a->events.n) assert_memory_equal(a->events.p, b->events.p, a->events.n);
}

static void assert_raw(const seen *s, mg_str text, size_t waiting, size_t swallowed) {
    assert_int_equal(s->raw.n + waiting + swallowed, text.n);
    if (s->raw.n) assert_memory_equal(s->raw.p, text.p, s->raw.n);
}

/* A lone LF at the end, whose CR has ended an event, neither waits nor belongs to an event. */
static size_t swallowed(const sample *c, const seen *s) { return c->text.n - s->raw.n - c->waiting; }

static void test_splits_change_nothing(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof corpus / sizeof *corpus; i++) {
        const sample *c = &corpus[i];
        seen whole = {0};
        size_t waiting = run(c->text, NULL, 0, &whole);
        size_t lost = swallowed(c, &whole);
        assert_int_equal(waiting, c->waiting);
        assert_int_equal(whole.n, c->events);
        assert_true(lost <= 1);
        for (size_t a = 0; a <= c->text.n; a++) {
            for (size_t b = a; b <= c->text.n; b++) {
                seen split = {0};
                assert_int_equal(run(c->text, (size_t[]){a, b}, 2, &split), waiting);
                assert_same(&whole, &split);
                seen_finish(&split);
            }
        }
        seen single = {0};
        size_t cuts[256];
        assert_true(c->text.n <= 256);
        for (size_t k = 0; k < c->text.n; k++) cuts[k] = k + 1;
        run(c->text, cuts, c->text.n, &single);
        assert_same(&whole, &single);
        assert_raw(&single, c->text, waiting, lost);
        seen_finish(&single);
        seen_finish(&whole);
    }
}

static void test_fields(void **state) {
    (void)state;
    seen s = {0};
    run(MG_STR("event: a\nid: 7\ndata: x\ndata:y\ndata\n\nevent: b\n\ndata:  z\r\n\r\n"), NULL, 0, &s);
    assert_int_equal(s.n, 3);
    mg_buf_add(&s.events, "", 1);
    assert_non_null(strstr(s.events.p, "data event=[\"a\"] id=[\"7\"] data=x\ny\n raw="));
    assert_non_null(strstr(s.events.p, "none event=[\"b\"] id=[\"\"] data= raw="));
    assert_non_null(strstr(s.events.p, "data event=[\"\"] id=[\"\"] data= z raw="));
    seen_finish(&s);
}

/* A stream of random lines and line ends, cut at random: the same events as whole. */
static void test_random_streams(void **state) {
    (void)state;
    static const char *const pieces[] = {"data: ", "data:", "{\"x\":1}", "event: e", "id: 1",
                                         ": c",    "a",     " ",         "\n",       "\r",
                                         "\r\n",   "\n\n",  "\r\n\r\n",  "\r\r",     "\xEF\xBB\xBF"};
    srand(7);
    for (int round = 0; round < 3000; round++) {
        mg_buf text = {0};
        int parts = rand() % 40;
        for (int i = 0; i < parts; i++) mg_buf_str(&text, mg_str_of(pieces[rand() % 15]));
        seen whole = {0}, split = {0};
        size_t cuts[8], at = 0;
        for (int i = 0; i < 8; i++) {
            at += text.n > at ? (size_t)rand() % (text.n - at + 1) : 0;
            cuts[i] = at;
        }
        size_t waiting = run(mg_buf_view(&text), NULL, 0, &whole);
        assert_int_equal(run(mg_buf_view(&text), cuts, 8, &split), waiting);
        assert_same(&whole, &split);
        size_t rest = text.n - whole.raw.n - waiting;
        assert_true(rest <= 1);
        assert_raw(&whole, mg_buf_view(&text), waiting, rest);
        seen_finish(&whole);
        seen_finish(&split);
        mg_buf_finish(&text);
    }
}

static void test_large_event(void **state) {
    (void)state;
    mg_buf text = {0};
    mg_buf_str(&text, MG_STR("data: "));
    for (int i = 0; i < 1 << 20; i++) mg_buf_add(&text, "x", 1);
    mg_buf_str(&text, MG_STR("\r\n\r\n"));
    size_t cuts[64];
    for (size_t i = 0; i < 64; i++) cuts[i] = (i + 1) * (text.n / 65);
    seen s = {0};
    assert_int_equal(run(mg_buf_view(&text), cuts, 64, &s), 0);
    assert_int_equal(s.n, 1);
    assert_raw(&s, mg_buf_view(&text), 0, 0);
    seen_finish(&s);
    mg_buf_finish(&text);
}

/* A byte at a time, in one line and in many that are joined. */
static void test_large_event_by_bytes(void **state) {
    (void)state;
    for (size_t every = 1000; every <= 2000000; every *= 2000) {
        mg_buf text = {0};
        mg_buf_str(&text, MG_STR("data: "));
        for (size_t i = 1; i <= 1 << 20; i++) mg_buf_str(&text, i % every ? MG_STR("x") : MG_STR("\ndata: "));
        mg_buf_str(&text, MG_STR("\n\n"));
        mg_sse s;
        mg_sse_init(&s, 1 << 21);
        seen out = {0};
        for (size_t i = 0; i < text.n; i++)
            assert_int_equal(mg_sse_feed(&s, (mg_str){text.p + i, 1}, on_event, &out, NULL), MG_OK);
        assert_int_equal(mg_sse_waiting(&s), 0);
        assert_int_equal(out.n, 1);
        assert_raw(&out, mg_buf_view(&text), 0, 0);
        size_t newlines = 0;
        for (size_t i = 0; i < out.events.n; i++) newlines += out.events.p[i] == '\n';
        assert_int_equal(newlines, 1 + (1 << 20) / every); /* the data has one for each line but the first */
        mg_sse_finish(&s);
        seen_finish(&out);
        mg_buf_finish(&text);
    }
}

/* One event that nobody can read: those around it are as they would be without. */
static void test_bad_event_survived(void **state) {
    (void)state;
    static const mg_str bad[] = {
        MG_STR_INIT("data: {\"cut\": \n\n"),          MG_STR_INIT("data: \xff\xfe\x00\x01\r\n\r\n"),
        MG_STR_INIT("garbage without a colon\n\n"),   MG_STR_INIT("data\r\r"),
        MG_STR_INIT("event:\ndata: }\nid: \x00\n\n"), MG_STR_INIT(":::\n:\n\n"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mg_buf text = {0};
        mg_buf_str(&text, MG_STR("event: a\ndata: {\"a\":1}\n\n"));
        mg_buf_str(&text, bad[i]);
        mg_buf_str(&text, MG_STR("event: b\ndata: {\"b\":2}\n\n"));
        for (size_t cut = 0; cut <= text.n; cut++) {
            seen out = {0};
            assert_int_equal(run(mg_buf_view(&text), (size_t[]){cut}, 1, &out), 0);
            assert_int_equal(out.n, 3);
            mg_str first = MG_STR("data event=[\"a\"] id=[\"\"] data={\"a\":1} raw=");
            mg_str last = MG_STR("data event=[\"b\"] id=[\"\"] data={\"b\":2} raw=");
            assert_memory_equal(out.events.p, first.p, first.n);
            assert_non_null(memmem(out.events.p, out.events.n, last.p, last.n));
            seen_finish(&out);
        }
        mg_buf_finish(&text);
    }
}

static void test_too_large(void **state) {
    (void)state;
    for (size_t piece = 1; piece <= 40; piece++) {
        mg_str text = MG_STR("data: 12345678\n\ndata: 123456789\n\n"); /* 16 and 17 bytes */
        mg_sse s;
        mg_sse_init(&s, 16);
        seen out = {0};
        mg_error error = {0};
        mg_status status = MG_OK;
        for (size_t at = 0; at < text.n && status == MG_OK; at += piece) {
            size_t n = text.n - at < piece ? text.n - at : piece;
            status = feed(&s, text.p + at, n, &out, &error);
        }
        assert_int_equal(status, MG_ERROR);
        assert_int_equal(out.n, 1);
        assert_non_null(strstr(error.text, "16 bytes"));
        assert_int_equal(feed(&s, "\n\n", 2, &out, &error), MG_ERROR);
        assert_int_equal(out.n, 1);
        mg_sse_finish(&s);
        seen_finish(&out);
    }
}

static void test_stop(void **state) {
    (void)state;
    mg_sse s;
    mg_sse_init(&s, 1000);
    seen out = {.stop_after = 2};
    assert_int_equal(feed(&s, "data: 1\n\ndata: 2\n\ndata: 3\n\n", 27, &out, NULL), MG_OK);
    assert_int_equal(out.n, 2);
    mg_sse_finish(&s);
    seen_finish(&out);
}

/* Events that lie whole in the fed bytes, with room behind them, are not copied. */
static bool on_borrowed(void *arg, const mg_sse_event *e) {
    mg_str *text = arg;
    assert_true(e->raw.p >= text->p && e->raw.p < text->p + text->n);
    assert_true(e->data.p >= text->p && e->data.p < text->p + text->n);
    return false;
}

static void test_no_copy(void **state) {
    (void)state;
    mg_str text = MG_STR(
        "data: {\"a\":1}\n\ndata: {\"b\":\"a long one, longer than the padding that a parser wants to read\"}\n\n");
    mg_sse s;
    mg_sse_init(&s, 1000);
    assert_int_equal(mg_sse_feed(&s, text, on_borrowed, &text, NULL), MG_OK);
    assert_null(s.data.p);
    assert_null(s.pending.p);
    mg_sse_finish(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splits_change_nothing),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_random_streams),
        cmocka_unit_test(test_large_event),
        cmocka_unit_test(test_large_event_by_bytes),
        cmocka_unit_test(test_bad_event_survived),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_no_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
