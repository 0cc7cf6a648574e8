/* Settings and headers that openai and azure have in common. */
#include <stdio.h>
#include <stdlib.h>

#include "openai.h"

static size_t elements_count(const mg_settings *s, const char *key) {
    mg_str name, value;
    size_t n = 0;
    while (s->element(s->ctx, key, n, &name, &value)) n++;
    return n;
}

openai_pair *openai_pairs_read(const mg_settings *s, const char *key, size_t *n) {
    *n = elements_count(s, key);
    openai_pair *pairs = calloc(*n + 1, sizeof *pairs);
    for (size_t i = 0; pairs && i < *n; i++) s->element(s->ctx, key, i, &pairs[i].name, &pairs[i].value);
    return pairs;
}

static mg_str *strings_read(const mg_settings *s, const char *key, size_t *n) {
    mg_str name;
    *n = elements_count(s, key);
    mg_str *strings = calloc(*n + 1, sizeof *strings);
    for (size_t i = 0; strings && i < *n; i++) s->element(s->ctx, key, i, &name, &strings[i]);
    return strings;
}

bool openai_visible(mg_str s, bool spaces) {
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == 0x7f || c < ' ' || (c == ' ' && !spaces)) {
            if (c != '\t' || !spaces) return false;
        }
    }
    return true;
}

/* Lower case, as the host wants names: the setting may as well be refused as changed. */
static bool header_name_valid(mg_str s) {
    static const char *const ours[] = {"host", "content-length", "transfer-encoding", "connection"};
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '-' || s.p[i] == '_'))
            return false;
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (str_eq(s, str_of(ours[i]))) return false;
    return s.n > 0;
}

static bool headers_check(const openai_extras *x, mg_error *error) {
    for (size_t i = 0; i < x->n_headers; i++)
        if (!header_name_valid(x->headers[i].name) || !openai_visible(x->headers[i].value, true)) {
            openai_fail(
                error, 0, "bad_setting",
                "setting 'headers': '%.*s' is not a header that can be set here; names are in lower case, without "
                "host, connection and lengths, and values hold no control characters",
                (int)(x->headers[i].name.n > 60 ? 60 : x->headers[i].name.n), x->headers[i].name.p);
            return false;
        }
    return true;
}

bool openai_extras_read(openai_extras *x, const mg_settings *s, mg_error *error) {
    x->headers = openai_pairs_read(s, "headers", &x->n_headers);
    x->drop = strings_read(s, "drop", &x->quirks.n_drop);
    x->rename = openai_pairs_read(s, "rename", &x->quirks.n_rename);
    x->quirks.drop = x->drop;
    x->quirks.rename = x->rename;
    if (x->headers && x->drop && x->rename) return headers_check(x, error);
    openai_fail(error, 0, "out_of_memory", "there is no memory for the settings");
    return false;
}

void openai_extras_finish(openai_extras *x) {
    free(x->headers);
    free(x->drop);
    free(x->rename);
}

/* ---- headers ----------------------------------------------------------------------------------------------------- */

static bool header_configured(const openai_extras *x, mg_str name) {
    for (size_t i = 0; i < x->n_headers; i++)
        if (str_eq(x->headers[i].name, name)) return true;
    return false;
}

void openai_header_put(const openai_extras *x, const mg_provider_out *out, const char *name, mg_str value) {
    if (value.n && !header_configured(x, str_of(name))) out->header(out->ctx, str_of(name), value);
}

mg_status openai_key_put(const openai_extras *x, const mg_provider_out *out, const char *name, const char *scheme,
                         mg_str key, mg_error *error) {
    char value[8192 + 16]; /* tokens of Entra ID have about 2 KB, with many groups more */
    size_t n = strlen(scheme);
    if (key.n == 0) return MG_OK;
    if (key.n > sizeof value - n || !openai_visible(key, false))
        return openai_fail(error, 500, "bad_setting",
                           "the configured api_key is longer than 8,192 bytes, or holds a space or a line break");
    memcpy(value, scheme, n);
    memcpy(value + n, key.p, key.n);
    openai_header_put(x, out, name, (mg_str){value, n + key.n});
    return MG_OK;
}

void openai_headers_put(const openai_extras *x, const mg_provider_out *out) {
    for (size_t i = 0; i < x->n_headers; i++) out->header(out->ctx, x->headers[i].name, x->headers[i].value);
}
