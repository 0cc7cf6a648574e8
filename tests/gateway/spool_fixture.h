/* For the spool's tests: a folder of their own and a ledger in shared memory, so that what a killed child wrote is
 * there. */
#ifndef TEST_SPOOL_FIXTURE_H
#define TEST_SPOOL_FIXTURE_H

#include "gateway/spool.h"
#include "gateway/spool_segment.h"
#include "plugin/settings.h"
#include <stdatomic.h>
#include <setjmp.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

enum { LEDGER_ROWS = 1 << 20 };

/* One row, by the number in its attempt id. */
typedef struct ledger_row {
    _Atomic uint8_t present;
    char outcome; /* first letter */
    char precision;
    bool final;
    int64_t cost;
    uint32_t order;
} ledger_row;

typedef struct test_ledger {
    _Atomic int failing; /* > 0: so many calls fail; < 0: all */
    _Atomic int64_t declined; /* this row is refused */
    _Atomic bool silent; /* and the ledger does not say which */
    _Atomic uint32_t n, calls, again;
    _Atomic uint32_t largest; /* rows of a call */
    ledger_row rows[LEDGER_ROWS];
} test_ledger;

static inline int64_t number_of_row(const mg_usage_row *row) { return strtoll(row->attempt_id + 24, NULL, 16); }

static mg_status ledger_write(void *self, const mg_usage_row *rows, size_t n, size_t *bad, mg_error *error) {
    test_ledger *l = self;
    atomic_fetch_add(&l->calls, 1);
    if (n > atomic_load(&l->largest)) atomic_store(&l->largest, (uint32_t)n);
    int failing = atomic_load(&l->failing);
    if (failing) {
        if (failing > 0) atomic_fetch_sub(&l->failing, 1);
        return mg_fail(error, 0, "away", "the ledger is away");
    }
    for (size_t i = 0; i < n; i++) {
        if (number_of_row(&rows[i]) != atomic_load(&l->declined)) continue;
        if (!atomic_load(&l->silent)) *bad = i;
        mg_fail(error, 0, "refused", "row refused: a test");
        return MG_DECLINED;
    }
    for (size_t i = 0; i < n; i++) {
        int64_t k = number_of_row(&rows[i]);
        if (k < 0 || k >= LEDGER_ROWS) abort();
        ledger_row *r = &l->rows[k];
        if (atomic_load(&r->present)) {
            atomic_fetch_add(&l->again, 1);
            continue;
        }
        r->outcome = rows[i].outcome.n ? rows[i].outcome.p[0] : 0;
        r->precision = rows[i].precision.n ? rows[i].precision.p[0] : 0;
        r->final = rows[i].final;
        r->cost = rows[i].cost_nano_usd;
        r->order = atomic_fetch_add(&l->n, 1);
        atomic_store(&r->present, 1);
    }
    return MG_OK;
}

static test_ledger *the_ledger; /* what ledger_open hands out: a plugin's `open` gets no argument of ours */

static void *ledger_open(const mg_host *host, const mg_settings *settings, mg_error *error) {
    (void)host, (void)settings, (void)error;
    return the_ledger;
}
static void ledger_close(void *shared) { (void)shared; }

static const mg_ledger LEDGER_OPS = {.size = sizeof(mg_ledger), .write = ledger_write};
static const mg_plugin LEDGER_PLUGIN = {.abi = MG_PLUGIN_ABI,
                                        .kind = MG_KIND_LEDGER,
                                        .size = sizeof(mg_plugin),
                                        .name = "test",
                                        .version = "1",
                                        .ops = &LEDGER_OPS,
                                        .open = ledger_open,
                                        .close = ledger_close};

typedef struct fixture {
    char dir[256];
    test_ledger *ledger;
    mg_use *use;
    mg_metrics *metrics;
} fixture;

static inline int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *f) {
    (void)st, (void)flag, (void)f;
    return remove(path);
}

static inline void fixture_make(fixture *f) {
    const char *base = getenv("TMPDIR");
    snprintf(f->dir, sizeof f->dir, "%s/moongate-spool-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    f->ledger = mmap(NULL, sizeof *f->ledger, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(f->ledger != MAP_FAILED);
    atomic_store(&f->ledger->declined, -1);
    the_ledger = f->ledger;
    f->use = mg_use_open(NULL, &LEDGER_PLUGIN, mg_setting_values_create(NULL, MG_STR("")), 1, NULL);
    assert_non_null(f->use);
    f->metrics = mg_metrics_create();
}

static inline void fixture_free(fixture *f) {
    mg_use_unref(f->use);
    mg_metrics_destroy(f->metrics);
    munmap(f->ledger, sizeof *f->ledger);
    nftw(f->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline mg_spool *spool_open(fixture *f, size_t segment_bytes) {
    mg_error e = {0};
    mg_spool_options o = {
        .dir = mg_str_of(f->dir), .segment_bytes = segment_bytes, .sync_ms = 1, .batch_ms = 5, .metrics = f->metrics};
    mg_spool *s = mg_spool_open(&o, f->use, &e);
    if (!s) fail_msg("%s", e.text);
    return s;
}

static inline mg_spool_writer *writer_open(mg_spool *s, size_t worker) {
    mg_error e = {0};
    mg_spool_writer *w = mg_spool_writer_open(s, worker, &e);
    if (!w) fail_msg("%s", e.text);
    return w;
}

static inline mg_usage_row row_of(int64_t k) {
    mg_usage_row r = {.size = sizeof r,
                      .attempt = 1,
                      .final = true,
                      .outcome = MG_STR("ok"),
                      .precision = MG_STR("exact"),
                      .org = MG_STR("acme"),
                      .key_id = MG_STR("0b6f2c1e"),
                      .provider = MG_STR("openai"),
                      .model = MG_STR("gpt-4o-mini"),
                      .model_asked = MG_STR("smart"),
                      .operation = MG_STR("chat"),
                      .upstream_id = MG_STR("chatcmpl-9x8y7z"),
                      .http_status = 200,
                      .usage = {.size = sizeof r.usage, .input = 1200, .output = 300},
                      .cost_nano_usd = 1000 + k,
                      .created_ms = 1790000000000,
                      .latency_ms = 812,
                      .ttft_ms = 230,
                      .metadata = MG_STR("{\"project\":\"x\"}"),
                      .decisions = MG_STR("[{\"rule\":\"rate\",\"action\":\"allow\",\"limit\":60,\"used\":3}]"),
                      .generation = 4};
    snprintf(r.attempt_id, sizeof r.attempt_id, "01900000-0000-7000-8000-%012llx", (unsigned long long)k);
    snprintf(r.request_id, sizeof r.request_id, "01900000-0000-7000-9000-%012llx", (unsigned long long)k);
    return r;
}

static inline void put_start(mg_spool_writer *w, int64_t k) {
    mg_usage_row r = row_of(k);
    r.outcome = r.precision = (mg_str){NULL, 0};
    r.final = false;
    assert_int_equal(mg_spool_start(w, &r, NULL), MG_OK);
}
static inline void put_end(mg_spool_writer *w, int64_t k) {
    mg_usage_row r = row_of(k);
    assert_int_equal(mg_spool_end(w, &r, NULL), MG_OK);
}

static inline bool in_ledger(const fixture *f, int64_t k) { return atomic_load(&f->ledger->rows[k].present); }

static inline void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

/* Files in the folder (or its sub-folder) whose name ends so. */
static inline size_t count_files(const fixture *f, const char *sub, const char *suffix) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", f->dir, sub);
    DIR *d = opendir(path);
    size_t n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t have = strlen(e->d_name), want = strlen(suffix);
        n += have >= want && strcmp(e->d_name + have - want, suffix) == 0;
    }
    if (d) closedir(d);
    return n;
}

/* The one segment of the folder, read into memory; its name goes to `name`. */
static inline mg_buf read_segment(const fixture *f, char name[256]) {
    DIR *d = opendir(f->dir);
    mg_buf b = {0};
    for (struct dirent *e; (e = readdir(d));)
        if (strstr(e->d_name, ".spool")) snprintf(name, 256, "%.255s", e->d_name);
    closedir(d);
    char path[600];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    char chunk[4096];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, in)) > 0;) mg_buf_add(&b, chunk, n);
    fclose(in);
    return b;
}

static inline void write_segment_file(const fixture *f, const char *name, const char *p, size_t n) {
    char path[600];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(p, 1, n, out), n);
    fclose(out);
}

/* Empties the ledger for the next case. */
static inline void ledger_clear(fixture *f) {
    memset(f->ledger->rows, 0, 4096 * sizeof f->ledger->rows[0]);
    atomic_store(&f->ledger->n, 0);
}

#endif
