/* Amazon Bedrock: the Converse API, with AWS credentials (Signature Version 4) or a Bedrock API key. */
#include <stdio.h>
#include <stdlib.h>

#include "provider_bedrock/bedrock.h"
#include "provider_bedrock/sigv4.h"

/* Read once when opened. Strings are the settings' own but for the base URL. */
typedef struct provider {
    const mg_host *host;
    sigv4_keys keys; /* none: nothing is signed */
    mg_header *headers;
    size_t n_headers;
    mg_str *drop;
    bedrock_quirks quirks;
    char base_url[128]; /* "": as configured */
} provider;

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static size_t elements_count(const mg_settings *s, const char *key) {
    mg_str name, value;
    size_t n = 0;
    while (s->element(s->ctx, key, n, &name, &value)) n++;
    return n;
}

static void lists_read(provider *p, const mg_settings *s) {
    mg_str name;
    p->n_headers = elements_count(s, "headers");
    p->quirks.n_drop = elements_count(s, "drop");
    p->headers = calloc(p->n_headers + 1, sizeof *p->headers);
    p->drop = calloc(p->quirks.n_drop + 1, sizeof *p->drop);
    for (size_t i = 0; p->headers && i < p->n_headers; i++)
        s->element(s->ctx, "headers", i, &p->headers[i].name, &p->headers[i].value);
    for (size_t i = 0; p->drop && i < p->quirks.n_drop; i++) s->element(s->ctx, "drop", i, &name, &p->drop[i]);
    p->quirks.drop = p->drop;
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
    static const char *const ours[] = {"host",       "content-length",       "transfer-encoding",
                                       "connection", "x-amz-security-token", "x-amz-date"};
    for (size_t i = 0; i < s.n; i++)
        if (!s.p[i] || !strchr("abcdefghijklmnopqrstuvwxyz0123456789-_", s.p[i])) return false;
    for (size_t i = 0; i < COUNT(ours); i++)
        if (str_is(s, ours[i])) return false;
    return s.n > 0;
}

static bool lists_check(const provider *p, mg_error *error) {
    for (size_t i = 0; i < p->n_headers; i++) {
        mg_str name = p->headers[i].name;
        bool authorizes = str_is(name, "authorization") && p->keys.access_key_id.n;
        if (is_header_name(name) && is_visible(p->headers[i].value, true) && !authorizes) continue;
        bedrock_fail(error, 0, "bad_setting",
                     "setting 'headers': '%.*s' is not a header that can be set here; names are in lower case, without "
                     "host, connection, lengths and what a signature sets, and values hold no control characters",
                     (int)(name.n > 60 ? 60 : name.n), name.p);
        return false;
    }
    for (size_t i = 0; i < p->quirks.n_drop; i++)
        if (str_is(p->drop[i], "messages") || str_is(p->drop[i], "system")) {
            bedrock_fail(error, 0, "bad_setting", "setting 'drop': messages and system can't be left out");
            return false;
        }
    return true;
}

static bool is_region(mg_str s) {
    for (size_t i = 0; i < s.n; i++)
        if (!s.p[i] || !strchr("abcdefghijklmnopqrstuvwxyz0123456789-", s.p[i])) return false;
    return s.n > 0 && s.n <= 32;
}

/* China's regions are a partition of their own. */
static void url_write(provider *p, mg_str region) {
    bool china = region.n > 3 && memcmp(region.p, "cn-", 3) == 0;
    snprintf(p->base_url, sizeof p->base_url, "https://bedrock-runtime.%.*s.amazonaws.com%s", (int)region.n, region.p,
             china ? ".cn" : "");
}

static bool place_read(provider *p, const mg_settings *s, mg_error *error) {
    mg_str region = s->string(s->ctx, "region"), url = s->string(s->ctx, "base_url");
    if (region.n && !is_region(region))
        bedrock_fail(error, 0, "bad_setting", "setting 'region' has to be like us-east-1");
    else if (!region.n && !url.n)
        bedrock_fail(error, 0, "bad_setting", "setting 'region' is missing: such as us-east-1 (or say base_url)");
    else if (!region.n && p->keys.access_key_id.n)
        bedrock_fail(error, 0, "bad_setting", "setting 'region' is missing: a signature names it, with a base_url too");
    else {
        if (!url.n) url_write(p, region);
        p->keys.region = region;
        return true;
    }
    return false;
}

static bool keys_read(provider *p, const mg_settings *s, mg_error *error) {
    sigv4_keys k = {s->string(s->ctx, "access_key_id"),
                    s->string(s->ctx, "secret_access_key"),
                    s->string(s->ctx, "session_token"),
                    {NULL, 0},
                    STR("bedrock")};
    bool api_key = s->string(s->ctx, "api_key").n > 0;
    bool other_url = s->string(s->ctx, "base_url").n > 0;
    if (!is_visible(k.access_key_id, false) || !is_visible(k.secret_access_key, false) ||
        !is_visible(k.session_token, false) || k.access_key_id.n > 128 || k.secret_access_key.n > 256)
        bedrock_fail(
            error, 0, "bad_setting",
            "settings 'access_key_id', 'secret_access_key' and 'session_token' hold no spaces and line breaks; "
            "the first have at most 128 and 256 bytes");
    else if (!k.access_key_id.n != !k.secret_access_key.n)
        bedrock_fail(error, 0, "bad_setting", "settings 'access_key_id' and 'secret_access_key' need one another");
    else if (!k.access_key_id.n && !api_key && !other_url)
        bedrock_fail(error, 0, "bad_setting",
                     "say 'access_key_id' and 'secret_access_key' (and 'session_token' if they are temporary), or an "
                     "'api_key' of Bedrock's");
    else {
        if (!api_key) p->keys = k;
        return true;
    }
    return false;
}

static void bedrock_close(void *shared) {
    provider *p = shared;
    free(p->headers);
    free(p->drop);
    free(p);
}

static void *bedrock_open(const mg_host *host, const mg_settings *s, mg_error *error) {
    provider *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->host = host;
    lists_read(p, s);
    if (p->headers && p->drop && keys_read(p, s, error) && place_read(p, s, error) && lists_check(p, error)) return p;
    bedrock_close(p);
    return NULL;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

/* A header of the setting replaces ours of the same name. */
static void header_put(const provider *p, const mg_provider_out *out, mg_str name, mg_str value) {
    for (size_t i = 0; i < p->n_headers; i++)
        if (str_eq(p->headers[i].name, name)) return;
    out->header(out->ctx, name, value);
}

static mg_status key_put(const provider *p, const mg_provider_request *r, const mg_provider_out *out, mg_error *error) {
    static const char scheme[] = "Bearer ";
    char value[sizeof scheme - 1 + 4096];
    size_t n = sizeof scheme - 1;
    if (r->api_key.n == 0) return MG_OK;
    if (r->api_key.n > sizeof value - n || !is_visible(r->api_key, false))
        return bedrock_fail(error, 500, "bad_setting",
                            "the configured api_key is longer than 4,096 bytes, or holds a space or a line break");
    memcpy(value, scheme, n);
    memcpy(value + n, r->api_key.p, r->api_key.n);
    header_put(p, out, STR("authorization"), (mg_str){value, n + r->api_key.n});
    explicit_bzero(value, sizeof value);
    return MG_OK;
}

/* Amazon's runtime has neither embeddings in one form for all models, nor a list of models. */
static mg_status encode(void *self, const mg_provider_request *r, const mg_provider_out *out, mg_error *error) {
    const provider *p = self;
    bool stream = r->stream && r->operation == MG_OP_CHAT;
    if (r->operation != MG_OP_CHAT && r->operation != MG_OP_COUNT_TOKENS) return MG_DECLINED;
    out->method(out->ctx, STR("POST"));
    mg_status status = key_put(p, r, out, error);
    if (status != MG_OK) return status;
    header_put(p, out, STR("content-type"), STR("application/json"));
    header_put(p, out, STR("accept"), stream ? STR("application/vnd.amazon.eventstream") : STR("application/json"));
    for (size_t i = 0; i < p->n_headers; i++) out->header(out->ctx, p->headers[i].name, p->headers[i].value);
    return bedrock_encode(p->host, &p->quirks, r, out, error);
}

/* Those that Amazon wants signed; others may change on their way. */
static bool is_signed(mg_str name) {
    return str_is(name, "content-type") || (name.n > 6 && memcmp(name.p, "x-amz-", 6) == 0);
}

static mg_status sign(void *self, const mg_signing *signing, const mg_provider_out *out, mg_error *error) {
    const provider *p = self;
    mg_signing all = *signing;
    mg_header headers[SIGV4_HEADERS];
    sigv4_signature s;
    if (!p->keys.access_key_id.n) return MG_OK;
    all.headers = headers;
    all.n_headers = 0;
    for (size_t i = 0; i < signing->n_headers && all.n_headers < SIGV4_HEADERS; i++)
        if (is_signed(signing->headers[i].name)) headers[all.n_headers++] = signing->headers[i];
    if (!sigv4_sign(&p->keys, &all, &s))
        return bedrock_fail(error, 500, "internal_error",
                            "the request could not be signed: too many headers or too long");
    out->header(out->ctx, STR("x-amz-date"), str_of(s.date));
    if (p->keys.session_token.n) out->header(out->ctx, STR("x-amz-security-token"), p->keys.session_token);
    out->header(out->ctx, STR("authorization"), str_of(s.authorization));
    return MG_OK;
}

static mg_str base_url(void *self) {
    const provider *p = self;
    return *p->base_url ? str_of(p->base_url) : (mg_str){NULL, 0};
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static mg_status decode(void *self, const mg_frame *frame, const mg_sink *sink, mg_error *error) {
    return bedrock_decode(((const provider *)self)->host, frame, sink, error);
}

static void classify(void *self, const mg_frame *frame, const mg_header *headers, size_t n_headers,
                     mg_classification *out) {
    bedrock_classify(((const provider *)self)->host, frame, headers, n_headers, out);
}

/* ---- descriptor -------------------------------------------------------------------------------------------------- */

static const mg_setting settings[] = {
    {"region", MG_SETTING_STRING, NULL, false, "AWS region, such as us-east-1; required unless base_url is said"},
    {"access_key_id", MG_SETTING_STRING, NULL, false, "AWS access key: requests are signed with it"},
    {"secret_access_key", MG_SETTING_SECRET, NULL, false, "its secret"},
    {"session_token", MG_SETTING_SECRET, NULL, false, "its session token, if the credentials are temporary"},
    {"api_key", MG_SETTING_SECRET, NULL, false, "a Bedrock API key, sent as a bearer's; nothing is signed then"},
    {"base_url", MG_SETTING_URL, NULL, false, "where the runtime is; https://bedrock-runtime.REGION.amazonaws.com"},
    {"headers", MG_SETTING_MAP, NULL, false, "more headers to send, names in lower case; they replace ours"},
    {"drop", MG_SETTING_STRINGS, NULL, false,
     "members of Converse's request that this model does not take, such as serviceTier or inferenceConfig.topP"},
    {NULL, MG_SETTING_STRING, NULL, false, NULL},
};

static const mg_provider operations = {
    .size = sizeof operations,
    .framing = MG_FRAMING_AWS_EVENT_STREAM,
    .capabilities = MG_CAP_STREAM | MG_CAP_TOOLS | MG_CAP_VISION | MG_CAP_JSON_SCHEMA | MG_CAP_PREFIX |
                    MG_CAP_BODY_ENDS | MG_CAP_COUNT_TOKENS,
    .state_size = sizeof(bedrock_state),
    .encode = encode,
    .decode = decode,
    .classify = classify,
    .base_url = base_url,
    .sign = sign,
};

static const mg_plugin plugin = {
    .abi = MG_PLUGIN_ABI,
    .kind = MG_KIND_PROVIDER,
    .size = sizeof plugin,
    .name = "bedrock",
    .version = "1.0.0",
    .doc = "models on Amazon Bedrock, through its Converse API",
    .settings = settings,
    .ops = &operations,
    .open = bedrock_open,
    .close = bedrock_close,
};

MG_PLUGIN_EXPORT const mg_plugin *moongate_plugin(void);
MG_PLUGIN_EXPORT const mg_plugin *moongate_plugin(void) { return &plugin; }
