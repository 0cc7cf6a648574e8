/* The server on a loop in a thread of its own; clients are blocking sockets in the test's thread, over socket pairs. */
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

/* ---- the handler -------------------------------------------------------------------------------------------------- */

typedef struct stream {
    size_t left;
} stream;

static const mg_header plain[] = {{{"content-type", 12}, {"text/plain", 10}}};

static void reply(mg_exchange *x, mg_str body) { mg_exchange_reply(x, 200, plain, 1, body); }

static void pump(mg_exchange *x) {
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

static void start_stream(mg_exchange *x) {
    stream *s = MG_ARENA_NEW(x->arena, stream);
    s->left = (size_t)atoi(mg_exchange_query(x, MG_STR("n")).p);
    x->user = s;
    mg_exchange_start(x, 200, plain, 1);
    pump(x);
}

static void say_hello(void *arg) { reply(arg, MG_STR("late")); }

static void stream_in_pieces(mg_exchange *x) {
    mg_exchange_start(x, 200, plain, 1);
    mg_exchange_write(x, MG_STR("one,"));
    mg_exchange_write(x, MG_STR(""));
    mg_exchange_write(x, MG_STR("two,"));
    mg_exchange_write(x, MG_STR("three"));
    mg_exchange_end(x);
    mg_exchange_end(x);
    mg_exchange_write(x, MG_STR("after the end"));
}

static void break_off(mg_exchange *x) {
    mg_exchange_start(x, 200, plain, 1);
    mg_exchange_write(x, MG_STR("half"));
    mg_exchange_abort(x);
}

static void tell_all(mg_exchange *x) {
    mg_str v = mg_exchange_header(x, MG_STR("x-a"));
    reply(x, mg_arena_printf(x->arena, "%.*s|%.*s|%.*s|%zu|%.*s|%d|%.*s|%zu", MG_STR_ARG(x->method), MG_STR_ARG(x->path),
                             MG_STR_ARG(x->query), mg_exchange_header_count(x, MG_STR("x-a")), MG_STR_ARG(v), x->has_body,
                             MG_STR_ARG(x->peer), x->n_body));
}

static void inject(mg_exchange *x) {
    mg_header h[] = {{MG_STR("x-good"), MG_STR("1")},
                     {MG_STR("x-bad"), MG_STR("a\r\nx-evil: 1")},
                     {MG_STR("x-bad\n"), MG_STR("a")},
                     {MG_STR("content-length"), MG_STR("999")},
                     {MG_STR("Transfer-Encoding"), MG_STR("gzip")}};
    mg_exchange_reply(x, 200, h, 5, MG_STR("ok"));
}

/* The padding must be readable: ASan sees to it. */
static void echo(mg_exchange *x) {
    volatile char sum = 0;
    for (size_t i = 0; i < MG_JSON_PADDING; i++) sum = (char)(sum + x->body[x->n_body + i]);
    reply(x, mg_str_from(x->body, x->n_body));
}

static void on_request(void *ctx, mg_exchange *x) {
    (void)ctx;
    atomic_fetch_add(&f->requests, 1);
    if (mg_str_is(x->path, "/hello")) reply(x, MG_STR("hello"));
    else if (mg_str_is(x->path, "/echo")) echo(x);
    else if (mg_str_is(x->path, "/late")) x->user = mg_evloop_timer(f->loop, 5, say_hello, x);
    else if (mg_str_is(x->path, "/stream")) start_stream(x);
    else if (mg_str_is(x->path, "/pieces")) stream_in_pieces(x);
    else if (mg_str_is(x->path, "/abort")) break_off(x);
    else if (mg_str_is(x->path, "/inject")) inject(x);
    else if (mg_str_is(x->path, "/wait")) f->waiting = x;
    else if (mg_str_is(x->path, "/silent")) mg_exchange_end(x);
    else if (mg_str_is(x->path, "/empty")) mg_exchange_reply(x, 204, NULL, 0, MG_STR(""));
    else if (mg_str_is(x->path, "/close")) mg_exchange_reply(x, 200, (mg_header[]){{MG_STR("connection"), MG_STR("close")}}, 1, MG_STR("bye"));
    else tell_all(x);
}

static void on_head(void *ctx, mg_exchange *x) {
    (void)ctx;
    atomic_fetch_add(&f->heads, 1);
    assert_null(x->body);
    if (mg_str_is(x->path, "/refused")) mg_exchange_reply(x, 401, plain, 1, MG_STR("no key"));
}

static void on_drained(void *ctx, mg_exchange *x) {
    (void)ctx;
    atomic_fetch_add(&f->drained, 1);
    pump(x);
}

static void on_gone(void *ctx, mg_exchange *x) {
    (void)ctx;
    if (mg_str_is(x->path, "/late")) mg_evloop_timer_cancel(f->loop, x->user);
    mg_exchange_end(x); /* too late: must do nothing */
    atomic_fetch_add(&f->gone, 1);
}

static void on_refuse(void *ctx, int status, mg_str message, mg_buf *body) {
    (void)ctx;
    mg_buf_printf(body, "{\"refused\":%d,\"why\":\"%.*s\"}", status, MG_STR_ARG(message));
}

static const mg_server_handler handler = {
    .head = on_head, .request = on_request, .drained = on_drained, .gone = on_gone, .refuse = on_refuse};

/* ---- fixture ------------------------------------------------------------------------------------------------------ */

static void *run_loop(void *arg) {
    mg_evloop_run(arg);
    return NULL;
}

static mg_server_limits patient(void) {
    mg_server_limits l = mg_server_limits_default();
    l.header_bytes = 4096;
    l.headers = 32;
    return l;
}

static void serve(mg_server_limits limits) {
    f = MG_NEW(fixture);
    f->loop = mg_evloop_create();
    f->metrics = mg_metrics_create();
    f->server = mg_server_create(f->loop, &handler, &limits, f->metrics, "test");
    pthread_create(&f->thread, NULL, run_loop, f->loop);
}

static void stop_thread(void) {
    mg_evloop_stop(f->loop);
    pthread_join(f->thread, NULL);
}

static void finish(void) {
    stop_thread();
    mg_server_destroy(f->server);
    mg_evloop_destroy(f->loop);
    mg_metrics_destroy(f->metrics);
    assert_int_equal(mg_server_bodies_bytes(), 0);
    free(f);
}

static void accept_posted(void *arg) {
    mg_server_accept(f->server, (int)(intptr_t)arg, MG_STR("test:1"), NULL);
}

/* A client's end of a new connection. */
static int dial(void) {
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    struct timeval patience = {10, 0};
    setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(pair[1], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    assert_true(mg_evloop_post(f->loop, accept_posted, (void *)(intptr_t)pair[0]));
    return pair[1];
}

static void say(int fd, mg_str s) {
    while (s.n) {
        ssize_t sent = send(fd, s.p, s.n, MSG_NOSIGNAL);
        if (sent <= 0) return; /* the server may have closed already: what it answered tells */
        s = mg_str_skip(s, (size_t)sent);
    }
}

static char heard[ROOM];

/* Everything until the server closes. */
static const char *hear_all(int fd) {
    size_t n = 0;
    ssize_t got;
    while (n < ROOM - 1 && (got = recv(fd, heard + n, ROOM - 1 - n, 0)) > 0) n += (size_t)got;
    heard[n] = 0;
    return heard;
}

static size_t hear_exactly(int fd, char *to, size_t n) {
    size_t at = 0;
    ssize_t got;
    while (at < n && (got = recv(fd, to + at, n - at, 0)) > 0) at += (size_t)got;
    return at;
}

/* One answer: its head, and its body by content-length or chunks (raw). */
static const char *hear(int fd) {
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

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static void expect_closed(int fd) {
    char c;
    assert_int_equal(recv(fd, &c, 1, 0), 0);
    close(fd);
}

static void eventually(const atomic_int *counter, int value) {
    for (int i = 0; i < 5000 && *counter != value; i++) usleep(1000);
    assert_int_equal(*counter, value);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

/* ---- answers ------------------------------------------------------------------------------------------------------ */

static void plain_answers(void **state) {
    (void)state;
    serve(patient());
    int fd = dial();
    for (int i = 0; i < 3; i++) { /* keep-alive */
        say(fd, MG_STR(GET("/hello")));
        const char *answer = hear(fd);
        assert_true(mg_str_starts(mg_str_of(answer), MG_STR("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ndate: ")));
        assert_non_null(strstr(answer, " GMT\r\ncontent-length: 5\r\n\r\nhello"));
        assert_null(strstr(answer, "connection:"));
    }
    say(fd, MG_STR("POST /all?p=1&q HTTP/1.1\r\nhost: a\r\nX-A: one\r\nx-a: two\r\ncontent-length: 3\r\n\r\nabc"));
    assert_true(ends_with(hear(fd), "\r\n\r\nPOST|/all|p=1&q|2|one|1|test:1|3"));
    say(fd, MG_STR("GET http://other/x?y HTTP/1.1\r\nhost: a\r\n\r\n"));
    assert_true(ends_with(hear(fd), "\r\n\r\nGET|/x|y|0||0|test:1|0"));
    say(fd, MG_STR(GET("/late")));
    assert_true(ends_with(hear(fd), "\r\n\r\nlate"));
    say(fd, MG_STR(GET("/empty")));
    assert_null(strstr(hear(fd), "content-length"));
    say(fd, MG_STR(GET("/silent")));
    assert_non_null(strstr(hear(fd), "HTTP/1.1 500 "));
    say(fd, MG_STR("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n" GET("/hello")));
    say(fd, MG_STR("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    const char *rest = hear_all(fd);
    assert_true(ends_with(rest, "connection: close\r\n\r\nhello"));
    assert_non_null(strstr(rest, "content-length: 5\r\n\r\nHTTP/1.1 200 OK")); /* HEAD: no body */
    close(fd);
    finish();
}

static void streams(void **state) {
    (void)state;
    serve(patient());
    int fd = dial();
    say(fd, MG_STR(GET("/pieces")));
    assert_true(ends_with(hear(fd), "transfer-encoding: chunked\r\n\r\n4\r\none,\r\n4\r\ntwo,\r\n5\r\nthree\r\n0\r\n\r\n"));
    say(fd, MG_STR("HEAD /pieces HTTP/1.1\r\nHost: a\r\n\r\n" GET("/hello")));
    char first[512];
    size_t n = 0;
    for (first[0] = 0; !strstr(first, "\r\n\r\n"); first[++n] = 0) assert_int_equal(hear_exactly(fd, first + n, 1), 1);
    assert_true(ends_with(hear(fd), "\r\n\r\nhello"));
    say(fd, MG_STR(GET("/abort")));
    assert_true(ends_with(hear_all(fd), "\r\n\r\n4\r\nhalf\r\n")); /* no last chunk */
    close(fd);
    finish();
}

static void http_1_0(void **state) {
    (void)state;
    serve(patient());
    int fd = dial();
    say(fd, MG_STR("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    assert_true(ends_with(hear(fd), "content-length: 5\r\nconnection: keep-alive\r\n\r\nhello"));
    say(fd, MG_STR("GET /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    assert_true(ends_with(hear_all(fd), "connection: close\r\n\r\none,two,three"));
    close(fd);
    fd = dial();
    say(fd, MG_STR("GET /hello HTTP/1.0\r\n\r\n"));
    assert_true(ends_with(hear_all(fd), "connection: close\r\n\r\nhello"));
    close(fd);
    finish();
}

static void headers_cannot_be_injected(void **state) {
    (void)state;
    serve(patient());
    int fd = dial();
    say(fd, MG_STR(GET("/inject")));
    const char *answer = hear(fd);
    assert_non_null(strstr(answer, "x-good: 1\r\n"));
    assert_null(strstr(answer, "x-evil"));
    assert_null(strstr(answer, "x-bad"));
    assert_null(strstr(answer, "999"));
    assert_null(strstr(answer, "gzip"));
    say(fd, MG_STR(GET("/close")));
    assert_true(ends_with(hear_all(fd), "connection: close\r\n\r\nbye"));
    close(fd);
    finish();
}

/* ---- pipelining --------------------------------------------------------------------------------------------------- */

static void pipeline(const char *request, const char *end) {
    enum { N = 100 };
    int fd = dial();
    mg_buf all = {0};
    for (int i = 0; i < N; i++) mg_buf_str(&all, mg_str_of(request));
    say(fd, mg_buf_view(&all));
    for (int i = 0; i < N; i++) assert_true(ends_with(hear(fd), end));
    mg_buf_finish(&all);
    close(fd);
}

static void pipelined_requests(void **state) {
    (void)state;
    serve(patient());
    pipeline(GET("/hello"), "\r\n\r\nhello");
    pipeline(GET("/late"), "\r\n\r\nlate");
    pipeline("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345", "\r\n\r\n12345");
    pipeline("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", "\r\n\r\nabc");
    pipeline(GET("/pieces"), "three\r\n0\r\n\r\n");
    assert_int_equal(f->requests, 500);
    finish();
}

/* Requests of a client that reads no answer: the server stops reading, and goes on when the answers are taken. */
static void pipelining_is_bounded(void **state) {
    (void)state;
    enum { N = 4000 };
    serve(patient());
    int fd = dial();
    struct timeval soon = {0, 300000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon);
    static const char request[] = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n";
    static char text[sizeof request - 1 + 1000];
    memcpy(text, request, sizeof request - 1);
    memset(text + sizeof request - 1, 'x', 1000);
    size_t sent = 0;
    for (ssize_t n; sent < N * sizeof text; sent += (size_t)n) {
        n = send(fd, text + sent % sizeof text, sizeof text - sent % sizeof text, MSG_NOSIGNAL);
        if (n <= 0) break;
    }
    assert_true(sent < N * sizeof text); /* 4 MB don't fit in what the server reads ahead */
    size_t whole = sent / sizeof text;
    for (size_t i = 0; i < whole; i++) assert_true(ends_with(hear(fd), "xxx"));
    close(fd);
    finish();
}

/* ---- bodies ------------------------------------------------------------------------------------------------------- */

static void split_anywhere(const char *request, const char *end) {
    mg_str text = mg_str_of(request);
    for (size_t at = 1; at < text.n; at++) {
        int fd = dial();
        int before = f->requests;
        say(fd, mg_str_from(text.p, at));
        if (at % 5 == 0) usleep(300); /* mostly together, sometimes apart */
        say(fd, mg_str_skip(text, at));
        assert_true(ends_with(hear(fd), end));
        assert_int_equal(f->requests, before + 1);
        close(fd);
    }
}

static void bodies_split_anywhere(void **state) {
    (void)state;
    serve(patient());
    split_anywhere("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world", "\r\n\r\nhello world");
    split_anywhere("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nt: v\r\n\r\n",
                   "\r\n\r\nhello world");
    finish();
}

static void byte_by_byte(void **state) {
    (void)state;
    serve(patient());
    int fd = dial();
    mg_str text = MG_STR("\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" GET("/hello"));
    for (size_t i = 0; i < text.n; i++) {
        say(fd, mg_str_from(text.p + i, 1));
        usleep(100);
    }
    assert_true(ends_with(hear(fd), "\r\n\r\nhello"));
    assert_true(ends_with(hear(fd), "\r\n\r\nhello"));
    close(fd);
    finish();
}

typedef struct upload {
    int fd;
    mg_str bytes;
} upload;

static void *send_upload(void *arg) {
    upload *u = arg;
    say(u->fd, u->bytes);
    return NULL;
}

/* Sent from a thread, since the answer comes while the rest of the request still waits to be sent. */
static void large(bool chunked) {
    enum { N = 3 << 20 };
    int fd = dial();
    mg_buf b = {0};
    char *payload = malloc(N);
    for (size_t i = 0; i < N; i++) payload[i] = (char)('a' + i * 7 % 26);
    mg_buf_printf(&b, "POST /echo HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", chunked ? "Transfer-Encoding: chunked" : "Content-Length: 3145728");
    if (chunked) {
        for (size_t at = 0; at < N; at += 65536) {
            mg_buf_printf(&b, "10000\r\n");
            mg_buf_add(&b, payload + at, 65536);
            mg_buf_printf(&b, "\r\n");
        }
        mg_buf_printf(&b, "0\r\n\r\n");
    } else {
        mg_buf_add(&b, payload, N);
    }
    upload u = {fd, mg_buf_view(&b)};
    pthread_t thread;
    pthread_create(&thread, NULL, send_upload, &u);
    const char *answer = hear(fd);
    pthread_join(thread, NULL);
    const char *body = strstr(answer, "\r\n\r\n") + 4;
    assert_memory_equal(body, payload, N);
    free(payload);
    mg_buf_finish(&b);
    close(fd);
}

static void large_bodies(void **state) {
    (void)state;
    serve(patient());
    large(false);
    large(true);
    finish();
}

static void continue_when_wanted(void **state) {
    (void)state;
    serve(patient());
    int fd = dial();
    say(fd, MG_STR("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    assert_string_equal(hear(fd), "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, MG_STR("ok"));
    assert_true(ends_with(hear(fd), "\r\n\r\nok"));
    say(fd, MG_STR("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok")); /* did not wait */
    assert_true(mg_str_starts(mg_str_of(hear(fd)), MG_STR("HTTP/1.1 200 OK")));
    say(fd, MG_STR("POST /refused HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    const char *answer = hear_all(fd);
    assert_null(strstr(answer, "100 Continue"));
    assert_true(ends_with(answer, "connection: close\r\n\r\nno key"));
    close(fd);
    finish();
}

static void refused_before_the_body(void **state) {
    (void)state;
    serve(patient());
    int fd = dial();
    say(fd, MG_STR("POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
    const char *answer = hear_all(fd); /* the body is not taken for a request */
    assert_true(ends_with(answer, "connection: close\r\n\r\nno key"));
    assert_null(strstr(answer + 1, "HTTP/1.1 "));
    assert_int_equal(f->requests, 0);
    close(fd);
    fd = dial();
    say(fd, MG_STR(GET("/refused") GET("/hello"))); /* no body: the connection goes on */
    assert_true(ends_with(hear(fd), "\r\n\r\nno key"));
    assert_true(ends_with(hear(fd), "\r\n\r\nhello"));
    assert_int_equal(f->gone, 0);
    close(fd);
    finish();
}

/* ---- errors of the server ----------------------------------------------------------------------------------------- */

static void expect_refusal(const char *request, int status) {
    char start[32];
    int fd = dial();
    say(fd, mg_str_of(request));
    const char *answer = hear_all(fd);
    snprintf(start, sizeof start, "HTTP/1.1 %d ", status);
    if (!mg_str_starts(mg_str_of(answer), mg_str_of(start))) fail_msg("not %d: %s -> %s", status, request, answer);
    assert_non_null(strstr(answer, "connection: close\r\n"));
    snprintf(start, sizeof start, "{\"refused\":%d,", status);
    assert_non_null(strstr(answer, start));
    assert_null(strstr(answer, "}HTTP/1.1 "));
    close(fd);
}

static void malformed_requests(void **state) {
    (void)state;
    serve(patient());
    expect_refusal("GET / HTTP/1.1\r\n\r\n" GET("/hello"), 400);
    expect_refusal("GET /\r\n\r\n", 400);
    expect_refusal("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" GET("/hello"), 400);
    expect_refusal("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", 400);
    expect_refusal("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501);
    expect_refusal("POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab", 415);
    expect_refusal("POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\nContent-Length: 2\r\n\r\nab", 417);
    expect_refusal("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405);
    expect_refusal("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
    assert_int_equal(f->requests, 0);
    mg_header label = {MG_STR("status"), MG_STR("400")};
    assert_int_equal(mg_series_value(mg_metrics_series(f->metrics, "moongate_http_errors_total", MG_COUNTER, "", NULL, 0, &label, 1)), 4);
    int fd = dial();
    say(fd, MG_STR(GET("/hello") "rubbish\r\n\r\n"));
    const char *both = hear_all(fd);
    assert_non_null(strstr(both, "hello"));
    assert_non_null(strstr(both, "HTTP/1.1 400 "));
    close(fd);
    finish();
}

static void oversized_requests(void **state) {
    (void)state;
    mg_server_limits l = patient();
    l.body_bytes = 1000;
    l.header_bytes = 600;
    l.headers = 4;
    serve(l);
    expect_refusal("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", 413); /* before any of it came */
    expect_refusal("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n0123456789", 413);
    finish();
}

static void oversized_heads(void **state) {
    (void)state;
    mg_server_limits l = patient();
    l.header_bytes = 600;
    l.headers = 4;
    serve(l);
    char text[1200];
    memset(text, 'a', sizeof text);
    memcpy(text, "GET /", 5);
    text[sizeof text - 1] = 0;
    expect_refusal(text, 414);
    memcpy(text, "GET / HTTP/1.1\r\nx: ", 19);
    expect_refusal(text, 431);
    expect_refusal("GET / HTTP/1.1\r\nHost: a\r\na: 1\r\nb: 1\r\nc: 1\r\nd: 1\r\n\r\n", 431);
    finish();
}

/* The answer arrives although the client has sent much that nobody reads: no reset in between. */
static void lingers_after_an_error(void **state) {
    (void)state;
    mg_server_limits l = patient();
    l.body_bytes = 1000;
    serve(l);
    int fd = dial();
    mg_buf b = {0};
    mg_buf_printf(&b, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n");
    mg_buf_reserve(&b, 500000);
    memset(b.p + b.n, 'x', 500000);
    b.n += 500000;
    say(fd, mg_buf_view(&b));
    assert_non_null(strstr(hear_all(fd), "HTTP/1.1 413 "));
    mg_buf_finish(&b);
    close(fd);
    finish();
}

/* ---- time limits -------------------------------------------------------------------------------------------------- */

static mg_server_limits hasty(void) {
    mg_server_limits l = patient();
    l.header_ms = l.body_ms = l.idle_ms = 200;
    l.write_ms = 300;
    return l;
}

static void *drip(void *arg) {
    upload *u = arg;
    for (size_t i = 0; i < u->bytes.n && send(u->fd, u->bytes.p + i, 1, MSG_NOSIGNAL) == 1; i++) usleep(30000);
    return NULL;
}

static void slow_heads(void **state) {
    (void)state;
    serve(hasty());
    int fd = dial();
    upload u = {fd, MG_STR("GET /hello HTTP/1.1\r\nHost: abcdefghijklmnopqrstuvwxyz\r\n\r\n")};
    pthread_t thread;
    pthread_create(&thread, NULL, drip, &u); /* 1.7 s in all: each byte is prompt, the head is not */
    const char *answer = hear_all(fd);
    assert_non_null(strstr(answer, "HTTP/1.1 408 "));
    shutdown(fd, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(fd);
    finish();
}

static void slow_bodies(void **state) {
    (void)state;
    serve(hasty());
    int fd = dial();
    say(fd, MG_STR("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc"));
    assert_non_null(strstr(hear_all(fd), "HTTP/1.1 408 "));
    assert_int_equal(f->gone, 1); /* `head` knew of it */
    assert_int_equal(f->requests, 0);
    close(fd);
    fd = dial(); /* slow, but never silent for long */
    say(fd, MG_STR("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n"));
    upload u = {fd, MG_STR("abcdefghijklmnopqrst")};
    drip(&u);
    assert_true(ends_with(hear(fd), "\r\n\r\nabcdefghijklmnopqrst"));
    close(fd);
    finish();
}

static void idle_connections_close(void **state) {
    (void)state;
    serve(hasty());
    int fd = dial(), waiting = dial();
    say(waiting, MG_STR(GET("/wait")));
    say(fd, MG_STR(GET("/hello")));
    hear(fd);
    uint64_t start = mg_clock_mono_ms();
    expect_closed(fd);
    assert_in_range(mg_clock_mono_ms() - start, 100, 3000);
    expect_closed(dial());
    assert_int_equal(f->gone, 0); /* a handler may take its time */
    struct pollfd p = {waiting, POLLIN, 0};
    assert_int_equal(poll(&p, 1, 0), 0);
    close(waiting);
    eventually(&f->gone, 1);
    finish();
}

static void stalled_readers_are_dropped(void **state) {
    (void)state;
    serve(hasty());
    int fd = dial();
    say(fd, MG_STR(GET("/stream?n=20000000")));
    eventually(&f->gone, 1);
    assert_int_equal(f->drained, 0);
    close(fd);
    finish();
}

/* ---- counted limits ----------------------------------------------------------------------------------------------- */

static void too_many_connections(void **state) {
    (void)state;
    mg_server_limits l = patient();
    l.connections = 2;
    serve(l);
    int a = dial(), b = dial();
    say(a, MG_STR(GET("/hello")));
    hear(a);
    int c = dial();
    const char *answer = hear_all(c);
    assert_non_null(strstr(answer, "HTTP/1.1 503 Service Unavailable\r\n"));
    assert_non_null(strstr(answer, "retry-after: 1\r\n"));
    close(c);
    mg_header label = {MG_STR("server"), MG_STR("test")};
    mg_series *refused = mg_metrics_series(f->metrics, "moongate_connections_refused_total", MG_COUNTER, "", NULL, 0, &label, 1);
    mg_series *open = mg_metrics_series(f->metrics, "moongate_connections", MG_GAUGE, "", NULL, 0, &label, 1);
    assert_int_equal(mg_series_value(refused), 1);
    assert_int_equal(mg_series_value(open), 2);
    close(a);
    for (int i = 0; i < 2000 && mg_series_value(open) != 1; i++) usleep(1000);
    a = dial();
    say(a, MG_STR(GET("/hello")));
    assert_true(ends_with(hear(a), "\r\n\r\nhello"));
    close(a);
    close(b);
    finish();
}

static void bodies_in_all(void **state) {
    (void)state;
    mg_server_limits l = patient();
    l.bodies_bytes_total = 200 * 1024;
    serve(l);
    int a = dial(), b = dial();
    mg_buf text = {0};
    mg_buf_printf(&text, "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 150000\r\n\r\n");
    size_t head = text.n;
    mg_buf_reserve(&text, 150000);
    memset(text.p + head, 'x', 150000);
    text.n += 150000;
    say(a, mg_buf_view(&text));
    eventually(&f->requests, 1);
    assert_in_range(mg_server_bodies_bytes(), 150000, 200 * 1024);
    say(b, mg_buf_view(&text));
    assert_non_null(strstr(hear_all(b), "HTTP/1.1 503 "));
    close(b);
    close(a);
    eventually(&f->gone, 2);
    int c = dial(); /* there is room again */
    say(c, mg_buf_view(&text));
    eventually(&f->requests, 2);
    close(c);
    eventually(&f->gone, 3);
    mg_buf_finish(&text);
    finish();
}

static void requests_on_a_connection(void **state) {
    (void)state;
    mg_server_limits l = patient();
    l.requests = 3;
    serve(l);
    int fd = dial();
    say(fd, MG_STR(GET("/hello") GET("/hello") GET("/hello") GET("/hello")));
    hear(fd);
    assert_null(strstr(hear(fd), "connection: close"));
    assert_non_null(strstr(hear(fd), "connection: close"));
    expect_closed(fd);
    assert_int_equal(f->requests, 3);
    finish();
}

/* ---- clients that go, or are slow --------------------------------------------------------------------------------- */

static void gone_at_once(void **state) {
    (void)state;
    serve(patient());
    int fd = dial();
    say(fd, MG_STR(GET("/wait")));
    eventually(&f->requests, 1);
    close(fd);
    eventually(&f->gone, 1);
    fd = dial();
    say(fd, MG_STR(GET("/wait")));
    eventually(&f->requests, 2);
    shutdown(fd, SHUT_WR); /* the end of what it sends counts as gone */
    eventually(&f->gone, 2);
    expect_closed(fd);
    fd = dial(); /* in the middle of the body: `head` was called, `request` not */
    say(fd, MG_STR("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc"));
    eventually(&f->heads, 3);
    close(fd);
    eventually(&f->gone, 3);
    fd = dial(); /* in the middle of the head: nobody knows of it */
    say(fd, MG_STR("GET /hel"));
    close(fd);
    fd = dial(); /* with pipelined requests behind it */
    say(fd, MG_STR(GET("/wait") GET("/hello")));
    eventually(&f->requests, 3);
    close(fd);
    eventually(&f->gone, 4);
    assert_int_equal(f->requests, 3);
    finish();
}

static void answer_of_a_half_closed_client(void **state) {
    (void)state;
    serve(patient());
    int fd = dial();
    say(fd, MG_STR(GET("/hello")));
    shutdown(fd, SHUT_WR);
    assert_true(ends_with(hear_all(fd), "\r\n\r\nhello")); /* it was made before the end was seen */
    close(fd);
    finish();
}

static void back_pressure(void **state) {
    (void)state;
    enum { N = 3000000 };
    serve(patient());
    int fd = dial();
    say(fd, MG_STR(GET("/stream?n=3000000")));
    usleep(100000); /* the client stalls */
    size_t written = f->streamed;
    assert_true(written < N / 2);
    usleep(50000);
    assert_int_equal(f->streamed, written); /* and so does the handler */
    const char *answer = hear(fd);
    assert_int_equal(f->streamed, N);
    assert_true(f->drained > 2);
    size_t chunks = 0, at = (size_t)(strstr(answer, "\r\n\r\n") + 4 - answer), total = 0;
    for (size_t n; (n = strtoul(heard + at, NULL, 16)) > 0; chunks++, total += n) {
        at = (size_t)(strstr(heard + at, "\r\n") + 2 - heard) + n + 2;
    }
    assert_int_equal(total, N);
    say(fd, MG_STR(GET("/hello")));
    assert_true(ends_with(hear(fd), "\r\n\r\nhello"));
    close(fd);
    finish();
}

static void gone_in_the_middle_of_a_stream(void **state) {
    (void)state;
    serve(patient());
    int fd = dial();
    say(fd, MG_STR(GET("/stream?n=20000000")));
    assert_int_equal(hear_exactly(fd, heard, 100000), 100000);
    close(fd);
    eventually(&f->gone, 1);
    finish();
}

/* Many connections with requests of all kinds, cut at random places, some broken off or with rubbish in them. */
static void disorder(void **state) {
    (void)state;
    static const char *const texts[] = {
        GET("/hello"), GET("/late"), GET("/pieces"), GET("/stream?n=200000"), GET("/wait"), GET("/abort"), GET("/refused"), "rubbish\r\n\r\n",
        "HEAD /stream?n=200000 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /pieces HTTP/1.0\r\n\r\n", "GET /abort HTTP/1.0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "POST /late HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"};
    mg_server_limits l = patient();
    l.write_ms = l.body_ms = 1000;
    serve(l);
    unsigned seed = 4711;
    for (int round = 0; round < 1500; round++) {
        mg_buf all = {0};
        int fd = dial(), requests = 1 + rand_r(&seed) % 4;
        for (int i = 0; i < requests; i++) mg_buf_str(&all, mg_str_of(texts[(size_t)rand_r(&seed) % (sizeof texts / sizeof *texts)]));
        for (size_t at = 0; at < all.n;) {
            size_t n = 1 + (size_t)rand_r(&seed) % all.n;
            if (n > all.n - at) n = all.n - at;
            if (rand_r(&seed) % 8 == 0) break;
            if (send(fd, all.p + at, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) break;
            at += n;
            if (rand_r(&seed) % 4 == 0) usleep((useconds_t)(rand_r(&seed) % 300));
            if (rand_r(&seed) % 4 == 0) recv(fd, heard, (size_t)(rand_r(&seed) % ROOM), MSG_DONTWAIT);
        }
        mg_buf_finish(&all);
        if (rand_r(&seed) % 4 == 0) shutdown(fd, SHUT_WR);
        close(fd);
    }
    mg_header label = {MG_STR("server"), MG_STR("test")};
    mg_series *open = mg_metrics_series(f->metrics, "moongate_connections", MG_GAUGE, "", NULL, 0, &label, 1);
    for (int i = 0; i < 5000 && mg_series_value(open); i++) usleep(1000);
    assert_int_equal(mg_series_value(open), 0);
    assert_true(f->requests > 1000);
    finish();
}

/* ---- the end ------------------------------------------------------------------------------------------------------ */

static void drain_done(void *arg) { atomic_store(&((fixture *)arg)->done, 1); }
static void drain_posted(void *arg) { mg_server_drain(f->server, drain_done, arg); }
static void reply_posted(void *arg) {
    (void)arg;
    reply(f->waiting, MG_STR("at last"));
}

static void drains(void **state) {
    (void)state;
    serve(patient());
    int idle = dial(), busy = dial(), partial = dial();
    say(idle, MG_STR(GET("/hello")));
    hear(idle);
    say(partial, MG_STR("GET /hello HT"));
    say(busy, MG_STR(GET("/wait")));
    eventually(&f->requests, 2);
    mg_evloop_post(f->loop, drain_posted, f);
    expect_closed(idle);
    assert_int_equal(f->done, 0);
    say(partial, MG_STR("TP/1.1\r\nHost: a\r\n\r\n"));
    assert_true(ends_with(hear_all(partial), "connection: close\r\n\r\nhello"));
    close(partial);
    int late = dial(); /* was in the listener's queue */
    say(late, MG_STR(GET("/hello")));
    assert_true(ends_with(hear_all(late), "connection: close\r\n\r\nhello"));
    close(late);
    assert_int_equal(f->done, 0);
    mg_evloop_post(f->loop, reply_posted, NULL);
    assert_true(ends_with(hear_all(busy), "connection: close\r\n\r\nat last"));
    close(busy);
    eventually(&f->done, 1);
    assert_int_equal(f->gone, 0);
    finish();
}

static void drains_nothing(void **state) {
    (void)state;
    serve(patient());
    mg_evloop_post(f->loop, drain_posted, f);
    eventually(&f->done, 1);
    finish();
}

static void destroyed_with_open_exchanges(void **state) {
    (void)state;
    serve(patient());
    int a = dial(), b = dial();
    say(a, MG_STR(GET("/wait")));
    say(b, MG_STR("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"));
    eventually(&f->heads, 2);
    stop_thread();
    mg_server_destroy(f->server);
    assert_int_equal(f->gone, 2);
    expect_closed(a);
    expect_closed(b);
    mg_evloop_destroy(f->loop);
    mg_metrics_destroy(f->metrics);
    free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(plain_answers),
                                       cmocka_unit_test(streams),
                                       cmocka_unit_test(http_1_0),
                                       cmocka_unit_test(headers_cannot_be_injected),
                                       cmocka_unit_test(pipelined_requests),
                                       cmocka_unit_test(pipelining_is_bounded),
                                       cmocka_unit_test(bodies_split_anywhere),
                                       cmocka_unit_test(byte_by_byte),
                                       cmocka_unit_test(large_bodies),
                                       cmocka_unit_test(continue_when_wanted),
                                       cmocka_unit_test(refused_before_the_body),
                                       cmocka_unit_test(malformed_requests),
                                       cmocka_unit_test(oversized_requests),
                                       cmocka_unit_test(oversized_heads),
                                       cmocka_unit_test(lingers_after_an_error),
                                       cmocka_unit_test(slow_heads),
                                       cmocka_unit_test(slow_bodies),
                                       cmocka_unit_test(idle_connections_close),
                                       cmocka_unit_test(stalled_readers_are_dropped),
                                       cmocka_unit_test(too_many_connections),
                                       cmocka_unit_test(bodies_in_all),
                                       cmocka_unit_test(requests_on_a_connection),
                                       cmocka_unit_test(gone_at_once),
                                       cmocka_unit_test(answer_of_a_half_closed_client),
                                       cmocka_unit_test(back_pressure),
                                       cmocka_unit_test(gone_in_the_middle_of_a_stream),
                                       cmocka_unit_test(disorder),
                                       cmocka_unit_test(drains),
                                       cmocka_unit_test(drains_nothing),
                                       cmocka_unit_test(destroyed_with_open_exchanges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
