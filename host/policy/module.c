/* Modules into a state: each function wrapped so that it refuses outside of its phases. */
#include "policy/binding.h"
#include "policy/leash.h"
#include "policy/sandbox.h"

#include <stdio.h>

static void add_phases(char *out, size_t size, unsigned phases) {
    size_t n = 0;
    out[0] = 0;
    for (int p = 0; p < MG_PHASES && n < size; p++) {
        if (!(phases & 1u << p)) continue;
        n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "", mg_phase_name((mg_phase)p));
    }
    if (phases & MG_AT_LOAD && n < size) snprintf(out + n, size - n, "%swhile the file is loaded", n ? ", " : "");
}

static int refuse_phase(lua_State *L, const mg_lua_module *module, const mg_lua_function *f, const mg_call *c) {
    char allowed[160];
    add_phases(allowed, sizeof allowed, f->phases);
    return luaL_error(L, "%s%s%s can't be called %s%s; it can in: %s", module->name, module->class_ ? ":" : ".",
                      f->name, c ? "in " : "",
                      c ? mg_phase_name(mg_call_phase((mg_call *)c)) : "while the file is loaded", allowed);
}

/* Upvalues: the function, its module. */
static int call_checked(lua_State *L) {
    const mg_lua_function *f = lua_touserdata(L, lua_upvalueindex(1));
    mg_call *c = mg_call_of(L);
    unsigned now = c ? 1u << mg_call_phase(c) : (unsigned)MG_AT_LOAD;
    if (f->phases && !(f->phases & now)) return refuse_phase(L, lua_touserdata(L, lua_upvalueindex(2)), f, c);
    mg_leash_check_stack(L);
    return f->call(L);
}

static void open_module(lua_State *L, const mg_lua_module *m) {
    lua_newtable(L);
    for (const mg_lua_function *f = m->functions; f && f->name; f++) {
        lua_pushlightuserdata(L, (void *)f);
        lua_pushlightuserdata(L, (void *)m);
        lua_pushcclosure(L, call_checked, 2);
        lua_setfield(L, -2, f->name);
    }
    if (m->open) m->open(L);
    if (m->class_)
        lua_pop(L, 1);
    else
        mg_sandbox_global(L, m->name);
}

void mg_lua_modules_open(lua_State *L) {
    for (const mg_lua_module *const *m = mg_lua_modules; *m; m++) {
        if (!(*m)->functions && !(*m)->open) continue;
        luaL_checkstack(L, 20, "modules");
        open_module(L, *m);
    }
}
