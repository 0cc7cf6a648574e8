/* The google provider's settings, and how it comes to a token for Vertex AI. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "provider.h"

static EVP_PKEY *rsa;
static char *rsa_pem; /* with line breaks as JSON escapes them */

/* The private key as it stands in a JSON text. */
static char *pem_of(EVP_PKEY *key) {
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    char *p;
    long n = BIO_get_mem_data(bio, &p);
    mg_buf b = {0};
    mg_buf_json_raw(&b, mg_str_from(p, (size_t)n));
    mg_buf_add(&b, "", 1);
    BIO_free(bio);
    return b.p;
}

static int setup(void **state) {
    (void)state;
    rsa = EVP_RSA_gen(2048);
    assert_non_null(rsa);
    rsa_pem = pem_of(rsa);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    EVP_PKEY_free(rsa);
    free(rsa_pem);
    return 0;
}

static void set(mg_setting_values *v, const char *key, const char *value) {
    mg_error error;
    if (mg_setting_set(v, mg_str_of(key), mg_str_of(value), &error) != MG_OK) fail_msg("%s", error.text);
}

static const char account[] = "{\"type\":\"service_account\",\"project_id\":\"p\",\"private_key_id\":\"kid-1\","
                              "\"private_key\":\"%s\",\"client_email\":\"\\u0061@b.example\",\"n\":[{\"x\":1}],"
                              "\"token_uri\":\"%s\"}";

static char *account_of(const char *pem, const char *url) {
    mg_buf b = {0};
    mg_buf_printf(&b, account, pem, url);
    mg_buf_add(&b, "", 1);
    return b.p;
}

static void vertex_set(mg_setting_values *v) {
    char *text = account_of(rsa_pem, "https://token.example/t");
    set(v, "project", "my-project");
    set(v, "credentials", text);
    free(text);
}

/* ---- where requests go ------------------------------------------------------------------------------------------- */

typedef struct place {
    const char *settings[8]; /* key, value, … */
    const char *url; /* "" for base_url as usual */
} place;

static const place *now;

static void place_set(mg_setting_values *v) {
    for (size_t i = 0; now->settings[i]; i += 2) set(v, now->settings[i], now->settings[i + 1]);
}

static void knows_where_vertex_is(void **state) {
    (void)state;
#define REST "/projects/p/locations/"
    static const place places[] = {
        {{NULL}, ""},
        {{"project", "p"}, "https://aiplatform.googleapis.com/v1" REST "global/publishers/google"},
        {{"project", "p", "location", "europe-west4"},
         "https://europe-west4-aiplatform.googleapis.com/v1" REST "europe-west4/publishers/google"},
        {{"project", "p", "location", "eu"}, "https://aiplatform.eu.rep.googleapis.com/v1" REST "eu/publishers/google"},
        {{"project", "p", "api_version", "v1beta1"},
         "https://aiplatform.googleapis.com/v1beta1" REST "global/publishers/google"},
        {{"project", "p", "base_url", "https://proxy.example/v1"}, ""},
        {{"base_url", "https://proxy.example/v1"}, ""},
    };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        provider p;
        now = &places[i];
        provider_open(&p, "google", place_set);
        mg_str url = p.ops->base_url(p.self);
        assert_true(mg_str_eq(url, mg_str_of(places[i].url)));
        provider_close(&p);
    }
}

/* A project, or Vertex AI's own URL, makes it Vertex AI; its v1 has no ids of calls. */
static void tells_vertex_from_gemini(void **state) {
    (void)state;
    static const struct {
        place where;
        bool vertex, ids;
    } cases[] = {
        {{{NULL}, ""}, false, true},
        {{{"base_url", "https://generativelanguage.googleapis.com/v1"}, ""}, false, true},
        {{{"project", "p"}, ""}, true, false},
        {{{"project", "p", "api_version", "v1beta1"}, ""}, true, true},
        {{{"project", "p", "base_url", "https://proxy.example/x"}, ""}, true, true},
        {{{"base_url", "https://aiplatform.googleapis.com/v1/publishers/google"}, ""}, true, false},
    };
    static const char body[] = "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"ID\",\"function\":"
                               "{\"name\":\"f\",\"arguments\":\"\"}}]}]}";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        provider p;
        sent s;
        mg_buf out = {0};
        mg_error error;
        now = &cases[i].where;
        provider_open(&p, "google", place_set);
        assert_int_equal(p.ops->native(p.self, MG_OP_EMBEDDINGS, MG_FORMAT_GEMINI), !cases[i].vertex);
        mg_provider_request r = {.operation = MG_OP_CHAT, .model = MG_STR("m"), .body = mg_str_of(body)};
        assert_int_equal(provider_encode(&p, &r, &s, &out, &error), MG_OK);
        bool ids = strstr(out.p, "\"id\":\"ID\"") != NULL;
        if (cases[i].vertex || cases[i].ids) assert_int_equal(ids, cases[i].ids);
        mg_buf_finish(&out);
        provider_close(&p);
    }
}

/* ---- headers ----------------------------------------------------------------------------------------------------- */

static void headers_are(provider *p, const char *key, const char *expected) {
    sent s;
    mg_buf out = {0};
    mg_error error;
    mg_provider_request r = {.operation = MG_OP_CHAT, .model = MG_STR("m"), .api_key = mg_str_of(key)};
    r.body = MG_STR("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    assert_int_equal(provider_encode(p, &r, &s, &out, &error), MG_OK);
    assert_string_equal(s.headers, expected);
    mg_buf_finish(&out);
}

static void headers_set(mg_setting_values *v) {
    mg_error error;
    mg_setting_add(v, MG_STR("headers"), MG_STR("x-goog-api-key"), MG_STR("mine"), &error);
    mg_setting_add(v, MG_STR("headers"), MG_STR("x-one"), MG_STR("1 2"), &error);
}

static void sends_key_or_token(void **state) {
    (void)state;
    provider p;
    provider_open(&p, "google", NULL);
    headers_are(&p, "AIza1", "x-goog-api-key: AIza1\ncontent-type: application/json\n");
    headers_are(&p, "ya29.a", "authorization: Bearer ya29.a\ncontent-type: application/json\n");
    headers_are(&p, "", "content-type: application/json\n");
    sent s;
    mg_buf out = {0};
    mg_error error;
    mg_provider_request r = {.operation = MG_OP_CHAT, .model = MG_STR("m"), .api_key = MG_STR("hunter2\r\nx: y")};
    r.body = MG_STR("{}");
    assert_int_equal(provider_encode(&p, &r, &s, &out, &error), MG_ERROR);
    assert_null(strstr(error.text, "hunter2"));
    provider_close(&p);
    provider_open(&p, "google", headers_set);
    headers_are(&p, "AIza1", "content-type: application/json\nx-goog-api-key: mine\nx-one: 1 2\n");
    provider_close(&p);
    provider_open(&p, "google", vertex_set);
    headers_are(&p, "token", "authorization: Bearer token\ncontent-type: application/json\n");
    provider_close(&p);
}

/* ---- settings that are refused ----------------------------------------------------------------------------------- */

static void refuses(const char *const *settings, const char *part) {
    provider p;
    mg_error error = {0};
    provider_open(&p, "google", NULL);
    mg_setting_values *v = mg_setting_values_create(p.plugin->settings, MG_STR(""));
    for (size_t i = 0; settings[i]; i += 2) {
        const char *colon = strchr(settings[i], ':');
        if (colon)
            mg_setting_add(v, mg_str_from(settings[i], (size_t)(colon - settings[i])), mg_str_of(colon + 1),
                           mg_str_of(settings[i + 1]), &error);
        else
            set(v, settings[i], settings[i + 1]);
    }
    mg_use *use = mg_use_open(&p.host, p.plugin, v, 1, &error);
    assert_null(use);
    if (!strstr(error.text, part)) fail_msg("%s lacks: %s", error.text, part);
    assert_null(strstr(error.text, "SECRET"));
    provider_close(&p);
}

static void refuses_bad_settings(void **state) {
    (void)state;
    static const char *const bad[][5] = {
        {"headers:Host", "x"},
        {"headers:content-length", "1"},
        {"headers:x", "a\nb"},
        {"safety_settings:HARM CATEGORY", "OFF"},
        {"safety_settings:HARM_CATEGORY_X", "\"OFF\""},
        {"project", "p/q"},
        {"project", "p", "location", "us/../x"},
        {"project", "p", "location", "a.b"},
        {"project", "p", "api_version", "v1/x"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) refuses(bad[i], "setting");
}

static void refuses_credentials(const char *text, const char *part) {
    refuses((const char *[]){"project", "p", "credentials", text, NULL}, part);
}

static void refuses_bad_credentials(void **state) {
    (void)state;
    EVP_PKEY *small = EVP_RSA_gen(1024), *curve = EVP_EC_gen("P-256");
    char *texts[] = {account_of(rsa_pem, "http://token.example/"), account_of("SECRET", "https://t.example/"), NULL,
                     NULL, account_of(rsa_pem, "https://a b/")};
    char *pem = pem_of(small);
    texts[2] = account_of(pem, "https://t.example/");
    free(pem);
    pem = pem_of(curve);
    texts[3] = account_of(pem, "https://t.example/");
    free(pem);
    refuses_credentials(texts[0], "https");
    refuses_credentials(texts[1], "private_key");
    refuses_credentials(texts[2], "private_key");
    refuses_credentials(texts[3], "private_key");
    refuses_credentials(texts[4], "https");
    refuses_credentials("/run/secrets/SECRET.json", "JSON object");
    refuses_credentials("{\"type\":\"service_account\",\"private_key\":\"SECRET\"", "JSON object");
    refuses_credentials("{\"type\":\"authorized_user\",\"refresh_token\":\"SECRET\"}", "service_account");
    refuses_credentials("{\"type\":\"service_account\",\"private_key\":\"SECRET\"}", "client_email");
    refuses((const char *[]){"credentials", texts[1], NULL}, "project");
    for (size_t i = 0; i < 5; i++) free(texts[i]);
    EVP_PKEY_free(small);
    EVP_PKEY_free(curve);
}

/* ---- the token --------------------------------------------------------------------------------------------------- */

/* base64url to bytes, in place; returns how many. */
static size_t base64url(char *text) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t n = 0;
    unsigned bits = 0, held = 0;
    for (const char *c = text; *c; c++) {
        const char *at = strchr(alphabet, *c);
        assert_non_null(at);
        held = held << 6 | (unsigned)(at - alphabet);
        bits += 6;
        if (bits >= 8) text[n++] = (char)(held >> (bits -= 8) & 255);
    }
    text[n] = 0;
    return n;
}

static void verifies(const char *text, size_t n, const char *signature, size_t n_signature) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, rsa), 1);
    assert_int_equal(
        EVP_DigestVerify(ctx, (const unsigned char *)signature, n_signature, (const unsigned char *)text, n), 1);
    EVP_MD_CTX_free(ctx);
}

static void asks_for_a_token(void **state) {
    (void)state;
    provider p;
    sent s = {.n = 0};
    mg_error error;
    provider_open(&p, "google", vertex_set);
    mg_provider_out sink = {sizeof sink, &s, on_method, on_path, on_header, on_splice, on_write, on_out_text, on_drop};
    assert_int_equal(p.ops->credential(p.self, 1700000000, &sink, &error), MG_OK);
    assert_string_equal(s.method, "POST");
    assert_string_equal(s.path, "https://token.example/t");
    assert_string_equal(s.headers, "content-type: application/x-www-form-urlencoded\n");
    mg_buf_add(&s.written, "", 1);
    static const char start[] = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    assert_memory_equal(s.written.p, start, strlen(start));
    char *header = s.written.p + strlen(start), *claims = strchr(header, '.'), *signature = strrchr(header, '.');
    assert_true(claims && signature > claims);
    *signature = 0;
    char *text = mg_strndup(header, strlen(header));
    *claims = 0;
    size_t n = base64url(signature + 1);
    verifies(text, strlen(text), signature + 1, n);
    base64url(header);
    base64url(claims + 1);
    assert_string_equal(header, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"kid-1\"}");
    assert_string_equal(claims + 1,
                        "{\"iss\":\"a@b.example\",\"scope\":\"https://www.googleapis.com/auth/cloud-platform\","
                        "\"aud\":\"https://token.example/t\",\"iat\":1700000000,\"exp\":1700003600}");
    free(text);
    mg_buf_finish(&s.written);
    provider_close(&p);
    provider_open(&p, "google", NULL);
    assert_int_equal(p.ops->credential(p.self, 1700000000, &sink, &error), MG_DECLINED);
    provider_close(&p);
}

static mg_status token_read(provider *p, int status, const char *body, mg_str *token, int64_t *lifetime,
                            mg_error *error) {
    mg_frame f = {.size = sizeof f, .status = status, .data = mg_str_of(body)};
    f.json = provider_json(p, f.data);
    return p->ops->credential_read(p->self, &f, token, lifetime, error);
}

static void reads_the_token(void **state) {
    (void)state;
    provider p;
    mg_str token;
    int64_t lifetime;
    mg_error error;
    provider_open(&p, "google", vertex_set);
    assert_int_equal(token_read(&p, 200, "{\"access_token\":\"ya29.x\",\"expires_in\":3599,\"token_type\":\"Bearer\"}",
                                &token, &lifetime, &error),
                     MG_OK);
    assert_true(mg_str_eq(token, MG_STR("ya29.x")));
    assert_int_equal(lifetime, 3599);
    assert_int_equal(token_read(&p, 400,
                                "{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT Signature.\"}",
                                &token, &lifetime, &error),
                     MG_ERROR);
    assert_non_null(strstr(error.text, "invalid_grant: Invalid JWT Signature."));
    static const char *const bad[] = {"",
                                      "x",
                                      "[]",
                                      "{}",
                                      "{\"access_token\":\"SECRET\"}",
                                      "{\"access_token\":\"SECRET\",\"expires_in\":0}",
                                      "{\"expires_in\":7}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(token_read(&p, 200, bad[i], &token, &lifetime, &error), MG_ERROR);
        assert_null(strstr(error.text, "SECRET"));
        assert_int_equal(token.n, 0);
    }
    provider_close(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_where_vertex_is),   cmocka_unit_test(tells_vertex_from_gemini),
        cmocka_unit_test(sends_key_or_token),      cmocka_unit_test(refuses_bad_settings),
        cmocka_unit_test(refuses_bad_credentials), cmocka_unit_test(asks_for_a_token),
        cmocka_unit_test(reads_the_token),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
