/* Module metrics: a policy's own counters and gauges in /metrics. */
#include "policy/modules.h"
#include <math.h>
#include <stdio.h>

enum { NAME_BYTES = 48, VALUE_BYTES = 64, LABELS_MAX = 4, SERIES_MAX = 500, OWN_LABELS = 2 };

static const char prefix[] = "moongate_policy_";

static bool is_name(mg_str s, size_t max) {
    bool ok = s.n > 0 && s.n <= max;
    for (size_t i = 0; ok && i < s.n; i++)
        ok = (s.p[i] >= 'a' && s.p[i] <= 'z') || s.p[i] == '_' || (i && s.p[i] >= '0' && s.p[i] <= '9');
    return ok;
}

/* Metrics of the host that share the prefix. */
static bool reserved(mg_str name) {
    static const char *const own[] = {"reload", "generation", "state", "kill", "suspend", "call", "failure", "run"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (mg_str_starts(name, mg_str_of(own[i]))) return true;
    return false;
}

static mg_str check_name(lua_State *L, const char *who) {
    mg_str name = mg_lua_check_str(L, 1);
    if (!is_name(name, NAME_BYTES))
        luaL_error(L, "%s: a metric's name is at most %d lower-case letters, digits and '_'", who, (int)NAME_BYTES);
    if (reserved(name))
        luaL_error(L, "%s: names that begin like '%s' are the gateway's own: choose another", who, name.p);
    return name;
}

static void check_label(lua_State *L, const char *who, mg_header *out) {
    out->name.p = lua_tolstring(L, -2, &out->name.n);
    out->value.p = lua_tolstring(L, -1, &out->value.n);
    if (!is_name(out->name, NAME_BYTES) || mg_str_is(out->name, "org") || mg_str_is(out->name, "policy"))
        luaL_error(L, "%s: a label's name is lower-case letters, digits and '_', and not org or policy", who);
    if (out->value.n > VALUE_BYTES)
        luaL_error(L, "%s: the value of label '%s' is longer than %d bytes", who, out->name.p, (int)VALUE_BYTES);
}

/* Labels of the table at index, in order of their names, so that equal sets are one series. */
static size_t check_labels(lua_State *L, int index, const char *who, mg_header *out) {
    size_t n = 0;
    if (lua_isnoneornil(L, index)) return 0;
    luaL_checktype(L, index, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (n == LABELS_MAX) luaL_error(L, "%s: at most %d labels", who, (int)LABELS_MAX);
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "%s: labels are a table of strings by name", who);
        mg_header label;
        check_label(L, who, &label);
        size_t at = n++;
        for (; at > 0 && strcmp(out[at - 1].name.p, label.name.p) > 0; at--) out[at] = out[at - 1];
        out[at] = label;
    }
    return n;
}

static const char key; /* its address names the registry's entry: series by name and labels; element 1 counts them */

static void push_known(lua_State *L) {
    lua_pushlightuserdata(L, (void *)&key);
    lua_rawget(L, LUA_REGISTRYINDEX);
    if (!lua_isnil(L, -1)) return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushlightuserdata(L, (void *)&key);
    lua_pushvalue(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
}

/* A NUL ends each part: names hold none, and a value is followed by the next name only. */
static void push_series_key(lua_State *L, char kind, mg_str name, const mg_header *labels, size_t n) {
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    luaL_addchar(&b, kind);
    luaL_addlstring(&b, name.p, name.n + 1);
    for (size_t i = 0; i < n; i++) {
        luaL_addlstring(&b, labels[i].name.p ? labels[i].name.p : "", labels[i].name.n);
        luaL_addchar(&b, 0);
        luaL_addlstring(&b, labels[i].value.p ? labels[i].value.p : "", labels[i].value.n);
        luaL_addchar(&b, 0);
    }
    luaL_pushresult(&b);
}

/* Finds or declares the series; NULL when the process keeps no metrics. Raises beyond SERIES_MAX. */
static mg_series *find_series(lua_State *L, const char *who, mg_metric_type type, int labels_index) {
    mg_header labels[OWN_LABELS + LABELS_MAX];
    mg_str name = check_name(L, who);
    size_t n = OWN_LABELS + check_labels(L, labels_index, who, labels + OWN_LABELS);
    mg_request *r = mg_lua_request(L);
    labels[0] = (mg_header){MG_STR("org"), r->org ? r->org->id : MG_STR("")};
    labels[1] = (mg_header){MG_STR("policy"), mg_lua_policy_name(L)};
    push_known(L);
    push_series_key(L, type == MG_COUNTER ? 'c' : 'g', name, labels, n);
    lua_pushvalue(L, -1);
    lua_rawget(L, -3);
    if (!lua_isnil(L, -1)) return lua_touserdata(L, -1);
    lua_rawgeti(L, -3, 1);
    lua_Integer known = lua_tointeger(L, -1);
    if (known >= SERIES_MAX)
        luaL_error(L, "%s: more than %d series: label values must not be ids", who, (int)SERIES_MAX);
    lua_pushinteger(L, known + 1);
    lua_rawseti(L, -5, 1);
    lua_pop(L, 2);
    mg_metrics *metrics = mg_call_worker(mg_call_of(L))->gateway->metrics;
    char full[sizeof prefix + NAME_BYTES];
    snprintf(full, sizeof full, "%s" MG_STR_FMT, prefix, MG_STR_ARG(name));
    mg_series *s = metrics ? mg_metrics_series(metrics, full, type, "Declared by a policy.", NULL, 0, labels, n) : NULL;
    if (metrics && !s) luaL_error(L, "%s: '%s' is a metric of another kind already", who, name.p);
    lua_pushlightuserdata(L, s);
    lua_rawset(L, -3);
    return s;
}

static int64_t check_amount(lua_State *L, int index, const char *who, lua_Number least) {
    lua_Number n = luaL_optnumber(L, index, 1);
    if (!(n >= least && n <= 1e15) || n != floor(n)) luaL_error(L, "%s: expected a whole number, got %f", who, n);
    return (int64_t)n;
}

static int metrics_count(lua_State *L) {
    int64_t n = check_amount(L, 3, "metrics.count", 0);
    mg_series_add(find_series(L, "metrics.count", MG_COUNTER, 2), n);
    return 0;
}

static int metrics_gauge(lua_State *L) {
    luaL_checknumber(L, 2);
    int64_t n = check_amount(L, 2, "metrics.gauge", -1e15);
    mg_series_set(find_series(L, "metrics.gauge", MG_GAUGE, 3), n);
    return 0;
}

static const mg_lua_function functions[] = {
    {"count", metrics_count, MG_ANY_PHASE, false,
     "@param name string\n@param labels? table<string, string> at most 4\n@param n? integer 1 unless given\n---\n"
     "Adds to the counter `moongate_policy_NAME`."},
    {"gauge", metrics_gauge, MG_ANY_PHASE, false,
     "@param name string\n@param value integer\n@param labels? table<string, string> at most 4\n---\n"
     "Sets the gauge `moongate_policy_NAME`."},
    {NULL, NULL, 0, false, NULL},
};

const mg_lua_module mg_lua_metrics = {
    .name = "metrics",
    .doc = "Counters and gauges of your own in `/metrics`, labelled with `org` and `policy` besides what you give. "
           "Label values "
           "must be few: never ids of users or requests.",
    .functions = functions,
};
