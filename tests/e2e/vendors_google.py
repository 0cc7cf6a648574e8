"""Gemini's generateContent and its neighbors, after the published API."""

import json
import re
import sys

from vendors_ask import KEYS, RETRY_AFTER, Ask, Refusal, decide, signature, tokens, unbase64, vector

# Members of each message, by their type; lists have "*" in front. "any" is free JSON.
TYPES = {
    "Request": "model:any systemInstruction:Content contents:*Content tools:*Tool toolConfig:ToolConfig "
    "safetySettings:*SafetySetting generationConfig:GenerationConfig cachedContent:any",
    "Content": "parts:*Part role:any",
    "Part": "text:any inlineData:Blob functionCall:FunctionCall functionResponse:FunctionResponse fileData:any "
    "executableCode:any codeExecutionResult:any videoMetadata:any thought:any thoughtSignature:any mediaResolution:any",
    "Blob": "mimeType:any data:any",
    "FunctionCall": "id:any name:any args:any",
    "FunctionResponse": "id:any name:any response:any parts:any willContinue:any scheduling:any",
    "Tool": "functionDeclarations:*FunctionDeclaration googleSearchRetrieval:any codeExecution:any googleSearch:any "
    "computerUse:any urlContext:any fileSearch:any googleMaps:any",
    "FunctionDeclaration": "name:any description:any parameters:Schema parametersJsonSchema:any response:Schema "
    "responseJsonSchema:any behavior:any",
    "ToolConfig": "functionCallingConfig:FunctionCallingConfig retrievalConfig:any",
    "FunctionCallingConfig": "mode:any allowedFunctionNames:any",
    "GenerationConfig": "candidateCount:any stopSequences:any maxOutputTokens:any temperature:any topP:any topK:any "
    "seed:any responseMimeType:any responseSchema:Schema responseJsonSchema:any presencePenalty:any "
    "frequencyPenalty:any responseLogprobs:any logprobs:any responseModalities:any speechConfig:any "
    "thinkingConfig:ThinkingConfig imageConfig:any mediaResolution:any",
    "ThinkingConfig": "includeThoughts:any thinkingBudget:any thinkingLevel:any",
    "SafetySetting": "category:any threshold:any",
    "Schema": "type:any format:any title:any description:any nullable:any enum:any items:Schema maxItems:any "
    "minItems:any properties:{Schema required:any minProperties:any maxProperties:any minimum:any maximum:any "
    "minLength:any maxLength:any pattern:any example:any anyOf:*Schema propertyOrdering:any default:any",
    "Count": "contents:*Content generateContentRequest:Request",
    "Embed": "model:any content:Content taskType:any title:any outputDimensionality:any",
    "Embeds": "requests:*Embed",
}
TYPES = {name: dict(m.split(":") for m in members.split()) for name, members in TYPES.items()}
NO_CHECK = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")


def error(status, name, message, details=None):
    body = {"code": status, "message": message, "status": name}
    return Refusal(status, {"error": dict(body, details=details) if details else body})


def bad(message, details=None):
    return error(400, "INVALID_ARGUMENT", message, details)


# ---- what fails by request ---------------------------------------------------------------------------------------


def rate(_):
    wait = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "%ds" % RETRY_AFTER}
    message = "You exceeded your current quota, please check your plan and billing details.\nPlease retry in %d.2s."
    return error(429, "RESOURCE_EXHAUSTED", message % (RETRY_AFTER - 1), [wait])


def server(_):
    return error(500, "INTERNAL", "An internal error has occurred. Please retry or report in "
                 "https://developers.generativeai.google/guide/troubleshooting")  # fmt: skip


def overloaded(_):
    return error(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")


def quota(_):
    return error(403, "PERMISSION_DENIED", "Your project's billing account is disabled.")


def length(_):
    return bad("The input token count (1250074) exceeds the maximum number of tokens allowed (1048576).")


# ---- requests ----------------------------------------------------------------------------------------------------


def camel(name):
    return re.sub(r"_([a-z])", lambda m: m[1].upper(), name)


def typed(value, kind, place=""):
    """The value with all names in camel case; refuses names that its type does not have."""
    if kind == "any" or value is None:
        return value
    if kind[0] == "*":
        value = value if isinstance(value, list) else [value]
        return [typed(v, kind[1:], "%s[%d]" % (place, n)) for n, v in enumerate(value)]
    if kind[0] == "{":
        return {name: typed(v, kind[1:], place) for name, v in value.items()}
    if not isinstance(value, dict):
        raise bad("Invalid value at '%s' (type.googleapis.com/google.ai.generativelanguage.v1beta.%s)" % (place, kind))
    out = {}
    for name, inner in value.items():
        if camel(name) not in TYPES[kind]:
            at = " at '%s'" % place if place else ""
            message = 'Invalid JSON payload received. Unknown name "%s"%s: Cannot find field.' % (name, at)
            violation = {"field": place, "description": message}
            raise bad(message, [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}])
        out[camel(name)] = typed(inner, TYPES[kind][camel(name)], place + "." * bool(place) + name)
    return out


def check_caller(call):
    key = call.headers.get("x-goog-api-key") or call.query.get("key")
    if not key:
        raise error(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers (callers without established "
                    "identity). Please use API Key or other form of API consumer identity to call it.")  # fmt: skip
    if key != KEYS["google"]:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
        raise bad("API key not valid. Please pass a valid API key.", [dict(info, domain="googleapis.com")])
    if not call.model.startswith(("gemini-", "gemma-", "text-embedding-")):
        message = "models/%s is not found for API version v1beta, or is not supported for %s. Call ListModels to see "
        message += "the list of available models and their supported methods."
        raise error(404, "NOT_FOUND", message % (call.model, call.action))


def check_signature(part, place):
    given = part.get("thoughtSignature")
    if given is None or given in NO_CHECK:
        return
    try:
        data = unbase64(given)
    except ValueError:
        raise bad("Invalid value at '%s.thought_signature' (TYPE_BYTES), Base64 decoding failed" % place) from None
    call = part.get("functionCall")
    of = "call " + call["name"] if call else "text " + part.get("text", "")
    if data != unbase64(signature("google", of)):
        raise bad("Corrupted thought signature.")


def check_part(part, place, model):
    data = [k for k in ("text", "inlineData", "functionCall", "functionResponse", "fileData") if k in part]
    if len(data) != 1:
        raise bad(
            "Invalid value at '%s' (oneof), oneof field 'data' is %s." % (place, "already set" if data else "not set")
        )
    check_signature(part, place)
    if "inlineData" in part and not re.fullmatch(r"\w+/[\w.+-]+", part["inlineData"].get("mimeType", "")):
        raise bad("Unable to process input image: unsupported MIME type.")
    response = part.get("functionResponse")
    if response is not None and not (response.get("name") and isinstance(response.get("response"), dict)):
        raise bad(
            "Invalid value at '%s.function_response.response' (type.googleapis.com/google.protobuf.Struct)" % place
        )


def check_turns(contents, model):
    """Responses stand right behind their calls, and Gemini 3 wants the first call of each step signed."""
    calls, current = 0, max((n for n, c in enumerate(contents) if c.get("role") != "model"
                             and any("functionResponse" not in p for p in c["parts"])), default=0)  # fmt: skip
    for number, content in enumerate(contents):
        made = [p for p in content["parts"] if "functionCall" in p]
        given = [p for p in content["parts"] if "functionResponse" in p]
        if given and not calls:
            raise bad("Please ensure that function response turn comes immediately after a function call turn.")
        if len(given) != calls:
            raise bad("Please ensure that the number of function response parts equals the number of function call "
                      "parts of the function call turn.")  # fmt: skip
        if made and number > current and model.startswith("gemini-3") and not made[0].get("thoughtSignature"):
            raise bad("Function call is missing a thought_signature in functionCall parts. This is required for tools "
                      "to work correctly, and missing thought_signature may lead to degraded model performance. "
                      "Additional data, function call `default_api:%s` , position %d. Please refer to "
                      "https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
                      % (made[0]["functionCall"]["name"], number + 1))  # fmt: skip
        calls = len(made)
    if calls:
        raise bad("Please ensure that function call turn comes immediately after a user turn or after a function "
                  "response turn.")  # fmt: skip


def check_contents(contents, model):
    if not contents:
        raise bad("* GenerateContentRequest.contents: contents is not specified\n")
    for number, content in enumerate(contents):
        if content.get("role", "user") not in ("user", "model", "function"):
            raise bad("Please use a valid role: user, model.")
        if not content.get("parts"):
            raise bad("* GenerateContentRequest.contents[%d].parts: contents.parts must not be empty.\n" % number)
        for at, part in enumerate(content["parts"]):
            check_part(part, "contents[%d].parts[%d]" % (number, at), model)
    check_turns(contents, model)


def response_text(response):
    inner = response["response"]
    only = next(iter(inner.values())) if len(inner) == 1 else inner
    return only if isinstance(only, str) else json.dumps(inner, ensure_ascii=False)


def tools_of(body):
    tools = {}
    for tool in body.get("tools", []):
        for f in tool.get("functionDeclarations", []):
            if not re.fullmatch(r"[a-zA-Z_][\w.:-]{0,63}", f["name"]):
                raise bad("Invalid function name. Must start with a letter or an underscore.")
            tools[f["name"]] = f.get("parameters") or f.get("parametersJsonSchema")
    return tools


def ask_of(call, body):
    model, config = call.model, body.get("generationConfig") or {}
    check_contents(body.get("contents"), model)
    last = body["contents"][-1]
    parts = last["parts"] if last.get("role") != "model" else []
    calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    names = calling.get("allowedFunctionNames") or []
    forced = calling.get("mode") == "ANY"
    schema = config.get("responseSchema") or config.get("responseJsonSchema")
    if schema is not None and config.get("responseMimeType") not in ("application/json", "text/x.enum"):
        raise bad("Response schema is only supported with response_mime_type application/json")
    if schema is None and config.get("responseMimeType") == "application/json":
        schema = {}
    thinking = config.get("thinkingConfig") or {}
    if "thinkingBudget" in thinking and "thinkingLevel" in thinking:
        raise bad("You can only set only one of thinking budget and thinking level.")
    if "thinkingLevel" in thinking and not model.startswith("gemini-3"):
        raise bad("Thinking level is not supported for this model.")
    return Ask(
        model=model,
        system="".join(p.get("text", "") for p in (body.get("systemInstruction") or {}).get("parts", [])),
        text="".join(p["text"] for p in parts if "text" in p),
        results=[response_text(p["functionResponse"]) for p in parts if "functionResponse" in p],
        images=[
            (p["inlineData"]["mimeType"], unbase64(p["inlineData"]["data"])) for p in parts if "inlineData" in p
        ],  # fmt: skip
        tools={} if calling.get("mode") == "NONE" else tools_of(body),
        forced=(names[0] if names else "any") if forced else "",
        schema=schema,
        thinking=bool(
            thinking.get("includeThoughts") or thinking.get("thinkingBudget") or model.startswith("gemini-3")
        ),
        max_tokens=config.get("maxOutputTokens"),
        stop=config.get("stopSequences") or [],
        size=len(call.body),
    )


# ---- answers -----------------------------------------------------------------------------------------------------


def usage_of(u):
    text = [{"modality": "TEXT", "tokenCount": u["input"]}]
    out = {"promptTokenCount": u["input"], "candidatesTokenCount": u["output"] - u["reasoning"]}
    out.update({"totalTokenCount": u["input"] + u["output"], "promptTokensDetails": text})
    if u["cached"]:
        out.update(
            {
                "cachedContentTokenCount": u["cached"],
                "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": u["cached"]}],
            }
        )
    if u["reasoning"]:
        out["thoughtsTokenCount"] = u["reasoning"]
    return out


def parts_of(answer, body):
    """Thoughts show only if asked for; the signature stands at the first call, or at the last text."""
    shown = ((body.get("generationConfig") or {}).get("thinkingConfig") or {}).get("includeThoughts")
    parts = [{"text": answer.thinking, "thought": True}] if answer.thinking and shown else []
    parts += [{"text": piece} for piece in answer.pieces()]
    for _, name, given in answer.calls:
        parts.append({"functionCall": {"name": name, "args": given}})
    if answer.thinking and answer.calls:
        first = next(p for p in parts if "functionCall" in p)
        first["thoughtSignature"] = signature("google", "call " + first["functionCall"]["name"])
    return parts


def joined(parts):
    out = []
    for part in parts:
        if out and set(part) == {"text"} == set(out[-1]):
            out[-1] = {"text": out[-1]["text"] + part["text"]}
        else:
            out.append(part)
    return out


def chunks_of(base, parts, ended, usage):
    started = {name: n for name, n in usage.items() if name.startswith("prompt")}
    started["totalTokenCount"] = usage["promptTokenCount"]
    for part in parts[:-1]:
        yield dict(
            base, candidates=[{"content": {"parts": [part], "role": "model"}, "index": 0}], usageMetadata=started
        )
    last = {"content": {"parts": parts[-1:], "role": "model"}, **ended}
    yield dict(base, candidates=[last], usageMetadata=usage)


def generate(call):
    check_caller(call)
    body = typed(call.json, "Request")
    ask = ask_of(call, body)
    answer = decide(ask, sys.modules[__name__])
    reason = {"length": "MAX_TOKENS", "refusal": "SAFETY"}.get(answer.finish, "STOP")
    base = {"modelVersion": ask.model, "responseId": "sim%d" % call.number}
    parts, ended = parts_of(answer, body), {"finishReason": reason, "index": 0}
    usage = usage_of(answer.usage)
    if call.action == "streamGenerateContent":
        if call.query.get("alt") != "sse":
            raise Refusal(400, {"error": {"code": 400, "message": "the simulator streams with alt=sse only"}})
        frames = [("", chunk) for chunk in chunks_of(base, parts, ended, usage)]
        call.stream(frames, answer, ("", overloaded(ask).body), {})
        return
    candidate = {"content": {"parts": joined(parts), "role": "model"}, **ended}
    call.send(200, dict(base, candidates=[candidate], usageMetadata=usage), answer)


def count(call):
    check_caller(call)
    body = typed(call.json, "Count")
    if ("contents" in body) == ("generateContentRequest" in body):
        raise bad("contents and generate_content_request are mutually exclusive; one must be set.")
    inner = body.get("generateContentRequest")
    if inner is not None and inner.get("model") != "models/" + call.model:
        raise bad("* CountTokensRequest.model: unexpected model name format\n")
    check_contents((inner or body)["contents"], call.model)
    total = 10 + len(call.body) // 4
    call.count("totalTokens", total, promptTokensDetails=[{"modality": "TEXT", "tokenCount": total}])


def embed(call):
    check_caller(call)
    batch = call.action == "batchEmbedContents"
    rows = typed(call.json, "Embeds")["requests"] if batch else [typed(call.json, "Embed")]
    out, total = [], 0
    for row in rows:
        if batch and row.get("model") != "models/" + call.model:
            raise bad("* BatchEmbedContentsRequest.model: unexpected model name format\n")
        text = "".join(p["text"] for p in row["content"]["parts"])
        total += tokens(text)
        out.append({"values": vector(text, row.get("outputDimensionality") or 3072)})
    call.entry["usage"] = {"input": total, "output": 0, "cached": 0, "cache_write": 0, "reasoning": 0}
    call.send(200, {"embeddings": out} if batch else {"embedding": out[0]})


def models(call):
    rows = [{"name": "models/" + n, "displayName": n, "supportedGenerationMethods": ["generateContent", "countTokens"]}
            for n in ("gemini-2.5-flash", "gemini-3-pro-preview")]  # fmt: skip
    call.send(200, {"models": rows})


ROUTES = [
    ("POST", r"/v1beta/models/[^/:]+:(?:generateContent|streamGenerateContent)", generate),
    ("POST", r"/v1beta/models/[^/:]+:countTokens", count),
    ("POST", r"/v1beta/models/[^/:]+:(?:embedContent|batchEmbedContents)", embed),
    ("GET", r"/v1beta/models", models),
]
