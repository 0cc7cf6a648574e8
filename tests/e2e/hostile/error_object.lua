-- Whoever wants to print the error runs its code.
local policy = {}
function policy.screen(req)
  error(setmetatable({}, { __tostring = function() while true do end end }))
end
return policy
