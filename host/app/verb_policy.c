/* Verbs about policies: their specs, and the manual's generated part. */
#include "app/spec.h"
#include "app/verbs.h"
#include "base/buf.h"
#include "base/log.h"
#include "policy/manual.h"

#include <dirent.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <sys/stat.h>

int mg_verb_policy_manual(const mg_verb_context *v) {
    mg_buf b = {0};
    if (mg_verb_option(v, "--stubs"))
        mg_manual_stubs(&b);
    else
        mg_manual_markdown(&b);
    fwrite(b.p, 1, b.n, stdout);
    mg_buf_finish(&b);
    return 0;
}

/* ---- policy test ------------------------------------------------------------------------------------------------- */

static void print_fault(void *arg, const mg_config_fault *f) {
    (void)arg;
    fprintf(stderr, "%.*s:%d: %.*s\n", MG_STR_ARG(f->file), f->line, MG_STR_ARG(f->message));
}

/* busted as Debian and LuaRocks install it; LuaJIT's own default path has no /usr/share/lua/5.1. */
static const char find_busted[] =
    "package.path = package.path .. "
    "';/usr/share/lua/5.1/?.lua;/usr/share/lua/5.1/?/init.lua;/usr/local/share/lua/5.1/?.lua;/usr/local/share/lua/5.1/"
    "?/init.lua'\n"
    "package.cpath = package.cpath .. ';/usr/lib/' .. jit.arch:gsub('x64', 'x86_64'):gsub('arm64', 'aarch64') .. "
    "'-linux-gnu/lua/5.1/?.so;/usr/local/lib/lua/5.1/?.so'\n"
    "local ok, runner = pcall(require, 'busted.runner')\n"
    "if not ok then io.stderr:write('moongate: busted is not installed: apt-get install lua-busted\\n') os.exit(1) "
    "end\n"
    "runner{ standalone = false }\n";

/* Every *_spec.lua of a folder and of its `spec` folder, or the one file. */
static int push_specs(lua_State *L, const char *path, int n) {
    struct stat st;
    if (stat(path, &st) != 0) return n;
    if (!S_ISDIR(st.st_mode)) {
        lua_pushstring(L, path);
        lua_rawseti(L, -2, ++n);
        return n;
    }
    struct dirent **names;
    int count = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char file[4096];
        mg_str name = mg_str_of(names[i]->d_name);
        snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
        if (mg_str_is(name, "spec"))
            n = push_specs(L, file, n);
        else if (name.n > 9 && mg_str_is(mg_str_skip(name, name.n - 9), "_spec.lua"))
            n = push_specs(L, file, n);
        free(names[i]);
    }
    if (count >= 0) free(names);
    return n;
}

static int run_specs(const mg_spec *spec, const char *path, bool json) {
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "loaded");
    mg_spec_open(L, spec);
    lua_setfield(L, -2, "moongate.spec");
    lua_settop(L, 0);
    lua_newtable(L);
    lua_pushstring(L, "busted");
    lua_rawseti(L, -2, 0);
    lua_pushstring(L, json ? "--output=json" : "--output=plainTerminal");
    lua_rawseti(L, -2, 1);
    int n = push_specs(L, path, 1);
    lua_setglobal(L, "arg");
    int status = n == 1 ? mg_verb_fail(1, "%s holds no *_spec.lua", path) : 0;
    if (!status && luaL_dostring(L, find_busted)) status = mg_verb_fail(1, "%s", lua_tostring(L, -1));
    lua_close(L);
    return status;
}

int mg_verb_policy_test(const mg_verb_context *v) {
    mg_snapshot *s = mg_config_snapshot(v->config, v->plugins, NULL, 1, NULL, NULL, print_fault, print_fault, NULL);
    if (!s) return 2;
    mg_log_level_set(MG_LOG_WARN); /* what every request of every spec says would bury the result */
    const char *path = v->n_args ? v->args[0] : v->config->policies.p;
    struct stat st;
    mg_spec spec = {
        .policy = v->config->policy, .store = s->store, .detectors = s->detectors, .n_detectors = s->n_detectors};
    if (v->n_args && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) spec.policy.folder = mg_str_of(path);
    int status = run_specs(&spec, path, v->json);
    mg_snapshot_unref(s);
    return status;
}
