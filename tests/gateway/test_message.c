/* The conversation in a request: parts, texts, and the changes that policies make. */
#include "gateway/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static mg_worker worker;
static mg_arena *arena;

static mg_request *chat(const char *body) {
    mg_request *r = MG_ARENA_NEW(arena, mg_request);
    mg_error error;
    r->worker = &worker;
    r->format = &mg_format_openai;
    r->operation = MG_OP_CHAT;
    r->arena = arena;
    r->decisions_tail = &r->decisions;
    mg_edits_init(&r->edits, arena);
    char *text = mg_arena_zalloc(arena, strlen(body) + MG_JSON_PADDING);
    memcpy(text, body, strlen(body));
    r->body = mg_str_of(text);
    assert_int_equal(MG_OK, mg_json_parse(worker.json, arena, text, r->body.n, &r->root, &error));
    return r;
}

static void expect_body(mg_request *r, const char *body) {
    mg_error error;
    assert_int_equal(MG_OK, mg_request_sync(r, &error));
    if (!mg_str_is(r->body, body)) fail_msg("got  %.*s\nwant %s", MG_STR_ARG(r->body), body);
}

static void lists_every_part(void **state) {
    (void)state;
    mg_request *r = chat("{\"messages\":[{\"role\":\"system\",\"content\":\"Be kind.\"},"
                         "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Look:\"},"
                         "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}},"
                         "{\"type\":\"file\",\"file\":{\"filename\":\"a.pdf\"}},{\"type\":\"novel\"}]},"
                         "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"f\","
                         "\"arguments\":\"{}\"}}]},"
                         "{\"role\":\"tool\",\"content\":\"42\"}]}");
    static const mg_part_kind kinds[] = {MG_PART_TEXT,  MG_PART_TEXT,           MG_PART_IMAGE, MG_PART_FILE,
                                         MG_PART_OTHER, MG_PART_TOOL_ARGUMENTS, MG_PART_TEXT};
    size_t n;
    const mg_part *p = mg_request_parts(r, &n);
    assert_int_equal(7, n);
    for (size_t i = 0; i < n; i++) assert_int_equal(kinds[i], p[i].kind);
    assert_true(mg_str_is(p[2].mime, "image/png"));
    assert_null(p[2].text);
    assert_true(mg_str_is(p[3].name, "a.pdf"));
    assert_true(mg_str_is(p[5].name, "f"));
    assert_true(mg_str_is(p[6].role, "tool"));
    assert_true(mg_str_is(mg_request_user_text(r), "Look:"));
    assert_true(mg_str_is(mg_request_system_text(r), "Be kind."));
}

static void joins_texts_of_a_role(void **state) {
    (void)state;
    mg_request *r = chat("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":"
                         "\"b\"},{\"role\":\"user\",\"content\":\"c\"}]}");
    assert_true(mg_str_is(mg_request_user_text(r), "a\nc"));
    assert_int_equal(0, mg_request_system_text(r).n);
}

static void reads_embeddings_inputs(void **state) {
    (void)state;
    mg_request *r = chat("{\"input\":[\"one\",\"two\"]}");
    r->operation = MG_OP_EMBEDDINGS;
    assert_true(mg_str_is(mg_request_user_text(r), "one\ntwo"));
}

static void sets_the_system_message(void **state) {
    (void)state;
    mg_error error;
    mg_request *r = chat("{\"x\": 1.50, \"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}");
    assert_int_equal(MG_OK, mg_request_set_system(r, MG_STR("Say \"hi\""), &error));
    expect_body(r, "{\"x\": 1.50, \"messages\":[{\"role\":\"system\",\"content\":\"Say "
                   "\\\"hi\\\"\"},{\"role\":\"user\",\"content\":\"a\"}]}");
    assert_int_equal(MG_OK, mg_request_set_system(r, MG_STR("again"), &error));
    assert_true(mg_str_is(mg_request_system_text(r), "again"));
}

static void one_system_message_is_left(void **state) {
    (void)state;
    mg_error error;
    mg_request *r = chat("{\"messages\":[{\"role\":\"system\",\"content\":\"a\"},{\"role\":\"developer\",\"content\":"
                         "\"b\"},{\"role\":\"user\",\"content\":\"c\"}]}");
    assert_int_equal(MG_OK, mg_request_set_system(r, MG_STR("z"), &error));
    expect_body(r, "{\"messages\":[{\"role\":\"system\",\"content\":\"z\"},{\"role\":\"user\",\"content\":\"c\"}]}");
}

static void adds_a_message(void **state) {
    (void)state;
    mg_error error;
    mg_request *r = chat("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}");
    assert_int_equal(MG_OK, mg_request_add_message(r, MG_STR("user"), MG_STR("b"), &error));
    expect_body(r, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"user\",\"content\":\"b\"}]}");
    assert_int_equal(MG_ERROR, mg_request_add_message(r, MG_STR("tool"), MG_STR("b"), &error));
}

static void sets_the_field_that_the_client_used(void **state) {
    (void)state;
    mg_error error;
    mg_request *r = chat("{\"max_tokens\":9,\"messages\":[]}");
    assert_int_equal(MG_OK, mg_request_set_max_tokens(r, 5, &error));
    expect_body(r, "{\"max_tokens\":5,\"messages\":[]}");
    r = chat("{\"messages\":[]}");
    assert_int_equal(MG_OK, mg_request_set_max_tokens(r, 5, &error));
    expect_body(r, "{\"messages\":[],\"max_completion_tokens\":5}");
    assert_int_equal(MG_ERROR, mg_request_set_max_tokens(r, 0, &error));
}

static void sets_and_removes_parameters(void **state) {
    (void)state;
    mg_error error;
    mg_request *r = chat("{\"a\":1,\"messages\":[],\"b\":2}");
    assert_int_equal(MG_OK, mg_request_set_param(r, MG_STR("a"), (mg_str){0}, &error));
    assert_int_equal(MG_OK, mg_request_set_param(r, MG_STR("temperature"), MG_STR("0.5"), &error));
    assert_int_equal(MG_OK, mg_request_set_param(r, MG_STR("b"), MG_STR("[3]"), &error));
    expect_body(r, "{\"messages\":[],\"b\":[3],\"temperature\":0.5}");
    assert_int_equal(MG_ERROR, mg_request_set_param(r, MG_STR("model"), MG_STR("\"x\""), &error));
}

static void removes_tools(void **state) {
    (void)state;
    mg_error error;
    mg_request *r = chat("{\"messages\":[],\"tools\":[{\"function\":{\"name\":\"a\"}},{\"function\":{\"name\":\"b\"}}],"
                         "\"tool_choice\":\"auto\"}");
    assert_int_equal(MG_DECLINED, mg_request_remove_tool(r, MG_STR("c"), &error));
    assert_int_equal(MG_OK, mg_request_remove_tool(r, MG_STR("a"), &error));
    expect_body(r, "{\"messages\":[],\"tools\":[{\"function\":{\"name\":\"b\"}}],\"tool_choice\":\"auto\"}");
    assert_int_equal(MG_OK, mg_request_remove_tool(r, MG_STR("b"), &error));
    expect_body(r, "{\"messages\":[]}");
}

static void replaces_a_text(void **state) {
    (void)state;
    mg_error error;
    mg_request *r = chat("{\"messages\":[{\"role\":\"user\",\"content\":\"my mail\"}],\"n\":1}");
    size_t n;
    const mg_part *p = mg_request_parts(r, &n);
    assert_int_equal(MG_OK, mg_request_replace_text(r, p, MG_STR("new\n"), &error));
    assert_true(mg_str_is(mg_request_user_text(r), "new\n"));
    expect_body(r, "{\"messages\":[{\"role\":\"user\",\"content\":\"new\\n\"}],\"n\":1}");
}

static void headers_keep_to_the_grammar(void **state) {
    (void)state;
    mg_error error;
    mg_request *r = chat("{}");
    assert_int_equal(MG_OK, mg_request_set_header(r, MG_STR("X-Team"), MG_STR("legal"), &error));
    assert_true(mg_str_is(r->extra_headers[0].name, "x-team"));
    static const char *const refused[] = {"authorization",     "Host",     "content-length", "x y", "",
                                          "transfer-encoding", "x-api-key"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_int_equal(MG_ERROR, mg_request_set_header(r, mg_str_of(refused[i]), MG_STR("v"), &error));
    assert_int_equal(MG_ERROR, mg_request_set_header(r, MG_STR("x-a"), MG_STR("a\r\nb: c"), &error));
}

static int set_up(void **state) {
    (void)state;
    arena = mg_arena_create(4096);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    mg_arena_destroy(arena);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(lists_every_part),
                                       TEST(joins_texts_of_a_role),
                                       TEST(reads_embeddings_inputs),
                                       TEST(sets_the_system_message),
                                       TEST(one_system_message_is_left),
                                       TEST(adds_a_message),
                                       TEST(sets_the_field_that_the_client_used),
                                       TEST(sets_and_removes_parameters),
                                       TEST(removes_tools),
                                       TEST(replaces_a_text),
                                       TEST(headers_keep_to_the_grammar)};
    worker.json = mg_json_parser_create();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mg_json_parser_destroy(worker.json);
    return failed;
}
