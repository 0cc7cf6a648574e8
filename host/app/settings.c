#include "app/settings.h"

#define FIELD(member) .offset = offsetof(mg_config, member), .size = sizeof(((mg_config *)0)->member)
#define COUNT(member) .count = offsetof(mg_config, member)
#define GB ((int64_t)1 << 30)
#define HOUR_MS ((int64_t)3600000)

static const mg_host_setting table[] = {
    {"listen", MG_HOST_LISTEN, "127.0.0.1:8080", .fixed = true,
     .doc = "data plane: \"host:port\", \"[::]:8080\", \"unix:/path\", { address = …, tls = { { cert = …, key = … }, … "
            "} } "
            "(chosen by SNI), or a list of these; port 0 asks the kernel"},
    {"admin.listen", MG_HOST_LISTEN, "127.0.0.1:8081", .fixed = true,
     .doc = "admin plane: one address, written as above"},
    {"admin.token", MG_HOST_SECRET, NULL, .fixed = true, FIELD(admin_token),
     .doc = "bearer token of the admin plane, at most 127 bytes; without it one is made in data_dir/admin-token"},
    {"trusted_proxies", MG_HOST_STRINGS, NULL, FIELD(trusted_proxies), COUNT(n_trusted_proxies),
     .doc =
         "addresses or networks (\"10.0.0.0/8\") whose word about a client's address is taken; read and checked, not "
         "used yet"},
    {"workers", MG_HOST_INTEGER, "0", .fixed = true, .min = 0, .max = 1024, FIELD(workers),
     .doc = "event-loop threads; 0: one a core"},
    {"data_dir", MG_HOST_STRING, "var", .fixed = true, FIELD(data_dir),
     .doc = "folder of the spool, the SQLite file and what is made on the first start"},
    {"policies", MG_HOST_STRING, "policies", .fixed = true, FIELD(policies), .doc = "folder of the policies"},
    {"plugins", MG_HOST_STRING, "plugins", .fixed = true, FIELD(plugins),
     .doc = "folder of the plugins; if relative, seen from the program's own folder"},
    {"upstream", MG_HOST_CHOICE, "pool", .fixed = true, .choices = "pool|curl", FIELD(upstream),
     .doc = "client for requests to vendors: \"pool\" (keep-alive HTTP/1.1) or \"curl\" (libcurl: proxies from the "
            "environment)"},
    {"drain_seconds", MG_HOST_SECONDS, "30", .fixed = true, FIELD(drain_ms),
     .doc = "how long SIGTERM waits for requests under way"},
    {"log.level", MG_HOST_CHOICE, "info", .choices = "debug|info|warn|error", .doc = "least level that is logged"},

    {"limits.header_bytes", MG_HOST_BYTES, "64KB", .fixed = true, .min = 1024, .max = 1 << 20,
     FIELD(limits.header_bytes), .doc = "request line and headers together; beyond: 431"},
    {"limits.headers", MG_HOST_INTEGER, "128", .fixed = true, .min = 8, .max = 1000, FIELD(limits.headers),
     .doc = "number of headers; beyond: 431"},
    {"limits.body_bytes", MG_HOST_BYTES, "32MB", .fixed = true, .min = 1024, .max = GB, FIELD(limits.body_bytes),
     .doc = "request body; beyond: 413"},
    {"limits.bodies_bytes_total", MG_HOST_BYTES, "1GB", .fixed = true, .min = 1024, .max = 1024 * GB,
     FIELD(limits.bodies_bytes_total), .doc = "all bodies being held in the process; beyond: 503"},
    {"limits.connections", MG_HOST_INTEGER, "20000", .fixed = true, .min = 1, .max = 1000000, FIELD(limits.connections),
     .doc = "open connections of a worker; beyond: 503"},
    {"limits.header_seconds", MG_HOST_SECONDS, "10", .fixed = true, FIELD(limits.header_ms),
     .doc = "from the first byte of a request to the end of its headers: 408"},
    {"limits.body_seconds", MG_HOST_SECONDS, "30", .fixed = true, FIELD(limits.body_ms),
     .doc = "silence while a body is read: 408"},
    {"limits.body_rate", MG_HOST_BYTES, "1024", .fixed = true, FIELD(limits.body_rate),
     .doc = "bytes a second that a body must come at on average after 10 s; 0: any"},
    {"limits.idle_seconds", MG_HOST_SECONDS, "75", .fixed = true, FIELD(limits.idle_ms),
     .doc = "a connection kept alive without a request is closed"},
    {"limits.write_seconds", MG_HOST_SECONDS, "60", .fixed = true, FIELD(limits.write_ms),
     .doc = "a client that takes nothing of an answer this long is closed"},
    {"limits.requests", MG_HOST_INTEGER, "0", .fixed = true, .min = 0, .max = INT64_MAX, FIELD(limits.requests),
     .doc = "requests on one connection; 0: any"},

    {"policy.cpu_us", MG_HOST_INTEGER, "2000", .fixed = true, .min = 100, .max = 1000000, FIELD(policy.cpu_us),
     .doc = "microseconds of CPU of one call of a policy"},
    {"policy.instructions", MG_HOST_INTEGER, "1000000", .fixed = true, .min = 1000, .max = 1000000000,
     FIELD(policy.instructions), .doc = "Lua instructions of one call"},
    {"policy.memory", MG_HOST_BYTES, "8MB", .fixed = true, .min = 1 << 19, .max = GB, FIELD(policy.memory),
     .doc = "memory of one Lua state"},
    {"policy.wall_seconds", MG_HOST_SECONDS, "6", .fixed = true, FIELD(policy.wall_ms), .doc = "a phase that waits"},
    {"policy.fail_open", MG_HOST_BOOL, "false", .fixed = true, FIELD(policy.fail_open),
     .doc = "a policy that fails lets the request through instead of denying it"},
    {"policy.idle_seconds", MG_HOST_SECONDS, "60", .fixed = true, FIELD(policy.idle_ms),
     .doc = "a Lua state that is not used this long is dropped"},

    {"circuit.window", MG_HOST_SECONDS, "30", .min = 1000, .max = MG_CIRCUIT_WINDOW_MAX_MS, FIELD(circuit.window_ms),
     .doc = "calls of this time count; a target's circuit breaker opens when too many of them failed or were slow"},
    {"circuit.min_calls", MG_HOST_INTEGER, "20", .min = 1, .max = 1000000, FIELD(circuit.min_calls),
     .doc = "before so many calls in the window nothing opens"},
    {"circuit.errors", MG_HOST_SHARE, "0.5", FIELD(circuit.error_percent),
     .doc = "opens when this share of the calls failed; 0: never"},
    {"circuit.slow", MG_HOST_SHARE, "0.8", FIELD(circuit.slow_percent),
     .doc = "opens when this share of the calls was slow; 0: never"},
    {"circuit.slow_after", MG_HOST_SECONDS, "0", .min = 0, .max = HOUR_MS, FIELD(circuit.slow_ms),
     .doc = "a call is slow if its first token took longer; 0: none is"},
    {"circuit.open", MG_HOST_SECONDS, "30", .min = 100, .max = HOUR_MS, FIELD(circuit.open_ms),
     .doc = "how long it stays open before a few calls are tried; doubled each time one of them fails"},
    {"circuit.open_max", MG_HOST_SECONDS, "300", .min = 100, .max = 24 * HOUR_MS, FIELD(circuit.open_max_ms),
     .doc = "the longest that it stays open"},
    {"circuit.probes", MG_HOST_INTEGER, "3", .min = 1, .max = MG_CIRCUIT_PROBES_MAX, FIELD(circuit.probes),
     .doc = "calls that are tried then; it closes when all of them succeed"},
    {"circuit.count_limited", MG_HOST_BOOL, "false", FIELD(circuit.count_limited),
     .doc = "whether an answer 429 counts as a failure; else it only keeps calls away for its retry-after"},

    {"http.allow", MG_HOST_STRINGS, NULL, FIELD(http_allow), COUNT(n_http_allow),
     .doc = "hosts that policies may reach: \"host\" or \"host:port\", `*` for any run of characters"},
    {"http.private", MG_HOST_BOOL, "false", FIELD(http_private), .doc = "may those have private addresses?"},
    {"prices.unknown_usd_per_million", MG_HOST_MONEY, "75",
     .doc = "price per million tokens of a model that the price table lacks, or \"refuse\": never silently 0"},

    {"ledger", MG_HOST_PLUGIN, "sqlite", .fixed = true, .open = true,
     .doc = "where usage, keys and organizations are kept: { \"sqlite\", plugin's settings }"},
    {"store", MG_HOST_PLUGIN, "memory", .open = true,
     .doc =
         "cache and counters: { \"memory\", plugin's settings }, or { counters = { … }, cache = { … } } (for now both "
         "the same)"},
    {"providers.*", MG_HOST_PLUGIN, NULL, .open = true,
     .doc = "a vendor or server by the name that targets use: { \"openai\", plugin's settings }. Without `providers`: "
            "`demo`, and openai, anthropic, gemini and azure for each of OPENAI_API_KEY, ANTHROPIC_API_KEY, "
            "GEMINI_API_KEY and AZURE_OPENAI_API_KEY that is set and whose plugin is there"},
    {"providers.*.api_keys", MG_HOST_STRINGS, NULL,
     .doc = "instead of api_key: up to 64, used in turn; one that is refused (401, 403, 429) rests"},
    {"providers.*.timeouts.connect", MG_HOST_SECONDS, "5", .doc = "name look-up, TCP and TLS together; 0: no limit"},
    {"providers.*.timeouts.first_byte", MG_HOST_SECONDS, "60", .doc = "silence before the answer; 0: no limit"},
    {"providers.*.timeouts.idle", MG_HOST_SECONDS, "30", .doc = "silence inside the answer; 0: no limit"},
    {"providers.*.timeouts.total", MG_HOST_SECONDS, "600", .doc = "the whole attempt; 0: no limit"},
    {"providers.*.limits", MG_HOST_LIMITS, NULL, .doc = "the vendor's quota; read and checked, not enforced yet"},
    {"providers.*.ca_file", MG_HOST_STRING, NULL,
     .doc = "PEM file of certificate authorities that replaces the system's"},
    {"detectors.*", MG_HOST_PLUGIN, NULL, .open = true,
     .doc = "settings of a detector, by its plugin's name; all others that are loaded run with their defaults"},
    {"models.*", MG_HOST_MODEL, NULL, .open = true,
     .doc = "a public name for \"provider/model\", a list of such targets, or of { \"provider/model\", weight = 3, "
            "timeout "
            "= 30 }, with strategy = \"order\" (default), \"weighted\", \"latency\" or \"cost\""},

    {"organizations.*.name", MG_HOST_STRING, NULL, .doc = "what people call it; its id unless given"},
    {"organizations.*.suspended", MG_HOST_BOOL, "false", .doc = "refuse its keys"},
    {"organizations.*.keys", MG_HOST_KEYS, NULL, .open = true,
     .doc =
         "virtual keys: strings, or { key = …, name = …, team = …, user = …, tags = { … }, models = { … }, expires = "
         "\"2027-01-31\", acts_for = \"*\" }"},
    {"organizations.*.models", MG_HOST_STRINGS, NULL,
     .doc = "globs over targets and public names that it may use; absent: all"},
    {"organizations.*.limits", MG_HOST_LIMITS, NULL, .open = true,
     .doc = "{ requests = \"60/minute\", tokens = \"100000/hour\", cost = \"50 usd/day\" }; and elements { scope = "
            "\"org\"|\"team\"|\"user\"|\"key\"|\"model\"|\"provider\", name = …, requests = … }"},
    {"organizations.*.budget.daily_usd", MG_HOST_NUMBER, NULL,
     .doc = "what it may spend in a day (UTC); one of these four"},
    {"organizations.*.budget.weekly_usd", MG_HOST_NUMBER, NULL, .doc = "the same in a week, from Monday"},
    {"organizations.*.budget.monthly_usd", MG_HOST_NUMBER, NULL, .doc = "the same in a calendar month"},
    {"organizations.*.budget.yearly_usd", MG_HOST_NUMBER, NULL, .doc = "the same in a calendar year"},
    {"organizations.*.budget.hard", MG_HOST_BOOL, "true",
     .doc = "refuse what does not fit, instead of only counting it"},
    {"organizations.*.budget.alert_at", MG_HOST_ANY, NULL,
     .doc = "up to 8 parts of the budget, such as { 0.5, 0.8, 1.0 }"},
    {"organizations.*.settings", MG_HOST_ANY, NULL, .open = true,
     .doc = "policies' settings by the policy's name, as in { moderation = { block_ssn = true } }"},

    {"alerts.webhook", MG_HOST_SECRET, NULL, .doc = "URL that alerts are posted to; read and checked, not used yet"},
    {"alerts.slack", MG_HOST_SECRET, NULL, .doc = "URL of a Slack webhook; read and checked, not used yet"},
    {"alerts.smtp", MG_HOST_ANY, NULL, .open = true,
     .doc = "mail server, as text or a table; read and checked, not used yet"},
    {NULL, MG_HOST_ANY, NULL, .doc = NULL},
};

const mg_host_setting *mg_host_settings(void) { return table; }

const char *mg_host_type_name(mg_host_type t) {
    static const char *const names[] = {
        [MG_HOST_STRING] = "string",   [MG_HOST_SECRET] = "secret",  [MG_HOST_BOOL] = "boolean",
        [MG_HOST_INTEGER] = "integer", [MG_HOST_NUMBER] = "number",  [MG_HOST_SECONDS] = "seconds",
        [MG_HOST_BYTES] = "bytes",     [MG_HOST_SHARE] = "share",    [MG_HOST_STRINGS] = "strings",
        [MG_HOST_CHOICE] = "choice",   [MG_HOST_LISTEN] = "address", [MG_HOST_PLUGIN] = "plugin",
        [MG_HOST_MODEL] = "targets",   [MG_HOST_KEYS] = "keys",      [MG_HOST_LIMITS] = "limits",
        [MG_HOST_MONEY] = "dollars",   [MG_HOST_ANY] = "table",
    };
    return names[t];
}
