#include "base/clock.h"
#include "base/money.h"
#include <stdio.h>
#include <time.h>

enum { DAY_MS = 86400000 };

static struct timespec now(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return t;
}

uint64_t mg_clock_mono_ms(void) { return mg_clock_mono_us() / 1000; }

uint64_t mg_clock_mono_us(void) {
    struct timespec t = now(CLOCK_MONOTONIC);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* The one global: the time of day is the process's. Specs set it between runs, while no other thread reads it. */
static int64_t shift_ms;

void mg_clock_shift(int64_t ms) { __atomic_store_n(&shift_ms, ms, __ATOMIC_RELAXED); }

int64_t mg_clock_unix_ms(void) {
    struct timespec t = now(CLOCK_REALTIME);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 + __atomic_load_n(&shift_ms, __ATOMIC_RELAXED);
}

uint64_t mg_clock_thread_cpu_us(void) {
    struct timespec t = now(CLOCK_THREAD_CPUTIME_ID);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/* Days are counted in years that begin on 1 March, so that the leap day is a year's last and month lengths follow
 * (153 m + 2) / 5. Day 0 is 1970-01-01, 719,468 days after 0000-03-01. */
static int64_t days_of(int64_t year, int month, int day) {
    year += floor_div(month - 1, 12);
    month = month - 1 - (int)floor_div(month - 1, 12) * 12; /* 0 = January */
    int from_march = (month + 10) % 12;
    if (month < 2) year--;
    int64_t leaps = floor_div(year, 4) - floor_div(year, 100) + floor_div(year, 400);
    return year * 365 + leaps + (153 * from_march + 2) / 5 + day - 1 - 719468;
}

static void date_of(int64_t days, mg_time *t) {
    days += 719468;
    int64_t era = floor_div(days, 146097); /* 400 years */
    int64_t in_era = days - era * 146097;
    int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int in_year = (int)(in_era - (year * 365 + year / 4 - year / 100));
    int from_march = (5 * in_year + 2) / 153;
    t->day = in_year - (153 * from_march + 2) / 5 + 1;
    t->month = from_march < 10 ? from_march + 3 : from_march - 9;
    t->year = (int)(era * 400 + year + (t->month <= 2));
}

mg_time mg_clock_split(int64_t unix_ms) {
    mg_time t = {0};
    int64_t days = floor_div(unix_ms, DAY_MS);
    int seconds = (int)((unix_ms - days * DAY_MS) / 1000);
    date_of(days, &t);
    t.hour = seconds / 3600;
    t.minute = seconds / 60 % 60;
    t.second = seconds % 60;
    t.weekday = (int)(days + 3 - floor_div(days + 3, 7) * 7) + 1; /* 1970-01-01 was a Thursday */
    return t;
}

int64_t mg_clock_join(int year, int month, int day) { return days_of(year, month, day) * DAY_MS; }

bool mg_clock_period(mg_str period, int64_t unix_ms, int64_t *start, int64_t *end) {
    mg_time t = mg_clock_split(unix_ms);
    if (mg_str_is(period, "day")) {
        *start = mg_clock_join(t.year, t.month, t.day);
        *end = *start + DAY_MS;
    } else if (mg_str_is(period, "week")) {
        *start = mg_clock_join(t.year, t.month, t.day - (t.weekday - 1));
        *end = *start + 7 * (int64_t)DAY_MS;
    } else if (mg_str_is(period, "month")) {
        *start = mg_clock_join(t.year, t.month, 1);
        *end = mg_clock_join(t.year, t.month + 1, 1);
    } else if (mg_str_is(period, "year")) {
        *start = mg_clock_join(t.year, 1, 1);
        *end = mg_clock_join(t.year + 1, 1, 1);
    } else {
        return false;
    }
    return true;
}

static void put(char *out, int value, int width) {
    for (int i = width - 1; i >= 0; i--, value /= 10) out[i] = (char)('0' + value % 10);
}

void mg_clock_iso(int64_t unix_ms, char out[25]) {
    const int64_t first = -62167219200000, last = 253402300799999; /* years 0000 to 9999 */
    if (unix_ms < first) unix_ms = first;
    if (unix_ms > last) unix_ms = last;
    mg_time t = mg_clock_split(unix_ms);
    memcpy(out, "0000-00-00T00:00:00.000Z", 25);
    put(out, t.year, 4);
    put(out + 5, t.month, 2);
    put(out + 8, t.day, 2);
    put(out + 11, t.hour, 2);
    put(out + 14, t.minute, 2);
    put(out + 17, t.second, 2);
    put(out + 20, (int)(unix_ms - floor_div(unix_ms, 1000) * 1000), 3);
}

/* Takes `width` digits and then `after` (0: nothing) off the front. */
static bool field(mg_str *text, size_t width, char after, int *out) {
    if (text->n < width + (after != 0)) return false;
    *out = 0;
    for (size_t i = 0; i < width; i++) {
        if (text->p[i] < '0' || text->p[i] > '9') return false;
        *out = *out * 10 + (text->p[i] - '0');
    }
    if (after && text->p[width] != after) return false;
    *text = mg_str_skip(*text, width + (after != 0));
    return true;
}

static bool parse_date(mg_str *text, int64_t *unix_ms) {
    int year, month, day;
    if (!field(text, 4, '-', &year) || !field(text, 2, '-', &month) || !field(text, 2, 0, &day)) return false;
    if (month < 1 || month > 12 || day < 1) return false;
    *unix_ms = mg_clock_join(year, month, day);
    return mg_clock_split(*unix_ms).day == day; /* 31 June has overflowed into July */
}

/* ".123" or nothing; digits beyond the third are cut off. */
static bool parse_fraction(mg_str *text, int *ms) {
    *ms = 0;
    if (text->n == 0 || text->p[0] != '.') return true;
    *text = mg_str_skip(*text, 1);
    int digit, places = 0;
    for (int scale = 100; field(text, 1, 0, &digit); scale /= 10, places++) *ms += digit * scale;
    return places > 0;
}

bool mg_clock_parse(mg_str text, int64_t *unix_ms) {
    int64_t date;
    int hour, minute, second, ms;
    if (!parse_date(&text, &date)) return false;
    if (text.n) {
        if (text.p[0] != 'T') return false;
        text = mg_str_skip(text, 1);
        if (!field(&text, 2, ':', &hour) || !field(&text, 2, ':', &minute) || !field(&text, 2, 0, &second))
            return false;
        if (hour > 23 || minute > 59 || second > 59 || !parse_fraction(&text, &ms)) return false;
        if (!mg_str_is(text, "Z")) return false;
        date += ((hour * 60 + minute) * 60 + second) * 1000LL + ms;
    }
    *unix_ms = date;
    return true;
}

/* Milliseconds of a unit's name, or 0. */
static int64_t unit_ms(mg_str name) {
    static const struct {
        const char *brief, *name;
        int64_t ms;
    } units[] = {{"s", "second", 1000}, {"m", "minute", 60000}, {"h", "hour", 3600000}, {"d", "day", DAY_MS}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (mg_str_is(name, units[i].brief) || mg_str_is(name, units[i].name)) return units[i].ms;
    return 0;
}

/* "1.5m": number and unit, at least one millisecond unless the number is 0. A missing part is 1, or seconds. */
static bool parse_span(mg_str text, uint64_t *ms) {
    size_t n = 0;
    while (n < text.n && ((text.p[n] >= '0' && text.p[n] <= '9') || text.p[n] == '.')) n++;
    mg_str number = mg_str_from(text.p, n), name = mg_str_trim(mg_str_skip(text, n));
    int64_t billionths = MG_NANO_PER_USD; /* a decimal with nine places, as money is */
    if (number.n && !mg_money_parse(number, &billionths)) return false;
    int64_t unit = name.n ? unit_ms(name) : 1000;
    if (unit == 0) return false;
    __int128 exact = (__int128)billionths * unit;
    *ms = (uint64_t)((exact + 999999999) / 1000000000);
    return true;
}

bool mg_duration_parse(mg_str text, uint64_t *ms) {
    text = mg_str_trim(text);
    if (text.n == 0 || text.p[0] < '0' || text.p[0] > '9') return false;
    return parse_span(text, ms);
}

static bool parse_amount(mg_str text, mg_rate *out) {
    out->usd = text.n > 3 && mg_str_ieq(mg_str_skip(text, text.n - 3), MG_STR("usd"));
    if (out->usd) {
        text.n -= 3;
        return mg_money_parse(mg_str_trim(text), &out->amount) && out->amount >= 0;
    }
    return mg_str_int(text, &out->amount) && out->amount >= 0;
}

mg_status mg_rate_parse(mg_str text, mg_rate *out, mg_error *error) {
    size_t slash = mg_str_find(text, '/');
    mg_str shown = mg_str_cut(text, 60);
    if (slash == text.n)
        return mg_fail(error, 400, "invalid_rate", "rate \"" MG_STR_FMT "\" has no period: write it like 60/minute",
                       MG_STR_ARG(shown));
    mg_rate rate = {0};
    if (!parse_amount(mg_str_trim(mg_str_from(text.p, slash)), &rate))
        return mg_fail(error, 400, "invalid_rate",
                       "rate \"" MG_STR_FMT
                       "\": what stands before the / must be a whole number, or an amount like 50 usd",
                       MG_STR_ARG(shown));
    mg_str period = mg_str_trim(mg_str_skip(text, slash + 1));
    bool named = period.n && (period.p[period.n - 1] < '0' || period.p[period.n - 1] > '9');
    if (!named || !parse_span(period, &rate.period_ms) || rate.period_ms == 0)
        return mg_fail(error, 400, "invalid_rate",
                       "rate \"" MG_STR_FMT "\": the period must be s, second, m, minute, h, hour, d or day, "
                       "with a number before it if it is not 1 (50/2s)",
                       MG_STR_ARG(shown));
    *out = rate;
    return MG_OK;
}
