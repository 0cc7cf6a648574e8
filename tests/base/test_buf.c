#include "base/buf.h"
#include "base/json.h"
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

static void grows_and_drains(void **state) {
    (void)state;
    mg_buf b = {0};
    for (int i = 0; i < 10000; i++) assert_true(mg_buf_printf(&b, "%04d", i));
    assert_int_equal(b.n, 40000);
    mg_buf_drain(&b, 39996);
    assert_true(mg_str_is(mg_buf_view(&b), "9999"));
    mg_buf_drain(&b, 100);
    assert_int_equal(b.n, 0);
    assert_true(mg_buf_printf(&b, "%2000d", 1));
    assert_int_equal(b.n, 2000);
    mg_buf_finish(&b);
    assert_true(mg_buf_str(&b, MG_STR("again")));
    mg_buf_finish(&b);
}

static void keeps_its_maximum(void **state) {
    (void)state;
    mg_buf b = {.max = 10};
    assert_true(mg_buf_add(&b, "12345678", 8));
    assert_false(mg_buf_add(&b, "abc", 3));
    assert_true(b.over);
    assert_int_equal(b.n, 8);
    assert_true(mg_buf_add(&b, "90", 2));
    assert_true(b.over); /* sticky */
    assert_false(mg_buf_reserve(&b, 1));
    assert_false(mg_buf_reserve(&b, SIZE_MAX));
    assert_false(mg_buf_json(&b, MG_STR("x")));
    assert_false(mg_buf_printf(&b, "%d", 1));
    assert_true(mg_str_is(mg_buf_view(&b), "1234567890"));
    mg_buf_clear(&b);
    assert_false(b.over);
    assert_false(mg_buf_json(&b, MG_STR("12345678\n"))); /* fits but for the escape */
    assert_int_equal(b.n, 0);
    assert_true(mg_buf_json(&b, MG_STR("12345678")));
    mg_buf_finish(&b);
    assert_int_equal(b.max, 10);
}

static void lives_in_fixed_memory(void **state) {
    (void)state;
    char memory[8];
    mg_buf b = {.p = memory, .cap = sizeof memory, .max = 6};
    assert_true(mg_buf_add(&b, "123456", 6));
    assert_false(mg_buf_add(&b, "7", 1));
    assert_ptr_equal(b.p, memory);
}

static void json_is(const char *text, size_t n, const char *want) {
    mg_buf b = {0};
    assert_true(mg_buf_json(&b, mg_str_from(text, n)));
    assert_true(mg_buf_add(&b, "", 1));
    assert_string_equal(b.p, want);
    mg_buf_finish(&b);
}

static void escapes(void **state) {
    (void)state;
    json_is("", 0, "\"\"");
    json_is("a\"b\\c/", 6, "\"a\\\"b\\\\c/\"");
    json_is("\b\f\n\r\t\x01\x1f\x7f\0", 9, "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\\u0000\"");
    json_is("12345678\"12345678\\1234567\n", 26, "\"12345678\\\"12345678\\\\1234567\\n\"");
    json_is("h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10, "\"h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    json_is("\xc3\xa9\xff\xc3(\xed\xa0\x80", 8,
            "\"\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    json_is("\xe2\x82", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"");
}

/* Every byte at every place of a word of eight is written so that it reads back. */
static void every_byte_comes_back(void **state) {
    (void)state;
    mg_json_parser *parser = mg_json_parser_create();
    mg_arena *a = mg_arena_create(4096);
    for (int c = 0; c < 128; c++)
        for (size_t at = 0; at < 17; at++) {
            char text[17];
            memset(text, 'x', sizeof text);
            text[at] = (char)c;
            mg_buf b = {0};
            assert_true(mg_buf_json(&b, mg_str_from(text, sizeof text)));
            const mg_json *root;
            mg_error error;
            assert_int_equal(mg_json_parse_copy(parser, a, mg_buf_view(&b), &root, &error), MG_OK);
            assert_true(mg_str_eq(mg_json_text(root), mg_str_from(text, sizeof text)));
            mg_buf_finish(&b);
            mg_arena_reset(a);
        }
    mg_arena_destroy(a);
    mg_json_parser_destroy(parser);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(grows_and_drains), cmocka_unit_test(keeps_its_maximum),
                                       cmocka_unit_test(lives_in_fixed_memory), cmocka_unit_test(escapes),
                                       cmocka_unit_test(every_byte_comes_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
