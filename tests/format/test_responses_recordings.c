/* Recorded requests for responses: each is well formed, and becomes canonical without losing a text, or is refused
 * with a sentence. */
#include "responses_fixture.h"

#define F mg_format_responses

typedef struct refusal {
    char text[160];
    int n;
} refusal;

typedef struct totals {
    int requests, translated, examples, texts, parts;
    refusal refusals[32], drops[32];
} totals;

static totals sum;

/* Counts sentences, with numbers left out so that equal ones come together. */
static void count_into(refusal *list, mg_str text) {
    char short_text[160];
    size_t n = 0;
    for (size_t i = 0; i < text.n && n < sizeof short_text - 1; i++)
        if (text.p[i] < '0' || text.p[i] > '9') short_text[n++] = text.p[i];
    short_text[n] = 0;
    for (size_t i = 0; i < 32; i++) {
        if (!list[i].n) memcpy(list[i].text, short_text, n + 1);
        if (strcmp(list[i].text, short_text) != 0) continue;
        list[i].n++;
        return;
    }
}

static void print_counts(const char *what, const refusal *list) {
    for (size_t i = 0; i < 32 && list[i].n; i++) print_message("%5d %s: %s\n", list[i].n, what, list[i].text);
}

/* Whether any string of the tree is the text, or holds it. */
static bool has_text(const mg_json *v, mg_str text) {
    mg_str own = mg_json_text(v);
    if (own.n >= text.n && memmem(own.p, own.n, text.p, text.n)) return true;
    for (const mg_json *c = v->child; c; c = c->next)
        if (has_text(c, text)) return true;
    return false;
}

typedef struct search {
    const mg_json *canonical; /* NULL: it was refused */
    const char *id;
} search;

static void find_part(void *arg, const mg_part *p) {
    const search *s = arg;
    sum.parts++;
    if (p->text && p->kind != MG_PART_OTHER) sum.texts++;
    if (s->canonical && p->text && p->text->str.n && !has_text(s->canonical, p->text->str))
        fail_msg("%s: lost: " MG_STR_FMT, s->id, MG_STR_ARG(p->text->str));
}

static void check_request(mg_str body, const char *id) {
    mg_error e = {0};
    mg_facts facts;
    const mg_json *root = fixture_json(body);
    sum.requests++;
    if (F.check(MG_OP_CHAT, root, &e) != MG_OK) {
        if (mg_json_get(root, MG_STR("model"))) fail_msg("%s: %s", id, e.text);
        count_into(sum.refusals, mg_str_of(e.text));
        return;
    }
    F.read(MG_OP_CHAT, root, &facts);
    const char *text = fixture_canonical(body, facts.stream);
    search s = {text ? fixture_z(text) : NULL, id};
    F.parts(MG_OP_CHAT, root, find_part, &s);
    if (!text) {
        count_into(sum.refusals, mg_str_of(fx.error.text));
        return;
    }
    sum.translated++;
    if (mg_format_openai.check(MG_OP_CHAT, s.canonical, &e) != MG_OK) fail_msg("%s: canonical: %s", id, e.text);
    for (mg_str rest = mg_buf_view(&fx.drops); rest.n;) {
        mg_str drop = mg_str_from(rest.p, mg_str_find(rest, ' '));
        rest = mg_str_skip(rest, drop.n + 1);
        count_into(sum.drops, drop);
    }
}

static void check_recording(const mg_json *row, mg_str line) {
    mg_str path = mg_json_text(mg_json_get(row, MG_STR("path")));
    const mg_json *request = mg_json_get(row, MG_STR("request"));
    char id[64];
    if (!mg_str_glob(MG_STR("*/responses*"), path) || mg_json_kind(request) != MG_JSON_OBJECT) return;
    snprintf(id, sizeof id, MG_STR_FMT, MG_STR_ARG(mg_json_text(mg_json_get(row, MG_STR("id")))));
    check_request(mg_str_from(line.p + request->src, request->src_end - request->src), id);
}

/* Calls `each` for every row of a file of JSON lines; false if there is no such file. */
static bool walk(const char *name, void (*each)(const mg_json *row, mg_str line)) {
    char command[512], *line = NULL;
    size_t cap = 0;
    snprintf(command, sizeof command, "%s/recordings/%s", data_folder(), name);
    if (access(command, R_OK) != 0) return false;
    snprintf(command, sizeof command, "gzip -dcf '%s/recordings/%s'", data_folder(), name);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    for (ssize_t n; (n = getline(&line, &cap, f)) > 0; mg_arena_reset(fx.arena)) {
        mg_str text = mg_str_from(line, (size_t)n);
        each(fixture_json(text), text);
    }
    assert_int_equal(pclose(f), 0);
    free(line);
    return true;
}

static void takes_recordings(void **state) {
    (void)state;
    if (!walk("openai.jsonl.gz", check_recording)) {
        print_message("SKIPPED: no recordings in %s (set MOONGATE_DATA)\n", data_folder());
        skip();
    }
    walk("azure.jsonl", check_recording);
    print_message("%d requests, %d translated; %d parts, %d texts\n", sum.requests, sum.translated, sum.parts,
                  sum.texts);
    print_counts("refused", sum.refusals);
    print_counts("left out", sum.drops);
    assert_true(sum.requests > 100 && sum.translated * 10 > sum.requests * 8 && sum.texts > 100);
}

/* The request bodies that OpenAI documents. */
static void takes_examples(void **state) {
    (void)state;
    char path[512], *text = NULL;
    size_t cap = 0;
    snprintf(path, sizeof path, "%s/specs/openai_examples.json", data_folder());
    FILE *f = fopen(path, "r");
    if (!f) {
        print_message("SKIPPED: no examples in %s (set MOONGATE_DATA)\n", data_folder());
        skip();
    }
    ssize_t n = getdelim(&text, &cap, 0, f);
    assert_true(n > 0);
    fclose(f);
    mg_str whole = mg_str_from(text, (size_t)n);
    const mg_json *list = fixture_json(whole);
    for (const mg_json *e = list->child; e; e = e->next) {
        const mg_json *body = mg_json_get(e, MG_STR("request_body"));
        mg_str where = mg_json_text(mg_json_get(e, MG_STR("path")));
        if (!mg_str_is(where, "/responses") || mg_json_kind(body) != MG_JSON_OBJECT) continue;
        check_request(mg_str_from(text + body->src, body->src_end - body->src), "example");
        sum.examples++;
    }
    print_message("%d documented requests\n", sum.examples);
    assert_true(sum.examples > 2);
    free(text);
}

/* Every value of a request in turn replaced by another type: what passes the check can be read and translated. */
static void mutate(mg_str text, const mg_json *v) {
    static const char *const others[] = {"null", "7", "\"x\"", "[]", "{}", "[{}]", "true", "[\"moongate:\"]"};
    for (const mg_json *c = v->child; c; c = c->next) mutate(text, c);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        mg_error e = {0};
        mg_facts facts;
        mg_str body = mg_arena_printf(fx.arena, "%.*s%s%.*s", (int)v->src, text.p, others[i],
                                      (int)(text.n - v->src_end), text.p + v->src_end);
        const mg_json *root = fixture_json(body);
        if (root->type != MG_JSON_OBJECT || F.check(MG_OP_CHAT, root, &e) != MG_OK) continue;
        search s = {NULL, "mutated"};
        F.read(MG_OP_CHAT, root, &facts);
        F.parts(MG_OP_CHAT, root, find_part, &s);
        fixture_canonical(body, false);
    }
}

static void mutate_recording(const mg_json *row, mg_str line) {
    const mg_json *request = mg_json_get(row, MG_STR("request"));
    if (!mg_str_glob(MG_STR("*/responses*"), mg_json_text(mg_json_get(row, MG_STR("path")))) ||
        mg_json_kind(request) != MG_JSON_OBJECT || request->src_end - request->src > 3000 || sum.examples > 60)
        return;
    mg_str body = mg_str_from(line.p + request->src, request->src_end - request->src);
    mutate(body, fixture_json(body));
    sum.examples++;
}

static void survives_mutations(void **state) {
    (void)state;
    if (!walk("openai.jsonl.gz", mutate_recording)) {
        print_message("SKIPPED: no recordings in %s (set MOONGATE_DATA)\n", data_folder());
        skip();
    }
    assert_true(sum.examples > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_recordings),
        cmocka_unit_test(takes_examples),
        cmocka_unit_test(survives_mutations),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
