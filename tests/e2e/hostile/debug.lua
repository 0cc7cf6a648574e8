local policy = {}
function policy.screen(req)
  debug.sethook()
  while true do end
end
return policy
