#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "plugin/registry.h"
#include "plugin/settings.h"

/* Each worker touches its own slot only, and only on its own thread: no lock. */
typedef struct instance {
    void *self;
    bool attached; /* there is something to detach */
    mg_evloop *loop;
} instance;

struct mg_use {
    atomic_size_t references;
    const mg_plugin *plugin;
    mg_setting_values *values;
    void *shared;
    size_t workers;
    atomic_size_t closing; /* instances that are being detached after the last reference, and one for who began it */
    instance instances[];
};

/* A plugin may leave the error empty, or without its closing 0. */
static void error_complete(const mg_plugin *p, const char *what, mg_error *error) {
    error->text[sizeof error->text - 1] = 0;
    error->code[sizeof error->code - 1] = 0;
    if (!error->text[0])
        mg_fail(error, error->http, "plugin_refused", "%s '%s' refused to %s and gave no reason",
                mg_plugin_kind_name(p->kind), p->name, what);
}

mg_use *mg_use_open(const mg_host *host, const mg_plugin *plugin, mg_setting_values *values, size_t workers,
                    mg_error *error) {
    mg_error own = {0};
    void *shared = plugin->open(host, mg_setting_view(values), &own);
    if (!shared) {
        error_complete(plugin, "open", &own);
        if (error) *error = own;
        mg_setting_values_destroy(values);
        return NULL;
    }
    mg_use *u = mg_calloc(1, sizeof *u + workers * sizeof u->instances[0]);
    atomic_init(&u->references, 1);
    atomic_init(&u->closing, 0);
    u->plugin = plugin;
    u->values = values;
    u->shared = shared;
    u->workers = workers;
    return u;
}

mg_use *mg_use_ref(mg_use *u) {
    atomic_fetch_add_explicit(&u->references, 1, memory_order_relaxed);
    return u;
}

static void use_close(mg_use *u) {
    if (atomic_fetch_sub_explicit(&u->closing, 1, memory_order_acq_rel) != 1) return;
    u->plugin->close(u->shared);
    mg_setting_values_destroy(u->values);
    free(u);
}

typedef struct detaching {
    mg_use *use;
    size_t worker;
} detaching;

static void run_detach(void *arg) {
    detaching d = *(detaching *)arg;
    free(arg);
    mg_use_detach(d.use, d.worker);
    use_close(d.use);
}

void mg_use_unref(mg_use *u) {
    if (!u || atomic_fetch_sub_explicit(&u->references, 1, memory_order_acq_rel) != 1) return;
    atomic_store(&u->closing, 1);
    for (size_t i = 0; i < u->workers; i++) {
        if (!u->instances[i].attached) continue;
        detaching *d = MG_NEW(detaching);
        *d = (detaching){u, i};
        atomic_fetch_add(&u->closing, 1);
        if (mg_evloop_post(u->instances[i].loop, run_detach, d)) continue;
        /* Closing under a living instance would free what it uses: losing the memory is the smaller harm. */
        mg_log(MG_LOG_ERROR, "plugin_not_detached", MG_F("plugin", mg_str_of(u->plugin->name)), MG_FN("worker", i));
        free(d);
        return;
    }
    use_close(u);
}

const mg_plugin *mg_use_plugin(const mg_use *u) { return u->plugin; }

const void *mg_use_ops(const mg_use *u) { return u->plugin->ops; }

const mg_setting_values *mg_use_values(const mg_use *u) { return u->values; }

void *mg_use_shared(mg_use *u) { return u->shared; }

void *mg_use_self(mg_use *u, size_t worker, mg_evloop *loop, mg_error *error) {
    if (!u->plugin->attach || u->plugin->kind == MG_KIND_LEDGER) return u->shared;
    if (worker >= u->workers) {
        mg_fail(error, 0, "no_worker", "worker %zu asks for '%s', which was opened for %zu workers", worker,
                u->plugin->name, u->workers);
        return NULL;
    }
    instance *mine = &u->instances[worker];
    if (mine->attached) return mine->self;
    mg_error own = {0};
    mine->self = u->plugin->attach(u->shared, mg_evloop_plugin(loop), &own);
    mine->attached = mine->self != NULL;
    mine->loop = loop;
    if (!mine->self) {
        error_complete(u->plugin, "attach a worker", &own);
        if (error) *error = own;
    }
    return mine->self;
}

void mg_use_detach(mg_use *u, size_t worker) {
    if (worker >= u->workers || !u->instances[worker].attached) return;
    instance mine = u->instances[worker];
    u->instances[worker] = (instance){0};
    u->plugin->detach(mine.self);
}
