/* The server on a loop in a thread of its own, with a handler that does something different for each path; clients are
 * blocking sockets in the test's thread, over socket pairs. Included by test_server*.c. */
#ifndef TEST_NET_SERVER_FIXTURE_H
#define TEST_NET_SERVER_FIXTURE_H

#include "net/server.h"
#include "base/clock.h"
#include "base/json.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <cmocka.h>

enum { ROOM = 4 << 20, STREAM_PIECE = 16 * 1024 };

typedef struct fixture {
    mg_evloop *loop;
    mg_server *server;
    mg_metrics *metrics;
    pthread_t thread;
    atomic_int heads, requests, gone, drained, done;
    atomic_size_t streamed; /* bytes that a /stream handler has written */
    mg_exchange *_Atomic waiting;
} fixture;

static fixture *f;

/* ---- the handler ------------------------------------------------------------------------------------------------- */

typedef struct stream {
    size_t left;
} stream;

static const mg_header plain[] = {{{"content-type", 12}, {"text/plain", 10}}};

static inline void reply(mg_exchange *x, mg_str body) { mg_exchange_reply(x, 200, plain, 1, body); }

static inline void pump(mg_exchange *x) {
    static const char piece[STREAM_PIECE];
    stream *s = x->user;
    while (s->left) {
        size_t n = s->left < sizeof piece ? s->left : sizeof piece;
        s->left -= n;
        atomic_fetch_add(&f->streamed, n);
        if (!mg_exchange_write(x, mg_str_from(piece, n))) return;
    }
    mg_exchange_end(x);
}

static inline void start_stream(mg_exchange *x) {
    stream *s = MG_ARENA_NEW(x->arena, stream);
    s->left = (size_t)atoi(mg_exchange_query(x, MG_STR("n")).p);
    x->user = s;
    mg_exchange_start(x, 200, plain, 1);
    pump(x);
}

static inline void say_hello(void *arg) { reply(arg, MG_STR("late")); }

static inline void stream_in_pieces(mg_exchange *x) {
    mg_exchange_start(x, 200, plain, 1);
    mg_exchange_write(x, MG_STR("one,"));
    mg_exchange_write(x, MG_STR(""));
    mg_exchange_write(x, MG_STR("two,"));
    mg_exchange_write(x, MG_STR("three"));
    mg_exchange_end(x);
    mg_exchange_end(x);
    mg_exchange_write(x, MG_STR("after the end"));
}

static inline void break_off(mg_exchange *x) {
    mg_exchange_start(x, 200, plain, 1);
    mg_exchange_write(x, MG_STR("half"));
    mg_exchange_abort(x);
}

static inline void tell_all(mg_exchange *x) {
    mg_str v = mg_exchange_header(x, MG_STR("x-a"));
    reply(x, mg_arena_printf(x->arena, "%.*s|%.*s|%.*s|%zu|%.*s|%d|%.*s|%zu", MG_STR_ARG(x->method),
                             MG_STR_ARG(x->path), MG_STR_ARG(x->query), mg_exchange_header_count(x, MG_STR("x-a")),
                             MG_STR_ARG(v), x->has_body, MG_STR_ARG(x->peer), x->n_body));
}

static inline void inject(mg_exchange *x) {
    mg_header h[] = {{MG_STR("x-good"), MG_STR("1")},
                     {MG_STR("x-bad"), MG_STR("a\r\nx-evil: 1")},
                     {MG_STR("x-bad\n"), MG_STR("a")},
                     {MG_STR("content-length"), MG_STR("999")},
                     {MG_STR("Transfer-Encoding"), MG_STR("gzip")}};
    mg_exchange_reply(x, 200, h, 5, MG_STR("ok"));
}

/* The padding must be readable: ASan sees to it. */
static inline void echo(mg_exchange *x) {
    volatile char sum = 0;
    for (size_t i = 0; i < MG_JSON_PADDING; i++) sum = (char)(sum + x->body[x->n_body + i]);
    reply(x, mg_str_from(x->body, x->n_body));
}

static inline void on_request(void *ctx, mg_exchange *x) {
    (void)ctx;
    atomic_fetch_add(&f->requests, 1);
    if (mg_str_is(x->path, "/hello"))
        reply(x, MG_STR("hello"));
    else if (mg_str_is(x->path, "/echo"))
        echo(x);
    else if (mg_str_is(x->path, "/late"))
        x->user = mg_evloop_timer(f->loop, 5, say_hello, x);
    else if (mg_str_is(x->path, "/stream"))
        start_stream(x);
    else if (mg_str_is(x->path, "/pieces"))
        stream_in_pieces(x);
    else if (mg_str_is(x->path, "/abort"))
        break_off(x);
    else if (mg_str_is(x->path, "/inject"))
        inject(x);
    else if (mg_str_is(x->path, "/wait"))
        f->waiting = x;
    else if (mg_str_is(x->path, "/silent"))
        mg_exchange_end(x);
    else if (mg_str_is(x->path, "/empty"))
        mg_exchange_reply(x, 204, NULL, 0, MG_STR(""));
    else if (mg_str_is(x->path, "/close"))
        mg_exchange_reply(x, 200, (mg_header[]){{MG_STR("connection"), MG_STR("close")}}, 1, MG_STR("bye"));
    else
        tell_all(x);
}

static inline void on_head(void *ctx, mg_exchange *x) {
    (void)ctx;
    atomic_fetch_add(&f->heads, 1);
    assert_null(x->body);
    if (mg_str_is(x->path, "/refused")) mg_exchange_reply(x, 401, plain, 1, MG_STR("no key"));
}

static inline void on_drained(void *ctx, mg_exchange *x) {
    (void)ctx;
    atomic_fetch_add(&f->drained, 1);
    pump(x);
}

static inline void on_gone(void *ctx, mg_exchange *x) {
    (void)ctx;
    if (mg_str_is(x->path, "/late")) mg_evloop_timer_cancel(f->loop, x->user);
    mg_exchange_end(x); /* too late: must do nothing */
    atomic_fetch_add(&f->gone, 1);
}

static inline void on_refuse(void *ctx, int status, mg_str message, mg_buf *body) {
    (void)ctx;
    mg_buf_printf(body, "{\"refused\":%d,\"why\":\"%.*s\"}", status, MG_STR_ARG(message));
}

static const mg_server_handler handler = {
    .head = on_head, .request = on_request, .drained = on_drained, .gone = on_gone, .refuse = on_refuse};

/* ---- fixture ----------------------------------------------------------------------------------------------------- */

static inline void *run_loop(void *arg) {
    mg_evloop_run(arg);
    return NULL;
}

static inline mg_server_limits patient(void) {
    mg_server_limits l = mg_server_limits_default();
    l.header_bytes = 4096;
    l.headers = 32;
    return l;
}

static inline void serve(mg_server_limits limits) {
    f = MG_NEW(fixture);
    f->loop = mg_evloop_create();
    f->metrics = mg_metrics_create();
    f->server = mg_server_create(f->loop, &handler, &limits, f->metrics, "test");
    pthread_create(&f->thread, NULL, run_loop, f->loop);
}

static inline void stop_thread(void) {
    mg_evloop_stop(f->loop);
    pthread_join(f->thread, NULL);
}

static inline void finish(void) {
    stop_thread();
    mg_server_destroy(f->server);
    mg_evloop_destroy(f->loop);
    mg_metrics_destroy(f->metrics);
    assert_int_equal(mg_server_bodies_bytes(), 0);
    free(f);
}

static inline void accept_posted(void *arg) { mg_server_accept(f->server, (int)(intptr_t)arg, MG_STR("test:1"), NULL); }

/* A client's end of a new connection. */
static inline int dial(void) {
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    struct timeval patience = {10, 0};
    setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(pair[1], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    assert_true(mg_evloop_post(f->loop, accept_posted, (void *)(intptr_t)pair[0]));
    return pair[1];
}

static inline void say(int fd, mg_str s) {
    while (s.n) {
        ssize_t sent = send(fd, s.p, s.n, MSG_NOSIGNAL);
        if (sent <= 0) return; /* the server may have closed already: what it answered tells */
        s = mg_str_skip(s, (size_t)sent);
    }
}

static char heard[ROOM];

/* Everything until the server closes. */
static inline const char *hear_all(int fd) {
    size_t n = 0;
    ssize_t got;
    while (n < ROOM - 1 && (got = recv(fd, heard + n, ROOM - 1 - n, 0)) > 0) n += (size_t)got;
    heard[n] = 0;
    return heard;
}

static inline size_t hear_exactly(int fd, char *to, size_t n) {
    size_t at = 0;
    ssize_t got;
    while (at < n && (got = recv(fd, to + at, n - at, 0)) > 0) at += (size_t)got;
    return at;
}

/* One answer: its head, and its body by content-length or chunks (raw). */
static inline const char *hear(int fd) {
    size_t n = 0;
    for (heard[0] = 0; n < ROOM - 1 && !strstr(heard, "\r\n\r\n"); heard[++n] = 0) {
        if (hear_exactly(fd, heard + n, 1) != 1) return heard;
    }
    const char *length = strstr(heard, "content-length: ");
    if (length) n += hear_exactly(fd, heard + n, (size_t)atoi(length + 16));
    if (strstr(heard, "transfer-encoding: chunked")) {
        size_t head = n;
        while (n < head + 5 || memcmp(heard + n - 5, "0\r\n\r\n", 5) != 0) {
            if (hear_exactly(fd, heard + n, 1) != 1) break;
            n++;
        }
    }
    heard[n] = 0;
    return heard;
}

static inline bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static inline void expect_closed(int fd) {
    char c;
    assert_int_equal(recv(fd, &c, 1, 0), 0);
    close(fd);
}

static inline void eventually(const atomic_int *counter, int value) {
    for (int i = 0; i < 5000 && *counter != value; i++) usleep(1000);
    assert_int_equal(*counter, value);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

typedef struct upload {
    int fd;
    mg_str bytes;
} upload;

static inline void *send_upload(void *arg) {
    upload *u = arg;
    say(u->fd, u->bytes);
    return NULL;
}

#endif
