/* Reload: changes are noticed, good ones taken over, bad ones reported and left. */
#include "runtime.h"

#include <time.h>

enum { PATIENCE_MS = 10000 }; /* far more than a change takes; only a failing test waits for it */

typedef struct fixture {
    mg_gateway gateway;
    mg_reloader *reloader;
} fixture;

static int set_up(void **arg) {
    fixture *f = calloc(1, sizeof *f);
    folder_make();
    pthread_mutex_init(&f->gateway.lock, NULL);
    f->gateway.metrics = mg_metrics_create();
    f->gateway.snapshot = snapshot_of("acme", NULL);
    *arg = f;
    return 0;
}

static int tear_down(void **arg) {
    fixture *f = *arg;
    mg_reloader_destroy(f->reloader);
    mg_snapshot_unref(f->gateway.snapshot);
    mg_metrics_destroy(f->gateway.metrics);
    folder_remove();
    free(f);
    return 0;
}

static void begin(fixture *f) {
    const mg_policy_options o = {.folder = mg_str_of(folder)};
    mg_error error = {0};
    f->reloader = mg_reloader_create(&o, &f->gateway, &error);
    if (!f->reloader) fail_msg("%s", error.text);
    assert_int_equal(mg_reloader_generation(f->reloader), 1);
}

static void wait_ms(uint64_t ms) {
    struct timespec t = {.tv_nsec = (long)ms * 1000000};
    nanosleep(&t, NULL);
}

static void wait_for_generation(fixture *f, uint64_t generation) {
    for (int i = 0; i < PATIENCE_MS / 5 && mg_reloader_generation(f->reloader) < generation; i++) wait_ms(5);
    assert_int_equal(mg_reloader_generation(f->reloader), generation);
}

static bool described(fixture *f, const char *what) {
    mg_buf out = {0};
    mg_reloader_describe(f->reloader, &out);
    mg_buf_add(&out, "", 1);
    bool found = strstr(out.p, what) != NULL;
    mg_buf_finish(&out);
    return found;
}

static void wait_for_description(fixture *f, const char *what) {
    for (int i = 0; i < PATIENCE_MS / 5 && !described(f, what); i++) wait_ms(5);
    if (!described(f, what)) fail_msg("never described: %s", what);
}

static const char admits[] = "return { admit = function() end }";

static void test_edit(void **arg) {
    fixture *f = *arg;
    file_put("a.lua", admits);
    begin(f);
    mg_policies *kept = mg_reloader_current(f->reloader);
    file_put("a.lua", "return { screen = function() end }");
    wait_for_generation(f, 2);
    assert_true(described(f, "\"phases\":[\"screen\"]"));
    assert_int_equal(mg_policies_generation(kept), 1); /* who holds it, keeps it */
    mg_policies_unref(kept);
    file_put("b.lua", admits);
    wait_for_generation(f, 3);
    file_put("b.lua", NULL);
    wait_for_generation(f, 4);
    assert_false(described(f, "b.lua"));
}

static void test_broken_edit(void **arg) {
    fixture *f = *arg;
    file_put("a.lua", admits);
    begin(f);
    file_put("a.lua", "local x\nlocal y = = 1");
    wait_for_description(f, "{\"file\":\"a.lua\",\"line\":2,\"message\":\"unexpected symbol");
    assert_int_equal(mg_reloader_generation(f->reloader), 1);
    mg_error error = {0};
    assert_int_equal(mg_reloader_reload(f->reloader, true, &error), MG_ERROR);
    assert_non_null(strstr(error.text, "a.lua:2: unexpected symbol"));
    file_put("a.lua", "return { route = function() end }");
    wait_for_generation(f, 2);
    assert_true(described(f, "\"faults\":[]"));
    mg_buf metrics = {0};
    mg_metrics_write(f->gateway.metrics, &metrics);
    mg_buf_add(&metrics, "", 1);
    assert_non_null(strstr(metrics.p, "moongate_policy_generation 2"));
    assert_non_null(strstr(metrics.p, "moongate_policy_reloads_total{result=\"failed\"} 2"));
    mg_buf_finish(&metrics);
}

static void test_organization_appears(void **arg) {
    fixture *f = *arg;
    file_put("a.lua", admits);
    begin(f);
    file_put("orgs/acme/own.lua", admits); /* neither folder was there before */
    wait_for_description(f, "orgs/acme/own.lua");
    file_put("orgs/acme/own.lua", "return { settle = function() end }"); /* now it is watched */
    wait_for_description(f, "\"phases\":[\"settle\"]");
    file_put("platform/p.lua", admits);
    wait_for_description(f, "platform/p.lua");
}

/* As Kubernetes does it: files are links into ..data, which is a link that is swapped by a rename. */
static void test_link_swap(void **arg) {
    fixture *f = *arg;
    char path[200], to[200];
    file_put("..first/a.lua", admits);
    file_put("..second/a.lua", "return { settle = function() end }");
    snprintf(path, sizeof path, "%s/..data", folder);
    assert_int_equal(symlink("..first", path), 0);
    snprintf(path, sizeof path, "%s/a.lua", folder);
    assert_int_equal(symlink("..data/a.lua", path), 0);
    begin(f);
    assert_true(described(f, "\"phases\":[\"admit\"]"));
    snprintf(path, sizeof path, "%s/..data_tmp", folder);
    snprintf(to, sizeof to, "%s/..data", folder);
    assert_int_equal(symlink("..second", path), 0);
    assert_int_equal(rename(path, to), 0);
    wait_for_generation(f, 2);
    assert_true(described(f, "\"phases\":[\"settle\"]"));
}

static void test_rename_into_place(void **arg) {
    fixture *f = *arg;
    char from[200], to[200];
    file_put("a.lua", admits);
    begin(f);
    file_put("a.lua.new", "return { settle = function() end }");
    snprintf(from, sizeof from, "%s/a.lua.new", folder);
    snprintf(to, sizeof to, "%s/a.lua", folder);
    assert_int_equal(rename(from, to), 0);
    wait_for_description(f, "\"phases\":[\"settle\"]");
    assert_int_equal(mg_reloader_generation(f->reloader), 2); /* the first write was no policy */
}

static void test_nothing_changed(void **arg) {
    fixture *f = *arg;
    file_put("a.lua", admits);
    begin(f);
    file_put("a.lua", admits);
    assert_int_equal(mg_reloader_reload(f->reloader, true, NULL), MG_OK);
    assert_int_equal(mg_reloader_reload(f->reloader, true, NULL), MG_OK);
    assert_int_equal(mg_reloader_generation(f->reloader), 1);
    assert_int_equal(mg_reloader_reload(f->reloader, false, NULL), MG_OK);
}

static void test_settings(void **arg) {
    fixture *f = *arg;
    file_put("a.lua", "return { settings = { n = 1 }, admit = function() end }");
    begin(f);
    mg_gateway_publish(&f->gateway, snapshot_of("acme", "{\"a\":{\"n\":2}}"));
    assert_int_equal(mg_reloader_reload(f->reloader, true, NULL), MG_OK);
    assert_int_equal(mg_reloader_generation(f->reloader), 2);
    mg_gateway_publish(&f->gateway, snapshot_of("acme", "{\"a\":{\"n\":\"two\"}}"));
    mg_error error = {0};
    assert_int_equal(mg_reloader_reload(f->reloader, true, &error), MG_ERROR);
    assert_non_null(strstr(error.text, "settings.a.n must be a number"));
    mg_gateway_publish(
        &f->gateway, snapshot_of("acme", "{\"a\":{\"n\":3}}")); /* noticed without being asked, within a second or so */
    wait_for_generation(f, 3);
}

static void test_first_build_must_do(void **arg) {
    fixture *f = *arg;
    file_put("orgs/acme/a.lua", "return 1");
    const mg_policy_options o = {.folder = mg_str_of(folder)};
    mg_error error = {0};
    assert_null(mg_reloader_create(&o, &f->gateway, &error));
    assert_non_null(strstr(error.text, "orgs/acme/a.lua: the file must return its table"));
}

typedef struct reader {
    pthread_t thread;
    mg_reloader *reloader;
    bool *stop;
} reader;

static void *read_on(void *arg) {
    reader *r = arg;
    uint64_t last = 0;
    while (!__atomic_load_n(r->stop, __ATOMIC_ACQUIRE)) {
        mg_policies *p = mg_reloader_current(r->reloader);
        assert_true(mg_policies_generation(p) >= last);
        last = mg_policies_generation(p);
        mg_policies_unref(p);
    }
    return NULL;
}

static void test_readers_meanwhile(void **arg) {
    fixture *f = *arg;
    file_put("a.lua", admits);
    begin(f);
    bool stop = false;
    reader readers[3];
    for (int i = 0; i < 3; i++) {
        readers[i] = (reader){.reloader = f->reloader, .stop = &stop};
        pthread_create(&readers[i].thread, NULL, read_on, &readers[i]);
    }
    for (int i = 0; i < 30; i++) {
        char text[80];
        snprintf(text, sizeof text, "local n = %d return { admit = function() return n end }", i);
        file_put("a.lua", text);
        assert_int_equal(mg_reloader_reload(f->reloader, true, NULL), MG_OK);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
    for (int i = 0; i < 3; i++) pthread_join(readers[i].thread, NULL);
    assert_true(mg_reloader_generation(f->reloader) > 25);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_edit),      TEST(test_broken_edit),         TEST(test_organization_appears),
        TEST(test_link_swap), TEST(test_rename_into_place),   TEST(test_nothing_changed),
        TEST(test_settings),  TEST(test_first_build_must_do), TEST(test_readers_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
