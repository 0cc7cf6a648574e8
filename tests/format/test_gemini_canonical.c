/* Gemini's requests in the canonical form. */
#include "gemini_fixture.h"

static mg_buf dropped;

static void on_drop(void *arg, mg_str member) {
    (void)arg;
    if (dropped.n) mg_buf_str(&dropped, MG_STR(" "));
    mg_buf_str(&dropped, member);
}

static mg_status convert(mg_operation op, const char *body, bool stream, mg_str *out, mg_error *error) {
    mg_str source;
    mg_buf b = {0};
    const mg_json *root = parse(json(body), &source);
    mg_buf_clear(&dropped);
    if (F->check(op, root, error) != MG_OK) fail_msg("%s: %s", body, error->text);
    mg_status st = F->canonical(op, root, source, MG_STR("m"), stream, &b, on_drop, NULL, error);
    *out = mg_arena_dup(arena, mg_buf_view(&b));
    mg_buf_finish(&b);
    return st;
}

/* `wanted` stands behind {"model":"m", and before the last brace. */
static void becomes(const char *body, const char *wanted) {
    mg_str out;
    mg_error error;
    if (convert(MG_OP_CHAT, body, false, &out, &error) != MG_OK) fail_msg("%s: %s", body, error.text);
    parse(out, NULL);
    expect(mg_str_from(out.p + 13, out.n - 14), json(wanted));
}

static void refused(mg_operation op, const char *body, const char *sentence) {
    mg_str out;
    mg_error error;
    if (convert(op, body, false, &out, &error) == MG_OK) fail_msg("accepted: %s", body);
    assert_int_equal(error.http, 400);
    assert_int_equal(out.n, 0);
    if (!strstr(error.text, sentence)) fail_msg("%s: %s", body, error.text);
}

static void drops(const char *names) { expect(mg_buf_view(&dropped), mg_str_of(names)); }

static void writes_messages(void **state) {
    (void)state;
    mg_str out;
    mg_error error;
    convert(MG_OP_CHAT, "{'contents':[{'parts':[{'text':'hi'}]}]}", true, &out, &error);
    expect(out, json("{'model':'m','stream':true,'messages':[{'role':'user','content':'hi'}]}"));
    becomes("{'contents':[{'role':'user','parts':[{'text':'a'},{'text':'b'}]},{'role':'model','parts':[{'text':'c'}]},"
            "{'role':'model','parts':[{'text':'d'}]},{'parts':{'text':'e'}}],'system_instruction':"
            "{'parts':[{'text':'s'}]}}",
            "'messages':[{'role':'system','content':'s'},{'role':'user','content':[{'type':'text','text':'a'},"
            "{'type':'text','text':'b'}]},{'role':'assistant','content':'cd'},{'role':'user','content':'e'}]");
    becomes("{'contents':[{'parts':[{'text':'a'}]},{'role':'model'}],'systemInstruction':{'parts':[{'text':'s'},"
            "{'text':'t'}]}}",
            "'messages':[{'role':'system','content':[{'type':'text','text':'s'},{'type':'text','text':'t'}]},"
            "{'role':'user','content':'a'}]");
    refused(MG_OP_CHAT,
            "{'contents':[{'parts':[]}],'systemInstruction':{'parts':[{'inlineData':{'mimeType':'image/png',"
            "'data':''}}]}}",
            "systemInstruction.parts");
}

static void writes_media(void **state) {
    (void)state;
    becomes("{'contents':[{'parts':[{'inlineData':{'mimeType':'image/png','data':'-_8='}},"
            "{'inlineData':{'mimeType':'audio/mp3','data':'AAAA'}},{'inlineData':{'mimeType':'audio/ogg','data':'AA'}},"
            "{'inlineData':{'mimeType':'application/pdf','data':'AAA','displayName':'a.pdf'}},"
            "{'fileData':{'mimeType':'image/png','fileUri':'https://a/b.png'}},"
            "{'fileData':{'fileUri':'https://a/b.pdf'},'videoMetadata':{'fps':1}}]}]}",
            "'messages':[{'role':'user','content':["
            "{'type':'image_url','image_url':{'url':'data:image/png;base64,+/8='}},"
            "{'type':'input_audio','input_audio':{'data':'AAAA','format':'mp3'}},"
            "{'type':'file','file':{'filename':'file','file_data':'data:audio/ogg;base64,AA=='}},"
            "{'type':'file','file':{'filename':'a.pdf','file_data':'data:application/pdf;base64,AAA='}},"
            "{'type':'image_url','image_url':{'url':'https://a/b.png'}},"
            "{'type':'file','file':{'file_url':'https://a/b.pdf'}}]}]");
    drops("contents.parts.videoMetadata");
}

static void pairs_calls_and_results(void **state) {
    (void)state;
    becomes("{'contents':[{'role':'model','parts':[{'functionCall':{'name':'f','args':{'a': 1}}},"
            "{'functionCall':{'id':'x','name':'f'}},{'functionCall':{'name':'g'}}]},"
            "{'role':'user','parts':[{'text':'so'},{'functionResponse':{'name':'g','response':{'result':'G'}}},"
            "{'functionResponse':{'name':'f','response':{'output':[1,2]}}},"
            "{'functionResponse':{'id':'x','name':'f','response':{'a':1,'b':'c'}}}]},"
            "{'role':'model','parts':[{'text':'t'},{'functionCall':{'name':'f','args':{}}}]},"
            "{'role':'function','parts':[{'functionResponse':{'name':'f','response':{'error':'bad'},"
            "'parts':[{'inlineData':{'mimeType':'image/png','data':'AAAA'}}]}}]}]}",
            "'messages':[{'role':'assistant','content':null,'tool_calls':["
            "{'id':'call_1','type':'function','function':{'name':'f','arguments':'{\\'a\\': 1}'}},"
            "{'id':'x','type':'function','function':{'name':'f','arguments':'{}'}},"
            "{'id':'call_3','type':'function','function':{'name':'g','arguments':'{}'}}]},"
            "{'role':'tool','tool_call_id':'call_3','content':'G'},"
            "{'role':'tool','tool_call_id':'call_1','content':'[1,2]'},"
            "{'role':'tool','tool_call_id':'x','content':'{\\'a\\':1,\\'b\\':\\'c\\'}'},"
            "{'role':'user','content':'so'},"
            "{'role':'assistant','content':'t','tool_calls':[{'id':'call_4','type':'function','function':"
            "{'name':'f','arguments':'{}'}}]},"
            "{'role':'tool','tool_call_id':'call_4','content':[{'type':'text','text':'bad'},{'type':'image_url',"
            "'image_url':{'url':'data:image/png;base64,AAAA'}}],'is_error':true}]");
    refused(MG_OP_CHAT, "{'contents':[{'parts':[{'functionResponse':{'name':'f','response':{}}}]}]}",
            "functionResponse for 'f' without a functionCall");
}

static void writes_thoughts_and_signatures(void **state) {
    (void)state;
    /* bW9vbmdhdGU6YW50aHJvcGljOnNpZw== is moongate:anthropic:sig */
    becomes("{'contents':[{'role':'model','parts':[{'text':'un','thought':true}]},"
            "{'role':'model','parts':[{'text':'sure','thought':true}]},"
            "{'role':'model','parts':[{'text':'','thought':true,"
            "'thoughtSignature':'bW9vbmdhdGU6YW50aHJvcGljOnNpZw=='},{'text':'a'},"
            "{'text':'b','thought_signature':'R0VN'},"
            "{'functionCall':{'name':'f'},'thoughtSignature':'Q0FMTA=='}]}]}",
            "'messages':[{'role':'assistant','content':["
            "{'type':'thinking','thinking':'unsure','signature':'sig','vendor':'anthropic'},"
            "{'type':'text','text':'a'},{'type':'text','text':'b','signature':'R0VN','vendor':'gemini'}],"
            "'tool_calls':[{'id':'call_1','type':'function','function':{'name':'f','arguments':'{}'},"
            "'signature':'Q0FMTA==','vendor':'gemini'}]}]");
    /* bW9vbmdhdGUtcmVkYWN0ZWQ6b3BlbmFpOng_ is moongate-redacted:openai:x? in the alphabet for URLs */
    becomes("{'contents':[{'role':'model','parts':[{'text':'t','thought':true},"
            "{'text':'','thought':true,'thoughtSignature':'bW9vbmdhdGUtcmVkYWN0ZWQ6b3BlbmFpOng_'},"
            "{'thoughtSignature':'R0VN'},{'text':'','thoughtSignature':'bW9vbmdhdGU6'}]}]}",
            "'messages':[{'role':'assistant','content':[{'type':'thinking','thinking':'t','vendor':'gemini'},"
            "{'type':'redacted_thinking','data':'x?','vendor':'openai'},"
            "{'type':'text','text':'','signature':'R0VN','vendor':'gemini'},"
            "{'type':'text','text':'','signature':'bW9vbmdhdGU6','vendor':'gemini'}]}]");
}

static void tells_code_in_words(void **state) {
    (void)state;
    becomes("{'contents':[{'role':'model','parts':[{'executableCode':{'language':'PYTHON','code':'print(1)'}},"
            "{'codeExecutionResult':{'outcome':'OUTCOME_OK','output':'1\\n'}},{'toolCall':{}},"
            "{'text':'one','partMetadata':{}}]}]}",
            "'messages':[{'role':'assistant','content':[{'type':'text','text':'```python\\nprint(1)\\n```'},"
            "{'type':'text','text':'```\\n1\\n```'},{'type':'text','text':'one'}]}]");
    drops("contents.parts.toolCall contents.parts.partMetadata");
}

static const char EMPTY[] = "'messages':[],";

static void config_becomes(const char *config, const char *wanted) {
    mg_str body = mg_arena_printf(arena, "{'contents':[{}],'generationConfig':%s}", config);
    mg_str text = mg_arena_printf(arena, "%.*s%s%s", (int)sizeof EMPTY - (*wanted ? 1 : 2), EMPTY, wanted, "");
    becomes(body.p, text.p);
}

static void writes_generation_config(void **state) {
    (void)state;
    config_becomes("{'temperature':0.5,'topP':1e-1,'top_k':40,'maxOutputTokens':'0100','stopSequences':['a','b'],"
                   "'seed':7,'presencePenalty':1,'frequency_penalty':2,'candidateCount':2,'responseLogprobs':true,"
                   "'logprobs':3,'responseModalities':['TEXT']}",
                   "'temperature':0.5,'top_p':1e-1,'top_k':40,'max_completion_tokens':100,'stop':['a','b'],'seed':7,"
                   "'presence_penalty':1,'frequency_penalty':2,'n':2,'logprobs':true,'top_logprobs':3");
    config_becomes("{'responseModalities':['TEXT','AUDIO'],'stopSequences':'x','mediaResolution':'LOW'}",
                   "'modalities':['text','audio'],'stop':['x']");
    drops("generationConfig.mediaResolution");
    config_becomes("{'responseMimeType':'application/json'}", "'response_format':{'type':'json_object'}");
    config_becomes("{'responseMimeType':'text/plain','stopSequences':[]}", "");
    config_becomes("{'response_mime_type':'application/json','response_schema':{'type':'STRING','nullable':true}}",
                   "'response_format':{'type':'json_schema','json_schema':{'name':'response','schema':"
                   "{'type':['string','null']}}}");
    config_becomes("{'responseJsonSchema':{'type':'object'}}",
                   "'response_format':{'type':'json_schema','json_schema':{'name':'response','schema':"
                   "{'type':'object'}}}");
    refused(MG_OP_CHAT, "{'contents':[{}],'generationConfig':{'responseMimeType':'text/x.enum'}}", "text/x.enum");
}

static void writes_thinking(void **state) {
    (void)state;
    config_becomes("{'thinkingConfig':{'thinkingBudget':0}}", "'thinking':{'type':'disabled'}");
    config_becomes("{'thinkingConfig':{'thinkingBudget':-1}}", "'thinking':{'type':'adaptive'}");
    config_becomes("{'thinkingConfig':{'thinking_budget':512,'include_thoughts':true}}",
                   "'thinking':{'type':'enabled','budget_tokens':512,'include':true}");
    config_becomes("{'thinkingConfig':{'thinkingLevel':'HIGH','includeThoughts':true}}",
                   "'reasoning_effort':'high','thinking':{'include':true}");
    config_becomes("{'thinkingConfig':{'thinkingLevel':1}}", "'reasoning_effort':'low'");
    config_becomes("{'thinkingConfig':{'includeThoughts':true}}", "'thinking':{'type':'adaptive','include':true}");
    config_becomes("{'thinkingConfig':{'includeThoughts':false}}", "'thinking':{'include':false}");
    config_becomes("{'thinkingConfig':{}}", "");
}

static void root_becomes(const char *members, const char *wanted) {
    mg_str body = mg_arena_printf(arena, "{'contents':[{}],%s}", members);
    mg_str text = mg_arena_printf(arena, "%.*s%s%s", (int)sizeof EMPTY - (*wanted ? 1 : 2), EMPTY, wanted, "");
    becomes(body.p, text.p);
}

static void writes_tools(void **state) {
    (void)state;
    root_becomes("'tools':[{'functionDeclarations':[{'name':'f','description':'d','parameters':{'type':'OBJECT'},"
                 "'response':{}},{'name':'g','parameters_json_schema':{'type': 'object'}},{'name':'h'}],"
                 "'google_search':{}},{'codeExecution':{}}],"
                 "'toolConfig':{'functionCallingConfig':{'mode':'AUTO'},'retrievalConfig':{}}",
                 "'tools':[{'type':'function','function':{'name':'f','description':'d','parameters':"
                 "{'type':'object'}}},{'type':'function','function':{'name':'g','parameters':{'type': 'object'}}},"
                 "{'type':'function','function':{'name':'h'}},"
                 "{'type':'vendor_tool','vendor':'gemini','tool':{'googleSearch':{}}},"
                 "{'type':'vendor_tool','vendor':'gemini','tool':{'codeExecution':{}}}],'tool_choice':'auto'");
    drops("tools.functionDeclarations.response toolConfig.retrievalConfig");
    root_becomes("'tools':[],'toolConfig':{'functionCallingConfig':{'mode':'ANY'}}", "");
}

static void choice_becomes(const char *calling, const char *wanted) {
    mg_str members = mg_arena_printf(arena,
                                     "'tools':[{'functionDeclarations':{'name':'f'}}],'toolConfig':"
                                     "{'functionCallingConfig':%s}",
                                     calling);
    mg_str text = mg_arena_printf(arena, "'tools':[{'type':'function','function':{'name':'f'}}]%s%s",
                                  *wanted ? ",'tool_choice':" : "", wanted);
    root_becomes(members.p, text.p);
}

static void writes_tool_choice(void **state) {
    (void)state;
    choice_becomes("{'mode':'NONE'}", "'none'");
    choice_becomes("{'mode':'ANY'}", "'required'");
    choice_becomes("{'mode':2,'allowedFunctionNames':['f']}", "{'type':'function','function':{'name':'f'}}");
    choice_becomes("{'mode':'ANY','allowedFunctionNames':['f','g']}",
                   "{'type':'allowed_tools','allowed_tools':{'mode':'required','tools':["
                   "{'type':'function','function':{'name':'f'}},{'type':'function','function':{'name':'g'}}]}}");
    choice_becomes("{'mode':'VALIDATED'}", "'auto'");
    drops("toolConfig.functionCallingConfig.mode VALIDATED");
    choice_becomes("{}", "");
}

static void schema_becomes(const char *schema, const char *wanted) {
    mg_str members = mg_arena_printf(arena, "'tools':{'functionDeclarations':{'name':'f','parameters':%s}}", schema);
    mg_str text =
        mg_arena_printf(arena, "'tools':[{'type':'function','function':{'name':'f','parameters':%s}}]", wanted);
    root_becomes(members.p, text.p);
}

static void writes_schemas(void **state) {
    (void)state;
    schema_becomes("{'type':'OBJECT','properties':{'type':{'type':'INTEGER','minimum':1,'format':'int32'},"
                   "'nullable':{'type':'ARRAY','items':{'type':'NUMBER'},'minItems':'1','max_items':3}},"
                   "'required':['type'],'propertyOrdering':['type'],'title':'T','description':'D','example':{'a':1}}",
                   "{'type':'object','properties':{'type':{'type':'integer','minimum':1,'format':'int32'},"
                   "'nullable':{'type':'array','items':{'type':'number'},'minItems':1,'maxItems':3}},"
                   "'required':['type'],'title':'T','description':'D','examples':[{'a':1}]}");
    drops("propertyOrdering");
    schema_becomes("{'type':'STRING','format':'enum','enum':['a','b'],'nullable':true}",
                   "{'type':['string','null'],'enum':['a','b',null]}");
    schema_becomes("{'any_of':[{'type':'STRING'},{'type':6}],'nullable':true}",
                   "{'anyOf':[{'type':'string'},{'type':'object'},{'type':'null'}]}");
    schema_becomes("{'type':'TYPE_UNSPECIFIED','ref':'#/$defs/a','defs':{'a':{'type':'BOOLEAN'}}}",
                   "{'$ref':'#/$defs/a','$defs':{'a':{'type':'boolean'}}}");
    schema_becomes("{'type':['string','null'],'additionalProperties':false,'minLength':'x','any_of':[],'anyOf':[]}",
                   "{'type':['string','null'],'additionalProperties':false,'anyOf':[]}");
}

static void writes_other_members(void **state) {
    (void)state;
    root_becomes("'safetySettings':[{'category':'A','threshold':'OFF'}],'labels':{'a':'b'},'serviceTier':'flex',"
                 "'model':'models/x','store':true,'cachedContent':null",
                 "'safety_settings':[{'category':'A','threshold':'OFF'}],'metadata':{'a':'b'},'service_tier':'flex'");
    drops("store");
    refused(MG_OP_CHAT, "{'contents':[{}],'cachedContent':'cachedContents/x'}", "'cachedContent' names a cache");
    refused(MG_OP_CHAT, "{'contents':[{}],'model_armor_config':{}}", "modelArmorConfig");
}

static void other_becomes(mg_operation op, const char *body, const char *wanted) {
    mg_str out;
    mg_error error;
    if (convert(op, body, false, &out, &error) != MG_OK) fail_msg("%s: %s", body, error.text);
    expect(out, json(wanted));
}

static void writes_embeddings_and_counts(void **state) {
    (void)state;
    other_becomes(MG_OP_EMBEDDINGS, "{'content':{'parts':[{'text':'a'},{'text':'b'}]},'taskType':'CLUSTERING'}",
                  "{'model':'m','input':['a\\nb']}");
    drops("taskType");
    other_becomes(MG_OP_EMBEDDINGS,
                  "{'requests':[{'content':{'parts':[{'text':'a'}]},'output_dimensionality':8},"
                  "{'content':{'parts':{'text':'b'}},'outputDimensionality':8,'title':'t'}]}",
                  "{'model':'m','input':['a','b'],'dimensions':8}");
    drops("requests.title");
    refused(MG_OP_EMBEDDINGS, "{'requests':[{'content':{},'outputDimensionality':8},{'content':{}}]}",
            "different values of outputDimensionality");
    refused(MG_OP_EMBEDDINGS, "{'content':{'parts':[{'inlineData':{'mimeType':'image/png','data':''}}]}}",
            "something else than text");
    other_becomes(MG_OP_COUNT_TOKENS, "{'contents':[{'parts':[{'text':'a'}]}]}",
                  "{'model':'m','messages':[{'role':'user','content':'a'}]}");
    other_becomes(MG_OP_COUNT_TOKENS,
                  "{'generateContentRequest':{'model':'models/x','contents':[{'parts':[{'text':'a'}]}],"
                  "'systemInstruction':{'parts':[{'text':'s'}]}}}",
                  "{'model':'m','messages':[{'role':'system','content':'s'},{'role':'user','content':'a'}]}");
}

static int teardown(void **state) {
    mg_buf_finish(&dropped);
    return fixture_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_messages),         cmocka_unit_test(writes_media),
        cmocka_unit_test(pairs_calls_and_results), cmocka_unit_test(writes_thoughts_and_signatures),
        cmocka_unit_test(tells_code_in_words),     cmocka_unit_test(writes_generation_config),
        cmocka_unit_test(writes_thinking),         cmocka_unit_test(writes_tools),
        cmocka_unit_test(writes_tool_choice),      cmocka_unit_test(writes_schemas),
        cmocka_unit_test(writes_other_members),    cmocka_unit_test(writes_embeddings_and_counts),
    };
    return cmocka_run_group_tests(tests, fixture_setup, teardown);
}
