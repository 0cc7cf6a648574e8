/* What OpenAI's streams say of thoughts and signatures: the members that a plain message has, each whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "format/format.h"

#define S(literal) MG_STR_INIT(literal)

/* The deltas that hold the word, one a line, of a stream of these events. */
static mg_str deltas(mg_arena *arena, const char *word, const mg_event *events, size_t n) {
    mg_buf out = {0}, found = {0};
    const mg_format *f = &mg_format_openai;
    const mg_reply reply = {.arena = arena, .operation = MG_OP_CHAT, .id = "1", .model = S("m")};
    mg_stream s = {.reply = &reply, .state = mg_arena_zalloc(arena, f->stream_state), .arena = arena, .out = &out};
    f->open(&s);
    for (size_t i = 0; i < n; i++) f->event(&s, &events[i]);
    mg_buf_add(&out, "", 1);
    for (char *line = strtok(out.p, "\n"); line; line = strtok(NULL, "\n")) {
        char *delta = strstr(line, "\"delta\":"), *end = strstr(line, ",\"logprobs\"");
        if (!delta || !end || !strstr(delta, word)) continue;
        mg_buf_add(&found, delta + 8, (size_t)(end - delta) - 8);
        mg_buf_str(&found, MG_STR("\n"));
    }
    mg_str result = mg_arena_dup(arena, mg_buf_view(&found));
    mg_buf_finish(&out);
    mg_buf_finish(&found);
    return result;
}

static void says(const char *word, const mg_event *events, size_t n, const char *wanted) {
    mg_arena *arena = mg_arena_create(4096);
    mg_str found = deltas(arena, word, events, n);
    assert_string_equal(found.p, wanted);
    mg_arena_destroy(arena);
}

#define SAYS(word, events, wanted) says(word, events, sizeof(events) / sizeof *(events), wanted)

static void a_thought_comes_whole_with_its_signature(void **state) {
    (void)state;
    const mg_event events[] = {{.type = MG_EVENT_REASONING, .text = S("Let ")},
                               {.type = MG_EVENT_REASONING, .text = S("me\n")},
                               {.type = MG_EVENT_SIGNATURE, .text = S("s1"), .name = S("anthropic")},
                               {.type = MG_EVENT_REASONING, .text = S("more")},
                               {.type = MG_EVENT_SIGNATURE, .text = S("s2"), .name = S("anthropic")},
                               {.type = MG_EVENT_REDACTED, .text = S("d"), .name = S("anthropic")},
                               {.type = MG_EVENT_TEXT, .text = S("Hi")}};
    SAYS("thinking_blocks", events,
         "{\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":\"Let me\\n\",\"signature\":\"s1\",\"vendor\":"
         "\"anthropic\"}]}\n"
         "{\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":\"more\",\"signature\":\"s2\",\"vendor\":"
         "\"anthropic\"}]}\n"
         "{\"thinking_blocks\":[{\"type\":\"redacted_thinking\",\"data\":\"d\",\"vendor\":\"anthropic\"}]}\n");
}

static void a_signature_after_nothing_is_an_empty_thought(void **state) {
    (void)state;
    const mg_event events[] = {{.type = MG_EVENT_SIGNATURE, .text = S("s"), .name = S("anthropic")}};
    SAYS(
        "thinking_blocks", events,
        "{\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"s\",\"vendor\":\"anthropic\"}]}"
        "\n");
}

static void a_call_keeps_its_signature(void **state) {
    (void)state;
    const mg_event events[] = {{.type = MG_EVENT_REASONING, .text = S("hm")},
                               {.type = MG_EVENT_TOOL, .index = 3, .name = S("f"), .id = S("c"), .text = S("{}")},
                               {.type = MG_EVENT_SIGNATURE, .text = S("s"), .name = S("gemini")},
                               {.type = MG_EVENT_TEXT, .text = S("Hi")},
                               {.type = MG_EVENT_SIGNATURE, .text = S("t"), .name = S("gemini")}};
    SAYS("signature", events,
         "{\"tool_calls\":[{\"index\":3,\"function\":{\"arguments\":\"\"},\"signature\":\"s\",\"vendor\":\"gemini\"}]}"
         "\n");
}

static void choices_do_not_mix(void **state) {
    (void)state;
    const mg_event events[] = {{.type = MG_EVENT_REASONING, .text = S("one")},
                               {.type = MG_EVENT_REASONING, .text = S("two"), .choice = 1},
                               {.type = MG_EVENT_SIGNATURE, .text = S("a"), .name = S("v")},
                               {.type = MG_EVENT_REASONING, .text = S("three"), .choice = 1},
                               {.type = MG_EVENT_SIGNATURE, .text = S("b"), .name = S("v"), .choice = 1},
                               {.type = MG_EVENT_REASONING, .text = S("x")},
                               {.type = MG_EVENT_TEXT, .text = S("Hi"), .choice = 1},
                               {.type = MG_EVENT_REASONING, .text = S("y")},
                               {.type = MG_EVENT_SIGNATURE, .text = S("c"), .name = S("v")}};
    SAYS("thinking_blocks", events,
         "{\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":\"twothree\",\"signature\":\"b\",\"vendor\":\"v\"}]"
         "}\n");
}

static void a_thought_beyond_the_bound_is_not_handed_out(void **state) {
    (void)state;
    mg_arena *arena = mg_arena_create(4096);
    enum { PIECE = 300 << 10 };
    char *text = mg_arena_zalloc(arena, PIECE);
    memset(text, 'x', PIECE);
    const mg_event piece = {.type = MG_EVENT_REASONING, .text = {text, PIECE}};
    const mg_event events[] = {
        piece, piece, piece, piece, {.type = MG_EVENT_SIGNATURE, .text = S("s"), .name = S("anthropic")}};
    assert_int_equal(deltas(arena, "thinking_blocks", events, 5).n, 0);
    assert_true(deltas(arena, "thinking_blocks", events + 1, 4).n > 3 * PIECE);
    mg_arena_destroy(arena);
}

/* A frame has one line, however the vendor has written its JSON. */
static void json_of_vendors_comes_in_one_line(void **state) {
    (void)state;
    const mg_event events[] = {
        {.type = MG_EVENT_TEXT, .text = S("Hi")},
        {.type = MG_EVENT_CITATION, .text = S("{\n\"type\":\"url_citation\",\r\n\"url_citation\":{}}")}};
    SAYS("annotations", events, "{\"annotations\":[{ \"type\":\"url_citation\",  \"url_citation\":{}}]}\n");
}

static void sound_comes_with_its_transcript(void **state) {
    (void)state;
    const mg_event events[] = {{.type = MG_EVENT_MEDIA, .name = S("audio/wav"), .text = S("QUJD"), .id = S("Hello")}};
    SAYS("audio", events,
         "{\"audio\":{\"id\":\"audio_1\",\"expires_at\":0,\"data\":\"QUJD\",\"transcript\":\"Hello\"}}\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_thought_comes_whole_with_its_signature),
                                       cmocka_unit_test(a_signature_after_nothing_is_an_empty_thought),
                                       cmocka_unit_test(a_call_keeps_its_signature),
                                       cmocka_unit_test(json_of_vendors_comes_in_one_line),
                                       cmocka_unit_test(sound_comes_with_its_transcript),
                                       cmocka_unit_test(choices_do_not_mix),
                                       cmocka_unit_test(a_thought_beyond_the_bound_is_not_handed_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
