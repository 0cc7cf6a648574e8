local policy = {}
function policy.screen(req)
  io.open("escaped", "w"):close()
end
return policy
