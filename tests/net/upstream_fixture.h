/* A client of either backend on a loop of its own thread, and calls that note what happened to them. */
#ifndef TEST_UPSTREAM_FIXTURE_H
#define TEST_UPSTREAM_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/upstream.h"
#include "upstream_server.h"
#include <time.h>

typedef struct fixture {
    mg_evloop *loop;
    mg_upstream *client;
    server *server;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all exchanges' notes */
    pthread_cond_t changed;
} fixture;

typedef struct exchange {
    fixture *f;
    mg_upstream_request request;
    char url[300];
    mg_upstream_call *call;
    /* What to do in which callback. */
    bool pause_in_head, pause_in_data, cancel_in_head, cancel_in_data, drop_body;
    struct exchange *cancel_other, *start_in_head, *start_in_done;
    /* Notes. */
    int status, heads, datas, dones;
    bool early; /* called back before mg_upstream_start had returned, or after the end */
    size_t received;
    mg_buf body, headers;
    mg_upstream_result result;
} exchange;

static void start_now(void *arg);

static inline void note(exchange *x) { /* under the lock */
    if (!x->call) x->early = true;
    pthread_cond_broadcast(&x->f->changed);
}

static inline void cancel_now(exchange *x) {
    mg_upstream_call *c = x->call;
    x->call = NULL;
    mg_upstream_cancel(c);
}

static void on_head(void *arg, int status, const mg_header *headers, size_t n) {
    exchange *x = arg;
    pthread_mutex_lock(&x->f->lock);
    note(x);
    x->status = status;
    x->heads++;
    for (size_t i = 0; i < n; i++)
        mg_buf_printf(&x->headers, MG_STR_FMT "=" MG_STR_FMT "\n", MG_STR_ARG(headers[i].name),
                      MG_STR_ARG(headers[i].value));
    pthread_mutex_unlock(&x->f->lock);
    if (x->start_in_head) start_now(x->start_in_head);
    if (x->pause_in_head) mg_upstream_pause(x->call, true);
    if (x->cancel_other) cancel_now(x->cancel_other);
    if (x->cancel_in_head) cancel_now(x);
}

static void on_data(void *arg, mg_str bytes) {
    exchange *x = arg;
    pthread_mutex_lock(&x->f->lock);
    note(x);
    x->datas++;
    x->received += bytes.n;
    if (!x->drop_body) mg_buf_str(&x->body, bytes);
    pthread_mutex_unlock(&x->f->lock);
    if (x->pause_in_data) mg_upstream_pause(x->call, true);
    if (x->cancel_in_data) cancel_now(x);
}

static void on_done(void *arg, const mg_upstream_result *result) {
    exchange *x = arg;
    pthread_mutex_lock(&x->f->lock);
    note(x);
    x->dones++;
    x->result = *result;
    x->call = NULL;
    exchange *next = x->start_in_done; /* once unlocked, the test may free x */
    pthread_mutex_unlock(&x->f->lock);
    if (next) start_now(next);
}

static void start_now(void *arg) {
    exchange *x = arg;
    static const mg_upstream_events events = {on_head, on_data, on_done};
    x->call = mg_upstream_start(x->f->client, &x->request, &events, x);
}

/* ---- running things on the loop's thread ---- */

typedef struct job {
    fixture *f;
    void (*run)(void *arg);
    void *arg;
    bool ran;
} job;

static void job_run(void *arg) {
    job *j = arg;
    j->run(j->arg);
    pthread_mutex_lock(&j->f->lock);
    j->ran = true;
    pthread_cond_broadcast(&j->f->changed);
    pthread_mutex_unlock(&j->f->lock);
}

static inline void on_loop(fixture *f, void (*run)(void *arg), void *arg) {
    job j = {f, run, arg, false};
    assert_true(mg_evloop_post(f->loop, job_run, &j));
    pthread_mutex_lock(&f->lock);
    while (!j.ran) pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

static inline void pause_on(void *arg) {
    exchange *x = arg;
    if (x->call) mg_upstream_pause(x->call, true);
}
static inline void pause_off(void *arg) {
    exchange *x = arg;
    x->pause_in_head = false;
    if (x->call) mg_upstream_pause(x->call, false);
}
static inline void cancel_call(void *arg) {
    exchange *x = arg;
    if (x->call) cancel_now(x);
}

/* True once *counter, one of an exchange's notes, is at least n; false after 20 s. */
static inline bool wait_count(fixture *f, const int *counter, int n) {
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 20;
    pthread_mutex_lock(&f->lock);
    int rc = 0;
    while (*counter < n && rc == 0) rc = pthread_cond_timedwait(&f->changed, &f->lock, &limit);
    bool ok = *counter >= n;
    pthread_mutex_unlock(&f->lock);
    return ok;
}

static inline bool wait_stage(server *s, int stage) {
    for (int i = 0; i < 20000 && atomic_load(&s->stage) < stage && !atomic_load(&s->ending); i++) usleep(1000);
    return atomic_load(&s->stage) >= stage;
}

/* ---- exchanges ---- */

static inline exchange *make(fixture *f, const char *method, const char *path, mg_str body) {
    exchange *x = MG_NEW(exchange);
    x->f = f;
    snprintf(x->url, sizeof x->url, "http%s://127.0.0.1:%u", f->server && f->server->tls ? "s" : "",
             f->server ? f->server->port : 1);
    x->request = (mg_upstream_request){.method = mg_str_of(method),
                                       .base_url = mg_str_of(x->url),
                                       .path = mg_str_of(path),
                                       .body = body,
                                       .timeouts = {5000, 10000, 10000, 15000}};
    return x;
}

static inline exchange *get(fixture *f) { return make(f, "GET", "/", (mg_str){0}); }
static inline void begin(exchange *x) { on_loop(x->f, start_now, x); }

static inline void finish(exchange *x) {
    mg_buf_finish(&x->body);
    mg_buf_finish(&x->headers);
    free(x);
}

static inline void wait_done(exchange *x) {
    assert_true(wait_count(x->f, &x->dones, 1));
    assert_false(x->early);
    assert_int_equal(x->dones, 1);
    assert_true(x->result.text[0] != 0);
}

/* Runs it and checks how it ended. */
static inline void expect(exchange *x, mg_upstream_end end) {
    begin(x);
    wait_done(x);
    if (x->result.end != end)
        print_error("ended %s (%s), not %s\n", mg_upstream_end_name(x->result.end), x->result.text,
                    mg_upstream_end_name(end));
    assert_int_equal(x->result.end, end);
}

static inline void assert_body(exchange *x, const char *text) {
    assert_int_equal(x->body.n, strlen(text));
    if (x->body.n) assert_memory_equal(x->body.p, text, x->body.n);
}

/* A GET that ends so; returns the status. */
static inline int run_get(fixture *f, mg_upstream_end end) {
    exchange *x = get(f);
    expect(x, end);
    int status = x->status;
    finish(x);
    return status;
}

/* ---- life ---- */

static void *loop_run(void *arg) {
    mg_evloop_run(arg);
    return NULL;
}

static int set_up(void **state) {
    const mg_upstream_backend *backend = *state;
    fixture *f = MG_NEW(fixture);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    f->loop = mg_evloop_create();
    mg_error error;
    f->client = mg_upstream_create(f->loop, backend, &error);
    *state = f;
    return f->client && pthread_create(&f->thread, NULL, loop_run, f->loop) == 0 ? 0 : -1;
}

static void destroy_client(void *arg) {
    fixture *f = arg;
    mg_upstream_destroy(f->client);
    f->client = NULL;
}

static int tear_down(void **state) {
    fixture *f = *state;
    on_loop(f, destroy_client, f);
    mg_evloop_stop(f->loop);
    pthread_join(f->thread, NULL);
    mg_evloop_destroy(f->loop);
    server_stop(f->server);
    free(f);
    return 0;
}

/* The same test against both backends. */
#define BOTH(test)                                                                                                     \
    {#test " (curl)", test, set_up, tear_down, (void *)&mg_upstream_curl}, {                                           \
#test " (pool)", test, set_up, tear_down, (void *)&mg_upstream_pool                                            \
    }

#endif
