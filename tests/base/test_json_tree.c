/* The parser against a slow reference reader, which knows nothing of simdjson: on random documents and on damaged ones
 * both must accept the same texts and find the same values at the same offsets. */
#include "base/json.h"
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { MOST_VALUES = 20000, LONGEST = 1 << 17 };

typedef struct value {
    mg_json_type type;
    size_t start, end, key_start;
    mg_str key, text; /* decoded */
    size_t count;
    size_t object; /* index of the containing value */
    bool member;
} value;

typedef struct reference {
    const char *text;
    size_t n, at, depth;
    value values[MOST_VALUES];
    size_t n_values;
    char decoded[LONGEST * 4];
    size_t n_decoded;
} reference;

static uint64_t seed = 88172645463325252u;

static uint32_t chance(uint32_t n) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 11) % n);
}

/* ---- the reference ---- */

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static void skip_blanks(reference *r) {
    while (r->at < r->n && is_blank(r->text[r->at])) r->at++;
}

static bool accept(reference *r, char c) {
    if (r->at == r->n || r->text[r->at] != c) return false;
    r->at++;
    return true;
}

static void put_code_point(reference *r, uint32_t c) {
    char *out = r->decoded + r->n_decoded;
    if (c < 0x80) {
        out[0] = (char)c;
        r->n_decoded += 1;
    } else if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        r->n_decoded += 2;
    } else if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
        r->n_decoded += 3;
    } else {
        out[0] = (char)(0xf0 | c >> 18);
        out[1] = (char)(0x80 | (c >> 12 & 63));
        out[2] = (char)(0x80 | (c >> 6 & 63));
        out[3] = (char)(0x80 | (c & 63));
        r->n_decoded += 4;
    }
}

/* Decodes and encodes again: what does not come back the same is not UTF-8. */
static bool take_character(reference *r) {
    const uint8_t *p = (const uint8_t *)r->text + r->at;
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
    if (n == 0 || n > r->n - r->at) return false;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t c = n == 1 ? p[0] : p[0] & (0x7f >> n);
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2) return false;
        c = c << 6 | (p[i] & 63);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return false;
    put_code_point(r, c);
    r->at += n;
    return true;
}

static bool hex4(reference *r, uint32_t *out) {
    *out = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        if (r->at == r->n) return false;
        const char *digits = "0123456789abcdef", *d = strchr(digits, r->text[r->at] | 0x20);
        if (!d || !*d || (r->text[r->at] < '0')) return false;
        if (r->text[r->at] < 'A' && r->text[r->at] > '9') return false;
        *out = *out * 16 + (uint32_t)(d - digits);
    }
    return true;
}

static bool take_escape(reference *r) {
    if (++r->at == r->n) return false;
    char c = r->text[r->at++];
    uint32_t high, low;
    switch (c) {
    case '"':
    case '\\':
    case '/': put_code_point(r, (uint32_t)c); return true;
    case 'b': put_code_point(r, 8); return true;
    case 't': put_code_point(r, 9); return true;
    case 'n': put_code_point(r, 10); return true;
    case 'f': put_code_point(r, 12); return true;
    case 'r': put_code_point(r, 13); return true;
    case 'u': break;
    default: return false;
    }
    if (!hex4(r, &high)) return false;
    if (high >= 0xdc00 && high < 0xe000) return false;
    if (high >= 0xd800 && high < 0xdc00) {
        if (!accept(r, '\\') || !accept(r, 'u') || !hex4(r, &low) || low < 0xdc00 || low > 0xdfff) return false;
        high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    }
    put_code_point(r, high);
    return true;
}

static bool take_string(reference *r, mg_str *out) {
    size_t from = r->n_decoded;
    if (!accept(r, '"')) return false;
    while (r->at < r->n && r->text[r->at] != '"') {
        if ((uint8_t)r->text[r->at] < 0x20) return false;
        if (!(r->text[r->at] == '\\' ? take_escape(r) : take_character(r))) return false;
    }
    *out = mg_str_from(r->decoded + from, r->n_decoded - from);
    return accept(r, '"');
}

static bool some_digits(reference *r) {
    size_t from = r->at;
    while (r->at < r->n && r->text[r->at] >= '0' && r->text[r->at] <= '9') r->at++;
    return r->at > from;
}

static bool take_number(reference *r, mg_str *out) {
    size_t from = r->at;
    bool integer = true;
    accept(r, '-');
    if (!accept(r, '0') && !some_digits(r)) return false;
    if (accept(r, '.')) {
        integer = false;
        if (!some_digits(r)) return false;
    }
    if (accept(r, 'e') || accept(r, 'E')) {
        integer = false;
        if (!accept(r, '+')) accept(r, '-');
        if (!some_digits(r)) return false;
    }
    *out = mg_str_from(r->text + from, r->at - from);
    char z[400];
    if (out->n >= sizeof z) return false;
    memcpy(z, out->p, out->n);
    z[out->n] = 0;
    if (!integer) return isfinite(strtod(z, NULL));
    long double whole = strtold(z, NULL); /* 64 bits of precision: exact where it matters */
    return out->n < 22 && whole >= -0x1p63L && whole <= 18446744073709551615.0L;
}

static bool take_word(reference *r, const char *z) {
    for (; *z; z++)
        if (!accept(r, *z)) return false;
    return true;
}

static bool take_value(reference *r, value v);

static bool take_container(reference *r, size_t self) {
    bool object = r->text[r->at++] == '{';
    char closer = object ? '}' : ']';
    if (++r->depth > MG_JSON_MAX_DEPTH) return false;
    skip_blanks(r);
    if (!accept(r, closer)) {
        do {
            value v = {.object = self, .member = object};
            skip_blanks(r);
            v.key_start = object ? r->at : 0;
            if (object && !take_string(r, &v.key)) return false;
            skip_blanks(r);
            if (object && !accept(r, ':')) return false;
            r->values[self].count++;
            if (!take_value(r, v)) return false;
            skip_blanks(r);
        } while (accept(r, ','));
        if (!accept(r, closer)) return false;
    }
    r->depth--;
    return true;
}

static bool take_value(reference *r, value v) {
    skip_blanks(r);
    if (r->at == r->n || r->n_values == MOST_VALUES) return false;
    size_t self = r->n_values++;
    bool ok;
    v.start = r->at;
    r->values[self] = v;
    value *mine = &r->values[self];
    switch (r->text[r->at]) {
    case '"': mine->type = MG_JSON_STRING, ok = take_string(r, &mine->text); break;
    case '{': mine->type = MG_JSON_OBJECT, ok = take_container(r, self); break;
    case '[': mine->type = MG_JSON_ARRAY, ok = take_container(r, self); break;
    case 't': mine->type = MG_JSON_BOOL, ok = take_word(r, "true"); break;
    case 'f': mine->type = MG_JSON_BOOL, ok = take_word(r, "false"); break;
    case 'n': mine->type = MG_JSON_NULL, ok = take_word(r, "null"); break;
    default: mine->type = MG_JSON_NUMBER, ok = take_number(r, &mine->text);
    }
    mine->end = r->at;
    return ok;
}

static bool has_duplicates(const reference *r) {
    for (size_t i = 0; i < r->n_values; i++)
        for (size_t j = 0; j < i; j++)
            if (r->values[i].member && r->values[j].member && r->values[i].object == r->values[j].object &&
                mg_str_eq(r->values[i].key, r->values[j].key))
                return true;
    return false;
}

static bool reference_read(reference *r, const char *text, size_t n) {
    r->text = text;
    r->n = n;
    r->at = r->n_values = r->depth = r->n_decoded = 0;
    if (!take_value(r, (value){0})) return false;
    skip_blanks(r);
    return r->at == n && !has_duplicates(r);
}

/* ---- random documents ---- */

typedef struct writer {
    char *p;
    size_t n;
} writer;

static void put(writer *w, const char *z) {
    size_t n = strlen(z);
    if (w->n + n > LONGEST - 1000) return;
    memcpy(w->p + w->n, z, n);
    w->n += n;
}

static void put_blanks(writer *w) {
    static const char *const blanks[] = {" ", "\n", "\t", "\r", "  \n   "};
    while (chance(4) == 0) put(w, blanks[chance(5)]);
}

static void put_string(writer *w, uint32_t number) {
    static const char *const bits[] = {
        "a",       "xyz",     "\\n",    "\\\"",   "\\\\",       "\\/",
        "\\u0000", "\\u00e9", "\u00fc", "\u20ac", "\U0001f600", "\\ud83d\\ude00",
        "{",       "]",       ",",      ":",      "\\u0061",    "                                        ",
        "\\t",     "\x7f"};
    char unique[16];
    put(w, "\"");
    for (uint32_t n = chance(chance(8) ? 4 : 60); n; n--) put(w, bits[chance(sizeof bits / sizeof bits[0])]);
    snprintf(unique, sizeof unique, "%u", number);
    if (number) put(w, unique);
    put(w, "\"");
}

static void put_random(writer *w, uint32_t depth) {
    static const char *const numbers[] = {
        "0",      "-0",           "1", "-17", "3.25", "1e3", "1E-2", "18446744073709551615", "-9223372036854775808",
        "0.1e+1", "123456789.000"};
    put_blanks(w);
    uint32_t kind = depth && chance(3) ? 6 + chance(2) : chance(6), members = chance(chance(10) ? 5 : 40);
    if (kind < 2)
        put_string(w, 0);
    else if (kind < 3)
        put(w, numbers[chance(sizeof numbers / sizeof numbers[0])]);
    else if (kind < 6)
        put(w, kind == 3 ? "true" : kind == 4 ? "false" : "null");
    else {
        put(w, kind == 6 ? "[" : "{");
        for (uint32_t i = 0; i < members; i++) {
            if (i) put(w, ",");
            put_blanks(w);
            if (kind == 7) {
                put_string(w, chance(50) ? i + 1 : 1); /* now and then a duplicate */
                put_blanks(w);
                put(w, ":");
            }
            put_random(w, depth - 1);
        }
        put_blanks(w);
        put(w, kind == 6 ? "]" : "}");
    }
    put_blanks(w);
}

/* ---- comparing ---- */

static void same_tree(const reference *r, const mg_json *v, size_t *i) {
    assert_true(*i < r->n_values);
    const value *want = &r->values[(*i)++];
    assert_int_equal(mg_json_kind(v), want->type);
    assert_int_equal(v->src, want->start);
    assert_int_equal(v->src_end, want->end);
    assert_int_equal(v->count, want->count);
    assert_int_equal(v->key_src, want->key_start);
    assert_true(mg_str_eq(v->key, want->key));
    assert_true(mg_str_eq(v->str, want->text));
    if (want->type == MG_JSON_BOOL) assert_int_equal(v->truth, r->text[want->start] == 't');
    size_t children = 0;
    for (const mg_json *c = v->child; c; c = c->next, children++) same_tree(r, c, i);
    assert_int_equal(children, v->count);
}

typedef struct world {
    mg_json_parser *parser;
    mg_arena *arena;
    reference *reference;
    char *text;
    size_t accepted, refused;
} world;

static void compare(world *w, size_t n) {
    const mg_json *root;
    mg_error error = {0};
    mg_arena_reset(w->arena);
    /* The memory ends with the padding, so that the sanitizer sees a read too far. */
    char *exact = mg_malloc(n + MG_JSON_PADDING);
    memcpy(exact, w->text, n);
    memset(exact + n, '"', MG_JSON_PADDING);
    bool want = reference_read(w->reference, exact, n);
    mg_status got = mg_json_parse(w->parser, w->arena, exact, n, &root, &error);
    if (want != (got == MG_OK)) print_error("%.*s\n%s\n", (int)n, exact, error.text);
    assert_int_equal(got, want ? MG_OK : MG_ERROR);
    if (want) {
        size_t i = 0;
        same_tree(w->reference, root, &i);
        assert_int_equal(i, w->reference->n_values);
        w->accepted++;
    } else {
        assert_null(root);
        assert_int_equal(error.http, 400);
        assert_true(strstr(error.text, "at byte") || strstr(error.text, "empty"));
        w->refused++;
    }
    free(exact);
}

static void damage(char *text, size_t *n) {
    static const char bytes[] = "\"\\{}[]:,0e-.tfn u\x00\x1f\x80\xed\xff";
    size_t at = chance((uint32_t)*n);
    switch (chance(3)) {
    case 0: text[at] = bytes[chance(sizeof bytes - 1)]; break;
    case 1: memmove(text + at, text + at + 1, --*n - at); break;
    default: memmove(text + at + 1, text + at, (*n)++ - at); text[at] = bytes[chance(sizeof bytes - 1)];
    }
}

static int start(void **state) {
    world *w = MG_NEW(world);
    w->parser = mg_json_parser_create();
    w->arena = mg_arena_create(4096);
    w->reference = mg_malloc(sizeof *w->reference);
    w->text = mg_malloc(LONGEST);
    *state = w;
    return 0;
}

static int stop(void **state) {
    world *w = *state;
    mg_json_parser_destroy(w->parser);
    mg_arena_destroy(w->arena);
    free(w->reference);
    free(w->text);
    free(w);
    return 0;
}

static void finds_what_the_reference_finds(void **state) {
    world *w = *state;
    for (int i = 0; i < 3000; i++) {
        writer out = {w->text, 0};
        put_random(&out, 4);
        compare(w, out.n);
    }
    assert_true(w->accepted > 1000);
}

static void refuses_what_the_reference_refuses(void **state) {
    world *w = *state;
    w->accepted = w->refused = 0;
    for (int i = 0; i < 1500; i++) {
        writer out = {w->text, 0};
        put_random(&out, 3);
        for (int j = 0; j < 8 && out.n > 0 && out.n < 5000; j++) {
            damage(w->text, &out.n);
            compare(w, out.n);
        }
    }
    assert_true(w->accepted > 100 && w->refused > 1000);
}

static void refuses_every_prefix(void **state) {
    world *w = *state;
    const char *text = "{\"model\": \"gpt-4o\\u00e9\", \"messages\":[{\"role\":\"user\",\"content\":\"h\xc3\xa9llo\"}],"
                       "\"n\":1.5e3,\"t\":true,\"f\":false,\"z\":null}";
    for (size_t n = 1; n <= strlen(text); n++) {
        memcpy(w->text, text, n);
        compare(w, n);
    }
}

static void agrees_on_edges(void **state) {
    static const char *const texts[] = {"18446744073709551615",
                                        "18446744073709551616",
                                        "-9223372036854775808",
                                        "-9223372036854775809",
                                        "1e308",
                                        "1e309",
                                        "-1e400",
                                        "1e-400",
                                        "0.000000000000000000000000000001",
                                        "00",
                                        "01",
                                        "-",
                                        "-a",
                                        "1.",
                                        ".5",
                                        "+1",
                                        "1e",
                                        "1e+",
                                        "0x1",
                                        "NaN",
                                        "Infinity",
                                        "tru",
                                        "truex",
                                        "nul",
                                        "nulll",
                                        "\"\\ud800\"",
                                        "\"\\udc00\"",
                                        "\"\\ud800\\u0041\"",
                                        "\"\\ud83d\\ude00\"",
                                        "\"\\uD83D\\uDE0\"",
                                        "\"\\u00\"",
                                        "\"\\x\"",
                                        "\"\\",
                                        "\"\\\"",
                                        "\"\\\\\"",
                                        "\"",
                                        "[",
                                        "]",
                                        "{",
                                        "}",
                                        "[1,]",
                                        "[,1]",
                                        "[1 2]",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{\"a\":1,}",
                                        "{a:1}",
                                        "{1:1}",
                                        "{\"a\":1 \"b\":2}",
                                        "[1]]",
                                        "[] []",
                                        "1 2",
                                        "\"a\" \"b\"",
                                        "[}",
                                        "{]",
                                        "{}",
                                        "[]",
                                        "[{}]",
                                        "{\"\":{}}",
                                        " 1 ",
                                        "\"\"",
                                        "\xef\xbb\xbf{}",
                                        "\"\xed\xa0\x80\"",
                                        "\"\xf4\x90\x80\x80\"",
                                        "\"\xc0\xaf\"",
                                        "\"\xe2\x82\"",
                                        "\"\x7f\"",
                                        "\"\t\"",
                                        "[\"\\\"\",\"\\\\\"]"};
    world *w = *state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size_t n = strlen(texts[i]);
        memcpy(w->text, texts[i], n);
        compare(w, n);
    }
}

static void agrees_on_depth(void **state) {
    world *w = *state;
    static const char *const innermost[] = {"", "1", "{}", "[]", "{\"a\":1}"};
    for (size_t depth = MG_JSON_MAX_DEPTH - 3; depth < MG_JSON_MAX_DEPTH + 4; depth++)
        for (size_t i = 0; i < sizeof innermost / sizeof innermost[0]; i++) {
            size_t n = strlen(innermost[i]);
            memset(w->text, '[', depth);
            memcpy(w->text + depth, innermost[i], n);
            memset(w->text + depth + n, ']', depth);
            compare(w, 2 * depth + n);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_the_reference_finds), cmocka_unit_test(refuses_what_the_reference_refuses),
        cmocka_unit_test(refuses_every_prefix), cmocka_unit_test(agrees_on_edges), cmocka_unit_test(agrees_on_depth)};
    return cmocka_run_group_tests(tests, start, stop);
}
