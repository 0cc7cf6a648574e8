/* A usage row from arbitrary bytes: never a read out of bounds; what decodes is encoded to the same row again. */
#include "gateway/spool.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    mg_usage_row row, again;
    if (!mg_usage_row_decode(mg_str_from((const char *)data, n), &row)) return 0;
    mg_buf first = {0}, second = {0};
    if (mg_usage_row_encode(&row, &first)) {
        if (!mg_usage_row_decode(mg_buf_view(&first), &again)) abort();
        if (!mg_usage_row_encode(&again, &second)) abort();
        if (!mg_str_eq(mg_buf_view(&first), mg_buf_view(&second))) abort();
    }
    mg_buf_finish(&first);
    mg_buf_finish(&second);
    return 0;
}
