/* TLS towards upstreams, with both backends: who is trusted, resumption, and answers over TLS. The certificates are made
 * here. */
#include "upstream_fixture.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define OK_HELLO "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"

typedef struct authority {
    X509 *cert;
    EVP_PKEY *key;
    char file[512]; /* cert as PEM */
} authority;

static authority ours, others;

static void extend(X509 *cert, int nid, const char *value) {
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(e);
    X509_add_ext(cert, e, -1);
    X509_EXTENSION_free(e);
}

/* A certificate for `names` ("DNS:localhost,IP:127.0.0.1"; NULL: an authority's own), good from `from` to `to` seconds. */
static X509 *make_cert(EVP_PKEY *key, const char *name, const char *names, long from, long to, const authority *by) {
    static long serial = 1;
    X509 *cert = X509_new();
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert), from);
    X509_gmtime_adj(X509_getm_notAfter(cert), to);
    X509_set_pubkey(cert, key);
    X509_NAME *subject = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, by ? X509_get_subject_name(by->cert) : subject);
    if (names)
        extend(cert, NID_subject_alt_name, names);
    else
        extend(cert, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(cert, by ? by->key : key, EVP_sha256()) > 0);
    return cert;
}

static void make_authority(authority *a, const char *name) {
    a->key = EVP_EC_gen("P-256");
    a->cert = make_cert(a->key, name, NULL, -60, 3600, NULL);
    strcpy(a->file, TEST_BINARY_DIR "/test-ca-XXXXXX");
    FILE *f = fdopen(mkstemp(a->file), "w");
    assert_non_null(f);
    PEM_write_X509(f, a->cert);
    fclose(f);
}

static void free_authority(authority *a) {
    X509_free(a->cert);
    EVP_PKEY_free(a->key);
    unlink(a->file);
}

static int make_authorities(void **state) {
    (void)state;
    make_authority(&ours, "Ours");
    make_authority(&others, "Others");
    return 0;
}

static int free_authorities(void **state) {
    (void)state;
    free_authority(&ours);
    free_authority(&others);
    return 0;
}

static SSL_CTX *server_ctx(const char *names, long from, long to, int version) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = make_cert(key, "server", names, from, to, &ours);
    SSL_CTX_use_certificate(ctx, cert);
    SSL_CTX_use_PrivateKey(ctx, key);
    SSL_CTX_set_max_proto_version(ctx, version);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"test", 4);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ctx;
}

static void serve_tls(fixture *f, void (*script)(peer *p), const char *names, int version) {
    f->server = server_start_at(script, server_ctx(names, -60, 3600, version), false);
}

static void stop_tls(fixture *f) {
    SSL_CTX *ctx = f->server->tls;
    server_stop(f->server);
    SSL_CTX_free(ctx);
    f->server = NULL;
}

static exchange *get_host(fixture *f, const char *host, const char *ca_file) {
    exchange *x = get(f);
    snprintf(x->url, sizeof x->url, "https://%s:%u", host, f->server->port);
    x->request.base_url = mg_str_of(x->url);
    x->request.ca_file = mg_str_of(ca_file);
    return x;
}

static void run(fixture *f, const char *host, const char *ca_file, mg_upstream_end end) {
    exchange *x = get_host(f, host, ca_file);
    expect(x, end);
    if (end == MG_UPSTREAM_COMPLETE) {
        assert_body(x, "hello");
    } else {
        assert_int_equal(x->heads, 0);
        assert_false(x->result.sent);
        assert_null(strstr(x->result.text, host));
    }
    finish(x);
}

static void serve_hello(peer *p) {
    while (hear(p) && say(p, OK_HELLO)) {}
}

static void test_trusted(void **state) {
    fixture *f = *state;
    serve_tls(f, serve_hello, "DNS:localhost,IP:127.0.0.1", TLS1_3_VERSION);
    run(f, "localhost", ours.file, MG_UPSTREAM_COMPLETE);
    run(f, "localhost", ours.file, MG_UPSTREAM_COMPLETE);
    run(f, "127.0.0.1", ours.file, MG_UPSTREAM_COMPLETE);
    assert_int_equal(atomic_load(&f->server->connections), 2);
    stop_tls(f);
}

static void test_not_trusted(void **state) {
    fixture *f = *state;
    serve_tls(f, serve_hello, "DNS:localhost", TLS1_3_VERSION);
    run(f, "localhost", others.file, MG_UPSTREAM_TLS);
    run(f, "localhost", "", MG_UPSTREAM_TLS);
    run(f, "localhost", "/nonexistent/ca.pem", MG_UPSTREAM_TLS);
    run(f, "127.0.0.1", ours.file, MG_UPSTREAM_TLS); /* not a name of the certificate */
    run(f, "localhost", ours.file, MG_UPSTREAM_COMPLETE);
    /* A kept connection serves only those who trust the same authorities. */
    run(f, "localhost", others.file, MG_UPSTREAM_TLS);
    run(f, "localhost", "", MG_UPSTREAM_TLS);
    assert_int_equal(atomic_load(&f->server->requests), 1);
    stop_tls(f);
}

/* Without a ca_file the system's store decides; OpenSSL lets the environment say where that is. */
static void test_system_store(void **state) {
    fixture *f = *state;
    serve_tls(f, serve_hello, "DNS:localhost", TLS1_3_VERSION);
    setenv("SSL_CERT_FILE", ours.file, 1);
    run(f, "localhost", "", MG_UPSTREAM_COMPLETE);
    unsetenv("SSL_CERT_FILE");
    stop_tls(f);
}

static void test_wrong_name(void **state) {
    fixture *f = *state;
    serve_tls(f, serve_hello, "DNS:api.example.com,DNS:*.localhost", TLS1_3_VERSION);
    run(f, "localhost", ours.file, MG_UPSTREAM_TLS);
    assert_int_equal(atomic_load(&f->server->requests), 0);
    stop_tls(f);
}

static void test_expired(void **state) {
    fixture *f = *state;
    f->server = server_start_at(serve_hello, server_ctx("DNS:localhost", -7200, -3600, TLS1_3_VERSION), false);
    run(f, "localhost", ours.file, MG_UPSTREAM_TLS);
    stop_tls(f);
}

static void serve_once(peer *p) {
    if (hear(p)) say(p, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello");
}

static void test_session(void **state) {
    fixture *f = *state;
    serve_tls(f, serve_once, "DNS:localhost", TLS1_3_VERSION);
    for (int i = 0; i < 5; i++) run(f, "localhost", ours.file, MG_UPSTREAM_COMPLETE);
    assert_int_equal(atomic_load(&f->server->connections), 5);
    assert_int_equal(atomic_load(&f->server->resumed), 4);
    stop_tls(f);
}

static void test_tls12(void **state) {
    fixture *f = *state;
    serve_tls(f, serve_once, "DNS:localhost", TLS1_2_VERSION);
    run(f, "localhost", ours.file, MG_UPSTREAM_COMPLETE);
    run(f, "localhost", ours.file, MG_UPSTREAM_COMPLETE);
    stop_tls(f);
}

/* Not TLS at all. */
static void serve_refusal(peer *p) {
    say(p, "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    wait_closed(p);
}

static void test_plain_server(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_refusal);
    run(f, "127.0.0.1", ours.file, MG_UPSTREAM_TLS);
}

/* Says nothing, not even hello. */
static void serve_nothing(peer *p) { wait_closed(p); }

static void test_handshake_timeout(void **state) {
    fixture *f = *state;
    f->server = server_start(serve_nothing);
    exchange *x = get_host(f, "127.0.0.1", ours.file);
    x->request.timeouts = (mg_upstream_timeouts){.connect_ms = 200};
    expect(x, MG_UPSTREAM_TIMEOUT_CONNECT);
    finish(x);
    x = get_host(f, "127.0.0.1", ours.file);
    begin(x);
    usleep(30000); /* in the handshake */
    on_loop(f, cancel_call, x);
    assert_int_equal(x->dones, 0);
    finish(x);
}

/* ---- answers ---- */

static void serve_stale(peer *p) {
    for (int i = 0; hear(p); i++) {
        if (p->index == 0 && i == 1) return;
        say(p, OK_HELLO);
    }
}

static void test_stale(void **state) {
    fixture *f = *state;
    serve_tls(f, serve_stale, "DNS:localhost", TLS1_3_VERSION);
    for (int i = 0; i < 3; i++) run(f, "localhost", ours.file, MG_UPSTREAM_COMPLETE);
    assert_int_equal(atomic_load(&f->server->connections), 2);
    stop_tls(f);
}

/* Closes the socket without a TLS close: only framing says whether the answer was whole. */
static void serve_cut(peer *p) {
    if (!hear(p)) return;
    say(p, atomic_load(&p->of->stage) ? "HTTP/1.1 200 OK\r\n\r\nhello"
                                      : "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello");
    SSL_set_quiet_shutdown(p->ssl, 1);
}

static void test_cut(void **state) {
    fixture *f = *state;
    serve_tls(f, serve_cut, "DNS:localhost", TLS1_3_VERSION);
    exchange *x = get_host(f, "localhost", ours.file);
    expect(x, MG_UPSTREAM_RESET);
    assert_body(x, "hello");
    finish(x);
    atomic_store(&f->server->stage, 1);
    x = get_host(f, "localhost", ours.file);
    expect(x, MG_UPSTREAM_COMPLETE);
    assert_true(x->result.close_delimited);
    assert_body(x, "hello");
    finish(x);
    stop_tls(f);
}

enum { BIG = 5000000 };

/* Answers with what it got. */
static void serve_mirror(peer *p) {
    while (hear(p)) {
        char head[100];
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\ncontent-length: %zu\r\n\r\n", p->body.n);
        if (!say(p, head) || !say_bytes(p, p->body.p, p->body.n)) return;
    }
}

static void test_large(void **state) {
    fixture *f = *state;
    serve_tls(f, serve_mirror, "DNS:localhost", TLS1_3_VERSION);
    char *body = mg_malloc(BIG);
    for (int i = 0; i < BIG; i++) body[i] = (char)(i % 251);
    static const size_t sizes[] = {1, 16000, 16384, 16385, 40000, BIG};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        exchange *x = get_host(f, "localhost", ours.file);
        x->request.method = MG_STR("POST");
        x->request.body = (mg_str){body, sizes[i]};
        expect(x, MG_UPSTREAM_COMPLETE);
        assert_int_equal(x->body.n, sizes[i]);
        assert_memory_equal(x->body.p, body, sizes[i]);
        finish(x);
    }
    assert_int_equal(atomic_load(&f->server->connections), 1);
    free(body);
    stop_tls(f);
}

static void serve_big(peer *p) {
    static char block[10000];
    if (!hear(p)) return;
    say(p, "HTTP/1.1 200 OK\r\ncontent-length: 20000000\r\n\r\n");
    for (int i = 0; i < 2000 && say_bytes(p, block, sizeof block); i++) {}
}

static void pause_each(void *arg) { ((exchange *)arg)->pause_in_data = true; }
static void pause_no_more(void *arg) { ((exchange *)arg)->pause_in_data = false; }

static void test_pause(void **state) {
    fixture *f = *state;
    serve_tls(f, serve_big, "DNS:localhost", TLS1_3_VERSION);
    exchange *x = get_host(f, "localhost", ours.file);
    x->pause_in_head = true;
    begin(x);
    assert_true(wait_count(f, &x->heads, 1));
    usleep(200000);
    assert_in_range(atomic_load(&f->server->sent), 1, 10000000);
    pthread_mutex_lock(&f->lock);
    assert_int_equal(x->datas, 0);
    pthread_mutex_unlock(&f->lock);
    on_loop(f, pause_each, x);
    on_loop(f, pause_off, x);
    for (int n = 1; n < 100; n++) {
        assert_true(wait_count(f, &x->datas, n));
        on_loop(f, pause_off, x);
    }
    on_loop(f, pause_no_more, x);
    on_loop(f, pause_off, x);
    wait_done(x);
    assert_int_equal(x->result.end, MG_UPSTREAM_COMPLETE);
    assert_int_equal(x->body.n, 20000000);
    finish(x);
    stop_tls(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_trusted),    BOTH(test_not_trusted),  BOTH(test_system_store),
        BOTH(test_wrong_name), BOTH(test_expired),      BOTH(test_session),
        BOTH(test_tls12),      BOTH(test_plain_server), BOTH(test_handshake_timeout),
        BOTH(test_stale),      BOTH(test_cut),          BOTH(test_large),
        BOTH(test_pause),
    };
    return cmocka_run_group_tests(tests, make_authorities, free_authorities);
}
