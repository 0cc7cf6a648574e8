/* Module tokens. */
#include "policy/modules.h"
#include "gateway/tokens.h"

enum { BYTES_A_UNIT = 16 };

static int tokens_count(lua_State *L) {
    mg_str text = mg_lua_check_str(L, 1);
    mg_str model = lua_isnoneornil(L, 2) ? MG_STR("") : mg_lua_check_str(L, 2);
    mg_lua_charge(L, text.n / BYTES_A_UNIT);
    lua_pushnumber(L, (lua_Number)mg_tokens_estimate(text, model));
    return 1;
}

static const mg_lua_function functions[] = {
    {"count", tokens_count, MG_ANY_PHASE | MG_AT_LOAD, false,
     "@param text string\n@param model? string whose tokenizer; OpenAI's o200k_base unless given\n@return "
     "integer\n---\n"
     "About how many tokens the text has. An estimate: see `req.tokens` for the whole request."},
    {NULL, NULL, 0, false, NULL},
};

const mg_lua_module mg_lua_tokens = {
    .name = "tokens",
    .doc = "Token counts.",
    .functions = functions,
};
