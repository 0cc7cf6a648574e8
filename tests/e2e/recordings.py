"""Recorded traffic of the vendors, where it is present: one JSON object a line, with the request, and the answer as it came.

MOONGATE_DATA names the folder; else it stands beside the repository. Tests that need it skip plainly without it.
"""

import gzip
import json
import os
import pathlib
import re
from urllib.parse import quote, unquote

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEY = "sk-upstream-e2e"

OPENAI = ("chat/completions", "responses", "responses/input_tokens", "embeddings", "moderations")
ANTHROPIC = ("messages", "messages/count_tokens")
GEMINI = ("generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents")


def folder():
    named = os.environ.get("MOONGATE_DATA")
    return (pathlib.Path(named) if named else ROOT.parent / "shared" / "data") / "recordings"


def present():
    return (folder() / "openai.jsonl.gz").exists()


def load(vendor):
    """Its recordings, each with its line number as `index`."""
    plain = folder() / (vendor + ".jsonl")
    opened = open(plain, encoding="utf-8") if plain.exists() else gzip.open(str(plain) + ".gz", "rt", encoding="utf-8")
    with opened as lines:
        return [dict(json.loads(line), index=index) for index, line in enumerate(lines)]


class Place:
    """Where a recorded request goes: the provider that stands for the recorded host, the model, and the client's route."""

    def __init__(self, plugin, settings, base, model, route, operation):
        self.plugin, self.settings, self.base, self.model = plugin, settings, base, model
        self.route, self.operation = route, operation

    def provider(self, port):
        """The provider's definition, at a port of this machine instead of the vendor's host."""
        address = '%s = "http://127.0.0.1:%d%s"' % (
            "endpoint" if self.plugin == "azure" else "base_url",
            port,
            self.base,
        )
        return 'vendor = { "%s", api_key = "%s", %s%s }' % (self.plugin, KEY, address, self.settings)

    @property
    def group(self):
        return self.plugin, self.settings, self.base


def openai_place(row):
    found = re.fullmatch(r"/v1/(.+)", row["path"])
    if not found or found[1] not in OPENAI or row["method"] != "POST":
        return None
    settings = ', responses = "yes", path = { input_tokens = "/responses/input_tokens" }'
    # A prompt that is kept at the vendor may name the model; here the request has to.
    return Place("openai", settings, "/v1", row["request"].get("model"), row["path"], found[1])


def azure_place(row):
    path = row["path"].replace("//", "/")  # of clients whose address ends with a slash
    version = re.fullmatch(r"\?api-version=([\w-]+)", row["query"])
    settings = ', api_version = "%s"' % version[1] if version else ""
    found = re.fullmatch(r"/openai/deployments/([^/]+)/(.+)", path)
    if found and found[2] in OPENAI:
        return Place("azure", settings, "", unquote(found[1]), path + row["query"], found[2])
    found = re.fullmatch(r"(/openai/v1|/models)/(.+)", path)
    if not found or found[2] not in OPENAI:
        return None
    route = path if found[1] == "/openai/v1" else "/v1/" + found[2]
    return Place("azure", settings, found[1], row["request"]["model"], route, found[2])


def anthropic_place(row):
    found = re.fullmatch(r"/v1/(.+)", row["path"])
    if not found or found[1] not in ANTHROPIC:
        return None
    return Place("anthropic", "", "", row["request"]["model"], row["path"] + row["query"], found[1])


def gemini_place(row):
    if row["path"] == "/v1beta/openai/chat/completions":  # Google's server for OpenAI's clients
        return Place("openai", "", "/v1beta/openai", row["request"]["model"], "/v1/chat/completions", "chat/completions")
    found = re.fullmatch(r"(/.+)/models/([^/:]+):(\w+)", row["path"])
    if not found or found[3] not in GEMINI:
        return None
    vertex = re.fullmatch(r"/\w+/projects/([^/]+)/locations/([^/]+)/publishers/google", found[1])
    settings = ', project = "%s"' % re.sub(r"[^\w-]", "", vertex[1]).replace("_", "-") if vertex else ""
    route = "/v1beta/models/%s:%s%s" % (found[2], found[3], row["query"])
    return Place("google", settings, quote(found[1], safe="/"), unquote(found[2]), route, found[3])


PLACES = {"openai": openai_place, "azure": azure_place, "anthropic": anthropic_place, "gemini": gemini_place}


def place(row):
    """None: the gateway has no such route, or the request itself was not recorded."""
    return PLACES[row["provider"]](row) if isinstance(row["request"], dict) else None
