local policy = {}
function policy.screen(req)
  return answer{ text = "" .. #("a"):rep(1e9) }
end
return policy
