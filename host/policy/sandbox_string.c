/* Strings: the library's functions with bounds. */
#include "policy/binding.h"
#include "policy/leash.h"
#include "policy/sandbox.h"
#include "policy/sandbox_pattern.h"

#include <stdint.h>

enum { BYTES_A_UNIT = 8 };

static mg_str check_str(lua_State *L, int index) {
    mg_str s;
    s.p = luaL_checklstring(L, index, &s.n);
    return s;
}

/* ---- find and match ---------------------------------------------------------------------------------------------- */

/* The third argument as an offset into n bytes; beyond the end it is the end, as in 5.1. */
static size_t start_offset(lua_State *L, size_t n) {
    lua_Integer at = luaL_optinteger(L, 3, 1);
    if (at < 0) at += (lua_Integer)n + 1;
    size_t offset = at > 0 ? (size_t)at - 1 : 0;
    return offset < n ? offset : n;
}

static int find_plain(lua_State *L, mg_str s, mg_str p, size_t from) {
    mg_lua_charge(L, (s.n - from) / BYTES_A_UNIT);
    const char *found = p.n ? memmem(s.p + from, s.n - from, p.p, p.n) : s.p + from;
    if (!found) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, found - s.p + 1);
    lua_pushinteger(L, found - s.p + (ptrdiff_t)p.n);
    return 2;
}

static int find(lua_State *L, bool want_position) {
    mg_str s = check_str(L, 1), p = check_str(L, 2);
    size_t from = start_offset(L, s.n);
    if (want_position && (lua_toboolean(L, 4) || mg_pattern_plain(p))) return find_plain(L, s, p, from);
    mg_pattern m;
    mg_pattern_init(&m, L, s, p, true);
    const char *end, *start = mg_pattern_from(&m, s.p + from, &end);
    if (!start) {
        lua_pushnil(L);
        return 1;
    }
    if (!want_position) return mg_pattern_push(&m, start, end);
    lua_pushinteger(L, start - s.p + 1);
    lua_pushinteger(L, end - s.p);
    return 2 + mg_pattern_push(&m, NULL, NULL);
}

static int string_find(lua_State *L) { return find(L, true); }
static int string_match(lua_State *L) { return find(L, false); }

/* Upvalues: text, pattern, offset to go on from. */
static int gmatch_next(lua_State *L) {
    mg_str s, p;
    s.p = lua_tolstring(L, lua_upvalueindex(1), &s.n);
    p.p = lua_tolstring(L, lua_upvalueindex(2), &p.n);
    size_t from = (size_t)lua_tointeger(L, lua_upvalueindex(3));
    if (from > s.n) return 0;
    mg_pattern m;
    mg_pattern_init(&m, L, s, p, false);
    const char *end, *start = mg_pattern_from(&m, s.p + from, &end);
    if (!start) return 0;
    lua_pushinteger(L, end - s.p + (end == start));
    lua_replace(L, lua_upvalueindex(3));
    return mg_pattern_push(&m, start, end);
}

static int string_gmatch(lua_State *L) {
    check_str(L, 1);
    check_str(L, 2);
    lua_settop(L, 2);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, gmatch_next, 3);
    return 1;
}

/* ---- gsub -------------------------------------------------------------------------------------------------------- */

/* A replacement text: %0 the match, %1 to %9 captures, %% a percent sign. */
static void add_template(mg_pattern *m, luaL_Buffer *b, const char *start, const char *end) {
    size_t n;
    const char *t = lua_tolstring(m->L, 3, &n);
    mg_lua_charge(m->L, n / BYTES_A_UNIT);
    for (size_t i = 0; i < n; i++) {
        if (t[i] != '%') {
            luaL_addchar(b, t[i]);
            continue;
        }
        i++;
        char c = i < n ? t[i] : 0;
        if (c == '0')
            luaL_addlstring(b, start, (size_t)(end - start));
        else if (c < '1' || c > '9')
            luaL_addchar(b, c); /* as in 5.1: any other character stands for itself */
        else {
            mg_pattern_push_one(m, c - '1', start, end);
            luaL_addvalue(b);
        }
    }
}

/* The replacement for one match; false or nil keeps the match. */
static void add_replacement(mg_pattern *m, luaL_Buffer *b, const char *start, const char *end) {
    lua_State *L = m->L;
    if (lua_type(L, 3) == LUA_TTABLE) {
        mg_pattern_push_one(m, 0, start, end);
        lua_gettable(L, 3);
    } else if (lua_type(L, 3) == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        int n = mg_pattern_push(m, start, end);
        lua_call(L, n, 1);
    } else {
        add_template(m, b, start, end);
        return;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        lua_pushlstring(L, start, (size_t)(end - start));
    } else if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
    luaL_addvalue(b);
}

static int string_gsub(lua_State *L) {
    mg_leash_check_stack(L);
    mg_str s = check_str(L, 1), p = check_str(L, 2);
    int type = lua_type(L, 3);
    luaL_argcheck(L, type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TFUNCTION || type == LUA_TTABLE, 3,
                  "string/function/table expected");
    lua_Number wanted = luaL_optnumber(L, 4, (lua_Number)(s.n + 1));
    size_t max = wanted > 0 ? (wanted < (lua_Number)(s.n + 1) ? (size_t)wanted : s.n + 1) : 0, n = 0;
    if (type == LUA_TNUMBER) lua_tolstring(L, 3, NULL);
    mg_pattern m;
    mg_pattern_init(&m, L, s, p, true);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    const char *at = s.p;
    while (n < max) {
        const char *end = mg_pattern_at(&m, at);
        if (end) {
            n++;
            add_replacement(&m, &b, at, end);
        }
        if (end && end > at)
            at = end;
        else if (at < m.text_end)
            luaL_addchar(&b, *at++);
        else
            break;
        if (m.anchored) break;
    }
    luaL_addlstring(&b, at, (size_t)(m.text_end - at));
    luaL_pushresult(&b);
    lua_pushinteger(L, (lua_Integer)n);
    return 2;
}

/* ---- functions whose work grows with their text ------------------------------------------------------------------ */

static int string_rep(lua_State *L) {
    mg_str s = check_str(L, 1);
    lua_Number times = luaL_checknumber(L, 2);
    if (!(times > 0)) times = 0;
    if ((lua_Number)s.n * times > (lua_Number)INT32_MAX)
        return luaL_error(L, "string.rep: the result would be too large");
    mg_leash_check_room(L, s.n * (size_t)times, "string.rep");
    mg_lua_charge(L, s.n * (size_t)times / BYTES_A_UNIT);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    lua_pushnumber(L, times);
    lua_call(L, 2, 1);
    return 1;
}

/* lower, upper, reverse: upvalue 1 is the library's function. */
static int string_mapped(lua_State *L) {
    mg_str s = check_str(L, 1);
    mg_lua_charge(L, s.n / BYTES_A_UNIT);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

/* Widths and precisions have at most two digits in the library; what is left is the size of the arguments, and that %s calls
 * __tostring. */
static int string_format(lua_State *L) {
    mg_leash_check_stack(L);
    int n = lua_gettop(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, n, 1);
    mg_lua_charge(L, lua_objlen(L, -1) / BYTES_A_UNIT);
    return 1;
}

static void wrap(lua_State *L, const char *name, lua_CFunction f) {
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, f, 1);
    lua_setfield(L, -2, name);
}

void mg_sandbox_string(lua_State *L) {
    static const luaL_Reg own[] = {
        {"find", string_find}, {"match", string_match}, {"gmatch", string_gmatch}, {"gsub", string_gsub}, {NULL, NULL}};
    for (const luaL_Reg *f = own; f->name; f++) {
        lua_pushcfunction(L, f->func);
        lua_setfield(L, -2, f->name);
    }
    wrap(L, "rep", string_rep);
    wrap(L, "lower", string_mapped);
    wrap(L, "upper", string_mapped);
    wrap(L, "reverse", string_mapped);
    wrap(L, "format", string_format);
}
