/* One question to the admin plane of the gateway that runs on this machine, for verbs. Blocks. */
#ifndef MG_APP_ADMIN_CLIENT_H
#define MG_APP_ADMIN_CLIENT_H

#include "app/config.h"

/* Where the running gateway's admin plane listens is in data_dir/admin-address, which serve writes: with port 0 nobody
 * else knows. Otherwise it is asked where the configuration says. */
#define MG_ADMIN_ADDRESS_FILE "admin-address"

/* MG_OK with the HTTP status, whatever it is, and the body; MG_ERROR and a sentence if no gateway could be asked. Gives
 * up after 10 s of silence. */
mg_status mg_admin_ask(const mg_config *c, const char *method, const char *path, mg_str body, int *status,
                       mg_buf *answer, mg_error *error);

#endif
