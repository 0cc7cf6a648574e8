/* Module json. */
#include "policy/modules.h"
#include "policy/scratch.h"

enum { TEXT_MAX = 1 << 20, BYTES_A_UNIT = 4 };

static int fail(lua_State *L, const char *text) {
    lua_pushnil(L);
    lua_pushstring(L, text);
    return 2;
}

static int json_encode(lua_State *L) {
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    mg_str out;
    mg_error error = {0};
    mg_arena *arena = mg_scratch_arena(L);
    if (!mg_lua_to_json(L, 1, arena, &out, &error)) return fail(L, error.text);
    mg_lua_charge(L, out.n / BYTES_A_UNIT);
    mg_lua_push_str(L, out);
    return 1;
}

static int json_decode(lua_State *L) {
    mg_str text = mg_lua_check_str(L, 1);
    if (text.n > TEXT_MAX) return fail(L, "json.decode: the text is longer than 1 MB");
    mg_lua_charge(L, text.n / BYTES_A_UNIT);
    const mg_json *root;
    mg_error error = {0};
    mg_arena *arena = mg_scratch_arena(L);
    if (mg_json_parse_copy(mg_scratch_parser(L), arena, text, &root, &error) != MG_OK) return fail(L, error.text);
    mg_lua_push_json(L, root);
    mg_arena_reset(arena);
    return 1;
}

static void json_open(lua_State *L) {
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
}

static const mg_lua_function functions[] = {
    {"encode", json_encode, MG_ANY_PHASE | MG_AT_LOAD, false,
     "@param value any a table with keys 1 to n is a list, one with strings as keys an object\n"
     "@return string? text\n@return string? error\n---\n"
     "Writes a value as JSON. What JSON can't hold (functions, cycles, tables that are both), more than 32 levels and "
     "more "
     "than 1 MB are errors."},
    {"decode", json_decode, MG_ANY_PHASE | MG_AT_LOAD, false,
     "@param text string at most 1 MB\n@return any? value\n@return string? error\n---\n"
     "Reads JSON. Its null becomes json.null; duplicate keys, invalid UTF-8 and trailing text are errors."},
    {NULL, NULL, 0, false, NULL},
};

static const mg_lua_field fields[] = {
    {"null", "lightuserdata", "JSON's null: tables of Lua can't hold nil.", NULL},
    {NULL, NULL, NULL, NULL},
};

const mg_lua_module mg_lua_json = {
    .name = "json",
    .doc = "JSON.",
    .functions = functions,
    .fields = fields,
    .open = json_open,
};
