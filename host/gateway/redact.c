/* Redaction: spans that detectors found are replaced, once, from a list that is free of overlaps. */
#include "gateway/detect.h"
#include "gateway/request.h"

#include "base/buf.h"
#include "base/hash.h"

#include <ctype.h>

typedef struct redaction {
    mg_request *r;
    const mg_str *types;
    size_t n_types;
    bool hash;
    size_t count;
} redaction;

static mg_status check_mode(mg_str mode, bool *hash, mg_error *error) {
    *hash = mg_str_is(mode, "hash");
    if (*hash || !mode.n || mg_str_is(mode, "mask")) return MG_OK;
    return mg_fail(error, 500, "policy_failed", "redact: mode is \"mask\" or \"hash\", not \"%.*s\"",
                   (int)(mode.n < 40 ? mode.n : 40), mode.p);
}

static void write_mark(const redaction *d, mg_str value, const char *type, mg_buf *out) {
    char upper[48];
    size_t n = 0;
    for (; type[n] && n < sizeof upper; n++) upper[n] = (char)toupper((unsigned char)type[n]);
    if (!d->hash) {
        mg_buf_printf(out, "[REDACTED_%.*s]", (int)n, upper);
        return;
    }
    /* Keyed per organization: equal values are equal within it, and can't be looked up or compared across. */
    uint8_t key[32], mac[32];
    char hex[17];
    mg_hmac_sha256(mg_str_from((const char *)d->r->worker->gateway->secret, 32), d->r->org->id, key);
    mg_hmac_sha256(mg_str_from((const char *)key, 32), value, mac);
    mg_hex(mac, 8, hex);
    mg_buf_printf(out, "[%.*s_%s]", (int)n, upper, hex);
}

static void note(mg_request *r, const char *type, size_t n) {
    mg_str name = mg_str_of(type), old = r->redacted, rest = old;
    while (rest.n) { /* "email=1,credit_card=2": add to the type's number, or append */
        size_t end = mg_str_find(rest, ',');
        mg_str item = mg_str_from(rest.p, end);
        size_t eq = mg_str_find(item, '=');
        int64_t have = 0;
        if (mg_str_eq(mg_str_from(item.p, eq), name) && mg_str_int(mg_str_skip(item, eq + 1), &have)) {
            size_t before = (size_t)(item.p - old.p);
            r->redacted = mg_arena_printf(r->arena, "%.*s%s=%zu%.*s", (int)before, old.p, type, n + (size_t)have,
                                          (int)(rest.n - end), rest.p + end);
            return;
        }
        rest = end < rest.n ? mg_str_skip(rest, end + 1) : (mg_str){0};
    }
    r->redacted = mg_arena_printf(r->arena, "%.*s%s%s=%zu", MG_STR_ARG(old), old.n ? "," : "", type, n);
}

/* MG_DECLINED: nothing found. */
static mg_status redact_text(redaction *d, mg_str text, mg_str *out, mg_error *error) {
    const mg_found *found;
    size_t n;
    mg_status st = mg_detect(d->r->worker, d->r->snapshot, d->r->arena, text, d->types, d->n_types, &found, &n, error);
    if (st != MG_OK) return st;
    if (!n) return MG_DECLINED;
    mg_buf b = {0};
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        mg_buf_add(&b, text.p + at, found[i].start - at);
        write_mark(d, mg_str_from(text.p + found[i].start, found[i].end - found[i].start), found[i].type, &b);
        at = found[i].end;
        note(d->r, found[i].type, 1);
    }
    mg_buf_add(&b, text.p + at, text.n - at);
    d->count += n;
    bool over = b.over;
    *out = mg_arena_dup(d->r->arena, mg_buf_view(&b));
    mg_buf_finish(&b);
    return over ? mg_fail(error, 413, "too_large", "the redacted text does not fit into memory bounds") : MG_OK;
}

static void decide(redaction *d, mg_str rule) {
    if (d->count) mg_request_decide(d->r, mg_phase_name(d->r->phase), rule, "redact", "\"spans\":%zu", d->count);
}

mg_status mg_request_redact(mg_request *r, mg_str rule, const mg_str *types, size_t n_types, mg_str mode, size_t *count,
                            mg_error *error) {
    redaction d = {.r = r, .types = types, .n_types = n_types};
    mg_status st = check_mode(mode, &d.hash, error);
    if (st != MG_OK) return st;
    size_t n;
    const mg_part *p = mg_request_parts(r, &n);
    for (size_t i = 0; i < n; i++) {
        mg_str out;
        if (!p[i].text) continue;
        st = redact_text(&d, p[i].text->str, &out, error);
        if (st == MG_ERROR) return st;
        if (st == MG_OK) mg_request_replace_text(r, &p[i], out, error);
    }
    decide(&d, rule);
    *count = d.count;
    return MG_OK;
}

mg_status mg_request_redact_reply(mg_request *r, mg_str rule, const mg_str *types, size_t n_types, mg_str mode,
                                  size_t *count, mg_error *error) {
    redaction d = {.r = r, .types = types, .n_types = n_types};
    mg_status st = check_mode(mode, &d.hash, error);
    if (st != MG_OK) return st;
    mg_str out;
    *count = 0;
    st = redact_text(&d, r->reply_replaced ? r->reply_replacement : r->text, &out, error);
    if (st == MG_DECLINED) return MG_OK;
    if (st == MG_OK) st = mg_request_replace_reply(r, out, error);
    if (st != MG_OK) return st;
    decide(&d, rule);
    *count = d.count;
    return MG_OK;
}
