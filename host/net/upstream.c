#include "net/address.h"
#include "net/upstream_call.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

struct mg_upstream {
    const mg_upstream_backend *backend;
    void *self;
};

const char *mg_upstream_end_name(mg_upstream_end e) {
    static const char *const names[] = {
        [MG_UPSTREAM_COMPLETE] = "complete",
        [MG_UPSTREAM_RESOLVE] = "resolve",
        [MG_UPSTREAM_CONNECT] = "connect",
        [MG_UPSTREAM_TLS] = "tls",
        [MG_UPSTREAM_RESET] = "reset",
        [MG_UPSTREAM_TIMEOUT_CONNECT] = "timeout_connect",
        [MG_UPSTREAM_TIMEOUT_FIRST_BYTE] = "timeout_first_byte",
        [MG_UPSTREAM_TIMEOUT_IDLE] = "timeout_idle",
        [MG_UPSTREAM_TIMEOUT_TOTAL] = "timeout_total",
        [MG_UPSTREAM_PROTOCOL] = "protocol",
        [MG_UPSTREAM_TOO_LARGE] = "too_large",
    };
    return (size_t)e < sizeof names / sizeof *names ? names[e] : "unknown";
}

/* ---- the URL and what may stand in a request --------------------------------------------------------------------- */

static bool parse_port(mg_str text, uint16_t *port) {
    int64_t n;
    if (text.n == 0 || text.p[0] < '0' || text.p[0] > '9' || !mg_str_int(text, &n) || n < 1 || n > 65535) return false;
    *port = (uint16_t)n;
    return true;
}

static bool is_v6(mg_str host) {
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    int n = snprintf(text, sizeof text, MG_STR_FMT, MG_STR_ARG(host));
    return n > 0 && (size_t)n < sizeof text && inet_pton(AF_INET6, text, &address) == 1;
}

/* Letters, digits and what else a host name or IPv4 address holds. */
static bool is_name(mg_str host) {
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alnum && c != '.' && c != '-' && c != '_') return false;
    }
    return host.n > 0 && host.n <= 253;
}

static bool parse_authority(mg_str authority, mg_upstream_url *out) {
    out->v6 = authority.n && authority.p[0] == '[';
    size_t end = out->v6 ? mg_str_find(authority, ']') : mg_str_find(authority, ':');
    if (out->v6 && end == authority.n) return false;
    out->host = out->v6 ? (mg_str){authority.p + 1, end - 1} : (mg_str){authority.p, end};
    mg_str rest = mg_str_skip(authority, out->v6 ? end + 1 : end);
    if (rest.n && (rest.p[0] != ':' || !parse_port(mg_str_skip(rest, 1), &out->port))) return false;
    return out->v6 ? is_v6(out->host) : is_name(out->host);
}

/* Visible ASCII or UTF-8, and no space: what may stand in a request line. */
static bool is_path(mg_str path, bool query_allowed) {
    for (size_t i = 0; i < path.n; i++) {
        unsigned char c = (unsigned char)path.p[i];
        if (c <= ' ' || c == 0x7f || c == '#' || (c == '?' && !query_allowed)) return false;
    }
    return true;
}

bool mg_upstream_url_parse(mg_str text, mg_upstream_url *out) {
    *out = (mg_upstream_url){0};
    if (mg_str_starts(text, MG_STR("https://"))) {
        out->tls = true;
        out->port = 443;
        text = mg_str_skip(text, 8);
    } else if (mg_str_starts(text, MG_STR("http://"))) {
        out->port = 80;
        text = mg_str_skip(text, 7);
    } else {
        return false;
    }
    size_t slash = mg_str_find(text, '/');
    out->prefix = mg_str_skip(text, slash);
    if (out->prefix.n && out->prefix.p[out->prefix.n - 1] == '/') out->prefix.n--;
    return parse_authority((mg_str){text.p, slash}, out) && is_path(out->prefix, false);
}

static bool is_token(mg_str s) {
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alnum && (c == 0 || !strchr(others, c))) return false;
    }
    return s.n > 0;
}

static bool is_value(mg_str s) {
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) return false;
    }
    return true;
}

/* What is wrong with the request, or NULL. */
static const char *fault(const mg_upstream_request *r) {
    if (!is_token(r->method) || r->method.n > 32) return "the method is not an HTTP token";
    if (r->path.n && r->path.p[0] != '/' && r->path.p[0] != '?') return "the path does not begin with a slash";
    if (!is_path(r->path, true)) return "the path holds a space, a control character or a fragment";
    for (size_t i = 0; i < r->n_headers; i++) {
        if (!is_token(r->headers[i].name)) return "a header's name is not an HTTP token";
        if (!is_value(r->headers[i].value)) return "a header's value holds a control character";
    }
    return NULL;
}

bool mg_upstream_owns_header(mg_str name) {
    switch (name.n) {
    case 2: return mg_str_ieq(name, MG_STR("te"));
    case 4: return mg_str_ieq(name, MG_STR("host"));
    case 6: return mg_str_ieq(name, MG_STR("expect"));
    case 7: return mg_str_ieq(name, MG_STR("upgrade")) || mg_str_ieq(name, MG_STR("trailer"));
    case 10: return mg_str_ieq(name, MG_STR("connection")) || mg_str_ieq(name, MG_STR("keep-alive"));
    case 14: return mg_str_ieq(name, MG_STR("content-length"));
    case 16: return mg_str_ieq(name, MG_STR("proxy-connection"));
    case 17: return mg_str_ieq(name, MG_STR("transfer-encoding"));
    default: return false;
    }
}

bool mg_upstream_wants_length(const mg_upstream_request *r) {
    return r->body.n || mg_str_is(r->method, "POST") || mg_str_is(r->method, "PUT") || mg_str_is(r->method, "PATCH");
}

void mg_upstream_call_target(const mg_upstream_call *c, mg_buf *out) {
    mg_str path = c->request.path;
    mg_buf_str(out, c->url.prefix);
    if (c->url.prefix.n == 0 && (path.n == 0 || path.p[0] != '/')) mg_buf_add(out, "/", 1);
    mg_buf_str(out, path);
}

/* ---- life of a call ---------------------------------------------------------------------------------------------- */

static void link_call(mg_upstream_core *core, mg_upstream_call *c) {
    c->next = core->calls;
    if (c->next) c->next->link = &c->next;
    c->link = &core->calls;
    core->calls = c;
    if (core->sweeping) return;
    core->sweeping = true;
    core->swept_ms = mg_evloop_now(core->loop);
    event_add(&core->sweep, &(struct timeval){.tv_usec = MG_UPSTREAM_SWEEP_MS * 1000});
}

static void free_call(void *arg) {
    mg_upstream_coding_free(arg);
    free(arg);
}

/* No more callbacks from here on. The memory lasts until the turn is over, since one of its functions may be on the stack. */
static void close_call(mg_upstream_call *c) {
    c->over = true;
    mg_upstream_coding_close(c);
    if (c->core->cursor == c) c->core->cursor = c->next;
    *c->link = c->next;
    if (c->next) c->next->link = c->link;
    mg_evloop_reap(c->core->loop, free_call, c);
}

mg_upstream_call *mg_upstream_call_open(mg_upstream_core *core, size_t size, const mg_upstream_request *r,
                                        const mg_upstream_events *e, void *arg) {
    mg_upstream_call *c = mg_calloc(1, size);
    c->core = core;
    c->request = *r;
    c->events = *e;
    c->arg = arg;
    c->starting = true;
    c->is_head = mg_str_is(r->method, "HEAD");
    c->started_ms = c->since_ms = mg_evloop_now(core->loop);
    link_call(core, c);
    const char *wrong = fault(r);
    if (wrong)
        mg_upstream_call_end(c, MG_UPSTREAM_PROTOCOL, "the request can't be sent: %s", wrong);
    else if (!mg_upstream_url_parse(r->base_url, &c->url))
        mg_upstream_call_end(c, MG_UPSTREAM_CONNECT, "base_url is not of the form http(s)://host[:port][/prefix]");
    return c;
}

void mg_upstream_call_phase(mg_upstream_call *c, mg_upstream_phase phase) {
    c->phase = phase;
    mg_upstream_call_alive(c);
}

void mg_upstream_call_head(mg_upstream_call *c, const mg_http_head *head) {
    mg_upstream_call_phase(c, MG_UPSTREAM_RECEIVING);
    bool has_body = !c->is_head && head->status != 204 && head->status != 304;
    mg_header decoded[MG_UPSTREAM_HEADERS_MAX];
    const mg_header *headers = head->headers;
    size_t n = head->n_headers;
    if (head->coded && has_body) {
        if (!mg_upstream_coding_open(c, head)) return;
        headers = decoded;
        n = mg_upstream_coding_headers(head, decoded);
    }
    if (c->events.head) c->events.head(c->arg, head->status, headers, n);
}

void mg_upstream_call_data(mg_upstream_call *c, mg_str bytes) {
    mg_upstream_call_alive(c);
    if (c->coding)
        mg_upstream_coding_data(c, bytes);
    else
        mg_upstream_call_deliver(c, bytes);
}

void mg_upstream_call_deliver(mg_upstream_call *c, mg_str bytes) {
    c->received += bytes.n;
    if (c->request.max_body && c->received > c->request.max_body) {
        mg_upstream_call_end(c, MG_UPSTREAM_TOO_LARGE, "the answer is larger than %zu bytes", c->request.max_body);
        return;
    }
    if (c->events.data) c->events.data(c->arg, bytes);
}

/* The backend has nothing to do with it any more. */
static bool is_released(const mg_upstream_call *c) {
    return c->phase == MG_UPSTREAM_DRAINING || c->phase == MG_UPSTREAM_ENDING;
}

static void note_end(mg_upstream_call *c, mg_upstream_end end, const char *format, va_list args) {
    bool cut = end == MG_UPSTREAM_COMPLETE && !mg_upstream_coding_holds(c) && !mg_upstream_coding_whole(c);
    c->result.end = cut ? MG_UPSTREAM_PROTOCOL : end;
    if (cut)
        snprintf(c->result.text, sizeof c->result.text, "the compressed answer is cut");
    else
        vsnprintf(c->result.text, sizeof c->result.text, format, args);
}

void mg_upstream_call_end(mg_upstream_call *c, mg_upstream_end end, const char *format, ...) {
    if (c->over || c->phase == MG_UPSTREAM_ENDING) return;
    va_list args;
    va_start(args, format);
    note_end(c, end, format, args);
    va_end(args);
    if (!is_released(c)) c->core->release(c);
    if (end == MG_UPSTREAM_COMPLETE && mg_upstream_coding_holds(c)) {
        c->phase = MG_UPSTREAM_DRAINING;
        return;
    }
    c->phase = MG_UPSTREAM_ENDING;
    if (c->starting) {
        mg_evloop_defer(c->core->loop, &c->core->ending);
        return;
    }
    close_call(c);
    c->events.done(c->arg, &c->result);
}

/* Calls that failed within mg_upstream_start. */
static void run_ending(void *arg) {
    mg_upstream_core *core = arg;
    for (core->cursor = core->calls; core->cursor;) {
        mg_upstream_call *c = core->cursor;
        core->cursor = c->next;
        if (c->phase != MG_UPSTREAM_ENDING) continue;
        close_call(c);
        c->events.done(c->arg, &c->result);
    }
}

/* ---- deadlines --------------------------------------------------------------------------------------------------- */

static bool passed(uint64_t limit, uint64_t since, uint64_t now) { return limit && now >= since + limit; }

/* True if a limit struck, and then the call has ended. */
static bool expire(mg_upstream_call *c, uint64_t now) {
    const mg_upstream_timeouts *t = &c->request.timeouts;
    if (c->phase == MG_UPSTREAM_ENDING) return true;
    if (passed(t->total_ms, c->started_ms, now)) {
        mg_upstream_call_end(c, MG_UPSTREAM_TIMEOUT_TOTAL, "not complete after %llu ms",
                             (unsigned long long)t->total_ms);
    } else if (c->phase == MG_UPSTREAM_CONNECTING && passed(t->connect_ms, c->since_ms, now)) {
        mg_upstream_call_end(c, MG_UPSTREAM_TIMEOUT_CONNECT, "not connected after %llu ms",
                             (unsigned long long)t->connect_ms);
    } else if (c->phase == MG_UPSTREAM_WAITING && !c->paused && passed(t->first_byte_ms, c->since_ms, now)) {
        mg_upstream_call_end(c, MG_UPSTREAM_TIMEOUT_FIRST_BYTE, "no answer after %llu ms",
                             (unsigned long long)t->first_byte_ms);
    } else if (c->phase == MG_UPSTREAM_RECEIVING && !c->paused && passed(t->idle_ms, c->since_ms, now)) {
        mg_upstream_call_end(c, MG_UPSTREAM_TIMEOUT_IDLE, "nothing came for %llu ms inside the answer",
                             (unsigned long long)t->idle_ms);
    } else {
        return false;
    }
    return true;
}

/* A turn that took long must not pass for a peer's silence: what has come meanwhile is read first. Not twice in a row, so
 * that deadlines strike on a busy loop too. */
static bool excuse(mg_upstream_core *core, uint64_t now) {
    bool late = now - core->swept_ms > 2 * MG_UPSTREAM_SWEEP_MS;
    core->excused = late && !core->excused;
    core->swept_ms = now;
    return core->excused;
}

static void on_sweep(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what;
    mg_upstream_core *core = arg;
    uint64_t now = mg_evloop_now(core->loop);
    if (excuse(core, now)) return;
    for (core->cursor = core->calls; core->cursor;) {
        mg_upstream_call *c = core->cursor;
        core->cursor = c->next;
        core->look(c, now);
        if (!c->over) expire(c, now);
    }
    bool needed = core->tidy(core, now);
    if (needed || core->calls) return;
    core->sweeping = false;
    event_del(&core->sweep);
}

/* ---- clients ----------------------------------------------------------------------------------------------------- */

bool mg_upstream_core_init(mg_upstream_core *core, mg_evloop *loop, mg_error *error) {
    core->loop = loop;
    core->ending = (mg_deferred){.run = run_ending, .arg = core};
    event_assign(&core->sweep, mg_evloop_base(loop), -1, EV_PERSIST, on_sweep, core);
    core->resolver = mg_resolver_hold(error);
    return core->resolver != NULL;
}

void mg_upstream_core_finish(mg_upstream_core *core) {
    while (core->calls) mg_upstream_cancel(core->calls);
    mg_evloop_undefer(core->loop, &core->ending);
    event_del(&core->sweep);
    mg_resolver_release(core->resolver);
}

mg_upstream *mg_upstream_create(mg_evloop *loop, const mg_upstream_backend *backend, mg_error *error) {
    void *self = backend->create(loop, error);
    if (!self) return NULL;
    mg_upstream *u = MG_NEW(mg_upstream);
    *u = (mg_upstream){backend, self};
    return u;
}

void mg_upstream_destroy(mg_upstream *u) {
    if (!u) return;
    u->backend->destroy(u->self);
    free(u);
}

mg_upstream_call *mg_upstream_start(mg_upstream *u, const mg_upstream_request *r, const mg_upstream_events *e,
                                    void *arg) {
    mg_upstream_call *c = u->backend->start(u->self, r, e, arg);
    c->starting = false;
    return c;
}

void mg_upstream_pause(mg_upstream_call *c, bool paused) {
    if (c->over || c->paused == paused) return;
    c->paused = paused;
    mg_upstream_call_alive(c);
    if (is_released(c) || mg_upstream_coding_holds(c)) {
        if (!paused && mg_upstream_coding_holds(c)) mg_upstream_coding_resume(c);
    } else {
        c->core->backend->pause(c, paused);
    }
}

void mg_upstream_cancel(mg_upstream_call *c) {
    if (!c || c->over) return;
    if (!is_released(c)) c->core->backend->cancel(c);
    close_call(c);
}

bool mg_upstream_call_admits(mg_upstream_call *c, mg_addresses *addresses) {
    if (!c->request.public_only || mg_addresses_keep_public(addresses)) return true;
    mg_upstream_call_end(c, MG_UPSTREAM_CONNECT, "the host has no address on the public internet");
    return false;
}
