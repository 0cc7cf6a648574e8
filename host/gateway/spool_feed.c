/* The spool's thread: syncs what the writers appended, reads it behind them, and takes it to the ledger in batches. */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/spool_state.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    BACKOFF_LEAST_MS = 100,
    BACKOFF_MOST_MS = 5000,
    BATCH_BYTES = 16 * 1024 * 1024, /* and a row: a batch is full from here on */
    IDLE_MS = 1000, /* longest sleep */
    LOOK_MS = 10000 /* how often orphans are looked for while running */
};

/* The list as it was when the turn began. What is `gone` (closed) then has its successor in the list too. */
typedef struct turn {
    mg_spool_segment **at;
    bool *gone;
    size_t n;
    bool closing;
    uint64_t deadline_ms, now;
} turn;

/* ---- jobs -------------------------------------------------------------------------------------------------------- */

static mg_spool_job *next_job(mg_spool *s) {
    pthread_mutex_lock(&s->lock);
    mg_spool_job *job = s->jobs;
    if (job && !(s->jobs = job->next)) s->jobs_tail = &s->jobs;
    pthread_mutex_unlock(&s->lock);
    return job;
}

static void run_jobs(mg_spool *s) {
    for (mg_spool_job *job; (job = next_job(s));) {
        job->work(job->arg, s->ops, s->self);
        if (!job->waited) {
            free(job);
            continue;
        }
        pthread_mutex_lock(&s->lock);
        job->done = true;
        pthread_cond_broadcast(&s->done);
        pthread_mutex_unlock(&s->lock);
    }
}

/* ---- disk -------------------------------------------------------------------------------------------------------- */

/* False: not on disk; the next turn tries again. */
static bool sync_segment(const mg_spool *s, mg_spool_segment *g, bool gone) {
    uint64_t committed = atomic_load(&g->committed);
    if (committed != g->synced && fdatasync(g->fd) != 0) {
        if (!s->sync_failed)
            mg_log(MG_LOG_ERROR, "spool_sync_failed", MG_F("segment", mg_str_of(g->name)),
                   MG_F("error", mg_str_of(strerror(errno))));
        return false;
    }
    g->synced = committed;
    if (gone && !g->trimmed) {
        g->trimmed = true;
        (void)!ftruncate(g->fd, (off_t)committed); /* only gives space back */
    }
    return true;
}

/* True if any segment got bytes since the last turn. */
static bool sync_all(mg_spool *s, const turn *t) {
    bool fresh = false, failed = false;
    for (size_t i = 0; i < t->n; i++) {
        fresh = fresh || atomic_load(&t->at[i]->committed) != t->at[i]->synced;
        if (!sync_segment(s, t->at[i], t->gone[i])) failed = true;
    }
    s->sync_failed = failed;
    if (atomic_exchange(&s->dir_changed, false) && fsync(s->dir) != 0) atomic_store(&s->dir_changed, true);
    return fresh;
}

/* ---- segments to batch ------------------------------------------------------------------------------------------- */

static mg_usage_row *find_row(mg_spool_batch *b, const char *attempt_id) {
    for (size_t i = b->n; i > 0; i--)
        if (strcmp(b->rows[i - 1].attempt_id, attempt_id) == 0) return &b->rows[i - 1];
    return NULL;
}

/* The ledger keeps what it has got of an attempt, so an amendment counts as long as its row waits here. */
static bool add_row(mg_spool *s, const mg_spool_record *record) {
    mg_spool_batch *b = &s->batch;
    mg_usage_row row;
    if (!mg_usage_row_decode(mg_arena_dup(b->arena, record->payload), &row)) return false;
    mg_usage_row *old = record->type == MG_SPOOL_AMEND ? find_row(b, row.attempt_id) : NULL;
    if (old) {
        *old = row;
        return true;
    }
    if (b->n == 0) b->since_ms = mg_clock_mono_ms();
    b->rows[b->n++] = row;
    return true;
}

static bool known(mg_spool_type type) { return type >= MG_SPOOL_START && type <= MG_SPOOL_AMEND; }

/* Moves behind one record. False: not possible now (disk), or nothing more to read. */
static bool read_one(mg_spool *s, mg_spool_segment *g) {
    mg_spool_record record;
    mg_error error;
    mg_status status = mg_spool_segment_read(g, &s->reader, g->read, atomic_load(&g->committed), &record, &error);
    if (status == MG_DECLINED) return false;
    if (status == MG_ERROR) {
        mg_log(MG_LOG_ERROR, "spool_read_failed", MG_F("error", mg_str_of(error.text)));
        return false;
    }
    bool counted = status == MG_OK && (record.type == MG_SPOOL_END || record.type == MG_SPOOL_AMEND);
    bool sound = status == MG_OK && known(record.type);
    if (sound && counted) sound = add_row(s, &record);
    if (!sound) {
        mg_str why = status == MG_OK
                         ? MG_STR("a record that this version of the gateway can't read; replay it with a newer one")
                         : MG_STR("damaged on disk: no sound record in these bytes");
        if (!mg_spool_reject_bytes(s, g, record.offset, record.end, why)) return false;
    }
    g->read = record.end;
    g->read_rows += counted;
    return true;
}

static bool batch_full(const mg_spool *s) {
    return s->batch.n >= s->batch_rows || mg_arena_size(s->batch.arena) > BATCH_BYTES;
}

/* True if anything was read. */
static bool fill_batch(mg_spool *s, const turn *t) {
    bool moved = false;
    for (size_t i = 0; i < t->n && !batch_full(s); i++) {
        mg_spool_reader_reset(&s->reader);
        while (!batch_full(s) && read_one(s, t->at[i])) moved = true;
    }
    return moved;
}

/* ---- batch to ledger --------------------------------------------------------------------------------------------- */

/* Sets row i aside and closes the gap. */
static mg_status reject(mg_spool *s, size_t i, mg_error *error) {
    mg_spool_batch *b = &s->batch;
    if (!mg_spool_reject_row(s, &b->rows[i], mg_str_of(error->text)))
        return mg_fail(error, 0, "spool_rejected", "can't write to spool/rejected: %s", strerror(errno));
    memmove(b->rows + i, b->rows + i + 1, (b->n - i - 1) * sizeof *b->rows);
    b->n--;
    return MG_OK;
}

/* Takes rows [from, from + n) to the ledger. A row that it refuses is set aside; when it can't say which one, the rows
 * are halved until it is alone. */
static mg_status write_rows(mg_spool *s, size_t from, size_t n, mg_error *error) {
    while (n) {
        size_t bad = SIZE_MAX;
        *error = (mg_error){0};
        mg_status status = s->ops->write(s->self, s->batch.rows + from, n, &bad, error);
        if (status == MG_OK) return MG_OK;
        if (status != MG_DECLINED) return MG_ERROR;
        if (n == 1) bad = 0;
        size_t before = s->batch.n;
        size_t part = bad < n ? 1 : n / 2;
        status = bad < n ? reject(s, from + bad, error) : write_rows(s, from, part, error);
        if (status != MG_OK) return status;
        size_t removed = before - s->batch.n;
        if (bad < n) {
            n--;
        } else {
            from += part - removed;
            n -= part;
        }
    }
    return MG_OK;
}

static void note_ledger(mg_spool *s, bool ok, const mg_error *error) {
    bool was = atomic_exchange(&s->ledger_ok, ok);
    pthread_mutex_lock(&s->lock);
    memcpy(s->ledger_error, ok ? "" : error->text, ok ? 1 : sizeof s->ledger_error);
    s->ledger_error[sizeof s->ledger_error - 1] = 0;
    pthread_mutex_unlock(&s->lock);
    if (!ok) mg_series_add(s->m_errors, 1);
    if (was && !ok) mg_log(MG_LOG_ERROR, "ledger_away", MG_F("error", mg_str_of(error->text)));
    if (!was && ok) mg_log(MG_LOG_INFO, "ledger_back", MG_FN("rows", s->batch.n));
}

/* Everything that was read is in the ledger or set aside. */
static void settle(mg_spool *s, const turn *t) {
    for (size_t i = 0; i < t->n; i++) {
        mg_spool_segment *g = t->at[i];
        /* Rows that were damaged beyond reading are counted off at the segment's end. */
        if (t->gone[i] && g->read >= atomic_load(&g->committed)) g->read_rows = atomic_load(&g->rows);
        atomic_store(&g->settled, g->read_rows);
    }
    s->batch.n = 0;
    mg_arena_reset(s->batch.arena);
}

/* Somebody may still append: a batch is worth waiting for. What others left is wanted at once, by a start. */
static bool more_to_come(const turn *t) {
    for (size_t i = 0; i < t->n; i++)
        if (!t->gone[i]) return !t->closing;
    return false;
}

static void flush(mg_spool *s, const turn *t) {
    mg_spool_batch *b = &s->batch;
    if (b->n == 0) {
        settle(s, t);
        return;
    }
    if (t->now < b->retry_ms) return;
    if (!batch_full(s) && t->now < b->since_ms + s->batch_ms && more_to_come(t)) return;
    mg_error error;
    bool ok = write_rows(s, 0, b->n, &error) == MG_OK;
    note_ledger(s, ok, &error);
    if (ok) {
        atomic_fetch_add(&s->written, b->n);
        mg_series_add(s->m_written, (int64_t)b->n);
        b->backoff_ms = b->retry_ms = 0;
        settle(s, t);
        return;
    }
    b->backoff_ms = b->backoff_ms ? b->backoff_ms * 2 : BACKOFF_LEAST_MS;
    if (b->backoff_ms > BACKOFF_MOST_MS) b->backoff_ms = BACKOFF_MOST_MS;
    b->retry_ms = mg_clock_mono_ms() + b->backoff_ms;
}

/* ---- segments that have done their work -------------------------------------------------------------------------- */

static bool done_with(const mg_spool_segment *g) {
    uint64_t committed = atomic_load(&g->committed);
    return g->read >= committed && g->synced == committed && atomic_load(&g->settled) == atomic_load(&g->rows);
}

static void unlist(mg_spool *s, mg_spool_segment *g) {
    pthread_mutex_lock(&s->lock);
    mg_spool_segment **at = &s->segments;
    while (*at != g) at = &(*at)->next;
    *at = g->next;
    if (!*at) s->segments_tail = at;
    pthread_mutex_unlock(&s->lock);
    atomic_fetch_sub(&s->n_segments, 1);
}

/* Oldest first. All segments of this turn must be on disk, since one may hold what another carried over. */
static void delete_done(mg_spool *s, const turn *t) {
    if (s->sync_failed || atomic_load(&s->dir_changed)) return;
    for (size_t i = 0; i < t->n; i++) {
        if (!t->gone[i] || !done_with(t->at[i])) continue;
        unlist(s, t->at[i]);
        mg_spool_segment_close(t->at[i], s->dir, !t->at[i]->keep);
    }
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

static void begin(mg_spool *s, turn *t) {
    pthread_mutex_lock(&s->lock);
    size_t n = 0;
    for (mg_spool_segment *g = s->segments; g; g = g->next) n++;
    t->at = mg_realloc(t->at, (n + 1) * sizeof *t->at);
    t->gone = mg_realloc(t->gone, (n + 1) * sizeof *t->gone);
    t->n = 0;
    for (mg_spool_segment *g = s->segments; g; g = g->next) {
        t->gone[t->n] = atomic_load(&g->closed);
        t->at[t->n++] = g;
    }
    if (s->closing && !t->closing) s->batch.retry_ms = 0; /* no waiting out a long pause when time is short */
    t->closing = s->closing;
    t->deadline_ms = s->deadline_ms;
    pthread_mutex_unlock(&s->lock);
    t->now = mg_clock_mono_ms();
}

static bool anything_fresh(const mg_spool *s) {
    for (mg_spool_segment *g = s->segments; g; g = g->next)
        if (atomic_load(&g->committed) != g->synced) return true;
    return false;
}

/* Sleeps `sync_ms` while there is traffic, else until something is due or an append wakes it. */
static void sleep_until_due(mg_spool *s, const turn *t, bool busy) {
    const mg_spool_batch *b = &s->batch;
    uint64_t now = mg_clock_mono_ms(), until = now + (busy ? s->sync_ms : IDLE_MS);
    if (b->n) {
        uint64_t due = b->retry_ms ? b->retry_ms : b->since_ms + s->batch_ms;
        if (due < until) until = due;
    }
    if (t->closing && t->deadline_ms < until) until = t->deadline_ms;
    if (until <= now) return;
    struct timespec at = {.tv_sec = (time_t)(until / 1000), .tv_nsec = (long)(until % 1000) * 1000000};
    pthread_mutex_lock(&s->lock);
    /* An append either sees `idle` and wakes this thread, or is seen here: both sides are sequentially consistent. */
    atomic_store(&s->idle, !busy);
    bool news = s->jobs || s->closing != t->closing || (!busy && anything_fresh(s));
    if (!news) pthread_cond_timedwait(&s->wake, &s->lock, &at);
    atomic_store(&s->idle, false);
    pthread_mutex_unlock(&s->lock);
}

static void show(mg_spool *s) {
    mg_spool_status now;
    mg_spool_status_get(s, &now);
    mg_series_set(s->m_waiting, (int64_t)now.waiting);
    mg_series_set(s->m_segments, (int64_t)now.segments);
}

static void look_for_orphans(mg_spool *s, const turn *t) {
    if (t->closing || t->now < s->looked_ms + LOOK_MS) return;
    s->looked_ms = t->now;
    mg_spool_take_orphans(s);
}

void *mg_spool_feed(void *spool) {
    mg_spool *s = spool;
    pthread_setname_np(pthread_self(), "spool");
    turn t = {0};
    s->looked_ms = mg_clock_mono_ms();
    for (;;) {
        run_jobs(s);
        look_for_orphans(s, &t);
        begin(s, &t);
        bool busy = sync_all(s, &t);
        bool moved = fill_batch(s, &t);
        flush(s, &t);
        delete_done(s, &t);
        show(s);
        if (t.closing && (!s->n_segments || mg_clock_mono_ms() >= t.deadline_ms)) break;
        bool backlog = moved && s->batch.n == 0; /* the ledger keeps up and there may be more */
        if (!backlog) sleep_until_due(s, &t, busy || s->sync_failed);
    }
    run_jobs(s);
    free(t.at);
    free(t.gone);
    return NULL;
}
