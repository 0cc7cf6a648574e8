/* Where and why a text is not JSON: run only after the parser, which gives no position, has refused it. */
#ifndef MG_BASE_JSON_FAULT_H
#define MG_BASE_JSON_FAULT_H

#include "base/str.h"

/* Fills `error` (http 400, "invalid_json") with the first fault. MG_OK if there is none. Nesting beyond max_depth (at
 * most 1024) is a fault. */
mg_status mg_json_fault(mg_str text, size_t max_depth, mg_error *error);

#endif
