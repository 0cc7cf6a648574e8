/* Counters: sliding windows and plain sums by key, taken from several at once or from none.
 *
 * Everything before the first ':' of a key names its stripe; all counters of one call must be of one stripe (they
 * belong to one organization, and its name is what the host's keys begin with), so that one mutex makes the call
 * atomic. */
#ifndef STORE_MEMORY_COUNTERS_H
#define STORE_MEMORY_COUNTERS_H

#include <moongate/plugin.h>

enum { MG_COUNTERS_A_CALL = 64 };

typedef struct mg_counters mg_counters;

/* Holds at most `max` counters (rounded up to a multiple of the stripes). NULL: out of memory. */
mg_counters *mg_counters_create(size_t max);
void mg_counters_destroy(mg_counters *c);
/* The three operations of mg_store. `states` takes n entries. Return what mg_store_result.status shall say;
 * `refused` is set with MG_DECLINED. Any thread. */
mg_status mg_counters_take(mg_counters *c, const mg_counter *asked, size_t n, mg_counter_state *states, size_t *refused,
                           mg_error *error);
mg_status mg_counters_adjust(mg_counters *c, const mg_counter *asked, const uint64_t *buckets, size_t n,
                             mg_error *error);
mg_status mg_counters_read(mg_counters *c, const mg_counter *asked, size_t n, mg_counter_state *states,
                           mg_error *error);
size_t mg_counters_count(mg_counters *c); /* held now */

#endif
