/* Requests: from bytes to the handler. */
#include "net/conn.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#include <stdlib.h>

enum { BODY_FIRST = 64 * 1024, RATE_GRACE_MS = 10000 };

static const char no_body[MG_JSON_PADDING + 1];

static mg_server *server_of(const mg_exchange_state *x) { return x->conn->server; }

/* ---- life of an exchange ----------------------------------------------------------------------------------------- */

static mg_exchange_state *begin(mg_conn *c) {
    mg_server *s = c->server;
    mg_arena *arena = mg_server_arena_take(s);
    mg_exchange_state *x = MG_ARENA_NEW(arena, mg_exchange_state);
    x->conn = c;
    x->server = s;
    x->x.arena = arena;
    x->x.peer = mg_str_from(c->peer, c->n_peer);
    x->x.tls = c->transport.ssl != NULL;
    x->x.started_us = mg_clock_mono_us();
    mg_http_head_init(&x->head, MG_HTTP_REQUEST, s->headers, s->limits.headers, s->limits.header_bytes);
    c->x = x;
    c->progress = true;
    return x;
}

static void release(mg_exchange_state *x) {
    mg_server_bodies_release(x->held);
    free(x->body);
    mg_server_arena_give(x->server, x->x.arena);
}

void mg_intake_finish(mg_conn *c) {
    mg_exchange_state *x = c->x;
    c->x = NULL;
    if (!x->kept) release(x);
}

void mg_exchange_keep(mg_exchange *x) {
    mg_exchange_state *s = (mg_exchange_state *)x;
    s->kept = true;
    x->peer = mg_arena_dup(x->arena, x->peer);
}

void mg_exchange_release(mg_exchange *x) { release((mg_exchange_state *)x); }

void mg_intake_refuse(mg_conn *c, int status, const char *sentence) {
    mg_exchange_state *x = c->x;
    mg_server *s = c->server;
    mg_log(MG_LOG_DEBUG, "request_refused", MG_FN("status", status), MG_F("reason", mg_str_of(sentence)));
    if (x->known && s->handler.gone) {
        x->ended = true;
        s->handler.gone(s->handler.ctx, &x->x);
    }
    bool bodiless = mg_str_is(x->head.method, "HEAD");
    mg_intake_finish(c);
    mg_answer_error(c, status, mg_str_of(sentence), bodiless);
    c->closing = true;
    mg_conn_later(c);
}

/* ---- body -------------------------------------------------------------------------------------------------------- */

static bool body_too_slow(const mg_exchange_state *x) {
    const mg_server *s = server_of(x);
    uint64_t ms = mg_evloop_now(s->loop) - x->body_started_ms;
    return s->limits.body_rate && ms > RATE_GRACE_MS && x->body_received * 1000 / ms < s->limits.body_rate;
}

/* Room for n bytes and the padding. False: refused, the exchange is gone. */
static bool body_reserve(mg_exchange_state *x, size_t n) {
    size_t need = x->x.n_body + n + MG_JSON_PADDING, cap = x->body_cap ? x->body_cap : 4096;
    if (need <= x->body_cap) return true;
    while (cap < need) cap *= 2;
    if (x->head.content_length > 0) {
        size_t whole = (size_t)x->head.content_length + MG_JSON_PADDING;
        if (cap > whole && whole >= need) cap = whole;
    }
    if (!mg_server_bodies_hold(server_of(x), cap - x->body_cap)) {
        mg_intake_refuse(x->conn, 503, "too many request bodies are being read at once; try again later");
        return false;
    }
    x->held += cap - x->body_cap;
    x->body = mg_realloc(x->body, cap);
    x->body_cap = cap;
    return true;
}

static bool body_add(mg_exchange_state *x, mg_str bytes) {
    if (!body_reserve(x, bytes.n)) return false;
    memcpy(x->body + x->x.n_body, bytes.p, bytes.n);
    x->x.n_body += bytes.n;
    return true;
}

static void body_complete(mg_exchange_state *x) {
    mg_server *s = server_of(x);
    x->stage = MG_STAGE_HANDLER;
    x->x.body = no_body;
    if (x->body) {
        memset(x->body + x->x.n_body, 0, MG_JSON_PADDING);
        x->x.body = x->body;
    }
    x->known = true;
    s->handler.request(s->handler.ctx, &x->x);
}

static size_t body_left(const mg_exchange_state *x) { return (size_t)x->head.content_length - x->x.n_body; }

/* The wire brought n more bytes; false: refused. */
static bool body_progress(mg_exchange_state *x, size_t n) {
    x->body_received += n;
    x->conn->progress = true;
    if (!body_too_slow(x)) return true;
    mg_intake_refuse(x->conn, 408, "the request body came too slowly");
    return false;
}

static size_t take_counted(mg_exchange_state *x, mg_str in) {
    size_t n = in.n < body_left(x) ? in.n : body_left(x);
    if (!body_progress(x, n) || !body_add(x, mg_str_from(in.p, n))) return in.n;
    if (body_left(x) == 0) body_complete(x);
    return n;
}

/* With the n bytes that just came and what the present chunk announces. */
static bool chunks_too_large(const mg_exchange_state *x, size_t n) {
    size_t room = server_of(x)->limits.body_bytes - x->x.n_body;
    return n > room || x->chunked.left > room - n;
}

static size_t take_chunked(mg_exchange_state *x, mg_str in) {
    const char *start = in.p;
    size_t n = in.n;
    if (!body_progress(x, n)) return n;
    for (;;) {
        mg_str data = {NULL, 0};
        mg_status status = mg_http_chunked_next(&x->chunked, &in, &data);
        if (status != MG_ERROR && chunks_too_large(x, data.n)) {
            mg_intake_refuse(x->conn, 413, "the request body is too large");
            return n;
        }
        switch (status) {
        case MG_OK:
            if (!body_add(x, data)) return n;
            break;
        case MG_AGAIN: return n;
        case MG_DECLINED: body_complete(x); return (size_t)(in.p - start);
        case MG_ERROR: mg_intake_refuse(x->conn, 400, x->chunked.error); return n;
        }
    }
}

char *mg_intake_body_room(mg_conn *c, size_t *n) {
    mg_exchange_state *x = c->x;
    if (!x || x->stage != MG_STAGE_BODY || x->head.chunked || x->ended || x->started) return NULL;
    size_t room = x->body_cap > x->x.n_body + MG_JSON_PADDING ? x->body_cap - MG_JSON_PADDING - x->x.n_body : 0;
    if (room == 0) { /* grows with what has come: an announced length alone gets no memory */
        size_t more = x->x.n_body > BODY_FIRST ? x->x.n_body : BODY_FIRST;
        if (!body_reserve(x, more < body_left(x) ? more : body_left(x))) return NULL;
        room = x->body_cap - MG_JSON_PADDING - x->x.n_body;
    }
    *n = room < body_left(x) ? room : body_left(x);
    return x->body + x->x.n_body;
}

void mg_intake_body_came(mg_conn *c, size_t n) {
    mg_exchange_state *x = c->x;
    x->x.n_body += n;
    if (body_progress(x, n) && body_left(x) == 0) body_complete(x);
    if (c->x && c->x->ended) mg_conn_later(c);
}

/* ---- head -------------------------------------------------------------------------------------------------------- */

/* Copies the head from the read buffer to the arena, and with it a body that is there whole: `x->x.body` is set then. */
static size_t settle_head(mg_exchange_state *x, const char *p, size_t n) {
    mg_http_head *h = &x->head;
    mg_arena *arena = x->x.arena;
    size_t body = h->content_length > 0 && (uint64_t)h->content_length <= n - h->size ? (size_t)h->content_length : 0;
    char *copy = mg_arena_alloc(arena, h->size + body + MG_JSON_PADDING);
    memcpy(copy, p, h->size + body);
    memset(copy + h->size + body, 0, MG_JSON_PADDING);
    mg_http_head_move(h, copy);
    if (h->headers == server_of(x)->headers) {
        h->headers = mg_arena_alloc(arena, (h->n_headers + 1) * sizeof *h->headers);
        memcpy(h->headers, server_of(x)->headers, h->n_headers * sizeof *h->headers);
    }
    x->x.method = h->method;
    mg_http_target_split(h->target, &x->x.path, &x->x.query);
    x->x.headers = h->headers;
    x->x.n_headers = h->n_headers;
    x->x.has_body = h->chunked || h->content_length > 0;
    if (body) x->x.body = copy + h->size;
    return body;
}

/* Sentence and status if the limits or the API don't allow this head. */
static const char *objection(const mg_exchange_state *x, int *status) {
    const mg_server_limits *limits = &server_of(x)->limits;
    *status = 415;
    if (x->x.has_body && x->head.coded) return "a request body must not have a content-encoding";
    *status = 413;
    if (x->head.content_length > 0 && (uint64_t)x->head.content_length > limits->body_bytes) {
        return "the request body is too large";
    }
    return NULL;
}

static void body_in_arena(mg_exchange_state *x, size_t n) {
    mg_server *s = server_of(x);
    if (!mg_server_bodies_hold(s, n)) {
        mg_intake_refuse(x->conn, 503, "too many request bodies are being read at once; try again later");
        return;
    }
    x->held = n;
    x->x.n_body = n;
    x->stage = MG_STAGE_HANDLER;
    s->handler.request(s->handler.ctx, &x->x);
}

static void tell_head(mg_exchange_state *x) {
    mg_server *s = server_of(x);
    const char *body = x->x.body;
    if (!s->handler.head) return;
    x->known = true;
    x->x.body = NULL;
    s->handler.head(s->handler.ctx, &x->x);
    x->x.body = body;
}

/* A whole head stands at p, with whatever came behind it; how much of that was used. */
static size_t take_head(mg_exchange_state *x, const char *p, size_t n) {
    mg_conn *c = x->conn;
    const mg_server_limits *limits = &c->server->limits;
    int status;
    size_t size = x->head.size, body = settle_head(x, p, n);
    const char *sentence = objection(x, &status);
    if (sentence) {
        mg_intake_refuse(c, status, sentence);
        return n;
    }
    x->close = !x->head.keep_alive || (limits->requests && c->served + 1 >= limits->requests);
    tell_head(x);
    if (x->started || x->ended) { /* if a body follows, `close` is set: it must not be taken for the next request */
        x->stage = MG_STAGE_HANDLER;
        return size;
    }
    if (body) {
        x->known = true;
        body_in_arena(x, body);
        return size + body;
    }
    if (!x->x.has_body) {
        body_complete(x);
        return size;
    }
    x->stage = MG_STAGE_BODY;
    x->body_started_ms = mg_evloop_now(c->server->loop);
    if (x->head.expect_continue && n == size) {
        mg_conn_put(c, MG_STR("HTTP/1.1 100 Continue\r\n\r\n"));
        mg_conn_later(c);
    }
    return size;
}

static size_t feed_head(mg_exchange_state *x, char *p, size_t n) {
    mg_server *s = server_of(x);
    switch (mg_http_head_parse(&x->head, p, n)) {
    case MG_OK: return take_head(x, p, n);
    case MG_ERROR: mg_intake_refuse(x->conn, x->head.error_status, x->head.error); return n;
    default: break;
    }
    if (x->head.headers == s->headers) { /* it will come in pieces: the shared array is for heads in one */
        x->head.headers = mg_arena_alloc(x->x.arena, s->limits.headers * sizeof(mg_header));
        memcpy(x->head.headers, s->headers, x->head.n_headers * sizeof(mg_header));
    }
    return 0;
}

static size_t feed_body(mg_exchange_state *x, mg_str in) {
    return x->head.chunked ? take_chunked(x, in) : take_counted(x, in);
}

/* Bytes that come now can't be used for anything: no request is wanted after the present one. */
static bool deaf(const mg_conn *c) {
    const mg_exchange_state *x = c->x;
    if (c->closing || c->broken) return true;
    if (!x) return false;
    return (x->stage == MG_STAGE_HANDLER && x->close) || (x->stage == MG_STAGE_BODY && (x->started || x->ended));
}

size_t mg_intake_feed(mg_conn *c, char *p, size_t n) {
    size_t at = 0;
    while (at < n) {
        if (deaf(c)) return n;
        if (!c->x && mg_conn_backlog(c) >= MG_HIGH_WATER && mg_conn_flush(c) && mg_conn_backlog(c) >= MG_HIGH_WATER)
            break;
        mg_exchange_state *x = c->x ? c->x : begin(c);
        if (x->stage == MG_STAGE_HANDLER) break;
        size_t used =
            x->stage == MG_STAGE_HEAD ? feed_head(x, p + at, n - at) : feed_body(x, mg_str_from(p + at, n - at));
        at += used;
        if (c->x && c->x->ended) mg_conn_end_exchange(c);
        if (used == 0) break;
    }
    return at;
}
