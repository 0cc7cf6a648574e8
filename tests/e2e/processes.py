"""The processes of a test: a gateway in a folder of its own, and a dummy vendor. Ports come from the kernel."""

import contextlib
import ctypes
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BINARY = pathlib.Path(os.environ.get("MOONGATE_BIN", ROOT / "build" / "release" / "moongate")).resolve()
KEY = "mg-acme-dev"
UPSTREAM_KEY = "sk-upstream-e2e"
REPORTS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:")

CONFIG = """
listen = "127.0.0.1:0"
admin = {{ listen = "127.0.0.1:0" }}
data_dir = "{folder}/var"
policies = "{folder}/policies"
workers = 2
drain_seconds = 10
providers = {{ {providers} }}
organizations = {{ acme = {{ keys = {{ "{key}" }} }} }}
"""


def die_with_parent():
    """In a child before exec: no test leaves a process behind, however it ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def fetch(url, method="GET", body=None, headers=None, timeout=10):
    """Status, headers, bytes; an error status is not an exception."""
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.headers, refused.read()


def wait_for(condition, seconds=5.0, what="the condition"):
    """Polls until the condition gives something true, which is returned."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("%s did not come true within %.1f s" % (what, seconds))
        time.sleep(0.02)


class Vendor:
    def __init__(self):
        arguments = [sys.executable, str(HERE / "vendor.py")]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=HERE, preexec_fn=die_with_parent)
        self.port = int(self.process.stdout.readline())

    def provider(self, name="openai", extra=""):
        return '%s = { "openai", base_url = "http://127.0.0.1:%d/v1", api_key = "%s"%s }' % (
            name,
            self.port,
            UPSTREAM_KEY,
            extra,
        )

    def control(self, path, method="GET"):
        return json.loads(fetch("http://127.0.0.1:%d/control/%s" % (self.port, path), method)[2])

    def log(self):
        return self.control("log")

    def clear(self):
        self.control("clear", "POST")

    def quiet(self):
        """Nothing is logged until the next clear: for loads."""
        self.control("quiet", "POST")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


class Gateway:
    """A moongate process. `config` is Lua that follows the defaults above and so overrides them."""

    def __init__(self, vendor=None, config="", policies=None, providers=None, environment=None):
        self.temporary = tempfile.TemporaryDirectory(prefix="moongate-e2e-")
        self.folder = pathlib.Path(self.temporary.name)
        self.process, self.environment = None, environment or {}
        self.statuses = []
        (self.folder / "policies").mkdir()
        for name, text in (policies or {}).items():
            self.write_policy(name, text)
        text = providers if providers is not None else vendor.provider() if vendor else 'demo = { "demo" }'
        self.configure(
            CONFIG.format(folder=self.folder, providers=text, key=KEY) + config.replace("@", str(self.folder))
        )

    # ---- files --------------------------------------------------------------------------------------------------

    @property
    def config_file(self):
        return self.folder / "moongate.lua"

    def configure(self, text):
        self.config_file.write_text(text)
        self.config = text

    def write_policy(self, name, text):
        """As editors do it: a new file is moved over the old."""
        path = self.folder / "policies" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + "~")
        fresh.write_text(text)
        fresh.rename(path)

    # ---- the process --------------------------------------------------------------------------------------------

    def start(self):
        environment = dict(os.environ, **self.environment)
        environment.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:exitcode=99")
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [str(BINARY), "serve", "-c", str(self.config_file)],
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                preexec_fn=die_with_parent,
            )
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(10)
            raise AssertionError(
                "moongate did not start (exit %s):\n%s" % (self.process.returncode, self.log_text()[-3000:])
            )
        self.listening = json.loads(line)["listening"]
        self.address, self.admin_address = self.listening["data"], self.listening["admin"]
        return self

    @property
    def port(self):
        return int(self.address.rsplit(":", 1)[1])

    @property
    def url(self):
        return "http://" + self.address

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait(20)
        self.process.stdout.close()
        self.process = None

    def stop(self, seconds=30):
        """SIGTERM; the exit status and the sanitizers' silence are part of every test."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            status = "hung for %d s after SIGTERM" % seconds
        process.stdout.close()
        self.statuses.append(status)
        log = self.log_text()
        for report in REPORTS:
            if report in log:
                raise AssertionError("a sanitizer's report:\n" + log[max(0, log.index(report) - 200) :][:6000])
        if status != 0:
            raise AssertionError("moongate ended with %s:\n%s" % (status, log[-3000:]))

    def close(self):
        try:
            self.stop()
        finally:
            self.temporary.cleanup()

    def run(self, *arguments, status=0, errors=False):
        """A verb of the command line, on this gateway's configuration; what it prints, its errors too if wanted."""
        split = 2 if arguments[0] in ("key", "org", "request", "policy", "provider") else 1
        line = [str(BINARY), *arguments[:split], "-c", str(self.config_file), *arguments[split:]]
        done = subprocess.run(
            line, cwd=self.folder, capture_output=True, text=True, timeout=60, env=dict(os.environ, **self.environment)
        )
        if status is not None and done.returncode != status:
            raise AssertionError(
                "%s: exit %d, not %d\n%s%s" % (" ".join(line[1:]), done.returncode, status, done.stdout, done.stderr)
            )
        return done.stdout + done.stderr if errors else done.stdout

    # ---- what it says -------------------------------------------------------------------------------------------

    def log_text(self):
        return (self.folder / "log").read_text(errors="replace")

    def log_events(self, name=None):
        found = []
        for line in self.log_text().splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if name is None or event.get("event") == name:
                    found.append(event)
        return found

    def admin(self, path, method="GET"):
        token = (self.folder / "var" / "admin-token").read_text().strip()
        status, _, body = fetch(
            "http://%s%s" % (self.admin_address, path), method, headers={"authorization": "Bearer " + token}
        )
        return status, body

    def policies(self):
        return json.loads(self.admin("/admin/v1/policies")[1])

    def metric(self, name):
        """Sum over the series of a metric, which has to exist."""
        text = self.admin("/metrics")[1].decode()
        lines = [line for line in text.splitlines() if line.startswith((name + " ", name + "{"))]
        if not lines:
            raise AssertionError("there is no metric %s" % name)
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def rows(self, where="1", parameters=()):
        """Rows of the ledger, as dictionaries, oldest first."""
        path = self.folder / "var" / "moongate.db"
        with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % path, uri=True, timeout=10)) as db:
            db.row_factory = sqlite3.Row
            query = "SELECT * FROM ai_usage_metrics WHERE %s ORDER BY created_ms, attempt_id" % where
            return [dict(row) for row in db.execute(query, parameters)]

    def request_rows(self, request_id, count=1, seconds=5):
        """The rows of a request, once that many have arrived."""
        found = wait_for(
            lambda: (lambda rows: rows if len(rows) >= count else None)(self.rows("request_id = ?", (request_id,))),
            seconds,
            "%d row(s) of request %s" % (count, request_id),
        )
        return sorted(found, key=lambda row: row["attempt"])

    # ---- requests -----------------------------------------------------------------------------------------------

    def post(self, path, body, key=KEY, headers=None, timeout=20):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return fetch(
            self.url + path,
            "POST",
            body,
            dict({"content-type": "application/json", "authorization": "Bearer " + key}, **(headers or {})),
            timeout,
        )

    def chat(self, model="openai/gpt-4o-mini", text="How far is the moon?", key=KEY, headers=None, timeout=20, **more):
        body = dict({"model": model, "messages": [{"role": "user", "content": text}]}, **more)
        return self.post("/v1/chat/completions", body, key, headers, timeout)


class GatewayTest(unittest.TestCase):
    """A vendor and a gateway for all tests of a class; the class says with what."""

    config, policies, providers = "", None, None

    @classmethod
    def setUpClass(cls):
        cls.vendor = Vendor()
        cls.addClassCleanup(cls.vendor.stop)
        providers = cls.providers(cls.vendor) if cls.providers else None
        cls.gateway = Gateway(cls.vendor, cls.config, cls.policies, providers)
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.start()

    def setUp(self):
        self.vendor.clear()
