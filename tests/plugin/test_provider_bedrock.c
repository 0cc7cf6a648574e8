/* The bedrock provider: settings, headers, and the members of a request other than the conversation. */
#include "bedrock.h"

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static void set_api_key(mg_setting_values *v) {
    set_string(v, "region", "cn-north-1");
    set_string(v, "api_key", "bedrock-api-key-1");
}

static void set_url(mg_setting_values *v) {
    mg_error error;
    set_string(v, "base_url", "http://127.0.0.1:1234/aws");
    mg_setting_add(v, MG_STR("headers"), MG_STR("accept"), MG_STR("*/*"), &error);
    mg_setting_add(v, MG_STR("headers"), MG_STR("x-one"), MG_STR("1"), &error);
    mg_setting_add(v, MG_STR("drop"), (mg_str){0}, MG_STR("serviceTier"), &error);
    mg_setting_add(v, MG_STR("drop"), (mg_str){0}, MG_STR("inferenceConfig.topP"), &error);
    mg_setting_add(v, MG_STR("drop"), (mg_str){0}, MG_STR("additionalModelRequestFields"), &error);
    mg_setting_add(v, MG_STR("drop"), (mg_str){0}, MG_STR("toolConfig"), &error);
    mg_setting_add(v, MG_STR("drop"), (mg_str){0}, MG_STR("requestMetadata.b"), &error);
}

static void url_is(void (*set)(mg_setting_values *v), const char *url) {
    provider p;
    provider_open(&p, "bedrock", set);
    mg_str own = p.ops->base_url(p.self);
    assert_true(mg_str_is(own, url));
    provider_close(&p);
}

static void knows_its_url(void **state) {
    (void)state;
    url_is(set_keys, "https://bedrock-runtime.us-east-1.amazonaws.com");
    url_is(set_api_key, "https://bedrock-runtime.cn-north-1.amazonaws.com.cn");
    url_is(set_url, "");
    assert_null(plain.ops->default_base_url);
    assert_int_equal(plain.ops->framing, MG_FRAMING_AWS_EVENT_STREAM);
    assert_true(plain.ops->capabilities & MG_CAP_BODY_ENDS);
}

static void refuses_settings(const char *const *settings, const char *says) {
    mg_error error = {0};
    mg_setting_values *v = mg_setting_values_create(plain.plugin->settings, MG_STR(""));
    for (size_t i = 0; settings[i]; i += 2) {
        const char *colon = strchr(settings[i], ':');
        if (!colon)
            set_string(v, settings[i], settings[i + 1]);
        else if (colon[1])
            mg_setting_add(v, mg_str_from(settings[i], (size_t)(colon - settings[i])), mg_str_of(colon + 1),
                           mg_str_of(settings[i + 1]), &error);
        else
            mg_setting_add(v, mg_str_from(settings[i], (size_t)(colon - settings[i])), (mg_str){0},
                           mg_str_of(settings[i + 1]), &error);
    }
    assert_null(mg_use_open(&plain.host, plain.plugin, v, 1, &error));
    if (!strstr(error.text, says)) fail_msg("'%s' does not say '%s'", error.text, says);
    assert_null(strstr(error.text, "hunter2"));
}

#define KEYS "access_key_id", "AKID", "secret_access_key", "hunter2"

static void refuses_bad_settings(void **state) {
    (void)state;
    refuses_settings((const char *const[]){NULL}, "access_key_id");
    refuses_settings((const char *const[]){KEYS, NULL}, "region");
    refuses_settings((const char *const[]){"api_key", "hunter2", NULL}, "region");
    refuses_settings((const char *const[]){KEYS, "base_url", "http://x", NULL}, "a signature names it");
    refuses_settings((const char *const[]){KEYS, "region", "us east", NULL}, "like us-east-1");
    refuses_settings((const char *const[]){KEYS, "region", "evil.example/", NULL}, "like us-east-1");
    refuses_settings((const char *const[]){"region", "us-east-1", "access_key_id", "AKID", NULL}, "need one another");
    refuses_settings((const char *const[]){"region", "us-east-1", "secret_access_key", "hunter2", NULL}, "one another");
    refuses_settings((const char *const[]){KEYS, "session_token", "hunter2\r\n", "region", "x", NULL}, "no spaces");
    refuses_settings((const char *const[]){"base_url", "http://x", "headers:Host", "x", NULL}, "Host");
    refuses_settings((const char *const[]){"base_url", "http://x", "headers:x-amz-date", "x", NULL}, "x-amz-date");
    refuses_settings((const char *const[]){KEYS, "region", "x", "headers:authorization", "x", NULL}, "authorization");
    refuses_settings((const char *const[]){"base_url", "http://x", "headers:x-a", "a\nb", NULL}, "control");
    refuses_settings((const char *const[]){"base_url", "http://x", "drop:", "messages", NULL}, "can't be left out");
}

/* ---- the head ---------------------------------------------------------------------------------------------------- */

static void head_is(const ask *a, const char *key, const char *path, const char *headers) {
    sent s;
    mg_buf out = {0};
    mg_error error = {0};
    mg_provider_request r = {.operation = a->op, .stream = a->stream, .api_key = mg_str_of(key)};
    r.model = mg_str_of(a->model);
    r.body = quoted(a->p, "{" ASK "}");
    assert_int_equal(provider_encode(a->p, &r, &s, &out, &error), MG_OK);
    assert_string_equal(s.method, "POST");
    assert_string_equal(s.path, path);
    assert_string_equal(s.headers, headers);
    mg_buf_finish(&out);
    mg_arena_reset(a->p->arena);
}

#define TYPES "content-type: application/json\naccept: application/json\n"

static void writes_the_head(void **state) {
    (void)state;
    ask a = sonnet;
    head_is(&a, "", "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse", TYPES);
    head_is(&a, "k", "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
            "authorization: Bearer k\n" TYPES);
    a.stream = true;
    head_is(&a, "", "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream",
            "content-type: application/json\naccept: application/vnd.amazon.eventstream\n");
    head_is(&counting, "", "/model/anthropic.claude-sonnet-4-5/count-tokens", TYPES);
    a = (ask){&plain, "arn:aws:bedrock:eu-west-3:123456789012:application-inference-profile/a1~b", MG_OP_CHAT, false};
    head_is(&a, "",
            "/model/arn%3Aaws%3Abedrock%3Aeu-west-3%3A123456789012%3Aapplication-inference-profile%2Fa1~b/converse",
            TYPES);
    provider p;
    provider_open(&p, "bedrock", set_url);
    a = (ask){&p, "m", MG_OP_CHAT, false};
    head_is(&a, "", "/model/m/converse", "content-type: application/json\naccept: */*\nx-one: 1\n");
    provider_close(&p);
}

static void refuses_bad_models_and_keys(void **state) {
    (void)state;
    ask a = sonnet;
    static const char *const bad[] = {"", ".", ".."};
    for (size_t i = 0; i < 3; i++) {
        a.model = bad[i];
        refuses(&a, "{" ASK "}", "is no id");
    }
    sent s;
    mg_buf out = {0};
    mg_error error = {0};
    mg_provider_request r = {.model = MG_STR("m"), .api_key = MG_STR("hunter2\r\nx: y"), .body = MG_STR("{}")};
    assert_int_equal(provider_encode(&plain, &r, &s, &out, &error), MG_ERROR);
    assert_null(strstr(error.text, "hunter2"));
    mg_buf_finish(&out);
}

static void declines_other_operations(void **state) {
    (void)state;
    static const mg_operation others[] = {MG_OP_EMBEDDINGS, MG_OP_MODERATIONS, MG_OP_MODELS};
    for (size_t i = 0; i < 3; i++) {
        sent s;
        mg_buf out = {0};
        mg_error error;
        mg_provider_request r = {.operation = others[i], .model = MG_STR("m"), .body = MG_STR("{}")};
        assert_int_equal(provider_encode(&plain, &r, &s, &out, &error), MG_DECLINED);
        mg_buf_finish(&out);
    }
}

static void leaves_out_what_settings_say(void **state) {
    (void)state;
    provider p;
    provider_open(&p, "bedrock", set_url);
    ask a = {&p, sonnet.model, MG_OP_CHAT, false};
    adds(&a, "'top_p':0.5,'service_tier':'flex','top_k':3,'max_tokens':5,'metadata':{'a':'1','b':'2','c':'3'}",
         "'inferenceConfig':{'maxTokens':5},'requestMetadata':{'a':'1','c':'3'}",
         "inferenceConfig.topP\nserviceTier\nrequestMetadata.b\nadditionalModelRequestFields.top_k\n");
    adds(&a, "'tools':[{'type':'function','function':{'name':'f'}}]", "", "toolConfig\n");
    provider_close(&p);
}

/* ---- members ----------------------------------------------------------------------------------------------------- */

static void translates_plain_members(void **state) {
    (void)state;
    adds(&sonnet, "'max_tokens':7,'temperature':0.5,'stop':'x'",
         "'inferenceConfig':{'maxTokens':7,'temperature':0.5,'stopSequences':['x']},"
         "'additionalModelResponseFieldPaths':['/stop_sequence']",
         "");
    adds(&llama, "'max_completion_tokens':9,'max_tokens':7,'top_p':0.5,'stop':['a',' ','b'],'stream':true",
         "'inferenceConfig':{'maxTokens':9,'topP':0.5,'stopSequences':['a','b']}",
         "stop (a sequence of white space)\n");
    adds(&llama, "'temperature':1.5", "'inferenceConfig':{'temperature':1}", "temperature (above 1)\n");
    adds(&sonnet, "'temperature':0.2,'top_p':0.5", "'inferenceConfig':{'temperature':0.2}",
         "top_p (this model takes temperature or top_p, not both)\n");
    adds(&opus, "'temperature':0.2,'top_p':0.5,'top_k':1", "",
         "temperature (this model takes none)\ntop_p (this model takes none)\ntop_k (this model takes none)\n");
    adds(&opus, "'temperature':1", "", "");
    adds(&llama, "'service_tier':'auto','n':1,'stop':null", "", "");
    adds(&llama, "'service_tier':'standard_only'", "'serviceTier':{'type':'default'}", "");
    adds(&llama, "'service_tier':'priority'", "'serviceTier':{'type':'priority'}", "");
    adds(&llama, "'service_tier':'scale'", "", "service_tier\n");
    adds(&llama, "'metadata':{'team':'a b','bad':'ä','n':1}", "'requestMetadata':{'team':'a b'}",
         "metadata.bad\nmetadata.n\n");
}

static void translates_top_k_for_each_maker(void **state) {
    (void)state;
    const ask mistral = {&plain, "mistral.mistral-7b-instruct-v0:2", MG_OP_CHAT, false};
    const ask cohere = {&plain, "cohere.command-r-v1:0", MG_OP_CHAT, false};
    adds(&sonnet, "'top_k':5", "'additionalModelRequestFields':{'top_k':5}", "");
    adds(&mistral, "'top_k':5", "'additionalModelRequestFields':{'top_k':5}", "");
    adds(&cohere, "'top_k':5", "'additionalModelRequestFields':{'k':5}", "");
    adds(&nova, "'top_k':5", "'additionalModelRequestFields':{'inferenceConfig':{'topK':5}}", "");
    adds(&llama, "'top_k':5", "", "top_k (this model has none, or its name does not say whose it is)\n");
}

static void reports_what_it_leaves_out(void **state) {
    (void)state;
    adds(&llama, "'seed':1,'frequency_penalty':0.5,'logit_bias':{'1':2},'user':'u','verbosity':'low','store':false", "",
         "seed\nfrequency_penalty\nlogit_bias\nuser\nverbosity\nstore\n");
    adds(&llama, "'parallel_tool_calls':false", "", "parallel_tool_calls\n");
    adds(&llama, "'parallel_tool_calls':true,'safety_settings':[{'category':'x'}]", "", "safety_settings\n");
}

static void refuses_what_it_can_not_express(void **state) {
    (void)state;
    refuses_with(&llama, "'n':2", "one answer");
    refuses_with(&llama, "'logprobs':true", "probabilities");
    refuses_with(&llama, "'top_logprobs':2", "probabilities");
    refuses_with(&llama, "'modalities':['text','audio']", "text only");
    refuses_with(&llama, "'audio':{'voice':'x'}", "text only");
    refuses_with(&llama, "'prediction':{'type':'content'}", "predicted");
    refuses_with(&llama, "'web_search_options':{}", "web search");
    refuses_with(&llama, "'functions':[]", "old form");
    refuses_with(&llama, "'max_tokens':0", "above 0");
    refuses_with(&llama, "'max_tokens':'7'", "above 0");
    refuses_with(&llama, "'temperature':'hot'", "a number");
    refuses_with(&llama, "'reasoning_effort':'huge'", "reasoning_effort");
    refuses_with(&llama, "'thinking':{'type':'x'}", "thinking.type");
    refuses_with(&llama, "'response_format':{'type':'json_schema'}", "json_schema.schema");
    refuses_with(&old, "'response_format':{'type':'json_schema','json_schema':{'schema':{'type':'object'}}}",
                 "no JSON schema");
    refuses(&llama, "[]", "JSON object");
    refuses(&llama, "{}", "messages has to be a list");
    refuses(&llama, "{'messages':[]}", "needs a message");
}

static void asks_for_json(void **state) {
    (void)state;
    adds(&sonnet,
         "'response_format':{'type':'json_schema','json_schema':{'name':'n','description':'d','strict':true,"
         "'schema':{'type':'object'}}}",
         "'outputConfig':{'textFormat':{'type':'json_schema','structure':{'jsonSchema':"
         "{'schema':'{\\'type\\':\\'object\\'}','name':'n','description':'d'}}}}",
         "");
    adds(&llama, "'response_format':{'type':'text'}", "", "");
    becomes(&llama, "{" ASK ",'response_format':{'type':'json_object'}}",
            "{'system':[{'text':'Answer with one JSON object and nothing else: no text around it and no code "
            "fence.'}]," HI "}",
            "response_format (json_object: asked for in the system prompt)\n");
}

/* ---- thinking ---------------------------------------------------------------------------------------------------- */

#define MORE(fields) "'additionalModelRequestFields':{" fields "}"
#define EFFORT(word) "'outputConfig':{'effort':'" word "'}"

static void thinks_as_claude_does(void **state) {
    (void)state;
    adds(&sonnet, "'reasoning_effort':'low'", MORE("'thinking':{'type':'enabled','budget_tokens':4096}"), "");
    adds(&sonnet, "'thinking':{'type':'enabled','budget_tokens':2000},'max_tokens':8000,'top_p':0.96,'temperature':0.1",
         "'inferenceConfig':{'maxTokens':8000,'topP':0.96}," MORE("'thinking':{'type':'enabled','budget_tokens':2000}"),
         "temperature (not together with thinking)\n");
    adds(&sonnet, "'thinking':{'type':'enabled','budget_tokens':9000},'max_tokens':8000",
         "'inferenceConfig':{'maxTokens':8000}," MORE("'thinking':{'type':'enabled','budget_tokens':4000}"),
         "thinking.budget_tokens (lowered: it has to be below max_tokens)\n");
    adds(&sonnet, "'thinking':{'type':'enabled','budget_tokens':9},'max_tokens':1000",
         "'inferenceConfig':{'maxTokens':1000}",
         "thinking.budget_tokens (raised to 1024, the least)\nthinking (max_tokens leaves no room for it)\n");
    adds(&sonnet, "'reasoning_effort':'none'", "", "");
    adds(&old, "'reasoning_effort':'low'", "", "reasoning_effort (this model does not think)\n");
    adds(&both, "'reasoning_effort':'xhigh'", EFFORT("max") "," MORE("'thinking':{'type':'adaptive'}"), "");
    adds(&opus, "'reasoning_effort':'xhigh'", EFFORT("xhigh") "," MORE("'thinking':{'type':'adaptive'}"), "");
    adds(&opus, "'thinking':{'type':'enabled','budget_tokens':5000,'include':false}",
         EFFORT("medium") "," MORE("'thinking':{'type':'adaptive','display':'omitted'}"),
         "thinking.budget_tokens (this model takes no budget)\n");
    adds(&opus, "'thinking':{'type':'disabled'}", "", "");
    adds(&fable, "'reasoning_effort':'none'", EFFORT("low"),
         "reasoning_effort (this model always thinks; sent as the least effort)\n");
}

#define TOOL "{'type':'function','function':{'name':'f','parameters':{'type':'object'}}}"
#define SPEC "{'toolSpec':{'name':'f','inputSchema':{'json':{'type':'object'}}}}"

static void thinks_only_where_it_may(void **state) {
    (void)state;
    adds(&sonnet, "'reasoning_effort':'low','tool_choice':'required','tools':[" TOOL "]",
         "'toolConfig':{'tools':[" SPEC "],'toolChoice':{'any':{}}}",
         "reasoning_effort (not together with a tool_choice that forces a call)\n");
    becomes(&sonnet,
            "{'messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[{'id':'1','type':'function',"
            "'function':{'name':'f','arguments':'{}'}}]},{'role':'tool','tool_call_id':'1','content':'x'}],"
            "'tools':[" TOOL "],'reasoning_effort':'low'}",
            "{'messages':[{'role':'user','content':[{'text':'hi'}]},{'role':'assistant','content':[{'toolUse':"
            "{'toolUseId':'1','name':'f','input':{}}}]},{'role':'user','content':[{'toolResult':{'toolUseId':'1',"
            "'content':[{'text':'x'}]}}]}],'toolConfig':{'tools':[" SPEC "]}}",
            "reasoning_effort (the turn that goes on lacks its own thinking)\n");
}

static void thinks_as_others_do(void **state) {
    (void)state;
    adds(&nova2, "'reasoning_effort':'low','max_tokens':5",
         "'inferenceConfig':{'maxTokens':5}," MORE("'reasoningConfig':{'type':'enabled','maxReasoningEffort':'low'}"),
         "");
    adds(&nova2, "'reasoning_effort':'xhigh','max_tokens':5,'temperature':0.5,'top_p':0.5",
         MORE("'reasoningConfig':{'type':'enabled','maxReasoningEffort':'high'}"),
         "max_tokens (not together with this much reasoning)\ntemperature (not together with this much reasoning)\n"
         "top_p (not together with this much reasoning)\n");
    adds(&nova2, "'reasoning_effort':'none'", "", "");
    adds(&nova, "'reasoning_effort':'low'", "",
         "reasoning_effort (this model takes none, or its name does not say whose it is)\n");
    adds(&oss, "'thinking':{'type':'enabled','budget_tokens':9000}", MORE("'reasoning_effort':'high'"),
         "thinking.budget_tokens (this model takes no budget)\n");
    adds(&oss, "'reasoning_effort':'none'", MORE("'reasoning_effort':'low'"),
         "reasoning_effort (this model always thinks; sent as the least effort)\n");
    adds(&llama, "'thinking':{'type':'disabled'}", "", "");
}

/* ---- tools ------------------------------------------------------------------------------------------------------- */

static void declares_tools(void **state) {
    (void)state;
    adds(&sonnet,
         "'tools':[{'type':'function','function':{'name':'f','description':'d','strict':true,'parameters':"
         "{'properties':{'x':{}}}},'cache_control':{'type':'ephemeral','ttl':'1h'}},"
         "{'type':'function','function':{'name':'g'}}]",
         "'toolConfig':{'tools':[{'toolSpec':{'name':'f','description':'d','inputSchema':{'json':{'type':'object',"
         "'properties':{'x':{}}}},'strict':true}},{'cachePoint':{'type':'default','ttl':'1h'}},"
         "{'toolSpec':{'name':'g','inputSchema':{'json':{'type':'object','properties':{}}}}}]}",
         "");
    adds(&nova,
         "'tools':[{'type':'function','function':{'name':'f','strict':true,'parameters':{'type':'object'}},"
         "'cache_control':{'type':'ephemeral'}},"
         "{'type':'vendor_tool','vendor':'bedrock','tool':{'systemTool':{'name':'nova_grounding'}}}]",
         "'toolConfig':{'tools':[" SPEC ",{'systemTool':{'name':'nova_grounding'}}]}",
         "tools[0].function.strict\ntools[0].cache_control\n");
    refuses_with(&llama, "'tools':[{'type':'custom','custom':{}}]", "no tools of type 'custom'");
    refuses_with(&llama, "'tools':[{'type':'vendor_tool','vendor':'gemini','tool':{}}]", "only 'gemini'");
    refuses_with(&llama, "'tools':[{'type':'function','function':{'name':'a.b'}}]", "tools[0].function.name");
    refuses_with(&llama, "'tools':{}", "has to be a list");
}

static void chooses_tools(void **state) {
    (void)state;
    adds(&llama, "'tools':[" TOOL "],'tool_choice':'auto'",
         "'toolConfig':{'tools':[" SPEC "],'toolChoice':{'auto':{}}}", "");
    adds(&llama, "'tools':[" TOOL "],'tool_choice':{'type':'function','function':{'name':'f'}}",
         "'toolConfig':{'tools':[" SPEC "],'toolChoice':{'tool':{'name':'f'}}}", "");
    adds(&llama,
         "'tools':[{'type':'function','function':{'name':'g'}}," TOOL "],'tool_choice':{'type':'allowed_tools',"
         "'allowed_tools':{'mode':'required','tools':[{'type':'function','function':{'name':'f'}}]}}",
         "'toolConfig':{'tools':[" SPEC "],'toolChoice':{'any':{}}}", "tools[0] (not among the allowed tools)\n");
    adds(&llama, "'tools':[" TOOL "],'tool_choice':'none'", "", "tools (none may be called)\n");
    refuses_with(&llama, "'tool_choice':'required'", "asks for a tool");
    refuses_with(&llama, "'tools':[" TOOL "],'tool_choice':'perhaps'", "tool_choice");
}

/* Converse wants the tools of calls in the conversation declared, whatever the request says of tools. */
static void declares_tools_that_are_gone(void **state) {
    (void)state;
#define CALL(n) "{'id':'" n "','function':{'name':'f','arguments':'{}'}}"
#define CALLS                                                                                                          \
    "'messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[" CALL("1") "," CALL("2") "]}]"
#define SENT                                                                                                           \
    "'messages':[{'role':'user','content':[{'text':'hi'}]},{'role':'assistant','content':["                            \
    "{'toolUse':{'toolUseId':'1','name':'f','input':{}}},{'toolUse':{'toolUseId':'2','name':'f','input':{}}}]}],"      \
    "'toolConfig':{'tools':[{'toolSpec':{'name':'f','description':'Not available any more: must not be called. "       \
    "Earlier calls of it stand in the conversation.','inputSchema':{'json':{'type':'object'}}}}]}"
    becomes(&llama, "{" CALLS "}", "{" SENT "}", "");
    becomes(&llama, "{" CALLS ",'tool_choice':'none','tools':[" TOOL "]}", "{" SENT "}",
            "tool_choice (none: asked for in the tools' descriptions)\n");
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

static void counts_what_is_input(void **state) {
    (void)state;
    becomes(&counting,
            "{'messages':[{'role':'system','content':'s'},{'role':'user','content':'hi'}],'max_tokens':5,'top_k':2,"
            "'temperature':0.5,'tools':[" TOOL "],'reasoning_effort':'minimal'}",
            "{'input':{'converse':{'system':[{'text':'s'}],'messages':[{'role':'user','content':[{'text':'hi'}]}],"
            "'toolConfig':{'tools':[" SPEC "]},'additionalModelRequestFields':{'thinking':{'type':'enabled',"
            "'budget_tokens':1024}}}}}",
            "");
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
        cmocka_unit_test(knows_its_url),
        cmocka_unit_test(refuses_bad_settings),
        cmocka_unit_test(writes_the_head),
        cmocka_unit_test(refuses_bad_models_and_keys),
        cmocka_unit_test(declines_other_operations),
        cmocka_unit_test(leaves_out_what_settings_say),
        cmocka_unit_test(translates_plain_members),
        cmocka_unit_test(translates_top_k_for_each_maker),
        cmocka_unit_test(reports_what_it_leaves_out),
        cmocka_unit_test(refuses_what_it_can_not_express),
        cmocka_unit_test(asks_for_json),
        cmocka_unit_test(thinks_as_claude_does),
        cmocka_unit_test(thinks_only_where_it_may),
        cmocka_unit_test(thinks_as_others_do),
        cmocka_unit_test(declares_tools),
        cmocka_unit_test(chooses_tools),
        cmocka_unit_test(declares_tools_that_are_gone),
        cmocka_unit_test(counts_what_is_input),
    };
    return cmocka_run_group_tests(tests, open_plain, close_plain);
}
