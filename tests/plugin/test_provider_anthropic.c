/* The anthropic provider: what it sends for both formats. In this file ' stands for " in JSON. */
#include "provider.h"

static provider plain, quirky;

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

static mg_str quoted(provider *p, const char *text) {
    mg_str s = mg_arena_dup(p->arena, mg_str_of(text));
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\'') ((char *)s.p)[i] = '"';
    return s;
}

/* ---- encode ------------------------------------------------------------------------------------------------------ */

typedef struct ask {
    provider *p;
    mg_operation op;
    mg_format_id format;
    bool stream;
    const char *model;
} ask;

static const ask sonnet = {&plain, MG_OP_CHAT, MG_FORMAT_OPENAI, false, "claude-sonnet-4-5"};
static const ask old = {&plain, MG_OP_CHAT, MG_FORMAT_OPENAI, false, "claude-3-5-haiku-20241022"};
static const ask both = {&plain, MG_OP_CHAT, MG_FORMAT_OPENAI, false, "claude-sonnet-4-6"};
static const ask opus = {&plain, MG_OP_CHAT, MG_FORMAT_OPENAI, false, "claude-opus-4-8"};
static const ask fable = {&plain, MG_OP_CHAT, MG_FORMAT_OPENAI, false, "claude-fable-5"};
static const ask counting = {&plain, MG_OP_COUNT_TOKENS, MG_FORMAT_OPENAI, false, "claude-sonnet-4-5"};
static const ask native = {&plain, MG_OP_CHAT, MG_FORMAT_ANTHROPIC, false, "m"};

static mg_status send(const ask *a, const char *body, sent *s, mg_buf *out, mg_error *error) {
    mg_provider_request r = {.operation = a->op, .format = a->format, .stream = a->stream, .want_usage = a->stream};
    r.model = mg_str_of(a->model);
    r.body = quoted(a->p, body);
    return provider_encode(a->p, &r, s, out, error);
}

/* Fails unless the body becomes `expected`, and these members, one a line, are reported as left out. */
static void becomes(const ask *a, const char *body, const char *expected, const char *dropped) {
    sent s;
    mg_buf out = {0};
    mg_error error = {0};
    if (send(a, body, &s, &out, &error) != MG_OK) fail_msg("%s: %s", body, error.text);
    mg_str want = quoted(a->p, expected);
    if (!mg_str_eq(mg_buf_view(&out), want))
        fail_msg("%s\nbecame %s\nnot    " MG_STR_FMT, body, out.p, MG_STR_ARG(want));
    assert_string_equal(s.dropped, dropped);
    mg_buf_finish(&out);
    mg_arena_reset(a->p->arena);
}

static void refuses(const ask *a, const char *body, const char *says) {
    sent s;
    mg_buf out = {0};
    mg_error error = {0};
    assert_int_equal(send(a, body, &s, &out, &error), MG_ERROR);
    assert_int_equal(error.http, 400);
    if (!strstr(error.text, says)) fail_msg("%s: '%s' does not say '%s'", body, error.text, says);
    mg_buf_finish(&out);
    mg_arena_reset(a->p->arena);
}

#define HEAD(model, max) "{'model':'" model "','max_tokens':" max ","
#define SONNET HEAD("claude-sonnet-4-5", "4096")
#define HI "'messages':[{'role':'user','content':[{'type':'text','text':'hi'}]}]"
#define ASK "'messages':[{'role':'user','content':'hi'}]"

/* What stands in for members: the request is ASK and `more`. */
static void adds(const ask *a, const char *more, const char *expected, const char *dropped) {
    char body[2048];
    snprintf(body, sizeof body, "{" ASK ",%s}", more);
    becomes(a, body, expected, dropped);
}

static void refuses_with(const ask *a, const char *more, const char *says) {
    char body[2048];
    snprintf(body, sizeof body, "{" ASK ",%s}", more);
    refuses(a, body, says);
}

/* `from` are canonical messages, `to` what stands between the head and the end. */
static void talks(const ask *a, const char *from, const char *to, const char *dropped) {
    char body[4096], expected[4096];
    snprintf(body, sizeof body, "{'messages':[%s]}", from);
    snprintf(expected, sizeof expected, HEAD("%s", "4096") "%s}", a->model, to);
    becomes(a, body, expected, dropped);
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
    refuses_with(&sonnet, "'tools':[" TOOL "],'tool_choice':{'type':'allowed_tools'}", "tool_choice");
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

static void forms_the_answer(void **state) {
    (void)state;
    adds(&sonnet,
         "'response_format':{'type':'json_schema','json_schema':{'name':'n','strict':true,'schema':{'type':'object'}}}",
         SONNET "'output_config':{'format':{'type':'json_schema','schema':{'type':'object'}}}," HI "}", "");
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
        cmocka_unit_test(drops_what_settings_say),
        cmocka_unit_test(translates_plain_members),
        cmocka_unit_test(reports_what_it_leaves_out),
        cmocka_unit_test(refuses_what_it_can_not_express),
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
        cmocka_unit_test(refuses_bad_settings),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
