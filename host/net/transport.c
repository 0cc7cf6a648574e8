#include "net/transport.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

bool mg_transport_open(mg_transport *t, int fd, void *tls) {
    *t = (mg_transport){.fd = fd};
    if (!tls) return true;
    t->ssl = SSL_new(tls);
    if (!t->ssl || !SSL_set_fd(t->ssl, fd)) {
        mg_transport_close(t, false);
        return false;
    }
    SSL_set_mode(t->ssl,
                 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_set_read_ahead(t->ssl, 1); /* a record's head and body in one read */
    SSL_set_accept_state(t->ssl);
    return true;
}

static ssize_t system_result(ssize_t n) {
    if (n >= 0) return n;
    return errno == EAGAIN || errno == EWOULDBLOCK ? MG_TRANSPORT_AGAIN : MG_TRANSPORT_ERROR;
}

static ssize_t plain_read(int fd, char *p, size_t n) {
    ssize_t got;
    do {
        got = read(fd, p, n);
    } while (got < 0 && errno == EINTR);
    return system_result(got);
}

static int ssl_size(size_t n) { return n > 1 << 30 ? 1 << 30 : (int)n; }

static ssize_t tls_read(mg_transport *t, char *p, size_t n) {
    size_t done = 0;
    t->read_wants_write = false;
    while (done < n) {
        ERR_clear_error();
        int got = SSL_read(t->ssl, p + done, ssl_size(n - done));
        if (got > 0) {
            done += (size_t)got;
            if (!SSL_has_pending(t->ssl)) break;
            continue;
        }
        if (done) break; /* whatever it is, the next call meets it again */
        switch (SSL_get_error(t->ssl, got)) {
        case SSL_ERROR_WANT_READ: return MG_TRANSPORT_AGAIN;
        case SSL_ERROR_WANT_WRITE: t->read_wants_write = true; return MG_TRANSPORT_AGAIN;
        case SSL_ERROR_ZERO_RETURN: return 0;
        default: return MG_TRANSPORT_ERROR;
        }
    }
    return (ssize_t)done;
}

ssize_t mg_transport_read(mg_transport *t, char *p, size_t n) {
    return t->ssl ? tls_read(t, p, n) : plain_read(t->fd, p, n);
}

static ssize_t plain_write(int fd, const struct iovec *pieces, int n) {
    ssize_t sent;
    struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = (size_t)n};
    do {
        sent = n == 1 ? send(fd, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL) : sendmsg(fd, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return system_result(sent);
}

static ssize_t tls_write_some(mg_transport *t, const char *p, size_t n) {
    ERR_clear_error();
    int sent = SSL_write(t->ssl, p, ssl_size(n));
    if (sent > 0) return sent;
    switch (SSL_get_error(t->ssl, sent)) {
    case SSL_ERROR_WANT_WRITE: return MG_TRANSPORT_AGAIN;
    case SSL_ERROR_WANT_READ: t->write_wants_read = true; return MG_TRANSPORT_AGAIN;
    default: return MG_TRANSPORT_ERROR;
    }
}

static ssize_t tls_write(mg_transport *t, const struct iovec *pieces, int n) {
    ssize_t total = 0;
    t->write_wants_read = false;
    for (int i = 0; i < n; i++) {
        for (size_t at = 0; at < pieces[i].iov_len;) {
            ssize_t sent = tls_write_some(t, (const char *)pieces[i].iov_base + at, pieces[i].iov_len - at);
            if (sent == MG_TRANSPORT_AGAIN && total) return total;
            if (sent < 0) return sent;
            at += (size_t)sent;
            total += sent;
        }
    }
    return total;
}

ssize_t mg_transport_write(mg_transport *t, const struct iovec *pieces, int n) {
    return t->ssl ? tls_write(t, pieces, n) : plain_write(t->fd, pieces, n);
}

bool mg_transport_pending(const mg_transport *t) { return t->ssl && SSL_has_pending(t->ssl); }

bool mg_transport_opening(const mg_transport *t) { return t->ssl && !SSL_is_init_finished(t->ssl); }

void mg_transport_shutdown(mg_transport *t) {
    if (t->ssl && SSL_is_init_finished(t->ssl)) {
        ERR_clear_error();
        SSL_shutdown(t->ssl); /* best effort: if close_notify does not fit now, the end of the stream says it as well */
    }
    shutdown(t->fd, SHUT_WR);
}

ssize_t mg_transport_discard(mg_transport *t, char *scratch, size_t n) { return plain_read(t->fd, scratch, n); }

void mg_transport_close(mg_transport *t, bool reset) {
    if (reset) {
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    SSL_free(t->ssl);
    t->ssl = NULL;
    close(t->fd);
    t->fd = -1;
}
