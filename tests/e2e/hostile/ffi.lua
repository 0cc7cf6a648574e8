local policy = {}
function policy.screen(req)
  local ffi = require "ffi"
  ffi.cdef "int system(const char *)"
  ffi.C.system("touch escaped")
end
return policy
