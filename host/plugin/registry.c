#include "plugin/registry.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "plugin/descriptor.h"

/* Which version of a file was looked at, so that a refused one is tried again once mended. */
typedef struct version {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
} version;

struct mg_registry {
    const mg_host *host;
    mg_plugin_file *files;
    version *versions; /* one for each file */
    size_t n;
};

static char *own_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *own_printf(const char *format, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    return n < 0 ? mg_strndup("", 0) : text;
}

static void own_set(mg_str *s, char *text) {
    free((char *)s->p);
    *s = mg_str_of(text);
}

/* ---- one file ---------------------------------------------------------------------------------------------------- */

static const mg_plugin_file *twin_find(const mg_registry *r, const mg_plugin *p) {
    for (size_t i = 0; i < r->n; i++) {
        const mg_plugin *have = r->files[i].plugin;
        if (have && (have == p || (have->kind == p->kind && strcmp(have->name, p->name) == 0))) return &r->files[i];
    }
    return NULL;
}

static mg_status descriptor_take(const mg_registry *r, void *handle, const mg_plugin **out, mg_error *error) {
    const mg_plugin *(*descriptor)(void);
    void *symbol = dlsym(handle, MG_PLUGIN_SYMBOL);
    if (!symbol)
        return mg_fail(error, 0, "bad_plugin",
                       "it exports no function " MG_PLUGIN_SYMBOL
                       ": declare it MG_PLUGIN_EXPORT (and extern \"C\" in C++)");
    memcpy(&descriptor, &symbol, sizeof descriptor); /* ISO C has no conversion from object to function pointers */
    const mg_plugin *p = descriptor();
    mg_status status = mg_descriptor_check(p, error);
    if (status != MG_OK) return status;
    const mg_plugin_file *twin = twin_find(r, p);
    if (twin)
        return mg_fail(error, 0, "bad_plugin", "%s '%s' is there already, from %.200s: remove one of the two",
                       mg_plugin_kind_name(p->kind), p->name, twin->path.p);
    *out = p;
    return MG_OK;
}

/* True if the file is in. A refused one is unmapped: nothing of it is in use, and the same path can be loaded again. */
static bool file_load(const mg_registry *r, mg_plugin_file *file) {
    mg_error error;
    void *handle = dlopen(file->path.p, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *why = dlerror();
        own_set(&file->fault, own_printf("plugin %s can't be loaded: %s", file->path.p, why ? why : "no reason given"));
        return false;
    }
    if (descriptor_take(r, handle, &file->plugin, &error) == MG_OK) {
        own_set(&file->fault, NULL);
        return true;
    }
    own_set(&file->fault, own_printf("plugin %s: %s", file->path.p, error.text));
    dlclose(handle);
    return false;
}

/* ---- the folder -------------------------------------------------------------------------------------------------- */

static int is_shared_object(const struct dirent *entry) {
    size_t n = strlen(entry->d_name);
    return entry->d_name[0] != '.' && n > 3 && strcmp(entry->d_name + n - 3, ".so") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

/* The entry for this path, new if need be. */
static size_t file_place(mg_registry *r, char *path) {
    for (size_t i = 0; i < r->n; i++)
        if (mg_str_is(r->files[i].path, path)) {
            free(path);
            return i;
        }
    r->files = mg_realloc(r->files, (r->n + 1) * sizeof *r->files);
    r->versions = mg_realloc(r->versions, (r->n + 1) * sizeof *r->versions);
    r->files[r->n] = (mg_plugin_file){.path = mg_str_of(path)};
    r->versions[r->n] = (version){0};
    return r->n++;
}

static bool version_same(const version *v, const struct stat *st) {
    return v->device == st->st_dev && v->inode == st->st_ino && v->size == st->st_size &&
           v->changed.tv_sec == st->st_mtim.tv_sec && v->changed.tv_nsec == st->st_mtim.tv_nsec;
}

/* True if the file was refused now. */
static bool file_visit(mg_registry *r, char *path) {
    struct stat st = {0};
    size_t i = file_place(r, path);
    if (r->files[i].plugin) return false;
    int failed = stat(r->files[i].path.p, &st) != 0 ? errno : 0;
    if (r->files[i].fault.p && version_same(&r->versions[i], &st)) return false;
    r->versions[i] = (version){st.st_dev, st.st_ino, st.st_size, st.st_mtim};
    if (!failed && S_ISREG(st.st_mode)) return !file_load(r, &r->files[i]);
    /* Opening a pipe or a device of that name could wait forever. */
    own_set(&r->files[i].fault, own_printf("plugin %s can't be loaded: %s", r->files[i].path.p,
                                           failed ? strerror(failed) : "it is not a regular file"));
    return true;
}

int mg_registry_load(mg_registry *r, mg_str folder, mg_error *error) {
    struct dirent **entries;
    char *dir = mg_strndup(folder.n ? folder.p : ".", folder.n ? folder.n : 1);
    int refused = 0, n = scandir(dir, &entries, is_shared_object, by_name);
    if (n < 0) {
        mg_fail(error, 0, "bad_folder", "plugin folder %.300s can't be read: %s", dir, strerror(errno));
        free(dir);
        return -1;
    }
    for (int i = 0; i < n; i++) {
        const char *slash = dir[strlen(dir) - 1] == '/' ? "" : "/";
        if (file_visit(r, own_printf("%s%s%s", dir, slash, entries[i]->d_name))) refused++;
        free(entries[i]);
    }
    free(entries);
    free(dir);
    return refused;
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

const mg_plugin_file *mg_registry_files(const mg_registry *r, size_t *n) {
    *n = r->n;
    return r->files;
}

const mg_plugin *mg_registry_find(const mg_registry *r, mg_plugin_kind kind, mg_str name) {
    for (size_t i = 0; i < r->n; i++) {
        const mg_plugin *p = r->files[i].plugin;
        if (p && p->kind == (uint32_t)kind && mg_str_is(name, p->name)) return p;
    }
    return NULL;
}

mg_str mg_registry_nearest(const mg_registry *r, mg_plugin_kind kind, mg_str name) {
    const char *nearest = NULL;
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < r->n; i++) {
        const mg_plugin *p = r->files[i].plugin;
        if (!p || p->kind != (uint32_t)kind) continue;
        size_t distance = mg_str_distance(name, mg_str_of(p->name));
        if (distance < best && distance < strlen(p->name)) {
            best = distance;
            nearest = p->name;
        }
    }
    return mg_str_of(nearest);
}

const mg_host *mg_registry_host(const mg_registry *r) { return r->host; }

mg_registry *mg_registry_create(const mg_host *host) {
    mg_registry *r = MG_NEW(mg_registry);
    r->host = host;
    return r;
}

void mg_registry_destroy(mg_registry *r) {
    if (!r) return;
    for (size_t i = 0; i < r->n; i++) {
        free((char *)r->files[i].path.p);
        free((char *)r->files[i].fault.p);
    }
    free(r->files);
    free(r->versions);
    free(r);
}
