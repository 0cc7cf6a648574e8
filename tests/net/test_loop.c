#include "net/loop.h"
#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

typedef struct trace {
    mg_evloop *loop;
    char text[256];
    size_t n;
} trace;

static trace *current; /* what the callbacks of a test write to */

static void note(const char *s) {
    current->n += (size_t)snprintf(current->text + current->n, sizeof current->text - current->n, "%s ", s);
}

static void note_arg(void *arg) { note(arg); }
static void stop_loop(void *arg) {
    note("stop");
    mg_evloop_stop(arg);
}

static int setup(void **state) {
    current = MG_NEW(trace);
    current->loop = mg_evloop_create();
    *state = current;
    return current->loop ? 0 : -1;
}

static int teardown(void **state) {
    trace *t = *state;
    mg_evloop_destroy(t->loop);
    free(t);
    return 0;
}

static void posts_run_in_order(void **state) {
    mg_evloop *l = ((trace *)*state)->loop;
    assert_true(mg_evloop_post(l, note_arg, "a"));
    assert_true(mg_evloop_post(l, note_arg, "b"));
    assert_true(mg_evloop_post(l, stop_loop, l));
    assert_true(mg_evloop_post(l, note_arg, "c"));
    mg_evloop_run(l);
    assert_string_equal(current->text, "a b stop c ");
    assert_false(mg_evloop_post(l, note_arg, "late"));
}

/* What a post queues while it runs comes in a later turn. */
static void repost(void *arg) {
    trace *t = arg;
    note("first");
    mg_evloop_post(t->loop, note_arg, "second");
    mg_evloop_post(t->loop, stop_loop, t->loop);
}

static void posts_from_a_post(void **state) {
    trace *t = *state;
    mg_evloop_post(t->loop, repost, t);
    mg_evloop_post(t->loop, note_arg, "sibling");
    mg_evloop_run(t->loop);
    assert_string_equal(t->text, "first sibling second stop ");
}

enum { THREADS = 4, POSTS = 5000 };
static int counts[THREADS];
static atomic_int finished;

typedef struct poster {
    mg_evloop *loop;
    int number;
} poster;

typedef struct numbered {
    mg_evloop *loop;
    int thread, i;
} numbered;

static void take_numbered(void *arg) {
    numbered *n = arg;
    assert_int_equal(n->i, counts[n->thread]);
    counts[n->thread]++;
    if (n->i == POSTS - 1 && atomic_fetch_add(&finished, 1) == THREADS - 1) mg_evloop_stop(n->loop);
    free(n);
}

static void *post_many(void *arg) {
    poster *p = arg;
    for (int i = 0; i < POSTS; i++) {
        numbered *n = MG_NEW(numbered);
        *n = (numbered){p->loop, p->number, i};
        assert_true(mg_evloop_post(p->loop, take_numbered, n));
    }
    return NULL;
}

static void posts_from_threads(void **state) {
    trace *t = *state;
    pthread_t threads[THREADS];
    poster posters[THREADS];
    for (int i = 0; i < THREADS; i++) {
        posters[i] = (poster){t->loop, i};
        pthread_create(&threads[i], NULL, post_many, &posters[i]);
    }
    mg_evloop_run(t->loop);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) assert_int_equal(counts[i], POSTS);
}

static void *stop_soon(void *arg) {
    usleep(20000);
    mg_evloop_stop(arg);
    return NULL;
}

static void stops_from_a_thread(void **state) {
    trace *t = *state;
    pthread_t thread;
    pthread_create(&thread, NULL, stop_soon, t->loop);
    mg_evloop_run(t->loop);
    pthread_join(thread, NULL);
}

static void free_noted(void *object) {
    note("freed");
    free(object);
}

static void reap_during_turn(void *arg) {
    trace *t = arg;
    mg_evloop_reap(t->loop, free_noted, malloc(1));
    note("used");
}

static void reaps_after_the_turn(void **state) {
    trace *t = *state;
    mg_evloop_post(t->loop, reap_during_turn, t);
    mg_evloop_post(t->loop, note_arg, "other");
    mg_evloop_post(t->loop, stop_loop, t->loop);
    mg_evloop_run(t->loop);
    assert_string_equal(t->text, "used other stop freed ");
}

static mg_deferred once, again, never;
static int rounds;

static void run_once(void *arg) {
    (void)arg;
    note("deferred");
}

static void run_again(void *arg) {
    trace *t = arg;
    if (++rounds == 3) {
        mg_evloop_stop(t->loop);
    } else {
        mg_evloop_defer(t->loop, &again);
    }
}

static void defer_all(void *arg) {
    trace *t = arg;
    once = (mg_deferred){.run = run_once};
    again = (mg_deferred){.run = run_again, .arg = t};
    never = (mg_deferred){.run = note_arg, .arg = "never"};
    mg_evloop_defer(t->loop, &never);
    mg_evloop_defer(t->loop, &once);
    mg_evloop_defer(t->loop, &once);
    mg_evloop_defer(t->loop, &again);
    mg_evloop_undefer(t->loop, &never);
    mg_evloop_undefer(t->loop, &never);
    mg_evloop_reap(t->loop, note_arg, "reaped");
    note("event");
}

static void defers_to_the_end_of_the_turn(void **state) {
    trace *t = *state;
    rounds = 0;
    mg_evloop_post(t->loop, defer_all, t);
    mg_evloop_post(t->loop, note_arg, "other");
    mg_evloop_run(t->loop);
    assert_string_equal(t->text, "event other deferred reaped ");
    assert_int_equal(rounds, 3);
}

static void undefer_last(void *arg) {
    mg_evloop *l = arg;
    static mg_deferred a, b;
    a = (mg_deferred){.run = note_arg, .arg = "a"};
    b = (mg_deferred){.run = note_arg, .arg = "b"};
    mg_evloop_defer(l, &a);
    mg_evloop_defer(l, &b);
    mg_evloop_undefer(l, &b); /* the end of the list */
    mg_evloop_defer(l, &b);
    mg_evloop_undefer(l, &a); /* its beginning */
}

static void undefers_at_both_ends(void **state) {
    trace *t = *state;
    mg_evloop_post(t->loop, undefer_last, t->loop);
    mg_evloop_post(t->loop, stop_loop, t->loop);
    mg_evloop_run(t->loop);
    assert_string_equal(t->text, "stop b ");
}

static void timers_fire_in_order(void **state) {
    trace *t = *state;
    uint64_t start = mg_clock_mono_ms();
    mg_evloop_timer(t->loop, 40, stop_loop, t->loop);
    mg_evloop_timer(t->loop, 20, note_arg, "20");
    mg_timer *cancelled = mg_evloop_timer(t->loop, 10, note_arg, "never");
    mg_evloop_timer(t->loop, 1, note_arg, "1");
    mg_evloop_timer(t->loop, 60000, note_arg, "left over");
    mg_evloop_timer_cancel(t->loop, cancelled);
    mg_evloop_timer_cancel(t->loop, NULL);
    mg_evloop_run(t->loop);
    assert_string_equal(t->text, "1 20 stop ");
    assert_in_range(mg_clock_mono_ms() - start, 30, 2000);
}

static void completed(void *arg, const void *result) {
    note(arg);
    note(result);
}

static void tokens_complete_once(void **state) {
    mg_evloop *l = ((trace *)*state)->loop;
    mg_token a = mg_evloop_pend(l, completed, "a"), b = mg_evloop_pend(l, completed, "b");
    assert_int_not_equal(a, 0);
    assert_int_not_equal(a, b);
    assert_int_equal(mg_evloop_pending(l), 2);
    assert_true(mg_evloop_complete(l, a, "one"));
    assert_false(mg_evloop_complete(l, a, "twice"));
    mg_evloop_forget(l, b);
    mg_evloop_forget(l, b);
    assert_false(mg_evloop_complete(l, b, "after cancel"));
    assert_false(mg_evloop_complete(l, 0, "none"));
    assert_false(mg_evloop_complete(l, UINT64_MAX, "none"));
    mg_token c = mg_evloop_pend(l, completed, "c"); /* a slot that was used before: old tokens stay dead */
    assert_false(mg_evloop_complete(l, a, "stale"));
    assert_false(mg_evloop_complete(l, b, "stale"));
    assert_true(mg_evloop_complete(l, c, "two"));
    assert_string_equal(current->text, "a one c two ");
    assert_int_equal(mg_evloop_strays(l), 6);
    assert_int_equal(mg_evloop_pending(l), 0);
}

static void many_tokens(void **state) {
    mg_evloop *l = ((trace *)*state)->loop;
    mg_token tokens[1000];
    for (int i = 0; i < 1000; i++) tokens[i] = mg_evloop_pend(l, completed, "x");
    for (int i = 0; i < 1000; i += 2) mg_evloop_forget(l, tokens[i]);
    assert_int_equal(mg_evloop_pending(l), 500);
    for (int i = 0; i < 1000; i++) {
        current->n = 0;
        assert_int_equal(mg_evloop_complete(l, tokens[i], "y"), i % 2);
    }
}

typedef struct watching {
    const mg_loop *loop;
    mg_evloop *own;
    mg_watch *watch;
    int fd, seen;
} watching;

static void on_ready(void *arg, int what) {
    watching *w = arg;
    char c;
    assert_int_equal(what, MG_READABLE);
    assert_int_equal(read(w->fd, &c, 1), 1);
    if (++w->seen < 3) return;
    w->loop->unwatch(w->loop->ctx, w->watch); /* from within its own callback */
    w->loop->timer(w->loop->ctx, 5, stop_loop, w->own);
}

static void plugins_watch_descriptors(void **state) {
    trace *t = *state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    watching w = {.loop = mg_evloop_plugin(t->loop), .own = t->loop, .fd = pair[0]};
    assert_int_equal(w.loop->size, sizeof(mg_loop));
    w.watch = w.loop->watch_fd(w.loop->ctx, pair[0], MG_READABLE, on_ready, &w);
    assert_non_null(w.watch);
    assert_int_equal(write(pair[1], "abcde", 5), 5);
    mg_evloop_run(t->loop);
    assert_int_equal(w.seen, 3);
    assert_false(w.loop->post(w.loop->ctx, note_arg, "late"));
    close(pair[0]);
    close(pair[1]);
}

static void now_stands_still_in_a_turn(void **state) {
    mg_evloop *l = ((trace *)*state)->loop;
    uint64_t before = mg_evloop_now(l);
    usleep(3000);
    assert_int_equal(mg_evloop_now(l), before);
    mg_evloop_post(l, stop_loop, l);
    mg_evloop_run(l);
    assert_true(mg_evloop_now(l) > before);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(posts_run_in_order),    TEST(posts_from_a_post),         TEST(posts_from_threads),
        TEST(stops_from_a_thread),   TEST(reaps_after_the_turn),      TEST(defers_to_the_end_of_the_turn),
        TEST(undefers_at_both_ends), TEST(timers_fire_in_order),      TEST(tokens_complete_once),
        TEST(many_tokens),           TEST(plugins_watch_descriptors), TEST(now_stands_still_in_a_turn)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
