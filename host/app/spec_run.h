/* One run of a spec, inside. */
#ifndef MG_APP_SPEC_RUN_H
#define MG_APP_SPEC_RUN_H

#include "app/spec.h"
#include "base/buf.h"
#include "gateway/worker.h"

#define MG_SPEC_KEY "mg-spec" /* the virtual key of every run */

/* What is asked, and what was seen of it. */
typedef struct mg_spec_run {
    lua_State *L;
    const mg_spec *spec;
    mg_arena *arena; /* of the run */
    mg_gateway gateway;
    mg_worker worker;
    mg_policy_runner real; /* what `watch` stands in front of */
    mg_str reply; /* what every provider answers */
    mg_str targets, prompt, text; /* seen in the settle phase; targets as a JSON array */
    mg_str routing; /* likewise; a JSON object */
} mg_spec_run;

/* A field of gate.run's argument, in the run's arena; `otherwise` if it is no string. */
mg_str mg_spec_string(mg_spec_run *r, const char *name, mg_str otherwise);
/* Makes the gateway's snapshot of it. Returns the part of the budget that is used. Raises Lua errors. */
double mg_spec_snapshot(mg_spec_run *r);

#endif
