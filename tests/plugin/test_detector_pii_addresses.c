/* IP addresses and bank accounts. */
#include "detector_pii.h"

static void ip4_found(void **state) {
    (void)state;
    static const char *const alone[] = {"192.168.0.1", "127.0.0.1",      "0.0.0.0",   "255.255.255.255", "10.0.0.1",
                                        "98.76.54.32", "192.168.1.0/24", "0.0.0.0/0", "192.168.1.1/32"};
    pii_expect_all(IP_ADDRESS, alone, COUNT(alone), true);
    pii_expect(1 << IP_ADDRESS, "Hosts 10.0.0.1 and 172.16.0.5.", "[10.0.0.1][172.16.0.5]");
    pii_expect(1 << IP_ADDRESS, "[203.0.113.9] root@203.0.113.10:22 http://203.0.113.11/x",
               "[203.0.113.9][203.0.113.10][203.0.113.11]");
    pii_expect(1 << IP_ADDRESS, "10.1.2.3-10.1.2.9, 192.168.2.1@eth0 192.168.1.1.1",
               "[10.1.2.3][10.1.2.9][192.168.2.1][192.168.1.1]");
    pii_expect(1 << IP_ADDRESS, "firmware 1.2.3.4 on host 1.2.3.5", "[1.2.3.5]");
    pii_expect(1 << IP_ADDRESS, "the ip is 10.0.0.1/80 today", "[10.0.0.1]");
}

static void ip4_not_found(void **state) {
    (void)state;
    static const char *const texts[] = {
        "256.1.1.1 300.168.1.1 192.168.1 1.2.3 310.45.122.65",
        "text192.168.1.1 10.0.0.1x 1.2.3.4.5 01.2.3.4",
        "version 1.2.3.4, v1.2.3.4, release 10.0.0.1",
        "Version: 0.0.0.1-2+b1\nSize: 3",
        "Upgrade to 4.16.4.1 now",
        "Chrome/120.0.0.0 Safari/537.36",
        "lodash==1.2.3.4 foo>=1.2.3.4 bar-1.2.3.4 ^1.2.3.4",
        "python3-xstatic-lodash_4.16.4.1-2_all.deb app-1.2.3.4.tar.gz",
        "1.2.3.4 Scope of this clause",
        "see section 4.3.2.1 or OID 1.3.6.1",
        "in the 1.2.3.4 release",
        "build 10.0.19041.1",
    };
    pii_expect_all(IP_ADDRESS, texts, COUNT(texts), false);
}

static void ip6_found(void **state) {
    (void)state;
    static const char *const alone[] = {
        "684D:1111:222:3333:4444:5555:6:77",
        "2001:db8::8a2e:370:7334",
        "2001:db8::1",
        "::1",
        "ff02::1",
        "fe80::1%eth0",
        "::ffff:10.0.0.1",
        "::ffff:0:192.168.1.1",
        "::10.0.0.1",
        "64:ff9b::192.0.2.1",
        "2001:db8:0:0:0:0:192.168.1.1",
        "2001:db8:85a3::8a2e:192.168.0.1",
        "2001:db8::/32",
        "::/128",
        "64:ff9b::192.0.2.0/96",
        "1:2:3:4:5:6:7::",
        "::2:3:4:5:6:7:8",
        "1::8",
    };
    pii_expect_all(IP_ADDRESS, alone, COUNT(alone), true);
    pii_expect(1 << IP_ADDRESS, "[2001:db8::1]:8080, '2001:db8::2' [::ffff:192.168.1.1]:80 listen [::]:80",
               "[2001:db8::1][2001:db8::2][::ffff:192.168.1.1][::]");
    pii_expect(1 << IP_ADDRESS, "Use local ipv6 :: or host 2001:db8::1.", "[::][2001:db8::1]");
    pii_expect(1 << IP_ADDRESS, "IPs: 192.168.1.1, 10.0.0.1, 2001:db8::1", "[192.168.1.1][10.0.0.1][2001:db8::1]");
}

static void ip6_not_found(void **state) {
    (void)state;
    static const char *const texts[] = {
        "::ffff:192.168.1 2001:db8::256.1.1.1 2001::db8::1 gggg:hhhh::1234 12345::1 1:2:3:4:5:6:7:8:9 "
        "1::2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7 :::1 1:::2 :1::2: a:b",
        "aa:bb:cc:dd:ee:ff 00:11:22:33:44:55:66:77",
        "12:34:56 123:abc ",
        "std::cafe a[::2] x[1::2] face::add List<a::b> Foo::Bar f32::MAX",
        "file:///path {\"a\":1} key::value",
    };
    pii_expect_all(IP_ADDRESS, texts, COUNT(texts), false);
}

static void iban_found(void **state) {
    (void)state;
    static const char *const alone[] = {
        "DE89370400440532013000",
        "DE44 5001 0517 5407 3249 31",
        "GB33BUKB20201555555555",
        "gb50mvfc38361978683032",
        "NO9386011117947",
        "NO93 8601 1117 947",
        "MT84 MALT 0110 0001 2345 MTLC AST0 01S",
        "FR14 2004 1010 0505 0001 3M02 606",
        "AL47-2121-1009-0000-0002-3569-8741",
        "LC55 HEMM 0001 0001 0012 0012 0002 3015",
        "BR97 0036 0305 0000 1000 9795 493P 1",
    };
    pii_expect_all(IBAN, alone, COUNT(alone), true);
    pii_expect(1 << IBAN, "this is an iban VG96 VPVG 0000 0123 4567 8901 X in", "[VG96 VPVG 0000 0123 4567 8901]");
    pii_expect(1 << IBAN, "(IBAN:DE89370400440532013000), {\"iban\":\"DE89370400440532013000\"}",
               "[DE89370400440532013000][DE89370400440532013000]");
}

static void iban_not_found(void **state) {
    (void)state;
    static const char *const texts[] = {
        "DE89370400440532013001 AL47 2121 1009 0000 0002 3569 8740", /* check digits */
        "AL47 212A 1009 0000 0002 3569 8741 KW81 aBKU 0000 0000 0000 1234 5601 01", /* structure, case */
        "BE6853900754703 DE893704004405320130000 xDE89370400440532013000 DE89370400440532013000x",
        "AB150120690000003111141 HR12 001 0051 8630 0016 A",
        "DE89 37040044 0532013000",
        "DE",
    };
    pii_expect_all(IBAN, texts, COUNT(texts), false);
    /* At each place of a text that is longer than what the gate looks at in one go. */
    char text[160];
    for (size_t at = 0; at + 22 < sizeof text; at++) {
        memset(text, '.', sizeof text);
        memcpy(text + at, "DE89370400440532013000", 22);
        assert_int_equal(pii_scan(mg_str_from(text, sizeof text), 1 << IBAN).n, 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ip4_found),     cmocka_unit_test(ip4_not_found), cmocka_unit_test(ip6_found),
        cmocka_unit_test(ip6_not_found), cmocka_unit_test(iban_found),    cmocka_unit_test(iban_not_found),
    };
    return cmocka_run_group_tests(tests, pii_setup, pii_teardown);
}
