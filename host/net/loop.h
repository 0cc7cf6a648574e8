/* A worker's event loop: libevent's base, work posted from other threads, timers, and objects that are freed after the
 * turn in which they ended, since no callback may free the object that called it. */
#ifndef MG_NET_LOOP_H
#define MG_NET_LOOP_H

#include "base/arena.h"

struct event_base;
typedef struct mg_evloop mg_evloop;

mg_evloop *mg_evloop_create(void); /* NULL: out of file descriptors */
void mg_evloop_destroy(mg_evloop *l); /* not while it runs */
struct event_base *mg_evloop_base(mg_evloop *l);
void mg_evloop_run(mg_evloop *l);  /* until mg_evloop_stop */
void mg_evloop_stop(mg_evloop *l); /* any thread */
/* Runs run(arg) on the loop's thread in its next turn; any thread; in order. False after the loop was stopped. What was
 * accepted before the stop is still run, unless the loop never runs at all. */
bool mg_evloop_post(mg_evloop *l, void (*run)(void *arg), void *arg);
/* Calls free_fn(object) after the present turn; loop thread only. */
void mg_evloop_reap(mg_evloop *l, void (*free_fn)(void *object), void *object);
/* Milliseconds of CLOCK_MONOTONIC when first asked in this turn; cheap. */
uint64_t mg_evloop_now(mg_evloop *l);

/* Work at the end of the present turn, after all of its events and before the reaper: once a turn however often asked
 * for. The struct belongs to the caller (set run and arg, zero the rest) and must live until it ran or was undeferred.
 * Loop thread only. */
typedef struct mg_deferred {
    void (*run)(void *arg);
    void *arg;
    struct mg_deferred *next, **link; /* the loop's own; link is NULL when not queued */
} mg_deferred;
void mg_evloop_defer(mg_evloop *l, mg_deferred *d);
void mg_evloop_undefer(mg_evloop *l, mg_deferred *d);

/* Fires once, never before ms have passed. The handle is gone after firing or cancel. */
mg_timer *mg_evloop_timer(mg_evloop *l, uint64_t ms, void (*fire)(void *arg), void *arg);
void mg_evloop_timer_cancel(mg_evloop *l, mg_timer *t); /* NULL is fine */

/* Pending asynchronous operations: a slot table with generations, so that a completion which comes late, twice or after
 * cancel finds nothing. Loop thread only. */
typedef void (*mg_completion)(void *arg, const void *result);
mg_token mg_evloop_pend(mg_evloop *l, mg_completion done, void *arg);
/* Calls `done` and frees the slot; false (counted as stray) if the token is not pending any more. */
bool mg_evloop_complete(mg_evloop *l, mg_token token, const void *result);
void mg_evloop_forget(mg_evloop *l, mg_token token); /* cancel: a later completion is stray */
size_t mg_evloop_pending(const mg_evloop *l);
uint64_t mg_evloop_strays(const mg_evloop *l);

/* The loop as plugins see it; lives as long as the loop. */
const mg_loop *mg_evloop_plugin(mg_evloop *l);

#endif
