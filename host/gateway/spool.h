/* The usage spool: an append-only log on disk, a segment series a worker, that makes usage durable before the client's
 * last byte and feeds the ledger.
 *
 * A record is: magic, length, CRC-32C, type, payload (a serialized mg_usage_row). Types: start (before dispatch), end
 * (before the client's last byte), amend (after it: it joins an `end` that still waits here; the ledger keeps the rest
 * as it is). An `end` supersedes the `start` of the same attempt id. A start without an end whose process is gone
 * becomes a row with outcome "interrupted", precision "estimated".
 * A torn record at the end of a segment (kill -9, power) is cut off; one in the middle is set aside in `rejected`.
 *
 * Files: <uuid>-<worker>.spool, locked by the process that writes or replays them; rejected/<attempt>.spool is one
 * record that the ledger refused, with the reason in words in .reason: moved back into the folder it is tried again. */
#ifndef MG_GATEWAY_SPOOL_H
#define MG_GATEWAY_SPOOL_H

#include "base/arena.h"
#include "base/metrics.h"
#include "plugin/registry.h"

typedef struct mg_spool mg_spool;             /* a process's */
typedef struct mg_spool_writer mg_spool_writer; /* a worker's */

typedef struct mg_spool_options {
    mg_str dir;            /* data_dir/spool; made if missing, 0700 */
    size_t segment_bytes;  /* a new segment is begun beyond it; 0: 16 MB */
    uint64_t sync_ms;      /* fdatasync this often, on the spool's thread; 0: 10 */
    size_t batch_rows;     /* rows a ledger transaction; 0: 1000 */
    uint64_t batch_ms;     /* and at least this often; 0: 250 */
    mg_metrics *metrics;   /* may be NULL */
} mg_spool_options;

/* Opens the folder, takes up segments that earlier processes left (flock tells the living from the dead), starts the
 * thread that syncs and feeds the ledger. `ledger` is borrowed. MG_ERROR names the path and the mend. */
mg_spool *mg_spool_open(const mg_spool_options *o, mg_use *ledger, mg_error *error);
/* Writes out everything, closes the segments, joins the thread. Waits at most `wait_ms` for the ledger: what is left
 * stays on disk for the next start. Returns the number of rows left. */
size_t mg_spool_close(mg_spool *s, uint64_t wait_ms);

mg_spool_writer *mg_spool_writer_open(mg_spool *s, size_t worker, mg_error *error);
void mg_spool_writer_close(mg_spool_writer *w);

/* Append one record with a copy into the mapped segment; below 1 µs. On MG_ERROR nothing was recorded (disk full, …): the
 * caller decides by policy whether to go on. */
mg_status mg_spool_start(mg_spool_writer *w, const mg_usage_row *row, mg_error *error);
mg_status mg_spool_end(mg_spool_writer *w, const mg_usage_row *row, mg_error *error);
mg_status mg_spool_amend(mg_spool_writer *w, const mg_usage_row *row, mg_error *error);

/* Rows that are durable here and not yet in the ledger; rows refused by the ledger (in `rejected`); any thread. */
typedef struct mg_spool_status {
    uint64_t waiting, rejected, bytes, segments, written;
    bool ledger_ok;
    char ledger_error[256];
} mg_spool_status;
void mg_spool_status_get(mg_spool *s, mg_spool_status *out);

/* Runs `work(arg, ledger self)` on the ledger's thread and waits: for the admin plane and verbs inside a running
 * gateway. Never from a worker. */
void mg_spool_with_ledger(mg_spool *s, void (*work)(void *arg, const mg_ledger *ops, void *self), void *arg);
/* The same without waiting; `work` runs on the ledger's thread. */
void mg_spool_post_ledger(mg_spool *s, void (*work)(void *arg, const mg_ledger *ops, void *self), void *arg);

/* Serialization, for tests and `spool status`: strings of a decoded row are borrowed from the bytes. */
bool mg_usage_row_encode(const mg_usage_row *row, mg_buf *out);
bool mg_usage_row_decode(mg_str bytes, mg_usage_row *row);

#endif
