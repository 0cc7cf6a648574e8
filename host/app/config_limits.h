/* Rate limits and budgets, as the configuration writes them. */
#ifndef MG_APP_CONFIG_LIMITS_H
#define MG_APP_CONFIG_LIMITS_H

#include "app/config_tree.h"

typedef struct mg_config_limits {
    mg_limit *v;
    size_t n, cap;
} mg_config_limits;

/* Reads { requests = "60/minute", tokens = …, cost = …, { scope = "key", requests = … }, … }. A rate may be a list of
 * rates. Faults go to the report; `shown` is the table's path. */
void mg_config_limits_read(const mg_json *v, mg_str shown, mg_arena *arena, mg_config_report *r, mg_config_limits *out);
/* Reads { monthly_usd = 1000, hard = true, alert_at = { 0.5, 1.0 } }. */
void mg_config_budget_read(const mg_json *v, mg_str shown, mg_config_report *r, mg_budget *out);

#endif
