/* OpenAI, and every server that speaks its format: vLLM, Ollama, Groq, DeepSeek, OpenRouter and many more. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "provider_openai/openai.h"

/* The operations with a path, and Responses behind them. */
enum { RESPONSES = MG_OP_COUNT_TOKENS + 1, RESPONSES_COUNT, N_PATHS };

static const char *const path_names[N_PATHS] = {
    [MG_OP_CHAT] = "chat",
    [MG_OP_EMBEDDINGS] = "embeddings",
    [MG_OP_MODERATIONS] = "moderations",
    [MG_OP_MODELS] = "models",
    [MG_OP_COUNT_TOKENS] = "count_tokens",
    [RESPONSES] = "responses",
    [RESPONSES_COUNT] = "input_tokens",
};

/* Read once when opened, so that a request looks nothing up. All strings are the settings' own. */
typedef struct provider {
    const mg_host *host;
    mg_str organization;
    mg_str project;
    openai_extras extras;
    mg_str paths[N_PATHS];
    bool responses; /* speaks the format of responses */
} provider;

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static bool names_check(const provider *p, mg_error *error) {
    if (openai_visible(p->organization, false) && openai_visible(p->project, false)) return true;
    openai_fail(error, 0, "bad_setting", "settings 'organization' and 'project' hold no spaces and control characters");
    return false;
}

static bool path_set(provider *p, mg_str name, mg_str path, mg_error *error) {
    if (path.n == 0 || path.p[0] != '/' || !openai_visible(path, false) || memchr(path.p, '#', path.n)) {
        openai_fail(error, 0, "bad_setting", "setting 'path': a path begins with '/' and holds no spaces and no '#'");
        return false;
    }
    for (size_t i = 0; i < N_PATHS; i++)
        if (str_eq(name, str_of(path_names[i]))) {
            p->paths[i] = path;
            return true;
        }
    openai_fail(error, 0, "bad_setting",
                "setting 'path': '%.*s' is not one of chat, responses, embeddings, moderations, models, count_tokens, "
                "input_tokens",
                (int)(name.n > 60 ? 60 : name.n), name.p);
    return false;
}

static bool paths_read(provider *p, const mg_settings *s, mg_error *error) {
    mg_str name, path;
    p->paths[MG_OP_CHAT] = STR("/chat/completions");
    p->paths[MG_OP_EMBEDDINGS] = STR("/embeddings");
    p->paths[MG_OP_MODERATIONS] = STR("/moderations");
    p->paths[MG_OP_MODELS] = STR("/models");
    p->paths[RESPONSES] = STR("/responses");
    for (size_t i = 0; s->element(s->ctx, "path", i, &name, &path); i++)
        if (!path_set(p, name, path, error)) return false;
    return true;
}

/* OpenAI's own host, or one of its regions'. */
static bool is_openai(mg_str url) {
    const char *start = url.n ? memmem(url.p, url.n, "://", 3) : NULL;
    if (!start) return false;
    mg_str host = {start + 3, url.n - (size_t)(start + 3 - url.p)};
    static const char name[] = "api.openai.com";
    for (size_t i = 0; i < host.n; i++)
        if (host.p[i] == '/' || host.p[i] == ':') host.n = i;
    if (host.n < sizeof name - 1 || strncasecmp(host.p + host.n - (sizeof name - 1), name, sizeof name - 1) != 0)
        return false;
    return host.n == sizeof name - 1 || host.p[host.n - sizeof name] == '.';
}

static bool responses_read(provider *p, const mg_settings *s, mg_error *error) {
    mg_str says = s->string(s->ctx, "responses");
    p->extras.quirks.strict = is_openai(s->string(s->ctx, "base_url"));
    p->responses = str_eq(says, STR("yes"));
    if (p->extras.quirks.strict && p->paths[RESPONSES_COUNT].n == 0)
        p->paths[RESPONSES_COUNT] = STR("/responses/input_tokens"); /* few others have it: there the host counts */
    if (p->responses || str_eq(says, STR("no"))) return true;
    if (says.n == 0 || str_eq(says, STR("auto"))) {
        p->responses = p->extras.quirks.strict;
        return true;
    }
    openai_fail(error, 0, "bad_setting", "setting 'responses': '%.*s' is not one of auto, yes, no",
                (int)(says.n > 60 ? 60 : says.n), says.p);
    return false;
}

static void openai_close(void *shared) {
    provider *p = shared;
    openai_extras_finish(&p->extras);
    free(p);
}

static void *openai_open(const mg_host *host, const mg_settings *s, mg_error *error) {
    provider *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->host = host;
    p->organization = s->string(s->ctx, "organization");
    p->project = s->string(s->ctx, "project");
    if (openai_extras_read(&p->extras, s, error) && names_check(p, error) && paths_read(p, s, error) &&
        responses_read(p, s, error))
        return p;
    openai_close(p);
    return NULL;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

/* "" if the operation is not offered in that format. */
static mg_str path_of(const provider *p, mg_operation operation, mg_format_id format) {
    if (format == MG_FORMAT_RESPONSES && operation == MG_OP_CHAT && p->responses) return p->paths[RESPONSES];
    if (format == MG_FORMAT_RESPONSES && operation == MG_OP_COUNT_TOKENS && p->responses)
        return p->paths[RESPONSES_COUNT];
    if (format == MG_FORMAT_OPENAI && (unsigned)operation < RESPONSES) return p->paths[operation];
    return (mg_str){NULL, 0};
}

static mg_status openai_encode(void *self, const mg_provider_request *r, const mg_provider_out *out, mg_error *error) {
    const provider *p = self;
    mg_str path = path_of(p, r->operation, r->format);
    if (path.n == 0)
        return openai_fail(error, 400, "unsupported", "this provider has no operation '%s' in that format",
                           (unsigned)r->operation < RESPONSES ? path_names[r->operation] : "unknown");
    bool has_body = r->operation != MG_OP_MODELS;
    out->method(out->ctx, has_body ? STR("POST") : STR("GET"));
    out->path(out->ctx, path);
    mg_status status = openai_key_put(&p->extras, out, "authorization", "Bearer ", r->api_key, error);
    if (status != MG_OK) return status;
    if (has_body) openai_header_put(&p->extras, out, "content-type", STR("application/json"));
    openai_header_put(&p->extras, out, "openai-organization", p->organization);
    openai_header_put(&p->extras, out, "openai-project", p->project);
    openai_headers_put(&p->extras, out);
    return has_body ? openai_encode_body(p->host, &p->extras.quirks, r, r->model, out, error) : MG_OK;
}

static mg_status decode(void *self, const mg_frame *frame, const mg_sink *sink, mg_error *error) {
    return openai_decode(((const provider *)self)->host, frame, sink, error);
}

static void classify(void *self, const mg_frame *frame, const mg_header *headers, size_t n_headers,
                     mg_classification *out) {
    openai_classify(((const provider *)self)->host, frame, headers, n_headers, out);
}

static bool native(void *self, mg_operation operation, mg_format_id format) {
    return path_of(self, operation, format).n > 0;
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
    {"path", MG_SETTING_MAP, NULL, false,
     "path of an operation: chat, responses, embeddings, moderations, models, count_tokens, input_tokens (the count "
     "for requests in the format of responses)"},
    {"responses", MG_SETTING_STRING, "auto", false,
     "whether the server has OpenAI's /responses: auto (OpenAI's own has), yes, no"},
    {NULL, MG_SETTING_STRING, NULL, false, NULL},
};

static const mg_provider operations = {
    .size = sizeof operations,
    .framing = MG_FRAMING_SSE,
    .capabilities =
        MG_CAP_STREAM | MG_CAP_TOOLS | MG_CAP_VISION | MG_CAP_EMBEDDINGS | MG_CAP_JSON_SCHEMA | MG_CAP_MODERATIONS,
    .state_size = sizeof(openai_state),
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
