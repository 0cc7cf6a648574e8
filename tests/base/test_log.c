#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

typedef struct world {
    mg_json_parser *parser;
    mg_arena *arena;
    mg_buf text; /* what was read */
    size_t at; /* how much of it was looked at */
    int fds[2]; /* a pipe: what is read from [0] was logged to [1] */
} world;

static int start(void **state) {
    world *w = MG_NEW(world);
    w->parser = mg_json_parser_create();
    w->arena = mg_arena_create(4096);
    assert_int_equal(pipe(w->fds), 0);
    *state = w;
    return 0;
}

static int stop(void **state) {
    world *w = *state;
    mg_json_parser_destroy(w->parser);
    mg_arena_destroy(w->arena);
    mg_buf_finish(&w->text);
    if (w->fds[0] >= 0) close(w->fds[0]);
    if (w->fds[1] >= 0) close(w->fds[1]);
    free(w);
    return 0;
}

/* Reads until `lines` lines are there. */
static void read_lines(world *w, size_t lines) {
    size_t have = 0;
    for (size_t i = 0; i < w->text.n; i++) have += w->text.p[i] == '\n';
    while (have < lines) {
        assert_true(mg_buf_reserve(&w->text, 65536));
        ssize_t n = read(w->fds[0], w->text.p + w->text.n, 65536);
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++) have += w->text.p[w->text.n + (size_t)i] == '\n';
        w->text.n += (size_t)n;
    }
}

/* Takes the next line off and parses it; NULL at the end. */
static const mg_json *next_line(world *w) {
    mg_str rest = mg_str_skip(mg_buf_view(&w->text), w->at);
    size_t n = mg_str_find(rest, '\n');
    if (n == rest.n) return NULL;
    const mg_json *root;
    mg_error error;
    if (mg_json_parse_copy(w->parser, w->arena, mg_str_from(rest.p, n), &root, &error) != MG_OK)
        fail_msg("%s: %.*s", error.text, (int)n, rest.p);
    w->at += n + 1;
    return root;
}

static mg_str field(const mg_json *line, const char *name) { return mg_json_text(mg_json_get(line, mg_str_of(name))); }

static void writes_json_lines(void **state) {
    world *w = *state;
    int64_t before = mg_clock_unix_ms(), time;
    mg_log_start(w->fds[1], MG_LOG_INFO);
    mg_log(MG_LOG_INFO, "request", MG_F("org", MG_STR("a\"c\nm\xff")), MG_FN("status", 200), MG_FN("least", INT64_MIN),
           MG_F("empty", MG_STR("")), MG_FN("zero", 0));
    mg_log(MG_LOG_DEBUG, "unwanted", MG_FN("x", 1));
    mg_log_stop();
    read_lines(w, 1);
    const mg_json *line = next_line(w);
    assert_null(next_line(w));
    assert_true(mg_clock_parse(field(line, "time"), &time));
    assert_true(time >= before && time <= mg_clock_unix_ms());
    assert_true(mg_str_is(field(line, "level"), "info"));
    assert_true(mg_str_is(field(line, "event"), "request"));
    assert_true(mg_str_is(field(line, "org"), "a\"c\nm\xef\xbf\xbd"));
    assert_int_equal(mg_json_int(mg_json_get(line, MG_STR("status")), 0), 200);
    assert_int_equal(mg_json_int(mg_json_get(line, MG_STR("least")), 0), INT64_MIN);
    assert_int_equal(mg_json_int(mg_json_get(line, MG_STR("zero")), 1), 0);
    assert_int_equal(field(line, "empty").n, 0);
    assert_non_null(field(line, "empty").p);
}

static void levels_change(void **state) {
    (void)state;
    mg_log_level_set(MG_LOG_WARN);
    assert_false(mg_log_on(MG_LOG_INFO));
    assert_true(mg_log_on(MG_LOG_WARN));
    assert_true(mg_log_on(MG_LOG_ERROR));
    mg_log_level_set(MG_LOG_DEBUG);
    assert_true(mg_log_on(MG_LOG_DEBUG));
}

static void cuts_long_fields(void **state) {
    world *w = *state;
    char text[3000], controls[1000];
    memset(text, 'x', sizeof text);
    memset(controls, 1, sizeof controls); /* six bytes each once escaped */
    mg_str evil = mg_str_from(controls, sizeof controls);
    mg_log_start(w->fds[1], MG_LOG_INFO);
    mg_log(MG_LOG_INFO, "long", MG_F("text", mg_str_from(text, sizeof text)));
    mg_log(MG_LOG_INFO, "too_long", MG_F("a", evil), MG_F("b", evil), MG_F("c", evil), MG_FN("d", 5));
    mg_log_stop();
    read_lines(w, 2);
    const mg_json *line = next_line(w);
    assert_int_equal(field(line, "text").n, 1000 + strlen("…"));
    assert_null(mg_json_get(line, MG_STR("truncated")));
    line = next_line(w);
    assert_int_equal(field(line, "b").n, 1000);
    assert_null(mg_json_get(line, MG_STR("c")));
    assert_int_equal(mg_json_int(mg_json_get(line, MG_STR("d")), 0), 5);
    assert_true(mg_json_bool(mg_json_get(line, MG_STR("truncated")), false));
}

static void writes_at_once_without_a_thread(void **state) {
    world *w = *state;
    mg_log_start(w->fds[1], MG_LOG_INFO);
    mg_log_stop();
    mg_log_stop();
    mg_log(MG_LOG_WARN, "after", MG_FN("n", 1));
    read_lines(w, 1);
    assert_true(mg_str_is(field(next_line(w), "event"), "after"));
}

static void errors_do_not_wait_for_more(void **state) {
    world *w = *state;
    mg_log_start(w->fds[1], MG_LOG_INFO);
    mg_log(MG_LOG_ERROR, "broken", MG_FN("n", 1));
    read_lines(w, 1); /* while the writer runs */
    assert_true(mg_str_is(field(next_line(w), "level"), "error"));
    mg_log_stop();
}

enum { THREADS = 4, LINES = 5000 };

static void *chatter(void *arg) {
    for (int i = 0; i < LINES; i++)
        mg_log(MG_LOG_INFO, "chatter", MG_FN("thread", (intptr_t)arg), MG_FN("n", i),
               MG_F("pad", MG_STR("0123456789abcdef")));
    return NULL;
}

static void *reader(void *arg) {
    read_lines(arg, THREADS * LINES);
    return NULL;
}

/* The ring wraps several times; no line is torn, and each thread's lines keep their order. */
static void threads_do_not_mix_lines(void **state) {
    world *w = *state;
    pthread_t threads[THREADS], reading;
    uint64_t dropped = mg_log_dropped();
    mg_log_start(w->fds[1], MG_LOG_INFO);
    pthread_create(&reading, NULL, reader, w);
    for (intptr_t t = 0; t < THREADS; t++) pthread_create(&threads[t], NULL, chatter, (void *)t);
    for (int t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
    mg_log_stop();
    uint64_t lost = mg_log_dropped() - dropped, told = 0, seen = 0;
    for (uint64_t i = 0; i < lost; i++) assert_int_equal(write(w->fds[1], "\n", 1), 1); /* so that the reader ends */
    pthread_join(reading, NULL);
    int64_t last[THREADS] = {-1, -1, -1, -1};
    while (w->at < w->text.n && w->text.p[w->at] != '\n') {
        const mg_json *line = next_line(w);
        int64_t t = mg_json_int(mg_json_get(line, MG_STR("thread")), -1),
                n = mg_json_int(mg_json_get(line, MG_STR("n")), -1);
        assert_in_range(t, 0, THREADS - 1);
        assert_true(n > last[t]);
        last[t] = n;
        told += (uint64_t)mg_json_int(mg_json_get(line, MG_STR("dropped")), 0);
        seen++;
        if (seen % 100 == 0) mg_arena_reset(w->arena);
    }
    assert_int_equal(seen + lost, THREADS * LINES);
    assert_true(told <= lost);
}

/* Nobody reads the pipe: the ring fills, lines are dropped and counted, nobody waits; then a line says how many. */
static void a_full_ring_drops(void **state) {
    world *w = *state;
    char pad[900];
    memset(pad, 'p', sizeof pad);
    mg_log_start(w->fds[1], MG_LOG_INFO);
    mg_log(MG_LOG_ERROR, "first", MG_FN("n", 0)); /* tells what other tests have dropped */
    read_lines(w, 1);
    w->text.n = 0;
    uint64_t dropped = mg_log_dropped(), began = mg_clock_mono_ms();
    for (int i = 0; i < 3000; i++)
        mg_log(MG_LOG_INFO, "flood", MG_FN("n", i), MG_F("pad", mg_str_from(pad, sizeof pad)));
    assert_true(mg_clock_mono_ms() - began < 1000);
    uint64_t lost = mg_log_dropped() - dropped, told = 0;
    assert_true(lost > 1000 && lost < 3000);
    read_lines(w, 1000);
    mg_log(MG_LOG_ERROR, "end", MG_FN("n", 0));
    read_lines(w, 3000 - lost + 1);
    mg_log_stop();
    assert_int_equal(mg_log_dropped() - dropped, lost);
    mg_str event = {NULL, 0};
    for (const mg_json *line; (line = next_line(w));) {
        told += (uint64_t)mg_json_int(mg_json_get(line, MG_STR("dropped")), 0);
        event = field(line, "event");
    }
    assert_true(mg_str_is(event, "end"));
    assert_int_equal(told, lost);
}

static void a_closed_reader_is_survived(void **state) {
    world *w = *state;
    uint64_t dropped = mg_log_dropped();
    close(w->fds[0]);
    w->fds[0] = -1;
    mg_log_start(w->fds[1], MG_LOG_INFO);
    mg_log(MG_LOG_ERROR, "unheard", MG_FN("n", 1));
    mg_log_stop();
    assert_int_equal(mg_log_dropped() - dropped, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(writes_json_lines, start, stop),
                                       cmocka_unit_test(levels_change),
                                       cmocka_unit_test_setup_teardown(cuts_long_fields, start, stop),
                                       cmocka_unit_test_setup_teardown(writes_at_once_without_a_thread, start, stop),
                                       cmocka_unit_test_setup_teardown(errors_do_not_wait_for_more, start, stop),
                                       cmocka_unit_test_setup_teardown(threads_do_not_mix_lines, start, stop),
                                       cmocka_unit_test_setup_teardown(a_full_ring_drops, start, stop),
                                       cmocka_unit_test_setup_teardown(a_closed_reader_is_survived, start, stop)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
