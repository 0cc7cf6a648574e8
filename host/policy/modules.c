#include "policy/modules.h"

const mg_lua_module *const mg_lua_modules[] = {
    &mg_lua_req,         &mg_lua_key,    &mg_lua_headers, &mg_lua_params,      &mg_lua_part,
    &mg_lua_res,         &mg_lua_usage,  &mg_lua_limits,  &mg_lua_budget,      &mg_lua_budget_status,
    &mg_lua_pii,         &mg_lua_span,   &mg_lua_http,    &mg_lua_http_answer, &mg_lua_json,
    &mg_lua_re,          &mg_lua_hash,   &mg_lua_clock,   &mg_lua_date,        &mg_lua_log,
    &mg_lua_metrics,     &mg_lua_tokens, &mg_lua_prices,  &mg_lua_models,      &mg_lua_model_info,
    &mg_lua_model_price, NULL,
};
