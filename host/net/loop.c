#include "net/loop.h"

#include "base/clock.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct task {
    void (*run)(void *arg);
    void *arg;
} task;

typedef struct task_list {
    task *items;
    size_t n, cap;
} task_list;

typedef struct slot {
    mg_completion done; /* NULL: free */
    void *arg;
    uint32_t generation;
    uint32_t next_free;
} slot;

struct mg_timer {
    struct event event;
    mg_evloop *loop;
    void (*fire)(void *arg);
    void *arg;
    uint64_t due_us; /* not before */
    mg_timer *next, **link;
};

struct mg_watch {
    struct event event;
    mg_evloop *loop;
    void (*ready)(void *arg, int what);
    void *arg;
    mg_watch *next, **link;
};

struct mg_evloop {
    struct event_base *base;
    struct event wake;
    int wake_fd;
    atomic_bool stopped;
    uint64_t now; /* 0: not asked in this turn */

    pthread_mutex_t lock; /* guards posted and closed */
    task_list posted;
    bool closed;
    task_list running; /* the batch of posted work under way; its memory is swapped with posted's */

    task_list dead;
    mg_deferred *deferred, **deferred_end;
    mg_timer *timers;
    mg_watch *watches;

    slot *slots;
    uint32_t n_slots, free_slot; /* indexes are one-based: 0 is "none" */
    size_t pending;
    uint64_t strays;
    mg_loop plugin;
};

static void list_push(task_list *t, void (*run)(void *arg), void *arg) {
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 32;
        t->items = mg_realloc(t->items, t->cap * sizeof *t->items);
    }
    t->items[t->n++] = (task){run, arg};
}

/* ---- turns ------------------------------------------------------------------------------------------------------- */

static void wake_up(mg_evloop *l) {
    uint64_t one = 1;
    while (write(l->wake_fd, &one, sizeof one) < 0 && errno == EINTR) {}
}

static void run_posted(mg_evloop *l) {
    pthread_mutex_lock(&l->lock);
    task_list batch = l->posted;
    l->posted = l->running;
    l->running = batch;
    pthread_mutex_unlock(&l->lock);
    for (size_t i = 0; i < batch.n; i++) batch.items[i].run(batch.items[i].arg);
    l->running.n = 0;
}

static void on_wake(evutil_socket_t fd, short what, void *arg) {
    (void)what;
    uint64_t count;
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR) {}
    run_posted(arg);
}

/* One pass over what was deferred: work that defers itself again waits for the next turn. */
static void run_deferred(mg_evloop *l) {
    mg_deferred *list = l->deferred;
    if (!list) return;
    *l->deferred_end = NULL;
    list->link = &list;
    l->deferred = NULL;
    l->deferred_end = &l->deferred;
    while (list) {
        mg_deferred *d = list;
        list = d->next;
        if (list) list->link = &list;
        d->link = NULL;
        d->run(d->arg);
    }
}

static void run_reaper(mg_evloop *l) {
    for (size_t i = 0; i < l->dead.n; i++) { /* a free function may reap more: the list grows while we walk it */
        task dead = l->dead.items[i];
        dead.run(dead.arg);
    }
    l->dead.n = 0;
}

void mg_evloop_run(mg_evloop *l) {
    for (;;) {
        run_deferred(l);
        run_reaper(l);
        if (atomic_load(&l->stopped)) break;
        l->now = 0;
        event_base_loop(l->base, EVLOOP_ONCE | (l->deferred ? EVLOOP_NONBLOCK : 0));
    }
    pthread_mutex_lock(&l->lock);
    l->closed = true;
    pthread_mutex_unlock(&l->lock);
    run_posted(l);
    run_deferred(l);
    run_reaper(l);
}

void mg_evloop_stop(mg_evloop *l) {
    atomic_store(&l->stopped, true);
    wake_up(l);
}

bool mg_evloop_post(mg_evloop *l, void (*run)(void *arg), void *arg) {
    pthread_mutex_lock(&l->lock);
    bool taken = !l->closed && !atomic_load(&l->stopped);
    bool first = taken && l->posted.n == 0;
    if (taken) list_push(&l->posted, run, arg);
    if (first) wake_up(l); /* under the lock: once it is free, the loop may end and be destroyed */
    pthread_mutex_unlock(&l->lock);
    return taken;
}

void mg_evloop_reap(mg_evloop *l, void (*free_fn)(void *object), void *object) { list_push(&l->dead, free_fn, object); }

void mg_evloop_defer(mg_evloop *l, mg_deferred *d) {
    if (d->link) return;
    d->next = NULL;
    d->link = l->deferred_end;
    *l->deferred_end = d;
    l->deferred_end = &d->next;
}

void mg_evloop_undefer(mg_evloop *l, mg_deferred *d) {
    if (!d->link) return;
    *d->link = d->next;
    if (d->next) d->next->link = d->link;
    if (l->deferred_end == &d->next) l->deferred_end = d->link;
    d->link = NULL;
}

uint64_t mg_evloop_now(mg_evloop *l) {
    if (!l->now) l->now = mg_clock_mono_ms();
    return l->now;
}

struct event_base *mg_evloop_base(mg_evloop *l) {
    return l->base;
}

/* ---- timers and watches ------------------------------------------------------------------------------------------ */

static void timer_free(mg_timer *t) {
    *t->link = t->next;
    if (t->next) t->next->link = t->link;
    event_del(&t->event);
    free(t);
}

static void arm(mg_timer *t, uint64_t us) {
    struct timeval after = {(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};
    evtimer_add(&t->event, &after);
}

/* libevent counts from the turn's beginning, by a clock that moves in steps: what fires early waits for the rest. */
static void on_timer(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what;
    mg_timer *t = arg;
    uint64_t now = mg_clock_mono_us();
    if (now < t->due_us) {
        arm(t, t->due_us - now);
        return;
    }
    void (*fire)(void *) = t->fire;
    void *fire_arg = t->arg;
    timer_free(t);
    fire(fire_arg);
}

mg_timer *mg_evloop_timer(mg_evloop *l, uint64_t ms, void (*fire)(void *arg), void *arg) {
    mg_timer *t = MG_NEW(mg_timer);
    t->loop = l;
    t->fire = fire;
    t->arg = arg;
    evtimer_assign(&t->event, l->base, on_timer, t);
    t->due_us = mg_clock_mono_us() + ms * 1000;
    arm(t, ms * 1000);
    t->next = l->timers;
    if (t->next) t->next->link = &t->next;
    t->link = &l->timers;
    l->timers = t;
    return t;
}

void mg_evloop_timer_cancel(mg_evloop *l, mg_timer *t) {
    (void)l;
    if (t) timer_free(t);
}

static void on_watch(evutil_socket_t fd, short what, void *arg) {
    (void)fd;
    mg_watch *w = arg;
    w->ready(w->arg, (what & EV_READ ? MG_READABLE : 0) | (what & EV_WRITE ? MG_WRITABLE : 0));
}

static mg_watch *plugin_watch(void *ctx, int fd, int what, void (*ready)(void *arg, int what), void *arg) {
    mg_evloop *l = ctx;
    mg_watch *w = MG_NEW(mg_watch);
    w->loop = l;
    w->ready = ready;
    w->arg = arg;
    short events = EV_PERSIST | (what & MG_READABLE ? EV_READ : 0) | (what & MG_WRITABLE ? EV_WRITE : 0);
    if (event_assign(&w->event, l->base, fd, events, on_watch, w) || event_add(&w->event, NULL)) {
        free(w);
        return NULL;
    }
    w->next = l->watches;
    if (w->next) w->next->link = &w->next;
    w->link = &l->watches;
    l->watches = w;
    return w;
}

static void plugin_unwatch(void *ctx, mg_watch *w) {
    if (!w) return;
    event_del(&w->event);
    *w->link = w->next;
    if (w->next) w->next->link = w->link;
    mg_evloop_reap(ctx, free, w);
}

/* ---- pending operations ------------------------------------------------------------------------------------------ */

mg_token mg_evloop_pend(mg_evloop *l, mg_completion done, void *arg) {
    if (!l->free_slot) {
        uint32_t old = l->n_slots;
        l->n_slots = old ? 2 * old : 64;
        l->slots = mg_realloc(l->slots, l->n_slots * sizeof *l->slots);
        for (uint32_t i = l->n_slots; i > old; i--) {
            l->slots[i - 1] = (slot){.generation = 1, .next_free = l->free_slot};
            l->free_slot = i;
        }
    }
    uint32_t index = l->free_slot;
    slot *s = &l->slots[index - 1];
    l->free_slot = s->next_free;
    s->done = done;
    s->arg = arg;
    l->pending++;
    return (mg_token)s->generation << 32 | index;
}

static slot *slot_of(mg_evloop *l, mg_token token) {
    uint32_t index = (uint32_t)token;
    if (index == 0 || index > l->n_slots) return NULL;
    slot *s = &l->slots[index - 1];
    return s->done && s->generation == token >> 32 ? s : NULL;
}

static void slot_free(mg_evloop *l, slot *s) {
    s->done = NULL;
    s->generation++;
    s->next_free = l->free_slot;
    l->free_slot = (uint32_t)(s - l->slots) + 1;
    l->pending--;
}

bool mg_evloop_complete(mg_evloop *l, mg_token token, const void *result) {
    slot *s = slot_of(l, token);
    if (!s) {
        l->strays++;
        return false;
    }
    mg_completion done = s->done;
    void *arg = s->arg;
    slot_free(l, s);
    done(arg, result);
    return true;
}

void mg_evloop_forget(mg_evloop *l, mg_token token) {
    slot *s = slot_of(l, token);
    if (s) slot_free(l, s);
}

size_t mg_evloop_pending(const mg_evloop *l) { return l->pending; }
uint64_t mg_evloop_strays(const mg_evloop *l) { return l->strays; }

/* ---- the loop as plugins see it ---------------------------------------------------------------------------------- */

static mg_timer *plugin_timer(void *ctx, uint64_t ms, void (*fire)(void *arg), void *arg) {
    return mg_evloop_timer(ctx, ms, fire, arg);
}

static void plugin_timer_cancel(void *ctx, mg_timer *t) { mg_evloop_timer_cancel(ctx, t); }

static bool plugin_post(void *ctx, void (*run)(void *arg), void *arg) { return mg_evloop_post(ctx, run, arg); }

static void plugin_store_complete(void *ctx, mg_token token, const mg_store_result *result) {
    mg_evloop_complete(ctx, token, result);
}

static void plugin_embed_complete(void *ctx, mg_token token, const mg_embed_result *result) {
    mg_evloop_complete(ctx, token, result);
}

const mg_loop *mg_evloop_plugin(mg_evloop *l) { return &l->plugin; }

/* ---- life -------------------------------------------------------------------------------------------------------- */

/* The base is used on one thread only: other threads come in through wake_fd, so libevent needs no locks. */
static struct event_base *base_create(void) {
    struct event_config *config = event_config_new();
    if (!config) return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

mg_evloop *mg_evloop_create(void) {
    signal(SIGPIPE,
           SIG_IGN); /* OpenSSL writes to sockets without MSG_NOSIGNAL; a closed peer is an error code, not a death */
    mg_evloop *l = MG_NEW(mg_evloop);
    l->base = base_create();
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!l->base || l->wake_fd < 0) { /* out of descriptors at start: nothing can run */
        if (l->base) event_base_free(l->base);
        if (l->wake_fd >= 0) close(l->wake_fd);
        free(l);
        return NULL;
    }
    pthread_mutex_init(&l->lock, NULL);
    l->deferred_end = &l->deferred;
    event_assign(&l->wake, l->base, l->wake_fd, EV_READ | EV_PERSIST, on_wake, l);
    event_add(&l->wake, NULL);
    l->plugin = (mg_loop){.size = sizeof(mg_loop),
                          .ctx = l,
                          .watch_fd = plugin_watch,
                          .unwatch = plugin_unwatch,
                          .timer = plugin_timer,
                          .timer_cancel = plugin_timer_cancel,
                          .post = plugin_post,
                          .store_complete = plugin_store_complete,
                          .embed_complete = plugin_embed_complete};
    return l;
}

void mg_evloop_destroy(mg_evloop *l) {
    if (!l) return;
    run_reaper(l);
    while (l->timers) timer_free(l->timers);
    while (l->watches) plugin_unwatch(l, l->watches);
    run_reaper(l);
    event_del(&l->wake);
    event_base_free(l->base);
    close(l->wake_fd);
    pthread_mutex_destroy(&l->lock);
    free(l->posted.items);
    free(l->running.items);
    free(l->dead.items);
    free(l->slots);
    free(l);
}
