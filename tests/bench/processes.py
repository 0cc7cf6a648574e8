"""The processes of a load test in a temporary folder: a gateway, a scripted vendor, load. Ports come from the kernel."""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DEFAULT_BINARY = pathlib.Path(os.environ.get("MOONGATE_BIN", ROOT / "build" / "release" / "moongate"))


def options(doc):
    """The options that every script has."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of a table")
    parser.add_argument(
        "--binary",
        type=pathlib.Path,
        default=DEFAULT_BINARY,
        help="the gateway (default: MOONGATE_BIN, or build/release/moongate, built if it is missing)",
    )
    parser.add_argument("--upstream", choices=("pool", "curl"), default="pool", help="the gateway's upstream client")
    parser.add_argument(
        "--keep", action="store_true", help="keep the temporary folder with configuration, log and ledger"
    )
    return parser


def binary(path):
    if path.exists():
        return path.resolve()
    if path != DEFAULT_BINARY or "MOONGATE_BIN" in os.environ:
        sys.exit("there is no gateway at %s" % path)
    for command in (["cmake", "--preset", "release"], ["cmake", "--build", "--preset", "release"]):
        subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=True)
    return path.resolve()


def fetch(url, body=None, headers=None, timeout=30):
    """Status and bytes; an error status is not an exception."""
    request = urllib.request.Request(url, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


def write(path, text):
    """As editors do it: a new file is moved over the old."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + "~")
    fresh.write_text(text)
    fresh.rename(path)


def memory(pid):
    """Proportional and resident memory in MB."""
    text = pathlib.Path("/proc/%d/smaps_rollup" % pid).read_text()
    return tuple(int(re.search(r"^%s:\s+(\d+)" % name, text, re.M).group(1)) / 1024 for name in ("Pss", "Rss"))


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def cpu_seconds(pid):
    fields = pathlib.Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Folder:
    """A temporary folder and the processes in it, all of which end with the `with` block."""

    def __init__(self, keep=False):
        self.keep, self.processes = keep, []

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that __exit__ runs
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="moongate-bench-"))
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            self.stop(process)
        if self.keep:
            print("kept: %s" % self.path, file=sys.stderr)
        else:
            shutil.rmtree(self.path, ignore_errors=True)

    def start(self, command, log):
        with open(self.path / log, "ab") as errors:
            process = subprocess.Popen(
                [str(part) for part in command], stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self.processes.append(process)
        return process

    def stop(self, process, seconds=45):
        """Returns the exit status; a process that does not end in time is killed."""
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if not process.stdout.closed:
            process.stdout.close()
        return process.returncode

    def build(self, name):
        """A C program of this folder."""
        out = self.path / name
        subprocess.run(["gcc", "-O2", "-w", "-o", str(out), str(HERE / (name + ".c"))], check=True)
        return out

    def vendor(self, *arguments):
        process = self.start([self.build("vendor"), *arguments], "vendor.log")
        return json.loads(process.stdout.readline())["port"]

    def keys(self, keys):
        path = self.path / "keys"
        path.write_text("".join(key + "\n" for key in keys))
        return path


class Gateway:
    def __init__(self, folder, path, config):
        self.folder, self.path = folder, path
        self.config = folder.path / "moongate.lua"
        self.config.write_text(config)
        self.var = folder.path / "var"

    def start(self):
        self.process = self.folder.start([self.path, "serve", "-c", self.config], "log")
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the gateway did not start:\n" + self.log()[-3000:])
        listening = json.loads(line)["listening"]
        self.pid, self.data, self.admin = self.process.pid, listening["data"], listening["admin"]
        return self

    def log(self):
        return (self.folder.path / "log").read_text(errors="replace")

    def command(self, *arguments):
        """A verb of the command line on the same configuration; what it prints with --json."""
        done = subprocess.run(
            [self.path, *arguments, "--json", "-c", self.config], capture_output=True, text=True, timeout=60
        )
        if done.returncode:
            sys.exit("moongate %s: %s" % (" ".join(arguments), done.stderr or done.stdout))
        return json.loads(done.stdout)

    def metrics(self):
        """Value by name, with labels of one name summed up."""
        values = {}
        for line in fetch("http://%s/metrics" % self.admin)[1].decode().splitlines():
            found = re.match(r"([a-z0-9_]+)(\{.*\})? (\S+)$", line)
            if found:
                values[found[1]] = values.get(found[1], 0) + float(found[3])
                values[found[1] + (found[2] or "")] = float(found[3])
        return values

    def memory(self):
        return memory(self.pid)

    def chat(self, key, model, text="Hello", timeout=30):
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": text}]}).encode()
        return fetch(
            "http://%s/v1/chat/completions" % self.data,
            body,
            {"content-type": "application/json", "authorization": "Bearer " + key},
            timeout,
        )


class Load:
    """tests/bench/load.c; its figures are those of the line that it printed last."""

    def __init__(self, folder, gateway, keys, mix, **options):
        command = [folder.build("load"), "--to", gateway.data, "--keys", keys, "--mix", ",".join(mix)]
        for name, value in options.items():
            command += ["--" + name] if value is True else ["--" + name, value]
        self.folder, self.process = folder, folder.start(command, "load.log")

    def line(self):
        """Waits for the next figures."""
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the load ended early: " + (self.folder.path / "load.log").read_text())
        return json.loads(line)

    def stop(self):
        self.process.terminate()
        return self.finish()

    def finish(self):
        figures = None
        for line in self.process.stdout:
            figures = json.loads(line)
        self.folder.stop(self.process)
        return figures


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit("%s did not come true within %d s" % (what, seconds))
        time.sleep(0.05)


def table(rows):
    """Prints rows of equal length, the first of them the head, as a table in Markdown."""
    rows = [
        [cell if isinstance(cell, str) else "%.1f" % cell if isinstance(cell, float) else str(cell) for cell in row]
        for row in rows
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for number, row in enumerate(rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
