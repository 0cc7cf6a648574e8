/* Labelled texts, held against what a detector finds: recall, precision and F1 a type, and the reason for each miss and
 * false alarm that is left. Shared by the unit test and the benchmark.
 *
 * Counted for recall: cards and SINs with a correct check digit; social security numbers of possible areas, groups and
 * serials that are written in groups; phones of North American shape ("all phones" counts the others too); vendors' keys,
 * and the armor of private keys. A detection is a false alarm where its type is labelled in the row and nothing that it
 * touches is; rows with other kinds of secrets don't count against secrets. */
#ifndef TESTS_PLUGIN_PII_TALLY_H
#define TESTS_PLUGIN_PII_TALLY_H

#include "base/json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TALLY_SSN,
    TALLY_SIN,
    TALLY_CARD,
    TALLY_EMAIL,
    TALLY_PHONE,
    TALLY_IP,
    TALLY_IBAN,
    TALLY_SECRET,
    TALLY_PHONES, /* all of them: recall only */
    TALLY_TYPES
};
static const char *const tally_names[TALLY_TYPES] = {"ssn",        "ca_sin", "credit_card", "email",     "phone",
                                                     "ip_address", "iban",   "secret",      "all phones"};

typedef struct tally_count {
    int labelled, hit, exact; /* labels: those that a detection covers, and those met exactly */
    int found, wrong; /* detections where the type is labelled, and those that touch no label */
} tally_count;

enum { TALLY_SPANS = 256 };
typedef struct tally {
    /* Calls tally_add for each span of the text. */
    void (*scan)(struct tally *t, mg_str text);
    bool quiet;
    tally_count counts[TALLY_TYPES];
    int rows;
    mg_span spans[TALLY_SPANS]; /* of this row */
    size_t n;
} tally;

static inline void tally_add(void *arg, const mg_span *span) {
    tally *t = arg;
    if (t->n < TALLY_SPANS) t->spans[t->n++] = *span;
}

static inline int tally_type(mg_str name) {
    if (mg_str_is(name, "api_key") || mg_str_is(name, "private_key")) return TALLY_SECRET;
    for (int i = 0; i < TALLY_PHONES; i++)
        if (mg_str_is(name, tally_names[i])) return i;
    return -1;
}

static inline bool tally_flag(const mg_json *label, const char *name, bool otherwise) {
    return mg_json_bool(mg_json_get(label, mg_str_of(name)), otherwise);
}

static inline mg_str tally_field(const mg_json *v, const char *name) {
    return mg_json_text(mg_json_get(v, mg_str_of(name)));
}

static inline bool tally_holds(mg_str text, const char *part) {
    return memmem(text.p, text.n, part, strlen(part)) != NULL;
}

static inline bool tally_counts(const mg_json *label, int type, mg_str text) {
    switch (type) {
    case TALLY_SSN: return tally_flag(label, "structurally_valid", true) && tally_flag(label, "separated", true);
    case TALLY_SIN:
    case TALLY_CARD: return tally_flag(label, "luhn", false);
    case TALLY_PHONE: return tally_flag(label, "nanp", false);
    case TALLY_SECRET: return mg_str_is(tally_field(label, "type"), "api_key") || tally_holds(text, "PRIVATE KEY");
    default: return true;
    }
}

static inline bool tally_is_labelled(const mg_json *row, int type) {
    const mg_json *all = mg_json_get(row, MG_STR("labelled_types"));
    if (type == TALLY_SECRET && !mg_str_is(tally_field(row, "kind"), "positive")) return false;
    for (const mg_json *v = all ? all->child : NULL; v; v = v->next)
        if (tally_type(mg_json_text(v)) == type) return true;
    return false;
}

/* ---- why ------------------------------------------------------------------------------------------------------------ */

static inline int tally_digits(mg_str s) {
    int n = 0;
    for (size_t i = 0; i < s.n; i++) n += s.p[i] >= '0' && s.p[i] <= '9';
    return n;
}

static inline const char *tally_why_missed(int type, mg_str value) {
    if (type == TALLY_SSN && value.p[0] == '9') return "no social security number begins with 9";
    if (type == TALLY_SSN && tally_digits(value) == (int)value.n) return "nine digits without a word that says of what";
    if (type == TALLY_PHONES && tally_digits(value) < 7) return "fewer than seven digits";
    if (type == TALLY_PHONES) return "only the North American number in it is found";
    if (type == TALLY_SECRET && value.p[0] == '/') return "found, with the host that belongs to it";
    if (type == TALLY_SECRET) return "has no vendor's form, and no word in front that says what it is";
    return "not explained";
}

static inline const char *tally_why_wrong(int type, mg_str text, mg_str value) {
    if (type == TALLY_PHONE && value.p[0] == '+')
        return "a number of an assigned country code; the origin's detector is for one country, or wants a word";
    if (type == TALLY_PHONE && (tally_holds(text, "elephone") || tally_holds(text, "hone")))
        return "called a telephone in the text; the origin's detector knows one country's rules or older areas";
    if (type == TALLY_IP && tally_holds(text, "address"))
        return "an address by its form and the word in front; the origin wants the word IP";
    return "not explained";
}

/* ---- counting ------------------------------------------------------------------------------------------------------- */

static inline void tally_label(tally *t, const mg_json *label, int type, mg_str text) {
    size_t start = (size_t)mg_json_int(mg_json_get(label, MG_STR("start")), 0);
    size_t end = (size_t)mg_json_int(mg_json_get(label, MG_STR("end")), 0);
    size_t first = start, last = end; /* a parenthesis or a quote at an end gives nothing away */
    bool hit = false, exact = false;
    while (first < end && ispunct((unsigned char)text.p[first]) && text.p[first] != ':') first++;
    while (last > first && ispunct((unsigned char)text.p[last - 1]) && text.p[last - 1] != ':') last--;
    for (size_t i = 0; i < t->n; i++) {
        const mg_span *s = &t->spans[i];
        if (tally_type(mg_str_of(s->type)) != (type == TALLY_PHONES ? TALLY_PHONE : type)) continue;
        hit = hit || (s->start <= first && s->end >= last);
        exact = exact || (s->start == start && s->end == end);
    }
    t->counts[type].labelled++;
    t->counts[type].hit += hit;
    t->counts[type].exact += exact;
    if (hit || t->quiet) return;
    mg_str value = mg_str_from(text.p + start, end - start);
    printf("  missed       %-11s %.*s: %s\n", tally_names[type], (int)(value.n > 60 ? 60 : value.n), value.p,
           tally_why_missed(type, value));
}

static inline bool tally_touches(const mg_json *labels, const mg_span *s) {
    for (const mg_json *l = labels ? labels->child : NULL; l; l = l->next) {
        size_t start = (size_t)mg_json_int(mg_json_get(l, MG_STR("start")), 0);
        size_t end = (size_t)mg_json_int(mg_json_get(l, MG_STR("end")), 0);
        if (tally_type(tally_field(l, "type")) == tally_type(mg_str_of(s->type)) && s->start < end && start < s->end)
            return true;
    }
    return false;
}

static inline void tally_row(tally *t, const mg_json *row) {
    mg_str text = tally_field(row, "text");
    const mg_json *labels = mg_json_get(row, MG_STR("spans"));
    t->n = 0;
    t->rows++;
    t->scan(t, text);
    for (const mg_json *l = labels ? labels->child : NULL; l; l = l->next) {
        int type = tally_type(tally_field(l, "type"));
        if (type < 0) continue;
        if (tally_counts(l, type, text)) tally_label(t, l, type, text);
        if (type == TALLY_PHONE) tally_label(t, l, TALLY_PHONES, text);
    }
    for (size_t i = 0; i < t->n; i++) {
        int type = tally_type(mg_str_of(t->spans[i].type));
        if (!tally_is_labelled(row, type)) continue;
        t->counts[type].found++;
        if (tally_touches(labels, &t->spans[i])) continue;
        t->counts[type].wrong++;
        mg_str value = mg_str_from(text.p + t->spans[i].start, t->spans[i].end - t->spans[i].start);
        if (!t->quiet)
            printf("  false alarm  %-11s %.*s: %s\n", tally_names[type], (int)(value.n > 60 ? 60 : value.n), value.p,
                   tally_why_wrong(type, text, value));
    }
}

/* False: the file is not there. */
static inline bool tally_file(tally *t, const char *folder, const char *name) {
    char path[512], command[600], *line = NULL;
    size_t cap = 0;
    ssize_t n;
    bool packed = strlen(name) > 3 && strcmp(name + strlen(name) - 3, ".gz") == 0;
    snprintf(path, sizeof path, "%s/pii/%s", folder, name);
    FILE *file = fopen(path, "r");
    if (!file) return false;
    if (packed) {
        fclose(file);
        snprintf(command, sizeof command, "gzip -dc '%s'", path);
        file = popen(command, "r");
    }
    mg_json_parser *parser = mg_json_parser_create();
    mg_arena *arena = mg_arena_create(65536);
    while (file && (n = getline(&line, &cap, file)) > 0) {
        const mg_json *row;
        mg_error error;
        mg_arena_reset(arena);
        if (mg_json_parse_copy(parser, arena, mg_str_trim(mg_str_from(line, (size_t)n)), &row, &error) == MG_OK)
            tally_row(t, row);
    }
    free(line);
    if (file) packed ? pclose(file) : fclose(file);
    mg_arena_destroy(arena);
    mg_json_parser_destroy(parser);
    return true;
}

/* All files of the folder's `pii`; false: they are not there. */
static inline bool tally_all(tally *t, const char *folder) {
    return tally_file(t, folder, "synthetic.jsonl") && tally_file(t, folder, "unit_tables.jsonl") &&
           tally_file(t, folder, "hard_negatives.jsonl") && tally_file(t, folder, "secrets.jsonl.gz");
}

static inline double tally_recall(const tally_count *c) { return c->labelled ? (double)c->hit / c->labelled : 1; }
static inline double tally_precision(const tally_count *c) {
    return c->found ? (double)(c->found - c->wrong) / c->found : 1;
}
static inline double tally_f1(const tally_count *c) {
    double r = tally_recall(c), p = tally_precision(c);
    return r + p > 0 ? 2 * r * p / (r + p) : 0;
}

#endif
