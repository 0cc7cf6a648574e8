/* Objects that policies see: a userdata that names a request and reads it field by field, instead of a table that
 * would have to be filled for every call. */
#ifndef MG_POLICY_OBJECT_H
#define MG_POLICY_OBJECT_H

#include "policy/binding.h"

/* Begins every object. The id tells a request from a later one at the same address. */
typedef struct mg_object {
    const mg_lua_module *class_;
    mg_request *request;
    char id[37];
} mg_object;

/* Makes the metatable of a class from its fields and the methods on top of the stack: to be called from the module's
 * `open`. Unknown fields raise with the nearest known one; nothing can be assigned. `otherwise`, if not NULL, is the
 * __index for keys that are no field, called as C function with (object, key): for classes that are looked up, not
 * declared. */
void mg_object_class_open(lua_State *L, const mg_lua_module *class_, lua_CFunction otherwise);
/* Pushes a new object, `size` bytes long (at least sizeof(mg_object)), the rest of it zero; owned by Lua. */
void *mg_object_push(lua_State *L, const mg_lua_module *class_, mg_request *r, size_t size);
/* Pushes the state's last object of the class if it is this request's, or else a new one. */
void mg_object_push_kept(lua_State *L, const mg_lua_module *class_, mg_request *r);
/* The object at the index. Raises if it is of another class, or of another request than the call under way has. */
void *mg_object_check(lua_State *L, int index, const mg_lua_module *class_);

/* Raises "who has no field 'x'; did you mean 'y'?" */
int mg_lua_unknown_field(lua_State *L, const char *who, mg_str key, const mg_lua_field *fields);
/* Reads an array of strings into out (borrowed from the table); nil or none: 0. Raises on anything else, and beyond
 * max. */
size_t mg_lua_check_strings(lua_State *L, int index, const char *who, mg_str *out, size_t max);
/* Reads the argument `{ types = { … }, mode = "mask"|"hash" }` of the redact methods; returns the number of types. */
enum { MG_LUA_MAX_TYPES = 32 };
size_t mg_lua_check_redaction(lua_State *L, int index, const char *who, mg_str types[MG_LUA_MAX_TYPES], mg_str *mode);

#endif
