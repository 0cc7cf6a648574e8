/* Hostile texts: the work grows with the text and no faster. Counted, not timed: the plugin is compiled again so that
 * each basic block that it runs, and each item of a pattern that is tried, counts (fixtures/work.c). */
#include "detector_pii.h"

enum { SMALL = 1 << 15, LARGE = 1 << 18, MOST_A_BYTE = 700 };

static uint64_t (*work_done)(void);
static void (*work_limit)(int error);
static char *folder;

static int setup(void **state) {
    static const char flags[] =
        "-O1 -fsanitize-coverage=trace-pc -D_GNU_SOURCE -DMOONGATE_VERSION='\"test\"' -I'" TEST_SOURCE_DIR
        "/../plugins' '" TEST_SOURCE_DIR "/plugin/fixtures/work.c' '" TEST_SOURCE_DIR "'/../plugins/detector_pii/*.c "
        "-Wl,--wrap=memchr,--wrap=memmem,--wrap=pcre2_compile_8,--wrap=pcre2_match_context_create_8,--wrap=pcre2_match_"
        "8 -fno-builtin "
        "-Wl,--no-as-needed -lpcre2-8";
    folder = fixture_folder();
    fixture_compile(folder, "counted.so", "plugins/detector_pii.c", flags);
    char path[256];
    snprintf(path, sizeof path, "%s/counted.so", folder);
    void *file = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!file) fail_msg("%s", dlerror());
    const mg_plugin *(*describe)(void) = NULL;
    *(void **)&describe = dlsym(file, MG_PLUGIN_SYMBOL);
    *(void **)&work_done = dlsym(file, "work_done");
    *(void **)&work_limit = dlsym(file, "work_limit");
    assert_true(describe && work_done && work_limit);
    *state = (void *)describe();
    pii_ops = describe()->ops;
    pii_self = pii_open(describe(), "true");
    return 0;
}

static int teardown(void **state) {
    fixture_folder_remove(folder);
    return pii_teardown(state);
}

static uint64_t work_of(mg_str unit, size_t n) {
    char *text = malloc(n);
    findings f = {0};
    mg_error error = {0};
    for (size_t i = 0; i < n; i++) text[i] = unit.p[i % unit.n];
    uint64_t before = work_done();
    mg_status status = pii_ops->scan(pii_self, mg_str_from(text, n), EVERY, pii_keep, &f, &error);
    free(text);
    if (status != MG_OK) fail_msg("%s", error.text);
    return work_done() - before;
}

static void check(mg_str unit) {
    uint64_t small = work_of(unit, SMALL), large = work_of(unit, LARGE);
    double ratio = (double)large / (double)small, each = (double)large / LARGE;
    if (each > 100) print_message("%.*s: %.0f a byte\n", (int)(unit.n > 40 ? 40 : unit.n), unit.p, each);
    if (ratio > 1.1 * LARGE / SMALL || each > MOST_A_BYTE)
        fail_msg("%.*s: %.1f times the work for %d times the text, %.0f a byte", (int)(unit.n > 60 ? 60 : unit.n),
                 unit.p, ratio, LARGE / SMALL, each);
}

/* The counter counts: an endless search would be seen. */
static void counting(void **state) {
    (void)state;
    uint64_t nothing = work_of(MG_STR("a "), SMALL), mail = work_of(MG_STR("a.b@example.com "), SMALL);
    assert_true(nothing > SMALL / 100 && mail > 4 * nothing);
}

static void repeated(void **state) {
    (void)state;
    static const char *const units[] = {
        "@",
        "a@",
        "1",
        "4",
        "1 ",
        "1-",
        "4111 ",
        "4111-",
        "411111111111 ",
        "a.a.a.a@",
        "a",
        "a.",
        "a@a.",
        "a@a-",
        "\"\\\"@",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@a.",
        "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.@!",
        "\xe7\x94\xa8@",
        "\x80@a.aa",
        "4111111111111111 ",
        "1.",
        "1/",
        "(1) ",
        "( 1 ) ",
        "+1",
        "+ 1 ",
        "(((((1",
        "1)))",
        "- 1",
        "1 . ",
        "123-45-",
        "123-",
        "123-45-6789 ",
        "078-05-1123 ",
        "130-692-544 ",
        "130 692 544 ",
        "222334444 ",
        "ssn 222334444 ",
        "416 555 0199 ",
        "+44 20 7946 0958 ",
        "phone 12 34 56 78 ",
        "416-555-0199x1",
        "call 1 2 3 4 5 6 7 8 9 0 1 2 3 ",
        "999 ",
        "12 34 ",
        "call 1/2-",
        "1.1.1.1",
        "1.1.1.1 ",
        "1.1.1.",
        "255.255.255.255.",
        "10.0.0.1/",
        "::",
        ":",
        "a:",
        "1::",
        "::1 ",
        "1:2:3:4:5:6:7:8 ",
        "fe80::1%",
        "a:b:c:d:",
        "::ffff:1.2.3.4 ",
        "f.",
        "f:f.",
        "DE89",
        "DE89 ",
        "DE89370400440532013000 ",
        "DE8937040044053201300",
        "MT84MALT0110",
        "aa11",
        "AL47-",
        "-",
        "-----",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n",
        "-----END PRIVATE KEY-----",
        "-----BEGIN A PRIVATE KEY B",
        "PRIVATE KEY ",
        "-----END PRIVATE KEY----- MIIEvQIBADANBgkqhkiG9w0BAQ ",
        "eyJ",
        "eyJ.",
        "eyJ-",
        "eyJ/",
        "eyJa=",
        "eyJabcdefghijkl.",
        "sk-",
        "sk_live_",
        "ghs_",
        "ghs_-",
        "ghp_/",
        "fm2_/",
        "fm2_a/",
        "fm2_aB3/",
        "glc_=",
        "xoxb-",
        "ya29.",
        "SG.",
        "1:AA",
        "12345678:AA",
        "12345678:AA/",
        "M.",
        "MTAxabcdefghijklmnopqrs.",
        "pat.",
        "a=",
        "a=b&",
        "password=",
        "token: ",
        "password: aB3dE6gH9jK2mN5p ",
        "token=aB3/",
        "aB3dE6gH9jK2mN5p",
        "/aB3",
        "http://a.b/",
        "{\"a\":1},",
        "a1-",
        "%3D",
        "\\=",
    };
    for (size_t i = 0; i < COUNT(units); i++) check(mg_str_of(units[i]));
}

/* Nested separators, and units drawn from what the types are made of. */
static void drawn(void **state) {
    (void)state;
    static const char alphabet[] = "0011223456789 --..//::()+@@_=aAbBeEfFxXyYkKsSJ\"\n";
    uint32_t seed = 7;
    for (int round = 0; round < 240; round++) {
        char unit[24];
        size_t n = 1 + (size_t)round % sizeof unit;
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525 + 1013904223;
            unit[i] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        check(mg_str_from(unit, n));
    }
}

/* A pattern that gives up has not found nothing: the scan fails, says for which type, and reports no span at all. */
static void limits(void **state) {
    (void)state;
    static const char text[] = "ann@example.com 4111111111111111 and 10.0.0.1";
    enum { MATCHLIMIT = -47, JIT_STACKLIMIT = -46 };
    for (int error_code = MATCHLIMIT; error_code <= JIT_STACKLIMIT; error_code++) {
        findings f = {0};
        mg_error error = {0};
        work_limit(error_code);
        assert_int_equal(pii_ops->scan(pii_self, MG_STR(text), EVERY, pii_keep, &f, &error), MG_ERROR);
        assert_int_equal(f.n, 0);
        assert_int_equal(error.http, 500);
        assert_non_null(strstr(error.text, "could not be scanned for email"));
        assert_null(strstr(error.text, "example"));
        assert_int_equal(pii_ops->scan(pii_self, MG_STR(text), 1 << IP_ADDRESS, pii_keep, &f, &error), MG_OK);
        assert_int_equal(f.n, 1);
        work_limit(0);
    }
    assert_int_equal(pii_scan(MG_STR(text), EVERY).n, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(counting), cmocka_unit_test(repeated), cmocka_unit_test(drawn),
                                       cmocka_unit_test(limits)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
