/* What holds a policy: limits on memory, instructions and CPU time that it can neither lift nor catch.
 *
 * The count hook looks at the limits. Over them it yields out of the host's coroutine, which is then thrown away, so that no
 * pcall of the policy gets to see anything; below a C function, where nobody may yield, it raises an error and is called again
 * after every single instruction until the yield is possible. Work in C is charged as if it were instructions. */
#ifndef MG_POLICY_LEASH_H
#define MG_POLICY_LEASH_H

#include "base/clock.h"

#include <lua.h>

typedef enum mg_kill { MG_KILL_NONE, MG_KILL_CPU, MG_KILL_INSTRUCTIONS, MG_KILL_MEMORY } mg_kill;
const char *mg_kill_sentence(mg_kill k);

/* What one call has used, kept by the call while it waits. */
typedef struct mg_spent {
    uint64_t units; /* 1 is about one Lua instruction */
    uint64_t cpu_us;
} mg_spent;

typedef struct mg_leash {
    lua_State *L; /* the state's main thread */
    /* memory */
    size_t cap, used;
    size_t allocated; /* since the last look */
    size_t big; /* power of two, about the largest block of the state: how much one instruction may have to move */
    bool on; /* a policy runs: limits hold. The host's own use of the state is not limited */
    unsigned interval; /* instructions between two looks; fewer when there are big blocks */
    /* the run under way */
    mg_kill killed;
    lua_State *thread; /* the coroutine that the host resumed */
    mg_spent spent;
    uint64_t max_units, max_cpu_us;
    uint64_t next_look; /* units at which C code's charges make it look */
    uint64_t base_us, base_cpu_us; /* wall and CPU clocks at the first look; base_us 0: there was none yet */
    const char *stack; /* C stack where the run began: bounds the recursion through C functions */
} mg_leash;

/* lua_Alloc with the leash as its ud's first member. */
void *mg_leash_alloc(void *leash, void *p, size_t old_size, size_t size);
/* Sets the hook of a new state. */
void mg_leash_attach(mg_leash *l, lua_State *L);
/* Begins and ends a run on `thread`; what was spent before comes in and goes out. Runs of one state may nest: `outer` keeps
 * what the inner one replaces. */
typedef struct mg_leash_frame {
    mg_spent spent;
    lua_State *thread;
    uint64_t max_units, max_cpu_us, base_us, base_cpu_us, next_look;
    const char *stack;
    bool on;
} mg_leash_frame;
void mg_leash_enter(mg_leash *l, lua_State *thread, mg_spent spent, uint64_t max_units, uint64_t max_cpu_us,
                    mg_leash_frame *outer);
/* Returns why the run was killed, and makes the state usable again. `goes_on`: the call has yielded and will be resumed, so
 * that what it spent is wanted. */
mg_kill mg_leash_leave(mg_leash *l, bool goes_on, mg_spent *spent, const mg_leash_frame *outer);

mg_leash *mg_leash_of(lua_State *L);
/* Raises if C functions are nested too deep to go on safely. Every C function that may call back into Lua asks this first. */
void mg_leash_check_stack(lua_State *L);
/* Raises if `n` more bytes would go beyond the memory cap: for results whose size is known before they are made. */
void mg_leash_check_room(lua_State *L, size_t n, const char *who);

#endif
