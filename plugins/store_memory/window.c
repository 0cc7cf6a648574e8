#include "window.h"

#include <string.h>

static const uint64_t longest_ms = 400ull * 24 * 3600 * 1000;

uint64_t mg_window_width(uint64_t period_ms) {
    uint64_t ms = period_ms < 1 ? 1 : period_ms > longest_ms ? longest_ms : period_ms;
    return (ms * 1000 + MG_WINDOW_BUCKETS - 2) / (MG_WINDOW_BUCKETS - 1);
}

void mg_window_init(mg_window *w, uint64_t period_ms) {
    memset(w, 0, sizeof *w);
    w->width_us = mg_window_width(period_ms);
}

void mg_window_advance(mg_window *w, uint64_t now_us) {
    uint64_t now = now_us / w->width_us;
    if (now <= w->head) return;
    if (w->used && now - w->head >= MG_WINDOW_BUCKETS) {
        memset(w->bucket, 0, sizeof w->bucket);
        w->used = 0;
    }
    if (w->used == 0) { /* then every bucket is 0 */
        w->head = now;
        return;
    }
    while (w->head < now) {
        w->head++;
        int64_t *oldest = &w->bucket[w->head % MG_WINDOW_BUCKETS];
        w->used -= *oldest;
        *oldest = 0;
    }
}

uint64_t mg_window_add(mg_window *w, int64_t amount) {
    mg_window_adjust(w, w->head, amount);
    return w->head;
}

void mg_window_adjust(mg_window *w, uint64_t bucket, int64_t amount) {
    if (bucket > w->head || w->head - bucket >= MG_WINDOW_BUCKETS) return;
    int64_t *b = &w->bucket[bucket % MG_WINDOW_BUCKETS];
    if (amount < -*b) amount = -*b;
    if (amount > INT64_MAX - w->used) amount = INT64_MAX - w->used;
    *b += amount;
    w->used += amount;
}

/* Milliseconds, rounded up, until bucket `b` falls out of the ring: the moment its newest edge leaves the window. */
static uint64_t leaves_in(const mg_window *w, uint64_t now_us, uint64_t b) {
    uint64_t at = (b + MG_WINDOW_BUCKETS) * w->width_us;
    return at <= now_us ? 0 : (at - now_us + 999) / 1000;
}

static uint64_t oldest_bucket(const mg_window *w) {
    return w->head >= MG_WINDOW_BUCKETS ? w->head - (MG_WINDOW_BUCKETS - 1) : 0;
}

uint64_t mg_window_wait(const mg_window *w, uint64_t now_us, int64_t amount, int64_t limit) {
    if (amount > limit || limit < 0) return UINT64_MAX;
    int64_t room = limit - amount; /* what may still be in the window */
    int64_t left = w->used;
    if (left <= room) return 0;
    for (uint64_t b = oldest_bucket(w); b <= w->head; b++) {
        left -= w->bucket[b % MG_WINDOW_BUCKETS];
        if (left <= room) return leaves_in(w, now_us, b);
    }
    return UINT64_MAX; /* not reached: the loop ends with nothing left */
}

uint64_t mg_window_reset(const mg_window *w, uint64_t now_us) {
    if (w->used == 0) return 0;
    uint64_t b = w->head;
    while (w->bucket[b % MG_WINDOW_BUCKETS] == 0) b--;
    return leaves_in(w, now_us, b);
}
