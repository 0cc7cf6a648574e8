"""What the simulated vendors have in common: a request as plain facts, and the answer that it gets."""

import base64
import dataclasses
import hashlib
import json
import re

RETRY_AFTER = 7  # seconds, of every 429
KEYS = {"openai": "sk-openai-e2e", "azure": "azure-e2e", "anthropic": "sk-ant-e2e", "google": "AIza-e2e"}
TROUBLES = {
    "fail 429": "rate",
    "fail 500": "server",
    "fail overloaded": "overloaded",
    "fail quota": "quota",
    "too long": "length",
    "refuse": "refuse",
    "break stream": "break",
    "error in stream": "error",
}


class Refusal(Exception):
    """An answer with an error's status."""

    def __init__(self, status, body, headers=None):
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}


@dataclasses.dataclass
class Ask:
    model: str = ""
    system: str = ""
    text: str = ""  # of the last message, if it is the user's
    results: list = dataclasses.field(default_factory=list)  # of tools, if they stand last
    images: list = dataclasses.field(default_factory=list)  # (media type, bytes) of the last message
    tools: dict = dataclasses.field(default_factory=dict)  # name: schema
    forced: str = ""  # "any", or the tool's name
    schema: dict | None = None
    thinking: bool = False
    max_tokens: int | None = None
    stop: list = dataclasses.field(default_factory=list)
    caches: bool = False  # asks for a part of it to be written to the cache
    size: int = 0  # bytes of the body


@dataclasses.dataclass
class Answer:
    text: str = ""
    thinking: str = ""
    calls: list = dataclasses.field(default_factory=list)  # (id, name, arguments)
    finish: str = "stop"  # stop, sequence, length, tools, refusal
    sequence: str = ""
    trouble: str = ""  # break, error: what happens half way
    usage: dict = dataclasses.field(default_factory=dict)

    def pieces(self):
        """Of the text, for streams: cut at spaces, and never empty."""
        return re.findall(r"\S+\s*|\s+", self.text)


def tokens(text):
    return (len(text) + 3) // 4


def signature(vendor, text):
    """What the vendor signs a thought with; a changed thought or another vendor's signature shows."""
    return base64.b64encode(hashlib.sha256(("%s signs %s" % (vendor, text)).encode()).digest()).decode()


def sample(schema):
    """A value that the schema allows, as far as simple types go."""
    schema = schema or {}
    if "enum" in schema:
        return schema["enum"][0]
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return sample(schema[word][0])
    kind = schema.get("type", "object")
    kind = (kind[0] if isinstance(kind, list) else kind).lower()
    if kind == "object":
        return {name: sample(inner) for name, inner in schema.get("properties", {}).items()}
    return {"array": lambda: [sample(schema.get("items"))], "integer": lambda: 7, "number": lambda: 1.5}.get(
        kind, {"boolean": lambda: True, "null": lambda: None}.get(kind, lambda: "moon “ü”")
    )()


def called(ask):
    """Names of the tools that the answer calls."""
    if not ask.tools or ask.results:
        return []
    if ask.forced:
        return [next(iter(ask.tools)) if ask.forced == "any" else ask.forced]
    match = re.search(r"\bcall (\w+(?: and \w+)*)", ask.text)
    return [name for name in match[1].split(" and ") if name in ask.tools] if match else []


def said(ask):
    """The whole text of the answer."""
    if ask.results:
        return "The tool said: " + "; ".join(ask.results)
    if ask.images:
        return "I see " + ", ".join("%s of %d bytes" % (kind, len(data)) for kind, data in ask.images) + "."
    if ask.schema is not None:
        return json.dumps(sample(ask.schema), ensure_ascii=False)
    return "You said: " + ask.text + (" (system: %s)" % ask.system if ask.system else "")


def cut(ask, answer):
    for word in ask.stop:
        if word in answer.text:
            answer.text, answer.finish, answer.sequence = answer.text[: answer.text.index(word)], "sequence", word
    if ask.max_tokens is not None and tokens(answer.text) > ask.max_tokens:
        answer.text, answer.finish = answer.text[: ask.max_tokens * 4], "length"


def decide(ask, vendor):
    """The answer; `vendor` has the vendor's errors by name: rate(), server(), overloaded(), quota(), length()."""
    trouble = TROUBLES.get(ask.text, "")
    if trouble in ("rate", "server", "overloaded", "quota", "length"):
        raise getattr(vendor, trouble)(ask)
    answer = Answer(trouble=trouble if trouble in ("break", "error") else "")
    if ask.thinking:
        answer.thinking = "Let me think about it: " + (ask.text or "; ".join(ask.results))
    for number, name in enumerate(called(ask)):
        seed = hashlib.sha256(("%s %d" % (ask.text, number)).encode()).hexdigest()[:20]
        answer.calls.append((seed, name, sample(ask.tools[name])))
    if trouble == "refuse":
        answer.finish = "refusal"
    elif answer.calls:
        answer.finish = "tools"
    else:
        answer.text = said(ask)
        cut(ask, answer)
    spoken = tokens(answer.text) + sum(tokens(name + json.dumps(given)) for _, name, given in answer.calls)
    size = 10 + ask.size // 4
    answer.usage = {
        "input": size,
        "cached": size // 4,
        "cache_write": size // 5 if ask.caches else 0,
        "reasoning": tokens(answer.thinking),
        "output": max(1, spoken) + tokens(answer.thinking),
    }
    return answer


def unbase64(text):
    """Bytes of either alphabet; ValueError if they are neither."""
    return base64.b64decode(text.translate(str.maketrans("-_", "+/")), validate=True)


def unknown(object, known):
    """The first member that is not known, or None."""
    return next((name for name in object if name not in known), None)


def vector(text, size):
    seed = sum(text.encode()) if isinstance(text, str) else sum(text)
    return [((seed * 31 + i * 17) % 2000 - 1000) / 1000 for i in range(size)]


def data_url(url):
    """Media type and bytes of a data URL; of another one, its ending and nothing."""
    match = re.fullmatch(r"data:([\w.+/-]+);base64,(.*)", url, re.S)
    return (match[1], base64.b64decode(match[2], validate=True)) if match else ("url", b"")
