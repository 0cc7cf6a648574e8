#include "text.h"

#include <string.h>
#include <strings.h>

enum {
    NEAR = 4, /* bytes behind a span in which a word begins */
    SHORT = 32
};

const unsigned char mg_pii_classes[256] = {
    ['0' ... '9'] = MG_PII_DIGIT | MG_PII_TOKEN,
    ['A' ... 'Z'] = MG_PII_LETTER | MG_PII_TOKEN,
    ['a' ... 'z'] = MG_PII_LETTER | MG_PII_TOKEN,
    [' '] = MG_PII_JOINT | MG_PII_SEPARATOR | MG_PII_OPENS,
    ['-'] = MG_PII_JOINT | MG_PII_SEPARATOR | MG_PII_TOKEN,
    ['.'] = MG_PII_SEPARATOR | MG_PII_DOT | MG_PII_TOKEN,
    ['/'] = MG_PII_SEPARATOR | MG_PII_TOKEN,
    ['('] = MG_PII_SEPARATOR | MG_PII_OPENS,
    [')'] = MG_PII_SEPARATOR,
    ['='] = MG_PII_TOKEN | MG_PII_OPENS,
    [':'] = MG_PII_TOKEN | MG_PII_OPENS,
    ['_'] = MG_PII_TOKEN,
    ['+'] = MG_PII_TOKEN,
    ['~'] = MG_PII_TOKEN,
    ['\0'] = MG_PII_OPENS,
    ['\t'] = MG_PII_OPENS,
    ['\n'] = MG_PII_OPENS,
    ['"'] = MG_PII_OPENS,
    ['\''] = MG_PII_OPENS,
    ['`'] = MG_PII_OPENS,
    ['>'] = MG_PII_OPENS,
};

/* Other scripts may be written without spaces: a word of theirs may begin anywhere. */
static bool begins_word(mg_str text, size_t i) {
    char c = text.p[i], before = mg_pii_before(text, i, 1);
    if (!mg_pii_is_letter(c)) return (unsigned char)c >= 0x80;
    return !mg_pii_is_letter(before) || (mg_pii_is_upper(c) && !mg_pii_is_upper(before));
}

static bool same_letter(char a, char b) { return !((a ^ b) & ~0x20); }

/* What tells most words apart. */
static bool begins_alike(mg_str text, size_t i, const char *word) {
    if (!same_letter(word[0], text.p[i])) return false;
    return word[1] == '\0' || (i + 1 < text.n && same_letter(word[1], text.p[i + 1]));
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

int mg_pii_word_before(mg_str text, size_t start, const mg_pii_word *words, size_t within) {
    size_t stop = start > within ? start - within : 0, end;
    mg_str front = {text.p, start};
    for (size_t i = start; i-- > stop;) {
        if (!begins_word(front, i)) continue;
        for (const mg_pii_word *w = words; w->text[0]; w++)
            if (begins_alike(front, i, w->text) && is_at(front, i, w->text, &end) && start - end <= w->reach)
                return w->weight;
    }
    return 0;
}

int mg_pii_word_behind(mg_str text, size_t end, const mg_pii_word *words) {
    size_t last;
    for (size_t i = end; i < text.n && i - end <= NEAR && text.p[i] != '\n'; i++) {
        if (!begins_word(text, i)) continue;
        for (const mg_pii_word *w = words; w->text[0]; w++)
            if (i - end <= w->reach && begins_alike(text, i, w->text) && is_at(text, i, w->text, &last))
                return w->weight;
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
