/* How a Lua module is bound: one file per module (lua_limits.c, lua_req.c, …), each with one table of functions whose doc
 * blocks make the manual and the editor stubs. */
#ifndef MG_POLICY_BINDING_H
#define MG_POLICY_BINDING_H

#include "gateway/request.h"

#include <lua.h>
#include <lauxlib.h>

/* Doc block, in LuaLS annotation form without the leading dashes, then "---" and prose. Example:
 *   "@param text string\n@param types? string[]\n@return PiiSpan[]? spans\n@return string? error\n---\nFinds personal data …"
 * `phases`: bit 1 << mg_phase where it may be called; 0: everywhere; MG_AT_LOAD: also while the file is loaded. */
enum { MG_AT_LOAD = 1 << 30, MG_ANY_PHASE = (1 << MG_PHASES) - 1 };

typedef struct mg_lua_function {
    const char *name; /* NULL ends a table */
    lua_CFunction call;
    unsigned phases;
    bool waits; /* yields to the event loop */
    const char *doc;
} mg_lua_function;

typedef struct mg_lua_field { /* a field of req, res, req.key, … */
    const char *name;
    const char *type; /* LuaLS type */
    const char *doc;
    /* Pushes its value, for objects (policy/object.h); NULL in classes of plain tables. */
    void (*get)(lua_State *L, mg_request *r, const void *object);
} mg_lua_field;

typedef struct mg_lua_module {
    const char *name; /* "limits"; "req" for a class whose methods are called with ':' */
    bool class_;      /* not a global: `open` keeps the table of methods for the class's metatable */
    const char *doc;
    const mg_lua_function *functions; /* may be NULL: a class of plain tables, listed for the manual only */
    const mg_lua_field *fields;       /* may be NULL */
    /* Called once a state with the table of the module's wrapped functions on top of the stack, before that becomes
     * read-only; adds constants to it, makes metatables, and leaves the stack as it was. May be NULL. */
    void (*open)(lua_State *L);
} mg_lua_module;

/* All modules, NULL at the end (policy/modules.c). */
extern const mg_lua_module *const mg_lua_modules[];

/* Registers every module into a fresh sandboxed state: a read-only global table each. Each C function is wrapped so that it
 * refuses outside its phases with a sentence that says so. */
void mg_lua_modules_open(lua_State *L);

/* Push the objects `req` and `res` of a request for a phase function: one userdata a request, kept while calls of the same
 * request follow one another, so that this is cheap. Nothing has to be invalidated after the call: every access compares the
 * object with the request of the call under way, and a kept one raises "req is only valid during its call". */
void mg_lua_push_req(lua_State *L, mg_request *r);
void mg_lua_push_res(lua_State *L, mg_request *r);

/* ---- what a binding asks of the runtime (policy/engine.c) -------------------------------------------------------- */

typedef struct mg_call mg_call; /* one run of a phase for one request: owns a coroutine while it waits */

mg_call *mg_call_of(lua_State *L);                 /* the call under way in this state; NULL while a file is loaded */
mg_request *mg_call_request(mg_call *c);
mg_worker *mg_call_worker(mg_call *c);
mg_phase mg_call_phase(mg_call *c);
mg_request *mg_lua_request(lua_State *L);          /* raises a Lua error with a sentence outside of a phase */
mg_str mg_lua_org(lua_State *L);                   /* the organization whose state this is; "" for the shared one */
mg_str mg_lua_policy_name(lua_State *L);           /* name of the file that is being run or loaded: "rate" */
mg_str mg_lua_rule(lua_State *L);                  /* "acme/rate.admit" for decisions */

/* A primitive that waits. First mg_call_wait(L, cancel, arg): raises unless it runs on the host's coroutine (not within a pcall'd
 * C boundary or another coroutine) — then start the operation. If it completed meanwhile, mg_call_ready pushed nothing yet: the binding
 * returns mg_call_yield(L), which returns the results at once when they are there, else yields.
 *   mg_call *c = mg_call_wait(L, on_cancel, op);
 *   start(op, …, completion, c);
 *   return mg_call_yield(L, c);
 * completion calls mg_call_ready(c, push, data): `push(L, data)` pushes the results on the coroutine and returns their number;
 * it runs at once, and the coroutine goes on in a turn of the loop of its own when it had yielded. */
mg_call *mg_call_wait(lua_State *L, void (*cancel)(void *arg), void *arg);
int mg_call_yield(lua_State *L, mg_call *c);
void mg_call_ready(mg_call *c, int (*push)(lua_State *L, void *data), void *data);

/* Charges the leash for work done in C on behalf of a policy (bytes scanned, say): 1 unit is about a Lua instruction. Raises
 * when the budget of the call is spent. */
void mg_lua_charge(lua_State *L, size_t units);

/* Argument helpers: raise with "limits.take: 'requests' must be …, got …". */
mg_str mg_lua_check_str(lua_State *L, int index);
mg_str mg_lua_opt_field_str(lua_State *L, int table, const char *field); /* {NULL,0} if nil */
double mg_lua_opt_field_number(lua_State *L, int table, const char *field, double otherwise);
void mg_lua_check_fields(lua_State *L, int table, const char *const *known, const char *who); /* unknown keys raise, with the nearest */
void mg_lua_push_str(lua_State *L, mg_str s);
void mg_lua_push_json(lua_State *L, const mg_json *v); /* JSON to Lua values; null to json.null, the light userdata NULL */
/* A Lua value as JSON text in the arena. false and an error for functions, cycles, mixed tables, too deep (32), > 1 MB. */
bool mg_lua_to_json(lua_State *L, int index, mg_arena *arena, mg_str *out, mg_error *error);

#endif
