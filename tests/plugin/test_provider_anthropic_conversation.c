/* The anthropic provider: messages, tools, thinking and the form of the answer, out of the canonical form. */
#include "anthropic.h"

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

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static void moves_system_messages(void **state) {
    (void)state;
    talks(&sonnet,
          "{'role':'system','content':'a'},{'role':'developer','content':[{'type':'text','text':'b','cache_control':"
          "{'type':'ephemeral'}}]},{'role':'user','content':'hi'}",
          "'system':[{'type':'text','text':'a'},{'type':'text','text':'b','cache_control':{'type':'ephemeral'}}]," HI,
          "");
    talks(&sonnet,
          "{'role':'user','content':'hi'},{'role':'system','content':'late','cache_control':{'type':'ephemeral'}}",
          "'system':[{'type':'text','text':'late','cache_control':{'type':'ephemeral'}}]," HI,
          "messages[1] (its place: moved to the system prompt)\n");
    talks(
        &opus,
        "{'role':'system','content':'a'},{'role':'user','content':'hi'},{'role':'system','content':'b'},{'role':"
        "'developer','content':'c'},{'role':'assistant','content':'d'},{'role':'system','content':'e'},{'role':'user',"
        "'content':'f'}",
        "'system':[{'type':'text','text':'a'},{'type':'text','text':'e'}],'messages':[{'role':'user','content':[{'type'"
        ":"
        "'text','text':'hi'}]},{'role':'system','content':[{'type':'text','text':'b'},{'type':'text','text':'c'}]},"
        "{'role':'assistant','content':[{'type':'text','text':'d'}]},{'role':'user','content':[{'type':'text','text':'"
        "f'"
        "}]}]",
        "messages[5] (its place: moved to the system prompt)\n");
}

#define USER(text) "{'role':'user','content':[{'type':'text','text':'" text "'}]}"

static void merges_messages_of_one_role(void **state) {
    (void)state;
    talks(&sonnet, "{'role':'user','content':'a'},{'role':'user','content':'b','cache_control':{'type':'ephemeral'}}",
          "'messages':[{'role':'user','content':[{'type':'text','text':'a'},{'type':'text','text':'b','cache_control':"
          "{'type':'ephemeral'}}]}]",
          "");
    talks(&sonnet,
          "{'role':'user','content':'a'},{'role':'assistant','content':''},{'role':'user','content':' \\n'},"
          "{'role':'user','content':'b'}",
          "'messages':[{'role':'user','content':[{'type':'text','text':'a'},{'type':'text','text':'b'}]}]",
          "messages[2].content (only white space)\n");
    talks(&sonnet, "{'role':'user','content':''},{'role':'user','content':'a'}", "'messages':[" USER("a") "]", "");
    talks(&sonnet, "{'role':'user','content':[],'cache_control':{'type':'ephemeral'}},{'role':'user','content':'a'}",
          "'messages':[" USER("a") "]", "messages[0].cache_control\n");
}

static void lets_a_prefix_through(void **state) {
    (void)state;
    talks(&sonnet, "{'role':'user','content':'hi'},{'role':'assistant','content':'I am \\n'}",
          "'messages':[" USER("hi") ",{'role':'assistant','content':[{'type':'text','text':'I am'}]}]",
          "messages[1] (white space at the end)\n");
    talks(&sonnet, "{'role':'user','content':'hi'},{'role':'assistant','content':'a '},{'role':'user','content':'b'}",
          "'messages':[" USER("hi") ",{'role':'assistant','content':[{'type':'text','text':'a '}]}," USER("b") "]", "");
}

#define PART(part) "{'role':'user','content':[" part "]}"
#define BLOCK(block) "'messages':[{'role':'user','content':[" block "]}]"

static void translates_images_and_files(void **state) {
    (void)state;
    talks(&sonnet, PART("{'type':'image_url','image_url':{'url':'data:image/jpg;base64,AAEC'}}"),
          BLOCK("{'type':'image','source':{'type':'base64','media_type':'image/jpeg','data':'AAEC'}}"), "");
    talks(&sonnet,
          PART("{'type':'file','file':{'filename':'a.pdf','file_data':'data:application/pdf;base64,AAEC'},"
               "'cache_control':{'type':'ephemeral','ttl':'1h'}}"),
          BLOCK("{'type':'document','source':{'type':'base64','media_type':'application/pdf','data':'AAEC'},'title':"
                "'a.pdf','cache_control':{'type':'ephemeral','ttl':'1h'}}"),
          "");
    talks(&sonnet, PART("{'type':'file','file':{'file_data':'data:text/plain;charset=utf-8;base64,aMOpbGxvCg=='}}"),
          BLOCK("{'type':'document','source':{'type':'text','media_type':'text/plain','data':'h\xc3\xa9llo\\n'}}"), "");
    talks(&sonnet, PART("{'type':'file','file':{'file_data':'data:image/png;base64,AAEC','filename':'x.png'}}"),
          BLOCK("{'type':'image','source':{'type':'base64','media_type':'image/png','data':'AAEC'}}"),
          "messages[0].content[0].file.filename\n");
    talks(&sonnet, PART("{'type':'file','file':{'file_url':'https://x/a.pdf'}}"),
          BLOCK("{'type':'document','source':{'type':'url','url':'https://x/a.pdf'}}"), "");
    talks(&sonnet, PART("{'type':'file','file':{'file_id':'file_1'}}"),
          BLOCK("{'type':'document','source':{'type':'file','file_id':'file_1'}}"), "");
    static const char *const bad[][2] = {
        {"{'type':'image_url','image_url':{'url':'data:image/svg+xml;base64,AA'}}", "JPEG, PNG"},
        {"{'type':'image_url','image_url':{'url':'data:image/png,AA'}}", "base64"},
        {"{'type':'image_url','image_url':{'url':'ftp://x'}}", "http(s)"},
        {"{'type':'image_url'}", "http(s)"},
        {"{'type':'file','file':{'file_data':'AAEC'}}", "data URL"},
        {"{'type':'file','file':{'file_data':'data:application/zip;base64,AA=='}}", "'application/zip'"},
        {"{'type':'file','file':{'file_data':'data:text/plain;base64,A*=='}}", "not base64"},
        {"{'type':'file','file':{'file_data':'data:text/plain;base64,'}}", "empty"},
        {"{'type':'file','file':{'file_url':'file:///etc/passwd'}}", "http(s)"},
        {"{'type':'file'}", "file.file_data, file.file_url or file.file_id"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char body[512];
        snprintf(body, sizeof body, "{'messages':[" PART("%s") "]}", bad[i][0]);
        refuses(&sonnet, body, bad[i][1]);
    }
}

#define CALL(args)                                                                                                     \
    "{'role':'assistant','content':null,'tool_calls':[{'id':'c.1','type':'function','function':{'name':'f','"          \
    "arguments':" args "}}]}"
#define USE(input) "{'role':'assistant','content':[{'type':'tool_use','id':'c_2e1','name':'f','input':" input "}]}"

static void translates_tool_calls_and_results(void **state) {
    (void)state;
    talks(&sonnet, "{'role':'user','content':'hi'}," CALL("'{ \\'a\\' : [1.0, 12345678901234567890] }'"),
          "'messages':[" USER("hi") "," USE("{ 'a' : [1.0, 12345678901234567890] }") "]", "");
    talks(&sonnet, CALL("''"), "'messages':[" USE("{}") "]", "");
    talks(&sonnet, CALL("{'a':1}"), "'messages':[" USE("{'a':1}") "]", "");
    static const char *const bad[] = {"'[1]'",         "'7'",    "'{\\'a\\':}'",    "'{\\'a\\':1'", "'{\\'a\\':01}'",
                                      "'{\\'a\\' 1}'", "'{}{}'", "'{\\'a\\':tru}'", "'{a:1}'",      "'{\\'a\\':1,}'"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char body[512];
        snprintf(body, sizeof body, "{'messages':[" CALL("%s") "]}", bad[i]);
        refuses(&sonnet, body, "messages[0].tool_calls[0].function.arguments");
    }
    talks(&sonnet,
          CALL("'{}'") ",{'role':'tool','tool_call_id':'c.1','content':'ok','cache_control':{'type':'ephemeral'}},"
                       "{'role':'tool','tool_call_id':'d','is_error':true,'content':[{'type':'text','text':'t'},{'type'"
                       ":'text','text':''},"
                       "{'type':'image_url','image_url':{'url':'https://x/"
                       "y'}}]},{'role':'tool','tool_call_id':'e','content':''},"
                       "{'role':'user','content':'go'}",
          "'messages':[" USE(
              "{}") ",{'role':'user','content':[{'type':'tool_result','tool_use_id':'c_2e1','content':'ok',"
                    "'cache_control':{'type':'ephemeral'}},{'type':'tool_result','tool_use_id':'d','content':[{'type':'"
                    "text','text':"
                    "'t'},{'type':'image','source':{'type':'url','url':'https://x/"
                    "y'}}],'is_error':true},{'type':'tool_result',"
                    "'tool_use_id':'e'},{'type':'text','text':'go'}]}]",
          "");
    refuses(&sonnet, "{'messages':[{'role':'assistant','tool_calls':[{'type':'custom','id':'x'}]}]}", "type function");
    refuses(&sonnet, "{'messages':[{'role':'assistant','tool_calls':[{'function':{'name':'f'}}]}]}", "needs an id");
    refuses(&sonnet, "{'messages':[{'role':'assistant','function_call':{'name':'f'}}]}", "messages[0].function_call");
    refuses(&sonnet, "{'messages':[{'role':'assistant','audio':{'id':'f'}}]}", "no audio");
}

static void keeps_its_own_thoughts(void **state) {
    (void)state;
    talks(&sonnet,
          "{'role':'assistant','content':[{'type':'thinking','thinking':'hm','signature':'s1','vendor':'anthropic'},"
          "{'type':'redacted_thinking','data':'x','vendor':'anthropic'},{'type':'text','text':'a'}],'refusal':null},"
          "{'role':'user','content':'b'}",
          "'messages':[{'role':'assistant','content':[{'type':'thinking','thinking':'hm','signature':'s1'},{'type':"
          "'redacted_thinking','data':'x'},{'type':'text','text':'a'}]}," USER("b") "]",
          "");
    talks(
        &sonnet,
        "{'role':'assistant','reasoning_content':'r','content':[{'type':'thinking','thinking':'hm','signature':'s1',"
        "'vendor':'gemini'},{'type':'thinking','thinking':'hm','vendor':'anthropic'},{'type':'refusal','refusal':'no',"
        "'signature':'z'}]},{'role':'user','content':'b'}",
        "'messages':[{'role':'assistant','content':[{'type':'text','text':'no'}]}," USER("b") "]",
        "messages[0].content[0] (thinking of another vendor)\nmessages[0].content[1] (thinking without its signature)\n"
        "messages[0].content[2].signature\nmessages[0].reasoning_content\n");
}

/* ---- tools, thinking, output ------------------------------------------------------------------------------------- */

#define TOOL "{'type':'function','function':{'name':'f','parameters':{'type':'object'}}}"
#define TOOL_OUT "{'name':'f','input_schema':{'type':'object'}}"

static void translates_tools(void **state) {
    (void)state;
    adds(&sonnet,
         "'tools':[{'type':'function','function':{'name':'f','description':'d','parameters':{'type':'object','x':1.0},"
         "'strict':true},'cache_control':{'type':'ephemeral'}},{'type':'function','function':{'name':'g'}},{'type':"
         "'function','function':{'name':'h','parameters':{'properties':{}},'strict':false}},{'type':'vendor_tool','"
         "vendor':"
         "'anthropic','tool':{'type':'web_search_20250305','name':'web_search'}}]",
         SONNET "'tools':[{'name':'f','description':'d','input_schema':{'type':'object','x':1.0},'strict':true,"
                "'cache_control':{'type':'ephemeral'}},{'name':'g','input_schema':{'type':'object','properties':{}}},"
                "{'name':'h','input_schema':{'type':'object','properties':{}}},{'type':'web_search_20250305','name':"
                "'web_search'}]," HI "}",
         "");
    static const char *const choices[][2] = {
        {"'auto'", "{'type':'auto'}"},
        {"'none'", "{'type':'none'}"},
        {"'required'", "{'type':'any'}"},
        {"{'type':'function','function':{'name':'f'}}", "{'type':'tool','name':'f'}"},
        {"'auto','parallel_tool_calls':false", "{'type':'auto','disable_parallel_tool_use':true}"},
        {"null,'parallel_tool_calls':false", "{'type':'auto','disable_parallel_tool_use':true}"},
        {"'none','parallel_tool_calls':false", "{'type':'none'}"},
        {"'required','parallel_tool_calls':true", "{'type':'any'}"},
    };
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        char more[512], expected[512];
        snprintf(more, sizeof more, "'tools':[" TOOL "],'tool_choice':%s", choices[i][0]);
        snprintf(expected, sizeof expected, SONNET "'tools':[" TOOL_OUT "],'tool_choice':%s," HI "}", choices[i][1]);
        adds(&sonnet, more, expected, "");
    }
#define ALLOW(mode) "'tool_choice':{'type':'allowed_tools','allowed_tools':{'mode':'" mode "','tools':[" TOOL "]}}"
    static const char *const modes[][2] = {{ALLOW("auto"), "auto"}, {ALLOW("required"), "any"}};
    for (size_t i = 0; i < 2; i++) {
        char more[512], expected[512];
        snprintf(more, sizeof more, "'tools':[{'type':'function','function':{'name':'g'}}," TOOL "],%s", modes[i][0]);
        snprintf(expected, sizeof expected, SONNET "'tools':[" TOOL_OUT "],'tool_choice':{'type':'%s'}," HI "}",
                 modes[i][1]);
        adds(&sonnet, more, expected, "tools[0] (not among the allowed tools)\n");
    }
    refuses_with(&sonnet, "'tools':[{'type':'function','function':{'name':'g'}}]," ALLOW("required"), "tool_choice");
    refuses_with(&sonnet, "'tools':[" TOOL "],'tool_choice':{'type':'custom','custom':{'name':'f'}}", "tool_choice");
    adds(&sonnet, "'tools':[],'tool_choice':'auto'", SONNET HI "}", "");
    adds(&old, "'tools':[{'type':'function','function':{'name':'f','strict':true,'parameters':{'type':'object'}}}]",
         HEAD("claude-3-5-haiku-20241022", "4096") "'tools':[" TOOL_OUT "]," HI "}", "tools[0].function.strict\n");
}

static void thinks_by_budget(void **state) {
    (void)state;
#define BUDGET(max, n) HEAD("claude-sonnet-4-5", max) "'thinking':{'type':'enabled','budget_tokens':" n "}," HI "}"
    adds(&sonnet, "'reasoning_effort':'low'", BUDGET("8192", "4096"), "");
    adds(&sonnet, "'reasoning_effort':'high'", BUDGET("20480", "16384"), "");
    adds(&sonnet, "'reasoning_effort':'medium','max_tokens':8192", BUDGET("8192", "4096"), "");
    adds(&sonnet, "'reasoning_effort':'medium','max_tokens':1500", BUDGET("1500", "1024"), "");
    adds(&sonnet, "'reasoning_effort':'low','max_tokens':1024", HEAD("claude-sonnet-4-5", "1024") HI "}",
         "reasoning_effort (max_tokens leaves no room for it)\n");
    adds(&sonnet, "'thinking':{'type':'enabled','budget_tokens':2000},'reasoning_effort':'high','max_tokens':3000",
         BUDGET("3000", "2000"), "");
    adds(&sonnet, "'thinking':{'type':'enabled','budget_tokens':5000},'max_tokens':5000", BUDGET("5000", "2500"),
         "thinking.budget_tokens (lowered: it has to be below max_tokens)\n");
    adds(&sonnet, "'thinking':{'type':'enabled','budget_tokens':10},'max_tokens':5000", BUDGET("5000", "1024"),
         "thinking.budget_tokens (raised to 1024, the least)\n");
    adds(&sonnet, "'thinking':{'type':'adaptive'},'max_tokens':50000", BUDGET("50000", "8192"), "");
    adds(&sonnet, "'thinking':{'type':'disabled'}", SONNET "'thinking':{'type':'disabled'}," HI "}", "");
    adds(&sonnet, "'reasoning_effort':'none'", SONNET "'thinking':{'type':'disabled'}," HI "}", "");
    adds(&sonnet, "'reasoning_effort':'low','temperature':0.2,'top_k':5,'top_p':0.5", BUDGET("8192", "4096"),
         "temperature (not together with thinking)\ntop_p (not below 0.95 together with thinking)\n"
         "top_k (not together with thinking)\n");
    adds(&old, "'reasoning_effort':'low'", HEAD("claude-3-5-haiku-20241022", "4096") HI "}",
         "reasoning_effort (this model does not think)\n");
    adds(&counting, "'reasoning_effort':'low','max_tokens':10,'temperature':1,'stop':'x'",
         "{'model':'claude-sonnet-4-5','thinking':{'type':'enabled','budget_tokens':4096}," HI "}", "");
    adds(&sonnet, "'reasoning_effort':'low','tools':[" TOOL "],'tool_choice':'required'",
         SONNET "'tools':[" TOOL_OUT "],'tool_choice':{'type':'any'}," HI "}",
         "reasoning_effort (not together with a tool_choice that forces a call)\n");
}

static void drops_thinking_where_a_turn_lacks_it(void **state) {
    (void)state;
    becomes(&sonnet,
            "{'reasoning_effort':'low','messages':[{'role':'user','content':'hi'}," CALL(
                "'{}'") ",{'role':'tool',"
                        "'tool_call_id':'c.1','content':'ok'}]}",
            SONNET
            "'messages':[" USER("hi") "," USE("{}") ",{'role':'user','content':[{'type':'tool_result','tool_use_id':"
                                                    "'c_2e1','content':'ok'}]}]}",
            "reasoning_effort (the turn that goes on lacks its own thinking)\n");
    becomes(
        &sonnet,
        "{'thinking':{'type':'enabled','budget_tokens':1024},'messages':[{'role':'user','content':'hi'},{'role':"
        "'assistant','content':[{'type':'thinking','thinking':'t','signature':'s','vendor':'anthropic'}],'tool_calls':"
        "[{'id':'c','type':'function','function':{'name':'f','arguments':''}}]},{'role':'tool','tool_call_id':'c',"
        "'content':'ok'}]}",
        HEAD("claude-sonnet-4-5", "5120") "'thinking':{'type':'enabled','budget_tokens':1024},'messages':[" USER(
            "hi") ",{'role':'assistant','content':[{'type':'thinking','thinking':'t','signature':'s'},{'type':"
                  "'tool_use','id':'c','name':'f','input':{}}]},{'role':'user','content':[{'type':'tool_result',"
                  "'tool_use_id':'c','content':'ok'}]}]}",
        "");
}

static void thinks_adaptively(void **state) {
    (void)state;
#define EFFORT(model, e) HEAD(model, "4096") "'thinking':{'type':'adaptive'},'output_config':{'effort':'" e "'}," HI "}"
    adds(&both, "'reasoning_effort':'minimal'", EFFORT("claude-sonnet-4-6", "low"), "");
    adds(&both, "'reasoning_effort':'xhigh'", EFFORT("claude-sonnet-4-6", "max"), "");
    adds(&opus, "'reasoning_effort':'xhigh'", EFFORT("claude-opus-4-8", "xhigh"), "");
    adds(&opus, "'thinking':{'type':'adaptive'}",
         HEAD("claude-opus-4-8", "4096") "'thinking':{'type':'adaptive'}," HI "}", "");
    adds(&both, "'thinking':{'type':'enabled','budget_tokens':2000},'max_tokens':4096",
         HEAD("claude-sonnet-4-6", "4096") "'thinking':{'type':'enabled','budget_tokens':2000}," HI "}", "");
    adds(&opus, "'thinking':{'type':'enabled','budget_tokens':8000}", EFFORT("claude-opus-4-8", "medium"),
         "thinking.budget_tokens (this model takes no budget)\n");
    adds(&opus, "'thinking':{'type':'enabled','budget_tokens':99999}", EFFORT("claude-opus-4-8", "xhigh"),
         "thinking.budget_tokens (this model takes no budget)\n");
    adds(&opus, "'reasoning_effort':'low','thinking':{'include':false,'type':'adaptive'}",
         HEAD("claude-opus-4-8",
              "4096") "'thinking':{'type':'adaptive','display':'omitted'},'output_config':{'effort':'low'"
                      "}," HI "}",
         "");
    adds(&opus, "'thinking':{'include':true}", HEAD("claude-opus-4-8", "4096") HI "}", "");
    adds(&fable, "'thinking':{'include':true}",
         HEAD("claude-fable-5", "4096") "'thinking':{'type':'adaptive','display':'summarized'}," HI "}", "");
    adds(&both, "'thinking':{'include':true},'reasoning_effort':'high'",
         HEAD("claude-sonnet-4-6",
              "4096") "'thinking':{'type':'adaptive','display':'summarized'},'output_config':{'effort':"
                      "'high'}," HI "}",
         "");
    adds(&both, "'thinking':{'type':'enabled','budget_tokens':-1}",
         HEAD("claude-sonnet-4-6", "4096") "'thinking':{'type':'adaptive'}," HI "}", "");
    adds(&fable, "'reasoning_effort':'none'", HEAD("claude-fable-5", "4096") "'output_config':{'effort':'low'}," HI "}",
         "reasoning_effort (this model always thinks; sent as the least effort)\n");
    ask a = opus;
    a.model = "claude-sonnet-5-5";
    adds(&a, "'reasoning_effort':'none'",
         HEAD("claude-sonnet-5-5", "4096") "'thinking':{'type':'between_tools'}," HI "}", "");
}

/* Which generation a name means, seen by how it takes an effort. */
static void knows_models_by_name(void **state) {
    (void)state;
    static const struct {
        const char *model;
        const char *thinking; /* "" where it does not think */
    } cases[] = {
        {"claude-3-7-sonnet-20250219", "enabled"},
        {"claude-3.5-sonnet", ""},
        {"claude-2.1", ""},
        {"claude-opus-4-20250514", "enabled"},
        {"us.anthropic.claude-opus-4-20250514-v1:0", "enabled"},
        {"claude-opus-4-5", "enabled"},
        {"anthropic.claude-haiku-4-5-20251001-v1:0", "enabled"},
        {"claude-haiku-4-5@20251001", "enabled"},
        {"anthropic/claude-opus-4.6", "adaptive"},
        {"claude-opus-4-7", "adaptive"},
        {"claude-sonnet-5", "adaptive"},
        {"claude-mythos-preview", "adaptive"},
        {"claude-next", "adaptive"},
        {"kimi-k3", "enabled"},
        {"claude-instant-1.2", ""},
        {"claude-v2:1", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sent s;
        mg_buf out = {0};
        mg_error error;
        const ask a = {&plain, MG_OP_CHAT, MG_FORMAT_OPENAI, false, cases[i].model};
        assert_int_equal(send(&a, "{" ASK ",'reasoning_effort':'low'}", &s, &out, &error), MG_OK);
        mg_str type = mg_json_text(mg_json_path(provider_json(&plain, mg_buf_view(&out)), "thinking.type"));
        if (!mg_str_is(type, cases[i].thinking)) fail_msg("%s: %s", cases[i].model, out.p);
        mg_buf_finish(&out);
        mg_arena_reset(plain.arena);
    }
}

#define SCHEMA(schema) "'response_format':{'type':'json_schema','json_schema':{'name':'n','schema':" schema "}}"
#define FORM(schema) SONNET "'output_config':{'format':{'type':'json_schema','schema':" schema "}}," HI "}"
#define CLOSED ",'additionalProperties':false}"

static void closes_objects_of_the_answer(void **state) {
    (void)state;
    adds(&sonnet, SCHEMA("{'type':'object','properties':{'type':{'type':'string'},'o':{'properties':{}}},'required':[]}"),
         FORM("{'type':'object','properties':{'type':{'type':'string'},'o':{'properties':{}" CLOSED "},'required':[]" CLOSED),
         "");
    adds(&sonnet,
         SCHEMA("{'type':'array','items':{'anyOf':[{'type':['object','null']},{'type':'null'}]},"
                "'$defs':{'d':{'type':'object','additionalProperties':false}}}"),
         FORM("{'type':'array','items':{'anyOf':[{'type':['object','null']" CLOSED ",{'type':'null'}]},"
              "'$defs':{'d':{'type':'object','additionalProperties':false}}}"),
         "");
    adds(&sonnet, SCHEMA("{'type':'object','additionalProperties':{'type':'object'},'enum':[{'type':'object'}]}"),
         FORM("{'type':'object','additionalProperties':{'type':'object'" CLOSED ",'enum':[{'type':'object'}]}"), "");
}

static void forms_the_answer(void **state) {
    (void)state;
    adds(&sonnet,
         "'response_format':{'type':'json_schema','json_schema':{'name':'n','strict':true,'schema':{'type':'object'}}}",
         SONNET "'output_config':{'format':{'type':'json_schema','schema':{'type':'object','additionalProperties':"
                "false}}}," HI "}",
         "");
    adds(&opus,
         "'reasoning_effort':'high','response_format':{'type':'json_schema','json_schema':{'name':'n','schema':{'a':1},"
         "'description':'d'}}",
         HEAD("claude-opus-4-8",
              "4096") "'thinking':{'type':'adaptive'},'output_config':{'effort':'high','format':{'type':"
                      "'json_schema','schema':{'a':1}}}," HI "}",
         "response_format.json_schema.description\n");
    adds(&sonnet, "'response_format':{'type':'text'}", SONNET HI "}", "");
    adds(&sonnet, "'response_format':{'type':'json_object'}",
         SONNET
         "'system':[{'type':'text','text':'Answer with one JSON object and nothing else: no text around it and no "
         "code fence.'}]," HI "}",
         "response_format (json_object: asked for in the system prompt)\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_system_messages),
        cmocka_unit_test(merges_messages_of_one_role),
        cmocka_unit_test(lets_a_prefix_through),
        cmocka_unit_test(translates_images_and_files),
        cmocka_unit_test(translates_tool_calls_and_results),
        cmocka_unit_test(keeps_its_own_thoughts),
        cmocka_unit_test(translates_tools),
        cmocka_unit_test(thinks_by_budget),
        cmocka_unit_test(drops_thinking_where_a_turn_lacks_it),
        cmocka_unit_test(thinks_adaptively),
        cmocka_unit_test(knows_models_by_name),
        cmocka_unit_test(forms_the_answer),
        cmocka_unit_test(closes_objects_of_the_answer),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
