#include "gateway/tokens.h"
#include "gateway/tokens_image.h"
#include "gateway/tokens_tools.h"
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

static int64_t of_model(const char *text, const char *model, bool bound) {
    mg_arena *arena = mg_arena_create(4096);
    mg_json_parser *parser = mg_json_parser_create();
    const mg_json *root;
    mg_error e;
    if (mg_json_parse_copy(parser, arena, mg_str_of(text), &root, &e) != MG_OK) fail_msg("%s", e.text);
    int64_t n = bound ? mg_tokens_bound(root, strlen(text)) : mg_tokens_request(root, mg_str_of(model));
    mg_json_parser_destroy(parser);
    mg_arena_destroy(arena);
    return n;
}

static int64_t of_request(const char *text, bool bound) { return of_model(text, "gpt-4o", bound); }
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

static int64_t embeddings(const char *text) { return of_model(text, "text-embedding-3-small", false); }

static void embeddings_and_responses(void **state) {
    (void)state;
    assert_int_equal(embeddings("{\"input\":\"the dog\"}"), 2);
    assert_int_equal(embeddings("{\"input\":[\"the dog\",\"a cat\"]}"), 4);
    assert_int_equal(embeddings("{\"input\":[1,2,3,4,5]}"), 5);
    assert_int_equal(embeddings("{\"input\":[[1,2],[3],[]]}"), 3);
    assert_int_equal(of_model("{\"input\":\"the dog\"}", "llama3", false), 2); /* it may be embeddings */
    assert_int_equal(request("{\"input\":\"the dog\"}"), 2 + 4 + 3); /* a message */
    assert_int_equal(of_model("{\"input\":\"the dog\"}", "gpt-5-mini", false), 2 + 4 + 2);
    assert_int_equal(request("{\"instructions\":\"be brief\",\"input\":[{\"role\":\"user\",\"content\":\"hi\"}]}"),
                     2 + 4 + 1 + 4 + 3);
    assert_int_equal(request("{\"model\":\"x\"}"), 0);
    assert_int_equal(mg_tokens_request(NULL, MG_STR("")), 0);
}

static void families_of_models(void **state) {
    (void)state;
    static const struct {
        const char *model;
        int encoding; /* -1: not known */
    } CASES[] = {
        {"gpt-4o", MG_BPE_O200K},
        {"gpt-4o-mini-2024-07-18", MG_BPE_O200K},
        {"gpt-4.1-nano", MG_BPE_O200K},
        {"gpt-5.2", MG_BPE_O200K},
        {"o1", MG_BPE_O200K},
        {"o3-mini", MG_BPE_O200K},
        {"o4-mini-2025-04-16", MG_BPE_O200K},
        {"chatgpt-4o-latest", MG_BPE_O200K},
        {"azure/gpt-4o", MG_BPE_O200K},
        {"ft:gpt-4o:acme::1", MG_BPE_O200K},
        {"gpt-4", MG_BPE_CL100K},
        {"gpt-4-turbo", MG_BPE_CL100K},
        {"gpt-3.5-turbo-16k", MG_BPE_CL100K},
        {"azure/gpt-35-turbo", MG_BPE_CL100K},
        {"text-embedding-ada-002", MG_BPE_CL100K},
        {"text-embedding-3-large", MG_BPE_CL100K},
        {"", -1},
        {"claude-opus-4-5", -1},
        {"gemini-2.5-pro", -1},
        {"gpt-40", -1},
        {"o11", -1},
        {"gpt-6", -1},
        {"llama3", -1},
        {"demo", -1},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        mg_bpe_encoding e = MG_BPE_O200K;
        bool known = mg_tokens_encoding(mg_str_of(CASES[i].model), &e);
        if ((known ? (int)e : -1) != CASES[i].encoding) fail_msg("%s", CASES[i].model);
    }
    assert_true(mg_str_is(mg_tokens_family(MG_STR("router/openai/gpt-4o")), "gpt-4o"));
}

static void exact_where_it_can_be(void **state) {
    (void)state;
    bool exact = true;
    static const char LONG_WORD[] = "antidisestablishmentarianism";
    assert_int_equal(mg_tokens_count(MG_STR("hello"), MG_STR("claude-opus-4-5"), &exact), 1);
    assert_false(exact);
    int64_t n = mg_tokens_count(mg_str_of(LONG_WORD), MG_STR("gpt-4o"), &exact);
    if (!exact) {
        print_message("SKIPPED: no vocabularies\n");
        skip();
    }
    assert_int_equal(n, 6);
    assert_true(mg_tokens_vocabulary(MG_STR("gpt-4")) && !mg_tokens_vocabulary(MG_STR("gemini-2.5-pro")));
}

static void functions(void **state) {
    (void)state;
    static const char WEATHER[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"tools\":[{\"type\":\"function\",\"function\":{"
        "\"name\":\"weather\",\"description\":\"Weather of a "
        "city\",\"parameters\":{\"type\":\"object\",\"properties\":{"
        "\"city\":{\"type\":\"string\",\"description\":\"its "
        "name\"},\"unit\":{\"type\":\"string\",\"enum\":[\"c\",\"f\"]},"
        "\"days\":{\"type\":[\"integer\",\"null\"]},\"at\":{\"type\":\"object\",\"properties\":{\"x\":{\"type\":"
        "\"array\",\"items\":{\"type\":\"number\"}}}}},\"required\":[\"city\"]}}},{\"type\":\"web_search\"}]}";
    mg_arena *arena = mg_arena_create(4096);
    mg_json_parser *parser = mg_json_parser_create();
    const mg_json *root;
    mg_error e;
    mg_buf text = {0};
    assert_int_equal(mg_json_parse_copy(parser, arena, mg_str_of(WEATHER), &root, &e), MG_OK);
    assert_int_equal(mg_tokens_tools_write(mg_json_get(root, MG_STR("tools")), &text), 1);
    mg_buf_add(&text, "", 1);
    assert_string_equal(text.p,
                        "namespace functions {\n\n// Weather of a city\ntype weather = (_: {\n// its name\ncity: "
                        "string,\nunit?: \"c\" | \"f\",\ndays?: number | null,\nat?: {\n  x?: "
                        "number[],\n},\n}) => any;\n\n} // namespace functions");
    int64_t claude = mg_tokens_request(root, MG_STR("claude-sonnet-4-5")),
            gpt = mg_tokens_request(root, MG_STR("gpt-4o"));
    assert_in_range(gpt, 8 + 9 + 50, 8 + 9 + 90);
    assert_true(claude > 346 && claude < 500);
    assert_int_equal(mg_tokens_tools_write(NULL, &text), 0);
    mg_buf_finish(&text);
    mg_json_parser_destroy(parser);
    mg_arena_destroy(arena);
}

/* The formulas' own examples, and what lies between them. */
static void pictures(void **state) {
    (void)state;
    static const struct {
        const char *model;
        int64_t width, height, tokens;
    } CASES[] = {
        {"gpt-4o", 1024, 1024, 765},
        {"gpt-4o", 2048, 4096, 1105},
        {"gpt-4o", 512, 512, 255},
        {"gpt-4o-mini", 512, 512, 8500},
        {"gpt-5", 512, 512, 210},
        {"o3", 512, 512, 225},
        {"gpt-4.1-mini", 1024, 1024, 1658},
        {"gpt-5-nano", 32, 32, 2},
        {"o4-mini", 9999, 9999, 2641},
        {"claude-sonnet-4-5", 200, 200, 54},
        {"claude-opus-4-1", 1000, 1000, 1334},
        {"claude-opus-4-1", 9000, 9000, 1600},
        {"gemini-2.5-pro", 384, 384, 258},
        {"gemini-2.5-pro", 960, 540, 516},
        {"gpt-4o", 0, 0, 1105},
        {"gpt-4o", INT64_MAX, 1, 765},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int64_t n = mg_image_tokens((mg_image_size){CASES[i].width, CASES[i].height}, false, mg_str_of(CASES[i].model));
        if (n != CASES[i].tokens) fail_msg("%s, case %zu: %lld", CASES[i].model, i, (long long)n);
    }
    assert_int_equal(mg_image_tokens((mg_image_size){4000, 4000}, true, MG_STR("gpt-4o")), 85);
}

static void sizes_of_pictures(void **state) {
    (void)state;
    static const struct {
        const char *base64;
        int64_t width, height;
    } CASES[] = {
        {"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAoAAAAHgCAYAAAC4bqRuAAAA", 640, 480},
        {"R0lGODlhIAPIAPAAAAAAAAAAACH5BAAAAAAALAAAAAAgA8gAAAL", 800, 200},
        {"/9j/4AAQSkZJRgABAQAAAQABAAD/wAARCAHgAoADASIAAhEBAxEB", 640, 480},
        {"UklGRiQAAABXRUJQVlA4WAoAAAAQAAAAfwIA3wEAQUxQSAAAAAAA", 640, 480},
        {"UklGRiQAAABXRUJQVlA4TBgAAAAvf8J3AAAAAAAAAAAAAAAAAAAA", 640, 480},
        {"UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASqAAuABAAAAAAAAAAAA", 640, 480},
        {"/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAAAAAAAAAAAAAAAAAAA", 0, 0}, /* ends before the frame */
        {"iVBORw0KGgo=", 0, 0},
        {"https://example.test/a-picture-that-stands-elsewhere.png", 0, 0},
        {"", 0, 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        mg_image_size s = mg_image_size_read(mg_str_of(CASES[i].base64));
        if (s.width != CASES[i].width || s.height != CASES[i].height)
            fail_msg("case %zu: %lld × %lld", i, (long long)s.width, (long long)s.height);
    }
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
        cmocka_unit_test(families_of_models),
        cmocka_unit_test(exact_where_it_can_be),
        cmocka_unit_test(functions),
        cmocka_unit_test(pictures),
        cmocka_unit_test(sizes_of_pictures),
        cmocka_unit_test(all_formats),
        cmocka_unit_test(the_bound_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
