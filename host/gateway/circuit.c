#include "gateway/circuit_state.h"

#include "base/arena.h"

enum {
    PERCENTILES_MS = 100, /* so old may they be */
    HALF_OPEN_WAIT_MS = 1000 /* what is told when all probes are out: nobody knows when the first comes back */
};

/* ---- names and news ---------------------------------------------------------------------------------------------- */

const char *mg_circuit_state_name(mg_circuit_state s) {
    static const char *const names[] = {"closed", "open", "half_open"};
    return (size_t)s < sizeof names / sizeof *names ? names[s] : "unknown";
}

const char *mg_circuit_reason_name(mg_circuit_reason r) {
    static const char *const names[] = {"errors", "slow", "time", "probes", "probe_failed", "forced", "released"};
    return (size_t)r < sizeof names / sizeof *names ? names[r] : "unknown";
}

mg_circuit_outcome mg_circuit_outcome_of(mg_upstream_end end, mg_failure failure) {
    if (end != MG_UPSTREAM_COMPLETE) return MG_CIRCUIT_FAILURE;
    switch (failure) {
    case MG_FAIL_NONE: return MG_CIRCUIT_SUCCESS;
    case MG_FAIL_RATE:
    case MG_FAIL_QUOTA: return MG_CIRCUIT_LIMITED;
    case MG_FAIL_OVERLOADED:
    case MG_FAIL_SERVER: return MG_CIRCUIT_FAILURE;
    case MG_FAIL_BAD_REQUEST:
    case MG_FAIL_CONTEXT_LENGTH:
    case MG_FAIL_AUTH: /* the key rests instead, see keyring.h */
    case MG_FAIL_NOT_FOUND:
    case MG_FAIL_CONTENT: break;
    }
    return MG_CIRCUIT_NEUTRAL;
}

void circuit_tell(mg_circuits *t, circuit_news *news) {
    for (unsigned i = 0; i < news->n; i++) {
        news->at[i].number = atomic_fetch_add_explicit(&t->changes, 1, memory_order_relaxed) + 1;
        if (t->changed) t->changed(t->arg, &news->at[i]);
    }
}

static mg_circuit_change *note(circuit_news *news, mg_circuit *c, mg_circuit_state from, mg_circuit_state to,
                               mg_circuit_reason reason) {
    mg_circuit_change *change = &news->at[news->n++];
    *change = (mg_circuit_change){.circuit = c,
                                  .provider = {c->provider->name, c->provider->n},
                                  .model = {c->model, c->n_model},
                                  .from = from,
                                  .to = to,
                                  .reason = reason};
    return change;
}

static void set_gate(mg_circuit *c) {
    bool gated = c->state != MG_CIRCUIT_CLOSED || c->hold_until_ms || atomic_load(&c->force);
    atomic_store_explicit(&c->gated, gated, memory_order_release);
}

static uint64_t within(uint64_t v, uint64_t least, uint64_t most) { return v < least ? least : v > most ? most : v; }
static uint64_t until(uint64_t then, uint64_t now) { return then == UINT64_MAX ? then : then > now ? then - now : 0; }

/* ---- the window -------------------------------------------------------------------------------------------------- */

/* The ring's second of now: clears those that have passed since the last one. A clock that is behind falls into the
 * newest. */
static circuit_second *second_at(mg_circuit *c, uint64_t now) {
    uint64_t second = now / 1000;
    if (!c->ring) {
        c->ring = mg_calloc(CIRCUIT_SECONDS, sizeof *c->ring);
        c->second = second;
    }
    uint64_t passed = second > c->second ? second - c->second : 0;
    if (passed > CIRCUIT_SECONDS) passed = CIRCUIT_SECONDS;
    if (second > c->second) c->second = second;
    for (uint64_t i = 0; i < passed; i++) c->ring[(c->second - i) % CIRCUIT_SECONDS] = (circuit_second){0};
    return &c->ring[c->second % CIRCUIT_SECONDS];
}

/* A second counts until its end has left the window. */
static uint64_t first_second(const mg_circuit *c, uint64_t window, uint64_t now) {
    uint64_t first = now > window ? (now - window) / 1000 : 0;
    uint64_t oldest = c->second >= CIRCUIT_SECONDS ? c->second - CIRCUIT_SECONDS + 1 : 0;
    return first > oldest ? first : oldest;
}

static circuit_second sum(const mg_circuit *c, uint64_t window, uint64_t now) {
    circuit_second all = {0};
    if (!c->ring) return all;
    for (uint64_t i = first_second(c, window, now); i <= c->second; i++) {
        const circuit_second *s = &c->ring[i % CIRCUIT_SECONDS];
        all.calls += s->calls;
        all.failures += s->failures;
        all.slow += s->slow;
        all.judged += s->judged;
        all.errors += s->errors;
    }
    return all;
}

/* ---- states ------------------------------------------------------------------------------------------------------ */

static void enter(mg_circuit *c, mg_circuit_state state) {
    c->state = state;
    atomic_fetch_add_explicit(&c->episode, 1, memory_order_release);
    c->succeeded = 0;
    memset(c->probe, 0, sizeof c->probe);
    set_gate(c);
}

static mg_circuit_change *open(mg_circuit *c, const mg_circuit_settings *s, uint64_t now, mg_circuit_reason reason,
                               circuit_news *news) {
    mg_circuit_change *change = note(news, c, c->state, MG_CIRCUIT_OPENED, reason);
    uint64_t most = s->open_max_ms > s->open_ms ? s->open_max_ms : s->open_ms;
    uint64_t wanted = reason == MG_CIRCUIT_BY_FAILED_PROBE ? c->open_ms * 2 : s->open_ms;
    c->open_ms = change->open_ms = within(wanted, 1, most ? most : 1);
    c->open_until_ms = now + c->open_ms;
    c->opened_total++;
    enter(c, MG_CIRCUIT_OPENED);
    return change;
}

static void close_circuit(mg_circuit *c, circuit_news *news) {
    note(news, c, c->state, MG_CIRCUIT_CLOSED, MG_CIRCUIT_BY_PROBES);
    for (unsigned i = 0; c->ring && i < CIRCUIT_SECONDS; i++)
        c->ring[i].calls = c->ring[i].failures = c->ring[i].slow = 0;
    c->last_bad = 0;
    enter(c, MG_CIRCUIT_CLOSED);
}

/* After a result in a closed circuit: opens it if the window says so. */
static void evaluate(mg_circuit *c, const mg_circuit_settings *s, uint64_t now, circuit_news *news) {
    uint64_t window = within(s->window_ms, 1000, MG_CIRCUIT_WINDOW_MAX_MS);
    if (c->shared || c->last_bad < first_second(c, window, now)) return;
    circuit_second w = sum(c, window, now);
    if (w.calls == 0 || w.calls < s->min_calls) return;
    bool errors = s->error_percent && w.failures * 100ull >= within(s->error_percent, 0, 100) * w.calls;
    bool slow = s->slow_percent && s->slow_ms && w.slow * 100ull >= within(s->slow_percent, 0, 100) * w.calls;
    if (!errors && !slow) return;
    mg_circuit_change *change = open(c, s, now, errors ? MG_CIRCUIT_BY_ERRORS : MG_CIRCUIT_BY_SLOWNESS, news);
    change->calls = w.calls;
    change->errors = w.failures;
    change->slow = w.slow;
}

/* ---- forcing ----------------------------------------------------------------------------------------------------- */

/* Whether the circuit or its provider is forced. What is no longer in force is forgotten, and told. */
static bool forced(mg_circuit *c, uint64_t now, mg_circuit_state *state, uint64_t *until_ms, circuit_news *news) {
    uint64_t own = atomic_load(&c->force);
    if (circuit_force_read(own, now, state, until_ms)) return true;
    if (own) {
        mg_circuit_state was = (mg_circuit_state)((own & 3) - 1);
        atomic_store(&c->force, 0);
        note(news, c, was, c->state, MG_CIRCUIT_BY_RELEASE);
        set_gate(c);
    }
    uint64_t of_provider = atomic_load(&c->provider->force);
    if (circuit_force_read(of_provider, now, state, until_ms)) return true;
    if (of_provider && atomic_compare_exchange_strong(&c->provider->force, &of_provider, 0)) {
        mg_circuit_state was = (mg_circuit_state)((of_provider & 3) - 1);
        mg_circuit_change *change = note(news, c, was, MG_CIRCUIT_CLOSED, MG_CIRCUIT_BY_RELEASE);
        change->circuit = NULL;
        change->model = MG_STR("");
    }
    return false;
}

bool circuit_force_set(mg_circuit *c, mg_circuit_state state, uint64_t until_ms, uint64_t now_ms) {
    if (c->shared) return false;
    circuit_news news = {0};
    uint64_t ends;
    pthread_mutex_lock(&c->lock);
    mg_circuit_state from = c->state, to = c->state;
    bool was = forced(c, now_ms, &from, &ends, &news);
    uint64_t word = now_ms < until_ms ? circuit_force_word(state, until_ms) : 0;
    bool own = atomic_exchange(&c->force, word) != 0;
    set_gate(c);
    if (!word && was && !own) to = from; /* the provider's goes on */
    if (word) to = state;
    if (word || own) {
        mg_circuit_change *change = note(&news, c, from, to, word ? MG_CIRCUIT_BY_FORCE : MG_CIRCUIT_BY_RELEASE);
        if (word && state == MG_CIRCUIT_OPENED) change->open_ms = until(until_ms, now_ms);
    }
    pthread_mutex_unlock(&c->lock);
    circuit_tell(c->table, &news);
    return true;
}

/* ---- admission --------------------------------------------------------------------------------------------------- */

/* 0: a place for a probe is free. */
static uint64_t probe_wait(const mg_circuit *c, uint64_t now) {
    uint64_t soonest = HALF_OPEN_WAIT_MS;
    uint32_t out = 0;
    for (unsigned i = 0; i < MG_CIRCUIT_PROBES_MAX; i++) {
        uint64_t left = until(c->probe[i].until_ms, now);
        if (left == 0) continue;
        out++;
        if (left < soonest) soonest = left;
    }
    return out + c->succeeded < c->probes ? 0 : soonest;
}

static mg_circuit_pass refuse(uint64_t wait_ms) {
    return (mg_circuit_pass){.admission = MG_CIRCUIT_OPEN, .wait_ms = wait_ms ? wait_ms : 1};
}

static mg_circuit_pass let(mg_circuit *c, mg_circuit_admission admission) {
    atomic_fetch_add_explicit(&c->in_flight, 1, memory_order_relaxed);
    return (mg_circuit_pass){.admission = admission,
                             .episode = atomic_load_explicit(&c->episode, memory_order_relaxed)};
}

static mg_circuit_pass probe(mg_circuit *c, uint64_t now) {
    uint64_t wait = probe_wait(c, now);
    if (wait) return refuse(wait);
    unsigned slot = 0; /* one is free: there are never more out than there are places */
    while (until(c->probe[slot].until_ms, now)) slot++;
    c->probe[slot] = (circuit_probe){.until_ms = now + c->open_ms, .ticket = ++c->tickets};
    mg_circuit_pass pass = let(c, MG_CIRCUIT_PROBE);
    pass.slot = (uint8_t)slot;
    pass.ticket = c->tickets;
    return pass;
}

/* Under the lock. */
static mg_circuit_pass admit(mg_circuit *c, const mg_circuit_settings *s, uint64_t now, circuit_news *news) {
    mg_circuit_state state;
    uint64_t ends;
    if (forced(c, now, &state, &ends, news))
        return state == MG_CIRCUIT_OPENED ? refuse(until(ends, now)) : let(c, MG_CIRCUIT_GO);
    if (now < c->hold_until_ms) return refuse(c->hold_until_ms - now);
    c->hold_until_ms = 0;
    set_gate(c);
    if (c->state == MG_CIRCUIT_CLOSED) return let(c, MG_CIRCUIT_GO);
    if (c->state == MG_CIRCUIT_OPENED) {
        if (now < c->open_until_ms) return refuse(c->open_until_ms - now);
        note(news, c, MG_CIRCUIT_OPENED, MG_CIRCUIT_HALF_OPEN, MG_CIRCUIT_BY_TIME);
        enter(c, MG_CIRCUIT_HALF_OPEN);
        c->probes = (uint32_t)within(s->probes, 1, MG_CIRCUIT_PROBES_MAX);
    }
    return probe(c, now);
}

mg_circuit_pass mg_circuit_admit(mg_circuit *c, const mg_circuit_settings *s, uint64_t now_ms) {
    if (!atomic_load_explicit(&c->gated, memory_order_acquire) &&
        !atomic_load_explicit(&c->provider->force, memory_order_relaxed))
        return let(c, MG_CIRCUIT_GO);
    circuit_news news = {0};
    pthread_mutex_lock(&c->lock);
    mg_circuit_pass pass = admit(c, s, now_ms, &news);
    pthread_mutex_unlock(&c->lock);
    circuit_tell(c->table, &news);
    return pass;
}

void mg_circuit_hold(mg_circuit *c, uint64_t until_ms, uint64_t now_ms) {
    if (c->shared || until_ms <= now_ms) return;
    if (until_ms - now_ms > MG_CIRCUIT_HOLD_MAX_MS) until_ms = now_ms + MG_CIRCUIT_HOLD_MAX_MS;
    pthread_mutex_lock(&c->lock);
    if (until_ms > c->hold_until_ms) c->hold_until_ms = until_ms;
    set_gate(c);
    pthread_mutex_unlock(&c->lock);
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static bool is_slow(const mg_circuit_settings *s, int64_t ttft_us) {
    return s->slow_ms && ttft_us > 0 && (uint64_t)ttft_us > s->slow_ms * 1000;
}

static void free_probe(mg_circuit *c, const mg_circuit_pass *pass) {
    circuit_probe *p = &c->probe[pass->slot];
    if (p->ticket == pass->ticket) p->until_ms = 0;
}

static void probe_done(mg_circuit *c, const mg_circuit_settings *s, mg_circuit_pass *pass, bool bad, uint64_t now,
                       circuit_news *news) {
    free_probe(c, pass);
    if (bad) {
        open(c, s, now, MG_CIRCUIT_BY_FAILED_PROBE, news);
    } else if (!pass->answered && ++c->succeeded >= c->probes) {
        close_circuit(c, news);
    }
    pass->answered = true;
}

/* Whether results say something now: not from another episode, nor while somebody has said what holds. */
static bool is_heeded(mg_circuit *c, const mg_circuit_pass *pass, uint64_t now, circuit_news *news) {
    mg_circuit_state state;
    uint64_t ends;
    if (forced(c, now, &state, &ends, news)) return false;
    return pass->episode == atomic_load_explicit(&c->episode, memory_order_relaxed);
}

void mg_circuit_answered(mg_circuit *c, const mg_circuit_settings *s, mg_circuit_pass *pass, int64_t ttft_us,
                         uint64_t now_ms) {
    if (pass->admission != MG_CIRCUIT_PROBE || pass->answered) return;
    circuit_news news = {0};
    pthread_mutex_lock(&c->lock);
    if (is_heeded(c, pass, now_ms, &news)) probe_done(c, s, pass, is_slow(s, ttft_us), now_ms, &news);
    pthread_mutex_unlock(&c->lock);
    circuit_tell(c->table, &news);
}

/* What the result means for the breaker. */
static void judge(mg_circuit *c, const mg_circuit_settings *s, mg_circuit_pass *pass, const mg_circuit_call *call,
                  uint64_t now, circuit_news *news) {
    bool failed = call->outcome == MG_CIRCUIT_FAILURE || (call->outcome == MG_CIRCUIT_LIMITED && s->count_limited);
    bool slow = is_slow(s, call->ttft_us);
    bool heeded = is_heeded(c, pass, now, news);
    if (!failed && call->outcome != MG_CIRCUIT_SUCCESS) { /* says nothing */
        if (pass->admission == MG_CIRCUIT_PROBE && heeded) free_probe(c, pass);
    } else if (!heeded) {
        return;
    } else if (pass->admission == MG_CIRCUIT_PROBE) {
        probe_done(c, s, pass, failed || slow, now, news);
    } else if (c->state == MG_CIRCUIT_CLOSED) {
        circuit_second *second = second_at(c, now);
        second->calls++;
        second->failures += failed;
        second->slow += slow;
        if (failed || slow) c->last_bad = c->second;
        evaluate(c, s, now, news);
    }
}

static void forget_rate(mg_circuit *c, uint64_t now) {
    uint64_t period = now / MG_LATENCY_HALF_LIFE_MS;
    for (; c->rate_period < period && c->tokens_us >= 1; c->rate_period++) {
        c->tokens /= 2;
        c->tokens_us /= 2;
    }
    if (c->rate_period < period) {
        c->rate_period = period;
        c->tokens = c->tokens_us = 0;
    }
}

static void count(mg_circuit *c, const mg_circuit_call *call, uint64_t now) {
    if (call->ttft_us >= 0) {
        mg_latency_add(&c->ttft, (uint64_t)call->ttft_us, now);
        c->fresh = false;
    }
    if (call->output_tokens > 0 && call->output_us > 0) {
        forget_rate(c, now);
        c->tokens += (double)call->output_tokens;
        c->tokens_us += (double)call->output_us;
    }
    if (call->outcome == MG_CIRCUIT_NEUTRAL) return;
    bool error = call->outcome != MG_CIRCUIT_SUCCESS;
    circuit_second *second = second_at(c, now);
    second->judged++;
    second->errors += error;
    c->calls_total++;
    c->errors_total += error;
}

void mg_circuit_record(mg_circuit *c, const mg_circuit_settings *s, mg_circuit_pass *pass, const mg_circuit_call *call,
                       uint64_t now_ms) {
    if (pass->admission != MG_CIRCUIT_GO && pass->admission != MG_CIRCUIT_PROBE) return;
    circuit_news news = {0};
    pthread_mutex_lock(&c->lock);
    count(c, call, now_ms);
    judge(c, s, pass, call, now_ms, &news);
    pthread_mutex_unlock(&c->lock);
    atomic_fetch_sub_explicit(&c->in_flight, 1, memory_order_relaxed);
    *pass = (mg_circuit_pass){0};
    circuit_tell(c->table, &news);
}

/* ---- statistics -------------------------------------------------------------------------------------------------- */

static void refresh_percentiles(mg_circuit *c, uint64_t now) {
    bool aged = now / MG_LATENCY_HALF_LIFE_MS > c->ttft.period && c->ttft.total;
    bool recent = c->known_ms && c->p50_us >= 0 && now >= c->known_ms && now - c->known_ms < PERCENTILES_MS;
    if (!aged && (c->fresh || recent)) return;
    c->p50_us = mg_latency_percentile(&c->ttft, 50, now);
    c->p95_us = mg_latency_percentile(&c->ttft, 95, now);
    c->known_ms = now;
    c->fresh = true;
}

static uint64_t state_wait(const mg_circuit *c, uint64_t now) {
    if (c->state == MG_CIRCUIT_OPENED) return until(c->open_until_ms, now);
    return c->state == MG_CIRCUIT_HALF_OPEN ? probe_wait(c, now) : 0;
}

static void fill(mg_circuit *c, uint64_t now, mg_circuit_stats *out, circuit_news *news) {
    uint64_t ends = 0;
    out->state = c->state;
    out->forced = forced(c, now, &out->state, &ends, news);
    out->held = now < c->hold_until_ms;
    if (out->forced) {
        out->wait_ms = out->state == MG_CIRCUIT_OPENED ? until(ends, now) : 0;
    } else {
        uint64_t state = state_wait(c, now), hold = until(c->hold_until_ms, now);
        out->wait_ms = state > hold ? state : hold;
    }
    circuit_second w = sum(c, MG_CIRCUIT_STATS_MS, now);
    out->calls = w.judged;
    out->errors = w.errors;
    out->error_rate = w.judged ? (double)w.errors / w.judged : 0;
    refresh_percentiles(c, now);
    out->ttft_p50_us = c->p50_us;
    out->ttft_p95_us = c->p95_us;
    out->ttft_samples = mg_latency_samples(&c->ttft, now);
    forget_rate(c, now);
    out->tokens_per_s = c->tokens_us >= 1 ? c->tokens * 1e6 / c->tokens_us : 0;
    out->calls_total = c->calls_total;
    out->errors_total = c->errors_total;
    out->opened_total = c->opened_total;
}

void mg_circuit_stats_get(mg_circuit *c, uint64_t now_ms, mg_circuit_stats *out) {
    circuit_news news = {0};
    *out = (mg_circuit_stats){.provider = {c->provider->name, c->provider->n}, .model = {c->model, c->n_model}};
    pthread_mutex_lock(&c->lock);
    fill(c, now_ms, out, &news);
    pthread_mutex_unlock(&c->lock);
    out->in_flight = atomic_load_explicit(&c->in_flight, memory_order_relaxed);
    circuit_tell(c->table, &news);
}
