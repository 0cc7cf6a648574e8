/* The policy manual, made from the doc blocks of the bindings: what is not documented is not there. */
#ifndef MG_POLICY_MANUAL_H
#define MG_POLICY_MANUAL_H

#include "base/buf.h"

/* The reference part of docs/policies.md. */
void mg_manual_markdown(mg_buf *out);
/* docs/moongate.d.lua: declarations for editors (LuaLS annotations). */
void mg_manual_stubs(mg_buf *out);
/* The first thing that lacks a doc block, or whose block can't be read; MG_OK if there is none. */
mg_status mg_manual_check(mg_error *error);

#endif
