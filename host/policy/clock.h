/* The time that policies see. */
#ifndef MG_POLICY_CLOCK_H
#define MG_POLICY_CLOCK_H

#include <stdint.h>

/* For the spec runner: clock.now and clock.at on this thread stand still at that Unix time in ms; -1: they go again. */
void mg_policy_clock_fix(int64_t unix_ms);

#endif
