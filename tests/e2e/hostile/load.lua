-- Bytecode could do anything.
local policy = {}
function policy.screen(req)
  local f = loadstring or load
  f("os.execute('touch escaped')")()
end
return policy
