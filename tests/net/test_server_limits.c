/* What the server refuses, how long it waits, what happens when clients go, and its end. */
#include "server_fixture.h"

/* ---- errors of the server ---------------------------------------------------------------------------------------- */

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
    expect_refusal(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" GET("/hello"),
        400);
    expect_refusal("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", 400);
    expect_refusal("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501);
    expect_refusal("POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab", 415);
    expect_refusal("POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\nContent-Length: 2\r\n\r\nab", 417);
    expect_refusal("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405);
    expect_refusal("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
    assert_int_equal(f->requests, 0);
    mg_header label = {MG_STR("status"), MG_STR("400")};
    assert_int_equal(mg_series_value(mg_metrics_series(f->metrics, "moongate_http_errors_total", MG_COUNTER, "", NULL,
                                                       0, &label, 1)),
                     4);
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

/* ---- time limits ------------------------------------------------------------------------------------------------- */

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

/* ---- counted limits ---------------------------------------------------------------------------------------------- */

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
    mg_series *refused =
        mg_metrics_series(f->metrics, "moongate_connections_refused_total", MG_COUNTER, "", NULL, 0, &label, 1);
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

/* ---- clients that go, or are slow -------------------------------------------------------------------------------- */

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
        GET("/hello"),
        GET("/late"),
        GET("/pieces"),
        GET("/stream?n=200000"),
        GET("/wait"),
        GET("/abort"),
        GET("/refused"),
        "rubbish\r\n\r\n",
        "HEAD /stream?n=200000 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /pieces HTTP/1.0\r\n\r\n",
        "GET /abort HTTP/1.0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "POST /late HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"};
    mg_server_limits l = patient();
    l.write_ms = l.body_ms = 1000;
    serve(l);
    unsigned seed = 4711;
    for (int round = 0; round < 1500; round++) {
        mg_buf all = {0};
        int fd = dial(), requests = 1 + rand_r(&seed) % 4;
        for (int i = 0; i < requests; i++)
            mg_buf_str(&all, mg_str_of(texts[(size_t)rand_r(&seed) % (sizeof texts / sizeof *texts)]));
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

/* ---- the end ----------------------------------------------------------------------------------------------------- */

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
    const struct CMUnitTest tests[] = {cmocka_unit_test(malformed_requests),
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
