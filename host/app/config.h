/* The configuration file moongate.lua: what it says, checked; and the snapshot that the gateway runs on. */
#ifndef MG_APP_CONFIG_H
#define MG_APP_CONFIG_H

#include "gateway/snapshot.h"
#include "net/listener.h"
#include "plugin/registry.h"
#include "plugin/settings.h"
#include "policy/policy.h"

/* A fault of the file, as `file:line: message`; line 0: the place is not known. */
typedef struct mg_config_fault {
    mg_str file;
    int line;
    mg_str message;
} mg_config_fault;
typedef void (*mg_config_faults)(void *arg, const mg_config_fault *f);

typedef struct mg_config_listener {
    mg_str address;
    const mg_tls_pair *tls;
    size_t n_tls;
} mg_config_listener;

/* A use of a plugin as the file declares it: { "openai", api_key = …, … }. */
typedef struct mg_config_use {
    mg_str name; /* "ollama"; for ledger and store: the plugin's */
    mg_str plugin; /* "openai" */
    mg_str file;
    int line;
    bool implicit; /* not declared: left out, with a warning, where it can't be used */
    const mg_json
        *settings; /* object: what stands in the table besides the plugin's name and what the host reads itself */
    mg_upstream_timeouts timeouts; /* providers */
    mg_str ca_file;
    const mg_str *api_keys; /* providers: secret; where several are given, the first of which is in `settings` as well */
    size_t n_api_keys;
} mg_config_use;

/* Of circuit breakers; see mg_circuit_settings. Wide numbers, as the table of settings writes them. */
typedef struct mg_config_circuit {
    int64_t window_ms, min_calls, error_percent, slow_percent, slow_ms, open_ms, open_max_ms, probes;
    bool count_limited;
} mg_config_circuit;

/* Everything lives in `arena`. */
typedef struct mg_config {
    mg_arena *arena;
    mg_str file; /* "" when the built-in defaults are used */
    mg_str *files; /* the file, what it includes, and files of file(): watched */
    size_t n_files;
    mg_config_listener *listen;
    size_t n_listen;
    mg_config_listener admin;
    mg_str admin_token; /* secret; "": made in data_dir */
    size_t workers; /* 0: one a core */
    mg_str data_dir, policies, plugins;
    mg_str *trusted_proxies;
    size_t n_trusted_proxies;
    mg_log_level log_level;
    mg_server_limits limits;
    mg_policy_options policy;
    mg_config_use ledger, store;
    mg_config_use *providers;
    size_t n_providers;
    mg_config_use *detectors; /* those configured; every other loaded detector is used with its defaults */
    size_t n_detectors;
    /* Values of the file are nodes of app/config_tree.h, which know where they stand. */
    const mg_json *models; /* object: public name -> string | list of targets */
    const mg_json *organizations; /* object: id -> what is declared of it */
    mg_str *http_allow;
    size_t n_http_allow;
    bool http_private;
    mg_config_circuit circuit;
    int64_t unpriced_nano_per_million; /* ceiling price of models that the table lacks; -1: refuse them */
    uint64_t drain_ms; /* how long SIGTERM waits for requests under way */
    mg_str upstream; /* backend of the upstream client: "pool" or "curl" */
    mg_config_fault *notes; /* what is odd but works: mg_config_snapshot repeats it to `warn` */
    size_t n_notes;
} mg_config;

/* Reads the file (or the defaults if path is {NULL,0}). NULL after calling `fault` for everything that is wrong. What a
 * fault holds is borrowed during the call, and never a secret. `trusted_proxies`, `alerts` and limits of providers are
 * checked and, so far, without effect. */
mg_config *mg_config_load(mg_str path, mg_config_faults fault, void *arg);
void mg_config_destroy(mg_config *c);

/* Organizations and keys that the ledger holds, as rows of its statements org.list and key.list; the file's win. */
typedef struct mg_config_rows {
    mg_arena *arena; /* where rows live; may be NULL when there are none */
    struct mg_config_org_row {
        mg_str id, name, settings;
    } * orgs;
    size_t n_orgs;
    struct mg_config_key_row {
        mg_str id, org, sha256_hex, name, team, user, tags, models, acts_for;
        int64_t expires_ms, revoked_ms;
    } * keys;
    size_t n_keys;
} mg_config_rows;

/* Builds a snapshot: opens the plugins (uses of `previous` whose settings are equal are shared), resolves models and
 * organizations, adds the ledger's organizations and keys. `keyrings` (NULL: nothing will be sent) has the rings of
 * providers with several keys. NULL after calling `fault` if something is wrong. `warn` takes
 * what is odd but works. Sealed; refs 1. */
mg_snapshot *mg_config_snapshot(const mg_config *c, const mg_registry *plugins, const mg_config_rows *rows,
                                size_t workers, mg_keyrings *keyrings, mg_snapshot *previous, mg_config_faults fault,
                                mg_config_faults warn, void *arg);

/* Opens the ledger that the configuration names. */
mg_use *mg_config_ledger(const mg_config *c, const mg_registry *plugins, mg_config_faults fault, void *arg);

/* The same settings compared, for reload: the name of the first fixed setting that differs, or NULL. */
const char *mg_config_fixed_change(const mg_config *before, const mg_config *after);

/* The host's settings table as the manual shows it (docs/configuration.md). */
void mg_config_manual(mg_buf *out);

#endif
