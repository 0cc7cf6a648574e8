/* The anthropic provider on recorded traffic: requests in its own format pass byte for byte, nothing of an answer is
 * lost, nothing crashes. */
#include "recordings.h"

static provider plain;

static int setup(void **state) {
    (void)state;
    provider_open(&plain, "anthropic", NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    provider_close(&plain);
    return 0;
}

typedef struct totals {
    int requests, plain, streams, frames, counts, failures;
    int calls, thoughts, signatures, citations, others, usages;
} totals;

/* What one answer says, read without the plugin. */
typedef struct expected {
    mg_buf text, reasoning, calls;
    int n_calls, signatures, citations, others;
    int64_t fresh, cached, cache_write, output, reasoning_tokens;
    bool in_call; /* a call is being written */
    bool said; /* something of its input came */
    int64_t other;
} expected;

static mg_str text_at(const mg_json *v, const char *path) { return mg_json_text(mg_json_path(v, path)); }
static bool type_is(const mg_json *v, const char *type) { return mg_str_is(text_at(v, "type"), type); }
static bool flag_at(const mg_json *v, const char *path) { return mg_json_bool(mg_json_path(v, path), false); }

static mg_str source(const mg_json *v, mg_str data) { return mg_str_from(data.p + v->src, v->src_end - v->src); }

static void expect_usage(expected *x, const mg_json *usage) {
    static const char *const names[] = {"input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens",
                                        "output_tokens", "output_tokens_details.thinking_tokens"};
    int64_t *const values[] = {&x->fresh, &x->cached, &x->cache_write, &x->output, &x->reasoning_tokens};
    for (size_t i = 0; i < 5; i++) *values[i] = mg_json_int(mg_json_path(usage, names[i]), *values[i]);
}

static void expect_call_end(expected *x) {
    if (x->in_call && !x->said) mg_buf_str(&x->calls, MG_STR("{}"));
    x->in_call = false;
}

static void expect_call(expected *x, const mg_json *block) {
    if (x->n_calls++) mg_buf_str(&x->calls, MG_STR(")"));
    mg_buf_str(&x->calls, text_at(block, "name"));
    mg_buf_str(&x->calls, MG_STR("("));
}

/* A block of a plain answer, or one that begins in a stream. */
static void expect_block(expected *x, const mg_json *b, mg_str data, bool stream) {
    static const char *const known[] = {"text", "thinking", "redacted_thinking", "tool_use"};
    const mg_json *citations = mg_json_get(b, MG_STR("citations"));
    bool other = true;
    for (size_t i = 0; i < 4; i++) other &= !type_is(b, known[i]);
    x->others += other;
    mg_buf_str(&x->text, type_is(b, "text") ? text_at(b, "text") : MG_STR(""));
    mg_buf_str(&x->reasoning, type_is(b, "thinking") ? text_at(b, "thinking") : MG_STR(""));
    x->signatures += text_at(b, "signature").n > 0;
    for (const mg_json *c = citations ? citations->child : NULL; c; c = c->next) x->citations++;
    if (!type_is(b, "tool_use")) return;
    expect_call(x, b);
    if (!stream) mg_buf_str(&x->calls, source(mg_json_get(b, MG_STR("input")), data));
    x->in_call = stream;
    x->said = false;
}

static void expect_delta(expected *x, const mg_json *d) {
    mg_str json = text_at(d, "partial_json");
    mg_buf_str(&x->text, text_at(d, "text"));
    mg_buf_str(&x->reasoning, text_at(d, "thinking"));
    x->signatures += text_at(d, "signature").n > 0;
    x->citations += type_is(d, "citations_delta");
    if (!x->in_call || !json.n) return;
    mg_buf_str(&x->calls, json);
    x->said = true;
}

static void expect_event(expected *x, const mg_json *root, mg_str data) {
    if (type_is(root, "message_start")) expect_usage(x, mg_json_path(root, "message.usage"));
    if (type_is(root, "message_delta")) expect_usage(x, mg_json_get(root, MG_STR("usage")));
    if (type_is(root, "content_block_start")) expect_block(x, mg_json_get(root, MG_STR("content_block")), data, true);
    if (type_is(root, "content_block_delta")) expect_delta(x, mg_json_get(root, MG_STR("delta")));
    if (type_is(root, "content_block_stop")) expect_call_end(x);
}

static void same_text(const char *id, const char *what, const mg_buf *want, const mg_buf *got) {
    if (!mg_str_eq(mg_buf_view(want), mg_buf_view(got)))
        fail_msg("%s: %s: '" MG_STR_FMT "' became '" MG_STR_FMT "'", id, what, MG_STR_ARG(mg_buf_view(want)),
                 MG_STR_ARG(mg_buf_view(got)));
}

static void same_number(const char *id, const char *what, int64_t want, int64_t got) {
    if (want != got) fail_msg("%s: %s: %lld became %lld", id, what, (long long)want, (long long)got);
}

static void compare(const char *id, const expected *x, const recordings_tally *t) {
    same_text(id, "text", &x->text, &t->text);
    same_text(id, "thinking", &x->reasoning, &t->reasoning);
    same_text(id, "tool calls", &x->calls, &t->calls);
    same_number(id, "tool calls", x->n_calls, t->n_calls);
    same_number(id, "signatures", x->signatures, t->signatures);
    same_number(id, "citations", x->citations, t->citations);
    same_number(id, "other blocks", x->others, t->others);
    same_number(id, "input tokens", x->fresh + x->cached + x->cache_write, t->usage.input);
    same_number(id, "cached tokens", x->cached, t->usage.cached);
    same_number(id, "cache write tokens", x->cache_write, t->usage.cache_write);
    same_number(id, "output tokens", x->output, t->usage.output);
    same_number(id, "reasoning tokens", x->reasoning_tokens, t->usage.reasoning);
    same_number(id, "finishes", 1, t->finishes);
    same_number(id, "errors", 0, t->errors);
}

static void sum_up(totals *sum, const recordings_tally *t) {
    sum->calls += t->n_calls;
    sum->thoughts += t->reasoning.n > 0;
    sum->signatures += t->signatures;
    sum->citations += t->citations;
    sum->others += t->others;
    sum->usages += t->usages;
}

static void expected_finish(expected *x) {
    mg_buf_finish(&x->text);
    mg_buf_finish(&x->reasoning);
    mg_buf_finish(&x->calls);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static void check_request(const mg_json *row, mg_str line, const char *id, bool count) {
    const mg_json *request = mg_json_get(row, MG_STR("request"));
    sent s;
    mg_buf out = {0};
    mg_error error = {0};
    mg_provider_request r = {.operation = count ? MG_OP_COUNT_TOKENS : MG_OP_CHAT, .format = MG_FORMAT_ANTHROPIC};
    r.body = source(request, line);
    r.model = text_at(request, "model");
    r.stream = flag_at(request, "stream");
    if (provider_encode(&plain, &r, &s, &out, &error) != MG_OK) fail_msg("%s: %s", id, error.text);
    if (!mg_str_eq(mg_buf_view(&out), r.body)) fail_msg("%s: the request was changed to %s", id, out.p);
    assert_string_equal(s.dropped, "");
    assert_true(mg_str_eq(recordings_text(row, "path"), mg_str_of(s.path)));
    mg_buf_finish(&out);
}

static void check_plain(mg_str body, const char *id, totals *sum) {
    expected x = {0};
    recordings_tally t = {0};
    mg_error error;
    const mg_json *root = provider_json(&plain, body);
    const mg_json *b = mg_json_get(root, MG_STR("content"));
    provider_begin(&plain);
    if (provider_decode(&plain, MG_OP_CHAT, false, "", body, recordings_event, &t, &error) != MG_OK)
        fail_msg("%s: %s", id, error.text);
    for (b = b ? b->child : NULL; b; b = b->next) expect_block(&x, b, body, false);
    expect_usage(&x, mg_json_get(root, MG_STR("usage")));
    compare(id, &x, &t);
    sum->plain++;
    sum_up(sum, &t);
    expected_finish(&x);
    recordings_tally_finish(&t);
}

static void check_stream(mg_str body, const char *id, totals *sum) {
    expected x = {0};
    recordings_tally t = {0};
    mg_error error;
    mg_str data;
    provider_begin(&plain);
    while (recordings_frame(&body, &data)) {
        if (provider_decode(&plain, MG_OP_CHAT, true, "", data, recordings_event, &t, &error) != MG_OK)
            fail_msg("%s: %s: " MG_STR_FMT, id, error.text, MG_STR_ARG(data));
        expect_event(&x, provider_json(&plain, data), data);
        sum->frames++;
    }
    compare(id, &x, &t);
    same_number(id, "ends", 1, t.dones);
    sum->streams++;
    sum_up(sum, &t);
    expected_finish(&x);
    recordings_tally_finish(&t);
}

static void check_count(mg_str body, const char *id, totals *sum) {
    recordings_tally t = {0};
    mg_error error;
    if (provider_decode(&plain, MG_OP_COUNT_TOKENS, false, "", body, recordings_event, &t, &error) != MG_OK)
        fail_msg("%s: %s", id, error.text);
    same_number(id, "tokens", mg_json_int(mg_json_path(provider_json(&plain, body), "input_tokens"), -1),
                t.usage.input);
    sum->counts++;
}

static void check_failure(mg_str body, int status, const char *id, totals *sum) {
    mg_classification c = {.size = sizeof c};
    mg_frame f = {.size = sizeof f, .status = status, .data = body, .json = provider_json(&plain, body)};
    plain.ops->classify(plain.self, &f, NULL, 0, &c);
    if (c.failure == MG_FAIL_NONE || !c.message.n || !c.code.n) fail_msg("%s: failure %d", id, c.failure);
    if (status == 401) same_number(id, "failure", MG_FAIL_AUTH, c.failure);
    if (strstr(c.message.p, "prompt is too long")) same_number(id, "failure", MG_FAIL_CONTEXT_LENGTH, c.failure);
    sum->failures++;
}

static void check_row(const mg_json *row, mg_str line, void *arg) {
    totals *sum = arg;
    char id[64];
    snprintf(id, sizeof id, MG_STR_FMT, MG_STR_ARG(recordings_text(row, "id")));
    bool count = mg_str_is(recordings_text(row, "path"), "/v1/messages/count_tokens");
    mg_str body = recordings_text(row, "body");
    int status = (int)mg_json_int(mg_json_get(row, MG_STR("status")), 0);
    check_request(row, line, id, count);
    sum->requests++;
    if (status != 200)
        check_failure(body, status, id, sum);
    else if (count)
        check_count(body, id, sum);
    else if (flag_at(row, "stream"))
        check_stream(body, id, sum);
    else
        check_plain(body, id, sum);
}

static void passes_recordings(void **state) {
    (void)state;
    totals s = {0};
    if (!recordings_walk(&plain, "anthropic.jsonl.gz", check_row, &s)) recordings_skip();
    print_message("case              count\n"
                  "requests          %5d  unchanged\nplain answers     %5d\nstreams           %5d  of %d frames\n"
                  "counts of tokens  %5d\nfailures          %5d\ntool calls        %5d\nwith thinking     %5d\n"
                  "signatures        %5d\ncitations         %5d\nother blocks      %5d\nusages            %5d\n",
                  s.requests, s.plain, s.streams, s.frames, s.counts, s.failures, s.calls, s.thoughts, s.signatures,
                  s.citations, s.others, s.usages);
    assert_true(s.requests > 100 && s.plain > 50 && s.streams > 10 && s.failures > 0 && s.calls > 10 && s.thoughts > 5);
}

/* ---- other people's fixtures: bodies without requests ------------------------------------------------------------ */

static void check_fixture(const mg_json *row, mg_str line, void *arg) {
    mg_str name = recordings_text(row, "name"), body = recordings_text(row, "body");
    recordings_tally t = {0};
    mg_error error;
    (void)line;
    if (!mg_str_is(recordings_text(row, "provider"), "anthropic")) return;
    provider_begin(&plain);
    if (mg_str_is(recordings_text(row, "kind"), "json_body")) {
        assert_int_equal(provider_decode(&plain, MG_OP_CHAT, false, "", body, recordings_event, &t, &error), MG_OK);
    } else {
        while (body.n) { /* the data of an event each line */
            mg_str data = mg_str_from(body.p, mg_str_find(body, '\n'));
            body = mg_str_skip(body, data.n + 1);
            assert_int_equal(provider_decode(&plain, MG_OP_CHAT, true, "", data, recordings_event, &t, &error), MG_OK);
        }
        if (!t.dones) fail_msg(MG_STR_FMT ": no end", MG_STR_ARG(name));
    }
    if (t.errors || !t.finishes || !t.usages) fail_msg(MG_STR_FMT ": not whole", MG_STR_ARG(name));
    recordings_tally_finish(&t);
    ++*(int *)arg;
}

static void passes_fixtures(void **state) {
    (void)state;
    int n = 0;
    if (!recordings_walk(&plain, "vercel_fixtures.jsonl.gz", check_fixture, &n)) recordings_skip();
    print_message("%d fixtures\n", n);
    assert_true(n > 10);
}

/* ---- mutations --------------------------------------------------------------------------------------------------- */

static void ignore_event(void *ctx, const mg_event *e) {
    (void)ctx;
    assert_int_equal(e->size, sizeof *e);
}

/* Every value in turn replaced by another type: nothing may crash. */
static void mutate(mg_str text, const mg_json *v, bool stream) {
    static const char *const others[] = {
        "null", "7", "\"x\"", "[]", "{}", "[{}]", "true", "-1e400", "\"input_json_delta\""};
    mg_error error;
    mg_buf b = {0};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        mg_buf_clear(&b);
        mg_buf_add(&b, text.p, v->src);
        mg_buf_str(&b, mg_str_of(others[i]));
        mg_buf_add(&b, text.p + v->src_end, text.n - v->src_end);
        provider_decode(&plain, MG_OP_CHAT, stream, "", mg_buf_view(&b), ignore_event, NULL, &error);
    }
    mg_buf_finish(&b);
    for (const mg_json *c = v->child; c; c = c->next) mutate(text, c, stream);
}

static void mutate_row(const mg_json *row, mg_str line, void *arg) {
    mg_str body = recordings_text(row, "body"), data;
    (void)line;
    if (body.n > 6000 || ++*(int *)arg > 60) return;
    provider_begin(&plain);
    if (!flag_at(row, "stream")) {
        const mg_json *root = provider_json(&plain, body);
        if (root) mutate(body, root, false);
        return;
    }
    while (recordings_frame(&body, &data)) mutate(data, provider_json(&plain, data), true);
}

static void survives_mutations(void **state) {
    (void)state;
    int n = 0;
    if (!recordings_walk(&plain, "anthropic.jsonl.gz", mutate_row, &n)) recordings_skip();
    assert_true(n > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_recordings),
        cmocka_unit_test(passes_fixtures),
        cmocka_unit_test(survives_mutations),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
