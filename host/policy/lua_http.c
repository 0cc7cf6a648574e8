/* Module http: requests to hosts that the configuration allows. */
#include "policy/modules.h"
#include "gateway/fetch.h"

enum {
    HEADERS_MAX = 32,
    BODY_MAX = 1 << 20,
    URL_MAX = 4096,
    NAME_BYTES = 64,
    VALUE_BYTES = 4096,
    TIMEOUT_MAX_MS = 5000
};

typedef struct pending { /* in the request's arena */
    mg_call *call;
    mg_fetch *fetch;
    const mg_fetch_result *result;
    const mg_error *error;
} pending;

static void cancel(void *arg) {
    pending *p = arg;
    if (p->fetch) mg_fetch_cancel(p->fetch);
}

/* Fields of one name are one value with commas, as HTTP has it. */
static void push_headers(lua_State *L, const mg_header *headers, size_t n) {
    lua_createtable(L, 0, n < HEADERS_MAX ? (int)n : HEADERS_MAX);
    for (size_t i = 0; i < n; i++) {
        mg_lua_push_str(L, headers[i].name);
        lua_pushvalue(L, -1);
        lua_rawget(L, -3);
        if (lua_isnil(L, -1)) {
            lua_pop(L, 1);
            mg_lua_push_str(L, headers[i].value);
        } else {
            lua_pushliteral(L, ", ");
            mg_lua_push_str(L, headers[i].value);
            lua_concat(L, 3);
        }
        lua_rawset(L, -3);
    }
}

static int push_answer(lua_State *L, void *data) {
    const pending *p = data;
    if (p->error) {
        lua_pushnil(L);
        lua_pushstring(L, p->error->text);
        return 2;
    }
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, p->result->status);
    lua_setfield(L, -2, "status");
    push_headers(L, p->result->headers, p->result->n_headers);
    lua_setfield(L, -2, "headers");
    mg_lua_push_str(L, p->result->body);
    lua_setfield(L, -2, "body");
    return 1;
}

static void answered(void *arg, const mg_fetch_result *result, const mg_error *error) {
    pending *p = arg;
    p->fetch = NULL;
    p->result = result;
    p->error = error;
    mg_call_ready(p->call, push_answer, p);
}

static bool token_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static void check_header(lua_State *L, mg_str name, mg_str value) {
    bool ok = name.n > 0 && name.n <= NAME_BYTES;
    for (size_t i = 0; ok && i < name.n; i++) ok = token_char(name.p[i]);
    if (!ok) luaL_error(L, "http.request: 'headers' has a name that is not one (letters, digits and '-')");
    ok = value.n <= VALUE_BYTES;
    for (size_t i = 0; ok && i < value.n; i++) ok = (uint8_t)value.p[i] >= ' ' ? value.p[i] != 127 : value.p[i] == '\t';
    if (!ok) luaL_error(L, "http.request: the value of header '%s' is too long or holds control characters", name.p);
}

/* Headers of the table on top of the stack; strings are borrowed from it. */
static size_t check_headers(lua_State *L, mg_header headers[HEADERS_MAX]) {
    size_t n = 0;
    int table = lua_gettop(L);
    if (!lua_isnil(L, table) && !lua_istable(L, table))
        luaL_error(L, "http.request: 'headers' must be a table of strings by name, got %s", luaL_typename(L, table));
    for (lua_pushnil(L); lua_istable(L, table) && lua_next(L, table); lua_pop(L, 1)) {
        if (n == HEADERS_MAX) luaL_error(L, "http.request: 'headers' may hold at most %d", (int)HEADERS_MAX);
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "http.request: 'headers' must be a table of strings by name");
        mg_header *h = &headers[n++];
        h->name.p = lua_tolstring(L, -2, &h->name.n);
        h->value.p = lua_tolstring(L, -1, &h->value.n);
        check_header(L, h->name, h->value);
    }
    lua_settop(L, table);
    return n;
}

static uint64_t check_timeout(lua_State *L) {
    double seconds = mg_lua_opt_field_number(L, 1, "timeout", TIMEOUT_MAX_MS / 1000.0);
    if (!(seconds > 0 && seconds * 1000 <= TIMEOUT_MAX_MS))
        luaL_error(L, "http.request: 'timeout' must be more than 0 and at most %d seconds", TIMEOUT_MAX_MS / 1000);
    uint64_t ms = (uint64_t)(seconds * 1000);
    return ms ? ms : 1; /* 0 would mean the longest */
}

static mg_str check_method(lua_State *L, mg_str body) {
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
    mg_str method = mg_lua_opt_field_str(L, 1, "method");
    if (!method.p) return body.p ? MG_STR("POST") : MG_STR("GET");
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (mg_str_is(method, methods[i])) return method;
    luaL_error(L, "http.request: 'method' must be GET, HEAD, POST, PUT, PATCH or DELETE, got \"%s\"", method.p);
    return method;
}

static mg_header *lower_names(mg_arena *arena, const mg_header *headers, size_t n) {
    mg_header *out = mg_arena_alloc(arena, (n + 1) * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        char *name = mg_arena_alloc(arena, headers[i].name.n);
        for (size_t k = 0; k < headers[i].name.n; k++) {
            char c = headers[i].name.p[k];
            name[k] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
        }
        out[i] = (mg_header){{name, headers[i].name.n}, headers[i].value};
    }
    return out;
}

/* What is borrowed from Lua stays until the request has been started: that copies it. */
static int http_request(lua_State *L) {
    static const char *const known[] = {"method", "url", "headers", "body", "timeout", NULL};
    luaL_checktype(L, 1, LUA_TTABLE);
    mg_lua_check_fields(L, 1, known, "http.request");
    mg_fetch_request q = {.url = mg_lua_opt_field_str(L, 1, "url"), .body = mg_lua_opt_field_str(L, 1, "body")};
    if (!q.url.n || q.url.n > URL_MAX)
        return luaL_error(L, "http.request: 'url' must be a URL of at most %d bytes", (int)URL_MAX);
    if (q.body.n > BODY_MAX) return luaL_error(L, "http.request: 'body' may have at most %d bytes", (int)BODY_MAX);
    q.method = check_method(L, q.body);
    q.timeout_ms = check_timeout(L);
    mg_header headers[HEADERS_MAX];
    lua_getfield(L, 1, "headers");
    q.n_headers = check_headers(L, headers);
    mg_request *r = mg_lua_request(L);
    mg_worker *w = mg_call_worker(mg_call_of(L));
    q.headers = lower_names(r->arena, headers, q.n_headers);
    pending *p = MG_ARENA_NEW(r->arena, pending);
    mg_call *call = p->call = mg_call_wait(L, cancel, p);
    mg_error error = {0};
    p->fetch = mg_fetch_start(w, r->snapshot, &q, answered, p, &error);
    if (!p->fetch) answered(p, NULL, &error);
    return mg_call_yield(L, call);
}

static const mg_lua_function functions[] = {
    {"request", http_request, MG_ANY_PHASE, true,
     "@param request {url: string, method?: \"GET\"|\"HEAD\"|\"POST\"|\"PUT\"|\"PATCH\"|\"DELETE\", "
     "headers?: table<string, string>, body?: string, timeout?: number} POST with a body, else GET; timeout in "
     "seconds, at "
     "most 5\n"
     "@return moongate.http_answer? answer nil: there was none\n@return string? error\n---\n"
     "Asks another server and waits for its answer, while other requests go on. Only hosts that the configuration "
     "lists, "
     "never private addresses unless it says so; redirects are not followed; answers of up to 1 MB."},
    {NULL, NULL, 0, false, NULL},
};

const mg_lua_module mg_lua_http = {
    .name = "http",
    .doc = "Requests to servers of your own: a moderation service, a directory.",
    .functions = functions,
};

static const mg_lua_field answer_fields[] = {
    {"status", "integer", "HTTP status. Errors such as 500 are answers, too.", NULL},
    {"headers", "table<string, string>", "By name in lower case.", NULL},
    {"body", "string", "The whole body.", NULL},
    {NULL, NULL, NULL, NULL},
};

const mg_lua_module mg_lua_http_answer = {
    .name = "http_answer",
    .class_ = true,
    .doc = "What `http.request` returns.",
    .fields = answer_fields,
};
