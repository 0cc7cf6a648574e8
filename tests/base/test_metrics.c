#include "base/metrics.h"
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

static void output_is(mg_metrics *m, const char *want) {
    mg_buf out = {0};
    mg_metrics_write(m, &out);
    mg_buf_add(&out, "", 1);
    assert_string_equal(out.p, want);
    mg_buf_finish(&out);
}

static mg_series *counter(mg_metrics *m, const char *name, const mg_header *labels, size_t n) {
    return mg_metrics_series(m, name, MG_COUNTER, "Help.", NULL, 0, labels, n);
}

static void writes_prometheus(void **state) {
    (void)state;
    mg_metrics *m = mg_metrics_create();
    output_is(m, "");
    const mg_header ab[] = {{MG_STR("a"), MG_STR("1")}, {MG_STR("b"), MG_STR("q\"\\\n\xff\xc3\xa9")}};
    const mg_header ba[] = {ab[1], ab[0]};
    const double bounds[] = {0.1, 2.5, 10};
    mg_series *s = counter(m, "requests_total", ab, 2);
    mg_series_add(s, 3);
    assert_ptr_equal(counter(m, "requests_total", ba, 2), s);
    assert_ptr_not_equal(counter(m, "requests_total", NULL, 0), s);
    mg_series *g = mg_metrics_series(m, "in_flight", MG_GAUGE, "Line\nand \\ \"quote\".", NULL, 0, NULL, 0);
    mg_series_set(g, 7);
    mg_series_add(g, -9);
    mg_series *h = mg_metrics_series(m, "seconds", MG_HISTOGRAM, "Time.", bounds, 3, ab, 1);
    mg_series_observe(h, 0.1);
    mg_series_observe(h, 0.11);
    mg_series_observe(h, 1e9);
    mg_series_observe(h, -1);
    mg_series_observe(h, (double)NAN);
    assert_int_equal(mg_series_value(s), 3);
    assert_int_equal(mg_series_value(h), 4);
    output_is(m, "# HELP requests_total Help.\n# TYPE requests_total counter\n"
                 "requests_total{a=\"1\",b=\"q\\\"\\\\\\n\xef\xbf\xbd\xc3\xa9\"} 3\nrequests_total 0\n"
                 "# HELP in_flight Line\\nand \\\\ \"quote\".\n# TYPE in_flight gauge\nin_flight -2\n"
                 "# HELP seconds Time.\n# TYPE seconds histogram\n"
                 "seconds_bucket{a=\"1\",le=\"0.1\"} 2\nseconds_bucket{a=\"1\",le=\"2.5\"} 3\n"
                 "seconds_bucket{a=\"1\",le=\"10\"} 3\nseconds_bucket{a=\"1\",le=\"+Inf\"} 4\n"
                 "seconds_sum{a=\"1\"} 999999999.21\nseconds_count{a=\"1\"} 4\n");
    mg_metrics_destroy(m);
    mg_metrics_destroy(NULL);
}

static void refuses(void **state) {
    (void)state;
    mg_metrics *m = mg_metrics_create();
    const mg_header bad_name = {MG_STR("a-b"), MG_STR("x")},
                    twice[] = {{MG_STR("a"), MG_STR("1")}, {MG_STR("a"), MG_STR("2")}};
    const mg_header le = {MG_STR("le"), MG_STR("1")};
    const double falling[] = {2, 1}, same[] = {1, 1};
    mg_header many[17];
    char names[17][4];
    for (int i = 0; i < 17; i++) {
        sprintf(names[i], "l%d", i);
        many[i] = (mg_header){mg_str_of(names[i]), MG_STR("x")};
    }
    assert_null(counter(m, "", NULL, 0));
    assert_null(counter(m, "1a", NULL, 0));
    assert_null(counter(m, "a b", NULL, 0));
    assert_null(counter(m, "a", &bad_name, 1));
    assert_null(counter(m, "a", twice, 2));
    assert_null(counter(m, "a", many, 17));
    assert_non_null(counter(m, "a", many, 16));
    assert_non_null(counter(m, "a", &le, 1));
    assert_null(mg_metrics_series(m, "h", MG_HISTOGRAM, "", falling, 2, NULL, 0));
    assert_null(mg_metrics_series(m, "h", MG_HISTOGRAM, "", same, 2, NULL, 0));
    assert_null(mg_metrics_series(m, "h", MG_HISTOGRAM, "", falling, 1, &le, 1));
    assert_null(mg_metrics_series(m, "a", MG_GAUGE, "", NULL, 0, NULL, 0));
    mg_series_add(NULL, 1);
    mg_series_set(NULL, 1);
    mg_series_observe(NULL, 1);
    assert_int_equal(mg_series_value(NULL), 0);
    mg_metrics_destroy(m);
}

static void caps_series(void **state) {
    (void)state;
    mg_metrics *m = mg_metrics_create();
    char value[16];
    mg_series *first = NULL;
    for (int i = 0; i < 5000; i++) {
        sprintf(value, "v%d", i);
        const mg_header label = {MG_STR("tag"), mg_str_of(value)};
        mg_series *s = counter(m, "tagged", &label, 1);
        if (i == 0) first = s;
        mg_series_add(s, 1);
    }
    const mg_header v0 = {MG_STR("tag"), MG_STR("v0")}, other = {MG_STR("tag"), MG_STR("other")},
                    strange = {MG_STR("another"), MG_STR("x")};
    assert_ptr_equal(counter(m, "tagged", &v0, 1), first);
    assert_int_equal(mg_series_value(counter(m, "tagged", &other, 1)), 5000 - 1999);
    assert_ptr_equal(counter(m, "tagged", &strange, 1), counter(m, "tagged", &other, 1));
    mg_buf out = {0};
    mg_metrics_write(m, &out);
    size_t lines = 0;
    for (size_t i = 0; i < out.n; i++) lines += out.p[i] == '\n';
    assert_int_equal(lines, 2 + 2000);
    mg_buf_finish(&out);
    assert_ptr_not_equal(counter(m, "fresh", &v0, 1), first);
    mg_metrics_destroy(m);
}

static void caps_metrics_and_values(void **state) {
    (void)state;
    mg_metrics *m = mg_metrics_create();
    char text[300];
    memset(text, 'x', sizeof text);
    const mg_header a = {MG_STR("l"), mg_str_from(text, 300)}, b = {MG_STR("l"), mg_str_from(text, 200)};
    assert_ptr_equal(counter(m, "long_value", &a, 1), counter(m, "long_value", &b, 1));
    for (int i = 1; i < 1000; i++) {
        sprintf(text, "m%d", i);
        assert_non_null(counter(m, text, NULL, 0));
    }
    assert_null(counter(m, "one_more", NULL, 0));
    assert_non_null(counter(m, "m5", NULL, 0));
    mg_metrics_destroy(m);
}

enum { THREADS = 4, TIMES = 20000 };

static void *count(void *arg) {
    mg_metrics *m = arg;
    const double bounds[] = {1, 2};
    for (int i = 0; i < TIMES; i++) {
        char value[8];
        sprintf(value, "%d", i % 50);
        const mg_header label = {MG_STR("l"), mg_str_of(value)};
        mg_series_add(counter(m, "shared", &label, 1), 1);
        mg_series_observe(mg_metrics_series(m, "times", MG_HISTOGRAM, "", bounds, 2, NULL, 0), 1.5);
    }
    return NULL;
}

static void counts_from_threads(void **state) {
    (void)state;
    mg_metrics *m = mg_metrics_create();
    pthread_t threads[THREADS];
    for (int t = 0; t < THREADS; t++) assert_int_equal(pthread_create(&threads[t], NULL, count, m), 0);
    mg_buf out = {0};
    mg_metrics_write(m, &out);
    for (int t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
    int64_t total = 0;
    for (int i = 0; i < 50; i++) {
        char value[8];
        sprintf(value, "%d", i);
        const mg_header label = {MG_STR("l"), mg_str_of(value)};
        total += mg_series_value(counter(m, "shared", &label, 1));
    }
    assert_int_equal(total, THREADS * TIMES);
    mg_buf_clear(&out);
    mg_metrics_write(m, &out);
    mg_buf_add(&out, "", 1);
    assert_non_null(strstr(out.p, "times_sum 120000\ntimes_count 80000\n"));
    mg_buf_finish(&out);
    mg_metrics_destroy(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(writes_prometheus), cmocka_unit_test(refuses),
                                       cmocka_unit_test(caps_series), cmocka_unit_test(caps_metrics_and_values),
                                       cmocka_unit_test(counts_from_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
