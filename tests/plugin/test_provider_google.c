/* What the google provider makes of requests. */
#include "provider.h"

static provider gemini; /* the Gemini API */
static provider vertex; /* Vertex AI, v1 */

static void set(mg_setting_values *v, const char *key, const char *value) {
    mg_error error;
    if (mg_setting_set(v, mg_str_of(key), mg_str_of(value), &error) != MG_OK) fail_msg("%s", error.text);
}

static void vertex_set(mg_setting_values *v) {
    mg_error error;
    set(v, "project", "p-1");
    set(v, "location", "us-central1");
    mg_setting_add(v, MG_STR("safety_settings"), MG_STR("HARM_CATEGORY_HARASSMENT"), MG_STR("OFF"), &error);
    mg_setting_add(v, MG_STR("safety_settings"), MG_STR("HARM_CATEGORY_HATE_SPEECH"), MG_STR("BLOCK_NONE"), &error);
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

typedef struct ask {
    provider *p;
    mg_operation op;
    mg_format_id format;
    const char *model;
    bool stream;
    sent sent;
    mg_buf out;
    mg_error error;
} ask;

static mg_status asked(ask *a, const char *body) {
    mg_provider_request r = {
        .operation = a->op, .format = a->format, .model = mg_str_of(a->model), .stream = a->stream};
    r.body = mg_str_of(body);
    mg_status status = provider_encode(a->p, &r, &a->sent, &a->out, &a->error);
    mg_arena_reset(a->p->arena);
    return status;
}

static void becomes(ask a, const char *body, const char *expected, const char *dropped) {
    if (asked(&a, body) != MG_OK) fail_msg("%s: %s", body, a.error.text);
    assert_string_equal(a.out.p, expected);
    assert_string_equal(a.sent.dropped, dropped);
    mg_buf_finish(&a.out);
}

/* Chat in the canonical form; gemini-2.5-flash unless said. */
static ask chat(const char *model) { return (ask){.p = &gemini, .model = model ? model : "gemini-2.5-flash"}; }

static void refused(ask a, const char *body, const char *part) {
    assert_int_equal(asked(&a, body), MG_ERROR);
    assert_int_equal(a.error.http, 400);
    if (!strstr(a.error.text, part)) fail_msg("%s lacks: %s", a.error.text, part);
    mg_buf_finish(&a.out);
}

#define HI "{\"role\":\"user\",\"content\":\"Hi\"}"
#define HI_OUT "{\"role\":\"user\",\"parts\":[{\"text\":\"Hi\"}]}"
#define ASK(more) "{\"model\":\"x\",\"messages\":[" HI "]" more "}"
#define GETS(more) "{\"contents\":[" HI_OUT "]" more "}"

/* ---- routes ------------------------------------------------------------------------------------------------------ */

static void path_is(ask a, const char *body, const char *path) {
    if (asked(&a, body) != MG_OK) fail_msg("%s", a.error.text);
    assert_string_equal(a.sent.method, "POST");
    assert_string_equal(a.sent.path, path);
    mg_buf_finish(&a.out);
}

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
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) becomes(chat(NULL), cases[i][0], cases[i][1], "");
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

/* ---- tools ------------------------------------------------------------------------------------------------------- */

#define F                                                                                                              \
    "{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\",\"parameters\":{\"type\":\"object\"}}}"
#define F_OUT "{\"name\":\"f\",\"description\":\"d\",\"parametersJsonSchema\":{\"type\":\"object\"}}"
#define F_TOOLS ",\"tools\":[{\"functionDeclarations\":[" F_OUT "]}]"
#define MODE(mode, more) ",\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"" mode "\"" more "}}"

static void declares_tools(void **state) {
    (void)state;
    becomes(chat(NULL),
            ASK(",\"tools\":[" F ",{\"type\":\"vendor_tool\",\"vendor\":\"gemini\",\"tool\":{\"googleSearch\":{}}},"
                "{\"type\":\"function\",\"function\":{\"name\":\"g\",\"strict\":true},\"cache_control\":{}}]"),
            GETS(",\"tools\":[{\"functionDeclarations\":[" F_OUT ",{\"name\":\"g\"}]},{\"googleSearch\":{}}]"),
            "tools[2].cache_control\ntools[2].function.strict\n");
    becomes(chat(NULL),
            ASK(",\"tools\":[{\"type\":\"vendor_tool\",\"vendor\":\"gemini\",\"tool\":{\"codeExecution\":{}}}]"),
            GETS(",\"tools\":[{\"codeExecution\":{}}]"), "");
    becomes(chat(NULL), ASK(",\"functions\":[{\"name\":\"g\"}],\"function_call\":{\"name\":\"g\"}"),
            GETS(",\"tools\":[{\"functionDeclarations\":[{\"name\":\"g\"}]}]" MODE(
                "ANY", ",\"allowedFunctionNames\":[\"g\"]")),
            "");
    becomes(chat(NULL), ASK(",\"tools\":[],\"tool_choice\":\"auto\",\"parallel_tool_calls\":true"), GETS(""),
            "tool_choice\n");
    refused(chat(NULL), ASK(",\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"x\"}}]"), "tools[0]");
    refused(chat(NULL), ASK(",\"tools\":[{\"type\":\"vendor_tool\",\"vendor\":\"anthropic\",\"tool\":{}}]"),
            "anthropic");
    refused(chat(NULL), ASK(",\"tools\":[{\"type\":\"function\",\"function\":{}}]"), "tools[0].function");
}

static void chooses_tools(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"\"auto\"", MODE("AUTO", "")},
        {"\"none\"", MODE("NONE", "")},
        {"\"required\"", MODE("ANY", "")},
        {"{\"type\":\"function\",\"function\":{\"name\":\"f\"}}", MODE("ANY", ",\"allowedFunctionNames\":[\"f\"]")},
        {"{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"required\",\"tools\":[" F "," F "]}}",
         MODE("ANY", ",\"allowedFunctionNames\":[\"f\",\"f\"]")},
        {"{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[" F "]}}",
         MODE("VALIDATED", ",\"allowedFunctionNames\":[\"f\"]")},
        {"null", ""},
    };
    char body[1024], out[1024];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(body, sizeof body, ASK(",\"tools\":[" F "],\"tool_choice\":%s"), cases[i][0]);
        snprintf(out, sizeof out, GETS(F_TOOLS "%s"), cases[i][1]);
        becomes(chat(NULL), body, out, "");
    }
    refused(chat(NULL), ASK(",\"tools\":[" F "],\"tool_choice\":\"maybe\""), "tool_choice");
    refused(chat(NULL), ASK(",\"tools\":[" F "],\"tool_choice\":{\"type\":\"function\"}"), "tool_choice");
}

/* ---- parameters -------------------------------------------------------------------------------------------------- */

#define CONFIG(members) GETS(",\"generationConfig\":{" members "}")

static void sets_parameters(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {",\"temperature\":0.50,\"top_p\":1,\"top_k\":40,\"n\":2,\"seed\":7",
         "\"temperature\":0.50,\"topP\":1,\"topK\":40,\"candidateCount\":2,\"seed\":7"},
        {",\"presence_penalty\":-1,\"frequency_penalty\":0.1", "\"presencePenalty\":-1,\"frequencyPenalty\":0.1"},
        {",\"max_tokens\":5", "\"maxOutputTokens\":5"},
        {",\"max_tokens\":5,\"max_completion_tokens\":6", "\"maxOutputTokens\":6"},
        {",\"logprobs\":true,\"top_logprobs\":3", "\"responseLogprobs\":true,\"logprobs\":3"},
        {",\"stop\":\"a\"", "\"stopSequences\":[\"a\"]"},
        {",\"stop\":[\"a\",\"\\n\"]", "\"stopSequences\":[\"a\",\"\\n\"]"},
        {",\"response_format\":{\"type\":\"json_object\"}", "\"responseMimeType\":\"application/json\""},
        {",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":{\"$ref\":\"#/"
         "y\"}}}",
         "\"responseMimeType\":\"application/json\",\"responseJsonSchema\":{\"$ref\":\"#/y\"}"},
        {",\"modalities\":[\"text\",\"image\"]", "\"responseModalities\":[\"TEXT\",\"IMAGE\"]"},
        {",\"modalities\":[\"audio\"],\"audio\":{\"voice\":\"Kore\"}",
         "\"responseModalities\":[\"AUDIO\"],"
         "\"speechConfig\":{\"voiceConfig\":{\"prebuiltVoiceConfig\":{\"voiceName\":\"Kore\"}}}"},
    };
    char body[512], out[512];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(body, sizeof body, ASK("%s"), cases[i][0]);
        snprintf(out, sizeof out, CONFIG("%s"), cases[i][1]);
        becomes(chat(NULL), body, out, "");
    }
    becomes(chat(NULL), ASK(",\"temperature\":null,\"stop\":[],\"response_format\":{\"type\":\"text\"}"), GETS(""), "");
    becomes(chat(NULL),
            ASK(",\"logit_bias\":{},\"user\":\"u\",\"metadata\":{},\"store\":false,\"service_tier\":\"flex\","
                "\"stream\":true,\"stream_options\":{\"include_usage\":true},\"parallel_tool_calls\":false,\"foo\":1,"
                "\"audio\":{\"format\":\"wav\"}"),
            GETS(""), "logit_bias\nuser\nmetadata\nstore\nservice_tier\nfoo\nparallel_tool_calls\naudio.format\n");
    refused(chat(NULL), ASK(",\"response_format\":{\"type\":\"grammar\"}"), "response_format");
    refused(chat(NULL), ASK(",\"modalities\":[\"smell\"]"), "modalities");
}

static void sets_thinking(void **state) {
    (void)state;
    static const struct {
        const char *model, *asked, *sent, *dropped;
    } cases[] = {
        {"gemini-2.5-flash", "\"reasoning_effort\":\"none\"", "\"thinkingBudget\":0", ""},
        {"gemini-2.5-pro", "\"reasoning_effort\":\"none\"", "\"thinkingBudget\":128", ""},
        {"gemini-2.5-flash", "\"reasoning_effort\":\"minimal\"", "\"thinkingBudget\":1024", ""},
        {"gemini-2.5-flash", "\"reasoning_effort\":\"low\"", "\"thinkingBudget\":1024", ""},
        {"gemini-2.5-flash", "\"reasoning_effort\":\"medium\"", "\"thinkingBudget\":8192", ""},
        {"models/gemini-2.5-pro", "\"reasoning_effort\":\"high\"", "\"thinkingBudget\":24576", ""},
        {"gemini-2.5-flash", "\"reasoning_effort\":\"xhigh\"", "\"thinkingBudget\":24576", ""},
        {"gemini-2.5-flash", "\"reasoning_effort\":\"odd\"", "", "reasoning_effort\n"},
        {"gemini-3-flash-preview", "\"reasoning_effort\":\"none\"", "\"thinkingLevel\":\"MINIMAL\"", ""},
        {"gemini-3-pro-preview", "\"reasoning_effort\":\"minimal\"", "\"thinkingLevel\":\"LOW\"", ""},
        {"gemini-3-pro-preview", "\"reasoning_effort\":\"medium\"", "\"thinkingLevel\":\"HIGH\"", ""},
        {"gemini-3.1-pro-preview", "\"reasoning_effort\":\"medium\"", "\"thinkingLevel\":\"MEDIUM\"", ""},
        {"gemini-10-flash", "\"reasoning_effort\":\"high\"", "\"thinkingLevel\":\"HIGH\"", ""},
        {"gemini-2.5-flash", "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":77}", "\"thinkingBudget\":77", ""},
        {"gemini-3-flash",
         "\"reasoning_effort\":\"low\",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":77,\"include\":true}",
         "\"thinkingBudget\":77,\"includeThoughts\":true", ""},
        {"gemini-3-flash", "\"thinking\":{\"type\":\"enabled\",\"include\":true}", "\"includeThoughts\":true", ""},
        {"gemini-2.5-flash", "\"thinking\":{\"type\":\"adaptive\",\"include\":false}",
         "\"thinkingBudget\":-1,\"includeThoughts\":false", ""},
        {"gemini-2.5-flash", "\"thinking\":{\"type\":\"adaptive\"},\"reasoning_effort\":\"low\"",
         "\"thinkingBudget\":1024", ""},
        {"gemini-2.5-flash", "\"thinking\":{\"type\":\"disabled\"},\"reasoning_effort\":\"low\"",
         "\"thinkingBudget\":0", ""},
        {"gemini-3-flash", "\"thinking\":{\"type\":\"disabled\",\"odd\":1}", "\"thinkingLevel\":\"MINIMAL\"",
         "thinking.odd\n"},
        {"gemini-3-flash", "\"thinking\":{\"type\":\"adaptive\"}", "", ""},
        {"gemini-2.0-flash", "\"thinking\":{\"type\":\"enabled\"},\"reasoning_effort\":\"low\"", "",
         "thinking\nreasoning_effort\n"},
        {"gemma-3-27b-it", "\"thinking\":{\"type\":\"disabled\"},\"reasoning_effort\":\"none\"", "", ""},
    };
    char body[512], out[512];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(body, sizeof body, ASK(",%s"), cases[i].asked);
        snprintf(out, sizeof out, *cases[i].sent ? CONFIG("\"thinkingConfig\":{%s}") : GETS("%s"), cases[i].sent);
        becomes(chat(cases[i].model), body, out, cases[i].dropped);
    }
}

#define SAFETY(list) ",\"safetySettings\":" list
#define SAFETY_SET                                                                                                     \
    "[{\"category\":\"HARM_CATEGORY_HARASSMENT\",\"threshold\":\"OFF\"},"                                              \
    "{\"category\":\"HARM_CATEGORY_HATE_SPEECH\",\"threshold\":\"BLOCK_NONE\"}]"

static void sets_safety(void **state) {
    (void)state;
    ask a = {.p = &vertex, .model = "m"};
    becomes(a, ASK(""), GETS(SAFETY(SAFETY_SET)), "");
    becomes(a, ASK(",\"safety_settings\":[]"), GETS(SAFETY("[]")), "");
    becomes(chat(NULL), ASK(",\"safety_settings\":[{\"category\":\"c\"}]"), GETS(SAFETY("[{\"category\":\"c\"}]")), "");
}

/* ---- other operations -------------------------------------------------------------------------------------------- */

static void counts_tokens(void **state) {
    (void)state;
    ask a = {.p = &gemini, .op = MG_OP_COUNT_TOKENS, .model = "m"};
    becomes(a, ASK(",\"top_k\":1"),
            "{\"generateContentRequest\":{\"model\":\"models/m\",\"contents\":[" HI_OUT
            "],\"generationConfig\":{\"topK\":1}}}",
            "");
    a.p = &vertex;
    becomes(a, ASK(",\"tools\":[" F "],\"tool_choice\":\"auto\""), GETS(F_TOOLS), "");
}

static void embeds(void **state) {
    (void)state;
    ask a = {.p = &gemini, .op = MG_OP_EMBEDDINGS, .model = "m"};
    becomes(a, "{\"model\":\"x\",\"input\":\"a\",\"encoding_format\":\"base64\",\"user\":\"u\"}",
            "{\"requests\":[{\"model\":\"models/m\",\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}", "user\n");
    becomes(a, "{\"input\":[\"a\",\"b\"],\"dimensions\":256}",
            "{\"requests\":[{\"model\":\"models/"
            "m\",\"content\":{\"parts\":[{\"text\":\"a\"}]},\"outputDimensionality\":256},"
            "{\"model\":\"models/m\",\"content\":{\"parts\":[{\"text\":\"b\"}]},\"outputDimensionality\":256}]}",
            "");
    refused(a, "{\"input\":[[1,2]]}", "tokens");
    refused(a, "{\"input\":[1,2]}", "tokens");
    refused(a, "{\"input\":[]}", "input");
    refused(a, "{}", "input");
    a = (ask){.p = &vertex, .op = MG_OP_EMBEDDINGS, .model = "text-embedding-005"};
    becomes(a, "{\"input\":[\"a\",\"b\"],\"dimensions\":256}",
            "{\"instances\":[{\"content\":\"a\"},{\"content\":\"b\"}],\"parameters\":{\"outputDimensionality\":256}}",
            "");
    path_is(a, "{\"input\":\"a\"}", "/models/text-embedding-005:predict");
    a.model = "gemini-embedding-001";
    path_is(a, "{\"input\":\"a\"}", "/models/gemini-embedding-001:predict");
    a.model = "gemini-embedding-2";
    path_is(a, "{\"input\":\"a\"}", "/models/gemini-embedding-2:embedContent");
    becomes(a, "{\"input\":[\"a\"],\"dimensions\":256}",
            "{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"embedContentConfig\":{\"outputDimensionality\":256}}", "");
    refused(a, "{\"input\":[\"a\",\"b\"]}", "one text");
}

/* ---- Gemini's own form ------------------------------------------------------------------------------------------- */

static void passes_its_own_form_on(void **state) {
    (void)state;
    static const char *const bodies[] = {
        " { \"contents\" : [{\"parts\":[{\"text\":\"x\"}]}],\n\"odd\":1.50 } ",
        "{\"model\":\"models/m\",\"contents\":[]}",
        "{}",
    };
    ask a = {.p = &gemini, .format = MG_FORMAT_GEMINI, .model = "m"};
    for (size_t i = 0; i < 3; i++) becomes(a, bodies[i], bodies[i], "");
    becomes(a, "{\"model\":\"models/other\",\"contents\":[]}", "{\"model\":\"models/m\",\"contents\":[]}", "");
    a.op = MG_OP_COUNT_TOKENS;
    becomes(a, bodies[0], bodies[0], "");
    becomes(a, "{\"generateContentRequest\":{\"model\":\"models/other\"}}",
            "{\"generateContentRequest\":{\"model\":\"models/m\"}}", "");
    becomes(a, "{\"generateContentRequest\":{ }}", "{\"generateContentRequest\":{\"model\":\"models/m\" }}", "");
    a.op = MG_OP_EMBEDDINGS;
    becomes(a, "{\"content\":{\"parts\":[]},\"model\":\"m2\"}", "{\"content\":{\"parts\":[]},\"model\":\"models/m\"}",
            "");
    becomes(a, "{\"requests\":[{\"model\":\"models/m\"},{\"model\":\"models/o\",\"content\":1},{\"content\":2},{}]}",
            "{\"requests\":[{\"model\":\"models/m\"},{\"model\":\"models/m\",\"content\":1},"
            "{\"model\":\"models/m\",\"content\":2},{\"model\":\"models/m\"}]}",
            "");
    refused(a, "[]", "JSON object");
}

static void adapts_its_own_form_to_vertex(void **state) {
    (void)state;
    ask a = {.p = &vertex, .format = MG_FORMAT_GEMINI, .model = "m"};
    becomes(a,
            "{\"model\":\"models/"
            "m\",\"contents\":[{\"parts\":[{\"text\":\"x\"}]},{\"role\":\"model\"},{}],\"safety_settings\":[]}",
            "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"x\"}]},{\"role\":\"model\"},{\"role\":\"user\"}],"
            "\"safety_settings\":[]}",
            "");
    becomes(a,
            "{\"contents\":[{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"id\":\"1\",\"name\":\"f\"}},"
            "{\"function_response\":{\"name\":\"f\",\"id\":\"1\"}},{\"function_call\":{\"id\":\"1\"}}]}]}",
            "{\"contents\":[{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"f\"}},"
            "{\"function_response\":{\"name\":\"f\"}},{\"function_call\":{}}]}]" SAFETY(SAFETY_SET) "}",
            "");
    becomes(a, "{}", "{\"safetySettings\":" SAFETY_SET "}", "");
    a.op = MG_OP_COUNT_TOKENS;
    becomes(a,
            "{\"generateContentRequest\":{\"model\":\"m\",\"contents\":[{\"parts\":[]}],\"toolConfig\":{},\"tools\":[],"
            "\"safetySettings\":[]}}",
            "{\"contents\":[{\"role\":\"user\",\"parts\":[]}],\"tools\":[]}", "");
    becomes(a, "{\"contents\":[],\"model\":\"x\"}", "{\"contents\":[]}", "");
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
        cmocka_unit_test(declares_tools),
        cmocka_unit_test(chooses_tools),
        cmocka_unit_test(sets_parameters),
        cmocka_unit_test(sets_thinking),
        cmocka_unit_test(sets_safety),
        cmocka_unit_test(counts_tokens),
        cmocka_unit_test(embeds),
        cmocka_unit_test(passes_its_own_form_on),
        cmocka_unit_test(adapts_its_own_form_to_vertex),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
