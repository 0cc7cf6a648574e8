#include "policy/object.h"

void *mg_object_push(lua_State *L, const mg_lua_module *class_, mg_request *r, size_t size) {
    mg_object *o = lua_newuserdata(L, size);
    memset(o, 0, size);
    o->class_ = class_;
    o->request = r;
    memcpy(o->id, r->id, sizeof o->id);
    lua_pushlightuserdata(L, (void *)class_);
    lua_rawget(L, LUA_REGISTRYINDEX);
    lua_setmetatable(L, -2);
    return o;
}

static bool belongs(const mg_object *o, const mg_request *r) {
    return r && o->request == r && memcmp(o->id, r->id, sizeof o->id) == 0;
}

/* The last object is kept in the registry under the address of the class's doc (its metatable: of the class). */
void mg_object_push_kept(lua_State *L, const mg_lua_module *class_, mg_request *r) {
    lua_pushlightuserdata(L, (void *)&class_->doc);
    lua_rawget(L, LUA_REGISTRYINDEX);
    const mg_object *kept = lua_touserdata(L, -1);
    if (kept && belongs(kept, r)) return;
    lua_pop(L, 1);
    lua_pushlightuserdata(L, (void *)&class_->doc);
    mg_object_push(L, class_, r, sizeof(mg_object));
    lua_pushvalue(L, -1);
    lua_insert(L, -3);
    lua_rawset(L, LUA_REGISTRYINDEX);
}

void *mg_object_check(lua_State *L, int index, const mg_lua_module *class_) {
    mg_object *o = lua_touserdata(L, index);
    if (!o || lua_objlen(L, index) < sizeof *o || o->class_ != class_)
        luaL_error(L, "%s expected, got %s: call methods with ':', as in %s:name(…)", class_->name,
                   luaL_typename(L, index), class_->name);
    mg_call *c = mg_call_of(L);
    if (!c || !belongs(o, mg_call_request(c))) luaL_error(L, "%s is only valid during its call", class_->name);
    return o;
}

int mg_lua_unknown_field(lua_State *L, const char *who, mg_str key, const mg_lua_field *fields) {
    const char *nearest = NULL;
    size_t best = SIZE_MAX;
    for (const mg_lua_field *f = fields; f && f->name; f++) {
        size_t d = mg_str_distance(key, mg_str_of(f->name));
        if (d >= best) continue;
        best = d;
        nearest = f->name;
    }
    mg_str shown = mg_str_cut(key, 60);
    lua_pushlstring(L, shown.p, shown.n);
    if (nearest && best <= 3)
        return luaL_error(L, "%s has no field '%s'; did you mean '%s'?", who, lua_tostring(L, -1), nearest);
    return luaL_error(L, "%s has no field '%s'", who, lua_tostring(L, -1));
}

/* Upvalues: 1 maps a name to the position of the field, or to the method; 2 the class; 3 what to call for other keys,
 * or nil. Keys are interned strings, so that finding one is a look-up by address. */
static int object_index(lua_State *L) {
    const mg_lua_module *class_ = lua_touserdata(L, lua_upvalueindex(2));
    mg_object *o = mg_object_check(L, 1, class_);
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    if (lua_type(L, -1) == LUA_TNUMBER) {
        class_->fields[lua_tointeger(L, -1)].get(L, o->request, o);
        return 1;
    }
    if (!lua_isnil(L, -1)) return 1;
    lua_CFunction otherwise = lua_tocfunction(L, lua_upvalueindex(3));
    if (otherwise) return otherwise(L);
    if (lua_type(L, 2) != LUA_TSTRING)
        return luaL_error(L, "fields of %s have names, not %ss", class_->name, luaL_typename(L, 2));
    mg_str key;
    key.p = lua_tolstring(L, 2, &key.n);
    return mg_lua_unknown_field(L, class_->name, key, class_->fields);
}

static int object_newindex(lua_State *L) {
    const mg_lua_module *class_ = lua_touserdata(L, lua_upvalueindex(1));
    return luaL_error(L, "%s can't be assigned to; what may change has a method", class_->name);
}

static int object_tostring(lua_State *L) {
    const mg_lua_module *class_ = lua_touserdata(L, lua_upvalueindex(1));
    lua_pushfstring(L, "%s", class_->name);
    return 1;
}

/* A table of the methods (at `methods`, an absolute index, or 0) and the fields' positions. */
static void push_lookup(lua_State *L, const mg_lua_module *class_, int methods) {
    lua_newtable(L);
    for (int i = 0; class_->fields && class_->fields[i].name; i++) {
        lua_pushinteger(L, i);
        lua_setfield(L, -2, class_->fields[i].name);
    }
    for (const mg_lua_function *f = class_->functions; f && f->name; f++) {
        lua_getfield(L, methods, f->name);
        lua_setfield(L, -2, f->name);
    }
}

void mg_object_class_open(lua_State *L, const mg_lua_module *class_, lua_CFunction otherwise) {
    int methods = lua_gettop(L);
    lua_pushlightuserdata(L, (void *)class_);
    lua_newtable(L);
    push_lookup(L, class_, methods);
    lua_pushlightuserdata(L, (void *)class_);
    if (otherwise)
        lua_pushcfunction(L, otherwise);
    else
        lua_pushnil(L);
    lua_pushcclosure(L, object_index, 3);
    lua_setfield(L, -2, "__index");
    lua_pushlightuserdata(L, (void *)class_);
    lua_pushcclosure(L, object_newindex, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushlightuserdata(L, (void *)class_);
    lua_pushcclosure(L, object_tostring, 1);
    lua_setfield(L, -2, "__tostring");
    lua_pushliteral(L, "protected");
    lua_setfield(L, -2, "__metatable");
    lua_rawset(L, LUA_REGISTRYINDEX);
}

size_t mg_lua_check_strings(lua_State *L, int index, const char *who, mg_str *out, size_t max) {
    if (lua_isnoneornil(L, index)) return 0;
    if (lua_type(L, index) != LUA_TTABLE)
        luaL_error(L, "%s must be a list of strings, got %s", who, luaL_typename(L, index));
    size_t n = lua_objlen(L, index);
    if (n > max) luaL_error(L, "%s may hold at most %d strings, got %d", who, (int)max, (int)n);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, index, (int)i + 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "%s must be a list of strings, and its element %d is a %s", who, (int)i + 1,
                       luaL_typename(L, -1));
        out[i].p = lua_tolstring(L, -1, &out[i].n);
        lua_pop(L, 1);
    }
    return n;
}

size_t mg_lua_check_redaction(lua_State *L, int index, const char *who, mg_str types[MG_LUA_MAX_TYPES], mg_str *mode) {
    static const char *const known[] = {"types", "mode", NULL};
    *mode = MG_STR("mask");
    if (lua_isnoneornil(L, index)) return 0;
    luaL_checktype(L, index, LUA_TTABLE);
    mg_lua_check_fields(L, index, known, who);
    mg_str given = mg_lua_opt_field_str(L, index, "mode");
    if (given.p) *mode = given;
    if (!mg_str_is(*mode, "mask") && !mg_str_is(*mode, "hash"))
        luaL_error(L, "%s: 'mode' must be \"mask\" or \"hash\", got \"%s\"", who, mode->p);
    lua_getfield(L, index, "types");
    const char *name = lua_pushfstring(L, "%s: 'types'", who);
    int at = lua_gettop(L) - 1;
    size_t n = mg_lua_check_strings(L, at, name, types, MG_LUA_MAX_TYPES);
    if (n == 0 && !lua_isnil(L, at)) luaL_error(L, "%s: 'types' is empty: leave it out for all types", who);
    lua_pop(L, 2);
    return n;
}
