/* A sandboxed Lua state with the files of one bundle, its coroutines, and the leash that holds whatever runs in it. */
#ifndef MG_POLICY_STATE_H
#define MG_POLICY_STATE_H

#include "policy/binding.h"
#include "policy/bundle.h"
#include "policy/leash.h"

typedef struct mg_state_limits {
    size_t memory; /* bytes of the state */
    uint64_t units, cpu_us; /* of one call */
} mg_state_limits;

typedef struct mg_state_file {
    int phase[MG_PHASES]; /* registry references of the functions, LUA_NOREF where there is none */
    int defaults, view; /* the settings as the file has them; the metatable of policy.settings */
    uint64_t selected; /* id of the settings that policy.settings shows; 0: the defaults */
} mg_state_file;

typedef struct mg_thread { /* a coroutine of the host */
    lua_State *L;
    int ref;
} mg_thread;
enum { MG_STATE_THREADS = 16, MG_STATE_SETTINGS = 512 };

typedef struct mg_state_settings { /* an organization's settings, merged when first used */
    uint64_t id;
    int *tables; /* registry references, one a file; LUA_NOREF: not yet merged */
} mg_state_settings;

typedef struct mg_state {
    mg_leash leash; /* first: it is what the allocator is given */
    lua_State *L;
    mg_bundle *bundle; /* reference held */
    mg_state_limits limits;
    mg_state_file *files;
    mg_call *running; /* the call whose Lua code runs just now */
    const mg_bundle_file *loading; /* the file that is being loaded, or NULL */
    mg_thread pool[MG_STATE_THREADS];
    size_t n_pool;
    mg_state_settings *settings; /* open addressing by id; MG_STATE_SETTINGS slots, or NULL */
    size_t n_settings;
    /* the engine's: */
    struct mg_state *next;
    size_t calls; /* calls that have a coroutine here */
    uint64_t used_ms;
    bool retired; /* not to be used for new calls: its memory stays nearly full */
} mg_state;

/* Loads every file of the bundle. With `learn` what the files say about themselves is written into the bundle. NULL after
 * calling `fault` for each file that failed. */
mg_state *mg_state_create(mg_bundle *b, const mg_state_limits *limits, bool learn, mg_fault_fn fault, void *arg);
void mg_state_destroy(mg_state *s); /* NULL is fine. Not while a call runs in it */

/* Makes the file's policy.settings show these (id 0: the defaults). `settings` is the organization's, by policy name. */
void mg_state_select(mg_state *s, size_t file, uint64_t id, const mg_json *settings);

mg_thread mg_state_thread_take(mg_state *s);
/* `usable`: its function has returned. Otherwise it is left to the collector. */
void mg_state_thread_give(mg_state *s, mg_thread t, bool usable);

typedef enum mg_ran {
    MG_RAN_DONE, /* the results are on the thread's stack */
    MG_RAN_WAITS, /* for a primitive */
    MG_RAN_FAILED, /* a Lua error */
    MG_RAN_KILLED /* by the leash; the thread must not be used again */
} mg_ran;

/* The one function that runs Lua: resumes the thread with n arguments on its stack. `c` is the call that it belongs to, or
 * NULL. For the last two results error->text says why; it names source lines, and is for the log only. */
mg_ran mg_state_resume(mg_state *s, mg_thread t, int n, mg_spent *spent, mg_call *c, mg_error *error);
/* After a call: collects garbage when memory is short, and sets `retired` if that did not help. */
void mg_state_tidy(mg_state *s);

mg_state *mg_state_of(lua_State *L);

#endif
