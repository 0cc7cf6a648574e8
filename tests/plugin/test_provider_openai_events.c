/* What the openai provider reports of chat completions beyond text and calls: each event type and each dialect. */
#include "provider.h"

static provider plain;

static int setup(void **state) {
    (void)state;
    provider_open(&plain, "openai", NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    provider_close(&plain);
    return 0;
}

static void message_says(const char *message, const char *lines) {
    char text[2048];
    snprintf(text, sizeof text, "{\"choices\":[{\"message\":{%s}}]}", message);
    provider_says(&plain, MG_OP_CHAT, false, text, lines);
    snprintf(text, sizeof text, "{\"choices\":[{\"delta\":{%s}}]}", message);
    provider_says(&plain, MG_OP_CHAT, true, text, lines);
}

static void reports_refusals(void **state) {
    (void)state;
    message_says("\"content\":null,\"refusal\":\"no\"", "REFUSAL 0 no\n");
    message_says("\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"refusal\",\"refusal\":\"no\"}]",
                 "TEXT 0 a\nREFUSAL 0 no\n");
}

static void reports_logprobs(void **state) {
    (void)state;
    provider_says(
        &plain, MG_OP_CHAT, true,
        "{\"choices\":[{\"index\":2,\"delta\":{\"content\":\"a\"},\"logprobs\":{\"content\":[ {\"token\":\"a\","
        "\"logprob\":-1.50,\"bytes\":[97],\"top_logprobs\":[]}],\"refusal\":null}}]}",
        "TEXT 2 a\nLOGPROBS 2 [ {\"token\":\"a\",\"logprob\":-1.50,\"bytes\":[97],\"top_logprobs\":[]}]\n");
    provider_says(&plain, MG_OP_CHAT, true, "{\"choices\":[{\"delta\":{},\"logprobs\":{\"content\":[]}}]}", "");
    provider_says(&plain, MG_OP_CHAT, true, "{\"choices\":[{\"delta\":{},\"logprobs\":{\"content\":null}}]}", "");
    provider_says(&plain, MG_OP_CHAT, true, "{\"choices\":[{\"delta\":{},\"logprobs\":null}]}", "");
}

static void reports_citations(void **state) {
    (void)state;
    message_says("\"annotations\":[{\"type\":\"url_citation\",\"url_citation\":{\"url\":\"u\"}}, {\"type\":\"x\"}],"
                 "\"content\":\"a\"",
                 "TEXT 0 a\nCITATION 0 {\"type\":\"url_citation\",\"url_citation\":{\"url\":\"u\"}}\n"
                 "CITATION 0 {\"type\":\"x\"}\n");
    message_says("\"annotations\":[]", "");
    message_says("\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"reference\",\"reference_ids\":[1]}]",
                 "TEXT 0 a\nCITATION 0 {\"type\":\"vendor_citation\",\"vendor\":\"mistral\",\"citation\":{\"type\":"
                 "\"reference\",\"reference_ids\":[1]}}\n");
}

static void reports_media(void **state) {
    (void)state;
    message_says("\"audio\":{\"id\":\"a\",\"data\":\"UklGRg==\",\"transcript\":\"hello\",\"expires_at\":1}",
                 "MEDIA 0 id=hello name=audio/wav UklGRg==\n");
    message_says("\"audio\":{\"data\":\"QUJD\"}", "MEDIA 0 name=audio/pcm QUJD\n");
    message_says("\"audio\":{\"transcript\":\"he\"}", "MEDIA 0 id=he name=audio/pcm\n");
    message_says("\"audio\":{\"id\":\"a\",\"expires_at\":1}", "");
    message_says("\"audio\":{\"data\":\"SUQzBA==\"}", "MEDIA 0 name=audio/mpeg SUQzBA==\n");
    message_says("\"content\":\"see\",\"images\":[{\"type\":\"image_url\",\"image_url\":{\"url\":"
                 "\"data:image/png;base64,iVBO\"}}]",
                 "TEXT 0 see\nMEDIA 0 name=image/png iVBO\n");
    message_says("\"content\":[{\"type\":\"image_url\",\"image_url\":\"data:image/webp;base64,AA\"}]",
                 "MEDIA 0 name=image/webp AA\n");
    message_says("\"images\":[{\"image_url\":{\"url\":\"https://x/y.png\"}}]",
                 "OTHER 0 name=openai {\"image_url\":{\"url\":\"https://x/y.png\"}}\n");
}

static void reports_reasoning(void **state) {
    (void)state;
    message_says("\"content\":\"a\",\"reasoning\":\"r\"", "REASONING 0 r\nTEXT 0 a\n");
    message_says(
        "\"reasoning\":\"r\",\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"r\",\"signature\":"
        "\"s\",\"format\":\"anthropic-claude-v1\"},{\"type\":\"reasoning.encrypted\",\"data\":\"d\",\"format\":"
        "\"anthropic-claude-v1\"}]",
        "REASONING 0 r\nSIGNATURE 0 name=anthropic s\nREDACTED 0 name=anthropic d\n");
    message_says("\"reasoning\":null,\"reasoning_details\":[{\"type\":\"reasoning.summary\",\"summary\":\"s\"},"
                 "{\"type\":\"reasoning.encrypted\",\"data\":\"d\",\"format\":\"openai-responses-v1\"}]",
                 "REASONING 0 s\nREASONING 0\nSIGNATURE 0 name=openai d\n");
    message_says("\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"m\"}],\"signature\":"
                 "\"s\"},{\"type\":\"text\",\"text\":\"a\"}]",
                 "REASONING 0 m\nSIGNATURE 0 name=mistral s\nTEXT 0 a\n");
    message_says("\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"},\"extra_content\":"
                 "{\"google\":{\"thought_signature\":\"s\"}}}]",
                 "TOOL 0 id=c name=f {}\nSIGNATURE 0 name=gemini s\n");
}

static void take_choice(void *ctx, const mg_event *e) {
    if (e->type == MG_EVENT_TOOL) *(int64_t *)ctx = e->choice * 100 + e->index;
}

static void reports_the_choice_of_calls(void **state) {
    (void)state;
    int64_t seen = -1;
    mg_error error;
    assert_int_equal(provider_decode(&plain, MG_OP_CHAT, true, "",
                                     MG_STR("{\"choices\":[{\"index\":3,\"delta\":{\"tool_calls\":[{\"index\":7,"
                                            "\"function\":{\"arguments\":\"{\"}}]}}]}"),
                                     take_choice, &seen, &error),
                     MG_OK);
    assert_int_equal(seen, 307);
    mg_arena_reset(plain.arena);
}

static void reports_vectors(void **state) {
    (void)state;
#define USAGE "USAGE in=3 out=0 cached=0 write=0 reasoning=0 audio=0/0\n"
    provider_says(&plain, MG_OP_EMBEDDINGS, false,
                  "{\"object\":\"list\",\"data\":[{\"index\":1,\"embedding\":[0.10, -2e-3]},{\"index\":0,\"embedding\":"
                  "\"zczMPQ==\"}],\"usage\":{\"prompt_tokens\":3,\"total_tokens\":3}}",
                  "EMBEDDING 1 [0.10, -2e-3]\nEMBEDDING 0 zczMPQ==\n" USAGE);
    provider_says(
        &plain, MG_OP_EMBEDDINGS, false,
        "{\"data\":[{\"embedding\":[1]},{\"embedding\":[2]},{\"embedding\":7}],\"usage\":{\"total_tokens\":3}}",
        "EMBEDDING 0 [1]\nEMBEDDING 1 [2]\n" USAGE);
}

/* A large vector is neither copied nor searched: the event points into the frame. */
static void take_text(void *ctx, const mg_event *e) {
    if (e->type == MG_EVENT_EMBEDDING) *(mg_str *)ctx = e->text;
}

static void borrows_vectors(void **state) {
    (void)state;
    mg_str data = MG_STR("{\"data\":[{\"embedding\":[1,2,3]}]}"), seen = {NULL, 0};
    mg_error error;
    assert_int_equal(provider_decode(&plain, MG_OP_EMBEDDINGS, false, "", data, take_text, &seen, &error), MG_OK);
    assert_ptr_equal(seen.p, data.p + 22);
    assert_true(mg_str_is(seen, "[1,2,3]"));
    mg_arena_reset(plain.arena);
}

static void reports_what_azure_adds(void **state) {
    (void)state;
    provider_says(&plain, MG_OP_CHAT, true,
                  "{\"id\":\"\",\"model\":\"\",\"choices\":[],\"prompt_filter_results\":[{\"prompt_index\":0}]}", "");
#define COUNTED "\"usage\":{\"prompt_tokens\":3}"
    provider_says(&plain, MG_OP_CHAT, true, "{\"choices\":[]," COUNTED "}",
                  "USAGE in=3 out=0 cached=0 write=0 reasoning=0 audio=0/0 alone\n");
    provider_says(&plain, MG_OP_CHAT, true, "{\"choices\":[],\"prompt_filter_results\":[]," COUNTED "}", USAGE);
    provider_says(&plain, MG_OP_CHAT, true,
                  "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"content_filter\","
                  "\"content_filter_results\":{\"hate\":{\"filtered\":true,\"severity\":\"high\"}}}]}",
                  "FINISH 0 name=content_filter content_filter\n");
    provider_says(&plain, MG_OP_CHAT, false,
                  "{\"error\":{\"message\":\"filtered\",\"type\":null,\"code\":\"content_filter\",\"status\":400}}",
                  "ERROR name=content_filter filtered\n");
}

static void reports_the_rest(void **state) {
    (void)state;
    provider_says(&plain, MG_OP_CHAT, false,
                  "{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_details\":{\"type\":\"max_tokens\"}}]}",
                  "TEXT 0 a\nFINISH 0 name=max_tokens length\n");
    provider_says(&plain, MG_OP_MODERATIONS, false,
                  "{\"id\":\"modr\",\"model\":\"o\",\"results\":[],\"usage\":{\"prompt_tokens\":1}}",
                  "META name=o modr\n");
    provider_says(&plain, MG_OP_COUNT_TOKENS, false, "{\"object\":\"response.input_tokens\",\"input_tokens\":3}",
                  USAGE);
    provider_says(&plain, MG_OP_COUNT_TOKENS, false, "{\"count\":3,\"max_model_len\":8}", USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_refusals),        cmocka_unit_test(reports_logprobs),
        cmocka_unit_test(reports_citations),       cmocka_unit_test(reports_media),
        cmocka_unit_test(reports_reasoning),       cmocka_unit_test(reports_the_choice_of_calls),
        cmocka_unit_test(reports_vectors),         cmocka_unit_test(borrows_vectors),
        cmocka_unit_test(reports_what_azure_adds), cmocka_unit_test(reports_the_rest),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
