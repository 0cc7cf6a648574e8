/* Listening sockets: TCP (SO_REUSEPORT, one socket a worker) and Unix domain, with TLS contexts chosen by SNI. */
#ifndef MG_NET_LISTENER_H
#define MG_NET_LISTENER_H

#include "net/server.h"

typedef struct mg_listener mg_listener;

typedef struct mg_tls_pair {
    mg_str cert, key; /* PEM files */
} mg_tls_pair;

/* A server-side SSL_CTX (TLS 1.2 and up) that chooses among the pairs by SNI, the first one by default. NULL and an error
 * that names the file if one can't be read or the key does not belong to its certificate. Freed with mg_tls_finish. */
void *mg_tls_create(const mg_tls_pair *pairs, size_t n, mg_error *error);
void mg_tls_finish(void *tls);

/* Binds address ("127.0.0.1:8080", "[::]:8080", ":8080", "unix:/path") once; port 0 asks the kernel. */
mg_listener *mg_listener_open(mg_str address, size_t workers, mg_error *error);
mg_str mg_listener_address(const mg_listener *l); /* what it really listens on */
/* Accepts on worker i's loop into its server. tls borrowed until mg_listener_close. Call on that worker's thread. */
bool mg_listener_attach(mg_listener *l, size_t i, mg_evloop *loop, mg_server *server, void *tls);
/* Stops accepting on worker i, after accepting what is queued already; its thread. */
void mg_listener_detach(mg_listener *l, size_t i);
void mg_listener_close(mg_listener *l); /* after all detached; removes a Unix socket's file */

#endif
