#include "gateway/snapshot.h"

#include "base/hash.h"

#include <openssl/crypto.h>

static const char *const scope_names[] = {"org", "team", "user", "key", "model", "provider"};

const char *mg_scope_name(mg_scope s) { return scope_names[s]; }

bool mg_scope_parse(mg_str text, mg_scope *out) {
    for (size_t i = 0; i < sizeof scope_names / sizeof scope_names[0]; i++)
        if (mg_str_is(text, scope_names[i])) {
            *out = (mg_scope)i;
            return true;
        }
    return false;
}

mg_snapshot *mg_snapshot_create(void) {
    mg_snapshot *s = MG_NEW(mg_snapshot);
    s->refs = 1;
    s->arena = mg_arena_create(16 * 1024);
    s->prices = mg_prices_builtin();
    s->unknown_model_nano_per_million = -1;
    s->circuit = MG_CIRCUIT_DEFAULTS;
    return s;
}

static size_t key_slot(const mg_snapshot *s, const uint8_t sha256[32]) {
    uint64_t h;
    memcpy(&h, sha256, sizeof h); /* a cryptographic hash is as good as random: no hashing of the hash */
    return (size_t)(h & (s->key_slots - 1));
}

void mg_snapshot_seal(mg_snapshot *s) {
    s->key_slots = 16;
    while (s->key_slots < s->n_keys * 2) s->key_slots *= 2;
    s->key_table = mg_arena_zalloc(s->arena, s->key_slots * sizeof *s->key_table);
    for (size_t i = 0; i < s->n_keys; i++) {
        size_t at = key_slot(s, s->keys[i].sha256);
        while (s->key_table[at]) at = (at + 1) & (s->key_slots - 1);
        s->key_table[at] = (uint32_t)i + 1;
    }
}

mg_snapshot *mg_snapshot_ref(mg_snapshot *s) {
    __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    return s;
}

void mg_snapshot_unref(mg_snapshot *s) {
    if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
    for (size_t i = 0; i < s->n_providers; i++) {
        mg_use_unref(s->providers[i].use);
        mg_keyring_release(s->providers[i].keyring);
    }
    for (size_t i = 0; i < s->n_detectors; i++) mg_use_unref(s->detectors[i]);
    if (s->store) mg_use_unref(s->store);
    mg_arena_destroy(s->arena);
    free(s);
}

const mg_virtual_key *mg_snapshot_key(const mg_snapshot *s, mg_str secret) {
    uint8_t sha256[32];
    if (!secret.n || !s->key_slots) return NULL;
    mg_sha256(secret, sha256);
    for (size_t at = key_slot(s, sha256); s->key_table[at]; at = (at + 1) & (s->key_slots - 1)) {
        const mg_virtual_key *k = &s->keys[s->key_table[at] - 1];
        if (CRYPTO_memcmp(k->sha256, sha256, sizeof sha256) == 0) return k;
    }
    return NULL;
}

const mg_org *mg_snapshot_org(const mg_snapshot *s, mg_str id) {
    for (size_t i = 0; i < s->n_orgs; i++)
        if (mg_str_eq(s->orgs[i].id, id)) return &s->orgs[i];
    return NULL;
}

const mg_provider_use *mg_snapshot_provider(const mg_snapshot *s, mg_str name) {
    for (size_t i = 0; i < s->n_providers; i++)
        if (mg_str_eq(s->providers[i].name, name)) return &s->providers[i];
    return NULL;
}

const mg_model *mg_snapshot_model(const mg_snapshot *s, mg_str name) {
    for (size_t i = 0; i < s->n_models; i++)
        if (mg_str_eq(s->models[i].name, name)) return &s->models[i];
    return NULL;
}
