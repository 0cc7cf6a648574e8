-- Request and token rates for every organization.
--
-- Requests are counted when they arrive. Tokens are reserved before a request is sent and settled by what it used.
-- Nothing is limited unless you say so. Limits of the configuration (`limits = { ... }`) hold as well: the strictest wins.
--
-- To change it for one organization, in moongate.lua:
--
--     organizations = { acme = { settings = { rate = { requests = "60/minute", per_user = "10/minute" } } } }

local policy = {
  settings = {
    requests = "",             -- such as "600/minute"; "" is no limit
    tokens = "",               -- such as "1000000/hour"
    scope = "org",             -- what both are counted for: org, team, user, key, model or provider
    per_user = "",             -- requests of each user besides; a user is who the client says it is
  },
}

local function given(rate)
  if rate ~= "" then return rate end
end

-- Denies when the limit does not fit. Counters that can't be reached are a failure of this policy: what happens then is
-- for the operator to say, once for all policies.
local function take(limit)
  if not (limit.requests or limit.tokens) then return end
  local ok, wait = limits.take(limit)
  if ok then return end
  if ok == nil then error("the counters can't be reached: " .. wait) end
  return deny{
    status = 429,
    code = "rate_limit_exceeded",
    message = wait == math.huge and "The rate limit is zero."
      or ("Rate limit reached. Try again in %d s."):format(math.ceil(wait)),
    retry_after = wait,
  }
end

function policy.admit(req)
  local s = policy.settings
  return take{ requests = given(s.requests), tokens = given(s.tokens), scope = s.scope }
      or take{ requests = given(s.per_user), scope = "user", name = "per_user" }
end

return policy
