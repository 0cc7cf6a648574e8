/* The module moongate.spec, for specs of policies. */
#ifndef MG_APP_SPEC_H
#define MG_APP_SPEC_H

#include "gateway/counts.h"
#include "plugin/registry.h"
#include "plugin/settings.h"
#include "policy/policy.h"

#include <lua.h>

typedef struct mg_spec {
    mg_policy_options policy; /* folder: the policies under test */
    mg_use *store;
    mg_use **detectors;
    size_t n_detectors;
} mg_spec;

/* Pushes the module's table; `spec` outlives the state. */
int mg_spec_open(lua_State *L, const mg_spec *spec);

#endif
