#include "base/str.h"
#include <setjmp.h>
#include <cmocka.h>

static void trims(void **state) {
    (void)state;
    assert_true(mg_str_is(mg_str_trim(MG_STR(" \t a b\t ")), "a b"));
    assert_int_equal(mg_str_trim(MG_STR("  ")).n, 0);
    assert_int_equal(mg_str_trim((mg_str){NULL, 0}).n, 0);
}

static bool glob(const char *pattern, const char *s) { return mg_str_glob(mg_str_of(pattern), mg_str_of(s)); }

static void globs(void **state) {
    (void)state;
    assert_true(glob("openai/gpt-4*", "openai/gpt-4o"));
    assert_true(glob("openai/gpt-4*", "openai/gpt-4"));
    assert_true(glob("*", "a/b/c"));
    assert_true(glob("*", ""));
    assert_true(glob("", ""));
    assert_true(glob("a*b*c", "a-b-b-c"));
    assert_true(glob("*aab", "aaaab"));
    assert_true(glob("**x", "x"));
    assert_false(glob("a*b", "a-b-c"));
    assert_false(glob("", "a"));
    assert_false(glob("a?c", "abc"));
    assert_true(glob("a?c", "a?c"));
    assert_false(glob("*b", "a"));
}

static void reads_integers(void **state) {
    (void)state;
    int64_t n = 5;
    assert_true(mg_str_int(MG_STR("9223372036854775807"), &n) && n == INT64_MAX);
    assert_true(mg_str_int(MG_STR("-9223372036854775808"), &n) && n == INT64_MIN);
    assert_true(mg_str_int(MG_STR("+7"), &n) && n == 7);
    assert_true(mg_str_int(MG_STR("-0"), &n) && n == 0);
    static const char *const bad[] = {
        "", "-", "+", "1 ", " 1", "1.0", "9223372036854775808", "-9223372036854775809", "0x1", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_false(mg_str_int(mg_str_of(bad[i]), &n));
    assert_int_equal(n, 0);
}

static void compares_secrets(void **state) {
    (void)state;
    assert_true(mg_str_eq_secret(MG_STR("abc"), MG_STR("abc")));
    assert_false(mg_str_eq_secret(MG_STR("abc"), MG_STR("abd")));
    assert_false(mg_str_eq_secret(MG_STR("abc"), MG_STR("ab")));
    assert_true(mg_str_eq_secret((mg_str){NULL, 0}, MG_STR("")));
}

static size_t distance(const char *a, const char *b) { return mg_str_distance(mg_str_of(a), mg_str_of(b)); }

static void measures_distance(void **state) {
    (void)state;
    assert_int_equal(distance("kitten", "sitting"), 3);
    assert_int_equal(distance("provders", "providers"), 1);
    assert_int_equal(distance("polcies", "policies"), 1);
    assert_int_equal(distance("ab", "ba"), 1);
    assert_int_equal(distance("ca", "abc"), 3); /* optimal string alignment, not Damerau-Levenshtein (2) */
    assert_int_equal(distance("", "abc"), 3);
    assert_int_equal(distance("abc", ""), 3);
    assert_int_equal(distance("same", "same"), 0);
    char a[100], b[100];
    memset(a, 'a', sizeof a);
    memset(b, 'b', sizeof b);
    assert_int_equal(mg_str_distance(mg_str_from(a, 100), mg_str_from(b, 100)), 64);
}

static void knows_utf8(void **state) {
    (void)state;
    assert_int_equal(mg_str_utf8(MG_STR("a")), 1);
    assert_int_equal(mg_str_utf8(MG_STR("\xc3\xa9")), 2);
    assert_int_equal(mg_str_utf8(MG_STR("\xe2\x82\xac.")), 3);
    assert_int_equal(mg_str_utf8(MG_STR("\xf0\x9f\x98\x80")), 4);
    assert_int_equal(mg_str_utf8(MG_STR("\xf4\x8f\xbf\xbf")), 4);
    static const char *const bad[] = {"",
                                      "\x80",
                                      "\xc3",
                                      "\xc0\xaf",
                                      "\xc1\xbf",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xe2\x82",
                                      "\xf0\x9f\x98",
                                      "\xc3z",
                                      "\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_int_equal(mg_str_utf8(mg_str_of(bad[i])), 0);
}

static void cuts_between_characters(void **state) {
    (void)state;
    mg_str s = MG_STR("a\xc3\xa9\xf0\x9f\x98\x80z");
    static const size_t want[] = {0, 1, 1, 3, 3, 3, 3, 7, 8, 8};
    for (size_t max = 0; max < sizeof want / sizeof want[0]; max++) assert_int_equal(mg_str_cut(s, max).n, want[max]);
    assert_int_equal(mg_str_cut(MG_STR("\x80\x80\x80\x80\x80\x80\x80"), 6).n, 6); /* not UTF-8 at all: cut anyway */
}

static void errors_are_cut_between_characters(void **state) {
    (void)state;
    mg_error error;
    char text[600];
    for (size_t before = 455; before < 470; before++) {
        memset(text, 'x', before);
        strcpy(text + before, "\xf0\x9f\x98\x80 and more than fits behind it");
        assert_int_equal(mg_fail(&error, 404, "not_found", "%s", text), MG_ERROR);
        mg_str rest = mg_str_of(error.text);
        assert_true(rest.n >= 460 - 1 && rest.n < sizeof error.text);
        while (rest.n) {
            size_t n = mg_str_utf8(rest);
            assert_true(n > 0);
            rest = mg_str_skip(rest, n);
        }
    }
    assert_int_equal(error.http, 404);
    assert_string_equal(error.code, "not_found");
    assert_int_equal(mg_fail(NULL, 500, "x", "y"), MG_ERROR);
    mg_fail(&error, 0, NULL, "%d", 5);
    assert_string_equal(error.code, "");
    assert_string_equal(error.text, "5");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(trims),
                                       cmocka_unit_test(globs),
                                       cmocka_unit_test(reads_integers),
                                       cmocka_unit_test(compares_secrets),
                                       cmocka_unit_test(measures_distance),
                                       cmocka_unit_test(knows_utf8),
                                       cmocka_unit_test(cuts_between_characters),
                                       cmocka_unit_test(errors_are_cut_between_characters)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
