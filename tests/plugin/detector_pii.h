/* What the tests of the detector of personal data share: the plugin as it was built, and what it finds in a text. */
#ifndef TESTS_PLUGIN_DETECTOR_PII_H
#define TESTS_PLUGIN_DETECTOR_PII_H

#include "plugin_file.h"

enum { EMAIL, CREDIT_CARD, SSN, CA_SIN, PHONE, IP_ADDRESS, IBAN, SECRET, TYPES };
enum { EVERY = (1 << TYPES) - 1, MOST_SPANS = 64 };

typedef struct findings {
    mg_span span[MOST_SPANS];
    size_t n; /* may be more than are kept */
} findings;

static const mg_detector *pii_ops;
static void *pii_self;

static inline void *pii_open(const mg_plugin *plugin, const char *jit) {
    mg_error error = {0};
    mg_setting_values *v = mg_setting_values_create(plugin->settings, MG_STR(""));
    assert_int_equal(mg_setting_set(v, MG_STR("jit"), mg_str_of(jit), &error), MG_OK);
    void *self = plugin->open(NULL, mg_setting_view(v), &error);
    mg_setting_values_destroy(v);
    if (!self) fail_msg("%s", error.text);
    return self;
}

static inline int pii_setup(void **state) {
    *state = (void *)plugin_file_load("detector_pii");
    const mg_plugin *plugin = *state;
    pii_ops = plugin->ops;
    pii_self = pii_open(plugin, "true");
    return 0;
}

static inline int pii_teardown(void **state) {
    ((const mg_plugin *)*state)->close(pii_self);
    return 0;
}

static inline void pii_keep(void *arg, const mg_span *span) {
    findings *f = arg;
    if (f->n < MOST_SPANS) f->span[f->n] = *span;
    f->n++;
}

static inline findings pii_scan(mg_str text, uint64_t wanted) {
    findings f = {0};
    mg_error error = {0};
    /* A copy of exactly that size, so that a sanitizer sees a read beyond it. */
    char *copy = malloc(text.n ? text.n : 1);
    if (text.n) memcpy(copy, text.p, text.n);
    if (pii_ops->scan(pii_self, mg_str_from(copy, text.n), wanted, pii_keep, &f, &error) != MG_OK)
        fail_msg("%s", error.text);
    free(copy);
    return f;
}

/* What is found of the wanted types, as "[text]…" or, of all types, "[type:text]…", must be this. */
static inline void pii_expect(uint64_t wanted, const char *text, const char *expected) {
    char got[2048] = "";
    size_t n = 0;
    findings f = pii_scan(mg_str_of(text), wanted);
    for (size_t i = 0; i < f.n && i < MOST_SPANS; i++) {
        const mg_span *s = &f.span[i];
        assert_true(s->start < s->end && s->end <= strlen(text));
        assert_true(s->confidence > 0 && s->confidence <= 1);
        n += (size_t)snprintf(got + n, sizeof got - n, "[%s%s%.*s]", wanted == EVERY ? s->type : "",
                              wanted == EVERY ? ":" : "", (int)(s->end - s->start), text + s->start);
    }
    if (strcmp(got, expected) != 0) fail_msg("in: %s\nfound:  %s\nwanted: %s", text, got, expected);
}

/* The whole text is one of that type, or it holds none. */
static inline void pii_expect_all(int type, const char *const *texts, size_t n, bool found) {
    for (size_t i = 0; i < n; i++) {
        char expected[1024] = "";
        if (found) snprintf(expected, sizeof expected, "[%s]", texts[i]);
        pii_expect(UINT64_C(1) << type, texts[i], expected);
    }
}
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline double pii_confidence(int type, const char *text) {
    findings f = pii_scan(mg_str_of(text), UINT64_C(1) << type);
    return f.n == 1 ? f.span[0].confidence : 0;
}

#endif
