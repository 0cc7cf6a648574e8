/* The configuration file: what it says, and what is said about it when it is wrong. */
#include "config_fixture.h"

#include "base/log.h"

/* ---- good files ------------------------------------------------------------------------------------------------- */

static void test_defaults(void **state) {
    (void)state;
    const mg_server_limits limits = mg_server_limits_default();
    mg_config *c = mg_config_load((mg_str){NULL, 0}, on_fault, folder);
    assert_non_null(c);
    assert_int_equal(c->n_listen, 1);
    assert_text(c->listen[0].address, "127.0.0.1:8080");
    assert_text(c->admin.address, "127.0.0.1:8081");
    assert_int_equal(c->admin_token.n, 0);
    assert_text(c->data_dir, "var");
    assert_text(c->policies, "policies");
    assert_text(c->policy.folder, "policies");
    assert_text(mg_str_skip(c->plugins, c->plugins.n - 8), "/plugins");
    assert_true(c->plugins.p[0] == '/');
    assert_text(c->ledger.plugin, "sqlite");
    assert_text(c->store.plugin, "memory");
    assert_text(c->upstream, "pool");
    assert_int_equal(c->drain_ms, 30000);
    assert_int_equal(c->log_level, MG_LOG_INFO);
    assert_int_equal(c->unpriced_nano_per_million, 75000000000LL);
    assert_memory_equal(&c->limits, &limits, sizeof limits);
    assert_int_equal(c->policy.cpu_us, 2000);
    assert_int_equal(c->policy.instructions, 1000000);
    assert_int_equal(c->policy.memory, 8 << 20);
    assert_int_equal(c->policy.wall_ms, 6000);
    assert_int_equal(c->policy.idle_ms, 60000);
    assert_false(c->policy.fail_open);
    assert_int_equal(c->n_providers, 1);
    assert_text(c->providers[0].name, "demo");
    assert_int_equal(c->n_files, 0);
    assert_int_equal(c->organizations->count, 0);
    mg_config_destroy(c);
    mg_config_destroy(NULL);
}

static void test_providers_of_the_environment(void **state) {
    (void)state;
    setenv("OPENAI_API_KEY", "sk-1", 1);
    setenv("GEMINI_API_KEY", "", 1);
    setenv("AZURE_OPENAI_API_KEY", "az", 1);
    setenv("AZURE_OPENAI_ENDPOINT", "https://x.openai.azure.com", 1);
    mg_config *c = load_fine("workers = 1");
    forget_environment();
    assert_int_equal(c->n_providers, 3);
    assert_text(c->providers[1].name, "openai");
    assert_true(c->providers[1].implicit);
    assert_text(mg_json_text(mg_json_get(c->providers[1].settings, MG_STR("api_key"))), "sk-1");
    assert_int_equal(c->providers[1].timeouts.first_byte_ms, 60000);
    assert_text(c->providers[2].plugin, "azure");
    assert_text(mg_json_text(mg_json_get(c->providers[2].settings, MG_STR("endpoint"))), "https://x.openai.azure.com");
    mg_config_destroy(c);
    c = load_fine("providers = {}");
    assert_int_equal(c->n_providers, 0);
    mg_config_destroy(c);
}

static const char complete[] =
    "listen  = \"127.0.0.1:8080\"\n"
    "admin   = { listen = \"127.0.0.1:8081\", token = file \"admin\" }\n"
    "workers = 0\n"
    "data_dir = \"var\"\n"
    "policies = \"policies\"\n"
    "plugins  = \"plugins\"\n"
    "trusted_proxies = { \"10.0.0.0/8\", \"::1\" }\n"
    "ledger = { \"sqlite\" }\n"
    "store  = { \"memory\", max_bytes = \"256MB\" }\n"
    "providers = {\n"
    "  openai    = { \"openai\",    api_key = file \"openai\", base_url = \"https://api.openai.com/v1\" },\n"
    "  anthropic = { \"anthropic\", api_key = env \"MOONGATE_TEST_A\", base_url = \"https://api.anthropic.com\" },\n"
    "  gemini    = { \"google\",    api_keys = { \"a\", \"b\" } },\n"
    "  azure     = { \"azure\",     api_key = \"k\", endpoint = \"https://NAME.openai.azure.com\",\n"
    "                api_version = \"2024-10-21\", deployments = { [\"gpt-4o\"] = \"my-gpt4o\" } },\n"
    "  ollama    = { \"openai\",    base_url = \"http://127.0.0.1:11434/v1\", headers = {}, drop = { \"logit_bias\" "
    "},\n"
    "                rename = { max_tokens = \"max_completion_tokens\" }, path = { chat = \"/chat\" }, ca_file = "
    "\"ca.pem\",\n"
    "                timeouts = { connect = 1, first_byte = 1.5, idle = \"2m\", total = 0 }, limits = { requests = "
    "\"10/s\" } },\n"
    "}\n"
    "models = {\n"
    "  [\"gpt-4o\"] = \"openai/gpt-4o\",\n"
    "  smart = { \"openai/gpt-4o\", \"anthropic/claude-sonnet-4-20250514\", \"gemini/gemini-2.5-pro\" },\n"
    "  pool  = { { \"openai/gpt-4o\", weight = 3 }, { \"azure/gpt-4o\", weight = 1 }, strategy = \"weighted\" },\n"
    "}\n"
    "organizations = {\n"
    "  acme = {\n"
    "    keys   = { env(\"ACME_KEY\", \"mg-acme-dev\") },\n"
    "    models = { \"gpt-4o\", \"anthropic/*\" },\n"
    "    limits = { requests = \"60/minute\", tokens = \"100000/hour\", cost = \"50 usd/day\" },\n"
    "    budget = { monthly_usd = 1000, hard = true, alert_at = { 0.5, 0.8, 1.0 } },\n"
    "    settings = { moderation = { block_ssn = true } },\n"
    "  },\n"
    "}\n"
    "alerts = { webhook = env \"MOONGATE_TEST_B\", slack = \"https://hooks.example.com\", smtp = { host = \"mail\" } "
    "}\n"
    "log = { level = \"debug\" }\n"
    "http = { allow = { \"a.example:8443\" }, private = true }\n"
    "prices = { unknown_usd_per_million = \"refuse\" }\n"
    "detectors = { pii = {} }\n";

static void test_complete(void **state) {
    (void)state;
    fixture_write("admin", "secret-admin\n", 13);
    fixture_write("openai", "sk-file\r\n", 9);
    mg_config *c = load_fine(complete);
    assert_text(c->admin_token, "secret-admin");
    assert_int_equal(c->n_files, 3);
    assert_text(c->files[1], fixture_path("admin"));
    assert_int_equal(c->n_trusted_proxies, 2);
    assert_int_equal(c->n_providers, 5);
    assert_text(c->providers[0].name, "openai");
    assert_text(mg_json_text(mg_json_get(c->providers[0].settings, MG_STR("api_key"))), "sk-file");
    assert_text(c->providers[2].plugin, "google");
    assert_text(mg_json_text(mg_json_get(c->providers[2].settings, MG_STR("api_key"))), "a");
    assert_int_equal(c->providers[3].line, 14);
    const mg_config_use *ollama = &c->providers[4];
    assert_text(ollama->name, "ollama");
    assert_int_equal(ollama->settings->count, 5); /* base_url, headers, drop, rename, path: not what the host reads */
    assert_text(ollama->ca_file, fixture_path("ca.pem"));
    assert_int_equal(ollama->timeouts.connect_ms, 1000);
    assert_int_equal(ollama->timeouts.first_byte_ms, 1500);
    assert_int_equal(ollama->timeouts.idle_ms, 120000);
    assert_int_equal(ollama->timeouts.total_ms, 0);
    assert_int_equal(c->models->count, 3);
    assert_non_null(mg_json_get(c->organizations, MG_STR("acme")));
    assert_int_equal(c->log_level, MG_LOG_DEBUG);
    assert_int_equal(c->unpriced_nano_per_million, -1);
    assert_true(c->http_private);
    assert_text(c->http_allow[0], "a.example:8443");
    assert_int_equal(c->n_detectors, 1);
    for (size_t i = 0; i < c->n_notes; i++) fixture_line(&warnings, &c->notes[i]);
    assert_lines(&warnings, "c.lua:34: 'alerts' are not sent yet\n"
                            "c.lua:7: 'trusted_proxies' is not used yet\n"
                            "c.lua:12: 'providers.anthropic' has no api_key: environment MOONGATE_TEST_A is not set\n"
                            "c.lua:18: 'providers.ollama.limits' is not enforced yet\n");
    mg_config_destroy(c);
}

static void test_listen_forms(void **state) {
    (void)state;
    mg_config *c =
        load_fine("listen = { '[::]:8080', 'unix:/run/m.sock', ':0',\n"
                  "  { address = 'a:1', tls = { { cert = 'c1', key = '/k1' }, { cert = 'c2', key = 'k2' } } } }\n"
                  "admin = { listen = { address = '127.0.0.1:0', tls = { cert = 'c', key = 'k' } } }");
    assert_int_equal(c->n_listen, 4);
    assert_text(c->listen[1].address, "unix:/run/m.sock");
    assert_int_equal(c->listen[3].n_tls, 2);
    assert_text(c->listen[3].tls[0].cert, fixture_path("c1"));
    assert_text(c->listen[3].tls[0].key, "/k1");
    assert_int_equal(c->admin.n_tls, 1);
    mg_config_destroy(c);
    c = load_fine("listen = { address = 'localhost:8080' }");
    assert_int_equal(c->n_listen, 1);
    assert_text(c->listen[0].address, "localhost:8080");
    mg_config_destroy(c);
}

static void test_stores(void **state) {
    (void)state;
    mg_config *c = load_fine("store = { counters = { 'memory', max_bytes = 1 }, cache = { 'memory', max_bytes = 1 } }");
    assert_text(c->store.plugin, "memory");
    assert_int_equal(c->store.settings->count, 1);
    mg_config_destroy(c);
    c = load_fine("store = 'redis'");
    assert_text(c->store.plugin, "redis");
    mg_config_destroy(c);
    assert_faults("\nstore = { counters = { 'redis' }, cache = { 'memory' } }",
                  "c.lua:2: separate stores for counters and cache are not offered yet: give both the same plugin and "
                  "settings\n");
    assert_faults("store = { counters = { 'redis' } }",
                  "c.lua:1: 'store' with counters or cache needs both: give each its plugin\n");
}

static void test_env(void **state) {
    (void)state;
    setenv("MOONGATE_TEST_A", "5", 1);
    mg_config *c =
        load_fine("data_dir = env 'MOONGATE_TEST_A'\npolicies = env('MOONGATE_TEST_B', 'rules')\n"
                  "upstream = env 'MOONGATE_TEST_B'\nadmin = { token = env 'MOONGATE_TEST_B' or 'otherwise' }");
    assert_text(c->data_dir, "5");
    assert_text(c->policies, "rules");
    assert_text(c->upstream, "pool");
    assert_text(c->admin_token, "otherwise");
    mg_config_destroy(c);
    setenv("MOONGATE_TEST_A", "", 1);
    assert_faults("\nadmin = { token = env 'MOONGATE_TEST_A' }",
                  "c.lua:2: 'admin.token' is empty: give it a value, or leave it out\n");
    assert_faults("providers = { o = { 'openai',\napi_key = env 'MOONGATE_TEST_A' } }",
                  "c.lua:2: 'providers.o.api_key' is empty: give it a value, or leave it out\n");
    forget_environment();
}

static void test_file(void **state) {
    (void)state;
    fixture_write("two", "a\n\n", 3);
    fixture_write("none", "\n", 1);
    mg_config *c = load_fine("data_dir = file 'two'");
    assert_text(c->data_dir, "a\n");
    mg_config_destroy(c);
    assert_faults("\nadmin = {\n  token = file 'missing',\n}",
                  "c.lua:3: the file missing can't be read: No such file or directory\n");
    assert_faults("admin = { token = file 'none' }", "c.lua:1: the file none is empty: a secret must not be\n");
    assert_faults("admin = { token = file '/dev/zero' }",
                  "c.lua:1: the file /dev/zero can't be read: it is not a regular file\n");
    assert_faults("admin = { token = file(5) }", "c.lua:1: file takes a string, not a number\n");
    assert_faults("local t = {}\nfor i = 1, 2000 do t[i] = file 'two' end",
                  "c.lua:2: file() is called more than 1000 times\n");
}

static void test_include(void **state) {
    (void)state;
    static const char orgs[] = "workers = 3\nreturn {\n  acme = { keys = { 'k' },\n    limts = {} },\n}\n";
    static const char good[] = "return { acme = { keys = { 'k' } } }";
    static const char broken[] = "x = = 1";
    static const char itself[] = "include 'itself.lua'";
    fixture_write("orgs.lua", orgs, strlen(orgs));
    fixture_write("good.lua", good, strlen(good));
    fixture_write("broken.lua", broken, strlen(broken));
    fixture_write("itself.lua", itself, strlen(itself));
    mg_config *c = load_fine("local o = include 'good.lua'\norganizations = o");
    assert_int_equal(c->organizations->count, 1);
    assert_int_equal(c->n_files, 2);
    mg_config_destroy(c);
    assert_faults("organizations = include 'orgs.lua'\nworker = 1",
                  "orgs.lua:4: unknown setting 'organizations.acme.limts'; did you mean 'organizations.acme.limits'?\n"
                  "c.lua:2: unknown setting 'worker'; did you mean 'workers'?\n");
    assert_faults(
        "\ninclude 'broken.lua'\nworker = 1",
        "broken.lua:1: unexpected symbol near '='\nc.lua:3: unknown setting 'worker'; did you mean 'workers'?\n");
    assert_faults("\ninclude 'nowhere.lua'",
                  "c.lua:2: the file nowhere.lua can't be read: No such file or directory\n");
    assert_faults("include 'itself.lua'", "itself.lua:1: more than 63 files are included: does one include itself?\n");
}

static void test_programs(void **state) {
    (void)state;
    mg_config *c =
        load_fine("local shared = { 'openai', base_url = 'http://127.0.0.1:1/v1' }\n"
                  "providers = { a = shared, b = shared }\nproviders.c = shared\n"
                  "workers = 2\nworkers = workers + 1\nmodels = nil\n"
                  "organizations = {}\nfor i = 1, 3 do organizations['o' .. i] = { keys = { 'key' .. i } } end");
    assert_int_equal(c->n_providers, 3);
    assert_int_equal(c->workers, 3);
    assert_int_equal(c->organizations->count, 3);
    mg_config_destroy(c);
}

/* ---- faults ----------------------------------------------------------------------------------------------------- */

static void test_syntax(void **state) {
    (void)state;
    assert_faults("workers = 1\nadmin = {\n 1", "c.lua:3: '}' expected (to close '{' at line 2) near '<eof>'\n");
    assert_faults("\n\nworkers = = 1", "c.lua:3: unexpected symbol near '='\n");
    assert_null(load_bytes("\x1bLJ\x02", 4));
    assert_lines(&faults, "c.lua:0: attempt to load chunk with wrong mode\n");
    assert_null(mg_config_load(mg_str_of(fixture_path("absent.lua")), on_fault, folder));
    mg_buf_clear(&faults);
    assert_null(mg_config_load(mg_str_of(fixture_path("absent.lua")), on_fault, folder));
    assert_lines(&faults, "absent.lua:0: can't be read: No such file or directory\n");
}

static void test_unknown_keys(void **state) {
    (void)state;
    assert_faults("workers = 1\n-- modles = 1\nmodles = {\n}\n",
                  "c.lua:3: unknown setting 'modles'; did you mean 'models'?\n");
    assert_faults("completely_else = 1", "c.lua:1: unknown setting 'completely_else'\n");
    assert_faults("env = 1", "c.lua:1: unknown setting 'env'\n");
    assert_faults("admin = { listen = '127.0.0.1:1', --[[ tokn = 1\n]] tokn = '}' }",
                  "c.lua:2: unknown setting 'admin.tokn'; did you mean 'admin.token'?\n");
    assert_faults("local a = { [[x\n]], 'y' }\nlimits = {\n  body_bytes = 4096; -- }\n  [ 'body_byte' ] = 1,\n}",
                  "c.lua:5: unknown setting 'limits.body_byte'; did you mean 'limits.body_bytes'?\n");
    assert_faults("providers = { o = { 'openai',\n  timeouts = {\n idel = 3 } } }",
                  "c.lua:3: unknown setting 'providers.o.timeouts.idel'; did you mean 'providers.o.timeouts.idle'?\n");
    assert_faults("models = { a = { { 'o/x',\n wieght = 2 } } }",
                  "c.lua:2: unknown setting 'models.a[1].wieght'; did you mean 'models.a[1].weight'?\n");
    assert_faults(
        "organizations = {\n a = { keys = {\n { key = 'x',\n nmae = 'y' } } } }",
        "c.lua:4: unknown setting 'organizations.a.keys[1].nmae'; did you mean 'organizations.a.keys[1].name'?\n");
    assert_faults("organizations = {}\norganizations.a = { budgte = {} }",
                  "c.lua:2: unknown setting 'organizations.a.budgte'; did you mean 'organizations.a.budget'?\n");
    assert_faults("listen = {\n { adress = 'a:1' } }",
                  "c.lua:2: unknown setting 'listen[1].adress'; did you mean 'listen[1].address'?\n"
                  "c.lua:2: 'listen[1]' needs an address\n");
    assert_faults("admin = { '127.0.0.1:1' }",
                  "c.lua:1: 'admin' takes named settings only: the element 1 has no name\n");
}

static void test_wrong_types(void **state) {
    (void)state;
    static const struct {
        const char *text, *fault;
    } cases[] = {
        {"workers = 'four'", "'workers' must be an integer, got a string"},
        {"workers = 1.5", "'workers' must be an integer, got 1.5"},
        {"workers = 4000", "'workers' must be between 0 and 1024, got 4000"},
        {"workers = -1", "'workers' must be between 0 and 1024, got -1"},
        {"workers = 1/0", "'workers' must not be infinite or not a number"},
        {"workers = function() end", "'workers' must not be a function"},
        {"workers = {}", "'workers' must be an integer, got a table"},
        {"data_dir = 5", "'data_dir' must be a string, got a number"},
        {"data_dir = ''", "'data_dir' must not be empty"},
        {"data_dir = 'a\\0b'", "'data_dir' must not hold a NUL"},
        {"admin = 'x'", "'admin' must be a table, got a string"},
        {"admin = { token = true }", "'admin.token' must be a string, got a boolean"},
        {"log = { level = 'loud' }", "'log.level' must be \"debug\", \"info\", \"warn\" or \"error\", got \"loud\""},
        {"upstream = 'carrier'", "'upstream' must be \"pool\" or \"curl\", got \"carrier\""},
        {"drain_seconds = 'soon'",
         "'drain_seconds' must be a number of seconds, such as 30, 1.5 or \"5m\", got 'soon'"},
        {"drain_seconds = -1", "'drain_seconds' must be a number of seconds, such as 30, 1.5 or \"5m\", got '-1'"},
        {"limits = { body_bytes = '32 megs' }",
         "'limits.body_bytes' must be a number of bytes, such as 65536 or \"256MB\", got '32 megs'"},
        {"limits = { body_bytes = 1 }", "'limits.body_bytes' must be between 1024 and 1073741824 bytes, got 1"},
        {"limits = { requests = -1 }", "'limits.requests' must be at least 0, got -1"},
        {"policy = { fail_open = 'yes' }", "'policy.fail_open' must be true or false, got a string"},
        {"http = { allow = 'host' }", "'http.allow' must be a list of strings, got a string"},
        {"http = { allow = { 5 } }", "'http.allow[1]' must be a string, got a number"},
        {"prices = { unknown_usd_per_million = 'free' }",
         "'prices.unknown_usd_per_million' must be a number of dollars or \"refuse\""},
        {"trusted_proxies = { '10.0.0.0/33' }",
         "'trusted_proxies': '10.0.0.0/33' is neither an address nor a network such as 10.0.0.0/8"},
        {"ledger = 5", "'ledger' must be a string or a table, got a number"},
        {"ledger = { url = 'x' }", "'ledger' must begin with its plugin's name, as in { \"sqlite\", … }"},
        {"ledger = { 'sqlite', 'x' }", "'ledger' holds more than one element without a name"},
        {"providers = { a = { base_url = 'x' } }",
         "'providers.a' must begin with its plugin's name, as in { \"openai\", … }"},
        {"providers = { ['a/b'] = { 'openai' } }",
         "a provider's name has 1 to 64 letters, digits, '.', '_' or '-', not 'a/b'"},
        {"providers = { { 'openai' } }", "'providers' takes named settings only: the element 1 has no name"},
        {"providers = { a = { 'openai', api_key = 'x', api_keys = { 'y' } } }",
         "'providers.a' has both api_key and api_keys: keep one"},
        {"providers = { a = { 'openai', limits = { requests = '5' } } }",
         "'providers.a.limits.requests': rate \"5\" has no period: write it like 60/minute"},
        {"listen = 'here'", "'listen': \"here\" needs a port, as in \"127.0.0.1:8080\""},
        {"listen = 'a:70000'", "'listen': \"a:70000\" must end in a port from 0 to 65535"},
        {"listen = '::1:8080'", "'listen': \"::1:8080\" must have its IPv6 address in brackets, as in \"[::]:8080\""},
        {"listen = 'unix:'", "'listen': \"unix:\" needs a path behind unix:"},
        {"listen = { 5 }", "'listen[1]' must be an address such as \"127.0.0.1:8080\", got a number"},
        {"listen = {}", "'listen' must name at least one address"},
        {"listen = { address = 'a:1', tls = { { cert = 'c' } } }",
         "'listen.tls[1]' needs a key: the path of a PEM file"},
        {"listen = { address = 'a:1', tls = {} }", "'listen.tls' must be a list of { cert = …, key = … }"},
        {"admin = { listen = 80 }", "'admin.listen' must be a string or a table, got a number"},
        {"alerts = { smtp = 5 }", "'alerts.smtp' must be a string or a table, got a number"},
        {"models = { a = 5 }", "'models.a' must be a string or a table, got a number"},
        {"models = { a = {} }", "'models.a' has no targets"},
        {"models = { a = { 5 } }", "'models.a[1]' must name a target, as in \"openai/gpt-4o\""},
        {"models = { a = 'openai/' }", "'models.a' must name a target, as in \"openai/gpt-4o\""},
        {"models = { a = { { 'o/x', weight = 0 } } }", "'models.a[1].weight' must be more than 0, got 0"},
        {"models = { a = { { 'o/x', 'o/y' } } }",
         "'models.a[1]' holds more than one target: write each as an element of its own"},
        {"models = { a = { 'o/x', strategy = 'best' } }",
         "'models.a.strategy' must be \"order\", \"weighted\", \"latency\" or \"cost\""},
        {"models = { 'o/x' }", "'models' takes named settings only: the element 1 has no name"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[512], text[512];
        snprintf(text, sizeof text, "\n%s", cases[i].text);
        snprintf(expected, sizeof expected, "c.lua:2: %s\n", cases[i].fault);
        assert_faults(text, expected);
    }
}

static void test_wrong_organizations(void **state) {
    (void)state;
    static const struct {
        const char *text, *fault;
    } cases[] = {
        {"name = 5", "'organizations.a.name' must be a string, got a number"},
        {"keys = 'x'", "'organizations.a.keys' must be a table, got a string"},
        {"keys = { x = 'y' }", "'organizations.a.keys' must be a list: its members have no names"},
        {"keys = { '' }", "'organizations.a.keys[1]' is empty: give it a value, or leave it out"},
        {"keys = { 5 }",
         "'organizations.a.keys[1]' must be a key or a table with one, as in { key = env \"ACME_KEY\", name "
         "= \"backend\" }"},
        {"keys = { 'x', 'x' }", "'organizations.a.keys[2]' is the same key as that of organization 'a' in c.lua:2"},
        {"keys = { { key = 'x', expires = 'soon' } }",
         "'organizations.a.keys[1].expires' must be a date such as \"2027-01-31\" or \"2027-01-31T12:00:00Z\""},
        {"keys = { { key = 'x', acts_for = 'b' } }", "'organizations.a.keys[1].acts_for' must be \"*\""},
        {"keys = { { key = 'x', tags = { 'y' } } }",
         "'organizations.a.keys[1].tags' must be a table of names and strings"},
        {"keys = { { key = 'x', models = 'y' } }",
         "'organizations.a.keys[1].models' must be a list of strings, got a string"},
        {"keys = { { key = 'x', models = {} } }",
         "'organizations.a.keys[1].models' is empty, and would allow all models: leave it out for that"},
        {"models = 'x'", "'organizations.a.models' must be a list of strings, got a string"},
        {"models = {}", "'organizations.a.models' is empty, and would allow all models: leave it out for that"},
        {"limits = { requests = 60 }",
         "'organizations.a.limits.requests' must be a rate such as \"60/minute\", got a number"},
        {"limits = { requests = '5 usd/day' }",
         "'organizations.a.limits.requests' must be a number without usd, as in \"60/minute\""},
        {"limits = { cost = '5/day' }", "'organizations.a.limits.cost' must say usd, as in \"50 usd/day\""},
        {"limits = { { scope = 'planet', requests = '1/s' } }",
         "'organizations.a.limits[1].scope' must be \"org\", \"team\", \"user\", \"key\", \"model\" or \"provider\""},
        {"limits = { 'x' }",
         "'organizations.a.limits[1]' must be a table such as { scope = \"key\", requests = \"60/minute\" "
         "}, got a string"},
        {"budget = { hard = true }",
         "'organizations.a.budget' needs an amount: daily_usd, weekly_usd, monthly_usd or yearly_usd"},
        {"budget = { daily_usd = 1, weekly_usd = 2 }", "'organizations.a.budget' has more than one amount: keep one of "
                                                       "daily_usd, weekly_usd, monthly_usd, yearly_usd"},
        {"budget = { daily_usd = -1 }", "'organizations.a.budget.daily_usd' must be more than 0, got -1"},
        {"budget = { daily_usd = 1, alert_at = { 'x' } }", "'organizations.a.budget.alert_at' must be a list of at "
                                                           "most 8 parts of the budget, such as { 0.5, 0.8, 1.0 }"},
        {"settings = { rate = 5 }",
         "'organizations.a.settings.rate' must be a table of that policy's settings, got a number"},
        {"settings = { rate = { f = env } }", "'organizations.a.settings.rate.f' must not be a function"},
        {"settings = { rate = { 1, x = 2 } }",
         "'organizations.a.settings.rate' takes names only: an element has none"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[512], text[512];
        snprintf(text, sizeof text, "organizations = { a = {\n%s\n} }", cases[i].text);
        snprintf(expected, sizeof expected, "c.lua:2: %s\n", cases[i].fault);
        assert_faults(text, expected);
    }
    assert_faults("organizations = {\n['a b'] = {} }",
                  "c.lua:2: an organization's id has 1 to 64 letters, digits, '.', '_' or '-', not 'a b'\n");
    assert_faults("organizations = {\na = { keys = { 'mg-1' } },\nb = { keys = { 'mg-2',\n'mg-1' } } }",
                  "c.lua:4: 'organizations.b.keys[2]' is the same key as that of organization 'a' in c.lua:2\n");
}

static void test_all_faults_in_order(void **state) {
    (void)state;
    assert_faults(
        "modles = 1\n"
        "listen = 'x'\n"
        "models = { a = {} }\n"
        "organizations = { b = { kys = 1 } }\n"
        "admin = { token = file 'gone' }\n"
        "workers = 'x'\n"
        "local x = nothing.here\n",
        "c.lua:1: unknown setting 'modles'; did you mean 'models'?\n"
        "c.lua:2: 'listen': \"x\" needs a port, as in \"127.0.0.1:8080\"\n"
        "c.lua:3: 'models.a' has no targets\n"
        "c.lua:4: unknown setting 'organizations.b.kys'; did you mean 'organizations.b.keys'?\n"
        "c.lua:5: the file gone can't be read: No such file or directory\n"
        "c.lua:6: 'workers' must be an integer, got a string\n"
        "c.lua:7: there is no 'nothing' here: a configuration has env, file, include, its own locals and settings\n");
}

static void test_no_secret_in_a_fault(void **state) {
    (void)state;
    fixture_write("key", "hush-hush\n", 10);
    assert_null(load("admin = { token = file 'key' .. ('x'):rep(9) }"));
    assert_null(memmem(faults.p, faults.n, "hush", 4));
    assert_null(load("organizations = { a = { keys = { file 'key' } }, b = { keys = { file 'key' } } }"));
    assert_null(memmem(faults.p, faults.n, "hush", 4));
    assert_null(load("providers = { a = { 'openai', api_key = file 'key', api_keys = { file 'key' } } }"));
    assert_null(memmem(faults.p, faults.n, "hush", 4));
}

/* ---- hostile files ---------------------------------------------------------------------------------------------- */

static void test_hostile(void **state) {
    (void)state;
    assert_faults("workers = 1\nwhile true do end",
                  "c.lua:2: the configuration runs too long: is there a loop without an end?\n");
    assert_faults("local s = 'x'\nwhile true do s = s .. s end",
                  "c.lua:0: the configuration needs more than 64 MB of memory\n");
    assert_faults("local t = {}\nfor i = 1, 1e9 do t[i] = i end",
                  "c.lua:0: the configuration needs more than 64 MB of memory\n");
    assert_faults(
        "os.execute 'true'",
        "c.lua:1: there is no 'os' here: a configuration has env, file, include, its own locals and settings\n");
    static const char *const names[] = {"io",           "require", "load",    "loadstring", "dofile", "pcall",
                                        "getmetatable", "setfenv", "getfenv", "string",     "rawset", "_G",
                                        "ffi",          "jit",     "debug",   "coroutine",  "package"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "local x = %s", names[i]);
        assert_null(load(text));
        assert_non_null(memmem(faults.p, faults.n, names[i], strlen(names[i])));
    }
    assert_faults("local s = ''\nlocal r = s:rep(1e9)", "c.lua:2: attempt to index local 's' (a string value)\n");
    assert_null(load("local t = {}\nt.t = t\nmodels = { a = t }"));
    assert_non_null(memmem(faults.p, faults.n, "be nested so deep: does a table hold itself?", 44));
}

static void test_knots(void **state) {
    (void)state;
    /* 2^31 paths through 31 tables */
    assert_faults("local t = { 'o/x' }\nfor i = 1, 31 do t = { t, t } end\nmodels = { a = t }",
                  "c.lua:0: the configuration's values take more than 128 MB\n");
    assert_null(load("local function f() return f() .. 'x' end\nworkers = f()"));
    assert_non_null(memmem(faults.p, faults.n, "stack overflow", 14));
    /* a table deeper than the compiler allows */
    char deep[4096];
    memset(deep, '{', 2000);
    memset(deep + 2000, '}', 2000);
    deep[4000] = 0;
    mg_buf text = {0};
    mg_buf_printf(&text, "models = %s", deep);
    assert_null(load_bytes(text.p, text.n));
    mg_buf_finish(&text);
}

/* ---- reload ------------------------------------------------------------------------------------------ */

static void test_fixed_change(void **state) {
    (void)state;
    static const struct {
        const char *text, *key;
    } cases[] = {
        {"listen = '127.0.0.1:9'", "listen"},
        {"listen = { address = '127.0.0.1:8080', tls = { cert = 'c', key = 'k' } }", "listen"},
        {"admin = { listen = '127.0.0.1:9' }", "admin.listen"},
        {"admin = { token = 'another' }", "admin.token"},
        {"ledger = { 'sqlite', path = 'x' }", "ledger"},
        {"workers = 3", "workers"},
        {"data_dir = 'x'", "data_dir"},
        {"limits = { body_bytes = 4096 }", "limits.body_bytes"},
        {"policy = { fail_open = true }", "policy.fail_open"},
        {"upstream = 'curl'", "upstream"},
        {"log = { level = 'debug' }\nmodels = { a = 'o/x' }\nhttp = { private = true }\nproviders = {}\nstore = "
         "'redis'\n"
         "listen = '127.0.0.1:8080'\nledger = 'sqlite'\nworkers = 0",
         NULL},
    };
    mg_config *before = load_fine("");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mg_config *after = load_fine(cases[i].text);
        const char *key = mg_config_fixed_change(before, after);
        if (cases[i].key)
            assert_string_equal(key, cases[i].key);
        else
            assert_null(key);
        mg_config_destroy(after);
    }
    mg_config_destroy(before);
}

static void test_example(void **state) {
    (void)state;
    mg_buf_clear(&faults);
    mg_config *c = mg_config_load(MG_STR(TEST_SOURCE_DIR "/../examples/moongate.lua"), on_fault, folder);
    assert_lines(&faults, "");
    assert_non_null(c);
    mg_config_destroy(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_providers_of_the_environment),
        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_listen_forms),
        cmocka_unit_test(test_stores),
        cmocka_unit_test(test_env),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_include),
        cmocka_unit_test(test_programs),
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_unknown_keys),
        cmocka_unit_test(test_wrong_types),
        cmocka_unit_test(test_wrong_organizations),
        cmocka_unit_test(test_all_faults_in_order),
        cmocka_unit_test(test_no_secret_in_a_fault),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_knots),
        cmocka_unit_test(test_fixed_change),
        cmocka_unit_test(test_example),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
