"""Limits and budgets of the configuration: what a client sees when they are reached."""

import json
import unittest

from processes import GatewayTest


class Limits(GatewayTest):
    config = """organizations = {
      acme   = { keys = { "mg-acme-dev" } },
      rated  = { keys = { "mg-rated" },  limits = { requests = "3/minute", tokens = "100000/hour" } },
      tokens = { keys = { "mg-tokens" }, limits = { tokens = "300/hour" } },
      daily  = { keys = { "mg-daily" },  limits = { cost = "0.001 usd/day" } },
      poor   = { keys = { "mg-poor" },   budget = { monthly_usd = 0.0005, hard = true } },
      narrow = { keys = { "mg-narrow" }, models = { "openai/gpt-4o-mini" } },
    }"""

    def refused(self, answer, status, code):
        got, headers, body = answer
        self.assertEqual((got, json.loads(body)["error"]["code"]), (status, code), body)
        return headers, json.loads(body)["error"]

    def test_requests(self):
        for left in (2, 1, 0):
            status, headers, _ = self.gateway.chat(key="mg-rated", max_tokens=20)
            self.assertEqual(status, 200)
            self.assertEqual(headers["x-ratelimit-limit-requests"], "3")
            self.assertEqual(headers["x-ratelimit-remaining-requests"], str(left))
            self.assertRegex(headers["x-ratelimit-reset-requests"], r"^(\d+h)?(\d+m)?\d+(s|ms)$")
            self.assertEqual(headers["x-ratelimit-limit-tokens"], "100000")
        headers, error = self.refused(self.gateway.chat(key="mg-rated"), 429, "rate_limit_exceeded")
        self.assertEqual(error["type"], "rate_limit_error")
        self.assertTrue(0 < int(headers["retry-after"]) <= 61)
        self.assertAlmostEqual(int(headers["retry-after-ms"]) / 1000, int(headers["retry-after"]), delta=1)
        self.assertEqual(self.gateway.chat()[0], 200, "another organization is not concerned")

    def test_refused_requests_have_rows(self):
        _, headers, _ = self.gateway.chat(key="mg-daily", max_tokens=10000)
        row = self.gateway.request_rows(headers["x-request-id"])[0]
        self.assertEqual(
            (row["outcome"], row["final"], row["cost_nano_usd"], row["org_ref"]), ("denied", 1, 0, "daily")
        )
        self.assertEqual(row["http_status"], 429)

    def test_tokens(self):
        self.assertEqual(self.gateway.chat(key="mg-tokens", max_tokens=20)[0], 200)
        self.refused(self.gateway.chat(key="mg-tokens", max_tokens=1000), 429, "rate_limit_exceeded")

    def test_cost(self):
        self.refused(self.gateway.chat(key="mg-daily", max_tokens=10000), 429, "rate_limit_exceeded")
        self.assertEqual(self.gateway.chat(key="mg-daily", max_tokens=20)[0], 200)

    def test_budget(self):
        self.assertEqual(self.gateway.chat(key="mg-poor", max_tokens=20)[0], 200)
        headers, error = self.refused(self.gateway.chat(key="mg-poor", max_tokens=5000), 429, "insufficient_quota")
        self.assertEqual(error["type"], "insufficient_quota")
        self.assertEqual(headers["x-should-retry"], "false")
        spent, before = 0, len(self.vendor.log())
        while self.gateway.chat(key="mg-poor", max_tokens=20)[0] == 200:
            spent += 1
            self.assertLess(spent, 60, "a hard budget never ends")
        self.assertEqual(len(self.vendor.log()) - before, spent)
        rows = self.gateway.rows("org_ref = 'poor'")
        self.assertLessEqual(sum(r["cost_nano_usd"] for r in rows), 500_000)

    def test_budget_survives_a_restart(self):
        while self.gateway.chat(key="mg-poor", max_tokens=20)[0] == 200:
            pass
        self.gateway.stop()
        self.gateway.start()
        self.refused(self.gateway.chat(key="mg-poor", max_tokens=300), 429, "insufficient_quota")

    def test_models(self):
        self.assertEqual(self.gateway.chat(key="mg-narrow")[0], 200)
        self.refused(self.gateway.chat(key="mg-narrow", model="openai/gpt-4o"), 403, "model_not_allowed")


if __name__ == "__main__":
    unittest.main()
