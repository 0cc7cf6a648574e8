/* What the ledger refuses, or what is damaged, is set aside in `rejected/`: the record as a segment of its own, so that
 * it is replayed when somebody moves it back into the spool's folder, and beside it the reason in words. */
#include "base/hash.h"
#include "base/log.h"
#include "gateway/spool_state.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static bool write_file(int dir, const char *name, mg_str text) {
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool ok = true;
    for (size_t done = 0; ok && done < text.n;) {
        ssize_t m = write(fd, text.p + done, text.n - done);
        if (m > 0) done += (size_t)m;
        ok = m > 0 || (m < 0 && errno == EINTR);
    }
    ok = ok && fdatasync(fd) == 0;
    if (!ok) unlinkat(dir, name, 0);
    return close(fd) == 0 && ok;
}

/* Attempt ids become file names; one that is not made of these characters did not come from here. */
static bool plain_id(const char *id) {
    size_t n = strspn(id, "0123456789abcdefABCDEF-");
    return n > 0 && id[n] == 0;
}

static bool write_segment(mg_spool *s, const char *stem, const mg_usage_row *row) {
    mg_error error;
    mg_buf record = {.max = MG_SPOOL_RECORD_HEADER + MG_SPOOL_RECORD_MAX};
    mg_spool_segment *g = mg_spool_segment_create(s->rejected_dir, 0, 0, &error);
    static const char space[MG_SPOOL_RECORD_HEADER];
    bool ok = g && mg_buf_add(&record, space, sizeof space) && mg_usage_row_encode(row, &record) &&
              mg_spool_segment_append(g, MG_SPOOL_END, &record, NULL, &error) == MG_OK && fdatasync(g->fd) == 0;
    char name[sizeof g->name];
    snprintf(name, sizeof name, "%s.spool", stem);
    ok = ok && renameat(s->rejected_dir, g->name, s->rejected_dir, name) == 0;
    mg_spool_segment_close(g, s->rejected_dir, !ok);
    mg_buf_finish(&record);
    return ok;
}

static void tell(mg_spool *s, const char *stem, mg_str why) {
    char name[128];
    snprintf(name, sizeof name, "%s.reason", stem);
    write_file(s->rejected_dir, name, why); /* a help only: the log has it too */
    fsync(s->rejected_dir);
    atomic_fetch_add(&s->rejected, 1);
    mg_series_add(s->m_rejected, 1);
    mg_log(MG_LOG_ERROR, "spool_rejected", MG_F("file", mg_str_of(stem)), MG_F("reason", why));
}

bool mg_spool_reject_row(mg_spool *s, const mg_usage_row *row, mg_str why) {
    char stem[37];
    if (plain_id(row->attempt_id))
        snprintf(stem, sizeof stem, "%s", row->attempt_id);
    else
        mg_uuid7(stem);
    if (!write_segment(s, stem, row)) return false;
    tell(s, stem, why);
    return true;
}

bool mg_spool_reject_bytes(mg_spool *s, const mg_spool_segment *g, uint64_t start, uint64_t end, mg_str why) {
    char stem[120], name[128];
    snprintf(stem, sizeof stem, "%s-%llu", g->name, (unsigned long long)start);
    snprintf(name, sizeof name, "%s.damaged", stem);
    int fd = openat(s->rejected_dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool ok = true;
    char chunk[16 * 1024];
    while (ok && start < end) {
        size_t want = end - start < sizeof chunk ? (size_t)(end - start) : sizeof chunk;
        ssize_t m = pread(g->fd, chunk, want, (off_t)start);
        if (m <= 0) break; /* what can't be read is lost already */
        ok = write(fd, chunk, (size_t)m) == m;
        start += (uint64_t)m;
    }
    close(fd);
    if (ok) tell(s, stem, why);
    return ok;
}
