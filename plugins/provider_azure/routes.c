/* Where Azure has what OpenAI has. */
#include <stdio.h>
#include <strings.h>

#include "azure.h"

enum { DEPLOYMENT_MAX = 256, PATH_MAX_BYTES = 3 * DEPLOYMENT_MAX + 256 };

size_t azure_escape(mg_str s, char *out) {
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '_' || c == '.' || c == '~';
        if (plain) {
            out[n++] = (char)c;
        } else {
            out[n++] = '%';
            out[n++] = digits[c >> 4];
            out[n++] = digits[c & 15];
        }
    }
    return n;
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static bool ends_with(mg_str s, const char *end) {
    size_t n = strlen(end);
    return s.n >= n && strncasecmp(s.p + s.n - n, end, n) == 0;
}

/* Takes the end of a path off the base. */
static bool base_cut(azure *a, const char *end) {
    if (!ends_with(a->base, end)) return false;
    a->base.n -= strlen(end);
    return true;
}

static mg_str host_of(mg_str url) {
    const char *start = url.n ? memmem(url.p, url.n, "://", 3) : NULL;
    if (!start) return url;
    mg_str host = {start + 3, url.n - (size_t)(start + 3 - url.p)};
    for (size_t i = 0; i < host.n; i++)
        if (host.p[i] == '/' || host.p[i] == ':') host.n = i;
    return host;
}

/* Versions are dates, which compare like their text, or "v1" and "preview". */
static bool older(mg_str version, const char *date) {
    return version.n >= 10 && version.p[0] >= '0' && version.p[0] <= '9' && memcmp(version.p, date, 10) < 0;
}

bool azure_version_before(const azure *a, const char *date) { return older(a->version, date); }

static bool version_valid(mg_str version) {
    char escaped[3 * 40];
    return version.n > 0 && version.n <= 40 && azure_escape(version, escaped) == version.n;
}

/* Responses came with 2025-03-01-preview; before that only /openai/v1 has them. */
static void versions_set(azure *a, mg_str version) {
    a->version = version;
    if (a->routes == AZURE_V1)
        a->responses_version = a->version = str_eq(version, STR("preview")) ? version : (mg_str){NULL, 0};
    else if (a->routes == AZURE_DEPLOYMENTS)
        a->responses_version = older(version, "2025-03-01") ? (mg_str){NULL, 0} : version;
    else if (!ends_with(version, "-preview") || older(version, "2024-05-01"))
        a->version = STR("2024-05-01-preview"); /* the one that Foundry's routes have */
}

mg_status azure_routes_read(azure *a, mg_str endpoint, mg_str version, mg_error *error) {
    if (!version_valid(version))
        return openai_fail(error, 0, "bad_setting",
                           "setting 'api_version': a version is a date such as 2024-10-21, or v1, or preview");
    if (memmem(endpoint.p, endpoint.n, "/deployments", sizeof "/deployments" - 1) ||
        ends_with(endpoint, "/completions"))
        return openai_fail(error, 0, "bad_setting",
                           "setting 'endpoint': the address of the resource without a route, such as "
                           "https://NAME.openai.azure.com; deployments have a setting of their own");
    a->base = endpoint;
    bool v1 = str_eq(version, STR("v1")) || str_eq(version, STR("preview"));
    if (base_cut(a, "/openai/v1") || v1)
        a->routes = AZURE_V1;
    else if (base_cut(a, "/models"))
        a->routes = AZURE_MODELS;
    else if (ends_with(host_of(endpoint), ".models.ai.azure.com"))
        a->routes = AZURE_SERVERLESS;
    if (a->routes == AZURE_V1) base_cut(a, "/openai/v1");
    base_cut(a, "/openai");
    versions_set(a, version);
    return MG_OK;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

mg_str azure_deployment(const azure *a, mg_str model) {
    for (size_t i = 0; i < a->n_deployments; i++)
        if (str_eq(a->deployments[i].name, model)) return a->deployments[i].value;
    return model;
}

bool azure_has(const azure *a, mg_operation operation, mg_format_id format) {
    bool foundry = a->routes == AZURE_SERVERLESS || a->routes == AZURE_MODELS;
    if (format == MG_FORMAT_RESPONSES) return operation == MG_OP_CHAT && a->routes != AZURE_SERVERLESS;
    if (format != MG_FORMAT_OPENAI) return false;
    return operation == MG_OP_CHAT || operation == MG_OP_EMBEDDINGS || (operation == MG_OP_MODELS && !foundry);
}

static const char *route_of(mg_operation operation) {
    return operation == MG_OP_CHAT ? "/chat/completions" : operation == MG_OP_EMBEDDINGS ? "/embeddings" : "/models";
}

mg_status azure_path_put(const azure *a, mg_operation operation, mg_format_id format, mg_str deployment,
                         const mg_provider_out *out, mg_error *error) {
    char path[PATH_MAX_BYTES], name[3 * DEPLOYMENT_MAX + 1];
    mg_str version = a->version;
    const char *route = route_of(operation);
    if (deployment.n > DEPLOYMENT_MAX)
        return openai_fail(error, 400, "invalid_model", "the deployment's name is longer than %d bytes",
                           DEPLOYMENT_MAX);
    name[azure_escape(deployment, name)] = 0;
    int n = 0;
    if (format == MG_FORMAT_RESPONSES) {
        version = a->responses_version;
        bool dated = version.n && a->routes == AZURE_DEPLOYMENTS;
        n = snprintf(path, sizeof path, "%s/responses", dated ? "/openai" : "/openai/v1");
    } else if (a->routes == AZURE_DEPLOYMENTS && operation == MG_OP_MODELS) {
        n = snprintf(path, sizeof path, "/openai%s", route);
    } else if (a->routes == AZURE_DEPLOYMENTS) {
        n = snprintf(path, sizeof path, "/openai/deployments/%s%s", name, route);
    } else {
        static const char *const prefixes[] = {
            [AZURE_V1] = "/openai/v1", [AZURE_MODELS] = "/models", [AZURE_SERVERLESS] = ""};
        n = snprintf(path, sizeof path, "%s%s", prefixes[a->routes], route);
    }
    if (version.n) n += snprintf(path + n, sizeof path - (size_t)n, "?api-version=%.*s", (int)version.n, version.p);
    out->path(out->ctx, (mg_str){path, (size_t)n});
    return MG_OK;
}
