#include "net/pieces.h"

#include "base/json.h"

void mg_pieces_init(mg_pieces *p, size_t max) {
    *p = (mg_pieces){.max = max};
    p->pending.max = p->padded.max = max + MG_JSON_PADDING;
}

void mg_pieces_finish(mg_pieces *p) {
    mg_buf_finish(&p->pending);
    mg_buf_finish(&p->padded);
}

bool mg_pieces_add(mg_pieces *p, mg_str bytes) {
    if (bytes.n > p->max - p->pending.n) return false;
    mg_buf_str(&p->pending, bytes);
    return true;
}

bool mg_pieces_whole(mg_pieces *p, mg_str bytes, mg_str *raw) {
    if (p->pending.n == 0) {
        *raw = bytes;
        return bytes.n <= p->max;
    }
    if (!mg_pieces_add(p, bytes)) return false;
    *raw = mg_buf_view(&p->pending);
    return true;
}

mg_str mg_pieces_pad(mg_pieces *p, mg_str data, const char *end) {
    if (data.n == 0) {
        mg_buf_clear(&p->padded);
        mg_buf_reserve(&p->padded, MG_JSON_PADDING);
        return (mg_str){p->padded.p, 0};
    }
    if (p->pending.n) { /* the data lies there: it moves along if that grows */
        size_t at = (size_t)(data.p - p->pending.p);
        mg_buf_reserve(&p->pending, MG_JSON_PADDING);
        return (mg_str){p->pending.p + at, data.n};
    }
    if ((size_t)(end - (data.p + data.n)) >= MG_JSON_PADDING) return data;
    mg_buf_clear(&p->padded);
    mg_buf_str(&p->padded, data);
    mg_buf_reserve(&p->padded, MG_JSON_PADDING);
    return mg_buf_view(&p->padded);
}

void mg_pieces_next(mg_pieces *p) { mg_buf_clear(&p->pending); }
