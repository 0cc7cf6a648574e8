#include "net/upstream_pool.h"

#include "base/hash.h"
#include <event2/event.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- connections ------------------------------------------------------------------------------------------------- */

static void on_idle_readable(mg_pool_conn *conn);

static void on_readable(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what;
    mg_pool_conn *conn = arg;
    if (conn->state == MG_POOL_BUSY)
        mg_pool_exchange_receive(conn->call);
    else if (conn->state == MG_POOL_IDLE)
        on_idle_readable(conn);
    else
        mg_pool_dial_event(conn);
}

static void on_writable(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what;
    mg_pool_conn *conn = arg;
    if (conn->state == MG_POOL_BUSY)
        mg_pool_exchange_send(conn->call);
    else
        mg_pool_dial_event(conn);
}

mg_pool_conn *mg_pool_conn_open(mg_pool_host *host, mg_pool_call *call, int fd) {
    mg_pool_conn *conn = MG_NEW(mg_pool_conn);
    struct event_base *base = mg_evloop_base(call->pool->core.loop);
    conn->pool = call->pool;
    conn->host = host;
    conn->call = call;
    conn->fd = fd;
    host->users++;
    event_assign(&conn->readable, base, fd, EV_READ | EV_PERSIST, on_readable, conn);
    event_assign(&conn->writable, base, fd, EV_WRITE | EV_PERSIST, on_writable, conn);
    return conn;
}

static void watch(struct event *event, bool *is, bool wanted) {
    if (*is == wanted) return;
    *is = wanted;
    if (wanted)
        event_add(event, NULL);
    else
        event_del(event);
}

void mg_pool_conn_watch(mg_pool_conn *conn, bool reading, bool writing) {
    watch(&conn->readable, &conn->reading, reading);
    watch(&conn->writable, &conn->writing, writing);
}

void mg_pool_conn_link(mg_pool_conn *conn, mg_pool_conn **list) {
    conn->next = *list;
    if (conn->next) conn->next->link = &conn->next;
    conn->link = list;
    *list = conn;
}

void mg_pool_conn_unlink(mg_pool_conn *conn) {
    if (!conn->link) return;
    *conn->link = conn->next;
    if (conn->next) conn->next->link = conn->link;
    conn->link = NULL;
}

/* Takes the connection out of the idle ones. */
static void wake(mg_pool_conn *conn) {
    mg_pool *p = conn->pool;
    mg_pool_conn_unlink(conn);
    *(conn->older ? &conn->older->newer : &p->oldest) = conn->newer;
    *(conn->newer ? &conn->newer->older : &p->newest) = conn->older;
    conn->older = conn->newer = NULL;
    conn->state = MG_POOL_BUSY;
    p->idle--;
}

static void close_tls(mg_pool_conn *conn) {
    if (conn->state == MG_POOL_IDLE) SSL_shutdown(conn->ssl);
    /* Otherwise SSL_free would spoil the session for those who hold it. */
    SSL_set_shutdown(conn->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(conn->ssl);
    ERR_clear_error();
}

void mg_pool_conn_close(mg_pool_conn *conn) {
    if (conn->ssl) close_tls(conn);
    if (conn->state == MG_POOL_IDLE) wake(conn);
    mg_pool_conn_unlink(conn);
    mg_pool_conn_watch(conn, false, false);
    close(conn->fd);
    conn->host->users--;
    mg_evloop_reap(conn->pool->core.loop, free, conn);
}

void mg_pool_conn_keep(mg_pool_conn *conn) {
    mg_pool *p = conn->pool;
    conn->call = NULL;
    conn->served = true;
    conn->state = MG_POOL_IDLE;
    conn->idle_ms = mg_evloop_now(p->core.loop);
    mg_pool_conn_link(conn, &conn->host->idle);
    conn->older = p->newest;
    *(p->newest ? &p->newest->newer : &p->oldest) = conn;
    p->newest = conn;
    p->idle++;
    mg_pool_conn_watch(conn, true, false);
    if (p->idle > MG_UPSTREAM_IDLE_MAX) mg_pool_conn_close(p->oldest);
}

/* The peer closed, or sent something that nobody asked for; with TLS it may be a session ticket. */
static void on_idle_readable(mg_pool_conn *conn) {
    char byte;
    bool more;
    if (mg_pool_read(conn, &byte, 1, &more) != -1) mg_pool_conn_close(conn);
}

/* ---- hosts ------------------------------------------------------------------------------------------------------- */

static char *host_line(const mg_upstream_url *url) {
    char line[300];
    const char *open = url->v6 ? "[" : "", *close = url->v6 ? "]" : "";
    int n = snprintf(line, sizeof line, "host: %s" MG_STR_FMT "%s", open, MG_STR_ARG(url->host), close);
    if (url->port != (url->tls ? 443 : 80)) n += snprintf(line + n, sizeof line - (size_t)n, ":%u", url->port);
    n += snprintf(line + n, sizeof line - (size_t)n, "\r\n");
    return mg_strndup(line, (size_t)n);
}

static bool is_same(const mg_pool_host *h, const mg_upstream_url *url, mg_str ca_file) {
    return h->port == url->port && h->tls == url->tls && mg_str_ieq(url->host, mg_str_of(h->name)) &&
           mg_str_is(ca_file, h->ca_file);
}

static mg_pool_host *host_of(mg_pool *p, const mg_upstream_url *url, mg_str ca_file) {
    mg_pool_host **bucket = &p->buckets[mg_hash64(url->host) % MG_POOL_BUCKETS];
    for (mg_pool_host *h = *bucket; h; h = h->next) {
        if (is_same(h, url, ca_file)) return h;
    }
    mg_pool_host *h = MG_NEW(mg_pool_host);
    h->tls = url->tls;
    h->port = url->port;
    h->name = mg_strndup(url->host.p, url->host.n);
    h->ca_file = mg_strndup(ca_file.n ? ca_file.p : "", ca_file.n);
    h->host_line = host_line(url);
    h->next = *bucket;
    *bucket = h;
    p->hosts++;
    return h;
}

static void free_host(mg_pool *p, mg_pool_host *h) {
    mg_tls_sessions_finish(&h->sessions);
    free(h->name);
    free(h->ca_file);
    free(h->host_line);
    free(h);
    p->hosts--;
}

static void forget_hosts(mg_pool *p, uint64_t now) {
    for (size_t i = 0; i < MG_POOL_BUCKETS; i++) {
        for (mg_pool_host **at = &p->buckets[i]; *at;) {
            mg_pool_host *h = *at;
            bool unused = h->users == 0 && now - h->used_ms >= MG_POOL_HOST_IDLE_MS;
            if (!unused) {
                at = &h->next;
                continue;
            }
            *at = h->next;
            free_host(p, h);
        }
    }
}

/* ---- the backend ------------------------------------------------------------------------------------------------- */

static void release(mg_upstream_call *base) {
    mg_pool_call *c = (mg_pool_call *)base;
    mg_lookup_cancel(c->lookup);
    c->lookup = NULL;
    while (c->dialing) mg_pool_conn_close(c->dialing);
    if (c->conn) mg_pool_conn_close(c->conn);
    c->conn = NULL;
    mg_pool_exchange_release(c);
    if (c->host) c->host->users--;
    c->host = NULL;
}

static void look(mg_upstream_call *c, uint64_t now) {
    if (c->phase == MG_UPSTREAM_CONNECTING) mg_pool_dial_look((mg_pool_call *)c, now);
}

static bool tidy(mg_upstream_core *core, uint64_t now) {
    mg_pool *p = (mg_pool *)core;
    while (p->oldest && now - p->oldest->idle_ms >= MG_UPSTREAM_IDLE_MS) mg_pool_conn_close(p->oldest);
    if (p->hosts) forget_hosts(p, now);
    return p->idle > 0;
}

static void receive_again(void *arg) {
    mg_pool_call *c = arg;
    if (c->conn && !c->base.paused) mg_pool_exchange_receive(c);
}

static mg_upstream_call *start(void *self, const mg_upstream_request *r, const mg_upstream_events *e, void *arg) {
    mg_pool *p = self;
    mg_pool_call *c = (mg_pool_call *)mg_upstream_call_open(&p->core, sizeof *c, r, e, arg);
    c->pool = p;
    c->again = (mg_deferred){.run = receive_again, .arg = c};
    c->in.max = MG_POOL_SCRATCH;
    if (c->base.phase == MG_UPSTREAM_ENDING) return &c->base;
    c->host = host_of(p, &c->base.url, r->ca_file);
    c->host->users++;
    c->host->used_ms = c->base.started_ms;
    /* A kept connection may lead to an address that this call may not use. */
    mg_pool_conn *conn = c->base.request.public_only ? NULL : c->host->idle;
    if (conn) {
        wake(conn);
        mg_pool_exchange_begin(c, conn);
    } else {
        mg_pool_dial(c);
    }
    return &c->base;
}

static void pause_call(mg_upstream_call *c, bool paused) { mg_pool_exchange_pause((mg_pool_call *)c, paused); }

static void *create(mg_evloop *loop, mg_error *error) {
    mg_pool *p = MG_NEW(mg_pool);
    p->core.backend = &mg_upstream_pool;
    p->core.release = release;
    p->core.look = look;
    p->core.tidy = tidy;
    if (mg_upstream_core_init(&p->core, loop, error)) return p;
    free(p);
    return NULL;
}

static void destroy(void *self) {
    mg_pool *p = self;
    mg_upstream_core_finish(&p->core);
    while (p->oldest) mg_pool_conn_close(p->oldest);
    for (size_t i = 0; i < MG_POOL_BUCKETS; i++) {
        while (p->buckets[i]) {
            mg_pool_host *h = p->buckets[i];
            p->buckets[i] = h->next;
            free_host(p, h);
        }
    }
    mg_upstream_trust_finish(&p->trust);
    mg_buf_finish(&p->head);
    free(p);
}

const mg_upstream_backend mg_upstream_pool = {
    .name = "pool",
    .create = create,
    .destroy = destroy,
    .start = start,
    .pause = pause_call,
    .cancel = release,
};
