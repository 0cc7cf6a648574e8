/* Arguments of bindings: checked before anything is allocated, with messages that name the field. */
#include "policy/binding.h"
#include "policy/nearest.h"

#include <stdio.h>

enum { FIELD_NAME_MAX = 60 };

/* "limits.take" as the caller wrote it cannot be known; luaL_error adds the caller's line. */
mg_str mg_lua_check_str(lua_State *L, int index) {
    mg_str s;
    if (lua_type(L, index) != LUA_TSTRING) luaL_typerror(L, index, "string");
    s.p = lua_tolstring(L, index, &s.n);
    return s;
}

/* Raw access: a metatable's __index could run Lua, and yield the field's value twice differently. */
static int push_field(lua_State *L, int table, const char *field) {
    if (table < 0 && table > LUA_REGISTRYINDEX) table = lua_gettop(L) + table + 1;
    luaL_checktype(L, table, LUA_TTABLE);
    lua_pushstring(L, field);
    lua_rawget(L, table);
    return lua_type(L, -1);
}

mg_str mg_lua_opt_field_str(lua_State *L, int table, const char *field) {
    mg_str s = {NULL, 0};
    int type = push_field(L, table, field);
    if (type == LUA_TSTRING)
        s.p = lua_tolstring(L, -1, &s.n);
    else if (type != LUA_TNIL)
        luaL_error(L, "'%s' must be a string, got %s", field, lua_typename(L, type));
    lua_pop(L, 1); /* the table keeps the string alive */
    return s;
}

double mg_lua_opt_field_number(lua_State *L, int table, const char *field, double otherwise) {
    int type = push_field(L, table, field);
    double n = otherwise;
    if (type == LUA_TNUMBER)
        n = lua_tonumber(L, -1);
    else if (type != LUA_TNIL)
        luaL_error(L, "'%s' must be a number, got %s", field, lua_typename(L, type));
    if (n != n) luaL_error(L, "'%s' must be a number, got NaN", field);
    lua_pop(L, 1);
    return n;
}

static void refuse_field(lua_State *L, mg_str key, const char *const *known, const char *who) {
    mg_nearest nearest = mg_nearest_of(key);
    for (; *known; known++) mg_nearest_try(&nearest, mg_str_of(*known));
    char text[200];
    snprintf(text, sizeof text, "%s: unknown field '" MG_STR_FMT "'" MG_NEAREST_FMT, who,
             MG_STR_ARG(mg_str_cut(key, FIELD_NAME_MAX)), MG_NEAREST_ARG(nearest));
    luaL_error(L, "%s", text);
}

void mg_lua_check_fields(lua_State *L, int table, const char *const *known, const char *who) {
    if (table < 0) table = lua_gettop(L) + table + 1;
    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "%s: takes named fields only, as in { name = value }", who);
        mg_str key;
        key.p = lua_tolstring(L, -1, &key.n);
        const char *const *k = known;
        while (*k && !mg_str_is(key, *k)) k++;
        if (!*k) refuse_field(L, key, known, who);
    }
}

void mg_lua_push_str(lua_State *L, mg_str s) { lua_pushlstring(L, s.p ? s.p : "", s.n); }
