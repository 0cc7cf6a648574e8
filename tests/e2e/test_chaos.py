"""A vendor on a schedule of troubles beside a sound one: what clients see, what the ledger says, what the breaker does.

MOONGATE_CHAOS is the number of requests of each run (10,000 unless set); a quarter of them are streams.
"""

import asyncio
import collections
import json
import os
import re
import subprocess
import sys
import unittest

import chaos
from processes import HERE, KEY, Gateway, die_with_parent, fetch, wait_for

REQUESTS = int(os.environ.get("MOONGATE_CHAOS", "10000"))
CONNECTIONS = 64
PROBES, MIN_CALLS, RETRIES = 3, 20, 1
HOLD = 40  # tokens, by the estimate: more than five words

POLICY = """
local policy = {}
function policy.route(req)
  return targets{ "primary/gpt-4o-mini", "secondary/%s", max_retries = %d, backoff = { base = 0.005, cap = 0.02 },
                  hold = { tokens = %d, seconds = 30 }, %s }
end
return policy
"""
CONFIG = """
circuit = { window = 2, min_calls = %d, open = 0.3, open_max = 0.6, probes = %d }
prices = { unknown_usd_per_million = 10 }
""" % (MIN_CALLS, PROBES)

# Below half of them: the breaker stays out of it for the most part.
MIXED = {
    "sound": 66,
    "slow": 3,
    "reset": 3,
    "close": 3,
    "stall": 0.5,
    "limited": 2,
    "e500": 4,
    "e503": 3,
    "e529": 3,
    "rubbish": 3,
    "not_http": 2,
    "half": 4,
    "stuck": 0.5,
    "unfinished": 2,
    "error_event": 3,
}
DOWN = ["refuse", "e500", "reset", "stall", "rubbish", "e529", "half", "not_http", "close", "unfinished"]
UNSEEN = ("connect", "reset", "hedge")  # what a call may end in before the vendor has read it
HEDGE_SHARE = 0.2


class Vendor:
    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "chaos.py"), *arguments],
            stdout=subprocess.PIPE,
            cwd=HERE,
            preexec_fn=die_with_parent,
        )
        self.port, self.control = map(int, self.process.stdout.readline().split())

    def phase(self, troubles, pace=0):
        body = json.dumps({"troubles": troubles, "pace": pace}).encode()
        fetch("http://127.0.0.1:%d/phase" % self.control, "POST", body)

    def log(self):
        return json.loads(fetch("http://127.0.0.1:%d/log" % self.control)[2])

    def calls(self):
        return int(fetch("http://127.0.0.1:%d/calls" % self.control)[2])

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


# ---- the client ----------------------------------------------------------------------------------------------------

Answer = collections.namedtuple("Answer", "nonce stream id verdict why headers")


def judge_plain(nonce, status, body):
    if status != 200:
        return "error", "%d %s" % (status, body[:200])
    try:
        choice = json.loads(body)["choices"][0]
    except (ValueError, KeyError, IndexError) as wrong:
        return "lie", repr(wrong)
    whole = choice["message"]["content"] == chaos.text(nonce) and choice["finish_reason"] == "stop"
    return ("ok", "") if whole else ("lie", body[-300:])


def read_events(body):
    """Texts, finish reasons, whether the terminator came last, and the error event if there is one."""
    texts, finishes, error = [], [], None
    events = body.decode().split("\n\n")
    for event in events:
        data = "".join(line[6:] for line in event.split("\n") if line.startswith("data: "))
        if not data or data == "[DONE]":
            continue
        value = json.loads(data)
        error = value.get("error", error)
        for choice in value.get("choices", []):
            texts.append(choice["delta"].get("content") or "")
            finishes += [choice["finish_reason"]] if choice["finish_reason"] else []
    return "".join(texts), finishes, events[-2:] == ["data: [DONE]", ""], error


def judge_stream(nonce, status, body, broken):
    """What has a terminator has to be whole; what has none has to be the beginning, and to say that it is no more."""
    if status != 200:
        return "error", "%d %s" % (status, body[:200])
    text, finishes, done, error = read_events(body)
    if done:
        whole = text == chaos.text(nonce) and finishes == ["stop"] and not error and not broken
        return ("ok", "") if whole else ("lie", "%s %s %s %r" % (finishes, error, broken, text))
    if (error or broken) and chaos.text(nonce).startswith(text):
        return "error", "broken after %d bytes: %s" % (len(text), error)
    return "lie", "no terminator: %s %s %r" % (finishes, error, text)


class Client:
    """Asks questions over connections that are kept; one answer for each question."""

    def __init__(self, gateway, model="m"):
        self.address, self.model = gateway.address.rsplit(":", 1), model
        self.answers = []

    def request(self, nonce, stream):
        body = {"model": self.model, "messages": [{"role": "user", "content": "nonce %d" % nonce}]}
        if stream:
            body.update(stream=True, stream_options={"include_usage": True})
        data = json.dumps(body).encode()
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer %s\r\n" % KEY
        return (head + "content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(data)).encode() + data

    async def read(self, reader):
        """Status, headers, body, and whether it ended early."""
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        status, body = int(lines[0].split(" ")[1]), b""
        if headers.get("transfer-encoding") != "chunked":
            return status, headers, await reader.readexactly(int(headers["content-length"])), False
        try:
            while True:
                size = int(await reader.readuntil(b"\r\n"), 16)
                body += (await reader.readexactly(size + 2))[:-2]
                if not size:
                    return status, headers, body, False
        except (asyncio.IncompleteReadError, ConnectionError):
            return status, headers, body, True

    async def ask(self, reader, writer, nonce, stream):
        """False: the connection is of no more use."""
        writer.write(self.request(nonce, stream))
        try:
            status, headers, body, broken = await self.read(reader)
        except (asyncio.IncompleteReadError, ConnectionError) as lost:
            self.answers.append(Answer(nonce, stream, None, "error", "no answer: %r" % lost, {}))
            return False
        verdict = judge_stream(nonce, status, body, broken) if stream else judge_plain(nonce, status, body)
        self.answers.append(Answer(nonce, stream, headers.get("x-request-id"), *verdict, headers))
        return not broken and headers.get("connection") != "close"

    async def connection(self, nonces):
        writer, keep = None, False
        for nonce in nonces:
            if not keep:
                reader, writer = await asyncio.open_connection(*self.address, limit=1 << 22)
            keep = await self.ask(reader, writer, nonce, nonce % 4 == 0)
            if not keep:
                writer.close()
        if writer:
            writer.close()

    def run(self, count, connections=CONNECTIONS):
        """Asks the next so many questions."""
        nonces = iter(range(len(self.answers), len(self.answers) + count))

        async def all_of_them():
            await asyncio.gather(*(self.connection(nonces) for _ in range(connections)))

        asyncio.run(all_of_them())


# ---- the runs ------------------------------------------------------------------------------------------------------


def changes(gateway):
    """The breaker's changes for the primary, in the order in which they were made."""
    events = [e for e in gateway.log_events("circuit") if e["provider"] == "primary"]
    return [(e["from"], e["to"]) for e in sorted(events, key=lambda e: e["number"])]


class Chaos(unittest.TestCase):
    hedges = 0  # for each request, at most

    def start(self, format, model, options):
        self.primary, self.secondary = Vendor("--seed", "7"), Vendor("--format", format)
        self.addCleanup(self.primary.stop)
        self.addCleanup(self.secondary.stop)
        providers = (
            'primary = { "openai", base_url = "http://127.0.0.1:%d/v1", api_key = "sk-p", '
            'timeouts = { first_byte = 0.5, idle = 0.5 } }, '
            'secondary = { "%s", base_url = "http://127.0.0.1:%d%s", api_key = "sk-s" }'
            % (self.primary.port, format, self.secondary.port, "/v1" if format == "openai" else "")
        )
        policy = POLICY % (model, RETRIES, HOLD, options)
        config = CONFIG + 'models = { m = { "primary/gpt-4o-mini", "secondary/%s" } }' % model
        self.gateway = Gateway(providers=providers, policies={"route.lua": policy}, config=config)
        self.addCleanup(self.gateway.close)
        self.gateway.start()
        self.client = Client(self.gateway)

    # ---- what has to hold after a run ----

    def check_client(self):
        verdicts = collections.Counter(a.verdict for a in self.client.answers)
        bad = [a[:5] for a in self.client.answers if a.verdict != "ok"]
        self.assertFalse([a for a in bad if a[3] == "lie"], "streams that end in a lie")
        self.assertGreaterEqual(verdicts["ok"], 0.9995 * len(self.client.answers), bad[:10])
        self.assertEqual(len({a.id for a in self.client.answers}), len(self.client.answers))

    def final_rows(self):
        wanted = {a.id for a in self.client.answers}
        wait_for(lambda: len(self.gateway.rows("final = 1")) >= len(wanted), 60, "a final row of each request")
        rows = self.gateway.rows()
        final = collections.Counter(row["request_id"] for row in rows if row["final"])
        self.assertEqual(set(final), wanted)
        self.assertEqual(set(final.values()), {1})
        return rows

    def check_rows(self):
        """Each call that a vendor saw has its row, and each row its call, but for those that never got through."""
        rows, logs = self.final_rows(), {"primary": self.primary.log(), "secondary": self.secondary.log()}
        self.assertEqual(len({(row["request_id"], row["attempt"]) for row in rows}), len(rows), "a row is doubled")
        nonces = {a.id: a.nonce for a in self.client.answers}
        for provider, log in logs.items():
            mine = [row for row in rows if row["provider"] == provider]
            ids = [row["upstream_id"] for row in mine if re.match("(openai|anthropic)-", row["upstream_id"] or "")]
            self.assertEqual(len(set(ids)), len(ids), "two rows of one call")
            self.assertLessEqual(set(ids), {call["id"] for call in log})
            least, most = collections.Counter(), collections.Counter()
            for row in mine:
                most[nonces[row["request_id"]]] += 1
                least[nonces[row["request_id"]]] += not (row["error"] in UNSEEN and not row["upstream_id"])
            seen = collections.Counter(call["nonce"] for call in log)
            # The upstream client repeats what broke on a connection that had served before: one attempt, two calls.
            repeated = collections.Counter(c["nonce"] for c in log if c["reused"] and not c["head"])
            for nonce in set(seen) | set(most):
                self.assertLessEqual(least[nonce], seen[nonce], "a row without a call, question %d" % nonce)
                self.assertLessEqual(seen[nonce] - repeated[nonce], most[nonce], "a call without a row, %d" % nonce)
        return rows

    def check_bounds(self, rows):
        factor = len(rows) / len(self.client.answers)
        self.assertLessEqual(factor, 2, "attempts for each request")
        self.assertLessEqual(max(row["attempt"] for row in rows), RETRIES + 2 + self.hedges)
        self.assertEqual(self.gateway.metric("moongate_requests_open"), 0)
        return factor

    def check_breaker(self):
        made = changes(self.gateway)
        allowed = {
            "closed": {"open"},
            "open": {"half_open"},
            "half_open": {"closed", "open"},
        }
        state = "closed"
        for before, after in made:
            self.assertEqual(before, state, made)
            self.assertIn(after, allowed[before], made)
            state = after
        self.assertEqual(state, "closed", made)
        for change in (("closed", "open"), ("open", "half_open"), ("half_open", "closed")):
            self.assertIn(change, made)
        return made

    # ---- the schedule ----

    def down(self, trouble, count):
        """All calls fail. Once the circuit has opened only probes get through."""
        before, opened = self.primary.calls(), len(changes(self.gateway))
        self.primary.phase({trouble: 1})
        self.client.run(count)
        calls = self.primary.calls() - before
        probes = sum(after == "half_open" for _, after in changes(self.gateway)[opened:])
        # What was under way when it opened counts, with retries; and each may have been repeated on a fresh connection.
        self.assertLessEqual(calls, 2 * (RETRIES + 1) * (MIN_CALLS + 2 * CONNECTIONS) + 2 * (probes + 1) * PROBES)

    def recover(self, count):
        self.primary.phase({"sound": 1})
        self.client.run(count)
        for _ in range(100):
            made = changes(self.gateway)
            if not made or made[-1][1] == "closed":
                return
            self.client.run(50, 8)
        self.fail("the circuit did not close: %s" % changes(self.gateway)[-3:])

    def schedule(self, mixed):
        cycle = max(200, REQUESTS // len(DOWN))
        for trouble in DOWN:
            self.primary.phase(mixed)
            self.client.run(cycle // 2)
            self.down(trouble, cycle // 4)
            self.recover(cycle - cycle // 2 - cycle // 4)

    def finish(self, name):
        self.check_client()
        rows = self.check_rows()
        factor, made = self.check_bounds(rows), self.check_breaker()
        verdicts = collections.Counter(a.verdict for a in self.client.answers)
        print(
            "%s: %d requests, %s, %d attempts (%.2f each), %d changes of the circuit"
            % (name, len(self.client.answers), dict(verdicts), len(rows), factor, len(made)),
            file=sys.stderr,
        )

    def test_two_targets_of_one_format(self):
        self.start("openai", "gpt-4o-mini", "")
        self.schedule(MIXED)
        self.finish("openai, openai")

    def test_streams_go_on_with_another_format(self):
        self.start("anthropic", "claude-sonnet-4-5", "continue_stream = true")
        self.schedule(dict(MIXED, late=8, half=2, sound=60))
        self.finish("openai, anthropic")
        prefixes = [call for call in self.secondary.log() if call["prefix"]]
        self.assertGreater(len(prefixes), 0, "no stream went on")

    def test_hedged(self):
        """Every kind of trouble beside a rival, which may have its own."""
        self.hedges = 2
        self.start(
            "anthropic",
            "claude-sonnet-4-5",
            "continue_stream = true, hedge_after = 0.05, hedge_share = %s" % HEDGE_SHARE,
        )
        self.secondary.phase({"sound": 7, "slow": 3})
        self.schedule(dict(MIXED, late=5, half=2, stuck=3, slow=15, sound=45))
        self.finish("hedged")
        lost = self.gateway.rows("error = 'hedge'")
        self.assertGreater(len(lost), 0, "nobody was hedged")
        # A request counts anew with each of its attempts that can be hedged.
        self.assertLessEqual(len(lost), HEDGE_SHARE * len(self.gateway.rows()))


if __name__ == "__main__":
    unittest.main()
