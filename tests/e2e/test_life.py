"""The gateway's life: start, listeners, reload of the configuration, keys that come and go, drain."""

import json
import os
import signal
import ssl
import stat
import subprocess
import time
import unittest

import load
from processes import KEY, Gateway, GatewayTest, Vendor, wait_for
from wire import Wire, post

BODY = json.dumps({"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}).encode()
FINE = post("/v1/chat/completions", BODY, KEY)


class Life(unittest.TestCase):
    def setUp(self):
        self.vendor = Vendor()
        self.addCleanup(self.vendor.stop)

    def gateway(self, *arguments, **more):
        gateway = Gateway(self.vendor, *arguments, **more)
        self.addCleanup(gateway.close)
        return gateway

    def test_drain_under_load(self):
        """SIGTERM: every request that was taken is answered whole; what comes later is refused by the kernel."""
        self.vendor.quiet()
        gateway = self.gateway().start()
        trickle = load.request(KEY, model="openai/trickle:60", stream=True)
        running = load.Load(gateway.address, [load.request(KEY), load.request(KEY, stream=True), trickle], 32)
        running.tolerant = True  # of connections that are refused or closed while idle
        with running:
            time.sleep(0.7)
            open_before = len(running.samples)
            gateway.signal(signal.SIGTERM)
            gateway.process.wait(15)
            running.stopping = True
        self.assertEqual(running.failures, [])
        self.assertGreater(open_before, 10)
        self.assertEqual(gateway.process.returncode, 0)
        rows = gateway.rows()
        ids = {r["request_id"] for r in rows if r["outcome"] == "ok" and r["final"]}
        self.assertEqual(set(running.answered) - ids, set())
        self.assertEqual([r["outcome"] for r in rows if r["outcome"] != "ok"], [], "a request was cut off")

    def test_sighup(self):
        gateway = self.gateway().start()
        self.assertEqual(gateway.chat(key="mg-new")[0], 401)
        gateway.configure(gateway.config.replace('"mg-acme-dev"', '"mg-acme-dev", "mg-new"'))
        gateway.signal(signal.SIGHUP)
        wait_for(lambda: gateway.chat(key="mg-new")[0] == 200, 2, "the new key")
        gateway.configure(gateway.config.replace("organizations", "organisations"))
        gateway.signal(signal.SIGHUP)
        fault = wait_for(lambda: gateway.log_events("configuration"), 3, "the fault in the log")[0]
        self.assertIn("organizations", fault["message"], "the nearest known name")
        self.assertEqual(gateway.chat(key="mg-new")[0], 200, "the configuration before stays")

    def test_configuration_is_reread_when_it_changes(self):
        gateway = self.gateway().start()
        gateway.configure(gateway.config.replace('"mg-acme-dev"', '"mg-acme-dev", "mg-saved"'))
        wait_for(lambda: gateway.chat(key="mg-saved")[0] == 200, 3, "the new key")

    def test_keys_by_command(self):
        gateway = self.gateway().start()
        key = gateway.run("key", "add", "--org", "acme", "--name", "late", "--team", "legal").strip()
        wait_for(lambda: gateway.chat(key=key)[0] == 200, 2, "the added key in force")
        listed = json.loads(gateway.run("key", "list", "--json"))
        self.assertNotIn(key, json.dumps(listed))
        id = next(row["id"] for row in listed if row["name"] == "late")
        _, headers, _ = gateway.chat(key=key)
        self.assertEqual(gateway.request_rows(headers["x-request-id"])[0]["team"], "legal")
        gateway.run("key", "revoke", id)
        wait_for(lambda: gateway.chat(key=key)[0] == 401, 2, "the revoked key out of force")
        self.assertEqual(gateway.chat()[0], 200)

    def test_organization_by_command(self):
        gateway = self.gateway().start()
        gateway.run("org", "add", "late", "--name", "Latecomers")
        key = json.loads(gateway.run("key", "add", "--org", "late", "--json"))["key"]
        wait_for(lambda: gateway.chat(key=key)[0] == 200, 2, "the added organization's key in force")
        self.assertIn("late", gateway.run("org", "list"))
        gateway.run("key", "add", "--org", "nobody", status=1)

    def test_unix_socket(self):
        gateway = self.gateway('listen = { "127.0.0.1:0", "unix:@/gate.sock" }').start()
        with Wire("unix:%s/gate.sock" % gateway.folder) as wire:
            wire.send(FINE * 2)
            self.assertEqual([wire.answer()[0], wire.answer()[0]], [200, 200])
        gateway.stop()
        self.assertFalse((gateway.folder / "gate.sock").exists(), "the socket's file is removed")

    def certificate(self, folder, name):
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=" + name,
                "-addext",
                "subjectAltName=DNS:" + name,
                "-keyout",
                folder / (name + ".key"),
                "-out",
                folder / (name + ".crt"),
            ],
            check=True,
            capture_output=True,
        )

    def test_tls_by_server_name(self):
        gateway = self.gateway("""listen = { address = "127.0.0.1:0", tls = {
            { cert = "@/one.test.crt", key = "@/one.test.key" },
            { cert = "@/two.test.crt", key = "@/two.test.key" } } }""")
        for name in ("one.test", "two.test"):
            self.certificate(gateway.folder, name)
        gateway.start()
        for name in ("one.test", "two.test"):
            with self.subTest(name):
                tls = ssl.create_default_context(cafile=gateway.folder / (name + ".crt"))
                with Wire(gateway.address, tls=tls, server_name=name) as wire:
                    wire.send(FINE + post("/v1/chat/completions", BODY[:-1] + b',"stream":true}', KEY))
                    self.assertEqual(wire.answer()[0], 200)
                    self.assertIn(b"[DONE]", wire.answer()[2])
        with Wire(gateway.address) as wire:
            wire.send(FINE)
            self.assertTrue(wire.closed(), "no plain HTTP on a TLS port")

    def test_two_gateways_do_not_share_a_port(self):
        first = self.gateway().start()
        second = self.gateway('listen = "%s"' % first.address)
        with self.assertRaises(AssertionError) as failed:
            second.start()
        self.assertIn(first.address, str(failed.exception))
        self.assertEqual(second.process.returncode, 1)
        second.process.stdout.close()
        second.process = None


class Defaults(unittest.TestCase):
    def test_first_start(self):
        """Without a configuration: the demo provider, a first key, secrets that only the owner reads."""
        gateway = Gateway(config="", providers='demo = { "demo" }')
        self.addCleanup(gateway.close)
        gateway.configure('listen = "127.0.0.1:0"\nadmin = { listen = "127.0.0.1:0" }\n')
        environment = {k: "" for k in ("OPENAI_API_KEY",) if k in os.environ}
        gateway.environment = environment
        gateway.start()
        var = gateway.folder / "var"
        for name in ("first-key", "admin-token"):
            self.assertEqual(stat.S_IMODE((var / name).stat().st_mode), 0o600, name)
        key = (var / "first-key").read_text().strip()
        self.assertNotIn(key, gateway.log_text())
        status, headers, body = gateway.chat("demo", key=key, headers={"x-moongate-explain": "1"})
        self.assertEqual(status, 200, body)
        self.assertIn("demo", json.loads(body)["choices"][0]["message"]["content"])
        json.loads(headers["x-moongate-decision"])
        status, _, body = gateway.chat("demo", key=key, stream=True)
        self.assertTrue(body.endswith(b"data: [DONE]\n\n"))
        gateway.stop()
        gateway.start()
        self.assertEqual(gateway.chat("demo", key=key)[0], 200, "the key is kept")


class Admin(GatewayTest):
    def test_guard(self):
        for path in ("/healthz", "/readyz", "/metrics"):
            self.assertEqual(self.gateway.admin(path)[0], 200)
        with Wire(self.gateway.admin_address) as wire:
            wire.send(b"GET /admin/v1/policies HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer wrong\r\n\r\n")
            self.assertEqual(wire.answer()[0], 401)
            wire.send(b"GET /healthz HTTP/1.1\r\nhost: evil.example\r\n\r\n")
            self.assertEqual(wire.answer()[0], 403)

    def test_metrics(self):
        before = self.gateway.metric("moongate_requests_total")
        self.gateway.chat()
        wait_for(lambda: self.gateway.metric("moongate_requests_total") == before + 1, 2, "the count")


if __name__ == "__main__":
    unittest.main()
