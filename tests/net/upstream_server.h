/* A server of the tests: a thread for each connection, blocking sockets, and a script that plays the vendor. */
#ifndef TEST_UPSTREAM_SERVER_H
#define TEST_UPSTREAM_SERVER_H

#include "base/arena.h"
#include "base/buf.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEERS = 512 };

typedef struct server server;

typedef struct peer {
    server *of;
    int fd;
    int index; /* how many connections came before */
    SSL *ssl;
    mg_buf in; /* the request being read, and what came behind it */
    mg_str head, body;
    pthread_t thread;
} peer;

struct server {
    int fd;
    uint16_t port;
    SSL_CTX *tls;
    void (*script)(peer *p); /* one connection, from accept to close */
    atomic_int connections, requests, resumed;
    atomic_size_t sent; /* bytes of say() */
    atomic_int stage; /* the script's own */
    atomic_bool ending;
    pthread_t thread;
    pthread_mutex_t lock;
    peer *peers[PEERS];
};

static inline ssize_t peer_get(peer *p, char *to, size_t n) {
    return p->ssl ? SSL_read(p->ssl, to, (int)n) : recv(p->fd, to, n, 0);
}

/* False when the client does not take it any more. */
static inline bool say_bytes(peer *p, const char *bytes, size_t n) {
    while (n) {
        ssize_t taken = p->ssl ? SSL_write(p->ssl, bytes, (int)n) : send(p->fd, bytes, n, MSG_NOSIGNAL);
        if (taken <= 0) return false;
        atomic_fetch_add(&p->of->sent, (size_t)taken);
        bytes += taken;
        n -= (size_t)taken;
    }
    return true;
}

static inline bool say(peer *p, const char *text) { return say_bytes(p, text, strlen(text)); }

static inline bool peer_more(peer *p) {
    if (!mg_buf_reserve(&p->in, 65536)) return false;
    ssize_t n = peer_get(p, p->in.p + p->in.n, p->in.cap - p->in.n);
    if (n > 0) p->in.n += (size_t)n;
    return n > 0;
}

/* The next head, without its body; false at the end of the connection. */
static inline bool hear_head(peer *p) {
    mg_buf_drain(&p->in, p->head.n + p->body.n);
    p->head = p->body = (mg_str){0};
    for (;;) {
        char *end = p->in.n ? memmem(p->in.p, p->in.n, "\r\n\r\n", 4) : NULL;
        if (end) {
            p->head = (mg_str){p->in.p, (size_t)(end - p->in.p) + 4};
            atomic_fetch_add(&p->of->requests, 1);
            return true;
        }
        if (!peer_more(p)) return false;
    }
}

static inline bool hear(peer *p) {
    if (!hear_head(p)) return false;
    size_t n_head = p->head.n, n = 0;
    char *length = memmem(p->head.p, n_head, "content-length: ", 16);
    if (!length) length = memmem(p->head.p, n_head, "Content-Length: ", 16);
    if (length) n = strtoul(length + 16, NULL, 10);
    while (p->in.n < n_head + n) {
        if (!peer_more(p)) return false;
    }
    p->head = (mg_str){p->in.p, n_head};
    p->body = (mg_str){p->in.p + n_head, n};
    return true;
}

/* Until the client has closed. */
static inline void wait_closed(peer *p) {
    struct pollfd poll_for = {.fd = p->fd, .events = POLLRDHUP};
    while (!atomic_load(&p->of->ending) && poll(&poll_for, 1, 20) == 0) {}
}

static inline void reset(peer *p) {
    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
}

static void *peer_run(void *arg) {
    peer *p = arg;
    bool ok = true;
    if (p->of->tls) {
        p->ssl = SSL_new(p->of->tls);
        SSL_set_fd(p->ssl, p->fd);
        ok = SSL_accept(p->ssl) == 1;
        if (ok && SSL_session_reused(p->ssl)) atomic_fetch_add(&p->of->resumed, 1);
    }
    if (ok) p->of->script(p);
    if (p->ssl) {
        if (ok) SSL_shutdown(p->ssl);
        SSL_free(p->ssl);
    }
    pthread_mutex_lock(&p->of->lock); /* server_stop may be looking at fd */
    close(p->fd);
    p->fd = -1;
    pthread_mutex_unlock(&p->of->lock);
    mg_buf_finish(&p->in);
    return NULL;
}

static void *server_run(void *arg) {
    server *s = arg;
    int one = 1;
    for (;;) {
        int fd = accept(s->fd, NULL, NULL);
        if (fd < 0) return NULL;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        peer *p = MG_NEW(peer);
        p->of = s;
        p->fd = fd;
        p->index = atomic_fetch_add(&s->connections, 1);
        if (p->index >= PEERS) abort();
        pthread_mutex_lock(&s->lock);
        s->peers[p->index] = p;
        pthread_mutex_unlock(&s->lock);
        pthread_create(&p->thread, NULL, peer_run, p);
    }
}

/* Binds 127.0.0.1, or ::1. NULL if the machine has no IPv6. */
static inline server *server_start_at(void (*script)(peer *p), SSL_CTX *tls, bool v6) {
    server *s = MG_NEW(server);
    struct sockaddr_storage address = {0};
    socklen_t size = v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (v6)
        *(struct sockaddr_in6 *)&address =
            (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    else
        ((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.ss_family = v6 ? AF_INET6 : AF_INET;
    s->fd = socket(address.ss_family, SOCK_STREAM, 0);
    if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&address, size) != 0 || listen(s->fd, 128) != 0) {
        if (s->fd >= 0) close(s->fd);
        free(s);
        return NULL;
    }
    getsockname(s->fd, (struct sockaddr *)&address, &size);
    s->port = ntohs(((struct sockaddr_in *)&address)->sin_port); /* at the same place for both */
    s->script = script;
    s->tls = tls;
    pthread_mutex_init(&s->lock, NULL);
    pthread_create(&s->thread, NULL, server_run, s);
    return s;
}

static inline server *server_start(void (*script)(peer *p)) { return server_start_at(script, NULL, false); }

/* Breaks off what is under way. */
static inline void server_stop(server *s) {
    if (!s) return;
    atomic_store(&s->ending, true);
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
    for (int i = 0; i < PEERS && s->peers[i]; i++) {
        pthread_mutex_lock(&s->lock);
        if (s->peers[i]->fd >= 0) shutdown(s->peers[i]->fd, SHUT_RDWR);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->peers[i]->thread, NULL);
        free(s->peers[i]);
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}

#endif
