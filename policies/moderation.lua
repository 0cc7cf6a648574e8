-- What may be said: words and phrases that refuse a request, and personal data that is masked or refused.
--
-- Words match whole words only, in any case: "fire" refuses "Fire!" and lets "firefighter" through. Between the words of
-- a phrase there may be anything that is no letter or digit: "union busting" refuses "union-busting".
-- The lists may hold about a thousand entries: they are compiled by the first request after a change, within its CPU limit.
--
-- Card numbers are masked unless you say otherwise: no model needs one. Answers are masked when they are whole; a stream
-- has left by then, so streamed answers go out as the model wrote them. For one organization, in moongate.lua:
--
--     organizations = { acme = { settings = { moderation = { words = { "napalm" }, block_pii = { "email" } } } } }

local policy = {
  settings = {
    words = {},
    phrases = {},
    severity = "high",             -- of a refusal: low, medium, high or critical
    redact = { "credit_card" },    -- types masked in requests and answers; {} for none
    block_pii = {},                -- types that refuse the request
  },
}

local PATTERN_WORDS = 100   -- words in one pattern: patterns have a largest length
local FEW = 12              -- up to here a pattern each: a single word is found by SIMD, a choice of words byte by byte

-- The words of a phrase, with anything but letters and digits between them. \Q to \E is plain text in a pattern.
local function phrase(text)
  local words = {}
  for word in text:gmatch("%S+") do words[#words + 1] = word end
  return table.concat(words, "\\E[\\W_]+\\Q")
end

-- Patterns that match any of the words and phrases. Letters are those of Unicode, so that "café" is one word.
local function build(settings)
  local all, patterns = {}, {}
  for _, list in ipairs{ settings.words, settings.phrases } do
    for _, text in ipairs(list) do
      if text:find("%s") then text = phrase(text) end
      if text ~= "" then all[#all + 1] = text end
    end
  end
  local each = #all <= FEW and 1 or PATTERN_WORDS
  for first = 1, #all, each do
    local last = math.min(first + each - 1, #all)
    patterns[#patterns + 1] = "(*UTF)(*UCP)(?i)(?<!\\w)(?:\\Q" .. table.concat(all, "\\E|\\Q", first, last)
      .. "\\E)(?!\\w)"
  end
  return patterns
end

-- Built once for each organization's settings, whose lists stay the same tables as long as the settings do.
local built = setmetatable({}, { __mode = "k" })

local function patterns_of(settings)
  local patterns = built[settings.words]
  if not patterns then
    patterns = build(settings)
    built[settings.words] = patterns
  end
  return patterns
end

-- The message never quotes the text: it may be shown and logged.
local function refuse(settings, rule, message)
  return deny{ status = 400, code = "content_filter", message = message, severity = settings.severity, rule = rule }
end

local function check_words(settings, text)
  for _, pattern in ipairs(patterns_of(settings)) do
    local found, err = re.find(text, pattern)
    if found == nil then error(err) end
    if found then return refuse(settings, "moderation.words", "The request contains words that are not allowed here.") end
  end
end

local function check_pii(settings, text)
  if #settings.block_pii == 0 then return end
  local spans, err = pii.find(text, settings.block_pii)
  if not spans then error(err) end
  if spans[1] then
    return refuse(settings, "moderation.pii", "The request contains personal data that is not allowed here: "
      .. spans[1].type .. ".")
  end
end

function policy.screen(req)
  local s = policy.settings
  local denied = check_words(s, req.text) or check_pii(s, req.text)
  if denied then return denied end
  if #s.redact > 0 then req:redact{ types = s.redact } end
end

function policy.reply(req, res)
  local s = policy.settings
  if not req.stream and #s.redact > 0 then res:redact{ types = s.redact } end
end

return policy
