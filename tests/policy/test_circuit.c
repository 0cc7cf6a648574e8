/* The module circuit: what policies see of circuit breakers and their statistics. */
#include "fixture.h"

#include "base/clock.h"

static void without_circuits(void **state) {
    (void)state;
    lua_ok(MG_PHASE_ROUTE, "assert(circuit.state('openai/gpt-4o') == 'closed')\n"
                           "local s = circuit.stats('openai/gpt-4o')\n"
                           "assert(s.state == 'closed' and s.calls == 0 and s.error_rate == 0 and s.in_flight == 0)\n"
                           "assert(s.wait == 0 and s.ttft_p50 == nil and s.ttft_p95 == nil)\n"
                           "assert(s.tokens_per_second == nil)");
}

static void unknown_targets(void **state) {
    (void)state;
    lua_ok(MG_PHASE_ROUTE, "for _, f in ipairs{ circuit.state, circuit.stats } do\n"
                           "  local v, err = f('no/such')\n"
                           "  assert(v == nil and err:find(\"The model 'no/such' does not exist\", 1, true), err)\n"
                           "end");
    lua_raises(MG_PHASE_ROUTE, "circuit.state()", "string expected");
    lua_raises(MG_PHASE_SETTLE, "circuit.stats({})", "string expected");
}

/* Runs the chunk when the circuit of openai/gpt-4o has seen so many calls of each kind. */
static void ask_after(int good, int bad, const char *chunk) {
    fixture f;
    char text[2000];
    const mg_circuit_settings settings = MG_CIRCUIT_DEFAULTS;
    uint64_t now = mg_clock_mono_ms();
    snprintf(text, sizeof text, "return { route = function(req)\n%s\nend }", chunk);
    fixture_open(&f, NULL);
    f.gateway.circuits = mg_circuits_create(NULL, NULL);
    mg_circuit *c = mg_circuits_find(f.gateway.circuits, MG_STR("openai"), MG_STR("gpt-4o"));
    mg_circuit_pass open = mg_circuit_admit(c, &settings, now); /* stays under way */
    for (int i = 0; i < good + bad; i++) {
        mg_circuit_pass pass = mg_circuit_admit(c, &settings, now);
        const mg_circuit_call call = {.outcome = i < good ? MG_CIRCUIT_SUCCESS : MG_CIRCUIT_FAILURE,
                                      .ttft_us = i < good ? 200000 : -1,
                                      .output_tokens = i < good ? 100 : 0,
                                      .output_us = i < good ? 2000000 : 0};
        mg_circuit_record(c, &settings, &pass, &call, now);
    }
    fixture_policy(&f, "t", text);
    fixture_request(&f, FIXTURE_BODY);
    fixture_ask(&f, MG_PHASE_ROUTE);
    if (fixture_failed(&f)) fail_msg("%s", chunk);
    const mg_circuit_call end = {.outcome = MG_CIRCUIT_NEUTRAL, .ttft_us = -1};
    mg_circuit_record(c, &settings, &open, &end, now);
    mg_circuits_destroy(f.gateway.circuits);
    fixture_close(&f);
}

static void statistics(void **state) {
    (void)state;
    ask_after(9, 3,
              "local s = circuit.stats('openai/gpt-4o')\n"
              "assert(s.state == 'closed' and s.wait == 0, s.state)\n"
              "assert(s.calls == 12 and s.error_rate == 0.25 and s.in_flight == 1)\n"
              "assert(math.abs(s.ttft_p50 - 0.2) < 0.0125 and s.ttft_p50 <= s.ttft_p95, s.ttft_p50)\n"
              "assert(math.abs(s.tokens_per_second - 50) < 0.01, s.tokens_per_second)\n"
              "assert(circuit.stats('demo/demo').calls == 0)");
}

/* By every name that resolves: the table of models, and the bare name that the price table knows. */
static void open_circuit(void **state) {
    (void)state;
    ask_after(0, 20,
              "for _, name in ipairs{ 'openai/gpt-4o', 'gpt-4o', 'smart' } do\n"
              "  assert(circuit.state(name) == 'open', name)\n"
              "  local wait = circuit.stats(name).wait\n"
              "  assert(wait > 0 and wait <= 30, wait)\n"
              "end\n"
              "assert(circuit.state('demo/demo') == 'closed' and circuit.state('openai/gpt-4o-mini') == 'closed')");
}

static void switched_off(void **state) {
    fixture f;
    (void)state;
    fixture_open(&f, NULL);
    f.gateway.circuits = mg_circuits_create(NULL, NULL);
    mg_circuits_find(f.gateway.circuits, MG_STR("openai"), MG_STR("gpt-4o"));
    assert_true(mg_circuits_force(f.gateway.circuits, MG_STR("openai"), MG_STR(""), MG_CIRCUIT_OPENED, UINT64_MAX,
                                  mg_clock_mono_ms()));
    fixture_policy(&f, "t",
                   "return { route = function() local s = circuit.stats('openai/gpt-4o')\n"
                   "assert(s.state == 'open' and s.wait == math.huge, s.wait) end }");
    fixture_request(&f, FIXTURE_BODY);
    fixture_ask(&f, MG_PHASE_ROUTE);
    assert_false(fixture_failed(&f));
    mg_circuits_destroy(f.gateway.circuits);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_circuits), cmocka_unit_test(unknown_targets), cmocka_unit_test(statistics),
        cmocka_unit_test(open_circuit),     cmocka_unit_test(switched_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
