"""Recorded OpenAI traffic, where it is present: one JSON object a line, with the request, and the answer as it came.

MOONGATE_DATA names the folder; else it stands beside the repository. Tests that need it skip plainly without it.
"""

import gzip
import json
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROUTES = ("/v1/chat/completions", "/v1/embeddings")


def folder():
    named = os.environ.get("MOONGATE_DATA")
    return pathlib.Path(named) if named else ROOT.parent / "shared" / "data"


def path():
    return folder() / "recordings" / "openai.jsonl.gz"


def load():
    """Recordings of the routes that the gateway serves, each with its line number as `index`."""
    found = []
    with gzip.open(path(), "rt", encoding="utf-8") as lines:
        for index, line in enumerate(lines):
            row = json.loads(line)
            if row["path"] in ROUTES and row["method"] == "POST":
                row["index"] = index
                found.append(row)
    return found


def key(route, body):
    """What two requests have in common that differ only in what the gateway may add: asking a stream for its usage."""
    body = dict(body)
    options = dict(body.pop("stream_options", None) or {})
    options.pop("include_usage", None)
    if options:
        body["stream_options"] = options
    return route + " " + json.dumps(body, sort_keys=True)
