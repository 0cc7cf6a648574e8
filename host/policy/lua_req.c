/* Class req: the request, its key, headers and parameters. Parts of the conversation are in lua_part.c. */
#include "policy/modules.h"
#include "policy/object.h"
#include "policy/part.h"
#include <math.h>

enum {
    BEFORE_ROUTE = 1 << MG_PHASE_ADMIT | 1 << MG_PHASE_PROMPT | 1 << MG_PHASE_SCREEN | 1 << MG_PHASE_ROUTE,
    BEFORE_DISPATCH = BEFORE_ROUTE | 1 << MG_PHASE_SPEND,
    BEFORE_SETTLE = BEFORE_DISPATCH | 1 << MG_PHASE_REPLY,
    BYTES_A_UNIT = 64, /* of text copied into Lua, for the leash */
    HEADER_NAME_MAX = 128
};

static void push_text(lua_State *L, mg_str s) {
    mg_lua_charge(L, s.n / BYTES_A_UNIT);
    mg_lua_push_str(L, s);
}

static void push_strings(lua_State *L, const mg_str *list, size_t n) {
    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; i++) {
        mg_lua_push_str(L, list[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
}

static void set_member(lua_State *L, mg_str key, mg_str value) {
    mg_lua_push_str(L, key);
    mg_lua_push_str(L, value);
    lua_rawset(L, -3);
}

/* ---- req.key ----------------------------------------------------------------------------------------------------- */

static void key_id(lua_State *L, mg_request *r, const void *o) { (void)o, mg_lua_push_str(L, r->key->id); }
static void key_name(lua_State *L, mg_request *r, const void *o) { (void)o, mg_lua_push_str(L, r->key->name); }
static void key_team(lua_State *L, mg_request *r, const void *o) { (void)o, mg_lua_push_str(L, r->key->team); }

static void key_tags(lua_State *L, mg_request *r, const void *o) {
    (void)o;
    lua_newtable(L);
    for (const mg_json *t = mg_json_kind(r->key->tags) == MG_JSON_OBJECT ? r->key->tags->child : NULL; t; t = t->next)
        if (t->type == MG_JSON_STRING) set_member(L, t->key, t->str);
}

static void key_models(lua_State *L, mg_request *r, const void *o) {
    (void)o;
    push_strings(L, r->key->models, r->key->n_models);
}

static const mg_lua_field key_fields[] = {
    {"id", "string", "Names the key without giving it away.", key_id},
    {"name", "string", "What the operator called it, or \"\".", key_name},
    {"team", "string", "The team that it belongs to, or \"\".", key_team},
    {"tags", "table<string, string>", "The operator's tags, for cost allocation.", key_tags},
    {"models", "string[]", "Globs of the models that it may use; empty: all that the organization may.", key_models},
    {NULL, NULL, NULL, NULL},
};

static void key_open(lua_State *L) { mg_object_class_open(L, &mg_lua_key, NULL); }

const mg_lua_module mg_lua_key = {
    .name = "key",
    .class_ = true,
    .doc = "The virtual key that the caller used. What it says comes from the operator and can be trusted.",
    .fields = key_fields,
    .open = key_open,
};

/* ---- req.headers, req.params: read when asked -------------------------------------------------------------------- */

static int headers_index(lua_State *L) {
    const mg_object *o = lua_touserdata(L, 1);
    size_t n;
    const char *name = luaL_checklstring(L, 2, &n);
    char lower[HEADER_NAME_MAX];
    if (n > sizeof lower) return lua_pushnil(L), 1;
    for (size_t i = 0; i < n; i++) lower[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 32) : name[i];
    mg_str value = mg_request_header(o->request, mg_str_from(lower, n));
    if (value.p)
        mg_lua_push_str(L, value);
    else
        lua_pushnil(L);
    return 1;
}

static void headers_open(lua_State *L) { mg_object_class_open(L, &mg_lua_headers, headers_index); }

const mg_lua_module mg_lua_headers = {
    .name = "headers",
    .class_ = true,
    .doc = "The client's headers by name, in any case: `req.headers[\"user-agent\"]`. Absent ones, and all that hold "
           "credentials, read as nil.",
    .open = headers_open,
};

static void sync(lua_State *L, mg_request *r) {
    mg_error error = {0};
    if (mg_request_sync_members(r, &error) != MG_OK) luaL_error(L, "the request can't be read: %s", error.text);
}

static int params_index(lua_State *L) {
    const mg_object *o = lua_touserdata(L, 1);
    mg_str key;
    key.p = luaL_checklstring(L, 2, &key.n);
    if (mg_str_is(key, "messages") || mg_str_is(key, "input"))
        return luaL_error(L, "req.params.%s: read the conversation through req.text, req.system or req:parts()", key.p);
    sync(L, o->request);
    const mg_json *value = o->request->format->param(o->request->root, key);
    if (!value) return lua_pushnil(L), 1;
    mg_lua_charge(L, (value->src_end - value->src) / 8);
    mg_lua_push_json(L, value);
    return 1;
}

static void params_open(lua_State *L) { mg_object_class_open(L, &mg_lua_params, params_index); }

const mg_lua_module mg_lua_params = {
    .name = "params",
    .class_ = true,
    .doc =
        "The body's members besides the conversation: `req.params.temperature`. Absent ones read as nil, JSON's null "
        "as json.null; objects and lists are copies.",
    .open = params_open,
};

/* ---- req: fields ------------------------------------------------------------------------------------------------- */

static void req_id(lua_State *L, mg_request *r, const void *o) { (void)o, lua_pushstring(L, r->id); }
static void req_org(lua_State *L, mg_request *r, const void *o) { (void)o, mg_lua_push_str(L, r->org->id); }
static void req_user(lua_State *L, mg_request *r, const void *o) { (void)o, mg_lua_push_str(L, r->user); }
static void req_session(lua_State *L, mg_request *r, const void *o) { (void)o, mg_lua_push_str(L, r->session); }
static void req_model(lua_State *L, mg_request *r, const void *o) { (void)o, mg_lua_push_str(L, r->model); }
static void req_stream(lua_State *L, mg_request *r, const void *o) { (void)o, lua_pushboolean(L, r->stream); }
static void req_tokens(lua_State *L, mg_request *r, const void *o) {
    (void)o, lua_pushnumber(L, (lua_Number)r->tokens_input);
}
static void req_text(lua_State *L, mg_request *r, const void *o) { (void)o, push_text(L, mg_request_user_text(r)); }
static void req_system(lua_State *L, mg_request *r, const void *o) { (void)o, push_text(L, mg_request_system_text(r)); }
static void req_operation(lua_State *L, mg_request *r, const void *o) {
    (void)o, mg_lua_push_str(L, mg_operation_name(r->operation));
}

static void push_view(lua_State *L, const mg_lua_module *class_, mg_request *r) {
    mg_object_push(L, class_, r, sizeof(mg_object));
}
static void req_headers(lua_State *L, mg_request *r, const void *o) { (void)o, push_view(L, &mg_lua_headers, r); }
static void req_params(lua_State *L, mg_request *r, const void *o) { (void)o, push_view(L, &mg_lua_params, r); }

static void req_key(lua_State *L, mg_request *r, const void *o) {
    (void)o;
    if (r->key)
        mg_object_push_kept(L, &mg_lua_key, r);
    else
        lua_pushnil(L);
}

static void req_targets(lua_State *L, mg_request *r, const void *o) {
    (void)o;
    lua_createtable(L, (int)r->n_targets, 0);
    for (size_t i = 0; i < r->n_targets; i++) {
        mg_lua_push_str(L, r->targets[i].name);
        lua_rawseti(L, -2, (int)i + 1);
    }
}

static void req_max_tokens(lua_State *L, mg_request *r, const void *o) {
    (void)o;
    if (r->tokens_max_output > 0)
        lua_pushnumber(L, (lua_Number)r->tokens_max_output);
    else
        lua_pushnil(L);
}

static void req_cost_max(lua_State *L, mg_request *r, const void *o) {
    (void)o;
    if (r->phase >= MG_PHASE_SPEND)
        lua_pushnumber(L, mg_money_to_usd(r->cost_max_nano));
    else
        lua_pushnil(L);
}

/* "a=b, c=d" as the client wrote it; what is no pair is left out. */
static void req_client_tags(lua_State *L, mg_request *r, const void *o) {
    (void)o;
    lua_newtable(L);
    mg_str rest = r->client_tags;
    while (rest.n) {
        size_t comma = mg_str_find(rest, ',');
        mg_str pair = mg_str_trim(mg_str_from(rest.p, comma));
        size_t equals = mg_str_find(pair, '=');
        if (equals > 0 && equals < pair.n)
            set_member(L, mg_str_trim(mg_str_from(pair.p, equals)), mg_str_trim(mg_str_skip(pair, equals + 1)));
        rest = mg_str_skip(rest, comma + 1);
    }
}

/* Names, in the shapes that have one: {"type":"function","function":{"name":…}} and {"name":…}. */
static void req_tools(lua_State *L, mg_request *r, const void *o) {
    (void)o;
    sync(L, r);
    const mg_json *tools = mg_json_get(r->root, MG_STR("tools"));
    lua_newtable(L);
    int n = 0;
    for (const mg_json *t = mg_json_kind(tools) == MG_JSON_ARRAY ? tools->child : NULL; t; t = t->next) {
        mg_str name = mg_json_text(mg_json_path(t, "function.name"));
        if (!name.p) name = mg_json_text(mg_json_get(t, MG_STR("name")));
        if (!name.p) continue;
        mg_lua_push_str(L, name);
        lua_rawseti(L, -2, ++n);
    }
}

static const mg_lua_field req_fields[] = {
    {"id", "string", "The request's id, as in `x-request-id`.", req_id},
    {"org", "string", "Id of the organization.", req_org},
    {"user", "string", "Who asks, as the client says (`x-moongate-user`, `user`, …), or \"\". Not trusted.", req_user},
    {"session", "string", "The client's session, or \"\". Not trusted.", req_session},
    {"key", "moongate.key?", "The virtual key.", req_key},
    {"client_tags", "table<string, string>", "Tags that the client sent. Not trusted: bind limits to the key's.",
     req_client_tags},
    {"model", "string", "The model that was asked for, or that `set_model` put there.", req_model},
    {"targets", "string[]", "Where the request would go, in order: `{\"openai/gpt-4o\", …}`.", req_targets},
    {"operation", "string", "`chat`, `embeddings`, `moderations`, `models` or `count_tokens`.", req_operation},
    {"stream", "boolean", "True if the answer is wanted as a stream.", req_stream},
    {"tokens", "integer", "Tokens of the input, as far as known; an estimate until the vendor counts.", req_tokens},
    {"max_tokens", "integer?", "The most tokens that the answer may have; nil: not limited yet.", req_max_tokens},
    {"cost_max", "number?", "The most that the request can cost, in dollars; known from `spend` on.", req_cost_max},
    {"text", "string", "All text of the user's messages, joined by newlines.", req_text},
    {"system", "string", "All text of system and developer messages.", req_system},
    {"headers", "moongate.headers", "The client's headers.", req_headers},
    {"params", "moongate.params", "Other members of the body.", req_params},
    {"tools", "string[]", "Names of the tools that the model may call.", req_tools},
    {NULL, NULL, NULL, NULL},
};

/* ---- req: methods. What can't be changed raises, so that a policy which does not look can't go on as though it had  */

static mg_request *check_req(lua_State *L) { return ((mg_object *)mg_object_check(L, 1, &mg_lua_req))->request; }

static int done(lua_State *L, const char *method, mg_status status, const mg_error *error) {
    if (status == MG_ERROR) return luaL_error(L, "req:%s: %s", method, error->text);
    return 0;
}

static int req_set_model(lua_State *L) {
    mg_request *r = check_req(L);
    mg_str name = mg_lua_check_str(L, 2);
    mg_error error = {0};
    return done(L, "set_model", mg_request_set_model(r, mg_arena_dup(r->arena, name), &error), &error);
}

static int req_set_system(lua_State *L) {
    mg_request *r = check_req(L);
    mg_str text = mg_lua_check_str(L, 2);
    mg_error error = {0};
    return done(L, "set_system", mg_request_set_system(r, mg_arena_dup(r->arena, text), &error), &error);
}

static int req_set_max_tokens(lua_State *L) {
    mg_request *r = check_req(L);
    lua_Number n = luaL_checknumber(L, 2);
    if (!(n >= 1 && n <= 1e9) || n != floor(n))
        return luaL_error(L, "req:set_max_tokens: expected a whole number from 1 to 1e9, got %f", n);
    mg_error error = {0};
    return done(L, "set_max_tokens", mg_request_set_max_tokens(r, (int64_t)n, &error), &error);
}

static int req_set_param(lua_State *L) {
    mg_request *r = check_req(L);
    mg_str key = mg_lua_check_str(L, 2), json = {NULL, 0};
    luaL_checkany(L, 3);
    mg_error error = {0};
    if (!lua_isnil(L, 3) && !mg_lua_to_json(L, 3, r->arena, &json, &error)) /* the arena keeps it for the edit */
        return luaL_error(L, "req:set_param: the value of '%s' can't be written as JSON: %s", key.p, error.text);
    return done(L, "set_param", mg_request_set_param(r, mg_arena_dup(r->arena, key), json, &error), &error);
}

typedef mg_status (*set_pair)(mg_request *r, mg_str key, mg_str value, mg_error *error);

static int change_pair(lua_State *L, const char *method, set_pair set) {
    mg_request *r = check_req(L);
    mg_str key = mg_lua_check_str(L, 2), value = mg_lua_check_str(L, 3);
    mg_error error = {0};
    return done(L, method, set(r, mg_arena_dup(r->arena, key), mg_arena_dup(r->arena, value), &error), &error);
}
static int req_set_header(lua_State *L) { return change_pair(L, "set_header", mg_request_set_header); }
static int req_tag(lua_State *L) { return change_pair(L, "tag", mg_request_tag); }

static int req_add_message(lua_State *L) {
    static const char *const roles[] = {"system", "developer", "user", "assistant", NULL};
    check_req(L);
    luaL_checkoption(L, 2, NULL, roles);
    return change_pair(L, "add_message", mg_request_add_message);
}

static int req_remove_tool(lua_State *L) {
    mg_request *r = check_req(L);
    mg_str name = mg_lua_check_str(L, 2);
    mg_error error = {0};
    mg_status status = mg_request_remove_tool(r, name, &error);
    done(L, "remove_tool", status, &error);
    lua_pushboolean(L, status == MG_OK);
    return 1;
}

static int req_targets_match(lua_State *L) {
    mg_request *r = check_req(L);
    lua_pushboolean(L, mg_request_targets_match(r, mg_lua_check_str(L, 2)));
    return 1;
}

static int req_redact(lua_State *L) {
    mg_request *r = check_req(L);
    mg_str types[MG_LUA_MAX_TYPES], mode;
    size_t n = mg_lua_check_redaction(L, 2, "req:redact", types, &mode), count = 0;
    mg_error error = {0};
    done(L, "redact", mg_request_redact(r, mg_lua_rule(L), n ? types : NULL, n, mode, &count, &error), &error);
    lua_pushnumber(L, (lua_Number)count);
    return 1;
}

static int req_parts(lua_State *L) { return mg_parts_iterator(L, check_req(L), 2); }

static const mg_lua_function req_methods[] = {
    {"set_model", req_set_model, BEFORE_ROUTE, false,
     "@param name string a public model name or \"provider/model\"\n---\n"
     "Asks for another model: its targets are resolved anew. Raises when the organization or the key may not use it."},
    {"set_system", req_set_system, BEFORE_ROUTE, false,
     "@param text string\n---\nReplaces the system message, or adds one."},
    {"set_max_tokens", req_set_max_tokens, BEFORE_ROUTE, false, "@param n integer\n---\nLimits the answer's tokens."},
    {"set_param", req_set_param, BEFORE_ROUTE, false,
     "@param key string\n@param value any what JSON can hold; nil removes the member\n---\n"
     "Sets a member of the body other than the model, the conversation and `stream`."},
    {"set_header", req_set_header, BEFORE_DISPATCH, false,
     "@param name string\n@param value string\n---\n"
     "Adds a header to the request that goes to the vendor. Names that frame the message or hold credentials are "
     "refused."},
    {"tag", req_tag, BEFORE_SETTLE, false,
     "@param key string\n@param value string\n---\nAdds a trusted tag to the usage record, for cost allocation."},
    {"add_message", req_add_message, BEFORE_ROUTE, false,
     "@param role \"system\"|\"developer\"|\"user\"|\"assistant\"\n@param text string\n---\n"
     "Adds a message at the end of the conversation."},
    {"remove_tool", req_remove_tool, BEFORE_ROUTE, false,
     "@param name string\n@return boolean removed false: there was no such tool\n---\nTakes a tool away from the "
     "model."},
    {"targets_match", req_targets_match, MG_ANY_PHASE, false,
     "@param glob string `*` stands for anything, slashes included\n@return boolean\n---\n"
     "True if one of the targets, or the model that was asked for, matches."},
    {"redact", req_redact, BEFORE_ROUTE, false,
     "@param options? {types?: string[], mode?: \"mask\"|\"hash\"} all types, and \"mask\", unless given\n"
     "@return integer count how many spans were replaced\n---\n"
     "Replaces personal data in all texts of the request: `[REDACTED_EMAIL]`, or with `hash` a keyed hash that is the "
     "same "
     "for the same text. Raises when a detector fails, so that nothing goes out unread."},
    {"parts", req_parts, MG_ANY_PHASE, false,
     "@param options? {kind?: \"text\"|\"tool_arguments\"|\"image\"|\"audio\"|\"file\"|\"other\"}\n"
     "@return fun(): moongate.part?\n---\n"
     "Iterates over the parts of the conversation in order: `for p in req:parts{ kind = \"text\" } do … end`."},
    {NULL, NULL, 0, false, NULL},
};

static void req_open(lua_State *L) { mg_object_class_open(L, &mg_lua_req, NULL); }

const mg_lua_module mg_lua_req = {
    .name = "req",
    .class_ = true,
    .doc = "The request that a phase function is asked about. Its fields are read when they are used; it is changed by "
           "its "
           "methods, which raise when they can't.",
    .functions = req_methods,
    .fields = req_fields,
    .open = req_open,
};

void mg_lua_push_req(lua_State *L, mg_request *r) { mg_object_push_kept(L, &mg_lua_req, r); }
