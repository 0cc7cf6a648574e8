/* The detector of personal data: chosen texts, hostile ones, and recall on labelled data where that is at hand. */
#include "plugin_file.h"

#include "base/clock.h"
#include "base/json.h"

enum { MOST_SPANS = 64 };
typedef struct findings {
    mg_span span[MOST_SPANS];
    size_t n; /* may be more than are kept */
} findings;

static const mg_plugin *plugin;
static const mg_detector *ops;
static void *self;

static int setup(void **state) {
    (void)state;
    mg_error error = {0};
    plugin = plugin_file_load("detector_pii");
    ops = plugin->ops;
    mg_setting_values *v = mg_setting_values_create(plugin->settings, MG_STR(""));
    self = plugin->open(NULL, mg_setting_view(v), &error);
    mg_setting_values_destroy(v);
    return self ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    plugin->close(self);
    return 0;
}

static void keep(void *arg, const mg_span *span) {
    findings *f = arg;
    if (f->n < MOST_SPANS) f->span[f->n] = *span;
    f->n++;
}

static findings scan(mg_str text) {
    findings f = {0};
    mg_error error = {0};
    /* A copy of exactly that size, so that a sanitizer sees a read beyond it. */
    char *copy = malloc(text.n ? text.n : 1);
    if (text.n) memcpy(copy, text.p, text.n);
    if (ops->scan(self, mg_str_from(copy, text.n), ~0ull, keep, &f, &error) != MG_OK) fail_msg("%s", error.text);
    free(copy);
    return f;
}

/* What is found, as "[type:text]…", must be this. */
static void expect(const char *text, const char *wanted) {
    char got[1024] = "";
    size_t n = 0;
    findings f = scan(mg_str_of(text));
    for (size_t i = 0; i < f.n && i < MOST_SPANS; i++) {
        const mg_span *s = &f.span[i];
        assert_true(s->start < s->end && s->end <= strlen(text));
        assert_true(s->confidence > 0 && s->confidence <= 1);
        n += (size_t)snprintf(got + n, sizeof got - n, "[%s:%.*s]", s->type, (int)(s->end - s->start), text + s->start);
    }
    if (strcmp(got, wanted) != 0) fail_msg("in: %s\nfound:  %s\nwanted: %s", text, got, wanted);
}

static void types(void **state) {
    (void)state;
    assert_int_equal(ops->n_types, 2);
    assert_string_equal(ops->types[0].name, "email");
    assert_int_equal(ops->types[0].longest, 320);
    assert_string_equal(ops->types[1].name, "credit_card");
    assert_int_equal(ops->types[1].severity, MG_SEVERITY_HIGH);
    findings f = {0};
    mg_error error;
    mg_str text = MG_STR("a.b@example.com 4111111111111111");
    assert_int_equal(ops->scan(self, text, 2, keep, &f, &error), MG_OK);
    assert_int_equal(f.n, 1);
    assert_ptr_equal(f.span[0].type, ops->types[1].name);
    assert_int_equal(f.span[0].start, 16);
    assert_int_equal(scan(mg_str_from(NULL, 0)).n, 0);
}

static void emails_found(void **state) {
    (void)state;
    expect("user@example.com", "[email:user@example.com]");
    expect("Write to a.b+c@sub.example.co.uk.", "[email:a.b+c@sub.example.co.uk]");
    expect("<JANE.DOE@EXAMPLE.ORG>, (x_y@z.io); 'q@w.de'!",
           "[email:JANE.DOE@EXAMPLE.ORG][email:x_y@z.io][email:q@w.de]");
    expect("mailto:o'neil@example.com?subject=x", "[email:o'neil@example.com]");
    expect("?email=user@example.com&x=1", "[email:user@example.com]");
    expect("a@b.co,b@c.io,c@d.net", "[email:a@b.co][email:b@c.io][email:c@d.net]");
    expect("user@xn--80ak6aa92e.com", "[email:user@xn--80ak6aa92e.com]");
    expect("josé.müller@exämple.de ok", "[email:josé.müller@exämple.de]");
    expect("почта: иван@пример.рф.", "[email:иван@пример.рф]");
    expect("用户@例子.广告", "[email:用户@例子.广告]");
    expect("请联系user@example.com谢谢。", "[email:user@example.com]");
    expect("メール：taro@example.co.jpまで", "[email:taro@example.co.jp]");
    expect("_me@example.com_ and __x@example.com", "[email:me@example.com][email:__x@example.com]");
    expect("user@163.com user@example.com@ user@example.com- x",
           "[email:user@163.com][email:user@example.com][email:user@example.com]");
    expect("\"john doe\"@example.com", "[email:\"john doe\"@example.com]");
    expect("..a@example.com", "[email:a@example.com]");
    expect("\xff\xfeuser@example.com\xff", "[email:user@example.com]");
}

static void emails_not_found(void **state) {
    (void)state;
    expect("@user, me @ example.com, user@localhost, a@b", "");
    expect("lodash@4.17.21 icon@2x.png user@1.2.3.4 a@b.c", "");
    expect("user.@example.com user@-example.com user@.example.com user@example..com", "");
    expect("a@b.com@c.com", "");
    expect("@app.route @pytest.mark.skip", "");
}

static void email_lengths(void **state) {
    (void)state;
    char text[600];
    for (size_t local = 60; local <= 70; local++) {
        memset(text, 'l', local);
        strcpy(text + local, "@example.com");
        assert_int_equal(scan(mg_str_of(text)).n, local <= 64 ? 1 : 0);
    }
    for (size_t domain = 240; domain <= 262; domain++) {
        memset(text, 'd', sizeof text);
        memcpy(text, "user@", 5);
        for (size_t i = 50; i < domain - 10; i += 50) text[5 + i] = '.';
        strcpy(text + 5 + domain - 4, ".com");
        assert_int_equal(scan(mg_str_of(text)).n, domain <= 255 ? 1 : 0);
    }
    for (size_t label = 60; label <= 66; label++) {
        memset(text, 'd', sizeof text);
        memcpy(text, "user@", 5);
        strcpy(text + 5 + label, ".com");
        assert_int_equal(scan(mg_str_of(text)).n, label <= 63 ? 1 : 0);
    }
}

static void cards_found(void **state) {
    (void)state;
    expect("4111111111111111", "[credit_card:4111111111111111]");
    expect("Card: 4111 1111 1111 1111, exp 12/26.", "[credit_card:4111 1111 1111 1111]");
    expect("4111-1111-1111-1111 5500000000000004", "[credit_card:4111-1111-1111-1111][credit_card:5500000000000004]");
    expect("pay 2 4111 1111 1111 1111 1226 123", "[credit_card:4111 1111 1111 1111]");
    expect("4111-1111-1111-1111-123", "[credit_card:4111-1111-1111-1111]");
    expect("amex 3782 822463 10005 or 378282246310005", "[credit_card:3782 822463 10005][credit_card:378282246310005]");
    expect("diners 3056 930902 5904", "[credit_card:3056 930902 5904]");
    expect("2223003122003222 (2-series) 6011111111111117",
           "[credit_card:2223003122003222][credit_card:6011111111111117]");
    expect("jcb 3530111333300000 unionpay 6200000000000005",
           "[credit_card:3530111333300000][credit_card:6200000000000005]");
    expect("visa 4222222222222, maestro 6759649826438453", "[credit_card:4222222222222][credit_card:6759649826438453]");
    expect("{\"card\":\"4111111111111111\"}", "[credit_card:4111111111111111]");
    expect("卡号4111111111111111。4111111111111111,123",
           "[credit_card:4111111111111111][credit_card:4111111111111111]");
    expect("my Card no. 122000000000003 or cc 3509413199654323",
           "[credit_card:122000000000003][credit_card:3509413199654323]");
    expect("2024-01-15 4111 1111 1111 1111", "[credit_card:4111 1111 1111 1111]");
}

static void cards_not_found(void **state) {
    (void)state;
    expect("4111111111111112 1234567812345670 0000000000000000", ""); /* check digit, issuer */
    expect("41111111111111110 14111111111111111 x4111111111111111", ""); /* part of something longer */
    expect("4111111111111111x 4111111111111111_ 4111111111111111.5", "");
    expect("4111 1111-1111 1111 4111  1111 1111 1111 41111 111 1111 1111", ""); /* separators, grouping */
    expect("1234-4111-1111-1111-1111 4111-1111-1111-1111-1234", "");
    expect("IBAN DE89 3782 8224 6310 0050 00, 0.4111111111111111", "");
    expect("122000000000003 3509413199654323 discard 122000000000003", "");
    expect("1111 4111 1111 1111 1111 2222", "");
    expect("1609459200000 20240115123045123 978-3-16-148410-0", "");
}

static void overlaps(void **state) {
    (void)state;
    expect("4111111111111111@example.com", "[email:4111111111111111@example.com]");
    /* Partly over each other: the second begins where the first ends, so that all of both is covered. */
    expect("4111 1111 1111 1111@example.com", "[credit_card:4111 1111 1111 1111][email:@example.com]");
}

/* ---- hostile texts: time stays linear
 * ------------------------------------------------------------------------------------ */

static double scan_ms(const char *unit, size_t n) {
    size_t length = strlen(unit);
    char *text = malloc(n);
    for (size_t i = 0; i < n; i++) text[i] = unit[i % length];
    findings f = {0};
    mg_error error = {0};
    uint64_t start = mg_clock_thread_cpu_us();
    mg_status status = ops->scan(self, mg_str_from(text, n), ~0ull, keep, &f, &error);
    uint64_t us = mg_clock_thread_cpu_us() - start;
    free(text);
    if (status != MG_OK) fail_msg("%s", error.text);
    return (double)us / 1000;
}

static void hostile(void **state) {
    (void)state;
    static const char *const units[] = {
        "@",
        "a@",
        "1",
        "4",
        "1 ",
        "1-",
        "4111 ",
        "4111-",
        "411111111111 ",
        "a.a.a.a@",
        "a",
        "a.",
        "a@a.",
        "a@a-",
        "\"\\\"@",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@a.",
        "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.@!",
        "\xe7\x94\xa8@",
        "\x80@a.aa",
        "4111111111111111 ",
    };
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        double quarter = scan_ms(units[i], 1 << 18), whole = scan_ms(units[i], 1 << 20);
        print_message("1 MB of \"%.20s\": %.1f ms\n", units[i], whole);
        if (whole > 50 && whole > 10 * quarter) fail_msg("not linear: %.1f ms, then %.1f ms", quarter, whole);
        assert_true(whole < 5000);
    }
}

/* Every prefix of a text that has everything in it, and random bytes: no read beyond the end, spans in order. */
static void robust(void **state) {
    (void)state;
    static const char all[] =
        "请user.x@例子.com谢 \"a b\"@c.de 4111 1111 1111 1111 12 DE89 4111111111111111@x.org \xf0\x9f\x98@a.bc";
    for (size_t n = 0; n < sizeof all; n++) scan(mg_str_from(all, n));
    for (size_t n = 0; n < sizeof all; n++) scan(mg_str_from(all + n, sizeof all - 1 - n));
    uint32_t seed = 1;
    static const char alphabet[] = "@@@...--  \"\\_ab41415\xe4\xbd\xa0\xff\x80\n";
    for (int round = 0; round < 3000; round++) {
        char text[200];
        for (size_t i = 0; i < sizeof text; i++) {
            seed = seed * 1664525 + 1013904223;
            text[i] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        findings f = scan(mg_str_from(text, sizeof text));
        for (size_t i = 0; i < f.n && i < MOST_SPANS; i++) {
            assert_true(f.span[i].start < f.span[i].end && f.span[i].end <= sizeof text);
            assert_true(i == 0 || f.span[i - 1].end <= f.span[i].start);
        }
    }
}

static void speed(void **state) {
    (void)state;
    static const char paragraph[] =
        "On Tuesday 14 the committee met at 10:30 to talk about the grievance that 27 members had filed in 2023. The "
        "chair asked whether article 12.4 covers overtime on weekends; nobody could say. Ask @marta or write to the "
        "office, which answers within 3 to 5 days. The rent rose by 4.5 % to 1,250 dollars and will rise again in "
        "March, so the stewards want a letter before then. It should name the clause, the date and the amount. ";
    static char text[20480];
    for (size_t i = 0; i < sizeof text; i++) text[i] = paragraph[i % (sizeof paragraph - 1)];
    memcpy(text + 9000, " mail me at someone@example.com ", 32);
    findings f;
    mg_error error;
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 200; i++) {
        f.n = 0;
        uint64_t start = plugin_file_now_us();
        assert_int_equal(ops->scan(self, mg_str_from(text, sizeof text), ~0ull, keep, &f, &error), MG_OK);
        uint64_t us = plugin_file_now_us() - start;
        if (us < best) best = us;
    }
    assert_int_equal(f.n, 1);
    print_message("20 KB of prose: %llu microseconds\n", (unsigned long long)best);
}

/* ---- labelled data
 * --------------------------------------------------------------------------------------------------------- */

enum { EMAIL, CARD, TYPES };
typedef struct tally {
    int labelled[TYPES], hit[TYPES], exact[TYPES]; /* cards: those with a correct check digit */
    int false_alarms[TYPES];
    int rows;
} tally;

static int type_of(mg_str name) {
    return mg_str_is(name, "email") ? EMAIL : mg_str_is(name, "credit_card") ? CARD : TYPES;
}

static bool is_labelled(const mg_json *row, const char *type) {
    const mg_json *all = mg_json_get(row, MG_STR("labelled_types"));
    for (const mg_json *v = all ? all->child : NULL; v; v = v->next)
        if (mg_str_is(mg_json_text(v), type)) return true;
    return false;
}

static bool overlaps_label(const mg_json *spans, const mg_span *s) {
    for (const mg_json *l = spans ? spans->child : NULL; l; l = l->next) {
        size_t start = (size_t)mg_json_int(mg_json_get(l, MG_STR("start")), 0);
        size_t end = (size_t)mg_json_int(mg_json_get(l, MG_STR("end")), 0);
        if (mg_str_is(mg_json_text(mg_json_get(l, MG_STR("type"))), s->type) && s->start < end && start < s->end)
            return true;
    }
    return false;
}

static void tally_label(const mg_json *label, const findings *f, mg_str text, tally *t) {
    int type = type_of(mg_json_text(mg_json_get(label, MG_STR("type"))));
    if (type == TYPES || (type == CARD && !mg_json_bool(mg_json_get(label, MG_STR("luhn")), false))) return;
    size_t start = (size_t)mg_json_int(mg_json_get(label, MG_STR("start")), 0);
    size_t end = (size_t)mg_json_int(mg_json_get(label, MG_STR("end")), 0);
    bool hit = false, exact = false;
    for (size_t i = 0; i < f->n && i < MOST_SPANS; i++) {
        const mg_span *s = &f->span[i];
        if (type_of(mg_str_of(s->type)) != type) continue;
        hit = hit || (s->start <= start && s->end >= end);
        exact = exact || (s->start == start && s->end == end);
    }
    t->labelled[type]++;
    t->hit[type] += hit;
    t->exact[type] += exact;
    if (!exact)
        print_message("  missed: %.*s in: %.*s\n", (int)(end - start), text.p + start, (int)(text.n > 90 ? 90 : text.n),
                      text.p);
}

static void tally_row(const mg_json *row, tally *t) {
    mg_str text = mg_json_text(mg_json_get(row, MG_STR("text")));
    const mg_json *spans = mg_json_get(row, MG_STR("spans"));
    findings f = scan(text);
    t->rows++;
    for (const mg_json *l = spans ? spans->child : NULL; l; l = l->next) tally_label(l, &f, text, t);
    for (size_t i = 0; i < f.n && i < MOST_SPANS; i++) {
        if (!is_labelled(row, f.span[i].type) || overlaps_label(spans, &f.span[i])) continue;
        t->false_alarms[type_of(mg_str_of(f.span[i].type))]++;
        print_message("  false alarm: %.*s\n", (int)(f.span[i].end - f.span[i].start), text.p + f.span[i].start);
    }
}

static bool tally_file(const char *name, tally *t) {
    const char *data = getenv("MOONGATE_DATA");
    char path[512], *line = NULL;
    size_t cap = 0;
    ssize_t n;
    if (!data) return false;
    snprintf(path, sizeof path, "%s/pii/%s", data, name);
    FILE *file = fopen(path, "r");
    if (!file) return false;
    mg_json_parser *parser = mg_json_parser_create();
    mg_arena *arena = mg_arena_create(65536);
    while ((n = getline(&line, &cap, file)) > 0) {
        const mg_json *row;
        mg_error error;
        mg_arena_reset(arena);
        mg_str text = mg_str_trim(mg_str_from(line, (size_t)n - (line[n - 1] == '\n')));
        if (mg_json_parse_copy(parser, arena, text, &row, &error) != MG_OK) fail_msg("%s: %s", name, error.text);
        tally_row(row, t);
    }
    free(line);
    fclose(file);
    mg_arena_destroy(arena);
    mg_json_parser_destroy(parser);
    print_message(
        "%s: %d rows; e-mail %d of %d (exact %d), %d false alarms; cards %d of %d (exact %d), %d false alarms\n", name,
        t->rows, t->hit[EMAIL], t->labelled[EMAIL], t->exact[EMAIL], t->false_alarms[EMAIL], t->hit[CARD],
        t->labelled[CARD], t->exact[CARD], t->false_alarms[CARD]);
    return true;
}

static void labelled(void **state) {
    (void)state;
    tally synthetic = {0}, tables = {0}, negatives = {0};
    if (!tally_file("synthetic.jsonl", &synthetic) || !tally_file("unit_tables.jsonl", &tables) ||
        !tally_file("hard_negatives.jsonl", &negatives)) {
        print_message("skipped: the labelled data is not there (set MOONGATE_DATA to its folder)\n");
        skip();
    }
    int emails = synthetic.labelled[EMAIL] + tables.labelled[EMAIL],
        cards = synthetic.labelled[CARD] + tables.labelled[CARD];
    assert_true(emails > 50 && cards > 100);
    assert_true(synthetic.hit[EMAIL] + tables.hit[EMAIL] >= 0.98 * emails);
    assert_true(synthetic.hit[CARD] + tables.hit[CARD] >= 0.99 * cards);
    assert_true(negatives.false_alarms[EMAIL] + negatives.false_alarms[CARD] <= 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types),         cmocka_unit_test(emails_found), cmocka_unit_test(emails_not_found),
        cmocka_unit_test(email_lengths), cmocka_unit_test(cards_found),  cmocka_unit_test(cards_not_found),
        cmocka_unit_test(overlaps),      cmocka_unit_test(hostile),      cmocka_unit_test(robust),
        cmocka_unit_test(speed),         cmocka_unit_test(labelled),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
