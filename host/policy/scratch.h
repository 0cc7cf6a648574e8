/* Working memory of a state's C functions: what they need between two Lua calls that may raise (and so jump over any
 * free). Owned by the state. */
#ifndef MG_POLICY_SCRATCH_H
#define MG_POLICY_SCRATCH_H

#include "base/buf.h"
#include "policy/binding.h"

/* The state's arena, emptied by every call of this function. */
mg_arena *mg_scratch_arena(lua_State *L);
/* The state's buffer, emptied by every call of this function; at most 4 MB. */
mg_buf *mg_scratch_buf(lua_State *L);
mg_json_parser *mg_scratch_parser(lua_State *L);

#endif
