/* What the google provider makes of requests: routes, and the conversation. */
#include "google.h"

/* ---- routes ------------------------------------------------------------------------------------------------------ */

static void sends_to_the_models_method(void **state) {
    (void)state;
    static const char *const body = ASK(""), *const embed = "{\"input\":\"x\"}";
    path_is(chat("m"), body, "/models/m:generateContent");
    path_is((ask){.p = &gemini, .model = "m", .stream = true}, body, "/models/m:streamGenerateContent?alt=sse");
    path_is((ask){.p = &gemini, .model = "m", .op = MG_OP_COUNT_TOKENS}, body, "/models/m:countTokens");
    path_is((ask){.p = &gemini, .model = "m", .op = MG_OP_EMBEDDINGS}, embed, "/models/m:batchEmbedContents");
    path_is(chat("models/gemini-2.5-pro"), body, "/models/gemini-2.5-pro:generateContent");
    path_is(chat("tunedModels/t-1"), body, "/tunedModels/t-1:generateContent");
    path_is(chat("a/../b c?\xc3\xa4"), body, "/models/a%2F..%2Fb%20c%3F%C3%A4:generateContent");
    path_is((ask){.p = &vertex, .model = "publishers/google/models/m"}, body, "/models/m:generateContent");
    path_is((ask){.p = &vertex, .model = "google/m"}, body, "/models/m:generateContent");
    ask a = {.p = &gemini, .op = MG_OP_EMBEDDINGS, .format = MG_FORMAT_GEMINI, .model = "m"};
    path_is(a, "{\"content\":{}}", "/models/m:embedContent");
    path_is(a, "{\"requests\":[]}", "/models/m:batchEmbedContents");
    refused(chat(""), body, "missing");
    char name[600];
    memset(name, 'm', sizeof name - 1);
    name[sizeof name - 1] = 0;
    refused(chat(name), body, "longer");
}

static void lists_models_but_not_on_vertex(void **state) {
    (void)state;
    mg_error error;
    mg_buf out = {0};
    sent s;
    mg_provider_request r = {.operation = MG_OP_MODELS, .api_key = MG_STR("AIza1")};
    assert_int_equal(provider_encode(&gemini, &r, &s, &out, &error), MG_OK);
    assert_string_equal(s.method, "GET");
    assert_string_equal(s.path, "/models?pageSize=1000");
    assert_string_equal(s.headers, "x-goog-api-key: AIza1\n");
    assert_int_equal(provider_encode(&vertex, &r, &s, &out, &error), MG_DECLINED);
    r.operation = MG_OP_MODERATIONS;
    assert_int_equal(provider_encode(&gemini, &r, &s, &out, &error), MG_DECLINED);
    mg_buf_finish(&out);
}

static void knows_its_own_format(void **state) {
    (void)state;
    static const bool on_gemini[] = {true, true, false, false, true}, on_vertex[] = {true, false, false, false, true};
    for (int op = MG_OP_CHAT; op <= MG_OP_COUNT_TOKENS; op++) {
        assert_int_equal(gemini.ops->native(gemini.self, (mg_operation)op, MG_FORMAT_GEMINI), on_gemini[op]);
        assert_int_equal(vertex.ops->native(vertex.self, (mg_operation)op, MG_FORMAT_GEMINI), on_vertex[op]);
        assert_false(gemini.ops->native(gemini.self, (mg_operation)op, MG_FORMAT_OPENAI));
        assert_false(gemini.ops->native(gemini.self, (mg_operation)op, MG_FORMAT_ANTHROPIC));
    }
    ask a = {.p = &gemini, .format = MG_FORMAT_ANTHROPIC, .model = "m"};
    refused(a, "{}", "canonical");
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static void merges_messages_of_one_side(void **state) {
    (void)state;
    becomes(chat(NULL),
            "{\"messages\":[{\"role\":\"system\",\"content\":\"Be \\\"brief\\\"\"},"
            "{\"role\":\"user\",\"content\":\"a\",\"name\":\"Ann\"},"
            "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"b\"},{\"type\":\"text\",\"text\":\"\"}]},"
            "{\"role\":\"assistant\",\"content\":\"c\",\"refusal\":null},{\"role\":\"assistant\",\"refusal\":\"no\"},"
            "{\"role\":\"developer\",\"content\":[{\"type\":\"text\",\"text\":\"in French\",\"cache_control\":{}}]},"
            "{\"role\":\"assistant\",\"content\":\"\"},"
            "{\"role\":\"user\",\"content\":\"d\"}]}",
            "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"a\"},{\"text\":\"b\"}]},"
            "{\"role\":\"model\",\"parts\":[{\"text\":\"c\"},{\"text\":\"no\"}]},"
            "{\"role\":\"user\",\"parts\":[{\"text\":\"d\"}]}],"
            "\"systemInstruction\":{\"parts\":[{\"text\":\"Be \\\"brief\\\"\"},{\"text\":\"in French\"}]}}",
            "messages[1].name\nmessages[5].content[0].cache_control\n");
}

static void refuses_messages_it_cannot_send(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"[]", "JSON object"},
        {"{}", "messages"},
        {"{\"messages\":[]}", "at least one"},
        {"{\"messages\":[{\"role\":\"system\",\"content\":\"x\"}]}", "at least one"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"\"}]}", "at least one"},
        {"{\"messages\":[1]}", "messages[0]"},
        {"{\"messages\":[{\"role\":\"narrator\",\"content\":\"x\"}]}", "narrator"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":7}]}", "messages[0].content"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[7]}]}", "messages[0].content[0]"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"video\"}]}]}", "'video'"},
        {"{\"messages\":[" HI ",{\"role\":\"system\",\"content\":[{\"type\":\"image_url\"}]}]}", "nothing but text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) refused(chat(NULL), cases[i][0], cases[i][1]);
}

#define USER(part) "{\"messages\":[{\"role\":\"user\",\"content\":[" part "]}]}"
#define USER_OUT(part) "{\"contents\":[{\"role\":\"user\",\"parts\":[" part "]}]}"
#define IMAGE(url) USER("{\"type\":\"image_url\",\"image_url\":{\"url\":\"" url "\"}}")
#define FILE_DATA(type, uri) USER_OUT("{\"fileData\":{\"mimeType\":\"" type "\",\"fileUri\":\"" uri "\"}}")
#define INLINE(type, data) USER_OUT("{\"inlineData\":{\"mimeType\":\"" type "\",\"data\":\"" data "\"}}")
#define A_FILE(members) USER("{\"type\":\"file\",\"file\":{" members "}}")

static void sends_media(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {IMAGE("data:image/png;base64,AAAA"), INLINE("image/png", "AAAA")},
        {IMAGE("data:image/png;charset=x;BASE64,AAAA"), INLINE("image/png", "AAAA")},
        {IMAGE("https://a.b/c.d/e.JPG?x=.gif#y"), FILE_DATA("image/jpeg", "https://a.b/c.d/e.JPG?x=.gif#y")},
        {IMAGE("gs://bucket/x.webp"), FILE_DATA("image/webp", "gs://bucket/x.webp")},
        {IMAGE("https://a.b/image"), USER_OUT("{\"fileData\":{\"fileUri\":\"https://a.b/image\"}}")},
        {IMAGE("https://youtu.be/abc"), FILE_DATA("video/mp4", "https://youtu.be/abc")},
        {USER("{\"type\":\"image_url\",\"image_url\":\"data:image/gif;base64,BB==\"}"), INLINE("image/gif", "BB==")},
        {USER("{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"CC\",\"format\":\"wav\"}}"),
         INLINE("audio/wav", "CC")},
        {A_FILE("\"filename\":\"a.pdf\",\"file_data\":\"data:application/pdf;base64,DD\""),
         INLINE("application/pdf", "DD")},
        {A_FILE("\"filename\":\"a.pdf\",\"file_data\":\"data:;base64,DD\""), INLINE("application/pdf", "DD")},
        {A_FILE("\"filename\":\"a.csv\",\"file_data\":\"DD\""), INLINE("text/csv", "DD")},
        {A_FILE("\"filename\":\"a.txt\",\"file_url\":\"https://a.b/c\""), FILE_DATA("text/plain", "https://a.b/c")},
        {A_FILE("\"file_id\":\"files/abc\""),
         USER_OUT("{\"fileData\":{\"fileUri\":\"https://generativelanguage.googleapis.com/v1beta/files/abc\"}}")},
        {A_FILE("\"file_id\":\"gs://b/c.mp4\""), FILE_DATA("video/mp4", "gs://b/c.mp4")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        becomes(chat(NULL), cases[i][0], cases[i][1],
                strstr(cases[i][0], "filename") ? "messages[0].content[0].filename\n" : "");
    becomes(chat(NULL),
            USER("{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,A\",\"detail\":\"high\"},"
                 "\"cache_control\":{}}"),
            INLINE("image/png", "A"),
            "messages[0].content[0].cache_control\nmessages[0].content[0].image_url.detail\n");
    static const char *const bad[] = {
        IMAGE("data:image/png,AAAA"),
        IMAGE("data:;base64,AAAA"),
        IMAGE("ftp://a.b/c"),
        IMAGE(""),
        A_FILE("\"file_id\":\"file-abc\""),
        A_FILE("\"file_data\":\"DD\""),
        A_FILE("\"filename\":\"a.pdf\""),
        IMAGE("data:image/png;base64"),
        USER("{\"type\":\"input_audio\"}"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) refused(chat(NULL), bad[i], "messages[0].content[0]");
}

static void hands_thoughts_and_signatures_back(void **state) {
    (void)state;
    static const char body[] =
        "{\"messages\":[" HI ",{\"role\":\"assistant\",\"thinking_blocks\":["
        "{\"type\":\"thinking\",\"thinking\":\"T\",\"signature\":\"S1\",\"vendor\":\"gemini\"}],"
        "\"content\":[{\"type\":\"thinking\",\"thinking\":\"other\",\"signature\":\"no\",\"vendor\":\"anthropic\"},"
        "{\"type\":\"redacted_thinking\",\"data\":\"no\",\"vendor\":\"gemini\"},"
        "{\"type\":\"text\",\"text\":\"a\",\"signature\":\"S2\",\"vendor\":\"gemini\"},"
        "{\"type\":\"text\",\"text\":\"b\",\"signature\":\"no\",\"vendor\":\"openai\"},"
        "{\"type\":\"text\",\"text\":\"\",\"signature\":\"S3\",\"vendor\":\"gemini\"}],"
        "\"reasoning_content\":\"T\",\"audio\":null}]}";
    becomes(
        chat(NULL), body,
        "{\"contents\":[" HI_OUT ",{\"role\":\"model\",\"parts\":["
        "{\"text\":\"T\",\"thought\":true,\"thoughtSignature\":\"S1\"},{\"text\":\"a\",\"thoughtSignature\":\"S2\"},"
        "{\"text\":\"b\"},{\"text\":\"\",\"thoughtSignature\":\"S3\"}]}]}",
        "messages[1].reasoning_content\nmessages[1].content[0]\nmessages[1].content[1]\n");
}

/* ---- calls and their results ------------------------------------------------------------------------------------- */

#define CALL(id, name, args, more)                                                                                     \
    "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"arguments\":\"" args "\"}" more "}"
#define CALLED(id, name, args) "{\"functionCall\":{\"id\":\"" id "\",\"name\":\"" name "\",\"args\":" args "}"
#define RESULT(id, name, response)                                                                                     \
    "{\"functionResponse\":{\"id\":\"" id "\",\"name\":\"" name "\",\"response\":" response "}}"
#define TOOL(id, content) "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":" content "}"

static const char calls[] = "{\"messages\":[" HI ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" CALL(
    "c1", "one", "{\\\"a\\\":[1,\\\"\\\\u00e9\\\"]}",
    ",\"signature\":\"S\",\"vendor\":\"gemini\"") "," CALL("c2", "two", "",
                                                           "") "]}," TOOL("c2",
                                                                          "\"{\\\"x\\\": 1}\"") "," TOOL("c1",
                                                                                                         "\"[1]\"") ",{"
                                                                                                                    "\""
                                                                                                                    "ro"
                                                                                                                    "le"
                                                                                                                    "\""
                                                                                                                    ":"
                                                                                                                    "\""
                                                                                                                    "us"
                                                                                                                    "er"
                                                                                                                    "\""
                                                                                                                    ","
                                                                                                                    "\""
                                                                                                                    "co"
                                                                                                                    "nt"
                                                                                                                    "en"
                                                                                                                    "t"
                                                                                                                    "\""
                                                                                                                    ":"
                                                                                                                    "\""
                                                                                                                    "an"
                                                                                                                    "d?"
                                                                                                                    "\""
                                                                                                                    "}]"
                                                                                                                    "}";

static void sends_calls_and_results(void **state) {
    (void)state;
    becomes(
        chat(NULL), calls,
        "{\"contents\":[" HI_OUT ",{\"role\":\"model\",\"parts\":[" CALLED(
            "c1", "one",
            "{\"a\":[1,\"\\u00e9\"]}") ",\"thoughtSignature\":\"S\"}," CALLED("c2", "two",
                                                                              "{}") "}]},"
                                                                                    "{\"role\":\"user\",\"parts\":"
                                                                                    "[" RESULT("c2", "two", "{\"x\": 1}") "," RESULT(
                                                                                        "c1", "one",
                                                                                        "{\"result\":\"[1]\"}") "]},"
                                                                                                                "{\"rol"
                                                                                                                "e\":"
                                                                                                                "\"user"
                                                                                                                "\","
                                                                                                                "\"part"
                                                                                                                "s\":[{"
                                                                                                                "\"text"
                                                                                                                "\":"
                                                                                                                "\"and?"
                                                                                                                "\"}]}]"
                                                                                                                "}",
        "");
    /* Vertex AI's v1 knows no ids. */
    ask a = {.p = &vertex, .model = "gemini-2.5-flash"};
    assert_int_equal(asked(&a, calls), MG_OK);
    assert_null(strstr(a.out.p, "\"id\""));
    assert_non_null(strstr(a.out.p, "{\"functionCall\":{\"name\":\"two\",\"args\":{}}}"));
    mg_buf_finish(&a.out);
}

#define AFTER_CALL(message)                                                                                            \
    "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[" CALL("c", "f", "{}", "") "]}," message "]}"
#define AFTER_CALL_OUT(rest)                                                                                           \
    "{\"contents\":[{\"role\":\"model\",\"parts\":[" CALLED("c", "f", "{}") "}]},{\"role\":\"user\",\"parts\":[" rest  \
                                                                            "]}]}"

static void wraps_results(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {TOOL("c", "\"\""), RESULT("c", "f", "{\"result\":\"\"}")},
        {TOOL("c", "\"{\\\"a\\\":}\""), RESULT("c", "f", "{\"result\":\"{\\\"a\\\":}\"}")},
        {TOOL("c", "\" {} \""), RESULT("c", "f", " {} ")},
        {TOOL("c", "\"{\\\"a\\\":\\\"\\\\ud83d\\\\ude00\\\"}\""), RESULT("c", "f", "{\"a\":\"\\ud83d\\ude00\"}")},
        {TOOL("c", "\"{\\\"a\\\":\\\"\\\\ud83d\\\"}\""),
         RESULT("c", "f", "{\"result\":\"{\\\"a\\\":\\\"\\\\ud83d\\\"}\"}")},
        {TOOL("c", "\"{} {}\""), RESULT("c", "f", "{\"result\":\"{} {}\"}")},
        {TOOL("c", "[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]"),
         RESULT("c", "f", "{\"result\":\"ab\"}")},
        {"{\"role\":\"tool\",\"tool_call_id\":\"c\",\"is_error\":true,\"content\":\"broke\"}",
         RESULT("c", "f", "{\"error\":\"broke\"}")},
        {"{\"role\":\"tool\",\"tool_call_id\":\"c\",\"is_error\":true,\"content\":\"{\\\"why\\\":1}\"}",
         RESULT("c", "f", "{\"error\":{\"why\":1}}")},
        {"{\"role\":\"tool\",\"tool_call_id\":\"z\",\"name\":\"g\",\"content\":\"x\"}",
         RESULT("z", "g", "{\"result\":\"x\"}")},
        {"{\"role\":\"function\",\"name\":\"g\",\"content\":\"x\"}",
         "{\"functionResponse\":{\"name\":\"g\",\"response\":{\"result\":\"x\"}}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char body[512], out[512];
        snprintf(body, sizeof body, AFTER_CALL("%s"), cases[i][0]);
        snprintf(out, sizeof out, AFTER_CALL_OUT("%s"), cases[i][1]);
        becomes(chat(NULL), body, out, "");
    }
    refused(chat(NULL), AFTER_CALL(TOOL("z", "\"x\"")), "messages[1]");
    refused(chat(NULL), "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[" CALL("c", "f", "[1]", "") "]}]}",
            "messages[0].tool_calls[0]");
    refused(chat(NULL), "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[" CALL("c", "f", "{},", "") "]}]}",
            "messages[0].tool_calls[0]");
    refused(chat(NULL), "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"type\":\"custom\"}]}]}",
            "functions");
}

/* The last call of that id counts, and calls of earlier turns are found. */
static void finds_the_function_of_a_result(void **state) {
    (void)state;
    ask a = chat(NULL);
    assert_int_equal(
        asked(&a, "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[" CALL("c", "old", "{}", "") "," CALL(
                      "d", "other", "{}", "") "]}," TOOL("c", "\"1\"") ",{\"role\":\"assistant\",\"tool_calls\":"
                                                                       "[" CALL("c", "new", "{}", "") "]}," TOOL(
                                                                           "c", "\"2\"") "," TOOL("d", "\"3"
                                                                                                       "\"") "]}"),
        MG_OK);
    assert_non_null(strstr(a.out.p, RESULT("c", "old", "{\"result\":\"1\"}")));
    assert_non_null(strstr(a.out.p, RESULT("c", "new", "{\"result\":\"2\"}")));
    assert_non_null(strstr(a.out.p, RESULT("d", "other", "{\"result\":\"3\"}")));
    mg_buf_finish(&a.out);
}

/* Results of thousands of calls in the worst order: refused before it takes long. */
static void bounds_the_search_for_functions(void **state) {
    (void)state;
    enum { N = 6000 };
    mg_buf b = {0};
    mg_buf_str(&b, MG_STR("{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":["));
    for (int i = 0; i < N; i++) mg_buf_printf(&b, "%s{\"id\":\"%d\",\"function\":{\"name\":\"f\"}}", i ? "," : "", i);
    mg_buf_str(&b, MG_STR("]}"));
    for (int i = N; i-- > 0;) mg_buf_printf(&b, ",{\"role\":\"tool\",\"tool_call_id\":\"%d\",\"content\":\"\"}", i);
    mg_buf_str(&b, MG_STR("]}"));
    mg_buf_add(&b, "", 1);
    refused(chat(NULL), b.p, "tool_call_id");
    mg_buf_finish(&b);
}

#define PNG "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,A\"}}"
#define PNG_OUT "{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"A\"}}"
#define TEXT_AND_PNG "[{\"type\":\"text\",\"text\":\"see\"}," PNG "]"

static void sends_files_of_results(void **state) {
    (void)state;
    static const char body[] = AFTER_CALL(TOOL("c", TEXT_AND_PNG) "," TOOL("c", "\"x\""));
    /* Before Gemini 3 they come behind all results, as the user's. */
    becomes(chat(NULL), body,
            AFTER_CALL_OUT(RESULT("c", "f", "{\"result\":\"see\"}") "," RESULT(
                "c", "f", "{\"result\":\"x\"}") "]},{\"role\":\"user\",\"parts\":[" PNG_OUT),
            "");
    becomes(chat("gemini-3-flash-preview"), body,
            "{\"contents\":[{\"role\":\"model\",\"parts\":[" CALLED(
                "c", "f",
                "{}") ",\"thoughtSignature\":\"skip_thought_signature_validator\"}]},{\"role\":\"user\",\"parts\":["
                      "{\"functionResponse\":{\"id\":\"c\",\"name\":\"f\",\"response\":{\"result\":\"see\"},\"parts\":"
                      "[" PNG_OUT "]}}," RESULT("c", "f", "{\"result\":\"x\"}") "]}]}",
            "");
}

/* Gemini 3 wants a signature with the first call of a turn, and none with the others. */
static void signs_the_calls_of_other_vendors(void **state) {
    (void)state;
    static const char skip[] = "\"thoughtSignature\":\"skip_thought_signature_validator\"";
    static const char *const models[] = {"gemini-3-pro-preview", "models/gemini-3.1-pro", "gemini-flash-latest",
                                         "gemini-2.5-pro", "gemini-2.0-flash"};
    for (size_t i = 0; i < 5; i++) {
        ask a = chat(models[i]);
        assert_int_equal(
            asked(&a, "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[" CALL("c", "f", "{}", "") "," CALL(
                          "d", "f", "{}", ",\"signature\":\"x\",\"vendor\":\"openai\"") "]}]}"),
            MG_OK);
        const char *at = strstr(a.out.p, skip);
        assert_int_equal(at != NULL, i < 3);
        assert_null(at ? strstr(at + strlen(skip), "thoughtSignature") : NULL);
        mg_buf_finish(&a.out);
        a = chat(models[i]);
        assert_int_equal(asked(&a, calls), MG_OK);
        assert_null(strstr(a.out.p, skip));
        mg_buf_finish(&a.out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_to_the_models_method),
        cmocka_unit_test(lists_models_but_not_on_vertex),
        cmocka_unit_test(knows_its_own_format),
        cmocka_unit_test(merges_messages_of_one_side),
        cmocka_unit_test(refuses_messages_it_cannot_send),
        cmocka_unit_test(sends_media),
        cmocka_unit_test(hands_thoughts_and_signatures_back),
        cmocka_unit_test(sends_calls_and_results),
        cmocka_unit_test(wraps_results),
        cmocka_unit_test(finds_the_function_of_a_result),
        cmocka_unit_test(bounds_the_search_for_functions),
        cmocka_unit_test(sends_files_of_results),
        cmocka_unit_test(signs_the_calls_of_other_vendors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
