/* Module models. */
#include "policy/modules.h"
#include "policy/target_price.h"

/* Dollars per million tokens of a class; classes without a price of their own are left out. */
static void set_price(lua_State *L, const char *name, int64_t nano) {
    if (nano < 0) return;
    lua_pushnumber(L, mg_money_to_usd(nano));
    lua_setfield(L, -2, name);
}

static void set_tokens(lua_State *L, const char *name, int64_t n) {
    if (n <= 0) return;
    lua_pushnumber(L, (lua_Number)n);
    lua_setfield(L, -2, name);
}

static int models_info(lua_State *L) {
    mg_str target = mg_lua_check_str(L, 1);
    mg_error error = {0};
    const mg_price *p = mg_lua_target_price(mg_lua_request(L)->snapshot, target, &error);
    if (!p) {
        lua_pushnil(L);
        lua_pushstring(L, error.text);
        return 2;
    }
    lua_createtable(L, 0, 5);
    set_tokens(L, "context", p->context);
    set_tokens(L, "max_output", p->max_output);
    lua_pushboolean(L, p->tools);
    lua_setfield(L, -2, "tools");
    lua_pushboolean(L, p->vision);
    lua_setfield(L, -2, "vision");
    lua_createtable(L, 0, 4);
    set_price(L, "input", p->input);
    set_price(L, "output", p->output);
    set_price(L, "cached", p->cached);
    set_price(L, "cache_write", p->cache_write);
    lua_setfield(L, -2, "price");
    return 1;
}

static const mg_lua_function functions[] = {
    {"info", models_info, MG_ANY_PHASE, false,
     "@param target string \"provider/model\"\n@return moongate.model_info? info nil: the model is not known\n"
     "@return string? error\n---\nWhat is known about a model."},
    {NULL, NULL, 0, false, NULL},
};

const mg_lua_module mg_lua_models = {
    .name = "models",
    .doc = "What models can do.",
    .functions = functions,
};

static const mg_lua_field info_fields[] = {
    {"context", "integer?", "Tokens of its context window.", NULL},
    {"max_output", "integer?", "The most tokens that it answers with.", NULL},
    {"tools", "boolean", "True if it can call tools.", NULL},
    {"vision", "boolean", "True if it reads images.", NULL},
    {"price", "moongate.model_price", "Its prices.", NULL},
    {NULL, NULL, NULL, NULL},
};

const mg_lua_module mg_lua_model_info = {
    .name = "model_info",
    .class_ = true,
    .doc = "What `models.info` returns.",
    .fields = info_fields,
};

static const mg_lua_field price_fields[] = {
    {"input", "number?", "For input tokens.", NULL},
    {"output", "number?", "For output tokens.", NULL},
    {"cached", "number?", "For input tokens read from the vendor's cache; nil: as input.", NULL},
    {"cache_write", "number?", "For input tokens written to the vendor's cache; nil: as input.", NULL},
    {NULL, NULL, NULL, NULL},
};

const mg_lua_module mg_lua_model_price = {
    .name = "model_price",
    .class_ = true,
    .doc = "Dollars per million tokens. A class without a price of its own is nil.",
    .fields = price_fields,
};
