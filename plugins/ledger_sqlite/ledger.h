/* The SQLite ledger: one connection for the process behind a mutex, since usage comes from the ledger's thread, and
 * reports and keys from the admin plane's. The command line opens a connection of its own: WAL lets both work. */
#ifndef LEDGER_SQLITE_LEDGER_H
#define LEDGER_SQLITE_LEDGER_H

#include <moongate/plugin.h>
#include <pthread.h>
#include <sqlite3.h>

enum mg_usage_statement {
    MG_USAGE_INSERT, /* nothing if the attempt is there already */
    MG_USAGE_STORED, /* what is there */
    MG_USAGE_REMOVE,
    MG_USAGE_USERS, /* whether there are any */
    MG_USAGE_STATEMENTS
};

enum mg_spend_statement { MG_SPEND_ORG, MG_SPEND_BUDGETS, MG_SPEND_ADD, MG_SPEND_STATEMENTS };

typedef struct mg_ledger_budget {
    int64_t row, start_ms, end_ms; /* [start, end) */
    int64_t spent;                 /* by this batch */
} mg_ledger_budget;

typedef struct mg_ledger_org {
    mg_str id;       /* borrowed from the batch's rows; p NULL: a free slot */
    bool known;      /* has a row in `organizations` */
    size_t first, n; /* its budgets */
} mg_ledger_org;

/* Of one batch; its memory serves the next. */
typedef struct mg_ledger_spend {
    sqlite3_stmt *statements[MG_SPEND_STATEMENTS];
    mg_ledger_org *slots, *last; /* open addressing; the one asked for last */
    size_t n_slots, n_orgs;
    mg_ledger_budget *budgets;
    size_t n_budgets, cap_budgets;
} mg_ledger_spend;

typedef struct mg_ledger_sqlite {
    const mg_host *host;
    pthread_mutex_t lock; /* covers all below */
    sqlite3 *db;
    char *path;
    sqlite3_stmt *usage[MG_USAGE_STATEMENTS]; /* prepared with the first write */
    mg_ledger_spend spend;
    char second[32]; /* the text of created_ms without its milliseconds, of the row before */
    int64_t second_of;
    sqlite3_stmt *data_version;
    uint32_t changes; /* by `run` on this connection, which PRAGMA data_version does not see */
} mg_ledger_sqlite;

/* Fills the error from what SQLite said last, behind `what`; MG_ERROR. Http is 409 for a constraint, else 503. */
mg_status mg_ledger_fail(const mg_ledger_sqlite *l, const char *what, mg_error *error);
mg_status mg_ledger_exec(mg_ledger_sqlite *l, const char *sql, mg_error *error);
/* Ends a transaction without an error of its own: whatever it may say, an earlier one matters more. */
void mg_ledger_rollback(mg_ledger_sqlite *l);

/* schema.c */
mg_status mg_ledger_migrate(mg_ledger_sqlite *l, bool dry_run, void (*step)(void *arg, mg_str name, bool applied),
                            void *arg, mg_error *error);
/* MG_ERROR if a newer program has changed the database; fine on one without any table. */
mg_status mg_ledger_check_version(mg_ledger_sqlite *l, mg_error *error);

/* usage.c */
mg_status mg_ledger_write(mg_ledger_sqlite *l, const mg_usage_row *rows, size_t n, size_t *bad, mg_error *error);
void mg_ledger_usage_finish(mg_ledger_sqlite *l);

/* spend.c, within the transaction of a batch. */
mg_status mg_ledger_spend_begin(mg_ledger_sqlite *l, mg_error *error);
/* *out is valid until the next call; `id` must stay until the batch ends. */
mg_status mg_ledger_spend_org(mg_ledger_sqlite *l, mg_str id, const mg_ledger_org **out, mg_error *error);
/* Adds to the budgets of the organization whose period holds the time; `nano` may be negative. */
void mg_ledger_spend_add(mg_ledger_sqlite *l, const mg_ledger_org *org, int64_t created_ms, int64_t nano);
mg_status mg_ledger_spend_end(mg_ledger_sqlite *l, mg_error *error);
void mg_ledger_spend_finish(mg_ledger_sqlite *l);

/* statement.c */
typedef bool (*mg_ledger_row)(void *arg, const mg_str *columns, const mg_value *values, size_t n);
mg_status mg_ledger_run(mg_ledger_sqlite *l, mg_str name, const mg_param *params, size_t n, mg_ledger_row row,
                        void *arg, mg_error *error);

#endif
