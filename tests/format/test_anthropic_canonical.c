/* Anthropic's requests in the canonical form, rule by rule. */
#include "anthropic_fixture.h"

typedef struct converted {
    mg_status status;
    mg_buf out, dropped; /* names, a space behind each */
    mg_error error;
} converted;

static void on_drop(void *arg, mg_str member) { mg_buf_printf(arg, MG_STR_FMT " ", MG_STR_ARG(member)); }

static converted convert(mg_operation op, const char *body, bool stream) {
    converted c = {.status = MG_OK};
    mg_str source;
    const mg_json *root = fixture_parse(mg_str_of(body), &source);
    c.status = F->canonical(op, root, source, MG_STR("vendor/x"), stream, &c.out, on_drop, &c.dropped, &c.error);
    mg_buf_add(&c.out, "", 1);
    mg_buf_add(&c.dropped, "", 1);
    return c;
}

static void converted_finish(converted *c) {
    mg_buf_finish(&c->out);
    mg_buf_finish(&c->dropped);
}

#define HEAD "{\"model\":\"vendor/x\",\"messages\":["

/* `rest` follows the model and the bracket of the messages. */
static void expect_drops(const char *body, const char *rest, const char *dropped) {
    converted c = convert(MG_OP_CHAT, body, false);
    if (c.status != MG_OK) fail_msg("%s", c.error.text);
    fixture_parse(mg_str_from(c.out.p, c.out.n - 1), NULL);
    assert_true(mg_str_starts(mg_buf_view(&c.out), MG_STR(HEAD)));
    assert_string_equal(c.out.p + sizeof HEAD - 1, rest);
    assert_string_equal(c.dropped.p, dropped);
    converted_finish(&c);
}

static void expect(const char *body, const char *rest) { expect_drops(body, rest, ""); }

static void expect_refused(const char *body, const char *text) {
    converted c = convert(MG_OP_CHAT, body, false);
    assert_int_equal(c.status, MG_ERROR);
    assert_int_equal(c.error.http, 400);
    assert_string_equal(c.error.text, text);
    converted_finish(&c);
}

/* The content blocks of one message, and the messages that they become. */
static void expect_said(const char *role, const char *blocks, const char *messages, const char *dropped) {
    char body[2048], rest[2048];
    snprintf(body, sizeof body, "{\"model\":\"m\",\"messages\":[{\"role\":\"%s\",\"content\":[%s]}]}", role, blocks);
    snprintf(rest, sizeof rest, "%s]}", messages);
    expect_drops(body, rest, dropped);
}

static void expect_user(const char *blocks, const char *messages) { expect_said("user", blocks, messages, ""); }
static void expect_assistant(const char *blocks, const char *messages) {
    expect_said("assistant", blocks, messages, "");
}

#define USER "{\"role\":\"user\",\"content\":"
#define ASSISTANT "{\"role\":\"assistant\",\"content\":"
#define HI "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define SAID_HI USER "\"hi\"}]"

static void texts(void **state) {
    (void)state;
    expect(HI "}", SAID_HI "}");
    expect_user("{\"type\":\"text\",\"text\":\"a\\u00e9\\n\"}", USER "\"a\\u00e9\\n\"}");
    expect_user("{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}",
                USER "[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}");
    expect_user("{\"type\":\"text\",\"text\":\"a\",\"cache_control\":{\"type\":\"ephemeral\"}}",
                USER "[{\"type\":\"text\",\"text\":\"a\",\"cache_control\":{\"type\":\"ephemeral\"}}]}");
    expect_user("", USER "\"\"}");
    expect_assistant("", ASSISTANT "\"\"}");
    expect_said("assistant", "{\"type\":\"text\",\"text\":\"a\",\"citations\":[{\"type\":\"char_location\"}]}",
                ASSISTANT "[{\"type\":\"text\",\"text\":\"a\"}]}", "messages[0].content[0].citations ");
    expect_said("system", "{\"type\":\"text\",\"text\":\"now\"}", "{\"role\":\"system\",\"content\":\"now\"}", "");
    expect_said("system", "{\"type\":\"tool_addition\",\"tool\":{}},{\"type\":\"text\",\"text\":\"now\"}",
                "{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":\"now\"}]}",
                "messages[0].content[0].tool_addition ");
    expect_said("system", "{\"type\":\"tool_addition\",\"tool\":{}}", "", "messages[0].content[0].tool_addition ");
    converted c = convert(MG_OP_CHAT, HI "}", true);
    assert_string_equal(c.out.p, HEAD SAID_HI ",\"stream\":true}");
    converted_finish(&c);
}

static void system_prompts(void **state) {
    (void)state;
    expect("{\"system\":\"be\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
           "{\"role\":\"system\",\"content\":\"be\"}," SAID_HI "}");
    expect("{\"system\":\"\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}", SAID_HI "}");
    expect("{\"system\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\",\"cache_control\":"
           "{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}],\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
           "{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\","
           "\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}]}," SAID_HI "}");
}

static void images_and_documents(void **state) {
    (void)state;
    expect_user("{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"iVBO\"}}",
                USER "[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,iVBO\"}}]}");
    expect_user("{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://e.example/a.png\"},"
                "\"cache_control\":{\"type\":\"ephemeral\"}}",
                USER "[{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://e.example/a.png\"},"
                     "\"cache_control\":{\"type\":\"ephemeral\"}}]}");
    expect_user("{\"type\":\"document\",\"title\":\"a.pdf\",\"source\":{\"type\":\"base64\",\"media_type\":"
                "\"application/pdf\",\"data\":\"JVBE\"}}",
                USER "[{\"type\":\"file\",\"file\":{\"filename\":\"a.pdf\",\"file_data\":"
                     "\"data:application/pdf;base64,JVBE\"}}]}");
    expect_user(
        "{\"type\":\"document\",\"context\":\"mine\",\"source\":{\"type\":\"text\",\"media_type\":\"text/plain\","
        "\"data\":\"Hello\"}}",
        USER "[{\"type\":\"text\",\"text\":\"mine\"},{\"type\":\"file\",\"file\":{\"filename\":\"document.txt\","
             "\"file_data\":\"data:text/plain;base64,SGVsbG8=\"}}]}");
    expect_user("{\"type\":\"document\",\"source\":{\"type\":\"url\",\"url\":\"https://e.example/a.pdf\"}}",
                USER "[{\"type\":\"file\",\"file\":{\"file_url\":\"https://e.example/a.pdf\"}}]}");
    expect_user("{\"type\":\"document\",\"source\":{\"type\":\"file\",\"file_id\":\"file_1\"}}",
                USER "[{\"type\":\"file\",\"file\":{\"file_id\":\"file_1\"}}]}");
    expect_user("{\"type\":\"document\",\"title\":\"T\",\"source\":{\"type\":\"content\",\"content\":"
                "[{\"type\":\"text\",\"text\":\"a\"}]}}",
                USER "[{\"type\":\"text\",\"text\":\"T\"},{\"type\":\"text\",\"text\":\"a\"}]}");
    expect_said(
        "user",
        "{\"type\":\"search_result\",\"title\":\"T\",\"source\":\"u\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}],"
        "\"citations\":{\"enabled\":true}}",
        USER
        "[{\"type\":\"text\",\"text\":\"T\"},{\"type\":\"text\",\"text\":\"u\"},{\"type\":\"text\",\"text\":\"a\"}]}",
        "messages[0].content[0].citations ");
    expect_said("user",
                "{\"type\":\"document\",\"citations\":{\"enabled\":false},\"source\":{\"type\":\"url\",\"url\":\"u\"}}",
                USER "[{\"type\":\"file\",\"file\":{\"file_url\":\"u\"}}]}", "");
}

static void base64(void **state) {
    static const char *const pairs[][2] = {{"", ""},        {"f", "Zg=="},          {"fo", "Zm8="},
                                           {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}, {"\\u00ff\\u00fe", "w7/Dvg=="}};
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char blocks[256], messages[256];
        snprintf(blocks, sizeof blocks, "{\"type\":\"document\",\"source\":{\"type\":\"text\",\"data\":\"%s\"}}",
                 pairs[i][0]);
        snprintf(messages, sizeof messages,
                 USER "[{\"type\":\"file\",\"file\":{\"filename\":\"document.txt\",\"file_data\":"
                      "\"data:text/plain;base64,%s\"}}]}",
                 pairs[i][1]);
        expect_user(blocks, messages);
    }
}

static void calls_and_results(void **state) {
    (void)state;
    expect_assistant("{\"type\":\"text\",\"text\":\"go\"},"
                     "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{\"a\": "
                     "\"\\u00e9\"},\"caller\":{\"type\":\"direct\"}},"
                     "{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"g\",\"input\":{}}",
                     ASSISTANT
                     "\"go\",\"tool_calls\":[{\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
                     "\"arguments\":\"{\\\"a\\\": \\\"\\\\u00e9\\\"}\"}},{\"id\":\"t2\",\"type\":\"function\","
                     "\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]}");
    expect_said(
        "assistant",
        "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{},\"cache_control\":{\"type\":\"ephemeral\"}}",
        ASSISTANT "null,\"tool_calls\":[{\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
                  "\"arguments\":\"{}\"}}]}",
        "messages[0].content[0].cache_control ");
    expect_user(
        "{\"type\":\"text\",\"text\":\"and\"},{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":\"r\","
        "\"is_error\":true},{\"type\":\"tool_result\",\"tool_use_id\":\"t2\"}",
        "{\"role\":\"tool\",\"tool_call_id\":\"t1\",\"content\":\"r\",\"is_error\":true},"
        "{\"role\":\"tool\",\"tool_call_id\":\"t2\",\"content\":\"\"}," USER "\"and\"}");
    expect_user(
        "{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"cache_control\":{\"type\":\"ephemeral\"},\"content\":["
        "{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"u\"}},"
        "{\"type\":\"tool_reference\",\"tool_name\":\"f\"}]}",
        "{\"role\":\"tool\",\"tool_call_id\":\"t1\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
        "{\"type\":\"image_url\",\"image_url\":{\"url\":\"u\"}},{\"type\":\"text\",\"text\":\"f\"}],"
        "\"cache_control\":{\"type\":\"ephemeral\"}}");
}

static void thoughts(void **state) {
    (void)state;
    expect_assistant("{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"sig\"},{\"type\":\"redacted_thinking\","
                     "\"data\":\"d\"},"
                     "{\"type\":\"text\",\"text\":\"a\"}",
                     ASSISTANT
                     "[{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"sig\",\"vendor\":\"anthropic\"},"
                     "{\"type\":\"redacted_thinking\",\"data\":\"d\",\"vendor\":\"anthropic\"},"
                     "{\"type\":\"text\",\"text\":\"a\"}]}");
    expect_assistant("{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"moongate::\"}",
                     ASSISTANT "[{\"type\":\"thinking\",\"thinking\":\"t\"}]}");
    expect_assistant("{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"\"}",
                     ASSISTANT "[{\"type\":\"thinking\",\"thinking\":\"t\"}]}");
    expect_assistant("{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"moongate:gemini:a:b\"}", ASSISTANT
                     "[{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"a:b\",\"vendor\":\"gemini\"}]}");
    expect_assistant("{\"type\":\"redacted_thinking\",\"data\":\"moongate:openai:e\"}",
                     ASSISTANT "[{\"type\":\"redacted_thinking\",\"data\":\"e\",\"vendor\":\"openai\"}]}");
    expect_assistant(
        "{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"redacted_thinking\",\"data\":\"moongate-text:gemini:s1\"},"
        "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{}},"
        "{\"type\":\"redacted_thinking\",\"data\":\"moongate-tool:gemini:t1:s2\"}",
        ASSISTANT "[{\"type\":\"text\",\"text\":\"a\",\"signature\":\"s1\",\"vendor\":\"gemini\"}],"
                  "\"tool_calls\":[{\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
                  "\"arguments\":\"{}\"},\"signature\":\"s2\",\"vendor\":\"gemini\"}]}");
    expect_assistant("{\"type\":\"redacted_thinking\",\"data\":\"moongate-tool:gemini:t1:s2\"},"
                     "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{}}",
                     ASSISTANT "null,\"tool_calls\":[{\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
                               "\"arguments\":\"{}\"},\"signature\":\"s2\",\"vendor\":\"gemini\"}]}");
    expect_assistant("{\"type\":\"redacted_thinking\",\"data\":\"moongate-text:gemini:s\"}", ASSISTANT
                     "[{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"s\",\"vendor\":\"gemini\"}]}");
}

/* What a stream gives a client comes back to the vendor that it was from. */
static void signatures_survive(void **state) {
    (void)state;
    const mg_event events[] = {
        {.size = sizeof(mg_event), .type = MG_EVENT_REASONING, .text = MG_STR("why")},
        {.size = sizeof(mg_event), .type = MG_EVENT_SIGNATURE, .text = MG_STR("s1"), .name = MG_STR("gemini")},
        {.size = sizeof(mg_event), .type = MG_EVENT_TEXT, .text = MG_STR("so")},
        {.size = sizeof(mg_event), .type = MG_EVENT_SIGNATURE, .text = MG_STR("s2"), .name = MG_STR("gemini")},
        {.size = sizeof(mg_event),
         .type = MG_EVENT_TOOL,
         .text = MG_STR("{}"),
         .name = MG_STR("f"),
         .id = MG_STR("c:1")},
        {.size = sizeof(mg_event), .type = MG_EVENT_SIGNATURE, .text = MG_STR("s3"), .name = MG_STR("gemini")},
    };
    answer a;
    mg_str source;
    mg_buf body = {0};
    answer_open(&a);
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) answer_event(&a, &events[i]);
    answer_close(&a);
    answer_compare(&a, "signatures");
    const mg_json *root = fixture_parse(mg_buf_view(&a.plain), &source);
    mg_buf_printf(&body, "{\"messages\":[{\"role\":\"assistant\",\"content\":" MG_STR_FMT "}]}",
                  MG_STR_ARG(fixture_slice(source, mg_json_get(root, MG_STR("content")))));
    mg_buf_add(&body, "", 1);
    expect(body.p, ASSISTANT "[{\"type\":\"thinking\",\"thinking\":\"why\",\"signature\":\"s1\",\"vendor\":\"gemini\"},"
                             "{\"type\":\"text\",\"text\":\"so\",\"signature\":\"s2\",\"vendor\":\"gemini\"}],"
                             "\"tool_calls\":[{\"id\":\"c_1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
                             "\"arguments\":\"{}\"},\"signature\":\"s3\",\"vendor\":\"gemini\"}]}]}");
    mg_buf_finish(&body);
    answer_finish(&a);
}

static void tools(void **state) {
    (void)state;
    expect_drops(
        HI ",\"tools\":[{\"name\":\"f\",\"description\":\"d\",\"input_schema\":{\"type\":\"object\"},\"strict\":true,"
           "\"cache_control\":{\"type\":\"ephemeral\"},\"defer_loading\":true},"
           "{\"type\":\"tool_search_tool_bm25_20251119\",\"name\":\"s\"},"
           "{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}]}",
        SAID_HI ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\","
                "\"parameters\":{\"type\":\"object\"},\"strict\":true},\"cache_control\":{\"type\":\"ephemeral\"}},"
                "{\"type\":\"vendor_tool\",\"vendor\":\"anthropic\",\"tool\":{\"type\":\"web_search_20250305\","
                "\"name\":\"web_search\"}}]}",
        "tools[0].defer_loading tools[1].tool_search_tool_bm25_20251119 ");
    expect_drops(HI ",\"tools\":[],\"tool_choice\":{\"type\":\"auto\"}}", SAID_HI "}", "tool_choice ");
    static const char *const choices[][2] = {
        {"{\"type\":\"auto\"}", "\"auto\""},
        {"{\"type\":\"any\"}", "\"required\""},
        {"{\"type\":\"none\"}", "\"none\""},
        {"{\"type\":\"tool\",\"name\":\"f\"}", "{\"type\":\"function\",\"function\":{\"name\":\"f\"}}"},
        {"{\"type\":\"auto\",\"disable_parallel_tool_use\":true}", "\"auto\",\"parallel_tool_calls\":false"}};
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        char body[512], rest[512];
        snprintf(body, sizeof body, HI ",\"tools\":[{\"name\":\"f\",\"input_schema\":{}}],\"tool_choice\":%s}",
                 choices[i][0]);
        snprintf(rest, sizeof rest,
                 SAID_HI ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}],"
                         "\"tool_choice\":%s}",
                 choices[i][1]);
        expect(body, rest);
    }
}

static void settings(void **state) {
    (void)state;
    expect(
        HI
        ",\"max_tokens\":1e2,\"stop_sequences\":[\"x\"],\"temperature\":0.10,\"top_p\":1,\"top_k\":5,\"service_tier\":"
        "\"standard_only\",\"metadata\":{\"user_id\":\"u\"},\"seed\":3,\"container\":null,\"mcp_servers\":[]}",
        SAID_HI
        ",\"max_completion_tokens\":1e2,\"stop\":[\"x\"],\"temperature\":0.10,\"top_p\":1,\"top_k\":5,\"seed\":3,"
        "\"service_tier\":\"default\",\"user\":\"u\"}");
    expect_drops(HI ",\"cache_control\":{\"type\":\"ephemeral\"},\"metadata\":{\"user_id\":null,\"x\":\"y\"},"
                    "\"context_management\":{},\"inference_geo\":\"global\",\"stop_sequences\":[]}",
                 SAID_HI "}", "cache_control context_management inference_geo metadata.x ");
    converted c = convert(MG_OP_COUNT_TOKENS, HI ",\"max_tokens\":4}", false);
    assert_string_equal(c.out.p, HEAD SAID_HI "}");
    converted_finish(&c);
}

static void thinking(void **state) {
    (void)state;
    expect(HI ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2048}}",
           SAID_HI ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2048,\"include\":true}}");
    expect(HI ",\"thinking\":{\"type\":\"adaptive\",\"display\":\"omitted\"}}",
           SAID_HI ",\"thinking\":{\"type\":\"adaptive\",\"include\":false}}");
    expect(HI ",\"thinking\":{\"type\":\"disabled\"}}", SAID_HI ",\"thinking\":{\"type\":\"disabled\"}}");
    expect_drops(HI ",\"thinking\":{\"type\":\"between_tools\"}}", SAID_HI "}", "thinking ");
    expect(HI ",\"output_config\":{\"effort\":\"max\"}}", SAID_HI ",\"reasoning_effort\":\"xhigh\"}");
    expect_drops(HI ",\"output_config\":{\"effort\":\"low\",\"task_budget\":{\"total\":1}}}",
                 SAID_HI ",\"reasoning_effort\":\"low\"}", "output_config.task_budget ");
}

static void formats(void **state) {
    (void)state;
#define CLOSED                                                                                                         \
    "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},\"required\":[\"a\"],\"additionalProperties\":" \
    "false}"
#define OPEN                                                                                                           \
    "{\"type\":\"object\",\"properties\":{\"a\":" CLOSED                                                               \
    ",\"b\":{}},\"required\":[\"a\"],\"additionalProperties\":false}"
    expect(HI ",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":" CLOSED "}}}", SAID_HI
           ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"output\",\"schema\":" CLOSED
           ",\"strict\":true}}}");
    expect(HI ",\"output_format\":{\"type\":\"json_schema\",\"schema\":" OPEN "}}", SAID_HI
           ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"output\",\"schema\":" OPEN
           "}}}");
    expect_refused(HI ",\"output_config\":{\"format\":{\"type\":\"grammar\"}}}",
                   "'output_config.format' must be {\"type\":\"json_schema\",\"schema\":{…}} for models that are not "
                   "Anthropic's.");
}

static void refusals(void **state) {
    (void)state;
    expect_refused(HI ",\"mcp_servers\":[{\"type\":\"url\"}]}",
                   "'mcp_servers' works with Anthropic's own models only: leave it out, or ask one of them.");
    expect_refused(HI ",\"container\":\"container_1\"}",
                   "'container' works with Anthropic's own models only: leave it out, or ask one of them.");
    expect_refused(
        HI ",\"inference_geo\":\"us\"}",
        "'inference_geo' can't be kept by models that are not Anthropic's: leave it out, or ask one of theirs.");
    expect_refused(HI ",\"max_tokens\":0}",
                   "'max_tokens' of 0 works with Anthropic's own models only: it must be 1 or more.");
    expect_refused(
        "{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"server_tool_use\",\"id\":\"x\"}]}]}",
        "'messages[0].content[0]' is a block of type 'server_tool_use', which only Anthropic's own models can "
        "read: leave it out, or send the conversation to one of them.");
    expect_refused("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"tool_use\",\"id\":\"x\"}]}]}",
                   "'messages[0].content[0]' is a block of type 'tool_use', which belongs into a message of role "
                   "'assistant'.");
    expect_refused(
        "{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"x\"}]}]}",
        "'messages[0].content[0]' is a block of type 'tool_result', which belongs into a message of role 'user'.");
    expect_refused(
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"x\",\"content\":["
        "{\"type\":\"tool_result\",\"tool_use_id\":\"y\"}]}]}]}",
        "'messages[0].content[0].content[0]' is a block of type 'tool_result', which only Anthropic's own models "
        "can read: leave it out, or send the conversation to one of them.");
    expect_refused(
        "{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"x\",\"name\":\"f\","
        "\"input\":{},\"caller\":{\"type\":\"code_execution_20250825\"}}]}]}",
        "'messages[0].content[0]' is a block of type 'tool_use', called by a program that ran at Anthropic: "
        "only its own models can go on with it.");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(system_prompts),
        cmocka_unit_test(images_and_documents),
        cmocka_unit_test(base64),
        cmocka_unit_test(calls_and_results),
        cmocka_unit_test(thoughts),
        cmocka_unit_test(tools),
        cmocka_unit_test(signatures_survive),
        cmocka_unit_test(settings),
        cmocka_unit_test(thinking),
        cmocka_unit_test(formats),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
