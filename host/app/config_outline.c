#include "app/config_outline.h"

enum { NESTING_MAX = 200 }; /* Lua itself refuses more */

typedef enum token_kind { TOKEN_END, TOKEN_NAME, TOKEN_STRING, TOKEN_NUMBER, TOKEN_SIGN } token_kind;

typedef struct token {
    token_kind kind;
    char sign; /* SIGN: the character; signs of two characters that hold '=' are '~' */
    int line; /* where it begins */
    mg_str text; /* NAME, NUMBER; STRING: decoded */
} token;

typedef struct scanner {
    mg_arena *arena;
    mg_str rest;
    int line;
    token now, ahead;
    mg_outline_entry **tail; /* of the statements */
} scanner;

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

static bool is_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (c & 0x80);
}

static char peek(const scanner *s, size_t i) { return i < s->rest.n ? s->rest.p[i] : 0; }

static mg_str take(scanner *s, size_t n) {
    if (n > s->rest.n) n = s->rest.n;
    mg_str taken = mg_str_from(s->rest.p, n);
    for (size_t i = 0; i < n; i++) s->line += taken.p[i] == '\n';
    s->rest = mg_str_skip(s->rest, n);
    return taken;
}

/* Length of a long bracket's opening "[==[", or 0. */
static size_t long_opening(const scanner *s) {
    size_t level = 0;
    if (peek(s, 0) != '[') return 0;
    while (peek(s, level + 1) == '=') level++;
    return peek(s, level + 1) == '[' ? level + 2 : 0;
}

static mg_str take_long(scanner *s, size_t opening) {
    take(s, opening);
    for (size_t n = 0; n < s->rest.n; n++) {
        size_t i = 1;
        if (s->rest.p[n] != ']') continue;
        while (i < opening - 1 && peek(s, n + i) == '=') i++;
        if (i != opening - 1 || peek(s, n + i) != ']') continue;
        mg_str text = take(s, n);
        take(s, opening);
        return text.n && text.p[0] == '\n' ? mg_str_skip(text, 1) : text;
    }
    return take(s, s->rest.n);
}

/* Escapes of one letter; the others keep their letter, which no key that is looked for contains. */
static char unescaped(char c) {
    static const char letters[] = "ntrabfv", bytes[] = "\n\t\r\a\b\f\v";
    const char *at = c ? strchr(letters, c) : NULL;
    return at ? bytes[at - letters] : c;
}

static mg_str take_quoted(scanner *s) {
    char quote = peek(s, 0);
    size_t n = 1, out = 0;
    while (n < s->rest.n && s->rest.p[n] != quote && s->rest.p[n] != '\n') n += s->rest.p[n] == '\\' ? 2 : 1;
    mg_str raw = mg_str_skip(take(s, n), 1);
    take(s, 1);
    char *text = mg_arena_alloc(s->arena, raw.n + 1);
    for (size_t i = 0; i < raw.n; i++) {
        bool escape = raw.p[i] == '\\' && i + 1 < raw.n;
        text[out++] = escape ? unescaped(raw.p[++i]) : raw.p[i];
    }
    return mg_str_from(text, out);
}

static void skip_blank(scanner *s) {
    for (;;) {
        char c = peek(s, 0);
        if (s->rest.n && (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v')) {
            take(s, 1);
        } else if (c == '-' && peek(s, 1) == '-') {
            take(s, 2);
            size_t opening = long_opening(s);
            if (opening)
                take_long(s, opening);
            else
                take(s, mg_str_find(s->rest, '\n'));
        } else {
            return;
        }
    }
}

static token read_sign(scanner *s) {
    char c = peek(s, 0), d = peek(s, 1);
    bool compares = d == '=' && (c == '=' || c == '~' || c == '<' || c == '>');
    token t = {.kind = TOKEN_SIGN, .sign = compares ? '~' : c};
    take(s, compares ? 2 : 1);
    return t;
}

static token read_word(scanner *s) {
    size_t n = 0;
    bool number = peek(s, 0) >= '0' && peek(s, 0) <= '9';
    while (n < s->rest.n && (is_name_byte(s->rest.p[n]) || (number && s->rest.p[n] == '.'))) n++;
    return (token){.kind = number ? TOKEN_NUMBER : TOKEN_NAME, .text = take(s, n)};
}

static token read_token(scanner *s) {
    token t = {0};
    skip_blank(s);
    int line = s->line;
    size_t opening = long_opening(s);
    if (!s->rest.n)
        t.kind = TOKEN_END;
    else if (opening)
        t = (token){.kind = TOKEN_STRING, .text = take_long(s, opening)};
    else if (peek(s, 0) == '"' || peek(s, 0) == '\'')
        t = (token){.kind = TOKEN_STRING, .text = take_quoted(s)};
    else if (is_name_byte(peek(s, 0)))
        t = read_word(s);
    else
        t = read_sign(s);
    t.line = line;
    return t;
}

static void advance(scanner *s) {
    s->now = s->ahead;
    s->ahead = read_token(s);
}

static bool is_sign(const token *t, char c) { return t->kind == TOKEN_SIGN && t->sign == c; }
static bool is_name(const token *t, const char *name) { return t->kind == TOKEN_NAME && mg_str_is(t->text, name); }

/* ---- values ------------------------------------------------------------------------------------------------------ */

static mg_outline_value scan_table(scanner *s, int depth);

/* A name, perhaps with an argument; leaves `now` at what follows the part that was understood. */
static mg_outline_value scan_named(scanner *s) {
    mg_outline_value v = {.kind = MG_OUTLINE_NAME, .line = s->now.line, .text = s->now.text};
    bool env = is_name(&s->now, "env"), include = is_name(&s->now, "include");
    advance(s);
    bool called = is_sign(&s->now, '(') || s->now.kind == TOKEN_STRING;
    if (!called) return v;
    v.kind = env ? MG_OUTLINE_ENV : include ? MG_OUTLINE_INCLUDE : MG_OUTLINE_CALL;
    const token *argument = is_sign(&s->now, '(') ? &s->ahead : &s->now;
    v.text = argument->kind == TOKEN_STRING ? argument->text : (mg_str){0};
    return v;
}

static mg_outline_value scan_value(scanner *s, int depth) {
    if (is_sign(&s->now, '{')) return scan_table(s, depth);
    if (s->now.kind == TOKEN_NAME) return scan_named(s);
    return (mg_outline_value){.kind = MG_OUTLINE_OTHER, .line = s->now.line};
}

/* To the ',' ';' or '}' that ends an entry of a table. True if there was nothing in between. */
static bool skip_to_separator(scanner *s) {
    int open = 0;
    bool nothing = true;
    for (; s->now.kind != TOKEN_END; advance(s), nothing = false) {
        if (s->now.kind != TOKEN_SIGN) continue;
        if (open == 0 && strchr(",;}", s->now.sign)) break;
        if (strchr("({[", s->now.sign)) open++;
        if (strchr(")}]", s->now.sign)) open--;
    }
    return nothing;
}

/* "[" literal "]" "=", NAME "=", or nothing: an element. */
static void scan_key(scanner *s, mg_outline_entry *e, size_t *position) {
    if (s->now.kind == TOKEN_NAME && is_sign(&s->ahead, '=')) {
        e->key = s->now.text;
        advance(s);
        advance(s);
        return;
    }
    if (!is_sign(&s->now, '[')) {
        e->position = ++*position;
        return;
    }
    int64_t number;
    if (s->ahead.kind == TOKEN_STRING) e->key = s->ahead.text;
    if (s->ahead.kind == TOKEN_NUMBER && mg_str_int(s->ahead.text, &number) && number > 0) e->position = (size_t)number;
    while (s->now.kind != TOKEN_END && !is_sign(&s->now, ']')) advance(s);
    advance(s);
    if (is_sign(&s->now, '=')) advance(s);
}

static mg_outline_value scan_table(scanner *s, int depth) {
    mg_outline_value v = {.kind = MG_OUTLINE_TABLE, .line = s->now.line};
    mg_outline_entry *first = NULL, **tail = &first;
    size_t position = 0;
    advance(s);
    while (depth < NESTING_MAX && s->now.kind != TOKEN_END && !is_sign(&s->now, '}')) {
        mg_outline_entry *e = MG_ARENA_NEW(s->arena, mg_outline_entry);
        e->line = s->now.line;
        scan_key(s, e, &position);
        e->value = scan_value(s, depth + 1);
        bool alone = skip_to_separator(s);
        if (!alone && e->value.kind == MG_OUTLINE_NAME) e->value.kind = MG_OUTLINE_OTHER; /* x or y, x.y, … */
        *tail = e;
        tail = &e->next;
        if (!is_sign(&s->now, '}')) advance(s);
    }
    if (depth >= NESTING_MAX) skip_to_separator(s);
    advance(s);
    v.entries = first;
    return v;
}

/* ---- statements -------------------------------------------------------------------------------------------------- */

static void add_statement(scanner *s, mg_str path, int line) {
    mg_outline_entry *e = MG_ARENA_NEW(s->arena, mg_outline_entry);
    e->key = path;
    e->line = line;
    e->value = scan_value(s, 0);
    *s->tail = e;
    s->tail = &e->next;
}

/* NAME { "." NAME | "[" STRING "]" }, and if a "=" follows, the assignment. `now` is the first name. */
static void scan_assignment(scanner *s) {
    mg_str path = s->now.text;
    int line = s->now.line;
    advance(s);
    for (;;) {
        bool dot = is_sign(&s->now, '.') && s->ahead.kind == TOKEN_NAME;
        bool bracket = is_sign(&s->now, '[') && s->ahead.kind == TOKEN_STRING;
        if (!dot && !bracket) break;
        path = mg_arena_printf(s->arena, MG_STR_FMT "." MG_STR_FMT, MG_STR_ARG(path), MG_STR_ARG(s->ahead.text));
        advance(s);
        advance(s);
        if (bracket && is_sign(&s->now, ']')) advance(s);
    }
    if (!is_sign(&s->now, '=')) return;
    advance(s);
    add_statement(s, path, line);
}

const mg_outline *mg_outline_scan(mg_arena *arena, mg_str text) {
    scanner s = {.arena = arena, .rest = text, .line = 1};
    mg_outline *o = MG_ARENA_NEW(arena, mg_outline);
    mg_outline_entry *first = NULL;
    s.tail = &first;
    if (peek(&s, 0) == '#') take(&s, mg_str_find(text, '\n'));
    advance(&s);
    advance(&s);
    while (s.now.kind != TOKEN_END) {
        if (is_name(&s.now, "return")) {
            int line = s.now.line;
            advance(&s);
            add_statement(&s, MG_STR("return"), line);
        } else if (s.now.kind == TOKEN_NAME) {
            scan_assignment(&s);
        } else if (is_sign(&s.now, '{')) {
            scan_table(&s, 0); /* an argument: its keys are no assignments */
        } else {
            advance(&s);
        }
    }
    o->statements = first;
    return o;
}

const mg_outline_entry *mg_outline_statement(const mg_outline *o, mg_str path, int line) {
    const mg_outline_entry *found = NULL;
    for (const mg_outline_entry *e = o->statements; e; e = e->next)
        if (e->line <= line && mg_str_eq(e->key, path)) found = e;
    return found;
}

const mg_outline_entry *mg_outline_find(const mg_outline_value *table, mg_str key, size_t position) {
    if (table->kind != MG_OUTLINE_TABLE) return NULL;
    for (const mg_outline_entry *e = table->entries; e; e = e->next)
        if (position ? e->position == position : e->position == 0 && mg_str_eq(e->key, key)) return e;
    return NULL;
}
