#include "policy/source.h"
#include "base/hash.h"
#include "policy/embedded.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static mg_str dup(mg_str s) { return (mg_str){mg_strndup(s.p ? s.p : "", s.n), s.n}; }

mg_status mg_policy_fault_fail(const mg_policy_fault *f, mg_error *error) {
    static const char code[] = "policy_fault";
    if (!f->file.n) return mg_fail(error, 400, code, MG_STR_FMT, MG_STR_ARG(f->message));
    if (!f->line)
        return mg_fail(error, 400, code, MG_STR_FMT ": " MG_STR_FMT, MG_STR_ARG(f->file), MG_STR_ARG(f->message));
    return mg_fail(error, 400, code, MG_STR_FMT ":%d: " MG_STR_FMT, MG_STR_ARG(f->file), f->line,
                   MG_STR_ARG(f->message));
}

static mg_str path_of(mg_tier tier, mg_str org, mg_str name) {
    char path[200];
    int n = tier == MG_TIER_ORG ? snprintf(path, sizeof path, "orgs/" MG_STR_FMT "/" MG_STR_FMT ".lua", MG_STR_ARG(org),
                                           MG_STR_ARG(name))
                                : snprintf(path, sizeof path, "%s" MG_STR_FMT ".lua",
                                           tier == MG_TIER_PLATFORM ? "platform/" : "", MG_STR_ARG(name));
    return dup(mg_str_from(path, (size_t)n < sizeof path ? (size_t)n : sizeof path - 1));
}

mg_source *mg_source_create(mg_tier tier, mg_str org, mg_str name, mg_str text) {
    mg_source *s = MG_NEW(mg_source);
    s->refs = 1;
    s->tier = tier;
    s->org = dup(org);
    s->name = dup(name);
    s->text = dup(text);
    s->path = path_of(tier, org, name);
    mg_sha256(text, s->sha256);
    return s;
}

mg_source *mg_source_ref(mg_source *s) {
    __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    return s;
}

void mg_source_unref(mg_source *s) {
    if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
    free((char *)s->path.p);
    free((char *)s->name.p);
    free((char *)s->org.p);
    free((char *)s->text.p);
    free(s);
}

static int compare(const mg_source *a, const mg_source *b) {
    if (a->tier != b->tier) return a->tier < b->tier ? -1 : 1;
    int by_org = strcmp(a->org.p, b->org.p);
    return by_org ? by_org : strcmp(a->name.p, b->name.p);
}

static int compare_items(const void *a, const void *b) {
    return compare(*(mg_source *const *)a, *(mg_source *const *)b);
}

static mg_source *find_same(const mg_sources *previous, const mg_source *s) {
    if (!previous || previous->n == 0) return NULL;
    mg_source *const *found = bsearch(&s, previous->items, previous->n, sizeof s, compare_items);
    return found && memcmp((*found)->sha256, s->sha256, sizeof s->sha256) == 0 ? *found : NULL;
}

static void add(mg_sources *out, mg_source *s) {
    if (out->n == out->cap) {
        out->cap = out->cap ? out->cap * 2 : 16;
        out->items = mg_realloc(out->items, out->cap * sizeof(mg_source *));
    }
    out->items[out->n++] = s;
}

typedef struct reading {
    const mg_sources *previous;
    mg_sources *out;
    mg_fault_fn fault;
    void *arg;
    bool failed;
} reading;

static void fail(reading *r, const char *path, const char *sentence) {
    r->failed = true;
    mg_policy_fault f = {mg_str_of(path), 0, mg_str_of(sentence)};
    if (r->fault) r->fault(r->arg, &f);
}

static void on_fault(void *arg, const mg_policy_fault *f) {
    reading *r = arg;
    r->failed = true;
    if (r->fault) r->fault(r->arg, f);
}

static void on_file(void *arg, mg_tier tier, mg_str org, mg_str name, const char *path, const char *relative) {
    reading *r = arg;
    if (r->out->n >= MG_SOURCES_MAX) {
        if (!r->failed) fail(r, relative, "there are more than 20,000 policy files: remove some");
        return;
    }
    FILE *f = fopen(path, "rbe");
    if (!f) {
        if (errno != ENOENT) fail(r, relative, strerror(errno));
        return;
    }
    char *text = mg_malloc(MG_SOURCE_MAX + 1);
    size_t n = fread(text, 1, MG_SOURCE_MAX + 1, f);
    bool broken = ferror(f);
    fclose(f);
    if (broken)
        fail(r, relative, "can't be read to its end");
    else if (n > MG_SOURCE_MAX)
        fail(r, relative, "is larger than 256 KB: split it");
    else if (n && text[0] == 0x1b)
        fail(r, relative, "is Lua bytecode: policies are source text");
    else {
        mg_source *s = mg_source_create(tier, org, name, mg_str_from(text, n));
        mg_source *same = find_same(r->previous, s);
        add(r->out, same ? mg_source_ref(same) : mg_source_ref(s));
        mg_source_unref(s);
    }
    free(text);
}

bool mg_sources_read(mg_str folder, const mg_sources *previous, mg_sources *out, mg_fault_fn fault, void *arg) {
    *out = (mg_sources){0};
    reading r = {.previous = previous, .out = out, .fault = fault, .arg = arg};
    const mg_folder_visitor v = {.file = on_file, .fault = on_fault, .arg = &r};
    if (!mg_folder_walk(folder, &v))
        for (const mg_embedded *e = mg_embedded_policies; e->name; e++)
            add(out, mg_source_create(MG_TIER_SHARED, MG_STR(""), mg_str_of(e->name),
                                      mg_str_from((const char *)e->text, e->n)));
    if (out->n) qsort(out->items, out->n, sizeof *out->items, compare_items);
    return !r.failed;
}

void mg_sources_finish(mg_sources *s) {
    for (size_t i = 0; i < s->n; i++) mg_source_unref(s->items[i]);
    free(s->items);
    *s = (mg_sources){0};
}
