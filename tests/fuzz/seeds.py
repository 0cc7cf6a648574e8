#!/usr/bin/env python3
"""Recorded traffic as seeds: `seeds.py RECORDINGS OUT` writes OUT/FUZZER/N for each fuzzer that has a use for it.

A seed is a body with the bytes before it that tell the fuzzer what it is (see the comment on top of each fuzzer)."""

import gzip
import hashlib
import json
import pathlib
import sys
import zlib

SIZE_MAX = 48 * 1024
VENDORS = ("openai", "azure", "anthropic", "gemini")


def rows(folder):
    for vendor in VENDORS:
        for path in sorted(folder.glob(vendor + ".jsonl*")):
            with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
                for line in lines:
                    yield vendor, json.loads(line)


def request_of(row):
    asked = row.get("request")
    if isinstance(asked, dict):
        return json.dumps(asked, ensure_ascii=False, separators=(",", ":")).encode()
    return (asked or "").encode()


def data_of(stream):
    """The data of a stream's events, one a line."""
    return b"\n".join(line[5:].strip() for line in stream.splitlines() if line.startswith(b"data:"))


def head_of(row, length):
    lines = ["HTTP/1.1 %d OK" % row["status"]]
    lines += ["%s: %s" % item for item in row["headers"].items() if item[0] != "content-length"]
    return ("\r\n".join(lines + ["content-length: %d" % length]) + "\r\n\r\n").encode("utf-8", "replace")


def chunked(body):
    pieces = [body[at : at + 97] for at in range(0, min(len(body), 2000), 97)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def of_framings(row, body):
    """Fuzzers of what carries a body: (name, bytes)."""
    cut = bytes([len(body) % 64])
    if row["stream"]:
        yield "net_sse", cut + body
        yield "net_ndjson", cut + data_of(body)
    if body[:1] == b"[":
        yield "net_json_array", cut + body
    yield "net_http_head", cut + b"\0" + head_of(row, len(body))
    yield "net_http_chunked", cut + b"\0" + chunked(body)
    yield "net_inflate", b"\x80" + gzip.compress(body)
    yield "net_inflate", b"\x07" + zlib.compress(body)


def of_bodies(vendor, row, asked, body):
    """Fuzzers of what a body says."""
    data, stream = data_of(body) if row["stream"] else body, bool(row["stream"])
    for text in (asked, body):
        yield "base_json", text
    if vendor in ("openai", "azure"):
        for how in (0, 0x41, 0x82, 0xC4):
            yield "plugin_provider_openai", bytes([0, how]) + asked
        yield "plugin_provider_openai", (b"\1\0" if stream else b"\2\0") + data
        yield "plugin_provider_openai", b"\3\0" + body
        yield "format_responses", b"\0" + asked
    elif vendor == "anthropic":
        yield "format_anthropic", asked
        yield "plugin_provider_bedrock", b"\0" + data
        for how in (0, 1, 2, 3):
            yield "plugin_provider_anthropic", bytes([0x80 | how]) + asked
        yield "plugin_provider_anthropic", bytes([stream]) + data
        yield "plugin_provider_anthropic", b"\2" + body
    else:
        yield "format_gemini", asked
        for how in (0, 0x21, 0x42, 0x63):
            yield "plugin_provider_google", bytes([0, how]) + asked
        yield "plugin_provider_google", bytes([1, stream]) + data
        yield "plugin_provider_google", b"\2\0" + body
    if vendor != "anthropic":  # canonical requests, more or less
        yield "plugin_provider_anthropic", b"\x84" + asked
        yield "plugin_provider_bedrock", b"\x80" + asked


def main():
    folder, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    written = 0
    for vendor, row in rows(folder):
        asked, body = request_of(row), row["body"].encode()
        if not body or len(body) > SIZE_MAX or len(asked) > SIZE_MAX:
            continue
        for name, seed in [*of_framings(row, body), *of_bodies(vendor, row, asked, body)]:
            (out / name).mkdir(parents=True, exist_ok=True)
            (out / name / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
            written += 1
    print("%d seeds" % written, file=sys.stderr)


main()
