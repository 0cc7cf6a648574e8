#include "base/arena.h"
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

static void aligns_and_keeps(void **state) {
    (void)state;
    mg_arena *a = mg_arena_create(100);
    uint8_t *blocks[500];
    for (size_t i = 0; i < 500; i++) {
        size_t n = i * 37 % 3000;
        blocks[i] = mg_arena_alloc(a, n);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        memset(blocks[i], (int)(i & 255), n);
    }
    for (size_t i = 0; i < 500; i++)
        for (size_t j = 0; j < i * 37 % 3000; j++) assert_int_equal(blocks[i][j], i & 255);
    mg_arena_destroy(a);
    mg_arena_destroy(NULL);
}

static void empty_allocations_differ(void **state) {
    (void)state;
    mg_arena *a = mg_arena_create(0);
    assert_ptr_not_equal(mg_arena_alloc(a, 0), mg_arena_alloc(a, 0));
    mg_arena_destroy(a);
}

static void reset_frees_all_but_the_first_block(void **state) {
    (void)state;
    mg_arena *a = mg_arena_create(1024);
    size_t before = mg_arena_size(a);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) mg_arena_alloc(a, i % 10 ? 100 : 100000);
        assert_true(mg_arena_size(a) > 1000000);
        mg_arena_reset(a);
        assert_int_equal(mg_arena_size(a), before);
    }
    mg_arena_destroy(a);
}

static void a_large_allocation_does_not_waste_the_rest(void **state) {
    (void)state;
    mg_arena *a = mg_arena_create(4096);
    char *first = mg_arena_alloc(a, 16);
    mg_arena_alloc(a, 1000000);
    char *second = mg_arena_alloc(a, 16);
    assert_true(second > first && second - first < 100);
    mg_arena_destroy(a);
}

static char order[8];

static void note(void *arg) { strcat(order, arg); }

static void note_and_register(void *arg) {
    note("r");
    mg_arena_cleanup(arg, note, "n");
}

static void cleanups_run_newest_first(void **state) {
    (void)state;
    mg_arena *a = mg_arena_create(100);
    order[0] = 0;
    mg_arena_cleanup(a, note, "1");
    mg_arena_cleanup(a, note_and_register, a);
    mg_arena_cleanup(a, note, "2");
    mg_arena_reset(a);
    assert_string_equal(order, "2rn1");
    mg_arena_reset(a);
    assert_string_equal(order, "2rn1");
    mg_arena_cleanup(a, note, "3");
    mg_arena_destroy(a);
    assert_string_equal(order, "2rn13");
}

static void copies_and_prints(void **state) {
    (void)state;
    mg_arena *a = mg_arena_create(100);
    mg_str s = mg_arena_dup(a, mg_str_from("a\0b", 3));
    assert_int_equal(s.n, 3);
    assert_memory_equal(s.p, "a\0b\0", 4);
    assert_string_equal(mg_arena_dup(a, (mg_str){NULL, 0}).p, "");
    assert_true(mg_str_is(mg_arena_printf(a, "%d-%s", 5, "x"), "5-x"));
    mg_str longer = mg_arena_printf(a, "%1000d", 7);
    assert_int_equal(longer.n, 1000);
    assert_int_equal(strlen(longer.p), 1000);
    assert_int_equal(longer.p[999], '7');
    const uint8_t *zeros = mg_arena_zalloc(a, 3000);
    for (size_t i = 0; i < 3000; i++) assert_int_equal(zeros[i], 0);
    mg_arena_destroy(a);
}

static void the_heap_never_gives_null(void **state) {
    (void)state;
    void *p = mg_malloc(0);
    assert_non_null(p);
    p = mg_realloc(p, 0);
    assert_non_null(p);
    free(p);
    p = mg_calloc(0, 8);
    assert_non_null(p);
    free(p);
    char *z = mg_strndup("abcdef", 3);
    assert_string_equal(z, "abc");
    free(z);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(aligns_and_keeps),
                                       cmocka_unit_test(empty_allocations_differ),
                                       cmocka_unit_test(reset_frees_all_but_the_first_block),
                                       cmocka_unit_test(a_large_allocation_does_not_waste_the_rest),
                                       cmocka_unit_test(cleanups_run_newest_first),
                                       cmocka_unit_test(copies_and_prints),
                                       cmocka_unit_test(the_heap_never_gives_null)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
