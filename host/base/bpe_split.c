/* The two split patterns, matched by hand: what their alternatives come to, in their order, backtracking included.
 *
 * cl100k_base:
 *   (?i:'s|'t|'re|'ve|'m|'ll|'d) | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N}{1,3} |  ?[^\s\p{L}\p{N}]+[\r\n]* | \s*[\r\n]+ |
 *   \s+(?!\S) | \s+
 * o200k_base, with (?i:…) from above as C:
 *   [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+C? |
 *   [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*C? | \p{N}{1,3} |
 *   ?[^\s\p{L}\p{N}]+[\r\n/]* | \s*[\r\n]+ | \s+(?!\S) | \s+ */
#include "base/bpe_split.h"
#include "base/arena.h"
#include <pthread.h>
#include <string.h>

/* ---- classes ----------------------------------------------------------------------------------------------------- */

static uint8_t class_in_run(uint32_t run, uint32_t code) {
    uint32_t class = run & 15;
    if (class == MG_BPE_CASED) return (code - (run >> 4)) % 2 ? MG_BPE_LOWER : MG_BPE_UPPER;
    return (uint8_t) class;
}

/* Pages that are alike are kept once. */
static size_t page_number(uint8_t (*pages)[MG_BPE_PAGE], size_t n) {
    for (size_t i = 0; i < n; i++)
        if (memcmp(pages[i], pages[n], MG_BPE_PAGE) == 0) return i;
    return n;
}

static mg_bpe_classes *make_classes(void) {
    enum { PAGES_MOST = 256 };
    mg_bpe_classes *t = mg_malloc(sizeof *t + PAGES_MOST * MG_BPE_PAGE);
    size_t n = 0, run = 0;
    for (uint32_t code = 0; code < MG_BPE_CODES; code++) {
        if (run + 1 < mg_bpe_n_runs && mg_bpe_runs[run + 1] >> 4 == code) run++;
        t->pages[n][code % MG_BPE_PAGE] = class_in_run(mg_bpe_runs[run], code);
        if (code % MG_BPE_PAGE < MG_BPE_PAGE - 1) continue;
        size_t page = page_number(t->pages, n);
        t->page_of[code / MG_BPE_PAGE] = (uint8_t)page;
        if (page == n) n++;
    }
    return mg_realloc(t, sizeof *t + n * MG_BPE_PAGE);
}

static mg_bpe_classes *classes; /* written once: a table of Unicode has no better owner than the process */
static pthread_once_t classes_once = PTHREAD_ONCE_INIT;

static void classes_init(void) { classes = make_classes(); }

const mg_bpe_classes *mg_bpe_classes_get(void) {
    pthread_once(&classes_once, classes_init);
    return classes;
}

/* ---- characters -------------------------------------------------------------------------------------------------- */

typedef struct text {
    const mg_bpe_classes *t;
    const uint8_t *end;
} text;

/* Sets of classes are masks. */
enum {
    UPPER = 1 << MG_BPE_UPPER,
    LOWER = 1 << MG_BPE_LOWER,
    LETTER = 1 << MG_BPE_LETTER,
    MARK = 1 << MG_BPE_MARK,
    NUMBER = 1 << MG_BPE_NUMBER,
    SPACE = 1 << MG_BPE_SPACE,
    NEWLINE = 1 << MG_BPE_NEWLINE,
    OTHER = 1 << MG_BPE_OTHER,
    CASELESS = LETTER | MARK, /* both of the sets in a word of o200k_base have them */
    ANY_LETTER = UPPER | LOWER | LETTER,
    WHITE = SPACE | NEWLINE,
    SIGN = OTHER | MARK /* [^\s\p{L}\p{N}] */
};

/* Masks of ASCII characters; 0 for what needs a look at the table. */
static const uint8_t ASCII[256] = {
    [0x00 ... 0x08] = OTHER, ['\t'] = SPACE,         ['\n'] = NEWLINE,        ['\v'] = SPACE,
    ['\f'] = SPACE,          ['\r'] = NEWLINE,       [0x0e ... 0x1f] = OTHER, [' '] = SPACE,
    ['!' ... '/'] = OTHER,   ['0' ... '9'] = NUMBER, [':' ... '@'] = OTHER,   ['A' ... 'Z'] = UPPER,
    ['[' ... '`'] = OTHER,   ['a' ... 'z'] = LOWER,  ['{' ... 0x7f] = OTHER,
};

/* The mask of the character at p beyond ASCII, and its bytes; a byte that begins no character is one of no class. */
static unsigned wide_at(const text *s, const uint8_t *p, unsigned *bytes) {
    size_t left = (size_t)(s->end - p);
    uint32_t code = 0;
    *bytes = 1;
    if (p[0] >= 0xc2 && p[0] < 0xe0 && left > 1 && (p[1] & 0xc0) == 0x80) {
        code = (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
        *bytes = 2;
    } else if ((p[0] & 0xf0) == 0xe0 && left > 2 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80) {
        code = (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
        if (code >= 0x800 && (code < 0xd800 || code > 0xdfff)) *bytes = 3;
    } else if (p[0] >= 0xf0 && p[0] < 0xf5 && left > 3 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80 &&
               (p[3] & 0xc0) == 0x80) {
        code = (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 | (uint32_t)(p[2] & 0x3f) << 6 |
               (p[3] & 0x3f);
        if (code >= 0x10000 && code < MG_BPE_CODES) *bytes = 4;
    }
    if (*bytes == 1) return OTHER;
    return 1u << s->t->pages[s->t->page_of[code / MG_BPE_PAGE]][code % MG_BPE_PAGE];
}

static inline unsigned mask_at(const text *s, const uint8_t *p, unsigned *bytes) {
    *bytes = 1;
    return *p < 0x80 ? ASCII[*p] : wide_at(s, p, bytes);
}

/* The end of the characters from p on that are of the set. */
static inline const uint8_t *run_of(const text *s, const uint8_t *p, unsigned set) {
    while (p < s->end) {
        unsigned bytes;
        if (ASCII[*p] & set)
            p++;
        else if (*p < 0x80 || !(wide_at(s, p, &bytes) & set))
            break;
        else
            p += bytes;
    }
    return p;
}

/* ---- what both patterns have ------------------------------------------------------------------------------------- */

static inline bool is_either(uint8_t c, char lower) { return (c | 0x20) == lower; }

/* The end of 's, 't, 're, … at p in any case, or p. Without regard to case a long s (U+017F) is an s, too. */
static const uint8_t *contraction(const text *s, const uint8_t *p) {
    size_t left = (size_t)(s->end - p);
    if (left < 2 || p[0] != '\'') return p;
    if (is_either(p[1], 's') || is_either(p[1], 't') || is_either(p[1], 'm') || is_either(p[1], 'd')) return p + 2;
    if (left < 3) return p;
    bool two = is_either(p[1], 'l') ? is_either(p[2], 'l')
                                    : (is_either(p[1], 'r') || is_either(p[1], 'v')) && is_either(p[2], 'e');
    return two || (p[1] == 0xc5 && p[2] == 0xbf) ? p + 3 : p;
}

static const uint8_t *numbers(const text *s, const uint8_t *p) {
    for (unsigned n = 0, bytes; n < 3 && p < s->end && mask_at(s, p, &bytes) & NUMBER; n++) p += bytes;
    return p;
}

/* Everything through the last line's end; else all when the text ends there, or all but the last character, which goes
 * with what follows; a single character is a piece. */
static const uint8_t *white(const text *s, const uint8_t *p) {
    const uint8_t *end = run_of(s, p, WHITE), *q = end;
    for (; q > p; q--)
        if (q[-1] == '\n' || q[-1] == '\r') return q;
    if (end == s->end) return end;
    q = end - 1;
    while (q > p && (*q & 0xc0) == 0x80) q--;
    return q > p ? q : end;
}

/* Signs, at most one space before them; p if there are none. */
static const uint8_t *signs(const text *s, const uint8_t *p) {
    const uint8_t *from = *p == ' ' ? p + 1 : p, *end = run_of(s, from, SIGN);
    return end > from ? end : p;
}

/* ---- the patterns ------------------------------------------------------------------------------------------------ */

const uint8_t *mg_bpe_split_cl100k(const mg_bpe_classes *t, const uint8_t *p, const uint8_t *end) {
    const text s = {t, end};
    unsigned bytes, mask = mask_at(&s, p, &bytes);
    const uint8_t *q = contraction(&s, p);
    if (q > p) return q;
    if (mask & ANY_LETTER) return run_of(&s, p + bytes, ANY_LETTER);
    if (mask & NUMBER) return numbers(&s, p);
    if (!(mask & NEWLINE)) {
        q = run_of(&s, p + bytes, ANY_LETTER);
        if (q > p + bytes) return q;
    }
    q = signs(&s, p);
    return q > p ? run_of(&s, q, NEWLINE) : white(&s, p);
}

/* The first alternative behind its optional first character: capitals, then at least one small letter. Characters
 * without case are in both sets, so a run of capitals may give its last caseless one back and end there. NULL: no
 * match; *capitals is then where the capitals end. */
static const uint8_t *mixed_word(const text *s, const uint8_t *p, const uint8_t **capitals) {
    const uint8_t *caseless = NULL;
    while (p < s->end) {
        unsigned bytes, mask = mask_at(s, p, &bytes);
        if (mask & LOWER) return run_of(s, p + bytes, LOWER | CASELESS);
        if (!(mask & (UPPER | CASELESS))) break;
        p += bytes;
        if (mask & CASELESS) caseless = p;
    }
    *capitals = p;
    return caseless;
}

/* Both alternatives for words that begin at p, whose mask is given; NULL if none does. */
static const uint8_t *word(const text *s, const uint8_t *p, unsigned mask, unsigned bytes) {
    const uint8_t *from = mask & ANY_LETTER ? p : p + bytes, *capitals = from, *unused;
    const uint8_t *q = mixed_word(s, from, &capitals);
    if (!q && mask & MARK) q = mixed_word(s, p, &unused); /* the mark as the word's own, not as what stands before it */
    if (!q && capitals > from) q = capitals;
    return q ? contraction(s, q) : NULL;
}

const uint8_t *mg_bpe_split_o200k(const mg_bpe_classes *t, const uint8_t *p, const uint8_t *end) {
    const text s = {t, end};
    unsigned bytes, mask = mask_at(&s, p, &bytes);
    const uint8_t *q;
    if (mask & NUMBER) return numbers(&s, p);
    if (!(mask & NEWLINE)) {
        q = word(&s, p, mask, bytes);
        if (q) return q;
    }
    q = signs(&s, p);
    if (q == p) return white(&s, p);
    while (q < end && (*q == '\n' || *q == '\r' || *q == '/')) q++;
    return q;
}
