-- Where requests go when the first choice does not answer, and how they are brought to an answer at all.
--
-- `targets` maps a model, as the client asks for it, to the targets that are tried in order. The gateway must know the model
-- without this, too. A name with * stands for all models that match; the exact name wins over it, then the longest. An entry
-- may be anything that targets{} takes: groups with a strategy of their own, and options, which win over the settings. For
-- one organization, in moongate.lua:
--
--     organizations = { acme = { settings = { failover = {
--       continue_stream = true,
--       targets = {
--         ["gpt-4*"] = { "openai/gpt-4o", "azure/gpt-4o", strategy = "latency" },
--         ["smart"]  = { { "openai/gpt-4o", "azure/gpt-4o", strategy = "weighted" }, "anthropic/claude-sonnet-4-20250514" },
--         ["fast"]   = { "openai/gpt-4o-mini", "gemini/gemini-2.5-flash", hedge_after = 0.8, total = 20 },
--       },
--     } } } }
--
-- Models without an entry go where the configuration's `models` table says. A target whose circuit is open is passed over:
-- docs/failover.md has the rules.

local policy = {
  settings = {
    targets = {},
    all_models = false,         -- the rest also for models without an entry
    retries = 1,                -- further attempts at the same target before the next one is tried
    backoff = { base = 0.25, cap = 8, jitter = "full" },   -- seconds between them
    total = 0,                  -- seconds for all attempts and waits together; 0: no limit
    hedge = false,              -- a second request beside one that is slow, and the first answer wins
    hedge_after = 0,            -- seconds until then; 0: the p95 of the target's time to first token
    continue_stream = false,    -- a stream that breaks goes on with the next target
    on_disconnect = "cancel",   -- the client has gone: "cancel", or "drain" for the vendor's own count of tokens
  },
}

-- Failures that another attempt may mend. Bad requests and refusals are answers.
local RETRY_ON = { 429, 500, "timeout", "reset", "overloaded" }

local patterns = {}   -- by glob; as many as the settings hold

local function matches(glob, name)
  local pattern = patterns[glob]
  if not pattern then
    pattern = "^" .. glob:gsub("[^%w*]", "%%%0"):gsub("%*", ".*") .. "$"
    patterns[glob] = pattern
  end
  return name:find(pattern) ~= nil
end

local function find(map, model)
  if map[model] then return map[model] end
  local best = ""
  for glob in pairs(map) do
    local better = #glob > #best or (#glob == #best and glob < best)
    if better and matches(glob, model) then best = glob end
  end
  return map[best]
end

local function options(s)
  return {
    max_retries = s.retries,
    retry_on = RETRY_ON,
    backoff = s.backoff,
    total = s.total > 0 and s.total or nil,
    hedge_after = s.hedge and (s.hedge_after > 0 and s.hedge_after or true) or nil,
    continue_stream = s.continue_stream or nil,
    on_disconnect = s.on_disconnect,
  }
end

function policy.route(req)
  local s = policy.settings
  local entry = find(s.targets, req.model)
  if not entry or #entry == 0 then
    return s.all_models and targets(options(s)) or nil
  end
  local order = options(s)
  for key, value in pairs(entry) do order[key] = value end
  return targets(order)
end

return policy
