/* Social security numbers of the United States: area 001 to 899 without 666, group and serial not all zeros. Written
 * 3-2-4 with dashes they speak for themselves; all else needs a word, or to be all that the text says. */
#include "scan.h"
#include "text.h"

#include <string.h>
#include <strings.h>

const char mg_pii_ssn_pattern[] = "(?<![0-9]) (?: [0-9]{3} ([ ]?-[ ]?|[ .]) [0-9]{2} \\g1 [0-9]{4}"
                                  "             | [0-9]{9} | [0-9]{3}-[0-9]{6} | [0-9]{5}-[0-9]{4} ) (?![0-9])";

static const mg_pii_word words[] = {
    {"ssn*", 1, 40},
    {"social sec*", 1, 40},
    {"socialsec*", 1, 40},
    {"social_sec*", 1, 40},
    {"soc sec", 1, 40},
    {"ss", 1, 4},
    {"ss no", 1, 4},
    {"ss number", 1, 8},
    {"tax*", 1, 24},
    {"suite", -1, 4},
    {"apt", -1, 4},
    {"unit", -1, 4},
    {"box", -1, 4},
    {"token", -1, 8},
    {"order", -1, 16},
    {"invoice", -1, 16},
    {"part", -1, 16},
    {"serial", -1, 16},
    {"tracking", -1, 24},
    {"ref*", -1, 16},
    {"zip*", -1, 16},
    {"phone*", -1, 24},
    {"tel", -1, 16},
    {"fax", -1, 16},
    {"sin", -1, 24},
    {"social ins*", -1, 40},
    {"routing", -1, 24},
    {"account*", -1, 16},
    {"license*", -1, 24},
    {"licence*", -1, 24},
    {"passport*", -1, 24},
    {"ticket*", -1, 16},
    {"case", -1, 16},
    {"model", -1, 16},
    {"isbn*", -1, 16},
    {"sku", -1, 16},
    {"", 0, 0},
};

static bool is_possible(const char *d) {
    if (strncmp(d, "000", 3) == 0 || strncmp(d, "666", 3) == 0 || d[0] == '9') return false;
    return strncmp(d + 3, "00", 2) != 0 && strncmp(d + 5, "0000", 4) != 0;
}

/* Letters that may touch the number: "SSN078-05-1123", and an address of which the number lost its space. */
static bool is_glued(mg_str text, size_t start) {
    static const char *const endings[] = {"ssn", "no", "number", ".com", ".org", ".net", ".edu", ".gov"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t n = strlen(endings[i]);
        if (start >= n && strncasecmp(text.p + start - n, endings[i], n) == 0) return true;
    }
    return false;
}

/* "680 36 4022 Oakridge Lane", and numbers beside others: groups that only look like it. */
static bool is_scattered(mg_str text, size_t start, size_t end) {
    if (mg_pii_before(text, start, 1) == ' ' && mg_pii_is_digit(mg_pii_before(text, start, 2))) return true;
    if (mg_pii_behind(text, end, 1) != ' ') return false;
    char next = mg_pii_behind(text, end, 2);
    return mg_pii_is_upper(next) || mg_pii_is_digit(next);
}

double mg_pii_ssn_valid(mg_str text, size_t *start, size_t *end) {
    char digits[9];
    size_t n = *end - *start;
    if (mg_pii_digits(text, *start, *end, digits, sizeof digits) != 9 || !is_possible(digits)) return 0;
    bool grouped = n >= 11, dashed = grouped && memchr(text.p + *start, '-', n);
    bool glued = dashed && mg_pii_is_letter(mg_pii_before(text, *start, 1)) && is_glued(text, *start);
    if (mg_pii_is_part(text, glued ? 0 : *start, *end)) return 0;
    int said = mg_pii_word_before(text, *start, words, MG_PII_WITHIN);
    if (said > 0) return dashed ? 0.98 : 0.9;
    if (dashed) return said < 0 ? 0.5 : 0.85;
    if (mg_pii_is_alone(text)) return 0.4;
    if (said < 0 || !grouped || text.p[*start + 3] != ' ' || strncmp(digits, "123456789", 9) == 0) return 0;
    return is_scattered(text, *start, *end) ? 0 : 0.4;
}
