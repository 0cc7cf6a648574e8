#include "policy/fields.h"
#include "policy/nearest.h"

#include <math.h>

void mg_fields_fail(mg_fields *f, const char *field, const char *expected) {
    if (!f->failed) mg_fail(f->error, 0, "", "%s: '%s' must be %s", f->who, field, expected);
    f->failed = true;
}

bool mg_fields_push(mg_fields *f, const char *field) {
    lua_pushstring(f->L, field);
    lua_rawget(f->L, f->table);
    if (!lua_isnil(f->L, -1)) return true;
    lua_pop(f->L, 1);
    return false;
}

/* ---- the value on top of the stack ------------------------------------------------------------------------------- */

mg_str mg_fields_text_here(mg_fields *f, const char *field, size_t max, const char *expected) {
    mg_str s = MG_STR("");
    if (lua_type(f->L, -1) == LUA_TSTRING)
        s.p = lua_tolstring(f->L, -1, &s.n);
    else
        mg_fields_fail(f, field, expected);
    if (s.n > max) mg_fields_fail(f, field, expected);
    return s;
}

double mg_fields_number_here(mg_fields *f, const char *field, double min, double max, const char *expected) {
    double n = lua_type(f->L, -1) == LUA_TNUMBER ? lua_tonumber(f->L, -1) : NAN;
    if (n >= min && n <= max) return n;
    mg_fields_fail(f, field, expected);
    return 0;
}

bool mg_fields_bool_here(mg_fields *f, const char *field) {
    if (lua_type(f->L, -1) != LUA_TBOOLEAN) mg_fields_fail(f, field, "true or false");
    return lua_toboolean(f->L, -1);
}

int mg_fields_choice_here(mg_fields *f, const char *field, const char *const *words, int n, const char *expected) {
    mg_str s = {NULL, 0};
    if (lua_type(f->L, -1) == LUA_TSTRING) s.p = lua_tolstring(f->L, -1, &s.n);
    for (int i = 0; i < n; i++)
        if (s.n && mg_str_is(s, words[i])) return i;
    mg_fields_fail(f, field, expected);
    return 0;
}

/* ---- fields ------------------------------------------------------------------------------------------------------ */

mg_str mg_fields_text(mg_fields *f, const char *field, size_t max, const char *expected) {
    if (!mg_fields_push(f, field)) return MG_STR("");
    mg_str s = mg_fields_text_here(f, field, max, expected);
    lua_pop(f->L, 1); /* the table keeps it */
    return s;
}

mg_str mg_fields_word(mg_fields *f, const char *field, size_t max) {
    static const char expected[] = "a word of letters, digits, '_', '-', '.', '/' and ':' that is not too long";
    mg_str s = mg_fields_text(f, field, max, expected);
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool ok =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("_-./:", c));
        if (!ok) mg_fields_fail(f, field, expected);
    }
    return s;
}

double mg_fields_number(mg_fields *f, const char *field, double otherwise, double min, double max,
                        const char *expected) {
    if (!mg_fields_push(f, field)) return otherwise;
    double n = mg_fields_number_here(f, field, min, max, expected);
    lua_pop(f->L, 1);
    return n;
}

void mg_fields_absent(mg_fields *f, const char *field, const char *why) {
    if (!mg_fields_push(f, field)) return;
    bool set = lua_toboolean(f->L, -1);
    lua_pop(f->L, 1);
    if (set) mg_fields_fail(f, field, why);
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static void fail_unknown(mg_fields *f, const mg_fields_option *options, mg_str key) {
    mg_nearest nearest = mg_nearest_of(key);
    for (; options->name; options++) mg_nearest_try(&nearest, mg_str_of(options->name));
    if (!f->failed)
        mg_fail(f->error, 0, "", "%s: unknown field '" MG_STR_FMT "'" MG_NEAREST_FMT, f->who,
                MG_STR_ARG(mg_str_cut(key, 60)), MG_NEAREST_ARG(nearest));
    f->failed = true;
}

void mg_fields_each(mg_fields *f, const mg_fields_option *options, void *out) {
    lua_State *L = f->L;
    lua_pushnil(L);
    while (lua_next(L, f->table)) {
        if (lua_type(L, -2) == LUA_TSTRING) {
            const mg_fields_option *o = options;
            mg_str key;
            key.p = lua_tolstring(L, -2, &key.n);
            while (o->name && !mg_str_is(key, o->name)) o++;
            if (o->name)
                o->read(f, out);
            else
                fail_unknown(f, options, key);
        }
        lua_pop(L, 1);
    }
}
