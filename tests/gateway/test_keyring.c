#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/keyring.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static const mg_str keys[] = {MG_STR_INIT("sk-one"), MG_STR_INIT("sk-two"), MG_STR_INIT("sk-three")};

typedef struct fixture {
    mg_keyrings *table;
    mg_keyring *k;
    mg_keyring_settings s;
} fixture;

static int set_up(void **state) {
    static fixture f;
    f.table = mg_keyrings_create();
    f.k = mg_keyrings_hold(f.table, MG_STR("openai"), keys, 3);
    f.s = MG_KEYRING_DEFAULTS;
    *state = &f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    mg_keyring_release(f->k);
    mg_keyrings_destroy(f->table);
    return 0;
}

static void assert_pick(fixture *f, uint64_t now, size_t at, uint64_t wait) {
    mg_keyring_pick p = mg_keyring_choose(f->k, &f->s, now);
    assert_int_equal(p.at, at);
    assert_int_equal(p.wait_ms, wait);
}

static bool report(fixture *f, size_t at, mg_failure failure, int64_t retry_after, uint64_t now) {
    return mg_keyring_report(f->k, &f->s, at, failure, retry_after, now);
}

static void test_round_robin(void **state) {
    fixture *f = *state;
    for (size_t i = 0; i < 9; i++) assert_pick(f, 0, i % 3, 0);
    assert_true(report(f, 1, MG_FAIL_RATE, 500, 1000));
    size_t seen[3] = {0};
    for (int i = 0; i < 100; i++) seen[mg_keyring_choose(f->k, &f->s, 1000).at]++;
    assert_int_equal(seen[0], 50); /* a resting key's turns are shared evenly */
    assert_int_equal(seen[1], 0);
    assert_int_equal(seen[2], 50);
    assert_int_equal(mg_keyring_resting(f->k, 1499), 1);
    assert_int_equal(mg_keyring_resting(f->k, 1500), 0);
    for (int i = 0; i < 90; i++) seen[mg_keyring_choose(f->k, &f->s, 1500).at]++;
    assert_int_equal(seen[1], 30);
}

static void test_sticky(void **state) {
    fixture *f = *state;
    f->s.order = MG_KEYRING_STICKY;
    for (int i = 0; i < 5; i++) assert_pick(f, 0, 0, 0);
    assert_true(report(f, 0, MG_FAIL_AUTH, -1, 0));
    for (int i = 0; i < 5; i++) assert_pick(f, 1, 1, 0);
    assert_pick(f, 400000, 1, 0); /* awake again, but there is no trouble with this one */
    assert_true(report(f, 1, MG_FAIL_RATE, 100, 400000));
    assert_true(report(f, 2, MG_FAIL_RATE, 100, 400000));
    assert_pick(f, 400000, 0, 0);
}

static void test_rests(void **state) {
    fixture *f = *state;
    assert_true(report(f, 0, MG_FAIL_AUTH, -1, 0));
    assert_true(report(f, 1, MG_FAIL_QUOTA, 400000, 0));
    assert_true(report(f, 2, MG_FAIL_RATE, -1, 0));
    assert_pick(f, 0, 2, 10000);
    assert_pick(f, 9999, 2, 1);
    assert_pick(f, 10000, 2, 0);
    assert_true(report(f, 2, MG_FAIL_RATE, 86400000, 10000));
    assert_pick(f, 10000, 0, 290000);
    assert_true(report(f, 0, MG_FAIL_RATE, 5, 10000)); /* does not shorten a longer rest */
    assert_pick(f, 10000, 0, 290000);
    assert_pick(f, 300000, 0, 0);
    assert_true(report(f, 0, MG_FAIL_AUTH, -1, 3000000));
    assert_true(report(f, 1, MG_FAIL_AUTH, -1, 3600000));
    f->s.refused_ms = 7200000;
    assert_true(report(f, 0, MG_FAIL_AUTH, -1, 3600000));
    assert_pick(f, 3600000, 2, 10000); /* an hour from 10,000, not a day */
}

static void test_other_failures(void **state) {
    fixture *f = *state;
    static const mg_failure others[] = {MG_FAIL_NONE,      MG_FAIL_BAD_REQUEST, MG_FAIL_CONTEXT_LENGTH,
                                        MG_FAIL_NOT_FOUND, MG_FAIL_OVERLOADED,  MG_FAIL_CONTENT,
                                        MG_FAIL_SERVER};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) assert_false(report(f, 0, others[i], 5000, 0));
    assert_false(report(f, 0, MG_FAIL_RATE, 0, 0)); /* come back at once */
    assert_false(report(f, 99, MG_FAIL_AUTH, -1, 0));
    assert_int_equal(mg_keyring_resting(f->k, 0), 0);
    assert_int_equal(mg_keyring_size(f->k), 3);
}

static void test_reload(void **state) {
    fixture *f = *state;
    report(f, 1, MG_FAIL_AUTH, -1, 0);
    mg_keyring *again = mg_keyrings_hold(f->table, MG_STR("openai"), keys, 3);
    assert_ptr_equal(again, f->k);
    mg_keyring_release(again);
    mg_keyring *elsewhere = mg_keyrings_hold(f->table, MG_STR("azure"), keys, 3);
    assert_ptr_not_equal(elsewhere, f->k);
    assert_int_equal(mg_keyring_resting(elsewhere, 0), 0);
    mg_keyring_release(elsewhere);
    mg_str changed[] = {MG_STR("sk-four"), keys[2], keys[1]};
    mg_keyring *next = mg_keyrings_hold(f->table, MG_STR("openai"), changed, 3);
    assert_ptr_not_equal(next, f->k);
    assert_int_equal(mg_keyring_resting(next, 0), 1);
    assert_int_equal(mg_keyring_choose(next, &f->s, 0).at, 0);
    assert_int_equal(mg_keyring_choose(next, &f->s, 0).at, 1);
    assert_int_equal(mg_keyring_choose(next, &f->s, 0).at, 0); /* sk-two rests on */
    mg_keyring_release(next);
    assert_pick(f, 0, 0, 0); /* the old one serves those who hold it */
}

static void test_bounds(void **state) {
    fixture *f = *state;
    mg_str many[MG_KEYRING_MAX + 1];
    for (size_t i = 0; i <= MG_KEYRING_MAX; i++) many[i] = MG_STR("k");
    assert_null(mg_keyrings_hold(f->table, MG_STR("p"), many, MG_KEYRING_MAX + 1));
    assert_null(mg_keyrings_hold(f->table, MG_STR("p"), many, 0));
    mg_keyring *one = mg_keyrings_hold(f->table, MG_STR("p"), many, 1);
    mg_keyring_report(one, &f->s, 0, MG_FAIL_RATE, 70, 5);
    mg_keyring_pick p = mg_keyring_choose(one, &f->s, 5);
    assert_int_equal(p.wait_ms, 70);
    mg_keyring_release(one);
}

enum { THREADS = 8, ROUNDS = 20000 };
static atomic_int picked[3];
static atomic_uint_fast64_t
    clock_ms; /* one for all: with its own, a thread that is ahead would let keys rest for the others */

static void *member(void *arg) {
    fixture *f = arg;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t now = atomic_fetch_add(&clock_ms, 1);
        mg_keyring *k = i % 64 ? f->k : mg_keyrings_hold(f->table, MG_STR("openai"), keys, i % 128 ? 3 : 2);
        mg_keyring_pick p = mg_keyring_choose(k, &f->s, now);
        assert_true(p.at < 3);
        if (k == f->k && p.wait_ms == 0) atomic_fetch_add(&picked[p.at], 1);
        if (i % 100 == 7) mg_keyring_report(k, &f->s, p.at, MG_FAIL_RATE, 20, now);
        if (i % 64 == 0) mg_keyring_release(k);
    }
    return NULL;
}

static void test_threads(void **state) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, member, *state);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 3; i++) assert_true(atomic_load(&picked[i]) > ROUNDS);
}

int main(void) {
#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH(test_round_robin), WITH(test_sticky), WITH(test_rests),   WITH(test_other_failures),
        WITH(test_reload),      WITH(test_bounds), WITH(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
