/* What a batch of usage rows spends, gathered by budget and written once at the batch's end, since an update a row costs
 * more than the row; and what the ledger knows of the batch's organizations, asked once each. */
#include "ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_SLOTS = 64 };

static const char *const texts[MG_SPEND_STATEMENTS] = {
    [MG_SPEND_ORG] = "SELECT EXISTS (SELECT 1 FROM organizations WHERE id = ?1)",
    [MG_SPEND_BUDGETS] = "SELECT rowid, period_start_ms, period_end_ms FROM ai_budgets WHERE org_ref = ?1",
    [MG_SPEND_ADD] = "UPDATE ai_budgets SET spend_nano_usd = spend_nano_usd + ?1,"
                     " updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE rowid = ?2",
};

static mg_status no_memory(mg_error *error) {
    error->http = 503;
    snprintf(error->code, sizeof error->code, "ledger_failed");
    snprintf(error->text, sizeof error->text, "no memory to write a batch of usage");
    return MG_ERROR;
}

static mg_status prepare(mg_ledger_sqlite *l, mg_error *error) {
    for (size_t i = 0; i < MG_SPEND_STATEMENTS; i++) {
        if (l->spend.statements[i]) continue;
        if (sqlite3_prepare_v3(l->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &l->spend.statements[i], NULL))
            return mg_ledger_fail(l, "preparing to count spend", error);
    }
    return MG_OK;
}

static size_t hash_of(mg_str s) {
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < s.n; i++) h = (h ^ (uint8_t)s.p[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 32);
}

static bool same(mg_str a, mg_str b) { return a.n == b.n && memcmp(a.p, b.p, a.n) == 0; }

static mg_ledger_org *slot_of(const mg_ledger_spend *sp, mg_str id) {
    size_t i = hash_of(id) & (sp->n_slots - 1);
    while (sp->slots[i].id.p && !same(sp->slots[i].id, id)) i = (i + 1) & (sp->n_slots - 1);
    return &sp->slots[i];
}

/* Room for one more organization: at most half of the slots are taken. */
static bool grow(mg_ledger_spend *sp) {
    if ((sp->n_orgs + 1) * 2 <= sp->n_slots) return true;
    mg_ledger_spend bigger = {.n_slots = sp->n_slots ? sp->n_slots * 2 : LEAST_SLOTS};
    bigger.slots = calloc(bigger.n_slots, sizeof *bigger.slots);
    if (!bigger.slots) return false;
    for (size_t i = 0; i < sp->n_slots; i++)
        if (sp->slots[i].id.p) *slot_of(&bigger, sp->slots[i].id) = sp->slots[i];
    free(sp->slots);
    sp->slots = bigger.slots;
    sp->n_slots = bigger.n_slots;
    sp->last = NULL;
    return true;
}

static bool add_budget(mg_ledger_spend *sp, mg_ledger_budget b) {
    if (sp->n_budgets == sp->cap_budgets) {
        size_t cap = sp->cap_budgets ? sp->cap_budgets * 2 : 16;
        mg_ledger_budget *more = realloc(sp->budgets, cap * sizeof *more);
        if (!more) return false;
        sp->budgets = more;
        sp->cap_budgets = cap;
    }
    sp->budgets[sp->n_budgets++] = b;
    return true;
}

/* Reads an organization's budgets, and whether it has a row of its own. */
static mg_status load(mg_ledger_sqlite *l, mg_ledger_org *org, mg_error *error) {
    mg_ledger_spend *sp = &l->spend;
    sqlite3_stmt *is_known = sp->statements[MG_SPEND_ORG], *budgets = sp->statements[MG_SPEND_BUDGETS];
    sqlite3_bind_text64(is_known, 1, org->id.p, org->id.n, SQLITE_STATIC, SQLITE_UTF8);
    int rc = sqlite3_step(is_known);
    org->known = rc == SQLITE_ROW && sqlite3_column_int(is_known, 0);
    sqlite3_reset(is_known);
    if (rc != SQLITE_ROW) return mg_ledger_fail(l, "reading an organization", error);
    org->first = sp->n_budgets;
    sqlite3_bind_text64(budgets, 1, org->id.p, org->id.n, SQLITE_STATIC, SQLITE_UTF8);
    bool room = true;
    while (room && (rc = sqlite3_step(budgets)) == SQLITE_ROW)
        room = add_budget(sp, (mg_ledger_budget){sqlite3_column_int64(budgets, 0), sqlite3_column_int64(budgets, 1),
                                                 sqlite3_column_int64(budgets, 2), 0});
    sqlite3_reset(budgets);
    org->n = sp->n_budgets - org->first;
    if (!room) return no_memory(error);
    return rc == SQLITE_DONE ? MG_OK : mg_ledger_fail(l, "reading budgets", error);
}

mg_status mg_ledger_spend_begin(mg_ledger_sqlite *l, mg_error *error) {
    mg_ledger_spend *sp = &l->spend;
    if (sp->slots) memset(sp->slots, 0, sp->n_slots * sizeof *sp->slots);
    sp->n_orgs = sp->n_budgets = 0;
    sp->last = NULL;
    return prepare(l, error);
}

mg_status mg_ledger_spend_org(mg_ledger_sqlite *l, mg_str id, const mg_ledger_org **out, mg_error *error) {
    mg_ledger_spend *sp = &l->spend;
    if (!sp->last || !same(sp->last->id, id)) {
        if (!grow(sp)) return no_memory(error);
        mg_ledger_org *org = slot_of(sp, id);
        if (!org->id.p) {
            org->id = id;
            sp->n_orgs++;
            if (load(l, org, error) != MG_OK) return MG_ERROR;
        }
        sp->last = org;
    }
    *out = sp->last;
    return MG_OK;
}

void mg_ledger_spend_add(mg_ledger_sqlite *l, const mg_ledger_org *org, int64_t created_ms, int64_t nano) {
    for (mg_ledger_budget *b = l->spend.budgets + org->first, *end = b + org->n; b < end; b++)
        if (b->start_ms <= created_ms && b->end_ms > created_ms) b->spent += nano;
}

mg_status mg_ledger_spend_end(mg_ledger_sqlite *l, mg_error *error) {
    sqlite3_stmt *add = l->spend.statements[MG_SPEND_ADD];
    for (size_t i = 0; i < l->spend.n_budgets; i++) {
        const mg_ledger_budget *b = &l->spend.budgets[i];
        if (b->spent == 0) continue;
        sqlite3_bind_int64(add, 1, b->spent);
        sqlite3_bind_int64(add, 2, b->row);
        int rc = sqlite3_step(add);
        sqlite3_reset(add);
        if (rc != SQLITE_DONE) return mg_ledger_fail(l, "counting spend", error);
    }
    return MG_OK;
}

void mg_ledger_spend_finish(mg_ledger_sqlite *l) {
    for (size_t i = 0; i < MG_SPEND_STATEMENTS; i++) sqlite3_finalize(l->spend.statements[i]);
    free(l->spend.slots);
    free(l->spend.budgets);
    l->spend = (mg_ledger_spend){0};
}
