/* Module re: Perl-compatible regular expressions (PCRE2) that can't run away. Compiled patterns are kept, a bounded
 * number a state. */
#include "policy/modules.h"
#include "policy/regex.h"
#include "policy/scratch.h"

enum { COMPILE_UNITS = 1000, MATCH_UNITS = 20, BYTES_A_UNIT = 64, UNITS_A_US = 100 }; /* for the leash */

static const char key; /* its address names the registry's entry */

static int regexes_gc(lua_State *L) {
    mg_regexes **r = lua_touserdata(L, 1);
    mg_regexes_destroy(*r);
    *r = NULL;
    return 0;
}

/* Made when the state first needs it; the metatable is set while the pointer is still NULL. */
static mg_regexes *regexes_of(lua_State *L) {
    lua_pushlightuserdata(L, (void *)&key);
    lua_rawget(L, LUA_REGISTRYINDEX);
    mg_regexes **r = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (r) return *r;
    lua_pushlightuserdata(L, (void *)&key);
    r = lua_newuserdata(L, sizeof(mg_regexes *));
    *r = NULL;
    lua_newtable(L);
    lua_pushcfunction(L, regexes_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
    *r = mg_regexes_create();
    return *r;
}

static mg_regex *check_regex(lua_State *L, int index, mg_regexes *r) {
    mg_str pattern = mg_lua_check_str(L, index);
    if (pattern.n > MG_REGEX_PATTERN_MAX)
        luaL_error(L, "the pattern is longer than %d bytes", (int)MG_REGEX_PATTERN_MAX);
    mg_regex *e = mg_regexes_find(r, pattern);
    if (e) return e;
    mg_lua_charge(L, COMPILE_UNITS + 10 * pattern.n);
    mg_error error = {0};
    e = mg_regexes_compile(r, pattern, &error);
    if (!e) luaL_error(L, "%s", error.text);
    return e;
}

/* Searches and charges for the time. On MG_ERROR nil and a sentence have been pushed. */
static mg_status next(lua_State *L, mg_search *s, size_t at, bool here) {
    mg_error error = {0};
    uint64_t before = mg_search_us(s);
    mg_status status = mg_search_next(s, at, here, &error);
    mg_lua_charge(L, MATCH_UNITS + (mg_search_us(s) - before) * UNITS_A_US);
    if (status == MG_ERROR) {
        lua_pushnil(L);
        lua_pushstring(L, error.text);
    }
    return status;
}

static mg_str group(const mg_search *s, size_t i, bool *set) {
    size_t start, end;
    *set = mg_search_group(s, i, &start, &end);
    return *set ? mg_str_from(s->text.p + start, end - start) : MG_STR("");
}

static void push_group(lua_State *L, const mg_search *s, size_t i) {
    bool set;
    mg_str text = group(s, i, &set);
    if (set)
        mg_lua_push_str(L, text);
    else
        lua_pushboolean(L, false);
}

/* {[0] = whole match, first group, …, name = group} */
static void push_captures(lua_State *L, const mg_search *s) {
    size_t groups = mg_regex_groups(s->regex), names = mg_regex_names(s->regex), number;
    lua_createtable(L, (int)groups, (int)names + 1);
    for (size_t i = 0; i <= groups; i++) {
        push_group(L, s, i);
        lua_rawseti(L, -2, (int)i);
    }
    for (size_t i = 0; i < names; i++) {
        const char *name = mg_regex_name(s->regex, i, &number);
        push_group(L, s, number);
        lua_setfield(L, -2, name);
    }
}

/* Arguments text, pattern, init: 1-based, as in string.find. */
static mg_status search(lua_State *L, mg_search *s) {
    mg_str text = mg_lua_check_str(L, 1);
    lua_Number init = luaL_optnumber(L, 3, 1);
    if (!(init >= 1)) luaL_error(L, "the third argument must be a position, 1 or more, got %f", init);
    mg_regexes *r = regexes_of(L);
    mg_regex *e = check_regex(L, 2, r);
    if (init > (lua_Number)text.n + 1) return MG_DECLINED;
    mg_lua_charge(L, text.n / BYTES_A_UNIT);
    mg_search_init(s, r, e, text);
    return next(L, s, (size_t)init - 1, false);
}

static int re_match(lua_State *L) {
    mg_search s;
    mg_status status = search(L, &s);
    if (status == MG_ERROR) return 2;
    if (status == MG_OK)
        push_captures(L, &s);
    else
        lua_pushboolean(L, false);
    return 1;
}

static int re_find(lua_State *L) {
    mg_search s;
    size_t start, end;
    mg_status status = search(L, &s);
    if (status == MG_ERROR) return 2;
    if (status != MG_OK || !mg_search_group(&s, 0, &start, &end)) return lua_pushboolean(L, false), 1;
    lua_pushnumber(L, (lua_Number)start + 1);
    lua_pushnumber(L, (lua_Number)end);
    push_captures(L, &s);
    return 3;
}

/* Appends the group that "$1", "${name}" or "$$" at the start of `from` stands for; returns the length of the
 * reference. */
static size_t expand_reference(lua_State *L, mg_buf *out, const mg_search *s, mg_str from) {
    bool set;
    size_t groups = mg_regex_groups(s->regex), number, end = mg_str_find(from, '}');
    char c = from.n > 1 ? from.p[1] : 0;
    if (c == '$') {
        mg_buf_add(out, "$", 1);
        return 2;
    }
    if (c >= '0' && c <= '9') {
        if ((size_t)(c - '0') > groups)
            luaL_error(L, "re.gsub: the replacement names group %c, and the pattern has %d", c, (int)groups);
        mg_buf_str(out, group(s, (size_t)(c - '0'), &set));
        return 2;
    }
    if (c != '{' || end == from.n) luaL_error(L, "re.gsub: a '$' in the replacement must begin $1, ${name} or $$");
    if (!mg_regex_named(s->regex, mg_str_from(from.p + 2, end - 2), &number))
        luaL_error(L, "re.gsub: the replacement names a group that the pattern lacks");
    mg_buf_str(out, group(s, number, &set));
    return end + 1;
}

static void expand(lua_State *L, mg_buf *out, const mg_search *s, mg_str replacement) {
    while (replacement.n) {
        size_t plain = mg_str_find(replacement, '$');
        mg_buf_add(out, replacement.p, plain);
        replacement = mg_str_skip(replacement, plain);
        if (replacement.n) replacement = mg_str_skip(replacement, expand_reference(L, out, s, replacement));
    }
}

/* What the match becomes: by the replacement text at 3, or the table at 3, where a missing entry leaves the match. */
static void replace(lua_State *L, mg_buf *out, const mg_search *s) {
    bool set;
    mg_str whole = group(s, 0, &set), text;
    if (lua_type(L, 3) == LUA_TSTRING) {
        text.p = lua_tolstring(L, 3, &text.n);
        expand(L, out, s, text);
        return;
    }
    mg_lua_push_str(L, whole);
    lua_rawget(L, 3);
    if (lua_type(L, -1) == LUA_TSTRING) {
        text.p = lua_tolstring(L, -1, &text.n);
        mg_buf_str(out, text);
    } else {
        mg_buf_str(out, whole);
    }
    lua_pop(L, 1);
}

/* The loop of gsub. After an empty match the same place is tried again for one that is not empty; only if there is
 * none a character is passed over. Returns the number of replacements, or -1 with nil and a sentence pushed. */
static int64_t replace_all(lua_State *L, mg_search *s, int64_t max, mg_buf *out) {
    size_t at = 0, copied = 0, start, end;
    int64_t count = 0;
    bool here = false;
    while (count < max && at <= s->text.n && !out->over) {
        mg_status status = next(L, s, at, here);
        if (status == MG_ERROR) return -1;
        if (status == MG_DECLINED && (!here || at == s->text.n)) break;
        if (status == MG_DECLINED) {
            at += mg_search_char(s, at);
            here = false;
            continue;
        }
        if (!mg_search_group(s, 0, &start, &end) || start < copied)
            break; /* \K in a look-around: no sensible replacement */
        mg_buf_add(out, s->text.p + copied, start - copied);
        replace(L, out, s);
        count++;
        at = copied = end;
        here = start == end;
    }
    mg_buf_add(out, s->text.p + copied, s->text.n - copied);
    return count;
}

static int re_gsub(lua_State *L) {
    mg_str text = mg_lua_check_str(L, 1);
    if (lua_type(L, 3) != LUA_TSTRING && lua_type(L, 3) != LUA_TTABLE)
        return luaL_error(L, "re.gsub: the replacement must be a string or a table, got %s", luaL_typename(L, 3));
    lua_Number max = luaL_optnumber(L, 4, 1e15);
    if (!(max >= 0 && max <= 1e15))
        return luaL_error(L, "re.gsub: the fourth argument must be a number of replacements");
    mg_regexes *r = regexes_of(L);
    mg_regex *e = check_regex(L, 2, r);
    mg_lua_charge(L, text.n / BYTES_A_UNIT);
    mg_search s;
    mg_buf *out = mg_scratch_buf(L);
    mg_search_init(&s, r, e, text);
    int64_t count = replace_all(L, &s, (int64_t)max, out);
    if (count < 0) return 2;
    if (out->over) return luaL_error(L, "re.gsub: the result is longer than 4 MB");
    mg_lua_push_str(L, mg_buf_view(out));
    lua_pushnumber(L, (lua_Number)count);
    return 2;
}

static const mg_lua_function functions[] = {
    {"match", re_match, MG_ANY_PHASE | MG_AT_LOAD, false,
     "@param text string\n@param pattern string\n@param init? integer where to begin, from 1\n"
     "@return table|false|nil captures `{[0] = whole, first, …, name = …}`, groups that took no part are false; false: "
     "no "
     "match; nil: not known, because the pattern ran into its limits\n@return string? error\n---\n"
     "Finds the first match and returns what its groups took. A wrong pattern raises."},
    {"find", re_find, MG_ANY_PHASE | MG_AT_LOAD, false,
     "@param text string\n@param pattern string\n@param init? integer where to begin, from 1\n"
     "@return integer|false|nil start its first byte, from 1; false: no match; nil: not known\n"
     "@return integer|string|nil stop its last byte, or what went wrong\n@return table? captures as of "
     "`re.match`\n---\n"
     "Finds the first match and says where it stands."},
    {"gsub", re_gsub, MG_ANY_PHASE | MG_AT_LOAD, false,
     "@param text string\n@param pattern string\n"
     "@param replacement string|table<string, string> `$0` to `$9`, `${name}` and `$$` in a string; a table is asked "
     "for "
     "the whole match, and leaves alone what it lacks\n"
     "@param max? integer how many at most\n"
     "@return string? text nil: not known, because the pattern ran into its limits\n@return integer|string count or "
     "what went "
     "wrong\n---\nReplaces the matches."},
    {NULL, NULL, 0, false, NULL},
};

const mg_lua_module mg_lua_re = {
    .name = "re",
    .doc = "Regular expressions as in Perl (PCRE2), without regard to UTF-8 unless the pattern begins with `(*UTF)`; "
           "`(?i)` "
           "ignores case. A pattern that takes too many steps gives nil and a sentence, never \"no match\". `\\G` is "
           "not supported.",
    .functions = functions,
};
