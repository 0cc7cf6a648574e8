"""Malformed requests made from good ones. A class is a name, the statuses that it may get, whether the connection goes on
afterwards, and a generator of the request's bytes. None for a status: the connection is closed without an answer."""
import json
import random

from processes import KEY
from wire import post

CHAT = "/v1/chat/completions"
MODEL = "openai/gpt-4o-mini"
GOOD = {"model": MODEL, "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How far is the moon? é ☾"}],
        "temperature": 0.5, "max_tokens": 20, "stream": False, "metadata": {"a": "b"},
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]}
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
    return newline.join(line if isinstance(line, bytes) else line.encode("latin-1") for line in lines) + newline * 2 + body


def good_lines(body, *more):
    return ["POST %s HTTP/1.1" % CHAT, "host: gateway", "authorization: Bearer " + KEY, "content-type: application/json",
            "content-length: %d" % len(body), *more]


# ---- bodies: the framing is right, so the connection goes on -------------------------------------------------------------


@malformed("truncated JSON", {400}, share=5)
def truncated(chance):
    body = text()
    return with_body(body[:chance.randrange(0, len(body))])


@malformed("wrong types", {400}, share=6)
def wrong_types(chance):
    wrong = {"model": [5, None, [], {}, True, ""], "messages": [5, "hello", {}, None, [], [5], ["x"], [None], [{}], [{"role": 5, "content": "x"}],
             [{"role": "king", "content": "x"}], [{"role": "user", "content": 5}], [{"role": "user", "content": {"a": 1}}], [[GOOD["messages"][0]]]],
             "temperature": ["hot", [], {}, True], "max_tokens": ["20", [], {}, True, 0, -1, 1.5, 1e99], "stream": ["yes", 1, 0, [], {}],
             "n": ["1", -3, 0, 2.5, []], "tools": ["f", 5, {}, True], "metadata": ["m", 5, []], "top_p": ["x", []], "stop": [5, True, {}],
             "response_format": ["json", 5, []], "stream_options": ["x", 5, [], True], "user": [5, [], {}], "logprobs": ["x", 1], "seed": ["x", []],
             "max_completion_tokens": [0, -5, "x", 1e40], "tool_choice": [5, True, []], "presence_penalty": ["x"], "frequency_penalty": [{}]}
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
    bad = chance.choice([b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\x80", b"\xe2\x82", b"\xf0\x9f\x8c", b"\xc3("])
    where = chance.choice([b"How far", b"Be brief", b"metadata", b"gpt-4o"])
    return with_body(text().replace(where, where[:2] + bad + where[2:]))


@malformed("bad escapes", {400}, share=2)
def bad_escapes(chance):
    bad = chance.choice([b"\\x41", b"\\u12", b"\\ud800", b"\\udc00 x", b"\\uZZZZ", b"\\", b"\\'", b"\x00", b"\x1f", b"\n", b"\t"])
    return with_body(text().replace(b"How far", b"How " + bad + b" far"))


@malformed("huge numbers", {400}, share=2)
def huge_numbers(chance):
    number = chance.choice([b"9" * 400, b"1e999", b"-1e999", b"9" * 30, b"1e30", b"-9223372036854775809", b"1" + b"0" * 5000])
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
    before, after = chance.choice([(b"", b"}"), (b"", b" {}"), (b"", b"x"), (b"\xef\xbb\xbf", b""), (b"//c\n", b""), (b"", b","), (b"\x00", b""), (b"", b"\x00")])
    return with_body(before + text() + after)


@malformed("no JSON at all", {400}, share=1)
def no_json(chance):
    return with_body(chance.choice([b"", b" ", b"\r\n\r\n", b"model=x&messages=y", b"<xml/>", b"'a'", b"{'a': 1}", b"{a: 1}", b"[1,]", b"{\"a\":1,}",
                                    bytes(chance.randrange(256) for _ in range(64)) + b"\xff"]))


@malformed("unknown model", {404}, share=1)
def unknown_model(chance):
    names = ["nope", "nope/gpt-4o", "gpt-9-imaginary", "../../etc/passwd", "openai", "x" * 5000, "a\"b\\c", "mod\u0000el", "☾"]
    return with_body(json.dumps(dict(GOOD, model=chance.choice(names))).encode())


@malformed("content type", {415}, share=1)
def content_type(chance):
    body = text()
    lines = [line for line in good_lines(body) if not line.startswith("content-type")]
    return head(lines + ["content-type: " + chance.choice(["text/plain", "multipart/form-data; boundary=x", "application/xml", "application/jsonx"])], body)


# ---- refused by the head, before the body is read: the body still on its way ends the connection ---------------------------


@malformed("content encoding", {415}, keeps=False, share=1)
def content_encoding(chance):
    return head(good_lines(text(), "content-encoding: " + chance.choice(["gzip", "br", "deflate, gzip", "zstd"])), text())


@malformed("keys", {400, 401}, keeps=False, share=2)
def keys(chance):
    body = text()
    lines = [line for line in good_lines(body) if not line.startswith("authorization")]
    more = chance.choice([[], ["authorization: Bearer"], ["authorization: Basic bWc6bWc="], ["authorization: Bearer mg-wrong"], ["x-api-key: mg-wrong"],
                          ["authorization: Bearer " + KEY, "x-api-key: other"], ["authorization: Bearer " + "x" * 4000], ["authorization: " + KEY],
                          ["authorization: Bearer \xff\xfe"]])
    return head(lines + more, body)


@malformed("routes and methods without a body", {404, 405}, share=2)
def routes(chance):
    line = chance.choice(["GET /v1/chat/completions", "DELETE /v1/chat/completions", "PUT /v1/embeddings", "POST /v1/models", "GET /", "GET /v2/models",
                          "GET /v1/chat/completions/../models", "GET //v1/models", "GET /v1/models%2f", "PATCH /v1/models", "GET /admin/v1/policies",
                          "OPTIONS *", "GET /v1/Models", "GET /metrics", "FOO /v1/models/x"])
    return head([line + " HTTP/1.1", "host: gateway", "authorization: Bearer " + KEY])


# ---- heads and framing: nobody knows where the next request would begin, so the connection ends ----------------------------


@malformed("header syntax", {400}, keeps=False, share=5)
def header_syntax(chance):
    bad = chance.choice(["no colon here", ": no name", "na me: x", "name : x", "x-a: b\x00c", "x-a: b\x01c", " folded: x", "\tfolded", "x-\xe9: b", "x(y): b",
                         "x-a: b\rc: d", "x-a\x00: b", "\x7f: b", "x-a: \x7f"])
    lines = good_lines(text())
    return head(lines[:2] + [bad] + lines[2:], text())


@malformed("host", {400}, keeps=False, share=1)
def host(chance):
    lines = good_lines(text())
    del lines[1]
    more = chance.choice([[], ["host: a", "host: b"], ["host: gateway", "host: gateway"]])
    return head(lines + more, text())


@malformed("request line", {400, 405, 505}, keeps=False, share=3)
def request_line(chance):
    line = chance.choice(["POST %s" % CHAT, "POST  %s HTTP/1.1" % CHAT, "POST %s  HTTP/1.1" % CHAT, "POST %s HTTP/1.1 x" % CHAT, "POST %s HTTP/2.0" % CHAT,
                          "POST %s http/1.1" % CHAT, "POST %s HTTP/1" % CHAT, "POST %s HTTP/11" % CHAT, "P@ST\x01 %s HTTP/1.1" % CHAT, " POST %s HTTP/1.1" % CHAT,
                          "POST v1/chat HTTP/1.1", "POST \x00/v1 HTTP/1.1", "CONNECT gateway:80 HTTP/1.1", "POST /v1/\x7f HTTP/1.1", "HTTP/1.1 200 OK",
                          "POST %s HTTP/3.0" % CHAT, "\x16\x03\x01\x02", "PRI * HTTP/2.0"])
    return head([line] + good_lines(text())[1:], text())


@malformed("too large a head", {414, 431}, keeps=False, share=1)
def large_head(chance):
    lines = good_lines(text())
    kind = chance.randrange(3)
    if kind == 0:
        lines += ["x-%d: y" % i for i in range(600)]
    elif kind == 1:
        lines += ["x-long: " + "y" * 300000]
    else:
        lines[0] = "POST /v1/%s HTTP/1.1" % ("x" * 300000)
    return head(lines, text())


@malformed("content-length", {400, 413}, keeps=False, share=4)
def content_length(chance):
    value = chance.choice(["-1", "+5", "0x10", "5 5", "5, 6", "5,5", "", "five", "1e3", "99999999999999999999", "5;", "\x0b5", "9223372036854775808", "40000000"])
    lines = [line for line in good_lines(b"") if not line.startswith("content-length")]
    return head(lines + ["content-length: " + value], text() + SMUGGLED)


@malformed("smuggling: lengths that contradict", {400}, keeps=False, share=4)
def contradicting(chance):
    body = text()
    more = chance.choice([["transfer-encoding: chunked"], ["content-length: 0"], ["content-length: 6"], ["Content-Length: %d" % (len(body) + 1)],
                          ["transfer-encoding: chunked", "content-length: 0"], ["transfer-encoding:\tchunked"], ["Transfer-Encoding: CHUNKED"]])
    return head(good_lines(body, *more), b"0\r\n\r\n" + SMUGGLED)


@malformed("smuggling: transfer codings", {400, 501}, keeps=False, share=4)
def codings(chance):
    coding = chance.choice(["gzip", "gzip, chunked", "chunked, chunked", "chunked, identity", "xchunked", "chunked;x=y", "\"chunked\"", "identity", "",
                            "chunked,", ", chunked", "chun\tked", "\x0bchunked", "chunked\x00"])
    lines = [line for line in good_lines(b"") if not line.startswith("content-length")]
    more = ["transfer-encoding: " + coding] + chance.choice([[], ["transfer-encoding: chunked"]])
    return head(lines + more, b"0\r\n\r\n" + SMUGGLED)


@malformed("smuggling: line ends", {400}, keeps=False, share=3)
def line_ends(chance):
    body = text()
    if chance.random() < 0.5:
        return head(good_lines(body), body, b"\n") + SMUGGLED
    whole = head(good_lines(body), body).split(b"\r\n", 3)
    mark = chance.choice([b"\n", b"\r", b"\r\r\n", b"\n\r"])
    return whole[0] + b"\r\n" + whole[1] + mark + whole[2] + b"\r\n" + whole[3] + SMUGGLED


@malformed("smuggling: HTTP/1.0 and chunked", {400}, keeps=False, share=1)
def old_chunked(chance):
    lines = [line for line in good_lines(b"") if not line.startswith("content-length")]
    lines[0] = "POST %s HTTP/1.0" % CHAT
    return head(lines + ["transfer-encoding: chunked"], b"0\r\n\r\n" + SMUGGLED)


@malformed("chunks", {400, 413}, keeps=False, share=5)
def chunks(chance):
    body = text()
    bad = chance.choice([b"0x5\r\nhello\r\n", b"-5\r\nhello\r\n", b"5 \r\nhello\r\n", b"5\nhello\n", b"5\r\nhelloworld\r\n", b"fffffffffffffffff\r\n", b"g\r\n",
                         b"\r\n", b"5\r\nhello\n", b"7fffffffffffffff\r\n", b";x\r\n", b"5;" + b"x" * 70000 + b"\r\nhello\r\n", b" 5\r\nhello\r\n",
                         b"5\r\nhell\r\n0\r\n\r\n", b"0\r\nno trailer\r\n\r\n"])
    lines = [line for line in good_lines(b"") if not line.startswith("content-length")]
    return head(lines + ["transfer-encoding: chunked"], b"%x\r\n%s\r\n" % (len(body), body) + bad + SMUGGLED)


@malformed("expectations", {417}, keeps=False, share=1)
def expectations(chance):
    return head(good_lines(text(), "expect: " + chance.choice(["200-ok", "everything", "100-continue, more"])), text())


@malformed("half a request, then silence", {None, 400}, keeps=False, share=3)
def half(chance):
    whole = with_body(text())
    return whole[:chance.randrange(1, len(whole))]


@malformed("bytes flipped in the head", {None, 200, 400, 401, 404, 405, 408, 413, 414, 415, 417, 431, 501, 505}, keeps=None, share=8)
def flipped(chance):
    body = text()
    bytes_ = bytearray(head(good_lines(body)))
    for _ in range(chance.randrange(1, 4)):
        bytes_[chance.randrange(len(bytes_))] = chance.choice([0, 9, 10, 13, 32, 58, chance.randrange(256)])
    return bytes(bytes_) + body


def everything(count, seed=2000):
    """`count` requests over all classes, by their shares; the same ones for the same seed."""
    chance = random.Random(seed)
    total = sum(c[3] for c in CLASSES)
    for name, statuses, keeps, share, make in CLASSES:
        for _ in range(max(1, round(count * share / total))):
            yield name, statuses, keeps, make(chance)
