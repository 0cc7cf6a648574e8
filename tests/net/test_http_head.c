#include "net/http_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { MAX_HEADERS = 16, MAX_BYTES = 1024 };

static mg_header headers[MAX_HEADERS];

/* Parses text in two pieces, the second time in memory of its own. */
static mg_status parse(mg_http_head *h, mg_http_kind kind, mg_str text, size_t split, char **memory) {
    mg_http_head_init(h, kind, headers, MAX_HEADERS, MAX_BYTES);
    char *first = malloc(split + 1);
    memcpy(first, text.p, split);
    mg_status status = mg_http_head_parse(h, first, split);
    *memory = first;
    if (status != MG_AGAIN) return status;
    char *all = malloc(text.n + 1);
    memcpy(all, first, split); /* with the names lower-cased so far */
    memcpy(all + split, text.p + split, text.n - split);
    free(first);
    *memory = all;
    return mg_http_head_parse(h, all, text.n);
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

typedef struct row {
    const char *text;
    int status; /* 0: accepted */
} row;

#define H "Host: a\r\n"
#define OK(text)                                                                                                       \
    { text, 0 }
static const row requests[] = {
    OK("GET / HTTP/1.1\r\n" H "\r\n"),
    OK("\r\nGET / HTTP/1.1\r\n" H "\r\n"),
    OK("GET / HTTP/1.0\r\n\r\n"),
    OK("GET /a?b=c&d HTTP/1.1\r\n" H "\r\n"),
    OK("GET http://example.com/x HTTP/1.1\r\n" H "\r\n"),
    OK("GET HTTPS://example.com HTTP/1.1\r\n" H "\r\n"),
    OK("OPTIONS * HTTP/1.1\r\n" H "\r\n"),
    OK("M-SEARCH / HTTP/1.1\r\n" H "\r\n"),
    OK("GET / HTTP/1.1\r\nhOsT:a\r\n\r\n"),
    OK("GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    OK("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"),
    OK("GET / HTTP/1.1\r\n" H "X: \xc3\xa4\tb\r\n\r\n"),
    OK("GET / HTTP/1.1\r\n" H "X:\r\n\r\n"),
    OK("GET / HTTP/1.1\r\n" H "X: \t a \t \r\n\r\n"),
    OK("POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n"),
    OK("POST / HTTP/1.1\r\n" H "Content-Length: 000000000000000005\r\n\r\n"),
    OK("POST / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n"),
    OK("POST / HTTP/1.1\r\n" H "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n"),
    OK("POST / HTTP/1.0\r\nExpect: whatever\r\n\r\n"),
    /* request line */
    {"\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", 400},
    {"\nGET / HTTP/1.1\r\n" H "\r\n", 400},
    {" GET / HTTP/1.1\r\n" H "\r\n", 400},
    {"GET  / HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /  HTTP/1.1\r\n" H "\r\n", 400},
    {"GET / HTTP/1.1 \r\n" H "\r\n", 400},
    {"GET\t/\tHTTP/1.1\r\n" H "\r\n", 400},
    {"GET /\r\n" H "\r\n", 400},
    {"GET\r\n" H "\r\n", 400},
    {"GET / \r\n" H "\r\n", 400},
    {"GET HTTP/1.1\r\n" H "\r\n", 400},
    {"GET / a HTTP/1.1\r\n" H "\r\n", 400},
    {"G@T / HTTP/1.1\r\n" H "\r\n", 400},
    {"GET: / HTTP/1.1\r\n" H "\r\n", 400},
    {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGH / HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /\x01 HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /\x7f HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /a#b HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /\r/ HTTP/1.1\r\n" H "\r\n", 400},
    {"GET / HTTP/1.1\n" H "\r\n", 400},
    {"GET / HTTP/1.1\r\r\n" H "\r\n", 400},
    {"GET * HTTP/1.1\r\n" H "\r\n", 400},
    {"GET a HTTP/1.1\r\n" H "\r\n", 400},
    {"GET ?a HTTP/1.1\r\n" H "\r\n", 400},
    {"GET ftp://a/ HTTP/1.1\r\n" H "\r\n", 400},
    {"GET http:// HTTP/1.1\r\n" H "\r\n", 400},
    {"GET http:///x HTTP/1.1\r\n" H "\r\n", 400},
    {"GET http:/x HTTP/1.1\r\n" H "\r\n", 400},
    {"GET a:443 HTTP/1.1\r\n" H "\r\n", 400},
    {"CONNECT a:443 HTTP/1.1\r\n" H "\r\n", 405},
    {"CONNECT / HTTP/1.1\r\n" H "\r\n", 405},
    /* version */
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    {"GET / HTTP/2.0\r\n" H "\r\n", 505},
    {"GET / HTTP/1.2\r\n" H "\r\n", 505},
    {"GET / HTTP/0.9\r\n" H "\r\n", 505},
    {"GET / HTTP/3.1\r\n" H "\r\n", 505},
    {"GET / http/1.1\r\n" H "\r\n", 400},
    {"GET / HTTP/1\r\n" H "\r\n", 400},
    {"GET / HTTP/1.10\r\n" H "\r\n", 400},
    {"GET / HTTP/11\r\n" H "\r\n", 400},
    {"GET / HTTP/1.x\r\n" H "\r\n", 400},
    {"GET / HTTP/+1.1\r\n" H "\r\n", 400},
    {"GET / HTTPS/1.1\r\n" H "\r\n", 400},
    /* header lines */
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X: a\r\n\tb\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H ": a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X Y: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X(: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X\x01: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "\xc3\xa4: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X: a\x01z\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X: a\r\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X: a\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X: a\r\n\n", 400},
    {"GET / HTTP/1.1\r\n" H "\rX: a\r\n\r\n", 400},
    /* host */
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nX: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H H "\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "host: b\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\n" H H "\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a#\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n", 400},
    /* content-length */
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: -5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5.0\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5a\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: five\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 9999999999999999999\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551617\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length : 5\r\n\r\n", 400},
    /* transfer-encoding */
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;q=1\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: \x0b"
     "chunked\r\n\r\n",
     400},
    {"POST / HTTP/1.1\r\n" H "Transfer_Encoding : chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding\r\n: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Expect: 200-ok\r\nContent-Length: 5\r\n\r\n", 417},
    {"POST / HTTP/1.1\r\n" H "Expect: 100-continue, x\r\n\r\n", 417},
};

static void table_split_anywhere(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        mg_str text = mg_str_of(requests[i].text);
        for (size_t split = 0; split <= text.n; split++) {
            mg_http_head h;
            char *memory;
            mg_status status = parse(&h, MG_HTTP_REQUEST, text, split, &memory);
            int got = status == MG_OK ? 0 : status == MG_ERROR ? h.error_status : -1;
            if (got != requests[i].status) fail_msg("%d, not %d, at %zu: %s", got, requests[i].status, split, text.p);
            if (status == MG_OK) assert_int_equal(h.size, text.n);
            if (status == MG_ERROR) assert_non_null(h.error);
            free(memory);
        }
    }
}

static void nul_bytes(void **state) {
    (void)state;
    static const char target[] = "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
                      value[] = "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
                      name[] = "GET / HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n",
                      host[] = "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n";
    mg_str texts[] = {MG_STR(target), MG_STR(value), MG_STR(name), MG_STR(host)};
    for (size_t i = 0; i < 4; i++) {
        mg_http_head h;
        char *memory;
        assert_int_equal(parse(&h, MG_HTTP_REQUEST, texts[i], 3, &memory), MG_ERROR);
        assert_int_equal(h.error_status, 400);
        free(memory);
    }
}

/* ---- what is found ----------------------------------------------------------------------------------------------- */

#define assert_slice(s, z) assert_true(mg_str_is((s), (z)))

static void request_split_anywhere(void **state) {
    (void)state;
    mg_str text = MG_STR("POST /v1/chat?x=1 HTTP/1.1\r\nHOST: Example.com\r\nContent-Type:  application/JSON \r\n"
                         "X-Empty:\r\nContent-Length: 12\r\nconnection: Foo, Close\r\n\r\nhello world!");
    for (size_t split = 0; split <= text.n; split++) {
        mg_http_head h;
        char *memory;
        assert_int_equal(parse(&h, MG_HTTP_REQUEST, text, split, &memory), MG_OK);
        assert_int_equal(h.size, text.n - 12);
        assert_slice(h.method, "POST");
        assert_slice(h.target, "/v1/chat?x=1");
        assert_int_equal(h.n_headers, 5);
        assert_slice(h.headers[0].name, "host");
        assert_slice(h.headers[0].value, "Example.com");
        assert_slice(h.headers[1].name, "content-type");
        assert_slice(h.headers[1].value, "application/JSON");
        assert_slice(mg_http_head_get(&h, MG_STR("x-empty")), "");
        assert_null(mg_http_head_get(&h, MG_STR("absent")).p);
        assert_int_equal(h.content_length, 12);
        assert_false(h.chunked || h.keep_alive || h.expect_continue || h.coded);
        char copy[256];
        memcpy(copy, memory, h.size);
        free(memory);
        mg_http_head_move(&h, copy);
        assert_slice(h.target, "/v1/chat?x=1");
        assert_slice(h.headers[4].value, "Foo, Close");
    }
}

/* One byte at a time, in a buffer that moves at each step. */
static void slow_drip(void **state) {
    (void)state;
    mg_str text = MG_STR("GET / HTTP/1.1\r\nHost: a\r\nX-Long-Name: value\r\n\r\n");
    mg_http_head h;
    mg_http_head_init(&h, MG_HTTP_REQUEST, headers, MAX_HEADERS, MAX_BYTES);
    char *before = NULL;
    for (size_t n = 1; n <= text.n; n++) {
        char *p = malloc(n);
        if (n > 1) memcpy(p, before, n - 1);
        p[n - 1] = text.p[n - 1];
        free(before);
        before = p;
        assert_int_equal(mg_http_head_parse(&h, p, n), n < text.n ? MG_AGAIN : MG_OK);
    }
    assert_slice(h.headers[1].name, "x-long-name");
    assert_slice(h.headers[1].value, "value");
    assert_true(h.keep_alive);
    free(before);
}

static mg_http_head digest_of(const char *text) {
    mg_http_head h;
    char *memory;
    assert_int_equal(parse(&h, MG_HTTP_REQUEST, mg_str_of(text), strlen(text), &memory), MG_OK);
    free(memory);
    return h;
}

static void digests(void **state) {
    (void)state;
    assert_true(digest_of("GET / HTTP/1.1\r\n" H "\r\n").keep_alive);
    assert_false(digest_of("GET / HTTP/1.0\r\n" H "\r\n").keep_alive);
    assert_true(digest_of("GET / HTTP/1.0\r\n" H "Connection: Keep-Alive\r\n\r\n").keep_alive);
    assert_false(digest_of("GET / HTTP/1.0\r\n" H "Connection: Keep-Alive, close\r\n\r\n").keep_alive);
    assert_false(digest_of("GET / HTTP/1.1\r\n" H "Connection: x\r\nConnection: CLOSE\r\n\r\n").keep_alive);
    assert_true(digest_of("GET / HTTP/1.1\r\n" H "Connection: closed\r\n\r\n").keep_alive);
    assert_true(digest_of("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n").chunked);
    assert_true(digest_of("POST / HTTP/1.1\r\n" H "Expect: 100-continue\r\n\r\n").expect_continue);
    assert_true(digest_of("POST / HTTP/1.1\r\n" H "Content-Encoding: gzip\r\n\r\n").coded);
    assert_false(digest_of("POST / HTTP/1.1\r\n" H "Content-Encoding: Identity\r\n\r\n").coded);
    assert_int_equal(digest_of("GET / HTTP/1.1\r\n" H "\r\n").content_length, -1);
    assert_int_equal(digest_of("POST / HTTP/1.1\r\n" H "Content-Length: 999999999999999999\r\n\r\n").content_length,
                     999999999999999999);
}

static void limits(void **state) {
    (void)state;
    char text[4096];
    char *memory;
    mg_http_head h;
    size_t n = (size_t)sprintf(text, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < MAX_HEADERS; i++) n += (size_t)sprintf(text + n, i ? "x: a\r\n" : H);
    sprintf(text + n, "\r\n");
    assert_int_equal(parse(&h, MG_HTTP_REQUEST, mg_str_of(text), 0, &memory), MG_OK);
    free(memory);
    sprintf(text + n, "x: a\r\n\r\n");
    assert_int_equal(parse(&h, MG_HTTP_REQUEST, mg_str_of(text), 0, &memory), MG_ERROR);
    assert_int_equal(h.error_status, 431);
    free(memory);
    for (size_t size = MAX_BYTES - 2; size <= MAX_BYTES + 2; size++) { /* a head of exactly `size` bytes */
        n = (size_t)sprintf(text, "GET / HTTP/1.1\r\n" H "x: ");
        memset(text + n, 'a', size - n - 4);
        memcpy(text + size - 4, "\r\n\r\n", 5);
        for (size_t split = 0; split <= size; split += 7) {
            mg_status status = parse(&h, MG_HTTP_REQUEST, mg_str_from(text, size), split, &memory);
            assert_int_equal(status, size <= MAX_BYTES ? MG_OK : MG_ERROR);
            if (status == MG_ERROR) assert_int_equal(h.error_status, 431);
            free(memory);
        }
    }
    n = (size_t)sprintf(text, "GET /");
    memset(text + n, 'a', MAX_BYTES);
    assert_int_equal(parse(&h, MG_HTTP_REQUEST, mg_str_from(text, MAX_BYTES - 1), 0, &memory), MG_AGAIN);
    free(memory);
    assert_int_equal(parse(&h, MG_HTTP_REQUEST, mg_str_from(text, MAX_BYTES), 0, &memory), MG_ERROR);
    assert_int_equal(h.error_status, 414);
    free(memory);
}

static void splits_targets(void **state) {
    (void)state;
    static const char *const rows[][3] = {{"/", "/", ""},
                                          {"/a/b?c=d?e", "/a/b", "c=d?e"},
                                          {"/?", "/", ""},
                                          {"*", "*", ""},
                                          {"http://h", "/", ""},
                                          {"http://h?x", "/", "x"},
                                          {"https://h:1/p/q?x=/y", "/p/q", "x=/y"},
                                          {"/http://h/", "/http://h/", ""}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mg_str path, query;
        mg_http_target_split(mg_str_of(rows[i][0]), &path, &query);
        assert_slice(path, rows[i][1]);
        assert_slice(query, rows[i][2]);
    }
}

/* ---- responses --------------------------------------------------------------------------------------------------- */

static void responses(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int status; /* 0: refused */
    } rows[] = {{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200},
                {"HTTP/1.1 200 \r\n\r\n", 200},
                {"HTTP/1.1 204\r\n\r\n", 204},
                {"HTTP/1.0 503 Try \xe4gain\r\n\r\n", 503},
                {"HTTP/1.1 100 Continue\r\n\r\n", 100},
                {"HTTP/1.1 20 OK\r\n\r\n", 0},
                {"HTTP/1.1 2000 OK\r\n\r\n", 0},
                {"HTTP/1.1 099 OK\r\n\r\n", 0},
                {"HTTP/1.1  200 OK\r\n\r\n", 0},
                {"HTTP/2 200\r\n\r\n", 0},
                {"HTTP/2.0 200 OK\r\n\r\n", 0},
                {"ICY 200 OK\r\n\r\n", 0},
                {"\r\nHTTP/1.1 200 OK\r\n\r\n", 0},
                {"HTTP/1.1 200 O\x01K\r\n\r\n", 0},
                {"HTTP/1.1 200 OK\n\n", 0},
                {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
                {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 0},
                {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 0},
                {"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mg_str text = mg_str_of(rows[i].text);
        for (size_t split = 0; split <= text.n; split++) {
            mg_http_head h;
            char *memory;
            mg_status status = parse(&h, MG_HTTP_RESPONSE, text, split, &memory);
            if ((status == MG_OK) != (rows[i].status != 0)) fail_msg("%zu: %s", split, text.p);
            assert_int_equal(status == MG_OK ? h.status : h.error_status, rows[i].status ? rows[i].status : 502);
            free(memory);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(table_split_anywhere),
                                       cmocka_unit_test(nul_bytes),
                                       cmocka_unit_test(request_split_anywhere),
                                       cmocka_unit_test(slow_drip),
                                       cmocka_unit_test(digests),
                                       cmocka_unit_test(limits),
                                       cmocka_unit_test(splits_targets),
                                       cmocka_unit_test(responses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
