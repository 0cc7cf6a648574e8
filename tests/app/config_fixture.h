/* What the tests of the configuration share: files in a folder of their own, and the faults that came of them. */
#ifndef TESTS_APP_CONFIG_FIXTURE_H
#define TESTS_APP_CONFIG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "app/config.h"
#include "base/buf.h"

static char folder[64];
static mg_buf faults, warnings; /* a line each: FILE:LINE: MESSAGE, without the folder */

/* The text with every mention of the test's folder taken out. */
static inline void fixture_add(mg_buf *b, mg_str text) {
    size_t n = strlen(folder);
    while (text.n) {
        if (n && mg_str_starts(text, mg_str_of(folder)) && text.n > n && text.p[n] == '/') {
            text = mg_str_skip(text, n + 1);
            continue;
        }
        mg_buf_add(b, text.p, 1);
        text = mg_str_skip(text, 1);
    }
}

static inline void fixture_line(mg_buf *b, const mg_config_fault *f) {
    fixture_add(b, f->file);
    mg_buf_printf(b, ":%d: ", f->line);
    fixture_add(b, f->message);
    mg_buf_add(b, "\n", 1);
}

static inline void on_fault(void *arg, const mg_config_fault *f) {
    assert_ptr_equal(arg, folder);
    fixture_line(&faults, f);
}

static inline void on_warning(void *arg, const mg_config_fault *f) {
    assert_ptr_equal(arg, folder);
    fixture_line(&warnings, f);
}

/* The path of a file of the folder; valid until the next but one call. */
static inline const char *fixture_path(const char *name) {
    static char paths[2][128];
    static int which;
    which = !which;
    snprintf(paths[which], sizeof paths[which], "%s/%s", folder, name);
    return paths[which];
}

static inline void fixture_write(const char *name, const char *text, size_t n) {
    FILE *f = fopen(fixture_path(name), "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* Writes and loads "c.lua". */
static inline mg_config *load_bytes(const char *text, size_t n) {
    fixture_write("c.lua", text, n);
    mg_buf_clear(&faults);
    mg_buf_clear(&warnings);
    return mg_config_load(mg_str_of(fixture_path("c.lua")), on_fault, folder);
}

static inline mg_config *load(const char *text) { return load_bytes(text, strlen(text)); }

static inline mg_config *load_fine(const char *text) {
    mg_config *c = load(text);
    if (!c) fail_msg("faults: %.*s", (int)faults.n, faults.p);
    assert_int_equal(faults.n, 0);
    return c;
}

static inline void assert_lines(const mg_buf *b, const char *expected) {
    if (!mg_str_is(mg_buf_view(b), expected))
        fail_msg("got:\n%.*s\ninstead of:\n%s", (int)b->n, b->p ? b->p : "", expected);
}

/* The text is refused with exactly these faults. */
static inline void assert_faults(const char *text, const char *expected) {
    mg_config *c = load(text);
    if (c) fail_msg("was accepted: %s", text);
    assert_lines(&faults, expected);
}

static inline void assert_text(mg_str have, const char *expected) {
    if (!mg_str_is(have, expected)) fail_msg("got '%.*s' instead of '%s'", MG_STR_ARG(have), expected);
}

static inline void forget_environment(void) {
    static const char *const names[] = {"OPENAI_API_KEY",       "ANTHROPIC_API_KEY",     "GEMINI_API_KEY",
                                        "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", "MOONGATE_TEST_A",
                                        "MOONGATE_TEST_B"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) unsetenv(names[i]);
}

static inline int fixture_setup(void **state) {
    (void)state;
    forget_environment();
    snprintf(folder, sizeof folder, "/tmp/moongate-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int fixture_teardown(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    mg_buf_finish(&faults);
    mg_buf_finish(&warnings);
    return system(command);
}

#endif
