#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/backoff.h"

static const mg_backoff_settings plain = {.base_ms = 100, .cap_ms = 2000, .jitter = MG_JITTER_NONE};

/* The first numbers of the published reference implementation for the seed 1234567. */
static void test_prng(void **state) {
    (void)state;
    mg_prng r = {1234567};
    assert_true(mg_prng_next(&r) == 6457827717110365317u);
    assert_true(mg_prng_next(&r) == 3203168211198807973u);
    assert_true(mg_prng_next(&r) == 9817491932198370423u);
    assert_int_equal(mg_prng_between(&r, 7, 7), 7);
    mg_prng_between(&r, 0, UINT64_MAX);
    int seen[6] = {0};
    for (int i = 0; i < 60000; i++) {
        uint64_t v = mg_prng_between(&r, 10, 15);
        assert_in_range(v, 10, 15);
        seen[v - 10]++;
    }
    for (int i = 0; i < 6; i++) assert_in_range(seen[i], 9500, 10500);
}

static void test_exponential(void **state) {
    (void)state;
    static const uint64_t wanted[] = {100, 200, 400, 800, 1600, 2000, 2000};
    mg_backoff b = {0};
    mg_prng r = {1};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        assert_int_equal(mg_backoff_delay(&b, &plain, &r), wanted[i]);
    assert_true(r.state == 1);
    b.attempt = UINT32_MAX;
    assert_int_equal(mg_backoff_delay(&b, &plain, &r), 2000);
    mg_backoff_settings s = {.base_ms = UINT64_MAX, .cap_ms = UINT64_MAX, .jitter = MG_JITTER_NONE};
    assert_int_equal(mg_backoff_delay(&(mg_backoff){.attempt = 90}, &s, &r), 3600000);
    s = (mg_backoff_settings){.base_ms = 500, .cap_ms = 0, .jitter = MG_JITTER_NONE};
    assert_int_equal(mg_backoff_delay(&(mg_backoff){0}, &s, &r), 500);
    s.base_ms = 0;
    assert_int_equal(mg_backoff_delay(&(mg_backoff){.attempt = 9}, &s, &r), 0);
}

/* Bounds are kept, both ends are reached, and the mean is that of the formula. */
static void check_spread(mg_jitter jitter, uint32_t attempt, uint64_t least, uint64_t most) {
    mg_backoff_settings s = plain;
    s.jitter = jitter;
    mg_prng r = {99};
    uint64_t low = UINT64_MAX, high = 0, sum = 0;
    enum { N = 40000 };
    for (int i = 0; i < N; i++) {
        uint64_t v = mg_backoff_delay(&(mg_backoff){.attempt = attempt}, &s, &r);
        low = v < low ? v : low;
        high = v > high ? v : high;
        sum += v;
    }
    assert_int_equal(low, least);
    assert_int_equal(high, most);
    uint64_t mean = (least + most) / 2;
    assert_in_range(sum / N, mean - mean / 50, mean + mean / 50);
}

static void test_jitter(void **state) {
    (void)state;
    check_spread(MG_JITTER_FULL, 0, 0, 100);
    check_spread(MG_JITTER_FULL, 3, 0, 800);
    check_spread(MG_JITTER_FULL, 9, 0, 2000);
    check_spread(MG_JITTER_EQUAL, 0, 50, 100);
    check_spread(MG_JITTER_EQUAL, 9, 1000, 2000);
    check_spread(MG_JITTER_DECORRELATED, 0, 100, 300);
}

static void test_decorrelated(void **state) {
    (void)state;
    mg_backoff_settings s = plain;
    s.jitter = MG_JITTER_DECORRELATED;
    mg_prng r = {5};
    bool capped = false;
    for (int round = 0; round < 1000; round++) {
        mg_backoff b = {0};
        uint64_t last = 100;
        for (int i = 0; i < 12; i++) {
            uint64_t v = mg_backoff_delay(&b, &s, &r);
            assert_in_range(v, 100, last * 3 < 2000 ? last * 3 : 2000);
            capped |= v == 2000;
            last = v;
        }
    }
    assert_true(capped);
}

static void test_same_seed(void **state) {
    (void)state;
    mg_backoff_settings s = MG_BACKOFF_DEFAULTS;
    mg_backoff a = {0}, b = {0};
    mg_prng x = {42}, y = {42};
    for (int i = 0; i < 100; i++) assert_int_equal(mg_backoff_delay(&a, &s, &x), mg_backoff_delay(&b, &s, &y));
}

static void test_retry_after(void **state) {
    (void)state;
    mg_prng r = {3};
    uint64_t delay, high = 0;
    for (int i = 0; i < 5000; i++) {
        mg_backoff b = {0};
        assert_true(mg_backoff_next(&b, &plain, 3000, 10000, &r, &delay));
        assert_in_range(delay, 3000, 3100);
        high = delay > high ? delay : high;
    }
    assert_int_equal(high, 3100);
    mg_backoff b = {0};
    for (int i = 0; i < 100; i++) {
        assert_true(mg_backoff_next(&b, &plain, 3000, 3001, &r, &delay)); /* jitter never spends what is not there */
        assert_int_equal(delay, 3000);
    }
    assert_false(mg_backoff_next(&b, &plain, 3000, 3000, &r, &delay));
    assert_false(mg_backoff_next(&b, &plain, INT64_MAX, 3000, &r, &delay));
    assert_true(mg_backoff_next(&b, &plain, INT64_MAX, UINT64_MAX, &r, &delay));
    assert_true(mg_backoff_next(&b, &plain, 0, 1, &r, &delay));
    assert_int_equal(delay, 0);
    assert_false(mg_backoff_next(&b, &plain, 0, 0, &r, &delay));
}

static void test_total_time(void **state) {
    (void)state;
    mg_prng r = {3};
    uint64_t delay;
    mg_backoff b = {0};
    assert_true(mg_backoff_next(&b, &plain, -1, 101, &r, &delay));
    assert_int_equal(delay, 100);
    assert_false(mg_backoff_next(&b, &plain, -1, 200, &r, &delay));
    assert_int_equal(b.attempt, 2);
}

static void test_names(void **state) {
    (void)state;
    mg_jitter j;
    assert_true(mg_jitter_parse(MG_STR("decorrelated"), &j));
    assert_int_equal(j, MG_JITTER_DECORRELATED);
    assert_true(mg_jitter_parse(MG_STR("none"), &j));
    assert_int_equal(j, MG_JITTER_NONE);
    assert_false(mg_jitter_parse(MG_STR("some"), &j));
    assert_false(mg_jitter_parse(MG_STR(""), &j));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prng),         cmocka_unit_test(test_exponential), cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_decorrelated), cmocka_unit_test(test_same_seed),   cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_total_time),   cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
