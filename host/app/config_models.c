#include "app/config_models.h"

#include "app/config_use.h"
#include "app/settings.h"

typedef struct reading {
    mg_arena *arena; /* of what is read */
    mg_config_report *r;
    const mg_config *c;
    const mg_snapshot *s; /* NULL: forms only */
} reading;

/* ---- providers --------------------------------------------------------------------------------------------------- */

/* A bare name goes where a request for it would go: to the provider whose own name is the price table's vendor, else to
 * the first whose plugin's is. */
static const mg_provider_use *provider_of_model(const mg_snapshot *s, mg_str model) {
    for (size_t i = 0; i < s->n_providers; i++)
        if (mg_prices_find(s->prices, s->providers[i].name, model)) return &s->providers[i];
    for (size_t i = 0; i < s->n_providers; i++)
        if (mg_prices_find(s->prices, mg_str_of(mg_use_plugin(s->providers[i].use)->name), model))
            return &s->providers[i];
    return NULL;
}

static const mg_config_use *find_use(const mg_config *c, mg_str name) {
    for (size_t i = 0; i < c->n_providers; i++)
        if (mg_str_eq(c->providers[i].name, name)) return &c->providers[i];
    return NULL;
}

static void no_provider(const reading *g, const mg_json *at, mg_str shown, mg_str provider) {
    mg_config_nearest nearest = {.word = provider};
    const mg_config_use *use = find_use(g->c, provider);
    const char *env = mg_config_implicit_env(provider);
    bool implied = g->c->n_providers > 0 && g->c->providers[0].implicit;
    mg_str name = mg_str_cut(provider, 60), mend = MG_STR("");
    if (use && !use->implicit) return; /* it has a fault of its own */
    for (size_t i = 0; i < g->s->n_providers; i++) mg_config_nearest_offer(&nearest, g->s->providers[i].name);
    if (use)
        mend = MG_STR(": it was left out, a warning says why");
    else if (implied && env)
        mend = mg_arena_printf(g->r->arena, ": set %s, or declare it in 'providers'", env);
    else
        mend = mg_config_nearest_text(&nearest, g->r->arena, "");
    mg_config_fault_at(g->r, at, "'" MG_STR_FMT "': there is no provider '" MG_STR_FMT "'" MG_STR_FMT,
                       MG_STR_ARG(shown), MG_STR_ARG(name), MG_STR_ARG(mend));
}

static void resolve(const reading *g, const mg_json *at, mg_str shown, mg_target *t) {
    mg_str text = t->name;
    size_t slash = mg_str_find(text, '/');
    if (slash < text.n) t->provider = mg_snapshot_provider(g->s, mg_str_from(text.p, slash));
    if (t->provider) {
        t->model = mg_str_skip(text, slash + 1);
        return;
    }
    t->provider = provider_of_model(g->s, text);
    if (t->provider) {
        t->model = text;
        t->name = mg_arena_printf(g->arena, MG_STR_FMT "/" MG_STR_FMT, MG_STR_ARG(t->provider->name), MG_STR_ARG(text));
    } else if (slash < text.n) {
        no_provider(g, at, shown, mg_str_from(text.p, slash));
    } else {
        mg_config_fault_at(g->r, at,
                           "'" MG_STR_FMT "': no provider here is known to have a model '" MG_STR_FMT
                           "': write provider/model",
                           MG_STR_ARG(shown), MG_STR_ARG(mg_str_cut(text, 60)));
    }
}

/* ---- targets ----------------------------------------------------------------------------------------------------- */

static void read_name(const reading *g, const mg_json *v, const mg_json *name, mg_str shown, mg_target *t) {
    size_t slash = mg_str_find(mg_json_text(name), '/');
    if (mg_json_kind(name) != MG_JSON_STRING || !name->str.n || slash == 0 || slash + 1 == name->str.n) {
        mg_config_fault_at(g->r, v, "'" MG_STR_FMT "' must name a target, as in \"openai/gpt-4o\"", MG_STR_ARG(shown));
        return;
    }
    t->name = mg_arena_dup(g->arena, name->str);
    if (g->s) resolve(g, v, shown, t);
}

/* A string, or { "provider/model", weight = …, timeout = … }. */
static void read_target(const reading *g, const mg_json *v, mg_str shown, bool *weighted, mg_target *t) {
    static const char *const names[] = {"weight", "timeout", NULL};
    static const mg_host_setting number = {.type = MG_HOST_NUMBER}, seconds = {.type = MG_HOST_SECONDS};
    t->weight = 1;
    if (!mg_config_is_table(v)) {
        read_name(g, v, v, shown, t);
        return;
    }
    const mg_json *weight = mg_config_member(v, "weight"), *timeout = mg_config_member(v, "timeout");
    mg_host_members_check(v, names, true, shown, g->r);
    read_name(g, v, mg_config_element(v, 0), shown, t);
    if (mg_config_element(v, 1))
        mg_config_fault_at(g->r, v, "'" MG_STR_FMT "' holds more than one target: write each as an element of its own",
                           MG_STR_ARG(shown));
    if (weight && mg_host_value_check(&number, weight,
                                      mg_arena_printf(g->r->arena, MG_STR_FMT ".weight", MG_STR_ARG(shown)), g->r))
        t->weight = mg_json_number(weight, 1);
    if (timeout && mg_host_value_check(&seconds, timeout,
                                       mg_arena_printf(g->r->arena, MG_STR_FMT ".timeout", MG_STR_ARG(shown)), g->r))
        t->total_ms = mg_host_setting_ms(timeout, "providers.*.timeouts.total");
    *weighted = *weighted || weight;
}

/* ---- models ------------------------------------------------------------------------------------------------------ */

static void read_strategy(const reading *g, const mg_json *v, mg_str shown, bool weighted, mg_model *m) {
    static const char *const names[] = {"order", "weighted", "latency", "cost"};
    const mg_json *strategy = mg_config_member(v, "strategy");
    bool found = !strategy;
    for (size_t i = 0; strategy && i < sizeof names / sizeof names[0]; i++)
        if (mg_str_is(mg_json_text(strategy), names[i])) {
            m->strategy = (mg_strategy)i;
            found = true;
        }
    if (!found)
        mg_config_fault_at(g->r, strategy,
                           "'" MG_STR_FMT ".strategy' must be \"order\", \"weighted\", \"latency\" or \"cost\"",
                           MG_STR_ARG(shown));
    if (weighted && m->strategy != MG_STRATEGY_WEIGHTED)
        mg_config_warn_at(g->r, v, "'" MG_STR_FMT "' has weights, which count only with strategy = \"weighted\"",
                          MG_STR_ARG(shown));
}

static void read_model(const reading *g, const mg_json *v, mg_model *m) {
    static const char *const names[] = {"strategy", NULL};
    mg_str shown = mg_arena_printf(g->r->arena, "models." MG_STR_FMT, MG_STR_ARG(mg_str_cut(v->key, 60)));
    bool table = mg_config_is_table(v), weighted = false;
    *m = (mg_model){.name = mg_arena_dup(g->arena, v->key)};
    m->targets = mg_arena_zalloc(g->arena, ((table ? v->count : 0) + 1) * sizeof *m->targets);
    if (!m->name.n) mg_config_fault_at(g->r, v, "a model's name must not be empty");
    if (!table) {
        read_target(g, v, shown, &weighted, &m->targets[m->n_targets++]);
        return;
    }
    mg_host_members_check(v, names, true, shown, g->r);
    for (const mg_json *e = v->child; e && mg_config_node_of(e)->positional; e = e->next)
        if (e->type != MG_JSON_NULL)
            read_target(
                g, e,
                mg_arena_printf(g->r->arena, MG_STR_FMT "[" MG_STR_FMT "]", MG_STR_ARG(shown), MG_STR_ARG(e->key)),
                &weighted, &m->targets[m->n_targets++]);
    if (!m->n_targets) mg_config_fault_at(g->r, v, "'" MG_STR_FMT "' has no targets", MG_STR_ARG(shown));
    read_strategy(g, v, shown, weighted, m);
}

static bool is_model(const mg_json *e) {
    return !mg_config_node_of(e)->positional && (e->type == MG_JSON_STRING || mg_config_is_table(e));
}

void mg_config_models_check(const mg_json *table, mg_config_report *r) {
    const reading g = {r->arena, r, NULL, NULL};
    mg_model m;
    for (const mg_json *e = table ? table->child : NULL; e; e = e->next)
        if (is_model(e)) read_model(&g, e, &m);
}

void mg_config_models_build(const mg_config *c, mg_snapshot *s, mg_config_report *r) {
    const reading g = {s->arena, r, c, s};
    mg_model *models = mg_arena_zalloc(s->arena, ((c->models ? c->models->count : 0) + 1) * sizeof *models);
    for (const mg_json *e = c->models ? c->models->child : NULL; e; e = e->next)
        if (is_model(e)) read_model(&g, e, &models[s->n_models++]);
    s->models = models;
}
