#include "net/listener.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    ACCEPTS_A_TURN = 64, /* then the connections that are open get their turn */
    PAUSE_MS = 100, /* when descriptors have run out */
    BACKLOG = 4096
};

/* A worker's place: it accepts here. */
typedef struct place {
    mg_listener *listener;
    int fd;
    mg_evloop *loop; /* NULL: not attached */
    mg_server *server;
    void *tls;
    struct event readable;
    mg_timer *pause; /* not NULL: accepting rests */
    bool failing; /* said so in the log, and nothing was accepted since */
} place;

struct mg_listener {
    char address[160];
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* "" for TCP */
    dev_t device; /* of the socket's file, so that a successor's is not removed */
    ino_t inode;
    size_t n;
    place places[];
};

typedef union any_address {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    struct sockaddr_storage storage;
} any_address;

/* ---- addresses --------------------------------------------------------------------------------------------------- */

static mg_status bad_address(mg_str address, mg_error *error) {
    return mg_fail(error, 0, "bad_address",
                   "can't listen on \"" MG_STR_FMT "\": write 127.0.0.1:8080, [::1]:8080, :8080 or unix:/path",
                   MG_STR_ARG(address));
}

static mg_status parse_port(mg_str address, mg_str text, in_port_t *port, mg_error *error) {
    int64_t number;
    if (!text.n || text.p[0] < '0' || text.p[0] > '9' || !mg_str_int(text, &number) || number > 65535) {
        return bad_address(address, error);
    }
    *port = htons((in_port_t)number);
    return MG_OK;
}

static bool has_ipv6(void) {
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

static mg_status parse_ip(mg_str address, any_address *out, socklen_t *n, mg_error *error) {
    char host[INET6_ADDRSTRLEN + 1] = "";
    const char *colon = address.n ? memrchr(address.p, ':', address.n) : NULL;
    if (!colon) return bad_address(address, error);
    mg_str name = mg_str_from(address.p, (size_t)(colon - address.p)), port = mg_str_skip(address, name.n + 1);
    bool bracketed = name.n > 2 && name.p[0] == '[' && name.p[name.n - 1] == ']';
    if (bracketed) name = mg_str_from(name.p + 1, name.n - 2);
    if (mg_str_is(name, "localhost")) name = MG_STR("127.0.0.1");
    if (name.n >= sizeof host) return bad_address(address, error);
    if (name.n) memcpy(host, name.p, name.n);
    if (name.n == 0 && !has_ipv6()) strcpy(host, "0.0.0.0");
    if (bracketed || host[0] == 0) { /* no name: all addresses of both families */
        out->in6.sin6_family = AF_INET6;
        *n = sizeof out->in6;
        if (name.n && inet_pton(AF_INET6, host, &out->in6.sin6_addr) != 1) return bad_address(address, error);
        return parse_port(address, port, &out->in6.sin6_port, error);
    }
    out->in.sin_family = AF_INET;
    *n = sizeof out->in;
    if (inet_pton(AF_INET, host, &out->in.sin_addr) != 1) return bad_address(address, error);
    return parse_port(address, port, &out->in.sin_port, error);
}

static mg_status parse_unix(mg_str address, any_address *out, socklen_t *n, mg_error *error) {
    mg_str path = mg_str_skip(address, 5);
    if (path.n == 0 || path.n >= sizeof out->un.sun_path || memchr(path.p, 0, path.n)) {
        return mg_fail(error, 0, "bad_address", "can't listen on \"" MG_STR_FMT "\": the path must have 1 to %zu bytes",
                       MG_STR_ARG(address), sizeof out->un.sun_path - 1);
    }
    out->un.sun_family = AF_UNIX;
    memcpy(out->un.sun_path, path.p, path.n);
    *n = sizeof out->un;
    return MG_OK;
}

/* "127.0.0.1:40312", "[::1]:40312" or "unix". An IPv4 client of a socket for both families is shown as IPv4. */
static void describe(const any_address *a, char *out, size_t size) {
    char host[INET6_ADDRSTRLEN] = "?";
    if (a->sa.sa_family == AF_INET) {
        inet_ntop(AF_INET, &a->in.sin_addr, host, sizeof host);
        snprintf(out, size, "%s:%u", host, ntohs(a->in.sin_port));
    } else if (a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr)) {
        inet_ntop(AF_INET, a->in6.sin6_addr.s6_addr + 12, host, sizeof host);
        snprintf(out, size, "%s:%u", host, ntohs(a->in6.sin6_port));
    } else if (a->sa.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a->in6.sin6_addr, host, sizeof host);
        snprintf(out, size, "[%s]:%u", host, ntohs(a->in6.sin6_port));
    } else {
        snprintf(out, size, "unix");
    }
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static mg_status fail_system(mg_error *error, mg_str address, const char *what, int code) {
    const char *mend = code == EADDRINUSE      ? ": another program (or another gateway) listens there"
                       : code == EACCES        ? ": no permission"
                       : code == EADDRNOTAVAIL ? ": this machine has no such address"
                                               : "";
    return mg_fail(error, 0, "listen", "can't listen on " MG_STR_FMT ": %s: %s%s", MG_STR_ARG(address), what,
                   strerror(code), mend);
}

static int socket_bound(const any_address *a, socklen_t n, mg_str address, bool shared, mg_error *error) {
    int on = 1, off = 0, fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        fail_system(error, address, "socket", errno);
        return -1;
    }
    if (a->sa.sa_family != AF_UNIX) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (shared) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* inherited by what is accepted */
    }
    if (a->sa.sa_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, &a->sa, n) == 0) return fd;
    fail_system(error, address, "bind", errno);
    close(fd);
    return -1;
}

static mg_status start_listening(int fd, mg_str address, mg_error *error) {
    return listen(fd, BACKLOG) == 0 ? MG_OK : fail_system(error, address, "listen", errno);
}

/* SO_REUSEPORT would let another gateway share the port by accident: a socket without it is bound first, to see. */
static mg_status probe_free(const any_address *a, socklen_t n, mg_str address, mg_error *error) {
    in_port_t port = a->sa.sa_family == AF_INET ? a->in.sin_port : a->in6.sin6_port;
    if (port == 0) return MG_OK;
    int fd = socket_bound(a, n, address, false, error);
    if (fd < 0) return MG_ERROR;
    close(fd);
    return MG_OK;
}

static mg_status open_tcp(mg_listener *l, mg_str address, any_address *a, socklen_t n, mg_error *error) {
    if (probe_free(a, n, address, error) != MG_OK) return MG_ERROR;
    for (size_t i = 0; i < l->n; i++) {
        l->places[i].fd = socket_bound(a, n, address, true, error);
        if (l->places[i].fd < 0 || start_listening(l->places[i].fd, address, error) != MG_OK) return MG_ERROR;
        socklen_t size = sizeof *a;
        if (i == 0 && getsockname(l->places[0].fd, &a->sa, &size))
            return fail_system(error, address, "getsockname", errno);
    }
    describe(a, l->address, sizeof l->address);
    return MG_OK;
}

/* A socket's file that nobody listens on is left from a process that was killed. */
static void unlink_stale(const any_address *a, socklen_t n) {
    struct stat st;
    if (lstat(a->un.sun_path, &st) || !S_ISSOCK(st.st_mode)) return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    if (connect(fd, &a->sa, n) && errno == ECONNREFUSED) unlink(a->un.sun_path);
    close(fd);
}

static mg_status open_unix(mg_listener *l, mg_str address, any_address *a, socklen_t n, mg_error *error) {
    struct stat st;
    unlink_stale(a, n);
    int fd = socket_bound(a, n, address, false, error);
    if (fd < 0) return MG_ERROR;
    for (size_t i = 0; i < l->n; i++) l->places[i].fd = fd;
    snprintf(l->path, sizeof l->path, "%s", a->un.sun_path);
    snprintf(l->address, sizeof l->address, "unix:%s", l->path);
    if (stat(l->path, &st) == 0) {
        l->device = st.st_dev;
        l->inode = st.st_ino;
    }
    return start_listening(fd, address, error);
}

mg_listener *mg_listener_open(mg_str address, size_t workers, mg_error *error) {
    any_address a = {.storage = {0}};
    socklen_t n = 0;
    bool local = mg_str_starts(address, MG_STR("unix:"));
    mg_status status = local ? parse_unix(address, &a, &n, error) : parse_ip(address, &a, &n, error);
    if (status != MG_OK) return NULL;
    size_t places = workers ? workers : 1;
    mg_listener *l = mg_calloc(1, sizeof *l + places * sizeof(place));
    l->n = places;
    for (size_t i = 0; i < places; i++) {
        l->places[i].fd = -1;
        l->places[i].listener = l;
    }
    status = local ? open_unix(l, address, &a, n, error) : open_tcp(l, address, &a, n, error);
    if (status == MG_OK) return l;
    mg_listener_close(l);
    return NULL;
}

mg_str mg_listener_address(const mg_listener *l) { return mg_str_of(l->address); }

static void remove_file(const mg_listener *l) {
    struct stat st;
    if (l->path[0] && stat(l->path, &st) == 0 && st.st_dev == l->device && st.st_ino == l->inode) unlink(l->path);
}

void mg_listener_close(mg_listener *l) {
    if (!l) return;
    remove_file(l);
    for (size_t i = 0; i < l->n; i++) {
        if (l->places[i].fd >= 0 && (i == 0 || !l->path[0])) close(l->places[i].fd);
    }
    free(l);
}

/* ---- accepting --------------------------------------------------------------------------------------------------- */

static void on_pause_over(void *arg) {
    place *p = arg;
    p->pause = NULL;
    event_add(&p->readable, NULL);
}

static void log_failure(const place *p, int code) {
    mg_log(MG_LOG_ERROR, "accept_failed", MG_F("address", mg_listener_address(p->listener)),
           MG_F("error", mg_str_of(strerror(code))), MG_FN("retry_ms", PAUSE_MS),
           MG_F("mend", MG_STR("raise the limit on open files, or lower the limit on connections")));
}

static void rest(place *p, int code) {
    if (!p->loop || p->pause) return;
    if (!p->failing) log_failure(p, code);
    p->failing = true;
    event_del(&p->readable);
    p->pause = mg_evloop_timer(p->loop, PAUSE_MS, on_pause_over, p);
}

/* False: no more now. */
static bool accept_one(place *p) {
    any_address from = {.storage = {0}};
    socklen_t n = sizeof from;
    char peer[64];
    int fd = accept4(p->fd, &from.sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        p->failing = false;
        describe(&from, peer, sizeof peer);
        mg_server_accept(p->server, fd, mg_str_of(peer), p->tls);
        return true;
    }
    switch (errno) {
    case EINTR:
    case ECONNABORTED: return true;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: rest(p, errno); return false;
    default: return false; /* nobody is waiting, or another worker was faster */
    }
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what;
    place *p = arg;
    for (int i = 0; i < ACCEPTS_A_TURN && accept_one(p); i++) {}
}

bool mg_listener_attach(mg_listener *l, size_t i, mg_evloop *loop, mg_server *server, void *tls) {
    if (i >= l->n || l->places[i].loop) return false;
    place *p = &l->places[i];
    p->server = server;
    p->tls = tls;
    if (event_assign(&p->readable, mg_evloop_base(loop), p->fd, EV_READ | EV_PERSIST, on_acceptable, p)) return false;
    if (event_add(&p->readable, NULL)) return false;
    p->loop = loop;
    return true;
}

void mg_listener_detach(mg_listener *l, size_t i) {
    if (i >= l->n || !l->places[i].loop) return;
    place *p = &l->places[i];
    event_del(&p->readable);
    mg_evloop_timer_cancel(p->loop, p->pause);
    p->pause = NULL;
    p->loop = NULL; /* from here on an error does not make it rest */
    for (int n = 0; n < BACKLOG && accept_one(p); n++) {}
}
