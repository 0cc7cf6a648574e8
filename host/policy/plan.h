/* Who is asked in which phase, for one organization. */
#ifndef MG_POLICY_PLAN_H
#define MG_POLICY_PLAN_H

#include "policy/bundle.h"

typedef struct mg_step {
    bool own; /* in the organization's own bundle, else in the shared one */
    size_t file; /* index in the bundle */
    mg_str rule; /* "acme/rate.admit" */
    size_t window;
} mg_step;

typedef struct mg_plan {
    mg_str org;
    mg_bundle *own; /* NULL: no files of its own */
    const mg_json *settings; /* by policy name, or NULL */
    uint64_t settings_id;
    const mg_step *steps[MG_PHASES];
    size_t n_steps[MG_PHASES];
    size_t window; /* the least of its `reply` policies' */
} mg_plan;

/* Borrowed from the generation, never NULL. */
const mg_plan *mg_policies_plan(const mg_policies *p, mg_str org);
const mg_plan *mg_policies_plans(const mg_policies *p,
                                 size_t *n); /* of organizations with files or settings of their own */
int64_t mg_policies_loaded_ms(const mg_policies *p); /* Unix */
mg_bundle *mg_policies_shared(const mg_policies *p); /* borrowed */
const mg_policy_options *mg_policies_options(const mg_policies *p); /* with the defaults filled in */
/* True if both ask the same files with the same settings. */
bool mg_policies_same(const mg_policies *a, const mg_policies *b);

#endif
