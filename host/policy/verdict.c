#include "policy/verdict.h"
#include "policy/binding.h"
#include "policy/sandbox.h"

#include <math.h>

enum {
    CODE_MAX = 64,
    MESSAGE_MAX = 2000,
    SEVERITY_MAX = 32,
    RULE_MAX = 128,
    ANSWER_MAX = 1 << 20,
    STATUS_DEFAULT = 403,
    WAIT_DEFAULT_S = 10,
    WAIT_MAX_S = 3600,
    RETRY_AFTER_MAX_S = 366 * 86400,
    PRIORITY_MAX = 1000
};

static const char *const kind_names[] = {"nothing", "deny", "answer", "queue", "targets"};

/* ---- deny, answer, queue ----------------------------------------------------------------------------------------- */

static void read_deny(mg_fields *f, mg_verdict *v) {
    v->kind = MG_VERDICT_DENY;
    double status = mg_fields_number(f, "status", STATUS_DEFAULT, 400, 599, "an HTTP status from 400 to 599");
    v->status = (int)status;
    if (status != v->status) mg_fields_fail(f, "status", "a whole number");
    v->code = mg_fields_word(f, "code", CODE_MAX);
    if (!v->code.n) v->code = MG_STR("policy_denied");
    v->message = mg_fields_text(f, "message", MESSAGE_MAX, "a string of at most 2,000 bytes");
    if (!v->message.n) v->message = MG_STR("The request was refused by a policy.");
    double wait = mg_fields_number(f, "retry_after", -1, 0, HUGE_VAL, "a number of seconds, at least 0");
    if (wait > RETRY_AFTER_MAX_S) wait = -1; /* limits.take says math.huge when waiting is of no use */
    v->retry_after_ms = wait < 0 ? -1 : (int64_t)(wait * 1000 + 0.999);
    v->severity = mg_fields_word(f, "severity", SEVERITY_MAX);
    v->rule = mg_fields_word(f, "rule", RULE_MAX);
}

static void read_answer(mg_fields *f, mg_verdict *v) {
    v->kind = MG_VERDICT_ANSWER;
    v->text = mg_fields_text(f, "text", ANSWER_MAX, "a string of at most 1 MB");
    v->finish_reason = mg_fields_word(f, "finish_reason", SEVERITY_MAX);
    if (!v->finish_reason.n) v->finish_reason = MG_STR("stop");
}

static void read_queue(mg_fields *f, mg_verdict *v) {
    v->kind = MG_VERDICT_QUEUE;
    v->max_wait_ms = (int64_t)(mg_fields_number(f, "max_wait", WAIT_DEFAULT_S, 0, WAIT_MAX_S,
                                                "a number of seconds from 0 to 3,600") *
                               1000);
    v->priority = (int)mg_fields_number(f, "priority", 0, -PRIORITY_MAX, PRIORITY_MAX, "a number from -1,000 to 1,000");
    mg_fields_absent(f, "keepalive", "left out: this version keeps no queued stream alive");
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static mg_status read_table(lua_State *L, int table, mg_result_kind kind, mg_result *out, mg_error *error) {
    *out = (mg_result){.kind = kind, .verdict = {.retry_after_ms = -1}};
    mg_fields f = {L, table, kind_names[kind], error, false};
    switch (kind) {
    case MG_RESULT_NONE: break;
    case MG_RESULT_DENY: read_deny(&f, &out->verdict); break;
    case MG_RESULT_ANSWER: read_answer(&f, &out->verdict); break;
    case MG_RESULT_QUEUE: read_queue(&f, &out->verdict); break;
    case MG_RESULT_TARGETS: mg_targets_read(&f, &out->targets); break;
    }
    return f.failed ? MG_ERROR : MG_OK;
}

/* The kind is the first element of the result's metatable. A policy may forge one: all that it gains is to be checked here. */
mg_status mg_result_read(lua_State *L, int index, mg_result *out, mg_error *error) {
    *out = (mg_result){.kind = MG_RESULT_NONE};
    if (lua_type(L, index) <= LUA_TNIL) return MG_OK;
    lua_Number kind = 0;
    if (lua_istable(L, index) && lua_getmetatable(L, index)) {
        lua_rawgeti(L, -1, 1);
        if (lua_type(L, -1) == LUA_TNUMBER) kind = lua_tonumber(L, -1);
        lua_pop(L, 2);
    }
    for (int k = MG_RESULT_DENY; k <= MG_RESULT_TARGETS; k++)
        if (kind == k) return read_table(L, index, (mg_result_kind)k, out, error);
    return mg_fail(error, 0, "", "a phase returns nothing, deny{…}, answer{…}, queue{…} or targets{…}, not a %s",
                   luaL_typename(L, index));
}

mg_status mg_result_check_phase(mg_result_kind kind, mg_phase phase, mg_error *error) {
    static const unsigned allowed[] = {
        [MG_RESULT_NONE] = MG_ANY_PHASE,
        [MG_RESULT_DENY] = 1 << MG_PHASE_ADMIT | 1 << MG_PHASE_SCREEN | 1 << MG_PHASE_SPEND | 1 << MG_PHASE_REPLY,
        [MG_RESULT_ANSWER] = 1 << MG_PHASE_SCREEN,
        [MG_RESULT_QUEUE] = 1 << MG_PHASE_ADMIT | 1 << MG_PHASE_SPEND,
        [MG_RESULT_TARGETS] = 1 << MG_PHASE_ROUTE | 1 << MG_PHASE_SPEND,
    };
    if (allowed[kind] & 1u << phase) return MG_OK;
    return mg_fail(error, 0, "", "'%s' may not return %s{…}", mg_phase_name(phase), kind_names[kind]);
}

void mg_result_apply_verdict(const mg_result *result, mg_request *r, mg_str rule) {
    const mg_verdict *from = &result->verdict;
    r->verdict = *from;
    mg_str *const texts[] = {&r->verdict.code, &r->verdict.message, &r->verdict.severity, &r->verdict.text,
                             &r->verdict.finish_reason};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) *texts[i] = mg_arena_dup(r->arena, *texts[i]);
    r->verdict.rule = mg_arena_dup(r->arena, from->rule.n ? from->rule : rule);
}

/* ---- constructors ------------------------------------------------------------------------------------------------ */

/* targets{…} has elements as well: its reader knows its names. */
static void check_names(lua_State *L, mg_result_kind kind) {
    static const char *const deny[] = {"status", "code", "message", "retry_after", "severity", "rule", NULL};
    static const char *const answer[] = {"text", "finish_reason", NULL};
    static const char *const queue[] = {"max_wait", "priority", "keepalive", NULL};
    static const char *const *const known[] = {NULL, deny, answer, queue, NULL};
    if (known[kind]) mg_lua_check_fields(L, 1, known[kind], kind_names[kind]);
}

/* Upvalues: the kind, the metatable. */
static int construct(lua_State *L) {
    mg_result_kind kind = (mg_result_kind)lua_tointeger(L, lua_upvalueindex(1));
    if (!lua_istable(L, 1) || lua_getmetatable(L, 1))
        return luaL_error(L, "%s takes a plain table: %s{ … }", kind_names[kind], kind_names[kind]);
    lua_settop(L, 1);
    check_names(L, kind);
    mg_result result;
    mg_error error = {0};
    if (read_table(L, 1, kind, &result, &error) != MG_OK) return luaL_error(L, "%s", error.text);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_setmetatable(L, 1);
    return 1;
}

void mg_verdict_open(lua_State *L) {
    for (int kind = MG_RESULT_DENY; kind <= MG_RESULT_TARGETS; kind++) {
        lua_pushinteger(L, kind);
        lua_createtable(L, 1, 1);
        lua_pushinteger(L, kind);
        lua_rawseti(L, -2, 1);
        lua_pushliteral(L, "protected");
        lua_setfield(L, -2, "__metatable");
        lua_pushcclosure(L, construct, 2);
        mg_sandbox_function(L, kind_names[kind]);
    }
}
