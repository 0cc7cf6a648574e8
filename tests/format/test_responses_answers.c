/* The responses format: answers out of events, plain and streamed, against one another and OpenAI's schemas. */
#include "responses_fixture.h"

#define F mg_format_responses

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static const mg_json *output(const mg_json *response, size_t i) {
    const mg_json *item = mg_json_get(response, MG_STR("output"));
    item = item ? item->child : NULL;
    for (; item && i; i--) item = item->next;
    assert_non_null(item);
    return item;
}

static mg_str at(const mg_json *v, const char *path) { return mg_json_text(mg_json_path(v, path)); }

#define ASSERT_AT(v, path, expected)                                                                                   \
    do {                                                                                                               \
        mg_str got_ = at(v, path);                                                                                     \
        if (!mg_str_is(got_, expected))                                                                                \
            fail_msg("%s is '" MG_STR_FMT "', not '%s'", path, MG_STR_ARG(got_), expected);                            \
    } while (0)

static void plain_answer(void **state) {
    (void)state;
    const mg_event events[] = {
        text_event(MG_EVENT_REASONING, "hm"),     text_event(MG_EVENT_TEXT, "Hel"), text_event(MG_EVENT_TEXT, "lo"),
        tool_event(0, "f", "call_1", "{\"a\""),   tool_event(0, "", "", ":1}"),     tool_event(1, "g", "", ""),
        text_event(MG_EVENT_FINISH, "tool_calls")};
    const mg_json *r = fixture_json(fixture_plain(events, 7, NULL));
    ASSERT_AT(r, "id", "resp_0123456789abcdef0123456789abcdef");
    ASSERT_AT(r, "object", "response");
    ASSERT_AT(r, "status", "completed");
    ASSERT_AT(r, "model", "vendor-model");
    ASSERT_AT(output(r, 0), "summary.0.text", "hm");
    ASSERT_AT(output(r, 1), "content.0.text", "Hello");
    ASSERT_AT(output(r, 1), "status", "completed");
    ASSERT_AT(output(r, 2), "arguments", "{\"a\":1}");
    ASSERT_AT(output(r, 2), "call_id", "call_1");
    ASSERT_AT(output(r, 3), "arguments", "{}");
    assert_true(at(output(r, 3), "call_id").n > 5);
    assert_int_equal(mg_json_int(mg_json_path(r, "usage.total_tokens"), 0), 50);
    assert_int_equal(mg_json_int(mg_json_path(r, "usage.input_tokens_details.cached_tokens"), 0), 5);
    assert_int_equal(mg_json_int(mg_json_path(r, "usage.output_tokens_details.reasoning_tokens"), 0), 7);
}

static void plain_incomplete(void **state) {
    (void)state;
    const mg_event cut[] = {text_event(MG_EVENT_TEXT, "Once"), text_event(MG_EVENT_FINISH, "length")};
    const mg_json *r = fixture_json(fixture_plain(cut, 2, NULL));
    ASSERT_AT(r, "status", "incomplete");
    ASSERT_AT(r, "incomplete_details.reason", "max_output_tokens");
    ASSERT_AT(output(r, 0), "status", "incomplete");
    const mg_event filtered[] = {text_event(MG_EVENT_FINISH, "content_filter")};
    ASSERT_AT(fixture_json(fixture_plain(filtered, 1, NULL)), "incomplete_details.reason", "content_filter");
    const mg_event refusal[] = {text_event(MG_EVENT_REFUSAL, "No."), text_event(MG_EVENT_FINISH, "stop")};
    ASSERT_AT(output(fixture_json(fixture_plain(refusal, 2, NULL)), 0), "content.0.refusal", "No.");
}

static const char *const request_text =
    "{\"model\":\"asked\",\"input\":\"hi\",\"instructions\":\"be\",\"temperature\":0.50,\"metadata\":{\"a\":\"b\"},"
    "\"max_output_tokens\":64,\"tools\":[{\"type\":\"function\",\"name\":\"f\"},{\"type\":\"custom\",\"name\":\"g\"},"
    "{\"type\":\"mcp\",\"server_label\":\"s\",\"server_url\":\"https://s\",\"authorization\":\"hush\",\"headers\":{"
    "\"x\":\"hush\"}}],\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"},\"parallel_tool_calls\":false,\"text\":{"
    "\"verbosity\":\"low\"},\"reasoning\":{\"effort\":\"low\",\"summary\":\"auto\"},\"service_tier\":\"auto\",\"user\":"
    "\"u\",\"safety_identifier\":null,\"top_p\":null}";

static void echoes_request(void **state) {
    (void)state;
    const mg_event events[] = {tool_event(0, "g", "call_1", "raw input"), text_event(MG_EVENT_FINISH, "tool_calls")};
    mg_str text = fixture_plain(events, 2, fixture_z(request_text));
    const mg_json *r = fixture_json(text);
    ASSERT_AT(r, "instructions", "be");
    ASSERT_AT(r, "metadata.a", "b");
    ASSERT_AT(r, "tool_choice.name", "f");
    ASSERT_AT(r, "text.format.type", "text");
    ASSERT_AT(r, "text.verbosity", "low");
    ASSERT_AT(r, "reasoning.effort", "low");
    ASSERT_AT(r, "user", "u");
    ASSERT_AT(r, "service_tier", "default");
    assert_false(mg_json_bool(mg_json_get(r, MG_STR("parallel_tool_calls")), true));
    assert_int_equal(mg_json_int(mg_json_get(r, MG_STR("max_output_tokens")), 0), 64);
    assert_int_equal(mg_json_int(mg_json_get(r, MG_STR("top_p")), 0), 1);
    assert_null(memmem(text.p, text.n, "hush", 4));
    ASSERT_AT(output(r, 0), "type", "custom_tool_call");
    ASSERT_AT(output(r, 0), "input", "raw input");
}

static void annotates(void **state) {
    (void)state;
    const mg_event events[] = {
        text_event(MG_EVENT_TEXT, "Sunny."),
        text_event(MG_EVENT_CITATION, "{\"type\":\"url_citation\",\"url_citation\":{\"url\":\"https://a\",\"title\":"
                                      "\"A\",\"start_index\":1,\"end_index\":3}}"),
        text_event(MG_EVENT_CITATION, "{\"type\":\"vendor_citation\",\"vendor\":\"anthropic\",\"citation\":{\"type\":"
                                      "\"char_location\",\"document_index\":2,\"document_title\":\"D\"}}"),
        text_event(MG_EVENT_CITATION, "{\"type\":\"vendor_citation\",\"vendor\":\"openai\",\"citation\":{\"type\":"
                                      "\"file_citation\",\"file_id\":\"file-1\",\"filename\":\"F\",\"index\":4}}"),
        text_event(MG_EVENT_CITATION, "{\"type\":\"vendor_citation\",\"vendor\":\"x\",\"citation\":{\"odd\":1}}"),
        text_event(MG_EVENT_CITATION, "not json"),
        text_event(MG_EVENT_LOGPROBS, "[{\"token\":\"S\",\"logprob\":-0.5,\"bytes\":null,\"top_logprobs\":[]}]"),
        text_event(MG_EVENT_FINISH, "stop")};
    const mg_json *item = output(fixture_json(fixture_plain(events, 8, NULL)), 0);
    assert_int_equal(mg_json_path(item, "content.0.annotations")->count, 3);
    ASSERT_AT(item, "content.0.annotations.0.url", "https://a");
    assert_int_equal(mg_json_int(mg_json_path(item, "content.0.annotations.0.end_index"), 0), 3);
    ASSERT_AT(item, "content.0.annotations.1.filename", "D");
    ASSERT_AT(item, "content.0.annotations.2.file_id", "file-1");
    assert_int_equal(mg_json_path(item, "content.0.logprobs.0.bytes")->type, MG_JSON_ARRAY);
}

/* What a vendor wants back comes back to it, through a client that only knows this format. */
static void round_trip(void **state) {
    (void)state;
    const mg_event events[] = {text_event(MG_EVENT_REASONING, "I \"think\"\n"),
                               sealed_event(MG_EVENT_SIGNATURE, "sig1", "anthropic"),
                               sealed_event(MG_EVENT_REDACTED, "blob", "anthropic"),
                               text_event(MG_EVENT_TEXT, "Hello"),
                               sealed_event(MG_EVENT_SIGNATURE, "sig2", "gemini"),
                               tool_event(0, "f", "c1", "{}"),
                               sealed_event(MG_EVENT_SIGNATURE, "sig:3", "gemini"),
                               tool_event(1, "f", "c2", "{}"),
                               text_event(MG_EVENT_REASONING, ""),
                               sealed_event(MG_EVENT_SIGNATURE, "gAAA", "openai")};
    const mg_json *r = fixture_json(fixture_plain(events, 10, NULL));
    mg_str text = fixture_plain(events, 10, NULL);
    const mg_json *list = mg_json_get(r, MG_STR("output"));
    ASSERT_AT(output(r, 0), "encrypted_content", "moongate:anthropic:signature:sig1");
    ASSERT_AT(output(r, 7), "encrypted_content", "gAAA");
    mg_str body = mg_arena_printf(fx.arena, "{\"model\":\"x\",\"input\":%.*s}", (int)(list->src_end - list->src),
                                  text.p + list->src);
    assert_string_equal(
        fixture_canonical(body, false),
        "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"I "
        "\\\"think\\\"\\n\",\"signature\":\"sig1\",\"vendor\":\"anthropic\"},{\"type\":\"redacted_thinking\",\"data\":"
        "\"blob\",\"vendor\":\"anthropic\"},{\"type\":\"text\",\"text\":\"Hello\",\"signature\":\"sig2\",\"vendor\":"
        "\"gemini\"},{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"gAAA\",\"vendor\":\"openai\"}],"
        "\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"},"
        "\"signature\":\"sig:3\",\"vendor\":\"gemini\"},{\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":"
        "\"f\","
        "\"arguments\":\"{}\"}}]}]}");
    assert_int_equal(fx.drops.n, 0);
}

static void other_blocks(void **state) {
    (void)state;
    const mg_event events[] = {
        sealed_event(MG_EVENT_OTHER,
                     "{\"type\":\"web_search_call\",\"id\":\"ws_1\",\"status\":\"completed\",\"action\":{"
                     "\"type\":\"search\",\"query\":\"q\"}}",
                     "openai"),
        sealed_event(MG_EVENT_OTHER, "{\"type\":\"server_tool_use\",\"id\":\"x\"}", "anthropic"),
        sealed_event(MG_EVENT_OTHER, "{\"type\":\"image_url\"}", "openai"),
        sealed_event(MG_EVENT_OTHER, "no json", "openai"),
        sealed_event(MG_EVENT_MEDIA, "QUJD", "image/png"),
        {.size = sizeof(mg_event),
         .type = MG_EVENT_MEDIA,
         .name = MG_STR("audio/wav"),
         .text = MG_STR("AA"),
         .id = MG_STR("spoken")}};
    const mg_json *r = fixture_json(fixture_plain(events, 6, NULL));
    assert_int_equal(mg_json_get(r, MG_STR("output"))->count, 3);
    ASSERT_AT(output(r, 0), "id", "ws_1");
    ASSERT_AT(output(r, 1), "type", "image_generation_call");
    ASSERT_AT(output(r, 1), "result", "QUJD");
    ASSERT_AT(output(r, 2), "content.0.text", "spoken");
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

/* The names of a stream's events in a line; runs of one name are written once. Checks what is true of every stream. */
static const char *sequence(mg_str frames) {
    mg_buf b = {0};
    mg_str name, data, before = {0};
    int64_t n = 0;
    while (fixture_frame(&frames, &name, &data)) {
        const mg_json *root = fixture_json(data);
        if (!mg_str_eq(mg_json_text(mg_json_get(root, MG_STR("type"))), name)) fail_msg("type is not the event's name");
        assert_int_equal(mg_json_int(mg_json_get(root, MG_STR("sequence_number")), -1), n++);
        if (mg_str_eq(name, before)) continue;
        before = name;
        mg_buf_printf(&b, "%s" MG_STR_FMT, b.n ? " " : "",
                      MG_STR_ARG(mg_str_starts(name, MG_STR("response.")) ? mg_str_skip(name, 9) : name));
    }
    const char *out = mg_arena_dup(fx.arena, mg_buf_view(&b)).p;
    mg_buf_finish(&b);
    return out;
}

static mg_str last_data(mg_str frames) {
    mg_str name, data = {0};
    while (fixture_frame(&frames, &name, &data)) continue;
    return data;
}

static void streams_text(void **state) {
    (void)state;
    const mg_event events[] = {text_event(MG_EVENT_REASONING, "h"),
                               text_event(MG_EVENT_REASONING, "m"),
                               sealed_event(MG_EVENT_SIGNATURE, "s", "anthropic"),
                               text_event(MG_EVENT_TEXT, "Hel"),
                               text_event(MG_EVENT_TEXT, "lo"),
                               text_event(MG_EVENT_FINISH, "stop")};
    mg_str frames = fixture_stream(events, 6, NULL, NULL);
    assert_string_equal(sequence(frames),
                        "created in_progress output_item.added reasoning_summary_part.added "
                        "reasoning_summary_text.delta reasoning_summary_text.done reasoning_summary_part.done "
                        "output_item.done output_item.added content_part.added output_text.delta output_text.done "
                        "content_part.done output_item.done completed");
    assert_null(memmem(frames.p, frames.n, "[DONE]", 6));
}

static void streams_calls(void **state) {
    (void)state;
    const mg_event events[] = {tool_event(0, "f", "c1", "{"), tool_event(1, "g", "c2", ""), tool_event(0, "", "", "}"),
                               text_event(MG_EVENT_FINISH, "tool_calls")};
    mg_str frames = fixture_stream(events, 4, NULL, NULL), name, data, rest = frames;
    assert_string_equal(sequence(frames),
                        "created in_progress output_item.added function_call_arguments.delta output_item.added "
                        "function_call_arguments.delta function_call_arguments.done output_item.done "
                        "function_call_arguments.delta function_call_arguments.done output_item.done completed");
    mg_buf whole[2] = {{0}, {0}};
    while (fixture_frame(&rest, &name, &data)) {
        const mg_json *root = fixture_json(data);
        int64_t i = mg_json_int(mg_json_get(root, MG_STR("output_index")), 0);
        if (mg_str_is(name, "response.function_call_arguments.delta")) mg_buf_str(&whole[i], at(root, "delta"));
        if (mg_str_is(name, "response.function_call_arguments.done"))
            assert_true(mg_str_eq(at(root, "arguments"), mg_buf_view(&whole[i])));
    }
    assert_true(mg_str_is(mg_buf_view(&whole[0]), "{}") && mg_str_is(mg_buf_view(&whole[1]), "{}"));
    mg_buf_finish(&whole[0]);
    mg_buf_finish(&whole[1]);
    const mg_event custom[] = {tool_event(0, "g", "c1", "raw")};
    assert_string_equal(sequence(fixture_stream(custom, 1, fixture_z(request_text), NULL)),
                        "created in_progress output_item.added custom_tool_call_input.delta "
                        "custom_tool_call_input.done output_item.done completed");
}

static void streams_the_rest(void **state) {
    (void)state;
    const mg_event cut[] = {text_event(MG_EVENT_REFUSAL, "No"), text_event(MG_EVENT_FINISH, "length")};
    assert_string_equal(sequence(fixture_stream(cut, 2, NULL, NULL)),
                        "created in_progress output_item.added content_part.added refusal.delta refusal.done "
                        "content_part.done output_item.done incomplete");
    const mg_event cited[] = {text_event(MG_EVENT_TEXT, "x"),
                              text_event(MG_EVENT_CITATION, "{\"type\":\"url_citation\",\"url\":\"https://a\"}"),
                              text_event(MG_EVENT_LOGPROBS, "[{\"token\":\"x\",\"logprob\":-1,\"bytes\":null}]"),
                              sealed_event(MG_EVENT_MEDIA, "AA", "image/png")};
    assert_string_equal(sequence(fixture_stream(cited, 4, NULL, NULL)),
                        "created in_progress output_item.added content_part.added output_text.delta "
                        "output_text.annotation.added output_text.delta output_text.done content_part.done "
                        "output_item.done output_item.added output_item.done completed");
    assert_string_equal(sequence(fixture_stream(NULL, 0, NULL, NULL)), "created in_progress completed");
}

static const mg_fault fault = {.status = 429,
                               .code = MG_STR_INIT("rate_limit_exceeded"),
                               .message = MG_STR_INIT("Too many \"requests\""),
                               .retry_after_ms = -1};

static void streams_errors(void **state) {
    (void)state;
    const mg_event events[] = {text_event(MG_EVENT_TEXT, "Hel")};
    mg_str frames = fixture_stream(events, 1, NULL, &fault), name, data, rest = frames;
    assert_string_equal(sequence(frames), "created in_progress output_item.added content_part.added output_text.delta "
                                          "error failed");
    while (fixture_frame(&rest, &name, &data) && !mg_str_is(name, "error")) continue;
    const mg_json *error = fixture_json(data), *failed = fixture_json(last_data(frames));
    ASSERT_AT(error, "message", "Too many \"requests\"");
    ASSERT_AT(error, "error.code", "rate_limit_exceeded"); /* what SDKs raise */
    ASSERT_AT(failed, "response.status", "failed");
    ASSERT_AT(failed, "response.error.code", "rate_limit_exceeded");
    ASSERT_AT(failed, "response.output.0.content.0.text", "Hel");
    ASSERT_AT(failed, "response.output.0.status", "incomplete");
}

/* Beyond the limit nothing more is written, and the answer says that it is not whole. */
static void stops_at_limit(void **state) {
    (void)state;
    mg_buf out = {0};
    mg_reply head;
    mg_reply_init(&head, fx.arena, MG_OP_CHAT, 10);
    mg_stream s = {.reply = &head, .arena = fx.arena, .out = &out};
    s.state = mg_arena_zalloc(fx.arena, F.stream_state);
    const mg_event e = text_event(MG_EVENT_TEXT, "123456");
    for (int i = 0; i < 3; i++) F.event(&s, &e);
    F.close(&s);
    mg_str frames = mg_arena_dup(fx.arena, mg_buf_view(&out));
    mg_buf_finish(&out);
    sequence(frames);
    ASSERT_AT(fixture_json(last_data(frames)), "response.status", "incomplete");
    ASSERT_AT(fixture_json(last_data(frames)), "response.output.0.content.0.text", "123456");
}

/* ---- every sequence of events: the stream's last event holds what the plain answer is ---------------------------- */

static uint64_t seed;
static unsigned roll(unsigned n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static mg_event random_event(bool sealable) {
    static const char *const texts[] = {"a", "\"q\"\n", "", "\xc3\xa9", "{}", "longer text of several words"};
    static const char *const vendors[] = {"anthropic", "gemini", "openai"};
    const char *text = texts[roll(6)], *vendor = vendors[roll(3)];
    switch (roll(10)) {
    case 0: return text_event(MG_EVENT_REASONING, text);
    case 1: return text_event(MG_EVENT_REFUSAL, text);
    case 2:
    case 3: {
        static const char *const ids[] = {"", "call_1", "call_2"};
        unsigned i = roll(3);
        return tool_event(i, "f", ids[i], text);
    }
    case 4:
        if (sealable) return sealed_event(MG_EVENT_SIGNATURE, "signed", vendor);
        return text_event(MG_EVENT_TEXT, text);
    case 5: return sealed_event(MG_EVENT_REDACTED, "blob", vendor);
    case 6: return text_event(MG_EVENT_CITATION, "{\"type\":\"url_citation\",\"url\":\"https://a\",\"title\":\"A\"}");
    case 7:
        if (roll(3)) return text_event(MG_EVENT_LOGPROBS, "[{\"token\":\"t\",\"logprob\":-0.1,\"bytes\":[116]}]");
        return sealed_event(MG_EVENT_MEDIA, "QUJD", roll(2) ? "image/png" : "audio/wav");
    default: return text_event(MG_EVENT_TEXT, text);
    }
}

/* A block has one signature: the next belongs to a block that has begun since. */
static bool can_seal(bool before, const mg_event *e) {
    if (e->type == MG_EVENT_SIGNATURE) return false;
    return before || e->type == MG_EVENT_TEXT || e->type == MG_EVENT_REASONING || e->type == MG_EVENT_REFUSAL ||
           e->type == MG_EVENT_REDACTED || e->type == MG_EVENT_MEDIA;
}

static void stream_equals_plain(void **state) {
    (void)state;
    static const char *const reasons[] = {"stop", "length", "content_filter", "tool_calls", ""};
    const mg_json *request = fixture_z(request_text);
    for (seed = 1; seed < 3000; seed++) {
        uint64_t start = seed;
        mg_event events[24];
        size_t n = 0, count = roll(22);
        for (bool sealable = true; n < count; n++) {
            events[n] = random_event(sealable);
            sealable = can_seal(sealable, &events[n]);
        }
        events[n++] = text_event(MG_EVENT_FINISH, reasons[roll(5)]);
        mg_str plain = fixture_plain(events, n, request), frames = fixture_stream(events, n, request, NULL);
        sequence(frames);
        mg_str data = last_data(frames);
        const mg_json *response = mg_json_get(fixture_json(data), MG_STR("response"));
        mg_str whole = mg_str_from(data.p + response->src, response->src_end - response->src);
        if (!mg_str_eq(whole, plain))
            fail_msg("seed %llu: " MG_STR_FMT " is not " MG_STR_FMT, (unsigned long long)start, MG_STR_ARG(whole),
                     MG_STR_ARG(plain));
        seed = start;
        mg_arena_reset(fx.arena);
        request = fixture_z(request_text);
    }
}

/* ---- OpenAI's schemas -------------------------------------------------------------------------------------------- */

static void write_row(FILE *f, const char *schema, mg_str value) {
    fprintf(f, "{\"schema\":\"%s\",\"value\":" MG_STR_FMT "}\n", schema, MG_STR_ARG(value));
}

static void write_answers(FILE *f, const mg_event *events, size_t n, const mg_json *request, const mg_fault *end) {
    mg_str frames = fixture_stream(events, n, request, end), name, data;
    write_row(f, "Response", fixture_plain(events, n, request));
    while (fixture_frame(&frames, &name, &data)) write_row(f, "ResponseStreamEvent", data);
}

static void write_others(FILE *f) {
    mg_buf b = {0};
    const mg_model_row rows[] = {{MG_STR("a"), MG_STR("x"), 0, 0}, {MG_STR("b"), MG_STR("y"), 1, 2}};
    F.error(&fault, &b);
    write_row(f, "ErrorResponse", mg_buf_view(&b));
    mg_buf_clear(&b);
    F.models(rows, 2, &b);
    write_row(f, "ListModelsResponse", mg_buf_view(&b));
    mg_buf_clear(&b);
    F.model(rows, &b);
    write_row(f, "Model", mg_buf_view(&b));
    mg_buf_clear(&b);
    F.count(12, &b);
    write_row(f, "TokenCountsResource", mg_buf_view(&b));
    mg_buf_finish(&b);
}

static void write_canonical(FILE *f) {
    static const char *const bodies[] = {
        "{\"model\":\"x\",\"input\":\"hi\",\"instructions\":\"be\",\"temperature\":0.5,\"max_output_tokens\":20}",
        "{\"model\":\"x\",\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"t\"},{"
        "\"type\":"
        "\"input_image\",\"image_url\":\"https://"
        "i\",\"detail\":\"low\"},{\"type\":\"input_file\",\"filename\":\"a.pdf\","
        "\"file_data\":\"AA==\"}]},{\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"x\"}]},"
        "{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\"},{\"type\":"
        "\"function_call_output\",\"call_id\":\"c\",\"output\":\"42\"}],\"tools\":[{\"type\":\"function\",\"name\":"
        "\"f\","
        "\"parameters\":{},\"strict\":false},{\"type\":\"custom\",\"name\":\"g\",\"format\":{\"type\":\"grammar\","
        "\"syntax\":\"lark\",\"definition\":\"d\"}}],\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":\"auto\","
        "\"tools\":[{\"type\":\"function\",\"name\":\"f\"}]},\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":"
        "\"n\","
        "\"schema\":{\"type\":\"object\"}},\"verbosity\":\"low\"},\"reasoning\":{\"effort\":\"low\"},\"include\":["
        "\"message.output_text.logprobs\"],\"top_logprobs\":2,\"parallel_tool_calls\":false}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        write_row(f, "CreateChatCompletionRequest", mg_str_of(fixture_canonical(mg_str_of(bodies[i]), true)));
}

static void write_rows(FILE *f) {
    const mg_json *request = fixture_z(request_text);
    const mg_event all[] = {text_event(MG_EVENT_REASONING, "hm"),
                            sealed_event(MG_EVENT_SIGNATURE, "s", "anthropic"),
                            text_event(MG_EVENT_TEXT, "Hello"),
                            text_event(MG_EVENT_CITATION, "{\"type\":\"url_citation\",\"url\":\"https://a\"}"),
                            text_event(MG_EVENT_LOGPROBS, "[{\"token\":\"H\",\"logprob\":-1,\"bytes\":null,"
                                                          "\"top_logprobs\":[{\"token\":\"G\",\"logprob\":-2}]}]"),
                            sealed_event(MG_EVENT_SIGNATURE, "s", "gemini"),
                            tool_event(0, "f", "c1", "{}"),
                            tool_event(1, "g", "c2", "raw"),
                            sealed_event(MG_EVENT_MEDIA, "AA", "image/png"),
                            text_event(MG_EVENT_REFUSAL, "No"),
                            text_event(MG_EVENT_FINISH, "length")};
    write_answers(f, all, 11, request, NULL);
    write_answers(f, all, 10, NULL, NULL);
    write_answers(f, all, 5, NULL, &fault);
    for (seed = 1; seed < 120; seed++) {
        uint64_t start = seed;
        mg_event events[16];
        for (size_t i = 0; i < 16; i++) events[i] = random_event(i && events[i - 1].type != MG_EVENT_SIGNATURE);
        write_answers(f, events, 16, roll(2) ? request : NULL, NULL);
        seed = start;
    }
    write_others(f);
    write_canonical(f);
}

/* MOONGATE_WRITTEN names a file to keep what was checked. */
static void fits_schemas(void **state) {
    (void)state;
    char path[] = "/tmp/moongate-written-XXXXXX", command[1024], spec[512];
    const char *kept = getenv("MOONGATE_WRITTEN");
    snprintf(spec, sizeof spec, "%s/specs/openai_openapi_subset.json", data_folder());
    if (access(spec, R_OK) != 0) {
        print_message("SKIPPED: no specification in %s (set MOONGATE_DATA)\n", data_folder());
        skip();
    }
    FILE *f = kept ? fopen(kept, "w") : fdopen(mkstemp(path), "w");
    assert_non_null(f);
    write_rows(f);
    assert_int_equal(fclose(f), 0);
    static const char *const pythons[] = {"build/venv/bin/python", "python3"};
    int status = 77 << 8;
    for (size_t i = 0; i < 2 && WIFEXITED(status) && (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127); i++) {
        snprintf(command, sizeof command, "%s '%s/e2e/schemas.py' '%s' '%s' >&2", pythons[i], TEST_SOURCE_DIR, spec,
                 kept ? kept : path);
        status = system(command);
    }
    if (!kept) unlink(path);
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127)) {
        print_message("SKIPPED: no python3 with jsonschema\n");
        skip();
    }
    assert_int_equal(status, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_answer),   cmocka_unit_test(plain_incomplete), cmocka_unit_test(echoes_request),
        cmocka_unit_test(annotates),      cmocka_unit_test(round_trip),       cmocka_unit_test(other_blocks),
        cmocka_unit_test(streams_text),   cmocka_unit_test(streams_calls),    cmocka_unit_test(streams_the_rest),
        cmocka_unit_test(streams_errors), cmocka_unit_test(stops_at_limit),   cmocka_unit_test(stream_equals_plain),
        cmocka_unit_test(fits_schemas),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
