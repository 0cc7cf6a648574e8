/* The SQLite ledger through its plugin: migrations, usage rows, budgets, statements, two processes at once. */
#include "plugin_file.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static const mg_plugin *plugin;
static const mg_ledger *ops;
static char *folder;

static int setup(void **state) {
    (void)state;
    plugin = plugin_file_load("ledger_sqlite");
    ops = plugin->ops;
    folder = fixture_folder();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fixture_folder_remove(folder);
    return 0;
}

static void *ledger_open(mg_error *error) {
    mg_setting_values *v = mg_setting_values_create(plugin->settings, mg_str_of(folder));
    *error = (mg_error){0};
    void *l = plugin->open(NULL, mg_setting_view(v), error);
    mg_setting_values_destroy(v);
    return l;
}

static void count_step(void *arg, mg_str name, bool applied) {
    int *steps = arg;
    assert_true(name.n > 4);
    steps[applied]++;
}

/* An open ledger with its tables. */
static void *ledger_ready(void) {
    mg_error error;
    void *l = ledger_open(&error);
    if (!l) fail_msg("%s", error.text);
    if (ops->migrate(l, false, NULL, NULL, &error) != MG_OK) fail_msg("%s", error.text);
    return l;
}

/* ---- rows and results ----------------------------------------------------------------------------------------------- */

/* Rows as text, "a|b|c;" each; NULL is "-". */
typedef struct result {
    char text[4096];
    size_t n, rows, stop_after;
} result;

static bool keep_row(void *arg, const mg_str *columns, const mg_value *values, size_t n) {
    result *r = arg;
    for (size_t i = 0; i < n; i++) {
        const mg_value *v = &values[i];
        char *at = r->text + r->n;
        size_t room = sizeof r->text - r->n;
        assert_true(columns[i].n > 0 && room > 200);
        if (v->type == MG_VALUE_NULL) r->n += (size_t)snprintf(at, room, "-");
        if (v->type == MG_VALUE_INTEGER) r->n += (size_t)snprintf(at, room, "%lld", (long long)v->integer);
        if (v->type == MG_VALUE_REAL) r->n += (size_t)snprintf(at, room, "%g", v->real);
        if (v->type == MG_VALUE_TEXT) r->n += (size_t)snprintf(at, room, MG_STR_FMT, MG_STR_ARG(v->text));
        r->n += (size_t)snprintf(r->text + r->n, sizeof r->text - r->n, i + 1 < n ? "|" : ";");
    }
    r->rows++;
    return r->rows != r->stop_after;
}

static mg_param text(const char *name, const char *value) {
    return (mg_param){name, {.type = value ? MG_VALUE_TEXT : MG_VALUE_NULL, .text = mg_str_of(value)}};
}

static mg_param number(const char *name, int64_t value) {
    return (mg_param){name, {.type = MG_VALUE_INTEGER, .integer = value}};
}

static result run(void *l, const char *name, const mg_param *params, size_t n) {
    result r = {0};
    mg_error error = {0};
    if (ops->run(l, mg_str_of(name), params, n, keep_row, &r, &error) != MG_OK) fail_msg("%s: %s", name, error.text);
    return r;
}
#define RUN(l, name, ...)                                                                                              \
    run((l), (name), (const mg_param[]){__VA_ARGS__}, sizeof((const mg_param[]){__VA_ARGS__}) / sizeof(mg_param))
#define assert_rows(wanted, ...) assert_string_equal((__VA_ARGS__).text, (wanted))

static mg_usage_row usage(const char *id, const char *org, int64_t cost, int64_t created_ms) {
    mg_usage_row r = {
        .size = sizeof r,
        .attempt = 1,
        .final = true,
        .outcome = MG_STR("ok"),
        .precision = MG_STR("exact"),
        .org = mg_str_of(org),
        .key_id = MG_STR("key1"),
        .user = MG_STR("alice"),
        .team = MG_STR("legal"),
        .provider = MG_STR("openai"),
        .model = MG_STR("gpt-4o"),
        .model_asked = MG_STR("smart"),
        .operation = MG_STR("chat"),
        .http_status = 200,
        .usage = {.size = sizeof(mg_usage), .input = 100, .output = 20, .cached = 10},
        .cost_nano_usd = cost,
        .created_ms = created_ms,
        .latency_ms = 250,
        .ttft_ms = -1,
    };
    snprintf(r.attempt_id, sizeof r.attempt_id, "%s", id);
    snprintf(r.request_id, sizeof r.request_id, "req-%s", id);
    return r;
}

static void write_rows(void *l, const mg_usage_row *rows, size_t n) {
    mg_error error = {0};
    size_t bad = 0;
    if (ops->write(l, rows, n, &bad, &error) != MG_OK) fail_msg("row %zu: %s", bad, error.text);
}

static void write_row(void *l, mg_usage_row row) { write_rows(l, &row, 1); }

/* ---- migrations ------------------------------------------------------------------------------------------------------ */

/* Runs SQL past the plugin, with the library that it has loaded. */
static void raw_sql(const char *sql) {
    char path[512];
    void *db = NULL, *library = dlopen("libsqlite3.so.0", RTLD_NOW);
    int (*open)(const char *, void **);
    int (*exec)(void *, const char *, void *, void *, void *);
    int (*close)(void *);
    assert_non_null(library);
    *(void **)&open = dlsym(library, "sqlite3_open");
    *(void **)&exec = dlsym(library, "sqlite3_exec");
    *(void **)&close = dlsym(library, "sqlite3_close");
    snprintf(path, sizeof path, "%s/moongate.db", folder);
    assert_int_equal(open(path, &db), 0);
    assert_int_equal(exec(db, sql, NULL, NULL, NULL), 0);
    assert_int_equal(close(db), 0);
    dlclose(library);
}

static void migrations(void **state) {
    (void)state;
    mg_error error;
    struct stat st;
    char path[512];
    int steps[2] = {0};
    mg_usage_row row = usage("early", "acme", 1, 1);
    size_t bad;
    void *l = ledger_open(&error);
    assert_non_null(l);
    assert_int_equal(ops->write(l, &row, 1, &bad, &error), MG_ERROR);
    assert_non_null(strstr(error.text, "moongate migrate"));
    assert_int_equal(ops->migrate(l, true, count_step, steps, &error), MG_OK);
    assert_true(steps[0] > 0 && steps[1] == 0);
    assert_int_equal(ops->write(l, &row, 1, &bad, &error), MG_ERROR); /* a dry run made nothing */
    assert_int_equal(ops->migrate(l, false, count_step, steps, &error), MG_OK);
    assert_int_equal(steps[1], steps[0]);
    assert_int_equal(ops->migrate(l, false, count_step, steps, &error), MG_OK);
    assert_int_equal(steps[1], 2 * steps[0]);
    write_row(l, row);
    snprintf(path, sizeof path, "%s/moongate.db", folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    raw_sql("INSERT INTO schema_migrations (version, name) VALUES (999, '999_future')");
    assert_int_equal(ops->migrate(l, false, NULL, NULL, &error), MG_ERROR);
    assert_non_null(strstr(error.text, "schema version 999"));
    assert_null(ledger_open(&error));
    assert_non_null(strstr(error.text, "newer program"));
    raw_sql("DELETE FROM schema_migrations WHERE version = 999; DELETE FROM ai_usage_metrics");
    plugin->close(l);
}

static void open_faults(void **state) {
    (void)state;
    mg_error error = {0};
    mg_setting_values *v = mg_setting_values_create(plugin->settings, MG_STR(""));
    assert_null(plugin->open(NULL, mg_setting_view(v), &error));
    assert_non_null(strstr(error.text, "`path`"));
    assert_int_equal(mg_setting_set(v, MG_STR("path"), MG_STR("/nonexistent/folder/x.db"), &error), MG_OK);
    assert_null(plugin->open(NULL, mg_setting_view(v), &error));
    assert_non_null(strstr(error.text, "/nonexistent/folder/x.db"));
    mg_setting_values_destroy(v);
}

/* ---- usage and budgets ------------------------------------------------------------------------------------------------- */

static void usage_once(void **state) {
    (void)state;
    void *l = ledger_ready();
    RUN(l, "budget.put", text("org", "once"), number("start_ms", 1000), number("end_ms", 2000),
        number("limit_nano", 5000000000), number("hard", 1));
    mg_usage_row rows[] = {usage("o1", "once", 700, 1000), usage("o2", "once", 30, 1999), usage("o3", "once", 5, 2000)};
    write_rows(l, rows, 3);
    write_rows(l, rows, 3); /* the same again changes nothing */
    rows[0].cost_nano_usd = 9999;
    write_rows(l, rows, 1); /* nor does another end of an attempt that has one */
    assert_rows("735|360|3;", RUN(l, "usage.sum", text("org", "once")));
    assert_rows("730|240|2;", RUN(l, "usage.sum", text("org", "once"), number("from_ms", 1000), number("to_ms", 2000)));
    assert_non_null(
        strstr(RUN(l, "budget.list", text("org", "once")).text, "|1000|2000|5000000000|730|1|0.8|1970-01-01|"));
    /* A budget that comes late counts what was spent before; two rows of one batch with one id count once. */
    RUN(l, "budget.put", text("org", "once"), number("start_ms", 2000), number("end_ms", 3000), number("limit_nano", 1),
        number("hard", 0));
    mg_usage_row twice[] = {usage("o4", "once", 1, 2500), usage("o4", "once", 1, 2500)};
    write_rows(l, twice, 2);
    assert_non_null(strstr(RUN(l, "budget.list", text("org", "once")).text, "|2000|3000|1|6|0|"));
    plugin->close(l);
}

/* What really happened replaces what was made up for an attempt that was interrupted; never the other way round. */
static void usage_corrected(void **state) {
    (void)state;
    void *l = ledger_ready();
    RUN(l, "budget.put", text("org", "fix"), number("start_ms", 0), number("end_ms", 9000), number("limit_nano", 9000));
    mg_usage_row guess = usage("f1", "fix", 1000, 500);
    guess.outcome = MG_STR("interrupted");
    guess.precision = MG_STR("estimated");
    write_row(l, guess);
    guess.cost_nano_usd = 2000;
    write_row(l, guess); /* interrupted again: left alone */
    assert_rows("1000|120|1;", RUN(l, "usage.sum", text("org", "fix")));
    mg_usage_row truth = usage("f1", "fix", 400, 600);
    truth.ttft_ms = 33;
    write_row(l, truth);
    assert_rows("400|120|1;", RUN(l, "usage.sum", text("org", "fix")));
    assert_non_null(strstr(RUN(l, "budget.list", text("org", "fix")).text, "|9000|400|1|"));
    assert_non_null(strstr(RUN(l, "request.show", text("id", "f1")).text, "|ok|exact|"));
    assert_non_null(strstr(RUN(l, "request.show", text("id", "f1")).text, "|600|1970-01-01T00:00:00.600Z;"));
    write_row(l, guess);
    assert_rows("400|120|1;", RUN(l, "usage.sum", text("org", "fix")));
    assert_non_null(strstr(RUN(l, "budget.list", text("org", "fix")).text, "|9000|400|1|"));
    plugin->close(l);
}

static void usage_declined(void **state) {
    (void)state;
    void *l = ledger_ready();
    mg_error error = {0};
    size_t bad = 99;
    RUN(l, "budget.put", text("org", "bad"), number("start_ms", 0), number("end_ms", 9000), number("limit_nano", 9000));
    mg_usage_row rows[] = {usage("b1", "bad", 10, 5), usage("b2", "bad", 10, 5), usage("b3", "bad", 10, 5)};
    rows[2].org = MG_STR("");
    assert_int_equal(ops->write(l, rows, 3, &bad, &error), MG_DECLINED);
    assert_int_equal(bad, 2);
    assert_non_null(strstr(error.text, "org_ref"));
    rows[2] = usage("b3", "bad", 10, 5);
    rows[0].model = MG_STR("");
    assert_int_equal(ops->write(l, rows, 3, &bad, &error), MG_DECLINED);
    assert_int_equal(bad, 0);
    rows[0] = usage("", "bad", 10, 5);
    assert_int_equal(ops->write(l, rows, 3, &bad, &error), MG_DECLINED);
    assert_rows("0|0|0;", RUN(l, "usage.sum", text("org", "bad"))); /* none was stored, nothing spent */
    assert_non_null(strstr(RUN(l, "budget.list", text("org", "bad")).text, "|9000|0|1|"));
    write_rows(l, rows + 1, 2);
    assert_rows("20|240|2;", RUN(l, "usage.sum", text("org", "bad")));
    mg_usage_row denied = usage("b4", "bad", 0, 5); /* refused before a provider was chosen */
    denied.provider = denied.operation = MG_STR("");
    denied.outcome = MG_STR("denied");
    write_row(l, denied);
    plugin->close(l);
}

/* What other tools know under their own names: the times as text, the cost in dollars, ids where such rows exist. */
static void usage_seen_by_others(void **state) {
    (void)state;
    void *l = ledger_ready();
    RUN(l, "org.put", text("id", "seen"));
    mg_usage_row rows[] = {usage("s1", "seen", 1499, 1700000000999), usage("s2", "seen", 1500, 1700000001000),
                           usage("s3", "unseen", 2500000000, -1)};
    write_rows(l, rows, 3);
    result s1 = RUN(l, "request.show", text("id", "s1"));
    assert_non_null(strstr(s1.text, "|exact|seen|seen|-|alice|"));
    assert_non_null(strstr(s1.text, "|1499|1e-06|"));
    assert_non_null(strstr(s1.text, "|1700000000999|2023-11-14T22:13:20.999Z;"));
    raw_sql("INSERT INTO users (id) VALUES ('alice')");
    write_row(l, usage("s4", "seen", 1500, 1700000001000));
    assert_non_null(strstr(RUN(l, "request.show", text("id", "s2")).text, "|1500|2e-06|"));
    assert_non_null(strstr(RUN(l, "request.show", text("id", "s2")).text, "|2023-11-14T22:13:21.000Z;"));
    assert_non_null(strstr(RUN(l, "request.show", text("id", "s3")).text, "|exact|-|unseen|-|alice|"));
    assert_non_null(strstr(RUN(l, "request.show", text("id", "s3")).text, "|2500000000|2.5|"));
    assert_non_null(strstr(RUN(l, "request.show", text("id", "s3")).text, "|-1|1969-12-31T23:59:59.999Z;"));
    assert_non_null(strstr(RUN(l, "request.show", text("id", "s4")).text, "|exact|seen|seen|alice|alice|"));
    raw_sql("DELETE FROM users; DELETE FROM organizations");
    plugin->close(l);
}

/* A row of a host that was compiled with a longer struct. */
static void usage_longer_rows(void **state) {
    (void)state;
    struct {
        mg_usage_row row;
        char more[64];
    } rows[2] = {{usage("l1", "long", 3, 5), ""}, {usage("l2", "long", 4, 5), ""}};
    void *l = ledger_ready();
    rows[0].row.size = rows[1].row.size = sizeof rows[0];
    write_rows(l, &rows[0].row, 2);
    assert_rows("7|240|2;", RUN(l, "usage.sum", text("org", "long")));
    plugin->close(l);
}

/* ---- statements -------------------------------------------------------------------------------------------------------- */

static void keys_and_organizations(void **state) {
    (void)state;
    void *l = ledger_ready();
    const char *sha = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    uint64_t version = ops->version(l);
    assert_rows("", RUN(l, "org.put", text("id", "acme"), text("name", "Acme"), text("settings", "{\"a\":1}")));
    RUN(l, "org.put", text("id", "acme"), text("name", NULL), text("settings", "{}"));
    assert_memory_equal(run(l, "org.list", NULL, 0).text, "acme|Acme|{}|", 13);
    assert_rows("k1;", RUN(l, "key.put", text("id", "k1"), text("org", "acme"), text("sha256", sha), text("name", "n"),
                           text("team", NULL), text("user", "u"), text("prefix", "mg-12345"), text("tags", "{}"),
                           text("models", "[\"gpt-*\"]"), text("acts_for", NULL), number("created_ms", 5),
                           (mg_param){"expires_ms", {.type = MG_VALUE_NULL}}));
    char wanted[200];
    snprintf(wanted, sizeof wanted, "k1|acme|%s|n|-|u|mg-12345|{}|[\"gpt-*\"]|-|5|-|-;", sha);
    assert_rows(wanted, RUN(l, "key.list", text("org", NULL)));
    assert_rows(wanted, RUN(l, "key.list", text("org", "acme")));
    assert_rows("", RUN(l, "key.list", text("org", "other")));
    mg_error error = {0};
    mg_param same[] = {text("id", "k2"), text("org", "acme"), text("sha256", sha), number("created_ms", 5)};
    assert_int_equal(ops->run(l, MG_STR("key.put"), same, 4, NULL, NULL, &error), MG_ERROR);
    assert_int_equal(error.http, 409);
    assert_rows("k1|77;", RUN(l, "key.revoke", text("id", "k1"), number("at_ms", 77)));
    assert_rows("k1|77;", RUN(l, "key.revoke", text("id", "k1"), number("at_ms", 99)));
    assert_rows("", RUN(l, "key.revoke", text("id", "none"), number("at_ms", 99)));
    same[0] = text("id", "k1");
    assert_rows("", run(l, "key.put", same, 4)); /* a revoked key stays revoked */
    assert_rows("acme;", RUN(l, "org.remove", text("id", "acme")));
    assert_rows("", RUN(l, "org.remove", text("id", "acme")));
    assert_true(ops->version(l) != version);
    plugin->close(l);
}

static void statements_misused(void **state) {
    (void)state;
    void *l = ledger_ready();
    mg_error error = {0};
    assert_int_equal(ops->run(l, MG_STR("no.such"), NULL, 0, NULL, NULL, &error), MG_DECLINED);
    mg_param wrong = text("orgg", "x");
    assert_int_equal(ops->run(l, MG_STR("key.list"), &wrong, 1, NULL, NULL, &error), MG_ERROR);
    assert_non_null(strstr(error.text, ":orgg"));
    uint64_t version = ops->version(l);
    mg_param more[] = {text("id", "kept-out"), text("bogus", "x")};
    assert_int_equal(ops->run(l, MG_STR("org.put"), more, 2, NULL, NULL, &error), MG_ERROR);
    assert_null(strstr(run(l, "org.list", NULL, 0).text, "kept-out")); /* rolled back */
    assert_int_equal(ops->version(l), version);
    mg_param quoted[] = {text("id", "x'; DROP TABLE organizations; --")};
    run(l, "org.put", quoted, 1);
    assert_non_null(strstr(run(l, "org.list", NULL, 0).text, "DROP TABLE"));
    run(l, "org.remove", quoted, 1);
    plugin->close(l);
}

static void reports(void **state) {
    (void)state;
    enum { DAY = 86400000 };
    void *l = ledger_ready();
    mg_usage_row rows[] = {usage("r1", "rep", 100, DAY), usage("r2", "rep", 200, DAY + 5),
                           usage("r3", "rep", 400, 2 * DAY), usage("r4", "rep2", 800, 2 * DAY)};
    rows[1].model = MG_STR("mini");
    rows[1].final = false;
    rows[1].outcome = MG_STR("error");
    rows[1].ttft_ms = 40;
    strcpy(rows[1].request_id, rows[0].request_id);
    rows[0].attempt = 2;
    write_rows(l, rows, 4);
    mg_param org = text("org", "rep"), from = number("from_ms", 1), to = number("to_ms", 10 * (int64_t)DAY);
    assert_rows("rep|2|3|300|60|30|700;", RUN(l, "report.cost", from, to, org, text("by", "org")));
    assert_rows("gpt-4o|2|2|200|40|20|500;mini|0|1|100|20|10|200;",
                RUN(l, "report.cost", from, to, org, text("by", "model")));
    assert_rows("1970-01-02|1|2|200|40|20|300;1970-01-03|1|1|100|20|10|400;",
                RUN(l, "report.cost", from, to, org, text("by", "day")));
    assert_rows("openai|2|3|300|60|30|700;", RUN(l, "report.cost", from, to, org, text("by", "provider")));
    assert_rows("key1|2|3|300|60|30|700;", RUN(l, "report.cost", from, to, org, text("by", "key")));
    assert_rows("alice|2|3|300|60|30|700;", RUN(l, "report.cost", from, to, org, text("by", "user")));
    assert_rows("legal|2|3|300|60|30|700;", RUN(l, "report.cost", from, to, org, text("by", "team")));
    assert_rows("rep2|1|1|100|20|10|800;rep|1|1|100|20|10|400;",
                RUN(l, "report.cost", number("from_ms", 2 * DAY), to, text("org", NULL), text("by", "org")));
    assert_rows("openai|gpt-4o|2|2|0|200|40|20|500|250|-;openai|mini|0|1|1|100|20|10|200|250|40;",
                RUN(l, "report.models", from, to, org));
    result both = RUN(l, "request.show", text("id", "req-r1"));
    assert_int_equal(both.rows, 2);
    assert_memory_equal(both.text, "r2|", 3); /* the first attempt first */
    assert_int_equal(RUN(l, "request.show", text("id", "r1")).rows, 1);
    assert_int_equal(RUN(l, "request.list", org, number("limit", 2)).rows, 2);
    result one = {.stop_after = 1};
    mg_error error = {0};
    assert_int_equal(ops->run(l, MG_STR("request.list"), &org, 1, keep_row, &one, &error), MG_OK);
    assert_int_equal(one.rows, 1);
    plugin->close(l);
}

/* ---- two connections, two processes ------------------------------------------------------------------------------------ */

static void version_changes(void **state) {
    (void)state;
    void *mine = ledger_ready(), *other = ledger_ready();
    uint64_t before = ops->version(mine);
    assert_int_equal(ops->version(mine), before);
    write_row(mine, usage("v1", "ver", 1, 5)); /* our own usage is no news */
    assert_int_equal(ops->version(mine), before);
    RUN(other, "org.put", text("id", "ver"));
    uint64_t after = ops->version(mine);
    assert_true(after != before);
    RUN(mine, "org.remove", text("id", "ver"));
    assert_true(ops->version(mine) != after);
    plugin->close(mine);
    plugin->close(other);
}

enum { BATCHES = 40, BATCH = 25 };

static void write_batches(void *l, const char *who) {
    for (int i = 0; i < BATCHES; i++) {
        mg_usage_row rows[BATCH];
        for (int j = 0; j < BATCH; j++) {
            char id[37];
            snprintf(id, sizeof id, "%s-%d-%d", who, i, j);
            rows[j] = usage(id, "two", 1, 100 + i);
        }
        write_rows(l, rows, BATCH);
    }
}

/* Another process writes at the same time and is then killed: all that it was told is stored is there. */
static void two_processes(void **state) {
    (void)state;
    void *l = ledger_ready();
    RUN(l, "budget.put", text("org", "two"), number("start_ms", 0), number("end_ms", 9000), number("limit_nano", 9000));
    pid_t child = fork();
    if (child == 0) {
        write_batches(ledger_ready(), "child");
        raise(SIGKILL);
    }
    write_batches(l, "parent");
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_rows("2000|240000|2000;", RUN(l, "usage.sum", text("org", "two")));
    assert_non_null(strstr(RUN(l, "budget.list", text("org", "two")).text, "|9000|2000|1|"));
    plugin->close(l);
}

static void speed(void **state) {
    (void)state;
    enum { ROWS = 50000, EACH = 500 };
    static mg_usage_row rows[EACH];
    void *l = ledger_ready();
    for (int i = 0; i < 50; i++) {
        char org[16];
        snprintf(org, sizeof org, "org%d", i);
        RUN(l, "budget.put", text("org", org), number("start_ms", 0), number("end_ms", INT64_MAX),
            number("limit_nano", 1));
    }
    static char orgs[50][16];
    for (int i = 0; i < 50; i++) snprintf(orgs[i], sizeof orgs[i], "org%d", i);
    uint64_t start = plugin_file_now_us();
    clock_t cpu = clock();
    for (int n = 0; n < ROWS; n += EACH) {
        for (int i = 0; i < EACH; i++) {
            char id[37];
            snprintf(id, sizeof id, "01999999-%04x-7%03x-8000-%012x", n, i, (unsigned)(n + i) * 2654435761u);
            rows[i] = usage(id, orgs[(n + i) % 50], 1000 + i, 1700000000000 + n + i);
            rows[i].metadata = MG_STR("{\"project\":\"x\"}");
            rows[i].decisions = MG_STR("[{\"rule\":\"rate\",\"used\":3,\"limit\":60}]");
        }
        write_rows(l, rows, EACH);
    }
    double seconds = (double)(plugin_file_now_us() - start) / 1e6;
    print_message("%.0f rows a second, %.2f us of CPU a row\n", ROWS / seconds,
                  (double)(clock() - cpu) / CLOCKS_PER_SEC * 1e6 / ROWS);
    assert_non_null(strstr(run(l, "usage.count", NULL, 0).text, "|"));
    plugin->close(l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(migrations),
        cmocka_unit_test(open_faults),
        cmocka_unit_test(usage_once),
        cmocka_unit_test(usage_corrected),
        cmocka_unit_test(usage_declined),
        cmocka_unit_test(usage_seen_by_others),
        cmocka_unit_test(usage_longer_rows),
        cmocka_unit_test(reports),
        cmocka_unit_test(keys_and_organizations),
        cmocka_unit_test(statements_misused),
        cmocka_unit_test(version_changes),
        cmocka_unit_test(two_processes),
        cmocka_unit_test(speed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
