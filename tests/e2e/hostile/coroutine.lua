-- A coroutine of its own would have a hook of its own.
local policy = {}
function policy.screen(req)
  coroutine.wrap(function() while true do end end)()
end
return policy
