/* moongate serve: puts the gateway together, runs it, takes it apart. The main thread runs the admin plane, signals, and
 * everything that changes what the workers run on. */
#include "app/admin.h"
#include "app/admin_client.h"
#include "app/circuit_report.h"
#include "app/keep.h"
#include "app/verbs.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "gateway/limits.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct serve {
    mg_config *config;
    mg_str path;
    mg_registry *plugins;
    mg_use *ledger;
    mg_gateway gateway;
    mg_reloader *reloader;
    mg_workers *workers;
    mg_evloop *loop;
    mg_admin *admin;
    mg_listener *admin_listener;
    void *admin_tls;
    mg_listener **listeners;
    void **tls;
    size_t n_listeners;
    char token[128];
    struct event *term, *interrupt, *hup;
    mg_timer *poll;
    mg_config *reloaded; /* the newest configuration, if it is not the first */
    uint64_t ledger_version; /* that the snapshot was built from */
    uint64_t ledger_seen; /* atomic: written on the ledger's thread */
    bool stopping;
    pthread_t drainer; /* runs when stopping */
    struct timespec newest; /* of the configuration's files */
} serve;

static void print_fault(void *arg, const mg_config_fault *f) {
    (void)arg;
    if (f->line)
        fprintf(stderr, "%.*s:%d: %.*s\n", MG_STR_ARG(f->file), f->line, MG_STR_ARG(f->message));
    else
        fprintf(stderr, "%.*s%s%.*s\n", MG_STR_ARG(f->file), f->file.n ? ": " : "", MG_STR_ARG(f->message));
}

static void log_fault(void *arg, const mg_config_fault *f) {
    mg_log(*(mg_log_level *)arg, "configuration", MG_F("file", f->file), MG_FN("line", f->line),
           MG_F("message", f->message));
}

/* ---- snapshots --------------------------------------------------------------------------------------------------- */

typedef struct rows_read {
    mg_config_rows rows;
    mg_status status;
    mg_error error;
    uint64_t version;
} rows_read;

static void read_rows(void *arg, const mg_ledger *ops, void *self) {
    rows_read *r = arg;
    r->version = ops->version(self);
    r->status = mg_keep_rows(ops, self, &r->rows, &r->error);
}

/* A new snapshot from the configuration and the ledger; NULL: the old one stays. */
static mg_snapshot *build_snapshot(serve *s, const mg_config *config) {
    rows_read r = {0};
    mg_log_level error = MG_LOG_ERROR;
    mg_spool_with_ledger(s->gateway.spool, read_rows, &r);
    if (r.status != MG_OK) {
        mg_log(MG_LOG_ERROR, "ledger", MG_F("message", mg_str_of(r.error.text)));
        return NULL;
    }
    mg_snapshot *old = mg_gateway_snapshot(&s->gateway);
    mg_snapshot *fresh =
        mg_config_snapshot(config, s->plugins, &r.rows, s->gateway.n_workers, s->gateway.keyrings, old, log_fault, log_fault, &error);
    if (fresh) fresh->generation = old ? old->generation + 1 : 1;
    mg_snapshot_unref(old);
    mg_keep_rows_finish(&r.rows);
    s->ledger_version = r.version;
    __atomic_store_n(&s->ledger_seen, r.version, __ATOMIC_RELEASE); /* seen, until a later look says otherwise */
    return fresh;
}

static bool newest_file(const mg_config *c, struct timespec *out) {
    struct timespec t = {0};
    for (size_t i = 0; i < c->n_files; i++) {
        struct stat st;
        char path[4096];
        if (snprintf(path, sizeof path, "%.*s", MG_STR_ARG(c->files[i])) >= (int)sizeof path || stat(path, &st) != 0)
            continue;
        if (st.st_mtim.tv_sec > t.tv_sec || (st.st_mtim.tv_sec == t.tv_sec && st.st_mtim.tv_nsec > t.tv_nsec))
            t = st.st_mtim;
    }
    bool changed = t.tv_sec != out->tv_sec || t.tv_nsec != out->tv_nsec;
    *out = t;
    return changed;
}

/* ---- budgets: the memory store starts empty, the ledger knows what was spent ------------------------------------- */

typedef struct spent {
    mg_snapshot *snapshot;
    const mg_snapshot *before; /* its budgets are counted already; NULL at the start */
    int64_t *nano, *starts; /* by organization; starts 0: nothing to count */
} spent;

static bool spent_row(void *arg, const mg_str *c, const mg_value *v, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (mg_str_is(c[i], "cost_nano_usd")) *(int64_t *)arg = v[i].type == MG_VALUE_INTEGER ? v[i].integer : 0;
    return true;
}

static bool counted_before(const spent *sp, const mg_org *o) {
    const mg_org *old = sp->before ? mg_snapshot_org(sp->before, o->id) : NULL;
    return old && old->budget.set && mg_str_eq(old->budget.period, o->budget.period);
}

static void read_spent(void *arg, const mg_ledger *ops, void *self) {
    spent *sp = arg;
    for (size_t i = 0; i < sp->snapshot->n_orgs; i++) {
        const mg_org *o = &sp->snapshot->orgs[i];
        int64_t start, end;
        mg_error error;
        if (!o->budget.set || counted_before(sp, o) ||
            !mg_clock_period(o->budget.period, mg_clock_unix_ms(), &start, &end))
            continue;
        const mg_param p[] = {{"org", {.type = MG_VALUE_TEXT, .text = o->id}},
                              {"from_ms", {.type = MG_VALUE_INTEGER, .integer = start}},
                              {"to_ms", {.type = MG_VALUE_INTEGER, .integer = end}}};
        if (ops->run(self, MG_STR("usage.sum"), p, 3, spent_row, &sp->nano[i], &error) == MG_OK)
            sp->starts[i] = start;
        else
            mg_log(MG_LOG_ERROR, "ledger", MG_F("message", mg_str_of(error.text)));
    }
}

static void prime_budgets(mg_worker *w, void *arg) {
    spent *sp = arg;
    if (w->index != 0) return;
    for (size_t i = 0; i < sp->snapshot->n_orgs; i++)
        if (sp->starts[i]) mg_budget_prime(w, sp->snapshot, &sp->snapshot->orgs[i], sp->starts[i], sp->nano[i]);
    mg_snapshot_unref(sp->snapshot);
}

/* What was spent in the present period by organizations whose budget is new to this process. */
static spent *read_budgets(serve *s, mg_snapshot *fresh, const mg_snapshot *before) {
    spent *sp = mg_arena_zalloc(fresh->arena, sizeof *sp);
    size_t bytes = (fresh->n_orgs + 1) * sizeof(int64_t);
    *sp = (spent){mg_snapshot_ref(fresh), before, mg_arena_zalloc(fresh->arena, bytes),
                  mg_arena_zalloc(fresh->arena, bytes)};
    mg_spool_with_ledger(s->gateway.spool, read_spent, sp);
    sp->before = NULL;
    return sp;
}

static void publish(serve *s, mg_snapshot *fresh) {
    mg_error error;
    mg_snapshot *before = mg_gateway_snapshot(&s->gateway);
    spent *sp = read_budgets(s, fresh, before);
    mg_snapshot_unref(before);
    mg_gateway_publish(&s->gateway, fresh);
    mg_workers_post(s->workers, prime_budgets, sp);
    mg_reloader_reload(s->reloader, false, &error); /* settings of organizations reach the policies */
    mg_log(MG_LOG_INFO, "configuration_reloaded", MG_FN("generation", fresh->generation),
           MG_FN("organizations", fresh->n_orgs), MG_FN("keys", fresh->n_keys));
}

/* Files that are new in the folder of plugins; one that replaces a loaded one needs a restart. */
static void take_new_plugins(serve *s, mg_config *config) {
    mg_error error = {0};
    size_t n;
    config->data_dir =
        mg_arena_dup(config->arena, s->config->data_dir); /* fixed: plugins keep their files where they are */
    if (mg_registry_load(s->plugins, s->config->plugins, &error) == 0) return;
    const mg_plugin_file *files = mg_registry_files(s->plugins, &n);
    for (size_t i = 0; i < n; i++)
        if (!files[i].plugin)
            mg_log(MG_LOG_ERROR, "plugin_refused", MG_F("file", files[i].path), MG_F("message", files[i].fault));
}

static void reload(void *arg) {
    serve *s = arg;
    mg_log_level error = MG_LOG_ERROR;
    mg_config *config = mg_config_load(s->path, log_fault, &error);
    const char *fixed = config ? mg_config_fixed_change(s->config, config) : NULL;
    if (config) take_new_plugins(s, config);
    mg_snapshot *fresh = config ? build_snapshot(s, config) : NULL;
    if (!fresh) {
        if (config) mg_config_destroy(config);
        mg_log(MG_LOG_ERROR, "configuration_kept",
               MG_F("message", MG_STR("the new configuration has faults: the one before stays in force")));
        return;
    }
    if (fixed)
        mg_log(MG_LOG_WARN, "setting_fixed", MG_F("setting", mg_str_of(fixed)),
               MG_F("message", MG_STR("a changed value needs a restart: the one before stays in force")));
    /* Fixed settings keep their strings in the first configuration, which therefore stays; only the log level moves. */
    mg_log_level_set(config->log_level);
    if (s->reloaded) mg_config_destroy(s->reloaded);
    s->reloaded = config;
    newest_file(config, &s->newest);
    publish(s, fresh);
}

static void check_version(void *arg, const mg_ledger *ops, void *self) {
    serve *s = arg;
    __atomic_store_n(&s->ledger_seen, ops->version(self), __ATOMIC_RELEASE);
}

static void on_poll(void *arg) {
    serve *s = arg;
    const mg_config *c = s->reloaded ? s->reloaded : s->config;
    struct timespec newest = s->newest;
    s->poll = mg_evloop_timer(s->loop, 500, on_poll, s);
    if (c->n_files && newest_file(c, &newest)) {
        reload(s);
        s->newest = newest;
    } else if (__atomic_load_n(&s->ledger_seen, __ATOMIC_ACQUIRE) != s->ledger_version) {
        mg_snapshot *fresh = build_snapshot(s, c); /* somebody else wrote: keys, organizations */
        if (fresh) publish(s, fresh);
    }
    mg_spool_post_ledger(s->gateway.spool, check_version, s);
}

/* ---- the first start --------------------------------------------------------------------------------------------- */

typedef struct first_key {
    serve *s;
    mg_status status;
    mg_error error;
    char text[MG_KEY_TEXT], id[21];
} first_key;

static void add_first_key(void *arg, const mg_ledger *ops, void *self) {
    first_key *f = arg;
    mg_keep_key k = {.org = MG_STR("default"), .name = MG_STR("first key")};
    f->status = mg_keep_org_add(ops, self, k.org, MG_STR("Default organization"), &f->error);
    if (f->status == MG_OK) f->status = mg_keep_key_add(ops, self, &k, f->text, f->id, &f->error);
}

/* A gateway that nobody could use gets an organization and a key, which only this machine's operator can read. */
static mg_status ensure_key(serve *s, mg_snapshot **snapshot, mg_error *error) {
    first_key f = {.s = s};
    if ((*snapshot)->n_keys) return MG_OK;
    mg_spool_with_ledger(s->gateway.spool, add_first_key, &f);
    if (f.status == MG_OK) f.status = mg_keep_write(s->config->data_dir, "first-key", mg_str_of(f.text), &f.error);
    if (f.status != MG_OK) {
        *error = f.error;
        return MG_ERROR;
    }
    mg_log(MG_LOG_INFO, "first_key", MG_F("organization", MG_STR("default")), MG_F("key", mg_str_of(f.id)),
           MG_F("file", MG_STR("data_dir/first-key")));
    mg_snapshot *again = build_snapshot(s, s->config);
    if (!again) return mg_fail(error, 0, "snapshot", "the configuration can't be built: see the log");
    mg_snapshot_unref(*snapshot);
    *snapshot = again;
    return MG_OK;
}

/* ---- start ------------------------------------------------------------------------------------------------------- */

static mg_status open_listener(const mg_config_listener *c, size_t workers, mg_listener **l, void **tls,
                               mg_error *error) {
    *tls = NULL;
    if (c->n_tls && !(*tls = mg_tls_create(c->tls, c->n_tls, error))) return MG_ERROR;
    *l = mg_listener_open(c->address, workers, error);
    return *l ? MG_OK : MG_ERROR;
}

static mg_status open_listeners(serve *s, mg_error *error) {
    const mg_config *c = s->config;
    s->listeners = mg_calloc(c->n_listen + 1, sizeof *s->listeners);
    s->tls = mg_calloc(c->n_listen + 1, sizeof *s->tls);
    for (; s->n_listeners < c->n_listen; s->n_listeners++)
        if (open_listener(&c->listen[s->n_listeners], s->gateway.n_workers, &s->listeners[s->n_listeners],
                          &s->tls[s->n_listeners], error) != MG_OK)
            return MG_ERROR;
    return open_listener(&c->admin, 1, &s->admin_listener, &s->admin_tls, error);
}

static mg_status open_store(serve *s, mg_error *error) {
    const mg_config *c = s->config;
    mg_str dir = mg_arena_printf(c->arena, "%.*s/spool", MG_STR_ARG(c->data_dir));
    const mg_spool_options o = {.dir = dir, .metrics = s->gateway.metrics};
    const mg_ledger *ops = mg_use_ops(s->ledger);
    if (ops->migrate(mg_use_shared(s->ledger), false, NULL, NULL, error) != MG_OK) return MG_ERROR;
    s->gateway.spool = mg_spool_open(&o, s->ledger, error);
    return s->gateway.spool ? MG_OK : MG_ERROR;
}

static mg_status make_secrets(serve *s, mg_error *error) {
    char text[128];
    if (mg_keep_secret(s->config->data_dir, "hash-secret", text, error) != MG_OK) return MG_ERROR;
    mg_sha256(mg_str_of(text), s->gateway.secret);
    if (s->config->admin_token.n) {
        if (s->config->admin_token.n >= sizeof s->token)
            return mg_fail(error, 0, "token", "admin.token is longer than 127 bytes");
        memcpy(s->token, s->config->admin_token.p, s->config->admin_token.n);
        return MG_OK;
    }
    return mg_keep_secret(s->config->data_dir, "admin-token", s->token, error);
}

/* Usage that an earlier process left in the spool belongs to the budgets as well; a ledger that is away is not waited for. */
static void await_replay(serve *s) {
    mg_spool_status st;
    for (int i = 0; i < 300; i++) {
        mg_spool_status_get(s->gateway.spool, &st);
        if (!st.waiting || !st.ledger_ok) return;
        usleep(10000);
    }
}

static mg_status start_workers(serve *s, mg_error *error) {
    const mg_config *c = s->config;
    mg_snapshot *first = build_snapshot(s, c);
    if (!first) return mg_fail(error, 0, "configuration", "the configuration has faults: see above");
    if (ensure_key(s, &first, error) != MG_OK) return MG_ERROR;
    mg_gateway_publish(&s->gateway, first);
    s->reloader = mg_reloader_create(&c->policy, &s->gateway, error);
    if (!s->reloader) return MG_ERROR;
    const mg_workers_options o = {&s->gateway,
                                  s->reloader,
                                  &c->limits,
                                  s->listeners,
                                  s->tls,
                                  s->n_listeners,
                                  mg_str_is(c->upstream, "curl") ? &mg_upstream_curl : &mg_upstream_pool};
    await_replay(s);
    spent *sp = read_budgets(s, first, NULL);
    s->workers = mg_workers_start(&o, error);
    if (s->workers) mg_workers_post(s->workers, prime_budgets, sp);
    return s->workers ? MG_OK : MG_ERROR;
}

static void print_addresses(const serve *s) {
    mg_buf b = {0};
    mg_buf_str(&b, MG_STR("{\"listening\":{\"data\":"));
    mg_buf_json(&b, mg_listener_address(s->listeners[0]));
    mg_buf_str(&b, MG_STR(",\"admin\":"));
    mg_buf_json(&b, mg_listener_address(s->admin_listener));
    if (s->n_listeners > 1) {
        mg_buf_str(&b, MG_STR(",\"all\":["));
        for (size_t i = 0; i < s->n_listeners; i++) {
            if (i) mg_buf_str(&b, MG_STR(","));
            mg_buf_json(&b, mg_listener_address(s->listeners[i]));
        }
        mg_buf_str(&b, MG_STR("]"));
    }
    mg_buf_str(&b, MG_STR("}}\n"));
    fwrite(b.p, 1, b.n, stdout);
    fflush(stdout);
    mg_buf_finish(&b);
}

/* ---- signals ----------------------------------------------------------------------------------------------------- */

/* Waits for requests under way on a thread of its own: health, metrics and a second signal are answered meanwhile. */
static void *drain(void *arg) {
    serve *s = arg;
    mg_workers_drain(s->workers, s->config->drain_ms);
    mg_evloop_stop(s->loop);
    return NULL;
}

static void on_stop(evutil_socket_t sig, short what, void *arg) {
    serve *s = arg;
    (void)what;
    if (s->stopping) _exit(1); /* asked twice: now; the spool keeps what was answered */
    mg_log(MG_LOG_INFO, "stopping", MG_FN("signal", sig), MG_FN("drain_ms", s->config->drain_ms));
    s->stopping = true;
    mg_admin_draining(s->admin);
    if (pthread_create(&s->drainer, NULL, drain, s) == 0) return;
    s->stopping = false; /* no thread to be had: stop() drains */
    mg_evloop_stop(s->loop);
}

static void on_hup(evutil_socket_t sig, short what, void *arg) {
    (void)sig, (void)what;
    reload(arg);
}

static void watch_signals(serve *s) {
    struct event_base *base = mg_evloop_base(s->loop);
    s->term = evsignal_new(base, SIGTERM, on_stop, s);
    s->interrupt = evsignal_new(base, SIGINT, on_stop, s);
    s->hup = evsignal_new(base, SIGHUP, on_hup, s);
    event_add(s->term, NULL);
    event_add(s->interrupt, NULL);
    event_add(s->hup, NULL);
}

/* Every connection is a descriptor, and another one upstream. */
static void raise_descriptors(void) {
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) != 0) return;
    l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l);
}

/* ---- the verb ---------------------------------------------------------------------------------------------------- */

static mg_status start(serve *s, mg_error *error) {
    if (make_secrets(s, error) != MG_OK || open_store(s, error) != MG_OK || open_listeners(s, error) != MG_OK ||
        start_workers(s, error) != MG_OK)
        return MG_ERROR;
    const mg_admin_options o = {s->loop,      &s->gateway,         s->reloader, s->workers, s->admin_listener,
                                s->admin_tls, mg_str_of(s->token), reload,      s};
    s->admin = mg_admin_create(&o, error);
    if (!s->admin) return MG_ERROR;
    return mg_keep_write(s->config->data_dir, MG_ADMIN_ADDRESS_FILE, mg_listener_address(s->admin_listener), error);
}

/* Nobody answers there any more. */
static void forget_address(const serve *s) {
    char path[4096];
    int n = snprintf(path, sizeof path, "%.*s/" MG_ADMIN_ADDRESS_FILE, MG_STR_ARG(s->config->data_dir));
    if (n > 0 && n < (int)sizeof path) unlink(path);
}

static void stop(serve *s) {
    mg_evloop_timer_cancel(s->loop, s->poll);
    if (s->stopping)
        pthread_join(s->drainer, NULL);
    else if (s->workers)
        mg_workers_drain(s->workers, 0);
    if (s->admin) forget_address(s);
    mg_admin_destroy(s->admin);
    if (s->workers) mg_workers_destroy(s->workers);
    if (s->reloader) mg_reloader_destroy(s->reloader);
    if (s->gateway.spool) {
        size_t left = mg_spool_close(s->gateway.spool, 5000);
        if (left)
            mg_log(MG_LOG_WARN, "spool_left", MG_FN("rows", left),
                   MG_F("message", MG_STR("the ledger did not take all usage: the next start replays it")));
    }
    for (size_t i = 0; i < s->n_listeners; i++) {
        mg_listener_close(s->listeners[i]);
        mg_tls_finish(s->tls[i]);
    }
    if (s->admin_listener) mg_listener_close(s->admin_listener);
    mg_tls_finish(s->admin_tls);
    mg_snapshot_unref(s->gateway.snapshot);
    mg_keyrings_destroy(s->gateway.keyrings);
    mg_circuits_destroy(s->gateway.circuits);
    mg_hedge_finish(&s->gateway.hedge);
    mg_use_unref(s->ledger);
    if (s->term) event_free(s->term);
    if (s->interrupt) event_free(s->interrupt);
    if (s->hup) event_free(s->hup);
    mg_evloop_destroy(s->loop);
    free(s->listeners);
    free(s->tls);
    mg_metrics_destroy(s->gateway.metrics);
    pthread_mutex_destroy(&s->gateway.lock);
}

int mg_verb_serve(const mg_verb_context *v) {
    serve s = {.path = v->config_path};
    mg_error error = {0};
    s.config = v->config;
    s.plugins = v->plugins;
    if (mg_keep_dir(s.config->data_dir, &error) != MG_OK) return mg_verb_fail(2, "%s", error.text);
    s.ledger = mg_config_ledger(s.config, s.plugins, print_fault, NULL);
    if (!s.ledger) return 2;
    raise_descriptors();
    signal(SIGPIPE, SIG_IGN);
    mg_log_start(STDERR_FILENO, s.config->log_level);
    s.loop = mg_evloop_create();
    s.gateway.metrics = mg_metrics_create();
    s.gateway.circuits = mg_circuits_create(mg_circuit_report, s.gateway.metrics);
    s.gateway.keyrings = mg_keyrings_create();
    mg_hedge_init(&s.gateway.hedge);
    s.gateway.n_workers = s.config->workers ? s.config->workers : (size_t)sysconf(_SC_NPROCESSORS_ONLN);
    pthread_mutex_init(&s.gateway.lock, NULL);
    newest_file(s.config, &s.newest);
    mg_status st = start(&s, &error);
    if (st == MG_OK) {
        watch_signals(&s);
        print_addresses(&s);
        s.poll = mg_evloop_timer(s.loop, 500, on_poll, &s);
        mg_evloop_run(s.loop);
    } else {
        fprintf(stderr, "moongate: %s\n", error.text);
    }
    stop(&s);
    if (s.reloaded) mg_config_destroy(s.reloaded);
    mg_log_stop();
    return st == MG_OK ? 0 : 1;
}
