#define PCRE2_CODE_UNIT_WIDTH 8
#include "policy/regex.h"
#include "base/arena.h"
#include "base/clock.h"
#include <pcre2.h>
#include <stdlib.h>

enum {
    KEPT = 128,
    KEPT_BYTES = 4 << 20, /* of programs and machine code */
    NEST_MAX = 100,
    JIT_CODE_MAX = 16 << 10, /* longer programs are interpreted: machine code takes about ten times the room */
    MATCH_LIMIT = 100000, /* steps from one place of the text, */
    NARROW = 10, /* when it is tried from so few places at a time; fewer steps when from more */
    WIDTH_MIN = 64,
    WIDTH_MAX = 4096,
    WINDOW_WORK = 64 << 20, /* places × length of the text in one piece: a place may cost a pass over the whole text */
    DEPTH_LIMIT = 1000,
    HEAP_LIMIT_KB = 1024,
    JIT_STACK_MIN = 32 << 10,
    JIT_STACK_MAX = 256 << 10,
    TIME_MAX_US = 5000,
    SHORT_US = 200
};

struct mg_regex {
    pcre2_code *code; /* NULL: an empty place */
    pcre2_match_data *match;
    char *text;
    size_t n;
    uint64_t used; /* tick of the last use */
    size_t bytes;
    uint32_t options;
};

struct mg_regexes {
    pcre2_compile_context *compile;
    pcre2_match_context *limits;
    pcre2_jit_stack *stack;
    uint64_t tick;
    size_t bytes;
    mg_regex kept[KEPT];
};

mg_regexes *mg_regexes_create(void) {
    mg_regexes *r = MG_NEW(mg_regexes);
    r->compile = pcre2_compile_context_create(NULL);
    r->limits = pcre2_match_context_create(NULL);
    r->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
    if (!r->compile || !r->limits || !r->stack) mg_oom(JIT_STACK_MIN);
    pcre2_set_max_pattern_length(r->compile, MG_REGEX_PATTERN_MAX);
    pcre2_set_parens_nest_limit(r->compile, NEST_MAX);
    pcre2_set_depth_limit(r->limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(r->limits, HEAP_LIMIT_KB);
    pcre2_jit_stack_assign(r->limits, NULL, r->stack);
    return r;
}

static void regex_free(mg_regex *e) {
    pcre2_match_data_free(e->match);
    pcre2_code_free(e->code);
    free(e->text);
    *e = (mg_regex){0};
}

void mg_regexes_destroy(mg_regexes *r) {
    if (!r) return;
    for (size_t i = 0; i < KEPT; i++) regex_free(&r->kept[i]);
    pcre2_jit_stack_free(r->stack);
    pcre2_match_context_free(r->limits);
    pcre2_compile_context_free(r->compile);
    free(r);
}

mg_regex *mg_regexes_find(mg_regexes *r, mg_str pattern) {
    for (size_t i = 0; i < KEPT; i++) {
        mg_regex *e = &r->kept[i];
        if (!e->code || !mg_str_eq(mg_str_from(e->text, e->n), pattern)) continue;
        e->used = ++r->tick;
        return e;
    }
    return NULL;
}

/* An empty place, or that of the pattern that was not used for the longest time. */
static mg_regex *longest_unused(mg_regexes *r, bool compiled) {
    mg_regex *oldest = NULL;
    for (size_t i = 0; i < KEPT; i++) {
        mg_regex *e = &r->kept[i];
        if (compiled ? e->code && (!oldest || e->used < oldest->used) : !oldest || e->used < oldest->used) oldest = e;
    }
    return oldest;
}

static void drop(mg_regexes *r, mg_regex *e) {
    r->bytes -= e->bytes;
    regex_free(e);
}

static void make_room(mg_regexes *r, size_t bytes) {
    mg_regex *e;
    while (r->bytes + bytes > KEPT_BYTES && (e = longest_unused(r, true))) drop(r, e);
}

/* \G would match at the beginning of each piece of the text that is searched. */
static bool anchors_at_offset(mg_str pattern) {
    for (size_t i = 0; i + 1 < pattern.n; i++) {
        if (pattern.p[i] != '\\') continue;
        if (pattern.p[++i] == 'G') return true;
    }
    return false;
}

mg_regex *mg_regexes_compile(mg_regexes *r, mg_str pattern, mg_error *error) {
    int code;
    PCRE2_SIZE at, size = 0;
    if (anchors_at_offset(pattern)) {
        mg_fail(error, 0, "", "\\G is not supported in patterns");
        return NULL;
    }
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n,
                                         PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT, &code, &at, r->compile);
    if (!compiled) {
        char why[160];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        mg_fail(error, 0, "", "the pattern is wrong at character %zu: %s", (size_t)at + 1, why);
        return NULL;
    }
    uint32_t options = 0;
    PCRE2_SIZE machine = 0;
    pcre2_pattern_info(compiled, PCRE2_INFO_SIZE, &size);
    pcre2_pattern_info(compiled, PCRE2_INFO_ALLOPTIONS, &options);
    if (size <= JIT_CODE_MAX) pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE); /* where that fails it is interpreted */
    pcre2_pattern_info(compiled, PCRE2_INFO_JITSIZE, &machine);
    make_room(r, size + machine);
    mg_regex *e = longest_unused(r, false);
    drop(r, e);
    *e = (mg_regex){compiled,
                    pcre2_match_data_create_from_pattern(compiled, NULL),
                    mg_strndup(pattern.p, pattern.n),
                    pattern.n,
                    ++r->tick,
                    size + machine,
                    options};
    if (!e->match) mg_oom(size);
    r->bytes += e->bytes;
    return e;
}

/* ---- searching --------------------------------------------------------------------------------------------------- */

void mg_search_init(mg_search *s, mg_regexes *r, mg_regex *regex, mg_str text) {
    /* PCRE2's own check of UTF-8 costs more than most searches. */
    bool checked = !(regex->options & PCRE2_UTF) || mg_str_utf8_valid(text);
    *s = (mg_search){.regexes = r, .regex = regex, .text = text.p ? text : MG_STR(""), .since_us = mg_clock_mono_us(),
                     .checked = checked};
}

/* Wall time can't be less than CPU time and costs no system call, but on a busy machine most of it may be other threads'.
 * Where it is not short the CPU clock decides; of the span before its first look only the least that it was is counted. */
uint64_t mg_search_us(mg_search *s) {
    uint64_t now = mg_clock_mono_us(), us = s->spent_us + (now - s->since_us);
    if (now - s->since_us >= SHORT_US) {
        uint64_t cpu = mg_clock_thread_cpu_us();
        us = s->spent_us += s->cpu_us ? cpu - s->cpu_us : SHORT_US;
        s->since_us = now;
        s->cpu_us = cpu;
    }
    if (us > s->shown_us) s->shown_us = us;
    return s->shown_us;
}

size_t mg_search_char(const mg_search *s, size_t at) {
    size_t n = s->regex->options & PCRE2_UTF ? mg_str_utf8(mg_str_skip(s->text, at)) : 1;
    return n ? n : 1;
}

static int try_from(mg_search *s, size_t at, size_t last, size_t steps, uint32_t options) {
    pcre2_match_context *limits = s->regexes->limits;
    pcre2_set_match_limit(limits, (uint32_t)steps);
    pcre2_set_offset_limit(limits, last);
    if (s->checked) options |= PCRE2_NO_UTF_CHECK;
    int rc = pcre2_match(s->regex->code, (PCRE2_SPTR)s->text.p, s->text.n, at, options, s->regex->match, limits);
    if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH || rc == PCRE2_ERROR_MATCHLIMIT) s->checked = true;
    return rc;
}

static bool limit_hit(int rc) {
    return rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_DEPTHLIMIT || rc == PCRE2_ERROR_HEAPLIMIT ||
           rc == PCRE2_ERROR_JIT_STACKLIMIT;
}

static mg_status fail(int rc, mg_error *error) {
    if (limit_hit(rc))
        return mg_fail(error, 0, "", "the pattern takes too many steps on this text: whether it matches is not known");
    char why[160];
    pcre2_get_error_message(rc, (PCRE2_UCHAR *)why, sizeof why);
    return mg_fail(error, 0, "", "the text can't be matched: %s", why);
}

/* PCRE2's limit counts the steps from one place of the text only, so that a long text could still take for ever.
 * Therefore the places are tried in pieces: few steps a place while it goes well; where they don't suffice, few places
 * with all the steps; and between the pieces the clock is looked at. */
static mg_status search_pieces(mg_search *s, size_t at, mg_error *error) {
    size_t n = s->text.n, most = WINDOW_WORK / (n + 1);
    if (most > WIDTH_MAX) most = WIDTH_MAX;
    if (most < WIDTH_MIN) most = WIDTH_MIN;
    for (size_t width = WIDTH_MIN;;) {
        size_t last = n - at < width ? n : at + width - 1, steps = (size_t)MATCH_LIMIT * NARROW / width;
        int rc = try_from(s, at, last, steps, 0);
        if (rc >= 0) return MG_OK;
        if (rc == PCRE2_ERROR_MATCHLIMIT && width > NARROW) {
            width = NARROW;
            continue;
        }
        if (rc != PCRE2_ERROR_NOMATCH) return fail(rc, error);
        if (last == n) return MG_DECLINED;
        if (mg_search_us(s) > TIME_MAX_US) return fail(PCRE2_ERROR_MATCHLIMIT, error);
        at = last + mg_search_char(s, last);
        width = width * 2 < most ? width * 2 : most;
    }
}

mg_status mg_search_next(mg_search *s, size_t at, bool here, mg_error *error) {
    if (!here && !(s->regex->options & PCRE2_ANCHORED)) return search_pieces(s, at, error);
    int rc = try_from(s, at, s->text.n, MATCH_LIMIT, here ? PCRE2_ANCHORED | PCRE2_NOTEMPTY_ATSTART : 0);
    if (rc >= 0) return MG_OK;
    return rc == PCRE2_ERROR_NOMATCH ? MG_DECLINED : fail(rc, error);
}

bool mg_search_group(const mg_search *s, size_t i, size_t *start, size_t *end) {
    const PCRE2_SIZE *ovector = pcre2_get_ovector_pointer(s->regex->match);
    *start = ovector[2 * i];
    *end = ovector[2 * i + 1];
    return *start != PCRE2_UNSET && *start <= *end;
}

size_t mg_regex_groups(const mg_regex *e) {
    uint32_t n = 0;
    pcre2_pattern_info(e->code, PCRE2_INFO_CAPTURECOUNT, &n);
    return n;
}

size_t mg_regex_names(const mg_regex *e) {
    uint32_t n = 0;
    pcre2_pattern_info(e->code, PCRE2_INFO_NAMECOUNT, &n);
    return n;
}

/* The table of names: two bytes of group number, the name, a 0; each entry as long as the longest. */
const char *mg_regex_name(const mg_regex *e, size_t i, size_t *group) {
    uint32_t size = 0;
    const uint8_t *table = NULL;
    pcre2_pattern_info(e->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    pcre2_pattern_info(e->code, PCRE2_INFO_NAMETABLE, &table);
    const uint8_t *entry = table + i * size;
    *group = (size_t)entry[0] << 8 | entry[1];
    return (const char *)entry + 2;
}

bool mg_regex_named(const mg_regex *e, mg_str name, size_t *group) {
    for (size_t i = 0, n = mg_regex_names(e); i < n; i++)
        if (mg_str_is(name, mg_regex_name(e, i, group))) return true;
    return false;
}
