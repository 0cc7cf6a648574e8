/* The policy runtime: sandboxed Lua states, one per worker, organization with rules of its own, and generation; hot reload. */
#ifndef MG_POLICY_POLICY_H
#define MG_POLICY_POLICY_H

#include "gateway/worker.h"

/* ---- a generation: every file read and checked; immutable; refcounted -------------------------------------------- */

typedef struct mg_policies mg_policies;

typedef struct mg_policy_fault {
    mg_str file; /* path as given by the folder, relative to it */
    int line; /* 0: none */
    mg_str message;
} mg_policy_fault;

typedef struct mg_policy_options {
    mg_str folder; /* "policies"; "" or missing folder: the files built into the program (the four that ship) */
    uint64_t cpu_us; /* of one call; 0: 2,000 */
    uint64_t instructions; /* of one call; 0: 1,000,000 */
    size_t memory; /* of one state; 0: 8 MB */
    uint64_t wall_ms; /* a phase that waits; 0: 6,000 */
    bool fail_open; /* a policy that fails lets through instead of denying */
    uint64_t idle_ms; /* a state not used this long is dropped; 0: 60,000 */
    uint64_t suspend_ms; /* a file killed three times in 10 s for an organization is not asked this long; 0: 30,000 */
} mg_policy_options;

/* Reads the folder, compiles every file, runs each once in a throw-away state (its top level, `init`, settings checked against the
 * snapshot's organization settings). Files whose bytes did not change since `previous` are shared with it, so that only what
 * changed is checked and only those organizations' states are rebuilt. On any fault returns NULL and calls `fault` for each. */
mg_policies *mg_policies_build(const mg_policy_options *o, const mg_snapshot *s, const mg_policies *previous,
                               void (*fault)(void *arg, const mg_policy_fault *f), void *arg);
mg_policies *mg_policies_ref(mg_policies *p);
void mg_policies_unref(mg_policies *p);
uint64_t mg_policies_generation(const mg_policies *p); /* 1, 2, … */
/* JSON for /admin/v1/policies: generation, loaded_at, files with their sha256 and phases, by organization. */
void mg_policies_describe(const mg_policies *p, mg_buf *out);

/* ---- reload ------------------------------------------------------------------------------------------------------ */

typedef struct mg_reloader mg_reloader; /* a builder thread; watches the folders (inotify, and stat every second) */

mg_reloader *mg_reloader_create(const mg_policy_options *o, mg_gateway *g,
                                mg_error *error); /* builds generation 1; a fault is an error */
void mg_reloader_destroy(mg_reloader *r);
mg_policies *mg_reloader_current(mg_reloader *r); /* with a reference; any thread; lock held for a moment only */
uint64_t mg_reloader_generation(const mg_reloader *r); /* of the current one; any thread, without a lock */
/* Asks for a build now (SIGHUP, admin). With `wait` returns after it is done: MG_OK (swapped or unchanged), MG_ERROR. Not from a worker. */
mg_status mg_reloader_reload(mg_reloader *r, bool wait, mg_error *error);
/* The present generation, and the faults of the last build if it failed, as JSON. Any thread. */
void mg_reloader_describe(mg_reloader *r, mg_buf *out);

/* ---- a worker's engine ------------------------------------------------------------------------------------------- */

typedef struct mg_engine mg_engine;

mg_engine *mg_engine_create(mg_worker *w, mg_reloader *r, mg_error *error);
void mg_engine_destroy(mg_engine *e);
mg_policy_runner mg_engine_runner(mg_engine *e);
typedef struct mg_engine_stats {
    size_t states, bytes; /* Lua states alive and the memory in them */
    uint64_t built, killed, suspended;
} mg_engine_stats;
void mg_engine_stats_get(const mg_engine *e, mg_engine_stats *out);

#endif
