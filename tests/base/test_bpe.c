/* Needs the vocabularies that the build makes; says SKIPPED where there are none. */
#include "base/bpe.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "bpe_vectors.h"

static const mg_bpe *vocabulary(mg_bpe_encoding e) {
    mg_error error;
    const mg_bpe *b = mg_bpe_get(e, &error);
    if (!b) {
        print_message("SKIPPED: %s\n", error.text);
        skip();
    }
    return b;
}

/* ---- against tiktoken -------------------------------------------------------------------------------------------- */

static void vectors(void **state) {
    (void)state;
    uint32_t ids[2048];
    for (mg_bpe_encoding e = 0; e < MG_BPE_ENCODINGS; e++) {
        const mg_bpe *b = vocabulary(e);
        for (size_t i = 0; i < sizeof bpe_vectors / sizeof *bpe_vectors; i++) {
            mg_str text = mg_str_from(bpe_vectors[i].text, bpe_vectors[i].n);
            const int32_t *want = e == MG_BPE_O200K ? bpe_vectors[i].o200k : bpe_vectors[i].cl100k;
            size_t n = mg_bpe_encode(b, text, ids), same = 0;
            while (same < n && want[same] == (int32_t)ids[same]) same++;
            if (same < n || want[n] != -1)
                fail_msg("%s, text %zu (%.40s): token %zu is %d, not %d", mg_bpe_name(e), i, text.p, same,
                         same < n ? (int)ids[same] : -1, want[same]);
            assert_int_equal(mg_bpe_encode(b, text, NULL), n);
        }
    }
}

static uint32_t sum_of(const mg_bpe *b, uint32_t sum, mg_str text) {
    static uint32_t ids[65536];
    assert_true(text.n <= 65536);
    size_t n = mg_bpe_encode(b, text, ids);
    for (size_t i = 0; i < n; i++) sum = (sum ^ ids[i]) * 16777619u;
    return (sum ^ 0xffffffffu) * 16777619u;
}

static uint32_t seed;

static uint32_t random_below(uint32_t n) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 16) % n;
}

static mg_str random_text(mg_buf *text) {
    mg_buf_clear(text);
    for (uint32_t left = 1 + random_below(24); left; left--) {
        const char *word = bpe_alphabet[random_below(sizeof bpe_alphabet / sizeof *bpe_alphabet)];
        mg_str part = word ? mg_str_of(word) : mg_str_from("", 1); /* a NUL byte */
        for (uint32_t times = random_below(16) ? 1 : 1 + random_below(80); times; times--) mg_buf_str(text, part);
    }
    return mg_buf_view(text);
}

static void random_texts(void **state) {
    (void)state;
    mg_buf text = {0};
    for (mg_bpe_encoding e = 0; e < MG_BPE_ENCODINGS; e++) {
        const mg_bpe *b = vocabulary(e);
        uint32_t sum = 2166136261u;
        seed = 1;
        for (int i = 0; i < BPE_RANDOM_TEXTS; i++) sum = sum_of(b, sum, random_text(&text));
        assert_int_equal(sum, bpe_random_sum[e]);
    }
    mg_buf_finish(&text);
}

static mg_str utf8(uint32_t c, char out[4]) {
    if (c < 0x80) return out[0] = (char)c, mg_str_from(out, 1);
    if (c < 0x800) return out[0] = (char)(0xc0 | c >> 6), out[1] = (char)(0x80 | (c & 63)), mg_str_from(out, 2);
    out[0] = (char)(c < 0x10000 ? 0xe0 | c >> 12 : 0xf0 | c >> 18);
    size_t n = 1;
    if (c >= 0x10000) out[n++] = (char)(0x80 | (c >> 12 & 63));
    out[n++] = (char)(0x80 | (c >> 6 & 63));
    out[n++] = (char)(0x80 | (c & 63));
    return mg_str_from(out, n);
}

/* The class of every character: before, behind and between letters, digits, itself, spaces and line ends. */
static void every_character(void **state) {
    (void)state;
    uint32_t sums[] = {2166136261u, 2166136261u};
    const mg_bpe *b[] = {vocabulary(MG_BPE_O200K), vocabulary(MG_BPE_CL100K)};
    for (uint32_t c = 0; c < 0x110000; c++) {
        char k[4], text[64];
        if (c >= 0xd800 && c <= 0xdfff) continue;
        mg_str one = utf8(c, k);
        mg_buf out = {.p = text, .cap = sizeof text, .max = sizeof text};
        const mg_str parts[] = {MG_STR("a"), one,          MG_STR("A "), one,         one, MG_STR("1\n"),
                                one,         MG_STR("AB"), one,          MG_STR(" "), one};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) mg_buf_str(&out, parts[i]);
        for (size_t e = 0; e < MG_BPE_ENCODINGS; e++) sums[e] = sum_of(b[e], sums[e], mg_buf_view(&out));
    }
    for (size_t e = 0; e < MG_BPE_ENCODINGS; e++) assert_int_equal(sums[e], bpe_code_sum[e]);
}

static void check_row(const mg_json *row) {
    static const char *const lists[] = {"o200k_base_ids", "cl100k_base_ids"};
    mg_str text = mg_json_text(mg_json_get(row, MG_STR("text")));
    uint32_t *ids = malloc((text.n + 1) * sizeof *ids);
    for (mg_bpe_encoding e = 0; e < MG_BPE_ENCODINGS; e++) {
        size_t n = mg_bpe_encode(vocabulary(e), text, ids), i = 0;
        assert_int_equal(n, mg_json_int(mg_json_get(row, mg_str_of(mg_bpe_name(e))), -1));
        const mg_json *list = mg_json_get(row, mg_str_of(lists[e]));
        if (!list) continue;
        assert_int_equal(list->count, n);
        for (const mg_json *id = list->child; id; id = id->next) assert_int_equal(ids[i++], mg_json_int(id, -1));
    }
    free(ids);
}

static void recorded_counts(void **state) {
    (void)state;
    const char *data = getenv("MOONGATE_DATA");
    char path[4096], *line = NULL;
    size_t cap = 0, rows = 0;
    snprintf(path, sizeof path, "%s/tokens/vectors.jsonl", data ? data : TEST_SOURCE_DIR "/../../shared/data");
    FILE *in = fopen(path, "r");
    if (!in) {
        print_message("SKIPPED: MOONGATE_DATA names no folder with tokens/vectors.jsonl\n");
        skip();
    }
    vocabulary(MG_BPE_O200K);
    mg_json_parser *parser = mg_json_parser_create();
    mg_arena *arena = mg_arena_create(65536);
    for (ssize_t n; (n = getline(&line, &cap, in)) > 0; rows++) {
        const mg_json *row;
        mg_error error;
        mg_arena_reset(arena);
        if (mg_json_parse_copy(parser, arena, mg_str_from(line, (size_t)n), &row, &error) != MG_OK)
            fail_msg("%s", error.text);
        check_row(row);
    }
    print_message("%zu texts\n", rows);
    assert_true(rows > 100);
    free(line);
    fclose(in);
    mg_arena_destroy(arena);
    mg_json_parser_destroy(parser);
}

/* ---- properties -------------------------------------------------------------------------------------------------- */

/* What the rule says, without any cleverness: the lowest rank of all neighbors, the first of them. */
static size_t naive(const mg_bpe *b, mg_str piece, uint32_t *ids) {
    size_t at[4096], n = piece.n;
    assert_true(n < 4096);
    for (size_t i = 0; i <= n; i++) at[i] = i;
    for (;;) {
        uint32_t lowest = MG_BPE_NONE;
        size_t best = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            uint32_t id = mg_bpe_find(b, mg_str_from(piece.p + at[i], at[i + 2] - at[i]));
            if (id < lowest) lowest = id, best = i;
        }
        if (lowest == MG_BPE_NONE) break;
        memmove(at + best + 1, at + best + 2, (n - best - 1) * sizeof *at);
        n--;
    }
    for (size_t i = 0; i < n; i++) ids[i] = mg_bpe_find(b, mg_str_from(piece.p + at[i], at[i + 1] - at[i]));
    return n;
}

/* Any bytes: the merging is the naive one's, and the tokens are the text. */
static void check_bytes(const mg_bpe *b, mg_str text) {
    uint32_t *ids = malloc((text.n + 1) * sizeof *ids), *want = malloc((text.n + 1) * sizeof *want);
    size_t n = mg_bpe_encode(b, text, ids), m = 0, at = 0;
    for (mg_str left = text; left.n;) {
        size_t piece = mg_bpe_piece(b, left);
        assert_in_range(piece, 1, left.n);
        mg_str whole = mg_str_from(left.p, piece);
        uint32_t id = mg_bpe_find(b, whole);
        if (id != MG_BPE_NONE)
            want[m++] = id;
        else
            m += naive(b, whole, want + m);
        left = mg_str_skip(left, piece);
    }
    assert_int_equal(n, m);
    assert_memory_equal(ids, want, n * sizeof *ids);
    for (size_t i = 0; i < n; i++) {
        mg_str token = mg_bpe_token(b, ids[i]);
        assert_true(token.n && at + token.n <= text.n && memcmp(token.p, text.p + at, token.n) == 0);
        at += token.n;
    }
    assert_int_equal(at, text.n);
    free(ids);
    free(want);
}

static void any_bytes(void **state) {
    (void)state;
    mg_buf text = {0};
    seed = 7;
    for (mg_bpe_encoding e = 0; e < MG_BPE_ENCODINGS; e++) {
        const mg_bpe *b = vocabulary(e);
        for (int round = 0; round < 3000; round++) {
            size_t n = random_below(round % 100 ? 60 : 600);
            uint32_t width = 1 + random_below(255), first = random_below(256); /* few different bytes: much to merge */
            char *exact = malloc(n ? n : 1); /* so that reading behind it is seen */
            for (size_t i = 0; i < n; i++) exact[i] = (char)(first + random_below(width));
            check_bytes(b, mg_str_from(exact, n));
            free(exact);
        }
        for (int round = 0; round < 300; round++) check_bytes(b, random_text(&text));
    }
    mg_buf_finish(&text);
}

static void ids_are_tokens(void **state) {
    (void)state;
    static const uint32_t sizes[] = {199998, 100256};
    for (mg_bpe_encoding e = 0; e < MG_BPE_ENCODINGS; e++) {
        const mg_bpe *b = vocabulary(e);
        assert_int_equal(mg_bpe_size(b), sizes[e]);
        for (uint32_t id = 0; id < mg_bpe_size(b); id++) assert_int_equal(mg_bpe_find(b, mg_bpe_token(b, id)), id);
        assert_null(mg_bpe_token(b, (uint32_t)mg_bpe_size(b)).p);
        assert_null(mg_bpe_token(b, MG_BPE_NONE).p);
        assert_int_equal(mg_bpe_find(b, MG_STR("")), MG_BPE_NONE);
        assert_int_equal(mg_bpe_find(b, MG_STR("a token that nobody has")), MG_BPE_NONE);
    }
}

/* In steps it is the same as in one go. */
static void in_steps(void **state) {
    (void)state;
    const mg_bpe *b = vocabulary(MG_BPE_O200K);
    mg_buf text = {0};
    seed = 3;
    for (int i = 0; i < 200; i++) {
        mg_str whole = random_text(&text), left = whole;
        size_t sum = 0;
        while (left.n) {
            size_t used = 0, bytes = 1 + random_below(40);
            sum += mg_bpe_encode_some(b, left, bytes, NULL, &used);
            assert_true(used >= (bytes < left.n ? bytes : left.n) && used <= left.n);
            left = mg_str_skip(left, used);
        }
        assert_int_equal(sum, mg_bpe_encode(b, whole, NULL));
    }
    mg_buf_finish(&text);
}

/* A megabyte without a border: 125,000 tokens of eight letters, in time that does not grow with its square. */
static void long_runs(void **state) {
    (void)state;
    enum { N = 1 << 20 };
    char *run = malloc(N);
    memset(run, 'a', N);
    uint64_t began = mg_clock_mono_us();
    size_t n = mg_bpe_encode(vocabulary(MG_BPE_O200K), mg_str_from(run, N), NULL);
    print_message("1 MB of one letter: %.0f ms\n", (double)(mg_clock_mono_us() - began) / 1000);
    assert_int_equal(n, N / 8);
    memset(run, ' ', N);
    assert_in_range(mg_bpe_encode(vocabulary(MG_BPE_CL100K), mg_str_from(run, N), NULL), N / 129, N / 16);
    free(run);
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static void *get_one(void *arg) {
    (void)arg;
    return (void *)(uintptr_t)mg_bpe_get(MG_BPE_CL100K, NULL);
}

static void threads_share_one(void **state) {
    (void)state;
    pthread_t threads[8];
    for (size_t i = 0; i < 8; i++) assert_int_equal(pthread_create(&threads[i], NULL, get_one, NULL), 0);
    const void *first = mg_bpe_get(MG_BPE_CL100K, NULL);
    for (size_t i = 0; i < 8; i++) {
        void *got;
        assert_int_equal(pthread_join(threads[i], &got), 0);
        assert_ptr_equal(got, first);
    }
}

static void bad_files(void **state) {
    (void)state;
    char path[] = "/tmp/moongate-test-XXXXXX";
    mg_error error = {0};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_null(mg_bpe_open(path, &error)); /* empty */
    assert_non_null(strstr(error.text, "damaged"));
    char head[256] = "MGBPE 1\n";
    memset(head + 8, 0x7f, sizeof head - 8);
    assert_int_equal(write(fd, head, sizeof head), sizeof head);
    assert_null(mg_bpe_open(path, &error));
    assert_non_null(strstr(error.text, "damaged"));
    close(fd);
    unlink(path);
    assert_null(mg_bpe_open(path, &error));
    assert_non_null(strstr(error.text, "No such file"));
    mg_bpe_close(NULL);
}

static void names(void **state) {
    (void)state;
    mg_bpe_encoding e;
    assert_true(mg_bpe_named(MG_STR("cl100k_base"), &e) && e == MG_BPE_CL100K);
    assert_true(mg_bpe_named(MG_STR("o200k_base"), &e) && e == MG_BPE_O200K);
    assert_false(mg_bpe_named(MG_STR("p50k_base"), &e));
    assert_string_equal(mg_bpe_name(MG_BPE_O200K), "o200k_base");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_share_one), cmocka_unit_test(vectors),         cmocka_unit_test(random_texts),
        cmocka_unit_test(every_character),   cmocka_unit_test(recorded_counts), cmocka_unit_test(any_bytes),
        cmocka_unit_test(ids_are_tokens),    cmocka_unit_test(in_steps),        cmocka_unit_test(long_runs),
        cmocka_unit_test(bad_files),         cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
