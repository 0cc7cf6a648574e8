"""Four simulated vendors on one port of the kernel's choice: OpenAI, Azure OpenAI, Anthropic, Gemini.

    python vendors.py            prints its port as the first line; serves until SIGTERM, or until its parent ends
    python vendors.py --lua      prints the port, then one line: the value of `providers` in moongate.lua for it

Providers (keys in vendors_ask.KEYS), and the models or deployments that they have; others are unknown (404):
    openai     base_url http://127.0.0.1:PORT/v1      key sk-openai-e2e  gpt-*, o*, text-embedding-*, omni-moderation-*
    azure      endpoint http://127.0.0.1:PORT         key azure-e2e      the same
    anthropic  base_url http://127.0.0.1:PORT         key sk-ant-e2e     claude-*
    google     base_url http://127.0.0.1:PORT/v1beta  key AIza-e2e       gemini-*, text-embedding-*
What the real vendor refuses is refused with its error: unknown members, wrong keys and versions, histories of tools and
thoughts that do not fit together, schemas that it does not take, ….

Answers depend on the request alone, in this order:
    the user's last text is "fail 429" (with a wait of 7 s), "fail 500", "fail overloaded", "fail quota", "too long":
    an error
    "break stream": the connection ends half way; "error in stream": an error event half way (plain: status 500 or so)
    "refuse": no text, and the vendor's finish reason for refusals
    tools are offered and the text holds "call A" or "call A and B": calls of them, with values that fit their schemas
    (a string is 'moon “ü”', an integer 7, a number 1.5, a boolean true, an enumeration the first); so if forced to
    where tool results stand last: "The tool said: RESULT; RESULT"
    where images stand in the last message: "I see image/png of 70 bytes."
    where a JSON schema is asked for: an object that fits
    else "You said: TEXT", with " (system: SYSTEM)" behind it if there is one; stop sequences and the token limit cut it
Where thinking is on (thinking, thinkingConfig, models that always think), "Let me think about it: TEXT" comes first,
signed; signatures that come back are checked. A token is 4 characters; usage has cached and reasoning tokens.

A Python test starts one with Vendors().

Control: GET /control/log lists {vendor, method, path, headers, body (parsed), status, usage, counted}: usage is
what the answer was said to cost {input, output, cached, cache_write, reasoning}, counted what a count of tokens said.
POST /control/clear empties the list.
"""

import http.server
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.parse

import vendors_anthropic
import vendors_google
import vendors_openai
import vendors_responses
from processes import die_with_parent, fetch
from vendors_ask import KEYS, Refusal

ROUTES = (
    [(m, path, take, "openai") for m, path, take in vendors_openai.ROUTES + vendors_responses.ROUTES]
    + [(m, path, take, "anthropic") for m, path, take in vendors_anthropic.ROUTES]
    + [(m, path, take, "google") for m, path, take in vendors_google.ROUTES]
)
LOG = []
NUMBERS = itertools.count(1)


class Call(http.server.BaseHTTPRequestHandler):
    """One connection; the members below are those of its present request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes, of which the second would wait for 40 ms

    def log_message(self, *_):
        pass

    # ---- the request ---------------------------------------------------------------------------------------------

    def read(self):
        url = urllib.parse.urlsplit(self.path)
        self.method, self.route, self.number = self.command, urllib.parse.unquote(url.path), next(NUMBERS)
        self.query = dict(urllib.parse.parse_qsl(url.query))
        self.azure = self.route.startswith("/openai/")
        self.deployment = self.route.split("/")[3] if self.route.startswith("/openai/deployments/") else ""
        self.model, _, self.action = self.route.rpartition("/")[2].partition(":")
        self.body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.entry = {"method": self.method, "path": self.path, "status": 0, "vendor": "", "usage": None,
                      "counted": None}  # fmt: skip
        self.entry["headers"] = {name.lower(): value for name, value in self.headers.items()}

    def find(self):
        if self.method == "GET" and self.route == "/v1/models":
            anthropic = "anthropic-version" in self.headers
            return (vendors_anthropic if anthropic else vendors_openai).models, "anthropic" if anthropic else "openai"
        for method, path, take, vendor in ROUTES:
            if method == self.method and re.fullmatch(path, self.route):
                return take, "azure" if self.azure else vendor
        return None, ""

    def take(self):
        self.read()
        if self.route.startswith("/control/"):
            if self.route == "/control/clear":
                LOG.clear()
            self.send(200, LOG)
            return
        take, self.entry["vendor"] = self.find()
        LOG.append(self.entry)
        try:
            if not take:
                raise Refusal(404, {"error": {"message": "Unknown request URL: %s %s" % (self.method, self.route)}})
            self.json = json.loads(self.body) if self.body else {}
            self.entry["body"] = self.json
            take(self)
        except Refusal as refused:
            self.send(refused.status, refused.body, headers=refused.headers)
        except (KeyError, TypeError, ValueError, AttributeError) as wrong:
            self.send(400, {"error": {"message": "malformed: %r" % wrong, "type": "invalid_request_error"}})

    def do_GET(self):
        self.take()

    do_POST = do_GET

    # ---- the answer ----------------------------------------------------------------------------------------------

    @staticmethod
    def json_pieces(value):
        """JSON text in pieces that end anywhere."""
        text = json.dumps(value, ensure_ascii=False)
        return [text[at : at + 5] for at in range(0, len(text), 5)]

    def count(self, name, value, **more):
        self.entry["counted"] = value
        self.send(200, {name: value, **more})

    def head(self, status, kind, headers):
        self.entry["status"] = status
        self.send_response(status)
        for name, value in {"content-type": kind, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def hang_up(self):
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def send(self, status, value, answer=None, headers=None):
        data = json.dumps(value, ensure_ascii=False).encode()
        broken = answer is not None and answer.trouble == "break"
        if answer is not None and answer.trouble == "error":
            status, data = 500, b'{"error":{"message":"The simulator fails as asked.","type":"api_error","code":500}}'
        if answer is not None and not answer.trouble:
            self.entry["usage"] = answer.usage
        self.head(status, "application/json", {**(headers or {}), "content-length": str(len(data))})
        self.wfile.write(data[: len(data) // 2] if broken else data)
        if broken:
            self.hang_up()

    def stream(self, frames, answer, failure, headers):
        """Frames are (lines before the data, data); with trouble only half of them come."""
        if answer.trouble:
            frames = frames[: max(2, len(frames) // 2)] + ([failure] if answer.trouble == "error" else [])
        else:
            self.entry["usage"] = answer.usage
        self.head(200, "text/event-stream", {**headers, "transfer-encoding": "chunked"})
        for before, data in frames:
            text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
            piece = ("%sdata: %s\n\n" % (before, text)).encode()
            cut = len(piece) * 2 // 3  # no event arrives in one piece
            for part in (piece[:cut], piece[cut:]):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        if answer.trouble == "break":
            self.hang_up()
        else:
            self.wfile.write(b"0\r\n\r\n")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # the gateway has hung up
            super().handle_error(request, client_address)


ADDRESSES = {
    "openai": 'base_url = "http://127.0.0.1:%d/v1"',
    "azure": 'endpoint = "http://127.0.0.1:%d"',
    "anthropic": 'base_url = "http://127.0.0.1:%d"',
    "google": 'base_url = "http://127.0.0.1:%d/v1beta"',
}


def provider(vendor, port):
    """One of `providers` in moongate.lua."""
    return '{ "%s", %s, api_key = "%s" }' % (vendor, ADDRESSES[vendor] % port, KEYS[vendor])


def providers(port):
    """All four, by the vendor's name."""
    return ", ".join("%s = %s" % (vendor, provider(vendor, port)) for vendor in ADDRESSES)


class Vendors:
    """A process of its own, for tests."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())

    def control(self, path, method="GET"):
        return json.loads(fetch("http://127.0.0.1:%d/control/%s" % (self.port, path), method)[2])

    def log(self):
        return self.control("log")

    def clear(self):
        self.control("clear", "POST")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


def main():
    server = Server(("127.0.0.1", 0), Call)
    print(server.server_port, flush=True)
    if "--lua" in sys.argv:
        print("{ %s }" % providers(server.server_port), flush=True)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    die_with_parent()
    server.serve_forever()


if __name__ == "__main__":
    main()
