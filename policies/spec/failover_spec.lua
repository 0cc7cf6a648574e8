local gate = require "moongate.spec"

local models = {
  ["gpt-4o"] = { "openai/gpt-4o" },
  ["gpt-4o-mini"] = { "openai/gpt-4o-mini" },
  ["not-gpt-4o"] = { "openai/gpt-4o-mini" },
  ["claude"] = { "anthropic/claude-sonnet-4-20250514" },
}

local function run(model, map, more)
  local case = {
    org = "acme",
    model = model,
    models = models,
    providers = { openai = "up", azure = "up", anthropic = "up" },
    settings = { failover = { targets = map } },
  }
  for k, v in pairs(more or {}) do case[k] = v end
  return gate.run(case)
end

describe("failover", function()
  it("leaves the model table in charge by default", function()
    assert.same({ "openai/gpt-4o" }, run("gpt-4o", {}).targets)
  end)

  it("tries targets in the order that was given", function()
    local list = { "openai/gpt-4o", "azure/gpt-4o", "anthropic/claude-sonnet-4-20250514" }
    assert.same(list, run("gpt-4o", { ["gpt-4o"] = list }).targets)
  end)

  it("touches only the models that are named", function()
    local res = run("claude", { ["gpt-4o"] = { "azure/gpt-4o" } })
    assert.same({ "anthropic/claude-sonnet-4-20250514" }, res.targets)
  end)

  it("takes * for any run of characters", function()
    local map = { ["gpt-*"] = { "azure/gpt-4o" } }
    assert.same({ "azure/gpt-4o" }, run("gpt-4o-mini", map).targets)
    assert.same({ "anthropic/claude-sonnet-4-20250514" }, run("claude", map).targets)
    assert.same({ "openai/gpt-4o-mini" }, run("not-gpt-4o", map).targets)
  end)

  it("takes no other character for a pattern", function()
    assert.same({ "openai/gpt-4o" }, run("gpt-4o", { ["gpt.4o"] = { "azure/gpt-4o" } }).targets)
  end)

  it("prefers the exact name, then the longest glob", function()
    local map = {
      ["*"] = { "anthropic/claude-sonnet-4-20250514" },
      ["gpt-4*"] = { "azure/gpt-4o" },
      ["gpt-4o"] = { "openai/gpt-4o", "azure/gpt-4o" },
    }
    assert.same({ "openai/gpt-4o", "azure/gpt-4o" }, run("gpt-4o", map).targets)
    assert.same({ "azure/gpt-4o" }, run("gpt-4o-mini", map).targets)
    assert.same({ "anthropic/claude-sonnet-4-20250514" }, run("claude", map).targets)
  end)

  it("takes an empty list as no entry", function()
    local res = run("gpt-4o", { ["gpt-4o"] = {} })
    assert.is_nil(res.denied)
    assert.same({ "openai/gpt-4o" }, res.targets)
  end)

  it("goes to the next target when a provider is down", function()
    local res = run("gpt-4o", { ["gpt-4o"] = { "openai/gpt-4o", "azure/gpt-4o" } }, {
      providers = { openai = "down" },
    })
    assert.is_nil(res.denied)
    assert.equal("azure", res.provider)
    assert.equal(2, res.attempts)
  end)

  it("passes over a target whose circuit is open", function()
    local res = run("gpt-4o", { ["gpt-4o"] = { "openai/gpt-4o", "azure/gpt-4o" } }, {
      providers = { openai = "open" },
    })
    assert.equal("azure", res.provider)
    assert.equal(1, res.attempts)
  end)

  it("stops asking a provider that keeps failing", function()
    local res = run("gpt-4o", { ["gpt-4o"] = { "openai/gpt-4o", "azure/gpt-4o" } }, {
      providers = { openai = "down" },
      times = 21,   -- the circuit opens after 20 failures
    })
    assert.equal("azure", res.provider)
    assert.equal(1, res.attempts)
  end)

  it("says when to come back if every circuit is open", function()
    local res = run("gpt-4o", { ["gpt-4o"] = { "openai/gpt-4o", "azure/gpt-4o" } }, {
      providers = { openai = "open", azure = "open" },
    })
    assert.equal(503, res.denied.status)
  end)
end)

describe("failover's options", function()
  local list = { "openai/gpt-4o", "azure/gpt-4o" }

  local function routing(entry, settings, model)
    local failover = { targets = { ["gpt-4o"] = entry } }
    for k, v in pairs(settings or {}) do failover[k] = v end
    return run(model or "gpt-4o", {}, { settings = { failover = failover } }).routing
  end

  it("retry once, with growing waits, and do nothing else unless asked", function()
    local r = routing(list)
    assert.equal(1, r.max_retries)
    assert.same({ base = 0.25, cap = 8, jitter = "full" }, r.backoff)
    assert.equal("order", r.strategy)
    assert.equal("cancel", r.on_disconnect)
    assert.is_false(r.continue_stream)
    assert.is_nil(r.hedge_after)
    assert.is_nil(r.total)
  end)

  it("come from the settings", function()
    local r = routing(list, {
      retries = 3, backoff = { base = 1, cap = 2, jitter = "none" }, total = 20,
      continue_stream = true, on_disconnect = "drain",
    })
    assert.equal(3, r.max_retries)
    assert.same({ base = 1, cap = 2, jitter = "none" }, r.backoff)
    assert.equal(20, r.total)
    assert.is_true(r.continue_stream)
    assert.equal("drain", r.on_disconnect)
  end)

  it("hedge after the p95, or after a time of their own", function()
    assert.is_true(routing(list, { hedge = true }).hedge_after)
    assert.equal(0.8, routing(list, { hedge = true, hedge_after = 0.8 }).hedge_after)
    assert.is_nil(routing(list, { hedge_after = 0.8 }).hedge_after)
  end)

  it("may be an entry's own", function()
    local entry = { "openai/gpt-4o", "azure/gpt-4o", strategy = "latency", total = 5, hedge_after = false }
    local r = routing(entry, { total = 20, hedge = true })
    assert.equal("latency", r.strategy)
    assert.equal(5, r.total)
    assert.is_nil(r.hedge_after)
  end)

  it("put groups in order among themselves", function()
    local entry = { { "openai/gpt-4o", "azure/gpt-4o", strategy = "weighted" }, "anthropic/claude-sonnet-4-20250514" }
    local r = routing(entry)
    assert.equal("order", r.strategy)
    assert.same({ "weighted", "weighted", "" }, r.groups)
  end)

  it("leave models without an entry alone, unless they are for all", function()
    assert.equal(0, routing(list, {}, "claude").max_retries)
    local r = routing(list, { all_models = true, total = 9 }, "claude")
    assert.equal(1, r.max_retries)
    assert.equal(9, r.total)
  end)
end)
