/* moongate.spec: policies' specs on the real runtime. Every gate.run puts a small gateway together, the same server, pipeline,
 * policies, limits and store as in production; only the vendors are replaced, by providers that answer on the spot. */
#include "app/spec.h"

#include "app/host.h"
#include "app/worker_thread.h"
#include "base/buf.h"
#include "base/hash.h"
#include "gateway/limits.h"
#include "policy/binding.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* One run: what is asked, and what was seen of it. */
typedef struct run {
    lua_State *L;
    const mg_spec *spec;
    mg_arena *arena; /* of the run */
    mg_gateway gateway;
    mg_worker worker;
    mg_policy_runner real; /* what `watch` stands in front of */
    mg_str reply; /* what every provider answers */
    mg_str targets, prompt, text; /* seen in the settle phase; targets as a JSON array */
} run;

/* ---- vendors ----------------------------------------------------------------------------------------------------- */

typedef struct vendor {
    bool down;
    const run *run;
} vendor;

static mg_status vendor_answer(void *self, const mg_provider_request *request, const mg_sink *frames, mg_error *error) {
    const vendor *v = self;
    mg_buf b = {0};
    if (v->down) return mg_fail(error, 502, "upstream_error", "the provider is down");
    mg_buf_str(&b, MG_STR("{\"id\":\"spec\",\"object\":\"chat.completion\",\"created\":0,\"model\":"));
    mg_buf_json(&b, request->model);
    mg_buf_str(&b, request->stream
                       ? MG_STR(",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":")
                       : MG_STR(",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"));
    mg_buf_json(&b, v->run->reply);
    mg_buf_str(&b, MG_STR("},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":10,"
                          "\"total_tokens\":20}}"));
    mg_event e = {.size = sizeof e, .type = MG_EVENT_TEXT, .text = mg_buf_view(&b)};
    frames->emit(frames->ctx, &e);
    mg_buf_finish(&b);
    if (!request->stream) return MG_OK;
    e.text = MG_STR("[DONE]");
    frames->emit(frames->ctx, &e);
    return MG_OK;
}

static mg_status vendor_decode(void *self, const mg_frame *frame, const mg_sink *sink, mg_error *error) {
    const vendor *v = self;
    (void)error;
    mg_event e = {.size = sizeof e, .type = MG_EVENT_DONE};
    if (!frame->json) {
        sink->emit(sink->ctx, &e);
        return MG_OK;
    }
    const mg_usage u = {.size = sizeof u, .input = 10, .output = 10};
    e = (mg_event){.size = sizeof e, .type = MG_EVENT_TEXT, .text = v->run->reply};
    sink->emit(sink->ctx, &e);
    e = (mg_event){.size = sizeof e, .type = MG_EVENT_USAGE, .usage = &u};
    sink->emit(sink->ctx, &e);
    return MG_OK;
}

static mg_status vendor_encode(void *self, const mg_provider_request *r, const mg_provider_out *out, mg_error *error) {
    (void)self, (void)r, (void)out;
    return mg_fail(error, 500, "spec", "a spec's provider sends nothing");
}

static void vendor_classify(void *self, const mg_frame *f, const mg_header *h, size_t n, mg_classification *out) {
    (void)self, (void)f, (void)h, (void)n;
    out->failure = MG_FAIL_SERVER;
}

static bool vendor_native(void *self, mg_operation operation, mg_format_id format) {
    (void)self, (void)operation;
    return format == MG_FORMAT_OPENAI;
}

static const mg_provider vendor_ops = {.size = sizeof vendor_ops,
                                       .framing = MG_FRAMING_SSE,
                                       .capabilities =
                                           MG_CAP_STREAM | MG_CAP_TOOLS | MG_CAP_VISION | MG_CAP_EMBEDDINGS,
                                       .native = vendor_native,
                                       .encode = vendor_encode,
                                       .decode = vendor_decode,
                                       .classify = vendor_classify,
                                       .answer = vendor_answer};

/* The handle of the next vendor: mg_use_open passes nothing of ours through to `open`. Specs run on one thread. */
static vendor *opening;

static void *vendor_open(const mg_host *host, const mg_settings *settings, mg_error *error) {
    (void)host, (void)settings, (void)error;
    return opening;
}

static void vendor_close(void *shared) { (void)shared; }

static const mg_plugin vendor_plugin = {.abi = MG_PLUGIN_ABI,
                                        .kind = MG_KIND_PROVIDER,
                                        .size = sizeof vendor_plugin,
                                        .name = "spec",
                                        .version = "1",
                                        .doc = "stands for a vendor in specs",
                                        .ops = &vendor_ops,
                                        .open = vendor_open,
                                        .close = vendor_close};

/* ---- the snapshot ------------------------------------------------------------------------------------------------ */

static void *array(run *r, size_t n, size_t size) {
    return mg_arena_zalloc(r->gateway.snapshot->arena, (n ? n : 1) * size);
}

static mg_str kept(run *r, mg_str s) { return mg_arena_dup(r->gateway.snapshot->arena, s); }

static mg_str string_field(run *r, const char *name, mg_str otherwise) {
    lua_getfield(r->L, 1, name);
    mg_str s = otherwise;
    if (lua_type(r->L, -1) == LUA_TSTRING) {
        size_t n;
        const char *p = lua_tolstring(r->L, -1, &n);
        s = mg_arena_dup(r->arena, mg_str_from(p, n));
    }
    lua_pop(r->L, 1);
    return s;
}

/* providers = { openai = "up" | "down" }; the usual vendors are up. */
static void add_providers(run *r) {
    static const char *const usual[] = {"openai", "anthropic", "gemini", "azure", "demo"};
    mg_snapshot *s = r->gateway.snapshot;
    mg_error error;
    size_t cap = sizeof usual / sizeof usual[0] + 16;
    mg_provider_use *v = array(r, cap, sizeof *v);
    vendor *vendors = array(r, cap, sizeof *vendors);
    lua_getfield(r->L, 1, "providers");
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) v[s->n_providers++].name = mg_str_of(usual[i]);
    for (lua_pushnil(r->L); lua_istable(r->L, -2) && lua_next(r->L, -2); lua_pop(r->L, 1)) {
        mg_str name = kept(r, mg_str_of(luaL_checkstring(r->L, -2)));
        size_t at = 0;
        while (at < s->n_providers && !mg_str_eq(v[at].name, name)) at++;
        if (at == s->n_providers && s->n_providers < cap) v[s->n_providers++].name = name;
        if (at < cap)
            vendors[at].down = lua_type(r->L, -1) == LUA_TSTRING && strcmp(lua_tostring(r->L, -1), "down") == 0;
    }
    lua_settop(r->L, 1);
    for (size_t i = 0; i < s->n_providers; i++) {
        vendors[i].run = r;
        opening = &vendors[i];
        v[i].use = mg_use_open(mg_plugin_host(), &vendor_plugin, mg_setting_values_create(NULL, MG_STR("")), 1, &error);
        v[i].ops = &vendor_ops;
        v[i].base_url = v[i].api_key = v[i].ca_file = MG_STR("");
        v[i].index = i;
    }
    s->providers = v;
}

static mg_target target_of(run *r, const char *text) {
    mg_str name = kept(r, mg_str_of(text));
    size_t slash = mg_str_find(name, '/');
    const mg_provider_use *p = mg_snapshot_provider(r->gateway.snapshot, mg_str_from(name.p, slash));
    if (!p || slash == name.n)
        luaL_error(r->L, "gate.run: models: '%s' is not 'provider/model' of a provider of this run", text);
    return (mg_target){.provider = p, .model = mg_str_skip(name, slash + 1), .name = name, .weight = 1};
}

/* models = { public = { "openai/gpt-4o", … } } */
static void add_models(run *r) {
    mg_snapshot *s = r->gateway.snapshot;
    lua_State *L = r->L;
    mg_model *v = array(r, 32, sizeof *v);
    lua_getfield(L, 1, "models");
    for (lua_pushnil(L); lua_istable(L, -2) && lua_next(L, -2) && s->n_models < 32; lua_pop(L, 1)) {
        mg_model *m = &v[s->n_models++];
        m->name = kept(r, mg_str_of(luaL_checkstring(L, -2)));
        if (lua_type(L, -1) == LUA_TSTRING) {
            m->targets = array(r, 1, sizeof *m->targets);
            m->targets[m->n_targets++] = target_of(r, lua_tostring(L, -1));
            continue;
        }
        size_t n = lua_objlen(L, -1);
        m->targets = array(r, n, sizeof *m->targets);
        for (size_t i = 1; i <= n; i++) {
            lua_rawgeti(L, -1, (int)i);
            m->targets[m->n_targets++] = target_of(r, luaL_checkstring(L, -1));
            lua_pop(L, 1);
        }
    }
    lua_settop(L, 1);
    s->models = v;
}

static const mg_json *json_field(run *r, const char *name) {
    mg_error error = {0};
    mg_str text;
    const mg_json *root = NULL;
    lua_getfield(r->L, 1, name);
    if (lua_istable(r->L, -1)) {
        if (!mg_lua_to_json(r->L, -1, r->arena, &text, &error) ||
            mg_json_parse_copy(r->worker.json, r->gateway.snapshot->arena, text, &root, &error) != MG_OK)
            luaL_error(r->L, "gate.run: '%s': %s", name, error.text);
    }
    lua_pop(r->L, 1);
    return root;
}

/* budget = { monthly_usd = 10, used = 0.95, hard = true } */
static double add_budget(run *r, mg_org *org) {
    double used = 0;
    lua_getfield(r->L, 1, "budget");
    if (lua_istable(r->L, -1)) {
        int t = lua_gettop(r->L);
        used = mg_lua_opt_field_number(r->L, t, "used", 0);
        lua_getfield(r->L, t, "hard");
        org->budget = (mg_budget){.set = true,
                                  .limit_nano = mg_money_from_usd(mg_lua_opt_field_number(r->L, t, "monthly_usd", 100)),
                                  .period = MG_STR("month"),
                                  .hard = lua_isnil(r->L, -1) || lua_toboolean(r->L, -1)};
    }
    lua_settop(r->L, 1);
    return used;
}

static const char spec_key[] = "mg-spec";

static double build_snapshot(run *r) {
    mg_snapshot *s = r->gateway.snapshot = mg_snapshot_create();
    mg_org *org = array(r, 1, sizeof *org);
    mg_virtual_key *key = array(r, 1, sizeof *key);
    const mg_plugin *store = mg_use_plugin(r->spec->store);
    mg_error error;
    s->store = mg_use_open(mg_plugin_host(), store, mg_setting_values_create(store->settings, MG_STR("")), 1,
                           &error); /* no run sees another's counters */
    s->detectors = array(r, r->spec->n_detectors, sizeof *s->detectors);
    for (size_t i = 0; i < r->spec->n_detectors; i++)
        s->detectors[s->n_detectors++] = mg_use_ref(r->spec->detectors[i]);
    s->circuit = MG_CIRCUIT_DEFAULTS;
    s->unknown_model_nano_per_million = 75 * MG_NANO_PER_USD;
    add_providers(r);
    add_models(r);
    org->id = org->name = kept(r, string_field(r, "org", MG_STR("acme")));
    org->settings = json_field(r, "settings");
    double used = add_budget(r, org);
    mg_sha256(mg_str_of(spec_key), key->sha256);
    key->id = MG_STR("key_spec");
    key->name = key->user = MG_STR("");
    key->team = kept(r, string_field(r, "team", MG_STR("")));
    key->tags = json_field(r, "tags");
    key->org = org;
    s->orgs = org;
    s->keys = key;
    s->n_orgs = s->n_keys = 1;
    mg_snapshot_seal(s);
    return used;
}

/* ---- watching ---------------------------------------------------------------------------------------------------- */

static mg_str target_names(run *r, const mg_request *q) {
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

static bool watch_has(void *ctx, void *generation, mg_str org, mg_phase phase) {
    run *r = ctx;
    return phase == MG_PHASE_SETTLE || r->real.has(r->real.ctx, generation, org, phase);
}

static mg_run watch_run(void *ctx, mg_request *q, mg_phase phase) {
    run *r = ctx;
    if (phase == MG_PHASE_SETTLE) {
        r->targets = target_names(r, q);
        r->prompt = mg_arena_dup(r->arena, mg_request_system_text(q));
        r->text = mg_arena_dup(r->arena, mg_request_user_text(q));
        if (!r->real.has(r->real.ctx, q->policies, q->org->id, phase)) return MG_RUN_DONE;
    }
    return r->real.run(r->real.ctx, q, phase);
}

static void *watch_acquire(void *ctx, uint64_t *generation) {
    run *r = ctx;
    return r->real.acquire(r->real.ctx, generation);
}

static void watch_release(void *ctx, void *generation) {
    run *r = ctx;
    r->real.release(r->real.ctx, generation);
}

static size_t watch_window(void *ctx, void *generation, mg_str org) {
    run *r = ctx;
    return r->real.window(r->real.ctx, generation, org);
}

static void watch_cancel(void *ctx, mg_request *q) {
    run *r = ctx;
    r->real.cancel(r->real.ctx, q);
}

/* ---- the exchange ------------------------------------------------------------------------------------------------ */

static void write_request(run *r, mg_buf *out) {
    mg_buf body = {0};
    mg_str system = string_field(r, "system", (mg_str){0}), messages;
    mg_error error = {0};
    lua_getfield(r->L, 1, "stream");
    bool stream = lua_toboolean(r->L, -1);
    lua_settop(r->L, 1);
    mg_buf_str(&body, MG_STR("{\"model\":"));
    mg_buf_json(&body, string_field(r, "model", MG_STR("openai/gpt-4o-mini")));
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
        mg_buf_json(&body, string_field(r, "text", MG_STR("Hello")));
        mg_buf_str(&body, MG_STR("}]"));
    }
    lua_settop(r->L, 1);
    mg_buf_str(&body, MG_STR("}"));
    mg_str user = string_field(r, "user", (mg_str){0});
    mg_buf_printf(out,
                  "POST /v1/chat/completions HTTP/1.1\r\nhost: spec\r\nconnection: close\r\nauthorization: Bearer "
                  "%s\r\nx-moongate-explain: 1\r\n"
                  "content-type: application/json\r\ncontent-length: %zu\r\n",
                  spec_key, body.n);
    if (user.n) mg_buf_printf(out, "x-moongate-user: %.*s\r\n", MG_STR_ARG(user));
    mg_buf_str(out, MG_STR("\r\n"));
    mg_buf_str(out, mg_buf_view(&body));
    mg_buf_finish(&body);
}

static void *run_loop(void *arg) {
    run *r = arg;
    mg_evloop_run(r->worker.loop);
    return NULL;
}

typedef struct accepted {
    run *run;
    int fd;
} accepted;

static void accept_one(void *arg) {
    accepted *a = arg;
    mg_server_accept(a->run->worker.server, a->fd, MG_STR("spec"), NULL);
}

/* One request over a socket pair; the whole answer into `answer`. */
static void exchange(run *r, const mg_buf *request, mg_buf *answer) {
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

static mg_str last_rule(run *r, mg_str decisions) {
    const mg_json *root;
    mg_error error;
    mg_str rule = {0};
    if (!decisions.n || mg_json_parse_copy(r->worker.json, r->arena, decisions, &root, &error) != MG_OK) return rule;
    for (const mg_json *d = root->child; d; d = d->next) rule = mg_json_text(mg_json_get(d, MG_STR("rule")));
    return rule;
}

static void push_result(run *r, const mg_buf *answer) {
    lua_State *L = r->L;
    const mg_json *body = NULL, *targets = NULL;
    mg_error error;
    const char *blank = answer->n ? memmem(answer->p, answer->n, "\r\n\r\n", 4) : NULL;
    int status = answer->n > 12 ? atoi(answer->p + 9) : 0;
    mg_str text = blank ? mg_str_skip(mg_buf_view(answer), (size_t)(blank + 4 - answer->p)) : MG_STR("");
    if (text.n && text.p[0] == '{') mg_json_parse_copy(r->worker.json, r->arena, text, &body, &error);
    mg_str rule = last_rule(r, header_of(answer, "x-moongate-decision"));
    lua_newtable(L);
    set(L, "rule", rule);
    set(L, "prompt", r->prompt);
    set(L, "text", r->text);
    set(L, "reply", mg_json_text(mg_json_path(body, "choices.0.message.content")));
    lua_pushinteger(L, status);
    lua_setfield(L, -2, "status");
    if (r->targets.n && mg_json_parse_copy(r->worker.json, r->arena, r->targets, &targets, &error) == MG_OK) {
        mg_lua_push_json(L, targets);
        lua_setfield(L, -2, "targets");
    }
    mg_str wait = header_of(answer, "retry-after-ms");
    int64_t ms;
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
static void set_clock(run *r) {
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

static void prime(run *r, double used) {
    const mg_org *org = &r->gateway.snapshot->orgs[0];
    int64_t start, end;
    if (org->budget.set && used > 0 && mg_clock_period(org->budget.period, mg_clock_unix_ms(), &start, &end))
        mg_budget_prime(&r->worker, r->gateway.snapshot, org, start, (int64_t)(used * (double)org->budget.limit_nano));
}

static void serve(run *r, mg_reloader *reloader, double used, int times, mg_buf *answer) {
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
    run r = {.L = L, .spec = spec, .arena = mg_arena_create(16 * 1024)};
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
    r.reply = string_field(&r, "reply", MG_STR("A spec's answer."));
    set_clock(&r);
    double used = build_snapshot(&r);
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
