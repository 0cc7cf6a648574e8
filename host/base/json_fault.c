#include "base/json_fault.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEEPEST = 1024 };

typedef struct scan {
    mg_str text;
    size_t at;
    mg_error *error;
} scan;

/* The byte at the scan, or -1 at the end. */
static int peek(const scan *s) { return s->at < s->text.n ? (uint8_t)s->text.p[s->at] : -1; }

static void blanks(scan *s) {
    while (s->at < s->text.n && memchr(" \t\n\r", s->text.p[s->at], 4)) s->at++;
}

static bool fault(scan *s, size_t at, const char *reason) {
    mg_fail(s->error, 400, "invalid_json", "invalid JSON at byte %zu: %s", at, reason);
    return false;
}

static bool expected(scan *s, const char *what) {
    int c = peek(s);
    char reason[128];
    if (c < 0)
        snprintf(reason, sizeof reason, "%s expected, but the text ends", what);
    else if (c > 0x20 && c < 0x7f)
        snprintf(reason, sizeof reason, "%s expected, found %c", what, c);
    else
        snprintf(reason, sizeof reason, "%s expected, found byte 0x%02x", what, (unsigned)c);
    return fault(s, s->at, reason);
}

static bool digit(int c) { return c >= '0' && c <= '9'; }

static size_t digits(scan *s) {
    size_t from = s->at;
    while (digit(peek(s))) s->at++;
    return s->at - from;
}

/* Integers have to fit in 64 bits, signed or unsigned, and everything else in a double. */
static bool in_range(mg_str number, bool integer) {
    if (integer && number.n > 20) return false;
    char *z = strndup(number.p, number.n);
    if (!z) return true;
    errno = 0;
    bool ok;
    if (integer && z[0] == '-')
        ok = (strtoll(z, NULL, 10), errno == 0);
    else if (integer)
        ok = (strtoull(z, NULL, 10), errno == 0);
    else
        ok = isfinite(strtod(z, NULL));
    free(z);
    return ok;
}

static bool number(scan *s) {
    size_t from = s->at;
    bool integer = true;
    if (peek(s) == '-') s->at++;
    if (peek(s) == '0') {
        s->at++;
        if (digit(peek(s))) return fault(s, from, "a number must not begin with 0");
    } else if (digits(s) == 0) {
        return expected(s, "a digit");
    }
    if (peek(s) == '.') {
        integer = false;
        s->at++;
        if (digits(s) == 0) return expected(s, "a digit after the decimal point");
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        integer = false;
        s->at++;
        if (peek(s) == '+' || peek(s) == '-') s->at++;
        if (digits(s) == 0) return expected(s, "a digit of the exponent");
    }
    return in_range(mg_str_from(s->text.p + from, s->at - from), integer) || fault(s, from, "number out of range");
}

static bool word(scan *s, const char *z) {
    if (mg_str_starts(mg_str_skip(s->text, s->at), mg_str_of(z))) {
        s->at += strlen(z);
        return true;
    }
    char what[32];
    snprintf(what, sizeof what, "a value (perhaps %s)", z);
    return expected(s, what);
}

/* The four digits of \uXXXX, whose backslash is at `at`; -1 if they are not. */
static int code_unit(const scan *s, size_t at) {
    int value = 0;
    if (s->text.n < 6 || at > s->text.n - 6 || s->text.p[at] != '\\' || s->text.p[at + 1] != 'u') return -1;
    for (size_t i = at + 2; i < at + 6; i++) {
        char c = s->text.p[i];
        int lower = c | 0x20;
        if (!digit(c) && (lower < 'a' || lower > 'f')) return -1;
        value = value * 16 + (digit(c) ? c - '0' : lower - 'a' + 10);
    }
    return value;
}

static bool escape(scan *s) {
    size_t from = s->at;
    int c = from + 1 < s->text.n ? (uint8_t)s->text.p[from + 1] : 0;
    if (c && strchr("\"\\/bfnrt", c)) {
        s->at += 2;
        return true;
    }
    int unit = code_unit(s, from);
    if (unit < 0)
        return fault(s, from, c == 'u' ? "invalid escape: \\u takes four hexadecimal digits" : "invalid escape");
    s->at += 6;
    if (unit < 0xd800 || unit > 0xdfff) return true;
    int second = unit < 0xdc00 ? code_unit(s, s->at) : -1;
    if (second < 0xdc00 || second > 0xdfff)
        return fault(s, from, "a lone surrogate: \\ud800 to \\udfff stand only in pairs, high before low");
    s->at += 6;
    return true;
}

static bool string(scan *s) {
    size_t from = s->at++;
    for (;;) {
        int c = peek(s);
        if (c < 0) return fault(s, from, "unterminated string");
        if (c == '"') break;
        if (c < 0x20) return fault(s, s->at, "a control character in a string must be written as an escape");
        size_t n = mg_str_utf8(mg_str_skip(s->text, s->at));
        if (n == 0) return fault(s, s->at, "invalid UTF-8");
        if (c == '\\') {
            if (!escape(s)) return false;
        } else {
            s->at += n;
        }
    }
    s->at++;
    return true;
}

static bool scalar(scan *s) {
    int c = peek(s);
    if (c == '"') return string(s);
    if (c == '-' || digit(c)) return number(s);
    if (c == 't') return word(s, "true");
    if (c == 'f') return word(s, "false");
    if (c == 'n') return word(s, "null");
    return expected(s, "a value");
}

static bool key(scan *s) {
    blanks(s);
    if (peek(s) != '"') return expected(s, "a member's name in quotes");
    if (!string(s)) return false;
    blanks(s);
    if (peek(s) != ':') return expected(s, "a colon");
    s->at++;
    return true;
}

/* Behind a value: closes what is complete, and stops before the next value, at the end (*depth 0) or at a fault
 * (false). */
static bool proceed(scan *s, const char *closers, size_t *depth) {
    while (*depth) {
        blanks(s);
        char closer = closers[*depth - 1];
        if (peek(s) == closer) {
            s->at++;
            --*depth;
        } else if (peek(s) == ',') {
            s->at++;
            return closer == ']' || key(s);
        } else {
            return expected(s, closer == ']' ? "a comma or ]" : "a comma or }");
        }
    }
    return true;
}

/* Opens a container. *empty: it was closed at once. */
static bool open_container(scan *s, char *closers, size_t *depth, size_t max_depth, bool *empty) {
    char closer = peek(s) == '[' ? ']' : '}';
    if (*depth == max_depth) {
        char reason[64];
        snprintf(reason, sizeof reason, "nested more than %zu levels deep", max_depth);
        return fault(s, s->at, reason);
    }
    s->at++;
    closers[(*depth)++] = closer;
    blanks(s);
    *empty = peek(s) == closer;
    return *empty || closer == ']' || key(s);
}

static bool document(scan *s, size_t max_depth) {
    char closers[DEEPEST];
    size_t depth = 0;
    do {
        blanks(s);
        int c = peek(s);
        if (c == '[' || c == '{') {
            bool empty;
            if (!open_container(s, closers, &depth, max_depth, &empty)) return false;
            if (!empty) continue;
        } else if (!scalar(s)) {
            return false;
        }
        if (!proceed(s, closers, &depth)) return false;
    } while (depth);
    blanks(s);
    return s->at == s->text.n || fault(s, s->at, "there is more behind the end of the value");
}

mg_status mg_json_fault(mg_str text, size_t max_depth, mg_error *error) {
    scan s = {text, 0, error};
    if (mg_str_starts(text, MG_STR("\xef\xbb\xbf")))
        return fault(&s, 0, "the text begins with a byte-order mark: send it without"), MG_ERROR;
    blanks(&s);
    if (s.at == text.n) return mg_fail(error, 400, "invalid_json", "the body is empty: JSON expected");
    return document(&s, max_depth < DEEPEST ? max_depth : DEEPEST) ? MG_OK : MG_ERROR;
}
