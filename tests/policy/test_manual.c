/* The manual is complete, and the committed copies are what the code generates. With MOONGATE_MANUAL=write in the
 * environment they are written instead of compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "policy/manual.h"
#include "policy/modules.h"

static const char manual_path[] = TEST_SOURCE_DIR "/../docs/policies.md";
static const char stubs_path[] = TEST_SOURCE_DIR "/../docs/moongate.d.lua";

static bool writing(void) {
    const char *mode = getenv("MOONGATE_MANUAL");
    return mode && strcmp(mode, "write") == 0;
}

static void read_file(const char *path, mg_buf *out) {
    char chunk[4096];
    FILE *f = fopen(path, "rb");
    if (!f) return;
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;) mg_buf_add(out, chunk, n);
    fclose(f);
}

static void write_file(const char *path, mg_str text) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
    assert_int_equal(fclose(f), 0);
}

static void same(const char *path, mg_str there, mg_str wanted) {
    size_t i = 0, line = 1;
    if (mg_str_eq(there, wanted)) return;
    for (; i < there.n && i < wanted.n && there.p[i] == wanted.p[i]; i++) line += there.p[i] == '\n';
    fail_msg("%s differs from what the code generates in line %zu: run this test with MOONGATE_MANUAL=write", path,
             line);
}

static size_t position(mg_str text, const char *mark) {
    const char *p = memmem(text.p, text.n, mark, strlen(mark));
    if (!p) fail_msg("%s has no line %s", manual_path, mark);
    return (size_t)(p - text.p);
}

static void everything_is_documented(void **state) {
    (void)state;
    mg_error error = {0};
    if (mg_manual_check(&error) != MG_OK) fail_msg("%s", error.text);
}

static void reference_is_current(void **state) {
    (void)state;
    static const char begin[] = "<!-- reference -->\n", end[] = "<!-- end of reference -->";
    mg_buf there = {0}, wanted = {0};
    read_file(manual_path, &there);
    mg_str old = mg_buf_view(&there);
    mg_buf_add(&wanted, old.p, position(old, begin) + strlen(begin));
    mg_buf_str(&wanted, MG_STR("\n"));
    mg_manual_markdown(&wanted);
    mg_buf_str(&wanted, mg_str_skip(old, position(old, end)));
    assert_false(wanted.over);
    if (writing())
        write_file(manual_path, mg_buf_view(&wanted));
    else
        same("docs/policies.md", old, mg_buf_view(&wanted));
    mg_buf_finish(&there);
    mg_buf_finish(&wanted);
}

static void stubs_are_current(void **state) {
    (void)state;
    mg_buf there = {0}, wanted = {0};
    mg_manual_stubs(&wanted);
    read_file(stubs_path, &there);
    if (writing())
        write_file(stubs_path, mg_buf_view(&wanted));
    else
        same("docs/moongate.d.lua", mg_buf_view(&there), mg_buf_view(&wanted));
    mg_buf_finish(&there);
    mg_buf_finish(&wanted);
}

/* Names are what policies see: two of a kind would hide one another. */
static void names_are_unique(void **state) {
    (void)state;
    for (size_t i = 0; mg_lua_modules[i]; i++) {
        const mg_lua_module *m = mg_lua_modules[i];
        for (size_t k = 0; k < i; k++) assert_string_not_equal(m->name, mg_lua_modules[k]->name);
        for (const mg_lua_function *f = m->functions; f && f->name; f++) {
            for (const mg_lua_function *g = m->functions; g != f; g++) assert_string_not_equal(f->name, g->name);
            for (const mg_lua_field *g = m->fields; g && g->name; g++) assert_string_not_equal(f->name, g->name);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_documented),
        cmocka_unit_test(reference_is_current),
        cmocka_unit_test(stubs_are_current),
        cmocka_unit_test(names_are_unique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
