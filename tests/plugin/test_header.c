/* The public header compiles alone, in both languages, without a warning. */
#include "fixture.h"

static void compile(const char *compiler, const char *language, const char *standard) {
    char command[512];
    snprintf(
        command, sizeof command,
        "printf '#include <moongate/plugin.h>\\nconst mg_plugin *p;\\n' | %s -x %s -std=%s -pedantic -Wall -Wextra "
        "-Werror -Wshadow -I'%s/../host/include' -c -o /dev/null -",
        compiler, language, standard, TEST_SOURCE_DIR);
    if (system(command) != 0) fail_msg("failed: %s", command);
}

static void compiles_as_c(void **state) {
    (void)state;
    compile("${CC:-cc}", "c", "c11");
}

static void compiles_as_cxx(void **state) {
    (void)state;
    compile("${CXX:-c++}", "c++", "c++17");
}

static void shared_structs_begin_with_size(void **state) {
    (void)state;
    assert_int_equal(offsetof(mg_host, size), 0);
    assert_int_equal(offsetof(mg_loop, size), 0);
    assert_int_equal(offsetof(mg_settings, size), 0);
    assert_int_equal(offsetof(mg_provider_request, size), 0);
    assert_int_equal(offsetof(mg_provider_out, size), 0);
    assert_int_equal(offsetof(mg_frame, size), 0);
    assert_int_equal(offsetof(mg_event, size), 0);
    assert_int_equal(offsetof(mg_usage, size), 0);
    assert_int_equal(offsetof(mg_classification, size), 0);
    assert_int_equal(offsetof(mg_provider, size), 0);
    assert_int_equal(offsetof(mg_store, size), 0);
    assert_int_equal(offsetof(mg_store_result, size), 0);
    assert_int_equal(offsetof(mg_ledger, size), 0);
    assert_int_equal(offsetof(mg_usage_row, size), 0);
    assert_int_equal(offsetof(mg_detector, size), 0);
    assert_int_equal(offsetof(mg_embedder, size), 0);
    assert_int_equal(offsetof(mg_embed_result, size), 0);
    /* The ABI's number stands first of all, so that it can be read whatever follows. */
    assert_int_equal(offsetof(mg_plugin, abi), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compiles_as_c),
        cmocka_unit_test(compiles_as_cxx),
        cmocka_unit_test(shared_structs_begin_with_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
