#include "policy/leash.h"
#include "base/arena.h"
#include "policy/binding.h"

#include <stdlib.h>

enum {
    INTERVAL = 1000, /* instructions between two looks */
    SMALL = 8 << 10, /* blocks up to this size don't make one instruction costly */
    BYTES_A_UNIT = 64, /* of a large allocation: it is filled, and swept later */
    C_STACK = 96 << 10,      /* for C functions that call Lua that calls C functions …: unwinding them takes time too */
    GC_STEP = 16 << 10, /* bytes allocated for which the collector makes a step when memory is short */
    GC_STEPS = 64,
    GC_STEPMUL = 400,
    SLACK = 64 << 10 /* memory that a state may go beyond its cap while the error is raised */
};

static const char kill_token; /* its address is the error value: making it allocates nothing */

const char *mg_kill_sentence(mg_kill k) {
    switch (k) {
    case MG_KILL_CPU: return "it used more CPU time than a call may";
    case MG_KILL_INSTRUCTIONS: return "it ran more instructions than a call may";
    case MG_KILL_MEMORY: return "its state needed more memory than it may have";
    case MG_KILL_NONE: break;
    }
    return "it was not stopped";
}

mg_leash *mg_leash_of(lua_State *L) {
    void *ud;
    lua_getallocf(L, &ud);
    return ud;
}

/* Raises or yields; returns only where the hook's caller goes on to yield. */
static void stop(mg_leash *l, lua_State *L, bool in_hook) {
    if (in_hook && L == l->thread && lua_isyieldable(L)) {
        lua_yield(L, 0);
        return;
    }
    lua_pushlightuserdata(L, (void *)&kill_token);
    lua_error(L);
}

static void hook(lua_State *L, lua_Debug *ar);

static void condemn(mg_leash *l, mg_kill why) {
    if (l->killed) return;
    l->killed = why;
    lua_sethook(l->L, hook, LUA_MASKCOUNT, 1);
}

/* Both clocks start at the first look, a few microseconds into the call: most calls end before it, and the CPU clock is a
 * system call. Wall time can't be less than CPU time, so that is read first. */
static void look_at_clock(mg_leash *l) {
    uint64_t now = mg_clock_mono_us();
    if (!l->base_us) {
        l->base_us = now;
        l->base_cpu_us = mg_clock_thread_cpu_us();
        return;
    }
    if (l->spent.cpu_us + (now - l->base_us) < l->max_cpu_us) return;
    uint64_t cpu = mg_clock_thread_cpu_us();
    l->spent.cpu_us += cpu - l->base_cpu_us;
    l->base_us = now;
    l->base_cpu_us = cpu;
    if (l->spent.cpu_us >= l->max_cpu_us) condemn(l, MG_KILL_CPU);
}

static void look(mg_leash *l) {
    l->next_look = l->spent.units + INTERVAL;
    if (l->spent.units > l->max_units)
        condemn(l, MG_KILL_INSTRUCTIONS);
    else
        look_at_clock(l);
}

/* The collector begins at twice what was alive, which may be beyond the cap, and goes by the number of allocations, not by
 * their size: it is helped along, so that garbage does not look like a leak. */
static void collect(mg_leash *l, lua_State *L) {
    size_t steps = 1 + l->allocated / GC_STEP;
    if (steps > GC_STEPS) steps = GC_STEPS;
    while (steps-- && lua_gc(L, LUA_GCSTEP, 0) == 0) continue;
}

static void hook(lua_State *L, lua_Debug *ar) {
    (void)ar;
    mg_leash *l = mg_leash_of(L);
    if (!l->on) return;
    if (!l->killed) {
        l->spent.units += l->interval;
        if (l->used > l->cap / 2) collect(l, L);
        l->allocated = 0;
        look(l);
    }
    if (l->killed) stop(l, L, true);
}

void mg_lua_charge(lua_State *L, size_t units) {
    mg_leash *l = mg_leash_of(L);
    if (!l->on) return;
    l->spent.units += units;
    if (!l->killed && l->spent.units >= l->next_look) look(l);
    if (l->killed) stop(l, L, false);
}

/* One instruction (a concatenation, a comparison) may move or read the largest string there is. */
static unsigned interval_for(size_t big) {
    if (big <= SMALL) return INTERVAL;
    size_t n = (size_t)INTERVAL * SMALL / big;
    return n ? (unsigned)n : 1;
}

static void set_big(mg_leash *l, size_t size) {
    size_t big = SMALL;
    while (big < size) big *= 2; /* by powers of two, since setting the hook starts its count anew */
    if (big == l->big) return;
    l->big = big;
    l->interval = interval_for(big);
    if (l->L && !l->killed) lua_sethook(l->L, hook, LUA_MASKCOUNT, (int)l->interval);
}

void *mg_leash_alloc(void *leash, void *p, size_t old_size, size_t size) {
    mg_leash *l = leash;
    if (size == 0) {
        l->used -= old_size;
        free(p);
        return NULL;
    }
    if (l->on && size > old_size) {
        size_t cap = l->cap + (l->killed ? SLACK : 0);
        if (l->used > cap || size - old_size > cap - l->used) {
            condemn(l, MG_KILL_MEMORY);
            return NULL;
        }
        l->allocated += size - old_size;
        if (size > SMALL) l->spent.units += (size - old_size) / BYTES_A_UNIT;
    }
    if (size > l->big) set_big(l, size);
    l->used += size - old_size;
    return mg_realloc(p, size);
}

void mg_leash_attach(mg_leash *l, lua_State *L) {
    l->L = L;
    l->big = SMALL;
    l->interval = INTERVAL;
    lua_gc(L, LUA_GCSETSTEPMUL, GC_STEPMUL);
    lua_sethook(L, hook, LUA_MASKCOUNT, INTERVAL);
}

void mg_leash_enter(mg_leash *l, lua_State *thread, mg_spent spent, uint64_t max_units, uint64_t max_cpu_us,
                    mg_leash_frame *outer) {
    *outer = (mg_leash_frame){l->spent,       l->thread,    l->max_units, l->max_cpu_us, l->base_us,
                              l->base_cpu_us, l->next_look, l->stack,     l->on};
    l->thread = thread;
    l->spent = spent;
    l->max_units = max_units;
    l->max_cpu_us = max_cpu_us;
    l->next_look = spent.units + INTERVAL;
    l->base_us = 0;
    l->stack = __builtin_frame_address(0);
    l->on = true;
}

mg_kill mg_leash_leave(mg_leash *l, bool goes_on, mg_spent *spent, const mg_leash_frame *outer) {
    /* A call that has ended needs no account: the CPU clock is a system call. */
    if (goes_on && l->base_us) l->spent.cpu_us += mg_clock_thread_cpu_us() - l->base_cpu_us;
    *spent = l->spent;
    mg_kill killed = l->killed;
    l->spent = outer->spent;
    l->thread = outer->thread;
    l->max_units = outer->max_units;
    l->max_cpu_us = outer->max_cpu_us;
    l->base_us = outer->base_us;
    l->base_cpu_us = outer->base_cpu_us;
    l->next_look = outer->next_look;
    l->stack = outer->stack;
    l->on = outer->on;
    l->killed = MG_KILL_NONE;
    if (killed) lua_sethook(l->L, hook, LUA_MASKCOUNT, (int)l->interval);
    if (l->big > SMALL && l->used < l->big) set_big(l, l->used);
    return killed;
}

void mg_leash_check_stack(lua_State *L) {
    const mg_leash *l = mg_leash_of(L);
    const char *here = __builtin_frame_address(0);
    if (l->on && l->stack - here > C_STACK) luaL_error(L, "C stack overflow: callbacks are nested too deep");
}

void mg_leash_check_room(lua_State *L, size_t n, const char *who) {
    const mg_leash *l = mg_leash_of(L);
    if (!l->on || (n <= l->cap && l->used <= l->cap - n)) return;
    luaL_error(L, "%s: the result would have %d KB, more than the state has left", who, (int)(n >> 10));
}
