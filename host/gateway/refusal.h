/* Errors as clients see them, in the format that they speak. */
#ifndef MG_GATEWAY_REFUSAL_H
#define MG_GATEWAY_REFUSAL_H

#include "gateway/request.h"

/* Ends the request with an error; records it. retry_after_ms -1: none. After the first byte of a stream: its error event. */
void mg_refuse(mg_request *r, int status, mg_str code, mg_str message, int64_t retry_after_ms, mg_outcome outcome);
void mg_refuse_error(mg_request *r, const mg_error *error, mg_outcome outcome); /* the same from an error struct */

#endif
