/* Anthropic: the Messages API, native for clients that speak it, translated for all others. */
#include <stdlib.h>

#include "provider_anthropic/anthropic.h"

typedef struct header_pair {
    mg_str name, value;
} header_pair;

/* Read once when opened, so that a request looks nothing up. Strings are the settings' own, but `beta`. */
typedef struct provider {
    const mg_host *host;
    mg_str version;
    char *beta; /* all of them, by commas; "" if there are none */
    header_pair *headers;
    size_t n_headers;
    mg_str *drop;
    anthropic_quirks quirks;
} provider;

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static size_t elements_count(const mg_settings *s, const char *key) {
    mg_str name, value;
    size_t n = 0;
    while (s->element(s->ctx, key, n, &name, &value)) n++;
    return n;
}

static void headers_read(provider *p, const mg_settings *s) {
    p->n_headers = elements_count(s, "headers");
    p->headers = calloc(p->n_headers + 1, sizeof *p->headers);
    for (size_t i = 0; p->headers && i < p->n_headers; i++)
        s->element(s->ctx, "headers", i, &p->headers[i].name, &p->headers[i].value);
}

static void drop_read(provider *p, const mg_settings *s) {
    mg_str name;
    p->quirks.n_drop = elements_count(s, "drop");
    p->drop = calloc(p->quirks.n_drop + 1, sizeof *p->drop);
    for (size_t i = 0; p->drop && i < p->quirks.n_drop; i++) s->element(s->ctx, "drop", i, &name, &p->drop[i]);
    p->quirks.drop = p->drop;
}

static void beta_read(provider *p, const mg_settings *s) {
    mg_str name, value;
    size_t n = 1, at = 0;
    for (size_t i = 0; s->element(s->ctx, "beta", i, &name, &value); i++) n += value.n + 1;
    p->beta = calloc(n, 1);
    for (size_t i = 0; p->beta && s->element(s->ctx, "beta", i, &name, &value); i++) {
        if (at) p->beta[at++] = ',';
        if (value.n) memcpy(p->beta + at, value.p, value.n);
        at += value.n;
    }
}

/* Visible bytes only, with spaces and tabs if `spaces` (RFC 9110, 5.5). */
static bool is_visible(mg_str s, bool spaces) {
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool space = c == ' ' || c == '\t';
        if (space ? !spaces : c < ' ' || c == 0x7f) return false;
    }
    return true;
}

/* Lower case, as the host wants names: the setting may as well be refused as changed. */
static bool is_header_name(mg_str s) {
    static const char *const ours[] = {"host", "content-length", "transfer-encoding", "connection"};
    for (size_t i = 0; i < s.n; i++)
        if (!s.p[i] || !strchr("abcdefghijklmnopqrstuvwxyz0123456789-_", s.p[i])) return false;
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (str_is(s, ours[i])) return false;
    return s.n > 0;
}

static bool settings_check(const provider *p, mg_error *error) {
    for (size_t i = 0; i < p->n_headers; i++)
        if (!is_header_name(p->headers[i].name) || !is_visible(p->headers[i].value, true)) {
            mg_str name = p->headers[i].name;
            anthropic_fail(error, 0, "bad_setting",
                           "setting 'headers': '%.*s' is not a header that can be set here; names are in lower case, "
                           "without host, connection and lengths, and values hold no control characters",
                           (int)(name.n > 60 ? 60 : name.n), name.p);
            return false;
        }
    for (size_t i = 0; i < p->quirks.n_drop; i++)
        if (str_is(p->drop[i], "messages") || str_is(p->drop[i], "system")) {
            anthropic_fail(error, 0, "bad_setting", "setting 'drop': messages and system can't be left out");
            return false;
        }
    if (p->quirks.max_tokens < 1) {
        anthropic_fail(error, 0, "bad_setting", "setting 'max_tokens' has to be at least 1");
        return false;
    }
    if (is_visible(p->version, false) && is_visible(str_of(p->beta), false)) return true;
    anthropic_fail(error, 0, "bad_setting", "settings 'version' and 'beta' hold no spaces and control characters");
    return false;
}

static void provider_close(void *shared) {
    provider *p = shared;
    free(p->beta);
    free(p->headers);
    free(p->drop);
    free(p);
}

static void *provider_open(const mg_host *host, const mg_settings *s, mg_error *error) {
    provider *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->host = host;
    p->version = s->string(s->ctx, "version");
    p->quirks.max_tokens = s->integer(s->ctx, "max_tokens");
    headers_read(p, s);
    drop_read(p, s);
    beta_read(p, s);
    if (p->headers && p->drop && p->beta && settings_check(p, error)) return p;
    provider_close(p);
    return NULL;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

/* A header of the setting replaces ours of the same name. */
static void header_put(const provider *p, const mg_provider_out *out, mg_str name, mg_str value) {
    for (size_t i = 0; i < p->n_headers; i++)
        if (str_eq(p->headers[i].name, name)) return;
    if (value.n) out->header(out->ctx, name, value);
}

static mg_status headers_put(const provider *p, const mg_provider_request *r, const mg_provider_out *out,
                             mg_error *error) {
    if (!is_visible(r->api_key, false))
        return anthropic_fail(error, 500, "bad_setting", "the configured api_key holds a space or a line break");
    header_put(p, out, STR("x-api-key"), r->api_key);
    header_put(p, out, STR("anthropic-version"), p->version);
    header_put(p, out, STR("anthropic-beta"), str_of(p->beta));
    if (r->operation != MG_OP_MODELS) header_put(p, out, STR("content-type"), STR("application/json"));
    for (size_t i = 0; i < p->n_headers; i++) out->header(out->ctx, p->headers[i].name, p->headers[i].value);
    return MG_OK;
}

static mg_status encode(void *self, const mg_provider_request *r, const mg_provider_out *out, mg_error *error) {
    const provider *p = self;
    bool models = r->operation == MG_OP_MODELS, count = r->operation == MG_OP_COUNT_TOKENS;
    if (!models && !count && r->operation != MG_OP_CHAT) return MG_DECLINED;
    out->method(out->ctx, models ? STR("GET") : STR("POST"));
    out->path(out->ctx, models  ? STR("/v1/models?limit=1000")
                        : count ? STR("/v1/messages/count_tokens")
                                : STR("/v1/messages"));
    mg_status status = headers_put(p, r, out, error);
    if (status != MG_OK || models) return status;
    return anthropic_encode_body(p->host, &p->quirks, r, out, error);
}

static mg_status decode(void *self, const mg_frame *frame, const mg_sink *sink, mg_error *error) {
    return anthropic_decode(((const provider *)self)->host, frame, sink, error);
}

static void classify(void *self, const mg_frame *frame, const mg_header *headers, size_t n_headers,
                     mg_classification *out) {
    anthropic_classify(((const provider *)self)->host, frame, headers, n_headers, out);
}

static bool native(void *self, mg_operation operation, mg_format_id format) {
    (void)self;
    return format == MG_FORMAT_ANTHROPIC && (operation == MG_OP_CHAT || operation == MG_OP_COUNT_TOKENS);
}

/* ---- descriptor -------------------------------------------------------------------------------------------------- */

static const mg_setting settings[] = {
    {"api_key", MG_SETTING_SECRET, NULL, false, "key that is sent as x-api-key"},
    {"base_url", MG_SETTING_URL, "https://api.anthropic.com", false, "where the server is; /v1/… is appended to it"},
    {"version", MG_SETTING_STRING, "2023-06-01", false, "value of the header anthropic-version"},
    {"beta", MG_SETTING_STRINGS, NULL, false, "beta features, sent as the header anthropic-beta"},
    {"headers", MG_SETTING_MAP, NULL, false, "more headers to send, names in lower case; they replace ours"},
    {"drop", MG_SETTING_STRINGS, NULL, false,
     "top-level members of Anthropic's request that this server does not take"},
    {"max_tokens", MG_SETTING_INTEGER, "4096", false, "max_tokens of requests that state none: Anthropic demands it"},
    {NULL, MG_SETTING_STRING, NULL, false, NULL},
};

static const mg_provider operations = {
    .size = sizeof operations,
    .framing = MG_FRAMING_SSE,
    .capabilities =
        MG_CAP_STREAM | MG_CAP_TOOLS | MG_CAP_VISION | MG_CAP_JSON_SCHEMA | MG_CAP_PREFIX | MG_CAP_COUNT_TOKENS,
    .state_size = ANTHROPIC_STATE_SIZE,
    .default_base_url = "https://api.anthropic.com",
    .native = native,
    .encode = encode,
    .decode = decode,
    .classify = classify,
};

static const mg_plugin plugin = {
    .abi = MG_PLUGIN_ABI,
    .kind = MG_KIND_PROVIDER,
    .size = sizeof plugin,
    .name = "anthropic",
    .version = "1.0.0",
    .doc = "Anthropic's Messages API",
    .settings = settings,
    .ops = &operations,
    .open = provider_open,
    .close = provider_close,
};

MG_PLUGIN_EXPORT const mg_plugin *moongate_plugin(void);
MG_PLUGIN_EXPORT const mg_plugin *moongate_plugin(void) { return &plugin; }
