/* What both backends do with answers, whole, broken and late. */
#include "upstream_fixture.h"

#include "net/upstream_call.h"

#define OK_HELLO "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"

static void serve_hello(peer *p) {
    while (hear(p) && say(p, OK_HELLO)) {}
}

static void test_get(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_hello);
    exchange *x = get(f);
    expect(x, MG_UPSTREAM_COMPLETE);
    assert_int_equal(x->status, 200);
    assert_body(x, "hello");
    assert_int_equal(x->heads, 1);
    assert_string_equal(x->result.text, "complete");
    assert_false(x->result.close_delimited);
    assert_false(x->result.reused);
    assert_true(x->result.sent);
    mg_buf_add(&x->headers, "", 1);
    assert_string_equal(x->headers.p, "content-length=5\n");
    finish(x);
}

/* Answers with the request's head, in lower case: header names are compared so. */
static void serve_echo_head(peer *p) {
    while (hear(p)) {
        mg_buf out = {0};
        mg_buf_printf(&out, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\ncontent-length: %zu\r\n\r\n", p->head.n);
        mg_buf_str(&out, p->head);
        for (size_t i = out.n - p->head.n; i < out.n; i++) {
            if (out.p[i] >= 'A' && out.p[i] <= 'Z') out.p[i] += 32;
        }
        say_bytes(p, out.p, out.n);
        mg_buf_finish(&out);
    }
}

static void assert_sent(exchange *x, const char *text, bool wanted) {
    mg_buf_add(&x->body, "", 1);
    bool there = strstr(x->body.p, text) != NULL;
    if (there != wanted) fail_msg("%s in the request: %s", text, x->body.p);
    x->body.n--;
}

static void test_request(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_echo_head);
    static const mg_header headers[] = {
        {{"authorization", 13}, {"bearer abc", 10}},
        {{"content-type", 12}, {"application/json", 16}},
        {{"x-empty", 7}, {"", 0}},
        {{"connection", 10}, {"close", 5}},
        {{"content-length", 14}, {"999", 3}},
        {{"host", 4}, {"evil", 4}},
        {{"transfer-encoding", 17}, {"chunked", 7}},
        {{"expect", 6}, {"100-continue", 12}},
    };
    exchange *x = make(f, "POST", "/chat/completions?a=b", MG_STR("{}"));
    x->request.headers = headers;
    x->request.n_headers = sizeof headers / sizeof *headers;
    strcat(x->url, "/v1/");
    x->request.base_url = mg_str_of(x->url);
    expect(x, MG_UPSTREAM_COMPLETE);
    char host[64];
    snprintf(host, sizeof host, "\r\nhost: 127.0.0.1:%u\r\n", f->server->port);
    assert_sent(x, "post /v1/chat/completions?a=b http/1.1\r\n", true);
    assert_sent(x, host, true);
    assert_sent(x, "\r\nauthorization: bearer abc\r\n", true);
    assert_sent(x, "\r\ncontent-type: application/json\r\n", true);
    assert_sent(x, "\r\nx-empty:", true);
    assert_sent(x, "\r\ncontent-length: 2\r\n", true);
    assert_sent(x, "evil", false);
    assert_sent(x, "999", false);
    assert_sent(x, "close", false);
    assert_sent(x, "chunked", false);
    assert_sent(x, "expect", false);
    finish(x);
    x = get(f);
    x->request.path = MG_STR("");
    expect(x, MG_UPSTREAM_COMPLETE);
    assert_sent(x, "get / http/1.1\r\n", true);
    assert_sent(x, "accept", false);
    assert_sent(x, "user-agent", false);
    assert_sent(x, "authorization", false);
    assert_sent(x, "content-", false);
    finish(x);
    x = make(f, "POST", "/", (mg_str){0});
    expect(x, MG_UPSTREAM_COMPLETE);
    assert_sent(x, "\r\ncontent-length: 0\r\n", true);
    assert_sent(x, "content-type", false);
    finish(x);
    x = make(f, "DELETE", "/v1/files/1", (mg_str){0});
    expect(x, MG_UPSTREAM_COMPLETE);
    assert_sent(x, "delete /v1/files/1 http/1.1\r\n", true);
    finish(x);
    assert_int_equal(atomic_load(&f->server->connections), 1);
}

static void serve_sum(peer *p) {
    while (hear(p)) {
        uint32_t sum = 0;
        for (size_t i = 0; i < p->body.n; i++) sum = sum * 31 + (uint8_t)p->body.p[i];
        char text[64], out[128];
        int n = snprintf(text, sizeof text, "%zu %u", p->body.n, sum);
        snprintf(out, sizeof out, "HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s", n, text);
        say(p, out);
    }
}

static void test_large_request(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_sum);
    mg_buf body = {0};
    uint32_t sum = 0;
    for (int i = 0; i < 5000000; i++) {
        char c = (char)(i * 7 + i / 1000);
        mg_buf_add(&body, &c, 1);
        sum = sum * 31 + (uint8_t)c;
    }
    for (int i = 0; i < 2; i++) {
        exchange *x = make(f, "POST", "/", mg_buf_view(&body));
        expect(x, MG_UPSTREAM_COMPLETE);
        char text[64];
        snprintf(text, sizeof text, "%zu %u", body.n, sum);
        assert_body(x, text);
        finish(x);
    }
    assert_int_equal(atomic_load(&f->server->connections), 1);
    mg_buf_finish(&body);
}

static void test_keep_alive(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_hello);
    for (int i = 0; i < 5; i++) {
        exchange *x = get(f);
        expect(x, MG_UPSTREAM_COMPLETE);
        assert_body(x, "hello");
        assert_int_equal(x->result.reused, i > 0);
        finish(x);
    }
    assert_int_equal(atomic_load(&f->server->connections), 1);
}

/* The first connection breaks at its second request: `stage` 1 closes, 2 resets. */
static void serve_stale(peer *p) {
    for (int i = 0; hear(p); i++) {
        if (p->index == 0 && i == 1) {
            if (atomic_load(&p->of->stage) == 2) reset(p);
            return;
        }
        say(p, OK_HELLO);
    }
}

static void test_stale(void **state) {
    fixture *f = *state;
    for (int stage = 1; stage <= 2; stage++) {
        f->server = server_start(serve_stale);
        atomic_store(&f->server->stage, stage);
        run_get(f, MG_UPSTREAM_COMPLETE);
        exchange *x = make(f, "POST", "/", MG_STR("{\"model\":\"m\"}"));
        expect(x, MG_UPSTREAM_COMPLETE);
        assert_body(x, "hello");
        assert_false(x->result.reused);
        assert_int_equal(atomic_load(&f->server->requests), 3);
        finish(x);
        server_stop(f->server);
        f->server = NULL;
    }
}

/* Closes after each answer without saying so. */
static void serve_one(peer *p) {
    if (hear(p)) say(p, OK_HELLO);
}

static void test_closed_while_idle(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_one);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(run_get(f, MG_UPSTREAM_COMPLETE), 200);
        usleep(20000);
    }
    assert_int_equal(atomic_load(&f->server->connections), 3);
}

static void serve_mute(peer *p) {
    if (!hear(p)) return;
    if (atomic_load(&p->of->stage) == 2) reset(p);
}

static void test_closed_before_answer(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_mute);
    for (int stage = 1; stage <= 2; stage++) {
        atomic_store(&f->server->stage, stage);
        exchange *x = get(f);
        expect(x, MG_UPSTREAM_RESET);
        assert_true(x->result.sent);
        assert_int_equal(x->heads, 0);
        finish(x);
    }
    assert_int_equal(atomic_load(&f->server->connections), 2); /* a fresh connection is not tried again */
}

static const char chunked_answer[] = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
                                     "5\r\nhello\r\n6;ext=1\r\n, worl\r\n1\r\nd\r\n0\r\ntrailer: x\r\n\r\n";

/* Cuts its answer at one byte after the other, request by request. */
static void serve_chunked(peer *p) {
    size_t n = sizeof chunked_answer - 1;
    for (size_t cut = 0; hear(p); cut = (cut + 1) % n) {
        say_bytes(p, chunked_answer, cut);
        if (cut) usleep(1000);
        say_bytes(p, chunked_answer + cut, n - cut);
    }
}

static void test_chunked(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_chunked);
    for (size_t i = 0; i < sizeof chunked_answer; i++) {
        exchange *x = get(f);
        expect(x, MG_UPSTREAM_COMPLETE);
        assert_body(x, "hello, world");
        assert_int_equal(x->heads, 1);
        assert_false(x->result.close_delimited);
        finish(x);
    }
    assert_int_equal(atomic_load(&f->server->connections), 1);
}

/* Answers with the text that the test left, and closes. */
static _Atomic(const char *) scripted;
static void serve_scripted(peer *p) {
    if (!hear(p)) return;
    say(p, atomic_load(&scripted));
}
static void serve_scripted_reset(peer *p) {
    if (!hear(p)) return;
    say(p, atomic_load(&scripted));
    wait_stage(p->of, 1);
    reset(p);
}

static exchange *answer(fixture *f, const char *text, mg_upstream_end end) {
    atomic_store(&scripted, text);
    if (!f->server) f->server = server_start(serve_scripted);
    exchange *x = get(f);
    expect(x, end);
    return x;
}

static void test_close_delimited(void **state) {
    fixture *f = *state;
    exchange *x =
        answer(f, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: x\n\n", MG_UPSTREAM_COMPLETE);
    assert_body(x, "data: x\n\n");
    assert_true(x->result.close_delimited);
    finish(x);
    x = answer(f, "HTTP/1.0 200 OK\r\n\r\n", MG_UPSTREAM_COMPLETE);
    assert_body(x, "");
    assert_true(x->result.close_delimited);
    finish(x);
}

static void test_truncated(void **state) {
    fixture *f = *state;
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nhello",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        exchange *x = answer(f, answers[i], MG_UPSTREAM_RESET);
        assert_body(x, "hello");
        finish(x);
    }
}

static void test_reset_in_body(void **state) {
    fixture *f = *state;
    atomic_store(&scripted, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello");
    f->server = server_start(serve_scripted_reset);
    exchange *x = get(f);
    begin(x);
    assert_true(wait_count(f, &x->datas, 1));
    atomic_store(&f->server->stage, 1);
    wait_done(x);
    assert_int_equal(x->result.end, MG_UPSTREAM_RESET);
    assert_body(x, "hello");
    finish(x);
}

static void test_rubbish(void **state) {
    fixture *f = *state;
    static const char *const answers[] = {
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "<html>not HTTP</html>\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\ncontent-length: 0\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        exchange *x = answer(f, answers[i], MG_UPSTREAM_PROTOCOL);
        assert_int_equal(x->body.n, 0);
        finish(x);
    }
}

static void test_large_head(void **state) {
    fixture *f = *state;
    mg_buf text = {0};
    mg_buf_str(&text, MG_STR("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"));
    while (text.n < 40000)
        mg_buf_str(&text, MG_STR("x-long: 0123456789012345678901234567890123456789012345678901234567890"
                                 "12345678901234567890123456789012345678901234567890123456789012345678901"
                                 "234567890123456789012345678901234567890123456789012345678901234567890"
                                 "12345678901234567890\r\n"));
    size_t n = text.n;
    mg_buf_add(&text, "\r\n", 3);
    exchange *x = answer(f, text.p, MG_UPSTREAM_COMPLETE);
    assert_true(x->headers.n > 35000);
    finish(x);
    text.n = n;
    mg_str once = {text.p + 36, n - 36};
    mg_buf twice = {0};
    mg_buf_str(&twice, mg_buf_view(&text));
    mg_buf_str(&twice, once);
    mg_buf_add(&twice, "\r\n", 3);
    finish(answer(f, twice.p, MG_UPSTREAM_PROTOCOL));
    server_stop(f->server); /* it may still be sending */
    f->server = NULL;
    mg_buf_finish(&text);
    mg_buf_finish(&twice);
}

static void test_informational(void **state) {
    fixture *f = *state;
    exchange *x = answer(f,
                         "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
                         "HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok",
                         MG_UPSTREAM_COMPLETE);
    assert_int_equal(x->heads, 1);
    assert_int_equal(x->status, 201);
    assert_body(x, "ok");
    finish(x);
}

static void serve_bodiless(peer *p) {
    while (hear(p)) {
        if (mg_str_starts(p->head, MG_STR("HEAD")))
            say(p, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
        else if (mg_str_starts(p->head, MG_STR("DELETE")))
            say(p, "HTTP/1.1 204 No Content\r\n\r\n");
        else if (mg_str_starts(p->head, MG_STR("PATCH")))
            say(p, "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n");
        else
            say(p, OK_HELLO);
    }
}

static void test_bodiless(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_bodiless);
    static const char *const methods[] = {"HEAD", "DELETE", "PATCH", "GET", "HEAD", "POST"};
    static const int statuses[] = {200, 204, 304, 200, 200, 200};
    for (size_t i = 0; i < 6; i++) {
        exchange *x = make(f, methods[i], "/", (mg_str){0});
        expect(x, MG_UPSTREAM_COMPLETE);
        assert_int_equal(x->status, statuses[i]);
        assert_int_equal(x->body.n, i == 3 || i == 5 ? 5 : 0);
        assert_false(x->result.close_delimited);
        finish(x);
    }
    assert_int_equal(atomic_load(&f->server->connections), 1);
}

static void serve_extra(peer *p) {
    while (hear(p) && say(p, OK_HELLO "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")) {}
}

static void test_extra_bytes(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_extra);
    for (int i = 0; i < 3; i++) {
        exchange *x = get(f);
        expect(x, MG_UPSTREAM_COMPLETE);
        assert_body(x, "hello");
        finish(x);
    }
    assert_int_equal(atomic_load(&f->server->connections), 3);
}

static void serve_large(peer *p) {
    static char block[10000];
    if (!hear(p)) return;
    say(p,
        atomic_load(&p->of->stage) ? "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" : "HTTP/1.1 200 OK\r\n\r\n");
    for (int i = 0; i < 10 && say_bytes(p, block, sizeof block); i++) {}
}

static void test_too_large(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_large);
    for (int stage = 0; stage < 2; stage++) {
        atomic_store(&f->server->stage, stage);
        exchange *x = get(f);
        x->request.max_body = 99999;
        expect(x, MG_UPSTREAM_TOO_LARGE);
        assert_true(x->body.n <= 99999);
        finish(x);
        x = get(f);
        x->request.max_body = 100000;
        expect(x, MG_UPSTREAM_COMPLETE);
        assert_int_equal(x->body.n, 100000);
        finish(x);
    }
}

/* Answers before it has read the body, and reads no more of it. */
static void serve_early(peer *p) {
    if (!hear_head(p)) return;
    say(p, "HTTP/1.1 413 Payload Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nno!");
    wait_closed(p);
}

static void test_early_answer(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_early);
    char *body = mg_calloc(1, 20000000);
    exchange *x = make(f, "POST", "/", (mg_str){body, 20000000});
    expect(x, MG_UPSTREAM_COMPLETE);
    assert_int_equal(x->status, 413);
    assert_body(x, "no!");
    finish(x);
    free(body);
}

static void test_names_and_urls(void **state) {
    (void)state;
    assert_string_equal(mg_upstream_end_name(MG_UPSTREAM_CONNECT), "connect");
    assert_string_equal(mg_upstream_end_name(MG_UPSTREAM_TIMEOUT_IDLE), "timeout_idle");
    assert_string_equal(mg_upstream_end_name((mg_upstream_end)99), "unknown");
    mg_upstream_url u;
    assert_true(mg_upstream_url_parse(MG_STR("https://api.openai.com/v1/"), &u));
    assert_true(u.tls && u.port == 443 && mg_str_is(u.host, "api.openai.com") && mg_str_is(u.prefix, "/v1"));
    assert_true(mg_upstream_url_parse(MG_STR("http://[::1]:8080"), &u));
    assert_true(!u.tls && u.port == 8080 && u.v6 && mg_str_is(u.host, "::1") && u.prefix.n == 0);
    static const char *const bad[] = {
        "",
        "api.openai.com",
        "ftp://x",
        "http://",
        "http://u:p@x/",
        "http://x:0",
        "http://x:65536",
        "http://x:",
        "http://x:80a",
        "http://x?q=1",
        "http://x/a?b",
        "http://x/#f",
        "http://x y/",
        "http://[::1",
        "http://[x]",
        "http://x/a b",
        "https://x\r\n",
        "http://x/\x7f",
        "http://[]",
        "http://[::1]80",
        "http://a:b:80",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (mg_upstream_url_parse(mg_str_of(bad[i]), &u)) fail_msg("accepted: %s", bad[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_urls),
        BOTH(test_get),
        BOTH(test_request),
        BOTH(test_large_request),
        BOTH(test_keep_alive),
        BOTH(test_stale),
        BOTH(test_closed_while_idle),
        BOTH(test_closed_before_answer),
        BOTH(test_chunked),
        BOTH(test_close_delimited),
        BOTH(test_truncated),
        BOTH(test_reset_in_body),
        BOTH(test_rubbish),
        BOTH(test_large_head),
        BOTH(test_informational),
        BOTH(test_bodiless),
        BOTH(test_extra_bytes),
        BOTH(test_too_large),
        BOTH(test_early_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
