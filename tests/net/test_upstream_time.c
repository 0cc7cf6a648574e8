/* Deadlines, back-pressure, cancel and many calls at once, with both backends. */
#include "upstream_fixture.h"

#include "base/clock.h"
#include <fcntl.h>

#define OK_HELLO "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"

static void serve_hello(peer *p) {
    while (hear(p) && say(p, OK_HELLO)) {}
}

/* ---- connecting ---- */

/* A bound port that does not listen: *port, or one that the kernel chooses if that is 0. -1 if it is taken. */
static int closed_port(uint16_t *port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(*port)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&address, size) != 0) {
        close(fd);
        return -1;
    }
    getsockname(fd, (struct sockaddr *)&address, &size);
    *port = ntohs(address.sin_port);
    return fd;
}

static exchange *get_port(fixture *f, const char *host, uint16_t port) {
    exchange *x = get(f);
    snprintf(x->url, sizeof x->url, "http://%s:%u", host, port);
    x->request.base_url = mg_str_of(x->url);
    return x;
}

static void test_refused(void **state) {
    fixture *f = *state;
    uint16_t port = 0;
    int fd = closed_port(&port);
    static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]"};
    for (int i = 0; i < 3; i++) {
        exchange *x = get_port(f, hosts[i], port);
        expect(x, MG_UPSTREAM_CONNECT);
        assert_false(x->result.sent);
        assert_null(strstr(x->result.text, hosts[i]));
        finish(x);
    }
    close(fd);
}

static void test_refused_requests(void **state) {
    fixture *f = *state;
    static const mg_header evil[] = {{{"x-a", 3}, {"b\r\nevil: 1", 10}}, {{"x a", 3}, {"b", 1}}};
    f->server = server_start(serve_hello);
    for (int i = 0; i < 6; i++) {
        exchange *x = get(f);
        if (i < 2) x->request.headers = &evil[i], x->request.n_headers = 1;
        if (i == 2) x->request.path = MG_STR("/a b");
        if (i == 3) x->request.path = MG_STR("/a\r\nevil: 1");
        if (i == 4) x->request.method = MG_STR("GET /");
        if (i == 5) x->request.path = MG_STR("no-slash");
        expect(x, MG_UPSTREAM_PROTOCOL);
        assert_false(x->result.sent);
        finish(x);
    }
    exchange *x = get(f);
    x->request.base_url = MG_STR("http://user:secret@127.0.0.1/");
    expect(x, MG_UPSTREAM_CONNECT);
    assert_null(strstr(x->result.text, "secret"));
    finish(x);
    assert_int_equal(atomic_load(&f->server->connections), 0);
}

static void test_no_such_host(void **state) {
    fixture *f = *state;
    exchange *x = get_port(f, "moongate.invalid", 80);
    begin(x);
    wait_done(x);
    /* Where no name server answers, the limit strikes. */
    assert_true(x->result.end == MG_UPSTREAM_RESOLVE || x->result.end == MG_UPSTREAM_TIMEOUT_CONNECT);
    finish(x);
}

static void test_second_address(void **state) {
    fixture *f = *state;
    f->server = server_start_at(serve_hello, NULL, true);
    if (!f->server) skip();
    exchange *x = get_port(f, "localhost", f->server->port); /* 127.0.0.1 comes first, and refuses */
    expect(x, MG_UPSTREAM_COMPLETE);
    assert_body(x, "hello");
    finish(x);
    x = get_port(f, "[::1]", f->server->port);
    expect(x, MG_UPSTREAM_COMPLETE);
    finish(x);
}

enum { FILLERS = 8 };

/* A listening socket whose queue is full: the kernel lets further connects wait. False where it does not. */
static bool fill_backlog(int fd, uint16_t port, int fillers[FILLERS]) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    bool waits = false;
    if (listen(fd, 0) != 0) return false;
    for (int i = 0; i < FILLERS; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fillers[i], (struct sockaddr *)&address, sizeof address);
        struct pollfd poll_for = {.fd = fillers[i], .events = POLLOUT};
        waits = poll(&poll_for, 1, 20) == 0;
    }
    return waits;
}

static void test_connect_timeout(void **state) {
    fixture *f = *state;
    uint16_t port = 0;
    int fillers[FILLERS], fd = closed_port(&port);
    bool full = fill_backlog(fd, port, fillers);
    exchange *x = get_port(f, "127.0.0.1", port);
    x->request.timeouts = (mg_upstream_timeouts){.connect_ms = 200, .first_byte_ms = 5000};
    if (full) {
        uint64_t start = mg_clock_mono_ms();
        expect(x, MG_UPSTREAM_TIMEOUT_CONNECT);
        uint64_t took = mg_clock_mono_ms() - start;
        assert_in_range(took, 200, 2000);
        assert_false(x->result.sent);
    }
    finish(x);
    for (int i = 0; full && i < FILLERS; i++) close(fillers[i]);
    close(fd);
    if (!full) skip();
}

/* An address that does not answer: the next one is tried beside it soon, and wins. */
static void test_slow_address(void **state) {
    fixture *f = *state;
    f->server = server_start_at(serve_hello, NULL, true);
    if (!f->server) skip();
    uint16_t port = f->server->port;
    int fillers[FILLERS], fd = closed_port(&port);
    if (fd < 0) skip();
    bool full = fill_backlog(fd, port, fillers);
    if (full) {
        exchange *x = get_port(f, "localhost", port);
        uint64_t start = mg_clock_mono_ms();
        expect(x, MG_UPSTREAM_COMPLETE);
        uint64_t took = mg_clock_mono_ms() - start;
        assert_in_range(took, 150, 3000);
        finish(x);
    }
    for (int i = 0; full && i < FILLERS; i++) close(fillers[i]);
    close(fd);
    if (!full) skip();
}

/* ---- deadlines ---- */

/* Keeps silent after as much as `stage` says: 0 nothing, 1 half a head, 2 head, 3 some body, 4 drips for ever. */
static void serve_silence(peer *p) {
    if (!hear(p)) return;
    int stage = atomic_load(&p->of->stage);
    if (stage == 1) say(p, "HTTP/1.1 200 OK\r\ncontent-le");
    if (stage >= 2) say(p, "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n");
    if (stage == 3) say(p, "hello");
    while (stage == 4 && say(p, ".")) usleep(10000);
    wait_closed(p);
}

static void deadline(fixture *f, int stage, mg_upstream_timeouts limits, mg_upstream_end end) {
    atomic_store(&f->server->stage, stage);
    exchange *x = get(f);
    x->request.timeouts = limits;
    uint64_t start = mg_clock_mono_ms();
    expect(x, end);
    uint64_t took = mg_clock_mono_ms() - start;
    assert_in_range(took, 150, 3000);
    assert_true(x->result.sent);
    finish(x);
}

static void test_deadlines(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_silence);
    mg_upstream_timeouts first = {.connect_ms = 5000, .first_byte_ms = 150, .idle_ms = 9000, .total_ms = 9000};
    mg_upstream_timeouts idle = {.connect_ms = 5000, .first_byte_ms = 9000, .idle_ms = 150, .total_ms = 9000};
    mg_upstream_timeouts total = {.connect_ms = 5000, .first_byte_ms = 9000, .idle_ms = 9000, .total_ms = 150};
    deadline(f, 0, first, MG_UPSTREAM_TIMEOUT_FIRST_BYTE);
    deadline(f, 1, first, MG_UPSTREAM_TIMEOUT_FIRST_BYTE);
    deadline(f, 2, idle, MG_UPSTREAM_TIMEOUT_IDLE);
    deadline(f, 3, idle, MG_UPSTREAM_TIMEOUT_IDLE);
    deadline(f, 0, total, MG_UPSTREAM_TIMEOUT_TOTAL);
    deadline(f, 3, total, MG_UPSTREAM_TIMEOUT_TOTAL);
    total.idle_ms = 100;
    deadline(f, 4, total, MG_UPSTREAM_TIMEOUT_TOTAL); /* drips are signs of life */
}

static void serve_slowly(peer *p) {
    if (!hear(p)) return;
    say(p, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n");
    for (int i = 0; i < 10 && say(p, "."); i++) usleep(60000);
}

/* Each sign of life starts the silence anew. */
static void test_slow_but_alive(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_slowly);
    exchange *x = get(f);
    x->request.timeouts = (mg_upstream_timeouts){1000, 400, 400, 5000};
    expect(x, MG_UPSTREAM_COMPLETE);
    assert_body(x, "..........");
    finish(x);
}

/* ---- back-pressure ---- */

enum { BIG = 20000000 };

static void serve_one_big(peer *p) {
    char block[10000], head[100];
    if (atomic_load(&p->of->stage) == 1)
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    else
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n", BIG);
    say(p, head);
    for (int at = 0; at < BIG; at += (int)sizeof block) {
        for (size_t i = 0; i < sizeof block; i++) block[i] = (char)((at + (int)i) % 251);
        if (atomic_load(&p->of->stage) == 1 && !say(p, "2710\r\n")) return;
        if (!say_bytes(p, block, sizeof block)) return;
        if (atomic_load(&p->of->stage) == 1 && !say(p, "\r\n")) return;
    }
    if (atomic_load(&p->of->stage) == 1) say(p, "0\r\n\r\n");
}

static void serve_big(peer *p) {
    while (hear(p)) serve_one_big(p);
}

static void assert_big(exchange *x) {
    assert_int_equal(x->body.n, BIG);
    for (size_t i = 0; i < x->body.n; i++) {
        if (x->body.p[i] != (char)(i % 251)) fail_msg("byte %zu is wrong", i);
    }
}

/* Waits until the server is stuck, and returns how much it has sent. */
static size_t settled(server *s) {
    size_t before = 0, now = 1;
    for (int quiet = 0; quiet < 20; quiet = before == now ? quiet + 1 : 0) {
        before = now;
        usleep(20000);
        now = atomic_load(&s->sent);
    }
    return now;
}

static void test_pause(void **state) {
    fixture *f = *state;
    for (int stage = 0; stage < 2; stage++) {
        f->server = server_start(serve_big);
        atomic_store(&f->server->stage, stage);
        exchange *x = get(f);
        x->request.timeouts.idle_ms = 300; /* must stand still */
        x->pause_in_head = true;
        begin(x);
        assert_true(wait_count(f, &x->heads, 1));
        assert_in_range(settled(f->server), 1, BIG / 2);
        pthread_mutex_lock(&f->lock);
        int datas = x->datas, dones = x->dones;
        pthread_mutex_unlock(&f->lock);
        assert_int_equal(datas, 0);
        assert_int_equal(dones, 0);
        on_loop(f, pause_off, x);
        assert_true(wait_count(f, &x->datas, 3));
        on_loop(f, pause_on, x); /* from outside, within the body */
        usleep(50000);
        pthread_mutex_lock(&f->lock);
        datas = x->datas;
        pthread_mutex_unlock(&f->lock);
        usleep(50000);
        pthread_mutex_lock(&f->lock);
        assert_int_equal(x->datas, datas);
        pthread_mutex_unlock(&f->lock);
        on_loop(f, pause_off, x);
        wait_done(x);
        assert_int_equal(x->result.end, MG_UPSTREAM_COMPLETE);
        assert_big(x);
        finish(x);
        server_stop(f->server);
        f->server = NULL;
    }
}

/* Pauses after each piece; the test goes on each time. */
static void test_pause_each(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_big);
    for (int stage = 0; stage < 2; stage++) {
        atomic_store(&f->server->stage, stage);
        exchange *x = get(f);
        x->pause_in_data = true;
        begin(x);
        for (int n = 1; wait_count(f, &x->datas, n); n++) {
            pthread_mutex_lock(&f->lock);
            bool whole = x->received == BIG;
            pthread_mutex_unlock(&f->lock);
            on_loop(f, pause_off, x);
            if (whole) break;
        }
        wait_done(x);
        assert_int_equal(x->result.end, MG_UPSTREAM_COMPLETE);
        assert_big(x);
        finish(x);
    }
}

static void test_total_while_paused(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_big);
    exchange *x = get(f);
    x->request.timeouts.total_ms = 300;
    x->pause_in_head = true;
    expect(x, MG_UPSTREAM_TIMEOUT_TOTAL);
    assert_int_equal(x->datas, 0);
    finish(x);
}

/* ---- cancel ---- */

static void start_and_cancel(void *arg) {
    exchange *x = arg;
    start_now(x);
    cancel_now(x);
}

static void serve_staged(peer *p) {
    if (!hear(p)) return;
    if (atomic_load(&p->of->stage) == 0) atomic_store(&p->of->stage, 1);
    wait_stage(p->of, 2);
    say(p, OK_HELLO);
    wait_closed(p);
}

static void nothing(void *arg) { (void)arg; }

static void assert_quiet(exchange *x, int heads, int datas) {
    usleep(30000);
    on_loop(x->f, nothing, NULL); /* callbacks under way are over */
    assert_int_equal(x->heads, heads);
    assert_int_equal(x->datas, datas);
    assert_int_equal(x->dones, 0);
    assert_false(x->early);
    finish(x);
}

static void test_cancel(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_staged);
    exchange *x = get(f); /* in the turn that started it */
    on_loop(f, start_and_cancel, x);
    assert_quiet(x, 0, 0);
    x = get_port(f, "moongate.invalid", 80); /* while DNS is asked */
    on_loop(f, start_and_cancel, x);
    assert_quiet(x, 0, 0);
    x = get(f); /* failed already, but not told yet */
    x->request.base_url = MG_STR("nonsense");
    on_loop(f, start_and_cancel, x);
    assert_quiet(x, 0, 0);
    atomic_store(&f->server->stage, 0);
    x = get(f); /* while an answer is awaited */
    begin(x);
    assert_true(wait_stage(f->server, 1));
    on_loop(f, cancel_call, x);
    assert_quiet(x, 0, 0);
    atomic_store(&f->server->stage, 2);
    x = get(f);
    x->cancel_in_head = true;
    begin(x);
    assert_true(wait_count(f, &x->heads, 1));
    assert_quiet(x, 1, 0);
    x = get(f);
    x->cancel_in_data = true;
    begin(x);
    assert_true(wait_count(f, &x->datas, 1));
    assert_quiet(x, 1, 1);
    x = get(f);
    x->pause_in_head = true; /* while paused, with bytes held */
    begin(x);
    assert_true(wait_count(f, &x->heads, 1));
    on_loop(f, cancel_call, x);
    assert_quiet(x, 1, 0);
    assert_int_equal(run_get(f, MG_UPSTREAM_COMPLETE), 200); /* the client is as good as before */
}

/* One call's callback cancels another, which waits, or is in the middle of its body. */
static void test_cancel_other(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_big);
    exchange *victim = get(f), *x = get(f);
    victim->drop_body = x->drop_body = true;
    victim->pause_in_data = true;
    begin(victim);
    assert_true(wait_count(f, &victim->datas, 1));
    x->cancel_other = victim;
    expect(x, MG_UPSTREAM_COMPLETE);
    finish(x);
    assert_quiet(victim, 1, 1);
}

static void test_start_in_callbacks(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_hello);
    exchange *x = get(f), *in_head = get(f), *in_done = get(f);
    x->start_in_head = in_head;
    x->start_in_done = in_done;
    expect(x, MG_UPSTREAM_COMPLETE);
    wait_done(in_head);
    wait_done(in_done);
    assert_int_equal(in_head->status, 200);
    assert_int_equal(in_done->status, 200);
    assert_body(in_head, "hello");
    assert_body(in_done, "hello");
    finish(x);
    finish(in_head);
    finish(in_done);
}

static void test_destroy_in_flight(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_staged);
    exchange *x[4];
    for (int i = 0; i < 4; i++) {
        x[i] = i == 3 ? get_port(f, "moongate.invalid", 80) : get(f);
        begin(x[i]);
    }
    assert_true(wait_stage(f->server, 1));
    on_loop(f, destroy_client, f);
    for (int i = 0; i < 4; i++) {
        x[i]->call = NULL;
        assert_true(x[i]->dones == 0 || i == 3);
        finish(x[i]);
    }
}

/* ---- many at once ---- */

static void serve_own_path(peer *p) {
    while (hear(p)) {
        mg_str path = mg_str_skip(p->head, 4);
        path.n = mg_str_find(path, ' ');
        mg_buf out = {0};
        mg_buf_printf(&out, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        for (int i = 0; i < 50; i++) mg_buf_printf(&out, "%zx\r\n" MG_STR_FMT "\r\n", path.n, MG_STR_ARG(path));
        mg_buf_str(&out, MG_STR("0\r\n\r\n"));
        for (size_t at = 0; at < out.n; at += 97) {
            say_bytes(p, out.p + at, out.n - at < 97 ? out.n - at : 97);
            if (at % 5 == 0) sched_yield();
        }
        mg_buf_finish(&out);
    }
}

static void test_many(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_own_path);
    enum { CALLS = 64, ROUNDS = 4 };
    for (int round = 0; round < ROUNDS; round++) {
        exchange *x[CALLS];
        char path[CALLS][32];
        for (int i = 0; i < CALLS; i++) {
            int n = snprintf(path[i], sizeof path[i], "/round/%d/call/%d", round, i);
            x[i] = get(f);
            x[i]->request.path = (mg_str){path[i], (size_t)n};
            begin(x[i]);
        }
        for (int i = 0; i < CALLS; i++) {
            wait_done(x[i]);
            assert_int_equal(x[i]->result.end, MG_UPSTREAM_COMPLETE);
            assert_int_equal(x[i]->body.n, 50 * strlen(path[i]));
            assert_memory_equal(x[i]->body.p + 49 * strlen(path[i]), path[i], strlen(path[i]));
            finish(x[i]);
        }
    }
    assert_in_range(atomic_load(&f->server->connections), 1, CALLS);
    assert_int_equal(atomic_load(&f->server->requests), CALLS * ROUNDS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_refused),        BOTH(test_refused_requests),   BOTH(test_no_such_host),
        BOTH(test_second_address), BOTH(test_connect_timeout),    BOTH(test_slow_address),
        BOTH(test_deadlines),      BOTH(test_slow_but_alive),     BOTH(test_pause),
        BOTH(test_pause_each),     BOTH(test_total_while_paused), BOTH(test_cancel),
        BOTH(test_cancel_other),   BOTH(test_start_in_callbacks), BOTH(test_destroy_in_flight),
        BOTH(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
