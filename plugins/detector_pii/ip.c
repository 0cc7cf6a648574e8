/* IP addresses: IPv4 in dotted form, and IPv6 in all forms of RFC 4291 section 2.2 (with a zone, RFC 4007), both with
 * the length of a prefix. Numbers of versions, sections and objects have the same form: words around decide. */
#include "scan.h"
#include "text.h"

#include <string.h>

static const mg_pii_word words[] = {
    {"ip", 1, 32},          {"ips", 1, 32},
    {"ipv4", 1, 32},        {"ipv6", 1, 32},
    {"ip4", 1, 32},         {"ip6", 1, 32},
    {"inet*", 1, 16},       {"addr*", 1, 32},
    {"host*", 1, 24},       {"server*", 1, 24},
    {"client*", 1, 24},     {"subnet*", 1, 24},
    {"network*", 1, 24},    {"gateway", 1, 24},
    {"dns", 1, 24},         {"ping", 1, 16},
    {"route*", 1, 24},      {"ssh", 1, 24},
    {"from", 1, 8},         {"login*", 1, 24},
    {"connect*", 1, 24},    {"localhost", 1, 24},
    {"proxy", 1, 24},       {"listen*", 1, 24},
    {"bind", 1, 24},        {"remote*", 1, 24},
    {"peer", 1, 24},        {"forwarded*", 1, 24},
    {"unspecified", 1, 16}, {"loopback", 1, 16},
    {"prefix", 1, 16},      {"broadcast", 1, 24},
    {"netmask", 1, 24},     {"nameserver", 1, 24},
    {"resolve*", 1, 24},    {"version*", -1, 24},
    {"ver", -1, 8},         {"release*", -1, 24},
    {"build", -1, 16},      {"firmware", -1, 24},
    {"package*", -1, 24},   {"upgrade*", -1, 32},
    {"downgrade*", -1, 32}, {"update*", -1, 24},
    {"patch*", -1, 16},     {"rev", -1, 8},
    {"revision", -1, 16},   {"driver*", -1, 24},
    {"section*", -1, 12},   {"sec", -1, 4},
    {"chapter", -1, 12},    {"figure", -1, 8},
    {"fig", -1, 4},         {"table", -1, 8},
    {"clause", -1, 12},     {"article", -1, 12},
    {"paragraph", -1, 12},  {"appendix", -1, 12},
    {"oid", -1, 16},        {"library", -1, 24},
    {"plugin", -1, 24},     {"app", -1, 12},
    {"software", -1, 24},   {"sdk", -1, 16},
    {"api", -1, 16},        {"chrome", -1, 12},
    {"chromium", -1, 12},   {"edge", -1, 8},
    {"opera", -1, 8},       {"depends", -1, 24},
    {"requires", -1, 24},   {"install*", -1, 32},
    {"changelog", -1, 24},  {"schema", -1, 16},
    {"dll", -1, 12},        {"python", -1, 8},
    {"node", -1, 8},        {"java", -1, 8},
    {"jdk", -1, 8},         {"php", -1, 8},
    {"ruby", -1, 8},        {"perl", -1, 8},
    {"kernel", -1, 12},     {"openssl", -1, 8},
    {"gcc", -1, 8},         {"windows", -1, 12},
    {"android", -1, 12},    {"ios", -1, 8},
    {"macos", -1, 8},       {"firefox", -1, 12},
    {"safari", -1, 12},     {"electron", -1, 12},
    {"v", -1, 2},           {"", 0, 0},
};

static const mg_pii_word behind[] = {
    {"release*", -1, 3}, {"version*", -1, 3}, {"build", -1, 3}, {"update", -1, 3}, {"patch", -1, 3}, {"", 0, 0},
};

static int said_of(mg_str text, size_t start, size_t end) {
    int said = mg_pii_word_behind(text, end, behind);
    return said ? said : mg_pii_word_before(text, start, words, MG_PII_WITHIN);
}

/* "/24", at most `most`. */
static size_t prefix_end(mg_str text, size_t end, unsigned most) {
    unsigned length = 0;
    size_t i = end + 1;
    if (mg_pii_behind(text, end, 1) != '/') return end;
    while (i < text.n && i < end + 4 && mg_pii_is_digit(text.p[i]))
        length = length * 10 + (unsigned)(text.p[i++] - '0');
    return i == end + 1 || length > most || mg_pii_is_word(mg_pii_behind(text, i, 1)) ? end : i;
}

/* The dotted quad at `start`: the end, or 0. Numbers to 255, without zeros in front. */
static size_t quad_end(mg_str text, size_t start, size_t stop, unsigned parts[4]) {
    size_t i = start;
    for (int k = 0; k < 4; k++) {
        size_t first = i;
        parts[k] = 0;
        while (i < stop && i < first + 3 && mg_pii_is_digit(text.p[i]))
            parts[k] = parts[k] * 10 + (unsigned)(text.p[i++] - '0');
        if (i == first || parts[k] > 255 || (text.p[first] == '0' && i > first + 1)) return 0;
        if (k < 3 && (i == stop || text.p[i++] != '.')) return 0;
    }
    return i;
}

/* ---- IPv4 ----------------------------------------------------------------------------------------------------------- */

enum { SHORTEST = 7 };

static bool is_dotted(char c) { return mg_pii_class(c) & (MG_PII_DIGIT | MG_PII_DOT); }

bool mg_pii_ip4_gate(mg_str text, size_t *at, mg_pii_window *window) {
    while (*at + SHORTEST <= text.n) {
        size_t start = *at + SHORTEST - 1, end = start + 1, dots = 0;
        if (!is_dotted(text.p[start])) {
            *at = end;
            continue;
        }
        while (start > *at && is_dotted(text.p[start - 1])) start--;
        while (end < text.n && is_dotted(text.p[end])) end++;
        *at = end;
        while (start < end && text.p[start] == '.') start++;
        while (end > start && text.p[end - 1] == '.') end--;
        for (size_t i = start; i < end; i++) dots += text.p[i] == '.';
        if (dots < 3) continue;
        *window = (mg_pii_window){start, end};
        return true;
    }
    return false;
}

/* Whether colons and hexadecimal digits around it make it a part of what IPv6 has to judge. */
static bool is_mixed(mg_str text, size_t start) {
    size_t colons = 0, stop = start > 40 ? start - 40 : 0;
    bool pair = false;
    while (start > stop && (mg_pii_is_hex(text.p[start - 1]) || text.p[start - 1] == ':')) {
        colons += text.p[start - 1] == ':';
        pair = pair || (text.p[start - 1] == ':' && mg_pii_before(text, start, 2) == ':');
        start--;
    }
    return pair || colons > 1;
}

/* What follows a version: "-2+b1", "~rc1", "_amd64"; but "-10.0.0.9" and "-254" are ranges. */
static bool is_suffixed(mg_str text, size_t end) {
    unsigned parts[4];
    char c = mg_pii_behind(text, end, 1), next = mg_pii_behind(text, end, 2);
    if (c == '.' && mg_pii_is_letter(next)) return true;
    if ((c != '-' && c != '+' && c != '~') || !mg_pii_is_alnum(next)) return false;
    return !(c == '-' && quad_end(text, end + 1, text.n, parts));
}

static bool ends_quad(mg_str text, size_t end) {
    unsigned parts[4];
    size_t start = end, stop = end > 15 ? end - 15 : 0;
    while (start > stop && is_dotted(text.p[start - 1])) start--;
    return quad_end(text, start, end, parts) == end;
}

/* "Chrome/120.0.0.0", "==1.2.3.4", ">= 1.2.3.4", "name-1.2.3.4"; but not the end of a range. */
static bool is_prefixed(mg_str text, size_t start) {
    char c = mg_pii_before(text, start, 1), further = mg_pii_before(text, start, 2);
    if (c == ' ') c = further, further = mg_pii_before(text, start, 3);
    if (c == '=' && further && strchr("=<>~!^", further)) return true;
    if (c == '^' || c == '~') return true;
    char touching = mg_pii_before(text, start, 1), letter = mg_pii_before(text, start, 2);
    if (touching == '-' && ends_quad(text, start - 1)) return false;
    return (touching == '/' || touching == '-') && mg_pii_is_alnum(letter);
}

/* A heading: "1.2.3.4 Scope" at the start of a line. */
static bool is_heading(mg_str text, size_t start, size_t end, const unsigned parts[4]) {
    char before = mg_pii_before(text, start, 1);
    if ((before && before != '\n') || mg_pii_behind(text, end, 1) != ' ') return false;
    for (int i = 0; i < 4; i++)
        if (parts[i] > 30 || parts[i] == 0) return false;
    return mg_pii_is_letter(mg_pii_behind(text, end, 2));
}

/* Addresses that no version has: private and link-local ones with two fixed numbers, and netmasks. */
static bool is_unmistakable(const unsigned p[4]) {
    return (p[0] == 192 && p[1] == 168) || (p[0] == 169 && p[1] == 254) || (p[0] == 255 && p[1] == 255);
}

double mg_pii_ip4_valid(mg_str text, size_t *start, size_t *end) {
    unsigned parts[4];
    size_t stop = quad_end(text, *start, *end, parts);
    bool more = stop && stop < *end;
    if (!stop || mg_pii_is_digit(mg_pii_behind(text, stop, 1)) || is_mixed(text, *start)) return 0;
    if (mg_pii_is_word(mg_pii_before(text, *start, 1)) || mg_pii_is_word(mg_pii_behind(text, stop, 1))) return 0;
    bool sure = is_unmistakable(parts);
    int said = said_of(text, *start, stop);
    if (more && !sure) return 0;
    *end = prefix_end(text, stop, 32);
    if (sure) return said > 0 ? 0.97 : 0.9;
    if (is_suffixed(text, stop) || (said <= 0 && is_prefixed(text, *start))) return 0;
    if (said < 0 || (said == 0 && is_heading(text, *start, stop, parts))) return 0;
    return said > 0 || *end > stop ? 0.95 : 0.6;
}

/* ---- IPv6 ----------------------------------------------------------------------------------------------------------- */

static bool is_colon_form(char c) { return mg_pii_is_hex(c) || c == ':' || c == '.'; }

/* All of a token that a colon is in, if it has two in a row or seven: only then can it be an address. */
bool mg_pii_ip6_gate(mg_str text, size_t *at, mg_pii_window *window) {
    const char *p;
    while (*at < text.n && (p = memchr(text.p + *at, ':', text.n - *at))) {
        size_t floor = *at, start = (size_t)(p - text.p), end = start + 1, colons = 0;
        bool pair = false;
        *at = end;
        if (end < text.n && !is_colon_form(*(p + 1)) && !(start > floor && is_colon_form(p[-1]))) continue;
        while (start > floor && is_colon_form(text.p[start - 1])) start--;
        while (end < text.n && is_colon_form(text.p[end])) end++;
        *at = end;
        while (end > start && text.p[end - 1] == '.') end--;
        for (size_t i = start; i < end; i++) {
            colons += text.p[i] == ':';
            pair = pair || (text.p[i] == ':' && i + 1 < end && text.p[i + 1] == ':');
        }
        if ((!pair && colons < 6) || end - start > 45) continue; /* 45: eight groups with a quad at the end */
        *window = (mg_pii_window){start, end};
        return true;
    }
    return false;
}

typedef struct groups {
    size_t n;
    bool compressed, quad, pairs; /* pairs: all have two digits */
    size_t digits; /* decimal ones */
} groups;

/* One group or quad at *i, and what parts it from the next. */
static bool read_group(mg_str text, size_t *i, size_t end, groups *g) {
    unsigned parts[4];
    size_t first = *i;
    while (*i < end && mg_pii_is_hex(text.p[*i])) g->digits += mg_pii_is_digit(text.p[(*i)++]);
    if (*i < end && text.p[*i] == '.') {
        g->quad = true;
        g->n += 2;
        *i = quad_end(text, first, end, parts);
        return *i == end;
    }
    g->pairs = g->pairs && *i - first == 2;
    g->n++;
    if (*i == first || *i - first > 4) return false;
    if (*i == end) return true;
    if (++*i == end) return false; /* one colon at the end */
    if (text.p[*i] != ':') return true;
    if (g->compressed) return false;
    g->compressed = true;
    return ++*i == end || text.p[*i] != ':';
}

static bool groups_read(groups *g, mg_str text, size_t start, size_t end) {
    size_t i = start;
    *g = (groups){.pairs = true};
    if (end - start < 2) return false;
    if (text.p[i] == ':') {
        if (text.p[i + 1] != ':' || (end - start > 2 && text.p[i + 2] == ':')) return false;
        g->compressed = true;
        i += 2;
    }
    while (i < end)
        if (!read_group(text, &i, end, g)) return false;
    return g->compressed ? g->n < 8 : g->n == 8;
}

/* "%eth0" */
static size_t zone_end(mg_str text, size_t end) {
    size_t i = end + 1;
    if (mg_pii_behind(text, end, 1) != '%') return end;
    while (i < text.n && i < end + 17 && mg_pii_is_alnum(text.p[i])) i++;
    return i == end + 1 ? end : i;
}

/* Code has colons too: slices ("a[::2]"), and names of names ("abc::def"). */
static bool is_code(mg_str text, size_t start, size_t end, const groups *g) {
    char before = mg_pii_before(text, start, 1), further = mg_pii_before(text, start, 2);
    if (before == '[' && (mg_pii_is_word(further) || further == ']' || further == ')')) return true;
    if (g->n > 2) return false;
    if (g->n == 0) return mg_pii_behind(text, end, 1) != '/' && !(before == '[' && mg_pii_behind(text, end, 1) == ']');
    return g->digits == 0;
}

double mg_pii_ip6_valid(mg_str text, size_t *start, size_t *end) {
    groups g;
    char before = mg_pii_before(text, *start, 1), after = mg_pii_behind(text, *end, 1);
    if (mg_pii_is_word(before) || before == ':' || before == '.' || mg_pii_is_word(after) || after == ':') return 0;
    if (!groups_read(&g, text, *start, *end)) return 0;
    size_t stop = *end;
    *end = prefix_end(text, zone_end(text, stop), 128);
    int said = mg_pii_word_before(text, *start, words, MG_PII_WITHIN);
    if (said <= 0 && (is_code(text, *start, stop, &g) || (g.n == 8 && g.pairs))) return 0;
    return said > 0 || g.n > 3 ? 0.97 : 0.8;
}
