/* The host's table of settings, and the manual that is made from it. */
#include "config_fixture.h"

#include "app/settings.h"

static void test_table_of_settings(void **state) {
    (void)state;
    for (const mg_host_setting *s = mg_host_settings(); s->key; s++) {
        assert_non_null(s->doc);
        for (const mg_host_setting *other = s + 1; other->key; other++) assert_string_not_equal(s->key, other->key);
        /* settings_read.c writes numbers as 8 bytes */
        if (s->size && (s->type == MG_HOST_INTEGER || s->type == MG_HOST_SECONDS || s->type == MG_HOST_BYTES))
            assert_int_equal(s->size, sizeof(int64_t));
    }
}

static void test_manual(void **state) {
    (void)state;
    mg_buf manual = {0};
    char have[64 * 1024];
    mg_config_manual(&manual);
    for (const mg_host_setting *s = mg_host_settings(); s->key; s++) {
        const char *last = strrchr(s->key, '.');
        last = last ? last + 1 : s->key;
        if (*last != '*') assert_non_null(memmem(manual.p, manual.n, last, strlen(last)));
    }
    const char *path = TEST_SOURCE_DIR "/../docs/configuration.md";
    if (getenv("MOONGATE_WRITE_MANUAL")) {
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        assert_int_equal(fwrite(manual.p, 1, manual.n, f), manual.n);
        assert_int_equal(fclose(f), 0);
    }
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(have, 1, sizeof have, f);
    fclose(f);
    if (!mg_str_eq(mg_str_from(have, n), mg_buf_view(&manual)))
        fail_msg("docs/configuration.md is not what the table of settings says: run with MOONGATE_WRITE_MANUAL=1");
    mg_buf_finish(&manual);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_of_settings),
        cmocka_unit_test(test_manual),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
