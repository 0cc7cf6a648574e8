local policy = {}
local kept = {}
function policy.screen(req)
  while true do kept[#kept + 1] = { #kept } end
end
return policy
