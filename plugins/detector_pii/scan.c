#define PCRE2_CODE_UNIT_WIDTH 8
#include "scan.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    MOST_TYPES = 64, /* bits of `wanted` */
    MATCH_LIMIT = 100000
};

struct mg_pii_scanner {
    pcre2_match_context *context;
    pcre2_code *code[MOST_TYPES];
};

typedef struct span_list {
    mg_span *spans;
    size_t n, cap;
} span_list;

static pcre2_code *compile(size_t type, mg_error *error) {
    const mg_pii_rule *rule = &mg_pii_rules[type];
    int code;
    PCRE2_SIZE at;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)rule->pattern, PCRE2_ZERO_TERMINATED, rule->options, &code, &at, NULL);
    if (!re) {
        PCRE2_UCHAR why[128];
        pcre2_get_error_message(code, why, sizeof why);
        snprintf(error->text, sizeof error->text, "the pattern of %s does not compile at %zu: %s",
                 mg_pii_types[type].name, at, (const char *)why);
        return NULL;
    }
    pcre2_jit_compile(re, PCRE2_JIT_COMPLETE); /* without a JIT the interpreter does it, slower */
    return re;
}

mg_pii_scanner *mg_pii_scanner_create(mg_error *error) {
    mg_pii_scanner *s = calloc(1, sizeof *s);
    if (!s) goto failed;
    s->context = pcre2_match_context_create(NULL);
    if (!s->context) goto failed;
    pcre2_set_match_limit(s->context, MATCH_LIMIT);
    for (size_t i = 0; i < mg_pii_types_n; i++) {
        s->code[i] = compile(i, error);
        if (!s->code[i]) goto failed;
    }
    return s;
failed:
    if (!error->text[0]) snprintf(error->text, sizeof error->text, "no memory for the detector");
    mg_pii_scanner_destroy(s);
    return NULL;
}

void mg_pii_scanner_destroy(mg_pii_scanner *s) {
    if (!s) return;
    for (size_t i = 0; i < mg_pii_types_n; i++) pcre2_code_free(s->code[i]);
    pcre2_match_context_free(s->context);
    free(s);
}

static mg_status fail(mg_error *error, const char *type, const char *why) {
    error->http = 500;
    snprintf(error->code, sizeof error->code, "detector_failed");
    snprintf(error->text, sizeof error->text, "the text could not be scanned for %s: %s", type, why);
    return MG_ERROR;
}

static bool list_add(span_list *l, mg_span span) {
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        mg_span *spans = realloc(l->spans, cap * sizeof *spans);
        if (!spans) return false;
        l->spans = spans;
        l->cap = cap;
    }
    l->spans[l->n++] = span;
    return true;
}

/* All matches of one type inside one window. *floor: where the type's last span ended; none may begin before it. */
static mg_status scan_window(const mg_pii_scanner *s, size_t type, mg_str text, mg_pii_window w, size_t *floor,
                             pcre2_match_data *match, span_list *out, mg_error *error) {
    const char *name = mg_pii_types[type].name;
    if (w.start < *floor) w.start = *floor;
    PCRE2_SPTR subject = (PCRE2_SPTR)text.p + w.start;
    size_t n = w.end > w.start ? w.end - w.start : 0;
    for (size_t at = 0; at < n;) {
        int rc = pcre2_match(s->code[type], subject, n, at, 0, match, s->context);
        if (rc == PCRE2_ERROR_NOMATCH) return MG_OK;
        if (rc < 0) {
            PCRE2_UCHAR why[128];
            pcre2_get_error_message(rc, why, sizeof why);
            return fail(error, name, (const char *)why);
        }
        const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(match);
        size_t start = w.start + ends[0], end = w.start + ends[1];
        at = ends[0] + 1;
        double confidence = mg_pii_rules[type].valid(text, &start, &end);
        if (confidence <= 0 && mg_pii_rules[type].once) return MG_OK;
        if (confidence <= 0) continue;
        if (!list_add(out, (mg_span){name, start, end, confidence})) return fail(error, name, "no memory");
        at = end - w.start;
        *floor = end;
    }
    return MG_OK;
}

static mg_status scan_type(const mg_pii_scanner *s, size_t type, mg_str text, pcre2_match_data **match, span_list *out,
                           mg_error *error) {
    mg_pii_window w;
    size_t at = 0, floor = 0;
    while (mg_pii_rules[type].gate(text, &at, &w)) {
        if (!*match) *match = pcre2_match_data_create(8, NULL);
        if (!*match) return fail(error, mg_pii_types[type].name, "no memory");
        if (scan_window(s, type, text, w, &floor, *match, out, error) != MG_OK) return MG_ERROR;
    }
    return MG_OK;
}

static mg_severity severity_of(const mg_span *span) {
    for (size_t i = 0; i < mg_pii_types_n; i++)
        if (mg_pii_types[i].name == span->type) return mg_pii_types[i].severity;
    return MG_SEVERITY_LOW;
}

/* By start; of equal starts the longer, then the more severe first. */
static int compare(const void *pa, const void *pb) {
    const mg_span *a = pa, *b = pb;
    if (a->start != b->start) return a->start < b->start ? -1 : 1;
    if (a->end != b->end) return a->end > b->end ? -1 : 1;
    return (int)severity_of(b) - (int)severity_of(a);
}

/* Reports the spans without overlaps. One inside another is left out; one that only overlaps begins where the other
 * ends, so that no byte that was found goes uncovered. */
static void report(span_list *l, void (*found)(void *arg, const mg_span *span), void *arg) {
    if (l->n > 1) qsort(l->spans, l->n, sizeof *l->spans, compare);
    size_t covered = 0;
    for (size_t i = 0; i < l->n; i++) {
        mg_span span = l->spans[i];
        if (span.end <= covered) continue;
        if (span.start < covered) span.start = covered;
        covered = span.end;
        found(arg, &span);
    }
}

mg_status mg_pii_scan(const mg_pii_scanner *s, mg_str text, uint64_t wanted,
                      void (*found)(void *arg, const mg_span *span), void *arg, mg_error *error) {
    span_list list = {0};
    pcre2_match_data *match = NULL;
    mg_status status = MG_OK;
    for (size_t i = 0; text.n && i < mg_pii_types_n && status == MG_OK; i++)
        if (wanted >> i & 1) status = scan_type(s, i, text, &match, &list, error);
    if (status == MG_OK) report(&list, found, arg);
    pcre2_match_data_free(match);
    free(list.spans);
    return status;
}
