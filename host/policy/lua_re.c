/* Module re: Perl-compatible regular expressions (PCRE2) that can't run away. Compiled patterns are kept, a bounded number a
 * state. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "policy/modules.h"
#include "policy/scratch.h"
#include <pcre2.h>
#include <stdlib.h>

enum {
    CACHE_SIZE = 64,
    PATTERN_MAX = 4096,          /* bytes of a pattern's text */
    JIT_CODE_MAX = 8192,         /* larger ones are interpreted: machine code takes about ten times the room */
    MATCH_LIMIT = 100000,
    DEPTH_LIMIT = 1000,
    HEAP_LIMIT_KB = 1024,
    JIT_STACK_MIN = 32 << 10,
    JIT_STACK_MAX = 256 << 10,
    COMPILE_UNITS = 1000,        /* leash: compiling, */
    MATCH_UNITS = 20,            /* a match, */
    BYTES_A_UNIT = 16            /* and text scanned */
};

typedef struct regex {
    pcre2_code *code;
    pcre2_match_data *match;
    char *text;
    size_t n;
    uint64_t used; /* tick of the last use: the oldest makes room */
} regex;

typedef struct cache {
    pcre2_compile_context *compile;
    pcre2_match_context *limits;
    pcre2_jit_stack *stack;
    uint64_t tick;
    regex entries[CACHE_SIZE];
} cache;

static const char key; /* its address names the registry's entry */

static void regex_free(regex *e) {
    pcre2_match_data_free(e->match);
    pcre2_code_free(e->code);
    free(e->text);
    *e = (regex){0};
}

static int cache_gc(lua_State *L) {
    cache *c = lua_touserdata(L, 1);
    for (size_t i = 0; i < CACHE_SIZE; i++) regex_free(&c->entries[i]);
    pcre2_jit_stack_free(c->stack);
    pcre2_match_context_free(c->limits);
    pcre2_compile_context_free(c->compile);
    *c = (cache){0};
    return 0;
}

static void cache_init(cache *c) {
    c->compile = pcre2_compile_context_create(NULL);
    c->limits = pcre2_match_context_create(NULL);
    c->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
    if (!c->compile || !c->limits || !c->stack) mg_oom(JIT_STACK_MIN);
    pcre2_set_max_pattern_length(c->compile, PATTERN_MAX);
    pcre2_set_parens_nest_limit(c->compile, 100);
    pcre2_set_match_limit(c->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(c->limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(c->limits, HEAP_LIMIT_KB);
    pcre2_jit_stack_assign(c->limits, NULL, c->stack);
}

/* Made when the state first needs it; the metatable is set while everything is still NULL. */
static cache *cache_of(lua_State *L) {
    lua_pushlightuserdata(L, (void *)&key);
    lua_rawget(L, LUA_REGISTRYINDEX);
    cache *c = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (c) return c;
    lua_pushlightuserdata(L, (void *)&key);
    c = lua_newuserdata(L, sizeof *c);
    memset(c, 0, sizeof *c);
    lua_newtable(L);
    lua_pushcfunction(L, cache_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
    cache_init(c);
    return c;
}

/* The entry of the pattern, or the one to be replaced: an empty one, else the longest unused. */
static regex *cache_find(cache *c, mg_str pattern, bool *found) {
    regex *oldest = &c->entries[0];
    *found = false;
    for (size_t i = 0; i < CACHE_SIZE; i++) {
        regex *e = &c->entries[i];
        if (e->code && e->n == pattern.n && memcmp(e->text, pattern.p, pattern.n) == 0) {
            *found = true;
            return e;
        }
        if (e->used < oldest->used) oldest = e;
    }
    return oldest;
}

static regex *compile(lua_State *L, cache *c, regex *e, mg_str pattern) {
    mg_lua_charge(L, COMPILE_UNITS + 10 * pattern.n);
    regex_free(e);
    int code;
    PCRE2_SIZE at;
    e->code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n, PCRE2_NEVER_BACKSLASH_C, &code, &at, c->compile);
    if (!e->code) {
        char why[160];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        luaL_error(L, "the pattern is wrong at character %d: %s", (int)at + 1, why);
    }
    size_t size = 0;
    pcre2_pattern_info(e->code, PCRE2_INFO_SIZE, &size);
    if (size <= JIT_CODE_MAX) pcre2_jit_compile(e->code, PCRE2_JIT_COMPLETE); /* without it it is interpreted */
    e->match = pcre2_match_data_create_from_pattern(e->code, NULL);
    if (!e->match) mg_oom(size);
    e->text = mg_strndup(pattern.p, pattern.n);
    e->n = pattern.n;
    return e;
}

static regex *check_regex(lua_State *L, int index, cache *c) {
    mg_str pattern = mg_lua_check_str(L, index);
    if (pattern.n > PATTERN_MAX) luaL_error(L, "the pattern is longer than %d bytes", (int)PATTERN_MAX);
    bool found;
    regex *e = cache_find(c, pattern, &found);
    if (!found) compile(L, c, e, pattern);
    e->used = ++c->tick;
    return e;
}

/* Matches from byte `at`. 1: yes; 0: no; -1: nil and a sentence were pushed. */
static int run(lua_State *L, cache *c, regex *e, mg_str text, size_t at, uint32_t options) {
    int rc = pcre2_match(e->code, (PCRE2_SPTR)text.p, text.n, at, options, e->match, c->limits);
    if (rc >= 0) return 1;
    if (rc == PCRE2_ERROR_NOMATCH) return 0;
    lua_pushnil(L);
    if (rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_DEPTHLIMIT || rc == PCRE2_ERROR_HEAPLIMIT ||
        rc == PCRE2_ERROR_JIT_STACKLIMIT) {
        lua_pushliteral(L, "the pattern takes too many steps on this text: whether it matches is not known");
    } else {
        char why[160];
        pcre2_get_error_message(rc, (PCRE2_UCHAR *)why, sizeof why);
        lua_pushfstring(L, "the text can't be matched: %s", why);
    }
    return -1;
}

static mg_str group(const regex *e, mg_str text, uint32_t i, bool *set) {
    const PCRE2_SIZE *ovector = pcre2_get_ovector_pointer(e->match);
    *set = ovector[2 * i] != PCRE2_UNSET && ovector[2 * i] <= ovector[2 * i + 1];
    return *set ? mg_str_from(text.p + ovector[2 * i], ovector[2 * i + 1] - ovector[2 * i]) : MG_STR("");
}

static void push_group(lua_State *L, const regex *e, mg_str text, uint32_t i) {
    bool set;
    mg_str s = group(e, text, i, &set);
    if (set) mg_lua_push_str(L, s);
    else lua_pushboolean(L, false);
}

/* {[0] = whole match, first group, …, name = group}. The name table of PCRE2: two bytes of number, the name, a 0. */
static void push_captures(lua_State *L, const regex *e, mg_str text) {
    uint32_t groups = 0, names = 0, size = 0;
    const char *name = NULL;
    pcre2_pattern_info(e->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    pcre2_pattern_info(e->code, PCRE2_INFO_NAMECOUNT, &names);
    pcre2_pattern_info(e->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    pcre2_pattern_info(e->code, PCRE2_INFO_NAMETABLE, &name);
    lua_createtable(L, (int)groups, (int)names + 1);
    for (uint32_t i = 0; i <= groups; i++) {
        push_group(L, e, text, i);
        lua_rawseti(L, -2, (int)i);
    }
    for (uint32_t i = 0; i < names; i++, name += size) {
        push_group(L, e, text, (uint32_t)((uint8_t)name[0] << 8 | (uint8_t)name[1]));
        lua_setfield(L, -2, name + 2);
    }
}

/* Arguments text, pattern, init: 1-based, as in string.find. Returns what run() returns. */
static int search(lua_State *L, cache **c, regex **e, mg_str *text) {
    *text = mg_lua_check_str(L, 1);
    lua_Number init = luaL_optnumber(L, 3, 1);
    *c = cache_of(L);
    *e = check_regex(L, 2, *c);
    if (!(init >= 1)) luaL_error(L, "the third argument must be a position, 1 or more, got %f", init);
    if (init > (lua_Number)text->n + 1) return 0;
    mg_lua_charge(L, MATCH_UNITS + text->n / BYTES_A_UNIT);
    return run(L, *c, *e, *text, (size_t)init - 1, 0);
}

static int re_match(lua_State *L) {
    cache *c;
    regex *e;
    mg_str text;
    int found = search(L, &c, &e, &text);
    if (found < 0) return 2;
    if (found) push_captures(L, e, text);
    else lua_pushboolean(L, false);
    return 1;
}

static int re_find(lua_State *L) {
    cache *c;
    regex *e;
    mg_str text;
    int found = search(L, &c, &e, &text);
    if (found < 0) return 2;
    if (found == 0) return lua_pushboolean(L, false), 1;
    const PCRE2_SIZE *ovector = pcre2_get_ovector_pointer(e->match);
    lua_pushnumber(L, (lua_Number)ovector[0] + 1);
    lua_pushnumber(L, (lua_Number)ovector[1]);
    push_captures(L, e, text);
    return 3;
}

/* Appends the group that "$1", "${name}" or "$$" at the start of s stands for; returns the length of the reference. */
static size_t expand_reference(lua_State *L, mg_buf *out, const regex *e, mg_str text, mg_str s) {
    bool set;
    uint32_t groups = 0;
    pcre2_pattern_info(e->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    if (s.n > 1 && s.p[1] == '$') {
        mg_buf_add(out, "$", 1);
        return 2;
    }
    if (s.n > 1 && s.p[1] >= '0' && s.p[1] <= '9') {
        uint32_t i = (uint32_t)(s.p[1] - '0');
        if (i > groups) luaL_error(L, "re.gsub: the replacement names group %d, and the pattern has %d", (int)i, (int)groups);
        mg_buf_str(out, group(e, text, i, &set));
        return 2;
    }
    size_t end = mg_str_find(s, '}');
    char name[64];
    if (s.n < 2 || s.p[1] != '{' || end == s.n || end - 2 >= sizeof name)
        luaL_error(L, "re.gsub: a '$' in the replacement must begin $1, ${name} or $$");
    memcpy(name, s.p + 2, end - 2);
    name[end - 2] = 0;
    int number = pcre2_substring_number_from_name(e->code, (PCRE2_SPTR)name);
    if (number < 0) luaL_error(L, "re.gsub: the replacement names group '%s', which the pattern lacks", name);
    mg_buf_str(out, group(e, text, (uint32_t)number, &set));
    return end + 1;
}

static void expand(lua_State *L, mg_buf *out, const regex *e, mg_str text, mg_str replacement) {
    while (replacement.n) {
        size_t plain = mg_str_find(replacement, '$');
        mg_buf_add(out, replacement.p, plain);
        replacement = mg_str_skip(replacement, plain);
        if (replacement.n) replacement = mg_str_skip(replacement, expand_reference(L, out, e, text, replacement));
    }
}

/* What the match becomes: by the replacement text at 3, or the table at 3 (a missing entry leaves the match as it is). */
static void replace(lua_State *L, mg_buf *out, const regex *e, mg_str text) {
    bool set;
    mg_str whole = group(e, text, 0, &set), s;
    if (lua_type(L, 3) == LUA_TSTRING) {
        s.p = lua_tolstring(L, 3, &s.n);
        expand(L, out, e, text, s);
        return;
    }
    mg_lua_push_str(L, whole);
    lua_rawget(L, 3);
    if (lua_type(L, -1) == LUA_TSTRING) {
        s.p = lua_tolstring(L, -1, &s.n);
        mg_buf_str(out, s);
    } else {
        mg_buf_str(out, whole);
    }
    lua_pop(L, 1);
}

/* Bytes of the character at `at`: after an empty match in UTF mode a whole one has to be passed over. */
static size_t char_bytes(const regex *e, mg_str text, size_t at) {
    uint32_t options = 0;
    pcre2_pattern_info(e->code, PCRE2_INFO_ALLOPTIONS, &options);
    size_t n = options & PCRE2_UTF ? mg_str_utf8(mg_str_skip(text, at)) : 1;
    return n ? n : 1;
}

/* The loop of gsub. After an empty match the same place is tried again for one that is not empty; only if there is none a
 * character is passed over. Returns the number of replacements, or -1 with nil and a sentence pushed. */
static int64_t replace_all(lua_State *L, cache *c, regex *e, mg_str text, int64_t max, mg_buf *out) {
    size_t at = 0, copied = 0;
    int64_t count = 0;
    uint32_t options = 0;
    while (count < max && at <= text.n) {
        mg_lua_charge(L, MATCH_UNITS);
        int found = run(L, c, e, text, at, options);
        if (found < 0) return -1;
        if (found == 0) {
            if (!options || at >= text.n) break;
            at += char_bytes(e, text, at);
            options = 0;
            continue;
        }
        const PCRE2_SIZE *ovector = pcre2_get_ovector_pointer(e->match);
        size_t start = ovector[0], end = ovector[1];
        if (end < start || start < copied) break; /* \K in a look-around: there is no sensible replacement */
        mg_buf_add(out, text.p + copied, start - copied);
        replace(L, out, e, text);
        count++;
        at = copied = end;
        options = start == end ? PCRE2_NOTEMPTY_ATSTART | PCRE2_ANCHORED : 0;
    }
    mg_buf_add(out, text.p + copied, text.n - copied);
    return count;
}

static int re_gsub(lua_State *L) {
    mg_str text = mg_lua_check_str(L, 1);
    cache *c = cache_of(L);
    if (lua_type(L, 3) != LUA_TSTRING && lua_type(L, 3) != LUA_TTABLE)
        return luaL_error(L, "re.gsub: the replacement must be a string or a table, got %s", luaL_typename(L, 3));
    lua_Number max = luaL_optnumber(L, 4, 1e15);
    if (!(max >= 0)) return luaL_error(L, "re.gsub: the fourth argument must be a number of replacements, got %f", max);
    regex *e = check_regex(L, 2, c);
    mg_lua_charge(L, text.n / BYTES_A_UNIT);
    mg_buf *out = mg_scratch_buf(L);
    int64_t count = replace_all(L, c, e, text, max < 1e15 ? (int64_t)max : (int64_t)1e15, out);
    if (count < 0) return 2;
    if (out->over) return luaL_error(L, "re.gsub: the result is longer than 4 MB");
    mg_lua_push_str(L, mg_buf_view(out));
    lua_pushnumber(L, (lua_Number)count);
    return 2;
}

static const mg_lua_function functions[] = {
    {"match", re_match, MG_ANY_PHASE | MG_AT_LOAD, false,
     "@param text string\n@param pattern string\n@param init? integer where to begin, from 1\n"
     "@return table|false|nil captures `{[0] = whole, first, …, name = …}`, groups that took no part are false; false: no "
     "match; nil: not known, because the pattern ran into its limits\n@return string? error\n---\n"
     "Finds the first match and returns what its groups took. A wrong pattern raises."},
    {"find", re_find, MG_ANY_PHASE | MG_AT_LOAD, false,
     "@param text string\n@param pattern string\n@param init? integer where to begin, from 1\n"
     "@return integer|false|nil start its first byte, from 1; false: no match; nil: not known\n"
     "@return integer|string|nil stop its last byte, or what went wrong\n@return table? captures as of `re.match`\n---\n"
     "Finds the first match and says where it stands."},
    {"gsub", re_gsub, MG_ANY_PHASE | MG_AT_LOAD, false,
     "@param text string\n@param pattern string\n"
     "@param replacement string|table<string, string> `$0` to `$9`, `${name}` and `$$` in a string; a table is asked for "
     "the whole match, and leaves alone what it lacks\n"
     "@param max? integer how many at most\n"
     "@return string? text nil: not known, because the pattern ran into its limits\n@return integer|string count or what went "
     "wrong\n---\nReplaces the matches."},
    {NULL, NULL, 0, false, NULL},
};

const mg_lua_module mg_lua_re = {
    .name = "re",
    .doc = "Regular expressions as in Perl (PCRE2), without regard to UTF-8 unless the pattern begins with `(*UTF)`; `(?i)` "
           "ignores case. A pattern that takes too many steps gives nil and a sentence, never \"no match\".",
    .functions = functions,
};
