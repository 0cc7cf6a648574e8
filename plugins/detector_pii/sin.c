/* Canadian social insurance numbers: nine digits with a correct check digit (Luhn). None begins with 0, and those with
 * 8 are businesses'. */
#include "scan.h"
#include "text.h"

const char mg_pii_sin_pattern[] = "(?<![0-9]) [0-9]{3} ([ -]?) [0-9]{3} \\g1 [0-9]{3} (?![0-9])";

static const mg_pii_word words[] = {
    {"sin", 1, 40},
    {"sins", 1, 40},
    {"social ins*", 1, 40},
    {"socialins*", 1, 40},
    {"social_ins*", 1, 40},
    {"nas", 1, 40},
    {"assurance sociale", 1, 40},
    {"canad*", 1, 40},
    {"ssn*", -1, 40},
    {"social sec*", -1, 40},
    {"phone*", -1, 40},
    {"telephone*", -1, 40},
    {"tel", -1, 40},
    {"mobile", -1, 40},
    {"cell", -1, 40},
    {"fax", -1, 40},
    {"call", -1, 40},
    {"messag*", -1, 40},
    {"desk", -1, 16},
    {"order", -1, 24},
    {"invoice", -1, 24},
    {"serial", -1, 24},
    {"tracking", -1, 24},
    {"account*", -1, 24},
    {"routing", -1, 24},
    {"tfn", -1, 24},
    {"license*", -1, 24},
    {"licence*", -1, 24},
    {"passport*", -1, 24},
    {"part", -1, 16},
    {"siren", -1, 24},
    {"", 0, 0},
};

double mg_pii_sin_valid(mg_str text, size_t *start, size_t *end) {
    char digits[9];
    if (mg_pii_digits(text, *start, *end, digits, sizeof digits) != 9 || !mg_pii_luhn(digits, 9)) return 0;
    if (digits[0] == '0' || digits[0] == '8' || mg_pii_is_part(text, *start, *end)) return 0;
    int said = mg_pii_word_before(text, *start, words, MG_PII_WITHIN);
    char separator = mg_pii_is_digit(text.p[*start + 3]) ? 0 : text.p[*start + 3];
    if (said > 0) return separator ? 0.95 : 0.9;
    if (mg_pii_is_alone(text)) return separator ? 0.6 : 0.45;
    if (said < 0 || !separator) return 0;
    return separator == '-' || mg_pii_is_cell(text, *start, *end) ? 0.5 : 0;
}
