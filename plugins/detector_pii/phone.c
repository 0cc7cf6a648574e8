/* Phone numbers: E.164 with its country code, North American ones by the rules of the NANP (neither area nor exchange
 * begins with 0 or 1, and neither is N11), and the others of the world where the text says that it is a phone. */
#include "scan.h"
#include "text.h"

#include <string.h>
#include <strings.h>

enum {
    MOST_DIGITS = 15, /* E.164 */
    MOST_GROUPS = 15,
    FEWEST = 7,
    NATIONAL = 12, /* digits of a number that has no country code */
    EXTENSION = 6
};

/* In that order: with a country code, North American, any other groups. */
const char mg_pii_phone_pattern[] =
    "(?<![0-9]) (?: \\(? \\+ [ ]? \\(? [0-9] (?: [ .\\-/()]{0,3} [0-9] ){6,14}"
    "  | (?: (?:00)? 1 [ .\\-]{1,2} )? (?: \\( [ ]? [0-9]{3} [ ]? \\) [ .\\-/]{0,2} | [0-9]{3} [ .\\-/]? )"
    "    [0-9]{3} [ .\\-]? [0-9]{4} (?![0-9])"
    "  | (?: \\( [ ]? [0-9]{1,5} [ ]? \\) [ ]? )? [0-9]{1,12} (?: [ .\\-/]{1,2} [0-9]{1,12} ){0,5} (?![0-9]) )";

/* 2: a phone's own words; 1: words that also go with other numbers. */
static const mg_pii_word words[] = {
    {"phone*", 2, 40},     {"telephon*", 2, 40}, {"telefon*", 2, 40},   {"tel", 2, 24},
    {"téléphone", 2, 40},  {"tél", 2, 16},       {"teléfono*", 2, 40},  {"mobile", 2, 32},
    {"mobil", 2, 32},      {"móvil", 2, 32},     {"celular", 2, 32},    {"cell", 2, 24},
    {"cellphone", 2, 40},  {"cellular", 2, 32},  {"handy*", 2, 24},     {"call*", 2, 32},
    {"calling", 2, 24},    {"dial*", 2, 24},     {"fax*", 2, 32},       {"sms", 2, 32},
    {"whatsapp", 2, 32},   {"messag*", 2, 32},   {"answering", 2, 24},  {"hotline", 2, 32},
    {"voicemail", 2, 32},  {"pager", 2, 32},     {"ph", 2, 4},          {"desk", 2, 4},
    {"office", 2, 4},      {"home", 2, 4},       {"work", 2, 4},        {"line", 2, 8},
    {"main", 2, 4},        {"direct", 2, 4},     {"emergency", 2, 4},   {"ops", 2, 4},
    {"backup", 2, 4},      {"contact*", 1, 24},  {"reach*", 1, 24},     {"ring", 1, 16},
    {"texted", 1, 16},     {"text me", 2, 24},   {"телефон*", 2, 40},   {"тел", 2, 16},
    {"电话", 2, 24},       {"電話", 2, 24},      {"手机", 2, 24},       {"手機", 2, 24},
    {"전화", 2, 24},       {"携帯", 2, 24},      {"order", -1, 24},     {"orders", -1, 24},
    {"invoice*", -1, 24},  {"account*", -1, 24}, {"acct", -1, 24},      {"card", -1, 24},
    {"license*", -1, 24},  {"licence*", -1, 24}, {"isbn*", -1, 16},     {"issn", -1, 16},
    {"doi", -1, 16},       {"sku", -1, 16},      {"part", -1, 16},      {"serial", -1, 24},
    {"model", -1, 16},     {"tracking", -1, 24}, {"ticket*", -1, 24},   {"case", -1, 16},
    {"patent", -1, 24},    {"routing", -1, 24},  {"iban", -1, 40},      {"ssn", -1, 24},
    {"sin", -1, 24},       {"nhs", -1, 24},      {"npi", -1, 24},       {"vat", -1, 24},
    {"ein", -1, 24},       {"abn", -1, 24},      {"tfn", -1, 24},       {"aadhaar", -1, 24},
    {"id", -1, 12},        {"version", -1, 16},  {"zip*", -1, 16},      {"price", -1, 16},
    {"amount", -1, 16},    {"total", -1, 16},    {"hash", -1, 16},      {"uuid", -1, 16},
    {"timestamp", -1, 24}, {"ref*", -1, 16},     {"passport*", -1, 24}, {"sequence", -1, 24},
    {"lot", -1, 12},       {"", 0, 0},
};

static const mg_pii_word labels[] = {
    {"office", 2, 3}, {"fax", 2, 3}, {"mobile", 2, 3}, {"mobil", 2, 3}, {"cell", 2, 3}, {"home", 2, 3},
    {"phone", 2, 3},  {"tel", 2, 3}, {"work", 2, 3},   {"desk", 2, 3},  {"ext", 2, 3},  {"", 0, 0},
};

typedef struct shape {
    char digits[MOST_DIGITS];
    size_t n, ends[MOST_GROUPS]; /* ends[i]: where group i ends, in bytes of the text */
    unsigned sizes[MOST_GROUPS];
    size_t groups;
    bool plus, parenthesis;
    char separators[MOST_GROUPS]; /* the first one behind each group */
} shape;

static bool shape_read(shape *s, mg_str text, size_t start, size_t end) {
    *s = (shape){0};
    for (size_t i = start; i < end; i++) {
        char c = text.p[i];
        if (mg_pii_is_digit(c)) {
            if (s->n == MOST_DIGITS) return false;
            bool more = i > start && mg_pii_is_digit(text.p[i - 1]);
            if (!more && s->groups == MOST_GROUPS) return false;
            s->groups += !more;
            s->sizes[s->groups - 1]++;
            s->ends[s->groups - 1] = i + 1;
            s->digits[s->n++] = c;
        } else {
            if (s->groups && !s->separators[s->groups - 1]) s->separators[s->groups - 1] = c;
            s->plus = s->plus || c == '+';
            s->parenthesis = s->parenthesis || c == '(';
        }
    }
    return true;
}

/* Whether the groups from `first` on are of these sizes, and no more follow. */
static bool has_sizes(const shape *s, size_t first, const char *sizes) {
    size_t n = strlen(sizes);
    if (s->groups != first + n) return false;
    for (size_t i = 0; i < n; i++)
        if (s->sizes[first + i] != (unsigned)(sizes[i] - '0')) return false;
    return true;
}

/* Ten digits of the North American plan. N9X areas are kept for an eleventh digit. */
static bool is_nanp(const char *d) {
    if (d[0] < '2' || d[3] < '2' || d[1] == '9') return false;
    return !(d[1] == '1' && d[2] == '1') && !(d[4] == '1' && d[5] == '1');
}

/* Digits of the country code at d, 0: none is assigned. Two-digit codes are listed; 1 and 7 have one, the rest three. */
static size_t country_code(const char *d) {
    static const char two[] =
        "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 "
        "66 81 82 84 86 90 91 92 93 94 95 98 ";
    static const char unassigned[] =
        "210 214 215 217 219 259 280 281 282 283 284 285 286 287 288 289 292 293 294 295 296 "
        "384 388 422 424 425 426 427 428 429 671 684 693 694 695 696 697 698 699 "
        "801 802 803 804 805 806 807 809 851 854 857 858 859 871 872 873 874 875 876 877 879 "
        "884 885 887 889 969 978 990 991 997 999 ";
    if (d[0] == '1' || d[0] == '7') return 1;
    if (d[0] == '0') return 0;
    for (const char *c = two; *c; c += 3)
        if (c[0] == d[0] && c[1] == d[1]) return 2;
    if (d[0] == '8' && (d[1] == '3' || d[1] == '9')) return 0;
    for (const char *c = unassigned; *c; c += 4)
        if (strncmp(c, d, 3) == 0) return 0;
    return 3;
}

static int said_of(mg_str text, size_t start, size_t end) {
    int behind = mg_pii_word_behind(text, end, labels);
    if (!behind && mg_pii_behind(text, end, 1) == ' ' && mg_pii_behind(text, end, 2) == 'x')
        behind = mg_pii_is_digit(mg_pii_behind(text, end, 3)) ? 2 : 0; /* an extension */
    return behind ? behind : mg_pii_word_before(text, start, words, MG_PII_WITHIN);
}

/* "my Chinese number is": a number that somebody has, without a word of what kind. */
static bool is_own_number(mg_str text, size_t start, bool grouped) {
    static const mg_pii_word number[] = {{"number", 1, 5}, {"", 0, 0}};
    static const mg_pii_word own[] = {{"my", 1, 24}, {"his", 1, 24}, {"her", 1, 24}, {"their", 1, 24}, {"", 0, 0}};
    return mg_pii_word_before(text, start, number, MG_PII_WITHIN) &&
           (grouped || mg_pii_word_before(text, start, own, MG_PII_WITHIN));
}

/* The end of the first `n` digits, where a group ends there; 0: none does. */
static size_t end_of_digits(const shape *s, size_t n) {
    for (size_t i = 0, sum = 0; i < s->groups; i++) {
        sum += s->sizes[i];
        if (sum == n) return s->ends[i];
    }
    return 0;
}

static double international(mg_str text, const shape *s, size_t start, size_t *end) {
    size_t code = country_code(s->digits);
    int said = said_of(text, start, *end);
    if (!code) return 0;
    if (code == 1 && s->digits[0] == '1') {
        size_t stop = end_of_digits(s, 11);
        if (!stop) return 0;
        *end = stop;
        if (!is_nanp(s->digits + 1)) return s->groups > 1 || said > 0 ? 0.5 : 0;
        return said > 0 ? 0.97 : 0.9;
    }
    if (s->groups == 1 && s->n < 10 && said <= 0) return 0; /* a sum, or what a patch adds */
    if (s->n < FEWEST + 1 || s->n - code < 6) return 0;
    return said > 0 ? 0.95 : 0.8;
}

static bool is_date(const shape *s) {
    return (has_sizes(s, 0, "422") || has_sizes(s, 0, "224") || has_sizes(s, 0, "4222") || has_sizes(s, 0, "2242") ||
            has_sizes(s, 0, "124") || has_sizes(s, 0, "214") || has_sizes(s, 0, "114")) &&
           s->separators[0] != ' ';
}

static bool is_thousands(const shape *s) {
    if (s->groups < 2 || s->sizes[0] > 3 || (s->separators[0] != ' ' && s->separators[0] != '.')) return false;
    for (size_t i = 1; i < s->groups; i++)
        if (s->sizes[i] != 3) return false;
    return s->digits[0] != '0';
}

/* Whether a North American number begins at a later group: then it is found there. */
static bool hides_nanp(const shape *s) {
    for (size_t i = 1, at = s->sizes[0]; i + 2 < s->groups; at += s->sizes[i++])
        if (s->sizes[i] == 3 && s->sizes[i + 1] == 3 && s->sizes[i + 2] == 4 && is_nanp(s->digits + at)) return true;
    return false;
}

static double national(mg_str text, const shape *s, size_t start, size_t end) {
    if (s->n < FEWEST || s->n > NATIONAL || is_date(s) || hides_nanp(s)) return 0;
    int said = said_of(text, start, end);
    if (said < 0) return 0;
    if (!said) return s->n >= 9 && is_own_number(text, start, has_sizes(s, 0, "334")) ? 0.5 : 0;
    return said < 2 && is_thousands(s) ? 0 : 0.6;
}

static double american(mg_str text, const shape *s, size_t start, size_t end) {
    size_t first = s->n - 10;
    int said = said_of(text, start, end);
    bool grouped = has_sizes(s, first != 0, "334");
    if (!is_nanp(s->digits + first)) return national(text, s, start, end);
    if (said > 0) return grouped ? 0.95 : 0.85;
    if (!grouped) return said == 0 && is_own_number(text, start, false) ? 0.5 : 0;
    bool clear = s->parenthesis || (s->separators[s->groups - 2] == '-' && s->separators[s->groups - 3] == '-');
    if (said < 0) return clear ? 0.4 : 0;
    return clear || first || s->separators[s->groups - 2] != ' ' ? 0.75 : 0.6;
}

/* "x4587", where it touches. */
static size_t extended(mg_str text, size_t end) {
    size_t n = 0;
    if ((mg_pii_behind(text, end, 1) | 0x20) != 'x') return end;
    while (n < EXTENSION && mg_pii_is_digit(mg_pii_behind(text, end, n + 2))) n++;
    return n && !mg_pii_is_word(mg_pii_behind(text, end, n + 2)) ? end + 1 + n : end;
}

/* Whether what stands in front, or behind, makes these digits a part of it. */
static bool goes_back(mg_str text, size_t start) {
    char before = mg_pii_before(text, start, 1);
    if (mg_pii_is_word(before) || before == '$' || before == '%' || before == '&') return true;
    return before && strchr("-./+:", before) && mg_pii_is_digit(mg_pii_before(text, start, 2));
}

static bool goes_on(mg_str text, size_t end) {
    char behind = mg_pii_behind(text, end, 1);
    if (mg_pii_is_word(behind) || behind == '%') return true;
    return behind && strchr("-./:", behind) && mg_pii_is_digit(mg_pii_behind(text, end, 2));
}

double mg_pii_phone_valid(mg_str text, size_t *start, size_t *end) {
    shape s;
    size_t stop = *end;
    double confidence;
    if (text.p[*start] == '(' && !memchr(text.p + *start, ')', *end - *start))
        ++*start; /* a remark's, not the number's */
    if (goes_back(text, *start) || !shape_read(&s, text, *start, *end) || s.n < FEWEST) return 0;
    if (!s.plus && goes_on(text, extended(text, stop))) return 0;
    bool abroad = !s.plus && s.n > 9 && strncmp(s.digits, "00", 2) == 0;
    if (s.plus) {
        confidence = international(text, &s, *start, &stop);
    } else if (abroad && s.n == 13 && s.digits[2] == '1' && is_nanp(s.digits + 3)) {
        confidence = s.groups > 2 ? 0.85 : said_of(text, *start, *end) > 0 ? 0.8 : 0;
    } else if (abroad) {
        confidence = said_of(text, *start, *end) > 0 && country_code(s.digits + 2) ? 0.7 : 0;
    } else if (s.n == 10 || (s.n == 11 && s.digits[0] == '1')) {
        confidence = american(text, &s, *start, *end);
    } else {
        confidence = national(text, &s, *start, *end);
    }
    stop = extended(text, stop);
    if (confidence <= 0 || goes_on(text, stop)) return 0;
    *end = stop;
    return confidence;
}
