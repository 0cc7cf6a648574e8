/* What a policy's environment holds beside the modules: the parts of Lua's own library that can neither reach out of the state
 * nor run without bound. */
#ifndef MG_POLICY_SANDBOX_H
#define MG_POLICY_SANDBOX_H

#include <lua.h>

/* Turns a new state into a sandbox: opens the library, keeps what is allowed, bounds what is not. Called protected. */
void mg_sandbox_open(lua_State *L);
/* Pushes a new environment for a file: a table of its own with everything that was registered. */
void mg_sandbox_push_environment(lua_State *L);
/* Makes the table on top of the stack a read-only global of that name in all environments pushed from now on; pops it. */
void mg_sandbox_global(lua_State *L, const char *name);
/* Registers the function on top of the stack in the same way; pops it. */
void mg_sandbox_function(lua_State *L, const char *name);
/* Raises if the value at the index is a table that policies must not change. */
void mg_sandbox_check_writable(lua_State *L, int index, const char *who);

/* The bounded parts, each called with its library's table on top of the stack. */
void mg_sandbox_string(lua_State *L);
void mg_sandbox_table(lua_State *L);

#endif
