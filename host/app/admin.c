#include "app/admin.h"

#include "app/admin_providers.h"
#include "app/circuit_report.h"
#include "base/buf.h"
#include "format/format.h"

#include <stdlib.h>

struct mg_admin {
    mg_admin_options o;
    mg_server *server;
    bool draining;
};

static void reply(mg_exchange *x, int status, mg_str type, mg_buf *body) {
    const mg_header h[] = {{MG_STR("content-type"), type},
                           {MG_STR("cache-control"), MG_STR("no-store")},
                           {MG_STR("x-content-type-options"), MG_STR("nosniff")}};
    mg_exchange_reply(x, status, h, 3, mg_buf_view(body));
    mg_buf_finish(body);
}

static void reply_json(mg_exchange *x, int status, mg_buf *body) { reply(x, status, MG_STR("application/json"), body); }

static void reply_error(mg_exchange *x, int status, const char *code, const char *message) {
    mg_buf b = {0};
    const mg_fault fault = {.status = status, .code = mg_str_of(code), .message = mg_str_of(message)};
    mg_format_openai.error(&fault, &b);
    reply_json(x, status, &b);
}

/* ---- routes ------------------------------------------------------------------------------------------------------ */

static void healthz(mg_admin *a, mg_exchange *x, mg_str name) {
    (void)a, (void)name;
    mg_buf b = {0};
    mg_buf_str(&b, MG_STR("{\"status\":\"ok\",\"version\":\"" MOONGATE_VERSION "\"}"));
    reply_json(x, 200, &b);
}

static void readyz(mg_admin *a, mg_exchange *x, mg_str name) {
    (void)name;
    mg_spool_status s;
    mg_buf b = {0};
    mg_spool_status_get(a->o.gateway->spool, &s);
    mg_buf_printf(&b, "{\"ready\":%s,\"draining\":%s,\"ledger\":%s,\"spool_waiting\":%llu}",
                  a->draining ? "false" : "true", a->draining ? "true" : "false",
                  s.ledger_ok ? "\"ok\"" : "\"away: usage waits in the spool\"", (unsigned long long)s.waiting);
    reply_json(x, a->draining ? 503 : 200, &b);
}

static void set_gauge(mg_metrics *m, const char *name, const char *help, int64_t value) {
    mg_series_set(mg_metrics_series(m, name, MG_GAUGE, help, NULL, 0, NULL, 0), value);
}

static void metrics(mg_admin *a, mg_exchange *x, mg_str name) {
    (void)name;
    mg_metrics *m = a->o.gateway->metrics;
    mg_workers_stats w;
    mg_spool_status s;
    mg_buf b = {0};
    mg_workers_stats_get(a->o.workers, &w);
    mg_spool_status_get(a->o.gateway->spool, &s);
    set_gauge(m, "moongate_policy_states", "Lua states alive", (int64_t)w.policy.states);
    set_gauge(m, "moongate_policy_bytes", "Memory in Lua states", (int64_t)w.policy.bytes);
    set_gauge(m, "moongate_policy_states_built", "Lua states built since the start", (int64_t)w.policy.built);
    set_gauge(m, "moongate_policy_kills", "Policy calls ended by the leash since the start", (int64_t)w.policy.killed);
    set_gauge(m, "moongate_policy_suspensions", "Policies suspended since the start", (int64_t)w.policy.suspended);
    set_gauge(m, "moongate_spool_bytes", "Size of the usage spool", (int64_t)s.bytes);
    set_gauge(m, "moongate_ledger_up", "1 if the ledger takes rows", s.ledger_ok);
    mg_metrics_write(m, &b);
    mg_circuit_metrics(a->o.gateway, &b);
    reply(x, 200, MG_STR("text/plain; version=0.0.4; charset=utf-8"), &b);
}

static void policies(mg_admin *a, mg_exchange *x, mg_str name) {
    (void)name;
    mg_buf b = {0};
    mg_reloader_describe(a->o.reloader, &b);
    reply_json(x, 200, &b);
}

static void policies_reload(mg_admin *a, mg_exchange *x, mg_str name) {
    (void)name;
    mg_error error = {0};
    mg_buf b = {0};
    a->o.reload(a->o.arg);
    mg_status st = mg_reloader_reload(a->o.reloader, true, &error);
    mg_reloader_describe(a->o.reloader, &b);
    reply_json(x, st == MG_OK ? 200 : 422, &b);
}

static void providers(mg_admin *a, mg_exchange *x, mg_str name) {
    (void)name;
    mg_buf b = {0};
    mg_admin_providers_write(a->o.gateway, &b);
    reply_json(x, 200, &b);
}

static void provider_switch(mg_admin *a, mg_exchange *x, mg_str name, bool on) {
    mg_error error = {0};
    mg_buf b = {0};
    mg_status st = mg_admin_provider_switch(a->o.gateway, name, on, mg_str_from(x->body, x->n_body), &b, &error);
    if (st == MG_OK)
        reply_json(x, 200, &b);
    else
        reply_error(x, error.http, error.code, error.text);
}

static void provider_disable(mg_admin *a, mg_exchange *x, mg_str name) { provider_switch(a, x, name, false); }
static void provider_enable(mg_admin *a, mg_exchange *x, mg_str name) { provider_switch(a, x, name, true); }

typedef struct route {
    const char *method, *path; /* one segment of the path may be '*': `name` */
    bool guarded; /* needs the bearer token */
    void (*serve)(mg_admin *a, mg_exchange *x, mg_str name);
} route;

static const route routes[] = {
    {"GET", "/healthz", false, healthz},
    {"GET", "/readyz", false, readyz},
    {"GET", "/metrics", false, metrics},
    {"GET", "/admin/v1/policies", true, policies},
    {"POST", "/admin/v1/policies/reload", true, policies_reload},
    {"GET", "/admin/v1/providers", true, providers},
    {"POST", "/admin/v1/providers/*/disable", true, provider_disable},
    {"POST", "/admin/v1/providers/*/enable", true, provider_enable},
};

/* ---- who may ask ------------------------------------------------------------------------------------------------- */

static mg_str host_name(mg_str host) {
    if (host.n && host.p[0] == '[') return mg_str_from(host.p, mg_str_find(host, ']') + 1);
    return mg_str_from(host.p, mg_str_find(host, ':'));
}

/* A browser that a foreign page drives here by DNS rebinding still names that page's host: only addresses and localhost
 * pass, and no other origin. */
static bool host_ok(const mg_admin *a, mg_exchange *x) {
    mg_str host = host_name(mg_exchange_header(x, MG_STR("host"))), origin = mg_exchange_header(x, MG_STR("origin"));
    bool literal = host.n > 0;
    for (size_t i = 0; i < host.n; i++)
        if (!strchr("0123456789.:[]abcdefABCDEF", host.p[i])) literal = false;
    if (!literal && !mg_str_ieq(host, MG_STR("localhost")) &&
        !mg_str_starts(mg_listener_address(a->o.listener), MG_STR("unix:")))
        return false;
    if (!origin.n) return true;
    size_t slashes = 0;
    while (slashes + 2 < origin.n && memcmp(origin.p + slashes, "://", 3) != 0) slashes++;
    return mg_str_eq(host_name(mg_str_skip(origin, slashes + 3)), host);
}

static bool token_ok(const mg_admin *a, const mg_exchange *x) {
    mg_str v = mg_exchange_header(x, MG_STR("authorization"));
    if (v.n < 8 || strncasecmp(v.p, "bearer ", 7) != 0) return false;
    return mg_str_eq_secret(mg_str_trim(mg_str_skip(v, 7)), a->o.token);
}

static bool path_matches(mg_str path, const char *pattern, mg_str *name) {
    size_t before = strcspn(pattern, "*");
    *name = MG_STR("");
    if (!pattern[before]) return mg_str_is(path, pattern);
    if (!mg_str_starts(path, mg_str_from(pattern, before))) return false;
    path = mg_str_skip(path, before);
    *name = mg_str_from(path.p, mg_str_find(path, '/'));
    return name->n && mg_str_is(mg_str_skip(path, name->n), pattern + before + 1);
}

static void on_request(void *ctx, mg_exchange *x) {
    mg_admin *a = ctx;
    mg_str name;
    bool path_known = false;
    if (!host_ok(a, x)) {
        reply_error(x, 403, "host_not_allowed",
                    "The admin plane answers to addresses and 'localhost' only, and to pages of its own.");
        return;
    }
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        const route *ro = &routes[i];
        if (!path_matches(x->path, ro->path, &name)) continue;
        path_known = true;
        if (!mg_str_is(x->method, ro->method)) continue;
        if (ro->guarded && !token_ok(a, x))
            reply_error(x, 401, "invalid_token",
                        "Send the admin token as 'Authorization: Bearer …': it stands in data_dir/admin-token unless "
                        "admin.token is configured.");
        else
            ro->serve(a, x, name);
        return;
    }
    if (path_known)
        reply_error(x, 405, "method_not_allowed", "This route does not take that method.");
    else
        reply_error(x, 404, "unknown_route",
                    "There is no such route. There are /healthz, /readyz, /metrics, /admin/v1/policies, "
                    "/admin/v1/policies/reload, /admin/v1/providers, /admin/v1/providers/NAME/disable and …/enable.");
}

static void on_gone(void *ctx, mg_exchange *x) { (void)ctx, (void)x; }

static void on_refuse(void *ctx, int status, mg_str message, mg_buf *body) {
    (void)ctx;
    const mg_fault fault = {.status = status, .message = message};
    mg_format_openai.error(&fault, body);
}

mg_admin *mg_admin_create(const mg_admin_options *o, mg_error *error) {
    mg_admin *a = MG_NEW(mg_admin);
    mg_server_limits limits = mg_server_limits_default();
    const mg_server_handler handler = {a, NULL, on_request, NULL, on_gone, on_refuse};
    limits.body_bytes = 1 << 20;
    limits.connections = 256;
    a->o = *o;
    a->server = mg_server_create(o->loop, &handler, &limits, o->gateway->metrics, "admin");
    if (mg_listener_attach(o->listener, 0, o->loop, a->server, o->tls)) return a;
    mg_fail(error, 0, "listen", "the admin plane can't accept on %.*s", MG_STR_ARG(mg_listener_address(o->listener)));
    mg_admin_destroy(a);
    return NULL;
}

void mg_admin_destroy(mg_admin *a) {
    if (!a) return;
    mg_listener_detach(a->o.listener, 0);
    mg_server_destroy(a->server);
    free(a);
}

void mg_admin_draining(mg_admin *a) { a->draining = true; }
