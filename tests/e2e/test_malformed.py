"""2,000 malformed requests: the status that their class may have, an error in OpenAI's shape with a message, nothing
smuggled, and a gateway that goes on. Run it with MOONGATE_BIN naming an AddressSanitizer build; leaks show at the end.
"""

import collections
import json
import os
import socket
import unittest

import malformed
import malformed_bodies  # noqa: F401, registers its classes
import malformed_framing  # noqa: F401
from processes import KEY, GatewayTest
from wire import Closed, Wire, post

COUNT = int(os.environ.get("MOONGATE_MALFORMED", "2000"))
FINE = post(
    "/v1/chat/completions",
    json.dumps({"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}).encode(),
    KEY,
)


class Malformed(GatewayTest):
    config = "limits = { header_seconds = 1, body_seconds = 1 }"

    def check_error(self, status, body):
        error = json.loads(body)["error"]
        self.assertEqual(sorted(error), ["code", "message", "param", "type"])
        self.assertGreater(len(error["message"]), 10)
        self.assertNotIn(KEY, error["message"])
        self.assertNotIn("smuggled", error["message"])

    def send(self, wire, data, name):
        wire.send(data)
        if name.startswith("half"):
            wire.socket.shutdown(socket.SHUT_WR)

    def answer(self, wire):
        try:
            return wire.answer()
        except Closed:
            return None, {}, b""
        except socket.timeout:
            return "nothing within the time limit", {}, b""

    def after(self, wire, keeps, headers):
        """The connection afterwards: in order, or closed, and never a second answer."""
        if keeps:
            self.assertNotEqual(headers.get("connection"), "close")
            wire.send(FINE)
            self.assertEqual(wire.answer()[0], 200)
        elif keeps is False:
            self.assertTrue(wire.closed(), "not closed, or a second answer: %r" % wire.buffer[:100])

    def one(self, name, statuses, keeps, data):
        with Wire(self.gateway.address) as wire:
            self.send(wire, data, name)
            status, headers, body = self.answer(wire)
            self.assertIn(status, statuses, "%s: %r: %r" % (name, data[:400], body[:300]))
            if status not in (None, 200):
                self.check_error(status, body)
            self.after(wire, keeps if status is not None else None, headers)
        return status

    def test_all(self):
        self.vendor.quiet()
        counts = collections.defaultdict(collections.Counter)
        for name, statuses, keeps, data in malformed.everything(COUNT):
            with self.subTest(name, request=data[:200]):
                counts[name][self.one(name, statuses, keeps, data)] += 1
                self.assertIsNone(self.gateway.process.poll(), "the gateway is gone")
        print()
        for name, statuses in counts.items():
            print("  %5d %-36s %s" % (sum(statuses.values()), name, dict(statuses)))
        self.assertGreaterEqual(sum(sum(c.values()) for c in counts.values()), COUNT * 0.98)
        self.assertEqual(self.gateway.chat()[0], 200)

    def test_nothing_of_it_reached_the_vendor(self):
        for name, statuses, keeps, data in malformed.everything(200, seed=7):
            if 200 not in statuses:
                self.one(name, statuses, None, data)
        self.assertEqual([e["path"] for e in self.vendor.log()], [])


if __name__ == "__main__":
    unittest.main()
