/* The azure provider on recorded traffic: each request goes where it was recorded, nothing of an answer is lost. */
#include "recordings_openai.h"

static provider base; /* holds the plugin; each row has a use of its own */
static char endpoint[256], version[64], model[128], deployment[128];

static void set(mg_setting_values *v) {
    mg_error error;
    assert_int_equal(mg_setting_set(v, MG_STR("endpoint"), mg_str_of(endpoint), &error), MG_OK);
    assert_int_equal(mg_setting_set(v, MG_STR("api_version"), mg_str_of(version), &error), MG_OK);
    if (deployment[0] && model[0])
        assert_int_equal(mg_setting_add(v, MG_STR("deployments"), mg_str_of(model), mg_str_of(deployment), &error),
                         MG_OK);
}

static int setup(void **state) {
    (void)state;
    snprintf(endpoint, sizeof endpoint, "https://resource.openai.azure.com");
    snprintf(version, sizeof version, "v1");
    provider_open(&base, "azure", set);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    provider_close(&base);
    return 0;
}

/* The settings with which this request would have been sent. */
static void settings_of(const mg_json *row) {
    mg_str path = recordings_text(row, "path"), query = recordings_text(row, "query");
    mg_str host = recordings_text(row, "host");
    bool foundry = mg_str_glob(MG_STR("*/models/*"), path);
    const mg_json *request = mg_json_get(row, MG_STR("request"));
    deployment[0] = 0;
    snprintf(endpoint, sizeof endpoint, "https://" MG_STR_FMT "%s", MG_STR_ARG(host), foundry ? "/models" : "");
    snprintf(version, sizeof version, "v1");
    if (query.n > 13) snprintf(version, sizeof version, MG_STR_FMT, MG_STR_ARG(mg_str_skip(query, 13)));
    snprintf(model, sizeof model, MG_STR_FMT, MG_STR_ARG(mg_json_text(mg_json_get(request, MG_STR("model")))));
    const char *at = path.n ? memmem(path.p, path.n, "/deployments/", 13) : NULL;
    if (!at) return;
    mg_str name = mg_str_skip(path, (size_t)(at - path.p) + 13);
    snprintf(deployment, sizeof deployment, MG_STR_FMT, (int)mg_str_find(name, '/'), name.p);
}

/* A body may name another model than its deployment: then that name is all that changes. */
static void check_own_request(exchange *x, mg_provider_request *r, sent *s) {
    mg_error error = {0};
    mg_buf out = {0};
    if (provider_encode(x->p, r, s, &out, &error) != MG_OK) fail_msg("%s: %s", x->id, error.text);
    bool stream = r->stream && x->operation == MG_OP_CHAT && r->format == MG_FORMAT_OPENAI;
    bool renamed = deployment[0] && model[0] && strcmp(model, deployment) != 0;
    if (s->n > (size_t)stream + renamed) fail_msg("%s: %zu changes", x->id, s->n);
    if (!s->n && !mg_str_eq(r->body, mg_buf_view(&out))) fail_msg("%s: the request's body differs", x->id);
    const mg_json *root = provider_json(x->p, mg_buf_view(&out));
    if (renamed) assert_true(mg_str_is(json_text(root, "model"), deployment));
    if (!model[0]) assert_null(mg_json_get(root, MG_STR("model")));
    mg_buf_finish(&out);
    x->sum->requests++;
}

static void check_sent(exchange *x) {
    const mg_json *v = mg_json_get(x->row, MG_STR("request"));
    mg_str path = recordings_text(x->row, "path"), query = recordings_text(x->row, "query");
    char expected[256];
    sent s;
    if (mg_json_kind(v) != MG_JSON_OBJECT) return;
    mg_provider_request r = {.operation = x->operation, .format = x->p->format, .api_key = MG_STR("k")};
    r.body = mg_str_from(x->line.p + v->src, v->src_end - v->src);
    r.model = mg_str_of(model[0] ? model : deployment);
    r.stream = r.want_usage = mg_json_bool(mg_json_get(v, MG_STR("stream")), false);
    check_own_request(x, &r, &s);
    if (mg_str_starts(path, MG_STR("//"))) path = mg_str_skip(path, 1);
    snprintf(expected, sizeof expected, MG_STR_FMT MG_STR_FMT, MG_STR_ARG(path), MG_STR_ARG(query));
    assert_string_equal(s.path, expected);
    assert_string_equal(s.headers, "api-key: k\ncontent-type: application/json\n");
}

static void check_row(const mg_json *row, mg_str line, void *sum) {
    mg_error error = {0};
    provider p = base;
    exchange x = {.p = &p, .row = row, .line = line, .sum = sum};
    if (!exchange_route(&x)) return;
    settings_of(row);
    mg_setting_values *v = mg_setting_values_create(p.plugin->settings, MG_STR(""));
    set(v);
    p.use = mg_use_open(&p.host, p.plugin, v, 1, &error);
    if (!p.use) fail_msg("%s: %s", x.id, error.text);
    p.self = mg_use_self(p.use, 0, NULL, &error);
    check_sent(&x);
    exchange_check(&x);
    mg_use_unref(p.use);
}

static void passes_recordings(void **state) {
    (void)state;
    exchange_totals sum = {0};
    if (!recordings_walk(&base, "azure.jsonl", check_row, &sum)) recordings_skip();
    exchange_totals_print(&sum);
    assert_true(sum.requests > 20 && sum.chats > 20 && sum.chat_streams > 0 && sum.embeddings > 0 && sum.responses > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_recordings),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
