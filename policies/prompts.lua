-- A system prompt for every organization.
--
-- The template may hold {{org}}, {{user}} and {{date}}; other braces stay as they are. For one organization, in
-- moongate.lua:
--
--     organizations = { acme = { settings = { prompts = { system = "You work for {{org}}. Today is {{date}}." } } } }

local policy = {
  settings = {
    system = "",          -- "" leaves requests alone
    mode = "prepend",     -- "prepend": before the client's own system prompt; "replace": instead of it
    zone = "UTC",         -- where {{date}} is today: "America/Toronto"
  },
}

-- What the client says about itself must not become instructions: an id, or nothing.
local function id(text)
  return text:match("^[%w@._+-]+$") and text:sub(1, 64) or ""
end

local days = {}   -- by zone: the date, and the minute that it was asked in

local function today(zone)
  local minute, day = math.floor(clock.now() / 60), days[zone]
  if day and day.minute == minute then return day.text end
  local date, err = clock.at(zone)
  if not date then error(err) end
  local text = ("%04d-%02d-%02d"):format(date.year, date.month, date.day)
  days[zone] = { minute = minute, text = text }
  return text
end

local function fill(template, req)
  local values = { org = req.org, user = id(req.user), date = today(policy.settings.zone) }
  return (template:gsub("{{(%w+)}}", values))
end

function policy.prompt(req)
  local s = policy.settings
  if s.system == "" or req.operation ~= "chat" then return end
  local text = fill(s.system, req)
  if s.mode == "prepend" then
    if req.system ~= "" then text = text .. "\n\n" .. req.system end
  elseif s.mode ~= "replace" then
    error('setting mode must be "prepend" or "replace", not "' .. s.mode .. '"')
  end
  req:set_system(text)
end

return policy
