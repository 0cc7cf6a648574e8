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
    local list = { "openai/gpt-4o", "azure/gpt-4o" }
    local res = run("gpt-4o", { ["gpt-4o"] = list }, {
      providers = { openai = "down", azure = "up", anthropic = "up" },
    })
    assert.is_nil(res.denied)
    assert.equal("azure/gpt-4o", res.targets[#res.targets])
  end)
end)
