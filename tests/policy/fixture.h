/* Runs a chunk of Lua as a phase of a policy, on the real runtime, for a request without a socket. */
#ifndef TESTS_POLICY_FIXTURE_H
#define TESTS_POLICY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "gateway/counts.h"
#include "gateway/limits.h"
#include "gateway/route.h"
#include "plugin/settings.h"
#include "policy/policy.h"

typedef struct fixture {
    mg_host host;
    mg_registry *registry;
    mg_gateway gateway;
    mg_worker worker;
    mg_snapshot *snapshot;
    mg_reloader *reloader;
    mg_engine *engine;
    char folder[64];
    /* the request */
    mg_exchange x;
    mg_request *r;
    mg_phase phase;
    unsigned waits; /* how often the phase waited */
} fixture;

static inline void fixture_log(mg_log_level level, mg_str plugin, mg_str text) {
    fprintf(stderr, "%d " MG_STR_FMT ": " MG_STR_FMT "\n", (int)level, MG_STR_ARG(plugin), MG_STR_ARG(text));
}

static inline mg_use *fixture_use(fixture *f, mg_plugin_kind kind, const char *name) {
    mg_error error = {0};
    const mg_plugin *p = mg_registry_find(f->registry, kind, mg_str_of(name));
    if (!p) fail_msg("no plugin %s in %s/plugins", name, TEST_BINARY_DIR);
    mg_use *u = mg_use_open(&f->host, p, mg_setting_values_create(p->settings, MG_STR("")), 1, &error);
    if (!u) fail_msg("%s: %s", name, error.text);
    return u;
}

static inline const mg_json *fixture_json(fixture *f, mg_arena *arena, const char *text) {
    const mg_json *v;
    mg_error error = {0};
    if (mg_json_parse_copy(f->worker.json, arena, mg_str_of(text), &v, &error) != MG_OK)
        fail_msg("%s: %s", text, error.text);
    return v;
}

static inline void fixture_providers(fixture *f, mg_snapshot *s) {
    static const char *const plugins[] = {"openai", "demo"};
    mg_provider_use *p = mg_arena_zalloc(s->arena, 2 * sizeof *p);
    for (size_t i = 0; i < 2; i++) {
        p[i].name = mg_str_of(plugins[i]);
        p[i].use = fixture_use(f, MG_KIND_PROVIDER, plugins[i]);
        p[i].ops = mg_use_ops(p[i].use);
        p[i].index = i;
    }
    s->providers = p;
    s->n_providers = 2;
}

static inline void fixture_models(mg_snapshot *s) {
    mg_model *m = mg_arena_zalloc(s->arena, sizeof *m);
    mg_target *t = mg_arena_zalloc(s->arena, 2 * sizeof *t);
    t[0] = (mg_target){
        .provider = &s->providers[0], .model = MG_STR("gpt-4o"), .name = MG_STR("openai/gpt-4o"), .weight = 1};
    t[1] = (mg_target){.provider = &s->providers[1], .model = MG_STR("demo"), .name = MG_STR("demo/demo"), .weight = 1};
    *m = (mg_model){.name = MG_STR("smart"), .targets = t, .n_targets = 2};
    s->models = m;
    s->n_models = 1;
}

static inline void fixture_orgs(fixture *f, mg_snapshot *s, const char *settings) {
    mg_org *org = mg_arena_zalloc(s->arena, sizeof *org);
    mg_virtual_key *key = mg_arena_zalloc(s->arena, sizeof *key);
    mg_str *models = mg_arena_zalloc(s->arena, 2 * sizeof *models);
    models[0] = MG_STR("smart");
    models[1] = MG_STR("*");
    *org = (mg_org){.id = MG_STR("acme"),
                    .name = MG_STR("Acme"),
                    .settings = settings ? fixture_json(f, s->arena, settings) : NULL};
    org->budget = (mg_budget){.set = true, .limit_nano = 10 * MG_NANO_PER_USD, .period = MG_STR("month"), .hard = true};
    *key = (mg_virtual_key){
        .id = MG_STR("key_1"), .name = MG_STR("build"), .team = MG_STR("legal"), .models = models, .n_models = 2};
    key->tags = fixture_json(f, s->arena, "{\"project\":\"x\",\"cost_center\":\"7\"}");
    key->org = org;
    s->orgs = org;
    s->n_orgs = 1;
    s->keys = key;
    s->n_keys = 1;
}

static inline void fixture_snapshot(fixture *f, const char *settings) {
    static const mg_str allow[] = {{"127.0.0.1:*", 11}};
    mg_snapshot *s = f->snapshot = mg_snapshot_create();
    fixture_providers(f, s);
    fixture_models(s);
    fixture_orgs(f, s, settings);
    s->store = fixture_use(f, MG_KIND_STORE, "memory");
    s->detectors = mg_arena_zalloc(s->arena, sizeof *s->detectors);
    s->detectors[0] = fixture_use(f, MG_KIND_DETECTOR, "pii");
    s->n_detectors = 1;
    s->http_allow = allow;
    s->n_http_allow = 1;
    s->http_private = true;
    mg_snapshot_seal(s);
}

/* Everything but policies and a request. `settings`: the organization's, as JSON, or NULL. */
static inline void fixture_open(fixture *f, const char *settings) {
    mg_error error = {0};
    *f = (fixture){.host = {.size = sizeof f->host, .log = fixture_log}};
    mg_json_host(&f->host);
    f->registry = mg_registry_create(&f->host);
    if (mg_registry_load(f->registry, MG_STR(TEST_BINARY_DIR "/plugins"), &error) < 0) fail_msg("%s", error.text);
    f->gateway.metrics = mg_metrics_create();
    f->gateway.n_workers = 1;
    pthread_mutex_init(&f->gateway.lock, NULL);
    mg_worker *w = &f->worker;
    w->gateway = &f->gateway;
    w->loop = mg_evloop_create();
    w->json = mg_json_parser_create();
    w->scratch = mg_arena_create(1024);
    w->counts = mg_counts_create(f->gateway.metrics);
    w->upstream = mg_upstream_create(w->loop, &mg_upstream_curl, &error);
    assert_non_null(w->upstream);
    fixture_snapshot(f, settings);
    mg_gateway_publish(&f->gateway, f->snapshot);
    snprintf(f->folder, sizeof f->folder, "/tmp/moongate-test-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
}

static inline void fixture_drop_request(fixture *f) {
    if (!f->r) return;
    mg_limits_cancel(f->r);
    if (f->r->policies) f->worker.policy.release(f->worker.policy.ctx, f->r->policies);
    mg_snapshot_unref(f->r->snapshot);
    mg_arena_destroy(f->x.arena);
    f->worker.requests_open--;
    f->r = NULL;
}

static inline void fixture_drop_policies(fixture *f) {
    mg_engine_destroy(f->engine);
    mg_reloader_destroy(f->reloader);
    f->engine = NULL;
    f->reloader = NULL;
}

static inline void fixture_close(fixture *f) {
    char command[128];
    mg_worker *w = &f->worker;
    fixture_drop_request(f);
    if (f->engine) fixture_drop_policies(f);
    mg_upstream_destroy(w->upstream);
    mg_snapshot *s = f->snapshot;
    for (size_t i = 0; i < s->n_providers; i++) mg_use_detach(s->providers[i].use, 0);
    mg_use_detach(s->store, 0);
    mg_use_detach(s->detectors[0], 0);
    mg_snapshot_unref(w->snapshot);
    mg_snapshot_unref(s); /* the gateway's */
    mg_counts_destroy(w->counts);
    mg_json_parser_destroy(w->json);
    mg_arena_destroy(w->scratch);
    mg_evloop_destroy(w->loop);
    mg_metrics_destroy(f->gateway.metrics);
    mg_registry_destroy(f->registry);
    pthread_mutex_destroy(&f->gateway.lock);
    snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    assert_int_equal(system(command), 0);
}

/* Makes FOLDER/name.lua the whole set of policies, or copies a shipped one if the text is NULL. */
static inline void fixture_policy(fixture *f, const char *name, const char *text) {
    char path[512];
    mg_error error = {0};
    if (f->engine) fixture_drop_policies(f);
    snprintf(path, sizeof path, text ? "%s/%s.lua" : "cp '" TEST_SOURCE_DIR "/../policies/%2$s.lua' '%1$s/'", f->folder,
             name);
    if (text) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
    } else {
        assert_int_equal(system(path), 0);
    }
    /* Under the sanitizers everything takes many times as long, and tests share a machine: no limit on CPU time. */
    const mg_policy_options o = {.folder = mg_str_of(f->folder), .cpu_us = 10000000};
    f->reloader = mg_reloader_create(&o, &f->gateway, &error);
    if (!f->reloader) fail_msg("%s", error.text);
    f->engine = mg_engine_create(&f->worker, f->reloader, &error);
    if (!f->engine) fail_msg("%s", error.text);
    f->worker.policy = mg_engine_runner(f->engine);
}

/* A new request of organization acme with this body, as if it had been authenticated and routed. */
static inline mg_request *fixture_request(fixture *f, const char *body) {
    static const mg_header headers[] = {{{"user-agent", 10}, {"test/1", 6}},
                                        {{"authorization", 13}, {"Bearer mg-secret", 16}},
                                        {{"x-moongate-tags", 15}, {"a=1", 3}}};
    mg_error error = {0};
    fixture_drop_request(f);
    f->x = (mg_exchange){.method = MG_STR("POST"),
                         .path = MG_STR("/v1/chat/completions"),
                         .headers = headers,
                         .n_headers = 3,
                         .arena = mg_arena_create(4096),
                         .started_us = mg_clock_mono_us()};
    mg_request *r = f->r = mg_request_create(&f->worker, &f->x);
    r->org = &f->snapshot->orgs[0];
    r->key = &f->snapshot->keys[0];
    r->user = MG_STR("ann");
    r->client_tags = MG_STR("a=1, b = two ,=x,junk");
    r->running = true; /* as if the pipeline were on the stack: a completion only notes that the request may go on */
    r->root = fixture_json(f, r->arena, body);
    char *text = mg_arena_zalloc(r->arena, strlen(body) + MG_JSON_PADDING);
    memcpy(text, body, strlen(body));
    r->body = mg_str_from(text, strlen(body));
    mg_str model = mg_json_text(mg_json_get(r->root, MG_STR("model")));
    if (mg_route_model(r, model.n ? model : MG_STR("smart"), &error) != MG_OK) fail_msg("%s", error.text);
    r->model_asked = r->model;
    r->stream = mg_json_bool(mg_json_get(r->root, MG_STR("stream")), false);
    return r;
}

/* A wait is over when the request was resumed. */
static inline void fixture_poll(void *arg) {
    fixture *f = arg;
    if (f->waits && !f->r->resumed) {
        mg_evloop_timer(f->worker.loop, 1, fixture_poll, f);
        return;
    }
    f->r->resumed = false;
    if (f->worker.policy.run(f->worker.policy.ctx, f->r, f->phase) == MG_RUN_DONE) {
        mg_evloop_stop(f->worker.loop);
        return;
    }
    f->waits++;
    mg_evloop_timer(f->worker.loop, 1, fixture_poll, f);
}

/* Asks the policies, waiting as long as they wait; r->verdict is the answer. One such run a fixture: it uses up the
 * loop. */
static inline void fixture_ask(fixture *f, mg_phase phase) {
    f->phase = f->r->phase = phase;
    f->waits = 0;
    f->r->verdict = (mg_verdict){0};
    mg_evloop_timer(f->worker.loop, 0, fixture_poll, f);
    mg_evloop_run(f->worker.loop);
}

#define FIXTURE_BODY                                                                                                   \
    "{\"model\":\"smart\",\"messages\":[{\"role\":\"system\",\"content\":\"Be terse.\"},"                              \
    "{\"role\":\"user\",\"content\":\"mail ann@example.org\"},{\"role\":\"assistant\",\"content\":\"ok\"},"            \
    "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"and this\"},{\"type\":\"image_url\",\"image_url\":" \
    "{\"url\":\"data:image/"                                                                                           \
    "png;base64,AAAA\"}}]}],\"temperature\":0.5,\"stop\":[\"x\",null],\"metadata\":{\"k\":\"v\"},"                     \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"look_up\",\"parameters\":{}}},"                        \
    "{\"type\":\"function\",\"function\":{\"name\":\"delete_all\",\"parameters\":{}}}]}"

/* Runs the chunk as a phase of a policy `t` for a request with the body; fails the test if the policy failed. What
 * failed is on standard error. The fixture stays open for a look at f->r; close it. */
static inline void fixture_run(fixture *f, mg_phase phase, const char *body, const char *chunk) {
    char text[16384];
    int n = snprintf(text, sizeof text, "local policy = {}\nfunction policy.%s(req, res)\n%s\nend\nreturn policy\n",
                     mg_phase_name(phase), chunk);
    assert_true(n > 0 && (size_t)n < sizeof text);
    fixture_open(f, NULL);
    fixture_policy(f, "t", text);
    fixture_request(f, body);
    fixture_ask(f, phase);
}

static inline bool fixture_failed(const fixture *f) {
    bool failed = f->r->verdict.kind == MG_VERDICT_DENY && mg_str_starts(f->r->verdict.code, MG_STR("policy_"));
    for (const mg_decision *d = f->r->decisions; d; d = d->next) {
        if (!mg_str_is(d->action, "error")) continue;
        failed = true;
        fprintf(stderr, "policy failed: " MG_STR_FMT " " MG_STR_FMT "\n", MG_STR_ARG(d->rule), MG_STR_ARG(d->detail));
    }
    return failed;
}

/* The chunk must get through: it asserts for itself. */
static inline void lua_ok(mg_phase phase, const char *chunk) {
    fixture f;
    fixture_run(&f, phase, FIXTURE_BODY, chunk);
    if (fixture_failed(&f)) fail_msg("in %s: %s", mg_phase_name(phase), chunk);
    fixture_close(&f);
}

/* The expression must raise an error that holds the text. */
static inline void lua_raises(mg_phase phase, const char *expression, const char *text) {
    char chunk[4096];
    int n = snprintf(chunk, sizeof chunk,
                     "local ok, err = pcall(function() local _ = %s end)\n" /* no tail call: the error has its line */
                     "assert(not ok, 'did not raise')\n"
                     "assert(type(err) == 'string' and err:find([==[%s]==], 1, true), err)\n"
                     "assert(err:find('^t%%.lua:3:'), err)\n",
                     expression, text);
    assert_true(n > 0 && (size_t)n < sizeof chunk);
    lua_ok(phase, chunk);
}

#endif
