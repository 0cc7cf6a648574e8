"""The official clients behind one face: what is asked and what came back in terms that all of them share."""

import base64
import dataclasses
import json

import anthropic
import openai
from google import genai
from google.genai import errors as genai_errors


@dataclasses.dataclass
class Reply:
    text: str = ""
    thinking: str = ""
    finish: str = ""  # stop, length, tools, or as the vendor's format says
    calls: list = dataclasses.field(default_factory=list)  # (id, name, arguments)
    usage: dict = dataclasses.field(
        default_factory=dict
    )  # input, output, cached and, where the format has it, reasoning
    turn: list = dataclasses.field(default_factory=list)  # what to hand back in the next request


@dataclasses.dataclass
class Tool:
    name: str
    schema: dict


class Client:
    """`ask` takes the turns so far: those made by `user` and `results`, and those of replies."""

    name = ""
    structured = embeds = counts = stops = True

    def __init__(self, url, key, headers):
        self.url, self.key, self.headers = url, key, headers
        self.client = self.connect()

    def close(self):
        self.client.close()

    def models(self):
        return [m.id for m in self.client.models.list()]

    @staticmethod
    def code(error):
        return error.status_code

    @staticmethod
    def retry_after(error):
        return error.response.headers["retry-after"]


# ---- OpenAI ------------------------------------------------------------------------------------------------------


def data_url(kind, data):
    return "data:%s;base64,%s" % (kind, base64.b64encode(data).decode())


def given(**options):
    return {name: value for name, value in options.items() if value is not None}


class Chat(Client):
    name = "openai"
    sdk = openai
    broken = openai.APIError

    def connect(self):
        return openai.OpenAI(
            base_url=self.url + "/v1", api_key=self.key, max_retries=0, timeout=30, default_headers=self.headers
        )

    def user(self, text, images=()):
        parts = [{"type": "image_url", "image_url": {"url": data_url(*image)}} for image in images]
        return [{"role": "user", "content": parts + [{"type": "text", "text": text}] if parts else text}]

    def results(self, results):
        return [{"role": "tool", "tool_call_id": id, "content": text} for id, _, text in results]

    def options(self, o):
        functions = [{"name": t.name, "parameters": t.schema} for t in o.get("tools", [])]
        form = o.get("schema") and {"name": "answer", "schema": o["schema"], "strict": True}
        return given(
            max_tokens=o.get("max_tokens"),
            stop=o.get("stop"),
            reasoning_effort="low" if o.get("thinking") else None,
            tools=[{"type": "function", "function": f} for f in functions] or None,
            response_format=form and {"type": "json_schema", "json_schema": form},
        )

    def ask(self, model, turns, system=None, stream=False, **options):
        messages = ([{"role": "system", "content": system}] if system else []) + turns
        arguments = dict(model=model, messages=messages, **self.options(options))
        if stream:
            return self.streamed(
                self.client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **arguments)
            )
        chat = self.client.chat.completions.create(**arguments)
        message, finish = chat.choices[0].message, chat.choices[0].finish_reason
        calls = [(c.id, c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls or []]
        thinking = (message.model_extra or {}).get("reasoning_content") or ""
        return self.reply(message.content, thinking, finish, calls, chat.usage, message)

    def reply(self, text, thinking, finish, calls, usage, message):
        read, made = usage.prompt_tokens_details, usage.completion_tokens_details
        numbers = {"input": usage.prompt_tokens, "output": usage.completion_tokens}
        numbers["cached"] = (read and read.cached_tokens) or 0
        numbers["reasoning"] = (made and made.reasoning_tokens) or 0
        return Reply(text or "", thinking, {"tool_calls": "tools"}.get(finish, finish), calls, numbers, [message])

    def streamed(self, chunks):
        message, finish, usage = {"role": "assistant", "content": ""}, None, None
        thinking, calls, thoughts = "", [], []
        for chunk in chunks:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                finish = choice.finish_reason or finish
                message["content"] += choice.delta.content or ""
                extra = choice.delta.model_extra or {}
                thinking += extra.get("reasoning_content") or ""
                thoughts += extra.get("thinking_blocks") or []
                for piece in choice.delta.tool_calls or []:
                    while len(calls) <= piece.index:
                        calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
                    call = calls[piece.index]
                    call["id"] += piece.id or ""
                    call["function"]["name"] += piece.function.name or ""
                    call["function"]["arguments"] += piece.function.arguments or ""
                    call.update(piece.model_extra or {})
        if calls:
            message["tool_calls"] = calls
        if thoughts:
            message["thinking_blocks"] = thoughts
        read = [(c["id"], c["function"]["name"], json.loads(c["function"]["arguments"])) for c in calls]
        return self.reply(message["content"], thinking, finish, read, usage, message)

    def embed(self, model, texts):
        answer = self.client.embeddings.create(model=model, input=texts)
        return [row.embedding for row in answer.data], answer.usage.prompt_tokens

    def malformed(self, model):
        self.client.chat.completions.create(model=model, messages="hello")

    def stray(self, model):
        """A tool's result that nothing asked for."""
        self.ask(model, self.user("hi") + self.results([("call_1", "phase", "full")]))

    counts = False


class Azure(Chat):
    name = "azure"

    def connect(self):
        return openai.AzureOpenAI(
            azure_endpoint=self.url,
            api_key=self.key,
            api_version="2024-10-21",
            max_retries=0,
            timeout=30,
            default_headers=self.headers,
        )


class Responses(Chat):
    name = "responses"
    embeds = stops = False
    counts = True

    def user(self, text, images=()):
        parts = [{"type": "input_image", "image_url": data_url(*image), "detail": "auto"} for image in images]
        return [{"role": "user", "content": parts + [{"type": "input_text", "text": text}] if parts else text}]

    def results(self, results):
        return [{"type": "function_call_output", "call_id": id, "output": text} for id, _, text in results]

    def options(self, o):
        form = o.get("schema") and {"type": "json_schema", "name": "answer", "schema": o["schema"], "strict": True}
        tools = [given(type="function", name=t.name, parameters=t.schema, strict=False) for t in o.get("tools", [])]
        thinking = o.get("thinking")
        return given(
            max_output_tokens=o.get("max_tokens"),
            tools=tools or None,
            text=form and {"format": form},
            reasoning={"effort": "low", "summary": "auto"} if thinking else None,
            include=["reasoning.encrypted_content"] if thinking else None,
            store=False if thinking else None,
        )

    def ask(self, model, turns, system=None, stream=False, **options):
        arguments = dict(model=model, input=turns, **given(instructions=system), **self.options(options))
        if not stream:
            return self.whole(self.client.responses.create(**arguments))
        text, last, numbers = "", None, []
        for event in self.client.responses.create(stream=True, **arguments):
            numbers.append(event.sequence_number)
            if event.type == "response.output_text.delta":
                text += event.delta
            last = event
            if event.type in ("response.failed", "error"):
                raise openai.APIError("failed in the stream", request=None, body=None)
        if last is None or last.type not in ("response.completed", "response.incomplete"):
            raise openai.APIError("the stream ended before the response", request=None, body=None)
        reply = self.whole(last.response)
        assert numbers == sorted(set(numbers)), "sequence numbers ascend"
        assert text == reply.text, "the deltas are the text"
        return reply

    def whole(self, response):
        items, u = response.output, response.usage
        calls = [(i.call_id, i.name, json.loads(i.arguments)) for i in items if i.type == "function_call"]
        thinking = "".join(part.text for i in items if i.type == "reasoning" for part in i.summary)
        numbers = {"input": u.input_tokens, "output": u.output_tokens, "cached": u.input_tokens_details.cached_tokens}
        numbers["reasoning"] = u.output_tokens_details.reasoning_tokens
        finish = response.incomplete_details.reason if response.incomplete_details else "stop"
        finish = "tools" if calls else {"max_output_tokens": "length"}.get(finish, finish)
        return Reply(response.output_text, thinking, finish, calls, numbers, list(items))

    def count(self, model, turns):
        return self.client.responses.input_tokens.count(model=model, input=turns).input_tokens

    def malformed(self, model):
        self.client.responses.create(model=model, input=7)


# ---- Anthropic ---------------------------------------------------------------------------------------------------


class Messages(Client):
    name = "anthropic"
    sdk = anthropic
    broken = anthropic.APIError
    embeds = False

    def connect(self):
        return anthropic.Anthropic(
            base_url=self.url, api_key=self.key, max_retries=0, timeout=30, default_headers=self.headers
        )

    def user(self, text, images=()):
        sources = [dict(type="base64", media_type=k, data=base64.b64encode(d).decode()) for k, d in images]
        blocks = [{"type": "image", "source": source} for source in sources]
        return [{"role": "user", "content": blocks + [{"type": "text", "text": text}] if blocks else text}]

    def results(self, results):
        blocks = [{"type": "tool_result", "tool_use_id": id, "content": text} for id, _, text in results]
        return [{"role": "user", "content": blocks}]

    def ask(self, model, turns, system=None, stream=False, **o):
        form = o.get("schema") and {"format": {"type": "json_schema", "schema": o["schema"]}}
        arguments = given(
            model=model,
            messages=turns,
            system=system,
            max_tokens=o.get("max_tokens", 4000),
            stop_sequences=o.get("stop"),
            tools=[{"name": t.name, "input_schema": t.schema} for t in o.get("tools", [])] or None,
            output_config=form,
            thinking={"type": "enabled", "budget_tokens": 1024} if o.get("thinking") else None,
        )
        if not stream:
            return self.whole(self.client.messages.create(**arguments))
        with self.client.messages.stream(**arguments) as events:
            text = "".join(events.text_stream)
            reply = self.whole(events.get_final_message())
        assert text == reply.text, "the deltas are the text"
        return reply

    def whole(self, message):
        u, blocks = message.usage, message.content
        cached = u.cache_read_input_tokens or 0
        numbers = {"input": u.input_tokens + cached + (u.cache_creation_input_tokens or 0), "output": u.output_tokens}
        reasons = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tools"}
        return Reply(
            "".join(b.text for b in blocks if b.type == "text"),
            "".join(b.thinking for b in blocks if b.type == "thinking"),
            reasons.get(message.stop_reason, message.stop_reason),
            [(b.id, b.name, b.input) for b in blocks if b.type == "tool_use"],
            dict(numbers, cached=cached),
            [{"role": "assistant", "content": blocks}],
        )

    def count(self, model, turns):
        return self.client.messages.count_tokens(model=model, messages=turns).input_tokens

    def malformed(self, model):
        self.client.messages.create(model=model, max_tokens=9, messages="hello")

    stray = Chat.stray


# ---- Gemini ------------------------------------------------------------------------------------------------------


class Gemini(Client):
    name = "gemini"
    broken = Exception  # what httpx, the JSON parser or the SDK raise

    def connect(self):
        options = {"base_url": self.url, "timeout": 30000, "headers": self.headers, "retry_options": {"attempts": 1}}
        return genai.Client(api_key=self.key, http_options=options)

    def user(self, text, images=()):
        data = [{"inline_data": {"mime_type": kind, "data": data}} for kind, data in images]
        return [{"role": "user", "parts": data + [{"text": text}]}]

    def results(self, results):
        answered = [given(name=name, response={"result": text}, id=id) for id, name, text in results]
        return [{"role": "user", "parts": [{"function_response": answer} for answer in answered]}]

    def ask(self, model, turns, system=None, stream=False, **o):
        declared = [{"name": t.name, "parameters_json_schema": t.schema} for t in o.get("tools", [])]
        config = given(
            system_instruction=system,
            max_output_tokens=o.get("max_tokens"),
            stop_sequences=o.get("stop"),
            tools=[{"function_declarations": declared}] if declared else None,
            response_mime_type="application/json" if o.get("schema") else None,
            response_json_schema=o.get("schema"),
            thinking_config={"include_thoughts": True} if o.get("thinking") else None,
        )
        arguments = {"model": model, "contents": turns, "config": config}
        if not stream:
            return self.joined([self.client.models.generate_content(**arguments)])
        return self.joined(list(self.client.models.generate_content_stream(**arguments)))

    def joined(self, chunks):
        parts, finish = [], ""
        for chunk in chunks:
            for candidate in chunk.candidates or []:
                parts += (candidate.content and candidate.content.parts) or []
                finish = candidate.finish_reason.value if candidate.finish_reason else finish
            if chunk.prompt_feedback and chunk.prompt_feedback.block_reason:
                finish = chunk.prompt_feedback.block_reason.value
        u = chunks[-1].usage_metadata
        assert finish, "no chunk says how the stream ended"
        thoughts = u.thoughts_token_count or 0
        numbers = {"input": u.prompt_token_count, "output": (u.candidates_token_count or 0) + thoughts}
        calls = [(c.id, c.name, c.args) for c in (p.function_call for p in parts) if c]
        return Reply(
            "".join(p.text or "" for p in parts if not p.thought),
            "".join(p.text or "" for p in parts if p.thought),
            "tools" if calls else {"STOP": "stop", "MAX_TOKENS": "length"}.get(finish, finish),
            calls,
            dict(numbers, cached=u.cached_content_token_count or 0, reasoning=thoughts),
            [genai.types.Content(role="model", parts=parts)],
        )

    def embed(self, model, texts):
        answer = self.client.models.embed_content(model=model, contents=texts)
        return [row.values for row in answer.embeddings], None

    def count(self, model, turns):
        return self.client.models.count_tokens(model=model, contents=turns).total_tokens

    def models(self):
        return [m.name.removeprefix("models/") for m in self.client.models.list()]

    def malformed(self, model):
        self.client.models.generate_content(model=model, contents=[{"role": "robot", "parts": [{"text": "hi"}]}])

    stray = Chat.stray

    @staticmethod
    def code(error):
        return error.code

    @staticmethod
    def retry_after(error):
        return error.response.headers["retry-after"]

    class sdk:
        """The other clients' names for what this one has only numbers for."""

        AuthenticationError = NotFoundError = BadRequestError = RateLimitError = genai_errors.ClientError
        InternalServerError = genai_errors.ServerError


CLIENTS = (Chat, Azure, Responses, Messages, Gemini)
