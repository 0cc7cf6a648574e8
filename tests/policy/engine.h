/* A gateway of stubs with an engine of its own for each test. */
#ifndef TESTS_POLICY_ENGINE_H
#define TESTS_POLICY_ENGINE_H

#include "runtime.h"

typedef struct fixture {
    mg_gateway gateway;
    mg_worker worker;
    mg_reloader *reloader;
    mg_engine *engine;
    mg_request r;
    mg_org org;
    mg_policy_options options;
} fixture;

static inline void begin(fixture *f) {
    mg_error error = {0};
    f->options.folder = mg_str_of(folder);
    f->reloader = mg_reloader_create(&f->options, &f->gateway, &error);
    if (!f->reloader) fail_msg("%s", error.text);
    f->engine = mg_engine_create(&f->worker, f->reloader, &error);
    assert_non_null(f->engine);
    gateway_seen.runner = f->worker.policy = mg_engine_runner(f->engine);
}

static inline int set_up(void **arg) {
    fixture *f = calloc(1, sizeof *f);
    memset(&gateway_seen, 0, sizeof gateway_seen);
    memset(&test_seen, 0, sizeof test_seen);
    folder_make();
    pthread_mutex_init(&f->gateway.lock, NULL);
    f->gateway.metrics = mg_metrics_create();
    f->gateway.snapshot = snapshot_of("acme beta", NULL);
    f->worker.gateway = &f->gateway;
    f->worker.loop = mg_evloop_create();
    f->options.cpu_us = 200000; /* sanitizers are slow, and no test may fail on a clock */
    f->r.arena = mg_arena_create(4096);
    f->r.worker = &f->worker;
    f->r.org = &f->org;
    f->org.id = MG_STR("acme");
    snprintf(f->r.id, sizeof f->r.id, "request-1");
    *arg = f;
    return 0;
}

/* Before the engine begins. */
static inline void with_settings(fixture *f, const char *settings) {
    mg_snapshot_unref(f->gateway.snapshot);
    f->gateway.snapshot = snapshot_of("acme beta", settings);
}

static inline int tear_down(void **arg) {
    fixture *f = *arg;
    if (f->r.policies) f->worker.policy.release(f->engine, f->r.policies);
    mg_engine_destroy(f->engine);
    mg_reloader_destroy(f->reloader);
    mg_arena_destroy(f->r.arena);
    mg_evloop_destroy(f->worker.loop);
    mg_snapshot_unref(f->gateway.snapshot);
    mg_metrics_destroy(f->gateway.metrics);
    folder_remove();
    free(f);
    return 0;
}

static inline mg_run ask(fixture *f, mg_phase phase) {
    if (!f->engine) begin(f);
    if (f->r.policies && !f->r.policy_state) {
        f->worker.policy.release(f->engine, f->r.policies);
        f->r.policies = NULL;
    }
    if (!f->r.policies) f->r.policies = f->worker.policy.acquire(f->engine, &f->r.generation);
    f->r.phase = phase;
    return f->worker.policy.run(f->engine, &f->r, phase);
}

static inline void done(fixture *f, mg_phase phase, mg_verdict_kind kind) {
    assert_int_equal(ask(f, phase), MG_RUN_DONE);
    if (f->r.verdict.kind != kind)
        fail_msg("verdict %d: " MG_STR_FMT, (int)f->r.verdict.kind, MG_STR_ARG(f->r.verdict.message));
}

static inline void is(mg_str s, const char *expected) {
    if (!mg_str_is(s, expected)) fail_msg("'" MG_STR_FMT "' is not '%s'", MG_STR_ARG(s), expected);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
