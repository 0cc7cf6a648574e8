#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "net/inflate.h"
#include <stdlib.h>
#include <zlib.h>

enum { GZIP = 31, ZLIB = 15, BARE = -15 };

static void compress_to(mg_buf *out, int window, mg_str text, int flush) {
    z_stream z = {0};
    char piece[4096];
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)text.p;
    z.avail_in = (uInt)text.n;
    do {
        z.next_out = (Bytef *)piece;
        z.avail_out = sizeof piece;
        deflate(&z, flush);
        mg_buf_add(out, piece, sizeof piece - z.avail_out);
    } while (z.avail_out == 0);
    deflateEnd(&z);
}

static mg_buf noise(size_t n, unsigned seed) { /* compresses to about a half */
    mg_buf b = {0};
    srand(seed);
    mg_buf_reserve(&b, n);
    for (; b.n < n; b.n++) b.p[b.n] = (char)('a' + rand() % 16);
    return b;
}

/* Feeds the coded text in pieces of that size, each a copy with nothing behind it. */
static mg_status decode(mg_inflate *i, mg_str coded, size_t piece_size, mg_buf *out, mg_error *error) {
    mg_status status = MG_AGAIN;
    while (coded.n && status != MG_ERROR) {
        size_t n = coded.n < piece_size ? coded.n : piece_size;
        char *copy = mg_malloc(n);
        memcpy(copy, coded.p, n);
        mg_str in = {copy, n}, piece;
        while ((status = mg_inflate_next(i, &in, &piece, error)) == MG_OK) {
            assert_in_range(piece.n, 1, MG_INFLATE_PIECE);
            mg_buf_str(out, piece);
        }
        if (status == MG_AGAIN) assert_int_equal(in.n, 0);
        free(copy);
        coded = mg_str_skip(coded, n);
    }
    return status;
}

static void expect(const char *coding, mg_str coded, size_t piece_size, mg_str text) {
    mg_inflate *i = mg_inflate_create(mg_str_of(coding), 0);
    mg_buf out = {0};
    assert_non_null(i);
    assert_int_equal(decode(i, coded, piece_size, &out, NULL), MG_AGAIN);
    assert_true(mg_inflate_whole(i));
    assert_int_equal(out.n, text.n);
    if (text.n) assert_memory_equal(out.p, text.p, text.n);
    mg_buf_finish(&out);
    mg_inflate_destroy(i);
}

static void test_codings(void **state) {
    (void)state;
    mg_buf text = noise(200000, 3);
    static const struct {
        const char *name;
        int window;
    } forms[] = {{"gzip", GZIP}, {"X-GZIP", GZIP}, {"deflate", ZLIB}, {"Deflate", BARE}};
    for (size_t f = 0; f < 4; f++) {
        mg_buf coded = {0};
        compress_to(&coded, forms[f].window, mg_buf_view(&text), Z_FINISH);
        static const size_t sizes[] = {1, 7, 1000, 100000, SIZE_MAX};
        for (size_t s = 0; s < 5; s++) expect(forms[f].name, mg_buf_view(&coded), sizes[s], mg_buf_view(&text));
        mg_buf_finish(&coded);
        compress_to(&coded, forms[f].window, MG_STR(""), Z_FINISH);
        expect(forms[f].name, mg_buf_view(&coded), 1, MG_STR(""));
        mg_buf_finish(&coded);
        expect(forms[f].name, MG_STR(""), 1, MG_STR("")); /* not even a header: an empty body */
    }
    static const char *const others[] = {"br", "zstd", "compress", "gzip, gzip", "identity", ""};
    for (size_t i = 0; i < 6; i++) assert_null(mg_inflate_create(mg_str_of(others[i]), 0));
    mg_inflate_destroy(NULL);
    mg_buf_finish(&text);
}

static void test_members(void **state) {
    (void)state;
    mg_buf coded = {0};
    compress_to(&coded, GZIP, MG_STR("one "), Z_FINISH);
    compress_to(&coded, GZIP, MG_STR(""), Z_FINISH);
    compress_to(&coded, GZIP, MG_STR("two"), Z_FINISH);
    for (size_t n = 1; n <= coded.n; n++) expect("gzip", mg_buf_view(&coded), n, MG_STR("one two"));
    mg_buf_finish(&coded);
}

/* What a server has flushed comes out at once, so that a stream stays one. */
static void test_flushed(void **state) {
    (void)state;
    z_stream z = {0};
    mg_inflate *i = mg_inflate_create(MG_STR("gzip"), 0);
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, GZIP, 8, Z_DEFAULT_STRATEGY), Z_OK);
    for (int n = 0; n < 100; n++) {
        mg_str event = MG_STR("data: {\"delta\":\"x\"}\n\n");
        char coded[200];
        z.next_in = (Bytef *)event.p;
        z.avail_in = (uInt)event.n;
        z.next_out = (Bytef *)coded;
        z.avail_out = sizeof coded;
        assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
        mg_buf out = {0};
        assert_int_equal(decode(i, (mg_str){coded, sizeof coded - z.avail_out}, 5, &out, NULL), MG_AGAIN);
        assert_int_equal(out.n, event.n);
        assert_memory_equal(out.p, event.p, event.n);
        assert_false(mg_inflate_whole(i));
        mg_buf_finish(&out);
    }
    deflateEnd(&z);
    mg_inflate_destroy(i);
}

static void expect_failure(mg_str coded, size_t max, bool large) {
    for (size_t piece = 1; piece < 100000; piece = piece * 3 + 1) {
        mg_inflate *i = mg_inflate_create(MG_STR("gzip"), max);
        mg_buf out = {.max = MG_INFLATE_MAX + 1};
        mg_error error = {0};
        assert_int_equal(decode(i, coded, piece, &out, &error), MG_ERROR);
        assert_int_equal(mg_inflate_too_large(i), large);
        assert_string_equal(error.code, large ? "answer_too_large" : "answer_damaged");
        assert_int_equal(error.http, 502);
        assert_false(mg_inflate_whole(i));
        mg_str more = MG_STR("x"), none;
        assert_int_equal(mg_inflate_next(i, &more, &none, NULL), MG_ERROR);
        assert_true(out.n <= (max ? max : MG_INFLATE_MAX));
        mg_buf_finish(&out);
        mg_inflate_destroy(i);
    }
}

static void test_bomb(void **state) {
    (void)state;
    mg_buf zeros = {0}, coded = {0};
    mg_buf_reserve(&zeros, 10 << 20);
    zeros.n = 10 << 20;
    memset(zeros.p, 0, zeros.n);
    compress_to(&coded, GZIP, mg_buf_view(&zeros), Z_FINISH);
    assert_true(coded.n < 20000);
    expect_failure(mg_buf_view(&coded), 0, true);
    mg_inflate *i = mg_inflate_create(MG_STR("gzip"), 0);
    mg_buf out = {0};
    decode(i, mg_buf_view(&coded), SIZE_MAX, &out, NULL);
    assert_true(out.n <= MG_INFLATE_ALLOWANCE + coded.n * MG_INFLATE_RATIO); /* stopped there, not at the end */
    mg_inflate_destroy(i);
    mg_buf_finish(&out);
    mg_buf_finish(&coded);
    zeros.n = 65536; /* small ones may be as even as they like */
    compress_to(&coded, GZIP, mg_buf_view(&zeros), Z_FINISH);
    expect("gzip", mg_buf_view(&coded), 10, mg_buf_view(&zeros));
    mg_buf_finish(&coded);
    mg_buf_finish(&zeros);
}

static void test_max(void **state) {
    (void)state;
    mg_buf text = noise(300000, 5), coded = {0};
    compress_to(&coded, GZIP, mg_buf_view(&text), Z_FINISH);
    expect_failure(mg_buf_view(&coded), 299999, true);
    mg_inflate *i = mg_inflate_create(MG_STR("gzip"), 300000);
    mg_buf out = {0};
    assert_int_equal(decode(i, mg_buf_view(&coded), 1000, &out, NULL), MG_AGAIN);
    assert_true(mg_inflate_whole(i));
    mg_inflate_destroy(i);
    mg_buf_finish(&out);
    mg_buf_finish(&coded);
    mg_buf_finish(&text);
    text = noise(10 << 20, 6); /* 70 MB in seven members */
    mg_buf member = {0};
    compress_to(&member, GZIP, mg_buf_view(&text), Z_FINISH);
    i = mg_inflate_create(MG_STR("gzip"), SIZE_MAX);
    mg_status status = MG_AGAIN;
    for (int n = 0; n < 7; n++) {
        out = (mg_buf){0};
        assert_int_equal(status, MG_AGAIN);
        status = decode(i, mg_buf_view(&member), SIZE_MAX, &out, NULL);
        mg_buf_finish(&out);
    }
    assert_int_equal(status, MG_ERROR);
    assert_true(mg_inflate_too_large(i));
    mg_inflate_destroy(i);
    mg_buf_finish(&member);
    mg_buf_finish(&text);
}

static void test_damaged(void **state) {
    (void)state;
    expect_failure(MG_STR("this is no gzip"), 0, false);
    mg_buf coded = {0};
    compress_to(&coded, GZIP, MG_STR("hello"), Z_FINISH);
    for (size_t n = 1; n < coded.n; n++) { /* cut */
        mg_inflate *i = mg_inflate_create(MG_STR("gzip"), 0);
        mg_buf out = {0};
        assert_int_equal(decode(i, (mg_str){coded.p, n}, 3, &out, NULL), MG_AGAIN);
        assert_false(mg_inflate_whole(i));
        mg_inflate_destroy(i);
        mg_buf_finish(&out);
    }
    coded.p[coded.n - 6] ^= 1; /* its checksum */
    expect_failure(mg_buf_view(&coded), 0, false);
    coded.p[coded.n - 6] ^= 1;
    mg_buf_str(&coded, MG_STR("behind it"));
    expect_failure(mg_buf_view(&coded), 0, false);
    mg_buf_clear(&coded);
    compress_to(&coded, ZLIB, MG_STR("hello"), Z_FINISH);
    mg_buf_str(&coded, MG_STR("x"));
    mg_inflate *i = mg_inflate_create(MG_STR("deflate"), 0);
    mg_buf out = {0};
    assert_int_equal(decode(i, mg_buf_view(&coded), 100, &out, NULL), MG_ERROR);
    assert_int_equal(out.n, 5);
    mg_inflate_destroy(i);
    mg_buf_finish(&out);
    mg_buf_finish(&coded);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codings), cmocka_unit_test(test_members), cmocka_unit_test(test_flushed),
        cmocka_unit_test(test_bomb),    cmocka_unit_test(test_max),     cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
