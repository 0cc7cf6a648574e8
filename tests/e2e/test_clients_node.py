"""The official clients for JavaScript, each against each of the four vendors behind a gateway: sdk_node/matrix.mjs.

Alone, `test_clients_node.py PART ...` chooses by parts of "client | provider | case"."""

import os
import pathlib
import shutil
import subprocess
import sys
import unittest

from processes import HERE, KEY, ROOT, Gateway
from vendors import Vendors, provider

FOLDER = pathlib.Path(os.environ.get("MOONGATE_NODE", ROOT / "build" / "node"))  # where the clients are installed
LEAST = 1600  # checks; fewer are a mistake of the table
MODELS = """models = {
    ["gemini-2-openai"] = "openai/gpt-4o-mini", ["gemini-2-azure"] = "azure/gpt-4o-mini",
    ["gemini-2-anthropic"] = "anthropic/claude-haiku-4-5", ["gemini-2-google"] = "google/gemini-2.5-flash",
    ["gemini-2-compatible"] = "compatible/gpt-4o-mini" }"""


def lacks():
    """Why the clients cannot run here, or nothing."""
    if not shutil.which("node"):
        return "node is not installed"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < 20:
        return "the clients need Node 20, this is %s" % version
    if not (FOLDER / "node_modules" / "@langchain").is_dir():
        return "the clients are not installed in %s (tests/install does it)" % FOLDER
    return ""


def providers_of(port):
    """OpenAI twice: with responses, and as one of the many servers that have only chat completions."""
    openai = provider("openai", port)
    lines = ["%s = %s" % (vendor, provider(vendor, port)) for vendor in ("azure", "anthropic", "google")]
    lines += ["compatible = " + openai, "openai = " + openai.replace("api_key", 'responses = "yes", api_key')]
    return ", ".join(lines)


def run(words=()):
    """The matrix beside the installed packages, in a folder of its own: that is where Node looks for them."""
    vendors = Vendors()
    gateway = Gateway(config=MODELS, providers=providers_of(vendors.port))
    scripts = FOLDER / "matrix"
    try:
        gateway.start()
        shutil.rmtree(scripts, ignore_errors=True)
        shutil.copytree(HERE / "sdk_node", scripts)
        place = {"GATEWAY": gateway.url, "VENDOR": "http://127.0.0.1:%d" % vendors.port, "KEY": KEY}
        environment = dict(os.environ, **place, LANGSMITH_TRACING="false")
        line = ["node", "matrix.mjs", *words]
        return subprocess.run(line, cwd=scripts, env=environment, capture_output=True, text=True, timeout=600)
    finally:
        try:
            gateway.close()
        finally:
            vendors.stop()


class Clients(unittest.TestCase):
    def test_clients(self):
        if lacks():
            self.skipTest(lacks())
        done = run()
        print(done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout[-20000:] + done.stderr[-3000:])
        checks = int(done.stdout.splitlines()[-1].split(" ")[0])
        self.assertGreater(checks, LEAST, done.stdout)


if __name__ == "__main__":
    if sys.argv[1:]:
        done = run(sys.argv[1:])
        print(done.stdout + done.stderr)
        sys.exit(done.returncode)
    unittest.main()
