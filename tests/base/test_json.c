#include "base/hash.h"
#include "base/json.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

typedef struct world {
    mg_json_parser *parser;
    mg_arena *arena;
    mg_error error;
} world;

static const mg_json *parse_n(world *w, const char *text, size_t n) {
    const mg_json *root;
    mg_status status = mg_json_parse_copy(w->parser, w->arena, mg_str_from(text, n), &root, &w->error);
    assert_int_equal(status, root ? MG_OK : MG_ERROR);
    return root;
}

static const mg_json *parse(world *w, const char *text) { return parse_n(w, text, strlen(text)); }

static void refused(world *w, const char *text, const char *code, const char *reason) {
    memset(&w->error, 0, sizeof w->error);
    assert_null(parse(w, text));
    assert_int_equal(w->error.http, 400);
    assert_string_equal(w->error.code, code);
    if (!strstr(w->error.text, reason)) fail_msg("%s: \"%s\" lacks \"%s\"", text, w->error.text, reason);
}

static void reads_members(void **state) {
    world *w = *state;
    const mg_json *root = parse(w, "{\"a\":{\"b\":[10,{\"c\":\"deep\"}]},\"s\":\"x\\u0000y\",\"t\":true,\"n\":null}");
    assert_int_equal(root->count, 4);
    assert_true(mg_str_is(mg_json_text(mg_json_path(root, "a.b.1.c")), "deep"));
    assert_int_equal(mg_json_int(mg_json_path(root, "a.b.0"), -1), 10);
    assert_null(mg_json_path(root, "a.b.2"));
    assert_null(mg_json_path(root, "a.x.y"));
    assert_null(mg_json_path(root, "a.b.-1"));
    mg_str s = mg_json_text(mg_json_get(root, MG_STR("s")));
    assert_int_equal(s.n, 3);
    assert_memory_equal(s.p, "x\0y", 3);
    assert_true(mg_json_bool(mg_json_get(root, MG_STR("t")), false));
    assert_true(mg_json_bool(mg_json_get(root, MG_STR("s")), true));
    assert_int_equal(mg_json_kind(mg_json_get(root, MG_STR("n"))), MG_JSON_NULL);
    assert_non_null(mg_json_get(root, MG_STR("n")));
    assert_null(mg_json_get(root, MG_STR("absent")));
    assert_null(mg_json_get(NULL, MG_STR("a")));
    assert_null(mg_json_text(NULL).p);
    assert_string_equal(mg_json_type_name(MG_JSON_OBJECT), "object");
}

static void plain_strings_stay_in_the_text(void **state) {
    world *w = *state;
    char text[64 + MG_JSON_PADDING] = "[\"plain\",\"esc\\n\",\"\\\"\",\"\"]";
    const mg_json *root;
    assert_int_equal(mg_json_parse(w->parser, w->arena, text, strlen(text), &root, &w->error), MG_OK);
    assert_ptr_equal(root->child->str.p, text + 2);
    const mg_json *escaped = root->child->next;
    assert_true(mg_str_is(escaped->str, "esc\n"));
    assert_true(escaped->str.p < text || escaped->str.p >= text + sizeof text);
    assert_true(mg_str_is(escaped->next->str, "\""));
    assert_int_equal(escaped->next->next->str.n, 0);
}

static void reads_integers(void **state) {
    static const struct {
        const char *text;
        int64_t want; /* -7: not an integer in range */
    } cases[] = {{"0", 0},
                 {"-0", 0},
                 {"-0.0e5", 0},
                 {"0e999999999999", 0},
                 {"1.0", 1},
                 {"1e3", 1000},
                 {"1.5e1", 15},
                 {"10e-1", 1},
                 {"100.00e-2", 1},
                 {"1.5", -7},
                 {"1e-1", -7},
                 {"0.001e3", 1},
                 {"1e18", 1000000000000000000},
                 {"1e19", -7},
                 {"9223372036854775807", INT64_MAX},
                 {"9223372036854775808", -7},
                 {"-9223372036854775808", INT64_MIN},
                 {"-9223372036854775808.000", INT64_MIN},
                 {"18446744073709551615", -7},
                 {"-9223372036854775809.0", -7},
                 {"1.0000000000000000000000000000000000000", 1},
                 {"1e-99999999999", -7},
                 {"12345678901234567890123.0", -7},
                 {"1000000000000000000000000e-20", 10000},
                 {"\"5\"", -7},
                 {"null", -7}};
    world *w = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const mg_json *v = parse(w, cases[i].text);
        assert_non_null(v);
        if (mg_json_int(v, -7) != cases[i].want) fail_msg("%s: %lld", cases[i].text, (long long)mg_json_int(v, -7));
    }
}

static void reads_numbers(void **state) {
    world *w = *state;
    assert_true(mg_json_number(parse(w, "0.1"), 9) == 0.1);
    assert_true(mg_json_number(parse(w, "-1.5E+2"), 9) == -150.0);
    assert_true(mg_json_number(parse(w, "1e-400"), 9) == 0.0);
    assert_true(mg_json_number(parse(w, "18446744073709551615"), 9) == 18446744073709551615.0);
    assert_true(mg_json_number(parse(w, "true"), 9) == 9);
    assert_true(mg_json_number(NULL, 9) == 9);
}

static void says_what_is_wrong(void **state) {
    static const struct {
        const char *text, *reason;
    } cases[] = {{"", "the body is empty"},
                 {" \n ", "the body is empty"},
                 {"{\"a\":}", "at byte 5: a value expected, found }"},
                 {"[1,]", "at byte 3: a value expected"},
                 {"[1 2]", "at byte 3: a comma or ] expected, found 2"},
                 {"{\"a\":1 \"b\":2}", "at byte 7: a comma or } expected"},
                 {"{a:1}", "at byte 1: a member's name in quotes expected"},
                 {"{\"a\" 1}", "at byte 5: a colon expected"},
                 {"[\"abc", "at byte 1: unterminated string"},
                 {"[\"a\\x\"]", "at byte 3: invalid escape"},
                 {"[\"\\u12g4\"]", "at byte 2: invalid escape"},
                 {"[\"\\ud800\"]", "at byte 2: a lone surrogate"},
                 {"[\"\\udc00\"]", "at byte 2: a lone surrogate"},
                 {"[\"a\xff\"]", "at byte 3: invalid UTF-8"},
                 {"[\"a\n\"]", "at byte 3: a control character"},
                 {"[1] x", "at byte 4: there is more behind"},
                 {"[truu]", "at byte 1: a value (perhaps true) expected"},
                 {"[01]", "at byte 1: a number must not begin with 0"},
                 {"[1.]", "at byte 3: a digit after the decimal point"},
                 {"[18446744073709551616]", "at byte 1: number out of range"},
                 {"[1e999]", "at byte 1: number out of range"},
                 {"[1", "at byte 2: a comma or ] expected, but the text ends"},
                 {"\xef\xbb\xbf{}", "byte-order mark"}};
    world *w = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        refused(w, cases[i].text, "invalid_json", cases[i].reason);
    assert_null(parse_n(w, "[1,\0 2]", 7));
    assert_non_null(strstr(w->error.text, "at byte 3: a value expected, found byte 0x00"));
    assert_null(parse_n(w, "[1]\0", 4));
    assert_int_equal(mg_json_parse_copy(w->parser, w->arena, MG_STR("["), &(const mg_json *){0}, NULL), MG_ERROR);
}

static void refuses_duplicates(void **state) {
    world *w = *state;
    refused(w, "{\"a\":1,\"b\":2,\"a\":3}", "duplicate_key", "\"a\" at byte 13");
    refused(w, "{\"a\":1,\"\\u0061\":2}", "duplicate_key", "\"a\" at byte 7");
    refused(w, "[{\"x\":{\"\":1,\"\":2}}]", "duplicate_key", "\"\" at byte 12");
    refused(w, "{\"\\u0000\\n\":1,\"\\u0000\\n\":2}", "duplicate_key", "\"\\u0000\\n\"");
    assert_non_null(parse(w, "{\"a\":{\"a\":{\"a\":1}},\"A\":1,\"a\\u0000\":2,\"\":3}"));
    char text[1000];
    int n = snprintf(text, sizeof text, "{\"%0*d\":1,\"%0*d\":2}", 400, 7, 400, 7);
    assert_non_null(memchr(text, '}', (size_t)n));
    refused(w, text, "duplicate_key", "0…\" at byte 406");
}

/* 50,000 members: comparing all pairs would take minutes. */
static void large_objects_are_checked_quickly(void **state) {
    enum { MEMBERS = 50000 };
    world *w = *state;
    char *text = mg_malloc(MEMBERS * 20);
    size_t n = 0;
    for (int i = 0; i < MEMBERS; i++) n += (size_t)sprintf(text + n, "%c\"key%06d\":%d", i ? ',' : '{', i, i % 10);
    text[n] = '}';
    const mg_json *root = parse_n(w, text, n + 1);
    assert_non_null(root);
    assert_int_equal(root->count, MEMBERS);
    sprintf(text + n, ",\"key%06d\":0}", 31234);
    refused(w, text, "duplicate_key", "key031234");
    free(text);
}

static void duplicates_are_found_at_every_size(void **state) {
    world *w = *state;
    for (int members = 2; members < 40; members++)
        for (int twice = 0; twice < members - 1; twice++) {
            char text[1000];
            int n = 0;
            for (int i = 0; i < members; i++)
                n += sprintf(text + n, "%c\"k%d\":0", i ? ',' : '{', i == members - 1 ? twice : i);
            strcpy(text + n, "}");
            refused(w, text, "duplicate_key", "occurs twice");
        }
}

static void limits_values(void **state) {
    world *w = *state;
    size_t most = MG_JSON_MAX_VALUES - 1; /* the array is one as well */
    char *text = mg_malloc(most * 2 + 10);
    text[0] = '[';
    for (size_t i = 0; i < most; i++) memcpy(text + 1 + 2 * i, "1,", 2);
    text[2 * most] = ']';
    const mg_json *root = parse_n(w, text, 2 * most + 1);
    assert_non_null(root);
    assert_int_equal(root->count, most);
    memcpy(text + 2 * most, ",1]", 3);
    assert_null(parse_n(w, text, 2 * most + 3));
    assert_non_null(strstr(w->error.text, "more than 1048576 values"));
    free(text);
    assert_non_null(parse(w, "[1]")); /* after the parser has shrunk */
}

static void very_deep_texts_are_refused(void **state) {
    world *w = *state;
    size_t n = 1000000;
    char *text = mg_malloc(n);
    memset(text, '[', n);
    assert_null(parse_n(w, text, n));
    assert_non_null(strstr(w->error.text, "at byte 128: nested more than 128 levels deep"));
    free(text);
}

static void serves_plugins(void **state) {
    world *w = *state;
    mg_host host = {.size = sizeof host};
    mg_json_host(&host);
    assert_null(host.log);
    const mg_json *root = parse(w, " { \"k\" : [1 , \"two\"] } ");
    size_t start, end;
    assert_true(host.json_span(root, &start, &end));
    assert_int_equal(start, 1);
    assert_int_equal(end, 22);
    const mg_json *k = host.json_get(root, MG_STR("k"));
    assert_ptr_equal(k, host.json_child(root));
    assert_true(host.json_span(k, &start, &end));
    assert_int_equal(start, 9);
    assert_int_equal(end, 20);
    assert_true(host.json_member_span(k, &start, &end));
    assert_int_equal(start, 3);
    assert_int_equal(end, 20);
    assert_true(mg_str_is(host.json_key(k), "k"));
    assert_int_equal(host.json_int(host.json_child(k), 0), 1);
    assert_true(mg_str_is(host.json_str(host.json_next(host.json_child(k))), "two"));
    assert_int_equal(host.json_type(k), MG_JSON_ARRAY);
    assert_false(host.json_span(NULL, &start, &end) || host.json_member_span(NULL, &start, &end));
    assert_null(host.json_child(NULL));
    assert_null(host.json_next(NULL));
    assert_true(host.json_bool(NULL, true));
}

static int start(void **state) {
    world *w = MG_NEW(world);
    w->parser = mg_json_parser_create();
    w->arena = mg_arena_create(4096);
    *state = w;
    return 0;
}

static int stop(void **state) {
    world *w = *state;
    mg_json_parser_destroy(w->parser);
    mg_json_parser_destroy(NULL);
    mg_arena_destroy(w->arena);
    free(w);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_members),
                                       cmocka_unit_test(plain_strings_stay_in_the_text),
                                       cmocka_unit_test(reads_integers),
                                       cmocka_unit_test(reads_numbers),
                                       cmocka_unit_test(says_what_is_wrong),
                                       cmocka_unit_test(refuses_duplicates),
                                       cmocka_unit_test(large_objects_are_checked_quickly),
                                       cmocka_unit_test(duplicates_are_found_at_every_size),
                                       cmocka_unit_test(limits_values),
                                       cmocka_unit_test(very_deep_texts_are_refused),
                                       cmocka_unit_test(serves_plugins)};
    return cmocka_run_group_tests(tests, start, stop);
}
