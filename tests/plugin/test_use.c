/* Uses of plugins, and what a store may do to the host: complete inside the call, late, twice, after cancel, from a
 * thread. */
#include "fixture.h"
#include "plugin/registry.h"
#include "plugin/settings.h"

static mg_host host;
static char *folder;
static mg_registry *registry;
static const mg_plugin *late;

static int setup(void **state) {
    (void)state;
    mg_error error;
    host = fixture_host();
    folder = fixture_folder();
    registry = mg_registry_create(&host);
    fixture_compile(folder, "late.so", "tests/plugin/fixtures/late_store.c", "");
    fixture_compile(folder, "hello.so", "examples/hello_plugin/hello.c", "");
    assert_int_equal(mg_registry_load(registry, mg_str_of(folder), &error), 0);
    late = mg_registry_find(registry, MG_KIND_STORE, MG_STR("late"));
    assert_non_null(late);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    mg_registry_destroy(registry);
    fixture_folder_remove(folder);
    return 0;
}

static mg_use *late_open(const char *refuse, size_t workers, mg_error *error) {
    mg_setting_values *v = mg_setting_values_create(late->settings, MG_STR("var"));
    assert_int_equal(mg_setting_set(v, MG_STR("refuse"), mg_str_of(refuse), error), MG_OK);
    return mg_use_open(&host, late, v, workers, error);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void reports_refusals(void **state) {
    (void)state;
    mg_error error = {0};
    assert_null(late_open("2", 1, &error));
    assert_string_equal(error.text, "refused as configured");
    assert_null(late_open("1", 1, &error));
    assert_non_null(strstr(error.text, "store 'late'"));
}

static void attaches_once_a_worker(void **state) {
    (void)state;
    mg_error error;
    mg_evloop *loop = mg_evloop_create();
    mg_use *u = late_open("0", 2, &error);
    assert_ptr_equal(mg_use_plugin(u), late);
    assert_ptr_equal(mg_use_ops(u), late->ops);
    assert_non_null(mg_use_shared(u));
    void *zero = mg_use_self(u, 0, loop, &error), *one = mg_use_self(u, 1, loop, &error);
    assert_non_null(zero);
    assert_ptr_not_equal(zero, one);
    assert_ptr_equal(mg_use_self(u, 0, loop, &error), zero);
    assert_null(mg_use_self(u, 2, loop, &error));
    assert_non_null(strstr(error.text, "2 workers"));
    assert_ptr_equal(mg_use_ref(u), u);
    mg_use_unref(u);
    mg_use_detach(u, 0);
    mg_use_detach(u, 0);
    mg_use_detach(u, 1);
    mg_use_detach(u, 7);
    mg_use_unref(u);
    mg_use_unref(NULL);
    mg_evloop_destroy(loop);
}

/* ---- asynchronous operations ------------------------------------------------------------------------------------- */

typedef struct waiting {
    mg_evloop *loop;
    int done;
    int64_t ttl;
} waiting;

static void on_result(void *arg, const void *result) {
    waiting *w = arg;
    const mg_store_result *r = result;
    assert_int_equal(r->status, MG_OK);
    assert_true(mg_str_is(r->value, "value"));
    w->ttl = r->ttl_ms;
    w->done++;
}

static void stop(void *arg) { mg_evloop_stop(arg); }

/* Runs one `get` and then the loop for long enough; returns what was strayed. */
static uint64_t get_run(const char *key, bool cancelled, waiting *w) {
    mg_error error;
    mg_evloop *loop = mg_evloop_create();
    mg_use *u = late_open("0", 1, &error);
    const mg_store *ops = mg_use_ops(u);
    void *self = mg_use_self(u, 0, loop, &error);
    *w = (waiting){.loop = loop};
    mg_token token = mg_evloop_pend(loop, on_result, w);
    ops->get(self, mg_str_of(key), token);
    if (cancelled) {
        mg_evloop_forget(loop, token);
        ops->cancel(self, token);
    }
    mg_evloop_timer(loop, 60, stop, loop);
    mg_evloop_run(loop);
    uint64_t strays = mg_evloop_strays(loop);
    assert_int_equal(mg_evloop_pending(loop), 0);
    mg_use_detach(u, 0);
    mg_use_unref(u);
    mg_evloop_destroy(loop);
    return strays;
}

static void completes_inside_the_call(void **state) {
    (void)state;
    waiting w;
    assert_int_equal(get_run("inside", false, &w), 0);
    assert_int_equal(w.done, 1);
}

static void completes_late(void **state) {
    (void)state;
    waiting w;
    assert_int_equal(get_run("later", false, &w), 0);
    assert_int_equal(w.done, 1);
}

static void completes_twice(void **state) {
    (void)state;
    waiting w;
    assert_int_equal(get_run("twice", false, &w), 1);
    assert_int_equal(w.done, 1);
    assert_int_equal(w.ttl, 1); /* the first one counts */
}

static void completes_after_cancel(void **state) {
    (void)state;
    waiting w;
    assert_int_equal(get_run("later", true, &w), 1);
    assert_int_equal(w.done, 0);
}

static void completes_from_a_thread(void **state) {
    (void)state;
    waiting w;
    assert_int_equal(get_run("thread", false, &w), 0);
    assert_int_equal(w.done, 1);
}

/* A late completion must not reach whoever got the slot since. */
static void stray_completion_hits_nobody_else(void **state) {
    (void)state;
    mg_error error;
    waiting first = {0}, second = {0};
    mg_evloop *loop = mg_evloop_create();
    mg_use *u = late_open("0", 1, &error);
    const mg_store *ops = mg_use_ops(u);
    void *self = mg_use_self(u, 0, loop, &error);
    mg_token token = mg_evloop_pend(loop, on_result, &first);
    ops->get(self, MG_STR("later"), token);
    mg_evloop_forget(loop, token);
    mg_token next = mg_evloop_pend(loop, on_result, &second);
    mg_evloop_timer(loop, 60, stop, loop);
    mg_evloop_run(loop);
    assert_int_equal(first.done + second.done, 0);
    assert_int_equal(mg_evloop_strays(loop), 1);
    mg_evloop_forget(loop, next);
    mg_use_detach(u, 0);
    mg_use_unref(u);
    mg_evloop_destroy(loop);
}

/* ---- the example ------------------------------------------------------------------------------------------------- */

typedef struct spans {
    size_t n;
    mg_span items[8];
} spans;

static void on_span(void *arg, const mg_span *span) {
    spans *s = arg;
    assert_true(s->n < 8);
    s->items[s->n++] = *span;
}

static void example_finds_employee_numbers(void **state) {
    (void)state;
    mg_error error;
    spans s = {0};
    const mg_plugin *hello = mg_registry_find(registry, MG_KIND_DETECTOR, MG_STR("hello"));
    assert_non_null(hello);
    mg_use *u = mg_use_open(&host, hello, mg_setting_values_create(hello->settings, MG_STR("")), 1, &error);
    const mg_detector *d = mg_use_ops(u);
    void *self = mg_use_self(u, 0, NULL, &error); /* it has no attach: no loop is needed */
    mg_str text = MG_STR("EMP-12345, EMP-123456, TEMP-12345, EMP-1234 and (EMP-54321)EMP-");
    assert_int_equal(d->scan(self, text, 1, on_span, &s, &error), MG_OK);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.items[0].start, 0);
    assert_int_equal(s.items[0].end, 9);
    assert_memory_equal(text.p + s.items[1].start, "EMP-54321", 9);
    assert_string_equal(s.items[1].type, d->types[0].name);
    s.n = 0;
    assert_int_equal(d->scan(self, text, 0, on_span, &s, &error), MG_OK);
    assert_int_equal(s.n, 0);
    mg_use_unref(u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_refusals),
        cmocka_unit_test(attaches_once_a_worker),
        cmocka_unit_test(completes_inside_the_call),
        cmocka_unit_test(completes_late),
        cmocka_unit_test(completes_twice),
        cmocka_unit_test(completes_after_cancel),
        cmocka_unit_test(completes_from_a_thread),
        cmocka_unit_test(stray_completion_hits_nobody_else),
        cmocka_unit_test(example_finds_employee_numbers),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
