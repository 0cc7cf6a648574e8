/* For tests of the runtime alone: a module of its own instead of the real ones, and in place of the gateway a few functions
 * that write down how they were called. */
#ifndef TESTS_POLICY_RUNTIME_H
#define TESTS_POLICY_RUNTIME_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "policy/binding.h"
#include "policy/policy.h"

/* ---- the gateway ------------------------------------------------------------------------------------------------------------ */

static struct {
    unsigned resumed, decided;
    char decision[200]; /* the last: "phase rule action" */
    mg_policy_runner runner;
    mg_run last;
} gateway_seen;

const char *mg_phase_name(mg_phase p) {
    static const char *const names[] = {"admit", "prompt", "screen", "route", "spend", "reply", "settle"};
    return names[p];
}

void mg_request_resume(mg_request *r) {
    gateway_seen.resumed++;
    gateway_seen.last = gateway_seen.runner.run(gateway_seen.runner.ctx, r, r->phase);
    if (gateway_seen.last == MG_RUN_DONE) mg_evloop_stop(r->worker->loop);
}

void mg_request_decide(mg_request *r, const char *phase, mg_str rule, const char *action, const char *format, ...) {
    (void)r, (void)format;
    gateway_seen.decided++;
    snprintf(gateway_seen.decision, sizeof gateway_seen.decision, "%s " MG_STR_FMT " %s", phase, MG_STR_ARG(rule),
             action);
}

mg_status mg_request_set_targets(mg_request *r, const mg_str *names, size_t n, mg_error *error) {
    r->targets = mg_arena_zalloc(r->arena, n * sizeof *r->targets);
    r->n_targets = n;
    for (size_t i = 0; i < n; i++) {
        if (mg_str_is(names[i], "no/access") && n == 1)
            return mg_fail(error, 403, "model_not_allowed", "this key may not use it");
        if (mg_str_is(names[i], "no/such")) return mg_fail(error, 404, "model_not_found", "there is no target no/such");
        r->targets[i].name = mg_arena_dup(r->arena, names[i]);
        r->targets[i].weight = 1;
    }
    return MG_OK;
}

/* ---- the module `test` --------------------------------------------------------------------------------------------------------- */

static struct {
    mg_call *call; /* that waits in test.wait */
    unsigned cancelled;
    bool at_once; /* test.wait completes before it yields */
    bool fails; /* and then its results can't be pushed */
    bool refuses; /* test.load raises */
    char note[200];
} test_seen;

static inline int push_answer(lua_State *L, void *data) {
    lua_pushstring(L, data);
    lua_pushinteger(L, 7);
    return 2;
}

static inline int push_huge(lua_State *L, void *data) {
    (void)data;
    return luaL_error(L, "out of paper");
}

static void on_cancel(void *arg) {
    assert_ptr_equal(arg, &test_seen);
    test_seen.cancelled++;
}

static int lua_test_wait(lua_State *L) {
    test_seen.call = mg_call_wait(L, on_cancel, &test_seen);
    if (test_seen.at_once) mg_call_ready(test_seen.call, test_seen.fails ? push_huge : push_answer, "at once");
    return mg_call_yield(L, test_seen.call);
}

static int lua_test_load(lua_State *L) { return test_seen.refuses ? luaL_error(L, "refused") : 0; }

static int lua_test_note(lua_State *L) {
    snprintf(test_seen.note, sizeof test_seen.note, "%s", luaL_checkstring(L, 1));
    return 0;
}

static int lua_test_who(lua_State *L) {
    mg_lua_push_str(L, mg_lua_org(L));
    mg_lua_push_str(L, mg_lua_policy_name(L));
    mg_lua_push_str(L, mg_lua_rule(L));
    return 3;
}

static int lua_test_charge(lua_State *L) {
    mg_lua_charge(L, (size_t)luaL_checknumber(L, 1));
    return 0;
}

static int lua_test_fields(lua_State *L) {
    static const char *const known[] = {"requests", "scope", NULL};
    mg_lua_check_fields(L, 1, known, "test.fields");
    mg_lua_push_str(L, mg_lua_opt_field_str(L, 1, "scope"));
    lua_pushnumber(L, mg_lua_opt_field_number(L, 1, "requests", 5));
    return 2;
}

static int lua_test_json(lua_State *L) {
    mg_arena *arena = mg_arena_create(1024);
    mg_error error = {0};
    mg_str text = MG_STR("");
    bool ok = mg_lua_to_json(L, 1, arena, &text, &error);
    if (ok)
        mg_lua_push_str(L, text);
    else
        lua_pushnil(L);
    lua_pushstring(L, error.text);
    mg_arena_destroy(arena);
    return 2;
}

static const mg_lua_function lua_test_functions[] = {
    {"wait", lua_test_wait, MG_ANY_PHASE, true, ""},
    {"load", lua_test_load, 0, false, ""},
    {"note", lua_test_note, 0, false, ""},
    {"who", lua_test_who, 0, false, ""},
    {"charge", lua_test_charge, 0, false, ""},
    {"fields", lua_test_fields, 0, false, ""},
    {"json", lua_test_json, 0, false, ""},
    {"settle_only", lua_test_who, 1 << MG_PHASE_SETTLE, false, ""},
    {NULL, NULL, 0, false, NULL},
};

static void lua_test_open(lua_State *L) {
    lua_pushinteger(L, 42);
    lua_setfield(L, -2, "answer");
}

static const mg_lua_module lua_test_module = {
    .name = "test", .doc = "", .functions = lua_test_functions, .open = lua_test_open};
const mg_lua_module *const mg_lua_modules[] = {&lua_test_module, NULL};

void mg_lua_push_req(lua_State *L, mg_request *r) {
    lua_createtable(L, 0, 1);
    mg_lua_push_str(L, r->org ? r->org->id : MG_STR(""));
    lua_setfield(L, -2, "org");
}

void mg_lua_push_res(lua_State *L, mg_request *r) {
    lua_createtable(L, 0, 1);
    lua_pushboolean(L, r->final);
    lua_setfield(L, -2, "final");
}

/* ---- a folder of policies --------------------------------------------------------------------------------------------------------- */

static char folder[64];

static inline void folder_make(void) {
    snprintf(folder, sizeof folder, "policies-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

static inline void folder_remove(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

/* Writes a file with the folders above it; text NULL removes it. */
static inline void file_put(const char *path, const char *text) {
    char full[512];
    snprintf(full, sizeof full, "%s/%s", folder, path);
    if (!text) {
        assert_int_equal(remove(full), 0);
        return;
    }
    for (char *slash = full + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Faults, one a line: "file:line: message". */
static char faults[4000];
static unsigned n_faults;

static inline void fault_add(void *arg, const mg_policy_fault *f) {
    (void)arg;
    size_t n = strlen(faults);
    snprintf(faults + n, sizeof faults - n, MG_STR_FMT ":%d: " MG_STR_FMT "\n", MG_STR_ARG(f->file), f->line,
             MG_STR_ARG(f->message));
    n_faults++;
}

static inline void faults_clear(void) {
    faults[0] = 0;
    n_faults = 0;
}

/* A snapshot with these organizations ("acme beta"); the first has the settings, JSON text or NULL. */
static inline mg_snapshot *snapshot_of(const char *ids, const char *settings) {
    mg_snapshot *s = mg_snapshot_create();
    mg_org *orgs = mg_arena_zalloc(s->arena, 300 * sizeof *orgs);
    mg_str text = mg_arena_dup(s->arena, mg_str_of(ids));
    while (text.n) {
        size_t n = mg_str_find(text, ' ');
        orgs[s->n_orgs] = (mg_org){.id = mg_str_from(text.p, n), .index = s->n_orgs};
        s->n_orgs++;
        text = mg_str_skip(text, n + 1);
    }
    if (settings) {
        mg_json_parser *p = mg_json_parser_create();
        mg_error error = {0};
        if (mg_json_parse_copy(p, s->arena, mg_str_of(settings), &orgs[0].settings, &error) != MG_OK)
            fail_msg("%s", error.text);
        mg_json_parser_destroy(p);
    }
    s->orgs = orgs;
    mg_snapshot_seal(s);
    return s;
}

#endif
