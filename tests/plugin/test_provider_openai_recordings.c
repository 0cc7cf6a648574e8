/* The openai provider on recorded traffic: requests pass as they are, nothing of an answer is lost, nothing crashes. */
#include "recordings_openai.h"

static provider plain;

static int setup(void **state) {
    (void)state;
    provider_open(&plain, "openai", NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    provider_close(&plain);
    return 0;
}

static void check_row(const mg_json *row, mg_str line, void *sum) {
    exchange x = {.p = &plain, .row = row, .line = line, .sum = sum};
    sent s;
    if (!exchange_route(&x)) return;
    check_request(&x, &s);
    exchange_check(&x);
}

static void passes_recordings(void **state) {
    (void)state;
    exchange_totals sum = {0};
    if (!recordings_walk(&plain, "openai.jsonl.gz", check_row, &sum)) recordings_skip();
    exchange_totals_print(&sum);
    assert_true(sum.requests > 300 && sum.chats > 100 && sum.chat_streams > 10 && sum.responses > 100 &&
                sum.response_streams > 10 && sum.embeddings > 0 && sum.failures > 0);
}

/* ---- fixtures of another project: answers only ---------------------------------------------------------------------- */

/* Each line is the data of an event. */
static bool next_line(mg_str *body, mg_str *data) {
    *data = (mg_str){NULL, 0};
    while (body->n && !data->n) {
        *data = mg_str_trim(mg_str_from(body->p, mg_str_find(*body, '\n')));
        *body = mg_str_skip(*body, mg_str_find(*body, '\n') + 1);
    }
    return data->n > 0;
}

/* Errors are tested by cases of our own; of the others one was cut short by hand, and one holds broken JSON. */
static bool unusable(mg_str name) {
    return mg_str_glob(MG_STR("*error*"), name) || mg_str_is(name, "openai-phase.1.chunks.txt") ||
           mg_str_is(name, "parallel-tool-call-wrapper.1.chunks.txt");
}

static void check_fixture(const mg_json *row, mg_str line, void *sum) {
    exchange x = {.p = &plain, .row = row, .line = line, .sum = sum};
    mg_str api = recordings_text(row, "api"), name = recordings_text(row, "name"), body = recordings_text(row, "body");
    bool responses = mg_str_is(api, "responses");
    if (!responses && !mg_str_is(api, "chat.completions")) return;
    snprintf(x.id, sizeof x.id, MG_STR_FMT, MG_STR_ARG(name));
    x.no_terminator = !responses;
    plain.format = responses ? MG_FORMAT_RESPONSES : MG_FORMAT_OPENAI;
    if (unusable(name)) return;
    x.no_terminator = !responses;
    plain.format = responses ? MG_FORMAT_RESPONSES : MG_FORMAT_OPENAI;
    /* Errors are tested by cases of our own; this one's pieces were cut short by hand. */
    if (mg_str_glob(MG_STR("*error*"), name) || mg_str_is(name, "openai-phase.1.chunks.txt")) return;
    if (mg_str_is(recordings_text(row, "kind"), "json_body")) {
        check_plain(&x, body);
        *(responses ? &x.sum->responses : &x.sum->chats) += 1;
    } else {
        check_stream(&x, body, next_line);
        *(responses ? &x.sum->response_streams : &x.sum->chat_streams) += 1;
    }
}

static void passes_fixtures(void **state) {
    (void)state;
    exchange_totals sum = {0};
    if (!recordings_walk(&plain, "vercel_fixtures.jsonl.gz", check_fixture, &sum)) recordings_skip();
    exchange_totals_print(&sum);
    assert_true(sum.responses > 5 && sum.response_streams > 5);
}

/* ---- mutations ----------------------------------------------------------------------------------------------------- */

static void ignore_event(void *ctx, const mg_event *e) {
    (void)ctx;
    assert_int_equal(e->size, sizeof *e);
}

static void try_decode(mg_str text) {
    mg_error error;
    mg_classification c = {.size = sizeof c};
    for (int op = MG_OP_CHAT; op <= MG_OP_COUNT_TOKENS; op++)
        for (int format = MG_FORMAT_OPENAI; format <= MG_FORMAT_RESPONSES; format++)
            for (int stream = 0; stream < 2; stream++) {
                plain.format = (mg_format_id)format;
                provider_begin(&plain);
                provider_decode(&plain, (mg_operation)op, stream, "", text, ignore_event, NULL, &error);
            }
    mg_frame f = {.size = sizeof f, .status = 400, .data = text, .json = provider_json(&plain, text)};
    plain.ops->classify(plain.self, &f, NULL, 0, &c);
    assert_true(c.failure != MG_FAIL_NONE);
    mg_arena_reset(plain.arena);
}

/* Every value of a recorded answer in turn replaced by another type: nothing may crash. */
static void mutate_value(mg_str text, const mg_json *v) {
    static const char *const others[] = {"null", "7", "\"x\"", "[]", "{}", "[{}]", "true", "-1e400"};
    for (const mg_json *c = v->child; c; c = c->next) mutate_value(text, c);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        mg_buf b = {0};
        mg_buf_add(&b, text.p, v->src);
        mg_buf_str(&b, mg_str_of(others[i]));
        mg_buf_add(&b, text.p + v->src_end, text.n - v->src_end);
        try_decode(mg_buf_view(&b));
        mg_buf_finish(&b);
    }
}

static void mutate_row(const mg_json *row, mg_str line, void *arg) {
    (void)line;
    int *done = arg;
    mg_str body = recordings_text(row, "body");
    mg_error error;
    const mg_json *root;
    if (body.n > 3000 || *done >= 60) return;
    mg_arena *arena = mg_arena_create(4096);
    if (mg_json_parse_copy(plain.parser, arena, body, &root, &error) == MG_OK) {
        mutate_value(body, root);
        (*done)++;
    }
    mg_arena_destroy(arena);
}

static void survives_mutated_recordings(void **state) {
    (void)state;
    int done = 0;
    if (!recordings_walk(&plain, "openai.jsonl.gz", mutate_row, &done)) recordings_skip();
    assert_true(done > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_recordings),
        cmocka_unit_test(passes_fixtures),
        cmocka_unit_test(survives_mutated_recordings),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
