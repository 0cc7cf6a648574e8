"""Hostile policies of one organization: each is stopped, its organization gets an error, another one's requests go on
and stay quick. Every case is an organization of its own with the file hostile/NAME.lua."""

import json
import pathlib
import statistics
import time
import unittest

import load
from processes import Gateway, Vendor, wait_for

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
# Ended by the leash; the others run into an error.
KILLED = {
    "endless_loop",
    "gsub_callback",
    "metamethods",
    "pattern",
    "pcall_deep",
    "pcall_loop",
    "rep_doubling",
    "sort",
    "table_concat",
    "table_grows",
}
FLOOR = 0.005  # seconds: below this a ratio of two p99 says nothing
WINDOW = 0.9  # seconds of attack a case
QUIET = 0.6  # seconds before


def p99(good, start, end):
    """The median of the p99 of the windows between: one hiccup of the machine is not what is measured."""
    span = (end - start) / 3
    windows = [[s[1] for s in good.samples if start + i * span <= s[0] < start + (i + 1) * span] for i in range(3)]
    return statistics.median(load.percentile(w, 0.99) for w in windows)


def policies():
    files = {"orgs/%s/attack.lua" % name: (FOLDER / (name + ".lua")).read_text() for name in CASES}
    files["orgs/good/memory.lua"] = GOOD
    return files


class Attacked(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.vendor = Vendor()
        cls.addClassCleanup(cls.vendor.stop)
        cls.vendor.quiet()
        orgs = "".join('["%s"] = { keys = { "mg-%s" } }, ' % (name, name) for name in CASES + ["good"])
        cls.gateway = Gateway(cls.vendor, "organizations = { %s }" % orgs, policies())
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.start()


class Reasons(Attacked):
    def test_why(self):
        """Each is stopped for what it is, which the log says."""
        for name in CASES:
            with self.subTest(name):
                self.assertEqual(self.gateway.chat(key="mg-" + name)[0], 500)
                failure = wait_for(
                    lambda: [e for e in self.gateway.log_events("policy_failed") if e["org"] == name],
                    3,
                    "the log's line",
                )[0]
                self.assertEqual(failure["kind"], "killed" if name in KILLED else "error", failure)


class Hostile(Attacked):
    def good(self):
        requests = [load.request("mg-good"), load.request("mg-good", stream=True)]
        return load.Load(self.gateway.address, requests, connections=8, pause=0.01)

    def attack(self, name):
        """Requests of the hostile organization while the good one's load runs: all refused, with a proper error."""
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

    def case(self, good, name):
        """The good organization's p99 during the attack, as a multiple of what it was right before."""
        start = time.monotonic()
        time.sleep(QUIET)
        middle = time.monotonic()
        slowest = self.attack(name)
        quiet, busy = p99(good, start, middle), p99(good, middle, time.monotonic())
        ratio = max(busy, FLOOR) / max(quiet, FLOOR)
        print(
            "  %-18s good p99 %6.2f ms quiet, %6.2f ms attacked: %4.1f times; slowest refusal %6.2f ms"
            % (name, quiet * 1000, busy * 1000, ratio, slowest * 1000)
        )
        return ratio

    def measure(self, good, name):
        """The least of up to three measurements: a machine that is busy otherwise spoils one, hardly all."""
        ratios = [self.case(good, name)]
        while len(ratios) < 3 and min(ratios) >= 3:
            self.renew(name)
            ratios.append(self.case(good, name))
        return min(ratios)

    def renew(self, name):
        """A changed file is another policy, which is not suspended for what the one before did."""
        generation = self.gateway.policies()["current"]["generation"]
        self.gateway.write_policy(
            "orgs/%s/attack.lua" % name, (FOLDER / (name + ".lua")).read_text() + "-- %d\n" % generation
        )
        wait_for(lambda: self.gateway.policies()["current"]["generation"] > generation, 3, "the next generation")

    def test_each(self):
        ratios = {}
        print()
        with self.good() as good:
            time.sleep(0.3)
            for name in CASES:
                with self.subTest(name):
                    ratios[name] = self.measure(good, name)
                    self.assertLess(ratios[name], 10)
        print("  %d of %d cases within 3 times quiet" % (sum(r < 3 for r in ratios.values()), len(ratios)))
        self.assertEqual(good.failures, [], "the good organization's requests failed")
        self.assertFalse((self.gateway.folder / "escaped").exists(), "a policy ran a command")
        self.assertNotIn(SECRET, json.dumps(self.gateway.rows("org_ref <> 'good'")))
        self.assertEqual(self.gateway.chat(key="mg-good")[0], 200)

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
