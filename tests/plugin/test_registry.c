#include <sys/stat.h>

#include "fixture.h"
#include "plugin/registry.h"

static mg_host host;
static char *folder;

static int folder_setup(void **state) {
    (void)state;
    host = fixture_host();
    folder = fixture_folder();
    return 0;
}

static int folder_teardown(void **state) {
    (void)state;
    fixture_folder_remove(folder);
    return 0;
}

static void variant(const char *name, const char *flags) {
    fixture_compile(folder, name, "tests/plugin/fixtures/variant.c", flags);
}

static const mg_plugin_file *file_of(const mg_registry *r, const char *name) {
    size_t n;
    const mg_plugin_file *files = mg_registry_files(r, &n);
    for (size_t i = 0; i < n; i++)
        if (files[i].path.n > strlen(name) && strcmp(files[i].path.p + files[i].path.n - strlen(name), name) == 0)
            return &files[i];
    fail_msg("no file %s", name);
    return NULL;
}

/* The one plugin of the folder is refused, in words that name the file and hold `part`. */
static void refused(const char *flags, const char *part) {
    mg_error error;
    variant("bad.so", flags);
    mg_registry *r = mg_registry_create(&host);
    assert_int_equal(mg_registry_load(r, mg_str_of(folder), &error), 1);
    const mg_plugin_file *f = file_of(r, "bad.so");
    assert_null(f->plugin);
    assert_non_null(strstr(f->fault.p, "bad.so"));
    if (!strstr(f->fault.p, part)) fail_msg("\"%s\" does not say \"%s\"", f->fault.p, part);
    assert_null(mg_registry_find(r, MG_KIND_DETECTOR, MG_STR("variant")));
    mg_registry_destroy(r);
}

static void refuses_bad_descriptors(void **state) {
    (void)state;
    refused("-DABI=99", "ABI 99");
    refused("-DSIZE=40", "40 bytes");
    refused("-DSYMBOL=other_name", "exports no function moongate_plugin");
    refused("-DRESULT=NULL", "no descriptor");
    refused("-DNAME=NULL", "no name");
    refused("-DNAME='\"Bad-Name\"'", "[a-z][a-z0-9_]*");
    refused("-DKIND=77", "unknown kind 77");
    refused("-DOPS=NULL", "no operations");
    refused("-DOPS_SIZE=16", "16 bytes");
    refused("-DSCAN=NULL", "'scan'");
    refused("-DOPEN=NULL", "lacks open");
    refused("-DDETACH=detach", "attach and detach");
    refused("-DN_TYPES=0", "1 to 64 types");
    refused("-DFALLBACK='\"many\"'", "'amount'");
}

static void accepts_later_and_larger(void **state) {
    (void)state;
    mg_error error;
    mg_registry *r = mg_registry_create(&host);
    variant("later.so", "-DLATER -DNAME='\"later\"'");
    assert_int_equal(mg_registry_load(r, mg_str_of(folder), &error), 0);
    const mg_plugin *p = mg_registry_find(r, MG_KIND_DETECTOR, MG_STR("later"));
    assert_non_null(p);
    assert_true(p->size > sizeof(mg_plugin));
    assert_null(mg_registry_find(r, MG_KIND_STORE, MG_STR("later")));
    assert_ptr_equal(mg_registry_host(r), &host);
    mg_registry_destroy(r);
}

static void refuses_second_of_a_name(void **state) {
    (void)state;
    mg_error error;
    mg_registry *r = mg_registry_create(&host);
    variant("b.so", "");
    variant("a.so", "");
    assert_int_equal(mg_registry_load(r, mg_str_of(folder), &error), 1);
    assert_non_null(file_of(r, "a.so")->plugin);
    assert_null(file_of(r, "b.so")->plugin);
    assert_non_null(strstr(file_of(r, "b.so")->fault.p, "a.so"));
    assert_ptr_equal(mg_registry_find(r, MG_KIND_DETECTOR, MG_STR("variant")), file_of(r, "a.so")->plugin);
    mg_registry_destroy(r);
}

static void refuses_what_is_no_library(void **state) {
    (void)state;
    char path[256];
    mg_error error;
    mg_registry *r = mg_registry_create(&host);
    fixture_write(folder, "text.so", "this is no library\n");
    fixture_write(folder, "notes.txt", "not looked at\n");
    fixture_write(folder, ".hidden.so", "not looked at\n");
    snprintf(path, sizeof path, "%s/pipe.so", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    snprintf(path, sizeof path, "%s/folder.so", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/dangling.so", folder);
    assert_int_equal(symlink("nowhere", path), 0);
    assert_int_equal(mg_registry_load(r, mg_str_of(folder), &error), 4);
    size_t n;
    mg_registry_files(r, &n);
    assert_int_equal(n, 4);
    assert_non_null(strstr(file_of(r, "pipe.so")->fault.p, "not a regular file"));
    assert_non_null(strstr(file_of(r, "text.so")->fault.p, "text.so"));
    mg_registry_destroy(r);
}

static void loads_again_only_what_is_new_or_mended(void **state) {
    (void)state;
    mg_error error;
    mg_registry *r = mg_registry_create(&host);
    variant("one.so", "-DNAME='\"one\"'");
    variant("two.so", "-DNAME='\"two\"' -DABI=7");
    assert_int_equal(mg_registry_load(r, mg_str_of(folder), &error), 1);
    const mg_plugin *one = mg_registry_find(r, MG_KIND_DETECTOR, MG_STR("one"));
    assert_int_equal(mg_registry_load(r, mg_str_of(folder), &error), 0);
    variant("two-new", "-DNAME='\"two\"'");
    char from[256], to[256];
    snprintf(from, sizeof from, "%s/two-new", folder);
    snprintf(to, sizeof to, "%s/two.so", folder);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(mg_registry_load(r, mg_str_of(folder), &error), 0);
    assert_non_null(mg_registry_find(r, MG_KIND_DETECTOR, MG_STR("two")));
    assert_null(file_of(r, "two.so")->fault.p);
    assert_ptr_equal(mg_registry_find(r, MG_KIND_DETECTOR, MG_STR("one")), one);
    mg_registry_destroy(r);
}

static void names_the_nearest(void **state) {
    (void)state;
    mg_error error;
    mg_registry *r = mg_registry_create(&host);
    variant("one.so", "-DNAME='\"openai\"'");
    variant("two.so", "-DNAME='\"gemini\"'");
    assert_int_equal(mg_registry_load(r, mg_str_of(folder), &error), 0);
    assert_true(mg_str_is(mg_registry_nearest(r, MG_KIND_DETECTOR, MG_STR("opnai")), "openai"));
    assert_true(mg_str_is(mg_registry_nearest(r, MG_KIND_DETECTOR, MG_STR("gemni")), "gemini"));
    assert_null(mg_registry_nearest(r, MG_KIND_DETECTOR, MG_STR("zzzzzzzzzzzz")).p);
    assert_null(mg_registry_nearest(r, MG_KIND_LEDGER, MG_STR("openai")).p);
    mg_registry_destroy(r);
}

static void reports_a_folder_that_is_not_there(void **state) {
    (void)state;
    mg_error error;
    mg_registry *r = mg_registry_create(&host);
    assert_int_equal(mg_registry_load(r, MG_STR("/nowhere/at/all"), &error), -1);
    assert_non_null(strstr(error.text, "/nowhere/at/all"));
    mg_registry_destroy(r);
    mg_registry_destroy(NULL);
}

static void names_kinds(void **state) {
    (void)state;
    assert_string_equal(mg_plugin_kind_name(MG_KIND_PROVIDER), "provider");
    assert_string_equal(mg_plugin_kind_name(MG_KIND_EMBEDDER), "embedder");
    assert_string_equal(mg_plugin_kind_name(0), "unknown");
    assert_string_equal(mg_plugin_kind_name(99), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(refuses_bad_descriptors, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(accepts_later_and_larger, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(refuses_second_of_a_name, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_library, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(loads_again_only_what_is_new_or_mended, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(names_the_nearest, folder_setup, folder_teardown),
        cmocka_unit_test(reports_a_folder_that_is_not_there),
        cmocka_unit_test(names_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
