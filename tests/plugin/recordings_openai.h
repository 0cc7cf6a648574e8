/* Checks one recorded exchange in OpenAI's formats: the request goes out as it came, and the answer loses nothing. What is
 * expected is put together from the recording without the plugin. */
#ifndef TESTS_PLUGIN_RECORDINGS_OPENAI_H
#define TESTS_PLUGIN_RECORDINGS_OPENAI_H

#include "recordings.h"

typedef struct exchange_totals {
    int requests, chats, chat_streams, responses, response_streams, embeddings, moderations, failures, errors, others;
    int frames, usages, calls, reasonings, signatures, citations, other_items, vectors, logprobs;
} exchange_totals;

typedef struct exchange {
    provider *p;
    const mg_json *row;
    mg_str line; /* the row's text */
    char id[32];
    mg_operation operation;
    exchange_totals *sum;
    bool no_terminator; /* the recording was stripped of it */
} exchange;

/* ---- what the recording says --------------------------------------------------------------------------------------- */

static inline mg_str json_text(const mg_json *v, const char *path) { return mg_json_text(mg_json_path(v, path)); }
static inline const mg_json *json_first(const mg_json *v, const char *path) {
    const mg_json *list = mg_json_path(v, path);
    return list ? list->child : NULL;
}

static inline void expect_call(recordings_tally *t, int64_t index, mg_str name, mg_str arguments) {
    mg_event e = {.size = sizeof e, .type = MG_EVENT_TOOL, .index = index, .name = name, .text = arguments};
    recordings_call(t, &e);
}

/* A message, or the delta of a chunk. */
static inline void expect_message(recordings_tally *t, const mg_json *m) {
    int64_t place = 0;
    mg_str reasoning = json_text(m, "reasoning_content");
    mg_buf_str(&t->reasoning, reasoning.n ? reasoning : json_text(m, "reasoning"));
    mg_buf_str(&t->text, json_text(m, "content"));
    mg_buf_str(&t->refusal, json_text(m, "refusal"));
    for (const mg_json *c = json_first(m, "tool_calls"); c; c = c->next, place++)
        expect_call(t, mg_json_int(mg_json_get(c, MG_STR("index")), place), json_text(c, "function.name"),
                    json_text(c, "function.arguments"));
    if (mg_json_get(m, MG_STR("function_call")))
        expect_call(t, 0, json_text(m, "function_call.name"), json_text(m, "function_call.arguments"));
    for (const mg_json *a = json_first(m, "annotations"); a; a = a->next) t->citations++;
    t->media += json_text(m, "audio.data").n > 0;
}

static inline void expect_chat(recordings_tally *t, const mg_json *root) {
    for (const mg_json *c = json_first(root, "choices"); c; c = c->next) {
        const mg_json *delta = mg_json_get(c, MG_STR("delta"));
        if (mg_json_int(mg_json_get(c, MG_STR("index")), 0) == 0)
            expect_message(t, delta ? delta : mg_json_get(c, MG_STR("message")));
    }
    const mg_json *u = mg_json_get(root, MG_STR("usage"));
    if (mg_json_kind(u) != MG_JSON_OBJECT) return;
    t->usages++;
    t->usage.input = mg_json_int(mg_json_get(u, MG_STR("prompt_tokens")), 0);
    t->usage.output = mg_json_int(mg_json_get(u, MG_STR("completion_tokens")), 0);
    t->usage.cached = mg_json_int(mg_json_path(u, "prompt_tokens_details.cached_tokens"), 0);
    t->usage.reasoning = mg_json_int(mg_json_path(u, "completion_tokens_details.reasoning_tokens"), 0);
}

static inline void expect_texts(mg_buf *out, const mg_json *item, const char *list) {
    for (const mg_json *x = json_first(item, list); x; x = x->next) mg_buf_str(out, json_text(x, "text"));
}

static inline void expect_item(recordings_tally *t, const mg_json *item) {
    mg_str type = json_text(item, "type");
    if (mg_str_is(type, "message")) {
        for (const mg_json *x = json_first(item, "content"); x; x = x->next) {
            /* As output_text of the official clients. */
            if (mg_str_is(json_text(x, "type"), "output_text")) mg_buf_str(&t->text, json_text(x, "text"));
            mg_buf_str(&t->refusal, json_text(x, "refusal"));
            for (const mg_json *a = json_first(x, "annotations"); a; a = a->next) t->citations++;
        }
    } else if (mg_str_is(type, "reasoning")) {
        expect_texts(&t->reasoning, item, "summary");
        expect_texts(&t->reasoning, item, "content");
        t->signatures += json_text(item, "encrypted_content").n > 0;
    } else if (mg_str_is(type, "function_call")) {
        expect_call(t, t->n_calls, json_text(item, "name"), json_text(item, "arguments"));
    } else if (mg_str_is(type, "custom_tool_call")) {
        expect_call(t, t->n_calls, json_text(item, "name"), json_text(item, "input"));
    } else if (mg_str_is(type, "image_generation_call")) {
        t->media++;
    } else {
        t->others++;
    }
}

static inline void expect_response(recordings_tally *t, const mg_json *root) {
    for (const mg_json *item = json_first(root, "output"); item; item = item->next) expect_item(t, item);
    const mg_json *u = mg_json_get(root, MG_STR("usage"));
    if (mg_json_kind(u) != MG_JSON_OBJECT) return;
    t->usages++;
    t->usage.input = mg_json_int(mg_json_get(u, MG_STR("input_tokens")), 0);
    t->usage.output = mg_json_int(mg_json_get(u, MG_STR("output_tokens")), 0);
    t->usage.cached = mg_json_int(mg_json_path(u, "input_tokens_details.cached_tokens"), 0);
    t->usage.reasoning = mg_json_int(mg_json_path(u, "output_tokens_details.reasoning_tokens"), 0);
}

/* ---- comparison ---------------------------------------------------------------------------------------------------- */

static inline void same_text(const exchange *x, const char *what, mg_buf *said, mg_buf *expected) {
    mg_str a = mg_buf_view(said), b = mg_buf_view(expected);
    if (!mg_str_eq(a, b))
        fail_msg("%s: %s: [" MG_STR_FMT "], not [" MG_STR_FMT "]", x->id, what, MG_STR_ARG(a), MG_STR_ARG(b));
}

static inline void same_number(const exchange *x, const char *what, int64_t said, int64_t expected) {
    if (said != expected) fail_msg("%s: %s: %lld, not %lld", x->id, what, (long long)said, (long long)expected);
}

static inline void same_answer(const exchange *x, recordings_tally *said, recordings_tally *expected) {
    same_text(x, "text", &said->text, &expected->text);
    same_text(x, "reasoning", &said->reasoning, &expected->reasoning);
    same_text(x, "refusal", &said->refusal, &expected->refusal);
    same_text(x, "calls", &said->calls, &expected->calls);
    same_number(x, "citations", said->citations, expected->citations);
    same_number(x, "signatures", said->signatures, expected->signatures);
    same_number(x, "other items", said->others, expected->others);
    same_number(x, "media", said->media, expected->media);
    if (expected->usages) {
        int64_t cached = expected->usage.cached; /* Grok on Azure names more than all input */
        same_number(x, "usages", said->usages, expected->usages);
        same_number(x, "input", said->usage.input, expected->usage.input);
        if (said->usage.output < expected->usage.output) fail_msg("%s: fewer output tokens", x->id);
        same_number(x, "cached", said->usage.cached, cached < said->usage.input ? cached : said->usage.input);
        same_number(x, "reasoning tokens", said->usage.reasoning, expected->usage.reasoning);
    }
    x->sum->usages += said->usages;
    x->sum->calls += said->n_calls;
    x->sum->reasonings += said->reasoning.n > 0;
    x->sum->signatures += said->signatures;
    x->sum->citations += said->citations;
    x->sum->other_items += said->others;
    x->sum->vectors += said->vectors;
    x->sum->logprobs += said->logprobs > 0;
}

/* ---- answers --------------------------------------------------------------------------------------------------------- */

static inline void decode_frame(const exchange *x, bool stream, mg_str data, recordings_tally *t) {
    mg_error error;
    if (provider_decode(x->p, x->operation, stream, "", data, recordings_event, t, &error) != MG_OK)
        fail_msg("%s: %s: " MG_STR_FMT, x->id, error.text, MG_STR_ARG(data));
}

static inline void expect_stream_frame(const exchange *x, mg_str data, recordings_tally *expected) {
    const mg_json *root = provider_json(x->p, data);
    if (x->p->format != MG_FORMAT_RESPONSES)
        expect_chat(expected, root);
    else if (mg_str_is(json_text(root, "type"), "response.completed") ||
             mg_str_is(json_text(root, "type"), "response.incomplete"))
        expect_response(expected, mg_json_get(root, MG_STR("response")));
}

/* `next` takes the next frame's data off the body. */
static inline void check_stream(const exchange *x, mg_str body, bool (*next)(mg_str *body, mg_str *data)) {
    recordings_tally said = {0}, expected = {0};
    mg_str data;
    int answers = 0; /* fixtures hold those of a whole conversation */
    while (next(&body, &data)) {
        bool first = mg_str_is(json_text(provider_json(x->p, data), "type"), "response.created");
        if (first || !answers) {
            provider_begin(x->p);
            said.call = -1;
            answers++;
        }
        decode_frame(x, true, data, &said);
        expect_stream_frame(x, data, &expected);
        x->sum->frames++;
    }
    same_answer(x, &said, &expected);
    if (said.dones != (x->no_terminator ? 0 : answers) || said.errors)
        fail_msg("%s: %d ends, %d errors", x->id, said.dones, said.errors);
    if (!said.finishes) fail_msg("%s: no finish reason", x->id);
    recordings_tally_finish(&said);
    recordings_tally_finish(&expected);
}

static inline void check_plain(const exchange *x, mg_str body) {
    recordings_tally said = {0}, expected = {0};
    const mg_json *root = provider_json(x->p, body), *error = mg_json_get(root, MG_STR("error"));
    provider_begin(x->p);
    decode_frame(x, false, body, &said);
    if (mg_json_kind(error) == MG_JSON_OBJECT) { /* Azure's screening, under status 200 */
        same_number(x, "errors", said.errors, 1);
        x->sum->errors++;
    } else if (x->operation == MG_OP_CHAT) {
        (x->p->format == MG_FORMAT_RESPONSES ? expect_response : expect_chat)(&expected, root);
        same_answer(x, &said, &expected);
        bool later = mg_str_is(json_text(root, "status"), "queued"); /* it is made in the background */
        same_number(x, "finish reasons", said.finishes > 0, !later);
        if (expected.n_calls) assert_string_equal(said.finish, "tool_calls");
    } else if (x->operation == MG_OP_EMBEDDINGS) {
        const mg_json *list = mg_json_get(root, MG_STR("data"));
        same_number(x, "vectors", said.vectors, list->count);
        assert_true(said.usages == 1 && said.usage.input > 0);
        x->sum->vectors += said.vectors;
    } else {
        same_number(x, "usages of a moderation", said.usages, 0);
    }
    recordings_tally_finish(&said);
    recordings_tally_finish(&expected);
}

static inline void check_failure(const exchange *x, int status, mg_str body) {
    mg_classification c = {.size = sizeof c};
    mg_frame f = {.size = sizeof f, .status = status, .data = body, .json = provider_json(x->p, body)};
    x->p->ops->classify(x->p->self, &f, NULL, 0, &c);
    if (c.failure == MG_FAIL_NONE || !c.message.n) fail_msg("%s: failure %d", x->id, c.failure);
    if (status == 401) same_number(x, "failure", c.failure, MG_FAIL_AUTH);
    if (status == 404) same_number(x, "failure", c.failure, MG_FAIL_NOT_FOUND);
    if (mg_str_is(c.code, "context_length_exceeded")) same_number(x, "failure", c.failure, MG_FAIL_CONTEXT_LENGTH);
}

/* ---- requests -------------------------------------------------------------------------------------------------------- */

/* Byte-equal, but for the usage that a stream is asked for. Returns false if the recording holds no request. */
static inline bool check_request(const exchange *x, sent *s) {
    const mg_json *v = mg_json_get(x->row, MG_STR("request"));
    mg_error error = {0};
    mg_buf out = {0};
    if (mg_json_kind(v) != MG_JSON_OBJECT) return false;
    mg_provider_request r = {.operation = x->operation, .format = x->p->format, .api_key = MG_STR("k")};
    r.body = mg_str_from(x->line.p + v->src, v->src_end - v->src);
    r.model = json_text(v, "model");
    r.stream = r.want_usage = mg_json_bool(mg_json_get(v, MG_STR("stream")), false);
    if (provider_encode(x->p, &r, s, &out, &error) != MG_OK) fail_msg("%s: %s", x->id, error.text);
    bool asked = mg_json_bool(mg_json_path(v, "stream_options.include_usage"), false);
    bool asks = x->operation == MG_OP_CHAT && r.stream && !asked && r.format == MG_FORMAT_OPENAI;
    if (s->n > asks) fail_msg("%s: %zu changes", x->id, s->n);
    if (!s->n && !mg_str_eq(r.body, mg_buf_view(&out))) fail_msg("%s: the request's body differs", x->id);
    assert_string_equal(s->dropped, "");
    mg_buf_finish(&out);
    x->sum->requests++;
    return true;
}

static inline void exchange_check(exchange *x) {
    mg_str body = recordings_text(x->row, "body");
    int status = (int)mg_json_int(mg_json_get(x->row, MG_STR("status")), 0);
    bool stream = mg_json_bool(mg_json_get(x->row, MG_STR("stream")), false);
    bool responses = x->p->format == MG_FORMAT_RESPONSES;
    if (status != 200) {
        check_failure(x, status, body);
        x->sum->failures++;
    } else if (stream) {
        check_stream(x, body, recordings_frame);
        *(responses ? &x->sum->response_streams : &x->sum->chat_streams) += 1;
    } else {
        check_plain(x, body);
        int *count = x->operation == MG_OP_EMBEDDINGS    ? &x->sum->embeddings
                     : x->operation == MG_OP_MODERATIONS ? &x->sum->moderations
                     : responses                         ? &x->sum->responses
                                                         : &x->sum->chats;
        *count += 1;
    }
}

/* What the path asks for; false if it is none of the gateway's operations. */
static inline bool exchange_route(exchange *x) {
    static const struct {
        const char *path;
        mg_operation operation;
        mg_format_id format;
    } routes[] = {{"*/chat/completions", MG_OP_CHAT, MG_FORMAT_OPENAI},
                  {"*/responses", MG_OP_CHAT, MG_FORMAT_RESPONSES},
                  {"*/embeddings", MG_OP_EMBEDDINGS, MG_FORMAT_OPENAI},
                  {"*/moderations", MG_OP_MODERATIONS, MG_FORMAT_OPENAI}};
    snprintf(x->id, sizeof x->id, MG_STR_FMT, MG_STR_ARG(recordings_text(x->row, "id")));
    bool post = mg_str_is(recordings_text(x->row, "method"), "POST");
    for (size_t i = 0; post && i < sizeof routes / sizeof routes[0]; i++)
        if (mg_str_glob(mg_str_of(routes[i].path), recordings_text(x->row, "path"))) {
            x->operation = routes[i].operation;
            x->p->format = routes[i].format;
            return true;
        }
    x->sum->others++;
    return false;
}

static inline void exchange_totals_print(const exchange_totals *t) {
    print_message(
        "requests unchanged   %5d\nchat                 %5d\nchat streams         %5d\nresponses            %5d\n"
        "responses streams    %5d\nembeddings           %5d\nmoderations          %5d\nfailures             %5d\n"
        "errors in 200        %5d\nother routes         %5d\n",
        t->requests, t->chats, t->chat_streams, t->responses, t->response_streams, t->embeddings, t->moderations,
        t->failures, t->errors, t->others);
    print_message(
        "frames               %5d\nusages               %5d\ncalls                %5d\nanswers with reasoning %3d\n"
        "signatures           %5d\ncitations            %5d\nother items          %5d\nvectors              %5d\n"
        "answers with logprobs %4d\n",
        t->frames, t->usages, t->calls, t->reasonings, t->signatures, t->citations, t->other_items, t->vectors,
        t->logprobs);
}

#endif
