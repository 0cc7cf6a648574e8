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
    NAME_MAX_BYTES = 256,
    STATUS_DEFAULT = 403,
    WAIT_DEFAULT_S = 10,
    WAIT_MAX_S = 3600,
    RETRY_AFTER_MAX_S = 366 * 86400,
    PRIORITY_MAX = 1000,
    RETRIES_MAX = 10,
    TIMEOUT_MAX_S = 3600
};

static const char *const kind_names[] = {"nothing", "deny", "answer", "queue", "targets"};

/* ---- fields, read raw -------------------------------------------------------------------------------------------- */

/* A result being read; the first thing that is wrong ends up in the error. */
typedef struct reader {
    lua_State *L;
    int table;
    const char *who;
    mg_error *error;
    bool failed;
} reader;

static void fail(reader *rd, const char *field, const char *expected) {
    if (!rd->failed) mg_fail(rd->error, 0, "", "%s: '%s' must be %s", rd->who, field, expected);
    rd->failed = true;
}

/* Pushes the field if it is there. */
static bool push(reader *rd, const char *field) {
    lua_pushstring(rd->L, field);
    lua_rawget(rd->L, rd->table);
    if (!lua_isnil(rd->L, -1)) return true;
    lua_pop(rd->L, 1);
    return false;
}

static mg_str text_field(reader *rd, const char *field, size_t max, const char *expected) {
    mg_str s = MG_STR("");
    if (!push(rd, field)) return s;
    if (lua_type(rd->L, -1) == LUA_TSTRING)
        s.p = lua_tolstring(rd->L, -1, &s.n);
    else
        fail(rd, field, expected);
    if (s.n > max) fail(rd, field, expected);
    lua_pop(rd->L, 1); /* the table keeps it */
    return s;
}

/* A machine-readable word. */
static mg_str word_field(reader *rd, const char *field, size_t max) {
    static const char expected[] = "a word of letters, digits, '_', '-', '.', '/' and ':' that is not too long";
    mg_str s = text_field(rd, field, max, expected);
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool ok =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("_-./:", c));
        if (!ok) fail(rd, field, expected);
    }
    return s;
}

static double number_field(reader *rd, const char *field, double otherwise, double min, double max,
                           const char *expected) {
    if (!push(rd, field)) return otherwise;
    double n = lua_type(rd->L, -1) == LUA_TNUMBER ? lua_tonumber(rd->L, -1) : NAN;
    lua_pop(rd->L, 1);
    if (n >= min && n <= max) return n;
    fail(rd, field, expected);
    return otherwise;
}

static void absent(reader *rd, const char *field, const char *why) {
    if (!push(rd, field)) return;
    bool set = lua_toboolean(rd->L, -1);
    lua_pop(rd->L, 1);
    if (set) fail(rd, field, why);
}

/* ---- deny, answer, queue ----------------------------------------------------------------------------------------- */

static void read_deny(reader *rd, mg_verdict *v) {
    v->kind = MG_VERDICT_DENY;
    double status = number_field(rd, "status", STATUS_DEFAULT, 400, 599, "an HTTP status from 400 to 599");
    v->status = (int)status;
    if (status != v->status) fail(rd, "status", "a whole number");
    v->code = word_field(rd, "code", CODE_MAX);
    if (!v->code.n) v->code = MG_STR("policy_denied");
    v->message = text_field(rd, "message", MESSAGE_MAX, "a string of at most 2,000 bytes");
    if (!v->message.n) v->message = MG_STR("The request was refused by a policy.");
    double wait = number_field(rd, "retry_after", -1, 0, HUGE_VAL, "a number of seconds, at least 0");
    if (wait > RETRY_AFTER_MAX_S) wait = -1; /* limits.take says math.huge when waiting is of no use */
    v->retry_after_ms = wait < 0 ? -1 : (int64_t)(wait * 1000 + 0.999);
    v->severity = word_field(rd, "severity", SEVERITY_MAX);
    v->rule = word_field(rd, "rule", RULE_MAX);
}

static void read_answer(reader *rd, mg_verdict *v) {
    v->kind = MG_VERDICT_ANSWER;
    v->text = text_field(rd, "text", ANSWER_MAX, "a string of at most 1 MB");
    v->finish_reason = word_field(rd, "finish_reason", SEVERITY_MAX);
    if (!v->finish_reason.n) v->finish_reason = MG_STR("stop");
}

static void read_queue(reader *rd, mg_verdict *v) {
    v->kind = MG_VERDICT_QUEUE;
    v->max_wait_ms =
        (int64_t)(number_field(rd, "max_wait", WAIT_DEFAULT_S, 0, WAIT_MAX_S, "a number of seconds from 0 to 3,600") *
                  1000);
    v->priority = (int)number_field(rd, "priority", 0, -PRIORITY_MAX, PRIORITY_MAX, "a number from -1,000 to 1,000");
    absent(rd, "keepalive", "left out: this version keeps no queued stream alive");
}

/* ---- targets ----------------------------------------------------------------------------------------------------- */

static mg_strategy strategy_field(reader *rd, mg_strategy otherwise) {
    static const char *const names[] = {"order", "weighted", "latency", "cost"};
    mg_str s = text_field(rd, "strategy", SEVERITY_MAX, "\"order\", \"weighted\", \"latency\" or \"cost\"");
    for (int i = 0; s.n && i < 4; i++)
        if (mg_str_is(s, names[i])) return (mg_strategy)i;
    if (s.n) fail(rd, "strategy", "\"order\", \"weighted\", \"latency\" or \"cost\"");
    return otherwise;
}

static bool is_name(lua_State *L, int index, mg_str *name) {
    if (lua_type(L, index) != LUA_TSTRING) return false;
    name->p = lua_tolstring(L, index, &name->n);
    return name->n > 0 && name->n <= NAME_MAX_BYTES;
}

static void add_choice(reader *rd, mg_result *out, mg_target_choice choice) {
    if (out->n_targets == MG_TARGETS_MAX)
        fail(rd, "targets", "at most 32");
    else
        out->targets[out->n_targets++] = choice;
}

/* { "azure/gpt-4o", weight = 2, timeout = 30 } or { "a/x", "b/y", strategy = "latency" } on top of the stack. */
static void read_group(reader *outer, mg_result *out, bool alone) {
    reader rd = *outer;
    rd.table = lua_gettop(rd.L);
    double weight = number_field(&rd, "weight", 0, 0, 1e9, "a number, at least 0");
    double timeout = number_field(&rd, "timeout", 0, 0.001, TIMEOUT_MAX_S, "a number of seconds up to 3,600");
    mg_strategy strategy = strategy_field(&rd, out->strategy);
    if (strategy != out->strategy) {
        if (alone)
            out->strategy = strategy;
        else
            fail(&rd, "strategy", "that of the whole list, unless the group is its only entry");
    }
    size_t n = lua_objlen(rd.L, rd.table);
    if (n == 0) fail(&rd, "group", "a list of targets' names");
    for (size_t i = 1; i <= n && !rd.failed; i++) {
        mg_target_choice c = {.weight = weight, .timeout_ms = (uint64_t)(timeout * 1000)};
        lua_rawgeti(rd.L, rd.table, (int)i);
        if (is_name(rd.L, -1, &c.name))
            add_choice(&rd, out, c);
        else
            fail(&rd, "group", "a list of targets' names");
        lua_pop(rd.L, 1);
    }
    outer->failed = rd.failed;
}

/* One element of retry_on, on top of the stack, as bits 1 << mg_failure; 0: not known. Broken connections count as no failure
 * that the vendor told us: bit 0. */
static uint32_t retry_bits(lua_State *L) {
    static const struct {
        const char *name;
        int status;
        uint32_t bits;
    } known[] = {
        {"rate", 429, 1u << MG_FAIL_RATE},   {"overloaded", 503, 1u << MG_FAIL_OVERLOADED},
        {"", 529, 1u << MG_FAIL_OVERLOADED}, {"server", 500, 1u << MG_FAIL_SERVER},
        {"", 502, 1u << MG_FAIL_SERVER},     {"", 504, 1u << MG_FAIL_SERVER},
        {"quota", 402, 1u << MG_FAIL_QUOTA}, {"timeout", 408, 1u << MG_FAIL_NONE},
        {"reset", 0, 1u << MG_FAIL_NONE},
    };
    mg_str name = {NULL, 0};
    bool number = lua_type(L, -1) == LUA_TNUMBER;
    double status = number ? lua_tonumber(L, -1) : 0;
    if (!number && lua_type(L, -1) == LUA_TSTRING) name.p = lua_tolstring(L, -1, &name.n);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (number ? known[i].status && status == known[i].status : name.n && mg_str_is(name, known[i].name))
            return known[i].bits;
    return 0;
}

static void read_retry_on(reader *rd, mg_result *out) {
    static const char expected[] =
        "a list of 402, 408, 429, 500, 502, 503, 504, 529, \"timeout\", \"reset\", \"overloaded\", "
        "\"rate\", \"quota\" and \"server\"";
    if (!push(rd, "retry_on")) return;
    bool ok = lua_istable(rd->L, -1);
    size_t n = ok ? lua_objlen(rd->L, -1) : 0;
    for (size_t i = 1; i <= n && i <= MG_TARGETS_MAX; i++) {
        lua_rawgeti(rd->L, -1, (int)i);
        uint32_t bits = retry_bits(rd->L);
        lua_pop(rd->L, 1);
        out->retry_on |= bits;
        if (!bits) ok = false;
    }
    lua_pop(rd->L, 1);
    if (!ok) fail(rd, "retry_on", expected);
}

static void read_targets(reader *rd, mg_result *out) {
    out->strategy = strategy_field(rd, MG_STRATEGY_ORDER);
    double retries = number_field(rd, "max_retries", -1, 0, RETRIES_MAX, "a whole number from 0 to 10");
    out->max_retries = (int)retries;
    out->first_byte_ms =
        (uint64_t)(number_field(rd, "first_byte", 0, 0.001, TIMEOUT_MAX_S, "a number of seconds up to 3,600") * 1000);
    absent(rd, "hedge_after", "left out: this version does not hedge");
    read_retry_on(rd, out);
    size_t n = lua_objlen(rd->L, rd->table);
    for (size_t i = 1; i <= n && !rd->failed; i++) {
        mg_target_choice c = {.weight = 0};
        lua_rawgeti(rd->L, rd->table, (int)i);
        if (is_name(rd->L, -1, &c.name))
            add_choice(rd, out, c);
        else if (lua_istable(rd->L, -1))
            read_group(rd, out, n == 1);
        else
            fail(rd, "targets", "names like \"openai/gpt-4o\", or tables of them");
        lua_pop(rd->L, 1);
    }
    if (out->n_targets == 0) fail(rd, "targets", "at least one name like \"openai/gpt-4o\"");
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static mg_status read_table(lua_State *L, int table, mg_result_kind kind, mg_result *out, mg_error *error) {
    *out = (mg_result){.kind = kind, .max_retries = -1, .verdict = {.retry_after_ms = -1}};
    reader rd = {L, table, kind_names[kind], error, false};
    switch (kind) {
    case MG_RESULT_NONE: break;
    case MG_RESULT_DENY: read_deny(&rd, &out->verdict); break;
    case MG_RESULT_ANSWER: read_answer(&rd, &out->verdict); break;
    case MG_RESULT_QUEUE: read_queue(&rd, &out->verdict); break;
    case MG_RESULT_TARGETS: read_targets(&rd, out); break;
    }
    return rd.failed ? MG_ERROR : MG_OK;
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

mg_status mg_result_apply_targets(const mg_result *result, mg_request *r, mg_error *error) {
    mg_str names[MG_TARGETS_MAX];
    for (size_t i = 0; i < result->n_targets; i++) names[i] = mg_arena_dup(r->arena, result->targets[i].name);
    if (mg_request_set_targets(r, names, result->n_targets, error) != MG_OK) return MG_ERROR;
    for (size_t t = 0; t < r->n_targets; t++)
        for (size_t i = 0; i < result->n_targets; i++) {
            if (!mg_str_eq(r->targets[t].name, names[i])) continue;
            if (result->targets[i].weight > 0) r->targets[t].weight = result->targets[i].weight;
            if (result->targets[i].timeout_ms) r->targets[t].total_ms = result->targets[i].timeout_ms;
        }
    r->routing.strategy = result->strategy;
    if (result->max_retries >= 0) r->routing.max_retries = result->max_retries;
    if (result->retry_on) r->routing.retry_on = result->retry_on;
    if (result->first_byte_ms) r->routing.first_byte_ms = result->first_byte_ms;
    return MG_OK;
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

static void check_names(lua_State *L, mg_result_kind kind) {
    static const char *const deny[] = {"status", "code", "message", "retry_after", "severity", "rule", NULL};
    static const char *const answer[] = {"text", "finish_reason", NULL};
    static const char *const queue[] = {"max_wait", "priority", "keepalive", NULL};
    static const char *const targets[] = {"max_retries", "retry_on", "first_byte", "hedge_after", "strategy", NULL};
    static const char *const *const known[] = {NULL, deny, answer, queue, targets};
    if (kind != MG_RESULT_TARGETS) {
        mg_lua_check_fields(L, 1, known[kind], kind_names[kind]);
        return;
    }
    lua_createtable(L, 0, 4); /* the named fields alone */
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        if (lua_type(L, -2) == LUA_TSTRING) {
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_rawset(L, 2);
        } else {
            lua_pop(L, 1);
        }
    }
    mg_lua_check_fields(L, 2, known[kind], kind_names[kind]);
    lua_pop(L, 1);
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
