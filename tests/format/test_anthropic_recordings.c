/* Anthropic's format over recorded traffic: every request is taken and either put into the canonical form, with all that it
 * says, or refused with a sentence; every answer, taken apart into events, comes out as it was recorded. */
#include "anthropic_fixture.h"

#include <openssl/evp.h>

typedef struct totals {
    int requests, canonical, refused, counts, texts, calls, results, plain, streams, blocks, drops;
    mg_buf refusals; /* a sentence a line */
} totals;

/* ---- requests ----------------------------------------------------------------------------------------------------- */

/* All strings of a tree, a NUL behind each. */
static void add_strings(const mg_json *v, mg_buf *out) {
    if (v->type == MG_JSON_STRING) {
        mg_buf_str(out, v->str);
        mg_buf_add(out, "", 1);
    }
    if (v->type == MG_JSON_OBJECT || v->type == MG_JSON_ARRAY)
        for (const mg_json *c = v->child; c; c = c->next) add_strings(c, out);
}

typedef struct search {
    mg_buf strings; /* of the canonical form */
    totals *sum;
    const char *id;
} search;

static bool holds(const mg_buf *b, mg_str text) { return !text.n || memmem(b->p, b->n, text.p, text.n); }

/* The text of a document is a file in the canonical form. */
static bool holds_base64(const mg_buf *b, mg_str text) {
    uint8_t *out = mg_malloc(text.n / 3 * 4 + 8);
    int n = EVP_EncodeBlock(out, (const uint8_t *)text.p, (int)text.n);
    bool found = holds(b, mg_str_from((char *)out, (size_t)n));
    free(out);
    return found;
}

static void on_part(void *arg, const mg_part *p) {
    search *s = arg;
    if (p->kind != MG_PART_TEXT) return;
    s->sum->texts++;
    if (!holds(&s->strings, p->text->str) && !holds_base64(&s->strings, p->text->str))
        fail_msg("%s: lost: " MG_STR_FMT, s->id, MG_STR_ARG(p->text->str));
}

static size_t count_blocks(const mg_json *messages, const char *type) {
    size_t n = 0;
    for (const mg_json *m = messages->child; m; m = m->next) {
        const mg_json *content = mg_json_get(m, MG_STR("content"));
        for (const mg_json *b = mg_json_kind(content) == MG_JSON_ARRAY ? content->child : NULL; b; b = b->next)
            n += mg_str_is(told_text(b, "type"), type);
    }
    return n;
}

static void count_messages(const mg_json *canonical, size_t *calls, size_t *results) {
    const mg_json *messages = mg_json_get(canonical, MG_STR("messages"));
    for (const mg_json *m = messages->child; m; m = m->next) {
        const mg_json *list = mg_json_get(m, MG_STR("tool_calls"));
        *results += mg_str_is(told_text(m, "role"), "tool");
        if (list) *calls += list->count;
        for (const mg_json *c = list ? list->child : NULL; c; c = c->next)
            assert_true(told_is_object(mg_json_text(mg_json_path(c, "function.arguments"))));
    }
}

static void check_canonical(const mg_json *root, mg_str body, const char *id, totals *sum) {
    const mg_json *canonical = fixture_parse(body, NULL), *messages = mg_json_get(root, MG_STR("messages"));
    search s = {.sum = sum, .id = id};
    size_t calls = 0, results = 0;
    add_strings(canonical, &s.strings);
    F->parts(MG_OP_CHAT, root, on_part, &s);
    count_messages(canonical, &calls, &results);
    assert_int_equal(calls, count_blocks(messages, "tool_use"));
    assert_int_equal(results, count_blocks(messages, "tool_result"));
    assert_true(mg_str_is(told_text(canonical, "model"), "vendor-model"));
    sum->calls += (int)calls;
    sum->results += (int)results;
    sum->canonical++;
    mg_buf_finish(&s.strings);
}

static void on_drop(void *arg, mg_str member) {
    ((totals *)arg)->drops++;
    assert_true(member.n > 0);
}

static void check_request(mg_operation op, mg_str text, const char *id, totals *sum) {
    mg_error error = {0};
    mg_str source;
    mg_facts facts;
    mg_buf out = {0};
    const mg_json *root = fixture_parse(text, &source);
    sum->requests++;
    if (F->check(op, root, &error) != MG_OK) fail_msg("%s: %s", id, error.text);
    F->read(op, root, &facts);
    assert_true(facts.model.n > 0);
    assert_true(op == MG_OP_COUNT_TOKENS || facts.max_output > 0);
    if (F->canonical(op, root, source, MG_STR("vendor-model"), facts.stream, &out, on_drop, sum, &error) == MG_OK) {
        check_canonical(root, mg_buf_view(&out), id, sum);
    } else {
        assert_int_equal(error.http, 400);
        assert_true(error.code[0] && strlen(error.text) > 40);
        mg_buf_printf(&sum->refusals, "  %s: %s\n", id, error.text);
        sum->refused++;
    }
    mg_buf_finish(&out);
}

/* ---- answers, as events ------------------------------------------------------------------------------------------- */

static mg_event event(mg_event_type type, mg_str text) {
    return (mg_event){.size = sizeof(mg_event), .type = type, .text = text};
}

static void give_signature(answer *a, mg_str signature) {
    mg_event e = event(MG_EVENT_SIGNATURE, signature);
    e.name = MG_STR("anthropic");
    answer_event(a, &e);
}

static void give_named(answer *a, mg_event_type type, mg_str text) {
    mg_event e = event(type, text);
    e.name = MG_STR("anthropic");
    answer_event(a, &e);
}

static void give_citation(answer *a, mg_str json) {
    const mg_str parts[] = {MG_STR("{\"type\":\"vendor_citation\",\"vendor\":\"anthropic\",\"citation\":"), json,
                            MG_STR("}")};
    mg_event e = event(MG_EVENT_CITATION, mg_arena_join(arena, parts, 3));
    answer_event(a, &e);
}

static void give_tool(answer *a, int64_t index, const mg_json *block, mg_str text) {
    mg_event e = event(MG_EVENT_TOOL, text);
    e.index = index;
    e.id = told_text(block, "id");
    e.name = told_text(block, "name");
    answer_event(a, &e);
}

static void give_text(answer *a, mg_event_type type, mg_str text) {
    mg_event e = event(type, text);
    answer_event(a, &e);
}

static void give_finish(answer *a, const mg_json *message) {
    static const char *const reasons[][2] = {{"end_turn", "stop"},
                                             {"stop_sequence", "stop"},
                                             {"max_tokens", "length"},
                                             {"tool_use", "tool_calls"},
                                             {"refusal", "content_filter"}};
    mg_event e = event(MG_EVENT_FINISH, MG_STR("stop"));
    e.name = told_text(message, "stop_reason");
    e.id = told_text(message, "stop_sequence");
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (mg_str_is(e.name, reasons[i][0])) e.text = mg_str_of(reasons[i][1]);
    answer_event(a, &e);
}

static void give_usage(answer *a, const told *t) {
    const mg_usage u = {.size = sizeof u,
                        .input = t->input_tokens + (t->cached > 0 ? t->cached : 0) + (t->written > 0 ? t->written : 0),
                        .output = t->output_tokens,
                        .cached = t->cached > 0 ? t->cached : 0,
                        .cache_write = t->written > 0 ? t->written : 0};
    mg_event e = event(MG_EVENT_USAGE, MG_STR(""));
    e.usage = &u;
    answer_event(a, &e);
}

/* Two text blocks that follow each other are one to the events: something that leaves no trace stands between them. */
static void give_border(answer *a) { give_text(a, MG_EVENT_REASONING, MG_STR("")); }

static void give_block(answer *a, mg_str source, const mg_json *b, int64_t index) {
    mg_str type = told_text(b, "type");
    const mg_json *citations = mg_json_get(b, MG_STR("citations"));
    if (mg_str_is(type, "text")) {
        give_border(a);
        give_text(a, MG_EVENT_TEXT, told_text(b, "text"));
        for (const mg_json *c = mg_json_kind(citations) == MG_JSON_ARRAY ? citations->child : NULL; c; c = c->next)
            give_citation(a, fixture_slice(source, c));
    } else if (mg_str_is(type, "thinking")) {
        give_text(a, MG_EVENT_REASONING, told_text(b, "thinking"));
        give_signature(a, told_text(b, "signature"));
    } else if (mg_str_is(type, "tool_use")) {
        give_tool(a, index, b, fixture_slice(source, mg_json_get(b, MG_STR("input"))));
    } else if (mg_str_is(type, "redacted_thinking")) {
        give_named(a, MG_EVENT_REDACTED, told_text(b, "data"));
    } else {
        give_named(a, MG_EVENT_OTHER, fixture_slice(source, b));
    }
}

static void expect_told(const told *recorded, answer *a, const char *id) {
    told ours = {.n = 0};
    answer_close(a);
    answer_compare(a, id);
    told_plain(&ours, mg_buf_view(&a->plain));
    if (!mg_str_eq(mg_buf_view(&recorded->blocks), mg_buf_view(&ours.blocks)))
        fail_msg("%s:\nrecorded\n" MG_STR_FMT "ours\n" MG_STR_FMT, id, MG_STR_ARG(mg_buf_view(&recorded->blocks)),
                 MG_STR_ARG(mg_buf_view(&ours.blocks)));
    if (!mg_str_eq(recorded->stop_reason, ours.stop_reason))
        fail_msg("%s: " MG_STR_FMT, id, MG_STR_ARG(ours.stop_reason));
    assert_true(mg_str_eq(recorded->stop_sequence, ours.stop_sequence));
    assert_int_equal(recorded->input_tokens, ours.input_tokens);
    assert_int_equal(recorded->output_tokens, ours.output_tokens);
    told_finish(&ours);
    answer_finish(a);
}

static void check_plain(mg_str body, const char *id, totals *sum) {
    told recorded = {.n = 0};
    answer a;
    mg_str source;
    const mg_json *root = fixture_parse(body, &source);
    int64_t index = 0;
    told_plain(&recorded, body);
    answer_open(&a);
    for (const mg_json *b = mg_json_get(root, MG_STR("content"))->child; b; b = b->next)
        give_block(&a, source, b, index++);
    give_finish(&a, root);
    give_usage(&a, &recorded);
    expect_told(&recorded, &a, id);
    sum->plain++;
    sum->blocks += (int)recorded.n;
    told_finish(&recorded);
}

/* ---- recorded streams --------------------------------------------------------------------------------------------- */

static void give_start(answer *a, mg_str source, const mg_json *e) {
    const mg_json *b = mg_json_get(e, MG_STR("content_block"));
    mg_str type = told_text(b, "type");
    if (mg_str_is(type, "text"))
        give_border(a);
    else if (mg_str_is(type, "tool_use"))
        give_tool(a, mg_json_int(mg_json_get(e, MG_STR("index")), 0), b, MG_STR(""));
    else if (!mg_str_is(type, "thinking"))
        give_named(a, mg_str_is(type, "redacted_thinking") ? MG_EVENT_REDACTED : MG_EVENT_OTHER,
                   mg_str_is(type, "redacted_thinking") ? told_text(b, "data") : fixture_slice(source, b));
}

static void give_delta(answer *a, const told *t, mg_str source, const mg_json *e) {
    const mg_json *d = mg_json_get(e, MG_STR("delta"));
    mg_str type = told_text(d, "type");
    if (mg_str_is(type, "text_delta")) give_text(a, MG_EVENT_TEXT, told_text(d, "text"));
    if (mg_str_is(type, "thinking_delta")) give_text(a, MG_EVENT_REASONING, told_text(d, "thinking"));
    if (mg_str_is(type, "signature_delta")) give_signature(a, told_text(d, "signature"));
    if (mg_str_is(type, "citations_delta")) give_citation(a, fixture_slice(source, mg_json_get(d, MG_STR("citation"))));
    if (mg_str_is(type, "input_json_delta") && mg_str_is(t->type, "tool_use"))
        give_tool(a, mg_json_int(mg_json_get(e, MG_STR("index")), 0), NULL, told_text(d, "partial_json"));
}

static void give_event(answer *a, told *t, mg_str data) {
    mg_str source;
    const mg_json *e = fixture_parse(data, &source);
    mg_str type = told_text(e, "type");
    int64_t input = t->input_tokens;
    told_event(t, type, data);
    if (mg_str_is(type, "content_block_start")) give_start(a, source, e);
    if (mg_str_is(type, "content_block_delta")) give_delta(a, t, source, e);
    if (!mg_str_is(type, "message_delta")) return;
    if (t->input_tokens < 0) t->input_tokens = input; /* older streams said it at the start only */
    give_finish(a, mg_json_get(e, MG_STR("delta")));
}

static void check_stream(mg_str body, const char *id, totals *sum) {
    told recorded = {.recorded = true};
    answer a;
    answer_open(&a);
    while (body.n) {
        mg_str line = mg_str_from(body.p, mg_str_find(body, '\n'));
        body = mg_str_skip(body, line.n + 1);
        if (line.n && line.p[line.n - 1] == '\r') line.n--;
        if (mg_str_starts(line, MG_STR("data:"))) give_event(&a, &recorded, mg_str_trim(mg_str_skip(line, 5)));
    }
    if (!recorded.stopped) fail_msg("%s: the recording has no end", id);
    give_usage(&a, &recorded);
    expect_told(&recorded, &a, id);
    sum->streams++;
    sum->blocks += (int)recorded.n;
    told_finish(&recorded);
}

/* ---- the file ----------------------------------------------------------------------------------------------------- */

static void check_row(mg_str line, totals *sum) {
    mg_str source;
    char id[64];
    const mg_json *row = fixture_parse(line, &source), *request = mg_json_get(row, MG_STR("request"));
    bool count = mg_str_glob(MG_STR("*/count_tokens"), told_text(row, "path"));
    mg_str body = told_text(row, "body");
    snprintf(id, sizeof id, MG_STR_FMT, MG_STR_ARG(told_text(row, "id")));
    if (mg_json_kind(request) == MG_JSON_OBJECT)
        check_request(count ? MG_OP_COUNT_TOKENS : MG_OP_CHAT, fixture_slice(source, request), id, sum);
    if (mg_json_int(mg_json_get(row, MG_STR("status")), 0) != 200) return;
    if (count)
        sum->counts++;
    else if (mg_json_bool(mg_json_get(row, MG_STR("stream")), false))
        check_stream(body, id, sum);
    else
        check_plain(body, id, sum);
}

static const char *data_folder(void) {
    const char *folder = getenv("MOONGATE_DATA");
    return folder ? folder : "../shared/data";
}

static void takes_recordings(void **state) {
    (void)state;
    char command[512], *line = NULL;
    size_t cap = 0;
    totals sum = {0};
    snprintf(command, sizeof command, "%s/recordings/anthropic.jsonl.gz", data_folder());
    if (access(command, R_OK) != 0) {
        print_message("SKIPPED: no recordings in %s (set MOONGATE_DATA)\n", data_folder());
        skip();
    }
    snprintf(command, sizeof command, "gzip -dcf '%s/recordings/anthropic.jsonl.gz'", data_folder());
    FILE *f = popen(command, "r");
    assert_non_null(f);
    for (ssize_t n; (n = getline(&line, &cap, f)) > 0; mg_arena_reset(arena))
        check_row(mg_str_from(line, (size_t)n), &sum);
    assert_int_equal(pclose(f), 0);
    free(line);
    printf(
        "%d requests: %d canonical with %d texts, %d calls, %d results, %d members left out; %d refused:\n" MG_STR_FMT
        "%d plain answers and %d streams of %d blocks; %d counts\n",
        sum.requests, sum.canonical, sum.texts, sum.calls, sum.results, sum.drops, sum.refused,
        MG_STR_ARG(mg_buf_view(&sum.refusals)), sum.plain, sum.streams, sum.blocks, sum.counts);
    assert_true(sum.requests > 50 && sum.canonical > sum.refused * 4 && sum.texts > 50 && sum.calls > 10);
    assert_true(sum.plain > 50 && sum.streams > 5);
    mg_buf_finish(&sum.refusals);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_recordings),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
