"""Malformed requests made from good ones. A class is a name, the statuses that it may get, whether the connection goes
on afterwards, and a generator of the request's bytes. None for a status: the connection is closed without an answer.
The classes are registered by malformed_bodies and malformed_framing."""

import json
import random

from processes import KEY
from wire import post

CHAT = "/v1/chat/completions"
MODEL = "openai/gpt-4o-mini"
GOOD = {
    "model": MODEL,
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How far is the moon? é ☾"}],
    "temperature": 0.5,
    "max_tokens": 20,
    "stream": False,
    "metadata": {"a": "b"},
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
}
SMUGGLED = b"GET /v1/models HTTP/1.1\r\nhost: smuggled\r\nauthorization: Bearer " + KEY.encode() + b"\r\n\r\n"
CLASSES = []


def malformed(name, statuses, keeps=True, share=1):
    """Registers a generator: `share` weighs how many of all requests it makes."""

    def register(make):
        CLASSES.append((name, statuses, keeps, share, make))
        return make

    return register


def text():
    return json.dumps(GOOD, ensure_ascii=False).encode()


def with_body(body, headers=()):
    return post(CHAT, body, KEY, headers)


def head(lines, body=b"", newline=b"\r\n"):
    return (
        newline.join(line if isinstance(line, bytes) else line.encode("latin-1") for line in lines) + newline * 2 + body
    )


def good_lines(body, *more):
    return [
        "POST %s HTTP/1.1" % CHAT,
        "host: gateway",
        "authorization: Bearer " + KEY,
        "content-type: application/json",
        "content-length: %d" % len(body),
        *more,
    ]


def everything(count, seed=2000):
    """`count` requests over all classes, by their shares; the same ones for the same seed."""
    chance = random.Random(seed)
    total = sum(c[3] for c in CLASSES)
    for name, statuses, keeps, share, make in CLASSES:
        for _ in range(max(1, round(count * share / total))):
            yield name, statuses, keeps, make(chance)
