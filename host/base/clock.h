/* Time. Everything is UTC; durations are in the unit that the name says. */
#ifndef MG_BASE_CLOCK_H
#define MG_BASE_CLOCK_H

#include "base/str.h"

uint64_t mg_clock_mono_ms(void); /* CLOCK_MONOTONIC_COARSE is not exact enough: this is CLOCK_MONOTONIC */
uint64_t mg_clock_mono_us(void);
int64_t mg_clock_unix_ms(void);
/* Moves what mg_clock_unix_ms says by so many milliseconds: for specs that play at another time. */
void mg_clock_shift(int64_t ms);
uint64_t mg_clock_thread_cpu_us(void);

typedef struct mg_time {
    int year, month, day; /* month 1 to 12 */
    int hour, minute, second;
    int weekday; /* 1 = Monday … 7 = Sunday (ISO 8601) */
} mg_time;

mg_time mg_clock_split(int64_t unix_ms);                   /* UTC */
int64_t mg_clock_join(int year, int month, int day);       /* midnight UTC in Unix ms; month and day may overflow */
/* Start of the billing period that holds `unix_ms`, and of the next one: "day", "week" (Monday), "month", "year". */
bool mg_clock_period(mg_str period, int64_t unix_ms, int64_t *start, int64_t *end);
/* "2026-11-22T16:45:00.123Z"; out takes at least 25 bytes. Years outside 0000 to 9999 become the nearest of them. */
void mg_clock_iso(int64_t unix_ms, char out[25]);
/* "2026-11-22" or the above (with any number of decimals, or none), UTC; false if it is neither. */
bool mg_clock_parse(mg_str text, int64_t *unix_ms);

/* Rates: "60/minute", "50/2s", "100000/hour", "50 usd/day". amount is a count, or nano-dollars for "usd". */
typedef struct mg_rate {
    int64_t amount;
    uint64_t period_ms;
    bool usd;
} mg_rate;
mg_status mg_rate_parse(mg_str text, mg_rate *out, mg_error *error);
/* "10s", "1.5m", "30m", "2h", "7d" or a number of seconds, to milliseconds (rounded up). The units are a
 * rate's. */
bool mg_duration_parse(mg_str text, uint64_t *ms);

#endif
