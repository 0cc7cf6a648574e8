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
        luaL_error(L, "this waits, which is not possible within a function called by table.sort, string.gsub or the like");
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
        return c->results;
    }
    c->yielded = true;
    return lua_yield(L, 0);
}

typedef struct pushing {
    mg_call *call;
    int (*push)(lua_State *L, void *data);
    void *data;
} pushing;

/* Runs protected on the main thread: an error on a coroutine that does not run would have nobody to catch it. */
static int push_protected(lua_State *L) {
    pushing *p = lua_touserdata(L, 1);
    int n = p->push(L, p->data);
    if (n > RESULTS_MAX) luaL_error(L, "a primitive has more than %d results", RESULTS_MAX);
    lua_xmove(L, p->call->thread.L, n);
    p->call->results = n;
    return 0;
}

void mg_call_ready(mg_call *c, int (*push)(lua_State *L, void *data), void *data) {
    if (c->wait != MG_WAIT_PENDING) return; /* late, or twice */
    c->wait = MG_WAIT_READY;
    c->cancel = NULL;
    if (!c->yielded) {
        c->results = push(c->thread.L, data);
        return;
    }
    pushing p = {c, push, data};
    if (lua_cpcall(c->state->L, push_protected, &p) != 0) {
        lua_pop(c->state->L, 1);
        c->broken = true;
    }
    mg_evloop_defer(c->request->worker->loop, &c->resume);
}
