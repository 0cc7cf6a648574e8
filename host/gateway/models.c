#include "gateway/models.h"

#include "gateway/refusal.h"
#include "gateway/route.h"

typedef struct list {
    mg_request *r;
    mg_model_row *rows;
    size_t n, cap;
} list;

static bool may_use(const mg_request *r, const mg_model *m) {
    for (size_t i = 0; i < m->n_targets; i++)
        if (mg_route_allowed(r->org, r->key, m->targets[i].name, m->name)) return true;
    return false;
}

static void add(list *l, mg_model_row row) {
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        mg_model_row *rows = mg_arena_alloc(l->r->arena, cap * sizeof *rows);
        if (l->n) memcpy(rows, l->rows, l->n * sizeof *rows);
        l->rows = rows;
        l->cap = cap;
    }
    l->rows[l->n++] = row;
}

static mg_model_row row_of(const mg_request *r, mg_str id, const mg_target *t) {
    const mg_price *price = t ? mg_target_price(r->snapshot, t) : NULL;
    return (mg_model_row){.id = id,
                          .owner = t ? t->provider->name : MG_STR("moongate"),
                          .context = price ? price->context : 0,
                          .max_output = price ? price->max_output : 0};
}

/* What the price table knows of a configured provider: as "provider/model". */
static void add_priced(list *l, const mg_provider_use *p) {
    mg_request *r = l->r;
    for (size_t i = 0; i < mg_prices_count(r->snapshot->prices); i++) {
        const mg_price *price = mg_prices_at(r->snapshot->prices, i);
        if (!mg_str_eq(price->provider, p->name) && !mg_str_is(price->provider, mg_use_plugin(p->use)->name)) continue;
        mg_str id = mg_arena_printf(r->arena, MG_STR_FMT "/" MG_STR_FMT, MG_STR_ARG(p->name), MG_STR_ARG(price->model));
        if (mg_route_allowed(r->org, r->key, id, id))
            add(l, (mg_model_row){id, p->name, price->context, price->max_output});
    }
}

static void serve_list(mg_request *r, mg_buf *out) {
    const mg_snapshot *s = r->snapshot;
    list l = {.r = r};
    for (size_t i = 0; i < s->n_models; i++)
        if (may_use(r, &s->models[i]))
            add(&l, row_of(r, s->models[i].name, s->models[i].n_targets ? s->models[i].targets : NULL));
    for (size_t i = 0; i < s->n_providers; i++) add_priced(&l, &s->providers[i]);
    r->format->models(l.rows, l.n, out);
}

static mg_status serve_one(mg_request *r, mg_buf *out, mg_error *error) {
    mg_status st = mg_route_model(r, r->model_asked, error);
    if (st != MG_OK) return st;
    const mg_model_row row = row_of(r, r->model_asked, r->targets);
    r->format->model(&row, out);
    return MG_OK;
}

void mg_models_serve(mg_request *r) {
    mg_buf b = {0};
    mg_error error = {0};
    mg_exchange *x = r->x;
    if (!r->model_asked.n) {
        serve_list(r, &b);
    } else if (serve_one(r, &b, &error) != MG_OK) {
        mg_refuse_error(r, &error, MG_OUTCOME_DENIED);
        return;
    }
    const mg_header h[] = {{MG_STR("content-type"), MG_STR("application/json")},
                           {MG_STR("x-request-id"), mg_arena_dup(x->arena, mg_str_from(r->id, 36))}};
    r->outcome = MG_OUTCOME_OK;
    r->status = 200;
    mg_request_end(r);
    mg_exchange_reply(x, 200, h, 2, mg_buf_view(&b));
    mg_buf_finish(&b);
}
