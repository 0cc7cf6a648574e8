/* What the openai provider makes of bodies that the host put into the canonical form from another format. */
#include "provider.h"

static provider plain, other; /* OpenAI's own host; a server that may know more */

static void other_set(mg_setting_values *v) {
    mg_error error;
    mg_setting_set(v, MG_STR("base_url"), MG_STR("http://127.0.0.1:4000/v1"), &error);
    mg_setting_add(v, MG_STR("drop"), MG_STR(""), MG_STR("seed"), &error);
}

static int setup(void **state) {
    (void)state;
    provider_open(&plain, "openai", NULL);
    provider_open(&other, "openai", other_set);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    provider_close(&plain);
    provider_close(&other);
    return 0;
}

static void encodes(provider *p, bool translated, const char *model, const char *body, const char *expected,
                    const char *dropped) {
    mg_error error = {0};
    mg_buf out = {0};
    sent s;
    mg_provider_request r = {.operation = MG_OP_CHAT, .model = mg_str_of(model), .translated = translated};
    r.body = mg_str_of(body);
    if (provider_encode(p, &r, &s, &out, &error) != MG_OK) fail_msg("%s: %s", body, error.text);
    assert_string_equal(out.p, expected);
    assert_string_equal(s.dropped, dropped);
    mg_buf_finish(&out);
    mg_arena_reset(p->arena);
}

static void refuses(const char *body, const char *says) {
    mg_error error = {0};
    mg_buf out = {0};
    sent s;
    mg_provider_request r = {.operation = MG_OP_CHAT, .model = MG_STR("m"), .translated = true};
    r.body = mg_str_of(body);
    assert_int_equal(provider_encode(&plain, &r, &s, &out, &error), MG_ERROR);
    assert_int_equal(error.http, 400);
    if (!strstr(error.text, says)) fail_msg("%s", error.text);
    mg_buf_finish(&out);
    mg_arena_reset(plain.arena);
}

#define BODY(messages) "{\"model\":\"m\",\"messages\":[" messages "]}"
#define CALLS                                                                                                          \
    "\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]"

/* ---- messages ------------------------------------------------------------------------------------------------------ */

static void leaves_what_openai_knows(void **state) {
    (void)state;
    const char *body = BODY(
        "{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
        "\"a\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AA==\"}},{\"type\":\"file\","
        "\"file\":{\"filename\":\"a.pdf\",\"file_data\":\"data:application/pdf;base64,AA==\"}}]},"
        "{\"role\":\"assistant\",\"content\":null," CALLS "},{\"role\":\"tool\",\"tool_call_id\":\"c1\","
        "\"content\":[{\"type\":\"text\",\"text\":\"r\"}]}");
    encodes(&plain, true, "m", body, body, "");
}

static void leaves_thinking_out(void **state) {
    (void)state;
#define THINKING "{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"s\",\"vendor\":\"anthropic\"}"
#define REDACTED "{\"type\":\"redacted_thinking\",\"data\":\"d\",\"vendor\":\"anthropic\"}"
#define TEXT "{\"type\":\"text\",\"text\":\"a\"}"
    static const char *const cases[][3] = {
        {THINKING "," TEXT, "[" TEXT "]", "messages[0].content[0]\n"},
        {TEXT "," REDACTED, "[" TEXT "]", "messages[0].content[1]\n"},
        {REDACTED " , " THINKING "," TEXT "," THINKING, "[" TEXT "]",
         "messages[0].content[0]\nmessages[0].content[1]\nmessages[0].content[3]\n"},
        {THINKING, "\"\"", "messages[0].content[0]\n"},
    };
    char body[2048], expected[2048];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(body, sizeof body, BODY("{\"role\":\"assistant\",\"content\":[%s]}"), cases[i][0]);
        snprintf(expected, sizeof expected, BODY("{\"role\":\"assistant\",\"content\":%s}"), cases[i][1]);
        encodes(&plain, true, "m", body, expected, cases[i][2]);
    }
    encodes(&plain, true, "m", BODY("{\"role\":\"assistant\",\"content\":[" THINKING "]," CALLS "}"),
            BODY("{\"role\":\"assistant\",\"content\":null," CALLS "}"), "messages[0].content[0]\n");
    /* An empty list is the client's. */
    encodes(&plain, true, "m", BODY("{\"role\":\"user\",\"content\":[]}"), BODY("{\"role\":\"user\",\"content\":[]}"),
            "");
}

static void leaves_hints_out(void **state) {
    (void)state;
#define CACHE "\"cache_control\":{\"type\":\"ephemeral\"}"
    encodes(&plain, true, "m",
            BODY("{" CACHE ",\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"," CACHE "}]},"
                 "{\"role\":\"assistant\",\"content\":[{\"signature\":\"s\",\"vendor\":\"gemini\",\"type\":\"text\","
                 "\"text\":\"b\"}],\"tool_calls\":[{\"id\":\"c\",\"signature\":\"s\",\"type\":\"function\",\"vendor\":"
                 "\"gemini\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},"
                 "{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"bad\",\"is_error\":true}"),
            BODY("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}]},"
                 "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"b\"}],\"tool_calls\":[{\"id\":"
                 "\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},"
                 "{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"bad\"}"),
            "messages[0].cache_control\nmessages[0].content[0].cache_control\n"
            "messages[1].tool_calls[0].signature\nmessages[1].tool_calls[0].vendor\n"
            "messages[1].content[0].signature\nmessages[1].content[0].vendor\nmessages[2].is_error\n");
    encodes(&plain, true, "m",
            "{\"model\":\"m\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}," CACHE "}],\"top_k\":4,"
            "\"messages\":[],\"safety_settings\":[]}",
            "{\"model\":\"m\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"messages\":[]}",
            "tools[0].cache_control\ntop_k\nsafety_settings\n");
    encodes(&plain, true, "m", "{\"top_k\":4}", "{\"model\":\"m\"}", "top_k\n");
}

/* ---- results of tools ---------------------------------------------------------------------------------------------- */

#define IMAGE "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AA==\"}}"
#define IMAGE_MARKED "{\"type\":\"image_url\"," CACHE ",\"image_url\":{\"url\":\"data:image/png;base64,AA==\"}}"
#define RESULT(id) "{\"type\":\"text\",\"text\":\"Result of the tool call " id ":\"}"

static void moves_what_is_no_text_behind_the_results(void **state) {
    (void)state;
    encodes(
        &plain, true, "m",
        BODY("{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":[" TEXT "," IMAGE_MARKED "]},"
             "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"x\"},"
             "{\"role\":\"tool\",\"tool_call_id\":\"c\\\"3\",\"content\":[" IMAGE "," IMAGE "]},"
             "{\"role\":\"user\",\"content\":\"go on\"}"),
        BODY("{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":[" TEXT "]},"
             "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"x\"},"
             "{\"role\":\"tool\",\"tool_call_id\":\"c\\\"3\",\"content\":\"The result follows in the next message of "
             "the user.\"},"
             "{\"role\":\"user\",\"content\":[" RESULT("c1") "," IMAGE "," RESULT(
                 "c\\\"3") "," IMAGE "," IMAGE "]},"
                           "{\"role\":\"user\",\"content\":\"go on\"}"),
        "");
    /* The last message, and two runs. */
    encodes(&plain, true, "m",
            BODY("{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":[" IMAGE "," TEXT "]},"
                 "{\"role\":\"assistant\",\"content\":\"b\"},"
                 "{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":[" IMAGE "," TEXT "]}"),
            BODY("{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":[" TEXT "]},"
                 "{\"role\":\"user\",\"content\":[" RESULT(
                     "a") "," IMAGE "]},"
                          "{\"role\":\"assistant\",\"content\":\"b\"},"
                          "{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":[" TEXT "]},"
                          "{\"role\":\"user\",\"content\":[" RESULT("c") "," IMAGE "]}"),
            "");
}

static void refuses_what_would_change_the_answer(void **state) {
    (void)state;
    refuses(BODY("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"file\",\"file\":"
                 "{\"file_url\":\"https://example.com/a.pdf\"}}]}"),
            "messages[0].content[1]");
    refuses("{\"messages\":[],\"tools\":[{\"type\":\"vendor_tool\",\"vendor\":\"anthropic\",\"tool\":{\"type\":"
            "\"web_search_20250305\"}}]}",
            "only anthropic runs");
    encodes(&plain, true, "m",
            "{\"model\":\"m\",\"tools\":[{\"type\":\"vendor_tool\",\"vendor\":\"openai\",\"tool\":{\"type\":\"x\"}}]}",
            "{\"model\":\"m\",\"tools\":[{\"type\":\"x\"}]}", "");
}

/* ---- thinking ------------------------------------------------------------------------------------------------------ */

static void thinks(const char *model, const char *members, const char *expected, const char *dropped) {
    char body[512], wanted[512];
    snprintf(body, sizeof body, "{\"model\":\"%s\",%s}", model, members);
    snprintf(wanted, sizeof wanted, "{\"model\":\"%s\"%s%s}", model, expected[0] ? "," : "", expected);
    encodes(&plain, true, model, body, wanted, dropped);
}

#define BUDGET(n) "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":" n "}"
#define EFFORT(name) "\"reasoning_effort\":\"" name "\""

static void turns_budgets_into_efforts(void **state) {
    (void)state;
    static const char *const cases[][4] = {
        {"gpt-5", BUDGET("1024"), EFFORT("low"), ""},
        {"gpt-5", BUDGET("2048"), EFFORT("medium"), ""},
        {"gpt-5-mini", BUDGET("16383"), EFFORT("medium"), ""},
        {"o3", BUDGET("16384"), EFFORT("high"), ""},
        {"openai/gpt-oss-120b", BUDGET("32000"), EFFORT("high"), ""},
        {"gpt-5-pro", BUDGET("1024"), EFFORT("high"), ""},
        {"gpt-5", "\"thinking\":{\"type\":\"enabled\"}", "", ""},
        {"gpt-5", "\"thinking\":{\"type\":\"adaptive\"}", "", ""},
        {"gpt-5", BUDGET("-1"), "", ""},
        {"gpt-5", "\"thinking\":{\"type\":\"disabled\"}", EFFORT("minimal"), ""},
        {"gpt-5", BUDGET("0"), EFFORT("minimal"), ""},
        {"gpt-5.1", "\"thinking\":{\"type\":\"disabled\"}", EFFORT("none"), ""},
        {"gpt-5-codex", "\"thinking\":{\"type\":\"disabled\"}", EFFORT("low"), ""},
        {"o4-mini", "\"thinking\":{\"type\":\"disabled\"}", EFFORT("low"), ""},
        /* A name beats a number, and is fitted to the model. */
        {"gpt-5.2", EFFORT("xhigh") "," BUDGET("1024"), EFFORT("xhigh"), ""},
        {"gpt-5", EFFORT("xhigh"), EFFORT("high"), ""},
        {"gpt-5.1", EFFORT("minimal"), EFFORT("none"), ""},
        {"o3", EFFORT("none"), EFFORT("low"), ""},
        {"gpt-5", EFFORT("whatever"), EFFORT("whatever"), ""},
        {"gpt-5", "\"reasoning_effort\":null," BUDGET("1024"), EFFORT("low"), ""},
        /* Models that do not reason. */
        {"gpt-4o", BUDGET("1024"), "", "thinking\n"},
        {"gpt-5-chat-latest", BUDGET("1024"), "", "thinking\n"},
        {"gpt-4.1", EFFORT("low"), "", "reasoning_effort\n"},
        {"llama-4", EFFORT("low"), EFFORT("low"), ""},
        {"llama-4", BUDGET("1024"), "", "thinking\n"},
        /* Sampling. */
        {"gpt-5", "\"temperature\":0.2,\"top_p\":1", "", "temperature\ntop_p\n"},
        {"o3-mini", "\"temperature\":0.2", "", "temperature\n"},
        {"gpt-5.1", "\"temperature\":0.2", "\"temperature\":0.2", ""},
        {"gpt-4o", "\"temperature\":0.2", "\"temperature\":0.2", ""},
        {"gpt-oss-20b", "\"temperature\":0.2", "\"temperature\":0.2", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        thinks(cases[i][0], cases[i][1], cases[i][2], cases[i][3]);
}

/* ---- bodies that came as they are ------------------------------------------------------------------------------------ */

static void leaves_clients_of_openai_alone(void **state) {
    (void)state;
    const char *body = "{\"model\":\"gpt-5\",\"top_k\":4,\"thinking\":{\"type\":\"disabled\"},\"temperature\":0.2,"
                       "\"messages\":[{\"role\":\"user\",\"content\":[" THINKING "],\"cache_control\":{}}]}";
    encodes(&plain, false, "gpt-5", body, body, "");
#define BLOCKS "\"thinking_blocks\":[" THINKING "]"
    /* What a client hands back of another vendor's answer would be refused by OpenAI, and may be wanted elsewhere. */
    encodes(&plain, false, "m", BODY("{\"role\":\"assistant\"," BLOCKS ",\"content\":\"a\",\"x\":1}"),
            BODY("{\"role\":\"assistant\",\"content\":\"a\",\"x\":1}"), "messages[0].thinking_blocks\n");
#define CALL(more) "{\"id\":\"c\",\"type\":\"function\"" more ",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}"
#define SIGNED CALL(",\"signature\":\"s\",\"vendor\":\"gemini\"")
#define TOLD(calls, more) BODY("{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" calls "]" more "}")
    encodes(&plain, false, "m", TOLD(SIGNED "," CALL(""), ",\"reasoning_content\":\"r\""),
            TOLD(CALL("") "," CALL(""), ""),
            "messages[0].reasoning_content\nmessages[0].tool_calls[0].signature\nmessages[0].tool_calls[0].vendor\n");
    encodes(&plain, false, "m", TOLD(SIGNED, ""), TOLD(CALL(""), ""),
            "messages[0].tool_calls[0].signature\nmessages[0].tool_calls[0].vendor\n");
    encodes(&other, false, "m", TOLD(SIGNED, ",\"reasoning_content\":\"r\""),
            TOLD(SIGNED, ",\"reasoning_content\":\"r\""), "");
    encodes(&other, false, "m", BODY("{\"role\":\"assistant\"," BLOCKS ",\"content\":\"a\"}"),
            BODY("{\"role\":\"assistant\"," BLOCKS ",\"content\":\"a\"}"), "");
    encodes(&plain, true, "m", BODY("{\"role\":\"assistant\"," BLOCKS ",\"content\":\"a\"}"),
            BODY("{\"role\":\"assistant\",\"content\":\"a\"}"), "messages[0].thinking_blocks\n");
    /* A text that only names it. */
    encodes(&plain, false, "m", BODY("{\"role\":\"user\",\"content\":\"\\\"thinking_blocks\\\"\"}"),
            BODY("{\"role\":\"user\",\"content\":\"\\\"thinking_blocks\\\"\"}"), "");
    encodes(&other, false, "m", "{\"model\":\"m\",\"seed\":1}", "{\"model\":\"m\"}", "seed\n");
}

/* A host that is older than the field says nothing about it. */
static void trusts_sizes(void **state) {
    (void)state;
    mg_error error;
    mg_buf out = {0};
    sent s = {.n = 0};
    mg_provider_out sink = {sizeof sink, &s, on_method, on_path, on_header, on_splice, on_write, on_out_text, on_drop};
    mg_provider_request r = {.size = offsetof(mg_provider_request, translated),
                             .model = MG_STR("m"),
                             .body = MG_STR("{\"model\":\"m\",\"top_k\":1}"),
                             .translated = true};
    r.root = provider_json(&plain, r.body);
    assert_int_equal(plain.ops->encode(plain.self, &r, &sink, &error), MG_OK);
    assert_int_equal(s.n, 0);
    mg_buf_finish(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_what_openai_knows),
        cmocka_unit_test(leaves_thinking_out),
        cmocka_unit_test(leaves_hints_out),
        cmocka_unit_test(moves_what_is_no_text_behind_the_results),
        cmocka_unit_test(refuses_what_would_change_the_answer),
        cmocka_unit_test(turns_budgets_into_efforts),
        cmocka_unit_test(leaves_clients_of_openai_alone),
        cmocka_unit_test(trusts_sizes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
