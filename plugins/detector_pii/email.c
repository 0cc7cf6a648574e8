/* E-mail addresses: RFC 5321 with its lengths, RFC 6531 for UTF-8 on both sides of the '@'.
 *
 * Of the characters that a local part may hold, / = ? * { } | ` are taken as borders instead: in text they belong to
 * URLs, assignments, markup and templates far more often than to an address. */
#include "scan.h"

#include <string.h>
#include <strings.h>

enum {
    LONGEST_LOCAL = 64,
    LONGEST_DOMAIN = 255,
    BEYOND = 4 /* bytes that a window has to spare, so that what is too long is seen to be */
};

#define ATOM "[\\p{L}\\p{M}\\p{N}_%+\\-'!#$~^&]"

const char mg_pii_email_pattern[] = "(?: (?<![\\p{L}\\p{N}_]) [\\p{L}\\p{N}_] " ATOM "*+ (?: \\. " ATOM "++ )*+"
                                    "  | \" (?: [^\"\\\\\\p{Cc}] | \\\\ [\\x20-\\x7e] ){1,62}+ \" )"
                                    "@ [\\p{L}\\p{N}] (?: -*+ [\\p{L}\\p{M}\\p{N}] ){0,62}+"
                                    "(?: \\. [\\p{L}\\p{N}] (?: -*+ [\\p{L}\\p{M}\\p{N}] ){0,62}+ )++";

static bool is_continuation(char c) { return ((unsigned char)c & 0xc0) == 0x80; }
static bool is_letter(char c) { return (unsigned char)((c | 0x20) - 'a') < 26; }
static bool is_word(char c) { return is_letter(c) || (unsigned char)(c - '0') < 10 || (unsigned char)c >= 0x80; }

/* A window holds one '@', and of what stands around it as much as an address can be long. */
static mg_pii_window window_around(mg_str text, size_t floor, size_t at) {
    mg_pii_window w = {floor, text.n};
    if (at - w.start > LONGEST_LOCAL + BEYOND) w.start = at - LONGEST_LOCAL - BEYOND;
    while (w.start < at && is_continuation(text.p[w.start])) w.start++;
    if (w.end - at - 1 > LONGEST_DOMAIN + BEYOND) w.end = at + 1 + LONGEST_DOMAIN + BEYOND;
    const char *next = memchr(text.p + at + 1, '@', w.end - at - 1);
    if (next) w.end = (size_t)(next - text.p);
    while (w.end < text.n && w.end > at + 1 && is_continuation(text.p[w.end])) w.end--;
    return w;
}

/* What a local part may end with. */
static bool ends_local(char c) { return is_word(c) || (c && strchr("_%+-'!#$~^&\"", c)); }

bool mg_pii_email_gate(mg_str text, size_t *at, mg_pii_window *window) {
    const char *p;
    while (*at < text.n && (p = memchr(text.p + *at, '@', text.n - *at))) {
        size_t floor = *at, here = (size_t)(p - text.p);
        *at = here + 1;
        if (here == floor || here + 1 == text.n || !is_word(p[1]) || !ends_local(p[-1])) continue;
        *window = window_around(text, floor, here);
        return true;
    }
    return false;
}

/* Scripts that are written without spaces, so that a word in front of or behind an address touches it. */
static bool is_unspaced(uint32_t c) {
    static const uint32_t ranges[][2] = {{0x0e00, 0x0eff}, {0x1000, 0x109f},  {0x1100, 0x11ff}, {0x1780, 0x17ff},
                                         {0x2e80, 0x9fff}, {0xa960, 0xa97f},  {0xac00, 0xd7ff}, {0xf900, 0xfaff},
                                         {0xff66, 0xff9f}, {0x20000, 0x3ffff}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (c >= ranges[i][0] && c <= ranges[i][1]) return true;
    return false;
}

/* The code point at p, of text that the pattern has found to be UTF-8. *n: its bytes. */
static uint32_t decode(const char *p, size_t *n) {
    const unsigned char *b = (const unsigned char *)p;
    *n = b[0] < 0x80 ? 1 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
    uint32_t c = *n == 1 ? b[0] : b[0] & (0x7fu >> *n);
    for (size_t i = 1; i < *n; i++) c = c << 6 | (b[i] & 0x3f);
    return c;
}

/* Where the local part of "请联系user" begins: a Latin name does not go on to the left with Han characters, but "用户2"
 * does. The letter nearest the '@' decides. */
static size_t local_start(mg_str text, size_t start, size_t at) {
    bool spaced = false, known = false;
    for (size_t i = at; i > start;) {
        size_t n, end = i;
        do i--;
        while (i > start && is_continuation(text.p[i]));
        uint32_t c = decode(text.p + i, &n);
        bool unspaced = is_unspaced(c);
        if (!known && (unspaced || c >= 0x80 || is_letter((char)c))) {
            known = true;
            spaced = !unspaced;
        }
        if (known && spaced && unspaced) return end;
    }
    return start;
}

/* Where the last label of "example.com谢谢" ends. */
static size_t domain_end(mg_str text, size_t label, size_t end) {
    if ((unsigned char)text.p[label] >= 0x80) return end;
    for (size_t i = label, n; i < end; i += n)
        if (is_unspaced(decode(text.p + i, &n))) return i;
    return end;
}

/* Names like icon@2x.png are files. */
static bool is_file_ending(const char *p, size_t n) {
    static const char *const endings[] = {"png", "jpg", "jpeg", "gif",  "webp", "svg",
                                          "pdf", "css", "js",   "json", "html"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (strlen(endings[i]) == n && strncasecmp(p, endings[i], n) == 0) return true;
    return false;
}

/* "example.com123-45-6789": where a well-known ending has lost what parted it from the number behind. */
static size_t unglued_end(mg_str text, size_t label, size_t end) {
    static const char *const endings[] = {"com", "org", "net", "edu", "gov", "mil", "info", "biz"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t n = strlen(endings[i]);
        if (end - label <= n || strncasecmp(text.p + label, endings[i], n) != 0) continue;
        if ((unsigned char)(text.p[label + n] - '0') < 10) return label + n;
    }
    return end;
}

static bool is_top_level(const char *p, size_t n) {
    if (n < 2 || n > 63 || is_file_ending(p, n)) return false;
    if (n > 4 && strncasecmp(p, "xn--", 4) == 0) return true;
    for (size_t i = 0; i < n; i++)
        if (!is_letter(p[i]) && (unsigned char)p[i] < 0x80) return false;
    return true;
}

/* Whether the token goes on: a label that was cut at 63, or another '@' or '_' with something behind it. */
static bool goes_on(mg_str text, size_t end) {
    if (end == text.n) return false;
    char c = text.p[end];
    if (c == '@' || c == '_') return end + 1 < text.n && is_word(text.p[end + 1]);
    return (unsigned char)c < 0x80 && is_word(c);
}

double mg_pii_email_valid(mg_str text, size_t *start, size_t *end) {
    const char *sign = memchr(text.p + *start, '@', *end - *start);
    size_t at = (size_t)(sign - text.p);
    if (goes_on(text, *end) || (*start > 0 && text.p[*start - 1] == '@')) return 0;
    if (text.p[*start] == '_' && *end < text.n && text.p[*end] == '_' && at - *start > 1) ++*start; /* markup */
    if (text.p[*start] != '"') *start = local_start(text, *start, at);
    if (at == *start || at - *start > LONGEST_LOCAL) return 0;
    size_t label = *end;
    while (text.p[label - 1] != '.') label--;
    *end = unglued_end(text, label, domain_end(text, label, *end));
    if (*end - at - 1 > LONGEST_DOMAIN || !is_top_level(text.p + label, *end - label)) return 0;
    return 0.95;
}
