#include "gateway/circuit_state.h"

#include "base/arena.h"
#include "base/hash.h"
#include <stdlib.h>

/* ---- names ------------------------------------------------------------------------------------------------------- */

/* Multiplied, so that the same name as provider and as model does not cancel out. */
static uint64_t hash_of(mg_str provider, mg_str model) {
    return mg_hash64(model) ^ (mg_hash64(provider) * 0x9e3779b97f4a7c15u);
}

static mg_str provider_of(const mg_circuit *c) { return (mg_str){c->provider->name, c->provider->n}; }
static mg_str model_of(const mg_circuit *c) { return (mg_str){c->model, c->n_model}; }

static mg_circuit *look(mg_circuits *t, uint64_t hash, mg_str provider, mg_str model) {
    mg_circuit *c = atomic_load_explicit(&t->buckets[hash % CIRCUIT_BUCKETS], memory_order_acquire);
    while (c && !(c->hash == hash && mg_str_eq(model_of(c), model) && mg_str_eq(provider_of(c), provider))) {
        c = atomic_load_explicit(&c->in_bucket, memory_order_acquire);
    }
    return c;
}

/* ---- adding, under the table's lock ------------------------------------------------------------------------------ */

static circuit_provider *find_provider(mg_circuits *t, mg_str name) {
    circuit_provider *p = t->providers;
    while (p && !mg_str_eq((mg_str){p->name, p->n}, name)) p = p->next;
    if (p || t->n_providers >= MG_CIRCUITS_MAX || name.n > MG_CIRCUIT_NAME_MAX) return p;
    p = MG_NEW(circuit_provider);
    p->name = mg_strndup(name.n ? name.p : "", name.n);
    p->n = name.n;
    p->next = t->providers;
    t->providers = p;
    t->n_providers++;
    return p;
}

static void set_up(mg_circuit *c, mg_circuits *t, circuit_provider *provider, mg_str model) {
    c->table = t;
    c->provider = provider;
    c->model = mg_strndup(model.n ? model.p : "", model.n);
    c->n_model = model.n;
    pthread_mutex_init(&c->lock, NULL);
}

static void append(mg_circuits *t, mg_circuit *c) {
    _Atomic(mg_circuit *) *bucket = &t->buckets[c->hash % CIRCUIT_BUCKETS];
    atomic_store_explicit(&c->in_bucket, atomic_load_explicit(bucket, memory_order_relaxed), memory_order_relaxed);
    atomic_store_explicit(bucket, c, memory_order_release);
    atomic_store_explicit(t->last ? &t->last->in_order : &t->first, c, memory_order_release);
    t->last = c;
    t->n++;
}

static mg_circuit *add(mg_circuits *t, uint64_t hash, mg_str provider, mg_str model) {
    mg_circuit *c = look(t, hash, provider, model); /* another thread may have been first */
    if (c) return c;
    circuit_provider *p = t->n < MG_CIRCUITS_MAX ? find_provider(t, provider) : NULL;
    if (!p) return &t->other;
    c = MG_NEW(mg_circuit);
    c->hash = hash;
    set_up(c, t, p, model);
    append(t, c);
    return c;
}

mg_circuit *mg_circuits_peek(mg_circuits *t, mg_str provider, mg_str model) {
    return look(t, hash_of(provider, model), provider, model);
}

mg_circuit *mg_circuits_find(mg_circuits *t, mg_str provider, mg_str model) {
    uint64_t hash = hash_of(provider, model);
    mg_circuit *c = look(t, hash, provider, model);
    if (c) return c;
    if (model.n > MG_CIRCUIT_NAME_MAX) return &t->other;
    pthread_mutex_lock(&t->lock);
    c = add(t, hash, provider, model);
    pthread_mutex_unlock(&t->lock);
    return c;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

mg_circuits *mg_circuits_create(void (*changed)(void *arg, const mg_circuit_change *change), void *arg) {
    mg_circuits *t = MG_NEW(mg_circuits);
    t->changed = changed;
    t->arg = arg;
    pthread_mutex_init(&t->lock, NULL);
    t->other.shared = true;
    set_up(&t->other, t, find_provider(t, MG_STR("other")), MG_STR("other"));
    return t;
}

static void tear_down(mg_circuit *c) {
    pthread_mutex_destroy(&c->lock);
    free(c->ring);
    free(c->model);
}

void mg_circuits_destroy(mg_circuits *t) {
    if (!t) return;
    for (mg_circuit *c = atomic_load(&t->first), *next; c; c = next) {
        next = atomic_load(&c->in_order);
        tear_down(c);
        free(c);
    }
    for (circuit_provider *p = t->providers, *next; p; p = next) {
        next = p->next;
        free(p->name);
        free(p);
    }
    tear_down(&t->other);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

void mg_circuits_each(mg_circuits *t, uint64_t now_ms, void (*each)(void *arg, const mg_circuit_stats *stats),
                      void *arg) {
    for (mg_circuit *c = atomic_load_explicit(&t->first, memory_order_acquire); c;
         c = atomic_load_explicit(&c->in_order, memory_order_acquire)) {
        mg_circuit_stats stats;
        mg_circuit_stats_get(c, now_ms, &stats);
        each(arg, &stats);
    }
    mg_circuit_stats others;
    mg_circuit_stats_get(&t->other, now_ms, &others);
    if (others.calls_total || others.in_flight) each(arg, &others);
}

/* ---- forcing ----------------------------------------------------------------------------------------------------- */

enum { FORCE_BITS = 2 }; /* of the word: 0 not forced, else the state + 1; the rest is the end in ms */
static const uint64_t for_ever = UINT64_MAX >> FORCE_BITS;

uint64_t circuit_force_word(mg_circuit_state state, uint64_t until_ms) {
    return until_ms == 0 ? 0 : (until_ms < for_ever ? until_ms : for_ever) << FORCE_BITS | ((uint64_t)state + 1);
}

bool circuit_force_read(uint64_t word, uint64_t now_ms, mg_circuit_state *state, uint64_t *until_ms) {
    uint64_t until = word >> FORCE_BITS;
    if (word == 0 || now_ms >= until) return false;
    *state = (mg_circuit_state)((word & 3) - 1);
    *until_ms = until == for_ever ? UINT64_MAX : until;
    return true;
}

static bool force_provider(mg_circuits *t, mg_str name, mg_circuit_state state, uint64_t until_ms, uint64_t now_ms) {
    pthread_mutex_lock(&t->lock);
    circuit_provider *p = find_provider(t, name);
    pthread_mutex_unlock(&t->lock);
    if (!p) return false;
    uint64_t word = now_ms < until_ms ? circuit_force_word(state, until_ms) : 0;
    uint64_t old = atomic_exchange(&p->force, word), ignored;
    if (word == 0 && old == 0) return true;
    circuit_news news = {.n = 1};
    news.at[0] = (mg_circuit_change){.provider = {p->name, p->n},
                                     .model = MG_STR(""),
                                     .from = MG_CIRCUIT_CLOSED,
                                     .to = word ? state : MG_CIRCUIT_CLOSED,
                                     .reason = word ? MG_CIRCUIT_BY_FORCE : MG_CIRCUIT_BY_RELEASE};
    circuit_force_read(old, now_ms, &news.at[0].from, &ignored);
    if (word && state == MG_CIRCUIT_OPENED)
        news.at[0].open_ms = until_ms == UINT64_MAX ? UINT64_MAX : until_ms - now_ms;
    circuit_tell(t, &news);
    return true;
}

bool mg_circuits_force(mg_circuits *t, mg_str provider, mg_str model, mg_circuit_state state, uint64_t until_ms,
                       uint64_t now_ms) {
    if (state == MG_CIRCUIT_HALF_OPEN) return false;
    if (model.n == 0) return force_provider(t, provider, state, until_ms, now_ms);
    return circuit_force_set(mg_circuits_find(t, provider, model), state, until_ms, now_ms);
}

bool mg_circuits_forced(mg_circuits *t, mg_str provider, uint64_t now_ms, mg_circuit_state *state, uint64_t *until_ms) {
    pthread_mutex_lock(&t->lock);
    const circuit_provider *p = t->providers;
    while (p && !mg_str_eq((mg_str){p->name, p->n}, provider)) p = p->next;
    uint64_t word = p ? atomic_load(&p->force) : 0;
    pthread_mutex_unlock(&t->lock);
    return circuit_force_read(word, now_ms, state, until_ms);
}
