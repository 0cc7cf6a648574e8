#include "net/upstream_pool.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- bytes in and out -------------------------------------------------------------------------------------------- */

static ssize_t read_tls(mg_pool_conn *conn, char *to, size_t n, bool *more) {
    size_t have = 0;
    int error = SSL_ERROR_NONE;
    while (have < n && error == SSL_ERROR_NONE) {
        size_t got = 0;
        ERR_clear_error();
        int rc = SSL_read_ex(conn->ssl, to + have, n - have, &got);
        error = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(conn->ssl, rc);
        have += got;
    }
    bool blocked = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
    *more = have > 0 && !blocked; /* what OpenSSL holds, its end of stream too, the socket does not report again */
    if (have) return (ssize_t)have;
    if (blocked) return -1;
    return error == SSL_ERROR_ZERO_RETURN ? 0 : -2;
}

ssize_t mg_pool_read(mg_pool_conn *conn, char *to, size_t n, bool *more) {
    *more = false;
    if (conn->ssl) return read_tls(conn, to, n, more);
    ssize_t got;
    do got = recv(conn->fd, to, n, 0);
    while (got < 0 && errno == EINTR);
    if (got >= 0) return got;
    return errno == EAGAIN || errno == EWOULDBLOCK ? -1 : -2;
}

/* Writes from `unsent` and the body: bytes taken, -1 the socket is full, -2 broken. */
static ssize_t write_tls(mg_pool_call *c, mg_str body) {
    size_t taken = 0;
    mg_str from = c->unsent.n ? c->unsent : body;
    ERR_clear_error();
    int rc = SSL_write_ex(c->conn->ssl, from.p, from.n, &taken);
    if (rc == 1) return (ssize_t)taken;
    int error = SSL_get_error(c->conn->ssl, rc);
    return error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ ? -1 : -2;
}

static ssize_t write_plain(mg_pool_call *c, mg_str body) {
    struct iovec parts[2] = {{(void *)c->unsent.p, c->unsent.n}, {(void *)body.p, body.n}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = body.n ? 2 : 1};
    ssize_t taken;
    do taken = sendmsg(c->conn->fd, &message, MSG_NOSIGNAL);
    while (taken < 0 && errno == EINTR);
    if (taken >= 0) return taken;
    return errno == EAGAIN || errno == EWOULDBLOCK ? -1 : -2;
}

/* ---- the request ------------------------------------------------------------------------------------------------- */

static bool is_sent(const mg_pool_call *c) { return c->unsent.n == 0 && c->body_at == c->base.request.body.n; }

static void advance(mg_pool_call *c, size_t taken) {
    size_t of_head = taken < c->unsent.n ? taken : c->unsent.n;
    c->unsent = mg_str_skip(c->unsent, of_head);
    c->body_at += taken - of_head;
    c->base.result.sent = true;
    if (c->base.phase == MG_UPSTREAM_WAITING) mg_upstream_call_alive(&c->base);
}

void mg_pool_exchange_send(mg_pool_call *c) {
    ssize_t taken = 0;
    while (!is_sent(c) && taken >= 0 && !c->send_broken) {
        mg_str body = mg_str_skip(c->base.request.body, c->body_at);
        taken = c->conn->ssl ? write_tls(c, body) : write_plain(c, body);
        if (taken >= 0) advance(c, (size_t)taken);
    }
    /* The peer may have answered before it broke the connection: reading finds out. */
    if (taken == -2) c->send_broken = true;
    mg_pool_conn_watch(c->conn, c->conn->reading, taken == -1);
}

static void write_head(mg_pool_call *c, mg_buf *out) {
    const mg_upstream_request *r = &c->base.request;
    mg_buf_clear(out);
    mg_buf_str(out, r->method);
    mg_buf_add(out, " ", 1);
    mg_upstream_call_target(&c->base, out);
    mg_buf_str(out, MG_STR(" HTTP/1.1\r\n"));
    mg_buf_str(out, mg_str_of(c->host->host_line));
    for (size_t i = 0; i < r->n_headers; i++) {
        if (mg_upstream_owns_header(r->headers[i].name)) continue;
        mg_buf_str(out, r->headers[i].name);
        mg_buf_add(out, ": ", 2);
        mg_buf_str(out, r->headers[i].value);
        mg_buf_add(out, "\r\n", 2);
    }
    if (mg_upstream_wants_length(r)) {
        char line[48];
        int n = snprintf(line, sizeof line, "content-length: %zu\r\n", r->body.n);
        mg_buf_add(out, line, (size_t)n);
    }
    mg_buf_add(out, "\r\n", 2);
}

void mg_pool_exchange_begin(mg_pool_call *c, mg_pool_conn *conn) {
    mg_buf *head = &c->pool->head;
    mg_str body = c->base.request.body;
    c->conn = conn;
    conn->call = c;
    conn->state = MG_POOL_BUSY;
    c->base.result.reused = conn->served;
    mg_upstream_call_phase(&c->base, MG_UPSTREAM_WAITING);
    mg_pool_conn_watch(conn, !c->base.paused, false);
    write_head(c, head);
    c->body_at = 0;
    if (conn->ssl && head->n < MG_POOL_RECORD) {
        size_t room = MG_POOL_RECORD - head->n;
        c->body_at = body.n < room ? body.n : room;
        mg_buf_add(head, body.p, c->body_at);
    }
    c->unsent = mg_buf_view(head);
    mg_pool_exchange_send(c);
    if (c->unsent.n == 0) return;
    mg_buf_clear(&c->out); /* the pool's buffer serves the next call */
    mg_buf_str(&c->out, c->unsent);
    c->unsent = mg_buf_view(&c->out);
}

/* ---- the end of an exchange -------------------------------------------------------------------------------------- */

void mg_pool_exchange_release(mg_pool_call *c) {
    mg_evloop_undefer(c->base.core->loop, &c->again);
    mg_buf_finish(&c->out);
    mg_buf_finish(&c->in);
    free(c->partial);
    c->partial = NULL;
}

/* `extra`: bytes that came behind the answer. */
static void complete(mg_pool_call *c, size_t extra) {
    mg_pool_conn *conn = c->conn;
    bool keep = c->keep && extra == 0 && is_sent(c) && !c->send_broken && !(conn->ssl && SSL_has_pending(conn->ssl));
    c->conn = NULL;
    if (keep)
        mg_pool_conn_keep(conn);
    else
        mg_pool_conn_close(conn);
    mg_upstream_call_end(&c->base, MG_UPSTREAM_COMPLETE, "complete");
}

/* A kept connection that the server closed at the same moment: once more on a fresh one. */
static void retry(mg_pool_call *c) {
    c->retried = true;
    mg_evloop_undefer(c->pool->core.loop, &c->again);
    mg_pool_conn_close(c->conn);
    c->conn = NULL;
    c->send_broken = false;
    c->base.result.sent = false;
    mg_pool_dial(c);
}

/* The connection ended: the peer closed it, or (broken) it was reset. */
static void lost(mg_pool_call *c, bool broken) {
    if (c->framing == MG_FRAME_CLOSE && !broken) {
        c->base.result.close_delimited = true;
        c->keep = false;
        complete(c, 0);
    } else if (!c->answered && c->conn->served && !c->retried) {
        retry(c);
    } else {
        const char *where = !c->answered                  ? "before an answer came"
                            : c->framing == MG_FRAME_HEAD ? "inside the answer's head"
                                                          : "inside the answer's body";
        mg_upstream_call_end(&c->base, MG_UPSTREAM_RESET, "the connection %s %s", broken ? "broke" : "was closed",
                             where);
    }
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

static void keep_rest(mg_pool_call *c, mg_str rest) {
    mg_buf_clear(&c->in);
    mg_buf_str(&c->in, rest);
}

static void not_http(mg_pool_call *c, const char *what) {
    mg_upstream_call_end(&c->base, MG_UPSTREAM_PROTOCOL, "the answer is not HTTP/1.1: %s", what);
}

static void choose_framing(mg_pool_call *c, const mg_http_head *head) {
    bool empty = c->base.is_head || head->status == 204 || head->status == 304;
    c->keep = head->keep_alive && head->minor >= 1;
    if (empty) {
        c->framing = MG_FRAME_DONE;
    } else if (head->chunked) {
        c->framing = MG_FRAME_CHUNKED;
        c->chunked = (mg_http_chunked){0};
    } else if (head->content_length >= 0) {
        c->left = (uint64_t)head->content_length;
        c->framing = c->left ? MG_FRAME_LENGTH : MG_FRAME_DONE;
    } else {
        c->framing = MG_FRAME_CLOSE;
    }
}

/* A parser that outlasts this turn: the pool's serves the next answer. */
static void save_parser(mg_pool_call *c) {
    if (c->partial) return;
    c->partial = mg_malloc(sizeof *c->partial);
    *c->partial = c->pool->fresh;
    c->partial->head.headers = c->partial->headers;
}

/* Takes a head off the front of *in. False: it is not whole, or the call has ended. */
static bool take_head(mg_pool_call *c, mg_str *in) {
    mg_pool_head *h = c->partial ? c->partial : &c->pool->fresh;
    if (!c->partial)
        mg_http_head_init(&h->head, MG_HTTP_RESPONSE, h->headers, MG_UPSTREAM_HEADERS_MAX, MG_UPSTREAM_HEAD_MAX);
    mg_status status = mg_http_head_parse(&h->head, (char *)in->p, in->n); /* points into the pool's scratch */
    if (status == MG_AGAIN) {
        save_parser(c);
        keep_rest(c, *in);
        return false;
    }
    if (status == MG_ERROR || h->head.status == 101) {
        not_http(c, status == MG_ERROR ? h->head.error : "it switches protocols");
        return false;
    }
    *in = mg_str_skip(*in, h->head.size);
    mg_pool_head *partial = c->partial; /* a cancel during the call must not free what it was given */
    c->partial = NULL;
    if (h->head.status >= 200) {
        choose_framing(c, &h->head);
        mg_upstream_call_head(&c->base, &h->head);
    }
    free(partial);
    return true;
}

static void take_length(mg_pool_call *c, mg_str *in) {
    mg_str data = {in->p, in->n < c->left ? in->n : (size_t)c->left};
    *in = mg_str_skip(*in, data.n);
    c->left -= data.n;
    if (c->left == 0) c->framing = MG_FRAME_DONE;
    mg_upstream_call_data(&c->base, data);
}

static void take_chunk(mg_pool_call *c, mg_str *in) {
    mg_str data;
    mg_status status = mg_http_chunked_next(&c->chunked, in, &data);
    if (status == MG_OK)
        mg_upstream_call_data(&c->base, data);
    else if (status == MG_DECLINED)
        c->framing = MG_FRAME_DONE;
    else if (status == MG_ERROR)
        not_http(c, c->chunked.error);
}

/* Uses what came until it is used up, the call is over or paused. */
static void consume(mg_pool_call *c, mg_str in) {
    mg_buf_clear(&c->in);
    while (!c->base.over) {
        if (c->framing == MG_FRAME_DONE) {
            complete(c, in.n);
            return;
        }
        if (in.n == 0) return;
        if (c->base.paused) {
            keep_rest(c, in);
            c->held = true;
            return;
        }
        mg_str all = in;
        switch (c->framing) {
        case MG_FRAME_HEAD:
            if (!take_head(c, &in)) return;
            break;
        case MG_FRAME_LENGTH: take_length(c, &in); break;
        case MG_FRAME_CHUNKED: take_chunk(c, &in); break;
        default: in.n = 0; mg_upstream_call_data(&c->base, all);
        }
    }
}

/* Bytes that waited for the end of a pause. */
static void consume_held(mg_pool_call *c) {
    mg_str in = {c->pool->scratch, c->in.n};
    memcpy(c->pool->scratch, c->in.p, c->in.n);
    c->held = false;
    consume(c, in);
    if (!c->base.over && c->conn && c->conn->ssl && !c->base.paused) mg_evloop_defer(c->pool->core.loop, &c->again);
}

void mg_pool_exchange_receive(mg_pool_call *c) {
    if (c->held) {
        consume_held(c);
        return;
    }
    char *scratch = c->pool->scratch;
    size_t have = c->in.n; /* a head that did not come whole */
    bool more;
    ssize_t got = mg_pool_read(c->conn, scratch + have, MG_POOL_READ, &more);
    if (got == -1) return;
    if (got <= 0) {
        lost(c, got < 0);
        return;
    }
    c->answered = true;
    if (have) memcpy(scratch, c->in.p, have);
    consume(c, (mg_str){scratch, have + (size_t)got});
    if (more && !c->base.over && !c->base.paused) mg_evloop_defer(c->pool->core.loop, &c->again);
}

void mg_pool_exchange_pause(mg_pool_call *c, bool paused) {
    if (!c->conn || c->conn->state != MG_POOL_BUSY) return;
    mg_pool_conn_watch(c->conn, !paused, c->conn->writing);
    /* OpenSSL may hold bytes that the socket does not report again. */
    if (!paused && (c->held || c->conn->ssl)) mg_evloop_defer(c->pool->core.loop, &c->again);
}
