#include "gateway/limits.h"

#include <stdio.h>

/* What one limit or budget holds for this request. */
typedef struct taken_entry {
    mg_limit limit;
    mg_str key;
    int64_t amount; /* counted in the store for this request */
    uint64_t bucket;
    bool counted;
    bool fixed, soft; /* budgets */
    mg_counter_state state;
} taken_entry;

typedef struct pending {
    mg_token token;
    bool active;
    size_t *which; /* entries asked, in the order of the counters */
    size_t n;
    mg_limits_done done;
    void *arg;
} pending;

struct mg_taken {
    taken_entry *v;
    size_t n, cap;
    pending op;
};

static mg_taken *taken_of(mg_request *r) {
    if (!r->taken) r->taken = MG_ARENA_NEW(r->arena, mg_taken);
    return r->taken;
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

/* Whom a limit counts. What is bound to the key wins over what the client says. */
static mg_str scope_id(const mg_request *r, mg_scope scope) {
    switch (scope) {
    case MG_SCOPE_TEAM: return r->key ? r->key->team : MG_STR("");
    case MG_SCOPE_USER: return r->key && r->key->user.n ? r->key->user : r->user;
    case MG_SCOPE_KEY: return r->key ? r->key->id : MG_STR("");
    case MG_SCOPE_MODEL: return r->model;
    case MG_SCOPE_PROVIDER: return r->n_targets ? r->targets[r->target_at].provider->name : MG_STR("");
    case MG_SCOPE_ORG: break;
    }
    return MG_STR("");
}

/* Everything before the first ':' is the organization: the store keeps what belongs together under it. */
static mg_str limit_key(const mg_request *r, const mg_limit *l) {
    const char kind[] = {':', 'l', (char)('0' + l->measure), (char)('0' + l->scope), ':'};
    const mg_str parts[] = {
        r->org->id,  {kind, sizeof kind},  mg_arena_int(r->arena, (int64_t)l->rate.period_ms), MG_STR(":"), l->name,
        MG_STR(":"), scope_id(r, l->scope)};
    return mg_arena_join(r->arena, parts, sizeof parts / sizeof parts[0]);
}

static mg_str budget_key(const mg_request *r, mg_str what, mg_str period, int64_t start_ms) {
    const mg_str parts[] = {r->org->id, what, period, MG_STR(":"), mg_arena_int(r->arena, start_ms)};
    return mg_arena_join(r->arena, parts, sizeof parts / sizeof parts[0]);
}

/* ---- the entries of a request ------------------------------------------------------------------------------------ */

static bool same_limit(const mg_limit *a, const mg_limit *b) {
    return a->scope == b->scope && a->measure == b->measure && a->rate.period_ms == b->rate.period_ms &&
           mg_str_eq(a->name, b->name);
}

static taken_entry *add_entry(mg_request *r) {
    mg_taken *t = taken_of(r);
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 8;
        taken_entry *v = mg_arena_alloc(r->arena, cap * sizeof *v);
        if (t->n) memcpy(v, t->v, t->n * sizeof *v);
        t->v = v;
        t->cap = cap;
    }
    t->v[t->n] = (taken_entry){0};
    return &t->v[t->n++];
}

static size_t declare(mg_request *r, const mg_limit *l, bool *tightened) {
    mg_taken *t = taken_of(r);
    *tightened = false;
    for (size_t i = 0; i < t->n; i++)
        if (!t->v[i].fixed && same_limit(&t->v[i].limit, l)) {
            *tightened = l->rate.amount < t->v[i].limit.rate.amount;
            if (*tightened) t->v[i].limit.rate.amount = l->rate.amount;
            return i;
        }
    taken_entry *e = add_entry(r);
    e->limit = *l;
    e->limit.name = mg_arena_dup(r->arena, l->name);
    e->key = limit_key(r, l);
    return t->n - 1;
}

static mg_counter counter_of(const taken_entry *e, int64_t amount) {
    return (mg_counter){.key = e->key,
                        .amount = amount,
                        .limit = e->limit.rate.amount,
                        .period_ms = e->limit.rate.period_ms,
                        .fixed = e->fixed,
                        .soft = e->soft};
}

/* ---- the store --------------------------------------------------------------------------------------------------- */

static const mg_store *store_of(mg_request *r, void **self, mg_error *error) {
    if (!r->snapshot->store) {
        mg_fail(error, 503, "store_unavailable", "no store is configured");
        return NULL;
    }
    *self = mg_use_self(r->snapshot->store, r->worker->index, r->worker->loop, error);
    return *self ? mg_use_ops(r->snapshot->store) : NULL;
}

static void finish(mg_request *r, bool ok, uint64_t wait_ms, const mg_error *error) {
    pending op = r->taken->op;
    r->taken->op.active = false;
    op.done(op.arg, ok, wait_ms, error);
}

static void on_taken(void *arg, const void *result) {
    mg_request *r = arg;
    const mg_store_result *res = result;
    mg_taken *t = r->taken;
    size_t n = res->states && res->n_states <= t->op.n ? res->n_states : 0;
    for (size_t i = 0; i < n; i++) t->v[t->op.which[i]].state = res->states[i];
    if (res->status == MG_OK) {
        for (size_t i = 0; i < n; i++) {
            taken_entry *e = &t->v[t->op.which[i]];
            e->counted = true;
            e->bucket = res->states[i].bucket;
        }
        finish(r, true, 0, NULL);
        return;
    }
    for (size_t i = 0; i < t->op.n; i++)
        if (!t->v[t->op.which[i]].counted) t->v[t->op.which[i]].amount = 0;
    if (res->status == MG_DECLINED && res->refused < n) {
        const taken_entry *e = &t->v[t->op.which[res->refused]];
        mg_request_decide(r, mg_phase_name(r->phase), MG_STR("limit"), "limit",
                          "\"scope\":\"%s\",\"limit\":%lld,\"used\":%lld,\"period_ms\":%llu,\"budget\":%s",
                          mg_scope_name(e->limit.scope), (long long)e->limit.rate.amount, (long long)e->state.used,
                          (unsigned long long)e->limit.rate.period_ms, e->fixed ? "true" : "false");
        r->budget_refused = e->fixed;
        finish(r, false, e->state.wait_ms, NULL);
        return;
    }
    mg_error e = {.http = 503, .code = "store_unavailable", .text = "the store of counters failed"};
    finish(r, false, 0, res->error ? res->error : &e);
}

static void take(mg_request *r, size_t *which, size_t n, mg_limits_done done, void *arg) {
    mg_taken *t = taken_of(r);
    mg_error error = {0};
    void *self;
    const mg_store *store = n ? store_of(r, &self, &error) : NULL;
    if (!store) {
        done(arg, n == 0, 0, n ? &error : NULL);
        return;
    }
    mg_counter *counters = mg_arena_alloc(r->arena, n * sizeof *counters);
    for (size_t i = 0; i < n; i++) {
        taken_entry *e = &t->v[which[i]];
        counters[i] = counter_of(e, e->counted ? 0 : e->amount);
    }
    t->op = (pending){.active = true, .which = which, .n = n, .done = done, .arg = arg};
    t->op.token = mg_evloop_pend(r->worker->loop, on_taken, r);
    store->take(self, counters, n, t->op.token);
}

void mg_limits_take(mg_request *r, const mg_limit *limits, size_t n, mg_limits_done done, void *arg) {
    size_t *which = mg_arena_alloc(r->arena, (n ? n : 1) * sizeof *which), asked = 0;
    for (size_t i = 0; i < n; i++) {
        bool tightened;
        size_t at = declare(r, &limits[i], &tightened);
        taken_entry *e = &r->taken->v[at];
        if (limits[i].measure != MG_MEASURE_REQUESTS || (e->counted && !tightened)) continue;
        if (!e->counted) e->amount = 1;
        which[asked++] = at;
    }
    take(r, which, asked, done, arg);
}

void mg_limits_cancel(mg_request *r) {
    if (!r->taken || !r->taken->op.active) return;
    mg_error ignored;
    void *self;
    const mg_store *store = store_of(r, &self, &ignored);
    mg_evloop_forget(r->worker->loop, r->taken->op.token);
    if (store) store->cancel(self, r->taken->op.token);
    r->taken->op.active = false;
}

/* ---- reservation ------------------------------------------------------------------------------------------------- */

static void declare_budget(mg_request *r) {
    const mg_budget *b = &r->org->budget;
    int64_t start, end;
    if (!b->set || !mg_clock_period(b->period, mg_clock_unix_ms(), &start, &end)) return;
    for (int part = 0; part < 2; part++) { /* all that is used, and of it what is only reserved */
        taken_entry *e = add_entry(r);
        e->fixed = true;
        e->soft = part == 1 || !b->hard;
        e->limit = (mg_limit){MG_SCOPE_ORG, MG_MEASURE_COST, {b->limit_nano, (uint64_t)(end - start), true}, {0}};
        e->key = budget_key(r, part ? MG_STR(":br:") : MG_STR(":bu:"), b->period, start);
    }
}

void mg_limits_reserve(mg_request *r, mg_limits_done done, void *arg) {
    declare_budget(r);
    mg_taken *t = taken_of(r);
    size_t *which = mg_arena_alloc(r->arena, (t->n ? t->n : 1) * sizeof *which), asked = 0;
    for (size_t i = 0; i < t->n; i++) {
        taken_entry *e = &t->v[i];
        if (e->limit.measure == MG_MEASURE_REQUESTS) continue;
        e->amount = e->limit.measure == MG_MEASURE_TOKENS ? r->tokens_input + r->tokens_max_output : r->cost_max_nano;
        which[asked++] = i;
    }
    r->reserved = true;
    take(r, which, asked, done, arg);
}

static void ignore(void *arg, const void *result) { (void)arg, (void)result; }

void mg_limits_settle(mg_request *r, int64_t tokens, int64_t cost_nano) {
    mg_taken *t = r->taken;
    mg_error error;
    void *self;
    if (!t || !r->reserved) return;
    mg_counter *counters = mg_arena_alloc(r->arena, (t->n + 1) * sizeof *counters);
    uint64_t *buckets = mg_arena_alloc(r->arena, (t->n + 1) * sizeof *buckets);
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        taken_entry *e = &t->v[i];
        if (!e->counted || e->limit.measure == MG_MEASURE_REQUESTS) continue;
        int64_t used = e->limit.measure == MG_MEASURE_TOKENS ? tokens : cost_nano;
        if (e->fixed && e->soft && i > 0 && t->v[i - 1].fixed) used = 0; /* the share that is only reserved */
        if (used == e->amount) continue;
        counters[n] = counter_of(e, used - e->amount);
        buckets[n++] = e->bucket;
        e->amount = used;
    }
    const mg_store *store = n ? store_of(r, &self, &error) : NULL;
    if (store) store->adjust(self, counters, buckets, n, mg_evloop_pend(r->worker->loop, ignore, NULL));
    r->reserved = false;
}

/* ---- status ------------------------------------------------------------------------------------------------------ */

typedef struct status_read {
    mg_request *r;
    mg_limit limit;
    mg_limit_status_done limit_done;
    mg_budget_status_done budget_done;
    const mg_budget *budget;
    int64_t resets_at_ms;
    void *arg;
} status_read;

static void on_read(void *arg, const void *result) {
    status_read *s = arg;
    const mg_store_result *res = result;
    if (s->r->taken) s->r->taken->op.active = false;
    mg_error failed = {.http = 503, .code = "store_unavailable", .text = "the store of counters failed"};
    const mg_error *error = res->status == MG_OK ? NULL : res->error ? res->error : &failed;
    if (s->limit_done) {
        mg_limit_status st = {.limit = s->limit.rate.amount};
        if (!error && res->n_states) st.used = res->states[0].used, st.reset_ms = res->states[0].reset_ms;
        s->limit_done(s->arg, error ? NULL : &st, error);
        return;
    }
    mg_budget_status st = {.limit = s->budget->limit_nano, .hard = s->budget->hard, .resets_at_ms = s->resets_at_ms};
    if (!error && res->n_states > 1) {
        st.used = res->states[0].used;
        st.reserved = res->states[1].used < st.used ? res->states[1].used : st.used;
        st.spent = st.used - st.reserved;
        st.left = st.limit > st.used ? st.limit - st.used : 0;
    }
    s->budget_done(s->arg, error ? NULL : &st, error);
}

static void read_counters(status_read *s, const mg_counter *counters, size_t n) {
    mg_error error = {0};
    void *self;
    const mg_store *store = store_of(s->r, &self, &error);
    if (!store) {
        mg_store_result failed = {.size = sizeof failed, .status = MG_ERROR, .error = &error};
        on_read(s, &failed);
        return;
    }
    mg_taken *t = taken_of(s->r);
    t->op = (pending){.active = true};
    t->op.token = mg_evloop_pend(s->r->worker->loop, on_read, s);
    store->read(self, counters, n, t->op.token);
}

void mg_limits_status(mg_request *r, const mg_limit *limit, mg_limit_status_done done, void *arg) {
    status_read *s = MG_ARENA_NEW(r->arena, status_read);
    *s = (status_read){.r = r, .limit = *limit, .limit_done = done, .arg = arg};
    mg_counter c = {.key = limit_key(r, limit), .limit = limit->rate.amount, .period_ms = limit->rate.period_ms};
    read_counters(s, &c, 1);
}

void mg_budget_status_get(mg_request *r, mg_scope scope, mg_str period, mg_budget_status_done done, void *arg) {
    const mg_budget *b = &r->org->budget;
    int64_t start, end;
    if (scope != MG_SCOPE_ORG || !b->set || (period.n && !mg_str_eq(period, b->period)) ||
        !mg_clock_period(b->period, mg_clock_unix_ms(), &start, &end)) {
        done(arg, NULL, NULL);
        return;
    }
    status_read *s = MG_ARENA_NEW(r->arena, status_read);
    *s = (status_read){.r = r, .budget = b, .budget_done = done, .resets_at_ms = end, .arg = arg};
    mg_counter c[2] = {{.key = budget_key(r, MG_STR(":bu:"), b->period, start), .fixed = true},
                       {.key = budget_key(r, MG_STR(":br:"), b->period, start), .fixed = true}};
    read_counters(s, c, 2);
}

bool mg_limits_tightest(const mg_request *r, mg_measure measure, mg_limit_status *out) {
    bool found = false;
    for (size_t i = 0; r->taken && i < r->taken->n; i++) {
        const taken_entry *e = &r->taken->v[i];
        if (e->fixed || e->limit.measure != measure || !e->counted) continue;
        int64_t left = e->limit.rate.amount - e->state.used;
        if (found && left >= out->limit - out->used) continue;
        *out = (mg_limit_status){e->limit.rate.amount, e->state.used, e->state.reset_ms};
        found = true;
    }
    return found;
}

void mg_budget_prime(mg_worker *w, const mg_snapshot *s, const mg_org *org, int64_t period_start_ms,
                     int64_t spent_nano) {
    mg_error error;
    char key[256];
    int n = snprintf(key, sizeof key, "%.*s:bu:%.*s:%lld", MG_STR_ARG(org->id), MG_STR_ARG(org->budget.period),
                     (long long)period_start_ms);
    void *self = s->store ? mg_use_self(s->store, w->index, w->loop, &error) : NULL;
    if (!self || n < 0 || (size_t)n >= sizeof key) return;
    mg_counter c = {
        .key = {key, (size_t)n}, .amount = spent_nano, .limit = org->budget.limit_nano, .fixed = true, .soft = true};
    ((const mg_store *)mg_use_ops(s->store))->take(self, &c, 1, mg_evloop_pend(w->loop, ignore, NULL));
}
