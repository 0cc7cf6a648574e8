/* The gate of all numbers that people write in groups: seven or more digits, between two of which there may be a few
 * separators. Types that share it are looked for in one pass. */
#include "scan.h"
#include "text.h"

enum {
    FEWEST = 7,
    APART = 3 /* separators between two digits: "( 800 ) 123-4567" */
};

static bool is_separator(char c) { return mg_pii_class(c) & MG_PII_SEPARATOR; }

static bool has_digit_before(mg_str text, size_t i) {
    for (size_t n = 0; n < APART && i > 0; n++) {
        if (mg_pii_is_digit(text.p[--i])) return true;
        if (!is_separator(text.p[i])) return false;
    }
    return false;
}

static bool has_digit_behind(mg_str text, size_t i) {
    for (size_t n = 0; n < APART && ++i < text.n; n++) {
        if (mg_pii_is_digit(text.p[i])) return true;
        if (!is_separator(text.p[i])) return false;
    }
    return false;
}

static bool in_window(mg_str text, size_t i) {
    if (mg_pii_is_digit(text.p[i])) return true;
    return is_separator(text.p[i]) && has_digit_before(text, i) && has_digit_behind(text, i);
}

/* What opens a number: "(415", "( 415", "+1", "(+1". It is in no window, so it may have been passed over. */
static size_t opened(mg_str text, size_t start) {
    for (int i = 0; i < 2 && start > 0; i++) {
        char c = text.p[start - 1];
        if (c == '(' || c == '+')
            start--;
        else if (c == ' ' && start > 1 && (text.p[start - 2] == '(' || text.p[start - 2] == '+'))
            start -= 2;
    }
    return start;
}

/* Looks at every seventh byte: where that one can't be inside a window, none can begin before it. */
bool mg_pii_number_gate(mg_str text, size_t *at, mg_pii_window *window) {
    while (*at + FEWEST <= text.n) {
        size_t start = *at + FEWEST - 1, end = start + 1, digits = 0;
        if (!(mg_pii_class(text.p[start]) & (MG_PII_DIGIT | MG_PII_SEPARATOR)) || !in_window(text, start)) {
            *at = end;
            continue;
        }
        while (start > *at && in_window(text, start - 1)) start--;
        while (end < text.n && in_window(text, end)) end++;
        for (size_t i = start; i < end; i++) digits += mg_pii_is_digit(text.p[i]);
        *at = end;
        if (digits < FEWEST) continue;
        *window = (mg_pii_window){opened(text, start), end};
        return true;
    }
    return false;
}

size_t mg_pii_digits(mg_str text, size_t start, size_t end, char *digits, size_t cap) {
    size_t n = 0;
    for (size_t i = start; i < end; i++) {
        if (!mg_pii_is_digit(text.p[i])) continue;
        if (n == cap) return 0;
        digits[n++] = text.p[i];
    }
    return n;
}

bool mg_pii_luhn(const char *digits, size_t n) {
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned d = (unsigned)(digits[n - 1 - i] - '0') << (i & 1);
        sum += d > 9 ? d - 9 : d;
    }
    return sum % 10 == 0;
}
