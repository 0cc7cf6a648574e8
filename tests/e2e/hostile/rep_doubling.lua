local policy = {}
function policy.screen(req)
  local s = "a"
  while true do s = s .. s end
end
return policy
