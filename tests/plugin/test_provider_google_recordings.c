/* The google provider on recorded traffic of both hosts: requests go on as they are, and nothing of an answer is
 * lost. What went over OpenAI's format at Google's host is another provider's. */
#include "recordings.h"

static provider gemini, vertex;

static void vertex_set(mg_setting_values *v) {
    mg_error error;
    mg_setting_set(v, MG_STR("project"), MG_STR("p"), &error);
    mg_setting_set(v, MG_STR("api_version"), MG_STR("v1beta1"), &error);
}

static int setup(void **state) {
    (void)state;
    provider_open(&gemini, "google", NULL);
    provider_open(&vertex, "google", vertex_set);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    provider_close(&gemini);
    provider_close(&vertex);
    return 0;
}

typedef struct totals {
    int requests, plain, streams, lists, counts, embeddings, failures, others;
    int frames, texts, thoughts, calls, signatures, citations, other_parts, logprobs, filtered, endless;
} totals;

typedef struct recording {
    char id[64];
    provider *p;
    mg_operation op;
    mg_str model, method, body;
    bool stream;
} recording;

/* False for a route of another format. */
static bool recording_read(const mg_json *row, recording *r) {
    mg_str path = recordings_text(row, "path");
    size_t models = 0, colon = path.n;
    while (models < path.n && !mg_str_starts(mg_str_skip(path, models), MG_STR("/models/"))) models++;
    while (colon > 0 && path.p[colon - 1] != ':') colon--;
    if (models == path.n || colon == 0) return false;
    *r = (recording){.p = mg_str_glob(MG_STR("*aiplatform*"), recordings_text(row, "host")) ? &vertex : &gemini};
    snprintf(r->id, sizeof r->id, MG_STR_FMT, MG_STR_ARG(recordings_text(row, "id")));
    r->model = mg_str_from(path.p + models + 8, colon - 1 - models - 8);
    r->method = mg_str_skip(path, colon);
    r->op = mg_str_glob(MG_STR("count*"), r->method)   ? MG_OP_COUNT_TOKENS
            : mg_str_glob(MG_STR("*mbed*"), r->method) ? MG_OP_EMBEDDINGS
                                                       : MG_OP_CHAT;
    r->stream = mg_json_bool(mg_json_get(row, MG_STR("stream")), false);
    r->body = recordings_text(row, "body");
    return true;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static void check_request(const mg_json *row, mg_str line, void *arg) {
    totals *sum = arg;
    recording rec;
    const mg_json *request = mg_json_get(row, MG_STR("request"));
    if (!recording_read(row, &rec) || mg_json_kind(request) != MG_JSON_OBJECT) return;
    /* Vertex AI takes batches of texts in a form of its own. */
    if (!rec.p->ops->native(rec.p->self, rec.op, MG_FORMAT_GEMINI)) return;
    mg_provider_request r = {.operation = rec.op, .format = MG_FORMAT_GEMINI, .model = rec.model, .stream = rec.stream};
    r.body = mg_str_from(line.p + request->src, request->src_end - request->src);
    sent s;
    mg_buf out = {0};
    mg_error error;
    char path[256];
    if (provider_encode(rec.p, &r, &s, &out, &error) != MG_OK) fail_msg("%s: %s", rec.id, error.text);
    if (!mg_str_eq(mg_buf_view(&out), r.body)) fail_msg("%s: the request was changed: %s", rec.id, out.p);
    /* Names that were replaced in the recordings have brackets, which are escaped: only the method is compared
     * there. */
    snprintf(path, sizeof path, "/models/" MG_STR_FMT ":" MG_STR_FMT "%s", MG_STR_ARG(rec.model),
             MG_STR_ARG(rec.method), rec.stream ? "?alt=sse" : "");
    if (strcmp(s.path, path) != 0) fail_msg("%s: %s is not %s", rec.id, s.path, path);
    mg_buf_finish(&out);
    sum->requests++;
}

static void passes_requests_on(void **state) {
    (void)state;
    totals sum = {0};
    if (!recordings_walk(&gemini, "gemini.jsonl.gz", check_request, &sum)) recordings_skip();
    print_message("%d requests\n", sum.requests);
    assert_true(sum.requests > 200);
}

/* ---- answers, put together without the plugin -------------------------------------------------------------------- */

typedef struct expected {
    mg_buf text, reasoning, calls; /* of choice 0, as recordings_tally has them */
    int n_calls, signatures, finishes, others, media;
    bool pieces; /* the arguments are in pieces, whose sum is tested elsewhere */
    const mg_json *usage; /* the last with counts */
} expected;

static mg_str source(mg_str data, const mg_json *v) { return mg_str_from(data.p + v->src, v->src_end - v->src); }

static void expect_part(mg_str data, const mg_json *part, int64_t choice, expected *x) {
    const mg_json *call = mg_json_get(part, MG_STR("functionCall")), *args = mg_json_get(call, MG_STR("args"));
    const mg_json *text = mg_json_get(part, MG_STR("text"));
    bool thought = mg_json_bool(mg_json_get(part, MG_STR("thought")), false);
    if (choice == 0) mg_buf_str(thought ? &x->reasoning : &x->text, mg_json_text(text));
    if (choice == 0 && mg_json_get(call, MG_STR("name"))) {
        if (x->n_calls++) mg_buf_str(&x->calls, MG_STR(")"));
        mg_buf_str(&x->calls, mg_json_text(mg_json_get(call, MG_STR("name"))));
        mg_buf_str(&x->calls, MG_STR("("));
        mg_buf_str(&x->calls, args ? source(data, args) : MG_STR("{}"));
    }
    x->pieces |= mg_json_get(call, MG_STR("partialArgs")) != NULL;
    x->signatures += mg_json_text(mg_json_get(part, MG_STR("thoughtSignature"))).n > 0;
    x->media += mg_json_get(part, MG_STR("inlineData")) != NULL;
    x->others += mg_json_get(part, MG_STR("executableCode")) || mg_json_get(part, MG_STR("codeExecutionResult"));
}

static void expect_response(mg_str data, const mg_json *root, expected *x) {
    const mg_json *usage = mg_json_get(root, MG_STR("usageMetadata")), *c = mg_json_get(root, MG_STR("candidates"));
    if (mg_json_get(usage, MG_STR("promptTokenCount")) || mg_json_get(usage, MG_STR("totalTokenCount")))
        x->usage = usage;
    int64_t place = 0;
    for (c = c ? c->child : NULL; c; c = c->next, place++) {
        int64_t choice = mg_json_int(mg_json_get(c, MG_STR("index")), place);
        const mg_json *p = mg_json_path(c, "content.parts");
        for (p = p ? p->child : NULL; p; p = p->next) expect_part(data, p, choice, x);
        x->finishes += mg_json_get(c, MG_STR("finishReason")) != NULL;
    }
    x->finishes += mg_json_path(root, "promptFeedback.blockReason") != NULL;
}

static int64_t number(const mg_json *v, const char *key) { return mg_json_int(mg_json_get(v, mg_str_of(key)), 0); }

static void compare(const recording *rec, const expected *x, const recordings_tally *t) {
    if (!mg_str_eq(mg_buf_view(&x->text), mg_buf_view(&t->text))) fail_msg("%s: text differs", rec->id);
    if (!mg_str_eq(mg_buf_view(&x->reasoning), mg_buf_view(&t->reasoning))) fail_msg("%s: thoughts differ", rec->id);
    if (!x->pieces && !mg_str_eq(mg_buf_view(&x->calls), mg_buf_view(&t->calls))) fail_msg("%s: calls differ", rec->id);
    if (t->errors || t->dones) fail_msg("%s: %d errors, %d ends", rec->id, t->errors, t->dones);
    assert_int_equal(t->signatures, x->signatures);
    assert_int_equal(t->finishes, x->finishes);
    assert_true(t->others >= x->others);
    assert_int_equal(t->media, x->media);
    if (x->n_calls && x->finishes == 1) assert_string_not_equal(t->finish, "stop");
    if (!x->usage) return;
    assert_true(t->usages > 0);
    int64_t output = number(x->usage, "candidatesTokenCount") + number(x->usage, "thoughtsTokenCount");
    assert_int_equal(t->usage.input,
                     number(x->usage, "promptTokenCount") + number(x->usage, "toolUsePromptTokenCount"));
    assert_int_equal(t->usage.output, output);
    assert_int_equal(t->usage.reasoning, number(x->usage, "thoughtsTokenCount"));
    assert_int_equal(t->usage.cached, number(x->usage, "cachedContentTokenCount"));
}

static void decode(const recording *rec, bool stream, mg_str data, recordings_tally *t) {
    mg_error error;
    if (provider_decode(rec->p, rec->op, stream, "", data, recordings_event, t, &error) != MG_OK)
        fail_msg("%s: %s", rec->id, error.text);
}

/* An answer of events, or in one piece; a list, decoded whole and element by element. */
static void check_chat(const recording *rec, totals *sum) {
    recordings_tally t = {0}, pieces = {0};
    expected x = {0};
    mg_str body = rec->body, data;
    const mg_json *root = provider_json(rec->p, body);
    bool list = mg_json_kind(root) == MG_JSON_ARRAY;
    provider_begin(rec->p);
    rec->p->format = MG_FORMAT_GEMINI; /* as it was asked for: a broken call is then no error of ours */
    if (root && !list) {
        expect_response(body, root, &x);
        decode(rec, false, body, &t);
        sum->plain++;
    } else if (list) {
        for (const mg_json *v = root->child; v; v = v->next) expect_response(body, v, &x);
        decode(rec, false, body, &t);
        provider_begin(rec->p);
        for (const mg_json *v = root->child; v; v = v->next) decode(rec, true, source(body, v), &pieces);
        compare(rec, &x, &pieces);
        sum->lists++;
    } else {
        while (recordings_frame(&body, &data)) {
            expect_response(data, provider_json(rec->p, data), &x);
            decode(rec, true, data, &t);
            sum->frames++;
        }
        sum->streams++;
    }
    compare(rec, &x, &t);
    if (t.finishes == 0) sum->endless++;
    sum->texts += t.text.n > 0;
    sum->thoughts += t.reasoning.n > 0;
    sum->calls += t.n_calls;
    sum->signatures += t.signatures;
    sum->citations += t.citations;
    sum->other_parts += t.others;
    sum->logprobs += t.logprobs;
    sum->filtered += strcmp(t.finish, "content_filter") == 0;
    mg_buf_finish(&x.text);
    mg_buf_finish(&x.reasoning);
    mg_buf_finish(&x.calls);
    recordings_tally_finish(&t);
    recordings_tally_finish(&pieces);
}

static void check_numbers(const recording *rec, totals *sum) {
    recordings_tally t = {0};
    const mg_json *root = provider_json(rec->p, rec->body), *list = mg_json_get(root, MG_STR("embeddings"));
    decode(rec, false, rec->body, &t);
    if (rec->op == MG_OP_COUNT_TOKENS) {
        assert_int_equal(t.usage.input, number(root, "totalTokens"));
        sum->counts++;
    } else {
        assert_int_equal(t.vectors, list->count);
        assert_int_equal(t.usage.input, number(mg_json_get(root, MG_STR("usageMetadata")), "promptTokenCount"));
        sum->embeddings++;
    }
    recordings_tally_finish(&t);
}

static void check_failure(const recording *rec, int status) {
    mg_classification c = {.size = sizeof c};
    mg_frame f = {.size = sizeof f, .status = status, .data = rec->body, .json = provider_json(rec->p, rec->body)};
    rec->p->ops->classify(rec->p->self, &f, NULL, 0, &c);
    static const struct {
        int status;
        const char *says;
        mg_failure failure;
    } known[] = {{400, "*API key not valid*", MG_FAIL_AUTH},
                 {400, "*exceeds the maximum number of tokens*", MG_FAIL_CONTEXT_LENGTH},
                 {400, "*", MG_FAIL_BAD_REQUEST},
                 {401, "*", MG_FAIL_AUTH},
                 {404, "*", MG_FAIL_NOT_FOUND},
                 {429, "*", MG_FAIL_RATE},
                 {503, "*", MG_FAIL_OVERLOADED}};
    if (c.failure == MG_FAIL_NONE || !c.message.n) fail_msg("%s: failure %d", rec->id, c.failure);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (status == known[i].status && mg_str_glob(mg_str_of(known[i].says), c.message)) {
            if (c.failure != known[i].failure) fail_msg("%s: failure %d", rec->id, c.failure);
            break;
        }
    if (status == 429) assert_true(c.retry_after_ms > 0);
}

static void check_answer(const mg_json *row, mg_str line, void *arg) {
    (void)line;
    totals *sum = arg;
    recording rec;
    int status = (int)mg_json_int(mg_json_get(row, MG_STR("status")), 0);
    if (!recording_read(row, &rec)) {
        sum->others++;
    } else if (status != 200) {
        check_failure(&rec, status);
        sum->failures++;
    } else if (rec.op == MG_OP_CHAT) {
        check_chat(&rec, sum);
    } else {
        check_numbers(&rec, sum);
    }
    mg_arena_reset(vertex.arena);
}

static void decodes_answers(void **state) {
    (void)state;
    totals s = {0};
    if (!recordings_walk(&gemini, "gemini.jsonl.gz", check_answer, &s)) recordings_skip();
    print_message(
        "  plain %d, streams %d (%d frames), lists %d, counts %d, embeddings %d, failures %d, of OpenAI's format %d\n",
        s.plain, s.streams, s.frames, s.lists, s.counts, s.embeddings, s.failures, s.others);
    print_message("  with text %d, with thoughts %d, calls %d, signatures %d, sources %d, other parts %d, logprobs %d, "
                  "filtered %d, without an end %d\n",
                  s.texts, s.thoughts, s.calls, s.signatures, s.citations, s.other_parts, s.logprobs, s.filtered,
                  s.endless);
    assert_true(s.plain > 100 && s.streams > 10 && s.counts > 0 && s.embeddings > 0 && s.failures > 0 && s.calls > 0);
}

/* ---- bodies of a client's own tests ------------------------------------------------------------------------------ */

/* Each line is one event's data. */
static void check_lines(recording *rec, totals *sum) {
    recordings_tally t = {0};
    expected x = {0};
    mg_str body = rec->body;
    provider_begin(rec->p);
    while (body.n) {
        mg_str line = mg_str_from(body.p, mg_str_find(body, '\n'));
        body = mg_str_skip(body, line.n + 1);
        if (!mg_str_trim(line).n) continue;
        expect_response(line, provider_json(rec->p, line), &x);
        decode(rec, true, line, &t);
    }
    mg_str calls = mg_buf_view(&t.calls), args = mg_str_skip(calls, mg_str_find(calls, '(') + 1);
    if (x.pieces && t.n_calls == 1 && mg_json_kind(provider_json(rec->p, args)) != MG_JSON_OBJECT)
        fail_msg("%s: no arguments: " MG_STR_FMT, rec->id, MG_STR_ARG(args));
    compare(rec, &x, &t);
    sum->streams++;
    mg_buf_finish(&x.text);
    mg_buf_finish(&x.reasoning);
    mg_buf_finish(&x.calls);
    recordings_tally_finish(&t);
}

static void check_fixture(const mg_json *row, mg_str line, void *arg) {
    (void)line;
    totals *sum = arg;
    recording rec = {.p = &gemini, .body = recordings_text(row, "body")};
    snprintf(rec.id, sizeof rec.id, "%.60s", recordings_text(row, "name").p);
    if (!mg_str_is(recordings_text(row, "provider"), "gemini")) return;
    const mg_json *root = provider_json(&gemini, rec.body);
    if (mg_str_is(recordings_text(row, "kind"), "sse_data_lines")) {
        check_lines(&rec, sum);
    } else if (mg_json_get(root, MG_STR("error"))) {
        check_failure(&rec, (int)number(mg_json_get(root, MG_STR("error")), "code"));
        sum->failures++;
    } else if (mg_json_get(root, MG_STR("candidates"))) {
        check_chat(&rec, sum);
    } else {
        recordings_tally t = {0};
        rec.op = MG_OP_EMBEDDINGS;
        decode(&rec, false, rec.body, &t);
        if (t.vectors) sum->embeddings++;
        recordings_tally_finish(&t);
    }
}

static void decodes_fixtures(void **state) {
    (void)state;
    totals s = {0};
    if (!recordings_walk(&gemini, "vercel_fixtures.jsonl.gz", check_fixture, &s)) recordings_skip();
    print_message("  plain %d, streams %d, embeddings %d, failures %d\n", s.plain, s.streams, s.embeddings, s.failures);
    assert_true(s.plain + s.streams > 0);
}

/* ---- robustness -------------------------------------------------------------------------------------------------- */

static void ignore_event(void *ctx, const mg_event *e) {
    (void)ctx;
    assert_int_equal(e->size, sizeof *e);
}

static void try_text(mg_str text) {
    mg_error error;
    mg_classification c = {.size = sizeof c};
    provider_begin(&gemini);
    for (int op = MG_OP_CHAT; op <= MG_OP_COUNT_TOKENS; op++)
        provider_decode(&gemini, (mg_operation)op, true, "", text, ignore_event, NULL, &error);
    mg_frame f = {.size = sizeof f, .status = 400, .data = text, .json = provider_json(&gemini, text)};
    gemini.ops->classify(gemini.self, &f, NULL, 0, &c);
    assert_true(c.failure != MG_FAIL_NONE);
}

/* Every value of an answer in turn replaced by another type: nothing may crash. */
static void mutate_value(mg_str text, const mg_json *v) {
    static const char *const others[] = {"null", "7", "\"x\"", "[]", "{}", "[{}]", "true", "-1e400"};
    for (const mg_json *c = v->child; c; c = c->next) mutate_value(text, c);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        mg_buf b = {0};
        mg_buf_add(&b, text.p, v->src);
        mg_buf_str(&b, mg_str_of(others[i]));
        mg_buf_add(&b, text.p + v->src_end, text.n - v->src_end);
        try_text(mg_buf_view(&b));
        mg_buf_finish(&b);
    }
}

static void mutate_recording(const mg_json *row, mg_str line, void *arg) {
    (void)line;
    int *done = arg;
    mg_str body = recordings_text(row, "body");
    mg_error error;
    const mg_json *root;
    if (body.n > 4000 || *done >= 60) return;
    mg_arena *arena = mg_arena_create(4096);
    if (mg_json_parse_copy(gemini.parser, arena, body, &root, &error) == MG_OK) {
        mutate_value(body, root);
        ++*done;
    }
    mg_arena_destroy(arena);
}

static void survives_mutated_recordings(void **state) {
    (void)state;
    int done = 0;
    if (!recordings_walk(&gemini, "gemini.jsonl.gz", mutate_recording, &done)) recordings_skip();
    assert_true(done > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_requests_on),
        cmocka_unit_test(decodes_answers),
        cmocka_unit_test(decodes_fixtures),
        cmocka_unit_test(survives_mutated_recordings),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
