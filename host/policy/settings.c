#include "policy/settings.h"
#include "policy/binding.h"

#include <stdio.h>

enum { SETTINGS_MAX = 200, DEPTH_MAX = 8 };

const char *mg_policy_setting_kind_name(mg_policy_setting_kind k) {
    static const char *const names[] = {"true or false", "a number", "a string", "a list", "a map", "a list or a map"};
    return names[k];
}

const mg_policy_setting *mg_policy_settings_find(const mg_policy_settings *s, mg_str key) {
    for (size_t i = 0; i < s->n; i++)
        if (mg_str_eq(s->items[i].key, key)) return &s->items[i];
    return NULL;
}

bool mg_policy_setting_fits(const mg_policy_setting *s, const mg_json *value) {
    mg_json_type t = mg_json_kind(value);
    bool empty = value && value->count == 0; /* {} and [] are one thing to Lua */
    switch (s->kind) {
    case MG_POLICY_SETTING_BOOL: return t == MG_JSON_BOOL;
    case MG_POLICY_SETTING_NUMBER: return t == MG_JSON_NUMBER;
    case MG_POLICY_SETTING_STRING: return t == MG_JSON_STRING;
    case MG_POLICY_SETTING_LIST: return t == MG_JSON_ARRAY || (t == MG_JSON_OBJECT && empty);
    case MG_POLICY_SETTING_MAP: return t == MG_JSON_OBJECT || (t == MG_JSON_ARRAY && empty);
    case MG_POLICY_SETTING_TABLE: return t == MG_JSON_ARRAY || t == MG_JSON_OBJECT;
    }
    return false;
}

/* ---- learning ---------------------------------------------------------------------------------------------------- */

static bool plain(lua_State *L, int index, int depth) {
    int type = lua_type(L, index);
    if (type == LUA_TBOOLEAN || type == LUA_TNUMBER || type == LUA_TSTRING) return true;
    if (type != LUA_TTABLE || depth == DEPTH_MAX) return false;
    if (lua_getmetatable(L, index)) return lua_pop(L, 1), false;
    luaL_checkstack(L, 4, "settings");
    lua_pushnil(L);
    while (lua_next(L, index)) {
        bool ok = lua_type(L, -2) == LUA_TSTRING || lua_type(L, -2) == LUA_TNUMBER;
        if (!ok || !plain(L, lua_gettop(L), depth + 1)) return lua_pop(L, 2), false;
        lua_pop(L, 1);
    }
    return true;
}

static mg_policy_setting_kind table_kind(lua_State *L, int index) {
    if (lua_objlen(L, index) > 0) return MG_POLICY_SETTING_LIST;
    lua_pushnil(L);
    if (!lua_next(L, index)) return MG_POLICY_SETTING_TABLE;
    lua_pop(L, 2);
    return MG_POLICY_SETTING_MAP;
}

static mg_policy_setting_kind kind_of(lua_State *L, int index) {
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN: return MG_POLICY_SETTING_BOOL;
    case LUA_TNUMBER: return MG_POLICY_SETTING_NUMBER;
    case LUA_TSTRING: return MG_POLICY_SETTING_STRING;
    default: return table_kind(L, index);
    }
}

mg_status mg_policy_settings_learn(lua_State *L, int defaults, mg_arena *arena, mg_policy_settings *out,
                                   mg_error *error) {
    *out = (mg_policy_settings){0};
    if (!defaults) return MG_OK;
    mg_policy_setting *items = mg_arena_alloc(arena, SETTINGS_MAX * sizeof *items);
    lua_pushnil(L);
    while (lua_next(L, defaults)) {
        int value = lua_gettop(L);
        if (lua_type(L, -2) != LUA_TSTRING) return mg_fail(error, 0, "", "the names of settings must be strings");
        mg_str key;
        key.p = lua_tolstring(L, -2, &key.n);
        if (out->n == SETTINGS_MAX) return mg_fail(error, 0, "", "there are more than %d settings", SETTINGS_MAX);
        if (!plain(L, value, 0))
            return mg_fail(error, 0, "", "settings.%.60s must be a boolean, number, string, or a table of these",
                           key.p);
        items[out->n++] = (mg_policy_setting){mg_arena_dup(arena, key), kind_of(L, value)};
        lua_pop(L, 1);
    }
    out->items = items;
    return MG_OK;
}

/* ---- merging ----------------------------------------------------------------------------------------------------- */

/* Pushes a copy of plain data. */
static void push_copy(lua_State *L, int index) {
    if (lua_type(L, index) != LUA_TTABLE) {
        lua_pushvalue(L, index);
        return;
    }
    luaL_checkstack(L, 5, "settings");
    lua_newtable(L);
    int copy = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        push_copy(L, lua_gettop(L));
        lua_pushvalue(L, -3);
        lua_insert(L, -2);
        lua_rawset(L, copy);
        lua_pop(L, 1);
    }
}

enum { ELEMENTS_MAX = 999 };

/* The place that the name of a member stands for, "1" to "999", or 0. */
static int place_of(mg_str key) {
    int64_t n;
    bool digits = key.n > 0 && key.n <= 3 && key.p[0] >= '1' && key.p[0] <= '9';
    return digits && mg_str_int(key, &n) ? (int)n : 0;
}

/* JSON has no tables with both elements and names, as { "a", "b", strategy = "x" }: they come as objects with members
 * "1", "2", … among others. How many elements; 0: none, or nothing else. */
static uint32_t count_elements(const mg_json *object) {
    uint32_t n = 0;
    for (const mg_json *e = object->child; e; e = e->next) n += place_of(e->key) > 0;
    return n < object->count ? n : 0;
}

static void push_value(lua_State *L, const mg_json *v);

static void push_elements(lua_State *L, const mg_json *object, uint32_t n) {
    int pushed = 0;
    for (int place = 1; n && place <= ELEMENTS_MAX; place++) {
        char name[8];
        const mg_json *e = mg_json_get(object, mg_str_from(name, (size_t)snprintf(name, sizeof name, "%d", place)));
        if (!e) continue;
        push_value(L, e);
        lua_rawseti(L, -2, ++pushed);
        n--;
    }
}

static void push_object(lua_State *L, const mg_json *object) {
    uint32_t n = count_elements(object);
    lua_createtable(L, (int)n, (int)(object->count - n));
    push_elements(L, object, n);
    for (const mg_json *e = object->child; e; e = e->next) {
        if (n && place_of(e->key)) continue;
        mg_lua_push_str(L, e->key);
        push_value(L, e);
        lua_rawset(L, -3);
    }
}

static void push_value(lua_State *L, const mg_json *v) {
    int i = 0;
    luaL_checkstack(L, 4, "settings");
    if (mg_json_kind(v) == MG_JSON_OBJECT) {
        push_object(L, v);
    } else if (mg_json_kind(v) == MG_JSON_ARRAY) {
        lua_createtable(L, (int)v->count, 0);
        for (const mg_json *e = v->child; e; e = e->next) {
            push_value(L, e);
            lua_rawseti(L, -2, ++i);
        }
    } else {
        mg_lua_push_json(L, v);
    }
}

/* A misspelled setting would otherwise read as nil, and a limit that is nil limits nothing. */
static int refuse_unknown(lua_State *L) {
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
    return luaL_error(L, "policy.settings has no '%s': give it a default in the file's settings", key);
}

static void refuse_unknown_keys(lua_State *L) {
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, refuse_unknown);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, "protected");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
}

void mg_policy_settings_push(lua_State *L, int defaults, const mg_json *overrides) {
    lua_newtable(L);
    int merged = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, defaults)) {
        int value = lua_gettop(L);
        mg_policy_setting s = {.kind = kind_of(L, value)};
        s.key.p = lua_tolstring(L, -2, &s.key.n);
        const mg_json *given = mg_json_get(overrides, s.key);
        lua_pushvalue(L, -2);
        if (given && mg_policy_setting_fits(&s, given))
            push_value(L, given);
        else
            push_copy(L, value);
        lua_rawset(L, merged);
        lua_pop(L, 1);
    }
    refuse_unknown_keys(L);
}

static int refuse_write(lua_State *L) {
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
    return luaL_error(L, "policy.settings is read-only: '%s' can't be set", key);
}

/* The table stays the same one, since the file may hold it in a local variable too. */
void mg_policy_settings_protect(lua_State *L, int settings) {
    lua_newtable(L);
    int defaults = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, settings)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, defaults);
        lua_pushvalue(L, -1);
        lua_pushnil(L);
        lua_rawset(L, settings);
    }
    refuse_unknown_keys(L);
    lua_createtable(L, 0, 3);
    lua_pushvalue(L, defaults);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, refuse_write);
    lua_setfield(L, -2, "__newindex");
    lua_pushliteral(L, "protected");
    lua_setfield(L, -2, "__metatable");
    lua_pushvalue(L, -1);
    lua_setmetatable(L, settings);
}

bool mg_policy_settings_text(const mg_json *v, mg_buf *out) {
    bool list = mg_json_kind(v) == MG_JSON_ARRAY;
    switch (mg_json_kind(v)) {
    case MG_JSON_NULL: return mg_buf_str(out, MG_STR("null"));
    case MG_JSON_BOOL: return mg_buf_str(out, v->truth ? MG_STR("true") : MG_STR("false"));
    case MG_JSON_NUMBER: return mg_buf_str(out, v->str);
    case MG_JSON_STRING: return mg_buf_json(out, v->str);
    case MG_JSON_ARRAY:
    case MG_JSON_OBJECT: break;
    }
    mg_buf_str(out, list ? MG_STR("[") : MG_STR("{"));
    for (const mg_json *e = v->child; e; e = e->next) {
        if (e != v->child) mg_buf_str(out, MG_STR(","));
        if (!list) {
            mg_buf_json(out, e->key);
            mg_buf_str(out, MG_STR(":"));
        }
        mg_policy_settings_text(e, out);
    }
    return mg_buf_str(out, list ? MG_STR("]") : MG_STR("}")) && !out->over;
}
