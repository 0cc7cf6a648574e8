/* Module limits: rates that a policy declares for the request. */
#include "policy/modules.h"
#include "gateway/limits.h"
#include <math.h>

enum { NAME_MAX_BYTES = 64, BEFORE_DISPATCH = (1 << (MG_PHASE_SPEND + 1)) - 1 };

static const struct {
    const char *field;
    mg_measure measure;
} measures[] = {{"requests", MG_MEASURE_REQUESTS}, {"tokens", MG_MEASURE_TOKENS}, {"cost", MG_MEASURE_COST}};
enum { N_MEASURES = sizeof measures / sizeof measures[0] };

static mg_scope check_scope(lua_State *L, int table, const char *who) {
    mg_scope scope = MG_SCOPE_ORG;
    mg_str text = mg_lua_opt_field_str(L, table, "scope");
    if (text.p && !mg_scope_parse(text, &scope))
        luaL_error(L, "%s: 'scope' must be org, team, user, key, model or provider, got \"%s\"", who, text.p);
    return scope;
}

static mg_str check_name(lua_State *L, int table, const char *who) {
    mg_str name = mg_lua_opt_field_str(L, table, "name");
    bool ok = name.n <= NAME_MAX_BYTES;
    for (size_t i = 0; ok && i < name.n; i++) {
        char c = name.p[i];
        ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
             c == '.';
    }
    if (!ok) luaL_error(L, "%s: 'name' must be at most %d letters, digits, '_', '-' and '.'", who, (int)NAME_MAX_BYTES);
    return name;
}

static mg_rate check_rate(lua_State *L, const char *who, size_t m, mg_str text) {
    mg_rate rate;
    mg_error error = {0};
    if (mg_rate_parse(text, &rate, &error) != MG_OK)
        luaL_error(L, "%s: '%s' must be a rate like %s: %s", who, measures[m].field,
                   measures[m].measure == MG_MEASURE_COST ? "\"50 usd/day\"" : "\"60/minute\"", error.text);
    if (rate.usd != (measures[m].measure == MG_MEASURE_COST))
        luaL_error(L,
                   rate.usd ? "%s: '%s' counts %s, not dollars: write it like \"60/minute\""
                            : "%s: '%s' counts dollars: write it like \"50 usd/day\"",
                   who, measures[m].field, measures[m].field);
    return rate;
}

/* Fills limits from the table at 1; returns their number, at least 1. Names are borrowed from Lua. */
static size_t check_limits(lua_State *L, const char *who, mg_limit limits[N_MEASURES]) {
    static const char *const known[] = {"requests", "tokens", "cost", "scope", "name", NULL};
    luaL_checktype(L, 1, LUA_TTABLE);
    mg_lua_check_fields(L, 1, known, who);
    mg_scope scope = check_scope(L, 1, who);
    mg_str name = check_name(L, 1, who);
    size_t n = 0;
    for (size_t m = 0; m < N_MEASURES; m++) {
        mg_str text = mg_lua_opt_field_str(L, 1, measures[m].field);
        if (text.p) limits[n++] = (mg_limit){scope, measures[m].measure, check_rate(L, who, m, text), name};
    }
    if (n == 0)
        luaL_error(L, "%s: nothing to limit: give 'requests', 'tokens' or 'cost', as in requests = \"60/minute\"", who);
    return n;
}

/* An operation under way; in the request's arena. */
typedef struct pending {
    mg_call *call;
    mg_request *request;
    mg_limit limits[N_MEASURES];
    bool ok;
    uint64_t wait_ms;
    const mg_limit_status *status;
    const mg_error *error;
} pending;

static pending *pend(lua_State *L, const mg_limit *limits, size_t n) {
    mg_request *r = mg_lua_request(L);
    pending *p = MG_ARENA_NEW(r->arena, pending);
    p->request = r;
    memcpy(p->limits, limits, n * sizeof *limits);
    mg_str name = limits[0].name.n ? mg_arena_dup(r->arena, limits[0].name) : MG_STR("");
    for (size_t i = 0; i < n; i++) p->limits[i].name = name;
    return p;
}

static void cancel(void *arg) {
    pending *p = arg;
    mg_limits_cancel(p->request);
}

static int push_error(lua_State *L, const mg_error *error) {
    lua_pushnil(L);
    lua_pushstring(L, error->text);
    return 2;
}

static int push_taken(lua_State *L, void *data) {
    const pending *p = data;
    if (p->error) return push_error(L, p->error);
    lua_pushboolean(L, p->ok);
    if (p->ok) return 1;
    lua_pushnumber(L, p->wait_ms == UINT64_MAX ? HUGE_VAL : (lua_Number)p->wait_ms / 1000);
    return 2;
}

static void taken(void *arg, bool ok, uint64_t wait_ms, const mg_error *error) {
    pending *p = arg;
    p->ok = ok;
    p->wait_ms = wait_ms;
    p->error = error;
    mg_call_ready(p->call, push_taken, p);
}

static int limits_take(lua_State *L) {
    mg_limit limits[N_MEASURES];
    size_t n = check_limits(L, "limits.take", limits);
    pending *p = pend(L, limits, n);
    p->call = mg_call_wait(L, cancel, p);
    mg_call *call = p->call;
    mg_limits_take(p->request, p->limits, n, taken, p);
    return mg_call_yield(L, call);
}

static lua_Number amount(mg_measure measure, int64_t n) {
    return measure == MG_MEASURE_COST ? mg_money_to_usd(n) : (lua_Number)n;
}

static int push_status(lua_State *L, void *data) {
    const pending *p = data;
    if (p->error) return push_error(L, p->error);
    lua_pushnumber(L, amount(p->limits[0].measure, p->status->limit));
    lua_pushnumber(L, amount(p->limits[0].measure, p->status->used));
    lua_pushnumber(L, (lua_Number)p->status->reset_ms / 1000);
    return 3;
}

static void status_known(void *arg, const mg_limit_status *status, const mg_error *error) {
    pending *p = arg;
    p->status = status;
    p->error = error;
    mg_call_ready(p->call, push_status, p);
}

static int limits_status(lua_State *L) {
    mg_limit limits[N_MEASURES];
    if (check_limits(L, "limits.status", limits) != 1)
        return luaL_error(L, "limits.status: ask for one of 'requests', 'tokens' and 'cost' at a time");
    pending *p = pend(L, limits, 1);
    p->call = mg_call_wait(L, cancel, p);
    mg_call *call = p->call;
    mg_limits_status(p->request, p->limits, status_known, p);
    return mg_call_yield(L, call);
}

static const mg_lua_function functions[] = {
    {"take", limits_take, BEFORE_DISPATCH, true,
     "@param limits {requests?: string, tokens?: string, cost?: string, "
     "scope?: \"org\"|\"team\"|\"user\"|\"key\"|\"model\"|\"provider\", name?: string} "
     "rates like \"60/minute\", \"50/2s\", \"100000/hour\", \"50 usd/day\"\n"
     "@return boolean? ok true: it fits; false: over the limit; nil: the counters can't be reached\n"
     "@return number|string|nil wait false: seconds until it would fit (math.huge: never); nil: what went wrong\n---\n"
     "Declares limits for this request. Requests are taken now, all or none; tokens and cost are reserved before the "
     "request "
     "is sent and settled by what it used. A limit is taken once a request, however often it is asked for; of equal "
     "scope and "
     "period the strictest holds, the configuration's included. `scope` is `org` unless given; `name` tells limits "
     "apart that "
     "are otherwise alike."},
    {"status", limits_status, MG_ANY_PHASE, true,
     "@param limit {requests?: string, tokens?: string, cost?: string, "
     "scope?: \"org\"|\"team\"|\"user\"|\"key\"|\"model\"|\"provider\", name?: string} one rate, as for `limits.take`\n"
     "@return number? limit requests, tokens or dollars; nil: the counters can't be reached\n"
     "@return number|string used or what went wrong\n@return number? reset seconds until the window is empty\n---\n"
     "How full a limit is for this request's scope, without taking anything."},
    {NULL, NULL, 0, false, NULL},
};

const mg_lua_module mg_lua_limits = {
    .name = "limits",
    .doc = "Rate limits, counted over sliding windows and shared by all workers.",
    .functions = functions,
};
