#include "gateway/tokens.h"
#include "base/buf.h"
#include "base/clock.h"
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static int64_t estimate(const char *text) { return mg_tokens_estimate(mg_str_of(text), MG_STR("gpt-4o")); }

static void plain_texts(void **state) {
    (void)state;
    assert_int_equal(estimate(""), 0);
    assert_int_equal(estimate("a"), 1);
    assert_int_equal(estimate(" the"), 1);
    assert_int_equal(estimate("Hello, world!"), 4);
    assert_int_equal(estimate("The quick brown fox jumps over the lazy dog."), 10);
    assert_int_equal(estimate("123456789"), 3);
    assert_int_equal(estimate("\xff\xfe"), 2);
    assert_true(
        mg_tokens_estimate(MG_STR("\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82"), MG_STR("gpt-4")) >
        estimate("\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82")); /* the older vocabulary knows less Russian */
}

/* Every byte string gives a count that no bound is exceeded by; the text ends where its length says. */
static void any_bytes(void **state) {
    (void)state;
    uint32_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)(round % 40);
        char *text = malloc(n ? n : 1);
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525u + 1013904223u;
            text[i] = (char)(seed >> 24);
        }
        int64_t tokens = mg_tokens_estimate(mg_str_from(text, n), MG_STR(""));
        assert_true(tokens >= (n > 0) && tokens <= 3 * (int64_t)n + 1);
        free(text);
    }
}

/* ---- against counts of the real vocabulary ----------------------------------------------------------------------- */

typedef struct errors {
    char category[32];
    double at[512];
    size_t n;
} errors;

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double percentile(errors *e, double p) {
    qsort(e->at, e->n, sizeof e->at[0], by_size);
    return e->at[(size_t)(p * (double)(e->n - 1) + 0.5)];
}

static errors *category(errors *all, size_t *n, mg_str name) {
    if (mg_str_starts(name, MG_STR("lang"))) name = MG_STR("lang");
    for (size_t i = 0; i < *n; i++)
        if (mg_str_is(name, all[i].category)) return &all[i];
    snprintf(all[*n].category, sizeof all[*n].category, MG_STR_FMT, MG_STR_ARG(name));
    return &all[(*n)++];
}

static void note(errors *e, double error) {
    if (e->n < 512) e->at[e->n++] = error;
}

/* Bounds are the measured errors with a little room: a change that makes the estimate worse is seen. */
static void assert_bounds(errors *e) {
    static const struct {
        const char *category;
        double median, p95;
    } BOUNDS[] = {
        {"all", 0.045, 0.28}, {"english", 0.03, 0.10}, {"code", 0.04, 0.09},  {"json", 0.035, 0.10},
        {"sse", 0.04, 0.15},  {"numbers", 0.01, 0.03}, {"emoji", 0.06, 0.14}, {"lang", 0.08, 0.28},
    };
    double median = percentile(e, 0.5), p95 = percentile(e, 0.95);
    print_message("%-18s n=%3zu median %.3f p95 %.3f\n", e->category, e->n, median, p95);
    for (size_t i = 0; i < sizeof BOUNDS / sizeof *BOUNDS; i++)
        if (strcmp(BOUNDS[i].category, e->category) == 0)
            assert_true(median <= BOUNDS[i].median && p95 <= BOUNDS[i].p95);
}

static void measured_error(void **state) {
    (void)state;
    const char *data = getenv("MOONGATE_DATA");
    char path[4096];
    snprintf(path, sizeof path, "%s/tokens/vectors.jsonl", data ? data : "");
    FILE *in = data ? fopen(path, "r") : NULL;
    if (!in) {
        print_message("skipped: MOONGATE_DATA names no folder with tokens/vectors.jsonl\n");
        skip();
    }
    errors *all = calloc(32, sizeof *all);
    size_t n = 1, cap = 0;
    snprintf(all[0].category, sizeof all[0].category, "all");
    mg_json_parser *parser = mg_json_parser_create();
    char *line = NULL;
    for (ssize_t got; (got = getline(&line, &cap, in)) > 0;) {
        mg_arena *arena = mg_arena_create(16384);
        const mg_json *row;
        mg_error e;
        if (mg_json_parse_copy(parser, arena, mg_str_from(line, (size_t)got), &row, &e) != MG_OK)
            fail_msg("%s", e.text);
        double want = (double)mg_json_int(mg_json_get(row, MG_STR("o200k_base")), 0);
        double have = (double)mg_tokens_estimate(mg_json_text(mg_json_get(row, MG_STR("text"))), MG_STR(""));
        if (want > 0) {
            note(category(all, &n, mg_json_text(mg_json_get(row, MG_STR("category")))), fabs(have - want) / want);
            note(&all[0], fabs(have - want) / want);
        }
        mg_arena_destroy(arena);
    }
    assert_true(all[0].n > 100);
    for (size_t i = 0; i < n; i++) assert_bounds(&all[i]);
    free(line);
    free(all);
    fclose(in);
    mg_json_parser_destroy(parser);
}

/* Prints; asserts only against blunders. */
static void is_fast(void **state) {
    (void)state;
    static const char TEXT[] =
        "In connectionless mode each packet includes complete addressing information. The packets are routed "
        "individually, sometimes resulting in different paths (see RFC 791, section 3.2).\n";
    mg_buf b = {0};
    while (b.n < 4 << 20) mg_buf_add(&b, TEXT, sizeof TEXT - 1);
    uint64_t began = mg_clock_mono_us();
    int64_t tokens = mg_tokens_estimate(mg_buf_view(&b), MG_STR(""));
    uint64_t took = mg_clock_mono_us() - began;
    print_message("%.0f MB/s\n", (double)b.n / (double)(took ? took : 1));
    assert_true(tokens > 100000 && took < 4000000);
    mg_buf_finish(&b);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static int64_t of_request(const char *text, bool bound) {
    mg_arena *arena = mg_arena_create(4096);
    mg_json_parser *parser = mg_json_parser_create();
    const mg_json *root;
    mg_error e;
    if (mg_json_parse_copy(parser, arena, mg_str_of(text), &root, &e) != MG_OK) fail_msg("%s", e.text);
    int64_t n = bound ? mg_tokens_bound(root, strlen(text)) : mg_tokens_request(root, MG_STR("gpt-4o"));
    mg_json_parser_destroy(parser);
    mg_arena_destroy(arena);
    return n;
}

static int64_t request(const char *text) { return of_request(text, false); }

#define IMAGE(detail) "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x.test/a.png\"" detail "}}"
#define USER(content) "{\"messages\":[{\"role\":\"user\",\"content\":" content "}]}"

static void chat_overhead(void **state) {
    (void)state;
    assert_int_equal(request("{\"messages\":[]}"), 3);
    assert_int_equal(request(USER("\"hi\"")), 3 + 3 + 1 + 1);
    assert_int_equal(request(USER("[{\"type\":\"text\",\"text\":\"hi\"}]")), 8);
    assert_int_equal(request("{\"messages\":[{\"role\":\"user\",\"name\":\"ann\",\"content\":\"hi\"},{\"role\":"
                             "\"assistant\",\"content\":null}]}"),
                     8 + 2 + 4);
    assert_true(request("{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\","
                        "\"arguments\":\"{\\\"a\\\":1}\"}}]}]}") > 10);
}

static void images_and_tools(void **state) {
    (void)state;
    assert_int_equal(request(USER("[" IMAGE(",\"detail\":\"low\"") "]")), 7 + 85);
    assert_int_equal(request(USER("[" IMAGE("") "," IMAGE(",\"detail\":\"high\"") "]")), 7 + 2210);
    int64_t tools = request(
        "{\"messages\":[],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"description\":"
        "\"Weather of a "
        "city\",\"parameters\":{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}}}}}]}");
    assert_in_range(tools, 25, 70);
    assert_true(request("{\"messages\":[],\"response_format\":{\"json_schema\":{\"schema\":{\"type\":\"object\"}}}}") >
                5);
}

static void embeddings_and_responses(void **state) {
    (void)state;
    assert_int_equal(request("{\"input\":\"the dog\"}"), 2);
    assert_int_equal(request("{\"input\":[\"the dog\",\"a cat\"]}"), 4);
    assert_int_equal(request("{\"input\":[1,2,3,4,5]}"), 5);
    assert_int_equal(request("{\"input\":[[1,2],[3],[]]}"), 3);
    assert_int_equal(request("{\"instructions\":\"be brief\",\"input\":[{\"role\":\"user\",\"content\":\"hi\"}]}"),
                     2 + 5);
    assert_int_equal(request("{\"model\":\"x\"}"), 0);
    assert_int_equal(mg_tokens_request(NULL, MG_STR("")), 0);
}

#define CALL_INPUT "{\"city\":\"Paris\"}"

/* What is counted here for a vendor that states nothing must not be 0 in any format. */
static void all_formats(void **state) {
    (void)state;
    assert_int_equal(request("{\"contents\":[{\"parts\":[{\"text\":\"the dog\"}]}]}"), 2 + 4);
    assert_int_equal(request("{\"contents\":{\"parts\":{\"text\":\"the dog\"}}}"), 2 + 4);
    assert_int_equal(request("{\"generateContentRequest\":{\"systemInstruction\":{\"parts\":[{\"text\":\"the "
                             "dog\"}]},\"contents\":[{\"parts\":[{\"text\":\"a cat\"}]}]}}"),
                     2 * (2 + 4));
    assert_int_equal(request("{\"requests\":[{\"content\":{\"parts\":[{\"text\":\"the dog\"}]}}]}"), 2 + 4);
    assert_int_equal(request("{\"contents\":[{\"parts\":[{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":"
                             "\"AAAA\"}}]}]}"),
                     1105 + 4);
    assert_in_range(
        request("{\"contents\":[{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":" CALL_INPUT "}}]}]}"), 10, 20);
    assert_in_range(request(USER("[{\"type\":\"tool_use\",\"name\":\"f\",\"input\":" CALL_INPUT "}]")), 11, 20);
    assert_in_range(
        request(USER("[{\"type\":\"tool_result\",\"content\":[{\"type\":\"text\",\"text\":\"the dog\"}]}]")), 9, 9);
    assert_int_equal(request("{\"input\":[{\"type\":\"function_call_output\",\"output\":\"the dog\"}]}"), 2);
}

static void the_bound_holds(void **state) {
    (void)state;
    static const char *const TEXTS[] = {USER("\"hi\""), "{\"input\":[1,2,3]}", USER("[" IMAGE("") "]"),
                                        USER("[" IMAGE(",\"detail\":\"low\"") "]"), USER("\"\\u00e9\\u00e9\"")};
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++)
        assert_true(of_request(TEXTS[i], true) >= request(TEXTS[i]));
    assert_true(of_request(USER("[" IMAGE("") "," IMAGE("") "]"), true) > 2 * 48169);
    assert_true(of_request(USER("[{\"type\":\"file\",\"file\":{\"file_id\":\"f\"}}]"), true) > 2000000);
    assert_true(mg_tokens_bound(NULL, 100) >= 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_texts),
        cmocka_unit_test(any_bytes),
        cmocka_unit_test(measured_error),
        cmocka_unit_test(is_fast),
        cmocka_unit_test(chat_overhead),
        cmocka_unit_test(images_and_tools),
        cmocka_unit_test(embeddings_and_responses),
        cmocka_unit_test(all_formats),
        cmocka_unit_test(the_bound_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
