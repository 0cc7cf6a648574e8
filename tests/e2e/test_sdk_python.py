"""The official OpenAI SDK for Python against the gateway, whose vendor answers after OpenAI's specification."""

import base64
import json
import time
import unittest

import openai

from processes import KEY, UPSTREAM_KEY, GatewayTest

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_phase",
            "description": "Phase of the moon",
            "strict": True,
            "parameters": {
                "type": "object",
                "properties": {"date": {"type": "string"}, "place": {"type": "string"}},
                "required": ["date", "place"],
                "additionalProperties": False,
            },
        },
    }
]
MOON = "The moon is about 384,400 km away, “on average”."
ASK = [{"role": "user", "content": "How far is the moon?"}]
MODEL = "gpt-4o-mini"


class SdkTest(GatewayTest):
    config = """
      organizations = { acme = { keys = { "mg-acme-dev" } },
                        slow = { keys = { "mg-slow" }, limits = { requests = "1/2s" } },
                        shut = { keys = { "mg-shut" }, limits = { requests = "1/hour" } } }
    """

    def client(self, key=KEY, **more):
        more.setdefault("max_retries", 0)
        client = openai.OpenAI(api_key=key, base_url=self.gateway.url + "/v1", timeout=20, **more)
        self.addCleanup(client.close)
        return client

    def seen(self, at=-1):
        """What travelled to the vendor: its headers and its body."""
        entry = self.vendor.log()[at]
        return entry["headers"], json.loads(base64.b64decode(entry["body"]))


class Chat(SdkTest):
    def test_plain(self):
        answer = self.client().chat.completions.with_raw_response.create(model=MODEL, messages=ASK)
        chat = answer.parse()
        self.assertEqual(chat.choices[0].message.content, MOON)
        self.assertEqual((chat.usage.prompt_tokens, chat.usage.completion_tokens), (19, 11))
        self.assertEqual(answer.headers["x-moongate-provider"], "openai")
        self.assertEqual(answer.headers["x-moongate-model"], MODEL)
        self.assertEqual(answer.headers["x-moongate-attempts"], "1")
        # 15 whole-price, 4 cached, 11 output tokens at 0.15, 0.075 and 0.60 dollars a million
        self.assertEqual(answer.headers["x-moongate-cost-usd"], "0.00000915")
        row = self.gateway.request_rows(answer.headers["x-request-id"])[0]
        self.assertEqual((row["outcome"], row["precision"], row["final"], row["org_ref"]), ("ok", "exact", 1, "acme"))
        self.assertEqual((row["tokens_input"], row["tokens_output"], row["tokens_cached"]), (19, 11, 4))
        self.assertEqual(row["cost_nano_usd"], 9150)

    def test_what_travels(self):
        self.client(default_headers={"x-moongate-tags": "project=x", "x-moongate-user": "u-1"}).chat.completions.create(
            model=MODEL, messages=ASK, extra_body={"a_new_field": {"deep": [1, 2.50, "ü"]}}, user="someone"
        )
        headers, body = self.seen()
        self.assertEqual(headers["authorization"], "Bearer " + UPSTREAM_KEY)
        self.assertNotIn(KEY, json.dumps(headers) + json.dumps(body))
        self.assertEqual(
            [name for name in headers if name.startswith("x-moongate") or name.startswith("x-stainless")], []
        )
        self.assertEqual(body["a_new_field"], {"deep": [1, 2.5, "ü"]})
        self.assertEqual((body["model"], body["user"]), (MODEL, "someone"))

    def test_stream_without_usage(self):
        chunks = list(self.client().chat.completions.create(model=MODEL, messages=ASK, stream=True))
        self.assertEqual("".join(c.choices[0].delta.content or "" for c in chunks), MOON)
        self.assertTrue(all(c.choices for c in chunks), "the usage chunk was not asked for")
        self.assertEqual(chunks[-1].choices[0].finish_reason, "stop")
        self.assertTrue(self.seen()[1]["stream_options"]["include_usage"], "the gateway asks for it all the same")

    def test_stream_with_usage(self):
        stream = self.client().chat.completions.with_raw_response.create(
            model=MODEL, messages=ASK, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream.parse())
        self.assertEqual(chunks[-1].choices, [])
        self.assertEqual((chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens), (19, 11))
        row = self.gateway.request_rows(stream.headers["x-request-id"])[0]
        self.assertEqual(
            (row["tokens_input"], row["tokens_output"], row["precision"], row["stream"]), (19, 11, "exact", 1)
        )
        self.assertIsNotNone(row["ttft_ms"])

    def test_tools_round_trip(self):
        client = self.client()
        first = client.chat.completions.create(model=MODEL, messages=ASK, tools=TOOLS)
        call = first.choices[0].message.tool_calls[0]
        self.assertEqual(json.loads(call.function.arguments), {"date": "2026-01-03", "place": "Montréal"})
        messages = ASK + [
            first.choices[0].message,
            {"role": "tool", "tool_call_id": call.id, "content": '{"phase":"full"}'},
        ]
        second = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS)
        self.assertEqual(second.choices[0].finish_reason, "stop")
        sent = self.seen()[1]
        self.assertEqual(sent["messages"][1]["tool_calls"][0]["id"], call.id)
        self.assertEqual(sent["tools"], TOOLS)

    def test_tools_streamed(self):
        arguments = ""
        for chunk in self.client().chat.completions.create(model=MODEL, messages=ASK, tools=TOOLS, stream=True):
            for call in chunk.choices[0].delta.tool_calls or []:
                arguments += call.function.arguments
        self.assertEqual(json.loads(arguments), {"date": "2026-01-03", "place": "Montréal"})

    def test_structured_output(self):
        import pydantic

        class Visit(pydantic.BaseModel):
            body: str
            distance_km: int
            visited: bool

        answer = self.client().chat.completions.parse(model=MODEL, messages=ASK, response_format=Visit)
        self.assertEqual(answer.choices[0].message.parsed, Visit(body="Moon", distance_km=384400, visited=True))
        self.assertEqual(self.seen()[1]["response_format"]["json_schema"]["name"], "Visit")

    def test_logprobs(self):
        answer = self.client().chat.completions.create(model=MODEL, messages=ASK, logprobs=True, top_logprobs=2)
        self.assertEqual([t.token for t in answer.choices[0].logprobs.content], ["Yes", "."])
        self.assertEqual(answer.choices[0].logprobs.content[0].top_logprobs[1].token, "No")

    def test_vision_passes_untouched(self):
        pixel = "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 40).decode()
        parts = [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": pixel, "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://example.com/moon.png"}},
        ]
        self.client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": parts}])
        self.assertEqual(self.seen()[1]["messages"][0]["content"], parts)


class Others(SdkTest):
    def test_embeddings(self):
        answer = self.client().embeddings.create(model="text-embedding-3-small", input=["moon", "gate"])
        self.assertEqual(self.seen()[1]["encoding_format"], "base64", "the SDK's default")
        self.assertEqual([len(e.embedding) for e in answer.data], [1536, 1536])
        self.assertIsInstance(answer.data[1].embedding[7], float)
        floats = self.client().embeddings.create(
            model="text-embedding-3-small", input="moon", encoding_format="float", dimensions=64
        )
        self.assertEqual(len(floats.data[0].embedding), 64)
        self.assertAlmostEqual(floats.data[0].embedding[3], answer.data[0].embedding[3], places=5)

    def test_models(self):
        names = [m.id for m in self.client().models.list()]
        self.assertIn("openai/gpt-4o-mini", names)
        self.assertEqual(self.client().models.retrieve(MODEL).id, MODEL)
        with self.assertRaises(openai.NotFoundError):
            self.client().models.retrieve("no-such-model")


class Errors(SdkTest):
    def test_wrong_key(self):
        with self.assertRaises(openai.AuthenticationError) as refused:
            self.client("mg-wrong").chat.completions.create(model=MODEL, messages=ASK)
        self.assertEqual(refused.exception.code, "invalid_api_key")
        self.assertNotIn("mg-wrong", str(refused.exception))
        self.assertEqual(self.vendor.log(), [])

    def test_unknown_model(self):
        with self.assertRaises(openai.NotFoundError) as refused:
            self.client().chat.completions.create(model="no-such-model", messages=ASK)
        self.assertEqual((refused.exception.code, refused.exception.type), ("model_not_found", "invalid_request_error"))

    def test_malformed_body(self):
        with self.assertRaises(openai.BadRequestError) as refused:
            self.client().post(
                "/chat/completions",
                cast_to=object,
                content=b'{"model": "gpt-4o-mini", "messages": [',
                options={"headers": {"content-type": "application/json"}},
            )
        self.assertEqual(refused.exception.type, "invalid_request_error")
        with self.assertRaises(openai.BadRequestError) as refused:
            self.client().chat.completions.create(model=MODEL, messages="hello")
        self.assertIn("'messages'", refused.exception.message)

    def test_rate_limit_and_retry(self):
        client = self.client("mg-slow")
        client.chat.completions.create(model=MODEL, messages=ASK)
        with self.assertRaises(openai.RateLimitError) as refused:
            client.chat.completions.create(model=MODEL, messages=ASK)
        wait = int(refused.exception.response.headers["retry-after-ms"]) / 1000
        self.assertEqual(refused.exception.code, "rate_limit_exceeded")
        self.assertTrue(0 < wait <= 2.1, wait)
        began = time.monotonic()
        self.client("mg-slow", max_retries=3).chat.completions.create(model=MODEL, messages=ASK)
        self.assertLess(time.monotonic() - began, 8, "the SDK obeys retry-after-ms and gets through")

    def test_long_wait_is_not_retried(self):
        client = self.client("mg-shut", max_retries=5)
        client.chat.completions.create(model=MODEL, messages=ASK)
        began = time.monotonic()
        with self.assertRaises(openai.RateLimitError) as refused:
            client.chat.completions.create(model=MODEL, messages=ASK)
        self.assertEqual(refused.exception.response.headers["x-should-retry"], "false")
        self.assertLess(time.monotonic() - began, 1)

    def test_upstream_rate_limit_has_its_retry_after(self):
        with self.assertRaises(openai.RateLimitError) as refused:
            self.client().chat.completions.create(model="openai/rate:7", messages=ASK)
        self.assertEqual(refused.exception.response.headers["retry-after"], "7")

    def test_upstream_errors(self):
        for model, raised in (
            ("openai/status:500", openai.InternalServerError),
            ("openai/status:503", openai.InternalServerError),
            ("openai/rubbish", openai.InternalServerError),
            ("openai/reset-before", openai.InternalServerError),
        ):
            with self.subTest(model), self.assertRaises(raised) as refused:
                self.client().chat.completions.create(model=model, messages=ASK)
            self.assertNotIn(str(self.vendor.port), str(refused.exception), "an upstream's address is not for clients")

    def test_client_timeout(self):
        with self.assertRaises(openai.APITimeoutError):
            self.client().with_options(timeout=0.3).chat.completions.create(model="openai/slow:1500", messages=ASK)

    def test_broken_stream_is_no_clean_end(self):
        for model in ("reset-mid", "no-done", "error-event"):
            with self.subTest(model), self.assertRaises(openai.APIError):
                list(self.client().chat.completions.create(model="openai/" + model, messages=ASK, stream=True))


if __name__ == "__main__":
    unittest.main()
