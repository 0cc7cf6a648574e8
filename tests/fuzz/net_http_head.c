/* Any bytes, as request and as response, whole and in two pieces: the same outcome, and all slices inside the input. */
#include "net/http_head.h"

#include <stdlib.h>

enum { HEADERS = 32, BYTES = 2048 };

static void check_slice(mg_str s, const char *p, size_t n) {
    if (s.n && (s.p < p || s.p + s.n > p + n)) abort();
}

static mg_status whole(mg_http_head *h, mg_http_kind kind, mg_header *headers, char *p, size_t n) {
    mg_http_head_init(h, kind, headers, HEADERS, BYTES);
    mg_status status = mg_http_head_parse(h, p, n);
    if (status == MG_ERROR && (!h->error || h->error_status < 400)) abort();
    if (status != MG_OK) return status;
    if (h->size > n || h->size > BYTES || (h->chunked && h->content_length >= 0)) abort();
    for (size_t i = 0; i < h->n_headers; i++) {
        check_slice(h->headers[i].name, p, h->size);
        check_slice(h->headers[i].value, p, h->size);
    }
    check_slice(h->method, p, h->size);
    check_slice(h->target, p, h->size);
    if (kind == MG_HTTP_REQUEST) {
        mg_str path, query;
        mg_http_target_split(h->target, &path, &query);
        if (path.n == 0 || (path.p[0] != '/' && path.p[0] != '*')) abort();
        check_slice(query, p, h->size);
    }
    return MG_OK;
}

static void compare(mg_http_kind kind, const uint8_t *data, size_t n, size_t split) {
    mg_header first_headers[HEADERS], headers[HEADERS];
    mg_http_head first, h;
    char *one = malloc(n + 1), *two = malloc(split + 1), *three = malloc(n + 1);
    memcpy(one, data, n);
    mg_status expected = whole(&first, kind, first_headers, one, n);
    memcpy(two, data, split);
    mg_http_head_init(&h, kind, headers, HEADERS, BYTES);
    mg_status status = mg_http_head_parse(&h, two, split);
    if (status == MG_AGAIN) {
        memcpy(three, two, split);
        memcpy(three + split, data + split, n - split);
        status = mg_http_head_parse(&h, three, n);
    }
    if (status != expected) abort();
    if (status == MG_ERROR && h.error_status != first.error_status) abort();
    if (status == MG_OK && (h.size != first.size || h.n_headers != first.n_headers || h.status != first.status ||
                            h.content_length != first.content_length || h.keep_alive != first.keep_alive)) {
        abort();
    }
    free(one);
    free(two);
    free(three);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (n < 2) return 0;
    size_t split = data[0] + 256u * data[1];
    data += 2;
    n -= 2;
    split = n ? split % (n + 1) : 0;
    compare(MG_HTTP_REQUEST, data, n, split);
    compare(MG_HTTP_RESPONSE, data, n, split);
    return 0;
}
