/* A compressed body whole and cut: the same bytes come of it, and the bounds hold. The first byte's highest bit chooses
 * the coding. The ratio is that of the bytes so far, so it may be met in one case and not in the other. */
#include "frames.h"
#include "net/inflate.h"

enum { MAX = 1 << 20 };

static mg_str coding;
static bool steep; /* in one of the runs */

static mg_status feed(void *decoder, mg_str bytes, mg_buf *out) {
    mg_str piece;
    mg_status status;
    while ((status = mg_inflate_next(decoder, &bytes, &piece, NULL)) == MG_OK) {
        if (piece.n == 0 || !mg_buf_str(out, piece)) abort();
    }
    if (status == MG_AGAIN && bytes.n) abort();
    return status == MG_ERROR ? MG_ERROR : MG_OK;
}

static mg_status run(mg_str text, size_t piece, mg_buf *out) {
    mg_inflate *i = mg_inflate_create(coding, MAX);
    out->max = MAX;
    mg_status status = feed_pieces(feed, i, text, piece, out);
    if (out->n > MG_INFLATE_ALLOWANCE + text.n * MG_INFLATE_RATIO) abort();
    if (status == MG_ERROR) { /* how far it came before depends on the pieces */
        mg_buf_clear(out);
        if (mg_inflate_whole(i)) abort();
    }
    steep |= mg_inflate_too_large(i);
    mg_buf_printf(out, "%d", mg_inflate_whole(i));
    mg_inflate_destroy(i);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    coding = data[0] & 0x80 ? MG_STR("gzip") : MG_STR("deflate");
    steep = false;
    mg_str text = {(const char *)data + 1, size - 1};
    mg_buf whole = {0}, split = {0};
    mg_status a = run(text, text.n, &whole), b = run(text, 1u + data[0] % 64, &split);
    if (!steep && (a != b || !mg_str_eq(mg_buf_view(&whole), mg_buf_view(&split)))) abort();
    mg_buf_finish(&whole);
    mg_buf_finish(&split);
    return 0;
}
