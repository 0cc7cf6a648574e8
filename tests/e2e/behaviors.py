"""How the dummy vendor answers: by what the request asks for, or as its model's name says ("stall", "slow:500", …), or
as its last message does after an exclamation mark ("!stall"), so that a model of the price table can misbehave."""

import asyncio
import base64
import gzip
import json
import pathlib
import struct
import time

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "openai"
CACHE = {}


def fixture(name):
    if name not in CACHE:
        CACHE[name] = (FIXTURES / name).read_bytes()
    return CACHE[name]


def error(message, kind, code=None):
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


# ---- ordinary answers ----------------------------------------------------------------------------------------------


def shape(body):
    """Which fixture a chat request gets."""
    if body.get("tools") and body["messages"][-1].get("role") != "tool":
        return "tools"
    if (body.get("response_format") or {}).get("type") == "json_schema":
        return "structured"
    if body.get("logprobs"):
        return "logprobs"
    return "chat"


def events(body, usage):
    """The fixture's stream; its usage event only if asked for, as OpenAI does it."""
    text = fixture(shape(body) + "_stream.sse").decode()
    kept = [e for e in text.split("\n\n") if e and (usage or '"choices":[],"usage"' not in e)]
    return ("\n\n".join(kept) + "\n\n").encode()


def vector(text, size):
    seed = sum(text.encode()) if isinstance(text, str) else sum(text)
    return [((seed * 31 + i * 17) % 2000 - 1000) / 1000 for i in range(size)]


def embeddings(body):
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    if inputs and isinstance(inputs[0], int):
        inputs = [inputs]
    size = body.get("dimensions", 1536)
    data = []
    for index, text in enumerate(inputs):
        v = vector(text, size)
        if body.get("encoding_format") == "base64":
            v = base64.b64encode(struct.pack("<%df" % size, *v)).decode()
        data.append({"object": "embedding", "index": index, "embedding": v})
    tokens = sum(max(1, len(t) // 4) for t in inputs)
    return {
        "object": "list",
        "data": data,
        "model": body["model"],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


async def ordinary(call):
    if call.path == "/v1/embeddings":
        await call.send(200, embeddings(call.json))
    elif call.path != "/v1/chat/completions":
        await call.send(404, error("Unknown request URL: %s %s." % (call.method, call.path), "invalid_request_error"))
    elif call.stream:
        await call.send_stream(events(call.json, call.usage_asked))
    else:
        await call.send(200, fixture(shape(call.json) + ".json"))


# ---- faults and oddities -------------------------------------------------------------------------------------------


async def half(call):
    """The first half of a stream, up to the end of an event."""
    parts = events(call.json, call.usage_asked).split(b"\n\n")
    call.start_stream()
    await call.piece(b"\n\n".join(parts[:4]) + b"\n\n")


async def slow(call, ms):
    await asyncio.sleep(int(ms) / 1000)
    await ordinary(call)


async def slow_500(call, ms):
    await asyncio.sleep(int(ms) / 1000)
    await status(call, 500)


async def trickle(call, ms):
    """A stream that pauses between its pieces."""
    call.start_stream()
    for event in events(call.json, call.usage_asked).split(b"\n\n"):
        if event:
            await call.piece(event + b"\n\n")
            await asyncio.sleep(int(ms) / 1000)
    call.end_stream()
    await call.writer.drain()


async def stall(call):
    """Half a stream, then silence until the gateway hangs up."""
    if call.stream:
        await half(call)
    call.entry["ended"] = "gone" if await call.gone(30) else "stalled"
    call.keep = False


async def reset_before(call):
    call.entry["ended"] = "reset"
    call.reset()


async def reset_mid(call):
    call.entry["ended"] = "reset"
    if call.stream:
        await half(call)
    else:
        body = fixture("chat.json")
        call.head(200, {"content-type": "application/json", "content-length": len(body)})
        call.writer.write(body[:40])
        await call.writer.drain()
    await asyncio.sleep(0.05)
    call.reset()


async def rate(call, seconds="7"):
    await call.send(
        429, error("Rate limit reached for requests", "requests", "rate_limit_exceeded"), {"retry-after": seconds}
    )


async def quota(call):
    await call.send(429, error("You exceeded your current quota.", "insufficient_quota", "insufficient_quota"))


async def status(call, number):
    await call.send(int(number), error("The server had an error.", "server_error"))


async def truncated(call):
    body = fixture("chat.json")
    call.head(200, {"content-type": "application/json", "content-length": len(body)})
    call.writer.write(body[:-20])
    await call.writer.drain()
    call.keep = False


async def rubbish(call):
    if call.stream:
        await call.send_stream(b"\x00\xff\xfe<html>not an event</html>\n\n" * 3)
    else:
        await call.send(200, b"<html>surely not JSON", type="text/html")


async def not_http(call):
    call.writer.write(b"SSH-2.0-nothing\r\n\r\n")
    call.keep = False


async def no_usage(call):
    if call.stream:
        await call.send_stream(events(call.json, False))
    else:
        answer = json.loads(fixture("chat.json"))
        del answer["usage"]
        await call.send(200, answer)


async def no_done(call):
    body = events(call.json, call.usage_asked)
    await call.send_stream(body[: body.index(b"data: [DONE]")])


async def error_event(call):
    await half(call)
    await call.piece(b'data: {"error":{"message":"The server had an error","type":"server_error","code":null}}\n\n')
    call.end_stream()


async def large(call, kilobytes):
    answer = json.loads(fixture("chat.json"))
    answer["choices"][0]["message"]["content"] = "moon " * (int(kilobytes) * 1024 // 5)
    await call.send(200, answer)


async def endless(call):
    """A stream that goes on for as long as somebody listens."""
    event = events(call.json, False).split(b"\n\n")[1] + b"\n\n"
    call.start_stream()
    try:
        while True:
            await call.piece(event * 64)
            await asyncio.sleep(0)
            if call.writer.transport.is_closing():
                break
    except ConnectionError:
        pass
    call.entry["ended"] = "gone"
    call.keep = False


async def gzipped(call):
    await call.send(200, gzip.compress(fixture("chat.json")), {"content-encoding": "gzip"})


async def flaky(call, times):
    """Fails so often, then answers."""
    name = "flaky:" + times
    call.vendor.counts[name] = call.vendor.counts.get(name, 0) + 1
    if call.vendor.counts[name] <= int(times):
        await status(call, 503)
    else:
        await ordinary(call)


async def keys(call):
    """As the key says: refused, limited, or good."""
    key = call.headers["authorization"]
    if "refused" in key:
        await call.send(401, error("Incorrect API key provided", "invalid_request_error", "invalid_api_key"))
    elif "limited" in key:
        await rate(call, "30")
    else:
        await ordinary(call)


async def limited_for(call, ms):
    """Everybody is asked to come back, from the first call on for that time."""
    begun = call.vendor.counts.setdefault("limited-for", time.monotonic())
    left = begun + int(ms) / 1000 - time.monotonic()
    if left <= 0:
        await ordinary(call)
        return
    headers = {"retry-after": "1", "retry-after-ms": str(int(left * 1000) + 1)}
    await call.send(429, error("Rate limit reached for requests", "requests", "rate_limit_exceeded"), headers)


BEHAVIORS = {
    "slow": slow,
    "slow-500": slow_500,
    "trickle": trickle,
    "stall": stall,
    "reset-before": reset_before,
    "reset-mid": reset_mid,
    "rate": rate,
    "quota": quota,
    "status": status,
    "truncated": truncated,
    "rubbish": rubbish,
    "not-http": not_http,
    "no-usage": no_usage,
    "no-done": no_done,
    "error-event": error_event,
    "large": large,
    "endless": endless,
    "gzipped": gzipped,
    "flaky": flaky,
    "keys": keys,
    "limited-for": limited_for,
}


def asked(body):
    """Name and argument of the behavior that a request asks for."""
    text = body.get("messages", [{}])[-1].get("content") or ""
    name = text[1:] if isinstance(text, str) and text.startswith("!") else body.get("model", "")
    return name.partition(":")[::2]


async def answer(call):
    name, argument = asked(call.json)
    behavior = BEHAVIORS.get(name)
    if not behavior:
        await ordinary(call)
    elif argument:
        await behavior(call, argument)
    else:
        await behavior(call)
