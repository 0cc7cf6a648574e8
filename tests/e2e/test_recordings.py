"""Every recorded exchange of every vendor through the gateway, from a client of the vendor's own format: what the vendor sees,
what the client gets, and what the ledger says are compared with what was recorded."""

import collections
import json
import re
import unittest

import recordings
import recordings_usage
import replay
from processes import KEY, Gateway, fetch

NEEDED = unittest.skipUnless(recordings.present(), "no recorded traffic here (set MOONGATE_DATA to its folder)")
CONFIG = "models = { %s }\nprices = { unknown_usd_per_million = 10 }"
HEADERS = {
    "anthropic": {"x-api-key": KEY, "anthropic-version": "2023-06-01"},
    "azure": {"api-key": KEY},
    "google": {"x-goog-api-key": KEY},
    "openai": {"authorization": "Bearer " + KEY},
}
TABLE = collections.Counter()  # (vendor, operation, what): how often


def tearDownModule():
    for key in sorted(TABLE):
        print("%6d  %-10s %-22s %s" % (TABLE[key], *key))


def events(body):
    """The events of a stream, without the blank lines between."""
    return [e for e in body.replace(b"\r\n", b"\n").split(b"\n\n") if e.strip()]


def is_usage(event):
    if not event.startswith(b"data: {"):
        return False
    data = json.loads(event[6:])
    return data.get("choices") == [] and bool(data.get("usage"))


# ---- documented differences between what the client sent and what the vendor gets -----------------------------------


def usage_asked(body, place):
    """Streams of chat completions are asked for their usage, but of versions that do not know the option."""
    if place.operation != "chat/completions" or not body.get("stream") or '"2023-' in place.settings:
        return None
    options = dict(body.get("stream_options") or {}, include_usage=True)
    return dict(body, stream_options=options) if options != body.get("stream_options") else None


def deployment_named(body, place):
    """Where the path names Azure's deployment, a model in the body has the deployment's name as well."""
    if place.plugin != "azure" or body.get("model") in (None, place.model):
        return None
    return dict(body, model=place.model)


DIFFERENCES = {"usage asked for": usage_asked, "model named as its deployment": deployment_named}


def expected_path(row, place):
    """Differences: one slash for two, no query but the version and alt=sse, which streams always have."""
    path = row["path"].replace("//", "/").replace("<", "%3C").replace(">", "%3E")
    if place.plugin == "azure":
        return path + row["query"]
    return path + ("?alt=sse" if place.operation == "streamGenerateContent" else "")


def is_answer(row):
    """Or else an error; one recording has an error with the status 200."""
    return row["status"] == 200 and (row["stream"] or not json.loads(row["body"]).get("error"))


def expected_error(row):
    """The client's status, and the failure's name in the ledger."""
    error = json.loads(row["body"])["error"]
    if row["status"] == 200:
        return 502, "protocol"
    text, code = error["message"], error.get("code")
    if row["status"] in (401, 403) or "API key not valid" in text:
        return 502, "auth"
    if re.search("context window|too long|exceeds the maximum number of tokens", text):
        return row["status"], "context_length"
    if row["status"] == 404 or code == "model_not_found":
        return row["status"], "not_found"
    if row["status"] == 429:
        return (502, "quota") if "quota" in text and "limit: 0" in text else (429, "rate")
    return row["status"], "bad_request"


@NEEDED
class Recordings:
    vendor = None

    @classmethod
    def setUpClass(cls):
        cls.rows = recordings.load(cls.vendor)
        cls.groups = collections.defaultdict(list)
        cls.unserved = []
        for row in cls.rows:
            place = recordings.place(row)
            if place:
                cls.groups[place.group].append((row, place))
            else:
                cls.unserved.append(row)
        cls.upstream = replay.Upstream()
        cls.addClassCleanup(cls.upstream.stop)

    def count(self, operation, what):
        TABLE[(self.vendor, operation, what)] += 1

    # ---- what the vendor sees ---------------------------------------------------------------------------------------

    def compare_request(self, row, place, sent):
        self.assertEqual(len(self.upstream.got), 1, "one request, one call")
        method, path, headers, body = self.upstream.got[0]
        self.assertEqual((method, path), ("POST", expected_path(row, place)))
        self.assertIn(recordings.KEY, (" ".join(headers.values())))
        self.assertNotIn(KEY, " ".join(headers.values()))
        if body == sent:
            self.count(place.operation, "request: the client's bytes")
            return
        want, named = json.loads(sent), []
        for name, change in DIFFERENCES.items():
            changed = change(want, place)
            if changed is not None:
                want = changed
                named.append(name)
        self.assertEqual(json.loads(body), want)
        self.assertTrue(named, "the same values, but not the same bytes")
        self.count(place.operation, "request: the client's, but: " + ", ".join(named))

    # ---- what the client gets ---------------------------------------------------------------------------------------

    def compare_stream(self, row, place, request, body):
        operation = place.operation
        if row["body"].startswith("["):  # Gemini's, as an array
            self.assertEqual(json.loads(body), json.loads(row["body"]))
            self.count(operation, "stream: the vendor's values, as an array")
            return
        want, got = events(row["body"].encode()), events(body)
        if operation == "chat/completions" and not (request.get("stream_options") or {}).get("include_usage"):
            hidden = sum(map(is_usage, want))
            want = [e for e in want if not is_usage(e)]
            if hidden:
                self.count(operation, "stream: the usage that nobody asked for hidden")
        self.assertEqual(got, want)
        self.count(operation, "stream: the vendor's events")

    def compare_refusal(self, row, place, status, body):
        """Requests that the gateway itself sees through."""
        self.assertEqual(self.upstream.got, [])
        self.assertEqual(status, 400)
        message = json.loads(body)["error"]["message"]
        self.assertIn("'model'" if not place.model else "role", message)
        self.count(place.operation, "refused: " + ("no model" if not place.model else "by the gateway before the vendor"))

    def compare_answer(self, row, place, request, status, body):
        if not is_answer(row):
            self.compare_error(row, place, status, body)
            return
        self.assertEqual(status, 200, body[:500])
        if row["stream"]:
            self.compare_stream(row, place, request, body)
            return
        self.assertEqual(body, row["body"].encode())
        self.count(place.operation, "answer: the vendor's bytes")

    def compare_error(self, row, place, status, body):
        want, kind = expected_error(row)
        self.assertEqual(status, want, body)
        if want == row["status"] and kind != "rate":
            self.assertEqual(body, row["body"].encode())
        else:  # the gateway's own account, in its own words
            self.assertNotIn(json.loads(row["body"])["error"]["message"].encode(), body)
            self.assertTrue(json.loads(body)["error"]["message"])
        self.count(place.operation, "error: %d as %d (%s)" % (row["status"], want, kind))

    # ---- what the ledger says ---------------------------------------------------------------------------------------

    def compare_usage(self, row, place, kept, request):
        usage = recordings_usage.of(row, place.operation)
        got = {name: kept["tokens_" + name] for name in recordings_usage.NAMES}
        if place.operation in ("countTokens", "messages/count_tokens", "responses/input_tokens", "moderations"):
            self.assertEqual((sum(got.values()), kept["cost_nano_usd"]), (0, 0), "nothing that a vendor bills")
            self.count(place.operation, "ledger: not billed")
        elif usage is None:
            self.assertIn(kept["precision"], ("counted", "estimated"))
            self.assertGreater(got["input"] + got["output"], 0)
            self.count(place.operation, "ledger: the vendor states no usage")
        else:
            if usage["cached"] > usage["input"]:  # Azure's Grok counts a hidden prompt that nobody pays for
                self.count(place.operation, "ledger: cached tokens cut to the input's")
                usage["cached"] = usage["input"]
            self.assertEqual(got, usage)
            self.assertEqual(kept["cost_nano_usd"] > 0, usage["input"] + usage["output"] > 0)
            self.assertIn(kept["precision"], ("exact", "estimated"))  # estimated: charged at the ceiling's price
            self.count(
                place.operation,
                "ledger: the vendor's figures, "
                + ("priced" if kept["precision"] == "exact" else "at the price of unknown models"),
            )

    def compare_row(self, row, place, kept, request):
        self.assertEqual(len(kept), 1)
        kept = kept[0]
        self.assertEqual((kept["final"], kept["provider"], kept["model"]), (1, "vendor", place.model))
        if is_answer(row):
            self.assertEqual((kept["outcome"], kept["http_status"], kept["error"]), ("ok", 200, None))
            self.assertEqual(kept["stream"], int(row["stream"]))
            self.compare_usage(row, place, kept, request)
        else:
            status, kind = expected_error(row)
            self.assertEqual((kept["outcome"], kept["http_status"], kept["error"]), ("error", status, kind))

    # ---- the tests --------------------------------------------------------------------------------------------------

    def one(self, gateway, row, place, request):
        sent = json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()
        self.upstream.play(row)
        headers = dict(HEADERS[place.plugin], **{"content-type": "application/json"})
        status, headers, body = fetch(gateway.url + place.route, "POST", sent, headers)
        if not self.upstream.got:
            self.compare_refusal(row, place, status, body)
            return None
        self.compare_request(row, place, sent)
        self.compare_answer(row, place, request, status, body)
        names = ("x-request-id", "request-id", "apim-request-id")
        given = next((row["headers"][name] for name in names if row["headers"].get(name)), None)
        if given and is_answer(row):
            self.assertEqual(headers["x-moongate-upstream-request-id"], given)
        return headers["x-request-id"], row, place, request

    def run_group(self, pairs, request_of=lambda row: row["request"]):
        """Every request; then, when the ledger has them, every row."""
        done, first = [], pairs[0][1]
        names = sorted({place.model for _, place in pairs if place.model})
        models = "".join('["%s"] = "vendor/%s", ' % (name, name) for name in names)
        gateway = Gateway(providers=first.provider(self.upstream.port), config=CONFIG % models)
        try:
            gateway.start()
            for row, place in pairs:
                with self.subTest(recording=row["id"], path=row["path"]):
                    done.append(self.one(gateway, row, place, request_of(row)))
            for id, row, place, request in filter(None, done):
                with self.subTest(recording=row["id"], path=row["path"], ledger=True):
                    self.compare_row(row, place, gateway.request_rows(id), request)
        finally:
            gateway.close()
        self.assertEqual(len(done), len(pairs))

    def test_every_recording(self):
        for pairs in self.groups.values():
            answered = [(row, place) for row, place in pairs if is_answer(row)]
            if answered:
                self.run_group(answered)
            for row, place in pairs:
                if not is_answer(row):
                    self.run_group([(row, place)])  # on its own: a key that is refused rests for a while
        for row in self.unserved:
            known = isinstance(row["request"], dict) or row["method"] == "GET"
            self.count("-", "no such route here" if known else "no request in the recording")


class OpenAI(Recordings, unittest.TestCase):
    vendor = "openai"

    def test_streams_whose_usage_nobody_asked_for(self):
        pairs = [
            (row, place)
            for pairs in self.groups.values()
            for row, place in pairs
            if row["stream"] and (row["request"].get("stream_options") or {}).get("include_usage")
        ]
        before = TABLE[(self.vendor, "chat/completions", "stream: the usage that nobody asked for hidden")]
        self.run_group(pairs, lambda row: {k: v for k, v in row["request"].items() if k != "stream_options"})
        hidden = TABLE[(self.vendor, "chat/completions", "stream: the usage that nobody asked for hidden")] - before
        self.assertGreaterEqual(hidden, len(pairs) // 2)

    def test_routes_that_are_not_served(self):
        """Said so, in OpenAI's form; the list of models is the gateway's own."""
        gateway = Gateway(providers='vendor = { "demo" }')
        self.addCleanup(gateway.close)
        gateway.start()
        for row in self.unserved:
            with self.subTest(path=row["path"]):
                body = json.dumps(row["request"]).encode() if row["request"] else None
                status, _, body = fetch(gateway.url + row["path"], row["method"], body, HEADERS["openai"])
                if row["path"] == "/v1/models":
                    self.assertEqual((status, json.loads(body)["object"]), (200, "list"))
                else:
                    self.assertEqual((status, json.loads(body)["error"]["code"]), (404, "unknown_route"))


class Azure(Recordings, unittest.TestCase):
    vendor = "azure"


class Anthropic(Recordings, unittest.TestCase):
    vendor = "anthropic"


class Gemini(Recordings, unittest.TestCase):
    vendor = "gemini"


if __name__ == "__main__":
    unittest.main()
