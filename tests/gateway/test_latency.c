#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/latency.h"
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void assert_near(int64_t got, uint64_t exact) {
    int64_t off = got - (int64_t)exact;
    if (off < 0) off = -off;
    if (off * 16 > (int64_t)exact) fail_msg("%lld instead of %llu", (long long)got, (unsigned long long)exact);
}

/* Against the sorted durations, for distributions of several shapes. */
static void test_percentiles(void **state) {
    (void)state;
    enum { N = 5000 };
    static uint64_t v[N];
    srand(11);
    for (int shape = 0; shape < 4; shape++) {
        mg_latency l = {0};
        for (int i = 0; i < N; i++) {
            uint64_t r = (uint64_t)rand();
            v[i] = shape == 0   ? 200000 + r % 100000
                   : shape == 1 ? 1ull << r % 30
                   : shape == 2 ? (r % 20 ? 300000 + r % 1000 : 9000000 + r % 100000)
                                : r % 40;
            mg_latency_add(&l, v[i], 1000);
        }
        qsort(v, N, sizeof *v, ascending);
        for (unsigned p = 1; p <= 100; p++) assert_near(mg_latency_percentile(&l, p, 1000), v[(N * p + 99) / 100 - 1]);
        assert_true(mg_latency_samples(&l, 1000) == N);
    }
}

static void test_every_duration(void **state) {
    (void)state;
    for (uint64_t us = 0; us < 1u << 30; us += 1 + us / 33) {
        mg_latency l = {0};
        mg_latency_add(&l, us, 0);
        assert_near(mg_latency_percentile(&l, 95, 0), us);
    }
    mg_latency l = {0};
    mg_latency_add(&l, UINT64_MAX, 0);
    assert_true(mg_latency_percentile(&l, 50, 0) > 900000000);
}

static void test_forgets(void **state) {
    (void)state;
    mg_latency l = {0};
    assert_int_equal(mg_latency_percentile(&l, 95, 5), -1);
    for (int i = 0; i < 100; i++) mg_latency_add(&l, 1000000, 0);
    assert_near(mg_latency_percentile(&l, 95, MG_LATENCY_HALF_LIFE_MS), 1000000);
    assert_true(mg_latency_samples(&l, MG_LATENCY_HALF_LIFE_MS) == 50);
    for (int i = 0; i < 51; i++) mg_latency_add(&l, 2000, MG_LATENCY_HALF_LIFE_MS);
    assert_near(mg_latency_percentile(&l, 50, MG_LATENCY_HALF_LIFE_MS), 2000);
    assert_near(mg_latency_percentile(&l, 50, 0), 2000); /* a clock that goes back */
    assert_int_equal(mg_latency_percentile(&l, 50, 20 * MG_LATENCY_HALF_LIFE_MS), -1);
    mg_latency_add(&l, 7, UINT64_MAX);
    assert_int_equal(mg_latency_percentile(&l, 50, UINT64_MAX), 7);
}

/* More than the weights can hold: older ones count for less, and nothing wraps. */
static void test_many(void **state) {
    (void)state;
    mg_latency l = {0};
    for (int i = 0; i < 9000000; i++) mg_latency_add(&l, 100, 0);
    assert_true(mg_latency_samples(&l, 0) > 2000000);
    for (int i = 0; i < 1000000; i++) mg_latency_add(&l, 100000, 0);
    assert_near(mg_latency_percentile(&l, 50, 0), 100);
    assert_near(mg_latency_percentile(&l, 95, 0), 100000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_every_duration),
        cmocka_unit_test(test_forgets),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
