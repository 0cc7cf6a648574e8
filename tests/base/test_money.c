#include "base/money.h"
#include <math.h>
#include <setjmp.h>
#include <cmocka.h>

static int64_t nano(const char *text) {
    int64_t n;
    if (!mg_money_parse(mg_str_of(text), &n)) fail_msg("%s was refused", text);
    return n;
}

static void parses(void **state) {
    (void)state;
    assert_int_equal(nano("12.5"), 12500000000);
    assert_int_equal(nano("0"), 0);
    assert_int_equal(nano("0.0000375"), 37500);
    assert_int_equal(nano("0.000000001"), 1);
    assert_int_equal(nano("-1.25"), -1250000000);
    assert_int_equal(nano("9223372036.854775807"), INT64_MAX);
    assert_int_equal(nano("-9223372036.854775808"), INT64_MIN);
    assert_int_equal(nano("000001.10"), 1100000000);
}

static void rounds_up(void **state) {
    (void)state;
    assert_int_equal(nano("0.0000000001"), 1);
    assert_int_equal(nano("0.0000000010"), 1);
    assert_int_equal(nano("0.0000000011"), 2);
    assert_int_equal(nano("0.00000000100000000000000000000000000000000000000001"), 2);
    assert_int_equal(nano("-0.0000000019"), -1);
    assert_int_equal(nano("0.9999999999"), MG_NANO_PER_USD);
}

static void refuses(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "-",
                                      ".",
                                      "1.",
                                      ".5",
                                      "1e3",
                                      " 1",
                                      "1 ",
                                      "1,5",
                                      "1.2.3",
                                      "$1",
                                      "9223372036.854775808",
                                      "9223372036.8547758070001",
                                      "10000000000",
                                      "99999999999999999999999999",
                                      "--1",
                                      "nan"};
    int64_t n = 5;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (mg_money_parse(mg_str_of(bad[i]), &n)) fail_msg("%s was accepted", bad[i]);
    assert_int_equal(n, 5);
}

static void formats(void **state) {
    (void)state;
    static const struct {
        int64_t n;
        const char *want;
    } cases[] = {{37500, "0.0000375"},
                 {12500000000, "12.5"},
                 {0, "0"},
                 {1, "0.000000001"},
                 {-1, "-0.000000001"},
                 {100 * MG_NANO_PER_USD, "100"},
                 {INT64_MAX, "9223372036.854775807"},
                 {INT64_MIN, "-9223372036.854775808"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[32];
        mg_money_format(cases[i].n, out);
        assert_string_equal(out, cases[i].want);
        assert_int_equal(nano(out), cases[i].n);
    }
}

static void round_trips(void **state) {
    (void)state;
    uint64_t x = 1;
    for (int i = 0; i < 20000; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        int64_t n = (int64_t)x >> (i % 60);
        char out[32];
        mg_money_format(n, out);
        assert_int_equal(nano(out), n);
    }
}

/* Prices with few digits are not exact in binary, and must not come out one too high. */
static void dollars_are_exact_where_they_can_be(void **state) {
    (void)state;
    for (int64_t n = 0; n < 3000000; n += 7) {
        assert_int_equal(mg_money_from_usd((double)n / 1e9), n);
        assert_int_equal(mg_money_from_usd(mg_money_to_usd(n * 1000)), n * 1000);
    }
    assert_int_equal(mg_money_from_usd(0.0000375), 37500);
    assert_int_equal(mg_money_from_usd(0.1 + 0.2), 300000000);
    assert_int_equal(mg_money_from_usd(1e-10), 1);
    assert_int_equal(mg_money_from_usd(1.0000000001), 1000000001);
    assert_int_equal(mg_money_from_usd(-1.5), -1500000000);
    assert_int_equal(mg_money_from_usd(-0.0000000015), -1);
}

static void saturates(void **state) {
    (void)state;
    assert_int_equal(mg_money_from_usd(1e30), INT64_MAX);
    assert_int_equal(mg_money_from_usd((double)INFINITY), INT64_MAX);
    assert_int_equal(mg_money_from_usd(-1e30), INT64_MIN);
    assert_int_equal(mg_money_from_usd((double)NAN), 0);
    assert_int_equal(mg_money_add(INT64_MAX, 1), INT64_MAX);
    assert_int_equal(mg_money_add(INT64_MIN, -1), INT64_MIN);
    assert_int_equal(mg_money_add(2, -5), -3);
    assert_int_equal(mg_money_mul(INT64_MAX, 2), INT64_MAX);
    assert_int_equal(mg_money_mul(INT64_MAX, -2), INT64_MIN);
    assert_int_equal(mg_money_mul(INT64_MIN, INT64_MIN), INT64_MAX);
    assert_int_equal(mg_money_mul(-3, 4), -12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses),      cmocka_unit_test(rounds_up),
        cmocka_unit_test(refuses),     cmocka_unit_test(formats),
        cmocka_unit_test(round_trips), cmocka_unit_test(dollars_are_exact_where_they_can_be),
        cmocka_unit_test(saturates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
