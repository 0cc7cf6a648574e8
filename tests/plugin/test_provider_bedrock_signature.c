/* Signature Version 4: Amazon's published cases ("AWS SigV4 test suite"), and what botocore 1.44 signs for Bedrock. The
 * plugin exports only its descriptor, so the source is included for the cases whose service is not Bedrock's. */
#include "../../plugins/provider_bedrock/sigv4.c"

#include "bedrock.h"

static const sigv4_keys example = {
    .access_key_id = MG_STR_INIT("AKIDEXAMPLE"),
    .secret_access_key = MG_STR_INIT("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    .region = MG_STR_INIT("us-east-1"),
    .service = MG_STR_INIT("service"),
};

typedef struct published {
    const char *method, *path, *body;
    const char *headers[4]; /* names and values by turns */
    const char *token, *names, *signature;
} published;

#define TOKEN                                                                                                          \
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuw"  \
    "thAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHN"  \
    "VXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLx"   \
    "BA=="

static const published cases[] = {
    {"GET", "/", "", {NULL}, "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"GET",
     "/?Param2=value2&Param1=value1",
     "",
     {NULL},
     "",
     "host;x-amz-date",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"POST",
     "/",
     "",
     {NULL},
     "",
     "host;x-amz-date",
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {"POST",
     "/",
     "Param1=value1",
     {"content-type", "application/x-www-form-urlencoded"},
     "",
     "content-type;host;x-amz-date",
     "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
    {"GET",
     "/",
     "",
     {"my-header2", " \"a   b   c\"", "my-header1", " value1"},
     "",
     "host;my-header1;my-header2;x-amz-date",
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {"GET",
     "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
     "",
     {NULL},
     "",
     "host;x-amz-date",
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {"GET",
     "/\xe1\x88\xb4",
     "",
     {NULL},
     "",
     "host;x-amz-date",
     "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {"POST",
     "/",
     "",
     {NULL},
     TOKEN,
     "host;x-amz-date;x-amz-security-token",
     "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
};

static void signs_as_published(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sigv4_keys keys = example;
        sigv4_signature s;
        char expected[512];
        mg_header headers[2];
        size_t n = 0;
        for (; n < 2 && cases[i].headers[2 * n]; n++)
            headers[n] = (mg_header){mg_str_of(cases[i].headers[2 * n]), mg_str_of(cases[i].headers[2 * n + 1])};
        keys.session_token = mg_str_of(cases[i].token);
        const mg_signing r = {sizeof r,
                              mg_str_of(cases[i].method),
                              MG_STR("example.amazonaws.com"),
                              mg_str_of(cases[i].path),
                              headers,
                              n,
                              mg_str_of(cases[i].body),
                              1440938160};
        assert_true(sigv4_sign(&keys, &r, &s));
        assert_string_equal(s.date, "20150830T123600Z");
        snprintf(expected, sizeof expected,
                 "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=%s, "
                 "Signature=%s",
                 cases[i].names, cases[i].signature);
        assert_string_equal(s.authorization, expected);
    }
}

/* Values of one name are joined in their order: what comes by two headers is signed as what comes by one. */
static void joins_repeated_headers(void **state) {
    (void)state;
    sigv4_signature two, one;
    const mg_header twice[] = {{MG_STR("a"), MG_STR("2")}, {MG_STR("a"), MG_STR("1")}};
    const mg_header once[] = {{MG_STR("a"), MG_STR("2,1")}};
    mg_signing r = {sizeof r, MG_STR("GET"), MG_STR("h"), MG_STR("/"), twice, 2, MG_STR(""), 0};
    assert_true(sigv4_sign(&example, &r, &two));
    r.headers = once;
    r.n_headers = 1;
    assert_true(sigv4_sign(&example, &r, &one));
    assert_string_equal(two.authorization, one.authorization);
}

static void refuses_what_does_not_fit(void **state) {
    (void)state;
    sigv4_signature s;
    sigv4_keys keys = example;
    mg_header many[SIGV4_HEADERS];
    char name[SIGV4_HEADERS][8], longer[2000];
    for (int i = 0; i < SIGV4_HEADERS; i++) {
        snprintf(name[i], sizeof name[i], "h%d", i);
        many[i] = (mg_header){mg_str_of(name[i]), MG_STR("")};
    }
    mg_signing r = {sizeof r, MG_STR("GET"), MG_STR("h"), MG_STR("/"), many, SIGV4_HEADERS - 2, MG_STR(""), 0};
    assert_true(sigv4_sign(&keys, &r, &s));
    r.n_headers++;
    assert_false(sigv4_sign(&keys, &r, &s));
    r.n_headers = 1;
    memset(longer, 'a', sizeof longer);
    many[0].name = (mg_str){longer, 1100};
    assert_false(sigv4_sign(&keys, &r, &s));
    r.n_headers = 0;
    keys.access_key_id = (mg_str){longer, sizeof longer};
    assert_false(sigv4_sign(&keys, &r, &s));
    keys = example;
    keys.secret_access_key = (mg_str){longer, 257};
    assert_false(sigv4_sign(&keys, &r, &s));
    keys = example;
    keys.region = (mg_str){longer, 200};
    assert_false(sigv4_sign(&keys, &r, &s));
}

/* ---- the provider ------------------------------------------------------------------------------------------------ */

static void set_paris(mg_setting_values *v) {
    set_string(v, "region", "eu-west-3");
    set_string(v, "access_key_id", "AKIDEXAMPLE");
    set_string(v, "secret_access_key", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
}

static void set_session(mg_setting_values *v) {
    set_paris(v);
    set_string(v, "session_token", "to/ken==");
}

static void set_api_key(mg_setting_values *v) {
    set_session(v);
    set_string(v, "api_key", "k");
}

/* What is signed of the headers does not depend on those that others may change. */
static const mg_header sent_headers[] = {
    {MG_STR_INIT("user-agent"), MG_STR_INIT("moongate/1")},
    {MG_STR_INIT("content-type"), MG_STR_INIT("application/json")},
    {MG_STR_INIT("accept"), MG_STR_INIT("*/*")},
};

static void signature_is(void (*set)(mg_setting_values *v), const char *path, const char *headers) {
    provider p;
    sent s = {.n = 0};
    mg_error error = {0};
    provider_open(&p, "bedrock", set);
    const mg_provider_out out = {.size = sizeof out, .ctx = &s, .header = on_header};
    const mg_signing r = {sizeof r,
                          MG_STR("POST"),
                          MG_STR("bedrock-runtime.eu-west-3.amazonaws.com"),
                          mg_str_of(path),
                          sent_headers,
                          3,
                          MG_STR("{\"messages\":[]}"),
                          1772348889};
    assert_int_equal(p.ops->sign(p.self, &r, &out, &error), MG_OK);
    assert_string_equal(s.headers, headers);
    provider_close(&p);
}

#define SCOPE "AKIDEXAMPLE/20260301/eu-west-3/bedrock/aws4_request"

static void signs_as_botocore_does(void **state) {
    (void)state;
    signature_is(set_paris, "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
                 "x-amz-date: 20260301T070809Z\n"
                 "authorization: AWS4-HMAC-SHA256 Credential=" SCOPE ", SignedHeaders=content-type;host;x-amz-date, "
                 "Signature=620d1fb73321798ce6403c589ef8e4f7004782be7d5b36110650fbe43d33cfc7\n");
    signature_is(
        set_session,
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Afoundation-model%2Famazon.nova-pro-v1%3A0/converse-stream",
        "x-amz-date: 20260301T070809Z\nx-amz-security-token: to/ken==\n"
        "authorization: AWS4-HMAC-SHA256 Credential=" SCOPE
        ", SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, "
        "Signature=db6dc14b2730feecfe73205602de7d31b7988fa598b708fa831759a2db5cf635\n");
}

static void signs_nothing_with_an_api_key(void **state) {
    (void)state;
    signature_is(set_api_key, "/model/m/converse", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_as_published),
        cmocka_unit_test(joins_repeated_headers),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(signs_as_botocore_does),
        cmocka_unit_test(signs_nothing_with_an_api_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
