#include "policy/sandbox_pattern.h"
#include "policy/binding.h"

#include <ctype.h>

enum { ESCAPE = '%', DEPTH_MAX = 200, STEPS_A_CHARGE = 128 };

void mg_pattern_init(mg_pattern *m, lua_State *L, mg_str text, mg_str pattern, bool anchor) {
    m->L = L;
    m->text = text.p;
    m->text_end = text.p + text.n;
    m->anchored = anchor && pattern.n && pattern.p[0] == '^';
    m->pattern = pattern.p + m->anchored;
    m->pattern_end = pattern.p + pattern.n;
    m->n_captures = 0;
    m->depth = m->steps = 0;
}

static void step(mg_pattern *m) {
    if (++m->steps < STEPS_A_CHARGE) return;
    m->steps = 0;
    mg_lua_charge(m->L, STEPS_A_CHARGE * 2);
}

/* ---- one character ----------------------------------------------------------------------------------------------- */

/* End of the single-character item that begins at p: "a", "%a", "[…]". */
static const char *item_end(mg_pattern *m, const char *p) {
    if (*p == ESCAPE) {
        if (p + 1 >= m->pattern_end) luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 2;
    }
    if (*p != '[') return p + 1;
    const char *q = p + 1;
    if (q < m->pattern_end && *q == '^') q++;
    do { /* the first character is never the closing bracket */
        if (q >= m->pattern_end) break;
        if (*q++ == ESCAPE) q++;
    } while (q < m->pattern_end && *q != ']');
    if (q >= m->pattern_end) luaL_error(m->L, "malformed pattern (missing ']')");
    return q + 1;
}

static bool in_class(unsigned char c, unsigned char class_) {
    bool in;
    switch (tolower(class_)) {
    case 'a': in = isalpha(c); break;
    case 'c': in = iscntrl(c); break;
    case 'd': in = isdigit(c); break;
    case 'g': in = isgraph(c); break;
    case 'l': in = islower(c); break;
    case 'p': in = ispunct(c); break;
    case 's': in = isspace(c); break;
    case 'u': in = isupper(c); break;
    case 'w': in = isalnum(c); break;
    case 'x': in = isxdigit(c); break;
    case 'z': in = c == 0; break;
    default: return class_ == c;
    }
    return isupper(class_) ? !in : in;
}

/* p is at '[', last at its ']'. */
static bool in_set(unsigned char c, const char *p, const char *last) {
    bool negated = p[1] == '^';
    p += negated ? 2 : 1;
    while (p < last) {
        if (*p == ESCAPE) {
            if (in_class(c, (unsigned char)p[1])) return !negated;
            p += 2;
        } else if (p[1] == '-' && p + 2 < last) {
            if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2]) return !negated;
            p += 3;
        } else if ((unsigned char)*p++ == c) {
            return !negated;
        }
    }
    return negated;
}

static bool fits(mg_pattern *m, const char *s, const char *p, const char *end) {
    step(m);
    if (s >= m->text_end) return false;
    unsigned char c = (unsigned char)*s;
    switch (*p) {
    case '.': return true;
    case ESCAPE: return in_class(c, (unsigned char)p[1]);
    case '[': return in_set(c, p, end - 1);
    default: return (unsigned char)*p == c;
    }
}

/* ---- items that need more than one character --------------------------------------------------------------------- */

static const char *match(mg_pattern *m, const char *s, const char *p);

static const char *match_balance(mg_pattern *m, const char *s, const char *p) {
    if (m->pattern_end - p < 2) luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    if (s >= m->text_end || *s != p[0]) return NULL;
    size_t open = 1;
    for (const char *q = s + 1; q < m->text_end; q++) {
        step(m);
        if (*q == p[1]) {
            if (--open == 0) return q + 1;
        } else if (*q == p[0]) {
            open++;
        }
    }
    return NULL;
}

/* %f[set]: between a character that is not in the set and one that is; both ends of the text count as '\0'. */
static bool at_frontier(mg_pattern *m, const char *s, const char *p, const char *end) {
    unsigned char before = s == m->text ? 0 : (unsigned char)s[-1];
    unsigned char here = s == m->text_end ? 0 : (unsigned char)*s;
    return !in_set(before, p, end - 1) && in_set(here, p, end - 1);
}

static const char *match_back_reference(mg_pattern *m, const char *s, unsigned char digit) {
    int i = digit - '1';
    if (i < 0 || i >= m->n_captures || m->captures[i].n == MG_CAPTURE_OPEN)
        luaL_error(m->L, "invalid capture index %%%d", i + 1);
    if (m->captures[i].n == MG_CAPTURE_POSITION) return NULL;
    size_t n = (size_t)m->captures[i].n;
    if ((size_t)(m->text_end - s) < n) return NULL;
    mg_lua_charge(m->L, n / 16);
    return memcmp(m->captures[i].start, s, n) == 0 ? s + n : NULL;
}

static const char *match_capture_start(mg_pattern *m, const char *s, const char *p, ptrdiff_t kind) {
    if (m->n_captures >= MG_PATTERN_CAPTURES) luaL_error(m->L, "too many captures");
    m->captures[m->n_captures++] = (mg_capture){s, kind};
    const char *end = match(m, s, p);
    if (!end) m->n_captures--;
    return end;
}

static const char *match_capture_end(mg_pattern *m, const char *s, const char *p) {
    int i = m->n_captures - 1;
    while (i >= 0 && m->captures[i].n != MG_CAPTURE_OPEN) i--;
    if (i < 0) luaL_error(m->L, "invalid pattern capture");
    m->captures[i].n = s - m->captures[i].start;
    const char *end = match(m, s, p);
    if (!end) m->captures[i].n = MG_CAPTURE_OPEN;
    return end;
}

static const char *match_longest(mg_pattern *m, const char *s, const char *p, const char *end) {
    ptrdiff_t n = 0;
    while (fits(m, s + n, p, end)) n++;
    for (; n >= 0; n--) {
        const char *found = match(m, s + n, end + 1);
        if (found) return found;
    }
    return NULL;
}

static const char *match_shortest(mg_pattern *m, const char *s, const char *p, const char *end) {
    for (;;) {
        const char *found = match(m, s, end + 1);
        if (found) return found;
        if (!fits(m, s, p, end)) return NULL;
        s++;
    }
}

/* What follows '%' when it is not a class. True if it was dealt with: *s is the place to go on from (NULL: no match) and *p
 * the rest of the pattern. */
static bool match_special(mg_pattern *m, const char **s, const char **p) {
    if (*p + 1 >= m->pattern_end) luaL_error(m->L, "malformed pattern (ends with '%%')");
    unsigned char c = (unsigned char)(*p)[1];
    if (c == 'b') {
        *s = match_balance(m, *s, *p + 2);
        *p += 4;
    } else if (c == 'f') {
        const char *set = *p + 2;
        if (set >= m->pattern_end || *set != '[') luaL_error(m->L, "missing '[' after '%%f' in pattern");
        const char *end = item_end(m, set);
        if (!at_frontier(m, *s, set, end)) *s = NULL;
        *p = end;
    } else if (isdigit(c)) {
        *s = match_back_reference(m, *s, c);
        *p += 2;
    } else {
        return false;
    }
    return true;
}

/* One item with its repetition. True: go on in the loop with *s and *p (*s NULL: no match); false: *s is the final answer. */
static bool match_item(mg_pattern *m, const char **s, const char **p) {
    const char *end = item_end(m, *p);
    char repeat = end < m->pattern_end ? *end : 0;
    const char *found;
    switch (repeat) {
    case '?':
        if (fits(m, *s, *p, end) && (found = match(m, *s + 1, end + 1))) {
            *s = found;
            return false;
        }
        *p = end + 1;
        return true;
    case '*': *s = match_longest(m, *s, *p, end); return false;
    case '+': *s = fits(m, *s, *p, end) ? match_longest(m, *s + 1, *p, end) : NULL; return false;
    case '-': *s = match_shortest(m, *s, *p, end); return false;
    default:
        *s = fits(m, *s, *p, end) ? *s + 1 : NULL;
        *p = end;
        return true;
    }
}

static const char *match_rest(mg_pattern *m, const char *s, const char *p) {
    while (s && p < m->pattern_end) {
        if (*p == '(') {
            bool position = p + 1 < m->pattern_end && p[1] == ')';
            return match_capture_start(m, s, p + (position ? 2 : 1), position ? MG_CAPTURE_POSITION : MG_CAPTURE_OPEN);
        }
        if (*p == ')') return match_capture_end(m, s, p + 1);
        if (*p == '$' && p + 1 == m->pattern_end) return s == m->text_end ? s : NULL;
        if (*p == ESCAPE && match_special(m, &s, &p)) continue;
        if (!match_item(m, &s, &p)) return s;
    }
    return s;
}

static const char *match(mg_pattern *m, const char *s, const char *p) {
    if (++m->depth > DEPTH_MAX) luaL_error(m->L, "pattern too complex");
    step(m);
    const char *end = match_rest(m, s, p);
    m->depth--;
    return end;
}

/* ---- what callers use -------------------------------------------------------------------------------------------- */

const char *mg_pattern_at(mg_pattern *m, const char *at) {
    m->n_captures = 0;
    m->depth = 0;
    return match(m, at, m->pattern);
}

const char *mg_pattern_from(mg_pattern *m, const char *at, const char **end) {
    for (;; at++) {
        *end = mg_pattern_at(m, at);
        if (*end) return at;
        if (m->anchored || at >= m->text_end) return NULL;
    }
}

void mg_pattern_push_one(mg_pattern *m, int i, const char *start, const char *end) {
    if (i >= m->n_captures) {
        if (i > 0 || !start) luaL_error(m->L, "invalid capture index");
        lua_pushlstring(m->L, start, (size_t)(end - start));
        return;
    }
    const mg_capture *c = &m->captures[i];
    if (c->n == MG_CAPTURE_OPEN) luaL_error(m->L, "unfinished capture");
    if (c->n == MG_CAPTURE_POSITION)
        lua_pushinteger(m->L, c->start - m->text + 1);
    else
        lua_pushlstring(m->L, c->start, (size_t)c->n);
}

int mg_pattern_push(mg_pattern *m, const char *start, const char *end) {
    int n = m->n_captures == 0 && start ? 1 : m->n_captures;
    luaL_checkstack(m->L, n, "too many captures");
    for (int i = 0; i < n; i++) mg_pattern_push_one(m, i, start, end);
    return n;
}

bool mg_pattern_plain(mg_str pattern) {
    for (size_t i = 0; i < pattern.n; i++)
        if (pattern.p[i] && strchr("^$*+?.([%-", pattern.p[i])) return false;
    return true;
}
