#include "gateway/fetch.h"

#include "gateway/worker.h"

#include <stdio.h>
#include <stdlib.h>

enum { BODY_MAX = 1 << 20, TIMEOUT_MS = 5000 };

/* On the heap: it outlives the request that asked for it when that is cancelled inside a callback. */
struct mg_fetch {
    mg_worker *worker;
    mg_arena *arena;
    mg_upstream_call *call;
    mg_upstream_request request;
    mg_buf body;
    int status;
    mg_header *headers;
    size_t n_headers;
    mg_fetch_done done;
    void *arg;
};

static void reap(void *object) {
    mg_fetch *f = object;
    mg_buf_finish(&f->body);
    mg_arena_destroy(f->arena);
    free(f);
}

static void on_head(void *arg, int status, const mg_header *h, size_t n) {
    mg_fetch *f = arg;
    f->status = status;
    f->headers = mg_arena_alloc(f->arena, (n ? n : 1) * sizeof *h);
    f->n_headers = n;
    for (size_t i = 0; i < n; i++)
        f->headers[i] = (mg_header){mg_arena_dup(f->arena, h[i].name), mg_arena_dup(f->arena, h[i].value)};
}

static void on_data(void *arg, mg_str bytes) {
    mg_fetch *f = arg;
    mg_buf_str(&f->body, bytes); /* the client stops at max_body */
}

static void on_done(void *arg, const mg_upstream_result *result) {
    mg_fetch *f = arg;
    f->call = NULL;
    mg_evloop_reap(f->worker->loop, reap, f);
    if (result->end == MG_UPSTREAM_COMPLETE) {
        mg_fetch_result r = {f->status, f->headers, f->n_headers, mg_buf_view(&f->body)};
        f->done(f->arg, &r, NULL);
        return;
    }
    mg_error error = {0};
    mg_fail(&error, 0, mg_upstream_end_name(result->end), "http.request failed: %s", result->text);
    f->done(f->arg, NULL, &error);
}

/* Splits "https://host[:port]/path?query" into what precedes the path and the rest. */
static mg_status split_url(mg_str url, mg_str *base, mg_str *host, mg_str *path, mg_error *error) {
    size_t scheme = mg_str_starts(url, MG_STR("https://")) ? 8 : mg_str_starts(url, MG_STR("http://")) ? 7 : 0;
    mg_str rest = mg_str_skip(url, scheme);
    size_t end = 0;
    while (end < rest.n && rest.p[end] != '/' && rest.p[end] != '?' && rest.p[end] != '#') end++;
    *host = mg_str_from(rest.p, end);
    *base = mg_str_from(url.p, scheme + end);
    *path = mg_str_skip(rest, end);
    for (size_t i = 0; i < url.n; i++)
        if ((unsigned char)url.p[i] <= ' ' || url.p[i] == 127) scheme = 0;
    if (!scheme || !end || mg_str_find(*host, '@') < host->n || mg_str_find(*path, '#') < path->n)
        return mg_fail(
            error, 0, "url",
            "http.request: 'url' must be http:// or https:// with a host, without credentials, spaces or '#'");
    return MG_OK;
}

static bool allowed(const mg_snapshot *s, mg_str host) {
    mg_str name = host.p[0] == '[' ? host : mg_str_from(host.p, mg_str_find(host, ':'));
    for (size_t i = 0; i < s->n_http_allow; i++)
        if (mg_str_glob(s->http_allow[i], host) || mg_str_glob(s->http_allow[i], name)) return true;
    return false;
}

static void copy_request(mg_fetch *f, const mg_fetch_request *r, mg_str base, mg_str path) {
    mg_header *h = mg_arena_alloc(f->arena, (r->n_headers ? r->n_headers : 1) * sizeof *h);
    for (size_t i = 0; i < r->n_headers; i++)
        h[i] = (mg_header){mg_arena_dup(f->arena, r->headers[i].name), mg_arena_dup(f->arena, r->headers[i].value)};
    uint64_t ms = r->timeout_ms && r->timeout_ms < TIMEOUT_MS ? r->timeout_ms : TIMEOUT_MS;
    mg_str target = path.n && path.p[0] == '/' ? mg_arena_dup(f->arena, path)
                                               : mg_arena_printf(f->arena, "/%.*s", MG_STR_ARG(path));
    f->request =
        (mg_upstream_request){.method = mg_arena_dup(f->arena, r->method),
                              .base_url = mg_arena_dup(f->arena, base),
                              .path = target,
                              .headers = h,
                              .n_headers = r->n_headers,
                              .body = mg_arena_dup(f->arena, r->body),
                              .timeouts = {.connect_ms = ms, .first_byte_ms = ms, .idle_ms = ms, .total_ms = ms},
                              .max_body = BODY_MAX};
}

mg_fetch *mg_fetch_start(mg_worker *w, const mg_snapshot *s, const mg_fetch_request *r, mg_fetch_done done, void *arg,
                         mg_error *error) {
    static const mg_upstream_events events = {on_head, on_data, on_done};
    mg_str base, host, path;
    if (split_url(r->url, &base, &host, &path, error) != MG_OK) return NULL;
    if (s && !allowed(s, host)) {
        mg_fail(error, 0, "host",
                "http.request: the configuration does not allow the host '%.*s': add it to http.allow",
                (int)(host.n < 200 ? host.n : 200), host.p);
        return NULL;
    }
    mg_fetch *f = MG_NEW(mg_fetch);
    f->worker = w;
    f->arena = mg_arena_create(2048);
    f->body.max = BODY_MAX;
    f->done = done;
    f->arg = arg;
    copy_request(f, r, base, path);
    f->request.public_only = s && !s->http_private;
    f->call = mg_upstream_start(w->upstream, &f->request, &events, f);
    return f;
}

void mg_fetch_cancel(mg_fetch *f) {
    if (!f || !f->call) return;
    mg_upstream_cancel(f->call);
    f->call = NULL;
    mg_evloop_reap(f->worker->loop, reap, f);
}
