#include "gateway/credential.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/fetch.h"

#include <stdlib.h>

enum {
    KEPT = 32, /* tokens of a worker; the one that ended first makes room */
    EARLY_MS = 120000, /* before its end a token is asked for anew, while the old one serves on */
    LEAST_MS = 5000, /* a token with less left is not used */
    FAILED_MS = 2000, /* so long a failure is the answer, so that a token server is not flooded */
    TOKEN_MAX = 16384
};

typedef struct credential {
    mg_use *use; /* reference held */
    mg_worker *worker;
    const mg_provider *ops;
    mg_buf token;
    uint64_t ends_ms, failed_ms; /* monotonic; 0: none */
    mg_error error;
    mg_fetch *fetch;
    mg_request *waiting; /* linked by next_waiting */
} credential;

struct mg_credentials {
    credential *all[KEPT];
    size_t n;
};

/* ---- asking ------------------------------------------------------------------------------------------------------ */

typedef struct asking {
    mg_arena *arena;
    mg_fetch_request request;
    mg_header headers[8];
    mg_buf body;
} asking;

static void out_method(void *ctx, mg_str s) {
    ((asking *)ctx)->request.method = mg_arena_dup(((asking *)ctx)->arena, s);
}
static void out_path(void *ctx, mg_str s) { ((asking *)ctx)->request.url = mg_arena_dup(((asking *)ctx)->arena, s); }
static void out_header(void *ctx, mg_str name, mg_str value) {
    asking *a = ctx;
    if (a->request.n_headers == sizeof a->headers / sizeof a->headers[0]) return;
    a->headers[a->request.n_headers++] = (mg_header){mg_arena_dup(a->arena, name), mg_arena_dup(a->arena, value)};
}
static void out_splice(void *ctx, size_t start, size_t end, mg_str text) {
    (void)ctx, (void)start, (void)end, (void)text;
}
static void out_write(void *ctx, mg_str bytes) { mg_buf_str(&((asking *)ctx)->body, bytes); }
static void out_text(void *ctx, mg_str text) { mg_buf_json(&((asking *)ctx)->body, text); }
static void out_drop(void *ctx, mg_str member) { (void)ctx, (void)member; }

/* Resumes all who wait; each may wait again, for another token. */
static void wake(credential *c) {
    mg_request *r = c->waiting;
    c->waiting = NULL;
    while (r) {
        mg_request *next = r->next_waiting;
        r->next_waiting = NULL;
        r->credential = NULL;
        mg_request_resume(r);
        r = next;
    }
}

static void failed(credential *c, const mg_error *error) {
    c->failed_ms = mg_clock_mono_ms();
    c->error = *error;
    c->error.http = 502;
    mg_log(MG_LOG_ERROR, "credential", MG_F("plugin", mg_str_of(mg_use_plugin(c->use)->name)),
           MG_F("error", mg_str_of(error->text)));
}

static void read_token(credential *c, void *self, const mg_fetch_result *result) {
    mg_worker *w = c->worker;
    mg_error error = {0};
    mg_str token = {0};
    int64_t lifetime_s = 0;
    const mg_json *json = NULL;
    mg_error ignored;
    mg_arena *arena = mg_arena_create(4096);
    if (mg_json_parse_copy(w->json, arena, result->body, &json, &ignored) != MG_OK) json = NULL;
    const mg_frame frame = {.size = sizeof frame, .status = result->status, .data = result->body, .json = json};
    if (c->ops->credential_read(self, &frame, &token, &lifetime_s, &error) != MG_OK) {
        failed(c, &error);
    } else if (!token.n || token.n > TOKEN_MAX || lifetime_s <= 0) {
        mg_fail(&error, 502, "credential", "the token server's answer holds no usable token");
        failed(c, &error);
    } else {
        mg_buf_clear(&c->token);
        mg_buf_str(&c->token, token);
        c->ends_ms = mg_clock_mono_ms() + (uint64_t)(lifetime_s < 86400 ? lifetime_s : 86400) * 1000;
        c->failed_ms = 0;
    }
    mg_arena_destroy(arena);
}

static void on_answer(void *arg, const mg_fetch_result *result, const mg_error *error) {
    credential *c = arg;
    mg_error none = {0};
    c->fetch = NULL;
    void *self = mg_use_self(c->use, c->worker->index, c->worker->loop, &none);
    if (error || !self)
        failed(c, error ? error : &none);
    else
        read_token(c, self, result);
    wake(c);
}

/* MG_DECLINED: the provider needs no token. */
static mg_status ask(credential *c, void *self, mg_error *error) {
    asking a = {.arena = mg_arena_create(2048), .body = {.max = 64 * 1024}};
    const mg_provider_out out = {sizeof out, &a,        out_method, out_path, out_header,
                                 out_splice, out_write, out_text,   out_drop};
    a.request.method = MG_STR("POST");
    a.request.headers = a.headers;
    mg_status st = c->ops->credential(self, mg_clock_unix_ms() / 1000, &out, error);
    if (st == MG_OK) {
        a.request.body = mg_buf_view(&a.body);
        c->fetch = mg_fetch_start(c->worker, NULL, &a.request, on_answer, c, error);
        st = c->fetch ? MG_OK : MG_ERROR;
    }
    mg_buf_finish(&a.body);
    mg_arena_destroy(a.arena);
    return st;
}

/* ---- keeping ----------------------------------------------------------------------------------------------------- */

static void credential_destroy(credential *c) {
    mg_fetch_cancel(c->fetch);
    mg_use_unref(c->use);
    if (c->token.p) memset(c->token.p, 0, c->token.n);
    mg_buf_finish(&c->token);
    free(c);
}

void mg_credentials_destroy(mg_credentials *all) {
    if (!all) return;
    for (size_t i = 0; i < all->n; i++) credential_destroy(all->all[i]);
    free(all);
}

static credential *make_room(mg_credentials *all) {
    size_t oldest = KEPT;
    for (size_t i = 0; i < all->n; i++)
        if (!all->all[i]->fetch && !all->all[i]->waiting &&
            (oldest == KEPT || all->all[i]->ends_ms < all->all[oldest]->ends_ms))
            oldest = i;
    if (all->n == KEPT && oldest == KEPT) return NULL;
    if (all->n == KEPT) {
        credential_destroy(all->all[oldest]);
        all->all[oldest] = all->all[--all->n];
    }
    return all->all[all->n++] = MG_NEW(credential);
}

static credential *find(mg_worker *w, const mg_provider_use *p) {
    if (!w->credentials) w->credentials = MG_NEW(mg_credentials);
    for (size_t i = 0; i < w->credentials->n; i++)
        if (w->credentials->all[i]->use == p->use) return w->credentials->all[i];
    credential *c = make_room(w->credentials);
    if (!c) return NULL;
    *c = (credential){.use = mg_use_ref(p->use), .worker = w, .ops = p->ops};
    return c;
}

mg_status mg_credential_get(mg_request *r, const mg_provider_use *p, mg_str *token, mg_error *error) {
    mg_worker *w = r->worker;
    *token = (mg_str){0};
    if (!p->ops->credential || !p->ops->credential_read) return MG_OK;
    credential *c = find(w, p);
    if (!c) return mg_fail(error, 503, "credential", "too many tokens are being asked for at once");
    uint64_t now = mg_clock_mono_ms();
    bool usable = c->token.n && now + LEAST_MS < c->ends_ms;
    if (!usable && c->failed_ms && now - c->failed_ms < FAILED_MS) {
        *error = c->error;
        return MG_ERROR;
    }
    if (!c->fetch && (!usable || now + EARLY_MS > c->ends_ms) && !(c->failed_ms && now - c->failed_ms < FAILED_MS)) {
        void *self = mg_use_self(p->use, w->index, w->loop, error);
        mg_status st = self ? ask(c, self, error) : MG_ERROR;
        if (st == MG_DECLINED) return MG_OK;
        if (st == MG_ERROR && !usable) return MG_ERROR;
    }
    if (usable) {
        *token = mg_arena_dup(r->arena, mg_buf_view(&c->token));
        return MG_OK;
    }
    if (r->credential != c) {
        r->credential = c;
        r->next_waiting = c->waiting;
        c->waiting = r;
    }
    return MG_AGAIN;
}

void mg_credential_forget(mg_request *r) {
    credential *c = r->credential;
    for (mg_request **at = c ? &c->waiting : NULL; at && *at; at = &(*at)->next_waiting)
        if (*at == r) {
            *at = r->next_waiting;
            break;
        }
    r->credential = NULL;
    r->next_waiting = NULL;
}
