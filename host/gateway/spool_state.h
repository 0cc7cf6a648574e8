/* What the spool's files share: the spool, its list of segments, the ledger's side. */
#ifndef MG_GATEWAY_SPOOL_STATE_H
#define MG_GATEWAY_SPOOL_STATE_H

#include "gateway/spool.h"
#include "gateway/spool_segment.h"
#include "gateway/spool_starts.h"
#include <pthread.h>

typedef struct mg_spool_job {
    struct mg_spool_job *next;
    void (*work)(void *arg, const mg_ledger *ops, void *self);
    void *arg;
    bool waited; /* the caller waits for `done` and owns the job; else it is freed when it ran */
    bool done;
} mg_spool_job;

/* Rows on their way into the ledger; the spool's thread only. */
typedef struct mg_spool_batch {
    mg_arena *arena; /* what the rows' strings point into */
    mg_usage_row *rows;
    size_t n;
    uint64_t since_ms;   /* when the first row came */
    uint64_t backoff_ms; /* 0: the ledger is well */
    uint64_t retry_ms;   /* not before, while backing off */
} mg_spool_batch;

struct mg_spool {
    size_t segment_bytes, batch_rows;
    uint64_t sync_ms, batch_ms;
    int dir, rejected_dir;
    const mg_ledger *ops;
    void *self;

    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows, up to the blank line */
    pthread_cond_t wake;  /* the thread: something to do */
    pthread_cond_t done;  /* callers of mg_spool_with_ledger */
    mg_spool_segment *segments, **segments_tail; /* oldest first */
    mg_spool_writer *writers;
    mg_spool_job *jobs, **jobs_tail;
    bool closing;
    uint64_t deadline_ms;
    char ledger_error[256];

    _Atomic size_t n_segments;
    _Atomic bool idle;        /* the thread sleeps until woken: an append has to wake it */
    _Atomic bool dir_changed; /* a file was made or renamed and the folder not synced since */
    _Atomic uint64_t rejected, written;
    _Atomic bool ledger_ok;

    /* the spool's thread */
    mg_spool_batch batch;
    mg_spool_reader reader;
    uint64_t looked_ms; /* when orphans were last looked for */
    bool sync_failed;
    mg_series *m_waiting, *m_rejected, *m_written, *m_errors, *m_segments;
};

struct mg_spool_writer {
    mg_spool_writer *next;
    mg_spool *spool;
    size_t worker;
    mg_spool_segment *segment;
    mg_spool_starts starts;
    mg_buf record;
    mg_spool_reader reader; /* for starts that move to the next segment */
    uint64_t rotate_at;
};

/* Adds to the list's end; with the lock held or before the thread runs. */
void mg_spool_list_add(mg_spool *s, mg_spool_segment *g);
/* Wakes the thread if it sleeps without a term. */
void mg_spool_wake(mg_spool *s);
/* Turns every start of `t` into an end record "interrupted", appended to `g`. A start that could not be turned keeps
 * its segment from being deleted. Uses `record` and `reader` as scratch. */
void mg_spool_interrupt(mg_spool_starts *t, mg_spool_segment *g, mg_buf *record, mg_spool_reader *reader);

/* spool_replay.c: takes up the segments of processes that are gone. The spool's thread, or before it runs. */
void mg_spool_take_orphans(mg_spool *s);
/* spool_feed.c: the thread. */
void *mg_spool_feed(void *spool);
/* spool_reject.c. Each returns false when the disk refuses: nothing is lost, try again. */
bool mg_spool_reject_row(mg_spool *s, const mg_usage_row *row, mg_str why);
bool mg_spool_reject_bytes(mg_spool *s, const mg_spool_segment *g, uint64_t start, uint64_t end, mg_str why);

#endif
