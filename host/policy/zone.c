#include "policy/zone.h"
#include "base/clock.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const char folder[] = "/usr/share/zoneinfo";
enum { HEADER = 44, NAME_MAX_BYTES = 64, DAY = 86400, HOUR = 3600 };

bool mg_zone_name_ok(mg_str name) {
    char before = '/';
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                     c == '+' || c == '-';
        if (!plain && (c != '/' || before == '/')) return false;
        before = c;
    }
    return name.n > 0 && name.n <= NAME_MAX_BYTES && before != '/';
}

/* ---- the rule for the time after the last change: POSIX TZ, "CET-1CEST,M3.5.0,M10.5.0/3" ------------------------- */

static bool take(mg_str *s, char c) {
    if (s->n == 0 || s->p[0] != c) return false;
    *s = mg_str_skip(*s, 1);
    return true;
}

static bool take_number(mg_str *s, int max, int *out) {
    size_t n = 0;
    int value = 0;
    while (n < s->n && n < 4 && s->p[n] >= '0' && s->p[n] <= '9') value = value * 10 + (s->p[n++] - '0');
    *s = mg_str_skip(*s, n);
    *out = value;
    return n > 0 && value <= max;
}

/* "CET" or "<+03>". */
static bool take_name(mg_str *s) {
    size_t n = 0;
    if (take(s, '<')) {
        n = mg_str_find(*s, '>');
        if (n == s->n) return false;
        *s = mg_str_skip(*s, n + 1);
        return true;
    }
    while (n < s->n && ((s->p[n] >= 'A' && s->p[n] <= 'Z') || (s->p[n] >= 'a' && s->p[n] <= 'z'))) n++;
    *s = mg_str_skip(*s, n);
    return n >= 3;
}

/* "[+-]hh[:mm[:ss]]" in seconds; hours up to 167 (RFC 8536, 3.3.1). */
static bool take_time(mg_str *s, int32_t *out) {
    int hours, minutes = 0, seconds = 0;
    int sign = take(s, '-') ? -1 : 1;
    if (sign > 0) take(s, '+');
    if (!take_number(s, 167, &hours)) return false;
    if (take(s, ':') && !take_number(s, 59, &minutes)) return false;
    if (take(s, ':') && !take_number(s, 59, &seconds)) return false;
    *out = sign * (hours * HOUR + minutes * 60 + seconds);
    return true;
}

static bool take_day(mg_str *s, mg_zone_day *d) {
    bool ok;
    *d = (mg_zone_day){.time = 2 * HOUR};
    if (take(s, 'M')) {
        d->kind = MG_ZONE_WEEKDAY;
        ok = take_number(s, 12, &d->month) && take(s, '.') && take_number(s, 5, &d->week) && take(s, '.') &&
             take_number(s, 6, &d->day) && d->month >= 1 && d->week >= 1;
    } else if (take(s, 'J')) {
        d->kind = MG_ZONE_JULIAN;
        ok = take_number(s, 365, &d->day) && d->day >= 1;
    } else {
        d->kind = MG_ZONE_ORDINAL;
        ok = take_number(s, 365, &d->day);
    }
    if (ok && take(s, '/')) ok = take_time(s, &d->time);
    return ok;
}

/* Offsets in the text count west of Greenwich. */
static bool parse_rule(mg_str s, mg_zone *z) {
    int32_t west;
    if (!take_name(&s) || !take_time(&s, &west)) return false;
    z->standard_offset = -west;
    z->daylight_offset = z->standard_offset + HOUR;
    z->daylight = s.n > 0;
    if (!z->daylight) return true;
    if (!take_name(&s)) return false;
    if (s.n && s.p[0] != ',') {
        if (!take_time(&s, &west)) return false;
        z->daylight_offset = -west;
    }
    return take(&s, ',') && take_day(&s, &z->start) && take(&s, ',') && take_day(&s, &z->end) && s.n == 0;
}

/* Local seconds since 1970 at which the rule's day strikes in that year. */
static int64_t day_in(const mg_zone_day *d, int year) {
    int64_t january = mg_clock_join(year, 1, 1) / 1000;
    bool leap = mg_clock_join(year, 3, 1) / 1000 - january == 60 * DAY;
    if (d->kind == MG_ZONE_ORDINAL) return january + (int64_t)d->day * DAY + d->time;
    if (d->kind == MG_ZONE_JULIAN) return january + (int64_t)(d->day - 1 + (leap && d->day >= 60)) * DAY + d->time;
    int64_t month = mg_clock_join(year, d->month, 1), next = mg_clock_join(year, d->month + 1, 1);
    int first = mg_clock_split(month).weekday % 7; /* 0 = Sunday, as in the rule */
    int day = (d->day - first + 7) % 7 + (d->week - 1) * 7;
    int days = (int)((next - month) / 1000 / DAY);
    if (day >= days) day -= 7; /* the fifth: the last one */
    return month / 1000 + (int64_t)day * DAY + d->time;
}

static int32_t rule_offset(const mg_zone *z, int64_t unix_s) {
    if (!z->daylight) return z->standard_offset;
    int year = mg_clock_split((unix_s + z->standard_offset) * 1000).year;
    int64_t start = day_in(&z->start, year) - z->standard_offset, end = day_in(&z->end, year) - z->daylight_offset;
    bool on = start < end ? unix_s >= start && unix_s < end : unix_s >= start || unix_s < end;
    return on ? z->daylight_offset : z->standard_offset;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static uint32_t u32(const char *p) {
    const uint8_t *b = (const uint8_t *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

typedef struct counts {
    size_t utc, standard, leap, times, types, chars;
} counts;

static bool read_header(mg_str bytes, counts *c) {
    if (bytes.n < HEADER || memcmp(bytes.p, "TZif", 4) != 0) return false;
    c->utc = u32(bytes.p + 20);
    c->standard = u32(bytes.p + 24);
    c->leap = u32(bytes.p + 28);
    c->times = u32(bytes.p + 32);
    c->types = u32(bytes.p + 36);
    c->chars = u32(bytes.p + 40);
    return c->utc <= 256 && c->standard <= 256 && c->leap <= 1024 && c->times <= 4096 && c->types >= 1 &&
           c->types <= 256 && c->chars <= 4096;
}

/* Bytes behind a header, by the width of its times. */
static size_t block_bytes(const counts *c, size_t width) {
    return c->times * (width + 1) + c->types * 6 + c->chars + c->leap * (width + 4) + c->standard + c->utc;
}

static bool read_changes(mg_str block, const counts *c, mg_zone *z) {
    const char *times = block.p, *indexes = times + c->times * 8, *types = indexes + c->times;
    if (c->times > MG_ZONE_CHANGES) return false;
    z->first = (int32_t)u32(types);
    for (size_t i = 0; i < c->times; i++) {
        uint8_t type = (uint8_t)indexes[i];
        if (type >= c->types) return false;
        z->changes[i].at = (int64_t)((uint64_t)u32(times + 8 * i) << 32 | u32(times + 8 * i + 4));
        z->changes[i].offset = (int32_t)u32(types + 6 * type);
        if (i && z->changes[i].at <= z->changes[i - 1].at) return false;
    }
    z->n = c->times;
    return true;
}

/* Version 2 and later: a block with 32-bit times for old readers, then the real one, then the rule in a line of its
 * own. */
bool mg_zone_parse(mg_str bytes, mg_zone *out) {
    counts c;
    *out = (mg_zone){0};
    if (!read_header(bytes, &c) || bytes.p[4] < '2' || block_bytes(&c, 4) > bytes.n - HEADER) return false;
    bytes = mg_str_skip(bytes, HEADER + block_bytes(&c, 4));
    if (!read_header(bytes, &c) || block_bytes(&c, 8) > bytes.n - HEADER) return false;
    bytes = mg_str_skip(bytes, HEADER);
    if (!read_changes(bytes, &c, out)) return false;
    bytes = mg_str_skip(bytes, block_bytes(&c, 8));
    if (!take(&bytes, '\n')) return false;
    size_t line = mg_str_find(bytes, '\n');
    if (line == bytes.n) return false;
    out->rule = line > 0;
    return !out->rule || parse_rule(mg_str_from(bytes.p, line), out);
}

static ssize_t read_whole(int fd, char *out, size_t max) {
    size_t n = 0;
    while (n < max) {
        ssize_t more = read(fd, out + n, max - n);
        if (more < 0) return -1;
        if (more == 0) break;
        n += (size_t)more;
    }
    return (ssize_t)n;
}

mg_status mg_zone_load(mg_str name, mg_zone *out, mg_error *error) {
    char path[sizeof folder + NAME_MAX_BYTES + 2], bytes[MG_ZONE_FILE_MAX];
    snprintf(path, sizeof path, "%s/" MG_STR_FMT, folder, MG_STR_ARG(name));
    int fd = mg_zone_name_ok(name) ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd < 0) {
        mg_fail(error, 0, "", "there is no time zone \"" MG_STR_FMT "\" in %s: write it like Europe/Berlin",
                MG_STR_ARG(mg_str_cut(name, 64)), folder);
        return MG_DECLINED;
    }
    ssize_t n = read_whole(fd, bytes, sizeof bytes);
    close(fd);
    if (n > 0 && mg_zone_parse(mg_str_from(bytes, (size_t)n), out)) return MG_OK;
    mg_fail(error, 0, "", "%s is not a time zone file", path);
    return MG_DECLINED;
}

int32_t mg_zone_offset(const mg_zone *z, int64_t unix_s) {
    size_t low = 0, high = z->n; /* the first change after unix_s */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (z->changes[middle].at <= unix_s)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == z->n && z->rule) return rule_offset(z, unix_s);
    return low ? z->changes[low - 1].offset : z->first;
}
