#define PCRE2_CODE_UNIT_WIDTH 8
#include "scan.h"
#include "fold.h"
#include "spans.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_RULES = 64, MATCH_LIMIT = 100000 };

struct mg_pii_scanner {
    pcre2_match_context *context;
    pcre2_code *code[MOST_RULES]; /* NULL: the rule has no pattern */
};

static pcre2_code *compile(const mg_pii_rule *rule, bool jit, mg_error *error) {
    int code;
    PCRE2_SIZE at;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)rule->pattern, PCRE2_ZERO_TERMINATED, rule->options, &code, &at, NULL);
    if (!re) {
        PCRE2_UCHAR why[128];
        pcre2_get_error_message(code, why, sizeof why);
        snprintf(error->text, sizeof error->text, "the pattern of %s does not compile at %zu: %s",
                 mg_pii_types[rule->type].name, at, (const char *)why);
        return NULL;
    }
    if (jit) pcre2_jit_compile(re, PCRE2_JIT_COMPLETE); /* where there is none the interpreter does it, slower */
    return re;
}

mg_pii_scanner *mg_pii_scanner_create(bool jit, mg_error *error) {
    mg_pii_scanner *s = calloc(1, sizeof *s);
    if (!s) goto failed;
    s->context = pcre2_match_context_create(NULL);
    if (!s->context) goto failed;
    pcre2_set_match_limit(s->context, MATCH_LIMIT);
    for (size_t i = 0; i < mg_pii_rules_n; i++) {
        if (!mg_pii_rules[i].pattern) continue;
        s->code[i] = compile(&mg_pii_rules[i], jit, error);
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
    for (size_t i = 0; i < mg_pii_rules_n; i++) pcre2_code_free(s->code[i]);
    pcre2_match_context_free(s->context);
    free(s);
}

/* One scan. */
typedef struct run {
    const mg_pii_scanner *scanner;
    mg_str text;
    pcre2_match_data *match; /* made when first needed */
    mg_pii_spans spans;
    size_t floors[MOST_RULES]; /* where each rule's last span ended; none of its spans may begin before it */
    mg_error *error;
} run;

static mg_status fail(const run *r, size_t rule, const char *why) {
    r->error->http = 500;
    snprintf(r->error->code, sizeof r->error->code, "detector_failed");
    snprintf(r->error->text, sizeof r->error->text, "the text could not be scanned for %s: %s",
             mg_pii_types[mg_pii_rules[rule].type].name, why);
    return MG_ERROR;
}

/* Asks the validator; on success *end is where the span ends. MG_DECLINED: it is none. */
static mg_status judge(run *r, size_t rule, size_t start, size_t *end) {
    const mg_pii_rule *what = &mg_pii_rules[rule];
    double confidence = what->valid(r->text, &start, end);
    if (confidence <= 0) return MG_DECLINED;
    if (!mg_pii_spans_add(&r->spans, start, *end, what->type, confidence)) return fail(r, rule, "no memory");
    r->floors[rule] = *end;
    return MG_OK;
}

/* All matches of a pattern inside one window. */
static mg_status match_window(run *r, size_t rule, mg_pii_window w) {
    const char *subject = r->text.p + w.start;
    if (!r->match) r->match = pcre2_match_data_create(8, NULL);
    if (!r->match) return fail(r, rule, "no memory");
    for (size_t at = 0; w.start + at < w.end;) {
        int rc = pcre2_match(r->scanner->code[rule], (PCRE2_SPTR)subject, w.end - w.start, at, 0, r->match,
                             r->scanner->context);
        if (rc == PCRE2_ERROR_NOMATCH) return MG_OK;
        if (rc < 0) {
            PCRE2_UCHAR why[128];
            pcre2_get_error_message(rc, why, sizeof why);
            return fail(r, rule, (const char *)why);
        }
        const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(r->match);
        size_t end = w.start + ends[1];
        mg_status status = judge(r, rule, w.start + ends[0], &end);
        if (status == MG_ERROR || (status == MG_DECLINED && mg_pii_rules[rule].once)) return status;
        at = status == MG_OK ? end - w.start : ends[0] + 1;
    }
    return MG_OK;
}

static mg_status scan_window(run *r, size_t rule, mg_pii_window w) {
    if (w.start < r->floors[rule]) w.start = r->floors[rule];
    if (w.start >= w.end) return MG_OK;
    if (mg_pii_rules[rule].pattern) return match_window(r, rule, w);
    return judge(r, rule, w.start, &w.end);
}

/* One pass for the rules from `first` to `last`, which have the same gate. */
static mg_status scan_rules(run *r, size_t first, size_t last, uint64_t wanted) {
    mg_pii_window w;
    size_t at = 0;
    while (mg_pii_rules[first].gate(r->text, &at, &w))
        for (size_t i = first; i < last; i++)
            if (wanted >> mg_pii_rules[i].type & 1 && scan_window(r, i, w) == MG_ERROR) return MG_ERROR;
    return MG_OK;
}

/* Reports the spans where they stand in the text as it came; `fold` NULL: it is the text that was scanned. What is longer
 * than its type's longest comes in pieces. */
static void report(const mg_pii_spans *spans, const mg_pii_fold *fold, void (*found)(void *arg, const mg_span *span),
                   void *arg) {
    for (size_t i = 0; i < spans->n; i++) {
        const struct mg_pii_found *f = &spans->v[i];
        const mg_detector_type *type = &mg_pii_types[f->type];
        size_t start = fold ? mg_pii_fold_origin(fold, f->start) : f->start;
        size_t end = fold ? mg_pii_fold_origin(fold, f->end - 1) + 1 : f->end;
        for (size_t stop; start < end; start = stop) {
            stop = end - start > type->longest ? start + type->longest : end;
            found(arg, &(mg_span){type->name, start, stop, f->confidence});
        }
    }
}

static mg_status scan_text(run *r, uint64_t wanted) {
    mg_status status = MG_OK;
    for (size_t first = 0, last; r->text.n && first < mg_pii_rules_n && status == MG_OK; first = last) {
        bool any = false;
        for (last = first; last < mg_pii_rules_n && mg_pii_rules[last].gate == mg_pii_rules[first].gate; last++)
            any = any || (wanted >> mg_pii_rules[last].type & 1);
        if (any) status = scan_rules(r, first, last, wanted);
    }
    return status;
}

mg_status mg_pii_scan(const mg_pii_scanner *s, mg_str text, uint64_t wanted,
                      void (*found)(void *arg, const mg_span *span), void *arg, mg_error *error) {
    run r = {.scanner = s, .text = text, .error = error};
    mg_pii_fold fold;
    mg_status folded = mg_pii_fold_init(&fold, text);
    if (folded == MG_ERROR) return fail(&r, 0, "no memory");
    if (folded == MG_OK) r.text = (mg_str){fold.p, fold.n};
    mg_status status = scan_text(&r, wanted);
    if (status == MG_OK) {
        mg_pii_spans_resolve(&r.spans);
        report(&r.spans, folded == MG_OK ? &fold : NULL, found, arg);
    }
    pcre2_match_data_free(r.match);
    mg_pii_spans_finish(&r.spans);
    mg_pii_fold_finish(&fold);
    return status;
}
