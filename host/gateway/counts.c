#include "gateway/counts.h"

#include <stdlib.h>

enum { PROVIDERS = 64 };

typedef struct provider_counts {
    mg_str name; /* copied */
    mg_series *input, *output, *cost, *ttft;
} provider_counts;

struct mg_counts {
    mg_metrics *m;
    mg_series *outcomes[MG_OUTCOME_TIMEOUT + 1];
    mg_series *open, *latency;
    provider_counts providers[PROVIDERS];
    size_t n_providers;
};

static const double seconds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120};
enum { BUCKETS = sizeof seconds / sizeof seconds[0] };

mg_counts *mg_counts_create(mg_metrics *m) {
    mg_counts *c = MG_NEW(mg_counts);
    c->m = m;
    if (!m) return c;
    for (int o = 0; o <= MG_OUTCOME_TIMEOUT; o++) {
        mg_header label = {MG_STR("outcome"), mg_str_of(mg_outcome_name((mg_outcome)o))};
        c->outcomes[o] = mg_metrics_series(m, "moongate_requests_total", MG_COUNTER,
                                           "Requests of the data plane by outcome", NULL, 0, &label, 1);
    }
    c->open = mg_metrics_series(m, "moongate_requests_open", MG_GAUGE, "Requests under way", NULL, 0, NULL, 0);
    c->latency =
        mg_metrics_series(m, "moongate_request_seconds", MG_HISTOGRAM,
                          "Time from the first byte of a request to the end of its answer", seconds, BUCKETS, NULL, 0);
    return c;
}

void mg_counts_destroy(mg_counts *c) {
    if (!c) return;
    for (size_t i = 0; i < c->n_providers; i++) free((char *)(uintptr_t)c->providers[i].name.p);
    free(c);
}

static provider_counts *provider_of(mg_counts *c, mg_str name) {
    for (size_t i = 0; i < c->n_providers; i++)
        if (mg_str_eq(c->providers[i].name, name)) return &c->providers[i];
    if (c->n_providers == PROVIDERS) return NULL;
    provider_counts *p = &c->providers[c->n_providers++];
    p->name = mg_str_from(mg_strndup(name.p, name.n), name.n);
    mg_header label = {MG_STR("provider"), p->name};
    p->input = mg_metrics_series(c->m, "moongate_tokens_input_total", MG_COUNTER, "Input tokens", NULL, 0, &label, 1);
    p->output =
        mg_metrics_series(c->m, "moongate_tokens_output_total", MG_COUNTER, "Output tokens", NULL, 0, &label, 1);
    p->cost =
        mg_metrics_series(c->m, "moongate_cost_nano_usd_total", MG_COUNTER, "Cost in nano-dollars", NULL, 0, &label, 1);
    p->ttft = mg_metrics_series(c->m, "moongate_ttft_seconds", MG_HISTOGRAM, "Time to first token of streams", seconds,
                                BUCKETS, &label, 1);
    return p;
}

void mg_counts_request(mg_counts *c, const mg_request *r) {
    if (!c->m) return;
    mg_series_add(c->outcomes[r->outcome], 1);
    mg_series_observe(c->latency, (double)(r->done_us - r->started_us) / 1e6);
    provider_counts *p = r->served_by ? provider_of(c, r->served_by->provider->name) : NULL;
    if (!p) return;
    mg_series_add(p->input, r->usage.input);
    mg_series_add(p->output, r->usage.output);
    mg_series_add(p->cost, r->cost_nano);
    if (r->stream && r->first_token_us) mg_series_observe(p->ttft, (double)(r->first_token_us - r->started_us) / 1e6);
}

void mg_counts_attempt(mg_counts *c, mg_str provider, const char *kind) {
    if (!c->m) return;
    mg_header labels[] = {{MG_STR("provider"), provider}, {MG_STR("kind"), mg_str_of(kind)}};
    mg_series_add(mg_metrics_series(c->m, "moongate_attempts_failed_total", MG_COUNTER,
                                    "Attempts at a provider that failed", NULL, 0, labels, 2),
                  1);
}

void mg_counts_open(mg_counts *c, int by) { mg_series_add(c->open, by); }
