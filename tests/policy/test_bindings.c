/* req and res as policies see them. */
#include "fixture.h"

static void reads_fields(void **state) {
    (void)state;
    lua_ok(MG_PHASE_SCREEN,
           "assert(#req.id == 36 and req.org == 'acme' and req.user == 'ann' and req.session == '')\n"
           "assert(req.model == 'smart' and req.operation == 'chat' and req.stream == false)\n"
           "assert(#req.targets == 2 and req.targets[1] == 'openai/gpt-4o' and req.targets[2] == 'demo/demo')\n"
           "assert(req.text == 'mail ann@example.org\\nand this', req.text)\n"
           "assert(req.system == 'Be terse.')\n"
           "assert(#req.tools == 2 and req.tools[1] == 'look_up' and req.tools[2] == 'delete_all')\n"
           "assert(req.max_tokens == nil and req.cost_max == nil and req.tokens == 0)\n"
           "assert(tostring(req) == 'req' and getmetatable(req) == 'protected')");
}

static void reads_the_key(void **state) {
    (void)state;
    lua_ok(MG_PHASE_ADMIT, "local k = req.key\n"
                           "assert(k.id == 'key_1' and k.name == 'build' and k.team == 'legal')\n"
                           "assert(k.tags.project == 'x' and k.tags.cost_center == '7' and k.tags.other == nil)\n"
                           "assert(#k.models == 2 and k.models[1] == 'smart')\n"
                           "assert(req.client_tags.a == '1' and req.client_tags.b == 'two')\n"
                           "local n = 0 for _ in pairs(req.client_tags) do n = n + 1 end assert(n == 2, n)");
}

static void reads_headers_but_no_credentials(void **state) {
    (void)state;
    lua_ok(MG_PHASE_ADMIT, "assert(req.headers['user-agent'] == 'test/1' and req.headers['User-Agent'] == 'test/1')\n"
                           "assert(req.headers.authorization == nil and req.headers['Authorization'] == nil)\n"
                           "assert(req.headers.absent == nil and req.headers[('x'):rep(1000)] == nil)");
    lua_raises(MG_PHASE_ADMIT, "req.headers[true]", "string expected");
}

static void reads_params(void **state) {
    (void)state;
    lua_ok(MG_PHASE_PROMPT, "local p = req.params\n"
                            "assert(p.temperature == 0.5 and p.absent == nil and p.metadata.k == 'v')\n"
                            "assert(p.stop[1] == 'x' and p.stop[2] == json.null and p.model == 'smart')\n"
                            "p.stop[1] = 'y' assert(req.params.stop[1] == 'x')\n"
                            "req:set_param('temperature', 1) assert(req.params.temperature == 1)");
    lua_raises(MG_PHASE_PROMPT, "req.params.messages", "read the conversation through req.text");
}

static void refuses_unknown_fields(void **state) {
    (void)state;
    lua_raises(MG_PHASE_ADMIT, "req.modle", "req has no field 'modle'; did you mean 'model'?");
    lua_raises(MG_PHASE_ADMIT, "req.key.teem", "key has no field 'teem'; did you mean 'team'?");
    lua_raises(MG_PHASE_ADMIT, "req.zzzzzzzzzzzz", "req has no field 'zzzzzzzzzzzz'");
    lua_raises(MG_PHASE_ADMIT, "req[1]", "fields of req have names");
    lua_ok(MG_PHASE_ADMIT, "local ok, err = pcall(function() req.model = 'x' end)\n"
                           "assert(not ok and err:find(\"req can't be assigned to\", 1, true), err)\n"
                           "ok, err = pcall(function() req.key.team = 'x' end) assert(not ok)");
}

/* Methods handed something else than what they belong to must not take it for a request. */
static void refuses_other_objects(void **state) {
    (void)state;
    static const char *const others[] = {"nil",     "1",           "'req'",         "{}", "json.null", "json",
                                         "req.key", "req.headers", "function() end"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char expression[80];
        snprintf(expression, sizeof expression, "req.targets_match(%s, '*')", others[i]);
        lua_raises(MG_PHASE_ADMIT, expression, "req expected, got");
    }
}

static void is_valid_during_its_call_only(void **state) {
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    fixture_policy(
        &f, "t",
        "local kept, key, part, iterate\n"
        "return { admit = function(req)\n"
        "  if not kept then\n"
        "    kept, key, iterate = req, req.key, req:parts()\n"
        "    part = iterate()\n"
        "    return\n"
        "  end\n"
        "  for _, use in ipairs{ function() return kept.model end, function() return kept:targets_match('*') end,\n"
        "      function() return key.team end, function() return part:text() end, function() return part.kind end } "
        "do\n"
        "    local ok, err = pcall(use)\n"
        "    assert(not ok and err:find('is only valid during its call', 1, true), err)\n"
        "  end\n"
        "  local ok, err = pcall(iterate) assert(not ok, err)\n"
        "  assert(req.model == 'smart')\n"
        "  return deny{ code = 'seen' }\n"
        "end }");
    fixture_request(&f, FIXTURE_BODY);
    f.r->phase = MG_PHASE_ADMIT;
    assert_int_equal(f.worker.policy.run(f.worker.policy.ctx, f.r, MG_PHASE_ADMIT), MG_RUN_DONE);
    assert_false(fixture_failed(&f));
    assert_int_equal(f.r->verdict.kind, MG_VERDICT_NONE);
    fixture_request(&f, FIXTURE_BODY);
    fixture_ask(&f, MG_PHASE_ADMIT);
    assert_false(fixture_failed(&f));
    assert_true(mg_str_is(f.r->verdict.code, "seen"));
    fixture_close(&f);
}

static void changes_the_request(void **state) {
    (void)state;
    fixture f;
    fixture_run(&f, MG_PHASE_PROMPT, FIXTURE_BODY,
                "req:set_system('Be kind.') assert(req.system == 'Be kind.', req.system)\n"
                "req:add_message('user', 'one \"more\"') assert(req.text:sub(-10) == 'one \"more\"')\n"
                "assert(req:remove_tool('delete_all') == true and req:remove_tool('nothing') == false)\n"
                "assert(#req.tools == 1)\n"
                "req:set_max_tokens(77) req:set_param('seed', 5) req:set_param('stop', nil)\n"
                "req:set_param('response_format', { type = 'json_object' })\n"
                "req:set_header('x-team', 'legal') req:tag('variant', 'b')\n"
                "req:set_model('demo/demo') assert(req.model == 'demo/demo' and #req.targets == 1)\n"
                "assert(req:targets_match('demo/*') and not req:targets_match('openai/*'))");
    assert_false(fixture_failed(&f));
    mg_request *r = f.r;
    mg_error error = {0};
    assert_int_equal(mg_request_sync(r, &error), MG_OK);
    assert_int_equal(mg_json_int(mg_json_get(r->root, MG_STR("seed")), 0), 5);
    assert_null(mg_json_get(r->root, MG_STR("stop")));
    assert_true(mg_str_is(mg_json_text(mg_json_path(r->root, "response_format.type")), "json_object"));
    assert_non_null(memmem(r->body.p, r->body.n, "one \\\"more\\\"", 12));
    assert_int_equal(r->n_extra_headers, 1);
    assert_true(mg_str_is(r->extra_headers[0].value, "legal"));
    assert_int_equal(r->n_tags, 1);
    assert_true(mg_str_is(r->tags[0].name, "variant"));
    fixture_close(&f);
}

static void refuses_changes_that_cannot_be(void **state) {
    (void)state;
    lua_raises(MG_PHASE_PROMPT, "req:set_model('no such model')", "req:set_model: ");
    lua_raises(MG_PHASE_PROMPT, "req:set_max_tokens(0)", "whole number from 1");
    lua_raises(MG_PHASE_PROMPT, "req:set_max_tokens(1.5)", "whole number from 1");
    lua_raises(MG_PHASE_PROMPT, "req:set_max_tokens(0/0)", "whole number from 1");
    lua_raises(MG_PHASE_PROMPT, "req:set_param('messages', {})", "req:set_param: ");
    lua_raises(MG_PHASE_PROMPT, "req:set_param('x', function() end)", "can't be written as JSON");
    lua_raises(MG_PHASE_PROMPT, "req:set_param('x')", "value expected");
    lua_raises(MG_PHASE_PROMPT, "req:set_header('authorization', 'x')", "req:set_header: ");
    lua_raises(MG_PHASE_PROMPT, "req:set_header('x-a', 'a\\r\\nb: c')", "req:set_header: ");
    lua_raises(MG_PHASE_PROMPT, "req:add_message('robot', 'x')", "invalid option 'robot'");
    lua_raises(MG_PHASE_PROMPT, "req:tag('', 'x')", "req:tag: ");
    lua_raises(MG_PHASE_PROMPT, "req:set_system(nil)", "string expected");
}

static void keeps_to_phases(void **state) {
    (void)state;
    lua_raises(MG_PHASE_SPEND, "req:set_model('smart')",
               "req:set_model can't be called in spend; it can in: admit, prompt, screen, route");
    lua_raises(MG_PHASE_SETTLE, "req:tag('a', 'b')", "req:tag can't be called in settle");
    lua_raises(MG_PHASE_SETTLE, "res:redact()", "res:redact can't be called in settle; it can in: reply");
    lua_raises(MG_PHASE_REPLY, "limits.take{ requests = '1/s' }", "limits.take can't be called in reply");
}

static void redacts(void **state) {
    (void)state;
    fixture f;
    fixture_run(&f, MG_PHASE_SCREEN, FIXTURE_BODY,
                "assert(req:redact{ types = { 'credit_card' } } == 0)\n"
                "assert(req:redact{ types = { 'email' } } == 1)\n"
                "assert(req.text == 'mail [REDACTED_EMAIL]\\nand this', req.text)\n"
                "assert(req:redact() == 0)");
    assert_false(fixture_failed(&f));
    assert_true(mg_str_is(f.r->redacted, "email=1"));
    fixture_close(&f);
    lua_ok(MG_PHASE_SCREEN, "req:redact{ mode = 'hash' } assert(req.text:find('mail %[EMAIL_%x+%]'), req.text)");
    lua_raises(MG_PHASE_SCREEN, "req:redact{ types = { 'shoe_size' } }", "req:redact: ");
    lua_raises(MG_PHASE_SCREEN, "req:redact{ types = {} }", "'types' is empty");
    lua_raises(MG_PHASE_SCREEN, "req:redact{ types = 'email' }", "'types' must be a list of strings, got string");
    lua_raises(MG_PHASE_SCREEN, "req:redact{ types = { 1 } }", "its element 1 is a number");
    lua_raises(MG_PHASE_SCREEN, "req:redact{ type = { 'email' } }", "unknown field 'type'; did you mean 'types'?");
    lua_raises(MG_PHASE_SCREEN, "req:redact{ mode = 'reversible' }",
               "'mode' must be \"mask\" or \"hash\", got \"reversible\"");
}

static void walks_parts(void **state) {
    (void)state;
    lua_ok(MG_PHASE_SCREEN,
           "local seen = {}\n"
           "for p in req:parts() do seen[#seen + 1] = p.role .. ':' .. p.kind .. ':' .. (p:text() or '-') end\n"
           "local all = table.concat(seen, '|')\n"
           "assert(all == 'system:text:Be terse.|user:text:mail ann@example.org|assistant:text:ok|'\n"
           "  .. 'user:text:and this|user:image:-', all)\n"
           "for p in req:parts{ kind = 'image' } do\n"
           "  assert(p.mime == 'image/png' and p.bytes > 20 and p.name == '')\n"
           "  local ok, err = pcall(p.replace, p, 'x') assert(not ok and err:find('no readable text', 1, true), err)\n"
           "end");
    lua_raises(MG_PHASE_SCREEN, "req:parts{ kind = 'video' }", "'kind' must be text");
    lua_raises(MG_PHASE_SCREEN, "req:parts{ kinds = 'text' }", "did you mean 'kind'?");
}

/* Reading the text between two replacements renders the first one and makes a new list of parts below the walk. */
static void replaces_parts(void **state) {
    (void)state;
    lua_ok(MG_PHASE_SCREEN, "for p in req:parts{ kind = 'text' } do\n"
                            "  if p.role == 'user' then\n"
                            "    p:replace(p:text():upper() .. '!')\n"
                            "    assert(p:text():sub(-1) == '!', p:text())\n"
                            "  end\n"
                            "end\n"
                            "assert(req.text == 'MAIL ANN@EXAMPLE.ORG!\\nAND THIS!', req.text)\n"
                            "for p in req:parts{ kind = 'text' } do\n"
                            "  p:replace('<' .. p:text() .. '>') local t = req.text\n"
                            "  p:replace('(' .. p:text() .. ')')\n"
                            "  assert(p:text():find('^%(<.*>%)$'), p:text())\n"
                            "end\n"
                            "assert(req.text == '(<MAIL ANN@EXAMPLE.ORG!>)\\n(<AND THIS!>)', req.text)\n"
                            "assert(req.system == '(<Be terse.>)', req.system)");
    lua_ok(MG_PHASE_SCREEN,
           "local ok, err = pcall(function()\n"
           "  for p in req:parts() do req:remove_tool('look_up') req:set_system('x') local t = req.text end\n"
           "end) assert(ok or err:find('walked', 1, true), err)");
}

static void shows_the_answer(void **state) {
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    fixture_policy(
        &f, "t",
        "return { reply = function(req, res)\n"
        "  assert(res.text == 'call bob@example.org' and res.final == true and res.status == 200)\n"
        "  assert(res.provider == 'openai' and res.model == 'gpt-4o-2024-11-20' and res.attempts == 2 and not "
        "res.cached)\n"
        "  assert(res.usage.input == 1000 and res.usage.output == 20 and res.usage.cached == 500)\n"
        "  assert(res.cost == 0.001575 and res.outcome == 'ok' and res.ttft_ms == 2 and res.latency_ms == 5)\n"
        "  assert(res:redact{ types = { 'email' } } == 1)\n"
        "  assert(res.text == 'call [REDACTED_EMAIL]', res.text)\n"
        "  res:replace(res.text .. '.')\n"
        "  assert(res.text == 'call [REDACTED_EMAIL].')\n"
        "  local ok, err = pcall(function() return res.txt end)\n"
        "  assert(not ok and err:find(\"did you mean 'text'?\", 1, true), err)\n"
        "end }");
    mg_request *r = fixture_request(&f, FIXTURE_BODY);
    r->text = MG_STR("call bob@example.org");
    r->final = true;
    r->status = 200;
    r->served_by = &r->targets[0];
    r->served_model = MG_STR("gpt-4o-2024-11-20");
    r->attempt_no = 2;
    r->usage = (mg_usage){.size = sizeof(mg_usage), .input = 1000, .output = 20, .cached = 500};
    r->usage_known = true;
    r->cost_nano = 1575000;
    r->outcome = MG_OUTCOME_OK;
    r->first_token_us = r->started_us + 2000;
    r->done_us = r->started_us + 5000;
    fixture_ask(&f, MG_PHASE_REPLY);
    assert_false(fixture_failed(&f));
    assert_true(r->reply_replaced);
    assert_true(mg_str_is(r->reply_replacement, "call [REDACTED_EMAIL]."));
    fixture_close(&f);
}

static void shows_what_is_not_known_as_nil(void **state) {
    (void)state;
    lua_ok(MG_PHASE_SETTLE,
           "assert(res.usage == nil and res.ttft_ms == nil and res.provider == nil and res.model == nil)\n"
           "assert(res.latency_ms >= 0 and res.outcome == 'none' and res.text == '' and res.cost == 0)");
}

static void leaves_streams_alone(void **state) {
    (void)state;
    fixture f;
    fixture_run(&f, MG_PHASE_REPLY, "{\"model\":\"smart\",\"stream\":true,\"messages\":[]}",
                "assert(req.stream)\n"
                "local ok, err = pcall(res.replace, res, 'x')\n"
                "assert(not ok and err:find('res:replace: ', 1, true), err)");
    assert_false(fixture_failed(&f));
    assert_false(f.r->reply_replaced);
    fixture_close(&f);
}

/* The shipped policy knows that what has been sent can't be masked, and does not fail over it. */
static void moderates_whole_answers_only(void **state) {
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        fixture f;
        fixture_open(&f, NULL);
        fixture_policy(&f, "moderation", NULL);
        mg_request *r = fixture_request(&f, FIXTURE_BODY);
        r->stream = stream;
        r->final = true;
        r->text = MG_STR("pay 4111 1111 1111 1111");
        fixture_ask(&f, MG_PHASE_REPLY);
        assert_false(fixture_failed(&f));
        assert_int_equal(r->verdict.kind, MG_VERDICT_NONE);
        assert_int_equal(r->reply_replaced, !stream);
        fixture_close(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_fields),
        cmocka_unit_test(reads_the_key),
        cmocka_unit_test(reads_headers_but_no_credentials),
        cmocka_unit_test(reads_params),
        cmocka_unit_test(refuses_unknown_fields),
        cmocka_unit_test(refuses_other_objects),
        cmocka_unit_test(is_valid_during_its_call_only),
        cmocka_unit_test(changes_the_request),
        cmocka_unit_test(refuses_changes_that_cannot_be),
        cmocka_unit_test(keeps_to_phases),
        cmocka_unit_test(redacts),
        cmocka_unit_test(walks_parts),
        cmocka_unit_test(replaces_parts),
        cmocka_unit_test(shows_the_answer),
        cmocka_unit_test(shows_what_is_not_known_as_nil),
        cmocka_unit_test(leaves_streams_alone),
        cmocka_unit_test(moderates_whole_answers_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
