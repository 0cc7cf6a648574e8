#include "net/upstream_pool.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

static void ready(mg_pool_call *c) {
    mg_pool_conn *conn = c->conn;
    c->conn = NULL;
    mg_pool_exchange_begin(c, conn);
}

/* ---- TLS --------------------------------------------------------------------------------------------------------- */

static void handshake(mg_pool_call *c) {
    SSL *ssl = c->conn->ssl;
    int rc = SSL_do_handshake(ssl);
    int error = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl, rc);
    if (error == SSL_ERROR_NONE) {
        ready(c);
    } else if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        mg_pool_conn_watch(c->conn, error == SSL_ERROR_WANT_READ, error == SSL_ERROR_WANT_WRITE);
    } else {
        char why[120];
        mg_upstream_tls_why(ssl, why, sizeof why);
        mg_upstream_call_end(&c->base, MG_UPSTREAM_TLS, "the TLS handshake failed: %s", why);
    }
}

static void start_tls(mg_pool_call *c) {
    mg_pool_conn *conn = c->conn;
    mg_error error;
    SSL_CTX *ctx = mg_upstream_trust_get(&c->pool->trust, c->base.request.ca_file, &error);
    if (!ctx) {
        mg_upstream_call_end(&c->base, MG_UPSTREAM_TLS, "%s", error.text);
        return;
    }
    conn->ssl = mg_upstream_tls_open(ctx, conn->host->name, conn->fd);
    if (!conn->ssl) {
        mg_upstream_call_end(&c->base, MG_UPSTREAM_TLS, "the host name can't be checked against a certificate");
        return;
    }
    mg_tls_sessions_collect(conn->ssl, &conn->host->sessions);
    mg_tls_sessions_use(&conn->host->sessions, conn->ssl);
    conn->state = MG_POOL_HANDSHAKE;
    handshake(c);
}

/* ---- TCP --------------------------------------------------------------------------------------------------------- */

/* A socket on its way to the address, or -1 and errno. */
static int connect_to(mg_address address, uint16_t port) {
    if (address.any.sa_family == AF_INET6)
        address.v6.sin6_port = htons(port);
    else
        address.v4.sin_port = htons(port);
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    if (connect(fd, &address.any, mg_address_size(&address)) == 0 || errno == EINPROGRESS) return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Tries the next address; with none left, and none under way, the call ends with that error. */
static void try_next(mg_pool_call *c, int error) {
    while (c->next_address < c->addresses.n) {
        int fd = connect_to(c->addresses.at[c->next_address++], c->host->port);
        if (fd < 0) {
            error = errno;
            continue;
        }
        mg_pool_conn *conn = mg_pool_conn_open(c->host, c, fd);
        mg_pool_conn_link(conn, &c->dialing);
        mg_pool_conn_watch(conn, false, true);
        c->dialed_ms = mg_evloop_now(c->pool->core.loop);
        return;
    }
    if (!c->dialing) mg_upstream_call_end(&c->base, MG_UPSTREAM_CONNECT, "can't connect: %s", strerror(error));
}

static void connected(mg_pool_conn *conn) {
    mg_pool_call *c = conn->call;
    mg_pool_conn_unlink(conn);
    while (c->dialing) mg_pool_conn_close(c->dialing);
    c->conn = conn;
    if (conn->host->tls)
        start_tls(c);
    else
        ready(c);
}

void mg_pool_dial_event(mg_pool_conn *conn) {
    mg_pool_call *c = conn->call;
    if (conn->state == MG_POOL_HANDSHAKE) {
        handshake(c);
        return;
    }
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) error = errno;
    if (error == 0) {
        connected(conn);
    } else {
        mg_pool_conn_close(conn);
        try_next(c, error);
    }
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static void begin(mg_pool_call *c) {
    if (mg_upstream_call_admits(&c->base, &c->addresses)) try_next(c, 0);
}

static void on_resolved(void *arg, const mg_addresses *addresses, const mg_error *error) {
    mg_pool_call *c = arg;
    c->lookup = NULL;
    if (!addresses) {
        mg_upstream_call_end(&c->base, MG_UPSTREAM_RESOLVE, "%s", error->text);
        return;
    }
    c->addresses = *addresses;
    begin(c);
}

void mg_pool_dial(mg_pool_call *c) {
    mg_error error = {0};
    c->next_address = 0;
    mg_upstream_call_phase(&c->base, MG_UPSTREAM_CONNECTING);
    mg_status status = mg_resolver_lookup(c->pool->core.resolver, c->pool->core.loop, c->base.url.host, &c->addresses,
                                          on_resolved, c, &c->lookup, &error);
    if (status == MG_OK)
        begin(c);
    else if (status == MG_ERROR)
        mg_upstream_call_end(&c->base, MG_UPSTREAM_RESOLVE, "%s", error.text);
}

void mg_pool_dial_look(mg_pool_call *c, uint64_t now) {
    bool slow = c->dialing && now - c->dialed_ms >= MG_UPSTREAM_STAGGER_MS;
    if (slow && c->next_address < c->addresses.n) try_next(c, 0);
}
