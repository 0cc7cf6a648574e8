"""Providers of a running gateway: what the admin plane and the command line say of them, and the kill switches."""

import json
import subprocess
import tempfile
import unittest

from processes import GatewayTest, fetch


class Providers(GatewayTest):
    @staticmethod
    def providers(vendor):
        return ", ".join((vendor.provider("openai"), vendor.provider("backup"), vendor.provider("spare"), 'demo = { "demo" }'))

    config = """
        models = { smart = { "openai/gpt-4o-mini", "backup/gpt-4o-mini" } }
        providers.openai.api_keys, providers.openai.api_key = { "sk-upstream-e2e", "sk-upstream-e2e-2" }, nil
    """

    def setUp(self):
        super().setUp()
        self.addCleanup(self.gateway.run, "provider", "enable", "openai")

    def provider(self, name="openai"):
        return {p["name"]: p for p in self.ask()[1]["providers"]}[name]

    def ask(self, path="", method="GET", body=None):
        token = (self.gateway.folder / "var" / "admin-token").read_text().strip()
        status, _, text = fetch(
            "http://%s/admin/v1/providers%s" % (self.gateway.admin_address, path),
            method,
            json.dumps(body).encode() if body is not None else None,
            {"authorization": "Bearer " + token},
        )
        return status, json.loads(text)

    def served_by(self, model="smart"):
        status, headers, _ = self.gateway.chat(model=model)
        return headers["x-moongate-provider"] if status == 200 else status

    def test_list_and_status(self):
        self.assertEqual(self.served_by("demo/demo"), "demo")
        listed = json.loads(self.gateway.run("provider", "list", "--json"))["providers"]
        self.assertEqual(sorted(p["name"] for p in listed), ["backup", "demo", "openai", "spare"])
        self.assertEqual({p["state"] for p in listed}, {"enabled"})
        self.assertEqual(self.provider()["keys"], 2)
        self.assertEqual(self.provider()["keys_resting"], 0)
        self.assertEqual(self.provider("backup")["keys"], 1)
        self.assertIn("enabled", self.gateway.run("provider", "list"))
        self.gateway.run("provider", "status", "opnai", status=1)
        self.assertIn("no calls", self.gateway.run("provider", "status", "spare"))
        self.assertIn("ttft_p50_s", self.gateway.run("provider", "status", "demo"))

    def test_disable_and_enable(self):
        said = self.gateway.run("provider", "disable", "openai", "--for", "30m")
        self.assertRegex(said, r"^openai is disabled until 20\d\d-")
        self.assertEqual(self.provider()["state"], "disabled")
        self.assertIn("openai is disabled until", self.gateway.run("provider", "status"))
        self.assertIn("disabled", self.gateway.run("provider", "list"))
        self.assertEqual(self.served_by(), "backup")
        self.assertEqual(self.served_by("openai/gpt-4o-mini"), 503)
        self.assertEqual(self.gateway.run("provider", "enable", "openai"), "openai is enabled\n")
        self.assertEqual(self.provider()["state"], "enabled")
        self.assertIsNone(self.provider()["disabled_until"])
        self.assertEqual(self.served_by(), "openai")
        self.gateway.run("provider", "disable", "openai")
        self.assertEqual(self.provider()["state"], "disabled")
        self.assertIsNone(self.provider()["disabled_until"])
        changes = [e for e in self.gateway.log_events("circuit") if "model" not in e]
        self.assertEqual((changes[0]["provider"], changes[0]["to"], changes[0]["reason"]), ("openai", "open", "forced"))
        self.assertEqual(changes[0]["level"], "warn")
        self.assertEqual(changes[0]["open_ms"], 1800000)
        self.assertGreaterEqual(self.gateway.metric("moongate_circuit_changes_total"), 3)

    def test_disable_a_model(self):
        said = self.gateway.run("provider", "disable", "openai", "--model", "gpt-4o-mini", "--for", "90")
        self.assertEqual(said, "openai/gpt-4o-mini is disabled\n")
        self.assertEqual(self.provider()["state"], "enabled")
        (circuit,) = [c for c in self.provider()["circuits"] if c["model"] == "gpt-4o-mini"]
        self.assertEqual((circuit["state"], circuit["forced"]), ("open", True))
        self.assertLessEqual(circuit["wait_seconds"], 90)
        self.assertIn("switched", self.gateway.run("provider", "status", "openai"))
        self.assertIn('moongate_circuit_state{provider="openai",model="gpt-4o-mini"} 2', self.metrics())
        self.gateway.run("provider", "enable", "openai")  # its models, too
        (circuit,) = [c for c in self.provider()["circuits"] if c["model"] == "gpt-4o-mini"]
        self.assertEqual((circuit["state"], circuit["forced"]), ("closed", False))

    def metrics(self):
        return self.gateway.admin("/metrics")[1].decode()

    def test_misuse(self):
        for path, body, status, says in (
            ("/opena/disable", None, 404, "did you mean 'openai'?"),
            ("/openai/disable", {"for": "soon"}, 400, "'for' is a time"),
            ("/openai/disable", {"for": 0}, 400, "'for' is a time"),
            ("/openai/disable", {"for": "9999999h"}, 400, "'for' is a time"),
            ("/openai/disable", {"forr": "1h"}, 400, "'forr' is not understood"),
            ("/openai/disable", [], 400, "JSON object"),
            ("/openai/disable", {"model": "x" * 300}, 422, "longer than"),
            ("/openai/enable", {"for": "1h"}, 400, "'for' is not understood"),
            ("/openai/explode", None, 404, "no such route"),
        ):
            with self.subTest(path=path, body=body):
                got, answer = self.ask(path, "POST", body)
                self.assertEqual(got, status)
                self.assertIn(says, answer["error"]["message"])
        self.assertEqual(self.ask("/openai/disable")[0], 405)
        self.assertEqual(self.provider()["state"], "enabled")
        url = "http://%s/admin/v1/providers" % self.gateway.admin_address
        self.assertEqual(fetch(url)[0], 401)
        self.assertEqual(fetch(url + "/openai/disable", "POST")[0], 401)
        self.gateway.run("provider", "disable", status=2)
        self.gateway.run("provider", "disable", "../keys", status=2)
        self.assertIn("did you mean 'openai'", self.gateway.run("provider", "disable", "openal", status=1, errors=True))


class UnixSocket(GatewayTest):
    config = """admin = { listen = "unix:@/admin.sock", token = "a-token-of-its-own" }"""

    def test_list(self):
        self.assertIn("enabled", self.gateway.run("provider", "list"))
        self.gateway.run("provider", "disable", "openai", "--for", "1h")
        self.assertIn("openai is disabled until", self.gateway.run("provider", "status"))


class Tls(GatewayTest):
    """The certificate is compared with the configured one, since nobody vouches for it."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="moongate-e2e-")
        cls.addClassCleanup(cls.folder.cleanup)
        for name in ("own", "other"):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
                + ["-subj", "/CN=gate", "-keyout", cls.file(name + ".key"), "-out", cls.file(name + ".pem")],
                check=True,
                capture_output=True,
            )
        cls.config = 'admin = { listen = { address = "127.0.0.1:0", tls = { { cert = "%s", key = "%s" } } } }' % (
            cls.file("own.pem"),
            cls.file("own.key"),
        )
        super().setUpClass()

    @classmethod
    def file(cls, name):
        return "%s/%s" % (cls.folder.name, name)

    def test_list(self):
        self.assertIn("enabled", self.gateway.run("provider", "list"))

    def test_another_certificate(self):
        text = self.gateway.config
        self.addCleanup(self.gateway.configure, text)
        self.gateway.configure(text.replace("own.", "other."))
        said = self.gateway.run("provider", "list", status=1, errors=True)
        self.assertIn("another certificate", said)


class Stopped(GatewayTest):
    def test_no_gateway(self):
        self.gateway.stop()
        said = self.gateway.run("provider", "list", status=1, errors=True)
        self.assertIn("no gateway answers on 127.0.0.1:0", said)
        self.assertFalse((self.gateway.folder / "var" / "admin-address").exists())


if __name__ == "__main__":
    unittest.main()
