/* Payment card numbers: 12 to 19 digits, whole or in the groups that cards are printed in, of a known issuer's range
 * and length, with a correct check digit (Luhn), and not a part of a longer number. */
#include "scan.h"
#include "text.h"

#include <string.h>
#include <strings.h>

enum {
    FEWEST = 12, /* Maestro; all others have 13 or more */
    MOST = 19
};

/* (?<!…) and (?!…) only keep the pattern from starting inside a group; the validator sees the text around the
 * window. */
const char mg_pii_card_pattern[] =
    "(?<![0-9]) (?:"
    "  [0-9]{4}([ -])(?: [0-9]{4}\\g1 [0-9]{4}\\g1 [0-9]{4} (?: \\g1 [0-9]{1,3} (?![0-9]) )? (?![0-9])"
    "                  | [0-9]{4}\\g1 [0-9]{4}\\g1 [0-9]{1,3} (?![0-9])"
    "                  | [0-9]{6}\\g1 [0-9]{4,5} (?![0-9])"
    "                  | [0-9]{4}\\g1 [0-9]{4,5} (?![0-9])"
    "                  | [0-9]{3}\\g1 [0-9]{3}\\g1 [0-9]{3} (?![0-9]) )"
    "| [0-9]{6}[ -][0-9]{6,13} (?![0-9])"
    "| [0-9]{8}[ -][0-9]{8} (?![0-9])"
    "| [0-9]{12,19} (?![0-9]) )";

static bool is_separator(char c) { return mg_pii_class(c) & MG_PII_JOINT; }

/* A window is a run of digits with at most one space or dash between two of them. */
static bool in_window(mg_str text, size_t i) {
    if (mg_pii_is_digit(text.p[i])) return true;
    return is_separator(text.p[i]) && i > 0 && i + 1 < text.n && mg_pii_is_digit(text.p[i - 1]) &&
           mg_pii_is_digit(text.p[i + 1]);
}

/* A window that begins at or behind `at` and is long enough covers the byte FEWEST - 1 further on: where that one can't be
 * inside a window, nothing up to it can be the start of one. Most of a text is skipped so, FEWEST bytes at a look. */
bool mg_pii_card_gate(mg_str text, size_t *at, mg_pii_window *window) {
    while (*at + FEWEST <= text.n) {
        size_t start = *at + FEWEST - 1, end = start + 1, digits = 0;
        if (!(mg_pii_class(text.p[start]) & (MG_PII_DIGIT | MG_PII_JOINT)) || !in_window(text, start)) {
            *at = end;
            continue;
        }
        while (start > *at && in_window(text, start - 1)) start--;
        while (end < text.n && in_window(text, end)) end++;
        if (is_separator(text.p[start])) start++; /* its digit stands before `at` */
        for (size_t i = start; i < end; i++) digits += mg_pii_is_digit(text.p[i]);
        *at = end;
        if (digits < FEWEST) continue;
        *window = (mg_pii_window){start, end};
        return true;
    }
    return false;
}

static bool is_uniform(const char *digits, size_t n) {
    for (size_t i = 1; i < n; i++)
        if (digits[i] != digits[0]) return false;
    return true;
}

/* Issuers: the first six digits from `low` to `high`, and which lengths there are (bit n: n digits). */
#define LENGTH(n) (1u << (n))
#define LENGTHS(from, to) ((1u << ((to) + 1)) - (1u << (from)))

typedef struct issuer {
    unsigned low, high;
    uint32_t lengths;
} issuer;

static const issuer issuers[] = {
    {400000, 499999, LENGTH(13) | LENGTH(16) | LENGTH(19)}, /* Visa */
    {510000, 559999, LENGTH(16)}, /* Mastercard */
    {222100, 272099, LENGTH(16)}, /* Mastercard, 2-series */
    {340000, 349999, LENGTH(15)}, /* American Express */
    {370000, 379999, LENGTH(15)},
    {601100, 601199, LENGTHS(16, 19)}, /* Discover */
    {644000, 659999, LENGTHS(16, 19)},
    {300000, 305999, LENGTH(14) | LENGTHS(16, 19)}, /* Diners Club */
    {309500, 309599, LENGTH(14) | LENGTHS(16, 19)},
    {360000, 369999, LENGTHS(14, 19)},
    {380000, 399999, LENGTH(14) | LENGTHS(16, 19)},
    {352800, 358999, LENGTHS(16, 19)}, /* JCB */
    {180000, 180099, LENGTH(15)},
    {213100, 213199, LENGTH(15)},
    {620000, 629999, LENGTHS(16, 19)}, /* UnionPay */
    {810000, 817199, LENGTHS(16, 19)},
    {501800, 501899, LENGTHS(12, 19)}, /* Maestro: short numbers only where they were issued */
    {502000, 502099, LENGTHS(12, 19)},
    {503800, 503899, LENGTHS(12, 19)},
    {589300, 589399, LENGTHS(12, 19)},
    {630400, 630499, LENGTHS(12, 19)},
    {675900, 675999, LENGTHS(12, 19)},
    {676100, 676399, LENGTHS(12, 19)},
    {500000, 509999, LENGTHS(16, 19)},
    {560000, 589999, LENGTHS(16, 19)},
    {630000, 639999, LENGTHS(16, 19)},
    {670000, 679999, LENGTHS(16, 19)},
};

static bool is_issued(const char *digits, size_t n) {
    unsigned prefix = 0;
    for (size_t i = 0; i < 6; i++) prefix = prefix * 10 + (unsigned)(digits[i] - '0');
    for (size_t i = 0; i < sizeof issuers / sizeof issuers[0]; i++)
        if (prefix >= issuers[i].low && prefix <= issuers[i].high && (issuers[i].lengths & LENGTH(n))) return true;
    return false;
}

/* Issuers' ranges are cut anew now and then, and UATP's is every number of 15 digits that begins with 1: where the text
 * speaks of a card, or is nothing
 * else, the check digit is enough. */
static bool is_spoken_of(mg_str text, size_t start) {
    static const char *const words[] = {"card", "credit", "debit", "uatp", "cc ", "cc:", "cc#"};
    for (size_t i = start > 32 ? start - 32 : 0; i + 3 <= start; i++) {
        if (i > 0 && mg_pii_is_word(text.p[i - 1])) continue;
        for (size_t w = 0; w < sizeof words / sizeof words[0]; w++) {
            size_t n = strlen(words[w]);
            if (i + n <= start && strncasecmp(text.p + i, words[w], n) == 0) return true;
        }
    }
    return false;
}

/* Whether the four characters in front, and those in front of them, lead to an IBAN's "DE89". */
static bool is_in_iban(mg_str text, size_t start) {
    for (int groups = 0; groups < 7 && start >= 5 && text.p[start - 1] == ' '; groups++) {
        const char *g = text.p + start - 5;
        for (int i = 0; i < 4; i++)
            if (!mg_pii_is_digit(g[i]) && !mg_pii_is_upper(g[i])) return false;
        if (mg_pii_is_upper(g[0]) && mg_pii_is_upper(g[1]) && mg_pii_is_digit(g[2]) && mg_pii_is_digit(g[3]))
            return true;
        start -= 5;
    }
    return false;
}

static bool is_group_of_four(mg_str text, size_t end) {
    size_t n = 0;
    while (n < end && n < 5 && mg_pii_is_digit(text.p[end - 1 - n])) n++;
    return n == 4;
}

/* A security code: three digits that end the number. */
static bool is_code(mg_str text, size_t at) {
    size_t n = 0;
    while (at + n < text.n && n < 4 && mg_pii_is_digit(text.p[at + n])) n++;
    return n == 3 && (at + n == text.n || !is_separator(text.p[at + n]));
}

/* Whether what stands before or behind makes this a part of something longer: a token, a decimal, an amount, a number
 * whose groups go on on both sides. */
static bool is_part(mg_str text, size_t start, size_t end, char separator) {
    const char *p = text.p;
    bool digit_before = start >= 2 && mg_pii_is_digit(p[start - 2]);
    bool digit_behind = end + 1 < text.n && mg_pii_is_digit(p[end + 1]);
    char before = start ? p[start - 1] : 0, behind = end < text.n ? p[end] : 0;
    if (mg_pii_is_word(before) || mg_pii_is_word(behind)) return true;
    if (before == '$' || before == '+') return true;
    if ((before == '.' && digit_before) || (behind == '.' && digit_behind)) return true;
    bool joins_before = digit_before && before == (separator ? separator : '-');
    bool joins_behind = digit_behind && behind == (separator ? separator : '-');
    /* Next to spaces numbers of their own may stand, an item's in front, a date or a code behind, unless groups of
     * four go on both ways. A dash joins, but for a code of three digits. */
    if (separator == ' ') return joins_behind && joins_before && is_group_of_four(text, start - 1);
    return joins_before || (joins_behind && !(separator == '-' && is_code(text, end + 1)));
}

static size_t digits_of(mg_str text, size_t start, size_t end, char digits[MOST], char *separator) {
    size_t n = 0;
    *separator = 0;
    for (size_t i = start; i < end; i++) {
        if (!mg_pii_is_digit(text.p[i]))
            *separator = text.p[i];
        else if (n < MOST)
            digits[n++] = text.p[i];
        else
            return 0;
    }
    return n;
}

static double confidence(mg_str text, size_t start, size_t end) {
    char digits[MOST], separator;
    size_t n = digits_of(text, start, end, digits, &separator);
    if (n < FEWEST || !mg_pii_luhn(digits, n) || is_uniform(digits, n) || is_part(text, start, end, separator))
        return 0;
    if (separator == ' ' && is_in_iban(text, start)) return 0;
    if (is_issued(digits, n)) return separator ? 0.99 : n < 14 ? 0.8 : 0.95;
    return is_spoken_of(text, start) ? 0.7 : mg_pii_is_alone(text) && end - start + 2 >= text.n ? 0.4 : 0;
}

/* "4111 1111 1111 1111 123": if it is none with its last group, it may be one without it. */
double mg_pii_card_valid(mg_str text, size_t *start, size_t *end) {
    size_t stop = *end;
    for (;;) {
        double c = confidence(text, *start, stop);
        if (c > 0) {
            *end = stop;
            return c;
        }
        while (stop > *start && !is_separator(text.p[stop - 1])) stop--;
        if (stop == *start) return 0;
        stop--;
    }
}
