#include "gateway/spool_segment.h"
#include "base/arena.h"
#include "base/hash.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char FILE_MAGIC[8] = {'M', 'G', 'S', 'P', 'O', 'O', 'L', '1'};
static const char RECORD_MAGIC[4] = {'\xf5', 'M', 'G', 'R'}; /* 0xf5 occurs in no UTF-8 text */

enum { WINDOW = 256 * 1024 };

static void put32(char *p, uint32_t v) {
    for (int i = 0; i < 4; i++) p[i] = (char)(v >> (8 * i));
}

static uint32_t get32(const char *p) {
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) v |= (uint32_t)(uint8_t)p[i] << (8 * i);
    return v;
}

static mg_status disk_error(mg_error *error, const char *what, const char *name) {
    const char *mend = errno == ENOSPC || errno == EDQUOT  ? "free some space on the disk of data_dir"
                       : errno == EACCES || errno == EROFS ? "let the gateway's user write to data_dir"
                                                           : "check the disk of data_dir";
    return mg_fail(error, 503, "usage_not_recorded", "the usage spool can't %s %s: %s; %s", what, name, strerror(errno),
                   mend);
}

/* Writes all of it or nothing: what a failed call left is cut off, since the next record starts at the same place. */
static bool write_all(int fd, const char *p, size_t n, uint64_t offset) {
    size_t done = 0;
    while (done < n) {
        ssize_t m = pwrite(fd, p + done, n - done, (off_t)(offset + done));
        if (m < 0 && errno == EINTR) continue;
        if (m <= 0) {
            int why = m < 0 ? errno : ENOSPC;
            if (done && ftruncate(fd, (off_t)offset) != 0) why = errno;
            errno = why;
            return false;
        }
        done += (size_t)m;
    }
    return true;
}

/* Sets room aside, so that a full disk fails a call and never a store into the mapping. Without it (no room, or a file
 * system that can't) records go by pwrite, which tells. */
static void allocate(mg_spool_segment *g, size_t ahead) {
    if (ahead == 0) return;
    if (fallocate(g->fd, 0, 0, (off_t)ahead) == 0)
        g->allocated = ahead;
    else
        (void)!ftruncate(g->fd, 0); /* gives back what was set aside before the room ran out */
}

static void unmap(mg_spool_segment *g) {
    if (g->map) munmap(g->map, g->map_n);
    g->map = NULL;
}

static bool map(mg_spool_segment *g, uint64_t base) {
    unmap(g);
    uint64_t n = g->allocated - base;
    g->map_n = n < MG_SPOOL_MAPPED ? (size_t)n : MG_SPOOL_MAPPED;
    g->map_base = base;
    void *p = mmap(NULL, g->map_n, PROT_READ | PROT_WRITE, MAP_SHARED, g->fd, (off_t)base);
    g->map = p == MAP_FAILED ? NULL : p;
    return g->map != NULL;
}

/* Copies as much as can be mapped; returns how much. */
static size_t put_mapped(mg_spool_segment *g, const char *p, size_t n, uint64_t at) {
    size_t done = 0;
    while (done < n && at + done < g->allocated) {
        uint64_t base = (at + done) - (at + done) % MG_SPOOL_MAPPED;
        if ((!g->map || g->map_base != base) && !map(g, base)) break;
        size_t in = (size_t)(at + done - base), room = g->map_n - in;
        if (room > n - done) room = n - done;
        memcpy(g->map + in, p + done, room);
        done += room;
    }
    return done;
}

/* All of it or nothing that counts: `committed` has not moved, and the next record overwrites what is there. */
static bool put(mg_spool_segment *g, const char *p, size_t n, uint64_t at) {
    size_t done = put_mapped(g, p, n, at);
    if (done == n) return true;
    if (g->map) unmap(g);
    g->allocated = 0; /* from here on by pwrite, which may shorten the file when it fails */
    return write_all(g->fd, p + done, n - done, at + done);
}

static bool write_header(mg_spool_segment *g) {
    char header[MG_SPOOL_HEADER];
    memcpy(header, FILE_MAGIC, sizeof FILE_MAGIC);
    mg_random(header + 8, 4);
    g->salt = get32(header + 8);
    put32(header + 12, mg_crc32c(0, header, 12));
    if (!write_all(g->fd, header, sizeof header, 0)) return false;
    atomic_store(&g->committed, MG_SPOOL_HEADER);
    return true;
}

static bool read_header(mg_spool_segment *g) {
    char header[MG_SPOOL_HEADER];
    if (pread(g->fd, header, sizeof header, 0) != MG_SPOOL_HEADER) return false;
    if (memcmp(header, FILE_MAGIC, sizeof FILE_MAGIC) != 0) return false;
    g->salt = get32(header + 8);
    return get32(header + 12) == mg_crc32c(0, header, 12);
}

mg_spool_segment *mg_spool_segment_create(int dir, size_t worker, size_t ahead, mg_error *error) {
    mg_spool_segment *g = MG_NEW(mg_spool_segment);
    char id[37];
    mg_uuid7(id);
    snprintf(g->name, sizeof g->name, "%s-%zu.new", id, worker);
    g->read = MG_SPOOL_HEADER;
    g->fd = openat(dir, g->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (g->fd < 0) {
        disk_error(error, "make", g->name);
        free(g);
        return NULL;
    }
    allocate(g, ahead);
    if (flock(g->fd, LOCK_EX | LOCK_NB) != 0 || !write_header(g)) {
        disk_error(error, "write", g->name);
        mg_spool_segment_close(g, dir, true);
        return NULL;
    }
    return g;
}

mg_status mg_spool_segment_publish(mg_spool_segment *g, int dir, mg_error *error) {
    char name[sizeof g->name];
    size_t stem = strlen(g->name) - strlen(".new");
    snprintf(name, sizeof name, "%.*s.spool", (int)stem, g->name);
    if (renameat(dir, g->name, dir, name) != 0) return disk_error(error, "rename", g->name);
    memcpy(g->name, name, sizeof name);
    return MG_OK;
}

/* Where the last bytes end that were ever written: what was only allocated need not be searched for records. A file
 * system that can't tell says: the whole file. */
static uint64_t written_end(int fd, uint64_t size) {
    off_t data = 0, end = 0;
    while ((data = lseek(fd, end, SEEK_DATA)) >= 0) {
        off_t hole = lseek(fd, data, SEEK_HOLE);
        if (hole <= data) return size;
        end = hole;
    }
    return errno == ENXIO && (uint64_t)end < size ? (uint64_t)end : size;
}

mg_status mg_spool_segment_take(int dir, const char *name, mg_spool_segment **out, mg_error *error) {
    int fd = openat(dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return errno == ENOENT ? MG_DECLINED : disk_error(error, "open", name);
    struct stat st;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &st) != 0 || st.st_nlink == 0) {
        close(fd);
        return MG_DECLINED;
    }
    mg_spool_segment *g = MG_NEW(mg_spool_segment);
    g->read = MG_SPOOL_HEADER;
    g->fd = fd;
    snprintf(g->name, sizeof g->name, "%s", name);
    atomic_store(&g->committed, read_header(g) ? written_end(fd, (uint64_t)st.st_size) : 0);
    atomic_store(&g->closed, true);
    *out = g;
    return MG_OK;
}

void mg_spool_segment_seal(mg_spool_segment *g) {
    unmap(g); /* before somebody shortens the file */
    atomic_store(&g->closed, true);
}

void mg_spool_segment_close(mg_spool_segment *g, int dir, bool erase) {
    if (!g) return;
    unmap(g);
    if (erase) unlinkat(dir, g->name, 0);
    close(g->fd);
    free(g);
}

static uint32_t checksum(const mg_spool_segment *g, const char *header, mg_str payload) {
    char covered[8];
    memcpy(covered, header + 4, 4);
    memcpy(covered + 4, header + 12, 4);
    return mg_crc32c(mg_crc32c(g->salt, covered, sizeof covered), payload.p, payload.n);
}

mg_status mg_spool_segment_append(mg_spool_segment *g, mg_spool_type type, mg_buf *record, uint64_t *offset,
                                  mg_error *error) {
    mg_str payload = mg_str_skip(mg_buf_view(record), MG_SPOOL_RECORD_HEADER);
    memcpy(record->p, RECORD_MAGIC, sizeof RECORD_MAGIC);
    put32(record->p + 4, (uint32_t)payload.n);
    put32(record->p + 12, (uint32_t)type);
    put32(record->p + 8, checksum(g, record->p, payload));
    uint64_t at = atomic_load_explicit(&g->committed, memory_order_relaxed);
    if (!put(g, record->p, record->n, at)) return disk_error(error, "append to", g->name);
    if (type != MG_SPOOL_START)
        atomic_store_explicit(&g->rows, atomic_load_explicit(&g->rows, memory_order_relaxed) + 1, memory_order_relaxed);
    atomic_store(&g->committed, at + record->n); /* publishes the bytes to the spool's thread */
    if (offset) *offset = at;
    return MG_OK;
}

/* Makes [offset, offset + need) readable at *p, as far as it lies before `limit`. *have is what is there; false:
 * I/O. */
static bool window(const mg_spool_segment *g, mg_spool_reader *r, uint64_t offset, uint64_t limit, size_t need,
                   const char **p, size_t *have) {
    bool inside = offset >= r->base && offset + need <= r->base + r->window.n;
    if (!inside) {
        size_t want = need > WINDOW ? need : WINDOW;
        if (want > limit - offset) want = (size_t)(limit - offset);
        mg_buf_clear(&r->window);
        r->base = offset;
        if (!mg_buf_reserve(&r->window, want)) mg_oom(want);
        while (r->window.n < want) {
            ssize_t m = pread(g->fd, r->window.p + r->window.n, want - r->window.n, (off_t)(offset + r->window.n));
            if (m < 0 && errno == EINTR) continue;
            if (m < 0) return false;
            if (m == 0) break;
            r->window.n += (size_t)m;
        }
    }
    *p = r->window.p + (offset - r->base);
    *have = r->window.n - (size_t)(offset - r->base);
    return true;
}

/* MG_OK: a sound record; MG_DECLINED: there is none here. */
static mg_status sound_record(const mg_spool_segment *g, mg_spool_reader *r, uint64_t offset, uint64_t limit,
                              mg_spool_record *record) {
    const char *p;
    size_t have;
    if (!window(g, r, offset, limit, MG_SPOOL_RECORD_HEADER, &p, &have)) return MG_ERROR;
    if (have < MG_SPOOL_RECORD_HEADER || memcmp(p, RECORD_MAGIC, sizeof RECORD_MAGIC) != 0) return MG_DECLINED;
    uint32_t length = get32(p + 4);
    if (length > MG_SPOOL_RECORD_MAX || length > limit - offset - MG_SPOOL_RECORD_HEADER) return MG_DECLINED;
    size_t whole = MG_SPOOL_RECORD_HEADER + (size_t)length;
    if (!window(g, r, offset, limit, whole, &p, &have)) return MG_ERROR;
    if (have < whole) return MG_DECLINED;
    mg_str payload = {p + MG_SPOOL_RECORD_HEADER, length};
    if (get32(p + 8) != checksum(g, p, payload)) return MG_DECLINED;
    *record = (mg_spool_record){(mg_spool_type)get32(p + 12), payload, offset, offset + whole};
    return MG_OK;
}

/* The first sound record behind `offset`, or limit. */
static mg_status resync(const mg_spool_segment *g, mg_spool_reader *r, uint64_t offset, uint64_t limit,
                        uint64_t *found) {
    while (offset < limit) {
        const char *p;
        size_t have;
        if (!window(g, r, offset, limit, MG_SPOOL_RECORD_HEADER, &p, &have)) return MG_ERROR;
        const char *hit = memmem(p, have, RECORD_MAGIC, sizeof RECORD_MAGIC);
        if (!hit) {
            if (have < MG_SPOOL_RECORD_HEADER) break; /* too short for a record: the end */
            offset += have - (sizeof RECORD_MAGIC - 1); /* the magic may straddle the windows */
            continue;
        }
        offset += (uint64_t)(hit - p);
        mg_spool_record record;
        mg_status s = sound_record(g, r, offset, limit, &record);
        if (s == MG_ERROR) return s;
        if (s == MG_OK) {
            *found = offset;
            return MG_OK;
        }
        offset++;
    }
    *found = limit;
    return MG_OK;
}

mg_status mg_spool_segment_read(const mg_spool_segment *g, mg_spool_reader *r, uint64_t offset, uint64_t limit,
                                mg_spool_record *record, mg_error *error) {
    if (offset >= limit) return MG_DECLINED;
    mg_status s = sound_record(g, r, offset, limit, record);
    if (s == MG_DECLINED) {
        *record = (mg_spool_record){.offset = offset, .end = limit};
        s = resync(g, r, offset + 1, limit, &record->end) == MG_OK ? MG_AGAIN : MG_ERROR;
    }
    return s == MG_ERROR ? disk_error(error, "read", g->name) : s;
}
