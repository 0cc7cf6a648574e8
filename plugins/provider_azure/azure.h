/* What the files of the azure provider share. */
#ifndef MG_PLUGINS_AZURE_H
#define MG_PLUGINS_AZURE_H

#include "../provider_openai/openai.h"

/* Which of Azure's routes are used. */
typedef enum azure_routes {
    AZURE_DEPLOYMENTS, /* /openai/deployments/NAME/…?api-version=DATE */
    AZURE_V1, /* /openai/v1/…, the deployment in the body */
    AZURE_MODELS, /* /models/…?api-version=DATE: Azure AI Foundry's own, the deployment in the body */
    AZURE_SERVERLESS /* the same without /models: *.models.ai.azure.com */
} azure_routes;

/* Who asks, where no key is used: an application in Microsoft Entra ID. Strings are the settings' own. */
typedef struct azure_identity {
    mg_str authority, tenant, client, secret, scope;
} azure_identity;

typedef struct azure {
    const mg_host *host;
    openai_extras extras;
    mg_str base; /* the resource's address, without the path of a route */
    azure_routes routes;
    mg_str version; /* "" on routes of v1 without a version */
    mg_str responses_version; /* "": Responses are at /openai/v1 */
    openai_pair *deployments; /* model to deployment */
    size_t n_deployments;
    azure_identity identity;
} azure;

/* Fills base, routes and the versions from endpoint and api_version. */
mg_status azure_routes_read(azure *a, mg_str endpoint, mg_str version, mg_error *error);
/* Whether the version is a date before that one. */
bool azure_version_before(const azure *a, const char *date);
/* The deployment of a model; the model itself where the setting has none. */
mg_str azure_deployment(const azure *a, mg_str model);
/* False: no such operation here. */
bool azure_has(const azure *a, mg_operation operation, mg_format_id format);
/* Reports the path. MG_ERROR: the deployment's name is too long. */
mg_status azure_path_put(const azure *a, mg_operation operation, mg_format_id format, mg_str deployment,
                         const mg_provider_out *out, mg_error *error);

/* Bytes as in a path's segment, a query or a form: into out, which takes 3 for each; returns the length. */
size_t azure_escape(mg_str s, char *out);

mg_status azure_identity_check(const azure_identity *id, bool has_key, mg_error *error);
static inline bool azure_identity_used(const azure_identity *id) { return id->tenant.n > 0; }
mg_status azure_credential(const azure_identity *id, const mg_provider_out *out, mg_error *error);
mg_status azure_credential_read(const mg_host *h, const mg_frame *frame, mg_str *token, int64_t *lifetime_s,
                                mg_error *error);

#endif
