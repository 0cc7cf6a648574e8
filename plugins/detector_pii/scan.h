/* The scanner: a table of types and a table of rules (detector_pii.c), one or more for a type. Each rule has a gate
 * that finds, in one cheap pass, the few places where a match can be; a pattern that is tried only there, or none where
 * the gate has found the place exactly; and a validator that knows what a pattern can't. A new type is a row in either
 * table and a validator.
 *
 * What a rule finds depends on the text only, never on which other types are wanted.
 *
 * Time is linear in the text: windows are bounded or do not overlap, and patterns and validators look at a bounded
 * number of bytes from any start. PCRE2's match limit stands behind that, and hitting it is an error, never "nothing
 * found". */
#ifndef DETECTOR_PII_SCAN_H
#define DETECTOR_PII_SCAN_H

#include <moongate/plugin.h>

typedef struct mg_pii_window {
    size_t start, end;
} mg_pii_window;

typedef struct mg_pii_rule {
    size_t type; /* index into the types */
    /* The next window at or behind *at, which it moves on; false: none is left. Neighboring rules with the same gate
     * share one pass. */
    bool (*gate)(mg_str text, size_t *at, mg_pii_window *window);
    const char *pattern; /* NULL: the window is the match */
    uint32_t options; /* of pcre2_compile */
    bool once; /* a window has one place for a match: what is rejected there is not tried again from its middle */
    /* Whether [*start, *end) of the text is one; may move either end. The confidence, or 0: it is none. */
    double (*valid)(mg_str text, size_t *start, size_t *end);
} mg_pii_rule;

extern const mg_detector_type mg_pii_types[];
extern const size_t mg_pii_types_n;
extern const mg_pii_rule mg_pii_rules[];
extern const size_t mg_pii_rules_n;

typedef struct mg_pii_scanner mg_pii_scanner;

/* jit: compile patterns to machine code where the machine can. NULL and an error if a pattern can't be compiled. */
mg_pii_scanner *mg_pii_scanner_create(bool jit, mg_error *error);
void mg_pii_scanner_destroy(mg_pii_scanner *s);
/* As mg_detector.scan; any number of threads at once. */
mg_status mg_pii_scan(const mg_pii_scanner *s, mg_str text, uint64_t wanted,
                      void (*found)(void *arg, const mg_span *span), void *arg, mg_error *error);

/* email.c */
extern const char mg_pii_email_pattern[];
bool mg_pii_email_gate(mg_str text, size_t *at, mg_pii_window *window);
double mg_pii_email_valid(mg_str text, size_t *start, size_t *end);

/* card.c */
extern const char mg_pii_card_pattern[];
bool mg_pii_card_gate(mg_str text, size_t *at, mg_pii_window *window);
double mg_pii_card_valid(mg_str text, size_t *start, size_t *end);

/* number.c: for all that is written as groups of digits */
bool mg_pii_number_gate(mg_str text, size_t *at, mg_pii_window *window);
/* Copies the digits of [start, end); how many, or 0 if there are more than `cap`. */
size_t mg_pii_digits(mg_str text, size_t start, size_t end, char *digits, size_t cap);
bool mg_pii_luhn(const char *digits, size_t n);

/* ssn.c, sin.c, phone.c */
extern const char mg_pii_ssn_pattern[], mg_pii_sin_pattern[], mg_pii_phone_pattern[];
double mg_pii_ssn_valid(mg_str text, size_t *start, size_t *end);
double mg_pii_sin_valid(mg_str text, size_t *start, size_t *end);
double mg_pii_phone_valid(mg_str text, size_t *start, size_t *end);

/* ip.c */
bool mg_pii_ip4_gate(mg_str text, size_t *at, mg_pii_window *window);
double mg_pii_ip4_valid(mg_str text, size_t *start, size_t *end);
bool mg_pii_ip6_gate(mg_str text, size_t *at, mg_pii_window *window);
double mg_pii_ip6_valid(mg_str text, size_t *start, size_t *end);

/* iban.c */
bool mg_pii_iban_gate(mg_str text, size_t *at, mg_pii_window *window);
double mg_pii_iban_valid(mg_str text, size_t *start, size_t *end);

/* secret.c, pem.c */
bool mg_pii_secret_gate(mg_str text, size_t *at, mg_pii_window *window);
double mg_pii_secret_valid(mg_str text, size_t *start, size_t *end);
bool mg_pii_pem_gate(mg_str text, size_t *at, mg_pii_window *window);
double mg_pii_pem_valid(mg_str text, size_t *start, size_t *end);

#endif
