/* A service account: the signed assertion (RFC 7523) that Google's token server gives an access token for. */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "google.h"

struct google_credentials {
    EVP_PKEY *key; /* only read: OpenSSL lets threads sign with it at once */
    google_buf email, key_id, token_url;
};

enum { LIFETIME_S = 3600 }; /* the longest that Google takes */

/* ---- reading the account ----------------------------------------------------------------------------------------- */

void google_credentials_destroy(google_credentials *c) {
    if (!c) return;
    EVP_PKEY_free(c->key);
    google_buf_finish(&c->email);
    google_buf_finish(&c->key_id);
    google_buf_finish(&c->token_url);
    free(c);
}

static EVP_PKEY *key_read(mg_str pem) {
    BIO *bio = pem.n && pem.n < 65536 ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
    /* An empty passphrase, since without one OpenSSL would ask the terminal. */
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"") : NULL;
    BIO_free(bio);
    if (key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= 2048) return key;
    EVP_PKEY_free(key);
    return NULL;
}

static bool url_valid(mg_str url) {
    for (size_t i = 0; i < url.n; i++)
        if ((unsigned char)url.p[i] <= ' ' || url.p[i] == 0x7f) return false;
    return str_starts(url, "https://") && url.n > strlen("https://");
}

/* NULL, or what is wrong with the account. */
static const char *account_read(google_credentials *c, mg_str json) {
    google_buf pem = {0}, type = {0};
    const char *wrong = NULL;
    google_json_string(json, "type", &type);
    google_json_string(json, "private_key_id", &c->key_id);
    google_json_string(json, "token_uri", &c->token_url);
    if (!c->token_url.n) google_buf_add(&c->token_url, STR("https://oauth2.googleapis.com/token"));
    if (google_json_string(json, "private_key", &pem)) c->key = key_read(google_buf_view(&pem));
    if (!google_json_object(json))
        wrong = "it is not a JSON object; it has to be the text of the key file itself, not its name";
    else if (!str_is(google_buf_view(&type), "service_account"))
        wrong = "its type is not service_account";
    else if (!google_json_string(json, "client_email", &c->email) || !c->email.n)
        wrong = "it has no client_email";
    else if (!c->key)
        wrong = "its private_key is not a PEM text of an RSA key of 2,048 bits or more";
    else if (!url_valid(google_buf_view(&c->token_url)))
        wrong = "its token_uri is not an https URL";
    google_buf_finish(&pem);
    google_buf_finish(&type);
    return wrong;
}

google_credentials *google_credentials_create(mg_str json, mg_error *error) {
    google_credentials *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    const char *wrong = account_read(c, json);
    if (!wrong) return c;
    google_fail(error, 0, "bad_setting", "setting 'credentials': %s", wrong);
    google_credentials_destroy(c);
    return NULL;
}

/* ---- the assertion ----------------------------------------------------------------------------------------------- */

/* base64url without padding (RFC 7515, 2) */
static void base64url_add(google_buf *out, const void *bytes, size_t n) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const unsigned char *b = bytes;
    for (size_t i = 0; i < n; i += 3) {
        unsigned group = (unsigned)b[i] << 16 | (i + 1 < n ? (unsigned)b[i + 1] << 8 : 0) | (i + 2 < n ? b[i + 2] : 0u);
        char four[4];
        for (int k = 0; k < 4; k++) four[k] = alphabet[group >> (18 - 6 * k) & 63];
        google_buf_add(out, (mg_str){four, n - i >= 3 ? 4 : n - i + 1});
    }
}

static void header_make(const google_credentials *c, google_buf *out) {
    google_buf_add(out, STR("{\"alg\":\"RS256\",\"typ\":\"JWT\""));
    if (c->key_id.n) {
        google_buf_add(out, STR(",\"kid\":"));
        google_buf_json(out, google_buf_view(&c->key_id));
    }
    google_buf_add(out, STR("}"));
}

static void claims_make(const google_credentials *c, int64_t now_s, google_buf *out) {
    google_buf_add(out, STR("{\"iss\":"));
    google_buf_json(out, google_buf_view(&c->email));
    google_buf_add(out, STR(",\"scope\":\"https://www.googleapis.com/auth/cloud-platform\",\"aud\":"));
    google_buf_json(out, google_buf_view(&c->token_url));
    google_buf_number(out, ",\"iat\":", now_s);
    google_buf_number(out, ",\"exp\":", now_s + LIFETIME_S);
    google_buf_add(out, STR("}"));
}

static bool sign(EVP_PKEY *key, mg_str text, google_buf *out) {
    unsigned char signature[2048]; /* keys of up to 16,384 bits */
    size_t n = sizeof signature;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool done = ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestSign(ctx, signature, &n, (const unsigned char *)text.p, text.n) == 1;
    EVP_MD_CTX_free(ctx);
    if (done) base64url_add(out, signature, n);
    return done && !out->failed;
}

static bool assertion_make(const google_credentials *c, int64_t now_s, google_buf *out) {
    google_buf part = {0};
    header_make(c, &part);
    base64url_add(out, part.p, part.n);
    bool failed = part.failed;
    google_buf_finish(&part);
    google_buf_add(out, STR("."));
    claims_make(c, now_s, &part);
    base64url_add(out, part.p, part.n);
    failed |= part.failed;
    google_buf_finish(&part);
    if (failed || out->failed) return false;
    google_buf signature = {0};
    bool done = sign(c->key, google_buf_view(out), &signature);
    google_buf_add(out, STR("."));
    google_buf_add(out, google_buf_view(&signature));
    google_buf_finish(&signature);
    return done && !out->failed;
}

/* ---- the token request ------------------------------------------------------------------------------------------- */

mg_status google_credentials_ask(const google_credentials *c, int64_t now_s, const mg_provider_out *out,
                                 mg_error *error) {
    google_buf assertion = {0};
    bool done = assertion_make(c, now_s, &assertion);
    if (done) {
        out->method(out->ctx, STR("POST"));
        out->path(out->ctx, google_buf_view(&c->token_url));
        out->header(out->ctx, STR("content-type"), STR("application/x-www-form-urlencoded"));
        out->write(out->ctx, STR("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="));
        out->write(out->ctx, google_buf_view(&assertion));
    }
    google_buf_finish(&assertion);
    return done ? MG_OK : google_fail(error, 500, "credentials", "the service account's key could not sign");
}

/* The token server says in `error` and `error_description` what it did not like; neither repeats the assertion. */
mg_status google_credentials_read(const mg_host *h, const mg_frame *frame, mg_str *token, int64_t *lifetime_s,
                                  mg_error *error) {
    mg_str why = google_text(h, frame->json, "error"), more = google_text(h, frame->json, "error_description");
    *token = google_text(h, frame->json, "access_token");
    *lifetime_s = h->json_int(google_get(h, frame->json, "expires_in"), 0);
    if (frame->status >= 200 && frame->status < 300 && token->n && *lifetime_s > 0) return MG_OK;
    *token = (mg_str){NULL, 0};
    *lifetime_s = 0;
    if (why.n)
        return google_fail(error, 502, "credentials", "Google's token server refused the service account: %.*s%s%.*s",
                           (int)(why.n > 60 ? 60 : why.n), why.p, more.n ? ": " : "",
                           (int)(more.n > 200 ? 200 : more.n), more.p ? more.p : "");
    return google_fail(error, 502, "credentials", "Google's token server answered with status %d and without a token",
                       frame->status);
}
