"""Anthropic's messages, after its published documentation and OpenAPI description."""

import base64
import binascii
import re
import sys

from vendors_ask import RETRY_AFTER, KEYS, Ask, Refusal, decide, signature, unknown

VERSIONS = ("2023-01-01", "2023-06-01", "2026-10-21")  # the last one is what the SDKs of late 2026 send
COUNTED = set("cache_control messages model output_config output_format system thinking tool_choice tools".split())
KNOWN = COUNTED | set(
    "container inference_geo max_tokens metadata service_tier stop_sequences stream temperature top_k top_p".split()
)
BLOCKS = {
    "text": "text citations",
    "image": "source",
    "document": "source title context citations",
    "thinking": "thinking signature",
    "redacted_thinking": "data",
    "tool_use": "id name input caller",
    "tool_result": "tool_use_id content is_error",
}
TOOL = set(
    "name description input_schema strict cache_control type defer_loading input_examples eager_input_streaming".split()
)
IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")


def error(status, kind, message, headers=None):
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_sim"}
    return Refusal(status, body, headers)


def bad(message):
    return error(400, "invalid_request_error", message)


# ---- what fails by request ---------------------------------------------------------------------------------------


def rate(_):
    message = "This request would exceed your organization's rate limit of 50 requests per minute."
    return error(429, "rate_limit_error", message, {"retry-after": str(RETRY_AFTER)})


def server(_):
    return error(500, "api_error", "Internal server error")


def overloaded(_):
    return error(529, "overloaded_error", "Overloaded")


def quota(_):
    return bad("Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade.")


def length(_):
    return bad("prompt is too long: 210020 tokens > 200000 maximum")


# ---- requests ----------------------------------------------------------------------------------------------------


def blocks_of(content, place):
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise bad("%s.content: Input should be a valid list" % place)
    return content


def check_thought(block, place):
    if block.get("signature") != signature("anthropic", block["thinking"]):
        raise bad("%s: Invalid `signature` in `thinking` block" % place)


def check_image(block, place):
    source = block["source"]
    if source["type"] != "base64":
        return
    if source["media_type"] not in IMAGES:
        raise bad("%s.image.source.base64.media_type: Input should be %s" % (place, ", ".join(map(repr, IMAGES))))
    try:
        base64.b64decode(source["data"], validate=True)
    except binascii.Error:
        raise bad("%s.image.source.base64: invalid base64 data" % place) from None


def check_block(block, place, role):
    kind = block.get("type")
    if kind not in BLOCKS:
        raise bad("%s: Input tag '%s' found using 'type' does not match any of the expected tags" % (place, kind))
    extra = unknown(block, {"type", "cache_control"} | set(BLOCKS[kind].split()))
    if extra or ("thinking" in kind and "cache_control" in block):
        raise bad("%s.%s.%s: Extra inputs are not permitted" % (place, kind, extra or "cache_control"))
    if kind == "text" and not block["text"]:
        raise bad("messages: text content blocks must be non-empty")
    if role == "user" and kind in ("tool_use", "thinking", "redacted_thinking"):
        raise bad("%s: `%s` blocks can only be in `assistant` messages" % (place, kind))
    if kind == "tool_use" and not (re.fullmatch(r"[a-zA-Z0-9_-]+", block["id"]) and isinstance(block["input"], dict)):
        raise bad("%s.tool_use: id should match pattern '^[a-zA-Z0-9_-]+$', input should be a dictionary" % place)
    if kind == "thinking":
        check_thought(block, place)
    if kind == "image":
        check_image(block, place)


def check_results(messages):
    """Each call is answered in the next message, and each result stands behind its call."""
    open_calls = []
    for number, (role, blocks) in enumerate(messages):
        results = [b["tool_use_id"] for b in blocks if b["type"] == "tool_result"]
        stray = next((r for r in results if r not in open_calls), None)
        if stray:
            raise bad(
                "messages.%d.content.0: unexpected `tool_use_id` found in `tool_result` blocks: %s. Each `tool_result` "
                "block must have a corresponding `tool_use` block in the previous message." % (number, stray)
            )
        left = [c for c in open_calls if c not in results]
        if left:
            raise bad(
                "messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s. Each "
                "`tool_use` block must have a corresponding `tool_result` block in the next message."
                % (number - 1, ", ".join(left))
            )
        open_calls = [b["id"] for b in blocks if b["type"] == "tool_use"]
    if open_calls:
        raise bad("messages.%d: `tool_use` ids were found without `tool_result` blocks" % (len(messages) - 1))


def messages_of(body):
    """The messages as (role, blocks), those of one role that follow each other joined."""
    joined = []
    if not isinstance(body.get("messages"), list):
        raise bad("messages: Field required" if "messages" not in body else "messages: Input should be a valid list")
    if not body["messages"]:
        raise bad("messages: at least one message is required")
    for number, message in enumerate(body["messages"]):
        place = "messages.%d" % number
        if unknown(message, ("role", "content")):
            raise bad("%s.%s: Extra inputs are not permitted" % (place, unknown(message, ("role", "content"))))
        if message.get("role") not in ("user", "assistant"):
            raise bad('messages: Unexpected role "%s". The Messages API accepts a top-level `system` parameter, not '
                      '"system" as an input message role.' % message.get("role"))  # fmt: skip
        blocks = blocks_of(message.get("content"), place)
        if not blocks and number < len(body["messages"]) - 1:
            raise bad("%s: all messages must have non-empty content except for the optional final" % place)
        for at, block in enumerate(blocks):
            check_block(block, "%s.content.%d" % (place, at), message["role"])
        if joined and joined[-1][0] == message["role"]:
            joined[-1][1].extend(blocks)
        else:
            joined.append((message["role"], list(blocks)))
    if joined[0][0] != "user":
        raise bad('messages: first message must use the "user" role')
    check_results(joined)
    return joined


def open_turn(messages):
    """Where the assistant's turn of calls begins that goes on; 0 if none does."""
    starts = [n for n, (role, blocks) in enumerate(messages)
              if role == "user" and not any(b["type"] == "tool_result" for b in blocks)]  # fmt: skip
    return starts[-1] + 1 if starts and starts[-1] < len(messages) - 1 else 0


def check_thinking(body, messages):
    thinking = body.get("thinking") or {}
    if thinking.get("type") not in ("enabled", "adaptive"):
        return False
    if thinking["type"] == "adaptive":
        return True
    if thinking.get("budget_tokens", 0) < 1024:
        raise bad("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    if thinking["budget_tokens"] >= body.get("max_tokens", 1 << 30):
        raise bad("`max_tokens` must be greater than `thinking.budget_tokens`.")
    if body.get("temperature", 1) != 1:
        raise bad("`temperature` may only be set to 1 when thinking is enabled.")
    if "top_k" in body:
        raise bad("`top_k` must be unset when thinking is enabled.")
    if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        raise bad("Thinking may not be enabled when tool_choice forces tool use.")
    turn = open_turn(messages)
    if turn and "thinking" not in messages[turn][1][0]["type"]:
        raise bad(
            "messages.%d.content.0.type: Expected `thinking` or `redacted_thinking`, but found `%s`. If `thinking` is "
            "enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of "
            "`tool_use` and `tool_result` blocks)." % (turn, messages[turn][1][0]["type"])
        )
    return True


def closed(schema):
    """Whether every object of the schema says that it takes no other members."""
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        return False
    inner = list(schema.get("properties", {}).values()) + list(schema.get("$defs", {}).values())
    return all(closed(s) for s in inner + [schema.get("items")] + schema.get("anyOf", []))


def schema_of(body):
    form = (body.get("output_config") or {}).get("format") or body.get("output_format")
    if form and not closed(form["schema"]):
        raise bad("output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to "
                  "false")  # fmt: skip
    return form["schema"] if form else None


def check_tools(body):
    tools = {}
    for number, tool in enumerate(body.get("tools", [])):
        if tool.get("type", "custom") != "custom":
            continue
        if unknown(tool, TOOL):
            raise bad("tools.%d.custom.%s: Extra inputs are not permitted" % (number, unknown(tool, TOOL)))
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", tool["name"]):
            raise bad("tools.%d.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'" % number)
        if tool.get("input_schema", {}).get("type") != "object":
            raise bad("tools.%d.custom.input_schema.type: Field required" % number)
        tools[tool["name"]] = tool["input_schema"]
    return tools


def text_of(content):
    return content if isinstance(content, str) else "".join(b.get("text", "") for b in content or [])


def image_of(block):
    source = block["source"]
    return (source["media_type"], base64.b64decode(source["data"])) if source["type"] == "base64" else ("url", b"")


def check(call, body, known):
    if call.headers.get("x-api-key") != KEYS["anthropic"]:
        raise error(401, "authentication_error", "invalid x-api-key")
    if call.headers.get("anthropic-version") not in VERSIONS:
        version = call.headers.get("anthropic-version")
        raise bad('anthropic-version: "%s" is not a valid version' % version if version else
                  "anthropic-version: header is required")  # fmt: skip
    if unknown(body, known):
        raise bad("%s: Extra inputs are not permitted" % unknown(body, known))
    if not str(body.get("model")).startswith("claude-"):
        raise error(404, "not_found_error", "model: %s" % body.get("model"))
    if known is KNOWN and not isinstance(body.get("max_tokens"), int):
        raise bad("max_tokens: Field required")


def ask_of(call, known=KNOWN):
    body = call.json
    check(call, body, known)
    messages = messages_of(body)
    role, last = messages[-1]
    choice = body.get("tool_choice") or {}
    results = [b for b in last if b["type"] == "tool_result"]
    return Ask(
        model=body["model"],
        system=text_of(body.get("system")),
        text="".join(b["text"] for b in last if b["type"] == "text") if role == "user" else "",
        results=[text_of(b.get("content")) for b in results],
        images=[image_of(b) for b in last if b["type"] == "image"],
        tools={} if choice.get("type") == "none" else check_tools(body),
        forced={"any": "any", "tool": choice.get("name", "")}.get(choice.get("type"), ""),
        schema=schema_of(body),
        thinking=check_thinking(body, messages),
        max_tokens=body.get("max_tokens"),
        stop=body.get("stop_sequences", []),
        caches="cache_control" in call.body.decode(),
        size=len(call.body),
    )


# ---- answers -----------------------------------------------------------------------------------------------------


def usage_of(u):
    return {
        "input_tokens": u["input"] - u["cached"] - u["cache_write"],
        "cache_creation_input_tokens": u["cache_write"],
        "cache_read_input_tokens": u["cached"],
        "cache_creation": {"ephemeral_5m_input_tokens": u["cache_write"], "ephemeral_1h_input_tokens": 0},
        "output_tokens": u["output"],
        "output_tokens_details": {"thinking_tokens": u["reasoning"]},
        "service_tier": "standard",
    }


def content_of(answer):
    content = []
    if answer.thinking:
        signed = signature("anthropic", answer.thinking)
        content.append({"type": "thinking", "thinking": answer.thinking, "signature": signed})
    if answer.text:
        content.append({"type": "text", "text": answer.text})
    for id, name, given in answer.calls:
        content.append({"type": "tool_use", "id": "toolu_" + id, "name": name, "input": given})
    return content


REASONS = {"stop": "end_turn", "sequence": "stop_sequence", "length": "max_tokens", "tools": "tool_use"}


def deltas_of(block, answer, json_pieces):
    if block["type"] == "thinking":
        yield {"type": "thinking_delta", "thinking": block["thinking"][:9]}
        yield {"type": "thinking_delta", "thinking": block["thinking"][9:]}
        yield {"type": "signature_delta", "signature": block["signature"]}
    elif block["type"] == "text":
        yield from ({"type": "text_delta", "text": piece} for piece in answer.pieces())
    else:
        yield {"type": "input_json_delta", "partial_json": ""}
        yield from ({"type": "input_json_delta", "partial_json": piece} for piece in json_pieces(block["input"]))


EMPTY = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}, "tool_use": {"input": {}}}


def events_of(message, answer, json_pieces):
    start = dict(message, content=[], stop_reason=None, stop_sequence=None)
    start["usage"] = dict(message["usage"], output_tokens=1)
    yield {"type": "message_start", "message": start}
    for index, block in enumerate(message["content"]):
        yield {"type": "content_block_start", "index": index, "content_block": dict(block, **EMPTY[block["type"]])}
        yield {"type": "ping"}
        for delta in deltas_of(block, answer, json_pieces):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    usage = {name: n for name, n in message["usage"].items() if "_tokens" in name}
    ended = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    yield {"type": "message_delta", "delta": ended, "usage": usage}
    yield {"type": "message_stop"}


def messages(call):
    ask = ask_of(call)
    answer = decide(ask, sys.modules[__name__])
    message = {
        "id": "msg_sim%d" % call.number,
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": content_of(answer),
        "stop_reason": REASONS.get(answer.finish, answer.finish),
        "stop_sequence": answer.sequence or None,
        "usage": usage_of(answer.usage),
    }
    headers = {"request-id": "req_sim%d" % call.number}
    if not call.json.get("stream"):
        call.send(200, message, answer, headers)
        return
    frames = [("event: %s\n" % e["type"], e) for e in events_of(message, answer, call.json_pieces)]
    call.stream(frames, answer, ("event: error\n", overloaded(ask).body), headers)


def count(call):
    call.count("input_tokens", 10 + ask_of(call, COUNTED).size // 4)


def models(call):
    rows = [{"type": "model", "id": n, "display_name": n, "created_at": "2025-09-29T00:00:00Z"} for n in
            ("claude-sonnet-4-5", "claude-haiku-4-5")]  # fmt: skip
    call.send(200, {"data": rows, "has_more": False, "first_id": rows[0]["id"], "last_id": rows[-1]["id"]})


ROUTES = [
    ("POST", r"/v1/messages", messages),
    ("POST", r"/v1/messages/count_tokens", count),
]
