#include "net/conn.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SWEEP_MS = 250 };

/* The one writable global: the limit on bodies is the process's, and its servers know nothing of each other. */
static atomic_size_t bodies_held;

mg_server_limits mg_server_limits_default(void) {
    return (mg_server_limits){.header_bytes = 64 * 1024,
                              .headers = 128,
                              .body_bytes = (size_t)32 << 20,
                              .bodies_bytes_total = (size_t)1 << 30,
                              .connections = 20000,
                              .header_ms = 10000,
                              .body_ms = 30000,
                              .body_rate = 1024,
                              .idle_ms = 75000,
                              .write_ms = 60000,
                              .requests = 0};
}

/* ---- what is kept for the next exchange -------------------------------------------------------------------------- */

mg_arena *mg_server_arena_take(mg_server *s) {
    return s->n_arenas ? s->arenas[--s->n_arenas] : mg_arena_create(MG_ARENA_FIRST);
}

void mg_server_arena_give(mg_server *s, mg_arena *a) {
    if (s->n_arenas == MG_KEPT_BLOCKS) {
        mg_arena_destroy(a);
        return;
    }
    mg_arena_reset(a);
    s->arenas[s->n_arenas++] = a;
}

char *mg_server_block_take(mg_server *s) { return s->n_blocks ? s->blocks[--s->n_blocks] : mg_malloc(MG_OUT_BLOCK); }

void mg_server_block_give(mg_server *s, char *block) {
    if (s->n_blocks == MG_KEPT_BLOCKS) {
        free(block);
    } else {
        s->blocks[s->n_blocks++] = block;
    }
}

bool mg_server_bodies_hold(mg_server *s, size_t n) {
    size_t limit = s->limits.bodies_bytes_total;
    size_t before = atomic_fetch_add_explicit(&bodies_held, n, memory_order_relaxed);
    if (n <= limit && before <= limit - n) return true;
    mg_server_bodies_release(n);
    return false;
}

void mg_server_bodies_release(size_t n) {
    if (n) atomic_fetch_sub_explicit(&bodies_held, n, memory_order_relaxed);
}

size_t mg_server_bodies_bytes(void) { return atomic_load_explicit(&bodies_held, memory_order_relaxed); }

static void format_date(mg_server *s, time_t now) {
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm t;
    gmtime_r(&now, &t);
    int n = snprintf(s->date, sizeof s->date, "date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n", days + 3 * t.tm_wday,
                     t.tm_mday, months + 3 * t.tm_mon, t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    s->n_date = (size_t)n < sizeof s->date ? (size_t)n : sizeof s->date - 1;
    s->date_second = now;
}

mg_str mg_server_date(mg_server *s) {
    time_t now = time(NULL);
    if (now != s->date_second) format_date(s, now);
    return mg_str_from(s->date, s->n_date);
}

/* ---- deadlines --------------------------------------------------------------------------------------------------- */

static void unlink_conn(mg_conn *c) {
    mg_server *s = c->server;
    *(c->previous ? &c->previous->next : &s->waiting[c->wait].first) = c->next;
    *(c->next ? &c->next->previous : &s->waiting[c->wait].last) = c->previous;
}

static void link_conn(mg_conn *c, mg_wait wait) {
    mg_server *s = c->server;
    c->wait = wait;
    c->deadline = mg_evloop_now(s->loop) + s->wait_ms[wait];
    c->next = NULL;
    c->previous = s->waiting[wait].last;
    *(c->previous ? &c->previous->next : &s->waiting[wait].first) = c;
    s->waiting[wait].last = c;
}

void mg_server_wait(mg_conn *c, mg_wait wait) {
    if (c->wait == wait && (!c->progress || wait == MG_WAIT_HANDLER)) return;
    unlink_conn(c);
    link_conn(c, wait);
}

static void expire(mg_conn *c) {
    bool refuse = (c->wait == MG_WAIT_HEAD || c->wait == MG_WAIT_BODY) && c->x && !c->x->ended && !c->x->started;
    if (!refuse) {
        mg_conn_lost(c);
        return;
    }
    mg_intake_refuse(
        c, 408, c->wait == MG_WAIT_HEAD ? "the request's headers took too long" : "the request body stopped coming");
    mg_conn_turn(c);
}

static void on_sweep(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what;
    mg_server *s = arg;
    uint64_t now = mg_evloop_now(s->loop);
    for (mg_wait w = MG_WAIT_IDLE; w < MG_WAITS; w++) {
        for (mg_conn *c; (c = s->waiting[w].first) && c->deadline <= now;) expire(c);
    }
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

void mg_server_left(mg_conn *c) {
    mg_server *s = c->server;
    unlink_conn(c);
    s->open--;
    if (c->refused) s->refused--;
    if (!c->refused) mg_series_add(s->connections_gauge, -1);
    if (s->draining && s->open == 0) mg_evloop_defer(s->loop, &s->later);
}

static mg_conn *conn_create(mg_server *s, int fd, mg_str peer, void *tls) {
    mg_conn *c = MG_NEW(mg_conn);
    if (!mg_transport_open(&c->transport, fd, tls)) {
        free(c);
        return NULL;
    }
    c->server = s;
    c->n_peer = (uint8_t)(peer.n < sizeof c->peer ? peer.n : sizeof c->peer);
    if (c->n_peer) memcpy(c->peer, peer.p, c->n_peer);
    link_conn(c, MG_WAIT_IDLE);
    s->open++;
    return c;
}

void mg_server_accept(mg_server *s, int fd, mg_str peer, void *tls) {
    bool full = s->open - s->refused >= s->limits.connections;
    if (full) mg_series_add(s->refused_counter, 1);
    mg_conn *c = full && s->refused >= MG_REFUSED_AT_ONCE ? NULL : conn_create(s, fd, peer, tls);
    if (!c) {
        if (full && s->refused >= MG_REFUSED_AT_ONCE) close(fd);
        return;
    }
    if (full) {
        c->refused = c->closing = true;
        s->refused++;
        mg_answer_error(c, 503, MG_STR("too many connections; try again later"), false);
    } else {
        mg_series_add(s->connections_gauge, 1);
    }
    mg_conn_start(c);
    if (full) mg_conn_later(c);
}

size_t mg_server_connections(const mg_server *s) { return s->open - s->refused; }

/* ---- draining ---------------------------------------------------------------------------------------------------- */

/* What an idle connection's client has sent already is still answered. */
static void drain_idle(mg_server *s) {
    mg_conn *last = s->waiting[MG_WAIT_IDLE].last;
    for (mg_conn *c = s->waiting[MG_WAIT_IDLE].first; c;) {
        mg_conn *next = c == last ? NULL : c->next;
        mg_conn_readable(c);
        if (!c->closed && !c->closing && !c->x) mg_conn_close(c, false);
        c = next;
    }
}

static void on_drain(void *arg) {
    mg_server *s = arg;
    drain_idle(s);
    void (*done)(void *) = s->drained;
    if (s->open || !done) return;
    s->drained = NULL;
    done(s->drained_arg);
}

void mg_server_drain(mg_server *s, void (*done)(void *arg), void *arg) {
    s->draining = true;
    s->drained = done;
    s->drained_arg = arg;
    mg_evloop_defer(s->loop, &s->later); /* not now: the caller may be a handler */
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void open_metrics(mg_server *s, const char *name) {
    mg_header label = {MG_STR("server"), mg_str_of(name ? name : "")};
    if (!s->metrics) return;
    s->connections_gauge = mg_metrics_series(s->metrics, "moongate_connections", MG_GAUGE,
                                             "Client connections that are open", NULL, 0, &label, 1);
    s->refused_counter = mg_metrics_series(s->metrics, "moongate_connections_refused_total", MG_COUNTER,
                                           "Client connections refused because too many were open", NULL, 0, &label, 1);
}

mg_server *mg_server_create(mg_evloop *loop, const mg_server_handler *handler, const mg_server_limits *limits,
                            mg_metrics *metrics, const char *name) {
    mg_server *s = MG_NEW(mg_server);
    s->loop = loop;
    s->handler = *handler;
    s->limits = limits ? *limits : mg_server_limits_default();
    s->metrics = metrics;
    s->headers = mg_calloc(s->limits.headers, sizeof *s->headers);
    s->later.run = on_drain;
    s->later.arg = s;
    s->wait_ms[MG_WAIT_HANDLER] = 0; /* the handler has limits of its own */
    s->wait_ms[MG_WAIT_IDLE] = s->limits.idle_ms;
    s->wait_ms[MG_WAIT_HEAD] = s->limits.header_ms;
    s->wait_ms[MG_WAIT_BODY] = s->limits.body_ms;
    s->wait_ms[MG_WAIT_WRITE] = s->limits.write_ms;
    s->wait_ms[MG_WAIT_LINGER] = MG_LINGER_MS;
    open_metrics(s, name);
    struct timeval every = {0, SWEEP_MS * 1000};
    event_assign(&s->sweep, mg_evloop_base(loop), -1, EV_PERSIST, on_sweep, s);
    event_add(&s->sweep, &every);
    return s;
}

void mg_server_destroy(mg_server *s) {
    if (!s) return;
    for (mg_wait w = 0; w < MG_WAITS; w++) {
        while (s->waiting[w].first) mg_conn_lost(s->waiting[w].first);
    }
    event_del(&s->sweep);
    mg_evloop_undefer(s->loop, &s->later);
    while (s->n_arenas) mg_arena_destroy(s->arenas[--s->n_arenas]);
    while (s->n_blocks) free(s->blocks[--s->n_blocks]);
    free(s->headers);
    free(s);
}
