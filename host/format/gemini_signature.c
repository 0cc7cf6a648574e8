/* Signatures of other vendors inside Gemini's thoughtSignature. */
#include "format/gemini.h"
#include <openssl/evp.h>
#include <limits.h>

static const mg_str MARK = MG_STR_INIT("moongate:"), MARK_REDACTED = MG_STR_INIT("moongate-redacted:");

static void put_base64(mg_buf *b, mg_str bytes) {
    size_t n = (bytes.n + 2) / 3 * 4;
    if (bytes.n > INT_MAX / 2 || !mg_buf_reserve(b, n + 1)) return;
    EVP_EncodeBlock((unsigned char *)b->p + b->n, (const unsigned char *)bytes.p, (int)bytes.n);
    b->n += n;
}

void mg_gemini_signature_write(mg_buf *b, const mg_gemini_signature *s) {
    if (!s->text.n) return;
    mg_gemini_key(b, "thoughtSignature");
    if (!s->redacted && mg_str_is(s->vendor, "gemini")) {
        mg_buf_json(b, s->text);
        return;
    }
    mg_buf whole = {0};
    mg_buf_str(&whole, s->redacted ? MARK_REDACTED : MARK);
    mg_buf_str(&whole, s->vendor);
    mg_buf_str(&whole, MG_STR(":"));
    mg_buf_str(&whole, s->text);
    mg_buf_str(b, MG_STR("\""));
    put_base64(b, mg_buf_view(&whole));
    mg_buf_str(b, MG_STR("\""));
    mg_buf_finish(&whole);
}

/* The value of a base64 digit, of the alphabet for URLs too: some clients write bytes in that. -1: none. */
static int digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+' || c == '-') return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* {NULL, 0}: it is no base64. */
static mg_str decode(mg_arena *arena, mg_str text) {
    while (text.n && text.p[text.n - 1] == '=') text.n--;
    char *out = mg_arena_alloc(arena, text.n + 1), *p = out;
    unsigned bits = 0;
    for (size_t i = 0; i < text.n; i++) {
        int d = digit(text.p[i]);
        if (d < 0) return (mg_str){NULL, 0};
        bits = bits << 6 | (unsigned)d;
        if (i % 4) *p++ = (char)(bits >> (6 - 2 * (i % 4)));
    }
    return mg_str_from(out, (size_t)(p - out));
}

mg_gemini_signature mg_gemini_signature_read(mg_arena *arena, mg_str text) {
    mg_gemini_signature s = {.vendor = text.n ? MG_STR("gemini") : MG_STR(""), .text = text};
    if (!mg_str_starts(text, MG_STR("bW9vbmdhdG"))) return s; /* "moongate" */
    mg_str inner = decode(arena, text);
    bool redacted = mg_str_starts(inner, MARK_REDACTED);
    if (!redacted && !mg_str_starts(inner, MARK)) return s;
    inner = mg_str_skip(inner, redacted ? MARK_REDACTED.n : MARK.n);
    size_t n = mg_str_find(inner, ':');
    if (n == 0 || n == inner.n) return s;
    return (mg_gemini_signature){mg_str_from(inner.p, n), mg_str_skip(inner, n + 1), redacted};
}
