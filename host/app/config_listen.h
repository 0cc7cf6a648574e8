/* Addresses to listen on, as the configuration writes them. */
#ifndef MG_APP_CONFIG_LISTEN_H
#define MG_APP_CONFIG_LISTEN_H

#include "app/config_tree.h"

/* Reads an address: a string, or { address = …, tls = { { cert = …, key = … }, … } }. Faults go to the report. */
void mg_config_listener_read(const mg_json *v, mg_str shown, mg_arena *arena, mg_config_report *r,
                             mg_config_listener *out);
/* Reads one or a list of them; *n is 0 after a fault. */
mg_config_listener *mg_config_listeners_read(const mg_json *v, mg_str shown, mg_arena *arena, mg_config_report *r,
                                             size_t *n);
bool mg_config_listeners_equal(const mg_config_listener *a, size_t n_a, const mg_config_listener *b, size_t n_b);

#endif
