/* Recorded requests to Gemini and Vertex AI: what the vendor took passes, and nothing that is said in it gets lost. */
#include "gemini_fixture.h"

typedef struct totals {
    int requests, converted, refused, texts, lost, malformed;
    mg_buf reasons, dropped;
} totals;

typedef struct row {
    const char *id;
    mg_operation op;
    const mg_json *root; /* the canonical form */
    totals *sum;
} row;

/* Adds a line to a table, or one to its count. */
static void count_line(mg_buf *table, mg_str line) {
    for (size_t at = 0; at < table->n;) {
        mg_str rest = mg_str_from(table->p + at, table->n - at);
        size_t n = mg_str_find(rest, '\n');
        if (mg_str_eq(mg_str_skip(mg_str_from(rest.p, n), 5), line)) {
            int k = atoi(table->p + at) + 1;
            char number[8];
            snprintf(number, sizeof number, "%4d ", k % 10000);
            memcpy(table->p + at, number, 5);
            return;
        }
        at += n + 1;
    }
    mg_buf_printf(table, "   1 %.*s\n", MG_STR_ARG(line));
}

static void on_drop(void *arg, mg_str member) { count_line(arg, member); }

static bool holds(const mg_json *v, mg_str text);

static bool member_holds(const mg_json *v, mg_str text) {
    for (const mg_json *c = v->child; c; c = c->next)
        if (holds(c, text)) return true;
    return false;
}

/* True if a string of the tree holds the text: as it is, or inside JSON that is a string itself. */
static bool holds(const mg_json *v, mg_str text) {
    if (v->type != MG_JSON_STRING) return member_holds(v, text);
    if (memmem(v->str.p, v->str.n, text.p, text.n)) return true;
    if (!v->str.n || (v->str.p[0] != '{' && v->str.p[0] != '[')) return false;
    const mg_json *inner = NULL;
    mg_error error;
    return mg_json_parse_copy(parser, arena, v->str, &inner, &error) == MG_OK && member_holds(inner, text);
}

static void part_kept(void *arg, const mg_part *p) {
    row *r = arg;
    mg_str text = mg_json_text(p->text);
    r->sum->texts++;
    if (!p->text || !text.n || holds(r->root, text)) return;
    print_message("%s: lost %.*s\n", r->id, (int)(text.n < 60 ? text.n : 60), text.p);
    r->sum->lost++;
}

static mg_operation operation_of(mg_str path) {
    if (mg_str_glob(MG_STR("*:countTokens"), path)) return MG_OP_COUNT_TOKENS;
    if (mg_str_glob(MG_STR("*mbedContent*"), path)) return MG_OP_EMBEDDINGS;
    return MG_OP_CHAT;
}

static void convert(row *r, const mg_json *root, mg_str source) {
    mg_buf out = {0};
    mg_error error = {0};
    mg_status st = F->canonical(r->op, root, source, MG_STR("m"), false, &out, on_drop, &r->sum->dropped, &error);
    if (st == MG_OK) {
        r->sum->converted++;
        r->root = parse(mg_buf_view(&out), NULL);
        F->parts(r->op, root, part_kept, r);
    } else {
        r->sum->refused++;
        assert_int_equal(error.http, 400);
        assert_true(strlen(error.text) > 20);
        count_line(&r->sum->reasons, mg_str_of(error.text));
    }
    mg_buf_finish(&out);
}

static void check_recording(const mg_json *line, mg_str text, totals *sum) {
    const mg_json *request = mg_json_get(line, MG_STR("request"));
    mg_str path = mg_json_text(mg_json_get(line, MG_STR("path"))), source;
    int64_t status = mg_json_int(mg_json_get(line, MG_STR("status")), 0);
    char id[80];
    snprintf(id, sizeof id, MG_STR_FMT, MG_STR_ARG(mg_json_text(mg_json_get(line, MG_STR("id")))));
    if (mg_json_kind(request) != MG_JSON_OBJECT || mg_str_find(path, ':') == path.n) return;
    row r = {.id = id, .op = operation_of(path), .sum = sum};
    const mg_json *root = parse(slice(text, request), &source);
    mg_error error;
    mg_facts facts;
    sum->requests++;
    if (F->check(r.op, root, &error) != MG_OK) {
        if (status == 200) fail_msg("%s: %s", id, error.text);
        sum->malformed++;
        return;
    }
    F->read(r.op, root, &facts);
    assert_true(facts.choices >= 1);
    convert(&r, root, source);
}

static const char *data_folder(void) {
    const char *folder = getenv("MOONGATE_DATA");
    return folder ? folder : "../shared/data";
}

/* Calls `each` for every line of the recordings; false if there are none. */
static bool recordings_walk(void (*each)(const mg_json *line, mg_str text, totals *sum), totals *sum) {
    char command[512], *line = NULL;
    size_t cap = 0;
    snprintf(command, sizeof command, "%s/recordings/gemini.jsonl.gz", data_folder());
    if (access(command, R_OK) != 0) return false;
    snprintf(command, sizeof command, "gzip -dcf '%s/recordings/gemini.jsonl.gz'", data_folder());
    FILE *f = popen(command, "r");
    assert_non_null(f);
    for (ssize_t n; (n = getline(&line, &cap, f)) > 0; mg_arena_reset(arena)) {
        mg_str text;
        const mg_json *root = parse(mg_str_from(line, (size_t)n), &text);
        each(root, text, sum);
    }
    free(line);
    assert_int_equal(pclose(f), 0);
    return true;
}

static void converts_recordings(void **state) {
    (void)state;
    totals sum = {0};
    if (!recordings_walk(check_recording, &sum)) {
        print_message("SKIPPED: no recordings in %s (set MOONGATE_DATA)\n", data_folder());
        skip();
    }
    print_message("%d requests: %d converted, %d refused, %d malformed; %d parts\nrefused:\n%.*sleft out:\n%.*s",
                  sum.requests, sum.converted, sum.refused, sum.malformed, sum.texts,
                  MG_STR_ARG(mg_buf_view(&sum.reasons)), MG_STR_ARG(mg_buf_view(&sum.dropped)));
    mg_buf_finish(&sum.reasons);
    mg_buf_finish(&sum.dropped);
    assert_int_equal(sum.lost, 0);
    assert_true(sum.converted > 100 && sum.converted > 20 * sum.refused);
}

/* Every value of a request in turn replaced by another type: refused or converted, never a crash, always JSON. */
static void mutate(mg_operation op, mg_str text, const mg_json *v, totals *sum) {
    static const char *const others[] = {"null", "7", "\"x\"", "[]", "{}", "[{}]", "true"};
    for (const mg_json *c = v->child; c; c = c->next) mutate(op, text, c, sum);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        mg_buf b = {0};
        mg_error error;
        mg_str source;
        mg_buf_add(&b, text.p, v->src);
        mg_buf_str(&b, mg_str_of(others[i]));
        mg_buf_add(&b, text.p + v->src_end, text.n - v->src_end);
        const mg_json *root = parse(mg_buf_view(&b), &source);
        mg_buf_finish(&b);
        if (F->check(op, root, &error) == MG_OK) {
            mg_buf out = {0};
            if (F->canonical(op, root, source, MG_STR("m"), true, &out, NULL, NULL, &error) == MG_OK)
                sum->converted += parse(mg_buf_view(&out), NULL) != NULL;
            mg_buf_finish(&out);
        }
        sum->malformed++;
    }
}

static void mutate_recording(const mg_json *line, mg_str text, totals *sum) {
    const mg_json *request = mg_json_get(line, MG_STR("request"));
    mg_str path = mg_json_text(mg_json_get(line, MG_STR("path"))), source;
    if (mg_json_kind(request) != MG_JSON_OBJECT || mg_str_find(path, ':') == path.n) return;
    if (request->src_end - request->src > 3000 || sum->requests >= 60) return;
    sum->requests++;
    const mg_json *root = parse(slice(text, request), &source);
    mutate(operation_of(path), source, root, sum);
}

static void survives_mutated_recordings(void **state) {
    (void)state;
    totals sum = {0};
    if (!recordings_walk(mutate_recording, &sum)) {
        print_message("SKIPPED: no recordings in %s (set MOONGATE_DATA)\n", data_folder());
        skip();
    }
    assert_true(sum.requests > 10 && sum.converted > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(converts_recordings),
        cmocka_unit_test(survives_mutated_recordings),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
