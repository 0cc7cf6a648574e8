/* Reload: a thread that builds the next generation beside the running one. */
#include "base/log.h"
#include "policy/plan.h"
#include "policy/watch.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { SWEEP_MS = 1000, QUIET_MS = 50, QUIET_MAX_MS = 1000, FAULTS_MAX = 50, FAULT_TEXT_MAX = 64 << 10 };

struct mg_reloader {
    mg_policy_options options;
    char *folder;
    mg_gateway *gateway;
    mg_watcher *watcher;
    pthread_t thread;
    bool started;
    int wake; /* eventfd: a request to reload, or to end */
    mg_series *done_ok, *done_failed, *number;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t built;
    mg_policies *current;
    uint64_t asked, answered; /* requests to reload; a build answers all that were asked before it began */
    mg_status last;
    mg_error last_error;
    mg_buf faults; /* JSON array elements of the last build */
    size_t n_faults;
    bool ending;

    uint64_t generation; /* of current; atomic */
    uint64_t stamp; /* of the folders when the last build began; the thread's */
    const void *snapshot_seen; /* the snapshot that the last build used, only to be compared; the thread's */
};

/* ---- faults ------------------------------------------------------------------------------------------------------ */

typedef struct faults {
    mg_buf text;
    size_t n;
    mg_error first;
} faults;

static void on_fault(void *arg, const mg_policy_fault *f) {
    faults *all = arg;
    mg_log(MG_LOG_ERROR, "policy_fault", MG_F("file", f->file), MG_FN("line", f->line), MG_F("message", f->message));
    if (all->n == 0) mg_policy_fault_fail(f, &all->first);
    if (all->n++ >= FAULTS_MAX) return;
    mg_buf_str(&all->text, all->text.n ? MG_STR(",{\"file\":") : MG_STR("{\"file\":"));
    mg_buf_json(&all->text, f->file);
    mg_buf_printf(&all->text, ",\"line\":%d,\"message\":", f->line);
    mg_buf_json(&all->text, f->message);
    mg_buf_str(&all->text, MG_STR("}"));
}

/* ---- building ---------------------------------------------------------------------------------------------------- */

/* Takes over what was built, NULL on faults, and tells those who wait. */
static void publish(mg_reloader *r, mg_policies *next, bool changed, faults *all, uint64_t asked) {
    pthread_mutex_lock(&r->lock);
    mg_policies *old = NULL;
    if (changed) {
        old = r->current;
        r->current = next;
        __atomic_store_n(&r->generation, mg_policies_generation(next), __ATOMIC_RELEASE);
    }
    mg_buf_finish(&r->faults);
    r->faults = all->text;
    r->n_faults = all->n;
    r->last = next ? MG_OK : MG_ERROR;
    r->last_error = all->first;
    if (r->answered < asked) r->answered = asked;
    pthread_cond_broadcast(&r->built);
    pthread_mutex_unlock(&r->lock);
    mg_policies_unref(old);
    if (next && !changed) mg_policies_unref(next);
}

static void build(mg_reloader *r) {
    uint64_t started = mg_clock_mono_us();
    pthread_mutex_lock(&r->lock);
    uint64_t asked = r->asked;
    const mg_policies *previous = r->current; /* only this thread replaces it */
    pthread_mutex_unlock(&r->lock);
    mg_snapshot *snapshot = mg_gateway_snapshot(r->gateway);
    r->stamp = mg_watcher_stamp(r->watcher);
    r->snapshot_seen = snapshot;
    faults all = {.text = {.max = FAULT_TEXT_MAX}};
    mg_policies *next = mg_policies_build(&r->options, snapshot, previous, on_fault, &all);
    if (snapshot) mg_snapshot_unref(snapshot);
    bool changed = next && !(previous && mg_policies_same(next, previous));
    mg_series_add(next ? r->done_ok : r->done_failed, 1);
    if (changed) {
        mg_series_set(r->number, (int64_t)mg_policies_generation(next));
        mg_log(MG_LOG_INFO, "policies_reloaded", MG_FN("generation", mg_policies_generation(next)),
               MG_FN("duration_us", mg_clock_mono_us() - started));
    } else if (!next) {
        mg_log(MG_LOG_ERROR, "policies_not_reloaded", MG_FN("faults", all.n));
    }
    publish(r, next, changed, &all, asked);
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static bool is_asked(mg_reloader *r, bool *ending) {
    pthread_mutex_lock(&r->lock);
    bool asked = r->asked > r->answered;
    *ending = r->ending;
    pthread_mutex_unlock(&r->lock);
    return asked;
}

static void drain_wake(mg_reloader *r) {
    uint64_t n;
    while (read(r->wake, &n, sizeof n) < 0 && errno == EINTR) continue;
}

/* Editors and Kubernetes change several things in a row: goes on when nothing has happened for a moment. */
static void wait_until_quiet(mg_reloader *r) {
    uint64_t since = mg_clock_mono_ms();
    struct pollfd fds[] = {{.fd = mg_watcher_fd(r->watcher), .events = POLLIN}, {.fd = r->wake, .events = POLLIN}};
    while (mg_clock_mono_ms() - since < QUIET_MAX_MS) {
        int n = poll(fds, 2, QUIET_MS);
        if (n == 0 || fds[1].revents) return;
        mg_watcher_drain(r->watcher);
    }
}

static bool snapshot_changed(mg_reloader *r) {
    mg_snapshot *s = mg_gateway_snapshot(r->gateway);
    bool changed = s != r->snapshot_seen;
    if (s) mg_snapshot_unref(s);
    return changed;
}

static void *run(void *arg) {
    mg_reloader *r = arg;
    bool ending = false;
    while (!ending) {
        struct pollfd fds[] = {{.fd = mg_watcher_fd(r->watcher), .events = POLLIN}, {.fd = r->wake, .events = POLLIN}};
        poll(fds, 2, SWEEP_MS);
        if (mg_watcher_drain(r->watcher)) wait_until_quiet(r);
        /* Whatever is asked: a build under way may have answered it before this thread saw who woke it. */
        drain_wake(r);
        bool asked = is_asked(r, &ending);
        if (ending) break;
        if (asked || mg_watcher_stamp(r->watcher) != r->stamp || snapshot_changed(r)) build(r);
    }
    return NULL;
}

/* ---- what others call -------------------------------------------------------------------------------------------- */

static void open_metrics(mg_reloader *r, mg_metrics *m) {
    if (!m) return;
    static const char name[] = "moongate_policy_reloads_total", help[] = "Builds of the policies.";
    mg_header ok = {MG_STR("result"), MG_STR("ok")}, failed = {MG_STR("result"), MG_STR("failed")};
    r->done_ok = mg_metrics_series(m, name, MG_COUNTER, help, NULL, 0, &ok, 1);
    r->done_failed = mg_metrics_series(m, name, MG_COUNTER, help, NULL, 0, &failed, 1);
    r->number = mg_metrics_series(m, "moongate_policy_generation", MG_GAUGE, "Generation of the policies in force.",
                                  NULL, 0, NULL, 0);
}

mg_reloader *mg_reloader_create(const mg_policy_options *o, mg_gateway *g, mg_error *error) {
    mg_reloader *r = MG_NEW(mg_reloader);
    r->options = *o;
    r->folder = mg_strndup(o->folder.p ? o->folder.p : "", o->folder.n);
    r->options.folder = mg_str_of(r->folder);
    r->gateway = g;
    r->watcher = mg_watcher_create(r->options.folder);
    r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->built, NULL);
    open_metrics(r, g->metrics);
    build(r);
    if (!r->current) {
        if (error) *error = r->last_error;
        mg_reloader_destroy(r);
        return NULL;
    }
    if (r->wake < 0 || pthread_create(&r->thread, NULL, run, r) != 0) {
        mg_fail(error, 0, "", "the thread that reloads policies can't be started: %s", strerror(errno));
        mg_reloader_destroy(r);
        return NULL;
    }
    r->started = true;
    return r;
}

static void wake(mg_reloader *r) {
    uint64_t one = 1;
    while (write(r->wake, &one, sizeof one) < 0 && errno == EINTR) continue;
}

void mg_reloader_destroy(mg_reloader *r) {
    if (!r) return;
    if (r->started) {
        pthread_mutex_lock(&r->lock);
        r->ending = true;
        pthread_mutex_unlock(&r->lock);
        wake(r);
        pthread_join(r->thread, NULL);
    }
    if (r->wake >= 0) close(r->wake);
    mg_watcher_destroy(r->watcher);
    mg_policies_unref(r->current);
    mg_buf_finish(&r->faults);
    pthread_cond_destroy(&r->built);
    pthread_mutex_destroy(&r->lock);
    free(r->folder);
    free(r);
}

mg_policies *mg_reloader_current(mg_reloader *r) {
    pthread_mutex_lock(&r->lock);
    mg_policies *p = mg_policies_ref(r->current);
    pthread_mutex_unlock(&r->lock);
    return p;
}

uint64_t mg_reloader_generation(const mg_reloader *r) { return __atomic_load_n(&r->generation, __ATOMIC_ACQUIRE); }

mg_status mg_reloader_reload(mg_reloader *r, bool wait, mg_error *error) {
    pthread_mutex_lock(&r->lock);
    uint64_t mine = ++r->asked;
    pthread_mutex_unlock(&r->lock);
    wake(r);
    if (!wait) return MG_OK;
    pthread_mutex_lock(&r->lock);
    while (r->answered < mine) pthread_cond_wait(&r->built, &r->lock);
    mg_status status = r->last;
    if (status != MG_OK && error) *error = r->last_error;
    pthread_mutex_unlock(&r->lock);
    return status;
}

void mg_reloader_describe(mg_reloader *r, mg_buf *out) {
    mg_policies *p = mg_reloader_current(r);
    mg_buf_str(out, MG_STR("{\"current\":"));
    mg_policies_describe(p, out);
    mg_policies_unref(p);
    pthread_mutex_lock(&r->lock);
    mg_buf_printf(out, ",\"faults_total\":%zu,\"faults\":[" MG_STR_FMT "]}", r->n_faults,
                  MG_STR_ARG(mg_buf_view(&r->faults)));
    pthread_mutex_unlock(&r->lock);
}
