/* Requests in Anthropic's format: checked, read, changed, put into the canonical form. */
#include "anthropic_fixture.h"

/* ---- check -------------------------------------------------------------------------------------------------------- */

#define OK_MESSAGES "\"model\":\"m\",\"max_tokens\":10,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

static void expect_ok(const char *body) {
    mg_error error = {0};
    if (F->check(MG_OP_CHAT, fixture_parse(mg_str_of(body), NULL), &error) != MG_OK)
        fail_msg("%s: %s", error.text, body);
}

static void expect_fault(const char *body, const char *text) {
    mg_error error = {0};
    assert_int_equal(F->check(MG_OP_CHAT, fixture_parse(mg_str_of(body), NULL), &error), MG_ERROR);
    assert_int_equal(error.http, 400);
    assert_true(error.code[0] != 0);
    assert_string_equal(error.text, text);
}

/* A fault in the content of the second message. */
static void expect_block_fault(const char *block, const char *text) {
    char body[512];
    snprintf(body, sizeof body,
             "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
             "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"b\"},%s]}]}",
             block);
    expect_fault(body, text);
}

static void check_top(void **state) {
    (void)state;
    expect_ok("{" OK_MESSAGES "}");
    expect_ok("{" OK_MESSAGES ",\"system\":null,\"stream\":null,\"tools\":[],\"unknown\":{\"x\":1}}");
    expect_ok("{" OK_MESSAGES
              ",\"system\":[{\"type\":\"text\",\"text\":\"s\",\"cache_control\":{\"type\":\"ephemeral\"}}]}");
    expect_fault("[]", "The body must be a JSON object, not array.");
    expect_fault("{}", "'model' is missing: it must be a string.");
    expect_fault("{\"model\":\"\",\"messages\":[]}", "'model' must be the name of a model.");
    expect_fault("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
                 "'max_tokens' is missing: it must be a number.");
    expect_fault("{\"model\":\"m\",\"messages\":[],\"max_tokens\":1}",
                 "'messages' must be a list of at least one message.");
    expect_fault("{\"model\":\"m\",\"max_tokens\":1.5,\"messages\":[]}",
                 "'max_tokens' must be an integer from 0 to 2147483647.");
    expect_fault("{" OK_MESSAGES ",\"temperature\":1.5}", "'temperature' must be a number from 0 to 1.");
    expect_fault("{" OK_MESSAGES ",\"temperature\":\"hot\"}", "'temperature' must be a number, not string.");
    expect_fault("{" OK_MESSAGES ",\"top_p\":-1}", "'top_p' must be a number from 0 to 1.");
    expect_fault("{" OK_MESSAGES ",\"top_k\":-1}", "'top_k' must be an integer of 0 or more.");
    expect_fault("{" OK_MESSAGES ",\"stream\":1}", "'stream' must be a boolean, not number.");
    expect_fault("{" OK_MESSAGES ",\"stop_sequences\":\"x\"}", "'stop_sequences' must be a list, not string.");
    expect_fault("{" OK_MESSAGES ",\"stop_sequences\":[\"x\",1]}", "'stop_sequences[1]' must be a string, not number.");
    expect_fault("{" OK_MESSAGES ",\"system\":7}", "'system' must be a string or a list, not number.");
    expect_fault("{" OK_MESSAGES ",\"system\":[{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"u\"}}]}",
                 "'system[0].type' must be 'text'.");
    expect_fault("{" OK_MESSAGES ",\"metadata\":{\"user_id\":7}}", "'metadata.user_id' must be a string, not number.");
    expect_fault("{" OK_MESSAGES ",\"thinking\":{\"budget_tokens\":7}}",
                 "'thinking.type' is missing: it must be a string.");
    mg_error error = {0};
    const mg_json *count =
        fixture_parse(MG_STR("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"), NULL);
    assert_int_equal(F->check(MG_OP_COUNT_TOKENS, count, &error), MG_OK);
    assert_int_equal(F->check(MG_OP_EMBEDDINGS, count, &error), MG_ERROR);
}

static void check_messages(void **state) {
    (void)state;
    expect_fault("{\"model\":\"m\",\"max_tokens\":1,\"messages\":[7]}", "'messages[0]' must be an object, not number.");
    expect_fault("{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{\"role\":\"tool\",\"content\":\"\"}]}",
                 "'messages[0].role' must be 'user' or 'assistant'; instructions go into the top-level 'system'.");
    expect_fault("{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{\"role\":\"user\"}]}",
                 "'messages[0].content' is missing: it must be a string or a list.");
    expect_fault("{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":null}]}",
                 "'messages[0].content' must be a string or a list, not null.");
    expect_block_fault("\"x\"", "'messages[1].content[1]' must be an object, not string.");
    expect_block_fault("{}", "'messages[1].content[1].type' is missing: it must be a string.");
    expect_block_fault("{\"type\":\"text\"}", "'messages[1].content[1].text' is missing: it must be a string.");
    expect_block_fault("{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"data\":\"\"}}",
                       "'messages[1].content[1].source.media_type' is missing: it must be a string.");
    expect_block_fault("{\"type\":\"image\"}", "'messages[1].content[1].source' is missing: it must be an object.");
    expect_block_fault("{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":\"{}\"}",
                       "'messages[1].content[1].input' must be an object, not string.");
    expect_block_fault("{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"content\":[{\"type\":\"text\",\"text\":1}]}",
                       "'messages[1].content[1].content[0].text' must be a string, not number.");
    expect_block_fault("{\"type\":\"document\",\"source\":{\"type\":\"content\",\"content\":[1]}}",
                       "'messages[1].content[1].source.content[0]' must be an object, not number.");
    expect_ok("{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":"
              "[{\"type\":\"block_of_the_future\",\"x\":1}]}]}");
}

static void check_tools(void **state) {
    (void)state;
    expect_ok("{" OK_MESSAGES ",\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":\"object\"}},"
              "{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}],\"tool_choice\":{\"type\":\"any\"}}");
    expect_fault("{" OK_MESSAGES ",\"tools\":{}}", "'tools' must be a list, not object.");
    expect_fault("{" OK_MESSAGES ",\"tools\":[{\"input_schema\":{}}]}",
                 "'tools[0].name' is missing: it must be a string.");
    expect_fault("{" OK_MESSAGES ",\"tools\":[{\"name\":\"f\",\"type\":\"custom\"}]}",
                 "'tools[0].input_schema' is missing: it must be an object.");
    expect_fault("{" OK_MESSAGES ",\"tool_choice\":\"auto\"}", "'tool_choice' must be an object, not string.");
    expect_fault("{" OK_MESSAGES ",\"tool_choice\":{\"type\":\"required\"}}",
                 "'tool_choice.type' must be 'auto', 'any', 'tool' or 'none'.");
    expect_fault("{" OK_MESSAGES ",\"tool_choice\":{\"type\":\"tool\"}}",
                 "'tool_choice.name' is missing: it must be a string.");
}

/* ---- facts and parts ---------------------------------------------------------------------------------------------- */

static void facts(void **state) {
    (void)state;
    mg_facts f;
    const mg_json *root = fixture_parse(
        MG_STR("{" OK_MESSAGES ",\"stream\":true,\"metadata\":{\"user_id\":\"u1\"},\"tools\":[{\"name\":\"f\"}]}"),
        NULL);
    F->read(MG_OP_CHAT, root, &f);
    assert_true(mg_str_is(f.model, "m") && mg_str_is(f.user, "u1"));
    assert_true(f.stream && f.usage_asked && !f.tags && f.tools);
    assert_int_equal(f.max_output, 10);
    assert_int_equal(f.choices, 1);
    root = fixture_parse(MG_STR("{\"model\":\"m\",\"metadata\":{\"user_id\":\"u1\",\"project\":\"x\"}}"), NULL);
    F->read(MG_OP_COUNT_TOKENS, root, &f);
    assert_true(!f.stream && f.tags && !f.tools);
    assert_int_equal(f.max_output, -1);
}

static void on_part(void *arg, const mg_part *p) {
    static const char *const kinds[] = {"text", "arguments", "image", "audio", "file", "other"};
    mg_buf_printf(arg, "%s/" MG_STR_FMT "/" MG_STR_FMT "/" MG_STR_FMT "/" MG_STR_FMT "/%zu\n", kinds[p->kind],
                  MG_STR_ARG(p->role), MG_STR_ARG(p->name), MG_STR_ARG(p->mime), MG_STR_ARG(mg_json_text(p->text)),
                  p->bytes);
}

static void expect_parts(const char *body, const char *parts) {
    mg_buf b = {0};
    F->parts(MG_OP_CHAT, fixture_parse(mg_str_of(body), NULL), on_part, &b);
    mg_buf_add(&b, "", 1);
    assert_string_equal(b.p, parts);
    mg_buf_finish(&b);
}

static void parts(void **state) {
    (void)state;
    expect_parts("{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"system\":\"be\"}",
                 "text/system///be/2\ntext/user///hi/2\n");
    expect_parts(
        "{\"system\":[{\"type\":\"text\",\"text\":\"a\"}],\"messages\":[{\"role\":\"user\",\"content\":["
        "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"iVBO\"}},"
        "{\"type\":\"document\",\"title\":\"T\",\"context\":\"C\",\"source\":{\"type\":\"text\",\"media_type\":"
        "\"text/plain\",\"data\":\"D\"}},"
        "{\"type\":\"document\",\"source\":{\"type\":\"base64\",\"media_type\":\"application/pdf\",\"data\":\"JVBE\"}},"
        "{\"type\":\"document\",\"source\":{\"type\":\"content\",\"content\":[{\"type\":\"text\",\"text\":\"E\"}]}},"
        "{\"type\":\"search_result\",\"title\":\"S\",\"source\":\"u\",\"content\":[{\"type\":\"text\",\"text\":\"F\"}]}"
        "]},"
        "{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"s\"},"
        "{\"type\":\"text\",\"text\":\"x\",\"citations\":[{\"type\":\"char_location\",\"cited_text\":\"D\"}]},"
        "{\"type\":\"tool_use\",\"id\":\"1\",\"name\":\"f\",\"input\":{\"a\":\"p\",\"b\":[{\"c\":\"q\"},3],\"d\":true}}"
        "]},"
        "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"1\",\"content\":\"r\"},"
        "{\"type\":\"tool_result\",\"tool_use_id\":\"2\",\"content\":[{\"type\":\"text\",\"text\":\"s\"},"
        "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"u\"}}]},{\"type\":\"text\",\"text\":\"t\"}]}]}",
        "text/system///a/1\nimage/user//image/png//6\ntext/user///T/1\ntext/user///C/1\ntext/user/T//D/1\n"
        "file/user//application/pdf//6\ntext/user///E/1\ntext/user///S/1\ntext/user///u/1\ntext/user///F/1\n"
        "other/assistant/thinking///50\ntext/assistant///x/1\ntext/assistant///D/1\narguments/assistant/f//p/1\n"
        "arguments/assistant/f//q/1\ntext/tool///r/1\ntext/tool///s/1\nimage/tool////3\ntext/user///t/1\n");
}

/* ---- changes ------------------------------------------------------------------------------------------------------ */

typedef struct edit {
    mg_edits edits;
    mg_draft draft;
    mg_error error;
} edit;

static edit *edit_of(const char *body) {
    edit *e = MG_ARENA_NEW(arena, edit);
    mg_edits_init(&e->edits, arena);
    e->draft.operation = MG_OP_CHAT;
    e->draft.root = fixture_parse(mg_str_of(body), &e->draft.source);
    e->draft.edits = &e->edits;
    return e;
}

static void expect_edited(mg_status st, edit *e, const char *body) {
    if (st != MG_OK) fail_msg("%s", e->error.text);
    mg_str text = mg_edits_render(&e->edits, e->draft.source);
    fixture_parse(text, NULL);
    assert_string_equal(mg_arena_dup(arena, text).p, body);
}

static void expect_system(const char *body, const char *text, const char *after) {
    edit *e = edit_of(body);
    expect_edited(F->set_system(&e->draft, mg_str_of(text), &e->error), e, after);
}

static void set_system(void **state) {
    (void)state;
    expect_system("{\"model\":\"m\"}", "s\n", "{\"model\":\"m\",\"system\":\"s\\n\"}");
    expect_system("{\"system\":\"old\",\"x\":1}", "s", "{\"system\":\"s\",\"x\":1}");
    expect_system("{\"system\":[{\"type\":\"text\",\"text\":\"old\"}]}", "s", "{\"system\":\"s\"}");
    expect_system("{\"system\":[{\"type\":\"text\",\"text\":\"old\",\"cache_control\":{\"type\":\"ephemeral\"}}]}", "s",
                  "{\"system\":[{\"type\":\"text\",\"text\":\"s\",\"cache_control\":{\"type\":\"ephemeral\"}}]}");
    expect_system("{\"system\":\"a\",\"messages\":[{\"role\":\"system\",\"content\":\"b\"},{\"role\":\"user\","
                  "\"content\":\"c\"}]}",
                  "s", "{\"system\":\"s\",\"messages\":[{\"role\":\"user\",\"content\":\"c\"}]}");
}

static void expect_added(const char *body, const char *role, const char *after) {
    edit *e = edit_of(body);
    expect_edited(F->add_message(&e->draft, mg_str_of(role), MG_STR("new"), &e->error), e, after);
}

static void add_message(void **state) {
    (void)state;
    expect_added("{\"messages\":[]}", "system", "{\"messages\":[],\"system\":\"new\"}");
    expect_added("{\"system\":\"old\"}", "developer", "{\"system\":\"old\\n\\nnew\"}");
    expect_added("{\"system\":[{\"type\":\"text\",\"text\":\"old\"}]}", "system",
                 "{\"system\":[{\"type\":\"text\",\"text\":\"old\"},{\"type\":\"text\",\"text\":\"new\"}]}");
    expect_added("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", "assistant",
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"new\"}]}");
    edit *e = edit_of("{\"messages\":[]}");
    assert_int_equal(F->add_message(&e->draft, MG_STR("tool"), MG_STR("x"), &e->error), MG_ERROR);
}

static void expect_output(const char *body, int64_t tokens, const char *after) {
    edit *e = edit_of(body);
    expect_edited(F->set_max_output(&e->draft, tokens, &e->error), e, after);
}

static void set_max_output(void **state) {
    (void)state;
    expect_output("{\"model\":\"m\"}", 5, "{\"model\":\"m\",\"max_tokens\":5}");
    expect_output("{\"max_tokens\":100}", 5, "{\"max_tokens\":5}");
    expect_output("{\"max_tokens\":9000,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000}}", 4000,
                  "{\"max_tokens\":4000,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000}}");
    expect_output("{\"max_tokens\":9000,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":8000}}", 4000,
                  "{\"max_tokens\":4000,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000}}");
    expect_output("{\"max_tokens\":9000,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":8000}}", 500,
                  "{\"max_tokens\":500,\"thinking\":{\"type\":\"disabled\"}}");
}

static void expect_param(const char *body, const char *key, const char *json, const char *after) {
    edit *e = edit_of(body);
    expect_edited(F->set_param(&e->draft, mg_str_of(key), mg_str_of(json), &e->error), e, after);
}

static void set_param(void **state) {
    (void)state;
    expect_param("{}", "temperature", "0.5", "{\"temperature\":0.5}");
    expect_param("{\"temperature\":1,\"top_p\":1}", "temperature", NULL, "{\"top_p\":1}");
    expect_param("{}", "seed", "7", "{\"seed\":7}");
    expect_param("{}", "stop", "\"x\"", "{\"stop_sequences\":[\"x\"]}");
    expect_param("{\"stop_sequences\":[]}", "stop", "[\"x\",\"y\"]", "{\"stop_sequences\":[\"x\",\"y\"]}");
    expect_param("{\"stop_sequences\":[]}", "stop", NULL, "{}");
    expect_param("{\"max_tokens\":1}", "max_completion_tokens", "9", "{\"max_tokens\":9}");
    expect_param("{}", "user", "\"u\"", "{\"metadata\":{\"user_id\":\"u\"}}");
    expect_param("{\"metadata\":{\"a\":1}}", "user", "\"u\"", "{\"metadata\":{\"a\":1,\"user_id\":\"u\"}}");
    expect_param("{\"metadata\":{\"user_id\":\"u\"}}", "user", NULL, "{\"metadata\":{}}");
    expect_param("{}", "reasoning_effort", "\"minimal\"", "{\"output_config\":{\"effort\":\"low\"}}");
    expect_param("{\"output_config\":{\"effort\":\"low\"}}", "reasoning_effort", "\"none\"",
                 "{\"output_config\":{},\"thinking\":{\"type\":\"disabled\"}}");
    expect_param("{}", "parallel_tool_calls", "false",
                 "{\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":true}}");
    expect_param("{}", "tool_choice", "\"required\"", "{\"tool_choice\":{\"type\":\"any\"}}");
    expect_param("{}", "tool_choice", "{\"type\":\"function\",\"function\":{\"name\":\"f\"}}",
                 "{\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\"}}");
    expect_param("{}", "tool_choice", "{\"type\":\"any\"}", "{\"tool_choice\":{\"type\":\"any\"}}");
    expect_param("{}", "response_format",
                 "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"a\":1}}}",
                 "{\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"a\":1}}}}");
    expect_param("{\"output_config\":{\"format\":{}}}", "response_format", "{\"type\":\"text\"}",
                 "{\"output_config\":{}}");
    expect_param("{}", "service_tier", "\"default\"", "{\"service_tier\":\"standard_only\"}");
    static const char *const refused[][2] = {
        {"model", "\"x\""},          {"stream", "true"},        {"messages", "[]"},
        {"system", "\"x\""},         {"reasoning_effort", "7"}, {"response_format", "{\"type\":\"json_object\"}"},
        {"tool_choice", "\"maybe\""}};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        edit *e = edit_of("{}");
        assert_int_equal(F->set_param(&e->draft, mg_str_of(refused[i][0]), mg_str_of(refused[i][1]), &e->error),
                         MG_ERROR);
        assert_int_equal(e->edits.n, 0);
    }
}

static void read_param(void **state) {
    (void)state;
    const mg_json *root =
        fixture_parse(MG_STR("{\"max_tokens\":3,\"stop_sequences\":[\"x\"],\"metadata\":{\"user_id\":\"u\"},"
                             "\"output_config\":{\"effort\":\"low\"},\"top_k\":4}"),
                      NULL);
    assert_int_equal(mg_json_int(F->param(root, MG_STR("max_tokens")), 0), 3);
    assert_int_equal(mg_json_int(F->param(root, MG_STR("max_completion_tokens")), 0), 3);
    assert_int_equal(mg_json_int(F->param(root, MG_STR("top_k")), 0), 4);
    assert_int_equal(mg_json_kind(F->param(root, MG_STR("stop"))), MG_JSON_ARRAY);
    assert_true(mg_str_is(mg_json_text(F->param(root, MG_STR("user"))), "u"));
    assert_true(mg_str_is(mg_json_text(F->param(root, MG_STR("reasoning_effort"))), "low"));
    assert_null(F->param(root, MG_STR("seed")));
    assert_null(F->param(root, MG_STR("response_format")));
}

static void remove_tool(void **state) {
    (void)state;
    edit *e =
        edit_of("{\"tools\":[{\"name\":\"a\"},{\"name\":\"b\"}],\"tool_choice\":{\"type\":\"tool\",\"name\":\"b\"}}");
    expect_edited(F->remove_tool(&e->draft, MG_STR("b"), &e->error), e, "{\"tools\":[{\"name\":\"a\"}]}");
    e = edit_of("{\"tools\":[{\"name\":\"a\"},{\"name\":\"b\"}],\"tool_choice\":{\"type\":\"auto\"}}");
    expect_edited(F->remove_tool(&e->draft, MG_STR("a"), &e->error), e,
                  "{\"tools\":[{\"name\":\"b\"}],\"tool_choice\":{\"type\":\"auto\"}}");
    e = edit_of("{\"model\":\"m\",\"tools\":[{\"name\":\"a\"}],\"tool_choice\":{\"type\":\"auto\"}}");
    expect_edited(F->remove_tool(&e->draft, MG_STR("a"), &e->error), e, "{\"model\":\"m\"}");
    assert_int_equal(F->remove_tool(&e->draft, MG_STR("zz"), &e->error), MG_DECLINED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_top),   cmocka_unit_test(check_messages), cmocka_unit_test(check_tools),
        cmocka_unit_test(facts),       cmocka_unit_test(parts),          cmocka_unit_test(set_system),
        cmocka_unit_test(add_message), cmocka_unit_test(set_max_output), cmocka_unit_test(set_param),
        cmocka_unit_test(read_param),  cmocka_unit_test(remove_tool),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
