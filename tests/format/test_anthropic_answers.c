/* Answers in Anthropic's format: each rule by itself, and plain answers against streams over many sequences of events. */
#include "anthropic_fixture.h"

static mg_event event(mg_event_type type, const char *text) {
    return (mg_event){.size = sizeof(mg_event), .type = type, .text = mg_str_of(text)};
}

static mg_event tool(int64_t index, const char *id, const char *name, const char *text) {
    mg_event e = event(MG_EVENT_TOOL, text);
    e.index = index;
    e.id = mg_str_of(id);
    e.name = mg_str_of(name);
    return e;
}

static mg_event named(mg_event_type type, const char *name, const char *text) {
    mg_event e = event(type, text);
    e.name = mg_str_of(name);
    return e;
}

static mg_event finish(const char *reason, const char *vendor, const char *sequence) {
    mg_event e = named(MG_EVENT_FINISH, vendor, reason);
    e.id = mg_str_of(sequence);
    return e;
}

/* The blocks that both writers make of the events. */
static void expect_blocks(const mg_event *events, size_t n, const char *blocks) {
    answer a;
    told t = {.n = 0};
    answer_open(&a);
    for (size_t i = 0; i < n; i++) answer_event(&a, &events[i]);
    answer_close(&a);
    answer_compare(&a, blocks);
    told_plain(&t, mg_buf_view(&a.plain));
    mg_buf_add(&t.blocks, "", 1);
    assert_string_equal(t.blocks.p, blocks);
    told_finish(&t);
    answer_finish(&a);
    mg_arena_reset(arena);
}

#define EXPECT(blocks, ...)                                                                                            \
    do {                                                                                                               \
        const mg_event list_[] = {__VA_ARGS__};                                                                        \
        expect_blocks(list_, sizeof list_ / sizeof list_[0], blocks);                                                  \
    } while (0)

static void blocks_in_order(void **state) {
    (void)state;
    EXPECT("", event(MG_EVENT_TEXT, ""));
    EXPECT("text ab [] []\n", event(MG_EVENT_TEXT, "a"), event(MG_EVENT_TEXT, "b"));
    EXPECT("thinking t [moongate::] []\ntext a [] []\nthinking u [moongate::] []\n", event(MG_EVENT_REASONING, "t"),
           event(MG_EVENT_TEXT, "a"), event(MG_EVENT_REASONING, "u"));
    EXPECT("text no [] []\n", event(MG_EVENT_REFUSAL, "n"), event(MG_EVENT_REFUSAL, "o"));
    EXPECT("redacted_thinking {\"type\":\"redacted_thinking\",\"data\":\"xyz\"} [] []\n",
           named(MG_EVENT_REDACTED, "anthropic", "xyz"));
    EXPECT("redacted_thinking {\"type\":\"redacted_thinking\",\"data\":\"moongate:openai:xyz\"} [] []\n",
           named(MG_EVENT_REDACTED, "openai", "xyz"));
    EXPECT("server_tool_use {\"type\":\"server_tool_use\", \"id\":\"srvtoolu_1\"} [] []\ntext a [] []\n",
           named(MG_EVENT_OTHER, "anthropic", "{\"type\":\"server_tool_use\",\n\"id\":\"srvtoolu_1\"}"),
           named(MG_EVENT_OTHER, "openai", "{\"type\":\"web_search_call\"}"), event(MG_EVENT_TEXT, "a"),
           named(MG_EVENT_OTHER, "anthropic", "not JSON"));
    mg_event second = event(MG_EVENT_TEXT, "of another choice");
    second.choice = 1;
    EXPECT("text a [] []\n", event(MG_EVENT_TEXT, "a"), second);
    mg_event audio = named(MG_EVENT_MEDIA, "audio/wav", "UklGRg==");
    audio.id = MG_STR("hello");
    EXPECT("text hello [] []\n", audio, named(MG_EVENT_MEDIA, "image/png", "iVBO"));
}

static void signatures(void **state) {
    (void)state;
    EXPECT("thinking t [sig] []\ntext a [] []\n", event(MG_EVENT_REASONING, "t"),
           named(MG_EVENT_SIGNATURE, "anthropic", "sig"), event(MG_EVENT_TEXT, "a"));
    EXPECT("thinking t [moongate:gemini:c2ln] []\n", event(MG_EVENT_REASONING, "t"),
           named(MG_EVENT_SIGNATURE, "gemini", "c2ln"));
    EXPECT("thinking  [s] []\n", named(MG_EVENT_SIGNATURE, "anthropic", "s"));
    EXPECT("thinking a [one] []\nthinking b [moongate::] []\n", event(MG_EVENT_REASONING, "a"),
           named(MG_EVENT_SIGNATURE, "anthropic", "one"), event(MG_EVENT_REASONING, "b"));
    EXPECT("text a [] []\n"
           "redacted_thinking {\"type\":\"redacted_thinking\",\"data\":\"moongate-text:gemini:s1\"} [] []\n"
           "text b [] []\n",
           event(MG_EVENT_TEXT, "a"), named(MG_EVENT_SIGNATURE, "gemini", "s1"), event(MG_EVENT_TEXT, "b"));
    EXPECT("tool_use call_1 f {\"a\":1}\n"
           "redacted_thinking {\"type\":\"redacted_thinking\",\"data\":\"moongate-tool:gemini:call_1:s2\"} [] []\n",
           tool(0, "call_1", "f", "{\"a\":1}"), named(MG_EVENT_SIGNATURE, "gemini", "s2"));
}

static void tool_calls(void **state) {
    (void)state;
    EXPECT("text go [] []\ntool_use t_1 f {\"a\":1}\n", event(MG_EVENT_TEXT, "go"), tool(0, "t_1", "f", ""),
           tool(0, "", "", "{\"a\""), tool(0, "", "", ":1}"));
    EXPECT("tool_use t_1 f {}\n", tool(0, "t_1", "f", ""));
    EXPECT("tool_use t_1 f {}\n", tool(0, "t_1", "f", "null"));
    EXPECT("tool_use t_1 f {}\n", tool(0, "t_1", "f", "{\"cut\":\"of"));
    EXPECT("tool_use t_1 f {}\n", tool(0, "t_1", "f", "[1]"));
    EXPECT("tool_use t_1 f {\"a\":\"}\\\"{\"}\n", tool(0, "t_1", "f", " {\"a\":\"}\\\"{\"} \n"), tool(0, "", "", "x"));
    EXPECT("tool_use functions_f_0 f {}\n", tool(0, "functions.f:0", "f", "{}"));
    EXPECT("tool_use toolu_0123456789abcdef0123456789abcdef_0 f {}\n"
           "tool_use toolu_0123456789abcdef0123456789abcdef_1 f {}\n",
           tool(0, "", "f", "{}"), tool(1, "", "f", "{}"));
}

/* Calls and texts that come while a call is under way wait for it. */
static void interleaved_calls(void **state) {
    (void)state;
    EXPECT("tool_use a f {\"x\":1}\ntool_use b g {\"y\":2}\n", tool(0, "a", "f", "{\"x\""), tool(1, "b", "g", "{\"y\""),
           tool(0, "", "", ":1}"), tool(1, "", "", ":2}"));
    EXPECT("tool_use a f {}\ntool_use b g {\"y\":2}\ntext t [] []\n", tool(0, "a", "f", ""),
           tool(1, "b", "g", "{\"y\""), event(MG_EVENT_TEXT, "t"), tool(0, "", "", "{}"), tool(1, "", "", ":2}"));
    EXPECT("tool_use a f {\"late\":1}\ntext t [] []\n", tool(0, "a", "", "{\"late\""), event(MG_EVENT_TEXT, "t"),
           tool(0, "", "f", ":1}"));
    EXPECT("tool_use a f {}\ntool_use b g {}\ntool_use c h {}\n", tool(0, "a", "f", ""), tool(1, "b", "g", ""),
           tool(2, "c", "h", ""));
}

/* The second call is live as soon as the first is whole, not only at the end. */
static void calls_are_live(void **state) {
    (void)state;
    answer a;
    answer_open(&a);
    const mg_event events[] = {tool(0, "a", "f", "{\"x\":1}"), tool(1, "b", "g", "{\"y\"")};
    for (size_t i = 0; i < 2; i++) answer_event(&a, &events[i]);
    mg_buf_add(&a.frames, "", 1);
    assert_non_null(strstr(a.frames.p, "\"id\":\"b\""));
    assert_non_null(strstr(a.frames.p, "{\\\"y\\\""));
    answer_finish(&a);
    mg_arena_reset(arena);
}

static void citations(void **state) {
    (void)state;
    EXPECT("text a [] [{\"type\":\"char_location\", \"cited_text\":\"x\"}]\n", event(MG_EVENT_TEXT, "a"),
           event(MG_EVENT_CITATION, "{\"type\":\"vendor_citation\",\"vendor\":\"anthropic\",\"citation\":"
                                    "{\"type\":\"char_location\",\n\"cited_text\":\"x\"}}"),
           event(MG_EVENT_CITATION, "{\"type\":\"vendor_citation\",\"vendor\":\"gemini\",\"citation\":{}}"),
           event(MG_EVENT_CITATION, "rubbish"));
    EXPECT("text  [] [{\"type\":\"web_search_result_location\",\"cited_text\":\"\",\"encrypted_index\":\"moongate:\","
           "\"title\":\"T\",\"url\":\"https://e.example\"}]\n",
           event(MG_EVENT_CITATION, "{\"type\":\"url_citation\",\"url_citation\":{\"url\":\"https://e.example\","
                                    "\"title\":\"T\",\"start_index\":0,\"end_index\":1}}"));
}

static void expect_stop(mg_event f, const mg_event *before, const char *reason, const char *sequence) {
    answer a;
    told t = {.n = 0};
    answer_open(&a);
    if (before) answer_event(&a, before);
    answer_event(&a, &f);
    answer_close(&a);
    answer_compare(&a, reason);
    told_plain(&t, mg_buf_view(&a.plain));
    if (!mg_str_is(t.stop_reason, reason))
        fail_msg("stop_reason " MG_STR_FMT " instead of %s", MG_STR_ARG(t.stop_reason), reason);
    assert_true(mg_str_is(t.stop_sequence, sequence));
    told_finish(&t);
    answer_finish(&a);
    mg_arena_reset(arena);
}

static void stop_reasons(void **state) {
    (void)state;
    const mg_event call = tool(0, "a", "f", "{}"), refusal = event(MG_EVENT_REFUSAL, "no");
    expect_stop(finish("stop", "stop", ""), NULL, "end_turn", "");
    expect_stop(finish("", "", ""), NULL, "end_turn", "");
    expect_stop(finish("stop", "STOP", "END"), NULL, "stop_sequence", "END");
    expect_stop(finish("stop", "stop_sequence", "END"), NULL, "stop_sequence", "END");
    expect_stop(finish("stop", "pause_turn", ""), NULL, "pause_turn", "");
    expect_stop(finish("length", "length", ""), NULL, "max_tokens", "");
    expect_stop(finish("length", "model_context_window_exceeded", ""), NULL, "model_context_window_exceeded", "");
    expect_stop(finish("tool_calls", "tool_calls", ""), &call, "tool_use", "");
    expect_stop(finish("stop", "STOP", ""), &call, "tool_use", "");
    expect_stop(finish("content_filter", "SAFETY", ""), NULL, "refusal", "");
    expect_stop(finish("stop", "stop", ""), &refusal, "refusal", "");
}

static void usage(void **state) {
    (void)state;
    answer a;
    told t = {.n = 0};
    const mg_usage u = {.size = sizeof u, .input = 100, .cached = 30, .cache_write = 20, .output = 9, .reasoning = 4};
    mg_event e = event(MG_EVENT_USAGE, "");
    e.usage = &u;
    answer_open(&a);
    told_stream(&t, mg_buf_view(&a.frames));
    assert_int_equal(t.input_tokens, 7); /* the estimate */
    answer_event(&a, &e);
    answer_close(&a);
    answer_compare(&a, "usage");
    told_finish(&t);
    t = (told){.n = 0};
    told_plain(&t, mg_buf_view(&a.plain));
    assert_int_equal(t.input_tokens, 50);
    assert_int_equal(t.cached, 30);
    assert_int_equal(t.written, 20);
    assert_int_equal(t.output_tokens, 9);
    mg_buf_add(&a.plain, "", 1);
    assert_non_null(strstr(a.plain.p, "\"output_tokens_details\":{\"thinking_tokens\":4}"));
    assert_non_null(strstr(a.plain.p, "\"id\":\"msg_0123456789abcdef0123456789abcdef\""));
    told_finish(&t);
    answer_finish(&a);
    mg_arena_reset(arena);
}

/* The bytes of a small stream, as the API documents them. */
static void exact_frames(void **state) {
    (void)state;
    answer a;
    const mg_event text = event(MG_EVENT_TEXT, "Hi\n\"x\""), end = finish("stop", "stop", "");
    answer_open(&a);
    answer_event(&a, &text);
    answer_event(&a, &end);
    answer_close(&a);
    mg_buf_add(&a.frames, "", 1);
    assert_string_equal(
        a.frames.p,
        "event: message_start\ndata: "
        "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_0123456789abcdef0123456789abcdef\","
        "\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-test\",\"content\":[],\"stop_reason\":null,"
        "\"stop_sequence\":null,\"stop_details\":null,\"usage\":{\"input_tokens\":7,\"cache_creation_input_tokens\":0,"
        "\"cache_read_input_tokens\":0,\"output_tokens\":0,\"cache_creation\":null,\"server_tool_use\":null,"
        "\"service_tier\":null,\"inference_geo\":null}}}\n\n"
        "event: content_block_start\ndata: "
        "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\","
        "\"text\":\"\"}}\n\n"
        "event: content_block_delta\ndata: "
        "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\","
        "\"text\":\"Hi\\n\\\"x\\\"\"}}\n\n"
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
        "\"stop_sequence\":null,\"stop_details\":null},\"usage\":{\"input_tokens\":7,\"cache_creation_input_tokens\":0,"
        "\"cache_read_input_tokens\":0,\"output_tokens\":0}}\n\n"
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    answer_finish(&a);
    mg_arena_reset(arena);
}

/* ---- plain answers against streams -------------------------------------------------------------------------------- */

static uint64_t seed;

static uint64_t dice(uint64_t n) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

static const char *pick(const char *const *from, size_t n) { return from[dice(n)]; }
#define PICK(list) pick(list, sizeof list / sizeof list[0])

static const char *const texts[] = {"", "a", "b\n", "\"q\"", "\xc3\xa9", "long words ", "}", "{\"a\":1}"};
static const char *const vendors[] = {"anthropic", "gemini", "openai", ""};
static const char *const arguments[] = {"{}",           "{\"a\":[1,{\"b\":\"}\"}]}", "", "null", " {\"x\":\"\\\\\"}\n",
                                        "{\"cut\":\"o", "{\"k\":\"\xc3\xa9\"} ",     "7"};
static const char *const notes[] = {
    "{\"type\":\"vendor_citation\",\"vendor\":\"anthropic\",\"citation\":{\"type\":\"page_location\"}}",
    "{\"type\":\"url_citation\",\"url_citation\":{\"url\":\"https://e.example\"}}", "{}", "rubbish"};
static const char *const others[] = {"{\"type\":\"server_tool_use\"}", "[]", "{\"type\":\n\"x\"}"};

typedef struct caller {
    const char *left; /* of its arguments */
    bool known; /* its name has been said */
} caller;

static void random_tool(answer *a, caller *callers) {
    int64_t index = (int64_t)dice(4);
    caller *c = &callers[index];
    size_t n = mg_str_cut(mg_str_of(c->left), dice(strlen(c->left) + 1)).n; /* vendors do not split characters */
    char name[16];
    snprintf(name, sizeof name, "f%d", (int)index);
    mg_event e = tool(index, c->known ? "" : name, "", "");
    if (!c->known && dice(8)) {
        e.name = mg_str_of(name);
        c->known = true;
    }
    if (!e.name.n && !c->known) e.id = mg_str_of(name);
    e.text = mg_str_from(c->left, n);
    c->left += n;
    answer_event(a, &e);
}

static void random_event(answer *a, caller *callers) {
    mg_event e;
    switch (dice(12)) {
    case 0:
    case 1:
    case 2: random_tool(a, callers); return;
    case 3:
    case 4: e = event(MG_EVENT_TEXT, PICK(texts)); break;
    case 5: e = event(MG_EVENT_REASONING, PICK(texts)); break;
    case 6: e = event(MG_EVENT_REFUSAL, PICK(texts)); break;
    case 7: e = named(MG_EVENT_SIGNATURE, PICK(vendors), PICK(texts)); break;
    case 8: e = event(MG_EVENT_CITATION, PICK(notes)); break;
    case 9: e = named(MG_EVENT_REDACTED, PICK(vendors), PICK(texts)); break;
    case 10: e = named(MG_EVENT_OTHER, PICK(vendors), PICK(others)); break;
    default:
        e = named(MG_EVENT_MEDIA, "audio/wav", "");
        e.id = mg_str_of(PICK(texts));
        break;
    }
    e.choice = dice(10) == 0;
    answer_event(a, &e);
}

static void plain_equals_stream(void **state) {
    (void)state;
    for (uint64_t run = 1; run <= 20000; run++) {
        answer a;
        caller callers[4];
        char what[32];
        seed = run * 0x9e3779b97f4a7c15u;
        for (size_t i = 0; i < 4; i++) callers[i] = (caller){PICK(arguments), false};
        answer_open(&a);
        for (size_t i = dice(24); i > 0; i--) random_event(&a, callers);
        const mg_event end = finish(dice(2) ? "stop" : "tool_calls", "", dice(4) ? "" : "END");
        answer_event(&a, &end);
        answer_close(&a);
        snprintf(what, sizeof what, "run %d", (int)run);
        answer_compare(&a, what);
        answer_finish(&a);
        mg_arena_reset(arena);
    }
}

/* ---- errors, models, counts --------------------------------------------------------------------------------------- */

static void expect_error(int status, const char *code, const char *type) {
    mg_buf b = {0};
    char pattern[160];
    const mg_fault f = {.status = status,
                        .code = mg_str_of(code),
                        .message = MG_STR("m"),
                        .retry_after_ms = -1,
                        .request_id = MG_STR("r-1")};
    F->error(&f, &b);
    snprintf(pattern, sizeof pattern,
             "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"m\"},\"request_id\":\"r-1\"}", type);
    mg_buf_add(&b, "", 1);
    assert_string_equal(b.p, pattern);
    mg_buf_finish(&b);
}

static void errors(void **state) {
    (void)state;
    expect_error(400, "invalid_value", "invalid_request_error");
    expect_error(400, "content_filter", "invalid_request_error");
    expect_error(401, "invalid_api_key", "authentication_error");
    expect_error(403, "model_not_allowed", "permission_error");
    expect_error(404, "model_not_found", "not_found_error");
    expect_error(413, "", "request_too_large");
    expect_error(429, "rate_limit_exceeded", "rate_limit_error");
    expect_error(429, "insufficient_quota", "billing_error");
    expect_error(500, "policy_failed", "api_error");
    expect_error(502, "", "api_error");
    expect_error(503, "overloaded", "overloaded_error");
    expect_error(504, "", "timeout_error");
    assert_int_equal(F->status(503, MG_STR("overloaded")), 529);
    assert_int_equal(F->status(429, MG_STR("insufficient_quota")), 429);
    answer a;
    const mg_fault f = {.status = 502, .message = MG_STR("broke"), .retry_after_ms = -1};
    const mg_event text = event(MG_EVENT_TEXT, "half");
    answer_open(&a);
    answer_event(&a, &text);
    F->error_frames(&a.stream, &f);
    mg_buf_add(&a.frames, "", 1);
    assert_non_null(strstr(a.frames.p, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\","
                                       "\"message\":\"broke\"},\"request_id\":null}\n\n"));
    assert_null(strstr(a.frames.p, "message_stop"));
    answer_finish(&a);
    mg_arena_reset(arena);
}

static void lists(void **state) {
    (void)state;
    mg_buf b = {0};
    const mg_model_row rows[] = {{MG_STR_INIT("m1"), MG_STR_INIT("o"), 200000, 64000},
                                 {MG_STR_INIT("m\"2"), {NULL, 0}, 0, 0}};
    F->models(rows, 2, &b);
    mg_buf_add(&b, "", 1);
    assert_string_equal(b.p, "{\"data\":[{\"type\":\"model\",\"id\":\"m1\",\"display_name\":\"m1\","
                             "\"created_at\":\"1970-01-01T00:00:00Z\",\"max_input_tokens\":200000,\"max_tokens\":64000,"
                             "\"capabilities\":null},{\"type\":\"model\",\"id\":\"m\\\"2\",\"display_name\":\"m\\\"2\","
                             "\"created_at\":\"1970-01-01T00:00:00Z\",\"max_input_tokens\":null,\"max_tokens\":null,"
                             "\"capabilities\":null}],\"has_more\":false,\"first_id\":\"m1\",\"last_id\":\"m\\\"2\"}");
    mg_buf_clear(&b);
    F->models(NULL, 0, &b);
    mg_buf_add(&b, "", 1);
    assert_string_equal(b.p, "{\"data\":[],\"has_more\":false,\"first_id\":null,\"last_id\":null}");
    mg_buf_clear(&b);
    F->model(rows, &b);
    assert_true(mg_str_starts(mg_buf_view(&b), MG_STR("{\"type\":\"model\",\"id\":\"m1\"")));
    mg_buf_clear(&b);
    F->count(2095, &b);
    assert_true(mg_str_is(mg_buf_view(&b), "{\"input_tokens\":2095}"));
    mg_buf_finish(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_in_order),     cmocka_unit_test(signatures),     cmocka_unit_test(tool_calls),
        cmocka_unit_test(interleaved_calls),   cmocka_unit_test(calls_are_live), cmocka_unit_test(citations),
        cmocka_unit_test(stop_reasons),        cmocka_unit_test(usage),          cmocka_unit_test(exact_frames),
        cmocka_unit_test(plain_equals_stream), cmocka_unit_test(errors),         cmocka_unit_test(lists),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
