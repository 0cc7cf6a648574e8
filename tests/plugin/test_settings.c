#include "fixture.h"
#include "plugin/settings.h"

static const mg_setting table[] = {
    {"name", MG_SETTING_STRING, "moon", false, "a name"},
    {"api_key", MG_SETTING_SECRET, NULL, true, "the key"},
    {"base_url", MG_SETTING_URL, "https://api.example.com/v1/", false, "where"},
    {"verify", MG_SETTING_BOOL, "true", false, "a switch"},
    {"retries", MG_SETTING_INTEGER, "3", false, "how often"},
    {"timeout", MG_SETTING_SECONDS, "1.5", false, "how long"},
    {"max_bytes", MG_SETTING_BYTES, "64KB", false, "how much"},
    {"drop", MG_SETTING_STRINGS, "a, b", false, "what to drop"},
    {"rename", MG_SETTING_MAP, "b=2, a=1", false, "what to rename"},
    {NULL, MG_SETTING_STRING, NULL, false, NULL},
};

static mg_setting_values *values(void) { return mg_setting_values_create(table, MG_STR("var")); }

static int64_t integer(const mg_setting_values *v, const char *key) {
    const mg_settings *s = mg_setting_view(v);
    return s->integer(s->ctx, key);
}

static mg_str string(const mg_setting_values *v, const char *key) {
    const mg_settings *s = mg_setting_view(v);
    return s->string(s->ctx, key);
}

static void starts_with_defaults(void **state) {
    (void)state;
    mg_str name, value;
    mg_setting_values *v = values();
    const mg_settings *s = mg_setting_view(v);
    assert_true(mg_str_is(string(v, "name"), "moon"));
    assert_null(string(v, "api_key").p);
    assert_true(mg_str_is(string(v, "base_url"), "https://api.example.com/v1"));
    assert_int_equal(integer(v, "verify"), 1);
    assert_int_equal(integer(v, "retries"), 3);
    assert_int_equal(integer(v, "timeout"), 1500);
    assert_int_equal(integer(v, "max_bytes"), 65536);
    assert_true(s->element(s->ctx, "drop", 1, &name, &value));
    assert_true(mg_str_is(value, "b") && name.p == NULL);
    assert_false(s->element(s->ctx, "drop", 2, &name, &value));
    assert_true(s->element(s->ctx, "rename", 0, &name, &value));
    assert_true(mg_str_is(name, "a") && mg_str_is(value, "1"));
    assert_true(mg_str_is(s->data_dir, "var"));
    assert_null(string(v, "unheard_of").p);
    assert_null(string(v, "retries").p);
    assert_int_equal(integer(v, "unheard_of"), 0);
    assert_false(s->element(s->ctx, "name", 0, &name, &value));
    mg_setting_values_destroy(v);
    mg_setting_values_destroy(NULL);
    v = mg_setting_values_create(NULL, (mg_str){NULL, 0});
    assert_null(string(v, "name").p);
    mg_setting_values_destroy(v);
}

typedef struct sample {
    const char *key, *text;
    int64_t number; /* -1: refused */
} sample;

static void reads_by_type(void **state) {
    (void)state;
    static const sample samples[] = {
        {"verify", "true", 1},
        {"verify", "false", 0},
        {"verify", "yes", -1},
        {"verify", "", -1},
        {"retries", "0", 0},
        {"retries", "12", 12},
        {"retries", "1.5", -1},
        {"retries", "", -1},
        {"retries", "99999999999999999999", -1},
        {"timeout", "30", 30000},
        {"timeout", "0.25", 250},
        {"timeout", "soon", -1},
        {"timeout", "-1", -1},
        {"timeout", "", -1},
        {"max_bytes", "0", 0},
        {"max_bytes", "123", 123},
        {"max_bytes", "256MB", 256 << 20},
        {"max_bytes", "1GB", 1 << 30},
        {"max_bytes", "64 kb", 65536},
        {"max_bytes", "2TB", 2LL << 40},
        {"max_bytes", "7B", 7},
        {"max_bytes", "MB", -1},
        {"max_bytes", "-1", -1},
        {"max_bytes", "1XB", -1},
        {"max_bytes", "9223372036854775807KB", -1},
        {"max_bytes", "1.5MB", -1},
        {"max_bytes", "1 MB x", -1},
    };
    mg_error error;
    mg_setting_values *v = values();
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        mg_status status = mg_setting_set(v, mg_str_of(samples[i].key), mg_str_of(samples[i].text), &error);
        if ((status == MG_OK) != (samples[i].number >= 0)) fail_msg("%s = %s", samples[i].key, samples[i].text);
        if (status == MG_OK) assert_int_equal(integer(v, samples[i].key), samples[i].number);
        if (status != MG_OK) assert_non_null(strstr(error.text, samples[i].key));
    }
    mg_setting_values_destroy(v);
}

static void checks_urls(void **state) {
    (void)state;
    static const char *const good[] = {"http://a",          "https://api.openai.com/v1", "http://127.0.0.1:11434/v1",
                                       "http://[::1]:8080", "https://h_1.example",       "http://a:65535"};
    static const char *const bad[] = {"",
                                      "api.openai.com",
                                      "ftp://a",
                                      "https://",
                                      "https:///v1",
                                      "https://user:hunter2@a/",
                                      "https://hunter2@a",
                                      "https://a/v1?key=hunter2",
                                      "https://a/#hunter2",
                                      "https://a?hunter2",
                                      "https://a:0",
                                      "https://a:65536",
                                      "https://a:",
                                      "https://a:+1",
                                      "https://a b",
                                      "https://a\r\nx",
                                      "https://[::1",
                                      "https://[]",
                                      "https://[g]",
                                      "https://ä"};
    mg_error error;
    mg_setting_values *v = values();
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (mg_setting_set(v, MG_STR("base_url"), mg_str_of(good[i]), &error) != MG_OK)
            fail_msg("%s: %s", good[i], error.text);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (mg_setting_set(v, MG_STR("base_url"), mg_str_of(bad[i]), &error) != MG_ERROR) fail_msg("%s", bad[i]);
        assert_null(strstr(error.text, "hunter2"));
    }
    assert_int_equal(mg_setting_set(v, MG_STR("base_url"), MG_STR("http://a/b//"), &error), MG_OK);
    assert_true(mg_str_is(string(v, "base_url"), "http://a/b"));
    mg_setting_values_destroy(v);
}

static void first_element_drops_the_default(void **state) {
    (void)state;
    mg_error error;
    mg_str name, value, none = {NULL, 0};
    mg_setting_values *v = values();
    const mg_settings *s = mg_setting_view(v);
    assert_int_equal(mg_setting_add(v, MG_STR("drop"), none, MG_STR("x"), &error), MG_OK);
    assert_int_equal(mg_setting_add(v, MG_STR("drop"), none, MG_STR("x"), &error), MG_OK);
    assert_true(s->element(s->ctx, "drop", 1, &name, &value) && mg_str_is(value, "x"));
    assert_false(s->element(s->ctx, "drop", 2, &name, &value));
    assert_int_equal(mg_setting_add(v, MG_STR("rename"), MG_STR("z"), MG_STR("1"), &error), MG_OK);
    assert_int_equal(mg_setting_add(v, MG_STR("rename"), MG_STR("y"), MG_STR("2"), &error), MG_OK);
    assert_int_equal(mg_setting_add(v, MG_STR("rename"), MG_STR("yy"), MG_STR("3"), &error), MG_OK);
    assert_true(s->element(s->ctx, "rename", 0, &name, &value) && mg_str_is(name, "y"));
    assert_true(s->element(s->ctx, "rename", 1, &name, &value) && mg_str_is(name, "yy"));
    assert_int_equal(mg_setting_add(v, MG_STR("rename"), MG_STR("z"), MG_STR("9"), &error), MG_ERROR);
    assert_non_null(strstr(error.text, "'z'"));
    mg_setting_values_destroy(v);
}

static void refuses_the_wrong_shape(void **state) {
    (void)state;
    mg_error error;
    mg_str none = {NULL, 0};
    mg_setting_values *v = values();
    assert_int_equal(mg_setting_set(v, MG_STR("drop"), MG_STR("x"), &error), MG_ERROR);
    assert_non_null(strstr(error.text, "list"));
    assert_int_equal(mg_setting_set(v, MG_STR("rename"), MG_STR("x"), &error), MG_ERROR);
    assert_int_equal(mg_setting_add(v, MG_STR("name"), none, MG_STR("x"), &error), MG_ERROR);
    assert_int_equal(mg_setting_add(v, MG_STR("rename"), none, MG_STR("x"), &error), MG_ERROR);
    assert_int_equal(mg_setting_add(v, MG_STR("drop"), MG_STR("k"), MG_STR("x"), &error), MG_ERROR);
    assert_true(mg_str_is(string(v, "name"), "moon"));
    mg_setting_values_destroy(v);
}

static void names_unknown_keys(void **state) {
    (void)state;
    mg_error error;
    mg_setting_values *v = values();
    assert_int_equal(mg_setting_set(v, MG_STR("timeot"), MG_STR("1"), &error), MG_ERROR);
    assert_string_equal(error.text, "unknown setting 'timeot'; did you mean 'timeout'?");
    assert_int_equal(mg_setting_unknown(table, MG_STR("zzzzzzzz"), &error), MG_ERROR);
    assert_string_equal(error.text, "unknown setting 'zzzzzzzz'");
    assert_int_equal(mg_setting_unknown(NULL, MG_STR("x"), &error), MG_ERROR);
    mg_setting_values_destroy(v);
}

static void checks_required(void **state) {
    (void)state;
    mg_error error;
    mg_setting_values *v = values();
    assert_int_equal(mg_setting_check(v, &error), MG_ERROR);
    assert_string_equal(error.text, "setting 'api_key' is missing: the key");
    assert_int_equal(mg_setting_set(v, MG_STR("api_key"), MG_STR(""), &error), MG_OK);
    assert_int_equal(mg_setting_check(v, &error), MG_ERROR);
    assert_int_equal(mg_setting_set(v, MG_STR("api_key"), MG_STR("hunter2"), &error), MG_OK);
    assert_int_equal(mg_setting_check(v, &error), MG_OK);
    assert_true(mg_str_is(string(v, "api_key"), "hunter2"));
    mg_setting_values_destroy(v);
}

static void compares(void **state) {
    (void)state;
    mg_error error;
    mg_setting_values *a = values(), *b = values(), *c = mg_setting_values_create(table, MG_STR("elsewhere"));
    assert_true(mg_setting_values_equal(a, b));
    assert_false(mg_setting_values_equal(a, c));
    mg_setting_set(a, MG_STR("name"), MG_STR("sun"), &error);
    assert_false(mg_setting_values_equal(a, b));
    mg_setting_set(b, MG_STR("name"), MG_STR("sun"), &error);
    assert_true(mg_setting_values_equal(a, b));
    /* A table in a Lua file has no order. */
    mg_setting_add(a, MG_STR("rename"), MG_STR("x"), MG_STR("1"), &error);
    mg_setting_add(a, MG_STR("rename"), MG_STR("y"), MG_STR("2"), &error);
    mg_setting_add(b, MG_STR("rename"), MG_STR("y"), MG_STR("2"), &error);
    assert_false(mg_setting_values_equal(a, b));
    mg_setting_add(b, MG_STR("rename"), MG_STR("x"), MG_STR("1"), &error);
    assert_true(mg_setting_values_equal(a, b));
    mg_setting_values_destroy(a);
    mg_setting_values_destroy(b);
    mg_setting_values_destroy(c);
}

static void checks_tables(void **state) {
    (void)state;
    mg_error error;
    const mg_setting end = {NULL, MG_SETTING_STRING, NULL, false, NULL};
    const mg_setting twice[] = {
        {"a", MG_SETTING_STRING, NULL, false, ""}, {"a", MG_SETTING_BOOL, NULL, false, ""}, end};
    const mg_setting name[] = {{"A-b", MG_SETTING_STRING, NULL, false, ""}, end};
    const mg_setting type[] = {{"a", (mg_setting_type)40, NULL, false, ""}, end};
    const mg_setting fallback[] = {{"a", MG_SETTING_URL, "nowhere", false, ""}, end};
    const mg_setting map[] = {{"a", MG_SETTING_MAP, "=x", false, ""}, end};
    assert_int_equal(mg_setting_table_check(table, &error), MG_OK);
    assert_int_equal(mg_setting_table_check(NULL, &error), MG_OK);
    assert_int_equal(mg_setting_table_check(twice, &error), MG_ERROR);
    assert_int_equal(mg_setting_table_check(name, &error), MG_ERROR);
    assert_int_equal(mg_setting_table_check(type, &error), MG_ERROR);
    assert_int_equal(mg_setting_table_check(fallback, &error), MG_ERROR);
    assert_int_equal(mg_setting_table_check(map, &error), MG_ERROR);
    assert_string_equal(mg_setting_type_name(MG_SETTING_SECONDS), "seconds");
    assert_string_equal(mg_setting_type_name((mg_setting_type)40), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_with_defaults),
        cmocka_unit_test(reads_by_type),
        cmocka_unit_test(checks_urls),
        cmocka_unit_test(first_element_drops_the_default),
        cmocka_unit_test(refuses_the_wrong_shape),
        cmocka_unit_test(names_unknown_keys),
        cmocka_unit_test(checks_required),
        cmocka_unit_test(compares),
        cmocka_unit_test(checks_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
