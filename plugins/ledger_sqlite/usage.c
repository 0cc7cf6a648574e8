/* Usage rows: a batch is one transaction. An attempt is stored once; only a row that says "interrupted", which the
 * spool makes up for an attempt whose process died, gives way to what really happened. */
#include "ledger.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const texts[MG_USAGE_STATEMENTS] = {
    [MG_USAGE_INSERT] =
        "INSERT INTO ai_usage_metrics (attempt_id, request_id, attempt, final, outcome, precision, org_ref, key_id,"
        " user_ref, session_ref, team, provider, model, model_asked, operation, upstream_id, client_request_id, error,"
        " http_status, tokens_input, tokens_output, tokens_cached, tokens_cache_write, tokens_reasoning,"
        " tokens_audio_input, tokens_audio_output, cost_nano_usd, created_ms, latency_ms, ttft_ms, stream, metadata,"
        " decisions, policy_generation, created_at, organization_id, user_id)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22,"
        " ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36,"
        " CASE WHEN ?37 THEN (SELECT id FROM users WHERE id = ?9) END)"
        " ON CONFLICT (attempt_id) DO NOTHING",
    [MG_USAGE_STORED] =
        "SELECT outcome, cost_nano_usd, created_ms FROM ai_usage_metrics WHERE attempt_id = ?1",
    [MG_USAGE_REMOVE] = "DELETE FROM ai_usage_metrics WHERE attempt_id = ?1",
    [MG_USAGE_USERS] = "SELECT EXISTS (SELECT 1 FROM users)",
};

static mg_status prepare(mg_ledger_sqlite *l, mg_error *error) {
    for (size_t i = 0; i < MG_USAGE_STATEMENTS; i++) {
        if (l->usage[i]) continue;
        if (sqlite3_prepare_v3(l->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &l->usage[i], NULL) != SQLITE_OK)
            return mg_ledger_fail(l, "preparing to write usage (has `moongate migrate` been run?)", error);
    }
    return MG_OK;
}

void mg_ledger_usage_finish(mg_ledger_sqlite *l) {
    for (size_t i = 0; i < MG_USAGE_STATEMENTS; i++) {
        sqlite3_finalize(l->usage[i]);
        l->usage[i] = NULL;
    }
    mg_ledger_spend_finish(l);
}

/* "" is NULL in the ledger. The row outlives the statement's step. */
static void bind_text(sqlite3_stmt *s, int at, mg_str text) {
    if (text.n)
        sqlite3_bind_text64(s, at, text.p, text.n, SQLITE_STATIC, SQLITE_UTF8);
    else
        sqlite3_bind_null(s, at);
}

static mg_str id_text(const char *id, size_t size) { return (mg_str){id, strnlen(id, size)}; }

static void bind_row(sqlite3_stmt *s, const mg_usage_row *r) {
    const mg_str strings[] = {
        r->org,         r->key_id,    r->user,        r->session,           r->team, r->provider, r->model,
        r->model_asked, r->operation, r->upstream_id, r->client_request_id, r->error};
    const int64_t numbers[] = {r->http_status,       r->usage.input,     r->usage.output,      r->usage.cached,
                               r->usage.cache_write, r->usage.reasoning, r->usage.audio_input, r->usage.audio_output,
                               r->cost_nano_usd,     r->created_ms,      r->latency_ms};
    bind_text(s, 1, id_text(r->attempt_id, sizeof r->attempt_id));
    bind_text(s, 2, id_text(r->request_id, sizeof r->request_id));
    sqlite3_bind_int(s, 3, r->attempt);
    sqlite3_bind_int(s, 4, r->final);
    bind_text(s, 5, r->outcome);
    bind_text(s, 6, r->precision);
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) bind_text(s, 7 + (int)i, strings[i]);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) sqlite3_bind_int64(s, 19 + (int)i, numbers[i]);
    if (r->ttft_ms >= 0)
        sqlite3_bind_int64(s, 30, r->ttft_ms);
    else
        sqlite3_bind_null(s, 30);
    sqlite3_bind_int(s, 31, r->stream);
    bind_text(s, 32, r->metadata);
    bind_text(s, 33, r->decisions);
    sqlite3_bind_int64(s, 34, (int64_t)r->generation);
}

/* created_ms as RFC 3339 text; the date is worked out once a second of rows, not once a row. */
static void bind_created_at(mg_ledger_sqlite *l, sqlite3_stmt *s, int64_t created_ms) {
    char text[40];
    int64_t ms = (created_ms % 1000 + 1000) % 1000;
    time_t second = (created_ms - ms) / 1000;
    if (!l->second[0] || l->second_of != second) {
        struct tm utc = {0};
        gmtime_r(&second, &utc);
        strftime(l->second, sizeof l->second, "%Y-%m-%dT%H:%M:%S", &utc);
        l->second_of = second;
    }
    size_t n = strlen(l->second);
    memcpy(text, l->second, n);
    const char rest[5] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10), 'Z'};
    memcpy(text + n, rest, sizeof rest);
    sqlite3_bind_text64(s, 35, text, n + sizeof rest, SQLITE_TRANSIENT, SQLITE_UTF8);
}

/* Runs a statement to its end. MG_DECLINED: the row is at fault, not the database. */
static mg_status finish(mg_ledger_sqlite *l, sqlite3_stmt *s, mg_error *error) {
    int rc = sqlite3_step(s);
    mg_status status = MG_OK;
    if (rc != SQLITE_DONE) {
        mg_ledger_fail(l, "writing usage", error);
        status = rc == SQLITE_CONSTRAINT || rc == SQLITE_TOOBIG || rc == SQLITE_MISMATCH ? MG_DECLINED : MG_ERROR;
    }
    sqlite3_reset(s);
    return status;
}

static mg_status insert(mg_ledger_sqlite *l, const mg_usage_row *r, const mg_ledger_org *org, mg_error *error) {
    sqlite3_stmt *s = l->usage[MG_USAGE_INSERT];
    bind_row(s, r);
    bind_created_at(l, s, r->created_ms);
    bind_text(s, 36, org->known ? r->org : (mg_str){NULL, 0});
    return finish(l, s, error);
}

/* Takes back what an interrupted attempt (of the same organization) was thought to have cost, and its row. *removed: the row is gone. */
static mg_status remove_interrupted(mg_ledger_sqlite *l, const mg_usage_row *r, const mg_ledger_org *org,
                                    bool *removed, mg_error *error) {
    mg_str id = id_text(r->attempt_id, sizeof r->attempt_id);
    sqlite3_stmt *s = l->usage[MG_USAGE_STORED];
    mg_status status = MG_OK;
    *removed = false;
    bind_text(s, 1, id);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(s, 0), "interrupted") == 0) {
        mg_ledger_spend_add(l, org, sqlite3_column_int64(s, 2), -sqlite3_column_int64(s, 1));
        *removed = true;
    } else if (rc != SQLITE_ROW) {
        status = mg_ledger_fail(l, "reading stored usage", error);
    }
    sqlite3_reset(s);
    if (!*removed) return status;
    bind_text(l->usage[MG_USAGE_REMOVE], 1, id);
    return finish(l, l->usage[MG_USAGE_REMOVE], error);
}

static mg_status write_row(mg_ledger_sqlite *l, const mg_usage_row *r, mg_error *error) {
    const mg_ledger_org *org;
    if (mg_ledger_spend_org(l, r->org.n ? r->org : (mg_str){"", 0}, &org, error) != MG_OK) return MG_ERROR;
    mg_status status = insert(l, r, org, error);
    if (status != MG_OK) return status;
    if (sqlite3_changes(l->db) == 0) {
        bool interrupted = r->outcome.n == 11 && memcmp(r->outcome.p, "interrupted", 11) == 0;
        bool removed = false;
        if (!interrupted) status = remove_interrupted(l, r, org, &removed, error);
        if (!removed || status != MG_OK) return status;
        status = insert(l, r, org, error);
        if (status != MG_OK) return status;
    }
    mg_ledger_spend_add(l, org, r->created_ms, r->cost_nano_usd);
    return MG_OK;
}

/* Most ledgers have no users of their own: then nothing is looked up. */
static mg_status bind_users(mg_ledger_sqlite *l, mg_error *error) {
    sqlite3_stmt *s = l->usage[MG_USAGE_USERS];
    int rc = sqlite3_step(s);
    sqlite3_bind_int(l->usage[MG_USAGE_INSERT], 37, rc == SQLITE_ROW && sqlite3_column_int(s, 0));
    sqlite3_reset(s);
    return rc == SQLITE_ROW ? MG_OK : mg_ledger_fail(l, "looking for users", error);
}

mg_status mg_ledger_write(mg_ledger_sqlite *l, const mg_usage_row *rows, size_t n, size_t *bad, mg_error *error) {
    if (n == 0) return MG_OK;
    if (prepare(l, error) != MG_OK || mg_ledger_exec(l, "BEGIN IMMEDIATE", error) != MG_OK) return MG_ERROR;
    mg_status status = bind_users(l, error);
    if (status == MG_OK) status = mg_ledger_spend_begin(l, error);
    for (size_t i = 0; i < n && status == MG_OK; i++) {
        /* The host's row may be shorter or longer than ours: read by its size, which is also the distance between
         * two. */
        mg_usage_row row = {0};
        const char *at = (const char *)rows + i * rows->size;
        memcpy(&row, at, rows->size < sizeof row ? rows->size : sizeof row);
        status = write_row(l, &row, error);
        if (status == MG_DECLINED) *bad = i;
    }
    if (status == MG_OK) status = mg_ledger_spend_end(l, error);
    if (status == MG_OK) status = mg_ledger_exec(l, "COMMIT", error);
    if (status != MG_OK) mg_ledger_rollback(l);
    return status;
}
