/* Private keys in PEM armor, whole or cut off: from "-----BEGIN" to the end of what follows it in base64. */
#include "scan.h"
#include "text.h"

#include <string.h>

enum {
    SHORTEST_LINE = 20,
    LONGEST_LABEL = 64,
    LONGEST_BLOCK = 16384 /* RSA with 16,384 bits is 12.7 KB */
};

static bool begins(mg_str text, size_t at, const char *word) {
    size_t n = strlen(word);
    return text.n - at >= n && memcmp(text.p + at, word, n) == 0;
}

/* "-----BEGIN … PRIVATE KEY-----" (also "KEY BLOCK") at `at`: its end, or 0. */
static size_t armor_end(mg_str text, size_t at, const char *word) {
    size_t i = at + 5 + strlen(word), stop = i + LONGEST_LABEL;
    bool private_key = false;
    if (!begins(text, at, "-----") || !begins(text, at + 5, word)) return 0;
    for (; i < text.n && i < stop && text.p[i] != '-'; i++) {
        if (!mg_pii_is_upper(text.p[i]) && !mg_pii_is_digit(text.p[i]) && text.p[i] != ' ') return 0;
        private_key = private_key || begins(text, i, "PRIVATE KEY");
    }
    return private_key && i + 5 <= text.n && begins(text, i, "-----") ? i + 5 : 0;
}

/* Base64, line ends (also written \n), headers of old forms, what quotes and joins lines in programs. */
static bool in_body(char c) { return mg_pii_is_alnum(c) || (c && strchr("+/=\r\n\t \\\"'`,:-.*#>|", c)); }

static size_t block_end(mg_str text, size_t header) {
    size_t i = header, last = header, stop = text.n - header > LONGEST_BLOCK ? header + LONGEST_BLOCK : text.n;
    size_t run = 0;
    for (; i < stop && in_body(text.p[i]); i++) {
        size_t end = text.p[i] == '-' ? armor_end(text, i, "END") : 0;
        if (end) return end;
        if (text.p[i] == '-' && armor_end(text, i, "BEGIN")) return last;
        run = mg_pii_is_alnum(text.p[i]) || text.p[i] == '+' || text.p[i] == '/' ? run + 1 : 0;
        if (run >= 40) last = i + 1; /* a line of a key that was cut off */
    }
    return last;
}

static bool in_base64(char c) { return mg_pii_is_alnum(c) || c == '+' || c == '/' || c == '='; }

/* Where the lines of a key begin of which only the end is here. */
static size_t block_start(mg_str text, size_t floor, size_t end) {
    size_t start = end;
    for (;;) {
        size_t line = end;
        while (line > floor && strchr("\r\n\t \\\"'`,+", text.p[line - 1])) line--;
        if (line > floor + 1 && text.p[line - 2] == '\\') line -= 2; /* "\n" in a program's text */
        end = line;
        while (line > floor && in_base64(text.p[line - 1])) line--;
        if (end - line < SHORTEST_LINE) return start;
        start = end = line;
    }
}

bool mg_pii_pem_gate(mg_str text, size_t *at, mg_pii_window *window) {
    const char *p;
    while (*at < text.n && (p = memmem(text.p + *at, text.n - *at, "-----", 5))) {
        size_t start = (size_t)(p - text.p), end;
        while (text.p[start + 5 < text.n ? start + 5 : start] == '-' && start + 5 < text.n) start++;
        if ((end = armor_end(text, start, "BEGIN"))) {
            end = block_end(text, end);
        } else if ((end = armor_end(text, start, "END"))) {
            start = block_start(text, *at, start);
        }
        *at = end ? end : start + 1;
        if (!end) continue;
        *window = (mg_pii_window){start, end};
        return true;
    }
    return false;
}

double mg_pii_pem_valid(mg_str text, size_t *start, size_t *end) {
    (void)text;
    (void)start;
    (void)end;
    return 0.99;
}
