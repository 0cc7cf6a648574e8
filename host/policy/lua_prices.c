/* Module prices. */
#include "policy/modules.h"
#include "gateway/route.h"
#include "policy/target_price.h"
#include <math.h>

const mg_price *mg_lua_target_price(const mg_snapshot *s, mg_str target, mg_error *error) {
    size_t slash = mg_str_find(target, '/');
    mg_str name = mg_str_from(target.p, slash), model = mg_str_skip(target, slash + 1);
    mg_str shown = mg_str_cut(target, 100);
    if (slash == target.n || slash == 0 || model.n == 0) {
        mg_fail(error, 0, "", "a target is written \"provider/model\", not \"" MG_STR_FMT "\"", MG_STR_ARG(shown));
        return NULL;
    }
    mg_target t = {.provider = mg_snapshot_provider(s, name), .model = model};
    if (!t.provider) {
        mg_fail(error, 0, "", "the configuration has no provider for \"" MG_STR_FMT "\"", MG_STR_ARG(shown));
        return NULL;
    }
    const mg_price *price = mg_target_price(s, &t);
    if (!price) mg_fail(error, 0, "", "the price table does not know \"" MG_STR_FMT "\"", MG_STR_ARG(shown));
    return price;
}

static int64_t check_count(lua_State *L, const char *field) {
    double n = mg_lua_opt_field_number(L, 2, field, 0);
    if (!(n >= 0 && n <= 1e15) || n != floor(n))
        luaL_error(L, "prices.cost: '%s' must be a whole number of tokens, got %f", field, n);
    return (int64_t)n;
}

static int prices_cost(lua_State *L) {
    static const char *const known[] = {"input",     "output",      "cached",       "cache_write",
                                        "reasoning", "audio_input", "audio_output", NULL};
    mg_str target = mg_lua_check_str(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    mg_lua_check_fields(L, 2, known, "prices.cost");
    mg_usage usage = {.size = sizeof usage,
                      .input = check_count(L, "input"),
                      .output = check_count(L, "output"),
                      .cached = check_count(L, "cached"),
                      .cache_write = check_count(L, "cache_write"),
                      .reasoning = check_count(L, "reasoning"),
                      .audio_input = check_count(L, "audio_input"),
                      .audio_output = check_count(L, "audio_output")};
    if (usage.cached + usage.cache_write + usage.audio_input > usage.input)
        return luaL_error(L,
                          "prices.cost: 'cached', 'cache_write' and 'audio_input' are parts of 'input' and exceed it");
    if (usage.reasoning + usage.audio_output > usage.output)
        return luaL_error(L, "prices.cost: 'reasoning' and 'audio_output' are parts of 'output' and exceed it");
    mg_error error = {0};
    const mg_price *price = mg_lua_target_price(mg_lua_request(L)->snapshot, target, &error);
    if (!price) {
        lua_pushnil(L);
        lua_pushstring(L, error.text);
        return 2;
    }
    lua_pushnumber(L, mg_money_to_usd(mg_price_cost(price, &usage)));
    return 1;
}

static const mg_lua_function functions[] = {
    {"cost", prices_cost, MG_ANY_PHASE, false,
     "@param target string \"provider/model\"\n"
     "@param usage {input?: integer, output?: integer, cached?: integer, cache_write?: integer, reasoning?: integer, "
     "audio_input?: integer, audio_output?: integer} tokens; `cached`, `cache_write` and `audio_input` are parts of "
     "`input`, "
     "`reasoning` and `audio_output` of `output`\n"
     "@return number? dollars nil: the price is not known, which never means free\n@return string? error\n---\n"
     "What so many tokens would cost."},
    {NULL, NULL, 0, false, NULL},
};

const mg_lua_module mg_lua_prices = {
    .name = "prices",
    .doc = "What models cost.",
    .functions = functions,
};
