/* Lua values and JSON. */
#include "base/buf.h"
#include "policy/binding.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEPTH_MAX = 32, TEXT_MAX = 1 << 20, CHARGE_A_VALUE = 4 };

void mg_lua_push_json(lua_State *L, const mg_json *v) {
    luaL_checkstack(L, 4, "JSON");
    mg_lua_charge(L, CHARGE_A_VALUE);
    int i = 0;
    switch (mg_json_kind(v)) {
    case MG_JSON_NULL: lua_pushlightuserdata(L, NULL); break;
    case MG_JSON_BOOL: lua_pushboolean(L, v->truth); break;
    case MG_JSON_NUMBER: lua_pushnumber(L, mg_json_number(v, 0)); break;
    case MG_JSON_STRING: mg_lua_push_str(L, v->str); break;
    case MG_JSON_ARRAY:
        lua_createtable(L, (int)v->count, 0);
        for (const mg_json *e = v->child; e; e = e->next) {
            mg_lua_push_json(L, e);
            lua_rawseti(L, -2, ++i);
        }
        break;
    case MG_JSON_OBJECT:
        lua_createtable(L, 0, (int)v->count);
        for (const mg_json *e = v->child; e; e = e->next) {
            mg_lua_push_str(L, e->key);
            mg_lua_push_json(L, e);
            lua_rawset(L, -3);
        }
        break;
    }
}

typedef struct writer {
    lua_State *L;
    mg_arena *arena;
    mg_buf out; /* its memory is the arena's: whatever raises leaves nothing behind */
    mg_error *error;
    const void *open[DEPTH_MAX]; /* the tables that are being written: one of them again is a cycle */
    int depth;
} writer;

static bool refuse(writer *w, const char *why) {
    mg_fail(w->error, 0, "", "%s", why);
    return false;
}

static bool room(writer *w, size_t more) {
    if (w->out.n + more > TEXT_MAX) return refuse(w, "the value is larger than 1 MB as JSON");
    if (w->out.n + more <= w->out.cap) return true;
    size_t cap = w->out.cap * 2 + more;
    char *p = mg_arena_alloc(w->arena, cap);
    memcpy(p, w->out.p, w->out.n);
    w->out = (mg_buf){.p = p, .n = w->out.n, .cap = cap, .max = cap};
    return true;
}

static bool add(writer *w, const char *p, size_t n) { return room(w, n) && mg_buf_add(&w->out, p, n); }

static bool write_string(writer *w, int index) {
    mg_str s;
    s.p = lua_tolstring(w->L, index, &s.n);
    mg_lua_charge(w->L, s.n / 8);
    if (s.n > TEXT_MAX) return refuse(w, "the value is larger than 1 MB as JSON");
    return room(w, s.n * 6 + 2 > TEXT_MAX - w->out.n ? TEXT_MAX - w->out.n : s.n * 6 + 2) &&
           (mg_buf_json(&w->out, s) || refuse(w, "the value is larger than 1 MB as JSON"));
}

static bool write_number(writer *w, double n) {
    if (!isfinite(n)) return refuse(w, "NaN and infinity are no JSON numbers");
    char text[40];
    int length = 0;
    for (int digits = 14; digits <= 17; digits++) { /* the shortest form that reads back as the same number */
        length = snprintf(text, sizeof text, "%.*g", digits, n);
        if (strtod(text, NULL) == n) break;
    }
    return add(w, text, (size_t)length);
}

static bool write_value(writer *w, int index);

/* Elements 1 to n and nothing else, or not an array. An empty table is an object. */
static bool is_array(writer *w, int table, size_t *n) {
    size_t members = 0;
    *n = lua_objlen(w->L, table);
    lua_pushnil(w->L);
    while (lua_next(w->L, table)) {
        lua_pop(w->L, 1);
        mg_lua_charge(w->L, CHARGE_A_VALUE);
        if (lua_type(w->L, -1) != LUA_TNUMBER) {
            lua_pop(w->L, 1);
            return false;
        }
        members++;
    }
    return members > 0 && members == *n;
}

static bool write_array(writer *w, int table, size_t n) {
    if (!add(w, "[", 1)) return false;
    for (size_t i = 1; i <= n; i++) {
        if (i > 1 && !add(w, ",", 1)) return false;
        lua_rawgeti(w->L, table, (int)i);
        if (!write_value(w, lua_gettop(w->L))) return false;
        lua_pop(w->L, 1);
    }
    return add(w, "]", 1);
}

static bool write_object(writer *w, int table) {
    bool first = true;
    if (!add(w, "{", 1)) return false;
    lua_pushnil(w->L);
    while (lua_next(w->L, table)) {
        if (lua_type(w->L, -2) != LUA_TSTRING)
            return refuse(w, "a table must be a list (1, 2, … without holes) or have only strings as keys");
        if (!first && !add(w, ",", 1)) return false;
        first = false;
        if (!write_string(w, -2) || !add(w, ":", 1) || !write_value(w, lua_gettop(w->L))) return false;
        lua_pop(w->L, 1);
    }
    return add(w, "}", 1);
}

static bool write_table(writer *w, int index) {
    const void *table = lua_topointer(w->L, index);
    for (int i = 0; i < w->depth; i++)
        if (w->open[i] == table) return refuse(w, "the table contains itself");
    if (w->depth == DEPTH_MAX) return refuse(w, "the value is nested deeper than 32");
    w->open[w->depth++] = table;
    size_t n;
    bool ok = is_array(w, index, &n) ? write_array(w, index, n) : write_object(w, index);
    w->depth--;
    return ok;
}

static bool write_value(writer *w, int index) {
    luaL_checkstack(w->L, 6, "JSON");
    mg_lua_charge(w->L, CHARGE_A_VALUE);
    switch (lua_type(w->L, index)) {
    case LUA_TNIL: return add(w, "null", 4);
    case LUA_TBOOLEAN: return lua_toboolean(w->L, index) ? add(w, "true", 4) : add(w, "false", 5);
    case LUA_TNUMBER: return write_number(w, lua_tonumber(w->L, index));
    case LUA_TSTRING: return write_string(w, index);
    case LUA_TTABLE: return write_table(w, index);
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(w->L, index)) return add(w, "null", 4);
        break;
    default: break;
    }
    mg_fail(w->error, 0, "", "a %s can't be written as JSON", luaL_typename(w->L, index));
    return false;
}

bool mg_lua_to_json(lua_State *L, int index, mg_arena *arena, mg_str *out, mg_error *error) {
    if (index < 0 && index > LUA_REGISTRYINDEX) index = lua_gettop(L) + index + 1;
    int top = lua_gettop(L);
    writer w = {.L = L, .arena = arena, .error = error};
    w.out = (mg_buf){.p = mg_arena_alloc(arena, 256), .cap = 256, .max = 256};
    bool ok = write_value(&w, index);
    lua_settop(L, top);
    if (ok) *out = mg_arena_dup(arena, mg_buf_view(&w.out));
    return ok;
}
