"""Malformed bodies, and requests for what is not there. The framing is right, so the connection goes on."""

import json

from malformed import GOOD, good_lines, head, malformed, text, with_body
from processes import KEY


@malformed("truncated JSON", {400}, share=5)
def truncated(chance):
    body = text()
    return with_body(body[: chance.randrange(0, len(body))])


@malformed("wrong types", {400}, share=6)
def wrong_types(chance):
    wrong = {
        "model": [5, None, [], {}, True, ""],
        "messages": [
            5,
            "hello",
            {},
            None,
            [],
            [5],
            ["x"],
            [None],
            [{}],
            [{"role": 5, "content": "x"}],
            [{"role": "king", "content": "x"}],
            [{"role": "user", "content": 5}],
            [{"role": "user", "content": {"a": 1}}],
            [[GOOD["messages"][0]]],
        ],
        "temperature": ["hot", [], {}, True],
        "max_tokens": ["20", [], {}, True, 0, -1, 1.5, 1e99],
        "stream": ["yes", 1, 0, [], {}],
        "n": ["1", -3, 0, 2.5, []],
        "tools": ["f", 5, {}, True],
        "metadata": ["m", 5, []],
        "top_p": ["x", []],
        "stop": [5, True, {}],
        "response_format": ["json", 5, []],
        "stream_options": ["x", 5, [], True],
        "user": [5, [], {}],
        "logprobs": ["x", 1],
        "seed": ["x", []],
        "max_completion_tokens": [0, -5, "x", 1e40],
        "tool_choice": [5, True, []],
        "presence_penalty": ["x"],
        "frequency_penalty": [{}],
    }
    name = chance.choice(sorted(wrong))
    return with_body(json.dumps(dict(GOOD, **{name: chance.choice(wrong[name])})).encode())


@malformed("no object", {400}, share=1)
def no_object(chance):
    return with_body(chance.choice([b"[]", b"null", b"5", b'"text"', b"true", b"[{}]", b"[" + text() + b"]"]))


@malformed("missing fields", {400}, share=1)
def missing(chance):
    body = dict(GOOD)
    del body[chance.choice(["model", "messages"])]
    return with_body(json.dumps(body).encode())


@malformed("deep nesting", {400}, share=2)
def deep(chance):
    depth = chance.choice([1100, 5000, 40000])
    opening, closing = chance.choice([(b"[", b"]"), (b'{"a":', b"}")])
    inside = opening * depth + (b"1" + closing * depth if chance.random() < 0.7 else b"")
    return with_body(text()[:-1] + b', "deep": ' + inside + b"}")


@malformed("bad UTF-8", {400}, share=3)
def bad_utf8(chance):
    bad = chance.choice(
        [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\x80", b"\xe2\x82", b"\xf0\x9f\x8c", b"\xc3("]
    )
    where = chance.choice([b"How far", b"Be brief", b"metadata", b"gpt-4o"])
    return with_body(text().replace(where, where[:2] + bad + where[2:]))


@malformed("bad escapes", {400}, share=2)
def bad_escapes(chance):
    bad = chance.choice(
        [b"\\x41", b"\\u12", b"\\ud800", b"\\udc00 x", b"\\uZZZZ", b"\\", b"\\'", b"\x00", b"\x1f", b"\n", b"\t"]
    )
    return with_body(text().replace(b"How far", b"How " + bad + b" far"))


@malformed("huge numbers", {400}, share=2)
def huge_numbers(chance):
    number = chance.choice(
        [b"9" * 400, b"1e999", b"-1e999", b"9" * 30, b"1e30", b"-9223372036854775809", b"1" + b"0" * 5000]
    )
    return with_body(text().replace(b'"max_tokens": 20', b'"max_tokens": ' + number))


@malformed("bad numbers", {400}, share=1)
def bad_numbers(chance):
    number = chance.choice([b"01", b"+1", b".5", b"1.", b"1e", b"0x10", b"NaN", b"Infinity", b"-", b"1_000", b"--1"])
    return with_body(text().replace(b"0.5", number))


@malformed("duplicate keys", {400}, share=3)
def duplicate(chance):
    key = chance.choice(["model", "messages", "stream", "max_tokens", "metadata", "temperature"])
    again = json.dumps({key: GOOD[key]})[1:-1].encode()
    if chance.random() < 0.3:
        again = again.replace(b'"' + key[:1].encode(), b'"\\u%04x' % ord(key[0]), 1)  # the same key, written otherwise
    if chance.random() < 0.3:
        return with_body(text().replace(b'"a": "b"', b'"a": "b", "a": "c"'))
    return with_body(text()[:-1] + b", " + again + b"}")


@malformed("rubbish around", {400}, share=2)
def around(chance):
    before, after = chance.choice(
        [
            (b"", b"}"),
            (b"", b" {}"),
            (b"", b"x"),
            (b"\xef\xbb\xbf", b""),
            (b"//c\n", b""),
            (b"", b","),
            (b"\x00", b""),
            (b"", b"\x00"),
        ]
    )
    return with_body(before + text() + after)


@malformed("no JSON at all", {400}, share=1)
def no_json(chance):
    return with_body(
        chance.choice(
            [
                b"",
                b" ",
                b"\r\n\r\n",
                b"model=x&messages=y",
                b"<xml/>",
                b"'a'",
                b"{'a': 1}",
                b"{a: 1}",
                b"[1,]",
                b'{"a":1,}',
                bytes(chance.randrange(256) for _ in range(64)) + b"\xff",
            ]
        )
    )


@malformed("unknown model", {404}, share=1)
def unknown_model(chance):
    names = [
        "nope",
        "nope/gpt-4o",
        "gpt-9-imaginary",
        "../../etc/passwd",
        "openai",
        "x" * 5000,
        'a"b\\c',
        "mod\u0000el",
        "☾",
    ]
    return with_body(json.dumps(dict(GOOD, model=chance.choice(names))).encode())


@malformed("content type", {415}, share=1)
def content_type(chance):
    body = text()
    lines = [line for line in good_lines(body) if not line.startswith("content-type")]
    return head(
        lines
        + [
            "content-type: "
            + chance.choice(["text/plain", "multipart/form-data; boundary=x", "application/xml", "application/jsonx"])
        ],
        body,
    )


@malformed("routes and methods without a body", {404, 405}, share=2)
def routes(chance):
    line = chance.choice(
        [
            "GET /v1/chat/completions",
            "DELETE /v1/chat/completions",
            "PUT /v1/embeddings",
            "POST /v1/models",
            "GET /",
            "GET /v2/models",
            "GET /v1/chat/completions/../models",
            "GET //v1/models",
            "GET /v1/models%2f",
            "PATCH /v1/models",
            "GET /admin/v1/policies",
            "OPTIONS *",
            "GET /v1/Models",
            "GET /metrics",
            "FOO /v1/models/x",
        ]
    )
    return head([line + " HTTP/1.1", "host: gateway", "authorization: Bearer " + KEY])
