/* With the first byte's highest bit the input is not the stream but what its messages hold: a byte each for the lengths of
 * headers and payload, then these. So the fuzzer gets past the checksums. */
#include "frames.h"
#include "net/event_stream.h"
#include <zlib.h>

static bool on_message(void *arg, const mg_event_stream_message *m) {
    note(arg, m->raw, m->data, true);
    mg_buf_printf(arg, "%d ", (int)m->kind);
    mg_buf_str(arg, m->name);
    mg_buf_str(arg, m->text);
    mg_buf_str(arg, m->content_type);
    mg_event_stream_header h;
    mg_str rest = m->headers;
    while (mg_event_stream_header_next(&rest, &h) == MG_OK) {
        mg_buf_str(arg, h.name);
        mg_buf_str(arg, h.bytes);
        mg_buf_printf(arg, "%d %lld", (int)h.type, (long long)h.number);
    }
    if (rest.n) abort(); /* headers were checked before */
    return true;
}

static mg_status feed(void *decoder, mg_str bytes, mg_buf *out) {
    return mg_event_stream_feed(decoder, bytes, on_message, out, NULL);
}

static mg_status run(mg_str text, size_t piece, mg_buf *out) {
    mg_event_stream d;
    mg_event_stream_init(&d, 400);
    mg_status status = feed_pieces(feed, &d, text, piece, out);
    mg_buf_printf(out, " %zu", status == MG_OK ? mg_event_stream_waiting(&d) : 0);
    mg_event_stream_finish(&d);
    return status;
}

static void add_u32(mg_buf *out, uint32_t n) {
    char bytes[] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};
    mg_buf_add(out, bytes, 4);
}

static uint32_t checksum(const mg_buf *b, size_t at) {
    return (uint32_t)crc32(0, (const Bytef *)b->p + at, (uInt)(b->n - at));
}

static mg_str take(mg_str *rest, size_t n) {
    mg_str taken = {rest->p, n < rest->n ? n : rest->n};
    *rest = mg_str_skip(*rest, taken.n);
    return taken;
}

static void wrap(mg_str rest, mg_buf *out) {
    while (rest.n > 2) {
        mg_str lengths = take(&rest, 2);
        mg_str headers = take(&rest, (uint8_t)lengths.p[0]), payload = take(&rest, (uint8_t)lengths.p[1]);
        size_t at = out->n;
        add_u32(out, (uint32_t)(16 + headers.n + payload.n));
        add_u32(out, (uint32_t)headers.n);
        add_u32(out, checksum(out, at));
        mg_buf_str(out, headers);
        mg_buf_str(out, payload);
        add_u32(out, checksum(out, at));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    mg_str text = {(const char *)data + 1, size - 1};
    mg_buf wrapped = {0};
    if (data[0] & 0x80) {
        wrap(text, &wrapped);
        text = mg_buf_view(&wrapped);
    }
    compare(run, text, 1u + data[0] % 64);
    mg_buf_finish(&wrapped);
    return 0;
}
