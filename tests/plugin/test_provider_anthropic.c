/* The anthropic provider: headers, its own format, the members of a request but the conversation, settings. */
#include "anthropic.h"

static provider quirky;

static void set_quirks(mg_setting_values *v) {
    mg_error error;
    const mg_str none = {NULL, 0};
    mg_setting_set(v, MG_STR("version"), MG_STR("2025-01-01"), &error);
    mg_setting_set(v, MG_STR("max_tokens"), MG_STR("1000"), &error);
    mg_setting_add(v, MG_STR("beta"), none, MG_STR("a-1"), &error);
    mg_setting_add(v, MG_STR("beta"), none, MG_STR("b-2"), &error);
    mg_setting_add(v, MG_STR("drop"), none, MG_STR("temperature"), &error);
    mg_setting_add(v, MG_STR("drop"), none, MG_STR("tools"), &error);
    mg_setting_add(v, MG_STR("headers"), MG_STR("x-team"), MG_STR("a b"), &error);
    mg_setting_add(v, MG_STR("headers"), MG_STR("content-type"), MG_STR("text/json"), &error);
}

static int setup(void **state) {
    (void)state;
    provider_open(&plain, "anthropic", NULL);
    provider_open(&quirky, "anthropic", set_quirks);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    provider_close(&plain);
    provider_close(&quirky);
    return 0;
}

static void sends_headers(void **state) {
    (void)state;
    sent s;
    mg_buf out = {0};
    mg_error error;
    mg_provider_request r = {.operation = MG_OP_CHAT, .model = MG_STR("m"), .api_key = MG_STR("sk-1")};
    r.body = MG_STR("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    assert_int_equal(provider_encode(&plain, &r, &s, &out, &error), MG_OK);
    assert_string_equal(s.method, "POST");
    assert_string_equal(s.path, "/v1/messages");
    assert_string_equal(s.headers, "x-api-key: sk-1\nanthropic-version: 2023-06-01\ncontent-type: application/json\n");
    assert_int_equal(provider_encode(&quirky, &r, &s, &out, &error), MG_OK);
    assert_string_equal(s.headers, "x-api-key: sk-1\nanthropic-version: 2025-01-01\nanthropic-beta: a-1,b-2\n"
                                   "content-type: text/json\nx-team: a b\n");
    r.operation = MG_OP_COUNT_TOKENS;
    assert_int_equal(provider_encode(&plain, &r, &s, &out, &error), MG_OK);
    assert_string_equal(s.path, "/v1/messages/count_tokens");
    r = (mg_provider_request){.operation = MG_OP_MODELS, .api_key = MG_STR("sk-1")};
    assert_int_equal(provider_encode(&plain, &r, &s, &out, &error), MG_OK);
    assert_string_equal(s.method, "GET");
    assert_string_equal(s.path, "/v1/models?limit=1000");
    assert_string_equal(s.headers, "x-api-key: sk-1\nanthropic-version: 2023-06-01\n");
    r.api_key = MG_STR("a\nb");
    assert_int_equal(provider_encode(&plain, &r, &s, &out, &error), MG_ERROR);
    mg_buf_finish(&out);
}

static void declines_other_operations(void **state) {
    (void)state;
    sent s;
    mg_buf out = {0};
    mg_error error;
    mg_provider_request r = {.operation = MG_OP_EMBEDDINGS, .body = MG_STR("{}")};
    assert_int_equal(provider_encode(&plain, &r, &s, &out, &error), MG_DECLINED);
    r.operation = MG_OP_MODERATIONS;
    assert_int_equal(provider_encode(&plain, &r, &s, &out, &error), MG_DECLINED);
    mg_buf_finish(&out);
    for (int op = MG_OP_CHAT; op <= MG_OP_COUNT_TOKENS; op++)
        for (int format = MG_FORMAT_OPENAI; format <= MG_FORMAT_GEMINI; format++)
            assert_int_equal(plain.ops->native(plain.self, (mg_operation)op, (mg_format_id)format),
                             format == MG_FORMAT_ANTHROPIC && (op == MG_OP_CHAT || op == MG_OP_COUNT_TOKENS));
    assert_true(plain.ops->state_size <= 4096);
}

static void passes_its_own_format(void **state) {
    (void)state;
    const char *body = " { 'model' : 'm',\n 'max_tokens':  5, 'x':[1.50] }\n";
    becomes(&native, body, body, "");
    becomes(&native, "{'model':'public','a':1}", "{'model':'m','a':1}", "");
    becomes(&native, "{'a':1}", "{'a':1,'model':'m'}", "");
    becomes(&native, "{}", "{'model':'m'}", "");
    becomes(&native, "{'model':'m','stream':true}", "{'model':'m','stream':false}", "");
    ask a = native;
    a.stream = true;
    becomes(&a, "{'model':'m'}", "{'model':'m','stream':true}", "");
    becomes(&a, "{'model':'m', 'stream':true}", "{'model':'m', 'stream':true}", "");
    a.op = MG_OP_COUNT_TOKENS;
    becomes(&a, "{'model':'m'}", "{'model':'m'}", "");
    refuses(&native, "[1]", "JSON object");
}

#define ITS "{'type':'thinking','thinking':'a','signature':'s'}"
#define OTHERS "{'type':'thinking','thinking':'b','signature':'moongate:gemini:x'}"
#define BYTES "{'type':'redacted_thinking','data':'moongate-tool:gemini:t1:x'}"
#define SOURCE(index) "{'type':'web_search_result_location','encrypted_index':'" index "'}"

static void keeps_the_bytes_of_other_vendors_back(void **state) {
    (void)state;
    becomes(&native,
            "{'model':'m','messages':[{'role':'user','content':'moongate'},{'role':'assistant','content':[" OTHERS
            "," ITS ", " BYTES ",{'type':'text','text':'t','citations':[" SOURCE("moongate:") "," SOURCE(
                "own") "]}]},{'role':"
                       "'assistant','content':[" OTHERS "]},{'role':'user','content':'x'}]}",
            "{'model':'m','messages':[{'role':'user','content':'moongate'},{'role':'assistant','content':[" ITS
            ",{'type':'text','text':'t','citations':[" SOURCE("own") "]}]},{'role':'user','content':'x'}]}",
            "messages[2] (thinking of another vendor)\nmessages[1].content[0] (thinking of another vendor)\n"
            "messages[1].content[2] (thinking of another vendor)\nmessages[1].content[3].citations[0] (of another "
            "vendor)\n");
}

#define THINKS(type) "'thinking':{'type':'" type "'},'model':'m'"
#define TURN(thought) "'messages':[{'role':'user','content':'a'},{'role':'assistant','content':[" thought
#define CALLED "{'type':'tool_use','id':'t','name':'f','input':{}}]},"
#define RESULT "{'role':'user','content':[{'type':'tool_result','tool_use_id':'t','content':'r'}]}"

/* What the vendor would refuse: a turn of calls that another vendor began, with a budget for thinking. */
static void goes_on_without_thinking_where_none_began(void **state) {
    (void)state;
    static const char note[] = "thinking (the turn that goes on lacks its own thinking)\n";
    becomes(&native, "{" TURN("") CALLED RESULT "]," THINKS("enabled") "}",
            "{" TURN("") CALLED RESULT "]," THINKS("disabled") "}", note);
    becomes(&native, "{" TURN(OTHERS ",") CALLED RESULT "]," THINKS("enabled") "}",
            "{" TURN("") CALLED RESULT "]," THINKS("disabled") "}",
            "messages[1].content[0] (thinking of another vendor)\n"
            "thinking (the turn that goes on lacks its own thinking)\n");
    static const char *const kept[] = {
        "{" TURN(ITS ",") CALLED RESULT "]," THINKS("enabled") "}",
        "{" TURN("") CALLED RESULT "]," THINKS("adaptive") "}",
        "{" TURN("") CALLED RESULT ",{'role':'user','content':'b'}]," THINKS("enabled") "}",
        "{" TURN("{'type':'text','text':'t'}]}") "]," THINKS("enabled") "}",
        "{" TURN(ITS ",") CALLED RESULT ",{'role':'assistant','content':[" CALLED RESULT "]," THINKS("enabled") "}",
    };
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) becomes(&native, kept[i], kept[i], "");
}

static void drops_what_settings_say(void **state) {
    (void)state;
    ask a = native;
    a.p = &quirky;
    becomes(&a, "{'temperature':1,'tools':[{}],'model':'m'}", "{'model':'m'}", "temperature\ntools\n");
    becomes(&a, "{'model':'m' , 'temperature':1, 'a':2,'tools':[]}", "{'model':'m', 'a':2}", "temperature\ntools\n");
    becomes(&a, "{'tools':[ ]}", "{'model':'m'}", "tools\n");
    a.format = MG_FORMAT_OPENAI;
    becomes(&a, "{" ASK ",'temperature':0.5,'tools':[{'type':'function','function':{'name':'f'}}],'stop':'x'}",
            HEAD("m", "1000") "'stop_sequences':['x']," HI "}", "temperature\ntools\n");
}

static void translates_plain_members(void **state) {
    (void)state;
    becomes(&sonnet, "{'model':'x'," ASK "}", SONNET HI "}", "");
    adds(&sonnet, "'max_tokens':7", HEAD("claude-sonnet-4-5", "7") HI "}", "");
    adds(&sonnet, "'max_tokens':7,'max_completion_tokens':9", HEAD("claude-sonnet-4-5", "9") HI "}", "");
    adds(&sonnet, "'max_tokens':null,'stop':null,'n':1,'logprobs':false,'temperature':null", SONNET HI "}", "");
    refuses_with(&sonnet, "'max_tokens':1.5", "max_tokens");
    adds(&sonnet, "'stop':'END'", SONNET "'stop_sequences':['END']," HI "}", "");
    adds(&sonnet, "'stop':['a',' ','b']", SONNET "'stop_sequences':['a','b']," HI "}",
         "stop (a sequence of white space)\n");
    adds(&sonnet, "'temperature':0.30", SONNET "'temperature':0.30," HI "}", "");
    adds(&sonnet, "'temperature':1.2", SONNET "'temperature':1," HI "}", "temperature (above 1)\n");
    adds(&sonnet, "'top_p':0.5,'top_k':40", SONNET "'top_p':0.5,'top_k':40," HI "}", "");
    adds(&sonnet, "'temperature':0.5,'top_p':0.5", SONNET "'temperature':0.5," HI "}",
         "top_p (this model takes temperature or top_p, not both)\n");
    adds(&old, "'temperature':0.5,'top_p':0.5",
         HEAD("claude-3-5-haiku-20241022", "4096") "'temperature':0.5,'top_p':0.5," HI "}", "");
    adds(&opus, "'temperature':0.5,'top_p':0.5,'top_k':3", HEAD("claude-opus-4-8", "4096") HI "}",
         "temperature (this model takes none)\ntop_p (this model takes none)\ntop_k (this model takes none)\n");
    refuses_with(&sonnet, "'temperature':'hot'", "temperature has to be a number");
    adds(&sonnet, "'user':'u1'", SONNET "'metadata':{'user_id':'u1'}," HI "}", "");
    adds(&sonnet, "'safety_identifier':'u2','metadata':{'a':'b'}", SONNET "'metadata':{'user_id':'u2'}," HI "}",
         "metadata.a\n");
    adds(&sonnet, "'service_tier':'default'", SONNET "'service_tier':'standard_only'," HI "}", "");
    adds(&sonnet, "'service_tier':'priority'", SONNET "'service_tier':'auto'," HI "}", "");
    adds(&sonnet, "'service_tier':'flex'", SONNET HI "}", "service_tier\n");
    ask a = sonnet;
    a.stream = true;
    adds(&a, "'stream_options':{'include_usage':true}", SONNET "'stream':true," HI "}", "");
}

static void reports_what_it_leaves_out(void **state) {
    (void)state;
    adds(&sonnet,
         "'seed':1,'frequency_penalty':0.1,'presence_penalty':0.2,'logit_bias':{'1':2},'store':true,"
         "'prompt_cache_key':'k','verbosity':'low','safety_settings':[1],'made_up':{'a':1}",
         SONNET HI "}",
         "seed\nfrequency_penalty\npresence_penalty\nlogit_bias\nstore\nprompt_cache_key\nverbosity\nsafety_settings\n"
         "made_up\n");
    talks(&sonnet,
          "{'role':'user','name':'bob','content':[{'type':'image_url','image_url':{'url':'https://x/"
          "y','detail':'low'}}]}",
          "'messages':[{'role':'user','content':[{'type':'image','source':{'type':'url','url':'https://x/y'}}]}]",
          "messages[0].content[0].image_url.detail\nmessages[0].name\n");
}

static void refuses_what_it_can_not_express(void **state) {
    (void)state;
    refuses_with(&sonnet, "'n':2", "n: ");
    refuses_with(&sonnet, "'logprobs':true", "logprobs");
    refuses_with(&sonnet, "'top_logprobs':3", "logprobs");
    refuses_with(&sonnet, "'modalities':['text','audio']", "modalities");
    refuses_with(&sonnet, "'audio':{'voice':'x'}", "modalities");
    refuses_with(&sonnet, "'prediction':{'type':'content','content':'x'}", "prediction");
    refuses_with(&sonnet, "'web_search_options':{}", "web_search_options");
    refuses_with(&sonnet, "'functions':[{'name':'f'}]", "functions");
    refuses_with(&sonnet, "'reasoning_effort':'huge'", "reasoning_effort");
    refuses_with(&sonnet, "'thinking':{'type':'deep'}", "thinking.type");
    refuses_with(&sonnet, "'response_format':{'type':'xml'}", "response_format");
    refuses_with(&old, "'response_format':{'type':'json_schema','json_schema':{'name':'n','schema':{}}}",
                 "no JSON schema");
    refuses_with(&sonnet, "'tools':{}", "tools has to be a list");
    refuses_with(&sonnet, "'tools':[{'type':'custom','custom':{'name':'x'}}]", "tools[0]: Anthropic has no tools");
    refuses_with(&sonnet, "'tools':[{'type':'vendor_tool','vendor':'gemini','tool':{}}]", "tools[0]: only 'gemini'");
    refuses_with(&sonnet, "'tools':[{'type':'function','function':{}}]", "tools[0].function");
    refuses_with(&sonnet, "'tool_choice':'required'", "tool_choice asks for a tool");
    refuses(&sonnet, "{}", "messages has to be a list");
    refuses(&sonnet, "{'messages':[]}", "needs a message");
    refuses(&sonnet, "{'messages':[{'role':'system','content':'x'}]}", "needs a message");
    refuses(&sonnet, "{'messages':[7]}", "messages[0].role");
    refuses(&sonnet, "{'messages':[{'role':'function','name':'f','content':'x'}]}", "messages[0].role: 'function'");
    refuses(&sonnet, "{'messages':[{'role':'user','content':7}]}", "messages[0].content");
    refuses(&sonnet, "{'messages':[{'role':'user','content':[{'type':'input_audio','input_audio':{}}]}]}",
            "messages[0].content[0]: Anthropic's models take no audio");
    refuses(&sonnet, "{'messages':[{'role':'user','content':[{'type':'video'}]}]}", "type 'video'");
    refuses(&sonnet,
            "{'messages':[{'role':'system','content':[{'type':'image_url','image_url':{'url':'https://x'}}]}]}",
            "role system");
    refuses(&sonnet, "{'messages':[{'role':'tool','content':'x'}]}", "tool_call_id");
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static void refuses_bad_settings(void **state) {
    (void)state;
    static const struct {
        const char *key, *name, *value, *says;
    } cases[] = {
        {"headers", "X-Upper", "a", "lower case"},
        {"headers", "host", "a", "'host'"},
        {"headers", "x-a", "a\nb", "control"},
        {"drop", NULL, "messages", "can't be left out"},
        {"beta", NULL, "a b", "no spaces"},
        {"max_tokens", NULL, "0", "at least 1"},
        {"version", NULL, "2023\r\nx: y", "no spaces"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mg_error error = {0};
        mg_setting_values *v = mg_setting_values_create(plain.plugin->settings, MG_STR(""));
        mg_str key = mg_str_of(cases[i].key), value = mg_str_of(cases[i].value);
        const mg_setting *s = mg_setting_find(plain.plugin->settings, key);
        if (s->type == MG_SETTING_STRINGS || s->type == MG_SETTING_MAP)
            mg_setting_add(v, key, mg_str_of(cases[i].name), value, &error);
        else
            mg_setting_set(v, key, value, &error);
        assert_null(mg_use_open(&plain.host, plain.plugin, v, 1, &error));
        if (!strstr(error.text, cases[i].says)) fail_msg("%s: %s", cases[i].key, error.text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_headers),
        cmocka_unit_test(declines_other_operations),
        cmocka_unit_test(passes_its_own_format),
        cmocka_unit_test(keeps_the_bytes_of_other_vendors_back),
        cmocka_unit_test(goes_on_without_thinking_where_none_began),
        cmocka_unit_test(drops_what_settings_say),
        cmocka_unit_test(translates_plain_members),
        cmocka_unit_test(reports_what_it_leaves_out),
        cmocka_unit_test(refuses_what_it_can_not_express),
        cmocka_unit_test(refuses_bad_settings),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
