#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "gateway/circuit.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- fixture: a table, one circuit, its settings and a clock ---- */

typedef struct fixture {
    mg_circuits *table;
    mg_circuit *c;
    mg_circuit_settings s;
    uint64_t now;
    mg_circuit_change changes[64];
    unsigned n;
} fixture;

static void on_change(void *arg, const mg_circuit_change *change) {
    fixture *f = arg;
    assert_true(f->n < 64);
    f->changes[f->n++] = *change;
}

static int set_up(void **state) {
    fixture *f = MG_NEW(fixture);
    f->table = mg_circuits_create(on_change, f);
    f->c = mg_circuits_find(f->table, MG_STR("openai"), MG_STR("gpt-4o"));
    f->s = MG_CIRCUIT_DEFAULTS;
    f->now = 1000000;
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    mg_circuits_destroy(f->table);
    free(f);
    return 0;
}

static mg_circuit_pass admit(fixture *f) { return mg_circuit_admit(f->c, &f->s, f->now); }

static void record(fixture *f, mg_circuit_pass *pass, mg_circuit_outcome outcome) {
    mg_circuit_record(f->c, &f->s, pass, &(mg_circuit_call){.outcome = outcome, .ttft_us = -1}, f->now);
}

static void record_after(fixture *f, mg_circuit_pass *pass, int64_t ttft_us) {
    mg_circuit_record(f->c, &f->s, pass, &(mg_circuit_call){.ttft_us = ttft_us}, f->now);
}

static void calls(fixture *f, int n, mg_circuit_outcome outcome) {
    for (int i = 0; i < n; i++) {
        mg_circuit_pass pass = admit(f);
        assert_int_equal(pass.admission, MG_CIRCUIT_GO);
        record(f, &pass, outcome);
    }
}

static mg_circuit_stats stats(fixture *f) {
    mg_circuit_stats out;
    mg_circuit_stats_get(f->c, f->now, &out);
    return out;
}

static void assert_state(fixture *f, mg_circuit_state state) {
    mg_circuit_stats now = stats(f);
    assert_string_equal(mg_circuit_state_name(now.state), mg_circuit_state_name(state));
}

static void assert_change(fixture *f, unsigned at, mg_circuit_state from, mg_circuit_state to, mg_circuit_reason why) {
    assert_true(at < f->n);
    assert_int_equal(f->changes[at].from, from);
    assert_int_equal(f->changes[at].to, to);
    assert_string_equal(mg_circuit_reason_name(f->changes[at].reason), mg_circuit_reason_name(why));
    assert_int_equal(f->changes[at].number, at + 1);
}

static void assert_waits(fixture *f, uint64_t ms) {
    mg_circuit_pass pass = admit(f);
    assert_int_equal(pass.admission, MG_CIRCUIT_OPEN);
    assert_int_equal(pass.wait_ms, ms);
    assert_int_equal(stats(f).wait_ms, ms);
}

static mg_circuit_pass probe(fixture *f) {
    mg_circuit_pass pass = admit(f);
    assert_int_equal(pass.admission, MG_CIRCUIT_PROBE);
    return pass;
}

static void open_by_errors(fixture *f) {
    calls(f, 20, MG_CIRCUIT_FAILURE);
    assert_state(f, MG_CIRCUIT_OPENED);
}

/* ---- opening ---- */

static void test_defaults(void **state) {
    (void)state;
    mg_circuit_settings s = MG_CIRCUIT_DEFAULTS;
    assert_int_equal(s.window_ms, 30000);
    assert_int_equal(s.min_calls, 20);
    assert_int_equal(s.error_percent, 50);
    assert_int_equal(s.slow_percent, 80);
    assert_int_equal(s.slow_ms, 0);
    assert_int_equal(s.open_ms, 30000);
    assert_int_equal(s.open_max_ms, 300000);
    assert_int_equal(s.probes, 3);
    assert_false(s.count_limited);
}

static void test_opens_at_half(void **state) {
    fixture *f = *state;
    calls(f, 10, MG_CIRCUIT_SUCCESS);
    calls(f, 9, MG_CIRCUIT_FAILURE);
    assert_state(f, MG_CIRCUIT_CLOSED);
    calls(f, 1, MG_CIRCUIT_FAILURE);
    assert_state(f, MG_CIRCUIT_OPENED);
    assert_int_equal(f->n, 1);
    assert_change(f, 0, MG_CIRCUIT_CLOSED, MG_CIRCUIT_OPENED, MG_CIRCUIT_BY_ERRORS);
    assert_int_equal(f->changes[0].calls, 20);
    assert_int_equal(f->changes[0].errors, 10);
    assert_int_equal(f->changes[0].open_ms, 30000);
    assert_ptr_equal(f->changes[0].circuit, f->c);
    assert_waits(f, 30000);
    f->now += 29999;
    assert_waits(f, 1);
}

/* The twentieth call may be the success that makes the count. */
static void test_opens_by_success(void **state) {
    fixture *f = *state;
    calls(f, 10, MG_CIRCUIT_FAILURE);
    calls(f, 9, MG_CIRCUIT_SUCCESS);
    assert_state(f, MG_CIRCUIT_CLOSED);
    calls(f, 1, MG_CIRCUIT_SUCCESS);
    assert_state(f, MG_CIRCUIT_OPENED);
}

static void test_stays_closed_below(void **state) {
    fixture *f = *state;
    for (int i = 0; i < 500; i++) {
        calls(f, 51, MG_CIRCUIT_SUCCESS);
        calls(f, 49, MG_CIRCUIT_FAILURE);
        f->now += 100;
    }
    assert_state(f, MG_CIRCUIT_CLOSED);
    f->s.error_percent = 0;
    calls(f, 1000, MG_CIRCUIT_FAILURE);
    assert_state(f, MG_CIRCUIT_CLOSED);
    assert_int_equal(f->n, 0);
}

static void test_neutral_says_nothing(void **state) {
    fixture *f = *state;
    calls(f, 19, MG_CIRCUIT_FAILURE);
    calls(f, 100, MG_CIRCUIT_NEUTRAL);
    assert_state(f, MG_CIRCUIT_CLOSED);
    assert_int_equal(stats(f).calls, 19);
    assert_int_equal(stats(f).in_flight, 0);
}

static void test_window_slides(void **state) {
    fixture *f = *state;
    calls(f, 19, MG_CIRCUIT_FAILURE);
    f->now += 31000; /* the second that they fell into has left */
    calls(f, 1, MG_CIRCUIT_FAILURE);
    assert_state(f, MG_CIRCUIT_CLOSED);
    f->now += 29000;
    calls(f, 18, MG_CIRCUIT_FAILURE);
    assert_state(f, MG_CIRCUIT_CLOSED);
    calls(f, 1, MG_CIRCUIT_FAILURE);
    assert_state(f, MG_CIRCUIT_OPENED);
    assert_int_equal(f->changes[0].calls, 20);
}

/* Callers with different windows see the same calls through each of them. */
static void test_windows_side_by_side(void **state) {
    fixture *f = *state;
    mg_circuit_settings wide = f->s;
    wide.window_ms = 120000;
    for (int i = 0; i < 19; i++) {
        calls(f, 1, MG_CIRCUIT_FAILURE);
        f->now += 5000;
    }
    assert_state(f, MG_CIRCUIT_CLOSED);
    mg_circuit_pass pass = mg_circuit_admit(f->c, &wide, f->now);
    mg_circuit_record(f->c, &wide, &pass, &(mg_circuit_call){.outcome = MG_CIRCUIT_FAILURE, .ttft_us = -1}, f->now);
    assert_state(f, MG_CIRCUIT_OPENED);
}

static void test_opens_by_slowness(void **state) {
    fixture *f = *state;
    for (int i = 0; i < 100; i++) { /* off by default */
        mg_circuit_pass pass = admit(f);
        record_after(f, &pass, 60000000);
    }
    assert_state(f, MG_CIRCUIT_CLOSED);
    f->now += 60000;
    f->s.slow_ms = 2000;
    for (int i = 0; i < 25; i++) {
        assert_state(f, MG_CIRCUIT_CLOSED);
        mg_circuit_pass pass = admit(f);
        record_after(f, &pass, i < 5 ? 2000000 : 2000001); /* 15 of 20 are not enough, 20 of 25 are */
    }
    assert_state(f, MG_CIRCUIT_OPENED);
    assert_change(f, 0, MG_CIRCUIT_CLOSED, MG_CIRCUIT_OPENED, MG_CIRCUIT_BY_SLOWNESS);
    assert_int_equal(f->changes[0].slow, 20);
    assert_int_equal(f->changes[0].calls, 25);
}

static void test_limited(void **state) {
    fixture *f = *state;
    calls(f, 100, MG_CIRCUIT_LIMITED);
    assert_state(f, MG_CIRCUIT_CLOSED);
    assert_int_equal(stats(f).errors, 100);
    f->s.count_limited = true;
    calls(f, 20, MG_CIRCUIT_LIMITED);
    assert_state(f, MG_CIRCUIT_OPENED);
}

static void test_outcomes(void **state) {
    (void)state;
    assert_int_equal(mg_circuit_outcome_of(MG_UPSTREAM_COMPLETE, MG_FAIL_NONE), MG_CIRCUIT_SUCCESS);
    for (int e = MG_UPSTREAM_RESOLVE; e <= MG_UPSTREAM_TOO_LARGE; e++)
        assert_int_equal(mg_circuit_outcome_of((mg_upstream_end)e, MG_FAIL_NONE), MG_CIRCUIT_FAILURE);
    static const mg_circuit_outcome wanted[] = {
        [MG_FAIL_NONE] = MG_CIRCUIT_SUCCESS,           [MG_FAIL_BAD_REQUEST] = MG_CIRCUIT_NEUTRAL,
        [MG_FAIL_CONTEXT_LENGTH] = MG_CIRCUIT_NEUTRAL, [MG_FAIL_AUTH] = MG_CIRCUIT_NEUTRAL,
        [MG_FAIL_NOT_FOUND] = MG_CIRCUIT_NEUTRAL,      [MG_FAIL_RATE] = MG_CIRCUIT_LIMITED,
        [MG_FAIL_QUOTA] = MG_CIRCUIT_LIMITED,          [MG_FAIL_OVERLOADED] = MG_CIRCUIT_FAILURE,
        [MG_FAIL_CONTENT] = MG_CIRCUIT_NEUTRAL,        [MG_FAIL_SERVER] = MG_CIRCUIT_FAILURE};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        assert_int_equal(mg_circuit_outcome_of(MG_UPSTREAM_COMPLETE, (mg_failure)i), wanted[i]);
}

/* ---- half open ---- */

static void test_closes_by_probes(void **state) {
    fixture *f = *state;
    open_by_errors(f);
    f->now += 30000;
    assert_int_equal(stats(f).wait_ms, 0);
    mg_circuit_pass p[3] = {probe(f), probe(f), probe(f)};
    assert_waits(f, 1000);
    assert_state(f, MG_CIRCUIT_HALF_OPEN);
    record(f, &p[1], MG_CIRCUIT_SUCCESS);
    assert_waits(f, 1000); /* three in all, not three at a time */
    record(f, &p[0], MG_CIRCUIT_SUCCESS);
    assert_state(f, MG_CIRCUIT_HALF_OPEN);
    record(f, &p[2], MG_CIRCUIT_SUCCESS);
    assert_state(f, MG_CIRCUIT_CLOSED);
    assert_int_equal(f->n, 3);
    assert_change(f, 1, MG_CIRCUIT_OPENED, MG_CIRCUIT_HALF_OPEN, MG_CIRCUIT_BY_TIME);
    assert_change(f, 2, MG_CIRCUIT_HALF_OPEN, MG_CIRCUIT_CLOSED, MG_CIRCUIT_BY_PROBES);
    calls(f, 19, MG_CIRCUIT_FAILURE); /* what was before does not count any more */
    assert_state(f, MG_CIRCUIT_CLOSED);
    calls(f, 1, MG_CIRCUIT_FAILURE);
    assert_state(f, MG_CIRCUIT_OPENED);
    assert_int_equal(f->changes[3].open_ms, 30000); /* from the start again */
    assert_int_equal(stats(f).opened_total, 2);
}

static void test_failed_probe_doubles(void **state) {
    fixture *f = *state;
    static const uint64_t times[] = {30000, 60000, 120000, 240000, 300000, 300000};
    open_by_errors(f);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        assert_waits(f, times[i]);
        f->now += times[i];
        mg_circuit_pass a = probe(f), b = probe(f);
        record(f, &a, MG_CIRCUIT_SUCCESS);
        record(f, &b, MG_CIRCUIT_FAILURE);
        assert_state(f, MG_CIRCUIT_OPENED);
    }
    assert_int_equal(f->n, 1 + 2 * 6);
    assert_change(f, 12, MG_CIRCUIT_HALF_OPEN, MG_CIRCUIT_OPENED, MG_CIRCUIT_BY_FAILED_PROBE);
}

static void test_slow_probe_fails(void **state) {
    fixture *f = *state;
    open_by_errors(f);
    f->s.slow_ms = 100;
    f->now += 30000;
    mg_circuit_pass p = probe(f);
    record_after(f, &p, 100001);
    assert_state(f, MG_CIRCUIT_OPENED);
}

static void test_neutral_probe_gives_back(void **state) {
    fixture *f = *state;
    open_by_errors(f);
    f->now += 30000;
    mg_circuit_pass p[3] = {probe(f), probe(f), probe(f)};
    assert_waits(f, 1000);
    record(f, &p[0], MG_CIRCUIT_NEUTRAL);
    p[0] = probe(f);
    record(f, &p[1], MG_CIRCUIT_LIMITED); /* the vendor lives, and says wait */
    p[1] = probe(f);
    assert_waits(f, 1000);
    for (int i = 0; i < 3; i++) record(f, &p[i], MG_CIRCUIT_SUCCESS);
    assert_state(f, MG_CIRCUIT_CLOSED);
}

/* A probe that nobody records blocks for as long as the circuit had been open; if it comes back after all it counts. */
static void test_lost_probe(void **state) {
    fixture *f = *state;
    f->s.probes = 2;
    open_by_errors(f);
    f->now += 30000;
    mg_circuit_pass lost = probe(f);
    mg_circuit_pass p = probe(f);
    f->now += 29999;
    assert_waits(f, 1);
    f->now++;
    mg_circuit_pass q = probe(f), r = probe(f);
    assert_waits(f, 1000);
    record(f, &lost, MG_CIRCUIT_NEUTRAL); /* must not free the place of another */
    assert_waits(f, 1000);
    record(f, &p, MG_CIRCUIT_SUCCESS);
    record(f, &q, MG_CIRCUIT_SUCCESS);
    assert_state(f, MG_CIRCUIT_CLOSED);
    record(f, &r, MG_CIRCUIT_FAILURE);
    assert_int_equal(stats(f).in_flight, 0);
}

/* Results of calls that began in another state say nothing about this one. */
static void test_late_results(void **state) {
    fixture *f = *state;
    mg_circuit_pass late[40];
    for (int i = 0; i < 40; i++) late[i] = admit(f);
    open_by_errors(f);
    f->now += 30000;
    mg_circuit_pass p[3] = {probe(f), probe(f), probe(f)};
    for (int i = 0; i < 10; i++) record(f, &late[i], MG_CIRCUIT_FAILURE);
    assert_state(f, MG_CIRCUIT_HALF_OPEN);
    for (int i = 10; i < 20; i++) record(f, &late[i], MG_CIRCUIT_SUCCESS);
    assert_state(f, MG_CIRCUIT_HALF_OPEN);
    for (int i = 0; i < 3; i++) record(f, &p[i], MG_CIRCUIT_SUCCESS);
    for (int i = 20; i < 40; i++) record(f, &late[i], MG_CIRCUIT_FAILURE);
    assert_state(f, MG_CIRCUIT_CLOSED);
    assert_int_equal(stats(f).errors, 20 + 10 + 20); /* but they happened */
}

static void test_answered(void **state) {
    fixture *f = *state;
    open_by_errors(f);
    f->now += 30000;
    mg_circuit_pass p[3] = {probe(f), probe(f), probe(f)};
    for (int i = 0; i < 2; i++) {
        mg_circuit_answered(f->c, &f->s, &p[i], 5000, f->now);
        mg_circuit_answered(f->c, &f->s, &p[i], 5000, f->now); /* once is enough */
    }
    assert_state(f, MG_CIRCUIT_HALF_OPEN);
    assert_waits(f, 1000);
    record(f, &p[0], MG_CIRCUIT_SUCCESS); /* has counted already */
    assert_state(f, MG_CIRCUIT_HALF_OPEN);
    mg_circuit_answered(f->c, &f->s, &p[2], 5000, f->now);
    assert_state(f, MG_CIRCUIT_CLOSED);
    assert_int_equal(stats(f).in_flight, 2);
    record(f, &p[1], MG_CIRCUIT_FAILURE);
    record(f, &p[2], MG_CIRCUIT_SUCCESS);
    record(f, &p[2], MG_CIRCUIT_SUCCESS);
    assert_int_equal(stats(f).in_flight, 0);
    assert_state(f, MG_CIRCUIT_CLOSED);
}

/* Answers, then breaks while the circuit is still half open. */
static void test_answered_then_broken(void **state) {
    fixture *f = *state;
    open_by_errors(f);
    f->now += 30000;
    mg_circuit_pass p = probe(f);
    mg_circuit_answered(f->c, &f->s, &p, 5000, f->now);
    record(f, &p, MG_CIRCUIT_FAILURE);
    assert_state(f, MG_CIRCUIT_OPENED);
    assert_waits(f, 60000);
}

/* ---- hold and force ---- */

static void test_hold(void **state) {
    fixture *f = *state;
    mg_circuit_hold(f->c, f->now + 5000, f->now);
    mg_circuit_hold(f->c, f->now + 2000, f->now); /* the longest counts */
    assert_waits(f, 5000);
    assert_true(stats(f).held);
    assert_state(f, MG_CIRCUIT_CLOSED);
    f->now += 5000;
    assert_false(stats(f).held);
    calls(f, 1, MG_CIRCUIT_SUCCESS);
    mg_circuit_hold(f->c, UINT64_MAX, f->now);
    assert_waits(f, MG_CIRCUIT_HOLD_MAX_MS);
    assert_int_equal(f->n, 0);
}

static void test_forced_open(void **state) {
    fixture *f = *state;
    mg_str openai = MG_STR("openai"), model = MG_STR("gpt-4o");
    assert_true(mg_circuits_force(f->table, openai, model, MG_CIRCUIT_OPENED, f->now + 60000, f->now));
    assert_change(f, 0, MG_CIRCUIT_CLOSED, MG_CIRCUIT_OPENED, MG_CIRCUIT_BY_FORCE);
    assert_int_equal(f->changes[0].open_ms, 60000);
    assert_waits(f, 60000);
    assert_true(stats(f).forced);
    f->now += 60000;
    assert_state(f, MG_CIRCUIT_CLOSED);
    assert_change(f, 1, MG_CIRCUIT_OPENED, MG_CIRCUIT_CLOSED, MG_CIRCUIT_BY_RELEASE);
    calls(f, 1, MG_CIRCUIT_SUCCESS);
    assert_true(mg_circuits_force(f->table, openai, model, MG_CIRCUIT_OPENED, UINT64_MAX, f->now));
    assert_waits(f, UINT64_MAX);
    f->now += 1000000000;
    assert_waits(f, UINT64_MAX);
    assert_true(mg_circuits_force(f->table, openai, model, MG_CIRCUIT_CLOSED, 0, f->now));
    calls(f, 1, MG_CIRCUIT_SUCCESS);
    assert_false(stats(f).forced);
    assert_int_equal(f->n, 4);
    assert_true(mg_circuits_force(f->table, openai, model, MG_CIRCUIT_CLOSED, 0, f->now)); /* nothing to lift */
    assert_int_equal(f->n, 4);
    assert_false(mg_circuits_force(f->table, openai, model, MG_CIRCUIT_HALF_OPEN, UINT64_MAX, f->now));
}

static void test_forced_closed(void **state) {
    fixture *f = *state;
    open_by_errors(f);
    mg_circuits_force(f->table, MG_STR("openai"), MG_STR("gpt-4o"), MG_CIRCUIT_CLOSED, f->now + 10000, f->now);
    calls(f, 100, MG_CIRCUIT_FAILURE); /* whatever they say */
    assert_state(f, MG_CIRCUIT_CLOSED);
    f->now += 10000;
    assert_waits(f, 20000); /* the circuit's own time went on */
    assert_change(f, 2, MG_CIRCUIT_CLOSED, MG_CIRCUIT_OPENED, MG_CIRCUIT_BY_RELEASE);
}

static void test_forced_provider(void **state) {
    fixture *f = *state;
    mg_str openai = MG_STR("openai");
    mg_circuit *azure = mg_circuits_find(f->table, MG_STR("azure"), MG_STR("gpt-4o"));
    assert_true(mg_circuits_force(f->table, openai, MG_STR(""), MG_CIRCUIT_OPENED, f->now + 1000, f->now));
    assert_null(f->changes[0].circuit);
    assert_int_equal(f->changes[0].model.n, 0);
    assert_waits(f, 1000);
    mg_circuit *later = mg_circuits_find(f->table, openai, MG_STR("gpt-5"));
    assert_int_equal(mg_circuit_admit(later, &f->s, f->now).admission, MG_CIRCUIT_OPEN);
    assert_int_equal(mg_circuit_admit(azure, &f->s, f->now).admission, MG_CIRCUIT_GO);
    /* What is said of the model holds before that. */
    mg_circuits_force(f->table, openai, MG_STR("gpt-4o"), MG_CIRCUIT_CLOSED, UINT64_MAX, f->now);
    calls(f, 1, MG_CIRCUIT_SUCCESS);
    mg_circuits_force(f->table, openai, MG_STR("gpt-4o"), MG_CIRCUIT_CLOSED, 0, f->now);
    assert_waits(f, 1000);
    f->now += 1000;
    calls(f, 1, MG_CIRCUIT_SUCCESS);
    unsigned n = f->n;
    assert_change(f, n - 1, MG_CIRCUIT_OPENED, MG_CIRCUIT_CLOSED, MG_CIRCUIT_BY_RELEASE);
    assert_null(f->changes[n - 1].circuit);
    assert_int_equal(mg_circuit_admit(later, &f->s, f->now).admission, MG_CIRCUIT_GO);
    assert_int_equal(f->n, n); /* told once, not for each circuit */
}

/* ---- the table ---- */

static void test_find(void **state) {
    fixture *f = *state;
    mg_str a = MG_STR("a"), b = MG_STR("b"), ab = MG_STR("ab"), none = MG_STR("");
    mg_circuit *one = mg_circuits_find(f->table, a, b);
    assert_ptr_equal(mg_circuits_find(f->table, a, b), one);
    assert_ptr_not_equal(mg_circuits_find(f->table, b, a), one);
    assert_ptr_not_equal(mg_circuits_find(f->table, ab, none), mg_circuits_find(f->table, none, ab));
    assert_ptr_not_equal(mg_circuits_find(f->table, a, a), mg_circuits_find(f->table, b, b));
    assert_null(mg_circuits_peek(f->table, a, MG_STR("c")));
    assert_ptr_equal(mg_circuits_peek(f->table, a, b), one);
}

static void count_one(void *arg, const mg_circuit_stats *s) {
    size_t *n = arg;
    if (*n == 0) assert_true(mg_str_is(s->model, "gpt-4o"));
    ++*n;
}

static void test_table_is_bounded(void **state) {
    fixture *f = *state;
    char name[400];
    mg_circuit *last = NULL;
    for (int i = 0; i < MG_CIRCUITS_MAX + 100; i++) {
        snprintf(name, sizeof name, "model-%d", i);
        last = mg_circuits_find(f->table, MG_STR("p"), mg_str_of(name));
    }
    assert_ptr_equal(mg_circuits_find(f->table, MG_STR("q"), MG_STR("new")), last);
    size_t n = 0;
    mg_circuits_each(f->table, f->now, count_one, &n);
    assert_int_equal(n, MG_CIRCUITS_MAX);
    f->c = last; /* it stands for many, so it never opens */
    calls(f, 1000, MG_CIRCUIT_FAILURE);
    mg_circuit_hold(last, f->now + 1000, f->now);
    calls(f, 1, MG_CIRCUIT_FAILURE);
    assert_false(mg_circuits_force(f->table, MG_STR("q"), MG_STR("new"), MG_CIRCUIT_OPENED, UINT64_MAX, f->now));
    n = 0;
    mg_circuits_each(f->table, f->now, count_one, &n);
    assert_int_equal(n, MG_CIRCUITS_MAX + 1);
    memset(name, 'x', sizeof name);
    assert_ptr_equal(mg_circuits_find(f->table, MG_STR("p"), (mg_str){name, sizeof name}), last);
    assert_ptr_not_equal(mg_circuits_find(f->table, MG_STR("p"), MG_STR("model-7")), last);
}

/* ---- statistics ---- */

static void test_stats(void **state) {
    fixture *f = *state;
    assert_int_equal(stats(f).ttft_p95_us, -1);
    assert_true(stats(f).tokens_per_s == 0);
    calls(f, 30, MG_CIRCUIT_SUCCESS);
    calls(f, 10, MG_CIRCUIT_FAILURE);
    mg_circuit_stats s = stats(f);
    assert_int_equal(s.calls, 40);
    assert_int_equal(s.errors, 10);
    assert_true(s.error_rate == 0.25);
    mg_circuit_pass open_call = admit(f);
    assert_int_equal(stats(f).in_flight, 1);
    mg_circuit_record(f->c, &f->s, &open_call,
                      &(mg_circuit_call){.ttft_us = 250000, .output_tokens = 100, .output_us = 2000000}, f->now);
    s = stats(f);
    assert_int_equal(s.in_flight, 0);
    assert_true(s.tokens_per_s == 50);
    assert_in_range(s.ttft_p50_us, 250000 * 90 / 100, 250000 * 110 / 100);
    f->now += 61000;
    s = stats(f);
    assert_int_equal(s.calls, 0);
    assert_int_equal(s.calls_total, 41);
    assert_true(s.tokens_per_s == 50);
    f->now += 1000000000; /* long silence: nothing is known, and no time is lost on finding out */
    s = stats(f);
    assert_int_equal(s.ttft_p50_us, -1);
    assert_true(s.tokens_per_s == 0);
}

/* ---- threads ---- */

enum { THREADS = 8, ROUNDS = 20000 };

typedef struct crowd {
    mg_circuits *table;
    mg_circuit_settings s;
    atomic_uint_fast64_t now, changes, went;
    atomic_int probes, most_probes;
} crowd;

static void on_crowd_change(void *arg, const mg_circuit_change *change) {
    crowd *w = arg;
    if (!change->circuit || change->from == change->to) return;
    atomic_fetch_add(&w->changes, 1);
}

static void see_stats(void *arg, const mg_circuit_stats *s) {
    (void)arg;
    assert_true(s->errors <= s->calls);
    assert_true(s->in_flight <= THREADS);
}

static void *member(void *arg) {
    crowd *w = arg;
    unsigned seed = 12345 + (unsigned)(uintptr_t)&seed;
    for (int i = 0; i < ROUNDS; i++) {
        char model[8] = {'m', (char)('0' + rand_r(&seed) % 4)};
        mg_circuit *c = mg_circuits_find(w->table, MG_STR("p"), (mg_str){model, 2});
        uint64_t now = atomic_fetch_add(&w->now, 1);
        mg_circuit_pass pass = mg_circuit_admit(c, &w->s, now);
        if (model[1] == '0' && pass.admission == MG_CIRCUIT_PROBE) {
            int out = atomic_fetch_add(&w->probes, 1) + 1, most = atomic_load(&w->most_probes);
            while (out > most && !atomic_compare_exchange_weak(&w->most_probes, &most, out)) {}
            atomic_fetch_sub(&w->probes, 1);
        }
        if (pass.admission != MG_CIRCUIT_OPEN) atomic_fetch_add(&w->went, 1);
        bool bad = now / 5000 % 2; /* well and ill by turns */
        mg_circuit_call call = {.outcome = bad ? MG_CIRCUIT_FAILURE : MG_CIRCUIT_SUCCESS, .ttft_us = 1000 + i};
        mg_circuit_record(c, &w->s, &pass, &call, atomic_load(&w->now));
        if (i % 500 == 0) mg_circuits_each(w->table, now, see_stats, NULL);
        if (i % 1000 == 7) mg_circuits_force(w->table, MG_STR("p"), MG_STR("m1"), i & 1, now + 50, now);
        if (i % 2000 == 9) mg_circuits_force(w->table, MG_STR("p"), MG_STR(""), MG_CIRCUIT_OPENED, now + 20, now);
        if (i % 3000 == 11) mg_circuit_hold(c, now + 30, now);
    }
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    crowd w = {.s = MG_CIRCUIT_DEFAULTS, .now = 1};
    w.s.window_ms = 2000;
    w.s.open_ms = 50;
    w.s.open_max_ms = 400;
    w.table = mg_circuits_create(on_crowd_change, &w);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, member, &w);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (char i = '0'; i < '4'; i++) {
        mg_circuit_stats s;
        mg_circuit_stats_get(mg_circuits_find(w.table, MG_STR("p"), (mg_str){(char[]){'m', i}, 2}), w.now, &s);
        assert_int_equal(s.in_flight, 0);
        assert_true(s.opened_total > 0);
    }
    assert_true(atomic_load(&w.changes) > 0);
    assert_true(atomic_load(&w.most_probes) <= 3);
    assert_true(atomic_load(&w.went) > 0 && atomic_load(&w.went) < THREADS * ROUNDS);
    mg_circuits_destroy(w.table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_outcomes),
#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
        WITH(test_opens_at_half),
        WITH(test_opens_by_success),
        WITH(test_stays_closed_below),
        WITH(test_neutral_says_nothing),
        WITH(test_window_slides),
        WITH(test_windows_side_by_side),
        WITH(test_opens_by_slowness),
        WITH(test_limited),
        WITH(test_closes_by_probes),
        WITH(test_failed_probe_doubles),
        WITH(test_slow_probe_fails),
        WITH(test_neutral_probe_gives_back),
        WITH(test_lost_probe),
        WITH(test_late_results),
        WITH(test_answered),
        WITH(test_answered_then_broken),
        WITH(test_hold),
        WITH(test_forced_open),
        WITH(test_forced_closed),
        WITH(test_forced_provider),
        WITH(test_find),
        WITH(test_table_is_bounded),
        WITH(test_stats),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
