/* The bedrock provider: messages, content parts, calls and their results. */
#include "bedrock.h"

#define USER(blocks) "'messages':[{'role':'user','content':[" blocks "]}]"
#define HELLO "{'role':'user','content':'hi'}"
#define HELLO_SENT "{'role':'user','content':[{'text':'hi'}]}"

static void puts_messages_in_turns(void **state) {
    (void)state;
    talks(&llama, "{'role':'user','content':'a'},{'role':'user','content':[{'type':'text','text':'b'}]}",
          USER("{'text':'a'},{'text':'b'}"), "");
    talks(&llama, HELLO ",{'role':'assistant','content':'yo','refusal':null},{'role':'user','content':'b'}",
          "'messages':[" HELLO_SENT ",{'role':'assistant','content':[{'text':'yo'}]},"
          "{'role':'user','content':[{'text':'b'}]}]",
          "");
    talks(&llama,
          HELLO ",{'role':'assistant','content':[{'type':'refusal','refusal':'no'}]},"
                "{'role':'assistant','content':null,'refusal':'never'}",
          "'messages':[" HELLO_SENT ",{'role':'assistant','content':[{'text':'no'},{'text':'never'}]}]", "");
    refuses_talk(&llama, "{'role':'critic','content':'x'}", "'critic'");
    refuses_talk(&llama, "{'role':'user','content':7}", "a string or a list");
    refuses_talk(&llama, "{'role':'user','content':['x']}", "has to be an object");
    refuses_talk(&llama, HELLO ",{'role':'assistant','audio':{'id':'x'}}", "messages[1].audio");
    refuses_talk(&llama, HELLO ",{'role':'assistant','function_call':{'name':'f'}}", "old form");
}

static void gathers_the_system_prompt(void **state) {
    (void)state;
    talks(&llama, "{'role':'system','content':'a'},{'role':'developer','content':[{'type':'text','text':'b'}]}," HELLO,
          "'system':[{'text':'a'},{'text':'b'}],'messages':[" HELLO_SENT "]", "");
    talks(&llama, HELLO ",{'role':'system','content':'late'}", "'system':[{'text':'late'}],'messages':[" HELLO_SENT "]",
          "messages[1] (its place: moved to the system prompt)\n");
    refuses_talk(&llama, "{'role':'system','content':[{'type':'image_url','image_url':{'url':'x'}}]}",
                 "only text in messages of role system");
    refuses_talk(&llama, "{'role':'system','content':'a'}", "needs a message");
}

static void leaves_out_blanks(void **state) {
    (void)state;
    talks(&llama, "{'role':'user','content':' '},{'role':'user','content':[{'type':'text','text':'\\n'}]}," HELLO,
          "'messages':[" HELLO_SENT "]",
          "messages[0].content (only white space)\nmessages[1].content[0] (only white space)\n");
    talks(&sonnet, HELLO ",{'role':'assistant','content':'It is '}",
          "'messages':[" HELLO_SENT ",{'role':'assistant','content':[{'text':'It is'}]}]",
          "messages[1] (white space at the end)\n");
    talks(&llama, "{'role':'user','content':'hi','name':'ann','x':{'y':1}}", "'messages':[" HELLO_SENT "]",
          "messages[0].name\nmessages[0].x\n");
}

/* ---- media ------------------------------------------------------------------------------------------------------- */

#define PART(json) "{'role':'user','content':[" json "]}"
#define IMAGE(url) PART("{'type':'image_url','image_url':{'url':'" url "'}}")
#define FILE_OF(members) PART("{'type':'file','file':{" members "}}")

static void takes_images(void **state) {
    (void)state;
    talks(&nova, IMAGE("data:image/png;base64,QUJD"), USER("{'image':{'format':'png','source':{'bytes':'QUJD'}}}"), "");
    talks(&nova, IMAGE("data:image/jpg;x=y;base64,QUI"), USER("{'image':{'format':'jpeg','source':{'bytes':'QUI='}}}"),
          "");
    talks(&nova, IMAGE("data:IMAGE/WebP;BASE64,QQ=="), USER("{'image':{'format':'webp','source':{'bytes':'QQ=='}}}"),
          "");
    talks(&nova, IMAGE("s3://bucket/a.b/cat.JPG"),
          USER("{'image':{'format':'jpeg','source':{'s3Location':{'uri':'s3://bucket/a.b/cat.JPG'}}}}"), "");
    talks(&nova, PART("{'type':'image_url','image_url':{'url':'data:image/gif;base64,QUJD','detail':'low'}}"),
          USER("{'image':{'format':'gif','source':{'bytes':'QUJD'}}}"), "messages[0].content[0].image_url.detail\n");
    talks(&nova, PART("{'type':'image_url','image_url':'data:image/gif;base64,QUJD'}"),
          USER("{'image':{'format':'gif','source':{'bytes':'QUJD'}}}"), "");
    refuses_talk(&nova, IMAGE("https://x/y.png"), "fetches no URLs");
    refuses_talk(&nova, IMAGE("s3://bucket/cat"), "has to end in its format");
    refuses_talk(&nova, IMAGE("data:image/bmp;base64,QUJD"), "not as 'image/bmp'");
    refuses_talk(&nova, IMAGE("data:application/pdf;base64,QUJD"), "not as 'application/pdf'");
    refuses_talk(&nova, IMAGE("data:image/png,abc"), "base64 data URL");
    refuses_talk(&nova, IMAGE("data:image/png;base64,"), "base64");
    refuses_talk(&nova, IMAGE("data:image/png;base64,A"), "base64");
    refuses_talk(&nova, IMAGE("data:image/png;base64,QU\\'JD"), "base64");
    refuses_talk(&nova, IMAGE("ftp://x"), "base64 data URL");
    refuses_talk(&nova, HELLO ",{'role':'assistant','content':[{'type':'image_url','image_url':{'url':'x'}}]}",
                 "only text in messages of role assistant");
}

#define DOCUMENT(format, name) "{'document':{'format':'" format "','name':'" name "','source':{'bytes':'QUJD'}}}"

static void takes_documents(void **state) {
    (void)state;
    talks(&nova,
          FILE_OF("'filename':'My  report_v2 (final).pdf','file_data':'data:application/pdf;base64,QUJD'") "," FILE_OF(
              "'file_data':'data:text/x-log;base64,QUJD'") "," FILE_OF("'filename':'.hidden','file_data':'data:text/"
                                                                       "csv;base64,QUJD'"),
          USER(DOCUMENT("pdf", "My report v2 (final) 1") "," DOCUMENT("txt", "document 2") "," DOCUMENT("csv",
                                                                                                        "document 3")),
          "");
    talks(&nova, FILE_OF("'filename':'ä.docx','file_data':'data:application/octet-stream;base64,QUJD'"),
          USER(DOCUMENT("docx", "document 1")), "");
    talks(&nova, FILE_OF("'filename':'x','file_url':'s3://b/report.pdf'"),
          USER("{'document':{'format':'pdf','name':'x 1','source':{'s3Location':{'uri':'s3://b/report.pdf'}}}}"), "");
    talks(&nova, FILE_OF("'file_data':'data:image/png;base64,QUJD'"),
          USER("{'image':{'format':'png','source':{'bytes':'QUJD'}}}"), "");
    talks(&nova, FILE_OF("'file_data':'data:video/3gpp;base64,QUJD'"),
          USER("{'video':{'format':'three_gp','source':{'bytes':'QUJD'}}}"), "");
    talks(&nova, FILE_OF("'file_data':'data:text/markdown;base64,QUJD','file_id':'f','size':3"),
          USER(DOCUMENT("md", "document 1")),
          "messages[0].content[0].file.file_id\nmessages[0].content[0].file.size\n");
    refuses_talk(&nova, FILE_OF("'file_url':'https://x/y.pdf'"), "fetches no URLs");
    refuses_talk(&nova, FILE_OF("'file_id':'f'"), "keeps no files");
    refuses_talk(&nova, FILE_OF("'file_data':'QUJD'"), "data URL");
    refuses_talk(&nova, FILE_OF("'file_data':'data:application/zip;base64,QUJD','filename':'x'"), "'application/zip'");
}

static void takes_sound(void **state) {
    (void)state;
    talks(&nova, PART("{'type':'input_audio','input_audio':{'data':'QUJD','format':'wav'}}"),
          USER("{'audio':{'format':'wav','source':{'bytes':'QUJD'}}}"), "");
    refuses_talk(&nova, PART("{'type':'input_audio','input_audio':{'data':'QUJD','format':'png'}}"),
                 "no sound as 'png'");
    refuses_talk(&nova, PART("{'type':'input_audio','input_audio':{'data':'?','format':'wav'}}"), "base64");
    refuses_talk(&nova, PART("{'type':'hologram'}"), "'hologram'");
}

/* ---- caching ----------------------------------------------------------------------------------------------------- */

#define EPHEMERAL "'cache_control':{'type':'ephemeral'}"
#define POINT "{'cachePoint':{'type':'default'}}"

static void marks_what_is_cached(void **state) {
    (void)state;
    const char *marked = "{'role':'system','content':[{'type':'text','text':'s'," EPHEMERAL "}]},"
                         "{'role':'user','content':[{'type':'text','text':'a',"
                         "'cache_control':{'type':'ephemeral','ttl':'1h'}},{'type':'text','text':'b'}]," EPHEMERAL "}";
    talks(&sonnet, marked,
          "'system':[{'text':'s'}," POINT "]," USER("{'text':'a'},{'cachePoint':{'type':'default','ttl':'1h'}},"
                                                    "{'text':'b'}," POINT),
          "");
    talks(&nova, marked, "'system':[{'text':'s'}," POINT "]," USER("{'text':'a'}," POINT ",{'text':'b'}," POINT),
          "messages[1].content[0].cache_control.ttl\n");
    talks(&llama, marked, "'system':[{'text':'s'}]," USER("{'text':'a'},{'text':'b'}"),
          "messages[0].content[0].cache_control\nmessages[1].content[0].cache_control\nmessages[1].cache_control\n");
    talks(&sonnet, "{'role':'user','content':' '," EPHEMERAL "}," HELLO, "'messages':[" HELLO_SENT "]",
          "messages[0].content (only white space)\nmessages[0].cache_control\n");
}

/* ---- thoughts ---------------------------------------------------------------------------------------------------- */

static void hands_back_thoughts(void **state) {
    (void)state;
    const char *thoughts = HELLO ",{'role':'assistant','thinking_blocks':["
                                 "{'type':'thinking','thinking':'t','signature':'s','vendor':'anthropic'},"
                                 "{'type':'redacted_thinking','data':'QUJD','vendor':'bedrock'},"
                                 "{'type':'redacted_thinking','data':'x','vendor':'anthropic'},"
                                 "{'type':'thinking','thinking':'t','vendor':'anthropic'},"
                                 "{'type':'thinking','thinking':'t','signature':'s','vendor':'gemini'}],"
                                 "'content':[{'type':'thinking','thinking':'u','signature':'r','vendor':'anthropic'},"
                                 "{'type':'text','text':'yo'}]}," HELLO;
    const char *kept =
        "'messages':[" HELLO_SENT ",{'role':'assistant','content':["
        "{'reasoningContent':{'reasoningText':{'text':'t','signature':'s'}}},"
        "{'reasoningContent':{'redactedContent':'QUJD'}},"
        "{'reasoningContent':{'reasoningText':{'text':'u','signature':'r'}}},{'text':'yo'}]}," HELLO_SENT "]";
#define LOST(n) "messages[1].thinking_blocks[" n "] (thinking that this model did not sign)\n"
    talks(&sonnet, thoughts, kept, LOST("2") LOST("3") LOST("4"));
    talks(&nova, thoughts, "'messages':[" HELLO_SENT ",{'role':'assistant','content':[{'text':'yo'}]}," HELLO_SENT "]",
          LOST("0") LOST("1") LOST("2") LOST("3")
              LOST("4") "messages[1].content[0] (thinking that this model did not sign)\n");
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

#define GONE                                                                                                           \
    ",'toolConfig':{'tools':[{'toolSpec':{'name':'f','description':'Not available any more: must not be called. "      \
    "Earlier calls of it stand in the conversation.','inputSchema':{'json':{'type':'object'}}}}]}"
#define CALL(id, arguments) "{'id':'" id "','type':'function','function':{'name':'f','arguments':'" arguments "'}}"
#define CALLS(calls) HELLO ",{'role':'assistant','content':null,'tool_calls':[" calls "]}"
#define CALLED(uses) "'messages':[" HELLO_SENT ",{'role':'assistant','content':[" uses "]}"
#define USE(id, input) "{'toolUse':{'toolUseId':'" id "','name':'f','input':" input "}}"

static void hands_back_calls(void **state) {
    (void)state;
    talks(&llama, CALLS(CALL("a.b:c-d_1", "{\\'x\\':1}") "," CALL("2", "") "," CALL("3", " ")),
          CALLED(USE("a.b:c-d_1", "{'x':1}") "," USE("2", "{}") "," USE("3", "{}")) "]" GONE, "");
    talks(&llama,
          CALLS("{'id':'1','index':0,'signature':'s','vendor':'gemini','function':{'name':'f','arguments':{'x':1},"
                "'y':2}}"),
          CALLED(USE("1", "{'x':1}")) "]" GONE,
          "messages[1].tool_calls[0].signature\nmessages[1].tool_calls[0].vendor\n"
          "messages[1].tool_calls[0].function.y\n");
    refuses_talk(&llama, CALLS(CALL("1", "[1]")), "text of a JSON object");
    refuses_talk(&llama, CALLS(CALL("1", "{\\'x\\':1}}")), "text of a JSON object");
    refuses_talk(&llama, CALLS(CALL("", "{}")), "needs an id");
    refuses_talk(&llama, CALLS("{'id':'1','function':{'name':'a b'}}"), "letters, digits");
    refuses_talk(&llama, CALLS("{'id':'1','type':'custom','custom':{'name':'f'}}"), "not 'custom'");
}

/* Ids become such as Bedrock takes, and stay apart: calls and results find one another. */
static void maps_ids(void **state) {
    (void)state;
#define SIXTY "123456789012345678901234567890123456789012345678901234567890"
    talks(&llama,
          CALLS(CALL(SIXTY "1234", "") "," CALL(SIXTY "12345", "") "," CALL(
              "a/b", "")) ","
                          "{'role':'tool','tool_call_id':'" SIXTY
                          "12345','content':'x'},{'role':'tool','tool_call_id':'a/b'}",
          CALLED(USE(SIXTY "1234", "{}") "," USE(
              "12345678901234567890123456789012345678901234567_879fd49a073ac4f0",
              "{}") "," USE("a_b_e620c3190468cf61",
                            "{}")) ",{'role':'user','content':[{'toolResult':{'toolUseId':"
                                   "'12345678901234567890123456789012345678901234567_879fd49a073ac4f0','content':[{'"
                                   "text':'x'}]}},"
                                   "{'toolResult':{'toolUseId':'a_b_e620c3190468cf61','content':[]}}]}]" GONE,
          "");
}

static void hands_back_results(void **state) {
    (void)state;
    talks(&sonnet,
          CALLS(CALL("1", "")) ",{'role':'tool','tool_call_id':'1','is_error':true,'name':'f','content':["
                               "{'type':'text','text':'a'," EPHEMERAL "},{'type':'text','text':''},"
                               "{'type':'image_url','image_url':{'url':'data:image/png;base64,QUJD'}}]," EPHEMERAL "},"
                               "{'role':'user','content':'go on'}",
          CALLED(USE("1", "{}")) ",{'role':'user','content':[{'toolResult':{'toolUseId':'1','content':[{'text':'a'},"
                                 "{'image':{'format':'png','source':{'bytes':'QUJD'}}}],'status':'error'}}," POINT
                                 ",{'text':'go on'}]}]" GONE,
          "messages[2].content[0].cache_control\nmessages[2].name\n");
    refuses_talk(&llama, HELLO ",{'role':'tool','content':'x'}", "needs a tool_call_id");
    refuses_talk(&llama,
                 HELLO ",{'role':'tool','tool_call_id':'1','content':[{'type':'input_audio','input_audio':"
                       "{'data':'QUJD','format':'wav'}}]}",
                 "no sound in the result");
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
        cmocka_unit_test(puts_messages_in_turns), cmocka_unit_test(gathers_the_system_prompt),
        cmocka_unit_test(leaves_out_blanks),      cmocka_unit_test(takes_images),
        cmocka_unit_test(takes_documents),        cmocka_unit_test(takes_sound),
        cmocka_unit_test(marks_what_is_cached),   cmocka_unit_test(hands_back_thoughts),
        cmocka_unit_test(hands_back_calls),       cmocka_unit_test(maps_ids),
        cmocka_unit_test(hands_back_results),
    };
    return cmocka_run_group_tests(tests, open_plain, close_plain);
}
