#include "gateway/route.h"

#include "base/clock.h"
#include "base/hash.h"

/* A vendor's prices stand under the plugin's name; a compatible server (ollama, …) may use the vendor's model names. */
static mg_str vendor_of(const mg_provider_use *p) { return mg_str_of(mg_use_plugin(p->use)->name); }

/* Amazon's ids of models that others make too: "us.anthropic.claude-sonnet-4-20250514-v1:0", an ARN that ends in one. Without
 * region, maker and version the name is the maker's own, and Amazon charges its list price. */
static mg_str maker_model(mg_str id) {
    const char *slash = id.n ? memrchr(id.p, '/', id.n) : NULL;
    if (slash) id = mg_str_skip(id, (size_t)(slash - id.p) + 1);
    for (int i = 0; i < 2; i++) { /* region, maker */
        size_t dot = mg_str_find(id, '.');
        if (dot < id.n && dot > 1 && !memchr(id.p, '-', dot)) id = mg_str_skip(id, dot + 1);
    }
    const char *colon = id.n ? memrchr(id.p, ':', id.n) : NULL;
    if (!colon) return id;
    size_t n = (size_t)(colon - id.p);
    while (n && id.p[n - 1] >= '0' && id.p[n - 1] <= '9') n--;
    return n > 2 && id.p[n - 1] == 'v' && id.p[n - 2] == '-' ? mg_str_from(id.p, n - 2) : id;
}

const mg_price *mg_target_price(const mg_snapshot *s, const mg_target *t) {
    const mg_price *price = mg_prices_find(s->prices, t->provider->name, t->model);
    if (!price) price = mg_prices_find(s->prices, vendor_of(t->provider), t->model);
    if (!price && mg_str_is(vendor_of(t->provider), "bedrock"))
        price = mg_prices_find(s->prices, MG_STR(""), maker_model(t->model));
    return price;
}

static mg_target *one_target(mg_request *r, const mg_provider_use *p, mg_str model) {
    mg_target *t = MG_ARENA_NEW(r->arena, mg_target);
    t->provider = p;
    t->model = model;
    t->name = mg_arena_join(r->arena, (const mg_str[]){p->name, MG_STR("/"), model}, 3);
    t->weight = 1;
    return t;
}

/* The first provider of the vendor whose price table holds the bare name; a provider of the vendor's own name first. */
static const mg_provider_use *provider_of_model(const mg_snapshot *s, mg_str model) {
    for (size_t i = 0; i < s->n_providers; i++) {
        const mg_provider_use *p = &s->providers[i];
        if (mg_prices_find(s->prices, p->name, model)) return p;
    }
    for (size_t i = 0; i < s->n_providers; i++) {
        const mg_provider_use *p = &s->providers[i];
        if (mg_prices_find(s->prices, vendor_of(p), model)) return p;
    }
    return NULL;
}

mg_status mg_route_resolve(mg_request *r, mg_str name, mg_target **targets, size_t *n, mg_strategy *strategy,
                           mg_error *error) {
    const mg_snapshot *s = r->snapshot;
    const mg_model *m = mg_snapshot_model(s, name);
    if (m) {
        *targets = m->targets;
        *n = m->n_targets;
        *strategy = m->strategy;
        return MG_OK;
    }
    *n = 1;
    *strategy = MG_STRATEGY_ORDER;
    size_t slash = mg_str_find(name, '/');
    const mg_provider_use *p = slash < name.n ? mg_snapshot_provider(s, mg_str_from(name.p, slash)) : NULL;
    if (p && slash + 1 < name.n) {
        *targets = one_target(r, p, mg_str_skip(name, slash + 1));
        return MG_OK;
    }
    p = provider_of_model(s, name);
    if (p) {
        *targets = one_target(r, p, name);
        return MG_OK;
    }
    *n = 0;
    return mg_fail(
        error, 404, "model_not_found",
        "The model '%.*s' does not exist here: it is neither in the model table, nor 'provider/model' of a "
        "configured provider, nor a model of theirs that the price table knows. GET /v1/models lists what there is.",
        (int)(name.n < 120 ? name.n : 120), name.p ? name.p : "");
}

static bool any_glob(const mg_str *globs, size_t n, mg_str target, mg_str asked) {
    if (n == 0) return true;
    for (size_t i = 0; i < n; i++)
        if (mg_str_glob(globs[i], target) || mg_str_glob(globs[i], asked)) return true;
    return false;
}

bool mg_route_allowed(const mg_org *org, const mg_virtual_key *key, mg_str target, mg_str asked) {
    return any_glob(org->models, org->n_models, target, asked) &&
           (!key || any_glob(key->models, key->n_models, target, asked));
}

static mg_status keep_allowed(mg_request *r, mg_target *from, size_t n, mg_str asked, mg_error *error) {
    mg_target *kept = mg_arena_alloc(r->arena, (n ? n : 1) * sizeof *kept);
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        if (mg_route_allowed(r->org, r->key, from[i].name, asked)) kept[k++] = from[i];
    if (!k)
        return mg_fail(error, 403, "model_not_allowed", "This key may not use the model '%.*s'.",
                       (int)(asked.n < 120 ? asked.n : 120), asked.p ? asked.p : "");
    r->targets = kept;
    r->n_targets = k;
    return MG_OK;
}

mg_status mg_route_model(mg_request *r, mg_str name, mg_error *error) {
    mg_target *targets;
    size_t n;
    mg_strategy strategy;
    mg_status st = mg_route_resolve(r, name, &targets, &n, &strategy, error);
    if (st != MG_OK) return st;
    st = keep_allowed(r, targets, n, name, error);
    if (st != MG_OK) return st;
    r->model = name;
    r->routing.strategy = strategy;
    r->target_at = 0;
    return MG_OK;
}

mg_status mg_request_set_model(mg_request *r, mg_str name, mg_error *error) {
    return mg_route_model(r, mg_arena_dup(r->arena, name), error);
}

mg_status mg_request_set_targets(mg_request *r, const mg_str *names, size_t n, mg_error *error) {
    mg_target *all = NULL;
    size_t total = 0, room = 0;
    if (!n) return mg_fail(error, 500, "policy_failed", "targets{} is empty");
    for (size_t i = 0; i < n; i++) {
        mg_target *t;
        size_t k;
        mg_strategy strategy;
        mg_str name = mg_arena_dup(r->arena, names[i]);
        mg_status st = mg_route_resolve(r, name, &t, &k, &strategy, error);
        if (st != MG_OK) return st;
        if (total + k > room) { /* a name of the model table may stand for any number */
            room = total + k + (n - i);
            mg_target *more = mg_arena_alloc(r->arena, room * sizeof *more);
            if (total) memcpy(more, all, total * sizeof *more);
            all = more;
        }
        memcpy(all + total, t, k * sizeof *t);
        total += k;
    }
    r->routing.strategy = MG_STRATEGY_ORDER;
    r->target_at = 0;
    return keep_allowed(r, all, total, r->model, error);
}

bool mg_request_targets_match(const mg_request *r, mg_str glob) {
    if (mg_str_glob(glob, r->model)) return true;
    for (size_t i = 0; i < r->n_targets; i++)
        if (mg_str_glob(glob, r->targets[i].name)) return true;
    return false;
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

enum {
    EXPLORE = 50
}; /* one request in so many goes to another than the fastest first, whose figures would grow old otherwise */

static double draw(double below) {
    uint32_t bits;
    mg_random(&bits, sizeof bits);
    return below * (bits / 4294967296.0);
}

static void put_first(mg_target *t, size_t at) {
    mg_target first = t[at];
    memmove(t + 1, t, at * sizeof *t);
    t[0] = first;
}

/* Each place is drawn from what is left, by weight. */
static void by_weight(mg_target *t, size_t n) {
    for (; n > 1; t++, n--) {
        double sum = 0;
        size_t pick = 0;
        for (size_t i = 0; i < n; i++) sum += t[i].weight;
        for (double at = draw(sum); pick + 1 < n && (at -= t[pick].weight) >= 0;) pick++;
        put_first(t, pick);
    }
}

/* By the time to the first token that half of the calls take. A target that nobody has called yet comes first. */
static double latency_of(mg_request *r, const mg_target *t) {
    mg_circuits *circuits = r->worker->gateway->circuits;
    mg_circuit *c = circuits ? mg_circuits_peek(circuits, t->provider->name, t->model) : NULL;
    mg_circuit_stats stats;
    if (!c) return 0;
    mg_circuit_stats_get(c, mg_clock_mono_ms(), &stats);
    return stats.ttft_p50_us > 0 ? (double)stats.ttft_p50_us : 0;
}

/* What the request would cost there, with an answer as long as it may be, or 512 tokens. */
static double cost_of(mg_request *r, const mg_target *t) {
    const mg_price *price = mg_target_price(r->snapshot, t);
    const mg_usage usage = {.size = sizeof usage,
                            .input = (int64_t)(mg_request_bytes(r) / 4 + 1),
                            .output = r->facts.max_output > 0 ? r->facts.max_output : 512};
    return price ? (double)mg_price_cost(price, &usage) : 1e18;
}

/* Least first; equal ones stay as they are. */
static void by_figure(mg_request *r, mg_target *t, size_t n, double (*figure)(mg_request *r, const mg_target *t)) {
    double *v = mg_arena_alloc(r->arena, n * sizeof *v);
    for (size_t i = 0; i < n; i++) v[i] = figure(r, &t[i]);
    for (size_t i = 1; i < n; i++)
        for (size_t j = i; j > 0 && v[j] < v[j - 1]; j--) {
            double d = v[j];
            mg_target x = t[j];
            v[j] = v[j - 1];
            t[j] = t[j - 1];
            v[j - 1] = d;
            t[j - 1] = x;
        }
}

static void order_run(mg_request *r, mg_target *t, size_t n, mg_strategy strategy) {
    if (n < 2) return;
    switch (strategy) {
    case MG_STRATEGY_ORDER: break;
    case MG_STRATEGY_WEIGHTED: by_weight(t, n); break;
    case MG_STRATEGY_COST: by_figure(r, t, n, cost_of); break;
    case MG_STRATEGY_LATENCY:
        by_figure(r, t, n, latency_of);
        if (draw(EXPLORE) < 1) put_first(t, 1 + (size_t)draw((double)(n - 1)));
        break;
    }
}

void mg_route_order(mg_request *r) {
    for (size_t i = 0, end; i < r->n_targets; i = end) {
        const mg_target *first = &r->targets[i];
        for (end = i + 1; end < r->n_targets && r->targets[end].group == first->group;) end++;
        order_run(r, &r->targets[i], end - i, first->group ? first->group_strategy : r->routing.strategy);
    }
}
