/* The memory store: its windows against a reference on simulated time, the rest through the plugin. */
#include "plugin_file.h"

#include "../../plugins/store_memory/window.c"
#include <pthread.h>

static uint64_t random_state = 88172645463325252ull;
static uint64_t random_below(uint64_t n) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % n;
}

/* ---- windows on simulated time
 * ---------------------------------------------------------------------------------------- */

enum { TAKES = 10000 };
typedef struct taken {
    uint64_t at, bucket;
    int64_t amount;
} taken;

static int64_t sum_in_window(const taken *t, size_t n, uint64_t now, uint64_t period_us) {
    int64_t sum = 0;
    for (size_t i = n; i-- > 0 && t[i].at + period_us > now;) sum += t[i].amount;
    return sum;
}

/* Random takes and refunds: no window of the period's length ever holds more than the limit, a refusal's wait is
 * exact. */
static void window_never_over(uint64_t period_ms, int64_t limit, int64_t most, uint64_t longest_step_us) {
    static taken t[TAKES];
    mg_window w;
    size_t n = 0, refused = 0;
    uint64_t now = 1000000;
    mg_window_init(&w, period_ms);
    for (int i = 0; i < TAKES; i++) {
        now += random_below(longest_step_us);
        int64_t amount = 1 + (int64_t)random_below((uint64_t)most);
        mg_window_advance(&w, now);
        uint64_t wait = mg_window_wait(&w, now, amount, limit);
        if (wait && wait > 1) {
            mg_window probe = w;
            mg_window_advance(&probe, now + (wait - 1) * 1000);
            assert_true(mg_window_wait(&probe, now + (wait - 1) * 1000, amount, limit) > 0);
        }
        if (wait) {
            refused++;
            assert_true(wait <= period_ms + period_ms / 100 + 2);
            now += wait * 1000;
            mg_window_advance(&w, now);
            assert_int_equal(mg_window_wait(&w, now, amount, limit), 0);
        }
        t[n++] = (taken){now, mg_window_add(&w, amount), amount};
        assert_true(sum_in_window(t, n, now, period_ms * 1000) <= limit);
        if (random_below(4) == 0) { /* gives a part back, later */
            taken *old = &t[n - 1 - random_below(n < 20 ? n : 20)];
            int64_t back = (int64_t)random_below((uint64_t)old->amount + 1);
            mg_window_adjust(&w, old->bucket, -back);
            if (w.head - old->bucket < MG_WINDOW_BUCKETS) old->amount -= back;
        }
    }
    assert_true(refused > 100);
}

static void window_limits(void **state) {
    (void)state;
    window_never_over(200, 1000, 50, 3000);
    window_never_over(60000, 60, 5, 900000);
    window_never_over(1, 20, 3, 100);
    window_never_over(86400000, 50000000000, 900000000, 900000000);
}

/* Who takes whenever something fits gets at least 99 % of what the limit allows. */
static void window_yield(uint64_t step_us, int64_t amount) {
    mg_window w;
    uint64_t now = 5000000, start = now, period_us = 200000;
    int64_t got = 0, limit = 1000;
    mg_window_init(&w, period_us / 1000);
    for (; now < start + 100 * period_us; now += step_us) {
        mg_window_advance(&w, now);
        while (mg_window_wait(&w, now, amount, limit) == 0) {
            mg_window_add(&w, amount);
            got += amount;
        }
    }
    assert_true(got >= 99 * limit * 100 / 100);
    assert_true(got <= limit * 101);
}

static void window_yields(void **state) {
    (void)state;
    window_yield(100, 1);
    window_yield(1, 10);
}

static void window_edges(void **state) {
    (void)state;
    mg_window w;
    mg_window_init(&w, 1000);
    mg_window_advance(&w, 10000000);
    assert_int_equal(mg_window_reset(&w, 10000000), 0);
    assert_true(mg_window_wait(&w, 10000000, 11, 10) == UINT64_MAX);
    uint64_t bucket = mg_window_add(&w, INT64_MAX - 5);
    mg_window_add(&w, 100); /* saturates */
    assert_true(w.used == INT64_MAX);
    assert_true(mg_window_wait(&w, 10000000, INT64_MAX, INT64_MAX) > 0);
    mg_window_adjust(&w, bucket, INT64_MIN);
    assert_int_equal(w.used, 0);
    mg_window_adjust(&w, bucket, 7);
    mg_window_adjust(&w, bucket + 1, 9); /* in the future: not a bucket of an earlier take */
    assert_int_equal(w.used, 7);
    uint64_t reset = mg_window_reset(&w, 10000000);
    assert_true(reset >= 1000 && reset <= 1010);
    mg_window_advance(&w, 10000000 + (reset - 1) * 1000);
    assert_int_equal(w.used, 7);
    mg_window_advance(&w, 10000000 + reset * 1000);
    assert_int_equal(w.used, 0);
    mg_window_adjust(&w, bucket, 7); /* long gone */
    assert_int_equal(w.used, 0);
}

/* ---- the plugin
 * --------------------------------------------------------------------------------------------------------- */

typedef struct answer {
    unsigned calls;
    mg_token token;
    mg_status status;
    char value[64];
    size_t value_n;
    int64_t ttl_ms;
    mg_counter_state states[64];
    size_t n_states, refused;
    char error[464];
} answer;

static void on_complete(void *ctx, mg_token token, const mg_store_result *r) {
    answer *a = ctx;
    a->calls++;
    a->token = token;
    a->status = r->status;
    a->ttl_ms = r->ttl_ms;
    a->value_n = r->value.n;
    if (r->value.n) memcpy(a->value, r->value.p, r->value.n < sizeof a->value ? r->value.n : sizeof a->value);
    a->n_states = r->n_states;
    if (r->n_states) memcpy(a->states, r->states, r->n_states * sizeof *r->states);
    a->refused = r->refused;
    snprintf(a->error, sizeof a->error, "%s", r->error ? r->error->text : "");
}

/* One worker. */
typedef struct worker {
    mg_loop loop;
    answer last;
    void *self;
} worker;

static const mg_plugin *plugin;
static const mg_store *ops;

static void *store_open(const char *max_bytes, const char *max_counters) {
    mg_error error = {0};
    plugin = plugin_file_load("store_memory");
    ops = plugin->ops;
    mg_setting_values *v = mg_setting_values_create(plugin->settings, MG_STR(""));
    assert_int_equal(mg_setting_set(v, MG_STR("max_bytes"), mg_str_of(max_bytes), &error), MG_OK);
    assert_int_equal(mg_setting_set(v, MG_STR("max_counters"), mg_str_of(max_counters), &error), MG_OK);
    void *shared = plugin->open(NULL, mg_setting_view(v), &error);
    if (!shared) fail_msg("%s", error.text);
    mg_setting_values_destroy(v);
    return shared;
}

static void worker_start(worker *w, void *shared) {
    mg_error error = {0};
    *w = (worker){.loop = {.size = sizeof(mg_loop), .ctx = &w->last, .store_complete = on_complete}};
    w->self = plugin->attach(shared, &w->loop, &error);
    assert_non_null(w->self);
}

static mg_status take(worker *w, const mg_counter *c, size_t n) {
    unsigned calls = w->last.calls;
    ops->take(w->self, c, n, 7);
    assert_int_equal(w->last.calls, calls + 1);
    assert_int_equal(w->last.token, 7);
    return w->last.status;
}

static mg_status put(worker *w, const char *key, mg_str value, uint64_t ttl_ms) {
    ops->put(w->self, mg_str_of(key), value, ttl_ms, 1);
    return w->last.status;
}

static mg_status get(worker *w, const char *key) {
    ops->get(w->self, mg_str_of(key), 2);
    return w->last.status;
}

static void cache_basics(void **state) {
    (void)state;
    worker a, b;
    void *shared = store_open("1MB", "100");
    worker_start(&a, shared);
    worker_start(&b, shared);
    assert_int_equal(get(&a, "k"), MG_DECLINED);
    assert_int_equal(put(&a, "k", MG_STR("one"), 0), MG_OK);
    assert_int_equal(get(&b, "k"), MG_OK); /* the other worker sees it */
    assert_memory_equal(b.last.value, "one", 3);
    assert_int_equal(b.last.ttl_ms, -1);
    assert_int_equal(put(&b, "k", MG_STR("second"), 60), MG_OK);
    assert_int_equal(get(&a, "k"), MG_OK);
    assert_int_equal(a.last.value_n, 6);
    assert_true(a.last.ttl_ms > 0 && a.last.ttl_ms <= 60);
    plugin_file_sleep_ms(70);
    assert_int_equal(get(&a, "k"), MG_DECLINED);
    put(&a, "k", MG_STR(""), 0);
    assert_int_equal(get(&a, "k"), MG_OK);
    assert_int_equal(a.last.value_n, 0);
    ops->erase(a.self, MG_STR("k"), 3);
    assert_int_equal(a.last.status, MG_OK);
    ops->erase(a.self, MG_STR("k"), 3);
    assert_int_equal(a.last.status, MG_DECLINED);
    plugin->detach(a.self);
    plugin->detach(b.self);
    plugin->close(shared);
}

/* 1 MB in one shard: the least recently used go, what is read stays, and nothing larger than all of it gets in. */
static void cache_bounded(void **state) {
    (void)state;
    worker w;
    void *shared = store_open("1MB", "100");
    worker_start(&w, shared);
    static char block[2 << 20];
    memset(block, 'x', sizeof block);
    char key[32];
    put(&w, "kept", MG_STR("v"), 0);
    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "block%d", i);
        assert_int_equal(put(&w, key, mg_str_from(block, 10000), 0), MG_OK);
        assert_int_equal(get(&w, "kept"), MG_OK);
    }
    int held = 0;
    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "block%d", i);
        bool found = get(&w, key) == MG_OK;
        held += found;
        if (i < 390) assert_false(found);
        if (i > 400) assert_true(found);
    }
    assert_in_range(held, 99, 105);
    assert_int_equal(put(&w, "block499", mg_str_from(block, sizeof block), 0), MG_DECLINED);
    assert_int_equal(get(&w, "block499"), MG_DECLINED); /* not the old value either */
    plugin->detach(w.self);
    plugin->close(shared);
}

static void counters_all_or_none(void **state) {
    (void)state;
    worker w;
    void *shared = store_open("1MB", "1000");
    worker_start(&w, shared);
    mg_counter c[] = {
        {.key = MG_STR("acme:requests"), .amount = 1, .limit = 10, .period_ms = 60000},
        {.key = MG_STR("acme:tokens"), .amount = 40, .limit = 100, .period_ms = 3600000},
        {.key = MG_STR("acme:seen"), .amount = 1, .limit = 0, .period_ms = 1000, .soft = true},
    };
    assert_int_equal(take(&w, c, 3), MG_OK);
    assert_int_equal(take(&w, c, 3), MG_OK);
    assert_int_equal(w.last.n_states, 3);
    assert_int_equal(w.last.states[1].used, 80);
    assert_int_equal(w.last.states[2].used, 2);
    assert_in_range(w.last.states[1].reset_ms, 3590000, 3660000);
    assert_int_equal(take(&w, c, 3), MG_DECLINED);
    assert_int_equal(w.last.refused, 1);
    assert_in_range(w.last.states[1].wait_ms, 3590000, 3660000);
    assert_int_equal(w.last.states[0].wait_ms, 0);
    assert_int_equal(w.last.states[0].used, 2); /* nothing was taken */
    assert_int_equal(w.last.states[2].used, 2);
    c[1].amount = 101;
    assert_int_equal(take(&w, c, 3), MG_DECLINED);
    assert_true(w.last.states[1].wait_ms == UINT64_MAX);
    c[1].amount = 20;
    assert_int_equal(take(&w, c, 3), MG_OK);
    assert_int_equal(w.last.states[1].used, 100);
    ops->read(w.self, c, 3, 9);
    assert_int_equal(w.last.status, MG_OK);
    assert_int_equal(w.last.states[0].used, 3);
    assert_int_equal(w.last.states[1].used, 100);

    mg_counter twice[] = {{.key = MG_STR("acme:two"), .amount = 6, .limit = 10, .period_ms = 60000},
                          {.key = MG_STR("acme:two"), .amount = 6, .limit = 10, .period_ms = 60000}};
    assert_int_equal(take(&w, twice, 2), MG_DECLINED);
    assert_int_equal(take(&w, twice, 1), MG_OK);
    assert_int_equal(w.last.states[0].used, 6);
    plugin->detach(w.self);
    plugin->close(shared);
}

static void counters_adjust(void **state) {
    (void)state;
    worker w;
    void *shared = store_open("1MB", "1000");
    worker_start(&w, shared);
    mg_counter c = {.key = MG_STR("acme:t"), .amount = 90, .limit = 100, .period_ms = 60000};
    assert_int_equal(take(&w, &c, 1), MG_OK);
    uint64_t bucket = w.last.states[0].bucket, other = bucket - 1000;
    assert_int_equal(take(&w, &c, 1), MG_DECLINED);
    c.amount = -60;
    ops->adjust(w.self, &c, &other, 1, 4); /* that bucket left the window */
    assert_int_equal(w.last.status, MG_OK);
    ops->adjust(w.self, &c, &bucket, 1, 4);
    ops->read(w.self, &c, 1, 5);
    assert_int_equal(w.last.states[0].used, 30);
    ops->adjust(w.self, &c, &bucket, 1, 4); /* never below 0 */
    ops->read(w.self, &c, 1, 5);
    assert_int_equal(w.last.states[0].used, 0);
    c.amount = 150; /* more was used than was reserved: counted beyond the limit */
    ops->adjust(w.self, &c, &bucket, 1, 4);
    c.amount = 1;
    assert_int_equal(take(&w, &c, 1), MG_DECLINED);
    assert_int_equal(w.last.states[0].used, 150);

    mg_counter fixed = {.key = MG_STR("acme:budget:2026-11"), .amount = 700, .limit = 1000, .fixed = true};
    uint64_t zero = 0;
    ops->adjust(w.self, &fixed, &zero, 1, 4); /* what the ledger says was spent before */
    fixed.amount = 300;
    assert_int_equal(take(&w, &fixed, 1), MG_OK);
    assert_int_equal(w.last.states[0].used, 1000);
    fixed.amount = 1;
    fixed.period_ms = 2592000000; /* says nothing about which counter it is: the key does */
    assert_int_equal(take(&w, &fixed, 1), MG_DECLINED);
    assert_true(w.last.states[0].wait_ms == UINT64_MAX);
    fixed.amount = -5000;
    ops->adjust(w.self, &fixed, &zero, 1, 4);
    ops->read(w.self, &fixed, 1, 5);
    assert_int_equal(w.last.states[0].used, 0);
    plugin->detach(w.self);
    plugin->close(shared);
}

static void counters_misuse(void **state) {
    (void)state;
    worker w;
    void *shared = store_open("1MB", "64"); /* one a stripe */
    worker_start(&w, shared);
    mg_counter two[] = {{.key = MG_STR("acme:a"), .amount = 1, .limit = 9, .period_ms = 30},
                        {.key = MG_STR("other:a"), .amount = 1, .limit = 9, .period_ms = 30}};
    assert_int_equal(take(&w, two, 2), MG_ERROR);
    assert_non_null(strstr(w.last.error, "before their first ':'"));
    assert_int_equal(take(&w, two, 0), MG_ERROR);
    two[0].amount = -1;
    assert_int_equal(take(&w, two, 1), MG_ERROR);
    two[0].amount = 1;
    assert_int_equal(take(&w, two, 1), MG_OK);
    two[1].key = MG_STR("acme:b");
    assert_int_equal(take(&w, two, 2), MG_ERROR);
    assert_non_null(strstr(w.last.error, "max_counters"));
    plugin_file_sleep_ms(45); /* the first is idle then and makes room */
    assert_int_equal(take(&w, &two[1], 1), MG_OK);
    plugin->detach(w.self);
    plugin->close(shared);
}

/* Obeying wait_ms on the real clock. */
static void counters_wait(void **state) {
    (void)state;
    worker w;
    void *shared = store_open("1MB", "1000");
    worker_start(&w, shared);
    mg_counter c = {.key = MG_STR("acme:w"), .amount = 50, .limit = 100, .period_ms = 100};
    for (int i = 0; i < 6; i++) {
        uint64_t before = plugin_file_now_us();
        if (take(&w, &c, 1) == MG_OK) continue;
        assert_in_range(w.last.states[0].wait_ms, 1, 102);
        plugin_file_sleep_ms(w.last.states[0].wait_ms);
        assert_int_equal(take(&w, &c, 1), MG_OK);
        assert_true(plugin_file_now_us() - before < 2000000);
    }
    plugin->detach(w.self);
    plugin->close(shared);
}

/* ---- threads
 * ------------------------------------------------------------------------------------------------------------- */

enum { THREADS = 8, THREAD_TAKES = 4000 };
typedef struct thread_arg {
    void *shared;
    int64_t admitted;
} thread_arg;

static void *thread_run(void *arg) {
    thread_arg *t = arg;
    worker w;
    worker_start(&w, t->shared);
    mg_counter c[] = {
        {.key = MG_STR("acme:hour"), .amount = 1, .limit = 5000, .period_ms = 3600000},
        {.key = MG_STR("acme:budget"), .amount = 3, .limit = 1 << 30, .fixed = true},
    };
    char key[32];
    for (int i = 0; i < THREAD_TAKES; i++) {
        if (take(&w, c, 2) == MG_OK) {
            t->admitted++;
        } else if (i % 8 == 0) {
            mg_counter idle = {.key = MG_STR("acme:x"), .amount = 1, .limit = 2, .period_ms = 1 + (uint64_t)i % 50};
            take(&w, &idle, 1);
        }
        snprintf(key, sizeof key, "key%d", i % 50);
        put(&w, key, MG_STR("some value"), 5);
        get(&w, key);
        if (i % 7 == 0) ops->erase(w.self, mg_str_of(key), 1);
    }
    plugin->detach(w.self);
    return NULL;
}

static void threads_exact(void **state) {
    (void)state;
    pthread_t id[THREADS];
    thread_arg arg[THREADS];
    void *shared = store_open("1MB", "100000");
    int64_t admitted = 0;
    for (int i = 0; i < THREADS; i++) {
        arg[i] = (thread_arg){.shared = shared};
        assert_int_equal(pthread_create(&id[i], NULL, thread_run, &arg[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(id[i], NULL);
        admitted += arg[i].admitted;
    }
    assert_int_equal(admitted, 5000);
    worker w;
    worker_start(&w, shared);
    mg_counter budget = {.key = MG_STR("acme:budget"), .fixed = true};
    ops->read(w.self, &budget, 1, 1);
    assert_int_equal(w.last.states[0].used, 15000); /* refused calls took nothing from it */
    plugin->detach(w.self);
    plugin->close(shared);
}

static void speed(void **state) {
    (void)state;
    enum { ROUNDS = 200000 };
    worker w;
    void *shared = store_open("1MB", "100000");
    worker_start(&w, shared);
    char keys[64][3][32];
    for (int i = 0; i < 64; i++)
        for (int j = 0; j < 3; j++) snprintf(keys[i][j], sizeof keys[i][j], "org%d:kind%d:60000", i, j);
    uint64_t start = plugin_file_now_us();
    for (int i = 0; i < ROUNDS; i++) {
        mg_counter c[3];
        for (int j = 0; j < 3; j++)
            c[j] = (mg_counter){.key = mg_str_of(keys[i % 64][j]), .amount = 1, .limit = 1 << 30, .period_ms = 60000};
        ops->take(w.self, c, 3, 1);
    }
    print_message("take of 3 counters: %.3f microseconds\n", (double)(plugin_file_now_us() - start) / ROUNDS);
    assert_int_equal(w.last.status, MG_OK);
    plugin->detach(w.self);
    plugin->close(shared);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window_limits),   cmocka_unit_test(window_yields),   cmocka_unit_test(window_edges),
        cmocka_unit_test(cache_basics),    cmocka_unit_test(cache_bounded),   cmocka_unit_test(counters_all_or_none),
        cmocka_unit_test(counters_adjust), cmocka_unit_test(counters_misuse), cmocka_unit_test(counters_wait),
        cmocka_unit_test(threads_exact),   cmocka_unit_test(speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
