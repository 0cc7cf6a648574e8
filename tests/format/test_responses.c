/* The responses format: what requests may hold, how policies change them, and their canonical form. */
#include "responses_fixture.h"

#define F mg_format_responses

/* ---- check and read ---------------------------------------------------------------------------------------------- */

static void check(const char *body, const char *expected) {
    mg_error e = {0};
    mg_status st = F.check(MG_OP_CHAT, fixture_z(body), &e);
    if (!expected && st != MG_OK) fail_msg("%s: %s", body, e.text);
    if (!expected) return;
    if (st != MG_ERROR || e.http != 400 || !strstr(e.text, expected)) fail_msg("%s: %d %s", body, e.http, e.text);
}

static void checks(void **state) {
    (void)state;
    check("{\"model\":\"m\",\"input\":\"hi\"}", NULL);
    check("{\"model\":\"m\",\"input\":[]}", NULL);
    check("{\"model\":\"m\",\"previous_response_id\":\"r\"}", NULL);
    check("{\"model\":\"m\",\"input\":\"hi\",\"temperature\":null,\"stream\":null,\"tools\":null}", NULL);
    check("{\"input\":\"hi\"}", "'model'");
    check("{\"model\":\"m\"}", "'input'");
    check("{\"model\":\"m\",\"input\":7}", "'input'");
    check("{\"model\":\"m\",\"input\":[7]}", "'input[0]'");
    check("{\"model\":\"m\",\"input\":[{\"role\":\"robot\",\"content\":\"x\"}]}", "'input[0].role'");
    check("{\"model\":\"m\",\"input\":[{\"role\":\"user\"}]}", "'input[0].content'");
    check("{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":[\"x\"]}]}", "'input[0].content[0]'");
    check("{\"model\":\"m\",\"input\":[{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"\"}]}",
          "'input[0].call_id'");
    check(
        "{\"model\":\"m\",\"input\":[{\"type\":\"function_call\",\"name\":\"f\",\"call_id\":\"c\",\"arguments\":{}}]}",
        "'input[0].arguments'");
    check("{\"model\":\"m\",\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"c\"}]}", "'input[0].output'");
    check("{\"model\":\"m\",\"input\":[{}]}", "'input[0].id'");
    check("{\"model\":\"m\",\"input\":\"x\",\"instructions\":[]}", "'instructions'");
    check("{\"model\":\"m\",\"input\":\"x\",\"stream\":\"yes\"}", "'stream'");
    check("{\"model\":\"m\",\"input\":\"x\",\"tools\":[{\"name\":\"f\"}]}", "'tools[0].type'");
    check("{\"model\":\"m\",\"input\":\"x\",\"tools\":[{\"type\":\"function\"}]}", "'tools[0].name'");
    check("{\"model\":\"m\",\"input\":\"x\",\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":1}]}",
          "'tools[0].parameters'");
    check("{\"model\":\"m\",\"input\":\"x\",\"text\":{\"format\":{\"type\":\"xml\"}}}", "'text.format.type'");
    check("{\"model\":\"m\",\"input\":\"x\",\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"n\"}}}",
          "'text.format.schema'");
    check("{\"model\":\"m\",\"input\":\"x\",\"reasoning\":{\"effort\":1}}", "'reasoning.effort'");
    check("{\"model\":\"m\",\"input\":\"x\",\"max_output_tokens\":0}", "'max_output_tokens'");
}

static void reads(void **state) {
    (void)state;
    mg_facts f;
    F.read(MG_OP_CHAT,
           fixture_z("{\"model\":\"m\",\"input\":\"x\",\"stream\":true,\"user\":\"u\",\"max_output_tokens\":99,"
                     "\"metadata\":{\"a\":\"b\"},\"tools\":[]}"),
           &f);
    assert_true(mg_str_is(f.model, "m") && f.stream && f.usage_asked && mg_str_is(f.user, "u"));
    assert_int_equal(f.max_output, 99);
    assert_int_equal(f.choices, 1);
    assert_non_null(f.tools);
    assert_true(mg_str_is(mg_json_text(mg_json_get(f.tags, MG_STR("a"))), "b"));
    F.read(MG_OP_CHAT, fixture_z("{\"model\":\"m\",\"input\":\"x\",\"user\":\"u\",\"safety_identifier\":\"s\"}"), &f);
    assert_true(mg_str_is(f.user, "s") && !f.stream && f.max_output == -1 && !f.tags);
}

/* ---- parts ------------------------------------------------------------------------------------------------------- */

static void take_part(void *arg, const mg_part *p) {
    static const char *const kinds[] = {"text", "arguments", "image", "audio", "file", "other"};
    mg_buf_printf(arg, "%s/" MG_STR_FMT "/" MG_STR_FMT "/" MG_STR_FMT "=", kinds[p->kind], MG_STR_ARG(p->role),
                  MG_STR_ARG(p->name), MG_STR_ARG(p->mime));
    mg_buf_str(arg, p->text ? p->text->str : MG_STR("-"));
    mg_buf_str(arg, MG_STR("\n"));
}

static void parts(void **state) {
    (void)state;
    mg_buf b = {0};
    F.parts(MG_OP_CHAT, fixture_z("{\"instructions\":\"be kind\",\"input\":\"hi\"}"), take_part, &b);
    mg_buf_add(&b, "", 1);
    assert_string_equal(b.p, "text/system//=be kind\ntext/user//=hi\n");
    mg_buf_clear(&b);
    F.parts(
        MG_OP_CHAT,
        fixture_z(
            "{\"input\":[{\"role\":\"developer\",\"content\":\"d\"},{\"role\":\"user\",\"content\":["
            "{\"type\":\"input_text\",\"text\":\"t\"},{\"type\":\"input_image\",\"image_url\":\"data:image/png;base64,"
            "AA\"},{\"type\":\"input_file\",\"filename\":\"a.pdf\",\"file_data\":\"data:application/pdf;base64,AA\"},"
            "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AA\",\"format\":\"wav\"}}]},"
            "{\"type\":\"reasoning\",\"id\":\"r\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"hm\"}],"
            "\"encrypted_content\":\"x\"},{\"type\":\"message\",\"role\":\"assistant\",\"content\":["
            "{\"type\":\"output_text\",\"text\":\"o\"},{\"type\":\"refusal\",\"refusal\":\"no\"}]},"
            "{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\"},"
            "{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"42\"},"
            "{\"type\":\"function_call_output\",\"call_id\":\"d\",\"output\":[{\"type\":\"input_text\",\"text\":"
            "\"43\"}]},{\"type\":\"web_search_call\",\"id\":\"w\"}]}"),
        take_part, &b);
    mg_buf_add(&b, "", 1);
    assert_string_equal(b.p, "text/developer//=d\ntext/user//=t\nimage/user//image/png=-\n"
                             "file/user/a.pdf/application/pdf=-\naudio/user//wav=-\nother/assistant/reasoning/=hm\n"
                             "other/assistant/reasoning/=-\ntext/assistant//=o\ntext/assistant//=no\n"
                             "arguments/assistant/f/={}\ntext/tool//=42\ntext/tool//=43\n"
                             "other/assistant/web_search_call/=-\n");
    mg_buf_finish(&b);
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */

typedef enum change { SET_SYSTEM, SET_MAX, SET_PARAM, ADD_MESSAGE, REMOVE_TOOL } change;

static mg_status apply(change what, const mg_draft *d, const char *a, const char *b) {
    switch (what) {
    case SET_SYSTEM: return F.set_system(d, mg_str_of(a), &fx.error);
    case SET_MAX: return F.set_max_output(d, 77, &fx.error);
    case SET_PARAM: return F.set_param(d, mg_str_of(a), mg_str_of(b), &fx.error);
    case ADD_MESSAGE: return F.add_message(d, mg_str_of(a), mg_str_of(b), &fx.error);
    default: return F.remove_tool(d, mg_str_of(a), &fx.error);
    }
}

/* The body after a change; NULL as `expected`: it is refused. */
static void changed(const char *body, change what, const char *a, const char *b, const char *expected) {
    mg_edits edits;
    mg_edits_init(&edits, fx.arena);
    const mg_draft d = {MG_OP_CHAT, fixture_z(body), mg_str_of(body), &edits};
    mg_status st = apply(what, &d, a, b);
    if (!expected) {
        assert_int_not_equal(st, MG_OK);
        return;
    }
    assert_int_equal(st, MG_OK);
    mg_str text = mg_edits_render(&edits, d.source);
    fixture_json(text);
    if (!mg_str_is(text, expected)) fail_msg(MG_STR_FMT " is not %s", MG_STR_ARG(text), expected);
}

static void changes_messages(void **state) {
    (void)state;
    changed("{\"input\":\"x\"}", SET_SYSTEM, "be", "", "{\"input\":\"x\",\"instructions\":\"be\"}");
    changed(
        "{\"instructions\":\"old\",\"input\":[{\"role\":\"system\",\"content\":\"a\"},{\"role\":\"user\",\"content\":"
        "\"u\"},{\"type\":\"message\",\"role\":\"developer\",\"content\":\"b\"}]}",
        SET_SYSTEM, "be", "", "{\"instructions\":\"be\",\"input\":[{\"role\":\"user\",\"content\":\"u\"}]}");
    changed("{\"input\":\"x\"}", ADD_MESSAGE, "user", "y\n",
            "{\"input\":[{\"type\":\"message\",\"role\":\"user\",\"content\":\"x\"},"
            "{\"type\":\"message\",\"role\":\"user\",\"content\":\"y\\n\"}]}");
    changed("{\"input\":[{\"role\":\"user\",\"content\":\"x\"}]}", ADD_MESSAGE, "developer", "y",
            "{\"input\":[{\"role\":\"user\",\"content\":\"x\"},"
            "{\"type\":\"message\",\"role\":\"developer\",\"content\":\"y\"}]}");
    changed("{\"model\":\"m\"}", ADD_MESSAGE, "user", "y",
            "{\"model\":\"m\",\"input\":[{\"type\":\"message\",\"role\":\"user\",\"content\":\"y\"}]}");
    changed("{\"max_output_tokens\":1}", SET_MAX, "", "", "{\"max_output_tokens\":77}");
}

static void changes_parameters(void **state) {
    (void)state;
    changed("{}", SET_PARAM, "max_completion_tokens", "5", "{\"max_output_tokens\":5}");
    changed("{\"max_output_tokens\":9}", SET_PARAM, "max_tokens", NULL, "{}");
    changed("{}", SET_PARAM, "temperature", "0.5", "{\"temperature\":0.5}");
    changed("{\"reasoning\":{\"effort\":\"low\",\"summary\":\"auto\"}}", SET_PARAM, "reasoning_effort", "\"high\"",
            "{\"reasoning\":{\"effort\":\"high\",\"summary\":\"auto\"}}");
    changed("{\"reasoning\":null}", SET_PARAM, "reasoning_effort", "\"high\"", "{\"reasoning\":{\"effort\":\"high\"}}");
    changed("{\"reasoning\":{\"effort\":\"low\"}}", SET_PARAM, "reasoning_effort", NULL, "{\"reasoning\":{}}");
    changed("{\"text\":{\"format\":{\"type\":\"text\"}}}", SET_PARAM, "verbosity", "\"low\"",
            "{\"text\":{\"format\":{\"type\":\"text\"},\"verbosity\":\"low\"}}");
    changed("{}", SET_PARAM, "response_format",
            "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":\"object\"}}}",
            "{\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"n\",\"schema\":{\"type\":\"object\"}}}}");
    changed("{}", SET_PARAM, "tools",
            "[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},{\"type\":\"web_search\"}]",
            "{\"tools\":[{\"type\":\"function\",\"name\":\"f\"},{\"type\":\"web_search\"}]}");
    changed("{}", SET_PARAM, "tool_choice",
            "{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[{\"type\":\"function\","
            "\"function\":{\"name\":\"f\"}}]}}",
            "{\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":\"auto\",\"tools\":[{\"type\":\"function\",\"name\":"
            "\"f\"}]}}");
    changed("{}", SET_PARAM, "tool_choice", "\"auto\"", "{\"tool_choice\":\"auto\"}");
    changed("{}", SET_PARAM, "input", "1", NULL);
    changed("{}", SET_PARAM, "instructions", "\"x\"", NULL);
    changed("{}", SET_PARAM, "logprobs", "true", NULL);
    const mg_json *root = fixture_z("{\"text\":{\"format\":{\"type\":\"x\"}},\"max_output_tokens\":3,\"top_p\":1}");
    assert_int_equal(mg_json_int(F.param(root, MG_STR("max_completion_tokens")), 0), 3);
    assert_true(mg_str_is(mg_json_text(mg_json_get(F.param(root, MG_STR("response_format")), MG_STR("type"))), "x"));
    assert_non_null(F.param(root, MG_STR("top_p")));
    assert_null(F.param(root, MG_STR("reasoning_effort")));
}

static void changes_tools(void **state) {
    (void)state;
    const char *two = "{\"tools\":[{\"type\":\"function\",\"name\":\"f\"},{\"type\":\"web_search\"}],\"tool_choice\":"
                      "{\"type\":\"function\",\"name\":\"f\"}}";
    changed(two, REMOVE_TOOL, "f", "", "{\"tools\":[{\"type\":\"web_search\"}]}");
    changed(
        two, REMOVE_TOOL, "web_search", "",
        "{\"tools\":[{\"type\":\"function\",\"name\":\"f\"}],\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"}}");
    changed(two, REMOVE_TOOL, "g", "", NULL);
    changed("{\"a\":1,\"tools\":[{\"type\":\"custom\",\"name\":\"f\"}],\"tool_choice\":\"required\"}", REMOVE_TOOL, "f",
            "", "{\"a\":1}");
    changed(
        "{\"tools\":[{\"type\":\"function\",\"name\":\"f\"},{\"type\":\"mcp\",\"server_label\":\"s\"}],"
        "\"tool_choice\":{\"type\":\"allowed_tools\",\"tools\":[{\"type\":\"function\",\"name\":\"f\"},{\"type\":"
        "\"mcp\",\"server_label\":\"s\"}]}}",
        REMOVE_TOOL, "s", "",
        "{\"tools\":[{\"type\":\"function\",\"name\":\"f\"}],\"tool_choice\":{\"type\":\"allowed_tools\",\"tools\":[{"
        "\"type\":\"function\",\"name\":\"f\"}]}}");
}

/* ---- the canonical form ------------------------------------------------------------------------------------------ */

/* `members` are the request's after the model; `expected` what follows the model in the canonical form. */
static void canonical(const char *members, const char *expected, const char *drops) {
    mg_str body = mg_arena_printf(fx.arena, "{\"model\":\"x\",%s}", members);
    const char *text = fixture_canonical(body, false);
    if (!text) fail_msg("%s: %s", members, fx.error.text);
    mg_str whole = mg_arena_printf(fx.arena, "{\"model\":\"m\",\"messages\":[%s}", expected);
    assert_string_equal(text, whole.p);
    mg_buf_add(&fx.drops, "", 1);
    assert_string_equal(fx.drops.p, drops);
}

static void refused(const char *members, const char *sentence) {
    mg_str body = mg_arena_printf(fx.arena, "{\"model\":\"x\",%s}", members);
    if (fixture_canonical(body, false)) fail_msg("%s was not refused", members);
    if (!strstr(fx.error.text, sentence)) fail_msg("%s: %s", members, fx.error.text);
}

#define USER "{\"role\":\"user\",\"content\":\"hi\"}]"

static void canonical_parameters(void **state) {
    (void)state;
    canonical("\"input\":\"hi\"", USER, "");
    canonical("\"instructions\":\"be\",\"input\":\"hi\"", "{\"role\":\"system\",\"content\":\"be\"}," USER, "");
    canonical(
        "\"input\":\"hi\",\"stream\":true,\"temperature\":0.10,\"top_p\":1,\"max_output_tokens\":5,\"user\":\"u\","
        "\"metadata\":{\"a\":\"b\"},\"service_tier\":\"flex\",\"store\":true,\"prompt_cache_key\":\"k\",\"top_k\":4",
        USER ",\"temperature\":0.10,\"top_p\":1,\"max_completion_tokens\":5,\"user\":\"u\",\"metadata\":{\"a\":"
             "\"b\"},\"service_tier\":\"flex\",\"store\":true,\"prompt_cache_key\":\"k\",\"top_k\":4",
        "");
    canonical(
        "\"input\":\"hi\",\"temperature\":null,\"previous_response_id\":null,\"background\":false,\"prompt\":null,"
        "\"conversation\":null,\"truncation\":\"disabled\",\"tools\":[],\"tool_choice\":\"auto\"",
        USER, "");
    canonical("\"input\":\"hi\",\"truncation\":\"auto\",\"max_tool_calls\":3,\"n\":2,\"stream_options\":{},"
              "\"include\":[\"web_search_call.action.sources\",\"reasoning.encrypted_content\"]",
              USER, "include.web_search_call.action.sources truncation max_tool_calls n stream_options");
    canonical("\"input\":\"hi\",\"include\":[\"message.output_text.logprobs\"],\"top_logprobs\":3",
              USER ",\"logprobs\":true,\"top_logprobs\":3", "");
    canonical("\"input\":\"hi\",\"top_logprobs\":3", USER, "top_logprobs");
    canonical("\"input\":\"hi\",\"reasoning\":{\"effort\":\"low\",\"summary\":\"auto\"}",
              USER ",\"reasoning_effort\":\"low\",\"thinking\":{\"include\":true}", "");
    canonical("\"input\":\"hi\",\"reasoning\":{\"effort\":\"max\",\"context\":\"auto\"}",
              USER ",\"reasoning_effort\":\"xhigh\"", "reasoning.effort reasoning.context");
    canonical(
        "\"input\":\"hi\",\"text\":{\"format\":{\"type\":\"json_schema\",\"strict\":true,\"name\":\"n\",\"schema\":"
        "{\"type\":\"object\"}},\"verbosity\":\"low\"}",
        USER ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":"
             "\"object\"},\"strict\":true}},\"verbosity\":\"low\"",
        "");
    canonical("\"input\":\"hi\",\"text\":{\"format\":{\"type\":\"json_object\"}}",
              USER ",\"response_format\":{\"type\":\"json_object\"}", "");
    canonical("\"input\":\"hi\",\"text\":{\"format\":{\"type\":\"text\"}}", USER, "");
    assert_non_null(strstr(fixture_canonical(MG_STR("{\"model\":\"x\",\"input\":\"hi\"}"), true), ",\"stream\":true"));
}

static void canonical_tools(void **state) {
    (void)state;
    canonical(
        "\"input\":\"hi\",\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"description\":null,\"parameters\":{},"
        "\"strict\":true,\"defer_loading\":true},{\"type\":\"custom\",\"name\":\"g\",\"format\":{\"type\":"
        "\"grammar\",\"syntax\":\"lark\",\"definition\":\"d\"}},{\"type\":\"web_search\",\"filters\":null}],"
        "\"parallel_tool_calls\":false,\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"}",
        USER ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{},\"strict\":true}},"
             "{\"type\":\"custom\",\"custom\":{\"name\":\"g\",\"format\":{\"type\":\"grammar\",\"grammar\":{"
             "\"syntax\":\"lark\",\"definition\":\"d\"}}}},{\"type\":\"vendor_tool\",\"vendor\":\"openai\",\"tool\":{"
             "\"type\":\"web_search\",\"filters\":null}}],\"parallel_tool_calls\":false,\"tool_choice\":{\"type\":"
             "\"function\",\"function\":{\"name\":\"f\"}}",
        "tools[0].defer_loading");
    canonical(
        "\"input\":\"hi\",\"tools\":[{\"type\":\"custom\",\"name\":\"g\",\"format\":{\"type\":\"text\"}}],"
        "\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":\"required\",\"tools\":[{\"type\":\"custom\",\"name\":"
        "\"g\"}]}",
        USER ",\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"g\",\"format\":{\"type\":\"text\"}}}],"
             "\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"required\",\"tools\":[{"
             "\"type\":\"custom\",\"custom\":{\"name\":\"g\"}}]}}",
        "");
    refused("\"input\":\"hi\",\"tools\":[{\"type\":\"web_search\"}],\"tool_choice\":{\"type\":\"web_search_preview\"}",
            "'web_search_preview', which only OpenAI runs");
}

static void canonical_items(void **state) {
    (void)state;
    canonical(
        "\"input\":[{\"role\":\"developer\",\"content\":\"d\"},{\"type\":\"message\",\"role\":\"user\",\"content\":[{"
        "\"type\":\"input_text\",\"text\":\"t\",\"prompt_cache_breakpoint\":{\"mode\":\"explicit\"}},{\"type\":"
        "\"input_image\",\"image_url\":\"https://i\",\"detail\":\"low\"},{\"type\":\"input_image\",\"file_id\":"
        "\"file-1\",\"detail\":\"auto\"},{\"type\":\"input_file\",\"file_url\":\"https://f\"},{\"type\":\"input_file\","
        "\"filename\":\"a.txt\",\"file_data\":\"AA==\"},{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AA\","
        "\"format\":\"wav\"}}]}]",
        "{\"role\":\"developer\",\"content\":\"d\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"t\","
        "\"cache_control\":{\"type\":\"ephemeral\"}},{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://i\","
        "\"detail\":\"low\"}},{\"type\":\"file\",\"file\":{\"file_id\":\"file-1\"}},{\"type\":\"file\",\"file\":{"
        "\"file_url\":\"https://f\"}},{\"type\":\"file\",\"file\":{\"filename\":\"a.txt\",\"file_data\":"
        "\"data:text/plain;base64,AA==\"}},{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AA\",\"format\":"
        "\"wav\"}}]}]",
        "");
    canonical(
        "\"input\":[{\"role\":\"user\",\"content\":\"q\"},{\"type\":\"reasoning\",\"id\":\"r\",\"summary\":[{"
        "\"type\":\"summary_text\",\"text\":\"a\"},{\"type\":\"summary_text\",\"text\":\"b\"}],"
        "\"encrypted_content\":\"gAAA\"},{\"type\":\"message\",\"id\":\"m\",\"status\":\"completed\",\"role\":"
        "\"assistant\",\"phase\":\"commentary\",\"content\":[{\"type\":\"output_text\",\"text\":\"let me\","
        "\"annotations\":[],\"logprobs\":[]}]},{\"type\":\"function_call\",\"id\":\"fc\",\"call_id\":\"c1\",\"name\":"
        "\"f\",\"arguments\":\"{}\"},{\"type\":\"custom_tool_call\",\"call_id\":\"c2\",\"name\":\"g\",\"input\":\"raw\""
        "},{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":\"1\"},{\"type\":"
        "\"custom_tool_call_output\",\"call_id\":\"c2\",\"output\":[{\"type\":\"input_text\",\"text\":\"2\"}]},"
        "{\"role\":\"assistant\",\"content\":\"done\"}]",
        "{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\","
        "\"thinking\":\"a\\n\\nb\",\"signature\":\"gAAA\",\"vendor\":\"openai\"},{\"type\":\"text\",\"text\":\"let "
        "me\"}],\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
        "\"{}\"}},{\"id\":\"c2\",\"type\":\"custom\",\"custom\":{\"name\":\"g\",\"input\":\"raw\"}}]},{\"role\":"
        "\"tool\",\"tool_call_id\":\"c1\",\"content\":\"1\"},{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":[{"
        "\"type\":\"text\",\"text\":\"2\"}]},{\"role\":\"assistant\",\"content\":\"done\"}]",
        "input[2].phase");
    canonical(
        "\"input\":[{\"role\":\"user\",\"content\":\"q\"},{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":"
        "\"f\",\"arguments\":\"{}\"},{\"type\":\"web_search_call\",\"id\":\"w\"},{\"type\":\"reasoning\",\"id\":\"r\","
        "\"summary\":[]}]",
        "{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c\","
        "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}]",
        "input[2] input[3]");
}

static void canonical_refusals(void **state) {
    (void)state;
    refused("\"input\":\"hi\",\"previous_response_id\":\"r\"", "'previous_response_id' refers to something");
    refused("\"input\":\"hi\",\"conversation\":\"c\"", "'conversation'");
    refused("\"prompt\":{\"id\":\"p\"}", "'prompt'");
    refused("\"input\":\"hi\",\"background\":true", "'background'");
    refused("\"input\":[{\"type\":\"item_reference\",\"id\":\"i\"}]", "'input[0]' refers to an item");
    refused("\"input\":[{\"id\":\"i\"}]", "'input[0]' refers to an item");
    refused("\"input\":[{\"type\":\"computer_call_output\",\"call_id\":\"c\"}]", "'computer_call_output'");
    refused("\"input\":[{\"type\":\"compaction\",\"encrypted_content\":\"x\"}]", "'compaction'");
    refused("\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"hologram\"}]}]",
            "'input[0].content[0]' is of a type");
    refused("\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\"}]}]", "must have a 'text'");
    refused("\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_file\"}]}]", "must have 'file_data'");
    refused("\"input\":[{\"type\":\"function_call_output\",\"call_id\":null,\"output\":\"x\"}]", "'input[0].call_id'");
    refused("\"input\":[]", "'input' holds nothing");
    refused("\"input\":[{\"type\":\"reasoning\",\"id\":\"r\",\"summary\":[],\"encrypted_content\":\"moongate:x\"}]",
            "not as this gateway wrote it");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checks),
        cmocka_unit_test(reads),
        cmocka_unit_test(parts),
        cmocka_unit_test(changes_messages),
        cmocka_unit_test(changes_parameters),
        cmocka_unit_test(changes_tools),
        cmocka_unit_test(canonical_parameters),
        cmocka_unit_test(canonical_tools),
        cmocka_unit_test(canonical_items),
        cmocka_unit_test(canonical_refusals),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
