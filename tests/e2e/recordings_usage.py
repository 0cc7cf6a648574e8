"""What a recorded answer says that it used, read from the vendor's own figures: input (cached ones included), output
(reasoning included), cached, cache_write, reasoning."""

import json

NAMES = ("input", "output", "cached", "cache_write", "reasoning")


def frames(row):
    """The JSON texts of an answer: one, or those of its events."""
    if not row["stream"]:
        return [json.loads(row["body"])]
    if row["body"].startswith("["):
        return json.loads(row["body"])
    found = [line[5:].strip() for line in row["body"].splitlines() if line.startswith("data:")]
    return [json.loads(data) for data in found if data.startswith("{")]


def number(usage, *names):
    for name in names:
        usage = (usage or {}).get(name)
    return usage or 0


def chat(row):
    found = [f["usage"] for f in frames(row) if f.get("usage")]
    if not found:
        return None
    u = found[-1]
    # Gemini's server for OpenAI's clients leaves the reasoning out of completion_tokens, but not out of the total.
    output = max(number(u, "completion_tokens"), number(u, "total_tokens") - number(u, "prompt_tokens"))
    return (
        number(u, "prompt_tokens"),
        output,
        number(u, "prompt_tokens_details", "cached_tokens"),
        number(u, "prompt_tokens_details", "cache_write_tokens"),
        number(u, "completion_tokens_details", "reasoning_tokens"),
    )


def responses(row):
    found = [f.get("response", f).get("usage") for f in frames(row)]
    found = [u for u in found if u]
    if not found:
        return None
    u = found[-1]
    return (
        number(u, "input_tokens"),
        number(u, "output_tokens"),
        number(u, "input_tokens_details", "cached_tokens"),
        number(u, "input_tokens_details", "cache_write_tokens"),
        number(u, "output_tokens_details", "reasoning_tokens"),
    )


def messages(row):
    """In streams the start has the input's figures, and what comes later holds instead."""
    u = {}
    for frame in frames(row):
        given = frame.get("usage") or number(frame, "message", "usage") or {}
        u.update({name: value for name, value in given.items() if value is not None})
    if not u:
        return None
    cached, written = number(u, "cache_read_input_tokens"), number(u, "cache_creation_input_tokens")
    return (
        number(u, "input_tokens") + cached + written,
        number(u, "output_tokens"),
        cached,
        written,
        number(u, "output_tokens_details", "thinking_tokens"),
    )


def gemini(row):
    found = [f["usageMetadata"] for f in frames(row) if f.get("usageMetadata")]
    found = [u for u in found if "promptTokenCount" in u or "candidatesTokenCount" in u or "totalTokenCount" in u]
    if not found:
        return None
    u = found[-1]
    thoughts = number(u, "thoughtsTokenCount")
    return (
        number(u, "promptTokenCount") + number(u, "toolUsePromptTokenCount"),
        number(u, "candidatesTokenCount") + thoughts,
        number(u, "cachedContentTokenCount"),
        0,
        thoughts,
    )


READERS = {
    "chat/completions": chat,
    "embeddings": chat,
    "responses": responses,
    "messages": messages,
    "generateContent": gemini,
    "streamGenerateContent": gemini,
    "batchEmbedContents": gemini,
}


def of(row, operation):
    """None if the answer says nothing of it."""
    found = READERS[operation](row) if operation in READERS else None
    return dict(zip(NAMES, found)) if found else None
