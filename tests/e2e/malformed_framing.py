"""Malformed heads and framing, and what is refused by the head: nobody knows, or waits to see, where the next request
would begin, so the connection ends. What a request smuggles behind it must never be answered."""

from malformed import CHAT, SMUGGLED, good_lines, head, malformed, text, with_body
from processes import KEY

# ---- refused by the head, before the body is read: the body still on its way ends the connection -------------------


@malformed("content encoding", {415}, keeps=False, share=1)
def content_encoding(chance):
    return head(
        good_lines(text(), "content-encoding: " + chance.choice(["gzip", "br", "deflate, gzip", "zstd"])), text()
    )


@malformed("keys", {400, 401}, keeps=False, share=2)
def keys(chance):
    body = text()
    lines = [line for line in good_lines(body) if not line.startswith("authorization")]
    more = chance.choice(
        [
            [],
            ["authorization: Bearer"],
            ["authorization: Basic bWc6bWc="],
            ["authorization: Bearer mg-wrong"],
            ["x-api-key: mg-wrong"],
            ["authorization: Bearer " + KEY, "x-api-key: other"],
            ["authorization: Bearer " + "x" * 4000],
            ["authorization: " + KEY],
            ["authorization: Bearer \xff\xfe"],
        ]
    )
    return head(lines + more, body)


# ---- heads and framing: nobody knows where the next request would begin, so the connection ends --------------------


@malformed("header syntax", {400}, keeps=False, share=5)
def header_syntax(chance):
    bad = chance.choice(
        [
            "no colon here",
            ": no name",
            "na me: x",
            "name : x",
            "x-a: b\x00c",
            "x-a: b\x01c",
            " folded: x",
            "\tfolded",
            "x-\xe9: b",
            "x(y): b",
            "x-a: b\rc: d",
            "x-a\x00: b",
            "\x7f: b",
            "x-a: \x7f",
        ]
    )
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
    line = chance.choice(
        [
            "POST %s" % CHAT,
            "POST  %s HTTP/1.1" % CHAT,
            "POST %s  HTTP/1.1" % CHAT,
            "POST %s HTTP/1.1 x" % CHAT,
            "POST %s HTTP/2.0" % CHAT,
            "POST %s http/1.1" % CHAT,
            "POST %s HTTP/1" % CHAT,
            "POST %s HTTP/11" % CHAT,
            "P@ST\x01 %s HTTP/1.1" % CHAT,
            " POST %s HTTP/1.1" % CHAT,
            "POST v1/chat HTTP/1.1",
            "POST \x00/v1 HTTP/1.1",
            "CONNECT gateway:80 HTTP/1.1",
            "POST /v1/\x7f HTTP/1.1",
            "HTTP/1.1 200 OK",
            "POST %s HTTP/3.0" % CHAT,
            "\x16\x03\x01\x02",
            "PRI * HTTP/2.0",
        ]
    )
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
    value = chance.choice(
        [
            "-1",
            "+5",
            "0x10",
            "5 5",
            "5, 6",
            "5,5",
            "",
            "five",
            "1e3",
            "99999999999999999999",
            "5;",
            "\x0b5",
            "9223372036854775808",
            "40000000",
        ]
    )
    lines = [line for line in good_lines(b"") if not line.startswith("content-length")]
    return head(lines + ["content-length: " + value], text() + SMUGGLED)


@malformed("smuggling: lengths that contradict", {400}, keeps=False, share=4)
def contradicting(chance):
    body = text()
    more = chance.choice(
        [
            ["transfer-encoding: chunked"],
            ["content-length: 0"],
            ["content-length: 6"],
            ["Content-Length: %d" % (len(body) + 1)],
            ["transfer-encoding: chunked", "content-length: 0"],
            ["transfer-encoding:\tchunked"],
            ["Transfer-Encoding: CHUNKED"],
        ]
    )
    return head(good_lines(body, *more), b"0\r\n\r\n" + SMUGGLED)


@malformed("smuggling: transfer codings", {400, 501}, keeps=False, share=4)
def codings(chance):
    coding = chance.choice(
        [
            "gzip",
            "gzip, chunked",
            "chunked, chunked",
            "chunked, identity",
            "xchunked",
            "chunked;x=y",
            '"chunked"',
            "identity",
            "",
            "chunked,",
            ", chunked",
            "chun\tked",
            "\x0bchunked",
            "chunked\x00",
        ]
    )
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
    bad = chance.choice(
        [
            b"0x5\r\nhello\r\n",
            b"-5\r\nhello\r\n",
            b"5 \r\nhello\r\n",
            b"5\nhello\n",
            b"5\r\nhelloworld\r\n",
            b"fffffffffffffffff\r\n",
            b"g\r\n",
            b"\r\n",
            b"5\r\nhello\n",
            b"7fffffffffffffff\r\n",
            b";x\r\n",
            b"5;" + b"x" * 70000 + b"\r\nhello\r\n",
            b" 5\r\nhello\r\n",
            b"5\r\nhell\r\n0\r\n\r\n",
            b"0\r\nno trailer\r\n\r\n",
        ]
    )
    lines = [line for line in good_lines(b"") if not line.startswith("content-length")]
    return head(lines + ["transfer-encoding: chunked"], b"%x\r\n%s\r\n" % (len(body), body) + bad + SMUGGLED)


@malformed("expectations", {417}, keeps=False, share=1)
def expectations(chance):
    return head(good_lines(text(), "expect: " + chance.choice(["200-ok", "everything", "100-continue, more"])), text())


@malformed("half a request, then silence", {None, 400}, keeps=False, share=3)
def half(chance):
    whole = with_body(text())
    return whole[: chance.randrange(1, len(whole))]


@malformed(
    "bytes flipped in the head",
    {None, 200, 400, 401, 404, 405, 408, 413, 414, 415, 417, 431, 501, 505},
    keeps=None,
    share=8,
)
def flipped(chance):
    body = text()
    bytes_ = bytearray(head(good_lines(body)))
    for _ in range(chance.randrange(1, 4)):
        bytes_[chance.randrange(len(bytes_))] = chance.choice([0, 9, 10, 13, 32, 58, chance.randrange(256)])
    return bytes(bytes_) + body
