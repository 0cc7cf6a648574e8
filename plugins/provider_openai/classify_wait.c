/* How long a vendor asks us to wait: in headers, or in the sentence of its error. */
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "openai.h"

static const int64_t WAIT_MAX_MS = 30 * 86400000LL; /* whoever asks for more has made a mistake */

static mg_str header(const mg_header *headers, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (str_eq(headers[i].name, str_of(name))) return headers[i].value;
    return (mg_str){NULL, 0};
}

/* A decimal number, at most three of its fraction's digits used, times 1,000; -1 if it is none. */
static int64_t thousandths(mg_str s) {
    int64_t value = 0;
    size_t i = 0, fraction = 0;
    bool point = false;
    if (s.n == 0 || s.p[0] < '0' || s.p[0] > '9') return -1;
    for (; i < s.n; i++) {
        if (s.p[i] == '.' && !point) {
            point = true;
        } else if (s.p[i] < '0' || s.p[i] > '9') {
            return -1;
        } else if (fraction < 3) {
            if (value > WAIT_MAX_MS * 1000) return WAIT_MAX_MS * 1000;
            value = value * 10 + (s.p[i] - '0');
            fraction += point;
        }
    }
    for (; fraction < 3; fraction++) value *= 10;
    return value;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7) to seconds; -1 if it is not of that form. */
static int64_t http_date(mg_str s) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[32], month[4];
    struct tm t = {0};
    if (s.n != 29) return -1;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    if (sscanf(text, "%*3s, %2d %3s %4d %2d:%2d:%2d GMT", &t.tm_mday, month, &t.tm_year, &t.tm_hour, &t.tm_min,
               &t.tm_sec) != 6)
        return -1;
    const char *at = strstr(months, month);
    if (!at || strlen(month) != 3 || (at - months) % 3) return -1;
    t.tm_mon = (int)(at - months) / 3;
    t.tm_year -= 1900;
    return timegm(&t);
}

/* A date counts from the vendor's own, so that neither clock's error matters. */
static int64_t wait_until(const mg_header *headers, size_t n, mg_str date) {
    int64_t then = http_date(date), now = http_date(header(headers, n, "date"));
    if (then < 0) return -1;
    if (now < 0) now = time(NULL);
    return then > now ? (then - now) * 1000 : 0;
}

/* ---- in words ---------------------------------------------------------------------------------------------------- */

/* What follows the words, whatever their case; {NULL, 0} if they are not there. */
static mg_str behind(mg_str text, const char *words) {
    size_t n = strlen(words);
    for (size_t i = 0; i + n <= text.n; i++)
        if (strncasecmp(text.p + i, words, n) == 0) return (mg_str){text.p + i + n, text.n - i - n};
    return (mg_str){NULL, 0};
}

/* The unit at the start of the text in milliseconds, and its length in *n; 0 if it is none. */
static int64_t unit_ms(mg_str text, size_t *n) {
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"milliseconds", 1}, {"ms", 1},          {"seconds", 1000},  {"second", 1000},  {"sec", 1000},
                 {"s", 1000},         {"minutes", 60000}, {"minute", 60000},  {"m", 60000},      {"hours", 3600000},
                 {"hour", 3600000},   {"h", 3600000},     {"days", 86400000}, {"day", 86400000}, {"d", 86400000}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        *n = strlen(units[i].name);
        if (text.n >= *n && strncasecmp(text.p, units[i].name, *n) == 0) return units[i].ms;
    }
    return 0;
}

/* "20s", "6m0s", "1.242s", "180ms", "7 seconds"; -1 if it is none of that form. */
static int64_t duration(mg_str text) {
    int64_t sum = -1;
    while (text.n) {
        size_t n = 0, unit;
        while (n < text.n && ((text.p[n] >= '0' && text.p[n] <= '9') || (text.p[n] == '.' && n))) n++;
        mg_str number = {text.p, n};
        while (n < text.n && text.p[n] == ' ' && sum < 0) n++;
        int64_t ms = unit_ms((mg_str){text.p + n, text.n - n}, &unit), count = thousandths(number);
        if (!ms || count < 0) break;
        if (count > WAIT_MAX_MS * 1000 / ms) return WAIT_MAX_MS; /* thousandths of the unit */
        sum = (sum < 0 ? 0 : sum) + (count * ms + 999) / 1000;
        if (sum > WAIT_MAX_MS) return WAIT_MAX_MS;
        text = (mg_str){text.p + n + unit, text.n - n - unit};
    }
    return sum;
}

int64_t openai_wait(const mg_header *headers, size_t n, mg_str message) {
    mg_str after = header(headers, n, "retry-after");
    int64_t ms = thousandths(header(headers, n, "retry-after-ms"));
    if (ms >= 0)
        ms = (ms + 999) / 1000;
    else
        ms = thousandths(after);
    if (ms < 0) ms = wait_until(headers, n, after);
    static const char *const words[] = {"try again in ", "retry after ", "please wait "};
    for (size_t i = 0; ms < 0 && i < sizeof words / sizeof words[0]; i++) ms = duration(behind(message, words[i]));
    return ms > WAIT_MAX_MS ? WAIT_MAX_MS : ms;
}
