"""LangChain's models against the gateway: each of the three, against each simulated vendor: a call, a stream, tools."""

import itertools
import unittest

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI

from processes import KEY, Gateway
from vendors import Vendors, providers

MODELS = {
    "openai": "gpt-4o-mini",
    "azure": "gpt-4o",
    "anthropic": "claude-sonnet-4-5",
    "google": "gemini-3-pro-preview",  # which checks the signatures of calls
}
TOOL = {
    "title": "get_phase",
    "description": "Phase of the moon on a date.",
    "type": "object",
    "properties": {"date": {"type": "string"}},
    "required": ["date"],
}
ANSWER = {
    "title": "Answer",
    "description": "What is known of a body.",
    "type": "object",
    "properties": {"body": {"type": "string"}, "visited": {"type": "boolean"}},
    "required": ["body", "visited"],
}


def chat_openai(url, model):
    return ChatOpenAI(model=model, base_url=url + "/v1", api_key=KEY, max_retries=0, stream_usage=True)


def chat_responses(url, model):
    return ChatOpenAI(model=model, base_url=url + "/v1", api_key=KEY, max_retries=0, use_responses_api=True)


def chat_anthropic(url, model):
    return ChatAnthropic(model=model, base_url=url, api_key=KEY, max_retries=0, max_tokens=3000)


def chat_gemini(url, model):
    return ChatGoogleGenerativeAI(model=model, base_url=url, api_key=KEY, max_retries=1)


MAKERS = (chat_openai, chat_responses, chat_anthropic, chat_gemini)


class LangChain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.vendors = Vendors()
        cls.addClassCleanup(cls.vendors.stop)
        cls.gateway = Gateway(providers=providers(cls.vendors.port))
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.start()

    def setUp(self):
        self.vendors.clear()

    def usage(self, *messages):
        """What LangChain adds up is what the vendor said."""
        told = [(u["input"], u["output"]) for u in (entry["usage"] for entry in self.vendors.log())]
        found = [(m.usage_metadata["input_tokens"], m.usage_metadata["output_tokens"]) for m in messages]
        self.assertEqual(found, told)

    def invoke(self, model):
        answer = model.invoke([("system", "Be brief."), ("user", "How far is “it”?")])
        self.assertEqual(answer.text, "You said: How far is “it”? (system: Be brief.)")
        self.usage(answer)

    def stream(self, model):
        chunks = list(model.stream("How far is “it”?"))
        self.assertEqual("".join(chunk.text for chunk in chunks), "You said: How far is “it”?")
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        self.usage(whole)

    def tools(self, model):
        bound, asked = model.bind_tools([TOOL]), HumanMessage("call get_phase")
        first = bound.invoke([asked])
        self.assertEqual([(c["name"], c["args"]) for c in first.tool_calls], [("get_phase", {"date": "moon “ü”"})])
        result = ToolMessage("full", tool_call_id=first.tool_calls[0]["id"])
        second = bound.invoke([asked, first, result])
        self.assertEqual(second.text, "The tool said: full")
        self.usage(first, second)

    def tools_stream(self, model):
        bound, asked = model.bind_tools([TOOL]), HumanMessage("call get_phase")
        chunks = list(bound.stream([asked]))
        first = chunks[0]
        for chunk in chunks[1:]:
            first += chunk
        self.assertEqual([(c["name"], c["args"]) for c in first.tool_calls], [("get_phase", {"date": "moon “ü”"})])
        result = ToolMessage("full", tool_call_id=first.tool_calls[0]["id"])
        self.assertEqual("".join(c.text for c in bound.stream([asked, first, result])), "The tool said: full")

    def structured(self, model):
        for method in ("json_schema", "function_calling"):
            found = model.with_structured_output(ANSWER, method=method).invoke("Describe it.")
            found = found[0]["args"] if isinstance(found, list) else found
            self.assertEqual(found, {"body": "moon “ü”", "visited": True}, method)


def add(maker, vendor, case):
    def test(self):
        getattr(self, case)(maker(self.gateway.url, "%s/%s" % (vendor, MODELS[vendor])))

    setattr(LangChain, "test_%s_%s_%s" % (maker.__name__, vendor, case), test)


for _case in itertools.product(MAKERS, MODELS, ("invoke", "stream", "tools", "tools_stream", "structured")):
    add(*_case)


if __name__ == "__main__":
    unittest.main()
