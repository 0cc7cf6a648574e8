"""OpenAI's chat completions, embeddings, moderations and models, and Azure's routes to them, as published."""

import base64
import json
import re
import struct
import sys

from vendors_ask import KEYS, RETRY_AFTER, Ask, Refusal, data_url, decide, tokens, unknown, vector

CHAT = set(
    "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens messages "
    "metadata modalities model n parallel_tool_calls prediction presence_penalty prompt_cache_key "
    "prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier stop store stream "
    "stream_options temperature tool_choice tools top_logprobs top_p user verbosity web_search_options".split()
)
MESSAGE = {
    "system": "role content name",
    "developer": "role content name",
    "user": "role content name",
    "assistant": "role content name refusal audio tool_calls function_call annotations",
    "tool": "role content tool_call_id name",  # the name is not in the reference, and taken
}
# What clients hand back of another vendor's answer. The provider "openai" passes it on to any server but OpenAI's own,
# since compatible ones take it up; Azure refuses it.
HANDED_BACK = {"reasoning_content", "thinking_blocks", "signature", "vendor"}
PART = {
    "text": "type text",
    "refusal": "type refusal",
    "image_url": "type image_url",
    "input_audio": "type input_audio",
    "file": "type file",
}
MODELS = ("gpt-4o-mini", "gpt-4o", "gpt-5-mini", "text-embedding-3-small", "omni-moderation-latest")
PREFIXES = ("gpt-", "o1", "o3", "o4-", "text-embedding-", "omni-moderation")
SCREENED = {k: {"filtered": False, "severity": "safe"} for k in ("hate", "self_harm", "sexual", "violence")}


def error(status, message, kind="invalid_request_error", code=None, param=None, headers=None):
    body = {"message": message, "type": kind, "param": param, "code": code}
    return Refusal(status, {"error": body}, headers)


def bad(message, param=None, code=None):
    return error(400, message, param=param, code=code)


# ---- what fails by request ---------------------------------------------------------------------------------------


def rate(ask):
    message = (
        "Rate limit reached for %s in organization org-sim on requests per min (RPM): Limit 3, Used 3, Requested 1. "
    )
    message = message % ask.model + "Please try again in %ds." % RETRY_AFTER
    return error(429, message, "requests", "rate_limit_exceeded", headers={"retry-after": str(RETRY_AFTER)})


def server(_):
    return error(500, "The server had an error while processing your request. Sorry about that!", "server_error")


def overloaded(_):
    return error(503, "The engine is currently overloaded, please try again later", "service_unavailable_error")


def quota(_):
    message = "You exceeded your current quota, please check your plan and billing details."
    return error(429, message, "insufficient_quota", "insufficient_quota")


def length(_):
    return bad(
        "This model's maximum context length is 128000 tokens. However, messages resulted in 210020 tokens. Please "
        "reduce the length of the messages.",
        "messages",
        "context_length_exceeded",
    )


# ---- who asks for what -------------------------------------------------------------------------------------------


def check_caller(call):
    """Key and model: in the body at OpenAI, in the path at Azure."""
    model = call.json.get("model")
    if not call.azure:
        if call.headers.get("authorization") != "Bearer " + KEYS["openai"]:
            raise error(401, "Incorrect API key provided: sk-****. You can find your API key at "
                        "https://platform.openai.com/account/api-keys.", code="invalid_api_key")  # fmt: skip
    else:
        model = call.deployment or model
        if call.headers.get("api-key") != KEYS["azure"]:
            raise Refusal(401, {"error": {"code": "401", "message": "Access denied due to invalid subscription key or "
                                "wrong API endpoint. Make sure to provide a valid key for an active subscription and "
                                "use a correct regional API endpoint for your resource."}})  # fmt: skip
        if call.deployment and not re.fullmatch(r"\d{4}-\d\d-\d\d(-preview)?", call.query.get("api-version", "")):
            raise Refusal(404, {"error": {"code": "404", "message": "Resource not found"}})
    if call.method == "GET":
        return ""
    if not isinstance(model, str) or not model:
        raise bad("you must provide a model parameter")
    if model.startswith(PREFIXES):
        return model
    if call.azure:
        raise Refusal(404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource "
                            "does not exist. If you created the deployment within the last 5 minutes, please wait a "
                            "moment and try again."}})  # fmt: skip
    raise error(404, "The model `%s` does not exist or you do not have access to it." % model, code="model_not_found")


def check_known(object, known, place=""):
    extra = unknown(object, known)
    if extra:
        raise bad("Unknown parameter: '%s%s'." % (place, extra), place + extra, "unknown_parameter")


def reasons(model):
    return model.startswith(("o1", "o3", "o4-", "gpt-5"))


def check_options(body, model):
    if reasons(model):
        if "max_tokens" in body:
            raise bad("Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                      "'max_completion_tokens' instead.", "max_tokens", "unsupported_parameter")  # fmt: skip
        if body.get("temperature", 1) not in (1, None):
            raise bad("Unsupported value: 'temperature' does not support %s with this model. Only the default (1) "
                      "value is supported." % body["temperature"], "temperature", "unsupported_value")  # fmt: skip
    elif body.get("reasoning_effort"):
        raise bad("Unrecognized request argument supplied: reasoning_effort")
    if body.get("stream_options") and not body.get("stream"):
        raise bad("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    if body.get("tool_choice") and not body.get("tools"):
        raise bad("'tool_choice' is only allowed when 'tools' are specified.", "tool_choice")
    if "parallel_tool_calls" in body and not body.get("tools"):
        raise bad("Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are "
                  "specified.", "parallel_tool_calls")  # fmt: skip


def check_strict(schema, name):
    """Structured outputs take only schemas that leave nothing open."""
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            raise bad("Invalid schema for %s: In context=(), 'additionalProperties' is required to be supplied and to "
                      "be false." % name, code="invalid_json_schema")  # fmt: skip
        if sorted(schema.get("required", [])) != sorted(schema.get("properties", {})):
            raise bad("Invalid schema for %s: In context=(), 'required' is required to be supplied and to be an array "
                      "including every key in properties." % name, code="invalid_json_schema")  # fmt: skip
    for inner in list(schema.get("properties", {}).values()) + [schema.get("items")]:
        check_strict(inner, name)


# ---- chat --------------------------------------------------------------------------------------------------------


def check_message(message, place, more):
    role = message.get("role")
    if role not in MESSAGE:
        raise bad("Invalid value: '%s'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and "
                  "'developer'." % role, place + ".role", "invalid_value")  # fmt: skip
    check_known(message, set(MESSAGE[role].split()) | more, place + ".")
    content = message.get("content")
    if content is None and role != "assistant":
        raise bad("Invalid value for 'content': expected a string, got null.", place + ".content")
    for number, part in enumerate(content if isinstance(content, list) else []):
        kind = part.get("type")
        if kind not in PART or (kind not in ("text", "refusal") and role != "user"):
            raise bad("Invalid value: '%s'. Supported values are: 'text', 'image_url', 'input_audio', 'refusal', 'file'"
                      % kind, "%s.content[%d].type" % (place, number), "invalid_value")  # fmt: skip
        check_known(part, PART[kind].split(), "%s.content[%d]." % (place, number))
    for number, call in enumerate(message.get("tool_calls") or []):
        check_known(call, {"id", "type", "function"} | more, "%s.tool_calls[%d]." % (place, number))
        if not isinstance(call["function"]["arguments"], str):
            raise bad("Invalid type for '%s.tool_calls[%d].function.arguments'" % (place, number), code="invalid_type")
        if len(call["id"]) > 40:
            raise bad("Invalid '%s.tool_calls[%d].id': string too long. Expected a string with maximum length 40"
                      % (place, number), code="string_above_max_length")  # fmt: skip


def check_messages(messages, more):
    open_calls = []
    if not isinstance(messages, list) or not messages:
        raise bad("Invalid type for 'messages': expected an array of objects.", "messages", "invalid_type")
    for number, message in enumerate(messages):
        check_message(message, "messages[%d]" % number, more)
        if message["role"] == "tool":
            if message.get("tool_call_id") not in open_calls:
                raise bad("Invalid parameter: messages with role 'tool' must be a response to a preceeding message "
                          "with 'tool_calls'.", "messages.[%d].role" % number)  # fmt: skip
            open_calls.remove(message["tool_call_id"])
            continue
        if open_calls:
            break
        open_calls = [call["id"] for call in message.get("tool_calls") or []]
    if open_calls:
        raise bad("An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                  "'tool_call_id'. The following tool_call_ids did not have response messages: %s"
                  % ", ".join(open_calls), "messages")  # fmt: skip


def text_of(content):
    return content if isinstance(content, str) else "".join(p.get("text", "") for p in content or [])


def tools_of(body):
    tools = {}
    for tool in body.get("tools") or []:
        function = tool["function"]
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", function["name"]):
            raise bad("Invalid 'tools[0].function.name': string does not match pattern.", code="invalid_value")
        if function.get("strict"):
            check_strict(function.get("parameters"), "function '%s'" % function["name"])
        tools[function["name"]] = function.get("parameters")
    return tools


def schema_of(form):
    if not form or form.get("type") == "text":
        return None
    if form["type"] == "json_object":
        return {}
    named = form["json_schema"]
    check_known(named, ("name", "schema", "strict", "description"), "response_format.json_schema.")
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", named.get("name", "")):
        raise bad("Missing required parameter: 'response_format.json_schema.name'.", code="missing_required_parameter")
    if named.get("strict"):
        check_strict(named["schema"], "response_format '%s'" % named["name"])
    return named["schema"]


def trailing_results(messages):
    out = []
    for message in reversed(messages):
        if message["role"] != "tool":
            break
        out.insert(0, text_of(message["content"]))
    return out


def ask_of(call, model):
    body = call.json
    check_known(body, CHAT)
    check_options(body, model)
    check_messages(body.get("messages"), set() if call.azure else HANDED_BACK)
    messages, choice = body["messages"], body.get("tool_choice")
    last = messages[-1]
    parts = last["content"] if isinstance(last.get("content"), list) else []
    stop = body.get("stop") or []
    if body.get("response_format", {}).get("type") == "json_object" and "json" not in call.body.decode().lower():
        raise bad("'messages' must contain the word 'json' in some form, to use 'response_format' of type "
                  "'json_object'.", "messages")  # fmt: skip
    return Ask(
        model=model,
        system=" ".join(text_of(m["content"]) for m in messages if m["role"] in ("system", "developer")),
        text=text_of(last["content"]) if last["role"] == "user" else "",
        results=trailing_results(messages),
        images=[data_url(p["image_url"]["url"]) for p in parts if p["type"] == "image_url"],
        tools={} if choice == "none" else tools_of(body),
        forced="any" if choice == "required" else choice["function"]["name"] if isinstance(choice, dict) else "",
        schema=schema_of(body.get("response_format")),
        thinking=reasons(model),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        stop=[stop] if isinstance(stop, str) else stop,
        size=len(call.body),
    )


REASONS = {"stop": "stop", "sequence": "stop", "length": "length", "tools": "tool_calls", "refusal": "content_filter"}


def usage_of(u):
    return {
        "prompt_tokens": u["input"],
        "completion_tokens": u["output"],
        "total_tokens": u["input"] + u["output"],
        "prompt_tokens_details": {"cached_tokens": u["cached"], "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": u["reasoning"], "audio_tokens": 0},
    }


def calls_of(answer):
    return [
        {"id": "call_" + id, "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
        for id, name, given in answer.calls
    ]


def deltas_of(answer, json_pieces):
    yield {"role": "assistant", "content": None if answer.calls else "", "refusal": None}
    yield from ({"content": piece} for piece in answer.pieces())
    for index, call in enumerate(calls_of(answer)):
        opened = dict(call, index=index, function={"name": call["function"]["name"], "arguments": ""})
        yield {"tool_calls": [opened]}
        for piece in json_pieces(answer.calls[index][2]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def chunks_of(call, base, answer):
    asked = (call.json.get("stream_options") or {}).get("include_usage")
    more = {"usage": None} if asked else {}
    extra = {"content_filter_results": {}} if call.azure else {}
    if call.azure:
        screened = [{"prompt_index": 0, "content_filter_results": SCREENED}]
        yield dict(base, id="", model="", created=0, choices=[], prompt_filter_results=screened, **more)
    for delta in deltas_of(answer, call.json_pieces):
        yield dict(base, choices=[dict(extra, index=0, delta=delta, logprobs=None, finish_reason=None)], **more)
    ended = dict(extra, index=0, delta={}, logprobs=None, finish_reason=REASONS[answer.finish])
    yield dict(base, choices=[ended], **more)
    if asked:
        yield dict(base, choices=[], usage=usage_of(answer.usage))


def chat(call):
    model = check_caller(call)
    ask = ask_of(call, model)
    answer = decide(ask, sys.modules[__name__])
    headers = {"x-request-id": "req_sim%d" % call.number}
    base = {"id": "chatcmpl-sim%d" % call.number, "object": "chat.completion", "created": 1750000000, "model": model}
    base["system_fingerprint"] = "fp_sim"
    if call.json.get("stream"):
        base["object"] = "chat.completion.chunk"
        frames = [("", chunk) for chunk in chunks_of(call, base, answer)] + [("", "[DONE]")]
        call.stream(frames, answer, ("", server(ask).body), headers)
        return
    message = {"role": "assistant", "content": answer.text or None, "refusal": None, "annotations": []}
    if answer.calls:
        message["tool_calls"] = calls_of(answer)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": REASONS[answer.finish]}
    if call.azure:
        choice["content_filter_results"] = SCREENED
        base["prompt_filter_results"] = [{"prompt_index": 0, "content_filter_results": SCREENED}]
    call.send(200, dict(base, choices=[choice], usage=usage_of(answer.usage)), answer, headers)


# ---- the rest ----------------------------------------------------------------------------------------------------


def embeddings(call):
    model, body = check_caller(call), call.json
    check_known(body, ("input", "model", "encoding_format", "dimensions", "user"))
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    inputs = [inputs] if inputs and isinstance(inputs[0], int) else inputs
    if not inputs or "" in inputs:
        raise bad("'$.input' is invalid.", "input")
    data = []
    for index, text in enumerate(inputs):
        values = vector(text, body.get("dimensions") or 1536)
        if body.get("encoding_format") == "base64":
            values = base64.b64encode(struct.pack("<%df" % len(values), *values)).decode()
        data.append({"object": "embedding", "index": index, "embedding": values})
    count = sum(tokens(text) if isinstance(text, str) else len(text) for text in inputs)
    usage = {"prompt_tokens": count, "total_tokens": count}
    call.entry["usage"] = {"input": count, "output": 0, "cached": 0, "cache_write": 0, "reasoning": 0}
    call.send(200, {"object": "list", "data": data, "model": model, "usage": usage})


def moderations(call):
    model, texts = check_caller(call), call.json["input"]
    texts = [texts] if isinstance(texts, str) else texts
    rows = []
    for text in texts:
        scores = {"violence": 0.9 if "violence" in text else 0.01, "hate": 0.01}
        flags = {name: score > 0.5 for name, score in scores.items()}
        rows.append({"flagged": any(flags.values()), "categories": flags, "category_scores": scores})
    call.send(200, {"id": "modr-sim", "model": model, "results": rows})


def models(call):
    check_caller(call)
    rows = [{"id": n, "object": "model", "created": 1750000000, "owned_by": "system"} for n in MODELS]
    call.send(200, {"object": "list", "data": rows})


ROUTES = [
    ("POST", r"/v1/chat/completions|/openai/deployments/[^/]+/chat/completions", chat),
    ("POST", r"/v1/embeddings|/openai/deployments/[^/]+/embeddings", embeddings),
    ("POST", r"/v1/moderations", moderations),
]
