#include "gateway/spool.h"
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

/* Every field with a value of its own. */
static mg_usage_row full_row(void) {
    return (mg_usage_row){.size = sizeof(mg_usage_row),
                          .attempt_id = "01900000-0000-7000-8000-000000000001",
                          .request_id = "01900000-0000-7000-8000-000000000002",
                          .attempt = 3,
                          .final = true,
                          .outcome = MG_STR("ok"),
                          .precision = MG_STR("counted"),
                          .org = MG_STR("acme"),
                          .key_id = MG_STR("key"),
                          .user = {"a\0b", 3},
                          .session = MG_STR("s"),
                          .team = MG_STR("legal"),
                          .provider = MG_STR("openai"),
                          .model = MG_STR("gpt-4o"),
                          .model_asked = MG_STR("smart"),
                          .operation = MG_STR("chat"),
                          .upstream_id = MG_STR("chatcmpl-1"),
                          .client_request_id = MG_STR("mine"),
                          .error = MG_STR("rate"),
                          .http_status = 429,
                          .usage = {sizeof(mg_usage), INT64_MAX, INT64_MIN, 1, -1, 5, 6, 7},
                          .cost_nano_usd = 123456789012345,
                          .created_ms = 1790000000000,
                          .latency_ms = 900,
                          .ttft_ms = -1,
                          .stream = true,
                          .metadata = MG_STR("{\"a\":\"\xc3\xa9\"}"),
                          .decisions = MG_STR("[]"),
                          .generation = UINT64_MAX};
}

static void rows_equal(const mg_usage_row *a, const mg_usage_row *b) {
    assert_string_equal(a->attempt_id, b->attempt_id);
    assert_string_equal(a->request_id, b->request_id);
    assert_int_equal(a->attempt, b->attempt);
    assert_int_equal(a->final, b->final);
    assert_int_equal(a->http_status, b->http_status);
    assert_memory_equal(&a->usage, &b->usage, sizeof a->usage);
    assert_true(a->cost_nano_usd == b->cost_nano_usd && a->created_ms == b->created_ms);
    assert_true(a->latency_ms == b->latency_ms && a->ttft_ms == b->ttft_ms);
    assert_true(a->stream == b->stream && a->generation == b->generation);
    const mg_str *x[] = {
        &a->outcome,  &a->precision, &a->org,         &a->key_id,    &a->user,        &a->session,           &a->team,
        &a->provider, &a->model,     &a->model_asked, &a->operation, &a->upstream_id, &a->client_request_id, &a->error,
        &a->metadata, &a->decisions};
    const mg_str *y[] = {
        &b->outcome,  &b->precision, &b->org,         &b->key_id,    &b->user,        &b->session,           &b->team,
        &b->provider, &b->model,     &b->model_asked, &b->operation, &b->upstream_id, &b->client_request_id, &b->error,
        &b->metadata, &b->decisions};
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) assert_true(mg_str_eq(*x[i], *y[i]));
}

static void every_field_comes_back(void **state) {
    (void)state;
    mg_usage_row row = full_row(), got;
    mg_buf b = {0};
    assert_true(mg_usage_row_encode(&row, &b));
    assert_true(mg_usage_row_decode(mg_buf_view(&b), &got));
    assert_int_equal(got.size, sizeof got);
    rows_equal(&row, &got);

    mg_usage_row empty = {.size = sizeof empty, .usage.size = sizeof empty.usage};
    mg_buf_clear(&b);
    assert_true(mg_usage_row_encode(&empty, &b));
    assert_int_equal(b.n, 1); /* the version */
    assert_true(mg_usage_row_decode(mg_buf_view(&b), &got));
    rows_equal(&empty, &got);
    mg_buf_finish(&b);
}

/* Where a field ends the row is whole (as from a gateway with fewer fields); anywhere else it is refused. */
static void a_cut_row_is_refused(void **state) {
    (void)state;
    mg_usage_row row = full_row(), got;
    mg_buf b = {0};
    assert_true(mg_usage_row_encode(&row, &b));
    size_t whole = 0;
    for (size_t n = 0; n < b.n; n++) {
        char *copy = malloc(n ? n : 1); /* of its exact size: a read beyond it is seen */
        memcpy(copy, b.p, n);
        whole += mg_usage_row_decode(mg_str_from(copy, n), &got);
        free(copy);
    }
    assert_int_equal(whole, 34);
    mg_buf_finish(&b);
}

static void unknown_fields_are_skipped(void **state) {
    (void)state;
    mg_usage_row row = full_row(), got;
    mg_buf b = {0};
    assert_true(mg_usage_row_encode(&row, &b));
    assert_true(mg_buf_add(&b, "\xfe\x07\x05", 3)); /* tag 511, a number */
    assert_true(mg_buf_add(&b, "\xff\x07\x03xyz", 6)); /* tag 511, bytes */
    assert_true(mg_usage_row_decode(mg_buf_view(&b), &got));
    rows_equal(&row, &got);
    mg_buf_finish(&b);
}

static void refused(const char *p, size_t n) {
    mg_usage_row got;
    assert_false(mg_usage_row_decode(mg_str_from(p, n), &got));
}

static void nonsense_is_refused(void **state) {
    (void)state;
    refused("", 0);
    refused("\2", 1); /* another version */
    refused("\1\3", 2); /* a tag without a length */
    refused("\1\3\x7fx", 4); /* longer than what is there */
    refused("\1\3\x25"
            "0123456789012345678901234567890123456",
            40); /* an id of 37 characters */
    refused("\1\2\2", 3); /* an id as a number */
    refused("\1\x07\1x", 4); /* a number as bytes */
    refused("\1\x08\4", 3); /* a boolean of 2 */
    refused("\1\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 12); /* more than 64 bits */
    refused("\1\x06\x80\x80\x80\x80\x20", 7); /* more than an int */
}

static void the_size_is_bounded(void **state) {
    (void)state;
    mg_usage_row row = full_row();
    size_t n = 2 << 20;
    char *huge = calloc(1, n);
    row.metadata = mg_str_from(huge, n);
    mg_buf b = {0};
    assert_false(mg_usage_row_encode(&row, &b));
    row.metadata = mg_str_from(huge, 1000000);
    assert_true(mg_usage_row_encode(&row, &b));
    mg_buf small = {.max = 100};
    assert_false(mg_usage_row_encode(&row, &small));
    free(huge);
    mg_buf_finish(&b);
    mg_buf_finish(&small);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_comes_back),     cmocka_unit_test(a_cut_row_is_refused),
        cmocka_unit_test(unknown_fields_are_skipped), cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(the_size_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
