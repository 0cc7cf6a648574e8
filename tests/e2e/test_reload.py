"""Policies edited while 64 connections are busy: no request fails, a good edit is in force within a second, a broken
one leaves the old rule in force and is reported with file and line."""

import json
import time
import unittest

import load
from processes import GatewayTest, wait_for

RULE = """local policy = {}
function policy.screen(req)
  return answer{ text = "rule %s" }
end
return policy
"""
BROKEN = """local policy = {}
function policy.screen(req
  return answer{ text = "never" }
end
return policy
"""
FAILING = """local policy = {}
local x = nothing.at_all
return policy
"""


class Reload(GatewayTest):
    policies = {"rule.lua": RULE % "one"}
    config = 'log = { level = "warn" }'

    def tearDown(self):
        self.gateway.write_policy("rule.lua", RULE % "one")
        wait_for(lambda: b"rule one" in self.gateway.chat()[2], 3, "the first rule")

    def load(self):
        self.vendor.quiet()
        return load.Load(self.gateway.address, [load.request("mg-acme-dev"), load.request("mg-acme-dev", stream=True)])

    def test_good_edit(self):
        with self.load() as running:
            time.sleep(0.7)
            delays = []
            for name in ("two", "three", "four"):
                edited = time.monotonic()
                self.gateway.write_policy("rule.lua", RULE % name)
                mark = ("rule " + name).encode()
                first = wait_for(lambda: next((s[0] for s in running.samples if mark in s[3]), None), 3, "rule " + name)
                delays.append(first - edited)
                time.sleep(max(0, edited + 1.1 - time.monotonic()))
                late = [s for s in running.since(edited + 1.05) if mark not in s[3]]
                self.assertEqual(late, [], "the old rule was in force a second after the edit")
        print("\n  %d requests, new rule seen after %s ms" % (len(running.samples), [round(d * 1000) for d in delays]))
        self.assertEqual(running.failures, [])
        self.assertGreater(len(running.samples), 500)

    def broken_edit(self, text, line):
        with self.load() as running:
            time.sleep(0.3)
            generation = self.gateway.policies()["current"]["generation"]
            self.gateway.write_policy("rule.lua", text)
            faults = wait_for(lambda: self.gateway.policies().get("faults"), 3, "the fault")
            broken = time.monotonic()
            time.sleep(0.5)
        self.assertEqual(running.failures, [])
        self.assertGreater(len(running.since(broken)), 50)
        self.assertEqual([s for s in running.samples if b"rule one" not in s[3]], [])
        self.assertEqual((faults[0]["file"], faults[0]["line"]), ("rule.lua", line))
        self.assertEqual(self.gateway.policies()["current"]["generation"], generation)
        logged = [e for e in self.gateway.log_events() if e.get("file") == "rule.lua" and e.get("line") == line]
        self.assertTrue(logged, "the log says where")
        said = self.gateway.run("check", status=2)
        self.assertIn("rule.lua:%d: " % line, said)

    def test_syntax_error(self):
        self.broken_edit(BROKEN, 3)

    def test_error_at_load(self):
        self.broken_edit(FAILING, 2)

    def test_admin_reload(self):
        status, _ = self.gateway.admin("/admin/v1/policies/reload", "POST")
        self.assertEqual(status, 200)
        (self.gateway.folder / "policies" / "rule.lua").write_text(BROKEN)
        status, body = self.gateway.admin("/admin/v1/policies/reload", "POST")
        self.assertEqual((status, json.loads(body)["faults"][0]["file"]), (422, "rule.lua"))


if __name__ == "__main__":
    unittest.main()
