#include "app/config_listen.h"

#include "app/config_run.h"
#include "app/settings.h"

/* What is wrong with it, or NULL. Names are looked up when it is opened. */
static const char *address_fault(mg_str a) {
    size_t colon = a.n;
    int64_t port;
    if (memchr(a.p, 0, a.n)) return "must not hold a NUL";
    if (mg_str_starts(a, MG_STR("unix:"))) return a.n > 5 ? NULL : "needs a path behind unix:";
    while (colon && a.p[colon - 1] != ':') colon--;
    if (!colon) return "needs a port, as in \"127.0.0.1:8080\"";
    mg_str digits = mg_str_skip(a, colon), host = mg_str_from(a.p, colon - 1);
    if (!mg_str_int(digits, &port) || port < 0 || port > 65535 || digits.p[0] == '+' || digits.p[0] == '-')
        return "must end in a port from 0 to 65535";
    bool brackets = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    if (!brackets && mg_str_find(host, ':') < host.n)
        return "must have its IPv6 address in brackets, as in \"[::]:8080\"";
    return NULL;
}

static void read_address(const mg_json *v, mg_str shown, mg_config_report *r, mg_config_listener *out) {
    if (mg_json_kind(v) != MG_JSON_STRING) {
        mg_config_fault_at(r, v, "'" MG_STR_FMT "' must be an address such as \"127.0.0.1:8080\", got %s",
                           MG_STR_ARG(shown), mg_config_type(v));
        return;
    }
    const char *fault = address_fault(v->str);
    mg_str text = mg_str_cut(v->str, 60);
    if (fault)
        mg_config_fault_at(r, v, "'" MG_STR_FMT "': \"" MG_STR_FMT "\" %s", MG_STR_ARG(shown), MG_STR_ARG(text), fault);
    out->address = v->str;
}

static mg_str read_path(const mg_json *pair, const char *name, mg_str shown, mg_arena *arena, mg_config_report *r) {
    const mg_json *v = mg_config_member(pair, name);
    if (mg_json_kind(v) == MG_JSON_STRING && v->str.n)
        return mg_config_beside(arena, mg_config_node_of(v)->file, v->str);
    mg_config_fault_at(r, v ? v : pair, "'" MG_STR_FMT "' needs a %s: the path of a PEM file", MG_STR_ARG(shown), name);
    return (mg_str){0};
}

static void read_pair(const mg_json *v, mg_str shown, mg_arena *arena, mg_config_report *r, mg_tls_pair *out) {
    static const char *const names[] = {"cert", "key", NULL};
    mg_host_members_check(v, names, false, shown, r);
    out->cert = read_path(v, "cert", shown, arena, r);
    out->key = read_path(v, "key", shown, arena, r);
}

static void read_tls(const mg_json *v, mg_str shown, mg_arena *arena, mg_config_report *r, mg_config_listener *out) {
    bool list = mg_config_is_list(v) && v->child;
    if (!mg_config_is_table(v) || !v->child) {
        mg_config_fault_at(r, v, "'" MG_STR_FMT "' must be a list of { cert = …, key = … }", MG_STR_ARG(shown));
        return;
    }
    mg_tls_pair *pairs = mg_arena_zalloc(arena, (v->count + 1) * sizeof *pairs);
    out->tls = pairs;
    out->n_tls = list ? v->count : 1;
    if (!list) read_pair(v, shown, arena, r, pairs);
    for (const mg_json *e = list ? v->child : NULL; e; e = e->next)
        read_pair(e, mg_arena_printf(r->arena, MG_STR_FMT "[" MG_STR_FMT "]", MG_STR_ARG(shown), MG_STR_ARG(e->key)),
                  arena, r, pairs++);
}

void mg_config_listener_read(const mg_json *v, mg_str shown, mg_arena *arena, mg_config_report *r,
                             mg_config_listener *out) {
    static const char *const names[] = {"address", "tls", NULL};
    if (mg_json_kind(v) != MG_JSON_OBJECT || !v->child) {
        read_address(v, shown, r, out);
        return;
    }
    mg_host_members_check(v, names, false, shown, r);
    const mg_json *address = mg_config_member(v, "address"), *tls = mg_config_member(v, "tls");
    if (address)
        read_address(address, mg_arena_printf(r->arena, MG_STR_FMT ".address", MG_STR_ARG(shown)), r, out);
    else
        mg_config_fault_at(r, v, "'" MG_STR_FMT "' needs an address", MG_STR_ARG(shown));
    if (tls) read_tls(tls, mg_arena_printf(r->arena, MG_STR_FMT ".tls", MG_STR_ARG(shown)), arena, r, out);
}

mg_config_listener *mg_config_listeners_read(const mg_json *v, mg_str shown, mg_arena *arena, mg_config_report *r,
                                             size_t *n) {
    bool list = mg_config_is_list(v);
    mg_config_listener *out = mg_arena_zalloc(arena, ((list ? v->count : 1) + 1) * sizeof *out);
    *n = 0;
    if (!list) mg_config_listener_read(v, shown, arena, r, &out[(*n)++]);
    for (const mg_json *e = list ? v->child : NULL; e; e = e->next)
        if (e->type != MG_JSON_NULL)
            mg_config_listener_read(
                e, mg_arena_printf(r->arena, MG_STR_FMT "[" MG_STR_FMT "]", MG_STR_ARG(shown), MG_STR_ARG(e->key)),
                arena, r, &out[(*n)++]);
    if (!*n) mg_config_fault_at(r, v, "'" MG_STR_FMT "' must name at least one address", MG_STR_ARG(shown));
    return out;
}

bool mg_config_listeners_equal(const mg_config_listener *a, size_t n_a, const mg_config_listener *b, size_t n_b) {
    if (n_a != n_b) return false;
    for (size_t i = 0; i < n_a; i++) {
        if (!mg_str_eq(a[i].address, b[i].address) || a[i].n_tls != b[i].n_tls) return false;
        for (size_t k = 0; k < a[i].n_tls; k++)
            if (!mg_str_eq(a[i].tls[k].cert, b[i].tls[k].cert) || !mg_str_eq(a[i].tls[k].key, b[i].tls[k].key))
                return false;
    }
    return true;
}
