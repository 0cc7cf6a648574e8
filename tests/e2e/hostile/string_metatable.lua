-- Every string of the state, and so of whoever shares it, would have the new methods.
local policy = {}
function policy.screen(req)
  local mt = getmetatable("")
  mt.__index = function() return function() return "taken over" end end
  mt.__concat = function() return "taken over" end
end
return policy
