/* What a phase returns: deny{…}, answer{…}, queue{…}, targets{…}. */
#ifndef MG_POLICY_VERDICT_H
#define MG_POLICY_VERDICT_H

#include "policy/targets.h"

typedef enum mg_result_kind {
    MG_RESULT_NONE,
    MG_RESULT_DENY,
    MG_RESULT_ANSWER,
    MG_RESULT_QUEUE,
    MG_RESULT_TARGETS
} mg_result_kind;

typedef struct mg_result {
    mg_result_kind kind;
    mg_verdict verdict; /* deny, answer, queue; strings are Lua's */
    mg_targets targets;
} mg_result;

/* Registers the four constructors in the sandbox. Called protected. */
void mg_verdict_open(lua_State *L);
/* Reads the value at the index (absolute): nil is NONE. MG_ERROR and a sentence for anything that a constructor would not have
 * let through. Runs no Lua and raises nothing. */
mg_status mg_result_read(lua_State *L, int index, mg_result *out, mg_error *error);
/* MG_ERROR and a sentence if the phase may not return such a result. */
mg_status mg_result_check_phase(mg_result_kind kind, mg_phase phase, mg_error *error);
/* Copies deny, answer or queue into the request's verdict; `rule` is used unless the policy named one. */
void mg_result_apply_verdict(const mg_result *result, mg_request *r, mg_str rule);

#endif
