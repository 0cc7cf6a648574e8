#include "gateway/usage.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/money.h"
#include "gateway/counts.h"
#include "gateway/limits.h"
#include "gateway/route.h"
#include "gateway/tokens.h"

#include <stdio.h>

/* ---- decisions --------------------------------------------------------------------------------------------------- */

mg_str mg_decisions_json(const mg_request *r) {
    mg_buf b = {.max = 64 * 1024};
    if (!r->decisions) return MG_STR("[]");
    for (const mg_decision *d = r->decisions; d; d = d->next) {
        mg_buf_str(&b, d == r->decisions ? MG_STR("[{\"phase\":") : MG_STR(",{\"phase\":"));
        mg_buf_json(&b, d->phase);
        mg_buf_str(&b, MG_STR(",\"rule\":"));
        mg_buf_json(&b, d->rule);
        mg_buf_str(&b, MG_STR(",\"action\":"));
        mg_buf_json(&b, d->action);
        if (d->detail.n) mg_buf_printf(&b, ",%.*s", MG_STR_ARG(d->detail));
        mg_buf_str(&b, MG_STR("}"));
    }
    mg_buf_str(&b, MG_STR("]"));
    mg_str out = b.over ? MG_STR("[]") : mg_arena_dup(r->arena, mg_buf_view(&b));
    mg_buf_finish(&b);
    return out;
}

/* ---- cost -------------------------------------------------------------------------------------------------------- */

int64_t mg_usage_cost(const mg_snapshot *s, const mg_target *t, const mg_usage *u, bool *known) {
    const mg_price *price = mg_target_price(s, t);
    mg_price ceiling = {.input = s->unknown_model_nano_per_million,
                        .output = s->unknown_model_nano_per_million,
                        .cached = -1,
                        .cache_write = -1,
                        .audio_input = -1,
                        .audio_output = -1};
    *known = price != NULL;
    return mg_price_cost(price ? price : &ceiling, u);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static mg_str tags_json(const mg_request *r) {
    mg_buf b = {.max = 16 * 1024};
    if (!r->n_tags && !r->client_tags.n) return (mg_str){0};
    mg_buf_str(&b, MG_STR("{"));
    for (size_t i = 0; i < r->n_tags; i++) {
        if (i) mg_buf_str(&b, MG_STR(","));
        mg_buf_json(&b, r->tags[i].name);
        mg_buf_str(&b, MG_STR(":"));
        mg_buf_json(&b, r->tags[i].value);
    }
    if (r->client_tags.n) {
        mg_buf_str(&b, r->n_tags ? MG_STR(",\"client_tags\":") : MG_STR("\"client_tags\":"));
        mg_buf_json(&b, r->client_tags);
    }
    mg_buf_str(&b, MG_STR("}"));
    mg_str out = b.over ? (mg_str){0} : mg_arena_dup(r->arena, mg_buf_view(&b));
    mg_buf_finish(&b);
    return out;
}

static mg_usage_row row_of_request(const mg_request *r) {
    mg_usage_row row = {.size = sizeof row,
                        .attempt = r->attempt_no,
                        .org = r->org->id,
                        .session = r->session,
                        .model_asked = r->model_asked,
                        .operation = mg_operation_name(r->operation),
                        .client_request_id = r->client_request_id,
                        .stream = r->stream,
                        .ttft_ms = -1,
                        .generation = r->generation,
                        .metadata = tags_json(r)};
    memcpy(row.request_id, r->id, sizeof row.request_id);
    row.user = r->key && r->key->user.n ? r->key->user : r->user;
    if (r->key) {
        row.key_id = r->key->id;
        row.team = r->key->team;
    }
    row.usage.size = sizeof row.usage;
    row.created_ms = mg_clock_unix_ms();
    return row;
}

static mg_usage_row row_of_attempt(const mg_attempt *a) {
    mg_usage_row row = row_of_request(a->r);
    memcpy(row.attempt_id, a->id, sizeof row.attempt_id);
    row.attempt = a->no;
    row.provider = a->target->provider->name;
    row.model = a->target->model;
    row.upstream_id = a->request_id.n ? a->request_id : a->upstream_id;
    row.latency_ms = (int64_t)((mg_clock_mono_us() - a->started_us) / 1000);
    row.created_ms -= row.latency_ms;
    if (a->first_token_us) row.ttft_ms = (int64_t)((a->first_token_us - a->started_us) / 1000);
    return row;
}

mg_status mg_usage_start(mg_attempt *a, mg_error *error) {
    mg_usage_row row = row_of_attempt(a);
    bool known;
    row.outcome = MG_STR("interrupted");
    row.precision = MG_STR("estimated");
    row.usage.input = a->r->tokens_input;
    row.cost_nano_usd = mg_usage_cost(a->r->snapshot, a->target, &row.usage, &known);
    /* A worker without a spool is that of a spec: nothing leaves it. */
    return a->r->worker->spool ? mg_spool_start(a->r->worker->spool, &row, error) : MG_OK;
}

static mg_str precision_name(mg_precision p) {
    return p == MG_EXACT ? MG_STR("exact") : p == MG_COUNTED ? MG_STR("counted") : MG_STR("estimated");
}

/* What the attempt used: the vendor's own figures, or what was counted as it passed. A failure without an answer used
 * nothing that a vendor bills. */
static void usage_of_attempt(mg_attempt *a, mg_usage *u, mg_precision *precision) {
    *u = (mg_usage){.size = sizeof *u};
    *precision = MG_EXACT;
    if (a->usage_known && a->r->operation != MG_OP_COUNT_TOKENS) {
        *u = a->usage;
    } else if (a->r->operation == MG_OP_COUNT_TOKENS || a->r->operation == MG_OP_MODERATIONS) {
        return; /* not billed */
    } else if (a->counted || (a->status >= 200 && a->status < 300) || a->given_up) {
        mg_error ignored;
        mg_request_sync(a->r, &ignored); /* what policies added counts */
        u->input = mg_tokens_request(a->r->root, a->target->model);
        u->output = a->counted;
        *precision = a->counted ? MG_COUNTED : MG_ESTIMATED;
    }
}

static void write_end(mg_request *r, const mg_usage_row *row) {
    mg_error error = {0};
    if (!r->worker->spool || mg_spool_end(r->worker->spool, row, &error) == MG_OK) return;
    /* The start record stands: the attempt is in the ledger as interrupted after a restart. The log holds the figures. */
    mg_log(MG_LOG_ERROR, "usage_not_recorded", MG_F("request", mg_str_from(row->request_id, 36)),
           MG_F("error", mg_str_of(error.text)), MG_FN("input", row->usage.input), MG_FN("output", row->usage.output),
           MG_FN("cost_nano_usd", row->cost_nano_usd));
}

static mg_precision fill_usage(mg_attempt *a, mg_usage_row *row) {
    mg_precision precision;
    bool known;
    usage_of_attempt(a, &row->usage, &precision);
    row->cost_nano_usd = mg_usage_cost(a->r->snapshot, a->target, &row->usage, &known);
    if (!known && row->cost_nano_usd) precision = MG_ESTIMATED; /* charged at the ceiling */
    row->precision = precision_name(precision);
    return precision;
}

void mg_usage_failed(mg_attempt *a) {
    mg_usage_row row = row_of_attempt(a);
    fill_usage(a, &row);
    row.outcome = strncmp(a->kind, "timeout", 7) == 0 ? MG_STR("timeout") : MG_STR("error");
    row.error = mg_str_of(a->kind);
    row.http_status = a->status;
    a->r->spent_nano += row.cost_nano_usd;
    a->r->spent_tokens += row.usage.input + row.usage.output;
    mg_counts_attempt(a->r->worker->counts, a->target->provider->name, a->kind);
    write_end(a->r, &row);
}

/* The vendor may bill what it had begun: the input counts, and what came of the answer. */
void mg_usage_lost(mg_attempt *a) {
    a->given_up = true;
    mg_usage_row row = row_of_attempt(a);
    fill_usage(a, &row);
    row.outcome = MG_STR("cancelled");
    row.error = MG_STR("hedge");
    row.http_status = a->status;
    a->r->spent_nano += row.cost_nano_usd;
    a->r->spent_tokens += row.usage.input + row.usage.output;
    write_end(a->r, &row);
}

static void settle_attempt(mg_request *r, mg_attempt *a) {
    mg_usage_row row = row_of_attempt(a);
    a->given_up = a->call && r->gone;
    r->precision = fill_usage(a, &row);
    row.final = true;
    row.outcome = mg_str_of(mg_outcome_name(r->outcome));
    row.error = mg_str_of(a->kind[0] ? a->kind : r->error_kind);
    row.http_status = r->status;
    row.decisions = mg_decisions_json(r);
    r->served_by = a->target;
    r->served_model = a->model;
    r->upstream_id = row.upstream_id;
    r->usage = row.usage;
    r->usage_known = a->usage_known;
    r->cost_nano = row.cost_nano_usd;
    r->first_token_us = a->first_token_us;
    if (r->outcome != MG_OUTCOME_OK && a->kind[0])
        mg_counts_attempt(r->worker->counts, a->target->provider->name, a->kind);
    write_end(r, &row);
}

/* Denied before anything was sent: a row without a provider, so that the decision can be found. */
static void settle_denied(mg_request *r) {
    mg_usage_row row = row_of_request(r);
    memcpy(row.attempt_id, r->id, sizeof row.attempt_id);
    row.final = true;
    row.provider = MG_STR("none");
    row.model = r->model.n ? r->model : MG_STR("none");
    row.outcome = mg_str_of(mg_outcome_name(r->outcome));
    row.precision = MG_STR("exact");
    row.error = mg_str_of(r->error_kind);
    row.http_status = r->status;
    row.latency_ms = (int64_t)((mg_clock_mono_us() - r->started_us) / 1000);
    row.decisions = mg_decisions_json(r);
    write_end(r, &row);
}

static void log_request(const mg_request *r) {
    mg_log(MG_LOG_INFO, "request", MG_F("id", mg_str_from(r->id, 36)), MG_F("org", r->org->id),
           MG_F("key", r->key ? r->key->id : MG_STR("")), MG_F("operation", mg_operation_name(r->operation)),
           MG_F("model", r->model_asked.n ? r->model_asked : MG_STR("")),
           MG_F("target", r->served_by ? r->served_by->name : MG_STR("")), MG_FN("status", r->status),
           MG_F("outcome", mg_str_of(mg_outcome_name(r->outcome))), MG_F("error", mg_str_of(r->error_kind)),
           MG_FN("attempts", r->attempt_no), MG_FN("ms", (r->done_us - r->started_us) / 1000),
           MG_FN("input", r->usage.input), MG_FN("output", r->usage.output), MG_FN("cost_nano_usd", r->cost_nano));
}

void mg_usage_settle(mg_request *r) {
    if (r->settled || !r->org) return;
    r->settled = true;
    r->done_us = mg_clock_mono_us();
    if (r->attempt)
        settle_attempt(r, r->attempt);
    else if (r->root)
        settle_denied(r);
    mg_limits_settle(r, r->spent_tokens + r->usage.input + r->usage.output, r->spent_nano + r->cost_nano);
    mg_counts_request(r->worker->counts, r);
    log_request(r);
}
