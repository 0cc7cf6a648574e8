"""The official clients for Python, each against each vendor: every client's format, every provider's protocol.

The vendors are simulated (vendors.py) and as strict as the real ones, so that a request that a vendor would refuse
fails here. At the end a table says what worked: a line for each case, a column for each client and vendor ("no":
refused as it should be; "est": counted by the gateway; "-": the client has no such thing)."""

import itertools
import json
import struct
import sys
import unittest
import zlib

import clients
from clients import Tool
from processes import KEY, Gateway, wait_for
from vendors import Vendors, provider, providers
from vendors_ask import KEYS, signature, vector

MODELS = {
    "openai": "gpt-4o-mini",
    "azure": "gpt-4o",
    "anthropic": "claude-sonnet-4-5",
    "google": "gemini-2.5-flash",
}
THINKERS = {"openai": "gpt-5-mini", "azure": "gpt-5-mini", "anthropic": "claude-sonnet-4-5",
            "google": "gemini-3-pro-preview"}  # fmt: skip
EMBEDDERS = {"openai": "text-embedding-3-small", "azure": "text-embedding-3-small", "google": "gemini-embedding-001"}

OPEN = {"type": "object", "properties": {"date": {"type": "string"}, "days": {"type": "integer"}}}
PHASE = Tool("get_phase", dict(OPEN, required=["date", "days"], additionalProperties=False))
TIDE = Tool("get_tide", {"type": "object", "properties": {"place": {"enum": ["Brest", "Bergen"], "type": "string"}}})
PHASE_ARGUMENTS, TIDE_ARGUMENTS = {"date": "moon “ü”", "days": 7}, {"place": "Brest"}
SCHEMA = {
    "type": "object",
    "properties": {
        "body": {"type": "string"},
        "visited": {"type": "boolean"},
        "craters": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"km": {"type": "number"}},
                "required": ["km"],
                "additionalProperties": False,
            },  # fmt: skip
        },
    },
    "required": ["body", "visited", "craters"],
    "additionalProperties": False,
}
TEXT = "How far is the moon? “384.400 km”, größtenteils 🌕"


def png():
    """One red pixel."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")


# Calls that fail stop the target or the key for a while: each gets a provider of its own.
TROUBLES = ("rate", "rate_stream", "server", "overloaded", "long", "quota", "break", "error", "unknown")


def spare(trouble, client, vendor):
    return "%s_%s_%s" % (trouble, client, vendor)


class Case:
    """One client against one vendor: `t` is the test, which counts what is asked."""

    def __init__(self, test, maker, vendor, name):
        self.t, self.vendor = test, vendor
        self.user = "%s-%s-%s" % (maker.name, vendor, name)
        headers = {"x-moongate-user": self.user, "x-moongate-cache": "off"}
        self.maker, self.headers = maker, headers
        self.client = self.connect(KEY)
        self.calls = 0

    def connect(self, key):
        client = self.maker(self.t.gateway.url, key, self.headers)
        self.t.addCleanup(client.close)
        return client

    def model(self, name=None, provider=None):
        """The name to ask for; Azure's client writes it into a path, where it can hold no slash."""
        target = "%s/%s" % (provider or self.vendor, name or MODELS[self.vendor])
        return target.replace("/", "--") if self.maker is clients.Azure else target

    def ask(self, turns, model=None, **options):
        self.calls += 1
        return self.client.ask(model or self.model(), turns, **options)

    def say(self, text, **options):
        return self.ask(self.client.user(text), **options)

    def usage(self, *replies):
        """What the client was told is what the vendor said, and so is the ledger, which knows what it cost."""
        told = [entry["usage"] for entry in self.t.vendors.log()]
        self.t.assertEqual(len(told), len(replies))
        for reply, usage in zip(replies, told):
            self.t.assertEqual(reply.usage, {name: usage[name] for name in reply.usage})
        rows = self.rows(len(replies))
        for row, usage in zip(rows, told):
            told_row = {name: row["tokens_" + name] for name in usage}
            self.t.assertEqual(told_row, usage, "the ledger's tokens")
            self.t.assertEqual((row["outcome"], row["precision"], row["final"]), ("ok", "exact", 1))
            self.t.assertEqual((row["provider"], row["org_ref"]), (self.vendor, "acme"))
            self.t.assertGreater(row["cost_nano_usd"], 0)
            self.t.assertIsNotNone(row["upstream_id"])
        return rows

    def rows(self, count):
        def found():
            rows = self.t.gateway.rows("user_ref = ?", (self.user,))
            return rows if len(rows) >= count else None

        return wait_for(found, 10, "%d row(s) of %s" % (count, self.user))

    def fails(self, name, codes, act, **more):
        """The act raises the client's error of that name with one of the statuses; nothing of ours leaks."""
        client = more.get("client", self.client)
        with self.t.assertRaises(getattr(client.sdk, name)) as caught:
            act()
        error = caught.exception
        self.t.assertIn(client.code(error), codes, str(error))
        text = str(error)
        for secret in (str(self.t.vendors.port), *KEYS.values()):
            self.t.assertNotIn(secret, text)
        return error


# ---- cases: texts ------------------------------------------------------------------------------------------------


def plain(c):
    reply = c.say(TEXT)
    c.t.assertEqual((reply.text, reply.finish, reply.calls), ("You said: " + TEXT, "stop", []))
    c.usage(reply)


def stream(c):
    reply = c.say(TEXT, stream=True)
    c.t.assertEqual((reply.text, reply.finish, reply.calls), ("You said: " + TEXT, "stop", []))
    row = c.usage(reply)[0]
    c.t.assertEqual(row["stream"], 1)
    c.t.assertIsNotNone(row["ttft_ms"])


def system(c):
    reply = c.say(TEXT, system="Be “brief”.")
    c.t.assertEqual(reply.text, "You said: %s (system: Be “brief”.)" % TEXT)
    c.usage(reply)


def history(c):
    user = c.client.user
    first = c.ask(user("one"))
    second = c.ask(user("one") + first.turn + user("two"), stream=True)
    c.t.assertEqual(second.text, "You said: two")
    sent = json.dumps(c.t.vendors.log()[-1]["body"])
    c.t.assertLess(sent.index("one"), sent.index("You said: one"))
    c.usage(first, second)


def length(c):
    reply = c.say(TEXT, max_tokens=4)
    c.t.assertEqual((reply.text, reply.finish), (("You said: " + TEXT)[:16], "length"))
    streamed = c.say(TEXT, max_tokens=4, stream=True)
    c.t.assertEqual((streamed.text, streamed.finish), (reply.text, "length"))
    c.usage(reply, streamed)


def stop(c):
    if not c.client.stops:
        return "-"
    reply = c.say(TEXT, stop=["384"])
    c.t.assertEqual((reply.text, reply.finish), (("You said: " + TEXT).split("384")[0], "stop"))
    c.usage(reply)


def image(c):
    data = png()
    turn = c.client.user("What is this?", [("image/png", data)])
    reply = c.ask(turn)
    c.t.assertEqual(reply.text, "I see image/png of %d bytes." % len(data))
    c.usage(reply)


def structured(c):
    for reply in (c.say("Describe it.", schema=SCHEMA), c.say("Describe it.", schema=SCHEMA, stream=True)):
        found = json.loads(reply.text)
        c.t.assertEqual(found, {"body": "moon “ü”", "visited": True, "craters": [{"km": 1.5}]})


# ---- cases: tools ------------------------------------------------------------------------------------------------


def round_trip(c, stream, **options):
    """Two calls at once, their results, the answer to them; then another round on top of that."""
    tools, results = [PHASE, TIDE], ["full “●”", "high"]
    turns = c.client.user("please call get_phase and get_tide")
    first = c.ask(turns, tools=tools, stream=stream, **options)
    c.t.assertEqual([(name, given) for _, name, given in first.calls],
                    [("get_phase", PHASE_ARGUMENTS), ("get_tide", TIDE_ARGUMENTS)])  # fmt: skip
    c.t.assertEqual(first.finish, "tools")
    turns += first.turn + c.client.results([(i, n, text) for (i, n, _), text in zip(first.calls, results)])
    second = c.ask(turns, tools=tools, stream=stream, **options)
    c.t.assertEqual((second.text, second.finish), ("The tool said: full “●”; high", "stop"))
    turns += second.turn + c.client.user("now call get_tide")
    third = c.ask(turns, tools=tools, stream=stream, **options)
    c.t.assertEqual([name for _, name, _ in third.calls], ["get_tide"])
    return first, second, third


def tools(c):
    c.usage(*round_trip(c, stream=False))


def tools_stream(c):
    c.usage(*round_trip(c, stream=True))


THOUGHT = "Let me think about it: please call get_phase and get_tide"


def thinking(c, stream=False):
    replies = round_trip(c, stream, model=c.model(THINKERS[c.vendor]), thinking=True)
    asked = c.maker not in (clients.Chat, clients.Azure) or c.vendor == "anthropic"  # chat can't ask to see thoughts
    if c.vendor in ("anthropic", "google") and asked:
        c.t.assertEqual(replies[0].thinking, THOUGHT)
    c.usage(*replies)
    for row in c.rows(3):
        c.t.assertGreater(row["tokens_reasoning"], 0)
    if c.vendor == "google":
        sent = json.dumps(c.t.vendors.log()[-1]["body"]).translate(str.maketrans("-", "+"))  # either alphabet
        sent = sent.replace("_", "/")
        c.t.assertIn(signature("google", "call get_phase"), sent, "the call's own signature has come back")
        c.t.assertNotIn("skip/thought", sent)
    if c.vendor == "anthropic":
        c.t.assertIn(signature("anthropic", THOUGHT), json.dumps(c.t.vendors.log()[-1]["body"]))


def thinking_stream(c):
    thinking(c, stream=True)


def handover(c):
    """A conversation with thoughts and calls of this vendor's is taken up by each of the others, and taken back."""
    turns = c.client.user("please call get_phase and get_tide")
    first = c.ask(turns, tools=[PHASE, TIDE], model=c.model(THINKERS[c.vendor]), thinking=True)
    turns += first.turn + c.client.results([(i, n, "done") for i, n, _ in first.calls])
    for vendor in [*MODELS, c.vendor]:
        for stream in (False, True):
            model = c.model(THINKERS[vendor], vendor)
            reply = c.ask(turns, tools=[PHASE, TIDE], model=model, thinking=True, stream=stream)
            c.t.assertEqual(reply.text, "The tool said: done; done", vendor)
            after = turns + reply.turn + c.client.user("call get_tide")
        reply = c.ask(after, tools=[PHASE, TIDE], model=c.model(THINKERS[c.vendor]), thinking=True)
        c.t.assertEqual([name for _, name, _ in reply.calls], ["get_tide"], vendor)


# ---- cases: other operations -------------------------------------------------------------------------------------


def embeddings(c):
    if not c.client.embeds:
        return "-"
    if c.vendor not in EMBEDDERS:
        c.fails("BadRequestError", (400,), lambda: c.client.embed(c.model(), ["a"]))
        return "no"
    vectors, count = c.client.embed(c.model(EMBEDDERS[c.vendor]), ["moon", "gate “ü”"])
    c.t.assertEqual(len(vectors), 2)
    for text, found in zip(("moon", "gate “ü”"), vectors):
        for a, b in zip(vector(text, len(found)), found):
            c.t.assertAlmostEqual(a, b, places=5)
    usage, row = c.t.vendors.log()[-1]["usage"], c.rows(1)[0]
    c.t.assertEqual((row["operation"], row["provider"], row["outcome"]), ("embeddings", c.vendor, "ok"))
    c.t.assertGreater(row["cost_nano_usd"], 0)
    if c.vendor != "google":  # Gemini does not say what embeddings cost
        c.t.assertEqual((row["tokens_input"], row["precision"]), (usage["input"], "exact"))
        c.t.assertIn(count, (usage["input"], None))


def count(c):
    if not c.client.counts:
        return "-"
    number = c.client.count(c.model(), c.client.user(TEXT))
    counted = [entry["counted"] for entry in c.t.vendors.log()]
    if counted:
        c.t.assertEqual([number], counted)
    else:
        c.t.assertTrue(5 < number < 60, number)
        return "est"


def moderations(c):
    if c.maker is not clients.Chat or c.vendor != "openai":
        return "-"
    result = c.client.client.moderations.create(model=c.model("omni-moderation-latest"), input=["peace", "violence"])
    c.t.assertEqual([r.flagged for r in result.results], [False, True])


def models(c):
    names = c.client.models()
    c.t.assertIn("%s/%s" % (c.vendor, MODELS[c.vendor]), names)


# ---- cases: failures ---------------------------------------------------------------------------------------------


def wrong_key(c):
    client = c.connect("mg-wrong")
    codes = (400, 401) if c.maker is clients.Gemini else (401,)
    c.fails("AuthenticationError", codes, lambda: client.ask(c.model(), client.user("hi")), client=client)
    c.t.assertEqual(c.t.vendors.log(), [])


def unknown_model(c):
    c.fails("NotFoundError", (404,), lambda: c.say("hi", model="no-such-model"))
    c.t.assertEqual(c.t.vendors.log(), [])
    model = c.model("no-such-model", spare("unknown", c.maker.name, c.vendor))
    c.fails("NotFoundError", (404,), lambda: c.say("hi", model=model))
    c.t.assertEqual(len(c.t.vendors.log()), 1)


def malformed(c):
    c.fails("BadRequestError", (400,), lambda: c.client.malformed(c.model()))
    c.t.assertEqual(c.t.vendors.log(), [])


def stray_result(c):
    c.fails("BadRequestError", (400,), lambda: c.client.stray(c.model()))


def in_trouble(c, trouble):
    return c.model(provider=spare(trouble, c.maker.name, c.vendor))


def rate_limit(c):
    for stream in (False, True):
        model = in_trouble(c, "rate_stream" if stream else "rate")
        error = c.fails("RateLimitError", (429,), lambda: c.say("fail 429", model=model, stream=stream))
        c.t.assertEqual(c.client.retry_after(error), "7")
        c.t.assertEqual(len(c.t.vendors.log()), 1, "a wait of 7 s is the client's")
        c.t.vendors.clear()


def quota(c):
    """Nobody's fault but the operator's: the client's own money is not spent."""
    c.fails("InternalServerError", (502,), lambda: c.say("fail quota", model=in_trouble(c, "quota")))


REFUSALS = {clients.Messages: "refusal", clients.Gemini: "SAFETY"}


def refusal(c):
    for stream in (False, True):
        reply = c.say("refuse", stream=stream)
        c.t.assertEqual((reply.text, reply.finish), ("", REFUSALS.get(c.maker, "content_filter")))


def server_error(c):
    for stream in (False, True):
        c.fails("InternalServerError", (500, 502),
                lambda: c.say("fail 500", model=in_trouble(c, "server"), stream=stream))  # fmt: skip


def overloaded(c):
    codes = (529,) if c.maker is clients.Messages else (503,)
    c.fails("InternalServerError", codes, lambda: c.say("fail overloaded", model=in_trouble(c, "overloaded")))


def too_long(c):
    error = c.fails("BadRequestError", (400,), lambda: c.say("too long", model=in_trouble(c, "long")))
    if c.maker in (clients.Chat, clients.Azure, clients.Responses):
        c.t.assertEqual(error.code, "context_length_exceeded")


def broken(c):
    for number, (text, trouble) in enumerate((("break stream", "break"), ("error in stream", "error"))):
        with c.t.assertRaises(c.client.broken) as caught:
            c.say(text, model=in_trouble(c, trouble), stream=True)
        c.t.assertNotIsInstance(caught.exception, AssertionError, "the client itself has to notice")
        rows = c.rows(number + 1)
        c.t.assertNotIn("ok", [row["outcome"] for row in rows])
        with c.t.assertRaises(c.client.broken):
            c.say(text, model=in_trouble(c, trouble))


CASES = (
    plain, stream, system, history, length, stop, image, structured, tools, tools_stream, thinking, thinking_stream,
    handover, embeddings, count, moderations, models, wrong_key, unknown_model, malformed, stray_result, refusal,
    rate_limit, quota, server_error, overloaded, too_long, broken,
)  # fmt: skip


# ---- the matrix --------------------------------------------------------------------------------------------------


def config(port):
    """Providers for all troubles, and names without a slash for all targets."""
    more, names = [providers(port)], []
    for trouble, client, vendor in itertools.product(TROUBLES, clients.CLIENTS, MODELS):
        more.append("%s = %s" % (spare(trouble, client.name, vendor), provider(vendor, port)))
    for vendor in MODELS:
        models = {MODELS[vendor], THINKERS[vendor], EMBEDDERS.get(vendor, MODELS[vendor])}
        names += ["%s/%s" % (vendor, model) for model in models]
        for trouble in TROUBLES:
            model = "no-such-model" if trouble == "unknown" else MODELS[vendor]
            names.append("%s/%s" % (spare(trouble, "azure", vendor), model))
    table = ", ".join('["%s"] = "%s"' % (name.replace("/", "--"), name) for name in names)
    return ", ".join(more), "models = { %s }" % table


class Clients(unittest.TestCase):
    table = {}

    @classmethod
    def setUpClass(cls):
        cls.vendors = Vendors()
        cls.addClassCleanup(cls.vendors.stop)
        lines, more = config(cls.vendors.port)
        cls.gateway = Gateway(providers=lines, config=more)
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.start()
        cls.addClassCleanup(cls.show)

    def setUp(self):
        self.vendors.clear()

    @classmethod
    def show(cls):
        ways = sorted(cls.table)
        head = "%-16s" % "" + "".join("%-11s" % client for client, _ in ways)
        lines = ["", head, "%-16s" % "case" + "".join("> %-9s" % vendor for _, vendor in ways)]
        for case in (case.__name__ for case in CASES):
            lines.append("%-16s" % case + "".join("  %-9s" % cls.table[way].get(case, "") for way in ways))
        print("\n".join(lines), file=sys.stderr)


def add(maker, vendor, case):
    def test(self):
        row = self.table.setdefault((maker.name, vendor), {})
        row[case.__name__] = "FAIL"
        row[case.__name__] = case(Case(self, maker, vendor, case.__name__)) or "ok"

    setattr(Clients, "test_%s_%s_%s" % (maker.name, vendor, case.__name__), test)


for _maker, _vendor, _case in itertools.product(clients.CLIENTS, MODELS, CASES):
    add(_maker, _vendor, _case)


if __name__ == "__main__":
    unittest.main()
