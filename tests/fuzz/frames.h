/* For the fuzzers of framing decoders: the same stream whole and cut; the first byte says how large the pieces are. Any
 * difference is a crash. */
#ifndef FUZZ_FRAMES_H
#define FUZZ_FRAMES_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void note(mg_buf *out, mg_str raw, mg_str data, bool has_data) {
    mg_buf_printf(out, "%zu %zu %d ", raw.n, data.n, has_data);
    mg_buf_str(out, raw);
    mg_buf_str(out, data);
    volatile char sink = 0; /* so that the reads are made */
    for (int i = 0; has_data && i < MG_JSON_PADDING; i++) sink = (char)(sink ^ data.p[data.n + (size_t)i]);
}

/* Feeds copies, so that a read beyond a piece is seen. */
static inline mg_status feed_pieces(mg_status (*feed)(void *decoder, mg_str bytes, mg_buf *out), void *decoder,
                                    mg_str text, size_t piece, mg_buf *out) {
    mg_status status = MG_OK;
    while (text.n && status == MG_OK) {
        size_t n = piece < text.n ? piece : text.n;
        char *copy = mg_malloc(n);
        memcpy(copy, text.p, n);
        status = feed(decoder, (mg_str){copy, n}, out);
        free(copy);
        text = mg_str_skip(text, n);
    }
    return status;
}

static inline void compare(mg_status (*run)(mg_str text, size_t piece, mg_buf *out), mg_str text, size_t piece) {
    mg_buf whole = {0}, split = {0};
    mg_status a = run(text, text.n, &whole), b = run(text, piece, &split);
    if (a != b || !mg_str_eq(mg_buf_view(&whole), mg_buf_view(&split))) abort();
    mg_buf_finish(&whole);
    mg_buf_finish(&split);
}

#endif
