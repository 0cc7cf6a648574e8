#include "net/http_chunked.h"

enum {
    SIZE_FIRST, /* the first digit of a chunk's size */
    SIZE,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_FIRST, /* the first byte of a trailer line, or of the empty one */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF,
    END,
    BROKEN
};
enum { SIZE_DIGITS_MAX = 15 };

static int hex_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool is_text(char c) { return ((unsigned char)c >= ' ' && c != 127) || c == '\t'; }

static bool is_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static int broken(mg_http_chunked *d, const char *sentence) {
    d->error = sentence;
    return BROKEN;
}

static int expect(mg_http_chunked *d, char c, char wanted, int next, const char *sentence) {
    return c == wanted ? next : broken(d, sentence);
}

static int take_size(mg_http_chunked *d, char c) {
    int digit = hex_of(c);
    if (++d->line > MG_CHUNK_LINE_MAX) return broken(d, "a chunk's size line is too long");
    if (digit >= 0) {
        if (d->line > SIZE_DIGITS_MAX) return broken(d, "a chunk's size is out of range");
        d->left = d->left << 4 | (unsigned)digit;
        return SIZE;
    }
    if (d->state == SIZE_FIRST) return broken(d, "a chunk does not begin with its size in hexadecimal");
    if (c == ';') return EXTENSION;
    return expect(d, c, '\r', SIZE_LF, "a chunk's size is followed by something else than ; or CR LF");
}

static int take_extension(mg_http_chunked *d, char c) {
    if (c == '\r') return SIZE_LF;
    if (!is_text(c)) return broken(d, "a chunk extension holds a control character");
    if (++d->line > MG_CHUNK_LINE_MAX || ++d->extensions > MG_CHUNK_EXTENSIONS_MAX) {
        return broken(d, "the chunk extensions are too long");
    }
    return EXTENSION;
}

static int end_of_size(mg_http_chunked *d, char c) {
    d->line = 0;
    return expect(d, c, '\n', d->left ? DATA : TRAILER_FIRST, "a chunk's size line does not end with CR LF");
}

static int take_trailer(mg_http_chunked *d, char c) {
    if (++d->trailers > MG_CHUNK_TRAILERS_MAX) return broken(d, "the trailers are too large");
    switch (d->state) {
    case TRAILER_FIRST:
        if (c == '\r') return END_LF;
        return is_name(c) ? TRAILER_NAME : broken(d, "a trailer's name is malformed");
    case TRAILER_NAME:
        if (c == ':') return TRAILER_VALUE;
        return is_name(c) ? TRAILER_NAME : broken(d, "a trailer's name is malformed");
    default:
        if (c == '\r') return TRAILER_LF;
        return is_text(c) ? TRAILER_VALUE : broken(d, "a trailer's value holds a control character");
    }
}

static int take_byte(mg_http_chunked *d, char c) {
    switch (d->state) {
    case SIZE_FIRST:
    case SIZE: return take_size(d, c);
    case EXTENSION: return take_extension(d, c);
    case SIZE_LF: return end_of_size(d, c);
    case DATA_CR: return expect(d, c, '\r', DATA_LF, "a chunk is longer than its size says");
    case DATA_LF: return expect(d, c, '\n', SIZE_FIRST, "a chunk does not end with CR LF");
    case TRAILER_LF: return expect(d, c, '\n', TRAILER_FIRST, "a trailer does not end with CR LF");
    case END_LF: return expect(d, c, '\n', END, "the last chunk does not end with CR LF");
    default: return take_trailer(d, c);
    }
}

mg_status mg_http_chunked_next(mg_http_chunked *d, mg_str *in, mg_str *data) {
    for (;;) {
        if (d->state == BROKEN) return MG_ERROR;
        if (d->state == END) return MG_DECLINED;
        if (in->n == 0) return MG_AGAIN;
        if (d->state == DATA) break;
        d->state = take_byte(d, in->p[0]);
        *in = mg_str_skip(*in, 1);
    }
    size_t n = in->n < d->left ? in->n : (size_t)d->left;
    *data = mg_str_from(in->p, n);
    *in = mg_str_skip(*in, n);
    d->left -= n;
    if (d->left == 0) d->state = DATA_CR;
    return MG_OK;
}
