/* Azure OpenAI and Azure AI Foundry: OpenAI's formats at addresses, with keys and with error codes of Azure's own. */
#include <stdlib.h>

#include "provider_azure/azure.h"

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static void azure_close(void *shared) {
    azure *a = shared;
    openai_extras_finish(&a->extras);
    free(a->deployments);
    free(a);
}

static void *azure_open(const mg_host *host, const mg_settings *s, mg_error *error) {
    azure *a = calloc(1, sizeof *a);
    if (!a) return NULL;
    a->host = host;
    a->deployments = openai_pairs_read(s, "deployments", &a->n_deployments);
    a->identity = (azure_identity){.authority = s->string(s->ctx, "authority"),
                                   .tenant = s->string(s->ctx, "tenant_id"),
                                   .client = s->string(s->ctx, "client_id"),
                                   .secret = s->string(s->ctx, "client_secret"),
                                   .scope = s->string(s->ctx, "scope")};
    bool has_key = s->string(s->ctx, "api_key").n > 0;
    mg_str version = s->string(s->ctx, "api_version");
    if (a->deployments && openai_extras_read(&a->extras, s, error) &&
        azure_identity_check(&a->identity, has_key, error) == MG_OK &&
        azure_routes_read(a, s->string(s->ctx, "endpoint"), version, error) == MG_OK) {
        a->extras.quirks.strict = true;
        return a;
    }
    azure_close(a);
    return NULL;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static bool native(void *self, mg_operation operation, mg_format_id format) {
    return azure_has(self, operation, format);
}

/* Serverless deployments want their key as a token. */
static mg_status key_put(const azure *a, const mg_provider_request *r, const mg_provider_out *out, mg_error *error) {
    if (azure_identity_used(&a->identity) || a->routes == AZURE_SERVERLESS)
        return openai_key_put(&a->extras, out, "authorization", "Bearer ", r->api_key, error);
    return openai_key_put(&a->extras, out, "api-key", "", r->api_key, error);
}

/* Where the path names the deployment, a body without a model is left alone. Versions before 2024-09-01 know no
 * stream_options. */
static mg_status body_encode(const azure *a, const mg_provider_request *request, mg_str deployment,
                             const mg_provider_out *out, mg_error *error) {
    mg_provider_request r = {.size = sizeof r};
    memcpy(&r, request, request->size < sizeof r ? request->size : sizeof r);
    bool by_path = a->routes == AZURE_DEPLOYMENTS && r.format == MG_FORMAT_OPENAI;
    if (by_path && !openai_get(a->host, r.root, "model")) deployment = (mg_str){NULL, 0};
    if (by_path && azure_version_before(a, "2024-09-01")) r.want_usage = false;
    return openai_encode_body(a->host, &a->extras.quirks, &r, deployment, out, error);
}

static mg_status azure_encode(void *self, const mg_provider_request *r, const mg_provider_out *out, mg_error *error) {
    const azure *a = self;
    if (!azure_has(a, r->operation, r->format)) return MG_DECLINED;
    bool has_body = r->operation != MG_OP_MODELS;
    mg_str deployment = azure_deployment(a, r->model);
    out->method(out->ctx, has_body ? STR("POST") : STR("GET"));
    mg_status status = azure_path_put(a, r->operation, r->format, deployment, out, error);
    if (status == MG_OK) status = key_put(a, r, out, error);
    if (status != MG_OK) return status;
    if (has_body) openai_header_put(&a->extras, out, "content-type", STR("application/json"));
    openai_headers_put(&a->extras, out);
    return has_body ? body_encode(a, r, deployment, out, error) : MG_OK;
}

static mg_status decode(void *self, const mg_frame *frame, const mg_sink *sink, mg_error *error) {
    return openai_decode(((const azure *)self)->host, frame, sink, error);
}

static void classify(void *self, const mg_frame *frame, const mg_header *headers, size_t n_headers,
                     mg_classification *out) {
    openai_classify(((const azure *)self)->host, frame, headers, n_headers, out);
}

static mg_str base_url(void *self) { return ((const azure *)self)->base; }

static mg_status credential(void *self, int64_t now_s, const mg_provider_out *out, mg_error *error) {
    (void)now_s;
    return azure_credential(&((const azure *)self)->identity, out, error);
}

static mg_status credential_read(void *self, const mg_frame *frame, mg_str *token, int64_t *lifetime_s,
                                 mg_error *error) {
    return azure_credential_read(((const azure *)self)->host, frame, token, lifetime_s, error);
}

/* ---- descriptor -------------------------------------------------------------------------------------------------- */

static const mg_setting settings[] = {
    {"api_key", MG_SETTING_SECRET, NULL, false, "key of the resource"},
    {"endpoint", MG_SETTING_URL, NULL, true,
     "address of the resource: https://NAME.openai.azure.com, or https://NAME.services.ai.azure.com/models for "
     "Foundry's own routes"},
    {"api_version", MG_SETTING_STRING, "2024-10-21", false, "a date; v1 or preview use the routes of /openai/v1"},
    {"deployments", MG_SETTING_MAP, NULL, false, "deployment of a model; one that is not here is named like its model"},
    {"tenant_id", MG_SETTING_STRING, NULL, false, "with an application of Entra ID instead of a key: its tenant"},
    {"client_id", MG_SETTING_STRING, NULL, false, "the application's id"},
    {"client_secret", MG_SETTING_SECRET, NULL, false, "the application's secret"},
    {"authority", MG_SETTING_URL, "https://login.microsoftonline.com", false, "who gives tokens to the application"},
    {"scope", MG_SETTING_STRING, "https://cognitiveservices.azure.com/.default", false, "what the tokens are for"},
    {"headers", MG_SETTING_MAP, NULL, false, "more headers to send, names in lower case; they replace ours"},
    {"drop", MG_SETTING_STRINGS, NULL, false, "top-level members of the request that the deployments do not take"},
    {"rename", MG_SETTING_MAP, NULL, false, "top-level members of the request that have another name here"},
    {NULL, MG_SETTING_STRING, NULL, false, NULL},
};

static const mg_provider operations = {
    .size = sizeof operations,
    .framing = MG_FRAMING_SSE,
    .capabilities = MG_CAP_STREAM | MG_CAP_TOOLS | MG_CAP_VISION | MG_CAP_EMBEDDINGS | MG_CAP_JSON_SCHEMA,
    .state_size = sizeof(openai_state),
    .native = native,
    .encode = azure_encode,
    .decode = decode,
    .classify = classify,
    .base_url = base_url,
    .credential = credential,
    .credential_read = credential_read,
};

static const mg_plugin plugin = {
    .abi = MG_PLUGIN_ABI,
    .kind = MG_KIND_PROVIDER,
    .size = sizeof plugin,
    .name = "azure",
    .version = "1.0.0",
    .doc = "Azure OpenAI and Azure AI Foundry",
    .settings = settings,
    .ops = &operations,
    .open = azure_open,
    .close = azure_close,
};

MG_PLUGIN_EXPORT const mg_plugin *moongate_plugin(void);
MG_PLUGIN_EXPORT const mg_plugin *moongate_plugin(void) { return &plugin; }
