#include "base/str.h"
#include <openssl/crypto.h>
#include <stdio.h>

static bool blank(char c) { return c == ' ' || c == '\t'; }

mg_str mg_str_trim(mg_str s) {
    while (s.n && blank(s.p[0])) s = mg_str_skip(s, 1);
    while (s.n && blank(s.p[s.n - 1])) s.n--;
    return s;
}

/* Only the last `*` ever has to be retried, because what stood before it has matched as early as possible. */
bool mg_str_glob(mg_str pattern, mg_str s) {
    size_t p = 0, i = 0, retry_p = SIZE_MAX, retry_i = 0;
    while (i < s.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            retry_p = ++p;
            retry_i = i;
        } else if (p < pattern.n && pattern.p[p] == s.p[i]) {
            p++;
            i++;
        } else if (retry_p != SIZE_MAX) {
            p = retry_p;
            i = ++retry_i;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*') p++;
    return p == pattern.n;
}

bool mg_str_int(mg_str s, int64_t *out) {
    bool negative = s.n && s.p[0] == '-';
    if (s.n && (s.p[0] == '-' || s.p[0] == '+')) s = mg_str_skip(s, 1);
    if (s.n == 0) return false;
    int64_t value = 0; /* kept negative: INT64_MIN has no positive counterpart */
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return false;
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, s.p[i] - '0', &value))
            return false;
    }
    if (!negative && value == INT64_MIN) return false;
    *out = negative ? value : -value;
    return true;
}

bool mg_str_eq_secret(mg_str a, mg_str b) { return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0); }

static bool continues(uint8_t c) { return (c & 0xc0) == 0x80; }

size_t mg_str_utf8(mg_str s) {
    const uint8_t *c = (const uint8_t *)s.p;
    if (s.n == 0) return 0;
    if (c[0] < 0x80) return 1;
    if (c[0] < 0xc2 || c[0] > 0xf4 || s.n < 2) return 0;
    if (c[0] < 0xe0) return continues(c[1]) ? 2 : 0;
    /* The second byte's range excludes overlong forms, surrogates and what lies above U+10FFFF. */
    uint8_t low = c[0] == 0xe0 ? 0xa0 : c[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t high = c[0] == 0xed ? 0x9f : c[0] == 0xf4 ? 0x8f : 0xbf;
    if (c[1] < low || c[1] > high || s.n < 3 || !continues(c[2])) return 0;
    if (c[0] < 0xf0) return 3;
    return s.n >= 4 && continues(c[3]) ? 4 : 0;
}

mg_str mg_str_cut(mg_str s, size_t max) {
    if (s.n <= max) return s;
    size_t n = max;
    while (n > 0 && max - n < 4 && continues((uint8_t)s.p[n])) n--;
    return (mg_str){s.p, continues((uint8_t)s.p[n]) ? max : n};
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

size_t mg_str_distance(mg_str a, mg_str b) {
    enum { LONGEST = 64 };
    size_t rows[3][LONGEST + 1];
    a.n = least(a.n, LONGEST);
    b.n = least(b.n, LONGEST);
    for (size_t j = 0; j <= b.n; j++) rows[0][j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t change = before[j - 1] + (a.p[i - 1] != b.p[j - 1]);
            now[j] = least(change, least(before[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
                now[j] = least(now[j], earlier[j - 2] + 1);
        }
    }
    return rows[a.n % 3][b.n];
}

mg_status mg_fail(mg_error *error, int http, const char *code, const char *format, ...) {
    if (!error) return MG_ERROR;
    error->http = http;
    snprintf(error->code, sizeof error->code, "%s", code ? code : "");
    va_list args;
    va_start(args, format);
    int n = vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    if (n < 0) error->text[0] = 0;
    if (n >= (int)sizeof error->text) {
        /* Clients get the text as JSON: half a character must not end it. */
        size_t end = sizeof error->text - 1, last = end;
        while (last > 0 && end - last < 4 && continues((uint8_t)error->text[last - 1])) last--;
        if (last > 0 && mg_str_utf8(mg_str_from(error->text + last - 1, end - last + 1)) == 0)
            error->text[last - 1] = 0;
    }
    return MG_ERROR;
}
