/* Verbs that read and write the ledger. */
#include "app/keep.h"
#include "app/table.h"
#include "app/verbs.h"
#include "base/clock.h"

#include <stdlib.h>

static void print_fault(void *arg, const mg_config_fault *f) {
    (void)arg;
    fprintf(stderr, "moongate: %.*s\n", MG_STR_ARG(f->message));
}

mg_use *mg_verb_ledger(const mg_verb_context *v) {
    mg_error error = {0};
    if (mg_keep_dir(v->config->data_dir, &error) != MG_OK) {
        mg_verb_fail(1, "%s", error.text);
        return NULL;
    }
    mg_use *use = mg_config_ledger(v->config, v->plugins, print_fault, NULL);
    if (!use) return NULL;
    if (((const mg_ledger *)mg_use_ops(use))->migrate(mg_use_shared(use), false, NULL, NULL, &error) == MG_OK)
        return use;
    mg_verb_fail(1, "%s", error.text);
    mg_use_unref(use);
    return NULL;
}

static int print_table(const mg_table *t, mg_table_format format) {
    mg_buf b = {0};
    mg_table_write(t, format, &b);
    fwrite(b.p, 1, b.n, stdout);
    mg_buf_finish(&b);
    return 0;
}

/* Runs a statement and prints what it gives. Returns the exit status. */
static int run_and_print(const mg_verb_context *v, const char *statement, const mg_param *p, size_t n,
                         mg_table_format format) {
    mg_error error = {0};
    mg_use *use = mg_verb_ledger(v);
    if (!use) return 1;
    mg_table *t = mg_table_create();
    mg_status st = ((const mg_ledger *)mg_use_ops(use))
                       ->run(mg_use_shared(use), mg_str_of(statement), p, n, mg_table_row, t, &error);
    int status = st == MG_OK
                     ? print_table(t, format)
                     : mg_verb_fail(1, "%s", st == MG_DECLINED ? "this ledger does not offer that" : error.text);
    mg_table_destroy(t);
    mg_use_unref(use);
    return status;
}

static mg_value text_or_null(const char *s) {
    return s && *s ? (mg_value){.type = MG_VALUE_TEXT, .text = mg_str_of(s)} : (mg_value){.type = MG_VALUE_NULL};
}

/* ---- report ------------------------------------------------------------------------------------------------------ */

static bool date_option(const mg_verb_context *v, const char *name, int64_t otherwise, int64_t *out) {
    const char *s = mg_verb_option(v, name);
    *out = otherwise;
    return !s || mg_clock_parse(mg_str_of(s), out);
}

static bool known_by(const char *by) {
    static const char *const known[] = {"org", "model", "provider", "key", "user", "team", "day"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(by, known[i]) == 0) return true;
    return false;
}

int mg_verb_report(const mg_verb_context *v) {
    const char *what = v->n_args ? v->args[0] : "", *by = mg_verb_option(v, "--by"),
               *format = mg_verb_option(v, "--format");
    bool cost = strcmp(what, "cost") == 0;
    mg_table_format f = v->json ? MG_TABLE_JSON : MG_TABLE_TEXT;
    mg_time now = mg_clock_split(mg_clock_unix_ms());
    int64_t from, to;
    if (!cost && strcmp(what, "models") != 0)
        return mg_verb_fail(2, "there are the reports 'cost' and 'models', not '%s'", what);
    if (format && !mg_table_format_parse(mg_str_of(format), &f))
        return mg_verb_fail(2, "--format is table, csv or json, not '%s'", format);
    if (by && !known_by(by))
        return mg_verb_fail(2, "--by is org, model, provider, key, user, team or day, not '%s'", by);
    if (!date_option(v, "--from", mg_clock_join(now.year, now.month, 1), &from) ||
        !date_option(v, "--to", mg_clock_join(now.year, now.month, now.day + 1), &to))
        return mg_verb_fail(2, "--from and --to take a date such as 2026-11-01");
    const mg_param p[] = {{"from_ms", {.type = MG_VALUE_INTEGER, .integer = from}},
                          {"to_ms", {.type = MG_VALUE_INTEGER, .integer = to}},
                          {"org", text_or_null(mg_verb_option(v, "--org"))},
                          {"by", text_or_null(by ? by : "org")}};
    return run_and_print(v, cost ? "report.cost" : "report.models", p, cost ? 4 : 3, f);
}

/* ---- organizations and keys -------------------------------------------------------------------------------------- */

int mg_verb_org_add(const mg_verb_context *v) {
    mg_error error = {0};
    if (v->n_args != 1) return mg_verb_fail(2, "usage: moongate org add ORG [--name NAME]");
    mg_use *use = mg_verb_ledger(v);
    if (!use) return 1;
    const char *name = mg_verb_option(v, "--name");
    mg_status st = mg_keep_org_add(mg_use_ops(use), mg_use_shared(use), mg_str_of(v->args[0]), mg_str_of(name), &error);
    mg_use_unref(use);
    if (st != MG_OK) return mg_verb_fail(1, "%s", error.text);
    printf(v->json ? "{\"org\":\"%s\"}\n" : "organization %s added\n", v->args[0]);
    return 0;
}

int mg_verb_org_list(const mg_verb_context *v) {
    return run_and_print(v, "org.list", NULL, 0, v->json ? MG_TABLE_JSON : MG_TABLE_TEXT);
}

static bool has_org(const mg_verb_context *v, const mg_ledger *ops, void *self, mg_str org) {
    mg_config_rows rows;
    mg_error error;
    if (mg_json_get(v->config->organizations, org)) return true;
    if (mg_keep_rows(ops, self, &rows, &error) != MG_OK) return false;
    bool found = false;
    for (size_t i = 0; i < rows.n_orgs; i++) found |= mg_str_eq(rows.orgs[i].id, org);
    mg_keep_rows_finish(&rows);
    return found;
}

int mg_verb_key_add(const mg_verb_context *v) {
    const char *org = mg_verb_option(v, "--org"), *acts_for = mg_verb_option(v, "--acts-for"),
               *expires = mg_verb_option(v, "--expires");
    mg_keep_key k = {.org = mg_str_of(org),
                     .name = mg_str_of(mg_verb_option(v, "--name")),
                     .team = mg_str_of(mg_verb_option(v, "--team")),
                     .user = mg_str_of(mg_verb_option(v, "--user")),
                     .acts_for = mg_str_of(acts_for)};
    char text[MG_KEY_TEXT], id[21];
    mg_error error = {0};
    if (!org) return mg_verb_fail(2, "--org is missing: which organization is the key for?");
    if (acts_for && strcmp(acts_for, "*") != 0) return mg_verb_fail(2, "--acts-for takes '*'");
    if (expires && !mg_clock_parse(mg_str_of(expires), &k.expires_ms))
        return mg_verb_fail(2, "--expires takes a date such as 2027-01-31");
    mg_use *use = mg_verb_ledger(v);
    if (!use) return 1;
    const mg_ledger *ops = mg_use_ops(use);
    void *self = mg_use_shared(use);
    mg_status st =
        has_org(v, ops, self, k.org)
            ? mg_keep_key_add(ops, self, &k, text, id, &error)
            : mg_fail(&error, 0, "org", "there is no organization '%s': 'moongate org add %s' adds it", org, org);
    mg_use_unref(use);
    if (st != MG_OK) return mg_verb_fail(1, "%s", error.text);
    if (v->json)
        printf("{\"id\":\"%s\",\"org\":\"%s\",\"key\":\"%s\"}\n", id, org, text);
    else
        printf("%s\n", text), fprintf(stderr, "key %s of organization %s; it is shown this once\n", id, org);
    return 0;
}

int mg_verb_key_list(const mg_verb_context *v) {
    const mg_param p = {"org", text_or_null(mg_verb_option(v, "--org"))};
    return run_and_print(v, "key.list", &p, 1, v->json ? MG_TABLE_JSON : MG_TABLE_TEXT);
}

int mg_verb_key_revoke(const mg_verb_context *v) {
    mg_error error = {0};
    if (v->n_args != 1) return mg_verb_fail(2, "usage: moongate key revoke KEY_ID");
    mg_use *use = mg_verb_ledger(v);
    if (!use) return 1;
    const mg_param p[] = {{"id", text_or_null(v->args[0])},
                          {"at_ms", {.type = MG_VALUE_INTEGER, .integer = mg_clock_unix_ms()}}};
    mg_table *t = mg_table_create();
    mg_status st = ((const mg_ledger *)mg_use_ops(use))
                       ->run(mg_use_shared(use), MG_STR("key.revoke"), p, 2, mg_table_row, t, &error);
    mg_table_destroy(t);
    mg_use_unref(use);
    if (st != MG_OK) return mg_verb_fail(1, "%s", error.text);
    printf(v->json ? "{\"revoked\":\"%s\"}\n" : "key %s revoked\n", v->args[0]);
    return 0;
}

/* ---- one request ------------------------------------------------------------------------------------------------- */

static void print_cell(const mg_table *t, size_t row, const char *column, const char *label) {
    mg_str s = mg_table_cell(t, row, column);
    if (s.n) printf("  %-20s %.*s\n", label, MG_STR_ARG(s));
}

static void print_decisions(mg_str json) {
    mg_json_parser *p = mg_json_parser_create();
    mg_arena *arena = mg_arena_create(4096);
    const mg_json *root;
    mg_error error;
    if (json.n && mg_json_parse_copy(p, arena, json, &root, &error) == MG_OK && root->count) {
        puts("\ndecisions");
        for (const mg_json *d = root->child; d; d = d->next) {
            printf("  %-8.*s %-8.*s %.*s", MG_STR_ARG(mg_json_text(mg_json_get(d, MG_STR("phase")))),
                   MG_STR_ARG(mg_json_text(mg_json_get(d, MG_STR("action")))),
                   MG_STR_ARG(mg_json_text(mg_json_get(d, MG_STR("rule")))));
            for (const mg_json *m = d->child; m; m = m->next)
                if (!mg_str_is(m->key, "phase") && !mg_str_is(m->key, "rule") && !mg_str_is(m->key, "action"))
                    printf("  %.*s=%.*s", MG_STR_ARG(m->key), MG_STR_ARG(m->str));
            putchar('\n');
        }
    }
    mg_arena_destroy(arena);
    mg_json_parser_destroy(p);
}

static void print_request(const mg_table *t) {
    static const struct {
        const char *column, *label;
    } head[] = {{"org_ref", "organization"},
                {"key_id", "key"},
                {"user_ref", "user"},
                {"team", "team"},
                {"operation", "operation"},
                {"model_asked", "model asked"},
                {"policy_generation", "policy generation"}};
    static const struct {
        const char *column, *label;
    } each[] = {{"attempt_id", "attempt id"},
                {"provider", "provider"},
                {"model", "model"},
                {"outcome", "outcome"},
                {"error", "error"},
                {"http_status", "status"},
                {"upstream_id", "upstream id"},
                {"tokens_input", "input tokens"},
                {"tokens_cached", "of them cached"},
                {"tokens_output", "output tokens"},
                {"cost_nano_usd", "cost (nano-dollars)"},
                {"precision", "figures are"},
                {"latency_ms", "latency ms"},
                {"ttft_ms", "first token ms"}};
    size_t last = mg_table_rows(t) - 1;
    printf("request %.*s\n", MG_STR_ARG(mg_table_cell(t, last, "request_id")));
    for (size_t i = 0; i < sizeof head / sizeof head[0]; i++) print_cell(t, last, head[i].column, head[i].label);
    for (size_t r = 0; r <= last; r++) {
        printf("\nattempt %.*s%s\n", MG_STR_ARG(mg_table_cell(t, r, "attempt")),
               mg_str_is(mg_table_cell(t, r, "final"), "1") ? " (final)" : "");
        for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) print_cell(t, r, each[i].column, each[i].label);
    }
    print_decisions(mg_table_cell(t, last, "decisions"));
}

int mg_verb_request_show(const mg_verb_context *v) {
    mg_error error = {0};
    if (v->n_args != 1) return mg_verb_fail(2, "usage: moongate request show ID (the x-request-id of the answer)");
    mg_use *use = mg_verb_ledger(v);
    if (!use) return 1;
    const mg_param p = {"id", text_or_null(v->args[0])};
    mg_table *t = mg_table_create();
    mg_status st = ((const mg_ledger *)mg_use_ops(use))
                       ->run(mg_use_shared(use), MG_STR("request.show"), &p, 1, mg_table_row, t, &error);
    int status = 0;
    if (st != MG_OK)
        status = mg_verb_fail(1, "%s", error.text);
    else if (!mg_table_rows(t))
        status =
            mg_verb_fail(1, "the ledger has no request '%s' (rows arrive within a second of the answer)", v->args[0]);
    else if (v->json)
        print_table(t, MG_TABLE_JSON);
    else
        print_request(t);
    mg_table_destroy(t);
    mg_use_unref(use);
    return status;
}

/* ---- schema and spool -------------------------------------------------------------------------------------------- */

static void print_step(void *arg, mg_str name, bool applied) {
    (void)arg;
    printf("%-10s %.*s\n", applied ? "applied" : "pending", MG_STR_ARG(name));
}

int mg_verb_migrate(const mg_verb_context *v) {
    mg_error error = {0};
    if (mg_keep_dir(v->config->data_dir, &error) != MG_OK) return mg_verb_fail(1, "%s", error.text);
    mg_use *use = mg_config_ledger(v->config, v->plugins, print_fault, NULL);
    if (!use) return 2;
    bool dry = mg_verb_option(v, "--dry-run") || mg_verb_option(v, "--status");
    mg_status st = ((const mg_ledger *)mg_use_ops(use))->migrate(mg_use_shared(use), dry, print_step, NULL, &error);
    mg_use_unref(use);
    return st == MG_OK ? 0 : mg_verb_fail(1, "%s", error.text);
}
