/* Sliding windows: a ring of buckets, each counting until its newest edge has left the window, so that no window of
 * the period's length ever holds more than the limit. Time is an argument: microseconds of any clock that never goes
 * back.
 *
 * The ring has 128 buckets of period / 127 each (rounded up): 127 whole ones span the period while the last one
 * fills. An amount therefore counts for the period and at most one bucket (0.8 %) longer. */
#ifndef STORE_MEMORY_WINDOW_H
#define STORE_MEMORY_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum { MG_WINDOW_BUCKETS = 128 };

typedef struct mg_window {
    uint64_t width_us; /* of one bucket */
    uint64_t head; /* absolute number of the newest bucket: time / width_us */
    int64_t used; /* sum of the ring; what is added is capped so that it never overflows */
    int64_t bucket[MG_WINDOW_BUCKETS];
} mg_window;

/* An empty window; periods outside [1 ms, 400 days] are brought inside. */
void mg_window_init(mg_window *w, uint64_t period_ms);
uint64_t mg_window_width(uint64_t period_ms); /* microseconds of one bucket of such a window */
/* Drops what has left the window by `now_us`. Before each of the functions below. */
void mg_window_advance(mg_window *w, uint64_t now_us);
/* Adds amount >= 0 to the newest bucket, whatever the limit; returns the bucket's number. */
uint64_t mg_window_add(mg_window *w, int64_t amount);
/* Changes a bucket that is still in the window by `amount`, never below 0; others are left alone. */
void mg_window_adjust(mg_window *w, uint64_t bucket, int64_t amount);
/* Milliseconds until `amount` fits under `limit` if nothing is added; 0: now; UINT64_MAX: never. */
uint64_t mg_window_wait(const mg_window *w, uint64_t now_us, int64_t amount, int64_t limit);
/* Milliseconds until the window is empty if nothing is added. */
uint64_t mg_window_reset(const mg_window *w, uint64_t now_us);

#endif
