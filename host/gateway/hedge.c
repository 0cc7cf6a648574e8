#include "gateway/hedge.h"

void mg_hedge_init(mg_hedge *h) {
    *h = (mg_hedge){0};
    pthread_mutex_init(&h->lock, NULL);
}

void mg_hedge_finish(mg_hedge *h) { pthread_mutex_destroy(&h->lock); }

/* The second of now, under the lock; a clock that is behind falls into the newest. */
static mg_hedge_second *second_at(mg_hedge *h, uint64_t now_ms) {
    uint64_t second = now_ms / 1000, passed = second > h->second ? second - h->second : 0;
    if (second > h->second) h->second = second;
    if (passed > MG_HEDGE_SECONDS) passed = MG_HEDGE_SECONDS;
    for (uint64_t i = 0; i < passed; i++) {
        mg_hedge_second *old = &h->ring[(h->second - i) % MG_HEDGE_SECONDS];
        h->requests -= old->requests;
        h->hedges -= old->hedges;
        *old = (mg_hedge_second){0};
    }
    return &h->ring[h->second % MG_HEDGE_SECONDS];
}

static void count_request(mg_hedge *h, uint64_t now_ms) {
    pthread_mutex_lock(&h->lock);
    second_at(h, now_ms)->requests++;
    h->requests++;
    pthread_mutex_unlock(&h->lock);
}

/* The p95 in ms, rounded up; MG_HEDGE_NO if it is not known well enough. */
static int64_t by_latency(const mg_hedge_settings *s, const mg_circuit_stats *stats) {
    if (!stats || stats->ttft_p95_us < 0 || stats->ttft_samples < s->min_samples) return MG_HEDGE_NO;
    int64_t ms = (stats->ttft_p95_us + 999) / 1000;
    return ms < (int64_t)s->least_ms ? (int64_t)s->least_ms : ms;
}

int64_t mg_hedge_delay(mg_hedge *h, const mg_hedge_settings *s, const mg_circuit_stats *stats, uint64_t left_ms,
                       uint64_t now_ms) {
    count_request(h, now_ms);
    int64_t delay = s->delay_ms >= 0 ? s->delay_ms : by_latency(s, stats);
    return delay >= 0 && (uint64_t)delay < left_ms ? delay : MG_HEDGE_NO;
}

bool mg_hedge_start(mg_hedge *h, const mg_hedge_settings *s, uint64_t now_ms) {
    pthread_mutex_lock(&h->lock);
    mg_hedge_second *second = second_at(h, now_ms);
    bool may = (h->hedges + 1) * 1000 <= h->requests * s->share_permille;
    if (may) {
        second->hedges++;
        h->hedges++;
    }
    pthread_mutex_unlock(&h->lock);
    return may;
}
