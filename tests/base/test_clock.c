#include "base/clock.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

static int64_t at(const char *text) {
    int64_t ms = -1;
    if (!mg_clock_parse(mg_str_of(text), &ms)) fail_msg("%s was refused", text);
    return ms;
}

static void clocks_advance(void **state) {
    (void)state;
    uint64_t before = mg_clock_mono_us(), cpu = mg_clock_thread_cpu_us();
    volatile uint64_t work = 0;
    while (mg_clock_thread_cpu_us() < cpu + 2000) work++;
    assert_true(mg_clock_mono_us() >= before + 1900);
    assert_true(mg_clock_mono_ms() <= mg_clock_mono_us() / 1000);
    assert_true(llabs(mg_clock_unix_ms() - (int64_t)time(NULL) * 1000) < 3000);
}

/* Against the C library, a prime number of seconds apart, from 1700 to 2300. */
static void splits_as_the_c_library_does(void **state) {
    (void)state;
    for (int64_t s = -8520336000; s < 10413792000; s += 8675309) {
        time_t t = (time_t)s;
        struct tm want;
        gmtime_r(&t, &want);
        mg_time got = mg_clock_split(s * 1000 + 999);
        assert_int_equal(got.year, want.tm_year + 1900);
        assert_int_equal(got.month, want.tm_mon + 1);
        assert_int_equal(got.day, want.tm_mday);
        assert_int_equal(got.hour, want.tm_hour);
        assert_int_equal(got.minute, want.tm_min);
        assert_int_equal(got.second, want.tm_sec);
        assert_int_equal(got.weekday % 7, want.tm_wday);
        int64_t midnight = mg_clock_join(got.year, got.month, got.day);
        assert_true(midnight <= s * 1000 && s * 1000 < midnight + 86400000);
    }
}

static void join_overflows(void **state) {
    (void)state;
    assert_int_equal(mg_clock_join(2026, 13, 1), at("2027-01-01"));
    assert_int_equal(mg_clock_join(2026, 0, 1), at("2025-12-01"));
    assert_int_equal(mg_clock_join(2026, -11, 1), at("2025-01-01"));
    assert_int_equal(mg_clock_join(2026, 25, 1), at("2028-01-01"));
    assert_int_equal(mg_clock_join(2024, 2, 30), at("2024-03-01"));
    assert_int_equal(mg_clock_join(2026, 3, 0), at("2026-02-28"));
    assert_int_equal(mg_clock_join(2026, 1, -3), at("2025-12-28"));
}

static void period(const char *name, const char *when, const char *start, const char *end) {
    int64_t from, to;
    assert_true(mg_clock_period(mg_str_of(name), at(when), &from, &to));
    assert_int_equal(from, at(start));
    assert_int_equal(to, at(end));
}

static void knows_periods(void **state) {
    (void)state;
    period("day", "2026-02-28T23:59:59.999Z", "2026-02-28", "2026-03-01");
    period("day", "2024-02-28T00:00:00Z", "2024-02-28", "2024-02-29");
    period("week", "2026-11-22T12:00:00Z", "2026-11-16", "2026-11-23"); /* a Sunday */
    period("week", "2026-11-23", "2026-11-23", "2026-11-30"); /* a Monday */
    period("week", "2027-01-01", "2026-12-28", "2027-01-04");
    period("month", "2026-12-31T23:59:59.999Z", "2026-12-01", "2027-01-01");
    period("month", "2024-02-29", "2024-02-01", "2024-03-01");
    period("month", "2023-02-01", "2023-02-01", "2023-03-01");
    period("month", "2100-02-28", "2100-02-01", "2100-03-01");
    period("year", "2024-06-01", "2024-01-01", "2025-01-01");
    period("month", "1969-12-31T23:00:00Z", "1969-12-01", "1970-01-01");
    int64_t from, to;
    assert_false(mg_clock_period(MG_STR("fortnight"), 0, &from, &to));
    assert_false(mg_clock_period(MG_STR(""), 0, &from, &to));
}

static void iso(int64_t ms, const char *want) {
    char out[25];
    mg_clock_iso(ms, out);
    assert_string_equal(out, want);
}

static void writes_iso(void **state) {
    (void)state;
    iso(0, "1970-01-01T00:00:00.000Z");
    iso(-1, "1969-12-31T23:59:59.999Z");
    iso(1795365900123, "2026-11-22T16:45:00.123Z");
    iso(INT64_MAX, "9999-12-31T23:59:59.999Z");
    iso(INT64_MIN, "0000-01-01T00:00:00.000Z");
    for (int64_t ms = -62167219200000; ms < 253402300799999; ms += 98765432123) {
        char out[25];
        mg_clock_iso(ms, out);
        assert_int_equal(at(out), ms);
    }
}

static void reads_iso(void **state) {
    (void)state;
    assert_int_equal(at("2026-11-22T16:45:00.123Z"), 1795365900123);
    assert_int_equal(at("2026-11-22T16:45:00Z"), 1795365900000);
    assert_int_equal(at("2026-11-22T16:45:00.1Z"), 1795365900100);
    assert_int_equal(at("2026-11-22T16:45:00.123999Z"), 1795365900123);
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-13-01",
                                      "2026-00-01",
                                      "2026-02-29",
                                      "2026-06-31",
                                      "2026-01-00",
                                      "2026-1-1",
                                      "2026-01-01T",
                                      "2026-01-01T24:00:00Z",
                                      "2026-01-01T00:60:00Z",
                                      "2026-01-01T00:00:60Z",
                                      "2026-01-01T00:00:00",
                                      "2026-01-01T00:00:00+00:00",
                                      "2026-01-01T00:00:00.Z",
                                      "2026-01-01 00:00:00Z",
                                      "2026-01-01Z",
                                      "2026-01-01T00:00:00Zx",
                                      "-026-01-01",
                                      "x"};
    int64_t ms = 7;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (mg_clock_parse(mg_str_of(bad[i]), &ms)) fail_msg("%s was accepted", bad[i]);
    assert_int_equal(ms, 7);
}

static void rate(const char *text, int64_t amount, uint64_t period_ms, bool usd) {
    mg_rate r;
    mg_error error = {0};
    if (mg_rate_parse(mg_str_of(text), &r, &error) != MG_OK) fail_msg("%s: %s", text, error.text);
    assert_int_equal(r.amount, amount);
    assert_int_equal(r.period_ms, period_ms);
    assert_int_equal(r.usd, usd);
}

static void reads_rates(void **state) {
    (void)state;
    rate("60/minute", 60, 60000, false);
    rate("50/2s", 50, 2000, false);
    rate("100000/hour", 100000, 3600000, false);
    rate("50 usd/day", 50000000000, 86400000, true);
    rate("0.5usd/m", 500000000, 60000, true);
    rate("1/second", 1, 1000, false);
    rate("1/d", 1, 86400000, false);
    rate(" 10 / 5 m ", 10, 300000, false);
    rate("3/1.5h", 3, 5400000, false);
    rate("1 USD/30day", 1000000000, 2592000000, true);
    rate("0/s", 0, 1000, false);
    static const char *const bad[] = {
        "",           "60",        "60/",    "/minute",  "60/fortnight", "60/0s",
        "-1/s",       "1.5/s",     "x/s",    "60/60",    "60/minutely",  "usd/day",
        "-1 usd/day", "5 eur/day", "60/-1s", "60/1..5s", "60/minute/s",  "99999999999999999999/s"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        mg_rate r = {.amount = 77};
        mg_error error = {0};
        if (mg_rate_parse(mg_str_of(bad[i]), &r, &error) != MG_ERROR) fail_msg("%s was accepted", bad[i]);
        assert_int_equal(r.amount, 77);
        assert_true(strlen(error.text) > 20);
        assert_string_equal(error.code, "invalid_rate");
    }
}

static void reads_durations(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {{"10s", 10000}, {"1.5m", 90000}, {"30m", 1800000}, {"2h", 7200000},     {"7d", 604800000},  {"5", 5000},
                {"0.25", 250},  {"0", 0},        {"0.0001", 1},    {"1 day", 86400000}, {"2.5second", 2500}};
    uint64_t ms;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(mg_duration_parse(mg_str_of(good[i].text), &ms));
        assert_int_equal(ms, good[i].ms);
    }
    static const char *const bad[] = {
        "", "s", "-1s", "1w", "1s1", "1.2.3", ".5s", "5.", "1e3", "99999999999999999999d", "5 5"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (mg_duration_parse(mg_str_of(bad[i]), &ms)) fail_msg("%s was accepted", bad[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(clocks_advance), cmocka_unit_test(splits_as_the_c_library_does),
                                       cmocka_unit_test(join_overflows), cmocka_unit_test(knows_periods),
                                       cmocka_unit_test(writes_iso),     cmocka_unit_test(reads_iso),
                                       cmocka_unit_test(reads_rates),    cmocka_unit_test(reads_durations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
