/* What the gateway knows at a moment: organizations, keys, providers, models, limits. Immutable once published; requests
 * keep the one that they began with (refcount), workers swap to the newest between requests. */
#ifndef MG_GATEWAY_SNAPSHOT_H
#define MG_GATEWAY_SNAPSHOT_H

#include "base/clock.h"
#include "base/json.h"
#include "gateway/circuit.h"
#include "gateway/keyring.h"
#include "gateway/prices.h"
#include "net/upstream.h"
#include "plugin/registry.h"

typedef struct mg_org mg_org;

/* A configured provider: a plugin with its settings. */
typedef struct mg_provider_use {
    mg_str name; /* as in the configuration: "openai", "ollama" */
    mg_use *use;
    const mg_provider *ops;
    mg_str base_url; /* "" when the plugin answers by itself */
    mg_str api_key; /* secret; the first of several */
    const mg_str *api_keys; /* secret; where there are several */
    size_t n_api_keys;
    mg_keyring *keyring; /* of several keys; released with the snapshot; else NULL */
    mg_str ca_file;
    mg_upstream_timeouts timeouts;
    size_t index; /* position in the snapshot */
} mg_provider_use;

typedef enum mg_strategy { MG_STRATEGY_ORDER, MG_STRATEGY_WEIGHTED, MG_STRATEGY_LATENCY, MG_STRATEGY_COST } mg_strategy;

/* Where a request may go: a provider and the vendor's name of the model. */
typedef struct mg_target {
    const mg_provider_use *provider;
    mg_str model;
    mg_str name; /* "openai/gpt-4o" */
    double weight;
    uint64_t total_ms; /* 0: the provider's own */
    /* Neighbors of the same group are ordered among themselves by its strategy; 0: in no group, ordered by the list's. */
    uint16_t group;
    mg_strategy group_strategy;
} mg_target;

/* A public model name and what stands behind it. */
typedef struct mg_model {
    mg_str name;
    mg_target *targets;
    size_t n_targets;
    mg_strategy strategy;
} mg_model;

typedef enum mg_scope {
    MG_SCOPE_ORG,
    MG_SCOPE_TEAM,
    MG_SCOPE_USER,
    MG_SCOPE_KEY,
    MG_SCOPE_MODEL,
    MG_SCOPE_PROVIDER
} mg_scope;
const char *mg_scope_name(mg_scope s);
bool mg_scope_parse(mg_str text, mg_scope *out);

typedef enum mg_measure { MG_MEASURE_REQUESTS, MG_MEASURE_TOKENS, MG_MEASURE_COST } mg_measure;

/* One limit: so many requests, tokens or nano-dollars per period, counted for a scope. */
typedef struct mg_limit {
    mg_scope scope;
    mg_measure measure;
    mg_rate rate;
    mg_str name; /* tells limits of equal scope, measure and period apart; usually "" */
} mg_limit;

typedef struct mg_budget {
    bool set;
    int64_t limit_nano;
    mg_str period; /* "day", "week", "month", "year" */
    bool hard;
    double alert_at[8];
    size_t n_alerts;
} mg_budget;

typedef struct mg_virtual_key {
    uint8_t sha256[32];
    mg_str id; /* "key_…"; for keys of the file: made from the hash */
    mg_str name;
    mg_str team;
    mg_str user;
    const mg_json *tags; /* object or NULL */
    const mg_str *models; /* globs over target names and public names; n_models 0: all that the organization may use */
    size_t n_models;
    int64_t expires_ms; /* 0: never */
    bool acts_for_all; /* may name the organization per request */
    const mg_org *org;
} mg_virtual_key;

struct mg_org {
    mg_str id;
    mg_str name;
    bool suspended;
    const mg_str *models; /* globs; n_models 0: all */
    size_t n_models;
    const mg_limit *limits;
    size_t n_limits;
    mg_budget budget;
    const mg_json *settings; /* object: policy name -> settings that override the file's own; or NULL */
    size_t index;
};

typedef struct mg_snapshot {
    int refs; /* atomic */
    uint64_t generation;
    mg_arena *arena; /* everything below lives in it */
    const mg_org *orgs;
    size_t n_orgs;
    const mg_virtual_key *keys;
    size_t n_keys;
    const mg_provider_use *providers;
    size_t n_providers;
    const mg_model *models;
    size_t n_models;
    const mg_str *http_allow; /* host[:port] globs that policies may reach */
    size_t n_http_allow;
    bool http_private; /* may those be private addresses? */
    mg_circuit_settings circuit; /* of all targets */
    mg_use *store;
    mg_use **detectors;
    size_t n_detectors;
    const mg_prices *prices;
    int64_t unknown_model_nano_per_million; /* ceiling price for a model that the table lacks; -1: refuse */
    uint32_t *key_table; /* open addressing over the first 8 bytes of sha256; index + 1; built by mg_snapshot_seal */
    size_t key_slots;
} mg_snapshot;

mg_snapshot *mg_snapshot_create(void); /* refs 1, an empty arena */
/* Builds the look-up tables. Call once, after everything is filled in. */
void mg_snapshot_seal(mg_snapshot *s);
mg_snapshot *mg_snapshot_ref(mg_snapshot *s);
void mg_snapshot_unref(mg_snapshot *s); /* drops its uses with the last reference */

/* The key with this text, or NULL; compared by SHA-256, in constant time within a slot. */
const mg_virtual_key *mg_snapshot_key(const mg_snapshot *s, mg_str secret);
const mg_org *mg_snapshot_org(const mg_snapshot *s, mg_str id);
const mg_provider_use *mg_snapshot_provider(const mg_snapshot *s, mg_str name);
const mg_model *mg_snapshot_model(const mg_snapshot *s, mg_str name);

#endif
