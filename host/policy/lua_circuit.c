/* Module circuit. */
#include "base/clock.h"
#include "gateway/route.h"
#include "policy/modules.h"

#include <math.h>

enum { CHARGE = 50 }; /* a name is resolved, a short lock taken */

/* The statistics of what the name stands for; of several targets the first. Pushes nil and a sentence if it stands for
 * nothing. */
static bool read_stats(lua_State *L, mg_circuit_stats *out) {
    mg_request *r = mg_lua_request(L);
    mg_str name = mg_lua_check_str(L, 1);
    mg_circuits *circuits = r->worker->gateway->circuits;
    mg_target *targets;
    size_t n;
    mg_strategy strategy;
    mg_error error = {0};
    mg_lua_charge(L, CHARGE);
    if (mg_route_resolve(r, name, &targets, &n, &strategy, &error) != MG_OK || n == 0) {
        lua_pushnil(L);
        lua_pushstring(L, n || !error.text[0] ? "the model has no targets" : error.text);
        return false;
    }
    mg_circuit *c = circuits ? mg_circuits_peek(circuits, targets->provider->name, targets->model) : NULL;
    *out = (mg_circuit_stats){.state = MG_CIRCUIT_CLOSED, .ttft_p50_us = -1, .ttft_p95_us = -1};
    if (c) mg_circuit_stats_get(c, mg_clock_mono_ms(), out);
    return true;
}

static int circuit_state(lua_State *L) {
    mg_circuit_stats s;
    if (!read_stats(L, &s)) return 2;
    lua_pushstring(L, mg_circuit_state_name(s.state));
    return 1;
}

static void set_number(lua_State *L, const char *name, double value) {
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

static int circuit_stats(lua_State *L) {
    mg_circuit_stats s;
    if (!read_stats(L, &s)) return 2;
    lua_createtable(L, 0, 9);
    lua_pushstring(L, mg_circuit_state_name(s.state));
    lua_setfield(L, -2, "state");
    set_number(L, "wait", s.wait_ms == UINT64_MAX ? HUGE_VAL : (double)s.wait_ms / 1000);
    if (s.ttft_p50_us >= 0) set_number(L, "ttft_p50", (double)s.ttft_p50_us / 1e6);
    if (s.ttft_p95_us >= 0) set_number(L, "ttft_p95", (double)s.ttft_p95_us / 1e6);
    set_number(L, "error_rate", s.error_rate);
    set_number(L, "in_flight", s.in_flight);
    set_number(L, "calls", (double)s.calls);
    if (s.tokens_per_s > 0) set_number(L, "tokens_per_second", s.tokens_per_s);
    return 1;
}

static const mg_lua_function functions[] = {
    {"state", circuit_state, MG_ANY_PHASE, false,
     "@param target string \"provider/model\", or any name of a model; of several targets the first is meant\n"
     "@return \"closed\"|\"open\"|\"half_open\"|nil state nil: there is no such target\n@return string? error\n---\n"
     "Whether calls go out to a target: `closed` they do, `open` they don't, `half_open` a few do to try it."},
    {"stats", circuit_stats, MG_ANY_PHASE, false,
     "@param target string as above\n@return moongate.circuit_stats? stats nil: there is no such target\n"
     "@return string? error\n---\n"
     "How a target has been doing, over all organizations and workers of this process."},
    {NULL, NULL, 0, false, NULL},
};

const mg_lua_module mg_lua_circuit = {
    .name = "circuit",
    .doc = "Circuit breakers and statistics of targets; `docs/failover.md` has their rules.",
    .functions = functions,
};

static const mg_lua_field stats_fields[] = {
    {"state", "\"closed\"|\"open\"|\"half_open\"", "As `circuit.state`.", NULL},
    {"wait", "number",
     "Seconds until a call may be tried: the circuit is open, or the vendor said when to come back; 0: now; math.huge: "
     "switched off.",
     NULL},
    {"ttft_p50", "number?", "Median time to first token, in seconds; nil: not known.", NULL},
    {"ttft_p95", "number?", "Its 95th percentile.", NULL},
    {"error_rate", "number", "Failed calls of the last minute, from 0 to 1.", NULL},
    {"in_flight", "integer", "Calls that are under way.", NULL},
    {"calls", "integer", "Calls of the last minute.", NULL},
    {"tokens_per_second", "number?", "Of one stream; nil: not known.", NULL},
    {NULL, NULL, NULL, NULL},
};

const mg_lua_module mg_lua_circuit_stats = {
    .name = "circuit_stats",
    .class_ = true,
    .doc = "What `circuit.stats` returns.",
    .fields = stats_fields,
};
