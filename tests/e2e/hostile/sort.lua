local policy = {}
function policy.screen(req)
  local t = {}
  for i = 1, 20000 do t[i] = i end
  while true do table.sort(t, function(a, b) return a > b end) table.sort(t) end
end
return policy
