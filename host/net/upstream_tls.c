#include "net/upstream_tls.h"

#include "base/arena.h"
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Called when a server has sent a session; returns 1 if it keeps the reference. */
static int on_session(SSL *ssl, SSL_SESSION *session) {
    mg_tls_sessions *s = SSL_get_app_data(ssl);
    if (!s || !SSL_SESSION_is_resumable(session)) return 0;
    if (s->n == MG_TLS_SESSIONS) {
        SSL_SESSION_free(s->at[0]);
        memmove(s->at, s->at + 1, sizeof s->at - sizeof *s->at);
        s->n--;
    }
    s->at[s->n++] = session;
    return 1;
}

static bool load(SSL_CTX *ctx, mg_str ca_file, const char *path) {
    /* The system's store is a folder that is read by hash when a chain asks for it, and cached: nothing to load now. */
    if (ca_file.n == 0) return SSL_CTX_set_default_verify_paths(ctx) == 1;
    return SSL_CTX_load_verify_file(ctx, path) == 1;
}

static bool set_up(SSL_CTX *ctx, mg_str ca_file, const char *path) {
    static const unsigned char alpn[] = "\x08http/1.1";
    if (!load(ctx, ca_file, path)) return false;
    X509_STORE_set_flags(SSL_CTX_get_cert_store(ctx), X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    /* Servers that close without close_notify are many; framing decides whether an answer is whole. */
    SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    return SSL_CTX_set_alpn_protos(ctx, alpn, sizeof alpn - 1) == 0;
}

SSL_CTX *mg_upstream_trust_get(mg_upstream_trust **list, mg_str ca_file, mg_error *error) {
    for (mg_upstream_trust *t = *list; t; t = t->next) {
        if (mg_str_is(ca_file, t->ca_file)) return t->ctx;
    }
    mg_upstream_trust *t = mg_calloc(1, sizeof *t + ca_file.n + 1);
    if (ca_file.n) memcpy(t->ca_file, ca_file.p, ca_file.n);
    t->ctx = SSL_CTX_new(TLS_client_method());
    if (!t->ctx || !set_up(t->ctx, ca_file, t->ca_file)) {
        SSL_CTX_free(t->ctx);
        free(t);
        ERR_clear_error();
        mg_fail(error, 502, "upstream_tls", "ca_file can't be read as a PEM bundle of certificates");
        return NULL;
    }
    t->next = *list;
    *list = t;
    return t->ctx;
}

void mg_upstream_trust_finish(mg_upstream_trust **list) {
    while (*list) {
        mg_upstream_trust *t = *list;
        *list = t->next;
        SSL_CTX_free(t->ctx);
        free(t);
    }
}

static bool is_address(const char *host) {
    struct in6_addr any;
    return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

SSL *mg_upstream_tls_open(SSL_CTX *ctx, const char *host, int fd) {
    SSL *ssl = SSL_new(ctx);
    if (!ssl) return NULL;
    bool ok = SSL_set_fd(ssl, fd) == 1;
    if (is_address(host)) {
        ok = ok && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    } else {
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        ok = ok && SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
    }
    if (ok) {
        SSL_set_connect_state(ssl);
        return ssl;
    }
    SSL_free(ssl);
    return NULL;
}

void mg_upstream_tls_why(SSL *ssl, char *out, size_t n) {
    long verdict = SSL_get_verify_result(ssl);
    unsigned long code = ERR_peek_error();
    const char *reason = ERR_reason_error_string(code);
    if (verdict != X509_V_OK)
        snprintf(out, n, "certificate: %s", X509_verify_cert_error_string(verdict));
    else
        snprintf(out, n, "%s", reason ? reason : "the peer closed the connection");
    ERR_clear_error();
}

void mg_tls_sessions_collect(SSL *ssl, mg_tls_sessions *to) { SSL_set_app_data(ssl, to); }

void mg_tls_sessions_use(mg_tls_sessions *s, SSL *ssl) {
    while (s->n) {
        SSL_SESSION *session = s->at[--s->n];
        bool good = time(NULL) < SSL_SESSION_get_time(session) + SSL_SESSION_get_timeout(session);
        if (good) SSL_set_session(ssl, session);
        SSL_SESSION_free(session);
        if (good) return;
    }
}

void mg_tls_sessions_finish(mg_tls_sessions *s) {
    while (s->n) SSL_SESSION_free(s->at[--s->n]);
}
