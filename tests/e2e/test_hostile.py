"""Hostile policies of one organization: each is stopped, its organization gets an error, another one's requests go on
and stay quick. Every case is an organization of its own with the file hostile/NAME.lua."""
import json
import pathlib
import time
import unittest

import load
from processes import Gateway, Vendor

FOLDER = pathlib.Path(__file__).parent / "hostile"
CASES = sorted(path.stem for path in FOLDER.glob("*.lua"))
SECRET = "the-good-organization-s-secret"
GOOD = """local policy = { settings = { word = "%s" } }
kept = "%s"
local memory = { "%s" }
function policy.screen(req)
  req:tag("memory", memory[1])
end
return policy
""" % (SECRET, SECRET, SECRET)
FLOOR = 0.005  # seconds: below this a ratio of two p99 says nothing
WINDOW = 1.2  # seconds of attack a case


def policies():
    files = {"orgs/%s/attack.lua" % name: (FOLDER / (name + ".lua")).read_text() for name in CASES}
    files["orgs/good/memory.lua"] = GOOD
    return files


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.vendor = Vendor()
        cls.addClassCleanup(cls.vendor.stop)
        cls.vendor.quiet()
        orgs = "".join('["%s"] = { keys = { "mg-%s" } }, ' % (name, name) for name in CASES + ["good"])
        cls.gateway = Gateway(cls.vendor, "organizations = { %s }" % orgs, policies())
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.start()

    def good(self):
        requests = [load.request("mg-good"), load.request("mg-good", stream=True)]
        return load.Load(self.gateway.address, requests, connections=8, pause=0.01)

    def attack(self, name):
        """Requests of the hostile organization while the good one's load runs: all refused, with an error that is one."""
        request = load.request("mg-" + name)
        with load.Load(self.gateway.address, [request], connections=2, expect=(500, 503), pause=0.02) as running:
            time.sleep(WINDOW)
        self.assertEqual(running.failures[:3], [], "case " + name)
        self.assertGreater(len(running.samples), 5, "case " + name)
        for sample in running.samples:
            error = json.loads(sample[3])["error"]
            self.assertEqual(error["type"], "server_error")
            self.assertNotIn(SECRET, error["message"])
        return max(s[1] for s in running.samples)

    def test_each(self):
        with self.good() as good:
            time.sleep(0.5)
            start = time.monotonic()
            time.sleep(2.0)
            quiet = load.percentile([s[1] for s in good.since(start)], 0.99)
            print("\n  quiet p99 %.2f ms over %d requests" % (quiet * 1000, len(good.since(start))))
            self.each(good, quiet)
        self.assertEqual(good.failures, [], "the good organization's requests failed")
        self.assertFalse((self.gateway.folder / "escaped").exists(), "a policy ran a command")
        self.assertNotIn(SECRET, json.dumps(self.gateway.rows("org_ref <> 'good'")))
        self.assertEqual(self.gateway.chat(key="mg-good")[0], 200)

    def each(self, good, quiet):
        for name in CASES:
            with self.subTest(name):
                start = time.monotonic()
                slowest = self.attack(name)
                p99 = load.percentile([s[1] for s in good.since(start)], 0.99)
                ratio = max(p99, FLOOR) / max(quiet, FLOOR)
                print("  %-18s good p99 %6.2f ms, %.1f times quiet; slowest refusal %6.2f ms" % (name, p99 * 1000, ratio, slowest * 1000))
                self.assertLess(ratio, 10)

    def test_top_level_loop_is_a_fault(self):
        """What hangs when it is loaded is never put in force."""
        generation = self.gateway.policies()["current"]["generation"]
        self.gateway.write_policy("orgs/good/loop.lua", "while true do end")
        try:
            status, body = self.gateway.admin("/admin/v1/policies/reload", "POST")
            self.assertEqual(status, 422, body)
            self.assertIn("orgs/good/loop.lua", [f["file"] for f in json.loads(body)["faults"]])
            self.assertEqual(self.gateway.policies()["current"]["generation"], generation)
        finally:
            (self.gateway.folder / "policies/orgs/good/loop.lua").unlink()
        self.assertEqual(self.gateway.chat(key="mg-good")[0], 200)


if __name__ == "__main__":
    unittest.main()
