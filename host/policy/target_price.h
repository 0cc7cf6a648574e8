/* The price of a target, for policies. */
#ifndef MG_POLICY_TARGET_PRICE_H
#define MG_POLICY_TARGET_PRICE_H

#include "policy/binding.h"

/* Price of "provider/model", where the provider is one of the configuration and its plugin names the vendor. NULL and
 * an error: no such provider, or the table does not know the model, which never means free. */
const mg_price *mg_lua_target_price(const mg_snapshot *s, mg_str target, mg_error *error);

#endif
