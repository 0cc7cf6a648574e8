local policy = {}
function policy.screen(req)
  os.execute("touch escaped")
end
return policy
