#include "spool_fixture.h"
#include "base/clock.h"
#include <signal.h>
#include <sys/resource.h>

static void rows_reach_the_ledger_in_order(void **state) {
    (void)state;
    fixture f;
    fixture_make(&f);
    mg_spool *s = spool_open(&f, 0);
    mg_spool_writer *w = writer_open(s, 0);
    for (int64_t k = 0; k < 2000; k++) {
        put_start(w, k);
        put_end(w, k);
    }
    mg_spool_writer_close(w);
    assert_int_equal(mg_spool_close(s, 10000), 0);
    for (uint32_t k = 0; k < 2000; k++) {
        assert_true(in_ledger(&f, k));
        assert_int_equal(f.ledger->rows[k].order, k);
        assert_int_equal(f.ledger->rows[k].outcome, 'o');
        assert_int_equal(f.ledger->rows[k].cost, 1000 + k);
    }
    assert_true(atomic_load(&f.ledger->largest) <= 1000);
    assert_int_equal(count_files(&f, "", ".spool"), 0);
    fixture_free(&f);
}

static void rows_come_while_running(void **state) {
    (void)state;
    fixture f;
    fixture_make(&f);
    mg_spool *s = spool_open(&f, 0);
    mg_spool_writer *w = writer_open(s, 0);
    for (int64_t k = 0; k < 3; k++) {
        nap();
        nap();
        put_end(w, k); /* the thread sleeps by now: it has to be woken */
        uint64_t until = mg_clock_mono_ms() + 700;
        while (!in_ledger(&f, k) && mg_clock_mono_ms() < until) nap();
        assert_true(in_ledger(&f, k));
    }
    mg_spool_status status;
    for (int i = 0; i < 1000; i++) {
        mg_spool_status_get(s, &status);
        if (status.waiting == 0) break;
        nap();
    }
    assert_int_equal(status.waiting, 0);
    assert_int_equal(status.written, 3);
    assert_int_equal(status.segments, 1);
    assert_true(status.ledger_ok);
    mg_spool_close(s, 1000);
    fixture_free(&f);
}

/* Leaves one segment with three ENDs on disk, nothing in the ledger. ends[i]: where record i ends. */
static mg_buf three_records(fixture *f, char name[256], size_t ends[3]) {
    atomic_store(&f->ledger->failing, -1);
    mg_spool *s = spool_open(f, 0);
    mg_spool_writer *w = writer_open(s, 0);
    for (int64_t k = 0; k < 3; k++) put_end(w, k);
    mg_spool_writer_close(w);
    assert_int_equal(mg_spool_close(s, 0), 3);
    atomic_store(&f->ledger->failing, 0);
    mg_buf b = read_segment(f, name);
    size_t at = MG_SPOOL_HEADER;
    for (int i = 0; i < 3; i++) {
        uint32_t length;
        memcpy(&length, b.p + at + 4, 4);
        ends[i] = at += MG_SPOOL_RECORD_HEADER + length;
    }
    assert_int_equal(b.n, ends[2]);
    return b;
}

static size_t replay(fixture *f) {
    ledger_clear(f);
    mg_spool *s = spool_open(f, 0);
    assert_int_equal(mg_spool_close(s, 5000), 0);
    assert_int_equal(count_files(f, "", ".spool"), 0);
    return atomic_load(&f->ledger->n);
}

static void a_torn_tail_is_cut_at_every_byte(void **state) {
    (void)state;
    fixture f;
    fixture_make(&f);
    char name[256];
    size_t ends[3];
    mg_buf b = three_records(&f, name, ends);
    for (size_t n = ends[1]; n <= ends[2]; n++) {
        write_segment_file(&f, name, b.p, n);
        assert_int_equal(replay(&f), n == ends[2] ? 3 : 2);
        assert_true(in_ledger(&f, 0) && in_ledger(&f, 1));
    }
    /* Room that was allocated ahead and never written reads as zeros. */
    mg_buf zeros = {0};
    mg_buf_add(&zeros, b.p, ends[1]);
    static const char nothing[512];
    mg_buf_add(&zeros, nothing, sizeof nothing);
    write_segment_file(&f, name, zeros.p, zeros.n);
    assert_int_equal(replay(&f), 2);
    assert_int_equal(count_files(&f, "rejected", ".damaged"), 0);
    mg_buf_finish(&zeros);
    mg_buf_finish(&b);
    fixture_free(&f);
}

static void a_damaged_middle_is_set_aside(void **state) {
    (void)state;
    fixture f;
    fixture_make(&f);
    char name[256];
    size_t ends[3], rejected = 0;
    mg_buf b = three_records(&f, name, ends);
    for (size_t i = ends[0]; i < ends[1]; i += 7) {
        b.p[i] ^= 0x55;
        write_segment_file(&f, name, b.p, b.n);
        b.p[i] ^= 0x55;
        assert_int_equal(replay(&f), 2);
        assert_true(in_ledger(&f, 0) && in_ledger(&f, 2));
        assert_true(count_files(&f, "rejected", ".damaged") == 1);
        rejected++;
    }
    mg_series *m = mg_metrics_series(f.metrics, "moongate_spool_rejected_total", MG_COUNTER, "", NULL, 0, NULL, 0);
    assert_int_equal(mg_series_value(m), rejected);
    /* A file whose header is gone can't be checked: set aside whole. */
    b.p[9] ^= 1;
    write_segment_file(&f, name, b.p, b.n);
    assert_int_equal(replay(&f), 0);
    assert_int_equal(count_files(&f, "rejected", "-0.damaged"), 1);
    mg_buf_finish(&b);
    fixture_free(&f);
}

/* What looks like a record inside a payload is none: its checksum lacks the file's salt. */
static void a_payload_is_no_record(void **state) {
    (void)state;
    fixture f;
    fixture_make(&f);
    char name[256];
    size_t ends[3];
    mg_buf b = three_records(&f, name, ends);
    mg_buf forged = {0};
    mg_buf_add(&forged, b.p + ends[0], ends[1] - ends[0]);
    mg_buf_finish(&b);
    char path[600];
    snprintf(path, sizeof path, "%s/%s", f.dir, name);
    unlink(path);

    atomic_store(&f.ledger->failing, -1);
    mg_spool *s = spool_open(&f, 0);
    mg_spool_writer *w = writer_open(s, 0);
    mg_usage_row r = row_of(7);
    r.user = mg_buf_view(&forged);
    assert_int_equal(mg_spool_end(w, &r, NULL), MG_OK);
    put_end(w, 8);
    mg_spool_writer_close(w);
    mg_spool_close(s, 0);
    atomic_store(&f.ledger->failing, 0);
    b = read_segment(&f, name);
    b.p[MG_SPOOL_HEADER] ^= 1; /* the first record's magic: the scan goes on inside of its payload */
    write_segment_file(&f, name, b.p, b.n);
    assert_int_equal(replay(&f), 1);
    assert_true(in_ledger(&f, 8));
    mg_buf_finish(&forged);
    mg_buf_finish(&b);
    fixture_free(&f);
}

static void a_ledger_that_is_away_loses_nothing(void **state) {
    (void)state;
    fixture f;
    fixture_make(&f);
    atomic_store(&f.ledger->failing, 2);
    mg_spool *s = spool_open(&f, 0);
    mg_spool_writer *w = writer_open(s, 0);
    for (int64_t k = 0; k < 1200; k++) put_end(w, k);
    mg_spool_status status = {.ledger_ok = true};
    for (int i = 0; i < 2000 && status.ledger_ok; i++) {
        nap();
        mg_spool_status_get(s, &status);
    }
    assert_false(status.ledger_ok);
    assert_string_equal(status.ledger_error, "the ledger is away");
    assert_int_equal(status.waiting, 1200);
    for (int64_t k = 1200; k < 1300; k++) put_end(w, k);
    for (int i = 0; i < 3000 && atomic_load(&f.ledger->n) < 1300; i++) nap();
    mg_spool_writer_close(w);
    assert_int_equal(mg_spool_close(s, 5000), 0);
    for (uint32_t k = 0; k < 1300; k++) assert_int_equal(f.ledger->rows[k].order, k);
    assert_int_equal(atomic_load(&f.ledger->n), 1300);
    fixture_free(&f);
}

static void what_is_left_at_close_comes_next_time(void **state) {
    (void)state;
    fixture f;
    fixture_make(&f);
    atomic_store(&f.ledger->failing, -1);
    mg_spool *s = spool_open(&f, 0);
    mg_spool_writer *w = writer_open(s, 3);
    for (int64_t k = 0; k < 700; k++) put_end(w, k);
    put_start(w, 700);
    uint64_t began = mg_clock_mono_ms();
    mg_spool_writer_close(w);
    assert_int_equal(mg_spool_close(s, 50), 701);
    assert_true(mg_clock_mono_ms() - began < 3000);
    atomic_store(&f.ledger->failing, 0);
    assert_int_equal(replay(&f), 701);
    assert_int_equal(f.ledger->rows[700].outcome, 'i');
    assert_int_equal(f.ledger->rows[700].precision, 'e');
    assert_true(f.ledger->rows[700].final);
    fixture_free(&f);
}

/* A start waits for what was left: it does not wait for a batch to fill, which nobody would fill. */
static void what_was_left_is_not_held_back(void **state) {
    (void)state;
    fixture f;
    fixture_make(&f);
    char name[256];
    size_t ends[3];
    mg_buf b = three_records(&f, name, ends);
    mg_buf_finish(&b);
    mg_error e = {0};
    mg_spool_options o = {.dir = mg_str_of(f.dir), .batch_ms = 60000};
    mg_spool *s = mg_spool_open(&o, f.use, &e);
    assert_non_null(s);
    mg_spool_status status = {.waiting = 1};
    for (int i = 0; i < 5000 && status.waiting; i++) {
        nap();
        mg_spool_status_get(s, &status);
    }
    assert_int_equal(status.waiting, 0);
    assert_int_equal(atomic_load(&f.ledger->n), 3);
    mg_spool_close(s, 5000);
    fixture_free(&f);
}

static void declined(bool silent) {
    fixture f;
    fixture_make(&f);
    atomic_store(&f.ledger->declined, 333);
    atomic_store(&f.ledger->silent, silent);
    mg_spool *s = spool_open(&f, 0);
    mg_spool_writer *w = writer_open(s, 0);
    for (int64_t k = 0; k < 600; k++) put_end(w, k);
    mg_spool_writer_close(w);
    assert_int_equal(mg_spool_close(s, 5000), 0);
    assert_int_equal(atomic_load(&f.ledger->n), 599);
    assert_false(in_ledger(&f, 333));
    mg_series *m = mg_metrics_series(f.metrics, "moongate_spool_rejected_total", MG_COUNTER, "", NULL, 0, NULL, 0);
    assert_int_equal(mg_series_value(m), 1);
    assert_int_equal(count_files(&f, "rejected", "00000000014d.spool"), 1);
    assert_int_equal(count_files(&f, "rejected", "00000000014d.reason"), 1);

    /* Mended and moved back, it is replayed. */
    atomic_store(&f.ledger->declined, -1);
    char from[600], to[600];
    snprintf(from, sizeof from, "%s/rejected/01900000-0000-7000-8000-00000000014d.spool", f.dir);
    snprintf(to, sizeof to, "%s/again.spool", f.dir);
    assert_int_equal(rename(from, to), 0);
    s = spool_open(&f, 0);
    assert_int_equal(mg_spool_close(s, 5000), 0);
    assert_true(in_ledger(&f, 333));
    fixture_free(&f);
}

static void a_declined_row_is_set_aside(void **state) {
    (void)state;
    declined(false);
}

static void a_declined_row_is_found_by_halving(void **state) {
    (void)state;
    declined(true);
}

static void open_starts_move_with_the_writer(void **state) {
    (void)state;
    fixture f;
    fixture_make(&f);
    mg_spool *s = spool_open(&f, 16 * 1024);
    mg_spool_writer *w = writer_open(s, 0);
    put_start(w, 5000);
    put_start(w, 5001);
    for (int64_t k = 0; k < 1000; k++) {
        put_start(w, k);
        put_end(w, k);
    }
    put_end(w, 5001);
    uint64_t until = mg_clock_mono_ms() + 5000;
    mg_spool_status status;
    do {
        nap();
        mg_spool_status_get(s, &status);
    } while ((status.waiting || status.segments > 1) && mg_clock_mono_ms() < until);
    assert_int_equal(status.waiting, 0);
    assert_int_equal(status.segments, 1); /* some 40 have been deleted */
    assert_int_equal(count_files(&f, "", ".spool"), 1);
    assert_false(in_ledger(&f, 5000));

    char name[256];
    mg_buf b = read_segment(&f, name); /* as a crash would leave it */
    mg_spool_writer_close(w);
    mg_spool_close(s, 5000);
    write_segment_file(&f, name, b.p, b.n);
    mg_buf_finish(&b);
    memset(&f.ledger->rows[5000], 0, 2 * sizeof f.ledger->rows[0]);
    s = spool_open(&f, 0);
    mg_spool_close(s, 5000);
    assert_true(in_ledger(&f, 5000) && in_ledger(&f, 5001));
    assert_int_equal(f.ledger->rows[5000].outcome, 'i');
    assert_int_equal(f.ledger->rows[5001].outcome, 'o');
    fixture_free(&f);
}

static void an_amendment_joins_its_row(void **state) {
    (void)state;
    fixture f;
    fixture_make(&f);
    atomic_store(&f.ledger->failing, -1);
    mg_spool *s = spool_open(&f, 0);
    mg_spool_writer *w = writer_open(s, 0);
    put_end(w, 1);
    mg_usage_row r = row_of(1);
    r.cost_nano_usd = 77;
    assert_int_equal(mg_spool_amend(w, &r, NULL), MG_OK);
    mg_spool_writer_close(w);
    mg_spool_close(s, 0);
    atomic_store(&f.ledger->failing, 0);
    assert_int_equal(replay(&f), 1);
    assert_int_equal(f.ledger->rows[1].cost, 77);
    fixture_free(&f);
}

static void a_large_row_loses_its_tags_not_its_cost(void **state) {
    (void)state;
    fixture f;
    fixture_make(&f);
    mg_spool *s = spool_open(&f, 0);
    mg_spool_writer *w = writer_open(s, 0);
    mg_usage_row r = row_of(1);
    char *huge = calloc(1, 2 << 20);
    memset(huge, 'x', 2 << 20);
    r.decisions = mg_str_from(huge, 2 << 20);
    assert_int_equal(mg_spool_end(w, &r, NULL), MG_OK);
    r = row_of(2);
    r.user = mg_str_from(huge, 2 << 20);
    mg_error e = {0};
    assert_int_equal(mg_spool_end(w, &r, &e), MG_ERROR);
    assert_int_equal(e.http, 503);
    mg_spool_writer_close(w);
    assert_int_equal(mg_spool_close(s, 5000), 0);
    assert_true(in_ledger(&f, 1));
    assert_false(in_ledger(&f, 2));
    free(huge);
    fixture_free(&f);
}

/* Records that straddle two mappings, and the end of what is allocated ahead. */
static void records_straddle_mappings(void **state) {
    (void)state;
    fixture f;
    fixture_make(&f);
    int dir = open(f.dir, O_RDONLY | O_DIRECTORY);
    enum { AHEAD = 2 * MG_SPOOL_MAPPED + 5000, RECORD = 3001, N = AHEAD / RECORD + 20 };
    mg_error e;
    mg_spool_segment *g = mg_spool_segment_create(dir, 0, AHEAD, &e);
    assert_non_null(g);
    mg_buf record = {.max = RECORD};
    assert_true(mg_buf_reserve(&record, RECORD));
    record.n = RECORD;
    bool was_mapped = false;
    for (int i = 0; i < N; i++) {
        memset(record.p + MG_SPOOL_RECORD_HEADER, 'a' + i % 26, RECORD - MG_SPOOL_RECORD_HEADER);
        uint64_t at;
        assert_int_equal(mg_spool_segment_append(g, MG_SPOOL_END, &record, &at, &e), MG_OK);
        assert_int_equal(at, MG_SPOOL_HEADER + i * RECORD);
        was_mapped = was_mapped || g->map;
    }
    assert_null(g->map); /* behind what is allocated: by pwrite */
    if (!was_mapped) print_message("this file system can't allocate ahead\n");
    mg_spool_segment_seal(g);
    mg_spool_reader reader = {0};
    uint64_t at = MG_SPOOL_HEADER, limit = atomic_load(&g->committed);
    for (int i = 0; i < N; i++) {
        mg_spool_record r;
        assert_int_equal(mg_spool_segment_read(g, &reader, at, limit, &r, &e), MG_OK);
        assert_int_equal(r.payload.n, RECORD - MG_SPOOL_RECORD_HEADER);
        assert_int_equal(r.payload.p[0], 'a' + i % 26);
        assert_int_equal(r.payload.p[r.payload.n - 1], 'a' + i % 26);
        at = r.end;
    }
    assert_int_equal(at, limit);
    mg_buf_finish(&record);
    mg_buf_finish(&reader.window);
    mg_spool_segment_close(g, dir, true);
    close(dir);
    fixture_free(&f);
}

/* A file that can't get its room in advance is written as far as it goes, and then says so. */
static void no_room_is_an_error(void **state) {
    (void)state;
    fixture f;
    fixture_make(&f);
    int dir = open(f.dir, O_RDONLY | O_DIRECTORY);
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){100000, old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    mg_error e = {0};
    mg_spool_segment *g = mg_spool_segment_create(dir, 0, 1 << 20, &e);
    mg_buf record = {.max = 4096};
    bool room = g && mg_buf_reserve(&record, 4096);
    record.n = 4096;
    int appended = 0;
    while (room && appended < 100 && mg_spool_segment_append(g, MG_SPOOL_END, &record, NULL, &e) == MG_OK) appended++;
    setrlimit(RLIMIT_FSIZE, &old); /* before an assertion that fails has to print */
    assert_true(room);
    assert_int_equal(appended, (100000 - MG_SPOOL_HEADER) / 4096);
    assert_int_equal(e.http, 503);
    assert_string_equal(e.code, "usage_not_recorded");
    assert_int_equal(atomic_load(&g->committed), MG_SPOOL_HEADER + appended * 4096);
    assert_int_equal(mg_spool_segment_append(g, MG_SPOOL_END, &record, NULL, &e), MG_OK); /* there is room again */
    mg_buf_finish(&record);
    mg_spool_segment_close(g, dir, true);
    close(dir);
    fixture_free(&f);
}

static void count_call(void *arg, const mg_ledger *ops, void *self) {
    assert_ptr_equal(ops, &LEDGER_OPS);
    assert_ptr_equal(self, the_ledger);
    atomic_fetch_add((_Atomic int *)arg, 1);
}

static void work_runs_on_the_ledgers_thread(void **state) {
    (void)state;
    fixture f;
    fixture_make(&f);
    atomic_store(&f.ledger->failing, -1);
    mg_spool *s = spool_open(&f, 0);
    mg_spool_writer *w = writer_open(s, 0);
    _Atomic int calls = 0;
    mg_spool_with_ledger(s, count_call, &calls);
    assert_int_equal(calls, 1);
    put_end(w, 1);
    mg_spool_with_ledger(s, count_call, &calls); /* also while the ledger fails */
    for (int i = 0; i < 10; i++) mg_spool_post_ledger(s, count_call, &calls);
    mg_spool_close(s, 0);
    assert_int_equal(calls, 12);
    fixture_free(&f);
}

static void a_bad_folder_is_named(void **state) {
    (void)state;
    fixture f;
    fixture_make(&f);
    mg_error e = {0};
    mg_spool_options o = {.dir = MG_STR("/proc/moongate/spool")};
    assert_null(mg_spool_open(&o, f.use, &e));
    assert_non_null(strstr(e.text, "/proc/moongate"));
    assert_non_null(strstr(e.text, "data_dir"));
    fixture_free(&f);
}

/* Prints what a call costs; asserts only against blunders, since machines differ. */
static void an_append_is_quick(void **state) {
    (void)state;
    fixture f;
    fixture_make(&f);
    mg_spool *s = spool_open(&f, 0);
    mg_spool_writer *w = writer_open(s, 0);
    enum { N = 50000 };
    uint64_t began = mg_clock_mono_us();
    for (int64_t k = 0; k < N; k++) put_end(w, k);
    double each = (double)(mg_clock_mono_us() - began) / N;
    print_message("mg_spool_end: %.2f us\n", each);
    assert_true(each < 200);
    mg_spool_writer_close(w);
    assert_int_equal(mg_spool_close(s, 20000), 0);
    fixture_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_reach_the_ledger_in_order),
        cmocka_unit_test(rows_come_while_running),
        cmocka_unit_test(a_torn_tail_is_cut_at_every_byte),
        cmocka_unit_test(a_damaged_middle_is_set_aside),
        cmocka_unit_test(a_payload_is_no_record),
        cmocka_unit_test(a_ledger_that_is_away_loses_nothing),
        cmocka_unit_test(what_is_left_at_close_comes_next_time),
        cmocka_unit_test(what_was_left_is_not_held_back),
        cmocka_unit_test(a_declined_row_is_set_aside),
        cmocka_unit_test(a_declined_row_is_found_by_halving),
        cmocka_unit_test(open_starts_move_with_the_writer),
        cmocka_unit_test(an_amendment_joins_its_row),
        cmocka_unit_test(a_large_row_loses_its_tags_not_its_cost),
        cmocka_unit_test(records_straddle_mappings),
        cmocka_unit_test(no_room_is_an_error),
        cmocka_unit_test(work_runs_on_the_ledgers_thread),
        cmocka_unit_test(a_bad_folder_is_named),
        cmocka_unit_test(an_append_is_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
