/* targets{…} on the real table of models: names that stand for several targets, or that may not be used. */
#include "fixture.h"

/* "many" stands for seven targets. */
static void add_many(mg_snapshot *s) {
    mg_model *models = mg_arena_zalloc(s->arena, (s->n_models + 1) * sizeof *models);
    mg_target *t = mg_arena_zalloc(s->arena, 7 * sizeof *t);
    for (int i = 0; i < 7; i++) {
        mg_str model = mg_arena_printf(s->arena, "m%d", i);
        t[i] = (mg_target){.provider = &s->providers[1],
                           .model = model,
                           .name = mg_arena_printf(s->arena, "demo/" MG_STR_FMT, MG_STR_ARG(model)),
                           .weight = i + 1,
                           .total_ms = 1000};
    }
    memcpy(models, s->models, s->n_models * sizeof *models);
    models[s->n_models] = (mg_model){.name = MG_STR("many"), .targets = t, .n_targets = 7};
    s->models = models;
    s->n_models++;
}

static void route(fixture *f, const char *list) {
    char text[1000];
    snprintf(text, sizeof text, "return { route = function() return targets%s end }", list);
    fixture_open(f, NULL);
    add_many(f->snapshot);
    fixture_policy(f, "t", text);
    fixture_request(f, FIXTURE_BODY);
    fixture_ask(f, MG_PHASE_ROUTE);
}

static void assert_targets(const fixture *f, const char *expected) {
    mg_buf b = {0};
    for (size_t i = 0; i < f->r->n_targets; i++) {
        const mg_target *t = &f->r->targets[i];
        mg_buf_printf(&b, "%s" MG_STR_FMT ":%g:%u", i ? " " : "", MG_STR_ARG(t->name), t->weight, t->group);
    }
    if (!mg_str_is(mg_buf_view(&b), expected)) fail_msg(MG_STR_FMT, MG_STR_ARG(mg_buf_view(&b)));
    mg_buf_finish(&b);
}

static void test_all_of_a_model(void **state) {
    fixture f;
    (void)state;
    route(&f, "{ 'many' }");
    assert_targets(&f, "demo/m0:1:0 demo/m1:2:0 demo/m2:3:0 demo/m3:4:0 demo/m4:5:0 demo/m5:6:0 demo/m6:7:0");
    fixture_close(&f);
}

/* A name's targets are one group with what stands beside it; the table of models stays as it was. */
static void test_groups_of_models(void **state) {
    fixture f;
    (void)state;
    route(&f, "{ 'demo/x', { 'smart', 'demo/y', strategy = 'latency' }, { 'demo/z', strategy = 'cost' } }");
    assert_targets(&f, "demo/x:1:0 openai/gpt-4o:1:1 demo/demo:1:1 demo/y:1:1 demo/z:1:0");
    assert_int_equal(f.r->targets[1].group_strategy, MG_STRATEGY_LATENCY);
    assert_int_equal(f.snapshot->models[0].targets[0].group, 0);
    fixture_close(&f);
}

/* Bare names and names of the table of models take weights and times, too; the same target may come twice. */
static void test_weights_of_models(void **state) {
    fixture f;
    (void)state;
    route(&f,
          "{ { 'gpt-4o', weight = 5 }, { 'smart', weight = 2, timeout = 3 }, 'openai/gpt-4o', strategy = 'weighted' }");
    assert_targets(&f, "openai/gpt-4o:5:0 openai/gpt-4o:2:0 demo/demo:2:0 openai/gpt-4o:1:0");
    assert_int_equal(f.r->targets[0].total_ms, 0);
    assert_int_equal(f.r->targets[1].total_ms, 3000);
    assert_int_equal(f.r->routing.strategy, MG_STRATEGY_WEIGHTED);
    fixture_close(&f);
}

static void forbid(fixture *f, const char *list) {
    static const mg_str only[] = {{"demo/*", 6}};
    mg_virtual_key *key;
    fixture_open(f, NULL);
    key = (mg_virtual_key *)&f->snapshot->keys[0];
    key->models = only;
    key->n_models = 1;
    char text[400];
    snprintf(text, sizeof text, "return { route = function() return targets%s end }", list);
    fixture_policy(f, "t", text);
    fixture_request(f, FIXTURE_BODY); /* asks for smart, which the key may use in part */
    fixture_ask(f, MG_PHASE_ROUTE);
}

static void test_not_allowed(void **state) {
    fixture f;
    (void)state;
    forbid(&f, "{ { 'openai/gpt-4o', 'smart', strategy = 'latency' }, 'openai/x' }");
    assert_targets(&f, "demo/demo:1:0");
    fixture_close(&f);
    forbid(&f, "{ { 'openai/gpt-4o', weight = 2 } }");
    assert_true(fixture_failed(&f));
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_a_model),
        cmocka_unit_test(test_groups_of_models),
        cmocka_unit_test(test_weights_of_models),
        cmocka_unit_test(test_not_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
