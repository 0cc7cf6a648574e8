#include "gateway/spool.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/spool_state.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SEGMENT_BYTES = 16 * 1024 * 1024,
    SYNC_MS = 10,
    BATCH_ROWS = 1000,
    BATCH_MS = 250,
    MANY_SEGMENTS = 32, /* each holds a descriptor: from here on they get larger instead of more */
    MAX_DOUBLINGS = 10
};

/* ---- the list and the thread's sleep ----------------------------------------------------------------------------- */

void mg_spool_list_add(mg_spool *s, mg_spool_segment *g) {
    *s->segments_tail = g;
    s->segments_tail = &g->next;
    atomic_fetch_add(&s->n_segments, 1);
}

void mg_spool_wake(mg_spool *s) {
    if (!atomic_load(&s->idle)) return;
    pthread_mutex_lock(&s->lock);
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

/* ---- writers ----------------------------------------------------------------------------------------------------- */

/* A row that is too large for a record loses its decision record, then its tags: what it cost is what counts. */
static bool encode_record(mg_buf *record, const mg_usage_row *row) {
    mg_buf_clear(record);
    if (!mg_buf_reserve(record, MG_SPOOL_RECORD_HEADER)) return false;
    record->n = MG_SPOOL_RECORD_HEADER;
    if (mg_usage_row_encode(row, record)) return true;
    mg_usage_row slim = *row;
    slim.decisions = (mg_str){NULL, 0};
    bool ok = mg_usage_row_encode(&slim, record);
    slim.metadata = (mg_str){NULL, 0};
    ok = ok || mg_usage_row_encode(&slim, record);
    if (ok) mg_log(MG_LOG_WARN, "spool_row_cut", MG_F("attempt", mg_str_of(row->attempt_id)));
    return ok;
}

void mg_spool_interrupt(mg_spool_starts *t, mg_spool_segment *g, mg_buf *record, mg_spool_reader *reader) {
    const mg_spool_segment *last = NULL;
    for (size_t i = 0; i < t->cap; i++) {
        mg_spool_start_at *at = &t->slots[i];
        if (!at->id[0]) continue;
        if (at->segment != last) mg_spool_reader_reset(reader);
        last = at->segment;
        mg_spool_record start;
        mg_usage_row row;
        mg_error error = {0};
        uint64_t limit = atomic_load(&at->segment->committed);
        bool ok = mg_spool_segment_read(at->segment, reader, at->offset, limit, &start, &error) == MG_OK &&
                  mg_usage_row_decode(start.payload, &row);
        if (ok) {
            row.outcome = MG_STR("interrupted");
            row.precision = MG_STR("estimated");
            row.final = true;
            ok = encode_record(record, &row) && mg_spool_segment_append(g, MG_SPOOL_END, record, NULL, &error) == MG_OK;
        }
        if (ok) continue;
        at->segment->keep = true;
        mg_log(MG_LOG_ERROR, "spool_interrupted_left", MG_F("attempt", mg_str_of(at->id)),
               MG_F("error", mg_str_of(error.text)));
    }
}

static uint64_t rotate_size(const mg_spool *s) {
    size_t doublings = atomic_load(&s->n_segments) / MANY_SEGMENTS;
    return (uint64_t)s->segment_bytes << (doublings < MAX_DOUBLINGS ? doublings : MAX_DOUBLINGS);
}

/* Copies the starts that are still open, so that the old segment may go once its own rows are in the ledger. */
static mg_status carry_starts(mg_spool_writer *w, mg_spool_segment *to, mg_error *error) {
    uint64_t limit = atomic_load_explicit(&w->segment->committed, memory_order_relaxed);
    mg_buf copy = {.max = MG_SPOOL_RECORD_HEADER + MG_SPOOL_RECORD_MAX};
    mg_status s = MG_OK;
    mg_spool_reader_reset(&w->reader);
    for (size_t i = 0; s == MG_OK && i < w->starts.cap; i++) {
        mg_spool_start_at *at = &w->starts.slots[i];
        if (!at->id[0]) continue;
        mg_spool_record start;
        s = mg_spool_segment_read(w->segment, &w->reader, at->offset, limit, &start, error);
        if (s == MG_OK) {
            mg_buf_clear(&copy);
            static const char space[MG_SPOOL_RECORD_HEADER];
            mg_buf_add(&copy, space, sizeof space);
            mg_buf_str(&copy, start.payload);
            s = mg_spool_segment_append(to, MG_SPOOL_START, &copy, &at->moved, error);
        } else if (s == MG_AGAIN) {
            s = mg_fail(error, 503, "usage_not_recorded", "a start record of the usage spool is damaged");
        }
    }
    mg_buf_finish(&copy);
    return s;
}

static mg_status rotate(mg_spool_writer *w, mg_error *error) {
    mg_spool *s = w->spool;
    mg_spool_segment *g = mg_spool_segment_create(s->dir, w->worker, s->segment_bytes, error);
    if (!g) return MG_ERROR;
    bool first = !w->segment;
    if ((!first && carry_starts(w, g, error) != MG_OK) || mg_spool_segment_publish(g, s->dir, error) != MG_OK) {
        mg_spool_segment_close(g, s->dir, true);
        return MG_ERROR;
    }
    for (size_t i = 0; i < w->starts.cap; i++) {
        w->starts.slots[i].segment = g;
        w->starts.slots[i].offset = w->starts.slots[i].moved;
    }
    atomic_store(&s->dir_changed, true);
    pthread_mutex_lock(&s->lock);
    mg_spool_list_add(s, g); /* before the old one is closed: whoever deletes that one has synced this one */
    pthread_mutex_unlock(&s->lock);
    if (!first) mg_spool_segment_seal(w->segment);
    w->segment = g;
    w->rotate_at = rotate_size(s) + (atomic_load(&g->committed) - MG_SPOOL_HEADER);
    return MG_OK;
}

mg_spool_writer *mg_spool_writer_open(mg_spool *s, size_t worker, mg_error *error) {
    mg_spool_writer *w = MG_NEW(mg_spool_writer);
    w->spool = s;
    w->worker = worker;
    w->record.max = MG_SPOOL_RECORD_HEADER + MG_SPOOL_RECORD_MAX;
    if (rotate(w, error) != MG_OK) {
        free(w);
        return NULL;
    }
    pthread_mutex_lock(&s->lock);
    w->next = s->writers;
    s->writers = w;
    pthread_mutex_unlock(&s->lock);
    return w;
}

void mg_spool_writer_close(mg_spool_writer *w) {
    if (!w) return;
    mg_spool *s = w->spool;
    pthread_mutex_lock(&s->lock);
    mg_spool_writer **at = &s->writers;
    while (*at != w) at = &(*at)->next;
    *at = w->next;
    pthread_mutex_unlock(&s->lock);
    mg_spool_interrupt(&w->starts, w->segment, &w->record, &w->reader);
    mg_spool_segment_seal(w->segment);
    mg_spool_wake(s);
    mg_spool_starts_finish(&w->starts);
    mg_buf_finish(&w->record);
    mg_buf_finish(&w->reader.window);
    free(w);
}

static mg_status append(mg_spool_writer *w, mg_spool_type type, const mg_usage_row *row, mg_error *error) {
    if (!encode_record(&w->record, row))
        return mg_fail(error, 503, "usage_not_recorded", "the usage row of attempt %.36s is larger than 1 MB",
                       row->attempt_id);
    uint64_t at = atomic_load_explicit(&w->segment->committed, memory_order_relaxed);
    if (at + w->record.n > w->rotate_at && at > MG_SPOOL_HEADER) {
        mg_error why;
        /* No new file: the old one goes on, and the next try is a while away. */
        if (rotate(w, &why) != MG_OK) w->rotate_at = at + w->spool->segment_bytes / 16 + w->record.n;
    }
    mg_status s = mg_spool_segment_append(w->segment, type, &w->record, &at, error);
    if (s != MG_OK) return s;
    if (type == MG_SPOOL_START) mg_spool_starts_put(&w->starts, row->attempt_id, w->segment, at);
    if (type == MG_SPOOL_END) mg_spool_starts_remove(&w->starts, row->attempt_id);
    mg_spool_wake(w->spool);
    return MG_OK;
}

mg_status mg_spool_start(mg_spool_writer *w, const mg_usage_row *row, mg_error *error) {
    return append(w, MG_SPOOL_START, row, error);
}

mg_status mg_spool_end(mg_spool_writer *w, const mg_usage_row *row, mg_error *error) {
    return append(w, MG_SPOOL_END, row, error);
}

mg_status mg_spool_amend(mg_spool_writer *w, const mg_usage_row *row, mg_error *error) {
    return append(w, MG_SPOOL_AMEND, row, error);
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

/* Makes the folder and those above it. */
static mg_status make_folder(mg_str path, mg_error *error) {
    char p[4096];
    if (path.n == 0 || path.n >= sizeof p)
        return mg_fail(error, 0, "bad_path", "the spool's folder has no name or a too long one; set data_dir");
    memcpy(p, path.p, path.n);
    p[path.n] = 0;
    for (size_t i = 1; i <= path.n; i++) {
        if (p[i] != '/' && p[i] != 0) continue;
        char c = p[i];
        p[i] = 0;
        if (mkdir(p, 0700) != 0 && errno != EEXIST)
            return mg_fail(error, 0, "spool_folder",
                           "can't make the folder %s for the usage spool: %s; make it, or set data_dir", p,
                           strerror(errno));
        p[i] = c;
    }
    return MG_OK;
}

static mg_status open_folders(mg_spool *s, mg_str path, mg_error *error) {
    if (make_folder(path, error) != MG_OK) return MG_ERROR;
    char p[4096];
    memcpy(p, path.p, path.n);
    p[path.n] = 0;
    s->dir = open(p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir >= 0 && (mkdirat(s->dir, "rejected", 0700) == 0 || errno == EEXIST))
        s->rejected_dir = openat(s->dir, "rejected", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->rejected_dir >= 0 && faccessat(s->dir, ".", W_OK | X_OK, AT_EACCESS) == 0) return MG_OK;
    return mg_fail(
        error, 0, "spool_folder",
        "can't use the folder %s for the usage spool: %s; let the gateway's user read and write it, or set data_dir", p,
        strerror(errno));
}

static uint64_t count_rejected(const mg_spool *s) {
    DIR *d = fdopendir(openat(s->rejected_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!d) return 0;
    uint64_t n = 0;
    for (struct dirent *e; (e = readdir(d));) {
        mg_str name = mg_str_of(e->d_name);
        n += e->d_name[0] != '.' && !mg_str_glob(MG_STR("*.reason"), name);
    }
    closedir(d);
    return n;
}

static void declare_metrics(mg_spool *s, mg_metrics *m) {
    if (!m) return;
    s->m_waiting = mg_metrics_series(m, "moongate_spool_waiting_rows", MG_GAUGE,
                                     "Usage rows that are durable on disk and not yet in the ledger", NULL, 0, NULL, 0);
    s->m_segments =
        mg_metrics_series(m, "moongate_spool_segments", MG_GAUGE, "Files of the usage spool", NULL, 0, NULL, 0);
    s->m_rejected = mg_metrics_series(m, "moongate_spool_rejected_total", MG_COUNTER,
                                      "Usage rows set aside in spool/rejected", NULL, 0, NULL, 0);
    s->m_written = mg_metrics_series(m, "moongate_spool_written_total", MG_COUNTER, "Usage rows written to the ledger",
                                     NULL, 0, NULL, 0);
    s->m_errors = mg_metrics_series(m, "moongate_spool_ledger_errors_total", MG_COUNTER,
                                    "Batches that the ledger failed to take", NULL, 0, NULL, 0);
}

static void destroy(mg_spool *s) {
    for (mg_spool_segment *g = s->segments, *next; g; g = next) {
        next = g->next;
        mg_spool_segment_close(g, s->dir, false);
    }
    mg_arena_destroy(s->batch.arena);
    free(s->batch.rows);
    mg_buf_finish(&s->reader.window);
    if (s->dir >= 0) close(s->dir);
    if (s->rejected_dir >= 0) close(s->rejected_dir);
    pthread_cond_destroy(&s->wake);
    pthread_cond_destroy(&s->done);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static mg_spool *create(const mg_spool_options *o, mg_use *ledger) {
    mg_spool *s = MG_NEW(mg_spool);
    s->segment_bytes = o->segment_bytes ? o->segment_bytes : SEGMENT_BYTES;
    s->batch_rows = o->batch_rows ? o->batch_rows : BATCH_ROWS;
    s->sync_ms = o->sync_ms ? o->sync_ms : SYNC_MS;
    s->batch_ms = o->batch_ms ? o->batch_ms : BATCH_MS;
    s->dir = s->rejected_dir = -1;
    s->ops = mg_use_ops(ledger);
    s->self = mg_use_shared(ledger);
    s->segments_tail = &s->segments;
    s->jobs_tail = &s->jobs;
    atomic_store(&s->ledger_ok, true);
    s->batch.arena = mg_arena_create(64 * 1024);
    s->batch.rows = mg_calloc(s->batch_rows, sizeof *s->batch.rows);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_cond_init(&s->done, NULL);
    declare_metrics(s, o->metrics);
    return s;
}

mg_spool *mg_spool_open(const mg_spool_options *o, mg_use *ledger, mg_error *error) {
    mg_spool *s = create(o, ledger);
    if (open_folders(s, o->dir, error) != MG_OK) {
        destroy(s);
        return NULL;
    }
    atomic_store(&s->rejected, count_rejected(s));
    mg_spool_take_orphans(s);
    int e = pthread_create(&s->thread, NULL, mg_spool_feed, s);
    if (e == 0) return s;
    mg_fail(error, 0, "thread", "can't start the spool's thread: %s", strerror(e));
    destroy(s);
    return NULL;
}

size_t mg_spool_close(mg_spool *s, uint64_t wait_ms) {
    if (!s) return 0;
    while (s->writers) mg_spool_writer_close(s->writers);
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    s->deadline_ms = mg_clock_mono_ms() + wait_ms;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    mg_spool_status left;
    mg_spool_status_get(s, &left);
    destroy(s);
    return (size_t)left.waiting;
}

void mg_spool_status_get(mg_spool *s, mg_spool_status *out) {
    *out = (mg_spool_status){.rejected = atomic_load(&s->rejected),
                             .written = atomic_load(&s->written),
                             .ledger_ok = atomic_load(&s->ledger_ok)};
    pthread_mutex_lock(&s->lock);
    for (mg_spool_segment *g = s->segments; g; g = g->next) {
        uint64_t settled = atomic_load(&g->settled); /* first: it never passes `rows` */
        out->waiting += atomic_load(&g->rows) - settled;
        out->bytes += atomic_load(&g->committed);
        out->segments++;
    }
    memcpy(out->ledger_error, s->ledger_error, sizeof out->ledger_error);
    pthread_mutex_unlock(&s->lock);
}

/* ---- work on the ledger's thread --------------------------------------------------------------------------------- */

static void submit(mg_spool *s, mg_spool_job *job) {
    *s->jobs_tail = job;
    s->jobs_tail = &job->next;
    pthread_cond_signal(&s->wake);
}

void mg_spool_with_ledger(mg_spool *s, void (*work)(void *arg, const mg_ledger *ops, void *self), void *arg) {
    if (pthread_equal(pthread_self(), s->thread)) {
        work(arg, s->ops, s->self);
        return;
    }
    mg_spool_job job = {.work = work, .arg = arg, .waited = true};
    pthread_mutex_lock(&s->lock);
    submit(s, &job);
    while (!job.done) pthread_cond_wait(&s->done, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

void mg_spool_post_ledger(mg_spool *s, void (*work)(void *arg, const mg_ledger *ops, void *self), void *arg) {
    mg_spool_job *job = MG_NEW(mg_spool_job);
    job->work = work;
    job->arg = arg;
    pthread_mutex_lock(&s->lock);
    submit(s, job);
    pthread_mutex_unlock(&s->lock);
}
