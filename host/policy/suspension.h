/* Files that keep being killed are not asked for a while: three kills in ten seconds, counted for each organization, so that
 * what one organization sends cannot take a shared policy away from the others. */
#ifndef MG_POLICY_SUSPENSION_H
#define MG_POLICY_SUSPENSION_H

#include "policy/source.h"

enum { MG_SUSPENSIONS = 256, MG_SUSPENSION_KILLS = 3, MG_SUSPENSION_WINDOW_MS = 10000 };

typedef struct mg_suspension {
    uint64_t id; /* of organization and file; 0: a free slot */
    uint64_t kills_ms[MG_SUSPENSION_KILLS];
    uint64_t until_ms;
} mg_suspension;

/* A worker's; zeroed it is empty. When it is full, the slot that was used longest ago is taken over. */
typedef struct mg_suspensions {
    mg_suspension slots[MG_SUSPENSIONS];
    size_t n;
} mg_suspensions;

/* A changed file starts anew: its bytes are part of the id. */
uint64_t mg_suspension_id(mg_str org, const mg_source *file);
/* Milliseconds until the file is asked again; 0: it is not suspended. */
uint64_t mg_suspensions_left(const mg_suspensions *s, uint64_t id, uint64_t now_ms);
/* Counts a kill; true if the file is suspended from now on, for `for_ms`. */
bool mg_suspensions_count(mg_suspensions *s, uint64_t id, uint64_t now_ms, uint64_t for_ms);

#endif
