/* What processes that are gone left behind: their segments are taken over, cut where the last record is torn, and
 * attempts without an end get one ("interrupted"). Feeding them to the ledger is then the same as for a live writer. */
#include "base/log.h"
#include "gateway/spool_state.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { UNNAMED_S = 60 };

typedef struct orphans {
    mg_spool_segment **at;
    size_t n;
} orphans;

static int is_segment(const struct dirent *e) {
    return e->d_name[0] != '.' && mg_str_glob(MG_STR("*.spool"), mg_str_of(e->d_name));
}

static int is_unnamed(const struct dirent *e) {
    return e->d_name[0] != '.' && mg_str_glob(MG_STR("*.new"), mg_str_of(e->d_name));
}

static bool is_ours(mg_spool *s, const char *name) {
    pthread_mutex_lock(&s->lock);
    bool ours = false;
    for (mg_spool_segment *g = s->segments; g && !ours; g = g->next) ours = strcmp(g->name, name) == 0;
    pthread_mutex_unlock(&s->lock);
    return ours;
}

/* A header that does not check out: nothing in the file can be told from garbage. */
static void set_aside_whole(mg_spool *s, mg_spool_segment *g) {
    off_t size = lseek(g->fd, 0, SEEK_END);
    bool ok = size <= 0 || mg_spool_reject_bytes(s, g, 0, (uint64_t)size, MG_STR("damaged on disk: the file's header"));
    mg_spool_segment_close(g, s->dir, ok);
}

static bool holds(const orphans *o, const char *name) {
    for (size_t i = 0; i < o->n; i++)
        if (strcmp(o->at[i]->name, name) == 0) return true;
    return false;
}

/* One pass over the folder, oldest first. Returns how many were taken. */
static size_t take_pass(mg_spool *s, orphans *o) {
    struct dirent **names;
    int n = scandirat(s->dir, ".", &names, is_segment, alphasort);
    size_t before = o->n;
    for (int i = 0; i < n; i++) {
        mg_spool_segment *g;
        mg_error error;
        mg_status status = MG_DECLINED;
        if (!holds(o, names[i]->d_name) && !is_ours(s, names[i]->d_name))
            status = mg_spool_segment_take(s->dir, names[i]->d_name, &g, &error);
        if (status == MG_ERROR) mg_log(MG_LOG_ERROR, "spool_orphan_left", MG_F("error", mg_str_of(error.text)));
        if (status == MG_OK && atomic_load(&g->committed) == 0) {
            set_aside_whole(s, g);
        } else if (status == MG_OK) {
            o->at = mg_realloc(o->at, (o->n + 1) * sizeof *o->at);
            o->at[o->n++] = g;
        }
        free(names[i]);
    }
    if (n >= 0) free(names);
    return o->n - before;
}

/* Files that were never given their name, by a process that was killed while it made them: empty of anything that
 * counts. One that is younger may be about to be locked. */
static void drop_unnamed(mg_spool *s) {
    struct dirent **names;
    int n = scandirat(s->dir, ".", &names, is_unnamed, NULL);
    for (int i = 0; i < n; i++) {
        struct stat st;
        int fd = openat(s->dir, names[i]->d_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && time(NULL) - st.st_mtime > UNNAMED_S)
            unlinkat(s->dir, names[i]->d_name, 0);
        if (fd >= 0) close(fd);
        free(names[i]);
    }
    if (n >= 0) free(names);
}

/* What is allocated ahead and was never written is no loss that somebody should read of. */
static bool begins_with_zeros(const mg_spool_segment *g, uint64_t at) {
    char head[MG_SPOOL_RECORD_HEADER];
    static const char zeros[MG_SPOOL_RECORD_HEADER];
    ssize_t n = pread(g->fd, head, sizeof head, (off_t)at);
    return n > 0 && memcmp(head, zeros, (size_t)n) == 0;
}

static void cut_tail(mg_spool_segment *g, uint64_t at) {
    uint64_t torn = atomic_load(&g->committed) - at;
    if (!begins_with_zeros(g, at))
        mg_log(MG_LOG_WARN, "spool_tail_cut", MG_F("segment", mg_str_of(g->name)), MG_FN("bytes", torn));
    (void)!ftruncate(g->fd, (off_t)at); /* what follows is never read: `committed` says so */
    atomic_store(&g->committed, at);
}

/* Notes starts without an end, counts rows, cuts a torn tail. */
static void survey(mg_spool_segment *g, mg_spool_reader *reader, mg_spool_starts *starts) {
    uint64_t at = MG_SPOOL_HEADER, limit = atomic_load(&g->committed);
    mg_spool_record record;
    mg_error error;
    mg_usage_row row;
    mg_status status;
    g->read = MG_SPOOL_HEADER;
    mg_spool_reader_reset(reader);
    while ((status = mg_spool_segment_read(g, reader, at, limit, &record, &error)) == MG_OK || status == MG_AGAIN) {
        if (status == MG_AGAIN && record.end == limit) {
            cut_tail(g, at);
            return;
        }
        if (status == MG_OK && record.type != MG_SPOOL_START) atomic_fetch_add(&g->rows, 1);
        if (status == MG_OK && mg_usage_row_decode(record.payload, &row)) {
            if (record.type == MG_SPOOL_START) mg_spool_starts_put(starts, row.attempt_id, g, at);
            if (record.type == MG_SPOOL_END) mg_spool_starts_remove(starts, row.attempt_id);
        }
        at = record.end;
    }
    if (status == MG_ERROR) {
        g->keep = true;
        mg_log(MG_LOG_ERROR, "spool_read_failed", MG_F("error", mg_str_of(error.text)));
    }
}

static void adopt(mg_spool *s, const orphans *o) {
    mg_spool_starts starts = {0};
    mg_spool_reader reader = {0};
    mg_buf record = {.max = MG_SPOOL_RECORD_HEADER + MG_SPOOL_RECORD_MAX};
    for (size_t i = 0; i < o->n; i++) survey(o->at[i], &reader, &starts);
    mg_log(MG_LOG_INFO, "spool_replay", MG_FN("segments", o->n), MG_FN("interrupted", starts.n));
    mg_spool_interrupt(&starts, o->at[o->n - 1], &record, &reader);
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < o->n; i++) mg_spool_list_add(s, o->at[i]);
    pthread_mutex_unlock(&s->lock);
    mg_spool_starts_finish(&starts);
    mg_buf_finish(&record);
    mg_buf_finish(&reader.window);
}

/* All segments of a dead process have to come into the same hands, else a start could be taken for interrupted whose
 * end another gateway is reading: one gateway at a time looks, and it looks again as long as it finds some, because a
 * process may die while the folder is being read. */
void mg_spool_take_orphans(mg_spool *s) {
    int lock = openat(s->dir, ".takeover", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0) return;
    orphans o = {0};
    if (flock(lock, LOCK_EX | LOCK_NB) == 0) {
        while (take_pass(s, &o)) {}
        drop_unnamed(s);
    }
    if (o.n) adopt(s, &o);
    free(o.at);
    close(lock);
}
