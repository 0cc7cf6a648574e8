/* What a binding asks of the runtime. */
#include "policy/call.h"

enum { RESULTS_MAX = 16 };

mg_call *mg_call_of(lua_State *L) { return mg_state_of(L)->running; }
mg_request *mg_call_request(mg_call *c) { return c->request; }
mg_worker *mg_call_worker(mg_call *c) { return c->request->worker; }
mg_phase mg_call_phase(mg_call *c) { return c->phase; }

mg_request *mg_lua_request(lua_State *L) {
    mg_call *c = mg_call_of(L);
    if (!c) luaL_error(L, "there is no request while the file is loaded: call this from a phase function");
    return c->request;
}

mg_str mg_lua_org(lua_State *L) { return mg_state_of(L)->bundle->org; }

mg_str mg_lua_policy_name(lua_State *L) {
    const mg_state *s = mg_state_of(L);
    if (s->loading) return s->loading->source->name;
    return s->running ? s->bundle->files[mg_call_step(s->running)->file].source->name : MG_STR("");
}

mg_str mg_lua_rule(lua_State *L) {
    const mg_state *s = mg_state_of(L);
    if (s->running) return mg_call_step(s->running)->rule;
    return mg_lua_policy_name(L);
}

mg_call *mg_call_wait(lua_State *L, void (*cancel)(void *arg), void *arg) {
    mg_call *c = mg_call_of(L);
    if (!c) luaL_error(L, "this waits, which is not possible while the file is loaded");
    if (L != c->thread.L || !lua_isyieldable(L))
        luaL_error(L,
                   "this waits, which is not possible within a function called by table.sort, string.gsub or the like");
    luaL_checkstack(L, RESULTS_MAX, "results");
    c->wait = MG_WAIT_PENDING;
    c->yielded = c->broken = false;
    c->results = 0;
    c->cancel = cancel;
    c->cancel_arg = arg;
    return c;
}

int mg_call_yield(lua_State *L, mg_call *c) {
    if (c->wait == MG_WAIT_READY) {
        c->wait = MG_WAIT_NONE;
        return c->broken ? luaL_error(L, "the results could not be handed over") : c->results;
    }
    c->yielded = true;
    return lua_yield(L, 0);
}

typedef struct pushing {
    mg_call *call;
    int (*push)(lua_State *L, void *data);
    void *data;
} pushing;

/* Runs protected on the main thread: the coroutine may be waiting, when nobody would catch an error, or be running below
 * the code that reports the completion, which an error must not jump over. */
static int push_protected(lua_State *L) {
    pushing *p = lua_touserdata(L, 1);
    int n = p->push(L, p->data);
    if (n > RESULTS_MAX) luaL_error(L, "a primitive has more than %d results", RESULTS_MAX);
    lua_xmove(L, p->call->thread.L, n);
    p->call->results = n;
    return 0;
}

/* The results are the host's work: if they go beyond the state's memory, it is the policy's next allocation that fails. */
static void push_results(mg_call *c, pushing *p) {
    mg_state *s = c->state;
    bool on = s->leash.on;
    s->leash.on = false;
    if (lua_cpcall(s->L, push_protected, p) != 0) {
        lua_pop(s->L, 1);
        c->broken = true;
    }
    s->leash.on = on;
}

void mg_call_ready(mg_call *c, int (*push)(lua_State *L, void *data), void *data) {
    if (c->wait != MG_WAIT_PENDING) return; /* late, or twice */
    c->wait = MG_WAIT_READY;
    c->cancel = NULL;
    pushing p = {c, push, data};
    push_results(c, &p);
    if (c->yielded) mg_evloop_defer(c->request->worker->loop, &c->resume);
}
