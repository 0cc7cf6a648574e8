/* Processes that share a folder, and processes that are killed. */
#include "spool_fixture.h"
#include "base/hash.h"
#include "base/json.h"
#include "plugin/registry.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

enum { KILLS = 20, WORKERS = 2, PER_WORKER = LEDGER_ROWS / (KILLS * WORKERS) };

/* In shared memory: how far each worker of the child came. */
typedef struct progress {
    _Atomic int64_t started[WORKERS], ended[WORKERS]; /* rows whose call returned */
} progress;

typedef struct job {
    mg_spool *spool;
    size_t worker;
    int64_t first;
    progress *progress;
} job;

/* Keeps eight attempts open at a time, ends the oldest. */
static void *write_under_load(void *arg) {
    const job *j = arg;
    mg_spool_writer *w = mg_spool_writer_open(j->spool, j->worker, NULL);
    for (int64_t i = 0; w && i < PER_WORKER; i++) {
        mg_usage_row r = row_of(j->first + i);
        r.outcome = (mg_str){NULL, 0};
        if (mg_spool_start(w, &r, NULL) != MG_OK) _exit(3);
        atomic_store(&j->progress->started[j->worker], i + 1);
        if (i < 8) continue;
        r = row_of(j->first + i - 8);
        if (mg_spool_end(w, &r, NULL) != MG_OK) _exit(4);
        atomic_store(&j->progress->ended[j->worker], i - 7);
    }
    for (;;) pause();
}

static void child(fixture *f, progress *p, int64_t first) {
    mg_spool *s = spool_open(f, 64 * 1024);
    pthread_t thread[WORKERS];
    job jobs[WORKERS];
    for (size_t i = 0; i < WORKERS; i++) {
        jobs[i] = (job){s, i, first + (int64_t)i * PER_WORKER, p};
        if (pthread_create(&thread[i], NULL, write_under_load, &jobs[i]) != 0) _exit(5);
    }
    for (;;) pause();
}

static void check_worker(fixture *f, const progress *p, size_t worker, int64_t first) {
    int64_t ended = atomic_load(&p->ended[worker]), started = atomic_load(&p->started[worker]);
    for (int64_t i = 0; i < started; i++) {
        const ledger_row *r = &f->ledger->rows[first + i];
        if (!atomic_load(&r->present))
            fail_msg("row %lld of %lld is not in the ledger", (long long)i, (long long)started);
        /* One more may have been appended than was counted. */
        bool interrupted = r->outcome == 'i' && r->precision == 'e' && r->final;
        if (i < ended) assert_int_equal(r->outcome, 'o');
        if (i > ended) assert_true(interrupted);
    }
    assert_false(atomic_load(&f->ledger->rows[first + started + 1].present));
}

static void a_killed_process_loses_nothing(void **state) {
    (void)state;
    fixture f;
    fixture_make(&f);
    progress *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    int64_t total = 0;
    for (int k = 0; k < KILLS; k++) {
        *p = (progress){0};
        int64_t first = (int64_t)k * WORKERS * PER_WORKER;
        atomic_store(&f.ledger->failing, k % 4 == 3 ? -1 : 0); /* at times the ledger was away all along */
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) child(&f, p, first);
        while (atomic_load(&p->ended[0]) == 0 || atomic_load(&p->ended[1]) == 0) nap();
        uint8_t wait;
        mg_random(&wait, 1);
        for (int i = 0; i < wait % 24; i++) nap();
        kill(pid, SIGKILL);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));

        atomic_store(&f.ledger->failing, 0);
        mg_spool *s = spool_open(&f, 0);
        assert_int_equal(mg_spool_close(s, 30000), 0);
        assert_int_equal(count_files(&f, "", ".spool"), 0);
        for (size_t i = 0; i < WORKERS; i++) {
            check_worker(&f, p, i, first + (int64_t)i * PER_WORKER);
            total += atomic_load(&p->ended[i]);
        }
    }
    assert_int_equal(count_files(&f, "rejected", ""), 2); /* . and .. */
    print_message("%d kills, %lld rows\n", KILLS, (long long)total);
    munmap(p, sizeof *p);
    fixture_free(&f);
}

static void the_living_keep_their_segments(void **state) {
    (void)state;
    fixture f;
    fixture_make(&f);
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    atomic_store(&f.ledger->failing, -1); /* for the child: nothing is settled, so nothing deleted */
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        mg_spool *s = spool_open(&f, 8 * 1024); /* several segments */
        mg_spool_writer *w = writer_open(s, 0);
        put_start(w, 100);
        for (int64_t k = 0; k < 100; k++) put_end(w, k);
        if (write(ready[1], "x", 1) != 1) _exit(1);
        for (;;) pause();
    }
    char c;
    assert_int_equal(read(ready[0], &c, 1), 1);
    size_t files = count_files(&f, "", ".spool");
    assert_true(files > 2);
    mg_spool *s = spool_open(&f, 0);
    mg_spool_status status;
    mg_spool_status_get(s, &status);
    assert_int_equal(status.segments, 0);
    mg_spool_writer *w = writer_open(s, 0);
    put_end(w, 200);
    mg_spool_writer_close(w);
    assert_int_equal(mg_spool_close(s, 0), 1);
    assert_int_equal(count_files(&f, "", ".spool"), files + 1);

    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    atomic_store(&f.ledger->failing, 0);
    s = spool_open(&f, 0);
    assert_int_equal(mg_spool_close(s, 10000), 0);
    assert_int_equal(atomic_load(&f.ledger->n), 102);
    assert_int_equal(f.ledger->rows[100].outcome, 'i');
    assert_int_equal(f.ledger->rows[200].outcome, 'o');
    close(ready[0]);
    close(ready[1]);
    fixture_free(&f);
}

/* ---- the real ledger --------------------------------------------------------------------------------------------- */

static void log_nothing(mg_log_level level, mg_str plugin, mg_str text) { (void)level, (void)plugin, (void)text; }

static void step_nothing(void *arg, mg_str name, bool applied) { (void)arg, (void)name, (void)applied; }

/* The plugin that was built beside the tests, on a file in the fixture's folder. NULL: it was not built. */
static mg_use *open_sqlite(mg_registry *r, mg_host *host, const char *dir) {
    mg_error e = {0};
    if (mg_registry_load(r, MG_STR(TEST_BINARY_DIR "/plugins"), &e) < 0) return NULL;
    const mg_plugin *plugin = mg_registry_find(r, MG_KIND_LEDGER, MG_STR("sqlite"));
    if (!plugin) return NULL;
    mg_setting_values *values = mg_setting_values_create(plugin->settings, mg_str_of(dir));
    mg_use *use = mg_use_open(host, plugin, values, 1, &e);
    if (!use) fail_msg("%s", e.text);
    const mg_ledger *ops = mg_use_ops(use);
    if (ops->migrate(mg_use_shared(use), false, step_nothing, NULL, &e) != MG_OK) fail_msg("%s", e.text);
    return use;
}

static bool first_number(void *arg, const mg_str *columns, const mg_value *values, size_t n) {
    (void)columns;
    if (n) *(int64_t *)arg = values[0].integer;
    return false;
}

static int64_t count_attempts(mg_use *use) {
    const mg_ledger *ops = mg_use_ops(use);
    mg_error e = {0};
    int64_t n = -1;
    if (ops->run(mg_use_shared(use), MG_STR("usage.count"), NULL, 0, first_number, &n, &e) != MG_OK)
        fail_msg("%s", e.text);
    return n;
}

static void nothing_is_lost_with_sqlite(void **state) {
    (void)state;
    fixture f;
    fixture_make(&f);
    mg_host host = {.size = sizeof host, .log = log_nothing};
    mg_json_host(&host);
    mg_registry *r = mg_registry_create(&host);
    progress *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    mg_use *fake = f.use, *first = open_sqlite(r, &host, f.dir);
    bool built = first != NULL;
    mg_use_unref(first); /* a database is not carried through a fork */
    int64_t least = 0, most = 0;
    for (int k = 0; built && k < 5; k++) {
        *p = (progress){0};
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            f.use = open_sqlite(r, &host, f.dir);
            child(&f, p, (int64_t)k * WORKERS * PER_WORKER);
        }
        while (atomic_load(&p->ended[0]) < 300 || atomic_load(&p->ended[1]) < 300) nap();
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        f.use = open_sqlite(r, &host, f.dir);
        mg_spool *s = spool_open(&f, 0);
        assert_int_equal(mg_spool_close(s, 60000), 0);
        for (size_t i = 0; i < WORKERS; i++) {
            least += atomic_load(&p->started[i]);
            most += atomic_load(&p->started[i]) + 1; /* appended, and killed before it was counted */
        }
        int64_t attempts = count_attempts(f.use);
        assert_in_range(attempts, least, most);
        least = attempts;
        most = attempts;
        mg_use_unref(f.use);
    }
    f.use = fake;
    munmap(p, sizeof *p);
    mg_registry_destroy(r);
    fixture_free(&f);
    if (built) return;
    print_message("skipped: plugins/ledger_sqlite.so is not built\n");
    skip();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_living_keep_their_segments),
        cmocka_unit_test(a_killed_process_loses_nothing),
        cmocka_unit_test(nothing_is_lost_with_sqlite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
