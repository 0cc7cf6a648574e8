/* Texts inside texts: JSON in a string, base64. */
#include "anthropic.h"

enum { DEPTH_MAX = 128 };

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

typedef struct scan {
    const unsigned char *p, *end;
    int depth;
} scan;

static bool scan_value(scan *s);

static void scan_space(scan *s) {
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r')) s->p++;
}

static bool scan_char(scan *s, char c) {
    scan_space(s);
    if (s->p == s->end || *s->p != (unsigned char)c) return false;
    s->p++;
    return true;
}

static bool is_digit(const scan *s) { return s->p < s->end && *s->p >= '0' && *s->p <= '9'; }

static bool is_hex(unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool scan_escape(scan *s) {
    if (s->p == s->end) return false;
    unsigned char c = *s->p++;
    if (c != 'u') return c && strchr("\"\\/bfnrt", c) != NULL;
    for (int i = 0; i < 4; i++, s->p++)
        if (s->p == s->end || !is_hex(*s->p)) return false;
    return true;
}

static bool scan_string(scan *s) {
    if (!scan_char(s, '"')) return false;
    while (s->p < s->end) {
        unsigned char c = *s->p++;
        if (c == '"') return true;
        if (c < 0x20 || (c == '\\' && !scan_escape(s))) return false;
    }
    return false;
}

static bool scan_digits(scan *s) {
    if (!is_digit(s)) return false;
    while (is_digit(s)) s->p++;
    return true;
}

static bool scan_number(scan *s) {
    if (s->p < s->end && *s->p == '-') s->p++;
    bool zero = s->p < s->end && *s->p == '0';
    if (!zero && !scan_digits(s)) return false;
    if (zero) s->p++;
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (!scan_digits(s)) return false;
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-')) s->p++;
        return scan_digits(s);
    }
    return true;
}

static bool scan_word(scan *s, const char *word) {
    size_t n = strlen(word);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0) return false;
    s->p += n;
    return true;
}

/* A list or an object, from behind its opening bracket. */
static bool scan_inside(scan *s, char close, bool keys) {
    if (++s->depth > DEPTH_MAX) return false;
    if (!scan_char(s, close)) {
        do {
            if (keys && (!scan_string(s) || !scan_char(s, ':'))) return false;
            if (!scan_value(s)) return false;
        } while (scan_char(s, ','));
        if (!scan_char(s, close)) return false;
    }
    s->depth--;
    return true;
}

static bool scan_value(scan *s) {
    scan_space(s);
    if (s->p == s->end) return false;
    switch (*s->p) {
    case '{': s->p++; return scan_inside(s, '}', true);
    case '[': s->p++; return scan_inside(s, ']', false);
    case '"': return scan_string(s);
    case 't': return scan_word(s, "true");
    case 'f': return scan_word(s, "false");
    case 'n': return scan_word(s, "null");
    default: return scan_number(s);
    }
}

bool anthropic_json_object(mg_str text) {
    if (text.n == 0) return false;
    scan s = {(const unsigned char *)text.p, (const unsigned char *)text.p + text.n, 0};
    if (!scan_char(&s, '{') || !scan_inside(&s, '}', true)) return false;
    scan_space(&s);
    return s.p == s.end;
}

/* ---- base64 ------------------------------------------------------------------------------------------------------ */

static int sextet(unsigned char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int64_t anthropic_base64(mg_str text, char *out) {
    uint32_t bits = 0;
    size_t n = 0, have = 0;
    while (text.n && text.p[text.n - 1] == '=') text.n--;
    if (text.n % 4 == 1) return -1;
    for (size_t i = 0; i < text.n; i++) {
        int six = sextet((unsigned char)text.p[i]);
        if (six < 0) return -1;
        bits = bits << 6 | (uint32_t)six;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (char)(bits >> have & 0xff);
        }
    }
    return (int64_t)n;
}

bool anthropic_blank(mg_str text) {
    for (size_t i = 0; i < text.n; i++)
        if (!text.p[i] || !strchr(" \t\r\n\f\v", text.p[i])) return false;
    return true;
}
