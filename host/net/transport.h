/* A non-blocking stream socket, plain or TLS, behind one set of functions. Internal to the server. */
#ifndef MG_NET_TRANSPORT_H
#define MG_NET_TRANSPORT_H

#include "base/str.h"

#include <sys/types.h>
#include <sys/uio.h>

typedef struct ssl_st SSL;

typedef struct mg_transport {
    int fd;
    SSL *ssl; /* NULL: plain */
    bool read_wants_write, write_wants_read; /* TLS only: what a blocked call really waits for */
} mg_transport;

enum { MG_TRANSPORT_AGAIN = -1, MG_TRANSPORT_ERROR = -2 };

/* tls is an SSL_CTX or NULL; false: out of memory. The transport owns fd in any case. */
bool mg_transport_open(mg_transport *t, int fd, void *tls);
/* Bytes read, 0 at the end of the stream, or one of the above. TLS fills p as far as records are there. */
ssize_t mg_transport_read(mg_transport *t, char *p, size_t n);
/* Bytes written, of all pieces together, or one of the above. */
ssize_t mg_transport_write(mg_transport *t, const struct iovec *pieces, int n);
/* Decrypted or buffered bytes wait inside TLS, so that the socket need not become readable again. */
bool mg_transport_pending(const mg_transport *t);
/* TLS handshake not done yet. */
bool mg_transport_opening(const mg_transport *t);
/* Ends our side: the peer sees an end of stream. What it still sends can be read with mg_transport_discard. */
void mg_transport_shutdown(mg_transport *t);
ssize_t mg_transport_discard(mg_transport *t, char *scratch, size_t n);
/* `reset`: so that the peer sees a break, not an end. */
void mg_transport_close(mg_transport *t, bool reset);

#endif
