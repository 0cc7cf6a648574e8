/* Usage rows: what each attempt used and cost, into the spool. */
#ifndef MG_GATEWAY_USAGE_H
#define MG_GATEWAY_USAGE_H

#include "gateway/attempt.h"

/* The start record, before anything is sent. MG_ERROR: it can't be made durable, so nothing may be sent. */
mg_status mg_usage_start(mg_attempt *a, mg_error *error);
/* The end record of an attempt that did not give the client's answer. */
void mg_usage_failed(mg_attempt *a);
/* The end record of an attempt that was given up while another one had the answer. */
void mg_usage_lost(mg_attempt *a);
/* Settles the request: usage, cost, reservation, the end record of its last attempt (or a row of its own if nothing was
 * sent), metrics and log. Once, before the client's last byte. */
void mg_usage_settle(mg_request *r);
/* What the usage costs at a target, in nano-dollars; a model that the table lacks is charged at the ceiling price. */
int64_t mg_usage_cost(const mg_snapshot *s, const mg_target *t, const mg_usage *u, bool *known);
/* The decision record as a JSON array, in the arena. */
mg_str mg_decisions_json(const mg_request *r);

#endif
