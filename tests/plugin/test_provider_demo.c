#include <math.h>

#include "provider.h"

static provider p;

static int setup(void **state) {
    (void)state;
    provider_open(&p, "demo", NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    provider_close(&p);
    return 0;
}

/* The frames of one answer. */
typedef struct frames {
    mg_buf items[256];
    size_t n;
} frames;

static void on_frame(void *ctx, const mg_event *e) {
    frames *f = ctx;
    assert_int_equal(e->type, MG_EVENT_TEXT);
    assert_true(f->n < 256);
    mg_buf_str(&f->items[f->n++], e->text);
}

static void frames_finish(frames *f) {
    for (size_t i = 0; i < f->n; i++) mg_buf_finish(&f->items[i]);
    f->n = 0;
}

static mg_status ask(mg_operation op, bool stream, bool usage, const char *body, frames *f, mg_error *error) {
    mg_sink sink = {sizeof sink, f, on_frame};
    mg_provider_request r = {.size = sizeof r, .operation = op, .model = MG_STR("demo"), .stream = stream};
    r.want_usage = usage;
    r.body = mg_str_of(body);
    r.root = r.body.n ? provider_json(&p, r.body) : NULL;
    *f = (frames){.n = 0};
    return p.ops->answer(p.self, &r, &sink, error);
}

static const mg_json *parsed(const mg_buf *b) {
    const mg_json *root = provider_json(&p, mg_buf_view(b));
    if (!root) fail_msg("no JSON: " MG_STR_FMT, MG_STR_ARG(mg_buf_view(b)));
    return root;
}

typedef struct heard {
    mg_buf text[2]; /* of choices 0 and 1 */
    mg_buf finish;
    int64_t input, output;
    int usages, alone, dones, metas;
} heard;

static void on_heard(void *ctx, const mg_event *e) {
    heard *h = ctx;
    if (e->type == MG_EVENT_TEXT) mg_buf_str(&h->text[e->choice], e->text);
    if (e->type == MG_EVENT_FINISH) mg_buf_str(&h->finish, e->text);
    h->dones += e->type == MG_EVENT_DONE;
    h->metas += e->type == MG_EVENT_META;
    if (e->type == MG_EVENT_USAGE) {
        h->usages++;
        h->alone += e->alone;
        h->input = e->usage->input;
        h->output = e->usage->output;
    }
}

static void hear(const frames *f, bool stream, heard *h) {
    mg_error error;
    *h = (heard){.usages = 0};
    for (size_t i = 0; i < f->n; i++)
        assert_int_equal(provider_decode(&p, MG_OP_CHAT, stream, "", mg_buf_view(&f->items[i]), on_heard, h, &error),
                         MG_OK);
}

static void heard_finish(heard *h) {
    mg_buf_finish(&h->text[0]);
    mg_buf_finish(&h->text[1]);
    mg_buf_finish(&h->finish);
}

#define INTRO "This is the demo provider of this gateway. No model was asked. "

static void answers_plainly(void **state) {
    (void)state;
    mg_error error;
    frames f;
    heard h;
    const char *body =
        "{\"model\":\"demo\",\"messages\":[{\"role\":\"system\",\"content\":\"be kind\"},{\"role\":\"user\","
        "\"content\":\"old\"},{\"role\":\"user\",\"content\":\"say \\\"h\\u00e9\\\"\\n\"}]}";
    assert_int_equal(ask(MG_OP_CHAT, false, false, body, &f, &error), MG_OK);
    assert_int_equal(f.n, 1);
    hear(&f, false, &h);
    assert_true(mg_str_is(mg_buf_view(&h.text[0]), INTRO "Your last message was: say \"hé\"\n"));
    assert_true(mg_str_is(mg_buf_view(&h.finish), "stop"));
    assert_int_equal(h.usages, 1);
    assert_int_equal(h.input, (7 + 3 + 10 + 3) / 4);
    assert_int_equal(h.output, (h.text[0].n + 3) / 4);
    const mg_json *root = parsed(&f.items[0]);
    assert_true(mg_str_is(mg_json_text(mg_json_path(root, "object")), "chat.completion"));
    assert_true(mg_str_is(mg_json_text(mg_json_path(root, "model")), "demo"));
    assert_int_equal(mg_json_int(mg_json_path(root, "usage.total_tokens"), 0), h.input + h.output);
    heard_finish(&h);
    frames_finish(&f);
}

static void streams_the_same(void **state) {
    (void)state;
    mg_error error;
    frames plain, f;
    heard one, h;
    const char *body =
        "{\"stream\":true,\"n\":2,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
        "\"päärts \"},{\"type\":\"image_url\",\"image_url\":{}},{\"type\":\"text\",\"text\":\"ünd möre\"}]}]}";
    assert_int_equal(ask(MG_OP_CHAT, false, false, body, &plain, &error), MG_OK);
    assert_int_equal(ask(MG_OP_CHAT, true, true, body, &f, &error), MG_OK);
    hear(&plain, false, &one);
    hear(&f, true, &h);
    assert_true(f.n > 6);
    for (int i = 0; i < 2; i++) assert_true(mg_str_eq(mg_buf_view(&h.text[i]), mg_buf_view(&one.text[i])));
    assert_true(mg_str_eq(mg_buf_view(&h.text[0]), mg_buf_view(&h.text[1])));
    assert_non_null(memmem(h.text[0].p, h.text[0].n, "päärts ünd möre", strlen("päärts ünd möre")));
    assert_true(mg_str_is(mg_buf_view(&h.finish), "stopstop"));
    assert_int_equal(h.dones, 1);
    assert_int_equal(h.usages, 1);
    assert_int_equal(h.alone, 1);
    assert_int_equal(h.output, one.output);
    assert_true(mg_str_is(mg_buf_view(&f.items[f.n - 1]), "[DONE]"));
    heard_finish(&one);
    heard_finish(&h);
    frames_finish(&plain);
    frames_finish(&f);
}

static void sends_usage_only_when_asked(void **state) {
    (void)state;
    mg_error error;
    frames f;
    heard h;
    assert_int_equal(ask(MG_OP_CHAT, true, false, "{\"messages\":[]}", &f, &error), MG_OK);
    hear(&f, true, &h);
    assert_int_equal(h.usages, 0);
    assert_int_equal(h.dones, 1);
    assert_non_null(memmem(h.text[0].p, h.text[0].n, "no text of a user", 17));
    heard_finish(&h);
    frames_finish(&f);
    const char *body = "{\"messages\":[],\"stream_options\":{\"include_usage\":true}}";
    assert_int_equal(ask(MG_OP_CHAT, true, false, body, &f, &error), MG_OK);
    hear(&f, true, &h);
    assert_int_equal(h.usages, 1);
    assert_int_equal(mg_json_kind(mg_json_get(parsed(&f.items[0]), MG_STR("usage"))), MG_JSON_NULL);
    heard_finish(&h);
    frames_finish(&f);
}

/* A long message is cut between characters, wherever the limit falls. */
static void cuts_between_characters(void **state) {
    (void)state;
    mg_error error;
    char body[2048];
    for (size_t shift = 0; shift < 4; shift++) {
        frames f;
        heard h;
        int n = snprintf(body, sizeof body, "{\"messages\":[{\"role\":\"user\",\"content\":\"%.*s", (int)shift, "xxx");
        for (int i = 0; i < 100; i++) n += snprintf(body + n, sizeof body - (size_t)n, "%s", "\xf0\x9f\x8c\x99");
        snprintf(body + n, sizeof body - (size_t)n, "\"}]}");
        assert_int_equal(ask(MG_OP_CHAT, true, false, body, &f, &error), MG_OK);
        hear(&f, true, &h); /* the parser refuses a frame with half a character */
        assert_non_null(memmem(h.text[0].p, h.text[0].n, "Your last message began: ", 25));
        assert_true(h.text[0].n <= sizeof INTRO + 25 + 200);
        heard_finish(&h);
        frames_finish(&f);
    }
}

static void keeps_to_max_tokens(void **state) {
    (void)state;
    mg_error error;
    frames f;
    heard h;
    const char *body = "{\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}";
    assert_int_equal(ask(MG_OP_CHAT, true, true, body, &f, &error), MG_OK);
    hear(&f, true, &h);
    assert_int_equal(h.output, 5);
    assert_int_equal(h.text[0].n, 20);
    assert_true(mg_str_is(mg_buf_view(&h.finish), "length"));
    heard_finish(&h);
    frames_finish(&f);
}

static void refuses_bad_requests(void **state) {
    (void)state;
    static const struct {
        mg_operation op;
        const char *body;
    } bad[] = {
        {MG_OP_CHAT, "{}"},
        {MG_OP_CHAT, "{\"messages\":7}"},
        {MG_OP_CHAT, "[]"},
        {MG_OP_CHAT, "{\"messages\":[],\"n\":0}"},
        {MG_OP_CHAT, "{\"messages\":[],\"n\":17}"},
        {MG_OP_CHAT, "{\"messages\":[],\"max_tokens\":0}"},
        {MG_OP_CHAT, "{\"messages\":[],\"max_tokens\":\"x\"}"},
        {MG_OP_EMBEDDINGS, "{}"},
        {MG_OP_EMBEDDINGS, "{\"input\":\"\"}"},
        {MG_OP_EMBEDDINGS, "{\"input\":[]}"},
        {MG_OP_EMBEDDINGS, "{\"input\":[\"a\",7]}"},
        {MG_OP_EMBEDDINGS, "{\"input\":[1,-2]}"},
        {MG_OP_EMBEDDINGS, "{\"input\":{\"a\":1}}"},
        {MG_OP_EMBEDDINGS, "{\"input\":\"a\",\"dimensions\":0}"},
        {MG_OP_EMBEDDINGS, "{\"input\":\"a\",\"dimensions\":257}"},
        {MG_OP_EMBEDDINGS, "{\"input\":\"a\",\"encoding_format\":\"int8\"}"},
        {MG_OP_MODERATIONS, "{\"input\":\"a\"}"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        mg_error error = {0};
        frames f;
        if (ask(bad[i].op, true, false, bad[i].body, &f, &error) != MG_ERROR || f.n) fail_msg("%s", bad[i].body);
        assert_int_equal(error.http, 400);
        assert_true(error.text[0]);
    }
    mg_error error;
    frames f;
    assert_int_equal(
        ask(MG_OP_CHAT, false, false, "{\"messages\":[7,{\"role\":[],\"content\":[7,{\"text\":{}}]}]}", &f, &error),
        MG_OK);
    frames_finish(&f);
    mg_provider_request r = {.size = sizeof r};
    assert_int_equal(p.ops->encode(p.self, &r, NULL, &error), MG_ERROR);
}

/* ---- embeddings -------------------------------------------------------------------------------------------------- */

static size_t vector_read(const mg_json *list, double *out) {
    size_t n = 0;
    for (const mg_json *v = list->child; v; v = v->next) {
        assert_true(n < 256);
        out[n++] = mg_json_number(v, NAN);
    }
    return n;
}

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void embeds(void **state) {
    (void)state;
    mg_error error;
    frames f;
    double v[4][256];
    assert_int_equal(
        ask(MG_OP_EMBEDDINGS, false, false, "{\"input\":[\"hello\",\"hello\",\"hullo\",[1,2,3]]}", &f, &error), MG_OK);
    const mg_json *root = parsed(&f.items[0]), *data = mg_json_get(root, MG_STR("data"));
    assert_int_equal(data->count, 4);
    size_t i = 0;
    for (const mg_json *e = data->child; e; e = e->next, i++) {
        assert_int_equal(mg_json_int(mg_json_get(e, MG_STR("index")), -1), (int)i);
        assert_int_equal(vector_read(mg_json_get(e, MG_STR("embedding")), v[i]), 256);
        assert_true(fabs(dot(v[i], v[i], 256) - 1) < 1e-5);
    }
    assert_memory_equal(v[0], v[1], sizeof v[0]);
    assert_true(fabs(dot(v[0], v[2], 256)) < 0.4);
    assert_int_equal(mg_json_int(mg_json_path(root, "usage.prompt_tokens"), 0), 2 + 2 + 2 + 3);
    frames_finish(&f);
}

static size_t base64_read(mg_str text, unsigned char *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = 0;
    uint32_t bits = 0, held = 0;
    assert_int_equal(text.n % 4, 0);
    for (size_t i = 0; i < text.n && text.p[i] != '='; i++) {
        const char *at = strchr(digits, text.p[i]);
        assert_non_null(at);
        bits = bits << 6 | (uint32_t)(at - digits);
        held += 6;
        if (held >= 8) out[n++] = (unsigned char)(bits >> (held -= 8));
    }
    return n;
}

static void embeds_in_base64(void **state) {
    (void)state;
    mg_error error;
    for (int dimensions = 1; dimensions <= 256; dimensions = dimensions < 4 ? dimensions + 1 : dimensions * 4) {
        char body[128];
        frames f, g;
        double v[256];
        unsigned char bytes[1100];
        snprintf(body, sizeof body, "{\"input\":\"hello\",\"dimensions\":%d,\"encoding_format\":\"base64\"}",
                 dimensions);
        assert_int_equal(ask(MG_OP_EMBEDDINGS, false, false, body, &f, &error), MG_OK);
        snprintf(body, sizeof body, "{\"input\":\"hello\",\"dimensions\":%d,\"encoding_format\":\"float\"}",
                 dimensions);
        assert_int_equal(ask(MG_OP_EMBEDDINGS, false, false, body, &g, &error), MG_OK);
        mg_str text = mg_json_text(mg_json_path(parsed(&f.items[0]), "data.0.embedding"));
        assert_int_equal(base64_read(text, bytes), dimensions * 4);
        assert_int_equal(vector_read(mg_json_path(parsed(&g.items[0]), "data.0.embedding"), v), dimensions);
        for (int i = 0; i < dimensions; i++) {
            float one;
            memcpy(&one, bytes + 4 * i, 4);
            assert_true(fabs((double)one - v[i]) < 1e-6);
        }
        frames_finish(&f);
        frames_finish(&g);
    }
}

static void lists_its_model(void **state) {
    (void)state;
    mg_error error;
    frames f;
    assert_int_equal(ask(MG_OP_MODELS, false, false, "", &f, &error), MG_OK);
    assert_true(mg_str_is(mg_json_text(mg_json_path(parsed(&f.items[0]), "data.0.id")), "demo"));
    frames_finish(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_plainly),
        cmocka_unit_test(streams_the_same),
        cmocka_unit_test(sends_usage_only_when_asked),
        cmocka_unit_test(cuts_between_characters),
        cmocka_unit_test(keeps_to_max_tokens),
        cmocka_unit_test(refuses_bad_requests),
        cmocka_unit_test(embeds),
        cmocka_unit_test(embeds_in_base64),
        cmocka_unit_test(lists_its_model),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
