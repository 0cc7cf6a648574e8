/* The data plane's OpenAI routes: who asks, what for, and whether it is well formed. */
#include "gateway/request.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/clock.h"
#include "gateway/attempt.h"
#include "gateway/limits.h"
#include "gateway/refusal.h"
#include "gateway/route.h"
#include "gateway/usage.h"

#include <stdio.h>

/* ---- routes ------------------------------------------------------------------------------------------------------ */

typedef enum route { ROUTE_NONE, ROUTE_CHAT, ROUTE_EMBEDDINGS, ROUTE_MODELS, ROUTE_MODEL } route;

static route route_of(mg_str path, mg_str *rest) {
    if (mg_str_starts(path, MG_STR("/v1/"))) path = mg_str_skip(path, 3);
    *rest = (mg_str){0};
    if (mg_str_is(path, "/chat/completions")) return ROUTE_CHAT;
    if (mg_str_is(path, "/embeddings")) return ROUTE_EMBEDDINGS;
    if (mg_str_is(path, "/models")) return ROUTE_MODELS;
    if (mg_str_starts(path, MG_STR("/models/"))) {
        *rest = mg_str_skip(path, 8);
        return ROUTE_MODEL;
    }
    return ROUTE_NONE;
}

static void reply_error(mg_exchange *x, int status, const char *code, const char *message) {
    mg_buf b = {0};
    const mg_header h[] = {{MG_STR("content-type"), MG_STR("application/json")},
                           {MG_STR("x-should-retry"), MG_STR("false")}};
    mg_refusal_body(status, mg_str_of(code), mg_str_of(message), &b);
    mg_exchange_reply(x, status, h, 2, mg_buf_view(&b));
    mg_buf_finish(&b);
}

static bool check_route(mg_exchange *x, route ro) {
    bool get = mg_str_is(x->method, "GET") || mg_str_is(x->method, "HEAD");
    if (ro == ROUTE_NONE) {
        reply_error(x, 404, "unknown_route",
                    "There is no such route here. The gateway serves POST /v1/chat/completions, POST /v1/embeddings, "
                    "GET /v1/models and GET /v1/models/ID.");
    } else if (get != (ro == ROUTE_MODELS || ro == ROUTE_MODEL) || (!get && !mg_str_is(x->method, "POST"))) {
        reply_error(x, 405, "method_not_allowed",
                    get ? "This route takes POST." : "This route does not take that method.");
    } else {
        return true;
    }
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
    mg_str rest;
    mg_error error = {0};
    if (!check_route(x, route_of(x->path, &rest))) return;
    mg_request *r = mg_request_create(w, x);
    if (authenticate(r, &error) == MG_OK) {
        read_headers(r);
        return;
    }
    r->org = NULL; /* nobody: nothing is recorded */
    mg_request_end(r);
    reply_error(x, error.http, error.code, error.text);
}

/* ---- models ------------------------------------------------------------------------------------------------------ */

static bool may_use(const mg_request *r, const mg_model *m) {
    for (size_t i = 0; i < m->n_targets; i++)
        if (mg_route_allowed(r->org, r->key, m->targets[i].name, m->name)) return true;
    return false;
}

static void write_model(mg_buf *b, mg_str id, mg_str owner) {
    mg_buf_str(b, MG_STR("{\"id\":"));
    mg_buf_json(b, id);
    mg_buf_str(b, MG_STR(",\"object\":\"model\",\"created\":1735689600,\"owned_by\":"));
    mg_buf_json(b, owner);
    mg_buf_str(b, MG_STR("}"));
}

/* The model table, then what the price table knows of each configured provider: as "provider/model". */
static void each_model(mg_request *r, void (*model)(void *arg, mg_str id, mg_str owner), void *arg) {
    const mg_snapshot *s = r->snapshot;
    for (size_t i = 0; i < s->n_models; i++)
        if (may_use(r, &s->models[i]))
            model(arg, s->models[i].name,
                  s->models[i].n_targets ? s->models[i].targets[0].provider->name : MG_STR("moongate"));
    for (size_t p = 0; p < s->n_providers; p++) {
        mg_str name = s->providers[p].name;
        for (size_t i = 0; i < mg_prices_count(s->prices); i++) {
            const mg_price *price = mg_prices_at(s->prices, i);
            if (!mg_str_eq(price->provider, name) &&
                !mg_str_is(price->provider, mg_use_plugin(s->providers[p].use)->name))
                continue;
            mg_str id =
                mg_arena_printf(r->arena, MG_STR_FMT "/" MG_STR_FMT, MG_STR_ARG(name), MG_STR_ARG(price->model));
            if (mg_route_allowed(r->org, r->key, id, id)) model(arg, id, name);
        }
    }
}

static void list_model(void *arg, mg_str id, mg_str owner) {
    mg_buf *b = arg;
    if (b->p[b->n - 1] == '}') mg_buf_str(b, MG_STR(","));
    write_model(b, id, owner);
}

static void reply_json(mg_request *r, mg_str body) {
    mg_exchange *x = r->x;
    mg_header h[] = {{MG_STR("content-type"), MG_STR("application/json")},
                     {MG_STR("x-request-id"), mg_arena_dup(x->arena, mg_str_from(r->id, 36))}};
    r->outcome = MG_OUTCOME_OK;
    r->status = 200;
    mg_request_end(r);
    mg_exchange_reply(x, 200, h, 2, body);
}

static void serve_models(mg_request *r) {
    mg_buf b = {0};
    mg_buf_str(&b, MG_STR("{\"object\":\"list\",\"data\":["));
    each_model(r, list_model, &b);
    mg_buf_str(&b, MG_STR("]}"));
    reply_json(r, mg_buf_view(&b));
    mg_buf_finish(&b);
}

static mg_str unescape_path(mg_arena *arena, mg_str s) {
    char *p = mg_arena_alloc(arena, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t byte;
        if (s.p[i] == '%' && i + 2 < s.n + 0 && mg_unhex(mg_str_from(s.p + i + 1, 2), &byte, 1)) {
            p[n++] = (char)byte;
            i += 2;
        } else {
            p[n++] = s.p[i];
        }
    }
    return mg_str_from(p, n);
}

static void serve_model(mg_request *r, mg_str id) {
    mg_error error = {0};
    mg_buf b = {0};
    id = unescape_path(r->arena, id);
    if (mg_route_model(r, id, &error) != MG_OK) {
        mg_refuse_error(r, &error, MG_OUTCOME_DENIED);
        return;
    }
    write_model(&b, id, r->targets[0].provider->name);
    reply_json(r, mg_buf_view(&b));
    mg_buf_finish(&b);
}

/* ---- bodies ------------------------------------------------------------------------------------------------------ */

typedef struct field {
    const char *name;
    unsigned types; /* 1 << mg_json_type that it may have; null is always fine */
} field;

enum {
    BOOL = 1 << MG_JSON_BOOL,
    NUMBER = 1 << MG_JSON_NUMBER,
    STRING = 1 << MG_JSON_STRING,
    ARRAY = 1 << MG_JSON_ARRAY,
    OBJECT = 1 << MG_JSON_OBJECT
};

/* What the gateway itself reads, and what every vendor agrees on. Everything else goes through untouched. */
static const field chat_fields[] = {{"messages", ARRAY},
                                    {"stream", BOOL},
                                    {"stream_options", OBJECT},
                                    {"max_tokens", NUMBER},
                                    {"max_completion_tokens", NUMBER},
                                    {"n", NUMBER},
                                    {"temperature", NUMBER},
                                    {"top_p", NUMBER},
                                    {"presence_penalty", NUMBER},
                                    {"frequency_penalty", NUMBER},
                                    {"seed", NUMBER},
                                    {"stop", STRING | ARRAY},
                                    {"tools", ARRAY},
                                    {"tool_choice", STRING | OBJECT},
                                    {"response_format", OBJECT},
                                    {"logprobs", BOOL},
                                    {"user", STRING},
                                    {"metadata", OBJECT},
                                    {NULL, 0}};
static const field embeddings_fields[] = {
    {"input", STRING | ARRAY}, {"dimensions", NUMBER}, {"encoding_format", STRING}, {"user", STRING}, {NULL, 0}};

static mg_status check_fields(const mg_json *root, const field *fields, mg_error *error) {
    for (; fields->name; fields++) {
        const mg_json *v = mg_json_get(root, mg_str_of(fields->name));
        if (!v || v->type == MG_JSON_NULL || fields->types & 1u << v->type) continue;
        return mg_fail(error, 400, "invalid_type", "'%s' has the wrong type: got %s.", fields->name,
                       mg_json_type_name((mg_json_type)v->type));
    }
    return MG_OK;
}

static mg_status check_positive(const mg_json *root, const char *name, mg_error *error) {
    const mg_json *v = mg_json_get(root, mg_str_of(name));
    int64_t n = mg_json_int(v, -1);
    if (!v || v->type == MG_JSON_NULL || (n >= 1 && n <= INT32_MAX)) return MG_OK;
    return mg_fail(error, 400, "invalid_value", "'%s' must be an integer from 1 to 2147483647.", name);
}

static mg_status check_messages(const mg_json *messages, mg_error *error) {
    static const char *const roles[] = {"system", "developer", "user", "assistant", "tool", "function"};
    size_t i = 0;
    if (mg_json_kind(messages) != MG_JSON_ARRAY || !messages->count)
        return mg_fail(error, 400, "missing_required_parameter", "'messages' must be a list of at least one message.");
    for (const mg_json *m = messages->child; m; m = m->next, i++) {
        mg_str role = mg_json_text(mg_json_get(m, MG_STR("role")));
        bool known = false;
        for (size_t k = 0; k < sizeof roles / sizeof roles[0]; k++) known |= mg_str_is(role, roles[k]);
        if (m->type != MG_JSON_OBJECT)
            return mg_fail(error, 400, "invalid_type", "'messages[%zu]' must be an object.", i);
        if (!known)
            return mg_fail(error, 400, "invalid_value",
                           "'messages[%zu].role' must be one of system, developer, user, assistant, tool.", i);
        mg_json_type content = mg_json_kind(mg_json_get(m, MG_STR("content")));
        if (content != MG_JSON_NULL && content != MG_JSON_STRING && content != MG_JSON_ARRAY)
            return mg_fail(error, 400, "invalid_type", "'messages[%zu].content' must be a string or a list of parts.",
                           i);
    }
    return MG_OK;
}

static mg_status check_input(const mg_json *input, mg_error *error) {
    if (mg_json_kind(input) == MG_JSON_NULL || (input->type == MG_JSON_ARRAY && !input->count))
        return mg_fail(error, 400, "missing_required_parameter", "'input' must be a text, or a list of at least one.");
    return MG_OK;
}

static mg_status check_body(mg_request *r, mg_error *error) {
    bool chat = r->operation == MG_OP_CHAT;
    if (mg_json_kind(r->root) != MG_JSON_OBJECT)
        return mg_fail(error, 400, "invalid_type", "The body must be a JSON object, not %s.",
                       mg_json_type_name(mg_json_kind(r->root)));
    const mg_json *model = mg_json_get(r->root, MG_STR("model"));
    if (mg_json_kind(model) != MG_JSON_STRING || !model->str.n)
        return mg_fail(error, 400, "missing_required_parameter", "'model' must be the name of a model.");
    mg_status st = check_fields(r->root, chat ? chat_fields : embeddings_fields, error);
    if (st == MG_OK && chat) st = check_messages(mg_json_get(r->root, MG_STR("messages")), error);
    if (st == MG_OK && chat) st = check_positive(r->root, "max_tokens", error);
    if (st == MG_OK && chat) st = check_positive(r->root, "max_completion_tokens", error);
    if (st == MG_OK && chat) st = check_positive(r->root, "n", error);
    if (st == MG_OK && !chat) st = check_input(mg_json_get(r->root, MG_STR("input")), error);
    return st;
}

static void read_body(mg_request *r) {
    r->model_asked = mg_json_text(mg_json_get(r->root, MG_STR("model")));
    r->stream = r->operation == MG_OP_CHAT && mg_json_bool(mg_json_get(r->root, MG_STR("stream")), false);
    r->client_usage = mg_json_bool(mg_json_path(r->root, "stream_options.include_usage"), false);
    if (!r->user.n) r->user = mg_json_text(mg_json_get(r->root, MG_STR("user")));
    if (!r->user.n) r->user = mg_json_text(mg_json_get(r->root, MG_STR("safety_identifier")));
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
    return mg_route_model(r, r->model_asked, error);
}

static void on_request(void *ctx, mg_exchange *x) {
    (void)ctx;
    mg_request *r = x->user;
    mg_error error = {0};
    mg_str rest;
    switch (route_of(x->path, &rest)) {
    case ROUTE_MODELS:
        r->operation = MG_OP_MODELS;
        serve_models(r);
        return;
    case ROUTE_MODEL:
        r->operation = MG_OP_MODELS;
        serve_model(r, rest);
        return;
    case ROUTE_EMBEDDINGS: r->operation = MG_OP_EMBEDDINGS; break;
    default: r->operation = MG_OP_CHAT; break;
    }
    if (take_body(r, &error) != MG_OK) {
        r->root = NULL; /* not a request yet: no row */
        mg_refuse_error(r, &error, MG_OUTCOME_DENIED);
        return;
    }
    mg_pipeline_run(r);
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
    mg_request_end(r);
}

static void on_refuse(void *ctx, int status, mg_str message, mg_buf *body) {
    (void)ctx;
    mg_refusal_body(status, MG_STR(""), message, body);
}

mg_server_handler mg_gateway_handler(mg_worker *w) {
    return (mg_server_handler){w, on_head, on_request, on_drained, on_gone, on_refuse};
}
