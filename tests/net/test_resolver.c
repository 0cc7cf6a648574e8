#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "net/resolver.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

/* A name server of the test: answers as told, can be held up, counts what it is asked. */
typedef struct names {
    pthread_mutex_t lock;
    pthread_cond_t go;
    bool held, failing;
    int asked;
    uint32_t address; /* of the next answer */
} names;

static mg_status answer(void *arg, const char *host, mg_addresses *out, mg_error *error) {
    names *n = arg;
    pthread_mutex_lock(&n->lock);
    n->asked++;
    pthread_cond_broadcast(&n->go);
    while (n->held) pthread_cond_wait(&n->go, &n->lock);
    bool fails = n->failing || strncmp(host, "no", 2) == 0;
    out->n = 1;
    out->at[0] = (mg_address){.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(n->address)}};
    pthread_mutex_unlock(&n->lock);
    return fails ? mg_fail(error, 502, "upstream_resolve", "the host name does not resolve: test") : MG_OK;
}

static int asked(names *n) {
    pthread_mutex_lock(&n->lock);
    int count = n->asked;
    pthread_mutex_unlock(&n->lock);
    return count;
}

static void set(names *n, bool held, bool failing, uint32_t address) {
    pthread_mutex_lock(&n->lock);
    n->held = held;
    n->failing = failing;
    n->address = address;
    pthread_cond_broadcast(&n->go);
    pthread_mutex_unlock(&n->lock);
}

/* Waits until the server was asked `count` times. */
static void wait_asked(names *n, int count) {
    pthread_mutex_lock(&n->lock);
    while (n->asked < count) pthread_cond_wait(&n->go, &n->lock);
    pthread_mutex_unlock(&n->lock);
}

typedef struct fixture {
    names names;
    mg_evloop *loop;
    mg_resolver *resolver;
    int done, failed;
    uint32_t got;
    int stop_after;
    struct fixture *next;
} fixture;

static fixture *finished; /* may still be in use on a resolver's thread; left to the process */

static void on_done(void *arg, const mg_addresses *addresses, const mg_error *error) {
    fixture *f = arg;
    f->done++;
    if (addresses)
        f->got = ntohl(addresses->at[0].v4.sin_addr.s_addr);
    else
        f->failed += error->text[0] != 0;
    if (f->done == f->stop_after) mg_evloop_stop(f->loop);
}

static int set_up(void **state) {
    fixture *f = MG_NEW(fixture);
    pthread_mutex_init(&f->names.lock, NULL);
    pthread_cond_init(&f->names.go, NULL);
    f->names.address = 0x01020304;
    f->loop = mg_evloop_create();
    f->resolver = mg_resolver_create(
        &(mg_resolver_settings){
            .query = answer, .arg = &f->names, .fresh_ms = 40, .stale_ms = 400, .failed_ms = 40, .names = 4},
        NULL);
    *state = f;
    return f->resolver ? 0 : -1;
}

static int tear_down(void **state) {
    fixture *f = *state;
    mg_resolver_destroy(f->resolver);
    set(&f->names, false, false, 0);
    mg_evloop_stop(f->loop);
    mg_evloop_run(f->loop); /* takes in what was on its way */
    mg_evloop_destroy(f->loop);
    f->next = finished;
    finished = f;
    return 0;
}

static mg_status look_up(fixture *f, const char *host, mg_addresses *out, mg_lookup **lookup) {
    mg_error error;
    return mg_resolver_lookup(f->resolver, f->loop, mg_str_of(host), out, on_done, f, lookup, &error);
}

static void resolve(fixture *f, const char *host) {
    mg_addresses out;
    mg_lookup *lookup;
    f->stop_after = f->done + 1;
    assert_int_equal(look_up(f, host, &out, &lookup), MG_AGAIN);
    assert_non_null(lookup);
    mg_evloop_run(f->loop);
    mg_evloop_destroy(f->loop);
    f->loop = mg_evloop_create();
    assert_int_equal(f->done, f->stop_after);
}

static void test_literals(void **state) {
    fixture *f = *state;
    mg_addresses out;
    mg_lookup *lookup;
    assert_int_equal(look_up(f, "127.0.0.1", &out, &lookup), MG_OK);
    assert_int_equal(out.n, 1);
    assert_int_equal(out.at[0].any.sa_family, AF_INET);
    assert_int_equal(look_up(f, "::1", &out, &lookup), MG_OK);
    assert_int_equal(look_up(f, "[::1]", &out, &lookup), MG_OK);
    assert_int_equal(out.at[0].any.sa_family, AF_INET6);
    assert_int_equal(look_up(f, "LocalHost", &out, &lookup), MG_OK);
    assert_int_equal(out.n, 2);
    assert_int_equal(look_up(f, "", &out, &lookup), MG_ERROR);
    assert_int_equal(look_up(f, "a b", &out, &lookup), MG_ERROR);
    char longest[300];
    memset(longest, 'a', sizeof longest);
    longest[299] = 0;
    assert_int_equal(look_up(f, longest, &out, &lookup), MG_ERROR);
    assert_int_equal(asked(&f->names), 0);
}

static void test_cache(void **state) {
    fixture *f = *state;
    mg_addresses out;
    mg_lookup *lookup;
    resolve(f, "a.test");
    assert_int_equal(f->got, 0x01020304);
    assert_int_equal(look_up(f, "A.test", &out, &lookup), MG_OK);
    assert_int_equal(asked(&f->names), 1);
    set(&f->names, true, false, 0x05060708);
    usleep(50000);
    /* No longer fresh: the old address at once, while the thread asks again, once. */
    assert_int_equal(look_up(f, "a.test", &out, &lookup), MG_OK);
    assert_int_equal(look_up(f, "a.test", &out, &lookup), MG_OK);
    assert_int_equal(ntohl(out.at[0].v4.sin_addr.s_addr), 0x01020304);
    wait_asked(&f->names, 2);
    set(&f->names, false, false, 0x05060708);
    for (int i = 0; i < 200 && ntohl(out.at[0].v4.sin_addr.s_addr) != 0x05060708; i++) {
        usleep(1000);
        assert_int_equal(look_up(f, "a.test", &out, &lookup), MG_OK);
    }
    assert_int_equal(ntohl(out.at[0].v4.sin_addr.s_addr), 0x05060708);
}

static void test_failure(void **state) {
    fixture *f = *state;
    mg_addresses out;
    mg_lookup *lookup;
    resolve(f, "no.test");
    assert_int_equal(f->failed, 1);
    assert_int_equal(look_up(f, "no.test", &out, &lookup), MG_ERROR);
    assert_int_equal(asked(&f->names), 1);
    usleep(50000);
    resolve(f, "no.test");
    assert_int_equal(asked(&f->names), 2);
}

/* A failing server: the old addresses serve until they are too old. */
static void test_stale(void **state) {
    fixture *f = *state;
    mg_addresses out;
    mg_lookup *lookup;
    uint64_t start = mg_clock_mono_ms();
    resolve(f, "a.test");
    set(&f->names, false, true, 0);
    usleep(60000);
    assert_int_equal(look_up(f, "a.test", &out, &lookup), MG_OK);
    wait_asked(&f->names, 2);
    usleep(60000);
    mg_status status = look_up(f, "a.test", &out, &lookup);
    if (mg_clock_mono_ms() - start < 400) assert_int_equal(status, MG_OK);
    usleep(450000);
    if (look_up(f, "a.test", &out, &lookup) == MG_OK) fail_msg("an address too old was given");
    mg_lookup_cancel(lookup);
}

static void test_bounded(void **state) {
    fixture *f = *state;
    mg_addresses out;
    mg_lookup *lookup;
    for (int i = 0; i < 10; i++) {
        char host[16];
        snprintf(host, sizeof host, "h%d.test", i);
        resolve(f, host);
        usleep(2000);
    }
    assert_int_equal(asked(&f->names), 10);
    assert_int_equal(look_up(f, "h9.test", &out, &lookup), MG_OK);
    assert_int_equal(look_up(f, "h0.test", &out, &lookup), MG_AGAIN); /* evicted: it was asked for longest ago */
    mg_lookup_cancel(lookup);
    /* Names that are being asked for can't be evicted. */
    set(&f->names, true, false, 1);
    mg_lookup *lookups[8] = {0};
    mg_status last = MG_AGAIN;
    for (int i = 0; i < 8; i++) {
        char host[16];
        snprintf(host, sizeof host, "w%d.test", i);
        last = look_up(f, host, &out, &lookups[i]);
    }
    assert_int_equal(last, MG_ERROR);
    for (int i = 0; i < 8; i++) mg_lookup_cancel(lookups[i]);
}

static void stop(void *arg) { mg_evloop_stop(arg); }

static void test_cancel(void **state) {
    fixture *f = *state;
    mg_addresses out;
    mg_lookup *a, *b, *c;
    set(&f->names, true, false, 1);
    assert_int_equal(look_up(f, "a.test", &out, &a), MG_AGAIN);
    assert_int_equal(look_up(f, "a.test", &out, &b), MG_AGAIN);
    assert_int_equal(look_up(f, "b.test", &out, &c), MG_AGAIN);
    mg_lookup_cancel(a); /* being asked for, or in the queue */
    mg_lookup_cancel(c);
    set(&f->names, false, false, 1);
    wait_asked(&f->names, 2); /* so the answer to the first is on its way to the loop */
    mg_lookup_cancel(b);
    mg_evloop_timer(f->loop, 20, stop, f->loop);
    mg_evloop_run(f->loop);
    assert_int_equal(f->done, 0);
}

static void test_destroy_during_query(void **state) {
    fixture *f = *state;
    mg_addresses out;
    mg_lookup *lookup;
    set(&f->names, true, false, 1);
    assert_int_equal(look_up(f, "a.test", &out, &lookup), MG_AGAIN);
    wait_asked(&f->names, 1);
    mg_lookup_cancel(lookup);
    mg_resolver_destroy(f->resolver);
    f->resolver = NULL;
    set(&f->names, false, false, 1);
}

/* The system's own: a name that never exists (RFC 6761), or at least does not take the loop with it. */
static void test_system(void **state) {
    fixture *f = *state;
    mg_addresses out;
    mg_lookup *lookup;
    mg_error error;
    mg_resolver *one = mg_resolver_hold(NULL), *two = mg_resolver_hold(NULL);
    assert_ptr_equal(one, two);
    f->stop_after = 1;
    mg_status status = mg_resolver_lookup(one, f->loop, MG_STR("moongate.invalid"), &out, on_done, f, &lookup, &error);
    assert_int_equal(status, MG_AGAIN);
    mg_timer *limit = mg_evloop_timer(f->loop, 5000, stop, f->loop);
    mg_evloop_run(f->loop);
    if (f->done)
        mg_evloop_timer_cancel(f->loop, limit);
    else
        mg_lookup_cancel(lookup); /* a name server that does not answer */
    assert_int_equal(f->done, f->failed);
    mg_resolver_release(one);
    mg_resolver_release(two);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_literals),
        TEST(test_cache),
        TEST(test_failure),
        TEST(test_stale),
        TEST(test_bounded),
        TEST(test_cancel),
        TEST(test_destroy_during_query),
        TEST(test_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
