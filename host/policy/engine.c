/* Asks the policies of a phase in order, and says what came of it. */
#include "policy/engine.h"
#include "base/log.h"
#include "policy/verdict.h"

#include <stdlib.h>

enum { SWEEP_MS = 5000, DEAD_MS = 60000, DENIED = 500, UNAVAILABLE = 503 };

/* ---- calls ------------------------------------------------------------------------------------------------------- */

static void on_resume(void *arg) {
    mg_call *c = arg;
    mg_request_resume(c->request);
}

/* A dead call is used again only when no completion of its last operation can be under way any more. */
static mg_call *call_take(mg_engine *e) {
    mg_call *c = e->idle;
    if (c)
        e->idle = c->next;
    else if (e->dead && mg_clock_mono_ms() - e->dead->dead_ms > DEAD_MS) {
        c = e->dead;
        e->dead = c->next;
        if (!e->dead) e->dead_end = &e->dead;
    } else {
        c = mg_malloc(sizeof *c);
    }
    *c = (mg_call){.engine = e, .resume = {.run = on_resume, .arg = c}};
    return c;
}

static mg_call *call_begin(mg_engine *e, mg_request *r, mg_policies *p, const mg_plan *plan, mg_phase phase) {
    mg_call *c = call_take(e);
    c->request = r;
    c->policies = mg_policies_ref(p);
    c->plan = plan;
    c->phase = phase;
    return c;
}

static void call_end(mg_call *c, bool dead) {
    mg_engine *e = c->engine;
    mg_policies_unref(c->policies);
    c->policies = NULL;
    c->request = NULL;
    if (!dead) {
        c->next = e->idle;
        e->idle = c;
        return;
    }
    c->dead_ms = mg_clock_mono_ms();
    c->next = NULL;
    *e->dead_end = c;
    e->dead_end = &c->next;
}

/* The step is over: gives the coroutine back. */
static void step_leave(mg_call *c, bool usable) {
    mg_state *s = c->state;
    if (c->timer) mg_evloop_timer_cancel(c->request->worker->loop, c->timer);
    c->timer = NULL;
    c->wait = MG_WAIT_NONE;
    c->state = NULL;
    mg_state_thread_give(s, c->thread, usable);
    mg_engine_state_left(c->engine, s);
}

/* ---- failures ---------------------------------------------------------------------------------------------------- */

typedef enum step_end { STEP_NEXT, STEP_STOPS, STEP_WAITS } step_end;

static void log_failure(const mg_call *c, const char *kind, const char *why) {
    const mg_request *r = c->request;
    mg_log(MG_LOG_ERROR, "policy_failed", MG_F("rule", mg_call_step(c)->rule), MG_F("kind", mg_str_of(kind)),
           MG_F("error", mg_str_of(why)), MG_F("org", r->org ? r->org->id : MG_STR("")),
           MG_F("request", mg_str_of(r->id)), MG_FN("generation", r->generation));
}

static void deny(mg_request *r, int status, const char *code, mg_str message, mg_str rule, int64_t retry_after_ms) {
    r->verdict = (mg_verdict){.kind = MG_VERDICT_DENY,
                              .status = status,
                              .code = mg_str_of(code),
                              .message = message,
                              .retry_after_ms = retry_after_ms,
                              .rule = mg_arena_dup(r->arena, rule)};
}

/* A policy could not be asked, or did not do what it should. The client learns which policy it was and no more. */
static step_end fail(mg_call *c, mg_failure_kind kind, const char *why, uint64_t retry_after_ms) {
    static const char *const kinds[] = {"error", "killed", "timeout", "suspended"};
    mg_request *r = c->request;
    mg_str rule = mg_call_step(c)->rule;
    bool suspended = kind == MG_FAILURE_SUSPENDED, open = mg_policies_options(c->policies)->fail_open;
    mg_series_add(c->engine->failures[kind], 1);
    if (!suspended) log_failure(c, kinds[kind], why);
    mg_request_decide(r, mg_phase_name(c->phase), rule, open ? "skip" : "error", "\"failure\":\"%s\"", kinds[kind]);
    if (open || c->phase == MG_PHASE_SETTLE) return STEP_NEXT;
    mg_str message = mg_arena_printf(r->arena, "The policy " MG_STR_FMT " %s.", MG_STR_ARG(rule),
                                     suspended ? "is suspended" : "failed");
    if (suspended)
        deny(r, UNAVAILABLE, "policy_unavailable", message, rule, (int64_t)retry_after_ms);
    else
        deny(r, DENIED, "policy_failed", message, rule, -1);
    return STEP_STOPS;
}

static const mg_source *source_of(const mg_call *c) {
    const mg_step *step = mg_call_step(c);
    const mg_bundle *b = step->own ? c->plan->own : mg_policies_shared(c->policies);
    return b->files[step->file].source;
}

static uint64_t suspension_of(const mg_call *c) {
    return mg_suspension_id(c->request->org ? c->request->org->id : MG_STR(""), source_of(c));
}

static step_end fail_killed(mg_call *c, const char *why) {
    mg_engine *e = c->engine;
    uint64_t for_ms = mg_policies_options(c->policies)->suspend_ms;
    e->killed++;
    if (mg_suspensions_count(&e->suspensions, suspension_of(c), mg_clock_mono_ms(), for_ms)) {
        e->suspended++;
        mg_log(MG_LOG_ERROR, "policy_suspended", MG_F("rule", mg_call_step(c)->rule), MG_FN("for_ms", for_ms));
    }
    return fail(c, MG_FAILURE_KILLED, why, 0);
}

/* ---- one step ---------------------------------------------------------------------------------------------------- */

static void on_wall_clock(void *arg) {
    mg_call *c = arg;
    c->timer = NULL;
    if (c->wait != MG_WAIT_PENDING) return; /* done in this very turn */
    c->wait = MG_WAIT_NONE;
    c->timed_out = c->stray = true;
    if (c->cancel) c->cancel(c->cancel_arg);
    mg_request_resume(c->request);
}

static step_end wait_for(mg_call *c) {
    if (!c->timer)
        c->timer =
            mg_evloop_timer(c->request->worker->loop, mg_policies_options(c->policies)->wall_ms, on_wall_clock, c);
    return STEP_WAITS;
}

/* What the phase function returned is on the thread's stack. */
static step_end take_result(mg_call *c) {
    mg_request *r = c->request;
    mg_error error = {0};
    mg_result result;
    lua_State *L = c->thread.L;
    mg_str rule = mg_call_step(c)->rule;
    if (lua_gettop(L) == 0 || lua_isnil(L, 1)) {
        step_leave(c, true);
        return STEP_NEXT;
    }
    lua_settop(L, 1);
    mg_status status = mg_result_read(L, 1, &result, &error);
    if (status == MG_OK) status = mg_result_check_phase(result.kind, c->phase, &error);
    bool queued = r->verdict.kind == MG_VERDICT_QUEUE; /* another policy may still deny; the first queue holds */
    if (status == MG_OK && result.kind == MG_RESULT_TARGETS)
        status = mg_targets_apply(&result.targets, r, &error);
    else if (status == MG_OK && !(queued && result.kind == MG_RESULT_QUEUE))
        mg_result_apply_verdict(&result, r, rule);
    step_leave(c, true);
    if (status != MG_OK) return fail(c, MG_FAILURE_ERROR, error.text, 0);
    if (result.kind == MG_RESULT_TARGETS)
        mg_request_decide(r, mg_phase_name(c->phase), rule, "route", "\"targets\":%zu", r->n_targets);
    return result.kind == MG_RESULT_DENY || result.kind == MG_RESULT_ANSWER ? STEP_STOPS : STEP_NEXT;
}

static step_end go_on(mg_call *c, int n) {
    mg_error error = {0};
    mg_ran ran = mg_state_resume(c->state, c->thread, n, &c->spent, c, &error);
    bool waits = ran == MG_RAN_WAITS && c->yielded;
    if (waits) return wait_for(c);
    if (ran == MG_RAN_DONE) return take_result(c);
    if (c->wait == MG_WAIT_PENDING) { /* it ended between the start of an operation and the yield */
        c->stray = true;
        c->wait = MG_WAIT_NONE;
        if (c->cancel) c->cancel(c->cancel_arg);
    }
    step_leave(c, false);
    if (ran == MG_RAN_KILLED) return fail_killed(c, error.text);
    return fail(c, MG_FAILURE_ERROR, ran == MG_RAN_WAITS ? "it yielded outside of a primitive" : error.text, 0);
}

static step_end begin(mg_call *c) {
    mg_engine *e = c->engine;
    mg_request *r = c->request;
    const mg_step *step = mg_call_step(c);
    if (c->phase == MG_PHASE_REPLY && !r->final && !step->window) return STEP_NEXT; /* it wants the whole answer */
    if (e->suspensions.n) {
        uint64_t left = mg_suspensions_left(&e->suspensions, suspension_of(c), mg_clock_mono_ms());
        if (left) return fail(c, MG_FAILURE_SUSPENDED, "", left);
    }
    mg_error error = {0};
    mg_state *s = mg_engine_state(e, step->own ? c->plan->own : mg_policies_shared(c->policies), &error);
    if (!s) return fail_killed(c, error.text);
    if (!step->own) mg_state_select(s, step->file, c->plan->settings_id, c->plan->settings);
    s->calls++;
    s->used_ms = mg_evloop_now(r->worker->loop);
    c->state = s;
    c->spent = (mg_spent){0};
    c->pcall_depth = 0;
    c->yielded = c->timed_out = c->broken = false;
    c->thread = mg_state_thread_take(s);
    lua_rawgeti(c->thread.L, LUA_REGISTRYINDEX, s->files[step->file].phase[c->phase]);
    mg_lua_push_req(c->thread.L, r);
    bool answered = c->phase == MG_PHASE_REPLY || c->phase == MG_PHASE_SETTLE;
    if (answered) mg_lua_push_res(c->thread.L, r);
    return go_on(c, answered ? 2 : 1);
}

/* The primitive is done, or the time is over. */
static step_end resume(mg_call *c) {
    if (c->timed_out) {
        step_leave(c, false);
        return fail(c, MG_FAILURE_TIMEOUT, "it waited longer than a call may", 0);
    }
    if (c->broken) {
        step_leave(c, false);
        return fail(c, MG_FAILURE_ERROR, "what it waited for could not be handed over", 0);
    }
    const mg_step *step = mg_call_step(c);
    if (!step->own) mg_state_select(c->state, step->file, c->plan->settings_id, c->plan->settings);
    c->wait = MG_WAIT_NONE;
    c->yielded = false;
    c->state->used_ms = mg_evloop_now(c->request->worker->loop);
    return go_on(c, c->results);
}

/* ---- the runner -------------------------------------------------------------------------------------------------- */

static void list_waiting(mg_call *c) {
    c->next = c->engine->waiting;
    c->engine->waiting = c;
    c->request->policy_state = c;
}

static void unlist_waiting(mg_call *c) {
    mg_call **p = &c->engine->waiting;
    while (*p != c) p = &(*p)->next;
    *p = c->next;
    c->request->policy_state = NULL;
}

static mg_run run_steps(mg_call *c) {
    for (; c->at < c->plan->n_steps[c->phase]; c->at++) {
        step_end end = c->state ? resume(c) : begin(c);
        if (end == STEP_STOPS) break;
        if (end == STEP_WAITS) {
            list_waiting(c);
            return MG_RUN_WAIT;
        }
    }
    call_end(c, c->stray);
    return MG_RUN_DONE;
}

static mg_str org_of(const mg_request *r) { return r->org ? r->org->id : MG_STR(""); }

static mg_run run(void *ctx, mg_request *r, mg_phase phase) {
    mg_engine *e = ctx;
    mg_call *c = r->policy_state;
    if (c) {
        if (c->wait == MG_WAIT_PENDING) return MG_RUN_WAIT;
        mg_evloop_undefer(e->worker->loop, &c->resume);
        unlist_waiting(c);
        return run_steps(c);
    }
    mg_policies *p = r->policies;
    const mg_plan *plan = p ? mg_policies_plan(p, org_of(r)) : NULL;
    r->verdict = (mg_verdict){.retry_after_ms = -1};
    if (!plan || plan->n_steps[phase] == 0) return MG_RUN_DONE;
    return run_steps(call_begin(e, r, p, plan, phase));
}

static void cancel(void *ctx, mg_request *r) {
    mg_engine *e = ctx;
    mg_call *c = r->policy_state;
    if (!c) return;
    bool pending = c->wait == MG_WAIT_PENDING;
    c->wait = MG_WAIT_NONE;
    if (pending && c->cancel) c->cancel(c->cancel_arg);
    mg_evloop_undefer(e->worker->loop, &c->resume);
    unlist_waiting(c);
    if (c->state) step_leave(c, false);
    call_end(c, pending || c->stray);
}

static void refresh(mg_engine *e) {
    if (e->current && mg_policies_generation(e->current) == mg_reloader_generation(e->reloader)) return;
    mg_policies_unref(e->current);
    e->current = mg_reloader_current(e->reloader);
}

static void *acquire(void *ctx, uint64_t *generation) {
    mg_engine *e = ctx;
    refresh(e);
    *generation = mg_policies_generation(e->current);
    return mg_policies_ref(e->current);
}

static void release(void *ctx, void *generation) {
    (void)ctx;
    mg_policies_unref(generation);
}

static bool has(void *ctx, void *generation, mg_str org, mg_phase phase) {
    (void)ctx;
    return generation && mg_policies_plan(generation, org)->n_steps[phase] > 0;
}

static size_t window(void *ctx, void *generation, mg_str org) {
    (void)ctx;
    return generation ? mg_policies_plan(generation, org)->window : 0;
}

mg_policy_runner mg_engine_runner(mg_engine *e) {
    return (mg_policy_runner){
        .ctx = e, .acquire = acquire, .release = release, .has = has, .window = window, .run = run, .cancel = cancel};
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void on_sweep(void *arg) {
    mg_engine *e = arg;
    refresh(e);
    mg_engine_sweep(e);
    uint64_t idle_ms = mg_policies_options(e->current)->idle_ms;
    e->sweep = mg_evloop_timer(e->worker->loop, idle_ms < SWEEP_MS ? idle_ms : SWEEP_MS, on_sweep, e);
}

static void open_metrics(mg_engine *e, mg_metrics *m) {
    static const char *const kinds[] = {"error", "killed", "timeout", "suspended"};
    for (int i = 0; m && i < 4; i++) {
        mg_header label = {MG_STR("kind"), mg_str_of(kinds[i])};
        e->failures[i] = mg_metrics_series(m, "moongate_policy_failures_total", MG_COUNTER,
                                           "Policies that failed, or were not asked because they are suspended.", NULL,
                                           0, &label, 1);
    }
}

mg_engine *mg_engine_create(mg_worker *w, mg_reloader *r, mg_error *error) {
    mg_engine *e = MG_NEW(mg_engine);
    e->worker = w;
    e->reloader = r;
    e->dead_end = &e->dead;
    refresh(e);
    if (!e->current) {
        mg_fail(error, 0, "", "there is no generation of policies to begin with");
        mg_engine_destroy(e);
        return NULL;
    }
    open_metrics(e, w->gateway ? w->gateway->metrics : NULL);
    on_sweep(e);
    return e;
}

static void free_calls(mg_call *c) {
    while (c) {
        mg_call *next = c->next;
        free(c);
        c = next;
    }
}

void mg_engine_destroy(mg_engine *e) {
    if (!e) return;
    while (e->waiting) cancel(e, e->waiting->request);
    mg_evloop_timer_cancel(e->worker->loop, e->sweep);
    mg_engine_states_finish(e);
    free_calls(e->idle);
    free_calls(e->dead);
    mg_policies_unref(e->current);
    free(e);
}

void mg_engine_stats_get(const mg_engine *e, mg_engine_stats *out) {
    *out = (mg_engine_stats){.states = e->n_states, .built = e->built, .killed = e->killed, .suspended = e->suspended};
    for (size_t i = 0; i < MG_ENGINE_BUCKETS; i++)
        for (const mg_state *s = e->states[i]; s; s = s->next) out->bytes += s->leash.used;
}
