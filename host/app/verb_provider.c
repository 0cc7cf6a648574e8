/* moongate provider: what the running gateway knows of its providers, and the switches to keep requests away from them. */
#include "app/admin_client.h"
#include "app/table.h"
#include "app/verbs.h"

#include <stdlib.h>

enum { COLUMNS_MAX = 12, PATH_MAX_BYTES = 200 };

/* ---- asking ------------------------------------------------------------------------------------------------------ */

typedef struct answer {
    mg_arena *arena;
    mg_buf text;
    const mg_json *root;
} answer;

static void answer_finish(answer *a) {
    mg_buf_finish(&a->text);
    mg_arena_destroy(a->arena);
}

/* Exit status; with 0 the answer is there. */
static int ask(const mg_verb_context *v, const char *method, const char *path, mg_str body, answer *a) {
    mg_error error = {0};
    int status = 0;
    *a = (answer){.arena = mg_arena_create(4096)};
    if (mg_admin_ask(v->config, method, path, body, &status, &a->text, &error) != MG_OK)
        return mg_verb_fail(1, "%s", error.text);
    mg_json_parser *parser = mg_json_parser_create();
    mg_status st = mg_json_parse_copy(parser, a->arena, mg_buf_view(&a->text), &a->root, &error);
    mg_json_parser_destroy(parser);
    if (st != MG_OK) return mg_verb_fail(1, "the admin plane answered %d without JSON", status);
    if (status == 200) return 0;
    mg_str message = mg_json_text(mg_json_path(a->root, "error.message"));
    return mg_verb_fail(1, MG_STR_FMT, MG_STR_ARG(message));
}

static int print_json(const answer *a) {
    fwrite(a->text.p, 1, a->text.n, stdout);
    putchar('\n');
    return 0;
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

typedef struct row {
    mg_table *table;
    mg_str columns[COLUMNS_MAX];
    mg_value values[COLUMNS_MAX];
    size_t n;
} row;

static void add(row *r, const char *column, mg_value value) {
    r->columns[r->n] = mg_str_of(column);
    r->values[r->n++] = value;
}

static void add_text(row *r, const char *column, mg_str text) {
    add(r, column, text.n ? (mg_value){.type = MG_VALUE_TEXT, .text = text} : (mg_value){.type = MG_VALUE_NULL});
}

static void add_integer(row *r, const char *column, int64_t n) {
    add(r, column, (mg_value){.type = MG_VALUE_INTEGER, .integer = n});
}

/* A number of the answer; null is an empty cell. */
static void add_number(row *r, const char *column, const mg_json *of, const char *member) {
    const mg_json *v = mg_json_get(of, mg_str_of(member));
    bool known = mg_json_kind(v) == MG_JSON_NUMBER;
    add(r, column,
        known ? (mg_value){.type = MG_VALUE_REAL, .real = mg_json_number(v, 0)} : (mg_value){.type = MG_VALUE_NULL});
}

static void end_row(row *r) {
    mg_table_row(r->table, r->columns, r->values, r->n);
    r->n = 0;
}

static int print_table(mg_table *t) {
    mg_buf b = {0};
    mg_table_write(t, MG_TABLE_TEXT, &b);
    fwrite(b.p, 1, b.n, stdout);
    mg_buf_finish(&b);
    mg_table_destroy(t);
    return 0;
}

static mg_str text_of(const mg_json *of, const char *member) {
    return mg_json_text(mg_json_get(of, mg_str_of(member)));
}

/* ---- list, status ------------------------------------------------------------------------------------------------ */

static void list_provider(row *r, const mg_json *p) {
    int64_t targets = 0, open = 0, calls = 0, errors = 0;
    for (const mg_json *c = mg_json_get(p, MG_STR("circuits"))->child; c; c = c->next) {
        targets++;
        open += mg_str_is(text_of(c, "state"), "open");
        calls += mg_json_int(mg_json_get(c, MG_STR("calls")), 0);
        errors += mg_json_int(mg_json_get(c, MG_STR("errors")), 0);
    }
    add_text(r, "provider", text_of(p, "name"));
    add_text(r, "plugin", text_of(p, "plugin"));
    add_text(r, "state", text_of(p, "state"));
    add_text(r, "until", text_of(p, "disabled_until"));
    add_number(r, "keys", p, "keys");
    add_number(r, "resting", p, "keys_resting");
    add_integer(r, "models", targets);
    add_integer(r, "open", open);
    add_integer(r, "calls", calls);
    add_integer(r, "errors", errors);
    end_row(r);
}

int mg_verb_provider_list(const mg_verb_context *v) {
    answer a;
    int status = ask(v, "GET", "/admin/v1/providers", MG_STR(""), &a);
    if (!status && v->json)
        status = print_json(&a);
    else if (!status) {
        row r = {.table = mg_table_create()};
        for (const mg_json *p = mg_json_get(a.root, MG_STR("providers"))->child; p; p = p->next) list_provider(&r, p);
        status = print_table(r.table);
    }
    answer_finish(&a);
    return status;
}

static void show_circuit(row *r, mg_str provider, const mg_json *c) {
    bool forced = mg_json_bool(mg_json_get(c, MG_STR("forced")), false);
    bool held = mg_json_bool(mg_json_get(c, MG_STR("held")), false);
    add_text(r, "provider", provider);
    add_text(r, "model", text_of(c, "model"));
    add_text(r, "state", text_of(c, "state"));
    add_text(r, "because", forced ? MG_STR("switched") : held ? MG_STR("retry-after") : MG_STR(""));
    add_number(r, "wait_s", c, "wait_seconds");
    add_number(r, "calls", c, "calls");
    add_number(r, "errors", c, "errors");
    add_number(r, "in_flight", c, "in_flight");
    add_number(r, "ttft_p50_s", c, "ttft_p50_seconds");
    add_number(r, "ttft_p95_s", c, "ttft_p95_seconds");
    add_number(r, "tokens_per_s", c, "tokens_per_second");
    end_row(r);
}

/* `only`: one provider's name, or NULL for all. */
static int print_status(const mg_json *root, const char *only) {
    row r = {.table = mg_table_create()};
    bool known = !only;
    for (const mg_json *p = mg_json_get(root, MG_STR("providers"))->child; p; p = p->next) {
        mg_str name = text_of(p, "name");
        if (only && !mg_str_is(name, only)) continue;
        known = true;
        if (mg_str_is(text_of(p, "state"), "disabled")) {
            mg_str until = text_of(p, "disabled_until");
            printf(MG_STR_FMT " is disabled%s" MG_STR_FMT "\n", MG_STR_ARG(name), until.n ? " until " : "",
                   MG_STR_ARG(until));
        }
        for (const mg_json *c = mg_json_get(p, MG_STR("circuits"))->child; c; c = c->next) show_circuit(&r, name, c);
    }
    if (!known) {
        mg_table_destroy(r.table);
        return mg_verb_fail(1, "there is no provider '%s'; 'moongate provider list' shows all", only);
    }
    if (mg_table_rows(r.table)) return print_table(r.table);
    mg_table_destroy(r.table);
    puts("no calls yet");
    return 0;
}

int mg_verb_provider_status(const mg_verb_context *v) {
    answer a;
    int status = ask(v, "GET", "/admin/v1/providers", MG_STR(""), &a);
    if (!status) status = v->json ? print_json(&a) : print_status(a.root, v->n_args ? v->args[0] : NULL);
    answer_finish(&a);
    return status;
}

/* ---- disable, enable --------------------------------------------------------------------------------------------- */

static void print_switched(const mg_verb_context *v, const answer *a, const char *model) {
    const mg_json *p = a->root;
    mg_str name = text_of(p, "name"), until = text_of(p, "disabled_until");
    if (v->json)
        print_json(a);
    else if (model)
        printf(MG_STR_FMT "/%s is %s\n", MG_STR_ARG(name), model,
               strcmp(v->verb->name, "provider disable") == 0 ? "disabled" : "enabled");
    else
        printf(MG_STR_FMT " is " MG_STR_FMT "%s" MG_STR_FMT "\n", MG_STR_ARG(name), MG_STR_ARG(text_of(p, "state")),
               until.n ? " until " : "", MG_STR_ARG(until));
}

/* A name that is none would change the path that is asked for. */
static bool name_ok(const char *name) {
    return *name && strlen(name) <= 64 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(name);
}

static int switch_provider(const mg_verb_context *v, const char *action) {
    const char *time = mg_verb_option(v, "--for"), *model = mg_verb_option(v, "--model");
    char path[PATH_MAX_BYTES];
    mg_buf body = {0};
    answer a;
    if (v->n_args != 1) return mg_verb_fail(2, "'%s' takes one provider's name", v->verb->name);
    if (!name_ok(v->args[0])) return mg_verb_fail(2, "'%.64s' is no provider's name", v->args[0]);
    snprintf(path, sizeof path, "/admin/v1/providers/%s/%s", v->args[0], action);
    mg_buf_str(&body, MG_STR("{"));
    if (time) {
        mg_buf_str(&body, MG_STR("\"for\":"));
        mg_buf_json(&body, mg_str_of(time));
    }
    if (model) {
        mg_buf_str(&body, time ? MG_STR(",\"model\":") : MG_STR("\"model\":"));
        mg_buf_json(&body, mg_str_of(model));
    }
    mg_buf_str(&body, MG_STR("}"));
    int status = ask(v, "POST", path, mg_buf_view(&body), &a);
    if (!status) print_switched(v, &a, model);
    answer_finish(&a);
    mg_buf_finish(&body);
    return status;
}

int mg_verb_provider_disable(const mg_verb_context *v) { return switch_provider(v, "disable"); }
int mg_verb_provider_enable(const mg_verb_context *v) { return switch_provider(v, "enable"); }
