#include "net/ndjson.h"

void mg_ndjson_init(mg_ndjson *n, size_t max_line) {
    *n = (mg_ndjson){0};
    mg_pieces_init(&n->line, max_line);
}

void mg_ndjson_finish(mg_ndjson *n) { mg_pieces_finish(&n->line); }
size_t mg_ndjson_waiting(const mg_ndjson *n) { return n->line.pending.n; }

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static mg_str trim(mg_str s) {
    while (s.n && is_space(s.p[0])) s = mg_str_skip(s, 1);
    while (s.n && is_space(s.p[s.n - 1])) s.n--;
    return s;
}

static bool deliver(mg_ndjson *n, mg_str raw, const char *end, bool (*frame)(void *arg, const mg_ndjson_frame *f),
                    void *arg) {
    mg_str data = raw;
    if (!n->begun && mg_str_starts(data, MG_STR("\xEF\xBB\xBF"))) data = mg_str_skip(data, 3);
    n->begun = true;
    data = trim(data);
    mg_ndjson_frame f = {.raw = raw, .data = MG_STR(""), .has_data = data.n > 0};
    if (f.has_data) {
        size_t at = (size_t)(data.p - raw.p);
        f.data = mg_pieces_pad(&n->line, data, end);
        if (n->line.pending.n) f.raw.p = f.data.p - at; /* it may have moved */
    }
    bool more = frame(arg, &f);
    mg_pieces_next(&n->line);
    return more;
}

static mg_status too_large(mg_ndjson *n, mg_error *error) {
    n->broken = true;
    return mg_fail(error, 502, "stream_event_too_large", "a line of the stream is larger than %zu bytes", n->line.max);
}

mg_status mg_ndjson_feed(mg_ndjson *n, mg_str bytes, bool (*frame)(void *arg, const mg_ndjson_frame *f), void *arg,
                         mg_error *error) {
    if (n->broken) return too_large(n, error);
    const char *end = bytes.p + bytes.n;
    while (bytes.n) {
        size_t at = mg_str_find(bytes, '\n');
        if (at == bytes.n) return mg_pieces_add(&n->line, bytes) ? MG_OK : too_large(n, error);
        mg_str raw;
        if (!mg_pieces_whole(&n->line, (mg_str){bytes.p, at + 1}, &raw)) return too_large(n, error);
        if (!deliver(n, raw, end, frame, arg)) break;
        bytes = mg_str_skip(bytes, at + 1);
    }
    return MG_OK;
}

void mg_ndjson_end(mg_ndjson *n, bool (*frame)(void *arg, const mg_ndjson_frame *f), void *arg) {
    mg_str raw = mg_buf_view(&n->line.pending);
    if (raw.n && !n->broken) deliver(n, raw, raw.p + raw.n, frame, arg);
}
