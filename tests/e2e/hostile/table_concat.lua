local policy = {}
function policy.screen(req)
  local parts = {}
  for i = 1, 1000 do parts[i] = ("x"):rep(1000) end
  while true do parts[1] = table.concat(parts) end
end
return policy
