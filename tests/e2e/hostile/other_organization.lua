-- Looks for what another organization's policy keeps.
local policy = {}
function policy.screen(req)
  local found = kept or rawget(_G, "kept")
  for _, name in ipairs{ "orgs.good.memory", "orgs/good/memory", "../good/memory", "good.memory" } do
    local ok, module = pcall(require, name)
    if ok then found = found or module.settings.word end
  end
  if found then return answer{ text = "found " .. tostring(found) } end
  error("nothing found")
end
return policy
