"""The shipped failover policy with settings of the configuration file."""

import json
import unittest

from processes import ROOT, GatewayTest


class FailoverPolicy(GatewayTest):
    policies = {"failover.lua": (ROOT / "policies" / "failover.lua").read_text()}

    @staticmethod
    def providers(vendor):
        return ", ".join(vendor.provider(name) for name in ("openai", "second", "third"))

    config = """
        models = { smart = "openai/gpt-4o-mini", plain = "openai/gpt-4o-mini" }
        organizations.acme.settings = { failover = { targets = {
            ["sm*"] = {
                { { "second/gpt-4o-mini", weight = 1 }, { "openai/gpt-4o-mini", weight = 0 }, strategy = "weighted" },
                "third/gpt-4o-mini", total = 20,
            },
        } } }
    """

    def setUp(self):
        super().setUp()
        for name in ("openai", "second", "third"):
            self.addCleanup(self.gateway.run, "provider", "enable", name)

    def served_by(self, model):
        status, headers, _ = self.gateway.chat(model=model)
        self.assertEqual(status, 200)
        return headers["x-moongate-provider"], headers["x-moongate-attempts"]

    def test_groups_of_the_file(self):
        self.assertEqual(self.served_by("plain"), ("openai", "1"))
        self.assertEqual(self.served_by("smart"), ("second", "1"))
        self.gateway.run("provider", "disable", "second")
        self.assertEqual(self.served_by("smart"), ("openai", "1"))
        self.gateway.run("provider", "disable", "openai", "--model", "gpt-4o-mini")
        self.assertEqual(self.served_by("smart"), ("third", "1"))
        status, headers, body = self.gateway.chat(model="plain")
        self.assertEqual(status, 503)
        self.assertEqual(json.loads(body)["error"]["code"], "no_provider_available")

    def test_check(self):
        self.assertIn("fine", self.gateway.run("check"))


if __name__ == "__main__":
    unittest.main()
