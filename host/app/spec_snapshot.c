/* What a spec's request meets: organizations, models, and vendors that answer on the spot. */
#include "app/host.h"
#include "app/spec_run.h"
#include "base/clock.h"
#include "base/hash.h"
#include "policy/binding.h"

#include <stdlib.h>

/* ---- vendors ----------------------------------------------------------------------------------------------------- */

typedef struct vendor {
    bool down; /* every request fails */
    const mg_spec_run *run;
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
                                       .capabilities = MG_CAP_STREAM | MG_CAP_TOOLS | MG_CAP_VISION | MG_CAP_EMBEDDINGS,
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

static void *array(mg_spec_run *r, size_t n, size_t size) {
    return mg_arena_zalloc(r->gateway.snapshot->arena, (n ? n : 1) * size);
}

static mg_str kept(mg_spec_run *r, mg_str s) { return mg_arena_dup(r->gateway.snapshot->arena, s); }

mg_str mg_spec_string(mg_spec_run *r, const char *name, mg_str otherwise) {
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

static void set_state(mg_spec_run *r, mg_str provider, vendor *v) {
    mg_str state = mg_str_of(luaL_checkstring(r->L, -1));
    v->down = mg_str_is(state, "down");
    if (mg_str_is(state, "open"))
        mg_circuits_force(r->gateway.circuits, provider, MG_STR(""), MG_CIRCUIT_OPENED, UINT64_MAX, mg_clock_mono_ms());
    else if (!v->down && !mg_str_is(state, "up"))
        luaL_error(r->L, "gate.run: providers: a provider is \"up\", \"down\" or \"open\" (its circuit breaker)");
}

/* providers = { openai = "up" | "down" | "open" }; the usual vendors are up. */
static void add_providers(mg_spec_run *r) {
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
        if (at < cap) set_state(r, name, &vendors[at]);
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

static mg_target target_of(mg_spec_run *r, const char *text) {
    mg_str name = kept(r, mg_str_of(text));
    size_t slash = mg_str_find(name, '/');
    const mg_provider_use *p = mg_snapshot_provider(r->gateway.snapshot, mg_str_from(name.p, slash));
    if (!p || slash == name.n)
        luaL_error(r->L, "gate.run: models: '%s' is not 'provider/model' of a provider of this run", text);
    return (mg_target){.provider = p, .model = mg_str_skip(name, slash + 1), .name = name, .weight = 1};
}

/* models = { public = { "openai/gpt-4o", … } } */
static void add_models(mg_spec_run *r) {
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

/* Pushes a copy of the table on top of the stack in which tables with elements and names have names only, "1", "2", …: as
 * the configuration hands them to policies. */
static void push_named(lua_State *L) {
    int from = lua_gettop(L);
    bool names = false;
    luaL_checkstack(L, 8, "gate.run: settings");
    for (lua_pushnil(L); lua_next(L, from); lua_pop(L, 1)) names = names || lua_type(L, -2) == LUA_TSTRING;
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, from); lua_pop(L, 1)) {
        lua_pushvalue(L, -2);
        if (names && lua_type(L, -1) == LUA_TNUMBER) lua_tostring(L, -1); /* in place */
        if (lua_istable(L, -2)) {
            lua_pushvalue(L, -2);
            push_named(L);
            lua_remove(L, -2);
        } else {
            lua_pushvalue(L, -2);
        }
        lua_rawset(L, from + 1);
    }
}

static const mg_json *json_field(mg_spec_run *r, const char *name) {
    mg_error error = {0};
    mg_str text;
    const mg_json *root = NULL;
    lua_getfield(r->L, 1, name);
    if (lua_istable(r->L, -1)) {
        push_named(r->L);
        lua_remove(r->L, -2);
        if (!mg_lua_to_json(r->L, -1, r->arena, &text, &error) ||
            mg_json_parse_copy(r->worker.json, r->gateway.snapshot->arena, text, &root, &error) != MG_OK)
            luaL_error(r->L, "gate.run: '%s': %s", name, error.text);
    }
    lua_pop(r->L, 1);
    return root;
}

/* budget = { monthly_usd = 10, used = 0.95, hard = true } */
static double add_budget(mg_spec_run *r, mg_org *org) {
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

double mg_spec_snapshot(mg_spec_run *r) {
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
    org->id = org->name = kept(r, mg_spec_string(r, "org", MG_STR("acme")));
    org->settings = json_field(r, "settings");
    double used = add_budget(r, org);
    mg_sha256(MG_STR(MG_SPEC_KEY), key->sha256);
    key->id = MG_STR("key_spec");
    key->name = key->user = MG_STR("");
    key->team = kept(r, mg_spec_string(r, "team", MG_STR("")));
    key->tags = json_field(r, "tags");
    key->org = org;
    s->orgs = org;
    s->keys = key;
    s->n_orgs = s->n_keys = 1;
    mg_snapshot_seal(s);
    return used;
}
