/* Listening sockets and TLS, over real sockets; each worker's loop runs in a thread, clients are blocking. */
#include "net/listener.h"
#include "base/json.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <cmocka.h>

enum { WORKERS = 2, ROOM = 1 << 20 };

typedef struct worker {
    mg_evloop *loop;
    mg_server *server;
    pthread_t thread;
    atomic_int served;
    atomic_int step; /* counts posted work that is done */
} worker;

static worker workers[WORKERS];
static mg_listener *listener;
static void *tls;
static char folder[] = "/tmp/mg-listener-XXXXXX";

/* ---- the server's side ------------------------------------------------------------------------------------------- */

static void on_request(void *ctx, mg_exchange *x) {
    worker *w = ctx;
    atomic_fetch_add(&w->served, 1);
    if (mg_str_is(x->path, "/echo")) {
        mg_exchange_reply(x, 200, NULL, 0, mg_str_from(x->body, x->n_body));
    } else {
        mg_exchange_reply(x, 200, NULL, 0, mg_arena_printf(x->arena, "%.*s tls=%d", MG_STR_ARG(x->peer), x->tls));
    }
}

static void *run_loop(void *arg) {
    mg_evloop_run(arg);
    return NULL;
}

static void attach_posted(void *arg) {
    worker *w = arg;
    assert_true(mg_listener_attach(listener, (size_t)(w - workers), w->loop, w->server, tls));
    atomic_fetch_add(&w->step, 1);
}

static void detach_posted(void *arg) {
    worker *w = arg;
    mg_listener_detach(listener, (size_t)(w - workers));
    atomic_fetch_add(&w->step, 1);
}

static void on_each_worker(void (*work)(void *arg)) {
    for (int i = 0; i < WORKERS; i++) {
        int before = workers[i].step;
        assert_true(mg_evloop_post(workers[i].loop, work, &workers[i]));
        while (workers[i].step == before) usleep(200);
    }
}

static void listen_on(const char *address) {
    mg_error error = {0};
    listener = mg_listener_open(mg_str_of(address), WORKERS, &error);
    if (!listener) fail_msg("%s", error.text);
    for (int i = 0; i < WORKERS; i++) {
        mg_server_handler handler = {.ctx = &workers[i], .request = on_request};
        workers[i].loop = mg_evloop_create();
        workers[i].server = mg_server_create(workers[i].loop, &handler, NULL, NULL, "test");
        workers[i].served = workers[i].step = 0;
        pthread_create(&workers[i].thread, NULL, run_loop, workers[i].loop);
    }
    on_each_worker(attach_posted);
}

static void stop_listening(void) {
    on_each_worker(detach_posted);
    for (int i = 0; i < WORKERS; i++) {
        mg_evloop_stop(workers[i].loop);
        pthread_join(workers[i].thread, NULL);
        mg_server_destroy(workers[i].server);
        mg_evloop_destroy(workers[i].loop);
    }
    mg_listener_close(listener);
    mg_tls_finish(tls);
    tls = NULL;
}

/* ---- the client's side ------------------------------------------------------------------------------------------- */

static int port_of(mg_str address) {
    const char *colon = memrchr(address.p, ':', address.n);
    return atoi(colon + 1);
}

static int dial_tcp(int family) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    in.sin_port = in6.sin6_port = htons((in_port_t)port_of(mg_listener_address(listener)));
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {10, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    int failed = family == AF_INET ? connect(fd, (struct sockaddr *)&in, sizeof in)
                                   : connect(fd, (struct sockaddr *)&in6, sizeof in6);
    if (!failed) return fd;
    close(fd);
    return -1;
}

static int dial_unix(const char *path) {
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&un, sizeof un) == 0) return fd;
    close(fd);
    return -1;
}

static char heard[ROOM];

/* One request on a connection that is closed afterwards. */
static const char *ask(int fd) {
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    size_t n = 0;
    ssize_t got;
    assert_true(fd >= 0);
    assert_int_equal(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
    while ((got = recv(fd, heard + n, ROOM - 1 - n, 0)) > 0) n += (size_t)got;
    heard[n] = 0;
    close(fd);
    return heard;
}

/* ---- addresses --------------------------------------------------------------------------------------------------- */

static void serves_on_all_workers(void **state) {
    (void)state;
    listen_on("127.0.0.1:0");
    assert_true(mg_str_starts(mg_listener_address(listener), MG_STR("127.0.0.1:")));
    assert_true(port_of(mg_listener_address(listener)) > 0);
    for (int i = 0; i < 64; i++) {
        const char *answer = ask(dial_tcp(AF_INET));
        assert_non_null(strstr(answer, "HTTP/1.1 200 OK"));
        assert_non_null(strstr(answer, "127.0.0.1:"));
    }
    assert_true(workers[0].served > 0 && workers[1].served > 0); /* 64 times the same one: 1 in 2^63 */
    stop_listening();
}

static void serves_both_families(void **state) {
    (void)state;
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool v6 = probe >= 0 && bind(probe, (struct sockaddr *)&in6, sizeof in6) == 0;
    if (probe >= 0) close(probe);
    listen_on(":0");
    assert_non_null(strstr(ask(dial_tcp(AF_INET)), "127.0.0.1:"));
    if (v6) assert_non_null(strstr(ask(dial_tcp(AF_INET6)), "[::1]:"));
    stop_listening();
    if (!v6) return;
    listen_on("[::1]:0");
    assert_true(mg_str_starts(mg_listener_address(listener), MG_STR("[::1]:")));
    assert_non_null(strstr(ask(dial_tcp(AF_INET6)), "[::1]:"));
    stop_listening();
}

static void bad_addresses(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "8080",
                                        "a:80",
                                        "127.0.0.1",
                                        "127.0.0.1:",
                                        "127.0.0.1:x",
                                        "127.0.0.1:+1",
                                        "127.0.0.1:65536",
                                        "127.0.0.1:-1",
                                        "[::1:80",
                                        "::1:80",
                                        "[127.0.0.1]:80",
                                        "[]:80",
                                        "256.0.0.1:80",
                                        "unix:"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        mg_error error = {0};
        if (mg_listener_open(mg_str_of(texts[i]), 1, &error)) fail_msg("accepted: %s", texts[i]);
        assert_non_null(strstr(error.text, texts[i]));
    }
}

static void port_in_use(void **state) {
    (void)state;
    mg_error error = {0};
    listen_on("127.0.0.1:0");
    assert_null(mg_listener_open(mg_listener_address(listener), 1, &error));
    assert_non_null(strstr(error.text, "Address already in use"));
    assert_non_null(strstr(error.text, mg_listener_address(listener).p));
    stop_listening();
}

static void unix_socket(void **state) {
    (void)state;
    char address[100], *path = address + 5;
    struct stat st;
    mg_error error = {0};
    snprintf(address, sizeof address, "unix:%s/gate.sock", folder);
    listen_on(address);
    assert_true(mg_str_is(mg_listener_address(listener), address));
    for (int i = 0; i < 20; i++) assert_non_null(strstr(ask(dial_unix(path)), "unix tls=0"));
    assert_null(mg_listener_open(mg_str_of(address), 1, &error)); /* somebody listens: not stale */
    assert_int_equal(stat(path, &st), 0);
    stop_listening();
    assert_int_equal(stat(path, &st), -1);

    int stale = socket(AF_UNIX, SOCK_STREAM, 0); /* as after a kill: the file is there, nobody listens */
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    assert_int_equal(bind(stale, (struct sockaddr *)&un, sizeof un), 0);
    close(stale);
    listen_on(address);
    assert_non_null(strstr(ask(dial_unix(path)), "unix tls=0"));
    stop_listening();

    FILE *file = fopen(path, "w"); /* not a socket: not ours to remove */
    fclose(file);
    assert_null(mg_listener_open(mg_str_of(address), 1, &error));
    assert_int_equal(stat(path, &st), 0);
    unlink(path);
}

static void too_long_a_path(void **state) {
    (void)state;
    char address[256];
    mg_error error = {0};
    memset(address, 'a', sizeof address);
    memcpy(address, "unix:/", 6);
    assert_null(mg_listener_open(mg_str_from(address, sizeof address), 1, &error));
    assert_non_null(strstr(error.text, "107"));
}

/* ---- descriptors ------------------------------------------------------------------------------------------------- */

/* With no descriptor free the worker rests and goes on afterwards; the client waits in the queue. */
static void out_of_descriptors(void **state) {
    (void)state;
    struct rlimit before, low;
    listen_on("127.0.0.1:0");
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    in.sin_port = htons((in_port_t)port_of(mg_listener_address(listener)));
    getrlimit(RLIMIT_NOFILE, &before);
    low = before;
    low.rlim_cur = (rlim_t)fd + 1; /* the highest one so far: none is left */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
    usleep(150000);
    assert_int_equal(workers[0].served + workers[1].served, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_non_null(strstr(ask(fd), "HTTP/1.1 200 OK"));
    stop_listening();
}

/* ---- TLS --------------------------------------------------------------------------------------------------------- */

/* A self-signed certificate for the name, and its key, as PEM files in the test's folder. */
static void make_pair(const char *name, char cert[200], char key[200]) {
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    char san[100];
    snprintf(cert, 200, "%s/%s.crt", folder, name);
    snprintf(key, 200, "%s/%s.key", folder, name);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_version(x, X509_VERSION_3);
    X509_set_pubkey(x, pkey);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    snprintf(san, sizeof san, "DNS:%s", name);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
    X509_sign(x, pkey, EVP_sha256());
    FILE *f = fopen(cert, "w");
    PEM_write_X509(f, x);
    fclose(f);
    f = fopen(key, "w");
    PEM_write_PrivateKey(f, pkey, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    X509_free(x);
    EVP_PKEY_free(pkey);
}

static char certs[2][200], keys[2][200];

static void *make_tls(void) {
    mg_error error = {0};
    mg_tls_pair pairs[2];
    make_pair("one.example", certs[0], keys[0]);
    make_pair("*.two.example", certs[1], keys[1]);
    for (int i = 0; i < 2; i++) pairs[i] = (mg_tls_pair){mg_str_of(certs[i]), mg_str_of(keys[i])};
    void *made = mg_tls_create(pairs, 2, &error);
    if (!made) fail_msg("%s", error.text);
    return made;
}

typedef struct tls_client {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
} tls_client;

/* NULL name: no SNI. Handshake's success is returned. */
static bool tls_dial(tls_client *c, const char *name, int least, int most) {
    static const unsigned char alpn[] = "\x02h2\x08http/1.1";
    c->context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(c->context, 0);
    SSL_CTX_set_min_proto_version(c->context, least);
    SSL_CTX_set_max_proto_version(c->context, most);
    SSL_CTX_set_alpn_protos(c->context, alpn, sizeof alpn - 1);
    c->ssl = SSL_new(c->context);
    c->fd = dial_tcp(AF_INET);
    SSL_set_fd(c->ssl, c->fd);
    if (name) SSL_set_tlsext_host_name(c->ssl, name);
    return SSL_connect(c->ssl) == 1;
}

static void tls_hang_up(tls_client *c) {
    SSL_free(c->ssl);
    SSL_CTX_free(c->context);
    close(c->fd);
    ERR_clear_error();
}

static void expect_certificate(const char *sni, const char *name) {
    tls_client c;
    char cn[100] = "";
    assert_true(tls_dial(&c, sni, TLS1_2_VERSION, 0));
    X509 *x = SSL_get1_peer_certificate(c.ssl);
    X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof cn);
    assert_string_equal(cn, name);
    X509_free(x);
    tls_hang_up(&c);
}

static void certificates_by_sni(void **state) {
    (void)state;
    tls = make_tls();
    listen_on("127.0.0.1:0");
    expect_certificate("one.example", "one.example");
    expect_certificate("a.two.example", "*.two.example");
    expect_certificate("other.example", "one.example");
    expect_certificate(NULL, "one.example");
    tls_client c;
    assert_true(tls_dial(&c, NULL, TLS1_2_VERSION, TLS1_2_VERSION));
    const unsigned char *chosen;
    unsigned n;
    SSL_get0_alpn_selected(c.ssl, &chosen, &n);
    assert_int_equal(n, 8);
    assert_memory_equal(chosen, "http/1.1", 8);
    tls_hang_up(&c);
    assert_false(tls_dial(&c, NULL, TLS1_VERSION, TLS1_1_VERSION));
    tls_hang_up(&c);
    stop_listening();
}

static size_t tls_hear(tls_client *c) {
    size_t n = 0, whole = 0;
    while (n < ROOM - 1) {
        int got = SSL_read(c->ssl, heard + n, (int)(ROOM - 1 - n));
        if (got <= 0) break;
        n += (size_t)got;
        heard[n] = 0;
        const char *end = strstr(heard, "\r\n\r\n"), *length = strstr(heard, "content-length: ");
        if (end && length) whole = (size_t)(end + 4 - heard) + (size_t)atoi(length + 16);
        if (whole && n >= whole) break;
    }
    return n;
}

static void tls_say(tls_client *c, const char *p, size_t n) {
    while (n) {
        int sent = SSL_write(c->ssl, p, (int)n);
        assert_true(sent > 0);
        p += sent;
        n -= (size_t)sent;
    }
}

static void requests_over_tls(int version) {
    enum { N = 500000 };
    tls_client c;
    tls = make_tls();
    listen_on("127.0.0.1:0");
    assert_true(tls_dial(&c, "one.example", version, version));
    static char request[N + 200];
    size_t n = (size_t)sprintf(request, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", N);
    for (size_t i = 0; i < N; i++) request[n + i] = (char)('a' + i * 11 % 26);
    for (int i = 0; i < 3; i++) { /* keep-alive */
        tls_say(&c, request, n + N);
        assert_true(tls_hear(&c) > N);
        assert_memory_equal(strstr(heard, "\r\n\r\n") + 4, request + n, N);
    }
    tls_say(&c, "GET / HT", 8);
    tls_say(&c, "TP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 66);
    size_t got = tls_hear(&c);
    assert_non_null(strstr(heard, " tls=1"));
    if (!strstr(heard, "connection: close")) got = tls_hear(&c);
    assert_non_null(strstr(heard, "connection: close"));
    assert_true(got > 0);
    assert_int_equal(SSL_read(c.ssl, heard, 1), 0);
    assert_int_equal(SSL_get_error(c.ssl, 0), SSL_ERROR_ZERO_RETURN); /* close_notify came */
    tls_hang_up(&c);
    stop_listening();
}

static void requests_over_tls_1_2(void **state) {
    (void)state;
    requests_over_tls(TLS1_2_VERSION);
}

static void requests_over_tls_1_3(void **state) {
    (void)state;
    requests_over_tls(TLS1_3_VERSION);
}

static void plain_request_to_a_tls_port(void **state) {
    (void)state;
    tls = make_tls();
    listen_on("127.0.0.1:0");
    assert_null(strstr(ask(dial_tcp(AF_INET)), "200 OK"));
    stop_listening();
}

static void expect_tls_error(const char *cert, const char *key, const char *named) {
    mg_error error = {0};
    mg_tls_pair pair = {mg_str_of(cert), mg_str_of(key)};
    assert_null(mg_tls_create(&pair, 1, &error));
    if (!strstr(error.text, named)) fail_msg("%s does not name %s", error.text, named);
}

static void tls_errors_name_the_file(void **state) {
    (void)state;
    char empty[200];
    make_pair("one.example", certs[0], keys[0]);
    make_pair("two.example", certs[1], keys[1]);
    snprintf(empty, sizeof empty, "%s/empty.pem", folder);
    fclose(fopen(empty, "w"));
    expect_tls_error("/nonexistent/a.crt", keys[0], "/nonexistent/a.crt");
    expect_tls_error(certs[0], "/nonexistent/a.key", "/nonexistent/a.key");
    expect_tls_error(empty, keys[0], empty);
    expect_tls_error(certs[0], empty, empty);
    expect_tls_error(certs[0], keys[1], keys[1]);
    mg_error error = {0};
    assert_null(mg_tls_create(NULL, 0, &error));
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* Who was in the queue when a worker stops accepting is still answered. */
static void detach_empties_the_queue(void **state) {
    (void)state;
    int fds[8];
    mg_error error = {0};
    listener = mg_listener_open(MG_STR("127.0.0.1:0"), WORKERS, &error);
    assert_non_null(listener);
    for (int i = 0; i < 8; i++) fds[i] = dial_tcp(AF_INET); /* nobody accepts yet */
    for (int i = 0; i < WORKERS; i++) {
        mg_server_handler handler = {.ctx = &workers[i], .request = on_request};
        workers[i].loop = mg_evloop_create();
        workers[i].server = mg_server_create(workers[i].loop, &handler, NULL, NULL, "test");
        attach_posted(&workers[i]); /* not running yet: so this is its thread */
        detach_posted(&workers[i]);
        pthread_create(&workers[i].thread, NULL, run_loop, workers[i].loop);
    }
    for (int i = 0; i < 8; i++) assert_non_null(strstr(ask(fds[i]), "HTTP/1.1 200 OK"));
    stop_listening();
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(serves_on_all_workers),
                                       cmocka_unit_test(serves_both_families),
                                       cmocka_unit_test(bad_addresses),
                                       cmocka_unit_test(port_in_use),
                                       cmocka_unit_test(unix_socket),
                                       cmocka_unit_test(too_long_a_path),
                                       cmocka_unit_test(out_of_descriptors),
                                       cmocka_unit_test(certificates_by_sni),
                                       cmocka_unit_test(requests_over_tls_1_2),
                                       cmocka_unit_test(requests_over_tls_1_3),
                                       cmocka_unit_test(plain_request_to_a_tls_port),
                                       cmocka_unit_test(tls_errors_name_the_file),
                                       cmocka_unit_test(detach_empties_the_queue)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
