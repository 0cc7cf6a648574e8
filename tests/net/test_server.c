/* What the server answers: whole and streamed, pipelined, with bodies of all kinds. */
#include "server_fixture.h"

#include <sys/resource.h>

/* ---- answers ----------------------------------------------------------------------------------------------------- */

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
    assert_true(
        ends_with(hear(fd), "transfer-encoding: chunked\r\n\r\n4\r\none,\r\n4\r\ntwo,\r\n5\r\nthree\r\n0\r\n\r\n"));
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

/* ---- pipelining -------------------------------------------------------------------------------------------------- */

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
    pipeline("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
             "\r\n\r\nabc");
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
    struct rusage before, after; /* while it waits for the client it sleeps */
    getrusage(RUSAGE_SELF, &before);
    usleep(200000);
    getrusage(RUSAGE_SELF, &after);
    timersub(&after.ru_utime, &before.ru_utime, &after.ru_utime);
    timersub(&after.ru_stime, &before.ru_stime, &after.ru_stime);
    assert_in_range(after.ru_utime.tv_sec + after.ru_stime.tv_sec, 0, 0);
    assert_in_range(after.ru_utime.tv_usec + after.ru_stime.tv_usec, 0, 20000);
    size_t whole = sent / sizeof text;
    for (size_t i = 0; i < whole; i++) assert_true(ends_with(hear(fd), "xxx"));
    close(fd);
    finish();
}

/* ---- bodies ------------------------------------------------------------------------------------------------------ */

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
    split_anywhere("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n "
                   "world\r\n0\r\nt: v\r\n\r\n",
                   "\r\n\r\nhello world");
    finish();
}

static void byte_by_byte(void **state) {
    (void)state;
    serve(patient());
    int fd = dial();
    mg_str text =
        MG_STR("\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" GET(
            "/hello"));
    for (size_t i = 0; i < text.n; i++) {
        say(fd, mg_str_from(text.p + i, 1));
        usleep(100);
    }
    assert_true(ends_with(hear(fd), "\r\n\r\nhello"));
    assert_true(ends_with(hear(fd), "\r\n\r\nhello"));
    close(fd);
    finish();
}

/* Sent from a thread, since the answer comes while the rest of the request still waits to be sent. */
static void large(bool chunked) {
    enum { N = 3 << 20 };
    int fd = dial();
    mg_buf b = {0};
    char *payload = malloc(N);
    for (size_t i = 0; i < N; i++) payload[i] = (char)('a' + i * 7 % 26);
    mg_buf_printf(&b, "POST /echo HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n",
                  chunked ? "Transfer-Encoding: chunked" : "Content-Length: 3145728");
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
    say(fd,
        MG_STR(
            "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok")); /* no wait */
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
    say(fd,
        MG_STR(
            "POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
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
                                       cmocka_unit_test(refused_before_the_body)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
