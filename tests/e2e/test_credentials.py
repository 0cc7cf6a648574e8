"""Providers that are called with a token: it is asked for once, kept, renewed, and its failure is a clear error."""

import concurrent.futures
import http.server
import json
import pathlib
import ssl
import subprocess
import tempfile
import threading
import unittest

import processes

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


class Servers:
    """A token server over TLS and a vendor that takes only the newest token."""

    def __init__(self, folder):
        self.asked, self.seen, self.lifetime, self.refuse = [], [], 3600, False
        certificate, key = folder / "cert.pem", folder / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
            + ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost"]
            + ["-addext", "subjectAltName=DNS:localhost"],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        self.certificate = certificate
        self.token = self.serve(self.on_token)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.token.socket = context.wrap_socket(self.token.socket, server_side=True)
        self.vendor = self.serve(self.on_chat)
        for server in (self.token, self.vendor):
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def serve(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status, value = answer(self, body)
                text = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        return http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def on_token(self, request, body):
        self.asked.append((request.path, body.decode()))
        if self.refuse:
            return 401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret."}
        return 200, {"token_type": "Bearer", "expires_in": self.lifetime, "access_token": "token-%d" % len(self.asked)}

    def on_chat(self, request, body):
        self.seen.append(request.headers["authorization"])
        return 200, ANSWER

    def close(self):
        for server in (self.token, self.vendor):
            server.shutdown()
            server.server_close()


class Credentials(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="moongate-e2e-")
        self.addCleanup(temporary.cleanup)
        self.servers = Servers(pathlib.Path(temporary.name))
        self.addCleanup(self.servers.close)
        provider = (
            'azure = { "azure", endpoint = "http://127.0.0.1:%d", tenant_id = "t", client_id = "c", '
            'client_secret = "s&cret", authority = "https://localhost:%d" }'
            % (self.servers.vendor.server_address[1], self.servers.token.server_address[1])
        )
        self.gateway = processes.Gateway(
            providers=provider,
            config='\nmodels = { ["gpt-4o"] = "azure/gpt-4o" }\nworkers = 1\n',
            environment={"SSL_CERT_FILE": str(self.servers.certificate)},
        )
        self.gateway.start()
        self.addCleanup(self.gateway.close)

    def ask(self):
        body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}).encode()
        headers = {"authorization": "Bearer " + processes.KEY, "content-type": "application/json"}
        return processes.fetch(self.gateway.url + "/v1/chat/completions", "POST", body, headers)

    def test_one_token_serves_many(self):
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: self.ask(), range(40)))
        self.assertEqual({200}, {status for status, _, _ in answers}, answers[0][2])
        self.assertEqual(1, len(self.servers.asked))
        self.assertEqual({"Bearer token-1"}, set(self.servers.seen))
        path, form = self.servers.asked[0]
        self.assertEqual("/t/oauth2/v2.0/token", path)
        self.assertIn("client_secret=s%26cret", form)

    def test_a_token_is_renewed_before_its_end(self):
        self.servers.lifetime = 60  # less than the time before the end at which a new one is asked for
        self.assertEqual(200, self.ask()[0])
        self.assertEqual(200, self.ask()[0])  # with the old one, while the new one is asked for
        processes.wait_for(lambda: len(self.servers.asked) >= 2, what="a second token")
        processes.wait_for(lambda: self.ask()[0] == 200 and "Bearer token-2" in self.servers.seen, what="its use")

    def test_a_refusal_is_said_and_holds_no_secret(self):
        self.servers.refuse = True
        status, _, body = self.ask()
        self.assertEqual(502, status)
        self.assertIn(b"Invalid client secret", body)
        self.assertNotIn(b"s&cret", body)
        self.servers.refuse = False
        processes.wait_for(lambda: self.ask()[0] == 200, what="recovery")


if __name__ == "__main__":
    unittest.main()
