/* Class res: the answer, in `reply` and `settle`. */
#include "policy/modules.h"
#include "policy/object.h"

enum { BYTES_A_UNIT = 64, REPLY = 1 << MG_PHASE_REPLY };

static void push_known(lua_State *L, mg_str s) {
    if (s.p)
        mg_lua_push_str(L, s);
    else
        lua_pushnil(L);
}

static void res_provider(lua_State *L, mg_request *r, const void *o) {
    (void)o;
    push_known(L, r->served_by && r->served_by->provider ? r->served_by->provider->name : (mg_str){NULL, 0});
}

static void res_model(lua_State *L, mg_request *r, const void *o) {
    (void)o;
    push_known(L, r->served_model.n ? r->served_model : r->served_by ? r->served_by->model : (mg_str){NULL, 0});
}

static void res_status(lua_State *L, mg_request *r, const void *o) { (void)o, lua_pushinteger(L, r->status); }

static void res_text(lua_State *L, mg_request *r, const void *o) {
    (void)o;
    mg_str text = r->reply_replaced ? r->reply_replacement : r->text;
    mg_lua_charge(L, text.n / BYTES_A_UNIT);
    mg_lua_push_str(L, text);
}

static void res_final(lua_State *L, mg_request *r, const void *o) { (void)o, lua_pushboolean(L, r->final); }

static void set_count(lua_State *L, const char *name, int64_t n) {
    lua_pushnumber(L, (lua_Number)n);
    lua_setfield(L, -2, name);
}

static void res_usage(lua_State *L, mg_request *r, const void *o) {
    (void)o;
    if (!r->usage_known) {
        lua_pushnil(L);
        return;
    }
    lua_createtable(L, 0, 7);
    set_count(L, "input", r->usage.input);
    set_count(L, "output", r->usage.output);
    set_count(L, "cached", r->usage.cached);
    set_count(L, "cache_write", r->usage.cache_write);
    set_count(L, "reasoning", r->usage.reasoning);
    set_count(L, "audio_input", r->usage.audio_input);
    set_count(L, "audio_output", r->usage.audio_output);
}

static void res_cost(lua_State *L, mg_request *r, const void *o) {
    (void)o;
    lua_pushnumber(L, mg_money_to_usd(r->cost_nano));
}

static void res_outcome(lua_State *L, mg_request *r, const void *o) {
    (void)o;
    lua_pushstring(L, mg_outcome_name(r->outcome));
}

static void res_latency(lua_State *L, mg_request *r, const void *o) {
    (void)o;
    uint64_t end = r->done_us ? r->done_us : mg_clock_mono_us();
    lua_pushnumber(L, end > r->started_us ? (lua_Number)(end - r->started_us) / 1000 : 0);
}

static void res_ttft(lua_State *L, mg_request *r, const void *o) {
    (void)o;
    if (r->first_token_us > r->started_us)
        lua_pushnumber(L, (lua_Number)(r->first_token_us - r->started_us) / 1000);
    else
        lua_pushnil(L);
}

/* There is no cache before the model yet: every answer is the provider's. */
static void res_cached(lua_State *L, mg_request *r, const void *o) { (void)r, (void)o, lua_pushboolean(L, false); }

static void res_attempts(lua_State *L, mg_request *r, const void *o) { (void)o, lua_pushinteger(L, r->attempt_no); }

static const mg_lua_field res_fields[] = {
    {"provider", "string?", "The provider that answered; nil: none did.", res_provider},
    {"model", "string?", "The model that answered, as the vendor names it.", res_model},
    {"status", "integer", "HTTP status that the client sees, or will see.", res_status},
    {"text", "string", "The answer's text: on streams this window of it, until `final`.", res_text},
    {"final", "boolean", "True if no more text follows.", res_final},
    {"usage", "moongate.usage?", "Tokens; nil while they are not known.", res_usage},
    {"cost", "number", "What the request cost, in dollars.", res_cost},
    {"outcome", "string", "`none` (under way), `ok`, `denied`, `error`, `cancelled` or `timeout`.", res_outcome},
    {"latency_ms", "number", "Milliseconds from the request's first byte until its end, or until now.", res_latency},
    {"ttft_ms", "number?", "Milliseconds until the answer's first token; nil before it.", res_ttft},
    {"cached", "boolean", "True if the answer came from a cache, and not from a provider.", res_cached},
    {"attempts", "integer", "How many times a provider was asked.", res_attempts},
    {NULL, NULL, NULL, NULL},
};

static const mg_lua_field usage_fields[] = {
    {"input", "integer", "All input tokens, cached ones included.", NULL},
    {"output", "integer", "All output tokens, reasoning included.", NULL},
    {"cached", "integer", "Of input: read from the vendor's cache.", NULL},
    {"cache_write", "integer", "Of input: written to the vendor's cache.", NULL},
    {"reasoning", "integer", "Of output: reasoning.", NULL},
    {"audio_input", "integer", "Of input: audio.", NULL},
    {"audio_output", "integer", "Of output: audio.", NULL},
    {NULL, NULL, NULL, NULL},
};

const mg_lua_module mg_lua_usage = {
    .name = "usage",
    .class_ = true,
    .doc = "Tokens of an answer.",
    .fields = usage_fields,
};

static mg_request *check_res(lua_State *L) { return ((mg_object *)mg_object_check(L, 1, &mg_lua_res))->request; }

static int res_redact(lua_State *L) {
    mg_request *r = check_res(L);
    mg_str types[MG_LUA_MAX_TYPES], mode;
    size_t n = mg_lua_check_redaction(L, 2, "res:redact", types, &mode), count = 0;
    mg_error error = {0};
    if (mg_request_redact_reply(r, mg_lua_rule(L), n ? types : NULL, n, mode, &count, &error) == MG_ERROR)
        return luaL_error(L, "res:redact: %s", error.text);
    lua_pushnumber(L, (lua_Number)count);
    return 1;
}

static int res_replace(lua_State *L) {
    mg_request *r = check_res(L);
    mg_str text = mg_lua_check_str(L, 2);
    mg_error error = {0};
    if (mg_request_replace_reply(r, mg_arena_dup(r->arena, text), &error) == MG_ERROR)
        return luaL_error(L, "res:replace: %s", error.text);
    return 0;
}

static const mg_lua_function res_methods[] = {
    {"redact", res_redact, REPLY, false,
     "@param options? {types?: string[], mode?: \"mask\"|\"hash\"} all types, and \"mask\", unless given\n"
     "@return integer count how many spans were replaced\n---\n"
     "Replaces personal data in the text that `res.text` shows. Raises when a detector fails, so that nothing goes out "
     "unread."},
    {"replace", res_replace, REPLY, false,
     "@param text string\n---\nSends another text in place of the one that `res.text` shows. Raises on streams, part "
     "of which has gone out."},
    {NULL, NULL, 0, false, NULL},
};

static void res_open(lua_State *L) { mg_object_class_open(L, &mg_lua_res, NULL); }

const mg_lua_module mg_lua_res = {
    .name = "res",
    .class_ = true,
    .doc = "The answer, for `reply` and `settle`.",
    .functions = res_methods,
    .fields = res_fields,
    .open = res_open,
};

void mg_lua_push_res(lua_State *L, mg_request *r) { mg_object_push_kept(L, &mg_lua_res, r); }
