/* Module log: lines in the gateway's log, escaped, cut, and only so many a second. */
#include "policy/modules.h"
#include "base/log.h"
#include <math.h>
#include <stdio.h>

enum { FIELDS_MAX = 8, FIELD_NAME_MAX = 32, LINES_A_SECOND = 50, OWN_FIELDS = 4, NUMBER_BYTES = 32 };

typedef struct rate {
    uint64_t second; /* monotonic */
    int64_t lines, dropped;
} rate;

static const char key; /* its address names the registry's entry */

static rate *rate_of(lua_State *L) {
    lua_pushlightuserdata(L, (void *)&key);
    lua_rawget(L, LUA_REGISTRYINDEX);
    rate *r = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (r) return r;
    lua_pushlightuserdata(L, (void *)&key);
    r = lua_newuserdata(L, sizeof *r);
    *r = (rate){0};
    lua_rawset(L, LUA_REGISTRYINDEX);
    return r;
}

/* Names that the line has already. */
static bool reserved(mg_str name) {
    static const char *const own[] = {"time", "level", "event", "org", "policy", "request", "text", "dropped"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (mg_str_is(name, own[i])) return true;
    return false;
}

static const char *check_field_name(lua_State *L, int index) {
    if (lua_type(L, index) != LUA_TSTRING) luaL_error(L, "log: fields are a table of values by name");
    mg_str name;
    name.p = lua_tolstring(L, index, &name.n);
    bool ok = name.n > 0 && name.n <= FIELD_NAME_MAX && !reserved(name);
    for (size_t i = 0; ok && i < name.n; i++)
        ok = (name.p[i] >= 'a' && name.p[i] <= 'z') || name.p[i] == '_' || (i && name.p[i] >= '0' && name.p[i] <= '9');
    if (!ok)
        luaL_error(
            L,
            "log: a field's name is at most %d lower-case letters, digits and '_', and not one that each line has "
            "(time, level, event, org, policy, request, text, dropped)",
            (int)FIELD_NAME_MAX);
    return name.p;
}

/* The value on top of the stack; `number` takes the text of one that is not whole. */
static mg_field check_field(lua_State *L, const char *name, char number[NUMBER_BYTES]) {
    int type = lua_type(L, -1);
    if (type == LUA_TBOOLEAN) return MG_F(name, lua_toboolean(L, -1) ? MG_STR("true") : MG_STR("false"));
    if (type == LUA_TNUMBER) {
        lua_Number n = lua_tonumber(L, -1);
        if (n == floor(n) && fabs(n) < 1e15) return MG_FN(name, n);
        int length = snprintf(number, NUMBER_BYTES, "%.14g", n);
        return MG_F(name, mg_str_from(number, (size_t)length));
    }
    if (type != LUA_TSTRING)
        luaL_error(L, "log: field '%s' must be a string, a number or a boolean, got %s", name, luaL_typename(L, -1));
    mg_str text;
    text.p = lua_tolstring(L, -1, &text.n);
    return MG_F(name, text);
}

static size_t check_fields(lua_State *L, mg_field *out, char numbers[][NUMBER_BYTES]) {
    size_t n = 0;
    if (lua_isnoneornil(L, 2)) return 0;
    luaL_checktype(L, 2, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
        if (n == FIELDS_MAX) luaL_error(L, "log: at most %d fields", (int)FIELDS_MAX);
        const char *name = check_field_name(L, -2);
        out[n] = check_field(L, name, numbers[n]);
        n++;
    }
    return n;
}

static bool may_write(rate *r) {
    uint64_t second = mg_clock_mono_ms() / 1000;
    if (second != r->second) *r = (rate){second, 0, r->dropped};
    if (r->lines++ < LINES_A_SECOND) return true;
    r->dropped++;
    return false;
}

static int write_line(lua_State *L, mg_log_level level) {
    char numbers[FIELDS_MAX][NUMBER_BYTES];
    mg_field fields[OWN_FIELDS + FIELDS_MAX + 1];
    mg_str text = mg_lua_check_str(L, 1);
    size_t n = OWN_FIELDS + check_fields(L, fields + OWN_FIELDS, numbers);
    rate *r = rate_of(L);
    if (!mg_log_on(level) || !may_write(r)) return 0;
    mg_call *c = mg_call_of(L);
    const mg_request *request = c ? mg_call_request(c) : NULL;
    fields[0] = MG_F("policy", mg_lua_policy_name(L));
    fields[1] = MG_F("org", request && request->org ? request->org->id : mg_lua_org(L));
    fields[2] = MG_F("request", request ? mg_str_of(request->id) : MG_STR(""));
    fields[3] = MG_F("text", text);
    if (r->dropped) fields[n++] = MG_FN("dropped", r->dropped);
    r->dropped = 0;
    mg_log_fields(level, "policy", fields, n);
    return 0;
}

static int log_debug(lua_State *L) { return write_line(L, MG_LOG_DEBUG); }
static int log_info(lua_State *L) { return write_line(L, MG_LOG_INFO); }
static int log_warn(lua_State *L) { return write_line(L, MG_LOG_WARN); }
static int log_error(lua_State *L) { return write_line(L, MG_LOG_ERROR); }

#define PARAMS "@param text string\n@param fields? table<string, string|number|boolean> at most 8\n---\n"

static const mg_lua_function functions[] = {
    {"debug", log_debug, MG_ANY_PHASE | MG_AT_LOAD, false, PARAMS "Writes a line at level debug."},
    {"info", log_info, MG_ANY_PHASE | MG_AT_LOAD, false, PARAMS "Writes a line at level info."},
    {"warn", log_warn, MG_ANY_PHASE | MG_AT_LOAD, false, PARAMS "Writes a line at level warn."},
    {"error", log_error, MG_ANY_PHASE | MG_AT_LOAD, false, PARAMS "Writes a line at level error; does not raise."},
    {NULL, NULL, 0, false, NULL},
};

const mg_lua_module mg_lua_log = {
    .name = "log",
    .doc = "Lines in the gateway's log, with the policy, the organization and the request. Never log what users write. "
           "Long texts are cut; beyond 50 lines a second, lines are dropped and counted.",
    .functions = functions,
};
