"""The command line on a gateway's ledger: reports, one request end to end, checks."""

import csv
import io
import json
import unittest

from processes import GatewayTest


class Command(GatewayTest):
    config = """organizations = { acme = { keys = { "mg-acme-dev" } }, beta = { keys = { "mg-beta" } } }"""

    def setUp(self):
        super().setUp()
        self.ids = [
            self.gateway.chat(key=key, headers={"x-moongate-user": "u-7", "x-moongate-explain": "1"})[1]["x-request-id"]
            for key in ("mg-acme-dev", "mg-acme-dev", "mg-beta")
        ]
        for id in self.ids:
            self.gateway.request_rows(id)

    def test_report_cost(self):
        rows = self.gateway.rows("final = 1")
        spent = {org: sum(r["cost_nano_usd"] for r in rows if r["org_ref"] == org) for org in ("acme", "beta")}
        report = json.loads(self.gateway.run("report", "cost", "--json"))
        self.assertEqual({r["name"]: r["cost_nano_usd"] for r in report}, spent)
        self.assertGreater(spent["acme"], spent["beta"])
        lines = list(
            csv.DictReader(
                io.StringIO(self.gateway.run("report", "cost", "--by", "user", "--org", "beta", "--format", "csv"))
            )
        )
        self.assertEqual([(line["name"], int(line["cost_nano_usd"])) for line in lines], [("u-7", spent["beta"])])
        self.assertIn("acme", self.gateway.run("report", "cost"))
        self.assertIn("gpt-4o-mini", self.gateway.run("report", "models"))
        self.gateway.run("report", "cost", "--by", "moon", status=2)
        self.assertEqual(
            json.loads(self.gateway.run("report", "cost", "--json", "--to", "2020-01-01", "--from", "2019-01-01")), []
        )

    def test_request_show(self):
        shown = self.gateway.run("request", "show", self.ids[0])
        for part in (self.ids[0], "acme", "u-7", "gpt-4o-mini", "(final)", "exact", "ok"):
            self.assertIn(part, shown)
        rows = json.loads(self.gateway.run("request", "show", self.ids[0], "--json"))
        self.assertEqual((len(rows), rows[0]["cost_nano_usd"]), (1, 9150))
        self.gateway.run("request", "show", "00000000-0000-7000-8000-000000000000", status=1)

    def test_check(self):
        self.assertIn("fine", self.gateway.run("check"))
        text = self.gateway.config
        self.addCleanup(self.gateway.configure, text)
        self.gateway.configure(text.rstrip() + "\nmodles = {}\nworkers = 'many'\n")
        said = self.gateway.run("check", status=2, errors=True)
        line = len(text.splitlines()) + 1  # the text ends with a line's end
        self.assertIn("moongate.lua:%d: " % line, said)
        self.assertIn("models", said)
        self.assertIn("moongate.lua:%d: " % (line + 1), said)

    def test_help_and_misuse(self):
        self.assertIn("serve", self.gateway.run("help", status=None) + self.gateway.run("--help", status=None))
        self.gateway.run("dance", status=2)
        self.gateway.run("report", "gossip", status=2)

    def test_small_verbs(self):
        self.assertIn("gpt-4o-mini", self.gateway.run("price", "gpt-4o-mini", "--input", "1000000"))
        self.assertIn("applied", self.gateway.run("migrate", "--status"))


if __name__ == "__main__":
    unittest.main()
