/* Beside the cuts: where an array is taken whole, and every element is JSON, the array is JSON too and has as many elements. */
#include "frames.h"
#include "net/json_array.h"

static mg_json_parser *parser;
static mg_arena *arena;
static size_t elements;
static bool all_json;

static bool is_json(mg_str text, const mg_json **root) {
    return mg_json_parse_copy(parser, arena, text, root, NULL) == MG_OK;
}

static bool on_frame(void *arg, const mg_json_array_frame *f) {
    const mg_json *root;
    note(arg, f->raw, f->data, f->has_data);
    elements += f->has_data;
    if (f->has_data && !is_json(f->data, &root)) all_json = false;
    return true;
}

static mg_status feed(void *decoder, mg_str bytes, mg_buf *out) {
    return mg_json_array_feed(decoder, bytes, on_frame, out, NULL);
}

static mg_status run(mg_str text, size_t piece, mg_buf *out) {
    mg_json_array d;
    mg_json_array_init(&d, 512);
    elements = 0;
    all_json = true;
    mg_status status = feed_pieces(feed, &d, text, piece, out);
    const mg_json *root;
    if (mg_str_starts(text, MG_STR("\xEF\xBB\xBF"))) text = mg_str_skip(text, 3);
    bool whole = status == MG_OK && mg_json_array_closed(&d), json = is_json(text, &root);
    if (whole && all_json && json && root->count != elements) abort();
    if (json && mg_json_kind(root) == MG_JSON_ARRAY && text.n < 512 && (!whole || !all_json)) abort();
    mg_json_array_finish(&d);
    mg_arena_reset(arena);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    if (!parser) {
        parser = mg_json_parser_create();
        arena = mg_arena_create(4096);
    }
    compare(run, (mg_str){(const char *)data + 1, size - 1}, 1u + data[0] % 64);
    return 0;
}
