/* What the ledger keeps besides usage: organizations and virtual keys; and secrets that are made on the first start. */
#ifndef MG_APP_KEEP_H
#define MG_APP_KEEP_H

#include "app/config.h"

/* Reads organizations and keys. On the thread that owns the ledger handle. Rows live in out->arena (made here). */
mg_status mg_keep_rows(const mg_ledger *ops, void *self, mg_config_rows *out, mg_error *error);
void mg_keep_rows_finish(mg_config_rows *rows);

typedef struct mg_keep_key {
    mg_str org, name, team, user, acts_for;
    int64_t expires_ms;
} mg_keep_key;
enum { MG_KEY_TEXT = 3 + 43 + 1 }; /* "mg-" and 32 random bytes in base64url */
/* Makes a key and stores its hash; `text` is the key itself, shown once. id takes 21 bytes. */
mg_status mg_keep_key_add(const mg_ledger *ops, void *self, const mg_keep_key *k, char text[MG_KEY_TEXT], char id[21],
                          mg_error *error);
mg_status mg_keep_org_add(const mg_ledger *ops, void *self, mg_str id, mg_str name, mg_error *error);
bool mg_keep_org_id_ok(mg_str id); /* 1 to 64 of letters, digits, '.', '_', '-' */

/* The secret in data_dir/NAME (0600), made at random if the file is missing. out is terminated and takes 128 bytes. */
mg_status mg_keep_secret(mg_str data_dir, const char *name, char out[128], mg_error *error);
/* Writes text to data_dir/NAME (0600), replacing it whole. */
mg_status mg_keep_write(mg_str data_dir, const char *name, mg_str text, mg_error *error);
/* Makes data_dir (0700 if new) and its parents. */
mg_status mg_keep_dir(mg_str data_dir, mg_error *error);

#endif
