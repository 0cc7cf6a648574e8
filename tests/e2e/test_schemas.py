"""The check against OpenAI's document can fail: answers fit, and the same with one thing changed do not."""

import copy
import os
import pathlib
import unittest

import schemas
from processes import ROOT

DATA = pathlib.Path(os.environ.get("MOONGATE_DATA", ROOT.parent / "shared" / "data"))
SPEC = DATA / "specs" / "openai_openapi_subset.json"

RESPONSE = {
    "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "error": None, "model": "m",
    "incomplete_details": None, "instructions": None, "metadata": {}, "parallel_tool_calls": True, "temperature": 1,
    "tool_choice": "auto", "tools": [], "top_p": 1,
    "output": [{"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "hi", "annotations": [], "logprobs": []}]}],
}
CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
         "choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": None, "logprobs": None}]}
DELTA = {"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0, "delta": "x",
         "sequence_number": 1, "logprobs": []}


@unittest.skipUnless(SPEC.exists(), "no specifications here (set MOONGATE_DATA)")
class Schemas(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.schemas = schemas.Schemas(SPEC)

    def check(self, name, value, path, wrong):
        """The value fits; with `wrong` at the path (DELETE: without it) it does not, and the error says where."""
        self.assertEqual(list(self.schemas.errors(name, value)), [])
        bad = copy.deepcopy(value)
        at = bad
        for key in path[:-1]:
            at = at[key]
        if wrong is DELETE:
            del at[path[-1]]
        else:
            at[path[-1]] = wrong
        self.assertTrue(list(self.schemas.errors(name, bad)), (name, path, wrong))

    def test_responses(self):
        self.check("Response", RESPONSE, ["tools"], DELETE)
        self.check("Response", RESPONSE, ["status"], "done")
        self.check("Response", RESPONSE, ["output", 0, "status"], "done")
        self.check("Response", RESPONSE, ["output", 0, "content", 0, "annotations"], DELETE)
        self.check("Response", RESPONSE, ["output", 0, "content", 0, "logprobs"], None)
        self.check("Response", RESPONSE, ["output", 0, "type"], "function_call")

    def test_events(self):
        self.check("ResponseStreamEvent", DELTA, ["sequence_number"], DELETE)
        self.check("ResponseStreamEvent", DELTA, ["delta"], None)
        self.check("ResponseStreamEvent", DELTA, ["type"], "response.output_text.changed")
        done = {"type": "response.completed", "sequence_number": 1, "response": RESPONSE}
        self.check("ResponseStreamEvent", done, ["response", "output", 0, "content", 0, "text"], 7)

    def test_chat(self):
        self.check("CreateChatCompletionStreamResponse", CHUNK, ["choices", 0, "delta"], DELETE)
        self.check("CreateChatCompletionStreamResponse", CHUNK, ["choices", 0, "finish_reason"], "done")
        self.check("ErrorResponse", {"error": {"type": "t", "code": None, "param": None, "message": "m"}},
                   ["error", "message"], DELETE)


DELETE = object()

if __name__ == "__main__":
    unittest.main()
