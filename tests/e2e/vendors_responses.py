"""OpenAI's responses, at OpenAI and at Azure."""

import json
import sys

from vendors_ask import Ask, data_url, decide
from vendors_openai import (  # noqa: F401 (decide asks this module for the errors)
    bad,
    check_caller,
    check_known,
    check_strict,
    length,
    overloaded,
    quota,
    rate,
    reasons,
    server,
)

KNOWN = set(
    "background context_management conversation include input instructions max_output_tokens max_tool_calls metadata "
    "model moderation parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_retention "
    "reasoning safety_identifier service_tier store stream stream_options temperature text tool_choice tools "
    "top_logprobs top_p truncation user".split()
)
COUNTED = set("conversation input instructions model parallel_tool_calls previous_response_id reasoning text "
              "tool_choice tools truncation".split())  # fmt: skip
THOUGHT = "gAAAAsim"  # begins what only OpenAI can read


def text_of(content):
    return content if isinstance(content, str) else "".join(p.get("text", "") for p in content or [])


def check_items(items):
    calls = []
    for number, item in enumerate(items):
        kind = item.get("type", "message")
        if kind == "function_call":
            calls.append(item["call_id"])
        elif kind == "function_call_output":
            if item["call_id"] not in calls:
                raise bad("No tool call found for function call output with call_id %s." % item["call_id"], "input")
            calls.remove(item["call_id"])
        elif kind == "reasoning" and not (item.get("encrypted_content") or THOUGHT).startswith(THOUGHT):
            raise bad("The encrypted content for item %s could not be verified." % item.get("id"), "input",
                      "invalid_encrypted_content")  # fmt: skip
        elif kind not in ("message", "reasoning"):
            raise bad("Invalid value: '%s'." % kind, "input[%d]" % number, "invalid_value")
    if calls:
        raise bad("No tool output found for function call %s." % calls[0], "input")


def results_of(items):
    out = []
    for item in reversed(items):
        if item.get("type") != "function_call_output":
            break
        out.insert(0, text_of(item["output"]))
    return out


def tools_of(body):
    tools = {}
    for tool in body.get("tools") or []:
        if tool.get("type") != "function":
            raise bad("Invalid value: '%s'." % tool.get("type"), "tools[0].type", "invalid_value")
        if tool.get("strict"):
            check_strict(tool.get("parameters"), "function '%s'" % tool["name"])
        tools[tool["name"]] = tool.get("parameters")
    return tools


def schema_of(body):
    form = (body.get("text") or {}).get("format") or {"type": "text"}
    if form["type"] == "json_schema" and form.get("strict"):
        check_strict(form["schema"], "response_format '%s'" % form.get("name"))
    return {"text": None, "json_object": {}}.get(form["type"], form.get("schema"))


def ask_of(call, known=KNOWN):
    body, model = call.json, check_caller(call)
    check_known(body, known)
    items = body.get("input", [])
    items = [{"role": "user", "content": items}] if isinstance(items, str) else items
    if not items:
        raise bad('One of "input" or "previous_response_id" or \'prompt\' must be provided.', "input")
    check_items(items)
    last, choice = items[-1], body.get("tool_choice")
    parts = last.get("content") if isinstance(last.get("content"), list) else []
    system = [text_of(i["content"]) for i in items if i.get("role") in ("system", "developer")]
    return Ask(
        model=model,
        system=" ".join(([body["instructions"]] if body.get("instructions") else []) + system),
        text=text_of(last["content"]) if last.get("role") == "user" else "",
        results=results_of(items),
        images=[data_url(p["image_url"]) for p in parts if p["type"] == "input_image"],
        tools={} if choice == "none" else tools_of(body),
        forced="any" if choice == "required" else choice.get("name", "") if isinstance(choice, dict) else "",
        schema=schema_of(body),
        thinking=reasons(model),
        max_tokens=body.get("max_output_tokens"),
        size=len(call.body),
    )


def items_of(call, answer):
    number, items = call.number, []
    if answer.thinking:
        asked = (call.json.get("reasoning") or {}).get("summary")
        summary = [{"type": "summary_text", "text": answer.thinking}] if asked else []
        items.append({"id": "rs_sim%d" % number, "type": "reasoning", "summary": summary})
        if "reasoning.encrypted_content" in (call.json.get("include") or []):
            items[0]["encrypted_content"] = THOUGHT + "%d" % number
    if answer.text or not answer.calls:
        text = {"type": "output_text", "annotations": [], "logprobs": [], "text": answer.text}
        status = "incomplete" if answer.finish in ("length", "refusal") else "completed"
        items.append({"id": "msg_sim%d" % number, "type": "message", "status": status, "role": "assistant",
                      "content": [text]})  # fmt: skip
    for id, name, given in answer.calls:
        items.append({"id": "fc_" + id, "type": "function_call", "status": "completed", "call_id": "call_" + id,
                      "name": name, "arguments": json.dumps(given)})  # fmt: skip
    return items


def usage_of(u):
    return {
        "input_tokens": u["input"],
        "input_tokens_details": {"cached_tokens": u["cached"]},
        "output_tokens": u["output"],
        "output_tokens_details": {"reasoning_tokens": u["reasoning"]},
        "total_tokens": u["input"] + u["output"],
    }


def message_events(item, at, answer):
    part, spot = item["content"][0], {"item_id": item["id"], "output_index": at, "content_index": 0}
    yield dict(spot, type="response.content_part.added", part=dict(part, text=""))
    for piece in answer.pieces():
        yield dict(spot, type="response.output_text.delta", delta=piece, logprobs=[])
    yield dict(spot, type="response.output_text.done", text=part["text"], logprobs=[])
    yield dict(spot, type="response.content_part.done", part=part)


def call_events(item, at, json_pieces):
    spot = {"item_id": item["id"], "output_index": at}
    for piece in json_pieces(json.loads(item["arguments"])):
        yield dict(spot, type="response.function_call_arguments.delta", delta=piece)
    yield dict(spot, type="response.function_call_arguments.done", arguments=item["arguments"], name=item["name"])


def reasoning_events(item, at):
    for index, part in enumerate(item["summary"]):
        spot = {"item_id": item["id"], "output_index": at, "summary_index": index}
        yield dict(spot, type="response.reasoning_summary_part.added", part=dict(part, text=""))
        yield dict(spot, type="response.reasoning_summary_text.delta", delta=part["text"])
        yield dict(spot, type="response.reasoning_summary_text.done", text=part["text"])
        yield dict(spot, type="response.reasoning_summary_part.done", part=part)


def events_of(whole, answer, json_pieces):
    started = dict(whole, status="in_progress", output=[], usage=None, incomplete_details=None)
    yield {"type": "response.created", "response": started}
    yield {"type": "response.in_progress", "response": started}
    for at, item in enumerate(whole["output"]):
        opened = {"message": {"content": []}, "function_call": {"arguments": ""}, "reasoning": {"summary": []}}
        opened = dict(item, **opened[item["type"]])
        if "status" in item:
            opened["status"] = "in_progress"
        yield {"type": "response.output_item.added", "output_index": at, "item": opened}
        if item["type"] == "message":
            yield from message_events(item, at, answer)
        elif item["type"] == "function_call":
            yield from call_events(item, at, json_pieces)
        else:
            yield from reasoning_events(item, at)
        yield {"type": "response.output_item.done", "output_index": at, "item": item}
    yield {"type": "response." + whole["status"], "response": whole}


def responses(call):
    ask = ask_of(call)
    answer = decide(ask, sys.modules[__name__])
    body, short = call.json, {"length": "max_output_tokens", "refusal": "content_filter"}.get(answer.finish)
    whole = {
        "id": "resp_sim%d" % call.number,
        "object": "response",
        "created_at": 1750000000,
        "status": "incomplete" if short else "completed",
        "error": None,
        "incomplete_details": {"reason": short} if short else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": ask.model,
        "output": items_of(call, answer),
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": usage_of(answer.usage),
        "user": None,
        "metadata": body.get("metadata") or {},
    }
    headers = {"x-request-id": "req_sim%d" % call.number}
    if not body.get("stream"):
        call.send(200, whole, answer, headers)
        return
    events = [dict(e, sequence_number=n) for n, e in enumerate(events_of(whole, answer, call.json_pieces))]
    failed = server(ask).body["error"]
    broken = {"type": "error", "code": "server_error", "message": failed["message"], "param": None}
    frames = [("event: %s\n" % e["type"], e) for e in events]
    call.stream(frames, answer, ("event: error\n", dict(broken, sequence_number=9)), headers)


def count(call):
    call.count("input_tokens", 10 + ask_of(call, COUNTED).size // 4, object="response.input_tokens")


ROUTES = [
    ("POST", r"/v1/responses|/openai/v1/responses|/openai/responses", responses),
    ("POST", r"/v1/responses/input_tokens", count),
]
