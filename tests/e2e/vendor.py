"""A dummy OpenAI vendor: HTTP/1.1 on a port of the kernel's choice, printed on standard output.

The model's name may ask for a behavior (see behaviors.py); else the answer is made after OpenAI's specification from
tests/fixtures/openai. Control routes: GET /control/log, POST /control/clear, GET /control/open.
"""

import asyncio
import base64
import itertools
import json
import signal
import time

import behaviors

CUTS = (7, 113, 1, 61, 2, 509, 3, 1499, 31)  # bytes: pieces that no event ends with
JSON = "application/json"
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


class Call:
    """A request, and the means to answer it."""

    def __init__(self, vendor, reader, writer, method, path, headers, body, number):
        self.vendor, self.reader, self.writer = vendor, reader, writer
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.entry = {
            "method": method,
            "path": path,
            "headers": headers,
            "ended": "open",
            "at": time.time(),
            "body": base64.b64encode(body).decode(),
        }
        self.number = number
        self.keep = True
        try:
            self.json = json.loads(body) if body else {}
        except ValueError:
            self.json = {}

    @property
    def stream(self):
        return bool(self.json.get("stream"))

    @property
    def usage_asked(self):
        return bool((self.json.get("stream_options") or {}).get("include_usage"))

    def head(self, status, headers):
        lines = ["HTTP/1.1 %d %s" % (status, REASONS.get(status, "Status"))]
        if not any(name.lower() == "x-request-id" for name in headers):
            headers = dict(headers, **{"x-request-id": "req_%d" % self.number})
        lines += ["%s: %s" % item for item in headers.items()]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    async def send(self, status, body, headers=None, type=JSON):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.head(status, dict({"content-type": type, "content-length": len(body)}, **(headers or {})))
        self.writer.write(body)
        await self.writer.drain()

    def start_stream(self, headers=None):
        self.head(
            200,
            dict(
                {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked"}, **(headers or {})
            ),
        )

    async def piece(self, data):
        if data:
            self.writer.write(b"%x\r\n%s\r\n" % (len(data), data))
            await self.writer.drain()

    def end_stream(self):
        self.writer.write(b"0\r\n\r\n")

    async def send_stream(self, body, headers=None, delay=0.0):
        """The bytes of a whole stream, cut where no event ends."""
        self.start_stream(headers)
        at = 0
        for size in itertools.cycle(CUTS):
            if at >= len(body):
                break
            await self.piece(body[at : at + size])
            at += size
            if delay:
                await asyncio.sleep(delay)
        self.end_stream()
        await self.writer.drain()

    async def gone(self, seconds):
        """Waits until the gateway closes the connection; True if it did within that time."""
        try:
            return await asyncio.wait_for(self.reader.read(1), seconds) == b""
        except asyncio.TimeoutError:
            return False
        except ConnectionError:
            return True

    def reset(self):
        self.keep = False
        self.writer.transport.abort()


class Vendor:
    def __init__(self):
        self.log, self.counts, self.calls = [], {}, itertools.count(1)
        self.quiet = False  # under load nothing is logged

    async def control(self, call):
        if call.path == "/control/log":
            await call.send(200, self.log)
        elif call.path == "/control/open":
            await call.send(200, sum(1 for e in self.log if e["ended"] == "open"))
        elif call.path in ("/control/clear", "/control/quiet"):
            self.log.clear()
            self.counts.clear()
            self.quiet = call.path == "/control/quiet"
            await call.send(200, {})
        else:
            await call.send(404, {})

    async def answer(self, call):
        if call.path.startswith("/control/"):
            await self.control(call)
            return
        if not self.quiet:
            self.log.append(call.entry)
        try:
            await behaviors.answer(call)
            if call.entry["ended"] == "open":
                call.entry["ended"] = "whole"
        except ConnectionError:
            call.entry["ended"] = "gone"
            raise

    async def read(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {}
        for line in head[1:]:
            if line:
                name, value = line.split(":", 1)
                headers[name.strip().lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        return Call(self, reader, writer, method, path, headers, body, next(self.calls))

    async def serve(self, reader, writer):
        try:
            while True:
                call = await self.read(reader, writer)
                await self.answer(call)
                if not call.keep:
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the gateway has hung up, or the test is over
        finally:
            writer.close()


async def main():
    vendor = Vendor()
    server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0, backlog=1024, limit=1 << 26)
    print(server.sockets[0].getsockname()[1], flush=True)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main())
