-- Catches the error that would stop it, for ever.
local policy = {}
function policy.screen(req)
  while true do
    pcall(function() while true do end end)
  end
end
return policy
