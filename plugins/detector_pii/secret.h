/* The forms of vendors' keys, and what long tokens have in common. */
#ifndef DETECTOR_PII_SECRET_H
#define DETECTOR_PII_SECRET_H

#include <moongate/plugin.h>

/* What may follow a prefix. */
typedef enum mg_pii_alphabet {
    MG_PII_DIGITS,
    MG_PII_HEX, /* digits, a to f */
    MG_PII_UPPER, /* digits, A to Z */
    MG_PII_ALNUM,
    MG_PII_URL, /* alphanumeric, - and _ (base64url) */
    MG_PII_DOTTED, /* the same and . */
    MG_PII_BASE64, /* alphanumeric, + / = - _ */
    MG_PII_VALUE, /* the same without = */
    MG_PII_PATH /* alphanumeric, / - _ */
} mg_pii_alphabet;

typedef struct mg_pii_vendor {
    const char *prefix;
    mg_pii_alphabet alphabet;
    uint16_t least, most; /* bytes behind the prefix; `most` is strict where keys have one length (up to 100) */
} mg_pii_vendor;

/* In order of their prefixes' bytes, a longer one in front of those that it begins with. */
extern const mg_pii_vendor mg_pii_vendors[];
extern const size_t mg_pii_vendors_n;

bool mg_pii_in_alphabet(char c, mg_pii_alphabet a);
/* The vendor's form at text + at, where a word begins: its end, or 0. */
size_t mg_pii_vendor_end(mg_str text, size_t at);

#endif
