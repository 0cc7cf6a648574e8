#include "policy/sandbox.h"
#include "base/hash.h"
#include "base/log.h"
#include "policy/binding.h"
#include "policy/call.h"
#include "policy/leash.h"

#include <lualib.h>
#include <luajit.h>

/* What is taken over from the library. Everything else is dropped with it: coroutine (the host's own coroutines must be the
 * only ones), xpcall, newproxy, load and its kin, require, collectgarbage, the environments of functions, string.dump, … */
static const char *const base_kept[] = {"assert",   "error",  "getmetatable", "ipairs",       "next",
                                        "rawequal", "rawget", "select",       "setmetatable", "tonumber",
                                        "tostring", "type",   "unpack",       "_VERSION",     NULL};
static const char *const math_kept[] = {"abs",   "acos", "asin",  "atan", "atan2", "ceil", "cos",   "cosh",
                                        "deg",   "exp",  "floor", "fmod", "frexp", "huge", "ldexp", "log",
                                        "log10", "max",  "min",   "modf", "pi",    "pow",  "rad",   "random",
                                        "sin",   "sinh", "sqrt",  "tan",  "tanh",  NULL};
static const char *const string_kept[] = {"byte",  "char",  "find", "format",  "gmatch", "gsub",  "len",
                                          "lower", "match", "rep",  "reverse", "sub",    "upper", NULL};
static const char *const table_kept[] = {"concat", "insert", "maxn", "remove", "sort", NULL};

static const char environment_key; /* registry: the table that environments are copied from */

enum { PCALL_DEPTH = 100, PRINT_MAX = 1000 };

static void push_template(lua_State *L) {
    lua_pushlightuserdata(L, (void *)&environment_key);
    lua_rawget(L, LUA_REGISTRYINDEX);
}

void mg_sandbox_function(lua_State *L, const char *name) {
    push_template(L);
    lua_insert(L, -2);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

static int refuse_write(lua_State *L) {
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
    return luaL_error(L, "%s is read-only: '%s' can't be set", lua_tostring(L, lua_upvalueindex(1)), key);
}

/* A userdata in front of the table: nothing, rawset and table.insert included, can write to it. */
void mg_sandbox_global(lua_State *L, const char *name) {
    lua_newuserdata(L, 1);
    lua_createtable(L, 0, 3);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushstring(L, name);
    lua_pushcclosure(L, refuse_write, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushliteral(L, "protected");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
    mg_sandbox_function(L, name);
}

void mg_sandbox_push_environment(lua_State *L) {
    lua_newtable(L);
    push_template(L);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -5);
    }
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "_G");
}

void mg_sandbox_check_writable(lua_State *L, int index, const char *who) {
    if (!lua_getmetatable(L, index)) return;
    lua_getfield(L, -1, "__metatable");
    if (!lua_isnil(L, -1)) luaL_error(L, "%s: the table is read-only", who);
    lua_pop(L, 2);
}

/* ---- base functions of our own ----------------------------------------------------------------------------------- */

static int base_rawset(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    luaL_checkany(L, 3);
    mg_sandbox_check_writable(L, 1, "rawset");
    lua_settop(L, 3);
    lua_rawset(L, 1);
    return 1;
}

/* Read-only tables (policy.settings) are empty and lead to another by __index: that one is iterated. Upvalue 1 is next. */
static int base_pairs(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (lua_getmetatable(L, 1)) {
        lua_getfield(L, -1, "__metatable");
        if (!lua_isnil(L, -1)) {
            lua_getfield(L, -2, "__index");
            if (lua_istable(L, -1)) lua_replace(L, 1);
        }
        lua_settop(L, 1);
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_pushnil(L);
    return 3;
}

static int base_print(lua_State *L) {
    char line[PRINT_MAX];
    mg_buf b = {.p = line, .cap = sizeof line, .max = sizeof line};
    for (int i = 1; i <= lua_gettop(L); i++) {
        size_t n;
        if (i > 1) mg_buf_add(&b, "\t", 1);
        int type = lua_type(L, i);
        const char *text = type == LUA_TSTRING || type == LUA_TNUMBER ? lua_tolstring(L, i, &n) : NULL;
        if (!text && type == LUA_TBOOLEAN) text = lua_toboolean(L, i) ? "true" : "false";
        if (!text) text = lua_typename(L, type);
        if (type != LUA_TSTRING && type != LUA_TNUMBER) n = strlen(text);
        mg_str part = mg_str_cut(mg_str_from(text, n), b.max - b.n);
        mg_buf_str(&b, part);
    }
    mg_lua_charge(L, 200);
    mg_log(MG_LOG_INFO, "policy_print", MG_F("policy", mg_lua_policy_name(L)), MG_F("text", mg_buf_view(&b)));
    return 0;
}

/* Upvalue 1 of both: how deep the pcalls of the state's present call are. */
static int pcall_enter(lua_State *L) {
    mg_call *c = mg_call_of(L);
    if (c && ++c->pcall_depth > PCALL_DEPTH) {
        c->pcall_depth--;
        return luaL_error(L, "pcall is nested deeper than 100");
    }
    return 0;
}

static int pcall_leave(lua_State *L) {
    mg_call *c = mg_call_of(L);
    if (c && c->pcall_depth) c->pcall_depth--;
    if (mg_leash_of(L)->killed) mg_lua_charge(L, 1); /* raises: what was stopped stays stopped */
    return 0;
}

/* The library's pcall can be yielded across, which a wrapper in C could not. */
static const char pcall_source[] = "local pcall, enter, leave, select = ...\n"
                                   "local function finish(...) leave() return ... end\n"
                                   "return function(...)\n"
                                   "  if select('#', ...) == 0 then return pcall() end\n"
                                   "  enter()\n"
                                   "  return finish(pcall(...))\n"
                                   "end\n";

static void open_pcall(lua_State *L) {
    if (luaL_loadbufferx(L, pcall_source, sizeof pcall_source - 1, "=pcall", "t") != 0) lua_error(L);
    lua_getglobal(L, "pcall");
    lua_pushcfunction(L, pcall_enter);
    lua_pushcfunction(L, pcall_leave);
    lua_getglobal(L, "select");
    lua_call(L, 4, 1);
    mg_sandbox_function(L, "pcall");
}

static void open_base(lua_State *L) {
    for (const char *const *name = base_kept; *name; name++) {
        lua_getglobal(L, *name);
        mg_sandbox_function(L, *name);
    }
    lua_pushcfunction(L, base_rawset);
    mg_sandbox_function(L, "rawset");
    lua_pushcfunction(L, base_print);
    mg_sandbox_function(L, "print");
    lua_getglobal(L, "next");
    lua_pushcclosure(L, base_pairs, 1);
    mg_sandbox_function(L, "pairs");
    open_pcall(L);
}

/* ---- libraries --------------------------------------------------------------------------------------------------- */

/* Replaces the table on top of the stack by one that has only the names that are kept. */
static void keep(lua_State *L, const char *const *names) {
    lua_newtable(L);
    for (; *names; names++) {
        lua_getfield(L, -2, *names);
        lua_setfield(L, -2, *names);
    }
    lua_remove(L, -2);
}

static void open_library(lua_State *L, const char *name, lua_CFunction open, void (*bound)(lua_State *L),
                         const char *const *kept) {
    lua_pushcfunction(L, open);
    lua_pushstring(L, name);
    lua_call(L, 1, 0);
    lua_getglobal(L, name);
    if (bound) bound(L);
    keep(L, kept);
}

/* Methods of strings: "x":rep(3). */
static void open_string_methods(lua_State *L) {
    lua_pushliteral(L, "");
    lua_createtable(L, 0, 2);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, "protected");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

static void seed_random(lua_State *L) {
    uint32_t seed;
    mg_random(&seed, sizeof seed);
    lua_getglobal(L, "math");
    lua_getfield(L, -1, "randomseed");
    lua_pushnumber(L, seed);
    lua_call(L, 1, 0);
    lua_pop(L, 1);
}

/* Nothing must be reached through the state's own globals, which the library's functions have as their environment. */
static void empty_globals(lua_State *L) {
    lua_pushnil(L);
    while (lua_next(L, LUA_GLOBALSINDEX)) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        lua_pushnil(L);
        lua_rawset(L, LUA_GLOBALSINDEX);
    }
}

void mg_sandbox_open(lua_State *L) {
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    lua_pushlightuserdata(L, (void *)&environment_key);
    lua_newtable(L);
    lua_rawset(L, LUA_REGISTRYINDEX);
    lua_pushcfunction(L, luaopen_base);
    lua_pushliteral(L, "");
    lua_call(L, 1, 0);
    open_base(L);
    open_library(L, "math", luaopen_math, NULL, math_kept);
    seed_random(L);
    mg_sandbox_global(L, "math");
    open_library(L, "table", luaopen_table, mg_sandbox_table, table_kept);
    mg_sandbox_global(L, "table");
    open_library(L, "string", luaopen_string, mg_sandbox_string, string_kept);
    open_string_methods(L);
    mg_sandbox_global(L, "string");
    empty_globals(L);
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, "_LOADED");
}
