/* The snapshot: plugins opened and shared, models and organizations resolved, the ledger's rows added. Uses the plugins
 * of the build. */
#include "config_fixture.h"

#include "app/host.h"
#include "base/clock.h"
#include "base/hash.h"
#include "gateway/route.h"

static mg_registry *registry;
static mg_keyrings *keyrings; /* NULL: as `check` builds a snapshot */

static int setup(void **state) {
    mg_error error;
    if (fixture_setup(state) != 0) return -1;
    registry = mg_registry_create(mg_plugin_host());
    return mg_registry_load(registry, MG_STR(TEST_BINARY_DIR "/plugins"), &error) == 0 ? 0 : -1;
}

static int teardown(void **state) {
    mg_registry_destroy(registry);
    return fixture_teardown(state);
}

static mg_snapshot *build(const mg_config *c, const mg_config_rows *rows, mg_snapshot *previous) {
    mg_buf_clear(&faults);
    mg_buf_clear(&warnings);
    return mg_config_snapshot(c, registry, rows, 1, keyrings, previous, on_fault, on_warning, folder);
}

/* The snapshot of a text; the configuration is gone by then, so that whatever is shared with it is found. */
static mg_snapshot *snapshot_of(const char *text) {
    mg_config *c = load_fine(text);
    mg_snapshot *s = build(c, NULL, NULL);
    if (!s) fail_msg("faults: %.*s", (int)faults.n, faults.p);
    mg_config_destroy(c);
    return s;
}

static void assert_refused(const char *text, const char *expected) {
    mg_config *c = load_fine(text);
    assert_null(build(c, NULL, NULL));
    assert_lines(&faults, expected);
    mg_config_destroy(c);
}

/* ---- providers -------------------------------------------------------------------------------------------------- */

static void test_defaults(void **state) {
    (void)state;
    mg_config *c = mg_config_load((mg_str){NULL, 0}, on_fault, folder);
    mg_snapshot *s = build(c, NULL, NULL);
    assert_non_null(s);
    mg_config_destroy(c);
    assert_lines(&warnings, "");
    assert_int_equal(s->refs, 1);
    assert_int_equal(s->n_providers, 1);
    assert_text(s->providers[0].name, "demo");
    assert_int_equal(s->providers[0].base_url.n, 0);
    assert_int_equal(s->n_orgs, 1);
    assert_text(s->orgs[0].id, "default");
    assert_int_equal(s->n_keys, 0);
    assert_int_equal(s->n_models, 0);
    assert_non_null(s->store);
    assert_string_equal(mg_use_plugin(s->store)->name, "memory");
    assert_int_equal(s->n_detectors, 1);
    assert_ptr_equal(s->prices, mg_prices_builtin());
    assert_int_equal(s->unknown_model_nano_per_million, 75000000000LL);
    mg_snapshot_unref(s);
}

static void test_implicit_providers(void **state) {
    (void)state;
    setenv("OPENAI_API_KEY", "sk-1", 1);
    setenv("ANTHROPIC_API_KEY", "ak-1", 1);
    mg_config *c = load_fine("models = { a = 'openai/x' }");
    mg_config *d = load_fine("models = {\n a = 'anthropic/x' }");
    forget_environment();
    const bool anthropic = mg_registry_find(registry, MG_KIND_PROVIDER, MG_STR("anthropic"));
    mg_snapshot *s = build(c, NULL, NULL);
    assert_non_null(s);
    assert_text(mg_snapshot_provider(s, MG_STR("openai"))->api_key, "sk-1");
    assert_text(mg_snapshot_provider(s, MG_STR("openai"))->base_url, "https://api.openai.com/v1");
    if (!anthropic) {
        assert_non_null(memmem(warnings.p, warnings.n, "provider 'anthropic': there is no provider plugin", 40));
        assert_null(build(d, NULL, NULL));
        assert_lines(&faults,
                     "c.lua:2: 'models.a': there is no provider 'anthropic': it was left out, a warning says why\n");
    }
    mg_snapshot_unref(s);
    mg_config_destroy(c);
    mg_config_destroy(d);
}

static void test_provider_settings(void **state) {
    (void)state;
    mg_snapshot *s =
        snapshot_of("providers = {\n"
                    "  o = { 'openai', api_keys = { 'first', 'second' }, base_url = 'http://127.0.0.1:1/v1/',\n"
                    "        headers = { ['x-a'] = 'b' }, drop = { 'user' }, ca_file = '/ca.pem',\n"
                    "        timeouts = { connect = 2 } },\n"
                    "  none = { 'openai', api_key = env 'MOONGATE_TEST_A' },\n}");
    assert_lines(&warnings, "c.lua:5: 'providers.none' has no api_key: environment MOONGATE_TEST_A is not set\n");
    const mg_provider_use *o = mg_snapshot_provider(s, MG_STR("o"));
    assert_text(o->base_url, "http://127.0.0.1:1/v1");
    assert_text(o->api_key, "first");
    assert_text(o->ca_file, "/ca.pem");
    assert_int_equal(o->timeouts.connect_ms, 2000);
    assert_int_equal(o->timeouts.total_ms, 600000);
    assert_int_equal(o->index, 0);
    assert_int_equal(mg_snapshot_provider(s, MG_STR("none"))->index, 1);
    assert_int_equal(mg_snapshot_provider(s, MG_STR("none"))->api_key.n, 0);
    mg_snapshot_unref(s);
}

static void test_provider_faults(void **state) {
    (void)state;
    assert_refused("providers = {\n  a = { 'opnai' },\n  b = { 'openai',\n    base_ur = 'x',\n    timeout = {},\n    "
                   "drop = 'user',\n"
                   "    base_url = 'ftp://x',\n    headers = { ['x-a'] = 5 } },\n  c = { 'openai', api_key = 5 },\n}",
                   "c.lua:2: provider 'a': there is no provider plugin 'opnai'; did you mean 'openai'?\n"
                   "c.lua:4: provider 'b': unknown setting 'base_ur'; did you mean 'base_url'?\n"
                   "c.lua:5: provider 'b': unknown setting 'timeout'; did you mean 'timeouts'?\n"
                   "c.lua:6: provider 'b': 'drop' must be a list of strings, got a string\n"
                   "c.lua:7: provider 'b': setting 'base_url': the URL has to begin with http:// or https://\n"
                   "c.lua:8: provider 'b': setting 'headers' has to hold strings only, not a number\n"
                   "c.lua:9: provider 'c': 'api_key' must be a string, got a number\n");
    /* refused by the plugin itself */
    mg_config *c = load_fine("\nproviders = { a = { 'openai', headers = { host = 'x' } } }");
    assert_null(build(c, NULL, NULL));
    assert_true(mg_str_starts(mg_buf_view(&faults), MG_STR("c.lua:2: provider 'a': ")));
    mg_config_destroy(c);
    assert_refused("\nstore = { 'memory', max_byte = 1 }",
                   "c.lua:2: store 'memory': unknown setting 'max_byte'; did you mean 'max_bytes'?\n");
    assert_refused("\ndetectors = {\n pi = {} }",
                   "c.lua:3: detector 'pi': there is no detector plugin 'pi'; did you mean 'pii'?\n");
}

static void test_ledger(void **state) {
    (void)state;
    char text[256];
    snprintf(text, sizeof text, "data_dir = '%s'", folder);
    mg_config *c = load_fine(text);
    mg_use *u = mg_config_ledger(c, registry, on_fault, folder);
    assert_non_null(u);
    assert_string_equal(mg_use_plugin(u)->name, "sqlite");
    mg_use_unref(u);
    mg_config_destroy(c);
    c = load_fine("\nledger = { 'sqlit' }");
    assert_null(mg_config_ledger(c, registry, on_fault, folder));
    assert_lines(&faults, "c.lua:2: ledger 'sqlit': there is no ledger plugin 'sqlit'; did you mean 'sqlite'?\n");
    mg_config_destroy(c);
    c = load_fine("\nledger = { 'sqlite', pth = 'x' }");
    assert_null(mg_config_ledger(c, registry, on_fault, folder));
    assert_lines(&faults, "c.lua:2: ledger 'sqlite': unknown setting 'pth'; did you mean 'path'?\n");
    mg_config_destroy(c);
}

/* ---- sharing ---------------------------------------------------------------------------------------------------- */

static void test_sharing(void **state) {
    (void)state;
    static const char first[] = "providers = { a = { 'openai', api_key = 'x', headers = { ['x-a'] = '1' } },\n"
                                "b = { 'openai', api_key = 'y' }, demo = { 'demo' } }";
    static const char second[] =
        "-- another line\nproviders = { demo = { 'demo' }, a = { 'openai', headers = { ['x-a'] = '1' },\n"
        "api_key = 'x', timeouts = { idle = 1 } }, b = { 'openai', api_key = 'z' } }";
    mg_snapshot *before = snapshot_of(first);
    mg_config *c = load_fine(second);
    mg_snapshot *after = build(c, NULL, before);
    assert_non_null(after);
    mg_config_destroy(c);
    assert_ptr_equal(mg_snapshot_provider(after, MG_STR("a"))->use, mg_snapshot_provider(before, MG_STR("a"))->use);
    assert_ptr_equal(mg_snapshot_provider(after, MG_STR("demo"))->use,
                     mg_snapshot_provider(before, MG_STR("demo"))->use);
    assert_ptr_not_equal(mg_snapshot_provider(after, MG_STR("b"))->use, mg_snapshot_provider(before, MG_STR("b"))->use);
    assert_int_equal(mg_snapshot_provider(after, MG_STR("a"))->timeouts.idle_ms, 1000);
    assert_ptr_equal(after->store, before->store);
    assert_ptr_equal(after->detectors[0], before->detectors[0]);
    mg_snapshot_unref(before); /* the shared ones live on */
    assert_string_equal(mg_use_plugin(after->store)->name, "memory");
    c = load_fine("store = { 'memory', max_bytes = '1MB' }");
    mg_snapshot *last = build(c, NULL, after);
    mg_config_destroy(c);
    assert_ptr_not_equal(last->store, after->store);
    mg_snapshot_unref(after);
    mg_snapshot_unref(last);
}

/* A build that fails leaves the one before as it was. */
static void test_failure_keeps_previous(void **state) {
    (void)state;
    mg_snapshot *before = snapshot_of("providers = { a = { 'openai' } }");
    mg_config *c = load_fine("providers = { a = { 'openai' } }\nmodels = { m = 'b/x' }");
    assert_null(build(c, NULL, before));
    assert_lines(&faults, "c.lua:2: 'models.m': there is no provider 'b'\n");
    mg_config_destroy(c);
    assert_int_equal(before->refs, 1);
    assert_string_equal(mg_use_plugin(before->providers[0].use)->name, "openai");
    mg_snapshot_unref(before);
}

/* ---- models ----------------------------------------------------------------------------------------------------- */

static void test_models(void **state) {
    (void)state;
    mg_snapshot *s = snapshot_of(
        "providers = { ollama = { 'openai', base_url = 'http://h/v1' }, openai = { 'openai' } }\n"
        "models = { bare = 'gpt-4o', one = 'ollama/llama/3', many = { 'openai/a', 'gpt-4o-mini' },\n"
        "pool = { { 'openai/a', weight = 3 }, { 'ollama/b', weight = 0.5, timeout = 1.5 }, strategy = 'weighted' },\n"
        "cheap = { 'openai/a', strategy = 'cost' }, fast = { 'openai/a', strategy = 'latency' } }");
    const mg_model *m = mg_snapshot_model(s, MG_STR("bare"));
    assert_text(m->targets[0].name, "openai/gpt-4o");
    assert_text(m->targets[0].model, "gpt-4o");
    assert_ptr_equal(m->targets[0].provider, mg_snapshot_provider(s, MG_STR("openai")));
    m = mg_snapshot_model(s, MG_STR("one"));
    assert_text(m->targets[0].model, "llama/3");
    assert_text(m->targets[0].name, "ollama/llama/3");
    m = mg_snapshot_model(s, MG_STR("many"));
    assert_int_equal(m->n_targets, 2);
    assert_int_equal(m->strategy, MG_STRATEGY_ORDER);
    assert_text(m->targets[1].name, "openai/gpt-4o-mini");
    assert_true(m->targets[0].weight == 1);
    m = mg_snapshot_model(s, MG_STR("pool"));
    assert_int_equal(m->strategy, MG_STRATEGY_WEIGHTED);
    assert_true(m->targets[0].weight == 3 && m->targets[1].weight == 0.5);
    assert_int_equal(m->targets[0].total_ms, 0);
    assert_int_equal(m->targets[1].total_ms, 1500);
    assert_int_equal(mg_snapshot_model(s, MG_STR("cheap"))->strategy, MG_STRATEGY_COST);
    assert_int_equal(mg_snapshot_model(s, MG_STR("fast"))->strategy, MG_STRATEGY_LATENCY);
    mg_snapshot_unref(s);
}

static void test_model_faults(void **state) {
    (void)state;
    assert_refused(
        "providers = { openai = { 'openai' } }\nmodels = {\n  a = 'opnai/gpt-4o',\n  b = { 'openai/x',\n"
        "    'nobody-knows-it' },\n  c = { { 'elsewhere/x' } },\n}",
        "c.lua:3: 'models.a': there is no provider 'opnai'; did you mean 'openai'?\n"
        "c.lua:5: 'models.b[2]': no provider here is known to have a model 'nobody-knows-it': write provider/model\n"
        "c.lua:6: 'models.c[1]': there is no provider 'elsewhere'\n");
    assert_refused(
        "models = { a = 'openai/gpt-4o' }",
        "c.lua:1: 'models.a': there is no provider 'openai': set OPENAI_API_KEY, or declare it in 'providers'\n");
    mg_snapshot *s = snapshot_of("models = { a = { { 'demo/x', weight = 2 }, 'demo/y' } }");
    assert_lines(&warnings, "c.lua:1: 'models.a' has weights, which count only with strategy = \"weighted\"\n");
    mg_snapshot_unref(s);
}

/* ---- organizations ---------------------------------------------------------------------------------------------- */

static const mg_virtual_key *key_of(const mg_snapshot *s, const char *text) {
    return mg_snapshot_key(s, mg_str_of(text));
}

static void test_organizations(void **state) {
    (void)state;
    mg_snapshot *s = snapshot_of(
        "organizations = {\n"
        "  acme = { name = 'Acme', keys = { 'mg-1', env 'MOONGATE_TEST_A',\n"
        "      { key = 'mg-2', name = 'n', team = 't', user = 'u', tags = { a = 'b' }, models = { 'x/*', 'y' },\n"
        "        expires = '2027-01-01', acts_for = '*' } },\n"
        "    models = { 'gpt-4o', 'anthropic/*' },\n"
        "    limits = { requests = { '60/minute', '1000/day' }, tokens = '100000/hour', cost = '50 usd/day',\n"
        "               { scope = 'key', requests = '5/2s', name = 'burst' } },\n"
        "    budget = { monthly_usd = 1000.5, hard = false, alert_at = { 0.5, 1 } },\n"
        "    settings = { moderation = { block_ssn = true, limit = 1.5, words = { 'a', 'b' }, none = env "
        "'MOONGATE_TEST_A' } } },\n"
        "  ['123'] = { suspended = true, budget = { daily_usd = 1 } },\n"
        "}");
    assert_lines(&warnings,
                 "c.lua:2: 'organizations.acme.keys[2]' is left out: environment MOONGATE_TEST_A is not set\n");
    assert_int_equal(s->n_orgs, 2);
    const mg_org *acme = mg_snapshot_org(s, MG_STR("acme"));
    assert_text(acme->name, "Acme");
    assert_int_equal(acme->index, 0);
    assert_int_equal(acme->n_models, 2);
    assert_text(acme->models[1], "anthropic/*");
    assert_int_equal(acme->n_limits, 5);
    assert_int_equal(acme->limits[1].rate.amount, 1000);
    assert_int_equal(acme->limits[1].rate.period_ms, 86400000);
    assert_int_equal(acme->limits[2].measure, MG_MEASURE_TOKENS);
    assert_int_equal(acme->limits[3].rate.amount, 50 * 1000000000LL);
    assert_int_equal(acme->limits[4].scope, MG_SCOPE_KEY);
    assert_int_equal(acme->limits[4].rate.period_ms, 2000);
    assert_text(acme->limits[4].name, "burst");
    assert_true(acme->budget.set && !acme->budget.hard);
    assert_int_equal(acme->budget.limit_nano, 1000500000000LL);
    assert_text(acme->budget.period, "month");
    assert_int_equal(acme->budget.n_alerts, 2);
    assert_true(mg_json_bool(mg_json_path(acme->settings, "moderation.block_ssn"), false));
    assert_true(mg_json_number(mg_json_path(acme->settings, "moderation.limit"), 0) == 1.5);
    assert_text(mg_json_text(mg_json_path(acme->settings, "moderation.words.1")), "b");
    assert_int_equal(mg_json_path(acme->settings, "moderation")->count, 3); /* what is unset is not there */
    const mg_org *other = mg_snapshot_org(s, MG_STR("123"));
    assert_true(other->suspended && other->budget.hard);
    assert_text(other->name, "123");
    assert_int_equal(other->n_models, 0);
    assert_null(other->settings);
    mg_snapshot_unref(s);
}

static void test_keys(void **state) {
    (void)state;
    int64_t expires;
    mg_snapshot *s =
        snapshot_of("organizations = { acme = { keys = { 'mg-1', { key = 'mg-2', name = 'n', team = 't', user = 'u',\n"
                    "tags = { a = 'b' }, models = { 'x/*', 'y' }, expires = '2027-01-01', acts_for = '*' } } } }");
    assert_int_equal(s->n_keys, 2);
    assert_null(key_of(s, "mg-3"));
    const mg_virtual_key *k = key_of(s, "mg-1");
    assert_text(k->id, "key_6d6add8dc4cd");
    assert_ptr_equal(k->org, mg_snapshot_org(s, MG_STR("acme")));
    assert_false(k->acts_for_all);
    assert_int_equal(k->expires_ms, 0);
    k = key_of(s, "mg-2");
    assert_text(k->name, "n");
    assert_text(k->team, "t");
    assert_text(k->user, "u");
    assert_text(mg_json_text(mg_json_get(k->tags, MG_STR("a"))), "b");
    assert_int_equal(k->n_models, 2);
    assert_text(k->models[0], "x/*");
    assert_true(k->acts_for_all);
    assert_true(mg_clock_parse(MG_STR("2027-01-01"), &expires));
    assert_int_equal(k->expires_ms, expires);
    mg_snapshot_unref(s);
}

/* ---- the ledger's rows ------------------------------------------------------------------------------------------ */

static mg_str hash_hex(const char *secret) {
    static char hex[8][65];
    static int which;
    uint8_t sha[32];
    which = (which + 1) % 8;
    mg_sha256(mg_str_of(secret), sha);
    mg_hex(sha, 32, hex[which]);
    return mg_str_of(hex[which]);
}

static void test_rows(void **state) {
    (void)state;
    struct mg_config_org_row orgs[] = {
        {MG_STR("acme"), MG_STR("Other name"), MG_STR("{\"rate\":{\"x\":1}}")},
        {MG_STR("beta"), MG_STR("Beta"), MG_STR("{\"rate\":{\"x\":2}}")},
        {MG_STR("gamma"), {NULL, 0}, MG_STR("[1")},
    };
    struct mg_config_key_row keys[] = {
        {.id = MG_STR("k1"), .org = MG_STR("acme"), .sha256_hex = hash_hex("mg-file"), .name = MG_STR("shadow")},
        {.id = MG_STR("k2"),
         .org = MG_STR("beta"),
         .sha256_hex = hash_hex("mg-b"),
         .name = MG_STR("n"),
         .team = MG_STR("t"),
         .tags = MG_STR("{\"a\":\"b\"}"),
         .models = MG_STR("[\"x/*\"]"),
         .acts_for = MG_STR("*"),
         .expires_ms = 5},
        {.id = MG_STR("k3"), .org = MG_STR("beta"), .sha256_hex = hash_hex("mg-r"), .revoked_ms = 1},
        {.id = MG_STR("k4"), .org = MG_STR("nobody"), .sha256_hex = hash_hex("mg-n")},
        {.id = MG_STR("k5"), .org = MG_STR("beta"), .sha256_hex = MG_STR("zz")},
        {.id = MG_STR("k6"), .org = MG_STR("beta"), .sha256_hex = hash_hex("mg-m"), .models = MG_STR("\"x\"")},
        {.id = MG_STR("k7"), .org = MG_STR("beta"), .sha256_hex = hash_hex("mg-l"), .models = MG_STR("[1]")},
        {.id = MG_STR("k8"), .org = MG_STR("acme"), .sha256_hex = hash_hex("mg-a")},
    };
    const mg_config_rows rows = {NULL, orgs, 3, keys, 8};
    mg_config *c = load_fine("organizations = { acme = { keys = { 'mg-file' } } }");
    mg_snapshot *s = build(c, &rows, NULL);
    assert_non_null(s);
    mg_config_destroy(c);
    memset(orgs, 'x', sizeof orgs);
    memset(keys, 'x', sizeof keys);
    assert_lines(
        &warnings,
        "c.lua:0: the ledger's organization 'gamma' has settings that are not a JSON object: they are left out\n"
        "c.lua:0: the ledger's key 'k4' belongs to no organization that there is: it is left out\n"
        "c.lua:0: the ledger's key 'k5' has no valid SHA-256: it is left out\n"
        "c.lua:0: the ledger's key 'k6' has models that are not a JSON array: it is left out\n"
        "c.lua:0: the ledger's key 'k7' has models that are not strings: it is left out\n");
    assert_int_equal(s->n_orgs, 3);
    assert_text(mg_snapshot_org(s, MG_STR("acme"))->name, "acme");
    assert_null(mg_snapshot_org(s, MG_STR("acme"))->settings);
    assert_text(mg_snapshot_org(s, MG_STR("gamma"))->name, "gamma");
    assert_int_equal(mg_json_int(mg_json_path(mg_snapshot_org(s, MG_STR("beta"))->settings, "rate.x"), 0), 2);
    assert_int_equal(s->n_keys, 3);
    assert_int_equal(key_of(s, "mg-file")->name.n, 0);
    const mg_virtual_key *k = key_of(s, "mg-b");
    assert_text(k->id, "k2");
    assert_text(k->team, "t");
    assert_text(k->org->id, "beta");
    assert_text(k->models[0], "x/*");
    assert_text(mg_json_text(mg_json_get(k->tags, MG_STR("a"))), "b");
    assert_true(k->acts_for_all);
    assert_int_equal(k->expires_ms, 5);
    assert_text(key_of(s, "mg-a")->org->id, "acme");
    assert_null(key_of(s, "mg-r"));
    assert_null(key_of(s, "mg-n"));
    assert_null(key_of(s, "mg-m"));
    mg_snapshot_unref(s);
}

static void test_example(void **state) {
    (void)state;
    mg_buf_clear(&faults);
    mg_config *c = mg_config_load(MG_STR(TEST_SOURCE_DIR "/../examples/moongate.lua"), on_fault, folder);
    assert_non_null(c);
    mg_snapshot *s = build(c, NULL, NULL);
    assert_lines(&faults, "");
    assert_non_null(s);
    assert_int_equal(s->n_models, 3);
    mg_snapshot_unref(s);
    mg_config_destroy(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_implicit_providers),
        cmocka_unit_test(test_provider_settings),
        cmocka_unit_test(test_provider_faults),
        cmocka_unit_test(test_ledger),
        cmocka_unit_test(test_sharing),
        cmocka_unit_test(test_failure_keeps_previous),
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_model_faults),
        cmocka_unit_test(test_organizations),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_example),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
