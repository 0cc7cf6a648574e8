/* One file of the usage spool: a header (magic, salt), then records (magic, length, CRC-32C, type, payload).
 *
 * Who may touch what: the writer's thread appends; the spool's thread reads, syncs and in the end deletes. They meet in
 * the atomics. The file stays locked (flock) as long as the segment is open: the lock tells other processes that its
 * owner lives. */
#ifndef MG_GATEWAY_SPOOL_SEGMENT_H
#define MG_GATEWAY_SPOOL_SEGMENT_H

#include "base/buf.h"
#include <stdatomic.h>

enum {
    MG_SPOOL_HEADER = 16,           /* bytes before the first record */
    MG_SPOOL_RECORD_HEADER = 16,    /* bytes before a payload */
    MG_SPOOL_RECORD_MAX = 1 << 20,  /* bytes of a payload */
    MG_SPOOL_MAPPED = 512 * 1024    /* bytes of a file that are mapped at a time: the process holds no more of it */
};

typedef enum mg_spool_type { MG_SPOOL_START = 1, MG_SPOOL_END, MG_SPOOL_AMEND } mg_spool_type;

typedef struct mg_spool_segment {
    struct mg_spool_segment *next; /* the spool's list, under its lock */
    int fd;
    uint32_t salt;             /* seeds the checksums: a payload can't pass for a record, wherever a scan begins */
    char name[96];             /* in the spool's folder */
    _Atomic uint64_t committed; /* bytes that hold whole records; only the writer adds */
    _Atomic uint64_t rows;      /* ENDs and AMENDs among them */
    _Atomic uint64_t settled;   /* of `rows`: in the ledger or set aside */
    _Atomic bool closed;        /* nobody appends any more */
    /* the writer only */
    uint64_t allocated; /* bytes of the file that the disk has set aside: those below may be written through a mapping */
    char *map;          /* `map_n` bytes of the file from `map_base` on, or NULL */
    uint64_t map_base;
    size_t map_n;
    /* the spool's thread only */
    uint64_t synced, read, read_rows;
    bool trimmed; /* what was allocated ahead has been given back */
    bool keep;    /* holds something that the next start has to look at: not deleted */
} mg_spool_segment;

/* A new locked file of the folder, under a working name until mg_spool_segment_publish, so that no other process takes
 * it for an orphan before it is locked. `ahead` bytes are allocated on disk if there is room: the file is that long, zeros
 * behind the last record. NULL and an error. */
mg_spool_segment *mg_spool_segment_create(int dir, size_t worker, size_t ahead, mg_error *error);
mg_status mg_spool_segment_publish(mg_spool_segment *g, int dir, mg_error *error);
/* Opens and locks a file that an earlier process left. MG_DECLINED: somebody lives who holds it, or it is gone;
 * MG_ERROR: it can't be opened. A file whose header is damaged is opened with committed = 0. */
mg_status mg_spool_segment_take(int dir, const char *name, mg_spool_segment **out, mg_error *error);
/* The writer's last word on it: nothing is appended any more. */
void mg_spool_segment_seal(mg_spool_segment *g);
/* Closes and frees; with `erase` deletes the file first. NULL is fine. */
void mg_spool_segment_close(mg_spool_segment *g, int dir, bool erase);

/* Appends one record, by a copy into the mapped file (in the page cache, so it stays when the process is killed), or by
 * pwrite where nothing is allocated ahead: `record` has MG_SPOOL_RECORD_HEADER bytes free at its start, filled here, and the payload behind.
 * *offset, if not NULL, is where it stands. On MG_ERROR nothing was appended. */
mg_status mg_spool_segment_append(mg_spool_segment *g, mg_spool_type type, mg_buf *record, uint64_t *offset,
                                  mg_error *error);

typedef struct mg_spool_record {
    mg_spool_type type;
    mg_str payload;      /* borrowed until the reader moves on */
    uint64_t offset, end; /* of the whole record, in the file */
} mg_spool_record;

/* A window over one segment at a time; zero-initialize, finish with mg_buf_finish(&r->window). */
typedef struct mg_spool_reader {
    mg_buf window;
    uint64_t base; /* file offset of the window's first byte */
} mg_spool_reader;

/* Forget the window: before reading another segment. */
static inline void mg_spool_reader_reset(mg_spool_reader *r) { r->window.n = 0; }
/* The record at `offset` of the bytes before `limit`. MG_DECLINED: offset is at limit. MG_AGAIN: [record->offset,
 * record->end) is damaged; record->end is where the next sound record begins, or limit if there is none (a torn tail).
 * MG_ERROR: the file can't be read. */
mg_status mg_spool_segment_read(const mg_spool_segment *g, mg_spool_reader *r, uint64_t offset, uint64_t limit,
                                mg_spool_record *record, mg_error *error);

#endif
