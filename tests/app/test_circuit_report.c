/* What operators see of circuit breakers, and what they can switch: metrics, and /admin/v1/providers without the server. */
#include "config_fixture.h"

#include "app/admin_providers.h"
#include "app/circuit_report.h"
#include "app/host.h"
#include "base/clock.h"

typedef struct fixture {
    mg_registry *registry;
    mg_gateway gateway;
    mg_buf out;
    mg_error error;
} fixture;

static int begin(void **state) {
    fixture *f = calloc(1, sizeof *f);
    if (fixture_setup(state) != 0) return -1;
    f->registry = mg_registry_create(mg_plugin_host());
    if (mg_registry_load(f->registry, MG_STR(TEST_BINARY_DIR "/plugins"), &f->error) != 0) return -1;
    mg_config *c = load_fine("providers = { one = { 'openai', api_keys = { 'a', 'b' } }, two = { 'demo' } }");
    pthread_mutex_init(&f->gateway.lock, NULL);
    f->gateway.metrics = mg_metrics_create();
    f->gateway.circuits = mg_circuits_create(mg_circuit_report, f->gateway.metrics);
    f->gateway.keyrings = mg_keyrings_create();
    f->gateway.snapshot = mg_config_snapshot(c, f->registry, NULL, 1, f->gateway.keyrings, NULL, NULL, NULL, NULL);
    mg_config_destroy(c);
    *state = f;
    return f->gateway.snapshot ? 0 : -1;
}

static int end(void **state) {
    fixture *f = *state;
    mg_buf_finish(&f->out);
    mg_snapshot_unref(f->gateway.snapshot);
    mg_keyrings_destroy(f->gateway.keyrings);
    mg_circuits_destroy(f->gateway.circuits);
    mg_metrics_destroy(f->gateway.metrics);
    mg_registry_destroy(f->registry);
    pthread_mutex_destroy(&f->gateway.lock);
    free(f);
    return fixture_teardown(state);
}

static void call(fixture *f, const char *provider, const char *model, mg_circuit_outcome outcome, int64_t ttft_us) {
    const mg_circuit_settings s = MG_CIRCUIT_DEFAULTS;
    uint64_t now = mg_clock_mono_ms();
    mg_circuit *c = mg_circuits_find(f->gateway.circuits, mg_str_of(provider), mg_str_of(model));
    mg_circuit_pass pass = mg_circuit_admit(c, &s, now);
    const mg_circuit_call end_of_call = {.outcome = outcome, .ttft_us = ttft_us};
    mg_circuit_record(c, &s, &pass, &end_of_call, now);
}

static void assert_holds(const fixture *f, const char *text) {
    if (!f->out.n || !memmem(f->out.p, f->out.n, text, strlen(text)))
        fail_msg("no '%s' in\n%.*s", text, (int)f->out.n, f->out.p);
}

/* ---- metrics ----------------------------------------------------------------------------------------------------- */

static void test_gauges(void **state) {
    fixture *f = *state;
    for (int i = 0; i < 20; i++) call(f, "one", "a\"b\\c\nd", MG_CIRCUIT_FAILURE, -1);
    call(f, "two", "fast", MG_CIRCUIT_SUCCESS, 15);
    mg_circuit_metrics(&f->gateway, &f->out);
    assert_holds(f, "# TYPE moongate_circuit_state gauge\n"
                    "moongate_circuit_state{provider=\"one\",model=\"a\\\"b\\\\c\\nd\"} 2\n"
                    "moongate_circuit_state{provider=\"two\",model=\"fast\"} 0\n");
    assert_holds(f, "# TYPE moongate_provider_ttft_seconds gauge\n"
                    "moongate_provider_ttft_seconds{provider=\"two\",model=\"fast\",quantile=\"0.5\"} 1.5e-05\n"
                    "moongate_provider_ttft_seconds{provider=\"two\",model=\"fast\",quantile=\"0.95\"} 1.5e-05\n");
    assert_holds(f, "moongate_provider_keys_resting{provider=\"one\"} 0\n");
    mg_buf_clear(&f->out);
    mg_metrics_write(f->gateway.metrics, &f->out);
    assert_holds(f, "moongate_circuit_changes_total{");
    assert_holds(f, "to=\"open\"");
}

/* Names come from clients: there may be many. */
static void test_many_targets(void **state) {
    fixture *f = *state;
    size_t lines = 0;
    for (int i = 0; i < 3000; i++) {
        char model[16];
        snprintf(model, sizeof model, "m%d", i);
        mg_circuits_find(f->gateway.circuits, MG_STR("one"), mg_str_of(model));
    }
    mg_circuit_metrics(&f->gateway, &f->out);
    for (size_t i = 0; i < f->out.n; i++) lines += f->out.p[i] == '\n';
    assert_in_range(lines, 2000, 2010);
}

/* ---- switches ---------------------------------------------------------------------------------------------------- */

static mg_status order(fixture *f, const char *name, bool on, const char *body) {
    mg_buf_clear(&f->out);
    f->error = (mg_error){0};
    return mg_admin_provider_switch(&f->gateway, mg_str_of(name), on, mg_str_of(body), &f->out, &f->error);
}

static mg_circuit_stats stats(fixture *f, const char *provider, const char *model) {
    mg_circuit_stats s;
    mg_circuit_stats_get(mg_circuits_find(f->gateway.circuits, mg_str_of(provider), mg_str_of(model)),
                         mg_clock_mono_ms(), &s);
    return s;
}

static void test_provider_off_and_on(void **state) {
    fixture *f = *state;
    call(f, "one", "m", MG_CIRCUIT_SUCCESS, 1000);
    assert_int_equal(order(f, "one", false, "{\"for\":\"30m\"}"), MG_OK);
    assert_true(mg_str_starts(
        mg_buf_view(&f->out),
        MG_STR("{\"name\":\"one\",\"plugin\":\"openai\",\"state\":\"disabled\",\"disabled_until\":\"20")));
    assert_holds(f, "\"keys\":2,\"keys_resting\":0,\"circuits\":[{\"model\":\"m\",\"state\":\"open\",\"forced\":true,");
    assert_int_equal(stats(f, "one", "later").state, MG_CIRCUIT_OPENED); /* also those that are found later */
    assert_in_range(stats(f, "one", "m").wait_ms, 1700000, 1800000);
    assert_int_equal(stats(f, "two", "m").state, MG_CIRCUIT_CLOSED);
    assert_int_equal(order(f, "one", true, ""), MG_OK);
    assert_holds(f, "\"state\":\"enabled\",\"disabled_until\":null");
    assert_int_equal(stats(f, "one", "m").state, MG_CIRCUIT_CLOSED);
    assert_int_equal(order(f, "one", false, ""), MG_OK);
    assert_holds(f, "\"state\":\"disabled\",\"disabled_until\":null");
    assert_holds(f, "\"wait_seconds\":null");
}

static void test_model_off_and_on(void **state) {
    fixture *f = *state;
    assert_int_equal(order(f, "one", false, "{\"model\":\"x\",\"for\":90}"), MG_OK);
    assert_int_equal(order(f, "one", false, "{\"model\":\"y\"}"), MG_OK);
    assert_holds(f, "\"state\":\"enabled\"");
    assert_int_equal(stats(f, "one", "x").state, MG_CIRCUIT_OPENED);
    assert_in_range(stats(f, "one", "x").wait_ms, 80000, 90000);
    assert_int_equal(order(f, "one", true, "{\"model\":\"x\"}"), MG_OK);
    assert_int_equal(stats(f, "one", "x").state, MG_CIRCUIT_CLOSED);
    assert_int_equal(stats(f, "one", "y").state, MG_CIRCUIT_OPENED);
    assert_int_equal(order(f, "two", true, ""), MG_OK); /* another provider's stay */
    assert_int_equal(stats(f, "one", "y").state, MG_CIRCUIT_OPENED);
    assert_int_equal(order(f, "one", true, ""), MG_OK);
    assert_int_equal(stats(f, "one", "y").state, MG_CIRCUIT_CLOSED);
}

static void test_refused_orders(void **state) {
    fixture *f = *state;
    static const struct {
        const char *name, *body;
        int http;
        const char *says;
    } cases[] = {
        {"on", "", 404, "There is no provider 'on'; did you mean 'one'?"},
        {"something", "", 404, "There is no provider 'something'."},
        {"one", "{", 400, ""},
        {"one", "[]", 400, "The body is a JSON object"},
        {"one", "{\"for\":null}", 400, "'for' is a time"},
        {"one", "{\"for\":\"\"}", 400, "'for' is a time"},
        {"one", "{\"for\":-1}", 400, "'for' is a time"},
        {"one", "{\"for\":\"1e9h\"}", 400, "'for' is a time"},
        {"one", "{\"model\":\"\"}", 400, "'model' is not understood"},
        {"one", "{\"until\":1}", 400, "'until' is not understood"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(order(f, cases[i].name, false, cases[i].body), MG_ERROR);
        assert_int_equal(f->error.http, cases[i].http);
        assert_int_equal(f->out.n, 0);
        if (strncmp(f->error.text, cases[i].says, strlen(cases[i].says)) != 0)
            fail_msg("%s %s says: %s", cases[i].name, cases[i].body, f->error.text);
    }
    assert_int_equal(stats(f, "one", "m").state, MG_CIRCUIT_CLOSED);
}

static void test_list(void **state) {
    fixture *f = *state;
    call(f, "two", "m", MG_CIRCUIT_SUCCESS, 2000);
    mg_admin_providers_write(&f->gateway, &f->out);
    assert_holds(f, "{\"providers\":[{\"name\":\"one\",\"plugin\":\"openai\",\"state\":\"enabled\",");
    assert_holds(f, "},{\"name\":\"two\",\"plugin\":\"demo\",\"state\":\"enabled\",\"disabled_until\":null,\"keys\":0,"
                    "\"keys_resting\":0,\"circuits\":[{\"model\":\"m\",\"state\":\"closed\",\"forced\":false,"
                    "\"held\":false,\"wait_seconds\":0,\"calls\":1,\"errors\":0,\"error_rate\":0,\"in_flight\":0,"
                    "\"ttft_p50_seconds\":0.00");
    assert_holds(f, "\"tokens_per_second\":null,\"calls_total\":1,\"errors_total\":0,\"opened_total\":0}]}]}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_gauges, begin, end),
        cmocka_unit_test_setup_teardown(test_many_targets, begin, end),
        cmocka_unit_test_setup_teardown(test_provider_off_and_on, begin, end),
        cmocka_unit_test_setup_teardown(test_model_off_and_on, begin, end),
        cmocka_unit_test_setup_teardown(test_refused_orders, begin, end),
        cmocka_unit_test_setup_teardown(test_list, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
