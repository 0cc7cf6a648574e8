#include "text.h"

#include <string.h>
#include <strings.h>

enum {
    FURTHEST = 64, /* bytes in front or behind in which words are looked for */
    SHORT = 32
};

static bool begins_word(mg_str text, size_t i, char first) {
    char before = mg_pii_before(text, i, 1), c = text.p[i];
    if ((unsigned char)first >= 0x80 || !mg_pii_is_letter(before)) return true;
    return mg_pii_is_upper(c) && !mg_pii_is_upper(before);
}

/* Whether the word stands at i; *end: where it ends, its further letters included. */
static bool is_at(mg_str text, size_t i, const char *word, size_t *end) {
    size_t n = strlen(word);
    bool open = word[n - 1] == '*';
    n -= open;
    if (text.n - i < n || strncasecmp(text.p + i, word, n) != 0) return false;
    *end = i + n;
    if ((unsigned char)word[n - 1] >= 0x80) return true;
    if (open)
        while (*end < text.n && mg_pii_is_letter(text.p[*end])) ++*end;
    return *end == text.n || !mg_pii_is_letter(text.p[*end]) ||
           (mg_pii_is_upper(text.p[*end]) && !mg_pii_is_upper(text.p[*end - 1]));
}

int mg_pii_word_before(mg_str text, size_t start, const mg_pii_word *words) {
    size_t stop = start > FURTHEST ? start - FURTHEST : 0;
    mg_str front = {text.p, start};
    for (size_t i = start; i-- > stop;) {
        if (!mg_pii_is_letter(front.p[i]) && (unsigned char)front.p[i] < 0x80) continue;
        for (const mg_pii_word *w = words; w->text; w++) {
            size_t end;
            if (((w->text[0] ^ front.p[i]) & ~0x20) || !begins_word(front, i, w->text[0])) continue;
            if (is_at(front, i, w->text, &end) && start - end <= w->reach) return w->weight;
        }
    }
    return 0;
}

int mg_pii_word_behind(mg_str text, size_t end, const mg_pii_word *words) {
    size_t stop = text.n - end > FURTHEST ? end + FURTHEST : text.n;
    for (size_t i = end; i < stop && text.p[i] != '\n'; i++) {
        for (const mg_pii_word *w = words; w->text; w++) {
            size_t last;
            if (((w->text[0] ^ text.p[i]) & ~0x20) || i - end > w->reach || !begins_word(text, i, w->text[0])) continue;
            if (is_at(text, i, w->text, &last)) return w->weight;
        }
    }
    return 0;
}

bool mg_pii_is_alone(mg_str text) {
    if (text.n > SHORT) return false;
    for (size_t i = 0; i < text.n; i++)
        if (!mg_pii_is_digit(text.p[i]) && !memchr(" -\t\r\n", text.p[i], 5)) return false;
    return true;
}

static bool is_border(char c) { return !c || strchr("\t\r\n\"'`|,;<>=:[]{}", c); }

bool mg_pii_is_cell(mg_str text, size_t start, size_t end) {
    while (start > 0 && text.p[start - 1] == ' ') start--;
    while (end < text.n && text.p[end] == ' ') end++;
    return is_border(mg_pii_before(text, start, 1)) && is_border(mg_pii_behind(text, end, 1));
}

bool mg_pii_is_part(mg_str text, size_t start, size_t end) {
    char before = mg_pii_before(text, start, 1), behind = mg_pii_behind(text, end, 1);
    if (mg_pii_is_word(before) || mg_pii_is_word(behind)) return true;
    if (before && strchr("-./+$", before) && mg_pii_is_digit(mg_pii_before(text, start, 2))) return true;
    return behind && strchr("-./", behind) && mg_pii_is_digit(mg_pii_behind(text, end, 2));
}
