local gate = require "moongate.spec"

local function run(text, settings, more)
  local case = { org = "acme", text = text, settings = { moderation = settings } }
  for k, v in pairs(more or {}) do case[k] = v end
  return gate.run(case)
end

describe("moderation, words", function()
  it("refuses whole words in any case", function()
    local res = run("Ready? FIRE!", { words = { "fire" } })
    assert.equal(400, res.denied.status)
    assert.equal("content_filter", res.denied.code)
    assert.equal("moderation.words", res.denied.rule)
  end)

  it("leaves words alone that only contain one", function()
    for _, text in ipairs{ "The firefighter came.", "a fire_alarm", "campfires", "misfire" } do
      assert.is_nil(run(text, { words = { "fire" } }).denied, text)
    end
  end)

  it("knows letters beyond ASCII", function()
    local words = { words = { "café", "büro" } }
    assert.equal(400, run("Ein CAFÉ am Platz", words).denied.status)
    assert.equal(400, run("im Büro.", words).denied.status)
    assert.is_nil(run("cafétéria, Großbüro", words).denied)
  end)

  it("takes no word for a pattern", function()
    assert.is_nil(run("abc", { words = { "a.c", "(" } }).denied)
    assert.equal(400, run("see a.c there", { words = { "a.c" } }).denied.status)
  end)

  it("finds phrases across spaces and punctuation", function()
    local phrases = { phrases = { "union busting" } }
    for _, text in ipairs{ "union busting", "Union-Busting", "union\n  busting", "union_busting" } do
      assert.equal(400, run(text, phrases).denied.status, text)
    end
    assert.is_nil(run("the union is busting out", phrases).denied)
  end)

  it("holds long lists", function()
    local words = {}
    for i = 1, 250 do words[i] = "word" .. i end
    assert.equal(400, run("so: word250.", { words = words }).denied.status)
    assert.is_nil(run("word251", { words = words }).denied)
  end)

  it("does not quote what was said", function()
    local message = run("the secret fire", { words = { "fire" } }).denied.message
    assert.is_nil(message:find("fire", 1, true))
  end)

  it("takes blank words for none", function()
    assert.is_nil(run("hello, world", { words = { "", " " }, phrases = { "", "\t" } }).denied)
  end)

  it("refuses nothing by default", function()
    assert.is_nil(run("Fire and fury about union busting", {}).denied)
  end)
end)

describe("moderation, personal data", function()
  local CARD = "4111 1111 1111 1111"

  it("masks card numbers by default", function()
    local res = run("pay with " .. CARD .. " today", {})
    assert.is_nil(res.denied)
    assert.equal("pay with [REDACTED_CREDIT_CARD] today", res.text)
  end)

  it("leaves numbers alone that are no card's", function()
    local text = "order 4111 1111 1111 1112"
    assert.equal(text, run(text, {}).text)
  end)

  it("masks what the settings name, and only that", function()
    local res = run("mail ann@example.org or pay " .. CARD, { redact = { "email" } })
    assert.equal("mail [REDACTED_EMAIL] or pay " .. CARD, res.text)
  end)

  it("masks nothing when told so", function()
    assert.equal("pay " .. CARD, run("pay " .. CARD, { redact = {} }).text)
  end)

  it("refuses types that are blocked, without the data in the message", function()
    local res = run("I am ann@example.org", { block_pii = { "email" } })
    assert.equal(400, res.denied.status)
    assert.equal("moderation.pii", res.denied.rule)
    assert.is_nil(res.denied.message:find("ann", 1, true))
  end)

  it("masks whole answers", function()
    local res = run("hello", {}, { reply = "Use " .. CARD .. "." })
    assert.equal("Use [REDACTED_CREDIT_CARD].", res.reply)
  end)

  it("lets streams go out as they are", function()
    local res = run("hello", {}, { stream = true, reply = "Use " .. CARD .. "." })
    assert.is_nil(res.denied)
  end)
end)
