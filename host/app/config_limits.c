#include "app/config_limits.h"

#include "app/settings.h"
#include "base/money.h"

static const struct {
    const char *name;
    mg_measure measure;
} measures[] = {{"requests", MG_MEASURE_REQUESTS}, {"tokens", MG_MEASURE_TOKENS}, {"cost", MG_MEASURE_COST}};
enum { MEASURES = sizeof measures / sizeof measures[0] };

static void add(mg_config_limits *l, mg_arena *arena, const mg_limit *limit) {
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 4;
        mg_limit *v = mg_arena_alloc(arena, cap * sizeof *v);
        if (l->n) memcpy(v, l->v, l->n * sizeof *v);
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = *limit;
}

static void read_rate(const mg_json *v, mg_str shown, mg_limit limit, mg_arena *arena, mg_config_report *r,
                      mg_config_limits *out) {
    mg_error error;
    bool money = limit.measure == MG_MEASURE_COST;
    const char *example = money ? "50 usd/day" : "60/minute";
    if (mg_json_kind(v) != MG_JSON_STRING) {
        mg_config_fault_at(r, v, "'" MG_STR_FMT "' must be a rate such as \"%s\", got %s", MG_STR_ARG(shown), example,
                           mg_config_type(v));
        return;
    }
    if (mg_rate_parse(v->str, &limit.rate, &error) != MG_OK)
        mg_config_fault_at(r, v, "'" MG_STR_FMT "': %s", MG_STR_ARG(shown), error.text);
    else if (limit.rate.usd != money)
        mg_config_fault_at(r, v, "'" MG_STR_FMT "' must %s, as in \"%s\"", MG_STR_ARG(shown),
                           money ? "say usd" : "be a number without usd", example);
    else
        add(out, arena, &limit);
}

static void read_measures(const mg_json *v, mg_str shown, mg_limit limit, mg_arena *arena, mg_config_report *r,
                          mg_config_limits *out) {
    for (size_t i = 0; i < MEASURES; i++) {
        const mg_json *rate = mg_config_member(v, measures[i].name);
        if (!rate) continue;
        mg_str inner = mg_arena_printf(r->arena, MG_STR_FMT ".%s", MG_STR_ARG(shown), measures[i].name);
        bool list = rate->type == MG_JSON_ARRAY;
        limit.measure = measures[i].measure;
        for (const mg_json *e = list ? rate->child : rate; e; e = list ? e->next : NULL)
            if (e->type != MG_JSON_NULL) read_rate(e, inner, limit, arena, r, out);
    }
}

static void read_table(const mg_json *v, mg_str shown, bool elements, mg_arena *arena, mg_config_report *r,
                       mg_config_limits *out) {
    static const char *const names[] = {"requests", "tokens", "cost", "scope", "name", NULL};
    mg_limit limit = {.scope = MG_SCOPE_ORG};
    const mg_json *scope = mg_config_member(v, "scope"), *name = mg_config_member(v, "name");
    mg_host_members_check(v, names, elements, shown, r);
    if (scope && !mg_scope_parse(mg_json_text(scope), &limit.scope))
        mg_config_fault_at(
            r, scope, "'" MG_STR_FMT ".scope' must be \"org\", \"team\", \"user\", \"key\", \"model\" or \"provider\"",
            MG_STR_ARG(shown));
    if (name && name->type != MG_JSON_STRING)
        mg_config_fault_at(r, name, "'" MG_STR_FMT ".name' must be a string, got %s", MG_STR_ARG(shown),
                           mg_config_type(name));
    limit.name = mg_arena_dup(arena, mg_json_text(name));
    read_measures(v, shown, limit, arena, r, out);
}

void mg_config_limits_read(const mg_json *v, mg_str shown, mg_arena *arena, mg_config_report *r,
                           mg_config_limits *out) {
    *out = (mg_config_limits){0};
    if (!mg_config_is_table(v)) return; /* the table of settings says so */
    read_table(v, shown, true, arena, r, out);
    for (const mg_json *e = v->child; e && mg_config_node_of(e)->positional; e = e->next) {
        mg_str inner = mg_arena_printf(r->arena, MG_STR_FMT "[" MG_STR_FMT "]", MG_STR_ARG(shown), MG_STR_ARG(e->key));
        if (mg_config_is_table(e))
            read_table(e, inner, false, arena, r, out);
        else if (e->type != MG_JSON_NULL)
            mg_config_fault_at(
                r, e, "'" MG_STR_FMT "' must be a table such as { scope = \"key\", requests = \"60/minute\" }, got %s",
                MG_STR_ARG(inner), mg_config_type(e));
    }
}

/* ---- budgets ----------------------------------------------------------------------------------------------------- */

static void read_alerts(const mg_json *v, mg_str shown, mg_config_report *r, mg_budget *out) {
    enum { ROOM = sizeof out->alert_at / sizeof out->alert_at[0] };
    bool list = mg_config_is_list(v), fine = list;
    for (const mg_json *e = list ? v->child : NULL; e; e = e->next) {
        double at = mg_json_number(e, -1);
        if (!(at > 0) || at > 10 || out->n_alerts == ROOM)
            fine = false;
        else
            out->alert_at[out->n_alerts++] = at;
    }
    if (!fine)
        mg_config_fault_at(r, v,
                           "'" MG_STR_FMT
                           ".alert_at' must be a list of at most %d parts of the budget, such as { 0.5, 0.8, 1.0 }",
                           MG_STR_ARG(shown), (int)ROOM);
}

void mg_config_budget_read(const mg_json *v, mg_str shown, mg_config_report *r, mg_budget *out) {
    static const char *const names[][2] = {
        {"daily_usd", "day"}, {"weekly_usd", "week"}, {"monthly_usd", "month"}, {"yearly_usd", "year"}};
    *out = (mg_budget){.hard = true};
    if (mg_json_kind(v) != MG_JSON_OBJECT) return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const mg_json *amount = mg_config_member(v, names[i][0]);
        if (!amount) continue;
        if (out->set)
            mg_config_fault_at(r, amount,
                               "'" MG_STR_FMT
                               "' has more than one amount: keep one of daily_usd, weekly_usd, monthly_usd, yearly_usd",
                               MG_STR_ARG(shown));
        out->set = true;
        out->period = mg_str_of(names[i][1]);
        out->limit_nano = mg_money_from_usd(mg_json_number(amount, 0));
    }
    const mg_json *alerts = mg_config_member(v, "alert_at");
    out->hard = mg_json_bool(mg_config_member(v, "hard"), true);
    if (alerts) read_alerts(alerts, shown, r, out);
    if (!out->set)
        mg_config_fault_at(r, v, "'" MG_STR_FMT "' needs an amount: daily_usd, weekly_usd, monthly_usd or yearly_usd",
                           MG_STR_ARG(shown));
}
