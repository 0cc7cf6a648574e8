#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/clock.h"
#include "policy/zone.h"

static mg_zone load(const char *name) {
    mg_zone z;
    mg_error error = {0};
    if (mg_zone_load(mg_str_of(name), &z, &error) != MG_OK) fail_msg("%s: %s", name, error.text);
    return z;
}

static void expect(const char *zone, const char *utc, int32_t offset) {
    mg_zone z = load(zone);
    int64_t ms;
    assert_true(mg_clock_parse(mg_str_of(utc), &ms));
    int32_t got = mg_zone_offset(&z, ms / 1000);
    if (got != offset) fail_msg("%s at %s: %d, wanted %d", zone, utc, got, offset);
}

static void knows_offsets(void **state) {
    (void)state;
    expect("Europe/Berlin", "2026-01-15T12:00:00Z", 3600);
    expect("Europe/Berlin", "2026-07-15T12:00:00Z", 7200);
    expect("America/New_York", "2026-01-15T12:00:00Z", -18000);
    expect("America/New_York", "2026-07-15T12:00:00Z", -14400);
    expect("Asia/Kolkata", "2026-07-15T12:00:00Z", 19800);
    expect("Asia/Kathmandu", "2026-07-15T12:00:00Z", 20700);
    expect("Etc/UTC", "2026-07-15T12:00:00Z", 0);
}

static void changes_at_the_second(void **state) {
    (void)state;
    expect("Europe/Berlin", "2026-03-29T00:59:59Z", 3600);
    expect("Europe/Berlin", "2026-03-29T01:00:00Z", 7200);
    expect("Europe/Berlin", "2026-10-25T00:59:59Z", 7200);
    expect("Europe/Berlin", "2026-10-25T01:00:00Z", 3600);
    expect("America/New_York", "2026-03-08T06:59:59Z", -18000);
    expect("America/New_York", "2026-03-08T07:00:00Z", -14400);
}

/* South of the equator summer spans the year's end; the offset of daylight saving time may be half an hour. */
static void knows_the_south(void **state) {
    (void)state;
    expect("Australia/Sydney", "2026-01-15T12:00:00Z", 39600);
    expect("Australia/Sydney", "2026-07-15T12:00:00Z", 36000);
    expect("Australia/Lord_Howe", "2026-01-15T12:00:00Z", 39600);
    expect("Australia/Lord_Howe", "2026-07-15T12:00:00Z", 37800);
}

/* Files list changes until 2037; later ones come from the rule in the last line. */
static void goes_on_after_2037(void **state) {
    (void)state;
    expect("Europe/Berlin", "2060-01-15T12:00:00Z", 3600);
    expect("Europe/Berlin", "2060-07-15T12:00:00Z", 7200);
    expect("Europe/Berlin", "2060-03-28T00:59:59Z", 3600);
    expect("Europe/Berlin", "2060-03-28T01:00:00Z", 7200);
    expect("Australia/Sydney", "2060-01-15T12:00:00Z", 39600);
    expect("Australia/Sydney", "2060-07-15T12:00:00Z", 36000);
    expect("Asia/Kolkata", "2060-07-15T12:00:00Z", 19800);
    expect("Europe/Dublin", "2060-01-15T12:00:00Z", 0);
    expect("Europe/Dublin", "2060-07-15T12:00:00Z", 3600);
}

static void knows_history(void **state) {
    (void)state;
    expect("Europe/Berlin", "1945-06-15T12:00:00Z", 10800);
    expect("Europe/London", "1970-01-01T00:00:00Z", 3600);
    expect("Europe/London", "1850-01-01T00:00:00Z", 0);
}

static void refuses_names(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "/etc/passwd",
                                      "../../../etc/passwd",
                                      "Europe/../../passwd",
                                      "Europe//Berlin",
                                      "Europe/",
                                      "a\nb",
                                      "Europe/Berlin ",
                                      "x.tab"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_false(mg_zone_name_ok(mg_str_of(bad[i])));
    mg_zone z;
    mg_error error = {0};
    assert_int_equal(mg_zone_load(MG_STR("Europe/Nowhere"), &z, &error), MG_DECLINED);
    assert_non_null(strstr(error.text, "Europe/Nowhere"));
    assert_int_equal(mg_zone_load(MG_STR("Europe"), &z, &error), MG_DECLINED); /* a folder */
    assert_int_equal(mg_zone_load(MG_STR("tzdata"), &z, &error), MG_DECLINED);
}

static mg_str read_file(const char *path, char *out, size_t max) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(out, 1, max, f);
    fclose(f);
    return mg_str_from(out, n);
}

/* Exactly as long as the text, so that a read behind its end is seen. */
static bool parse_exact(mg_str bytes, mg_zone *z) {
    char *copy = mg_malloc(bytes.n);
    memcpy(copy, bytes.p, bytes.n);
    bool ok = mg_zone_parse(mg_str_from(copy, bytes.n), z);
    free(copy);
    return ok;
}

static void survives_damage(void **state) {
    (void)state;
    static char bytes[MG_ZONE_FILE_MAX];
    static mg_zone z;
    mg_str whole = read_file("/usr/share/zoneinfo/Europe/Berlin", bytes, sizeof bytes);
    assert_true(parse_exact(whole, &z));
    for (size_t n = 0; n < whole.n; n++) assert_false(parse_exact(mg_str_from(whole.p, n), &z));
    srand(1);
    for (int i = 0; i < 20000; i++) {
        size_t at = (size_t)rand() % whole.n;
        char before = bytes[at];
        bytes[at] = (char)rand();
        if (parse_exact(whole, &z)) mg_zone_offset(&z, (int64_t)rand() * 4);
        bytes[at] = before;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_offsets),   cmocka_unit_test(changes_at_the_second),
        cmocka_unit_test(knows_the_south), cmocka_unit_test(goes_on_after_2037),
        cmocka_unit_test(knows_history),   cmocka_unit_test(refuses_names),
        cmocka_unit_test(survives_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
