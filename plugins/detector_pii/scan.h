/* The scanner: a table of types (detector_pii.c). Each type has a gate that finds, in one cheap pass, the few places
 * where a match can be; a pattern that is tried only there; and a validator that knows what a pattern can't. A new
 * type is a row in either table and a validator.
 *
 * Time is linear in the text: windows are bounded or do not overlap, and a pattern looks at a bounded number of
 * bytes from any start. PCRE2's match limit stands behind that, and hitting it is an error, never "nothing found". */
#ifndef DETECTOR_PII_SCAN_H
#define DETECTOR_PII_SCAN_H

#include <moongate/plugin.h>

typedef struct mg_pii_window {
    size_t start, end;
} mg_pii_window;

typedef struct mg_pii_rule {
    const char *pattern;
    uint32_t options; /* of pcre2_compile */
    bool once; /* a window has one place for a match: what is rejected there is not tried again from its middle */
    /* The next window at or behind *at, which it moves on; false: none is left. */
    bool (*gate)(mg_str text, size_t *at, mg_pii_window *window);
    /* Whether [*start, *end) of the text is one; may make it smaller. The confidence, or 0: it is none. */
    double (*valid)(mg_str text, size_t *start, size_t *end);
} mg_pii_rule;

/* Two tables with a row for each type, in the same order. */
extern const mg_detector_type mg_pii_types[];
extern const mg_pii_rule mg_pii_rules[];
extern const size_t mg_pii_types_n;

typedef struct mg_pii_scanner mg_pii_scanner;

/* NULL and an error if a pattern can't be compiled. */
mg_pii_scanner *mg_pii_scanner_create(mg_error *error);
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

#endif
