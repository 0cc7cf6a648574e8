#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/hedge.h"
#include <stdatomic.h>

static int set_up(void **state) {
    static mg_hedge h;
    mg_hedge_init(&h);
    *state = &h;
    return 0;
}

static int tear_down(void **state) {
    mg_hedge_finish(*state);
    return 0;
}

static int64_t delay(mg_hedge *h, const mg_hedge_settings *s, int64_t p95_us, double samples, uint64_t left) {
    mg_circuit_stats stats = {.ttft_p95_us = p95_us, .ttft_samples = samples};
    return mg_hedge_delay(h, s, &stats, left, 1000);
}

static void test_delay(void **state) {
    mg_hedge *h = *state;
    mg_hedge_settings s = MG_HEDGE_DEFAULTS;
    assert_int_equal(delay(h, &s, 800001, 20, UINT64_MAX), 801);
    assert_int_equal(delay(h, &s, 800000, 19.9, UINT64_MAX), MG_HEDGE_NO);
    assert_int_equal(delay(h, &s, -1, 0, UINT64_MAX), MG_HEDGE_NO);
    assert_int_equal(delay(h, &s, 3000, 100, UINT64_MAX), 50);
    assert_int_equal(delay(h, &s, 800000, 20, 801), 800);
    assert_int_equal(delay(h, &s, 800000, 20, 800), MG_HEDGE_NO);
    assert_int_equal(mg_hedge_delay(h, &s, NULL, UINT64_MAX, 1000), MG_HEDGE_NO);
    s.delay_ms = 0;
    assert_int_equal(mg_hedge_delay(h, &s, NULL, UINT64_MAX, 1000), 0);
    s.delay_ms = 1200;
    assert_int_equal(delay(h, &s, 800000, 20, UINT64_MAX), 1200);
    assert_int_equal(delay(h, &s, 800000, 20, 0), MG_HEDGE_NO);
}

static int hedges(mg_hedge *h, const mg_hedge_settings *s, int tries, uint64_t now) {
    int n = 0;
    for (int i = 0; i < tries; i++) n += mg_hedge_start(h, s, now);
    return n;
}

static void requests(mg_hedge *h, const mg_hedge_settings *s, int n, uint64_t now) {
    for (int i = 0; i < n; i++) mg_hedge_delay(h, s, NULL, UINT64_MAX, now);
}

static void test_share(void **state) {
    mg_hedge *h = *state;
    mg_hedge_settings s = MG_HEDGE_DEFAULTS;
    assert_int_equal(hedges(h, &s, 5, 1000), 0);
    requests(h, &s, 19, 1000);
    assert_int_equal(hedges(h, &s, 5, 1000), 0);
    requests(h, &s, 1, 1000);
    assert_int_equal(hedges(h, &s, 5, 1000), 1);
    requests(h, &s, 980, 30000);
    assert_int_equal(hedges(h, &s, 100, 30000), 49);
    assert_int_equal(hedges(h, &s, 100, 60999), 0); /* 1,000 requests of the last minute, 50 hedged */
    assert_int_equal(hedges(h, &s, 100, 61000), 0); /* 980, 49 */
    requests(h, &s, 20, 61000);
    assert_int_equal(hedges(h, &s, 100, 61000), 1);
    requests(h, &s, 100, 90000);
    assert_int_equal(hedges(h, &s, 100, 90000), 5); /* the 980 have left */
    assert_int_equal(hedges(h, &s, 100, 1000), 0); /* a clock that is behind */
    requests(h, &s, 100, 100000000);
    s.share_permille = 0;
    assert_int_equal(hedges(h, &s, 100, 100000000), 0);
    s.share_permille = 1000;
    assert_int_equal(hedges(h, &s, 1000, 100000000), 100);
}

enum { THREADS = 8, ROUNDS = 20000 };
static atomic_int started;

static void *member(void *arg) {
    mg_hedge_settings s = MG_HEDGE_DEFAULTS;
    s.delay_ms = 10;
    for (int i = 0; i < ROUNDS; i++) {
        if (mg_hedge_delay(arg, &s, NULL, UINT64_MAX, 5000) != 10) return NULL;
        if (mg_hedge_start(arg, &s, 5000)) atomic_fetch_add(&started, 1);
    }
    return NULL;
}

static void test_threads(void **state) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, member, *state);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&started), THREADS * ROUNDS / 20); /* exactly the share */
}

int main(void) {
#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {WITH(test_delay), WITH(test_share), WITH(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
