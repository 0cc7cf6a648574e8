local gate = require "moongate.spec"

describe("rate", function()
  it("lets requests through while they fit", function()
    local res = gate.run{ org = "acme", settings = { rate = { requests = "3/minute" } }, times = 3 }
    assert.is_nil(res.denied)
  end)

  it("refuses the first request that does not fit", function()
    local res = gate.run{ org = "acme", settings = { rate = { requests = "3/minute" } }, times = 4 }
    assert.equal(429, res.denied.status)
    assert.equal("rate_limit_exceeded", res.denied.code)
    assert.equal("rate.admit", res.denied.rule)
  end)

  it("says when it would fit again", function()
    local res = gate.run{ org = "acme", settings = { rate = { requests = "1/minute" } }, times = 2 }
    assert.is_true(res.retry_after > 0 and res.retry_after <= 61)
    assert.truthy(res.denied.message:find("Try again in %d+ s"))
  end)

  it("says so when nothing is allowed at all", function()
    local res = gate.run{ org = "acme", settings = { rate = { requests = "0/minute" } } }
    assert.equal(429, res.denied.status)
    assert.equal("The rate limit is zero.", res.denied.message)
    assert.is_nil(res.retry_after)
  end)

  it("takes an empty rate as no limit", function()
    local off = { rate = { requests = "", tokens = "", per_user = "" } }
    assert.is_nil(gate.run{ org = "acme", settings = off, times = 700 }.denied)
  end)

  it("has a default that ordinary use does not reach", function()
    assert.is_nil(gate.run{ org = "acme", times = 100 }.denied)
  end)

  it("refuses a request whose tokens can't fit", function()
    local res = gate.run{ org = "acme", text = ("word "):rep(500), settings = { rate = { tokens = "100/hour" } } }
    assert.equal(429, res.denied.status)
  end)

  it("counts each user besides", function()
    local settings = { rate = { requests = "100/minute", per_user = "2/minute" } }
    assert.is_nil(gate.run{ org = "acme", user = "ann", settings = settings, times = 2 }.denied)
    assert.equal(429, gate.run{ org = "acme", user = "ann", settings = settings, times = 3 }.denied.status)
  end)

  it("keeps organizations apart", function()
    local settings = { rate = { requests = "2/minute" } }
    assert.equal(429, gate.run{ org = "acme", settings = settings, times = 3 }.denied.status)
    assert.is_nil(gate.run{ org = "umbra", settings = settings, times = 2 }.denied)
  end)
end)
