#include "gateway/prices.h"
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

static const mg_price *find(const char *vendor, const char *model) {
    return mg_prices_find(mg_prices_builtin(), mg_str_of(vendor), mg_str_of(model));
}

static void the_builtin_table_is_sound(void **state) {
    (void)state;
    const mg_prices *p = mg_prices_builtin();
    assert_true(mg_str_is(mg_prices_date(p), "2026-08-21"));
    assert_true(mg_prices_count(p) > 300);
    for (size_t i = 0; i < mg_prices_count(p); i++) {
        const mg_price *r = mg_prices_at(p, i);
        bool priced = r->input > 0 || mg_str_is(r->mode, "moderation");
        if (!priced) fail_msg(MG_STR_FMT " is free", MG_STR_ARG(r->model));
        assert_ptr_equal(mg_prices_find(p, r->provider, r->model), r);
        assert_true(r->long_above == 0 || r->long_input >= r->input);
        assert_true(r->input < 1000 * MG_NANO_PER_USD && r->output < 1000 * MG_NANO_PER_USD);
    }
    assert_null(mg_prices_at(p, mg_prices_count(p)));
}

static void known_prices(void **state) {
    (void)state;
    const mg_price *p = find("openai", "gpt-4o");
    assert_int_equal(p->input, 2500000000);
    assert_int_equal(p->output, 10000000000);
    assert_int_equal(p->cached, 1250000000);
    assert_int_equal(p->context, 128000);
    assert_true(p->tools && p->vision);
    p = find("anthropic", "claude-sonnet-4-20250514");
    assert_int_equal(p->cache_write, 3750000000);
    p = find("openai", "text-embedding-3-small");
    assert_int_equal(p->input, 20000000);
    assert_true(mg_str_is(p->mode, "embedding"));
    p = find("openai", "omni-moderation-latest");
    assert_int_equal(p->input, 0);
    p = find("demo", "demo");
    assert_int_equal(p->input, 150000000);
    assert_int_equal(p->output, 600000000);
    assert_non_null(find("azure", "gpt-35-turbo"));
}

static void names_fall_back(void **state) {
    (void)state;
    assert_ptr_equal(find("openai", "gpt-4o-2031-01-02"), find("openai", "gpt-4o"));
    assert_ptr_not_equal(find("openai", "gpt-4o-2024-05-13"), find("openai", "gpt-4o")); /* listed itself, and dearer */
    assert_ptr_equal(find("anthropic", "claude-3-7-sonnet-latest"), find("anthropic", "claude-3-7-sonnet"));
    assert_non_null(find("anthropic", "claude-3-7-sonnet"));
    assert_ptr_equal(find("anthropic", "claude-opus-4-5@20300101"), find("anthropic", "claude-opus-4-5"));
    assert_ptr_equal(find("gemini", "models/gemini-2.5-pro"), find("google", "gemini-2.5-pro"));
    assert_ptr_equal(find("google", "gemini-2.5-flash-002"), find("google", "gemini-2.5-flash"));
    assert_non_null(find("google", "gemini-2.5-flash"));
    assert_ptr_equal(find("openai", "ft:gpt-4o-2024-08-06:acme:tuned:9"), find("openai", "ft:gpt-4o-2024-08-06"));
    assert_true(mg_str_is(find("", "gpt-4o-mini")->provider, "openai"));
    assert_true(mg_str_is(find("", "claude-opus-4-5")->provider, "anthropic"));
}

static void what_is_not_listed_has_no_price(void **state) {
    (void)state;
    assert_null(find("openai", "gpt-4o-mini-2"));
    assert_null(find("openai", "claude-opus-4-5"));
    assert_null(find("openai", ""));
    assert_null(find("openai", "models/"));
    assert_null(find("openai", "-latest"));
    assert_null(find("openai", "-2024-01-01"));
    assert_null(find("openai", "ft:llama:acme::1"));
    assert_null(find("openai", "gpt-4-9999")); /* four digits are no date */
    assert_null(find("", "llama3"));
}

static mg_usage usage(int64_t input, int64_t output) {
    return (mg_usage){.size = sizeof(mg_usage), .input = input, .output = output};
}

static void cost_by_class(void **state) {
    (void)state;
    const mg_price p = {.input = 2500000000,
                        .output = 10000000000,
                        .cached = 1250000000,
                        .cache_write = 3000000000,
                        .audio_input = 40000000000,
                        .audio_output = 80000000000};
    mg_usage u = usage(1000000, 0);
    assert_int_equal(mg_price_cost(&p, &u), 2500000000);
    u = usage(1000, 500);
    u.cached = 400;
    u.cache_write = 100;
    u.audio_input = 200;
    u.audio_output = 50;
    assert_int_equal(mg_price_cost(&p, &u),
                     300 * 2500 + 400 * 1250 + 100 * 3000 + 200 * 40000 + 450 * 10000 + 50 * 80000);
    const mg_price plain = {.input = 2500000000,
                            .output = 10000000000,
                            .cached = -1,
                            .cache_write = -1,
                            .audio_input = -1,
                            .audio_output = -1};
    assert_int_equal(mg_price_cost(&plain, &u), 1000 * 2500 + 500 * 10000);
    const mg_price by_image = {
        .input = -1, .output = -1, .cached = -1, .cache_write = -1, .audio_input = -1, .audio_output = -1};
    assert_int_equal(mg_price_cost(&by_image, &u), 0);
}

static void cost_is_rounded_up_once(void **state) {
    (void)state;
    const mg_price p = {.input = 1, .output = 1, .cached = 1, .cache_write = 1, .audio_input = -1, .audio_output = -1};
    mg_usage u = usage(3, 3);
    u.cached = 1;
    assert_int_equal(mg_price_cost(&p, &u), 1); /* 6 millionths of a nano-dollar, not one for each class */
    u = usage(0, 0);
    assert_int_equal(mg_price_cost(&p, &u), 0);
    u = usage(999999, 1);
    assert_int_equal(mg_price_cost(&p, &u), 1);
    u = usage(1000000, 1);
    assert_int_equal(mg_price_cost(&p, &u), 2);
}

static void cost_saturates(void **state) {
    (void)state;
    const mg_price p = {.input = INT64_MAX,
                        .output = INT64_MAX,
                        .cached = INT64_MAX,
                        .cache_write = INT64_MAX,
                        .audio_input = INT64_MAX,
                        .audio_output = INT64_MAX};
    mg_usage u = {sizeof u, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
    assert_true(mg_price_cost(&p, &u) == INT64_MAX);
    mg_usage negative = {sizeof u, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN};
    assert_int_equal(mg_price_cost(&p, &negative), 0);
    const mg_price one = {
        .input = 1000000, .cached = 1000000, .cache_write = -1, .audio_input = -1, .audio_output = -1};
    u = usage(10, 0);
    u.cached = 30; /* more than the input: charged in full */
    assert_int_equal(mg_price_cost(&one, &u), 30);
}

static void long_requests_cost_more(void **state) {
    (void)state;
    const mg_price *p = find("google", "gemini-2.5-pro");
    mg_usage u = usage(200000, 1000);
    assert_int_equal(mg_price_cost(p, &u), 200000 * 1250LL + 1000 * 10000LL);
    u = usage(200001, 1000);
    assert_int_equal(mg_price_cost(p, &u), 200001 * 2500LL + 1000 * 15000LL);
    u.cached = 100000;
    assert_int_equal(mg_price_cost(p, &u), 100001 * 2500LL + 100000 * 250LL + 1000 * 15000LL);
}

#define ROW "a\tm\tchat\t1\t2\t-\t-\t-\t-\t0\t0\tyes\tno\t0\t-\t-\t-\t-\n"

static void faults_are_named(void **state) {
    (void)state;
    mg_error e;
    mg_prices *p = mg_prices_parse(MG_STR("# date: 2030-01-01 \n\n" ROW), &e);
    assert_non_null(p);
    assert_true(mg_str_is(mg_prices_date(p), "2030-01-01"));
    assert_true(mg_prices_at(p, 0)->tools && !mg_prices_at(p, 0)->vision);
    mg_prices_destroy(p);
    static const char *const BAD[] = {"a\tm\tchat\t1\n",
                                      ROW "a\tm2\tchat\t1\tx\t-\t-\t-\t-\t0\t0\tyes\tno\t0\t-\t-\t-\t-",
                                      "a\tm\tchat\t-1\t2\t-\t-\t-\t-\t0\t0\tyes\tno\t0\t-\t-\t-\t-",
                                      "a\tm\tchat\t1\t2\t-\t-\t-\t-\t0\t0\tmaybe\tno\t0\t-\t-\t-\t-",
                                      "a\tm\tchat\t1\t2\t-\t-\t-\t-\t0\t0\tyes\tno\t0\t-\t-\t-\t-\textra"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        assert_null(mg_prices_parse(mg_str_of(BAD[i]), &e));
        assert_non_null(strstr(e.text, i == 1 ? "line 2" : "line 1"));
    }
    assert_null(mg_prices_parse(MG_STR(ROW ROW), &e));
    assert_non_null(strstr(e.text, "twice"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_builtin_table_is_sound),
        cmocka_unit_test(known_prices),
        cmocka_unit_test(names_fall_back),
        cmocka_unit_test(what_is_not_listed_has_no_price),
        cmocka_unit_test(cost_by_class),
        cmocka_unit_test(cost_is_rounded_up_once),
        cmocka_unit_test(cost_saturates),
        cmocka_unit_test(long_requests_cost_more),
        cmocka_unit_test(faults_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
