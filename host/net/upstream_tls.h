/* TLS towards upstreams: one client context for each CA bundle, loaded once a worker. */
#ifndef MG_NET_UPSTREAM_TLS_H
#define MG_NET_UPSTREAM_TLS_H

#include "base/str.h"
#include <openssl/ssl.h>

typedef struct mg_upstream_trust {
    struct mg_upstream_trust *next;
    SSL_CTX *ctx;
    char ca_file[];
} mg_upstream_trust;

/* A context that verifies peers against ca_file, or against the system's store if that is "", made when first asked for.
 * TLS 1.2 and up. Borrowed until mg_upstream_trust_finish. NULL and an error (it does not name the file) if the bundle
 * can't be read. */
SSL_CTX *mg_upstream_trust_get(mg_upstream_trust **list, mg_str ca_file, mg_error *error);
void mg_upstream_trust_finish(mg_upstream_trust **list);

/* A client's SSL for that host on fd: SNI (unless it is a literal address), host-name check, ALPN http/1.1. NULL when out of
 * memory. */
SSL *mg_upstream_tls_open(SSL_CTX *ctx, const char *host, int fd);
/* Why the handshake failed, in words; the error queue is emptied. */
void mg_upstream_tls_why(SSL *ssl, char *out, size_t n);

/* TLS sessions of one host that were not used yet; a TLS 1.3 session serves one connection only. */
enum { MG_TLS_SESSIONS = 4 };
typedef struct mg_tls_sessions {
    SSL_SESSION *at[MG_TLS_SESSIONS];
    size_t n;
} mg_tls_sessions;

/* Collects the sessions that the server gives ssl; `to` outlives it. */
void mg_tls_sessions_collect(SSL *ssl, mg_tls_sessions *to);
/* Uses the newest session that is still good for ssl, if there is one. */
void mg_tls_sessions_use(mg_tls_sessions *s, SSL *ssl);
void mg_tls_sessions_finish(mg_tls_sessions *s);

#endif
