/* The anthropic provider: what it reads in answers, and how it names failures. In this file ' stands for " in JSON. */
#include "provider.h"

static provider plain;

static int setup(void **state) {
    (void)state;
    provider_open(&plain, "anthropic", NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    provider_close(&plain);
    return 0;
}

static mg_str quoted(provider *p, const char *text) {
    mg_str s = mg_arena_dup(p->arena, mg_str_of(text));
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\'') ((char *)s.p)[i] = '"';
    return s;
}

/* ---- decode ------------------------------------------------------------------------------------------------------ */

static void reads(mg_operation op, bool stream, const char *event, const char *data, const char *lines) {
    mg_buf b = {0};
    mg_error error = {0};
    if (provider_decode(&plain, op, stream, event, quoted(&plain, data), on_event, &b, &error) != MG_OK)
        fail_msg("%s: %s", data, error.text);
    mg_buf_add(&b, "", 1);
    mg_str want = quoted(&plain, lines);
    b.n--;
    if (!mg_str_eq(mg_buf_view(&b), want)) fail_msg("%s says\n%snot\n" MG_STR_FMT, data, b.p, MG_STR_ARG(want));
    mg_buf_finish(&b);
    mg_arena_reset(plain.arena);
}

static void answers(const char *data, const char *lines) {
    provider_begin(&plain);
    reads(MG_OP_CHAT, false, "", data, lines);
}

static void streams(const char *data, const char *lines) { reads(MG_OP_CHAT, true, "", data, lines); }

static void reads_plain_answers(void **state) {
    (void)state;
    answers(
        "{'id':'msg_1','model':'claude-x','type':'message','content':[{'type':'thinking','thinking':'hm','signature':'"
        "s'},"
        "{'type':'thinking','thinking':'','signature':'s2'},{'type':'redacted_thinking','data':'enc'},{'type':'text',"
        "'text':'a','citations':[{'type':'page_location','cited_text':'q'}]},{'type':'tool_use','id':'t1','name':'f',"
        "'input':{ 'n': 1.0 }},{'type':'server_tool_use','id':'x','name':'web_search','input':{}},{'type':'tool_use',"
        "'id':'t2','name':'g','input':{}}],'stop_reason':'tool_use','stop_sequence':null,'usage':{'input_tokens':3,"
        "'cache_read_input_tokens':10,'cache_creation_input_tokens':100,'output_tokens':7,'output_tokens_details':"
        "{'thinking_tokens':5}}}",
        "META name=claude-x msg_1\nREASONING 0 hm\nSIGNATURE 0 name=anthropic s\nREASONING 0\nSIGNATURE 0 "
        "name=anthropic "
        "s2\nREDACTED 0 name=anthropic enc\nTEXT 0 a\nCITATION 0 {'type':'vendor_citation','vendor':'anthropic',"
        "'citation':{'type':'page_location','cited_text':'q'}}\nTOOL 0 id=t1 name=f { 'n': 1.0 }\nOTHER 0 "
        "name=anthropic "
        "{'type':'server_tool_use','id':'x','name':'web_search','input':{}}\nTOOL 1 id=t2 name=g {}\nFINISH 0 "
        "name=tool_use tool_calls\nUSAGE in=113 out=7 cached=10 write=100 reasoning=5 audio=0/0\n");
    answers("{'type':'error','error':{'type':'overloaded_error','message':'Overloaded'}}",
            "ERROR name=overloaded_error Overloaded\n");
    reads(MG_OP_COUNT_TOKENS, false, "", "{'input_tokens':43}",
          "USAGE in=43 out=0 cached=0 write=0 reasoning=0 audio=0/0\n");
    reads(MG_OP_MODELS, false, "", "{'data':[]}", "");
}

static void names_why_it_stopped(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"end_turn", "stop"},          {"max_tokens", "length"},
        {"stop_sequence", "stop"},     {"tool_use", "tool_calls"},
        {"refusal", "content_filter"}, {"pause_turn", "stop"},
        {"what_comes_next", "stop"},   {"model_context_window_exceeded", "length"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char data[128], line[128];
        snprintf(data, sizeof data, "{'stop_reason':'%s'}", cases[i][0]);
        snprintf(line, sizeof line, "FINISH 0 name=%s %s\n", cases[i][0], cases[i][1]);
        answers(data, line);
    }
    answers("{'stop_reason':'stop_sequence','stop_sequence':'END'}", "FINISH 0 id=END name=stop_sequence stop\n");
    answers("{'stop_reason':'refusal','stop_details':{'type':'refusal','explanation':'Why.'}}",
            "REFUSAL 0 Why.\nFINISH 0 name=refusal content_filter\n");
}

#define START(index, block) "{'type':'content_block_start','index':" index ",'content_block':" block "}"
#define DELTA(index, delta) "{'type':'content_block_delta','index':" index ",'delta':" delta "}"
#define STOP(index) "{'type':'content_block_stop','index':" index "}"

static void reads_streams(void **state) {
    (void)state;
    provider_begin(&plain);
    streams("{'type':'message_start','message':{'id':'m1','model':'c','usage':{'input_tokens':5,'cache_read_input_"
            "tokens':2,"
            "'output_tokens':1}}}",
            "META name=c m1\nUSAGE in=7 out=1 cached=2 write=0 reasoning=0 audio=0/0\n");
    streams("{'type':'ping'}", "");
    streams(START("0", "{'type':'thinking','thinking':'','signature':''}"), "");
    streams(DELTA("0", "{'type':'thinking_delta','thinking':'hm'}"), "REASONING 0 hm\n");
    streams(DELTA("0", "{'type':'signature_delta','signature':'sig'}"), "SIGNATURE 0 name=anthropic sig\n");
    streams(STOP("0"), "");
    streams(START("1", "{'type':'thinking','thinking':''}"), "");
    streams(DELTA("1", "{'type':'signature_delta','signature':'s2'}"), "REASONING 0\nSIGNATURE 0 name=anthropic s2\n");
    streams(START("2", "{'type':'text','text':'','citations':[]}"), "");
    streams(DELTA("2", "{'type':'citations_delta','citation':{'type':'x'}}"),
            "CITATION 0 {'type':'vendor_citation','vendor':'anthropic','citation':{'type':'x'}}\n");
    streams(DELTA("2", "{'type':'text_delta','text':'a'}"), "TEXT 0 a\n");
    streams(STOP("2"), "");
    streams(START("3", "{'type':'tool_use','id':'t1','name':'f','input':{}}"), "TOOL 0 id=t1 name=f\n");
    streams(DELTA("3", "{'type':'input_json_delta','partial_json':''}"), "");
    streams(DELTA("3", "{'type':'input_json_delta','partial_json':'{\\'a\\''}"), "TOOL 0 {'a'\n");
    streams(DELTA("3", "{'type':'input_json_delta','partial_json':':1}'}"), "TOOL 0 :1}\n");
    streams(STOP("3"), "");
    streams(START("4", "{'type':'tool_use','id':'t2','name':'g','input':{}}"), "TOOL 1 id=t2 name=g\n");
    streams(STOP("4"), "TOOL 1 {}\n");
    streams(START("5", "{'type':'tool_use','id':'t3','name':'h','input':{'b':2}}"), "TOOL 2 id=t3 name=h {'b':2}\n");
    streams(STOP("5"), "");
    streams(START("6", "{'type':'redacted_thinking','data':'enc'}"), "REDACTED 0 name=anthropic enc\n");
    streams("{'type':'something_new','x':1}", "");
    streams(
        "{'type':'message_delta','delta':{'stop_reason':'end_turn','stop_sequence':null},'usage':{'output_tokens':9,"
        "'input_tokens':null,'output_tokens_details':{'thinking_tokens':4}}}",
        "FINISH 0 name=end_turn stop\nUSAGE in=7 out=9 cached=2 write=0 reasoning=4 audio=0/0\n");
    streams("{'type':'message_stop'}", "DONE\n");
    streams("{'type':'error','error':{'type':'api_error','message':'Boom'}}", "ERROR name=api_error Boom\n");
    reads(MG_OP_CHAT, true, "message_stop", "{}", "DONE\n");
    streams("", "");
}

static void puts_server_tools_together(void **state) {
    (void)state;
#define SEARCH "{'type':'server_tool_use','id':'s','name':'web_search','input':{},'caller':{'type':'direct'}}"
    provider_begin(&plain);
    streams(START("0", SEARCH), "");
    streams(DELTA("0", "{'type':'input_json_delta','partial_json':''}"), "");
    streams(DELTA("0", "{'type':'input_json_delta','partial_json':'{\\'query\\': '}"), "");
    streams(DELTA("0", "{'type':'input_json_delta','partial_json':'\\'x\\'}'}"), "");
    streams(STOP("0"),
            "OTHER 0 name=anthropic {'type':'server_tool_use','id':'s','name':'web_search','input':{'query': 'x'},"
            "'caller':{'type':'direct'}}\n");
    streams(START("1", "{'type':'web_search_tool_result','content':[1]}"),
            "OTHER 0 name=anthropic {'type':'web_search_tool_result','content':[1]}\n");
    streams(STOP("1"), "");
    streams(START("2", SEARCH), "");
    streams(STOP("2"), "OTHER 0 name=anthropic " SEARCH "\n");
    streams(START("3", SEARCH), "");
    streams(DELTA("3", "{'type':'input_json_delta','partial_json':'{\\'query\\''}"), "");
    streams("{'type':'message_delta','delta':{'stop_reason':'max_tokens'}}",
            "OTHER 0 name=anthropic " SEARCH "\nOTHER 0 name=anthropic {'type':'input_json_delta','partial_json':"
            "'{\\'query\\''}\nFINISH 0 name=max_tokens length\n");
    streams(START("4", "{'type':'compaction','content':null}"),
            "OTHER 0 name=anthropic {'type':'compaction','content':null}\n");
    streams(DELTA("4", "{'type':'compaction_delta','content':'c'}"),
            "OTHER 0 name=anthropic {'type':'compaction_delta','content':'c'}\n");
}

static void on_pieces(void *ctx, const mg_event *e) {
    assert_int_equal(e->type, MG_EVENT_OTHER);
    const mg_json *piece = provider_json(&plain, e->text);
    assert_non_null(piece);
    mg_buf_str(ctx, mg_json_text(mg_json_get(piece, MG_STR("partial_json"))));
}

/* More than fits into the state of an answer. */
static void loses_nothing_of_a_long_input(void **state) {
    (void)state;
    mg_buf got = {0}, want = {0};
    mg_error error;
    char frame[1024];
    provider_begin(&plain);
    streams(START("0", SEARCH), "");
    for (int i = 0; i < 100; i++) {
        snprintf(frame, sizeof frame,
                 DELTA("0", "{'type':'input_json_delta','partial_json':'%d h\xc3\xa9llo\\n \\'%0*d'}"), i, i % 150 + 1,
                 i);
        mg_str data = quoted(&plain, frame);
        assert_int_equal(provider_decode(&plain, MG_OP_CHAT, true, "", data, on_pieces, &got, &error), MG_OK);
        mg_buf_str(&want, mg_json_text(mg_json_path(provider_json(&plain, data), "delta.partial_json")));
        mg_arena_reset(plain.arena);
    }
    assert_int_equal(provider_decode(&plain, MG_OP_CHAT, true, "", quoted(&plain, STOP("0")), on_pieces, &got, &error),
                     MG_OK);
    assert_true(want.n > 4096);
    assert_true(mg_str_eq(mg_buf_view(&got), mg_buf_view(&want)));
    mg_buf_finish(&got);
    mg_buf_finish(&want);
}

static void refuses_rubbish(void **state) {
    (void)state;
    static const char *const bad[] = {"[]", "7", "nonsense", "{'a'"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        mg_buf b = {0};
        mg_error error = {0};
        mg_str data = quoted(&plain, bad[i]);
        assert_int_equal(provider_decode(&plain, MG_OP_CHAT, i % 2, "", data, on_event, &b, &error), MG_ERROR);
        assert_int_equal(error.http, 502);
        assert_int_equal(b.n, 0);
        mg_arena_reset(plain.arena);
    }
}

/* ---- classify ---------------------------------------------------------------------------------------------------- */

static mg_classification classify(int status, const char *body, const mg_header *headers, size_t n) {
    mg_classification c = {.size = sizeof c};
    mg_str data = quoted(&plain, body);
    mg_frame f = {.size = sizeof f, .status = status, .data = data, .json = provider_json(&plain, data)};
    plain.ops->classify(plain.self, &f, headers, n, &c);
    return c;
}

static void names_failures(void **state) {
    (void)state;
#define ERR(type, message) "{'type':'error','error':{'type':'" type "','message':'" message "'},'request_id':'r'}"
    static const struct {
        int status;
        const char *body;
        mg_failure failure;
    } cases[] = {
        {400, ERR("invalid_request_error", "max_tokens: Field required"), MG_FAIL_BAD_REQUEST},
        {400, ERR("invalid_request_error", "prompt is too long: 3 tokens > 2 maximum"), MG_FAIL_CONTEXT_LENGTH},
        {400, ERR("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 3"),
         MG_FAIL_CONTEXT_LENGTH},
        {400, ERR("invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
         MG_FAIL_QUOTA},
        {400, ERR("invalid_request_error", "You have reached your specified API usage limits."), MG_FAIL_QUOTA},
        {400, ERR("invalid_request_error", "Output blocked by content filtering policy"), MG_FAIL_CONTENT},
        {401, ERR("authentication_error", "invalid x-api-key"), MG_FAIL_AUTH},
        {402, ERR("billing_error", "x"), MG_FAIL_QUOTA},
        {403, ERR("permission_error", "x"), MG_FAIL_AUTH},
        {404, ERR("not_found_error", "model: x"), MG_FAIL_NOT_FOUND},
        {413, ERR("request_too_large", "x"), MG_FAIL_CONTEXT_LENGTH},
        {429, ERR("rate_limit_error", "x"), MG_FAIL_RATE},
        {500, ERR("api_error", "x"), MG_FAIL_SERVER},
        {504, ERR("timeout_error", "x"), MG_FAIL_SERVER},
        {529, ERR("overloaded_error", "x"), MG_FAIL_OVERLOADED},
        {200, ERR("overloaded_error", "x"), MG_FAIL_OVERLOADED},
        {529, "<html>", MG_FAIL_OVERLOADED},
        {503, "", MG_FAIL_OVERLOADED},
        {502, "<html>", MG_FAIL_SERVER},
        {403, "<html>", MG_FAIL_AUTH},
        {418, "{}", MG_FAIL_BAD_REQUEST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mg_classification c = classify(cases[i].status, cases[i].body, NULL, 0);
        if (c.failure != cases[i].failure) fail_msg("%s: failure %d", cases[i].body, c.failure);
        assert_int_equal(c.retry_after_ms, -1);
        mg_arena_reset(plain.arena);
    }
    mg_classification c = classify(400, ERR("invalid_request_error", "why"), NULL, 0);
    assert_true(mg_str_is(c.message, "why") && mg_str_is(c.code, "invalid_request_error"));
}

static void reads_how_long_to_wait(void **state) {
    (void)state;
#define DATE                                                                                                           \
    { MG_STR_INIT("date"), MG_STR_INIT("Sun, 06 Nov 1994 08:49:37 GMT") }
    static const struct {
        mg_header headers[2];
        int64_t ms;
    } cases[] = {
        {{{MG_STR_INIT("retry-after"), MG_STR_INIT("12")}}, 12000},
        {{{MG_STR_INIT("retry-after"), MG_STR_INIT("1.5")}}, 1500},
        {{{MG_STR_INIT("retry-after"), MG_STR_INIT("9")}, {MG_STR_INIT("retry-after-ms"), MG_STR_INIT("250.2")}}, 251},
        {{{MG_STR_INIT("retry-after"), MG_STR_INIT("Sun, 06 Nov 1994 08:50:37 GMT")}, DATE}, 60000},
        {{{MG_STR_INIT("retry-after"), MG_STR_INIT("Sun, 06 Nov 1994 08:40:37 GMT")}, DATE}, 0},
        {{{MG_STR_INIT("retry-after"), MG_STR_INIT("Sun, 06 Nov 2094 08:40:37 GMT")}, DATE}, 2592000000},
        {{{MG_STR_INIT("retry-after"), MG_STR_INIT("99999999999999999999")}}, 2592000000},
        {{{MG_STR_INIT("retry-after"), MG_STR_INIT("soon")}}, -1},
        {{{MG_STR_INIT("retry-after"), MG_STR_INIT("-1")}}, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(classify(429, "{}", cases[i].headers, 2).retry_after_ms, cases[i].ms);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_plain_answers),
        cmocka_unit_test(names_why_it_stopped),
        cmocka_unit_test(reads_streams),
        cmocka_unit_test(puts_server_tools_together),
        cmocka_unit_test(loses_nothing_of_a_long_input),
        cmocka_unit_test(refuses_rubbish),
        cmocka_unit_test(names_failures),
        cmocka_unit_test(reads_how_long_to_wait),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
