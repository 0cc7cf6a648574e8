/* moongate.spec: policies' specs on the real runtime. Every gate.run puts a small gateway together, the same server, pipeline,
 * policies, limits and store as in production; only the vendors are replaced, by providers that answer on the spot. */
#include "app/spec_run.h"

#include "base/buf.h"
#include "base/clock.h"
#include "gateway/limits.h"
#include "policy/binding.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- watching ---------------------------------------------------------------------------------------------------- */

static mg_str target_names(mg_spec_run *r, const mg_request *q) {
    mg_buf b = {0};
    mg_buf_str(&b, MG_STR("["));
    for (size_t i = 0; i < q->n_targets; i++) {
        if (i) mg_buf_str(&b, MG_STR(","));
        mg_buf_json(&b, q->targets[i].name);
    }
    mg_buf_str(&b, MG_STR("]"));
    mg_str out = mg_arena_dup(r->arena, mg_buf_view(&b));
    mg_buf_finish(&b);
    return out;
}

static void write_seconds(mg_buf *b, const char *name, uint64_t ms) {
    if (ms) mg_buf_printf(b, ",\"%s\":%.9g", name, (double)ms / 1000);
}

/* How the request was to be brought to an answer, in the words of targets{…}; what is not set is left out. */
static mg_str routing_of(mg_spec_run *r, const mg_request *q) {
    static const char *const strategies[] = {"order", "weighted", "latency", "cost"};
    static const char *const jitters[] = {"full", "equal", "decorrelated", "none"};
    const mg_routing *to = &q->routing;
    mg_buf b = {0};
    mg_buf_printf(&b, "{\"strategy\":\"%s\",\"max_retries\":%d", strategies[to->strategy], to->max_retries);
    mg_buf_printf(&b, ",\"backoff\":{\"base\":%.9g,\"cap\":%.9g,\"jitter\":\"%s\"}", (double)to->backoff.base_ms / 1000,
                  (double)to->backoff.cap_ms / 1000, jitters[to->backoff.jitter]);
    write_seconds(&b, "first_byte", to->first_byte_ms);
    write_seconds(&b, "total", to->total_ms);
    if (to->hedged && to->hedge.delay_ms < 0) mg_buf_str(&b, MG_STR(",\"hedge_after\":true"));
    if (to->hedged && to->hedge.delay_ms >= 0) write_seconds(&b, "hedge_after", (uint64_t)to->hedge.delay_ms);
    if (to->hold_tokens) write_seconds(&b, "hold_seconds", to->hold_ms);
    mg_buf_printf(&b, ",\"continue_stream\":%s,\"on_disconnect\":\"%s\",\"groups\":[", to->continues ? "true" : "false",
                  to->drain ? "drain" : "cancel");
    for (size_t i = 0; i < q->n_targets; i++)
        mg_buf_printf(&b, "%s\"%s\"", i ? "," : "",
                      q->targets[i].group ? strategies[q->targets[i].group_strategy] : "");
    mg_buf_str(&b, MG_STR("]}"));
    mg_str out = mg_arena_dup(r->arena, mg_buf_view(&b));
    mg_buf_finish(&b);
    return out;
}

static bool watch_has(void *ctx, void *generation, mg_str org, mg_phase phase) {
    mg_spec_run *r = ctx;
    return phase == MG_PHASE_SETTLE || r->real.has(r->real.ctx, generation, org, phase);
}

static mg_run watch_run(void *ctx, mg_request *q, mg_phase phase) {
    mg_spec_run *r = ctx;
    if (phase == MG_PHASE_SETTLE) {
        r->targets = target_names(r, q);
        r->routing = routing_of(r, q);
        r->prompt = mg_arena_dup(r->arena, mg_request_system_text(q));
        r->text = mg_arena_dup(r->arena, mg_request_user_text(q));
        if (!r->real.has(r->real.ctx, q->policies, q->org->id, phase)) return MG_RUN_DONE;
    }
    return r->real.run(r->real.ctx, q, phase);
}

static void *watch_acquire(void *ctx, uint64_t *generation) {
    mg_spec_run *r = ctx;
    return r->real.acquire(r->real.ctx, generation);
}

static void watch_release(void *ctx, void *generation) {
    mg_spec_run *r = ctx;
    r->real.release(r->real.ctx, generation);
}

static size_t watch_window(void *ctx, void *generation, mg_str org) {
    mg_spec_run *r = ctx;
    return r->real.window(r->real.ctx, generation, org);
}

static void watch_cancel(void *ctx, mg_request *q) {
    mg_spec_run *r = ctx;
    r->real.cancel(r->real.ctx, q);
}

/* ---- the exchange ------------------------------------------------------------------------------------------------ */

static void write_request(mg_spec_run *r, mg_buf *out) {
    mg_buf body = {0};
    mg_str system = mg_spec_string(r, "system", (mg_str){0}), messages;
    mg_error error = {0};
    lua_getfield(r->L, 1, "stream");
    bool stream = lua_toboolean(r->L, -1);
    lua_settop(r->L, 1);
    mg_buf_str(&body, MG_STR("{\"model\":"));
    mg_buf_json(&body, mg_spec_string(r, "model", MG_STR("openai/gpt-4o-mini")));
    mg_buf_str(&body, stream ? MG_STR(",\"stream\":true,\"messages\":") : MG_STR(",\"messages\":"));
    lua_getfield(r->L, 1, "messages");
    if (lua_istable(r->L, -1) && mg_lua_to_json(r->L, -1, r->arena, &messages, &error)) {
        mg_buf_str(&body, messages);
    } else {
        mg_buf_str(&body, MG_STR("["));
        if (system.p) {
            mg_buf_str(&body, MG_STR("{\"role\":\"system\",\"content\":"));
            mg_buf_json(&body, system);
            mg_buf_str(&body, MG_STR("},"));
        }
        mg_buf_str(&body, MG_STR("{\"role\":\"user\",\"content\":"));
        mg_buf_json(&body, mg_spec_string(r, "text", MG_STR("Hello")));
        mg_buf_str(&body, MG_STR("}]"));
    }
    lua_settop(r->L, 1);
    mg_buf_str(&body, MG_STR("}"));
    mg_str user = mg_spec_string(r, "user", (mg_str){0});
    mg_buf_printf(out,
                  "POST /v1/chat/completions HTTP/1.1\r\nhost: spec\r\nconnection: close\r\n"
                  "authorization: Bearer " MG_SPEC_KEY "\r\nx-moongate-explain: 1\r\n"
                  "content-type: application/json\r\ncontent-length: %zu\r\n",
                  body.n);
    if (user.n) mg_buf_printf(out, "x-moongate-user: %.*s\r\n", MG_STR_ARG(user));
    mg_buf_str(out, MG_STR("\r\n"));
    mg_buf_str(out, mg_buf_view(&body));
    mg_buf_finish(&body);
}

static void *run_loop(void *arg) {
    mg_spec_run *r = arg;
    mg_evloop_run(r->worker.loop);
    return NULL;
}

typedef struct accepted {
    mg_spec_run *run;
    int fd;
} accepted;

static void accept_one(void *arg) {
    accepted *a = arg;
    mg_server_accept(a->run->worker.server, a->fd, MG_STR("spec"), NULL);
}

/* One request over a socket pair; the whole answer into `answer`. */
static void exchange(mg_spec_run *r, const mg_buf *request, mg_buf *answer) {
    int fds[2];
    char chunk[4096];
    ssize_t n;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) luaL_error(r->L, "gate.run: no socket pair");
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    accepted a = {r, fds[1]};
    mg_evloop_post(r->worker.loop, accept_one, &a);
    for (size_t at = 0; at < request->n && (n = write(fds[0], request->p + at, request->n - at)) > 0;) at += (size_t)n;
    mg_buf_clear(answer);
    while ((n = read(fds[0], chunk, sizeof chunk)) > 0) mg_buf_add(answer, chunk, (size_t)n);
    close(fds[0]);
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static mg_str header_of(const mg_buf *answer, const char *name) {
    size_t length = strlen(name);
    for (size_t i = 0; i + length + 2 < answer->n && memcmp(answer->p + i, "\r\n\r\n", 4) != 0; i++) {
        if (memcmp(answer->p + i, "\r\n", 2) != 0 || strncasecmp(answer->p + i + 2, name, length) != 0 ||
            answer->p[i + 2 + length] != ':')
            continue;
        const char *value = answer->p + i + 3 + length,
                   *end = memchr(value, '\r', answer->n - (size_t)(value - answer->p));
        return mg_str_trim(mg_str_from(value, end ? (size_t)(end - value) : 0));
    }
    return (mg_str){0};
}

static void set(lua_State *L, const char *name, mg_str value) {
    if (!value.p) return;
    lua_pushlstring(L, value.p, value.n);
    lua_setfield(L, -2, name);
}

/* Sets a field of the table on top of the stack to what JSON text says; returns that, or NULL. */
static const mg_json *set_json(mg_spec_run *r, const char *name, mg_str text) {
    const mg_json *root;
    mg_error error;
    if (!text.n || mg_json_parse_copy(r->worker.json, r->arena, text, &root, &error) != MG_OK) return NULL;
    mg_lua_push_json(r->L, root);
    lua_setfield(r->L, -2, name);
    return root;
}

static mg_str last_rule(const mg_json *decisions) {
    mg_str rule = {0};
    for (const mg_json *d = decisions ? decisions->child : NULL; d; d = d->next)
        rule = mg_json_text(mg_json_get(d, MG_STR("rule")));
    return rule;
}

static void push_result(mg_spec_run *r, const mg_buf *answer) {
    lua_State *L = r->L;
    const mg_json *body = NULL;
    mg_error error;
    const char *blank = answer->n ? memmem(answer->p, answer->n, "\r\n\r\n", 4) : NULL;
    int status = answer->n > 12 ? atoi(answer->p + 9) : 0;
    mg_str text = blank ? mg_str_skip(mg_buf_view(answer), (size_t)(blank + 4 - answer->p)) : MG_STR("");
    if (text.n && text.p[0] == '{') mg_json_parse_copy(r->worker.json, r->arena, text, &body, &error);
    lua_newtable(L);
    mg_str rule = last_rule(set_json(r, "decisions", header_of(answer, "x-moongate-decision")));
    set(L, "rule", rule);
    set(L, "prompt", r->prompt);
    set(L, "text", r->text);
    set(L, "reply", mg_json_text(mg_json_path(body, "choices.0.message.content")));
    lua_pushinteger(L, status);
    lua_setfield(L, -2, "status");
    set_json(r, "targets", r->targets);
    set_json(r, "routing", r->routing);
    set(L, "provider", header_of(answer, "x-moongate-provider"));
    mg_str wait = header_of(answer, "retry-after-ms");
    int64_t ms, attempts;
    if (mg_str_int(header_of(answer, "x-moongate-attempts"), &attempts)) {
        lua_pushinteger(L, (lua_Integer)attempts);
        lua_setfield(L, -2, "attempts");
    }
    if (mg_str_int(wait, &ms)) {
        lua_pushnumber(L, (double)ms / 1000);
        lua_setfield(L, -2, "retry_after");
    }
    if (status < 400) return;
    lua_newtable(L);
    lua_pushinteger(L, status);
    lua_setfield(L, -2, "status");
    set(L, "code", mg_json_text(mg_json_path(body, "error.code")));
    set(L, "message", mg_json_text(mg_json_path(body, "error.message")));
    set(L, "rule", rule);
    lua_setfield(L, -2, "denied");
}

/* ---- gate.run ---------------------------------------------------------------------------------------------------- */

static void check_fields(lua_State *L) {
    static const char *const known[] = {"org",    "user",      "team",     "tags",   "model",    "at",
                                        "text",   "system",    "messages", "stream", "settings", "times",
                                        "models", "providers", "reply",    "budget", NULL};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    mg_lua_check_fields(L, 1, known, "gate.run");
}

/* at = "2026-11-22T09:00:00Z" or Unix seconds: what policies' clock says. */
static void set_clock(mg_spec_run *r) {
    int64_t at = 0;
    lua_getfield(r->L, 1, "at");
    if (lua_type(r->L, -1) == LUA_TNUMBER)
        at = (int64_t)(lua_tonumber(r->L, -1) * 1000);
    else if (lua_isstring(r->L, -1) && !mg_clock_parse(mg_str_of(lua_tostring(r->L, -1)), &at))
        luaL_error(r->L, "gate.run: 'at' is a time such as 2026-11-22T09:00:00Z");
    lua_settop(r->L, 1);
    mg_clock_shift(0);
    if (at) mg_clock_shift(at - mg_clock_unix_ms());
}

static void prime(mg_spec_run *r, double used) {
    const mg_org *org = &r->gateway.snapshot->orgs[0];
    int64_t start, end;
    if (org->budget.set && used > 0 && mg_clock_period(org->budget.period, mg_clock_unix_ms(), &start, &end))
        mg_budget_prime(&r->worker, r->gateway.snapshot, org, start, (int64_t)(used * (double)org->budget.limit_nano));
}

static void serve(mg_spec_run *r, mg_reloader *reloader, double used, int times, mg_buf *answer) {
    mg_error error = {0};
    mg_buf request = {0};
    pthread_t thread;
    mg_server_limits limits = mg_server_limits_default();
    const mg_server_handler handler = mg_gateway_handler(&r->worker);
    mg_engine *engine = mg_engine_create(&r->worker, reloader, &error);
    if (!engine) luaL_error(r->L, "gate.run: %s", error.text);
    r->real = mg_engine_runner(engine);
    r->worker.policy =
        (mg_policy_runner){r, watch_acquire, watch_release, watch_has, watch_window, watch_run, watch_cancel};
    r->worker.server = mg_server_create(r->worker.loop, &handler, &limits, NULL, "spec");
    prime(r, used);
    write_request(r, &request);
    pthread_create(&thread, NULL, run_loop, r);
    for (int i = 0; i < times; i++) exchange(r, &request, answer);
    mg_evloop_stop(r->worker.loop);
    pthread_join(thread, NULL);
    mg_server_destroy(r->worker.server);
    mg_engine_destroy(engine);
    mg_buf_finish(&request);
}

static int gate_run(lua_State *L) {
    mg_error error = {0};
    const mg_spec *spec = lua_touserdata(L, lua_upvalueindex(1));
    check_fields(L);
    int times = (int)mg_lua_opt_field_number(L, 1, "times", 1);
    mg_spec_run r = {.L = L, .spec = spec, .arena = mg_arena_create(16 * 1024)};
    pthread_mutex_init(&r.gateway.lock, NULL);
    r.gateway.metrics = mg_metrics_create();
    r.gateway.n_workers = 1;
    r.gateway.circuits = mg_circuits_create(NULL, NULL);
    r.gateway.keyrings = mg_keyrings_create();
    mg_hedge_init(&r.gateway.hedge);
    r.worker = (mg_worker){.gateway = &r.gateway,
                           .loop = mg_evloop_create(),
                           .json = mg_json_parser_create(),
                           .scratch = mg_arena_create(4096)};
    r.worker.counts = mg_counts_create(NULL);
    r.reply = mg_spec_string(&r, "reply", MG_STR("A spec's answer."));
    set_clock(&r);
    double used = mg_spec_snapshot(&r);
    mg_reloader *reloader = mg_reloader_create(&spec->policy, &r.gateway, &error);
    if (!reloader) return luaL_error(L, "gate.run: the policies have faults: %s", error.text);
    mg_buf answer = {0};
    serve(&r, reloader, used, times < 1 ? 1 : times, &answer);
    push_result(&r, &answer);
    mg_buf_finish(&answer);
    mg_reloader_destroy(reloader);
    for (size_t i = 0; i < r.gateway.snapshot->n_providers; i++) mg_use_detach(r.gateway.snapshot->providers[i].use, 0);
    for (size_t i = 0; i < r.gateway.snapshot->n_detectors; i++) mg_use_detach(r.gateway.snapshot->detectors[i], 0);
    mg_use_detach(r.gateway.snapshot->store, 0);
    mg_snapshot_unref(r.worker.snapshot);
    mg_snapshot_unref(r.gateway.snapshot);
    mg_counts_destroy(r.worker.counts);
    mg_json_parser_destroy(r.worker.json);
    mg_arena_destroy(r.worker.scratch);
    mg_evloop_destroy(r.worker.loop);
    mg_hedge_finish(&r.gateway.hedge);
    mg_keyrings_destroy(r.gateway.keyrings);
    mg_circuits_destroy(r.gateway.circuits);
    mg_metrics_destroy(r.gateway.metrics);
    pthread_mutex_destroy(&r.gateway.lock);
    mg_arena_destroy(r.arena);
    mg_clock_shift(0);
    return 1;
}

int mg_spec_open(lua_State *L, const mg_spec *spec) {
    lua_newtable(L);
    lua_pushlightuserdata(L, (void *)(uintptr_t)spec);
    lua_pushcclosure(L, gate_run, 1);
    lua_setfield(L, -2, "run");
    return 1;
}
