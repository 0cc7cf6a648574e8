-- What is written to the globals or to the libraries must not reach anybody: refused, or seen by nobody.
local policy = {}
function policy.screen(req)
  string.rep = function() return "taken over" end
  json.decode = nil
  error("no write may come this far unnoticed by others")
end
return policy
