/* Any bytes, whole and in two pieces: the same outcome and the same body. */
#include "net/http_chunked.h"

#include <stdlib.h>

static mg_status feed(mg_http_chunked *d, const char *p, size_t n, char *body, size_t *n_body, size_t *rest) {
    mg_str in = {p, n}, data;
    mg_status status;
    while ((status = mg_http_chunked_next(d, &in, &data)) == MG_OK) {
        if (data.n == 0 || data.p < p || data.p + data.n > p + n) abort();
        memcpy(body + *n_body, data.p, data.n);
        *n_body += data.n;
    }
    *rest = in.n;
    if (status == MG_AGAIN && in.n) abort();
    if (status == MG_ERROR && !d->error) abort();
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (n < 2) return 0;
    size_t split = data[0] + 256u * data[1];
    const char *p = (const char *)data + 2;
    n -= 2;
    split = n ? split % (n + 1) : 0;
    char *one = malloc(n + 1), *two = malloc(n + 1);
    size_t n_one = 0, n_two = 0, rest_one, rest_two;
    mg_http_chunked a = {0}, b = {0};
    mg_status expected = feed(&a, p, n, one, &n_one, &rest_one);
    mg_status status = feed(&b, p, split, two, &n_two, &rest_two);
    if (status == MG_AGAIN) {
        status = feed(&b, p + split, n - split, two, &n_two, &rest_two);
    } else {
        rest_two += n - split;
    }
    if (status != expected || n_one != n_two || memcmp(one, two, n_one)) abort();
    if (status == MG_DECLINED && rest_one != rest_two) abort();
    free(one);
    free(two);
    return 0;
}
