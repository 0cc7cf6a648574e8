#include "app/config_run.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <luajit.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/settings.h"

enum { LOOK_EVERY = 100 }; /* instructions: one of them may copy as much as the memory cap allows */

static const char registry_key; /* its address stands for the run, the table of settings follows */
static const char settings_key;

/* ---- files ------------------------------------------------------------------------------------------------------- */

bool mg_config_read(mg_arena *arena, mg_str path, size_t max, mg_str *text, const char **fault) {
    struct stat st;
    mg_str name = mg_arena_dup(arena, path);
    /* Not blocking: a named pipe without a writer would hold up the start. */
    int fd = memchr(path.p, 0, path.n) ? -1 : open(name.p, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        *fault = fd < 0 && memchr(path.p, 0, path.n) ? "its name holds a NUL" : strerror(errno);
        if (fd >= 0) close(fd);
        return false;
    }
    *fault = !S_ISREG(st.st_mode) ? "it is not a regular file" : (size_t)st.st_size > max ? "it is too large" : NULL;
    size_t n = 0;
    char *bytes = *fault ? NULL : mg_arena_alloc(arena, (size_t)st.st_size + 1);
    while (!*fault && n < (size_t)st.st_size) {
        ssize_t k = read(fd, bytes + n, (size_t)st.st_size - n);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) *fault = strerror(errno);
        if (k <= 0) break;
        n += (size_t)k;
    }
    close(fd);
    *text = mg_str_from(bytes, n);
    return !*fault;
}

mg_str mg_config_beside(mg_arena *arena, mg_str from, mg_str path) {
    size_t n = from.n;
    if (path.n && path.p[0] == '/') return mg_arena_dup(arena, path);
    while (n && from.p[n - 1] != '/') n--;
    return mg_arena_printf(arena, MG_STR_FMT MG_STR_FMT, (int)n, from.p ? from.p : "", MG_STR_ARG(path));
}

static void watch(mg_config_run *run, mg_str path) {
    for (size_t i = 0; i < run->n_watched; i++)
        if (mg_str_eq(run->watched[i], path)) return;
    if (run->n_watched < sizeof run->watched / sizeof run->watched[0]) run->watched[run->n_watched++] = path;
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

static void *allocate(void *ud, void *p, size_t old, size_t n) {
    mg_config_run *run = ud;
    size_t before = p ? old : 0;
    if (n > before && run->memory + (n - before) > MG_CONFIG_MEMORY) {
        run->out_of_memory = true;
        return NULL;
    }
    run->memory += n - before; /* wraps where n is the smaller, and is right */
    if (n) return mg_realloc(p, n);
    free(p);
    return NULL;
}

static mg_config_run *run_of(lua_State *L) {
    lua_pushlightuserdata(L, (void *)&registry_key);
    lua_rawget(L, LUA_REGISTRYINDEX);
    mg_config_run *run = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return run;
}

/* luaL_error says where a C function was called; a hook runs in the function itself. */
static void raise_here(lua_State *L, const char *sentence) {
    luaL_where(L, 0);
    lua_pushstring(L, sentence);
    lua_concat(L, 2);
    lua_error(L);
}

/* There is no pcall in a configuration: what is raised here ends it. */
static void look(lua_State *L, lua_Debug *ar) {
    (void)ar;
    mg_config_run *run = run_of(L);
    run->instructions += LOOK_EVERY;
    if (run->instructions > MG_CONFIG_INSTRUCTIONS ||
        mg_clock_thread_cpu_us() - run->cpu_us > MG_CONFIG_CPU_MS * 1000ull)
        raise_here(L, "the configuration runs too long: is there a loop without an end?");
}

/* ---- where the program is ---------------------------------------------------------------------------------------- */

/* File and line of the Lua function that called; chunk 0 and line 0 if there is none. */
static int caller(lua_State *L, size_t *chunk) {
    lua_Debug ar;
    *chunk = 0;
    if (!lua_getstack(L, 1, &ar) || !lua_getinfo(L, "Sl", &ar) || ar.source[0] != '=') return 0;
    *chunk = (size_t)strtoul(ar.source + 1, NULL, 10);
    return ar.currentline > 0 ? ar.currentline : 0;
}

/* "3:12: message" of chunk 3 as a fault of line 12. */
static void report_error(mg_config_run *run, const char *text) {
    char *end = NULL;
    unsigned long chunk = strtoul(text, &end, 10), line = 0;
    bool placed = end != text && *end == ':' && chunk < run->n_chunks;
    if (placed) {
        const char *number = end + 1;
        line = strtoul(number, &end, 10);
        placed = end != number && *end == ':';
    }
    if (!placed)
        mg_config_fault_line(run->report, run->chunks[0].path, 0, "%s", text);
    else
        mg_config_fault_line(run->report, run->chunks[chunk].path, (int)line, "%s", end + 1 + strspn(end + 1, " "));
}

static void report_raised(mg_config_run *run, lua_State *L) {
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    if (run->out_of_memory)
        mg_config_fault_line(run->report, run->chunks[0].path, 0, "the configuration needs more than %d MB of memory",
                             MG_CONFIG_MEMORY >> 20);
    else
        report_error(run, text ? text : "the configuration failed");
}

/* ---- the functions of a configuration ---------------------------------------------------------------------------- */

static mg_str string_argument(lua_State *L, const char *function) {
    size_t n;
    if (lua_type(L, 1) != LUA_TSTRING) luaL_error(L, "%s takes a string, not a %s", function, luaL_typename(L, 1));
    const char *p = lua_tolstring(L, 1, &n);
    return mg_str_from(p, n);
}

static int lua_env(lua_State *L) {
    mg_str name = string_argument(L, "env");
    const char *value = getenv(name.p);
    lua_settop(L, 2);
    if (value) lua_pushstring(L, value); /* else the default is on top, or nil */
    return 1;
}

static int lua_file(lua_State *L) {
    size_t chunk;
    const char *fault;
    mg_str text;
    mg_config_run *run = run_of(L);
    mg_str name = string_argument(L, "file");
    int line = caller(L, &chunk);
    if (++run->secrets > MG_CONFIG_SECRETS_MAX)
        luaL_error(L, "file() is called more than %d times", MG_CONFIG_SECRETS_MAX);
    mg_str path = mg_config_beside(run->arena, run->chunks[chunk].path, name);
    watch(run, path);
    if (!mg_config_read(run->arena, path, MG_CONFIG_SECRET_MAX, &text, &fault)) {
        mg_config_fault_line(run->report, run->chunks[chunk].path, line, "the file " MG_STR_FMT " can't be read: %s",
                             MG_STR_ARG(path), fault);
        return 0;
    }
    if (text.n && text.p[text.n - 1] == '\n') text.n--;
    if (text.n && text.p[text.n - 1] == '\r') text.n--;
    if (!text.n) {
        mg_config_fault_line(run->report, run->chunks[chunk].path, line,
                             "the file " MG_STR_FMT " is empty: a secret must not be", MG_STR_ARG(path));
        return 0;
    }
    lua_pushlstring(L, text.p, text.n);
    return 1;
}

/* Pushes the compiled file, or reports why not. */
static bool load_chunk(mg_config_run *run, lua_State *L, mg_str path, size_t from, int line, mg_str literal) {
    const char *fault;
    mg_str text;
    char name[24];
    if (run->n_chunks) watch(run, path);
    bool read = mg_config_read(run->arena, path, MG_CONFIG_FILE_MAX, &text, &fault);
    if (!read && !line) mg_config_fault_line(run->report, path, 0, "can't be read: %s", fault);
    if (!read && line)
        mg_config_fault_line(run->report, run->chunks[from].path, line, "the file " MG_STR_FMT " can't be read: %s",
                             MG_STR_ARG(path), fault);
    if (!read) return false;
    mg_config_chunk *c = &run->chunks[run->n_chunks];
    *c = (mg_config_chunk){.path = path, .from = from, .literal = literal};
    snprintf(name, sizeof name, "=%zu", run->n_chunks++);
    if (luaL_loadbufferx(L, text.p, text.n, name, "t") != 0) { /* text only: bytecode could do anything */
        report_raised(run, L);
        lua_pop(L, 1);
        return false;
    }
    c->outline = mg_outline_scan(run->arena, text);
    return true;
}

static int lua_include(lua_State *L) {
    size_t from;
    mg_config_run *run = run_of(L);
    mg_str literal = mg_arena_dup(run->arena, string_argument(L, "include"));
    int line = caller(L, &from);
    if (run->n_chunks == MG_CONFIG_FILES_MAX)
        return luaL_error(L, "more than %d files are included: does one include itself?", MG_CONFIG_FILES_MAX - 1);
    mg_str path = mg_config_beside(run->arena, run->chunks[from].path, literal);
    if (!load_chunk(run, L, path, from, line, literal)) return 0;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_setfenv(L, -2);
    lua_call(L, 0, 1);
    return 1;
}

/* ---- globals ----------------------------------------------------------------------------------------------------- */

/* A global is read: a setting that was assigned before (upvalue 1), or one of the functions (upvalue 2). */
static int lua_read(lua_State *L) {
    size_t n;
    for (int i = 1; i <= 2; i++) {
        lua_pushvalue(L, 2);
        lua_rawget(L, lua_upvalueindex(i));
        if (!lua_isnil(L, -1)) return 1;
    }
    const char *p = lua_tolstring(L, 2, &n);
    if (mg_host_setting_known(mg_str_from(p, n))) return 1;
    return luaL_error(L, "there is no '%s' here: a configuration has env, file, include, its own locals and settings",
                      p);
}

static mg_config_assignment *assignment_of(mg_config_run *run, mg_str key) {
    for (mg_config_assignment *a = run->assignments; a; a = a->next)
        if (mg_str_eq(a->key, key)) return a;
    mg_config_assignment *a = MG_ARENA_NEW(run->arena, mg_config_assignment);
    a->key = mg_arena_dup(run->arena, key);
    a->next = run->assignments;
    return run->assignments = a;
}

static int lua_assign(lua_State *L) {
    size_t n;
    const char *p = lua_tolstring(L, 2, &n);
    mg_config_assignment *a = assignment_of(run_of(L), mg_str_from(p, n));
    a->line = caller(L, &a->chunk);
    lua_settop(L, 3);
    lua_rawset(L, lua_upvalueindex(1));
    return 0;
}

/* Pushes the environment: empty for good, with a metatable that catches every name. */
static void push_environment(lua_State *L) {
    lua_createtable(L, 0, 0);
    int environment = lua_gettop(L), meta = environment + 1, settings = environment + 2, functions = environment + 3;
    for (int i = 0; i < 3; i++) lua_createtable(L, 0, 4);
    lua_pushlightuserdata(L, (void *)&settings_key);
    lua_pushvalue(L, settings);
    lua_rawset(L, LUA_REGISTRYINDEX);
    lua_pushcfunction(L, lua_env);
    lua_setfield(L, functions, "env");
    lua_pushcfunction(L, lua_file);
    lua_setfield(L, functions, "file");
    lua_pushvalue(L, environment);
    lua_pushcclosure(L, lua_include, 1);
    lua_setfield(L, functions, "include");
    lua_pushvalue(L, settings);
    lua_pushvalue(L, functions);
    lua_pushcclosure(L, lua_read, 2);
    lua_setfield(L, meta, "__index");
    lua_pushvalue(L, settings);
    lua_pushcclosure(L, lua_assign, 1);
    lua_setfield(L, meta, "__newindex");
    lua_pushvalue(L, meta);
    lua_setmetatable(L, environment);
    lua_settop(L, environment);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

typedef struct job {
    mg_config_run *run;
    mg_str path;
    const mg_json *root;
} job;

static int run_main(lua_State *L) {
    job *j = lua_touserdata(L, 1);
    lua_pushlightuserdata(L, (void *)&registry_key);
    lua_pushlightuserdata(L, j->run);
    lua_rawset(L, LUA_REGISTRYINDEX);
    push_environment(L);
    if (!load_chunk(j->run, L, j->path, 0, 0, (mg_str){0})) return 0;
    lua_pushvalue(L, -2);
    lua_setfenv(L, -2);
    lua_sethook(L, look, LUA_MASKCOUNT, LOOK_EVERY);
    lua_call(L, 0, 0);
    return 0;
}

static int convert(lua_State *L) {
    job *j = lua_touserdata(L, 1);
    lua_pushlightuserdata(L, (void *)&settings_key);
    lua_rawget(L, LUA_REGISTRYINDEX);
    j->root = mg_config_value_root(j->run, lua_gettop(L));
    return 0;
}

void mg_config_run_file(mg_config_run *run, mg_str path, const mg_json **root) {
    job j = {run, path, NULL};
    *root = NULL;
    run->chunks[0].path = path;
    watch(run, path);
    run->cpu_us = mg_clock_thread_cpu_us();
    lua_State *L = run->L = lua_newstate(allocate, run);
    if (!L) mg_oom(MG_CONFIG_MEMORY);
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF); /* a count hook does not fire in compiled code */
    if (lua_cpcall(L, run_main, &j) != 0) report_raised(run, L);
    lua_sethook(L, NULL, 0, 0);
    run->out_of_memory = false;
    lua_settop(L, 0);
    /* Also after a failure: what was assigned before it may have faults as well. */
    if (lua_cpcall(L, convert, &j) != 0) report_raised(run, L);
    lua_close(L);
    run->L = NULL;
    *root = j.root;
}
