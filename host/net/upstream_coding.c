#include "net/inflate.h"
#include "net/upstream_call.h"

#include <stdlib.h>

/* Vendors are not asked for compressed answers; some send them all the same. While the call is paused, what came but
 * is not decoded yet waits here, and the backend learns of the end of the pause only when that is used up. */
struct mg_upstream_coding {
    mg_inflate *inflate;
    mg_buf held;
    bool holding; /* a pause interrupted decoding; `held` may be empty all the same */
    mg_deferred resume;
};

static bool coding_of(const mg_http_head *head, mg_str *coding) {
    size_t n = 0;
    for (size_t i = 0; i < head->n_headers; i++) {
        const mg_header *h = &head->headers[i];
        if (!mg_str_is(h->name, "content-encoding") || h->value.n == 0 || mg_str_ieq(h->value, MG_STR("identity")))
            continue;
        *coding = h->value;
        n++;
    }
    return n == 1; /* none asked for one, let alone for two */
}

/* ---- decoding ---------------------------------------------------------------------------------------------------- */

static void fail(mg_upstream_call *c, const mg_error *error) {
    bool large = mg_inflate_too_large(c->coding->inflate);
    mg_upstream_call_end(c, large ? MG_UPSTREAM_TOO_LARGE : MG_UPSTREAM_PROTOCOL, "%s", error->text);
}

/* Decodes and delivers until `in` is used up, the call is over or paused; returns what is left of it. */
static mg_str decode(mg_upstream_call *c, mg_str in) {
    mg_error error;
    mg_str piece;
    mg_status status = MG_OK;
    while (status == MG_OK && !c->over && !c->paused) {
        status = mg_inflate_next(c->coding->inflate, &in, &piece, &error);
        if (status == MG_OK) mg_upstream_call_deliver(c, piece);
    }
    if (status == MG_ERROR) fail(c, &error);
    c->coding->holding = !c->over && status == MG_OK;
    return in;
}

void mg_upstream_coding_data(mg_upstream_call *c, mg_str bytes) {
    mg_upstream_coding *x = c->coding;
    if (!x->holding) bytes = decode(c, bytes);
    if (!x->holding || c->over) return;
    if (!mg_buf_str(&x->held, bytes)) /* a backend delivers no more than it has read when the pause began */
        mg_upstream_call_end(c, MG_UPSTREAM_TOO_LARGE, "the answer does not stop while it is paused");
}

/* At the end of the turn in which the pause ended. */
static void resume(void *arg) {
    mg_upstream_call *c = arg;
    mg_upstream_coding *x = c->coding;
    if (c->over || c->paused) return;
    mg_str left = decode(c, mg_buf_view(&x->held));
    if (c->over) return;
    mg_buf_drain(&x->held, x->held.n - left.n);
    if (x->holding) return;
    if (c->phase == MG_UPSTREAM_DRAINING)
        mg_upstream_call_end(c, MG_UPSTREAM_COMPLETE, "complete");
    else
        c->core->backend->pause(c, false);
}

/* ---- what the call asks ------------------------------------------------------------------------------------------ */

bool mg_upstream_coding_open(mg_upstream_call *c, const mg_http_head *head) {
    mg_str coding;
    mg_inflate *inflate = coding_of(head, &coding) ? mg_inflate_create(coding, c->request.max_body) : NULL;
    if (!inflate) {
        mg_upstream_call_end(c, MG_UPSTREAM_PROTOCOL, "the answer has a content-encoding other than gzip and deflate");
        return false;
    }
    c->coding = MG_NEW(mg_upstream_coding);
    c->coding->inflate = inflate;
    c->coding->held.max = MG_UPSTREAM_HELD_MAX;
    c->coding->resume = (mg_deferred){.run = resume, .arg = c};
    return true;
}

void mg_upstream_coding_close(mg_upstream_call *c) {
    if (c->coding) mg_evloop_undefer(c->core->loop, &c->coding->resume);
}

void mg_upstream_coding_free(mg_upstream_call *c) {
    if (!c->coding) return;
    mg_inflate_destroy(c->coding->inflate);
    mg_buf_finish(&c->coding->held);
    free(c->coding);
}

bool mg_upstream_coding_holds(const mg_upstream_call *c) { return c->coding && c->coding->holding; }
bool mg_upstream_coding_whole(const mg_upstream_call *c) { return !c->coding || mg_inflate_whole(c->coding->inflate); }
void mg_upstream_coding_resume(mg_upstream_call *c) { mg_evloop_defer(c->core->loop, &c->coding->resume); }

size_t mg_upstream_coding_headers(const mg_http_head *head, mg_header *out) {
    size_t n = 0;
    for (size_t i = 0; i < head->n_headers; i++) {
        mg_str name = head->headers[i].name;
        if (mg_str_is(name, "content-encoding") || mg_str_is(name, "content-length")) continue;
        out[n++] = head->headers[i];
    }
    return n;
}
