/* TLS contexts of the server side: certificates chosen by SNI. */
#include "net/listener.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>

typedef struct tls_set {
    size_t n;
    SSL_CTX *contexts[];
} tls_set;

/* The set hangs on its first context, which is what callers hold, and goes with it. */
static void set_free(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl, void *argp) {
    (void)parent, (void)data, (void)index, (void)argl, (void)argp;
    tls_set *set = ptr;
    if (!set) return;
    for (size_t i = 1; i < set->n; i++) SSL_CTX_free(set->contexts[i]);
    free(set);
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *n, const unsigned char *in, unsigned in_n,
                       void *arg) {
    (void)ssl, (void)arg;
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, n, ours, sizeof ours - 1, in, in_n) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int choose_certificate(SSL *ssl, int *alert, void *arg) {
    (void)alert;
    const tls_set *set = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (!name) return SSL_TLSEXT_ERR_NOACK;
    for (size_t i = 0; i < set->n; i++) {
        X509 *certificate = SSL_CTX_get0_certificate(set->contexts[i]);
        if (X509_check_host(certificate, name, 0, 0, NULL) == 1) {
            SSL_set_SSL_CTX(ssl, set->contexts[i]);
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_NOACK; /* the first one serves everybody else */
}

static mg_status fail_tls(mg_error *error, const char *what, mg_str file) {
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    mg_fail(error, 0, "tls", "%s " MG_STR_FMT ": %s", what, MG_STR_ARG(file), reason ? reason : "unknown error");
    ERR_clear_error();
    return MG_ERROR;
}

static int no_password(char *out, int size, int writing, void *arg) {
    (void)out, (void)size, (void)writing, (void)arg;
    return 0; /* never ask on the terminal */
}

static mg_status load_pair(SSL_CTX *context, const mg_tls_pair *pair, mg_error *error) {
    mg_status status = MG_OK;
    char *cert = mg_strndup(pair->cert.p, pair->cert.n), *key = mg_strndup(pair->key.p, pair->key.n);
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context, cert) != 1) {
        status = fail_tls(error, "can't read the certificate", pair->cert);
    } else if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        status = fail_tls(error, "can't use the private key", pair->key);
    } else if (SSL_CTX_check_private_key(context) != 1) {
        status = fail_tls(error, "the private key does not belong to the certificate:", pair->key);
    }
    free(cert);
    free(key);
    return status;
}

static SSL_CTX *context_create(const mg_tls_pair *pair, mg_error *error) {
    static const unsigned char sessions[] = "moongate";
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context) {
        fail_tls(error, "can't make a TLS context for", pair->cert);
        return NULL;
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    /* A peer that closes without close_notify is an end of stream like any other: framing tells what is whole. */
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_id_context(context, sessions, sizeof sessions - 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets do it, without memory or a lock */
    SSL_CTX_set_default_passwd_cb(context, no_password);
    SSL_CTX_set_alpn_select_cb(context, choose_alpn, NULL);
    if (load_pair(context, pair, error) == MG_OK) return context;
    SSL_CTX_free(context);
    return NULL;
}

/* OpenSSL numbers its slots for the process: asked for once, and never changed. */
static int set_slot = -1;
static void make_slot(void) { set_slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, set_free); }

static bool set_attach(tls_set *set) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_slot);
    SSL_CTX *first = set->contexts[0];
    if (set_slot < 0 || !SSL_CTX_set_ex_data(first, set_slot, set)) return false;
    SSL_CTX_set_tlsext_servername_callback(first, choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(first, set);
    return true;
}

void *mg_tls_create(const mg_tls_pair *pairs, size_t n, mg_error *error) {
    if (n == 0) {
        mg_fail(error, 0, "tls", "TLS needs a certificate and a key");
        return NULL;
    }
    tls_set *set = mg_calloc(1, sizeof *set + n * sizeof set->contexts[0]);
    for (set->n = 0; set->n < n; set->n++) {
        set->contexts[set->n] = context_create(&pairs[set->n], error);
        if (!set->contexts[set->n]) goto failed;
    }
    SSL_CTX *first = set->contexts[0];
    if (set_attach(set)) return first;
    fail_tls(error, "can't make a TLS context for", pairs[0].cert);
failed:
    for (size_t i = 0; i < set->n; i++) SSL_CTX_free(set->contexts[i]);
    free(set);
    return NULL;
}

void mg_tls_finish(void *tls) { SSL_CTX_free(tls); }
