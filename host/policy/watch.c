#include "policy/watch.h"
#include "base/hash.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    ENTRIES = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO,
    CONTENTS = ENTRIES | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF
};

struct mg_watcher {
    char *folder, *parent; /* the parent tells when the folder appears, or is replaced */
    int fd;
    uint64_t stamp;
};

static char *parent_of(mg_str folder) {
    while (folder.n > 1 && folder.p[folder.n - 1] == '/') folder.n--;
    size_t n = folder.n;
    while (n && folder.p[n - 1] != '/') n--;
    if (!n) return mg_strndup(".", 1);
    return mg_strndup(folder.p, n > 1 ? n - 1 : 1);
}

mg_watcher *mg_watcher_create(mg_str folder) {
    mg_watcher *w = MG_NEW(mg_watcher);
    w->folder = mg_strndup(folder.p ? folder.p : "", folder.n);
    w->parent = parent_of(folder);
    w->fd = folder.n ? inotify_init1(IN_NONBLOCK | IN_CLOEXEC) : -1;
    return w;
}

void mg_watcher_destroy(mg_watcher *w) {
    if (!w) return;
    if (w->fd >= 0) close(w->fd);
    free(w->folder);
    free(w->parent);
    free(w);
}

int mg_watcher_fd(const mg_watcher *w) { return w->fd; }

bool mg_watcher_drain(mg_watcher *w) {
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool any = false;
    while (w->fd >= 0 && read(w->fd, events, sizeof events) > 0) any = true;
    return any;
}

/* The same folder again is the same watch to the kernel. */
static void watch(mg_watcher *w, const char *path, uint32_t events) {
    if (w->fd >= 0) inotify_add_watch(w->fd, path, events);
}

/* Sums do not depend on the order of the walk; a file's change changes its own term. */
static void add(mg_watcher *w, const char *path) {
    struct stat st;
    if (stat(path, &st) != 0) return;
    uint64_t of[] = {mg_hash64(mg_str_of(path)),  (uint64_t)st.st_ino,          (uint64_t)st.st_size,
                     (uint64_t)st.st_mtim.tv_sec, (uint64_t)st.st_mtim.tv_nsec, (uint64_t)st.st_ctim.tv_sec,
                     (uint64_t)st.st_ctim.tv_nsec};
    w->stamp += mg_hash64(mg_str_from((const char *)of, sizeof of));
}

static void on_folder(void *arg, const char *path) {
    mg_watcher *w = arg;
    watch(w, path, CONTENTS);
    w->stamp += mg_hash64(mg_str_of(path));
}

static void on_file(void *arg, mg_tier tier, mg_str org, mg_str name, const char *path, const char *relative) {
    (void)tier, (void)org, (void)name, (void)relative;
    add(arg, path);
}

uint64_t mg_watcher_stamp(mg_watcher *w) {
    const mg_folder_visitor v = {.folder = on_folder, .file = on_file, .arg = w};
    w->stamp = 0;
    if (!*w->folder) return 0;
    watch(w, w->parent, ENTRIES);
    mg_folder_walk(mg_str_of(w->folder), &v);
    return w->stamp;
}
