#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/arena.h"
#include "policy/regex.h"

typedef struct searched {
    mg_status status;
    size_t start, end;
    uint64_t us;
    char error[sizeof(mg_error)];
} searched;

static searched search_text(const char *pattern, mg_str text, size_t at) {
    mg_regexes *r = mg_regexes_create();
    mg_error error = {0};
    mg_regex *e = mg_regexes_compile(r, mg_str_of(pattern), &error);
    if (!e) fail_msg("%s: %s", pattern, error.text);
    mg_search s;
    searched out = {0};
    mg_search_init(&s, r, e, text);
    out.status = mg_search_next(&s, at, false, &error);
    out.us = mg_search_us(&s);
    if (out.status == MG_OK) assert_true(mg_search_group(&s, 0, &out.start, &out.end));
    snprintf(out.error, sizeof out.error, "%s", error.text);
    mg_regexes_destroy(r);
    return out;
}

static mg_str repeat(char c, size_t n, const char *tail) {
    char *p = mg_malloc(n + strlen(tail) + 1);
    memset(p, c, n);
    strcpy(p + n, tail);
    return mg_str_from(p, n + strlen(tail));
}

/* The places are tried in pieces: what lies across or behind the border of one has to be found all the same. */
static void finds_anywhere(void **state) {
    (void)state;
    for (size_t n = 0; n < 3000; n += n < 300 ? 1 : 97) {
        mg_str text = repeat('a', n, "needle and more");
        searched s = search_text("needle", text, 0);
        assert_int_equal(s.status, MG_OK);
        assert_int_equal(s.start, n);
        assert_int_equal(s.end, n + 6);
        s = search_text("(?<=aa)needle|^needle|(?<!a)needle|(?<=^a)needle", text, 0);
        assert_int_equal(s.status, MG_OK);
        assert_int_equal(search_text("needles", text, 0).status, MG_DECLINED);
        assert_int_equal(search_text("^needle", text, 0).status, n ? MG_DECLINED : MG_OK);
        assert_int_equal(search_text("more$", text, 0).status, MG_OK);
        free((char *)(uintptr_t)text.p);
    }
}

static void begins_where_told(void **state) {
    (void)state;
    searched s = search_text("a", MG_STR("a.a"), 1);
    assert_int_equal(s.status, MG_OK);
    assert_int_equal(s.start, 2);
    assert_int_equal(search_text("a", MG_STR("a.a"), 3).status, MG_DECLINED);
    assert_int_equal(search_text("$", MG_STR("a.a"), 3).status, MG_OK);
    assert_int_equal(search_text("", MG_STR(""), 0).status, MG_OK);
}

/* A thread that waits for its turn on a busy machine has not searched meanwhile. */
static void counts_no_waiting(void **state) {
    (void)state;
    mg_regexes *r = mg_regexes_create();
    mg_error error = {0};
    mg_regex *e = mg_regexes_compile(r, MG_STR("needle"), &error);
    mg_str text = repeat('a', 100000, "");
    mg_search s;
    mg_search_init(&s, r, e, text);
    usleep(10000);
    assert_int_equal(mg_search_next(&s, 0, false, &error), MG_DECLINED);
    usleep(10000);
    assert_int_equal(mg_search_next(&s, 0, false, &error), MG_DECLINED);
    assert_in_range(mg_search_us(&s), 1, 9999);
    mg_regexes_destroy(r);
    free((char *)(uintptr_t)text.p);
}

static void knows_utf8(void **state) {
    (void)state;
    char text[700] = "";
    for (int i = 0; i < 200; i++) strcat(text, "é");
    strcat(text, "ü");
    searched s = search_text("(*UTF)ü", mg_str_of(text), 0);
    assert_int_equal(s.status, MG_OK);
    assert_int_equal(s.start, 400);
    assert_int_equal(search_text("(*UTF)^.$", MG_STR("é"), 0).status, MG_OK);
    assert_int_equal(search_text("^.$", MG_STR("é"), 0).status, MG_DECLINED);
    s = search_text("(*UTF)a", MG_STR("\xff"), 0);
    assert_int_equal(s.status, MG_ERROR);
    assert_non_null(strstr(s.error, "UTF-8"));
}

/* None of these may take long, or be taken for "no match". ASan slows the interpreter, not the machine code: the bound
 * is generous, and without one these take minutes to years. */
static void stops_hostile_patterns(void **state) {
    (void)state;
    static const struct {
        const char *pattern;
        size_t n;
    } cases[] = {
        {"(a+)+$", 40},          {"(a|a)*b", 60},           {"(a|aa)+b", 80},         {"(.*)*b", 5000},
        {"(.*?,){11}P", 2000},   {"(a*)*\\1b", 3000},       {"(?:a?){60}a{60}b", 60}, {"(x+x+)+y|(a+a+)+y", 4000},
        {"(*NO_JIT)(a+)+$", 40}, {"(*NO_JIT)(.*)*b", 5000}, {"((a?){20}){20}b", 300}, {"(?=(a+))\\1*b|(a+)+c", 3000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mg_str text = repeat('a', cases[i].n, "!");
        searched s = search_text(cases[i].pattern, text, 0);
        if (s.us > 1000000) fail_msg("%s took %d ms", cases[i].pattern, (int)(s.us / 1000));
        if (s.status == MG_OK) fail_msg("%s matched", cases[i].pattern);
        free((char *)(uintptr_t)text.p);
    }
    mg_str text = repeat('a', 40, "!");
    searched s = search_text("(a+)+$", text, 0);
    assert_int_equal(s.status, MG_ERROR);
    assert_non_null(strstr(s.error, "too many steps"));
    free((char *)(uintptr_t)text.p);
}

/* Few steps from each place, but very many places: PCRE2's own limit does not see it. */
static void stops_quadratic_patterns(void **state) {
    (void)state;
    static const char *const patterns[] = {"a*?b", "a*b", "[^b]*?b", "a.*?a.*?b", "(*NO_JIT)a*?b", "(*NO_JIT)a+b"};
    mg_str text = repeat('a', 1 << 20, "c");
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        searched s = search_text(patterns[i], text, 0);
        if (s.us > 1000000) fail_msg("%s took %d ms", patterns[i], (int)(s.us / 1000));
        assert_int_not_equal(s.status, MG_OK);
    }
    free((char *)(uintptr_t)text.p);
}

static void refuses_wrong_patterns(void **state) {
    (void)state;
    static const char *const patterns[] = {"(", "[a", "a**", "\\Gx", "\\C", "(?<n>a)(?<n>b)", "(?R", "\\x{110000}"};
    mg_regexes *r = mg_regexes_create();
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        mg_error error = {0};
        if (mg_regexes_compile(r, mg_str_of(patterns[i]), &error)) fail_msg("%s was taken", patterns[i]);
        assert_true(error.text[0]);
    }
    mg_error error = {0};
    mg_str deep = repeat('(', 5000, "");
    assert_null(mg_regexes_compile(r, deep, &error));
    free((char *)(uintptr_t)deep.p);
    assert_null(mg_regexes_compile(r, MG_STR("((a{1,1000}){1,1000}){1,1000}"), &error)); /* too large a program */
    assert_non_null(mg_regexes_compile(r, MG_STR("\\\\G"), &error)); /* a backslash, then G */
    mg_regexes_destroy(r);
}

static void keeps_a_bounded_number(void **state) {
    (void)state;
    mg_regexes *r = mg_regexes_create();
    mg_error error = {0};
    mg_regex *first = mg_regexes_compile(r, MG_STR("first"), &error);
    for (int i = 0; i < 1000; i++) {
        char pattern[16];
        snprintf(pattern, sizeof pattern, "p%d", i);
        assert_non_null(mg_regexes_compile(r, mg_str_of(pattern), &error));
        assert_ptr_equal(mg_regexes_find(r, MG_STR("first")), first); /* in use, so it stays */
    }
    assert_non_null(mg_regexes_find(r, MG_STR("p999")));
    assert_null(mg_regexes_find(r, MG_STR("p0")));
    mg_regexes_destroy(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_anywhere),
        cmocka_unit_test(begins_where_told),
        cmocka_unit_test(counts_no_waiting),
        cmocka_unit_test(knows_utf8),
        cmocka_unit_test(stops_hostile_patterns),
        cmocka_unit_test(stops_quadratic_patterns),
        cmocka_unit_test(refuses_wrong_patterns),
        cmocka_unit_test(keeps_a_bounded_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
