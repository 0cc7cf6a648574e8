#include "policy/scratch.h"

enum { BUF_MAX = 4 << 20, BUF_KEPT = 64 << 10, ARENA_FIRST = 4 << 10 };

typedef struct scratch {
    mg_arena *arena;
    mg_json_parser *parser;
    mg_buf buf;
} scratch;

static const char key; /* its address names the registry's entry */

static int scratch_gc(lua_State *L) {
    scratch *s = lua_touserdata(L, 1);
    mg_arena_destroy(s->arena);
    mg_json_parser_destroy(s->parser);
    mg_buf_finish(&s->buf);
    *s = (scratch){0};
    return 0;
}

/* The metatable is set while everything is still NULL: whatever is created afterwards is freed with the state. */
static scratch *scratch_of(lua_State *L) {
    lua_pushlightuserdata(L, (void *)&key);
    lua_rawget(L, LUA_REGISTRYINDEX);
    scratch *s = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (s) return s;
    lua_pushlightuserdata(L, (void *)&key);
    s = lua_newuserdata(L, sizeof *s);
    *s = (scratch){.buf = {.max = BUF_MAX}};
    lua_newtable(L);
    lua_pushcfunction(L, scratch_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
    return s;
}

mg_arena *mg_scratch_arena(lua_State *L) {
    scratch *s = scratch_of(L);
    if (s->arena)
        mg_arena_reset(s->arena);
    else
        s->arena = mg_arena_create(ARENA_FIRST);
    return s->arena;
}

mg_buf *mg_scratch_buf(lua_State *L) {
    scratch *s = scratch_of(L);
    mg_buf_clear(&s->buf);
    if (s->buf.cap > BUF_KEPT) mg_buf_finish(&s->buf);
    return &s->buf;
}

mg_json_parser *mg_scratch_parser(lua_State *L) {
    scratch *s = scratch_of(L);
    if (!s->parser) s->parser = mg_json_parser_create();
    return s->parser;
}
