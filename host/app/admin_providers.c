#include "app/admin_providers.h"

#include "base/clock.h"

#include <stdlib.h>

enum { FOR_MAX_S = 366 * 86400 };

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* The circuits of one provider are written one after the other, those of all others passed over. */
typedef struct writing {
    mg_buf *out;
    mg_str provider;
    bool any;
} writing;

/* Microseconds as seconds; unknown is null. */
static void write_seconds(mg_buf *out, const char *name, int64_t us) {
    if (us < 0)
        mg_buf_printf(out, ",\"%s\":null", name);
    else
        mg_buf_printf(out, ",\"%s\":%.6g", name, (double)us / 1e6);
}

/* Null: not by itself. */
static void write_wait(mg_buf *out, uint64_t ms) {
    if (ms == UINT64_MAX)
        mg_buf_str(out, MG_STR(",\"wait_seconds\":null"));
    else
        mg_buf_printf(out, ",\"wait_seconds\":%.9g", (double)ms / 1000);
}

static void write_circuit(void *arg, const mg_circuit_stats *s) {
    writing *w = arg;
    mg_buf *out = w->out;
    if (!mg_str_eq(s->provider, w->provider)) return;
    mg_buf_str(out, w->any ? MG_STR(",{\"model\":") : MG_STR("{\"model\":"));
    w->any = true;
    mg_buf_json(out, s->model);
    mg_buf_printf(out, ",\"state\":\"%s\",\"forced\":%s,\"held\":%s", mg_circuit_state_name(s->state),
                  s->forced ? "true" : "false", s->held ? "true" : "false");
    write_wait(out, s->wait_ms);
    mg_buf_printf(out, ",\"calls\":%llu,\"errors\":%llu,\"error_rate\":%.6g,\"in_flight\":%u",
                  (unsigned long long)s->calls, (unsigned long long)s->errors, s->error_rate, s->in_flight);
    write_seconds(out, "ttft_p50_seconds", s->ttft_p50_us);
    write_seconds(out, "ttft_p95_seconds", s->ttft_p95_us);
    if (s->tokens_per_s > 0)
        mg_buf_printf(out, ",\"tokens_per_second\":%.6g", s->tokens_per_s);
    else
        mg_buf_str(out, MG_STR(",\"tokens_per_second\":null"));
    mg_buf_printf(out, ",\"calls_total\":%llu,\"errors_total\":%llu,\"opened_total\":%llu}",
                  (unsigned long long)s->calls_total, (unsigned long long)s->errors_total,
                  (unsigned long long)s->opened_total);
}

static void write_switch(mg_buf *out, mg_circuits *t, mg_str name, uint64_t now_ms) {
    mg_circuit_state state = MG_CIRCUIT_CLOSED;
    uint64_t until = 0;
    bool off = mg_circuits_forced(t, name, now_ms, &state, &until) && state == MG_CIRCUIT_OPENED;
    mg_buf_printf(out, ",\"state\":\"%s\",\"disabled_until\":", off ? "disabled" : "enabled");
    if (off && until != UINT64_MAX) {
        char iso[25];
        mg_clock_iso(mg_clock_unix_ms() + (int64_t)(until - now_ms), iso);
        mg_buf_printf(out, "\"%s\"", iso);
    } else {
        mg_buf_str(out, MG_STR("null"));
    }
}

static void write_provider(mg_buf *out, mg_circuits *t, const mg_provider_use *p, uint64_t now_ms) {
    writing w = {out, p->name, false};
    mg_buf_str(out, MG_STR("{\"name\":"));
    mg_buf_json(out, p->name);
    mg_buf_str(out, MG_STR(",\"plugin\":"));
    mg_buf_json(out, mg_str_of(mg_use_plugin(p->use)->name));
    write_switch(out, t, p->name, now_ms);
    mg_buf_printf(out, ",\"keys\":%zu,\"keys_resting\":%zu,\"circuits\":[",
                  p->keyring ? p->n_api_keys : p->api_key.n > 0,
                  p->keyring ? mg_keyring_resting(p->keyring, now_ms) : 0);
    mg_circuits_each(t, now_ms, write_circuit, &w);
    mg_buf_str(out, MG_STR("]}"));
}

void mg_admin_providers_write(mg_gateway *g, mg_buf *out) {
    mg_snapshot *s = mg_gateway_snapshot(g);
    uint64_t now_ms = mg_clock_mono_ms();
    mg_buf_str(out, MG_STR("{\"providers\":["));
    for (size_t i = 0; i < s->n_providers; i++) {
        if (i) mg_buf_str(out, MG_STR(","));
        write_provider(out, g->circuits, &s->providers[i], now_ms);
    }
    mg_buf_str(out, MG_STR("]}"));
    mg_snapshot_unref(s);
}

/* ---- switching --------------------------------------------------------------------------------------------------- */

typedef struct order {
    uint64_t for_ms; /* 0: until somebody says otherwise */
    mg_str model;
} order;

static mg_status bad_for(mg_error *error) {
    return mg_fail(error, 400, "invalid_request",
                   "'for' is a time such as \"30m\", \"2h\" or a number of seconds, more than 0 and up to 366 days.");
}

static mg_status read_for(const mg_json *v, order *o, mg_error *error) {
    bool seconds = mg_json_kind(v) == MG_JSON_NUMBER;
    if (!seconds && mg_json_kind(v) != MG_JSON_STRING) return bad_for(error);
    if (!mg_duration_parse(v->str, &o->for_ms) || o->for_ms == 0 || o->for_ms > (uint64_t)FOR_MAX_S * 1000)
        return bad_for(error);
    return MG_OK;
}

static mg_status read_order(const mg_json *root, bool on, order *o, mg_error *error) {
    if (mg_json_kind(root) != MG_JSON_OBJECT)
        return mg_fail(error, 400, "invalid_request", "The body is a JSON object, or nothing.");
    for (const mg_json *e = root->child; e; e = e->next) {
        if (mg_str_is(e->key, "model") && mg_json_kind(e) == MG_JSON_STRING && e->str.n) {
            o->model = e->str;
        } else if (mg_str_is(e->key, "for") && !on) {
            if (read_for(e, o, error) != MG_OK) return MG_ERROR;
        } else {
            return mg_fail(error, 400, "invalid_request",
                           "'" MG_STR_FMT "' is not understood here: there are \"model\" (a name)%s.",
                           MG_STR_ARG(mg_str_cut(e->key, 60)), on ? "" : " and \"for\" (a time)");
        }
    }
    return MG_OK;
}

static const mg_provider_use *find(const mg_snapshot *s, mg_str name, mg_error *error) {
    const mg_provider_use *p = mg_snapshot_provider(s, name);
    const mg_provider_use *nearest = NULL;
    size_t best = name.n / 2 + 1;
    if (p) return p;
    for (size_t i = 0; i < s->n_providers; i++) {
        size_t d = mg_str_distance(name, s->providers[i].name);
        if (d < best) best = d, nearest = &s->providers[i];
    }
    mg_fail(error, 404, "unknown_provider", "There is no provider '" MG_STR_FMT "'%s" MG_STR_FMT "%s",
            MG_STR_ARG(mg_str_cut(name, 64)), nearest ? "; did you mean '" : ".",
            MG_STR_ARG(nearest ? nearest->name : MG_STR("")), nearest ? "'?" : "");
    return NULL;
}

/* Names of a provider's circuits live as long as the table. */
typedef struct models {
    mg_str provider;
    mg_str *v;
    size_t n, room;
} models;

static void add_model(void *arg, const mg_circuit_stats *s) {
    models *m = arg;
    if (!s->forced || !mg_str_eq(s->provider, m->provider)) return;
    if (m->n == m->room) {
        m->room = m->room ? m->room * 2 : 16;
        m->v = mg_realloc(m->v, m->room * sizeof *m->v);
    }
    m->v[m->n++] = s->model;
}

static void lift_models(mg_circuits *t, mg_str provider, uint64_t now_ms) {
    models m = {.provider = provider};
    mg_circuits_each(t, now_ms, add_model, &m);
    for (size_t i = 0; i < m.n; i++) mg_circuits_force(t, provider, m.v[i], MG_CIRCUIT_CLOSED, 0, now_ms);
    free(m.v);
}

static mg_status apply(mg_circuits *t, mg_str provider, bool on, const order *o, mg_error *error) {
    uint64_t now_ms = mg_clock_mono_ms(), until = on ? 0 : o->for_ms ? now_ms + o->for_ms : UINT64_MAX;
    if (!mg_circuits_force(t, provider, o->model, on ? MG_CIRCUIT_CLOSED : MG_CIRCUIT_OPENED, until, now_ms))
        return mg_fail(error, 422, "too_many_targets",
                       "There is no room for one more target, or the model's name is longer than %d bytes.",
                       MG_CIRCUIT_NAME_MAX);
    if (on && !o->model.n) lift_models(t, provider, now_ms);
    return MG_OK;
}

mg_status mg_admin_provider_switch(mg_gateway *g, mg_str name, bool on, mg_str body, mg_buf *out, mg_error *error) {
    mg_snapshot *s = mg_gateway_snapshot(g);
    mg_arena *arena = mg_arena_create(1024);
    mg_json_parser *parser = mg_json_parser_create();
    const mg_json *root = NULL;
    order o = {.model = MG_STR("")};
    const mg_provider_use *p = find(s, name, error);
    mg_status status = p ? MG_OK : MG_ERROR;
    if (status == MG_OK && body.n) status = mg_json_parse_copy(parser, arena, body, &root, error);
    if (status == MG_OK && body.n) status = read_order(root, on, &o, error);
    if (status == MG_OK) status = apply(g->circuits, p->name, on, &o, error);
    if (status == MG_OK) write_provider(out, g->circuits, p, mg_clock_mono_ms());
    mg_json_parser_destroy(parser);
    mg_arena_destroy(arena);
    mg_snapshot_unref(s);
    return status;
}
