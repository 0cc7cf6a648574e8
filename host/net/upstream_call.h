/* What the backends of the upstream client share: the list of live calls, their deadlines, and how a call ends. Only
 * host/net/upstream*.c include this. */
#ifndef MG_NET_UPSTREAM_CALL_H
#define MG_NET_UPSTREAM_CALL_H

#include "base/buf.h"
#include "net/http_head.h"
#include "net/resolver.h"
#include "net/upstream.h"
#include <event2/event_struct.h>

enum {
    MG_UPSTREAM_HEAD_MAX = 65536,  /* bytes of an answer's head */
    MG_UPSTREAM_HEADERS_MAX = 256, /* headers of an answer */
    MG_UPSTREAM_SWEEP_MS = 100,
    MG_UPSTREAM_IDLE_MS = 55000,   /* keep-alive: below the 60 s at which many servers and load balancers close */
    MG_UPSTREAM_IDLE_MAX = 512,    /* kept connections of a worker */
    MG_UPSTREAM_HELD_MAX = 1 << 20, /* coded bytes that wait for the end of a pause */
    MG_UPSTREAM_STAGGER_MS = 250   /* before the next address is tried beside the last one (RFC 8305, section 5) */
};

typedef struct mg_upstream_url {
    bool tls;
    mg_str host; /* without brackets; this and `prefix` point into the text that was parsed */
    bool v6;     /* host is an IPv6 literal */
    uint16_t port;
    mg_str prefix; /* path without a trailing slash, or "" */
} mg_upstream_url;

/* "http://host[:port][/prefix]" or https; false on anything else, credentials and queries included. */
bool mg_upstream_url_parse(mg_str text, mg_upstream_url *out);

typedef enum mg_upstream_phase {
    MG_UPSTREAM_CONNECTING, /* DNS, TCP, TLS */
    MG_UPSTREAM_WAITING,    /* from the connection's being ready to the end of the answer's head */
    MG_UPSTREAM_RECEIVING,
    MG_UPSTREAM_DRAINING, /* whole, and the backend has let go of it, but a paused caller has not been given all */
    MG_UPSTREAM_ENDING /* failed within mg_upstream_start: `done` is to be called at the end of the turn */
} mg_upstream_phase;

typedef struct mg_upstream_core mg_upstream_core;
typedef struct mg_upstream_coding mg_upstream_coding;

/* The backends' calls begin with this. */
struct mg_upstream_call {
    mg_upstream_core *core;
    mg_upstream_call *next, **link;
    mg_upstream_request request; /* its strings are the caller's */
    mg_upstream_url url;
    mg_upstream_events events;
    void *arg;
    mg_upstream_phase phase;
    bool starting; /* mg_upstream_start has not returned */
    bool paused;
    bool over; /* done or cancelled: no more callbacks; the memory lasts until the end of the turn */
    bool is_head; /* the method is HEAD: the answer has no body */
    uint64_t started_ms;
    uint64_t since_ms; /* start of the phase, or the last sign of life within it */
    uint64_t received; /* bytes of the answer's body, decoded */
    mg_upstream_coding *coding; /* of an answer with a content-encoding; else NULL */
    mg_upstream_result result;
};

/* The backends' clients begin with this. */
struct mg_upstream_core {
    const mg_upstream_backend *backend;
    mg_evloop *loop;
    mg_resolver *resolver;
    mg_upstream_call *calls;
    mg_upstream_call *cursor; /* the sweep's next call */
    mg_deferred ending;
    struct event sweep;
    bool sweeping;
    uint64_t swept_ms; /* the last sweep */
    bool excused;      /* the last sweep looked at no deadline, since it came late */
    /* Lets go of the call's connection, without callbacks. */
    void (*release)(mg_upstream_call *c);
    /* Every sweep for each live call, before its deadlines are looked at. */
    void (*look)(mg_upstream_call *c, uint64_t now);
    /* Every sweep once; true: sweeps are needed even without calls. */
    bool (*tidy)(mg_upstream_core *core, uint64_t now);
};

/* Fill backend, release, look and tidy before. False and an error without a resolver. */
bool mg_upstream_core_init(mg_upstream_core *core, mg_evloop *loop, mg_error *error);
/* Ends all calls without callbacks. */
void mg_upstream_core_finish(mg_upstream_core *core);

/* A call of `size` bytes, zeroed behind the common part, live from here on. A request that can't be put into HTTP ends by
 * itself: then phase is MG_UPSTREAM_ENDING, and there is nothing to send. */
mg_upstream_call *mg_upstream_call_open(mg_upstream_core *core, size_t size, const mg_upstream_request *r,
                                        const mg_upstream_events *e, void *arg);
void mg_upstream_call_phase(mg_upstream_call *c, mg_upstream_phase phase);
static inline void mg_upstream_call_alive(mg_upstream_call *c) { c->since_ms = mg_evloop_now(c->core->loop); }
/* Appends the request's target: path prefix and path, "/" if both are empty. */
void mg_upstream_call_target(const mg_upstream_call *c, mg_buf *out);
/* Headers that the client makes itself and the caller must not. */
bool mg_upstream_owns_header(mg_str name);
/* Whether the request announces its body's length even if that is 0. */
bool mg_upstream_wants_length(const mg_upstream_request *r);

/* Leaves of the addresses what the call may connect to. False: nothing is left, and the call has ended. */
bool mg_upstream_call_admits(mg_upstream_call *c, mg_addresses *addresses);

/* Both may be answered by a cancel, also of other calls: look at c->over afterwards. */
void mg_upstream_call_head(mg_upstream_call *c, const mg_http_head *head);
/* Ends the call if this makes the answer too large. */
void mg_upstream_call_data(mg_upstream_call *c, mg_str bytes);
/* What mg_upstream_call_data does with bytes that have no content-encoding any more. */
void mg_upstream_call_deliver(mg_upstream_call *c, mg_str bytes);
/* Lets go of the connection and calls `done`, or has it called at the end of the turn if mg_upstream_start has not
 * returned. The text is for the log. */
void mg_upstream_call_end(mg_upstream_call *c, mg_upstream_end end, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Content-encodings (upstream_coding.c). Open: false, and the call has ended, if it is not one that we know. */
bool mg_upstream_coding_open(mg_upstream_call *c, const mg_http_head *head);
void mg_upstream_coding_close(mg_upstream_call *c); /* the call is over */
void mg_upstream_coding_free(mg_upstream_call *c);  /* and nothing of it is in use any more */
void mg_upstream_coding_data(mg_upstream_call *c, mg_str bytes);
bool mg_upstream_coding_holds(const mg_upstream_call *c); /* something waits for the end of a pause */
void mg_upstream_coding_resume(mg_upstream_call *c);      /* which is now; it then resumes the backend, or ends the call */
bool mg_upstream_coding_whole(const mg_upstream_call *c);
/* The head's headers without those that were about the coded body; `out` has room for all. */
size_t mg_upstream_coding_headers(const mg_http_head *head, mg_header *out);

#endif
