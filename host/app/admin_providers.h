/* /admin/v1/providers: how providers are doing, and the switches to keep requests away from them. */
#ifndef MG_APP_ADMIN_PROVIDERS_H
#define MG_APP_ADMIN_PROVIDERS_H

#include "gateway/worker.h"

/* Appends {"providers":[…]}: each provider of the configuration with its circuits. */
void mg_admin_providers_write(mg_gateway *g, mg_buf *out);
/* Switches a provider, or one model of it, off or on; in force at once. `body`: JSON {"for": "30m", "model": "gpt-4o"},
 * both may be left out, or nothing at all. Without a model, switching on lifts what was said of the provider's models
 * as well. Appends the provider as it is then. MG_ERROR with http 400, 404 or 422. */
mg_status mg_admin_provider_switch(mg_gateway *g, mg_str name, bool on, mg_str body, mg_buf *out, mg_error *error);

#endif
