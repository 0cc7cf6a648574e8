local policy = {}
local trap = setmetatable({}, { __index = function(t, k) return t[k .. k] end, __tostring = function() while true do end end })
function policy.screen(req)
  pcall(function() return trap.x end)
  return tostring(trap)
end
return policy
