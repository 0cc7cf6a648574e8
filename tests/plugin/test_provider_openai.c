#include "provider.h"

static provider plain; /* no settings */
static provider quirky;

static void add(mg_setting_values *v, const char *key, const char *name, const char *value) {
    mg_error error;
    mg_status status = mg_setting_add(v, mg_str_of(key), mg_str_of(name), mg_str_of(value), &error);
    if (status != MG_OK) fail_msg("%s", error.text);
}

static void quirks_set(mg_setting_values *v) {
    mg_error error;
    mg_setting_set(v, MG_STR("organization"), MG_STR("org-1"), &error);
    mg_setting_set(v, MG_STR("project"), MG_STR("proj-1"), &error);
    add(v, "headers", "x-one", "1");
    add(v, "headers", "authorization", "Basic abc");
    add(v, "drop", NULL, "a");
    add(v, "drop", NULL, "b");
    add(v, "drop", NULL, "stream_options");
    add(v, "rename", "max_tokens", "max_completion_tokens");
    add(v, "rename", "other_max", "max_completion_tokens");
    add(v, "path", "chat", "/v9/chat");
}

static int setup(void **state) {
    (void)state;
    provider_open(&plain, "openai", NULL);
    provider_open(&quirky, "openai", quirks_set);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    provider_close(&plain);
    provider_close(&quirky);
    return 0;
}

/* ---- encode ------------------------------------------------------------------------------------------------------ */

static void encodes(provider *p, mg_operation op, bool stream, bool usage, const char *body, const char *expected) {
    mg_error error = {0};
    mg_buf out = {0};
    sent s;
    mg_provider_request r = {.operation = op, .model = MG_STR("m"), .stream = stream, .want_usage = usage};
    r.body = mg_str_of(body);
    if (provider_encode(p, &r, &s, &out, &error) != MG_OK) fail_msg("%s: %s", body, error.text);
    assert_string_equal(out.p, expected);
    mg_buf_finish(&out);
    mg_arena_reset(p->arena);
}

static void leaves_alone_what_fits(void **state) {
    (void)state;
    const char *body = " { \"model\" : \"m\",\n \"seed\": 12345678901234567890, \"x\":[1.50] }\n";
    encodes(&plain, MG_OP_CHAT, false, false, body, body);
    encodes(&plain, MG_OP_CHAT, false, true, body, body);
    const char *stream = "{\"stream\":true,\"model\":\"m\",\"stream_options\":{\"include_usage\":true}}";
    encodes(&plain, MG_OP_CHAT, true, true, stream, stream);
    const char *embed = "{\"input\":\"x\",\"model\":\"m\"}";
    encodes(&plain, MG_OP_EMBEDDINGS, true, true, embed, embed);
}

static void puts_the_model_in(void **state) {
    (void)state;
    encodes(&plain, MG_OP_CHAT, false, false, "{\"model\": \"public name\", \"n\":1}", "{\"model\": \"m\", \"n\":1}");
    encodes(&plain, MG_OP_CHAT, false, false, "{\"model\":7}", "{\"model\":\"m\"}");
    encodes(&plain, MG_OP_CHAT, false, false, "{\"n\":1}", "{\"n\":1,\"model\":\"m\"}");
    encodes(&plain, MG_OP_CHAT, false, false, "{}", "{\"model\":\"m\"}");
    encodes(&plain, MG_OP_CHAT, false, false, "{\"\\u006dodel\":\"a\"}", "{\"\\u006dodel\":\"m\"}");
    mg_error error;
    mg_buf out = {0};
    sent s;
    mg_provider_request r = {.operation = MG_OP_CHAT, .model = MG_STR("a\"\\\n"), .body = MG_STR("{\"model\":\"x\"}")};
    assert_int_equal(provider_encode(&plain, &r, &s, &out, &error), MG_OK);
    assert_string_equal(out.p, "{\"model\":\"a\\\"\\\\\\u000a\"}");
    char name[600];
    memset(name, 'm', sizeof name);
    r.model = mg_str_from(name, sizeof name);
    assert_int_equal(provider_encode(&plain, &r, &s, &out, &error), MG_ERROR);
    assert_int_equal(error.http, 400);
    mg_buf_finish(&out);
}

static void asks_for_usage(void **state) {
    (void)state;
#define USAGE "\"stream_options\":{\"include_usage\":true}"
    encodes(&plain, MG_OP_CHAT, true, true, "{\"model\":\"m\",\"stream\":true}",
            "{\"model\":\"m\",\"stream\":true," USAGE "}");
    encodes(&plain, MG_OP_CHAT, true, true, "{\"stream\":true,\"stream_options\":null}",
            "{\"stream\":true," USAGE ",\"model\":\"m\"}");
    encodes(&plain, MG_OP_CHAT, true, true, "{\"model\":\"m\",\"stream\":true,\"stream_options\": { } }",
            "{\"model\":\"m\",\"stream\":true,\"stream_options\": { \"include_usage\":true} }");
    encodes(&plain, MG_OP_CHAT, true, true, "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"x\":1}}",
            "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"x\":1,\"include_usage\":true}}");
    encodes(&plain, MG_OP_CHAT, true, true,
            "{\"stream_options\":{\"include_usage\":false,\"x\":1},\"model\":\"m\",\"stream\":true}",
            "{\"stream_options\":{\"include_usage\":true,\"x\":1},\"model\":\"m\",\"stream\":true}");
    encodes(&plain, MG_OP_CHAT, true, true,
            "{\"stream_options\":{\"include_usage\":null},\"model\":\"m\",\"stream\":true}",
            "{\"stream_options\":{\"include_usage\":true},\"model\":\"m\",\"stream\":true}");
    encodes(&plain, MG_OP_CHAT, true, true, "{\"model\":\"m\",\"stream\":true,\"stream_options\":7}",
            "{\"model\":\"m\",\"stream\":true,\"stream_options\":7}");
    encodes(&plain, MG_OP_CHAT, true, false, "{\"model\":\"m\",\"stream\":true}", "{\"model\":\"m\",\"stream\":true}");
    encodes(&plain, MG_OP_CHAT, true, true, "{}", "{\"model\":\"m\",\"stream\":true," USAGE "}");
    encodes(&plain, MG_OP_CHAT, false, true, "{\"model\":\"m\",\"stream\":true}", "{\"model\":\"m\",\"stream\":false}");
}

static void drops_members(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"{\"a\":1,\"model\":\"m\"}", "{\"model\":\"m\"}"},
        {"{ \"a\" : 1 , \"b\":[2] ,\"model\":\"m\"}", "{ \"model\":\"m\"}"},
        {"{\"model\":\"m\",\"a\":1}", "{\"model\":\"m\"}"},
        {"{\"model\":\"m\",\"a\":1,\"b\":{\"c\":\"}\"}}", "{\"model\":\"m\"}"},
        {"{\"a\":1,\"model\":\"m\",\"b\":2}", "{\"model\":\"m\"}"},
        {"{\"model\":\"m\" , \"a\":1 , \"n\":1}", "{\"model\":\"m\" , \"n\":1}"},
        {"{\"a\":1,\"b\":2}", "{\"model\":\"m\"}"},
        {"{ \"a\":1 }", "{  \"model\":\"m\"}"},
        {"{\"b\":\"x\",\"n\":{\"a\":1},\"\\u0061\":1}", "{\"n\":{\"a\":1},\"model\":\"m\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        encodes(&quirky, MG_OP_CHAT, false, false, cases[i][0], cases[i][1]);
    /* What a server does not take is not added either. */
    encodes(&quirky, MG_OP_CHAT, true, true, "{\"model\":\"m\",\"stream\":true}", "{\"model\":\"m\",\"stream\":true}");
    encodes(&quirky, MG_OP_CHAT, true, true, "{\"stream_options\":{},\"model\":\"m\",\"stream\":true}",
            "{\"model\":\"m\",\"stream\":true}");
}

static void renames_members(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"{\"max_tokens\": 5,\"model\":\"m\"}", "{\"max_completion_tokens\": 5,\"model\":\"m\"}"},
        {"{\"model\":\"m\",\"max\\u005ftokens\":5}", "{\"model\":\"m\",\"max_completion_tokens\":5}"},
        /* The new name is there already: one of the two has to go. */
        {"{\"max_tokens\":5,\"max_completion_tokens\":6,\"model\":\"m\"}",
         "{\"max_completion_tokens\":6,\"model\":\"m\"}"},
        {"{\"other_max\":7,\"model\":\"m\",\"max_tokens\":5}", "{\"model\":\"m\",\"max_completion_tokens\":5}"},
        {"{\"other_max\":7,\"model\":\"m\"}", "{\"max_completion_tokens\":7,\"model\":\"m\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        encodes(&quirky, MG_OP_CHAT, false, false, cases[i][0], cases[i][1]);
}

static void sends_method_path_and_headers(void **state) {
    (void)state;
    static const struct {
        mg_operation op;
        const char *method, *path;
    } routes[] = {{MG_OP_CHAT, "POST", "/chat/completions"},
                  {MG_OP_EMBEDDINGS, "POST", "/embeddings"},
                  {MG_OP_MODERATIONS, "POST", "/moderations"},
                  {MG_OP_MODELS, "GET", "/models"}};
    mg_error error;
    mg_buf out = {0};
    sent s;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        bool get = routes[i].op == MG_OP_MODELS;
        mg_provider_request r = {.operation = routes[i].op, .model = MG_STR("m"), .api_key = MG_STR("sk-1")};
        r.body = get ? MG_STR("") : MG_STR("{\"model\":\"m\"}");
        assert_int_equal(provider_encode(&plain, &r, &s, &out, &error), MG_OK);
        assert_string_equal(s.method, routes[i].method);
        assert_string_equal(s.path, routes[i].path);
        assert_string_equal(s.headers, get ? "authorization: Bearer sk-1\n"
                                           : "authorization: Bearer sk-1\ncontent-type: application/json\n");
    }
    mg_provider_request r = {
        .operation = MG_OP_CHAT, .model = MG_STR("m"), .api_key = MG_STR("sk-1"), .body = MG_STR("{}")};
    assert_int_equal(provider_encode(&quirky, &r, &s, &out, &error), MG_OK);
    assert_string_equal(s.path, "/v9/chat");
    assert_string_equal(s.headers,
                        "content-type: application/json\nopenai-organization: org-1\nopenai-project: proj-1\n"
                        "authorization: Basic abc\nx-one: 1\n");
    mg_buf_finish(&out);
}

static void refuses_what_it_cannot_send(void **state) {
    (void)state;
    mg_error error;
    mg_buf out = {0};
    sent s;
    mg_provider_request r = {.operation = MG_OP_COUNT_TOKENS, .model = MG_STR("m"), .body = MG_STR("{}")};
    assert_int_equal(provider_encode(&plain, &r, &s, &out, &error), MG_ERROR);
    assert_int_equal(error.http, 400);
    r.operation = MG_OP_CHAT;
    r.body = MG_STR("[1]");
    assert_int_equal(provider_encode(&plain, &r, &s, &out, &error), MG_ERROR);
    assert_int_equal(error.http, 400);
    r.body = MG_STR("{}");
    r.api_key = MG_STR("hunter2\r\nx: y");
    assert_int_equal(provider_encode(&plain, &r, &s, &out, &error), MG_ERROR);
    assert_null(strstr(error.text, "hunter2"));
    mg_buf_finish(&out);
}

static void refuses_bad_settings(void **state) {
    (void)state;
    static const char *const bad[][3] = {{"headers", "Host", "x"},
                                         {"headers", "host", "x"},
                                         {"headers", "x y", "x"},
                                         {"headers", "x-a", "b\r\nc"},
                                         {"headers", "content-length", "1"},
                                         {"path", "chat", "no-slash"},
                                         {"path", "chats", "/x"},
                                         {"path", "chat", "/a b"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        mg_error error = {0};
        mg_setting_values *v = mg_setting_values_create(plain.plugin->settings, MG_STR(""));
        add(v, bad[i][0], bad[i][1], bad[i][2]);
        assert_null(mg_use_open(&plain.host, plain.plugin, v, 1, &error));
        assert_non_null(strstr(error.text, bad[i][0]));
    }
}

/* ---- decode ------------------------------------------------------------------------------------------------------ */

static void decodes_plain_answers(void **state) {
    (void)state;
    provider_says(
        &plain, MG_OP_CHAT, false,
        "{\"id\":\"c1\",\"model\":\"gpt\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
        "\"content\":\"hi\",\"reasoning_content\":\"hm\",\"reasoning\":\"hm\"},\"finish_reason\":\"stop\"},"
        "{\"index\":1,\"message\":{\"content\":null,\"refusal\":\"no\"},\"finish_reason\":\"content_filter\"}],"
        "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15,\"prompt_tokens_details\":"
        "{\"cached_tokens\":4,\"audio_tokens\":1},\"completion_tokens_details\":{\"reasoning_tokens\":3,"
        "\"audio_tokens\":2}},\"error\":null}",
        "META name=gpt c1\nREASONING 0 hm\nTEXT 0 hi\nFINISH 0 name=stop stop\nREFUSAL 1 no\nFINISH 1 "
        "name=content_filter content_filter\n"
        "USAGE in=10 out=5 cached=4 write=0 reasoning=3 audio=1/2\n");
    provider_says(
        &plain, MG_OP_CHAT, false,
        "{\"choices\":[{\"message\":{\"tool_calls\":[{\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":"
        "\"f\",\"arguments\":\"{\\\"x\\\":1}\"}},{\"id\":\"t2\",\"type\":\"custom\",\"custom\":{\"name\":\"g\","
        "\"input\":\"raw\"}},{\"function\":{\"name\":\"h\",\"arguments\":{\"y\": 2}}}]},"
        "\"finish_reason\":\"tool_calls\"}]}",
        "TOOL 0 id=t1 name=f {\"x\":1}\nTOOL 1 id=t2 name=g raw\nTOOL 2 name=h {\"y\": 2}\nFINISH 0 name=tool_calls "
        "tool_calls\n");
    provider_says(
        &plain, MG_OP_CHAT, false,
        "{\"choices\":[{\"message\":{\"function_call\":{\"name\":\"f\",\"arguments\":\"{}\"}},\"finish_reason\":"
        "\"function_call\"}]}",
        "TOOL 0 name=f {}\nFINISH 0 name=function_call tool_calls\n");
    provider_says(
        &plain, MG_OP_CHAT, false,
        "{\"choices\":[{\"message\":{\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":"
        "\"mull\"}]},{\"type\":\"text\",\"text\":\"so\"}]},\"finish_reason\":\"eos\"}]}",
        "REASONING 0 mull\nTEXT 0 so\nFINISH 0 name=eos stop\n");
    provider_says(
        &plain, MG_OP_EMBEDDINGS, false,
        "{\"model\":\"e\",\"data\":[{\"embedding\":[0.1]}],\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}",
        "META name=e\nEMBEDDING 0 [0.1]\nUSAGE in=8 out=0 cached=0 write=0 reasoning=0 audio=0/0\n");
    provider_says(&plain, MG_OP_MODERATIONS, false, "{\"id\":\"modr\",\"model\":\"o\",\"results\":[]}",
                  "META name=o modr\n");
    provider_says(&plain, MG_OP_MODELS, false, "{\"object\":\"list\",\"data\":[]}", "");
}

static void decodes_streams(void **state) {
    (void)state;
    provider_says(
        &plain, MG_OP_CHAT, true,
        "{\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":1,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
        "\"finish_reason\":null}],\"usage\":null}",
        "META name=m c\n");
    provider_says(&plain, MG_OP_CHAT, true, "{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"a\"}}]}",
                  "TEXT 1 a\n");
    provider_says(
        &plain, MG_OP_CHAT, true,
        "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":3,\"function\":{\"arguments\":\"{\"}}]}}]}",
        "TOOL 3 {\n");
    provider_says(&plain, MG_OP_CHAT, true, "{\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}",
                  "USAGE in=1 out=2 cached=0 write=0 reasoning=0 audio=0/0 alone\n");
    provider_says(&plain, MG_OP_CHAT, true,
                  "{\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":1,"
                  "\"completion_tokens\":2,\"prompt_cache_hit_tokens\":1}}",
                  "FINISH 0 name=length length\nUSAGE in=1 out=2 cached=1 write=0 reasoning=0 audio=0/0\n");
    provider_says(
        &plain, MG_OP_CHAT, true,
        "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"x_groq\":{\"usage\":{\"prompt_tokens\":3}}}",
        "FINISH 0 name=stop stop\nUSAGE in=3 out=0 cached=0 write=0 reasoning=0 audio=0/0\n");
    provider_says(&plain, MG_OP_CHAT, true, "[DONE]", "DONE\n");
    provider_says(&plain, MG_OP_CHAT, true, " [DONE]\r", "DONE\n");
    provider_says(&plain, MG_OP_CHAT, true, "", "");
    provider_says(&plain, MG_OP_CHAT, true,
                  "{\"error\":{\"message\":\"busy\",\"type\":\"server_error\",\"code\":null}}",
                  "ERROR name=server_error busy\n");
    provider_says(&plain, MG_OP_CHAT, true, "{\"error\":\"busy\"}", "ERROR busy\n");
    provider_says(&plain, MG_OP_CHAT, true, "{\"choices\":[{\"delta\":{},\"finish_reason\":\"error\"}]}",
                  "ERROR name=error the provider broke the answer off\n");
}

static void counts_hidden_reasoning(void **state) {
    (void)state;
    provider_says(&plain, MG_OP_CHAT, false,
                  "{\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":115,"
                  "\"completion_tokens_details\":{\"reasoning_tokens\":100}}}",
                  "USAGE in=10 out=105 cached=0 write=0 reasoning=100 audio=0/0\n");
    provider_says(&plain, MG_OP_CHAT, false,
                  "{\"usage\":{\"prompt_tokens\":-3,\"completion_tokens\":\"x\",\"total_tokens\":1e30,"
                  "\"prompt_tokens_details\":{\"cached_tokens\":7}}}",
                  "USAGE in=0 out=0 cached=0 write=0 reasoning=0 audio=0/0\n");
}

static void survives_rubbish(void **state) {
    (void)state;
    static const char *const rubbish[] = {"not json", "[]", "7", "\"text\"", "null", "{\"unfinished\":"};
    static const char *const odd[] = {
        "{}",
        "{\"choices\":7}",
        "{\"choices\":[7,null,[],{}]}",
        "{\"choices\":{\"a\":{\"delta\":[]}}}",
        "{\"choices\":[{\"delta\":7,\"message\":[1],\"index\":\"x\",\"finish_reason\":{}}]}",
        "{\"choices\":[{\"delta\":{\"content\":7,\"tool_calls\":[7,null,{\"function\":[]}],\"refusal\":[]}}]}",
        "{\"choices\":[{\"delta\":{\"content\":[7,[],{\"text\":1,\"thinking\":{}}]}}]}",
        "{\"usage\":[1]}",
        "{\"usage\":{\"prompt_tokens\":{}}}",
        "{\"error\":7}",
        "{\"error\":[]}",
        "{\"error\":{\"message\":7}}",
        "{\"id\":7,\"model\":[]}"};
    mg_buf b = {0};
    for (int stream = 0; stream < 2; stream++)
        for (int op = MG_OP_CHAT; op <= MG_OP_COUNT_TOKENS; op++) {
            for (size_t i = 0; i < sizeof rubbish / sizeof rubbish[0]; i++) {
                mg_error error = {0};
                assert_int_equal(
                    provider_decode(&plain, (mg_operation)op, stream, "", mg_str_of(rubbish[i]), on_event, &b, &error),
                    MG_ERROR);
                assert_true(error.text[0] && error.http == 502);
            }
            for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
                mg_error error;
                assert_int_equal(
                    provider_decode(&plain, (mg_operation)op, stream, "", mg_str_of(odd[i]), on_event, &b, &error),
                    MG_OK);
            }
        }
    mg_buf_finish(&b);
}

/* ---- classify ---------------------------------------------------------------------------------------------------- */

static mg_classification classify(int status, const char *body, const mg_header *headers, size_t n) {
    mg_classification c = {.size = sizeof c};
    mg_frame f = {.size = sizeof f, .operation = MG_OP_CHAT, .status = status, .data = mg_str_of(body)};
    f.json = provider_json(&plain, f.data);
    plain.ops->classify(plain.self, &f, headers, n, &c);
    return c;
}

static void classifies_failures(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *body;
        mg_failure failure;
    } cases[] = {
        {400, "{\"error\":{\"message\":\"bad\",\"type\":\"invalid_request_error\"}}", MG_FAIL_BAD_REQUEST},
        {400, "{\"error\":{\"message\":\"long\",\"code\":\"context_length_exceeded\"}}", MG_FAIL_CONTEXT_LENGTH},
        {400, "{\"object\":\"error\",\"message\":\"This model's maximum Context Length is 8\",\"code\":400}",
         MG_FAIL_CONTEXT_LENGTH},
        {400, "{\"error\":{\"code\":\"content_policy_violation\"}}", MG_FAIL_CONTENT},
        {400, "{\"error\":{\"code\":\"content_filter\",\"innererror\":{\"code\":\"ResponsibleAIPolicyViolation\"}}}",
         MG_FAIL_CONTENT},
        {401, "{\"error\":{\"code\":\"invalid_api_key\"}}", MG_FAIL_AUTH},
        {403, "", MG_FAIL_AUTH},
        {402, "{}", MG_FAIL_QUOTA},
        {404, "{\"error\":{\"code\":\"model_not_found\"}}", MG_FAIL_NOT_FOUND},
        {404, "<html>", MG_FAIL_NOT_FOUND},
        {408, "", MG_FAIL_SERVER},
        {409, "", MG_FAIL_SERVER},
        {413, "{\"error\":{\"code\":\"rate_limit_exceeded\"}}", MG_FAIL_CONTEXT_LENGTH},
        {422, "{\"detail\":\"wrong\"}", MG_FAIL_BAD_REQUEST},
        {429, "{\"error\":{\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\"}}", MG_FAIL_RATE},
        {429, "{\"error\":{\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\"}}", MG_FAIL_QUOTA},
        {429, "{\"error\":{\"type\":\"insufficient_quota\",\"code\":null}}", MG_FAIL_QUOTA},
        {429, "slow down", MG_FAIL_RATE},
        {500, "{\"error\":{\"type\":\"server_error\"}}", MG_FAIL_SERVER},
        {502, "", MG_FAIL_SERVER},
        {503, "", MG_FAIL_OVERLOADED},
        {529, "", MG_FAIL_OVERLOADED},
        {500, "{\"error\":{\"type\":\"overloaded_error\"}}", MG_FAIL_OVERLOADED},
        {302, "", MG_FAIL_SERVER},
        {200, "{\"error\":{\"code\":429,\"message\":\"x\"}}", MG_FAIL_RATE},
        {400, "[{\"error\":{\"code\":400,\"message\":\"x\"}}]", MG_FAIL_BAD_REQUEST},
        {400, "{\"error\":[7]}", MG_FAIL_BAD_REQUEST},
        {400, "7", MG_FAIL_BAD_REQUEST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mg_classification c = classify(cases[i].status, cases[i].body, NULL, 0);
        if (c.failure != cases[i].failure)
            fail_msg("%d %s: %d, not %d", cases[i].status, cases[i].body, c.failure, cases[i].failure);
        assert_int_equal(c.retry_after_ms, -1);
    }
    mg_classification c = classify(400, "{\"error\":{\"message\":\"m\",\"type\":\"t\",\"code\":\"c\"}}", NULL, 0);
    assert_true(mg_str_is(c.message, "m") && mg_str_is(c.code, "c"));
    c = classify(400, "{\"error\":{\"message\":\"m\",\"type\":\"t\",\"code\":null}}", NULL, 0);
    assert_true(mg_str_is(c.code, "t"));
    c = classify(400, "{\"object\":\"error\",\"message\":\"m\",\"code\":40303}", NULL, 0);
    assert_true(mg_str_is(c.message, "m") && mg_str_is(c.code, "40303"));
    c = classify(422, "{\"detail\":\"d\"}", NULL, 0);
    assert_true(mg_str_is(c.message, "d"));
    c = classify(400, "{\"error\":\"e\"}", NULL, 0);
    assert_true(mg_str_is(c.message, "e"));
}

static int64_t wait_of(const char *name, const char *value, const char *date) {
    mg_header h[] = {{mg_str_of(name), mg_str_of(value)}, {MG_STR("date"), mg_str_of(date)}};
    return classify(429, "{}", h, date ? 2 : 1).retry_after_ms;
}

static void reads_retry_after(void **state) {
    (void)state;
    const char *now = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_int_equal(wait_of("retry-after-ms", "1500", NULL), 1500);
    assert_int_equal(wait_of("retry-after-ms", "0.2", NULL), 1);
    assert_int_equal(wait_of("retry-after", "20", NULL), 20000);
    assert_int_equal(wait_of("retry-after", "1.5", NULL), 1500);
    assert_int_equal(wait_of("retry-after", "0", NULL), 0);
    assert_int_equal(wait_of("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT", now), 30000);
    assert_int_equal(wait_of("retry-after", "Sun, 06 Nov 1994 08:40:00 GMT", now), 0);
    assert_int_equal(wait_of("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT", NULL), 0); /* long past, by our clock */
    assert_true(wait_of("retry-after", "Sun, 06 Nov 2094 08:49:37 GMT", NULL) > 0);
    assert_int_equal(wait_of("retry-after", "99999999999999999999999", NULL), 30 * 86400000LL);
    assert_int_equal(wait_of("retry-after", "soon", now), -1);
    assert_int_equal(wait_of("retry-after", "-5", now), -1);
    assert_int_equal(wait_of("retry-after", "1.2.3", now), -1);
    assert_int_equal(wait_of("retry-after", "", now), -1);
    assert_int_equal(wait_of("retry-after", "Sun, 06 Nvo 1994 08:49:37 GMT", now), -1);
    assert_int_equal(wait_of("x-other", "20", NULL), -1);
    /* OpenAI says it in words. */
    static const struct {
        const char *message;
        int64_t ms;
    } words[] = {{"Rate limit reached. Please try again in 20s. Visit x", 20000},
                 {"Please try again in 6m0s.", 360000},
                 {"Please try again in 1.242s.", 1242},
                 {"please Try Again In 180ms", 180},
                 {"Please try again in 1h2m3s", 3723000},
                 {"Please retry after 7 seconds.", 7000},
                 {"retry after 1 day", 86400000},
                 {"Please wait 12 seconds before retrying.", 12000},
                 {"try again in 99999999999999999999 days", 30 * 86400000LL},
                 {"try again in a moment", -1},
                 {"try again in ", -1},
                 {"try again in 5", -1},
                 {"retry", -1}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        char body[256];
        snprintf(body, sizeof body, "{\"error\":{\"message\":\"%s\"}}", words[i].message);
        int64_t wait = classify(429, body, NULL, 0).retry_after_ms;
        if (wait != words[i].ms) fail_msg("%s: %lld", words[i].message, (long long)wait);
        assert_int_equal(classify(400, body, NULL, 0).retry_after_ms, -1);
    }
    mg_header both[] = {{MG_STR("retry-after"), MG_STR("20")}, {MG_STR("retry-after-ms"), MG_STR("7")}};
    assert_int_equal(classify(429, "{}", both, 2).retry_after_ms, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_alone_what_fits),
        cmocka_unit_test(puts_the_model_in),
        cmocka_unit_test(asks_for_usage),
        cmocka_unit_test(drops_members),
        cmocka_unit_test(renames_members),
        cmocka_unit_test(sends_method_path_and_headers),
        cmocka_unit_test(refuses_what_it_cannot_send),
        cmocka_unit_test(refuses_bad_settings),
        cmocka_unit_test(decodes_plain_answers),
        cmocka_unit_test(decodes_streams),
        cmocka_unit_test(counts_hidden_reasoning),
        cmocka_unit_test(survives_rubbish),
        cmocka_unit_test(classifies_failures),
        cmocka_unit_test(reads_retry_after),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
