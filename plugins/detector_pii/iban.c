/* International bank account numbers (ISO 13616): a country of the SWIFT registry, its length and structure, and the
 * check digits (modulo 97). Whole or in groups of four, all capitals or none. */
#include "scan.h"
#include "text.h"

#include <string.h>

enum {
    SHORTEST = 15, /* Norway */
    LONGEST = 34,
    BLOCK = 32
};

/* What follows the check digits: n digits, a letters, c either. */
typedef struct country {
    char code[3];
    const char *structure;
} country;

static const country countries[] = {
    {"AD", "8n12c"},   {"AE", "19n"},    {"AL", "8n16c"},    {"AT", "16n"},      {"AZ", "4a20c"},    {"BA", "16n"},
    {"BE", "12n"},     {"BG", "4a6n8c"}, {"BH", "4a14c"},    {"BI", "23n"},      {"BR", "23n1a1c"},  {"BY", "4c4n16c"},
    {"CH", "5n12c"},   {"CR", "18n"},    {"CY", "8n16c"},    {"CZ", "20n"},      {"DE", "18n"},      {"DJ", "23n"},
    {"DK", "14n"},     {"DO", "4c20n"},  {"EE", "16n"},      {"EG", "25n"},      {"ES", "20n"},      {"FI", "14n"},
    {"FK", "2a12n"},   {"FO", "14n"},    {"FR", "10n11c2n"}, {"GB", "4a14n"},    {"GE", "2a16n"},    {"GI", "4a15c"},
    {"GL", "14n"},     {"GR", "7n16c"},  {"GT", "24c"},      {"HN", "4a20n"},    {"HR", "17n"},      {"HU", "24n"},
    {"IE", "4a14n"},   {"IL", "19n"},    {"IQ", "4a15n"},    {"IS", "22n"},      {"IT", "1a10n12c"}, {"JO", "4a4n18c"},
    {"KW", "4a22c"},   {"KZ", "3n13c"},  {"LB", "4n20c"},    {"LC", "4a24c"},    {"LI", "5n12c"},    {"LT", "16n"},
    {"LU", "3n13c"},   {"LV", "4a13c"},  {"LY", "21n"},      {"MC", "10n11c2n"}, {"MD", "20c"},      {"ME", "18n"},
    {"MK", "3n10c2n"}, {"MN", "16n"},    {"MR", "23n"},      {"MT", "4a5n18c"},  {"MU", "4a19n3a"},  {"NI", "4a20n"},
    {"NL", "4a10n"},   {"NO", "11n"},    {"OM", "3n16c"},    {"PK", "4a16c"},    {"PL", "24n"},      {"PS", "4a21c"},
    {"PT", "21n"},     {"QA", "4a21c"},  {"RO", "4a16c"},    {"RS", "18n"},      {"RU", "14n15c"},   {"SA", "2n18c"},
    {"SC", "4a20n3a"}, {"SD", "14n"},    {"SE", "20n"},      {"SI", "15n"},      {"SK", "20n"},      {"SM", "1a10n12c"},
    {"SO", "19n"},     {"ST", "21n"},    {"SV", "4a20n"},    {"TL", "19n"},      {"TN", "20n"},      {"TR", "6n16c"},
    {"UA", "6n19c"},   {"VA", "18n"},    {"VG", "4a16n"},    {"XK", "16n"},      {"YE", "4a4n18c"},
};

static bool opens(const char *p) {
    int a = mg_pii_is_letter(p[0]), b = mg_pii_is_letter(p[1]), c = mg_pii_is_digit(p[2]), d = mg_pii_is_digit(p[3]);
    return a & b & c & d;
}

/* A loop without branches, which the compiler turns into vectors. */
static bool block_opens(const char *p) {
    unsigned char any = 0;
    for (int i = 0; i < BLOCK; i++) any |= opens(p + i);
    return any;
}

/* Two letters and two digits that begin a word. */
bool mg_pii_iban_gate(mg_str text, size_t *at, mg_pii_window *window) {
    while (*at + SHORTEST <= text.n) {
        if (*at + BLOCK + 3 <= text.n && !block_opens(text.p + *at)) {
            *at += BLOCK;
            continue;
        }
        size_t stop = *at + BLOCK;
        for (; *at < stop && *at + SHORTEST <= text.n; ++*at) {
            if (!opens(text.p + *at) || mg_pii_is_word(mg_pii_before(text, *at, 1))) continue;
            *window = (mg_pii_window){*at, text.n};
            ++*at;
            return true;
        }
    }
    return false;
}

static const country *find(const char *p) {
    for (size_t i = 0; i < sizeof countries / sizeof countries[0]; i++)
        if ((p[0] & ~0x20) == countries[i].code[0] && (p[1] & ~0x20) == countries[i].code[1]) return &countries[i];
    return NULL;
}

static bool fits(char c, char kind, bool capitals) {
    if (mg_pii_is_digit(c)) return kind != 'a';
    return kind != 'n' && mg_pii_is_letter(c) && mg_pii_is_upper(c) == capitals;
}

/* Collects the account of this structure; the end of it in the text, or 0. */
static size_t read_account(mg_str text, size_t start, const country *c, char *out, size_t *n) {
    bool capitals = mg_pii_is_upper(text.p[start]);
    char separator = mg_pii_behind(text, start + 4, 1);
    size_t i = start + 4;
    if (separator != ' ' && separator != '-') separator = 0;
    memcpy(out, text.p + start, 4);
    *n = 4;
    for (const char *s = c->structure; *s; s++) {
        size_t count = 0;
        for (; mg_pii_is_digit(*s); s++) count = count * 10 + (size_t)(*s - '0');
        for (; count; count--) {
            if (separator && *n % 4 == 0 && (i == text.n || text.p[i++] != separator)) return 0;
            if (i == text.n || !fits(text.p[i], *s, capitals)) return 0;
            out[(*n)++] = text.p[i++];
        }
    }
    return i;
}

static bool has_check(const char *p, size_t n) {
    unsigned rest = 0;
    for (size_t i = 0; i < n; i++) {
        char c = p[(i + 4) % n];
        rest = mg_pii_is_digit(c) ? rest * 10 + (unsigned)(c - '0') : rest * 100 + (unsigned)((c | 0x20) - 'a' + 10);
        rest %= 97;
    }
    return rest == 1;
}

double mg_pii_iban_valid(mg_str text, size_t *start, size_t *end) {
    char account[LONGEST];
    size_t n;
    const country *c = find(text.p + *start);
    if (!c || mg_pii_is_upper(text.p[*start]) != mg_pii_is_upper(text.p[*start + 1])) return 0;
    size_t stop = read_account(text, *start, c, account, &n);
    if (!stop || mg_pii_is_word(mg_pii_behind(text, stop, 1)) || !has_check(account, n)) return 0;
    *end = stop;
    return 0.98;
}
