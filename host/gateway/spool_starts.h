/* Attempts that have a start record and no end yet, and where that record stands. */
#ifndef MG_GATEWAY_SPOOL_STARTS_H
#define MG_GATEWAY_SPOOL_STARTS_H

#include "gateway/spool_segment.h"

typedef struct mg_spool_start_at {
    char id[37]; /* attempt; "": free slot */
    mg_spool_segment *segment;
    uint64_t offset, moved; /* moved: rotation's note of the record's place in the next segment */
} mg_spool_start_at;

/* Open addressing; zero-initialize. All slots may be walked: `slots[0, cap)` with id[0] != 0. */
typedef struct mg_spool_starts {
    mg_spool_start_at *slots;
    size_t cap, n;
} mg_spool_starts;

void mg_spool_starts_put(mg_spool_starts *t, const char *id, mg_spool_segment *segment, uint64_t offset);
void mg_spool_starts_remove(mg_spool_starts *t, const char *id); /* absent is fine */
void mg_spool_starts_finish(mg_spool_starts *t);

#endif
