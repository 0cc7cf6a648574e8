#include "gateway/backoff.h"

enum { HOUR_MS = 3600000 };

uint64_t mg_prng_next(mg_prng *r) {
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t mg_prng_between(mg_prng *r, uint64_t least, uint64_t most) {
    uint64_t n = most - least + 1; /* 0: all 2^64 */
    uint64_t random = mg_prng_next(r);
    return n == 0 ? random : least + (uint64_t)(((unsigned __int128)random * n) >> 64);
}

bool mg_jitter_parse(mg_str name, mg_jitter *out) {
    static const char *const names[] = {
        [MG_JITTER_FULL] = "full",
        [MG_JITTER_EQUAL] = "equal",
        [MG_JITTER_DECORRELATED] = "decorrelated",
        [MG_JITTER_NONE] = "none",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!mg_str_is(name, names[i])) continue;
        *out = (mg_jitter)i;
        return true;
    }
    return false;
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint64_t base_of(const mg_backoff_settings *s) { return least(s->base_ms, HOUR_MS); }

static uint64_t cap_of(const mg_backoff_settings *s) {
    uint64_t cap = least(s->cap_ms, HOUR_MS), base = base_of(s);
    return cap > base ? cap : base;
}

static uint64_t exponential(const mg_backoff *b, const mg_backoff_settings *s) {
    uint64_t doublings = least(b->attempt, 22); /* 2^22 ms are more than an hour */
    return least(base_of(s) << doublings, cap_of(s));
}

static uint64_t decorrelated(const mg_backoff *b, const mg_backoff_settings *s, mg_prng *r) {
    uint64_t base = base_of(s), last = b->last_ms > base ? b->last_ms : base;
    return least(mg_prng_between(r, base, last * 3), cap_of(s));
}

uint64_t mg_backoff_delay(mg_backoff *b, const mg_backoff_settings *s, mg_prng *r) {
    uint64_t t = exponential(b, s), delay = t;
    switch (s->jitter) {
    case MG_JITTER_FULL: delay = mg_prng_between(r, 0, t); break;
    case MG_JITTER_EQUAL: delay = t / 2 + mg_prng_between(r, 0, t - t / 2); break;
    case MG_JITTER_DECORRELATED: delay = decorrelated(b, s, r); break;
    case MG_JITTER_NONE: break;
    }
    b->attempt++;
    b->last_ms = delay;
    return delay;
}

bool mg_backoff_next(mg_backoff *b, const mg_backoff_settings *s, int64_t retry_after_ms, uint64_t left_ms, mg_prng *r,
                     uint64_t *delay_ms) {
    uint64_t delay = mg_backoff_delay(b, s, r);
    if (retry_after_ms >= 0) {
        uint64_t asked = (uint64_t)retry_after_ms;
        if (asked >= left_ms) return false;
        delay = asked + least(mg_prng_between(r, 0, base_of(s)), left_ms - 1 - asked);
    }
    *delay_ms = delay;
    return delay < left_ms;
}
