/* Organizations and their virtual keys, as the configuration declares them. */
#ifndef MG_APP_CONFIG_ORGANIZATIONS_H
#define MG_APP_CONFIG_ORGANIZATIONS_H

#include "app/config_tree.h"

/* Finds a key by its hash among those that were added; keys of a configuration and of a ledger are many. */
typedef struct mg_config_key_set {
    uint32_t *slots; /* index + 1 into keys */
    size_t n_slots;
} mg_config_key_set;

typedef struct mg_config_orgs {
    mg_org *orgs;
    size_t n_orgs;
    mg_virtual_key *keys;
    const mg_json **places; /* of keys: where each stands in the file */
    size_t n_keys;
    mg_config_key_set set;
} mg_config_orgs;

/* Reads the table into the arena, with room for more of both behind. Faults go to the report. Nothing of the table is
 * shared. */
void mg_config_orgs_read(const mg_json *table, size_t more_orgs, size_t more_keys, mg_arena *arena, mg_config_report *r,
                         mg_config_orgs *out);
/* The key with this hash, or NULL. */
const mg_virtual_key *mg_config_key_find(const mg_config_orgs *o, const uint8_t sha256[32]);
/* Adds keys[n_keys], which the caller has filled in. */
void mg_config_key_add(mg_config_orgs *o);

#endif
