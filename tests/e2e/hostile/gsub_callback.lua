local policy = {}
function policy.screen(req)
  local s = ("x"):rep(10000)
  while true do s:gsub("x", function() return pcall(error) and "" or "x" end) end
end
return policy
