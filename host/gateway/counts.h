/* A worker's metrics of the data plane: found once, counted without a lock. */
#ifndef MG_GATEWAY_COUNTS_H
#define MG_GATEWAY_COUNTS_H

#include "gateway/request.h"

typedef struct mg_counts mg_counts;

mg_counts *mg_counts_create(mg_metrics *m); /* NULL metrics: a table that counts nothing */
void mg_counts_destroy(mg_counts *c);
void mg_counts_request(mg_counts *c, const mg_request *r); /* at the end of a request */
void mg_counts_attempt(mg_counts *c, mg_str provider, const char *kind); /* a failed attempt; kind as in its row */
void mg_counts_open(mg_counts *c, int by); /* requests under way */

#endif
