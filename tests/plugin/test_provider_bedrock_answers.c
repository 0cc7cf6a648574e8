/* The bedrock provider: answers, streams, counts and failures. In JSON, ' stands for ". */
#include "bedrock.h"

/* ---- plain answers ----------------------------------------------------------------------------------------------- */

static void says(mg_operation op, bool stream, const char *event, const char *data, const char *lines) {
    mg_buf b = {0};
    mg_error error = {0};
    mg_status status = provider_decode(&plain, op, stream, event, quoted(&plain, data), on_event, &b, &error);
    if (status != MG_OK) fail_msg("%s: %s", data, error.text);
    mg_buf_add(&b, "", 1);
    mg_str want = quoted(&plain, lines);
    if (!mg_str_is(want, b.p)) fail_msg("%s\nsaid %s\nnot  " MG_STR_FMT, data, b.p, MG_STR_ARG(want));
    mg_buf_finish(&b);
    mg_arena_reset(plain.arena);
}

#define ANSWER(blocks) "{'output':{'message':{'role':'assistant','content':[" blocks "]}},'stopReason':'end_turn'}"
#define END "FINISH 0 name=end_turn stop\n"

static void reads_answers(void **state) {
    (void)state;
    says(MG_OP_CHAT, false, "",
         "{'metrics':{'latencyMs':1},'output':{'message':{'content':[{'text':'a'},{'text':''},{'text':'b'}],"
         "'role':'assistant'}},'stopReason':'max_tokens','usage':{'inputTokens':3,'outputTokens':2,'totalTokens':45,"
         "'cacheReadInputTokens':30,'cacheWriteInputTokens':10}}",
         "TEXT 0 a\nTEXT 0 b\nFINISH 0 name=max_tokens length\n"
         "USAGE in=43 out=2 cached=30 write=10 reasoning=0 audio=0/0\n");
    says(MG_OP_CHAT, false, "",
         ANSWER("{'reasoningContent':{'reasoningText':{'text':'t','signature':'s'}}},"
                "{'reasoningContent':{'reasoningText':{'text':'','signature':'r'}}},"
                "{'reasoningContent':{'reasoningText':{'text':'u'}}},{'reasoningContent':{'redactedContent':'QUJD'}}"),
         "REASONING 0 t\nSIGNATURE 0 name=anthropic s\nREASONING 0\nSIGNATURE 0 name=anthropic r\nREASONING 0 u\n"
         "REDACTED 0 name=bedrock QUJD\n" END);
    says(MG_OP_CHAT, false, "",
         ANSWER("{'toolUse':{'toolUseId':'i','name':'f','input':{'x': [1]}}},{'toolUse':{'toolUseId':'j','name':'g'}},"
                "{'toolUse':{'toolUseId':'k','name':'web','input':{},'type':'server_tool_use'}},"
                "{'toolResult':{'toolUseId':'k','content':[]}}"),
         "TOOL 0 id=i name=f {'x': [1]}\nTOOL 1 id=j name=g {}\n"
         "OTHER 0 name=bedrock {'toolUse':{'toolUseId':'k','name':'web','input':{},'type':'server_tool_use'}}\n"
         "OTHER 0 name=bedrock {'toolResult':{'toolUseId':'k','content':[]}}\n" END);
    says(MG_OP_CHAT, false, "",
         ANSWER("{'citationsContent':{'content':[{'text':'x'},{'text':'y'}],'citations':[{'title':'t'},7]}},"
                "{'image':{'format':'png','source':{'bytes':'QUJD'}}},"
                "{'audio':{'format':'mp3','source':{'bytes':'QUJD'}}},"
                "{'image':{'format':'png','source':{'s3Location':{'uri':'s3://b/i'}}}}"),
         "TEXT 0 x\nTEXT 0 y\n"
         "CITATION 0 {'type':'vendor_citation','vendor':'bedrock','citation':{'title':'t'}}\n"
         "MEDIA 0 name=image/png QUJD\nMEDIA 0 name=audio/mp3 QUJD\n"
         "OTHER 0 name=bedrock {'image':{'format':'png','source':{'s3Location':{'uri':'s3://b/i'}}}}\n" END);
}

static void names_how_it_ended(void **state) {
    (void)state;
    static const char *const reasons[][2] = {
        {"end_turn", "stop"},
        {"stop_sequence", "stop"},
        {"tool_use", "tool_calls"},
        {"max_tokens", "length"},
        {"model_context_window_exceeded", "length"},
        {"guardrail_intervened", "content_filter"},
        {"content_filtered", "content_filter"},
        {"malformed_tool_use", "stop"},
        {"something_new", "stop"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        char data[128], lines[128];
        snprintf(data, sizeof data, "{'output':{'message':{}},'stopReason':'%s'}", reasons[i][0]);
        snprintf(lines, sizeof lines, "FINISH 0 name=%s %s\n", reasons[i][0], reasons[i][1]);
        says(MG_OP_CHAT, false, "", data, lines);
    }
    says(MG_OP_CHAT, true, "messageStop",
         "{'stopReason':'stop_sequence','additionalModelResponseFields':{'stop_sequence':'END'}}",
         "FINISH 0 id=END name=stop_sequence stop\n");
}

static void counts_tokens(void **state) {
    (void)state;
    says(MG_OP_COUNT_TOKENS, false, "", "{'inputTokens':17}",
         "USAGE in=17 out=0 cached=0 write=0 reasoning=0 audio=0/0\n");
    says(MG_OP_CHAT, false, "",
         "{'output':{'message':{}},'usage':{'inputTokens':-1,'outputTokens':9223372036854775807}}",
         "USAGE in=0 out=1000000000000000 cached=0 write=0 reasoning=0 audio=0/0\n");
}

static void refuses_rubbish(void **state) {
    (void)state;
    static const char *const bad[] = {"", "[]", "7", "{'x'", "{}", "{'output':{}}", "{'output':7}"};
    mg_error error = {0};
    mg_buf b = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(provider_decode(&plain, MG_OP_CHAT, false, "", quoted(&plain, bad[i]), on_event, &b, &error),
                         MG_ERROR);
    assert_int_equal(provider_decode(&plain, MG_OP_CHAT, true, "metadata", MG_STR("x"), on_event, &b, &error),
                     MG_ERROR);
    assert_int_equal(b.n, 0);
    assert_int_equal(error.http, 502);
    mg_buf_finish(&b);
}

/* A citation that is too long to be wrapped comes whole all the same. */
static void keeps_long_citations(void **state) {
    (void)state;
    mg_buf data = {0}, b = {0};
    mg_error error;
    mg_buf_str(&data, MG_STR("{\"delta\":{\"citation\":{\"title\":\""));
    for (int i = 0; i < 17000; i++) mg_buf_add(&data, "t", 1);
    mg_buf_str(&data, MG_STR("\"}},\"contentBlockIndex\":0}"));
    assert_int_equal(
        provider_decode(&plain, MG_OP_CHAT, true, "contentBlockDelta", mg_buf_view(&data), on_event, &b, &error),
        MG_OK);
    assert_true(mg_str_starts(mg_buf_view(&b), MG_STR("OTHER 0 name=bedrock {\"title\":\"ttt")));
    assert_true(b.n > 17000);
    mg_buf_finish(&b);
    mg_buf_finish(&data);
    mg_arena_reset(plain.arena);
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

static void event(const char *name, const char *data, const char *lines) { says(MG_OP_CHAT, true, name, data, lines); }

static void reads_streams(void **state) {
    (void)state;
    provider_begin(&plain);
    event("messageStart", "{'role':'assistant','p':'abcd'}", "");
    event("contentBlockDelta", "{'contentBlockIndex':0,'delta':{'reasoningContent':{'text':'t'}}}", "REASONING 0 t\n");
    event("contentBlockDelta", "{'contentBlockIndex':0,'delta':{'reasoningContent':{'signature':'s'}}}",
          "SIGNATURE 0 name=anthropic s\n");
    event("contentBlockDelta", "{'contentBlockIndex':0,'delta':{'reasoningContent':{'redactedContent':'QUJD'}}}",
          "REDACTED 0 name=bedrock QUJD\n");
    event("contentBlockStop", "{'contentBlockIndex':0}", "");
    event("contentBlockDelta", "{'contentBlockIndex':1,'delta':{'text':'Hi'},'p':'ab'}", "TEXT 0 Hi\n");
    event("contentBlockDelta", "{'contentBlockIndex':1,'delta':{'citation':{'title':'t'}}}",
          "CITATION 0 {'type':'vendor_citation','vendor':'bedrock','citation':{'title':'t'}}\n");
    event("contentBlockStop", "{'contentBlockIndex':1}", "");
    event("messageStop", "{'stopReason':'end_turn'}", END);
    event("metadata",
          "{'usage':{'inputTokens':4,'outputTokens':832,'totalTokens':2326,'cacheReadInputTokens':1490},"
          "'metrics':{'latencyMs':9}}",
          "USAGE in=1494 out=832 cached=1490 write=0 reasoning=0 audio=0/0\n");
}

static void reads_calls_in_pieces(void **state) {
    (void)state;
    provider_begin(&plain);
    event("contentBlockStart", "{'contentBlockIndex':1,'start':{'toolUse':{'toolUseId':'i','name':'f'}}}",
          "TOOL 0 id=i name=f\n");
    event("contentBlockDelta", "{'contentBlockIndex':1,'delta':{'toolUse':{'input':''}}}", "");
    event("contentBlockDelta", "{'contentBlockIndex':1,'delta':{'toolUse':{'input':'{\\'x\\':'}}}", "TOOL 0 {'x':\n");
    event("contentBlockStart", "{'contentBlockIndex':2,'start':{'toolUse':{'toolUseId':'j','name':'g'}}}",
          "TOOL 1 id=j name=g\n");
    event("contentBlockDelta", "{'contentBlockIndex':1,'delta':{'toolUse':{'input':'1}'}}}", "TOOL 0 1}\n");
    event("contentBlockStop", "{'contentBlockIndex':1}", "");
    event("contentBlockStop", "{'contentBlockIndex':2}", "TOOL 1 {}\n"); /* no arguments are an empty object */
    event("contentBlockStop", "{'contentBlockIndex':2}", "");
    event("messageStop", "{'stopReason':'tool_use'}", "FINISH 0 name=tool_use tool_calls\n");
}

/* Tools that Amazon runs itself, and images in pieces, have no canonical form. */
static void passes_on_what_it_does_not_know(void **state) {
    (void)state;
    provider_begin(&plain);
    event("contentBlockStart",
          "{'contentBlockIndex':0,'start':{'toolUse':{'toolUseId':'i','name':'web','type':'server_tool_use'}}}",
          "OTHER 0 name=bedrock {'toolUse':{'toolUseId':'i','name':'web','type':'server_tool_use'}}\n");
    event("contentBlockDelta", "{'contentBlockIndex':0,'delta':{'toolUse':{'input':'{}'}}}",
          "OTHER 0 name=bedrock {'toolUse':{'input':'{}'}}\n");
    event("contentBlockDelta", "{'contentBlockIndex':1,'delta':{'toolResult':[{'text':'r'}]}}",
          "OTHER 0 name=bedrock {'toolResult':[{'text':'r'}]}\n");
    event("contentBlockStart", "{'contentBlockIndex':2,'start':{}}", "");
    event("contentBlockDelta", "{'contentBlockIndex':2,'delta':{}}", "");
    event("contentBlockDelta", "{}", "");
    event("somethingNew", "{'x':1}", "");
    event("", "{}", "");
}

static void survives_many_open_blocks(void **state) {
    (void)state;
    provider_begin(&plain);
    for (int i = 0; i < 40; i++) {
        char data[128], lines[64];
        snprintf(data, sizeof data, "{'contentBlockIndex':%d,'start':{'toolUse':{'toolUseId':'i','name':'f'}}}", i);
        snprintf(lines, sizeof lines, "TOOL %d id=i name=f\n", i);
        event("contentBlockStart", data, lines);
    }
    event("contentBlockDelta", "{'contentBlockIndex':39,'delta':{'toolUse':{'input':'{}'}}}", "TOOL 39 {}\n");
    event("contentBlockDelta", "{'contentBlockIndex':8,'delta':{'toolUse':{'input':'{}'}}}", "TOOL 8 {}\n");
    event("contentBlockDelta", "{'contentBlockIndex':7,'delta':{'toolUse':{'input':'x'}}}", /* its place was taken */
          "OTHER 0 name=bedrock {'toolUse':{'input':'x'}}\n");
}

static void reports_errors_in_streams(void **state) {
    (void)state;
    event("throttlingException", "{'message':'Too many tokens'}", "ERROR name=throttlingException Too many tokens\n");
    event("modelStreamErrorException", "{'originalStatusCode':500,'originalMessage':'x'}",
          "ERROR name=modelStreamErrorException the provider reported an error without a message\n");
    event("InternalFailure", "{}", "ERROR name=InternalFailure the provider reported an error without a message\n");
    event("AnyCode", "{'message':'broken'}", "ERROR name=AnyCode broken\n");
}

/* ---- failures ---------------------------------------------------------------------------------------------------- */

typedef struct failing {
    int status;
    const char *type, *body;
    mg_failure failure;
    const char *code;
} failing;

static void classify(const failing *f, const char *event, const char *wait, mg_classification *out) {
    mg_header headers[2] = {{MG_STR("x-amzn-errortype"), mg_str_of(f->type)}, {MG_STR("retry-after"), mg_str_of(wait)}};
    mg_str data = quoted(&plain, f->body);
    mg_frame frame = {.size = sizeof frame, .status = f->status, .data = data, .event = mg_str_of(event)};
    frame.json = provider_json(&plain, data);
    *out = (mg_classification){.size = sizeof *out};
    plain.ops->classify(plain.self, &frame, headers, 2, out);
}

static void classifies(void **state) {
    (void)state;
    static const failing failures[] = {
        {429, "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/",
         "{'message':'Too many tokens'}", MG_FAIL_RATE, "ThrottlingException"},
        {429, "ThrottlingException", "{'message':'Too many tokens per day, please wait before trying again.'}",
         MG_FAIL_QUOTA, "ThrottlingException"},
        {400, "ServiceQuotaExceededException", "{}", MG_FAIL_QUOTA, "ServiceQuotaExceededException"},
        {429, "ModelNotReadyException", "{}", MG_FAIL_OVERLOADED, "ModelNotReadyException"},
        {503, "ServiceUnavailableException", "{}", MG_FAIL_OVERLOADED, "ServiceUnavailableException"},
        {408, "ModelTimeoutException", "{}", MG_FAIL_SERVER, "ModelTimeoutException"},
        {500, "InternalServerException", "{}", MG_FAIL_SERVER, "InternalServerException"},
        {424, "ModelErrorException", "{'originalStatusCode':500}", MG_FAIL_SERVER, "ModelErrorException"},
        {424, "ModelErrorException", "{'originalStatusCode':429}", MG_FAIL_RATE, "ModelErrorException"},
        {424, "ModelErrorException", "{'originalStatusCode':400,'message':'prompt is too long'}",
         MG_FAIL_CONTEXT_LENGTH, "ModelErrorException"},
        {403, "AccessDeniedException", "{'Message':'not authorized'}", MG_FAIL_AUTH, "AccessDeniedException"},
        {403, "UnrecognizedClientException", "{'message':'The security token is invalid'}", MG_FAIL_AUTH,
         "UnrecognizedClientException"},
        {403, "ExpiredTokenException", "{}", MG_FAIL_AUTH, "ExpiredTokenException"},
        {403, "InvalidSignatureException", "{}", MG_FAIL_AUTH, "InvalidSignatureException"},
        {404, "ResourceNotFoundException", "{}", MG_FAIL_NOT_FOUND, "ResourceNotFoundException"},
        {400, "ValidationException", "{'message':'Input is too long for requested model.'}", MG_FAIL_CONTEXT_LENGTH,
         "ValidationException"},
        {400, "ValidationException",
         "{'message':'The model returned the following errors: prompt is too long: 200049 tokens > 200000 maximum'}",
         MG_FAIL_CONTEXT_LENGTH, "ValidationException"},
        {400, "ValidationException", "{'message':'The provided model identifier is invalid.'}", MG_FAIL_NOT_FOUND,
         "ValidationException"},
        {400, "ValidationException",
         "{'message':'Invocation of model ID x with on-demand throughput isn\\u2019t supported.'}", MG_FAIL_NOT_FOUND,
         "ValidationException"},
        {400, "ValidationException", "{'message':'The provided model doesn\\u0027t support counting tokens.'}",
         MG_FAIL_NOT_FOUND, "ValidationException"},
        {400, "ValidationException", "{'message':'Operation not allowed'}", MG_FAIL_AUTH, "ValidationException"},
        {400, "ValidationException", "{'message':'temperature is bad'}", MG_FAIL_BAD_REQUEST, "ValidationException"},
        {400, "", "{'__type':'com.amazon.coral.service#SerializationException','message':'x'}", MG_FAIL_BAD_REQUEST,
         "SerializationException"},
        {403, "", "{'message':'Authentication failed'}", MG_FAIL_AUTH, ""},
        {413, "", "", MG_FAIL_CONTEXT_LENGTH, ""},
        {418, "", "<html>", MG_FAIL_BAD_REQUEST, ""},
        {429, "", "", MG_FAIL_RATE, ""},
        {502, "", "<html>", MG_FAIL_SERVER, ""},
        {503, "NewException", "{}", MG_FAIL_OVERLOADED, "NewException"},
    };
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        mg_classification c;
        classify(&failures[i], "", "", &c);
        if (c.failure != failures[i].failure) fail_msg("%s %s: %d", failures[i].type, failures[i].body, (int)c.failure);
        assert_true(mg_str_is(c.code, failures[i].code));
        assert_int_equal(c.retry_after_ms, -1);
        mg_arena_reset(plain.arena);
    }
}

static void classifies_exceptions_of_streams(void **state) {
    (void)state;
    const failing f = {200, "", "{'message':'slow down'}", MG_FAIL_RATE, NULL};
    mg_classification c;
    classify(&f, "throttlingException", "", &c);
    assert_int_equal(c.failure, MG_FAIL_RATE);
    assert_true(mg_str_is(c.message, "slow down"));
    classify(&f, "modelStreamErrorException", "", &c);
    assert_int_equal(c.failure, MG_FAIL_SERVER);
    classify(&f, "unheardOf", "", &c);
    assert_int_equal(c.failure, MG_FAIL_SERVER);
}

static void reads_how_long_to_wait(void **state) {
    (void)state;
    static const struct {
        const char *header;
        int64_t ms;
    } waits[] = {{"7", 7000}, {"0", 0}, {"", -1}, {"7.5", -1}, {"-1", -1}, {"99999999999999999999", 2592000000}};
    const failing f = {429, "ThrottlingException", "{}", MG_FAIL_RATE, NULL};
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        mg_classification c;
        classify(&f, "", waits[i].header, &c);
        assert_int_equal(c.retry_after_ms, waits[i].ms);
    }
}

static int open_plain(void **state) {
    (void)state;
    provider_open(&plain, "bedrock", set_keys);
    return 0;
}

static int close_plain(void **state) {
    (void)state;
    provider_close(&plain);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_answers),
        cmocka_unit_test(names_how_it_ended),
        cmocka_unit_test(counts_tokens),
        cmocka_unit_test(refuses_rubbish),
        cmocka_unit_test(keeps_long_citations),
        cmocka_unit_test(reads_streams),
        cmocka_unit_test(reads_calls_in_pieces),
        cmocka_unit_test(passes_on_what_it_does_not_know),
        cmocka_unit_test(survives_many_open_blocks),
        cmocka_unit_test(reports_errors_in_streams),
        cmocka_unit_test(classifies),
        cmocka_unit_test(classifies_exceptions_of_streams),
        cmocka_unit_test(reads_how_long_to_wait),
    };
    return cmocka_run_group_tests(tests, open_plain, close_plain);
}
