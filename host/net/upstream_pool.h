/* The keep-alive pool's own structures: connections by host (upstream_pool.c), how one is made (upstream_dial.c), and one
 * request and its answer on it (upstream_exchange.c). */
#ifndef MG_NET_UPSTREAM_POOL_H
#define MG_NET_UPSTREAM_POOL_H

#include "base/buf.h"
#include "net/http_chunked.h"
#include "net/upstream_call.h"
#include "net/upstream_tls.h"

enum {
    MG_POOL_READ = 65536, /* bytes read at a time */
    MG_POOL_SCRATCH = MG_UPSTREAM_HEAD_MAX + MG_POOL_READ,
    MG_POOL_RECORD = 16384, /* largest TLS record: head and start of the body go out in one */
    MG_POOL_BUCKETS = 64,
    MG_POOL_HOST_IDLE_MS = 600000 /* a host without connections is forgotten, with its TLS sessions */
};

typedef struct mg_pool mg_pool;
typedef struct mg_pool_conn mg_pool_conn;
typedef struct mg_pool_call mg_pool_call;

/* What must be the same for a connection to be used again. Lives while it has users. */
typedef struct mg_pool_host {
    struct mg_pool_host *next;
    bool tls;
    uint16_t port;
    char *name;      /* without brackets */
    char *ca_file;
    char *host_line; /* "host: name:port\r\n" */
    mg_pool_conn *idle; /* the one used last comes first */
    mg_tls_sessions sessions;
    size_t users; /* connections and calls */
    uint64_t used_ms;
} mg_pool_host;

typedef enum mg_pool_state { MG_POOL_DIALING, MG_POOL_HANDSHAKE, MG_POOL_BUSY, MG_POOL_IDLE } mg_pool_state;

struct mg_pool_conn {
    mg_pool *pool;
    mg_pool_host *host;
    mg_pool_call *call; /* NULL while idle */
    mg_pool_conn *next, **link; /* in host->idle or in call->dialing; link is NULL in neither */
    mg_pool_conn *older, *newer; /* idle ones of all hosts */
    uint64_t idle_ms;
    SSL *ssl;
    int fd;
    mg_pool_state state;
    bool reading, writing; /* which of the events below are registered */
    bool served;           /* has carried an exchange before */
    struct event readable, writable;
};

typedef struct mg_pool_head {
    mg_http_head head;
    mg_header headers[MG_UPSTREAM_HEADERS_MAX];
} mg_pool_head;

typedef enum mg_pool_framing {
    MG_FRAME_HEAD,
    MG_FRAME_LENGTH,
    MG_FRAME_CHUNKED,
    MG_FRAME_CLOSE,
    MG_FRAME_DONE
} mg_pool_framing;

struct mg_pool_call {
    mg_upstream_call base; /* first */
    mg_pool *pool;
    mg_pool_host *host;
    mg_pool_conn *conn; /* from TCP connected on */

    mg_lookup *lookup;
    mg_addresses addresses;
    size_t next_address;
    mg_pool_conn *dialing;
    uint64_t dialed_ms;
    bool retried; /* the one repetition after a stale connection */

    mg_str unsent; /* head, and with TLS the body's start */
    size_t body_at; /* bytes of the body sent, or in unsent */
    mg_buf out;     /* holds unsent when the socket is full */
    bool send_broken;

    mg_pool_framing framing;
    uint64_t left; /* MG_FRAME_LENGTH */
    mg_http_chunked chunked;
    mg_pool_head *partial; /* a head that did not come whole */
    mg_buf in;             /* bytes that came but could not be used yet */
    bool held;             /* those in `in` wait for the end of a pause */
    bool answered;         /* a byte of an answer came */
    bool keep;             /* the head allows another exchange */
    mg_deferred again;     /* receives without waiting for the socket */
};

struct mg_pool {
    mg_upstream_core core; /* first */
    mg_pool_host *buckets[MG_POOL_BUCKETS];
    size_t hosts;
    mg_pool_conn *oldest, *newest;
    size_t idle;
    mg_upstream_trust *trust;
    mg_buf head;        /* request being written */
    mg_pool_head fresh; /* head being read that came whole so far */
    char scratch[MG_POOL_SCRATCH];
};

/* upstream_pool.c */
mg_pool_conn *mg_pool_conn_open(mg_pool_host *host, mg_pool_call *call, int fd);
void mg_pool_conn_close(mg_pool_conn *conn);
void mg_pool_conn_watch(mg_pool_conn *conn, bool reading, bool writing);
void mg_pool_conn_link(mg_pool_conn *conn, mg_pool_conn **list);
void mg_pool_conn_unlink(mg_pool_conn *conn);
/* Keeps the connection of a finished exchange for the next one. */
void mg_pool_conn_keep(mg_pool_conn *conn);

/* upstream_dial.c */
void mg_pool_dial(mg_pool_call *c);
void mg_pool_dial_look(mg_pool_call *c, uint64_t now); /* another address beside one that takes long */
void mg_pool_dial_event(mg_pool_conn *conn);           /* readable or writable while dialing or in the handshake */

/* upstream_exchange.c */
void mg_pool_exchange_begin(mg_pool_call *c, mg_pool_conn *conn);
void mg_pool_exchange_receive(mg_pool_call *c);
void mg_pool_exchange_send(mg_pool_call *c); /* goes on with a request that the socket did not take whole */
void mg_pool_exchange_pause(mg_pool_call *c, bool paused);
void mg_pool_exchange_release(mg_pool_call *c); /* frees what the exchange holds, not its connection */
/* Bytes; 0 the peer closed; -1 nothing there; -2 broken. *more: there may be bytes that the socket will not report. */
ssize_t mg_pool_read(mg_pool_conn *conn, char *to, size_t n, bool *more);

#endif
