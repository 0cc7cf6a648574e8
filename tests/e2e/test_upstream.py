"""Vendors that fail, and clients that leave: what comes next, what the client sees, what is written down."""

import json
import socket
import time
import unittest

from processes import KEY, GatewayTest, wait_for
from wire import Wire, post


def free_port():
    """A port that nobody listens on; it stays bound for as long as the socket lives."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    return held, held.getsockname()[1]


class Upstream(GatewayTest):
    config = """models = {
      pair = { "dead/gpt-4o-mini", "openai/gpt-4o-mini" },
      wrong = { "openai/status:500", "openai/gpt-4o-mini" },
      limited = { "openai/rate:3", "openai/gpt-4o-mini" },
      sluggish = { "hasty/slow:3000", "openai/gpt-4o-mini" },
      nowhere = { "dead/gpt-4o-mini", "openai/status:503" },
      cheap = { "openai/gpt-4o", "openai/gpt-4o-mini", strategy = "cost" },
      quick = { "openai/slow:150", "openai/gpt-4o-mini", strategy = "latency" },
      drawn = { { "openai/gpt-4o", weight = 0.000001 }, { "openai/gpt-4o-mini", weight = 1000 }, strategy = "weighted" },
      halves = { "openai/reset-mid", "openai/gpt-4o-mini" },
    }
    prices = { unknown_usd_per_million = 10 }"""

    @classmethod
    def providers(cls, vendor):
        cls.held, port = free_port()
        cls.addClassCleanup(cls.held.close)
        return ", ".join(
            [
                vendor.provider(),
                vendor.provider("hasty", ", timeouts = { first_byte = 0.4, idle = 0.5 }"),
                'dead = { "openai", base_url = "http://127.0.0.1:%d/v1", api_key = "sk-x" }' % port,
            ]
        )

    # ---- failover -----------------------------------------------------------------------------------------------

    def failed_over(self, model, **more):
        status, headers, body = self.gateway.chat(model, **more)
        self.assertEqual(status, 200, body)
        self.assertEqual((headers["x-moongate-attempts"], headers["x-moongate-provider"]), ("2", "openai"))
        first, second = self.gateway.request_rows(headers["x-request-id"], 2)
        self.assertEqual(
            (first["attempt"], first["final"], first["outcome"]), (1, 0, "error" if model != "sluggish" else "timeout")
        )
        self.assertEqual((second["attempt"], second["final"], second["outcome"]), (2, 1, "ok"))
        self.assertGreater(second["cost_nano_usd"], 0)
        return first, second

    def test_connection_refused(self):
        first, _ = self.failed_over("pair")
        self.assertEqual((first["provider"], first["cost_nano_usd"]), ("dead", 0))

    def test_stream_fails_over_before_its_first_byte(self):
        self.failed_over("pair", stream=True)

    def test_status_500(self):
        first, _ = self.failed_over("wrong")
        self.assertEqual((first["http_status"], first["cost_nano_usd"]), (500, 0))

    def test_rate_limit(self):
        self.assertEqual(self.failed_over("limited")[0]["http_status"], 429)

    def test_slow_first_byte(self):
        self.failed_over("sluggish")

    def test_plain_answer_broken_halfway(self):
        first, _ = self.failed_over("halves")
        self.assertEqual(first["precision"], "estimated", "the vendor had begun to answer, and will bill it")

    def test_no_target_left(self):
        status, headers, body = self.gateway.chat("nowhere")
        self.assertEqual(status, 503, body)
        self.assertEqual(headers["x-moongate-attempts"], "2")
        self.assertIn("retry-after", headers)
        self.assertNotIn(b"127.0.0.1", body)

    def test_no_failover_after_the_first_byte(self):
        _, headers, body = self.gateway.chat("pair", text="!reset-mid", stream=True)
        self.assertIn(b'"error"', body)
        self.assertNotIn(b"[DONE]", body)
        rows = self.gateway.request_rows(headers["x-request-id"], 2)
        self.assertEqual([(r["outcome"], r["final"]) for r in rows], [("error", 0), ("error", 1)])
        self.assertEqual(rows[1]["precision"], "counted")

    # ---- one target that misbehaves -----------------------------------------------------------------------------

    def test_statuses(self):
        for model, status, code in (
            ("status:500", 502, "upstream_error"),
            ("status:503", 503, "overloaded"),
            ("rate:4", 429, "rate_limit_exceeded"),
            ("quota", 502, "upstream_refused"),
            ("status:401", 502, "upstream_refused"),
            ("truncated", 502, "upstream_error"),
            ("rubbish", 502, "upstream_error"),
            ("not-http", 502, "upstream_error"),
            ("reset-before", 502, "upstream_error"),
            ("large:9000", 502, "upstream_error"),
        ):
            with self.subTest(model):
                got, headers, body = self.gateway.chat("openai/" + model)
                self.assertEqual((got, json.loads(body)["error"]["code"]), (status, code), body)
                row = self.gateway.request_rows(headers["x-request-id"])[-1]
                self.assertEqual((row["outcome"], row["final"]), ("error", 1))
                self.assertTrue(row["error"])

    def test_time_limits(self):
        got, headers, body = self.gateway.chat("hasty/slow:3000")
        self.assertEqual((got, json.loads(body)["error"]["code"]), (504, "upstream_timeout"))
        self.assertEqual(self.gateway.request_rows(headers["x-request-id"])[0]["outcome"], "timeout")
        _, headers, body = self.gateway.chat("hasty/stall", stream=True)
        self.assertIn(b"upstream_timeout", body)
        self.assertNotIn(b"[DONE]", body)
        wait_for(lambda: self.vendor.log()[-1]["ended"] == "gone", 3, "the stalled connection's end")

    def test_large_answer(self):
        status, _, body = self.gateway.chat("openai/large:6000")
        self.assertEqual((status, len(json.loads(body)["choices"][0]["message"]["content"]) > 6_000_000), (200, True))

    def test_usage_missing(self):
        for stream in (False, True):
            status, headers, _ = self.gateway.chat(text="!no-usage", stream=stream)
            self.assertEqual(status, 200)
            row = self.gateway.request_rows(headers["x-request-id"])[0]
            self.assertEqual((row["outcome"], row["precision"]), ("ok", "counted"))
            self.assertTrue(5 <= row["tokens_output"] <= 40, row["tokens_output"])
            self.assertGreater(row["cost_nano_usd"], 0)

    def test_encodings_are_not_asked_for(self):
        self.gateway.chat(headers={"accept-encoding": "gzip, br"})
        self.assertIn(self.vendor.log()[-1]["headers"].get("accept-encoding", "identity"), ("identity", ""))

    def test_big_embeddings(self):
        body = {"model": "text-embedding-3-large", "input": ["text %d" % i for i in range(300)], "dimensions": 3072}
        status, headers, answer = self.gateway.post("/v1/embeddings", body)
        self.assertEqual((status, len(json.loads(answer).get("data", ()))), (200, 300), answer[:300])
        self.assertEqual(self.gateway.request_rows(headers["x-request-id"])[0]["operation"], "embeddings")

    # ---- the order of targets -----------------------------------------------------------------------------------

    def served(self, model):
        status, headers, body = self.gateway.chat(model)
        self.assertEqual(status, 200, body)
        return headers["x-moongate-model"]

    def test_the_cheapest_comes_first(self):
        self.assertEqual({"gpt-4o-mini"}, {self.served("cheap") for _ in range(5)})

    def test_weights(self):
        self.assertEqual({"gpt-4o-mini"}, {self.served("drawn") for _ in range(20)})

    def test_the_fastest_comes_first(self):
        """Each is tried once; then the faster one has most of the requests (one in fifty looks at the other)."""
        first = {self.served("quick"), self.served("quick")}
        self.assertEqual({"slow:150", "gpt-4o-mini"}, first)
        time.sleep(0.2)  # figures are up to 100 ms old
        later = [self.served("quick") for _ in range(20)]
        self.assertGreater(later.count("gpt-4o-mini"), 15)

    # ---- clients that leave -------------------------------------------------------------------------------------

    def ask(self, wire, behavior):
        body = {
            "model": "openai/gpt-4o-mini",
            "stream": True,
            "messages": [{"role": "user", "content": "!" + behavior}],
        }
        wire.send(post("/v1/chat/completions", json.dumps(body).encode(), KEY))
        return wire.head()[1]

    def leave(self, behavior):
        with Wire(self.gateway.address) as wire:
            headers = self.ask(wire, behavior)
            wire.until(b'"content":"The"')
        return headers["x-request-id"]

    def test_client_leaves_a_stream(self):
        request_id = self.leave("trickle:150")
        row = self.gateway.request_rows(request_id)[0]
        self.assertEqual((row["outcome"], row["precision"], row["final"]), ("cancelled", "counted", 1))
        self.assertGreater(row["tokens_output"], 0)
        wait_for(lambda: self.vendor.log()[-1]["ended"] == "gone", 4, "the upstream connection's end")

    def test_client_leaves_an_endless_stream(self):
        request_id = self.leave("endless")
        self.assertEqual(self.gateway.request_rows(request_id)[0]["outcome"], "cancelled")
        wait_for(lambda: self.vendor.log()[-1]["ended"] == "gone", 4, "the upstream connection's end")

    def test_client_that_does_not_read(self):
        """An endless stream to a client that takes nothing is held back, not gathered in memory."""

        def memory():
            with open("/proc/%d/statm" % self.gateway.process.pid) as pages:
                return int(pages.read().split()[1]) * 4096

        with Wire(self.gateway.address) as wire:
            self.ask(wire, "endless")
            before = memory()
            time.sleep(1.0)
            self.assertLess(memory() - before, 32 << 20)

class Drain(GatewayTest):
    """Answers of clients that have gone are read to their end, where the policy wants the exact figures."""

    policies = {
        "drain.lua": "local policy = {}\n"
        "function policy.route(req)\n"
        '  return targets{ req.targets[1], on_disconnect = "drain" }\n'
        "end\n"
        "return policy\n"
    }

    def leave(self, behavior, stream=True):
        body = {"model": "openai/gpt-4o-mini", "stream": stream, "messages": [{"role": "user", "content": behavior}]}
        with Wire(self.gateway.address) as wire:
            wire.send(post("/v1/chat/completions", json.dumps(body).encode(), KEY))
            if stream:
                request_id = wire.head()[1]["x-request-id"]
                wire.until(b'"content":"The"')
                return request_id
            wait_for(lambda: self.vendor.log(), what="the request upstream")

    def test_a_stream_is_read_to_its_end(self):
        row = self.gateway.request_rows(self.leave("!trickle:50"))[0]
        self.assertEqual((row["outcome"], row["precision"], row["final"]), ("cancelled", "exact", 1))
        self.assertEqual(self.vendor.log()[-1]["ended"], "whole")

    def test_a_plain_answer_too(self):
        self.vendor.clear()
        self.leave("!slow:300", stream=False)
        wait_for(lambda: [r for r in self.gateway.rows() if not r["stream"]], what="its row")
        row = [r for r in self.gateway.rows() if not r["stream"]][0]
        self.assertEqual((row["outcome"], row["precision"]), ("cancelled", "exact"))

    def test_the_gateway_stops_meanwhile(self):
        self.leave("!endless")
        self.gateway.stop()
        self.gateway.start()


if __name__ == "__main__":
    unittest.main()
