/* The modules that policies call. */
#include "fixture.h"

#include "base/log.h"
#include "policy/clock.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>

/* ---- limits, budget ---------------------------------------------------------------------------------------------- */

static void takes_limits(void **state) {
    (void)state;
    lua_ok(MG_PHASE_ADMIT,
           "local ok, wait = limits.take{ requests = '1/minute', scope = 'key', name = 'a' }\n"
           "assert(ok == true and wait == nil)\n"
           "ok = limits.take{ requests = '1/minute', scope = 'key', name = 'a' } assert(ok == true, 'taken twice')\n"
           "ok, wait = limits.take{ requests = '0/minute', name = 'b' }\n"
           "assert(ok == false and type(wait) == 'number' and wait > 0, tostring(wait))\n"
           "assert(limits.take{ tokens = '100000/hour', cost = '50 usd/day' } == true)\n"
           "local limit, used, reset = limits.status{ requests = '10/minute', name = 'c' }\n"
           "assert(limit == 10 and used == 0 and type(reset) == 'number')\n"
           "limit, used = limits.status{ cost = '2.5 usd/day', name = 'c' } assert(limit == 2.5 and used == 0)");
}

static void counts_over_requests(void **state) {
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    fixture_policy(&f, "t",
                   "return { admit = function(req)\n"
                   "  local ok, wait = limits.take{ requests = '2/minute' }\n"
                   "  if not ok then return deny{ status = 429, retry_after = wait } end\n"
                   "end }");
    for (int i = 0; i < 2; i++) {
        fixture_request(&f, FIXTURE_BODY);
        f.r->phase = MG_PHASE_ADMIT;
        assert_int_equal(f.worker.policy.run(f.worker.policy.ctx, f.r, MG_PHASE_ADMIT), MG_RUN_DONE);
        assert_int_equal(f.r->verdict.kind, MG_VERDICT_NONE);
    }
    fixture_request(&f, FIXTURE_BODY);
    fixture_ask(&f, MG_PHASE_ADMIT);
    assert_int_equal(f.r->verdict.kind, MG_VERDICT_DENY);
    assert_int_equal(f.r->verdict.status, 429);
    assert_in_range(f.r->verdict.retry_after_ms, 1, 61000);
    fixture_close(&f);
}

static void refuses_wrong_limits(void **state) {
    (void)state;
    lua_raises(MG_PHASE_ADMIT, "limits.take{ request = '1/s' }",
               "limits.take: unknown field 'request'; did you mean 'requests'?");
    lua_raises(MG_PHASE_ADMIT, "limits.take{}", "nothing to limit");
    lua_raises(MG_PHASE_ADMIT, "limits.take()", "table expected");
    lua_raises(MG_PHASE_ADMIT, "limits.take{ requests = 60 }", "'requests' must be a string, got number");
    lua_raises(MG_PHASE_ADMIT, "limits.take{ requests = '60' }", "has no period");
    lua_raises(MG_PHASE_ADMIT, "limits.take{ requests = '60/fortnight' }", "the period must be");
    lua_raises(MG_PHASE_ADMIT, "limits.take{ requests = '5 usd/day' }", "'requests' counts requests, not dollars");
    lua_raises(MG_PHASE_ADMIT, "limits.take{ cost = '5/day' }", "'cost' counts dollars");
    lua_raises(MG_PHASE_ADMIT, "limits.take{ requests = '1/s', scope = 'planet' }",
               "'scope' must be org, team, user, key, model or provider");
    lua_raises(MG_PHASE_ADMIT, "limits.take{ requests = '1/s', name = 'a:b' }", "'name' must be at most 64");
    lua_raises(MG_PHASE_ADMIT, "limits.take{ requests = '1/s', name = ('x'):rep(65) }", "'name' must be at most 64");
    lua_raises(MG_PHASE_ADMIT, "limits.status{ requests = '1/s', tokens = '1/s' }",
               "one of 'requests', 'tokens' and 'cost' at a time");
}

static void says_when_the_store_fails(void **state) {
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    mg_use *store = f.snapshot->store;
    f.snapshot->store = NULL;
    fixture_policy(
        &f, "t",
        "return { admit = function(req)\n"
        "  local ok, why = limits.take{ requests = '2/minute' }\n"
        "  assert(ok == nil and type(why) == 'string', why)\n"
        "  ok, why = limits.status{ requests = '2/minute' } assert(ok == nil and type(why) == 'string', why)\n"
        "end }");
    fixture_request(&f, FIXTURE_BODY);
    fixture_ask(&f, MG_PHASE_ADMIT);
    assert_false(fixture_failed(&f));
    f.snapshot->store = store;
    fixture_close(&f);
}

static void knows_the_budget(void **state) {
    (void)state;
    lua_ok(MG_PHASE_SPEND,
           "local b = budget.status()\n"
           "assert(b.limit == 10 and b.spent == 0 and b.left == 10 and b.used == 0 and b.hard == true, b.left)\n"
           "assert(b.resets_at > clock.now() and b.resets_at < clock.now() + 32 * 86400)\n"
           "assert(budget.status{ period = 'month' }.limit == 10)");
    lua_raises(MG_PHASE_SPEND, "budget.status{ period = 'fortnight' }", "'period' must be day, week, month or year");
    lua_raises(MG_PHASE_SPEND, "budget.status{ scope = 'planet' }", "'scope' must be");
    lua_raises(MG_PHASE_SPEND, "budget.status('month')", "table expected");
}

/* ---- pii --------------------------------------------------------------------------------------------------------- */

static void finds_personal_data(void **state) {
    (void)state;
    lua_ok(MG_PHASE_SCREEN,
           "local text = 'to ann@example.org, 4111 1111 1111 1111'\n"
           "local spans = pii.find(text)\n"
           "assert(#spans == 2 and spans[1].type == 'email' and spans[2].type == 'credit_card')\n"
           "assert(text:sub(spans[1].start, spans[1].stop) == 'ann@example.org')\n"
           "assert(text:sub(spans[2].start, spans[2].stop) == '4111 1111 1111 1111')\n"
           "assert(spans[1].confidence > 0 and spans[1].confidence <= 1 and type(spans[1].severity) == 'string')\n"
           "assert(#pii.find(text, { 'email' }) == 1 and #pii.find('nothing') == 0 and #pii.find('') == 0)\n"
           "local none, err = pii.find(text, { 'shoe_size' })\n"
           "assert(none == nil and err:find('shoe_size', 1, true), err)");
    lua_raises(MG_PHASE_SCREEN, "pii.find(5)", "string expected");
    lua_raises(MG_PHASE_SCREEN, "pii.find('x', {})", "'types' is empty");
}

/* ---- http -------------------------------------------------------------------------------------------------------- */

/* Answers one connection at a time with the request that came, as text. */
typedef struct echo {
    int fd;
    int port;
    pthread_t thread;
} echo;

static void *echo_run(void *arg) {
    echo *e = arg;
    for (int c; (c = accept(e->fd, NULL, NULL)) >= 0; close(c)) {
        char in[8192], out[9000];
        size_t n = 0;
        in[0] = 0;
        while (n < sizeof in - 1) {
            ssize_t more = read(c, in + n, sizeof in - 1 - n);
            if (more <= 0) break;
            in[n += (size_t)more] = 0;
            const char *body = strstr(in, "\r\n\r\n"), *length = strcasestr(in, "content-length:");
            if (body && (size_t)(body + 4 - in) + (length ? (size_t)atoi(length + 15) : 0) <= n) break;
        }
        int m = snprintf(
            out, sizeof out,
            "HTTP/1.1 418 Teapot\r\ncontent-length: %zu\r\nx-a: 1\r\nx-a: 2\r\nconnection: close\r\n\r\n%s", n, in);
        if (write(c, out, (size_t)m) != m) perror("write");
    }
    return NULL;
}

static void echo_start(echo *e) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    e->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(e->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(e->fd, 8), 0);
    assert_int_equal(getsockname(e->fd, (struct sockaddr *)&a, &n), 0);
    e->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&e->thread, NULL, echo_run, e), 0);
}

static void echo_stop(echo *e) {
    shutdown(e->fd, SHUT_RDWR);
    pthread_join(e->thread, NULL);
    close(e->fd);
}

static void asks_other_servers(void **state) {
    (void)state;
    echo e;
    char chunk[2048];
    echo_start(&e);
    snprintf(
        chunk, sizeof chunk,
        "local url = 'http://127.0.0.1:%d/path?q=1'\n"
        "local res, err = http.request{ url = url, body = '{\"a\":1}', timeout = 2,\n"
        "  headers = { ['Content-Type'] = 'application/json', ['x-key'] = 'v' } }\n"
        "assert(res, err) assert(res.status == 418 and res.headers['x-a'] == '1, 2', res.headers['x-a'])\n"
        "assert(res.body:find('^POST /path%%?q=1 HTTP/1.1\\r\\n'), res.body)\n"
        "assert(res.body:lower():find('content%%-type: application/json', 1) and res.body:lower():find('x%%-key: v'))\n"
        "assert(res.body:sub(-7) == '{\"a\":1}')\n"
        "res = http.request{ url = url } assert(res.body:find('^GET '), res.body)\n",
        e.port);
    fixture f;
    fixture_run(&f, MG_PHASE_SCREEN, FIXTURE_BODY, chunk);
    assert_false(fixture_failed(&f));
    assert_int_equal(f.waits, 2);
    fixture_close(&f);
    echo_stop(&e);
}

static void says_why_a_server_is_not_asked(void **state) {
    (void)state;
    lua_ok(MG_PHASE_SCREEN,
           "local res, err = http.request{ url = 'http://example.org/' }\n"
           "assert(res == nil and err:find('example.org', 1, true), err)\n"
           "res, err = http.request{ url = 'ftp://127.0.0.1/' } assert(res == nil and type(err) == 'string')\n"
           "res, err = http.request{ url = 'http://127.0.0.1:1/' } assert(res == nil and type(err) == 'string', err)");
    static const char *const wrong[][2] = {
        {"http.request{}", "'url' must be"},
        {"http.request('http://127.0.0.1/')", "table expected"},
        {"http.request{ url = 'http://127.0.0.1/', method = 'get' }", "'method' must be GET"},
        {"http.request{ url = 'http://127.0.0.1/', timeout = 6 }", "'timeout' must be more than 0 and at most 5"},
        {"http.request{ url = 'http://127.0.0.1/', timeout = 0 }", "'timeout' must be more than 0"},
        {"http.request{ url = 'http://127.0.0.1/', header = {} }", "did you mean 'headers'?"},
        {"http.request{ url = 'http://127.0.0.1/', headers = { ['a b'] = 'x' } }", "a name that is not one"},
        {"http.request{ url = 'http://127.0.0.1/', headers = { a = 'x\\r\\nb: c' } }", "control characters"},
        {"http.request{ url = 'http://127.0.0.1/', headers = { a = 1 } }", "table of strings by name"},
        {"http.request{ url = 'http://127.0.0.1/', headers = 'a: b' }", "table of strings by name"},
        {"http.request{ url = 'http://127.0.0.1/', body = ('x'):rep(2^20 + 1) }", "'body' may have at most"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) lua_raises(MG_PHASE_SCREEN, wrong[i][0], wrong[i][1]);
}

/* The client leaves while the policy waits: nothing may come back to it. */
static void can_be_cancelled(void **state) {
    (void)state;
    echo e;
    char text[512];
    fixture f;
    echo_start(&e);
    fixture_open(&f, NULL);
    snprintf(text, sizeof text, "return { screen = function(req) http.request{ url = 'http://127.0.0.1:%d/' } end }",
             e.port);
    fixture_policy(&f, "t", text);
    fixture_request(&f, FIXTURE_BODY);
    f.r->phase = MG_PHASE_SCREEN;
    assert_int_equal(f.worker.policy.run(f.worker.policy.ctx, f.r, MG_PHASE_SCREEN), MG_RUN_WAIT);
    f.worker.policy.cancel(f.worker.policy.ctx, f.r);
    fixture_request(&f, FIXTURE_BODY);
    fixture_ask(&f, MG_PHASE_ADMIT);
    assert_false(fixture_failed(&f));
    fixture_close(&f);
    echo_stop(&e);
}

/* ---- json -------------------------------------------------------------------------------------------------------- */

static void reads_and_writes_json(void **state) {
    (void)state;
    lua_ok(MG_PHASE_ADMIT,
           "local function same(text) local got = json.encode(json.decode(text)) assert(got == text, got) end\n"
           "for _, t in ipairs{ '1', '-0.5', '1e+300', '\"\"', '\"a\\\\n\\\\\"\\\\u0000\"', 'true', 'false', 'null', "
           "'[1,2,3]',\n"
           "    '{\"a\":[true,null,{\"b\":\"c\"}]}', '[[],[1]]', '\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"' } do\n"
           "  if t == '[[],[1]]' then assert(json.encode(json.decode(t)) == '[{},[1]]') else same(t) end\n"
           "end\n"
           "assert(json.decode('null') == json.null and json.encode(json.null) == 'null')\n"
           "assert(json.decode('[null]')[1] == json.null)\n"
           "assert(json.encode(0.1) == '0.1' and json.encode(2^53) == '9007199254740992')\n"
           "assert(json.encode({ x = 1 }) == '{\"x\":1}')");
}

static void refuses_what_is_no_json(void **state) {
    (void)state;
    lua_ok(MG_PHASE_ADMIT,
           "local function bad(v) local text, err = json.encode(v) assert(text == nil and type(err) == 'string', text) "
           "return err end\n"
           "bad(function() end) bad({ 1, 2, x = 3 }) bad({ [1] = 1, [3] = 3 }) bad(0/0) bad(math.huge) bad({ [true] = "
           "1 }) bad(req)\n"
           "local cycle = {} cycle.a = { cycle } assert(bad(cycle):find('itself'))\n"
           "local twice = { 1 } assert(json.encode({ twice, twice }) == '[[1],[1]]')\n"
           "local deep = {} for i = 1, 40 do deep = { deep } end assert(bad(deep):find('deeper'))\n"
           "bad(('x'):rep(2^20 + 1)) bad({ ('x'):rep(2^19), ('y'):rep(2^19) })\n"
           "local function wrong(t) local v, err = json.decode(t) assert(v == nil and type(err) == 'string', t) end\n"
           "for _, t in ipairs{ '', '{', '[1,]', '{\"a\":1,\"a\":2}', '1 2', '\"\\255\"', 'nul', \"'a'\", "
           "'\"\\\\ud800\"' } do wrong(t) end\n"
           "wrong(('['):rep(10000)) wrong(('['):rep(200) .. (']'):rep(200)) wrong((' '):rep(2^20) .. '1')\n"
           "local ok, err = pcall(function() json.null = 1 end) assert(not ok)");
    lua_raises(MG_PHASE_ADMIT, "json.encode()", "value expected");
    lua_raises(MG_PHASE_ADMIT, "json.decode(nil)", "string expected");
}

/* A large text whose tree does not fit into the state stops the policy, not the process. */
static void bounds_what_json_becomes(void **state) {
    (void)state;
    fixture f;
    fixture_run(&f, MG_PHASE_ADMIT, FIXTURE_BODY,
                "local t = '[' .. ('[],'):rep(340000) .. '1]' local v = json.decode(t)");
    assert_int_equal(f.r->verdict.kind, MG_VERDICT_DENY);
    assert_true(mg_str_is(f.r->verdict.code, "policy_failed"));
    fixture_close(&f);
}

/* ---- re ---------------------------------------------------------------------------------------------------------- */

static void matches(void **state) {
    (void)state;
    lua_ok(
        MG_PHASE_SCREEN,
        "local m = re.match('on 2026-11-22.', '(?<year>\\\\d{4})-(?<month>\\\\d\\\\d)-(\\\\d\\\\d)(x)?')\n"
        "assert(m[0] == '2026-11-22' and m[1] == '2026' and m[3] == '22' and m.year == '2026' and m.month == '11')\n"
        "assert(m[4] == false)\n"
        "assert(re.match('abc', 'x') == false and re.match('', 'x') == false and re.match('', '')[0] == '')\n"
        "local first, last, c = re.find('a fire!', '(?i)\\\\bFIRE\\\\b') assert(first == 3 and last == 6 and c[0] == "
        "'fire')\n"
        "assert(re.find('a firefighter', '(?i)\\\\bfire\\\\b') == false)\n"
        "assert(re.find('aXbX', 'X', 3) == 4 and re.find('aX', 'X', 3) == false and re.find('aX', 'X', 99) == false)\n"
        "assert(re.match('\xc3\xa9', '^.$') == false and re.match('\xc3\xa9', '(*UTF)^.$')[0] == '\xc3\xa9')\n"
        "local ok, err = re.match('\\255', '(*UTF).') assert(ok == nil and err:find('UTF', 1, true), err)");
}

static void replaces(void **state) {
    (void)state;
    lua_ok(
        MG_PHASE_SCREEN,
        "local function is(text, n, ...) local t, c = re.gsub(...) assert(t == text and c == n, tostring(t) .. ' ' .. "
        "tostring(c)) end\n"
        "is('b-b-c', 2, 'a-a-c', 'a', 'b') is('b-a', 1, 'a-a', 'a', 'b', 1) is('a', 0, 'a', 'a', 'b', 0) is('', 0, '', "
        "'a', 'b')\n"
        "is('22.11.2026', 1, '2026-11-22', '(?<y>\\\\d+)-(\\\\d+)-(\\\\d+)', '$3.$2.${y}') is('$1 a', 1, 'a', 'a', "
        "'$$1 $0')\n"
        "is('-a-b-', 3, 'ab', '', '-') is('-\xc3\xa9-', 2, '\xc3\xa9', '(*UTF)', '-') is('xx', 2, 'aaa', 'a*$', 'x')\n"
        "is('one two x', 3, '1 2 x', '\\\\w', { ['1'] = 'one', ['2'] = 'two' })");
    lua_raises(MG_PHASE_SCREEN, "re.gsub('a', 'a', '$1')", "the replacement names group 1, and the pattern has 0");
    lua_raises(MG_PHASE_SCREEN, "re.gsub('a', 'a', '${n}')", "a group that the pattern lacks");
    lua_raises(MG_PHASE_SCREEN, "re.gsub('a', 'a', '$')", "a '$' in the replacement");
    lua_raises(MG_PHASE_SCREEN, "re.gsub('a', 'a', function() end)", "must be a string or a table, got function");
    lua_raises(MG_PHASE_SCREEN, "re.match('a', '(')", "the pattern is wrong at character 2");
    lua_raises(MG_PHASE_SCREEN, "re.match('a', ('x'):rep(20000))", "longer than 16384 bytes");
    lua_raises(MG_PHASE_SCREEN, "re.match('a', 'a', 0)", "must be a position");
    lua_raises(MG_PHASE_SCREEN, "re.match('a', 'a', 0/0)", "must be a position");
}

static void never_takes_a_limit_for_no_match(void **state) {
    (void)state;
    lua_ok(MG_PHASE_SCREEN, "local text = ('a'):rep(40) .. '!'\n"
                            "for _, f in ipairs{ re.match, re.find, function(t, p) return re.gsub(t, p, '') end } do\n"
                            "  local found, err = f(text, '(a+)+$')\n"
                            "  assert(found == nil and err:find('too many steps', 1, true), tostring(found))\n"
                            "end");
}

/* ---- hash, tokens, prices, models -------------------------------------------------------------------------------- */

static void hashes(void **state) {
    (void)state;
    lua_ok(MG_PHASE_ADMIT,
           "assert(hash.sha256('abc') == 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')\n"
           "assert(hash.hmac('Jefe', 'what do ya want for nothing?') == "
           "'5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843')\n"
           "assert(hash.hex('\\0\\255a') == '00ff61' and hash.hex('') == '')\n"
           "for text, b in pairs{ [''] = '', f = 'Zg==', fo = 'Zm8=', foo = 'Zm9v', foob = 'Zm9vYg==', foobar = "
           "'Zm9vYmFy' } do\n"
           "  assert(hash.base64(text) == b, text)\n"
           "end\n"
           "assert(hash.base64('\\0\\255\\254') == 'AP/+')");
    lua_raises(MG_PHASE_ADMIT, "hash.sha256()", "string expected");
    lua_raises(MG_PHASE_ADMIT, "hash.hex(('x'):rep(2^21 + 1))", "too long");
}

static void knows_models(void **state) {
    (void)state;
    lua_ok(MG_PHASE_SPEND,
           "assert(tokens.count('') == 0 and tokens.count('hello world') > 0 and tokens.count('hello', 'gpt-4o') > 0)\n"
           "local one = prices.cost('openai/gpt-4o', { input = 1000000 })\n"
           "assert(one and one > 0 and math.abs(prices.cost('openai/gpt-4o', { input = 2000000 }) - 2 * one) < 1e-9)\n"
           "assert(prices.cost('openai/gpt-4o', { input = 1000000, cached = 1000000 }) < one)\n"
           "assert(prices.cost('openai/gpt-4o', {}) == 0)\n"
           "local info = models.info('openai/gpt-4o')\n"
           "assert(info.context >= 100000 and info.tools == true and info.vision == true and info.price.input == one)\n"
           "for _, t in ipairs{ 'openai/no-such-model', 'nobody/gpt-4o', 'gpt-4o', '/', '' } do\n"
           "  local cost, err = prices.cost(t, { input = 1 }) assert(cost == nil and type(err) == 'string', t)\n"
           "  local i, why = models.info(t) assert(i == nil and why == err, t)\n"
           "end");
    lua_raises(MG_PHASE_SPEND, "prices.cost('openai/gpt-4o', { input = -1 })", "'input' must be a whole number");
    lua_raises(MG_PHASE_SPEND, "prices.cost('openai/gpt-4o', { input = 1, cached = 2 })",
               "are parts of 'input' and exceed it");
    lua_raises(MG_PHASE_SPEND, "prices.cost('openai/gpt-4o', { output = 1, reasoning = 2 })",
               "are parts of 'output' and exceed it");
    lua_raises(MG_PHASE_SPEND, "prices.cost('openai/gpt-4o', { inputs = 1 })", "did you mean 'input'?");
}

/* ---- clock ------------------------------------------------------------------------------------------------------- */

static void tells_the_time(void **state) {
    (void)state;
    lua_ok(MG_PHASE_ADMIT,
           "local t = 1772332496.75\n" /* 2026-03-01T02:34:56.75Z, a Sunday */
           "local u = clock.at('UTC', t)\n"
           "assert(u.year == 2026 and u.month == 3 and u.day == 1 and u.hour == 2 and u.min == 34 and u.sec == 56)\n"
           "assert(u.wday == 7 and u.yday == 60 and u.offset == 0)\n"
           "local n = clock.at('America/New_York', t)\n"
           "assert(n.month == 2 and n.day == 28 and n.hour == 21 and n.wday == 6 and n.yday == 59 and n.offset == "
           "-18000)\n"
           "local b = clock.at('Europe/Berlin', t + 200 * 86400) assert(b.offset == 7200 and b.hour == 4)\n"
           "assert(clock.at('UTC', -1).year == 1969 and clock.at('UTC', -1).sec == 59)\n"
           "assert(math.abs(clock.now() - clock.now()) < 1 and clock.monotonic() <= clock.monotonic())\n"
           "assert(clock.at().year >= 2024)\n"
           "for i = 1, 3 do for _, z in ipairs{ 'Europe/Berlin', 'Europe/Paris', 'Europe/Rome', 'Europe/Oslo', "
           "'Europe/Riga',\n"
           "  'Europe/Kiev', 'Asia/Tokyo', 'Asia/Dhaka', 'Asia/Dubai', 'Etc/GMT+5' } do assert(clock.at(z, t), z) end "
           "end\n"
           "assert(clock.at('Etc/GMT+5', t).hour == 21)\n"
           "for _, z in ipairs{ 'Mars/Base', '../../etc/passwd', '/etc/passwd', '', ('x'):rep(1000) } do\n"
           "  local d, err = clock.at(z) assert(d == nil and type(err) == 'string', z)\n"
           "end");
    lua_raises(MG_PHASE_ADMIT, "clock.at('UTC', 1e300)", "is not a time in Unix seconds");
    lua_raises(MG_PHASE_ADMIT, "clock.at('UTC', 0/0)", "is not a time in Unix seconds");
    lua_raises(MG_PHASE_ADMIT, "clock.at(5)", "string expected");
}

static void stands_still_for_specs(void **state) {
    (void)state;
    mg_policy_clock_fix(1772332496750);
    lua_ok(MG_PHASE_ADMIT, "assert(clock.now() == 1772332496.75 and clock.at('UTC').hour == 2)");
    mg_policy_clock_fix(-1);
    lua_ok(MG_PHASE_ADMIT, "assert(clock.now() > 1772332497 or clock.now() < 1772332496)");
}

/* ---- log, metrics ------------------------------------------------------------------------------------------------ */

/* What is written to standard error meanwhile. */
static void run_logged(const char *chunk, char *out, size_t size) {
    int fds[2], before = dup(STDERR_FILENO);
    assert_int_equal(pipe(fds), 0);
    fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
    fflush(stderr);
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
    fixture f;
    fixture_run(&f, MG_PHASE_ADMIT, FIXTURE_BODY, chunk);
    bool failed = fixture_failed(&f);
    fixture_close(&f);
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    size_t n = 0;
    for (ssize_t more; n < size - 1 && (more = read(fds[0], out + n, size - 1 - n)) > 0;) n += (size_t)more;
    out[n] = 0;
    close(fds[0]);
    if (failed) fail_msg("%s: %s", chunk, out);
}

static void logs(void **state) {
    (void)state;
    static char out[1 << 20];
    run_logged("log.info('a \"quoted\"\\nline', { n = 5, ratio = 0.5, flag = true, who = 'x\\1' })", out, sizeof out);
    const char *line = strstr(out, "\"event\":\"policy\"");
    assert_non_null(line);
    static const char *const wanted[] = {"\"policy\":\"t\"",
                                         "\"org\":\"acme\"",
                                         "\"text\":\"a \\\"quoted\\\"\\nline\"",
                                         "\"n\":5",
                                         "\"ratio\":\"0.5\"",
                                         "\"flag\":\"true\"",
                                         "\"who\":\"x\\u0001\"",
                                         "\"request\":\""};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (!strstr(line, wanted[i])) fail_msg("%s is not in %s", wanted[i], line);
    run_logged("for i = 1, 1000 do log.warn('flood') end", out, sizeof out);
    int lines = 0;
    for (const char *p = out; (p = strstr(p, "flood")); p++) lines++;
    assert_in_range(lines, 50, 100); /* two seconds, if it falls on the border */
    lua_raises(MG_PHASE_ADMIT, "log.info('x', { org = 'umbra' })", "not one that each line has");
    lua_raises(MG_PHASE_ADMIT, "log.info('x', { ['a b'] = 1 })", "lower-case letters");
    lua_raises(MG_PHASE_ADMIT, "log.info('x', { a = {} })",
               "field 'a' must be a string, a number or a boolean, got table");
    lua_raises(MG_PHASE_ADMIT, "log.info('x', { 'a' })", "by name");
    lua_raises(MG_PHASE_ADMIT, "log.info('x', { a=1, b=1, c=1, d=1, e=1, f=1, g=1, h=1, i=1 })", "at most 8 fields");
    lua_raises(MG_PHASE_ADMIT, "log.info(nil)", "string expected");
}

static void counts(void **state) {
    (void)state;
    fixture f;
    fixture_run(
        &f, MG_PHASE_ADMIT, FIXTURE_BODY,
        "metrics.count('blocked_total', { why = 'word', lang = 'de' })\n"
        "metrics.count('blocked_total', { lang = 'de', why = 'word' }, 4)\n"
        "metrics.count('seen') metrics.gauge('level', -3) metrics.gauge('level', 7)\n"
        "local ok, err = pcall(metrics.gauge, 'seen', 1) assert(not ok and err:find('another kind', 1, true), err)");
    assert_false(fixture_failed(&f));
    mg_buf out = {0};
    mg_metrics_write(f.gateway.metrics, &out);
    mg_buf_add(&out, "", 1);
    static const char *const wanted[] = {
        "moongate_policy_blocked_total{lang=\"de\",org=\"acme\",policy=\"t\",why=\"word\"} 5\n",
        "moongate_policy_seen{org=\"acme\",policy=\"t\"} 1\n", "moongate_policy_level{org=\"acme\",policy=\"t\"} 7\n"};
    for (size_t i = 0; i < 3; i++)
        if (!strstr(out.p, wanted[i])) fail_msg("%s is not in %s", wanted[i], strstr(out.p, "moongate_policy_"));
    mg_buf_finish(&out);
    fixture_close(&f);
    lua_raises(MG_PHASE_ADMIT, "metrics.count('Blocked')", "lower-case letters");
    lua_raises(MG_PHASE_ADMIT, "metrics.count('reloads_total')", "the gateway's own");
    lua_raises(MG_PHASE_ADMIT, "metrics.count('x', { org = 'umbra' })", "not org or policy");
    lua_raises(MG_PHASE_ADMIT, "metrics.count('x', { a = 1 })", "strings by name");
    lua_raises(MG_PHASE_ADMIT, "metrics.count('x', { a='', b='', c='', d='', e='' })", "at most 4 labels");
    lua_raises(MG_PHASE_ADMIT, "metrics.count('x', { a = ('x'):rep(65) })", "longer than 64 bytes");
    lua_raises(MG_PHASE_ADMIT, "metrics.count('x', nil, -1)", "whole number");
    lua_raises(MG_PHASE_ADMIT, "metrics.gauge('x')", "number expected");
    lua_raises(MG_PHASE_ADMIT, "(function() for i = 1, 501 do metrics.count('x', { id = tostring(i) }) end end)()",
               "more than 500 series");
}

/* What needs a request says so while a file is loaded; the rest works there. */
static void works_while_a_file_is_loaded(void **state) {
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    fixture_policy(
        &f, "t",
        "local function no(f, ...) local ok, err = pcall(f, ...)\n"
        "  assert(not ok and err:find('while the file is loaded', 1, true), err) end\n"
        "no(limits.take, { requests = '1/s' }) no(budget.status) no(pii.find, 'x') no(http.request, { url = 'x' })\n"
        "no(metrics.count, 'x') no(prices.cost, 'x', {}) no(models.info, 'x') no(limits.status, { requests = '1/s' })\n"
        "assert(json.decode('[1]')[1] == 1 and json.encode({ 1 }) == '[1]' and re.match('a', 'a'))\n"
        "assert(#hash.sha256('') == 64 and clock.at('Europe/Berlin') and tokens.count('x') > 0)\n"
        "log.info('loaded')\n"
        "return {}");
    fixture_request(&f, FIXTURE_BODY);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_limits),
        cmocka_unit_test(counts_over_requests),
        cmocka_unit_test(refuses_wrong_limits),
        cmocka_unit_test(says_when_the_store_fails),
        cmocka_unit_test(knows_the_budget),
        cmocka_unit_test(finds_personal_data),
        cmocka_unit_test(asks_other_servers),
        cmocka_unit_test(says_why_a_server_is_not_asked),
        cmocka_unit_test(can_be_cancelled),
        cmocka_unit_test(reads_and_writes_json),
        cmocka_unit_test(refuses_what_is_no_json),
        cmocka_unit_test(bounds_what_json_becomes),
        cmocka_unit_test(matches),
        cmocka_unit_test(replaces),
        cmocka_unit_test(never_takes_a_limit_for_no_match),
        cmocka_unit_test(hashes),
        cmocka_unit_test(knows_models),
        cmocka_unit_test(tells_the_time),
        cmocka_unit_test(stands_still_for_specs),
        cmocka_unit_test(logs),
        cmocka_unit_test(counts),
        cmocka_unit_test(works_while_a_file_is_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
