/* Walks the policy folders. */
#include "policy/source.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

typedef struct walk {
    const mg_folder_visitor *v;
    char root[PATH_MAX];
} walk;

static void report(const walk *w, const char *relative, const char *format, const char *detail) {
    if (!w->v->fault) return;
    char text[600];
    int n = snprintf(text, sizeof text, format, detail);
    mg_policy_fault f = {mg_str_of(relative), 0, mg_str_from(text, n < (int)sizeof text ? (size_t)n : sizeof text - 1)};
    w->v->fault(w->v->arg, &f);
}

static bool name_ok(mg_str s) {
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
              c == '.'))
            return false;
    }
    return s.n > 0 && s.n <= 64 && s.p[0] != '.';
}

static bool join(char out[PATH_MAX], const char *a, const char *b) {
    int n = *a ? snprintf(out, PATH_MAX, "%s/%s", a, b) : snprintf(out, PATH_MAX, "%s", b);
    return n > 0 && n < PATH_MAX;
}

/* Entries that start with a dot are editors' files and Kubernetes' "..data". */
static int visible(const struct dirent *d) { return d->d_name[0] != '.'; }

static bool is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void visit_file(const walk *w, mg_tier tier, mg_str org, const char *relative, const char *path,
                       const char *leaf) {
    mg_str name = mg_str_of(leaf);
    if (name.n < 5 || strcmp(leaf + name.n - 4, ".lua") != 0) return;
    name.n -= 4;
    struct stat st;
    if (stat(path, &st) != 0) { /* a link that leads nowhere; a file deleted meanwhile is none of ours any more */
        if (lstat(path, &st) == 0) report(w, relative, "can't be read: %s", strerror(errno));
        return;
    }
    if (!S_ISREG(st.st_mode)) return;
    if (!name_ok(name)) {
        report(w, relative, "%s",
               "a policy's name is made of letters, digits, '_', '-' and '.', at most 64: rename the file");
        return;
    }
    if (w->v->file) w->v->file(w->v->arg, tier, org, name, path, relative);
}

/* One folder; false if it can't be opened. */
static bool walk_files(const walk *w, mg_tier tier, mg_str org, const char *below) {
    char folder[PATH_MAX], path[PATH_MAX], relative[PATH_MAX];
    if (*below ? !join(folder, w->root, below) : !join(folder, "", w->root)) return false;
    if (w->v->folder) w->v->folder(w->v->arg, folder);
    struct dirent **entries;
    int n = scandir(folder, &entries, visible, alphasort);
    if (n < 0) {
        if (errno != ENOENT && errno != ENOTDIR) report(w, below, "the folder can't be read: %s", strerror(errno));
        return false;
    }
    for (int i = 0; i < n; i++) {
        if (join(path, folder, entries[i]->d_name) && join(relative, below, entries[i]->d_name))
            visit_file(w, tier, org, relative, path, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return true;
}

static void walk_orgs(const walk *w) {
    char orgs[PATH_MAX], path[PATH_MAX], below[PATH_MAX];
    if (!join(orgs, w->root, "orgs")) return;
    struct dirent **entries;
    int n = scandir(orgs, &entries, visible, alphasort);
    if (n < 0) return;
    if (w->v->folder) w->v->folder(w->v->arg, orgs);
    for (int i = 0; i < n; i++) {
        const char *leaf = entries[i]->d_name;
        bool fits = join(path, orgs, leaf) && join(below, "orgs", leaf);
        if (fits && is_folder(path)) {
            if (name_ok(mg_str_of(leaf)))
                walk_files(w, MG_TIER_ORG, mg_str_of(leaf), below);
            else
                report(w, below, "%s",
                       "an organization's id is made of letters, digits, '_', '-' and '.', at most 64: rename it");
        }
        free(entries[i]);
    }
    free(entries);
}

bool mg_folder_walk(mg_str folder, const mg_folder_visitor *v) {
    walk w = {.v = v};
    if (folder.n == 0 || folder.n >= sizeof w.root) return false;
    memcpy(w.root, folder.p, folder.n);
    w.root[folder.n] = 0;
    if (!is_folder(w.root)) return false;
    char platform[PATH_MAX];
    if (join(platform, w.root, "platform") && is_folder(platform))
        walk_files(&w, MG_TIER_PLATFORM, MG_STR(""), "platform");
    walk_files(&w, MG_TIER_SHARED, MG_STR(""), "");
    walk_orgs(&w);
    return true;
}
