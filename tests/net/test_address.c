#include "net/address.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static mg_address parse(const char *text) {
    mg_address a = {0};
    if (strchr(text, ':')) {
        a.any.sa_family = AF_INET6;
        assert_int_equal(1, inet_pton(AF_INET6, text, &a.v6.sin6_addr));
    } else {
        a.any.sa_family = AF_INET;
        assert_int_equal(1, inet_pton(AF_INET, text, &a.v4.sin_addr));
    }
    return a;
}

static void knows_what_is_public(void **state) {
    (void)state;
    static const char *const outside[] = {"1.1.1.1",         "8.8.8.8",           "100.63.255.255", "172.15.0.1",
                                          "172.32.0.1",      "192.169.0.1",       "198.20.0.1",     "223.255.255.255",
                                          "2606:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808",
                                          "2002:808:808::1"};
    static const char *const inside[] = {"0.0.0.0",
                                         "10.1.2.3",
                                         "100.64.0.1",
                                         "127.0.0.1",
                                         "169.254.169.254",
                                         "172.16.0.1",
                                         "172.31.255.255",
                                         "192.168.1.1",
                                         "198.18.0.1",
                                         "203.0.113.9",
                                         "224.0.0.1",
                                         "255.255.255.255",
                                         "::",
                                         "::1",
                                         "fe80::1",
                                         "fc00::1",
                                         "fd12::1",
                                         "ff02::1",
                                         "::ffff:127.0.0.1",
                                         "::ffff:10.0.0.1",
                                         "64:ff9b::a00:1",
                                         "2002:7f00:1::1",
                                         "2001:db8::1",
                                         "2001::1"};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        mg_address a = parse(outside[i]);
        if (!mg_address_public(&a)) fail_msg("%s is public", outside[i]);
    }
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
        mg_address a = parse(inside[i]);
        if (mg_address_public(&a)) fail_msg("%s is not public", inside[i]);
    }
}

static void keeps_the_public_ones(void **state) {
    (void)state;
    mg_addresses a = {.n = 3, .at = {parse("127.0.0.1"), parse("8.8.8.8"), parse("::1")}};
    assert_true(mg_addresses_keep_public(&a));
    assert_int_equal(1, a.n);
    a.at[0] = parse("10.0.0.1");
    assert_false(mg_addresses_keep_public(&a));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(knows_what_is_public), cmocka_unit_test(keeps_the_public_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
