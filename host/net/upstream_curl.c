/* The libcurl backend: multi_socket on the worker's loop.
 *
 * curl forbids most of its functions within its callbacks, and our callers may do anything within theirs: a start or the
 * end of a pause then waits for the end of the turn, and a cancelled transfer is taken apart when curl has returned. */
#include "net/upstream_curl_request.h"
#include "net/upstream_tls.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SPARES = 64 };

typedef struct client client;
typedef struct curl_call curl_call;

/* An easy handle and what it points to; reused without curl_easy_reset, which costs more than a request. */
typedef struct transfer {
    struct transfer *next; /* in spares or zombies */
    client *owner;
    curl_call *call; /* NULL: cancelled or spare */
    CURL *easy;
    mg_curl_request request;
    mg_buf head; /* the answer's head as it came */
    size_t body_at; /* of the request */
    bool added; /* to the multi handle */
    bool head_done;
    bool close_delimited;
    bool stopped; /* curl was told to pause */
    char error[CURL_ERROR_SIZE];
} transfer;

struct curl_call {
    mg_upstream_call base; /* first */
    transfer *transfer;
    mg_lookup *lookup;
    mg_deferred attend;
};

typedef struct watched {
    client *owner;
    int interest; /* CURL_POLL_* */
    bool reading, writing;
    struct event readable, writable;
} watched;

struct client {
    mg_upstream_core core; /* first */
    CURLM *multi;
    struct event timer;
    bool inside; /* curl is on the stack */
    transfer *spares, *zombies;
    size_t n_spares;
    watched **sockets; /* by descriptor */
    size_t n_sockets;
    mg_upstream_trust *trust;
    mg_header headers[MG_UPSTREAM_HEADERS_MAX]; /* of the head being read */
};

static client *client_of(const curl_call *c) { return (client *)c->base.core; }

/* ---- transfers --------------------------------------------------------------------------------------------------- */

static void retire(transfer *t) {
    client *k = t->owner;
    if (t->added) curl_multi_remove_handle(k->multi, t->easy);
    t->added = false;
    mg_buf_finish(&t->head);
    if (k->n_spares < SPARES) {
        t->next = k->spares;
        k->spares = t;
        k->n_spares++;
        return;
    }
    curl_easy_cleanup(t->easy);
    mg_curl_request_finish(&t->request);
    free(t);
}

/* What the result says of the connection, read before curl forgets it. */
static void note_connection(transfer *t) {
    long connects = 0, sent = 0;
    if (!t->added) return;
    curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
    curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &sent);
    t->call->base.result.reused = connects == 0 && sent > 0;
    t->call->base.result.sent = sent > 0;
}

static void release(mg_upstream_call *base) {
    curl_call *c = (curl_call *)base;
    client *k = client_of(c);
    mg_lookup_cancel(c->lookup);
    c->lookup = NULL;
    mg_evloop_undefer(k->core.loop, &c->attend);
    transfer *t = c->transfer;
    c->transfer = NULL;
    if (!t) return;
    note_connection(t);
    t->call = NULL;
    if (!k->inside) {
        retire(t);
        return;
    }
    t->next = k->zombies;
    k->zombies = t;
}

/* ---- how a transfer ended ---------------------------------------------------------------------------------------- */

static mg_upstream_end meaning(CURLcode code, const transfer *t) {
    switch (code) {
    case CURLE_OK: return t->head_done ? MG_UPSTREAM_COMPLETE : MG_UPSTREAM_PROTOCOL;
    case CURLE_COULDNT_RESOLVE_HOST: return MG_UPSTREAM_RESOLVE;
    case CURLE_COULDNT_CONNECT:
    case CURLE_URL_MALFORMAT: return MG_UPSTREAM_CONNECT;
    case CURLE_OPERATION_TIMEDOUT: return MG_UPSTREAM_TIMEOUT_CONNECT; /* curl's own, after 24 days */
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_ENGINE_INITFAILED: return MG_UPSTREAM_TLS;
    case CURLE_UNSUPPORTED_PROTOCOL: /* what curl says of HTTP/0.9 */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING: return MG_UPSTREAM_PROTOCOL;
    case CURLE_RECV_ERROR: /* also for malformed chunks, which only the text tells apart */
        return strstr(t->error, "chunked-encoding") ? MG_UPSTREAM_PROTOCOL : MG_UPSTREAM_RESET;
    default: return MG_UPSTREAM_RESET;
    }
}

static void finished(transfer *t, CURLcode code) {
    curl_call *c = t->call;
    long verdict = 0;
    curl_easy_getinfo(t->easy, CURLINFO_SSL_VERIFYRESULT, &verdict);
    mg_upstream_end end = meaning(code, t);
    c->base.result.close_delimited = end == MG_UPSTREAM_COMPLETE && t->close_delimited;
    /* Not curl's own text, which may name the host. */
    const char *why = end == MG_UPSTREAM_COMPLETE ? "complete" : curl_easy_strerror(code);
    if (end == MG_UPSTREAM_TLS && verdict) why = X509_verify_cert_error_string(verdict);
    mg_upstream_call_end(&c->base, end, "%s", why);
}

/* After each call into curl that may have called us. */
static void leave(client *k) {
    k->inside = false;
    while (k->zombies) {
        transfer *t = k->zombies;
        k->zombies = t->next;
        retire(t);
    }
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(k->multi, &left))) {
        char *t = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE) continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
        finished((transfer *)t, code);
    }
}

static void act(client *k, curl_socket_t fd, int what) {
    int running;
    k->inside = true;
    curl_multi_socket_action(k->multi, fd, what, &running);
    leave(k);
}

/* ---- what curl asks of the loop ---------------------------------------------------------------------------------- */

static void on_timer(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what;
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *multi, long ms, void *arg) {
    (void)multi;
    client *k = arg;
    if (ms < 0)
        event_del(&k->timer);
    else
        event_add(&k->timer, &(struct timeval){ms / 1000, ms % 1000 * 1000});
    return 0;
}

static void set_reading(watched *w, bool on) {
    if (w->reading == on) return;
    w->reading = on;
    if (on)
        event_add(&w->readable, NULL);
    else
        event_del(&w->readable);
}

static void set_writing(watched *w, bool on) {
    if (w->writing == on) return;
    w->writing = on;
    if (on)
        event_add(&w->writable, NULL);
    else
        event_del(&w->writable);
}

static void on_readable(evutil_socket_t fd, short what, void *arg) {
    (void)what;
    watched *w = arg;
    if (w->interest & CURL_POLL_IN)
        act(w->owner, fd, CURL_CSELECT_IN);
    else
        set_reading(w, false);
}

static void on_writable(evutil_socket_t fd, short what, void *arg) {
    (void)what;
    watched *w = arg;
    act(w->owner, fd, CURL_CSELECT_OUT);
}

static watched *socket_of(client *k, int fd) {
    size_t i = (size_t)fd;
    if (i >= k->n_sockets) {
        size_t n = i + 64;
        k->sockets = mg_realloc(k->sockets, n * sizeof *k->sockets);
        memset(k->sockets + k->n_sockets, 0, (n - k->n_sockets) * sizeof *k->sockets);
        k->n_sockets = n;
    }
    if (k->sockets[i]) return k->sockets[i];
    watched *w = k->sockets[i] = MG_NEW(watched);
    w->owner = k;
    event_assign(&w->readable, mg_evloop_base(k->core.loop), fd, EV_READ | EV_PERSIST, on_readable, w);
    event_assign(&w->writable, mg_evloop_base(k->core.loop), fd, EV_WRITE | EV_PERSIST, on_writable, w);
    return w;
}

static void forget(client *k, curl_socket_t fd) {
    watched *w = (size_t)fd < k->n_sockets ? k->sockets[fd] : NULL;
    if (!w) return;
    set_reading(w, false);
    set_writing(w, false);
    k->sockets[fd] = NULL;
    mg_evloop_reap(k->core.loop, free, w);
}

/* After an answer the registration for reading outlasts the transfer, until the socket closes or has something that nobody
 * waits for. Without one it must not: curl closes sockets that it was still connecting without calling close_socket. */
static int set_interest(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned) {
    (void)assigned;
    char *t = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
    if (what == CURL_POLL_REMOVE && !((transfer *)t)->head_done) {
        forget(arg, fd);
        return 0;
    }
    watched *w = socket_of(arg, fd);
    w->interest = what == CURL_POLL_REMOVE ? CURL_POLL_NONE : what;
    if (w->interest & CURL_POLL_IN) set_reading(w, true);
    set_writing(w, w->interest & CURL_POLL_OUT);
    return 0;
}

static int close_socket(void *arg, curl_socket_t fd) {
    forget(arg, fd);
    return close(fd);
}

/* ---- what curl tells of a transfer ------------------------------------------------------------------------------- */

static int on_connected(void *arg, char *peer, char *local, int peer_port, int local_port) {
    (void)peer, (void)local, (void)peer_port, (void)local_port;
    transfer *t = arg;
    if (!t->call) return CURL_PREREQFUNC_ABORT;
    mg_upstream_call_phase(&t->call->base, MG_UPSTREAM_WAITING);
    return CURL_PREREQFUNC_OK;
}

static size_t on_read(char *to, size_t size, size_t n, void *arg) {
    transfer *t = arg;
    if (!t->call) return CURL_READFUNC_ABORT;
    mg_str rest = mg_str_skip(t->call->base.request.body, t->body_at);
    size_t taken = size * n < rest.n ? size * n : rest.n;
    if (taken) memcpy(to, rest.p, taken);
    t->body_at += taken;
    if (t->call->base.phase == MG_UPSTREAM_WAITING) mg_upstream_call_alive(&t->call->base);
    return taken;
}

static int on_seek(void *arg, curl_off_t offset, int origin) {
    transfer *t = arg;
    if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_CANTSEEK;
    t->body_at = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* The same strict parser as the pool's reads what curl let pass. */
static void read_head(transfer *t) {
    mg_http_head head;
    mg_http_head_init(&head, MG_HTTP_RESPONSE, t->owner->headers, MG_UPSTREAM_HEADERS_MAX, MG_UPSTREAM_HEAD_MAX);
    mg_status status = mg_http_head_parse(&head, t->head.p, t->head.n);
    mg_upstream_call *c = &t->call->base;
    if (status != MG_OK || head.status == 101) {
        const char *why = head.status == 101   ? "it switches protocols"
                          : status == MG_ERROR ? head.error
                                               : "its head is cut";
        mg_upstream_call_end(c, MG_UPSTREAM_PROTOCOL, "the answer is not HTTP/1.1: %s", why);
    } else if (head.status >= 200) {
        bool empty = c->is_head || head.status == 204 || head.status == 304;
        t->head_done = true;
        t->close_delimited = !empty && !head.chunked && head.content_length < 0;
        mg_upstream_call_head(c, &head);
    } else {
        mg_buf_clear(&t->head);
    }
}

static size_t on_header(char *line, size_t size, size_t n, void *arg) {
    transfer *t = arg;
    n *= size;
    if (!t->call) return CURL_WRITEFUNC_ERROR;
    if (t->head_done) return n; /* trailers */
    if (!mg_buf_add(&t->head, line, n)) {
        mg_upstream_call_end(&t->call->base, MG_UPSTREAM_PROTOCOL, "the answer's head is larger than %d bytes",
                             MG_UPSTREAM_HEAD_MAX);
    } else if (line[0] == '\n' || line[0] == '\r') {
        read_head(t);
    }
    return t->call ? n : CURL_WRITEFUNC_ERROR;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg) {
    transfer *t = arg;
    n *= size;
    if (!t->call) return CURL_WRITEFUNC_ERROR;
    if (t->call->base.paused) {
        t->stopped = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    mg_upstream_call_data(&t->call->base, (mg_str){bytes, n});
    return t->call ? n : CURL_WRITEFUNC_ERROR;
}

static CURLcode on_tls(CURL *easy, void *ctx, void *arg) {
    (void)easy;
    transfer *t = arg;
    SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (t->call && t->call->base.request.ca_file.n) return CURLE_OK; /* curl has loaded it */
    SSL_CTX *trusted = mg_upstream_trust_get(&t->owner->trust, MG_STR(""), NULL);
    if (!trusted) return CURLE_SSL_CACERT_BADFILE;
    SSL_CTX_set1_cert_store(ctx, SSL_CTX_get_cert_store(trusted));
    return CURLE_OK;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static transfer *make_transfer(client *k) {
    transfer *t = MG_NEW(transfer);
    CURL *e = t->easy = curl_easy_init();
    if (!e) mg_oom(sizeof *t);
    t->owner = k;
    t->head.max = MG_UPSTREAM_HEAD_MAX;
    curl_easy_setopt(e, CURLOPT_PRIVATE, (char *)t);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_PROXY, ""); /* also turns off the environment's */
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, 0x7fffffffL); /* limits are ours */
    curl_easy_setopt(e, CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS, (long)MG_UPSTREAM_STAGGER_MS);
    curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, MG_UPSTREAM_IDLE_MS / 1000L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 65536L);
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, on_tls);
    curl_easy_setopt(e, CURLOPT_SSL_CTX_DATA, t);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, k);
    curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(e, CURLOPT_PREREQDATA, t);
    curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(e, CURLOPT_READDATA, t);
    curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(e, CURLOPT_SEEKDATA, t);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
    return t;
}

static transfer *take_transfer(client *k) {
    transfer *t = k->spares;
    if (!t) return make_transfer(k);
    k->spares = t->next;
    k->n_spares--;
    t->body_at = 0;
    t->head_done = t->close_delimited = t->stopped = false;
    t->error[0] = 0;
    return t;
}

static void submit(curl_call *c) {
    client *k = client_of(c);
    c->transfer->added = true;
    if (curl_multi_add_handle(k->multi, c->transfer->easy) == CURLM_OK) return;
    c->transfer->added = false;
    mg_upstream_call_end(&c->base, MG_UPSTREAM_CONNECT, "curl refused the request");
}

static void prepare(curl_call *c, const mg_addresses *found) {
    client *k = client_of(c);
    mg_addresses addresses = *found;
    if (!mg_upstream_call_admits(&c->base, &addresses)) return;
    transfer *t = c->transfer = take_transfer(k);
    t->call = c;
    mg_curl_request_set(&t->request, t->easy, &c->base, &addresses);
    if (k->inside)
        mg_evloop_defer(k->core.loop, &c->attend);
    else
        submit(c);
}

static void on_resolved(void *arg, const mg_addresses *addresses, const mg_error *error) {
    curl_call *c = arg;
    c->lookup = NULL;
    if (addresses)
        prepare(c, addresses);
    else
        mg_upstream_call_end(&c->base, MG_UPSTREAM_RESOLVE, "%s", error->text);
}

/* What could not be done within one of curl's callbacks. */
static void attend(void *arg) {
    curl_call *c = arg;
    client *k = client_of(c);
    transfer *t = c->transfer;
    if (!t) return;
    if (!t->added) {
        submit(c);
    } else if (t->stopped && !c->base.paused) {
        t->stopped = false;
        k->inside = true;
        curl_easy_pause(t->easy, CURLPAUSE_CONT);
        leave(k);
    }
}

static mg_upstream_call *start(void *self, const mg_upstream_request *r, const mg_upstream_events *e, void *arg) {
    client *k = self;
    curl_call *c = (curl_call *)mg_upstream_call_open(&k->core, sizeof *c, r, e, arg);
    c->attend = (mg_deferred){.run = attend, .arg = c};
    if (c->base.phase == MG_UPSTREAM_ENDING) return &c->base;
    mg_addresses addresses;
    mg_error error = {0};
    mg_status status = mg_resolver_lookup(k->core.resolver, k->core.loop, c->base.url.host, &addresses, on_resolved, c,
                                          &c->lookup, &error);
    if (status == MG_OK)
        prepare(c, &addresses);
    else if (status == MG_ERROR)
        mg_upstream_call_end(&c->base, MG_UPSTREAM_RESOLVE, "%s", error.text);
    return &c->base;
}

static void pause_call(mg_upstream_call *base, bool paused) {
    curl_call *c = (curl_call *)base;
    /* A pause begins with the next bytes that curl delivers; see on_body. */
    if (!paused) mg_evloop_defer(base->core->loop, &c->attend);
}

/* ---- the client -------------------------------------------------------------------------------------------------- */

static void look(mg_upstream_call *c, uint64_t now) { (void)c, (void)now; }
static bool tidy(mg_upstream_core *core, uint64_t now) {
    (void)core, (void)now;
    return false;
}

static void init_curl(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

static void *create(mg_evloop *loop, mg_error *error) {
    static pthread_once_t once = PTHREAD_ONCE_INIT; /* curl's own state is the process's */
    pthread_once(&once, init_curl);
    client *k = MG_NEW(client);
    k->core.backend = &mg_upstream_curl;
    k->core.release = release;
    k->core.look = look;
    k->core.tidy = tidy;
    if (!mg_upstream_core_init(&k->core, loop, error)) {
        free(k);
        return NULL;
    }
    k->multi = curl_multi_init();
    if (!k->multi) mg_oom(sizeof *k);
    evtimer_assign(&k->timer, mg_evloop_base(loop), on_timer, k);
    curl_multi_setopt(k->multi, CURLMOPT_SOCKETFUNCTION, set_interest);
    curl_multi_setopt(k->multi, CURLMOPT_SOCKETDATA, k);
    curl_multi_setopt(k->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(k->multi, CURLMOPT_TIMERDATA, k);
    curl_multi_setopt(k->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    curl_multi_setopt(k->multi, CURLMOPT_MAXCONNECTS, (long)MG_UPSTREAM_IDLE_MAX);
    return k;
}

static void destroy(void *self) {
    client *k = self;
    mg_upstream_core_finish(&k->core);
    while (k->spares) {
        transfer *t = k->spares;
        k->spares = t->next;
        k->n_spares = SPARES; /* so that retire frees it */
        retire(t);
    }
    curl_multi_cleanup(k->multi);
    event_del(&k->timer);
    mg_upstream_trust_finish(&k->trust);
    free(k->sockets);
    free(k);
}

const mg_upstream_backend mg_upstream_curl = {
    .name = "curl",
    .create = create,
    .destroy = destroy,
    .start = start,
    .pause = pause_call,
    .cancel = release,
};
