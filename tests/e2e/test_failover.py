"""What targets{…} can do about a vendor that fails: keys, waits, time limits, hedges, the commit window,
continuation."""

import collections
import json
import threading
import unittest

import chaos
import test_chaos
from processes import KEY, Gateway, GatewayTest, wait_for
from wire import Wire, post

# A model's name says how a request for it goes; its targets are the model table's.
POLICY = """
local options = {
  waiting = { max_retries = 1 },
  first_byte = { first_byte = 0.3 },
  total = { total = 0.6 },
  hedged = { hedge_after = 0.1, hedge_share = 1 },
  hedge_of_two_slow = { hedge_after = 0.1, hedge_share = 1 },
  hedge_fails = { hedge_after = 0.1, hedge_share = 1 },
  hedge_helps = { hedge_after = 0.1, hedge_share = 1 },
  seldom = { hedge_after = 0.05, hedge_share = 0.1 },
  held = { hold = { tokens = 5, seconds = 30 } },
  held_error = { hold = { tokens = 5, seconds = 30 } },
  held_silence = { hold = { tokens = 5, seconds = 30 } },
  held_long = { hold = { tokens = 500, seconds = 30 } },
  crawling = { hold = { tokens = 500, seconds = 60 }, min_tokens_per_second = 20 },
}
local policy = {}
function policy.route(req)
  local how = options[req.model]
  if not how then return end
  local list = {}
  for name, value in pairs(how) do list[name] = value end
  for i, name in ipairs(req.targets) do list[i] = name end
  return targets(list)
end
return policy
"""


def text_of(body):
    return test_chaos.read_events(body)[0]


class Failover(GatewayTest):
    config = """models = {
      rotating = { "several/keys" },
      waiting = { "first/limited-for:400" },
      first_byte = { "first/slow:3000", "second/gpt-4o-mini" },
      total = { "first/stall", "second/stall" },
      hedged = { "first/slow:3000", "second/gpt-4o-mini" },
      hedge_of_two_slow = { "first/stall", "second/stall" },
      hedge_fails = { "first/slow:400", "second/status:500" },
      hedge_helps = { "first/slow-500:400", "second/slow:600" },
      seldom = { "first/slow:300", "second/slow:300" },
      held = { "first/reset-mid", "second/gpt-4o-mini" },
      held_error = { "first/error-event", "second/gpt-4o-mini" },
      held_silence = { "impatient/stall", "second/gpt-4o-mini" },
      held_long = { "first/gpt-4o-mini" },
      crawling = { "first/trickle:2000", "second/gpt-4o-mini" },
    }
    prices = { unknown_usd_per_million = 10 }"""
    policies = {"options.lua": POLICY}

    @classmethod
    def providers(cls, vendor):
        keys = '"sk-refused", "sk-limited", "sk-a", "sk-b"'
        return ", ".join(
            [
                vendor.provider("first"),
                vendor.provider("second"),
                vendor.provider("impatient", ", timeouts = { idle = 0.3 }"),
                'several = { "openai", base_url = "http://127.0.0.1:%d/v1", api_keys = { %s } }' % (vendor.port, keys),
            ]
        )

    def setUp(self):
        super().setUp()
        _, _, body = self.gateway.chat("second/gpt-4o-mini", stream=True)
        self.whole = text_of(body)
        self.assertIn("moon", self.whole)
        self.vendor.clear()

    def ask(self, model, status=200, **more):
        got, headers, body = self.gateway.chat(model, **more)
        self.assertEqual(got, status, body)
        return headers, body

    def outcomes(self, headers, count):
        rows = self.gateway.request_rows(headers["x-request-id"], count)
        self.assertEqual([row["attempt"] for row in rows], list(range(1, count + 1)))
        self.assertEqual([row["final"] for row in rows].count(1), 1)
        return [(row["provider"], row["outcome"], row["error"]) for row in rows]

    def stream(self, model):
        headers, body = self.ask(model, stream=True)
        text, finishes, done, error = test_chaos.read_events(body)
        self.assertEqual((text, finishes, done, error), (self.whole, ["stop"], True, None))
        return headers

    # ---- keys, waiting, time limits -----------------------------------------------------------------------------

    def test_keys_rotate(self):
        for _ in range(16):
            self.ask("rotating")
        used = collections.Counter(call["headers"]["authorization"][7:] for call in self.vendor.log())
        self.assertEqual((used["sk-refused"], used["sk-limited"]), (1, 1))
        self.assertEqual(used["sk-a"] + used["sk-b"], 16)
        self.assertGreaterEqual(min(used["sk-a"], used["sk-b"]), 6, "the good keys share the work")

    def test_the_only_target_is_waited_for(self):
        """While the vendor wants to be left alone it is not asked; what waits for it is answered."""
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.gateway.chat("waiting"))) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        statuses = collections.Counter(status for status, _, _ in answers)
        self.assertGreaterEqual(statuses[200], 1)
        self.assertEqual(set(statuses) - {200, 429}, set())
        for status, headers, _ in answers:
            if status == 429:  # it came within the time, and was told how long
                self.assertEqual(headers["x-moongate-attempts"], "0")
                self.assertLessEqual(int(headers["retry-after-ms"]), 1000)
        calls = [call["at"] for call in self.vendor.log()]
        refused = [call["at"] for call in self.vendor.log() if call["at"] - calls[0] < 0.4]
        self.assertGreaterEqual(len(calls), 2)
        self.assertLessEqual(len(refused), 6, "asked again too early")

    def test_first_byte(self):
        for ask in (self.ask, lambda model: (self.stream(model), None)):
            headers, _ = ask("first_byte")
            first, second = self.outcomes(headers, 2)
            self.assertEqual(first, ("first", "timeout", "timeout_first_byte"))
            self.assertEqual(second[:2], ("second", "ok"))

    def test_total(self):
        headers, body = self.ask("total", 504)
        self.assertEqual(self.outcomes(headers, 1), [("first", "timeout", "timeout_total")])

    # ---- hedges -------------------------------------------------------------------------------------------------

    def test_hedge_wins(self):
        for ask in (self.ask, lambda model: (self.stream(model), None)):
            self.vendor.clear()
            headers, _ = ask("hedged")
            self.assertEqual(headers["x-moongate-provider"], "second")
            first, second = self.outcomes(headers, 2)
            self.assertEqual(first, ("first", "cancelled", "hedge"))
            self.assertEqual(second[:2], ("second", "ok"))
            rows = self.gateway.request_rows(headers["x-request-id"], 2)
            self.assertGreater(rows[0]["tokens_input"], 0, "the vendor may bill what it was sent")
            self.assertEqual((rows[0]["precision"], rows[1]["precision"]), ("estimated", "exact"))

    def test_hedge_fails(self):
        headers, _ = self.ask("hedge_fails")
        first, second = self.outcomes(headers, 2)
        self.assertEqual(first[:2], ("first", "ok"))
        self.assertEqual(second[:2], ("second", "error"))

    def test_hedge_helps_the_one_that_fails(self):
        headers, _ = self.ask("hedge_helps")
        first, second = self.outcomes(headers, 2)
        self.assertEqual(first[:2], ("first", "error"))
        self.assertEqual(second[:2], ("second", "ok"))

    def test_client_leaves_both(self):
        body = {"model": "hedge_of_two_slow", "messages": [{"role": "user", "content": "Hello"}]}
        with Wire(self.gateway.address) as wire:
            wire.send(post("/v1/chat/completions", json.dumps(body).encode(), KEY))
            wait_for(lambda: len(self.vendor.log()) == 2, what="both calls")
        wait_for(lambda: {call["ended"] for call in self.vendor.log()} == {"gone"}, what="the end of both calls")
        rows = wait_for(
            lambda: (lambda found: found if len(found) == 2 else None)(
                self.gateway.rows("model_asked = 'hedge_of_two_slow'")
            ),
            what="two rows",
        )
        self.assertEqual([row["outcome"] for row in rows], ["cancelled", "cancelled"])
        self.assertEqual(sorted(row["final"] for row in rows), [0, 1])
        self.assertGreater(min(row["tokens_input"] for row in rows), 0)

    def test_share_of_hedges(self):
        threads = [threading.Thread(target=self.ask, args=("seldom",)) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_for(lambda: len(self.gateway.rows("model_asked = 'seldom' AND final = 1")) == 40, what="their rows")
        hedges = len(self.gateway.rows("model_asked = 'seldom' AND final = 0"))
        # Other tests' requests that could be hedged count in the same minute: at most these.
        self.assertLessEqual(hedges, 0.1 * (40 + 12))

    # ---- the commit window --------------------------------------------------------------------------------------

    def test_breaks_within_the_window_are_not_seen(self):
        for model, kind in (("held", "reset"), ("held_error", "upstream_error"), ("held_silence", "timeout_idle")):
            with self.subTest(model):
                headers = self.stream(model)
                self.assertEqual(headers["x-moongate-provider"], "second")
                first, second = self.outcomes(headers, 2)
                self.assertEqual(first[2], kind)
                self.assertEqual(second[1], "ok")

    def test_an_answer_shorter_than_the_window(self):
        self.stream("held_long")

    def test_a_crawling_stream_is_given_up(self):
        headers = self.stream("crawling")
        first, second = self.outcomes(headers, 2)
        self.assertEqual(first, ("first", "error", "stalled"))
        self.assertEqual(second[1], "ok")
        wait_for(lambda: self.vendor.log()[0]["ended"] == "gone", what="the end of the slow call")


class GoesOn(unittest.TestCase):
    """A stream that breaks goes on where it was with a target that takes an assistant's text."""

    POLICY = """
    local policy = {}
    function policy.route(req)
      return targets{ "primary/gpt-4o-mini", "secondary/claude-sonnet-4-5", continue_stream = true }
    end
    return policy
    """

    def setUp(self):
        self.primary, self.secondary = test_chaos.Vendor(), test_chaos.Vendor("--format", "anthropic")
        self.addCleanup(self.primary.stop)
        self.addCleanup(self.secondary.stop)
        providers = (
            'primary = { "openai", base_url = "http://127.0.0.1:%d/v1", api_key = "sk-p", timeouts = { idle = 0.3 } }, '
            'secondary = { "anthropic", base_url = "http://127.0.0.1:%d", api_key = "sk-s" }'
            % (self.primary.port, self.secondary.port)
        )
        config = 'models = { m = { "primary/gpt-4o-mini", "secondary/claude-sonnet-4-5" } }'
        self.gateway = Gateway(providers=providers, policies={"route.lua": self.POLICY}, config=config)
        self.addCleanup(self.gateway.close)
        self.gateway.start()

    def stream(self, nonce):
        status, headers, body = self.gateway.chat("m", "nonce %d" % nonce, stream=True)
        self.assertEqual(test_chaos.judge_stream(nonce, status, body, False), ("ok", ""))
        return headers, self.gateway.request_rows(headers["x-request-id"], 2)

    def test_text_goes_on(self):
        for nonce, trouble in enumerate(("late", "stuck", "error_event", "unfinished", "spaced")):
            with self.subTest(trouble):
                self.primary.phase({trouble: 1})
                _, (first, second) = self.stream(nonce)
                prefix = self.secondary.log()[-1]["prefix"]
                self.assertEqual(prefix, "".join(chaos.words(nonce)[: self.primary.log()[-1]["tokens"]]))
                self.assertEqual((first["outcome"] != "ok", second["outcome"]), (True, "ok"))
                if prefix:
                    self.assertEqual(first["precision"], "counted")
                    self.assertGreater(first["tokens_output"], 0)

    def test_what_cannot_go_on_says_so(self):
        """The second target fails too: the client has a beginning and an error, and no end."""
        self.primary.phase({"late": 1})
        self.secondary.phase({"e500": 1})
        status, headers, body = self.gateway.chat("m", "nonce 30", stream=True)
        self.assertEqual(test_chaos.judge_stream(30, status, body, False)[0], "error")
        rows = self.gateway.request_rows(headers["x-request-id"], 2)
        self.assertEqual([row["outcome"] for row in rows], ["error", "error"])

    def test_nothing_said_yet(self):
        """Only what stands before the text has gone out: any target may begin."""
        self.primary.phase({"silent_start": 1})
        self.stream(31)
        self.assertEqual(self.secondary.log()[-1]["prefix"], "")


if __name__ == "__main__":
    unittest.main()
