/* Module pii: personal data in any text. */
#include "policy/modules.h"
#include "gateway/detect.h"
#include "policy/object.h"
#include "policy/scratch.h"

enum { BYTES_A_UNIT = 8 };

static const char *const severities[] = {"low", "medium", "high", "critical"};

static void push_span(lua_State *L, const mg_found *f) {
    lua_createtable(L, 0, 5);
    lua_pushstring(L, f->type);
    lua_setfield(L, -2, "type");
    lua_pushstring(L, severities[f->severity <= MG_SEVERITY_CRITICAL ? f->severity : MG_SEVERITY_CRITICAL]);
    lua_setfield(L, -2, "severity");
    lua_pushnumber(L, f->confidence);
    lua_setfield(L, -2, "confidence");
    lua_pushnumber(L, (lua_Number)f->start + 1);
    lua_setfield(L, -2, "start");
    lua_pushnumber(L, (lua_Number)f->end);
    lua_setfield(L, -2, "stop");
}

static int pii_find(lua_State *L) {
    mg_str text = mg_lua_check_str(L, 1), types[MG_LUA_MAX_TYPES];
    size_t n_types = mg_lua_check_strings(L, 2, "pii.find: 'types'", types, MG_LUA_MAX_TYPES), n = 0;
    if (n_types == 0 && !lua_isnoneornil(L, 2))
        return luaL_error(L, "pii.find: 'types' is empty: leave it out for all types");
    mg_request *r = mg_lua_request(L);
    mg_worker *w = mg_call_worker(mg_call_of(L));
    mg_lua_charge(L, text.n / BYTES_A_UNIT);
    const mg_found *found = NULL;
    mg_error error = {0};
    mg_arena *arena = mg_scratch_arena(L);
    if (mg_detect(w, r->snapshot, arena, text, n_types ? types : NULL, n_types, &found, &n, &error) == MG_ERROR) {
        lua_pushnil(L);
        lua_pushstring(L, error.text);
        return 2;
    }
    lua_createtable(L, n < 1000 ? (int)n : 1000, 0);
    for (size_t i = 0; i < n; i++) {
        push_span(L, &found[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

static const mg_lua_function functions[] = {
    {"find", pii_find, MG_ANY_PHASE, false,
     "@param text string\n@param types? string[] `credit_card`, `email`, … as the detectors name them; all unless "
     "given\n"
     "@return moongate.span[]? spans in order, without overlaps; nil: a detector failed or a type is not known\n"
     "@return string? error\n---\nFinds personal data. To replace it in the request use `req:redact`, which reads "
     "every part."},
    {NULL, NULL, 0, false, NULL},
};

const mg_lua_module mg_lua_pii = {
    .name = "pii",
    .doc = "Personal data, found by the configured detectors.",
    .functions = functions,
};

static const mg_lua_field span_fields[] = {
    {"type", "string", "`email`, …", NULL},
    {"severity", "\"low\"|\"medium\"|\"high\"|\"critical\"", "How bad it is to let it out.", NULL},
    {"confidence", "number", "From 0 to 1.", NULL},
    {"start", "integer", "Its first byte, counted from 1: `text:sub(span.start, span.stop)` is the span.", NULL},
    {"stop", "integer", "Its last byte.", NULL},
    {NULL, NULL, NULL, NULL},
};

const mg_lua_module mg_lua_span = {
    .name = "span",
    .class_ = true,
    .doc = "What `pii.find` finds.",
    .fields = span_fields,
};
