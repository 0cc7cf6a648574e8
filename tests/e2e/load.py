"""A load of many connections on asyncio, which checks every answer and remembers its id.

An answer counts when it is whole: a plain one by its length, a stream by its last chunk after [DONE].
"""

import asyncio
import json
import threading
import time


def request(key, model="openai/gpt-4o-mini", stream=False, text="How far is the moon?", keep=True):
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer %s\r\n"
        "content-type: application/json\r\ncontent-length: %d\r\n%s\r\n"
        % (key, len(body), "" if keep else "connection: close\r\n")
    )
    return head.encode() + body


async def read_answer(reader):
    """Status, headers, body of one answer; raises if it is not whole."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(lines[0].split(" ")[1])
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    if headers.get("transfer-encoding") != "chunked":
        return status, headers, await reader.readexactly(int(headers.get("content-length", 0)))
    body = b""
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        body += (await reader.readexactly(size + 2))[:-2]
        if size == 0:
            return status, headers, body


class Load:
    """Runs in a thread of its own, between start() and stop()."""

    def __init__(self, address, requests, connections=64, expect=(200,), pause=0.0):
        self.address = address  # may change meanwhile: the next connection goes there
        self.requests, self.connections, self.expect, self.pause = requests, connections, expect, pause
        self.answered = {}  # request id -> status
        self.samples = []  # (end, seconds, status, body's start)
        self.failures = []
        self.tolerant = False  # connections may break: the gateway is being killed
        self.stopping = False
        self.thread = threading.Thread(target=lambda: asyncio.run(self.run()), daemon=True)

    async def one(self, reader, writer, data):
        began = time.monotonic()
        writer.write(data)
        status, headers, body = await read_answer(reader)
        ended = time.monotonic()
        self.samples.append((ended, ended - began, status, body))
        if status not in self.expect:
            self.failures.append("status %d: %s" % (status, body[:300]))
        elif (
            status == 200
            and headers.get("content-type", "").startswith("text/event-stream")
            and b"data: [DONE]\n\n" not in body
        ):
            self.failures.append("a stream without its end: ...%s" % body[-200:])
        if "x-request-id" in headers:
            self.answered[headers["x-request-id"]] = status
        return headers.get("connection") != "close"

    async def connection(self, number):
        at = number
        while not self.stopping:
            writer = None
            try:
                reader, writer = await asyncio.open_connection(*self.address.rsplit(":", 1), limit=1 << 24)
                keep = True
                while keep and not self.stopping:
                    at += 1
                    keep = await self.one(reader, writer, self.requests[at % len(self.requests)])
                    if self.pause:
                        await asyncio.sleep(self.pause)
            except (OSError, asyncio.IncompleteReadError) as broken:
                if not self.tolerant and not self.stopping:
                    self.failures.append("connection %d: %r" % (number, broken))
                await asyncio.sleep(0.02)
            finally:
                if writer:
                    writer.close()

    async def run(self):
        await asyncio.gather(*(self.connection(i) for i in range(self.connections)))

    def start(self):
        self.began = time.monotonic()
        self.thread.start()
        return self

    def stop(self):
        self.stopping = True
        self.thread.join(30)
        if self.thread.is_alive():
            raise AssertionError("the load did not end: an answer never came")
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def since(self, moment):
        return [s for s in self.samples if s[0] >= moment]


def percentile(seconds, share):
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
