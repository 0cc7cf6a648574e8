#include "net/conn.h"

#include <stdlib.h>

enum { OUT_MAX = 256 * 1024 * 1024 };

/* ---- sending ----------------------------------------------------------------------------------------------------- */

static void out_release(mg_conn *c) {
    if (c->out_cap == MG_OUT_BLOCK) {
        mg_server_block_give(c->server, c->out);
    } else {
        free(c->out);
    }
    c->out = NULL;
    c->out_at = c->out_n = c->out_cap = 0;
}

static void out_grow(mg_conn *c, size_t need) {
    size_t cap = c->out_cap;
    while (cap < need) cap *= 2;
    if (c->out_cap != MG_OUT_BLOCK) {
        c->out = mg_realloc(c->out, cap);
    } else {
        char *bigger = mg_malloc(cap);
        memcpy(bigger, c->out, c->out_n);
        mg_server_block_give(c->server, c->out);
        c->out = bigger;
    }
    c->out_cap = cap;
}

char *mg_conn_room(mg_conn *c, size_t n) {
    if (!c->out) {
        c->out = mg_server_block_take(c->server);
        c->out_cap = MG_OUT_BLOCK;
    }
    if (c->out_n + n > c->out_cap && c->out_at) {
        c->out_n -= c->out_at;
        memmove(c->out, c->out + c->out_at, c->out_n);
        c->out_at = 0;
    }
    if (n > OUT_MAX - c->out_n) {
        c->broken = true;
        return NULL;
    }
    if (c->out_n + n > c->out_cap) out_grow(c, c->out_n + n);
    return c->out + c->out_n;
}

void mg_conn_put(mg_conn *c, mg_str bytes) {
    char *room = bytes.n ? mg_conn_room(c, bytes.n) : NULL;
    if (!room) return;
    memcpy(room, bytes.p, bytes.n);
    c->out_n += bytes.n;
}

bool mg_conn_flush(mg_conn *c) {
    while (!c->broken && c->out_at < c->out_n) {
        struct iovec piece = {c->out + c->out_at, c->out_n - c->out_at};
        ssize_t sent = mg_transport_write(&c->transport, &piece, 1);
        if (sent == MG_TRANSPORT_AGAIN) break;
        if (sent < 0) {
            c->broken = true;
            break;
        }
        c->out_at += (size_t)sent;
        c->progress = true;
        if ((size_t)sent < piece.iov_len) break; /* the socket is full: asking again would only say so */
    }
    if (c->out && c->out_at == c->out_n) out_release(c);
    return !c->broken;
}

/* ---- closing ----------------------------------------------------------------------------------------------------- */

static void conn_free(void *object) { free(object); }

void mg_conn_close(mg_conn *c, bool reset) {
    if (c->closed) return;
    c->closed = true;
    if (c->x) mg_intake_finish(c);
    event_del(&c->readable);
    event_del(&c->writable);
    mg_evloop_undefer(c->server->loop, &c->later);
    mg_transport_close(&c->transport, reset);
    if (c->out) out_release(c);
    free(c->in);
    mg_server_left(c);
    mg_evloop_reap(c->server->loop, conn_free, c);
}

void mg_conn_lost(mg_conn *c) {
    mg_exchange_state *x = c->x;
    if (c->closed) return;
    if (x && x->known && !x->ended) {
        x->ended = true; /* whatever the handler calls now does nothing */
        if (c->server->handler.gone) c->server->handler.gone(c->server->handler.ctx, &x->x);
    }
    mg_conn_close(c, false);
}

/* Our side ends; what the client still sends is read and dropped for a while, since closing a socket with unread bytes
 * makes the kernel send a reset, which can destroy the answer on its way. */
static void linger(mg_conn *c) {
    mg_transport_shutdown(&c->transport);
    c->lingering = true;
    c->progress = true;
    free(c->in);
    c->in = NULL;
    c->in_at = c->in_n = c->in_cap = 0;
}

/* ---- what it waits for ------------------------------------------------------------------------------------------- */

static mg_wait wait_of(const mg_conn *c) {
    if (c->lingering) return MG_WAIT_LINGER;
    if (mg_conn_backlog(c)) return MG_WAIT_WRITE;
    if (!c->x) return mg_transport_opening(&c->transport) || c->server->draining ? MG_WAIT_HEAD : MG_WAIT_IDLE;
    if (c->x->started) return MG_WAIT_HANDLER;
    switch (c->x->stage) {
    case MG_STAGE_HEAD: return MG_WAIT_HEAD;
    case MG_STAGE_BODY: return MG_WAIT_BODY;
    default: return MG_WAIT_HANDLER;
    }
}

static void set_event(struct event *event, bool *is, bool wanted) {
    if (*is == wanted) return;
    *is = wanted;
    if (wanted) {
        event_add(event, NULL);
    } else {
        event_del(event);
    }
}

static size_t read_ahead_max(const mg_conn *c) { return c->server->limits.header_bytes + MG_PIPELINE; }

static void settle(mg_conn *c) {
    bool was_reading = c->reading;
    bool blocked = mg_conn_backlog(c) && !c->transport.write_wants_read;
    set_event(&c->writable, &c->writing, blocked || c->transport.read_wants_write);
    set_event(&c->readable, &c->reading, !c->ended_by_peer && c->in_n - c->in_at < read_ahead_max(c));
    if (c->reading && !was_reading && c->transport.ssl) event_active(&c->readable, EV_READ, 0); /* it may hold bytes */
    mg_server_wait(c, wait_of(c));
    c->progress = false;
}

/* ---- receiving --------------------------------------------------------------------------------------------------- */

static void in_reserve(mg_conn *c, size_t more) {
    if (c->in_at) {
        c->in_n -= c->in_at;
        memmove(c->in, c->in + c->in_at, c->in_n);
        c->in_at = 0;
    }
    if (c->in_n + more <= c->in_cap) return;
    size_t cap = c->in_cap ? c->in_cap : 1024;
    while (cap < c->in_n + more) cap *= 2;
    c->in = mg_realloc(c->in, cap);
    c->in_cap = cap;
}

static void feed_in(mg_conn *c) {
    c->in_at += mg_intake_feed(c, c->in + c->in_at, c->in_n - c->in_at);
    if (c->in_at < c->in_n) return;
    free(c->in);
    c->in = NULL;
    c->in_at = c->in_n = c->in_cap = 0;
}

static void end_of_stream(mg_conn *c) {
    if (c->x ? c->x->ended : mg_conn_backlog(c) > 0) { /* the answer is made: it still goes out */
        c->closing = c->ended_by_peer = true;
    } else {
        mg_conn_lost(c);
    }
}

static ssize_t read_lingering(mg_conn *c) {
    ssize_t got = mg_transport_discard(&c->transport, c->server->scratch, MG_SCRATCH);
    if (got > 0) c->discarded += (size_t)got;
    if (c->discarded > MG_LINGER_BYTES) return MG_TRANSPORT_ERROR;
    return got;
}

static ssize_t read_to_scratch(mg_conn *c) {
    char *scratch = c->server->scratch;
    ssize_t got = mg_transport_read(&c->transport, scratch, MG_SCRATCH);
    if (got <= 0) return got;
    size_t n = (size_t)got, used = mg_intake_feed(c, scratch, n);
    if (used < n) {
        in_reserve(c, n - used);
        memcpy(c->in, scratch + used, n - used);
        c->in_n = n - used;
    }
    return got;
}

static ssize_t read_to_in(mg_conn *c) {
    size_t waiting = c->in_n - c->in_at, room = read_ahead_max(c) - waiting;
    in_reserve(c, room < 4096 ? room : 4096);
    if (room > c->in_cap - c->in_n) room = c->in_cap - c->in_n;
    ssize_t got = mg_transport_read(&c->transport, c->in + c->in_n, room);
    if (got <= 0) return got;
    c->in_n += (size_t)got;
    feed_in(c);
    return got;
}

static ssize_t read_once(mg_conn *c) {
    size_t n = 0;
    if (c->lingering) return read_lingering(c);
    char *body = mg_intake_body_room(c, &n);
    if (body) {
        ssize_t got = mg_transport_read(&c->transport, body, n);
        if (got > 0) mg_intake_body_came(c, (size_t)got);
        return got;
    }
    if (c->in_n - c->in_at >= read_ahead_max(c)) return MG_TRANSPORT_AGAIN;
    return c->in ? read_to_in(c) : read_to_scratch(c);
}

void mg_conn_readable(mg_conn *c) {
    ssize_t got;
    do { /* once, unless TLS holds bytes that the socket will not tell of */
        got = read_once(c);
    } while (got > 0 && !c->closed && !c->broken && !c->lingering && mg_transport_pending(&c->transport));
    if (c->closed) return;
    if (got == 0 && !c->lingering) {
        end_of_stream(c);
    } else if (got == 0 || got == MG_TRANSPORT_ERROR) {
        mg_conn_lost(c);
    }
    if (!c->closed) mg_conn_turn(c);
}

/* ---- turns ------------------------------------------------------------------------------------------------------- */

void mg_conn_end_exchange(mg_conn *c) {
    if (c->x->close || c->server->draining) c->closing = true;
    if (c->x->aborted && c->x->until_close) c->reset = true; /* an ordinary end would look like the end of the body */
    mg_intake_finish(c);
    c->served++;
    c->progress = true;
}

static void end_connection(mg_conn *c) {
    if (c->ended_by_peer || c->reset) {
        mg_conn_close(c, c->reset);
    } else {
        linger(c);
    }
}

static void tell_drained(mg_conn *c) {
    mg_exchange_state *x = c->x;
    if (!x || !x->wants_drained || x->ended || mg_conn_backlog(c)) return;
    x->wants_drained = false;
    if (c->server->handler.drained) c->server->handler.drained(c->server->handler.ctx, &x->x);
}

void mg_conn_turn(mg_conn *c) {
    if (c->closed) return;
    for (;;) {
        if (!mg_conn_flush(c)) {
            mg_conn_lost(c);
            return;
        }
        if (c->x && c->x->ended) mg_conn_end_exchange(c);
        if (c->closing || c->x || c->in_n == c->in_at || mg_conn_backlog(c) >= MG_HIGH_WATER) break;
        feed_in(c);
    }
    if (c->closing && !c->x && !c->lingering && mg_conn_backlog(c) == 0) end_connection(c);
    if (c->closed) return;
    mg_evloop_undefer(c->server->loop, &c->later); /* all that was asked for is done */
    tell_drained(c);
    settle(c);
}

void mg_conn_later(mg_conn *c) { mg_evloop_defer(c->server->loop, &c->later); }

static void on_readable(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what;
    mg_conn *c = arg;
    if (c->transport.write_wants_read && !mg_conn_flush(c)) {
        mg_conn_lost(c);
        return;
    }
    mg_conn_readable(c);
}

static void on_writable(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what;
    mg_conn *c = arg;
    if (c->transport.read_wants_write) {
        mg_conn_readable(c);
    } else {
        mg_conn_turn(c);
    }
}

static void on_turn(void *arg) { mg_conn_turn(arg); }

void mg_conn_start(mg_conn *c) {
    struct event_base *base = mg_evloop_base(c->server->loop);
    c->later.run = on_turn;
    c->later.arg = c;
    event_assign(&c->readable, base, c->transport.fd, EV_READ | EV_PERSIST, on_readable, c);
    event_assign(&c->writable, base, c->transport.fd, EV_WRITE | EV_PERSIST, on_writable, c);
    c->progress = true;
    settle(c);
}
