#include "provider.h"

typedef struct setting {
    const char *key, *name, *value;
} setting;

static const setting *chosen;

static void set(mg_setting_values *v) {
    mg_error error;
    for (const setting *s = chosen; s && s->key; s++) {
        mg_status status = s->name
                               ? mg_setting_add(v, mg_str_of(s->key), mg_str_of(s->name), mg_str_of(s->value), &error)
                               : mg_setting_set(v, mg_str_of(s->key), mg_str_of(s->value), &error);
        if (status != MG_OK) fail_msg("%s", error.text);
    }
}

#define RESOURCE "https://res.openai.azure.com"
#define OPEN(p, ...)                                                                                                   \
    do {                                                                                                               \
        static const setting list[] = {__VA_ARGS__, {NULL, NULL, NULL}};                                               \
        chosen = list;                                                                                                 \
        provider_open(p, "azure", set);                                                                                \
    } while (0)

static provider plain;

static int setup(void **state) {
    (void)state;
    OPEN(&plain, {"endpoint", NULL, RESOURCE}, {"deployments", "gpt-4o", "my gpt/4o"});
    return 0;
}

static int teardown(void **state) {
    (void)state;
    provider_close(&plain);
    return 0;
}

/* ---- requests ------------------------------------------------------------------------------------------------------ */

typedef struct route {
    const char *endpoint, *version;
    mg_operation operation;
    mg_format_id format;
    const char *base, *path; /* path NULL: not offered */
} route;

static void check_route(const route *x) {
    provider p;
    mg_error error = {0};
    mg_buf out = {0};
    sent s;
    const setting list[] = {{"endpoint", NULL, x->endpoint}, {"api_version", NULL, x->version}, {NULL, NULL, NULL}};
    chosen = x->version ? list : (const setting[]){list[0], {NULL, NULL, NULL}};
    provider_open(&p, "azure", set);
    mg_provider_request r = {.operation = x->operation, .format = x->format, .model = MG_STR("m")};
    r.body = x->operation == MG_OP_MODELS ? MG_STR("") : MG_STR("{\"model\":\"m\"}");
    mg_str base = p.ops->base_url(p.self);
    mg_status status = provider_encode(&p, &r, &s, &out, &error);
    assert_int_equal(status, x->path ? MG_OK : MG_DECLINED);
    assert_int_equal(p.ops->native(p.self, x->operation, x->format), x->path != NULL);
    if (x->path) assert_string_equal(s.path, x->path);
    if (!mg_str_is(base, x->base)) fail_msg("%s: " MG_STR_FMT, x->endpoint, MG_STR_ARG(base));
    mg_buf_finish(&out);
    provider_close(&p);
}

static void knows_all_routes(void **state) {
    (void)state;
#define FOUNDRY "https://res.services.ai.azure.com"
#define SERVERLESS "https://x.eastus.models.ai.azure.com"
    static const route routes[] = {
        {RESOURCE, NULL, MG_OP_CHAT, MG_FORMAT_OPENAI, RESOURCE,
         "/openai/deployments/m/chat/completions?api-version=2024-10-21"},
        {RESOURCE "/", NULL, MG_OP_EMBEDDINGS, MG_FORMAT_OPENAI, RESOURCE,
         "/openai/deployments/m/embeddings?api-version=2024-10-21"},
        {RESOURCE "/openai", NULL, MG_OP_MODELS, MG_FORMAT_OPENAI, RESOURCE, "/openai/models?api-version=2024-10-21"},
        {RESOURCE, NULL, MG_OP_CHAT, MG_FORMAT_RESPONSES, RESOURCE, "/openai/v1/responses"},
        {RESOURCE, "2025-03-01-preview", MG_OP_CHAT, MG_FORMAT_RESPONSES, RESOURCE,
         "/openai/responses?api-version=2025-03-01-preview"},
        {RESOURCE, "v1", MG_OP_CHAT, MG_FORMAT_OPENAI, RESOURCE, "/openai/v1/chat/completions"},
        {RESOURCE, "v1", MG_OP_CHAT, MG_FORMAT_RESPONSES, RESOURCE, "/openai/v1/responses"},
        {RESOURCE, "v1", MG_OP_MODELS, MG_FORMAT_OPENAI, RESOURCE, "/openai/v1/models"},
        {RESOURCE, "preview", MG_OP_CHAT, MG_FORMAT_RESPONSES, RESOURCE, "/openai/v1/responses?api-version=preview"},
        {RESOURCE, "preview", MG_OP_EMBEDDINGS, MG_FORMAT_OPENAI, RESOURCE,
         "/openai/v1/embeddings?api-version=preview"},
        {RESOURCE "/openai/v1", NULL, MG_OP_CHAT, MG_FORMAT_OPENAI, RESOURCE, "/openai/v1/chat/completions"},
        {RESOURCE "/openai/v1", "v1", MG_OP_CHAT, MG_FORMAT_OPENAI, RESOURCE, "/openai/v1/chat/completions"},
        {FOUNDRY, NULL, MG_OP_CHAT, MG_FORMAT_OPENAI, FOUNDRY,
         "/openai/deployments/m/chat/completions?api-version=2024-10-21"},
        {FOUNDRY "/models", NULL, MG_OP_CHAT, MG_FORMAT_OPENAI, FOUNDRY,
         "/models/chat/completions?api-version=2024-05-01-preview"},
        {FOUNDRY "/models", "2025-04-01-preview", MG_OP_EMBEDDINGS, MG_FORMAT_OPENAI, FOUNDRY,
         "/models/embeddings?api-version=2025-04-01-preview"},
        {FOUNDRY "/models", NULL, MG_OP_CHAT, MG_FORMAT_RESPONSES, FOUNDRY, "/openai/v1/responses"},
        {FOUNDRY "/models", NULL, MG_OP_MODELS, MG_FORMAT_OPENAI, FOUNDRY, NULL},
        {SERVERLESS, NULL, MG_OP_CHAT, MG_FORMAT_OPENAI, SERVERLESS,
         "/chat/completions?api-version=2024-05-01-preview"},
        {SERVERLESS, NULL, MG_OP_CHAT, MG_FORMAT_RESPONSES, SERVERLESS, NULL},
        {"https://gate.example.com/ai", NULL, MG_OP_CHAT, MG_FORMAT_OPENAI, "https://gate.example.com/ai",
         "/openai/deployments/m/chat/completions?api-version=2024-10-21"},
        {RESOURCE, NULL, MG_OP_MODERATIONS, MG_FORMAT_OPENAI, RESOURCE, NULL},
        {RESOURCE, NULL, MG_OP_COUNT_TOKENS, MG_FORMAT_OPENAI, RESOURCE, NULL},
        {RESOURCE, NULL, MG_OP_CHAT, MG_FORMAT_ANTHROPIC, RESOURCE, NULL},
        {RESOURCE, NULL, MG_OP_EMBEDDINGS, MG_FORMAT_RESPONSES, RESOURCE, NULL},
    };
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) check_route(&routes[i]);
}

static void encodes(provider *p, mg_provider_request r, const char *body, const char *expected, sent *s) {
    mg_error error = {0};
    mg_buf out = {0};
    r.body = mg_str_of(body);
    if (provider_encode(p, &r, s, &out, &error) != MG_OK) fail_msg("%s: %s", body, error.text);
    assert_string_equal(out.p, expected);
    mg_buf_finish(&out);
    mg_arena_reset(p->arena);
}

static void finds_deployments(void **state) {
    (void)state;
    sent s;
    mg_provider_request r = {.operation = MG_OP_CHAT, .model = MG_STR("gpt-4o"), .api_key = MG_STR("key")};
    encodes(&plain, r, "{\"model\":\"gpt-4o\",\"n\":1}", "{\"model\":\"my gpt/4o\",\"n\":1}", &s);
    assert_string_equal(s.path, "/openai/deployments/my%20gpt%2F4o/chat/completions?api-version=2024-10-21");
    assert_string_equal(s.headers, "api-key: key\ncontent-type: application/json\n");
    assert_string_equal(s.method, "POST");
    /* Azure's own clients leave the model out of the body. */
    encodes(&plain, r, "{\"n\":1}", "{\"n\":1}", &s);
    r.model = MG_STR("other");
    encodes(&plain, r, "{\"model\":\"public\"}", "{\"model\":\"other\"}", &s);
    assert_string_equal(s.path, "/openai/deployments/other/chat/completions?api-version=2024-10-21");
    r.format = MG_FORMAT_RESPONSES;
    r.model = MG_STR("gpt-4o");
    encodes(&plain, r, "{\"input\":\"a\"}", "{\"input\":\"a\",\"model\":\"my gpt/4o\"}", &s);
    char name[300];
    mg_error error;
    mg_buf out = {0};
    memset(name, 'm', sizeof name);
    r.model = mg_str_from(name, sizeof name);
    assert_int_equal(provider_encode(&plain, &r, &s, &out, &error), MG_ERROR);
    assert_int_equal(error.http, 400);
    mg_buf_finish(&out);
}

static void asks_for_usage_where_it_is_known(void **state) {
    (void)state;
    sent s;
    provider old;
    OPEN(&old, {"endpoint", NULL, RESOURCE}, {"api_version", NULL, "2024-06-01"}, {"drop", "", "seed"},
         {"headers", "x-a", "1"});
    mg_provider_request r = {.operation = MG_OP_CHAT, .model = MG_STR("m"), .stream = true, .want_usage = true};
    encodes(&old, r, "{\"stream\":true,\"seed\":1}", "{\"stream\":true}", &s);
    assert_string_equal(s.headers, "content-type: application/json\nx-a: 1\n");
    assert_string_equal(s.dropped, "seed\n");
    encodes(&plain, r, "{\"stream\":true}", "{\"stream\":true,\"stream_options\":{\"include_usage\":true}}", &s);
    provider_close(&old);
}

/* The effort follows the model's name, not the deployment's. */
static void cleans_translated_bodies(void **state) {
    (void)state;
    sent s;
    provider p;
    OPEN(&p, {"endpoint", NULL, RESOURCE}, {"deployments", "gpt-5", "mine"});
    mg_provider_request r = {.operation = MG_OP_CHAT, .model = MG_STR("gpt-5"), .translated = true};
    encodes(&p, r, "{\"model\":\"x\",\"top_k\":1,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}}",
            "{\"model\":\"mine\",\"reasoning_effort\":\"low\"}", &s);
    assert_string_equal(s.dropped, "top_k\n");
    provider_close(&p);
}

/* ---- settings ------------------------------------------------------------------------------------------------------ */

static void refuses_settings(const setting *list, const char *says) {
    mg_error error = {0};
    mg_setting_values *v = mg_setting_values_create(plain.plugin->settings, MG_STR(""));
    chosen = list;
    set(v);
    if (mg_use_open(&plain.host, plain.plugin, v, 1, &error)) fail_msg("accepted, but %s", says);
    if (!strstr(error.text, says)) fail_msg("%s", error.text);
    assert_null(strstr(error.text, "hunter2"));
}

static void refuses_bad_settings(void **state) {
    (void)state;
#define BAD(says, ...) refuses_settings((const setting[]){__VA_ARGS__, {NULL, NULL, NULL}}, says)
    BAD("endpoint", {"endpoint", NULL, RESOURCE "/openai/deployments/gpt-4o"});
    BAD("endpoint", {"endpoint", NULL, RESOURCE "/openai/v1/chat/completions"});
    BAD("api_version", {"endpoint", NULL, RESOURCE}, {"api_version", NULL, "2024-10-21&x=y"});
    BAD("api_version", {"endpoint", NULL, RESOURCE}, {"api_version", NULL, ""});
    BAD("needed together", {"endpoint", NULL, RESOURCE}, {"tenant_id", NULL, "t"}, {"client_secret", NULL, "hunter2"});
    BAD("exclude each other", {"endpoint", NULL, RESOURCE}, {"tenant_id", NULL, "t"}, {"client_id", NULL, "c"},
        {"client_secret", NULL, "hunter2"}, {"api_key", NULL, "hunter2"});
    BAD("authority", {"endpoint", NULL, RESOURCE}, {"tenant_id", NULL, "t"}, {"client_id", NULL, "c"},
        {"client_secret", NULL, "hunter2"}, {"authority", NULL, "http://login.example.com"});
    BAD("headers", {"endpoint", NULL, RESOURCE}, {"headers", "Host", "x"});
}

/* ---- keys and tokens ------------------------------------------------------------------------------------------------- */

static void uses_keys(void **state) {
    (void)state;
    sent s;
    provider p;
    mg_error error;
    mg_provider_request r = {.operation = MG_OP_CHAT, .model = MG_STR("m"), .api_key = MG_STR("key")};
    mg_provider_out sink = {sizeof sink, &s, on_method, on_path, on_header, on_splice, on_write, on_out_text, on_drop};
    assert_int_equal(plain.ops->credential(plain.self, 0, &sink, &error), MG_DECLINED);
    OPEN(&p, {"endpoint", NULL, "https://x.eastus.models.ai.azure.com"});
    encodes(&p, r, "{\"model\":\"m\"}", "{\"model\":\"m\"}", &s);
    assert_string_equal(s.headers, "authorization: Bearer key\ncontent-type: application/json\n");
    provider_close(&p);
}

static mg_status read_token(provider *p, int status, const char *body, mg_str *token, int64_t *lifetime, mg_error *e) {
    mg_frame f = {.size = sizeof f, .status = status, .data = mg_str_of(body)};
    f.json = provider_json(p, f.data);
    return p->ops->credential_read(p->self, &f, token, lifetime, e);
}

static void uses_tokens(void **state) {
    (void)state;
    provider p;
    sent s = {.n = 0};
    mg_str token;
    int64_t lifetime;
    mg_error error;
    OPEN(&p, {"endpoint", NULL, RESOURCE}, {"tenant_id", NULL, "ten/ant"}, {"client_id", NULL, "c-1"},
         {"client_secret", NULL, "se~cr&t="});
    mg_provider_out sink = {sizeof sink, &s, on_method, on_path, on_header, on_splice, on_write, on_out_text, on_drop};
    assert_int_equal(p.ops->credential(p.self, 0, &sink, &error), MG_OK);
    assert_string_equal(s.method, "POST");
    assert_string_equal(s.path, "https://login.microsoftonline.com/ten%2Fant/oauth2/v2.0/token");
    assert_string_equal(s.headers, "content-type: application/x-www-form-urlencoded\n");
    assert_true(mg_str_is(mg_buf_view(&s.written),
                          "grant_type=client_credentials&client_id=c-1&client_secret=se~cr%26t%3D&scope="
                          "https%3A%2F%2Fcognitiveservices.azure.com%2F.default"));
    mg_buf_finish(&s.written);
    assert_int_equal(read_token(&p, 200, "{\"access_token\":\"ey\",\"expires_in\":3599}", &token, &lifetime, &error),
                     MG_OK);
    assert_true(mg_str_is(token, "ey") && lifetime == 3599);
    assert_int_equal(
        read_token(&p, 200, "{\"access_token\":\"ey\",\"expires_in\":\"86399\"}", &token, &lifetime, &error), MG_OK);
    assert_int_equal(lifetime, 86399);
    assert_int_equal(read_token(&p, 200, "{\"access_token\":\"ey\"}", &token, &lifetime, &error), MG_OK);
    assert_int_equal(lifetime, 300);
    assert_int_equal(read_token(&p, 401,
                                "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid client "
                                "secret provided.\\r\\nTrace ID: 1\"}",
                                &token, &lifetime, &error),
                     MG_ERROR);
    assert_non_null(strstr(error.text, "invalid_client AADSTS7000215: Invalid client secret provided."));
    assert_null(strstr(error.text, "Trace"));
    assert_int_equal(read_token(&p, 200, "no json", &token, &lifetime, &error), MG_ERROR);
    mg_provider_request r = {.operation = MG_OP_CHAT, .model = MG_STR("m"), .api_key = MG_STR("ey")};
    encodes(&p, r, "{\"model\":\"m\"}", "{\"model\":\"m\"}", &s);
    assert_string_equal(s.headers, "authorization: Bearer ey\ncontent-type: application/json\n");
    provider_close(&p);
}

/* ---- answers --------------------------------------------------------------------------------------------------------- */

static void classifies_failures(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *body;
        mg_failure failure;
        int64_t wait;
    } cases[] = {
        {404, "{\"error\":{\"code\":\"DeploymentNotFound\",\"message\":\"The API deployment does not exist\"}}",
         MG_FAIL_NOT_FOUND, -1},
        {404, "{\"error\":{\"code\":\"404\",\"message\":\"Resource not found\"}}", MG_FAIL_NOT_FOUND, -1},
        {400, "{\"error\":{\"code\":\"unknown_model\",\"message\":\"Unknown model: x\"}}", MG_FAIL_NOT_FOUND, -1},
        {401, "{\"error\":{\"code\":\"401\",\"message\":\"Access denied\"}}", MG_FAIL_AUTH, -1},
        {401, "{\"error\":{\"code\":\"PermissionDenied\",\"message\":\"The principal lacks the data action\"}}",
         MG_FAIL_AUTH, -1},
        {429,
         "{\"error\":{\"code\":\"429\",\"message\":\"Requests have exceeded call rate limit. Please retry after 21 "
         "seconds.\"}}",
         MG_FAIL_RATE, 21000},
        {429, "{\"error\":{\"code\":\"RateLimitReached\",\"message\":\"Rate limit of 1 per 86400s exceeded.\"}}",
         MG_FAIL_RATE, -1},
        {400,
         "{\"error\":{\"code\":\"content_filter\",\"status\":400,\"innererror\":{\"code\":"
         "\"ResponsibleAIPolicyViolation\",\"content_filter_result\":{}}}}",
         MG_FAIL_CONTENT, -1},
        {400, "{\"error\":{\"code\":null,\"innererror\":{\"code\":\"ResponsibleAIPolicyViolation\"}}}", MG_FAIL_CONTENT,
         -1},
        {200, "{\"error\":{\"code\":null,\"status\":429}}", MG_FAIL_RATE, -1},
        {400, "{\"error\":{\"code\":\"context_length_exceeded\"}}", MG_FAIL_CONTEXT_LENGTH, -1},
        {400, "{\"error\":{\"code\":\"OperationNotSupported\"}}", MG_FAIL_BAD_REQUEST, -1},
        {403, "{\"error\":{\"code\":\"insufficient_quota\"}}", MG_FAIL_QUOTA, -1},
        {503, "{\"error\":{\"code\":\"NoCapacity\"}}", MG_FAIL_OVERLOADED, -1},
        {500, "{\"error\":{\"code\":\"InternalServerError\"}}", MG_FAIL_SERVER, -1},
        {408, "{\"error\":{\"code\":\"Timeout\"}}", MG_FAIL_SERVER, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mg_classification c = {.size = sizeof c};
        mg_frame f = {.size = sizeof f, .status = cases[i].status, .data = mg_str_of(cases[i].body)};
        f.json = provider_json(&plain, f.data);
        plain.ops->classify(plain.self, &f, NULL, 0, &c);
        if (c.failure != cases[i].failure || c.retry_after_ms != cases[i].wait)
            fail_msg("%s: %d, wait %lld", cases[i].body, c.failure, (long long)c.retry_after_ms);
        mg_arena_reset(plain.arena);
    }
}

static void decodes_answers(void **state) {
    (void)state;
    provider_says(
        &plain, MG_OP_CHAT, true,
        "{\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\",\"prompt_filter_results\":[{"
        "\"prompt_index\":0,\"content_filter_results\":{}}]}",
        "");
    provider_says(&plain, MG_OP_CHAT, true,
                  "{\"id\":\"c\",\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},"
                  "\"content_filter_results\":{\"hate\":{\"filtered\":false}},\"finish_reason\":null}]}",
                  "META name=gpt-4o c\nTEXT 0 hi\n");
    plain.format = MG_FORMAT_RESPONSES;
    provider_begin(&plain);
    provider_says(&plain, MG_OP_CHAT, true, "{\"type\":\"response.output_text.delta\",\"delta\":\"hi\"}",
                  "TEXT 0 hi\n");
    plain.format = MG_FORMAT_OPENAI;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_all_routes),
        cmocka_unit_test(finds_deployments),
        cmocka_unit_test(asks_for_usage_where_it_is_known),
        cmocka_unit_test(cleans_translated_bodies),
        cmocka_unit_test(refuses_bad_settings),
        cmocka_unit_test(uses_keys),
        cmocka_unit_test(uses_tokens),
        cmocka_unit_test(classifies_failures),
        cmocka_unit_test(decodes_answers),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
