/* Characters, and the words around a place in a text. */
#ifndef DETECTOR_PII_TEXT_H
#define DETECTOR_PII_TEXT_H

#include <moongate/plugin.h>

static inline bool mg_pii_is_digit(char c) { return (unsigned char)(c - '0') < 10; }
static inline bool mg_pii_is_letter(char c) { return (unsigned char)((c | 0x20) - 'a') < 26; }
static inline bool mg_pii_is_upper(char c) { return (unsigned char)(c - 'A') < 26; }
static inline bool mg_pii_is_alnum(char c) { return mg_pii_is_digit(c) || mg_pii_is_letter(c); }
static inline bool mg_pii_is_word(char c) { return mg_pii_is_alnum(c) || c == '_'; }
static inline bool mg_pii_is_hex(char c) { return mg_pii_is_digit(c) || (unsigned char)((c | 0x20) - 'a') < 6; }

/* What gates look at byte by byte. */
enum {
    MG_PII_DIGIT = 1,
    MG_PII_JOINT = 2, /* between the groups of a card: space, dash */
    MG_PII_SEPARATOR = 4, /* between the groups of any number */
    MG_PII_DOT = 8,
    MG_PII_TOKEN = 16, /* what tokens are made of */
    MG_PII_LETTER = 32, /* of ASCII */
    MG_PII_OPENS = 64 /* what the value of a name stands behind */
};
extern const unsigned char mg_pii_classes[256];
static inline unsigned mg_pii_class(char c) { return mg_pii_classes[(unsigned char)c]; }

/* The bytes next to a span; 0 where the text ends. */
static inline char mg_pii_before(mg_str text, size_t start, size_t n) { return start >= n ? text.p[start - n] : 0; }
static inline char mg_pii_behind(mg_str text, size_t end, size_t n) {
    return end + n - 1 < text.n ? text.p[end + n - 1] : 0;
}

/* A word or phrase that says what a number is. In ASCII any case matches. It begins where a word begins, also inside a
 * name (home_phone, homePhone), and ends where one ends, unless it is closed by '*': then more letters may follow. */
typedef struct mg_pii_word {
    char text[22];
    signed char weight; /* > 0: speaks for the type, < 0: for something else */
    unsigned char reach; /* the most bytes between the word and the span */
} mg_pii_word;

enum { MG_PII_WITHIN = 64 };
/* A list ends with an empty text. The weight of the nearest word that begins at most `within` bytes in front; 0: there is
 * none. */
int mg_pii_word_before(mg_str text, size_t start, const mg_pii_word *words, size_t within);
/* The same for the first word behind, on the same line. */
int mg_pii_word_behind(mg_str text, size_t end, const mg_pii_word *words);

/* Whether a number is all that a short text says, as in a form's field: what else would it be looked at for? */
bool mg_pii_is_alone(mg_str text);
/* Whether the span fills a cell: a line, or what stands between quotes, tabs, commas and the like. */
bool mg_pii_is_cell(mg_str text, size_t start, size_t end);
/* Whether digits go on at either side, so that the span is a part of a longer number or of a name. */
bool mg_pii_is_part(mg_str text, size_t start, size_t end);

#endif
