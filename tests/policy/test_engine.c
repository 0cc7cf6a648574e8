/* The engine: phases in order, what they may return, waiting, cancelling, failing, suspending. */
#include "engine.h"

#include <time.h>

static void test_verdicts(void **arg) {
    fixture *f = *arg;
    file_put("a.lua", "local p = {} function p.admit(req) if req.org == 'acme' then return deny{ status = 429, code = "
                      "'slow', message = 'Wait.', "
                      "retry_after = 1.5, severity = 'low' } end end function p.screen() return answer{ text = 'No.', "
                      "finish_reason = 'content_filter' } end "
                      "function p.spend() return deny{ rule = 'mine', retry_after = math.huge } end return p");
    file_put("b.lua", "local p = {} function p.admit() test.note('b') end function p.prompt() end return p");
    done(f, MG_PHASE_ADMIT, MG_VERDICT_DENY);
    assert_int_equal(f->r.verdict.status, 429);
    assert_int_equal(f->r.verdict.retry_after_ms, 1500);
    is(f->r.verdict.code, "slow");
    is(f->r.verdict.message, "Wait.");
    is(f->r.verdict.severity, "low");
    is(f->r.verdict.rule, "a.admit");
    assert_string_equal(test_seen.note, ""); /* a deny ends the phase */
    done(f, MG_PHASE_SCREEN, MG_VERDICT_ANSWER);
    is(f->r.verdict.text, "No.");
    is(f->r.verdict.finish_reason, "content_filter");
    done(f, MG_PHASE_SPEND, MG_VERDICT_DENY);
    assert_int_equal(f->r.verdict.status, 403);
    assert_int_equal(f->r.verdict.retry_after_ms, -1);
    is(f->r.verdict.code, "policy_denied");
    is(f->r.verdict.rule, "mine");
    f->org.id = MG_STR("beta");
    done(f, MG_PHASE_ADMIT, MG_VERDICT_NONE);
    assert_string_equal(test_seen.note, "b");
    assert_true(f->worker.policy.has(f->engine, f->r.policies, MG_STR("beta"), MG_PHASE_PROMPT));
    assert_false(f->worker.policy.has(f->engine, f->r.policies, MG_STR("beta"), MG_PHASE_ROUTE));
}

static void test_queue(void **arg) {
    fixture *f = *arg;
    file_put("a.lua", "return { admit = function() return queue{ max_wait = 3, priority = 5 } end }");
    file_put("b.lua",
             "return { admit = function(req) if req.org == 'beta' then return deny{} end return queue{} end }");
    done(f, MG_PHASE_ADMIT, MG_VERDICT_QUEUE);
    assert_int_equal(f->r.verdict.max_wait_ms, 3000);
    assert_int_equal(f->r.verdict.priority, 5);
    is(f->r.verdict.rule, "a.admit");
    f->org.id = MG_STR("beta");
    done(f, MG_PHASE_ADMIT, MG_VERDICT_DENY); /* to wait would be of no use */
}

/* Everything that is not what the phase may return is a failure that names the policy and no more. */
static void test_bad_results(void **arg) {
    fixture *f = *arg;
    static const char *const bad[] = {
        "return true",
        "return 'no'",
        "return {}",
        "return setmetatable({}, { 2 })",
        "return setmetatable({ status = 'x' }, { 1 })",
        "return answer{ text = 'x' }",
        "return targets{ 'a/x' }",
        "return deny{ status = 200 }",
        "return deny{ stauts = 403 }",
        "return deny{ message = 5 }",
        "return deny{ code = 'a b' }",
        "return deny{ retry_after = -1 }",
        "return deny{ status = 0/0 }",
        "return deny('no')",
        "return deny()",
        "return deny(setmetatable({}, {}))",
        "local d = deny{} d.status = 99 return d",
        "return queue{ max_wait = 'x' }",
        "return queue{ keepalive = true }",
        "return queue{ max_wait = 1e9 }",
        "return targets{}",
        "return targets{ 5 }",
        "return targets{ 'a/x', retry_on = { 'sometimes' } }",
        "return targets{ 'a/x', strategy = 'best' }",
        "return targets{ 'a/x', max_retry = 1 }",
        "return targets{ {} }",
        "error('secret')",
        "error({})",
        "local x = nil; return x.y",
        "return deny{ message = ('x'):rep(3000) }",
        "return test.settle_only()",
        "return test.wait(",
    };
    for (size_t i = 0; i + 1 < sizeof bad / sizeof bad[0]; i++) {
        char text[300], name[20];
        snprintf(text, sizeof text, "return { admit = function(req) %s end }", bad[i]);
        snprintf(name, sizeof name, "orgs/o%zu/p.lua", i);
        file_put(name, text);
    }
    for (size_t i = 0; i + 1 < sizeof bad / sizeof bad[0]; i++) {
        char org[20];
        snprintf(org, sizeof org, "o%zu", i);
        f->org.id = mg_str_of(org);
        assert_int_equal(ask(f, MG_PHASE_ADMIT), MG_RUN_DONE);
        if (f->r.verdict.kind != MG_VERDICT_DENY || f->r.verdict.status != 500) fail_msg("accepted: %s", bad[i]);
        is(f->r.verdict.code, "policy_failed");
        char expected[80];
        snprintf(expected, sizeof expected, "The policy %s/p.admit failed.", org);
        is(f->r.verdict.message, expected);
        snprintf(expected, sizeof expected, "admit %s/p.admit error", org);
        assert_string_equal(gateway_seen.decision, expected);
    }
}

static void test_layers(void **arg) {
    fixture *f = *arg;
    with_settings(f, "{\"rate\":{\"slots\":9}}");
    file_put("platform/z.lua", "return { admit = function(req) test.note('platform') end }");
    file_put("rate.lua", "local p = { settings = { slots = 1 } } function p.admit() return deny{ message = 'default ' "
                         ".. p.settings.slots } end\n"
                         "function p.screen() return deny{ message = table.concat({ test.who() }, ' ') } end return p");
    file_put("orgs/acme/rate.lua",
             "local p = { settings = { slots = 2 } } function p.admit(req) local d = default.admit(req)\n"
             "return deny{ message = d.message .. ' own ' .. p.settings.slots } end\n"
             "return p");
    file_put("orgs/acme/extra.lua", "return { prompt = function() test.note(table.concat({ test.who() }, ' ')) end }");
    done(f, MG_PHASE_ADMIT, MG_VERDICT_DENY);
    is(f->r.verdict.message, "default 9 own 9"); /* the configuration's, in both files */
    is(f->r.verdict.rule, "acme/rate.admit");
    assert_string_equal(test_seen.note, "platform");
    done(f, MG_PHASE_SCREEN, MG_VERDICT_DENY);
    is(f->r.verdict.message, "acme rate rate.screen"); /* runs in the organization's state, as the file that it is */
    done(f, MG_PHASE_PROMPT, MG_VERDICT_NONE);
    assert_string_equal(test_seen.note, "acme extra acme/extra.prompt");
    f->org.id = MG_STR("beta");
    done(f, MG_PHASE_ADMIT, MG_VERDICT_DENY);
    is(f->r.verdict.message, "default 1");
    is(f->r.verdict.rule, "rate.admit");
    done(f, MG_PHASE_PROMPT, MG_VERDICT_NONE);
    mg_engine_stats stats;
    mg_engine_stats_get(f->engine, &stats);
    assert_int_equal(stats.states, 2);
    assert_true(stats.bytes > 20000 && stats.bytes < 1000000);
}

static void test_windows(void **arg) {
    fixture *f = *arg;
    file_put("a.lua", "return { window = 300, reply = function(req, res) test.note('a' .. tostring(res.final)) end }");
    file_put("b.lua", "return { reply = function(req, res) test.note('b' .. tostring(res.final)) end }");
    done(f, MG_PHASE_REPLY, MG_VERDICT_NONE);
    assert_string_equal(test_seen.note, "afalse"); /* b wants the whole */
    assert_int_equal(f->worker.policy.window(f->engine, f->r.policies, MG_STR("acme")), 300);
    f->r.final = true;
    done(f, MG_PHASE_REPLY, MG_VERDICT_NONE);
    assert_string_equal(test_seen.note, "btrue");
}

/* ---- waiting -------------------------------------------------------------------------------------------------------------------- */

static const char waiting[] =
    "local p = {} function p.admit(req) local before = p.settings.slots local text, n = test.wait()\n"
    "return deny{ message = req.org .. ' ' .. text .. ' ' .. n .. ' ' .. before .. p.settings.slots } end\n"
    "p.settings = { slots = 1 } return p";

static void test_wait(void **arg) {
    fixture *f = *arg;
    with_settings(f, "{\"rate\":{\"slots\":9}}");
    file_put("rate.lua", waiting);
    assert_int_equal(ask(f, MG_PHASE_ADMIT), MG_RUN_WAIT);
    assert_int_equal(ask(f, MG_PHASE_ADMIT), MG_RUN_WAIT); /* asked too early */
    mg_call *first = test_seen.call;
    mg_org other_org = {.id = MG_STR("beta")};
    mg_request other = f->r;
    other.org = &other_org;
    other.policy_state = NULL;
    assert_int_equal(f->worker.policy.run(f->engine, &other, MG_PHASE_ADMIT), MG_RUN_WAIT); /* in the same state */
    mg_call_ready(test_seen.call, push_answer, "two");
    mg_call_ready(first, push_answer, "one");
    mg_call_ready(first, push_answer, "twice");
    assert_int_equal(gateway_seen.resumed, 0); /* never from within the completion */
    f->r.policy_state = NULL;
    f->r.policy_state = first;
    mg_evloop_run(f->worker.loop);
    while (gateway_seen.resumed < 2) mg_evloop_run(f->worker.loop);
    is(f->r.verdict.message, "acme one 7 99");
    is(other.verdict.message, "beta two 7 11"); /* each with its own settings */
    mg_call_ready(first, push_answer, "late");
    assert_null(f->r.policy_state);
}

static void test_wait_at_once(void **arg) {
    fixture *f = *arg;
    with_settings(f, "{\"rate\":{\"slots\":9}}");
    file_put("rate.lua", waiting);
    test_seen.at_once = true;
    done(f, MG_PHASE_ADMIT, MG_VERDICT_DENY);
    is(f->r.verdict.message, "acme at once 7 99");
}

static void test_results_that_fail_at_once(void **arg) {
    fixture *f = *arg;
    file_put("a.lua", "return { admit = function() return deny{ message = select(2, pcall(test.wait)) } end }");
    test_seen.at_once = test_seen.fails = true;
    done(f, MG_PHASE_ADMIT, MG_VERDICT_DENY);
    is(f->r.verdict.message, "the results could not be handed over");
}

static void test_many_values(void **arg) {
    fixture *f = *arg;
    file_put("a.lua", "local d, t = deny{ message = 'first of many' }, {} for i = 1, 7000 do t[i] = d end "
                      "return { admit = function() return unpack(t) end }");
    done(f, MG_PHASE_ADMIT, MG_VERDICT_DENY);
    is(f->r.verdict.message, "first of many");
}

static void test_wait_in_pcall(void **arg) {
    fixture *f = *arg;
    file_put("a.lua", "return { admit = function() local ok, text = pcall(test.wait) return deny{ message = "
                      "tostring(ok) .. ' ' .. text } end,\n"
                      "screen = function() local ok, e = pcall(string.gsub, 'a', 'a', function() test.wait() end) "
                      "return deny{ message = tostring(ok) .. e } end,\n"
                      "spend = function() local ok, e = pcall(table.sort, { 1, 2 }, function() return test.wait() end) "
                      "return deny{ message = e } end }");
    assert_int_equal(ask(f, MG_PHASE_ADMIT), MG_RUN_WAIT);
    mg_call_ready(test_seen.call, push_answer, "across");
    mg_evloop_run(f->worker.loop);
    is(f->r.verdict.message, "true across");
    done(f, MG_PHASE_SCREEN, MG_VERDICT_DENY);
    assert_non_null(strstr(f->r.verdict.message.p, "not possible within a function called by"));
    done(f, MG_PHASE_SPEND, MG_VERDICT_DENY);
    assert_non_null(strstr(f->r.verdict.message.p, "not possible within a function called by"));
}

static void test_cancel(void **arg) {
    fixture *f = *arg;
    file_put("a.lua", waiting);
    assert_int_equal(ask(f, MG_PHASE_ADMIT), MG_RUN_WAIT);
    mg_call *gone = test_seen.call;
    f->worker.policy.cancel(f->engine, &f->r);
    assert_int_equal(test_seen.cancelled, 1);
    assert_null(f->r.policy_state);
    mg_call_ready(gone, push_answer, "late"); /* into nothing */
    assert_int_equal(ask(f, MG_PHASE_ADMIT), MG_RUN_WAIT);
    assert_ptr_not_equal(test_seen.call, gone); /* nothing that still could come reaches another call */
    mg_call_ready(gone, push_answer, "late again");
    assert_int_equal(ask(f, MG_PHASE_ADMIT), MG_RUN_WAIT);
    mg_call_ready(test_seen.call, push_answer, "x");
    f->worker.policy.cancel(f->engine, &f->r); /* between completion and resumption */
    assert_int_equal(test_seen.cancelled, 1);
    f->worker.policy.cancel(f->engine, &f->r);
    assert_int_equal(gateway_seen.resumed, 0);
}

static void test_destroy_while_waiting(void **arg) {
    fixture *f = *arg;
    file_put("a.lua", waiting);
    assert_int_equal(ask(f, MG_PHASE_ADMIT), MG_RUN_WAIT);
    mg_engine_destroy(f->engine);
    f->engine = NULL;
    assert_int_equal(test_seen.cancelled, 1);
    assert_null(f->r.policy_state);
}

static void test_wall_clock(void **arg) {
    fixture *f = *arg;
    f->options.wall_ms = 20;
    file_put("a.lua", waiting);
    assert_int_equal(ask(f, MG_PHASE_ADMIT), MG_RUN_WAIT);
    mg_call *late = test_seen.call;
    mg_evloop_run(f->worker.loop);
    assert_int_equal(test_seen.cancelled, 1);
    is(f->r.verdict.code, "policy_failed");
    mg_call_ready(late, push_answer, "late");
}

static void test_push_that_fails(void **arg) {
    fixture *f = *arg;
    file_put("a.lua", waiting);
    assert_int_equal(ask(f, MG_PHASE_ADMIT), MG_RUN_WAIT);
    mg_call_ready(test_seen.call, push_huge, NULL);
    mg_evloop_run(f->worker.loop);
    is(f->r.verdict.code, "policy_failed");
}

/* ---- failing ---------------------------------------------------------------------------------------------------------------------- */

static void wait_ms(uint64_t ms) {
    struct timespec t = {.tv_nsec = (long)ms * 1000000};
    nanosleep(&t, NULL);
}

static void test_suspension(void **arg) {
    fixture *f = *arg;
    f->options.suspend_ms = 60;
    file_put("a.lua", "return { admit = function(req) if req.org == 'acme' then while true do pcall(function() while "
                      "true do end end) end end end }");
    for (int i = 0; i < 3; i++) {
        done(f, MG_PHASE_ADMIT, MG_VERDICT_DENY);
        is(f->r.verdict.code, "policy_failed");
        assert_int_equal(f->r.verdict.status, 500);
    }
    done(f, MG_PHASE_ADMIT, MG_VERDICT_DENY);
    is(f->r.verdict.code, "policy_unavailable");
    is(f->r.verdict.message, "The policy a.admit is suspended.");
    assert_int_equal(f->r.verdict.status, 503);
    assert_in_range(f->r.verdict.retry_after_ms, 1, 60);
    mg_engine_stats stats;
    mg_engine_stats_get(f->engine, &stats);
    assert_int_equal(stats.killed, 3);
    assert_int_equal(stats.suspended, 1);
    f->org.id = MG_STR("beta"); /* the same file, another organization */
    done(f, MG_PHASE_ADMIT, MG_VERDICT_NONE);
    f->org.id = MG_STR("acme");
    wait_ms(70);
    done(f, MG_PHASE_ADMIT, MG_VERDICT_DENY);
    is(f->r.verdict.code, "policy_failed"); /* asked again */
}

static void test_mended_file_is_asked_at_once(void **arg) {
    fixture *f = *arg;
    file_put("a.lua", "return { admit = function() while true do end end }");
    for (int i = 0; i < 4; i++) done(f, MG_PHASE_ADMIT, MG_VERDICT_DENY);
    is(f->r.verdict.code, "policy_unavailable");
    file_put("a.lua", "return { admit = function() end }");
    assert_int_equal(mg_reloader_reload(f->reloader, true, NULL), MG_OK);
    done(f, MG_PHASE_ADMIT, MG_VERDICT_NONE);
}

static void test_fail_open(void **arg) {
    fixture *f = *arg;
    f->options.fail_open = true;
    file_put("a.lua", "return { admit = function() error('x') end }");
    file_put("b.lua", "return { admit = function() while true do end end }");
    file_put("c.lua",
             "return { admit = function() return deny{ message = 'c' } end, settle = function() error('x') end }");
    for (int i = 0; i < 5; i++) {
        done(f, MG_PHASE_ADMIT, MG_VERDICT_DENY);
        is(f->r.verdict.message, "c");
        assert_string_equal(gateway_seen.decision, "admit b.admit skip");
    }
    done(f, MG_PHASE_SETTLE, MG_VERDICT_NONE);
}

static void test_memory_that_stays(void **arg) {
    fixture *f = *arg;
    f->options.instructions = 5000000;
    f->options.cpu_us = 300000;
    file_put("a.lua",
             "local kept = {} return { admit = function() for i = 1, 15 do kept[i] = ('x'):rep(4.5e5) .. i end end }");
    done(f, MG_PHASE_ADMIT, MG_VERDICT_NONE);
    for (int i = 0; i < 5; i++)
        done(f, MG_PHASE_ADMIT, MG_VERDICT_NONE); /* each in a new state, since 6.8 MB of 8 are kept */
    mg_engine_stats stats;
    mg_engine_stats_get(f->engine, &stats);
    assert_int_equal(stats.built, 6);
    assert_in_range(stats.states, 0, 1);
}

/* The file loads when it is checked, and not when the worker needs it. */
static void test_state_that_does_not_load(void **arg) {
    fixture *f = *arg;
    file_put("a.lua", "test.load() return { admit = function() end }");
    begin(f);
    test_seen.refuses = true;
    for (int i = 0; i < 3; i++) {
        done(f, MG_PHASE_ADMIT, MG_VERDICT_DENY);
        is(f->r.verdict.code, "policy_failed");
    }
    done(f, MG_PHASE_ADMIT, MG_VERDICT_DENY);
    is(f->r.verdict.code, "policy_unavailable"); /* it is not built again for every request */
}

static void test_idle_states_are_dropped(void **arg) {
    fixture *f = *arg;
    f->options.idle_ms = 10;
    file_put("a.lua", "return { admit = function() end }");
    done(f, MG_PHASE_ADMIT, MG_VERDICT_NONE);
    mg_engine_stats stats;
    mg_engine_stats_get(f->engine, &stats);
    assert_int_equal(stats.states, 1);
    mg_timer *end = mg_evloop_timer(f->worker.loop, 60, (void (*)(void *))mg_evloop_stop, f->worker.loop);
    assert_non_null(end);
    mg_evloop_run(f->worker.loop);
    mg_engine_stats_get(f->engine, &stats);
    assert_int_equal(stats.states, 0);
    done(f, MG_PHASE_ADMIT, MG_VERDICT_NONE);
}

/* A reload rebuilds the states of what changed and no others; calls under way end in the generation that they began in. */
static void test_reload(void **arg) {
    fixture *f = *arg;
    file_put("a.lua", "local n = 0 return { admit = function() n = n + 1 return deny{ message = 'a' .. n } end }");
    file_put("orgs/acme/own.lua",
             "local n = 0 return { screen = function() n = n + 1 return deny{ message = 'own' .. n } end }");
    file_put("orgs/beta/own.lua", "return { screen = function() test.wait() return deny{ message = 'first' } end }");
    done(f, MG_PHASE_ADMIT, MG_VERDICT_DENY);
    done(f, MG_PHASE_SCREEN, MG_VERDICT_DENY);
    is(f->r.verdict.message, "own1");
    f->org.id = MG_STR("beta");
    assert_int_equal(ask(f, MG_PHASE_SCREEN), MG_RUN_WAIT);
    file_put("orgs/beta/own.lua", "return { screen = function() return deny{ message = 'second' } end }");
    assert_int_equal(mg_reloader_reload(f->reloader, true, NULL), MG_OK);
    mg_request next = f->r;
    mg_org acme = {.id = MG_STR("acme")};
    next.policy_state = NULL;
    next.policies = f->worker.policy.acquire(f->engine, &next.generation);
    assert_int_equal(next.generation, 2);
    assert_int_equal(f->worker.policy.run(f->engine, &next, MG_PHASE_SCREEN), MG_RUN_DONE);
    is(next.verdict.message, "second");
    next.org = &acme;
    assert_int_equal(f->worker.policy.run(f->engine, &next, MG_PHASE_SCREEN), MG_RUN_DONE);
    is(next.verdict.message, "own2"); /* its state lives on */
    assert_int_equal(f->worker.policy.run(f->engine, &next, MG_PHASE_ADMIT), MG_RUN_DONE);
    is(next.verdict.message, "a2");
    f->worker.policy.release(f->engine, next.policies);
    mg_call_ready(test_seen.call, push_answer, "x");
    mg_evloop_run(f->worker.loop);
    is(f->r.verdict.message, "first");
}

/* Not a measure of speed, which has a tool of its own, but a guard against doing work that grows with what is there. */
static void test_many_calls(void **arg) {
    fixture *f = *arg;
    file_put("a.lua", "return { admit = function(req) end }");
    file_put("b.lua", "return { admit = function(req) end }");
    done(f, MG_PHASE_ADMIT, MG_VERDICT_NONE);
    uint64_t began = mg_clock_thread_cpu_us();
    for (int i = 0; i < 20000; i++) {
        f->worker.policy.run(f->engine, &f->r, MG_PHASE_ADMIT);
        mg_arena_reset(f->r.arena);
    }
    uint64_t took = mg_clock_thread_cpu_us() - began;
    printf("%.3f us a phase call\n", (double)took / 40000);
    assert_true(took < 4000000);
    mg_engine_stats stats;
    mg_engine_stats_get(f->engine, &stats);
    assert_int_equal(stats.built, 1);
    assert_true(stats.bytes < 1000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_verdicts),
        TEST(test_queue),
        TEST(test_bad_results),
        TEST(test_layers),
        TEST(test_windows),
        TEST(test_wait),
        TEST(test_wait_at_once),
        TEST(test_wait_in_pcall),
        TEST(test_results_that_fail_at_once),
        TEST(test_many_values),
        TEST(test_cancel),
        TEST(test_destroy_while_waiting),
        TEST(test_wall_clock),
        TEST(test_push_that_fails),
        TEST(test_suspension),
        TEST(test_mended_file_is_asked_at_once),
        TEST(test_fail_open),
        TEST(test_memory_that_stays),
        TEST(test_state_that_does_not_load),
        TEST(test_idle_states_are_dropped),
        TEST(test_reload),
        TEST(test_many_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
