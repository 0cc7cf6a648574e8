/* A generation: reading, checking, settings, sharing with the one before. */
#include "runtime.h"
#include "policy/embedded.h"
#include "policy/plan.h"

static int set_up(void **arg) {
    (void)arg;
    folder_make();
    faults_clear();
    return 0;
}

static int tear_down(void **arg) {
    (void)arg;
    folder_remove();
    return 0;
}

static mg_policies *build_with(mg_snapshot *s, const mg_policies *previous) {
    const mg_policy_options o = {.folder = mg_str_of(folder)};
    faults_clear();
    mg_policies *p = mg_policies_build(&o, s, previous, fault_add, NULL);
    if (s) mg_snapshot_unref(s);
    return p;
}

static mg_policies *build(const mg_policies *previous) {
    mg_policies *p = build_with(NULL, previous);
    if (!p) fail_msg("%s", faults);
    return p;
}

static void build_fails(mg_snapshot *s, const char *expected) {
    mg_policies *p = build_with(s, NULL);
    if (p) fail_msg("accepted; expected: %s", expected);
    if (!strstr(faults, expected)) fail_msg("%s\nnot: %s", faults, expected);
}

/* "rule rule …" of a phase. */
static void plan_is(const mg_policies *p, const char *org, mg_phase phase, const char *expected) {
    const mg_plan *plan = mg_policies_plan(p, mg_str_of(org));
    char rules[1000] = "";
    for (size_t i = 0; i < plan->n_steps[phase]; i++) {
        size_t n = strlen(rules);
        snprintf(rules + n, sizeof rules - n, "%s" MG_STR_FMT, i ? " " : "", MG_STR_ARG(plan->steps[phase][i].rule));
    }
    assert_string_equal(rules, expected);
}

static const char admits[] = "return { admit = function() end }";

static void test_order(void **arg) {
    (void)arg;
    file_put("platform/z.lua", admits);
    file_put("platform/b.lua", admits);
    file_put("b.lua", admits);
    file_put("a.lua", "return { admit = function() end, screen = function() end }");
    file_put("c.lua", "return { screen = function() end }");
    file_put("orgs/acme/a.lua", admits);
    file_put("orgs/acme/z.lua", admits);
    file_put("orgs/acme/aa.lua", admits);
    file_put("orgs/beta/c.lua", admits);
    file_put("spec/a_spec.lua", "error('specs are not policies')");
    file_put(".#a.lua", "an editor's lock file");
    file_put("a.lua~", "a backup");
    mg_policies *p = build(NULL);
    plan_is(p, "nobody", MG_PHASE_ADMIT, "platform/b.admit platform/z.admit a.admit b.admit");
    plan_is(p, "acme", MG_PHASE_ADMIT,
            "platform/b.admit platform/z.admit acme/a.admit b.admit acme/aa.admit acme/z.admit");
    plan_is(p, "acme", MG_PHASE_SCREEN, "a.screen c.screen"); /* the phase that its file lacks is not replaced */
    plan_is(p, "beta", MG_PHASE_ADMIT, "platform/b.admit platform/z.admit a.admit b.admit beta/c.admit");
    plan_is(p, "beta", MG_PHASE_SCREEN, "a.screen c.screen");
    plan_is(p, "nobody", MG_PHASE_ROUTE, "");
    assert_int_equal(mg_policies_generation(p), 1);
    const mg_plan *acme = mg_policies_plan(p, MG_STR("acme"));
    assert_int_equal(acme->own->n, 4); /* its three files, and the shared a.lua for `default` */
    mg_policies_unref(p);
}

static void test_faults(void **arg) {
    (void)arg;
    file_put("a.lua", "return {\n  admitt = function() end\n}");
    file_put("b.lua", "x =\n= 1");
    file_put("orgs/acme/c.lua", "local y\n\nreturn y.z");
    build_fails(NULL, "a.lua:0: the policy's 'admitt'");
    assert_non_null(strstr(faults, "b.lua:2: unexpected symbol"));
    assert_non_null(strstr(faults, "orgs/acme/c.lua:3: attempt to index"));
    assert_int_equal(n_faults, 3); /* all of them at once */
}

static void test_bad_files(void **arg) {
    (void)arg;
    file_put("no good.lua", "return {}");
    build_fails(NULL, "rename the file");
    file_put("no good.lua", NULL);
    file_put("orgs/a c/x.lua", "return {}");
    build_fails(NULL, "rename it");
    file_put("orgs/a c/x.lua", NULL);
    file_put("code.lua", "\x1bLJ\x02");
    build_fails(NULL, "is Lua bytecode");
    char *large = malloc(300000);
    memset(large, ' ', 300000);
    large[299999] = 0;
    file_put("code.lua", large);
    free(large);
    build_fails(NULL, "is larger than 256 KB");
    file_put("code.lua", "return {}");
    char link[100];
    snprintf(link, sizeof link, "%s/gone.lua", folder);
    assert_int_equal(symlink("nowhere", link), 0);
    build_fails(NULL, "gone.lua:0: can't be read: No such file");
}

static void test_long_names(void **arg) {
    (void)arg;
    char path[200], name[65];
    memset(name, 'n', 64);
    name[64] = 0;
    snprintf(path, sizeof path, "orgs/%s/%s.lua", name, name);
    file_put(path, "\nerror('here')");
    build_fails(NULL, ".lua:2: here");
}

static void test_settings(void **arg) {
    (void)arg;
    file_put("rate.lua", "return { settings = { slots = '60/minute', burst = 2, on = true, words = { 'a' }, map = { a "
                         "= 1 }, any = {} }, admit = function() end }");
    file_put("orgs/acme/rate.lua", "return { settings = { team = 'x' }, admit = function() end }");
    mg_policies *p = build_with(
        snapshot_of("acme beta", "{\"rate\":{\"slots\":\"1/"
                                 "s\",\"burst\":1.5,\"on\":false,\"words\":[],\"map\":{},\"any\":[1],\"team\":\"y\"}}"),
        NULL);
    if (!p) fail_msg("%s", faults);
    assert_non_null(mg_policies_plan(p, MG_STR("acme"))->settings);
    assert_null(mg_policies_plan(p, MG_STR("beta"))->settings);
    mg_policies_unref(p);
    build_fails(snapshot_of("acme", "{\"rate\":{\"slot\":\"1/s\"}}"),
                "organization acme: settings.rate has no 'slot'; did you mean 'slots'?");
    build_fails(
        snapshot_of("acme", "{\"rate\":{\"slots\":5}}"),
        "rate.lua:0: organization acme: settings.rate.slots must be a string, as its default is, not a JSON number");
    build_fails(snapshot_of("acme", "{\"rate\":{\"words\":{\"a\":1}}}"), "must be a list");
    build_fails(snapshot_of("acme", "{\"rate\":{\"map\":[1]}}"), "must be a map");
    build_fails(snapshot_of("acme", "{\"rate\":{\"on\":null}}"), "must be true or false");
    build_fails(snapshot_of("acme", "{\"rates\":{}}"),
                "settings name the policy 'rates', which does not exist; did you mean 'rate'?");
    build_fails(snapshot_of("acme", "{\"rate\":5}"), "settings.rate must be a table");
    build_fails(snapshot_of("beta", "{\"rate\":{\"team\":\"x\"}}"), "has no 'team'"); /* that is acme's file's */
}

static void test_sharing(void **arg) {
    (void)arg;
    char path[64];
    file_put("a.lua", admits);
    for (int i = 0; i < 200; i++) {
        snprintf(path, sizeof path, "orgs/org%03d/own.lua", i);
        file_put(path, admits);
    }
    mg_policies *first = build(NULL);
    file_put("orgs/org100/own.lua", "return { screen = function() end }");
    mg_policies *second = build(first);
    assert_int_equal(mg_policies_generation(second), 2);
    assert_false(mg_policies_same(first, second));
    assert_ptr_equal(mg_policies_shared(first), mg_policies_shared(second));
    for (int i = 0; i < 200; i++) {
        char org[16];
        snprintf(org, sizeof org, "org%03d", i);
        bool same = mg_policies_plan(first, mg_str_of(org))->own == mg_policies_plan(second, mg_str_of(org))->own;
        assert_int_equal(same, i != 100);
    }
    plan_is(second, "org100", MG_PHASE_SCREEN, "org100/own.screen");
    file_put("orgs/org100/own.lua", admits);
    mg_policies *third = build(second);
    assert_true(mg_policies_same(first, third));
    mg_policies_unref(first);
    mg_policies_unref(second);
    file_put("a.lua", "return {}"); /* replaced by nobody: no organization's bundle holds it */
    mg_policies *fourth = build(third);
    assert_ptr_equal(mg_policies_plan(third, MG_STR("org007"))->own, mg_policies_plan(fourth, MG_STR("org007"))->own);
    assert_ptr_not_equal(mg_policies_shared(third), mg_policies_shared(fourth));
    mg_policies_unref(third);
    mg_policies_unref(fourth);
}

static void test_settings_change_the_generation(void **arg) {
    (void)arg;
    file_put("a.lua", "return { settings = { n = 1 }, admit = function() end }");
    mg_policies *first = build_with(snapshot_of("acme beta", "{\"a\":{\"n\":2}}"), NULL);
    mg_policies *same = build_with(snapshot_of("acme beta gamma", "{\"a\":{\"n\":2}}"), first);
    mg_policies *other = build_with(snapshot_of("acme beta", "{\"a\":{\"n\":3}}"), first);
    assert_non_null(first);
    assert_true(mg_policies_same(first, same));
    assert_false(mg_policies_same(first, other));
    assert_ptr_equal(mg_policies_shared(first), mg_policies_shared(other));
    mg_policies_unref(first);
    mg_policies_unref(same);
    mg_policies_unref(other);
}

/* The four that ship need the real modules; here it is enough that they are found. */
static void test_embedded(void **arg) {
    (void)arg;
    mg_sources sources;
    const char *const names[] = {"failover", "moderation", "prompts", "rate"};
    assert_true(mg_sources_read(MG_STR("no-such-folder"), NULL, &sources, fault_add, NULL));
    size_t embedded = 0;
    while (mg_embedded_policies[embedded].name) embedded++;
    assert_int_equal(sources.n, embedded);
    assert_int_equal(embedded, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(mg_str_is(sources.items[i]->name, names[i]));
        assert_non_null(strstr(sources.items[i]->text.p, "return policy"));
    }
    mg_sources_finish(&sources);
    assert_true(
        mg_sources_read(mg_str_of(folder), NULL, &sources, fault_add, NULL)); /* an empty folder is an empty folder */
    assert_int_equal(sources.n, 0);
    mg_sources_finish(&sources);
}

static void test_describe(void **arg) {
    (void)arg;
    file_put("platform/p.lua", admits);
    file_put("a.lua", "return { admit = function() end, settle = function() end }");
    file_put("orgs/acme/a.lua", admits);
    mg_policies *p = build(NULL);
    mg_buf out = {0};
    mg_policies_describe(p, &out);
    mg_json_parser *parser = mg_json_parser_create();
    mg_arena *arena = mg_arena_create(4096);
    const mg_json *v;
    mg_error error = {0};
    if (mg_json_parse_copy(parser, arena, mg_buf_view(&out), &v, &error) != MG_OK) fail_msg("%s", error.text);
    assert_int_equal(mg_json_int(mg_json_path(v, "generation"), 0), 1);
    assert_true(mg_str_is(mg_json_text(mg_json_path(v, "files.0.path")), "platform/p.lua"));
    assert_int_equal(mg_json_text(mg_json_path(v, "files.1.sha256")).n, 64);
    assert_true(mg_str_is(mg_json_text(mg_json_path(v, "files.1.phases.1")), "settle"));
    assert_true(mg_str_is(mg_json_text(mg_json_path(v, "organizations.0.org")), "acme"));
    assert_int_equal(mg_json_path(v, "organizations.0.files")->count, 1);
    mg_json_parser_destroy(parser);
    mg_arena_destroy(arena);
    mg_buf_finish(&out);
    mg_policies_unref(p);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_order),      TEST(test_faults),   TEST(test_bad_files),
        TEST(test_long_names), TEST(test_settings), TEST(test_sharing),
        TEST(test_embedded),   TEST(test_describe), TEST(test_settings_change_the_generation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
