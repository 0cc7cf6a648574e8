#include "policy/targets.h"

enum {
    NAME_MAX_BYTES = 256,
    RETRIES_MAX = 10,
    RETRY_ON_MAX = 32,
    SECONDS_MAX = 3600,
    HOLD_TOKENS_MAX = 100000,
    RATE_MAX = 100000,
    FORBIDDEN = 403
};

/* Bits of mg_targets.given. */
enum {
    GIVEN_RETRIES = 1 << 0,
    GIVEN_RETRY_ON = 1 << 1,
    GIVEN_FIRST_BYTE = 1 << 2,
    GIVEN_TOTAL = 1 << 3,
    GIVEN_BACKOFF = 1 << 4,
    GIVEN_HEDGE = 1 << 5,
    GIVEN_SHARE = 1 << 6,
    GIVEN_HOLD = 1 << 7,
    GIVEN_LEAST_RATE = 1 << 8,
    GIVEN_CONTINUES = 1 << 9,
    GIVEN_DRAIN = 1 << 10,
    GIVEN_STRATEGY = 1 << 11
};

static const char seconds_expected[] = "a number of seconds, more than 0 and up to 3,600";

/* ---- values on top of the stack ---------------------------------------------------------------------------------- */

static uint64_t seconds_here(mg_fields *f, const char *field) {
    return (uint64_t)(mg_fields_number_here(f, field, 0.001, SECONDS_MAX, seconds_expected) * 1000 + 0.5);
}

static mg_strategy strategy_here(mg_fields *f) {
    static const char *const names[] = {"order", "weighted", "latency", "cost"};
    return (mg_strategy)mg_fields_choice_here(f, "strategy", names, 4,
                                              "\"order\", \"weighted\", \"latency\" or \"cost\"");
}

/* Reads the table on top of the stack by its own options. */
static void table_here(mg_fields *outer, const char *who, const mg_fields_option *options, void *out) {
    mg_fields f = *outer;
    f.who = who;
    f.table = lua_gettop(f.L);
    mg_fields_each(&f, options, out);
    outer->failed = f.failed;
}

/* ---- options of the whole list ----------------------------------------------------------------------------------- */

static void read_strategy(mg_fields *f, void *out) {
    mg_targets *t = out;
    t->routing.strategy = strategy_here(f);
    t->given |= GIVEN_STRATEGY;
}

static void read_retries(mg_fields *f, void *out) {
    static const char expected[] = "a whole number from 0 to 10";
    mg_targets *t = out;
    double n = mg_fields_number_here(f, "max_retries", 0, RETRIES_MAX, expected);
    t->routing.max_retries = (int)n;
    if (n != t->routing.max_retries) mg_fields_fail(f, "max_retries", expected);
    t->given |= GIVEN_RETRIES;
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

static void read_retry_on(mg_fields *f, void *out) {
    static const char expected[] =
        "a list of 402, 408, 429, 500, 502, 503, 504, 529, \"timeout\", \"reset\", \"overloaded\", "
        "\"rate\", \"quota\" and \"server\"";
    mg_targets *t = out;
    bool ok = lua_istable(f->L, -1);
    size_t n = ok ? lua_objlen(f->L, -1) : 0;
    t->routing.retry_on = 0;
    for (size_t i = 1; i <= n && i <= RETRY_ON_MAX; i++) {
        lua_rawgeti(f->L, -1, (int)i);
        uint32_t bits = retry_bits(f->L);
        lua_pop(f->L, 1);
        t->routing.retry_on |= bits;
        if (!bits) ok = false;
    }
    if (!ok) mg_fields_fail(f, "retry_on", expected);
    t->given |= GIVEN_RETRY_ON;
}

static void read_first_byte(mg_fields *f, void *out) {
    mg_targets *t = out;
    t->routing.first_byte_ms = seconds_here(f, "first_byte");
    t->given |= GIVEN_FIRST_BYTE;
}

static void read_total(mg_fields *f, void *out) {
    mg_targets *t = out;
    t->routing.total_ms = seconds_here(f, "total");
    t->given |= GIVEN_TOTAL;
}

static uint64_t wait_here(mg_fields *f, const char *field) {
    return (uint64_t)(mg_fields_number_here(f, field, 0, SECONDS_MAX, "a number of seconds from 0 to 3,600") * 1000);
}

static void read_base(mg_fields *f, void *out) { ((mg_backoff_settings *)out)->base_ms = wait_here(f, "base"); }
static void read_cap(mg_fields *f, void *out) { ((mg_backoff_settings *)out)->cap_ms = wait_here(f, "cap"); }

static void read_jitter(mg_fields *f, void *out) {
    mg_str name = {NULL, 0};
    if (lua_type(f->L, -1) == LUA_TSTRING) name.p = lua_tolstring(f->L, -1, &name.n);
    if (!mg_jitter_parse(name, &((mg_backoff_settings *)out)->jitter))
        mg_fields_fail(f, "jitter", "\"full\", \"equal\", \"decorrelated\" or \"none\"");
}

static void read_backoff(mg_fields *f, void *out) {
    static const mg_fields_option options[] = {
        {"base", read_base}, {"cap", read_cap}, {"jitter", read_jitter}, {NULL, NULL}};
    mg_targets *t = out;
    t->routing.backoff = MG_BACKOFF_DEFAULTS;
    if (lua_istable(f->L, -1))
        table_here(f, "targets.backoff", options, &t->routing.backoff);
    else
        mg_fields_fail(f, "backoff", "a table such as { base = 0.25, cap = 8, jitter = \"full\" }");
    t->given |= GIVEN_BACKOFF;
}

static void read_hedge_after(mg_fields *f, void *out) {
    mg_targets *t = out;
    bool said = lua_type(f->L, -1) == LUA_TBOOLEAN; /* true: after the target's p95 */
    t->routing.hedged = !said || lua_toboolean(f->L, -1);
    t->routing.hedge.delay_ms = said ? -1
                                     : (int64_t)(mg_fields_number_here(f, "hedge_after", 0.001, SECONDS_MAX,
                                                                       "true, false, or a number of seconds") *
                                                 1000);
    t->given |= GIVEN_HEDGE;
}

static void read_hedge_share(mg_fields *f, void *out) {
    mg_targets *t = out;
    double share = mg_fields_number_here(f, "hedge_share", 0, 1, "a share from 0 to 1");
    t->routing.hedge.share_permille = (uint32_t)(share * 1000 + 0.5);
    t->given |= GIVEN_SHARE;
}

static void read_hold_tokens(mg_fields *f, void *out) {
    ((mg_routing *)out)->hold_tokens =
        (int64_t)mg_fields_number_here(f, "tokens", 0, HOLD_TOKENS_MAX, "a number from 0 to 100,000");
}

static void read_hold_seconds(mg_fields *f, void *out) { ((mg_routing *)out)->hold_ms = seconds_here(f, "seconds"); }

static void read_hold(mg_fields *f, void *out) {
    static const mg_fields_option options[] = {
        {"tokens", read_hold_tokens}, {"seconds", read_hold_seconds}, {NULL, NULL}};
    mg_targets *t = out;
    t->routing.hold_tokens = INT64_MAX; /* seconds alone: it is they that count */
    t->routing.hold_ms = MG_ROUTING_DEFAULTS.hold_ms;
    if (lua_istable(f->L, -1))
        table_here(f, "targets.hold", options, &t->routing);
    else
        mg_fields_fail(f, "hold", "a table such as { tokens = 20, seconds = 1 }");
    t->given |= GIVEN_HOLD;
}

static void read_least_rate(mg_fields *f, void *out) {
    mg_targets *t = out;
    t->routing.least_tokens_per_s =
        mg_fields_number_here(f, "min_tokens_per_second", 0, RATE_MAX, "a number from 0 to 100,000");
    t->given |= GIVEN_LEAST_RATE;
}

static void read_continue(mg_fields *f, void *out) {
    mg_targets *t = out;
    t->routing.continues = mg_fields_bool_here(f, "continue_stream");
    t->given |= GIVEN_CONTINUES;
}

static void read_on_disconnect(mg_fields *f, void *out) {
    static const char *const names[] = {"cancel", "drain"};
    mg_targets *t = out;
    t->routing.drain = mg_fields_choice_here(f, "on_disconnect", names, 2, "\"cancel\" or \"drain\"") == 1;
    t->given |= GIVEN_DRAIN;
}

static const mg_fields_option list_options[] = {
    {"max_retries", read_retries},
    {"retry_on", read_retry_on},
    {"strategy", read_strategy},
    {"first_byte", read_first_byte},
    {"total", read_total},
    {"backoff", read_backoff},
    {"hedge_after", read_hedge_after},
    {"hedge_share", read_hedge_share},
    {"hold", read_hold},
    {"min_tokens_per_second", read_least_rate},
    {"continue_stream", read_continue},
    {"on_disconnect", read_on_disconnect},
    {NULL, NULL},
};

/* ---- the list ---------------------------------------------------------------------------------------------------- */

static bool is_name(lua_State *L, mg_str *name) {
    if (lua_type(L, -1) != LUA_TSTRING) return false;
    name->p = lua_tolstring(L, -1, &name->n);
    return name->n > 0 && name->n <= NAME_MAX_BYTES;
}

static void add_choice(mg_fields *f, mg_targets *out, mg_target_choice choice) {
    if (out->n == MG_TARGETS_MAX)
        mg_fields_fail(f, "targets", "at most 32");
    else
        out->list[out->n++] = choice;
}

/* What a table in the list says of all the names in it. */
typedef struct group_options {
    mg_target_choice choice;
    bool strategy;
} group_options;

static void read_weight(mg_fields *f, void *out) {
    ((group_options *)out)->choice.weight = mg_fields_number_here(f, "weight", 0, 1e9, "a number, at least 0");
}

static void read_timeout(mg_fields *f, void *out) {
    ((group_options *)out)->choice.timeout_ms = seconds_here(f, "timeout");
}

static void read_group_strategy(mg_fields *f, void *out) {
    group_options *g = out;
    g->choice.group_strategy = strategy_here(f);
    g->strategy = true;
}

static const mg_fields_option target_options[] = {{"weight", read_weight}, {"timeout", read_timeout}, {NULL, NULL}};
static const mg_fields_option table_options[] = {
    {"weight", read_weight}, {"timeout", read_timeout}, {"strategy", read_group_strategy}, {NULL, NULL}};

/* A table on top of the stack: { "azure/gpt-4o", weight = 2, timeout = 30 } or, `outer` being the list itself,
 * { "a/x", { "b/y", weight = 2 }, strategy = "latency" }. One that names a strategy is a group. */
static void read_table(mg_fields *outer, mg_targets *out, const mg_target_choice *inherited) {
    group_options g = {.choice = inherited ? *inherited : (mg_target_choice){.weight = -1}};
    mg_fields f = *outer;
    f.table = lua_gettop(f.L);
    mg_fields_each(&f, inherited ? target_options : table_options, &g);
    if (g.strategy) g.choice.group = ++out->groups;
    out->detailed = out->detailed || g.strategy || g.choice.weight >= 0 || g.choice.timeout_ms;
    size_t n = lua_objlen(f.L, f.table);
    bool ok = n > 0;
    for (size_t i = 1; i <= n && ok && !f.failed; i++) {
        mg_target_choice c = g.choice;
        lua_rawgeti(f.L, f.table, (int)i);
        if (is_name(f.L, &c.name))
            add_choice(&f, out, c);
        else if (!inherited && lua_istable(f.L, -1))
            read_table(&f, out, &g.choice);
        else
            ok = false;
        lua_pop(f.L, 1);
    }
    if (!ok) mg_fields_fail(&f, "targets", "lists of names where they hold tables, as in { \"a/x\", weight = 2 }");
    outer->failed = f.failed;
}

void mg_targets_read(mg_fields *f, mg_targets *out) {
    mg_fields_each(f, list_options, out);
    size_t n = lua_objlen(f->L, f->table);
    for (size_t i = 1; i <= n && !f->failed; i++) {
        mg_target_choice c = {.weight = -1};
        lua_rawgeti(f->L, f->table, (int)i);
        if (is_name(f->L, &c.name))
            add_choice(f, out, c);
        else if (lua_istable(f->L, -1))
            read_table(f, out, NULL);
        else
            mg_fields_fail(f, "targets", "names like \"openai/gpt-4o\", or tables of them");
        lua_pop(f->L, 1);
    }
    if (out->n == 0 && !out->given) mg_fields_fail(f, "targets", "at least one name like \"openai/gpt-4o\"");
}

/* ---- into the request -------------------------------------------------------------------------------------------- */

static mg_status set_names(const mg_targets *t, mg_request *r, mg_error *error) {
    mg_str names[MG_TARGETS_MAX];
    for (size_t i = 0; i < t->n; i++) names[i] = t->list[i].name;
    return mg_request_set_targets(r, names, t->n, error);
}

/* What came of one name takes what was said of it. */
static void describe(mg_target *targets, size_t n, const mg_target_choice *c) {
    for (size_t i = 0; i < n; i++) {
        if (c->weight >= 0) targets[i].weight = c->weight;
        if (c->timeout_ms) targets[i].total_ms = c->timeout_ms;
        targets[i].group = c->group;
        targets[i].group_strategy = c->group_strategy;
    }
}

/* One by one, so that what came of a name can be told from the rest: a name may stand for several targets, and a target
 * may come of several names. Names that are not allowed are passed over as long as another one is. */
static mg_status set_described(const mg_targets *t, mg_request *r, mg_error *error) {
    mg_target *all = NULL;
    size_t n = 0, room = 0;
    for (size_t i = 0; i < t->n; i++) {
        mg_status status = mg_request_set_targets(r, &t->list[i].name, 1, error);
        if (status != MG_OK && error->http != FORBIDDEN) return status;
        if (status != MG_OK) continue;
        if (n + r->n_targets > room) {
            room = n + r->n_targets + t->n;
            mg_target *more = mg_arena_alloc(r->arena, room * sizeof *more);
            if (n) memcpy(more, all, n * sizeof *more);
            all = more;
        }
        memcpy(all + n, r->targets, r->n_targets * sizeof *all);
        describe(all + n, r->n_targets, &t->list[i]);
        n += r->n_targets;
    }
    if (n == 0) return MG_ERROR; /* of the last name */
    r->targets = all;
    r->n_targets = n;
    return MG_OK;
}

/* A group of one is none. */
static void drop_single_groups(mg_request *r) {
    for (size_t i = 0, end; i < r->n_targets; i = end) {
        for (end = i + 1; end < r->n_targets && r->targets[end].group == r->targets[i].group;) end++;
        if (end == i + 1) r->targets[i].group = 0;
    }
}

static void set_routing(const mg_targets *t, mg_routing *to) {
    const mg_routing *from = &t->routing;
    if (t->n || t->given & GIVEN_STRATEGY) to->strategy = from->strategy;
    if (!t->given) return;
    if (t->given & GIVEN_RETRIES) to->max_retries = from->max_retries;
    if (t->given & GIVEN_RETRY_ON) to->retry_on = from->retry_on;
    if (t->given & GIVEN_FIRST_BYTE) to->first_byte_ms = from->first_byte_ms;
    if (t->given & GIVEN_TOTAL) to->total_ms = from->total_ms;
    if (t->given & GIVEN_BACKOFF) to->backoff = from->backoff;
    if (t->given & GIVEN_HEDGE) {
        to->hedged = from->hedged;
        to->hedge.delay_ms = from->hedge.delay_ms;
    }
    if (t->given & GIVEN_SHARE) to->hedge.share_permille = from->hedge.share_permille;
    if (t->given & GIVEN_HOLD) {
        to->hold_tokens = from->hold_tokens;
        to->hold_ms = from->hold_ms;
    }
    if (t->given & GIVEN_LEAST_RATE) to->least_tokens_per_s = from->least_tokens_per_s;
    if (t->given & GIVEN_CONTINUES) to->continues = from->continues;
    if (t->given & GIVEN_DRAIN) to->drain = from->drain;
}

mg_status mg_targets_apply(const mg_targets *t, mg_request *r, mg_error *error) {
    mg_status status = MG_OK; /* without names those that it has */
    if (t->n) status = t->detailed ? set_described(t, r, error) : set_names(t, r, error);
    if (status != MG_OK) return status;
    if (t->groups) drop_single_groups(r);
    set_routing(t, &r->routing);
    return MG_OK;
}
