-- Where requests go when the first choice does not answer.
--
-- `targets` maps a model, as the client asks for it, to the targets that are tried in order. A name with * stands for all
-- models that match; the exact name wins over it, then the longest. For one organization, in moongate.lua:
--
--     organizations = { acme = { settings = { failover = {
--       targets = { ["gpt-4*"] = { "openai/gpt-4o", "azure/gpt-4o", "anthropic/claude-sonnet-4-20250514" } },
--     } } } }
--
-- Models without an entry go where the configuration's `models` table says.

local policy = {
  settings = {
    targets = {},
    retries = 1,     -- further attempts at the same target before the next one is tried
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

function policy.route(req)
  local list = find(policy.settings.targets, req.model)
  if not list or #list == 0 then return end
  local order = { max_retries = policy.settings.retries, retry_on = RETRY_ON }
  for i, name in ipairs(list) do order[i] = name end
  return targets(order)
end

return policy
