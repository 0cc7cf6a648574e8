/* Module budget: how much of a period's money is left. */
#include "policy/modules.h"
#include "gateway/limits.h"

typedef struct pending { /* in the request's arena */
    mg_call *call;
    mg_request *request;
    const mg_budget_status *status;
    const mg_error *error;
} pending;

static void cancel(void *arg) {
    pending *p = arg;
    mg_limits_cancel(p->request);
}

static void set_usd(lua_State *L, const char *name, int64_t nano) {
    lua_pushnumber(L, mg_money_to_usd(nano));
    lua_setfield(L, -2, name);
}

static int push_status(lua_State *L, void *data) {
    const pending *p = data;
    const mg_budget_status *s = p->status;
    if (!s) {
        lua_pushnil(L);
        if (!p->error) return 1;
        lua_pushstring(L, p->error->text);
        return 2;
    }
    lua_createtable(L, 0, 7);
    set_usd(L, "limit", s->limit);
    set_usd(L, "spent", s->spent);
    set_usd(L, "reserved", s->reserved);
    set_usd(L, "left", s->left);
    set_usd(L, "used", s->used);
    lua_pushboolean(L, s->hard);
    lua_setfield(L, -2, "hard");
    lua_pushnumber(L, (lua_Number)s->resets_at_ms / 1000);
    lua_setfield(L, -2, "resets_at");
    return 1;
}

static void known(void *arg, const mg_budget_status *status, const mg_error *error) {
    pending *p = arg;
    p->status = status;
    p->error = error;
    mg_call_ready(p->call, push_status, p);
}

static mg_str check_period(lua_State *L) {
    mg_str period = mg_lua_opt_field_str(L, 1, "period");
    int64_t start, end;
    if (!period.p) return MG_STR("");
    if (!mg_clock_period(period, 0, &start, &end))
        luaL_error(L, "budget.status: 'period' must be day, week, month or year, got \"%s\"", period.p);
    return period;
}

static int budget_status(lua_State *L) {
    static const char *const fields[] = {"scope", "period", NULL};
    mg_scope scope = MG_SCOPE_ORG;
    mg_str period = MG_STR("");
    if (!lua_isnoneornil(L, 1)) {
        luaL_checktype(L, 1, LUA_TTABLE);
        mg_lua_check_fields(L, 1, fields, "budget.status");
        mg_str text = mg_lua_opt_field_str(L, 1, "scope");
        if (text.p && !mg_scope_parse(text, &scope))
            return luaL_error(L, "budget.status: 'scope' must be org, team, user, key, model or provider, got \"%s\"",
                              text.p);
        period = check_period(L);
    }
    mg_request *r = mg_lua_request(L);
    pending *p = MG_ARENA_NEW(r->arena, pending);
    p->request = r;
    period = mg_arena_dup(r->arena, period);
    p->call = mg_call_wait(L, cancel, p);
    mg_call *call = p->call;
    mg_budget_status_get(r, scope, period, known, p);
    return mg_call_yield(L, call);
}

static const mg_lua_function functions[] = {
    {"status", budget_status, MG_ANY_PHASE, true,
     "@param options? {scope?: \"org\"|\"team\"|\"user\"|\"key\", period?: \"day\"|\"week\"|\"month\"|\"year\"} the "
     "organization's, and the configured period, unless given\n"
     "@return moongate.budget_status? status nil: there is no such budget\n@return string? error why it can't be "
     "known\n---\n"
     "How the budget of the present period stands. What is reserved for requests under way counts as used."},
    {NULL, NULL, 0, false, NULL},
};

const mg_lua_module mg_lua_budget = {
    .name = "budget",
    .doc = "Money over billing periods, which begin at midnight UTC.",
    .functions = functions,
};

static const mg_lua_field status_fields[] = {
    {"limit", "number", "Dollars for the period.", NULL},
    {"spent", "number", "Dollars that ended requests cost.", NULL},
    {"reserved", "number", "Dollars held for requests under way.", NULL},
    {"left", "number", "Dollars that can still be reserved.", NULL},
    {"used", "number", "`spent + reserved`.", NULL},
    {"hard", "boolean", "True: the host refuses what does not fit. False: it only warns.", NULL},
    {"resets_at", "number", "Unix time at which the next period begins.", NULL},
    {NULL, NULL, NULL, NULL},
};

const mg_lua_module mg_lua_budget_status = {
    .name = "budget_status",
    .class_ = true,
    .doc = "What `budget.status` returns.",
    .fields = status_fields,
};
