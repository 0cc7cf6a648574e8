/* The same stream whole and cut: the first byte says how large the pieces are. Any difference is a crash. */
#include "base/arena.h"
#include "base/json.h"
#include "net/sse.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool on_event(void *arg, const mg_sse_event *e) {
    mg_buf *out = arg;
    mg_buf_printf(out, "%zu %zu %zu %zu %d ", e->raw.n, e->event.n, e->data.n, e->id.n, e->has_data);
    mg_buf_str(out, e->raw);
    mg_buf_str(out, e->event);
    mg_buf_str(out, e->data);
    mg_buf_str(out, e->id);
    volatile char sink = 0; /* so that the reads are made */
    for (int i = 0; e->has_data && i < MG_JSON_PADDING; i++) sink = (char)(sink ^ e->data.p[e->data.n + (size_t)i]);
    return true;
}

static mg_status run(mg_str text, size_t piece, mg_buf *out) {
    mg_sse s;
    mg_status status = MG_OK;
    mg_sse_init(&s, 4096);
    while (text.n && status == MG_OK) {
        size_t n = piece < text.n ? piece : text.n;
        char *copy = mg_malloc(n); /* so that a read beyond the piece is seen */
        memcpy(copy, text.p, n);
        status = mg_sse_feed(&s, (mg_str){copy, n}, on_event, out, NULL);
        free(copy);
        text = mg_str_skip(text, n);
    }
    mg_buf_printf(out, " %zu", status == MG_OK ? mg_sse_waiting(&s) : 0);
    mg_sse_finish(&s);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    mg_str text = {(const char *)data + 1, size - 1};
    mg_buf whole = {0}, split = {0};
    mg_status a = run(text, text.n, &whole), b = run(text, 1u + data[0] % 64, &split);
    if (a != b || !mg_str_eq(mg_buf_view(&whole), mg_buf_view(&split))) abort();
    mg_buf_finish(&whole);
    mg_buf_finish(&split);
    return 0;
}
