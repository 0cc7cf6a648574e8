/* Tokens of Microsoft Entra ID (client credentials of OAuth 2.0, RFC 6749, 4.4), instead of a key. */
#include <stdio.h>

#include "azure.h"

enum { FIELD_MAX = 256 }; /* of tenant, client, secret and scope, which Entra makes at most 72 bytes long */

mg_status azure_identity_check(const azure_identity *id, bool has_key, mg_error *error) {
    bool some = id->tenant.n || id->client.n || id->secret.n, all = id->tenant.n && id->client.n && id->secret.n;
    if (some && !all)
        return openai_fail(error, 0, "bad_setting",
                           "settings 'tenant_id', 'client_id' and 'client_secret' are needed together");
    if (all && has_key)
        return openai_fail(error, 0, "bad_setting",
                           "setting 'api_key' and the settings of an application ('tenant_id') exclude each other");
    if (id->tenant.n > FIELD_MAX || id->client.n > FIELD_MAX || id->secret.n > FIELD_MAX || id->scope.n > FIELD_MAX)
        return openai_fail(error, 0, "bad_setting",
                           "settings 'tenant_id', 'client_id', 'client_secret' and 'scope' have at most %d bytes",
                           FIELD_MAX);
    if (some && (id->authority.n > 256 || id->authority.n < 9 || memcmp(id->authority.p, "https://", 8) != 0))
        return openai_fail(error, 0, "bad_setting",
                           "setting 'authority': an address that begins with https:// and has at most 256 bytes");
    return MG_OK;
}

static void field_write(const mg_provider_out *out, mg_str name, mg_str value) {
    char escaped[3 * FIELD_MAX];
    out->write(out->ctx, name);
    out->write(out->ctx, (mg_str){escaped, azure_escape(value, escaped)});
}

mg_status azure_credential(const azure_identity *id, const mg_provider_out *out, mg_error *error) {
    (void)error;
    char url[256 + 3 * FIELD_MAX + 32], tenant[3 * FIELD_MAX + 1];
    if (!azure_identity_used(id)) return MG_DECLINED;
    tenant[azure_escape(id->tenant, tenant)] = 0;
    int n = snprintf(url, sizeof url, "%.*s/%s/oauth2/v2.0/token", (int)id->authority.n, id->authority.p, tenant);
    out->method(out->ctx, STR("POST"));
    out->path(out->ctx, (mg_str){url, (size_t)n});
    out->header(out->ctx, STR("content-type"), STR("application/x-www-form-urlencoded"));
    field_write(out, STR("grant_type=client_credentials&client_id="), id->client);
    field_write(out, STR("&client_secret="), id->secret);
    field_write(out, STR("&scope="), id->scope);
    return MG_OK;
}

/* Entra's description goes on for lines with ids of the attempt; the first sentence says what is wrong. */
static mg_status refused(const mg_host *h, const mg_frame *frame, mg_error *error) {
    mg_str code = openai_text(h, frame->json, "error"), text = openai_text(h, frame->json, "error_description");
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < ' ') text.n = i;
    return openai_fail(error, 502, "credential", "Microsoft Entra ID gave no token (status %d): %.*s %.*s",
                       frame->status, (int)(code.n > 60 ? 60 : code.n), code.n ? code.p : "",
                       (int)(text.n > 240 ? 240 : text.n), text.n ? text.p : "");
}

/* The older form writes the lifetime as a string. */
static int64_t lifetime(const mg_host *h, const mg_json *v) {
    int64_t s = h->json_int(v, -1);
    mg_str digits = h->json_str(v);
    if (s < 0 && digits.n && digits.n < 10) {
        s = 0;
        for (size_t i = 0; i < digits.n; i++) {
            if (digits.p[i] < '0' || digits.p[i] > '9') return -1;
            s = s * 10 + (digits.p[i] - '0');
        }
    }
    return s;
}

mg_status azure_credential_read(const mg_host *h, const mg_frame *frame, mg_str *token, int64_t *lifetime_s,
                                mg_error *error) {
    mg_str text = openai_text(h, frame->json, "access_token");
    if (!text.n || frame->status < 200 || frame->status >= 300) return refused(h, frame, error);
    *token = text;
    *lifetime_s = lifetime(h, openai_get(h, frame->json, "expires_in"));
    if (*lifetime_s < 0) *lifetime_s = 300; /* Entra's shortest are ten minutes */
    return MG_OK;
}
