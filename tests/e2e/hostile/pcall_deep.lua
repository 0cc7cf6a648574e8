local policy = {}
local function again() return pcall(again) and again() end
function policy.screen(req)
  while true do pcall(again) end
end
return policy
