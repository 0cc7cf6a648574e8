/* Which format, operation and model a path stands for. */
#include "gateway/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static mg_endpoint at(const char *method, const char *path, const char *query) {
    mg_exchange x = {.method = mg_str_of(method), .path = mg_str_of(path), .query = mg_str_of(query)};
    return mg_endpoint_of(&x);
}

static void expect(mg_endpoint e, const mg_format *format, mg_operation operation, const char *model) {
    assert_true(e.known);
    assert_ptr_equal(format, e.format);
    assert_int_equal(operation, e.operation);
    if (!mg_str_is(e.model, model)) fail_msg("got %.*s, want %s", MG_STR_ARG(e.model), model);
}

static void openai_has_no_model_in_its_path(void **state) {
    (void)state;
    expect(at("POST", "/v1/chat/completions", ""), &mg_format_openai, MG_OP_CHAT, "");
    expect(at("POST", "/v1/responses", ""), &mg_format_responses, MG_OP_CHAT, "");
    expect(at("GET", "/v1/models/openai/gpt-4o", ""), &mg_format_openai, MG_OP_MODELS, "openai/gpt-4o");
    assert_false(at("POST", "/v1/chat", "").known);
}

static void azure_names_the_model_by_its_deployment(void **state) {
    (void)state;
    expect(at("POST", "/openai/deployments/gpt-4o/chat/completions", ""), &mg_format_openai, MG_OP_CHAT, "gpt-4o");
    expect(at("POST", "/openai/deployments/gpt-4o/embeddings", ""), &mg_format_openai, MG_OP_EMBEDDINGS, "gpt-4o");
    expect(at("POST", "/openai/v1/responses", ""), &mg_format_responses, MG_OP_CHAT, "");
    assert_false(at("POST", "/openai/deployments/gpt-4o", "").known);
    assert_false(at("POST", "/openai/deployments//chat/completions", "").known);
}

static void a_deployment_may_hold_slashes(void **state) {
    (void)state;
    expect(at("POST", "/openai/deployments/anthropic/claude-haiku-4-5/chat/completions", ""), &mg_format_openai,
           MG_OP_CHAT, "anthropic/claude-haiku-4-5");
    expect(at("POST", "/openai/deployments/a/b/c/embeddings", ""), &mg_format_openai, MG_OP_EMBEDDINGS, "a/b/c");
    assert_false(at("POST", "/openai/deployments/anthropic/claude/chat", "").known);
}

static void gemini_names_model_and_action(void **state) {
    (void)state;
    mg_endpoint e = at("POST", "/v1beta/models/gemini-2.5-flash:streamGenerateContent", "alt=sse");
    expect(e, &mg_format_gemini, MG_OP_CHAT, "gemini-2.5-flash");
    assert_true(e.stream);
    assert_false(e.array);
    e = at("POST", "/v1beta/models/google/gemini-2.5-flash:streamGenerateContent", "");
    expect(e, &mg_format_gemini, MG_OP_CHAT, "google/gemini-2.5-flash");
    assert_true(e.array);
    expect(at("GET", "/v1beta/models", ""), &mg_format_gemini, MG_OP_MODELS, "");
    expect(at("GET", "/v1beta/models/gemini-2.5-flash", ""), &mg_format_gemini, MG_OP_MODELS, "gemini-2.5-flash");
    assert_false(at("POST", "/v1beta/models/gemini-2.5-flash:paint", "").known);
}

static void gemini_does_without_models_before_an_action(void **state) {
    (void)state;
    expect(at("POST", "/v1beta/anthropic/claude-haiku-4-5:generateContent", ""), &mg_format_gemini, MG_OP_CHAT,
           "anthropic/claude-haiku-4-5");
    assert_false(at("GET", "/v1beta/anthropic/claude-haiku-4-5", "").known);
    assert_false(at("POST", "/v1beta/:generateContent", "").known);
    assert_false(at("POST", "/v1beta/files", "").known);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openai_has_no_model_in_its_path),
        cmocka_unit_test(azure_names_the_model_by_its_deployment),
        cmocka_unit_test(a_deployment_may_hold_slashes),
        cmocka_unit_test(gemini_names_model_and_action),
        cmocka_unit_test(gemini_does_without_models_before_an_action),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
