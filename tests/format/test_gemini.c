/* Gemini's requests: what is well formed, what is read, what policies change. */
#include "gemini_fixture.h"

/* ---- check --------------------------------------------------------------------------------------------------------- */

static void accept(mg_operation op, const char *body) {
    mg_error error = {0};
    if (F->check(op, parse(json(body), NULL), &error) != MG_OK) fail_msg("%s: %s", body, error.text);
}

static void refuse(mg_operation op, const char *body, const char *code, const char *sentence) {
    mg_error error = {0};
    if (F->check(op, parse(json(body), NULL), &error) != MG_ERROR) fail_msg("accepted: %s", body);
    assert_int_equal(error.http, 400);
    assert_string_equal(error.code, code);
    if (!strstr(error.text, sentence)) fail_msg("%s: %s", body, error.text);
}

static void checks_structure(void **state) {
    (void)state;
    accept(MG_OP_CHAT, "{'contents':[{'parts':[{'text':'hi'}]}]}");
    accept(MG_OP_CHAT, "{'contents':{'parts':{'text':'hi'}},'system_instruction':{'parts':{'text':'be brief'}}}");
    accept(MG_OP_CHAT, "{'contents':[{'role':'model','parts':[{'function_call':{'name':'f','args':{}}}]},"
                       "{'role':'function','parts':[{'functionResponse':{'name':'f','response':{'result':1}}}]}]}");
    accept(MG_OP_CHAT, "{'contents':[{'parts':[{'text':'hi'}]}],'generationConfig':null,'tools':null,'extra':[1]}");
    accept(MG_OP_CHAT, "{'contents':[{'parts':[{'text':'hi'}]}],'generation_config':{'max_output_tokens':'100',"
                       "'thinkingConfig':{'thinkingBudget':-1}}}");
    accept(MG_OP_EMBEDDINGS, "{'content':{'parts':[{'text':'a'}]},'outputDimensionality':8}");
    accept(MG_OP_EMBEDDINGS, "{'requests':[{'model':'models/e','content':{'parts':[{'text':'a'}]}}]}");
    accept(MG_OP_COUNT_TOKENS, "{'contents':[{'parts':[{'text':'hi'}]}]}");
    accept(MG_OP_COUNT_TOKENS, "{'generateContentRequest':{'contents':[{'parts':[{'text':'hi'}]}]}}");
}

static void refuses_what_is_malformed(void **state) {
    (void)state;
    const char *missing = "missing_required_parameter", *type = "invalid_type", *value = "invalid_value";
    refuse(MG_OP_CHAT, "[]", type, "must be an object, not array");
    refuse(MG_OP_CHAT, "{}", missing, "'contents' is missing");
    refuse(MG_OP_CHAT, "{'contents':null}", missing, "'contents' is missing");
    refuse(MG_OP_CHAT, "{'contents':[]}", value, "'contents' must not be empty");
    refuse(MG_OP_CHAT, "{'contents':'hi'}", type, "'contents' must be an object (in a list), not string");
    refuse(MG_OP_CHAT, "{'contents':[{'role':'assistant','parts':[]}]}", value,
           "'contents[0].role' must be user or model");
    refuse(MG_OP_CHAT, "{'contents':[{'parts':[{'text':'a'},{'text':1}]}]}", type,
           "'contents[0].parts[1].text' must be a string, not number");
    refuse(MG_OP_CHAT, "{'contents':[{'parts':[{'text':'a','inlineData':{'mimeType':'image/png','data':'AA=='}}]}]}",
           value, "'contents[0].parts[0].inlineData' stands beside text");
    refuse(MG_OP_CHAT, "{'contents':[{'parts':[{'inline_data':{'data':'AA=='}}]}]}", missing,
           "'contents[0].parts[0].inlineData.mimeType' is missing");
    refuse(MG_OP_CHAT, "{'contents':[{'parts':[{'functionCall':{'args':{}}}]}]}", missing, "functionCall.name");
    refuse(MG_OP_CHAT, "{'contents':[{'parts':[{'functionCall':{'name':'f','args':[]}}]}]}", type, "args");
    refuse(MG_OP_CHAT, "{'contents':[{'parts':[[]]}]}", type, "'contents[0].parts[0]' must be an object");
    refuse(MG_OP_CHAT, "{'contents':[{'parts':[]}],'generationConfig':{'maxOutputTokens':0}}", value,
           "'generationConfig.maxOutputTokens' must be an integer from 1");
    refuse(MG_OP_CHAT, "{'contents':[{'parts':[]}],'generationConfig':{'candidateCount':1.5}}", value, "an integer");
    refuse(MG_OP_CHAT, "{'contents':[{'parts':[]}],'generationConfig':{'temperature':'hot'}}", type, "temperature");
    refuse(MG_OP_CHAT, "{'contents':[{'parts':[]}],'tools':[{'functionDeclarations':[{}]}]}", missing,
           "'tools[0].functionDeclarations[0].name' is missing");
    refuse(MG_OP_CHAT, "{'contents':[{'parts':[]}],'systemInstruction':{'parts':[{'text':[]}]}}", type,
           "'systemInstruction.parts[0].text'");
    refuse(MG_OP_EMBEDDINGS, "{}", missing, "'content' is missing");
    refuse(MG_OP_EMBEDDINGS, "{'requests':[{'content':'a'}]}", type, "'requests[0].content'");
    refuse(MG_OP_COUNT_TOKENS, "{'generateContentRequest':{}}", missing, "'generateContentRequest.contents'");
}

static void refuses_both_spellings(void **state) {
    (void)state;
    refuse(MG_OP_CHAT,
           "{'contents':[{'parts':[]}],'generationConfig':{'maxOutputTokens':1,'max_output_tokens':100000}}",
           "duplicate_key", "'generationConfig.maxOutputTokens' is given twice");
    refuse(MG_OP_CHAT, "{'contents':[{'parts':[]}],'systemInstruction':{},'system_instruction':{}}", "duplicate_key",
           "'systemInstruction'");
}

/* ---- read ------------------------------------------------------------------------------------------------------------ */

static mg_facts read_facts(mg_operation op, const char *body) {
    mg_facts f;
    F->read(op, parse(json(body), NULL), &f);
    return f;
}

static void reads_facts(void **state) {
    (void)state;
    mg_facts f = read_facts(MG_OP_CHAT, "{'contents':[],'labels':{'team':'a'},'tools':[{'googleSearch':{}}],"
                                        "'generationConfig':{'maxOutputTokens':'70','candidate_count':3}}");
    assert_true(f.model.n == 0 && !f.stream && f.usage_asked && f.user.n == 0 && !f.single);
    assert_int_equal(f.max_output, 70);
    assert_int_equal(f.choices, 3);
    assert_true(mg_str_is(mg_json_text(mg_json_get(f.tags, MG_STR("team"))), "a"));
    assert_int_equal(f.tools->count, 1);
    f = read_facts(MG_OP_CHAT, "{'contents':[],'generationConfig':{},'labels':7}");
    assert_true(f.max_output == -1 && f.choices == 1 && !f.tags && !f.tools);
    f = read_facts(MG_OP_COUNT_TOKENS, "{'generateContentRequest':{'generationConfig':{'maxOutputTokens':5}}}");
    assert_int_equal(f.max_output, 5);
    assert_true(read_facts(MG_OP_EMBEDDINGS, "{'content':{}}").single);
    assert_false(read_facts(MG_OP_EMBEDDINGS, "{'requests':[]}").single);
}

static void part_line(void *arg, const mg_part *p) {
    static const char *const kinds[] = {"text", "arguments", "image", "audio", "file", "other"};
    mg_buf_printf(arg, "%s %.*s %.*s %.*s <%.*s> %zu\n", kinds[p->kind], MG_STR_ARG(p->role), MG_STR_ARG(p->name),
                  MG_STR_ARG(p->mime), MG_STR_ARG(mg_json_text(p->text)), p->bytes);
}

static void parts_are(mg_operation op, const char *body, const char *lines) {
    mg_buf b = {0};
    F->parts(op, parse(json(body), NULL), part_line, &b);
    expect(mg_buf_view(&b), mg_str_of(lines));
    mg_buf_finish(&b);
}

static void lists_parts(void **state) {
    (void)state;
    parts_are(MG_OP_CHAT,
              "{'contents':[{'parts':[{'text':'hi'},{'inlineData':{'mimeType':'image/png','data':'AAAA'}},"
              "{'inline_data':{'mime_type':'audio/wav','data':'AAAAA'}},"
              "{'fileData':{'mimeType':'application/pdf','fileUri':'gs://a','displayName':'a.pdf'}}]},"
              "{'role':'model','parts':[{'text':'hm','thought':true},{'text':'yes'},"
              "{'functionCall':{'name':'f','args':{'a':'x','b':[{'c':'y'}],'n':1}}}]},"
              "{'role':'user','parts':[{'functionResponse':{'name':'f','response':{'result':'sunny','n':2},"
              "'parts':[{'inlineData':{'mimeType':'image/jpeg','data':'BB'}}]}}]},"
              "{'role':'model','parts':[{'executableCode':{'language':'PYTHON','code':'1+1'}},"
              "{'codeExecutionResult':{'outcome':'OUTCOME_OK','output':'2'}}]}],"
              "'systemInstruction':{'parts':[{'text':'be brief'}]}}",
              "text user   <hi> 2\n"
              "image user  image/png <> 6\n"
              "audio user  audio/wav <> 7\n"
              "file user a.pdf application/pdf <> 8\n"
              "other assistant   <hm> 2\n"
              "text assistant   <yes> 3\n"
              "arguments assistant f  <x> 1\n"
              "arguments assistant f  <y> 1\n"
              "text tool f  <sunny> 5\n"
              "image tool  image/jpeg <> 4\n"
              "text assistant   <1+1> 3\n"
              "text assistant   <2> 1\n"
              "text system   <be brief> 8\n");
    parts_are(MG_OP_CHAT, "{'system_instruction':'s','contents':{'parts':{'text':'hi'}}}",
              "text system   <s> 1\ntext user   <hi> 2\n");
    parts_are(MG_OP_EMBEDDINGS, "{'requests':[{'content':{'parts':[{'text':'a'},{'text':'b'}]}}]}",
              "text input   <a> 1\ntext input   <b> 1\n");
    parts_are(MG_OP_EMBEDDINGS, "{'content':{'parts':[{'text':'a'}]}}", "text input   <a> 1\n");
    parts_are(MG_OP_COUNT_TOKENS, "{'generateContentRequest':{'contents':[{'parts':[{'text':'a'}]}]}}",
              "text user   <a> 1\n");
}

/* ---- changes ---------------------------------------------------------------------------------------------------------- */

typedef struct change {
    mg_draft draft;
    mg_edits edits;
    mg_error error;
} change;

static void begin(change *c, const char *body) {
    mg_str source;
    const mg_json *root = parse(json(body), &source);
    mg_edits_init(&c->edits, arena);
    c->draft = (mg_draft){MG_OP_CHAT, root, source, &c->edits};
}

static void changed(change *c, const char *wanted) {
    mg_str text = mg_edits_render(&c->edits, c->draft.source);
    parse(text, NULL);
    expect(text, json(wanted));
}

static void set(change *c, const char *key, const char *value) {
    mg_status st = F->set_param(&c->draft, mg_str_of(key), value ? json(value) : (mg_str){NULL, 0}, &c->error);
    if (st != MG_OK) fail_msg("%s: %s", key, c->error.text);
}

static void sets_system(void **state) {
    (void)state;
    change c;
    begin(&c, "{'contents':[]}");
    F->set_system(&c.draft, MG_STR("be \"kind\""), &c.error);
    changed(&c, "{'contents':[],'systemInstruction':{'parts':[{'text':'be \\'kind\\''}]}}");
    begin(&c, "{'system_instruction': {'role':'user','parts':[{'text':'old'}]}, 'contents':[]}");
    F->set_system(&c.draft, MG_STR("new"), &c.error);
    changed(&c, "{'system_instruction': {'parts':[{'text':'new'}]}, 'contents':[]}");
    begin(&c, "{'contents':[],'systemInstruction':{}}");
    F->set_system(&c.draft, MG_STR(""), &c.error);
    changed(&c, "{'contents':[]}");
}

static void sets_parameters(void **state) {
    (void)state;
    change c;
    begin(&c, "{'contents':[]}");
    set(&c, "temperature", "0.5");
    set(&c, "top_p", "0.9");
    set(&c, "top_k", "40");
    set(&c, "stop", "'END'");
    set(&c, "n", "2");
    set(&c, "temperature", "0.7");
    set(&c, "n", NULL);
    F->set_max_output(&c.draft, 100, &c.error);
    changed(&c, "{'contents':[],'generationConfig':{'topP':0.9,'topK':40,'stopSequences':['END'],'temperature':0.7,"
                "'maxOutputTokens':100}}");
    begin(&c, "{'generation_config':{'top_p':1,'seed':3,'stopSequences':['x']},'contents':[]}");
    set(&c, "top_p", "0.1");
    set(&c, "seed", NULL);
    set(&c, "stop", "['a','b']");
    set(&c, "presence_penalty", "1");
    set(&c, "max_tokens", "9");
    set(&c, "labels", "{}");
    changed(&c, "{'generation_config':{'top_p':0.1,'stopSequences':['a','b'],'presencePenalty':1,"
                "'maxOutputTokens':9},'contents':[],'labels':{}}");
    begin(&c, "{'generationConfig':null,'contents':[]}");
    set(&c, "seed", "1");
    set(&c, "frequency_penalty", "2");
    changed(&c, "{'generationConfig':{'seed':1,'frequencyPenalty':2},'contents':[]}");
    begin(&c, "{'generationConfig':{},'contents':[]}");
    set(&c, "seed", "1");
    set(&c, "seed", NULL);
    changed(&c, "{'generationConfig':{'seed':null},'contents':[]}");
    begin(&c, "{'contents':[]}");
    set(&c, "seed", NULL);
    set(&c, "safetySettings", NULL);
    changed(&c, "{'contents':[]}");
}

static void sets_formats_and_efforts(void **state) {
    (void)state;
    change c;
    begin(&c, "{'generationConfig':{'responseSchema':{'type':'STRING'}}}");
    set(&c, "response_format", "{'type':'json_schema','json_schema':{'name':'x','schema':{'type':'object'}}}");
    set(&c, "reasoning_effort", "'low'");
    set(&c, "logprobs", "true");
    set(&c, "top_logprobs", "3");
    set(&c, "metadata", "{'a':'b'}");
    changed(&c, "{'generationConfig':{'responseMimeType':'application/json','responseJsonSchema':{'type':'object'},"
                "'thinkingConfig':{'thinkingBudget':1024},'responseLogprobs':true,'logprobs':3},"
                "'labels':{'a':'b'}}");
    begin(&c, "{'generationConfig':{'responseMimeType':'application/json'}}");
    set(&c, "response_format", "{'type':'text'}");
    changed(&c, "{'generationConfig':{}}");
    begin(&c, "{}");
    assert_int_equal(F->set_param(&c.draft, MG_STR("reasoning_effort"), json("'huge'"), &c.error), MG_ERROR);
    assert_int_equal(F->set_param(&c.draft, MG_STR("response_format"), json("7"), &c.error), MG_ERROR);
    assert_int_equal(F->set_param(&c.draft, MG_STR("contents"), json("[]"), &c.error), MG_ERROR);
    assert_int_equal(F->set_param(&c.draft, MG_STR("system_instruction"), json("{}"), &c.error), MG_ERROR);
    assert_non_null(strstr(c.error.text, "systemInstruction"));
}

static void reads_parameters(void **state) {
    (void)state;
    const mg_json *root = parse(json("{'generation_config':{'top_p':0.5,'maxOutputTokens':7,'stopSequences':['a']},"
                                     "'labels':{},'custom':1}"),
                                NULL);
    assert_true(mg_str_is(F->param(root, MG_STR("top_p"))->str, "0.5"));
    assert_int_equal(mg_json_int(F->param(root, MG_STR("max_tokens")), 0), 7);
    assert_int_equal(F->param(root, MG_STR("stop"))->count, 1);
    assert_int_equal(mg_json_int(F->param(root, MG_STR("custom")), 0), 1);
    assert_non_null(F->param(root, MG_STR("metadata")));
    assert_null(F->param(root, MG_STR("seed")));
}

static void adds_messages(void **state) {
    (void)state;
    change c;
    begin(&c, "{'contents':[{'parts':[{'text':'a'}]}]}");
    F->add_message(&c.draft, MG_STR("assistant"), MG_STR("b"), &c.error);
    F->add_message(&c.draft, MG_STR("user"), MG_STR("c"), &c.error);
    F->add_message(&c.draft, MG_STR("system"), MG_STR("s"), &c.error);
    F->add_message(&c.draft, MG_STR("developer"), MG_STR("t"), &c.error);
    changed(&c, "{'contents':[{'parts':[{'text':'a'}]},{'role':'model','parts':[{'text':'b'}]},"
                "{'role':'user','parts':[{'text':'c'}]}],'systemInstruction':{'parts':[{'text':'s'},{'text':'t'}]}}");
    begin(&c, "{'contents':{'parts':{'text':'a'}},'systemInstruction':{'parts':[{'text':'s'}]}}");
    F->add_message(&c.draft, MG_STR("user"), MG_STR("b"), &c.error);
    F->add_message(&c.draft, MG_STR("user"), MG_STR("c"), &c.error);
    F->add_message(&c.draft, MG_STR("system"), MG_STR("t"), &c.error);
    changed(&c, "{'contents':[{'parts':{'text':'a'}},{'role':'user','parts':[{'text':'b'}]},"
                "{'role':'user','parts':[{'text':'c'}]}],'systemInstruction':{'parts':[{'text':'s'},{'text':'t'}]}}");
    begin(&c, "{'contents':{'parts':{'text':'a'}}}");
    set(&c, "seed", "1");
    F->add_message(&c.draft, MG_STR("user"), MG_STR("b"), &c.error);
    changed(&c, "{'contents':[{'parts':{'text':'a'}},{'role':'user','parts':[{'text':'b'}]}],"
                "'generationConfig':{'seed':1}}");
    begin(&c, "{'systemInstruction':'s','contents':[]}");
    F->add_message(&c.draft, MG_STR("system"), MG_STR("t"), &c.error);
    changed(&c, "{'systemInstruction':{'parts':[{'text':'s'},{'text':'t'}]},'contents':[]}");
    begin(&c, "{'systemInstruction':{'parts':[{'text':'s'}]},'contents':[]}");
    F->set_system(&c.draft, MG_STR("t"), &c.error);
    F->add_message(&c.draft, MG_STR("system"), MG_STR("u"), &c.error);
    changed(&c, "{'systemInstruction':{'parts':[{'text':'t'},{'text':'u'}]},'contents':[]}");
}

static void remove_tool(change *c, const char *name, mg_status wanted) {
    assert_int_equal(F->remove_tool(&c->draft, mg_str_of(name), &c->error), wanted);
}

static void removes_tools(void **state) {
    (void)state;
    change c;
    const char *body = "{'tools':[{'functionDeclarations':[{'name':'a'},{'name':'b'}]},{'googleSearch':{}},"
                       "{'function_declarations':[{'name':'c'}]}],'toolConfig':{'functionCallingConfig':"
                       "{'mode':'ANY','allowedFunctionNames':['a','c']}}}";
    begin(&c, body);
    remove_tool(&c, "a", MG_OK);
    remove_tool(&c, "x", MG_DECLINED);
    changed(&c, "{'tools':[{'functionDeclarations':[{'name':'b'}]},{'googleSearch':{}},"
                "{'function_declarations':[{'name':'c'}]}],'toolConfig':{'functionCallingConfig':"
                "{'mode':'ANY','allowedFunctionNames':['c']}}}");
    begin(&c, body);
    remove_tool(&c, "a", MG_OK);
    remove_tool(&c, "b", MG_OK);
    remove_tool(&c, "c", MG_OK);
    remove_tool(&c, "c", MG_DECLINED);
    changed(&c, "{'tools':[{'googleSearch':{}}],'toolConfig':{}}");
    begin(&c, "{'contents':[],'tools':[{'functionDeclarations':[{'name':'a'}]}],'toolConfig':{}}");
    remove_tool(&c, "a", MG_OK);
    changed(&c, "{'contents':[]}");
    begin(&c, "{'tools':{'functionDeclarations':{'name':'a'},'codeExecution':{}}}");
    remove_tool(&c, "a", MG_OK);
    changed(&c, "{'tools':{'codeExecution':{}}}");
    begin(&c, "{'contents':[]}");
    remove_tool(&c, "a", MG_DECLINED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checks_structure),
        cmocka_unit_test(refuses_what_is_malformed),
        cmocka_unit_test(refuses_both_spellings),
        cmocka_unit_test(reads_facts),
        cmocka_unit_test(lists_parts),
        cmocka_unit_test(sets_system),
        cmocka_unit_test(sets_parameters),
        cmocka_unit_test(sets_formats_and_efforts),
        cmocka_unit_test(reads_parameters),
        cmocka_unit_test(adds_messages),
        cmocka_unit_test(removes_tools),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
