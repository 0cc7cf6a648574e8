/* The Lua modules and classes, each in the file of its name: lua_limits.c, … */
#ifndef MG_POLICY_MODULES_H
#define MG_POLICY_MODULES_H

#include "policy/binding.h"

extern const mg_lua_module mg_lua_req, mg_lua_key, mg_lua_headers, mg_lua_params; /* lua_req.c */
extern const mg_lua_module mg_lua_part; /* lua_part.c */
extern const mg_lua_module mg_lua_res, mg_lua_usage; /* lua_res.c */
extern const mg_lua_module mg_lua_limits;
extern const mg_lua_module mg_lua_budget, mg_lua_budget_status;
extern const mg_lua_module mg_lua_pii, mg_lua_span;
extern const mg_lua_module mg_lua_http, mg_lua_http_answer;
extern const mg_lua_module mg_lua_json;
extern const mg_lua_module mg_lua_re;
extern const mg_lua_module mg_lua_hash;
extern const mg_lua_module mg_lua_clock, mg_lua_date;
extern const mg_lua_module mg_lua_log;
extern const mg_lua_module mg_lua_metrics;
extern const mg_lua_module mg_lua_tokens;
extern const mg_lua_module mg_lua_prices;
extern const mg_lua_module mg_lua_targets_options, mg_lua_target_options; /* targets_manual.c */
extern const mg_lua_module mg_lua_circuit, mg_lua_circuit_stats;
extern const mg_lua_module mg_lua_models, mg_lua_model_info, mg_lua_model_price;

#endif
