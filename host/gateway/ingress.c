/* The way in: who asks, what for, and whether it is well formed. */
#include "gateway/request.h"

#include "base/buf.h"
#include "base/clock.h"
#include "gateway/attempt.h"
#include "gateway/endpoint.h"
#include "gateway/models.h"
#include "gateway/refusal.h"
#include "gateway/route.h"

/* ---- routes ------------------------------------------------------------------------------------------------------ */

static void reply_error(mg_exchange *x, const mg_format *format, int status, const char *code, const char *message) {
    mg_buf b = {0};
    const mg_header h[] = {{MG_STR("content-type"), MG_STR("application/json")},
                           {MG_STR("x-should-retry"), MG_STR("false")}};
    const mg_fault fault = {
        .status = status, .code = mg_str_of(code), .message = mg_str_of(message), .retry_after_ms = -1};
    format->error(&fault, &b);
    mg_exchange_reply(x, format->status ? format->status(status, fault.code) : status, h, 2, mg_buf_view(&b));
    mg_buf_finish(&b);
}

static bool check_endpoint(mg_exchange *x, const mg_endpoint *e) {
    bool get = mg_str_is(x->method, "GET") || mg_str_is(x->method, "HEAD");
    if (!e->known)
        reply_error(x, e->format, 404, "unknown_route",
                    "There is no such route here. The gateway serves OpenAI's /v1/chat/completions, /v1/responses, "
                    "/v1/embeddings, /v1/moderations and /v1/models, Anthropic's /v1/messages and "
                    "/v1/messages/count_tokens, Gemini's /v1beta/models/MODEL:generateContent (streamGenerateContent, "
                    "embedContent, batchEmbedContents, countTokens), and Azure's /openai/deployments/NAME/….");
    else if (get != e->get || (!get && !mg_str_is(x->method, "POST")))
        reply_error(x, e->format, 405, "method_not_allowed",
                    get ? "This route takes POST." : "This route does not take that method.");
    else
        return true;
    return false;
}

/* ---- who asks ---------------------------------------------------------------------------------------------------- */

static mg_str bearer(mg_str v) {
    return v.n > 7 && strncasecmp(v.p, "bearer ", 7) == 0 ? mg_str_trim(mg_str_skip(v, 7)) : (mg_str){0};
}

/* The key: ours if it is there; else what stands in the vendors' places, which must not contradict each other. */
static mg_status find_key(const mg_exchange *x, mg_str *key, mg_error *error) {
    *key = mg_exchange_header(x, MG_STR("x-moongate-key"));
    if (key->n) return MG_OK;
    const mg_str found[] = {bearer(mg_exchange_header(x, MG_STR("authorization"))),
                            mg_exchange_header(x, MG_STR("x-api-key")), mg_exchange_header(x, MG_STR("api-key")),
                            mg_exchange_header(x, MG_STR("x-goog-api-key")), mg_exchange_query(x, MG_STR("key"))};
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++) {
        if (!found[i].n) continue;
        if (key->n && !mg_str_eq_secret(*key, found[i]))
            return mg_fail(error, 400, "ambiguous_credentials", "The request carries two different keys: send one.");
        *key = found[i];
    }
    if (!key->n)
        return mg_fail(error, 401, "missing_api_key",
                       "No key was sent. Send a virtual key of this gateway as 'Authorization: Bearer mg-…'.");
    return MG_OK;
}

static mg_status find_org(mg_request *r, mg_error *error) {
    mg_str named = mg_exchange_header(r->x, MG_STR("x-moongate-org"));
    r->org = r->key->org;
    if (named.n && !mg_str_eq(named, r->org->id)) {
        const mg_org *org = r->key->acts_for_all ? mg_snapshot_org(r->snapshot, named) : NULL;
        if (!org) return mg_fail(error, 403, "organization_not_allowed", "This key may not act for that organization.");
        r->org = org;
    }
    if (r->org->suspended) return mg_fail(error, 403, "organization_suspended", "The organization is suspended.");
    return MG_OK;
}

static mg_status authenticate(mg_request *r, mg_error *error) {
    mg_str secret;
    mg_status st = find_key(r->x, &secret, error);
    if (st != MG_OK) return st;
    r->key = mg_snapshot_key(r->snapshot, secret);
    if (!r->key)
        return mg_fail(error, 401, "invalid_api_key",
                       "Incorrect API key provided. Ask your operator for one of this gateway's virtual keys.");
    if (r->key->expires_ms && r->key->expires_ms <= mg_clock_unix_ms())
        return mg_fail(error, 401, "invalid_api_key", "This key has expired.");
    return find_org(r, error);
}

static void read_headers(mg_request *r) {
    r->user = mg_exchange_header(r->x, MG_STR("x-moongate-user"));
    r->session = mg_exchange_header(r->x, MG_STR("x-moongate-session"));
    r->client_tags = mg_exchange_header(r->x, MG_STR("x-moongate-tags"));
    r->client_request_id = mg_exchange_header(r->x, MG_STR("x-request-id"));
    r->explain = mg_str_is(mg_exchange_header(r->x, MG_STR("x-moongate-explain")), "1");
    for (const mg_json *t = mg_json_kind(r->key->tags) == MG_JSON_OBJECT ? r->key->tags->child : NULL; t; t = t->next) {
        mg_error ignored;
        mg_request_tag(r, t->key, mg_json_text(t), &ignored);
    }
}

static void on_head(void *ctx, mg_exchange *x) {
    mg_worker *w = ctx;
    mg_error error = {0};
    mg_endpoint e = mg_endpoint_of(x);
    if (!check_endpoint(x, &e)) return;
    mg_request *r = mg_request_create(w, x);
    r->format = e.format;
    r->operation = e.operation;
    r->stream = e.stream;
    r->array = e.array;
    r->model_asked = mg_endpoint_unescape(r->arena, e.model);
    if (authenticate(r, &error) == MG_OK) {
        read_headers(r);
        return;
    }
    r->org = NULL; /* nobody: nothing is recorded */
    mg_request_end(r);
    reply_error(x, e.format, error.http, error.code, error.text);
}

/* ---- bodies ------------------------------------------------------------------------------------------------------ */

static mg_status check_body(mg_request *r, mg_error *error) {
    if (mg_json_kind(r->root) != MG_JSON_OBJECT)
        return mg_fail(error, 400, "invalid_type", "The body must be a JSON object, not %s.",
                       mg_json_type_name(mg_json_kind(r->root)));
    return r->format->check(r->operation, r->root, error);
}

static void read_body(mg_request *r) {
    r->format->read(r->operation, r->root, &r->facts);
    if (!r->model_asked.n) r->model_asked = r->facts.model;
    r->stream |= r->facts.stream;
    if (!r->user.n) r->user = r->facts.user;
}

/* Parameters may follow: "application/json; charset=utf-8". */
static bool is_json_type(mg_str type) {
    static const mg_str json = {"application/json", 16};
    if (type.n < json.n || !mg_str_ieq(mg_str_from(type.p, json.n), json)) return false;
    return type.n == json.n || strchr("; \t", type.p[json.n]);
}

static mg_status take_body(mg_request *r, mg_error *error) {
    mg_exchange *x = r->x;
    mg_str type = mg_exchange_header(x, MG_STR("content-type"));
    if (type.n && !is_json_type(type))
        return mg_fail(error, 415, "unsupported_media_type", "The body must be application/json.");
    if (!x->n_body) return mg_fail(error, 400, "invalid_json", "The body is empty.");
    mg_status st = mg_json_parse(r->worker->json, r->arena, x->body, x->n_body, &r->root, error);
    if (st != MG_OK) return st;
    r->body = mg_str_from(x->body, x->n_body);
    st = check_body(r, error);
    if (st != MG_OK) return st;
    read_body(r);
    if (!r->model_asked.n)
        return mg_fail(error, 400, "missing_required_parameter", "'model' must be the name of a model.");
    return mg_route_model(r, r->model_asked, error);
}

static void on_request(void *ctx, mg_exchange *x) {
    (void)ctx;
    mg_request *r = x->user;
    mg_error error = {0};
    if (r->operation == MG_OP_MODELS) {
        mg_models_serve(r);
    } else if (take_body(r, &error) != MG_OK) {
        r->root = NULL; /* not a request yet: no row */
        mg_refuse_error(r, &error, MG_OUTCOME_DENIED);
    } else {
        mg_pipeline_run(r);
    }
}

/* ---- the client's side ------------------------------------------------------------------------------------------- */

static void on_drained(void *ctx, mg_exchange *x) {
    (void)ctx;
    mg_request *r = x->user;
    if (r && r->attempt && r->attempt->call) mg_upstream_pause(r->attempt->call, false);
}

static void on_gone(void *ctx, mg_exchange *x) {
    (void)ctx;
    mg_request *r = x->user;
    if (!r) return;
    r->gone = true;
    if (r->outcome == MG_OUTCOME_NONE) r->outcome = MG_OUTCOME_CANCELLED;
    if (!r->status) r->status = 499;
    if (r->routing.drain && mg_pipeline_drain(r)) {
        mg_exchange_keep(x);
        r->drained = true;
        r->next_drained = r->worker->drained;
        r->worker->drained = r;
    } else {
        mg_request_end(r);
    }
}

void mg_gateway_abandon(mg_worker *w) {
    while (w->drained) {
        mg_request *r = w->drained;
        mg_exchange *x = r->x;
        w->drained = r->next_drained;
        r->drained = false;
        mg_request_end(r);
        mg_exchange_release(x);
    }
}

static void on_refuse(void *ctx, int status, mg_str message, mg_buf *body) {
    (void)ctx;
    const mg_fault fault = {.status = status, .message = message, .retry_after_ms = -1};
    mg_format_openai.error(&fault, body);
}

mg_server_handler mg_gateway_handler(mg_worker *w) {
    return (mg_server_handler){w, on_head, on_request, on_drained, on_gone, on_refuse};
}
