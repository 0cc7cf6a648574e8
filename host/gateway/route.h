/* Model names to targets: what a client asked for, and where it may go. */
#ifndef MG_GATEWAY_ROUTE_H
#define MG_GATEWAY_ROUTE_H

#include "gateway/request.h"

/* The targets behind a name: an entry of the model table, "provider/model", or a vendor's bare model name that the price
 * table knows. In the request's arena. 404 model_not_found if there is none. */
mg_status mg_route_resolve(mg_request *r, mg_str name, mg_target **targets, size_t *n, mg_strategy *strategy,
                           mg_error *error);
/* Resolves and keeps what the organization and the key may use; 403 model_not_allowed if nothing is left. */
mg_status mg_route_model(mg_request *r, mg_str name, mg_error *error);
/* True if the organization's and the key's globs allow the target (by its name, or the public name it was asked by). */
bool mg_route_allowed(const mg_org *org, const mg_virtual_key *key, mg_str target, mg_str asked);
/* Orders the targets: neighbors of a group by its strategy, the others by the list's. */
void mg_route_order(mg_request *r);
/* The price of a target, or NULL. */
const mg_price *mg_target_price(const mg_snapshot *s, const mg_target *t);

#endif
