/* Keys, tokens and private keys. All of them are made up. */
#include "detector_pii.h"

#define R20 "a1B2c3D4e5F6g7H8i9J0"
#define X16 "0123456789abcdef"

static void vendors_found(void **state) {
    (void)state;
    static const char *const alone[] = {
        "sk-proj-" R20 R20,
        "sk-ant-api03-" R20 R20 "-AA",
        "sk-" R20 R20 "k1m2n3p4",
        "sk-or-v1-" X16 X16 X16 X16,
        "AKIAQ3EGRIT7EXAMPLE2",
        "ghp_" R20 "a1B2c3D4e5F6g7H8",
        "github_pat_11" R20 "_" R20 R20,
        "AIza" R20 "a1B2c3D4e5F6g7H",
        "xoxb-123456789012-" R20,
        "sk_live_" R20 "abcd",
        "rk_test_" R20 "abcd",
        "glpat-" R20,
        "npm_" R20 "a1B2c3D4e5F6g7H8",
        "hf_" R20 "a1B2c3D4e5F6g7",
        "SG." R20 "ab." R20 R20 "abc",
        "dop_v1_" X16 X16 X16 X16,
        "shpat_" X16 X16,
        "gsk_" R20 R20,
        "xai-" R20 R20 R20,
        "AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQQPZRY9X8GF2TVDW0S3JN54KH",
        "mg-" R20 R20 "_-3",
        "123456789:AA" R20 "a1B2c3D4e5F6g",
        "https://hooks.slack.com/services/T0000/B0000/" R20,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        "eyJhbGciOiJSU0EtT0FFUCJ9.OKOawDo13gRp2ojaHV7L.48V1_ALb6US04U3b.5eym8TW_c8SuK0lt.XFBoMYUZodetZdvT",
    };
    for (size_t i = 0; i < COUNT(alone); i++) {
        char text[400], expected[400];
        const char *key = strncmp(alone[i], "https://", 8) == 0 ? alone[i] + 8 : alone[i];
        snprintf(expected, sizeof expected, "[%s]", key);
        pii_expect(1 << SECRET, alone[i], expected);
        snprintf(text, sizeof text, "export KEY=%s; echo", alone[i]);
        pii_expect(1 << SECRET, text, expected);
        snprintf(text, sizeof text, "{\"k\":\"%s\"}", alone[i]);
        pii_expect(1 << SECRET, text, expected);
    }
}

static void vendors_not_found(void **state) {
    (void)state;
    static const char *const texts[] = {
        "sk-proj-short ghp_short AKIA123 AIzaShort sk_live_short",
        "sk_test_xxxxxxxxxxxxxxxxxxxxxxxx",
        "sk-ant-your-key-goes-right-in-here-please",
        "xghp_" R20 "a1B2c3D4e5F6g7H8",
        "xAKIAQ3EGRIT7EXAMPLE2",
        "AKIAQ3EGRIT7EXAMPLE2X",
        "risk-management-of-the-whole-company-2024-and-2025",
        "https://example.com/a/very/long/path/with-many-words/and/20240115/file.html",
        "eyJ.eyJ.eyJ eyJhbGciOiJIUzI1NiJ9",
        "internationalization-of-configuration-files",
    };
    pii_expect_all(SECRET, texts, COUNT(texts), false);
}

/* What looks random is one only behind a word that says so. */
static void values(void **state) {
    (void)state;
    pii_expect(1 << SECRET, "password: F1lT3ReDw17hQoT3s", "[F1lT3ReDw17hQoT3s]");
    pii_expect(1 << SECRET, "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCY3EX4MPL3kY",
               "[wJalrXUtnFEMI/K7MDENG/bPxRfiCY3EX4MPL3kY]");
    pii_expect(1 << SECRET, "Authorization: Basic R2hyZG5oYzpycWVpIGVuZ2xiZg==", "[R2hyZG5oYzpycWVpIGVuZ2xiZg==]");
    pii_expect(1 << SECRET, "{\"clientSecret\":\"a8F3kd92LsQ01xZe7\"}", "[a8F3kd92LsQ01xZe7]");
    static const char *const texts[] = {
        "the value is F1lT3ReDw17hQoT3s",
        "x-request-id: req_" X16 X16,
        "etag: " X16 X16,
        "max_tokens: 4096",
        "token: refresh-interval-seconds",
        "password: correcthorsebatterystaple",
        "secret: getSecretFromVault()",
        "x-ratelimit-reset-tokens: 2026-08-19T14:39:19Z",
        "sha256 " X16 X16 X16 X16,
    };
    pii_expect_all(SECRET, texts, COUNT(texts), false);
}

#define LINE "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
#define BEGIN "-----BEGIN RSA PRIVATE KEY-----"
#define END "-----END RSA PRIVATE KEY-----"

static void private_keys(void **state) {
    (void)state;
    static const char *const alone[] = {
        BEGIN "\n" LINE "\n" LINE "\nabc=\n" END,
        BEGIN "\\n" LINE "\\n" END,
        BEGIN "\r\nProc-Type: 4,ENCRYPTED\r\n\r\n" LINE "\r\n" END,
        "-----BEGIN PRIVATE KEY-----\n" LINE "\n-----END PRIVATE KEY-----",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n" LINE "\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----",
        BEGIN "\n" LINE "\n" LINE,
        BEGIN,
        END, /* cut off */
    };
    pii_expect_all(SECRET, alone, COUNT(alone), true);
    pii_expect(1 << SECRET, "k = \"" BEGIN "\" +\n \"" LINE "\" +\n \"" END "\";",
               "[" BEGIN "\" +\n \"" LINE "\" +\n \"" END "]");
    pii_expect(1 << SECRET, "------------" BEGIN "\nand then we say nothing more.", "[" BEGIN "]");
    static const char *const texts[] = {
        "-----BEGIN CERTIFICATE-----\n" LINE "\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----\n" LINE "\n-----END PUBLIC KEY-----",
        "----- BEGIN RSA PRIVATE KEY -----",
        "---------------------------------- PRIVATE KEY",
        LINE,
    };
    pii_expect_all(SECRET, texts, COUNT(texts), false);
}

/* A key that is longer than a span may be comes in pieces without a gap. */
static void long_key(void **state) {
    (void)state;
    char text[12000];
    size_t n = (size_t)snprintf(text, sizeof text, "%s\n", BEGIN);
    while (n < 10000) n += (size_t)snprintf(text + n, sizeof text - n, "%s\n", LINE);
    n += (size_t)snprintf(text + n, sizeof text - n, "%s", END);
    findings f = pii_scan(mg_str_from(text, n), 1 << SECRET);
    assert_int_equal(f.n, 3);
    assert_int_equal(f.span[0].start, 0);
    for (size_t i = 0; i < f.n; i++) {
        assert_int_equal(f.span[i].end, i + 1 < f.n ? f.span[i + 1].start : n);
        assert_true(f.span[i].end - f.span[i].start <= pii_ops->types[SECRET].longest);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vendors_found), cmocka_unit_test(vendors_not_found), cmocka_unit_test(values),
        cmocka_unit_test(private_keys),  cmocka_unit_test(long_key),
    };
    return cmocka_run_group_tests(tests, pii_setup, pii_teardown);
}
