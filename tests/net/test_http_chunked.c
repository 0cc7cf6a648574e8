#include "net/http_chunked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { ROOM = 1 << 16 };

typedef struct outcome {
    mg_status status; /* MG_DECLINED: whole */
    char data[ROOM];
    size_t n, rest; /* rest: bytes behind the body */
    const char *error;
} outcome;

/* Feeds the text in pieces that end at the given offsets; each piece stands alone in memory. */
static void feed(mg_http_chunked *d, mg_str piece, outcome *o) {
    char *copy = malloc(piece.n + 1);
    memcpy(copy, piece.p, piece.n);
    mg_str in = {copy, piece.n}, data;
    while ((o->status = mg_http_chunked_next(d, &in, &data)) == MG_OK) {
        assert_true(data.n > 0 && data.p >= copy && data.p + data.n <= copy + piece.n);
        memcpy(o->data + o->n, data.p, data.n);
        o->n += data.n;
    }
    o->rest = in.n;
    o->error = d->error;
    free(copy);
}

static void decode(mg_str text, size_t split, outcome *o) {
    mg_http_chunked d = {0};
    o->n = 0;
    feed(&d, mg_str_from(text.p, split), o);
    if (o->status == MG_AGAIN) {
        feed(&d, mg_str_skip(text, split), o);
    } else {
        o->rest += text.n - split;
    }
}

static outcome o; /* too large for a stack frame */

static void good(const char *text, const char *body, size_t rest) {
    mg_str all = mg_str_of(text);
    for (size_t split = 0; split <= all.n; split++) {
        decode(all, split, &o);
        assert_int_equal(o.status, MG_DECLINED);
        assert_int_equal(o.n, strlen(body));
        assert_memory_equal(o.data, body, o.n);
        assert_int_equal(o.rest, rest);
    }
}

static void decodes_split_anywhere(void **state) {
    (void)state;
    good("0\r\n\r\n", "", 0);
    good("5\r\nhello\r\n0\r\n\r\n", "hello", 0);
    good("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET / HTTP/1.1\r\n", "hello world", 16);
    good("A\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n", "01234567890123456789", 0);
    good("5;a=b;c=\"d e\"\r\nhello\r\n0;last\r\nx-sum: 1\r\ny:\r\n\r\n", "hello", 0);
    good("0000000000005\r\n\r\n\r\n\n\r\n0\r\n\r\n", "\r\n\r\n\n", 0);
}

static void bad(const char *text) {
    mg_str all = mg_str_of(text);
    for (size_t split = 0; split <= all.n; split++) {
        decode(all, split, &o);
        if (o.status != MG_ERROR) fail_msg("accepted: %s", text);
        assert_non_null(o.error);
    }
}

static void refuses_what_is_malformed(void **state) {
    (void)state;
    static const char *const texts[] = {"\r\n",
                                        "\n",
                                        ";\r\n",
                                        "g\r\n",
                                        "-1\r\n",
                                        "+5\r\nhello\r\n",
                                        " 5\r\nhello\r\n",
                                        "5 \r\nhello\r\n",
                                        "5\t;a\r\n",
                                        "0x5\r\nhello\r\n",
                                        "5\nhello\r\n",
                                        "5\rhello\r\n",
                                        "5\r\nhello\n0\r\n\r\n",
                                        "5\r\nhello0\r\n\r\n",
                                        "5\r\nhelloo\r\n",
                                        "5\r\nhell\r\n0\r\n\r\n",
                                        "5\r\nhello\r\r",
                                        "1000000000000000\r\n",
                                        "0000000000000005\r\nhello\r\n",
                                        "5;a\nhello\r\n",
                                        "5;a\rb\r\nhello\r\n",
                                        "5;\x01\r\nhello\r\n",
                                        "5,5\r\nhello\r\n",
                                        "0\r\n\n",
                                        "0\r\nname\r\n\r\n",
                                        "0\r\n: value\r\n\r\n",
                                        "0\r\nna me: value\r\n\r\n",
                                        "0\r\n folded\r\n\r\n",
                                        "0\r\na: b\n\r\n",
                                        "0\r\na: b\rc\r\n\r\n",
                                        "0\r\na: \x7f\r\n\r\n",
                                        "0\n\r\n",
                                        "0\r\r\n",
                                        "ffffffffffffffff\r\n",
                                        "5\r\nhello\r\n\r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) bad(texts[i]);
}

static void never_goes_on_after_an_error(void **state) {
    (void)state;
    mg_http_chunked d = {0};
    mg_str in = MG_STR("x"), data;
    assert_int_equal(mg_http_chunked_next(&d, &in, &data), MG_ERROR);
    in = MG_STR("5\r\nhello\r\n");
    assert_int_equal(mg_http_chunked_next(&d, &in, &data), MG_ERROR);
}

/* prefix, n times `filler`, suffix; after `ahead` chunks of one byte, each with an extension of `extension` bytes. */
static mg_status long_one(const char *prefix, size_t n, const char *suffix) {
    mg_http_chunked d = {0};
    char *text = malloc(n + 100);
    size_t at = (size_t)sprintf(text, "%s", prefix);
    memset(text + at, 'x', n);
    at += n;
    at += (size_t)sprintf(text + at, "%s", suffix);
    o.n = 0;
    feed(&d, mg_str_from(text, at), &o);
    free(text);
    return o.status;
}

static void bounds_extensions_and_trailers(void **state) {
    (void)state;
    assert_int_equal(long_one("5;", 200, "\r\nhello\r\n0\r\n\r\n"), MG_DECLINED);
    assert_int_equal(long_one("5;", 300, "\r\nhello\r\n0\r\n\r\n"), MG_ERROR);
    assert_int_equal(long_one("0\r\nx: ", 8000, "\r\n\r\n"), MG_DECLINED);
    assert_int_equal(long_one("0\r\nx: ", 9000, "\r\n\r\n"), MG_ERROR);
    mg_http_chunked d = {0};
    int chunks = 0;
    do { /* many small chunks with long extensions: more wire than body */
        feed(&d,
             MG_STR("1;"
                    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r"
                    "\nx\r\n"),
             &o);
        o.n = 0;
    } while (o.status == MG_AGAIN && ++chunks < 10000);
    assert_int_equal(o.status, MG_ERROR);
    assert_in_range(chunks, 100, 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_split_anywhere), cmocka_unit_test(refuses_what_is_malformed),
        cmocka_unit_test(never_goes_on_after_an_error), cmocka_unit_test(bounds_extensions_and_trailers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
