#include "frames.h"
#include "net/ndjson.h"

static bool on_frame(void *arg, const mg_ndjson_frame *f) { return note(arg, f->raw, f->data, f->has_data); }

static mg_status feed(void *decoder, mg_str bytes, seen *out, mg_error *error) {
    return mg_ndjson_feed(decoder, bytes, on_frame, out, error);
}

static size_t max_line = 1 << 20;

static void run(mg_str text, const size_t *cuts, size_t n, seen *out) {
    mg_ndjson d;
    mg_ndjson_init(&d, max_line);
    feed_cut(feed, &d, text, cuts, n, out);
    mg_buf_printf(&out->events, "waiting %zu\n", d.broken ? 0 : mg_ndjson_waiting(&d));
    mg_ndjson_end(&d, on_frame, out);
    mg_ndjson_finish(&d);
}

static void expect(mg_str text, const char *events) {
    seen s = {0};
    run(text, NULL, 0, &s);
    assert_events(&s, events);
    seen_finish(&s);
    assert_cuts(run, text, text.n < 100);
}

static void test_lines(void **state) {
    (void)state;
    expect(MG_STR("{\"a\":1}\n{\"b\":2}\r\n"), "data [{\"a\":1}]\ndata [{\"b\":2}]\nwaiting 0\n");
    expect(MG_STR("\n\r\n  \n 7 \n"), "none []\nnone []\nnone []\ndata [7]\nwaiting 0\n");
    expect(MG_STR("{\"done\":true}"), "waiting 13\ndata [{\"done\":true}]\n");
    expect(MG_STR("1\n2"), "data [1]\nwaiting 1\ndata [2]\n");
    expect(MG_STR("1\n \t"), "data [1]\nwaiting 2\nnone []\n");
    expect(MG_STR(""), "waiting 0\n");
    expect(MG_STR("\xEF\xBB\xBF{}\n\xEF\xBB\xBF{}\n"), "data [{}]\ndata [\xEF\xBB\xBF{}]\nwaiting 0\n");
    expect(MG_STR("\"a\\nb\rc\"\n"), "data [\"a\\nb\rc\"]\nwaiting 0\n");
}

/* One line that is no JSON: those around it are whole. */
static void test_bad_line(void **state) {
    (void)state;
    mg_str text = MG_STR("{\"a\":1}\n{\"a\":\n\0\xff garbage }{\n{\"a\":2}\n");
    assert_cuts(run, text, true);
    seen s = {0};
    run(text, NULL, 0, &s);
    assert_int_equal(s.n, 4);
    assert_int_equal(s.raw.n, text.n);
    assert_memory_equal(s.raw.p, text.p, text.n);
    assert_non_null(memmem(s.events.p, s.events.n, "data [{\"a\":2}]\n", 15));
    seen_finish(&s);
}

static void test_too_large(void **state) {
    (void)state;
    max_line = 8;
    expect(MG_STR("1234567\n12345678\n1\n"),
           "data [1234567]\nerror a line of the stream is larger than 8 bytes\nwaiting 0\n");
    expect(MG_STR("1234567\n12345678"), "data [1234567]\nwaiting 8\ndata [12345678]\n");
    max_line = 1 << 20;
    mg_ndjson d;
    seen out = {0};
    mg_ndjson_init(&d, 4);
    assert_int_equal(feed(&d, MG_STR("12345"), &out, NULL), MG_ERROR);
    assert_int_equal(feed(&d, MG_STR("\n1\n"), &out, NULL), MG_ERROR);
    mg_ndjson_end(&d, on_frame, &out);
    assert_int_equal(out.n, 0);
    mg_ndjson_finish(&d);
}

static void test_large_line(void **state) {
    (void)state;
    mg_buf text = {0};
    mg_buf_str(&text, MG_STR("{\"x\":\""));
    for (int i = 0; i < (1 << 20) - 9; i++) mg_buf_add(&text, "y", 1);
    mg_buf_str(&text, MG_STR("\"}\n"));
    assert_int_equal(text.n, 1 << 20);
    size_t cuts[50];
    for (size_t i = 0; i < 50; i++) cuts[i] = (i + 1) * text.n / 51;
    seen s = {0};
    run(mg_buf_view(&text), cuts, 50, &s);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.raw.n, text.n);
    seen_finish(&s);
    mg_buf_finish(&text);
}

static void test_stop(void **state) {
    (void)state;
    mg_ndjson d;
    seen out = {.stop_after = 2};
    mg_ndjson_init(&d, 100);
    assert_int_equal(feed(&d, MG_STR("1\n2\n3\n"), &out, NULL), MG_OK);
    assert_int_equal(out.n, 2);
    mg_ndjson_finish(&d);
    seen_finish(&out);
}

static bool on_borrowed(void *arg, const mg_ndjson_frame *f) {
    assert_ptr_equal(f->data.p, arg);
    return false;
}

static void test_no_copy(void **state) {
    (void)state;
    mg_str text = MG_STR("{}\n                                                                                    \n");
    mg_ndjson d;
    mg_ndjson_init(&d, 100);
    assert_int_equal(mg_ndjson_feed(&d, text, on_borrowed, (void *)text.p, NULL), MG_OK);
    assert_null(d.line.pending.p);
    assert_null(d.line.padded.p);
    mg_ndjson_finish(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),      cmocka_unit_test(test_bad_line), cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_large_line), cmocka_unit_test(test_stop),     cmocka_unit_test(test_no_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
