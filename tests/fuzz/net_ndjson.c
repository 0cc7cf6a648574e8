#include "frames.h"
#include "net/ndjson.h"

static bool on_frame(void *arg, const mg_ndjson_frame *f) {
    note(arg, f->raw, f->data, f->has_data);
    return true;
}

static mg_status feed(void *decoder, mg_str bytes, mg_buf *out) {
    return mg_ndjson_feed(decoder, bytes, on_frame, out, NULL);
}

static mg_status run(mg_str text, size_t piece, mg_buf *out) {
    mg_ndjson d;
    mg_ndjson_init(&d, 512);
    mg_status status = feed_pieces(feed, &d, text, piece, out);
    mg_ndjson_end(&d, on_frame, out);
    mg_ndjson_finish(&d);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    compare(run, (mg_str){(const char *)data + 1, size - 1}, 1u + data[0] % 64);
    return 0;
}
