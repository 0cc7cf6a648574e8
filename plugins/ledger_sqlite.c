/* The SQLite ledger: the embedded default. Usage, keys, organizations and budgets in one file, in WAL mode, so that the
 * command line can read and write while the gateway runs. */
#include <moongate/plugin.h>

#include "ledger_sqlite/ledger.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

mg_status mg_ledger_fail(const mg_ledger_sqlite *l, const char *what, mg_error *error) {
    int rc = sqlite3_errcode(l->db);
    const char *hint = rc == SQLITE_FULL                             ? ": free some disk space"
                       : rc == SQLITE_BUSY                           ? ": another process holds it; see busy_timeout"
                       : rc == SQLITE_READONLY || rc == SQLITE_PERM  ? ": check the file's owner and mode"
                       : rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB ? ": restore it from a backup"
                                                                     : "";
    error->http = rc == SQLITE_CONSTRAINT ? 409 : 503;
    snprintf(error->code, sizeof error->code, rc == SQLITE_CONSTRAINT ? "ledger_constraint" : "ledger_failed");
    snprintf(error->text, sizeof error->text, "ledger %.120s: %.120s: %.140s%s", l->path, what, sqlite3_errmsg(l->db),
             hint);
    return MG_ERROR;
}

mg_status mg_ledger_exec(mg_ledger_sqlite *l, const char *sql, mg_error *error) {
    if (sqlite3_exec(l->db, sql, NULL, NULL, NULL) == SQLITE_OK) return MG_OK;
    char what[64];
    snprintf(what, sizeof what, "%.60s", sql);
    return mg_ledger_fail(l, what, error);
}

void mg_ledger_rollback(mg_ledger_sqlite *l) {
    if (!sqlite3_get_autocommit(l->db)) sqlite3_exec(l->db, "ROLLBACK", NULL, NULL, NULL);
}

static char *path_of(const mg_settings *settings, mg_error *error) {
    mg_str path = settings->string(settings->ctx, "path");
    char *out = NULL;
    if (path.n) return strndup(path.p, path.n);
    if (!settings->data_dir.n)
        snprintf(error->text, sizeof error->text, "the ledger needs a `path`, since there is no data_dir");
    else if (asprintf(&out, "%.*s/moongate.db", (int)settings->data_dir.n, settings->data_dir.p) < 0)
        return NULL;
    return out;
}

static void ledger_close(void *shared) {
    mg_ledger_sqlite *l = shared;
    if (!l) return;
    mg_ledger_usage_finish(l);
    sqlite3_finalize(l->data_version);
    sqlite3_close(l->db);
    pthread_mutex_destroy(&l->lock);
    free(l->path);
    free(l);
}

/* The file holds who said how much to whom: for its owner only. SQLite gives its -wal and -shm the same mode. */
static mg_status connect_file(mg_ledger_sqlite *l, mg_error *error) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    struct stat st;
    bool is_new = stat(l->path, &st) != 0;
    if (sqlite3_open_v2(l->path, &l->db, flags, NULL) != SQLITE_OK) return mg_ledger_fail(l, "opening it", error);
    if (is_new && strcmp(l->path, ":memory:") != 0 && chmod(l->path, 0600) != 0) {
        snprintf(error->text, sizeof error->text, "ledger %.200s: %s", l->path, strerror(errno));
        return MG_ERROR;
    }
    return MG_OK;
}

static mg_status configure(mg_ledger_sqlite *l, int64_t busy_ms, mg_error *error) {
    sqlite3_busy_timeout(l->db, (int)(busy_ms > 600000 ? 600000 : busy_ms));
    if (mg_ledger_exec(l, "PRAGMA journal_mode = WAL", error) != MG_OK) return MG_ERROR;
    if (mg_ledger_exec(l, "PRAGMA synchronous = NORMAL", error) != MG_OK) return MG_ERROR;
    if (mg_ledger_exec(l, "PRAGMA wal_autocheckpoint = 4000", error) != MG_OK) return MG_ERROR; /* pages: 16 MB */
    if (mg_ledger_exec(l, "PRAGMA foreign_keys = ON", error) != MG_OK) return MG_ERROR;
    if (mg_ledger_exec(l, "PRAGMA cache_size = -4000", error) != MG_OK) return MG_ERROR; /* KB: rows are appended, not looked up */
    if (sqlite3_prepare_v3(l->db, "PRAGMA data_version", -1, SQLITE_PREPARE_PERSISTENT, &l->data_version, NULL))
        return mg_ledger_fail(l, "PRAGMA data_version", error);
    return MG_OK;
}

static void *ledger_open(const mg_host *host, const mg_settings *settings, mg_error *error) {
    mg_ledger_sqlite *l = calloc(1, sizeof *l);
    if (!l) {
        snprintf(error->text, sizeof error->text, "no memory for the ledger");
        return NULL;
    }
    l->host = host;
    pthread_mutex_init(&l->lock, NULL);
    l->path = path_of(settings, error);
    if (l->path && connect_file(l, error) == MG_OK &&
        configure(l, settings->integer(settings->ctx, "busy_timeout"), error) == MG_OK &&
        mg_ledger_check_version(l, error) == MG_OK)
        return l;
    ledger_close(l);
    return NULL;
}

static mg_status ledger_migrate(void *self, bool dry_run, void (*step)(void *arg, mg_str name, bool applied), void *arg,
                                mg_error *error) {
    mg_ledger_sqlite *l = self;
    pthread_mutex_lock(&l->lock);
    mg_status status = mg_ledger_migrate(l, dry_run, step, arg, error);
    pthread_mutex_unlock(&l->lock);
    return status;
}

static mg_status ledger_write(void *self, const mg_usage_row *rows, size_t n, size_t *bad, mg_error *error) {
    mg_ledger_sqlite *l = self;
    pthread_mutex_lock(&l->lock);
    mg_status status = mg_ledger_write(l, rows, n, bad, error);
    pthread_mutex_unlock(&l->lock);
    return status;
}

static mg_status ledger_run(void *self, mg_str name, const mg_param *params, size_t n, mg_ledger_row row, void *arg,
                            mg_error *error) {
    mg_ledger_sqlite *l = self;
    pthread_mutex_lock(&l->lock);
    mg_status status = mg_ledger_run(l, name, params, n, row, arg, error);
    pthread_mutex_unlock(&l->lock);
    return status;
}

/* data_version changes with every commit of another connection; our own changes to keys and organizations are counted
 * beside it, our own usage rows are not. */
static uint64_t ledger_version(void *self) {
    mg_ledger_sqlite *l = self;
    pthread_mutex_lock(&l->lock);
    uint64_t version = 0;
    if (sqlite3_step(l->data_version) == SQLITE_ROW) version = (uint64_t)sqlite3_column_int64(l->data_version, 0);
    sqlite3_reset(l->data_version);
    version = version << 32 | l->changes;
    pthread_mutex_unlock(&l->lock);
    return version;
}

static const mg_setting ledger_settings[] = {
    {"path", MG_SETTING_STRING, NULL, false, "the database's file; moongate.db in data_dir unless given"},
    {"busy_timeout", MG_SETTING_SECONDS, "5", false, "how long to wait for another process that is writing"},
    {NULL, MG_SETTING_STRING, NULL, false, NULL},
};

static const mg_ledger ledger_ops = {
    .size = sizeof(mg_ledger),
    .migrate = ledger_migrate,
    .write = ledger_write,
    .run = ledger_run,
    .version = ledger_version,
};

static const mg_plugin ledger_plugin = {
    .abi = MG_PLUGIN_ABI,
    .kind = MG_KIND_LEDGER,
    .size = sizeof(mg_plugin),
    .name = "sqlite",
    .version = MOONGATE_VERSION,
    .doc = "Usage, keys, organizations and budgets in one SQLite file.",
    .settings = ledger_settings,
    .ops = &ledger_ops,
    .open = ledger_open,
    .close = ledger_close,
};

MG_PLUGIN_EXPORT const mg_plugin *moongate_plugin(void);
const mg_plugin *moongate_plugin(void) { return &ledger_plugin; }
