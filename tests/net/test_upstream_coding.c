/* Compressed answers, which nobody asked for: decoded within bounds, or a clean failure. */
#include "upstream_fixture.h"

#include "net/upstream_call.h"
#include <zlib.h>

static void gzip_to(mg_buf *out, mg_str text) {
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
    mg_buf_reserve(out, deflateBound(&z, text.n));
    z.next_in = (Bytef *)text.p;
    z.avail_in = (uInt)text.n;
    z.next_out = (Bytef *)out->p + out->n;
    z.avail_out = (uInt)(out->cap - out->n);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->n += z.total_out;
    deflateEnd(&z);
}

/* What the server of a test says: a head, a body, how many bytes at a time. */
static struct {
    const char *head;
    mg_buf body;
    size_t piece;
} answer;

static void serve_length(peer *p) {
    while (hear(p)) {
        mg_buf out = {0};
        mg_buf_printf(&out, "HTTP/1.1 %s\r\ncontent-length: %zu\r\n\r\n", answer.head, answer.body.n);
        bool ok = say_bytes(p, out.p, out.n);
        for (size_t at = 0; ok && at < answer.body.n; at += answer.piece) {
            size_t left = answer.body.n - at;
            if (answer.piece < 100 && at) usleep(100);
            ok = say_bytes(p, answer.body.p + at, left < answer.piece ? left : answer.piece);
        }
        mg_buf_finish(&out);
        if (!ok) return;
    }
}

static void serve_chunks(peer *p) {
    while (hear(p)) {
        mg_buf out = {0};
        mg_buf_printf(&out, "HTTP/1.1 %s\r\ntransfer-encoding: chunked\r\n\r\n", answer.head);
        for (size_t at = 0; at < answer.body.n; at += answer.piece) {
            size_t left = answer.body.n - at, n = left < answer.piece ? left : answer.piece;
            mg_buf_printf(&out, "%zx\r\n", n);
            mg_buf_add(&out, answer.body.p + at, n);
            mg_buf_str(&out, MG_STR("\r\n"));
        }
        mg_buf_str(&out, MG_STR("0\r\n\r\n"));
        say_bytes(p, out.p, out.n);
        mg_buf_finish(&out);
    }
}

static void serve_close(peer *p) {
    if (!hear(p)) return;
    say(p, "HTTP/1.1 ");
    say(p, answer.head);
    say(p, "\r\n\r\n");
    say_bytes(p, answer.body.p, answer.body.n);
}

/* With a server of its own: threads of the one before may still look at the last answer. */
static void answer_with(fixture *f, void (*script)(peer *p), const char *head, mg_str body, size_t piece) {
    server_stop(f->server);
    answer.head = head;
    answer.piece = piece;
    mg_buf_clear(&answer.body);
    mg_buf_str(&answer.body, body);
    f->server = server_start(script);
}

static void assert_text(exchange *x, mg_str text) {
    assert_int_equal(x->body.n, text.n);
    if (text.n) assert_memory_equal(x->body.p, text.p, text.n);
}

static void test_decoded(void **state) {
    fixture *f = *state;
    mg_str text = MG_STR("{\"choices\":[{\"message\":{\"content\":\"hello\"}}]}");
    mg_buf coded = {0};
    gzip_to(&coded, text);
    static void (*const scripts[])(peer *) = {serve_length, serve_chunks, serve_close};
    for (int i = 0; i < 3; i++) {
        for (size_t piece = 1; piece <= coded.n; piece += 20) {
            answer_with(f, scripts[i], "200 OK\r\nContent-Encoding: gzip\r\ncontent-type: application/json",
                        mg_buf_view(&coded), piece);
            for (int round = 0; round < 2; round++) {
                exchange *x = get(f);
                expect(x, MG_UPSTREAM_COMPLETE);
                assert_text(x, text);
                assert_int_equal(x->result.close_delimited, i == 2);
                assert_int_equal(x->result.reused, round == 1 && i < 2);
                if (i == 0) { /* what was about the coded body is gone */
                    mg_buf_add(&x->headers, "", 1);
                    assert_string_equal(x->headers.p, "content-type=application/json\n");
                }
                finish(x);
            }
        }
    }
    mg_buf_finish(&coded);
}

static void test_without_body(void **state) {
    fixture *f = *state;
    answer_with(f, serve_length, "200 OK\r\ncontent-encoding: gzip", MG_STR(""), 1);
    exchange *x = get(f);
    expect(x, MG_UPSTREAM_COMPLETE);
    assert_int_equal(x->received, 0);
    finish(x);
    answer_with(f, serve_length, "200 OK\r\ncontent-encoding: identity", MG_STR("as it is"), 100);
    x = get(f);
    expect(x, MG_UPSTREAM_COMPLETE);
    assert_body(x, "as it is");
    finish(x);
}

static void test_refused(void **state) {
    fixture *f = *state;
    static const char *const heads[] = {"200 OK\r\ncontent-encoding: br", "200 OK\r\ncontent-encoding: gzip, gzip",
                                        "200 OK\r\ncontent-encoding: gzip\r\ncontent-encoding: gzip",
                                        "500 Broken\r\ncontent-encoding: zstd"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        answer_with(f, serve_length, heads[i], MG_STR("whatever"), 100);
        exchange *x = get(f);
        expect(x, MG_UPSTREAM_PROTOCOL);
        assert_int_equal(x->heads, 0);
        assert_non_null(strstr(x->result.text, "content-encoding"));
        finish(x);
    }
}

static void test_damaged(void **state) {
    fixture *f = *state;
    mg_buf coded = {0};
    gzip_to(&coded, MG_STR("hello"));
    for (size_t n = 1; n < coded.n; n++) { /* HTTP says that it is whole, gzip that it is not */
        answer_with(f, serve_length, "200 OK\r\ncontent-encoding: gzip", (mg_str){coded.p, n}, 100);
        exchange *x = get(f);
        expect(x, MG_UPSTREAM_PROTOCOL);
        assert_string_equal(x->result.text, "the compressed answer is cut");
        finish(x);
    }
    answer_with(f, serve_length, "200 OK\r\ncontent-encoding: gzip", MG_STR("{\"not\":\"gzip\"}"), 100);
    exchange *x = get(f);
    expect(x, MG_UPSTREAM_PROTOCOL);
    assert_string_equal(x->result.text, "the compressed answer is damaged");
    assert_int_equal(x->received, 0);
    finish(x);
    mg_buf_finish(&coded);
}

static void test_bomb(void **state) {
    fixture *f = *state;
    mg_buf zeros = {0}, coded = {0};
    mg_buf_reserve(&zeros, 20 << 20);
    zeros.n = 20 << 20;
    memset(zeros.p, 0, zeros.n);
    gzip_to(&coded, mg_buf_view(&zeros));
    answer_with(f, serve_length, "200 OK\r\ncontent-encoding: gzip", mg_buf_view(&coded), 1 << 20);
    exchange *x = get(f);
    expect(x, MG_UPSTREAM_TOO_LARGE);
    assert_true(x->received < 4 << 20);
    finish(x);
    mg_buf_finish(&coded);
    mg_buf_finish(&zeros);
}

static mg_buf noise(size_t n) {
    mg_buf b = {0};
    srand(9);
    mg_buf_reserve(&b, n);
    for (; b.n < n; b.n++) b.p[b.n] = (char)('a' + rand() % 4);
    return b;
}

static void test_max_body(void **state) {
    fixture *f = *state;
    mg_buf text = noise(100000), coded = {0};
    gzip_to(&coded, mg_buf_view(&text));
    answer_with(f, serve_length, "200 OK\r\ncontent-encoding: gzip", mg_buf_view(&coded), 1 << 20);
    for (size_t max = 99999; max <= 100000; max++) {
        exchange *x = get(f);
        x->request.max_body = max;
        expect(x, max < 100000 ? MG_UPSTREAM_TOO_LARGE : MG_UPSTREAM_COMPLETE);
        assert_true(x->received <= max);
        finish(x);
    }
    mg_buf_finish(&coded);
    mg_buf_finish(&text);
}

/* A pause within every piece: nothing comes while it lasts, nothing is lost, and the end comes last. */
static void test_paused(void **state) {
    fixture *f = *state;
    mg_buf text = noise(300000), coded = {0};
    gzip_to(&coded, mg_buf_view(&text));
    answer_with(f, serve_length, "200 OK\r\ncontent-encoding: gzip", mg_buf_view(&coded), 1 << 20);
    for (int round = 0; round < 3; round++) {
        exchange *x = get(f);
        x->pause_in_data = true;
        begin(x);
        for (int pieces = 1;; pieces++) {
            pthread_mutex_lock(&f->lock);
            while (x->datas < pieces && !x->dones) pthread_cond_wait(&f->changed, &f->lock);
            bool done = x->dones > 0;
            pthread_mutex_unlock(&f->lock);
            if (done) break;
            if (pieces == 3) usleep(50000);
            pthread_mutex_lock(&f->lock);
            assert_int_equal(x->datas, pieces);
            pthread_mutex_unlock(&f->lock);
            on_loop(f, pause_off, x);
        }
        assert_int_equal(x->result.end, MG_UPSTREAM_COMPLETE);
        assert_text(x, mg_buf_view(&text));
        assert_true(x->datas > 5);
        assert_int_equal(x->result.reused, round > 0);
        finish(x);
    }
    mg_buf_finish(&coded);
    mg_buf_finish(&text);
}

/* The connection has served its purpose, but the paused caller has not been given all: what ends such a call. */
static void test_ended_while_paused(void **state) {
    fixture *f = *state;
    mg_buf text = noise(300000), coded = {0};
    gzip_to(&coded, mg_buf_view(&text));
    answer_with(f, serve_length, "200 OK\r\ncontent-encoding: gzip", mg_buf_view(&coded), 1 << 20);
    exchange *x = get(f);
    x->pause_in_data = true;
    begin(x);
    assert_true(wait_count(f, &x->datas, 1));
    usleep(50000);
    on_loop(f, cancel_call, x);
    assert_int_equal(x->dones, 0);
    finish(x);
    x = get(f);
    x->cancel_in_data = true;
    begin(x);
    assert_true(wait_count(f, &x->datas, 1));
    on_loop(f, cancel_call, x);
    assert_int_equal(x->datas, 1);
    finish(x);
    x = get(f);
    x->pause_in_data = true;
    x->request.timeouts.total_ms = 300;
    expect(x, MG_UPSTREAM_TIMEOUT_TOTAL);
    assert_int_equal(x->datas, 1);
    finish(x);
    x = get(f); /* and while the client is destroyed */
    x->pause_in_data = true;
    begin(x);
    assert_true(wait_count(f, &x->datas, 1));
    on_loop(f, destroy_client, f);
    assert_int_equal(x->dones, 0);
    finish(x);
    mg_buf_finish(&coded);
    mg_buf_finish(&text);
}

static void serve_half(peer *p) {
    if (!hear(p)) return;
    say(p, "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1000000\r\n\r\n");
    say_bytes(p, answer.body.p, answer.body.n / 2);
    if (atomic_load(&p->of->stage) == 1) reset(p);
}

static void test_broken_connection(void **state) {
    fixture *f = *state;
    mg_buf text = noise(100000), coded = {0};
    gzip_to(&coded, mg_buf_view(&text));
    answer_with(f, serve_half, "", mg_buf_view(&coded), 1);
    exchange *x = get(f);
    expect(x, MG_UPSTREAM_RESET);
    assert_true(x->received > 1000);
    assert_memory_equal(x->body.p, text.p, x->body.n);
    finish(x);
    mg_buf_finish(&coded);
    mg_buf_finish(&text);
}

static int finish_answer(void **state) {
    (void)state;
    mg_buf_finish(&answer.body);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_decoded),
        BOTH(test_without_body),
        BOTH(test_refused),
        BOTH(test_damaged),
        BOTH(test_bomb),
        BOTH(test_max_body),
        BOTH(test_paused),
        BOTH(test_ended_while_paused),
        BOTH(test_broken_connection),
    };
    return cmocka_run_group_tests(tests, NULL, finish_answer);
}
