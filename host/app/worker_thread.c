#include "app/worker_thread.h"

#include "base/log.h"
#include "gateway/credential.h"
#include "gateway/counts.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct thread {
    mg_worker worker; /* first: work that is posted casts back */
    mg_workers *all;
    mg_engine *engine;
    pthread_t id;
    bool running;
} thread;

struct mg_workers {
    mg_workers_options o;
    thread *v;
    size_t n;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t ready, failed, drained;
    mg_error error;
};

/* ---- a worker's parts, made and ended on its own thread ---------------------------------------------------------- */

static mg_status build(thread *t, mg_error *error) {
    mg_worker *w = &t->worker;
    const mg_workers_options *o = &t->all->o;
    w->json = mg_json_parser_create();
    w->scratch = mg_arena_create(8 * 1024);
    w->counts = mg_counts_create(w->gateway->metrics);
    w->upstream = mg_upstream_create(w->loop, o->upstream, error);
    if (!w->upstream) return MG_ERROR;
    w->spool = mg_spool_writer_open(w->gateway->spool, w->index, error);
    if (!w->spool) return MG_ERROR;
    t->engine = o->reloader ? mg_engine_create(w, o->reloader, error) : NULL;
    if (o->reloader && !t->engine) return MG_ERROR;
    if (t->engine) w->policy = mg_engine_runner(t->engine);
    const mg_server_handler handler = mg_gateway_handler(w);
    w->server = mg_server_create(w->loop, &handler, o->limits, w->gateway->metrics, "data");
    mg_worker_snapshot(w);
    for (size_t i = 0; i < o->n_listeners; i++)
        if (!mg_listener_attach(o->listeners[i], w->index, w->loop, w->server, o->tls[i]))
            return mg_fail(error, 0, "listen", "worker %zu can't accept on %.*s", w->index,
                           MG_STR_ARG(mg_listener_address(o->listeners[i])));
    return MG_OK;
}

static void detach_uses(mg_worker *w) {
    mg_snapshot *s = w->snapshot;
    for (size_t i = 0; s && i < s->n_providers; i++) mg_use_detach(s->providers[i].use, w->index);
    for (size_t i = 0; s && i < s->n_detectors; i++) mg_use_detach(s->detectors[i], w->index);
    if (s && s->store) mg_use_detach(s->store, w->index);
}

static void tear_down(thread *t) {
    mg_worker *w = &t->worker;
    mg_gateway_abandon(w);
    if (w->server) mg_server_destroy(w->server);
    if (t->engine) mg_engine_destroy(t->engine);
    mg_credentials_destroy(w->credentials);
    if (w->upstream) mg_upstream_destroy(w->upstream);
    if (w->spool) mg_spool_writer_close(w->spool);
    detach_uses(w);
    mg_snapshot_unref(w->snapshot);
    mg_counts_destroy(w->counts);
    mg_json_parser_destroy(w->json);
    if (w->scratch) mg_arena_destroy(w->scratch);
}

static void report(mg_workers *all, size_t *what, const mg_error *error) {
    pthread_mutex_lock(&all->lock);
    (*what)++;
    if (error) all->error = *error;
    pthread_cond_broadcast(&all->changed);
    pthread_mutex_unlock(&all->lock);
}

static void *run(void *arg) {
    thread *t = arg;
    char name[16];
    mg_error error = {0};
    snprintf(name, sizeof name, "worker-%zu", t->worker.index);
    pthread_setname_np(pthread_self(), name);
    if (build(t, &error) == MG_OK) {
        report(t->all, &t->all->ready, NULL);
        mg_evloop_run(t->worker.loop);
    } else {
        report(t->all, &t->all->failed, &error);
    }
    tear_down(t);
    return NULL;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

mg_workers *mg_workers_start(const mg_workers_options *o, mg_error *error) {
    mg_workers *all = MG_NEW(mg_workers);
    all->o = *o;
    all->n = o->gateway->n_workers;
    all->v = mg_calloc(all->n, sizeof *all->v);
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->changed, NULL);
    for (size_t i = 0; i < all->n; i++) {
        thread *t = &all->v[i];
        t->all = all;
        t->worker.gateway = o->gateway;
        t->worker.index = i;
        t->worker.loop = mg_evloop_create();
        t->running = pthread_create(&t->id, NULL, run, t) == 0;
        if (!t->running) report(all, &all->failed, &(mg_error){.text = "a worker's thread can't be started"});
    }
    pthread_mutex_lock(&all->lock);
    while (all->ready + all->failed < all->n) pthread_cond_wait(&all->changed, &all->lock);
    bool failed = all->failed > 0;
    if (failed) *error = all->error;
    pthread_mutex_unlock(&all->lock);
    if (!failed) return all;
    mg_workers_drain(all, 0);
    mg_workers_destroy(all);
    return NULL;
}

static void on_drained(void *arg) {
    thread *t = arg;
    report(t->all, &t->all->drained, NULL);
}

static void begin_drain(void *arg) {
    thread *t = arg;
    for (size_t i = 0; i < t->all->o.n_listeners; i++) mg_listener_detach(t->all->o.listeners[i], t->worker.index);
    mg_server_drain(t->worker.server, on_drained, t);
}

static void wait_drained(mg_workers *all, size_t wanted, uint64_t wait_ms) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(wait_ms / 1000);
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_mutex_lock(&all->lock);
    while (all->drained < wanted && pthread_cond_timedwait(&all->changed, &all->lock, &until) == 0) {}
    size_t drained = all->drained;
    pthread_mutex_unlock(&all->lock);
    if (drained < wanted) mg_log(MG_LOG_WARN, "drain_cut_short", MG_FN("workers_still_busy", wanted - drained));
}

void mg_workers_drain(mg_workers *all, uint64_t wait_ms) {
    size_t running = 0;
    for (size_t i = 0; i < all->n; i++)
        if (all->v[i].running && all->v[i].worker.server &&
            mg_evloop_post(all->v[i].worker.loop, begin_drain, &all->v[i]))
            running++;
    if (running && wait_ms) wait_drained(all, running, wait_ms);
    for (size_t i = 0; i < all->n; i++) {
        thread *t = &all->v[i];
        if (!t->running) continue;
        mg_evloop_stop(t->worker.loop);
        pthread_join(t->id, NULL);
        t->running = false;
    }
}

void mg_workers_destroy(mg_workers *all) {
    for (size_t i = 0; i < all->n; i++) mg_evloop_destroy(all->v[i].worker.loop);
    pthread_mutex_destroy(&all->lock);
    pthread_cond_destroy(&all->changed);
    free(all->v);
    free(all);
}

typedef struct posted {
    void (*work)(mg_worker *worker, void *arg);
    mg_worker *worker;
    void *arg;
} posted;

static void run_posted(void *arg) {
    posted p = *(posted *)arg;
    free(arg);
    p.work(p.worker, p.arg);
}

size_t mg_workers_post(mg_workers *all, void (*work)(mg_worker *worker, void *arg), void *arg) {
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++) {
        posted *p = MG_NEW(posted);
        *p = (posted){work, &all->v[i].worker, arg};
        if (mg_evloop_post(all->v[i].worker.loop, run_posted, p))
            n++;
        else
            free(p);
    }
    return n;
}

typedef struct stats_question {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    size_t waiting, refs;
    mg_workers_stats sum;
} stats_question;

static void stats_release(stats_question *q) { /* lock held */
    bool last = --q->refs == 0;
    pthread_mutex_unlock(&q->lock);
    if (!last) return;
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->answered);
    free(q);
}

static void answer_stats(mg_worker *w, void *arg) {
    stats_question *q = arg;
    const thread *t = (const thread *)w;
    mg_engine_stats s = {0};
    if (t->engine) mg_engine_stats_get(t->engine, &s);
    pthread_mutex_lock(&q->lock);
    q->sum.requests_open += w->requests_open;
    q->sum.policy.states += s.states;
    q->sum.policy.bytes += s.bytes;
    q->sum.policy.built += s.built;
    q->sum.policy.killed += s.killed;
    q->sum.policy.suspended += s.suspended;
    q->waiting--;
    pthread_cond_signal(&q->answered);
    stats_release(q);
}

/* The workers' figures are theirs alone: each adds its own, on its thread. One that is busy for longer is left out. */
void mg_workers_stats_get(mg_workers *all, mg_workers_stats *out) {
    stats_question *q = MG_NEW(stats_question);
    struct timespec until;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->answered, NULL);
    q->waiting = all->n;
    q->refs = all->n + 1;
    pthread_mutex_lock(&q->lock);
    size_t stopped = all->n - mg_workers_post(all, answer_stats, q);
    q->waiting -= stopped;
    q->refs -= stopped;
    pthread_mutex_unlock(&q->lock);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 200000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_mutex_lock(&q->lock);
    while (q->waiting && pthread_cond_timedwait(&q->answered, &q->lock, &until) == 0) {}
    *out = q->sum;
    stats_release(q);
}
