/* targets{…}: where a request goes, and how it is brought to an answer there. */
#ifndef MG_POLICY_TARGETS_H
#define MG_POLICY_TARGETS_H

#include "gateway/routing.h"
#include "policy/fields.h"

enum { MG_TARGETS_MAX = 32 };

typedef struct mg_target_choice {
    mg_str name; /* Lua's */
    double weight; /* -1: as configured */
    uint64_t timeout_ms; /* 0: as configured */
    uint16_t group; /* of the table that it stood in; 0: none */
    mg_strategy group_strategy;
} mg_target_choice;

typedef struct mg_targets {
    mg_target_choice list[MG_TARGETS_MAX];
    size_t n;
    uint16_t groups;
    bool detailed; /* a choice says more than its name */
    mg_routing routing; /* what `given` names of it */
    uint32_t given; /* bits of targets.c */
} mg_targets;

/* Reads the table of f: names, or options, or both. The struct is zeroed. */
void mg_targets_read(mg_fields *f, mg_targets *out);
/* Puts them into the request. What was not given stays as it was; with names the strategy is `order` unless given. MG_ERROR:
 * they are unknown, or not allowed. */
mg_status mg_targets_apply(const mg_targets *t, mg_request *r, mg_error *error);

#endif
