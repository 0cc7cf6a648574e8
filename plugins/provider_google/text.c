/* Growing text, and the little JSON that the host does not parse: texts inside strings, and the service account's
 * file. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "google.h"

enum { DEPTH_MAX = 100 };
static const size_t BUF_MAX = 64u << 20;

bool str_says(mg_str s, const char *part) {
    size_t n = strlen(part);
    for (size_t i = 0; i + n <= s.n; i++)
        if (strncasecmp(s.p + i, part, n) == 0) return true;
    return false;
}

/* ---- growing text ------------------------------------------------------------------------------------------------ */

/* Not realloc: it would leave what may be a secret in freed memory. */
static bool grow(google_buf *b, size_t more) {
    size_t cap = b->cap ? b->cap : 256;
    if (b->failed || more > BUF_MAX - b->n) return false;
    while (cap < b->n + more) cap *= 2;
    if (cap == b->cap) return true;
    char *p = malloc(cap);
    if (!p) return false;
    if (b->n) memcpy(p, b->p, b->n);
    size_t n = b->n;
    google_buf_finish(b);
    *b = (google_buf){p, n, cap, false};
    return true;
}

void google_buf_add(google_buf *b, mg_str s) {
    if (s.n == 0) return;
    if (!grow(b, s.n)) {
        b->failed = true;
        return;
    }
    memcpy(b->p + b->n, s.p, s.n);
    b->n += s.n;
}

void google_buf_json(google_buf *b, mg_str s) {
    char escape[8];
    if (!s.n) s = STR(""); /* whose address may be counted from */
    google_buf_add(b, STR("\""));
    for (size_t i = 0, from = 0; i <= s.n; i++) {
        unsigned char c = i < s.n ? (unsigned char)s.p[i] : 0;
        if (i < s.n && c >= 0x20 && c != '"' && c != '\\') continue;
        google_buf_add(b, (mg_str){s.p + from, i - from});
        from = i + 1;
        if (i == s.n) break;
        if (c >= 0x20)
            google_buf_add(b, (mg_str){escape, (size_t)snprintf(escape, sizeof escape, "\\%c", c)});
        else
            google_buf_add(b, (mg_str){escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", c)});
    }
    google_buf_add(b, STR("\""));
}

void google_buf_number(google_buf *b, const char *before, int64_t n) {
    char digits[24];
    google_buf_add(b, str_of(before));
    google_buf_add(b, (mg_str){digits, (size_t)snprintf(digits, sizeof digits, "%lld", (long long)n)});
}

void google_buf_finish(google_buf *b) {
    if (b->p) explicit_bzero(b->p, b->cap);
    free(b->p);
    *b = (google_buf){NULL, 0, 0, false};
}

/* ---- reading JSON: each takes what it reads off the front of *s, false if it is not there ------------------------ */

static void blanks(mg_str *s) {
    while (s->n && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r')) *s = str_skip(*s, 1);
}

static bool take(mg_str *s, char c) {
    blanks(s);
    if (!s->n || *s->p != c) return false;
    *s = str_skip(*s, 1);
    return true;
}

static bool is_digit(mg_str s) { return s.n && *s.p >= '0' && *s.p <= '9'; }

static bool digits(mg_str *s) {
    if (!is_digit(*s)) return false;
    while (is_digit(*s)) *s = str_skip(*s, 1);
    return true;
}

static bool number(mg_str *s) {
    if (s->n && *s->p == '-') *s = str_skip(*s, 1);
    if (s->n && *s->p == '0')
        *s = str_skip(*s, 1);
    else if (!digits(s))
        return false;
    if (s->n && *s->p == '.') {
        *s = str_skip(*s, 1);
        if (!digits(s)) return false;
    }
    if (s->n && (*s->p == 'e' || *s->p == 'E')) {
        *s = str_skip(*s, 1);
        if (s->n && (*s->p == '+' || *s->p == '-')) *s = str_skip(*s, 1);
        return digits(s);
    }
    return true;
}

/* Four hexadecimal digits; -1 if they are none. */
static int hex4(mg_str s) {
    int value = 0;
    if (s.n < 4) return -1;
    for (size_t i = 0; i < 4; i++) {
        char c = s.p[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* What stands behind a backslash. Half a surrogate pair is refused, as the host's parser and the vendor's do. */
static bool escaped(mg_str *s) {
    if (!s->n || !memchr("\"\\/bfnrtu", *s->p, 9)) return false;
    bool unicode = *s->p == 'u';
    *s = str_skip(*s, 1);
    if (!unicode) return true;
    int high = hex4(*s), low = s->n >= 10 && s->p[4] == '\\' && s->p[5] == 'u' ? hex4(str_skip(*s, 6)) : -1;
    bool pair = high >= 0xd800 && high <= 0xdbff;
    if (high < 0 || (high >= 0xdc00 && high <= 0xdfff) || (pair && (low < 0xdc00 || low > 0xdfff))) return false;
    *s = str_skip(*s, pair ? 10 : 4);
    return true;
}

/* The inside of a string, as it stands. */
static bool string(mg_str *s, mg_str *inside) {
    if (!take(s, '"')) return false;
    inside->p = s->p;
    while (s->n && *s->p != '"') {
        bool escape = *s->p == '\\';
        if ((unsigned char)*s->p < 0x20) return false;
        *s = str_skip(*s, 1);
        if (escape && !escaped(s)) return false;
    }
    inside->n = (size_t)(s->p - inside->p);
    return take(s, '"');
}

static bool value(mg_str *s, int depth);

static bool word(mg_str *s, const char *w) {
    if (!str_starts(*s, w)) return false;
    *s = str_skip(*s, strlen(w));
    return true;
}

/* Elements or members up to the closing bracket. */
static bool list(mg_str *s, bool members, char close, int depth) {
    mg_str key;
    if (take(s, close)) return true;
    do {
        if (members && (!string(s, &key) || !take(s, ':'))) return false;
        if (!value(s, depth + 1)) return false;
    } while (take(s, ','));
    return take(s, close);
}

static bool value(mg_str *s, int depth) {
    mg_str inside;
    if (depth > DEPTH_MAX) return false;
    blanks(s);
    if (!s->n) return false;
    switch (*s->p) {
    case '{': return take(s, '{') && list(s, true, '}', depth);
    case '[': return take(s, '[') && list(s, false, ']', depth);
    case '"': return string(s, &inside);
    case 't': return word(s, "true");
    case 'f': return word(s, "false");
    case 'n': return word(s, "null");
    default: return number(s);
    }
}

bool google_json_object(mg_str text) {
    blanks(&text);
    if (!text.n || *text.p != '{' || !value(&text, 0)) return false;
    blanks(&text);
    return text.n == 0;
}

/* ---- reading a member -------------------------------------------------------------------------------------------- */

static void utf8_add(google_buf *out, unsigned c) {
    char b[4];
    size_t n = 0;
    if (c < 0x80) {
        b[n++] = (char)c;
    } else if (c < 0x800) {
        b[n++] = (char)(0xc0 | c >> 6);
        b[n++] = (char)(0x80 | (c & 63));
    } else {
        if (c < 0x10000) {
            b[n++] = (char)(0xe0 | c >> 12);
        } else {
            b[n++] = (char)(0xf0 | c >> 18);
            b[n++] = (char)(0x80 | (c >> 12 & 63));
        }
        b[n++] = (char)(0x80 | (c >> 6 & 63));
        b[n++] = (char)(0x80 | (c & 63));
    }
    google_buf_add(out, (mg_str){b, n});
}

/* \uXXXX, or two of them for a character beyond the first plane; s stands on the first X. Returns how many bytes it
 * read. */
static size_t unicode_add(mg_str s, google_buf *out) {
    unsigned high = (unsigned)hex4(s);
    if (high < 0xd800 || high > 0xdbff) {
        utf8_add(out, high);
        return 4;
    }
    utf8_add(out, 0x10000u + ((high - 0xd800) << 10) + (unsigned)hex4(str_skip(s, 6)) - 0xdc00);
    return 10;
}

static void unescape(mg_str s, google_buf *out) {
    static const char names[] = "bfnrt", codes[] = "\b\f\n\r\t";
    while (s.n) {
        if (*s.p != '\\') {
            google_buf_add(out, (mg_str){s.p, 1});
            s = str_skip(s, 1);
            continue;
        }
        char c = s.p[1];
        const char *at = strchr(names, c);
        s = str_skip(s, 2);
        if (c == 'u')
            s = str_skip(s, unicode_add(s, out));
        else
            google_buf_add(out, (mg_str){at ? &codes[at - names] : s.p - 1, 1});
    }
}

bool google_json_string(mg_str text, const char *key, google_buf *out) {
    mg_str name, inside;
    if (!google_json_object(text) || !take(&text, '{')) return false;
    do {
        if (!string(&text, &name) || !take(&text, ':')) return false;
        blanks(&text);
        bool is_text = text.n && *text.p == '"';
        if (is_text ? !string(&text, &inside) : !value(&text, 0)) return false;
        if (is_text && str_is(name, key)) {
            unescape(inside, out);
            return !out->failed;
        }
    } while (take(&text, ','));
    return false;
}
