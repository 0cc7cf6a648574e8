/* Migrations: numbered, forward only, each in a transaction with the row that says it was made. */
#include "ledger.h"

#include "ledger_sqlite_sql.h"
#include <stdio.h>
#include <string.h>

enum { MIGRATIONS = sizeof mg_sql_migrations / sizeof mg_sql_migrations[0] };

static const char create_list[] = "CREATE TABLE IF NOT EXISTS schema_migrations ("
                                  " version INTEGER PRIMARY KEY, name TEXT NOT NULL,"
                                  " applied_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')))";

/* The newest migration that was made; 0: none. */
static mg_status version_now(mg_ledger_sqlite *l, int *version, mg_error *error) {
    sqlite3_stmt *s = NULL;
    const char *list = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'";
    *version = 0;
    for (int pass = 0; pass < 2; pass++) {
        const char *sql = pass ? "SELECT coalesce(max(version), 0) FROM schema_migrations" : list;
        if (sqlite3_prepare_v2(l->db, sql, -1, &s, NULL) != SQLITE_OK || sqlite3_step(s) != SQLITE_ROW) {
            mg_ledger_fail(l, "reading the schema's version", error);
            sqlite3_finalize(s);
            return MG_ERROR;
        }
        int value = sqlite3_column_int(s, 0);
        sqlite3_finalize(s);
        if (pass) *version = value;
        if (!value) return MG_OK;
    }
    return MG_OK;
}

static mg_status refuse_newer(const mg_ledger_sqlite *l, int version, mg_error *error) {
    int known = mg_sql_migrations[MIGRATIONS - 1].version;
    if (version <= known) return MG_OK;
    error->http = 503;
    snprintf(error->code, sizeof error->code, "ledger_newer");
    snprintf(error->text, sizeof error->text,
             "the ledger %.200s has schema version %d, but this program knows only up to %d: run the newer program, or "
             "restore a backup made before the upgrade",
             l->path, version, known);
    return MG_ERROR;
}

mg_status mg_ledger_check_version(mg_ledger_sqlite *l, mg_error *error) {
    int version;
    if (version_now(l, &version, error) != MG_OK) return MG_ERROR;
    return refuse_newer(l, version, error);
}

static mg_status record(mg_ledger_sqlite *l, const mg_sql_text *m, mg_error *error) {
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(l->db, "INSERT INTO schema_migrations (version, name) VALUES (?, ?)", -1, &s, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_int(s, 1, m->version);
        sqlite3_bind_text(s, 2, m->name, -1, SQLITE_STATIC);
        rc = sqlite3_step(s);
    }
    if (rc != SQLITE_DONE) mg_ledger_fail(l, "recording a migration", error);
    sqlite3_finalize(s);
    return rc == SQLITE_DONE ? MG_OK : MG_ERROR;
}

/* Another process may be at it too: whoever gets the write lock second finds it done. */
static mg_status apply(mg_ledger_sqlite *l, const mg_sql_text *m, mg_error *error) {
    int version;
    if (mg_ledger_exec(l, "BEGIN IMMEDIATE", error) != MG_OK) return MG_ERROR;
    if (mg_ledger_exec(l, create_list, error) != MG_OK) goto failed;
    if (version_now(l, &version, error) != MG_OK) goto failed;
    if (version < m->version) {
        if (mg_ledger_exec(l, m->text, error) != MG_OK) goto failed;
        if (record(l, m, error) != MG_OK) goto failed;
    }
    if (mg_ledger_exec(l, "COMMIT", error) == MG_OK) return MG_OK;
failed:
    mg_ledger_rollback(l);
    return MG_ERROR;
}

mg_status mg_ledger_migrate(mg_ledger_sqlite *l, bool dry_run, void (*step)(void *arg, mg_str name, bool applied),
                            void *arg, mg_error *error) {
    int version;
    if (version_now(l, &version, error) != MG_OK) return MG_ERROR;
    if (refuse_newer(l, version, error) != MG_OK) return MG_ERROR;
    for (size_t i = 0; i < MIGRATIONS; i++) {
        const mg_sql_text *m = &mg_sql_migrations[i];
        bool applied = m->version <= version;
        if (!applied && !dry_run) {
            if (apply(l, m, error) != MG_OK) return MG_ERROR;
            applied = true;
        }
        if (step) step(arg, (mg_str){m->name, strlen(m->name)}, applied);
    }
    return MG_OK;
}
