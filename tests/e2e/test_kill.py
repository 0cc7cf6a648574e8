"""kill -9 at any moment: no answered request's row is lost, none is doubled."""

import collections
import random
import time
import unittest

import load
from processes import Gateway, Vendor, wait_for

KILLS = 20
CONNECTIONS = 32


class Kill(unittest.TestCase):
    def setUp(self):
        self.vendor = Vendor()
        self.addCleanup(self.vendor.stop)
        self.vendor.quiet()
        self.gateway = Gateway(self.vendor)
        self.addCleanup(self.gateway.close)

    def test_twenty_times(self):
        chance = random.Random(20)
        plain, stream = load.request("mg-acme-dev"), load.request("mg-acme-dev", stream=True)
        slow = load.request("mg-acme-dev", model="openai/trickle:20", stream=True)
        self.gateway.start()
        running = load.Load(self.gateway.address, [plain, stream, plain, slow], CONNECTIONS)
        running.tolerant = True
        with running:
            for _ in range(KILLS):
                time.sleep(0.15 + chance.random() * 0.35)
                self.gateway.kill()
                self.gateway.start()
                running.address = self.gateway.address
            time.sleep(0.3)
        self.assertEqual(running.failures, [], "an answer that came was wrong")
        self.settled()
        self.compare(running.answered)

    def settled(self):
        """The spool is in the ledger."""
        wait_for(lambda: self.gateway.metric("moongate_spool_waiting_rows") == 0, 10, "an empty spool")
        self.gateway.stop()

    def compare(self, answered):
        rows = self.gateway.rows()
        finals = collections.Counter(r["request_id"] for r in rows if r["final"])
        outcomes = collections.Counter(r["outcome"] for r in rows)
        whole = {r["request_id"] for r in rows if r["outcome"] == "ok"}
        print("\n  %d answered, %d rows: %s" % (len(answered), len(rows), dict(outcomes)))
        self.assertGreater(len(answered), 20 * KILLS)
        self.assertGreater(outcomes["interrupted"], 0, "no kill met a request: the test shows nothing")
        self.assertEqual([i for i, n in finals.items() if n > 1], [], "doubled")
        self.assertEqual(len({r["attempt_id"] for r in rows}), len(rows))
        self.assertEqual(set(answered) - whole, set(), "answered, and no row says so")
        self.assertEqual(set(outcomes) - {"ok", "interrupted", "cancelled"}, set())
        # Durable first, then the last byte: a kill in between leaves a whole row of an answer that did not arrive.
        unseen = len(whole - set(answered))
        print("  %d rows of answers whose last byte the kill kept back" % unseen)
        self.assertLessEqual(unseen, KILLS * CONNECTIONS // 10)
        for row in rows:
            if row["outcome"] == "interrupted":
                self.assertEqual(row["precision"], "estimated")
                self.assertNotIn(row["request_id"], answered)


if __name__ == "__main__":
    unittest.main()
