"""A vendor that misbehaves on a schedule, for one target of a chaos run; as `--format openai` or `anthropic`.

    python chaos.py [--format openai|anthropic] [--seed N]      prints "PORT CONTROL_PORT"

What it answers depends on the question alone ("nonce 17": see words()), so a client can tell the exact text that it
has to get. How it answers is drawn from the present phase, a table of troubles and their shares that POST /phase on the
control port sets; {"refuse": 1} closes the listening socket and everything on it. GET /log on it lists the calls:
{nonce, id, trouble, head (bytes of an answer were sent), reused (the connection had served before), stream, tokens,
prefix (what an assistant's message said at the end), ended}.
"""

import argparse
import asyncio
import json
import random
import re
import signal
import socket

from processes import die_with_parent

IDS = {"openai": "x-request-id", "anthropic": "request-id"}
ERRORS = {
    400: "invalid_request_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "overloaded_error",
    529: "overloaded_error",
}
SLOW = 0.15  # seconds
STALL = 60  # seconds: longer than any patience in the tests


def words(nonce):
    """The tokens of the answer to question number `nonce`: 12 to 31 of them, told apart by the number."""
    return [(" w%d.%d" if at else "w%d.%d") % (nonce, at) for at in range(12 + nonce % 20)]


def text(nonce):
    return "".join(words(nonce))


def nonce_of(body):
    for message in reversed(body["messages"]):
        content = message["content"]
        if message["role"] == "user":
            content = content if isinstance(content, str) else content[0]["text"]
            return int(re.search(r"nonce (\d+)", content).group(1))
    raise ValueError("no question")


def said_before(body):
    """The text that an assistant's message at the end begins the answer with."""
    last = body["messages"][-1]
    if last["role"] != "assistant":
        return ""
    return last["content"] if isinstance(last["content"], str) else last["content"][0]["text"]


# ---- the two formats: a plain answer, and the events of a stream ---------------------------------------------------


def usage(body, tokens):
    return {"prompt_tokens": 9, "completion_tokens": tokens, "total_tokens": 9 + tokens}


def openai_plain(body, left):
    choice = {"index": 0, "message": {"role": "assistant", "content": "".join(left)}, "finish_reason": "stop"}
    return {
        "id": "chatcmpl-%d" % nonce_of(body),
        "object": "chat.completion",
        "created": 1760000000,
        "model": body["model"],
        "choices": [choice],
        "usage": usage(body, len(left)),
    }


def openai_event(body, delta, finish=None, **more):
    event = {
        "id": "chatcmpl-%d" % nonce_of(body),
        "object": "chat.completion.chunk",
        "created": 1760000000,
        "model": body["model"],
        "choices": [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return "data: %s\n\n" % json.dumps(dict(event, **more))


def openai_stream(body, left):
    """What comes before the text, an event for each token, what comes behind, and the terminator."""
    tail = [openai_event(body, {}, "stop")]
    if (body.get("stream_options") or {}).get("include_usage"):
        tail.append(openai_event(body, None, usage=usage(body, len(left))))
    tokens = [openai_event(body, {"content": word}) for word in left]
    return [openai_event(body, {"role": "assistant", "content": ""})], tokens, tail, "data: [DONE]\n\n"


def anthropic_usage(tokens):
    return {"input_tokens": 9, "output_tokens": tokens}


def anthropic_plain(body, left):
    return {
        "id": "msg_%d" % nonce_of(body),
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [{"type": "text", "text": "".join(left)}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": anthropic_usage(len(left)),
    }


def anthropic_event(kind, **members):
    return "event: %s\ndata: %s\n\n" % (kind, json.dumps(dict({"type": kind}, **members)))


def anthropic_stream(body, left):
    start = dict(anthropic_plain(body, []), content=[], stop_reason=None)
    head = [
        anthropic_event("message_start", message=start),
        anthropic_event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    ]
    tokens = [
        anthropic_event("content_block_delta", index=0, delta={"type": "text_delta", "text": word}) for word in left
    ]
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    tail = [
        anthropic_event("content_block_stop", index=0),
        anthropic_event("message_delta", delta=stop, usage={"output_tokens": len(left)}),
    ]
    return head, tokens, tail, anthropic_event("message_stop")


FORMATS = {"openai": (openai_plain, openai_stream), "anthropic": (anthropic_plain, anthropic_stream)}


# ---- troubles ------------------------------------------------------------------------------------------------------


class Hangup(Exception):
    """The connection ends here; a reset if so said."""

    def __init__(self, reset=False):
        super().__init__()
        self.reset = reset


class Call:
    def __init__(self, vendor, reader, writer, body, reused, number):
        self.vendor, self.reader, self.writer, self.body = vendor, reader, writer, body
        self.entry = {
            "nonce": nonce_of(body),
            "id": "%s-%d" % (vendor.format, number),
            "head": False,
            "reused": reused,
            "tokens": 0,
            "ended": "open",
            "stream": bool(body.get("stream")),
            "prefix": said_before(body),
        }
        whole, said = text(self.entry["nonce"]), self.entry["prefix"]
        self.refused = not whole.startswith(said) or said != said.rstrip()  # Anthropic refuses white space at its end
        self.left = re.findall(r" ?\S+", whole[len(said) :])

    async def head(self, status, kind, length=None, headers=()):
        lines = ["HTTP/1.1 %d Status" % status, "content-type: " + kind]
        lines.append("%s: %s" % (IDS[self.vendor.format], self.entry["id"]))
        lines.append("transfer-encoding: chunked" if length is None else "content-length: %d" % length)
        self.writer.write(("\r\n".join(lines + list(headers)) + "\r\n\r\n").encode())
        self.entry["head"] = True

    async def send(self, status, value, headers=(), share=1.0, kind="application/json"):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        await self.head(status, kind, len(data), headers)
        self.writer.write(data[: int(len(data) * share)])
        await self.writer.drain()

    async def piece(self, event):
        data = event.encode()
        self.writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await self.writer.drain()

    async def error(self, status, headers=()):
        inner = {"type": ERRORS[status], "message": "This goes wrong on purpose.", "code": None, "param": None}
        await self.send(status, {"type": "error", "error": inner}, headers)

    async def stream(self, tokens=None, tail=True, done=True, last=True):
        """So many of its tokens (None: all), then what is left of a stream unless it is left out."""
        begin, events, end, terminator = FORMATS[self.vendor.format][1](self.body, self.left)
        await self.head(200, "text/event-stream; charset=utf-8")
        for event in begin:
            await self.piece(event)
        for event in events[:tokens]:
            await self.piece(event)
            self.entry["tokens"] += 1
            if self.vendor.pace:
                await asyncio.sleep(self.vendor.pace)
        if tokens is None and tail:
            for event in end:
                await self.piece(event)
        if tokens is None and done:
            await self.piece(terminator)
        if last:
            self.writer.write(b"0\r\n\r\n")
            await self.writer.drain()

    async def silence(self):
        """Until the gateway hangs up."""
        try:
            await asyncio.wait_for(self.reader.read(1), STALL)
        except asyncio.TimeoutError:
            pass
        raise Hangup()

    # ---- each trouble is a method ----

    async def sound(self):
        if self.entry["stream"]:
            await self.stream()
        else:
            await self.send(200, FORMATS[self.vendor.format][0](self.body, self.left))

    async def reset(self):
        raise Hangup(True)

    async def close(self):
        raise Hangup()

    async def stall(self):
        await self.silence()

    async def slow(self):
        await asyncio.sleep(SLOW)
        await self.sound()

    async def limited(self):
        await self.error(429, ["retry-after-ms: 30", "retry-after: 1"])

    async def e400(self):
        await self.error(400)

    async def e500(self):
        await self.error(500)

    async def e503(self):
        await self.error(503)

    async def e529(self):
        await self.error(529)

    async def rubbish(self):
        if self.entry["stream"]:
            await self.head(200, "text/event-stream")
            await self.piece("\0\1<html>surely no event</html>\n\ndata: {\"half\": \n\n")
            self.writer.write(b"0\r\n\r\n")
        else:
            await self.send(200, b"<html>surely no JSON", kind="text/html")

    async def not_http(self):
        self.writer.write(b"220 this is no HTTP\r\n\r\n")
        raise Hangup()

    async def broken(self, early):
        """Half an answer, then a reset or a close. Early: five words at most, which the gateway may hold back."""
        if self.entry["stream"]:
            most = min(len(self.left) - 1, 5 if early else 1000)
            await self.stream(self.vendor.random.randint(0 if early else min(9, most), most), last=False)
        else:
            await self.send(200, FORMATS[self.vendor.format][0](self.body, self.left), share=0.6)
        await asyncio.sleep(0.005)
        raise Hangup(self.vendor.random.random() < 0.5)

    async def half(self):
        await self.broken(True)

    async def late(self):
        await self.broken(False)

    async def silent_start(self):
        """Breaks before the first word."""
        await self.stream(0, last=False)
        raise Hangup()

    async def spaced(self):
        """Breaks behind a space, which the next word has before it too."""
        await self.stream(5, last=False)
        await self.piece(openai_event(self.body, {"content": " "}))
        raise Hangup()

    async def stuck(self):
        """Silence in the middle."""
        if self.entry["stream"]:
            await self.stream(self.vendor.random.randint(0, 5), last=False)
        else:
            await self.send(200, FORMATS[self.vendor.format][0](self.body, self.left), share=0.6)
        await self.silence()

    async def unfinished(self):
        """A stream that ends as HTTP wants it, early and without its terminator."""
        if not self.entry["stream"]:
            await self.broken(True)
        await self.stream(self.vendor.random.randint(0, 5))

    async def error_event(self):
        if not self.entry["stream"]:
            await self.e500()
            return
        await self.stream(self.vendor.random.randint(0, 5), last=False)
        inner = {"type": "overloaded_error", "message": "Too much."}
        await self.piece("event: error\ndata: %s\n\n" % json.dumps({"type": "error", "error": inner}))
        self.writer.write(b"0\r\n\r\n")


class Vendor:
    def __init__(self, format, seed):
        self.format, self.random = format, random.Random(seed)
        self.log, self.writers, self.calls = [], set(), 0
        self.phase, self.pace = {"sound": 1}, 0
        self.server, self.port = None, 0

    async def open(self):
        """On the same port each time."""
        taken = socket.socket()
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", self.port))
        self.port = taken.getsockname()[1]
        self.server = await asyncio.start_server(self.serve, sock=taken, backlog=4096, limit=1 << 22)

    def refuse(self):
        self.server.close()
        self.server = None
        for writer in list(self.writers):
            writer.transport.abort()

    async def set_phase(self, wanted):
        self.phase, self.pace = wanted["troubles"], wanted["pace"]
        down = "refuse" in self.phase
        if down and self.server:
            self.refuse()
        elif not down and not self.server:
            await self.open()

    async def answer(self, reader, writer, body, reused):
        self.calls += 1
        call = Call(self, reader, writer, body, reused, self.calls)
        trouble = self.random.choices(list(self.phase), list(self.phase.values()))[0]
        call.entry["trouble"] = trouble
        self.log.append(call.entry)
        try:
            await (call.e400() if call.refused else getattr(call, trouble)())
            call.entry["ended"] = "whole"
        except Hangup as hangup:
            call.entry["ended"] = "hung up"
            if hangup.reset:
                writer.transport.abort()
            raise
        except ConnectionError:
            call.entry["ended"] = "gone"
            raise

    async def serve(self, reader, writer):
        self.writers.add(writer)
        reused = False
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = int(re.search(r"content-length: (\d+)", head).group(1))
                await self.answer(reader, writer, json.loads(await reader.readexactly(length)), reused)
                reused = True
        except (Hangup, ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    async def control(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head.lower())
        body = json.loads(await reader.readexactly(int(length.group(1)))) if length else None
        if head.startswith("POST /phase "):
            await self.set_phase(body)
        answer = json.dumps(self.log if head.startswith("GET /log ") else len(self.log)).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(answer), answer))
        await writer.drain()
        writer.close()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--format", choices=tuple(FORMATS), default="openai")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    die_with_parent()
    vendor = Vendor(options.format, options.seed)
    await vendor.open()
    control = await asyncio.start_server(vendor.control, "127.0.0.1", 0)
    print(vendor.port, control.sockets[0].getsockname()[1], flush=True)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main())
