#include "app/circuit_report.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

enum { TARGETS_MAX = 2000, LABEL_MAX = 200, FIELDS_MAX = 10 };

/* ---- changes ----------------------------------------------------------------------------------------------------- */

static void count(mg_metrics *m, const mg_circuit_change *c) {
    const mg_header labels[] = {{MG_STR("provider"), c->provider},
                                {MG_STR("model"), c->circuit ? c->model : MG_STR("*")},
                                {MG_STR("to"), mg_str_of(mg_circuit_state_name(c->to))}};
    mg_series_add(mg_metrics_series(m, "moongate_circuit_changes_total", MG_COUNTER,
                                    "Changes of circuit breakers, by the state that they went to", NULL, 0, labels, 3),
                  1);
}

void mg_circuit_report(void *metrics, const mg_circuit_change *c) {
    mg_field f[FIELDS_MAX];
    size_t n = 0;
    f[n++] = MG_F("provider", c->provider);
    if (c->circuit) f[n++] = MG_F("model", c->model);
    f[n++] = MG_F("from", mg_str_of(mg_circuit_state_name(c->from)));
    f[n++] = MG_F("to", mg_str_of(mg_circuit_state_name(c->to)));
    f[n++] = MG_F("reason", mg_str_of(mg_circuit_reason_name(c->reason)));
    f[n++] = MG_FN("number", c->number);
    if (c->reason == MG_CIRCUIT_BY_ERRORS || c->reason == MG_CIRCUIT_BY_SLOWNESS) {
        f[n++] = MG_FN("calls", c->calls);
        f[n++] = MG_FN("errors", c->errors);
        f[n++] = MG_FN("slow", c->slow);
    }
    if (c->to == MG_CIRCUIT_OPENED && c->open_ms && c->open_ms != UINT64_MAX) f[n++] = MG_FN("open_ms", c->open_ms);
    mg_log_level level = c->to == MG_CIRCUIT_OPENED ? MG_LOG_WARN : MG_LOG_INFO;
    if (mg_log_on(level)) mg_log_fields(level, "circuit", f, n);
    count(metrics, c);
}

/* ---- gauges ------------------------------------------------------------------------------------------------------ */

typedef struct gathered {
    mg_circuit_stats *v;
    size_t n, room;
} gathered;

static void gather(void *arg, const mg_circuit_stats *s) {
    gathered *g = arg;
    if (g->n == TARGETS_MAX) return;
    if (g->n == g->room) {
        g->room = g->room ? g->room * 2 : 32;
        g->v = mg_realloc(g->v, g->room * sizeof *g->v);
    }
    g->v[g->n++] = *s;
}

static void write_value(mg_buf *out, mg_str value) {
    value = mg_str_cut(value, LABEL_MAX);
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (c == '\n')
            mg_buf_str(out, MG_STR("\\n"));
        else
            mg_buf_printf(out, c == '"' || c == '\\' ? "\\%c" : "%c", c);
    }
}

static void write_series(mg_buf *out, const char *name, const mg_circuit_stats *s, const char *quantile, double value) {
    mg_buf_printf(out, "%s{provider=\"", name);
    write_value(out, s->provider);
    mg_buf_str(out, MG_STR("\",model=\""));
    write_value(out, s->model);
    if (quantile) mg_buf_printf(out, "\",quantile=\"%s", quantile);
    mg_buf_printf(out, "\"} %.9g\n", value);
}

static void write_head(mg_buf *out, const char *name, const char *help) {
    mg_buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static double state_value(mg_circuit_state s) { return s == MG_CIRCUIT_OPENED ? 2 : s == MG_CIRCUIT_HALF_OPEN ? 1 : 0; }

static void write_circuits(const gathered *all, mg_buf *out) {
    static const char state[] = "moongate_circuit_state", ttft[] = "moongate_provider_ttft_seconds";
    write_head(out, state, "0: closed, 1: half open, 2: open");
    for (size_t i = 0; i < all->n; i++) write_series(out, state, &all->v[i], NULL, state_value(all->v[i].state));
    write_head(out, ttft, "Time to first token, about the last minute");
    for (size_t i = 0; i < all->n; i++) {
        const mg_circuit_stats *s = &all->v[i];
        if (s->ttft_p50_us >= 0) write_series(out, ttft, s, "0.5", (double)s->ttft_p50_us / 1e6);
        if (s->ttft_p95_us >= 0) write_series(out, ttft, s, "0.95", (double)s->ttft_p95_us / 1e6);
    }
}

static void write_keys(const mg_snapshot *s, uint64_t now_ms, mg_buf *out) {
    static const char name[] = "moongate_provider_keys_resting";
    write_head(out, name, "API keys that rest since the vendor refused them, of providers with several");
    for (size_t i = 0; i < s->n_providers; i++) {
        if (!s->providers[i].keyring) continue;
        mg_buf_printf(out, "%s{provider=\"", name);
        write_value(out, s->providers[i].name);
        mg_buf_printf(out, "\"} %zu\n", mg_keyring_resting(s->providers[i].keyring, now_ms));
    }
}

void mg_circuit_metrics(mg_gateway *g, mg_buf *out) {
    gathered all = {0};
    uint64_t now_ms = mg_clock_mono_ms();
    mg_snapshot *s = mg_gateway_snapshot(g);
    mg_circuits_each(g->circuits, now_ms, gather, &all);
    write_circuits(&all, out);
    write_keys(s, now_ms, out);
    mg_snapshot_unref(s);
    free(all.v);
}
