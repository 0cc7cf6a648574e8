/* Module clock. */
#include "policy/modules.h"
#include "policy/clock.h"
#include "policy/zone.h"
#include <math.h>

enum { ZONES_KEPT = 8, LOAD_UNITS = 5000 };

/* Specs say what time it is for the policies on their thread. Not a field of something, because `clock` works while a
 * file is being loaded, when there is neither a request nor a worker; nothing but the spec runner sets it. */
static _Thread_local int64_t fixed_ms = -1;

void mg_policy_clock_fix(int64_t unix_ms) { fixed_ms = unix_ms; }

static int64_t now_ms(void) { return fixed_ms >= 0 ? fixed_ms : mg_clock_unix_ms(); }

static int clock_now(lua_State *L) {
    lua_pushnumber(L, (lua_Number)now_ms() / 1000);
    return 1;
}

static int clock_monotonic(lua_State *L) {
    lua_pushnumber(L, (lua_Number)mg_clock_mono_us() / 1e6);
    return 1;
}

static const char key; /* its address names the registry's entry: zones that were read, by name */

static void push_zones(lua_State *L) {
    lua_pushlightuserdata(L, (void *)&key);
    lua_rawget(L, LUA_REGISTRYINDEX);
    if (!lua_isnil(L, -1)) return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushlightuserdata(L, (void *)&key);
    lua_pushvalue(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
}

static void drop_all_if_full(lua_State *L, int table) {
    int n = 0;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) n++;
    if (n < ZONES_KEPT) return;
    for (lua_pushnil(L); lua_next(L, table);) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        lua_pushnil(L);
        lua_rawset(L, table);
    }
}

/* The zone, owned by the state; NULL and a sentence pushed when there is none. The file, a few KB, is read once a
 * state. */
static const mg_zone *find_zone(lua_State *L, mg_str name) {
    push_zones(L);
    int table = lua_gettop(L);
    mg_lua_push_str(L, name);
    lua_rawget(L, table);
    if (!lua_isnil(L, -1)) return lua_touserdata(L, -1);
    mg_lua_charge(L, LOAD_UNITS);
    mg_error error = {0};
    mg_zone *z = lua_newuserdata(L, sizeof *z);
    if (mg_zone_load(name, z, &error) != MG_OK) {
        lua_pushstring(L, error.text);
        return NULL;
    }
    drop_all_if_full(L, table);
    mg_lua_push_str(L, name);
    lua_pushvalue(L, -2);
    lua_rawset(L, table);
    return z;
}

static void set(lua_State *L, const char *name, int value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static int clock_at(lua_State *L) {
    mg_str name = lua_isnoneornil(L, 1) ? MG_STR("UTC") : mg_lua_check_str(L, 1);
    lua_Number seconds = luaL_optnumber(L, 2, (lua_Number)now_ms() / 1000);
    if (!(fabs(seconds) < 1e11)) return luaL_error(L, "clock.at: %f is not a time in Unix seconds", seconds);
    int64_t unix_s = (int64_t)floor(seconds);
    int32_t offset = 0;
    if (!mg_str_is(name, "UTC")) {
        const mg_zone *z = find_zone(L, name);
        if (!z) {
            lua_pushnil(L);
            lua_insert(L, -2);
            return 2;
        }
        offset = mg_zone_offset(z, unix_s);
    }
    mg_time t = mg_clock_split((unix_s + offset) * 1000);
    lua_createtable(L, 0, 9);
    set(L, "year", t.year);
    set(L, "month", t.month);
    set(L, "day", t.day);
    set(L, "hour", t.hour);
    set(L, "min", t.minute);
    set(L, "sec", t.second);
    set(L, "wday", t.weekday);
    set(L, "yday", (int)((mg_clock_join(t.year, t.month, t.day) - mg_clock_join(t.year, 1, 1)) / 86400000) + 1);
    set(L, "offset", offset);
    return 1;
}

static const mg_lua_function functions[] = {
    {"now", clock_now, MG_ANY_PHASE | MG_AT_LOAD, false,
     "@return number seconds\n---\nUnix time with fractions of a second."},
    {"monotonic", clock_monotonic, MG_ANY_PHASE | MG_AT_LOAD, false,
     "@return number seconds\n---\nA clock that never jumps, for measuring; its zero means nothing."},
    {"at", clock_at, MG_ANY_PHASE | MG_AT_LOAD, false,
     "@param zone? string \"Europe/Berlin\"; UTC unless given\n@param time? number Unix time; now unless given\n"
     "@return moongate.date? date nil: there is no such zone\n@return string? error\n---\n"
     "Date and time of day in a time zone, with its daylight saving time."},
    {NULL, NULL, 0, false, NULL},
};

const mg_lua_module mg_lua_clock = {
    .name = "clock",
    .doc = "Time.",
    .functions = functions,
};

static const mg_lua_field date_fields[] = {
    {"year", "integer", "2026.", NULL},
    {"month", "integer", "1 to 12.", NULL},
    {"day", "integer", "1 to 31.", NULL},
    {"hour", "integer", "0 to 23.", NULL},
    {"min", "integer", "0 to 59.", NULL},
    {"sec", "integer", "0 to 59.", NULL},
    {"wday", "integer", "1 (Monday) to 7 (Sunday).", NULL},
    {"yday", "integer", "1 to 366.", NULL},
    {"offset", "integer", "Seconds that the zone is ahead of UTC.", NULL},
    {NULL, NULL, NULL, NULL},
};

const mg_lua_module mg_lua_date = {
    .name = "date",
    .class_ = true,
    .doc = "What `clock.at` returns.",
    .fields = date_fields,
};
