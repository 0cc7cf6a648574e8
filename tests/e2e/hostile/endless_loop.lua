local policy = {}
function policy.screen(req)
  while true do end
end
return policy
