/* The detector of personal data: its types, e-mail addresses and cards, overlaps, and texts of any bytes. */
#include "detector_pii.h"

static void types(void **state) {
    (void)state;
    static const char *const names[] = {"email", "credit_card", "ssn",  "ca_sin",
                                        "phone", "ip_address",  "iban", "secret"};
    assert_int_equal(pii_ops->n_types, TYPES);
    for (size_t i = 0; i < TYPES; i++) {
        assert_string_equal(pii_ops->types[i].name, names[i]);
        assert_true(pii_ops->types[i].longest > 0);
    }
    assert_int_equal(pii_ops->types[SECRET].severity, MG_SEVERITY_CRITICAL);
    findings f = pii_scan(MG_STR("a.b@example.com 4111111111111111"), 1 << CREDIT_CARD);
    assert_int_equal(f.n, 1);
    assert_ptr_equal(f.span[0].type, pii_ops->types[CREDIT_CARD].name);
    assert_int_equal(f.span[0].start, 16);
    assert_int_equal(pii_scan(mg_str_from(NULL, 0), EVERY).n, 0);
    assert_int_equal(pii_scan(MG_STR("a.b@example.com 4111111111111111"), 0).n, 0);
}

/* No span is longer than its type says, whatever is written out at its longest. */
static void longest(void **state) {
    (void)state;
    static const char *const texts[] = {
        "+4 - 4 - 2 - 0 - 7 - 9 - 4 - 6 - 0 - 9 - 5 - 8 - 1 - 2 - 3x123456",
        "ssn 078 - 05 - 1123",
        "2001:0db8:0000:0000:0000:ffff:192.168.255.255%abcdefghijklmnop/128",
        "MT84 MALT 0110 0001 2345 MTLC AST0 01S",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        findings f = pii_scan(mg_str_of(texts[i]), EVERY);
        for (size_t k = 0; k < f.n; k++)
            for (size_t t = 0; t < TYPES; t++)
                if (pii_ops->types[t].name == f.span[k].type)
                    assert_true(f.span[k].end - f.span[k].start <= pii_ops->types[t].longest);
    }
}

/* The interpreter finds what machine code finds. */
static void without_jit(void **state) {
    const mg_plugin *plugin = *state;
    static const char text[] = "josé@exämple.de 4111 1111 1111 1111, 078-05-1123 or +1 416 555 0199, 130-692-544";
    findings with = pii_scan(MG_STR(text), EVERY), without;
    void *self = pii_self;
    pii_self = pii_open(plugin, "false");
    without = pii_scan(MG_STR(text), EVERY);
    plugin->close(pii_self);
    pii_self = self;
    assert_int_equal(with.n, 5);
    assert_int_equal(without.n, with.n);
    assert_memory_equal(without.span, with.span, with.n * sizeof with.span[0]);
}

static void emails_found(void **state) {
    (void)state;
    pii_expect(1 << EMAIL, "user@example.com", "[user@example.com]");
    pii_expect(1 << EMAIL, "Write to a.b+c@sub.example.co.uk.", "[a.b+c@sub.example.co.uk]");
    pii_expect(1 << EMAIL, "<JANE.DOE@EXAMPLE.ORG>, (x_y@z.io); 'q@w.de'!", "[JANE.DOE@EXAMPLE.ORG][x_y@z.io][q@w.de]");
    pii_expect(1 << EMAIL, "mailto:o'neil@example.com?subject=x", "[o'neil@example.com]");
    pii_expect(1 << EMAIL, "?email=user@example.com&x=1", "[user@example.com]");
    pii_expect(1 << EMAIL, "a@b.co,b@c.io,c@d.net", "[a@b.co][b@c.io][c@d.net]");
    pii_expect(1 << EMAIL, "user@xn--80ak6aa92e.com", "[user@xn--80ak6aa92e.com]");
    pii_expect(1 << EMAIL, "josé.müller@exämple.de ok", "[josé.müller@exämple.de]");
    pii_expect(1 << EMAIL, "почта: иван@пример.рф.", "[иван@пример.рф]");
    pii_expect(1 << EMAIL, "用户@例子.广告", "[用户@例子.广告]");
    pii_expect(1 << EMAIL, "请联系user@example.com谢谢。", "[user@example.com]");
    pii_expect(1 << EMAIL, "メール：taro@example.co.jpまで", "[taro@example.co.jp]");
    pii_expect(1 << EMAIL, "_me@example.com_ and __x@example.com", "[me@example.com][__x@example.com]");
    pii_expect(1 << EMAIL, "user@163.com user@example.com@ user@example.com- x",
               "[user@163.com][user@example.com][user@example.com]");
    pii_expect(1 << EMAIL, "\"john doe\"@example.com", "[\"john doe\"@example.com]");
    pii_expect(1 << EMAIL, "john@acme.com123-45-6789", "[john@acme.com]");
    pii_expect(1 << EMAIL, "..a@example.com", "[a@example.com]");
    pii_expect(1 << EMAIL, "\xff\xfeuser@example.com\xff", "[user@example.com]");
}

static void emails_not_found(void **state) {
    (void)state;
    pii_expect(1 << EMAIL, "@user, me @ example.com, user@localhost, a@b", "");
    pii_expect(1 << EMAIL, "lodash@4.17.21 icon@2x.png user@1.2.3.4 a@b.c", "");
    pii_expect(1 << EMAIL, "user.@example.com user@-example.com user@.example.com user@example..com", "");
    pii_expect(1 << EMAIL, "a@b.com@c.com", "");
    pii_expect(1 << EMAIL, "my email is none@lb.co_m", "");
    pii_expect(1 << EMAIL, "@app.route @pytest.mark.skip", "");
}

static void email_lengths(void **state) {
    (void)state;
    char text[600];
    for (size_t local = 60; local <= 70; local++) {
        memset(text, 'l', local);
        strcpy(text + local, "@example.com");
        assert_int_equal(pii_scan(mg_str_of(text), 1 << EMAIL).n, local <= 64 ? 1 : 0);
    }
    for (size_t domain = 240; domain <= 262; domain++) {
        memset(text, 'd', sizeof text);
        memcpy(text, "user@", 5);
        for (size_t i = 50; i < domain - 10; i += 50) text[5 + i] = '.';
        strcpy(text + 5 + domain - 4, ".com");
        assert_int_equal(pii_scan(mg_str_of(text), 1 << EMAIL).n, domain <= 255 ? 1 : 0);
    }
    for (size_t label = 60; label <= 66; label++) {
        memset(text, 'd', sizeof text);
        memcpy(text, "user@", 5);
        strcpy(text + 5 + label, ".com");
        assert_int_equal(pii_scan(mg_str_of(text), 1 << EMAIL).n, label <= 63 ? 1 : 0);
    }
}

static void cards_found(void **state) {
    (void)state;
    pii_expect(1 << CREDIT_CARD, "4111111111111111", "[4111111111111111]");
    pii_expect(1 << CREDIT_CARD, "Card: 4111 1111 1111 1111, exp 12/26.", "[4111 1111 1111 1111]");
    pii_expect(1 << CREDIT_CARD, "4111-1111-1111-1111 5500000000000004", "[4111-1111-1111-1111][5500000000000004]");
    pii_expect(1 << CREDIT_CARD, "pay 2 4111 1111 1111 1111 1226 123", "[4111 1111 1111 1111]");
    pii_expect(1 << CREDIT_CARD, "4111-1111-1111-1111-123", "[4111-1111-1111-1111]");
    pii_expect(1 << CREDIT_CARD, "amex 3782 822463 10005 or 378282246310005", "[3782 822463 10005][378282246310005]");
    pii_expect(1 << CREDIT_CARD, "diners 3056 930902 5904", "[3056 930902 5904]");
    pii_expect(1 << CREDIT_CARD, "2223003122003222 (2-series) 6011111111111117",
               "[2223003122003222][6011111111111117]");
    pii_expect(1 << CREDIT_CARD, "jcb 3530111333300000 unionpay 6200000000000005",
               "[3530111333300000][6200000000000005]");
    pii_expect(1 << CREDIT_CARD, "visa 4222222222222, maestro 6759649826438453", "[4222222222222][6759649826438453]");
    pii_expect(1 << CREDIT_CARD, "{\"card\":\"4111111111111111\"}", "[4111111111111111]");
    pii_expect(1 << CREDIT_CARD, "卡号4111111111111111。4111111111111111,123", "[4111111111111111][4111111111111111]");
    pii_expect(1 << CREDIT_CARD, "my Card no. 122000000000003 or cc 3509413199654323",
               "[122000000000003][3509413199654323]");
    pii_expect(1 << CREDIT_CARD, "2024-01-15 4111 1111 1111 1111", "[4111 1111 1111 1111]");
}

static void cards_not_found(void **state) {
    (void)state;
    pii_expect(1 << CREDIT_CARD, "4111111111111112 1234567812345670 0000000000000000", ""); /* check digit, issuer */
    pii_expect(1 << CREDIT_CARD, "41111111111111110 14111111111111111 x4111111111111111",
               ""); /* part of something longer */
    pii_expect(1 << CREDIT_CARD, "4111111111111111x 4111111111111111_ 4111111111111111.5", "");
    pii_expect(1 << CREDIT_CARD, "4111 1111-1111 1111 4111  1111 1111 1111 41111 111 1111 1111",
               ""); /* separators, grouping */
    pii_expect(1 << CREDIT_CARD, "1234-4111-1111-1111-1111 4111-1111-1111-1111-1234", "");
    pii_expect(1 << CREDIT_CARD, "IBAN DE89 3782 8224 6310 0050 00, 0.4111111111111111", "");
    pii_expect(1 << CREDIT_CARD, "122000000000003 3509413199654323 discard 122000000000003", "");
    pii_expect(1 << CREDIT_CARD, "1111 4111 1111 1111 1111 2222", "");
    pii_expect(1 << CREDIT_CARD, "1609459200000 20240115123045123 978-3-16-148410-0", "");
}

static void overlaps(void **state) {
    (void)state;
    pii_expect(EVERY, "4111111111111111@example.com", "[email:4111111111111111@example.com]");
    /* Partly over each other: the better one is whole, and all of both is covered. */
    pii_expect(EVERY, "4111 1111 1111 1111@example.com", "[credit_card:4111 1111 1111 1111][email:@example.com]");
    pii_expect(EVERY, "DE44 5001 0517 5407 3249 31", "[iban:DE44 5001 0517 5407 3249 31]");
    pii_expect(EVERY, "::ffff:192.168.1.1", "[ip_address:::ffff:192.168.1.1]");
    pii_expect(EVERY, "mail 416.555.0199@example.com", "[email:416.555.0199@example.com]");
    pii_expect(EVERY, "ssn 130692544, sin 130692544", "[ssn:130692544][ca_sin:130692544]");
    pii_expect(EVERY, "token=ghp_4111111111111111abcdefghijklmnopqrst",
               "[secret:ghp_4111111111111111abcdefghijklmnopqrst]");
}

/* Hyphens and spaces of Unicode between digits; spans are of the text as it came. */
static void unicode_separators(void **state) {
    (void)state;
    pii_expect(EVERY, "ä 415‑555‑0132, 4111\u00a04111", "[phone:415‑555‑0132]");
    pii_expect(EVERY, "📞 +1\u202f415\u202f555\u202f0132 — ssn 078–05–1123 – a@b.co",
               "[phone:+1\u202f415\u202f555\u202f0132][ssn:078–05–1123][email:a@b.co]");
    pii_expect(EVERY, "card 4111\u00a01111\u00a01111\u00a01111", "[credit_card:4111\u00a01111\u00a01111\u00a01111]");
    pii_expect(EVERY, "DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000",
               "[iban:DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000]");
    pii_expect(EVERY, "pages 415–555, 2010–2015, \xe2\x80", "");
}

/* Every prefix of a text that has everything in it, and random bytes: no read beyond the end, spans in order. */
static void robust(void **state) {
    (void)state;
    static const char all[] =
        "请user.x@例子.com谢 \"a b\"@c.de 4111 1111 1111 1111 12 DE89 4111111111111111@x.org \xf0\x9f\x98@a.bc "
        "(416) 555-0199x12 +44 (20) 7946 0958 ssn 078 - 05 - 1123 [::ffff:10.0.0.1%eth0]/96 DE44 5001 0517 5407 3249 "
        "31 "
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----";
    for (size_t n = 0; n < sizeof all; n++) pii_scan(mg_str_from(all, n), EVERY);
    for (size_t n = 0; n < sizeof all; n++) pii_scan(mg_str_from(all + n, sizeof all - 1 - n), EVERY);
    uint32_t seed = 1;
    static const char alphabet[] = "@@@...--  \"\\_ab41415:::/(+)ey\xe4\xbd\xa0\xff\x80\n";
    for (int round = 0; round < 3000; round++) {
        char text[200];
        for (size_t i = 0; i < sizeof text; i++) {
            seed = seed * 1664525 + 1013904223;
            text[i] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        findings f = pii_scan(mg_str_from(text, sizeof text), EVERY);
        for (size_t i = 0; i < f.n && i < MOST_SPANS; i++) {
            assert_true(f.span[i].start < f.span[i].end && f.span[i].end <= sizeof text);
            assert_true(i == 0 || f.span[i - 1].end <= f.span[i].start);
        }
    }
}

/* 2 MB of what keeps patterns and validators busiest: no limit is hit, and what stands at the end is found. */
static void large(void **state) {
    (void)state;
    static const char *const units[] = {"1 ",      "12 34 ",   "4111 ",        "a@a.",        "a.a.a.a@",
                                        "1.1.1.1", "fe80::1%", "(1) ",         "eyJ",         "ghs_-",
                                        "aB3/",    "a b ",     "\xe7\x94\xa8", "-----BEGIN ", "call 1/2-"};
    static const char end[] = " \nann@example.com";
    size_t n = 2 << 20;
    char *text = malloc(n);
    for (size_t i = 0; i < COUNT(units); i++) {
        for (size_t k = 0; k < n; k++) text[k] = units[i][k % strlen(units[i])];
        memcpy(text + n - strlen(end), end, strlen(end));
        findings f = {0};
        mg_error error = {0};
        if (pii_ops->scan(pii_self, mg_str_from(text, n), EVERY, pii_keep, &f, &error) != MG_OK)
            fail_msg("%s: %s", units[i], error.text);
        assert_true(f.n >= 1);
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types),
        cmocka_unit_test(longest),
        cmocka_unit_test(without_jit),
        cmocka_unit_test(emails_found),
        cmocka_unit_test(emails_not_found),
        cmocka_unit_test(email_lengths),
        cmocka_unit_test(cards_found),
        cmocka_unit_test(cards_not_found),
        cmocka_unit_test(overlaps),
        cmocka_unit_test(unicode_separators),
        cmocka_unit_test(robust),
        cmocka_unit_test(large),
    };
    return cmocka_run_group_tests(tests, pii_setup, pii_teardown);
}
