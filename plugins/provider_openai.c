/* OpenAI, and every server that speaks its format: vLLM, Ollama, Groq, DeepSeek, OpenRouter and many more. */
#include <stdio.h>
#include <stdlib.h>

#include "provider_openai/openai.h"

enum { N_OPERATIONS = MG_OP_COUNT_TOKENS + 1 };

static const char *const operation_names[N_OPERATIONS] = {
    [MG_OP_CHAT] = "chat",     [MG_OP_EMBEDDINGS] = "embeddings",     [MG_OP_MODERATIONS] = "moderations",
    [MG_OP_MODELS] = "models", [MG_OP_COUNT_TOKENS] = "count_tokens",
};

/* Read once when opened, so that a request looks nothing up. All strings are the settings' own. */
typedef struct provider {
    const mg_host *host;
    mg_str organization;
    mg_str project;
    openai_pair *headers;
    size_t n_headers;
    mg_str *drop;
    openai_pair *rename;
    openai_quirks quirks; /* drop and rename as the encoder takes them */
    mg_str paths[N_OPERATIONS];
} provider;

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static size_t elements_count(const mg_settings *s, const char *key) {
    mg_str name, value;
    size_t n = 0;
    while (s->element(s->ctx, key, n, &name, &value)) n++;
    return n;
}

static openai_pair *pairs_read(const mg_settings *s, const char *key, size_t *n) {
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

/* Visible bytes only, with spaces and tabs if `spaces` (RFC 9110, 5.5). */
static bool visible(mg_str s, bool spaces) {
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

static bool headers_check(const provider *p, mg_error *error) {
    for (size_t i = 0; i < p->n_headers; i++)
        if (!header_name_valid(p->headers[i].name) || !visible(p->headers[i].value, true)) {
            openai_fail(
                error, 0, "bad_setting",
                "setting 'headers': '%.*s' is not a header that can be set here; names are in lower case, without "
                "host, connection and lengths, and values hold no control characters",
                (int)(p->headers[i].name.n > 60 ? 60 : p->headers[i].name.n), p->headers[i].name.p);
            return false;
        }
    if (visible(p->organization, false) && visible(p->project, false)) return true;
    openai_fail(error, 0, "bad_setting", "settings 'organization' and 'project' hold no spaces and control characters");
    return false;
}

static bool path_set(provider *p, mg_str name, mg_str path, mg_error *error) {
    if (path.n == 0 || path.p[0] != '/' || !visible(path, false) || memchr(path.p, '#', path.n)) {
        openai_fail(error, 0, "bad_setting", "setting 'path': a path begins with '/' and holds no spaces and no '#'");
        return false;
    }
    for (size_t i = 0; i < N_OPERATIONS; i++)
        if (str_eq(name, str_of(operation_names[i]))) {
            p->paths[i] = path;
            return true;
        }
    openai_fail(error, 0, "bad_setting",
                "setting 'path': '%.*s' is not one of chat, embeddings, moderations, models, count_tokens",
                (int)(name.n > 60 ? 60 : name.n), name.p);
    return false;
}

static bool paths_read(provider *p, const mg_settings *s, mg_error *error) {
    mg_str name, path;
    p->paths[MG_OP_CHAT] = STR("/chat/completions");
    p->paths[MG_OP_EMBEDDINGS] = STR("/embeddings");
    p->paths[MG_OP_MODERATIONS] = STR("/moderations");
    p->paths[MG_OP_MODELS] = STR("/models");
    for (size_t i = 0; s->element(s->ctx, "path", i, &name, &path); i++)
        if (!path_set(p, name, path, error)) return false;
    return true;
}

static void openai_close(void *shared) {
    provider *p = shared;
    free(p->headers);
    free(p->drop);
    free(p->rename);
    free(p);
}

static void *openai_open(const mg_host *host, const mg_settings *s, mg_error *error) {
    provider *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->host = host;
    p->organization = s->string(s->ctx, "organization");
    p->project = s->string(s->ctx, "project");
    p->headers = pairs_read(s, "headers", &p->n_headers);
    p->drop = strings_read(s, "drop", &p->quirks.n_drop);
    p->rename = pairs_read(s, "rename", &p->quirks.n_rename);
    p->quirks.drop = p->drop;
    p->quirks.rename = p->rename;
    bool memory = p->headers && p->drop && p->rename;
    if (memory && headers_check(p, error) && paths_read(p, s, error)) return p;
    openai_close(p);
    return NULL;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static bool header_configured(const provider *p, mg_str name) {
    for (size_t i = 0; i < p->n_headers; i++)
        if (str_eq(p->headers[i].name, name)) return true;
    return false;
}

/* A header of the setting replaces ours of the same name. */
static void header_put(const provider *p, const mg_provider_out *out, mg_str name, mg_str value) {
    if (value.n && !header_configured(p, name)) out->header(out->ctx, name, value);
}

static mg_status key_put(const provider *p, const mg_provider_request *r, const mg_provider_out *out, mg_error *error) {
    static const char scheme[] = "Bearer ";
    char value[sizeof scheme - 1 + 4096];
    size_t n = sizeof scheme - 1;
    if (r->api_key.n == 0) return MG_OK;
    if (r->api_key.n > sizeof value - n || !visible(r->api_key, false))
        return openai_fail(error, 500, "bad_setting",
                           "the configured api_key is longer than 4,096 bytes, or holds a space or a line break");
    memcpy(value, scheme, n);
    memcpy(value + n, r->api_key.p, r->api_key.n);
    header_put(p, out, STR("authorization"), (mg_str){value, n + r->api_key.n});
    return MG_OK;
}

static mg_status openai_encode(void *self, const mg_provider_request *r, const mg_provider_out *out, mg_error *error) {
    const provider *p = self;
    if ((unsigned)r->operation >= N_OPERATIONS || p->paths[r->operation].n == 0)
        return openai_fail(error, 400, "unsupported", "this provider has no operation '%s'",
                           (unsigned)r->operation < N_OPERATIONS ? operation_names[r->operation] : "unknown");
    bool has_body = r->operation != MG_OP_MODELS;
    out->method(out->ctx, has_body ? STR("POST") : STR("GET"));
    out->path(out->ctx, p->paths[r->operation]);
    mg_status status = key_put(p, r, out, error);
    if (status != MG_OK) return status;
    if (has_body) header_put(p, out, STR("content-type"), STR("application/json"));
    header_put(p, out, STR("openai-organization"), p->organization);
    header_put(p, out, STR("openai-project"), p->project);
    for (size_t i = 0; i < p->n_headers; i++) out->header(out->ctx, p->headers[i].name, p->headers[i].value);
    return has_body ? openai_encode_body(p->host, &p->quirks, r, out, error) : MG_OK;
}

static mg_status decode(void *self, const mg_frame *frame, const mg_sink *sink, mg_error *error) {
    return openai_decode(((const provider *)self)->host, frame, sink, error);
}

static void classify(void *self, const mg_frame *frame, const mg_header *headers, size_t n_headers,
                     mg_classification *out) {
    openai_classify(((const provider *)self)->host, frame, headers, n_headers, out);
}

static bool native(void *self, mg_operation operation, mg_format_id format) {
    (void)self, (void)operation;
    return format == MG_FORMAT_OPENAI;
}

/* ---- descriptor -------------------------------------------------------------------------------------------------- */

static const mg_setting settings[] = {
    {"api_key", MG_SETTING_SECRET, NULL, false, "key that is sent as a bearer token; none for servers without keys"},
    {"base_url", MG_SETTING_URL, "https://api.openai.com/v1", false, "where the server is; paths are appended to it"},
    {"organization", MG_SETTING_STRING, NULL, false, "value of the header openai-organization"},
    {"project", MG_SETTING_STRING, NULL, false, "value of the header openai-project"},
    {"headers", MG_SETTING_MAP, NULL, false, "more headers to send, names in lower case; they replace ours"},
    {"drop", MG_SETTING_STRINGS, NULL, false, "top-level members of the request that this server does not take"},
    {"rename", MG_SETTING_MAP, NULL, false, "top-level members of the request that have another name here"},
    {"path", MG_SETTING_MAP, NULL, false, "path of an operation: chat, embeddings, moderations, models, count_tokens"},
    {NULL, MG_SETTING_STRING, NULL, false, NULL},
};

static const mg_provider operations = {
    .size = sizeof operations,
    .framing = MG_FRAMING_SSE,
    .capabilities = MG_CAP_STREAM | MG_CAP_TOOLS | MG_CAP_VISION | MG_CAP_EMBEDDINGS | MG_CAP_JSON_SCHEMA,
    .native = native,
    .default_base_url = "https://api.openai.com/v1",
    .encode = openai_encode,
    .decode = decode,
    .classify = classify,
};

static const mg_plugin plugin = {
    .abi = MG_PLUGIN_ABI,
    .kind = MG_KIND_PROVIDER,
    .size = sizeof plugin,
    .name = "openai",
    .version = "1.0.0",
    .doc = "OpenAI and servers that speak its format",
    .settings = settings,
    .ops = &operations,
    .open = openai_open,
    .close = openai_close,
};

MG_PLUGIN_EXPORT const mg_plugin *moongate_plugin(void);
MG_PLUGIN_EXPORT const mg_plugin *moongate_plugin(void) { return &plugin; }
