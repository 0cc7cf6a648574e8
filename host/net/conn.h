/* The inside of the server, shared by server.c (life and limits), conn.c (bytes), intake.c (requests) and answer.c.
 * Not for other parts of the program: they use net/server.h. */
#ifndef MG_NET_CONN_H
#define MG_NET_CONN_H

#include "net/http_chunked.h"
#include "net/http_head.h"
#include "net/server.h"
#include "net/transport.h"

#include <event2/event.h>
#include <event2/event_struct.h>

enum {
    MG_SCRATCH = 64 * 1024, /* a server's shared read buffer */
    MG_HIGH_WATER = 64 * 1024, /* of an answer that the client has not taken */
    MG_PIPELINE = 16 * 1024, /* beyond header_bytes: what is read ahead of the present request's answer */
    MG_OUT_BLOCK = 4096, /* an answer buffer, kept for the next answer */
    MG_KEPT_BLOCKS = 256, /* answer buffers and arenas that a server keeps */
    MG_ARENA_FIRST = 8192,
    MG_LINGER_BYTES = 1024 * 1024,
    MG_LINGER_MS = 2000,
    MG_REFUSED_AT_ONCE = 64 /* newcomers beyond the limit that are being told so; more are closed at once */
};

/* What a connection waits for. Each has one time limit, so that a list in order of arrival is in order of deadline. */
typedef enum mg_wait {
    MG_WAIT_HANDLER,
    MG_WAIT_IDLE,
    MG_WAIT_HEAD,
    MG_WAIT_BODY,
    MG_WAIT_WRITE,
    MG_WAIT_LINGER,
    MG_WAITS
} mg_wait;

typedef enum mg_stage { MG_STAGE_HEAD, MG_STAGE_BODY, MG_STAGE_HANDLER } mg_stage;

/* An exchange with what the server keeps beside it; lives in its own arena. */
typedef struct mg_exchange_state {
    mg_exchange x; /* first, so that one pointer is the other */
    mg_conn *conn; /* gone, if the exchange is kept */
    mg_server *server;
    mg_stage stage;
    mg_http_head head;
    mg_http_chunked chunked;
    char *body; /* heap; NULL when it stands in the arena */
    size_t body_cap;
    size_t held; /* counted in the process's total */
    uint64_t body_received; /* bytes on the wire */
    uint64_t body_started_ms;
    int status; /* of the answer once started */
    bool known; /* the handler has seen it: it gets `gone` if it comes to that */
    bool started; /* the answer's head is written */
    bool ended; /* the handler is done with it */
    bool chunking; /* the answer is chunked */
    bool bodiless; /* HEAD, 204, 304: what is written is dropped */
    bool close; /* the connection ends with this answer */
    bool until_close; /* HTTP/1.0: the close ends the body */
    bool aborted;
    bool kept; /* by the handler, beyond its connection */
    bool wants_drained;
} mg_exchange_state;

struct mg_conn {
    mg_server *server;
    mg_transport transport;
    struct event readable, writable;
    mg_deferred later; /* conn_turn at the end of the loop's turn */
    mg_exchange_state *x;

    mg_wait wait;
    uint64_t deadline; /* loop milliseconds */
    mg_conn *next, *previous;

    char *in; /* bytes that came and are not used yet: [in_at, in_n) */
    size_t in_at, in_n, in_cap;
    char *out; /* bytes to send: [out_at, out_n) */
    size_t out_at, out_n, out_cap;

    uint64_t served, discarded;
    bool reading, writing; /* the event is added */
    bool progress; /* the present wait's time starts anew */
    bool closing; /* no further request: closes when everything is sent */
    bool lingering; /* our side is shut down */
    bool broken; /* the socket failed */
    bool ended_by_peer; /* end of stream while an ended answer is still being sent */
    bool reset; /* ends with a reset */
    bool refused; /* a newcomer beyond the limit */
    bool closed;
    uint8_t n_peer;
    char peer[56];
};

struct mg_server {
    mg_evloop *loop;
    mg_server_handler handler;
    mg_server_limits limits;
    mg_metrics *metrics;
    mg_series *connections_gauge, *refused_counter;
    struct event sweep;
    mg_deferred later; /* draining */
    void (*drained)(void *arg);
    void *drained_arg;
    bool draining;
    size_t open, refused;
    uint64_t wait_ms[MG_WAITS];
    struct {
        mg_conn *first, *last;
    } waiting[MG_WAITS];
    mg_arena *arenas[MG_KEPT_BLOCKS];
    char *blocks[MG_KEPT_BLOCKS];
    size_t n_arenas, n_blocks;
    mg_header *headers; /* limits.headers of them: a head that comes in one piece is parsed here */
    time_t date_second;
    size_t n_date;
    char date[48]; /* "date: …\r\n" */
    char scratch[MG_SCRATCH];
};

/* conn.c */
void mg_conn_start(mg_conn *c);
void mg_conn_close(mg_conn *c, bool reset); /* now; no callback */
void mg_conn_lost(mg_conn *c); /* `gone` if the handler knows of an exchange, then close */
void mg_conn_turn(mg_conn *c); /* sends, ends, goes on with the next request */
void mg_conn_readable(mg_conn *c);
void mg_conn_end_exchange(mg_conn *c); /* the handler is done with it */
void mg_conn_later(mg_conn *c); /* mg_conn_turn at the end of this turn of the loop */
bool mg_conn_flush(mg_conn *c); /* false: broken (mg_conn_turn sees to it) */
/* Room for n more bytes of answer, to be followed by out_n += used. NULL and `broken`: more than any answer may be. */
char *mg_conn_room(mg_conn *c, size_t n);
void mg_conn_put(mg_conn *c, mg_str bytes);
static inline size_t mg_conn_backlog(const mg_conn *c) { return c->out_n - c->out_at; }

/* intake.c: takes what it can of p[0, n), calls the handler, returns how much it used. */
size_t mg_intake_feed(mg_conn *c, char *p, size_t n);
/* Where the body of a known length can be read to directly, at most *n bytes; NULL if that is not what comes next. */
char *mg_intake_body_room(mg_conn *c, size_t *n);
void mg_intake_body_came(mg_conn *c, size_t n);
void mg_intake_refuse(mg_conn *c, int status, const char *sentence); /* answers an error and closes */
void mg_intake_finish(mg_conn *c); /* frees the exchange */

/* answer.c */
void mg_answer_error(mg_conn *c, int status, mg_str sentence, bool bodiless);

/* server.c */
mg_arena *mg_server_arena_take(mg_server *s);
void mg_server_arena_give(mg_server *s, mg_arena *a);
char *mg_server_block_take(mg_server *s); /* MG_OUT_BLOCK bytes */
void mg_server_block_give(mg_server *s, char *block);
void mg_server_wait(mg_conn *c, mg_wait wait); /* puts it into that list; at its end if c->progress */
void mg_server_left(mg_conn *c); /* it has been closed */
mg_str mg_server_date(mg_server *s);
/* Counts n more bytes of bodies in the process (`held` tells how many are this exchange's); false beyond the limit. */
bool mg_server_bodies_hold(mg_server *s, size_t n);
void mg_server_bodies_release(size_t n);

#endif
