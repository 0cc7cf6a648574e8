/* Organizations and keys that the ledger holds. */
#ifndef MG_APP_CONFIG_ROWS_H
#define MG_APP_CONFIG_ROWS_H

#include "app/config_organizations.h"

/* Adds them to what the file declares, which wins. Rows that make no sense are left out with a warning: one bad row
 * must not keep a gateway from starting. */
void mg_config_rows_add(const mg_config_rows *rows, mg_arena *arena, mg_config_report *r, mg_config_orgs *out);

#endif
