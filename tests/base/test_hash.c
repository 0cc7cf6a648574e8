#include "base/hash.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void sha256_is(mg_str text, const char *want) {
    uint8_t out[32];
    char hex[65];
    mg_sha256(text, out);
    mg_hex(out, 32, hex);
    assert_string_equal(hex, want);
}

/* FIPS 180-4 examples. */
static void hashes_sha256(void **state) {
    (void)state;
    sha256_is(MG_STR(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_is((mg_str){NULL, 0}, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_is(MG_STR("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_is(MG_STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void hmac_is(mg_str key, mg_str text, const char *want) {
    uint8_t out[32];
    char hex[65];
    mg_hmac_sha256(key, text, out);
    mg_hex(out, 32, hex);
    assert_string_equal(hex, want);
}

/* RFC 4231, cases 1, 2 and 6 (a key longer than a block). */
static void authenticates(void **state) {
    (void)state;
    char key[131];
    memset(key, 0x0b, 20);
    hmac_is(mg_str_from(key, 20), MG_STR("Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    hmac_is(MG_STR("Jefe"), MG_STR("what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, 131);
    hmac_is(mg_str_from(key, 131), MG_STR("Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void reads_hexadecimal(void **state) {
    (void)state;
    uint8_t out[3] = {0};
    assert_true(mg_unhex(MG_STR("00fFa5"), out, 3));
    assert_memory_equal(out, "\x00\xff\xa5", 3);
    assert_false(mg_unhex(MG_STR("00ff"), out, 3));
    assert_false(mg_unhex(MG_STR("00ffa"), out, 2));
    assert_false(mg_unhex(MG_STR("00fg00"), out, 3));
    assert_true(mg_unhex(MG_STR(""), out, 0));
}

static void spreads_hashes(void **state) {
    (void)state;
    enum { KEYS = 100000, SLOTS = 1 << 17 };
    static uint16_t slots[SLOTS];
    unsigned most = 0;
    for (int i = 0; i < KEYS; i++) {
        char key[32];
        int n = sprintf(key, "key-%d", i);
        unsigned in_slot = ++slots[mg_hash64(mg_str_from(key, (size_t)n)) % SLOTS];
        if (in_slot > most) most = in_slot;
    }
    assert_true(most < 16);
    assert_true(mg_hash64(MG_STR("abc")) == mg_hash64(MG_STR("abc")));
    assert_true(mg_hash64(MG_STR("")) != mg_hash64(mg_str_from("\0", 1)));
    assert_true(mg_hash64(MG_STR("12345678")) != mg_hash64(mg_str_from("12345678\0", 9)));
}

static void checks_crc(void **state) {
    (void)state;
    uint8_t bytes[1000] = {0};
    assert_int_equal(mg_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(mg_crc32c(0, bytes, 32), 0x8a9136aa); /* RFC 3720 B.4 */
    memset(bytes, 0xff, 32);
    assert_int_equal(mg_crc32c(0, bytes, 32), 0x62a8ab43);
    mg_random(bytes, sizeof bytes);
    for (size_t n = 0; n < sizeof bytes; n += 13) {
        uint32_t want = mg_crc32c_portable(0, bytes, n);
        assert_int_equal(mg_crc32c(0, bytes, n), want);
        assert_int_equal(mg_crc32c(mg_crc32c(0, bytes, n / 3), bytes + n / 3, n - n / 3), want);
    }
}

static void check_id(const char *id, const char *before) {
    assert_int_equal(strlen(id), 36);
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        assert_true(dash ? id[i] == '-' : strchr("0123456789abcdef", id[i]) != NULL);
    }
    assert_int_equal(id[14], '7');
    assert_non_null(strchr("89ab", id[19]));
    assert_true(strcmp(before, id) < 0);
}

static void ids_ascend(void **state) {
    (void)state;
    char before[37] = "", id[37];
    for (int i = 0; i < 200000; i++) {
        mg_uuid7(id);
        check_id(id, before);
        memcpy(before, id, sizeof id);
    }
}

enum { THREADS = 4, IDS = 5000 };

static void *make_ids(void *arg) {
    char(*ids)[37] = arg;
    uint8_t out[32];
    for (int i = 0; i < IDS; i++) mg_uuid7(ids[i]);
    mg_sha256(MG_STR("a context of this thread's own"), out);
    return NULL;
}

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

static void ids_of_threads_differ(void **state) {
    (void)state;
    static char ids[THREADS * IDS][37];
    pthread_t threads[THREADS];
    for (int t = 0; t < THREADS; t++) assert_int_equal(pthread_create(&threads[t], NULL, make_ids, ids[t * IDS]), 0);
    for (int t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
    qsort(ids, THREADS * IDS, sizeof ids[0], by_text);
    for (int i = 1; i < THREADS * IDS; i++) assert_string_not_equal(ids[i - 1], ids[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(hashes_sha256),        cmocka_unit_test(authenticates),
                                       cmocka_unit_test(reads_hexadecimal),    cmocka_unit_test(spreads_hashes),
                                       cmocka_unit_test(checks_crc),           cmocka_unit_test(ids_ascend),
                                       cmocka_unit_test(ids_of_threads_differ)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
