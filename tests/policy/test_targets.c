/* targets{…}: what it takes, what it refuses, and what comes of it. */
#include "engine.h"

static void test_targets(void **arg) {
    fixture *f = *arg;
    file_put("a.lua", "return { route = function() return targets{ 'a/x' } end }");
    file_put("b.lua", "return { route = function(req) if req.org == 'beta' then return targets{ 'no/such' } end return "
                      "targets{ 'a/x', { 'b/y', weight = 2, "
                      "timeout = 30 }, { 'c/z', 'd/w' }, max_retries = 2, retry_on = { 429, 500, 'timeout' }, "
                      "first_byte = 1.5, strategy = 'weighted' } end,\n"
                      "spend = function() return targets{ { 'a/x', 'b/y', strategy = 'latency' } } end }");
    done(f, MG_PHASE_ROUTE, MG_VERDICT_NONE);
    assert_int_equal(f->r.n_targets, 4);
    is(f->r.targets[3].name, "d/w");
    assert_true(f->r.targets[1].weight == 2);
    assert_int_equal(f->r.targets[1].total_ms, 30000);
    assert_int_equal(f->r.routing.max_retries, 2);
    assert_int_equal(f->r.routing.retry_on, 1u << MG_FAIL_RATE | 1u << MG_FAIL_SERVER | 1u << MG_FAIL_NONE);
    assert_int_equal(f->r.routing.first_byte_ms, 1500);
    assert_int_equal(f->r.routing.strategy, MG_STRATEGY_WEIGHTED);
    assert_string_equal(gateway_seen.decision, "route b.route route");
    done(f, MG_PHASE_SPEND, MG_VERDICT_NONE);
    assert_int_equal(f->r.targets[1].group_strategy, MG_STRATEGY_LATENCY);
    f->org.id = MG_STR("beta");
    done(f, MG_PHASE_ROUTE, MG_VERDICT_DENY);
    is(f->r.verdict.code, "policy_failed");
}

/* What a policy says of one request: the chunk is its route(). */
static void route(fixture *f, const char *chunk) {
    char text[1000];
    snprintf(text, sizeof text, "return { route = function(req) %s end }", chunk);
    file_put("a.lua", text);
    done(f, MG_PHASE_ROUTE, MG_VERDICT_NONE);
}

static void test_targets_options(void **arg) {
    fixture *f = *arg;
    const mg_routing *to = &f->r.routing;
    f->r.routing = MG_ROUTING_DEFAULTS;
    route(f, "return targets{ 'a/x', total = 20, backoff = { base = 0.1, cap = 2, jitter = 'decorrelated' }, "
             "hedge_after = 0.5, hedge_share = 0.2, hold = { tokens = 20, seconds = 2 }, min_tokens_per_second = 4.5, "
             "continue_stream = true, on_disconnect = 'drain' }");
    assert_int_equal(to->total_ms, 20000);
    assert_int_equal(to->backoff.base_ms, 100);
    assert_int_equal(to->backoff.cap_ms, 2000);
    assert_int_equal(to->backoff.jitter, MG_JITTER_DECORRELATED);
    assert_true(to->hedged);
    assert_int_equal(to->hedge.delay_ms, 500);
    assert_int_equal(to->hedge.share_permille, 200);
    assert_int_equal(to->hedge.min_samples, MG_HEDGE_DEFAULTS.min_samples);
    assert_int_equal(to->hold_tokens, 20);
    assert_int_equal(to->hold_ms, 2000);
    assert_true(to->least_tokens_per_s == 4.5);
    assert_true(to->continues);
    assert_true(to->drain);
    assert_int_equal(to->max_retries, 0);
}

static void test_targets_defaults(void **arg) {
    fixture *f = *arg;
    const mg_routing *to = &f->r.routing, defaults = MG_ROUTING_DEFAULTS;
    f->r.routing = defaults;
    file_put("a.lua", "return { route = function() return targets{ 'a/x' } end,\n"
                      "spend = function() return targets{ 'a/x', hedge_after = true, hold = { seconds = 0.5 }, backoff "
                      "= { jitter = 'none' }, strategy = 'cost' } end }");
    done(f, MG_PHASE_ROUTE, MG_VERDICT_NONE);
    assert_memory_equal(to, &defaults, sizeof defaults);
    done(f, MG_PHASE_SPEND, MG_VERDICT_NONE);
    assert_true(to->hedged);
    assert_int_equal(to->hedge.delay_ms, -1); /* the p95 */
    assert_int_equal(to->hedge.share_permille, MG_HEDGE_DEFAULTS.share_permille);
    assert_int_equal(to->hold_tokens, INT64_MAX); /* the seconds decide */
    assert_int_equal(to->hold_ms, 500);
    assert_int_equal(to->backoff.base_ms, MG_BACKOFF_DEFAULTS.base_ms);
    assert_int_equal(to->backoff.jitter, MG_JITTER_NONE);
    assert_int_equal(to->strategy, MG_STRATEGY_COST);
    assert_false(to->continues);
}

/* A later one changes what it says, and no more; `false` takes hedging back. */
static void test_targets_twice(void **arg) {
    fixture *f = *arg;
    f->r.routing = MG_ROUTING_DEFAULTS;
    file_put("a.lua", "return { route = function() return targets{ 'a/x', 'b/y', max_retries = 2, hedge_after = 1, "
                      "total = 5, strategy = 'weighted' } end,\n"
                      "spend = function() return targets{ 'c/z', hedge_after = false } end }");
    done(f, MG_PHASE_ROUTE, MG_VERDICT_NONE);
    assert_true(f->r.routing.hedged);
    done(f, MG_PHASE_SPEND, MG_VERDICT_NONE);
    assert_int_equal(f->r.n_targets, 1);
    is(f->r.targets[0].name, "c/z");
    assert_false(f->r.routing.hedged);
    assert_int_equal(f->r.routing.max_retries, 2);
    assert_int_equal(f->r.routing.total_ms, 5000);
    assert_int_equal(f->r.routing.strategy, MG_STRATEGY_ORDER);
}

/* Options alone leave the targets and their order as they are. */
static void test_options_alone(void **arg) {
    fixture *f = *arg;
    f->r.routing = MG_ROUTING_DEFAULTS;
    file_put("a.lua", "return { route = function() return targets{ 'a/x', 'b/y', strategy = 'latency' } end,\n"
                      "spend = function(req) if req.org == 'beta' then return targets{ strategy = 'cost' } end\n"
                      "return targets{ total = 5 } end }");
    done(f, MG_PHASE_ROUTE, MG_VERDICT_NONE);
    done(f, MG_PHASE_SPEND, MG_VERDICT_NONE);
    assert_int_equal(f->r.n_targets, 2);
    assert_int_equal(f->r.routing.strategy, MG_STRATEGY_LATENCY);
    assert_int_equal(f->r.routing.total_ms, 5000);
    f->org.id = MG_STR("beta");
    done(f, MG_PHASE_SPEND, MG_VERDICT_NONE);
    assert_int_equal(f->r.n_targets, 2);
    assert_int_equal(f->r.routing.strategy, MG_STRATEGY_COST);
}

static void expect_target(fixture *f, size_t at, const char *name, double weight, uint16_t group,
                          mg_strategy strategy) {
    const mg_target *t = &f->r.targets[at];
    assert_true(at < f->r.n_targets);
    is(t->name, name);
    assert_true(t->weight == weight);
    assert_int_equal(t->group, group);
    if (group) assert_int_equal(t->group_strategy, strategy);
}

static void test_target_groups(void **arg) {
    fixture *f = *arg;
    route(f, "return targets{ { 'a/x', 'b/y', strategy = 'latency' }, 'c/z', { 'd/w', strategy = 'cost' }, "
             "{ 'e/v', 'f/u', weight = 3, timeout = 9 }, { { 'g/t', weight = 0, timeout = 2 }, { 'h/s', weight = 4 }, "
             "'i/r', weight = 2, strategy = 'weighted' } }");
    assert_int_equal(f->r.n_targets, 9);
    assert_int_equal(f->r.routing.strategy, MG_STRATEGY_ORDER);
    expect_target(f, 0, "a/x", 1, 1, MG_STRATEGY_LATENCY);
    expect_target(f, 1, "b/y", 1, 1, MG_STRATEGY_LATENCY);
    expect_target(f, 2, "c/z", 1, 0, MG_STRATEGY_ORDER);
    expect_target(f, 3, "d/w", 1, 0, MG_STRATEGY_ORDER); /* one alone is no group */
    expect_target(f, 4, "e/v", 3, 0, MG_STRATEGY_ORDER); /* nor is what has no strategy */
    expect_target(f, 5, "f/u", 3, 0, MG_STRATEGY_ORDER);
    assert_int_equal(f->r.targets[5].total_ms, 9000);
    expect_target(f, 6, "g/t", 0, 3, MG_STRATEGY_WEIGHTED);
    assert_int_equal(f->r.targets[6].total_ms, 2000);
    expect_target(f, 7, "h/s", 4, 3, MG_STRATEGY_WEIGHTED);
    assert_int_equal(f->r.targets[7].total_ms, 0);
    expect_target(f, 8, "i/r", 2, 3, MG_STRATEGY_WEIGHTED);
}

/* What may not be used is left out; if nothing is left, the request is refused as before. */
static void test_targets_not_allowed(void **arg) {
    fixture *f = *arg;
    file_put("a.lua", "return { route = function() return targets{ { 'no/access', weight = 2 }, 'b/y' } end,\n"
                      "spend = function() return targets{ { 'no/access', weight = 2 } } end }");
    done(f, MG_PHASE_ROUTE, MG_VERDICT_NONE);
    assert_int_equal(f->r.n_targets, 1);
    is(f->r.targets[0].name, "b/y");
    done(f, MG_PHASE_SPEND, MG_VERDICT_DENY);
    is(f->r.verdict.code, "policy_failed");
}

/* What is wrong is named. */
static void test_targets_sentences(void **arg) {
    fixture *f = *arg;
    static const struct {
        const char *list, *says;
    } cases[] = {
        {"total = 0", "targets: 'total' must be a number of seconds, more than 0 and up to 3,600"},
        {"total = '5'", "targets: 'total' must be a number of seconds"},
        {"max_retries = 1.5", "targets: 'max_retries' must be a whole number from 0 to 10"},
        {"backoff = 5", "targets: 'backoff' must be a table such as"},
        {"backoff = { bse = 1 }", "targets.backoff: unknown field 'bse'; did you mean 'base'?"},
        {"backoff = { base = -1 }", "targets.backoff: 'base' must be a number of seconds from 0"},
        {"backoff = { jitter = 'some' }", "targets.backoff: 'jitter' must be \"full\", \"equal\""},
        {"hedge_after = 'p95'", "targets: 'hedge_after' must be true, false, or a number of seconds"},
        {"hedge_after = 0", "targets: 'hedge_after' must be true, false, or a number of seconds"},
        {"hedge_share = 5", "targets: 'hedge_share' must be a share from 0 to 1"},
        {"hold = true", "targets: 'hold' must be a table such as"},
        {"hold = { token = 1 }", "targets.hold: unknown field 'token'; did you mean 'tokens'?"},
        {"hold = { seconds = 0 }", "targets.hold: 'seconds' must be a number of seconds, more than 0"},
        {"hold = { tokens = 0/0 }", "targets.hold: 'tokens' must be a number from 0 to 100,000"},
        {"min_tokens_per_second = -1", "targets: 'min_tokens_per_second' must be a number from 0"},
        {"continue_stream = 1", "targets: 'continue_stream' must be true or false"},
        {"on_disconnect = 'wait'", "targets: 'on_disconnect' must be \"cancel\" or \"drain\""},
        {"hedge_affter = 1", "targets: unknown field 'hedge_affter'; did you mean 'hedge_after'?"},
        {"{ 'b/y', wieght = 2 }", "targets: unknown field 'wieght'; did you mean 'weight'?"},
        {"{ 'b/y', weight = -2 }", "targets: 'weight' must be a number, at least 0"},
        {"{ 'b/y', strategy = 'best' }", "targets: 'strategy' must be \"order\", \"weighted\""},
        {"{ { 'b/y', strategy = 'cost' } }", "targets: unknown field 'strategy'"},
        {"{ { { 'b/y' } } }", "targets: 'targets' must be lists of names where they hold tables"},
        {"{ 5 }", "targets: 'targets' must be lists of names where they hold tables"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[400], name[40];
        snprintf(text, sizeof text,
                 "return { route = function() local ok, text = pcall(function() local _ = targets{ 'a/x', %s } end)\n"
                 "test.note(ok and 'accepted' or text) end }",
                 cases[i].list);
        snprintf(name, sizeof name, "orgs/c%zu/p.lua", i);
        file_put(name, text);
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char org[20];
        snprintf(org, sizeof org, "c%zu", i);
        f->org.id = mg_str_of(org);
        done(f, MG_PHASE_ROUTE, MG_VERDICT_NONE);
        if (!strstr(test_seen.note, cases[i].says)) fail_msg("%s says: %s", cases[i].list, test_seen.note);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_targets),
        TEST(test_targets_options),
        TEST(test_targets_defaults),
        TEST(test_targets_twice),
        TEST(test_options_alone),
        TEST(test_target_groups),
        TEST(test_targets_not_allowed),
        TEST(test_targets_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
