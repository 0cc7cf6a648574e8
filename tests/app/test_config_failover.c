/* What the configuration says of failover: circuit breakers, several keys for one provider. */
#include "config_fixture.h"

#include "app/host.h"

static mg_registry *registry;
static mg_keyrings *keyrings;

static int setup(void **state) {
    mg_error error;
    if (fixture_setup(state) != 0) return -1;
    registry = mg_registry_create(mg_plugin_host());
    keyrings = mg_keyrings_create();
    return mg_registry_load(registry, MG_STR(TEST_BINARY_DIR "/plugins"), &error) == 0 ? 0 : -1;
}

static int teardown(void **state) {
    mg_keyrings_destroy(keyrings);
    mg_registry_destroy(registry);
    return fixture_teardown(state);
}

/* The configuration is gone by then, so that whatever is shared with it is found. */
static mg_snapshot *snapshot_of(const char *text, mg_keyrings *rings) {
    mg_config *c = load_fine(text);
    mg_snapshot *s = mg_config_snapshot(c, registry, NULL, 1, rings, NULL, on_fault, on_warning, folder);
    if (!s) fail_msg("faults: %.*s", (int)faults.n, faults.p);
    mg_config_destroy(c);
    return s;
}

/* ---- circuit breakers -------------------------------------------------------------------------------------------- */

static void test_circuit_defaults(void **state) {
    (void)state;
    const mg_circuit_settings expected = MG_CIRCUIT_DEFAULTS;
    mg_snapshot *s = snapshot_of("", NULL);
    assert_int_equal(s->circuit.window_ms, expected.window_ms);
    assert_int_equal(s->circuit.min_calls, expected.min_calls);
    assert_int_equal(s->circuit.error_percent, expected.error_percent);
    assert_int_equal(s->circuit.slow_percent, expected.slow_percent);
    assert_int_equal(s->circuit.slow_ms, expected.slow_ms);
    assert_int_equal(s->circuit.open_ms, expected.open_ms);
    assert_int_equal(s->circuit.open_max_ms, expected.open_max_ms);
    assert_int_equal(s->circuit.probes, expected.probes);
    assert_int_equal(s->circuit.count_limited, expected.count_limited);
    mg_snapshot_unref(s);
}

static void test_circuit_settings(void **state) {
    (void)state;
    mg_snapshot *s =
        snapshot_of("circuit = { window = 60, min_calls = 5, errors = 0.255, slow = 0.001, slow_after = 1.5,\n"
                    "open = '2m', open_max = 120, probes = 1, count_limited = true }",
                    NULL);
    assert_int_equal(s->circuit.window_ms, 60000);
    assert_int_equal(s->circuit.min_calls, 5);
    assert_int_equal(s->circuit.error_percent, 26);
    assert_int_equal(s->circuit.slow_percent, 1); /* not 0, which is never */
    assert_int_equal(s->circuit.slow_ms, 1500);
    assert_int_equal(s->circuit.open_ms, 120000);
    assert_int_equal(s->circuit.open_max_ms, 120000);
    assert_int_equal(s->circuit.probes, 1);
    assert_true(s->circuit.count_limited);
    mg_snapshot_unref(s);
    s = snapshot_of("circuit = { errors = 0, slow = 1 }", NULL);
    assert_int_equal(s->circuit.error_percent, 0);
    assert_int_equal(s->circuit.slow_percent, 100);
    mg_snapshot_unref(s);
}

static void test_circuit_faults(void **state) {
    (void)state;
    assert_faults("circuit = {\n window = 0.5,\n min_calls = 0,\n errors = 50,\n slow = '0.5',\n slow_after = -1,\n"
                  " probes = 17,\n count_limited = 1,\n open = 9999, open_max = 20000,\n windw = 1 }",
                  "c.lua:2: 'circuit.window' must be between 1 and 300 seconds, got 0.5\n"
                  "c.lua:3: 'circuit.min_calls' must be between 1 and 1000000, got 0\n"
                  "c.lua:4: 'circuit.errors' must be a share from 0 to 1, got 50\n"
                  "c.lua:5: 'circuit.slow' must be a share from 0 to 1, got a string\n"
                  "c.lua:6: 'circuit.slow_after' must be a number of seconds, such as 30, 1.5 or \"5m\", got '-1'\n"
                  "c.lua:7: 'circuit.probes' must be between 1 and 16, got 17\n"
                  "c.lua:8: 'circuit.count_limited' must be true or false, got a number\n"
                  "c.lua:9: 'circuit.open' must be between 0.1 and 3600 seconds, got 9999\n"
                  "c.lua:10: unknown setting 'circuit.windw'; did you mean 'circuit.window'?\n");
    assert_faults("circuit = { open = 600 }",
                  "c.lua:1: 'circuit.open_max' must be at least 'circuit.open': 600 seconds\n");
    assert_faults("circuit = {\nopen_max = 10 }",
                  "c.lua:2: 'circuit.open_max' must be at least 'circuit.open': 30 seconds\n");
    assert_faults("circuit = 5", "c.lua:1: 'circuit' must be a table, got a number\n");
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static const char two_keys[] = "providers = { o = { 'openai', api_keys = { 'first', 'second' } } }";

static void test_several_keys(void **state) {
    (void)state;
    const mg_keyring_settings settings = MG_KEYRING_DEFAULTS;
    mg_snapshot *s = snapshot_of(two_keys, keyrings);
    const mg_provider_use *o = mg_snapshot_provider(s, MG_STR("o"));
    assert_lines(&warnings, "");
    assert_text(o->api_key, "first");
    assert_int_equal(o->n_api_keys, 2);
    assert_text(o->api_keys[0], "first");
    assert_text(o->api_keys[1], "second");
    assert_non_null(o->keyring);
    assert_int_equal(mg_keyring_size(o->keyring), 2);
    /* A reload finds the ring as it is: what rests goes on resting. */
    assert_true(mg_keyring_report(o->keyring, &settings, 0, MG_FAIL_RATE, 60000, 1000));
    mg_snapshot *again = snapshot_of(two_keys, keyrings);
    const mg_provider_use *o2 = mg_snapshot_provider(again, MG_STR("o"));
    assert_ptr_equal(o2->keyring, o->keyring);
    mg_snapshot_unref(s);
    assert_int_equal(mg_keyring_resting(o2->keyring, 2000), 1);
    assert_int_equal(mg_keyring_choose(o2->keyring, &settings, 2000).at, 1);
    mg_snapshot_unref(again);
}

/* `check` and other verbs send nothing. */
static void test_keys_without_rings(void **state) {
    (void)state;
    mg_snapshot *s = snapshot_of(two_keys, NULL);
    const mg_provider_use *o = mg_snapshot_provider(s, MG_STR("o"));
    assert_int_equal(o->n_api_keys, 2);
    assert_null(o->keyring);
    mg_snapshot_unref(s);
}

/* One key, however it is written, needs no ring; one of the list that is not set counts as absent. */
static void test_single_keys(void **state) {
    (void)state;
    mg_snapshot *s = snapshot_of("providers = {\n"
                                 "  a = { 'openai', api_key = 'one' },\n"
                                 "  b = { 'openai', api_keys = { 'two' } },\n"
                                 "  c = { 'openai', api_keys = { env 'MOONGATE_TEST_A', 'three' } },\n"
                                 "  d = { 'openai', api_keys = { 'four',\n 'four' } },\n}",
                                 keyrings);
    static const char *const names[] = {"a", "b", "c", "d"}, *const keys[] = {"one", "two", "three", "four"};
    for (int i = 0; i < 4; i++) {
        const mg_provider_use *p = mg_snapshot_provider(s, mg_str_of(names[i]));
        assert_text(p->api_key, keys[i]);
        assert_null(p->keyring);
        assert_int_equal(p->n_api_keys, 0);
    }
    assert_lines(&warnings, "c.lua:6: 'providers.d.api_keys[2]' is one of those before it\n");
    mg_snapshot_unref(s);
}

static void test_key_faults(void **state) {
    (void)state;
    assert_faults("providers = { o = { 'openai',\n api_keys = 'x' } }",
                  "c.lua:2: 'providers.o.api_keys' must be a list of strings, got a string\n");
    assert_faults("providers = { o = { 'openai', api_key = 'x',\n api_keys = { 'a', 'b' } } }",
                  "c.lua:2: 'providers.o' has both api_key and api_keys: keep one\n");
    assert_faults("providers = { o = { 'openai', api_keys = { 'a',\n '' } } }",
                  "c.lua:2: 'providers.o.api_keys[2]' must not be empty\n");
    assert_faults(
        "local keys = {}\nfor i = 1, 65 do keys[i] = 'k' .. i end\nproviders = { o = { 'openai',\n api_keys = keys } }",
        "c.lua:4: 'providers.o.api_keys' holds 65 keys, and may hold 64\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_circuit_defaults),   cmocka_unit_test(test_circuit_settings),
        cmocka_unit_test(test_circuit_faults),     cmocka_unit_test(test_several_keys),
        cmocka_unit_test(test_keys_without_rings), cmocka_unit_test(test_single_keys),
        cmocka_unit_test(test_key_faults),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
