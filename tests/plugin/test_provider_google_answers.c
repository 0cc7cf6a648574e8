/* What the google provider makes of answers and failures. */
#include "provider.h"

static provider gemini;

static int setup(void **state) {
    (void)state;
    provider_open(&gemini, "google", NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    provider_close(&gemini);
    return 0;
}

/* One frame of a new answer. */
static void says(const char *data, const char *lines) {
    provider_begin(&gemini);
    provider_says(&gemini, MG_OP_CHAT, false, data, lines);
}

/* The next frame of a stream. */
static void goes_on(const char *data, const char *lines) { provider_says(&gemini, MG_OP_CHAT, true, data, lines); }

#define PARTS(parts) "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[" parts "]}}]}"
#define ENDS(more) "{\"candidates\":[{" more "}]}"

/* ---- parts ------------------------------------------------------------------------------------------------------- */

static void reports_a_plain_answer(void **state) {
    (void)state;
    says("{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"think\",\"thought\":true},"
         "{\"text\":\"Hi\",\"thoughtSignature\":\"S+/=\"},{\"text\":\"!\"}],\"role\":\"model\"},"
         "\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":4,\"candidatesTokenCount\":2,"
         "\"totalTokenCount\":9,\"thoughtsTokenCount\":3},\"modelVersion\":\"m-1\",\"responseId\":\"r-1\"}",
         "META name=m-1 r-1\nREASONING 0 think\nTEXT 0 Hi\nSIGNATURE 0 name=gemini S+/=\nTEXT 0 !\n"
         "FINISH 0 name=STOP stop\nUSAGE in=4 out=5 cached=0 write=0 reasoning=3 audio=0/0\n");
}

static void reports_a_stream(void **state) {
    (void)state;
    provider_begin(&gemini);
    goes_on("{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}],\"usageMetadata\":{\"trafficType\":\"x\"},"
            "\"responseId\":\"r\"}",
            "META r\nTEXT 0 a\n");
    goes_on("{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"b\"}]}}],\"responseId\":\"r\"}", "TEXT 0 b\n");
    goes_on("{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}]},\"finishReason\":\"MAX_TOKENS\"}]}",
            "FINISH 0 name=MAX_TOKENS length\n");
    goes_on("{\"usageMetadata\":{\"promptTokenCount\":1}}",
            "USAGE in=1 out=0 cached=0 write=0 reasoning=0 audio=0/0 alone\n");
    goes_on(" \r\n", "");
}

static void reports_other_parts(void **state) {
    (void)state;
    says(PARTS("{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"AAAA\"}},"
               "{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"BB\"},\"thought\":true},"
               "{\"executableCode\":{\"language\":\"PYTHON\"},\"thoughtSignature\":\"S\"},"
               "{\"codeExecutionResult\":{\"outcome\":\"OUTCOME_OK\"}}, {\"functionCall\":{\"partialArgs\":[]}},{},7"),
         "MEDIA 0 name=image/png AAAA\n"
         "OTHER 0 name=gemini {\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"BB\"},\"thought\":true}\n"
         "OTHER 0 name=gemini {\"executableCode\":{\"language\":\"PYTHON\"},\"thoughtSignature\":\"S\"}\n"
         "SIGNATURE 0 name=gemini S\nOTHER 0 name=gemini {\"codeExecutionResult\":{\"outcome\":\"OUTCOME_OK\"}}\n"
         "OTHER 0 name=gemini {\"functionCall\":{\"partialArgs\":[]}}\n");
}

/* A signature stays with a block of its own kind, and of its own if there is none. */
static void reports_signatures_without_text(void **state) {
    (void)state;
    provider_begin(&gemini);
    goes_on(PARTS("{\"text\":\"a\"}"), "TEXT 0 a\n");
    goes_on(PARTS("{\"text\":\"\",\"thoughtSignature\":\"S\"}"), "SIGNATURE 0 name=gemini S\n");
    provider_begin(&gemini);
    goes_on(PARTS("{\"text\":\"t\",\"thought\":true}"), "REASONING 0 t\n");
    goes_on(PARTS("{\"text\":\"\",\"thoughtSignature\":\"S\"}"), "TEXT 0\nSIGNATURE 0 name=gemini S\n");
    says(PARTS("{\"thoughtSignature\":\"S\"}"), "SIGNATURE 0 name=gemini S\n");
}

static void on_id(void *ctx, const mg_event *e) {
    if (e->type == MG_EVENT_TOOL) mg_buf_printf(ctx, MG_STR_FMT " %d;", MG_STR_ARG(e->id), (int)e->index);
}

static void ids_of(const char *data, mg_buf *ids) {
    mg_error error;
    assert_int_equal(provider_decode(&gemini, MG_OP_CHAT, true, "", mg_str_of(data), on_id, ids, &error), MG_OK);
    mg_arena_reset(gemini.arena);
}

#define CALL_F "{\"functionCall\":{\"name\":\"f\"}}"

static void reports_calls(void **state) {
    (void)state;
    says(PARTS("{\"functionCall\":{\"id\":\"i\",\"name\":\"f\",\"args\":{\"a\": [1.50]}},\"thoughtSignature\":\"S\"},"
               "{\"functionCall\":{\"id\":\"j\",\"name\":\"g\"}}"),
         "TOOL 0 id=i name=f {\"a\": [1.50]}\nSIGNATURE 0 name=gemini S\nTOOL 1 id=j name=g {}\n");
    says("{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"id\":\"i\",\"name\":\"f\",\"args\":{}}}]},"
         "\"finishReason\":\"STOP\"},{\"finishReason\":\"STOP\"}]}",
         "TOOL 0 id=i name=f {}\nFINISH 0 name=STOP tool_calls\nFINISH 1 name=STOP stop\n");
}

/* An id that we make is the same for the same answer, and no other's. */
static void makes_ids_of_calls(void **state) {
    (void)state;
    mg_buf a = {0}, b = {0}, c = {0};
    provider_begin(&gemini);
    ids_of("{\"responseId\":\"r1\",\"candidates\":[{\"content\":{\"parts\":[" CALL_F "]}}]}", &a);
    ids_of("{\"responseId\":\"r1\",\"candidates\":[{\"content\":{\"parts\":[" CALL_F "]}}]}", &a);
    provider_begin(&gemini);
    ids_of("{\"responseId\":\"r1\",\"candidates\":[{\"content\":{\"parts\":[" CALL_F "," CALL_F "]}}]}", &b);
    provider_begin(&gemini);
    ids_of("{\"responseId\":\"r2\",\"candidates\":[{\"content\":{\"parts\":[" CALL_F "," CALL_F "]}}]}", &c);
    assert_true(mg_str_eq(mg_buf_view(&a), mg_buf_view(&b)));
    assert_false(mg_str_eq(mg_buf_view(&a), mg_buf_view(&c)));
    mg_str first = mg_str_from(a.p, mg_str_find(mg_buf_view(&a), ' '));
    assert_true(mg_str_starts(first, MG_STR("call_")) && first.n < 40);
    assert_true(mg_str_glob(MG_STR("*_0 0;*_1 1;"), mg_buf_view(&a)));
    mg_buf_finish(&a);
    mg_buf_finish(&b);
    mg_buf_finish(&c);
}

#define PIECE(args, more) PARTS("{\"functionCall\":{\"partialArgs\":[" args "]" more "}}")
#define GOES_ON ",\"willContinue\":true"
#define ARG(path, value, more) "{\"jsonPath\":\"$" path "\"," value more "}"

static void puts_pieces_of_arguments_together(void **state) {
    (void)state;
    provider_begin(&gemini);
    goes_on(PARTS("{\"functionCall\":{\"id\":\"i\",\"name\":\"f\"" GOES_ON "}}"), "TOOL 0 id=i name=f\n");
    goes_on(PIECE(ARG(".ops[0].a", "\"stringValue\":\"x\\\"\"", GOES_ON), GOES_ON),
            "TOOL 0 {\"ops\":[{\"a\":\"x\\\"\n");
    goes_on(PIECE(ARG(".ops[0].a", "\"stringValue\":\"y\"", ""), GOES_ON), "TOOL 0 y\"\n");
    goes_on(PIECE(ARG(".ops[0].b", "\"numberValue\":1.50", "") "," ARG(".ops[1]['a.b']", "\"boolValue\":false", ""),
                  GOES_ON),
            "TOOL 0 ,\"b\":1.50},{\"a.b\":false\n");
    goes_on(
        PIECE(ARG(".ops[1].l[0][0]", "\"nullValue\":\"NULL_VALUE\"", "") "," ARG(".z", "\"stringValue\":\"\"", GOES_ON),
              ""),
        "TOOL 0 ,\"l\":[[null]]}],\"z\":\"\nTOOL 0 \"}\n");
    goes_on(PARTS("{\"functionCall\":{\"id\":\"j\",\"name\":\"g\"" GOES_ON "}},{\"functionCall\":{}}"),
            "TOOL 1 id=j name=g\nTOOL 1 {}\n");
    /* The end that the vendor forgets. */
    goes_on(PARTS("{\"functionCall\":{\"id\":\"k\",\"name\":\"h\",\"partialArgs\":[" ARG(".a", "\"stringValue\":\"x\"",
                                                                                         GOES_ON) "]" GOES_ON "}}"),
            "TOOL 2 id=k name=h\nTOOL 2 {\"a\":\"x\n");
    goes_on(ENDS("\"finishReason\":\"STOP\""), "TOOL 2 \"}\nFINISH 0 name=STOP tool_calls\n");
}

/* ---- ends -------------------------------------------------------------------------------------------------------- */

static void names_the_end(void **state) {
    (void)state;
    static const char *const reasons[][2] = {
        {"STOP", "stop"},
        {"MAX_TOKENS", "length"},
        {"SAFETY", "content_filter"},
        {"RECITATION", "content_filter"},
        {"LANGUAGE", "content_filter"},
        {"BLOCKLIST", "content_filter"},
        {"PROHIBITED_CONTENT", "content_filter"},
        {"SPII", "content_filter"},
        {"MODEL_ARMOR", "content_filter"},
        {"IMAGE_SAFETY", "content_filter"},
        {"OTHER", "content_filter"},
        {"SOMETHING_NEW", "stop"},
        {"NO_IMAGE", "stop"},
        {"IMAGE_RECITATION", "content_filter"},
    };
    char data[128], lines[128];
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        snprintf(data, sizeof data, ENDS("\"finishReason\":\"%s\""), reasons[i][0]);
        snprintf(lines, sizeof lines, "FINISH 0 name=%s %s\n", reasons[i][0], reasons[i][1]);
        says(data, lines);
    }
    says(ENDS("\"finishReason\":2,\"index\":3"), "FINISH 3 name=MAX_TOKENS length\n");
    says(ENDS("\"finishReason\":99"), "FINISH 0 name=99 stop\n");
    says("{\"promptFeedback\":{\"blockReason\":\"SAFETY\"},\"usageMetadata\":{\"promptTokenCount\":3}}",
         "FINISH 0 name=SAFETY content_filter\nUSAGE in=3 out=0 cached=0 write=0 reasoning=0 audio=0/0\n");
    says("{\"promptFeedback\":{}}", "");
}

/* A call that came to nothing is an error, unless there is something of an answer, or the client gets it as it is. */
static void tells_broken_calls(void **state) {
    (void)state;
    static const char broken[] = ENDS("\"finishReason\":\"MALFORMED_FUNCTION_CALL\",\"finishMessage\":\"bad call\"");
    says(broken, "ERROR name=MALFORMED_FUNCTION_CALL bad call\n");
    provider_begin(&gemini);
    goes_on(PARTS("{\"text\":\"a\"}"), "TEXT 0 a\n");
    goes_on(broken, "FINISH 0 name=MALFORMED_FUNCTION_CALL stop\n");
    says(ENDS("\"content\":{\"parts\":[{\"functionCall\":{\"id\":\"i\",\"name\":\"f\"}}]},\"finishReason\":"
              "\"UNEXPECTED_TOOL_CALL\""),
         "TOOL 0 id=i name=f {}\nFINISH 0 name=UNEXPECTED_TOOL_CALL tool_calls\n");
    gemini.format = MG_FORMAT_GEMINI;
    says(broken, "FINISH 0 name=MALFORMED_FUNCTION_CALL stop\n");
    gemini.format = MG_FORMAT_OPENAI;
}

static void counts_usage(void **state) {
    (void)state;
    says("{\"usageMetadata\":{\"promptTokenCount\":100,\"toolUsePromptTokenCount\":20,\"candidatesTokenCount\":30,"
         "\"thoughtsTokenCount\":5,\"cachedContentTokenCount\":40,\"promptTokensDetails\":[{\"modality\":\"TEXT\","
         "\"tokenCount\":1},{\"modality\":\"AUDIO\",\"tokenCount\":7}],\"candidatesTokensDetails\":[{\"modality\":4,"
         "\"tokenCount\":9}]}}",
         "USAGE in=120 out=35 cached=40 write=0 reasoning=5 audio=7/9\n");
    says("{\"usageMetadata\":{\"promptTokenCount\":1,\"cachedContentTokenCount\":40,\"thoughtsTokenCount\":-5,"
         "\"candidatesTokenCount\":9e18}}",
         "USAGE in=1 out=281474976710656 cached=1 write=0 reasoning=0 audio=0/0\n");
    says("{\"usageMetadata\":{\"trafficType\":\"ON_DEMAND\"}}", "");
}

/* ---- sources ----------------------------------------------------------------------------------------------------- */

#define URL(url, title, start, end)                                                                                    \
    "CITATION 0 {\"type\":\"url_citation\",\"url_citation\":{\"url\":\"" url "\",\"title\":\"" title                   \
    "\",\"start_index\":" start ",\"end_index\":" end "}}\n"
#define VENDOR(citation) "CITATION 0 {\"type\":\"vendor_citation\",\"vendor\":\"gemini\",\"citation\":" citation "}\n"
#define WEB(url, title) "{\"web\":{\"uri\":\"" url "\",\"title\":\"" title "\"}}"

static void reports_sources(void **state) {
    (void)state;
    /* "ä" has two bytes: places are given in bytes and told in characters. */
    says(
        "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\xc3\xa4\xc3\xa4 b\"},{\"text\":\" cd\"}]},"
        "\"groundingMetadata\":{\"groundingChunks\":[" WEB("https://a", "A\\\"") "," WEB(
            "https://b",
            "B") ","
                 "{\"retrievedContext\":{\"text\":\"x\"}}],\"groundingSupports\":["
                 "{\"segment\":{\"endIndex\":4},\"groundingChunkIndices\":[0,1,9,-1]},"
                 "{\"segment\":{\"startIndex\":5,\"endIndex\":6},\"groundingChunkIndices\":[2]},"
                 "{\"segment\":{\"partIndex\":1,\"startIndex\":1,\"endIndex\":3},\"groundingChunkIndices\":[0]}]}}]}",
        "TEXT 0 \xc3\xa4\xc3\xa4 b\nTEXT 0  cd\n" URL("https://a", "A\\\"", "0", "2") URL("https://b", "B", "0", "2")
            VENDOR("{\"segment\":{\"startIndex\":5,\"endIndex\":6},\"source\":{\"retrievedContext\":{\"text\":\"x\"}}}")
                URL("https://a", "A\\\"", "5", "7"));
    provider_begin(&gemini);
    goes_on(PARTS("{\"text\":\"\xc3\xa4\"}"), "TEXT 0 \xc3\xa4\n");
    goes_on(
        "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"bc\"}]},\"groundingMetadata\":{\"groundingChunks\":"
        "[" WEB("https://a", "") "]},\"citationMetadata\":{\"citationSources\":[{\"startIndex\":2,\"endIndex\":3,"
                                 "\"uri\":\"https://"
                                 "c\"},{\"endIndex\":3,\"license\":\"mit\"}]},\"urlContextMetadata\":{\"urlMetadata\":["
                                 "{\"retrievedUrl\":\"u\"}]}}]}",
        "TEXT 0 bc\n" URL("https://a", "", "0", "3") URL("https://c", "", "1", "2")
            VENDOR("{\"endIndex\":3,\"license\":\"mit\"}") VENDOR("{\"retrievedUrl\":\"u\"}"));
}

/* Beyond what the map of characters covers a place is not told rather than told wrong. */
static void tells_no_place_it_does_not_know(void **state) {
    (void)state;
    mg_buf b = {0};
    mg_error error;
    provider_begin(&gemini);
    mg_buf_str(&b, MG_STR("{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\""));
    for (int i = 0; i < 30000; i++) mg_buf_str(&b, MG_STR("x"));
    mg_buf_str(&b, MG_STR("\"}]}}]}"));
    mg_buf ignored = {0};
    assert_int_equal(provider_decode(&gemini, MG_OP_CHAT, true, "", mg_buf_view(&b), on_event, &ignored, &error),
                     MG_OK);
    mg_buf_finish(&ignored);
    mg_buf_finish(&b);
    goes_on("{\"candidates\":[{\"citationMetadata\":{\"citations\":[{\"endIndex\":24576,\"uri\":\"u\"},"
            "{\"startIndex\":1,\"endIndex\":24577,\"uri\":\"u\"}]}}]}",
            URL("u", "", "0", "24576") VENDOR("{\"startIndex\":1,\"endIndex\":24577,\"uri\":\"u\"}"));
}

static void reports_logprobs(void **state) {
    (void)state;
    says(
        ENDS("\"logprobsResult\":{\"chosenCandidates\":[{\"token\":\"\xc3\xa4\",\"tokenId\":1,\"logProbability\":-0.5},"
             "{\"token\":\"\\n\",\"logProbability\":-1e-06}],\"topCandidates\":[{\"candidates\":[{\"token\":\"b\","
             "\"logProbability\":-2},{\"token\":\"c\",\"logProbability\":-3}]}]}"),
        "LOGPROBS 0 [{\"token\":\"\xc3\xa4\",\"logprob\":-0.5,\"bytes\":[195,164],\"top_logprobs\":["
        "{\"token\":\"b\",\"logprob\":-2,\"bytes\":[98]},{\"token\":\"c\",\"logprob\":-3,\"bytes\":[99]}]},"
        "{\"token\":\"\\n\",\"logprob\":-1e-06,\"bytes\":[10],\"top_logprobs\":[]}]\n");
}

/* ---- other answers ----------------------------------------------------------------------------------------------- */

static void takes_lists(void **state) {
    (void)state;
    says("[" PARTS("{\"text\":\"a\"}") "," PARTS(
             "{\"text\":\"b\"}") ",{\"error\":{\"message\":\"m\",\"status\":\"INTERNAL\"}}]",
         "TEXT 0 a\nTEXT 0 b\nERROR name=INTERNAL m\n");
    provider_begin(&gemini);
    goes_on("{\"error\":{\"code\":503}}", "ERROR the provider reported an error without a message\n");
}

static void refuses_rubbish(void **state) {
    (void)state;
    static const char *const rubbish[] = {"", "x", "7", "[7]", "\"x\"", "null"};
    mg_error error;
    mg_buf b = {0};
    for (size_t i = 0; i < sizeof rubbish / sizeof rubbish[0]; i++) {
        provider_begin(&gemini);
        assert_int_equal(provider_decode(&gemini, MG_OP_CHAT, false, "", mg_str_of(rubbish[i]), on_event, &b, &error),
                         MG_ERROR);
        assert_int_equal(error.http, 502);
    }
    assert_int_equal(b.n, 0);
}

static void reports_counts_and_vectors(void **state) {
    (void)state;
    provider_says(&gemini, MG_OP_COUNT_TOKENS, false, "{\"totalTokens\":61,\"cachedContentTokenCount\":1}",
                  "USAGE in=61 out=0 cached=1 write=0 reasoning=0 audio=0/0\n");
    provider_says(
        &gemini, MG_OP_EMBEDDINGS, false,
        "{\"embeddings\":[{\"values\":[0.10, -1e-05]},{\"values\":[]},{}],\"usageMetadata\":{\"promptTokenCount\":3}}",
        "EMBEDDING 0 [0.10, -1e-05]\nEMBEDDING 1 []\n"
        "USAGE in=3 out=0 cached=0 write=0 reasoning=0 audio=0/0\n");
    provider_says(&gemini, MG_OP_EMBEDDINGS, false, "{\"embedding\":{\"values\":[1]}}", "EMBEDDING 0 [1]\n");
    provider_says(&gemini, MG_OP_EMBEDDINGS, false,
                  "{\"predictions\":[{\"embeddings\":{\"values\":[1],\"statistics\":{\"token_count\":4}}},"
                  "{\"embeddings\":{\"values\":[2],\"statistics\":{\"token_count\":5}}}]}",
                  "EMBEDDING 0 [1]\nEMBEDDING 1 [2]\nUSAGE in=9 out=0 cached=0 write=0 reasoning=0 audio=0/0\n");
    provider_says(&gemini, MG_OP_MODELS, false, "{\"models\":[{\"name\":\"models/m\"}]}", "");
}

/* ---- failures ---------------------------------------------------------------------------------------------------- */

static mg_classification classify(int status, const char *body, const mg_header *headers, size_t n) {
    mg_classification c = {.size = sizeof c};
    mg_frame f = {.size = sizeof f, .status = status, .data = mg_str_of(body)};
    f.json = provider_json(&gemini, f.data);
    gemini.ops->classify(gemini.self, &f, headers, n, &c);
    return c;
}

#define FAULT(status, message, details)                                                                                \
    "{\"error\":{\"code\":400,\"message\":\"" message "\",\"status\":\"" status "\",\"details\":[" details "]}}"
#define INFO(reason) "{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"" reason "\"}"
#define QUOTA(id, value)                                                                                               \
    "{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\",\"violations\":[{\"quotaId\":\"" id                    \
    "\",\"quotaValue\":\"" value "\"}]}"
#define RETRY(delay) "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"" delay "\"}"

static void names_failures(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *body;
        mg_failure failure;
    } cases[] = {
        {400, FAULT("INVALID_ARGUMENT", "Please use a valid role: user, model.", ""), MG_FAIL_BAD_REQUEST},
        {400, FAULT("INVALID_ARGUMENT", "API key not valid.", INFO("API_KEY_INVALID")), MG_FAIL_AUTH},
        {400, FAULT("INVALID_ARGUMENT", "Bad.", RETRY("1s") "," INFO("API_KEY_INVALID")), MG_FAIL_AUTH},
        {400, FAULT("INVALID_ARGUMENT", "API key expired. Please renew the API key.", ""), MG_FAIL_AUTH},
        {400, FAULT("INVALID_ARGUMENT", "The input token count (1250074) exceeds the maximum number of tokens", ""),
         MG_FAIL_CONTEXT_LENGTH},
        {400, FAULT("FAILED_PRECONDITION", "User location is not supported for the API use.", ""), MG_FAIL_AUTH},
        {400, FAULT("FAILED_PRECONDITION", "Please enable billing on your project.", ""), MG_FAIL_QUOTA},
        {401, FAULT("UNAUTHENTICATED", "Expected OAuth 2 access token", ""), MG_FAIL_AUTH},
        {403, FAULT("PERMISSION_DENIED", "no", INFO("IAM_PERMISSION_DENIED")), MG_FAIL_AUTH},
        {403, FAULT("PERMISSION_DENIED", "no", INFO("BILLING_DISABLED")), MG_FAIL_QUOTA},
        {404, FAULT("NOT_FOUND", "models/x is not found", ""), MG_FAIL_NOT_FOUND},
        {429, FAULT("RESOURCE_EXHAUSTED", "quota", QUOTA("GenerateContentPerMinute", "5")), MG_FAIL_RATE},
        {429, FAULT("RESOURCE_EXHAUSTED", "quota", QUOTA("GenerateRequestsPerDayPerProject", "5")), MG_FAIL_QUOTA},
        {429, FAULT("RESOURCE_EXHAUSTED", "quota", QUOTA("PerMinute", "0")), MG_FAIL_QUOTA},
        {429, FAULT("RESOURCE_EXHAUSTED", "Your prepayment credits are depleted.", ""), MG_FAIL_QUOTA},
        {429, "{\"error\":{\"code\":429,\"message\":\"Resource exhausted.\",\"status\":\"RESOURCE_EXHAUSTED\"}}",
         MG_FAIL_RATE},
        {500, FAULT("INTERNAL", "x", ""), MG_FAIL_SERVER},
        {503, FAULT("UNAVAILABLE", "The model is overloaded.", ""), MG_FAIL_OVERLOADED},
        {504, FAULT("DEADLINE_EXCEEDED", "x", ""), MG_FAIL_SERVER},
        {499, FAULT("CANCELLED", "x", ""), MG_FAIL_SERVER},
        {200, FAULT("UNAVAILABLE", "x", ""), MG_FAIL_OVERLOADED},
        {200, "{\"error\":{\"code\":429}}", MG_FAIL_RATE},
        {429, "[" FAULT("RESOURCE_EXHAUSTED", "x", "") "]", MG_FAIL_RATE},
        {404, "<html>", MG_FAIL_NOT_FOUND},
        {413, "", MG_FAIL_CONTEXT_LENGTH},
        {418, "", MG_FAIL_BAD_REQUEST},
        {502, "bad gateway", MG_FAIL_SERVER},
        {503, "", MG_FAIL_OVERLOADED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mg_classification c = classify(cases[i].status, cases[i].body, NULL, 0);
        if (c.failure != cases[i].failure) fail_msg("%s: failure %d", cases[i].body, c.failure);
        assert_int_equal(c.retry_after_ms, strstr(cases[i].body, "retryDelay") ? 1000 : -1);
        mg_arena_reset(gemini.arena);
    }
    mg_classification c = classify(404, FAULT("NOT_FOUND", "no such model", ""), NULL, 0);
    assert_true(mg_str_eq(c.message, MG_STR("no such model")) && mg_str_eq(c.code, MG_STR("NOT_FOUND")));
}

static void reads_waits(void **state) {
    (void)state;
    static const struct {
        const char *delay;
        int64_t ms;
    } delays[] = {{"13s", 13000}, {"48.939935699s", 48940},
                  {"0.5s", 500},  {"0s", 0},
                  {"x", -1},      {"", -1},
                  {"1.5.s", -1},  {"99999999999999999999s", 2592000000},
                  {"0.0001s", 1}};
    char body[256];
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        snprintf(body, sizeof body, FAULT("RESOURCE_EXHAUSTED", "x", RETRY("%s")), delays[i].delay);
        assert_int_equal(classify(429, body, NULL, 0).retry_after_ms, delays[i].ms);
    }
    mg_header headers[] = {{MG_STR("retry-after"), MG_STR("7")},
                           {MG_STR("date"), MG_STR("Sun, 06 Nov 1994 08:49:37 GMT")}};
    assert_int_equal(classify(429, "", headers, 2).retry_after_ms, 7000);
    assert_int_equal(classify(429, FAULT("X", "x", RETRY("9s")), headers, 2).retry_after_ms, 9000);
    headers[0].value = MG_STR("Sun, 06 Nov 1994 08:50:00 GMT");
    assert_int_equal(classify(429, "", headers, 2).retry_after_ms, 23000);
    headers[0].value = MG_STR("Sun, 06 Nov 1994 08:00:00 GMT");
    assert_int_equal(classify(429, "", headers, 2).retry_after_ms, 0);
    headers[0].value = MG_STR("tomorrow");
    assert_int_equal(classify(429, "", headers, 2).retry_after_ms, -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_a_plain_answer),
        cmocka_unit_test(reports_a_stream),
        cmocka_unit_test(reports_other_parts),
        cmocka_unit_test(reports_signatures_without_text),
        cmocka_unit_test(reports_calls),
        cmocka_unit_test(makes_ids_of_calls),
        cmocka_unit_test(puts_pieces_of_arguments_together),
        cmocka_unit_test(names_the_end),
        cmocka_unit_test(tells_broken_calls),
        cmocka_unit_test(counts_usage),
        cmocka_unit_test(reports_sources),
        cmocka_unit_test(tells_no_place_it_does_not_know),
        cmocka_unit_test(reports_logprobs),
        cmocka_unit_test(takes_lists),
        cmocka_unit_test(refuses_rubbish),
        cmocka_unit_test(reports_counts_and_vectors),
        cmocka_unit_test(names_failures),
        cmocka_unit_test(reads_waits),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
