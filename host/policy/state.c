#include "policy/state.h"
#include "base/log.h"
#include "policy/call.h"
#include "policy/nearest.h"
#include "policy/sandbox.h"
#include "policy/verdict.h"

#include <stdio.h>
#include <stdlib.h>

enum { LOAD_UNITS_FACTOR = 10, LOAD_CPU_US = 30000, WINDOW_MAX = 1000000, FULL_PERCENT = 80, CHUNK_NAME = 56 };

mg_state *mg_state_of(lua_State *L) { return (mg_state *)(void *)mg_leash_of(L); }

static int panic(lua_State *L) {
    size_t n = 0;
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &n) : "";
    mg_log(MG_LOG_ERROR, "policy_panic", MG_F("error", mg_str_from(text, n)));
    return 0; /* LuaJIT ends the process */
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

/* Error values may be anything; only strings are looked at, since nothing else can be turned into text without running Lua. */
static void error_text(lua_State *L, mg_error *error) {
    mg_str text = MG_STR("the error is not a string");
    if (lua_type(L, -1) == LUA_TSTRING) text.p = lua_tolstring(L, -1, &text.n);
    mg_fail(error, 0, "", MG_STR_FMT, MG_STR_ARG(mg_str_cut(text, 400)));
}

mg_ran mg_state_resume(mg_state *s, mg_thread t, int n, mg_spent *spent, mg_call *c, mg_error *error) {
    mg_leash_frame outer;
    mg_call *before = s->running;
    bool loading = s->loading != NULL;
    s->running = c;
    mg_leash_enter(&s->leash, t.L, *spent, loading ? s->limits.units * LOAD_UNITS_FACTOR : s->limits.units,
                   loading && s->limits.cpu_us < LOAD_CPU_US ? LOAD_CPU_US : s->limits.cpu_us, &outer);
    int status = lua_resume(t.L, n);
    mg_kill killed = mg_leash_leave(&s->leash, status == LUA_YIELD, spent, &outer);
    s->running = before;
    if (killed) {
        mg_fail(error, 0, "", "%s", mg_kill_sentence(killed));
        return MG_RAN_KILLED;
    }
    if (status == 0) return MG_RAN_DONE;
    if (status == LUA_YIELD) return MG_RAN_WAITS;
    error_text(t.L, error);
    return MG_RAN_FAILED;
}

mg_thread mg_state_thread_take(mg_state *s) {
    if (s->n_pool) return s->pool[--s->n_pool];
    mg_thread t = {.L = lua_newthread(s->L)};
    t.ref = luaL_ref(s->L, LUA_REGISTRYINDEX);
    return t;
}

void mg_state_thread_give(mg_state *s, mg_thread t, bool usable) {
    if (usable && s->n_pool < MG_STATE_THREADS) {
        lua_settop(t.L, 0);
        s->pool[s->n_pool++] = t;
    } else {
        luaL_unref(s->L, LUA_REGISTRYINDEX, t.ref);
    }
}

void mg_state_tidy(mg_state *s) {
    size_t full = s->limits.memory / 100 * FULL_PERCENT;
    if (s->leash.used <= full) return;
    lua_gc(s->L, LUA_GCCOLLECT, 0);
    if (s->leash.used > full) s->retired = true;
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static void forget_settings(mg_state *s) {
    for (size_t i = 0; s->settings && i < MG_STATE_SETTINGS; i++) {
        mg_state_settings *slot = &s->settings[i];
        for (size_t f = 0; slot->id && f < s->bundle->n; f++) luaL_unref(s->L, LUA_REGISTRYINDEX, slot->tables[f]);
        free(slot->tables);
        *slot = (mg_state_settings){0};
    }
    s->n_settings = 0;
}

static mg_state_settings *find_settings(mg_state *s, uint64_t id) {
    if (!s->settings) s->settings = mg_calloc(MG_STATE_SETTINGS, sizeof *s->settings);
    if (s->n_settings >= MG_STATE_SETTINGS / 2) forget_settings(s);
    size_t i = id % MG_STATE_SETTINGS;
    while (s->settings[i].id && s->settings[i].id != id) i = (i + 1) % MG_STATE_SETTINGS;
    mg_state_settings *slot = &s->settings[i];
    if (slot->id) return slot;
    slot->id = id;
    slot->tables = mg_malloc(s->bundle->n * sizeof *slot->tables);
    for (size_t f = 0; f < s->bundle->n; f++) slot->tables[f] = LUA_NOREF;
    s->n_settings++;
    return slot;
}

/* Pushes the table that the file should see. */
static void push_settings(mg_state *s, size_t file, uint64_t id, const mg_json *settings) {
    lua_State *L = s->L;
    const mg_json *mine = id ? mg_json_get(settings, s->bundle->files[file].source->name) : NULL;
    if (!mine) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, s->files[file].defaults);
        return;
    }
    mg_state_settings *slot = find_settings(s, id);
    if (slot->tables[file] == LUA_NOREF) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, s->files[file].defaults);
        mg_policy_settings_push(L, lua_gettop(L), mine);
        slot->tables[file] = luaL_ref(L, LUA_REGISTRYINDEX);
        lua_pop(L, 1);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, slot->tables[file]);
}

void mg_state_select(mg_state *s, size_t file, uint64_t id, const mg_json *settings) {
    mg_state_file *f = &s->files[file];
    if (f->selected == id) return;
    lua_rawgeti(s->L, LUA_REGISTRYINDEX, f->view);
    push_settings(s, file, id, settings);
    lua_setfield(s->L, -2, "__index");
    lua_pop(s->L, 1);
    f->selected = id;
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

typedef struct load {
    mg_state *state;
    size_t index;
    bool learn;
    lua_State *from; /* the thread with the file's result on top */
    int init; /* reference of its function init, or LUA_NOREF */
    mg_error error;
} load;

static void fail_key(load *l, mg_str key, bool is_function) {
    static const char *const known[] = {"settings", "window", "init", "name"};
    mg_nearest nearest = mg_nearest_of(key);
    for (int p = 0; p < MG_PHASES; p++) mg_nearest_try(&nearest, mg_str_of(mg_phase_name((mg_phase)p)));
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) mg_nearest_try(&nearest, mg_str_of(known[i]));
    const char *mend = nearest.word.p ? ""
                       : is_function  ? "; make a helper a local function"
                                      : "; keep it in a local variable";
    mg_fail(&l->error, 0, "",
            "the policy's '%.60s' is no phase (admit, prompt, screen, route, spend, reply, settle)" MG_NEAREST_FMT "%s",
            key.p, MG_NEAREST_ARG(nearest), mend);
}

static int phase_of(mg_str key) {
    for (int p = 0; p < MG_PHASES; p++)
        if (mg_str_is(key, mg_phase_name((mg_phase)p))) return p;
    return -1;
}

/* One member of the policy's table, its value on top of the stack: kept by reference, or checked. */
static bool take_member(load *l, lua_State *L, mg_str key, unsigned *phases, size_t *window) {
    int type = lua_type(L, -1), phase = phase_of(key);
    bool init = mg_str_is(key, "init");
    if (phase >= 0 || init) {
        if (type != LUA_TFUNCTION)
            return mg_fail(&l->error, 0, "", "'%s' must be a function, got %s", key.p, lua_typename(L, type)), false;
        lua_pushvalue(L, -1);
        int ref = luaL_ref(L, LUA_REGISTRYINDEX);
        if (init)
            l->init = ref;
        else
            l->state->files[l->index].phase[phase] = ref;
        if (!init) *phases |= 1u << phase;
        return true;
    }
    if (mg_str_is(key, "settings"))
        return type == LUA_TTABLE ||
               (mg_fail(&l->error, 0, "", "'settings' must be a table, got %s", lua_typename(L, type)), false);
    if (mg_str_is(key, "name"))
        return type == LUA_TSTRING ||
               (mg_fail(&l->error, 0, "", "'name' must be a string, got %s", lua_typename(L, type)), false);
    if (!mg_str_is(key, "window")) return fail_key(l, key, type == LUA_TFUNCTION), false;
    lua_Number n = type == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
    if (n < 1 || n > WINDOW_MAX || n != (lua_Number)(size_t)n)
        return mg_fail(&l->error, 0, "", "'window' must be a whole number of characters from 1 to %d", WINDOW_MAX),
               false;
    *window = (size_t)n;
    return true;
}

static bool take_members(load *l, lua_State *L, int policy, unsigned *phases, size_t *window) {
    lua_pushnil(L);
    while (lua_next(L, policy)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            return mg_fail(&l->error, 0, "", "the policy's table must have only named members"), false;
        mg_str key;
        key.p = lua_tolstring(L, -2, &key.n);
        if (!take_member(l, L, key, phases, window)) return false;
        lua_pop(L, 1);
    }
    return true;
}

/* Leaves the settings' table, which is made if there is none, on the stack. */
static int push_settings_table(lua_State *L, int policy) {
    lua_pushliteral(L, "settings");
    lua_rawget(L, policy);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushliteral(L, "settings");
        lua_pushvalue(L, -2);
        lua_rawset(L, policy);
    }
    return lua_gettop(L);
}

/* Takes what the file returned. Runs protected, since Lua may be out of memory. */
static int adopt(lua_State *L) {
    load *l = lua_touserdata(L, 1);
    mg_state *s = l->state;
    mg_bundle_file *file = &s->bundle->files[l->index];
    lua_xmove(l->from, L, 1);
    int policy = lua_gettop(L);
    if (!lua_istable(L, policy)) {
        mg_fail(&l->error, 0, "", "the file must return its table of phase functions: end it with 'return policy'");
        return 0;
    }
    unsigned phases = 0;
    size_t window = 0;
    if (!take_members(l, L, policy, &phases, &window)) return 0;
    int settings = push_settings_table(L, policy);
    if (lua_getmetatable(L, settings)) {
        mg_fail(&l->error, 0, "", "'settings' must be a table without a metatable");
        return 0;
    }
    if (l->learn) {
        file->phases = phases;
        file->window = window;
        if (mg_policy_settings_learn(L, settings, s->bundle->arena, &file->settings, &l->error) != MG_OK) return 0;
    }
    mg_policy_settings_protect(L, settings);
    s->files[l->index].view = luaL_ref(L, LUA_REGISTRYINDEX);
    s->files[l->index].defaults = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* The phases of the file that this one replaces, as `default` in its environment, which is on top of the stack. */
static void set_default(mg_state *s, lua_State *L, int replaced) {
    if (replaced < 0) return;
    lua_newtable(L);
    for (int p = 0; p < MG_PHASES; p++) {
        if (s->files[replaced].phase[p] == LUA_NOREF) continue;
        lua_rawgeti(L, LUA_REGISTRYINDEX, s->files[replaced].phase[p]);
        lua_setfield(L, -2, mg_phase_name((mg_phase)p));
    }
    lua_setfield(L, -2, "default");
}

static bool compile(mg_state *s, const mg_bundle_file *file, mg_thread t, mg_error *error) {
    const mg_source *source = file->source;
    mg_leash_frame outer;
    mg_spent spent = {0};
    mg_leash_enter(&s->leash, t.L, spent, s->limits.units, LOAD_CPU_US, &outer);
    char name[CHUNK_NAME + 2]; /* Lua cuts longer names at their end, where the line is looked for */
    mg_str path = mg_str_skip(source->path, source->path.n > CHUNK_NAME ? source->path.n - CHUNK_NAME : 0);
    snprintf(name, sizeof name, "=" MG_STR_FMT, MG_STR_ARG(path));
    int status = luaL_loadbufferx(t.L, source->text.p, source->text.n, name, "t");
    mg_kill killed = mg_leash_leave(&s->leash, false, &spent, &outer);
    if (status == 0 && !killed) {
        mg_sandbox_push_environment(t.L);
        set_default(s, t.L, file->replaces);
        lua_setfenv(t.L, -2);
        return true;
    }
    if (killed)
        mg_fail(error, 0, "", "%s", mg_kill_sentence(killed));
    else
        error_text(t.L, error);
    return false;
}

static bool run_init(mg_state *s, load *l, mg_spent *spent) {
    if (l->init == LUA_NOREF) return true;
    mg_thread t = mg_state_thread_take(s);
    lua_rawgeti(t.L, LUA_REGISTRYINDEX, l->init);
    luaL_unref(s->L, LUA_REGISTRYINDEX, l->init);
    mg_ran ran = mg_state_resume(s, t, 0, spent, NULL, &l->error);
    mg_state_thread_give(s, t, ran == MG_RAN_DONE);
    return ran == MG_RAN_DONE;
}

static bool load_file(load *l) {
    mg_state *s = l->state;
    mg_spent spent = {0};
    mg_thread t = mg_state_thread_take(s);
    bool ok = compile(s, &s->bundle->files[l->index], t, &l->error);
    mg_ran ran = ok ? mg_state_resume(s, t, 0, &spent, NULL, &l->error) : MG_RAN_FAILED;
    if (ran == MG_RAN_DONE) {
        l->from = t.L;
        lua_settop(t.L, 1);
        if (lua_cpcall(s->L, adopt, l) != 0) {
            error_text(s->L, &l->error);
            lua_pop(s->L, 1);
        }
    }
    mg_state_thread_give(s, t, ran == MG_RAN_DONE);
    if (ran != MG_RAN_DONE || l->error.text[0]) return false;
    mg_state_select(s, l->index, s->bundle->settings_id, s->bundle->settings);
    return run_init(s, l, &spent);
}

/* "orgs/acme/rate.lua:12: message": the line goes into the fault, the name is there already. */
static void report(const mg_bundle_file *file, const mg_error *error, mg_fault_fn fault, void *arg) {
    mg_policy_fault f = {file->source->path, 0, mg_str_of(error->text)};
    const char *p = strstr(error->text, ".lua:");
    if (p) {
        char *end;
        long line = strtol(p + 5, &end, 10);
        if (end > p + 5 && end[0] == ':' && end[1] == ' ') {
            f.line = (int)line;
            f.message = mg_str_of(end + 2);
        }
    }
    if (fault) fault(arg, &f);
}

static bool load_files(mg_state *s, bool learn, mg_fault_fn fault, void *arg) {
    bool ok = true;
    for (size_t i = 0; i < s->bundle->n; i++) {
        load l = {.state = s, .index = i, .learn = learn, .init = LUA_NOREF};
        s->loading = &s->bundle->files[i];
        if (load_file(&l)) continue;
        ok = false;
        report(s->loading, &l.error, fault, arg);
    }
    s->loading = NULL;
    return ok;
}

/* ---- creation ---------------------------------------------------------------------------------------------------- */

static int open_sandbox(lua_State *L) {
    mg_sandbox_open(L);
    mg_verdict_open(L);
    mg_lua_modules_open(L);
    return 0;
}

mg_state *mg_state_create(mg_bundle *b, const mg_state_limits *limits, bool learn, mg_fault_fn fault, void *arg) {
    mg_state *s = MG_NEW(mg_state);
    s->limits = *limits;
    s->leash.cap = limits->memory;
    s->bundle = mg_bundle_ref(b);
    s->files = mg_calloc(b->n ? b->n : 1, sizeof *s->files);
    for (size_t i = 0; i < b->n; i++) {
        for (int p = 0; p < MG_PHASES; p++) s->files[i].phase[p] = LUA_NOREF;
        s->files[i].defaults = s->files[i].view = LUA_NOREF;
    }
    s->L = lua_newstate(mg_leash_alloc, &s->leash);
    if (!s->L) mg_oom(sizeof *s);
    lua_atpanic(s->L, panic);
    mg_leash_attach(&s->leash, s->L);
    mg_error error = {0};
    if (lua_cpcall(s->L, open_sandbox, NULL) != 0) {
        error_text(s->L, &error);
        mg_policy_fault f = {MG_STR(""), 0, mg_str_of(error.text)};
        if (fault) fault(arg, &f);
    } else if (load_files(s, learn, fault, arg)) {
        return s;
    }
    mg_state_destroy(s);
    return NULL;
}

void mg_state_destroy(mg_state *s) {
    if (!s) return;
    lua_close(s->L);
    for (size_t i = 0; s->settings && i < MG_STATE_SETTINGS; i++) free(s->settings[i].tables);
    free(s->settings);
    free(s->files);
    mg_bundle_unref(s->bundle);
    free(s);
}
