/* Secrets that are one token: vendors' keys, JSON web tokens, bots' tokens; and tokens without a form of their own that
 * look random and stand behind a word such as "password". */
#include "secret.h"
#include "scan.h"
#include "text.h"

#include <string.h>

enum {
    SHORTEST = 16,
    LONGEST_JWT = 8192,
    LONGEST_VALUE = 512,
    WITHIN = 26, /* where the word of a value begins: the longest one and its reach */
};

static const mg_pii_word words[] = {
    {"password", 1, 6},   {"passwd", 1, 6},      {"passphrase", 1, 6},  {"pwd", 1, 6},         {"pass", 1, 3},
    {"secret", 1, 6},     {"token", 1, 6},       {"apikey", 1, 6},      {"api key", 1, 6},     {"api_key", 1, 6},
    {"api-key", 1, 6},    {"access key", 1, 6},  {"access_key", 1, 6},  {"accesskey", 1, 6},   {"secret key", 1, 6},
    {"secret_key", 1, 6}, {"secretkey", 1, 6},   {"private_key", 1, 6}, {"auth_key", 1, 6},    {"authkey", 1, 6},
    {"accountkey", 1, 6}, {"account_key", 1, 6}, {"signing key", 1, 6}, {"signing_key", 1, 6}, {"encryption_key", 1, 6},
    {"bearer", 1, 3},     {"basic", 1, 3},       {"credential", 1, 6},  {"credentials", 1, 6}, {"signature", 1, 6},
    {"", 0, 0},
};

static size_t run_end(mg_str text, size_t at, mg_pii_alphabet a, size_t most) {
    size_t stop = text.n - at > most ? at + most : text.n;
    while (at < stop && mg_pii_in_alphabet(text.p[at], a)) at++;
    return at;
}

/* Three parts in base64url, of which the first is a JSON object; five when it is encrypted. */
static size_t jwt_end(mg_str text, size_t at) {
    size_t end = at, parts = 0, least = at + 8;
    if (text.n - at < 32 || memcmp(text.p + at, "ey", 2) != 0) return 0;
    if (text.p[at + 2] != 'J' && text.p[at + 2] != 'A') return 0;
    for (; parts < 5; parts++) {
        end = run_end(text, end, MG_PII_URL, LONGEST_JWT);
        if (end < least && parts < 2) return 0;
        if (mg_pii_behind(text, end, 1) != '.' || !mg_pii_in_alphabet(mg_pii_behind(text, end, 2), MG_PII_URL)) break;
        least = ++end + 8;
    }
    return parts >= 1 ? end : 0;
}

/* Telegram: a number, a colon, "AA" and 33 more. */
static size_t telegram_end(mg_str text, size_t at) {
    size_t colon = run_end(text, at, MG_PII_DIGITS, 11);
    if (colon - at < 8 || text.n - colon < 36 || memcmp(text.p + colon, ":AA", 3) != 0) return 0;
    size_t end = run_end(text, colon + 1, MG_PII_URL, 40);
    return end - colon - 1 == 35 ? end : 0;
}

/* Discord's bots, Airtable's personal tokens: parts of fixed lengths. */
static size_t parted_end(mg_str text, size_t at) {
    size_t first = run_end(text, at, MG_PII_URL, 64), second, third;
    if (mg_pii_behind(text, first, 1) != '.') return 0;
    second = run_end(text, first + 1, MG_PII_URL, 80);
    if (first - at == 17 && memcmp(text.p + at, "pat", 3) == 0 && second - first - 1 == 64) return second;
    if (!strchr("MNO", text.p[at]) || first - at < 23 || first - at > 28 || second - first - 1 != 6) return 0;
    if (mg_pii_behind(text, second, 1) != '.') return 0;
    third = run_end(text, second + 1, MG_PII_URL, 64);
    return third - second - 1 >= 27 ? third : 0;
}

/* Capitals, small letters and digits in turns, or long hexadecimal: what no name looks like. */
static bool is_random(const char *p, size_t n) {
    uint64_t seen[2] = {0};
    size_t distinct = 0, turns = 0, digits = 0, hex = 0;
    int before = -1;
    for (size_t i = 0; i < n; i++) {
        unsigned c = (unsigned char)p[i] & 127;
        int kind = mg_pii_is_digit(p[i]) ? 0 : mg_pii_is_upper(p[i]) ? 1 : mg_pii_is_letter(p[i]) ? 2 : 3;
        distinct += !(seen[c >> 6] >> (c & 63) & 1);
        seen[c >> 6] |= UINT64_C(1) << (c & 63);
        turns += before >= 0 && kind != before && kind != 3;
        digits += kind == 0;
        hex += mg_pii_is_hex(p[i]);
        if (kind != 3) before = kind;
    }
    if (!digits || digits == n) return false;
    if (hex == n) return n >= 32 && distinct >= 8;
    return distinct >= 10 && turns * 4 >= n;
}

/* Its '=' can only close it, so that no byte is in two values. */
static size_t value_end(mg_str text, size_t at) {
    size_t end = run_end(text, at, MG_PII_VALUE, LONGEST_VALUE);
    while (mg_pii_behind(text, end, 1) == '=') end++;
    if (end - at < SHORTEST || mg_pii_is_word(mg_pii_behind(text, end, 1)) || mg_pii_behind(text, end, 1) == '(')
        return 0;
    return is_random(text.p + at, end - at) && mg_pii_word_before(text, at, words, WITHIN) > 0 ? end : 0;
}

static size_t secret_end(mg_str text, size_t at) {
    char c = text.p[at], before = mg_pii_before(text, at, 1);
    size_t end = mg_pii_vendor_end(text, at);
    if (before == '-' || before == '_' || before == '.') return end; /* the others' own characters: they began before */
    if (!end && c == 'e') end = jwt_end(text, at);
    if (!end && mg_pii_is_digit(c)) end = telegram_end(text, at);
    if (!end && (c == 'M' || c == 'N' || c == 'O' || c == 'p')) end = parted_end(text, at);
    return end;
}

/* Sixteen bytes of a token in a row, looked at from their last one, as words are shorter; then each place in it where a
 * word begins. */
bool mg_pii_secret_gate(mg_str text, size_t *at, mg_pii_window *window) {
    while (*at + SHORTEST <= text.n) {
        size_t i = *at + SHORTEST;
        while (i > *at && mg_pii_class(text.p[i - 1]) & MG_PII_TOKEN) i--;
        if (i > *at) {
            *at = i;
            continue;
        }
        for (unsigned c, before = mg_pii_class(mg_pii_before(text, i, 1));
             i < text.n && (c = mg_pii_class(text.p[i])) & MG_PII_TOKEN; i++, before = c) {
            if (before & (MG_PII_DIGIT | MG_PII_LETTER) || !(c & (MG_PII_DIGIT | MG_PII_LETTER))) continue;
            size_t end = secret_end(text, i);
            if (!end && before & MG_PII_OPENS) end = value_end(text, i);
            if (!end) continue;
            *window = (mg_pii_window){i, end};
            *at = end;
            return true;
        }
        *at = i;
    }
    return false;
}

double mg_pii_secret_valid(mg_str text, size_t *start, size_t *end) {
    bool form = secret_end(text, *start) == *end;
    return form ? 0.98 : 0.7;
}
