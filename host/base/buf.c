#include "base/buf.h"
#include "base/arena.h"
#include <stdio.h>
#include <stdlib.h>

enum { LEAST = 256, DEFAULT_MAX = 64 * 1024 * 1024 };

void mg_buf_finish(mg_buf *b) {
    free(b->p);
    *b = (mg_buf){.max = b->max};
}

void mg_buf_clear(mg_buf *b) {
    b->n = 0;
    b->over = false;
}

bool mg_buf_reserve(mg_buf *b, size_t more) {
    size_t max = b->max ? b->max : DEFAULT_MAX;
    if (b->n > max || more > max - b->n) return false;
    if (more <= b->cap - b->n) return true;
    size_t cap = b->cap < LEAST ? LEAST : b->cap;
    while (cap - b->n < more) cap *= 2;
    if (cap > max) cap = max;
    b->p = mg_realloc(b->p, cap);
    b->cap = cap;
    return true;
}

/* Room for n bytes, or `over`. */
static bool claim(mg_buf *b, size_t n) {
    if (mg_buf_reserve(b, n)) return true;
    b->over = true;
    return false;
}

bool mg_buf_add(mg_buf *b, const void *p, size_t n) {
    if (n == 0) return true;
    if (!claim(b, n)) return false;
    memcpy(b->p + b->n, p, n);
    b->n += n;
    return true;
}

bool mg_buf_str(mg_buf *b, mg_str s) { return mg_buf_add(b, s.p, s.n); }

bool mg_buf_printf(mg_buf *b, const char *format, ...) {
    char small[512];
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    bool ok = n >= 0;
    if (ok && (size_t)n < sizeof small) {
        ok = mg_buf_add(b, small, (size_t)n);
    } else if (ok) {
        char *large = mg_malloc((size_t)n + 1); /* apart from the buffer: the 0 behind the text need not fit there */
        vsnprintf(large, (size_t)n + 1, format, again);
        ok = mg_buf_add(b, large, (size_t)n);
        free(large);
    }
    va_end(again);
    return ok;
}

void mg_buf_drain(mg_buf *b, size_t n) {
    if (n > b->n) n = b->n;
    if (n == 0) return;
    b->n -= n;
    memmove(b->p, b->p + n, b->n);
}

static bool plain(uint8_t c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }

/* True if all eight bytes are plain. Subtracting 1 from a byte that is 0 borrows into its top bit; bytes from 0x80 on,
 * where that test is not exact, are refused anyway. */
static bool eight_plain(const char *p) {
    uint64_t x;
    memcpy(&x, p, sizeof x);
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t quote = x ^ (ones * '"'), slash = x ^ (ones * '\\');
    return ((x | (x - ones * 0x20) | (quote - ones) | (slash - ones)) & tops) == 0;
}

/* Bytes at the start of s that stand in a JSON string as they are. */
static size_t clean_run(mg_str s) {
    size_t i = 0;
    for (;;) {
        while (s.n - i >= 8 && eight_plain(s.p + i)) i += 8;
        while (i < s.n && plain((uint8_t)s.p[i])) i++;
        if (i == s.n || (uint8_t)s.p[i] < 0x80) return i;
        size_t n = mg_str_utf8(mg_str_skip(s, i));
        if (n == 0) return i;
        i += n;
    }
}

static size_t escape(uint8_t c, char out[6]) {
    static const char hex[] = "0123456789abcdef";
    static const char letters[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\'};
    if (c >= 0x80) {
        memcpy(out, "\xef\xbf\xbd", 3);
        return 3;
    }
    out[0] = '\\';
    if (letters[c]) {
        out[1] = letters[c];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    return 6;
}

bool mg_buf_json_raw(mg_buf *b, mg_str text) {
    size_t before = b->n;
    while (text.n) {
        size_t n = clean_run(text);
        bool ok = mg_buf_add(b, text.p, n);
        text = mg_str_skip(text, n);
        if (ok && text.n) {
            char out[6];
            ok = mg_buf_add(b, out, escape((uint8_t)text.p[0], out));
            text = mg_str_skip(text, 1);
        }
        if (!ok) {
            b->n = before;
            return false;
        }
    }
    return true;
}

bool mg_buf_json(mg_buf *b, mg_str text) {
    size_t before = b->n;
    if (mg_buf_add(b, "\"", 1) && mg_buf_json_raw(b, text) && mg_buf_add(b, "\"", 1)) return true;
    b->n = before;
    return false;
}
