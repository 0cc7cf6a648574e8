"""The official OpenAI SDK for Node: runs sdk_node/check.mjs, one test a line that it prints."""

import os
import pathlib
import shutil
import subprocess
import unittest

from processes import KEY, ROOT, GatewayTest

FOLDER = pathlib.Path(os.environ.get("MOONGATE_NODE", ROOT / "build" / "node"))  # where the SDK is installed
EXPECTED = 16


class NodeSdk(GatewayTest):
    config = """organizations = { acme = { keys = { "mg-acme-dev" } },
                                  slow = { keys = { "mg-slow" }, limits = { requests = "1/2s" } } }"""

    def test_node(self):
        if not shutil.which("node") or not (FOLDER / "node_modules" / "openai").is_dir():
            self.skipTest("node or its openai package is not installed (tests/install does it)")
        shutil.copy(pathlib.Path(__file__).parent / "sdk_node" / "check.mjs", FOLDER / "check.mjs")
        environment = dict(os.environ, BASE_URL=self.gateway.url + "/v1", KEY=KEY, SLOW_KEY="mg-slow")
        done = subprocess.run(
            ["node", "check.mjs"], cwd=FOLDER, env=environment, capture_output=True, text=True, timeout=120
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith(("ok ", "not ok "))]
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(len(lines), EXPECTED, done.stdout)


if __name__ == "__main__":
    unittest.main()
