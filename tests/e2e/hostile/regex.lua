local policy = {}
function policy.screen(req)
  local found, err = re.match(("a"):rep(40) .. "!", "^(a+)+$")
  if found == nil and err then error(err) end
  while true do re.find(("a"):rep(40) .. "!", "(a|aa)+$") end
end
return policy
