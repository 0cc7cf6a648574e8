/* The openai provider on recorded traffic: nothing may be lost, and nothing may crash. */
#include "provider.h"

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

static mg_classification classify(int status, mg_str body) {
    mg_classification c = {.size = sizeof c};
    mg_frame f = {.size = sizeof f, .status = status, .data = body, .json = provider_json(&plain, body)};
    plain.ops->classify(plain.self, &f, NULL, 0, &c);
    return c;
}

typedef struct tally {
    mg_buf text; /* of choice 0 */
    int64_t input, output, cached, reasoning;
    int usages, errors, dones, tools, finishes;
} tally;

static void on_tally(void *ctx, const mg_event *e) {
    tally *t = ctx;
    if (e->type == MG_EVENT_TEXT && e->choice == 0) mg_buf_str(&t->text, e->text);
    if (e->type == MG_EVENT_USAGE) {
        t->usages++;
        t->input = e->usage->input;
        t->output = e->usage->output;
        t->cached = e->usage->cached;
        t->reasoning = e->usage->reasoning;
    }
    t->errors += e->type == MG_EVENT_ERROR;
    t->dones += e->type == MG_EVENT_DONE;
    t->finishes += e->type == MG_EVENT_FINISH;
    t->tools += e->type == MG_EVENT_TOOL && e->name.n > 0;
}

typedef struct totals {
    int plain, streams, embeddings, failures, skipped, frames, usages, tools;
} totals;

/* The data of one event of a recorded stream; false at its end. Recordings hold one data line an event. */
static bool frame_next(mg_str *body, mg_str *data) {
    while (body->n) {
        mg_str line = mg_str_from(body->p, mg_str_find(*body, '\n'));
        *body = mg_str_skip(*body, line.n + 1);
        if (line.n && line.p[line.n - 1] == '\r') line.n--;
        if (mg_str_starts(line, MG_STR("data:"))) {
            *data = mg_str_trim(mg_str_skip(line, 5));
            return true;
        }
    }
    return false;
}

static void check_plain(mg_operation op, mg_str body, const tally *t, const char *id) {
    const mg_json *root = provider_json(&plain, body), *usage = mg_json_get(root, MG_STR("usage"));
    mg_str content = mg_json_text(mg_json_path(root, "choices.0.message.content"));
    size_t calls = 0;
    const mg_json *call = mg_json_path(root, "choices.0.message.tool_calls");
    for (call = call ? call->child : NULL; call; call = call->next) calls++;
    if (op == MG_OP_CHAT && !mg_str_eq(content, mg_buf_view(&t->text)) && content.n)
        fail_msg("%s: text differs from choices.0.message.content", id);
    if (calls > (size_t)t->tools) fail_msg("%s: %zu tool calls, %d reported", id, calls, t->tools);
    if (mg_json_kind(usage) == MG_JSON_OBJECT) {
        if (t->usages != 1) fail_msg("%s: %d usages", id, t->usages);
        assert_int_equal(t->input, mg_json_int(mg_json_get(usage, MG_STR("prompt_tokens")), 0));
        assert_true(t->output >= mg_json_int(mg_json_get(usage, MG_STR("completion_tokens")), 0));
        int64_t cached = mg_json_int(mg_json_path(usage, "prompt_tokens_details.cached_tokens"), 0);
        assert_int_equal(t->cached, cached < t->input ? cached : t->input);
        assert_int_equal(t->reasoning,
                         mg_json_int(mg_json_path(usage, "completion_tokens_details.reasoning_tokens"), 0));
    }
}

/* The text of a stream, put together without the plugin. */
static void stream_text(mg_str body, mg_buf *out, int *usages) {
    mg_str data;
    *usages = 0;
    while (frame_next(&body, &data)) {
        const mg_json *root = provider_json(&plain, data);
        const mg_json *choices = mg_json_get(root, MG_STR("choices"));
        *usages += mg_json_kind(mg_json_get(root, MG_STR("usage"))) == MG_JSON_OBJECT;
        for (const mg_json *c = choices ? choices->child : NULL; c; c = c->next)
            if (mg_json_int(mg_json_get(c, MG_STR("index")), 0) == 0) {
                mg_buf_str(out, mg_json_text(mg_json_path(c, "delta.content")));
                mg_buf_str(out, mg_json_text(mg_json_path(c, "delta.refusal")));
            }
    }
}

static void check_stream(mg_str body, const char *id, totals *sum) {
    tally t = {0};
    mg_buf expected = {0};
    mg_error error;
    mg_str data, rest = body;
    int usages;
    while (frame_next(&rest, &data)) {
        if (provider_decode(&plain, MG_OP_CHAT, true, "", data, on_tally, &t, &error) != MG_OK)
            fail_msg("%s: %s: " MG_STR_FMT, id, error.text, MG_STR_ARG(data));
        sum->frames++;
    }
    stream_text(body, &expected, &usages);
    if (!mg_str_eq(mg_buf_view(&expected), mg_buf_view(&t.text))) fail_msg("%s: the stream's text differs", id);
    if (usages > t.usages) fail_msg("%s: %d usages, %d reported", id, usages, t.usages);
    if (t.dones != 1 || t.errors) fail_msg("%s: %d ends, %d errors", id, t.dones, t.errors);
    sum->usages += t.usages;
    sum->tools += t.tools;
    mg_buf_finish(&expected);
    mg_buf_finish(&t.text);
}

static void check_recording(const mg_json *row, totals *sum) {
    mg_str path = mg_json_text(mg_json_get(row, MG_STR("path"))), body = mg_json_text(mg_json_get(row, MG_STR("body")));
    char id[64];
    snprintf(id, sizeof id, MG_STR_FMT, MG_STR_ARG(mg_json_text(mg_json_get(row, MG_STR("id")))));
    bool chat = mg_str_glob(MG_STR("*/chat/completions"), path), embed = mg_str_glob(MG_STR("*/embeddings"), path);
    int status = (int)mg_json_int(mg_json_get(row, MG_STR("status")), 0);
    if (!chat && !embed) {
        sum->skipped++;
    } else if (status != 200) {
        mg_classification c = classify(status, body);
        if (c.failure == MG_FAIL_NONE || !c.message.n) fail_msg("%s: failure %d", id, c.failure);
        if (status == 401) assert_int_equal(c.failure, MG_FAIL_AUTH);
        sum->failures++;
    } else if (mg_json_bool(mg_json_get(row, MG_STR("stream")), false)) {
        check_stream(body, id, sum);
        sum->streams++;
    } else {
        tally t = {0};
        mg_error error;
        mg_operation op = chat ? MG_OP_CHAT : MG_OP_EMBEDDINGS;
        if (provider_decode(&plain, op, false, "", body, on_tally, &t, &error) != MG_OK)
            fail_msg("%s: %s", id, error.text);
        check_plain(op, body, &t, id);
        *(chat ? &sum->plain : &sum->embeddings) += 1;
        sum->usages += t.usages;
        sum->tools += t.tools;
        mg_buf_finish(&t.text);
    }
}

static const char *data_folder(void) {
    const char *folder = getenv("MOONGATE_DATA");
    return folder ? folder : "../shared/data";
}

/* Calls `each` for every recording of the file; false if there is no such file. */
static bool recordings_walk(const char *name, void (*each)(const mg_json *row, totals *sum), totals *sum) {
    char command[512], *line = NULL;
    size_t cap = 0;
    mg_error error;
    snprintf(command, sizeof command, "%s/recordings/%s", data_folder(), name);
    if (access(command, R_OK) != 0) return false;
    snprintf(command, sizeof command, "gzip -dcf '%s/recordings/%s'", data_folder(), name);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    mg_arena *arena = mg_arena_create(1 << 16);
    for (ssize_t n; (n = getline(&line, &cap, f)) > 0; mg_arena_reset(arena), mg_arena_reset(plain.arena)) {
        const mg_json *row;
        if (mg_json_parse_copy(plain.parser, arena, mg_str_from(line, (size_t)n), &row, &error) != MG_OK)
            fail_msg("%s: %s", name, error.text);
        each(row, sum);
    }
    assert_int_equal(pclose(f), 0);
    mg_arena_destroy(arena);
    free(line);
    return true;
}

static void decodes_recordings(void **state) {
    (void)state;
    totals sum = {0};
    if (!recordings_walk("openai.jsonl.gz", check_recording, &sum)) {
        print_message("skipped: no recordings in %s (set MOONGATE_DATA)\n", data_folder());
        skip();
    }
    recordings_walk("azure.jsonl", check_recording, &sum);
    print_message(
        "%d plain, %d streams of %d frames, %d embeddings, %d failures; %d usages, %d tool calls; %d of other "
        "routes\n",
        sum.plain, sum.streams, sum.frames, sum.embeddings, sum.failures, sum.usages, sum.tools, sum.skipped);
    assert_true(sum.plain > 100 && sum.streams > 10 && sum.embeddings > 0 && sum.failures > 0);
}

static void ignore_event(void *ctx, const mg_event *e) {
    (void)ctx;
    assert_int_equal(e->size, sizeof *e);
}

static void try_decode(mg_str text) {
    mg_error error;
    for (int op = MG_OP_CHAT; op <= MG_OP_MODERATIONS; op++)
        provider_decode(&plain, (mg_operation)op, true, "", text, ignore_event, NULL, &error);
    assert_true(classify(400, text).failure != MG_FAIL_NONE);
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

static void mutate_recording(const mg_json *row, totals *sum) {
    mg_str body = mg_json_text(mg_json_get(row, MG_STR("body")));
    mg_error error;
    const mg_json *root;
    if (body.n > 4000 || sum->plain >= 60) return;
    mg_arena *arena = mg_arena_create(4096);
    if (mg_json_parse_copy(plain.parser, arena, body, &root, &error) == MG_OK) {
        mutate_value(body, root);
        sum->plain++;
    }
    mg_arena_destroy(arena);
}

static void survives_mutated_recordings(void **state) {
    (void)state;
    totals sum = {0};
    if (!recordings_walk("azure.jsonl", mutate_recording, &sum)) {
        print_message("skipped: no recordings in %s (set MOONGATE_DATA)\n", data_folder());
        skip();
    }
    assert_true(sum.plain > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_recordings),
        cmocka_unit_test(survives_mutated_recordings),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
