#include "frames.h"
#include "net/json_array.h"

static bool on_frame(void *arg, const mg_json_array_frame *f) { return note(arg, f->raw, f->data, f->has_data); }

static mg_status feed(void *decoder, mg_str bytes, seen *out, mg_error *error) {
    return mg_json_array_feed(decoder, bytes, on_frame, out, error);
}

static size_t max_element = 1 << 20;

static void run(mg_str text, const size_t *cuts, size_t n, seen *out) {
    mg_json_array d;
    mg_json_array_init(&d, max_element);
    mg_status status = feed_cut(feed, &d, text, cuts, n, out);
    if (mg_json_array_closed(&d) && status == MG_OK) mg_buf_printf(&out->events, "closed\n");
    if (status == MG_OK) mg_buf_printf(&out->events, "waiting %zu\n", mg_json_array_waiting(&d));
    mg_json_array_finish(&d);
}

static void expect(mg_str text, const char *events) {
    seen s = {0};
    run(text, NULL, 0, &s);
    assert_events(&s, events);
    seen_finish(&s);
    assert_cuts(run, text, text.n < 120);
}

static void test_elements(void **state) {
    (void)state;
    expect(MG_STR("[{\"a\":1}\n,\r\n{\"b\":2}\n]\n"),
           "data [{\"a\":1}]\ndata [{\"b\":2}]\nnone []\nclosed\nwaiting 0\n");
    expect(MG_STR("[]"), "none []\nclosed\nwaiting 0\n");
    expect(MG_STR(" \t\r\n[ ] \n "), "none []\nclosed\nwaiting 0\n");
    expect(MG_STR("[1, -2.5e3 ,true,null]"),
           "data [1]\ndata [-2.5e3]\ndata [true]\ndata [null]\nnone []\nclosed\nwaiting 0\n");
    expect(MG_STR("[\"\",\"]\",\"\\\"],\\\\\"]"),
           "data [\"\"]\ndata [\"]\"]\ndata [\"\\\"],\\\\\"]\nnone []\nclosed\nwaiting 0\n");
    expect(MG_STR("[[[]],{\"a\":[{}]}]"), "data [[[]]]\ndata [{\"a\":[{}]}]\nnone []\nclosed\nwaiting 0\n");
    expect(MG_STR("[{\"t\":\"}]\\\\\\\"{[\",\"u\":\"\\u005d\"}]"),
           "data [{\"t\":\"}]\\\\\\\"{[\",\"u\":\"\\u005d\"}]\nnone []\nclosed\nwaiting 0\n");
    expect(MG_STR("\xEF\xBB\xBF[1]"), "data [1]\nnone []\nclosed\nwaiting 0\n");
}

static void test_half(void **state) {
    (void)state;
    expect(MG_STR(""), "waiting 0\n");
    expect(MG_STR("  ["), "waiting 3\n");
    expect(MG_STR("[{\"a\":1}"), "data [{\"a\":1}]\nwaiting 0\n");
    expect(MG_STR("[{\"a\":1},{\"b\""), "data [{\"a\":1}]\nwaiting 5\n");
    expect(MG_STR("[12"), "waiting 3\n");
    expect(MG_STR("[12 "), "data [12]\nwaiting 1\n");
}

static void test_wrong(void **state) {
    (void)state;
#define WRONG "error the stream is not a JSON array: "
    expect(MG_STR("{\"error\":1}"), WRONG "something else than '[' at byte 0\n");
    expect(MG_STR("\xEF\xBB[1]"), WRONG "something else than '[' at byte 2\n");
    expect(MG_STR(" \xEF\xBB\xBF[1]"), WRONG "something else than '[' at byte 1\n");
    expect(MG_STR("[1,]"), "data [1]\n" WRONG "no element at byte 3\n");
    expect(MG_STR("[,1]"), WRONG "no element at byte 1\n");
    expect(MG_STR("[}"), WRONG "no element at byte 1\n");
    expect(MG_STR("[{}{}]"), "data [{}]\n" WRONG "something else than ',' or ']' at byte 3\n");
    expect(MG_STR("[{]}]"), WRONG "a bracket that does not match at byte 2\n");
    expect(MG_STR("[[}]]"), WRONG "a bracket that does not match at byte 2\n");
    expect(MG_STR("[]x"), "none []\n" WRONG "something behind the array at byte 2\n");
    expect(MG_STR("[1] [2]"), "data [1]\nnone []\n" WRONG "something behind the array at byte 4\n");
}

static void test_depth(void **state) {
    (void)state;
    for (int depth = MG_JSON_MAX_DEPTH - 1; depth <= MG_JSON_MAX_DEPTH + 1; depth++) {
        mg_buf text = {0};
        mg_buf_add(&text, "[", 1);
        for (int i = 0; i < depth; i++) mg_buf_str(&text, i % 3 ? MG_STR("{\"a\":") : MG_STR("["));
        for (int i = depth - 1; i >= 0; i--) mg_buf_add(&text, i % 3 ? "}" : "]", 1);
        mg_buf_add(&text, "]", 1);
        seen s = {0};
        run(mg_buf_view(&text), NULL, 0, &s);
        assert_int_equal(s.n, depth <= MG_JSON_MAX_DEPTH ? 2 : 0);
        seen_finish(&s);
        assert_cuts(run, mg_buf_view(&text), false);
        mg_buf_finish(&text);
    }
}

static void test_too_large(void **state) {
    (void)state;
    max_element = 6;
    expect(MG_STR("[\"123\",\"123\",\"1234\"]"),
           "data [\"123\"]\ndata [\"123\"]\n" WRONG "an element larger than 6 bytes\n");
    expect(MG_STR("[1,        2]"), "data [1]\n" WRONG "an element larger than 6 bytes\n");
    max_element = 1 << 20;
    mg_json_array d;
    seen out = {0};
    mg_json_array_init(&d, 4);
    assert_int_equal(feed(&d, MG_STR("[12345"), &out, NULL), MG_ERROR);
    assert_int_equal(feed(&d, MG_STR(",1]"), &out, NULL), MG_ERROR);
    assert_int_equal(out.n, 0);
    mg_json_array_finish(&d);
}

/* The raw bytes, one after the other, are the text, but for white space behind it. */
static void test_raw(void **state) {
    (void)state;
    mg_str text = MG_STR(" [ 1 , {\"a\": [2 ]} ,\n\"x\" ]");
    seen s = {0};
    run(text, NULL, 0, &s);
    assert_int_equal(s.raw.n, text.n);
    assert_memory_equal(s.raw.p, text.p, text.n);
    seen_finish(&s);
}

static void test_large_element(void **state) {
    (void)state;
    mg_buf text = {0};
    mg_buf_str(&text, MG_STR("[{\"x\":\""));
    for (int i = 0; i < 1000000; i++) mg_buf_add(&text, "\\\"", 2);
    mg_buf_str(&text, MG_STR("\"},1]"));
    size_t cuts[50];
    for (size_t i = 0; i < 50; i++) cuts[i] = (i + 1) * text.n / 51;
    seen s = {0};
    max_element = 1 << 22;
    run(mg_buf_view(&text), cuts, 50, &s);
    max_element = 1 << 20;
    assert_int_equal(s.n, 3);
    assert_int_equal(s.raw.n, text.n);
    seen_finish(&s);
    mg_buf_finish(&text);
}

static void test_stop(void **state) {
    (void)state;
    mg_json_array d;
    seen out = {.stop_after = 2};
    mg_json_array_init(&d, 100);
    assert_int_equal(feed(&d, MG_STR("[1,2,3]"), &out, NULL), MG_OK);
    assert_int_equal(out.n, 2);
    mg_json_array_finish(&d);
    seen_finish(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elements),      cmocka_unit_test(test_half),      cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_depth),         cmocka_unit_test(test_too_large), cmocka_unit_test(test_raw),
        cmocka_unit_test(test_large_element), cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
