/* What a model takes, by the generation that its name tells. Facts from Anthropic's documentation of thinking, effort,
 * structured outputs, mid-conversation system messages and the migration guides. */
#include "anthropic.h"

typedef enum family { FAMILY_NONE, FAMILY_OPUS, FAMILY_SONNET, FAMILY_HAIKU, FAMILY_FABLE, FAMILY_MYTHOS } family;

enum { VERSION_NEWEST = 9900 };

typedef struct name {
    bool claude;
    family family;
    int version; /* 4.5 is 405 */
} name;

static mg_str after(mg_str s, const char *word) {
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= s.n; i++)
        if (memcmp(s.p + i, word, n) == 0) return (mg_str){s.p + i + n, s.n - i - n};
    return (mg_str){NULL, 0};
}

/* Takes the next word, up to one of - . @ : _ / or the end. */
static mg_str word_next(mg_str *rest) {
    size_t n = 0;
    while (n < rest->n && rest->p[n] && !strchr("-.@:_/", rest->p[n])) n++;
    mg_str word = {rest->p, n};
    size_t skip = n < rest->n ? n + 1 : n;
    rest->p += skip;
    rest->n -= skip;
    return word;
}

/* A number of one or two digits; longer ones are dates. -1: none. */
static int small_number(mg_str w) {
    if (w.n > 1 && w.p[0] == 'v') w = (mg_str){w.p + 1, w.n - 1};
    if (w.n < 1 || w.n > 2) return -1;
    int value = 0;
    for (size_t i = 0; i < w.n; i++) {
        if (w.p[i] < '0' || w.p[i] > '9') return -1;
        value = value * 10 + (w.p[i] - '0');
    }
    return value;
}

static family family_of(mg_str w) {
    static const char *const names[] = {NULL, "opus", "sonnet", "haiku", "fable", "mythos"};
    for (int i = FAMILY_OPUS; i <= FAMILY_MYTHOS; i++)
        if (str_is(w, names[i])) return (family)i;
    return FAMILY_NONE;
}

/* claude-3-5-sonnet-20241022, claude-opus-4-20250514, claude-opus-4-8, claude-2.1, claude-mythos-preview, also behind a
 * prefix ("anthropic.", "us.anthropic.", "anthropic/"). */
static name name_read(mg_str model) {
    name n = {.version = -1};
    mg_str rest = after(model, "claude-");
    if (!rest.p) return n;
    n.claude = true;
    bool is_minor = false; /* the word right behind the major version */
    while (rest.n) {
        mg_str word = word_next(&rest);
        int number = small_number(word);
        bool is_major = number >= 0 && n.version < 0;
        if (is_major) n.version = number * 100;
        if (is_minor && number >= 0) n.version += number;
        is_minor = is_major;
        if (n.family == FAMILY_NONE) n.family = family_of(word);
    }
    if (n.version < 0) n.version = VERSION_NEWEST;
    return n;
}

anthropic_model anthropic_model_of(mg_str model) {
    name n = name_read(model);
    if (!n.claude) return (anthropic_model){.thinks = true, .sampling = true, .structured = true};
    bool storied = n.family == FAMILY_FABLE || n.family == FAMILY_MYTHOS, opus = n.family == FAMILY_OPUS;
    return (anthropic_model){
        .thinks = n.version >= 307,
        .adaptive = n.version >= 406,
        .adaptive_only = n.version >= 407,
        .thinks_unasked = storied || n.version >= 500,
        .thinks_always = storied || (opus && n.version >= 505),
        .between_tools = n.family == FAMILY_SONNET && n.version >= 505,
        .sampling = n.version < 407,
        .one_sampler = n.version >= 401,
        .structured = n.version >= (opus ? 401 : 405),
        .inline_system = storied || n.version >= (opus ? 408 : 505),
    };
}
