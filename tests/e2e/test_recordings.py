"""Every recorded OpenAI chat and embeddings exchange through the gateway: what the vendor sees, what the client gets,
and what the ledger says are compared with what was recorded."""

import base64
import collections
import json
import unittest

import recordings
from processes import KEY, GatewayTest, fetch, wait_for

NEEDED = unittest.skipUnless(recordings.path().exists(), "no recorded traffic here (set MOONGATE_DATA to its folder)")


def events(body):
    """The events of a stream, without the blank lines between."""
    return [e for e in body.replace(b"\r\n", b"\n").split(b"\n\n") if e.strip()]


def is_usage(event):
    if not event.startswith(b"data: {"):
        return False
    data = json.loads(event[6:])
    return data.get("choices") == [] and bool(data.get("usage"))


def recorded_usage(row):
    """Input, output and cached tokens that the recording states, or None."""
    if row["stream"]:
        usages = [json.loads(e[6:]).get("usage") for e in events(row["body"].encode()) if e.startswith(b"data: {")]
        usage = next((u for u in reversed(usages) if u), None)
    else:
        usage = json.loads(row["body"]).get("usage")
    if not usage:
        return None
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return usage["prompt_tokens"], usage.get("completion_tokens") or 0, cached


@NEEDED
class Recordings(GatewayTest):
    recordings = True

    @classmethod
    def setUpClass(cls):
        cls.rows = recordings.load()
        models = sorted({row["request"]["model"] for row in cls.rows})
        table = "".join('["%s"] = "openai/%s", ' % (m, m) for m in models)
        cls.config = "models = { %s }\nprices = { unknown_usd_per_million = 10 }" % table
        super().setUpClass()
        listed = json.loads(fetch(cls.gateway.url + "/v1/models", headers={"authorization": "Bearer " + KEY})[2])
        cls.priced = {model["id"] for model in listed["data"]}

    def setUp(self):
        super().setUp()
        self.counts = collections.Counter()

    def compare_request(self, row, sent):
        want, got = row["request"], json.loads(sent)
        if row["stream"]:
            self.assertIs(got["stream_options"].pop("include_usage"), True)
            want = dict(
                want,
                stream_options={k: v for k, v in (want.get("stream_options") or {}).items() if k != "include_usage"},
            )
        self.assertEqual(got, want)

    def compare_stream(self, row, body, asked):
        want, got = events(row["body"].encode()), events(body)
        if not asked:
            self.counts["usage chunks hidden"] += sum(map(is_usage, want))
            want = [e for e in want if not is_usage(e)]
        self.assertEqual(got, want)

    def compare_row(self, row, kept):
        self.assertEqual(len(kept), 1)
        kept, usage = kept[0], recorded_usage(row) if row["status"] == 200 else None
        status = 502 if row["status"] in (401, 403) else row["status"]
        self.assertEqual((kept["final"], kept["http_status"], kept["stream"]), (1, status, int(row["stream"])))
        self.assertEqual(kept["outcome"], "ok" if row["status"] == 200 else "error")
        if usage:
            self.assertEqual((kept["tokens_input"], kept["tokens_output"], kept["tokens_cached"]), usage)
            priced = "openai/" + row["request"]["model"] in self.priced
            self.assertEqual(
                kept["precision"], "exact" if priced else "estimated", "tokens are exact, a ceiling price is none"
            )
            self.counts["rows with the vendor's own figures"] += 1
        elif row["status"] == 200:
            self.assertEqual(kept["precision"], "counted")
            self.assertGreater(kept["tokens_input"] + kept["tokens_output"], 0)
            self.counts["rows counted by the gateway"] += 1

    def exchange(self, request, path):
        """Sends a request; the recording that the vendor answered with is the one to compare."""
        sent = json.dumps(request, ensure_ascii=False).encode()
        status, headers, body = self.gateway.post(path, sent)
        entry = self.vendor.log()[-1]
        self.vendor.clear()
        row = next(r for r in self.rows if r["index"] == entry.get("recording"))
        self.compare_request(row, base64.b64decode(entry["body"]))
        if not row["stream"]:
            self.assertEqual(base64.b64decode(entry["body"]), sent, "bytes that nothing changed stay as they are")
        self.assertEqual(headers["x-moongate-upstream-request-id"], "rec-%d" % row["index"])
        return row, status, headers["x-request-id"], body

    def one(self, request, path):
        """One exchange; the request's id and its recording, whose row is looked at later."""
        row, status, id, body = self.exchange(request, path)
        self.counts["  %s %d%s" % (row["path"][4:], row["status"], " stream" if row["stream"] else "")] += 1
        if row["status"] in (401, 403):  # the gateway's own account: not the client's business
            self.assertEqual(status, 502)
            self.assertNotIn(b"sk-", body)
            return id, row
        self.assertEqual(status, row["status"])
        if row["stream"]:
            self.compare_stream(row, body, (request.get("stream_options") or {}).get("include_usage"))
        else:
            self.assertEqual(body, row["body"].encode())
        return id, row

    def run_all(self, requests):
        """Every request; then, when the ledger has them, every row."""
        done = []
        for request, path in requests:
            with self.subTest(request=str(request)[:300]):
                done.append(self.one(request, path))
        wait_for(lambda: len(self.gateway.rows("request_id = ?", (done[-1][0],))), 5, "the last row")
        for id, row in done:
            with self.subTest(recording=row["id"]):
                self.compare_row(row, self.gateway.request_rows(id))
        print()
        for what, count in sorted(self.counts.items()):
            print("  %6d %s" % (count, what))
        self.assertEqual(len(done), len(requests))

    def test_every_recording(self):
        self.run_all([(row["request"], row["path"]) for row in self.rows])

    def test_streams_whose_usage_nobody_asked_for(self):
        streams = [
            row
            for row in self.rows
            if row["stream"] and (row["request"].get("stream_options") or {}).get("include_usage")
        ]
        self.run_all(
            [({k: v for k, v in row["request"].items() if k != "stream_options"}, row["path"]) for row in streams]
        )
        self.assertGreaterEqual(self.counts["usage chunks hidden"], len(streams) // 2)


if __name__ == "__main__":
    unittest.main()
