/* The sandbox: what a policy can't reach, can't outlast and can't catch. */
#include "runtime.h"
#include "policy/state.h"

#include <lualib.h>

/* What should end by itself has time to do so on a slow, busy machine; what should be killed is killed soon. */
enum { CPU_US = 20000, CPU_AMPLE_US = 500000 };
static mg_state_limits limits = {.memory = 8 << 20, .units = 4000000, .cpu_us = CPU_US};

static char output[1000]; /* what the last run returned, its values joined by spaces, or why it failed */

static mg_state *state_with(const char *text) {
    mg_source *source = mg_source_create(MG_TIER_SHARED, MG_STR(""), MG_STR("hostile"), mg_str_of(text));
    mg_bundle *b = mg_bundle_create(MG_STR(""), &source, NULL, 1, MG_STR(""));
    mg_source_unref(source);
    faults_clear();
    mg_state *s = mg_state_create(b, &limits, true, fault_add, NULL);
    mg_bundle_unref(b);
    return s;
}

static void take_output(lua_State *L) {
    size_t n = 0;
    output[0] = 0;
    for (int i = 1; i <= lua_gettop(L); i++) {
        const char *text = lua_type(L, i) == LUA_TSTRING || lua_type(L, i) == LUA_TNUMBER ? lua_tostring(L, i)
                           : lua_isboolean(L, i) ? (lua_toboolean(L, i) ? "true" : "false")
                                                 : luaL_typename(L, i);
        n += (size_t)snprintf(output + n, sizeof output - n, "%s%.900s", i > 1 ? " " : "", text);
    }
}

/* Runs admit of the state's only file. */
static mg_ran run_in(mg_state *s) {
    mg_error error = {0};
    mg_spent spent = {0};
    mg_thread t = mg_state_thread_take(s);
    lua_rawgeti(t.L, LUA_REGISTRYINDEX, s->files[0].phase[MG_PHASE_ADMIT]);
    uint64_t began = mg_clock_thread_cpu_us();
    mg_ran ran = mg_state_resume(s, t, 0, &spent, NULL, &error);
    uint64_t took = mg_clock_thread_cpu_us() - began;
    if (took > limits.cpu_us + 200000)
        fail_msg("the leash let it run for %llu us", (unsigned long long)took); /* 20 ms, and a sanitizer's slack */
    if (ran == MG_RAN_DONE)
        take_output(t.L);
    else
        snprintf(output, sizeof output, "%s", error.text);
    mg_state_thread_give(s, t, ran == MG_RAN_DONE);
    mg_state_tidy(s);
    return ran;
}

/* A state with the body as admit; afterwards the state must still work. */
static mg_ran run(const char *body) {
    char text[8000];
    snprintf(text, sizeof text,
             "local policy = {} local broken = false function policy.admit() if broken then return 'alive' end "
             "broken = true %s\nend return policy",
             body);
    mg_state *s = state_with(text);
    if (!s) fail_msg("%s", faults);
    mg_ran ran = run_in(s);
    char first[sizeof output];
    memcpy(first, output, sizeof first);
    assert_int_equal(run_in(s), MG_RAN_DONE);
    assert_string_equal(output, "alive");
    memcpy(output, first, sizeof output);
    mg_state_destroy(s);
    return ran;
}

static void killed(const char *body, const char *why) {
    if (run(body) != MG_RAN_KILLED) fail_msg("not killed: %s\n-> %s", body, output);
    if (!strstr(output, why)) fail_msg("%s: %s", body, output);
}

static void fails(const char *body, const char *why) {
    mg_ran ran = run(body);
    if (ran != MG_RAN_FAILED || !strstr(output, why)) fail_msg("%s\n-> %d %s", body, (int)ran, output);
}

static void returns(const char *body, const char *expected) {
    limits.cpu_us = CPU_AMPLE_US;
    mg_ran ran = run(body);
    limits.cpu_us = CPU_US;
    if (ran != MG_RAN_DONE || strcmp(output, expected) != 0)
        fail_msg("%s\n-> %d %s\nnot: %s", body, (int)ran, output, expected);
}

static void test_loops(void **arg) {
    (void)arg;
    killed("while true do end", "than a call may");
    killed("while true do pcall(function() while true do end end) end", "than a call may");
    killed("local function f() while true do pcall(f) end end f()", "than a call may");
    killed("local function f() pcall(f) pcall(f) end f()", "than a call may");
    killed("local function f() return f() end f()", "than a call may");
    killed("for i = 1, 1e18 do end", "than a call may");
    killed("repeat local ok = pcall(error, {}) until false", "than a call may");
    killed("test.charge(5e6)", "more instructions");
    killed("pcall(test.charge, 5e6) return 'got away'", "more instructions");
    killed("while true do pcall(test.charge, 1000) end", "than a call may");
}

/* Below a C function nobody may yield: the error is raised again and again on the way up. */
static void test_loops_below_c(void **arg) {
    (void)arg;
    killed("table.sort({1,2,3,4,5,6}, function() while true do pcall(function() while true do end end) end end)",
           "than a call may");
    killed("string.gsub(('a'):rep(100), 'a', function() while true do pcall(function() while true do end end) end end)",
           "than a call may");
    killed("while true do pcall(table.sort, {3,2,1}, function() while true do end end) end", "than a call may");
    killed("string.format('%s', setmetatable({}, {__tostring = function() while true do end end}))", "than a call may");
    killed("local t = setmetatable({}, {__index = function(t, k) while true do end end}) pcall(function() return t.x "
           "end) return 'x'",
           "than a call may");
}

static void test_pcall(void **arg) {
    (void)arg;
    returns("return pcall(function(a, b) return b, a end, 1, 2)", "true 2 1");
    returns("return pcall(error, 'x', 0)", "false x");
    returns("local ok, e = pcall(error, {code = 5}) return ok, e.code", "false 5");
    returns("return (select('#', pcall(function() end)))", "1");
    fails("pcall()", "pcall");
    returns("return pcall(nil)", "false attempt to call a nil value");
    returns("local n = 0 local function f() n = n + 1 return (pcall(f)) end f() return n < 70000", "true");
}

static void test_nothing_to_escape_with(void **arg) {
    (void)arg;
    static const char *const gone[] = {"coroutine",
                                       "xpcall",
                                       "newproxy",
                                       "load",
                                       "loadstring",
                                       "loadfile",
                                       "dofile",
                                       "require",
                                       "module",
                                       "collectgarbage",
                                       "gcinfo",
                                       "setfenv",
                                       "getfenv",
                                       "ffi",
                                       "jit",
                                       "io",
                                       "os",
                                       "debug",
                                       "package",
                                       "bit",
                                       "string.dump",
                                       "math.randomseed",
                                       "table.foreach",
                                       "table.foreachi",
                                       "_LOADED"};
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
        char body[100];
        snprintf(body, sizeof body, "return type(%s)", gone[i]);
        returns(body, "nil");
    }
    returns("return getmetatable('')", "protected");
    fails("getmetatable('').__index.upper = nil", "nil value"); /* "protected".__index is no method */
    fails("setmetatable('', {})", "table expected");
    fails("string.upper = function() return 'evil' end", "string is read-only");
    fails("test.wait = 1", "test is read-only: 'wait'");
    fails("rawset(string, 'upper', 1)", "table expected");
    fails("table.insert(string, 1)", "table expected");
    returns("return getmetatable(string), getmetatable(test)", "protected protected");
    fails("setmetatable(string, nil)", "table expected");
    returns("return test.answer, rawequal(string, string)", "42 true");
}

static void test_memory(void **arg) {
    (void)arg;
    fails("return ('a'):rep(1e9)", "string.rep: the result would have");
    fails("return ('a'):rep(1e18)", "too large");
    fails("return ('a'):rep(1/0)", "too large");
    returns("return #('a'):rep(0/0), #('a'):rep(-1), #('ab'):rep(3)", "0 0 6");
    killed("local t = {} for i = 1, 1e9 do t[i] = i end", "it "); /* memory or time, whichever ends first */
    killed("local t = {} for i = 1, 1e9 do t[i] = {} end", "it ");
    killed("local s = 'x' while true do s = s .. s end", "memory");
    killed("local s = ('x'):rep(1e6) local t = {} for i = 1, 1e6 do t[i] = s .. i end", "memory");
    killed("while true do pcall(function() local s = 'x' while true do s = s .. s end end) end", "memory");
    killed("local t = {} local s = ('x'):rep(1e5) for i = 1, 10000 do t[i] = s end return table.concat(t)", "memory");
    killed("local s = ('x'):rep(100000) return string.format(('%s'):rep(200), unpack((function() local t = {} for i = "
           "1, 200 do t[i] = s end "
           "return t end)()))",
           "memory");
    returns("local n = 0 for i = 1, 100 do local s = ('x'):rep(100000) .. i n = n + #s end return n > 1e7",
            "true"); /* garbage is no leak */
    returns(
        "local kept = ('y'):rep(3e6) local n = 0 for i = 1, 300 do n = n + #(('x'):rep(20000) .. i) end return n > 6e6",
        "true");
    returns("local kept = {} for i = 1, 20000 do kept[i] = { i } end local n = 0 for i = 1, 30000 do n = n + #{ i } "
            "end return n",
            "30000");
}

static void test_costly_strings(void **arg) {
    (void)arg;
    killed("local s = ('x'):rep(2e6) while true do local u = s:upper() end", "than a call may");
    killed("local s = ('x'):rep(2e6) local u = s:upper() while true do s:upper() end", "than a call may");
    killed("local s = ('x'):rep(2e6) local a, b = s .. 'a', s .. 'b' while true do local c = a < b end",
           "than a call may");
    killed("local s = ('x'):rep(2e6) local a = s .. 'a' while true do local c = s .. 'a' end", "than a call may");
    killed("local s = ('x'):rep(2e6) while true do s:find('y', 1, true) end", "than a call may");
    killed("local t = {} for i = 1, 1e5 do t[i] = i end while true do table.insert(t, 1, 0) table.remove(t, 1) end",
           "than a call may");
    killed("local t = {} for i = 1, 1e5 do t[i] = i % 7 end while true do table.sort(t) end", "than a call may");
    killed("local s = ('x'):rep(1e6) while true do tonumber(s) end", "than a call may");
}

static void test_stack(void **arg) {
    (void)arg;
    fails("local function f(a) return 1 + f(a) end return f(1)", "stack overflow");
    returns("local function f() return 1 + f() end return (pcall(f))", "false");
    fails("local f f = function() return (string.gsub('a', 'a', f)) end f()", "C stack overflow");
    fails("local f f = function() return string.format('%s', setmetatable({}, {__tostring = f})) end f()",
          "C stack overflow");
    fails("local f f = function() table.sort({1, 2}, f) return false end f()", "C stack overflow");
    fails("local t = setmetatable({}, {}) getmetatable(t).__concat = function(a, b) return a .. b end return t .. 'x'",
          "stack overflow");
    fails("local t = {} setmetatable(t, {__index = t}) return t.x", "loop");
    returns("local t = {} setmetatable(t, {__index = function(t, k) return t[k + 1] end}) return (pcall(function() "
            "return t[1] end))",
            "false");
    fails("return unpack({}, 1, 1e8)", "too many results");
    fails("return string.byte(('x'):rep(1e6), 1, -1)", "slice too long");
    returns("return select('#', 1, 2, nil)", "3");
    fails("return string.format('%99999d', 1)", "invalid");
    returns("return #string.format('%99d', 1)", "99");
    returns("local ok = pcall(table.sort, {3, 1, 2, 5, 4, 9, 7, 8, 6}, function() return true end) return type(ok)",
            "boolean");
}

static void test_error_values(void **arg) {
    (void)arg;
    fails("local t = {} t.t = t error(t)", "not a string");
    fails("error(setmetatable({}, {__tostring = function() while true do end end}))", "not a string");
    fails("error()", "not a string");
    fails("error(('x'):rep(1e6), 0)", "xxxx");
    fails("error('broken')", "hostile.lua:1: broken");
}

static void test_settings_table(void **arg) {
    (void)arg;
    mg_state *s = state_with(
        "local policy = { settings = { limit = 5, words = { 'a', 'b' } } } local alias = policy.settings\n"
        "function policy.admit() local keys = 0 for k, v in pairs(alias) do keys = keys + 1 end\n"
        "  return alias.limit, policy.settings.limit, keys, #alias.words,\n"
        "    pcall(function() alias.limit = 6 end), pcall(rawset, alias, 'limit', 6), pcall(table.insert, alias, 1),\n"
        "    (select(2, pcall(function() return alias.limits end))) end return policy");
    if (!s) fail_msg("%s", faults);
    assert_int_equal(run_in(s), MG_RAN_DONE);
    if (!strstr(output, "5 5 2 2 false") || !strstr(output, "has no 'limits'")) fail_msg("%s", output);
    mg_arena *arena = mg_arena_create(1000);
    mg_json_parser *parser = mg_json_parser_create();
    const mg_json *json;
    mg_json_parse_copy(parser, arena, MG_STR("{\"hostile\":{\"limit\":9,\"words\":[\"c\"]}}"), &json, NULL);
    mg_state_select(s, 0, 77, json);
    run_in(s);
    if (strncmp(output, "9 9 2 1 ", 8) != 0) fail_msg("%s", output);
    mg_state_select(s, 0, 0, NULL);
    run_in(s);
    if (strncmp(output, "5 5 2 2 ", 8) != 0) fail_msg("%s", output);
    for (uint64_t id = 1; id < 2000; id++) mg_state_select(s, 0, id, json); /* more organizations than are kept */
    run_in(s);
    if (strncmp(output, "9 9 2 1 ", 8) != 0) fail_msg("%s", output);
    mg_json_parser_destroy(parser);
    mg_arena_destroy(arena);
    mg_state_destroy(s);
}

/* Tables with elements and names come from the configuration as objects with members "1", "2", …; objects that have
 * nothing else stay what they are. */
static void test_settings_with_elements(void **arg) {
    (void)arg;
    mg_state *s = state_with("local policy = { settings = { map = {} } }\n"
                             "function policy.admit() local m = policy.settings.map local t = m.t\n"
                             "  return #t, t[1], t[2][1], t[2].strategy, t[2]['1'] == nil, t[3], t.total,\n"
                             "    m.ids['1'], #m.ids, m.odd['01'], #m.odd end return policy");
    if (!s) fail_msg("%s", faults);
    mg_arena *arena = mg_arena_create(1000);
    mg_json_parser *parser = mg_json_parser_create();
    const mg_json *json;
    mg_json_parse_copy(parser, arena,
                       MG_STR("{\"hostile\":{\"map\":{\"t\":{\"total\":5,\"12\":\"c\",\"1\":\"a\",\"2\":{\"1\":\"b\","
                              "\"strategy\":\"cost\"}},\"ids\":{\"1\":\"ann\",\"2\":\"bob\"},"
                              "\"odd\":{\"01\":\"x\",\"y\":1,\"1000\":2}}}}"),
                       &json, NULL);
    mg_state_select(s, 0, 77, json);
    run_in(s);
    if (strcmp(output, "3 a b cost true c 5 ann 0 x 0") != 0) fail_msg("%s", output);
    mg_json_parser_destroy(parser);
    mg_arena_destroy(arena);
    mg_state_destroy(s);
}

static void test_files_are_apart(void **arg) {
    (void)arg;
    mg_source *sources[] = {
        mg_source_create(MG_TIER_SHARED, MG_STR(""), MG_STR("first"),
                         MG_STR("shared = 'mine' tostring = nil _G.pcall = error local p = {} function p.admit() late "
                                "= 1 return shared end return p")),
        mg_source_create(MG_TIER_SHARED, MG_STR(""), MG_STR("second"),
                         MG_STR("local p = {} function p.admit() return tostring(shared), tostring(late), type(pcall), "
                                "_G.shared == nil end return p")),
    };
    mg_bundle *b = mg_bundle_create(MG_STR(""), sources, NULL, 2, MG_STR(""));
    faults_clear();
    mg_state *s = mg_state_create(b, &limits, true, fault_add, NULL);
    if (!s) fail_msg("%s", faults);
    assert_int_equal(run_in(s), MG_RAN_DONE);
    assert_string_equal(output, "mine");
    int first = s->files[0].phase[MG_PHASE_ADMIT];
    s->files[0].phase[MG_PHASE_ADMIT] = s->files[1].phase[MG_PHASE_ADMIT];
    assert_int_equal(run_in(s), MG_RAN_DONE);
    assert_string_equal(output, "nil nil function true");
    s->files[0].phase[MG_PHASE_ADMIT] = first;
    mg_state_destroy(s);
    mg_bundle_unref(b);
    for (int i = 0; i < 2; i++) mg_source_unref(sources[i]);
}

static void refused(const char *text, const char *why) {
    mg_state *s = state_with(text);
    if (s) fail_msg("accepted: %s", text);
    if (!strstr(faults, why)) fail_msg("%s: %s", text, faults);
}

static void test_loading(void **arg) {
    (void)arg;
    refused("\x1bLJ\x02", "hostile.lua:0");
    refused("local x = \n\nlocal", "hostile.lua:3: ");
    refused("return 5", "must return its table");
    refused("", "must return its table");
    refused("while true do end", "more");
    refused("local t = {} for i = 1, 1e9 do t[i] = {} end", "hostile.lua:0: it ");
    refused("\n\nerror('no')", "hostile.lua:3: no");
    refused("return { admitt = function() end }",
            "'admitt' is no phase (admit, prompt, screen, route, spend, reply, settle); did you mean 'admit'?");
    refused("return { helper = function() end }", "make a helper a local function");
    refused("return { setings = {} }", "did you mean 'settings'?");
    refused("return { admit = 5 }", "'admit' must be a function");
    refused("return { window = 'wide' }", "'window' must be a whole number");
    refused("return { window = 0.5 }", "'window' must be a whole number");
    refused("return { settings = 5 }", "'settings' must be a table");
    refused("return { settings = { f = print } }", "settings.f must be");
    refused("local t = {} t.t = t return { settings = t }", "settings.t must be");
    refused("return { settings = { [1] = 2 } }", "names of settings");
    refused("return { init = function() error('later', 0) end }", "later");
    refused("return { init = function() while true do end end }", "more");
    refused("test.wait() return {}", "test.wait can't be called while the file is loaded");
    refused("test.settle_only() return {}", "it can in: settle");
    mg_state *s = state_with("local p = { window = 200, name = 'x', settings = { a = 1, b = 'x', c = {}, d = { 1 }, e "
                             "= { x = 1 }, f = true } }\n"
                             "local from function p.init() from = select(2, test.who()) end function p.reply() end\n"
                             "function p.admit() return from end return p");
    if (!s) fail_msg("%s", faults);
    const mg_bundle_file *f = &s->bundle->files[0];
    assert_int_equal(f->phases, 1 << MG_PHASE_REPLY | 1 << MG_PHASE_ADMIT);
    assert_int_equal(f->window, 200);
    assert_int_equal(f->settings.n, 6);
    assert_int_equal(mg_policy_settings_find(&f->settings, MG_STR("c"))->kind, MG_POLICY_SETTING_TABLE);
    assert_int_equal(mg_policy_settings_find(&f->settings, MG_STR("d"))->kind, MG_POLICY_SETTING_LIST);
    assert_int_equal(mg_policy_settings_find(&f->settings, MG_STR("e"))->kind, MG_POLICY_SETTING_MAP);
    run_in(s);
    assert_string_equal(output, "hostile");
    mg_state_destroy(s);
}

static void test_helpers(void **arg) {
    (void)arg;
    returns("return test.fields{ scope = 'org', requests = 2 }", "org 2");
    returns("return test.fields{}", " 5");
    fails("test.fields{ scop = 1 }", "test.fields: unknown field 'scop'; did you mean 'scope'?");
    fails("test.fields{ 1 }", "named fields only");
    fails("test.fields{ scope = 5 }", "'scope' must be a string, got number");
    fails("test.fields{ requests = 'x' }", "'requests' must be a number, got string");
    returns("return test.json({ 1, 'a\"', true, { x = 0.1 } })", "[1,\"a\\\"\",true,{\"x\":0.1}] ");
    returns("return test.json({})", "{} ");
    returns("return test.json({ 1, nil, 3, x = 1 })",
            "nil a table must be a list (1, 2, … without holes) or have only strings as keys");
    returns("local t = {} t[1] = t return test.json(t)", "nil the table contains itself");
    returns("local t = {} for i = 1, 40 do t = { t } end return test.json(t)",
            "nil the value is nested deeper than 32");
    returns("return test.json(print)", "nil a function can't be written as JSON");
    returns("return test.json(('x'):rep(2e6))", "nil the value is larger than 1 MB as JSON");
    returns("return test.json(1/0)", "nil NaN and infinity are no JSON numbers");
    returns("return test.json(2^53)", "9007199254740992 ");
}

static void test_tables(void **arg) {
    (void)arg;
    returns("local t = { 1, 2, 3 } table.insert(t, 4) table.insert(t, 1, 0) return table.concat(t, ',')", "0,1,2,3,4");
    returns("local t = { 1, 2, 3 } return table.remove(t, 1), table.remove(t), #t, table.remove({})", "1 3 1");
    returns("local t = { 3, 1, 2 } table.sort(t, function(a, b) return a > b end) return table.concat(t)", "321");
    returns("local t = rawset({}, 'a', 1) return t.a, rawget(t, 'a'), table.maxn({ 1, 2 })", "1 1 2");
    returns("local n = 0 for k, v in pairs({ a = 1, b = 2 }) do n = n + v end return n, next({})", "3 nil");
}

/* The same answers as the library's own functions. */
static void test_patterns(void **arg) {
    (void)arg;
    static const char *const subjects[] = {"",
                                           "a",
                                           "hello world",
                                           "key = value",
                                           "(a(b)c)d",
                                           "THE (quick) fox",
                                           "  trim me  ",
                                           "a.b.c",
                                           "x1y22z333",
                                           "2026-11-22T17:00:00Z",
                                           "aaa",
                                           "a\\0b",
                                           "[x]",
                                           "100%",
                                           "%d",
                                           "foo.bar(baz)",
                                           "]-^"};
    static const char *const patterns[] = {
        "",      "a*",  "a-b",     "(%w+) (%w+)", "^%s*(.-)%s*$", "%b()",  "%f[%a]%a+",   "[^%s]+",  "()l()",
        "(.)%1", "%d+", "[a-c]+",  "[]]",         "[^]]",         "[%]x]", "[a-]",        "^a",      "a$",
        "$",     "^$",  ".-$",     "(a?)(a?)",    "%.",           "%%",    "(%d+)-(%d+)", "[%d%-]+", ".",
        "%u+",   "%W",  "x*",      "(()x)",       "[%a_][%w_]*",  "^",     "-",           "[-]",     "%x+",
        "%p",    "a+?", "((a)(b))"};
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++)
        for (size_t j = 0; j < sizeof patterns / sizeof patterns[0]; j++) {
            char chunk[1200], expected[sizeof output] = "error";
            snprintf(chunk, sizeof chunk,
                     "local s, p = [==[%s]==], [==[%s]==] local out = {} local function add(...) for i = 1, "
                     "select('#', ...) do "
                     "out[#out + 1] = tostring((select(i, ...))) end out[#out + 1] = ';' end add(s:find(p)) "
                     "add(s:match(p)) add(s:find(p, 3)) "
                     "add(s:gsub(p, '<%%0>')) add(s:gsub(p, '%%1', 1)) add(s:gsub(p, function(...) add(...) end)) for "
                     "a, b in s:gmatch(p) do "
                     "add(a, b) end return table.concat(out, ' ')",
                     subjects[i], patterns[j]);
            if (luaL_dostring(L, chunk) == 0) snprintf(expected, sizeof expected, "%.900s", lua_tostring(L, -1));
            lua_settop(L, 0);
            char policy[1400];
            snprintf(policy, sizeof policy, "local p = {} function p.admit() %s end return p", chunk);
            mg_state *t = state_with(policy);
            if (!t) fail_msg("%s", faults);
            mg_ran ran = run_in(t);
            if (ran != MG_RAN_DONE) snprintf(output, sizeof output, "error");
            if (strcmp(output, expected) != 0)
                fail_msg("'%s' with '%s':\n%s\nnot\n%s", subjects[i], patterns[j], output, expected);
            mg_state_destroy(t);
        }
    lua_close(L);
}

static void test_hostile_patterns(void **arg) {
    (void)arg;
    killed("return ('a'):rep(30):find(('a?'):rep(30) .. ('a'):rep(30))", "than a call may");
    killed("return ('a'):rep(1000):find('.-.-.-.-b')", "than a call may");
    killed("return (('a'):rep(1000)):match('(a*)*(a*)(a*)(a*)(a*)b')", "than a call may");
    killed("return ('('):rep(1e5):gsub('%b()', '')", "than a call may");
    killed("while true do pcall(string.find, ('a'):rep(1000), '.-.-.-.-b') end", "than a call may");
    fails("return ('a'):rep(300):find(('(a)'):rep(33))", "too many captures");
    fails("return ('a'):rep(1000):find(('a?'):rep(300) .. 'b')", "too complex");
    fails("return ('x'):find('[a')", "missing ']'");
    fails("return ('x'):find('%')", "ends with '%'");
    fails("return ('x'):find('(x')", "unfinished capture");
    fails("return ('x'):match('x)')", "invalid pattern capture");
    fails("return ('x'):find('%1')", "invalid capture index");
    fails("return ('x'):find('%f')", "missing '['");
    fails("return ('x'):find('%b')", "missing arguments");
    fails("return ('x'):gsub('x', '%2')", "invalid capture index");
    fails("return ('x'):gsub('x', function() return {} end)", "invalid replacement value");
    returns("return ('a\\0b'):find('\\0b'), ('a\\0b'):match('%z(.)')", "2 b");
    returns("return ('abc'):gsub('%w', { a = 1, b = false })", "1bc 3");
    returns("return ('abc'):gsub('', '-')", "-a-b-c- 4");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loops),           cmocka_unit_test(test_loops_below_c),
        cmocka_unit_test(test_pcall),           cmocka_unit_test(test_nothing_to_escape_with),
        cmocka_unit_test(test_memory),          cmocka_unit_test(test_costly_strings),
        cmocka_unit_test(test_stack),           cmocka_unit_test(test_error_values),
        cmocka_unit_test(test_settings_table),  cmocka_unit_test(test_settings_with_elements),
        cmocka_unit_test(test_files_are_apart), cmocka_unit_test(test_loading),
        cmocka_unit_test(test_helpers),         cmocka_unit_test(test_tables),
        cmocka_unit_test(test_patterns),        cmocka_unit_test(test_hostile_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
