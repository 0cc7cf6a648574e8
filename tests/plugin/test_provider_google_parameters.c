/* What the google provider makes of requests: tools, parameters, other operations, and Gemini's own form. */
#include "google.h"

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
        {"gemini-2.5-flash-lite", "\"thinking\":{\"include\":true}", "\"includeThoughts\":true", ""},
        {"gemini-2.5-flash-image", "\"reasoning_effort\":\"low\"", "", "reasoning_effort\n"},
        {"gemini-3.1-flash-tts-preview", "\"reasoning_effort\":\"low\"", "", "reasoning_effort\n"},
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

#define STEP(first, second)                                                                                            \
    "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"x\"}]},{\"role\":\"model\",\"parts\":[{\"text\":\"y\"}," \
    "{\"functionCall\":{\"name\":\"f\"}" first "},{\"functionCall\":{\"name\":\"g\"}" second "}]}]}"

static void signs_calls_that_others_made(void **state) {
    (void)state;
    ask a = {.p = &gemini, .format = MG_FORMAT_GEMINI, .model = "gemini-3-pro-preview"};
    becomes(a, STEP("", ""), STEP(",\"thoughtSignature\":\"skip_thought_signature_validator\"", ""), "");
    becomes(a, STEP(",\"thoughtSignature\":\"a\"", ""), STEP(",\"thoughtSignature\":\"a\"", ""), "");
    becomes(a, STEP("", ",\"thought_signature\":\"a\""), STEP("", ",\"thought_signature\":\"a\""), "");
    becomes(a, "{\"contents\":[{\"parts\":[1]},2]}", "{\"contents\":[{\"parts\":[1]},2]}", "");
    a.model = "gemini-2.5-pro";
    becomes(a, STEP("", ""), STEP("", ""), "");
}

static void adapts_its_own_form_to_vertex(void **state) {
    (void)state;
    ask a = {.p = &vertex, .format = MG_FORMAT_GEMINI, .model = "gemini-2.5-pro"};
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
        cmocka_unit_test(declares_tools),
        cmocka_unit_test(chooses_tools),
        cmocka_unit_test(sets_parameters),
        cmocka_unit_test(sets_thinking),
        cmocka_unit_test(sets_safety),
        cmocka_unit_test(counts_tokens),
        cmocka_unit_test(embeds),
        cmocka_unit_test(passes_its_own_form_on),
        cmocka_unit_test(signs_calls_that_others_made),
        cmocka_unit_test(adapts_its_own_form_to_vertex),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
