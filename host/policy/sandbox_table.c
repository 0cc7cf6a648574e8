/* Tables: the library's functions, which write past metamethods, keep off read-only tables; their work is charged. */
#include "policy/binding.h"
#include "policy/leash.h"
#include "policy/sandbox.h"

enum { BYTES_A_UNIT = 8, ELEMENTS_A_UNIT = 4 };

/* Elements of the table at 1, which must be one that policies may write to. */
static int length_of(lua_State *L, const char *who) {
    luaL_checktype(L, 1, LUA_TTABLE);
    mg_sandbox_check_writable(L, 1, who);
    return (int)lua_objlen(L, 1);
}

static int table_insert(lua_State *L) {
    int n = length_of(L, "table.insert") + 1, at = n;
    int arguments = lua_gettop(L);
    if (arguments != 2 && arguments != 3) return luaL_error(L, "wrong number of arguments to 'insert'");
    if (arguments == 3) {
        at = (int)luaL_checkinteger(L, 2);
        if (at > n) n = at;
        if (at < n) mg_lua_charge(L, (size_t)((int64_t)n - at) / ELEMENTS_A_UNIT);
        for (int i = n; i > at; i--) {
            lua_rawgeti(L, 1, i - 1);
            lua_rawseti(L, 1, i);
        }
    }
    lua_rawseti(L, 1, at);
    return 0;
}

static int table_remove(lua_State *L) {
    int n = length_of(L, "table.remove");
    int at = (int)luaL_optinteger(L, 2, n);
    if (at < 1 || at > n) return 0;
    mg_lua_charge(L, (size_t)(n - at) / ELEMENTS_A_UNIT);
    lua_rawgeti(L, 1, at);
    for (; at < n; at++) {
        lua_rawgeti(L, 1, at + 1);
        lua_rawseti(L, 1, at);
    }
    lua_pushnil(L);
    lua_rawseti(L, 1, n);
    return 1;
}

/* Upvalue 1 is the library's function. */
static int call_library(lua_State *L, int results) {
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, results);
    return results;
}

static int table_concat(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    mg_lua_charge(L, lua_objlen(L, 1) / ELEMENTS_A_UNIT);
    call_library(L, 1);
    mg_lua_charge(L, lua_objlen(L, -1) / BYTES_A_UNIT);
    return 1;
}

static int table_sort(lua_State *L) {
    mg_leash_check_stack(L);
    size_t n = (size_t)length_of(L, "table.sort"), halvings = 1;
    while (n >> halvings) halvings++;
    mg_lua_charge(L, n * halvings);
    return call_library(L, 0);
}

static int table_maxn(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    mg_lua_charge(L, lua_objlen(L, 1) / ELEMENTS_A_UNIT);
    return call_library(L, 1);
}

static void wrap(lua_State *L, const char *name, lua_CFunction f) {
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, f, 1);
    lua_setfield(L, -2, name);
}

void mg_sandbox_table(lua_State *L) {
    wrap(L, "insert", table_insert);
    wrap(L, "remove", table_remove);
    wrap(L, "concat", table_concat);
    wrap(L, "sort", table_sort);
    wrap(L, "maxn", table_maxn);
}
