/* Parts of the conversation as policies see them. */
#ifndef MG_POLICY_PART_H
#define MG_POLICY_PART_H

#include "policy/binding.h"

/* Pushes an iterator over the request's parts; the argument at `options` may be `{ kind = "text" }`. Returns 1. */
int mg_parts_iterator(lua_State *L, mg_request *r, int options);

#endif
