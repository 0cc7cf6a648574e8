/* OpenAI's responses, as they came and as they went. */
#include "provider.h"

static provider plain;

static int setup(void **state) {
    (void)state;
    provider_open(&plain, "openai", NULL);
    plain.format = MG_FORMAT_RESPONSES;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    provider_close(&plain);
    return 0;
}

/* ---- requests ------------------------------------------------------------------------------------------------------ */

static void encodes(bool stream, const char *body, const char *expected) {
    mg_error error = {0};
    mg_buf out = {0};
    sent s;
    mg_provider_request r = {
        .operation = MG_OP_CHAT, .format = MG_FORMAT_RESPONSES, .model = MG_STR("m"), .stream = stream};
    r.want_usage = stream;
    r.body = mg_str_of(body);
    if (provider_encode(&plain, &r, &s, &out, &error) != MG_OK) fail_msg("%s: %s", body, error.text);
    assert_string_equal(s.path, "/responses");
    assert_string_equal(s.method, "POST");
    assert_string_equal(out.p, expected);
    mg_buf_finish(&out);
    mg_arena_reset(plain.arena);
}

static void changes_model_and_stream_only(void **state) {
    (void)state;
    const char *body =
        " {\"model\": \"m\", \"stream\": true,\"thinking\":1,\"top_k\":2,\"input\":[{\"cache_control\":{},"
        "\"thinking_blocks\":[]}], \"x\":1.50 }";
    encodes(true, body, body);
    encodes(false, "{\"model\":\"public\",\"input\":\"a\"}", "{\"model\":\"m\",\"input\":\"a\"}");
    encodes(true, "{\"input\":\"a\",\"stream\":false}", "{\"input\":\"a\",\"stream\":true,\"model\":\"m\"}");
    encodes(true, "{\"input\":\"a\"}", "{\"input\":\"a\",\"model\":\"m\",\"stream\":true}");
}

/* OpenAI counts itself; of other servers only those that are said to. */
static void counts_where_it_is_said(void **state) {
    (void)state;
    mg_error error;
    mg_buf out = {0};
    sent s;
    mg_provider_request r = {.operation = MG_OP_COUNT_TOKENS, .format = MG_FORMAT_RESPONSES, .model = MG_STR("m")};
    r.body = MG_STR("{\"model\":\"m\",\"input\":\"a\"}");
    assert_true(plain.ops->native(plain.self, MG_OP_COUNT_TOKENS, MG_FORMAT_RESPONSES));
    assert_int_equal(provider_encode(&plain, &r, &s, &out, &error), MG_OK);
    assert_string_equal(s.path, "/responses/input_tokens");
    assert_string_equal(out.p, r.body.p);
    mg_buf_finish(&out);
    provider_says(&plain, MG_OP_COUNT_TOKENS, false, "{\"object\":\"response.input_tokens\",\"input_tokens\":13}",
                  "USAGE in=13 out=0 cached=0 write=0 reasoning=0 audio=0/0\n");
}

static const char *set_url, *set_responses, *set_path;
static void set(mg_setting_values *v) {
    mg_error error;
    if (set_url) mg_setting_set(v, MG_STR("base_url"), mg_str_of(set_url), &error);
    if (set_responses) mg_setting_set(v, MG_STR("responses"), mg_str_of(set_responses), &error);
    if (set_path) mg_setting_add(v, MG_STR("path"), MG_STR("responses"), mg_str_of(set_path), &error);
}

static bool speaks(const char *url, const char *responses, const char *path, sent *s) {
    provider p;
    mg_error error;
    mg_buf out = {0};
    set_url = url, set_responses = responses, set_path = path;
    provider_open(&p, "openai", set);
    bool native = p.ops->native(p.self, MG_OP_CHAT, MG_FORMAT_RESPONSES);
    assert_true(p.ops->native(p.self, MG_OP_CHAT, MG_FORMAT_OPENAI));
    assert_false(p.ops->native(p.self, MG_OP_CHAT, MG_FORMAT_ANTHROPIC));
    assert_false(p.ops->native(p.self, MG_OP_CHAT, MG_FORMAT_GEMINI));
    assert_false(p.ops->native(p.self, MG_OP_EMBEDDINGS, MG_FORMAT_RESPONSES));
    assert_true(p.ops->native(p.self, MG_OP_MODERATIONS, MG_FORMAT_OPENAI));
    assert_false(p.ops->native(p.self, MG_OP_COUNT_TOKENS, MG_FORMAT_OPENAI));
    bool own = !url || strstr(url, "api.openai.com");
    if (native) assert_int_equal(p.ops->native(p.self, MG_OP_COUNT_TOKENS, MG_FORMAT_RESPONSES), own);
    mg_provider_request r = {.operation = MG_OP_CHAT, .format = MG_FORMAT_RESPONSES, .body = MG_STR("{}")};
    assert_int_equal(provider_encode(&p, &r, s, &out, &error), native ? MG_OK : MG_ERROR);
    mg_buf_finish(&out);
    provider_close(&p);
    return native;
}

static void speaks_where_it_is_said(void **state) {
    (void)state;
    sent s;
    assert_true(speaks(NULL, NULL, NULL, &s));
    assert_true(speaks("https://api.openai.com/v1", "auto", NULL, &s));
    assert_true(speaks("https://eu.api.openai.com:443/v1", NULL, NULL, &s));
    assert_false(speaks("https://notapi.openai.com.example.com/v1", NULL, NULL, &s));
    assert_false(speaks("https://evil-api.openai.com/v1", NULL, NULL, &s));
    assert_false(speaks("http://127.0.0.1:11434/v1", NULL, NULL, &s));
    assert_false(speaks("http://127.0.0.1:11434/api.openai.com", NULL, NULL, &s));
    assert_false(speaks("https://api.openai.com/v1", "no", NULL, &s));
    assert_true(speaks("http://127.0.0.1:8000/v1", "yes", "/v9/responses", &s));
    assert_string_equal(s.path, "/v9/responses");
    mg_error error = {0};
    mg_setting_values *v = mg_setting_values_create(plain.plugin->settings, MG_STR(""));
    mg_setting_set(v, MG_STR("responses"), MG_STR("maybe"), &error);
    assert_null(mg_use_open(&plain.host, plain.plugin, v, 1, &error));
    assert_non_null(strstr(error.text, "responses"));
}

/* ---- whole answers --------------------------------------------------------------------------------------------------- */

#define USAGE                                                                                                          \
    "\"usage\":{\"input_tokens\":10,\"input_tokens_details\":{\"cached_tokens\":4,\"cache_write_tokens\":2},"          \
    "\"output_tokens\":7,\"output_tokens_details\":{\"reasoning_tokens\":3},\"total_tokens\":17}"
#define USED "USAGE in=10 out=7 cached=4 write=2 reasoning=3 audio=0/0\n"

static void answer_says(const char *members, const char *lines) {
    char text[4096];
    snprintf(text, sizeof text, "{\"id\":\"resp_1\",\"object\":\"response\",\"model\":\"gpt\",\"error\":null,%s}",
             members);
    char expected[4096];
    snprintf(expected, sizeof expected, "META name=gpt resp_1\n%s", lines);
    provider_says(&plain, MG_OP_CHAT, false, text, expected);
}

#define OUTPUT(items) "\"status\":\"completed\",\"output\":[" items "]"

static void decodes_messages(void **state) {
    (void)state;
    answer_says(
        OUTPUT("{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":"
               "\"a\",\"annotations\":[{\"type\":\"url_citation\",\"url\":\"u\",\"title\":\"t\"}],\"logprobs\":[]},"
               "{\"type\":\"output_text\",\"text\":\"b\",\"annotations\":[{\"type\":\"file_citation\",\"file_id\":"
               "\"f\"}],\"logprobs\":[{\"token\":\"b\"}]}]},{\"type\":\"message\",\"content\":[{\"type\":"
               "\"refusal\",\"refusal\":\"no\"}]}") "," USAGE,
        "TEXT 0 a\n"
        "CITATION 0 {\"type\":\"url_citation\",\"url_citation\":{\"type\":\"url_citation\",\"url\":\"u\","
        "\"title\":\"t\"}}\n"
        "TEXT 0 b\nLOGPROBS 0 [{\"token\":\"b\"}]\n"
        "CITATION 0 {\"type\":\"vendor_citation\",\"vendor\":\"openai\",\"citation\":{\"type\":"
        "\"file_citation\",\"file_id\":\"f\"}}\n"
        "REFUSAL 0 no\n" USED "FINISH 0 name=completed stop\n");
}

static void decodes_reasoning(void **state) {
    (void)state;
    answer_says(OUTPUT("{\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"s\"}],\"content\":[{"
                       "\"type\":\"reasoning_text\",\"text\":\"r\"}],\"encrypted_content\":\"e1\"},"
                       "{\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"e2\"},"
                       "{\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":null}"),
                "REASONING 0 s\nREASONING 0 r\nSIGNATURE 0 name=openai e1\nREASONING 0\nSIGNATURE 0 name=openai e2\n"
                "FINISH 0 name=completed stop\n");
}

static void decodes_calls_and_other_items(void **state) {
    (void)state;
    answer_says(
        OUTPUT("{\"type\":\"function_call\",\"id\":\"fc\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"{}\"},"
               "{\"type\":\"web_search_call\",\"id\":\"w\"},"
               "{\"type\":\"custom_tool_call\",\"call_id\":\"c2\",\"name\":\"g\",\"input\":\"raw\"},"
               "{\"type\":\"image_generation_call\",\"result\":\"iVBO\",\"output_format\":\"webp\"},"
               "{\"type\":\"image_generation_call\",\"result\":null}"),
        "TOOL 0 id=c1 name=f {}\nOTHER 0 name=openai {\"type\":\"web_search_call\",\"id\":\"w\"}\n"
        "TOOL 1 id=c2 name=g raw\nMEDIA 0 name=image/webp iVBO\n"
        "OTHER 0 name=openai {\"type\":\"image_generation_call\",\"result\":null}\n"
        "FINISH 0 name=completed tool_calls\n");
}

static void decodes_ends(void **state) {
    (void)state;
    answer_says("\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"max_output_tokens\"},\"output\":[]",
                "FINISH 0 name=max_output_tokens length\n");
    answer_says("\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"content_filter\"},\"output\":[]",
                "FINISH 0 name=content_filter content_filter\n");
    answer_says("\"status\":\"queued\",\"output\":[]", "");
    answer_says("\"status\":\"cancelled\",\"output\":[]", "ERROR name=cancelled the provider broke the answer off\n");
    provider_says(
        &plain, MG_OP_CHAT, false,
        "{\"id\":\"r\",\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"oops\"}," USAGE "}",
        "META r\n" USED "ERROR name=server_error oops\n");
}

/* More items than the state of a stream holds, more parts than it has bits for. */
static void decodes_long_answers(void **state) {
    (void)state;
    mg_buf text = {0}, lines = {0};
    mg_error error;
    mg_buf_printf(&text, "{\"status\":\"completed\",\"output\":[");
    for (int i = 0; i < 100; i++) {
        mg_buf_printf(&text, "%s{\"type\":\"message\",\"content\":[", i ? "," : "");
        for (int k = 0; k < 40; k++)
            mg_buf_printf(&text, "%s{\"type\":\"output_text\",\"text\":\"%d.%d\"}", k ? "," : "", i, k);
        mg_buf_printf(&text, "]}");
    }
    mg_buf_printf(&text, "]}");
    assert_int_equal(provider_decode(&plain, MG_OP_CHAT, false, "", mg_buf_view(&text), on_event, &lines, &error),
                     MG_OK);
    size_t n = 0;
    for (size_t i = 0; i < lines.n; i++) n += lines.p[i] == '\n';
    assert_int_equal(n, 4001);
    mg_buf_finish(&text);
    mg_buf_finish(&lines);
    mg_arena_reset(plain.arena);
}

/* ---- streams --------------------------------------------------------------------------------------------------------- */

/* Decodes the frames of one answer, and fails unless their events are these lines. */
static void stream_says(const char *const *frames, const char *lines) {
    mg_buf b = {0};
    mg_error error;
    provider_begin(&plain);
    for (; *frames; frames++)
        if (provider_decode(&plain, MG_OP_CHAT, true, "", mg_str_of(*frames), on_event, &b, &error) != MG_OK)
            fail_msg("%s: %s", *frames, error.text);
    mg_buf_add(&b, "", 1);
    assert_string_equal(b.p, lines);
    mg_buf_finish(&b);
    mg_arena_reset(plain.arena);
}

#define AT(item) "\"output_index\":" #item
#define ITEM_MESSAGE                                                                                                   \
    "{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"Hello\",\"annotations\":[{\"type\":"      \
    "\"url_citation\",\"url\":\"u\"},{\"type\":\"url_citation\",\"url\":\"v\"}],\"logprobs\":[{\"token\":\"x\"}]}]}"
#define ITEM_CALL "{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}"
#define ITEM_REASONING "{\"type\":\"reasoning\",\"summary\":[{\"text\":\"mull\"}],\"encrypted_content\":\"e\"}"

static void says_everything_once(void **state) {
    (void)state;
    static const char *const frames[] = {
        "{\"type\":\"response.created\",\"response\":{\"id\":\"r1\",\"model\":\"gpt\",\"status\":\"in_progress\"}}",
        "{\"type\":\"response.in_progress\",\"response\":{\"id\":\"r1\",\"model\":\"gpt\"}}",
        "{\"type\":\"response.output_item.added\"," AT(
            0) ",\"item\":{\"type\":\"reasoning\",\"encrypted_content\":\"half\"}}",
        "{\"type\":\"response.reasoning_summary_text.delta\"," AT(0) ",\"summary_index\":0,\"delta\":\"mu\"}",
        "{\"type\":\"response.reasoning_summary_text.delta\"," AT(0) ",\"summary_index\":0,\"delta\":\"ll\"}",
        "{\"type\":\"response.reasoning_summary_text.done\"," AT(0) ",\"summary_index\":0,\"text\":\"mull\"}",
        "{\"type\":\"response.output_item.done\"," AT(0) ",\"item\":" ITEM_REASONING "}",
        "{\"type\":\"response.output_item.added\"," AT(1) ",\"item\":{\"type\":\"message\",\"content\":[]}}",
        "{\"type\":\"response.content_part.added\"," AT(1) ",\"part\":{\"type\":\"output_text\",\"text\":\"\"}}",
        "{\"type\":\"response.output_text.delta\"," AT(1) ",\"content_index\":0,\"delta\":\"Hel\",\"logprobs\":[]}",
        "{\"type\":\"response.output_text.delta\"," AT(1) ",\"content_index\":0,\"delta\":\"lo\",\"logprobs\":[{}]}",
        "{\"type\":\"response.output_text.annotation.added\"," AT(1) ",\"annotation\":{\"type\":\"url_citation\","
                                                                     "\"url\":\"u\"}}",
        "{\"type\":\"response.output_text.done\"," AT(1) ",\"content_index\":0,\"text\":\"Hello\"}",
        "{\"type\":\"response.output_item.done\"," AT(1) ",\"item\":" ITEM_MESSAGE "}",
        "{\"type\":\"response.output_item.added\"," AT(2) ",\"item\":{\"type\":\"function_call\",\"call_id\":\"c1\","
                                                          "\"name\":\"f\",\"arguments\":\"\"}}",
        "{\"type\":\"response.function_call_arguments.delta\"," AT(2) ",\"delta\":\"{\\\"a\\\"\"}",
        "{\"type\":\"response.function_call_arguments.delta\"," AT(2) ",\"delta\":\":1}\"}",
        "{\"type\":\"response.function_call_arguments.done\"," AT(2) ",\"arguments\":\"{\\\"a\\\":1}\"}",
        "{\"type\":\"response.output_item.done\"," AT(2) ",\"item\":" ITEM_CALL "}",
        "{\"type\":\"response.completed\",\"response\":{\"id\":\"r1\",\"model\":\"gpt\",\"status\":\"completed\","
        "\"output\":[" ITEM_REASONING "," ITEM_MESSAGE "," ITEM_CALL "]," USAGE "}}",
        "[DONE]",
        NULL};
    stream_says(frames,
                "META name=gpt r1\nREASONING 0 mu\nREASONING 0 ll\nSIGNATURE 0 name=openai e\nTEXT 0 Hel\nTEXT 0 lo\n"
                "LOGPROBS 0 [{}]\n"
                "CITATION 0 {\"type\":\"url_citation\",\"url_citation\":{\"type\":\"url_citation\",\"url\":\"u\"}}\n"
                "CITATION 0 {\"type\":\"url_citation\",\"url_citation\":{\"type\":\"url_citation\",\"url\":\"v\"}}\n"
                "TOOL 0 id=c1 name=f\nTOOL 0 {\"a\"\nTOOL 0 :1}\nMETA name=gpt r1\n" USED
                "FINISH 0 name=completed tool_calls\nDONE\n");
}

/* Servers that send no pieces, or only the end. */
static void fills_in_what_was_not_said(void **state) {
    (void)state;
    static const char *const frames[] = {
        "{\"type\":\"response.output_item.done\"," AT(0) ",\"item\":" ITEM_CALL "}",
        "{\"type\":\"response.output_text.delta\"," AT(1) ",\"content_index\":0,\"delta\":\"one\"}",
        "{\"type\":\"response.incomplete\",\"response\":{\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":"
        "\"max_output_tokens\"},\"output\":[" ITEM_CALL ",{\"type\":\"message\",\"content\":[{\"text\":\"one\"},"
        "{\"text\":\"two\"}]}," ITEM_CALL ",{\"type\":\"reasoning\",\"content\":[{\"text\":\"deep\"}]}]}}",
        NULL};
    stream_says(frames, "TOOL 0 id=c1 name=f {\"a\":1}\nTEXT 0 one\nTEXT 0 two\nTOOL 1 id=c1 name=f {\"a\":1}\n"
                        "REASONING 0 deep\nFINISH 0 name=max_output_tokens length\nDONE\n");
}

/* A server whose places do not fit its list of items. */
static void knows_items_by_their_ids(void **state) {
    (void)state;
    static const char *const frames[] = {
        "{\"type\":\"response.output_text.delta\"," AT(0) ",\"content_index\":0,\"delta\":\"one\"}",
        "{\"type\":\"response.output_item.done\"," AT(0) ",\"item\":{\"id\":\"a\",\"type\":\"message\",\"content\":[{"
                                                         "\"text\":\"one\"}]}}",
        "{\"type\":\"response.output_item.added\"," AT(4) ",\"item\":{\"id\":\"b\",\"type\":\"message\"}}",
        "{\"type\":\"response.output_text.delta\"," AT(4) ",\"content_index\":0,\"delta\":\"two\"}",
        "{\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[{\"id\":\"a\",\"type\":"
        "\"message\",\"content\":[{\"text\":\"one\"}]},{\"id\":\"b\",\"type\":\"message\",\"content\":[{\"text\":"
        "\"two\"}]},{\"id\":\"c\",\"type\":\"message\",\"content\":[{\"text\":\"three\"}]}]}}",
        NULL};
    stream_says(frames, "TEXT 0 one\nTEXT 0 two\nTEXT 0 three\nFINISH 0 name=completed stop\nDONE\n");
}

static void says_the_other_events(void **state) {
    (void)state;
    static const char *const frames[] = {
        "{\"type\":\"response.reasoning_text.delta\"," AT(0) ",\"content_index\":0,\"delta\":\"r\"}",
        "{\"type\":\"response.refusal.delta\"," AT(1) ",\"content_index\":0,\"delta\":\"no\"}",
        "{\"type\":\"response.output_item.done\"," AT(1) ",\"item\":{\"type\":\"message\",\"content\":[{\"refusal\":"
                                                         "\"no\"}]}}",
        "{\"type\":\"response.output_item.added\"," AT(2) ",\"item\":{\"type\":\"custom_tool_call\",\"call_id\":\"c\","
                                                          "\"name\":\"g\",\"input\":\"\"}}",
        "{\"type\":\"response.custom_tool_call_input.delta\"," AT(2) ",\"delta\":\"raw\"}",
        "{\"type\":\"response.output_item.done\"," AT(3) ",\"item\":{\"type\":\"mcp_call\"}}",
        "{\"type\":\"response.audio.delta\",\"delta\":\"AAAA\"}",
        "{\"type\":\"response.audio.transcript.delta\",\"delta\":\"hi\"}",
        "{\"type\":\"response.web_search_call.searching\"," AT(4) "}",
        "{\"type\":\"response.of_next_year\"," AT(4) ",\"error\":{\"message\":\"x\"}}",
        "",
        "[DONE]",
        NULL};
    stream_says(frames, "REASONING 0 r\nREFUSAL 0 no\nTOOL 0 id=c name=g\nTOOL 0 raw\n"
                        "OTHER 0 name=openai {\"type\":\"mcp_call\"}\nMEDIA 0 name=audio/pcm AAAA\n"
                        "MEDIA 0 id=hi name=audio/pcm\nDONE\n");
}

static void says_errors(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"{\"type\":\"error\",\"code\":\"server_error\",\"message\":\"oops\",\"param\":null}", NULL,
         "ERROR name=server_error oops\n"},
        {"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"oops\"}}", NULL,
         "ERROR name=invalid_request_error oops\n"},
        {"{\"error\":{\"type\":\"t\",\"message\":\"proxy\"}}", NULL, "ERROR name=t proxy\n"},
        {"{\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"rate_limit_"
         "exceeded\","
         "\"message\":\"slow\"}," USAGE "}}",
         NULL, USED "ERROR name=rate_limit_exceeded slow\n"},
        {"{\"type\":\"response.failed\"}", NULL, "ERROR the provider reported an error without a message\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) stream_says(&cases[i][0], cases[i][2]);
}

/* A stream of more items than the state holds says each once. */
static void keeps_up_with_long_streams(void **state) {
    (void)state;
    mg_buf end = {0}, lines = {0};
    mg_error error;
    char frame[512];
    provider_begin(&plain);
    mg_buf_printf(&end, "{\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[");
    for (int i = 0; i < 100; i++) {
        snprintf(frame, sizeof frame, "{\"type\":\"response.output_text.delta\",\"output_index\":%d,\"delta\":\"t\"}",
                 i);
        provider_decode(&plain, MG_OP_CHAT, true, "", mg_str_of(frame), on_event, &lines, &error);
        mg_buf_printf(&end, "%s{\"type\":\"message\",\"content\":[{\"text\":\"t\"}]}", i ? "," : "");
    }
    mg_buf_printf(&end, "]}}");
    provider_decode(&plain, MG_OP_CHAT, true, "", mg_buf_view(&end), on_event, &lines, &error);
    size_t n = 0;
    for (size_t i = 0; i < lines.n; i++) n += lines.p[i] == '\n';
    assert_int_equal(n, 100 + 2); /* with FINISH and DONE */
    mg_buf_finish(&end);
    mg_buf_finish(&lines);
    mg_arena_reset(plain.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_model_and_stream_only),
        cmocka_unit_test(counts_where_it_is_said),
        cmocka_unit_test(speaks_where_it_is_said),
        cmocka_unit_test(decodes_messages),
        cmocka_unit_test(decodes_reasoning),
        cmocka_unit_test(decodes_calls_and_other_items),
        cmocka_unit_test(decodes_ends),
        cmocka_unit_test(decodes_long_answers),
        cmocka_unit_test(says_everything_once),
        cmocka_unit_test(fills_in_what_was_not_said),
        cmocka_unit_test(knows_items_by_their_ids),
        cmocka_unit_test(says_the_other_events),
        cmocka_unit_test(says_errors),
        cmocka_unit_test(keeps_up_with_long_streams),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
