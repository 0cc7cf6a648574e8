/* The Lua states of a worker: found by what is loaded in them, built when first needed, dropped when idle. */
#include "base/log.h"
#include "policy/engine.h"

enum {
    OLD_MS = 1000, /* a state of an older generation is kept this long for requests that are between two phases */
    BYTES_MAX = 256 << 20 /* of all states of a worker, beyond which idle ones make room for a new one */
};

static size_t bucket_of(const mg_bundle *b) { return b->fingerprint[0] % MG_ENGINE_BUCKETS; }

static bool same(const mg_bundle *a, const mg_bundle *b) {
    return a == b || memcmp(a->fingerprint, b->fingerprint, sizeof a->fingerprint) == 0;
}

static void unlink_state(mg_state **list, mg_state *s) {
    while (*list != s) list = &(*list)->next;
    *list = s->next;
}

static void drop(mg_engine *e, mg_state **list, mg_state *s) {
    unlink_state(list, s);
    e->n_states--;
    mg_state_destroy(s);
}

/* Drops the states that were used longest ago until all of a worker's together take no more than they may. */
static void make_room(mg_engine *e) {
    for (;;) {
        size_t bytes = 0;
        mg_state *oldest = NULL;
        for (size_t i = 0; i < MG_ENGINE_BUCKETS; i++)
            for (mg_state *s = e->states[i]; s; s = s->next) {
                bytes += s->leash.used;
                if (!s->calls && !s->running && (!oldest || s->used_ms < oldest->used_ms)) oldest = s;
            }
        if (bytes < BYTES_MAX || !oldest) return;
        drop(e, &e->states[bucket_of(oldest->bundle)], oldest);
    }
}

static void on_fault(void *arg, const mg_policy_fault *f) { mg_policy_fault_fail(f, arg); }

mg_state *mg_engine_state(mg_engine *e, mg_bundle *b, mg_error *error) {
    mg_state **bucket = &e->states[bucket_of(b)];
    for (mg_state *s = *bucket; s; s = s->next)
        if (same(s->bundle, b)) return s;
    make_room(e);
    const mg_policy_options *o = mg_policies_options(e->current);
    mg_state_limits limits = {o->memory, o->instructions, o->cpu_us};
    mg_state *s = mg_state_create(b, &limits, false, on_fault, error);
    if (!s) return NULL;
    s->next = *bucket;
    *bucket = s;
    e->n_states++;
    e->built++;
    return s;
}

void mg_engine_state_left(mg_engine *e, mg_state *s) {
    s->calls--;
    bool was = s->retired;
    mg_state_tidy(s);
    if (!s->retired) return;
    if (!was) { /* its file keeps too much: the next call gets a new state */
        mg_log(MG_LOG_WARN, "policy_state_full", MG_F("org", s->bundle->org), MG_FN("bytes", s->leash.used));
        unlink_state(&e->states[bucket_of(s->bundle)], s);
        s->next = e->retired;
        e->retired = s;
    }
    if (s->calls == 0 && !s->running) drop(e, &e->retired, s);
}

static bool is_current(const mg_engine *e, const mg_state *s) {
    const mg_bundle *b =
        s->bundle->org.n ? mg_policies_plan(e->current, s->bundle->org)->own : mg_policies_shared(e->current);
    return b && same(b, s->bundle);
}

void mg_engine_sweep(mg_engine *e) {
    uint64_t now = mg_clock_mono_ms(), idle_ms = mg_policies_options(e->current)->idle_ms;
    for (size_t i = 0; i < MG_ENGINE_BUCKETS; i++) {
        for (mg_state *s = e->states[i], *next; s; s = next) {
            next = s->next;
            if (s->calls || s->running) continue;
            uint64_t unused = now > s->used_ms ? now - s->used_ms : 0;
            if (unused >= idle_ms || (unused >= OLD_MS && !is_current(e, s))) drop(e, &e->states[i], s);
        }
    }
}

void mg_engine_states_finish(mg_engine *e) {
    for (size_t i = 0; i < MG_ENGINE_BUCKETS; i++)
        while (e->states[i]) drop(e, &e->states[i], e->states[i]);
    while (e->retired) drop(e, &e->retired, e->retired);
}
