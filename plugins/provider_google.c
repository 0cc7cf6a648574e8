/* Google's Gemini models, at the Gemini API (a key) or on Vertex AI (a project, and a service account's
 * credentials). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "provider_google/google.h"

#define GEMINI_URL "https://generativelanguage.googleapis.com/v1beta"

/* Read once when opened. Strings are the settings' own but for the base URL. */
typedef struct provider {
    const mg_host *host;
    google_target target;
    google_credentials *credentials; /* or NULL */
    google_pair *headers, *safety;
    size_t n_headers;
    char base_url[512]; /* "": as configured, or the default */
} provider;

mg_status google_fail(mg_error *error, int http, const char *code, const char *format, ...) {
    va_list args;
    if (!error) return MG_ERROR;
    error->http = http;
    snprintf(error->code, sizeof error->code, "%s", code);
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return MG_ERROR;
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static google_pair *pairs_read(const mg_settings *s, const char *key, size_t *n) {
    mg_str name, value;
    *n = 0;
    while (s->element(s->ctx, key, *n, &name, &value)) ++*n;
    google_pair *pairs = calloc(*n + 1, sizeof *pairs);
    for (size_t i = 0; pairs && i < *n; i++) s->element(s->ctx, key, i, &pairs[i].name, &pairs[i].value);
    return pairs;
}

/* Visible bytes only, with spaces and tabs if `spaces` (RFC 9110, 5.5). */
static bool visible(mg_str s, bool spaces) {
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == 0x7f || c < ' ' || c == ' ')
            if (!spaces || (c != ' ' && c != '\t')) return false;
    }
    return true;
}

/* Nothing but letters, digits and the bytes of `more`. */
static bool made_of(mg_str s, const char *more) {
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && (!c || !strchr(more, c))) return false;
    }
    return s.n > 0;
}

/* Lower case, as the host wants names: the setting may as well be refused as changed. */
static bool header_valid(const google_pair *h) {
    static const char *const ours[] = {"host", "content-length", "transfer-encoding", "connection"};
    for (size_t i = 0; i < h->name.n; i++)
        if (h->name.p[i] >= 'A' && h->name.p[i] <= 'Z') return false;
    for (size_t i = 0; i < COUNT(ours); i++)
        if (str_is(h->name, ours[i])) return false;
    return made_of(h->name, "-_") && visible(h->value, true);
}

static bool pairs_check(const provider *p, mg_error *error) {
    for (size_t i = 0; i < p->n_headers; i++)
        if (!header_valid(&p->headers[i])) {
            google_fail(
                error, 0, "bad_setting",
                "setting 'headers': '%.*s' is not a header that can be set here; names are in lower case, without "
                "host, connection and lengths, and values hold no control characters",
                (int)(p->headers[i].name.n > 60 ? 60 : p->headers[i].name.n), p->headers[i].name.p);
            return false;
        }
    for (size_t i = 0; i < p->target.n_safety; i++)
        if (!made_of(p->safety[i].name, "_") || !made_of(p->safety[i].value, "_")) {
            google_fail(error, 0, "bad_setting",
                        "setting 'safety_settings': an entry has to be of the form HARM_CATEGORY_HARASSMENT = "
                        "\"BLOCK_ONLY_HIGH\"");
            return false;
        }
    return true;
}

/* Most locations have a host of their own; the world has the bare one, and the two large regions have others. */
static void vertex_url(provider *p, mg_str project, mg_str location, mg_str version) {
    char host[160];
    int n = (int)location.n;
    if (str_is(location, "global"))
        snprintf(host, sizeof host, "aiplatform.googleapis.com");
    else if (str_is(location, "us") || str_is(location, "eu"))
        snprintf(host, sizeof host, "aiplatform.%.*s.rep.googleapis.com", n, location.p);
    else
        snprintf(host, sizeof host, "%.*s-aiplatform.googleapis.com", n, location.p);
    snprintf(p->base_url, sizeof p->base_url, "https://%s/%.*s/projects/%.*s/locations/%.*s/publishers/google", host,
             (int)version.n, version.p, (int)project.n, project.p, n, location.p);
}

/* v1 has no ids of calls: the answers carry none, and a request with one is refused. */
static bool has_call_ids(mg_str url) {
    return !memmem(url.p ? url.p : "", url.n, ".googleapis.com/v1/", strlen(".googleapis.com/v1/"));
}

static bool place_read(provider *p, const mg_settings *s, mg_error *error) {
    mg_str project = s->string(s->ctx, "project"), location = s->string(s->ctx, "location");
    mg_str version = s->string(s->ctx, "api_version"), url = s->string(s->ctx, "base_url");
    p->target.call_ids = true;
    if (project.n && (!made_of(project, "-_.:") || project.n > 100)) {
        google_fail(error, 0, "bad_setting", "setting 'project': a project's id holds letters, digits and hyphens");
        return false;
    }
    if (!made_of(location, "-") || location.n > 40 || !made_of(version, "") || version.n > 20) {
        google_fail(error, 0, "bad_setting",
                    "settings 'location' and 'api_version' have to be like us-central1 and v1beta1");
        return false;
    }
    if (project.n && !url.n) vertex_url(p, project, location, version);
    if (!url.n) url = str_of(p->base_url);
    /* With a key of its express mode, Vertex AI is reached by its URL alone. */
    p->target.vertex = project.n || str_says(url, "aiplatform.");
    if (p->target.vertex) p->target.call_ids = has_call_ids(url);
    return true;
}

static void google_close(void *shared) {
    provider *p = shared;
    google_credentials_destroy(p->credentials);
    free(p->headers);
    free(p->safety);
    free(p);
}

static bool credentials_read(provider *p, const mg_settings *s, mg_error *error) {
    mg_str text = s->string(s->ctx, "credentials");
    if (!text.n) return true;
    if (!p->target.vertex) {
        google_fail(
            error, 0, "bad_setting",
            "setting 'credentials' is for Vertex AI, which wants a 'project' too; the Gemini API takes an 'api_key'");
        return false;
    }
    p->credentials = google_credentials_create(text, error);
    return p->credentials != NULL;
}

static void *google_open(const mg_host *host, const mg_settings *s, mg_error *error) {
    provider *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->host = host;
    p->headers = pairs_read(s, "headers", &p->n_headers);
    p->safety = pairs_read(s, "safety_settings", &p->target.n_safety);
    p->target.safety = p->safety;
    bool memory = p->headers && p->safety;
    if (memory && pairs_check(p, error) && place_read(p, s, error) && credentials_read(p, s, error)) return p;
    google_close(p);
    return NULL;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

/* A header of the setting replaces ours of the same name. */
static void header_put(const provider *p, const mg_provider_out *out, mg_str name, mg_str value) {
    for (size_t i = 0; i < p->n_headers; i++)
        if (str_eq(p->headers[i].name, name)) return;
    out->header(out->ctx, name, value);
}

/* A token goes as a bearer's: the service account's, or one that was configured as a key ("ya29." begins Google's). */
static mg_status key_put(const provider *p, const mg_provider_request *r, const mg_provider_out *out, mg_error *error) {
    static const char scheme[] = "Bearer ";
    char value[sizeof scheme - 1 + 4096];
    size_t n = sizeof scheme - 1;
    mg_str key = r->api_key;
    if (key.n == 0) return MG_OK;
    if (key.n > sizeof value - n || !visible(key, false))
        return google_fail(error, 500, "bad_setting",
                           "the configured api_key is longer than 4,096 bytes, or holds a space or a line break");
    if (!p->credentials && !str_starts(key, "ya29.")) {
        header_put(p, out, STR("x-goog-api-key"), key);
        return MG_OK;
    }
    memcpy(value, scheme, n);
    memcpy(value + n, key.p, key.n);
    header_put(p, out, STR("authorization"), (mg_str){value, n + key.n});
    explicit_bzero(value, sizeof value);
    return MG_OK;
}

static mg_status body_put(const provider *p, const mg_provider_request *r, const mg_provider_out *out,
                          mg_error *error) {
    google_encoder e = {p->host, &p->target, r, out, error, google_model_thinking(r->model)};
    if (r->operation == MG_OP_MODELS) {
        out->path(out->ctx, STR("/models?pageSize=1000"));
        return MG_OK;
    }
    if (r->format == MG_FORMAT_GEMINI) return google_native(&e);
    if (r->format == MG_FORMAT_OPENAI) return google_encode(&e);
    return BAD(error, "this provider takes requests in the canonical form and in Gemini's own");
}

static bool has_operation(const provider *p, mg_operation operation) {
    switch (operation) {
    case MG_OP_CHAT:
    case MG_OP_EMBEDDINGS:
    case MG_OP_COUNT_TOKENS: return true;
    case MG_OP_MODELS: return !p->target.vertex; /* which lists a project's own models only */
    default: return false;
    }
}

static mg_status google_put(void *self, const mg_provider_request *r, const mg_provider_out *out, mg_error *error) {
    const provider *p = self;
    bool has_body = r->operation != MG_OP_MODELS;
    if (!has_operation(p, r->operation)) return MG_DECLINED;
    out->method(out->ctx, has_body ? STR("POST") : STR("GET"));
    mg_status status = key_put(p, r, out, error);
    if (status != MG_OK) return status;
    if (has_body) header_put(p, out, STR("content-type"), STR("application/json"));
    for (size_t i = 0; i < p->n_headers; i++) out->header(out->ctx, p->headers[i].name, p->headers[i].value);
    return body_put(p, r, out, error);
}

static mg_status decode(void *self, const mg_frame *frame, const mg_sink *sink, mg_error *error) {
    return google_decode(((const provider *)self)->host, frame, sink, error);
}

static void classify(void *self, const mg_frame *frame, const mg_header *headers, size_t n_headers,
                     mg_classification *out) {
    google_classify(((const provider *)self)->host, frame, headers, n_headers, out);
}

/* Vertex AI has neither of the Gemini API's two methods for embeddings in their form. */
static bool native(void *self, mg_operation operation, mg_format_id format) {
    const provider *p = self;
    if (format != MG_FORMAT_GEMINI) return false;
    return operation == MG_OP_CHAT || operation == MG_OP_COUNT_TOKENS ||
           (operation == MG_OP_EMBEDDINGS && !p->target.vertex);
}

static mg_str base_url(void *self) {
    const provider *p = self;
    return *p->base_url ? str_of(p->base_url) : (mg_str){NULL, 0};
}

static mg_status credential(void *self, int64_t now_s, const mg_provider_out *out, mg_error *error) {
    const provider *p = self;
    return p->credentials ? google_credentials_ask(p->credentials, now_s, out, error) : MG_DECLINED;
}

static mg_status credential_read(void *self, const mg_frame *frame, mg_str *token, int64_t *lifetime_s,
                                 mg_error *error) {
    return google_credentials_read(((const provider *)self)->host, frame, token, lifetime_s, error);
}

/* ---- descriptor -------------------------------------------------------------------------------------------------- */

static const mg_setting settings[] = {
    {"api_key", MG_SETTING_SECRET, NULL, false, "key of the Gemini API, or an access token of Google Cloud (ya29.…)"},
    {"base_url", MG_SETTING_URL, NULL, false, "where the API is; " GEMINI_URL ", or Vertex AI's with a project"},
    {"headers", MG_SETTING_MAP, NULL, false, "more headers to send, names in lower case; they replace ours"},
    {"safety_settings", MG_SETTING_MAP, NULL, false,
     "threshold for a category of harm (HARM_CATEGORY_… = BLOCK_…), for requests that set none themselves"},
    {"project", MG_SETTING_STRING, NULL, false, "Google Cloud project: requests go to Vertex AI"},
    {"location", MG_SETTING_STRING, "global", false, "Vertex AI's location, such as us-central1"},
    {"api_version", MG_SETTING_STRING, "v1", false,
     "Vertex AI's version; v1beta1 gives and takes ids of function calls"},
    {"credentials", MG_SETTING_SECRET, NULL, false, "the JSON text of a service account's key file, for Vertex AI"},
    {NULL, MG_SETTING_STRING, NULL, false, NULL},
};

static const mg_provider operations = {
    .size = sizeof operations,
    .framing = MG_FRAMING_SSE,
    .capabilities = MG_CAP_STREAM | MG_CAP_TOOLS | MG_CAP_VISION | MG_CAP_EMBEDDINGS | MG_CAP_JSON_SCHEMA |
                    MG_CAP_BODY_ENDS | MG_CAP_COUNT_TOKENS,
    .state_size = sizeof(google_state),
    .default_base_url = GEMINI_URL,
    .native = native,
    .encode = google_put,
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
    .name = "google",
    .version = "1.0.0",
    .doc = "Google's Gemini models, at the Gemini API or on Vertex AI",
    .settings = settings,
    .ops = &operations,
    .open = google_open,
    .close = google_close,
};

MG_PLUGIN_EXPORT const mg_plugin *moongate_plugin(void);
MG_PLUGIN_EXPORT const mg_plugin *moongate_plugin(void) { return &plugin; }
