local policy = {}
function policy.screen(req)
  local n = 30
  while true do
    string.find(("a"):rep(n), ("a?"):rep(n) .. ("a"):rep(n))
    string.match(("a"):rep(5000), ".-.-.-.-.-b")
  end
end
return policy
