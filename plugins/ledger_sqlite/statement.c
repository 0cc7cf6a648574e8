/* Named statements: sql/sqlite/statements/NAME.sql, with named parameters. A file may hold several; they run as one
 * transaction. */
#include "ledger.h"

#include "ledger_sqlite_sql.h"
#include <stdio.h>
#include <string.h>

enum { COLUMNS = 128 };

static const char *text_of(mg_str name) {
    for (size_t i = 0; i < sizeof mg_sql_statements / sizeof mg_sql_statements[0]; i++) {
        const char *known = mg_sql_statements[i].name;
        if (strlen(known) == name.n && memcmp(known, name.p, name.n) == 0) return mg_sql_statements[i].text;
    }
    return NULL;
}

static const mg_param *param_find(const mg_param *params, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(params[i].name, name) == 0) return &params[i];
    return NULL;
}

static void bind_value(sqlite3_stmt *s, int at, const mg_value *v) {
    switch (v->type) {
    case MG_VALUE_INTEGER: sqlite3_bind_int64(s, at, v->integer); break;
    case MG_VALUE_REAL: sqlite3_bind_double(s, at, v->real); break;
    case MG_VALUE_TEXT:
        sqlite3_bind_text64(s, at, v->text.p ? v->text.p : "", v->text.n, SQLITE_STATIC, SQLITE_UTF8);
        break;
    case MG_VALUE_NULL: break; /* what a parameter is before it is bound */
    }
}

/* Binds what the statement names; marks what was used. A parameter that is not given is NULL. */
static void bind(sqlite3_stmt *s, const mg_param *params, size_t n, uint64_t *used) {
    int count = sqlite3_bind_parameter_count(s);
    for (int i = 1; i <= count; i++) {
        const char *name = sqlite3_bind_parameter_name(s, i);
        const mg_param *p = name ? param_find(params, n, name + 1) : NULL;
        if (!p) continue;
        bind_value(s, i, &p->value);
        *used |= 1ull << (p - params);
    }
}

static mg_value value_of(sqlite3_stmt *s, int at) {
    mg_value v = {.type = MG_VALUE_NULL};
    switch (sqlite3_column_type(s, at)) {
    case SQLITE_INTEGER:
        v.type = MG_VALUE_INTEGER;
        v.integer = sqlite3_column_int64(s, at);
        break;
    case SQLITE_FLOAT:
        v.type = MG_VALUE_REAL;
        v.real = sqlite3_column_double(s, at);
        break;
    case SQLITE_TEXT:
    case SQLITE_BLOB:
        v.type = MG_VALUE_TEXT;
        v.text.p = (const char *)sqlite3_column_text(s, at);
        v.text.n = (size_t)sqlite3_column_bytes(s, at);
        break;
    default: break;
    }
    return v;
}

static bool hand_over(sqlite3_stmt *s, mg_ledger_row row, void *arg) {
    mg_str columns[COLUMNS];
    mg_value values[COLUMNS];
    int n = sqlite3_column_count(s);
    if (n > COLUMNS) n = COLUMNS;
    for (int i = 0; i < n; i++) {
        const char *name = sqlite3_column_name(s, i);
        columns[i] = (mg_str){name, strlen(name)};
        values[i] = value_of(s, i);
    }
    return row(arg, columns, values, (size_t)n);
}

/* A statement that changes something runs to its end even if the caller has seen enough rows. */
static int step_all(sqlite3_stmt *s, mg_ledger_row row, void *arg) {
    int rc;
    bool more = row != NULL;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        if (more) more = hand_over(s, row, arg);
        if (!more && sqlite3_stmt_readonly(s)) return SQLITE_DONE;
    }
    return rc;
}

static mg_status unused_param(mg_str name, const mg_param *params, size_t n, uint64_t used, mg_error *error) {
    for (size_t i = 0; i < n; i++) {
        if (used >> i & 1) continue;
        error->http = 500;
        snprintf(error->code, sizeof error->code, "ledger_misuse");
        snprintf(error->text, sizeof error->text, "the statement %.*s has no parameter :%s", (int)name.n, name.p,
                 params[i].name);
        return MG_ERROR;
    }
    return MG_OK;
}

static mg_status run_all(mg_ledger_sqlite *l, mg_str name, const char *sql, const mg_param *params, size_t n,
                         mg_ledger_row row, void *arg, mg_error *error) {
    uint64_t used = 0;
    while (*sql) {
        sqlite3_stmt *s = NULL;
        int rc = sqlite3_prepare_v2(l->db, sql, -1, &s, &sql);
        if (rc == SQLITE_OK && !s) continue; /* only a comment was left */
        if (rc == SQLITE_OK) {
            bind(s, params, n, &used);
            rc = step_all(s, row, arg);
        }
        if (rc != SQLITE_DONE) {
            char what[80];
            snprintf(what, sizeof what, "running %.*s", (int)(name.n > 60 ? 60 : name.n), name.p);
            mg_ledger_fail(l, what, error);
            sqlite3_finalize(s);
            return MG_ERROR;
        }
        sqlite3_finalize(s);
    }
    return unused_param(name, params, n, used, error);
}

/* Whether a text only reads, asked of SQLite for its first statement; files do not mix. */
static bool only_reads(mg_ledger_sqlite *l, const char *sql) {
    sqlite3_stmt *s = NULL;
    bool reads = sqlite3_prepare_v2(l->db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_stmt_readonly(s);
    sqlite3_finalize(s);
    return reads;
}

mg_status mg_ledger_run(mg_ledger_sqlite *l, mg_str name, const mg_param *params, size_t n, mg_ledger_row row,
                        void *arg, mg_error *error) {
    const char *sql = text_of(name);
    if (!sql || n > 64) {
        snprintf(error->text, sizeof error->text, "this ledger has no statement %.*s", (int)(name.n > 60 ? 60 : name.n),
                 name.p);
        return MG_DECLINED;
    }
    if (only_reads(l, sql)) return run_all(l, name, sql, params, n, row, arg, error);
    if (mg_ledger_exec(l, "BEGIN IMMEDIATE", error) != MG_OK) return MG_ERROR;
    mg_status status = run_all(l, name, sql, params, n, row, arg, error);
    if (status == MG_OK) status = mg_ledger_exec(l, "COMMIT", error);
    if (status == MG_OK)
        l->changes++;
    else
        mg_ledger_rollback(l);
    return status;
}
