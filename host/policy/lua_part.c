/* Class part: one piece of the conversation, from req:parts(). */
#include "policy/modules.h"
#include "policy/object.h"
#include "policy/part.h"

enum { BYTES_A_UNIT = 64 };

static const char *const kinds[] = {"text", "tool_arguments", "image", "audio", "file", "other", NULL};

/* The parts of one reading of the body. After a change the next reading makes another list. */
typedef struct part_list {
    const mg_part *parts;
    size_t n;
} part_list;

typedef struct part_object {
    mg_object object;
    part_list list;
    size_t index;
    bool replaced; /* the new text is element 1 of the userdata's environment */
} part_object;

static part_list read_parts(mg_request *r) {
    part_list list = {0};
    list.parts = mg_request_parts(r, &list.n);
    return list;
}

/* After a change the part is the one at the same place, if it is still of the same kind. */
static const mg_part *part_of(lua_State *L, part_object *p) {
    mg_request *r = p->object.request;
    if (r->parts == p->list.parts) return &p->list.parts[p->index];
    const mg_part *old = &p->list.parts[p->index];
    part_list now = read_parts(r);
    if (p->index >= now.n || now.parts[p->index].kind != old->kind || !mg_str_eq(now.parts[p->index].role, old->role))
        luaL_error(L, "the conversation was changed while its parts were walked: ask req:parts() again");
    p->list = now;
    p->replaced = false; /* the new list holds it */
    return &now.parts[p->index];
}

static part_object *check_part(lua_State *L) { return mg_object_check(L, 1, &mg_lua_part); }

static const mg_part *field_part(lua_State *L, const void *o) { return part_of(L, (part_object *)(uintptr_t)o); }

static void part_kind(lua_State *L, mg_request *r, const void *o) {
    (void)r;
    lua_pushstring(L, kinds[field_part(L, o)->kind]);
}
static void part_role(lua_State *L, mg_request *r, const void *o) {
    (void)r, mg_lua_push_str(L, field_part(L, o)->role);
}
static void part_name(lua_State *L, mg_request *r, const void *o) {
    (void)r, mg_lua_push_str(L, field_part(L, o)->name);
}
static void part_mime(lua_State *L, mg_request *r, const void *o) {
    (void)r, mg_lua_push_str(L, field_part(L, o)->mime);
}
static void part_bytes(lua_State *L, mg_request *r, const void *o) {
    (void)r;
    lua_pushnumber(L, (lua_Number)field_part(L, o)->bytes);
}

static const mg_lua_field part_fields[] = {
    {"kind", "string", "`text`, `tool_arguments`, `image`, `audio`, `file` or `other`.", part_kind},
    {"role", "string", "`system`, `developer`, `user`, `assistant`, `tool`; `input` for embeddings.", part_role},
    {"name", "string", "Name of the file or function, or \"\".", part_name},
    {"mime", "string", "`image/png`, …, or \"\".", part_mime},
    {"bytes", "integer", "Size of the payload as it stands in the body.", part_bytes},
    {NULL, NULL, NULL, NULL},
};

static int part_text(lua_State *L) {
    part_object *p = check_part(L);
    const mg_part *part = part_of(L, p);
    if (p->replaced) {
        lua_getfenv(L, 1);
        lua_rawgeti(L, -1, 1);
    } else if (part->text) {
        mg_lua_charge(L, part->text->str.n / BYTES_A_UNIT);
        mg_lua_push_str(L, part->text->str);
    } else {
        lua_pushnil(L);
    }
    return 1;
}

static int part_replace(lua_State *L) {
    part_object *p = check_part(L);
    mg_str text = mg_lua_check_str(L, 2);
    const mg_part *part = part_of(L, p);
    if (!part->text)
        return luaL_error(L, "part:replace: a part of kind %s that has no readable text can't be replaced",
                          kinds[part->kind]);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, 1);
    mg_request *r = p->object.request;
    mg_error error = {0};
    if (mg_request_replace_text(r, part, mg_arena_dup(r->arena, text), &error) != MG_OK)
        return luaL_error(L, "part:replace: %s", error.text);
    lua_setfenv(L, 1);
    p->replaced = true;
    return 0;
}

static const mg_lua_function part_methods[] = {
    {"text", part_text, MG_ANY_PHASE, false,
     "@return string? text nil where it can't be read: an image, say\n---\nThe part's text."},
    {"replace", part_replace, 1 << MG_PHASE_ADMIT | 1 << MG_PHASE_PROMPT | 1 << MG_PHASE_SCREEN | 1 << MG_PHASE_ROUTE,
     false, "@param text string\n---\nPuts another text in its place. Raises where the part has no text."},
    {NULL, NULL, 0, false, NULL},
};

static void part_open(lua_State *L) { mg_object_class_open(L, &mg_lua_part, NULL); }

const mg_lua_module mg_lua_part = {
    .name = "part",
    .class_ = true,
    .doc = "One piece of the conversation, from `req:parts()`. Valid during the call.",
    .functions = part_methods,
    .fields = part_fields,
    .open = part_open,
};

/* The iterator is an object of no class that policies can reach; `index` is the next part. Upvalues: it, the kind
 * wanted or -1. */
static int next_part(lua_State *L) {
    part_object *at = mg_object_check(L, lua_upvalueindex(1), &mg_lua_part);
    int kind = (int)lua_tointeger(L, lua_upvalueindex(2));
    mg_request *r = at->object.request;
    if (r->parts != at->list.parts) at->list = read_parts(r);
    while (at->index < at->list.n && kind >= 0 && (int)at->list.parts[at->index].kind != kind) at->index++;
    if (at->index >= at->list.n) return lua_pushnil(L), 1;
    part_object *p = mg_object_push(L, &mg_lua_part, r, sizeof *p);
    p->list = at->list;
    p->index = at->index++;
    return 1;
}

static int kind_named(lua_State *L, mg_str name) {
    if (!name.p) return -1;
    for (int i = 0; kinds[i]; i++)
        if (mg_str_is(name, kinds[i])) return i;
    return luaL_error(L, "req:parts: 'kind' must be text, tool_arguments, image, audio, file or other, got \"%s\"",
                      name.p);
}

int mg_parts_iterator(lua_State *L, mg_request *r, int options) {
    static const char *const known[] = {"kind", NULL};
    int kind = -1;
    if (!lua_isnoneornil(L, options)) {
        luaL_checktype(L, options, LUA_TTABLE);
        mg_lua_check_fields(L, options, known, "req:parts");
        kind = kind_named(L, mg_lua_opt_field_str(L, options, "kind"));
    }
    part_object *first = mg_object_push(L, &mg_lua_part, r, sizeof *first);
    first->list = read_parts(r);
    lua_pushinteger(L, kind);
    lua_pushcclosure(L, next_part, 2);
    return 1;
}
